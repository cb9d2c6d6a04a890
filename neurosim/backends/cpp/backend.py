"""Back end that compiles a circuit to one program and calls it in this process.

Images are in flight side by side in *lanes*, which share weights; threads share the lanes.
Nothing of a run outlives it: any number of threads, forks and copies may run at once.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.chunks import (
    Chunk,
    ChunkResult,
    check_chunk,
    counted_events,
    event_totals,
    frozen_parts,
    log_run,
    parameter_values,
)
from neurosim.backends.cpp.compiler import find_compiler
from neurosim.backends.cpp.geometry import Geometry
from neurosim.backends.cpp.lanes import check_lane_memory, check_lanes, images_in_flight
from neurosim.backends.cpp.library import Library, open_library
from neurosim.backends.cpp.memory import LaneLayout, aligned_zeros, padded
from neurosim.backends.cpp.slides import geometry_of
from neurosim.backends.interface import CHUNK_IMAGES, Backend
from neurosim.backends.weights import Weights, join_weights, split_weights
from neurosim.circuit import Circuit, Projection, Wiring
from neurosim.circuit.gathering import gathered_variables, learning_parts
from neurosim.circuit.kept import cell_weights, kept_by_events, sum_name
from neurosim.circuit.meetings import meeting_phase
from neurosim.circuit.readouts import noted_readouts
from neurosim.errors import BuildError

__all__ = ["CppBackend", "LaneBackend"]

#: How often the caller looks whether it was interrupted, in seconds.
_PATIENCE = 0.05


class _LaidOut(Protocol):
    """A program that says where its arrays lie."""

    @property
    def layout(self) -> LaneLayout: ...


_Program = TypeVar("_Program", bound=_LaidOut)


class LaneBackend(Backend, Generic[_Program]):
    """What back ends share that run a lane program: its arrays, and what they hold at the end.

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
        Numbers of the cells whose recording is kept, by population; all cells where not
        given.
    """

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
        self._geometries: dict[str, Geometry] = {
            projection.name: geometry_of(circuit, projection)
            for projection in circuit.projections
            if isinstance(projection.wiring, Wiring)
        }

    features: ClassVar[frozenset[str]] = frozenset({"compiled", "side by side", "records"})

    _library: _Program | None

    @property
    def pathways(self) -> dict[str, str]:
        """How each synaptic pathway runs, by ``"projection_pathway"``."""
        return dict(self._opened().layout.pathways)

    def _opened(self) -> _Program:
        library = self._library
        if library is None:
            raise BuildError("this back end is closed; open another one")
        return library

    def close(self) -> None:
        """Let the program go; harmless a second time."""
        self._library = None

    def _counters(self) -> list[str]:
        """Arrays of a lane that count events."""
        return [f"{population}_n_{event}" for population, event in counted_events(self.circuit)]

    def _result(
        self,
        shared: Mapping[str, NDArray[Any]],
        lengths: Mapping[str, int],
        counters: Mapping[str, NDArray[Any]],
        given: Weights,
        seconds: float,
    ) -> ChunkResult:
        """What a run leaves in its arrays."""
        return ChunkResult(
            weights=self._weights(shared, given),
            readouts={
                readout.name: shared[f"readout_{readout.name}"]
                for readout in noted_readouts(self.circuit, lengths)
            },
            event_counts=event_totals(
                self.circuit,
                {
                    (population, event): counters[f"{population}_n_{event}"][
                        :, : self.circuit.population(population).size
                    ].sum(axis=0)
                    for population, event in counted_events(self.circuit)
                },
            ),
            seconds=seconds,
            trajectories=self._trajectories(shared),
        )

    # ------------------------------------------------------------ arrays

    def _shared(
        self, layout: LaneLayout, chunk: Chunk, lengths: Mapping[str, int]
    ) -> dict[str, NDArray[Any]]:
        """Every array that the program shares with its caller."""
        steps = sum(lengths.values())
        found: dict[str, Any] = {
            f"input_{name}": np.ascontiguousarray(values, dtype=np.float64)
            for name, values in chunk.inputs.items()
        }
        found |= {f"rhythm_steps_{phase}": count for phase, count in lengths.items()}
        found |= {"rhythm_learning": chunk.learning, "cycle_steps": steps}
        found |= {"rhythm_images": chunk.cycles, "rhythm_images_per_batch": chunk.batch}
        found["step_clock_dt"] = self.circuit.dt * 1e-3
        found["noise_key"] = (*chunk.noise_key, chunk.first_image)
        found |= {
            name.replace(".", "_"): value
            for name, value in parameter_values(self.circuit, chunk).items()
        }
        flat = split_weights(self.circuit, chunk.weights, self.dtype)
        found |= {f"{name}_{variable}": self._rows(name, values)
                  for (name, variable), values in flat.items()}  # fmt: skip
        frozen = frozen_parts(self.circuit, chunk)
        found |= {f"frozen_{name}": name in frozen for name in learning_parts(self.circuit)}
        for laid_out in self._geometries.values():
            found |= laid_out.tables
        for projection in self.circuit.projections:
            for variable in gathered_variables(projection):
                geometry = self._geometries.get(projection.name)
                if geometry is not None:
                    empty = aligned_zeros((geometry.size,), self.dtype)
                    found[f"{projection.name}_{variable}"] = empty
                    found[f"dirty_{projection.name}"] = np.zeros(geometry.rows, np.uint8)
                    continue
                shape = self._shape(projection)
                rows = shape if len(shape) == 1 else (shape[0], padded(shape[1]))
                found[f"{projection.name}_{variable}"] = aligned_zeros(rows, self.dtype)
                found[f"dirty_{projection.name}"] = np.zeros(shape[0], np.uint8)
        found |= self._cell_arrays(chunk.weights)
        for readout in self.circuit.readouts:
            size = self.circuit.population(readout.population).size
            found[f"readout_{readout.name}"] = np.zeros((chunk.cycles, size), self.dtype)
        for population, variables in self._record.items():
            shape = (chunk.cycles * steps, self.circuit.population(population).size)
            for variable in variables:
                name = f"record_{population}_{variable}"
                found[name] = np.zeros(shape, layout.shared[name])
        return {
            name: np.atleast_1d(np.asarray(found[name], dtype=dtype))
            for name, dtype in layout.shared.items()
        }

    def _cell_arrays(self, weights: Weights) -> dict[str, NDArray[Any]]:
        """Variables of cells that all lanes share: what lasts, and sums over a batch."""
        found = {}
        for weight in cell_weights(self.circuit):
            array = aligned_zeros((padded(len(weights[weight.name])),), self.dtype)
            array[: len(weights[weight.name])] = weights[weight.name]
            found[f"{weight.population}_{weight.variable}"] = array
        for population in self.circuit.populations:
            for name in population.gathers:
                array = aligned_zeros((padded(population.size),), self.dtype)
                found[f"{population.name}_{sum_name(name)}"] = array
        return found

    def _rows(self, projection: str, flat: NDArray[Any]) -> NDArray[Any]:
        """Synaptic values with a padded row for each source, or as their geometry has them."""
        if projection in self._geometries:
            return self._geometries[projection].store(flat)
        shape = self._shape(self.circuit.projection(projection))
        if len(shape) == 1:
            return flat.copy()
        rows = aligned_zeros((shape[0], padded(shape[1])), flat.dtype)
        rows[:, : shape[1]] = flat.reshape(shape)
        return rows

    def _shape(self, projection: Projection) -> tuple[int, ...]:
        source = self.circuit.population(projection.source).size
        if projection.wiring == "one_to_one":
            return (source,)
        return source, self.circuit.population(projection.target).size

    def _weights(self, shared: Mapping[str, NDArray[Any]], given: Weights) -> Weights:
        flat = {}
        for weight in self.circuit.weights:
            for part in weight.parts:
                values = shared[f"{part.projection}_{part.variable}"]
                if part.projection in self._geometries:
                    stored = self._geometries[part.projection].fetch(values)
                    flat[part.projection, part.variable] = stored
                    continue
                shape = self._shape(self.circuit.projection(part.projection))
                flat[part.projection, part.variable] = (
                    values if len(shape) == 1 else values[:, : shape[1]]
                )
        cells = {}
        for weight in cell_weights(self.circuit):
            # a program that never reads a weight does not have it
            values = shared.get(f"{weight.population}_{weight.variable}", given[weight.name])
            cells[weight.name] = np.array(values[: weight.shape[0]], dtype=self.dtype)
        return join_weights(self.circuit, flat, self.dtype, cells)

    def _trajectories(self, shared: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, Any]]:
        return {
            population: {
                variable: shared[f"record_{population}_{variable}"][
                    :, self._cells.get(population, slice(None))
                ]
                for variable in variables
            }
            for population, variables in self._record.items()
        }


class CppBackend(LaneBackend[Library]):
    """Runs chunks of a lane program.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Most cycles one chunk may have.
    record : mapping of str to iterable of str, optional
        Variables to record in every step, by population; another program is compiled
        for them.
    cells : mapping of str to sequence of int, optional
        Numbers of the cells whose recording is kept, by population; all cells where not
        given.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.
    BuildError
        If there is no compiler or the program cannot be built.
    """

    features: ClassVar[frozenset[str]] = LaneBackend.features | {"records learning"}

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
        self._library, self.build_seconds = open_library(circuit, self.dtype, self._record)

    @classmethod
    def check_machine(cls) -> None:
        """It needs a C++ compiler."""
        find_compiler()

    def run(self, chunk: Chunk, *, lanes: int | None = None, threads: int = 1) -> ChunkResult:
        """Run a chunk; see :meth:`neurosim.backends.interface.Backend.run`."""
        lengths = check_chunk(self.circuit, chunk, self.max_cycles)
        check_lanes(lanes, threads)
        library = self._opened()
        started = time.perf_counter()
        in_order = bool(kept_by_events(self.circuit))
        meets = meeting_phase(self.circuit) is not None
        in_flight = images_in_flight(
            chunk, lanes, threads, in_order=in_order, meets=meets,
            shares_rows=library.layout.shares_rows,
        )  # fmt: skip
        check_lane_memory(in_flight, library.layout.lane_bytes)
        shared = self._shared(library.layout, chunk, lengths)
        memory = aligned_zeros((in_flight, library.layout.lane_bytes), np.uint8)
        library.layout.field(memory, "rhythm_cycle_step")[:] = -1
        steps = tuple(lengths.values())
        _interruptible(
            lambda stop: library.run(
                shared,
                memory,
                chunk.cycles,
                steps,
                batch=chunk.batch if chunk.learning else None,
                commits=chunk.commits,
                threads=min(threads, in_flight),
                stop=stop,
            )
        )
        counters = {name: library.layout.field(memory, name) for name in self._counters()}
        seconds = time.perf_counter() - started
        log_run("cpp", chunk, seconds, f"{in_flight} lanes, {min(threads, in_flight)} threads")
        return self._result(shared, lengths, counters, chunk.weights, seconds)


def _interruptible(run: Any) -> int:
    """Call the program so that an interrupt ends it at once."""
    stop = ctypes.c_int(0)
    if threading.current_thread() is not threading.main_thread():
        # Python delivers signals to the main thread alone
        return int(run(stop))
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(run(stop))
        except BaseException as error:
            outcome.append(error)
        finally:
            finished.set()

    finished = threading.Event()
    worker = threading.Thread(target=work, daemon=True)
    try:
        worker.start()
        while not finished.wait(_PATIENCE):
            pass
    except BaseException:
        stop.value = 1
        # an interrupt may come before the thread has begun; what it works on lives as long as it
        if worker.is_alive():
            finished.wait()
        raise
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return int(outcome[0])
