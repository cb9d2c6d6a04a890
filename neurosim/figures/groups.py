"""Groups of runs side by side: accuracy against what it cost, and angles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurosim.figures import style
from neurosim.figures.curves import counted_events
from neurosim.runs.comparison import comparison_markdown, published_angles, published_curve
from neurosim.runs.folder import make_folder, write_result
from neurosim.runs.groups import Group

__all__ = ["comparison", "write_comparison"]


def comparison(groups: Sequence[Group]) -> Figure:
    """Draw test accuracy against images, time, events and SynOps, and the weight angles.

    Parameters
    ----------
    groups : sequence of Group
        From :func:`neurosim.runs.groups.load_groups`.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are means over seeds, bands their standard deviation; open markers
        are published values. Kinds of events that occur in all groups have a panel; the
        legend stands in the place that is left over, if there is one.
    """
    angled = any(group.has_angles() for group in groups)
    costs = _costs(groups)
    with style.applied():
        count = 1 + len(costs) + angled
        columns = 2 if count in (2, 4) else 3
        # a place that no panel needs takes the legend
        spare = count % columns != 0
        figure, axes = style.new_figure(count + spare, columns=columns)
        _draw_epochs(axes[0], groups)
        for axis, (metric, (words, unit)) in zip(axes[1:], costs.items(), strict=False):
            for number, group in enumerate(groups):
                cost = np.mean(group.totals(metric), axis=0)
                _draw(axis, number, cost, _percent(group), group.label)
            axis.set_xscale("log")
            name = words if unit else f"{words} in training"
            style.label(axis, f"by {words}", name, "test accuracy", "%", x_unit=unit)
        if angled:
            _draw_angles(axes[count - 1], groups)
        if spare:
            axes[-1].set_axis_off()
            axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="upper left")
        else:
            axes[0].legend(loc="lower right")
    return figure


def _costs(groups: Sequence[Group]) -> dict[str, tuple[str, str]]:
    """What accuracy is drawn against: words and unit by metric, as running totals."""
    kinds = [
        counted_events(row for rows in group.rows.values() for row in rows) for group in groups
    ]
    common = {name: words for name, words in kinds[0].items() if all(name in k for k in kinds)}
    return {
        "train_seconds": ("training time", "s"),
        **{name: (words, "") for name, words in common.items()},
        "synops_per_image": ("synaptic operations", ""),
    }


def _draw_epochs(axis: Axes, groups: Sequence[Group]) -> None:
    for number, group in enumerate(groups):
        _draw(axis, number, _images(group), _percent(group), group.label)
        _draw_published(axis, number, group, published_curve(group))
    style.label(axis, "by images seen", "images seen", "test accuracy", "%")


def _draw_angles(axis: Axes, groups: Sequence[Group]) -> None:
    for number, group in enumerate(groups):
        if group.has_angles():
            _draw(axis, number, _images(group), _values(group, "angle_degrees"), group.label)
            _draw_published(axis, number, group, published_angles(group))
    style.label(axis, "alignment of feedback", "images seen", "forward/backward angle", "degrees")


def _draw_published(axis: Axes, number: int, group: Group, curve: Mapping[float, float]) -> None:
    """Draw open marks at the published points up to the last epoch of the group."""
    points = {epoch: value for epoch, value in curve.items() if epoch <= group.epochs}
    if points:
        look = {**style.PUBLISHED, "markeredgecolor": style.COLOURS[number % 7]}
        images = [group.settings.images_per_epoch * epoch for epoch in points]
        axis.plot(images, list(points.values()), label=f"{group.label}, published", **look)


def _images(group: Group) -> NDArray[np.float64]:
    return group.settings.images_per_epoch * np.arange(1, group.epochs + 1, dtype=float)


def _percent(group: Group) -> NDArray[np.float64]:
    return 100 * _values(group, "test_accuracy")


def _values(group: Group, name: str) -> NDArray[np.float64]:
    """One metric, of shape (n_seeds, n_epochs)."""
    return np.array([group.values(name, e + 1) for e in range(group.epochs)], dtype=float).T


def _draw(
    axis: Axes, number: int, x: NDArray[np.float64], values: NDArray[np.float64], label: str
) -> None:
    mean = values.mean(axis=0)
    look = style.series(number)
    every = max(1, len(x) // 8)
    axis.plot(x, mean, label=label, markevery=every, **look)
    if len(values) > 1:
        spread = values.std(axis=0, ddof=1)
        axis.fill_between(
            x, mean - spread, mean + spread, color=look["color"], alpha=0.2, linewidth=0
        )


def write_comparison(groups: Sequence[Group], out: Path) -> str:
    """Write ``comparison.md`` and ``comparison.png``.

    Parameters
    ----------
    groups : sequence of Group
        From :func:`neurosim.runs.comparison.load_groups`.
    out : Path
        Folder; made if absent.

    Returns
    -------
    str
        The table, in Markdown.

    Raises
    ------
    RunFolderError
        If the folder cannot be written.
    """
    table, picture = comparison_markdown(groups), BytesIO()
    comparison(groups).savefig(picture, format="png")
    make_folder(out)
    write_result(out / "comparison.md", (table + "\n").encode())
    write_result(out / "comparison.png", picture.getvalue())
    return table
