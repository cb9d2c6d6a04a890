r"""Updated random feedback, fixed random feedback and backpropagation in plain NumPy.

Amit, Frontiers in Computational Neuroscience 13 (2019) 18, arXiv:1812.07965, whose equations
and sections are named by number; *code* marks what only the published code tells. It needs
NumPy and nothing else: it is the oracle of the tests, and pseudo-code that runs.

Layers are k = 0..L with :math:`n_k` cells; layer 0 is the image, layer L the output. Every
state is a matrix with one column per image.

==========================  =================  ======================  ======================
Paper                       Here               Shape                   Meaning
==========================  =================  ======================  ======================
:math:`x_l`                 ``x[k]``           ``(n_k, images)``       rate of layer k
:math:`h_l`                 ``h[k]``           ``(n_k, images)``       input of layer k, eq. 1
:math:`\delta_l`            ``delta[k]``       ``(n_k, images)``       error of layer k
:math:`W_{l+1}`             ``weights["W_k"]`` ``(n_{k+1}, n_k)``      from layer k to k+1; of
                                               or windows              windows as :class:`Step`
                                                                       says
:math:`R_{l+1}`             ``weights["R_k"]`` ``(n_k, n_{k+1})``      from layer k+1 to k; of
                                               or windows              windows as W
==========================  =================  ======================  ======================

``steps[k]`` is the :class:`Step` from layer k to layer k + 1. Also: ``image``, of layer 0;
``target``, 1 for the class and 0 for others, and ``error``, both of layer L; ``images`` and
``targets``, one per row; ``change``, of each weight, by its name; ``batch``, images per update;
``kept``, 0 or 1/(1 - p) of
the cells of layers with dropout; ``slope`` of the saturating cells (code); ``mu``, the weight
of a wrong class; ``loss``, ``"hinge"`` or ``"ce"``; ``exists``, of which weights exist; ``eta``,
learning rate; ``ratio``, that of R over that of W: 1 for URFB, 0 for FRFB.

Examples
--------
>>> import numpy as np
>>> steps = (Step("conv", (1, 4, 4), 3, before=1, after=1), Step("full"))
>>> rng = np.random.default_rng(0)
>>> weights = {"W_0": rng.normal(size=(2, 1, 3, 3)), "W_1": rng.normal(size=(3, 32))}
>>> h, x = forward(weights, steps, rng.random((16, 5)))
>>> [h[k].shape for k in (1, 2)]
[(32, 5), (3, 5)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Step", "changes", "cost", "deltas", "forward", "output_error", "train", "update"]

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]
States = dict[int, FloatArray]


class Step(NamedTuple):
    """What leads from a layer to the next.

    Attributes
    ----------
    kind : {"full", "conv", "maxpool", "sum"}
        Weights of ``"conv"`` are (out, in, side, side), the same at all places, or (out,
        height, width, in, side, side). ``"sum"`` adds the two layers below.
    shape : tuple of int
        (channels, height, width) of the layer below, for windows.
    side, stride, before, after : int
        Windows: side, step, and the margin of zeros before and after the image.
    """

    kind: str
    shape: tuple[int, int, int] = (1, 1, 1)
    side: int = 1
    stride: int = 1
    before: int = 0
    after: int = 0


# ---------------------------------------------------------------- windows


def windows(step: Step, x: FloatArray) -> FloatArray:
    """All windows of an image, (channels, height, width, side, side, images)."""
    margins = ((0, 0), (step.before, step.after), (step.before, step.after), (0, 0))
    padded = np.pad(x.reshape(*step.shape, -1), margins)
    rows, columns = ((n - step.side) // step.stride + 1 for n in padded.shape[1:3])
    found = np.empty((step.shape[0], rows, columns, step.side, step.side, x.shape[1]))
    for a, b in np.ndindex(step.side, step.side):
        found[:, :, :, a, b] = padded[:, a :: step.stride, b :: step.stride][:, :rows, :columns]
    return found


def put_back(step: Step, parts: FloatArray) -> FloatArray:
    """The transpose of :func:`windows`: adds what stands in windows to their pixels."""
    channels, height, width = step.shape
    extra = step.before + step.after
    image = np.zeros((channels, height + extra, width + extra, parts.shape[-1]))
    _, rows, columns = parts.shape[:3]
    for a, b in np.ndindex(step.side, step.side):
        here = image[:, a :: step.stride, b :: step.stride]
        here[:, :rows, :columns] += parts[:, :, :, a, b]
    inside = image[:, step.before :, step.before :][:, :height, :width]
    return inside.reshape(channels * height * width, -1)


def letters(W: FloatArray) -> str:
    """Axes of the weights of windows: with or without a place."""
    return "ocab" if W.ndim == 4 else "ohwcab"


# ---------------------------------------------------------------- a step up and down


def up(step: Step, W: FloatArray, x: FloatArray) -> FloatArray:
    """Eq. 1: what the layer above receives."""
    if step.kind == "full":
        return W @ x
    found = np.einsum(f"{letters(W)},chwabn->ohwn", W, windows(step, x))
    return np.asarray(found.reshape(-1, x.shape[1]))


def down(step: Step, R: FloatArray, delta: FloatArray) -> FloatArray:
    """Sec. 3.1: what errors of the layer above bring to the one below, through R."""
    if step.kind == "full":
        return R @ delta
    placed = places(step, delta)
    return put_back(step, np.einsum(f"{letters(R)},ohwn->chwabn", R, placed))


def product(step: Step, W: FloatArray, delta: FloatArray, x: FloatArray) -> FloatArray:
    """Error above times rate below, of every weight, summed over images and shared places."""
    if step.kind == "full":
        return delta @ x.T
    placed = places(step, delta)
    return np.asarray(np.einsum(f"ohwn,chwabn->{letters(W)}", placed, windows(step, x)))


def places(step: Step, delta: FloatArray) -> FloatArray:
    """Errors of cells over windows, (channels, height, width, images)."""
    extra = step.before + step.after - step.side
    sides = [(n + extra) // step.stride + 1 for n in step.shape[1:]]
    return delta.reshape(-1, *sides, delta.shape[1])


def largest(step: Step, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The largest of each window (sec. 4), zeros of the margin among them, and where it is."""
    parts = windows(step, x)
    flat = parts.reshape(*parts.shape[:3], -1, x.shape[1])
    first = flat.argmax(axis=3, keepdims=True)
    here = np.zeros_like(flat)
    np.put_along_axis(here, first, 1.0, axis=3)
    return flat.max(axis=3).reshape(-1, x.shape[1]), here.reshape(parts.shape)


