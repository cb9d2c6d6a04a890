"""Figures of a search: what its trials reached, and which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurosim.figures import style
from neurosim.runs.folder import write_result

__all__ = ["draw_history", "draw_importances", "write_figures"]


def draw_history(summary: Mapping[str, Any]) -> Figure:
    """Draw the accuracy of every trial on the images held out, and the best so far.

    Parameters
    ----------
    summary : mapping
        Of :func:`neurosim.search.search`.

    Returns
    -------
    matplotlib.figure.Figure
        Open marks are trials that were pruned, at their last epoch.
    """
    complete, pruned = (
        [(t["number"], t["validation_accuracy"]) for t in summary["trials"]
         if t["state"] == state and t["validation_accuracy"] is not None]
        for state in ("complete", "pruned")
    )  # fmt: skip
    numbers, values = np.array(complete).T
    with style.applied():
        figure, (axes,) = style.new_figure(1)
        axes.plot(
            numbers,
            np.maximum.accumulate(values),
            label="best so far",
            drawstyle="steps-post",
            **style.series(1, markers=False),
        )
        axes.plot(numbers, values, label="complete", **{**style.series(0), "linestyle": "none"})
        if pruned:
            axes.plot(*np.array(pruned).T, label="pruned", **style.PUBLISHED)
        # trials that learnt nothing would leave no room for the others
        lowest = np.quantile(values, 0.1)
        room = 0.5 * (values.max() - lowest) + 0.1
        axes.set_ylim(max(0.0, lowest - 2 * room), values.max() + room)
        axes.legend(loc="lower right")
        title = f"{summary['system']}, {summary['dataset']}, {summary['epochs']} epochs"
        style.label(axes, title, "trial", "validation accuracy", "%")
    return figure


def draw_importances(importances: Mapping[str, float]) -> Figure:
    """Draw how much of the trials' spread each setting explains.

    Parameters
    ----------
    importances : mapping of str to float
        Share by the name of a dimension.

    Returns
    -------
    matplotlib.figure.Figure
        A bar for each.
    """
    names = sorted(importances, key=lambda name: importances[name])
    with style.applied():
        figure, (axes,) = style.new_figure(1)
        axes.barh(names, [importances[name] for name in names], color=style.COLOURS[0])
        axes.set_xlim(0, 1)
        style.label(axes, "which setting matters", "share of the spread", "")
    return figure


def write_figures(summary: Mapping[str, Any], out: Path) -> list[Path]:
    """Write ``history.png`` and, with trials enough to tell, ``importance.png``.

    Parameters
    ----------
    summary : mapping
        Of :func:`neurosim.search.search`.
    out : Path
        Folder, which exists.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    RunFolderError
        If a file cannot be written.
    """
    figures = {out / "history.png": draw_history(summary)}
    if summary["importances"]:
        figures[out / "importance.png"] = draw_importances(summary["importances"])
    for path, figure in figures.items():
        picture = BytesIO()
        figure.savefig(picture, format="png")
        write_result(path, picture.getvalue())
    return list(figures)
