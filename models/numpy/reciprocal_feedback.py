r"""Reciprocal Feedback in plain NumPy: sleep and wake.

Cameron, Chen and Sejnowski, *A biologically-plausible learning rule using reciprocal feedback
connections*, an extended abstract whose equations have no numbers; *here* marks what it leaves
open. It needs NumPy and nothing else: it is the oracle of the tests, and pseudo-code that runs.

Layers are k = 0..P with :math:`N_k` cells; layer 0 is the image, layer P the output. Every
state is a matrix with one column per image.

=====================  ====================  ====================  ===========================
Paper                  Here                  Shape                 Meaning
=====================  ====================  ====================  ===========================
:math:`h_l`            ``h[k]``              ``(N_k, images)``     rate of layer k
:math:`a_l`            ``a[k]``              ``(N_k, images)``     input of layer k
:math:`W_l`            ``weights["W_k"]``    ``(N_{k+1}, N_k)``    from layer k to layer k+1
(bias)                 ``weights["b_k"]``    ``(N_{k+1}, 1)``      biases of layer k+1
:math:`V`              ``weights["V_k"]``    ``(N_k, N_{k+1})``    from layer k+1 to layer k,
                                                                   for :math:`W_{k+1}^+`
:math:`-B_l e`         ``delta[k]``          ``(N_k, images)``     error of layer k
:math:`h_L^*`          ``target``            ``(N_P, images)``     target of the output
=====================  ====================  ====================  ===========================

Also: ``k``, number of a layer; ``noise``, a matrix of its layer; ``rates``, of V by layer;
``image``, of layer 0, and ``images``, ``targets``, one per row; ``eta``, learning rate;
``batch``, images per update; ``activation``, ``"relu"`` or ``"tanh"``; ``floor``, the smallest
slope that is inverted; ``dreams``, called before every update, gives one noise matrix by layer
for every update in sleep.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> weights = {"W_1": rng.normal(size=(2, 3)), "V_1": rng.normal(size=(3, 2))}
>>> for _ in range(3000):
...     weights = sleep(weights, {1: rng.normal(size=(3, 20))}, {1: 0.05})
>>> bool(distance(weights, 1) < 0.1)
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["deltas", "distance", "forward", "sleep", "train", "wake"]

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]
States = dict[int, FloatArray]


def depth(weights: Weights) -> int:
    """P, the number of layers above the image."""
    return sum(name.startswith("W_") for name in weights)


def sleep(
    weights: Weights, noise: Mapping[int, FloatArray], rates: Mapping[int, float]
) -> dict[str, FloatArray]:
    """One update of every V, by how far it is from reconstructing the noise of its layer."""
    new = dict(weights)
    for k, n in noise.items():
        W, V = weights[f"W_{k}"], weights[f"V_{k}"]
        new[f"V_{k}"] = V + rates[k] * (n - V @ (W @ n)) @ (W @ n).T / n.shape[1]
    return new


def distance(weights: Weights, k: int) -> float:
    """How far V is from the pseudoinverse of W, relative to it (Frobenius)."""
    inverse = np.linalg.pinv(weights[f"W_{k}"])
    return float(np.linalg.norm(weights[f"V_{k}"] - inverse) / np.linalg.norm(inverse))


def forward(weights: Weights, image: FloatArray, activation: str = "relu") -> tuple[States, States]:
    """Inputs and rates of all layers; the output is linear (here)."""
    a: States = {}
    h: States = {0: image}
    for k in range(depth(weights)):
        a[k + 1] = weights[f"W_{k}"] @ h[k] + weights[f"b_{k}"]
        hidden = np.maximum(a[k + 1], 0) if activation == "relu" else np.tanh(a[k + 1])
        h[k + 1] = hidden if k + 1 < depth(weights) else a[k + 1]
    return a, h


def deltas(
    weights: Weights,
    a: States,
    h: States,
    target: FloatArray,
    activation: str = "relu",
    floor: float = 0.1,
) -> States:
    """Minus the error of all layers: down through V and inverse slopes, those of tanh capped."""
    top = depth(weights)
    found: States = {top: target - h[top]}
    for k in range(top - 1, 0, -1):
        back = weights[f"V_{k}"] @ found[k + 1]
        if activation == "relu":
            found[k] = (a[k] > 0) * back
        else:
            found[k] = back / np.maximum(1 - np.tanh(a[k]) ** 2, floor)
    return found


def wake(
    weights: Weights,
    image: FloatArray,
    target: FloatArray,
    eta: float,
    activation: str = "relu",
    floor: float = 0.1,
) -> dict[str, FloatArray]:
    """One update of every W and every bias, a mean over the images."""
    a, h = forward(weights, image, activation)
    new, images = dict(weights), image.shape[1]
    for k, delta in deltas(weights, a, h, target, activation, floor).items():
        new[f"W_{k - 1}"] = weights[f"W_{k - 1}"] + eta * delta @ h[k - 1].T / images
        new[f"b_{k - 1}"] = weights[f"b_{k - 1}"] + eta * delta.mean(axis=1, keepdims=True)
    return new


def train(
    weights: Weights,
    images: FloatArray,
    targets: FloatArray,
    dreams: Callable[[], Iterable[Mapping[int, FloatArray]]],
    rates: Mapping[int, float],
    *,
    eta: float = 0.02,
    batch: int = 50,
    activation: str = "relu",
    floor: float = 0.1,
) -> dict[str, FloatArray]:
    """Weights after one pass over images and targets, one per row, in the order given."""
    new: dict[str, FloatArray] = dict(weights)
    for start in range(0, len(images), batch):
        for noise in dreams():
            new = sleep(new, noise, rates)
        rows = slice(start, start + batch)
        new = wake(new, images[rows].T, targets[rows].T, eta, activation, floor)
    return new
