"""Noise functions of a circuit as Brian2 calls them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import brian2 as b2
import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit
from neurosim.circuit.noise import noise_streams, streamed_name
from neurosim.circuit.philox import normal_noise, uniform_noise

__all__ = ["NoiseSource", "noise_functions"]

_SAMPLERS: Mapping[str, Callable[..., NDArray[np.float64]]] = {
    "uniform_noise": uniform_noise,
    "normal_noise": normal_noise,
}


@dataclasses.dataclass
class NoiseSource:
    """What noise depends on besides cell and stream; a run sets it.

    Attributes
    ----------
    key : tuple of two int
        Of the run, from 0 to 2^32 - 1.
    first_image : int
        Number of the run's first image.
    rhythm : brian2.NeuronGroup or None
        Counts images and steps.
    """

    key: tuple[int, int] = (0, 0)
    first_image: int = 0
    rhythm: Any = None

    def draw(self, function: str, stream: int, cell: Any) -> NDArray[np.float64]:
        """Numbers of the step that runs.

        Parameters
        ----------
        function : str
            Name of the noise function in circuits.
        stream : int
            Its stream.
        cell : array_like of int
            Numbers of the cells.

        Returns
        -------
        ndarray of float64
            Of the shape of ``cell``.
        """
        counters = self.rhythm.variables
        image = self.first_image + int(counters["cycle"].get_value()[0])
        step = int(counters["cycle_step"].get_value()[0])
        return _SAMPLERS[function](self.key, image, cell, step, stream)


def noise_functions(circuit: Circuit, source: NoiseSource) -> dict[str, b2.Function]:
    """Brian2 functions of all places of a circuit that draw noise.

    Parameters
    ----------
    circuit : Circuit
        As its model wrote it.
    source : NoiseSource
        Says which image and step it is.

    Returns
    -------
    dict of str to brian2.Function
        By :func:`~neurosim.circuit.noise.streamed_name`.
    """
    return {
        streamed_name(function, stream): _function(source, function, stream)
        for function, stream in noise_streams(circuit).values()
    }


def _function(source: NoiseSource, function: str, stream: int) -> b2.Function:
    def draw(cell: Any) -> NDArray[np.float64]:
        return source.draw(function, stream, cell)

    made = b2.Function(draw, arg_units=[1], return_unit=1, arg_types=["integer"])
    made.implementations.add_implementation("numpy", draw)
    return made
