"""What a paper's table says of a preset: the entry that a run of it is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from neurosim.circuit.finite import is_finite
from neurosim.errors import ParameterError, near_matches

__all__ = ["TableEntry", "read_entry"]

_KEYS = ("name", "value", "deviation")


@dataclasses.dataclass(frozen=True)
class TableEntry:
    """Published result at the end of training.

    Attributes
    ----------
    name : str
        Table that it stands in, such as ``"table1"``.
    value : float
        Mean test accuracy in %.
    deviation : float
        Standard deviation of the test accuracy over seeds, in %.
    """

    name: str
    value: float
    deviation: float


def read_entry(where: str, entry: Any) -> TableEntry | None:
    """Read ``table`` of a preset: its name, value and deviation.

    Parameters
    ----------
    where : str
        Place in the file, for messages.
    entry : object
        Parsed TOML; None if there is no such key.

    Returns
    -------
    TableEntry or None
        None if nothing is given.

    Raises
    ------
    ParameterError
        If it is no table, or a key is missing, unknown or of the wrong kind.
    """
    if entry is None:
        return None
    if not isinstance(entry, Mapping) or {*entry} != {*_KEYS}:
        unknown = [key for key in (entry if isinstance(entry, Mapping) else ()) if key not in _KEYS]
        hint = f"unknown key {unknown[0]!r}; {near_matches(unknown[0], _KEYS)}" if unknown else (
            'write table = { name = "table1", value = 97.62, deviation = 0.12 }'
        )  # fmt: skip
        raise ParameterError(f"{where}: table = {entry!r}: {hint}")
    name, value, deviation = (entry[key] for key in _KEYS)
    if not isinstance(name, str) or not name:
        raise ParameterError(f"{where}: table.name = {name!r}: give text")
    for key, number in (("value", value), ("deviation", deviation)):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not (
            is_finite(number) and 0 <= number <= 100
        ):  # fmt: skip
            raise ParameterError(f"{where}: table.{key} = {number!r}: give per cent, 0 to 100")
    return TableEntry(name, float(value), float(deviation))
