r"""CorInfoMax with reciprocal feedback learning in plain NumPy.

Cells, phases and B are those of ``models/numpy/corinfomax.py`` (Bozkurt, Pehlevan and
Erdogan, NeurIPS 2023, arXiv:2306.04810), whose names of arrays are used here. The product of
eq. 26, error of the cell above times rate of the cell below, changes W_ff and, read from its
other end, W_fb (Kolen and Pollack 1994); both decay. The image is shown free, opposed, nudged
by -beta, and nudged by beta; rules contrast the last two over 2 beta.

Layers are k = 0..P with :math:`N_k` cells; layer 0 is the image, layer P the output.

==========================  ====================  ====================  ========================
Paper                       Here                  Shape                 Meaning
==========================  ====================  ====================  ========================
:math:`x`                   ``x``                 ``(N_0,)``            image
:math:`y`                   ``y``                 ``(N_P,)``            target of the output
:math:`W_{ff}^{(k)}`        ``weights["W_ff_k"]`` ``(N_{k+1}, N_k)``    layer k to k+1, k >= 0
:math:`W_{fb}^{(k)}`        ``weights["W_fb_k"]`` ``(N_k, N_{k+1})``    layer k+1 to k, k >= 1
:math:`\beta`               ``beta``              one number            nudge
:math:`\mu_{ff}`            ``mu_ff``             ``(P,)``              learning rates of W_ff
:math:`\mu_{fb}`            ``mu_fb``             ``(P - 1,)``          learning rates of W_fb
none                        ``weight_decay``      ``(P,)``              share of W_ff_k, and of
                                                                        W_fb_k, lost per image
==========================  ====================  ====================  ========================

Also: ``params``, the settings; ``trajectory``, one image step by step; ``rows``, its steps at
the ends of the two phases that are contrasted, and the number that divides their difference;
``shown``, trajectory, image and beta of each image of a batch; ``scale``, what the schedule
leaves of rates and decay; ``epoch``, from 0; ``images`` and ``targets``, one per row; ``rng``, the
source of all draws.

Examples
--------
>>> import numpy as np
>>> params = ReciprocalParameters(free_steps=20, nudged_steps=5, weight_decay=(1e-6, 1e-6))
>>> weights = initial_weights((4, 6, 2), np.random.default_rng(0))
>>> x, y = np.array([0.0, 1.0, 0.5, 0.2]), np.array([0.0, 1.0])
>>> trajectory = simulate(params, weights, x, y, beta=1.0)
>>> trajectory.r[1].shape
(30, 6)
>>> shown = [(trajectory, x, 1.0)]
>>> weights = update(params, weights, shown, mu_ff=(0.1, 0.1), mu_fb=(0.1,))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.models.numpy.corinfomax import (
    FloatArray,
    ReferenceParameters,
    Trajectory,
    Weights,
    initial_weights,
    lateral_update,
    reference_parameters,
)
from neurosim.models.numpy.corinfomax import simulate as simulate_nudges

__all__ = [
    "ReciprocalParameters", "cosine", "initial_weights", "reciprocal_parameters", "simulate",
    "train", "update",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ReciprocalParameters(ReferenceParameters):
    """Settings of CorInfoMax, and those of learning."""

    reciprocal: bool = True  # W_fb learns by the product of W_ff; false: eq. 27
    symmetric: bool = True  # contrast nudges of both signs; false: nudged and free phase
    weight_decay: tuple[float, ...] = ()  # share lost per image, layer by layer

    def contrasted(self, beta: float) -> tuple[int, int, float]:
        """The last steps of the phases that are contrasted, and what divides the difference."""
        first = self.free_steps + self.nudged_steps - 1
        if self.symmetric:
            return first + self.nudged_steps, first, 2 * beta
        return first, self.free_steps - 1, beta


def reciprocal_parameters(system: Any) -> ReciprocalParameters:
    """The settings of a reciprocal CorInfoMax ``system``, its phases counted in time steps."""
    names = ("reciprocal", "symmetric", "weight_decay")
    own = {name: getattr(system, name) for name in names}
    return ReciprocalParameters(**dataclasses.asdict(reference_parameters(system)), **own)


def simulate(
    params: ReciprocalParameters, weights: Weights, x: FloatArray, y: FloatArray, beta: float
) -> Trajectory:
    """Show one image: free, if the nudge is symmetric opposed, and nudged phase."""
    nudges = (-beta, beta) if params.symmetric else (beta,)
    return simulate_nudges(params, weights, x, y, *nudges)


def forward_change(
    trajectory: Trajectory, x: FloatArray, rows: tuple[int, int, float], k: int
) -> FloatArray:
    """Change of W_ff_k before the learning rate, eq. 26 between two phases."""

    def product(row: int) -> FloatArray:
        error = trajectory.r[k + 1][row] - trajectory.v_B[k + 1][row]
        return np.outer(error, x if k == 0 else trajectory.r[k][row])

    first, second, span = rows
    return (product(first) - product(second)) / span


def backward_change(
    weights: Weights, trajectory: Trajectory, rows: tuple[int, int, float], k: int
) -> FloatArray:
    """Change of W_fb_k before the learning rate, eq. 27 between two phases."""

    def product(row: int) -> FloatArray:
        above = trajectory.r[k + 1][row]
        return np.outer(trajectory.r[k][row] - weights[f"W_fb_{k}"] @ above, above)

    first, second, span = rows
    return (product(first) - product(second)) / span


def update(
    params: ReciprocalParameters,
    weights: Weights,
    shown: Sequence[tuple[Trajectory, FloatArray, float]],
    mu_ff: Sequence[float],
    mu_fb: Sequence[float],
    scale: float = 1.0,
) -> dict[str, FloatArray]:
    """Weights after a batch; ``scale`` is what the schedule leaves of rates and decay."""
    depth, new = len(mu_ff), dict(weights)
    for k in range(depth):
        changes = [forward_change(t, x, params.contrasted(beta), k) for t, x, beta in shown]
        forward = np.mean(changes, axis=0)
        kept = 1 - scale * params.batch * params.weight_decay[k]
        rate = scale * params.batch * mu_ff[k]
        new[f"W_ff_{k}"] = kept * weights[f"W_ff_{k}"] + rate * forward
        if not k:
            continue
        backward = forward.T
        if not params.reciprocal:
            changes = [backward_change(weights, t, params.contrasted(b), k) for t, _, b in shown]
            backward = np.mean(changes, axis=0)
        rate = scale * params.batch * mu_fb[k - 1]
        new[f"W_fb_{k}"] = kept * weights[f"W_fb_{k}"] + rate * backward
    forgetting = params.lambda_ ** (params.batch / params.lambda_images)
    for k in range(1, depth + 1):
        rates = np.stack([t.r[k][t.nudged_end] for t, _, _ in shown], axis=1)
        new[f"B_{k}"] = lateral_update(weights[f"B_{k}"], rates, forgetting)
    return new


def cosine(epoch: int, epochs: int) -> float:
    """What a cosine leaves of the learning rates in an epoch, from 0, of a run of ``epochs``."""
    return float((1 + np.cos(np.pi * min(epoch / epochs, 1))) / 2)


def train(
    params: ReciprocalParameters,
    weights: Weights,
    images: FloatArray,
    targets: FloatArray,
    mu_ff: Sequence[float],
    mu_fb: Sequence[float],
    rng: np.random.Generator,
    *,
    epochs: int = 1,
    beta: float = 1.0,
) -> dict[str, FloatArray]:
    """Weights after ``epochs`` passes; each draws an order, and signs where it needs them."""
    learnt = dict(weights)
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(images), params.batch):
            nudge = beta if params.symmetric else beta * float(rng.choice((-1.0, 1.0)))
            shown = [
                (simulate(params, learnt, images[i], targets[i], nudge), images[i], nudge)
                for i in order[start : start + params.batch]
            ]
            learnt = update(params, learnt, shown, mu_ff, mu_fb, cosine(epoch, epochs))
    return learnt
