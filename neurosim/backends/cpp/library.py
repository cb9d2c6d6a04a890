"""Compile a lane program into a shared library, once, and load it.

Libraries are kept in the user's cache folder (``NEUROSIM_CACHE`` names another), under a
key made of everything that was compiled: the circuit's structure, precision, versions, the
engine's own source, the compiler and the processor. Parameter values, weights, phase
lengths and images are handed over at every call.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.cpp.compiler import (
    compile_library,
    compiler_flags,
    compiler_identity,
    find_compiler,
)
from neurosim.backends.cpp.locks import locked, remove_unlocked
from neurosim.backends.cpp.memory import LaneLayout
from neurosim.circuit import Circuit
from neurosim.errors import BuildError

__all__ = ["Library", "cache_folder", "open_library", "program_folder", "program_key"]

log = logging.getLogger("neurosim")

_SOURCE, _BINARY, _LAYOUT = "program.cpp", "program.so", "layout.json"
#: How the names of folders of builds under way begin.
_BUILDING = "building-"
#: With less room than this on its disk, a build that failed has probably run out of it.
_SCARCE_MIB = 32


def cache_folder() -> Path:
    """Where compiled programs are kept.

    Returns
    -------
    Path
        ``$NEUROSIM_CACHE`` or the user's cache folder; it may be absent yet.

    Raises
    ------
    BuildError
        If the user's cache folder is needed and there is no home folder.
    """
    import platformdirs

    chosen = os.environ.get("NEUROSIM_CACHE")
    try:
        folder = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("neurosim")
    except RuntimeError:
        folder = Path("~")
    if folder.parts[:1] == ("~",):
        raise BuildError(
            "there is no folder for compiled programs, since this user has no home folder: set "
            "NEUROSIM_CACHE to a folder that you can write to, or HOME"
        )
    # the programs are compiled and run in other folders than the current one
    return folder.absolute()


class Library:
    """A loaded program; it holds no data, so any number of callers may share it.

    Parameters
    ----------
    folder : Path
        Holds the library and its layout.

    Attributes
    ----------
    layout : LaneLayout
        Its arrays.

    Raises
    ------
    BuildError
        If it cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        self.layout = LaneLayout((folder / _LAYOUT).read_text())
        try:
            self._code = ctypes.CDLL(str(folder / _BINARY))
        except OSError as error:
            raise BuildError(
                f"the compiled program in {folder} cannot be loaded: {error}; if its file system "
                "is mounted noexec, set NEUROSIM_CACHE to a folder elsewhere, otherwise delete "
                "the folder"
            ) from error
        self._code.lane_bytes.restype = ctypes.c_size_t
        self._code.run_images.restype = ctypes.c_int64
        if self._code.lane_bytes() != self.layout.lane_bytes:
            raise BuildError(f"the compiled program in {folder} is damaged; delete the folder")

    def run(
        self,
        shared: Mapping[str, NDArray[np.generic]],
        lanes: NDArray[np.uint8],
        images: int,
        lengths: Sequence[int],
        *,
        batch: int | None,
        commits: int,
        threads: int,
        stop: ctypes.c_int,
    ) -> int:
        """Run images; Python's other threads go on meanwhile.

        Parameters
        ----------
        shared : mapping of str to ndarray
            Every shared array of the layout; results are written into them.
        lanes : ndarray of uint8, shape (n_lanes, lane_bytes)
            Memory of the lanes.
        images : int
            How many.
        lengths : sequence of int
            Steps of every phase.
        batch : int or None
            Images between two commits; None for a run without learning.
        commits : int
            Commits made before.
        threads : int
            Threads that share the work.
        stop : ctypes.c_int
            Set it to 1 to end the run within a step; its results are then of no use.

        Returns
        -------
        int
            Images that were run.
        """
        pointers = (ctypes.c_void_p * len(shared))(
            *(shared[name].ctypes.data for name in self.layout.shared)
        )
        return int(
            self._code.run_images(
                pointers,
                ctypes.c_void_p(lanes.ctypes.data),
                len(lanes),
                ctypes.c_int64(images),
                len(lengths),
                (ctypes.c_int * len(lengths))(*lengths),
                batch is not None,
                images if batch is None else batch,
                ctypes.c_int64(commits),
                threads,
                ctypes.byref(stop),
            )
        )


def open_library(
    circuit: Circuit, dtype: np.dtype[np.generic], record: Mapping[str, Sequence[str]]
) -> tuple[Library, float]:
    """The library of a circuit, which is compiled if it is not at hand.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    dtype : numpy.dtype
        Precision of states and weights.
    record : mapping of str to sequence of str
        Variables to record in every step, by population.

    Returns
    -------
    library : Library
        Loaded.
    seconds : float
        Wall time of generating and compiling; 0 if it was at hand.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.
    BuildError
        If there is no compiler, or the program cannot be compiled, kept or loaded.
    """
    compiler = find_compiler()

    def make(folder: Path) -> None:
        started = time.perf_counter()
        _write(circuit, dtype, record, folder)
        log.debug("wrote C++ in %.1f s", time.perf_counter() - started)
        log.debug("compiler: %s", " ".join((*compiler, *compiler_flags())))
        compile_library(folder / _SOURCE, folder / _BINARY, compiler)

    key = _key(circuit, dtype, record, compiler)
    log.debug("circuit %r in %s%s", circuit.name, dtype.name, ", recorded" if record else "")
    with program_folder(key, _BINARY, make) as (folder, seconds):
        return Library(folder), seconds


