"""Predictive coding, clamped and nudged: the networks against NumPy, and their promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import Problem, assert_same_weights, every_variable

from neurosim import Simulator, load_dataset
from neurosim.backends import open_backend
from neurosim.backends.brian import build
from neurosim.backends.interface import Chunk, Weights
from neurosim.circuit import Event
from neurosim.circuit.graph import shared_weights
from neurosim.errors import ParameterError
from neurosim.learning import metrics
from neurosim.models import pc as pc_module
from neurosim.models import pc_nudge as nudge_module
from neurosim.models.numpy import pc as oracle
from neurosim.models.numpy import pc_nudge as nudge_oracle
from neurosim.models.pc import PredictiveCoding
from neurosim.models.pc_nudge import NudgedPredictiveCoding

Array = Any
SMALL: dict[str, Any] = {
    "layers": (5, 6, 4, 3),
    "batch": 2,
    "settle_time": 6.0,
    "event_threshold": 0.0,
    "error_threshold": 0.0,
}


def small_pc(**changes: Any) -> PredictiveCoding:
    """A network small enough for Brian2's NumPy target, every event sent."""
    return PredictiveCoding(**{**SMALL, "rate": 0.02, **changes})


def small_nudge(**changes: Any) -> NudgedPredictiveCoding:
    """As :func:`small_pc`, with a nudge that is not small."""
    return NudgedPredictiveCoding(**{**SMALL, "rate": 0.01, "lam": 0.2, **changes})


def nudged(system: PredictiveCoding) -> bool:
    return isinstance(system, NudgedPredictiveCoding)


def make_problem(system: PredictiveCoding, images: int = 5, seed: int = 1) -> Problem:
    """Random weights and images, one pixel in four 0; nudges of both signs."""
    rng = np.random.default_rng(seed)
    weights = system.initial_weights(rng)
    pixels = rng.uniform(size=(images, system.layers[0]))
    pixels *= rng.uniform(size=pixels.shape) > 0.25
    targets = np.eye(system.layers[-1])[rng.integers(system.layers[-1], size=images)]
    return Problem(weights, pixels, targets, np.resize([0.2, -0.1, 0.3], images))


def plain(weights: Weights) -> Weights:
    """Weights without what an optimiser remembers."""
    return {name: array for name, array in weights.items() if name[-2:] not in ("_m", "_v")}


def make_chunk(system: PredictiveCoding, problem: Problem) -> Chunk:
    inputs = {"stimulus": problem.images, "target": problem.targets}
    if nudged(system):
        inputs["lam"] = problem.betas
    return Chunk(inputs, problem.weights, learning=True, batch=system.batch)


def reference_run(
    system: PredictiveCoding, problem: Problem
) -> tuple[list[list[Array]], Weights, list[Array]]:
    """Values after every step of the settle phase, weights and answers, batch by batch."""
    weights = plain(problem.weights)
    means: dict[str, Any] = {}
    trajectories, answers = [], []
    steps, h = system.phase_steps()["settle"], system.dt / system.tau
    for update, start in enumerate(range(0, len(problem.images), system.batch), start=1):
        rows = slice(start, start + system.batch)
        image, y, lam = problem.images[rows].T, problem.targets[rows].T, problem.betas[rows]
        f = nudge_oracle.rectified if nudged(system) else oracle.sigmoid
        x = oracle.forward(weights, image, f)
        answers += list(x[-1].T)
        x = x if nudged(system) else oracle.clamp(x, y)
        states = []
        for _ in range(steps):
            if nudged(system):
                x = nudge_oracle.step(weights, x, y, lam, h)
            else:
                x = oracle.step(weights, x, h)
            states.append((x, oracle.errors(weights, x, f)))
        trajectories += [
            [[tuple(a[:, i] for a in part) for part in state] for state in states]
            for i in range(image.shape[1])
        ]
        if nudged(system):
            weights = nudge_oracle.update(weights, x, lam, system.batch * system.rate)
        else:
            ascent = oracle.gradient(weights, x)
            weights, means = oracle.adam(weights, means, ascent, update=update, rate=system.rate)
    kept = {f"{n}_{s}": a for n, two in means.items() for s, a in zip("mv", two, strict=True)}
    return trajectories, {**weights, **kept}, answers


