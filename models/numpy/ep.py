r"""Equilibrium propagation in plain NumPy: what the Brian2 network must compute.

Scellier and Bengio, "Equilibrium Propagation: Bridging the Gap between Energy-Based
Models and Backpropagation", Frontiers in Computational Neuroscience 11 (2017) 24,
arXiv:1602.05179, with the step, the cost without 1/2 and the lengths of phases behind
Table 1 of arXiv:2306.04810. Numbers of equations and sections are those of the first
paper; *code* marks what only the code behind that table says.

Nothing here imports Brian2, the engine or the model. The functions serve as the oracle of
the step-for-step tests and of the gradient checks, and as pseudo-code that runs.

=====================  =====================  =============  ===============================
Paper                  Here                   Unit           Meaning
=====================  =====================  =============  ===============================
:math:`s^{(k)}`        ``s[k]``               1              state of layer k; ``s[0]`` is the image
:math:`W^{(k)}`        ``weights["W_k"]``     1              layers k and k+1, k = 0..P-1
:math:`b^{(k)}`        ``weights["b_k"]``     1              biases of layer k+1, a column
:math:`\epsilon`       ``h``                  1              Euler step
:math:`E`              :func:`energy`         1              energy of the network, eq. 1
:math:`C`              :func:`cost`           1              cost, sec. 2; code, without 1/2
=====================  =====================  =============  ===============================

Every state is a matrix with one column per image. A mini-batch is therefore as simple as
one image, and :func:`train` can compare the two.

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

from neurosim.errors import DataError

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
    """P, the number of layers above the image.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights and biases, as from :func:`initial_weights`.

    Returns
    -------
    int
        1 or more.
    """
    return sum(name.startswith("W_") for name in weights)


def initial_weights(layers: Sequence[int], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Draw weights as the published code does.

    Parameters
    ----------
    layers : sequence of int
        Cells per layer, image first: ``(784, 500, 10)``.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    dict of str to ndarray
        Glorot-uniform ``W_k`` of shape ``(N_{k+1}, N_k)``; ``b_k`` zero, of shape
        ``(N_{k+1}, 1)``.
    """
    weights: dict[str, FloatArray] = {}
    for k, (below, above) in enumerate(itertools.pairwise(layers)):
        bound = np.sqrt(6 / (below + above))
        weights[f"W_{k}"] = rng.uniform(-bound, bound, size=(above, below))
        weights[f"b_{k}"] = np.zeros((above, 1))
    return weights


def resting_state(weights: Weights, x: FloatArray) -> State:
    """All layers silent at the onset of images.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights and biases, as from :func:`initial_weights`.
    x : ndarray
        Images, one per column, shape ``(N_0, images)``.

    Returns
    -------
    tuple of ndarray
        States of layers 0..P.

    Raises
    ------
    DataError
        If the images do not fit the network.
    """
    wanted = weights["W_0"].shape[1]
    if x.ndim != 2 or x.shape[0] != wanted:
        raise DataError(f"images of shape {x.shape}; give ({wanted}, images), one per column")
    kind = np.result_type(x, weights["b_0"])
    silent = [np.zeros((len(weights[f"b_{k}"]), x.shape[1]), kind) for k in range(depth(weights))]
    return (x, *silent)


# ---------------------------------------------------------------------------
# Energy, cost and their gradient
# ---------------------------------------------------------------------------


def energy(weights: Weights, s: State) -> FloatArray:
    """Energy E of each image, eq. 1 with rho(s) = s: half the squares minus what synapses share.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights and biases, as from :func:`initial_weights`.
    s : tuple of ndarray
        States of layers 0..P, shape ``(N_k, images)``.

    Returns
    -------
    ndarray
        Shape ``(images,)``.
    """
    total = 0.5 * sum((layer**2).sum(axis=0) for layer in s[1:])
    for k in range(depth(weights)):
        total = total - (s[k + 1] * (weights[f"W_{k}"] @ s[k] + weights[f"b_{k}"])).sum(axis=0)
    return np.asarray(total)


def cost(s: State, y: FloatArray) -> FloatArray:
    """Cost C of each image, sec. 2; code, without its 1/2.

    Parameters
    ----------
    s : tuple of ndarray
        States of layers 0..P, shape ``(N_k, images)``.
    y : ndarray
        Targets, shape ``(N_P, images)``.

    Returns
    -------
    ndarray
        Shape ``(images,)``.
    """
    return np.asarray(((s[-1] - y) ** 2).sum(axis=0))


