r"""CorInfoMax on polytopes in plain NumPy: the oracle of ``models/corinfomax_sparse.py``.

Bozkurt, Pehlevan and Erdogan, NeurIPS 2023, arXiv:2306.04810; polytopes: Bozkurt,
Isfendiyaroglu, Pehlevan and Erdogan, ICLR 2023. Dendrites, errors and learning rules are
those of :mod:`neurosim.models.numpy.corinfomax`; here are the rates of each polytope and the
interneurons that are its Lagrange multipliers.

A layer's constraints are rows of 0 and 1, one per sparse group: ``members @ abs(r) <= 1``.
B_1, B_1,+ and the simplex have one row of ones.

===================  ==================  =====  ==========================================
Symbol               Here                Unit   Meaning
===================  ==================  =====  ==========================================
:math:`a`            ``a[k]``            1      state of the interneurons, shape (groups,)
:math:`q`            ``q[k]``            1      multipliers: ``max(a, 0)``, simplex ``a``
:math:`||r||_1`      ``l1[k]``           1      what the interneurons receive
:math:`\tau_q`       ``tau_q``           ms     dt / eta_q
===================  ==================  =====  ==========================================

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

from neurosim.errors import ParameterError, near_matches
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
    """Domain of one layer.

    Attributes
    ----------
    kind : str
        One of :data:`POLYTOPES`.
    size : int
        Cells of the layer.
    tau_q : float
        Time constant of the interneurons in ms.
    signed : int
        Mixed sets: the first ``signed`` cells lie in [-1, 1], the others in [0, 1].
    groups : tuple of tuple of int
        Mixed sets: cells of each sparse group.
    """

    kind: str
    size: int
    tau_q: float = 20.0
    signed: int = 0
    groups: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in POLYTOPES:
            raise ParameterError(
                f"unknown polytope {self.kind!r}; {near_matches(self.kind, POLYTOPES)}"
            )

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

    @property
    def inhibits_dendrite(self) -> bool:
        """Whether the multiplier is an inhibitory current instead of a threshold."""
        return self.kind.startswith("sparse_nonnegative") or self.kind == "simplex"

    def rates(self, u: FloatArray, q: FloatArray) -> FloatArray:
        """Rates of the layer's cells.

        Parameters
        ----------
        u, q : ndarray
            Potential and inhibition of each cell, of one shape.

        Returns
        -------
        ndarray
            Rates, of that shape.
        """
        if self.inhibits_dendrite:
            return np.clip(u, 0, 1 if self.kind.endswith("bounded") else None)
        low = self._lower(u.shape)
        shrunk = np.where(low < 0, np.sign(u) * np.maximum(np.abs(u) - q, 0), u - q)
        high = np.inf if self.kind == "sparse" else 1.0
        return np.clip(shrunk, low, high)

    def restart(self, u: FloatArray, q: FloatArray) -> FloatArray:
        """Potential at which the nudged phase begins: not beyond where the rate answers.

        Parameters
        ----------
        u, q : ndarray
            Potential and inhibition of each cell, of one shape.

        Returns
        -------
        ndarray
            Potentials, of that shape.
        """
        if self.inhibits_dendrite:
            return self.rates(u, q)
        low = self._lower(u.shape)
        if self.kind == "sparse":
            return u
        return np.clip(u, np.where(low < 0, -1 - q, q), 1 + q)

    def multipliers(self, a: FloatArray) -> FloatArray:
        """Outputs of the interneurons: code, ``max(a, 0)``; ICLR 2023, ``a`` for the simplex.

        Parameters
        ----------
        a : ndarray
            Their states, shape ``(groups,)``.

        Returns
        -------
        ndarray
            Of that shape.
        """
        return a if self.kind == "simplex" else np.maximum(a, 0)

    def _lower(self, shape: tuple[int, ...]) -> FloatArray:
        """Least rate of each cell."""
        if self.kind == "sparse":
            return np.full(shape, -np.inf)
        signed = {"antisparse": self.size, "mixed": self.signed}.get(self.kind, 0)
        return np.where(np.arange(self.size) < signed, -1.0, 0.0)


@dataclasses.dataclass(frozen=True)
class PolytopeTrajectory(Trajectory):
    """One image, as :class:`~neurosim.models.numpy.corinfomax.Trajectory`, with the interneurons.

    Attributes
    ----------
    a, q, l1 : dict of int to ndarray
        State, output and input of the interneurons of layer k, shape
        ``(free_steps + nudged_steps, groups)``; ``l1`` with all rates delivered.
    """

    a: dict[int, FloatArray]
    q: dict[int, FloatArray]
    l1: dict[int, FloatArray]


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

    Parameters
    ----------
    params : ReferenceParameters
        Settings; layers advance together.
    polytopes : mapping of int to Polytope
        Domain of each layer k = 1..P.
    weights : mapping of str to ndarray
        As for :func:`neurosim.models.numpy.corinfomax.simulate`.
    x : ndarray
        Image, shape ``(N_0,)``.
    y : ndarray
        Target, shape ``(N_P,)``.
    beta : float
        Nudge of the second phase, of either sign.
    prompt : bool
        Interneurons read the rates of this step instead of those of the step before.

    Returns
    -------
    PolytopeTrajectory
        All potentials, rates and multipliers after each step.
    """
    top = max(polytopes)
    rest = resting_state(weights, x)
    u, r, v_B, v_A = (dict(part) for part in (rest.u, rest.r, rest.v_B, rest.v_A))
    members = {k: polytope.members for k, polytope in polytopes.items()}
    a: dict[int, FloatArray] = {k: np.zeros(len(rows)) for k, rows in members.items()}
    q: dict[int, FloatArray] = dict(a)
    rows: dict[str, dict[int, list[FloatArray]]] = {
        name: {k: [] for k in polytopes} for name in ("u", "r", "v_B", "v_A", "a", "q", "l1")
    }

    def dendrites(k: int, nudge: float) -> tuple[FloatArray, FloatArray]:
        s_B = basal_input(weights, r, rest.sensory, k)
        s_A = apical_input(params, weights, r, y, nudge, k)
        if polytopes[k].inhibits_dendrite:
            # an output dendrite's input is a current already; a hidden one has g_A = 1/epsilon
            s_A = s_A - (1.0 if k == top else params.epsilon) * q[k]
        return s_B, s_A

    for steps, nudge in ((params.free_steps, 0.0), (params.nudged_steps, beta)):
        u = {k: polytopes[k].restart(u[k], members[k].T @ q[k]) for k in u}
        a = {k: q[k].copy() for k in a}
        for s in range(steps):
            sums = {k: dendrites(k, nudge) for k in u}
            loads = {k: members[k] @ np.abs(r[k]) for k in u}
            for k, (s_B, s_A) in sums.items():
                used_B = v_B[k] if params.tau_basal else s_B
                used_A = v_A[k] if params.tau_apical else s_A
                du = somatic_derivative(params, u[k], used_B, used_A, nudge, output=k == top)
                u[k] = u[k] + params.step_size(s) * du
                if params.tau_basal:
                    v_B[k] = v_B[k] + params.dt / params.tau_basal * (s_B - v_B[k])
                if params.tau_apical:
                    v_A[k] = v_A[k] + params.dt / params.tau_apical * (s_A - v_A[k])
            for k, polytope in polytopes.items():
                if prompt:
                    r[k] = polytope.rates(u[k], members[k].T @ q[k])
                load = members[k] @ np.abs(r[k]) if prompt else loads[k]
                a[k] = a[k] + params.dt / polytope.tau_q * (-a[k] + q[k] + load - 1)
                q[k] = polytope.multipliers(a[k])
                if not prompt:
                    r[k] = polytope.rates(u[k], members[k].T @ q[k])
            for k in polytopes:
                s_B, s_A = dendrites(k, nudge)
                v_B[k] = v_B[k] if params.tau_basal else s_B
                v_A[k] = v_A[k] if params.tau_apical else s_A
                noted = (u[k], r[k], v_B[k], v_A[k], a[k], q[k], members[k] @ np.abs(r[k]))
                for name, value in zip(rows, noted, strict=True):
                    rows[name][k].append(value)
    stacked = {name: {k: np.stack(v) for k, v in by.items()} for name, by in rows.items()}
    return PolytopeTrajectory(free_steps=params.free_steps, **stacked)
