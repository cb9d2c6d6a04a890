"""Back end that runs a circuit as a model of GeNN, on a GPU or in one thread of the CPU."""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

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
from neurosim.backends.cpp.compiler import compiler_flags, compiler_identity, find_compiler
from neurosim.backends.cpp.lanes import check_lanes
from neurosim.backends.cpp.library import program_folder, program_key
from neurosim.backends.genn.build import LIBRARY, MODEL, build_model
from neurosim.backends.genn.limits import check_circuit
from neurosim.backends.genn.loaded import Loaded
from neurosim.backends.genn.model import find_pygenn, processor
from neurosim.backends.interface import CHUNK_IMAGES, Backend
from neurosim.backends.weights import Weights, existing_synapses, join_weights, split_weights
from neurosim.circuit import Circuit
from neurosim.circuit.gathering import learning_parts
from neurosim.circuit.readouts import noted_readouts
from neurosim.errors import BuildError, ParameterError

__all__ = ["GennBackend"]

#: Images in flight: GeNN runs one at a time on a CPU, and as many as it was built for on a GPU.
_LANES = {"single_threaded_cpu": 1}
_LANES_OF_A_GPU = 20


class GennBackend(Backend):
    """Runs chunks of a model of GeNN.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Most cycles one chunk may have.
    record, cells : mapping, optional
        Must be empty: it records nothing.

    Raises
    ------
    CircuitError
        If the circuit needs what GeNN cannot do, an equation has wrong units or names
        something unknown.
    ParameterError
        If something is to be recorded.
    BuildError
        If PyGeNN or a compiler is missing, or the model cannot be built.
    """

    features: ClassVar[frozenset[str]] = frozenset({"compiled"})

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
        if record:
            raise ParameterError(
                "the back end 'genn' records nothing; record with backend='runtime' or 'cpp'"
            )
        check_circuit(circuit)
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        with (
            tempfile.TemporaryDirectory(prefix="neurosim-genn-") as copy,
            program_folder(self._key(), LIBRARY, self._build) as (folder, self.build_seconds),
        ):
            described = json.loads((folder / MODEL).read_text())
            self._loaded = Loaded(described, folder / LIBRARY, Path(copy), max_cycles)

    @classmethod
    def check_circuit(cls, circuit: Circuit, *, batch: int | None = None) -> None:
        """It refuses what its language or its order of a step cannot express."""
        check_circuit(circuit)

    @classmethod
    def check_machine(cls) -> None:
        """It needs PyGeNN and a C++ compiler."""
        find_pygenn()
        find_compiler()

    def _key(self) -> str:
        self.check_machine()
        compiler = find_compiler()
        made_by = ("genn", importlib.metadata.version("pygenn"), processor(),
                   compiler_identity(compiler), *compiler_flags())  # fmt: skip
        return program_key(self.circuit, self.dtype, {}, made_by)

    def _build(self, folder: Path) -> None:
        # Brian2 is slow to import, and needed for a new model only
        from neurosim.backends.brian.preferences import brian2_settings
        from neurosim.backends.genn.describe import describe

        with brian2_settings(self.dtype):
            described = describe(self.circuit, self.dtype)
        on = processor()
        described |= {"processor": on, "lanes": _LANES.get(on, _LANES_OF_A_GPU)}
        build_model(described, folder)

    def close(self) -> None:
        """Let the model go; harmless a second time."""
        with self._lock:
            if self._loaded is not None:
                self._loaded.close()
                self._loaded = None

    # ------------------------------------------------------------ a run

    def run(self, chunk: Chunk, *, lanes: int | None = None, threads: int = 1) -> ChunkResult:
        """Run a chunk; see :meth:`neurosim.backends.interface.Backend.run`."""
        lengths = check_chunk(self.circuit, chunk, self.max_cycles)
        check_lanes(lanes, threads)
        started = time.perf_counter()
        with self._lock:
            loaded = self._loaded
            if loaded is None:
                raise BuildError("this back end is closed; open another one")
            self._set(loaded, chunk, lengths)
            frozen = frozen_parts(self.circuit, chunk)
            learning = [name for name in learning_parts(self.circuit) if name not in frozen]
            loaded.run(
                chunk.cycles,
                sum(lengths.values()),
                batch=chunk.batch if chunk.learning else chunk.cycles,
                commits=chunk.commits,
                learning=learning if chunk.learning else (),
            )
            readouts, counts = loaded.readouts(chunk.cycles), self._counts(loaded)
            seconds = time.perf_counter() - started
            log_run("genn", chunk, seconds)
            return ChunkResult(
                weights=self._weights(loaded, chunk.weights),
                readouts={
                    readout.name: readouts[readout.name]
                    for readout in noted_readouts(self.circuit, lengths)
                },
                event_counts=event_totals(self.circuit, counts),
                seconds=seconds,
            )

    def _set(self, loaded: Loaded, chunk: Chunk, lengths: Mapping[str, int]) -> None:
        numbers: dict[str, float] = {
            name.replace(".", "__"): value
            for name, value in parameter_values(self.circuit, chunk).items()
        }
        numbers |= {f"rhythm__steps_{phase}": steps for phase, steps in lengths.items()}
        numbers |= {"rhythm__learning": chunk.learning, "step_seconds": self.circuit.dt * 1e-3}
        loaded.set_numbers(numbers)
        loaded.set_inputs(chunk.inputs)
        loaded.set_weights(split_weights(self.circuit, chunk.weights, self.dtype))

    def _weights(self, loaded: Loaded, given: Weights) -> Weights:
        flat = split_weights(self.circuit, given, self.dtype)
        for key, values in loaded.weights(flat).items():
            there = existing_synapses(self.circuit, self.circuit.projection(key[0]))
            flat[key][there] = values[there]
        return join_weights(self.circuit, flat, self.dtype)

    def _counts(self, loaded: Loaded) -> dict[tuple[str, str], NDArray[np.int64]]:
        names = {(cells, event): f"{cells}__n_{event}"
                 for cells, event in counted_events(self.circuit)}  # fmt: skip
        sizes = {name: self.circuit.population(cells).size for (cells, _), name in names.items()}
        found = loaded.counts(sizes)
        return {event: found[name] for event, name in names.items()}
