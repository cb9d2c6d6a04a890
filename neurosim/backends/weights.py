"""Public weight arrays of shape (post, pre), and the flat variables that synapses hold.

Weights that belong to cells are of shape (n,), and held by the cells as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit, Projection, WeightPart

__all__ = ["Weights", "existing_synapses", "join_weights", "split_weights"]

#: Weight arrays by public name, each of shape (post, pre), or (n,) for cells.
Weights = dict[str, NDArray[Any]]


def split_weights(
    circuit: Circuit, weights: Weights, dtype: np.dtype[Any]
) -> dict[tuple[str, str], NDArray[Any]]:
    """Turn public arrays into flat synaptic variables, ordered by source, then target.

    Parameters
    ----------
    circuit : Circuit
        Declares which arrays there are and where they live.
    weights : Weights
        Arrays of shape (post, pre).
    dtype : numpy.dtype
        Precision of the run.

    Returns
    -------
    dict of (projection, variable) to ndarray
        Flat arrays in the synapses' order. Where a wiring leaves out cells ``i`` with
        ``i``, there is a 0; see :func:`existing_synapses`.
    """
    return {
        (part.projection, part.variable): _flatten(weights[weight.name], part, dtype)
        for weight in circuit.weights
        for part in weight.parts
    }


def _flatten(array: NDArray[Any], part: WeightPart, dtype: np.dtype[Any]) -> NDArray[Any]:
    if part.layout == "diagonal":
        return np.array(np.diagonal(array), dtype=dtype, order="C")
    # the weights of one source are a contiguous row of the synapses
    rows = np.array(array.T, dtype=dtype, order="C")
    if part.layout == "off_diagonal":
        np.fill_diagonal(rows, 0)
    return rows.ravel()


def existing_synapses(circuit: Circuit, projection: Projection) -> NDArray[np.bool_] | slice:
    """Which entries of a flat array of :func:`split_weights` are synapses.

    Parameters
    ----------
    circuit : Circuit
        Declares the sizes.
    projection : Projection
        Whose synapses.

    Returns
    -------
    ndarray of bool or slice
        An index of the array.
    """
    if projection.wiring != "all_but_self":
        return slice(None)
    return ~np.eye(circuit.population(projection.source).size, dtype=bool).ravel()


def join_weights(
    circuit: Circuit,
    flat: Mapping[tuple[str, str], NDArray[Any]],
    dtype: np.dtype[Any],
    cells: Mapping[str, NDArray[Any]] | None = None,
) -> Weights:
    """Inverse of :func:`split_weights`.

    Parameters
    ----------
    circuit : Circuit
        Declares which arrays there are and where they live.
    flat : mapping of (projection, variable) to ndarray
        Flat synaptic variables.
    dtype : numpy.dtype
        Precision of the result.
    cells : mapping of str to ndarray, optional
        Arrays of the weights that belong to cells, by their public names.

    Returns
    -------
    Weights
        Arrays of shape (post, pre), or (n,) for cells.
    """
    weights: Weights = {}
    for weight in circuit.weights:
        if weight.population:
            weights[weight.name] = (cells or {})[weight.name]
            continue
        post, pre = weight.shape
        total = np.zeros((post, pre), dtype=dtype)
        for part in weight.parts:
            values = flat[part.projection, part.variable]
            if part.layout == "diagonal":
                total[np.arange(post), np.arange(pre)] = values
            else:
                total[...] = np.asarray(values).reshape(pre, post).T
        weights[weight.name] = total
    return weights
