r"""Fig. 12 of Amit 2019: feedback weights that learn speed up a deep linear network.

A network of linear layers learns a matrix :math:`T = W_3^* W_2^* W_1^*` from the images
:math:`X = I`. With :math:`E = T - W_3 W_2 W_1` and
:math:`A_i = R_i(0) + \epsilon W_i^T`, the feedback weights after their own Hebbian updates
(eq. 9; :math:`W_i(0) = 0`),

.. math::
    \dot W_3 = E W_1^T W_2^T, \quad \dot W_2 = A_3 E W_1^T, \quad \dot W_1 = A_2 A_3 E.

:math:`\epsilon = 0` is fixed random feedback, 1 is updated random feedback;
backpropagation has :math:`A_i = W_i^T` and random :math:`W_i(0)`. The paper names sizes and
the deviation 2 of the entries of :math:`W_i^*`; the entries of R and of backpropagation's
:math:`W_i(0)` have deviation 1 here, and a step of Euler's method is 3e-7, which the paper
does not say.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurosim.figures import save, style

__all__ = ["BACKPROPAGATION", "EPSILONS", "Course", "draw", "make", "simulate"]

FloatArray = NDArray[np.float64]

#: Cells of the layers.
SIZES = (40, 100, 100, 10)
#: Share of their own update that feedback weights take.
EPSILONS = (0.0, 0.25, 0.5, 1.0)
#: In place of a share: the transposed weights.
BACKPROPAGATION = None
STEPS, DT = 1000, 3e-7
#: Steps from one correlation to the next.
EVERY = 10
_RUNS = 3


@dataclasses.dataclass(frozen=True)
class Course:
    """How a network has learnt.

    Attributes
    ----------
    log_errors : ndarray of shape (steps + 1,)
        Decimal logarithm of tr(E^T E).
    correlations : ndarray of shape (steps + 1, 3)
        Pearson correlation of the entries of W_i and of A_i transposed, layer by layer, every
        :data:`EVERY` steps, from the first of them on; nan elsewhere.
    """

    log_errors: FloatArray
    correlations: FloatArray


def simulate(epsilon: float | None, seed: int, *, steps: int = STEPS, dt: float = DT) -> Course:
    """Let a network learn.

    Parameters
    ----------
    epsilon : float or None
        Share of their own update that feedback weights take; :data:`BACKPROPAGATION`.
    seed : int
        Of T, of R and of backpropagation's first weights.
    steps : int
        Of Euler's method.
    dt : float
        Length of a step.

    Returns
    -------
    Course
        Errors and correlations before the first and after every step.
    """
    rng = np.random.default_rng(seed)
    # drawn from the last layer to the first, as matrices are multiplied
    shapes = [(above, below) for below, above in itertools.pairwise(SIZES)][::-1]
    target = np.linalg.multi_dot([rng.normal(0, 2, shape) for shape in shapes])
    silent = [np.zeros(shape) for shape in reversed(shapes)]
    upper = [rng.normal(size=shape[::-1]) for shape in shapes[:-1]]
    if epsilon is BACKPROPAGATION:
        weights = [rng.normal(size=shape) for shape in reversed(shapes)]
        feedback, share = [W.T for W in silent], 1.0
    else:
        feedback = [rng.normal(size=shapes[-1][::-1]), *reversed(upper)]
        weights, share = silent, epsilon
    errors, correlations = np.empty(steps + 1), np.full((steps + 1, len(shapes)), np.nan)
    for step in range(steps + 1):
        W1, W2, W3 = weights
        A = [R + share * W.T for R, W in zip(feedback, weights, strict=True)]
        E = target - W3 @ W2 @ W1
        errors[step] = np.log10((E**2).sum())
        if step and step % EVERY == 0:
            correlations[step] = [_correlation(W, R.T) for W, R in zip(weights, A, strict=True)]
        moved = (A[1] @ A[2] @ E, A[2] @ E @ W1.T, E @ W1.T @ W2.T)
        weights = [W + dt * change for W, change in zip(weights, moved, strict=True)]
    return Course(errors, correlations)


def _correlation(W: FloatArray, R: FloatArray) -> float:
    return float(np.corrcoef(W.ravel(), R.ravel())[0, 1])


# ------------------------------------------------------------------ the figure


def make(out: Path) -> tuple[Path, ...]:
    """Simulate three runs of each and write figure and numbers.

    Parameters
    ----------
    out : Path
        Folder.

    Returns
    -------
    tuple of Path
        ``urfb-linear.png`` and ``urfb-linear.json``.
    """
    courses = {
        epsilon: [simulate(epsilon, seed) for seed in range(_RUNS)]
        for epsilon in (*EPSILONS, BACKPROPAGATION)
    }
    numbers = out / "urfb-linear.json"
    numbers.write_text(json.dumps(_summary(courses), indent=1) + "\n")
    return save(draw(courses), out / "urfb-linear.png"), numbers


def _name(epsilon: float | None) -> str:
    return "BP" if epsilon is BACKPROPAGATION else f"ε = {epsilon:g}"


def _summary(courses: Mapping[float | None, Sequence[Course]]) -> dict[str, object]:
    every = range(0, STEPS + 1, 200)
    return {
        _name(epsilon): {
            "log10_error_by_step": [
                {str(k): round(float(run.log_errors[k]), 2) for k in every} for run in runs
            ],
            "last_correlation_by_layer": [
                [round(float(c), 3) for c in run.correlations[-1]] for run in runs
            ],
        }
        for epsilon, runs in courses.items()
    }


def draw(courses: Mapping[float | None, Sequence[Course]]) -> Figure:
    """Errors and correlations against steps.

    Parameters
    ----------
    courses : mapping of (float or None) to sequence of Course
        Runs by share.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels; a thin line is a run.
    """
    layers = len(SIZES) - 1
    with style.applied():
        figure, (top, *below) = style.new_figure(
            1 + layers, columns=2, panel=(4.3, 2.9), sharex=True
        )
        for number, (epsilon, runs) in enumerate(courses.items()):
            look = {**style.series(number, markers=False), "linewidth": 1.2}
            for place, run in enumerate(runs):
                name = "_" if place else _name(epsilon)
                top.plot(run.log_errors, label=name, **look)
                if epsilon is not BACKPROPAGATION:
                    at = np.arange(EVERY, STEPS + 1, EVERY)
                    for k, axes in enumerate(below):
                        axes.plot(at, run.correlations[at, k], **look)
        style.label(top, "error", "", "log10 tr(EᵀE)")
        top.legend()
        for k, axes in enumerate(below, start=1):
            where = "output layer" if k == layers else f"layer {k}"
            last = "step" if k > 1 else ""
            style.label(axes, f"W and Rᵀ, {where}", last, "correlation")
            axes.set_ylim(-0.1, 1.05)
    return figure
