"""Whether what a description is given is of the kind that its fields declare."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from neurosim.errors import CircuitError, brief

__all__ = ["check_kinds"]

#: Kinds in plain words; others are named as the field declares them.
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "Mapping[str, float]": "a dict of numbers by name",
    "Mapping[str, str]": "a dict of text by name",
    "Mapping[str, int]": "a dict of whole numbers by name",
}
_MANY = {"str": "text", "int": "whole numbers"}


def check_kinds(part: Any) -> None:
    """Refuse a part of a circuit that holds something of another kind than it declares.

    Parameters
    ----------
    part : dataclass instance
        Usually ``self``, called first of all from ``__post_init__``.

    Raises
    ------
    CircuitError
        Names the part, the field and what belongs there.

    Examples
    --------
    >>> from neurosim.circuit import Phase
    >>> Phase("show", 1.5)
    Traceback (most recent call last):
    neurosim.errors.CircuitError: phase 'show' has steps = 1.5: give a whole number
    """
    kind: type = type(part)
    hints = _hints(kind)
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if not _fits(value, hints[field.name]):
            owner = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
            named = getattr(part, "name", None)
            owner += f" {named!r}" if isinstance(named, str) else ""
            raise CircuitError(
                f"{owner} has {field.name} = {brief(value)}: give {_in_words(str(field.type))}"
            )


def _in_words(declared: str) -> str:
    several = re.fullmatch(r"tuple\[(\w+), \.\.\.\]", declared)
    if several:
        item = several[1]
        return f"a tuple of {_MANY.get(item, item)}, each followed by a comma"
    return _WORDS.get(declared, f"a value of type {declared}")


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, member) for member in members)
    if origin is typing.Literal:
        # which words there are is a check of its own, which names near matches
        return isinstance(value, str)
    if origin is tuple:
        if not isinstance(value, (tuple, list)):
            return False
        each = members[:1] * len(value) if members[-1] is Ellipsis else members
        return len(each) == len(value) and all(map(_fits, value, each))
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _fits(key, members[0]) and _fits(held, members[1]) for key, held in value.items()
        )
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    return isinstance(value, Real if hint is float else hint)
