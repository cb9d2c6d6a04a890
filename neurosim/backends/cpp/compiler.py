"""Compile a generated C++ project into one program, quickly.

Brian2 writes about a hundred small files for a network like ours, each of
which includes the same large headers; compiling them one by one costs a
minute. They are put together into a few units, one per processor, and compiled
side by side. Where ``ccache`` is installed, it is asked first: a program whose
key in neurosim's own cache changed, but whose code did not, is at hand at once.
"""

from __future__ import annotations

import hashlib
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
    "compile_project",
    "compiler_cache",
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

_USUAL = (("g++",), ("clang++",), ("c++",))
#: Programs that stand before a compiler and keep what it made.
_CACHES = frozenset({"ccache", "sccache", "distcc"})
#: A compiler that has not told its version by then will not.
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
        Path of the compiler, followed by the options that ``$CXX`` gives it;
        ``"ccache g++"`` is a program with an option, too.

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
            return (found, *options)
    looked = " or ".join(command[0] for command in commands)
    raise BuildError(f"no C++ compiler found (looked for {looked}); {_INSTALL_HINT}")


def _split(variable: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise BuildError(f"{variable}={text} cannot be read: {error}") from error


def compiler_version() -> str:
    """The first line of what :func:`find_compiler`'s compiler tells of itself, for records.

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


def compiler_cache(compiler: Sequence[str]) -> tuple[str, ...]:
    """``ccache``, to be put before a compiler; nothing if there is none, or one already.

    Parameters
    ----------
    compiler : sequence of str
        From :func:`find_compiler`.

    Returns
    -------
    tuple of str
        Path of the program, or nothing; ``NEUROSIM_CCACHE=0`` leaves it out.
    """
    if os.environ.get("NEUROSIM_CCACHE") == "0":
        return ()
    # a link of the compiler's name may lead to ccache, too
    named = {name for part in compiler for name in (Path(part).name, Path(part).resolve().name)}
    found = None if named & _CACHES else shutil.which("ccache")
    return (found,) if found else ()


def compiler_identity(compiler: Sequence[str]) -> str:
    """Version and processor flags of a compiler: what makes a compiled program reusable.

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
    return "\0".join((*compiler[1:], _run(probe, Path.cwd()).stdout))


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
        If the compiler fails, or makes nothing; the first error is in the message.
    """
    jobs = jobs or len(os.sched_getaffinity(0))
    command = [*compiler, *compiler_flags()]
    cached = [*_cached(compiler), *command[1:]]
    sources = [folder / "objects.cpp", folder / "main.cpp"]
    rest = [folder / name for name in ("network.cpp", "run.cpp", "synapses_classes.cpp")]
    rest += sorted((folder / "brianlib").glob("*.cpp"))
    generated = sorted((folder / "code_objects").glob("*.cpp"))
    units = _write_units(folder, generated, max(jobs, 1))
    outputs = _compile_all([*units, *sources, *rest], folder, cached, jobs)
    program = folder / "main"
    _make(program, [*command, *(str(output.relative_to(folder)) for output in outputs)], folder)
    for output in outputs:
        output.unlink()
    return program


def _write_units(folder: Path, files: Sequence[Path], count: int) -> list[Path]:
    units = []
    for number in range(count):
        unit = folder / f"unit_{number}.cpp"
        unit.write_text("\n".join(_isolated(file) for file in files[number::count]))
        units.append(unit)
    return units


def _isolated(file: Path) -> str:
    """A generated file whose helper functions live in a namespace of their own."""
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
        # relative: what ccache has kept must not depend on where a project lies
        _make(output, [*command, "-I.", "-c", str(source.relative_to(folder))], folder)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(compile_one, zip(sources, outputs, strict=True)))
    return outputs


def _cached(compiler: Sequence[str]) -> tuple[str, ...]:
    """The compiler, after ccache where there is one."""
    cache = compiler_cache(compiler)
    if not cache:
        return (compiler[0],)
    # -march=native names no processor: machines that share ccache's folder must not share code
    identity = hashlib.sha256(compiler_identity(compiler).encode()).hexdigest()[:16]
    return (*cache, compiler[0], f"-DNEUROSIM_COMPILER={identity}")


def _make(output: Path, command: Sequence[str], folder: Path) -> None:
    _run([*command, "-o", str(output.relative_to(folder))], folder)
    if not output.is_file():
        raise BuildError(
            f"{_name(command)} reported no error, but made no {output.name}: it is no C++ "
            f"compiler; {_INSTALL_HINT}"
        )


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            # what a compiler quotes from its surroundings may be no text
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise BuildError(f"cannot run {command[0]!r}: {error}; {_INSTALL_HINT}") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        first = errors[0] if errors else (done.stderr.strip().splitlines() or ["no message"])[-1]
        name = _name(command)
        hint = "" if name == Path(command[0]).name else "; NEUROSIM_CCACHE=0 leaves ccache out"
        raise BuildError(f"{name} failed with status {done.returncode}: {first.strip()}{hint}")
    return done


def _name(command: Sequence[str]) -> str:
    """Name of the program called; of ccache and a compiler, the compiler's."""
    first, second, *_ = (*(Path(part).name for part in command), "")
    return second if first in _CACHES and second else first
