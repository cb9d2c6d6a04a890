"""The C++ compiler: which one, with which flags, and what to say when it fails."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from neurosim.errors import BuildError

__all__ = [
    "FLAGS",
    "compile_library",
    "compiler_flags",
    "compiler_identity",
    "compiler_version",
    "find_compiler",
]

#: Nothing here changes a result. No fast-math; products and sums are not fused where the
#: compiler sees fit, so that two ways of writing a loop, and two processors, agree bit for bit;
#: no-math-errno and no-trapping-math only let loops with comparisons vectorise.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    # loops that are marked as sums may add in another order, always the same
    "-fopenmp-simd",
    "-w",
)

#: A name without a definition is an error here, not when the library is loaded.
_LIBRARY = ("-shared", "-fPIC", "-pthread", "-Wl,--no-undefined" if sys.platform == "linux"
            else "-Wl,-undefined,error")  # fmt: skip
_USUAL = (("g++",), ("clang++",), ("c++",))
#: What linkers say if they are called by the name of a C compiler.
_NO_LIBRARY = re.compile(r"undefined (reference to|symbol:) [`']?(std::|operator new)")
#: Seconds after which a compiler is taken to have no answer to ``--version``.
_VERSION_TIMEOUT_S = 10.0
_INSTALL_HINT = (
    "install one, e.g. `sudo apt-get install g++` (Debian, Ubuntu), `sudo dnf install gcc-c++` "
    "(Fedora), `conda install -c conda-forge cxx-compiler`, or name yours in CXX; "
    "or use --backend runtime, which needs none"
)


def compiler_flags() -> tuple[str, ...]:
    """:data:`FLAGS`, and after them those of ``$NEUROSIM_CXXFLAGS``.

    Returns
    -------
    tuple of str
        Options of every call of the compiler.

    Raises
    ------
    BuildError
        If the variable has an unclosed quote.
    """
    return (*FLAGS, *_split("NEUROSIM_CXXFLAGS", os.environ.get("NEUROSIM_CXXFLAGS", "")))


def find_compiler() -> tuple[str, ...]:
    """The C++ compiler: ``$CXX`` if set, else g++, clang++ or c++ from the path.

    Returns
    -------
    tuple of str
        Path of the program, followed by the other words of ``$CXX``.

    Raises
    ------
    BuildError
        If there is none; the message names what to install.
    """
    chosen = os.environ.get("CXX", "").strip()
    # a path with spaces needs no quotes, if there is such a program
    whole = chosen and shutil.which(chosen)
    commands = [(chosen,) if whole else _split("CXX", chosen)] if chosen else list(_USUAL)
    for name, *options in commands:
        found = shutil.which(name)
        if found:
            # the compiler is called in other folders than the current one
            return (os.path.abspath(found), *options)
    looked = " or ".join(command[0] for command in commands)
    raise BuildError(f"no C++ compiler found (looked for {looked}); {_INSTALL_HINT}")


def _split(variable: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise BuildError(f"{variable}={text} cannot be read: {error}") from error


def compiler_version() -> str:
    """Version line of the compiler that :func:`find_compiler` names, for records.

    Returns
    -------
    str
        For example ``"g++ (Debian 12.2.0-14) 12.2.0"``; ``"none found"`` where there is no
        compiler, or none that answers.
    """
    try:
        done = subprocess.run(
            [*find_compiler(), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
            check=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (BuildError, OSError, subprocess.SubprocessError):
        return "none found"
    lines = done.stdout.splitlines()
    return lines[0].strip() if lines else "none found"


def compiler_identity(compiler: Sequence[str]) -> str:
    """Description of a compiler and the processor it compiles for.

    Parameters
    ----------
    compiler : sequence of str
        From :func:`find_compiler`.

    Returns
    -------
    str
        Text that differs when a program would have to be compiled anew.

    Raises
    ------
    BuildError
        If the compiler cannot be run.
    """
    probe = [*compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    return "\0".join((*compiler[1:], _run(probe, Path(os.sep)).stdout))


def compile_library(source: Path, output: Path, compiler: Sequence[str]) -> None:
    """Compile one source file into a shared library.

    Parameters
    ----------
    source, output : Path
        In the same folder.
    compiler : sequence of str
        From :func:`find_compiler`.

    Raises
    ------
    BuildError
        If the compiler fails, or makes nothing; the first error is in the message.
    """
    command = [*compiler, *compiler_flags(), *_LIBRARY, source.name]
    _make(output, command, source.parent)


def _make(output: Path, command: Sequence[str], folder: Path) -> None:
    _run([*command, "-o", str(output.relative_to(folder))], folder)
    if not output.is_file():
        raise BuildError(
            f"{Path(command[0]).name} reported no error, but made no {output.name}: it is no C++ "
            f"compiler; {_INSTALL_HINT}"
        )


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            # a compiler may quote bytes that are no valid text
            errors="replace",
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise BuildError(f"cannot run {command[0]!r}: {error}; {_INSTALL_HINT}") from error
    if done.returncode:
        raise BuildError(_complaint(command, done.returncode, done.stderr))
    return done


def _complaint(command: Sequence[str], status: int, output: str) -> str:
    """One line for a compiler that failed."""
    name = Path(command[0]).name
    if _NO_LIBRARY.search(output):
        return (
            f"{name} compiles C++ but does not link its standard library; name the C++ compiler, "
            "e.g. CXX=g++ (not gcc) or CXX=clang++ (not clang)"
        )
    errors = [line for line in output.splitlines() if "error" in line.lower()]
    first = errors[0] if errors else (output.strip().splitlines() or ["no message"])[-1]
    return f"{name} failed with status {status}: {first.strip()}"
