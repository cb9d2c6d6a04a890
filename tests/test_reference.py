"""The NumPy reference against closed forms, the paper's equations and explicit loops."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from neurosim.models import SYSTEMS
from neurosim.models.numpy.corinfomax import (
    FloatArray,
    ReferenceParameters,
    State,
    Trajectory,
    Weights,
    activity_gradient_hidden,
    activity_gradient_output,
    angle_degrees,
    apical_input,
    backward_error,
    basal_input,
    euler_step,
    forward_error,
    initial_weights,
    lateral_update,
    predict,
    readout,
    resting_state,
    simulate,
    somatic_derivative,
    train,
    update,
)

LAYERS = (3, 4, 5, 2)
MU_FF, MU_FB = (0.3, 0.2, 0.1), (0.07, 0.05)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2024)


@pytest.fixture
def weights(rng: np.random.Generator) -> dict[str, FloatArray]:
    return initial_weights(LAYERS, rng)


@pytest.fixture
def image(rng: np.random.Generator) -> FloatArray:
    return rng.uniform(size=LAYERS[0])


@pytest.fixture
def target() -> FloatArray:
    return np.array([0.0, 1.0])


def interior_weights(rng: np.random.Generator) -> dict[str, FloatArray]:
    """Small positive weights that keep every rate of a 3-4-2 network strictly inside (0, 1)."""
    weights = initial_weights((3, 4, 2), rng)
    for name in ("W_ff_0", "W_ff_1", "W_fb_1"):
        weights[name] = 0.2 * np.abs(weights[name]) + 0.1
    return weights


def linear_fixed_point(
    params: ReferenceParameters, weights: Weights, x: FloatArray, y: FloatArray, beta: float
) -> FloatArray:
    """Hidden and output rates of a two-layer network where the clipping does not act."""
    gamma, eps = params.gamma, params.epsilon
    hidden, output = len(weights["B_1"]), len(weights["B_2"])
    A = np.zeros((hidden + output, hidden + output))
    # The leak -g u and the autapse +g r cancel where r = u.
    A[:hidden, :hidden] = 2 * gamma * weights["B_1"] - 2 / eps * np.eye(hidden)
    A[:hidden, hidden:] = weights["W_fb_1"] / eps
    A[hidden:, :hidden] = weights["W_ff_1"] / eps
    conductance = 1.0 if params.output_apical == "constant" else beta
    A[hidden:, hidden:] = gamma * weights["B_2"] - (1 / eps + conductance + beta) * np.eye(output)
    return np.linalg.solve(A, -np.concatenate([weights["W_ff_0"] @ x / eps, beta * y]))


# ---------------------------------------------------------------------------
# Dynamics
# ---------------------------------------------------------------------------


@pytest.mark.parametrize("sequential", [False, True], ids=["together", "in turn"])
@pytest.mark.parametrize("output_apical", ["constant", "nudge"])
@pytest.mark.parametrize("beta", [1.0, -0.5])
def test_both_phases_settle_at_the_closed_form_fixed_point(
    rng: np.random.Generator, sequential: bool, output_apical: str, beta: float
) -> None:
    params = ReferenceParameters(
        free_steps=600,
        nudged_steps=600,
        lambda_=0.9,
        output_apical=output_apical,
        sequential=sequential,
    )
    weights, x, y = interior_weights(rng), np.array([0.9, 0.5, 0.7]), np.array([0.2, 0.3])
    trajectory = simulate(params, weights, x, y, beta)
    for row, nudge in ((trajectory.free_end, 0.0), (trajectory.nudged_end, beta)):
        expected = linear_fixed_point(params, weights, x, y, nudge)
        assert expected.min() > 0
        assert expected.max() < 1
        rates = np.concatenate([trajectory.r[1][row], trajectory.r[2][row]])
        np.testing.assert_allclose(rates, expected, rtol=1e-9)


def test_layers_together_or_in_turn_differ_on_the_way_and_agree_at_the_end(
    weights: Weights, image: FloatArray, target: FloatArray
) -> None:
    params = ReferenceParameters(free_steps=1500, nudged_steps=1500)
    together = simulate(params, weights, image, target, 1.0)
    in_turn = simulate(dataclasses.replace(params, sequential=True), weights, image, target, 1.0)
    assert not np.allclose(together.r[2][:5], in_turn.r[2][:5])
    for k in (1, 2, 3):
        for row in (together.free_end, together.nudged_end):
            np.testing.assert_allclose(together.r[k][row], in_turn.r[k][row], atol=1e-9)


@pytest.mark.parametrize("beta", [0.0, 0.7, -1.0])
@pytest.mark.parametrize("output_apical", ["constant", "nudge"])
def test_soma_follows_the_gradient_of_the_objective(
    rng: np.random.Generator, weights: Weights, target: FloatArray, beta: float, output_apical: str
) -> None:
    """Where u = r, eq. 19 is eq. 12; the output has its apical conductance on top of eq. 14."""
    params = ReferenceParameters(lambda_=0.9, output_apical=output_apical)
    r = {k: rng.uniform(size=size) for k, size in enumerate(LAYERS)}
    top = len(LAYERS) - 1
    for k in range(1, top + 1):
        v_B = basal_input(weights, r, weights["W_ff_0"] @ r[0], k)
        v_A = apical_input(params, weights, r, target, beta, k)
        du = somatic_derivative(params, r[k], v_B, v_A, beta, output=k == top)
        if k < top:
            expected = activity_gradient_hidden(params, weights, r, k)
        else:
            gradient = activity_gradient_output(params, weights, r, target, beta)
            expected = gradient - (1.0 if output_apical == "constant" else beta) * r[top]
        np.testing.assert_allclose(du, expected, atol=1e-12)


def test_three_compartments_equal_the_error_form_of_eq_15(
    rng: np.random.Generator, weights: Weights, target: FloatArray
) -> None:
    params = ReferenceParameters(lambda_=0.9)
    r = {k: rng.uniform(size=size) for k, size in enumerate(LAYERS)}
    u = rng.normal(size=LAYERS[1])
    M = params.epsilon * (2 * params.gamma * weights["B_1"] + params.g_l * np.eye(LAYERS[1]))
    errors = (u - weights["W_ff_0"] @ r[0]) + (u - weights["W_fb_1"] @ r[2])
    expected = -params.g_l * u + (M @ r[1] - errors) / params.epsilon
    v_B = basal_input(weights, r, weights["W_ff_0"] @ r[0], 1)
    v_A = apical_input(params, weights, r, target, 1.0, 1)
    du = somatic_derivative(params, u, v_B, v_A, 1.0, output=False)
    np.testing.assert_allclose(du, expected, atol=1e-12)


def test_paper_form_of_the_output_equals_eq_21(
    rng: np.random.Generator, weights: Weights, target: FloatArray
) -> None:
    params, beta, top = ReferenceParameters(lambda_=0.9, output_apical="nudge"), -0.4, 3
    r = {k: rng.uniform(size=size) for k, size in enumerate(LAYERS)}
    u = rng.normal(size=LAYERS[top])
    M = (params.gamma * weights[f"B_{top}"] + params.g_l * np.eye(LAYERS[top])) / beta
    v_A = M @ r[top] - (r[top] - target)
    v_B = weights[f"W_ff_{top - 1}"] @ r[top - 1]
    expected = -params.g_l * u + beta * (v_A - u) + (v_B - u) / params.epsilon
    current = apical_input(params, weights, r, target, beta, top)
    du = somatic_derivative(params, u, v_B, current, beta, output=True)
    np.testing.assert_allclose(du, expected, atol=1e-12)


def test_first_steps_carry_the_image_up_one_layer_per_step(
    weights: Weights, image: FloatArray, target: FloatArray
) -> None:
    params = ReferenceParameters()
    trajectory = simulate(params, weights, image, target, 1.0)
    first = params.dt / params.tau_u * (weights["W_ff_0"] @ image) / params.epsilon
    np.testing.assert_allclose(trajectory.u[1][0], first, atol=1e-15)
    assert not trajectory.u[2][0].any()
    assert trajectory.u[2][1].any()
    assert not trajectory.u[3][1].any()
    in_turn = simulate(dataclasses.replace(params, sequential=True), weights, image, target, 1.0)
    assert in_turn.u[3][0].any()


def test_rows_show_the_dendrites_after_delivery(
    weights: Weights, image: FloatArray, target: FloatArray
) -> None:
    params, beta = ReferenceParameters(), 1.0
    trajectory = simulate(params, weights, image, target, beta)
    for s, nudge in ((0, 0.0), (trajectory.free_end, 0.0), (trajectory.nudged_end, beta)):
        r = {0: image} | {k: rates[s] for k, rates in trajectory.r.items()}
        for k in (1, 2, 3):
            np.testing.assert_allclose(trajectory.v_B[k][s], r[k] - forward_error(weights, r, k))
            np.testing.assert_allclose(
                trajectory.v_A[k][s], apical_input(params, weights, r, target, nudge, k)
            )


def test_nudged_phase_restarts_potentials_at_the_rates_and_the_slowdown(
    weights: Weights, image: FloatArray, target: FloatArray
) -> None:
    params, beta = ReferenceParameters(slowdown=0.5), -1.0
    trajectory = simulate(params, weights, image, target, beta)
    end = trajectory.free_end
    r = {0: image} | {k: rates[end] for k, rates in trajectory.r.items()}
    assert (trajectory.u[2][end] < 0).any(), "no clipped cell: the test would prove nothing"
    for k in (1, 2, 3):
        v_A = apical_input(params, weights, r, target, beta, k)
        v_B = r[k] - forward_error(weights, r, k)
        du = somatic_derivative(params, r[k], v_B, v_A, beta, output=k == 3)
        expected = r[k] + params.dt / params.tau_u * du
        np.testing.assert_allclose(trajectory.u[k][end + 1], expected, atol=1e-12)


def test_slowdown_divides_the_step_size() -> None:
    params = ReferenceParameters(slowdown=0.01)
    assert params.step_size(0) == pytest.approx(0.05)
    assert params.step_size(30) == pytest.approx(0.05 / 1.3)


def test_free_phase_ignores_the_target(
    weights: Weights, image: FloatArray, target: FloatArray
) -> None:
    params = ReferenceParameters()
    one = simulate(params, weights, image, target, 1.0)
    other = simulate(params, weights, image, 1 - target, -1.0)
    np.testing.assert_array_equal(one.r[3][: params.free_steps], other.r[3][: params.free_steps])
    assert not np.allclose(one.r[3][-1], other.r[3][-1])


def test_leaky_dendrites_advance_with_the_old_values(
    rng: np.random.Generator, weights: Weights, target: FloatArray
) -> None:
    params = ReferenceParameters(tau_basal=5.0, tau_apical=8.0)
    old = random_state(rng, weights)
    new = euler_step(params, weights, old, target, 1.0, 0)
    for k in (1, 2, 3):
        s_B = basal_input(weights, old.r, old.sensory, k)
        s_A = apical_input(params, weights, old.r, target, 1.0, k)
        du = somatic_derivative(params, old.u[k], old.v_B[k], old.v_A[k], 1.0, output=k == 3)
        np.testing.assert_allclose(new.u[k], old.u[k] + du / 20.0)
        np.testing.assert_allclose(new.v_B[k], old.v_B[k] + (s_B - old.v_B[k]) / 5.0)
        np.testing.assert_allclose(new.v_A[k], old.v_A[k] + (s_A - old.v_A[k]) / 8.0)


def random_state(rng: np.random.Generator, weights: Weights) -> State:
    """A state in the middle of nowhere, so that no term of a derivative vanishes."""
    rest = resting_state(weights, rng.uniform(size=LAYERS[0]))
    r = {0: rest.r[0]} | {k: rng.uniform(size=LAYERS[k]) for k in rest.u}

    def potentials() -> dict[int, FloatArray]:
        return {k: rng.normal(size=LAYERS[k]) for k in rest.u}

    return State(potentials(), r, potentials(), potentials(), rest.sensory)


def test_leaky_dendrites_settle_where_instantaneous_ones_do(
    weights: Weights, image: FloatArray, target: FloatArray
) -> None:
    prompt = ReferenceParameters(free_steps=3000, nudged_steps=3000)
    leaky = dataclasses.replace(prompt, tau_basal=3.0, tau_apical=4.0)
    one, other = (simulate(p, weights, image, target, 1.0) for p in (prompt, leaky))
    for k in (1, 2, 3):
        for row in (one.free_end, one.nudged_end):
            np.testing.assert_allclose(one.r[k][row], other.r[k][row], atol=1e-8)
            np.testing.assert_allclose(one.v_A[k][row], other.v_A[k][row], atol=1e-8)
    assert not np.allclose(one.r[1][2], other.r[1][2])


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    seed=st.integers(0, 10_000),
    gain=st.floats(0, 20),
    beta=st.sampled_from([-1.0, -0.2, 0.5, 1.0]),
    sequential=st.booleans(),
    tau=st.sampled_from([0.0, 4.0]),
)
def test_any_network_keeps_its_shapes_and_its_rates_between_0_and_1(
    sizes: list[int], seed: int, gain: float, beta: float, sequential: bool, tau: float
) -> None:
    rng = np.random.default_rng(seed)
    params = ReferenceParameters(
        free_steps=7, nudged_steps=3, sequential=sequential, tau_basal=tau, tau_apical=tau
    )
    weights = {name: gain * W for name, W in initial_weights(sizes, rng).items()}
    x, y = rng.uniform(size=sizes[0]), rng.uniform(size=sizes[-1])
    trajectory = simulate(params, weights, x, y, beta)
    for k, size in enumerate(sizes[1:], start=1):
        for series in (trajectory.u, trajectory.r, trajectory.v_B, trajectory.v_A):
            assert series[k].shape == (10, size)
            assert np.isfinite(series[k]).all()
        assert trajectory.r[k].min() >= 0
        assert trajectory.r[k].max() <= 1
    depth = len(sizes) - 1
    new = update(params, weights, [(trajectory, x, beta)], [0.1] * depth, [0.1] * (depth - 1))
    assert {n: W.shape for n, W in new.items()} == {n: W.shape for n, W in weights.items()}


# ---------------------------------------------------------------------------
# Learning
# ---------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [0.0, 6.0], ids=["prompt", "leaky"])
@pytest.mark.parametrize("beta", [1.0, -0.5])
def test_one_update_equals_explicit_loops_over_synapses(
    weights: Weights, image: FloatArray, target: FloatArray, beta: float, tau: float
) -> None:
    params = ReferenceParameters(lambda_=0.9, tau_basal=tau, tau_apical=tau)
    trajectory = simulate(params, weights, image, target, beta)
    new = update(params, weights, [(trajectory, image, beta)], MU_FF, MU_FB)
    rates = phase_ends(trajectory, image)
    for k in range(3):
        expected = weights[f"W_ff_{k}"].copy()
        for i, j in np.ndindex(expected.shape):
            for row, sign in ((params.free_steps - 1, -1), (-1, 1)):
                error = rates[row][k + 1][i] - trajectory.v_B[k + 1][row][i]
                expected[i, j] += sign * MU_FF[k] / beta * error * rates[row][k][j]
        np.testing.assert_allclose(new[f"W_ff_{k}"], expected, atol=1e-13)
    for k in (1, 2):
        expected = weights[f"W_fb_{k}"].copy()
        for i, j in np.ndindex(expected.shape):
            for row, sign in ((params.free_steps - 1, -1), (-1, 1)):
                error = rates[row][k][i] - weights[f"W_fb_{k}"][i] @ rates[row][k + 1]
                expected[i, j] += sign * MU_FB[k - 1] / beta * error * rates[row][k + 1][j]
        np.testing.assert_allclose(new[f"W_fb_{k}"], expected, atol=1e-13)
    forgetting = 0.9**0.05
    for k in (1, 2, 3):
        B = weights[f"B_{k}"]
        expected = np.empty_like(B)
        for i, j in np.ndindex(B.shape):
            z_i, z_j = B[i] @ rates[-1][k], B[j] @ rates[-1][k]
            expected[i, j] = (B[i, j] - (1 / forgetting - 1) * z_i * z_j) / forgetting
        np.testing.assert_allclose(new[f"B_{k}"], expected, atol=1e-13)


def phase_ends(trajectory: Trajectory, image: FloatArray) -> dict[int, dict[int, FloatArray]]:
    """Rates of all layers, image included, by row of the phase's end."""
    return {
        row: {0: image} | {k: series[row] for k, series in trajectory.r.items()}
        for row in (trajectory.free_steps - 1, -1)
    }


