"""Compiled programs: the cache, temporary files, failures and interrupts."""

from __future__ import annotations

import fcntl
import gc
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import children_of, is_running
from oracles import deep_system, make_problem

from neurosim.backends.cpp import program
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.cpp.builder import Recipe, cache_folder, remove_abandoned_builds
from neurosim.backends.cpp.compiler import (
    find_compiler,
)
from neurosim.backends.interface import Chunk
from neurosim.errors import BuildError

#: A circuit that other files compile too.
SYSTEM = deep_system()
RECIPE = Recipe(SYSTEM.circuit(), "float64", 8)


def make_backend() -> CppBackend:
    return CppBackend(SYSTEM.circuit(), dtype="float64", max_cycles=8)


@pytest.fixture
def backend() -> Iterator[CppBackend]:
    with make_backend() as made:
        yield made


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 400 kB: room for generated code, but not for what is made of it."""
    return disk_of("400k")


# ------------------------------------------------------------------ the cache


def test_a_relative_cache_folder_is_that_of_the_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a program that is looked for below the folder it runs in."""
    built = cache_folder() / "builds"
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
    assert str(disk / "builds") in str(caught.value)
    script = disk / "main"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with pytest.raises(BuildError, match=r"cannot start .*main: Permission denied; set NEURO"):
        program.run_program(script, [], 1)


