"""Tables of the papers: their rows are the presets that have an entry in them.

A row is named ``DATASET/SYSTEM``; where a system has several networks or methods for a data
set, all but its main one add the hidden layers and the chosen parameters:
``mnist/corinfomax/500-500``, ``mnist/bp/loss=ce``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from neurosim.data import DATASETS
from neurosim.errors import NeurosimError, ParameterError, near_matches
from neurosim.models import SYSTEMS
from neurosim.runs.settings import RunSettings, resolve
from neurosim.system import Preset
from neurosim.system.presets import read_presets
from neurosim.system.schedules import in_proportion
from neurosim.system.table_entries import TableEntry

__all__ = ["TABLES", "Row", "Table", "UnknownRowError", "chosen_rows", "rows_of"]

#: The data set whose presets make a table without published values.
_EMBEDDED = "digits"


class UnknownRowError(NeurosimError):
    """A table has no row of that name."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table whose rows can be computed anew.

    Attributes
    ----------
    name : str
        On the command line.
    title : str
        What it shows.
    source : str
        Where it is from.
    in_proportion : bool
        Whether a run of fewer epochs takes the whole schedule of rates in proportion, and is
        compared with the value of the full run.
    """

    name: str
    title: str
    source: str
    in_proportion: bool = False


_PAPER = "Bozkurt, Pehlevan, Erdogan, NeurIPS 2023, arXiv:2306.04810"

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table("table1", "Test accuracy of two-layer networks", f"{_PAPER}, table 1"),
        Table(
            "beside-table1",
            "Other depths and sizes",
            f"{_PAPER}, appendix, and the results stored with its code",
        ),
        Table(
            "phsic",
            "Three hidden layers of 1024 cells that learn by pHSIC",
            "Pogodin, Latham, NeurIPS 2020, arXiv:2006.07123, tables 1 and 4",
            in_proportion=True,
        ),
        Table(
            "reciprocal-learning",
            "CorInfoMax with reciprocal feedback learning, and without each of its changes",
            "settings chosen here; nothing is published for this variant",
        ),
        Table(
            "digits",
            "All systems on the embedded digits",
            "presets chosen here; nothing is published for this data set",
        ),
    )
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: a system with a preset and the method that its parameters choose.

    Attributes
    ----------
    name : str
        On the command line.
    table : str
        A name of :data:`TABLES`.
    system, dataset : str
        Names.
    hidden : tuple of int
        Hidden layer sizes.
    chosen : mapping of str to object
        Parameters that choose the method, such as a loss.
    epochs : int
        Length of training in the table.
    entry : TableEntry or None
        What is published; None if nothing is.
    """

    name: str
    table: str
    system: str
    dataset: str
    hidden: tuple[int, ...]
    chosen: Mapping[str, Any] = dataclasses.field(hash=False)
    epochs: int
    entry: TableEntry | None

    @property
    def file_name(self) -> str:
        """The name as one part of a path."""
        return self.name.replace("/", "-")

    @property
    def cost_name(self) -> str:
        """The name that its times have."""
        return self.name

    def settings(self, **given: Any) -> RunSettings:
        """Settings of a run of this row: those of the table, every seed counted.

        Parameters
        ----------
        **given
            Run settings that replace those of the preset, by the names of
            :data:`neurosim.runs.settings.RUN_DEFAULTS`; None keeps them.

        Returns
        -------
        RunSettings
            Resolved. A run with a dead output goes on: a table counts it, too.

        Raises
        ------
        ParameterError, DataError
            If one given is unknown or out of range.
        """
        own = {
            "system": self.system,
            "dataset": self.dataset,
            "hidden": list(self.hidden),
            "parameters": dict(self.chosen),
            "epochs": self.epochs,
            "check_output": False,
        }
        settings = resolve({**own, **{k: v for k, v in given.items() if v is not None}})
        # one that is given replaces those of the row
        if not TABLES[self.table].in_proportion or "parameters" in given:
            return settings
        changed = in_proportion(settings.system, settings.epochs / self.epochs)
        return dataclasses.replace(settings, system=dataclasses.replace(settings.system, **changed))


def rows_of(table: str) -> list[Row]:
    """Rows of a table, by data set and then by system.

    Parameters
    ----------
    table : str
        A name of :data:`TABLES`.

    Returns
    -------
    list of Row
        Those that the systems of this version have presets for.

    Raises
    ------
    UnknownRowError
        If there is no such table.
    """
    if table not in TABLES:
        raise UnknownRowError(f"unknown table {table!r}; {near_matches(table, TABLES)}")
    rows = [row for system in SYSTEMS for row in _rows_of_system(system) if row.table == table]
    return sorted(rows, key=lambda row: list(DATASETS).index(row.dataset))


def chosen_rows(table: str, names: Sequence[str] | None = None) -> list[Row]:
    """Rows of a table by their names.

    Parameters
    ----------
    table : str
        A name of :data:`TABLES`.
    names : sequence of str, optional
        Names of rows, or of data sets, which stand for all their rows; all rows by default.

    Returns
    -------
    list of Row
        In the order of the table, each once.

    Raises
    ------
    UnknownRowError
        If the table has no such row.
    """
    rows = rows_of(table)
    if names is None:
        return rows
    known = {row.name for row in rows} | {row.dataset for row in rows}
    for name in names:
        if name not in known:
            raise UnknownRowError(f"{table} has no row {name!r}; {near_matches(name, known)}")
    return [row for row in rows if row.name in names or row.dataset in names]


def _rows_of_system(system: str) -> Iterator[Row]:
    for dataset, presets in read_presets(SYSTEMS[system]).items():
        for number, preset in enumerate(presets):
            sizes = "" if number == 0 else "/" + "-".join(map(str, preset.hidden))
            for chosen in ({}, *(option.chosen for option in preset.options)):
                row = _row(system, dataset, sizes, preset, chosen)
                if row is not None:
                    yield row


def _row(
    system: str, dataset: str, sizes: str, preset: Preset, chosen: Mapping[str, Any]
) -> Row | None:
    """The row of a preset; None if it stands in no table."""
    preset = preset.given(chosen)
    entry = preset.table
    if entry is None and dataset != _EMBEDDED:
        return None
    table = _EMBEDDED if entry is None else entry.name
    if table not in TABLES:
        raise ParameterError(
            f"presets of {system}: table.name = {table!r}; {near_matches(table, TABLES)}"
        )
    method = "".join(f"/{name}={_written(value)}" for name, value in chosen.items())
    name = f"{dataset}/{system}{sizes}{method}"
    return Row(name, table, system, dataset, preset.hidden, chosen, preset.epochs, entry)


def _written(value: Any) -> str:
    """A chosen value as the name of a row says it; names of rows stand in commands."""
    if isinstance(value, tuple):
        return "+".join(map(_written, value))
    # as the command line takes it: false, not False
    return str(value).lower() if isinstance(value, bool) else str(value)
