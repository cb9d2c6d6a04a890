"""Values of parameters from configuration files and command lines."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from neurosim.errors import ParameterError, brief
from neurosim.system.parameters import SWITCH, ParameterInfo, find_parameter

__all__ = ["parse_value"]


def parse_value(owner: type, name: str, given: Any) -> Any:
    """Turn what a config file or ``--set`` holds into the type of a parameter.

    Parameters
    ----------
    owner : type
        The system class that declares the parameter.
    name : str
        Parameter name.
    given : object
        A TOML value, or text such as ``"0.3"``, ``"true"`` or ``"1.0,0.7"``; nested
        tuples as nested lists, or as text in JSON.

    Returns
    -------
    object
        A value of the type of the parameter's default.

    Raises
    ------
    ParameterError
        If the name is unknown or the value cannot be read.

    Examples
    --------
    >>> import dataclasses
    >>> from neurosim.system.parameters import parameter
    >>> @dataclasses.dataclass(frozen=True)
    ... class Toy:
    ...     mu: tuple = parameter((1.0, 0.7), "learning rates", low=0)
    >>> parse_value(Toy, "mu", "0.5,0.25")
    (0.5, 0.25)
    """
    info = find_parameter(owner, name)
    defaults: Mapping[str, Any] = {field.name: field.default for field in dataclasses.fields(owner)}
    default = defaults[name]
    _refuse_decimal_comma(f"{owner.__name__}.{name}", default, given)
    try:
        return _nested(given) if info.form else _convert(default, given)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ParameterError(
            f"{owner.__name__}.{name} = {brief(given)} cannot be read; give "
            f"{_expected(default, info)}"
        ) from error


def _refuse_decimal_comma(label: str, default: Any, given: Any) -> None:
    """Refuse ``0,05``, which as a list of numbers would be 0 and 5."""
    if not isinstance(given, str) or isinstance(default, str):
        return
    if isinstance(default, tuple):
        numbers = not isinstance(default[0], str)
        suspect = numbers and re.search(r"(^|,)\s*[-+]?0\d", given)
    else:
        suspect = re.fullmatch(r"\s*[-+]?\d+,\d+\s*", given)
    if suspect:
        raise ParameterError(
            f"{label} = {brief(given)} looks like a decimal comma; write numbers with a point, "
            "such as 0.05, and a comma only between values"
        )


def _nested(given: Any) -> Any:
    """Words and nested tuples from text or lists."""
    if isinstance(given, str):
        given = json.loads(given) if given.lstrip().startswith("[") else given.split(",")
    if not isinstance(given, (list, tuple)):
        raise TypeError(given)
    return tuple(_as_tuples(item) for item in given)


def _as_tuples(item: Any) -> Any:
    if isinstance(item, (list, tuple)):
        return tuple(_as_tuples(inner) for inner in item)
    return item.strip() if isinstance(item, str) else item


def _expected(default: Any, info: ParameterInfo) -> str:
    if isinstance(default, bool):
        return SWITCH
    if info.form:
        return f"words separated by commas or a list in JSON, each {info.form}"
    if isinstance(default, tuple):
        what = "numbers separated by commas"
    else:
        words = {int: "a whole number", float: "a number"}
        what = words.get(type(default), "a word")
    return f"{what}, {info.range_text()}"


def _convert(default: Any, given: Any) -> Any:
    if isinstance(default, tuple):
        items = given.split(",") if isinstance(given, str) else given
        items = [items] if isinstance(items, (int, float)) else items
        return tuple(_convert(default[0], item) for item in items)
    if isinstance(default, bool):
        return _to_bool(given)
    if isinstance(default, int):
        if isinstance(given, bool) or (isinstance(given, float) and not given.is_integer()):
            raise ValueError(given)
        return int(given)
    if isinstance(default, float):
        if isinstance(given, bool):
            raise ValueError(given)
        return float(given)
    if not isinstance(given, str):
        raise TypeError(given)
    return given


def _to_bool(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if not isinstance(given, str) or given.lower() not in words:
        raise ValueError(given)
    return words[given.lower()]
