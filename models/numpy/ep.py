r"""Equilibrium propagation in plain NumPy: what the Brian2 network must compute.

Scellier and Bengio, "Equilibrium Propagation: Bridging the Gap between Energy-Based
Models and Backpropagation", Frontiers in Computational Neuroscience 11 (2017) 24,
arXiv:1602.05179, with the step, the cost without 1/2 and the lengths of phases behind
Table 1 of arXiv:2306.04810. Numbers of equations and sections are those of the first
paper; *code* marks what only the code behind that table says.

It needs NumPy and nothing else: it is the oracle of the step-for-step tests and of the
gradient checks, and pseudo-code that runs.

Layers are k = 0..P with :math:`N_k` cells; layer 0 is the image, layer P the output. Every
state is a matrix with one column per image, so a batch is as simple as one image. All
quantities are dimensionless.

=====================  =====================  =======================  ========================
Paper                  Here                   Shape                    Meaning
=====================  =====================  =======================  ========================
:math:`s^{(k)}`        ``s[k]``               ``(N_k, images)``        state of layer k
:math:`x`              ``x``                  ``(N_0, images)``        images, ``s[0]``
:math:`y`              ``y``                  ``(N_P, images)``        targets of the output
:math:`W^{(k)}`        ``weights["W_k"]``     ``(N_{k+1}, N_k)``       layers k and k+1
:math:`b^{(k)}`        ``weights["b_k"]``     ``(N_{k+1}, 1)``         biases of layer k+1
:math:`\beta`          ``beta``               number or ``(images,)``  nudge, of either sign; 0
                                                                       in the free phase
:math:`\epsilon`       ``h``                  number                   Euler step, dt / tau
:math:`\alpha`         ``alpha``              ``(P,)``                 learning rates
:math:`E`              :func:`energy`         ``(images,)``            energy, eq. 1
:math:`C`              :func:`cost`           ``(images,)``            cost, sec. 2; code,
                                                                       without 1/2
=====================  =====================  =======================  ========================

Also: ``layers``, cells per layer, image first; ``rng``, the source of all draws; ``steps``,
length of a phase; ``free`` and ``nudged``, states at the ends of the phases; ``images`` and
``targets``, one per row; ``betas``, the nudge of each image; ``batch``, images per update.

Examples
--------
>>> import numpy as np
>>> weights = initial_weights((4, 6, 2), np.random.default_rng(0))
>>> x, y = np.array([[0.0], [1.0], [0.5], [0.2]]), np.array([[0.0], [1.0]])
>>> free = settle(weights, resting_state(weights, x), steps=20)
>>> nudged = settle(weights, free, steps=4, y=y, beta=1.0)
>>> weights = update(weights, free, nudged, beta=1.0, alpha=(0.1, 0.05))
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "cost",
    "energy",
    "force",
    "initial_weights",
    "predict",
    "resting_state",
    "settle",
    "step",
    "train",
    "update",
]

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]
State = tuple[FloatArray, ...]


def depth(weights: Weights) -> int:
    """P, the number of layers above the image."""
    return sum(name.startswith("W_") for name in weights)


def initial_weights(layers: Sequence[int], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Glorot-uniform W, zero b, as in the published code."""
    weights: dict[str, FloatArray] = {}
    for k, (below, above) in enumerate(itertools.pairwise(layers)):
        bound = np.sqrt(6 / (below + above))
        weights[f"W_{k}"] = rng.uniform(-bound, bound, size=(above, below))
        weights[f"b_{k}"] = np.zeros((above, 1))
    return weights


def resting_state(weights: Weights, x: FloatArray) -> State:
    """All layers silent at the onset of images."""
    kind = np.result_type(x, weights["b_0"])
    silent = [np.zeros((len(weights[f"b_{k}"]), x.shape[1]), kind) for k in range(depth(weights))]
    return (x, *silent)


# ---------------------------------------------------------------- energy, cost and their gradient


