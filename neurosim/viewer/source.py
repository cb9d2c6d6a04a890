"""Where the view's recordings come from: a network that shows images, or a file."""

from __future__ import annotations

import abc
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
from neurosim.viewer.labels import positions
from neurosim.viewer.look import Look, likely_shape, make_look

if TYPE_CHECKING:
    from neurosim.learning.simulator import Simulator

__all__ = ["FileSource", "LiveSource", "Source"]


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
        The nudge of the recording, or the nudge to begin with.
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
            As in recordings and pictures.
        """
        return [int(n) for n in select_layer(self.recording(self.beta), layer).neuron.values]

    def look(self, image: int, layer: int, beta: float | None = None) -> Look:
        """One image seen from one layer.

        Parameters
        ----------
        image : int
            Position of the image in ``ids``.
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
        """Free files and memory."""


class FileSource(Source):
    """A recording made earlier.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree or path
        Result or file of ``record``.
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
            recording = recording.isel(image=self._positions(ids))
            self.ids = list(ids)
        self._recording = recording
        self.layers = layer_numbers(recording)
        self.image_shape = likely_shape(select_layer(recording, self.layers[0]).sizes["pixel"])
        self.live = False
        self.beta = float(recording.attrs.get("beta", 1.0))

    def _positions(self, ids: Sequence[int]) -> list[int]:
        try:
            return positions(ids, self.ids, "image", live=False)
        except DataError:
            self.close()
            raise

    def recording(self, beta: float) -> Any:
        """The recording, whatever ``beta``: its nudge is fixed."""
        del beta
        return self._recording

    def close(self) -> None:
        """Close the file, if this source has opened it."""
        if self._opened is not None:
            self._opened.close()


class LiveSource(Source):
    """A network that shows images when somebody looks at them.

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
        """All images, recorded with a nudge when they are first needed.

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
        """Numbers of the neurons of a layer, found without recording."""
        traces = next(t for t in self.simulator.system.layer_traces() if t.layer == layer)
        return list(range(self.simulator.circuit.population(traces.population).size))

    def prepare(self) -> Recorder:
        """Compile the program that shows single images fast, if that has not been done.

        Returns
        -------
        Recorder
            Records all layers; takes parameters when it starts.

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
        """Show one image again, with other parameters.

        Parameters
        ----------
        image, layer : int
            Position of the image, number of the layer.
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
            If the potentials grow without bound.
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
        """Delete the compiled program's work files."""
        if self._fast is not None:
            self._fast.close()
            self._fast = None
