"""Where the view's recordings come from: a network that shows images, or a file."""

from __future__ import annotations

import abc
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError
from neurosim.recording import (
    Recorder,
    layer_numbers,
    open_recording,
    record_with,
    select_layer,
)

if TYPE_CHECKING:
    import xarray as xr

    from neurosim.learning.simulator import Simulator

__all__ = ["FileSource", "LiveSource", "Look", "Source", "likely_shape", "make_look", "place_of"]


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
        """All images, recorded with a nudge.

        Parameters
        ----------
        beta : float
            Signed nudge.

        Returns
        -------
        xarray.Dataset or xarray.DataTree
            As :meth:`~neurosim.learning.simulator.Simulator.record` gives it.
        """

    def neurons(self, layer: int) -> list[int]:
        """Numbers of the neurons of a layer.

        Parameters
        ----------
        layer : int
            Number of the layer.

        Returns
        -------
        list of int
            As recordings and pictures call them.
        """
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
            Signed nudge; the source's own by default.

        Returns
        -------
        Look
            Its traces, answer and target.

        Raises
        ------
        DataError
            If there is no such layer.
        """
        recording = self.recording(self.beta if beta is None else beta)
        return make_look(recording, layer, image)

    @abc.abstractmethod
    def close(self) -> None:
        """Give back files and memory."""


def make_look(recording: Any, layer: int, image: int) -> Look:
    """A look at an image of a recording.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree
        One layer, or a tree of layers.
    layer : int
        Number of the layer.
    image : int
        Place of the image in the recording.

    Returns
    -------
    Look
        Its traces; answer and target where all of the output layer was recorded.

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
    """The shape of an image of which only the number of values is known.

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


def place_of(number: int, numbers: Sequence[int], what: str, *, live: bool) -> int:
    """Where a number stands in the list of those there are.

    Parameters
    ----------
    number : int
        Number of an image, a layer or a neuron.
    numbers : sequence of int
        Those there are.
    what : {"image", "layer", "neuron"}
        For the message.
    live : bool
        Whether they are those of a network, not of a recording.

    Returns
    -------
    int
        Its place, from 0.

    Raises
    ------
    DataError
        If it is not there.
    """
    if number in numbers:
        return list(numbers).index(number)
    where = "in this recording; it holds"
    if live:
        where = "here; there is only" if len(numbers) == 1 else "here; there are"
    raise DataError(f"no {what} {number} {where} {_listed(numbers)}")


def _listed(numbers: Sequence[int]) -> str:
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers[:12])) + (", ..." if len(numbers) > 12 else "")


class FileSource(Source):
    """A recording made earlier.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree or path
        What ``record`` gave or wrote.
    ids : sequence of int, optional
        Numbers of those images to look at; all by default.

    Raises
    ------
    DataError
        If it is no recording, or an image is not in it or given twice.
    """

    def __init__(self, recording: Any, ids: Sequence[int] | None = None) -> None:
        self._opened: Any = None
        if isinstance(recording, (str, Path)):
            recording = self._opened = open_recording(recording)
        self.ids = [int(number) for number in recording.image.values]
        if ids is not None:
            recording = recording.isel(image=self._places(ids))
            self.ids = list(ids)
        self._recording = recording
        self.layers = layer_numbers(recording)
        self.image_shape = likely_shape(select_layer(recording, self.layers[0]).sizes["pixel"])
        self.live = False
        self.beta = float(recording.attrs.get("beta", 1.0))

    def _places(self, ids: Sequence[int]) -> list[int]:
        try:
            if len(set(ids)) != len(ids):
                raise DataError("images: a number is given twice")
            return [place_of(number, self.ids, "image", live=False) for number in ids]
        except DataError:
            self.close()
            raise

    def recording(self, beta: float) -> Any:
        """The recording; its nudge is what it is, whatever ``beta``."""
        del beta
        return self._recording

    def close(self) -> None:
        """Close the file, if this source has opened it."""
        if self._opened is not None:
            self._opened.close()


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
        Shape of an image; :func:`likely_shape` if not given.
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
        self.image_shape = image_shape or likely_shape(simulator.system.layers[0])
        self.live = True
        self.beta = beta
        self._recorded: dict[float, Any] = {}
        self._fast: Recorder | None = None

    def recording(self, beta: float) -> Any:
        """All images with a nudge; recorded when first asked for.

        Parameters
        ----------
        beta : float
            Signed nudge.

        Returns
        -------
        xarray.DataTree
            All layers.

        Raises
        ------
        DataError
            If ``beta`` is 0 or not finite.
        """
        if beta not in self._recorded:
            self._recorded[beta] = self.simulator.record(
                self._x, self._y, inputs=self._inputs(beta), ids=np.array(self.ids)
            )
        return self._recorded[beta]

    def _inputs(self, beta: float) -> dict[str, float] | None:
        """The nudge, if the system has one."""
        names = [item.name for item in self.simulator.circuit.inputs]
        return {"beta": beta} if "beta" in names else None

    def neurons(self, layer: int) -> list[int]:
        """Numbers of the neurons of a layer; nothing is recorded for it."""
        traces = next(t for t in self.simulator.system.layer_traces() if t.layer == layer)
        return list(range(self.simulator.circuit.population(traces.population).size))

    def prepare(self) -> Recorder:
        """The compiled program that shows single images fast; compiled when first needed.

        Returns
        -------
        Recorder
            Of all layers; parameters are handed over when it starts.

        Raises
        ------
        BuildError
            If there is no compiler, or it fails.
        """
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

        Returns
        -------
        Look
            Its traces, answer and target.

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
            inputs=self._inputs(beta),
            ids=[self.ids[image]],
            parameters=parameters,
        )
        return make_look(recording, layer, 0)

    def close(self) -> None:
        """Give back the compiled program's files."""
        if self._fast is not None:
            self._fast.close()
            self._fast = None