def energy(weights: Weights, s: State) -> FloatArray:
    """Energy E with rho(s) = s, eq. 1: half the squares minus what synapses share."""
    total = 0.5 * sum((layer**2).sum(axis=0) for layer in s[1:])
    for k in range(depth(weights)):
        total = total - (s[k + 1] * (weights[f"W_{k}"] @ s[k] + weights[f"b_{k}"])).sum(axis=0)
    return np.asarray(total)


def cost(s: State, y: FloatArray) -> FloatArray:
    """Cost C, sec. 2; code, without its 1/2."""
    return np.asarray(((s[-1] - y) ** 2).sum(axis=0))


def force(weights: Weights, s: State, y: FloatArray, beta: float | FloatArray) -> State:
    """Minus the gradient of the total energy F = E + beta C in the states, sec. 2."""
    top = depth(weights)
    forces = []
    for k in range(1, top + 1):
        below = weights[f"W_{k - 1}"] @ s[k - 1] + weights[f"b_{k - 1}"]
        above = weights[f"W_{k}"].T @ s[k + 1] if k < top else -2 * beta * (s[k] - y)
        forces.append(below + above - s[k])
    return tuple(forces)


# ---------------------------------------------------------------- dynamics and learning


def step(
    weights: Weights, s: State, y: FloatArray, beta: float | FloatArray, h: float = 0.5
) -> State:
    """States after one Euler step of all layers at once, kept in [0, 1], sec. 5."""
    forces = force(weights, s, y, beta)
    moved = (np.clip(old + h * f, 0, 1) for old, f in zip(s[1:], forces, strict=True))
    return (s[0], *moved)


def settle(
    weights: Weights,
    s: State,
    *,
    steps: int,
    y: FloatArray | float = 0.0,
    beta: float | FloatArray = 0.0,
    h: float = 0.5,
) -> State:
    """States after a phase; without ``y`` and ``beta`` a free one."""
    target = np.broadcast_to(np.asarray(y, dtype=s[-1].dtype), s[-1].shape)
    for _ in range(steps):
        s = step(weights, s, target, beta, h)
    return s


def update(
    weights: Weights,
    free: State,
    nudged: State,
    beta: float | FloatArray,
    alpha: Sequence[float],
) -> dict[str, FloatArray]:
    """Weights after the contrastive Hebbian update of sec. 2, a mean over the images."""
    images = free[0].shape[1]
    changed = dict(weights)
    for k, rate in enumerate(alpha):
        hebb = (nudged[k + 1] / beta) @ nudged[k].T - (free[k + 1] / beta) @ free[k].T
        bias = ((nudged[k + 1] - free[k + 1]) / beta).sum(axis=1, keepdims=True)
        changed[f"W_{k}"] = weights[f"W_{k}"] + rate / images * hebb
        changed[f"b_{k}"] = weights[f"b_{k}"] + rate / images * bias
    return changed


def predict(weights: Weights, images: FloatArray, *, h: float = 0.5, steps: int = 20) -> Any:
    """Class of each image, the most active output after a free phase: ``(images,)``."""
    return settle(weights, resting_state(weights, images.T), steps=steps, h=h)[-1].argmax(axis=0)


def train(
    weights: Weights,
    images: FloatArray,
    targets: FloatArray,
    betas: FloatArray,
    alpha: Sequence[float],
    *,
    batch: int = 1,
    h: float = 0.5,
    steps: tuple[int, int] = (20, 4),
) -> dict[str, FloatArray]:
    """Weights after one pass over the images in the order given; ``alpha`` is of a batch."""
    learnt = dict(weights)
    for start in range(0, len(images), batch):
        rows = slice(start, start + batch)
        y, beta = targets[rows].T, betas[rows]
        free = settle(learnt, resting_state(learnt, images[rows].T), steps=steps[0], h=h)
        nudged = settle(learnt, free, steps=steps[1], y=y, beta=beta, h=h)
        learnt = update(learnt, free, nudged, beta, alpha)
    return learnt
