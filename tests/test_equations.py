"""The equations that run against the paper's, as symbols, term by term.

Every expression is taken from the circuit that is built, not from the constants of the
model file, its subexpressions put in, and compared with the formula as printed. One cell
of a layer of three stands for all.
"""

from __future__ import annotations

from typing import Any

import brian2 as b2
import numpy as np
import pytest
import sympy
from brian2.parsing.statements import parse_statement
from brian2.parsing.sympytools import str_to_sympy
from oracles import small_system

from neurosim import CorInfoMax
from neurosim.circuit import Population, Projection
from neurosim.circuit.graph import cell_variables
from neurosim.models import SYSTEMS
from neurosim.models.numpy.corinfomax import (
    ReferenceParameters,
    activity_gradient_hidden,
    activity_gradient_output,
)

N = 3
CELL = 1
"""The cell looked at; neither the first nor the last."""


def real(names: str) -> Any:
    return sympy.symbols(names, real=True)


def vector(name: str) -> sympy.Matrix:
    return sympy.Matrix(real(f"{name}:{N}"))


def square(name: str) -> sympy.Matrix:
    return sympy.Matrix(N, N, lambda i, j: real(f"{name}_{i}{j}"))


u, r, y, beta = real("u r y beta")
gamma, epsilon, g_l = real("gamma epsilon g_l")
B, W_ff, W_fb = square("B"), square("F"), square("K")
rates, below, above = vector("r_"), vector("b_"), vector("a_")

#: What the synapses deliver to the cell: sums over the cells of a layer.
DELIVERED = {
    "z_self": B[CELL, CELL] * rates[CELL],
    "z_lat": sum(B[CELL, j] * rates[j] for j in range(N) if j != CELL),
    "s_B": (W_ff * below)[CELL],
    "s_A": (W_fb * above)[CELL],
    "r": rates[CELL],
}


def definitions(population: Population) -> dict[str, sympy.Expr]:
    """Right sides of a population's equations, by name."""
    equations = b2.Equations(population.equations)
    return {
        name: str_to_sympy(equation.expr.code)
        for name, equation in equations.items()
        if equation.expr is not None
    }


def put_in(expression: sympy.Expr, values: dict[str, Any]) -> sympy.Expr:
    """Put definitions into an expression until nothing is left to put in."""
    table = {real(name): value for name, value in values.items()}
    for _ in range(10):
        expression = expression.subs(table)
        if not expression.free_symbols & set(table):
            return expression
    raise AssertionError(f"{expression} defines itself")


def soma(system: CorInfoMax, k: int, *, nudged: bool) -> sympy.Expr:
    """tau_u du/ds of one cell of layer k, over the synaptic sums."""
    circuit = system.circuit()
    known = definitions(circuit.population(f"pyramidal_{k}"))
    known["i_sst"] = definitions(circuit.population(f"sst_{k}"))["i_sst"]
    output = k == system.depth
    known["c"] = gamma if output else 2 * gamma * epsilon
    known["g_B"] = 1 / epsilon
    known["g_A"] = sympy.Integer(1) if output else 1 / epsilon
    known["speed"] = sympy.Integer(1)
    known.update(DELIVERED)
    expression = put_in(known.pop("u") * real("tau_u"), known)
    gate = sympy.Function("int_")(real("in_nudged"))
    return expression.subs(gate, int(nudged))


def assert_equal(got: sympy.Expr, expected: sympy.Expr) -> None:
    assert sympy.simplify(got - expected) == 0, f"{got} is not {expected}"


# ------------------------------------------------------------------ cells


@pytest.mark.parametrize("k", [1, 2])
def test_hidden_soma_follows_eq_15_and_16(k: int) -> None:
    """Guards against a wrong sign, factor or conductance in the hidden layers."""
    system = small_system(layers=(3, 3, 3, 3), mu_ff=(0.1,) * 3, mu_fb=(0.1,) * 2)
    M = epsilon * (2 * gamma * B + g_l * sympy.eye(N))
    e_forward = u - (W_ff * below)[CELL]
    e_backward = u - (W_fb * above)[CELL]
    expected = -g_l * u + ((M * rates)[CELL] - e_forward - e_backward) / epsilon
    for nudged in (False, True):
        assert_equal(soma(system, k, nudged=nudged), expected)


