r"""Layers that learn by pHSIC in plain NumPy: pairs of images, batches, and a readout.

Pogodin and Latham, NeurIPS 2020, arXiv:2006.07123, whose equations are named by number; *code*
marks what only their program says. It needs NumPy and nothing else: it is the oracle of the
tests, and pseudo-code that runs. Windows of convolutions and pools are those of ``urfb.py``.

Layers are k = 0..P; layer 0 is the image, layer P the output. A pool belongs to the layer whose
largest cells it takes. States are matrices with one column per image.

========================  ====================  ======================  =====================
Paper                     Here                  Shape                   Meaning
========================  ====================  ======================  =====================
:math:`z^k`               ``z``                 ``(N_k, images)``       activity of a layer
:math:`r^k`               ``r``                 ``(N_k, images)``       what it sends up
:math:`z^k` or            ``q``                 ``(N_k or groups,       what its kernel
:math:`v^k`                                     images)``               compares
(slope)                   ``h``                 ``(N_k, images)``       of q by what arrives, or
                                                                        by what a pool receives
:math:`k(z_i, z_j)`       ``K``                 ``(images, images)``    kernel of a layer
:math:`k(y_i, y_j)`       ``Ky``                ``(images, images)``    kernel of the labels
:math:`W^k`               ``weights["W_k"]``    ``(N_{k+1}, N_k)``      from layer k to k+1
(bias)                    ``weights["b"]``      ``(N_P,)``              of the output
========================  ====================  ======================  =====================

Also: ``x``, what a layer receives; ``y``, one-hot labels, one column per image; ``keep``,
factors of dropout by layer; ``k``, number of a layer; ``b2``, ``b3`` and ``M``, of eq. 60 to 62;
``rule``, a :class:`Rule`, and ``rules``, by layer; ``layer`` and ``now``, what a layer does with
some images and with this one; ``before`` and ``x_before``, the same for the previous image;
``W``, of one layer; ``slope`` and ``where``, below a pool f' and which cells are the largest;
``a``, ``u``, ``v``, of eq. 1, 17 and 18; ``held``, of a memory ``unit``; ``layers`` and ``sent``,
by layer; ``output``, of the readout; ``image``, of layer 0, and ``images``, ``labels``, one per
row; ``eta``, ``eta_output``, learning rates; ``batch``, images per update; ``learning``,
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

from neurosim.models.numpy.urfb import Step, largest, places, put_back, up, windows

__all__ = ["Layer", "Memory", "Rule", "Unit", "activity", "batch_change", "batch_mean", "forward",
           "kernel", "label_kernel", "objective", "objectives", "pair_change", "softmax",
           "train"]  # fmt: skip

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]
#: From all cells below.
FULL = Step("full")


@dataclasses.dataclass(frozen=True)
class Unit:
    """A memory unit (eq. 15 and 16), which takes in what it is shown in Euler steps.

    ``leak`` is c, ``background`` the deviation that counts as 1, ``steps`` how many half time
    constants an image lasts.
    """

    leak: float = 0.01
    background: float = 0.001
    steps: int = 20

    def after(self, held: FloatArray, x: FloatArray) -> FloatArray:
        """What is held after an image, eq. 15."""
        cube = (x / self.background) ** 3
        for _ in range(self.steps):
            held = held + 0.5 * (cube - (np.tanh(abs(cube)) + self.leak) * held)
        return held

    def recall(self, held: FloatArray) -> FloatArray:
        """What is remembered, eq. 16."""
        return np.asarray(self.background * np.cbrt(held))


@dataclasses.dataclass(frozen=True)
class Rule:
    """Parameters of the rule, by the paper's symbols: gamma, sigma, p, delta, beta.

    ``kernel`` is ``"gauss"`` or ``"cosine"``, ``grouping`` ``"none"``, ``"groups"`` or
    ``"divisive"``, ``groups`` how many there are, ``activation`` ``"leaky"`` or ``"selu"``,
    ``slope`` that of negative activity, ``step`` the way up to the layer and ``pool`` its pool.
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
    activation: str = "leaky"
    step: Step = FULL
    pool: Step | None = None

    @property
    def power(self) -> float:
        """p; 1/2 for groups without normalisation (appendix B.4)."""
        return 0.5 if self.grouping == "groups" else self.p


@dataclasses.dataclass(frozen=True)
class Layer:
    """What a layer does with images: z, what it sends, what it compares, and its slopes."""

    z: FloatArray
    r: FloatArray
    q: FloatArray
    h: FloatArray
    slope: FloatArray | None = None
    where: FloatArray | None = None

    def of(self, image: int) -> Layer:
        """The same for one image."""
        parts: dict[str, Any] = {name: None if value is None else value[..., image : image + 1]
                                 for name, value in vars(self).items()}  # fmt: skip
        return Layer(**parts)


def activate(a: FloatArray, rule: Rule) -> tuple[FloatArray, FloatArray]:
    """Eq. 1 and 41, f and f': a leaky rectifier, or SELU (appendix D.4)."""
    if rule.activation == "leaky":
        return np.where(a > 0, a, rule.slope * a), np.where(a > 0, 1, rule.slope)
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    low = alpha * np.exp(np.minimum(a, 0))
    return scale * np.where(a > 0, a, low - alpha), scale * np.where(a > 0, 1, low)


