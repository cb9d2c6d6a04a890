"""Entries of a file of presets, checked: a mistake is told with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neurosim.circuit.finite import is_finite
from neurosim.errors import ParameterError, near_matches

__all__ = [
    "check_keys",
    "is_whole",
    "layer_sizes",
    "mistake",
    "numbers_of",
    "percentage_of",
    "table_of",
    "text_of",
]


def check_keys(where: str, entry: Any, needed: Iterable[str], optional: Iterable[str]) -> None:
    """Refuse a table with keys that are unknown or missing.

    Parameters
    ----------
    where : str
        Place in the file, with which a complaint begins.
    entry : object
        What stands there.
    needed, optional : iterable of str
        The keys it must have, and may have.

    Raises
    ------
    ParameterError
        If it is no table, lacks a key or has another.
    """
    if not isinstance(entry, Mapping):
        raise ParameterError(f"{where}: {entry!r} is no table")
    allowed = (*needed, *optional)
    for key in entry:
        if key not in allowed:
            raise ParameterError(f"{where}: unknown key {key!r}; {near_matches(key, allowed)}")
    for key in needed:
        if key not in entry:
            raise ParameterError(f"{where}: {key} is missing")


def mistake(where: str, key: str, value: Any, wanted: str) -> ParameterError:
    """The complaint about a value.

    Parameters
    ----------
    where, key : str
        Place in the file, and the key there.
    value : object
        What it has.
    wanted : str
        What it may have.

    Returns
    -------
    ParameterError
        To raise.
    """
    return ParameterError(f"{where}: {key} = {value!r}: give {wanted}")


def layer_sizes(where: str, entry: Mapping[str, Any]) -> tuple[int, ...]:
    """The sizes of hidden layers, under ``hidden``.

    Parameters
    ----------
    where : str
        Place in the file.
    entry : mapping
        A table with that key.

    Returns
    -------
    tuple of int
        The sizes.

    Raises
    ------
    ParameterError
        If they are no list of whole numbers of 1 or more.
    """
    hidden = entry["hidden"]
    if not isinstance(hidden, list) or not all(is_whole(size) for size in hidden):
        raise mistake(where, "hidden", hidden, "a list of layer sizes of 1 or more")
    return tuple(hidden)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number of 1 or more.

    Parameters
    ----------
    value : object
        Any value of a TOML file.

    Returns
    -------
    bool
        False for ``true``, too.
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def text_of(where: str, key: str, entry: Mapping[str, Any]) -> str:
    """The text under a key.

    Parameters
    ----------
    where, key : str
        Place in the file, and the key there.
    entry : mapping
        A table with that key.

    Returns
    -------
    str
        As it stands there.

    Raises
    ------
    ParameterError
        If it is no text or has no word.
    """
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise mistake(where, key, value, "text")
    return value


def table_of(where: str, key: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table under a key.

    Parameters
    ----------
    where, key : str
        Place in the file, and the key there.
    entry : mapping
        A table that may have that key.

    Returns
    -------
    mapping
        Empty if the key is absent.

    Raises
    ------
    ParameterError
        If it is no table.
    """
    value = entry.get(key, {})
    if not isinstance(value, Mapping):
        raise mistake(where, key, value, "a table, e.g. { g_l = 0.3 }")
    return value


def numbers_of(where: str, key: str, values: Any) -> list[float]:
    """A list of numbers.

    Parameters
    ----------
    where, key : str
        Place in the file, and the key there.
    values : object
        What it has.

    Returns
    -------
    list of float
        The same.

    Raises
    ------
    ParameterError
        If they are anything but finite numbers.
    """
    if not isinstance(values, list) or not all(map(_is_number, values)):
        raise mistake(where, key, values, "a list of numbers")
    return values


def percentage_of(where: str, key: str, entry: Mapping[str, Any]) -> float:
    """The per cent under a key.

    Parameters
    ----------
    where, key : str
        Place in the file, and the key there.
    entry : mapping
        A table with that key.

    Returns
    -------
    float
        From 0 to 100.

    Raises
    ------
    ParameterError
        If it is no number from 0 to 100.
    """
    value = entry[key]
    if not _is_number(value) or not 0 <= value <= 100:
        raise mistake(where, key, value, "per cent, 0 to 100")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and is_finite(value)
