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
    "correlation",
    "correlations",
    "count_events",
    "count_synops",
    "sparsity",
]


def angle_degrees(forward: NDArray[Any], backward: NDArray[Any]) -> float:
    """Angle between a forward array and the transpose of a backward array.

    Weights of windows are compared with those of the reversed wiring, which have one shape.

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
    a, b = _facing(forward, backward)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norms == 0:
        raise DataError("the angle with an all-zero array is undefined")
    return float(np.degrees(np.arccos(np.clip((a * b).sum() / norms, -1, 1))))


def correlation(forward: NDArray[Any], backward: NDArray[Any]) -> float:
    """Pearson correlation of all entries of a forward array and a transposed backward array.

    Parameters
    ----------
    forward : ndarray, shape (n_upper, n_lower)
        Feedforward weights, or of a natural shape; see :func:`angle_degrees`.
    backward : ndarray, shape (n_lower, n_upper)
        Feedback weights.

    Returns
    -------
    float
        From -1 to 1.

    Raises
    ------
    DataError
        If the arrays do not belong together, or all entries of one are alike.

    Examples
    --------
    >>> round(correlation(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0], [2.0], [3.0]])), 6)
    1.0
    """
    a, b = (array - array.mean() for array in _facing(forward, backward))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norms == 0:
        raise DataError("the correlation with an array of equal entries is undefined")
    return float((a * b).sum() / norms)


def _facing(
    forward: NDArray[Any], backward: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both arrays in double precision, with the entries of one pair of cells at one place.

    A wiring of windows and its reverse have weights of one shape, and so have pairs; those
    of blocks are transposes group by group.
    """
    turned = backward
    if forward.ndim in (2, 3):
        turned = np.swapaxes(backward, -1, -2)
    if forward.shape != turned.shape:
        ought = "transposes" if forward.ndim in (2, 3) else "of one shape"
        raise DataError(f"shapes {forward.shape} and {backward.shape} are not {ought}")
    return np.asarray(forward, dtype=np.float64), np.asarray(turned, dtype=np.float64)


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


def correlations(
    pairs: tuple[FeedbackPair, ...], weights: Mapping[str, NDArray[Any]]
) -> dict[str, float | None]:
    """Correlation of the weights of every feedback pathway.

    Parameters
    ----------
    pairs : tuple of FeedbackPair
        Which arrays belong together.
    weights : mapping of str to ndarray
        Weight arrays by name, of shape (n_post, n_pre) or a natural shape.

    Returns
    -------
    dict of str to float or None
        From -1 to 1 by the names of the pairs; None where all entries of an array are alike,
        and it is undefined.

    Raises
    ------
    DataError
        If two arrays do not belong together.
    """
    return {
        pair.name: correlation(weights[pair.forward], weights[pair.backward])
        if min(np.ptp(weights[pair.forward]), np.ptp(weights[pair.backward])) > 0
        else None
        for pair in pairs
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
        Counts by ``"population.event"``, including every event that a signal pathway uses;
        and of wirings whose cells differ in their reach, by ``"projection.pathway"``.

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
            counted = event_counts.get(f"{projection.name}.{pathway.name}")
            if counted is not None:
                # cells of this wiring differ in how many synapses they reach
                total += counted
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
