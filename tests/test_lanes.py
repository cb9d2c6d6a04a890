"""Lane programs: the same numbers for any number of lanes and threads, and nothing in between."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oracles import Problem, deep_system, make_problem

from neurosim.backends.chunks import ChunkResult
from neurosim.backends.cpp import together
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.cpp.silence import commit_leaves_silent
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import Circuit, Pathway, Projection
from neurosim.errors import CircuitError, ParameterError

IMAGES = 23


SYSTEM = deep_system()
CIRCUIT = SYSTEM.circuit()


def learning_at_once(circuit: Circuit) -> Circuit:
    """The same rules for batches of one, as they would be written without gather and commit."""
    return dataclasses.replace(circuit, projections=tuple(map(_at_once, circuit.projections)))


def _at_once(projection: Projection) -> Projection:
    if not projection.plastic:
        return projection
    rules: dict[str, Callable[[str], str]] = {
        "lateral": lambda gather: "B += gamma_B*(B - z_pre*z_post/lambda_B)",
        "autapse": lambda gather: "B += gamma_B*(B - z_post**2/lambda_B)",
    }
    rule = rules.get(projection.name.partition("_")[0], lambda gather: gather.replace(
        "g += 1/beta", "w += mu/beta"))  # fmt: skip
    pathways = tuple(
        dataclasses.replace(pathway, code=rule(pathway.code)) if pathway.learns else pathway
        for pathway in projection.pathways
    )
    lines = projection.equations.splitlines()
    equations = "\n".join(line for line in lines if not line.startswith("g "))
    return dataclasses.replace(projection, equations=equations, pathways=pathways, commit="")


@pytest.fixture(scope="module")
def problem() -> Problem:
    """More images than any number of lanes, and a last batch that is smaller."""
    return make_problem(SYSTEM, images=IMAGES)


@pytest.fixture(scope="module")
def compiled() -> CppBackend:
    return CppBackend(CIRCUIT, dtype="float64", max_cycles=IMAGES)


@pytest.fixture(scope="module")
def runtime() -> Iterator[RuntimeBackend]:
    with RuntimeBackend(CIRCUIT, dtype="float64", max_cycles=IMAGES) as opened:
        yield opened


def learnt(backend: CppBackend, problem: Problem, batch: int, lanes: int, threads: int) -> Any:
    return backend.run(problem.chunk(learning=True, batch=batch), lanes=lanes, threads=threads)


def assert_equal(one: ChunkResult, other: ChunkResult, *, atol: float = 0.0) -> None:
    for name, array in one.weights.items():
        np.testing.assert_allclose(other.weights[name], array, rtol=0, atol=atol, err_msg=name)
    np.testing.assert_allclose(other.readouts["answer"], one.readouts["answer"], rtol=0, atol=atol)
    assert one.event_counts == other.event_counts


@pytest.mark.parametrize("batch", [1, 5, 20, 100])
def test_lanes_and_threads_change_no_bit(
    compiled: CppBackend, problem: Problem, batch: int
) -> None:
    """Guards sums that depend on how many images are in flight, or on which thread was first."""
    expected = learnt(compiled, problem, batch, 1, 1)
    for lanes, threads in ((2, 1), (3, 2), (5, 2), (20, 3), (100, 2)):
        assert_equal(expected, learnt(compiled, problem, batch, lanes, threads))


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_both_back_ends_commit_the_same_batches(
    compiled: CppBackend, runtime: RuntimeBackend, problem: Problem, batch: int
) -> None:
    """Guards a batch that ends elsewhere, and a last one that is divided by the wrong number."""
    expected = runtime.run(problem.chunk(learning=True, batch=batch))
    assert_equal(expected, learnt(compiled, problem, batch, 5, 2), atol=1e-13)


def test_batches_of_one_are_what_is_learnt_at_once(compiled: CppBackend, problem: Problem) -> None:
    """Guards a detour through the sum that would change more than the last digit."""
    with CppBackend(learning_at_once(CIRCUIT), dtype="float64", max_cycles=IMAGES) as direct:
        expected = direct.run(problem.chunk(learning=True))
    assert_equal(expected, learnt(compiled, problem, 1, 1, 1), atol=1e-13)


def test_a_batch_is_the_mean_of_what_its_images_would_change(
    compiled: CppBackend, problem: Problem
) -> None:
    """Guards the definition: W <- W + 1/n sum of the changes, each from the weights before."""
    result = learnt(compiled, problem, IMAGES, 20, 2)
    changes: dict[str, NDArray[Any]] = {}
    for number in range(IMAGES):
        one = dataclasses.replace(
            problem,
            images=problem.images[number : number + 1],
            targets=problem.targets[number : number + 1],
            betas=problem.betas[number : number + 1],
        )
        alone = learnt(compiled, one, 1, 1, 1)
        for name, array in alone.weights.items():
            changes[name] = changes.get(name, 0) + array - problem.weights[name]
    for name, change in changes.items():
        mean = problem.weights[name] + change / IMAGES
        np.testing.assert_allclose(result.weights[name], mean, rtol=0, atol=1e-12, err_msg=name)


def test_rows_that_lanes_share_change_no_bit(
    compiled: CppBackend, problem: Problem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards events that lanes side by side would lose, deliver twice, or in another order."""
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path))
    monkeypatch.setattr(together, "_WORTH_SHARING", 0)
    monkeypatch.setattr(together, "_TILE", 0)
    with CppBackend(CIRCUIT, dtype="float64", max_cycles=IMAGES) as sharing:
        for batch, lanes, threads in ((1, 1, 1), (5, 5, 1), (20, 20, 1), (20, 7, 2), (100, 100, 3)):
            expected = learnt(compiled, problem, batch, 1, 1)
            assert_equal(expected, learnt(sharing, problem, batch, lanes, threads))
        looked_at = problem.chunk(learning=False)
        assert_equal(compiled.run(looked_at), sharing.run(looked_at))


