"""Back ends against each other: one circuit, one set of numbers, whoever runs it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brian2.codegen.codeobject import create_runner_codeobj
from brian2.groups import group
from oracles import (
    Problem,
    assert_bitwise_equal,
    assert_same_weights,
    check_learning,
    deep_system,
    make_problem,
)
from symmetric import EVERYWHERE, OPENED, symmetric_circuit, symmetric_loops, symmetric_problem

from neurosim import CorInfoMax, Simulator
from neurosim.backends import BACKENDS, backend_class, open_backend
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Backend, Chunk, ChunkResult
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.errors import CircuitError, DataError, ParameterError

IMAGES = 7
#: One circuit for all: what differs between tests are values handed over with a run.
SYSTEM = deep_system()
THETAS = (0.0, 0.01, 0.1)
#: Half a unit in the last place of a single-precision number near 1.
ROUNDING = 2.0**-24


def make_backend(name: str) -> Backend:
    kind, dtype = name.split()
    if kind == "runtime":
        return RuntimeBackend(SYSTEM.circuit(), dtype=dtype, max_cycles=8)
    return CppBackend(SYSTEM.circuit(), dtype=dtype, max_cycles=8)


@pytest.fixture(scope="module")
def backends() -> Iterator[dict[str, Backend]]:
    """Every back end and precision, built once for this file."""
    names = ("runtime float64", "runtime float32", "cpp float64", "cpp float32")
    made = {name: make_backend(name) for name in names}
    yield made
    for backend in made.values():
        backend.close()


every_backend = pytest.mark.parametrize("name", ["runtime float64", "cpp float64", "cpp float32"])


def thresholds(theta: float) -> dict[str, float]:
    """Event thresholds of a run, without another build."""
    names = ("event_threshold", "sst_threshold")
    return {f"pyramidal_{k}.{name}": theta for k in (1, 2, 3) for name in names}


def learn(backend: Backend, problem: Problem, theta: float = 0.0) -> ChunkResult:
    return backend.run(problem.chunk(learning=True, parameters=thresholds(theta)))


def as_single(problem: Problem) -> Problem:
    """Weights as single precision holds them, so that all start from the same numbers."""
    weights = {name: array.astype(np.float32) for name, array in problem.weights.items()}
    return Problem(weights, problem.images, problem.targets, problem.betas)


# ------------------------------------------------------------------ agreement


@pytest.mark.parametrize("theta", THETAS)
def test_runtime_and_compiled_double_precision_agree_to_rounding(
    backends: dict[str, Backend], theta: float
) -> None:
    """Guards against an order of events that depends on who generates the code."""
    problem = make_problem(SYSTEM, images=IMAGES)
    numpy_, compiled = (
        learn(backends[name], problem, theta) for name in ("runtime float64", "cpp float64")
    )
    assert_same_weights(compiled.weights, numpy_.weights)
    for name, answers in numpy_.readouts.items():
        np.testing.assert_allclose(compiled.readouts[name], answers, rtol=0, atol=1e-12)
    assert compiled.event_counts == numpy_.event_counts


@pytest.mark.parametrize("name", ["runtime float32", "cpp float32"])
def test_single_precision_stays_within_its_rounding_of_double(
    backends: dict[str, Backend], name: str
) -> None:
    """Guards against a sum that cancels, or a state kept in less precision than the weights.

    A dendritic sum is rounded once per event it received: at most 6 cells in 18 steps, of
    values up to 4. The soma leaks such errors away; 7 images add up what their updates keep.
    """
    problem = as_single(make_problem(SYSTEM, images=IMAGES))
    tolerance = 6 * 18 * 4 * ROUNDING
    exact, single = learn(backends["runtime float64"], problem), learn(backends[name], problem)
    for readout, answers in exact.readouts.items():
        np.testing.assert_allclose(single.readouts[readout], answers, rtol=0, atol=tolerance)
    for weight, array in exact.weights.items():
        assert single.weights[weight].dtype == np.float32
        np.testing.assert_allclose(single.weights[weight], array, rtol=0, atol=tolerance)


def test_tiny_lateral_updates_survive_single_precision(backends: dict[str, Backend]) -> None:
    """Guards against lateral learning that vanishes below rounding.

    With lambda = 0.99999 the lateral efficacies change by 1e-11 per image; B itself by
    5e-7 of z squared, a few units in its last place.
    """
    published = deep_system(lambda_=0.99999)
    rates = {
        f"{projection.name}.{name}": value
        for projection in published.circuit().projections
        if projection.name.startswith(("lateral", "autapse"))
        for name, value in projection.parameters.items()
    }
    problem = as_single(make_problem(SYSTEM, images=IMAGES))
    runs = [
        backends[name].run(problem.chunk(learning=True, parameters=rates)).weights
        for name in ("cpp float64", "cpp float32")
    ]
    for name in ("B_1", "B_2"):
        before = problem.weights[name].astype(np.float64)
        exact, single = (run[name] - before for run in runs)
        assert np.abs(exact).max() < 1e-3
        # each image rounds each entry once: half a last place of entries up to 4
        np.testing.assert_allclose(single, exact, rtol=0, atol=IMAGES * 4 * ROUNDING)
        alignment = (single * exact).sum() / np.linalg.norm(single) / np.linalg.norm(exact)
        assert alignment > 0.95


def test_dense_rows_are_used_where_they_apply(
    backends: dict[str, Backend],
) -> None:
    """Guards against a silent fall back to synapse by synapse."""
    report: dict[str, str] = backends["cpp float32"].pathways  # type: ignore[attr-defined]
    all_to_all = {
        f"{projection.name}_{pathway.name}"
        for projection in SYSTEM.circuit().projections
        if projection.wiring == "all_to_all"
        for pathway in projection.pathways
    }
    assert all_to_all <= set(report)
    assert all(report[name].startswith("dense rows") for name in all_to_all)


def test_a_program_serves_every_system_of_its_structure_with_that_systems_values(
    backends: dict[str, Backend],
) -> None:
    """Guards against constants of the first system compiled into the program of the next."""
    first = backends["cpp float64"]
    other = deep_system(
        epsilon=0.3,
        g_l=0.2,
        lambda_=0.8,
        lambda_images=3,
        tau_u=15.0,
        slowdown=0.05,
        free_time=9.0,
        nudged_time=4.0,
        mu_ff=(0.02, 0.2, 0.1),
        mu_fb=(0.1, 0.01),
    )
    with CppBackend(other.circuit(), dtype="float64", max_cycles=8) as backend:
        assert backend.build_seconds == 0, "the same structure was compiled again"
        check_learning(backend, other, make_problem(other, images=3))
    check_learning(first, SYSTEM, make_problem(SYSTEM, images=3))


# ------------------------------------------------------------------ runs and chunks


@every_backend
def test_cutting_a_run_into_chunks_changes_no_bit(backends: dict[str, Backend], name: str) -> None:
    """Guards against state other than weights that crosses, or is lost, between chunks."""
    backend, problem = backends[name], make_problem(SYSTEM, images=IMAGES)
    whole = learn(backend, problem, 0.01)
    weights, answers, counts = problem.weights, [], dict.fromkeys(whole.event_counts, 0)
    for part in (slice(0, 1), slice(1, 5), slice(5, 7)):
        piece = Problem(weights, problem.images[part], problem.targets[part], problem.betas[part])
        result = learn(backend, piece, 0.01)
        weights = result.weights
        answers.append(result.readouts["answer"])
        counts = {event: count + result.event_counts[event] for event, count in counts.items()}
    assert_bitwise_equal(weights, whole.weights)
    assert_bitwise_equal({"answer": np.concatenate(answers)}, whole.readouts)
    assert counts == whole.event_counts


@every_backend
def test_the_same_run_twice_gives_the_same_bits(backends: dict[str, Backend], name: str) -> None:
    """Guards against dendrites, counters or notes that survive from an earlier run."""
    backend, problem = backends[name], make_problem(SYSTEM, images=IMAGES)
    before = learn(backend, problem, 0.01)
    learn(backend, make_problem(SYSTEM, images=5, seed=99))
    after = learn(backend, problem, 0.01)
    assert_bitwise_equal(after.weights, before.weights)
    assert_bitwise_equal(after.readouts, before.readouts)
    assert after.event_counts == before.event_counts


@every_backend
def test_a_run_without_learning_leaves_every_weight_bit(
    backends: dict[str, Backend], name: str
) -> None:
    """Guards against an evaluation that learns from test images, and against lossy carrying."""
    backend = backends[name]
    problem = as_single(make_problem(SYSTEM, images=IMAGES))
    kept = {key: array.astype(backend.dtype) for key, array in problem.weights.items()}
    for phases in ({}, SYSTEM.evaluation_phases()):
        result = backend.run(problem.chunk(learning=False, phases=phases))
        assert_bitwise_equal(result.weights, kept)


@every_backend
def test_weights_given_to_a_run_are_not_written_to(backends: dict[str, Backend], name: str) -> None:
    """Guards against a back end that updates the caller's arrays in place."""
    problem = make_problem(SYSTEM, images=IMAGES)
    copies = {key: array.copy() for key, array in problem.weights.items()}
    result = learn(backends[name], problem)
    assert_bitwise_equal(problem.weights, copies)
    assert all(not np.shares_memory(result.weights[key], copies[key]) for key in copies)


