"""One image seen from one layer: the traces, the answer and the target."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.recording import layer_numbers, select_layer

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Look", "likely_shape", "make_look"]


@dataclasses.dataclass(frozen=True)
class Look:
    """One image seen from one layer.

    Attributes
    ----------
    data : xarray.Dataset
        Traces of the layer, time × neuron.
    answer, target : ndarray or None
        Output rates at the end of the free phase and target rates, (n_classes,).
    """

    data: xr.Dataset
    answer: NDArray[Any] | None
    target: NDArray[Any] | None

    @property
    def label(self) -> int | None:
        """Class of the image, if it is known."""
        return int(self.data.label) if "label" in self.data.coords else None

    @property
    def prediction(self) -> int:
        """Class predicted."""
        return int(self.data.prediction)

    def first_phase(self) -> Look:
        """The same without the phases after the first."""
        data = self.data.sel(time=self.data.phase == self.data.phase.values[0])
        return dataclasses.replace(self, data=data)


def make_look(recording: Any, layer: int, image: int) -> Look:
    """Take one image out of a recording.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree
        One layer, or a tree of layers.
    layer : int
        Number of the layer.
    image : int
        Position of the image in the recording.

    Returns
    -------
    Look
        Its traces; answer and target only if the whole output layer was recorded.

    Raises
    ------
    DataError
        If the layer was not recorded.
    """
    data = select_layer(recording, layer).isel(image=image).load()
    numbers = layer_numbers(recording)
    answer = target = None
    output = select_layer(recording, numbers[-1]).isel(image=image)
    layers = json.loads(recording.attrs["parameters"])["layers"]
    if numbers[-1] == len(layers) - 1 and output.sizes["neuron"] == layers[-1]:
        first = str(output.phase.values[0])
        answer = output.rate.values[int((output.phase == first).sum()) - 1]
        if "label" in output.coords:
            target = np.eye(len(answer))[int(output.label)]
    return Look(data, answer, target)


def likely_shape(pixels: int) -> tuple[int, ...]:
    """Guess the shape of an image from its number of values.

    Parameters
    ----------
    pixels : int
        Values of an image.

    Returns
    -------
    tuple of int
        A square, a square in three colours (channels first), or else one row.

    Examples
    --------
    >>> likely_shape(784), likely_shape(3072), likely_shape(5)
    ((28, 28), (3, 32, 32), (1, 5))
    """
    for channels in ((), (3,)):
        side = math.isqrt(pixels // math.prod(channels))
        if math.prod(channels) * side * side == pixels:
            return (*channels, side, side)
    return (1, pixels)
