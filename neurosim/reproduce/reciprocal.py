r"""Figs. 1A and 2B of Cameron, Chen and Sejnowski: pseudoinverses, and learning through them.

Fig. 1A: forward weights U and feedback weights V of one linear layer learn each other's
pseudoinverse. Averaged over white noise, with a factor for the rate, recirculation makes

.. math::
    \Delta V = U^\top - V U U^\top, \qquad \Delta U = U - U V U

of them (noise below), of which the second is the increment of Ben-Israel and Cohen; decay,
:math:`-\alpha U` and :math:`-\alpha V`, removes what V has outside the rows of U. The
*symmetric* pair hears noise above, too: :math:`\Delta U = V^\top - U V V^\top`. With
*feedback* alone U stays as it is, as in the sleep of a network.

Fig. 2B: backpropagation, random feedback and reciprocal feedback with the same
hyperparameters, in the equations of ``models/numpy``. The paper gives no sizes, rates or
numbers; they were chosen here.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurosim.data import Dataset, load_dataset, one_hot
from neurosim.data.loading import default_data_dir
from neurosim.figures import save, style
from neurosim.models.numpy import bp
from neurosim.models.numpy import reciprocal_feedback as rf

__all__ = ["Course", "draw", "learn", "make", "pair", "simulate"]

FloatArray = NDArray[np.floating[Any]]
log = logging.getLogger("neurosim")

# ------------------------------------------------------------------ fig. 1A

RATE, STEPS = 0.02, 3000
#: Steps from one distance to the next.
EVERY = 10
#: Singular values of the first U and V; their quotient is the condition number.
SPREAD = (0.7, 1.3)
#: Layers: cells above, cells below.
SHAPES = ((40, 60), (60, 40), (40, 40))
CONDITIONS = (2, 4, 8, 16)
DECAYS = (0.0, 0.01, 0.05)


@dataclasses.dataclass(frozen=True)
class Course:
    """How far two matrices are from each other's pseudoinverse, every :data:`EVERY` steps.

    Attributes
    ----------
    U_from_V : ndarray of shape (steps/10 + 1,)
        Frobenius norm of U minus the pseudoinverse of V.
    V_from_U : ndarray of shape (steps/10 + 1,)
        Frobenius norm of V minus the pseudoinverse of U.
    """

    U_from_V: FloatArray
    V_from_U: FloatArray


def pair(name: str, U: FloatArray, V: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Changes of both matrices, for a rate of 1.

    Parameters
    ----------
    name : {"recirculation", "symmetric", "feedback"}
        Which pair of rules.
    U, V : ndarray of shape (above, below) and (below, above)
        Forward and feedback weights.

    Returns
    -------
    tuple of two ndarray
        Of U and of V.
    """
    of_V = U.T - V @ U @ U.T
    if name == "recirculation":
        return U - U @ V @ U, of_V
    return (V.T - U @ V @ V.T if name == "symmetric" else np.zeros_like(U)), of_V


def _drawn(rng: np.random.Generator, shape: tuple[int, int], condition: float) -> FloatArray:
    """A random matrix whose singular values lie between 1.3 and 1.3/condition, both taken."""
    rank = min(shape)
    left, _ = np.linalg.qr(rng.normal(size=(shape[0], rank)))
    right, _ = np.linalg.qr(rng.normal(size=(shape[1], rank)))
    high = SPREAD[1]
    values = rng.uniform(high / condition, high, rank)
    values[0], values[-1] = high, high / condition
    drawn: FloatArray = (left * values) @ right.T
    return drawn


def simulate(
    name: str,
    shape: tuple[int, int],
    seed: int,
    *,
    decay: float = 0.0,
    condition: float = SPREAD[1] / SPREAD[0],
    steps: int = STEPS,
    rate: float = RATE,
) -> Course:
    """Let two random matrices learn from each other.

    Parameters
    ----------
    name : {"recirculation", "symmetric", "feedback"}
        Which pair of rules.
    shape : tuple of two int
        Cells above and below.
    seed : int
        Of both matrices.
    decay : float
        Share of a weight that decays per unit of the rate.
    condition : float
        Of the first matrices.
    steps : int
        How many.
    rate : float
        Of both rules.

    Returns
    -------
    Course
        Distances from before the first step on.
    """
    rng = np.random.default_rng(seed)
    U, V = _drawn(rng, shape, condition), _drawn(rng, shape[::-1], condition)
    distances = []
    for step in range(steps + 1):
        if step % EVERY == 0:
            inverses = np.linalg.pinv(V), np.linalg.pinv(U)
            distances.append((np.linalg.norm(U - inverses[0]), np.linalg.norm(V - inverses[1])))
        of_U, of_V = pair(name, U, V)
        U, V = U + rate * (of_U - decay * U), V + rate * (of_V - decay * V)
    return Course(*np.array(distances).T)


