"""CorInfoMax on polytopes: cells and interneurons against NumPy, projections, rules, presets."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import brian2 as b2
import numpy as np
import pytest
import scipy.optimize
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Problem, assert_same_weights, record_run, small_system
from sparse_oracles import (
    check_sparse,
    polytopes,
    reference_run,
    sparse_problem,
    sparse_system,
)
from sympy.core.function import AppliedUndef
from test_equations import assert_equal, definitions, real, soma
from test_units import check_statements

from benchmarks import constraints
from neurosim import Dataset, Simulator, load_dataset
from neurosim.backends.interface import Chunk
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import Circuit, Population, Readout
from neurosim.errors import ParameterError
from neurosim.models import CorInfoMaxSparse, CorInfoMaxSparseEnforced, corinfomax_sparse
from neurosim.models.corinfomax_sparse import read_domain
from neurosim.models.numpy.corinfomax import ReferenceParameters
from neurosim.models.numpy.corinfomax_sparse import Polytope, simulate
from neurosim.system import Preset
from neurosim.system.values import parse_value

MIXED = ("mixed", 3, (0, 1, 4), (1, 2, 3))
DEEP = {"layers": (5, 6, 4, 3), "mu_ff": (0.1, 0.07, 0.05), "mu_fb": (0.05, 0.03)}

SYSTEMS: dict[str, CorInfoMaxSparse] = {
    "sparse, non-negative": sparse_system(),
    "batches of two": sparse_system(batch=2),
    "sparse below a simplex": sparse_system(domains=("sparse", "simplex")),
    "antisparse below mixed": sparse_system(domains=("antisparse", ("mixed", 1, (0, 1), (1, 2)))),
    "mixed below sparse": sparse_system(domains=(MIXED, "sparse")),
    "three layers": sparse_system(
        **DEEP, domains=("simplex", "antisparse_nonnegative", "sparse_nonnegative_bounded")
    ),
    "leaky dendrites, output conductance beta": sparse_system(
        output_apical="nudge", tau_basal=2.0, tau_apical=3.0, slowdown=0.1
    ),
}

every_system = pytest.mark.parametrize("name", SYSTEMS)


@pytest.mark.quick(2)
@every_system
def test_several_images_with_learning_equal_the_reference_in_every_step(name: str) -> None:
    """Guards against wrong rates, interneurons and gates, and state that leaks between images."""
    check_sparse(SYSTEMS[name])


# ------------------------------------------------------------------ does the oracle see it all


@every_system
def test_the_problem_shows_every_kind_of_cell_and_moves_every_weight(name: str) -> None:
    """Guards against an oracle without teeth: where nothing is bounded, no bound is tested."""
    system = SYSTEMS[name]
    trajectories, learnt = reference_run(system, sparse_problem(system), learning=True)
    for k, polytope in polytopes(system).items():
        r, u, q = (
            np.concatenate([getattr(trajectory, part)[k] for trajectory in trajectories])
            for part in ("r", "u", "q")
        )
        assert np.any(np.abs(r) > 0.01), "no cell is active"
        if polytope.kind.startswith("antisparse"):
            assert np.any(np.abs(r) == 1), f"no cell of layer {k} reaches its bound"
        else:
            assert np.abs(q).max(axis=0).min() > 0.01, f"an interneuron of layer {k} is silent"
            assert np.any((r == 0) & (u != 0)), f"no cell of layer {k} is silenced"
        if polytope.kind == "simplex":
            assert q.min() < -0.01, "no multiplier of the other sign"
        if polytope.kind in ("sparse", "antisparse"):
            assert r.min() < -0.01, f"no rate of layer {k} is negative"
    for weight, before in sparse_problem(system).weights.items():
        assert np.abs(learnt[weight] - before).max() > 1e-6, f"{weight} does not move"


def test_one_update_is_the_difference_of_two_outer_products() -> None:
    """Guards against a reference and a network that share a misreading of eq. 26 and 27."""
    system, beta = sparse_system(domains=("sparse", "simplex")), -0.5
    problem = sparse_problem(system, images=1)
    problem = dataclasses.replace(problem, betas=np.array([beta]))
    traces, result = record_run(system, problem, learning=True)
    free, nudged = 11, 17
    x, W_ff, W_fb = problem.images[0], problem.weights["W_ff_0"], problem.weights["W_fb_1"]
    r1, r2 = traces["pyramidal_1"]["r"][0], traces["pyramidal_2"]["r"][0]
    ff = np.outer(r1[nudged] - W_ff @ x, x) - np.outer(r1[free] - W_ff @ x, x)
    fb = np.outer(r1[nudged] - W_fb @ r2[nudged], r2[nudged])
    fb -= np.outer(r1[free] - W_fb @ r2[free], r2[free])
    expected = {"W_ff_0": W_ff + 0.1 / beta * ff, "W_fb_1": W_fb + 0.05 / beta * fb}
    assert_same_weights({name: result.weights[name] for name in expected}, expected)


#: One layer shows most; fewer populations are built in less time.
ONE_LAYER: dict[str, Any] = {"layers": (5, 6), "mu_ff": (0.1,), "mu_fb": ()}
HIDDEN: dict[str, Any] = {"layers": (5, 6, 3), "mu_ff": (0.1, 0.07), "mu_fb": (0.05,)}
SABOTAGES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # ---------------------------------------------------------------- rates
    "no rectification": ({}, "RATE_RECTIFIED", "clip(u, 0, inf)", "u"),
    "an upper bound that B_1,+ has not": ({}, "RATE_RECTIFIED", "inf", "0.2"),
    "soft threshold without the sign": (
        {"domains": ("sparse",)},
        "RATE_SOFT",
        "sign(u)*",
        "",
    ),
    "hard threshold": (
        {"domains": ("sparse",)},
        "RATE_SOFT",
        "sign(u)*clip(abs(u) - q, 0, inf)",
        "u*int(abs(u) > q)",
    ),
    "signed cells rectified": (
        {"domains": ("antisparse",)},
        "RATE_SIGNED",
        "clip(u, -1, 1)",
        "clip(u, 0, 1)",
    ),
    "mixed: all cells signed": (
        {"domains": (MIXED,)},
        "RATE_MIXED",
        "int(i < n_signed)",
        "1",
    ),
    "mixed: restart from beyond the bounds": (
        {"domains": (MIXED,)},
        "RESTART_MIXED",
        "u = clip(u, q - member_s*(2*q + 1), q + 1)",
        "u = u",
    ),
    "mixed: restart that forgets the threshold": (
        {"domains": (MIXED,)},
        "RESTART_MIXED",
        "clip(u, q - member_s*(2*q + 1), q + 1)",
        "r",
    ),
    # ---------------------------------------------------------------- inhibition
    "interneurons excite": ({}, "INHIBITION", "-q/g_A", "q/g_A"),
    "inhibition not divided by the conductance": (HIDDEN, "INHIBITION", "-q/g_A", "-q"),
    "interneurons without effect": ({}, "APICAL_INHIBITED", "m_A + i_q", "m_A"),
    "leaky dendrite without inhibition": (
        {"tau_apical": 3.0},
        "APICAL_INHIBITED",
        "m_A + i_q",
        "m_A",
    ),
    "printed form with inhibition of the wrong sign": (
        {"output_apical": "nudge"},
        "INHIBITION_CURRENT",
        "-q",
        "q",
    ),
    # ---------------------------------------------------------------- interneurons
    "bound of 2": ({}, "LAGRANGE", "l1 - 1)", "l1 - 2)"),
    "no bound": ({}, "LAGRANGE", "l1 - 1)", "l1)"),
    "state leaks although it speaks": ({}, "LAGRANGE", "-a + q +", "-a +"),
    "a silent interneuron forgets nothing": ({}, "LAGRANGE", "-a + q + l1", "l1"),
    "multiplier of either sign": ({}, "MULTIPLIER", "clip(a, 0, inf)", "a"),
    "simplex: multiplier rectified": (
        {"domains": ("simplex",)},
        "MULTIPLIER_EQUALITY",
        "q = a",
        "q = clip(a, 0, inf)",
    ),
    "sum of rates instead of their sizes": (
        {"domains": ("sparse",)},
        "SUM_SIGNAL",
        "abs(r_pre) - abs(r_sent_pre)",
        "r_pre - r_sent_pre",
    ),
    "size of the change instead of change of the size": (
        {"domains": ("sparse",)},
        "SUM_SIGNAL",
        "abs(r_pre) - abs(r_sent_pre)",
        "abs(r_pre - r_sent_pre)",
    ),
    "rates sent anew with every event": ({}, "SUM_SIGNAL", " - abs(r_sent_pre)", ""),
}


def replace_domains(patch: pytest.MonkeyPatch, before: str, after: str) -> None:
    """Put a spoilt string into the table of domains, which holds the strings themselves."""
    spoilt = {
        name: dataclasses.replace(
            domain,
            **{
                field: getattr(domain, field).replace(before, after)
                for field in ("rate", "restart", "multiplier")
            },
        )
        for name, domain in corinfomax_sparse.DOMAINS.items()
    }
    patch.setattr(corinfomax_sparse, "DOMAINS", spoilt)


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against checks that would pass on a broken model."""
    changes, constant, old, new = SABOTAGES[name]
    before = getattr(corinfomax_sparse, constant)
    assert old in before, f"{old!r} is not in {constant}: the sabotage is out of date"
    after = before.replace(old, new)
    monkeypatch.setattr(corinfomax_sparse, constant, after)
    replace_domains(monkeypatch, before, after)
    with pytest.raises(AssertionError, match="Not equal to tolerance"), np.errstate(all="ignore"):
        check_sparse(sparse_system(**{**ONE_LAYER, **changes}))


