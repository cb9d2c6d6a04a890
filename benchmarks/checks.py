"""Check, before anything is timed, that all contenders compute the same update.

==============================  ==========================================
contender                       compared with
==============================  ==========================================
exact sums, one image           ``neurosim.models.numpy.corinfomax``
exact sums, batches             the same, its changes averaged
thresholds above 0, C by hand   neurosim's compiled program
thresholds above 0, all others  the C program (itself checked against the
                                reference without thresholds)
==============================  ==========================================

A weight array passes if its distance from the expected one (root of the sum of
squares) is at most a share of the distance the array has moved by learning, plus
a few roundings of its entries. With thresholds both sides have the same precision:
in the other precision a rate may pass a threshold one step earlier, which is no mistake.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import Contender, Outcome, make_runner
from benchmarks.problem import Problem, reference_parameters
from neurosim.models.numpy.corinfomax import simulate, update

__all__ = ["Check", "Oracle", "check_outcome", "learn_batches"]

#: Share of the distance moved, and roundings, by precision and by whether all sums are exact.
#: In single precision another order of sums is enough to move an event now and then, and in
#: deep networks the changes themselves are small: differences reach 0.09 where the same code
#: in double precision agrees to 1e-13.
_TOLERANCE = {
    ("float64", True): (1e-8, 16),
    ("float64", False): (1e-8, 16),
    ("float32", True): (2e-3, 16),
    ("float32", False): (0.15, 16),
}


@dataclasses.dataclass(frozen=True)
class Check:
    """Outcome of one comparison.

    Attributes
    ----------
    against : str
        What the contender was compared with.
    images : int
        Images learnt.
    difference : float
        Distance of the worst feedforward or feedback array from the expected one,
        relative to the distance it has moved.
    tolerance : float
        The same, at most.
    events : float or None
        Relative difference of the number of counted events, where both count.
    passed : bool
        Whether every array is within its tolerance.
    """

    against: str
    images: int
    difference: float
    tolerance: float
    events: float | None
    passed: bool


class Oracle:
    """Expected weights for every kind of contender, each computed once.

    Parameters
    ----------
    problem : Problem
        Network and images.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._known: dict[tuple[Any, ...], tuple[str, Outcome]] = {}

    def expected(self, contender: Contender, images: int) -> tuple[str, Outcome]:
        """Name of the reference, and what the contender should have learnt."""
        if contender.exact:
            key: tuple[Any, ...] = (images, contender.batch)
        else:
            theta, sst = contender.event_threshold, contender.sst_threshold
            batch, floor = contender.batch, contender.family == "floor"
            key = (images, theta, sst, contender.dtype, batch, floor)
        if key not in self._known:
            self._known[key] = self._compute(contender, images)
        return self._known[key]

    def _compute(self, contender: Contender, images: int) -> tuple[str, Outcome]:
        few = self._problem.head(images)
        if contender.exact:
            weights = learn_batches(few, contender.batch)
            return "NumPy reference", Outcome(0, 0, 0, weights, np.empty(0))
        other = "neurosim" if contender.family == "floor" else "floor"
        judge = dataclasses.replace(contender, family=other, threads=1)
        runner = make_runner(judge, few)
        try:
            outcome = runner.run(images, learning=True)
        finally:
            runner.close()
        words = {"neurosim": "neurosim", "floor": "C by hand"}
        return f"{words[other]}, {contender.dtype}", outcome


def check_outcome(
    oracle: Oracle, problem: Problem, contender: Contender, outcome: Outcome, images: int
) -> Check:
    """Compare what a contender learnt with what it should have.

    Parameters
    ----------
    oracle : Oracle
        Gives the expected weights.
    problem : Problem
        Network and images, with the weights before.
    contender : Contender
        The contender to check.
    outcome : Outcome
        Its weights and event counts.
    images : int
        How many images it was shown.
    """
    against, expected = oracle.expected(contender, images)
    share, roundings = _TOLERANCE[contender.dtype, contender.exact]
    rounding = roundings * float(np.finfo(contender.dtype).eps)
    differences, passed = [0.0], True
    for name, want in expected.weights.items():
        error = float(np.linalg.norm(outcome.weights[name] - want))
        change = float(np.linalg.norm(want - problem.weights[name]))
        # a NaN compares as false, and so fails
        passed &= error <= share * change + rounding * float(np.linalg.norm(want))
        if name.startswith("W_"):
            differences.append(error / max(change, 1e-300))
    events = _event_difference(outcome.event_counts, expected.event_counts)
    if events is not None:
        passed &= events <= (0 if contender.dtype == "float64" else share)
    return Check(against, images, float(np.max(differences)), share, events, bool(passed))


def _event_difference(got: dict[str, int], want: dict[str, int]) -> float | None:
    if not got or not want:
        return None
    return max(abs(got[name] - count) / max(count, 1) for name, count in want.items())


# ---------------------------------------------------------------- the reference, with batches


def learn_batches(problem: Problem, batch: int) -> dict[str, NDArray[np.float64]]:
    """All images of a problem learnt by the NumPy reference.

    Parameters
    ----------
    problem : Problem
        Network, images and weights.
    batch : int
        Images per update; their changes are summed, which is the mean at the
        published rates, and the lateral weights forget once per batch.

    Returns
    -------
    dict of str to ndarray
        The learnt weights.
    """
    weights: dict[str, NDArray[Any]] = dict(problem.weights)
    for start in range(0, len(problem.images), batch):
        weights = _learn_one_batch(problem, weights, slice(start, start + batch))
    return weights


def _learn_one_batch(
    problem: Problem, weights: dict[str, NDArray[Any]], chosen: slice
) -> dict[str, NDArray[Any]]:
    system, images = problem.system, problem.images[chosen].astype(float)
    targets, beta = problem.targets[chosen].astype(float), float(problem.betas[chosen][0])
    # a last, smaller batch is the sum over its own images, as for the matrix programs
    params = dataclasses.replace(reference_parameters(system), batch=len(images))
    shown = [
        (simulate(params, weights, x, y, beta), x, beta)
        for x, y in zip(images, targets, strict=True)
    ]
    return update(params, weights, shown, system.mu_ff, system.mu_fb)