# ---------------------------------------------------------------- the network


def forward(
    weights: Weights,
    steps: Sequence[Step],
    image: FloatArray,
    kept: Mapping[int, FloatArray] | None = None,
    slope: float = 1.0,
) -> tuple[States, States]:
    """Inputs and rates of all layers: saturating cells (sec. 3.1), a linear output."""
    h: States = {}
    x: States = {0: image}
    for k, step in enumerate(steps):
        if step.kind == "maxpool":
            rate = h[k + 1] = largest(step, x[k])[0]
        elif step.kind == "sum":
            rate = h[k + 1] = x[k] + x[k - 1]
        else:
            h[k + 1] = up(step, weights[f"W_{k}"], x[k])
            rate = np.clip(slope * h[k + 1], -1, 1) if k + 1 < len(steps) else h[k + 1]
        x[k + 1] = rate * (kept or {}).get(k + 1, 1.0)
    return h, x


def softmax(x: FloatArray) -> FloatArray:
    """Sec. 3.2: probabilities of the classes, without overflow."""
    raised = np.exp(x - x.max(axis=0))
    return np.asarray(raised / raised.sum(axis=0))


def cost(x: FloatArray, target: FloatArray, loss: str, mu: float) -> FloatArray:
    """The loss of each image: eq. 4, or cross-entropy (sec. 3.2)."""
    if loss == "ce":
        return np.asarray(-(target * np.log(softmax(x))).sum(axis=0))
    right, wrong = np.maximum(1 - x, 0) * target, np.maximum(1 + x, 0) * (1 - target)
    return np.asarray((right + mu * wrong).sum(axis=0))


