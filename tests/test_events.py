"""Graded spikes: who sends when, what coarser thresholds cost, and what is counted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oracles import (
    Problem,
    deep_system,
    make_problem,
    record_run,
    reference_run,
    small_system,
)

from neurosim import CorInfoMax
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Backend
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.errors import DataError
from neurosim.learning import metrics
from neurosim.models.numpy.corinfomax import initial_weights, lateral_update
from neurosim.system import FeedbackPair

#: Steps of one cycle of the systems used here.
ALL = 18
NO_LATERAL = 1 - 1e-14
"""A forgetting factor whose gamma is below rounding: the lateral terms are there, but 0."""

Traces = dict[str, dict[str, NDArray[Any]]]


def run(system: CorInfoMax, problem: Problem, *, learning: bool = False) -> tuple[Traces, Any]:
    return record_run(system, problem, learning=learning)


def before(trace: NDArray[Any]) -> NDArray[Any]:
    """Values one step earlier; zero at the onset of each image."""
    return np.concatenate([np.zeros_like(trace[:, :1]), trace[:, :-1]], axis=1)


# ------------------------------------------------------------------ who sends when


@pytest.mark.quick(2)
@pytest.mark.parametrize("theta", [0.0, 0.02, 0.3])
def test_a_cell_sends_when_its_rate_moved_by_more_than_the_threshold_and_only_then(
    theta: float,
) -> None:
    """Guards against cells that send too often, too rarely, or note another value than sent."""
    system = small_system(event_threshold=theta, sst_threshold=1.0)
    traces, result = run(system, make_problem(system), learning=True)
    for k in (1, 2):
        r, sent = (traces[f"pyramidal_{k}"][name] for name in ("r", "r_sent"))
        moved = np.abs(r - before(sent)) > theta
        np.testing.assert_array_equal(sent, np.where(moved, r, before(sent)))
        assert np.abs(r - sent).max() <= theta
        assert result.event_counts[f"pyramidal_{k}.spike"] == moved.sum() > 0
        if theta > 0:
            assert not moved.all(axis=2).any(), "a threshold that holds nobody back"


@pytest.mark.quick(1)
@pytest.mark.parametrize("theta", [0.05, 0.0, 5.0])
def test_the_lateral_circuit_samples_by_its_own_threshold_and_always_at_the_nudged_end(
    theta: float,
) -> None:
    """Guards against a z = B r that is stale when the lateral weights learn from it."""
    system = small_system(event_threshold=0.1, sst_threshold=theta)
    traces, result = run(system, make_problem(system), learning=True)
    last = np.arange(ALL)[None, :, None] == ALL - 1
    for k in (1, 2):
        r, sampled = (traces[f"pyramidal_{k}"][name] for name in ("r", "r_lat"))
        due = (np.abs(r - before(sampled)) > theta) | (last & (r != before(sampled)))
        np.testing.assert_array_equal(sampled, np.where(due, r, before(sampled)))
        np.testing.assert_array_equal(sampled[:, -1], r[:, -1])
        assert result.event_counts[f"pyramidal_{k}.sample"] == due.sum() > 0


@pytest.fixture(scope="module")
def compiled() -> Iterator[Backend]:
    with CppBackend(deep_system().circuit(), dtype="float64", max_cycles=8) as backend:
        yield backend


def thresholds(theta: float, depth: int = 3) -> dict[str, float]:
    """Event thresholds of a run, without another build."""
    names = ("event_threshold", "sst_threshold")
    return {f"pyramidal_{k}.{name}": theta for k in range(1, depth + 1) for name in names}


@pytest.mark.parametrize("kind", [RuntimeBackend, CppBackend])
def test_each_pixel_that_is_not_black_sends_once_per_image(kind: Any) -> None:
    """Guards against input that is sent in every step, or dropped when negative."""
    problem = make_problem(deep_system(), images=5)
    images = problem.images.copy()
    images[1] = 0
    images[2] = -images[2]
    images[3, 2] = 1e-9
    shown = Problem(problem.weights, images, problem.targets, problem.betas)
    with kind(deep_system().circuit(), dtype="float64", max_cycles=8) as backend:
        for phases in ({}, {"nudged": 0}):
            result = backend.run(shown.chunk(learning=False, phases=phases))
            assert result.event_counts["sensory.spike"] == np.count_nonzero(images)


def test_images_arrive_in_their_first_step_and_stay() -> None:
    """Guards against an image delayed by a step, or one that fades or doubles."""
    system = small_system()
    problem = make_problem(system)
    traces, _ = run(system, problem)
    np.testing.assert_array_equal(traces["sensory"]["r_sent"], traces["sensory"]["r"])
    drive = problem.images @ problem.weights["W_ff_0"].T
    expected = np.repeat(drive[:, None, :], ALL, axis=1)
    np.testing.assert_allclose(traces["pyramidal_1"]["v_B"], expected, rtol=0, atol=1e-12)


# ------------------------------------------------------------------ what thresholds cost


def contracting_problem(system: CorInfoMax) -> Problem:
    """Weights so small that an error of the rates sent shrinks on its way through the net."""
    problem = make_problem(system, images=2)
    weights = initial_weights(system.layers, np.random.default_rng(2))
    for name in weights:
        if name.startswith("W"):
            weights[name] *= 0.8 / np.abs(weights[name]).sum(axis=1).max()
    weights["W_ff_1"] *= 0.5
    return Problem(weights, 3 * problem.images, problem.targets, problem.betas)


def gain(system: CorInfoMax, weights: dict[str, Any]) -> float:
    """Largest error of a rate for an error of 1 in what was sent, once steps contract.

    With a step h below 1/(g_l + g_A + g_B) the largest error e of a soma obeys
    (leak + conductances) e <= a (e + theta) + b e, where a adds up the synapses that
    carry sent values and b what a cell reads of its own rate.
    """

    def norm(name: str) -> float:
        return float(np.abs(weights[name]).sum(axis=1).max())

    g = 1 / system.epsilon
    a_hidden = g * (norm("W_fb_1") + system.epsilon * 2 * system.gamma * norm("B_1"))
    hidden = (a_hidden, system.g_l + 2 * g, system.g_l)
    a_output = g * norm("W_ff_1") + system.gamma * norm("B_2")
    # the nudge of size 1 reads the cell's own rate
    output = (a_output, system.g_l + g + 1, system.g_l + 1)
    return max(a / (total - a - own) for a, total, own in (hidden, output))


def test_rates_converge_to_the_dense_result_as_the_threshold_falls() -> None:
    """Guards against events that lose a part of a change, which no threshold would mend."""
    system = small_system()
    problem = contracting_problem(system)
    bound = gain(system, problem.weights)
    assert 0 < bound < 2
    expected, _ = reference_run(system, problem, learning=False)
    dense = {k: np.concatenate([trajectory.r[k] for trajectory in expected]) for k in expected[0].r}
    record = {f"pyramidal_{k}": ("r",) for k in dense}
    thetas = (0.1, 0.03, 0.01, 1e-3, 1e-5, 0.0)
    with RuntimeBackend(system.circuit(), dtype="float64", max_cycles=2, record=record) as backend:
        errors = []
        for theta in thetas:
            result = backend.run(problem.chunk(learning=False, parameters=thresholds(theta, 2)))
            traces = {k: result.trajectories[f"pyramidal_{k}"]["r"] for k in dense}
            errors.append(max(float(np.abs(traces[k] - dense[k]).max()) for k in dense))
    for theta, error in zip(thetas[:-1], errors[:-1], strict=True):
        assert 0 < error <= bound * theta
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-12


def test_learnt_weights_converge_to_the_dense_result_as_the_threshold_falls(
    compiled: Backend,
) -> None:
    """Guards against a rule that reads what was sent last instead of the rate."""
    system = deep_system()
    problem = make_problem(system, images=3)
    _, expected = reference_run(system, problem, learning=True)
    errors = []
    for theta in (0.1, 0.01, 1e-3, 1e-4, 1e-6, 0.0):
        result = compiled.run(problem.chunk(learning=True, parameters=thresholds(theta)))
        errors.append(
            max(float(np.abs(result.weights[name] - expected[name]).max()) for name in expected)
        )
    assert errors[-1] < 1e-12
    assert errors[-2] < 1e-5
    assert all(finer < coarser for coarser, finer in itertools.pairwise(errors))


def test_exact_transmission_sends_the_most(compiled: Backend) -> None:
    """Guards against thresholds that save no traffic."""
    problem = make_problem(deep_system(), images=6)
    totals = []
    for theta in (0.0, 1e-3, 1e-2, 1e-1, 2.0):
        counts = compiled.run(
            problem.chunk(learning=False, parameters=thresholds(theta))
        ).event_counts
        totals.append({name: n for name, n in counts.items() if name != "sensory.spike"})
    most, *others, none = totals
    for counts in others:
        assert all(counts[name] <= most[name] for name in most)
    traffic = [sum(counts.values()) for counts in totals]
    assert traffic == sorted(traffic, reverse=True)
    # rates stay within [0, 1], so a threshold of 2 lets nothing pass but the last samples
    assert all(none[f"pyramidal_{k}.spike"] == 0 for k in (1, 2, 3))
    assert all(none[f"pyramidal_{k}.sample"] <= 6 * n for k, n in ((1, 6), (2, 4), (3, 3)))
    assert traffic[-1] > 0


# ------------------------------------------------------------------ the lateral circuit's own


def test_the_lateral_threshold_moves_nothing_but_the_lateral_terms() -> None:
    """Guards against coarse sampling that also reaches dendrites, notes or learning."""
    fine = small_system(lambda_=NO_LATERAL, sst_threshold=0.0)
    coarse = small_system(lambda_=NO_LATERAL, sst_threshold=5.0)
    problem = make_problem(fine)
    (exact, one), (stale, other) = (
        run(system, problem, learning=True) for system in (fine, coarse)
    )
    for k in (1, 2):
        for name in ("u", "r", "v_B", "v_A", "r_sent", "e_B"):
            cells = f"pyramidal_{k}"
            np.testing.assert_allclose(stale[cells][name], exact[cells][name], rtol=0, atol=1e-11)
        assert np.abs(stale[f"pyramidal_{k}"]["z"] - exact[f"pyramidal_{k}"]["z"]).max() > 0.1
        assert (
            one.event_counts[f"pyramidal_{k}.spike"] == other.event_counts[f"pyramidal_{k}.spike"]
        )
        assert (
            one.event_counts[f"pyramidal_{k}.sample"] > other.event_counts[f"pyramidal_{k}.sample"]
        )
    for name in ("W_ff_0", "W_ff_1", "W_fb_1"):
        np.testing.assert_allclose(one.weights[name], other.weights[name], rtol=0, atol=1e-11)


def test_the_spike_threshold_leaves_the_lateral_sum_exact() -> None:
    """Guards against a lateral circuit that listens to graded spikes after all."""
    system = small_system(event_threshold=0.3, sst_threshold=0.0)
    problem = make_problem(system)
    traces, _ = run(system, problem)
    for k in (1, 2):
        cells = traces[f"pyramidal_{k}"]
        expected = cells["r"] @ problem.weights[f"B_{k}"].T
        np.testing.assert_allclose(cells["z"], expected, rtol=0, atol=1e-12)
        assert np.abs(cells["r"] - cells["r_sent"]).max() > 0.1


@pytest.mark.quick(1)
@pytest.mark.parametrize("sst_threshold", [0.05, 0.0, 5.0])
def test_lateral_learning_uses_the_exact_sum_whatever_the_lateral_threshold(
    sst_threshold: float,
) -> None:
    """Guards against lateral weights that learn from coarsely sampled rates.

    Compared with eq. 28 for the rates that were reached, because the coarse lateral terms
    move these rates by about gamma.
    """
    system = small_system(sst_threshold=sst_threshold, event_threshold=0.02)
    problem = make_problem(system, images=1)
    traces, result = run(system, problem, learning=True)
    for k in (1, 2):
        reached = traces[f"pyramidal_{k}"]["r"][0, -1]
        B = problem.weights[f"B_{k}"]
        expected = lateral_update(B, reached, system.forgetting(1))
        np.testing.assert_allclose(result.weights[f"B_{k}"], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(traces[f"pyramidal_{k}"]["z"][0, -1], B @ reached, atol=1e-12)


def test_with_the_published_forgetting_coarse_sampling_hardly_moves_the_lateral_update() -> None:
    """Guards against a coarse lateral threshold that costs more than the lateral term itself.

    Rates move by at most c |B r|, below 1e-4 here, and the update, gamma_B z z, by 5e-7
    times twice that times |B| |z|, below 2e-8, against an update of 5e-7 z z.
    """
    system = small_system(lambda_=0.99999, sst_threshold=5.0)
    problem = make_problem(system, images=1)
    _, expected = reference_run(system, problem, learning=True)
    _, result = run(system, problem, learning=True)
    for k in (1, 2):
        name = f"B_{k}"
        change = np.abs(expected[name] - problem.weights[name]).max()
        error = np.abs(result.weights[name] - expected[name]).max()
        assert error < 2e-8
        assert error < 1e-2 * change


# ------------------------------------------------------------------ counts


def test_synaptic_operations_are_events_times_synapses_reached(
    compiled: Backend,
) -> None:
    """Guards against an energy figure that forgets a pathway or counts learning."""
    circuit = deep_system().circuit()
    counts = compiled.run(make_problem(deep_system()).chunk(learning=True)).event_counts
    # layers 5-6-4-3; a sample reaches the other SST cells of its layer and the autapse
    reached = {
        "sensory.spike": 6,
        "pyramidal_1.spike": 4,
        "pyramidal_2.spike": 3 + 6,
        "pyramidal_3.spike": 4,
        "pyramidal_1.sample": 5 + 1,
        "pyramidal_2.sample": 3 + 1,
        "pyramidal_3.sample": 2 + 1,
    }
    assert set(counts) == set(reached)
    expected = sum(counts[name] * synapses for name, synapses in reached.items())
    assert metrics.count_synops(circuit, counts) == expected
    assert metrics.count_events(circuit, counts)["graded spikes"] == sum(
        count for name, count in counts.items() if name.endswith(".spike")
    )


def test_dense_work_is_one_product_per_signal_synapse_and_step() -> None:
    """Guards against a comparison with a dense network that nobody would build."""
    signal = 5 * 6 + 6 * 4 + 4 * 3 + 6 * 4 + 4 * 3
    lateral = 6 * 6 + 4 * 4 + 3 * 3  # without the cells themselves, but with autapses
    assert deep_system().circuit().dense_macs_per_step() == signal + lateral


def test_angles_are_those_between_forward_weights_and_transposed_backward_ones() -> None:
    """Guards against an angle of the wrong pair, or without the transposition."""
    rng = np.random.default_rng(0)
    forward, other = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    assert metrics.angle_degrees(forward, 2 * forward.T) == pytest.approx(0, abs=1e-5)
    assert metrics.angle_degrees(forward, -forward.T) == pytest.approx(180, abs=1e-5)
    other -= (other * forward).sum() / (forward**2).sum() * forward
    assert metrics.angle_degrees(forward, other.T) == pytest.approx(90)
    tilted = forward / np.linalg.norm(forward) + np.sqrt(3) * other / np.linalg.norm(other)
    pairs = (FeedbackPair("theta_1", "F", "G"), FeedbackPair("theta_2", "F", "H"))
    got = metrics.angles(pairs, {"F": forward, "G": tilted.T, "H": forward.T})
    assert got["theta_1"] == pytest.approx(60)
    assert got["theta_2"] == pytest.approx(0, abs=1e-5)


def test_angles_without_meaning_are_refused() -> None:
    """Guards against a number for arrays that have no angle."""
    with pytest.raises(DataError, match="transposes"):
        metrics.angle_degrees(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(DataError, match="all-zero"):
        metrics.angle_degrees(np.zeros((2, 3)), np.ones((3, 2)))
