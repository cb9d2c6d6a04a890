"""Back end that compiles a circuit to C++ once and runs chunks of the program.

See :mod:`neurosim.backends.cpp.builder` for how programs are built and kept.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from neurosim.backends.chunks import check_chunk
from neurosim.backends.cpp.builder import Recipe, find_program
from neurosim.backends.cpp.job_files import JobFiles
from neurosim.backends.cpp.program import run_program
from neurosim.backends.cpp.work_folders import WorkFolders
from neurosim.backends.interface import CHUNK_IMAGES, Backend, Chunk, ChunkResult
from neurosim.circuit import Circuit

__all__ = ["CppBackend"]


class CppBackend(Backend):
    """Runs chunks of a compiled C++ program.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Most cycles one chunk may have.
    dense : bool
        Run all-to-all projections as dense rows (default), or with ``False``
        on Brian2's standard path.
    record : mapping of str to iterable of str, optional
        Variables to record in every step, by population; another program is compiled
        for them.
    cells : mapping of str to sequence of int, optional
        Numbers of the cells whose recording is kept, by population; all cells where not
        given. The program records every cell.

    Attributes
    ----------
    dense : bool
        Whether all-to-all projections run as dense rows.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.
    BuildError
        If there is no compiler or the program cannot be built.
    """

    features: ClassVar[frozenset[str]] = frozenset({"compiled", "records", "side by side"})

    def __init__(
        self,
        circuit: Circuit,
        *,
        dtype: str = "float32",
        max_cycles: int = CHUNK_IMAGES,
        dense: bool = True,
        record: Mapping[str, Iterable[str]] | None = None,
        cells: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        super().__init__(circuit, dtype=dtype, max_cycles=max_cycles, record=record, cells=cells)
        self.dense = dense
        self._recipe = Recipe(circuit, self.dtype.name, max_cycles, dense, self._record)
        self._project, self.build_seconds = find_program(self._recipe)
        self._manifest = json.loads((self._project / "manifest.json").read_text())
        self._folders = WorkFolders()

    @property
    def pathways(self) -> dict[str, str]:
        """How each synaptic pathway runs and why, by ``"projection_pathway"``."""
        return dict(self._manifest["pathways"])

    @property
    def work_folder(self) -> Path:
        """Where this process keeps the files of runs, in ``job-0``, ``job-1`` and so on."""
        return self._folders.base

    def run(self, chunk: Chunk) -> ChunkResult:
        """Run a chunk; see :meth:`neurosim.backends.interface.Backend.run`."""
        lengths = check_chunk(self.circuit, chunk, self.max_cycles)
        with self._folders.lend() as folder:
            return self._run_in(folder, chunk, lengths)

    def run_all(self, chunks: Sequence[Chunk], *, jobs: int = 1) -> list[ChunkResult]:
        """Run independent chunks as processes side by side; see ``Backend.run_all``."""
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(self.run, chunks))

    def _run_in(self, folder: Path, chunk: Chunk, lengths: Mapping[str, int]) -> ChunkResult:
        program = self._program()
        started = time.perf_counter()
        files = JobFiles(folder, self.circuit, self.dtype, self._manifest)
        arguments = files.write(chunk, lengths, self.max_cycles)
        run_program(program, arguments, chunk.cycles * sum(lengths.values()))
        result = files.read(chunk.cycles, lengths, self._cells)
        return dataclasses.replace(result, seconds=time.perf_counter() - started)

    def _program(self) -> Path:
        """The program, which is built again if somebody cleaned the cache meanwhile."""
        if not (self._project / "main").exists():
            self._project, _ = find_program(self._recipe)
        return self._project / "main"

    def close(self) -> None:
        """Remove the files of past chunks; harmless a second time."""
        self._folders.close()

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "dense": self.dense}
