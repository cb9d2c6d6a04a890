"""Draw the figures of papers from their results, published values as open marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim.data import DATASETS
from neurosim.figures import style
from neurosim.reproduce.paper_results import FigureResult
from neurosim.reproduce.papers import PaperFigure

__all__ = ["draw_figure"]

_PANEL, _COLUMNS = (4.3, 3.3), 2
#: Lines whose legend finds room between them.
_FEW = 4
#: Marks of published values after other epochs than the measured ones.
_LATER: Mapping[str, Any] = {**style.PUBLISHED, "marker": "s", "markeredgecolor": "#888888"}


def draw_figure(figure: PaperFigure, results: Sequence[FigureResult]) -> Figure:
    """Draw a figure, a panel for each data set that has results.

    Parameters
    ----------
    figure : PaperFigure
        What it shows.
    results : sequence of FigureResult
        At least one.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are means over seeds, bands or bars their standard deviation.
    """
    datasets = [name for name in figure.panels if any(r.dataset == name for r in results)]
    with style.applied():
        drawn, panels = style.new_figure(
            len(datasets), columns=min(_COLUMNS, len(datasets)), panel=_PANEL
        )
        for axes, dataset in zip(panels, datasets, strict=True):
            own = [result for result in results if result.dataset == dataset]
            _DRAWERS[figure.shows](axes, own, figure)
            axes.set_title(dataset)
    return drawn


def _courses(axes: Axes, results: Sequence[FigureResult], figure: PaperFigure) -> None:
    """A quantity over epochs, a line for each row."""
    quantity, unit = {
        "test_accuracy": ("test accuracy", "%"), "angle_degrees": ("angle", "degrees")
    }[figure.shows]  # fmt: skip
    named = False
    for number, result in enumerate(results):
        look = style.series(number, markers=result.epochs == 1)
        _line(axes, result.courses.get(figure.shows, []), look, result.label)
        points = {float(e): v for e, v in result.published.get(figure.shows, {}).items()}
        shown = {e: v for e, v in points.items() if e <= result.epochs}
        if shown:
            marks = {**style.PUBLISHED, "markeredgecolor": look["color"], "markersize": 5}
            axes.plot(list(shown), list(shown.values()), **marks,
                      label="_" if named else "published")  # fmt: skip
            named = True
    style.label(axes, "", "epoch", quantity, unit)
    axes.legend(loc="best", ncols=2)


def _correlations(axes: Axes, results: Sequence[FigureResult], figure: PaperFigure) -> None:
    """Correlations over epochs, a line for each row and pair of layers."""
    del figure
    number = 0
    for result in results:
        for name, course in result.courses.items():
            kind, _, pair = name.partition(" ")
            if kind == "correlation":
                look = style.series(number, markers=result.epochs == 1)
                _line(axes, course, look, f"{result.label}, {pair}")
                number += 1
    style.label(axes, "", "epoch", "correlation of W and Rᵀ", "1")
    if number > _FEW:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    elif number:  # backpropagation alone has no feedback weights
        axes.legend(loc="best")


def _line(axes: Axes, course: Sequence[Sequence[float]], look: dict[str, Any], name: str) -> None:
    if not course:
        return
    values = np.array(course)
    epochs, mean = np.arange(1, values.shape[1] + 1), values.mean(axis=0)
    axes.plot(epochs, mean, **look, label=name)
    if len(values) > 1:
        spread = values.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - spread, mean + spread, color=look["color"], alpha=0.2,
                          linewidth=0)  # fmt: skip


def _ablation(axes: Axes, results: Sequence[FigureResult], figure: PaperFigure) -> None:
    """Accuracy against what is varied, after the last epoch and where something is published."""
    placed = [(result.value, result) for result in results if result.value is not None]
    last = max((result.epochs for _, result in placed), default=0)
    points = {
        (int(epoch), at): value
        for at, result in placed
        for epoch, value in result.published.get("test_accuracy", {}).items()
    }
    listed = {epoch for epoch, _ in points}
    for number, epoch in enumerate(sorted({e for e in listed if e <= last} | ({last} - {0}))):
        here = [
            (at, np.array(result.accuracies(epoch)))
            for at, result in placed
            if result.epochs >= epoch or (result.diverged and not result.epochs)
        ]
        axes.errorbar(
            np.array([at for at, _ in here]),
            np.array([values.mean() for _, values in here]),
            np.array([values.std(ddof=1) if len(values) > 1 else 0.0 for _, values in here]),
            **style.series(number),
            capsize=2,
            label=f"here, epoch {epoch}",
        )
    for epoch in sorted(listed):
        own = {at: value for (e, at), value in points.items() if e == epoch}
        marks = style.PUBLISHED if epoch <= last else _LATER
        axes.plot([*own], [*own.values()], **marks, label=f"published, epoch {epoch}")
    _mark([at for at, r in placed if r.diverged], "diverged here", axes, results)
    _mark([at for at, r in placed if r.refused], "refused as unstable", axes, results)
    ticks = [at for at, _ in placed]
    if ticks and max(ticks) / min(ticks) >= 5:
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{at:g}" for at in ticks])
        axes.minorticks_off()
    style.label(axes, "", figure.axis, "test accuracy", "%")
    axes.legend(loc="best")


def _mark(places: Sequence[float], words: str, axes: Axes, results: Sequence[FigureResult]) -> None:
    """Mark settings that learnt nothing, at chance."""
    if places:
        chance = 100 / DATASETS[results[0].dataset].n_classes
        axes.plot(places, [chance] * len(places), linestyle="none", marker="x", color=style.INK,
                  markersize=8, label=words)  # fmt: skip


def _convergence(axes: Axes, results: Sequence[FigureResult], figure: PaperFigure) -> None:
    """Change of states from step to step, a line for each row and layer."""
    del figure
    number = 0
    for result in (r for r in results if r.measured):
        for name, changes in result.measured["changes"].items():
            values = np.array(changes)
            steps = np.arange(1, len(values) + 1)
            # a logarithmic axis cannot show a layer that has not begun to change
            moving = values > 0
            axes.plot(steps[moving], values[moving], **style.series(number, markers=False),
                      label=f"{result.label}, {name}")  # fmt: skip
            number += 1
    axes.set_yscale("log")
    style.label(axes, "", "step of the cycle", r"$\sum |\Delta u|$ of a layer", "1")
    axes.legend(loc="best")


def _information(axes: Axes, results: Sequence[FigureResult], figure: PaperFigure) -> None:
    """Bars of the information that layers have about each other, before and after learning."""
    del figure
    result = results[0]
    bars = [
        (f"{pair}\n{way}", when, told[way])
        for when in ("before", "after")
        for pair, phases in result.measured.get(when, {}).items()
        for told in [[*phases.values()][-1]]
        for way in ("forward", "backward")
        if told[way] is not None
    ]
    names = list(dict.fromkeys(name for name, _, _ in bars))
    for number, when in enumerate(("before", "after")):
        heights = {name: value for name, at, value in bars if at == when}
        axes.bar(
            [names.index(name) + 0.38 * (number - 0.5) for name in heights],
            list(heights.values()), width=0.36, label=f"{when} learning",
            color=(style.COLOURS[4], style.COLOURS[0])[number], hatch=style.HATCHES[1 - number],
            edgecolor=style.INK, linewidth=0.8,
        )  # fmt: skip
    axes.set_xticks(range(len(names)), [n.replace("pyramidal_", "p") for n in names], fontsize=7)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    style.label(axes, "", "prediction, at the end of the cycle", "correlative information", "nat")
    axes.legend(loc="best")


def _sparsity(axes: Axes, results: Sequence[FigureResult], figure: PaperFigure) -> None:
    """Bars of silent shares, before and after learning."""
    del figure
    names = [f"{r.label}\n{name}" for r in results for name in r.measured.get("after", {})]
    for number, when in enumerate(("before", "after")):
        shares = [np.mean(values) for r in results for values in r.measured.get(when, {}).values()]
        bars = axes.bar(
            np.arange(len(names)) + 0.38 * (number - 0.5), shares, width=0.36,
            label=f"{when} learning", color=(style.COLOURS[4], style.COLOURS[0])[number],
            hatch=style.HATCHES[1 - number], edgecolor=style.INK, linewidth=0.8,
        )  # fmt: skip
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=8.5)
    axes.set_xticks(range(len(names)), names, fontsize=7.5)
    axes.set_ylim(0, 1.2)
    style.label(axes, "", "system, layer", "share of rates below 0.01", "1")
    axes.legend(loc="upper right", ncols=2)


_Drawer = Callable[[Axes, Sequence[FigureResult], PaperFigure], None]
_DRAWERS: Mapping[str, _Drawer] = {
    "test_accuracy": _courses,
    "angle_degrees": _courses,
    "correlation": _correlations,
    "ablation": _ablation,
    "convergence": _convergence,
    "information": _information,
    "sparsity": _sparsity,
}