@pytest.mark.quick(3)
@every_backend
@pytest.mark.parametrize("theta", THETAS)
def test_evaluation_gives_the_answers_of_the_free_phase_of_full_cycles(
    backends: dict[str, Backend], name: str, theta: float
) -> None:
    """Guards against a nudge that leaks into the answer, and a shortened cycle that differs."""
    backend, problem = backends[name], make_problem(SYSTEM, images=IMAGES)
    full = backend.run(problem.chunk(learning=False, parameters=thresholds(theta)))
    blind = Problem(
        problem.weights, problem.images, np.zeros_like(problem.targets), np.ones(IMAGES)
    )
    phases = SYSTEM.evaluation_phases()
    assert phases == {"free": 12, "nudged": 0}
    free = backend.run(blind.chunk(learning=False, parameters=thresholds(theta), phases=phases))
    assert_bitwise_equal(free.readouts, full.readouts)


@pytest.mark.parametrize("name", ["cpp float64", "cpp float32"])
def test_images_one_by_one_or_by_several_threads_give_the_same(
    backends: dict[str, Backend], name: str
) -> None:
    """Guards against answers of one thread handed out as those of another."""
    problem = make_problem(SYSTEM, images=IMAGES)
    chunks = [
        Problem(
            problem.weights, problem.images[[i]], problem.targets[[i]], problem.betas[[i]]
        ).chunk(learning=False)
        for i in range(IMAGES)
    ]
    backend = backends[name]
    expected = backend.run(problem.chunk(learning=False)).readouts["answer"]
    for threads in (1, 3):
        results = [backend.run(chunk, threads=threads) for chunk in chunks]
        got = np.concatenate([result.readouts["answer"] for result in results])
        assert_bitwise_equal({"answer": got}, {"answer": expected})


