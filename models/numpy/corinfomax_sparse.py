r"""CorInfoMax on polytopes in plain NumPy: the oracle of ``models/corinfomax_sparse.py``.

Bozkurt, Pehlevan and Erdogan, NeurIPS 2023, arXiv:2306.04810; polytopes: Bozkurt,
Isfendiyaroglu, Pehlevan and Erdogan, ICLR 2023. Dendrites, errors, learning rules and their
symbols are those of :mod:`neurosim.models.numpy.corinfomax`; here are the rates of each
polytope and the interneurons that are its Lagrange multipliers.

A layer's constraints are rows of 0 and 1, one per sparse group: ``members @ abs(r) <= 1``.
B_1, B_1,+ and the simplex have one row of ones. Quantities without a unit are dimensionless.

===================  ==================  ==============  =======================================
Symbol               Here                Shape           Meaning
===================  ==================  ==============  =======================================
:math:`a`            ``a[k]``            ``(groups,)``   state of the interneurons of layer k
:math:`q`            ``q[k]``            ``(groups,)``   multipliers: ``max(a, 0)``, simplex a
:math:`||r||_1`      ``l1[k]``           ``(groups,)``   what the interneurons receive
:math:`\tau_q`       ``tau_q``           one number      dt / eta_q, in ms
===================  ==================  ==============  =======================================

Also: ``params``, ``weights``, ``u``, ``x``, ``y`` and ``beta`` as in
:mod:`neurosim.models.numpy.corinfomax`; ``polytopes``, the domain of each layer k >= 1.

Differences from the paper
--------------------------
* Those of :mod:`neurosim.models.numpy.corinfomax`.
* An interneuron reads the rates of the step before, as the network does; with
  ``prompt=True`` those of this step, the order of the published code.

Examples
--------
>>> import numpy as np
>>> from neurosim.models.numpy.corinfomax import ReferenceParameters, initial_weights
>>> params = ReferenceParameters(free_steps=60, nudged_steps=5)
>>> weights = initial_weights((4, 6, 2), np.random.default_rng(0))
>>> layers = {1: Polytope("sparse_nonnegative", 6), 2: Polytope("simplex", 2)}
>>> x, y = np.array([0.0, 1.0, 0.5, 0.2]), np.array([0.0, 1.0])
>>> simulate(params, layers, weights, x, y, beta=1.0).q[1].shape
(65, 1)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.models.numpy.corinfomax import (
    ReferenceParameters,
    Trajectory,
    Weights,
    apical_input,
    basal_input,
    resting_state,
    somatic_derivative,
)

__all__ = ["POLYTOPES", "Polytope", "PolytopeTrajectory", "simulate"]

FloatArray = NDArray[np.floating[Any]]

#: Names of the sets a layer's rates may live in.
POLYTOPES = (
    "sparse_nonnegative",
    "sparse_nonnegative_bounded",
    "simplex",
    "sparse",
    "antisparse",
    "antisparse_nonnegative",
    "mixed",
)


@dataclasses.dataclass(frozen=True)
class Polytope:
    """Domain of one layer of ``size`` cells; ``kind`` is one of :data:`POLYTOPES`."""

    kind: str
    size: int
    tau_q: float = 20.0
    signed: int = 0  # mixed sets: the first cells lie in [-1, 1], the others in [0, 1]
    groups: tuple[tuple[int, ...], ...] = ()  # mixed sets: cells of each sparse group

    @property
    def members(self) -> FloatArray:
        """Rows of 0 and 1, one per constraint, shape ``(groups, size)``."""
        if self.kind.startswith("antisparse"):
            return np.zeros((0, self.size))
        if self.kind != "mixed":
            return np.ones((1, self.size))
        rows = np.zeros((len(self.groups), self.size))
        for row, cells in zip(rows, self.groups, strict=True):
            row[list(cells)] = 1
        return rows

    def load(self, r: FloatArray) -> FloatArray:
        """What the interneurons receive from rates ``r``: their sum within each constraint."""
        load: FloatArray = self.members @ np.abs(r)
        return load

    def spread(self, q: FloatArray) -> FloatArray:
        """Inhibition of each cell, shape ``(N_k,)``, by multipliers ``q``, ``(groups,)``."""
        inhibition: FloatArray = self.members.T @ q
        return inhibition

    @property
    def inhibits_dendrite(self) -> bool:
        """Whether the multiplier is an inhibitory current instead of a threshold."""
        return self.kind.startswith("sparse_nonnegative") or self.kind == "simplex"

    def rates(self, u: FloatArray, q: FloatArray) -> FloatArray:
        """Rates of cells with potential ``u``, of which each receives inhibition ``q``."""
        if self.inhibits_dendrite:
            return np.clip(u, 0, 1 if self.kind.endswith("bounded") else None)
        low = self._lower(u.shape)
        shrunk = np.where(low < 0, np.sign(u) * np.maximum(np.abs(u) - q, 0), u - q)
        high = np.inf if self.kind == "sparse" else 1.0
        return np.clip(shrunk, low, high)

    def restart(self, u: FloatArray, q: FloatArray) -> FloatArray:
        """Potential at which the nudged phase begins: not beyond where the rate answers."""
        if self.inhibits_dendrite:
            return self.rates(u, q)
        low = self._lower(u.shape)
        if self.kind == "sparse":
            return u
        return np.clip(u, np.where(low < 0, -1 - q, q), 1 + q)

    def multipliers(self, a: FloatArray) -> FloatArray:
        """Outputs of the interneurons: code, ``max(a, 0)``; ICLR 2023, simplex ``a``."""
        return a if self.kind == "simplex" else np.maximum(a, 0)

    def _lower(self, shape: tuple[int, ...]) -> FloatArray:
        """Least rate of each cell."""
        if self.kind == "sparse":
            return np.full(shape, -np.inf)
        signed = {"antisparse": self.size, "mixed": self.signed}.get(self.kind, 0)
        return np.where(np.arange(self.size) < signed, -1.0, 0.0)


@dataclasses.dataclass(frozen=True)
class PolytopeTrajectory(Trajectory):
    """One image, as the trajectory of CorInfoMax, with the interneurons.

    Their arrays have shape ``(free_steps + nudged_steps, groups)``; ``l1`` is taken after
    all rates were delivered.
    """

    a: dict[int, FloatArray]
    q: dict[int, FloatArray]
    l1: dict[int, FloatArray]


@dataclasses.dataclass
class _State:
    """All layers at one moment; a step changes it in place."""

    u: dict[int, FloatArray]
    r: dict[int, FloatArray]
    v_B: dict[int, FloatArray]
    v_A: dict[int, FloatArray]
    a: dict[int, FloatArray]
    q: dict[int, FloatArray]
    sensory: FloatArray


def _inputs(
    params: ReferenceParameters,
    polytopes: Mapping[int, Polytope],
    weights: Weights,
    now: _State,
    y: FloatArray,
    beta: float,
    k: int,
) -> tuple[FloatArray, FloatArray]:
    """Sums delivered to the basal and the apical dendrites of layer k."""
    s_B = basal_input(weights, now.r, now.sensory, k)
    s_A = apical_input(params, weights, now.r, y, beta, k)
    if polytopes[k].inhibits_dendrite:
        # an output dendrite's input is a current already; a hidden one has g_A = 1/epsilon
        s_A = s_A - (1.0 if k == max(polytopes) else params.epsilon) * now.q[k]
    return s_B, s_A


def _euler_step(
    params: ReferenceParameters,
    polytopes: Mapping[int, Polytope],
    weights: Weights,
    now: _State,
    y: FloatArray,
    beta: float,
    s: int,
    prompt: bool,
) -> None:
    """All layers one time step later: dendrites and somata, interneurons, rates, delivery."""
    inputs = {k: _inputs(params, polytopes, weights, now, y, beta, k) for k in polytopes}
    loads = {k: polytope.load(now.r[k]) for k, polytope in polytopes.items()}
    for k, (s_B, s_A) in inputs.items():
        v_B = now.v_B[k] if params.tau_basal else s_B
        v_A = now.v_A[k] if params.tau_apical else s_A
        output = k == max(polytopes)
        du = somatic_derivative(params, now.u[k], v_B, v_A, beta, output=output)
        now.u[k] = now.u[k] + params.step_size(s) * du
        if params.tau_basal:
            now.v_B[k] = v_B + params.dt / params.tau_basal * (s_B - v_B)
        if params.tau_apical:
            now.v_A[k] = v_A + params.dt / params.tau_apical * (s_A - v_A)
    for k, polytope in polytopes.items():
        if prompt:
            now.r[k] = polytope.rates(now.u[k], polytope.spread(now.q[k]))
            loads[k] = polytope.load(now.r[k])
        change = -now.a[k] + now.q[k] + loads[k] - 1
        now.a[k] = now.a[k] + params.dt / polytope.tau_q * change
        now.q[k] = polytope.multipliers(now.a[k])
        if not prompt:
            now.r[k] = polytope.rates(now.u[k], polytope.spread(now.q[k]))
    # Instantaneous dendrites show the rates of this very step.
    for k in polytopes:
        s_B, s_A = _inputs(params, polytopes, weights, now, y, beta, k)
        now.v_B[k] = now.v_B[k] if params.tau_basal else s_B
        now.v_A[k] = now.v_A[k] if params.tau_apical else s_A


def simulate(
    params: ReferenceParameters,
    polytopes: Mapping[int, Polytope],
    weights: Weights,
    x: FloatArray,
    y: FloatArray,
    beta: float,
    *,
    prompt: bool = False,
) -> PolytopeTrajectory:
    """Show one image: free phase from silence, then nudged phase towards the target.

    With ``prompt`` interneurons read the rates of this step, not of the step before.
    """
    rest = resting_state(weights, x)
    q: dict[int, FloatArray] = {k: np.zeros(len(p.members)) for k, p in polytopes.items()}
    now = _State(rest.u, rest.r, rest.v_B, rest.v_A, dict(q), q, rest.sensory)
    moments: list[dict[str, dict[int, FloatArray]]] = []
    for steps, nudge in ((params.free_steps, 0.0), (params.nudged_steps, beta)):
        for k, polytope in polytopes.items():
            now.u[k] = polytope.restart(now.u[k], polytope.spread(now.q[k]))
            now.a[k] = now.q[k]
        for s in range(steps):
            _euler_step(params, polytopes, weights, now, y, nudge, s, prompt)
            l1 = {k: polytope.load(now.r[k]) for k, polytope in polytopes.items()}
            parts = {name: getattr(now, name) for name in ("u", "r", "v_B", "v_A", "a", "q")}
            moments.append({name: dict(part) for name, part in parts.items()} | {"l1": l1})
    rows = {
        name: {k: np.stack([moment[name][k] for moment in moments]) for k in polytopes}
        for name in moments[0]
    }
    return PolytopeTrajectory(free_steps=params.free_steps, **rows)
