"""What a paper's table says of a preset: the entry that a run of it is compared with."""

from __future__ import annotations

import dataclasses
from typing import Any

from neurosim.system.file_entries import check_keys, percentage_of, text_of

__all__ = ["TableEntry", "read_entry"]

_NUMBERS = ("value", "deviation")


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
    place = f"{where}: table"
    check_keys(place, entry, ("name",), _NUMBERS)
    numbers = {key: percentage_of(place, key, entry) for key in _NUMBERS if key in entry}
    return TableEntry(text_of(place, "name", entry), **numbers)
