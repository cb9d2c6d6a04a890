"""How the time per image grows: with the size of the network, and with what is sent."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.contender import BASELINE, CONTENDERS
from benchmarks.pictures import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BY_SIZE", "BY_THRESHOLD", "draw_growth", "make_figure", "slope"]

#: Contenders compared over the sizes of networks.
BY_SIZE = (BASELINE, "floor-f32-1e-2", "torch-20", "brian2-summed-f32")
#: One contender at rising thresholds: it sends less and less.
BY_THRESHOLD = ("neurosim-f32-0", "neurosim-f32-1e-3", BASELINE)

_NOTHING = "none of these contenders was measured"


def slope(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Exponent p of the power law y = c x^p that fits best, by least squares of logarithms.

    Parameters
    ----------
    x, y : sequence of float
        Positive values, one y for each x.

    Returns
    -------
    float or None
        None if there are not two different x.

    Examples
    --------
    >>> round(slope([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    if len(set(x)) < 2:
        return None
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def draw_growth(results: dict[str, Any], stem: Path) -> None:
    """Draw time against synapses and against graded spikes, as PNG and SVG.

    Parameters
    ----------
    results : dict
        What ``python -m benchmarks`` measured.
    stem : Path
        File name without its ending.
    """
    from neurosim.figures import style

    with style.applied():
        save_figure(make_figure(results), stem)


def make_figure(results: dict[str, Any]) -> Figure:
    """The figure of :func:`draw_growth`.

    Parameters
    ----------
    results : dict
        What ``python -m benchmarks`` measured.

    Returns
    -------
    matplotlib.figure.Figure
        On the left a line per contender over the sizes, on the right a line per size over
        the thresholds of one contender. Both axes are logarithmic, medians over rounds.
    """
    from neurosim.figures import style

    figure, (left, right) = style.new_figure(2, panel=(5.2, 4.6))
    for axes in (left, right):
        axes.set(xscale="log", yscale="log")
    for number, name in enumerate(BY_SIZE):
        points = _points(results["sizes"], [name], "synapses")
        _line(left, number, points, CONTENDERS[name].label)
    for number, size in enumerate(results["sizes"]):
        points = _points([size], BY_THRESHOLD, "spikes_per_image")
        _line(right, number, points, "-".join(map(str, size["layers"])))
    _name_sizes(left, results["sizes"])
    thresholds = ", ".join(f"{CONTENDERS[name].event_threshold:g}" for name in BY_THRESHOLD)
    style.label(left, "Size", "synapses", "time per training image", "ms")
    style.label(right, f"Activity: neurosim at θ = {thresholds}", "graded spikes per image",
                "time per training image", "ms")  # fmt: skip
    for axes in (left, right):
        _scale(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16))
        else:
            axes.text(0.5, 0.5, _NOTHING, ha="center", transform=axes.transAxes)
    return figure


def _points(
    sizes: Sequence[dict[str, Any]], names: Sequence[str], quantity: str
) -> list[tuple[float, list[float]]]:
    """A quantity of the size or the contender, and times in ms, where they were measured."""
    found = []
    for size in sizes:
        entries = {entry["name"]: entry for entry in size["contenders"]}
        for entry in (entries[name] for name in names if name in entries):
            found.append(({**size, **entry}[quantity], entry["train_ms"]))
    return sorted(found)


def _line(axes: Axes, number: int, points: list[tuple[float, list[float]]], label: str) -> None:
    """Medians over rounds, bars from the smallest to the largest."""
    from neurosim.figures import style

    if not points:
        return
    x = [at for at, _ in points]
    middle = [statistics.median(times) for _, times in points]
    below = [median - min(times) for median, (_, times) in zip(middle, points, strict=True)]
    above = [max(times) - median for median, (_, times) in zip(middle, points, strict=True)]
    rise = slope(x, middle)
    words = label if rise is None else f"{label}: slope {rise:.2f}"
    axes.errorbar(x, middle, yerr=[below, above], capsize=2, label=words, **style.series(number))


def _name_sizes(axes: Axes, sizes: Sequence[dict[str, Any]]) -> None:
    """Layers of each network, written upright below its points."""
    times = [time for line in axes.lines for time in np.asarray(line.get_ydata(), dtype=float)]
    if times:
        # room for the names
        axes.set_ylim(bottom=min(times) / 30)
    for size in sizes:
        axes.annotate(
            "-".join(map(str, size["layers"])), (size["synapses"], 0.02), rotation=90,
            xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8,
        )  # fmt: skip


def _scale(axes: Axes) -> None:
    """Logarithmic axes with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(_plain))
        axis.set_minor_formatter(NullFormatter())


def _plain(value: float, _: int | None) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 1 else f"{value:g}"
