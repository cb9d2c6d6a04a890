"""The user's Brian2 and ours: neither changes a result, a program or a setting of the other."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np
import pytest
from brian2.devices.device import reset_device
from oracles import assert_bitwise_equal, check_learning, make_problem, small_system
from symmetric import OPENED, symmetric_circuit, symmetric_loops, symmetric_problem

from neurosim.backends import open_backend
from neurosim.backends.brian import preferences
from neurosim.backends.brian.parsing_cache import _CALLERS
from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.cpp.generate import generate
from neurosim.backends.interface import Backend, Chunk
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.errors import CircuitError

SYSTEM = small_system()

#: Settings of a user, each of which has changed a result or broken a build.
USERS = {
    "codegen.cpp.extra_compile_args_gcc": ["-O0", "-ffast-math"],
    "codegen.cpp.headers": ["<no_such_header>"],
    "codegen.loop_invariant_optimisations": False,
    "codegen.target": "cython",
    "core.default_float_dtype": np.float32,
    "core.network.default_schedule": ["end", "start", "groups", "synapses", "thresholds", "resets"],
    "devices.cpp_standalone.openmp_threads": 2,
}


def in_a_file(value: object) -> str:
    """A preference as Brian2 reads it from a file."""
    return value.__name__ if isinstance(value, type) else repr(value)


# ------------------------------------------------------------------ settings in the process


@pytest.fixture
def users_brian2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process whose user has set everything in another way."""
    for name, value in USERS.items():
        monkeypatch.setitem(b2.prefs, name, value)
    b2.set_device("cpp_standalone", build_on_run=False)
    yield
    reset_device()


def brian2_now() -> tuple[Any, ...]:
    return (
        b2.get_device(),
        b2.get_device().build_on_run,
        dict(b2.prefs),
        b2.Network._globally_running,
    )


@pytest.mark.usefixtures("users_brian2")
def test_settings_of_the_process_change_no_result_and_stay() -> None:
    """Guards against errors of the user's device, and sums in another order."""
    before, chunk = brian2_now(), symmetric_problem()
    expected = symmetric_loops(chunk.weights, chunk.inputs["image"])
    with open_backend("runtime", symmetric_circuit(), **OPENED) as backend:
        assert brian2_now() == before
        result = backend.run(chunk)
        assert brian2_now() == before
    assert result.weights["W"].dtype == np.float64
    np.testing.assert_allclose(result.weights["W"], expected.weights["W"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        result.trajectories["upper"]["r"], expected.trajectories["upper"]["r"], rtol=0, atol=1e-12
    )
    assert result.event_counts == expected.event_counts


@pytest.mark.usefixtures("users_brian2")
def test_settings_are_put_back_after_an_exception() -> None:
    """Guards against our settings in the user's Brian2 after a mistake in a circuit."""
    before = brian2_now()
    with pytest.raises(CircuitError):
        run_broken("z_post += w*(r_pre - sent_pre)")
    assert brian2_now() == before
    with pytest.raises(ZeroDivisionError):
        fail_amid_our_settings()
    assert brian2_now() == before


def fail_amid_our_settings() -> None:
    with brian2_settings(np.dtype("float32")):
        assert b2.prefs.core.default_float_dtype is np.float32
        assert b2.prefs.codegen.target == "numpy"
        raise ZeroDivisionError


def test_brian2s_default_clock_is_left_as_the_user_set_it() -> None:
    """Guards against a simulation that changes the time step of a user's own Brian2 code."""
    before = b2.defaultclock.dt
    try:
        b2.defaultclock.dt = 0.25 * b2.ms
        with RuntimeBackend(small_system().circuit(), dtype="float64", max_cycles=3) as backend:
            backend.run(make_problem(small_system()).chunk(learning=False))
        assert float(b2.defaultclock.dt) == pytest.approx(0.25e-3, rel=1e-12)
    finally:
        b2.defaultclock.dt = before


def test_systems_of_different_time_steps_do_not_disturb_each_other() -> None:
    """Guards against a second simulator that halves the time step of the first."""
    before = b2.defaultclock.dt
    system, finer = small_system(), small_system(dt=0.5)
    problem = make_problem(system)
    try:
        with (
            RuntimeBackend(system.circuit(), dtype="float64", max_cycles=3) as one,
            RuntimeBackend(finer.circuit(), dtype="float64", max_cycles=3) as two,
        ):
            check_learning(one, system, problem)
            check_learning(two, finer, problem)
            check_learning(one, system, problem)
    finally:
        b2.defaultclock.dt = before


# ------------------------------------------------------------------ files in the working folder


GENERATE = """
import sys
import numpy as np
sys.path.insert(1, sys.argv[1])
from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.cpp.generate import generate
from neurosim.backends.cpp.generate import generate
from symmetric import symmetric_circuit
with brian2_settings(np.dtype("float64")):
    print(generate(symmetric_circuit(), real="double").text)
"""


def generated() -> str:
    """The program of the symmetric circuit, written by another process in this folder."""
    command = [sys.executable, "-P", "-c", GENERATE, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_of_the_user_change_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against programs built with a user's preferences, and modules of the working folder.

    A student's ``random.py`` was imported in place of Python's, and a file of preferences in
    the working folder, or in the home folder, changed programs that others are served.
    """
    with brian2_settings(np.dtype("float64")):
        expected = generate(symmetric_circuit(), real="double").text + "\n"
    work, home = tmp_path / "work", tmp_path / "home"
    (home / ".brian").mkdir(parents=True)
    (work / "neurosim").mkdir(parents=True)
    for name in ("random", "string", "queue", "numpy", "brian2", "neurosim/__init__"):
        (work / f"{name}.py").write_text("raise ImportError('not this one')")
    settings = "".join(f"{name} = {in_a_file(value)}\n" for name, value in USERS.items())
    (work / "brian_preferences").write_text(settings)
    (home / ".brian" / "user_preferences").write_text(settings)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    assert generated() == expected


# ------------------------------------------------------------------ messages


def run_broken(code: str) -> None:
    """Run the symmetric circuit with another statement in place of its first delivery."""
    circuit = symmetric_circuit()
    joined, *others = circuit.projections
    up, *pathways = joined.pathways
    changed = dataclasses.replace(up, code=code)
    joined = dataclasses.replace(joined, pathways=(changed, *pathways))
    circuit = dataclasses.replace(circuit, projections=(joined, *others))
    with open_backend("runtime", circuit, **OPENED) as backend:
        backend.run(symmetric_problem())


class Shown(logging.Handler):
    """Collects what Brian2 would print."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Collect one message."""
        self.messages.append(record.getMessage())


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """Messages of Brian2 that reach a handler."""
    handler = Shown()
    logging.getLogger("brian2").addHandler(handler)
    yield handler.messages
    logging.getLogger("brian2").removeHandler(handler)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("s_post += w*(r_pre - sent_pree)", "sent_pree"),
        ("z_post += w*(r_pre - sent_pre)", "z_post"),
        ("s_post += w*(r_pre - sent_pre", "joined"),
    ],
)
def test_a_mistake_in_a_circuit_is_one_line(shown: list[str], code: str, word: str) -> None:
    """Guards against an error that is buried below nine lines of Brian2's."""
    with pytest.raises(CircuitError, match=word) as caught:
        run_broken(code)
    assert "\n" not in str(caught.value)
    assert shown == []


