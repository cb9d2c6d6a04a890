"""Metrics and summaries as strict JSON: finite numbers only."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["json_object", "metrics_line", "summary_text"]


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
