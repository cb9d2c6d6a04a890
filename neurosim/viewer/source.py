"""Where the view's recordings come from: a network that shows images, or a file."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends import open_backend
from neurosim.errors import DataError
from neurosim.recording import (
    Recorder,
    layer_numbers,
    open_recording,
    record_with,
    select_layer,
)
from neurosim.recording.cycles import plan_presentation, presentation_chunks
from neurosim.viewer.inputs import cell_inputs
from neurosim.viewer.labels import positions
from neurosim.viewer.look import Look, likely_shape, make_look
from neurosim.viewer.material import Material, wanted_variables

if TYPE_CHECKING:
    from neurosim.learning.simulator import Simulator

__all__ = ["FileSource", "LiveSource", "Source"]

#: Images and classes by their numbers in a data set.
Fetch = Callable[[list[int]], tuple[NDArray[Any], NDArray[Any]]]


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
    def material(self, beta: float) -> Material:
        """All images, recorded with a nudge.

        Parameters
        ----------
        beta : float
            Signed nudge.

        Returns
        -------
        Material
            Traces, and what cells have sent and received if it is known.
        """

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
        return self.material(beta).recording

    def layer(self, number: int) -> Any:
        """All images seen from one layer, with the source's own nudge.

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
        return self.material(self.beta).layer(number)

    @abc.abstractmethod
    def neurons(self, layer: int) -> list[int]:
        """Numbers of the neurons of a layer.

        Parameters
        ----------
        layer : int
            Number of the layer.

        Returns
        -------
        list of int
            As in recordings and pictures; nothing is shown to the network.
        """

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
        self._material = Material(recording, {})
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

    def material(self, beta: float) -> Material:
        """The recording, whatever ``beta``: its nudge is fixed. It holds no weights."""
        del beta
        return self._material

    def neurons(self, layer: int) -> list[int]:
        """Numbers of the neurons of a layer in the recording."""
        return [int(n) for n in select_layer(self._material.recording, layer).neuron.values]

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
    beta : float, optional
        Signed nudge to begin with; the system's own by default.
    fetch : callable, optional
        Gives images and classes by their numbers in a data set.
    """

    def __init__(
        self,
        simulator: Simulator,
        images: NDArray[Any],
        labels: NDArray[Any] | None = None,
        *,
        ids: Sequence[int] | None = None,
        image_shape: tuple[int, ...] | None = None,
        beta: float | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.simulator, self.fetch = simulator, fetch
        self._x, self._y = np.asarray(images), labels
        self.ids = list(range(len(self._x)) if ids is None else ids)
        self.layers = [part.layer for part in simulator.system.layer_traces()]
        self.image_shape = image_shape or likely_shape(simulator.system.layers[0])
        self.live = True
        own = simulator.system.evaluation_scalars().get("beta", 1.0)
        self.beta = own if beta is None else beta
        self.inputs = cell_inputs(simulator.circuit, simulator.system.layer_traces())
        self._recorded: dict[float, Material] = {}
        self._fast: Recorder | None = None

    def material(self, beta: float) -> Material:
        """All images, recorded with a nudge when they are first needed.

        Parameters
        ----------
        beta : float
            Signed nudge.

        Returns
        -------
        Material
            All layers, and what cells have sent and received.

        Raises
        ------
        DataError
            If ``beta`` is 0 or not finite, or the network leaves the range of numbers.
        """
        if beta not in self._recorded:
            with self._recorder("runtime", len(self._x)) as recorder:
                everything = slice(0, len(self._x))
                self._recorded[beta] = self._show(recorder, everything, beta, {})
        return self._recorded[beta]

    def _recorder(self, backend: str, images: int) -> Recorder:
        layers = self.simulator.system.layer_traces()
        wanted = wanted_variables(self.inputs)
        return Recorder(self.simulator, layers, backend=backend, max_images=images, also=wanted)

    def _show(
        self, recorder: Recorder, images: slice, beta: float, parameters: Mapping[str, float]
    ) -> Material:
        """Some images, with a nudge and parameters."""
        recording, flat = record_with(
            recorder,
            self._x[images],
            self._targets(images),
            inputs=self._inputs(beta),
            ids=self.ids[images],
            parameters=parameters,
        )
        count = recording.sizes["image"]
        variables = {
            (population, name): flat[population][name].reshape(
                count, -1, flat[population][name].shape[1]
            )
            for population, names in wanted_variables(self.inputs).items()
            for name in names
        }
        return Material(recording, variables)

    def _targets(self, images: slice) -> NDArray[np.float64] | None:
        """Target rates of some images, if their classes are known."""
        if self._y is None:
            return None
        return np.asarray(np.eye(self.simulator.system.layers[-1])[self._y[images]])

    def _inputs(self, beta: float) -> dict[str, float] | None:
        """The nudge, if the system has one."""
        names = [item.name for item in self.simulator.circuit.inputs]
        return {"beta": beta} if "beta" in names else None

    def weight_changes(self) -> Iterator[dict[str, NDArray[Any]]]:
        """What an update from each image alone changes in the weights.

        The update is the next one of training, at the rates of the present epoch and from the
        present state of an optimiser, with this image as its whole batch and the nudge
        :attr:`beta`.

        Yields
        ------
        dict of str to ndarray
            New minus old, by public name; for every image in turn. Nothing where there are no
            classes to learn from.
        """
        simulator, table = self.simulator, self.simulator.timetable
        if self._y is None:
            return
        old = simulator.weights.arrays()
        how = plan_presentation(simulator, labelled=True, inputs=self._inputs(self.beta))
        with open_backend("runtime", simulator.circuit, dtype=simulator.dtype,
                          max_cycles=1) as backend:  # fmt: skip
            for place in range(len(self._x)):
                images = slice(place, place + 1)
                (shown,) = presentation_chunks(
                    simulator, how, self._x[images], self._targets(images), first=place
                )
                chunk = dataclasses.replace(
                    shown, learning=True, parameters=simulator.system.rates(simulator.epoch),
                    phases=table.images.phases, learns=table.images.learns,
                    batch=simulator.system.batch, commits=simulator.commits,
                )  # fmt: skip
                new = backend.run(chunk).weights
                yield {name: new[name] - old[name] for name in old}

    def neurons(self, layer: int) -> list[int]:
        """Numbers of the neurons of a layer."""
        traces = next(t for t in self.simulator.system.layer_traces() if t.layer == layer)
        return list(range(self.simulator.circuit.population(traces.population).size))

    def add(self, number: int) -> None:
        """Look at another image of the data set as well.

        Parameters
        ----------
        number : int
            Its number.

        Raises
        ------
        DataError
            If there is no data set, or no such image in it, or it is there already.
        """
        if number in self.ids:
            raise DataError(f"image {number} is there already")
        if self.fetch is None:
            raise DataError("these images do not come from a data set; give more at the start")
        x, y = self.fetch([number])
        self._x = np.concatenate([self._x, x])
        self._y = None if self._y is None else np.concatenate([self._y, y])
        self.ids = [*self.ids, number]
        self._recorded = {}

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
            self._fast = self._recorder("cpp", 1)
        return self._fast

    def try_out(self, image: int, beta: float, parameters: Mapping[str, float]) -> Material:
        """Show one image again, with other parameters.

        Parameters
        ----------
        image : int
            Position of the image.
        beta : float
            Signed nudge.
        parameters : mapping of str to float
            Values by ``"population.parameter"``.

        Returns
        -------
        Material
            Of this image.

        Raises
        ------
        DataError
            If the potentials grow without bound.
        """
        return self._show(self.prepare(), slice(image, image + 1), beta, parameters)

    def close(self) -> None:
        """Delete the compiled program's work files."""
        if self._fast is not None:
            self._fast.close()
            self._fast = None
