"""CorInfoMax's own promises: settings, schedule, initial weights, D and O."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    autapses_and_inhibition,
    deep_system,
    make_problem,
    record_run,
    reference_run,
    small_system,
)

from neurosim import CorInfoMax
from neurosim.errors import DataError, ParameterError
from neurosim.models import SYSTEMS
from neurosim.models.numpy.corinfomax import ReferenceParameters, simulate
from neurosim.system import System

# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": (784,)}, r"layers = \(784,\): give at least an input and an output layer"),
        ({"layers": (784, 0, 10)}, r"layers"),
        ({"layers": (784, 500.0, 10)}, r"layers"),
        ({"layers": (784, True, 10)}, r"layers"),
        ({"mu_ff": (0.1,)}, r"has 1 value, but these layers need 2; give 2, e.*mu_ff=0\.1,0\.1"),
        ({"mu_ff": (0.1, 0.2, 0.3)}, r"mu_ff has 3 values.*need 2"),
        ({"mu_fb": ()}, r"has 0 values, but these layers need 1; give 1, .*mu_fb=0\.01"),
        ({"epsilon": 0.0}, r"epsilon = 0\.0.*\(0, inf\)"),
        ({"lambda_": 1.0}, r"lambda_ = 1\.0.*\[0\.5, 1\)"),
        ({"beta": 0.0}, r"beta = 0\.0.*\(0, inf\)"),
        ({"beta": -1.0}, r"beta = -1\.0"),
        ({"mu_ff": (0.1, -0.1)}, r"mu_ff = -0\.1"),
        ({"output_apical": "none"}, r"output_apical = 'none'.*constant, nudge"),
        ({"decay": (0.9,)}, r"decay = \(0\.9,\) with decay_from = \(0, 15\)"),
        ({"decay": (0.9, 0.8), "decay_from": (1, 5)}, r"rising from 0"),
        ({"decay": (0.9, 0.8, 0.7), "decay_from": (0, 9, 9)}, r"rising from 0"),
        ({"decay": (), "decay_from": ()}, r"rising from 0"),
        ({"free_time": 30.5}, r"free_time = 30\.5 ms is not a whole number of steps of 1\.0 ms"),
        ({"nudged_time": 0.4}, r"nudged_time = 0\.4 ms is not a whole number"),
        ({"tau_basal": 0.5}, r"tau_basal = 0\.5 ms is shorter than the time step"),
        ({"tau_apical": 0.5}, r"tau_apical = 0\.5 ms is shorter than the time step"),
    ],
)
def test_settings_that_make_no_network_are_refused(change: dict[str, Any], words: str) -> None:
    """Guards against a network of another shape or length than the one asked for."""
    with pytest.raises(ParameterError, match=words) as caught:
        CorInfoMax(**change)
    assert "CorInfoMax" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layers", [5, "784", None, [784, 500, 10]], ids=repr)
def test_layers_that_are_no_tuple_are_refused(layers: Any) -> None:
    """Guards against a TypeError, and a system that cannot be compared or hashed."""
    with pytest.raises(ParameterError, match="layers"):
        CorInfoMax(layers=layers)


@given(
    g_l=st.floats(0, 5),
    epsilon=st.floats(0.05, 2),
    dt=st.sampled_from([0.25, 0.5, 1.0, 2.0]),
    tau_u=st.floats(1, 60),
    beta=st.floats(0.01, 60),
    output_apical=st.sampled_from(["constant", "nudge"]),
)
def test_the_explicit_step_is_refused_exactly_where_it_is_unstable(
    g_l: float, epsilon: float, dt: float, tau_u: float, beta: float, output_apical: str
) -> None:
    """Guards against a step that oscillates without bound, in any cell and phase."""
    system = {"g_l": g_l, "epsilon": epsilon, "dt": dt, "tau_u": tau_u, "beta": beta}
    system["output_apical"] = output_apical
    steepest = max(_relaxations(g_l, epsilon, beta, output_apical == "constant"))
    if dt / tau_u * steepest < 2:
        assert CorInfoMax(**system).epsilon == epsilon
    else:
        with pytest.raises(ParameterError, match=r"Euler step is unstable in .*tau_u > "):
            CorInfoMax(**system)


def _relaxations(g_l: float, epsilon: float, beta: float, constant: bool) -> list[float]:
    """Minus d(tau du/dt)/du of one cell, slope by slope of its rate: hidden, then output."""
    found = []
    for slope in (0, 1):
        found.append(g_l + 2 / epsilon - slope * g_l)
        for nudge in (0, beta):
            conductance = 1 if constant else nudge
            found.append(g_l + 1 / epsilon + conductance + slope * (nudge - g_l))
    return found


@pytest.mark.parametrize(
    ("settings", "cells"),
    [
        ({"epsilon": 0.15, "tau_u": 5.0}, "hidden cells"),
        ({"epsilon": 10.0, "tau_u": 0.6, "beta": 0.1}, "silent output cells"),
        ({"beta": 60.0}, "nudged output cells"),
        ({"beta": 30.0, "output_apical": "nudge"}, "nudged output cells"),
        (
            {"layers": (784, 10), "mu_ff": (0.1,), "mu_fb": (), "tau_u": 3.0, "beta": 0.1},
            "silent output cells",
        ),
    ],
)
def test_an_unstable_step_names_the_cells_and_a_time_constant_that_is_stable(
    settings: dict[str, Any], cells: str
) -> None:
    """Guards a bound for hidden cells only: the output's potential grew without bound."""
    with pytest.raises(ParameterError, match=f"unstable in {cells}:") as caught:
        CorInfoMax(**settings)
    enough = float(re.search(r"use tau_u > ([\d.e+]+) ms", str(caught.value)).group(1))
    CorInfoMax(**{**settings, "tau_u": 1.01 * enough})


