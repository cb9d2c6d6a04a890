"""Figures of settling, and of the information that layers have about each other."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim.errors import FigureError, counted
from neurosim.figures import style
from neurosim.figures.run import Activity, Run, Source, as_run
from neurosim.learning.information import CorrelativeInformation, correlative_information
from neurosim.system import System

#: Regularisation of the correlations for systems that name none; CorInfoMax publishes it.
DEFAULT_EPSILON = 0.15

__all__ = ["convergence", "information", "measure_information"]

#: Said above bars that fall.
WHY_IT_FALLS = (
    "Lower after learning: errors of prediction count against information, without bound, also "
    "where\npredictions overshoot rates that are clipped. Classification may improve all the same."
)


def convergence(run: Source, *, images: int = 8) -> Figure:
    """Change of the state of each layer from step to step, in all phases.

    Parameters
    ----------
    run : Run or path
        The trained network.
    images : int
        Number of test images, the first ones; they run in Python, which is slow.

    Returns
    -------
    matplotlib.figure.Figure
        One panel over the cycle on a logarithmic axis: sum over a layer's cells
        of ``|du|`` in a time step, mean and range over the images.

    Raises
    ------
    FigureError
        If ``images`` is below 1.
    CheckpointError
        If the run has no usable checkpoint.
    """
    one = as_run(run)
    x, y = one.data.x_test[:images], one.data.y_test[:images]
    if images < 1:
        raise FigureError(f"images = {images}: give 1 or more")
    changes = one.simulator.state_changes(x, y)
    circuit = one.simulator.circuit
    phases = {phase.name: phase.steps * circuit.dt for phase in circuit.phases}
    with style.applied():
        figure, (axes,) = style.new_figure(panel=(5.8, 3.7))
        time = circuit.dt * np.arange(1, circuit.cycle_steps() + 1)
        for number, (name, values) in enumerate(changes.items()):
            drawn = style.series(number)
            # a logarithmic axis cannot show a layer that has not begun to change
            moving = (values > 0).all(axis=0)
            reached, shown = time[moving], values[:, moving]
            axes.plot(reached, shown.mean(axis=0), **drawn, label=name, markevery=3)
            low, high = shown.min(axis=0), shown.max(axis=0)
            axes.fill_between(reached, low, high, color=drawn["color"], alpha=0.18, lw=0)
        axes.set_yscale("log")
        axes.set_xlim(0, time[-1] + circuit.dt / 2)
        style.label(axes, "", "time", r"$\sum |\Delta u|$ of a layer per step", x_unit="ms")
        style.shade_phases(axes, phases, start=circuit.dt / 2)
        count = f"mean and range of {counted(len(x), 'image')}"
        axes.legend(loc="best", title=count, title_fontsize=8.5)
    return figure


# ---------------------------------------------------------------- information


def information(run: Source, *, forgetting: float | None = None) -> Figure:
    """Layerwise correlative information before and after learning, by phase.

    Parameters
    ----------
    run : Run or path
        Rates are those for all test images, in their order.
    forgetting : float, optional
        Forgetting factor per image of the correlations, which then start as
        the identity matrix; by default, the mean over the images. See
        :mod:`neurosim.learning.information`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per pair of layers, bars in nats. If any bar is lower after learning, a
        line says why.

    Raises
    ------
    CheckpointError
        If the run has no usable checkpoint.
    """
    one = as_run(run)
    measured = {
        "before": measure_information(one, one.initial_activity, one.initial_weights, forgetting),
        "after": measure_information(one, one.activity, one.weights, forgetting),
    }
    layers = [layer.population for layer in one.layers]
    with style.applied():
        figure, panels = style.new_figure(len(layers) - 1, panel=(4.6, 3.5))
        for number, axes in enumerate(panels):
            _bars(axes, {when: pairs[number] for when, pairs in measured.items()})
            style.label(axes, f"{layers[number]} and {layers[number + 1]}", "prediction, phase",
                        "correlative information", "nat")  # fmt: skip
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        if _falls(measured):
            figure.suptitle(WHY_IT_FALLS, fontsize=8.5, x=0.01, ha="left")
    return figure


def _falls(measured: dict[str, list[dict[str, CorrelativeInformation]]]) -> bool:
    """Whether any information is smaller after learning."""
    return any(
        getattr(after[phase], way) < getattr(before[phase], way)
        for before, after in zip(measured["before"], measured["after"], strict=True)
        for phase in after
        for way in ("forward", "backward")
    )


def measure_information(
    run: Run, activity: Activity, weights: object, forgetting: float | None = None
) -> list[dict[str, CorrelativeInformation]]:
    """Measure the correlative information of neighbouring layers, by phase.

    Parameters
    ----------
    run : Run
        Says which weights lead where.
    activity : Activity
        Rates of all layers.
    weights : mapping of str to ndarray
        The weights of the network that gave the rates.
    forgetting : float, optional
        See :func:`information`.

    Returns
    -------
    list of dict of str to CorrelativeInformation
        One per pair, from the input up; in nats.

    Raises
    ------
    FigureError
        If there are no weights between two layers.
    """
    system = run.settings.system
    views = system.forward_weights()
    forward = [view.of(weights) for view in views if view is not None]
    if len(forward) < len(views):
        raise FigureError(
            f"no figure 'information' of {system.name}: some layers have no weights from the layer "
            "below, such as pools; leave 'information' out"
        )
    backward = [None, *(None if v is None else v.of(weights) for v in system.backward_weights())]
    names = [layer.population for layer in run.layers]
    return [
        {
            phase: correlative_information(
                rates[names[k]], rates[names[k + 1]], forward[k], backward[k],
                _epsilon(system), forgetting=forgetting,
            )
            for phase, rates in activity.rates.items()
        }
        for k in range(len(names) - 1)
    ]  # fmt: skip


def _epsilon(system: System) -> float:
    """Regularisation of the correlations, as the system declares it for this analysis."""
    own = system.analyses().get("correlative_information", {})
    return own.get("epsilon", DEFAULT_EPSILON)


def _bars(axes: Axes, measured: dict[str, dict[str, CorrelativeInformation]]) -> None:
    after = measured["after"]
    kinds = [(way, phase) for way in ("forward", "backward") for phase in after]
    # a pair of layers without weights from the upper one has no backward prediction
    known = [(way, phase) for way, phase in kinds if not np.isnan(getattr(after[phase], way))]
    for number, (when, by_phase) in enumerate(measured.items()):
        values = [getattr(by_phase[phase], way) for way, phase in known]
        bars = axes.bar(
            np.arange(len(known)) + 0.4 * (number - 0.5),
            values,
            width=0.38,
            color=(style.COLOURS[4], style.COLOURS[0])[number],
            hatch=style.HATCHES[1 - number],
            edgecolor=style.INK,
            linewidth=0.8,
            label=f"{when} learning",
        )
        axes.bar_label(bars, fmt=_short, padding=2, fontsize=8)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.set_xticks(range(len(known)), [f"{way},\n{phase}" for way, phase in known])
    axes.grid(visible=False, axis="x")
    low, high = axes.get_ylim()
    room = 0.12 * (high - low)
    # room for the numbers beyond the ends of the bars
    axes.set_ylim(low - room * (low < 0), high + room)


def _short(value: float) -> str:
    """Three digits, of small numbers two, without an exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"
