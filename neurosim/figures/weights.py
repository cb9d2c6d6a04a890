"""Figures of weights: histograms before and after learning, receptive fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurosim.backends.weights import existing_weights
from neurosim.circuit.graph import WeightView
from neurosim.errors import FigureError
from neurosim.figures import style
from neurosim.figures.run import Run, Source, as_run

__all__ = ["class_templates", "receptive_fields", "weight_histograms"]

#: Most bins of a histogram; small arrays have fewer.
BINS = 100


def weight_histograms(run: Source) -> Figure:
    """Histograms of every weight array before and after learning.

    Parameters
    ----------
    run : Run or path
        The initial weights are made again from the run's seed.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per array, counts on a logarithmic axis. Bins span the range of both, as
        many as the square root of the number of weights, from 10 to 100.

    Raises
    ------
    CheckpointError
        If the run has no usable checkpoint.
    """
    one = as_run(run)
    after, before, there = one.weights, one.initial_weights, _existing(one)
    with style.applied():
        figure, panels = style.new_figure(len(after), columns=min(3, len(after)), panel=(3.5, 2.7))
        for axes, name in zip(panels, after, strict=True):
            _histogram(axes, before[name][there[name]], after[name][there[name]])
            style.label(axes, name, "weight", "synapses")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _existing(run: Run) -> dict[str, Any]:
    """An index of the entries of every array that some synapse uses."""
    circuit = run.settings.system.circuit()
    found: dict[str, Any] = {weight.name: ... for weight in circuit.weights}
    for weight in circuit.weights:
        for part in weight.parts:
            if part.layout == "natural":
                projection = circuit.projection(part.projection)
                found[weight.name] = existing_weights(circuit, projection)
    return found


def _histogram(axes: Axes, before: NDArray[np.float64], after: NDArray[np.float64]) -> None:
    low = min(before.min(), after.min())
    high = max(before.max(), after.max())
    bins = int(np.clip(np.sqrt(after.size), 10, BINS))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    blue, orange = style.COLOURS[5], style.COLOURS[1]
    counts, _ = np.histogram(after, edges)
    axes.stairs(counts, edges, fill=True, color=blue, label="after")
    counts, _ = np.histogram(before, edges)
    axes.stairs(counts, edges, color=orange, linestyle="--", linewidth=1.4, label="before")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)


def receptive_fields(run: Source, *, rows: int = 100, seed: int = 0) -> Figure:
    """Rows of the first weights as images, and the templates of the classes.

    Parameters
    ----------
    run : Run or path
        A run on images.
    rows : int
        Number of cells to show, chosen at random.
    seed : int
        Seed of that choice.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels: a square of cells' input weights; the change of the same weights since
        the start, without the noise of the initial weights; per class the product of
        all forward weights, which is what a linear network would look for, and which
        networks with pools have not.

    Raises
    ------
    FigureError
        If ``rows`` is not positive.
    CheckpointError
        If the run has no usable checkpoint.
    """
    one = as_run(run)
    if rows < 1:
        raise FigureError(f"rows = {rows}: give 1 or more cells to show")
    first, shape = _first_filters(one, one.weights)
    change = first - _first_filters(one, one.initial_weights)[0]
    count = min(rows, len(first))
    chosen = np.sort(np.random.default_rng(seed).choice(len(first), size=count, replace=False))
    whole = _chain(one) is not None
    with style.applied():
        widths = {"width_ratios": [1, 1, 0.62]} if whole else {}
        figure, (cells, moved, *others) = style.new_figure(
            2 + whole, panel=(4.4, 4.6), gridspec_kw=widths
        )
        words = f"{count} of {len(first)} cells of the first hidden layer"
        if len(one.layers) == 2:
            words = f"the {count} output cells"
        columns = math.ceil(math.sqrt(count))
        _mosaic(figure, cells, first[chosen], shape, columns, words)
        cells.set_title("input weights of cells")
        _mosaic(figure, moved, change[chosen], shape, columns, "the same cells", "change of weight")
        moved.set_title("change since the start")
        for classes in others:
            templates = class_templates(one)
            columns = max(2, round(math.sqrt(len(templates) / 2.5)))
            words = "classes, row by row from 0"
            _mosaic(figure, classes, templates, one.image_shape, columns, words)
            classes.set_title("class templates")
    return figure


def class_templates(run: Source) -> NDArray[np.float64]:
    """Product of all forward weights, as if cells were linear.

    Parameters
    ----------
    run : Run or path
        The trained network.

    Returns
    -------
    ndarray, shape (n_classes, n_inputs)
        One row per class, dimensionless.

    Raises
    ------
    CheckpointError
        If the run has no usable checkpoint.
    FigureError
        If there are no weights between two layers.
    """
    one: Run = as_run(run)
    weights, chain = one.weights, _chain(one)
    if chain is None:
        raise FigureError(
            f"{one.settings.system.name} has no weights between some layers, such as to a pool, so "
            "the product of all forward weights says nothing; leave class templates out"
        )
    return reduce(lambda left, view: view.after(left, weights), chain[-2::-1],
                  chain[-1].of(weights))  # fmt: skip


def _chain(run: Run) -> list[WeightView] | None:
    """Weights from layer to layer, if all layers have some."""
    views = run.settings.system.forward_weights()
    found = [view for view in views if view is not None]
    return found if len(found) == len(views) else None


def _first_filters(
    run: Run, weights: Mapping[str, Any]
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Input weights of the first layer's cells, and the shape of the pixels they belong to."""
    view = run.settings.system.forward_weights()[0]
    if view is None:
        raise FigureError(f"{run.settings.system.name} has no weights from the image: leave it out")
    if view.wired is None:
        return view.of(weights), run.image_shape
    array = np.asarray(weights[view.name], dtype=np.float64)
    found = view.wired.filters(array, *view.cells)
    return found.reshape(len(found), -1), found.shape[1:] if found.ndim > 2 else run.image_shape


def _mosaic(
    figure: Figure,
    axes: Axes,
    rows: NDArray[np.float64],
    shape: tuple[int, ...],
    columns: int,
    words: str,
    value: str = "weight",
) -> None:
    """Draw images side by side with a gap of one pixel, three channels as colours."""
    height, width = (1, *shape)[-2:]
    lines = -(-len(rows) // columns)
    limit = float(np.abs(rows).max()) or 1.0
    coloured = len(shape) == 3 and shape[0] == 3
    canvas = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1, 3), np.nan)
    for number, row in enumerate(rows):
        top, left = (number // columns) * (height + 1), (number % columns) * (width + 1)
        image = row.reshape(shape)
        picture = np.moveaxis(image, 0, -1) if coloured else image.reshape(height, width, 1)
        canvas[top : top + height, left : left + width] = picture
    if coloured:
        axes.imshow(np.nan_to_num(0.5 + canvas / (2 * limit), nan=1.0), interpolation="nearest")
    else:
        drawn = axes.imshow(
            canvas[..., 0], cmap=style.SIGNED, vmin=-limit, vmax=limit, interpolation="nearest"
        )
        bar = figure.colorbar(drawn, ax=axes, location="bottom", fraction=0.05, pad=0.02)
        bar.set_label(value)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"{words}; {width} pixels each")
    axes.set_ylabel(f"{height} pixels each")
