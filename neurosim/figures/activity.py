"""Figures of the cells' responses to test images: raster, sparsity, confusion, t-SNE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurosim.errors import FigureError
from neurosim.figures import style
from neurosim.figures.run import Run, Source, as_run
from neurosim.learning.metrics import sparsity

__all__ = ["confusion_counts", "confusion_matrix", "hidden_activity", "tsne"]


def hidden_activity(run: Source, *, images_per_class: int = 20) -> Figure:
    """Rates of hidden cells for test images, and the share of silent cells.

    Parameters
    ----------
    run : Run or path
        Rates are those at the end of the phase before the target comes.
    images_per_class : int
        How many images of each class to show, the first ones of the test set.

    Returns
    -------
    matplotlib.figure.Figure
        One raster per hidden layer, cells sorted by the class with the highest
        mean rate; then, per layer, the share of rates below 0.01 over the whole
        test set, before and after learning.

    Raises
    ------
    FigureError
        If there is no hidden layer.
    CheckpointError
        If the run has no usable checkpoint.
    """
    one = as_run(run)
    hidden = _hidden(one, "activity")
    after, before = one.activity, one.initial_activity
    order = _by_class(after.labels, images_per_class)
    with style.applied():
        figure, panels = style.new_figure(len(hidden) + 1, panel=(4.6, 3.7))
        for axes, name in zip(panels, hidden, strict=False):
            _raster(figure, axes, after.settled[name], after.labels, order)
            axes.set_title(f"{name}, end of {after.phase} phase")
        _bars(panels[-1], hidden, before.settled, after.settled)
    return figure


def _hidden(run: Run, figure: str) -> list[str]:
    names = [layer.population for layer in run.layers[1:-1]]
    if not names:
        raise FigureError(f"no figure {figure!r}: this network has no hidden layer")
    return names


def _by_class(labels: NDArray[Any], images_per_class: int) -> NDArray[np.int64]:
    """Numbers of the first images of each class, class after class."""
    first = [np.flatnonzero(labels == c)[:images_per_class] for c in np.unique(labels)]
    return np.concatenate(first)


def _raster(
    figure: Figure,
    axes: Axes,
    rates: NDArray[Any],
    labels: NDArray[Any],
    order: NDArray[np.int64],
) -> None:
    classes = np.unique(labels)
    preferred = np.stack([rates[labels == c].mean(axis=0) for c in classes]).argmax(axis=0)
    cells = np.argsort(preferred, kind="stable")
    drawn = axes.imshow(
        rates[order][:, cells].T, aspect="auto", interpolation="nearest", vmin=0, origin="lower"
    )
    shown = labels[order]
    starts = np.flatnonzero(np.diff(shown, prepend=shown[0] - 1))
    for start in starts[1:]:
        axes.axvline(start - 0.5, color=style.PAPER, linewidth=0.8)
    middles = (starts + np.append(starts[1:], len(shown))) / 2 - 0.5
    axes.set_xticks(middles, [str(c) for c in shown[starts]])
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False)
    style.label(axes, "", f"class of {len(order)} test images",
                "cell, by preferred class")  # fmt: skip
    figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02).set_label("rate")


def _bars(
    axes: Axes,
    hidden: list[str],
    before: Mapping[str, NDArray[Any]],
    after: Mapping[str, NDArray[Any]],
) -> None:
    places = np.arange(len(hidden))
    for number, (words, rates) in enumerate((("before", before), ("after", after))):
        shares = [sparsity(rates[name]) for name in hidden]
        bars = axes.bar(
            places + 0.38 * (number - 0.5),
            shares,
            width=0.36,
            color=(style.COLOURS[4], style.COLOURS[0])[number],
            hatch=style.HATCHES[1 - number],
            edgecolor=style.INK,
            linewidth=0.8,
            label=f"{words} learning",
        )
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=8.5)
    axes.set_xticks(places, hidden)
    axes.set_xlim(-0.7, len(hidden) - 0.3)
    axes.set_ylim(0, 1.25)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper right", ncols=2)
    style.label(axes, "sparsity", "layer", "share of rates below 0.01")


# ---------------------------------------------------------------- confusion


def confusion_counts(
    labels: NDArray[Any], answers: NDArray[Any], n_classes: int
) -> NDArray[np.int64]:
    """Count how often images of each class were given each answer.

    Parameters
    ----------
    labels, answers : ndarray of int, shape (n,)
        True and predicted classes.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of int, shape (n_classes, n_classes)
        Rows are true classes.
    """
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (labels, answers), 1)
    return counts


def confusion_matrix(run: Source) -> Figure:
    """How often test images of each class were taken for each class.

    Parameters
    ----------
    run : Run or path
        The trained network answers at the end of the phase before the target.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; colours are shares of the true class, numbers are images.

    Raises
    ------
    CheckpointError
        If the run has no usable checkpoint.
    """
    one = as_run(run)
    answers = one.activity.settled[one.layers[-1].population].argmax(axis=1)
    counts = confusion_counts(one.activity.labels, answers, one.data.n_classes)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with style.applied():
        figure, (axes,) = style.new_figure(panel=(5.6, 4.7))
        # a square root keeps rare mistakes visible beside the diagonal
        drawn = axes.imshow(np.sqrt(shares / 100), cmap="Greys", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            if not count:
                continue
            dark = shares[row, column] > 25
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8,
                      color=style.PAPER if dark else style.INK)  # fmt: skip
        ticks = np.arange(len(counts))
        axes.set(xticks=ticks, yticks=ticks)
        axes.grid(visible=False)
        accuracy = 100 * np.trace(counts) / counts.sum()
        title = f"{counts.sum()} test images, {accuracy:.2f} % right"
        style.label(axes, title, "answer (class)", "image (class)")
        bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
        percent = (0, 1, 5, 20, 50, 100)
        bar.set_ticks([(p / 100) ** 0.5 for p in percent], labels=[str(p) for p in percent])
        bar.set_label("share of the true class (%)")
    return figure


# ---------------------------------------------------------------- t-SNE


def tsne(run: Source, *, perplexity: float = 30.0, images: int = 2000, seed: int = 0) -> Figure:
    """Hidden rates of test images in two dimensions, by t-SNE (scikit-learn).

    Parameters
    ----------
    run : Run or path
        Rates are those of the last hidden layer at the end of the phase before
        the target comes.
    perplexity : float
        Of t-SNE; at most a third of the number of images less one.
    images : int
        Largest number of images; more than these are sampled at random.
    seed : int
        Seed of the sample and of t-SNE.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; every image is drawn as the number of its class.

    Raises
    ------
    FigureError
        If there is no hidden layer, or too few images.
    CheckpointError
        If the run has no usable checkpoint.
    """
    one = as_run(run)
    name = _hidden(one, "tsne")[-1]
    rates, labels = one.activity.settled[name], one.activity.labels
    if len(rates) < 5:
        raise FigureError(f"no t-SNE of {len(rates)} test images; give 5 or more")
    chosen = np.random.default_rng(seed).permutation(len(rates))[:images]
    used = min(perplexity, (len(chosen) - 1) / 3)
    places = _embed(rates[chosen], used, seed)
    with style.applied():
        figure, (axes,) = style.new_figure(panel=(5.4, 4.9))
        for number in np.unique(labels):
            x, y = places[labels[chosen] == number].T
            axes.scatter(x, y, s=34, marker=f"${number}$", linewidths=0.3, label=str(number),
                         color=style.CLASS_COLOURS[number % len(style.CLASS_COLOURS)])  # fmt: skip
        title = f"{name}, {len(chosen)} of {len(rates)} test images, perplexity {used:.3g}"
        style.label(axes, title, "t-SNE 1", "t-SNE 2", "arbitrary unit", x_unit="arbitrary unit")
        axes.grid(visible=False)
    return figure


def _embed(rates: NDArray[Any], perplexity: float, seed: int) -> NDArray[Any]:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    method = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    # waiting threads keep their cores busy: on a machine that does other work, one is faster
    with threadpool_limits(1):
        places: NDArray[Any] = method.fit_transform(np.asarray(rates, dtype=np.float32))
    return places