def check(system: PredictiveCoding, problem: Problem | None = None) -> None:
    """Several images, learning after each batch: values, errors, answers and weights."""
    problem = problem or make_problem(system)
    trajectories, learnt, answers = reference_run(system, problem)
    circuit = system.circuit()
    settings: dict[str, Any] = {"dtype": "float64", "max_cycles": len(problem.images)}
    with open_backend("runtime", circuit, record=every_variable(circuit), **settings) as backend:
        result = backend.run(make_chunk(system, problem))
    np.testing.assert_allclose(result.readouts["answer"], answers, rtol=0, atol=1e-9)
    for image, states in enumerate(trajectories):
        for k in system.upper:
            flat = result.trajectories[f"layer_{k}"]
            for part, name in enumerate(("x", "err")):
                want = np.array([state[part][k - 1 + (not part)] for state in states])
                got = flat[name].reshape(len(problem.images), circuit.cycle_steps(), -1)[image]
                got = got[system.depth :]
                np.testing.assert_allclose(got, want, rtol=0, atol=1e-9, err_msg=f"{name}_{k}")
    assert_same_weights(result.weights, learnt, tolerance=1e-9)


SYSTEMS: dict[str, Callable[[], PredictiveCoding]] = {
    "pc": small_pc,
    "pc-nudge": small_nudge,
    "pc, one hidden layer, online": lambda: small_pc(layers=(5, 6, 3), batch=1),
    "pc-nudge, one hidden layer, online": lambda: small_nudge(layers=(5, 6, 3), batch=1),
    "pc, no hidden layer": lambda: small_pc(layers=(5, 3)),
    "pc-nudge, no hidden layer": lambda: small_nudge(layers=(5, 3)),
    "pc, small steps": lambda: small_pc(dt=0.5, settle_time=6.5, tau=7.0),
}


@pytest.mark.quick(4)
@pytest.mark.parametrize("name", SYSTEMS)
def test_several_batches_equal_the_reference_in_every_step(name: str) -> None:
    """Guards against wrong equations, updates and gates, and state that leaks between images."""
    check(SYSTEMS[name]())


@pytest.mark.parametrize("make", [small_pc, small_nudge])
def test_the_problem_moves_every_weight_and_shows_every_kind_of_cell(make: Any) -> None:
    """Guards against an oracle without teeth."""
    system = make()
    problem = make_problem(system)
    trajectories, learnt, _ = reference_run(system, problem)
    for name, before in problem.weights.items():
        assert np.abs(learnt[name] - before).max() > 1e-8, f"{name} does not move"
    last = trajectories[0][-1]
    assert max(np.abs(error).max() for error in last[1][:-1]) > 1e-3
    if nudged(system):
        hidden = np.array([states[-1][0][1] for states in trajectories])
        assert np.any(hidden > 0)
        assert np.any(hidden < 0)


# ------------------------------------------------------------------ compiled


@pytest.mark.parametrize("make", [small_pc, small_nudge])
def test_the_compiled_network_equals_the_runtime(make: Any) -> None:
    """Guards generated C++, with batches, an optimiser and thresholds."""
    system = make(event_threshold=0.01, error_threshold=0.005)
    problem, results = make_problem(system, images=7), []
    for name in ("cpp", "runtime"):
        with open_backend(name, system.circuit(), dtype="float64", max_cycles=7) as backend:
            results.append(backend.run(make_chunk(system, problem)))
    compiled, expected = results
    assert_same_weights(compiled.weights, expected.weights)
    assert compiled.event_counts == expected.event_counts
    steps = 7 * system.phase_steps()["settle"]
    assert 0 < compiled.event_counts["layer_2.error"] < steps * 4


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("kind", "settings"),
    [(PredictiveCoding, {"rate": 0.003}), (NudgedPredictiveCoding, {"rate": 0.01})],
)
def test_learning_digits_learns(kind: Any, settings: dict[str, Any]) -> None:
    """Guards the point of it all: from chance to most digits right in a few epochs."""
    digits = load_dataset("digits")
    system = kind(layers=(64, 30, 10), batch=4, **settings)
    with Simulator(system, seed=0) as simulator:
        before = simulator.score(digits.x_test, digits.y_test)
        simulator.fit(digits.x_train, digits.y_train, epochs=5, progress=False)
        after = simulator.score(digits.x_test, digits.y_test)
    assert before < 0.3
    assert after > 0.9