def test_notes_of_earlier_runs_are_given_back() -> None:
    """Guards against memory that grows with every chunk of a training on the runtime back end."""
    problem = make_problem(SYSTEM)
    with make_backend("runtime float64") as backend:
        held = set()
        for _ in range(3):
            backend.run(problem.chunk(learning=True))
            monitors = backend._built.readouts  # type: ignore[attr-defined]
            held.add(tuple(len(monitor.i) for monitor in monitors.values()))
    # images times output cells
    assert held == {(3 * 3,)}


def test_later_runs_use_the_code_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a chunk that takes half a second before its first step."""
    written = []

    def write(*given: Any, **named: Any) -> Any:
        written.append(named["template_name"])
        return create_runner_codeobj(*given, **named)

    monkeypatch.setattr(group, "create_runner_codeobj", write)
    chunk = make_problem(SYSTEM).chunk(learning=True)
    with make_backend("runtime float64") as backend:
        first = backend.run(chunk)
        assert {"synapses", "stateupdate"} <= set(written)
        written.clear()
        again = backend.run(chunk)
    assert set(written) <= {"spikemonitor", "statemonitor"}
    assert_bitwise_equal(again.weights, first.weights)


# ------------------------------------------------------------------ refusals


@every_backend
@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"stimulus": np.zeros((2, 4))}, DataError, "stimulus"),
        ({"target": np.zeros((3, 3))}, DataError, "target"),
        ({"beta": np.zeros((2, 1))}, DataError, "beta"),
        ({"stimulus": np.zeros((9, 5))}, DataError, "9 images"),
        ({"stimulus": np.zeros((0, 5))}, DataError, "0 images"),
    ],
)
def test_inputs_of_a_wrong_shape_are_refused_by_name(
    backends: dict[str, Backend],
    name: str,
    change: dict[str, Any],
    error: type[Exception],
    word: str,
) -> None:
    """Guards against Brian2's program, which prints an error and goes on with old values."""
    inputs = {"stimulus": np.zeros((2, 5)), "target": np.zeros((2, 3)), "beta": np.ones(2)}
    with pytest.raises(error, match=word):
        backends[name].run(Chunk({**inputs, **change}, make_problem(SYSTEM).weights))