@pytest.mark.parametrize(("tau_u", "stable"), [(22.0, True), (30.0, True), (18.0, False)])
def test_the_bound_of_a_nudged_output_cell_is_where_it_diverges(tau_u: float, stable: bool) -> None:
    """Guards the formula against the dynamics: one cell that rests near the middle of [0, 1]."""
    beta, half = 34.0, np.array([0.5])
    params = ReferenceParameters(tau_u=tau_u, nudged_steps=2000)
    weights = {"W_ff_0": np.ones((1, 1)), "B_1": np.zeros((1, 1))}
    u = simulate(params, weights, half, half, beta).u[1][:, 0]
    assert (abs(u[-1] - u[-2]) < 1e-9) == stable
    settings: dict[str, Any] = {"layers": (1, 1), "mu_ff": (0.1,), "mu_fb": (), "beta": beta}
    if stable:
        CorInfoMax(**settings, tau_u=tau_u)
    else:
        with pytest.raises(ParameterError, match="unstable in nudged output cells"):
            CorInfoMax(**settings, tau_u=tau_u)


def test_the_published_step_ablation_breaks_where_the_paper_says() -> None:
    """Guards against a stability bound off by a factor: 0.1 still runs, 0.15 does not."""
    assert CorInfoMax(tau_u=1 / 0.1).tau_u == 10
    with pytest.raises(ParameterError, match="unstable"):
        CorInfoMax(tau_u=1 / 0.15)


def test_times_are_counted_in_steps_even_where_floats_divide_badly() -> None:
    """Guards against 0.3/0.1 = 2.9999999999999996 steps."""
    system = CorInfoMax(dt=0.1, free_time=0.3, nudged_time=1.1)
    assert system.circuit().phase_steps() == {"free": 3, "nudged": 11}
    assert system.evaluation_phases() == {"free": 3, "nudged": 0}


def test_a_system_is_a_value() -> None:
    """Guards against settings that change under a running simulation."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        CorInfoMax().epsilon = 0.3  # type: ignore[misc]
    assert CorInfoMax() == CorInfoMax()
    assert hash(CorInfoMax()) == hash(CorInfoMax())
    assert CorInfoMax().circuit() == CorInfoMax().circuit()


# ------------------------------------------------------------------ the schedule


def test_rates_fall_by_095_per_epoch_then_drop_to_the_power_of_09() -> None:
    """Guards against a continuous schedule: the published one drops from .95^14 to .9^15."""
    system = CorInfoMax()
    for epoch in range(40):
        factor = 0.95**epoch if epoch < 15 else 0.9**epoch
        expected = {"ff_0.mu": 0.05 * factor, "ff_1.mu": 0.035 * factor, "fb_1.mu": 0.0075 * factor}
        assert system.rates(epoch) == pytest.approx(expected, rel=1e-12)
    last, first = system.rates(14)["ff_0.mu"], system.rates(15)["ff_0.mu"]
    assert first / last == pytest.approx(0.9**15 / 0.95**14, rel=1e-12)


def test_a_schedule_may_have_any_number_of_stretches() -> None:
    """Guards against a third stretch that is never reached, Fashion-MNIST's frozen end."""
    system = CorInfoMax(decay=(0.95, 0.9, 0.8), decay_from=(0, 20, 25))
    for epoch, factor in ((0, 1.0), (19, 0.95**19), (20, 0.9**20), (24, 0.9**24), (25, 0.8**25)):
        assert system.rates(epoch)["ff_0.mu"] == pytest.approx(0.05 * factor, rel=1e-12)
    constant = CorInfoMax(decay=(1.0,), decay_from=(0,))
    assert constant.rates(1000) == constant.rates(0)