def test_update_reads_the_prediction_errors_of_eq_13(
    weights: Weights, image: FloatArray, target: FloatArray
) -> None:
    """With instantaneous dendrites, soma minus basal dendrite is the forward error."""
    params = ReferenceParameters()
    trajectory = simulate(params, weights, image, target, 1.0)
    new = update(params, weights, [(trajectory, image, 1.0)], MU_FF, MU_FB)
    ends = phase_ends(trajectory, image)
    nudged, free = ends[-1], ends[params.free_steps - 1]
    change = sum(
        sign * np.outer(forward_error(weights, r, 2), r[1]) for r, sign in ((nudged, 1), (free, -1))
    )
    np.testing.assert_allclose(new["W_ff_1"] - weights["W_ff_1"], MU_FF[1] * change, atol=1e-13)
    change = sum(
        sign * np.outer(backward_error(weights, r, 1), r[2])
        for r, sign in ((nudged, 1), (free, -1))
    )
    np.testing.assert_allclose(new["W_fb_1"] - weights["W_fb_1"], MU_FB[0] * change, atol=1e-13)


def test_update_leaves_the_given_weights_alone(
    weights: Weights, image: FloatArray, target: FloatArray
) -> None:
    before = {name: W.copy() for name, W in weights.items()}
    params = ReferenceParameters()
    trajectory = simulate(params, weights, image, target, 1.0)
    update(params, weights, [(trajectory, image, 1.0)], MU_FF, MU_FB)
    for name, W in weights.items():
        np.testing.assert_array_equal(W, before[name])