# ------------------------------------------------------------------ fig. 2B

LAYERS = (784, 256, 128, 10)
BATCH, ETA = 50, 0.02
#: Noise vectors per update in sleep; updates before the first image, and before each update.
DREAMS, FIRST_SLEEP, NAPS = 64, 500, 2
#: Updates after which the test error is taken.
ITERATIONS = (50, 100, 200, 400, 800, 1600, 2400)
#: Updates between two computations of exact pseudoinverses.
_EXACT_EVERY = 5
METHODS = {
    "BP": "backpropagation",
    "FA": "random feedback",
    "RF, exact": "pseudoinverses",
    "RF, learnt": "feedback learnt in sleep",
}


def _deviation(k: int) -> float:
    return float(np.sqrt(2 / LAYERS[k]) * (0.5 if k == len(LAYERS) - 2 else 1))


def _first_weights(rng: np.random.Generator) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for k in range(len(LAYERS) - 1):
        found[f"W_{k}"] = rng.normal(0, _deviation(k), (LAYERS[k + 1], LAYERS[k]))
        found[f"b_{k}"] = np.zeros((LAYERS[k + 1], 1))
    return {name: array.astype(np.float32) for name, array in found.items()}


def learn(
    method: str, data: Dataset, seed: int, iterations: Sequence[int] = ITERATIONS
) -> dict[str, dict[str, float]]:
    """Test errors of a network on the way, and how far its V are from pseudoinverses.

    Parameters
    ----------
    method : str
        A key of :data:`METHODS`.
    data : Dataset
        Images and labels, of the sizes of :data:`LAYERS`.
    seed : int
        Of weights, order and noise; weights W and order are those of every method.
    iterations : sequence of int
        Updates after which the error is taken, rising.

    Returns
    -------
    dict of str to dict of str to float
        By ``"error"`` and, for V, ``"distance_1"`` and so on: values by the number of updates.
    """
    rng, noise = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    weights = _first_weights(rng)
    hidden = range(1, len(LAYERS) - 1)
    rates = {}
    for k in hidden:
        size = np.sqrt(2 / LAYERS[k + 1]) if method.startswith("RF") else _deviation(k)
        drawn = noise.normal(0, size, (LAYERS[k], LAYERS[k + 1]))
        weights |= {} if method == "BP" else {f"V_{k}": drawn.astype(np.float32)}
        rates[k] = 0.5 / float(np.linalg.norm(weights[f"W_{k}"], 2)) ** 2
    targets = one_hot(data.y_train, LAYERS[-1])
    found: dict[str, dict[str, float]] = {"error": {}}
    order: list[int] = []
    for update in range(1, iterations[-1] + 1):
        if len(order) < BATCH:
            order = list(rng.permutation(len(data.x_train)))
        rows, order = order[:BATCH], order[BATCH:]
        if method == "RF, exact" and update % _EXACT_EVERY == 1:
            weights |= {f"V_{k}": np.linalg.pinv(weights[f"W_{k}"]) for k in hidden}
        if method == "RF, learnt":
            for _ in range(NAPS + (FIRST_SLEEP if update == 1 else 0)):
                vectors = {
                    k: noise.standard_normal((LAYERS[k], DREAMS), np.float32) for k in hidden
                }
                weights = rf.sleep(weights, vectors, rates)
        x, y = data.x_train[rows].T, targets[rows].T
        weights = _awake(weights, x, y)
        if update in iterations:
            answers = rf.forward(weights, data.x_test.T)[1][len(LAYERS) - 1].argmax(axis=0)
            found["error"][str(update)] = float((answers != data.y_test).mean())
            for k in hidden if method.startswith("RF") else ():
                found.setdefault(f"distance_{k}", {})[str(update)] = rf.distance(weights, k)
    return found


def _awake(weights: dict[str, FloatArray], x: FloatArray, y: FloatArray) -> dict[str, FloatArray]:
    """One update from images: through V, or backpropagation where there is none."""
    if any(name.startswith("V_") for name in weights):
        return rf.wake(weights, x, y, ETA)
    change = bp.changes(weights, *bp.forward(weights, x), y, "sse")
    return {name: array + ETA * change[name] for name, array in weights.items()}