def output_error(x: FloatArray, target: FloatArray, loss: str, mu: float) -> FloatArray:
    """Error of the output: eq. 6, or sec. 3.2."""
    if loss == "ce":
        return target - softmax(x)
    return np.where(target == 1, 1.0 * (x <= 1), -mu * (x >= -1))


def deltas(
    weights: Weights,
    steps: Sequence[Step],
    h: States,
    x: States,
    error: FloatArray,
    kept: Mapping[int, FloatArray] | None = None,
    slope: float = 1.0,
) -> States:
    """Errors of all layers, down through R, or through the transposed W where there is no R."""
    top = len(steps)
    arrived: States = {k: np.zeros_like(x[k]) for k in range(1, top)}
    delta: States = {top: error}
    for k in range(top - 1, 0, -1):
        step, above = steps[k], delta[k + 1]
        if step.kind == "maxpool":
            where = largest(step, x[k])[1]
            arrived[k] += put_back(step, where * places(step, above)[:, :, :, None, None])
        elif step.kind == "sum":
            arrived[k] += above
            arrived[k - 1] += above
        else:
            transposed = weights[f"W_{k}"].T if step.kind == "full" else weights[f"W_{k}"]
            arrived[k] += down(step, weights.get(f"R_{k}", transposed), above)
        saturating = steps[k - 1].kind in ("full", "conv")
        slopes = slope * (np.abs(slope * h[k]) <= 1) if saturating else 1.0
        delta[k] = (kept or {}).get(k, 1.0) * slopes * arrived[k]
    return delta


def changes(
    weights: Weights, steps: Sequence[Step], delta: States, x: States
) -> dict[str, FloatArray]:
    """What W and R learn (sec. 3.1), a mean over the images: the same products for both."""
    found, images = {}, x[0].shape[1]
    for k, step in enumerate(steps):
        if f"W_{k}" in weights:
            found[f"W_{k}"] = product(step, weights[f"W_{k}"], delta[k + 1], x[k]) / images
        if f"R_{k}" in weights:
            R = weights[f"R_{k}"]
            same = product(step, R, delta[k + 1], x[k]) / images
            found[f"R_{k}"] = same.T if step.kind == "full" else same
    return found


def update(
    weights: Weights,
    change: Weights,
    eta: float,
    ratio: float,
    exists: Mapping[str, NDArray[np.bool_]] | None = None,
) -> dict[str, FloatArray]:
    """Weights after one step; those that do not exist stay 0 (sec. 4)."""
    new = dict(weights)
    for name, step in change.items():
        rate = eta * ratio if name[0] == "R" else eta
        new[name] = weights[name] + rate * step * (exists or {}).get(name, True)
    return new


def train(
    weights: Weights,
    steps: Sequence[Step],
    images: FloatArray,
    targets: FloatArray,
    *,
    kept: Mapping[int, FloatArray] | None = None,
    exists: Mapping[str, NDArray[np.bool_]] | None = None,
    loss: str = "hinge",
    mu: float = 1 / 9,
    slope: float = 1.0,
    eta: float = 0.1,
    ratio: float = 1.0,
    batch: int = 500,
) -> dict[str, FloatArray]:
    """Weights after one pass over images and targets, one per row, in the order given."""
    new: dict[str, FloatArray] = dict(weights)
    for start in range(0, len(images), batch):
        rows = slice(start, start + batch)
        mask = {k: drawn[:, rows] for k, drawn in (kept or {}).items()}
        h, x = forward(new, steps, images[rows].T, mask, slope)
        error = output_error(x[len(steps)], targets[rows].T, loss, mu)
        delta = deltas(new, steps, h, x, error, mask, slope)
        new = update(new, changes(new, steps, delta, x), eta, ratio, exists)
    return new
