r"""Contrastive similarity matching in plain NumPy: what the Brian2 network must compute.

S. Qin, N. Mudur, C. Pehlevan, "Contrastive Similarity Matching for Supervised Learning",
Neural Computation 33 (2021) 1300, arXiv:2002.10378, with the step, the phases and the
rule of M of the code behind Table 1 of arXiv:2306.04810; *CSM code* marks what the program
of the former says, *code* what that behind the table says. "sec. 2" and "sec. 5" are of
Scellier and Bengio 2017, arXiv:1602.05179.

It needs NumPy and nothing else: it is the oracle of the step-for-step tests and of the
gradient checks. Starts of the dynamics, the cost and the rule for W and b are those of
:mod:`neurosim.models.numpy.ep`. Every state is a matrix with one column per image.

=====================  =====================  =======================  ========================
Paper                  Here                   Shape                    Meaning
=====================  =====================  =======================  ========================
:math:`s^{(k)}`        ``s[k]``               ``(N_k, images)``        state of layer k
:math:`x`              ``x``                  ``(N_0, images)``        images, ``s[0]``
:math:`y`              ``y``                  ``(N_P, images)``        targets of the output
:math:`W^{(k)}`        ``weights["W_k"]``     ``(N_{k+1}, N_k)``       layers k and k+1
:math:`b^{(k)}`        ``weights["b_k"]``     ``(N_{k+1}, 1)``         biases of layer k+1
:math:`M^{(k)}`        ``weights["M_k"]``     ``(N_k, N_k)``           lateral synapses of the
                                                                       hidden layer k = 1..P-1
:math:`\beta`          ``beta``               number or ``(images,)``  nudge, of either sign; 0
                                                                       in the free phase
:math:`\epsilon`       ``h``                  number                   Euler step, dt / tau
:math:`\alpha`         ``alpha``              ``(P,)``                 rates of W and b
:math:`\alpha_M`       ``alpha_M``            ``(P - 1,)``             rates of M; those of the
                                                                       schedule
:math:`\alpha_{M,0}`   ``forgetting``         ``(P - 1,)``             rates of M, unscheduled
:math:`|\beta|`        ``size``               number                   size of the nudge
=====================  =====================  =======================  ========================

Also: ``layers``, cells per layer, image first; ``rng``, the source of all draws; ``steps``,
length of a phase; ``free`` and ``nudged``, states at the ends of the phases; ``images`` and
``targets``, one per row; ``betas``, the nudge of each image; ``batch``, images per update;
``faithful``, whether the Hebbian half of the rule of M has :math:`|\beta|` instead of
:math:`\beta`; ``rule``, keywords of :func:`update` that :func:`train` hands on.

Examples
--------
>>> import numpy as np
>>> weights = initial_weights((4, 6, 2), np.random.default_rng(0))
>>> x, y = np.array([[0.0], [1.0], [0.5], [0.2]]), np.array([[0.0], [1.0]])
>>> free = settle(weights, resting_state(weights, x), steps=20)
>>> nudged = settle(weights, free, steps=4, y=y, beta=-1.0)
>>> weights = update(weights, free, nudged, -1.0, (0.1, 0.05), alpha_M=(0.01,))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.models.numpy.ep import FloatArray, State, Weights, cost, depth, resting_state
from neurosim.models.numpy.ep import energy as energy_between_layers
from neurosim.models.numpy.ep import force as force_between_layers
from neurosim.models.numpy.ep import initial_weights as weights_between_layers
from neurosim.models.numpy.ep import update as update_between_layers

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


def initial_weights(layers: Sequence[int], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Glorot-uniform W, zero b, and M = G G^T with Glorot-uniform G."""
    weights = weights_between_layers(layers, rng)
    for k, size in enumerate(layers[1:-1], start=1):
        bound = np.sqrt(3 / size)
        drawn = rng.uniform(-bound, bound, size=(size, size))
        weights[f"M_{k}"] = drawn @ drawn.T
    return weights


# ---------------------------------------------------------------- energy and its gradient


def energy(weights: Weights, s: State) -> FloatArray:
    """Energy E, CSM code: that of equilibrium propagation plus half of s . M s of hidden layers."""
    total = energy_between_layers(weights, s)
    for k in range(1, depth(weights)):
        total = total + 0.5 * (s[k] * (weights[f"M_{k}"] @ s[k])).sum(axis=0)
    return np.asarray(total)


def force(weights: Weights, s: State, y: FloatArray, beta: float | FloatArray) -> State:
    """Minus the gradient of the total energy F = E + beta C in the states."""
    *hidden, output = force_between_layers(weights, s, y, beta)
    lateral = (weights[f"M_{k}"] @ s[k] for k in range(1, depth(weights)))
    return (*(f - inhibition for f, inhibition in zip(hidden, lateral, strict=True)), output)


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
    *,
    alpha_M: Sequence[float],
    forgetting: Sequence[float] | None = None,
    size: float = 1.0,
    faithful: bool = False,
) -> dict[str, FloatArray]:
    """Weights after one update, a mean over the images; W and b by the rule of sec. 2.

    M gains alpha_M/(2 beta) s s^T of the nudged phase and then forgets (CSM code; code).
    """
    images = free[0].shape[1]
    changed = update_between_layers(weights, free, nudged, beta, alpha)
    nudge = np.abs(beta) if faithful else beta
    for k, (rate, kept) in enumerate(zip(alpha_M, forgetting or alpha_M, strict=True), start=1):
        hebb = (nudged[k] / (2 * nudge)) @ nudged[k].T
        summed = weights[f"M_{k}"] + rate / images * hebb
        changed[f"M_{k}"] = summed - kept / (2 * size) * summed
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
    alpha_M: Sequence[float],
    batch: int = 1,
    h: float = 0.5,
    steps: tuple[int, int] = (20, 4),
    **rule: Any,
) -> dict[str, FloatArray]:
    """Weights after one pass over the images in the order given; rates are of a batch."""
    learnt = dict(weights)
    for start in range(0, len(images), batch):
        rows = slice(start, start + batch)
        y, beta = targets[rows].T, betas[rows]
        free = settle(learnt, resting_state(learnt, images[rows].T), steps=steps[0], h=h)
        nudged = settle(learnt, free, steps=steps[1], y=y, beta=beta, h=h)
        learnt = update(learnt, free, nudged, beta, alpha, alpha_M=alpha_M, **rule)
    return learnt