# ------------------------------------------------------------------ figure and numbers


def make(out: Path, data_dir: Path | None = None) -> tuple[Path, ...]:
    """Simulate, and write figure and numbers; fig. 2B only if MNIST is at hand.

    Parameters
    ----------
    out : Path
        Folder.
    data_dir : Path, optional
        Where MNIST lies; by default the user's cache, where it is not looked for elsewhere.

    Returns
    -------
    tuple of Path
        ``reciprocal.png`` and ``reciprocal.json``.

    Raises
    ------
    DataError
        If there is no MNIST in the folder that was given, and it cannot be downloaded.
    """
    courses = {
        label: simulate(name, shape, 0, **how) for label, (name, shape, how) in _plan().items()
    }
    errors = {}
    if data_dir is not None or (default_data_dir() / "MNIST" / "raw").is_dir():
        data = load_dataset("mnist", data_dir=data_dir)
        errors = {method: learn(method, data, 0) for method in METHODS}
    else:
        log.warning("MNIST is not at hand, so fig. 2B is left out; name its folder: --data-dir DIR")
    numbers = out / "reciprocal.json"
    numbers.write_text(json.dumps({"1A": _summary(courses), "2B": errors}, indent=1) + "\n")
    return save(draw(courses, errors), out / "reciprocal.png"), numbers


#: Panels of fig. 1A, by the first word of a label.
PANELS = {
    "symmetric": "noise below and above",
    "recirculation": "recirculation",
    "feedback": "V alone learns",
}


def _plan() -> dict[str, tuple[str, tuple[int, int], dict[str, Any]]]:
    """What fig. 1A simulates, by the label of the line."""
    found: dict[str, tuple[str, tuple[int, int], dict[str, Any]]] = {}
    for shape in SHAPES:
        found[f"symmetric, {shape[0]} x {shape[1]}"] = "symmetric", shape, {}
    for shape in SHAPES[:2]:
        for decay in DECAYS:
            label = f"recirculation, {shape[0]} x {shape[1]}, decay {decay:g}"
            found[label] = "recirculation", shape, {"decay": decay}
    for condition in CONDITIONS:
        label = f"feedback, condition {condition}"
        found[label] = "feedback", SHAPES[0], {"condition": float(condition)}
    return found


def _summary(courses: Mapping[str, Course]) -> dict[str, dict[str, dict[str, float]]]:
    every = (0, 100, 200, 400, 800, 1600, 3000)
    return {
        label: {
            name: {str(k): float(f"{values[k // EVERY]:.3g}") for k in every}
            for name, values in (("|U - V+|", course.U_from_V), ("|V - U+|", course.V_from_U))
        }
        for label, course in courses.items()
    }


def draw(courses: Mapping[str, Course], errors: Mapping[str, Any]) -> Figure:
    """Distances against steps, and test errors against updates.

    Parameters
    ----------
    courses : mapping of str to Course
        By a label whose first word is a key of :data:`PANELS`.
    errors : mapping of str to mapping
        What :func:`learn` gave, by method; may be empty.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels, or four. Thick lines are U minus the pseudoinverse of V, thin ones V
        minus that of U.
    """
    with style.applied():
        figure, axes = style.new_figure(len(PANELS) + bool(errors), columns=2, panel=(4.6, 3.2))
        for panel, (kind, title) in zip(axes, PANELS.items(), strict=False):
            own = {label: c for label, c in courses.items() if label.startswith(kind)}
            _draw_distances(panel, own)
            style.label(panel, title, "step", "distance from the pseudoinverse")
        if errors:
            for number, (method, found) in enumerate(errors.items()):
                at = [int(k) for k in found["error"]]
                axes[-1].plot(at, [*found["error"].values()], **style.series(number), label=method)
            axes[-1].set(xscale="log", yscale="log")
            style.label(axes[-1], "MNIST", "update", "test error")
            axes[-1].legend()
    return figure


def _draw_distances(axes: Axes, courses: Mapping[str, Course]) -> None:
    for number, (label, course) in enumerate(courses.items()):
        look = style.series(number, markers=False)
        at = EVERY * np.arange(len(course.V_from_U))
        words = label.partition(", ")[2]
        if label.startswith("feedback"):
            axes.plot(at, course.V_from_U, **look, label=words)
            continue
        axes.plot(at, course.U_from_V, **{**look, "linewidth": 1.8}, label=words)
        axes.plot(at, course.V_from_U, **{**look, "linewidth": 0.8})
    axes.set_yscale("log")
    axes.legend()
