"""A system with weights on a back end: the ground that learning and analyses stand on."""

from __future__ import annotations

import copy
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.backends import backend_class, check_choices, open_backend
from neurosim.backends.chunks import check_batch, check_learning_parts
from neurosim.backends.cores import available_cores
from neurosim.backends.interface import Backend, Chunk, ChunkResult
from neurosim.backends.weights import existing_weights
from neurosim.circuit import Circuit
from neurosim.circuit.phases import phase_lengths
from neurosim.circuit.readouts import with_readouts
from neurosim.data.scaling import scale_complaint
from neurosim.errors import CircuitError, DataError, ParameterError, warn
from neurosim.learning.inputs import (
    as_images,
    as_targets,
    check_lengths,
    output_range,
    range_complaint,
)
from neurosim.learning.locks import OwnLock
from neurosim.learning.weights import WeightStore
from neurosim.system import System
from neurosim.system.drawing import (
    drawn_weights,
    evaluation_inputs,
    stage_inputs,
    training_inputs,
)
from neurosim.system.stages import Stage, Timetable

__all__ = ["WeightedNetwork", "check_parallel", "whole_number"]


class WeightedNetwork:
    """A system, its weights, and back ends that are built when they are needed.

    A copy or a pickle holds the same settings and weights, and builds back ends of its own.

    Parameters
    ----------
    system : System
        The model.
    seed : int
        Seed of all that is drawn.
    backend : {"cpp", "runtime"}
        Name of the back end.
    dtype : {"float32", "float64"}
        Precision of states and weights.
    chunk_images : int
        Images per run of a program.
    lanes : int or None
        Most images in flight at a time; None for as many as are fast.
    threads : int or None
        Threads that share the work of a run; None for one per core.

    Raises
    ------
    ParameterError
        If a setting is unknown or out of range.
    CircuitError
        If the circuit takes other inputs than images, targets and what the system draws,
        cannot learn in batches as large as the system's, or does not fit its stages.
    """

    def __init__(
        self,
        system: System,
        *,
        seed: int,
        backend: str,
        dtype: str,
        chunk_images: int,
        lanes: int | None,
        threads: int | None,
    ) -> None:
        _check_system(system)
        check_choices(backend=backend, dtype=dtype)
        self.system = system
        self.circuit = system.circuit()
        _check_wide_inputs(system, self.circuit)
        check_batch(self.circuit, system.batch)
        self.timetable = _timetable(system, self.circuit)
        self.seed = whole_number("seed", seed, 0)
        self.backend_name = backend
        self.dtype = dtype
        self.chunk_images = whole_number("chunk_images", chunk_images)
        check_parallel(backend, lanes, threads)
        self.lanes, self.threads = lanes, threads
        self.compile_seconds = 0.0
        self._backend: Backend | None = None
        self._analysis: Backend | None = None
        self._building = OwnLock()
        self._warned: set[str] = set()
        self._weights = WeightStore(
            drawn_weights(system, self.circuit, self._rng("weights"), dtype),
            frozenset(weight.name for weight in self.circuit.weights if weight.symmetric),
            {
                weight.name: existing_weights(self.circuit, self.circuit.projection(p.projection))
                for weight in self.circuit.weights
                for p in weight.parts
                if p.layout == "natural"
            },
        )

    def __getstate__(self) -> dict[str, Any]:
        """Settings and weights; what a copy, a pickle or another process begins with."""
        return {
            **self.__dict__,
            "_backend": None,
            "_analysis": None,
            "_building": OwnLock(),
            "_warned": set(self._warned),
            "_weights": copy.copy(self._weights),
        }

    @property
    def weights(self) -> WeightStore:
        """Named weight arrays in their natural shapes, readable and settable one by one."""
        return self._weights

    @weights.setter
    def weights(self, value: WeightStore) -> None:
        raise DataError(
            f"the weights cannot be replaced by a {type(value).__name__}; set one by its name, "
            "simulator.weights['NAME'] = array, or several by simulator.weights.update(arrays)"
        )

    def _rng(self, purpose: str, epoch: int = 0) -> np.random.Generator:
        """A generator of its own for each purpose and epoch.

        Nothing is carried from one epoch to the next, so a resumed run draws
        what an uninterrupted one would.
        """
        streams = {"weights": 0, "order": 1, "scalars": 2}
        key = (streams[purpose], epoch)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    # ------------------------------------------------------------ back ends

    @property
    def backend(self) -> Backend:
        """The back end for training and evaluation, built when first needed."""
        with self._building:
            if self._backend is None:
                self._backend = self._open(self.circuit)
                self.compile_seconds += self._backend.build_seconds
            return self._backend

    @property
    def analysis_backend(self) -> Backend:
        """A second build of the circuit that notes all layers, made when first needed."""
        with self._building:
            if self._analysis is None:
                layers = self.system.layer_cells()[1:]
                self._analysis = self._open(with_readouts(self.circuit, layers))
            return self._analysis

    def _open(self, circuit: Circuit) -> Backend:
        stages = self.timetable.stages[:-1]
        most = max(self.whole_chunk, *(self.updates_at_once(s) * s.batch for s in stages), 0)
        return open_backend(self.backend_name, circuit, dtype=self.dtype, max_cycles=most)

    @property
    def whole_chunk(self) -> int:
        """Images of a whole chunk: a multiple of the batch, so that no batch is cut."""
        batch = self.system.batch
        return max(1, self.chunk_images // batch) * batch

    def updates_at_once(self, stage: Stage) -> int:
        """Updates of a stage without images in a whole chunk.

        Parameters
        ----------
        stage : Stage
            One of the system's.

        Returns
        -------
        int
            At least 1.
        """
        return max(1, self.chunk_images // stage.batch)

    def run_chunk(self, backend: Backend, chunk: Chunk) -> ChunkResult:
        """Run a chunk with as many lanes and threads as this network is given.

        Parameters
        ----------
        backend : Backend
            What runs it.
        chunk : Chunk
            What to run.

        Returns
        -------
        ChunkResult
            Does not depend on lanes and threads.
        """
        threads = available_cores() if self.threads is None else self.threads
        return backend.run(chunk, lanes=self.lanes, threads=threads)

    def close(self) -> None:
        """Give back the back end's files and memory; it is built again when needed."""
        with self._building:
            for backend in (self._backend, self._analysis):
                if backend is not None:
                    backend.close()
            self._backend = self._analysis = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ------------------------------------------------------------ what users give

    def check_images(self, x: ArrayLike) -> NDArray[Any]:
        """Images as the network takes them.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs) or (n, height, width)
            Images; also sparse matrices, tensors and data frames.

        Returns
        -------
        ndarray, shape (n, n_inputs)
            The same numbers.

        Warns
        -----
        UserWarning
            Once per simulator, if values are so large that they were probably not scaled.

        Raises
        ------
        DataError
            If the shape does not fit, or a value is masked or not a finite real number.
        """
        images = as_images(x, self.system.layers[0])
        self._warn_once("images", scale_complaint(images))
        return images

    def check_targets(self, y: ArrayLike) -> NDArray[Any]:
        """Labels as target rates.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, n_outputs)
            Class numbers, or target rates.

        Returns
        -------
        ndarray, shape (n, n_outputs)
            Target rates; 1 for the class and 0 for the others, if classes were given.

        Warns
        -----
        UserWarning
            Once per simulator, if the output cells cannot reach a target rate.

        Raises
        ------
        DataError
            If a class is unknown to the network, a rate is masked or not finite, or a row
            gives all outputs the same rate.
        """
        targets = as_targets(y, self.system.layers[-1])
        bounds = output_range(self.system, self.circuit)
        self._warn_once("targets", range_complaint(targets, bounds))
        return targets

    def _check_both(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        images, targets = self.check_images(x), self.check_targets(y)
        check_lengths(images, targets)
        return images, targets

    def _check_either(
        self, x: ArrayLike, y: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        return (self.check_images(x), None) if y is None else self._check_both(x, y)

    def _warn_once(self, about: str, complaint: str) -> None:
        if complaint and about not in self._warned:
            self._warned.add(about)
            warn(complaint, stacklevel=4)


def whole_number(name: str, number: object, least: int = 1) -> int:
    """Check a setting that counts something.

    Parameters
    ----------
    name : str
        Name of the setting, for the message.
    number : object
        What was given.
    least : int
        Smallest value allowed.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ParameterError
        If it is not a whole number, or too small.
    """
    whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
    if not whole or cast(int, number) < least:
        raise ParameterError(f"{name} = {number!r}: give a whole number of {least} or more")
    return int(cast(int, number))


def _check_system(system: object) -> None:
    if isinstance(system, type):
        raise ParameterError(
            f"give a system, e.g. {system.__name__}(layers=(64, 100, 10)), not the class"
        )
    if not isinstance(system, System):
        raise ParameterError(
            f"system = {system!r}: give a system, e.g. CorInfoMax(layers=(64, 100, 10))"
        )


def check_parallel(backend: str, lanes: int | None, threads: int | None) -> None:
    """Refuse lanes and threads that are no numbers, or that a back end has no use for.

    Parameters
    ----------
    backend : str
        Name of the back end.
    lanes, threads : int or None
        Most images in flight, and threads that share them; None for what is usual.

    Raises
    ------
    ParameterError
        Names the one that is wrong.
    """
    for name, given in (("lanes", lanes), ("threads", threads)):
        number = 1 if given is None else whole_number(name, given)
        if number > 1 and "side by side" not in backend_class(backend).features:
            raise ParameterError(
                f"{name} = {number}: the back end {backend!r} shows one image after the other in "
                f"one thread; leave {name} out, or take backend='cpp'"
            )


def _check_wide_inputs(system: System, circuit: Circuit) -> None:
    """Refuse a circuit that waits for other inputs than a simulator and its system give."""
    given = {"stimulus": system.layers[0], "target": system.layers[-1]}
    taken = {item.name: item.width for item in circuit.inputs if item.width}
    for name in sorted(given):
        if given[name] != taken.get(name):
            has = f"of width {taken[name]}" if name in taken else "not at all"
            raise CircuitError(
                f"circuit {circuit.name!r} takes the input {name!r} {has}; a Simulator gives the "
                f"image as 'stimulus' of width {given['stimulus']} and the wanted output as "
                f"'target' of width {given['target']}: declare these as CycleInput, or run the "
                "circuit on a back end of neurosim.backends"
            )
    training_inputs(system, circuit, 0, 0, 0, 1)
    evaluation_inputs(system, circuit, 0, 0, 1)


def _timetable(system: System, circuit: Circuit) -> Timetable:
    """The stages of a system, if they fit its circuit."""
    table = Timetable(system.stages())
    for number, stage in enumerate(table.stages):
        phase_lengths(circuit, stage.phases)
        check_learning_parts(circuit, stage.learns)
        if not stage.shows_images:
            check_batch(circuit, stage.batch)
            stage_inputs(system, circuit, 0, 0, number, 0, 1)
    return table
