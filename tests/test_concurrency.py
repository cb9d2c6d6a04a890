"""Many callers of one back end: each gets the answer to its own question, nothing is left."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import brian2 as b2
import pytest
from oracles import assert_bitwise_equal
from symmetric import EVERYWHERE, OPENED, symmetric_circuit, symmetric_problem

from neurosim.backends import open_backend
from neurosim.backends.cpp import library
from neurosim.backends.interface import Backend, Chunk, ChunkResult
from neurosim.errors import BuildError

CALLS = 24
#: No two questions have the same answer.
QUESTIONS = [symmetric_problem(images=1 + seed % 4, seed=seed) for seed in range(8)]
#: Seconds after which a child of a test is ended: it hangs.
PATIENCE = 120

every_backend = pytest.mark.parametrize("name", EVERYWHERE)


def open_symmetric(name: str) -> Backend:
    return open_backend(name, symmetric_circuit(), **OPENED)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A TMPDIR of its own, in which nothing of neurosim is left at the end."""
    # the compiler's temporary files are not meant
    open_symmetric("cpp").close()
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert list(folder.glob("*neurosim*")) == []


def assert_same_result(result: ChunkResult, expected: ChunkResult) -> None:
    assert_bitwise_equal(result.weights, expected.weights)
    assert_bitwise_equal(result.readouts, expected.readouts)
    assert_bitwise_equal(result.trajectories["upper"], expected.trajectories["upper"])
    assert result.event_counts == expected.event_counts


# ------------------------------------------------------------------ threads