def activity(W: FloatArray, x: FloatArray, rule: Rule) -> Layer:
    """A hidden layer, eq. 1, or with groups eq. 17, 18 and 21."""
    z, h = activate(up(rule.step, W, x), rule)
    below: tuple[FloatArray, ...] = ()
    if rule.pool:
        below, (z, where) = (h,), largest(rule.pool, z)
        below, h = (*below, where), np.ones_like(z)
    if rule.grouping == "none":
        return Layer(z, z, z, h, *below)
    c, p = len(z) // rule.groups, rule.power
    grouped = z.reshape(rule.groups, c, -1)
    centred = grouped - grouped.mean(axis=1, keepdims=True)
    u = rule.delta / c + (centred**2).mean(axis=1, keepdims=True)
    v = (u ** (1 - p))[:, 0]
    normalised = (centred / u**p).reshape(z.shape)
    r = normalised if rule.grouping == "divisive" else z
    # eq. 44, dv/dz
    return Layer(z, r, v - v.mean(axis=0), 2 * (1 - p) / c * normalised * h, *below)


def to_weights(factor: FloatArray, layer: Layer, x: FloatArray, rule: Rule) -> FloatArray:
    """A factor of each q, image by image, times the slope of q by the weights, summed."""
    e = np.repeat(factor, len(layer.z) // len(factor), axis=0) * layer.h
    if rule.pool and layer.where is not None and layer.slope is not None:
        parts = layer.where * places(rule.pool, e)[:, :, :, None, None]
        e = put_back(rule.pool, parts) * layer.slope
    if rule.step.kind == "full":
        return np.asarray(e @ x.T)
    return np.asarray(np.einsum("ohwn,chwabn->ocab", places(rule.step, e), windows(rule.step, x)))


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
    return to_weights(factor, layer, x, rule)


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
    first, second = (third, now, x), (third_before, before, x_before)
    return to_weights(*first, rule) + to_weights(*second, rule)


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
    # windows need much memory
    size = image.shape[1] if all(rule.step.kind == "full" for rule in rules.values()) else 8
    parts = [{k: layer.q for k, layer in forward(weights, image[:, i : i + size], rules)[0].items()}
             for i in range(0, image.shape[1], size)]  # fmt: skip
    q, Ky = {k: np.hstack([part[k] for part in parts]) for k in parts[0]}, label_kernel(y)
    return {k: objective(kernel(q[k], rules[k]), Ky, rules[k]) for k in q}


def softmax(output: FloatArray) -> FloatArray:
    """Probabilities of the classes."""
    raised = np.exp(output - output.max(axis=0))
    return np.asarray(raised / raised.sum(axis=0))


@dataclasses.dataclass
class Memory:
    """What lasts from image to image: the image before, b3 of each layer, images so far.

    The image before is kept as it was, or in memory units, one for each number.
    """

    unit: Unit | None = None
    held: dict[tuple[str, int], FloatArray] = dataclasses.field(default_factory=dict)
    layers: dict[int, Layer] = dataclasses.field(default_factory=dict)
    sent: dict[int, FloatArray] = dataclasses.field(default_factory=dict)
    y: FloatArray = dataclasses.field(default_factory=lambda: np.zeros((0, 1)))
    b3: dict[int, float] = dataclasses.field(default_factory=dict)
    images: int = 0

    def keep(self, layers: dict[int, Layer], sent: dict[int, FloatArray], y: FloatArray) -> None:
        """Let an image be the one before the next."""
        self.layers, self.sent, self.y = layers, sent, y
        self.images += 1
        if self.unit:
            self.sent = {k: self._through("r", k, r) for k, r in sent.items()}
            self.layers = {k: self._remembered(k, layer) for k, layer in layers.items()}

    def _remembered(self, k: int, layer: Layer) -> Layer:
        slope = None if layer.slope is None else self._through("slope", k, layer.slope)
        q, h = self._through("q", k, layer.q), self._through("h", k, layer.h)
        return dataclasses.replace(layer, q=q, h=h, slope=slope)

    def _through(self, name: str, k: int, x: FloatArray) -> FloatArray:
        """What a memory unit gives back of an image."""
        assert self.unit is not None
        held = self.held[name, k] = self.unit.after(self.held.get((name, k), 0 * x), x)
        return self.unit.recall(held)

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
    unit: Unit | None = None,
) -> dict[str, FloatArray]:
    """Weights after images in the order given.

    ``learning`` is ``"pairs"``, ``"batch"`` or ``"last"``; ``keep`` has factors of dropout for
    every image; ``unit`` is what keeps the image before, if not as it was.
    """
    new: dict[str, FloatArray] = dict(weights)
    x, y = np.stack(list(images), axis=1), np.stack(list(labels), axis=1)
    factors = list(keep) if keep is not None else []
    memory, top = Memory(unit), sum(name.startswith("W_") for name in weights)
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
                now = {k: layer.of(i) for k, layer in layers.items()}
                seen = {k: array[:, here] for k, array in sent.items()}
                if memory.images:
                    for k in layers:
                        change = memory.change(k, now[k], seen[k - 1], label, rules[k])
                        step[f"W_{k - 1}"] += eta / n * change
                memory.keep(now, seen, label)
        new = {name: array + step[name] for name, array in new.items()}
    return new
