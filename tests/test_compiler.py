"""Which compiler is called, with which flags, and what is said when it fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from oracles import assert_bitwise_equal, deep_system
from symmetric import OPENED, symmetric_circuit, symmetric_problem

from benchmarks.machine import describe_machine
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.cpp.compiler import (
    FLAGS,
    compile_library,
    compiler_flags,
    compiler_identity,
    compiler_version,
    find_compiler,
)
from neurosim.backends.cpp.library import _key
from neurosim.errors import BuildError
from neurosim.runs.provenance import environment

CIRCUIT = deep_system().circuit()


def test_the_flags_users_have_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against results that depend on optimisation: the tests use -O1."""
    results = []
    for flags in ("-O1", ""):
        monkeypatch.setenv("NEUROSIM_CXXFLAGS", flags)
        with CppBackend(symmetric_circuit(), **OPENED) as backend:
            results.append(backend.run(symmetric_problem(images=8)))
    assert_bitwise_equal(results[0].weights, results[1].weights)
    assert_bitwise_equal(results[0].readouts, results[1].readouts)


def test_flags_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a program compiled with other flags than those asked for."""
    keys = set()
    for flags in ("", "-O1", "-O1 -g", "-O1  -g"):
        monkeypatch.setenv("NEUROSIM_CXXFLAGS", flags)
        assert compiler_flags() == (*FLAGS, *flags.split())
        keys.add(_key(CIRCUIT, np.dtype("float64"), {}, ["g++"]))
    assert len(keys) == 3
    monkeypatch.setenv("NEUROSIM_CXXFLAGS", "'-O1")
    with pytest.raises(BuildError, match="NEUROSIM_CXXFLAGS='-O1 cannot be read: No closing quot"):
        compiler_flags()


def test_a_compiler_may_have_options_and_a_path_with_spaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a compiler behind another program, as in `env g++`."""
    script = tmp_path / "my compilers" / "g++"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    given = {
        "g++ -O1": (shutil.which("g++"), "-O1"),
        f"'{script}' -DX='a b'": (str(script), "-DX=a b"),
        str(script): (str(script),),
        f"env {script.name} -g": (shutil.which("env"), "g++", "-g"),
    }
    for text, command in given.items():
        monkeypatch.setenv("CXX", text)
        assert find_compiler() == command
    monkeypatch.setenv("CXX", "'g++")
    with pytest.raises(BuildError, match="CXX='g\\+\\+ cannot be read"):
        find_compiler()
    # an option may change what is compiled
    plain = compiler_identity([shutil.which("g++") or "g++"])
    assert compiler_identity([shutil.which("g++") or "g++", "-O1"]) != plain


def test_a_program_that_is_no_compiler_is_named(tmp_path: Path) -> None:
    """Guards against a complaint about the folder of compiled programs when CXX is to blame."""
    source = tmp_path / "program.cpp"
    source.write_text("int answer() { return 7; }\n")
    with pytest.raises(BuildError, match=r"true reported no error, but made no .* it is no C"):
        compile_library(source, tmp_path / "program.so", ["true"])


def test_a_compiler_that_says_what_is_no_text_is_quoted_as_well_as_may_be(tmp_path: Path) -> None:
    """Guards against the traceback of a decoder instead of the compiler's own words."""
    script = tmp_path / "g++"
    script.write_bytes(b"#!/bin/sh\nprintf 'error: caf\\351 missing' >&2\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(BuildError, match="failed with status 1: error: caf\ufffd missing"):
        compiler_identity([str(script)])


def write_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("#!/bin/sh\necho 'fast-c++ 3.1'\necho more\n", "fast-c++ 3.1"),
        ("#!/bin/sh\nexit 1\n", "none found"),
        ("#!/bin/sh\n", "none found"),
        (None, "none found"),
    ],
)
def test_the_compiler_named_is_the_one_that_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, expected: str
) -> None:
    """Guards against records of another compiler than the one that made the program."""
    # a path with a space, and a machine on which only one of the usual names is there
    for name, chosen in (("my compilers/c++", True), ("bin/clang++", False)):
        compiler = tmp_path / name
        if script is not None:
            write_script(compiler, script)
        monkeypatch.setenv("CXX", str(compiler) if chosen else "")
        monkeypatch.setenv("PATH", "/nonexistent" if chosen else str(compiler.parent))
        assert compiler_version() == expected
        assert environment()["compiler"] == expected
        assert describe_machine()["compiler"] == expected


def test_an_unreadable_setting_names_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against an unclosed quote in $CXX stopping a run that needs no compiler."""
    monkeypatch.setenv("CXX", "'g++")
    assert compiler_version() == "none found"


def test_a_c_compiler_in_place_of_a_cpp_compiler_is_named(tmp_path: Path) -> None:
    """Guards against pages of undefined references where CXX=gcc is to blame."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    source = tmp_path / "program.cpp"
    source.write_text("#include <iostream>\nvoid answer() { std::cout << 7; }\n")
    with pytest.raises(BuildError, match=r"^gcc compiles C\+\+ but .* name .*CXX=g\+\+") as caught:
        compile_library(source, tmp_path / "program.so", [gcc])
    assert "\n" not in str(caught.value)
