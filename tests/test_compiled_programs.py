"""Compiled programs: the cache, and what is said when there is no room for it."""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from oracles import deep_system, make_problem

from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.cpp.compiler import find_compiler
from neurosim.backends.cpp.library import _key, _remove_abandoned, cache_folder
from neurosim.errors import BuildError

#: A circuit that other files compile too.
SYSTEM = deep_system()


def make_backend() -> CppBackend:
    return CppBackend(SYSTEM.circuit(), dtype="float64", max_cycles=8)


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 224 kB: room for generated code, but not for what is made of it."""
    return disk_of("224k")


# ------------------------------------------------------------------ the cache


def test_a_relative_cache_folder_is_that_of_the_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a program that is looked for below the folder it runs in."""
    built = cache_folder() / "programs"
    make_backend().close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("NEUROSIM_CACHE", os.path.relpath(built.parent))
    assert cache_folder().is_absolute()
    with make_backend() as backend:
        assert backend.build_seconds == 0
        result = backend.run(make_problem(SYSTEM).chunk(learning=True))
    assert result.readouts["answer"].shape == (3, 3)


def test_the_home_folder_may_be_abbreviated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a folder called ~, made where the program happens to run."""
    monkeypatch.setenv("NEUROSIM_CACHE", "~/programs")
    assert cache_folder() == Path.home() / "programs"


def test_a_user_without_a_home_needs_a_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a folder named ~ in the working folder, and a traceback in a container."""
    monkeypatch.setattr(pwd, "getpwuid", lambda user: {}[user])
    for name in ("HOME", "NEUROSIM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for given in ("", "~/programs"):
        monkeypatch.setenv("NEUROSIM_CACHE", given)
        with pytest.raises(BuildError, match=r"no home folder: set NEUROSIM_CACHE .* or HOME"):
            cache_folder()
    monkeypatch.setenv("NEUROSIM_CACHE", "/programs")
    assert cache_folder() == Path("/programs")


def test_a_cache_from_which_no_program_may_run_is_named(
    disk_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a traceback after a minute of compiling for a file system mounted noexec."""
    disk = disk_of("1m,noexec")
    monkeypatch.setenv("NEUROSIM_CACHE", str(disk))
    with pytest.raises(BuildError, match="mounted noexec; set NEUROSIM_CACHE") as caught:
        make_backend()
    assert str(disk / "programs") in str(caught.value)


def test_a_full_disk_of_the_cache_is_named(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a complaint about the compiler, or about Brian2, when the disk is to blame."""
    monkeypatch.setenv("NEUROSIM_CACHE", str(small_disk))
    with pytest.raises(BuildError, match="MiB free: make room, or set NEUROSIM_CACHE") as caught:
        make_backend()
    assert str(small_disk / "programs") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.suffix for path in (small_disk / "programs").iterdir()] == [".lock"]


def compiler_without_room(folder: Path) -> str:
    """A compiler that describes itself but finds its disk full whatever it compiles."""
    script = folder / "g++"
    script.write_text(
        '#!/bin/sh\ncase "$*" in *-dM*) exit 0;; esac\necho error: no room >&2; exit 1\n'
    )
    script.chmod(0o755)
    return str(script)


def test_builds_that_were_killed_are_removed_and_those_under_way_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half-built programs kept for ever, and removal of another's build."""
    builds = tmp_path / "programs"
    own = _key(SYSTEM.circuit(), np.dtype("float64"), {}, find_compiler())
    folders = [builds / f"building-{key}-abc" for key in (own, "dead", "alive", "unknown")]
    for folder in folders:
        (folder / "program").mkdir(parents=True)
    for key in ("dead", "alive"):
        (builds / f"{key}.lock").touch()
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", compiler_without_room(tmp_path))
    with (builds / "alive.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BuildError, match="no room"):
            make_backend()
    # the failing compiler's own key is another one: its build removes that of nobody
    assert [folder.exists() for folder in folders] == [True, False, True, True]
    (builds / f"{own}.lock").touch()
    _remove_abandoned(builds / own)
    assert [folder.exists() for folder in folders] == [False, False, False, True]


def test_a_damaged_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a traceback, or a crash, where a disk has lost half a file."""
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "before"))
    make_backend().close()
    # a process loads a library once, so another folder, and another file
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "after"))
    (binary,) = tmp_path.rglob("program.so")
    binary.unlink()
    binary.write_bytes(b"half")
    with pytest.raises(BuildError, match=r"cannot be loaded.*delete the folder"):
        make_backend()
