"""Equilibrium propagation: the network against NumPy, its equations, its promises."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np
import pytest
import sympy
from brian2.parsing.sympytools import str_to_sympy
from command_line import call
from ep_oracle import (
    check_ep,
    deep_ep,
    ep_reference_run,
    make_ep_problem,
    record_ep,
    small_ep,
)
from oracles import Problem, assert_same_weights
from test_units import check_statements

from neurosim import EquilibriumPropagation, Simulator, load_dataset
from neurosim.backends import weights as weight_arrays
from neurosim.backends.brian import build
from neurosim.backends.brian.build import build_network
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Backend
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import Event
from neurosim.circuit.graph import shared_weights
from neurosim.data import one_hot
from neurosim.errors import DivergenceError, ParameterError
from neurosim.learning import metrics
from neurosim.models import ep as equilibrium_propagation
from neurosim.models.numpy import ep as ep_reference

# ------------------------------------------------------------------ step for step

SYSTEMS: dict[str, EquilibriumPropagation] = {
    "one hidden layer": small_ep(),
    "two hidden layers": deep_ep(),
    "batches of two": small_ep(batch=2),
    "no hidden layer": small_ep(layers=(5, 3), alpha=(0.2,)),
    "small steps and a weak nudge": small_ep(dt=0.5, tau=3.5, free_time=4.5, nudged_time=2.0),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_several_images_with_learning_equal_the_reference_in_every_step(name: str) -> None:
    """Guards against wrong equations, updates and gates, and state that leaks between images."""
    check_ep(SYSTEMS[name])


@pytest.mark.parametrize("name", ["one hidden layer", "two hidden layers"])
def test_the_problem_shows_every_kind_of_cell_and_moves_every_weight(name: str) -> None:
    """Guards against an oracle without teeth: where nothing is clipped, no clip is tested."""
    system, problem = SYSTEMS[name], make_ep_problem(SYSTEMS[name])
    trajectories, learnt = ep_reference_run(system, problem)
    hidden = np.array([[s[1][:, 0] for s in states] for states in trajectories])
    free, last = hidden[:, 8], hidden[:, -1]
    assert np.any(hidden[:, 2:] == 0)
    assert np.any(hidden[:, 2:] == 1)
    assert np.any((hidden > 0.01) & (hidden < 0.99))
    assert np.any((free > 1e-3) & (last == 0)), "the nudge silences no cell"
    assert np.any((free == 0) & (last > 1e-3)), "the nudge wakes no cell"
    for weight, before in problem.weights.items():
        assert np.abs(learnt[weight] - before).max() > 1e-4, f"{weight} does not move"


def test_one_update_is_a_difference_of_outer_products_of_the_recorded_rates() -> None:
    """Guards against a reference and a network that share a misreading of the rule."""
    system, beta = small_ep(), -0.5
    problem = make_ep_problem(system, images=1)
    problem = Problem(problem.weights, problem.images, problem.targets, np.array([beta]))
    traces, result = record_ep(system, problem)
    x, (h, o) = problem.images[0], (traces[f"layer_{k}"]["r"][0] for k in (1, 2))
    free, nudged = 8, 12
    change = {
        "W_0": 0.2 / beta * (np.outer(h[nudged], x) - np.outer(h[free], x)),
        "W_1": 0.1 / beta * (np.outer(o[nudged], h[nudged]) - np.outer(o[free], h[free])),
        "b_0": 0.2 / beta * (h[nudged] - h[free])[:, None],
        "b_1": 0.1 / beta * (o[nudged] - o[free])[:, None],
    }
    expected = {name: problem.weights[name] + change[name] for name in change}
    assert_same_weights(result.weights, expected)


def test_delivered_sums_are_the_products_with_weights_transposed_weights_and_biases() -> None:
    """Guards the claim that one array carries signal both ways."""
    system = deep_ep()
    problem = make_ep_problem(system, images=1)
    traces, _ = record_ep(system, problem, learning=False)
    x = np.broadcast_to(problem.images[0], (13, 5))
    r = [x, *(traces[f"layer_{k}"]["r"][0] for k in (1, 2, 3))]
    W, b = ([problem.weights[f"{letter}_{k}"] for k in range(3)] for letter in "Wb")
    for k in (1, 2):
        expected = r[k - 1] @ W[k - 1].T + b[k - 1].T + r[k + 1] @ W[k]
        np.testing.assert_allclose(traces[f"layer_{k}"]["d"][0], expected, rtol=0, atol=1e-12)


# ------------------------------------------------------------------ compiled

DIGITS = {"layers": (64, 20, 10), "alpha": (0.02, 0.01), "event_threshold": 0.0}


@pytest.fixture(scope="module")
def compiled() -> Iterator[Backend]:
    circuit = EquilibriumPropagation(**DIGITS).circuit()
    with CppBackend(circuit, dtype="float64", max_cycles=1437) as backend:
        yield backend


def digits_problem(images: int, seed: int = 0) -> Problem:
    rng, digits = np.random.default_rng(seed), load_dataset("digits")
    rows = rng.permutation(len(digits.x_train))[:images]
    weights = EquilibriumPropagation(**DIGITS).initial_weights(rng)
    betas = rng.choice((-1.0, 1.0), size=images)
    return Problem(weights, digits.x_train[rows], one_hot(digits.y_train[rows], 10), betas)


def test_compiled_learning_equals_the_reference(compiled: Backend) -> None:
    """Guards against generated C++ that walks a column where it should walk a row."""
    problem = digits_problem(60)
    result = compiled.run(problem.chunk(learning=True))
    expected = ep_reference.train(
        problem.weights, problem.images, problem.targets, problem.betas, DIGITS["alpha"]
    )
    assert_same_weights(result.weights, expected, tolerance=1e-9)
    assert all(how.startswith("dense rows") for how in compiled.pathways.values())  # type: ignore[attr-defined]


def test_both_back_ends_count_and_compute_the_same(compiled: Backend) -> None:
    """Guards the word 'back end': the same weights and events, also with a threshold."""
    problem = digits_problem(3)
    chunk = problem.chunk(
        learning=True, parameters={f"layer_{k}.event_threshold": 0.01 for k in (1, 2)}
    )
    circuit = EquilibriumPropagation(**DIGITS).circuit()
    with RuntimeBackend(circuit, dtype="float64", max_cycles=3) as backend:
        expected = backend.run(chunk)
    got = compiled.run(chunk)
    assert_same_weights(got.weights, expected.weights)
    assert got.event_counts == expected.event_counts
    exact = compiled.run(problem.chunk(learning=True)).event_counts
    assert got.event_counts["layer_1.spike"] < exact["layer_1.spike"]


def test_learning_digits_learns(compiled: Backend) -> None:
    """Guards the point of it all: from chance to most digits right, in five epochs."""
    system, digits = EquilibriumPropagation(**DIGITS), load_dataset("digits")
    simulator = Simulator(system, seed=0, dtype="float64", chunk_images=1437)
    simulator._backend = compiled
    before = simulator.score(digits.x_test, digits.y_test)
    simulator.fit(digits.x_train, digits.y_train, epochs=5, progress=False)
    after = simulator.score(digits.x_test, digits.y_test)
    assert before < 0.3
    assert after > 0.9


def test_evaluation_takes_the_steps_it_is_told(compiled: Backend) -> None:
    """Guards the published evaluation step, which differs from that of training."""
    problem = digits_problem(4)
    slow = EquilibriumPropagation(**DIGITS, tau_evaluation=1 / 0.3)
    simulator = Simulator(slow, dtype="float64", chunk_images=1437)
    simulator._backend = compiled
    simulator.weights.update(problem.weights)
    for h, got in (
        (0.3, simulator.decision_function(problem.images)),
        (0.5, compiled.run(problem.chunk(learning=False)).readouts["answer"]),
    ):
        s = ep_reference.resting_state(problem.weights, problem.images.T)
        free = ep_reference.settle(problem.weights, s, steps=20, h=h)
        np.testing.assert_allclose(got, free[-1].T, rtol=0, atol=1e-9)


def test_recordings_evaluate_without_a_target_and_train_with_one() -> None:
    """Guards a plot of steps that no run takes."""
    system = small_ep(tau_evaluation=10.0)
    problem = make_ep_problem(system, images=1)
    simulator = Simulator(system, backend="runtime", dtype="float64")
    simulator.weights.update(problem.weights)
    for targets, h in ((None, 0.1), (problem.targets, 0.5)):
        shown = simulator.record(problem.images, targets, layer=1)["state"].values[0, 0]
        bias = problem.weights["b_0"][:, 0]
        first = np.clip(h * (problem.weights["W_0"] @ problem.images[0] + bias), 0, 1)
        np.testing.assert_allclose(shown, first, rtol=0, atol=1e-12)


def test_synaptic_operations_count_both_directions() -> None:
    """Guards a count that forgets that a spike of layer 2 also walks back to layer 1."""
    system = deep_ep()
    counts = {f"{name}.spike": 1 for name in ("sensory", "one", "layer_1", "layer_2", "layer_3")}
    # the image to 6; the bias cell to 6, 4 and 3; layer 1 to 4; layer 2 to 3 and 6; layer 3 to 4
    assert metrics.count_synops(system.circuit(), counts) == 6 + 13 + 4 + 9 + 4
    assert metrics.count_events(system.circuit(), counts)["graded spikes"] == 5
    assert shared_weights(system.circuit()) == ("W_1", "W_2")


# ------------------------------------------------------------------ closed form


@pytest.mark.parametrize("beta", [1.0, -0.2])
def test_both_phases_settle_at_the_solution_of_a_linear_system(beta: float) -> None:
    """Guards against dynamics and reference that agree step for step and are both wrong."""
    system = small_ep(layers=(3, 4, 2), free_time=150.0, nudged_time=150.0)
    rng = np.random.default_rng(3)
    W0, W1 = rng.uniform(0.05, 0.25, (4, 3)), rng.uniform(0.05, 0.25, (2, 4))
    b0, b1 = rng.uniform(0.05, 0.1, (4, 1)), rng.uniform(0.05, 0.1, (2, 1))
    x, y = rng.uniform(0.3, 0.9, 3), np.array([0.3, 0.5])
    weights = {"W_0": W0, "W_1": W1, "b_0": b0, "b_1": b1}
    traces, _ = record_ep(system, Problem(weights, x[None], y[None], np.array([beta])))
    for row, nudge in ((149, 0.0), (-1, beta)):
        A = np.block([[-np.eye(4), W1.T], [W1, -(1 + 2 * nudge) * np.eye(2)]])
        drive = np.concatenate([W0 @ x + b0[:, 0], b1[:, 0] + 2 * nudge * y])
        expected = np.linalg.solve(A, -drive)
        assert 0 < expected.min() < expected.max() < 1, "a clipped cell has no closed form"
        got = np.concatenate([traces[f"layer_{k}"]["u"][0, row] for k in (1, 2)])
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_the_free_phase_descends_the_energy() -> None:
    """Guards against a force that is not the gradient of the energy: it must fall, always."""
    rng = np.random.default_rng(0)
    weights = ep_reference.initial_weights((6, 8, 5, 3), rng)
    s = ep_reference.resting_state(weights, rng.random((6, 20)))
    energies = []
    for _ in range(60):
        energies.append(ep_reference.energy(weights, s))
        s = ep_reference.settle(weights, s, steps=1, h=0.1)
    falls = np.diff(energies, axis=0)
    assert falls.max() < 1e-12
    assert falls[:5].max() < 0


# ------------------------------------------------------------------ equations and units

N = 2


def energy_of(s: list[Any], W: list[Any], b: list[Any]) -> Any:
    """E as in the paper, over symbols."""
    squares = sum((layer.T * layer)[0] for layer in s[1:]) / 2
    pairs = zip(s[1:], W, s[:-1], b, strict=True)
    return squares - sum((above.T * (w * below + bias))[0] for above, w, below, bias in pairs)


def definitions(population: Any) -> dict[str, Any]:
    equations = b2.Equations(population.equations)
    return {
        name: str_to_sympy(equation.expr.code)
        for name, equation in equations.items()
        if equation.expr is not None
    }


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_force_on_a_cell_is_minus_the_gradient_of_the_total_energy(k: int) -> None:
    """Guards every sign and factor of the cells, against symbols instead of numbers."""
    s = [sympy.Matrix(sympy.symbols(f"s{layer}_:{N}", real=True)) for layer in range(4)]
    W = [
        sympy.Matrix(N, N, lambda i, j, k=k: sympy.Symbol(f"W{k}_{i}{j}", real=True))
        for k in range(3)
    ]
    b = [sympy.Matrix(sympy.symbols(f"b{k}_:{N}", real=True)) for k in range(3)]
    y = sympy.Matrix(sympy.symbols(f"y:{N}", real=True))
    beta, tau = sympy.symbols("beta tau", real=True)
    cost = ((s[3] - y).T * (s[3] - y))[0]
    equations = definitions(deep_ep().circuit().population(f"layer_{k}"))
    above = W[k].T * s[k + 1] if k < 3 else sympy.zeros(N, 1)
    delivered = (W[k - 1] * s[k - 1] + b[k - 1] + above)[0]
    nudged = sympy.Symbol("in_nudged", real=True)
    for phase in (0, 1):
        force = equations["u"] * tau
        for name in ("force", "nudge"):
            force = force.subs(sympy.Symbol(name, real=True), equations.get(name, 0))
        put_in = {"d": delivered, "u": s[k][0], "y": y[0]}
        force = force.subs({sympy.Symbol(n, real=True): v for n, v in put_in.items()})
        force = force.subs(sympy.Function("int_")(nudged), phase)
        total = energy_of(s, W, b) + phase * beta * cost
        assert sympy.simplify(force + sympy.diff(total, s[k][0])) == 0


def test_the_rule_is_the_contrast_of_the_energys_gradient_in_the_weights() -> None:
    """Guards the factor and the order of phases of the learning rule."""
    names = "r_nudged_post r_nudged_pre r_free_post r_free_pre beta"
    n_post, n_pre, f_post, f_pre, beta = sympy.symbols(names, real=True)
    w, bias = sympy.symbols("w bias", real=True)

    def slope(post: Any, pre: Any) -> Any:
        energy = energy_of([sympy.Matrix([pre]), sympy.Matrix([post])], [sympy.Matrix([w])],
                           [sympy.Matrix([bias])])  # fmt: skip
        return sympy.diff(energy, w)

    name, rule = equilibrium_propagation.RULE.split(" += ")
    assert name == "g"
    expected = -1 / beta * (slope(n_post, n_pre) - slope(f_post, f_pre))
    assert sympy.simplify(str_to_sympy(rule) - expected) == 0


def test_every_equation_and_statement_passes_brian2s_unit_check() -> None:
    """Guards against a unit error that only a run would show."""
    # Brian2 warns of every object that is made and not run; here that is the point
    b2.BrianLogger.suppress_name("unused_brian_object")
    circuit = deep_ep().circuit()
    built = build_network(circuit, 2)
    for part in (*circuit.populations, *circuit.projections):
        owner = built.groups.get(part.name) or built.synapses[part.name]
        owner.equations.check_units(owner, run_namespace={})
    # 3 events of the image and of the bias cell, 6 of a hidden layer, 5 of the output;
    # 2 pathways of each projection, and one down for each of the two shared ones
    assert check_statements(built, circuit) == 3 + 3 + 6 + 6 + 5 + 3 * 2 + 3 * 2 + 2
    assert built.groups["layer_1"].variables["tau"].dim is b2.second.dim


# ------------------------------------------------------------------ sabotages

Sabotage = Callable[[pytest.MonkeyPatch], None]


def text(constant: str, old: str, new: str) -> Sabotage:
    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(equilibrium_propagation, constant)
        assert old in before, f"{old!r} is not in {constant}: the sabotage is out of date"
        patch.setattr(equilibrium_propagation, constant, before.replace(old, new))

    return spoil


def without(event: str, statement: str) -> Sabotage:
    """Leave a statement out of the action of an event of the cells."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = EquilibriumPropagation._layer_events

        def changed(item: Event) -> Event:
            kept = [line for line in item.action.splitlines() if line != statement]
            return dataclasses.replace(item, action="\n".join(kept)) if item.name == event else item

        patch.setattr(
            EquilibriumPropagation,
            "_layer_events",
            lambda self, *given: tuple(changed(item) for item in before(self, *given)),
        )

    return spoil


