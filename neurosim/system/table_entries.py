"""What a paper's table says of a preset: the entry that a run of it is compared with."""

from __future__ import annotations

import dataclasses
from typing import Any

from neurosim.system.file_entries import check_keys, percentage_of, text_of

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
    place = f"{where}: table"
    check_keys(place, entry, _KEYS, ())
    value, deviation = (percentage_of(place, key, entry) for key in ("value", "deviation"))
    return TableEntry(text_of(place, "name", entry), value, deviation)
