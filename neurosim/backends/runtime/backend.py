"""Back end that runs Brian2 inside this Python process, for debugging and recording."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import brian2 as b2
import numpy as np
from brian2.core.base import BrianObjectException
from brian2.groups.group import CodeRunner
from brian2.monitors import EventMonitor, StateMonitor
from numpy.typing import NDArray

from neurosim.backends.brian.build import (
    BuiltNetwork,
    build_network,
    counter_name,
    join_network,
    learning_objects,
)
from neurosim.backends.brian.messages import explain_brian_error
from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.brian.rhythm import RHYTHM
from neurosim.backends.brian.ties import add_ties
from neurosim.backends.chunks import (
    check_chunk,
    counted_events,
    event_totals,
    frozen_parts,
    log_run,
    parameter_values,
)
from neurosim.backends.interface import CHUNK_IMAGES, Backend, Chunk, ChunkResult
from neurosim.backends.runtime.meetings import Meetings
from neurosim.backends.weights import Weights, existing_synapses, join_weights, split_weights
from neurosim.circuit import Circuit
from neurosim.circuit.gathering import commits, gathered_variables, learning_parts
from neurosim.circuit.kept import cell_weights, sum_name
from neurosim.circuit.meetings import meeting_phase
from neurosim.circuit.readouts import noted_readouts
from neurosim.errors import BuildError, CircuitError

__all__ = ["RuntimeBackend"]


def _no_new_code(run_namespace: Any) -> None:
    """In the place of :meth:`brian2.groups.group.CodeRunner.create_code_objects`."""


class RuntimeBackend(Backend):
    """Runs chunks with Brian2's NumPy target; nothing is compiled.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Most cycles one chunk may have.
    record : mapping of str to iterable of str, optional
        Variables to record in every step, by population.
    cells : mapping of str to sequence of int, optional
        Numbers of the cells recorded, by population; all cells where not given.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.

    Notes
    -----
    Brian2 has one state per process, so runs of several threads go one after the other,
    each with :func:`~neurosim.backends.brian.preferences.brian2_settings`.
    """

    features: ClassVar[frozenset[str]] = frozenset({"records", "records learning"})

    def __init__(
        self,
        circuit: Circuit,
        *,
        dtype: str = "float32",
        max_cycles: int = CHUNK_IMAGES,
        record: Mapping[str, Iterable[str]] | None = None,
        cells: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        super().__init__(circuit, dtype=dtype, max_cycles=max_cycles, record=record, cells=cells)
        self._closed = False
        self._makers: dict[str, Callable[[BuiltNetwork], Any]] = {}
        self._added: dict[str, Any] = {}
        started = time.perf_counter()
        with brian2_settings(self.dtype):
            self._build()
        self.build_seconds = time.perf_counter() - started

    def _build(self) -> None:
        self._built: BuiltNetwork = build_network(
            self.circuit, self.max_cycles, record=self._record, cells=self._cells
        )
        add_ties(self.circuit, self._built)
        meets = meeting_phase(self.circuit) is not None
        self._meetings = Meetings(self.circuit, self._built) if meets else None
        self._added = {}
        for name in self._makers:
            self._make(name)
        self._process = os.getpid()
        self._usable = True

    def _make(self, name: str) -> None:
        made = self._makers[name](self._built)
        if not isinstance(made, b2.BrianObject):
            raise BuildError(
                f"what {name!r} makes is a {type(made).__name__}; give a function of the built "
                "network that returns one Brian2 object, such as a StateMonitor"
            )
        join_network(self._built, made)
        self._added[name] = made

    # ------------------------------------------------------------ for a look at Brian2

    @property
    def built(self) -> BuiltNetwork:
        """Brian2's network, and its groups and synapses by the names of the circuit.

        Raises
        ------
        BuildError
            If this back end is closed.
        """
        if self._closed:
            raise BuildError("this back end is closed; open another one")
        return self._built

    @property
    def added(self) -> Mapping[str, Any]:
        """Objects that :meth:`add` has made, by name."""
        return MappingProxyType(self._added)

    def add(self, name: str, make: Callable[[BuiltNetwork], Any]) -> None:
        """Add a Brian2 object of your own, such as a monitor, to the network.

        Parameters
        ----------
        name : str
            Where :attr:`added` has it.
        make : callable
            Makes the object from the built network. It is called now, and again whenever
            the network has to be built anew.

        Raises
        ------
        BuildError
            If the name is taken, the back end closed, or no Brian2 object comes back.
        """
        with brian2_settings(self.dtype):
            if self._closed:
                raise BuildError("this back end is closed; open another one")
            if name in self._makers:
                raise BuildError(f"there is an object {name!r} already; give another name")
            self._makers[name] = make
            try:
                self._make(name)
            except BaseException:
                del self._makers[name]
                raise

    def run(self, chunk: Chunk, *, lanes: int | None = None, threads: int = 1) -> ChunkResult:
        """Run a chunk; see :meth:`neurosim.backends.interface.Backend.run`.

        The network is built anew after an interrupt and in a forked process, since
        Brian2's objects may have been left in the middle of a step.
        """
        del lanes, threads
        lengths = check_chunk(self.circuit, chunk, self.max_cycles)
        with brian2_settings(self.dtype):
            if self._closed:
                raise BuildError("this back end is closed; open another one")
            if not self._usable or self._process != os.getpid():
                self._build()
            return self._run(chunk, lengths)

    def _run(self, chunk: Chunk, lengths: Mapping[str, int]) -> ChunkResult:
        self._forget()
        self._set_inputs(chunk)
        self._built.noise.key, self._built.noise.first_image = chunk.noise_key, chunk.first_image
        self._set_rhythm(chunk, lengths)
        self._set_values(chunk)
        self._set_learning(chunk)
        started = time.perf_counter()
        self._advance(self._steps(chunk, lengths))
        seconds = time.perf_counter() - started
        log_run("runtime", chunk, seconds)
        return ChunkResult(
            weights=self._weights(chunk.weights),
            readouts=self._readouts(chunk.cycles, lengths),
            event_counts=event_totals(
                self.circuit,
                {event: self._counter(*event) for event in counted_events(self.circuit)},
            ),
            seconds=seconds,
            trajectories=self._trajectories(),
        )

    def _steps(self, chunk: Chunk, lengths: Mapping[str, int]) -> int:
        """Time steps of a run; where images meet, some phases run more than once."""
        if self._meetings is None:
            return chunk.cycles * sum(lengths.values())
        return self._meetings.prepare(lengths, chunk.cycles, chunk.batch, chunk.learning)

    def _advance(self, steps: int) -> None:
        duration = steps * self.circuit.dt * b2.ms
        self._usable = False
        # Brian2 compares single-precision values with 1e50, which overflows harmlessly
        with np.errstate(over="ignore"):
            try:
                self._built.network.run(duration, namespace=self._built.namespace)
            except BrianObjectException as error:
                raise CircuitError(explain_brian_error(error)) from error
        self._keep_code()
        self._usable = True

    def _keep_code(self) -> None:
        """Let later runs use the code of this one.

        Brian2 writes the code of every object anew before each run, which takes most of a short
        run; nothing that it is made of changes here. Monitors are left to Brian2.
        """
        for runner in self._built.network.sorted_objects:
            monitor = isinstance(runner, EventMonitor | StateMonitor)
            if isinstance(runner, CodeRunner) and runner.code_objects and not monitor:
                runner.create_code_objects = _no_new_code

    def close(self) -> None:
        """Let the Brian2 objects go; harmless a second time."""
        with brian2_settings(self.dtype):
            self._closed = True
            self._added, self._makers = {}, {}
            self.__dict__.pop("_built", None)

    # ------------------------------------------------------------ before a run

    def _forget(self) -> None:
        """Drop what earlier runs recorded and noted, and the memory it takes."""
        for recorded in self._built.monitors.values():
            recorded.resize(0)
        for noted in self._built.readouts.values():
            noted.resize(0)
            # the generated code counts on from the number of events, which resize leaves alone
            noted.variables["N"].set_value(0)

    def _set_inputs(self, chunk: Chunk) -> None:
        for name, values in chunk.inputs.items():
            # in place: the generated code refers to this very array
            self._built.inputs[name].values[: chunk.cycles] = values

    def _set_rhythm(self, chunk: Chunk, lengths: Mapping[str, int]) -> None:
        rhythm = self._built.groups[RHYTHM].variables
        rhythm["cycle"].set_value(0)
        rhythm["cycle_step"].set_value(-1)
        rhythm["learning"].set_value(chunk.learning)
        if commits(self.circuit):
            rhythm["gathered"].set_value(0)
            rhythm["commit"].set_value(False)
            rhythm["image_ends"].set_value(False)
            # that of the next one
            rhythm["commits"].set_value(chunk.commits + 1)
            rhythm["images_per_batch"].set_value(chunk.batch)
            rhythm["images"].set_value(chunk.cycles)
        for phase, steps in lengths.items():
            rhythm[f"steps_{phase}"].set_value(steps)

    def _set_values(self, chunk: Chunk) -> None:
        built = self._built
        owners: dict[str, Any] = {**built.groups, **built.synapses}
        for name, value in parameter_values(self.circuit, chunk).items():
            owner, _, parameter = name.partition(".")
            owners[owner].variables[parameter].set_value(value)
        flat = split_weights(self.circuit, chunk.weights, self.dtype)
        for (name, variable), values in flat.items():
            there = existing_synapses(self.circuit, self.circuit.projection(name))
            built.synapses[name].variables[variable].set_value(values[there])
        for projection in self.circuit.projections:
            for variable in gathered_variables(projection):
                built.synapses[projection.name].variables[variable].set_value(0)
        for population, event in counted_events(self.circuit):
            self._counter(population, event)[:] = 0
        for weight in cell_weights(self.circuit):
            variable = built.groups[weight.population].variables[weight.variable]
            variable.set_value(np.asarray(chunk.weights[weight.name], dtype=self.dtype))
        for cells in self.circuit.populations:
            for name in cells.gathers:
                built.groups[cells.name].variables[sum_name(name)].set_value(0)

    def _set_learning(self, chunk: Chunk) -> None:
        """Let the parts learn that shall; the others gather and commit nothing."""
        frozen = frozen_parts(self.circuit, chunk)
        for name in learning_parts(self.circuit):
            for part in learning_objects(self.circuit, self._built, name):
                part.active = name not in frozen

    # ------------------------------------------------------------ after a run

    def _weights(self, given: Weights) -> Weights:
        flat = split_weights(self.circuit, given, self.dtype)
        for (name, variable), values in flat.items():
            there = existing_synapses(self.circuit, self.circuit.projection(name))
            values[there] = self._built.synapses[name].variables[variable].get_value()
        cells = {
            weight.name: self._built.groups[weight.population].variables[weight.variable]
            for weight in cell_weights(self.circuit)
        }
        kept = {name: np.array(variable.get_value()) for name, variable in cells.items()}
        return join_weights(self.circuit, flat, self.dtype, kept)

    def _counter(self, population: str, event: str) -> NDArray[Any]:
        described = self.circuit.population(population).event(event)
        variable = self._built.groups[population].variables[counter_name(described)]
        values: NDArray[Any] = variable.get_value()
        return values

    def _readouts(self, cycles: int, lengths: Mapping[str, int]) -> dict[str, NDArray[Any]]:
        results = {}
        for readout in noted_readouts(self.circuit, lengths):
            monitor = self._built.readouts[readout.name]
            # a copy: the next run begins by forgetting
            values = np.array(getattr(monitor, readout.variable))
            results[readout.name] = values.reshape(cycles, -1)
        return results

    def _trajectories(self) -> dict[str, dict[str, NDArray[Any]]]:
        return {
            name: {
                variable: np.array(getattr(monitor, variable)).T
                for variable in monitor.record_variables
            }
            for name, monitor in self._built.monitors.items()
        }
