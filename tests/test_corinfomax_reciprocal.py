"""Reciprocal feedback learning: against NumPy, Kolen and Pollack's closed form, and CorInfoMax."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import (
    COMPARTMENTS,
    Problem,
    assert_bitwise_equal,
    assert_same_weights,
    make_problem,
    record_run,
    small_system,
)

from neurosim import CorInfoMax, Simulator, load_dataset
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Weights
from neurosim.errors import ParameterError
from neurosim.models import corinfomax_reciprocal as model
from neurosim.models.corinfomax_reciprocal import CorInfoMaxReciprocal
from neurosim.models.numpy.corinfomax import Trajectory
from neurosim.models.numpy.corinfomax_reciprocal import (
    cosine,
    reciprocal_parameters,
    simulate,
    update,
)


def small(**changes: Any) -> CorInfoMaxReciprocal:
    """A small network, every event sent, with decays so large that they show."""
    fields = {field.name for field in dataclasses.fields(CorInfoMaxReciprocal)}
    base = {name: value for name, value in vars(small_system()).items() if name in fields}
    settings = {**base, "weight_decay": (0.01, 0.02), **changes}
    return CorInfoMaxReciprocal(**settings)


DEEP: dict[str, Any] = {
    "layers": (5, 6, 4, 3), "mu_ff": (0.1, 0.07, 0.05), "mu_fb": (0.05, 0.03),
    "weight_decay": (0.01, 0.02, 0.03),
}  # fmt: skip
SYSTEMS: dict[str, CorInfoMaxReciprocal] = {
    "all three changes": small(),
    "nudged one way": small(symmetric=False),
    "eq. 27, nudged both ways": small(reciprocal=False),
    "three layers": small(**DEEP),
    "leaky dendrites, output conductance beta": small(
        output_apical="nudge", tau_basal=2.0, tau_apical=3.0, slowdown=0.1
    ),
}

every_system = pytest.mark.parametrize("name", SYSTEMS)


def reference_run(
    system: CorInfoMaxReciprocal, problem: Problem
) -> tuple[list[Trajectory], Weights]:
    """What NumPy does with the images of a problem, batch after batch."""
    params, weights = reciprocal_parameters(system), dict(problem.weights)
    cycles = list(zip(problem.images, problem.targets, problem.betas.tolist(), strict=True))
    trajectories = []
    for start in range(0, len(cycles), system.batch):
        batch = [
            (simulate(params, weights, x, y, beta), x, beta)
            for x, y, beta in cycles[start : start + system.batch]
        ]
        weights = update(params, weights, batch, system.mu_ff, system.mu_fb)
        trajectories += [trajectory for trajectory, _, _ in batch]
    return trajectories, weights


def check(system: CorInfoMaxReciprocal, problem: Problem | None = None) -> None:
    """Every compartment in every step of several images, the answers, and what is learnt."""
    problem = problem or make_problem(system)
    trajectories, learnt = reference_run(system, problem)
    traces, result = record_run(system, problem, learning=True)
    ends = [round(system.free_time) - 1]
    ends += [ends[0] + round(system.nudged_time)] * system.symmetric
    for image, expected in enumerate(trajectories):
        for k in expected.u:
            for name in COMPARTMENTS:
                got, want = traces[f"pyramidal_{k}"][name][image], getattr(expected, name)[k]
                if name == "u":
                    # the events that end these phases put u to r within that very step
                    got, want = (np.delete(rows, ends, axis=0) for rows in (got, want))
                where = f"{name} of layer {k}, image {image}"
                np.testing.assert_allclose(got, want, rtol=0, atol=1e-9, err_msg=where)
    answers = [expected.r[system.depth][expected.free_end] for expected in trajectories]
    np.testing.assert_allclose(result.readouts["answer"], answers, rtol=0, atol=1e-9)
    assert_same_weights(result.weights, learnt)


@pytest.mark.quick(2)
@every_system
def test_several_images_with_learning_equal_the_reference_in_every_step(name: str) -> None:
    """Guards wrong phases, signs and rules, and state that leaks from image to image."""
    check(SYSTEMS[name])


@every_system
def test_the_problem_moves_every_weight_and_clips_some_cells(name: str) -> None:
    """Guards an oracle without teeth."""
    system = SYSTEMS[name]
    problem = make_problem(system)
    trajectories, learnt = reference_run(system, problem)
    for weight, before in problem.weights.items():
        assert np.abs(learnt[weight] - before).max() > 1e-6, f"{weight} does not move"
    potentials = np.concatenate([t.u[k].ravel() for t in trajectories for k in t.u])
    assert (potentials < -0.01).any()
    assert (potentials > 1.01).any()


def test_the_compiled_program_equals_the_reference() -> None:
    """Guards generated C++ with three phases, and lanes that gather in another order."""
    system = small(batch=2)
    problem = make_problem(system, images=5)
    chunk, expected = problem.chunk(learning=True, batch=2), reference_run(system, problem)[1]
    with CppBackend(system.circuit(), dtype="float64", max_cycles=5) as backend:
        for lanes in (1, 2):
            assert_same_weights(backend.run(chunk, lanes=lanes).weights, expected)


# ------------------------------------------------------------------ what the rule is for


def test_forward_and_feedback_weights_become_equal_by_the_decay_alone() -> None:
    """Guards Kolen and Pollack's closed form: one product, so the difference only decays."""
    system = small(mu_ff=(0.1, 0.07), mu_fb=(0.07,))
    problem = make_problem(system, images=8)
    learnt = record_run(system, problem, learning=True, variables={})[1].weights
    start, end = (w["W_ff_1"] - w["W_fb_1"].T for w in (problem.weights, learnt))
    assert np.abs(learnt["W_ff_1"] - problem.weights["W_ff_1"]).max() > 0.01
    np.testing.assert_allclose(end, (1 - 0.02) ** 8 * start, rtol=0, atol=1e-13)