METHOD_SABOTAGES: dict[str, tuple[dict[str, Any], str, Any]] = {
    "interneurons not reset at the onset": (
        {},
        "_lagrange",
        lambda cells: dataclasses.replace(cells, events=cells.events[1:]),
    ),
    "time constants of the layers exchanged": (
        HIDDEN,
        "_lagrange",
        lambda cells: dataclasses.replace(
            cells, parameters={"tau_q": {8e-3: 3e-3, 3e-3: 8e-3}[cells.parameters["tau_q"]]}
        ),
    ),
    "u goes on where the free phase left it": (
        {},
        "_domain_texts",
        lambda texts: (texts[0], "", texts[2]),
    ),
}


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", METHOD_SABOTAGES)
def test_the_oracle_catches_wrong_events_and_times(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against state of the interneurons that outlives an image or a phase."""
    # a circuit refuses cells that are not reset: here the oracle is on trial, not the check
    monkeypatch.setattr("neurosim.circuit.checks.check_memory", lambda circuit: None)
    changes, method, change = METHOD_SABOTAGES[name]
    sound = getattr(CorInfoMaxSparse, method)
    monkeypatch.setattr(CorInfoMaxSparse, method, lambda self, *given: change(sound(self, *given)))
    with pytest.raises(AssertionError, match="Not equal to tolerance"), np.errstate(all="ignore"):
        check_sparse(sparse_system(**{**ONE_LAYER, **changes}))


def test_the_oracle_catches_interneurons_that_stay_below_0_when_the_nudge_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards against a state that has to climb back before the nudged phase is held."""
    system = sparse_system(**ONE_LAYER)
    strong = sparse_problem(system)
    faint = dataclasses.replace(strong, images=0.1 * strong.images)
    check_sparse(system, faint)
    sound = CorInfoMaxSparse._lagrange

    def unheld(self: CorInfoMaxSparse, k: int, name: str) -> Population:
        cells = sound(self, k, name)
        return dataclasses.replace(cells, events=cells.events[:1])

    monkeypatch.setattr(CorInfoMaxSparse, "_lagrange", unheld)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_sparse(system, faint)


@pytest.mark.quick(2)
@pytest.mark.parametrize("domain", ["sparse_nonnegative", "simplex", "sparse", "antisparse", MIXED])
def test_the_oracle_passes_the_sound_layers_that_are_sabotaged(domain: str) -> None:
    """Guards against sabotages that are caught because the check always fails."""
    check_sparse(sparse_system(**ONE_LAYER, domains=(domain,)))


# ------------------------------------------------------------------ the equations as symbols


def rate_of(word: str) -> Any:
    """Right side of a domain's rate, as a symbol expression, of one cell."""
    circuit = sparse_system(domains=(word, "sparse_nonnegative")).circuit()
    return definitions(circuit.population("pyramidal_1"))


@pytest.mark.parametrize("values", [(-2.0, 0.3), (-0.2, 0.3), (0.1, 0.3), (0.7, 0.3), (5.0, 0.0)])
def test_rates_are_those_of_the_domains(values: tuple[float, float]) -> None:
    """Guards against a threshold or a bound on the wrong side."""
    numbers = dict(zip(real("u q"), values, strict=True))
    u, q = values
    expected = {
        "sparse_nonnegative": max(u, 0),
        "simplex": max(u, 0),
        "sparse_nonnegative_bounded": min(max(u, 0), 1),
        "sparse": math.copysign(max(abs(u) - q, 0), u),
        "antisparse": min(max(u, -1), 1),
        "antisparse_nonnegative": min(max(u, 0), 1),
    }
    known = {"clip": lambda x, low, high: min(max(x, low), high)}
    for word, want in expected.items():
        got = rate_of(word)["r"].subs(numbers)
        assert float(evaluated(got, known)) == pytest.approx(want), word


def evaluated(expression: Any, functions: dict[str, Any]) -> Any:
    """Replace undefined functions of numbers by their values, from the inside out."""
    for call in sorted(expression.atoms(AppliedUndef), key=lambda c: c.count_ops()):
        value = functions[call.func.__name__](*(float(argument) for argument in call.args))
        expression = expression.subs(call, value)
    return expression


@pytest.mark.parametrize("form", ["constant", "nudge"])
def test_inhibition_enters_the_soma_as_minus_q(form: str) -> None:
    """Guards against inhibition scaled by a conductance: -eps q at 1/eps, -q at 1 or as current."""
    system = sparse_system(layers=(3, 3, 3), output_apical=form)
    plain = small_system(layers=(3, 3, 3), output_apical=form)
    for k in (1, 2):
        with_q, without = (soma(s, k, nudged=True) for s in (system, plain))
        assert_equal(with_q, without - real("q"))


def test_interneurons_follow_the_published_iteration() -> None:
    """Guards against an integrator that leaks, or a bound other than 1."""
    circuit = sparse_system(domains=("sparse_nonnegative", "simplex")).circuit()
    a, q, l1, tau_q = real("a q l1 tau_q")
    for k, output in ((1, "clip"), (2, None)):
        known = definitions(circuit.population(f"lagrange_{k}"))
        assert_equal(known["a"] * tau_q, -a + q + l1 - 1)
        if output:
            assert known["q"] == sympy.Function("clip")(a, 0, sympy.oo)
        else:
            assert known["q"] == a


def test_every_equation_and_statement_passes_brian2s_unit_check() -> None:
    """Guards against a unit error that only a run, or only one domain, would show."""
    b2.BrianLogger.suppress_name("unused_brian_object")
    for system in (SYSTEMS["mixed below sparse"], SYSTEMS["sparse below a simplex"]):
        circuit = system.circuit()
        # on the NumPy target, where connecting synapses compiles nothing
        built = RuntimeBackend(circuit, dtype="float64", max_cycles=2)._built
        for part in (*circuit.populations, *circuit.projections):
            owner = built.groups.get(part.name) or built.synapses[part.name]
            owner.equations.check_units(owner, run_namespace={})
        # as in CorInfoMax, and per interneuron two events and one projection
        interneurons = sum(
            population.name.startswith("lagrange") for population in circuit.populations
        )
        assert check_statements(built, circuit) == 3 + 2 * 16 - 2 + 3 * interneurons
    assert interneurons == 2


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"domains": ("spars",)}, r"unknown domain 'spars'.*'sparse'"),
        ({"domains": ("sparse",) * 3}, r"domains has 3 values, .*need 1 or 2; give 1 or 2"),
        ({"domains": ()}, r"domains has 0 values"),
        ({"domains": "sparse"}, r"give a tuple"),
        ({"domains": (1, 2)}, r"domains = 1: give one of sparse_nonnegative"),
        ({"domains": ("mixed",)}, r"domain 'mixed': write \(\"mixed\", SIGNED, CELLS"),
        ({"domains": ("mixed/2/0-1",)}, r"'mixed/2/0-1': write .*JSON \[\"mixed\", 2, \[0, 1\]"),
        ({"domains": (("mixed", 1),)}, r"write \(\"mixed\", SIGNED, CELLS"),
        ({"domains": (("mixed", 1, 0),)}, r"write \(\"mixed\", SIGNED, CELLS"),
        ({"domains": (("mixed", 1, ()),)}, r"write \(\"mixed\", SIGNED, CELLS"),
        ({"domains": (("mixed", "x", (0, 1)),)}, r"does not fit a layer of 6 cells"),
        ({"domains": (("mixed", 7, (0, 1)), "sparse")}, r"layer of 6 cells: give 0 to 6 signed"),
        ({"domains": (("mixed", 1, (0, 6)), "sparse")}, r"cells from 0 to 5"),
        ({"domains": (("mixed", 1, (0.0, 1)), "sparse")}, r"cells from 0 to 5"),
        ({"tau_q_hidden": 0.5}, r"CorInfoMaxSparse\.tau_q_hidden = 0\.5 ms is shorter"),
        ({"tau_q_output": 0.0}, r"tau_q_output = 0\.0 ms is out of range"),
        ({"mu_ff": (0.1,)}, r"CorInfoMaxSparse\.mu_ff has 1 value,"),
    ],
)
def test_settings_that_make_no_network_are_refused(changes: dict[str, Any], words: str) -> None:
    """Guards against a wrong word that silently becomes another domain."""
    with pytest.raises(ParameterError, match=words):
        sparse_system(**changes)