def test_what_is_built_and_never_run_is_deleted_in_silence(shown: list[str]) -> None:
    """Guards a warning for every object beside an error that comes after the build."""
    with open_backend("runtime", symmetric_circuit(), **OPENED) as backend:
        chunk = dataclasses.replace(symmetric_problem(), parameters={"joined.nu": 1.0})
        with pytest.raises(CircuitError, match=r"no parameter 'joined\.nu'"):
            backend.run(chunk)
    del backend
    gc.collect()
    assert shown == []


def test_messages_of_brian2_are_shown_if_nothing_went_wrong(shown: list[str]) -> None:
    """Guards against warnings that are lost, and those of a user's thread that come too late."""
    logger = logging.getLogger("brian2.anything")
    with brian2_settings(np.dtype("float64")):
        logger.warning("ours")
        logger.warning("Came across an abstract code block that may not be well-defined: ...")
        other = threading.Thread(target=logger.warning, args=("the user's",))
        other.start()
        other.join()
        assert shown == ["the user's"]
    assert shown == ["the user's", "ours"]


# ------------------------------------------------------------------ parsing


def test_parsing_without_brian2s_cache_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a shortcut that finds other code, or that stays in the user's Brian2."""
    callers = [importlib.import_module(name) for name in _CALLERS]
    before = [module.make_statements for module in callers]
    chunk = make_problem(SYSTEM).chunk(learning=True)
    with open_backend("runtime", SYSTEM.circuit(), dtype="float64", max_cycles=8) as backend:
        shortened = backend.run(chunk)
    assert [module.make_statements for module in callers] == before
    # without this nothing was shortened
    assert all(hasattr(function, "__wrapped__") for function in before)
    monkeypatch.setattr(preferences, "direct_parsing", contextlib.nullcontext)
    with open_backend("runtime", SYSTEM.circuit(), dtype="float64", max_cycles=8) as backend:
        usual = backend.run(chunk)
    assert_bitwise_equal(shortened.weights, usual.weights)
    assert_bitwise_equal(shortened.readouts, usual.readouts)
    assert shortened.event_counts == usual.event_counts


# ------------------------------------------------------------------ interrupts


def test_an_interrupt_comes_through_and_leaves_a_back_end_that_can_go_on() -> None:
    """Guards against a run cut short in silence, and a network left amid a step."""
    problem = make_problem(SYSTEM)
    chunk = problem.chunk(learning=True)
    with open_backend("runtime", SYSTEM.circuit(), dtype="float64", max_cycles=8) as backend:
        expected = backend.run(chunk)
        with pytest.raises(KeyboardInterrupt):
            interrupted(backend, problem.chunk(learning=True, phases={"free": 100_000}))
        again = backend.run(chunk)
    assert_bitwise_equal(again.weights, expected.weights)
    assert_bitwise_equal(again.readouts, expected.readouts)
    assert again.event_counts == expected.event_counts
    assert b2.prefs.core.stop_on_keyboard_interrupt


def interrupted(backend: Backend, chunk: Chunk) -> None:
    """Run a chunk that takes minutes and press Ctrl-C soon after it has begun."""
    steps = backend._built.groups["rhythm"].variables["cycle_step"]  # type: ignore[attr-defined]

    def press() -> None:
        while steps.get_value()[0] < 20:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        backend.run(chunk)
    finally:
        thread.join()


_IN_A_THREAD = """
import signal, threading
before = signal.getsignal(signal.SIGINT), signal.signal
thread = threading.Thread(target=lambda: __import__("neurosim.backends.brian"))
thread.start()
thread.join()
import brian2
assert brian2.NeuronGroup
assert (signal.getsignal(signal.SIGINT), signal.signal) == before
"""


def test_brian2_may_be_imported_first_in_a_thread() -> None:
    """Guards programs built in a thread, as `make train` does: Brian2 alone fails there."""
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_THREAD], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