def test_one_update_is_a_product_seen_from_both_ends() -> None:
    """Guards a reference and a network that share a misreading of the rule."""
    system = small(weight_decay=(0.0, 0.25))
    problem = dataclasses.replace(make_problem(system, images=1), betas=np.array([0.5]))
    traces, result = record_run(system, problem, learning=True)
    minus, plus = 17, 23
    r1, r2, v = (traces[f"pyramidal_{k}"][name][0] for k, name in ((1, "r"), (2, "r"), (2, "v_B")))
    np.testing.assert_allclose(v[plus], problem.weights["W_ff_1"] @ r1[plus], rtol=0, atol=1e-12)
    product = [np.outer(r2[t] - problem.weights["W_ff_1"] @ r1[t], r1[t]) for t in (plus, minus)]
    change = (product[0] - product[1]) / (2 * 0.5)
    expected = {
        "W_ff_1": 0.75 * problem.weights["W_ff_1"] + 0.07 * change,
        "W_fb_1": 0.75 * problem.weights["W_fb_1"] + 0.05 * change.T,
    }
    assert_same_weights({name: result.weights[name] for name in expected}, expected)


def test_without_the_three_changes_it_is_corinfomax() -> None:
    """Guards an ablation that starts from something else."""
    base = small_system(batch=2)
    settings = {field.name: getattr(base, field.name) for field in dataclasses.fields(CorInfoMax)}
    bare = CorInfoMaxReciprocal(
        **settings, reciprocal=False, symmetric=False, weight_decay=(0.0, 0.0), cosine_epochs=0
    )
    problem = make_problem(base)
    found = [record_run(system, problem, learning=True)[1] for system in (base, bare)]
    assert_bitwise_equal(found[1].weights, found[0].weights)
    drawn = [system.cycle_scalars(np.random.default_rng(1), 9)["beta"] for system in (base, bare)]
    assert (drawn[0] == drawn[1]).all()
    assert {-1.0, 1.0} == set(drawn[0])
    for epoch in (0, 7, 20):
        assert bare.rates(epoch).items() >= base.rates(epoch).items()


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize("falls", [True, False])
def test_rates_and_decay_fall_along_a_cosine(falls: bool) -> None:
    """Guards a schedule of another length, and weights that decay when nothing is learnt."""
    system = small(batch=4, cosine_epochs=10, decay_falls=falls)
    last = (1 - math.cos(math.pi / 10)) / 2
    for epoch, factor in ((0, 1.0), (5, 0.5), (9, last), (10, 0.0), (15, 0.0)):
        rates, decay = system.rates(epoch), factor if falls else float(epoch < 10)
        assert rates["ff_0.mu"] == pytest.approx(factor * 0.4, abs=1e-15)
        assert rates["fb_1.mu"] == pytest.approx(factor * 0.2, abs=1e-15)
        assert rates["ff_0.forgetting"] == pytest.approx(decay * 0.04, abs=1e-15)
        assert rates["ff_1.forgetting"] == pytest.approx(decay * 0.08, abs=1e-15)
        assert rates["fb_1.forgetting"] == pytest.approx(decay * 0.08, abs=1e-15)
        assert cosine(epoch, 10) == pytest.approx(factor, abs=1e-15)