@every_backend
def test_missing_inputs_and_weights_and_unknown_settings_are_refused_by_name(
    backends: dict[str, Backend], name: str
) -> None:
    """Guards against blanks where a caller forgot something, and ignored misspellings."""
    backend, problem = backends[name], make_problem(SYSTEM)
    chunk = problem.chunk(learning=False)
    without_beta = {key: value for key, value in chunk.inputs.items() if key != "beta"}
    with pytest.raises(DataError, match="beta"):
        backend.run(Chunk(without_beta, problem.weights))
    with pytest.raises(DataError, match=r"no input 'stimulos'; did you mean 'stimulus'\?"):
        backend.run(Chunk({**chunk.inputs, "stimulos": chunk.inputs["stimulus"]}, problem.weights))
    fewer = {key: value for key, value in problem.weights.items() if key != "W_fb_1"}
    with pytest.raises(DataError, match="W_fb_1"):
        backend.run(Chunk(chunk.inputs, fewer))
    turned = {**problem.weights, "W_ff_0": problem.weights["W_ff_0"].T}
    with pytest.raises(DataError, match="W_ff_0"):
        backend.run(Chunk(chunk.inputs, turned))
    for unknown in ("ff_0.nu", "ff_9.mu", "mu", "pyramidal_1.u"):
        with pytest.raises(CircuitError, match=unknown):
            backend.run(problem.chunk(learning=False, parameters={unknown: 1.0}))
    for phases, word in (
        ({"fre": 3}, "fre"),
        ({"free": -1}, "0 or more"),
        ({"free": 0, "nudged": 0}, "not all 0"),
    ):
        with pytest.raises(CircuitError, match=word):
            backend.run(problem.chunk(learning=False, phases=phases))


def test_unknown_back_ends_and_precisions_are_refused_with_the_nearest() -> None:
    """Guards against a silent default where a word was misspelt."""
    circuit = SYSTEM.circuit()
    with pytest.raises(ParameterError, match=r"'runtme'.*'runtime'"):
        open_backend("runtme", circuit, dtype="float64", max_cycles=8)
    with pytest.raises(ParameterError, match=r"'float46'.*'float64'"):
        open_backend("runtime", circuit, dtype="float46", max_cycles=8)