@pytest.mark.parametrize("beta", [1.0, -1.0])
def test_learning_one_image_brings_the_free_output_nearer_to_its_target(
    rng: np.random.Generator, beta: float
) -> None:
    params, learnt = ReferenceParameters(epsilon=0.3), interior_weights(rng)
    x, y = np.array([0.9, 0.5, 0.7]), np.array([0.1, 0.6])

    def error() -> float:
        return float(np.sum((readout(params, learnt, x[None])[0] - y) ** 2))

    before = error()
    for _ in range(100):
        trajectory = simulate(params, learnt, x, y, beta)
        learnt = update(params, learnt, [(trajectory, x, beta)], (0.1, 0.1), (0.02,))
    assert error() < 0.5 * before


def test_lateral_update_is_the_rank_one_inverse_up_to_its_denominator(
    rng: np.random.Generator,
) -> None:
    forgetting, r = 0.95, rng.uniform(size=5)
    root = rng.normal(size=(5, 5))
    R = root @ root.T + 0.1 * np.eye(5)
    B = np.linalg.inv(R)
    exact = np.linalg.inv(forgetting * R + (1 - forgetting) * np.outer(r, r))
    gamma, z = (1 - forgetting) / forgetting, B @ r
    dropped = gamma / forgetting * np.outer(z, z) * (1 - 1 / (1 + gamma * r @ B @ r))
    np.testing.assert_allclose(lateral_update(B, r, forgetting), exact - dropped, rtol=1e-9)


