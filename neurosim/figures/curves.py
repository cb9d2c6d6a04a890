"""Figures over epochs: accuracy, weight angles, graded spikes and synaptic operations."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from neurosim.errors import FigureError
from neurosim.figures import style
from neurosim.figures.run import Run, Source, as_runs
from neurosim.system import FeedbackPair

__all__ = [
    "angle", "correlation", "counted_events", "describe", "events", "learning_curve",
    "learning_summary", "objective",
]  # fmt: skip

#: Reads a number from one row of the metrics.
_Value = Callable[[Mapping[str, Any]], float]
#: Metrics per image that count no events of cells.
_NO_EVENTS = frozenset({"synops_per_image", "dense_macs_per_image", "ms_per_image"})


def learning_curve(run: Source) -> Figure:
    """Training and test accuracy against epochs and images seen.

    Parameters
    ----------
    run : Run, path, or several
        Several are drawn as mean and range. Published points are drawn if
        the settings are the published ones.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; training accuracy is that of the answers while learning.

    Raises
    ------
    RunFolderError
        If no epoch is finished.
    """
    runs = as_runs(run)
    with style.applied():
        figure, (axes,) = style.new_figure(panel=(5.6, 3.7))
        _accuracy_panel(axes, runs)
        axes.set_title(describe(runs))
    return figure


def angle(run: Source) -> Figure:
    """Angle between forward and transposed backward weights against epochs.

    Parameters
    ----------
    run : Run, path, or several
        Several are drawn as mean and range.

    Returns
    -------
    matplotlib.figure.Figure
        One panel, one line per feedback pathway; the angle at epoch 0 is that of
        the initial weights.

    Raises
    ------
    FigureError
        If the system has no separate feedback weights.
    RunFolderError
        If no epoch is finished.
    """
    runs = as_runs(run)
    _check_pairs(runs)
    with style.applied():
        figure, (axes,) = style.new_figure(panel=(5.6, 3.7))
        _angle_panel(axes, runs)
        axes.set_title(describe(runs))
    return figure


def correlation(run: Source) -> Figure:
    """Correlation of forward and transposed backward weights against epochs.

    Parameters
    ----------
    run : Run, path, or several
        Several are drawn as mean and range.

    Returns
    -------
    matplotlib.figure.Figure
        One panel, one line per feedback pathway; at epoch 0, that of the initial weights.

    Raises
    ------
    FigureError
        If the system has no separate feedback weights, or the metrics have no correlations.
    RunFolderError
        If no epoch is finished.
    """
    runs = as_runs(run)
    _check_pairs(runs)
    names = [pair.name for pair in runs[0].settings.system.feedback_pairs()]
    starts = [one.untrained.correlations() for one in runs]
    rows = [row.get("correlation", {}) for one in runs for row in one.epochs]
    if any(values.get(name) is None for values in (*starts, *rows) for name in names):
        raise FigureError(
            "no figure 'correlation': the metrics have no correlations, since an older neurosim "
            "wrote them or a weight array has equal entries; leave 'correlation' out"
        )
    with style.applied():
        figure, (axes,) = style.new_figure(panel=(5.6, 3.7))
        for number, pair in enumerate(runs[0].settings.system.feedback_pairs()):
            first = [float(start[pair.name] or 0) for start in starts]
            _line(axes, runs, number, _words_of(pair), _correlation_of(pair.name), first)
        axes.axhline(0, color=style.INK, linewidth=0.8, linestyle=":")
        style.label(axes, "", "epoch", "correlation of weights")
        _finish_lines(axes, runs)
        axes.set_title(describe(runs))
    return figure


def objective(run: Source) -> Figure:
    """What each layer's own rule lowers, against epochs.

    Parameters
    ----------
    run : Run, path, or several
        Several are drawn as mean and range.

    Returns
    -------
    matplotlib.figure.Figure
        One panel, one line per layer, over the same test images in every epoch; at epoch 0,
        that of the initial weights.

    Raises
    ------
    FigureError
        If layers have no objective of their own, or an older neurosim wrote the metrics.
    RunFolderError
        If no epoch is finished.
    """
    runs = as_runs(run)
    names = list(runs[0].epochs[-1].get("objective", {}))
    if not names or any(not row.get("objective") for one in runs for row in one.epochs):
        raise FigureError(
            f"no figure 'objective' of {runs[0].settings.system.name}: its layers have no "
            "objective of their own, or an older neurosim wrote the metrics; leave 'objective' out"
        )
    with style.applied():
        figure, (axes,) = style.new_figure(panel=(5.6, 3.7))
        for number, name in enumerate(names):
            first = [one.initial_objectives[name] for one in runs]
            _line(axes, runs, number, name.replace("_", " "), _objective_of(name), first)
        style.label(axes, "", "epoch", "objective of a layer")
        _finish_lines(axes, runs)
        axes.set_title(describe(runs))
    return figure


def learning_summary(run: Source) -> Figure:
    """Accuracy and weight angle beside each other, as on the front page.

    Parameters
    ----------
    run : Run, path, or several
        Several are drawn as mean and range.

    Returns
    -------
    matplotlib.figure.Figure
        The panels of :func:`learning_curve` and :func:`angle`.

    Raises
    ------
    FigureError
        If the system has no separate feedback weights.
    RunFolderError
        If no epoch is finished.
    """
    runs = as_runs(run)
    _check_pairs(runs)
    with style.applied():
        figure, (left, right) = style.new_figure(2, panel=(5.0, 3.8))
        _accuracy_panel(left, runs)
        _angle_panel(right, runs)
        figure.suptitle(describe(runs), x=0.01, ha="left", fontsize=10, weight="bold")
    return figure


def events(run: Source) -> Figure:
    """Events of cells and synaptic operations per image, beside the dense work they replace.

    Parameters
    ----------
    run : Run, path, or several
        Several are drawn as mean and range.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels over epochs: events of cells, one line per kind that occurred;
        operations at synapses, on a logarithmic axis. Definitions:
        :mod:`neurosim.learning.metrics`.

    Raises
    ------
    RunFolderError
        If no epoch is finished.
    """
    runs = as_runs(run)
    with style.applied():
        figure, (cells, synapses) = style.new_figure(2, panel=(4.6, 3.5))
        _events_panel(cells, runs)
        _operations_panel(synapses, runs)
        for axes in (cells, synapses):
            _whole_epochs(axes)
            axes.legend(loc="center right" if axes is synapses else "best")
        figure.suptitle(describe(runs), x=0.01, ha="left", fontsize=10, weight="bold")
    return figure


def counted_events(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Kinds of events that rows of metrics count, without those that never occurred.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of ``metrics.jsonl``.

    Returns
    -------
    dict of str to str
        Names for people by names of metrics, in the order of the rows.

    Examples
    --------
    >>> counted_events([{"epoch": 1, "graded_spikes_per_image": 7.5, "synops_per_image": 90.0}])
    {'graded_spikes_per_image': 'graded spikes'}
    """
    return {
        name: name.removesuffix("_per_image").replace("_", " ")
        for row in rows
        for name, count in row.items()
        if name.endswith("_per_image") and name not in _NO_EVENTS and count
    }


