"""Numbers that describe a run: alignment of weights, graded spikes, synaptic operations.

Definitions
-----------
graded spike
    One event by which a cell sends a change of its rate to all its targets.
lateral sample
    One event by which the lateral circuit of a layer takes a cell's rate.
SynOp
    One event at one synapse that carries signal: a graded spike that arrives, or a
    lateral sample that is taken. Where there are samples, they make up most
    operations. Learning is not counted.
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

__all__ = [
    "angle_degrees",
    "angles",
    "count_events",
    "count_synops",
    "sparsity",
]


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
    """Angle of every feedback pathway.

    Parameters
    ----------
    pairs : tuple of FeedbackPair
        Which arrays belong together.
    weights : mapping of str to ndarray
        Weight arrays by name, each of shape (n_post, n_pre).

    Returns
    -------
    dict of str to float
        Angles in degrees by the names of the pairs.

    Raises
    ------
    DataError
        If an array is all zero, or two do not belong together.
    """
    return {
        pair.name: angle_degrees(weights[pair.forward], weights[pair.backward]) for pair in pairs
    }


def count_events(circuit: Circuit, event_counts: Mapping[str, int]) -> dict[str, int]:
    """Count the events of a run under the names that the circuit gives them.

    Parameters
    ----------
    circuit : Circuit
        Each of its events names the kind that it is counted as.
    event_counts : mapping of str to int
        Counts by ``"population.event"``.

    Returns
    -------
    dict of str to int
        Sums over populations, by name, such as ``"graded spikes"``.
    """
    totals: dict[str, int] = {}
    for population in circuit.populations:
        for event in population.events:
            if isinstance(event.counted, str) and event.counted:
                count = event_counts.get(f"{population.name}.{event.name}", 0)
                totals[event.counted] = totals.get(event.counted, 0) + count
    return totals


def count_synops(circuit: Circuit, event_counts: Mapping[str, int]) -> int:
    """Synaptic operations of a run, summed over all events that carry signal.

    Parameters
    ----------
    circuit : Circuit
        Tells how many synapses an event reaches.
    event_counts : mapping of str to int
        Counts by ``"population.event"``, including every event that a signal pathway uses.

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