def test_lateral_weights_track_the_inverse_of_the_regularised_correlation(
    rng: np.random.Generator,
) -> None:
    """B follows (R + eps I)^-1 as the forgetting factor nears 1, over one memory span."""
    mixing = rng.uniform(size=(4, 4))
    deviations = []
    for forgetting in (0.99, 0.999):
        R = 0.15 * np.eye(4)
        B = np.linalg.inv(R)
        for _ in range(round(1 / (1 - forgetting))):
            r = np.clip(mixing @ rng.uniform(size=4) / 2, 0, 1)
            B = lateral_update(B, r, forgetting)
            R = forgetting * R + (1 - forgetting) * np.outer(r, r)
        exact = np.linalg.inv(R)
        deviations.append(np.linalg.norm(B - exact) / np.linalg.norm(exact))
    assert deviations[1] < deviations[0] / 5
    assert deviations[1] < 0.01


def test_silent_layer_forgets_by_lambda_in_lambda_images(weights: Weights) -> None:
    params = ReferenceParameters(lambda_=0.9, lambda_images=7)
    silence, learnt = np.zeros(LAYERS[0]), dict(weights)
    for _ in range(params.lambda_images):
        trajectory = simulate(params, learnt, silence, np.zeros(2), 1.0)
        learnt = update(params, learnt, [(trajectory, silence, 1.0)], MU_FF, MU_FB)
    np.testing.assert_allclose(learnt["B_1"], weights["B_1"] / 0.9)