# ---------------------------------------------------------------- panels


def _events_panel(axes: Axes, runs: Sequence[Run]) -> None:
    kinds = counted_events(row for one in runs for row in one.epochs)
    for number, (name, words) in enumerate(kinds.items()):
        _line(axes, runs, number, words, _value(name))
    axes.margins(y=0.15)
    axes.set_ylim(bottom=0)
    style.label(axes, "events of cells", "epoch", "events per image")


def _operations_panel(axes: Axes, runs: Sequence[Run]) -> None:
    _line(axes, runs, 0, "synaptic operations", _value("synops_per_image"))
    _line(axes, runs, 1, "dense multiply-accumulates", _value("dense_macs_per_image"))
    axes.set_yscale("log")
    axes.margins(y=0.25)
    style.label(axes, "work at synapses", "epoch", "operations per image")
    last = runs[0].epochs[-1]
    ratio = last["dense_macs_per_image"] / max(last["synops_per_image"], 1)
    axes.annotate(
        f"{ratio:.0f} times fewer than dense",
        (last["epoch"], last["synops_per_image"]),
        xytext=(0, 9),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
    )


def _accuracy_panel(axes: Axes, runs: Sequence[Run]) -> None:
    kinds = (("test", "test_accuracy"), ("train, while learning", "train_accuracy"))
    for number, (words, name) in enumerate(kinds):
        _line(axes, runs, number, words, _percent(name))
        _published(axes, runs, name, number, words.partition(",")[0])
    style.label(axes, "", "epoch", "accuracy", "%")
    _count_images(axes, runs)
    axes.legend(loc="lower right")


def _check_pairs(runs: Sequence[Run]) -> None:
    system = runs[0].settings.system
    if not system.feedback_pairs():
        raise FigureError(
            f"no figure 'angle' of {system.name} with layers "
            f"{'-'.join(map(str, system.layers))}: the system has no feedback weights separate "
            "from its forward weights; leave 'angle' out"
        )


