"""Metrics and summaries as strict JSON: finite numbers only."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["json_object", "metrics_line", "summary_text", "values_of"]

#: Kinds of values in annotations of dataclasses: what JSON gives, and the word for it.
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "text"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "list": ((list,), "a list"),
    "dict": ((dict,), "an object"),
    "None": ((type(None),), "null"),
}


def metrics_line(row: dict[str, Any]) -> str:
    """One line of ``metrics.jsonl``.

    Parameters
    ----------
    row : dict
        The values of one epoch.

    Returns
    -------
    str
        A JSON object and a newline.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.
    """
    return _strict_json(row, "metrics row") + "\n"


def _strict_json(value: dict[str, Any], what: str, indent: int | None = None) -> str:
    try:
        return json.dumps(value, allow_nan=False, indent=indent)
    except ValueError as error:
        raise ValueError(
            f"{what} {value!r} cannot be written as JSON ({error}); give finite numbers, "
            f"or None where there is no value"
        ) from error


def summary_text(summary: dict[str, Any]) -> str:
    """Content of ``summary.json``.

    Parameters
    ----------
    summary : dict
        Values that JSON can hold.

    Returns
    -------
    str
        Indented JSON, with a newline at its end.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.
    """
    return _strict_json(summary, "summary", indent=2) + "\n"


def json_object(data: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Parameters
    ----------
    data : bytes
        UTF-8 text.

    Returns
    -------
    dict
        Its values.

    Raises
    ------
    TypeError
        If it is JSON of another type.
    ValueError
        If it is not JSON, or holds NaN or an infinite number.
    """
    value = json.loads(data, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} instead of an object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def values_of(kind: type[DataclassInstance], found: object) -> dict[str, Any]:
    """Values for a dataclass, as parsed JSON holds them.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are text, numbers, lists, dictionaries or None.
    found : object
        Parsed JSON.

    Returns
    -------
    dict
        One value per field, for ``kind(**values)``.

    Raises
    ------
    ValueError
        If it is no object, or a value is missing, unknown or of another kind.
    """
    if not isinstance(found, dict):
        raise ValueError(f"{json.dumps(found)} instead of an object")
    for field in dataclasses.fields(kind):
        if field.name not in found:
            raise ValueError(f"no {field.name!r} in it")
        wanted = [_KINDS[word.partition("[")[0]] for word in str(field.type).split(" | ")]
        if not any(isinstance(found[field.name], types) for types, _ in wanted):
            raise ValueError(f"{field.name} is not {' or '.join(word for _, word in wanted)}")
    unknown = [name for name in found if name not in {one.name for one in dataclasses.fields(kind)}]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown")
    return found
