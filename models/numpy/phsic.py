r"""Layers that learn by pHSIC in plain NumPy: pairs of images, batches, and a readout.

Pogodin and Latham, NeurIPS 2020, arXiv:2006.07123, whose equations are named by number; *code*
marks what only their program says. It needs NumPy and nothing else: it is the oracle of the
tests, and pseudo-code that runs.

Layers are k = 0..P; layer 0 is the image, layer P the output. States are matrices with one
column per image.

========================  ====================  ======================  =====================
Paper                     Here                  Shape                   Meaning
========================  ====================  ======================  =====================
:math:`z^k`               ``z``                 ``(N_k, images)``       activity of a layer
:math:`r^k`               ``r``                 ``(N_k, images)``       what it sends up
:math:`z^k` or            ``q``                 ``(N_k or groups,       what its kernel
:math:`v^k`                                     images)``               compares
(slope)                   ``h``                 ``(N_k, images)``       of q by what arrives
:math:`k(z_i, z_j)`       ``K``                 ``(images, images)``    kernel of a layer
:math:`k(y_i, y_j)`       ``Ky``                ``(images, images)``    kernel of the labels
:math:`W^k`               ``weights["W_k"]``    ``(N_{k+1}, N_k)``      from layer k to k+1
(bias)                    ``weights["b"]``      ``(N_P,)``              of the output
========================  ====================  ======================  =====================

Also: ``x``, what a layer receives; ``y``, one-hot labels, one column per image; ``keep``,
factors of dropout by layer; ``k``, number of a layer; ``b2``, ``b3`` and ``M``, of eq. 60 to 62;
``rule``, a :class:`Rule`, and ``rules``, by layer; ``layer`` and ``now``, what a layer does with
some images and with this one; ``before`` and ``x_before``, the same for the previous image;
``W``, of one layer; ``output``, of the readout; ``image``, of layer 0, and ``images``, ``labels``,
one per row; ``eta``, ``eta_output``, learning rates; ``batch``, images per update; ``learning``,
``"pairs"``, ``"batch"`` or ``"last"``.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> W, x, y = rng.normal(size=(4, 3)), rng.normal(size=(3, 6)), np.eye(3)[:, [0, 1, 2, 0, 1, 2]]
>>> layer, rule = activity(W, x, Rule()), Rule()
>>> before = objective(kernel(layer.q, rule), label_kernel(y), rule)
>>> W = W + 0.1 * batch_change(layer, x, y, rule)
>>> objective(kernel(activity(W, x, rule).q, rule), label_kernel(y), rule) < before
True
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layer", "Memory", "Rule", "activity", "batch_change", "batch_mean", "forward",
           "kernel", "label_kernel", "objective", "objectives", "pair_change", "softmax",
           "train"]  # fmt: skip

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]


@dataclasses.dataclass(frozen=True)
class Rule:
    """Parameters of the rule, by the paper's symbols: gamma, sigma, p, delta, beta.

    ``kernel`` is ``"gauss"`` or ``"cosine"``, ``grouping`` ``"none"``, ``"groups"`` or
    ``"divisive"``, ``groups`` how many there are, ``slope`` that of negative activity.
    """

    kernel: str = "gauss"
    grouping: str = "none"
    groups: int = 1
    gamma: float = 2.0
    sigma: float = 5.0
    p: float = 0.2
    delta: float = 1.0
    slope: float = 0.01
    beta: float = 0.01

    @property
    def power(self) -> float:
        """p; 1/2 for groups without normalisation (appendix B.4)."""
        return 0.5 if self.grouping == "groups" else self.p


@dataclasses.dataclass(frozen=True)
class Layer:
    """What a layer does with images: z, what it sends, what it compares, and its slope."""

    z: FloatArray
    r: FloatArray
    q: FloatArray
    h: FloatArray


def activity(W: FloatArray, x: FloatArray, rule: Rule) -> Layer:
    """A hidden layer, eq. 1, or with groups eq. 17, 18 and 21."""
    a = W @ x
    z, slope = np.where(a > 0, a, rule.slope * a), np.where(a > 0, 1, rule.slope)
    if rule.grouping == "none":
        return Layer(z, z, z, slope)
    c, p = len(z) // rule.groups, rule.power
    grouped = z.reshape(rule.groups, c, -1)
    centred = grouped - grouped.mean(axis=1, keepdims=True)
    u = rule.delta / c + (centred**2).mean(axis=1, keepdims=True)
    v = (u ** (1 - p))[:, 0]
    normalised = (centred / u**p).reshape(z.shape)
    r = normalised if rule.grouping == "divisive" else z
    # eq. 44, dv/dz
    return Layer(z, r, v - v.mean(axis=0), 2 * (1 - p) / c * normalised * slope)


def kernel(q: FloatArray, rule: Rule) -> FloatArray:
    """Kernel of all pairs of images, eq. 25 or 26."""
    if rule.kernel == "cosine":
        unit = q / np.linalg.norm(q, axis=0)
        return np.asarray(unit.T @ unit)
    centred = q - q.mean(axis=1, keepdims=True)
    square = (centred**2).sum(axis=0)
    squares = square[:, None] + square[None, :] - 2 * centred.T @ centred
    return np.asarray(np.exp(-np.maximum(squares, 0) / (2 * rule.sigma**2)))


def label_kernel(y: FloatArray) -> FloatArray:
    """Cosine of centred labels (appendix A.3): 1 for one class, else -1/(n - 1)."""
    n = len(y)
    return np.asarray((n * (y.T @ y) - 1) / (n - 1))


def objective(K: FloatArray, Ky: FloatArray, rule: Rule) -> float:
    """The objective of a layer, eq. 9, with eq. 7 and 8 estimated from all pairs."""
    own = (K**2).mean() - K.mean() ** 2
    with_labels = (K * Ky).mean() - K.mean() * Ky.mean()
    return float(own - rule.gamma * with_labels)


def batch_mean(layer: Layer, y: FloatArray, rule: Rule) -> float:
    """b3 of a batch: mean over all its pairs of eq. 60, uncentred."""
    return float((rule.gamma * label_kernel(y) - 2 * kernel(layer.q, rule)).mean())


def batch_change(
    layer: Layer, x: FloatArray, y: FloatArray, rule: Rule, reach: int = 0
) -> FloatArray:
    """Minus the gradient of the objective, eq. 40, over all pairs of a batch.

    Every image has a factor for each cell, which reads all other images of the batch; with a
    ``reach`` only those that were shown at most so many images before or after it.
    """
    K, Ky, q, m = kernel(layer.q, rule), label_kernel(y), layer.q, layer.q.shape[1]
    lag = abs(np.subtract.outer(np.arange(m), np.arange(m)))
    pairs = (lag > 0) & (lag <= reach) if reach else np.ones((m, m), dtype=bool)
    S = pairs * (rule.gamma * (Ky - Ky.mean()) - 2 * (K - K.mean())) / pairs.sum()
    if rule.kernel == "gauss":
        S = S * K
        factor = -2 / rule.sigma**2 * (q * S.sum(axis=1) - q @ S.T)
    else:
        size = np.linalg.norm(q, axis=0)
        factor = 2 / size * (q / size @ S.T - q / size * (S * K).sum(axis=1))
    return np.asarray((_to_cells(factor, layer) * layer.h) @ x.T)


def pair_change(
    now: Layer, x: FloatArray, before: Layer, x_before: FloatArray, b2: float, b3: float, rule: Rule
) -> FloatArray:
    """The update from two images, eq. 41 and 62; with groups eq. 48 and 66; cosine eq. 54."""
    q, p = now.q, before.q
    if rule.kernel == "gauss":
        K = np.exp(-((q - p) ** 2).sum() / (2 * rule.sigma**2))
        M = -(b2 - b3) * K / rule.sigma**2
        third, third_before = M * (q - p), -M * (q - p)
    else:
        a, b, K = *(np.linalg.norm(each) for each in (q, p)), float((q * p).sum())
        third = (b2 - b3) / (a * b) * (p - K / a**2 * q)
        third_before = (b2 - b3) / (a * b) * (q - K / b**2 * p)
    e, e_before = _to_cells(third, now) * now.h, _to_cells(third_before, before) * before.h
    return np.asarray(e @ x.T + e_before @ x_before.T)


def _to_cells(factor: FloatArray, layer: Layer) -> FloatArray:
    """Of groups, to each of their cells."""
    return np.repeat(factor, len(layer.z) // len(factor), axis=0)


# ------------------------------------------------------------------ the network


def forward(
    weights: Weights,
    image: FloatArray,
    rules: Mapping[int, Rule],
    keep: Mapping[int, FloatArray] | None = None,
) -> tuple[dict[int, Layer], dict[int, FloatArray]]:
    """Hidden layers by number, and what every layer sends up; of the last one its output."""
    top = sum(name.startswith("W_") for name in weights)
    layers: dict[int, Layer] = {}
    sent = {0: image}
    for k in range(1, top):
        layers[k] = activity(weights[f"W_{k - 1}"], sent[k - 1], rules[k])
        sent[k] = layers[k].r * (keep[k] if keep else 1)
    sent[top] = weights[f"W_{top - 1}"] @ sent[top - 1] + weights["b"][:, None]
    return layers, sent


def objectives(
    weights: Weights, image: FloatArray, y: FloatArray, rules: Mapping[int, Rule]
) -> dict[int, float]:
    """The objective of every hidden layer, all pairs of images compared."""
    Ky = label_kernel(y)
    return {
        k: objective(kernel(layer.q, rules[k]), Ky, rules[k])
        for k, layer in forward(weights, image, rules)[0].items()
    }


def softmax(output: FloatArray) -> FloatArray:
    """Probabilities of the classes."""
    raised = np.exp(output - output.max(axis=0))
    return np.asarray(raised / raised.sum(axis=0))


@dataclasses.dataclass
class Memory:
    """What lasts from image to image: the image before, b3 of each layer, images so far."""

    layers: dict[int, Layer] = dataclasses.field(default_factory=dict)
    sent: dict[int, FloatArray] = dataclasses.field(default_factory=dict)
    y: FloatArray = dataclasses.field(default_factory=lambda: np.zeros((0, 1)))
    b3: dict[int, float] = dataclasses.field(default_factory=dict)
    images: int = 0

    def change(self, k: int, now: Layer, x: FloatArray, y: FloatArray, rule: Rule) -> FloatArray:
        """The update of layer k from an image and the one before it; b3 moves on, eq. 61."""
        before = self.layers[k]
        K = kernel(np.hstack([now.q, before.q]), rule)[0, 1]
        b2 = rule.gamma * label_kernel(np.hstack([y, self.y]))[0, 1] - 2 * K
        # a plain mean at first
        share = max(rule.beta, 1 / self.images)
        self.b3[k] = self.b3.get(k, 0.0) + share * (b2 - self.b3.get(k, 0.0))
        return pair_change(now, x, before, self.sent[k - 1], b2, self.b3[k], rule)


def train(
    weights: Weights,
    images: Iterable[FloatArray],
    labels: Iterable[FloatArray],
    rules: Mapping[int, Rule],
    *,
    eta: float,
    eta_output: float,
    learning: str = "pairs",
    batch: int = 1,
    keep: Iterable[Mapping[int, FloatArray]] | None = None,
) -> dict[str, FloatArray]:
    """Weights after images in the order given.

    ``learning`` is ``"pairs"``, ``"batch"`` or ``"last"``; ``keep`` has factors of dropout for
    every image.
    """
    new: dict[str, FloatArray] = dict(weights)
    x, y = np.stack(list(images), axis=1), np.stack(list(labels), axis=1)
    factors = list(keep) if keep is not None else []
    memory, top = Memory(), sum(name.startswith("W_") for name in weights)
    for start in range(0, x.shape[1], batch):
        rows = slice(start, min(start + batch, x.shape[1]))
        n = rows.stop - start
        masks = {k: np.stack([f[k] for f in factors[rows]], axis=1) for k in range(1, top)
                 } if factors else None  # fmt: skip
        layers, sent = forward(new, x[:, rows], rules, masks)
        step = {name: np.zeros_like(array) for name, array in new.items()}
        delta = y[:, rows] - softmax(sent[top])
        step[f"W_{top - 1}"] = eta_output * delta @ sent[top - 1].T / n
        step["b"] = eta_output * delta.mean(axis=1)
        if learning == "batch":
            for k, layer in layers.items():
                step[f"W_{k - 1}"] = eta * batch_change(layer, sent[k - 1], y[:, rows], rules[k])
        if learning == "pairs":
            for i in range(n):
                here = slice(i, i + 1)
                label = y[:, rows][:, here]
                now = {k: Layer(*(getattr(layer, f.name)[:, here]
                                  for f in dataclasses.fields(layer)))
                       for k, layer in layers.items()}  # fmt: skip
                seen = {k: array[:, here] for k, array in sent.items()}
                if memory.images:
                    for k in layers:
                        change = memory.change(k, now[k], seen[k - 1], label, rules[k])
                        step[f"W_{k - 1}"] += eta / n * change
                memory.layers, memory.sent, memory.y = now, seen, label
                memory.images += 1
        new = {name: array + step[name] for name, array in new.items()}
    return new