def force(weights: Weights, s: State, y: FloatArray, beta: float | FloatArray) -> State:
    """Minus the gradient of the total energy F = E + beta C in the states, sec. 2.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights and biases, as from :func:`initial_weights`.
    s : tuple of ndarray
        States of layers 0..P, shape ``(N_k, images)``.
    y : ndarray
        Targets, shape ``(N_P, images)``.
    beta : float or ndarray, shape (images,)
        Signed nudge; 0 in the free phase.

    Returns
    -------
    tuple of ndarray
        For layers 1..P, of the shapes of their states.
    """
    top = depth(weights)
    forces = []
    for k in range(1, top + 1):
        below = weights[f"W_{k - 1}"] @ s[k - 1] + weights[f"b_{k - 1}"]
        above = weights[f"W_{k}"].T @ s[k + 1] if k < top else -2 * beta * (s[k] - y)
        forces.append(below + above - s[k])
    return tuple(forces)


# ---------------------------------------------------------------------------
# Dynamics and learning
# ---------------------------------------------------------------------------


def step(
    weights: Weights, s: State, y: FloatArray, beta: float | FloatArray, h: float = 0.5
) -> State:
    """One Euler step of all layers at once, kept in [0, 1], sec. 5.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights and biases, as from :func:`initial_weights`.
    s : tuple of ndarray
        States of layers 0..P, shape ``(N_k, images)``.
    y : ndarray
        Targets, shape ``(N_P, images)``.
    beta : float or ndarray, shape (images,)
        Signed nudge; 0 in the free phase.
    h : float
        Euler step relative to the time constant.

    Returns
    -------
    tuple of ndarray
        States after the step.
    """
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
    """A phase: several steps from a state.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights and biases, as from :func:`initial_weights`.
    s : tuple of ndarray
        States of layers 0..P, shape ``(N_k, images)``.
    steps : int
        Length of the phase.
    y : ndarray or float
        Targets, shape ``(N_P, images)``; without effect where ``beta`` is 0.
    beta : float or ndarray, shape (images,)
        Signed nudge; 0, the default, in the free phase.
    h : float
        Euler step relative to the time constant.

    Returns
    -------
    tuple of ndarray
        States at the end.
    """
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
    """Contrastive Hebbian update of sec. 2, a mean over the images of a batch.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights before.
    free, nudged : tuple of ndarray
        States at the ends of the two phases.
    beta : float or ndarray, shape (images,)
        Signed nudge.
    alpha : sequence of float
        Learning rate of each pair of layers.

    Returns
    -------
    dict of str to ndarray
        Weights after.
    """
    images = free[0].shape[1]
    changed = dict(weights)
    for k, rate in enumerate(alpha):
        hebb = (nudged[k + 1] / beta) @ nudged[k].T - (free[k + 1] / beta) @ free[k].T
        bias = ((nudged[k + 1] - free[k + 1]) / beta).sum(axis=1, keepdims=True)
        changed[f"W_{k}"] = weights[f"W_{k}"] + rate / images * hebb
        changed[f"b_{k}"] = weights[f"b_{k}"] + rate / images * bias
    return changed


def predict(weights: Weights, images: FloatArray, *, h: float = 0.5, steps: int = 20) -> Any:
    """Class of each image: the most active output after a free phase.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights and biases, as from :func:`initial_weights`.
    images : ndarray
        One image per row, shape ``(n, N_0)``.
    h : float
        Euler step relative to the time constant.
    steps : int
        Length of the free phase.

    Returns
    -------
    ndarray of int
        Numbers of classes, shape ``(n,)``.

    Raises
    ------
    DataError
        If the images do not fit the network.
    """
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
    """One pass over the images in the order given, one update per batch.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights before.
    images, targets : ndarray, shapes (n, N_0) and (n, N_P)
        What to learn.
    betas : ndarray, shape (n,)
        Signed nudge of each image.
    alpha : sequence of float
        Learning rates of an update.
    batch : int
        Images per update; an incomplete last batch is left out.
    h : float
        Euler step.
    steps : tuple of int
        Lengths of the free and the nudged phase.

    Returns
    -------
    dict of str to ndarray
        Weights after.
    """
    learnt = dict(weights)
    for start in range(0, len(images) - batch + 1, batch):
        rows = slice(start, start + batch)
        y, beta = targets[rows].T, betas[rows]
        free = settle(learnt, resting_state(learnt, images[rows].T), steps=steps[0], h=h)
        nudged = settle(learnt, free, steps=steps[1], y=y, beta=beta, h=h)
        learnt = update(learnt, free, nudged, beta, alpha)
    return learnt
