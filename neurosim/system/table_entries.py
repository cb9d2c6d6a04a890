"""What a paper's table says of a preset: the entry that a run of it is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from neurosim.circuit.finite import is_finite
from neurosim.errors import ParameterError, near_matches

__all__ = ["TableEntry", "read_entry"]

_NUMBERS = ("value", "deviation")
_KEYS = ("name", *_NUMBERS)


@dataclasses.dataclass(frozen=True)
class TableEntry:
    """Published result at the end of training.

    Attributes
    ----------
    name : str
        Table that it stands in, such as ``"table1"``.
    value : float or None
        Mean test accuracy in %; None where none is published.
    deviation : float or None
        Standard deviation of the test accuracy over seeds, in %; None where none is published.
    """

    name: str
    value: float | None = None
    deviation: float | None = None

    def text(self) -> str:
        """``"97.62 ± 0.12"``, the value alone, or nothing."""
        if self.value is None:
            return ""
        return f"{self.value:.2f}" + ("" if self.deviation is None else f" ± {self.deviation:.2f}")


def read_entry(where: str, entry: Any) -> TableEntry | None:
    """Read ``table`` of a preset: its name, and where they are published value and deviation.

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
        If it is no table, has no name, or a key is unknown or of the wrong kind.
    """
    if entry is None:
        return None
    if not isinstance(entry, Mapping) or not {"name"} <= {*entry} <= {*_KEYS}:
        unknown = [key for key in (entry if isinstance(entry, Mapping) else ()) if key not in _KEYS]
        hint = f"unknown key {unknown[0]!r}; {near_matches(unknown[0], _KEYS)}" if unknown else (
            'write table = { name = "table1", value = 97.62, deviation = 0.12 }'
        )  # fmt: skip
        raise ParameterError(f"{where}: table = {entry!r}: {hint}")
    name = entry["name"]
    if not isinstance(name, str) or not name:
        raise ParameterError(f"{where}: table.name = {name!r}: give text")
    numbers = {key: entry[key] for key in _NUMBERS if key in entry}
    for key, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not (
            is_finite(number) and 0 <= number <= 100
        ):  # fmt: skip
            raise ParameterError(f"{where}: table.{key} = {number!r}: give per cent, 0 to 100")
    return TableEntry(name, **{key: float(number) for key, number in numbers.items()})
