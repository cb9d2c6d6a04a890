"""Back end that compiles a circuit to C++ once and runs chunks of the program.

Compiled programs are kept in the user's cache folder (``NEUROSIM_CACHE`` names
another), under a key made of everything that was compiled: the circuit's
structure, precision, versions, the engine's own source, the compiler and the
processor. Parameter values, weights, phase lengths, images and the number of
cycles are handed over when the program starts, so a second run starts at once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.cpp.compiler import (
    compile_project,
    compiler_flags,
    compiler_identity,
    find_compiler,
)
from neurosim.backends.cpp.work_folders import (
    claim_folder,
    locked,
    release_with,
    remove_abandoned,
    remove_unlocked,
)
from neurosim.backends.interface import (
    CHUNK_IMAGES,
    Backend,
    Chunk,
    ChunkResult,
    Weights,
    join_weights,
    split_weights,
)
from neurosim.circuit import Circuit
from neurosim.circuit.readouts import noted_readouts
from neurosim.errors import BuildError, CircuitError

__all__ = ["MISTAKE", "CppBackend", "cache_folder"]

#: Exit status of ``cpp_build`` for a mistake in the circuit, told in one line on stderr.
MISTAKE = 3
#: With less room than this on its disk, a build that failed has probably run out of it.
_SCARCE_MIB = 32
#: How the names of folders for the files of runs, and of builds under way, begin.
_WORK, _BUILDING = "neurosim-work-", "building-"

#: Signals that a terminal or a job system sends to all processes of a group.
_INTERRUPTS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})


def cache_folder() -> Path:
    """Where compiled programs are kept.

    Returns
    -------
    Path
        ``$NEUROSIM_CACHE`` or the user's cache folder; it may be absent yet.
    """
    chosen = os.environ.get("NEUROSIM_CACHE")
    if chosen:
        # the programs are compiled and run in other folders than the current one
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("neurosim")


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
        super().__init__(circuit, dtype=dtype, max_cycles=max_cycles)
        self.dense = dense
        self._record = {name: list(variables) for name, variables in (record or {}).items()}
        self._cells = {name: np.asarray(chosen) for name, chosen in (cells or {}).items()}
        self._project = self._find_or_build()
        self._manifest = json.loads((self._project / "manifest.json").read_text())
        self._work, lock = _make_work_folder()
        self._release = release_with(self, self._work, lock)

    @property
    def pathways(self) -> dict[str, str]:
        """How each synaptic pathway runs and why, by ``"projection_pathway"``."""
        return dict(self._manifest["pathways"])

    # ------------------------------------------------------------ building

    def _spec(self) -> dict[str, Any]:
        return {
            "circuit": dataclasses.asdict(self.circuit),
            "dtype": self.dtype.name,
            "max_cycles": self.max_cycles,
            "dense": self.dense,
            "record": self._record,
        }

    def _key(self, compiler: Sequence[str]) -> str:
        parts = [
            self.circuit.digest(),
            self.dtype.name,
            str(self.max_cycles),
            str(self.dense),
            json.dumps(self._record, sort_keys=True),
            *(importlib.metadata.version(name) for name in ("brian2", "numpy", "sympy")),
            _source_digest(),
            compiler_identity(compiler),
            *compiler_flags(),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]

    def _find_or_build(self) -> Path:
        compiler = find_compiler()
        builds = cache_folder() / "builds"
        project = builds / self._key(compiler)
        try:
            builds.mkdir(parents=True, exist_ok=True)
            with locked(builds / f"{project.name}.lock"):
                if not (project / "main").exists():
                    self._build(project, compiler)
        except OSError as error:
            raise BuildError(
                f"cannot keep compiled programs in {builds}: {error.strerror or error}; "
                "set NEUROSIM_CACHE to a folder with room that you can write to"
            ) from error
        return project

    def _build(self, project: Path, compiler: Sequence[str]) -> None:
        started = time.perf_counter()
        _remove_abandoned_builds(project)
        prefix = f"{_BUILDING}{project.name}-"
        with tempfile.TemporaryDirectory(dir=project.parent, prefix=prefix) as name:
            folder = Path(name) / "project"
            folder.mkdir()
            spec = Path(name) / "spec.json"
            spec.write_text(json.dumps(self._spec()))
            try:
                _generate(spec, folder)
                compile_project(folder, compiler)
            except BuildError as error:
                raise BuildError(f"{error}{_shortage(project.parent)}") from error
            if project.exists():
                shutil.rmtree(project)
            folder.rename(project)
        self.build_seconds = time.perf_counter() - started

    # ------------------------------------------------------------ running

    def run(self, chunk: Chunk) -> ChunkResult:
        """Run a chunk; see :meth:`neurosim.backends.interface.Backend.run`."""
        return self._run_in(self._work / "job-0", chunk)

    def run_all(self, chunks: Sequence[Chunk], *, jobs: int = 1) -> list[ChunkResult]:
        """Run independent chunks as processes side by side; see ``Backend.run_all``."""
        folders: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            folders.put(self._work / f"job-{number}")

        def run_one(chunk: Chunk) -> ChunkResult:
            folder = folders.get()
            try:
                return self._run_in(folder, chunk)
            finally:
                folders.put(folder)

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(run_one, chunks))

    def _run_in(self, folder: Path, chunk: Chunk) -> ChunkResult:
        lengths = self._check(chunk)
        if not (self._project / "main").exists():
            # somebody cleaned the cache while this run was going on
            self._project = self._find_or_build()
        started = time.perf_counter()
        try:
            (folder / "results").mkdir(parents=True, exist_ok=True)
            arguments = [
                *self._input_arguments(folder, chunk),
                *self._weight_arguments(folder, chunk.weights),
                *self._value_arguments(chunk, lengths),
            ]
        except OSError as error:
            raise self._no_room(f"cannot write the input of a run to {folder} ({error})") from error
        self._execute(folder, arguments, chunk.cycles * sum(lengths.values()))
        result = self._collect(folder, chunk.cycles, lengths)
        recorded = self._collect_recorded(folder, chunk.cycles * sum(lengths.values()))
        seconds = time.perf_counter() - started
        return dataclasses.replace(result, seconds=seconds, trajectories=recorded)

    def close(self) -> None:
        """Remove the files of past chunks; harmless a second time."""
        self._release()

    def _input_arguments(self, folder: Path, chunk: Chunk) -> Iterator[str]:
        read = self._manifest["inputs"]
        for item in (item for item in self.circuit.inputs if item.name in read):
            rows = self.max_cycles * max(item.width, 1)
            path = folder / f"input_{item.name}"
            values = np.ascontiguousarray(chunk.inputs[item.name], dtype=np.float64)
            # written over what the last chunk left: new memory costs more than the copying
            with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "wb") as file:
                # not values.tofile: it does not tell when the disk is full
                file.write(values.data)
                # the program reads a file of full length; the rest is never looked at
                file.truncate(rows * values.itemsize)
            yield f"{read[item.name]}.values={path}"

    def _weight_arguments(self, folder: Path, weights: Weights) -> Iterator[str]:
        flat = split_weights(self.circuit, weights, self.dtype)
        for (projection, variable), values in flat.items():
            path = folder / f"weight_{projection}_{variable}"
            path.write_bytes(values.data)
            yield f"{projection}.{variable}={path}"

    def _value_arguments(self, chunk: Chunk, lengths: Mapping[str, int]) -> Iterator[str]:
        for name, value in self._parameter_values(chunk).items():
            yield f"{name}={float(value)!r}"
        for phase, steps in lengths.items():
            yield f"rhythm.steps_{phase}={steps}"
        yield f"rhythm.learning={chunk.learning}"

    def _execute(self, folder: Path, arguments: list[str], steps: int) -> None:
        results = f"{folder / 'results'}/"
        command = [str(self._project / "main"), "--results_dir", results, *arguments]
        status, complaint = self._run_program(command, steps)
        if -status in _INTERRUPTS:
            # a terminal's signal can reach the program before it has its own session; what to
            # make of it is the caller's to say, and the chunk can be run again
            status, complaint = self._run_program(command, steps)
        if status or complaint:
            raise BuildError(
                f"the compiled program failed ({_describe_status(status)}): "
                f"{complaint.splitlines()[0] if complaint else 'no message'}"
            )

    def _run_program(self, command: list[str], steps: int) -> tuple[int, str]:
        """Run the program once; its exit status, and what it complained of."""
        # a session of its own: an interrupt is the caller's to handle, not the program's
        process = subprocess.Popen(
            command,
            cwd=self._project,
            env={
                **os.environ,
                "NEUROSIM_STEPS": str(steps),
                # the program ends when this process is gone; see dense/templates/network.cpp
                "NEUROSIM_PARENT": str(os.getpid()),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process.returncode, (errors or output).strip()

    def _collect(self, folder: Path, cycles: int, lengths: Mapping[str, int]) -> ChunkResult:
        manifest = self._manifest
        flat = {
            (part.projection, part.variable): self._read(
                folder,
                manifest["weights"][f"{part.projection}.{part.variable}"],
                self._synapse_count(part.projection),
            )
            for weight in self.circuit.weights
            for part in weight.parts
        }
        readouts = {
            readout.name: self._read(
                folder,
                manifest["readouts"][readout.name],
                cycles * self.circuit.population(readout.population).size,
            ).reshape(cycles, -1)
            for readout in noted_readouts(self.circuit, lengths)
        }
        counts = {
            f"{population}.{event}": int(
                self._read(
                    folder,
                    manifest["counters"][f"{population}.{event}"],
                    self.circuit.population(population).size,
                ).sum()
            )
            for population, event in self._counted_events()
        }
        weights = join_weights(self.circuit, flat, self.dtype)
        return ChunkResult(weights, readouts, counts, seconds=0.0)

    def _collect_recorded(self, folder: Path, steps: int) -> dict[str, dict[str, NDArray[Any]]]:
        return {
            population: {
                variable: self._read(
                    folder, place, steps * self.circuit.population(population).size
                ).reshape(steps, -1)[:, self._cells.get(population, slice(None))]
                for variable, place in places.items()
            }
            for population, places in self._manifest["monitors"].items()
        }

    def _synapse_count(self, name: str) -> int:
        projection = self.circuit.projection(name)
        return self.circuit.population(projection.source).size * self.circuit.fan_out(projection)

    def _read(self, folder: Path, place: list[str], count: int) -> NDArray[Any]:
        filename, dtype = place
        path = folder / "results" / filename
        values = np.fromfile(path, dtype=dtype) if path.exists() else np.empty(0, dtype)
        if values.size != count:
            raise self._no_room(
                f"the compiled program left {values.size} of {count} values in {path}"
            )
        return values

    def _no_room(self, what: str) -> BuildError:
        try:
            room = f"the disk has {shutil.disk_usage(self._work).free / 2**20:.0f} MiB free"
        except OSError:
            room = "the folder is gone"
        return BuildError(f"{what}; {room}, make room or set TMPDIR elsewhere")


def _shortage(builds: Path) -> str:
    """What to add to a complaint if a disk is (nearly) full."""
    for folder, variable in ((builds, "NEUROSIM_CACHE"), (_temporary_base(), "TMPDIR")):
        free = shutil.disk_usage(folder).free / 2**20 if folder.exists() else 0
        if free < _SCARCE_MIB:
            return (
                f"; the disk of {folder} has {free:.0f} MiB free: make room, or set {variable} "
                "to another folder"
            )
    return ""


def _describe_status(status: int) -> str:
    if status < 0:
        return f"stopped by {signal.Signals(-status).name}"
    return f"status {status}"


def _generate(spec: Path, folder: Path) -> None:
    """Write the C++ project in a process of its own; see ``cpp_build``."""
    command = [sys.executable, "-m", "neurosim.backends.cpp.generate", str(spec), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == MISTAKE:
        raise CircuitError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        reason = next(
            (line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "?"
        )
        raise BuildError(f"the circuit could not be turned into C++: {reason}")


def _source_digest() -> str:
    """Hash of the engine's own source: a changed engine compiles anew."""
    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    folders = ("circuit", "backends")
    files = [file for name in folders for file in (package / name).rglob("*.*")]
    for file in sorted(f for f in files if f.suffix in (".py", ".cpp")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _remove_abandoned_builds(project: Path) -> None:
    """Remove what killed processes left half-built; the caller holds the lock of ``project``."""
    for folder in project.parent.glob(f"{_BUILDING}*-*"):
        key = folder.name.split("-")[1]
        if key == project.name:
            # who began this is gone, or else the lock would be with him
            shutil.rmtree(folder, ignore_errors=True)
        else:
            remove_unlocked(folder, project.with_name(f"{key}.lock"))


def _temporary_base() -> Path:
    # not what Python falls back to: whoever sets TMPDIR has a reason
    return Path(os.environ.get("TMPDIR") or tempfile.gettempdir()).absolute()


def _make_work_folder() -> tuple[Path, int]:
    """A folder for this process's chunks, and its lock; those of killed processes are removed."""
    base = _temporary_base()
    remove_abandoned(base, _WORK)
    try:
        return claim_folder(base, _WORK)
    except OSError as error:
        raise BuildError(
            f"cannot make a folder for temporary files in {base}: {error.strerror}; make room, "
            "or set TMPDIR to a folder that you can write to"
        ) from error