def test_hidden_compartments_follow_eq_18_and_19() -> None:
    """Guards against terms that move between dendrites while their sum stays right."""
    known = definitions(small_system().circuit().population("pyramidal_1"))
    sst = definitions(small_system().circuit().population("sst_1"))
    v_A, v_B, g_A, g_B = real("v_A v_B g_A g_B")
    currents = {"I_A": known["I_A"], "I_B": known["I_B"], "speed": sympy.Integer(1)}
    tau_du = put_in(known["u"] * real("tau_u"), currents)
    assert_equal(tau_du, -g_l * u + g_A * (v_A - u) + g_B * (v_B - u))
    assert_equal(put_in(known["v_B"], DELIVERED), (W_ff * below)[CELL])
    given = {"c": 2 * gamma * epsilon, "g_A": 1 / epsilon, "i_sst": sst["i_sst"]}
    apical = put_in(known["v_A"], {"m_A": known["m_A"], "i_D": known["i_D"], **given, **DELIVERED})
    M = epsilon * (2 * gamma * B + g_l * sympy.eye(N))
    assert_equal(apical, (M * rates)[CELL] + (W_fb * above)[CELL])


@pytest.mark.parametrize("nudged", [False, True])
def test_output_soma_with_constant_conductance_follows_eq_14(nudged: bool) -> None:
    """Guards against a target that acts in the free phase, or is scaled by a conductance."""
    system = small_system(layers=(3, 3, 3))
    error = (r - y).subs(r, rates[CELL]) * beta * int(nudged)
    apical = ((gamma * B + g_l * sympy.eye(N)) * rates)[CELL] - error
    expected = -g_l * u + ((W_ff * below)[CELL] - u) / epsilon + (apical - u)
    assert_equal(soma(system, 2, nudged=nudged), expected)


def test_output_soma_with_conductance_beta_follows_eq_19_and_21() -> None:
    """Guards against a printed form that is not the one printed."""
    system = small_system(layers=(3, 3, 3), output_apical="nudge")
    M = (gamma * B + g_l * sympy.eye(N)) / beta
    v_A = (M * rates)[CELL] - (rates[CELL] - y)
    leak_and_basal = -g_l * u + ((W_ff * below)[CELL] - u) / epsilon
    nudged = leak_and_basal + beta * (v_A - u)
    assert_equal(soma(system, 2, nudged=True), nudged)
    # M contains 1/beta: the free phase is the limit, not the value, at beta = 0
    free = sympy.limit(sympy.expand(nudged), beta, 0)
    assert_equal(soma(system, 2, nudged=False), free)


def numbers(rng: np.random.Generator, params: ReferenceParameters, nudge: float) -> dict[Any, Any]:
    """A number for every symbol; u = r, as where nothing is clipped."""
    drawn = [*B, *W_ff, *W_fb, *rates, *below, *above, y]
    values = dict(zip(drawn, rng.uniform(0.1, 0.9, size=len(drawn)).tolist(), strict=True))
    values |= {u: values[rates[CELL]], beta: nudge}
    return values | {gamma: params.gamma, epsilon: params.epsilon, g_l: params.g_l}


def as_array(matrix: sympy.Matrix, values: dict[Any, Any]) -> np.ndarray:
    return np.array(matrix.subs(values).tolist(), dtype=float).squeeze()


def test_hidden_soma_climbs_the_gradient_of_eq_12_where_nothing_is_clipped() -> None:
    """Guards against dynamics that settle somewhere, but not where the objective is largest."""
    params = ReferenceParameters(lambda_=0.9)
    values = numbers(np.random.default_rng(1), params, 1.0)
    layers = {k: as_array(v, values) for k, v in enumerate((below, rates, above))}
    arrays = {"W_ff_0": as_array(W_ff, values), "W_fb_1": as_array(W_fb, values)}
    arrays |= {"B_1": as_array(B, values)}
    expected = activity_gradient_hidden(params, arrays, layers, 1)[CELL]
    got = soma(small_system(layers=(3, 3, 3)), 1, nudged=True).subs(values)
    assert float(got) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("form", ["constant", "nudge"])