def test_rates_name_every_plastic_forward_and_backward_projection() -> None:
    """Guards against a layer that never learns."""
    circuit = deep_system().circuit()
    names = {f"{item.name}.mu" for item in circuit.projections if "mu" in item.parameters}
    assert (
        set(deep_system().rates(0))
        == names
        == {f"ff_{k}.mu" for k in range(3)}
        | {
            "fb_1.mu",
            "fb_2.mu",
        }
    )


# ------------------------------------------------------------------ before learning


@pytest.mark.parametrize("layers", [(7, 5, 3), (7, 5, 4, 3), (7, 3)])
def test_initial_weights_are_independent_glorot_draws_and_gram_matrices(
    layers: tuple[int, ...],
) -> None:
    """Guards against feedback that starts as the transpose of feedforward."""
    depth = len(layers) - 1
    system = CorInfoMax(layers=layers, mu_ff=(0.1,) * depth, mu_fb=(0.1,) * (depth - 1))
    weights = system.initial_weights(np.random.default_rng(0))
    shapes = {f"W_ff_{k}": (layers[k + 1], layers[k]) for k in range(depth)}
    shapes |= {f"W_fb_{k}": (layers[k], layers[k + 1]) for k in range(1, depth)}
    shapes |= {f"B_{k}": (layers[k], layers[k]) for k in range(1, depth + 1)}
    assert {name: array.shape for name, array in weights.items()} == shapes
    assert {weight.name: weight.shape for weight in system.circuit().weights} == shapes
    for name, array in weights.items():
        if name.startswith("B"):
            np.testing.assert_array_equal(array, array.T)
            assert np.linalg.eigvalsh(array).min() > -1e-12
        else:
            assert np.abs(array).max() <= math.sqrt(6 / sum(array.shape))
    for k in range(1, depth):
        assert np.abs(weights[f"W_ff_{k}"] - weights[f"W_fb_{k}"].T).min() > 1e-6


def test_initial_weights_have_the_spread_of_their_distribution() -> None:
    """Guards against a bound that is taken for a standard deviation."""
    weights = CorInfoMax(layers=(300, 200, 10)).initial_weights(np.random.default_rng(1))
    bound = math.sqrt(6 / 500)
    assert weights["W_ff_0"].std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert np.abs(weights["W_ff_0"]).max() == pytest.approx(bound, rel=1e-3)
    assert weights["W_ff_0"].mean() == pytest.approx(0, abs=4 * bound / math.sqrt(3 * 60000))
    # E[G G^T] is the identity: 200 entries of variance 2/400 each
    assert np.diagonal(weights["B_1"]).mean() == pytest.approx(1, rel=0.05)
    assert weights["B_1"][~np.eye(200, dtype=bool)].mean() == pytest.approx(0, abs=0.01)


def test_nudges_have_the_chosen_size_and_a_random_sign() -> None:
    """Guards against a sign drawn once per epoch, or a size that is lost."""
    drawn = CorInfoMax(beta=0.25).cycle_scalars(np.random.default_rng(0), 4000)["beta"]
    assert set(drawn.tolist()) == {-0.25, 0.25}
    assert abs(drawn.mean()) < 0.25 * 4 / math.sqrt(4000)
    assert abs((drawn[1:] * drawn[:-1]).mean()) < 0.25**2 * 4 / math.sqrt(4000)
    fixed = CorInfoMax(beta=0.25, random_sign=False).cycle_scalars(np.random.default_rng(0), 9)
    assert fixed["beta"].tolist() == [0.25] * 9


def test_feedback_pairs_join_each_feedback_array_with_its_forward_one() -> None:
    """Guards against the angle of neighbouring layers."""
    pairs = deep_system().feedback_pairs()
    assert [(p.name, p.forward, p.backward) for p in pairs] == [
        ("theta_1", "W_ff_1", "W_fb_1"),
        ("theta_2", "W_ff_2", "W_fb_2"),
    ]
    shapes = {weight.name: weight.shape for weight in deep_system().circuit().weights}
    assert all(shapes[p.forward] == shapes[p.backward][::-1] for p in pairs)


def test_no_synapse_carries_signal_both_ways() -> None:
    """Guards against weight transport: forward and backward weights are separate synapses."""
    for projection in deep_system().circuit().projections:
        assert all(pathway.side == "pre" for pathway in projection.pathways)
        for pathway in projection.pathways:
            assert pathway.code.split()[0].endswith("_post") or pathway.learns