def test_features_tell_what_a_back_end_does() -> None:
    """Guards against questions for a name where a feature is meant."""
    features = {name: backend_class(name).features for name in BACKENDS}
    compiled = {name for name in BACKENDS if "compiled" in features[name]}
    assert compiled == {"cpp", "cuda", "genn"}
    beside = {name for name in BACKENDS if "side by side" in features[name]}
    assert beside == {"cpp", "cuda"}
    assert {name for name in BACKENDS if "records" not in features[name]} == {"genn"}


def test_a_user_of_the_library_is_told_in_detail_if_asking(
    caplog: pytest.LogCaptureFixture, compiled_programs: Path
) -> None:
    """Guards against programs of which nobody can say where they lie and how they run."""
    problem = make_problem(SYSTEM)
    with (
        caplog.at_level(logging.DEBUG, "neurosim"),
        CppBackend(SYSTEM.circuit(), dtype="float64", max_cycles=8) as backend,
    ):
        backend.run(problem.chunk(learning=False), lanes=2, threads=1)
    told = caplog.text
    assert f"program: {compiled_programs}" in told
    assert "circuit 'corinfomax' in float64" in told
    assert re.search(r"cpp: 3 images shown in \d+\.\d\d s, 2 lanes, 1 threads", told)
    caplog.clear()
    with caplog.at_level(logging.INFO, "neurosim"):
        make_backend("runtime float64").run(problem.chunk(learning=False))
    assert not caplog.text


# ------------------------------------------------------------------ values handed over


def test_parameters_given_as_numpy_numbers_run_as_plain_ones() -> None:
    """Guards against a value written to the program as text it cannot read."""
    rates = np.array([0.1, 0.07, 0.05])
    system = deep_system(mu_ff=tuple(rates), epsilon=np.float64(0.2), free_time=np.float64(11))
    with CppBackend(system.circuit(), dtype="float64", max_cycles=8) as backend:
        check_learning(backend, system, make_problem(system))


# ------------------------------------------------------------------ symmetric wiring


@pytest.mark.parametrize("name", EVERYWHERE)
def test_one_set_of_weights_carries_signal_both_ways(name: str) -> None:
    """Guards against an engine that serves only one-way wiring, or walks columns as rows.

    Then against two back ends that mean different things by a trajectory, and against notes
    of earlier runs that stay in it.
    """
    circuit, chunk = symmetric_circuit(), symmetric_problem()
    expected = symmetric_loops(chunk.weights, chunk.inputs["image"])
    with open_backend(name, circuit, **OPENED) as backend:
        for images in (4, 1, 4):
            result = backend.run(symmetric_problem(images=images))
            assert result.trajectories["upper"]["r"].shape == (images * circuit.cycle_steps(), 3)
    assert_same_weights(result.weights, expected.weights)
    for readout, values in expected.readouts.items():
        np.testing.assert_allclose(result.readouts[readout], values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        result.trajectories["upper"]["r"], expected.trajectories["upper"]["r"], rtol=0, atol=1e-12
    )
    assert result.event_counts == expected.event_counts
    assert min(expected.event_counts.values()) > 0


# ------------------------------------------------------------------ the user's view


def test_simulators_on_both_back_ends_learn_the_same() -> None:
    """Guards against back ends that draw, order or schedule something for themselves."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(13, 5)), rng.integers(3, size=13)
    system: CorInfoMax = deep_system(event_threshold=0.01, sst_threshold=0.05)
    learnt = {}
    for name in ("cpp", "runtime"):
        with Simulator(system, seed=4, backend=name, dtype="float64", chunk_images=8) as simulator:
            learnt[name] = simulator.fit(x, y, epochs=2, progress=False).weights.arrays()
    assert_same_weights(learnt["cpp"], learnt["runtime"])