@pytest.mark.parametrize("nudge", [1.0, -0.4])
def test_output_soma_climbs_the_gradient_of_eq_14_but_for_its_apical_conductance(
    form: str, nudge: float
) -> None:
    """Guards against an output driven to another optimum than the target asks for.

    The apical conductance adds a leak of its own, 1 or beta times the potential.
    """
    params = ReferenceParameters(lambda_=0.9)
    values = numbers(np.random.default_rng(2), params, nudge)
    layers = {0: as_array(below, values), 1: as_array(rates, values)}
    arrays = {"W_ff_0": as_array(W_ff, values), "B_1": as_array(B, values)}
    target = np.full(N, values[y])
    gradient = activity_gradient_output(params, arrays, layers, target, nudge)[CELL]
    conductance = 1.0 if form == "constant" else nudge
    system = small_system(layers=(3, 3, 3), output_apical=form)
    got = soma(system, 2, nudged=True).subs(values)
    assert float(got) == pytest.approx(gradient - conductance * values[u], abs=1e-12)


@pytest.mark.parametrize("k", [1, 2])
def test_rate_is_the_potential_clipped_to_0_and_1(k: int) -> None:
    """Guards against a rectifier without its upper bound, eq. 17 and 20."""
    rate = definitions(small_system().circuit().population(f"pyramidal_{k}"))["r"]
    assert rate == sympy.Function("clip")(u, 0, 1)


@pytest.mark.parametrize("k", [1, 2])
def test_forward_error_is_rate_minus_basal_prediction(k: int) -> None:
    """Guards against an error of eq. 13 with the wrong sign or from the wrong dendrite."""
    known = definitions(small_system().circuit().population(f"pyramidal_{k}"))
    error = put_in(known["e_B"], {"v_B": known["v_B"], **DELIVERED})
    assert_equal(error, rates[CELL] - (W_ff * below)[CELL])


def test_backward_error_is_rate_minus_top_down_prediction() -> None:
    """Guards against an error of eq. 13 that contains autapses and SST input."""
    known = definitions(small_system().circuit().population("pyramidal_1"))
    assert_equal(put_in(known["e_A"], DELIVERED), rates[CELL] - (W_fb * above)[CELL])


@pytest.mark.parametrize("k", [1, 2])
def test_z_is_the_whole_sum_of_lateral_weights_times_rates(k: int) -> None:
    """Guards against a z of eq. 28 without its autapse, in the pyramidal or the SST cell."""
    for name in (f"pyramidal_{k}", f"sst_{k}"):
        known = definitions(small_system().circuit().population(name))
        assert_equal(put_in(known["z"], DELIVERED), (B * rates)[CELL])


def test_neural_steps_shrink_from_each_phases_first_step_on() -> None:
    """Guards against a slowdown that goes on counting when the nudge begins."""
    known = definitions(small_system().circuit().population("pyramidal_1"))
    slowdown, step = real("slowdown phase_step")
    assert_equal(known["speed"], 1 / (1 + slowdown * step))
    assert real("speed") in known["u"].free_symbols
    assert_equal(known["u"].subs(real("speed"), 2), 2 * known["u"].subs(real("speed"), 1))


@pytest.mark.parametrize(("dendrite", "sums"), [("v_B", "s_B"), ("v_A", "m_A")])
def test_leaky_dendrites_rest_where_instantaneous_ones_are(dendrite: str, sums: str) -> None:
    """Guards against a dendritic time constant that also scales the dendrite's input."""
    instant = definitions(small_system().circuit().population("pyramidal_1"))
    leaky_system = small_system(tau_basal=3.0, tau_apical=4.0)
    leaky = definitions(leaky_system.circuit().population("pyramidal_1"))
    tau = real({"v_B": "tau_basal", "v_A": "tau_apical"}[dendrite])
    assert instant[dendrite] == real(sums)
    assert_equal(leaky[dendrite] * tau, real(sums) - real(dendrite))