def schedule(**changes: Any) -> Sabotage:
    return lambda patch: patch.setattr(build, "_SCHEDULE", {**build._SCHEDULE, **changes})


def untransposed(patch: pytest.MonkeyPatch) -> None:
    sound = weight_arrays._flatten
    patch.setattr(
        weight_arrays, "_flatten", lambda array, part, dtype: sound(
            array.T if array.shape[0] == array.shape[1] else array, part, dtype
        )
    )  # fmt: skip


def square() -> EquilibriumPropagation:
    return small_ep(layers=(4, 4, 4))


SABOTAGES: dict[str, tuple[Callable[[], EquilibriumPropagation], Sabotage]] = {
    "sign of the nudge": (small_ep, text("FORCE_OUTPUT", "- 2*nudge", "+ 2*nudge")),
    "cost with 1/2": (small_ep, text("FORCE_OUTPUT", "2*nudge", "nudge")),
    "target in the free phase": (small_ep, text("FORCE_OUTPUT", "int(in_nudged)*beta", "beta")),
    "hidden cells do not leak": (small_ep, text("FORCE_HIDDEN", "d - u", "d")),
    "output cells do not leak": (small_ep, text("FORCE_OUTPUT", "d - u -", "d -")),
    "no lower clip": (small_ep, text("CELL", "clip(u, 0, 1)", "clip(u, -9, 1)")),
    "no upper clip": (small_ep, text("CELL", "clip(u, 0, 1)", "clip(u, 0, 9)")),
    "state runs away from its rate": (small_ep, text("PROJECT", "u != r", "u != u")),
    "no signal from above": (small_ep, text("DOWN", "d_pre += w", "d_pre += 0*w")),
    "signal from above has the wrong sign": (small_ep, text("DOWN", "+=", "-=")),
    "rates instead of changes of rate": (small_ep, text("UP", "(r_pre - r_sent_pre)", "r_pre")),
    "rates instead of changes from above": (
        small_ep,
        text("DOWN", "(r_post - r_sent_post)", "r_post"),
    ),
    "rule without 1/beta": (small_ep, text("RULE", "1/beta*", "")),
    "rule without its free phase": (small_ep, text("RULE", " - r_free_post*r_free_pre", "")),
    "rule contrasts only the target cell": (small_ep, text("RULE", "r_nudged_pre", "r_free_pre")),
    "sum instead of mean": (lambda: small_ep(batch=2), text("COMMIT", "alpha/batch", "alpha")),
    "only cells active at the end learn": (
        small_ep,
        text("LEARN", "(r_nudged != 0 or r_free != 0)", "r_nudged != 0"),
    ),
    "state not reset": (small_ep, without("onset", "u = 0")),
    "delivered sum not reset": (small_ep, without("onset", "d = 0")),
    "value sent not reset": (small_ep, without("onset", "r_sent = 0")),
    "value sent not noted": (small_ep, without("spike", "r_sent = r")),
    "target of the image before": (small_ep, without("onset", "y = target(cycle_time, i)")),
    "end of the free phase not noted": (small_ep, without("end_free", "r_free = r")),
    "images arrive after cells integrate": (
        small_ep,
        schedule(sense=(("thresholds", 0), ("synapses", 0), ("resets", 0))),
    ),
    "synapses learn before notes are taken": (
        small_ep,
        schedule(learn=(("resets", 10), ("resets", 11), ("resets", 12))),
    ),
    "a transposed weight array": (square, untransposed),
}


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against regular tests that would pass on a broken model."""
    # a circuit refuses cells that are not reset: here the oracle is on trial, not the check
    monkeypatch.setattr("neurosim.circuit.checks.check_memory", lambda circuit: None)
    make, sabotage = SABOTAGES[name]
    sabotage(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"), np.errstate(all="ignore"):
        check_ep(make())


def test_the_oracle_passes_the_sound_system_of_equal_layers() -> None:
    """Guards against a sabotage that is caught because the check always fails."""
    check_ep(square())


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": (784,)}, r"EquilibriumPropagation.layers = \(784,\)"),
        ({"alpha": (0.1,)}, r"alpha has 1 value, but these layers need 2; .*alpha=0\.1,0\.1"),
        ({"alpha": (0.1, -0.1)}, r"alpha = -0\.1"),
        ({"beta": 0.0}, r"beta = 0\.0.*\(0, inf\)"),
        ({"decay": 0.0}, r"decay = 0\.0.*\(0, 1\]"),
        ({"decay_every": 0}, r"decay_every = 0"),
        ({"free_time": 20.5}, r"free_time = 20\.5 ms is not a whole number of steps"),
        (
            {"tau": 1.5},
            r"unstable in nudged output cells: \(dt/tau\)\(1 \+ 2 beta\) = 2 .*tau > 1\.5 ms",
        ),
        ({"beta": 2.0}, r"Euler step is unstable.* = 2\.5 .*tau > 2\.5 ms"),
        ({"tau_evaluation": 0.5}, r"\(dt/tau_evaluation\) = 2 .*tau_evaluation > 0\.5 ms"),
    ],
)
def test_settings_that_make_no_network_are_refused(change: dict[str, Any], words: str) -> None:
    """Guards against a network of another shape, or a step that oscillates without bound."""
    with pytest.raises(ParameterError, match=words) as caught:
        EquilibriumPropagation(**change)
    assert "\n" not in str(caught.value)


def test_the_stability_bound_is_where_a_single_cell_begins_to_oscillate() -> None:
    """Guards a bound off by a factor: below it a nudged cell settles, above it it does not."""
    weights = {"W_0": np.zeros((1, 1)), "b_0": np.full((1, 1), 0.5)}
    s, y = (np.zeros((1, 1)), np.full((1, 1), 0.6)), np.full((1, 1), 0.5)
    for h, settles in ((0.66, True), (0.67, False)):
        end = ep_reference.settle(weights, s, steps=5000, y=y, beta=1.0, h=h)[1]
        assert (abs(float(end[0, 0]) - 0.5) < 1e-6) is settles
        assert (h * (1 + 2 * 1.0) < 2) is settles


def test_presets_are_the_published_settings() -> None:
    """Guards the numbers of Table 1 against typing errors."""
    for dataset, hidden, alpha, h in (
        ("mnist", (500,), (0.1, 0.05), 0.5),
        ("fashion-mnist", (500,), (0.05, 0.025), 0.3),
        ("cifar10", (500,), (0.07, 0.03), 0.3),
    ):
        preset = EquilibriumPropagation.preset(dataset)
        system = EquilibriumPropagation(layers=(9, *preset.hidden, 10), **preset.parameters)
        assert (preset.hidden, preset.epochs) == (hidden, 50)
        assert 20 * np.array(system.alpha) == pytest.approx(alpha)
        assert system.dt / system.tau == 0.5
        assert 1e-3 * system.dt / system.evaluation_parameters()["layer_1.tau"] == pytest.approx(h)
        assert system.evaluation_phases() == {"free": 20, "nudged": 0}
        assert system.circuit().phase_steps() == {"free": 20, "nudged": 4}
        factor = system.rates(31)["w_0.alpha"] / system.rates(0)["w_0.alpha"]
        assert factor == pytest.approx(0.75**2 if dataset == "cifar10" else 1.0)
    assert "chosen here" in EquilibriumPropagation.preset("digits").source
    assert "none published for kmnist" in EquilibriumPropagation.preset("kmnist").source


@pytest.mark.parametrize("hidden", [(), (7,), (7, 6), (7, 6, 5, 4)])
def test_presets_make_networks_of_any_depth(hidden: tuple[int, ...]) -> None:
    """Guards `--hidden` with another number of layers than was published."""
    preset = EquilibriumPropagation.preset("mnist", hidden)
    system = EquilibriumPropagation(layers=(9, *preset.hidden, 10), **preset.parameters)
    circuit = system.circuit()
    assert len(system.rates(0)) == 2 * (len(hidden) + 1)
    assert {name.partition(".")[0] for name in system.rates(0)} == {
        projection.name for projection in circuit.projections
    }
    assert len(shared_weights(circuit)) == len(hidden)


def test_initial_weights_are_glorot_draws_and_zero_biases() -> None:
    """Guards the published start."""
    weights = EquilibriumPropagation(layers=(300, 200, 10)).initial_weights(
        np.random.default_rng(1)
    )
    for name, shape in (("W_0", (200, 300)), ("W_1", (10, 200))):
        bound = np.sqrt(6 / sum(shape))
        assert weights[name].shape == shape
        assert 0.95 * bound < np.abs(weights[name]).max() <= bound
    assert not weights["b_0"].any()
    assert not weights["b_1"].any()


def test_the_nudge_has_a_random_sign_for_every_image() -> None:
    """Guards a sign that is drawn once, or not at all."""
    rng = np.random.default_rng(0)
    drawn = EquilibriumPropagation(beta=0.5).cycle_scalars(rng, 4000)["beta"]
    assert set(drawn) == {-0.5, 0.5}
    assert abs(drawn.mean()) < 0.05
    fixed = EquilibriumPropagation(beta=0.5, random_sign=False).cycle_scalars(rng, 9)
    assert set(fixed["beta"]) == {0.5}


def test_advice_on_divergence_names_parameters_of_this_system() -> None:
    """Guards advice to lower rates that equilibrium propagation does not have."""
    system = small_ep(alpha=(1e6, 1e6))
    problem = make_ep_problem(system, images=30)
    simulator = Simulator(system, backend="runtime", chunk_images=30)
    with pytest.raises(DivergenceError, match=r"learning rates \(alpha\)") as caught:
        list(simulator.train_epoch(problem.images, problem.targets))
    assert "mu_ff" not in str(caught.value)


def test_the_command_line_trains_and_resumes_it_like_the_first_system(tmp_path: Path) -> None:
    """Guards a run folder, a report or a resume that only CorInfoMax fits."""
    small = ["--dataset", "digits", "--hidden", "6", "--train-images", "6", "--test-images", "4"]
    out = ["--out", str(tmp_path / "run")]
    done = call("train", "--system", "ep", *small, "--epochs", "1", "--backend", "runtime", *out)
    assert done.status == 0, done.err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["angle_degrees"] == {}
    assert summary["synops_per_image"] > 0
    assert 'system = "ep"' in (tmp_path / "run" / "config.toml").read_text()
    again = call("train", "--resume", str(tmp_path / "run"), "--epochs", "2")
    assert again.status == 0, again.err
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    with Simulator.load(tmp_path / "run", backend="runtime") as simulator:
        assert simulator.system.name == "ep"
        assert simulator.epoch == 2
