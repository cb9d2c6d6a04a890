"""Numbers that describe a run: alignment of weights, graded spikes, synaptic operations.

Definitions
-----------
graded spike
    One counted event of a cell: a change of rate sent to all its targets.
SynOp
    One graded spike arriving at one synapse. Learning is not counted.
sparsity
    Share of rates below 0.01, over cells and images.
dense MAC
    One multiply-accumulate of the same network simulated densely: every
    signal-carrying synapse in every time step. This is the work that
    events replace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit
from neurosim.errors import DataError
from neurosim.system import FeedbackPair

__all__ = ["angle_degrees", "angles", "count_spikes", "count_synops", "sparsity"]


def angle_degrees(forward: NDArray[Any], backward: NDArray[Any]) -> float:
    """Angle between a forward array and the transpose of a backward array.

    Parameters
    ----------
    forward : ndarray, shape (n_upper, n_lower)
        Feedforward weights.
    backward : ndarray, shape (n_lower, n_upper)
        Feedback weights.

    Returns
    -------
    float
        Angle in degrees: 0 aligned, 90 unrelated.

    Raises
    ------
    DataError
        If the shapes are not transposes of each other, or an array is all zero.

    Examples
    --------
    >>> round(angle_degrees(np.array([[1.0, 0.0]]), np.array([[1.0], [1.0]])), 6)
    45.0
    """
    if forward.shape != backward.shape[::-1]:
        raise DataError(f"shapes {forward.shape} and {backward.shape} are not transposes")
    a = np.asarray(forward, dtype=np.float64)
    b = np.asarray(backward, dtype=np.float64).T
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norms == 0:
        raise DataError("the angle with an all-zero array is undefined")
    return float(np.degrees(np.arccos(np.clip((a * b).sum() / norms, -1, 1))))


def angles(
    pairs: tuple[FeedbackPair, ...], weights: Mapping[str, NDArray[Any]]
) -> dict[str, float]:
    """Angle in degrees of every feedback pathway, by its name."""
    return {
        pair.name: angle_degrees(weights[pair.forward], weights[pair.backward]) for pair in pairs
    }


def count_spikes(event_counts: Mapping[str, int]) -> int:
    """Graded spikes in the event counts of a run: the ``spike`` events of all populations."""
    return sum(count for name, count in event_counts.items() if name.endswith(".spike"))


def count_synops(circuit: Circuit, event_counts: Mapping[str, int]) -> int:
    """Synaptic operations caused by the counted events of a run.

    Parameters
    ----------
    circuit : Circuit
        Says how many synapses an event reaches.
    event_counts : mapping of str to int
        Counts by ``"population.event"``.

    Returns
    -------
    int
        Events times synapses reached, over all signal-carrying pathways.
    """
    total = 0
    for projection in circuit.projections:
        for pathway in projection.pathways:
            if pathway.learns:
                continue
            forward = pathway.side == "pre"
            population = projection.source if forward else projection.target
            reached = circuit.fan_out(projection) if forward else circuit.fan_in(projection)
            total += event_counts[f"{population}.{pathway.event}"] * reached
    return total


def sparsity(rates: NDArray[Any], threshold: float = 0.01) -> float:
    """Share of rates below a threshold.

    Parameters
    ----------
    rates : ndarray, shape (n_images, n_cells)
        Rates of a layer.
    threshold : float
        Below it a cell counts as silent.

    Returns
    -------
    float
        From 0, all active, to 1, all silent.

    Examples
    --------
    >>> sparsity(np.array([[0.0, 0.5], [0.009, 0.01]]))
    0.5
    """
    return float((np.asarray(rates) < threshold).mean())