# ------------------------------------------------------------------ synapses


def statement(projection: Projection, pathway: str) -> tuple[str, str, sympy.Expr]:
    code = next(item.code for item in projection.pathways if item.name == pathway)
    variable, operation, expression, _ = parse_statement(code)
    return variable, operation, str_to_sympy(expression)


def commit(projection: Projection) -> tuple[str, str, sympy.Expr]:
    variable, operation, expression, _ = parse_statement(projection.commit)
    return variable, operation, str_to_sympy(expression)


def projections(start: str) -> list[Projection]:
    system = small_system(layers=(3, 3, 3, 3), mu_ff=(0.1,) * 3, mu_fb=(0.1,) * 2)
    return [item for item in system.circuit().projections if item.name.startswith(start)]


@pytest.mark.parametrize(
    ("start", "variable", "weight", "sent"),
    [
        ("ff", "s_B_post", "w", "r_sent_pre"),
        ("fb", "s_A_post", "w", "r_sent_pre"),
        ("lateral", "z_lat_post", "B", "r_lat_pre"),
        ("autapse", "z_self_post", "B", "r_lat_pre"),
    ],
)
def test_an_event_delivers_weight_times_change_of_rate(
    start: str, variable: str, weight: str, sent: str
) -> None:
    """Guards against events that deliver the rate itself, or to the wrong dendrite."""
    for projection in projections(start):
        got = statement(projection, "signal")
        assert got[:2] == (variable, "+=")
        assert_equal(got[2], real(weight) * (real("r_pre") - real(sent)))


@pytest.mark.parametrize(("start", "error"), [("ff", "e_B"), ("fb", "e_A")])
def test_feedforward_and_feedback_rules_follow_eq_26_and_27(start: str, error: str) -> None:
    """Guards against a lost 1/beta, phases swapped, or an error taken at the wrong cell."""
    e_nudged, e_free, r_nudged, r_free, mu, g, batch = real(
        f"{error}_nudged_post {error}_free_post r_nudged_pre r_free_pre mu g batch"
    )
    expected = 1 / beta * (e_nudged * r_nudged - e_free * r_free)
    for projection in projections(start):
        variable, operation, got = statement(projection, "plasticity")
        assert (variable, operation) == ("g", "+=")
        assert_equal(got, expected)
        variable, operation, got = commit(projection)
        assert (variable, operation) == ("w", "+=")
        assert_equal(got, mu * g / batch)


@pytest.mark.parametrize("start", ["lateral", "autapse"])
def test_lateral_rules_follow_eq_28(start: str) -> None:
    """Guards against a forgetting factor on the wrong side of the fraction, or a lost square."""
    weight, forgetting, z_pre, z_post, g, batch = real("B lambda_B z_pre z_post g batch")
    small_gamma = (1 - forgetting) / forgetting
    product = z_post**2 if start == "autapse" else z_pre * z_post
    wiring = "one_to_one" if start == "autapse" else "all_but_self"
    for projection in projections(start):
        assert projection.wiring == wiring, "the diagonal belongs to the autapses"
        variable, operation, gathered = statement(projection, "plasticity")
        assert (variable, operation) == ("g", "+=")
        assert_equal(gathered, product)
        variable, operation, change = commit(projection)
        assert (variable, operation) == ("B", "+=")
        change = change.subs(real("gamma_B"), small_gamma)
        assert_equal(weight + change, (weight - small_gamma * g / batch) / forgetting)