@every_backend
def test_calls_from_threads_equal_calls_one_after_the_other(name: str, temporary: Path) -> None:
    """Guards against answers that belong to other calls: the files of all lay in one folder."""
    with open_symmetric(name) as backend:
        expected = [backend.run(chunk) for chunk in QUESTIONS]
        assert len({result.weights["W"].tobytes() for result in expected}) == len(QUESTIONS)
        with ThreadPoolExecutor(12) as pool:
            results = list(pool.map(backend.run, QUESTIONS * (CALLS // len(QUESTIONS))))
        for number, result in enumerate(results):
            assert_same_result(result, expected[number % len(QUESTIONS)])


def test_of_two_threads_that_need_one_program_one_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against compiling twice what two threads need at once."""
    real, builds, both = library._build, [], threading.Barrier(2)

    def build(*given: object) -> None:
        builds.append(given)
        real(*given)  # type: ignore[arg-type]

    def find() -> float:
        both.wait()
        with open_symmetric("cpp") as backend:
            return backend.build_seconds

    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path))
    monkeypatch.setattr(library, "_build", build)
    with ThreadPoolExecutor(2) as pool:
        found = [future.result() for future in [pool.submit(find), pool.submit(find)]]
    assert len(builds) == 1
    assert sorted(seconds > 0 for seconds in found) == [False, True]


def test_closing_leaves_the_runs_of_other_threads_alone(temporary: Path) -> None:
    """Guards against a program that is taken away below a run."""
    chunk = long_chunk()
    with open_symmetric("cpp") as other, open_symmetric("cpp") as backend:
        expected = other.run(chunk)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(backend.run, chunk)
            backend.close()
            with pytest.raises(BuildError, match="closed; open another"):
                backend.run(chunk)
            try:
                result = running.result()
            except BuildError:
                # closed before the run began
                return
        assert_same_result(result, expected)


def long_chunk() -> Chunk:
    """Takes a compiled program some tenths of a second."""
    chunk = QUESTIONS[3]
    return Chunk(chunk.inputs, chunk.weights, phases={"only": 20_000}, learning=True)


# ------------------------------------------------------------------ copies


@every_backend
def test_copies_and_pickles_are_back_ends_of_their_own(name: str, temporary: Path) -> None:
    """Guards against copies that share files or Brian2's objects, and settings lost on the way."""
    ways: tuple[Callable[[Backend], Backend], ...] = (
        copy.copy,
        copy.deepcopy,
        lambda backend: pickle.loads(pickle.dumps(backend)),
    )
    chunk = QUESTIONS[0]
    for way in ways:
        original = open_symmetric(name)
        expected = original.run(chunk)
        other = way(original)
        assert type(other) is type(original)
        assert other.build_seconds < 5
        original.close()
        with pytest.raises(BuildError, match="closed; open another"):
            original.run(chunk)
        assert_same_result(other.run(chunk), expected)
        other.close()


# ------------------------------------------------------------------ processes

_inherited: dict[str, Backend] = {}


def answers_of(opened: dict[str, Backend], chunks: list[Chunk]) -> dict[str, list[ChunkResult]]:
    """Answers of the back ends handed over, or of those inherited, from several threads."""
    with ThreadPoolExecutor(3) as pool:
        return {
            name: list(pool.map(backend.run, chunks))
            for name, backend in (opened or _inherited).items()
        }


@pytest.mark.parametrize("method", ["inherited by fork", "fork", "spawn"])
def test_processes_get_the_answers_of_their_own_calls(method: str, temporary: Path) -> None:
    """Guards against a child that writes into its parent's files, or removes them when it ends."""
    opened = {name: open_symmetric(name) for name in EVERYWHERE}
    expected = {name: [b.run(chunk) for chunk in QUESTIONS] for name, b in opened.items()}
    given = {} if "inherited" in method else opened
    _inherited.update(opened)
    context = multiprocessing.get_context(method.split()[-1])
    # a spawned process imports everything anew
    number = 1 if method == "spawn" else 2
    with ProcessPoolExecutor(number, mp_context=context) as pool:
        halves = [pool.submit(answers_of, given, part) for part in (QUESTIONS[:4], QUESTIONS[4:])]
        ours = answers_of(opened, QUESTIONS)
        theirs = [half.result(timeout=PATIENCE) for half in halves]
    _inherited.clear()
    for name in EVERYWHERE:
        for results in (ours[name], theirs[0][name] + theirs[1][name]):
            for result, right in zip(results, expected[name], strict=True):
                assert_same_result(result, right)
        opened[name].close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_forked_amid_the_runs_of_threads_can_run(temporary: Path) -> None:
    """Guards against a child stuck with the locks and settings of its parent's threads."""
    opened = {name: open_symmetric(name) for name in EVERYWHERE}
    chunk, preferences = QUESTIONS[1], dict(b2.prefs)
    expected = {name: backend.run(chunk) for name, backend in opened.items()}
    stop = threading.Event()

    def keep_running(backend: Backend) -> None:
        while not stop.is_set():
            backend.run(chunk)

    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(keep_running, backend) for backend in opened.values()]
        try:
            wait_until_brian2_runs()
            child = os.fork()
            if child == 0:
                os._exit(child_status(opened, chunk, expected, preferences))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        finally:
            stop.set()
        for thread in busy:
            thread.result()
    for name, backend in opened.items():
        assert_same_result(backend.run(chunk), expected[name])
        backend.close()


def wait_until_brian2_runs() -> None:
    while not b2.Network._globally_running:
        time.sleep(0)


def child_status(
    opened: dict[str, Backend],
    chunk: Chunk,
    expected: dict[str, ChunkResult],
    preferences: dict[str, object],
) -> int:
    """What the child finds: 0 if all is well; never a return into pytest."""
    signal.alarm(PATIENCE)
    try:
        assert dict(b2.prefs) == preferences
        for name, backend in opened.items():
            assert_same_result(backend.run(chunk), expected[name])
            backend.close()
    except BaseException:
        return 1
    return 0


# ------------------------------------------------------------------ the cache


def test_a_program_that_was_removed_goes_on_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a long run ended by somebody who tidies the cache."""
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path))
    with open_symmetric("cpp") as backend:
        expected = backend.run(QUESTIONS[0])
        shutil.rmtree(tmp_path / "programs")
        assert_same_result(backend.run(QUESTIONS[0]), expected)
