"""Where the view's recordings come from: a network that shows images, or a file."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.recording import (
    Recorder,
    layer_numbers,
    open_recording,
    record_with,
    select_layer,
)

if TYPE_CHECKING:
    import xarray as xr

    from neurosim.simulator import Simulator

__all__ = ["FileSource", "LiveSource", "Look", "Source"]


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


class Source(abc.ABC):
    """Images, layers and neurons to look at.

    Attributes
    ----------
    ids : list of int
        Numbers of the images.
    layers : list of int
        Numbers of the layers.
    image_shape : tuple of int
        Shape of an image, channels first.
    live : bool
        Whether another nudge can be tried.
    beta : float
        The nudge of the recording, or to begin with.
    """

    ids: list[int]
    layers: list[int]
    image_shape: tuple[int, ...]
    live: bool
    beta: float

    @abc.abstractmethod
    def recording(self, beta: float) -> Any:
        """All images, recorded with a nudge."""

    def neurons(self, layer: int) -> list[int]:
        """Numbers of the neurons of a layer."""
        return [int(n) for n in select_layer(self.recording(self.beta), layer).neuron.values]

    def look(self, image: int, layer: int, beta: float | None = None) -> Look:
        """One image seen from one layer.

        Parameters
        ----------
        image : int
            Place of the image in ``ids``.
        layer : int
            Number of the layer.
        beta : float, optional
            Signed nudge.
        """
        recording = self.recording(self.beta if beta is None else beta)
        return make_look(recording, layer, image)

    @abc.abstractmethod
    def close(self) -> None:
        """Give back files and memory."""


def make_look(recording: Any, layer: int, image: int) -> Look:
    """A look at an image of a recording, by its place."""
    data = select_layer(recording, layer).isel(image=image).load()
    numbers = layer_numbers(recording)
    answer = target = None
    if len(numbers) > 1 or numbers == [_output(recording)]:
        output = select_layer(recording, numbers[-1]).isel(image=image)
        first = str(output.phase.values[0])
        answer = output.rate.values[int((output.phase == first).sum()) - 1]
        if "label" in output.coords:
            target = np.eye(len(answer))[int(output.label)]
    return Look(data, answer, target)


def _output(recording: Any) -> int:
    import json

    return len(json.loads(recording.attrs["parameters"])["layers"]) - 1


def _square(pixels: int) -> tuple[int, ...]:
    side = math.isqrt(pixels)
    return (side, side) if side * side == pixels else (1, pixels)


class FileSource(Source):
    """A recording made earlier.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree or path
        What ``record`` gave or wrote.

    Raises
    ------
    DataError
        If it is no recording.
    """

    def __init__(self, recording: Any) -> None:
        if isinstance(recording, (str, Path)):
            recording = open_recording(recording)
        self._recording = recording
        self.ids = [int(number) for number in recording.image.values]
        self.layers = layer_numbers(recording)
        self.image_shape = _square(select_layer(recording, self.layers[0]).sizes["pixel"])
        self.live = False
        self.beta = float(recording.attrs["beta"])

    def recording(self, beta: float) -> Any:
        """The recording; its nudge is what it is."""
        del beta
        return self._recording

    def close(self) -> None:
        """Close the file."""
        self._recording.close()


class LiveSource(Source):
    """A network that shows images when they are looked at.

    Parameters
    ----------
    simulator : Simulator
        Network and weights.
    images : ndarray, shape (n, n_inputs)
        Images.
    labels : ndarray, shape (n,), optional
        Classes; without them there is no nudged phase.
    ids : sequence of int, optional
        Numbers of the images.
    image_shape : tuple of int, optional
        Shape of an image; square if not given.
    beta : float
        Signed nudge to begin with.
    """

    def __init__(
        self,
        simulator: Simulator,
        images: NDArray[Any],
        labels: NDArray[Any] | None = None,
        *,
        ids: Sequence[int] | None = None,
        image_shape: tuple[int, ...] | None = None,
        beta: float = 1.0,
    ) -> None:
        self.simulator = simulator
        self._x, self._y = np.asarray(images), labels
        self.ids = list(range(len(self._x)) if ids is None else ids)
        self.layers = [part.layer for part in simulator.system.layer_traces()]
        self.image_shape = image_shape or _square(simulator.system.layers[0])
        self.live = True
        self.beta = beta
        self._recorded: dict[float, Any] = {}
        self._fast: Recorder | None = None

    def recording(self, beta: float) -> Any:
        """All images with a nudge; recorded when first asked for."""
        if beta not in self._recorded:
            self._recorded[beta] = self.simulator.record(
                self._x, self._y, beta=beta, ids=np.array(self.ids)
            )
        return self._recorded[beta]

    def neurons(self, layer: int) -> list[int]:
        """Numbers of the neurons of a layer."""
        traces = next(t for t in self.simulator.system.layer_traces() if t.layer == layer)
        return list(range(self.simulator.circuit.population(traces.population).size))

    def prepare(self) -> Recorder:
        """The compiled program that shows single images fast; compiled when first needed."""
        if self._fast is None:
            self._fast = Recorder(
                self.simulator, self.simulator.system.layer_traces(), backend="cpp"
            )
        return self._fast

    def try_out(self, image: int, layer: int, beta: float, parameters: Mapping[str, float]) -> Look:
        """One image, shown anew with other parameters.

        Parameters
        ----------
        image, layer : int
            Place of the image, number of the layer.
        beta : float
            Signed nudge.
        parameters : mapping of str to float
            Values by ``"population.parameter"``.

        Raises
        ------
        DataError
            If the network leaves the range of numbers.
        """
        targets = None
        if self._y is not None:
            targets = np.eye(self.simulator.system.layers[-1])[self._y[image : image + 1]]
        recording = record_with(
            self.prepare(),
            self._x[image : image + 1],
            targets,
            beta=beta,
            ids=[self.ids[image]],
            parameters=parameters,
        )
        return make_look(recording, layer, 0)

    def close(self) -> None:
        """Give back the compiled program's files."""
        if self._fast is not None:
            self._fast.close()
            self._fast = None
