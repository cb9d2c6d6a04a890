"""The running network against the NumPy reference: every step, every update."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import (
    COMPARTMENTS,
    Problem,
    assert_same_trajectory,
    assert_same_weights,
    autapses_and_inhibition,
    check_against_reference,
    check_learning,
    deep_system,
    make_problem,
    record_run,
    reference_parameters,
    reference_run,
    small_system,
)

from neurosim import CorInfoMax, Simulator
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Chunk
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.models.numpy.corinfomax import simulate

SYSTEMS: dict[str, CorInfoMax] = {
    "one hidden layer": small_system(),
    "two hidden layers": deep_system(),
    "no hidden layer": small_system(layers=(5, 3), mu_ff=(0.1,), mu_fb=()),
    "output conductance beta": small_system(output_apical="nudge"),
    "batches of two": small_system(batch=2),
    "slowing steps": small_system(slowdown=0.3),
    "leaky dendrites": small_system(tau_basal=3.0, tau_apical=4.0),
    "everything at once": deep_system(
        output_apical="nudge", slowdown=0.1, tau_basal=2.0, tau_apical=5.0, g_l=0.3, epsilon=0.2
    ),
    "half steps and the published forgetting": small_system(dt=0.5, tau_u=13.0, lambda_=0.99999),
}

every_system = pytest.mark.parametrize("name", SYSTEMS)


@pytest.mark.quick(4)
@every_system
def test_several_images_with_learning_equal_the_reference_in_every_step(name: str) -> None:
    """Guards against wrong equations, updates and gates, and state that leaks between images."""
    check_against_reference(SYSTEMS[name])


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("name", "beta"),
    [
        ("one hidden layer", 1.0),
        ("two hidden layers", -1.0),
        ("everything at once", 0.5),
    ],
)
def test_a_users_recording_equals_the_reference_in_every_step(name: str, beta: float) -> None:
    """Guards against a recording that runs another nudge, other weights or other phases."""
    system = SYSTEMS[name]
    problem = make_problem(system, images=2)
    simulator = Simulator(system, backend="runtime", dtype="float64")
    simulator.weights.update(problem.weights)
    recording = simulator.record(problem.images, problem.targets, inputs={"beta": beta})
    params = reference_parameters(system)
    names = {"u": "soma", "r": "rate", "v_B": "basal", "v_A": "apical"}
    traces = {
        f"pyramidal_{k}": {
            variable: recording[f"layer_{k}/{name}"].values for variable, name in names.items()
        }
        for k in range(1, system.depth + 1)
    }
    for image, (x, y) in enumerate(zip(problem.images, problem.targets, strict=True)):
        expected = simulate(params, problem.weights, x, y, beta)
        assert_same_trajectory(traces, image, expected)
        assert recording.prediction[image] == expected.r[system.depth][expected.free_end].argmax()


@every_system
def test_the_problem_shows_silent_full_and_graded_cells_and_moves_every_weight(name: str) -> None:
    """Guards against an oracle without teeth: where nothing is clipped, no clip is tested."""
    problem = make_problem(SYSTEMS[name])
    trajectories, learnt = reference_run(SYSTEMS[name], problem, learning=True)
    for k in trajectories[0].r:
        rates = np.concatenate([trajectory.r[k] for trajectory in trajectories])
        potentials = np.concatenate([trajectory.u[k] for trajectory in trajectories])
        assert potentials.min() < 0, f"no cell of layer {k} is pushed below 0"
        assert np.any((rates > 0.01) & (rates < 0.99)), f"no cell of layer {k} is graded"
    highest = max(float(trajectory.u[1].max()) for trajectory in trajectories)
    assert highest > 1, "no cell is pushed above 1"
    for weight, before in problem.weights.items():
        assert np.abs(learnt[weight] - before).max() > 1e-6, f"{weight} does not move"


@pytest.mark.parametrize("name", ["one hidden layer", "two hidden layers", "slowing steps"])
def test_the_problem_shows_cells_that_the_nudge_silences_or_wakes(name: str) -> None:
    """Guards against an oracle blind to rules that leave out cells silent in one phase."""
    trajectories, _ = reference_run(SYSTEMS[name], make_problem(SYSTEMS[name]), learning=True)
    free, nudged = (
        np.concatenate([t.r[k][row] for t in trajectories for k in t.r])
        for row in (trajectories[0].free_end, trajectories[0].nudged_end)
    )
    assert np.any((free > 1e-3) & (nudged == 0))
    assert np.any((free == 0) & (nudged > 1e-3))


@pytest.mark.quick(1)
@pytest.mark.parametrize("beta", [0.5, -1.0])
def test_one_update_equals_the_reference(beta: float) -> None:
    """Guards against an error of one update that later updates would average away."""
    system = deep_system()
    problem = make_problem(system, images=1)
    problem = Problem(problem.weights, problem.images, problem.targets, np.array([beta]))
    _, learnt = reference_run(system, problem, learning=True)
    _, result = record_run(system, problem, learning=True)
    assert_same_weights(result.weights, learnt)
    for name, before in problem.weights.items():
        assert np.abs(learnt[name] - before).max() > 1e-4, f"{name} hardly moves here"


def test_updates_equal_outer_products_of_the_recorded_trajectories() -> None:
    """Guards against a reference and a network that share a misreading of eq. 26 to 28."""
    system, beta = small_system(), -0.5
    problem = make_problem(system, images=1)
    problem = Problem(problem.weights, problem.images, problem.targets, np.array([beta]))
    traces, result = record_run(system, problem, learning=True)
    free, nudged = 11, 17
    x, W_ff, W_fb = problem.images[0], problem.weights["W_ff_0"], problem.weights["W_fb_1"]
    r1, r2 = traces["pyramidal_1"]["r"][0], traces["pyramidal_2"]["r"][0]
    ff = np.outer(r1[nudged] - W_ff @ x, x) - np.outer(r1[free] - W_ff @ x, x)
    fb = np.outer(r1[nudged] - W_fb @ r2[nudged], r2[nudged])
    fb -= np.outer(r1[free] - W_fb @ r2[free], r2[free])
    z = problem.weights["B_1"] @ r1[nudged]
    forgetting = 0.9 ** (1 / 20)
    gamma = (1 - forgetting) / forgetting
    expected = {
        "W_ff_0": W_ff + 0.1 / beta * ff,
        "W_fb_1": W_fb + 0.05 / beta * fb,
        "B_1": (problem.weights["B_1"] - gamma * np.outer(z, z)) / forgetting,
    }
    assert_same_weights({name: result.weights[name] for name in expected}, expected)


def test_compiled_updates_equal_the_reference() -> None:
    """Guards against generated C++ that runs another order of events than the reference.

    The form with every option; the published one is compared between back ends elsewhere.
    """
    system = deep_system(
        output_apical="nudge", slowdown=0.1, tau_basal=2.0, tau_apical=5.0, g_l=0.3
    )
    with CppBackend(system.circuit(), dtype="float64", max_cycles=8) as backend:
        check_learning(backend, system, make_problem(system, images=1))
        check_learning(backend, system, make_problem(system, images=7, seed=3))


def test_learning_can_be_left_out_of_a_run_that_nudges() -> None:
    """Guards against a gate that follows the nudge instead of the learning switch."""
    system = small_system()
    problem = make_problem(system)
    trajectories, unchanged = reference_run(system, problem, learning=False)
    traces, result = record_run(system, problem, learning=False)
    for image, expected in enumerate(trajectories):
        assert_same_trajectory(traces, image, expected)
    assert_same_weights(result.weights, unchanged, tolerance=0)


def test_rates_handed_over_for_a_run_replace_those_of_the_circuit() -> None:
    """Guards against a schedule whose learning rates never reach the synapses."""
    system, other = small_system(), small_system(mu_ff=(0.02, 0.3), mu_fb=(0.2,))
    problem = make_problem(system)
    _, learnt = reference_run(other, problem, learning=True)
    with RuntimeBackend(system.circuit(), dtype="float64", max_cycles=3) as backend:
        result = backend.run(problem.chunk(learning=True, parameters=other.rates(0)))
    assert_same_weights(result.weights, learnt)


def test_recorded_errors_and_interneurons_are_what_their_names_say() -> None:
    """Guards against plots of a quantity that is not the one in its caption."""
    system = small_system()
    problem = make_problem(system, images=1)
    traces, _ = record_run(system, problem, learning=False)
    cells, above = traces["pyramidal_1"], traces["pyramidal_2"]
    B, W_fb = problem.weights["B_1"], problem.weights["W_fb_1"]
    autapses, inhibition = autapses_and_inhibition(system, problem.weights, 1)
    r = cells["r"][0]
    expected = {
        "e_B": r - cells["v_B"][0],
        "e_A": r - above["r"][0] @ W_fb.T,
        "s_A": above["r"][0] @ W_fb.T,
        "z": r @ B.T,
        "z_self": r * np.diagonal(B),
        "i_D": r * autapses,
        "i_sst": -r @ inhibition.T,
        "r_sent": r,
    }
    for name, want in expected.items():
        np.testing.assert_allclose(cells[name][0], want, rtol=0, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(traces["sst_1"]["i_sst"], cells["i_sst"])
    (declared,) = (layer for layer in system.layer_traces() if layer.layer == 1)
    assert set(declared.variables()["pyramidal_1"]) <= set(COMPARTMENTS) | set(expected)


def test_phases_shorter_than_the_circuits_stop_where_the_reference_does() -> None:
    """Guards against phase lengths of a run that reach only some of the gates."""
    system, shorter = small_system(), small_system(free_time=7.0, nudged_time=2.0)
    problem = make_problem(system)
    _, learnt = reference_run(shorter, problem, learning=True)
    with RuntimeBackend(system.circuit(), dtype="float64", max_cycles=3) as backend:
        chunk: Chunk = problem.chunk(learning=True, phases={"free": 7, "nudged": 2})
        assert_same_weights(backend.run(chunk).weights, learnt)