@pytest.mark.parametrize(
    "given_",
    [
        ["sparse", ["mixed", 1, [3, 0, 2], [1]]],
        '["sparse", ["mixed", 1, [3, 0, 2], [1]]]',
        ("sparse", ("mixed", 1, (3, 0, 2), (1,))),
    ],
    ids=["TOML", "JSON on the command line", "Python"],
)
def test_domains_are_given_as_tuples_lists_or_json(given_: Any) -> None:
    """Guards against domains that only Python code could choose."""
    domains = parse_value(CorInfoMaxSparse, "domains", given_)
    assert domains == ("sparse", ("mixed", 1, (3, 0, 2), (1,)))
    domain = read_domain(domains[1], 4)
    assert (domain.signed, domain.groups) == (1, ((0, 2, 3), (1,)))
    assert "member_0 = int(i == 0 or (i >= 2 and i <= 3)) : 1" in domain.rate


def test_words_for_domains_are_separated_by_commas() -> None:
    """Guards the short form of the command line."""
    assert parse_value(CorInfoMaxSparse, "domains", "sparse, simplex") == ("sparse", "simplex")
    with pytest.raises(ParameterError, match="domains = '\\[1, ' cannot be read; give words sep"):
        parse_value(CorInfoMaxSparse, "domains", "[1, ")


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist", "cifar10"])
def test_presets_are_the_published_settings(dataset: str) -> None:
    """Guards the published numbers: rates / 20, steps, phases and eta_q."""
    published = {
        # mu_ff, mu_fb, neural step, slow, T_f, T_n, g, eta_q hidden, second stretch from
        "mnist": ((1.0, 0.7), (0.12,), 0.05, False, 20, 4, 0.5, 1e-6, 15),
        "fashion-mnist": ((0.35, 0.23), (0.06,), 0.045, True, 20, 10, 0.2, 1e-6, 11),
        "cifar10": ((0.095, 0.075), (0.05,), 0.025, True, 30, 10, 0.1, 1e-5, 15),
    }
    mu_ff, mu_fb, eta, slow, free, nudged, g_l, eta_q, second = published[dataset]
    preset = CorInfoMaxSparse.preset(dataset)
    inputs = 3072 if dataset == "cifar10" else 784
    system = CorInfoMaxSparse(layers=(inputs, *preset.hidden, 10), **preset.parameters)
    assert preset.hidden == ((1000,) if dataset == "cifar10" else (500,))
    assert np.multiply(system.mu_ff, 20) == pytest.approx(mu_ff)
    assert np.multiply(system.mu_fb, 20) == pytest.approx(mu_fb)
    assert system.dt / system.tau_u == pytest.approx(eta)
    assert system.slowdown == (0.01 if slow else 0)
    assert system.circuit().phase_steps() == {"free": free, "nudged": nudged}
    assert (system.g_l, system.epsilon, system.lambda_) == (g_l, 0.15, 0.99999)
    assert system.dt / system.tau_q_hidden == pytest.approx(eta_q)
    assert system.dt / system.tau_q_output == pytest.approx(0.01)
    assert (system.decay, system.decay_from) == ((0.95, 0.9), (0, second))
    assert system.domains == ("sparse_nonnegative",)