def test_digits_are_learnt_without_symmetric_weights() -> None:
    """Guards the signs of the rules: a wrong one leaves accuracy or angle where it began."""
    images, labels = load_digits(return_X_y=True)
    images, targets = images / 16, np.eye(10)[labels]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))
    seen, unseen = order[:1000], order[1437:]
    params = ReferenceParameters(epsilon=0.3, dt=2.0, free_steps=15, nudged_steps=5)
    weights = initial_weights((64, 50, 10), rng)
    learnt = train(params, weights, images[seen], targets[seen], (0.3, 0.2), (0.05,), rng)
    before, after = (
        np.mean(predict(params, w, images[unseen]) == labels[unseen]) for w in (weights, learnt)
    )
    assert before < 0.3
    assert after > 0.7
    assert angle_degrees(weights["W_ff_1"], weights["W_fb_1"]) > 80
    assert angle_degrees(learnt["W_ff_1"], learnt["W_fb_1"]) < 75


def test_training_is_one_update_per_image_in_random_order_with_random_signs(
    rng: np.random.Generator, weights: Weights
) -> None:
    params = ReferenceParameters(free_steps=5, nudged_steps=2)
    x, y = rng.uniform(size=(12, 3)), rng.uniform(size=(12, 2))
    learnt = train(params, weights, x, y, MU_FF, MU_FB, np.random.default_rng(3), beta=0.5)
    draws, expected = np.random.default_rng(3), dict(weights)
    order, signs = draws.permutation(12), draws.choice((-1.0, 1.0), size=12)
    assert set(signs) == {-1.0, 1.0}
    for i, sign in zip(order, signs, strict=True):
        trajectory = simulate(params, expected, x[i], y[i], 0.5 * sign)
        expected = update(params, expected, [(trajectory, x[i], 0.5 * sign)], MU_FF, MU_FB)
    for name, W in expected.items():
        np.testing.assert_array_equal(learnt[name], W)


