"""Shows images to a network and notes every trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends import open_backend
from neurosim.backends.interface import Backend, Chunk, ChunkResult
from neurosim.recording.cycles import Network
from neurosim.system.traces import LayerTraces, Trace

__all__ = ["Recorder"]


class Recorder:
    """A network with a monitor on every trace; built once, used for many images.

    Parameters
    ----------
    network : Network
        Gives system, weights and precision; its own back end is not used.
    layers : sequence of LayerTraces
        Layers to record.
    neurons : mapping of int to ndarray, optional
        Neurons by layer; all of them by default.
    backend : {"runtime", "cpp"}
        ``"runtime"`` starts within seconds. ``"cpp"`` compiles a program first, which
        takes a minute, and then shows an image in a fraction of the time; it always
        records all neurons.
    max_images : int
        Most images shown at once.
    also : mapping of str to sequence of str, optional
        Further variables by population, of all of its cells; they are among the trajectories
        of what :attr:`backend` runs.

    Attributes
    ----------
    network : Network
        As given.
    layers : tuple of LayerTraces
        Layers that are recorded.
    neurons : dict of int to ndarray of int
        Numbers of the neurons recorded, by layer.

    Raises
    ------
    ParameterError
        If there is no such back end.
    BuildError
        If the program cannot be built.
    """

    def __init__(
        self,
        network: Network,
        layers: Sequence[LayerTraces],
        *,
        neurons: Mapping[int, NDArray[np.int64]] | None = None,
        backend: str = "runtime",
        max_images: int = 1,
        also: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.network = network
        self.layers = tuple(layers)
        sizes = {part.layer: network.circuit.population(part.population).size for part in layers}
        self.neurons = {
            layer: np.arange(size) if neurons is None else neurons[layer]
            for layer, size in sizes.items()
        }
        self._backend = self._open(backend, max_images, also or {})

    def _open(self, backend: str, max_images: int, also: Mapping[str, Sequence[str]]) -> Backend:
        wanted: dict[str, dict[str, None]] = {}
        cells: dict[str, list[int]] = {}
        for part in self.layers:
            for population, names in part.variables().items():
                wanted.setdefault(population, {}).update(dict.fromkeys(names))
                alone = self.network.circuit.population(population).size == 1
                cells[population] = [0] if alone else self.neurons[part.layer].tolist()
        for population, more in also.items():
            wanted.setdefault(population, {}).update(dict.fromkeys(more))
        return open_backend(
            backend,
            self.network.circuit,
            dtype=self.network.dtype,
            max_cycles=max_images,
            record={population: tuple(names) for population, names in wanted.items()},
            cells=cells,
        )

    @property
    def backend(self) -> Backend:
        """The back end that runs the network."""
        return self._backend

    def close(self) -> None:
        """Give back files and memory; harmless a second time."""
        self._backend.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def show(self, chunk: Chunk) -> tuple[dict[int, dict[str, NDArray[Any]]], NDArray[np.int64]]:
        """Run a chunk.

        Parameters
        ----------
        chunk : Chunk
            Images, weights, parameter values and phases.

        Returns
        -------
        traces : dict of int to dict of str to ndarray
            By layer and name, (n_images, n_steps, n_neurons).
        predictions : ndarray, shape (n_images,)
            Class predicted for each image.
        """
        return self.read(self._backend.run(chunk), chunk.cycles)

    def read(
        self, result: ChunkResult, images: int
    ) -> tuple[dict[int, dict[str, NDArray[Any]]], NDArray[np.int64]]:
        """Traces and predictions of what the back end has run.

        Parameters
        ----------
        result : ChunkResult
            From :attr:`backend`.
        images : int
            Number of images shown.

        Returns
        -------
        tuple of dict and ndarray
            As :meth:`show`.
        """
        flat = result.trajectories
        traces = {
            part.layer: {
                trace.name: self._trace(flat, part, trace, images) for trace in part.traces
            }
            for part in self.layers
        }
        return traces, result.readouts[self.network.circuit.answer].argmax(axis=1)

    def _trace(
        self,
        flat: Mapping[str, Mapping[str, NDArray[Any]]],
        part: LayerTraces,
        trace: Trace,
        images: int,
    ) -> NDArray[Any]:
        rows = flat[trace.population or part.population][trace.variable]
        values = rows.reshape(images, -1, rows.shape[1])
        if trace.change:
            # the very subtraction the synapses do, so these are the values that travelled
            values = np.diff(values, axis=1, prepend=values.dtype.type(0))
        # one cell beside the layer counts for all of its cells
        return np.broadcast_to(values, (*values.shape[:2], len(self.neurons[part.layer])))
