r"""Predictive coding in plain NumPy: what the Brian2 network must compute.

Whittington and Bogacz, "An Approximation of the Error Backpropagation Algorithm in a
Predictive Coding Network with Local Hebbian Synaptic Plasticity", Neural Computation 29
(2017) 1229, with the step, the clamp and the optimiser behind Table 1 of
arXiv:2306.04810; *code* marks what only the code behind that table says.

It needs NumPy and nothing else: it is the oracle of the step-for-step tests and of the
gradient checks, and pseudo-code that runs.

Layers are l = 0..P with :math:`N_l` cells; layer 0 is the image, layer P the output. Every
value is a matrix with one column per image. All quantities are dimensionless.

==================  ====================  ======================  ===========================
Paper               Here                  Shape                   Meaning
==================  ====================  ======================  ===========================
:math:`x_l`         ``x[l]``              ``(N_l, images)``       values; ``x[0]`` is the image,
                                                                  which stands for f(x_0)
:math:`\mu_l`       ``mu[l - 1]``         ``(N_l, images)``       predictions
:math:`e_l`         ``e[l - 1]``          ``(N_l, images)``       errors, x - mu
:math:`W_l`         ``weights["W_l"]``    ``(N_{l+1}, N_l)``      layers l and l + 1
:math:`b_l`         ``weights["b_l"]``    ``(N_{l+1}, 1)``        biases of layer l + 1
:math:`f`           ``f``                 function                rate of a hidden value
==================  ====================  ======================  ===========================

Also: ``layers``, cells per layer, image first; ``rng``, the source of all draws; ``image``,
images as columns, ``y`` their targets; ``images`` and ``targets``, one per row; ``batch``,
images per update; ``steps``, length of the settle phase; ``ascent``, minus the gradient;
``h``, the Euler step, dt / tau; ``means``, Adam's running means of the gradient and of
its square by the name of the weight; ``rate``, the learning rate of an update.

Examples
--------
>>> import numpy as np
>>> weights = initial_weights((4, 6, 2), np.random.default_rng(0))
>>> image, y = np.array([[0.0], [1.0], [0.5], [0.2]]), np.array([[0.0], [1.0]])
>>> settled = settle(weights, clamp(forward(weights, image), y))
>>> weights, means = adam(weights, {}, gradient(weights, settled), update=1)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "adam",
    "clamp",
    "energy",
    "errors",
    "forward",
    "gradient",
    "initial_weights",
    "predict",
    "settle",
    "sigmoid",
    "step",
    "train",
]

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]
State = tuple[FloatArray, ...]
Rate = Callable[[FloatArray], FloatArray]


def sigmoid(x: FloatArray) -> FloatArray:
    """The logistic sigmoid f of hidden values."""
    return np.asarray(1 / (1 + np.exp(-x)))


def initial_weights(layers: Sequence[int], rng: np.random.Generator) -> dict[str, FloatArray]:
    """W uniform in +-sqrt(6/n_in) and b in +-1/sqrt(n_in), as in the published code."""
    weights: dict[str, FloatArray] = {}
    for k, (below, above) in enumerate(itertools.pairwise(layers)):
        weights[f"W_{k}"] = rng.uniform(-1, 1, size=(above, below)) * np.sqrt(6 / below)
        weights[f"b_{k}"] = rng.uniform(-1, 1, size=(above, 1)) / np.sqrt(below)
    return weights


# ---------------------------------------------------------------- values and errors


def forward(weights: Weights, image: FloatArray, f: Rate = sigmoid) -> State:
    """Values that equal their predictions, layer after layer; the output is linear."""
    x = [image]
    for k in range(depth(weights)):
        below = f(x[k]) if k else image
        x.append(weights[f"W_{k}"] @ below + weights[f"b_{k}"])
    return tuple(x)


def depth(weights: Weights) -> int:
    """P, the number of layers above the image."""
    return sum(name.startswith("W_") for name in weights)


def clamp(x: State, y: FloatArray) -> State:
    """The output clamped to the target (code: 0.97 for the class shown, 0.03 for others)."""
    return (*x[:-1], 0.03 + 0.94 * y)


def errors(weights: Weights, x: State, f: Rate = sigmoid) -> State:
    """What predictions from below leave unexplained, of layers 1 to P."""
    rates = (x[0], *(f(values) for values in x[1:-1]))
    return tuple(
        x[k + 1] - (weights[f"W_{k}"] @ rates[k] + weights[f"b_{k}"]) for k in range(len(rates))
    )


def energy(weights: Weights, x: State, f: Rate = sigmoid) -> FloatArray:
    """Half the squared errors of each image, ``(images,)``."""
    return np.asarray(0.5 * sum((e**2).sum(axis=0) for e in errors(weights, x, f)))


def step(weights: Weights, x: State, h: float = 0.1) -> State:
    """Values after one Euler step down the energy, all hidden layers at once."""
    e = errors(weights, x)
    moved = []
    for k in range(1, len(e)):
        rate = sigmoid(x[k])
        moved.append(x[k] + h * (rate * (1 - rate) * (weights[f"W_{k}"].T @ e[k]) - e[k - 1]))
    return (x[0], *moved, x[-1])


def settle(weights: Weights, x: State, *, steps: int = 50, h: float = 0.1) -> State:
    """Values after the settle phase."""
    for _ in range(steps):
        x = step(weights, x, h)
    return x


def predict(weights: Weights, images: FloatArray) -> Any:
    """Class of each image after the forward pass: ``(images,)``."""
    return forward(weights, images.T)[-1].argmax(axis=0)


# ---------------------------------------------------------------- learning


def gradient(weights: Weights, x: State, f: Rate = sigmoid) -> dict[str, FloatArray]:
    """Minus the gradient of the energy in the weights, a mean over the images."""
    rates, images = (x[0], *(f(values) for values in x[1:-1])), x[0].shape[1]
    found: dict[str, FloatArray] = {}
    for k, e in enumerate(errors(weights, x, f)):
        found[f"W_{k}"] = e @ rates[k].T / images
        found[f"b_{k}"] = e.mean(axis=1, keepdims=True)
    return found


def adam(
    weights: Weights,
    means: Mapping[str, tuple[FloatArray, FloatArray]],
    ascent: Weights,
    *,
    update: int,
    rate: float = 0.001,
) -> tuple[dict[str, FloatArray], dict[str, tuple[FloatArray, FloatArray]]]:
    """Weights and means after update number ``update``, from 1 (code; Adam's usual betas)."""
    learnt, kept = dict(weights), dict(means)
    for name, g in ascent.items():
        zero = np.zeros_like(g)
        m, v = kept.get(name, (zero, zero))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        kept[name] = m, v
        corrected = m / (1 - 0.9**update), v / (1 - 0.999**update)
        learnt[name] = weights[name] + rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
    return learnt, kept


def train(
    weights: Weights,
    images: FloatArray,
    targets: FloatArray,
    *,
    batch: int = 20,
    rate: float = 0.001,
    steps: int = 50,
    h: float = 0.1,
) -> tuple[dict[str, FloatArray], dict[str, tuple[FloatArray, FloatArray]]]:
    """Weights and Adam's means after one pass over the images in the order given."""
    learnt = dict(weights)
    means: dict[str, tuple[FloatArray, FloatArray]] = {}
    for number, start in enumerate(range(0, len(images), batch), start=1):
        rows = slice(start, start + batch)
        x = clamp(forward(learnt, images[rows].T), targets[rows].T)
        ascent = gradient(learnt, settle(learnt, x, steps=steps, h=h))
        learnt, means = adam(learnt, means, ascent, update=number, rate=rate)
    return learnt, means
