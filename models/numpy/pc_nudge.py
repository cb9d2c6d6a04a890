r"""Predictive coding with a nudged output in plain NumPy.

What differs from :mod:`neurosim.models.numpy.pc`, whose names and shapes hold here, too:
the output is free and feels the target by a nudge of small strength lambda, hidden cells
are rectified and linear, the energy has no 1/2, and weights take plain steps. All of it is
that of the code behind Table 1 of arXiv:2306.04810.

``lam`` is the nudge, a number or one of either sign for each image, ``(images,)``; ``lams``
are those of all images. As there, ``x`` are values, ``y`` targets as columns, ``weights``
arrays by name, ``h`` the Euler step and ``steps`` the length of the settle phase; ``images``
and ``targets`` have a row per image, ``batch`` images make an update.

Examples
--------
>>> import numpy as np
>>> weights = initial_weights((4, 6, 2), np.random.default_rng(0))
>>> image, y = np.array([[0.0], [1.0], [0.5], [0.2]]), np.array([[0.0], [1.0]])
>>> nudged = settle(weights, forward(weights, image, rectified), y, lam=0.001)
>>> weights = update(weights, nudged, lam=0.001, rate=0.01)
"""

from __future__ import annotations

import numpy as np

from neurosim.models.numpy.pc import (
    FloatArray,
    State,
    Weights,
    errors,
    forward,
    initial_weights,
)

__all__ = [
    "energy",
    "errors",
    "forward",
    "initial_weights",
    "rectified",
    "settle",
    "step",
    "train",
    "update",
]


def rectified(x: FloatArray) -> FloatArray:
    """The rate f of hidden values."""
    return np.maximum(x, 0)


def energy(weights: Weights, x: State, y: FloatArray, lam: float | FloatArray) -> FloatArray:
    """Squared errors and the nudge of each image, ``(images,)``."""
    squares = sum((e**2).sum(axis=0) for e in errors(weights, x, rectified))
    return np.asarray(squares + lam * ((x[-1] - y) ** 2).sum(axis=0))


def step(
    weights: Weights, x: State, y: FloatArray, lam: float | FloatArray, h: float = 0.1
) -> State:
    """Values after one Euler step down the energy, all layers at once, the output too."""
    e = errors(weights, x, rectified)
    top, moved = len(e), []
    for k in range(1, top + 1):
        above = (x[k] > 0) * (weights[f"W_{k}"].T @ e[k]) if k < top else -lam * (x[k] - y)
        moved.append(x[k] + 2 * h * (above - e[k - 1]))
    return (x[0], *moved)


def settle(
    weights: Weights,
    x: State,
    y: FloatArray,
    lam: float | FloatArray,
    *,
    steps: int = 50,
    h: float = 0.1,
) -> State:
    """Values after the settle phase."""
    for _ in range(steps):
        x = step(weights, x, y, lam, h)
    return x


def update(
    weights: Weights, x: State, lam: float | FloatArray, rate: float
) -> dict[str, FloatArray]:
    """Weights after a step of ``rate``, that of a batch, times the mean over the images."""
    rates, learnt = (x[0], *(rectified(values) for values in x[1:-1])), dict(weights)
    for k, e in enumerate(errors(weights, x, rectified)):
        push = rate / x[0].shape[1] * 2 / lam * e
        learnt[f"W_{k}"] = weights[f"W_{k}"] + push @ rates[k].T
        learnt[f"b_{k}"] = weights[f"b_{k}"] + push.sum(axis=1, keepdims=True)
    return learnt


def train(
    weights: Weights,
    images: FloatArray,
    targets: FloatArray,
    lams: FloatArray,
    *,
    batch: int = 20,
    rate: float = 0.02,
    steps: int = 50,
    h: float = 0.1,
) -> dict[str, FloatArray]:
    """Weights after one pass over the images in the order given; ``rate`` is of a batch."""
    learnt = dict(weights)
    for start in range(0, len(images), batch):
        rows = slice(start, start + batch)
        free = forward(learnt, images[rows].T, rectified)
        nudged = settle(learnt, free, targets[rows].T, lams[rows], steps=steps, h=h)
        learnt = update(learnt, nudged, lams[rows], rate)
    return learnt
