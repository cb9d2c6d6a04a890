"""Contrastive similarity matching: the network against NumPy, its equations, its promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from csm_oracle import (
    check_csm,
    csm_reference_run,
    deep_csm,
    make_csm_problem,
    small_csm,
)
from ep_oracle import record_ep
from oracles import Problem, assert_same_weights

from neurosim import Simulator, load_dataset
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Backend
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.data import one_hot
from neurosim.errors import ParameterError
from neurosim.learning import metrics
from neurosim.models import csm
from neurosim.models import ep as equilibrium_propagation
from neurosim.models.csm import ContrastiveSimilarityMatching
from neurosim.models.ep import EquilibriumPropagation
from neurosim.models.numpy import csm as reference
from neurosim.models.numpy import ep as ep_reference

# ------------------------------------------------------------------ step for step

SYSTEMS: dict[str, ContrastiveSimilarityMatching] = {
    "published rule": small_csm(),
    "faithful rule": small_csm(lateral_rule="faithful"),
    "two hidden layers": deep_csm(),
    "two hidden layers, faithful, batches of two": deep_csm(lateral_rule="faithful", batch=2),
    "batches of two, half a nudge": small_csm(batch=2, beta=0.5),
    "no hidden layer": small_csm(layers=(5, 3), alpha=(0.2,), alpha_M=()),
}


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SYSTEMS)
def test_several_images_with_learning_equal_the_reference_in_every_step(name: str) -> None:
    """Guards against wrong equations, rules and gates, and state that leaks between images."""
    check_csm(SYSTEMS[name])


@pytest.mark.parametrize("name", ["published rule", "two hidden layers"])
def test_the_problem_shows_every_kind_of_cell_and_moves_every_weight(name: str) -> None:
    """Guards against an oracle without teeth: where nothing is inhibited, nothing is tested."""
    system, problem = SYSTEMS[name], make_csm_problem(SYSTEMS[name])
    trajectories, learnt = csm_reference_run(system, problem)
    hidden = np.array([[s[1][:, 0] for s in states] for states in trajectories])
    assert np.any(hidden[:, 2:] == 0)
    assert np.any((hidden > 0.01) & (hidden < 0.99))
    assert np.any(np.abs(hidden[:, 8] - hidden[:, -1]) > 1e-3), "the nudge moves no cell"
    for weight, before in problem.weights.items():
        assert np.abs(learnt[weight] - before).max() > 1e-4, f"{weight} does not move"
    without = {**problem.weights, "M_1": 0 * problem.weights["M_1"]}
    free = csm_reference_run(system, dataclasses.replace(problem, weights=without))[0]
    assert np.abs(hidden - [[s[1][:, 0] for s in states] for states in free]).max() > 0.05


@pytest.mark.quick(1)
@pytest.mark.parametrize(("rule", "beta"), [("published", -0.5), ("faithful", 0.5)])
def test_one_update_of_m_is_an_outer_product_of_recorded_rates(rule: str, beta: float) -> None:
    """Guards against a reference and a network that share a misreading of the rule."""
    system = small_csm(lateral_rule=rule, beta=0.5)
    problem = make_csm_problem(system, images=1)
    problem = dataclasses.replace(problem, betas=np.array([-0.5]))
    traces, result = record_ep(system, problem)
    r = traces["layer_1"]["r"][0, -1]
    moved = problem.weights["M_1"] + 0.3 / (2 * beta) * np.outer(r, r)
    expected = moved - 0.3 / (2 * 0.5) * moved
    assert_same_weights({"M_1": result.weights["M_1"]}, {"M_1": expected})


def test_without_lateral_synapses_it_is_equilibrium_propagation() -> None:
    """Guards the word subclass: M = 0 that does not learn leaves the other system."""
    system = small_csm(alpha_M=(0.0,))
    problem = make_csm_problem(system)
    problem.weights["M_1"][...] = 0.0
    _, result = record_ep(system, problem)
    expected = ep_reference.train(
        {name: array for name, array in problem.weights.items() if name != "M_1"},
        problem.images, problem.targets, problem.betas, system.alpha, steps=(9, 4),
    )  # fmt: skip
    assert_same_weights({name: result.weights[name] for name in expected}, expected, tolerance=1e-9)
    assert not result.weights["M_1"].any()


# ------------------------------------------------------------------ energy and force


def test_the_force_is_minus_the_gradient_of_the_total_energy() -> None:
    """Guards signs and factors of the dynamics, by finite differences."""
    rng = np.random.default_rng(1)
    weights = reference.initial_weights((5, 6, 4, 3), rng)
    s = tuple(rng.uniform(0.2, 0.8, (size, 2)) for size in (5, 6, 4, 3))
    y, beta, small = rng.random((3, 2)), np.array([0.5, -1.0]), 1e-5

    def total(states: Any) -> Any:
        return reference.energy(weights, states) + beta * reference.cost(states, y)

    for k, found in enumerate(reference.force(weights, s, y, beta), start=1):
        for cell in range(len(s[k])):
            ends = []
            for sign in (1, -1):
                moved = s[k].copy()
                moved[cell] += sign * small
                ends.append(total((*s[:k], moved, *s[k + 1 :])))
            np.testing.assert_allclose(found[cell], (ends[1] - ends[0]) / (2 * small), atol=1e-8)


def test_the_free_phase_ends_at_a_minimum_of_the_energy() -> None:
    """Guards against a fixed point of something else: no allowed move lowers the energy."""
    rng = np.random.default_rng(0)
    weights = reference.initial_weights((6, 8, 5, 3), rng)
    s = reference.resting_state(weights, rng.random((6, 20)))
    energies = [reference.energy(weights, s)]
    for _ in range(400):
        s = reference.settle(weights, s, steps=1, h=0.1)
        energies.append(reference.energy(weights, s))
    assert np.diff(energies, axis=0).max() < 1e-12
    assert (energies[-1] < energies[0]).all()
    for _ in range(50):
        other = (s[0], *(np.clip(a + rng.normal(0, 1e-2, a.shape), 0, 1) for a in s[1:]))
        assert (reference.energy(weights, other) >= energies[-1] - 1e-12).all()


def test_both_phases_of_the_network_settle_at_the_solution_of_a_linear_system() -> None:
    """Guards against dynamics and reference that agree step for step and are both wrong."""
    rng = np.random.default_rng(3)
    W0, W1 = rng.uniform(0.05, 0.25, (4, 3)), rng.uniform(0.05, 0.25, (2, 4))
    b0, b1 = rng.uniform(0.05, 0.1, (4, 1)), rng.uniform(0.05, 0.1, (2, 1))
    M = 0.1 * np.ones((4, 4)) + np.diag([0.1, 0.2, 0.3, 0.4])
    x, y = rng.uniform(0.3, 0.9, 3), np.array([0.3, 0.5])
    system = small_csm(layers=(3, 4, 2), free_time=150.0, nudged_time=150.0)
    weights = {"W_0": W0, "W_1": W1, "b_0": b0, "b_1": b1, "M_1": M}
    traces, _ = record_ep(system, Problem(weights, x[None], y[None], np.array([1.0])))
    for row, nudge in ((149, 0.0), (-1, 1.0)):
        A = np.block([[-np.eye(4) - M, W1.T], [W1, -(1 + 2 * nudge) * np.eye(2)]])
        drive = np.concatenate([W0 @ x + b0[:, 0], b1[:, 0] + 2 * nudge * y])
        expected = np.linalg.solve(A, -drive)
        assert 0 < expected.min() < expected.max() < 1, "a clipped cell has no closed form"
        got = np.concatenate([traces[f"layer_{k}"]["u"][0, row] for k in (1, 2)])
        np.testing.assert_allclose(got, expected, rtol=1e-9)
    np.testing.assert_allclose(traces["layer_1"]["l"][0, -1], M @ got[:4], rtol=1e-9)


# ------------------------------------------------------------------ compiled

DIGITS: dict[str, Any] = {
    "layers": (64, 20, 10), "alpha": (0.04, 0.02), "alpha_M": (0.01,), "event_threshold": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled() -> Iterator[Backend]:
    circuit = ContrastiveSimilarityMatching(**DIGITS).circuit()
    with CppBackend(circuit, dtype="float64", max_cycles=1437) as backend:
        yield backend


def digits_problem(images: int) -> Problem:
    rng, digits = np.random.default_rng(0), load_dataset("digits")
    rows = rng.permutation(len(digits.x_train))[:images]
    weights = ContrastiveSimilarityMatching(**DIGITS).initial_weights(rng)
    betas = rng.choice((-1.0, 1.0), size=images)
    return Problem(weights, digits.x_train[rows], one_hot(digits.y_train[rows], 10), betas)


def test_compiled_learning_equals_the_reference_and_keeps_m_symmetric(compiled: Backend) -> None:
    """Guards against generated C++ that holds the halves of M in another order."""
    problem = digits_problem(60)
    result = compiled.run(problem.chunk(learning=True))
    expected = reference.train(
        problem.weights, problem.images, problem.targets, problem.betas, DIGITS["alpha"],
        alpha_M=DIGITS["alpha_M"],
    )  # fmt: skip
    assert_same_weights(result.weights, expected, tolerance=1e-9)
    M = result.weights["M_1"]
    np.testing.assert_allclose(M, M.T, rtol=0, atol=1e-14)
    assert np.abs(M - problem.weights["M_1"]).max() > 0.01


def test_both_back_ends_count_and_compute_the_same(compiled: Backend) -> None:
    """Guards the word 'back end': the same weights and events, also with a threshold."""
    problem = digits_problem(3)
    chunk = problem.chunk(
        learning=True, parameters={f"layer_{k}.event_threshold": 0.01 for k in (1, 2)}
    )
    circuit = ContrastiveSimilarityMatching(**DIGITS).circuit()
    with RuntimeBackend(circuit, dtype="float64", max_cycles=3) as backend:
        expected = backend.run(chunk)
    got = compiled.run(chunk)
    assert_same_weights(got.weights, expected.weights)
    assert got.event_counts == expected.event_counts


def test_learning_digits_learns_and_forgets_m(compiled: Backend) -> None:
    """Guards the point of it all, and the claim that M of the published rule decays."""
    system, digits = ContrastiveSimilarityMatching(**DIGITS), load_dataset("digits")
    simulator = Simulator(system, seed=0, dtype="float64", chunk_images=1437)
    simulator._backend = compiled
    start = np.trace(simulator.weights["M_1"])
    simulator.fit(digits.x_train, digits.y_train, epochs=4, progress=False)
    assert simulator.score(digits.x_test, digits.y_test) > 0.9
    assert abs(np.trace(simulator.weights["M_1"])) < 0.1 * start


def test_synaptic_operations_count_the_lateral_synapses() -> None:
    """Guards a count that forgets the spikes of a layer to itself."""
    circuit = deep_csm().circuit()
    counts = {f"{name}.spike": 0 for name in ("sensory", "one", "layer_1", "layer_2", "layer_3")}
    counts["layer_1.spike"] = 1
    # to layer 2, and to all 6 cells of layer 1
    assert metrics.count_synops(circuit, counts) == 4 + 6


# ------------------------------------------------------------------ the faithful rule


@pytest.mark.parametrize("faithful", [True, False])
def test_m_rests_at_the_similarity_or_at_its_difference_between_the_signs(faithful: bool) -> None:
    """Guards what the option is for: the mean of s s^T, against what signs leave of it."""
    problem, rate = make_csm_problem(small_csm(), images=1), 0.1
    images, targets = (np.repeat(x, 600, axis=0) for x in (problem.images, problem.targets))
    betas = np.resize([1.0, -1.0], 600)
    learnt = reference.train(
        problem.weights, images, targets, betas, (0.0, 0.0), alpha_M=(rate,), batch=2,
        faithful=faithful,
    )  # fmt: skip
    free = reference.settle(learnt, reference.resting_state(learnt, images[:2].T), steps=20)
    ends = reference.settle(learnt, free, steps=4, y=targets[:2].T, beta=betas[:2])[1]
    signs = np.ones(2) if faithful else betas[:2]
    expected = (1 - rate / 2) * (ends * signs) @ ends.T / 2
    np.testing.assert_allclose(learnt["M_1"], expected, rtol=0, atol=1e-4)
    assert expected.max() > 0.2
    assert bool(np.linalg.eigvalsh(expected).min() > -1e-9) is faithful


# ------------------------------------------------------------------ sabotages

Sabotage = Callable[[pytest.MonkeyPatch], None]


def text(constant: str, old: str, new: str, module: Any = csm) -> Sabotage:
    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(module, constant)
        assert old in before, f"{old!r} is not in {constant}: the sabotage is out of date"
        patch.setattr(module, constant, before.replace(old, new))

    return spoil


def rule(name: str, old: str, new: str) -> Sabotage:
    def spoil(patch: pytest.MonkeyPatch) -> None:
        assert old in csm.RULES[name], "the sabotage is out of date"
        patch.setitem(csm.RULES, name, csm.RULES[name].replace(old, new))

    return spoil


def faithful() -> ContrastiveSimilarityMatching:
    return small_csm(lateral_rule="faithful")


SABOTAGES: dict[str, tuple[Callable[[], ContrastiveSimilarityMatching], Sabotage]] = {
    "no lateral force": (small_csm, text("FORCE_HIDDEN", "d - u - l", "d - u")),
    "excitation instead of inhibition": (small_csm, text("FORCE_HIDDEN", "- l", "+ l")),
    "half the lateral force": (small_csm, text("FORCE_HIDDEN", "- l", "- l/2")),
    "hidden cells do not leak": (small_csm, text("FORCE_HIDDEN", "d - u - l", "d - l")),
    "rates instead of changes of rate": (
        small_csm, text("SIGNAL", "(r_pre - r_sent_pre)", "r_pre"),
    ),
    "published rule without its sign": (small_csm, rule("published", "2*beta", "2*abs(beta)")),
    "faithful rule with a sign": (faithful, rule("faithful", "abs(beta)", "beta")),
    "anti-Hebbian rule": (faithful, rule("faithful", "1/", "-1/")),
    "rule without 1/2": (small_csm, rule("published", "2*beta", "beta")),
    "rule of the free phase": (small_csm, rule("published", "nudged", "free")),
    "rule contrasts both phases": (
        faithful, rule("faithful", "r_nudged_post*r_nudged_pre",
                       "(r_nudged_post*r_nudged_pre - r_free_post*r_free_pre)"),
    ),
    "M forgets too slowly": (small_csm, text("COMMIT", "1 - forget", "1 - forget/9")),
    "M grows instead of forgetting": (small_csm, text("COMMIT", "1 - forget", "1 + forget")),
    "forgetting before the Hebbian half": (
        small_csm,
        text("COMMIT", csm.COMMIT, "M = (1 - forget)*M + alpha_M/batch*g"),
    ),
    "sum instead of mean": (
        lambda: small_csm(batch=2), text("COMMIT", "alpha_M/batch", "alpha_M"),
    ),
    "rule of W without 1/beta": (
        small_csm, text("RULE", "1/beta*", "", equilibrium_propagation),
    ),
}  # fmt: skip


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against regular tests that would pass on a broken model."""
    make, sabotage = SABOTAGES[name]
    sabotage(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"), np.errstate(all="ignore"):
        check_csm(make())


@pytest.mark.parametrize("left_out", ["lateral_1", "self_1"])
def test_the_oracle_misses_neither_half_of_m(left_out: str) -> None:
    """Guards against a diagonal, or a rest of M, that no state depends on."""
    system = small_csm()
    problem = make_csm_problem(system, images=1)
    M = problem.weights["M_1"]
    kept = np.diag(np.diag(M)) if left_out == "lateral_1" else M - np.diag(np.diag(M))
    other = dataclasses.replace(problem, weights={**problem.weights, "M_1": kept})
    states, spoilt = (csm_reference_run(system, p)[0][0][-1][1] for p in (problem, other))
    assert np.abs(states - spoilt).max() > 1e-3


# ------------------------------------------------------------------ settings


def test_the_schedule_leaves_the_forgetting_alone() -> None:
    """Guards the published schedule, which does not reach the decay of M."""
    system = small_csm(decay=0.5, decay_every=1)
    rates = system.rates(1)
    assert rates["lateral_1.alpha_M"] == rates["self_1.alpha_M"] == 0.15
    assert not any(name.endswith("forget") for name in rates)
    problem = make_csm_problem(system)
    with RuntimeBackend(system.circuit(), dtype="float64", max_cycles=3) as backend:
        result = backend.run(problem.chunk(learning=True, parameters=rates))
    _, expected = csm_reference_run(system, problem, scale=0.5)
    assert_same_weights(result.weights, expected, tolerance=1e-9)


def test_presets_are_the_published_settings() -> None:
    """Guards the numbers of Table 1 against typing errors."""
    for dataset, alpha, alpha_M in (
        ("mnist", (0.4, 0.275), 0.01),
        ("fashion-mnist", (0.1, 0.06), 0.002),
    ):
        preset = ContrastiveSimilarityMatching.preset(dataset)
        system = ContrastiveSimilarityMatching(layers=(9, *preset.hidden, 10), **preset.parameters)
        assert (preset.hidden, preset.epochs, system.batch) == ((500,), 50, 20)
        assert 20 * np.array(system.alpha) == pytest.approx(alpha)
        assert 20 * np.array(system.alpha_M) == pytest.approx([alpha_M])
        assert system.rates(31)["w_0.alpha"] / system.rates(0)["w_0.alpha"] == 0.75**2
        projection = system.circuit().projection("lateral_1")
        assert projection.parameters["forget"] == pytest.approx(alpha_M / 2)
        assert system.circuit().phase_steps() == {"free": 20, "nudged": 4}
        assert system.lateral_rule == "published"
        assert len(preset.published[0].points) == 14
    assert "chosen here" in ContrastiveSimilarityMatching.preset("digits").source


@pytest.mark.parametrize("hidden", [(), (7,), (7, 6, 5)])
def test_presets_make_networks_of_any_depth(hidden: tuple[int, ...]) -> None:
    """Guards `--hidden` with another number of layers than was published."""
    preset = ContrastiveSimilarityMatching.preset("mnist", hidden)
    system = ContrastiveSimilarityMatching(layers=(9, *preset.hidden, 10), **preset.parameters)
    lateral = [weight.name for weight in system.circuit().weights if weight.symmetric]
    assert lateral == [f"M_{k}" for k in range(1, len(hidden) + 1)]


def test_m_starts_as_a_gram_matrix() -> None:
    """Guards the published start: G G^T, its mean diagonal 1."""
    weights = ContrastiveSimilarityMatching(layers=(9, 300, 10)).initial_weights(
        np.random.default_rng(1)
    )
    M = weights["M_1"]
    np.testing.assert_allclose(M, M.T, rtol=0, atol=1e-14)
    assert np.trace(M) / 300 == pytest.approx(1, abs=0.02)
    assert np.linalg.eigvalsh(M).min() > -1e-9
    assert set(weights) == {"W_0", "W_1", "b_0", "b_1", "M_1"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alpha_M": (0.1, 0.1)}, r"alpha_M has 2 values, but these layers need 1"),
        ({"alpha_M": (-0.1,)}, r"alpha_M = -0\.1"),
        ({"lateral_rule": "signed"}, r"lateral_rule = 'signed': allowed: faithful, published"),
    ],
)
def test_settings_that_make_no_network_are_refused(change: dict[str, Any], words: str) -> None:
    """Guards against a network of another shape, or a rule that falls back silently."""
    with pytest.raises(ParameterError, match=words):
        small_csm(**change)


def test_it_is_an_equilibrium_propagation_with_its_own_name() -> None:
    """Guards two systems of one name, and advice about parameters that this one lacks."""
    assert issubclass(ContrastiveSimilarityMatching, EquilibriumPropagation)
    assert ContrastiveSimilarityMatching.name == "csm"
    assert "alpha_M" in ContrastiveSimilarityMatching.remedy