def test_a_symmetric_nudge_draws_no_sign() -> None:
    """Guards a cycle that begins with the wrong phase, and an evaluation that is nudged."""
    drawn = small().cycle_scalars(np.random.default_rng(0), 20)["beta"]
    assert (drawn == 1).all()
    assert list(small().phase_steps().items()) == [("free", 12), ("opposed", 6), ("nudged", 6)]
    assert small().evaluation_phases() == {"free": 12, "nudged": 0, "opposed": 0}
    assert small(symmetric=False).evaluation_phases() == {"free": 12, "nudged": 0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight_decay": (0.1,)}, r"weight_decay has 1 value, but these layers need 2"),
        ({"weight_decay": (1.0, 0.1)}, r"weight_decay = 1\.0.*\[0, 1\)"),
        (
            {"weight_decay": (0.1, 0.3), "batch": 4},
            r"takes 1\.2 of a weight per batch of 4; .*lower",
        ),
        ({"cosine_epochs": -1}, r"cosine_epochs = -1.*\[0, inf\)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    """Guards weights that change sign because they decay."""
    with pytest.raises(ParameterError, match=words):
        small(**changes)


# ------------------------------------------------------------------ sabotage


def text(name: str, old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Change a string of the model."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(model, name)
        assert old in before, f"{old!r} is not in {name}: the sabotage is out of date"
        patch.setattr(model, name, before.replace(old, new))

    return spoil


def no_restart(patch: pytest.MonkeyPatch) -> None:
    """Let the nudged phase go on from potentials beyond the rates."""
    sound = CorInfoMaxReciprocal._pyramidal_events

    def events(self: CorInfoMaxReciprocal, k: int) -> Any:
        return tuple(
            dataclasses.replace(event, action=event.action.replace("\nu = r", ""))
            if event.name == "end_opposed"
            else event
            for event in sound(self, k)
        )

    patch.setattr(CorInfoMaxReciprocal, "_pyramidal_events", events)


BOTH, ONE = {"symmetric": True}, {"symmetric": False}
SABOTAGES: dict[str, tuple[dict[str, Any], Callable[[pytest.MonkeyPatch], None]]] = {
    "nudged twice towards the target": (BOTH, text("NUDGE_BOTH", " - int", " + int")),
    "divided by beta, not by 2 beta": (BOTH, text("FEEDFORWARD_BOTH", "(2*beta)", "beta")),
    "feedback rule reads its own cell's error": (
        BOTH,
        text("RECIPROCAL_BOTH", "e_B_nudged_pre*r_nudged_post", "e_B_nudged_post*r_nudged_pre"),
    ),
    "feedback rule without one phase": (
        ONE,
        text("RECIPROCAL", " - e_B_free_pre*r_free_post", ""),
    ),
    "phases swapped in eq. 27": (
        {"reciprocal": False},
        text("FEEDBACK_BOTH", "e_A_nudged_post*r_nudged_pre - ", ""),
    ),
    "learning when the first nudge ends": (BOTH, text("LEARN_BOTH", "end_nudged", "end_opposed")),
    "an image that is dark when opposed": (BOTH, text("SENSORY", "opposed = r", "opposed = 0*r")),
    "weights grow": (BOTH, text("COMMIT_DECAYING", "- forgetting", "+ forgetting")),
    "the second nudge goes on from potentials": (BOTH, no_restart),
}  # fmt: skip


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards regular tests that would pass on a broken model."""
    changes, sabotage = SABOTAGES[name]
    sabotage(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(small(**changes))


# ------------------------------------------------------------------ learning


@pytest.mark.slow
def test_digits_are_learnt() -> None:
    """Guards a rule that equals its oracle and learns nothing."""
    digits, preset = load_dataset("digits"), CorInfoMaxReciprocal.preset("digits")
    settings = {**preset.parameters, "cosine_epochs": 10}
    system = CorInfoMaxReciprocal(layers=(64, *preset.hidden, 10), **settings)
    with Simulator(system, seed=0, threads=1) as simulator:
        simulator.fit(digits.x_train, digits.y_train, epochs=10, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) >= 0.93