# ------------------------------------------------------------------ gradients


def test_at_rest_the_update_is_minus_the_gradient_of_the_energy() -> None:
    """Guards the rule: at rest, values move only as far as the energy is flat in them."""
    rng = np.random.default_rng(0)
    weights = oracle.initial_weights((5, 6, 4, 3), rng)
    image, y = rng.uniform(size=(5, 2)), np.eye(3)[:, :2]

    def rest(with_weights: Weights) -> Any:
        x = oracle.clamp(oracle.forward(with_weights, image), y)
        return oracle.settle(with_weights, x, steps=600, h=0.5)

    settled = rest(weights)
    moving = oracle.settle(weights, settled, steps=1)
    assert max(np.abs(a - b).max() for a, b in zip(settled, moving, strict=True)) < 1e-12
    ascent = oracle.gradient(weights, settled)
    for name, (i, j) in (("W_0", (2, 1)), ("W_1", (3, 5)), ("W_2", (1, 0)), ("b_1", (2, 0))):
        energies = []
        for change in (1e-5, -1e-5):
            moved = {**weights, name: weights[name].copy()}
            moved[name][i, j] += change
            # the values settle anew
            energies.append(oracle.energy(moved, rest(moved)).mean())
        slope = (energies[0] - energies[1]) / 2e-5
        assert ascent[name][i, j] == pytest.approx(-slope, rel=1e-5)
        assert abs(slope) > 1e-4


def test_for_a_small_nudge_the_update_is_the_gradient_of_the_squared_error() -> None:
    """Guards the factor 2/lambda and both signs of the nudge."""
    rng = np.random.default_rng(0)
    weights = nudge_oracle.initial_weights((5, 6, 4, 3), rng)
    image, y = rng.uniform(size=(5, 2)), np.eye(3)[:, :2]
    lam = np.array([1e-6, -1e-6])
    free = nudge_oracle.forward(weights, image, nudge_oracle.rectified)
    x = nudge_oracle.settle(weights, free, y, lam, steps=1500)
    learnt = nudge_oracle.update(weights, x, lam, 2.0)
    for name in weights:
        change = np.abs(learnt[name] - weights[name])
        i, j = np.unravel_index(change.argmax(), change.shape)
        losses = []
        for change in (1e-5, -1e-5):
            moved = {**weights, name: weights[name].copy()}
            moved[name][i, j] += change
            output = nudge_oracle.forward(moved, image, nudge_oracle.rectified)[-1]
            losses.append(((output - y) ** 2).sum())
        slope = (losses[0] - losses[1]) / 2e-5
        assert learnt[name][i, j] - weights[name][i, j] == pytest.approx(-slope, rel=1e-3)
        assert abs(slope) > 1e-2


# ------------------------------------------------------------------ sabotages

Sabotage = Callable[[pytest.MonkeyPatch], None]


def text(module: Any, constant: str, old: str, new: str) -> Sabotage:
    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(module, constant)
        assert old in before, f"{old!r} is not in {constant}: the sabotage is out of date"
        patch.setattr(module, constant, before.replace(old, new))

    return spoil