@contextmanager
def program_folder(
    key: str, binary: str, make: Callable[[Path], None]
) -> Iterator[tuple[Path, float]]:
    """The folder of a compiled program, which is made if it is not at hand.

    Parameters
    ----------
    key : str
        Name of the folder: differs for whatever must be compiled apart.
    binary : str
        A file that a complete folder has.
    make : callable
        Fills a folder.

    Yields
    ------
    folder : Path
        With a lock held for the length of the ``with`` block.
    seconds : float
        Wall time of making it; 0 if it was at hand.

    Raises
    ------
    BuildError
        If the program cannot be compiled, kept or loaded.
    """
    programs = cache_folder() / "programs"
    folder, seconds = programs / key, 0.0
    try:
        programs.mkdir(parents=True, exist_ok=True)
        with locked(programs / f"{folder.name}.lock"):
            if not (folder / binary).exists():
                started = time.perf_counter()
                _check_programs_may_run(programs)
                _remove_abandoned(folder)
                log.info("compiling the program of this circuit (once; kept in %s) ...", programs)
                _build(folder, make)
                seconds = time.perf_counter() - started
                log.info("compiled in %.0f s", seconds)
            log.debug("program: %s", folder)
            yield folder, seconds
    except OSError as error:
        raise BuildError(
            f"cannot keep compiled programs in {programs}: {error.strerror or error}; "
            "set NEUROSIM_CACHE to a folder with room that you can write to"
        ) from error


def _check_programs_may_run(builds: Path) -> None:
    """Refuse a folder on a file system that is mounted ``noexec``, before minutes are spent."""
    if os.statvfs(builds).f_flag & os.ST_NOEXEC:
        raise BuildError(
            f"programs may not run from {builds}, whose file system is mounted noexec; "
            "set NEUROSIM_CACHE to a folder elsewhere"
        )


def _shortage(folder: Path) -> str:
    """What to add to a complaint if a disk is (nearly) full."""
    free = shutil.disk_usage(folder).free / 2**20
    if free >= _SCARCE_MIB:
        return ""
    return (
        f"; the disk of {folder} has {free:.0f} MiB free: make room, or set NEUROSIM_CACHE to "
        "another folder"
    )


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left half-built; the caller holds the lock of ``folder``."""
    for left in folder.parent.glob(f"{_BUILDING}*-*"):
        key = left.name.split("-")[1]
        if key == folder.name:
            # we hold its lock, so its owner is dead
            shutil.rmtree(left, ignore_errors=True)
        else:
            remove_unlocked(left, folder.with_name(f"{key}.lock"))


def _key(
    circuit: Circuit,
    dtype: np.dtype[np.generic],
    record: Mapping[str, Sequence[str]],
    compiler: Sequence[str],
) -> str:
    return program_key(circuit, dtype, record, (compiler_identity(compiler), *compiler_flags()))


def program_key(
    circuit: Circuit,
    dtype: np.dtype[np.generic],
    record: Mapping[str, Sequence[str]],
    compiler: Sequence[str],
) -> str:
    """A name for a program that differs when it would have to be compiled anew.

    Parameters
    ----------
    circuit : Circuit
        What it runs.
    dtype : numpy.dtype
        Precision of states and weights.
    record : mapping of str to sequence of str
        Variables to record in every step, by population.
    compiler : sequence of str
        What compiles it, for which processor, and how.

    Returns
    -------
    str
        Letters and digits.
    """
    parts = [
        circuit.digest(),
        dtype.name,
        json.dumps(record, sort_keys=True),
        *(importlib.metadata.version(name) for name in ("brian2", "numpy", "sympy")),
        _source_digest(),
        *compiler,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _source_digest() -> str:
    """Hash of the engine's own source: a changed engine compiles anew."""
    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for name in ("circuit", "backends"):
        for file in sorted((package / name).rglob("*.*")):
            if file.suffix in (".py", ".h", ".inc"):
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _write(
    circuit: Circuit,
    dtype: np.dtype[np.generic],
    record: Mapping[str, Sequence[str]],
    folder: Path,
) -> None:
    # Brian2 is slow to import, and needed for a new program only
    from neurosim.backends.brian.preferences import brian2_settings
    from neurosim.backends.cpp.generate import generate

    with brian2_settings(dtype):
        real = "float" if dtype == np.float32 else "double"
        program = generate(circuit, real=real, record=record)
    (folder / _SOURCE).write_text(program.text)
    (folder / _LAYOUT).write_text(program.layout())


def _build(folder: Path, make: Callable[[Path], None]) -> None:
    """Make a folder beside its place, and move it there when it is complete."""
    prefix = f"{_BUILDING}{folder.name}-"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as name:
        made = Path(name) / "program"
        made.mkdir()
        try:
            make(made)
        except BuildError as error:
            raise BuildError(f"{error}{_shortage(folder.parent)}") from error
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(made, folder)