def test_a_full_disk_of_the_cache_is_named(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a complaint about the compiler, or about Brian2, when the disk is to blame."""
    monkeypatch.setenv("NEUROSIM_CACHE", str(small_disk))
    with pytest.raises(BuildError, match="MiB free: make room, or set NEUROSIM_CACHE") as caught:
        make_backend()
    assert str(small_disk / "builds") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.suffix for path in (small_disk / "builds").iterdir()] == [".lock"]


# ------------------------------------------------------------------ temporary files


@pytest.mark.parametrize("kind", ["absent", "a file"])
def test_an_unusable_folder_for_temporary_files_is_named(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a traceback, and files that silently go to another folder."""
    folder = tmp_path / "temporary"
    if kind == "a file":
        folder.write_text("")
    monkeypatch.setenv("TMPDIR", str(folder))
    with pytest.raises(BuildError, match="make room, or set TMPDIR") as caught:
        make_backend()
    assert str(folder) in str(caught.value)


def test_a_full_disk_for_temporary_files_is_named(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a traceback on a full disk, and silent use of another folder."""
    make_backend().close()
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "ballast").write_bytes(bytes(1_000_000))
    monkeypatch.setenv("TMPDIR", str(small_disk))
    with make_backend() as backend, pytest.raises(BuildError, match="set TMPDIR else") as caught:
        backend.run(make_problem(SYSTEM).chunk(learning=True))
    assert str(small_disk) in str(caught.value)
    # the compiler, too, has its temporary files there
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", compiler_without_room(tmp_path))
    with pytest.raises(BuildError, match="MiB free: make room, or set TMPDIR"):
        make_backend()


def compiler_without_room(folder: Path) -> str:
    """A compiler that describes itself but finds its disk full whatever it compiles."""
    script = folder / "g++"
    script.write_text(
        '#!/bin/sh\ncase "$*" in *-dM*) exit 0;; esac\necho error: no room >&2; exit 1\n'
    )
    script.chmod(0o755)
    return str(script)


def test_a_disk_that_fills_up_during_a_run_is_named(backend: CppBackend) -> None:
    """Guards against a traceback at the chunk for whose images there was no room."""
    folder = backend.work_folder / "job-0"
    folder.mkdir()
    (folder / "input_stimulus").symlink_to("/dev/full")
    with pytest.raises(BuildError, match=r"cannot write the input of a run.*set TMPDIR elsewhere"):
        backend.run(make_problem(SYSTEM).chunk(learning=True))


def test_a_work_folder_that_was_removed_is_made_again(backend: CppBackend) -> None:
    """Guards against a long run ended by a program that tidies /tmp."""
    chunk = make_problem(SYSTEM).chunk(learning=True)
    first = backend.run(chunk)
    shutil.rmtree(backend.work_folder)
    again = backend.run(chunk)
    assert again.weights["W_ff_0"].tobytes() == first.weights["W_ff_0"].tobytes()


LEFT_BEHIND = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_compiled_programs import make_backend
backend = make_backend()
print(backend.work_folder, flush=True)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def folder_of_another_process(how: str) -> Path:
    """Work folder of a process that made a back end, did not close it, and is gone."""
    command = [sys.executable, "-c", LEFT_BEHIND, str(Path(__file__).parent), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (-signal.SIGKILL if how == "killed" else 0), done.stderr
    return Path(done.stdout.strip())


def test_work_folders_go_with_their_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a disk that fills with the files of dead processes."""
    make_backend().close()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert not folder_of_another_process("ended").exists()
    dead = folder_of_another_process("killed")
    assert dead.exists()
    backend = make_backend()
    assert not dead.exists()
    work = backend.work_folder
    assert work.parent == tmp_path
    backend.run(make_problem(SYSTEM).chunk(learning=True))
    del backend
    gc.collect()
    assert not work.exists()
    assert not list(tmp_path.glob("*neurosim*"))


def test_the_work_folder_of_a_process_that_cannot_be_seen_stays(
    backend: CppBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against removing the files of a living run in another container."""
    monkeypatch.setenv("TMPDIR", str(backend.work_folder.parent))
    problem = make_problem(SYSTEM).chunk(learning=True)
    backend.run(problem)
    command = [sys.executable, "-c", LEFT_BEHIND, str(Path(__file__).parent), "ended"]
    # it sees no process but itself
    unseen = ["unshare", "--pid", "--fork", "--mount-proc", *command]
    done = subprocess.run(unseen, capture_output=True, text=True, check=False)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip(f"needs the right to start a container: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert (backend.work_folder / "job-0" / "results").is_dir()
    assert not Path(done.stdout.strip()).exists()


def test_builds_that_were_killed_are_removed_and_those_under_way_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half-built programs kept for ever, and removal of another's build."""
    builds = tmp_path / "builds"
    own = RECIPE.key(find_compiler())
    folders = [builds / f"building-{key}-abc" for key in (own, "dead", "alive", "unknown")]
    for folder in folders:
        (folder / "project").mkdir(parents=True)
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
    remove_abandoned_builds(builds / own)
    assert [folder.exists() for folder in folders] == [False, False, False, True]


def lasting_chunk() -> Chunk:
    """As much as one run may hold, which lasts for a second or more: time to interfere."""
    return make_problem(SYSTEM, images=8).chunk(learning=True, phases={"free": 990_000})


def disturb(monkeypatch: pytest.MonkeyPatch, times: int, *, after: float) -> list[int]:
    """Send a terminal's signal to the next programs started; return the list of those hit.

    ``after`` is the number of seconds between a program's start and the signal.
    """
    start, hit = subprocess.Popen, []

    def disturbed(*arguments: object, **options: object) -> subprocess.Popen[str]:
        process = start(*arguments, **options)
        if len(hit) < times:
            time.sleep(after)
            process.send_signal(signal.SIGINT)
            hit.append(process.pid)
        return process

    monkeypatch.setattr(program.subprocess, "Popen", disturbed)
    return hit


def test_a_signal_that_reaches_the_program_as_it_starts_costs_nothing(
    backend: CppBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against Ctrl-C in the moment before the program has a session of its own."""
    chunk = make_problem(SYSTEM).chunk(learning=True, phases={"free": 20_000})
    expected = backend.run(chunk)
    hit = disturb(monkeypatch, times=1, after=0.0)
    again = backend.run(chunk)
    assert len(hit) == 1
    assert again.weights["W_ff_0"].tobytes() == expected.weights["W_ff_0"].tobytes()


@pytest.mark.parametrize("after", [0.0, 0.01, 0.1], ids=["at once", "soon", "amid the run"])
def test_a_program_that_is_interrupted_again_and_again_is_given_up(
    backend: CppBackend, monkeypatch: pytest.MonkeyPatch, after: float
) -> None:
    """Guards against Brian2's handler, which ends a run with status 0 and half its results."""
    hit = disturb(monkeypatch, times=2, after=after)
    with pytest.raises(BuildError, match="stopped by SIGINT"):
        backend.run(lasting_chunk())
    assert len(hit) == 2


# ------------------------------------------------------------------ whose run it is

LONG_RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from test_compiled_programs import lasting_chunk, make_backend
with make_backend() as backend:
    backend.run(lasting_chunk())
"""


def test_a_killed_process_takes_its_program_along() -> None:
    """Guards against a program that runs on for minutes after its starter is killed."""
    make_backend().close()
    process = subprocess.Popen([sys.executable, "-c", LONG_RUN, str(Path(__file__).parent)])
    try:
        deadline = time.monotonic() + 60
        while not (programs := children_of(process.pid, "main")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # well inside the run, which takes seconds
        time.sleep(0.1)
        assert all(map(is_running, programs))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 10
    while any(map(is_running, programs)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_running, programs))


def test_a_program_whose_starter_is_gone_before_it_begins_does_not_begin(
    backend: CppBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a starter that is killed while its program is starting."""
    monkeypatch.setattr(program.os, "getpid", lambda: 1)
    with pytest.raises(BuildError, match="status 1"):
        backend.run(make_problem(SYSTEM).chunk(learning=True))