@pytest.mark.parametrize(
    ("sources", "targets", "rows"),
    [(784, 10, 0), (500, 500, 0), (784, 500, 64), (3072, 1000, 32), (60_000, 30_000, 4)],
)
def test_large_matrices_are_shared(sources: int, targets: int, rows: int) -> None:
    """Guards lanes side by side where they gain nothing, and tiles that no cache keeps."""
    assert together.rows_in_cache(sources, targets, "float") == rows


def test_an_evaluation_commits_nothing(compiled: CppBackend, problem: Problem) -> None:
    """Guards lateral weights that would forget by being looked at."""
    for threads in (1, 2):
        result = compiled.run(problem.chunk(learning=False), threads=threads)
        for name, array in result.weights.items():
            np.testing.assert_array_equal(array, problem.weights[name])


# ------------------------------------------------------------------ what is refused


def test_rules_that_change_weights_at_once_take_no_batch(problem: Problem) -> None:
    """Guards a batch that would in truth be learnt image by image."""
    circuit = learning_at_once(CIRCUIT)
    with RuntimeBackend(circuit, dtype="float64", max_cycles=IMAGES) as backend:
        with pytest.raises(CircuitError, match=r"batch of 2 images.*'ff_0'.*commit"):
            backend.run(problem.chunk(learning=True, batch=2))
        with pytest.raises(ParameterError, match="batch = 0"):
            backend.run(problem.chunk(learning=True, batch=0))


def changed(name: str, **changes: Any) -> Circuit:
    projection = dataclasses.replace(CIRCUIT.projection(name), **changes)
    return CIRCUIT.replacing(projection)


def rule(code: str, **changes: Any) -> tuple[Pathway, ...]:
    kept = [pathway for pathway in CIRCUIT.projection("ff_0").pathways if not pathway.learns]
    return (*kept, Pathway("plasticity", "learn", code, learns=True, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pathways": rule("g += w*r_nudged_pre")}, "reads 'w' of the synapse"),
        ({"pathways": rule("g = r_nudged_pre")}, "must only add"),
        ({"pathways": rule("w += r_nudged_pre")}, "'w'"),
        ({"commit": "w += g/bach"}, "names 'bach'.*'batch'"),
        ({"commit": "w += g*r_pre"}, "names 'r_pre'"),
        ({"commit": "g += w"}, "sets 'g'"),
        ({"pathways": rule("")[:1]}, "no pathway with learns=True"),
    ],
)
def test_rules_that_do_not_fit_a_batch_are_refused(changes: dict[str, Any], words: str) -> None:
    """Guards sums that depend on the order of images, and commits of what is not there."""
    with pytest.raises(CircuitError, match=words):
        changed("ff_0", **changes)


@pytest.mark.parametrize(
    ("commit", "leaves"),
    [("w += g/batch", True), ("w -= mu*g", True), ("w += g - 0.1*w", False), ("w = g", False)],
)
def test_silent_rows_are_skipped_only_where_nothing_would_change(commit: str, leaves: bool) -> None:
    """Guards weight decay that would pass over the synapses of silent cells."""
    projection = dataclasses.replace(CIRCUIT.projection("ff_0"), commit=commit)
    assert commit_leaves_silent(projection) is leaves


# ------------------------------------------------------------------ interrupts


#: A free phase of a quarter of an hour for each image; the program is that of the command line.
LONG_RUN = """
import numpy as np
import time
from neurosim import CorInfoMax, Simulator

simulator = Simulator(CorInfoMax(layers=(64, 20, 10), free_time=900_000.0))
simulator.backend
try:
    print("ready", flush=True)
    simulator.decision_function(np.ones((20, 64)))
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_an_interrupt_ends_a_run_within_an_image() -> None:
    """Guards a terminal that hangs until the last image, and a signal that is lost."""
    command = [sys.executable, "-c", LONG_RUN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # whenever it comes, in the preparation of the run or in its midst
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("stopped\n", None)


def test_a_run_outside_the_main_thread_is_like_any_other(
    compiled: CppBackend, problem: Problem
) -> None:
    """Guards a wait for signals that only the main thread receives."""
    expected, found = compiled.run(problem.chunk(learning=False)), []
    worker = threading.Thread(
        target=lambda: found.append(compiled.run(problem.chunk(learning=False)))
    )
    worker.start()
    worker.join()
    assert_equal(expected, found[0])
