r"""Backpropagation and feedback alignment in plain NumPy, with Adam.

Rumelhart, Hinton and Williams, Nature 323 (1986) 533-536, whose equations are named by
number; feedback alignment: Lillicrap, Cownden, Tweed and Akerman, Nature Communications 7
(2016) 13276; Adam: Kingma and Ba, ICLR 2015, algorithm 1. *code* marks what the code behind
Table 1 of arXiv:2306.04810 does. It needs NumPy and nothing else: it is the oracle of the
tests, and pseudo-code that runs.

Layers are k = 0..P with :math:`N_k` cells; layer 0 is the image, layer P the output. Every
state is a matrix with one column per image.

=====================  ====================  ====================  ===========================
Paper                  Here                  Shape                 Meaning
=====================  ====================  ====================  ===========================
:math:`y_i`            ``r[k]``              ``(N_k, images)``     rate of layer k, eq. 2
:math:`x_j`            ``x[k]``              ``(N_k, images)``     input of layer k, eq. 1
:math:`w`              ``weights["W_k"]``    ``(N_{k+1}, N_k)``    from layer k to layer k+1
(bias)                 ``weights["b_k"]``    ``(N_{k+1}, 1)``      biases of layer k+1
:math:`B`              ``weights["B_k"]``    ``(N_k, N_{k+1})``    errors down, feedback
                                                                   alignment only
:math:`-\partial E     ``delta[k]``          ``(N_k, images)``     error of layer k, eq. 4, 5
/\partial x`
:math:`d`              ``target``            ``(N_P, images)``     target of the output
=====================  ====================  ====================  ===========================

Also: ``image``, of layer 0; ``images`` and ``targets``, one per row; ``loss``, ``"mse"``,
``"sse"`` or ``"ce"``; ``change``, minus the gradient by weight; ``means``, Adam's two running
means by weight; ``t``, number of the update from 1; ``eta``, learning rate; ``batch``, images
per update.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> weights = {"W_0": rng.normal(size=(2, 3)), "b_0": np.zeros((2, 1))}
>>> image, target = np.array([[1.0], [0.0], [0.5]]), np.array([[1.0], [0.0]])
>>> x, r = forward(weights, image)
>>> change = changes(weights, x, r, target, "mse")
>>> change["W_0"].shape
(2, 3)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["adam", "changes", "cost", "deltas", "forward", "softmax", "train"]

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]
States = dict[int, FloatArray]


def depth(weights: Weights) -> int:
    """P, the number of layers above the image."""
    return sum(name.startswith("W_") for name in weights if name.count("_") == 1)


def forward(weights: Weights, image: FloatArray) -> tuple[States, States]:
    """Inputs, eq. 1, and rates of all layers: rectified, and linear at the output (code)."""
    top = depth(weights)
    x: States = {}
    r: States = {0: image}
    for k in range(top):
        x[k + 1] = weights[f"W_{k}"] @ r[k] + weights[f"b_{k}"]
        r[k + 1] = np.maximum(x[k + 1], 0) if k + 1 < top else x[k + 1]
    return x, r


def softmax(r: FloatArray) -> FloatArray:
    """Probabilities of the classes, without overflow."""
    raised = np.exp(r - r.max(axis=0))
    return np.asarray(raised / raised.sum(axis=0))


def cost(r: FloatArray, target: FloatArray, loss: str) -> FloatArray:
    """Cost of each image: mean of eq. 3 over outputs, eq. 3 itself, or cross-entropy (code)."""
    if loss == "mse":
        return np.asarray(((r - target) ** 2).mean(axis=0))
    if loss == "sse":
        return np.asarray(((r - target) ** 2).sum(axis=0) / 2)
    return np.asarray(-(target * np.log(softmax(r))).sum(axis=0))


def deltas(weights: Weights, x: States, r: States, target: FloatArray, loss: str) -> States:
    """Errors of all layers, eq. 4, 5 and 7; down through B_k where there is one."""
    top = depth(weights)
    output = target - (softmax(r[top]) if loss == "ce" else r[top])
    output = 2 * output / len(target) if loss == "mse" else output
    found: States = {top: output}
    for k in range(top - 1, 0, -1):
        back = weights.get(f"B_{k}", weights[f"W_{k}"].T)
        found[k] = (x[k] > 0) * (back @ found[k + 1])
    return found


def changes(
    weights: Weights, x: States, r: States, target: FloatArray, loss: str
) -> dict[str, FloatArray]:
    """Minus the gradient, eq. 6, a mean over the images."""
    found, images = {}, target.shape[1]
    for k, delta in deltas(weights, x, r, target, loss).items():
        found[f"W_{k - 1}"] = delta @ r[k - 1].T / images
        found[f"b_{k - 1}"] = delta.mean(axis=1, keepdims=True)
    return found


def adam(
    weights: Weights, means: Weights, change: Weights, eta: float, t: int
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Weights and means after one update; ``means`` holds ``NAME_m`` and ``NAME_v``."""
    new, kept = dict(weights), dict(means)
    for name, step in change.items():
        m = kept[f"{name}_m"] = 0.9 * means[f"{name}_m"] + 0.1 * step
        v = kept[f"{name}_v"] = 0.999 * means[f"{name}_v"] + 0.001 * step**2
        new[name] = weights[name] + eta * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return new, kept


def train(
    weights: Weights,
    images: FloatArray,
    targets: FloatArray,
    *,
    loss: str = "mse",
    eta: float = 1e-3,
    batch: int = 20,
) -> dict[str, FloatArray]:
    """Weights after one pass over images and targets, one per row, in the order given."""
    new: dict[str, FloatArray] = dict(weights)
    learnt = [name for name in weights if name[0] in "Wb"]
    means = {f"{n}_{kind}": np.zeros_like(weights[n]) for n in learnt for kind in "mv"}
    for t, start in enumerate(range(0, len(images), batch), start=1):
        rows = slice(start, start + batch)
        x, r = forward(new, images[rows].T)
        change = changes(new, x, r, targets[rows].T, loss)
        new, means = adam(new, means, change, eta, t)
    return new
