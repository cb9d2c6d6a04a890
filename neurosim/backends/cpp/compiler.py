"""Compile a generated C++ project into one program, quickly.

Brian2 writes about a hundred small files for a network like ours, each of
which includes the same large headers; compiling them one by one costs a
minute. They are put together into a few units, one per processor, and compiled
side by side.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from neurosim.errors import BuildError

__all__ = [
    "FLAGS",
    "compile_library",
    "compile_project",
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
    "-w",
)

#: Files whose code runs once, at the start or the end: optimising them takes longer than
#: anything else in a build, and gains nothing.
_RUN_ONCE = ("objects.cpp", "main.cpp", "run.cpp")
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


def compile_project(folder: Path, compiler: Sequence[str], *, jobs: int | None = None) -> Path:
    """Compile the project in ``folder``.

    Parameters
    ----------
    folder : Path
        A project written by Brian2's C++ standalone device.
    compiler : sequence of str
        From :func:`find_compiler`.
    jobs : int, optional
        Compilers run side by side; the number of processors by default.

    Returns
    -------
    Path
        The program.

    Raises
    ------
    BuildError
        If the compiler fails or makes no file; the message quotes the first error.
    """
    jobs = jobs or len(os.sched_getaffinity(0))
    command = [*compiler, *compiler_flags()]
    once = [folder / name for name in _RUN_ONCE]
    rest = [folder / name for name in ("network.cpp", "synapses_classes.cpp")]
    rest += sorted((folder / "brianlib").glob("*.cpp"))
    generated = sorted((folder / "code_objects").glob("*.cpp"))
    units = _write_units(folder, generated, max(jobs, 1))
    # the slowest first, so that no processor waits for it at the end
    outputs = _compile_all([*once, *units, *rest], folder, command, jobs)
    # the linker takes the first of several copies of an inline function: an optimised one
    outputs = [*outputs[len(once) :], *outputs[: len(once)]]
    program = folder / "main"
    _make(program, [*command, *(str(output.relative_to(folder)) for output in outputs)], folder)
    for output in outputs:
        output.unlink()
    return program


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
    command = [*compiler, *compiler_flags(), "-shared", "-fPIC", "-pthread", source.name]
    _make(output, command, source.parent)


def _write_units(folder: Path, files: Sequence[Path], count: int) -> list[Path]:
    units = []
    for number in range(count):
        unit = folder / f"unit_{number}.cpp"
        unit.write_text("\n".join(_isolated(file) for file in files[number::count]))
        units.append(unit)
    return units


def _isolated(file: Path) -> str:
    """Text of a generated file, with its helper functions in a namespace of its own."""
    text = file.read_text()
    space = f"support_{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}"
    if text.count("\nnamespace {") != 1:
        raise BuildError(
            f"{file.name} is not laid out as expected from the supported versions of Brian2"
        )
    text = text.replace("\nnamespace {", f"\nnamespace {space} {{", 1)
    return text.replace(
        "using namespace brian;", f"using namespace brian; using namespace {space};"
    )


def _compile_all(
    sources: Sequence[Path], folder: Path, command: Sequence[str], jobs: int
) -> list[Path]:
    outputs = [source.with_suffix(".o") for source in sources]

    def compile_one(pair: tuple[Path, Path]) -> None:
        source, output = pair
        level = ["-O0"] if source.name in _RUN_ONCE else []
        _make(output, [*command, *level, "-I.", "-c", str(source.relative_to(folder))], folder)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(compile_one, zip(sources, outputs, strict=True)))
    return outputs


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
