"""What a view is made of: recorded traces, what cells sent and received, and weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit
from neurosim.recording import layer_numbers, select_layer
from neurosim.viewer.inputs import CellInput, Term

__all__ = ["Connections", "Material", "given_by", "synapses_of", "wanted_variables"]

#: Share of the largest sum by which a sum over senders may be off.
_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Material:
    """Some images, recorded.

    Attributes
    ----------
    recording : xarray.Dataset or xarray.DataTree
        Traces of the layers.
    variables : mapping of (str, str) to ndarray
        Further variables by population and name, (n_images, n_steps, n_cells).
    """

    recording: Any
    variables: Mapping[tuple[str, str], NDArray[Any]]
    _layers: dict[int, Any] = dataclasses.field(default_factory=dict)

    def layer(self, number: int) -> Any:
        """One layer, read from its file once.

        Parameters
        ----------
        number : int
            Number of the layer.

        Returns
        -------
        xarray.Dataset
            Image × time × neuron.

        Raises
        ------
        DataError
            If there is no such layer.
        """
        if number not in self._layers:
            self._layers[number] = select_layer(self.recording, number).load()
        return self._layers[number]

    def first_steps(self, steps: int) -> Material:
        """The beginning of all that was recorded.

        Parameters
        ----------
        steps : int
            How much of it.

        Returns
        -------
        Material
            A new one.
        """
        layers = {n: self.layer(n).isel(time=slice(steps)) for n in layer_numbers(self.recording)}
        variables = {key: values[:, :steps] for key, values in self.variables.items()}
        return Material(self.recording, variables, layers)


@dataclasses.dataclass(frozen=True)
class Connections:
    """The synapses of a term, by rising receiver.

    Attributes
    ----------
    source, target : ndarray of int, shape (n_synapses,)
        Numbers of the cells that send and receive.
    place : ndarray of int, shape (n_synapses,)
        Place of the weight in the flat array.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    place: NDArray[np.int64]


def wanted_variables(inputs: Iterable[CellInput]) -> dict[str, tuple[str, ...]]:
    """Variables to record, to split inputs by sender.

    Parameters
    ----------
    inputs : iterable of CellInput
        The inputs.

    Returns
    -------
    dict of str to tuple of str
        Names by population.
    """
    wanted: dict[str, dict[str, None]] = {}
    for item in inputs:
        wanted.setdefault(item.population, {})[item.variable] = None
        for term in item.terms:
            wanted.setdefault(term.source, {})[term.given] = None
    return {population: tuple(names) for population, names in wanted.items()}


def synapses_of(circuit: Circuit, term: Term) -> Connections:
    """The synapses of a term.

    Parameters
    ----------
    circuit : Circuit
        Holds the projection.
    term : Term
        What adds to an input.

    Returns
    -------
    Connections
        In the direction of the signal.
    """
    projection = circuit.projection(term.projection)
    ends = (circuit.population(name).size for name in (projection.source, projection.target))
    there = projection.wired.synapses(*ends)
    pair = (there.source, there.target)
    source, target = pair[::-1] if term.backwards else pair
    order = np.argsort(target, kind="stable")
    return Connections(source[order], target[order], there.weight[order])


def given_by(
    item: CellInput,
    synapses: Mapping[Term, Connections],
    weights: Mapping[str, NDArray[Any]],
    variables: Mapping[tuple[str, str], NDArray[Any]],
) -> dict[Term, NDArray[np.float32]] | None:
    """What every sender has given to an input by the end of each step.

    Parameters
    ----------
    item : CellInput
        The input.
    synapses : mapping of Term to Connections
        Of its terms.
    weights : mapping of str to ndarray
        By public name.
    variables : mapping of (str, str) to ndarray
        As :attr:`Material.variables`.

    Returns
    -------
    dict of Term to ndarray, shape (n_images, n_steps, n_senders), or None
        The weight times this is the part of a sender. None if these parts do not add up to
        what the cells have received.
    """
    total = variables[item.population, item.variable].astype(np.float64)
    arrays = {t: variables[t.source, t.given].astype(np.float64) for t in item.terms}

    def sums(term: Term, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of all receivers, for the senders' values at one step of one image."""
        there = synapses[term]
        w = np.asarray(weights[term.weight], np.float64).ravel()[there.place]
        parts = np.bincount(there.target, w * values[there.source], total.shape[2])
        return parts.astype(np.float64)

    if not all(term.level for term in item.terms):
        arrays = _delivered(item.terms, arrays, total, sums)
    scale = max(float(np.abs(total).max(initial=0)), 1e-12)
    for image, values in enumerate(total):
        for step in {len(values) - 1, len(values) // 2}:
            parts = sum(sums(t, arrays[t][image, step]) for t in item.terms)
            if np.abs(parts - values[step]).max(initial=0) > _TOLERANCE * scale:
                return None
    return {term: array.astype(np.float32) for term, array in arrays.items()}


def _delivered(
    terms: tuple[Term, ...], arrays: Mapping[Term, NDArray[Any]], total: NDArray[Any], sums: Any
) -> dict[Term, NDArray[np.float64]]:
    """Senders' values summed over the deliveries, which are found from what was received."""
    given = {term: np.zeros_like(arrays[term]) for term in terms}
    for image, values in enumerate(total):
        gains = np.diff(values, axis=0, prepend=0)
        for step in np.flatnonzero(np.abs(gains).max(axis=1, initial=0)):
            best = _who(terms, {t: sums(t, arrays[t][image, step]) for t in terms}, gains[step])
            for term in best:
                given[term][image, step] = arrays[term][image, step]
    return {term: np.cumsum(array, axis=1) for term, array in given.items()}


def _who(
    terms: tuple[Term, ...], parts: Mapping[Term, NDArray[Any]], gain: NDArray[Any]
) -> list[Term]:
    """The terms that together explain a gain best; each delivers or not."""
    found: tuple[float, list[Term]] = (np.inf, [])
    for chosen in range(1, 1 << len(terms)):
        some = [term for bit, term in enumerate(terms) if chosen >> bit & 1]
        error = float(np.abs(sum(parts[term] for term in some) - gain).max())
        if error < found[0]:
            found = (error, some)
    return found[1]
