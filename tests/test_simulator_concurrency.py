"""One simulator from threads, forks, copies and pickles: every caller gets its own answer."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from oracles import assert_bitwise_equal, deep_system, small_system

from neurosim import Simulator
from neurosim.errors import NeurosimError
from neurosim.learning.locks import OwnLock

RNG = np.random.default_rng(2)
X, Y = RNG.uniform(size=(13, 5)), RNG.integers(3, size=13)
#: What 16 callers ask for: other images, and other numbers of them.
CALLS = [X[np.arange(n % 2 + 1) * n % 13] for n in range(8)]


def make(backend: str = "runtime") -> Simulator:
    """A small network; the compiled one runs on the program of test_simulator.py."""
    system = small_system() if backend == "runtime" else deep_system()
    return Simulator(system, seed=3, backend=backend, dtype="float64", chunk_images=8)


@pytest.mark.parametrize("backend", ["runtime", "cpp"])
def test_calls_from_threads_get_the_answers_of_serial_calls(backend: str) -> None:
    """Guards against calls that read what another call wrote."""
    with make(backend) as simulator:
        expected = [simulator.decision_function(x) for x in CALLS]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(simulator.decision_function, CALLS))
    for answer, wanted in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(answer, wanted)


def test_threads_build_one_back_end() -> None:
    """Guards against a back end that nobody closes because another took its place."""
    simulator, start = make(), threading.Barrier(4)

    def look() -> int:
        start.wait()
        return id(simulator.backend)

    with ThreadPoolExecutor(4) as pool:
        found = {job.result() for job in [pool.submit(look) for _ in range(4)]}
    assert found == {id(simulator.backend)}


def test_an_answer_during_training_belongs_to_one_set_of_weights() -> None:
    """Guards against an answer of weights that are half old and half new."""
    with make() as simulator:
        simulator.chunk_images = 2
        judge = copy.deepcopy(simulator)
        known, answers, done = [judge.decision_function(X[:3])], [], threading.Event()

        def ask() -> None:
            while not done.is_set():
                answers.append(simulator.decision_function(X[:3]))

        def note(stats: Any) -> None:
            judge.weights.update(simulator.weights.arrays())
            known.append(judge.decision_function(X[:3]))

        asking = threading.Thread(target=ask)
        asking.start()
        simulator.fit(X[:4], Y[:4], epochs=1, progress=False, on_chunk=note)
        done.set()
        asking.join()
    sets = {answer.tobytes() for answer in known}
    assert len(sets) == 3
    assert {answer.tobytes() for answer in answers} <= sets


@pytest.mark.parametrize("how", ["another thread", "the same call"])
def test_two_fits_at_once_are_refused(how: str) -> None:
    """Guards against two sets of images mixed in one epoch."""
    simulator, refused = make(), []

    def try_it() -> None:
        for learn in (
            lambda: simulator.fit(X, Y, progress=False),
            lambda: next(simulator.train_epoch(X, np.eye(3)[Y])),
        ):
            with pytest.raises(NeurosimError, match=r"is learning already.*copy\.deepcopy"):
                learn()
            refused.append(learn)

    def in_thread(stats: Any) -> None:
        if how == "another thread":
            other = threading.Thread(target=try_it)
            other.start()
            other.join()
        else:
            try_it()

    simulator.fit(X, Y, progress=False, on_chunk=in_thread)
    assert len(refused) == 4
    alone = make().fit(X, Y, progress=False)
    assert_bitwise_equal(simulator.weights.arrays(), alone.weights.arrays())


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_duplicate_is_independent(duplicate: Callable[[Simulator], Simulator]) -> None:
    """Guards against a copy whose training moves the original."""
    with make() as one:
        answers = one.decision_function(X[:3])
        before = one.weights.arrays()
        with duplicate(one) as other:
            assert (other.seed, other.system, other.epoch) == (3, one.system, 0)
            np.testing.assert_array_equal(other.decision_function(X[:3]), answers)
            other.fit(X, Y, progress=False)
            other.weights["B_1"] = np.eye(6)
            assert other.epoch == 1
        assert_bitwise_equal(one.weights.arrays(), before)
        assert (one.epoch, one.position) == (0, 0)
        np.testing.assert_array_equal(one.decision_function(X[:3]), answers)


def test_a_duplicate_of_an_interrupted_simulator_resumes() -> None:
    """Guards against a copy that has lost its place, or that it is a copy."""
    one = make()
    next(one.train_epoch(X, np.eye(3)[Y]))
    for other in (copy.copy(one), pickle.loads(pickle.dumps(one))):
        assert other.position == 8
        other.fit(X, Y, resume=True, progress=False)
        assert (other.epoch, other.position, one.position) == (1, 0, 8)


def _answer(simulator: Simulator, sender: Any) -> None:
    sender.send((simulator.decision_function(X[3:6]), simulator.fit(X, Y, progress=False).epoch))


def test_a_forked_process_answers_for_itself() -> None:
    """Guards against a child that reads, or spoils, what its parent works on."""
    with make() as simulator:
        mine, theirs = simulator.decision_function(X[:3]), simulator.decision_function(X[3:6])
        context = multiprocessing.get_context("fork")
        children = []
        for _ in range(2):
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=_answer, args=(simulator, sender))
            child.start()
            children.append((child, receiver))
        np.testing.assert_array_equal(simulator.decision_function(X[:3]), mine)
        for child, receiver in children:
            answer, epoch = receiver.recv()
            child.join()
            np.testing.assert_array_equal(answer, theirs)
            assert (child.exitcode, epoch, simulator.epoch) == (0, 1, 0)


def test_a_lock_is_free_in_a_forked_child_and_in_a_copy() -> None:
    """Guards against a child that waits for a thread which only its parent has."""
    lock = OwnLock()
    assert lock.take()
    assert not lock.take()
    assert copy.deepcopy(lock).take()
    child = os.fork()
    if not child:
        os._exit(0 if lock.take() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not lock.take()