def test_training_is_reproducible_and_decays_its_rates() -> None:
    params = ReferenceParameters(free_steps=5, nudged_steps=2)
    x, y = np.eye(3), np.eye(3)[:, :2]
    start = initial_weights((3, 4, 2), np.random.default_rng(1))

    def learn(decay: float, epochs: int) -> dict[str, FloatArray]:
        rng = np.random.default_rng(5)
        return train(params, start, x, y, (0.1, 0.1), (0.1,), rng, epochs=epochs, decay=decay)

    np.testing.assert_array_equal(learn(0.5, 2)["W_ff_0"], learn(0.5, 2)["W_ff_0"])
    np.testing.assert_array_equal(learn(0.0, 2)["W_fb_1"], learn(1.0, 1)["W_fb_1"])


# ---------------------------------------------------------------------------
# Initial weights, read-out, angle
# ---------------------------------------------------------------------------


def test_initial_weights_have_the_names_shapes_and_spread_of_the_paper() -> None:
    weights = initial_weights((60, 50, 40, 10), np.random.default_rng(0))
    shapes = {
        "W_ff_0": (50, 60),
        "W_ff_1": (40, 50),
        "W_ff_2": (10, 40),
        "W_fb_1": (50, 40),
        "W_fb_2": (40, 10),
        "B_1": (50, 50),
        "B_2": (40, 40),
        "B_3": (10, 10),
    }
    assert {name: W.shape for name, W in weights.items()} == shapes
    for name in ("W_ff_0", "W_ff_1", "W_fb_1"):
        limit = np.sqrt(6 / sum(weights[name].shape))
        assert 0.95 * limit < np.abs(weights[name]).max() <= limit
    np.testing.assert_array_equal(weights["B_1"], weights["B_1"].T)
    assert np.linalg.eigvalsh(weights["B_1"]).min() > -1e-12
    assert np.trace(weights["B_1"]) / 50 == pytest.approx(1, abs=0.1)
    assert angle_degrees(weights["W_ff_1"], weights["W_fb_1"]) == pytest.approx(90, abs=5)


def test_readout_of_many_images_equals_one_image_at_a_time(
    rng: np.random.Generator, weights: Weights, target: FloatArray
) -> None:
    params, images = ReferenceParameters(), rng.uniform(size=(6, LAYERS[0]))
    together = readout(params, weights, images)
    for image, rates in zip(images, together, strict=True):
        alone = simulate(params, weights, image, target, 1.0)
        np.testing.assert_allclose(rates, alone.r[3][alone.free_end], atol=1e-12)
    np.testing.assert_array_equal(predict(params, weights, images), together.argmax(axis=1))


def test_angle_is_0_for_symmetric_and_90_for_orthogonal_weights() -> None:
    W = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]])
    assert angle_degrees(W, 3 * W.T) == pytest.approx(0, abs=1e-5)
    assert angle_degrees(np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])) == pytest.approx(90)


# ---------------------------------------------------------------------------
# What an oracle is
# ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({system.__module__ for system in SYSTEMS.values()}))
def test_every_system_has_an_oracle_that_needs_numpy_alone(name: str) -> None:
    """Guards an oracle that agrees with the engine because it is the engine."""
    folder, _, file = name.rpartition(".")
    oracle = importlib.import_module(f"{folder}.numpy.{file}")
    imported = set()
    for node in ast.walk(ast.parse(inspect.getsource(oracle))):
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    imported = {one for one in imported if not one.startswith(f"{folder}.numpy.")}
    assert {one.partition(".")[0] for one in imported} <= {"numpy", *sys.stdlib_module_names}
