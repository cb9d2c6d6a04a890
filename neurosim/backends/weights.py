"""Public weight arrays in their natural shapes, and the flat variables that synapses hold.

Weights that belong to cells are of shape (n,), and held by the cells as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit, Projection, WeightPart, Wiring

__all__ = ["Weights", "existing_synapses", "existing_weights", "join_weights", "split_weights"]

#: Weight arrays by public name, each of shape (post, pre), the natural shape of a wiring, or
#: (n,) for cells.
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
        Arrays by name.
    dtype : numpy.dtype
        Precision of the run.

    Returns
    -------
    dict of (projection, variable) to ndarray
        Flat arrays in the synapses' order, or in that of the natural shape. Where a wiring
        leaves out synapses, there is a 0; see :func:`existing_synapses`.
    """
    return {
        (part.projection, part.variable): _natural(circuit, weights[weight.name], part, dtype)
        if part.layout == "natural"
        else _flatten(weights[weight.name], part, dtype)
        for weight in circuit.weights
        for part in weight.parts
    }


def _natural(
    circuit: Circuit, array: NDArray[Any], part: WeightPart, dtype: np.dtype[Any]
) -> NDArray[Any]:
    there = existing_weights(circuit, circuit.projection(part.projection))
    flat: NDArray[Any] = np.where(there, array, 0).astype(dtype).ravel()
    return flat


def _flatten(array: NDArray[Any], part: WeightPart, dtype: np.dtype[Any]) -> NDArray[Any]:
    if part.layout == "diagonal":
        return np.array(np.diagonal(array), dtype=dtype, order="C")
    # the weights of one source are a contiguous row of the synapses
    rows = np.array(array.T, dtype=dtype, order="C")
    if part.layout == "off_diagonal":
        np.fill_diagonal(rows, 0)
    return rows.ravel()


def existing_weights(circuit: Circuit, projection: Projection) -> NDArray[np.bool_]:
    """Which entries of a weight array some synapse of a projection uses.

    Parameters
    ----------
    circuit : Circuit
        Declares the sizes.
    projection : Projection
        Whose synapses.

    Returns
    -------
    ndarray of bool
        Of the natural shape; not to be written to.
    """
    pre, post = (circuit.population(p).size for p in (projection.source, projection.target))
    return _existing(projection.wired, pre, post)


@functools.lru_cache(maxsize=64)
def _existing(wired: Wiring, pre: int, post: int) -> NDArray[np.bool_]:
    there = wired.existing(pre, post)
    there.flags.writeable = False
    return there


def existing_synapses(circuit: Circuit, projection: Projection) -> NDArray[Any] | slice:
    """Which entries of a flat array of :func:`split_weights` are synapses.

    Parameters
    ----------
    circuit : Circuit
        Declares the sizes.
    projection : Projection
        Whose synapses.

    Returns
    -------
    ndarray or slice
        An index of the array, with one entry for each synapse.
    """
    if isinstance(projection.wiring, Wiring):
        pre, post = (circuit.population(p).size for p in (projection.source, projection.target))
        return projection.wiring.synapses(pre, post).weight
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
        Arrays by name; of shape (n,) for cells.
    """
    weights: Weights = {}
    for weight in circuit.weights:
        if weight.population:
            weights[weight.name] = (cells or {})[weight.name]
            continue
        total = np.zeros(weight.shape, dtype=dtype)
        for part in weight.parts:
            values = flat[part.projection, part.variable]
            if part.layout == "natural":
                there = existing_weights(circuit, circuit.projection(part.projection))
                np.copyto(total, np.reshape(values, weight.shape), where=there)
            elif part.layout == "diagonal":
                total[np.arange(len(total)), np.arange(len(total))] = values
            else:
                total[...] = np.asarray(values).reshape(weight.shape[::-1]).T
        weights[weight.name] = total
    return weights
