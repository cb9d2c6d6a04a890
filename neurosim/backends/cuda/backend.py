"""Back end that runs the lane program on an NVIDIA GPU: a block of threads for every image.

Images, weights and the state of all cells stay on the GPU for the length of a chunk. What
comes back are weights, readouts and event counts, of the same form as from other back ends.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.chunks import Chunk, ChunkResult, check_chunk, frozen_parts, log_run
from neurosim.backends.cpp.backend import LaneBackend
from neurosim.backends.cpp.lanes import check_lanes
from neurosim.backends.cpp.memory import round_up
from neurosim.backends.cuda.device import Device, blocks_per_multiprocessor, open_gpu
from neurosim.backends.cuda.launches import Learn, Steps, launches
from neurosim.backends.cuda.library import KernelLibrary, open_kernels
from neurosim.backends.cuda.limits import check_all_learn, check_batch_length, check_circuit
from neurosim.backends.interface import CHUNK_IMAGES
from neurosim.circuit import Circuit
from neurosim.errors import BuildError, ParameterError

__all__ = ["CudaBackend"]

#: Most threads of a block; more than there are cells would idle.
_BLOCK = 512
#: Threads of a block that learns: each has a column of its tile of synapses.
_LEARNING_BLOCK = 256
#: Launches that may wait for the GPU: an interrupt waits for these at most.
_AHEAD = 16
#: Share of the free memory that a run may take.
_SHARE = 0.9
#: Arguments of a kernel may take so many bytes: pointers to arrays, and a few numbers.
_ARGUMENT_BYTES = 4000


class CudaBackend(LaneBackend[KernelLibrary]):
    """Runs chunks of a lane program on a GPU.

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
    device : Device, optional
        What runs it; by default the current GPU.

    Raises
    ------
    CircuitError
        If the circuit needs what the kernels cannot do, an equation has wrong units or names
        something unknown.
    BuildError
        If there is no GPU, driver, CuPy or compiler, the card is too old, or the program
        cannot be built.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        dtype: str = "float32",
        max_cycles: int = CHUNK_IMAGES,
        record: Mapping[str, Iterable[str]] | None = None,
        cells: Mapping[str, Sequence[int]] | None = None,
        device: Device | None = None,
    ) -> None:
        super().__init__(circuit, dtype=dtype, max_cycles=max_cycles, record=record, cells=cells)
        self._process = os.getpid()
        self._device = device or open_gpu()
        self._library, self.build_seconds = open_kernels(
            circuit, self.dtype, self._record, self._device
        )
        self._check_arguments(self._library)

    @classmethod
    def check_circuit(cls, circuit: Circuit, *, batch: int | None = None) -> None:
        """It learns in batches, over the wirings that its kernels know."""
        check_circuit(circuit)
        if batch is not None:
            check_batch_length(batch)

    @classmethod
    def check_machine(cls) -> None:
        """It needs a GPU that can be used."""
        open_gpu()

    def _check_arguments(self, library: KernelLibrary) -> None:
        used = 8 * len(library.layout.shared)
        if used > _ARGUMENT_BYTES:
            raise BuildError(
                f"circuit {self.circuit.name!r} has {used // 8} arrays, and a kernel takes "
                f"{_ARGUMENT_BYTES // 8}; use fewer layers, or --backend cpp"
            )

    def _opened(self) -> KernelLibrary:
        library = super()._opened()
        if os.getpid() != self._process:
            raise BuildError(
                "a forked process cannot use the GPU of its parent; open the back end in the new "
                "process, or start processes with the method 'spawn'"
            )
        return library

    # ------------------------------------------------------------ a run

    def run(self, chunk: Chunk, *, lanes: int | None = None, threads: int = 1) -> ChunkResult:
        """Run a chunk; see :meth:`neurosim.backends.interface.Backend.run`."""
        lengths = check_chunk(self.circuit, chunk, self.max_cycles)
        check_lanes(lanes, threads)
        if chunk.learning:
            check_batch_length(chunk.batch)
            check_all_learn(frozen_parts(self.circuit, chunk))
        library = self._opened()
        started = time.perf_counter()
        shared = self._shared(library.layout, chunk, lengths)
        block = self.block_threads()
        in_flight = self._lanes(chunk, lanes, shared, block)
        device = self._device
        held = {name: device.upload(array) for name, array in shared.items()}
        memory = device.zeros((in_flight, library.layout.lane_bytes))
        arrays = np.array([device.address(array) for array in held.values()], np.uint64)
        self._launch(library, chunk, lengths, in_flight, block, arrays, memory)
        results = self._results_of(shared)
        shared |= {name: device.download(held[name]) for name in results}
        counters = {
            name: device.download(memory[:, span]).view(dtype)
            for name, (span, dtype) in library.layout.spans(self._counters()).items()
        }
        seconds = time.perf_counter() - started
        log_run("cuda", chunk, seconds, f"{in_flight} lanes, blocks of {block} threads")
        return self._result(shared, lengths, counters, chunk.weights, seconds)

    def _launch(
        self,
        library: KernelLibrary,
        chunk: Chunk,
        lengths: Mapping[str, int],
        lanes: int,
        block: int,
        arrays: NDArray[np.uint64],
        memory: Any,
    ) -> None:
        """Launch everything, and wait for it; an interrupt ends it between two launches."""
        kernels, waiting = library.kernels, deque[Any]()
        plan = launches(
            chunk.cycles, lanes, lengths, library.learning_phases,
            batch=chunk.batch if chunk.learning else None, commits=chunk.commits,
        )  # fmt: skip
        for part in plan:
            if isinstance(part, Steps):
                kernels.launch(
                    "steps", part.lanes, block, arrays, memory, np.int64(part.first),
                    *map(np.int32, (part.ended, part.active, part.begins, part.count, part.whole)),
                )  # fmt: skip
            else:
                assert isinstance(part, Learn)
                kernels.launch(
                    "learn", library.tiles, self._learning_threads(), arrays, memory,
                    *map(np.int32, (part.active, part.fresh, part.commit, part.batch)),
                    np.int64(part.commits),
                )  # fmt: skip
            waiting.append(self._device.mark())
            if len(waiting) > _AHEAD:
                waiting.popleft().synchronize()
        while waiting:
            waiting.popleft().synchronize()

    def _results_of(self, shared: Iterable[str]) -> list[str]:
        """Arrays that a run changes and the caller wants."""
        weights = {f"{part.projection}_{part.variable}" for weight in self.circuit.weights
                   for part in weight.parts}  # fmt: skip
        return [name for name in shared
                if name in weights or name.startswith(("readout_", "record_"))]  # fmt: skip

    # ------------------------------------------------------------ sizes

    def block_threads(self) -> int:
        """Threads of the block that runs an image: enough for the largest population.

        Returns
        -------
        int
            A multiple of the threads that a GPU runs together.

        Raises
        ------
        BuildError
            If the kernel needs so many registers that no block fits.
        """
        library, device = self._opened(), self._device
        if device.block is not None:
            return device.block
        threads = min(_BLOCK, round_up(library.widest, device.warp))
        facts = library.kernels.facts("steps")
        while not blocks_per_multiprocessor(device, facts, threads):
            if threads <= device.warp:
                raise BuildError(
                    f"the program needs {facts.registers} registers for each thread, more than "
                    f"{device.name} has; use --backend cpp"
                )
            threads = round_up(threads // 2, device.warp)
        return threads

    def _learning_threads(self) -> int:
        return self._device.block or _LEARNING_BLOCK

    def _lanes(
        self, chunk: Chunk, lanes: int | None, shared: Mapping[str, NDArray[Any]], block: int
    ) -> int:
        """Images in flight: those of a batch, or as many as the GPU runs at a time."""
        library, device = self._opened(), self._device
        most = min(chunk.batch, chunk.cycles) if chunk.learning else chunk.cycles
        facts = library.kernels.facts("steps")
        together = device.multiprocessors * blocks_per_multiprocessor(device, facts, block)
        usual = most if chunk.learning else max(together, 1)
        free = int(_SHARE * device.free_bytes()) - sum(array.nbytes for array in shared.values())
        fitting = free // library.layout.lane_bytes
        wanted = min(usual if lanes is None else lanes, most)
        if fitting < 1 or (lanes is not None and wanted > fitting):
            images = sum(a.nbytes for name, a in shared.items() if name.startswith("input_"))
            kept = sum(array.nbytes for array in shared.values()) - images
            room = f"give lanes={fitting} or fewer" if fitting > 0 else "give fewer chunk_images"
            raise ParameterError(
                f"{wanted} images in flight ({library.layout.lane_bytes / 2**20:.2f} MiB each), "
                f"{chunk.cycles} images ({images / 2**20:.0f} MiB) and weights "
                f"({kept / 2**20:.0f} MiB) do not fit into the {device.free_bytes() / 2**30:.1f} "
                f"GiB free on {device.name}; {room}, or use --backend cpp"
            )
        return min(wanted, fitting)
