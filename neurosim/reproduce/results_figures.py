"""Figures of results: accuracy and weight angles over epochs, beside published points."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim.figures import style
from neurosim.reproduce.results import Result, compared
from neurosim.reproduce.results_page import render_page
from neurosim.reproduce.tables import TABLES
from neurosim.runs.folder import make_folder, write_result

__all__ = ["draw_courses", "picture_paths", "write_pages"]

_PANEL, _COLUMNS = (3.2, 2.5), 4
#: Most letters of a row on one line above its panel.
_WIDE = 30


def draw_courses(results: Sequence[Result], quantity: str) -> Figure:
    """Draw a quantity over epochs, a panel for each row.

    Parameters
    ----------
    results : sequence of Result
        At least one; all have this quantity.
    quantity : str
        ``"test_accuracy"`` or ``"angle_degrees"``.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are means over seeds, bands their standard deviation; open marks are published
        values, and a dotted line is that of the full run, where a shorter one has the whole
        schedule.
    """
    columns = min(_COLUMNS, len(results))
    with style.applied():
        figure, axes = style.new_figure(len(results), columns=columns, panel=_PANEL)
        for axis, result in zip(axes, results, strict=True):
            _draw(axis, result, quantity)
    return figure


def _draw(axis: Axes, result: Result, quantity: str) -> None:
    epochs = range(1, result.epochs + 1)
    look = style.series(0, markers=result.epochs == 1)
    spreads = [result.at(quantity, epoch) for epoch in epochs]
    mean = np.array([spread.mean for spread in spreads])
    # of one seed there is no band
    deviation = np.array([np.nan if s.deviation is None else s.deviation for s in spreads])
    axis.plot(epochs, mean, label=_seeds(result), **look)
    axis.fill_between(
        epochs, mean - deviation, mean + deviation, color=look["color"], alpha=0.2, linewidth=0
    )
    curve = result.published.get(quantity, {})
    points = {float(e): value for e, value in curve.items() if float(e) <= result.epochs}
    if points:
        axis.plot(list(points), list(points.values()), label="published", **style.PUBLISHED)
        axis.legend(loc="best")
    elif quantity == "test_accuracy" and TABLES[result.table].in_proportion:
        difference = compared(result)
        if difference is not None:
            label = f"published, {result.table_epochs} epochs"
            line: dict[str, Any] = {"color": style.INK, "linewidth": 1.2, "linestyle": ":"}
            axis.axhline(difference.published, label=label, **line)
            axis.legend(loc="best")
    name, unit = {"test_accuracy": ("test accuracy", "%"), "angle_degrees": ("angle", "degrees")}[
        quantity
    ]
    # a longer name would run into that of the next panel
    row = result.row if len(result.row) <= _WIDE else "\n/".join(result.row.rsplit("/", 1))
    style.label(axis, row, "epoch", name, unit)


def _seeds(result: Result) -> str:
    *shorter, (_, last) = result.seeds_at().items()
    notes = [f"{seeds} to epoch {epochs}" for epochs, seeds in shorter]
    return f"here, {', '.join([*notes, str(last)])} seed{'s' * (last > 1)}"


def write_pages(
    results: Sequence[Result], page: Path, images: Path, reproduce: str | None = None
) -> list[Path]:
    """Write the page of results and its figures.

    Parameters
    ----------
    results : sequence of Result
        At least one.
    page : Path
        Markdown file.
    images : Path
        Folder for figures; made if missing.
    reproduce : str, optional
        Link from the page to one about the command.

    Returns
    -------
    list of Path
        The page first.

    Raises
    ------
    RunFolderError
        If a file cannot be written.
    """
    make_folder(page.parent)
    make_folder(images)
    pictures = picture_paths(results, images)
    for name, paths in pictures.items():
        rows = [result for result in results if result.table == name]
        for path, quantity in zip(paths, ("test_accuracy", "angle_degrees"), strict=False):
            chosen = [result for result in rows if quantity in result.courses]
            picture = BytesIO()
            draw_courses(chosen, quantity).savefig(picture, format="png")
            write_result(path, picture.getvalue())
    write_result(page, render_page(results, pictures, page, reproduce).encode())
    return [page, *(path for paths in pictures.values() for path in paths)]


def picture_paths(results: Sequence[Result], images: Path) -> dict[str, list[Path]]:
    """Figures that the page shows.

    Parameters
    ----------
    results : sequence of Result
        The results.
    images : Path
        Folder of the figures.

    Returns
    -------
    dict of str to list of Path
        By table: accuracies, and angles where a row has some.
    """
    found = {}
    for name in TABLES:
        rows = [result for result in results if result.table == name]
        angled = any("angle_degrees" in result.courses for result in rows)
        kinds = ["", *(["-angles"] if angled else [])]
        found[name] = [images / f"results-{name}{kind}.png" for kind in kinds] if rows else []
    return found