def _angle_panel(axes: Axes, runs: Sequence[Run]) -> None:
    pairs = runs[0].settings.system.feedback_pairs()
    start = [one.untrained.angles() for one in runs]
    for number, pair in enumerate(pairs):
        first = [angles[pair.name] for angles in start]
        _line(axes, runs, number, _words_of(pair), _angle_of(pair.name), first)
        _published(axes, runs, pair.name, number, pair.name if len(pairs) > 1 else "")
    axes.axhline(90, color=style.INK, linewidth=0.8, linestyle=":")
    axes.annotate("unrelated weights", (1, 90), xycoords=("axes fraction", "data"),
                  xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8.5)  # fmt: skip
    style.label(axes, "", "epoch", "angle between weights", "degrees")
    _finish_lines(axes, runs)


# ---------------------------------------------------------------- parts


def describe(runs: Sequence[Run]) -> str:
    """Heading of runs: system, data set, layers and seeds.

    Parameters
    ----------
    runs : sequence of Run
        At least one; their settings differ in the seed only.

    Returns
    -------
    str
        One line.
    """
    s = runs[0].settings
    layers = "-".join(map(str, s.system.layers))
    seeds = f"seed {s.seed}" if len(runs) == 1 else f"{len(runs)} runs, mean and range"
    return f"{s.system.name}, {s.data_name}, {layers}, {seeds}"


def _value(name: str) -> _Value:
    return lambda row: row.get(name, 0)


def _percent(name: str) -> _Value:
    return lambda row: 100 * row[name]


def _angle_of(name: str) -> _Value:
    return lambda row: row["angle_degrees"][name]


def _correlation_of(name: str) -> _Value:
    return lambda row: row["correlation"][name]


def _objective_of(name: str) -> _Value:
    return lambda row: row["objective"][name]


def _words_of(pair: FeedbackPair) -> str:
    return f"{pair.forward} and {pair.backward} transposed"


def _values(runs: Sequence[Run], value: _Value) -> tuple[NDArray[Any], NDArray[Any]]:
    """Epochs that all runs have finished, and values, shape (n_runs, n_epochs)."""
    count = min(len(run.epochs) for run in runs)
    epochs = np.array([row["epoch"] for row in runs[0].epochs[:count]])
    return epochs, np.array([[value(row) for row in run.epochs[:count]] for run in runs])


def _line(
    axes: Axes,
    runs: Sequence[Run],
    number: int,
    words: str,
    value: _Value,
    first: Sequence[float] = (),
) -> None:
    """Draw the mean of the runs, and their range as a band; ``first`` holds values at epoch 0."""
    epochs, values = _values(runs, value)
    if first:
        epochs = np.concatenate([[0], epochs])
        values = np.concatenate([np.array(first)[:, None], values], axis=1)
    drawn = style.series(number)
    every = max(1, len(epochs) // 15)
    axes.plot(epochs, values.mean(axis=0), **drawn, label=words, markevery=every)
    if len(runs) > 1:
        axes.fill_between(
            epochs, values.min(axis=0), values.max(axis=0), color=drawn["color"], alpha=0.22, lw=0
        )


def _published(axes: Axes, runs: Sequence[Run], quantity: str, number: int, words: str) -> None:
    """Draw published points up to the last epoch, if the runs have the published settings."""
    last = max(row["epoch"] for run in runs for row in run.epochs)
    if not all(run.published for run in runs):
        return
    for curve in runs[0].published:
        points = {x: y for x, y in curve.points.items() if x <= last}
        if curve.quantity == quantity and points:
            look = {**style.PUBLISHED, "marker": style.MARKERS[number]}
            source = _wrapped(f"{words}, {curve.source}" if words else curve.source)
            axes.plot(list(points), list(points.values()), **look, label=source)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 44))


def _finish_lines(axes: Axes, runs: Sequence[Run]) -> None:
    """Margins, images of an epoch and legend of a panel with a line per layer."""
    axes.margins(y=0.14)
    _count_images(axes, runs)
    axes.legend(loc="best")


def _whole_epochs(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def _count_images(axes: Axes, runs: Sequence[Run]) -> None:
    """Add a second axis above the panel, in images seen."""
    _whole_epochs(axes)
    per_epoch = runs[0].images_per_epoch

    def images(epochs: Any) -> Any:
        return epochs * per_epoch

    def epochs(images: Any) -> Any:
        return images / per_epoch

    above = axes.secondary_xaxis("top", functions=(images, epochs))
    above.set_xlabel("images seen")
    # long numbers need room
    above.xaxis.set_major_locator(MaxNLocator(nbins=5))
    above.xaxis.set_major_formatter(lambda n, _: f"{n:,.0f}".replace(",", "\N{THIN SPACE}"))