def test_d_and_o_derived_from_b_follow_eq_29_and_30() -> None:
    """Guards against derived lateral weights that no longer obey the printed rules."""
    weight, forgetting, z_i, z_j = real("B lambda_r z_i z_j")
    small_gamma = (1 - forgetting) / forgetting
    c = 2 * small_gamma * epsilon

    def after(z_product: sympy.Expr) -> sympy.Expr:
        return (weight - small_gamma * z_product) / forgetting

    D, D_after = (c * value + epsilon * g_l for value in (weight, after(z_i**2)))
    decay = -2 * epsilon * small_gamma**2 / forgetting
    expected = D / forgetting + decay * z_i**2 + epsilon * g_l * (1 - 1 / forgetting)
    assert_equal(D_after, expected)
    O_before, O_after = (-c * value for value in (weight, after(z_i * z_j)))
    assert_equal(O_after, O_before / forgetting - decay * z_i * z_j)


@pytest.mark.parametrize("phase", ["free", "nudged"])
@pytest.mark.parametrize("k", [1, 2])
def test_cells_note_rate_and_errors_under_the_name_of_the_phase(phase: str, k: int) -> None:
    """Guards against a note that a rule reads but nobody writes, or writes from elsewhere."""
    event = small_system().circuit().population(f"pyramidal_{k}").event(f"end_{phase}")
    assert event.condition == f"end_{phase}"
    noted = [parse_statement(line)[:3] for line in event.action.splitlines()]
    for name in ("r", "e_B", "e_A") if k == 1 else ("r", "e_B"):
        assert (f"{name}_{phase}", "=", name) in noted


# ------------------------------------------------------------------ values of the symbols


@pytest.mark.parametrize("lambda_", [0.99999, 0.9])
@pytest.mark.parametrize("epsilon_", [0.15, 0.4])
def test_parameters_of_the_circuit_have_the_values_of_their_symbols(
    lambda_: float, epsilon_: float
) -> None:
    """Guards against the right equation run with a wrong conductance or efficacy."""
    system = small_system(lambda_=lambda_, epsilon=epsilon_, g_l=0.3, tau_u=30.0, lambda_images=7)
    small_gamma = (1 - lambda_) / lambda_
    assert system.gamma == pytest.approx(small_gamma, rel=1e-12)
    hidden = system.circuit().population("pyramidal_1").parameters
    output = system.circuit().population("pyramidal_2").parameters
    assert hidden["g_A"] == hidden["g_B"] == output["g_B"] == pytest.approx(1 / epsilon_)
    assert output["g_A"] == 1
    assert hidden["g_l"] == output["g_l"] == 0.3
    assert hidden["tau_u"] == output["tau_u"] == pytest.approx(0.030)
    efficacies = {1: 2 * small_gamma * epsilon_, 2: small_gamma}
    for k, c in efficacies.items():
        for name in (f"pyramidal_{k}", f"sst_{k}"):
            assert system.circuit().population(name).parameters["c"] == pytest.approx(c, rel=1e-12)
    for name in ("lateral_1", "autapse_1", "lateral_2", "autapse_2"):
        parameters = system.circuit().projection(name).parameters
        assert parameters["lambda_B"] ** 7 == pytest.approx(lambda_, rel=1e-12)
        forgetting = parameters["lambda_B"]
        assert parameters["gamma_B"] == pytest.approx((1 - forgetting) / forgetting, rel=1e-12)


def test_a_published_batch_forgets_by_lambda_however_it_is_cut() -> None:
    """Guards against online learning that forgets twenty times too fast."""
    assert CorInfoMax().forgetting(1) ** 20 == pytest.approx(0.99999, rel=1e-14)
    assert CorInfoMax().forgetting(20) == 0.99999
    for batch in (1, 5, 20):
        parameters = CorInfoMax(batch=batch).circuit().projection("lateral_1").parameters
        kept = parameters["lambda_B"] ** (20 / batch)
        assert kept == pytest.approx(0.99999, rel=1e-14)


@pytest.mark.parametrize("name", SYSTEMS)
def test_cells_have_what_their_equations_name_but_for_shared_and_constant(name: str) -> None:
    """Guards recordings and oracles against a line that is read otherwise than Brian2 reads it."""
    for population in SYSTEMS[name]().circuit().populations:
        own = [
            equation.varname
            for equation in b2.Equations(population.equations).values()
            if not {"shared", "constant"} & set(equation.flags)
        ]
        assert sorted(cell_variables(population)) == sorted(own)