def event(name: str, **changes: str) -> Sabotage:
    """Replace texts in an event of the layers; an empty action leaves it out."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = PredictiveCoding._layer_events

        def changed(item: Event) -> Event:
            return dataclasses.replace(item, **changes) if item.name == name else item

        patch.setattr(
            PredictiveCoding,
            "_layer_events",
            lambda self, k: tuple(changed(item) for item in before(self, k)),
        )

    return spoil


def late_errors(patch: pytest.MonkeyPatch) -> None:
    """Errors go out with the rates, so they are made from predictions of the step before."""
    event("error", moment="send")(patch)


def learns_early(patch: pytest.MonkeyPatch) -> None:
    spoiled = (("thresholds", 1), ("synapses", -1), ("resets", -1))
    patch.setattr(build, "_SCHEDULE", {**build._SCHEDULE, "learn": spoiled})


SABOTAGES: dict[str, tuple[Callable[[], PredictiveCoding], Sabotage]] = {
    "pc: feedback has the wrong sign": (small_pc, text(pc_module, "DOWN", "+=", "-=")),
    "pc: errors instead of changes": (small_pc, text(pc_module, "DOWN", " - err_sent_post", "")),
    "pc: rates instead of changes": (small_pc, text(pc_module, "UP", " - r_sent_pre", "")),
    "pc: no slope": (small_pc, text(pc_module, "SIGMOID", "slope*feedback", "feedback")),
    "pc: no error of its own": (small_pc, text(pc_module, "SIGMOID", " - err", "")),
    "pc: output not clamped": (small_pc, text(pc_module, "CLAMPED", "(goal", "(mu")),
    "pc: clamped to 0 and 1": (small_pc, text(pc_module, "CLAMPED", "0.03 + 0.94*y", "y")),
    "nudge: the output moves in the forward pass": (
        small_nudge, text(nudge_module, "NUDGED", "int(in_settle)*", ""),
    ),
    "pc: rule without the rate": (small_pc, text(pc_module, "RULE", "*r_pre", "")),
    "pc: error has the wrong sign": (small_pc, text(pc_module, "RULE", "g +=", "g += -1*")),
    "pc: values do not adopt predictions": (small_pc, event("adopt", action="")),
    "pc: error sent not noted": (small_pc, event("error", action="")),
    "pc: rate sent not noted": (small_pc, event("spike", action="")),
    "pc: errors of the step before": (small_pc, late_errors),
    "pc: synapses learn before predictions arrive": (small_pc, learns_early),
    "nudge: energy with 1/2, hidden": (
        small_nudge, text(nudge_module, "RECTIFIED", "2*(slope", "(slope"),
    ),
    "nudge: energy with 1/2, output": (small_nudge, text(nudge_module, "NUDGED", "-2*err", "-err")),
    "nudge: wrong sign of the nudge": (
        small_nudge, text(nudge_module, "NUDGED", "- 2*lam", "+ 2*lam"),
    ),
    "nudge: not rectified": (
        small_nudge, text(nudge_module, "RECTIFIED", "r     = x*int(x > 0)", "r     = x"),
    ),
    "nudge: silent cells have a slope": (
        small_nudge, text(nudge_module, "RECTIFIED", "slope = int(x > 0)", "slope = 1"),
    ),
    "nudge: rule without 1/lambda": (small_nudge, text(nudge_module, "RULE", "2/lam", "2")),
    "nudge: rule without 2": (small_nudge, text(nudge_module, "RULE", "2/lam", "1/lam")),
    "nudge: output does not adopt": (small_nudge, event("adopt", action="")),
}  # fmt: skip


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against regular tests that would pass on a broken model."""
    make, sabotage = SABOTAGES[name]
    sabotage(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"), np.errstate(all="ignore"):
        check(make())


# ------------------------------------------------------------------ events, settings


def test_evaluation_is_a_forward_pass() -> None:
    """Guards an answer that is read before the output's prediction, or after the clamp."""
    for system in (small_pc(), small_nudge()):
        problem = make_problem(system)
        simulator = Simulator(system, backend="runtime", dtype="float64")
        simulator.weights.update(problem.weights)
        f = nudge_oracle.rectified if nudged(system) else oracle.sigmoid
        expected = oracle.forward(plain(problem.weights), problem.images.T, f)[-1].T
        got = simulator.decision_function(problem.images)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
        assert system.evaluation_phases() == {"predict": 3, "settle": 0}


def test_synaptic_operations_count_rates_up_and_errors_down() -> None:
    """Guards a count that forgets that an error walks back through all synapses."""
    circuit = small_pc().circuit()
    names = ("sensory.spike", "one.spike", "layer_1.spike", "layer_2.spike", "layer_2.error",
             "layer_3.error")  # fmt: skip
    counts = dict.fromkeys(names, 1)
    # image, bias cell, rates of two layers up, errors of two layers down
    assert metrics.count_synops(circuit, counts) == 6 + 13 + 4 + 3 + 6 + 4
    assert metrics.count_events(circuit, counts)["graded errors"] == 2
    assert shared_weights(circuit) == ("W_1", "W_2")


def test_presets_are_the_published_settings() -> None:
    """Guards the numbers of Table 1 against typing errors."""
    for kind, dataset, hidden, factor in (
        (PredictiveCoding, "mnist", (600, 600), 0.95**11),
        (PredictiveCoding, "fashion-mnist", (600, 600), 0.9**11),
        (NudgedPredictiveCoding, "mnist", (128, 64), 0.9),
        (NudgedPredictiveCoding, "fashion-mnist", (128, 64), 0.9**2),
        (NudgedPredictiveCoding, "cifar10", (256, 64), 1.0),
    ):
        preset = kind.preset(dataset)
        system = kind(layers=(9, *preset.hidden, 10), **preset.parameters)
        assert (preset.hidden, preset.epochs, system.batch) == (hidden, 50, 20)
        assert system.rate_scale(11) == pytest.approx(factor)
        assert system.dt / system.tau == pytest.approx(0.1)
        assert system.phase_steps() == {"predict": 3, "settle": 50}
        per_update = 20 * 1e-3 if kind is NudgedPredictiveCoding else 1e-3
        assert list(system.rates(0).values()) == pytest.approx([per_update] * 6)
        random_sign = getattr(system, "random_sign", None)
        assert random_sign in (None, dataset != "fashion-mnist")
        assert kind.preset(dataset, (500,)).hidden == (500,)


def test_initial_weights_are_published_draws_and_means_start_at_0() -> None:
    """Guards the published start: fan-in bounds, and biases that are not 0."""
    for kind in (PredictiveCoding, NudgedPredictiveCoding):
        weights = kind(layers=(300, 200, 10)).initial_weights(np.random.default_rng(1))
        expected = oracle.initial_weights((300, 200, 10), np.random.default_rng(1))
        for name, array in weights.items():
            want = expected.get(name, np.zeros_like(array))
            np.testing.assert_allclose(array, want, rtol=0, atol=1e-15)
        assert 0.95 * np.sqrt(6 / 300) < np.abs(weights["W_0"]).max() <= np.sqrt(6 / 300)
        assert 0.9 / np.sqrt(200) < np.abs(weights["b_1"]).max() <= 1 / np.sqrt(200)


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (PredictiveCoding, {"tau": 0.5}, r"unstable in hidden cells: \(dt/tau\) = 2 .*tau > 0\.5"),
        (NudgedPredictiveCoding, {"tau": 1.0}, r"\(2 \+ 2 lam\) = 2 .*tau > 1 ms"),
        (NudgedPredictiveCoding, {"lam": 0.0}, r"lam = 0\.0.*\(0, inf\)"),
        (PredictiveCoding, {"error_threshold": -1.0}, r"error_threshold = -1\.0"),
        (PredictiveCoding, {"settle_time": 1.5}, r"settle_time = 1\.5 ms is not a whole number"),
    ],
)
def test_settings_that_make_no_network_are_refused(
    kind: Any, change: dict[str, Any], words: str
) -> None:
    """Guards a step that oscillates without bound, and a nudge that is none."""
    with pytest.raises(ParameterError, match=words):
        kind(**change)


def test_targets_are_clamped_between_the_published_values() -> None:
    """Guards what recordings show of the clamped output."""
    system = small_pc()
    problem = make_problem(system, images=1)
    simulator = Simulator(system, backend="runtime", dtype="float64")
    simulator.weights.update(problem.weights)
    seen = simulator.record(problem.images, problem.targets, layer=3)
    shown = seen["value"].values[0, -1]
    np.testing.assert_allclose(shown, 0.03 + 0.94 * problem.targets[0])