# ------------------------------------------------------------------ D and O


@pytest.mark.quick(1)
@pytest.mark.parametrize("k", [1, 2])
def test_one_lateral_update_changes_d_and_o_as_eq_29_and_30_say(k: int) -> None:
    """Guards against derived autapses and inhibition that do not follow their own rules.

    B forgets by lambda with every image, so that the gamma of the dynamics is that of the update.
    At the output c is gamma instead of 2 gamma epsilon and the leak g_l instead of epsilon g_l.
    """
    system = small_system(lambda_images=1, lambda_=0.9)
    problem = make_problem(system, images=1)
    trajectories, _ = reference_run(system, problem, learning=True)
    _, result = record_run(system, problem, learning=True)
    z = problem.weights[f"B_{k}"] @ trajectories[0].r[k][-1]
    forgetting, gamma, eps, g_l = 0.9, 0.1 / 0.9, system.epsilon, system.g_l
    factor, leak = (2 * gamma * eps, eps * g_l) if k == 1 else (gamma, g_l)
    (D, before), (D_after, after) = (
        autapses_and_inhibition(system, w, k) for w in (problem.weights, result.weights)
    )
    expected = D / forgetting - factor * gamma / forgetting * z**2 + leak * (1 - 1 / forgetting)
    np.testing.assert_allclose(D_after, expected, rtol=0, atol=1e-12)
    expected = (before + factor * gamma * np.outer(z, z)) / forgetting
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(after, expected, rtol=0, atol=1e-12)
    assert np.abs(D_after - D).min() > 1e-6


@pytest.mark.parametrize("k", [1, 2])
def test_d_minus_o_is_m(k: int) -> None:
    """Guards against a decomposition that loses the leak or the sign, M = D - O."""
    system = small_system()
    weights = make_problem(system).weights
    eps, one = system.epsilon, np.eye(system.layers[k])
    B = weights[f"B_{k}"]
    hidden = eps * (2 * system.gamma * B + system.g_l * one)
    M = hidden if k == 1 else system.gamma * B + system.g_l * one
    autapses, inhibition = autapses_and_inhibition(system, weights, k)
    np.testing.assert_allclose(np.diag(autapses) - inhibition, M, rtol=0, atol=1e-15)
    assert not np.diagonal(inhibition).any()


# ------------------------------------------------------------------ published settings

#: Rates per batch of 20 as published; what differs from the defaults of the model.
PUBLISHED: dict[str, Any] = {
    "mnist": {
        (500,): ((1.0, 0.7), (0.15,), {}),
        (500, 500): ((1.1, 0.75, 0.6), (0.17, 0.07), {}),
        (500, 500, 128): ((1.1, 0.75, 0.6, 0.5), (0.17, 0.07, 0.05), {}),
    },
    "fashion-mnist": {
        (500,): (
            (0.3, 0.22),
            (0.07,),
            {
                "g_l": 0.3,
                "step": 0.07,
                "slowdown": 0.01,
                "decay": (0.95, 0.9, 0.8),
                "decay_from": (0, 20, 25),
            },
        ),
    },
    "cifar10": {
        (1000,): ((0.08, 0.04), (0.04,), {"g_l": 0.1, "lambda_": 0.99995}),
        (1000, 500): ((0.11, 0.06, 0.035), (0.045, 0.015), {"g_l": 0.1}),
        (1000, 1000, 500): (
            (0.25, 0.14, 0.075, 0.045),
            (0.095, 0.075, 0.04),
            {"g_l": 0.1, "step": 0.03, "free_time": 60.0, "nudged_time": 15.0, "beta": 0.25},
        ),
    },
}
COMMON = {
    "epsilon": 0.15,
    "beta": 1.0,
    "random_sign": True,
    "batch": 20,
    "lambda_": 0.99999,
    "g_l": 0.5,
    "step": 0.05,
    "slowdown": 0.0,
    "free_time": 30.0,
    "nudged_time": 10.0,
    "decay": (0.95, 0.9),
    "decay_from": (0, 15),
    "output_apical": "constant",
}


def make(dataset: str, hidden: tuple[int, ...] | None, inputs: int, outputs: int) -> CorInfoMax:
    preset = CorInfoMax.preset(dataset, hidden)
    return CorInfoMax(layers=(inputs, *preset.hidden, outputs), **preset.parameters)


