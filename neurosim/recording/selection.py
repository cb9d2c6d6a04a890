"""What to record: layers, neurons of a layer, and numbers of images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.circuit import Circuit
from neurosim.errors import DataError, brief
from neurosim.recording.cycles import Network
from neurosim.system import System
from neurosim.system.traces import LayerTraces

__all__ = ["Selection", "check_image_numbers", "choose_layers", "choose_neurons", "select"]


@dataclasses.dataclass(frozen=True)
class Selection:
    """Layers to record, and neurons of each.

    Attributes
    ----------
    layers : tuple of LayerTraces
        From the input upwards.
    neurons : mapping of int to ndarray of int
        Numbers of the neurons, by layer.
    """

    layers: tuple[LayerTraces, ...]
    neurons: Mapping[int, NDArray[np.int64]]

    def values_per_step(self) -> int:
        """Numbers recorded of one image in one step.

        Returns
        -------
        int
            Summed over layers, traces and neurons.
        """
        return sum(len(part.traces) * len(self.neurons[part.layer]) for part in self.layers)

    def of_whole_layers(self, circuit: Circuit) -> Selection:
        """The same layers with all of their neurons.

        Parameters
        ----------
        circuit : Circuit
            Knows how many there are.

        Returns
        -------
        Selection
            A new one.
        """
        sizes = {part.layer: circuit.population(part.population).size for part in self.layers}
        return Selection(self.layers, {number: np.arange(size) for number, size in sizes.items()})


def select(network: Network, layer: int | None, neurons: ArrayLike | None) -> Selection:
    """Check and complete a choice of layers and neurons.

    Parameters
    ----------
    network : Network
        What is recorded.
    layer : int or None
        Number of a layer; None for all.
    neurons : array_like of int or None
        Neurons of that layer; None for all.

    Returns
    -------
    Selection
        Complete.

    Raises
    ------
    DataError
        If there is no such layer or neuron, or neurons are given without a layer.
    """
    if neurons is not None and layer is None:
        raise DataError("neurons are numbered within a layer; give layer= as well")
    layers = choose_layers(network.system, layer)
    sizes = {part.layer: network.circuit.population(part.population).size for part in layers}
    chosen = {number: choose_neurons(size, neurons, number) for number, size in sizes.items()}
    return Selection(layers, chosen)


def choose_layers(system: System, layer: int | None) -> tuple[LayerTraces, ...]:
    """Layers of a system to record: one of them, or all.

    Parameters
    ----------
    system : System
        What is recorded.
    layer : int or None
        Number of a layer; None for all.

    Returns
    -------
    tuple of LayerTraces
        From the input upwards.

    Raises
    ------
    DataError
        If the system has no such layer.
    """
    given: object = layer
    if given is not None and (isinstance(given, bool) or not isinstance(given, Integral)):
        raise DataError(f"layer = {brief(layer)}: give a whole number, or None for all layers")
    layers = system.layer_traces()
    chosen = tuple(item for item in layers if layer is None or item.layer == layer)
    if not chosen:
        numbers = sorted(item.layer for item in layers)
        raise DataError(
            f"{system.name} has no layer {layer}; layers run from {numbers[0]} (the input) to "
            f"{numbers[-1]} (the output)"
        )
    return chosen


def choose_neurons(size: int, neurons: ArrayLike | None, layer: int) -> NDArray[np.int64]:
    """Numbers of the neurons to record.

    Parameters
    ----------
    size : int
        Number of neurons in the layer.
    neurons : array_like of int or None
        Their numbers, from 0; None for all.
    layer : int
        Number of the layer, for messages.

    Returns
    -------
    ndarray of int, shape (n_neurons,)
        In the order given.

    Raises
    ------
    DataError
        If a number is out of range, given twice, or not whole.
    """
    if neurons is None:
        return np.arange(size)
    numbers = np.atleast_1d(_array(neurons, f"neurons = {neurons!r}"))
    if numbers.ndim != 1 or not numbers.size or not np.issubdtype(numbers.dtype, np.integer):
        raise DataError(f"neurons = {neurons!r}: give whole numbers, e.g. neurons=range(20)")
    if numbers.min() < 0 or numbers.max() >= size:
        wrong = numbers[(numbers < 0) | (numbers >= size)][0]
        raise DataError(f"neuron {wrong} of layer {layer}: neurons run from 0 to {size - 1}")
    if len(np.unique(numbers)) != len(numbers):
        raise DataError("neurons: a number is given twice")
    return numbers.astype(np.int64)


def check_image_numbers(ids: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Numbers by which a recording knows its images.

    Parameters
    ----------
    ids : array_like of int, shape (n,), or None
        The numbers; None for 0 to n - 1.
    n : int
        Number of images.

    Returns
    -------
    ndarray of int, shape (n,)
        One for each image.

    Raises
    ------
    DataError
        If there is not one whole number for each image.
    """
    numbers = np.arange(n) if ids is None else _array(ids, "ids")
    if numbers.shape != (n,) or not np.issubdtype(numbers.dtype, np.integer):
        raise DataError(f"ids: give one whole number for each of the {n} images")
    return numbers.astype(np.int64)


def _array(values: ArrayLike, what: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what}: give whole numbers in one row ({error})") from error
