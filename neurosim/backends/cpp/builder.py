"""Compiled programs: where they are kept, under which key, and how one is built.

Programs are kept in the user's cache folder (``NEUROSIM_CACHE`` names another), under a
key made of everything that was compiled: the circuit's structure, precision, versions,
the engine's own source, the compiler and the processor. Parameter values, weights, phase
lengths, images and the number of cycles are handed over when the program starts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.backends.cpp.compiler import (
    compile_project,
    compiler_flags,
    compiler_identity,
    find_compiler,
)
from neurosim.backends.cpp.work_folders import locked, remove_unlocked, temporary_base
from neurosim.circuit import Circuit
from neurosim.errors import BuildError, CircuitError

__all__ = [
    "MISTAKE",
    "Recipe",
    "cache_folder",
    "find_program",
    "generate_project",
    "remove_abandoned_builds",
]

#: Exit status of the generating process for a mistake in the circuit, told in one line on stderr.
MISTAKE = 3
#: With less room than this on its disk, a build that failed has probably run out of it.
_SCARCE_MIB = 32
_BUILDING = "building-"
#: Run as a program, never imported.
_GENERATOR = Path(__file__).with_name("generator_process.py")


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


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that a compiled program depends on, but for versions and the machine.

    Attributes
    ----------
    circuit : Circuit
        What it runs.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Most cycles of one run.
    dense : bool
        Whether all-to-all projections run as dense rows.
    record : mapping of str to sequence of str
        Variables to record in every step, by population.
    """

    circuit: Circuit
    dtype: str
    max_cycles: int
    dense: bool = True
    record: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    def spec(self) -> dict[str, Any]:
        """The recipe as plain data, for the generating process."""
        return dataclasses.asdict(self)

    def key(self, compiler: Sequence[str]) -> str:
        """Name of the program in the cache.

        Parameters
        ----------
        compiler : sequence of str
            From :func:`~neurosim.backends.cpp.compiler.find_compiler`.

        Returns
        -------
        str
            Differs when a program would have to be compiled anew.
        """
        parts = [
            self.circuit.digest(),
            self.dtype,
            str(self.max_cycles),
            str(self.dense),
            json.dumps(self.record, sort_keys=True),
            *(importlib.metadata.version(name) for name in ("brian2", "numpy", "sympy")),
            _source_digest(),
            compiler_identity(compiler),
            *compiler_flags(),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def find_program(recipe: Recipe) -> tuple[Path, float]:
    """The project folder of a compiled program, which is built if it is not at hand.

    Parameters
    ----------
    recipe : Recipe
        What to build. Of several threads and processes that ask at once, one builds.

    Returns
    -------
    project : Path
        Holds the program ``main`` and ``manifest.json``.
    seconds : float
        Wall time of the build; 0 if the program was at hand.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.
    BuildError
        If there is no compiler, or the program cannot be built or kept.
    """
    compiler = find_compiler()
    builds = cache_folder() / "builds"
    project = builds / recipe.key(compiler)
    try:
        builds.mkdir(parents=True, exist_ok=True)
        with locked(builds / f"{project.name}.lock"):
            if (project / "main").exists():
                return project, 0.0
            started = time.perf_counter()
            _check_programs_may_run(builds)
            remove_abandoned_builds(project)
            _build(recipe, project, compiler)
            return project, time.perf_counter() - started
    except OSError as error:
        raise BuildError(
            f"cannot keep compiled programs in {builds}: {error.strerror or error}; "
            "set NEUROSIM_CACHE to a folder with room that you can write to"
        ) from error


def _build(recipe: Recipe, project: Path, compiler: Sequence[str]) -> None:
    prefix = f"{_BUILDING}{project.name}-"
    with tempfile.TemporaryDirectory(dir=project.parent, prefix=prefix) as name:
        folder = Path(name) / "project"
        folder.mkdir()
        spec = Path(name) / "spec.json"
        spec.write_text(json.dumps(recipe.spec()))
        try:
            generate_project(spec, folder)
            compile_project(folder, compiler)
        except BuildError as error:
            raise BuildError(f"{error}{_shortage(project.parent)}") from error
        if project.exists():
            shutil.rmtree(project)
        folder.rename(project)


def generate_project(spec: Path, folder: Path) -> None:
    """Write the C++ project in a process of its own, which does not see the working folder.

    Parameters
    ----------
    spec : Path
        Holds :meth:`Recipe.spec` as JSON.
    folder : Path
        Where the project goes; it exists.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.
    BuildError
        If the process fails.
    """
    done = subprocess.run(
        [sys.executable, "-P", str(_GENERATOR), str(spec), str(folder)],
        # Brian2 reads a file of preferences in its working folder
        cwd=spec.parent,
        env={**os.environ, "PYTHONPATH": _search_path()},
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
    )
    if done.returncode == MISTAKE:
        raise CircuitError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        last = lines[-1] if lines else f"status {done.returncode}"
        reason = next((line for line in reversed(lines) if "Error" in line), last)
        raise BuildError(f"the circuit could not be turned into C++: {reason.strip()}")


def _search_path() -> str:
    """``$PYTHONPATH`` as it is meant here: the process starts in another folder."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(os.path.abspath(entry) for entry in entries if entry)


def _check_programs_may_run(builds: Path) -> None:
    """Refuse a folder on a file system that is mounted ``noexec``, before minutes are spent."""
    if os.statvfs(builds).f_flag & os.ST_NOEXEC:
        raise BuildError(
            f"programs may not run from {builds}, whose file system is mounted noexec; "
            "set NEUROSIM_CACHE to a folder elsewhere"
        )


def _shortage(builds: Path) -> str:
    """What to add to a complaint if a disk is (nearly) full."""
    for folder, variable in ((builds, "NEUROSIM_CACHE"), (temporary_base(), "TMPDIR")):
        free = shutil.disk_usage(folder).free / 2**20 if folder.exists() else 0
        if free < _SCARCE_MIB:
            return (
                f"; the disk of {folder} has {free:.0f} MiB free: make room, or set {variable} "
                "to another folder"
            )
    return ""


def _source_digest() -> str:
    """Hash of the engine's own source: a changed engine compiles anew."""
    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    folders = ("circuit", "backends")
    files = [file for name in folders for file in (package / name).rglob("*.*")]
    for file in sorted(f for f in files if f.suffix in (".py", ".cpp")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def remove_abandoned_builds(project: Path) -> None:
    """Remove what killed processes left half-built.

    Parameters
    ----------
    project : Path
        Project folder whose lock the caller holds; builds of others whose lock is held, or
        absent, stay.
    """
    for folder in project.parent.glob(f"{_BUILDING}*-*"):
        key = folder.name.split("-")[1]
        if key == project.name:
            # we hold its lock, so its owner is dead
            shutil.rmtree(folder, ignore_errors=True)
        else:
            remove_unlocked(folder, project.with_name(f"{key}.lock"))
