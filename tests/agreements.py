"""How an update compares with a gradient: angle and relative norm."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How an update compares with a gradient, all arrays taken as one vector."""

    angle: float
    ratio: float
    error: float


def compare(update: Arrays, gradient: Arrays) -> Agreement:
    """Angle in degrees, ratio of norms, and norm of the difference over the gradient's."""
    assert set(update) == set(gradient)
    a, b = (
        np.concatenate([arrays[n].ravel() for n in sorted(arrays)]) for arrays in (update, gradient)
    )
    norms = np.linalg.norm(a), np.linalg.norm(b)
    # the half-angle form keeps its digits where the cosine is 1 up to rounding
    unit_a, unit_b = a / norms[0], b / norms[1]
    angle = 2 * np.arctan2(np.linalg.norm(unit_a - unit_b), np.linalg.norm(unit_a + unit_b))
    return Agreement(
        float(np.degrees(angle)),
        float(norms[0] / norms[1]),
        float(np.linalg.norm(a - b) / norms[1]),
    )


def finite_differences(
    weights: Arrays, loss: Callable[[Arrays], float], step: float = 1e-5
) -> Arrays:
    """Minus the gradient of ``loss``, by central differences."""
    found = {name: np.zeros_like(array) for name, array in weights.items()}
    for name, array in weights.items():
        for place in np.ndindex(array.shape):
            losses = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * step
                losses.append(loss({**weights, name: moved}))
            found[name][place] = -(losses[0] - losses[1]) / (2 * step)
    return found
