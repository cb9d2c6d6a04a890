"""Figures of the papers that runs make: what is trained, as data in ``figures/<name>.toml``.

A panel is a data set. Its rows are rows of a table, whose runs they share, or variants of a
system's preset: other rates (per update, as the papers give them), parameters or layers.
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.data import DATASETS
from neurosim.errors import ParameterError, near_matches
from neurosim.models import SYSTEMS
from neurosim.reproduce.tables import TABLES, Row, UnknownRowError, rows_of
from neurosim.runs.settings import RunSettings, resolve
from neurosim.system.file_entries import check_keys, layer_sizes, mistake, table_of, text_of

__all__ = ["PAPERS", "SHOWS", "FigureRow", "PaperFigure", "figure_rows", "paper_figure"]

FOLDER = Path(__file__).with_name("figures")

#: What a figure may show.
SHOWS = (
    "test_accuracy",
    "angle_degrees",
    "correlation",
    "ablation",
    "convergence",
    "information",
    "sparsity",
)
_NEEDED, _OPTIONAL = ("title", "source", "shows", "panels"), ("axis",)
_PANEL = ("rows", "dataset", "system", "parameters", "runs")
_RUN = ("system", "value", "rates", "parameters", "hidden", "published", "deviation")


@dataclasses.dataclass(frozen=True)
class FigureRow:
    """One line, point or bar of a figure: a system with settings, and what is published of it.

    Attributes
    ----------
    name : str
        On the command line, ``DATASET/NAME``.
    label : str
        In the figure.
    dataset, system : str
        Names.
    epochs : int
        Length of training in the paper.
    folder : str
        Name of the folder of its runs.
    own : mapping of str to object
        Settings that differ from the preset's, for :func:`neurosim.runs.settings.resolve`.
    value : float or None
        Where it stands on the axis of an ablation.
    published : mapping of int to float
        Published test accuracy in % by epoch, where the file has some.
    deviation : float or None
        Standard deviation of the last of these over seeds.
    row : Row or None
        The row of a table that it is.
    """

    name: str
    label: str
    dataset: str
    system: str
    epochs: int
    folder: str
    own: Mapping[str, Any] = dataclasses.field(hash=False, default_factory=dict)
    value: float | None = None
    published: Mapping[int, float] = dataclasses.field(hash=False, default_factory=dict)
    deviation: float | None = None
    row: Row | None = None

    @property
    def cost_name(self) -> str:
        """The name that its times have."""
        return self.folder

    @property
    def timed(self) -> Row | FigureRow:
        """The row whose time is this one's.

        One of a table, where one has the same system, images and layers: neither rates nor
        steps change how long an image takes.
        """
        if self.row is not None:
            return self.row
        hidden = self.settings().system.layers[1:-1]
        wanted = (self.system, self.dataset, hidden)
        alike = (
            row for row in _table_rows().values() if (row.system, row.dataset, row.hidden) == wanted
        )
        return next(alike, self)

    def refusal(self) -> str:
        """Why the system refuses these settings.

        Returns
        -------
        str
            One line, such as that a step is unstable; empty if it takes them.
        """
        try:
            self.settings()
        except ParameterError as error:
            return str(error)
        return ""

    def settings(self, **given: Any) -> RunSettings:
        """Settings of its runs, but for the seed.

        Parameters
        ----------
        **given
            Run settings that replace its own; None keeps them.

        Returns
        -------
        RunSettings
            Resolved. A run with a dead output goes on, and counts as it is.

        Raises
        ------
        ParameterError, DataError
            If one is unknown or out of range.
        """
        if self.row is not None:
            return self.row.settings(**given)
        own = {"system": self.system, "dataset": self.dataset, "check_output": False, **self.own}
        return resolve({**own, **{k: v for k, v in given.items() if v is not None}})


@dataclasses.dataclass(frozen=True)
class PaperFigure:
    """A figure of a paper.

    Attributes
    ----------
    name, title, source : str
        On the command line; what it shows; paper and figure.
    shows : str
        One of :data:`SHOWS`.
    axis : str
        What an ablation varies, as the label of its axis.
    panels : mapping of str to tuple of FigureRow
        Rows by data set.
    """

    name: str
    title: str
    source: str
    shows: str
    axis: str
    panels: Mapping[str, tuple[FigureRow, ...]]

    @property
    def rows(self) -> list[FigureRow]:
        """Rows of all panels."""
        return [row for rows in self.panels.values() for row in rows]


#: Names of the figures, as their files are called.
PAPERS: tuple[str, ...] = tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


@functools.cache
def paper_figure(name: str) -> PaperFigure:
    """The figure of a name.

    Parameters
    ----------
    name : str
        One of :data:`PAPERS`.

    Returns
    -------
    PaperFigure
        As its file says.

    Raises
    ------
    ParameterError
        If a key in the file is missing, unknown or of the wrong kind.
    """
    return read_figure(name, tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")))


def read_figure(name: str, given: Mapping[str, Any]) -> PaperFigure:
    """Check the file of a figure.

    Parameters
    ----------
    name : str
        Name of the figure.
    given : mapping
        Parsed TOML.

    Returns
    -------
    PaperFigure
        With rows by data set.

    Raises
    ------
    ParameterError
        If a key is missing, unknown or of the wrong kind.
    """
    where = f"figure {name}"
    check_keys(where, given, _NEEDED, _OPTIONAL)
    if given["shows"] not in SHOWS:
        raise mistake(where, "shows", given["shows"], near_matches(given["shows"], SHOWS))
    panels: dict[str, tuple[FigureRow, ...]] = {}
    for number, panel in enumerate(given["panels"], start=1):
        place = f"{where}, panel {number}"
        check_keys(place, panel, (), _PANEL)
        rows = tuple(_rows(place, name, panel))
        datasets = {row.dataset for row in rows}
        if len(datasets) != 1 or datasets & {*panels}:
            raise ParameterError(f"{place}: give rows of one data set that no other panel has")
        panels[datasets.pop()] = rows
    texts = {key: text_of(where, key, given) for key in ("title", "source", "shows")}
    return PaperFigure(name=name, axis=given.get("axis", ""), panels=panels, **texts)


def _rows(place: str, figure: str, panel: Mapping[str, Any]) -> Iterator[FigureRow]:
    known = _table_rows()
    for name in panel.get("rows", ()):
        if name not in known:
            raise ParameterError(f"{place}: no table has a row {name!r}; "
                                 f"{near_matches(name, known)}")  # fmt: skip
        row = known[name]
        yield FigureRow(
            name, name.partition("/")[2], row.dataset, row.system, row.epochs, row.file_name,
            row=row,
        )  # fmt: skip
    for number, run in enumerate(panel.get("runs", ()), start=1):
        check_keys(f"{place}, run {number}", run, ("name",), _RUN)
        yield _own_row(f"{place}, run {number}", figure, panel, run)


@functools.cache
def _table_rows() -> dict[str, Row]:
    return {row.name: row for table in TABLES for row in rows_of(table)}


def _own_row(
    place: str, figure: str, panel: Mapping[str, Any], run: Mapping[str, Any]
) -> FigureRow:
    dataset = text_of(place, "dataset", {"dataset": panel.get("dataset")})
    system = text_of(place, "system", {"system": run.get("system", panel.get("system"))})
    for word, allowed in ((dataset, DATASETS), (system, SYSTEMS)):
        if word not in allowed:
            raise ParameterError(f"{place}: unknown {word!r}; {near_matches(word, allowed)}")
    hidden = layer_sizes(place, run) if "hidden" in run else None
    preset = SYSTEMS[system].preset(dataset, hidden)
    batch = preset.parameters.get("batch", 1)
    # as in presets: the papers' rates are those of an update, parameters those of an image
    rates = {
        name: tuple(value / batch for value in values)
        for name, values in table_of(place, "rates", run).items()
    }
    parameters = {
        **table_of(place, "parameters", panel),
        **table_of(place, "parameters", run),
        **rates,
    }
    own: dict[str, Any] = {"parameters": parameters}
    if hidden is not None:
        own["hidden"] = list(hidden)
    name = text_of(place, "name", run)
    return FigureRow(
        name=f"{dataset}/{name}",
        label=name,
        dataset=dataset,
        system=system,
        epochs=preset.epochs,
        folder=f"{figure}-{dataset}-{name}",
        own=own,
        value=run.get("value"),
        published={int(epoch): value for epoch, value in run.get("published", {}).items()},
        deviation=run.get("deviation"),
    )


def figure_rows(figure: PaperFigure, names: Sequence[str] | None = None) -> list[FigureRow]:
    """Rows of a figure by their names.

    Parameters
    ----------
    figure : PaperFigure
        The figure.
    names : sequence of str, optional
        Names of rows, or of data sets, which stand for all their rows; all rows by default.

    Returns
    -------
    list of FigureRow
        In the order of the figure.

    Raises
    ------
    UnknownRowError
        If the figure has no such row.
    """
    if names is None:
        return figure.rows
    known = {row.name for row in figure.rows} | {*figure.panels}
    for name in names:
        if name not in known:
            raise UnknownRowError(
                f"the figure {figure.name} has no row {name!r}; {near_matches(name, known)}"
            )
    return [row for row in figure.rows if row.name in names or row.dataset in names]