@pytest.mark.parametrize(
    ("dataset", "hidden"), [(d, hidden) for d, nets in PUBLISHED.items() for hidden in nets]
)
def test_presets_are_the_published_settings_with_rates_over_20(
    dataset: str, hidden: tuple[int, ...]
) -> None:
    """Guards against a reproduction with settings that nobody published."""
    mu_ff, mu_fb, differing = PUBLISHED[dataset][hidden]
    system = make(dataset, hidden, 784, 10)
    assert system.mu_ff == pytest.approx([rate / 20 for rate in mu_ff], rel=1e-12)
    assert system.mu_fb == pytest.approx([rate / 20 for rate in mu_fb], rel=1e-12)
    for name, value in {**COMMON, **differing}.items():
        if name == "step":
            assert system.dt / system.tau_u == pytest.approx(value, rel=1e-12)
        else:
            assert getattr(system, name) == value, name
    preset = CorInfoMax.preset(dataset, hidden)
    assert preset.epochs == 50
    assert "interpolated" not in preset.source


def test_without_hidden_layers_given_the_preset_is_that_of_table_1() -> None:
    """Guards against a default network that is not the one of the headline result."""
    for dataset in PUBLISHED:
        preset = CorInfoMax.preset(dataset)
        assert preset.hidden == next(iter(PUBLISHED[dataset]))
        assert "Table 1" in preset.source
    assert CorInfoMax.preset("mnist").parameters["mu_ff"] == pytest.approx(CorInfoMax().mu_ff)
    assert CorInfoMax.preset("mnist").parameters["mu_fb"] == pytest.approx(CorInfoMax().mu_fb)


def test_other_sizes_of_a_published_depth_keep_its_rates_and_say_so() -> None:
    """Guards against settings passed off as published for this network."""
    preset = CorInfoMax.preset("mnist", (300, 200))
    assert preset.hidden == (300, 200)
    assert preset.parameters["mu_ff"] == pytest.approx([1.1 / 20, 0.75 / 20, 0.6 / 20])
    assert "for hidden (500, 500)" in preset.source


@pytest.mark.parametrize("hidden", [(), (50,) * 4, (50,) * 7])
def test_rates_of_other_depths_are_interpolated_between_the_published_ends(
    hidden: tuple[int, ...],
) -> None:
    """Guards against too few rates, or an extrapolation beyond the published ones."""
    system = make("mnist", hidden, 784, 10)
    preset = CorInfoMax.preset("mnist", hidden)
    assert preset.source.startswith("interpolated")
    assert system.layers == (784, *hidden, 10)
    n = len(hidden)
    expected = [0.05 + (0.035 - 0.05) * k / n for k in range(n + 1)] if n else [0.05]
    assert system.mu_ff == pytest.approx(expected, rel=1e-12)
    assert system.mu_fb == pytest.approx([0.0075] * n, rel=1e-12)


def test_interpolated_feedback_rates_run_from_the_first_to_the_last_published() -> None:
    """Guards against a preset of a deep network built from the shallow one's shape."""
    preset = CorInfoMax.preset("cifar10", (100,) * 5)
    assert preset.parameters["mu_ff"] == pytest.approx(np.linspace(0.004, 0.002, 6), rel=1e-12)
    assert preset.parameters["mu_fb"] == pytest.approx([0.002] * 5, rel=1e-12)
    assert preset.parameters["lambda_"] == 0.99995


def test_a_data_set_nobody_published_gets_mnists_settings_and_says_so() -> None:
    """Guards against a claim of published settings for a data set that has none."""
    preset = CorInfoMax.preset("kmnist")
    assert preset.parameters == CorInfoMax.preset("mnist").parameters
    assert "none published for kmnist" in preset.source


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_a_data_set_that_is_none_has_no_settings(system: type[System]) -> None:
    """Guards a misspelt name against the settings of MNIST, which would run."""
    with pytest.raises(DataError, match=r"no data set 'digit'; did you mean 'digits'\?"):
        system.preset("digit")
    with pytest.raises(DataError, match=r"'imagenet'; .*allowed: .*mnist.*images of your own"):
        system.preset("imagenet", (50,))


def test_the_embedded_digits_have_settings_of_their_own() -> None:
    """Guards against the published epsilon, with which the small digits stall near 85 %."""
    preset = CorInfoMax.preset("digits")
    assert (preset.hidden, preset.epochs) == ((100,), 60)
    system = make("digits", None, 64, 10)
    assert (system.epsilon, system.mu_ff, system.mu_fb) == (0.3, (0.1, 0.07), (0.015,))
    assert system.rates(30)["ff_0.mu"] == pytest.approx(0.1 * 0.97**30, rel=1e-12)
    assert "not from the paper" in preset.source