def test_any_depth_has_a_preset() -> None:
    """Guards against presets that fit one depth only."""
    for hidden in ((), (30,), (30, 20, 10)):
        for system in (CorInfoMaxSparse, CorInfoMaxSparseEnforced):
            preset = system.preset("mnist", hidden)
            system(layers=(784, *hidden, 10), **preset.parameters).circuit()


# ------------------------------------------------------------------ projections


def onto_simplex(v: Any) -> Any:
    """Nearest point with r >= 0 and sum r = 1, by sorting."""
    falling = np.sort(v)[::-1]
    thresholds = (np.cumsum(falling) - 1) / np.arange(1, len(v) + 1)
    active = np.nonzero(falling > thresholds)[0][-1]
    return np.maximum(v - thresholds[active], 0)


def onto_ball(v: Any) -> Any:
    """Nearest point with sum abs(r) <= 1."""
    return v if np.abs(v).sum() <= 1 else np.sign(v) * onto_simplex(np.abs(v))


def onto_mixed(v: Any, polytope: Polytope) -> Any:
    """Nearest point of a mixed set by quadratic programming: r = p - n with p, n >= 0."""
    size = polytope.size
    highest = np.concatenate([np.ones(size), (np.arange(size) < polytope.signed).astype(float)])
    both = np.hstack([polytope.members, polytope.members])
    split = np.hstack([np.eye(size), -np.eye(size)])
    solved = scipy.optimize.minimize(
        lambda x: 0.5 * ((split @ x - v) ** 2).sum(),
        np.zeros(2 * size),
        jac=lambda x: split.T @ (split @ x - v),
        bounds=[(0, high) for high in highest],
        constraints={"type": "ineq", "fun": lambda x: 1 - both @ x, "jac": lambda x: -both},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert solved.success, solved.message
    return split @ solved.x


PROJECTIONS: dict[str, Any] = {
    "sparse_nonnegative": lambda v, polytope: onto_ball(np.maximum(v, 0)),
    "sparse_nonnegative_bounded": lambda v, polytope: onto_ball(np.maximum(v, 0)),
    "simplex": lambda v, polytope: onto_simplex(v),
    "sparse": lambda v, polytope: onto_ball(v),
    "antisparse": lambda v, polytope: np.clip(v, -1, 1),
    "antisparse_nonnegative": lambda v, polytope: np.clip(v, 0, 1),
    "mixed": onto_mixed,
}


@pytest.mark.quick(3)
@pytest.mark.parametrize("kind", PROJECTIONS)
@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_multipliers_lead_to_the_euclidean_projection(kind: str, data: Any) -> None:
    """Guards against cells and interneurons that settle in the set, but at another point.

    One layer with a fixed drive and no lateral weights minimises the distance to the point
    where it would rest without a constraint, so it must end at the projection of that point.
    """
    size = data.draw(st.integers(2, 5))
    cell = st.floats(-2, 2).map(lambda value: round(value, 2))
    point = np.array(data.draw(st.lists(cell, min_size=size, max_size=size)))
    groups: tuple[tuple[int, ...], ...] = ()
    if kind == "mixed":
        members = st.sets(st.integers(0, size - 1), min_size=1).map(lambda s: tuple(sorted(s)))
        groups = tuple(data.draw(st.lists(members, min_size=1, max_size=3)))
    polytope = Polytope(kind, size, 4.0, data.draw(st.integers(0, size)), groups)
    params = ReferenceParameters(free_steps=1500, nudged_steps=1)
    weights = {"W_ff_0": np.eye(size), "B_1": np.zeros((size, size))}
    drive = point * (1 + params.epsilon)
    trajectory = simulate(params, {1: polytope}, weights, drive, np.zeros(size), 1.0)
    expected = PROJECTIONS[kind](point, polytope)
    np.testing.assert_allclose(trajectory.r[1][trajectory.free_end], expected, rtol=0, atol=2e-3)


def test_the_running_network_settles_at_the_projections_of_all_its_layers() -> None:
    """Guards the same in Brian2, in hidden layers and between different domains."""
    words = ("antisparse", "sparse", MIXED, "sparse_nonnegative", "simplex")
    system = sparse_system(
        layers=(5, 6, 6, 6, 6, 4),
        mu_ff=(0.1,) * 5,
        mu_fb=(0.1,) * 4,
        domains=words,
        tau_q_hidden=4.0,
        free_time=400.0,
        nudged_time=1.0,
    )
    problem = sparse_problem(system, images=1, seed=1)
    # without feedback and lateral weights, each layer projects what it is driven to
    weights = {
        name: 3 * w if name.startswith("W_ff") else 0 * w for name, w in problem.weights.items()
    }
    problem = dataclasses.replace(problem, weights=weights)
    variables = {f"pyramidal_{k}": ("r",) for k in range(1, 6)}
    traces, _ = record_run(system, problem, learning=False, variables=variables)
    below = problem.images[0]
    for k, polytope in polytopes(system).items():
        reached = traces[f"pyramidal_{k}"]["r"][0, 399]
        pull = 1 + system.epsilon if k == system.depth else 2
        point = weights[f"W_ff_{k - 1}"] @ below / pull
        expected = PROJECTIONS[polytope.kind](point, polytope)
        assert np.abs(expected - point).max() > 0.05, f"layer {k} is not held by its constraint"
        np.testing.assert_allclose(reached, expected, rtol=0, atol=2e-3, err_msg=f"layer {k}")
        below = reached


# ------------------------------------------------------------------ compiled, and learning


@dataclasses.dataclass(frozen=True)
class Watched(CorInfoMaxSparse):
    """The sparse network with the hidden rates and both interneurons read out."""

    def circuit(self) -> Circuit:
        """With readouts at the end of the free phase."""
        base = super().circuit()
        more = [Readout("hidden", "pyramidal_1", "end_free", "r")]
        more += [Readout(f"q_{k}", f"lagrange_{k}", "end_free", "q") for k in (1, 2)]
        return dataclasses.replace(base, readouts=(*base.readouts, *more))


def digits_simulator(preset: Preset, **changes: Any) -> Simulator:
    """A network for the digits; all of these tests share one compiled program."""
    rates = {"tau_q_hidden": 1e6, **preset.parameters, **changes}
    system = Watched(layers=(64, 40, 10), **rates)
    return Simulator(system, seed=0, dtype="float64", chunk_images=400)


def readouts(simulator: Simulator, images: Any) -> dict[str, Any]:
    """What the network shows of images at the end of the free phase."""
    phases = simulator.system.evaluation_phases()
    n = len(images)
    inputs = {"stimulus": images, "target": np.zeros((n, 10)), "beta": np.ones(n)}
    chunk = Chunk(inputs, simulator.weights.arrays(), phases=phases)
    return dict(simulator.backend.run(chunk).readouts)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_the_compiled_network_equals_the_reference(digits: Dataset) -> None:
    """Guards against generated code of the links and sums that computes something else."""
    preset = CorInfoMaxSparse.preset("digits")
    fast = {"tau_q_hidden": 8.0, "tau_q_output": 3.0, "event_threshold": 0.0, "sst_threshold": 0.0}
    with digits_simulator(preset, **fast) as simulator:
        targets, betas = np.eye(10)[digits.y_train[:4]], np.array([1.0, -1.0, 0.5, -0.5])
        problem = Problem(simulator.weights.arrays(), digits.x_train[:4], targets, betas)
        trajectories, learnt = reference_run(simulator.system, problem, learning=True)
        result = simulator.backend.run(problem.chunk(learning=True))
    free = trajectories[0].free_end
    for name, part, k in (("answer", "r", 2), ("hidden", "r", 1), ("q_1", "q", 1), ("q_2", "q", 2)):
        expected = [getattr(trajectory, part)[k][free] for trajectory in trajectories]
        np.testing.assert_allclose(result.readouts[name], expected, rtol=0, atol=1e-9)
    assert result.readouts["q_1"].min() > 0.1
    assert_same_weights(result.weights, learnt, tolerance=1e-9)


def test_published_settings_learn_the_digits_and_leave_the_hidden_layer_unbounded(
    digits: Dataset,
) -> None:
    """Guards learning, and the statement that these settings do not enforce B_1,+."""
    with digits_simulator(CorInfoMaxSparse.preset("digits")) as simulator:
        simulator.fit(digits.x_train, digits.y_train, epochs=6, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) > 0.85
        shown = readouts(simulator, digits.x_test[:200])
    assert shown["hidden"].sum(axis=1).min() > 1.5
    assert np.abs(shown["answer"].sum(axis=1) - 1).mean() < 0.3
    assert shown["q_1"].max() < 0.01


def test_enforced_settings_learn_the_digits_and_hold_the_hidden_constraint(
    digits: Dataset,
) -> None:
    """Guards the enforced setting: within 5 % of the bound at the end of the free phase."""
    preset = CorInfoMaxSparseEnforced.preset("digits")
    enforced = CorInfoMaxSparseEnforced(layers=(64, 40, 10), **preset.parameters)
    names = ("tau_q_hidden", "tau_q_output", "free_time", "nudged_time")
    held = {name: getattr(enforced, name) for name in names}
    with digits_simulator(preset, **held) as simulator:
        simulator.fit(digits.x_train, digits.y_train, epochs=4, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) > 0.7
        shown = readouts(simulator, digits.x_test[:200])
    assert np.abs(shown["hidden"].sum(axis=1) - 1).max() < 0.05
    assert shown["q_1"].min() > 0.1


@pytest.mark.slow
def test_the_measurement_of_constraints_tells_of_each_layer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Guards the command by which the pages' l1 norms were measured."""
    few = ["--epochs", "1", "--train-images", "2", "--test-images", "3", "--backend", "runtime"]
    assert constraints.main(["--dataset", "digits", *few]) == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[4].strip() for row in rows] == ["1", "2"]
    least, mean, most = (float(rows[0][n]) for n in (6, 5, 7))
    assert 1 < least <= mean <= most
    assert constraints.main(["--system", "corinfomax", *few]) == 2
    assert "has no domains" in capsys.readouterr().err
