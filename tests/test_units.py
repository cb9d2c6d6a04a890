"""Physical units: every equation, condition, action and synaptic statement."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import brian2 as b2
import pytest
from brian2.codegen.translation import analyse_identifiers
from brian2.equations.unitcheck import check_units_statements
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS
from oracles import deep_system, small_system

from neurosim import CorInfoMax
from neurosim.backends.brian.build import BuiltNetwork, build_network
from neurosim.circuit import Circuit, circuit_from_dict
from neurosim.errors import CircuitError

SYSTEMS: dict[str, CorInfoMax] = {
    "published form": deep_system(),
    "output conductance beta": small_system(output_apical="nudge"),
    "leaky dendrites": small_system(tau_basal=2.0, tau_apical=3.0),
    "leaky dendrites, output conductance beta": small_system(
        output_apical="nudge", tau_basal=2.0, tau_apical=3.0
    ),
}


@pytest.fixture(autouse=True, scope="module")
def built_but_never_run() -> None:
    """Brian2 warns of every object that is made and not run; here that is the point."""
    b2.BrianLogger.suppress_name("unused_brian_object")


def changed(circuit: Circuit, old: str, new: str) -> Circuit:
    """The circuit with a piece of its text replaced wherever it stands."""
    text = json.dumps(dataclasses.asdict(circuit))
    assert old in text, f"{old!r} is not in the circuit: the test is out of date"
    return circuit_from_dict(json.loads(text.replace(old, new)))


def variables_of(owner: Any, code: str) -> dict[str, Any]:
    _, known, unknown = analyse_identifiers(code, owner.variables, recursive=True)
    return dict(owner.resolve_all(known | unknown, run_namespace={}))


def check_statements(built: BuiltNetwork, circuit: Circuit) -> int:
    """Check conditions, actions and synaptic statements with Brian2; how many there were."""
    checked = 0
    for population in circuit.populations:
        group = built.groups[population.name]
        for event in population.events:
            variables = variables_of(group, f"_holds = {event.condition}")
            assert parse_expression_dimensions(event.condition, variables) is DIMENSIONLESS
            if event.action:
                check_units_statements(event.action, variables_of(group, event.action))
            checked += 1
    for projection in circuit.projections:
        for pathway in projection.pathways:
            owner = getattr(built.synapses[projection.name], pathway.name)
            check_units_statements(pathway.code, variables_of(owner, pathway.code))
            checked += 1
    return checked


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "published form"])
def test_every_form_of_the_model_passes_the_unit_check_of_the_build(name: str) -> None:
    """Guards against a unit error that only one form of the model shows, and false alarms."""
    build_network(SYSTEMS[name].circuit(), 2)


def test_every_equation_and_statement_passes_brian2s_unit_check() -> None:
    """Guards the check of the build: Brian2's own search for names comes to the same."""
    name = "published form"
    circuit = SYSTEMS[name].circuit()
    built = build_network(circuit, 2)
    for part in (*circuit.populations, *circuit.projections):
        owner = built.groups.get(part.name) or built.synapses[part.name]
        owner.equations.check_units(owner, run_namespace={})
    # per layer: 7 events and 4 projections with 2 pathways, SST 1; the input 3, top no feedback
    depth = SYSTEMS[name].depth
    assert check_statements(built, circuit) == 3 + 8 * depth + 8 * depth - 2


def test_time_constants_are_times_and_all_else_is_a_pure_number() -> None:
    """Guards against a potential that silently became a voltage, or a time without unit."""
    circuit = SYSTEMS["leaky dendrites"].circuit()
    built = build_network(circuit, 2)
    times = {"tau_u", "tau_basal", "tau_apical"}
    for part in (*circuit.populations, *circuit.projections):
        owner = built.groups.get(part.name) or built.synapses[part.name]
        for name in owner.equations.names:
            if name == "cycle_time":
                continue
            expected = b2.second.dim if name in times else DIMENSIONLESS
            assert owner.variables[name].dim is expected, f"{part.name}.{name}"


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("old", "new", "population"),
    [
        ("tau_u  : second", "tau_u  : 1", "pyramidal_1"),
        ("tau_u  : second", "tau_u  : volt", "pyramidal_1"),
        ("e_B   = r - v_B : 1", "e_B   = r - v_B : volt", "pyramidal_1"),
        ("s_A : 1 ", "s_A : amp ", "pyramidal_1"),
        ("y : 1 ", "y : siemens ", "pyramidal_2"),
        ("tau_apical : second", "tau_apical : hertz", "pyramidal_1"),
        ("i_sst  = c*z_lat : 1", "i_sst  = c*z_lat*second : 1", "sst_1"),
        ("r_free   = r : 1", "r_free   = r/second : 1", "sensory"),
    ],
)
def test_a_wrong_unit_in_an_equation_is_refused_by_population(
    old: str, new: str, population: str
) -> None:
    """Guards against a unit error that surfaces as a stack trace at the first image."""
    circuit = changed(SYSTEMS["leaky dendrites"].circuit(), old, new)
    with pytest.raises(CircuitError, match=rf"\b{population}\b"):
        build_network(circuit, 2)


def test_a_wrong_unit_in_a_linked_variable_is_refused_by_population() -> None:
    """Guards against a link between a potential and a voltage that only Brian2 words explain."""
    circuit = changed(small_system().circuit(), "i_sst  = c*z_lat : 1", "i_sst = c*z_lat*mV : volt")
    with pytest.raises(CircuitError, match=r"\b(pyramidal_1|sst_1)\b"):
        build_network(circuit, 2)


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("old", "new", "owner"),
    [
        ("abs(r - r_sent) > event_threshold", "abs(r - r_sent) > tau_u", "pyramidal_1"),
        ("r_lat = r", "r_lat = r*tau_u", "pyramidal_1"),
        ("y = target(cycle_time, i)", "y = target(cycle_time, i)*second", "pyramidal_2"),
        ("z_lat = 0", "z_lat = 0*mV", "sst_1"),
        ("w*(r_pre - r_sent_pre)", "w*(r_pre - r_sent_pre)*tau_u_post", "ff_0"),
        ("z_pre*z_post", "z_pre*z_post*second", "lateral_1"),
        ("mu : 1", "mu : second", "f[fb]_"),
    ],
)
def test_a_wrong_unit_in_a_condition_action_or_synapse_is_refused_by_name(
    old: str, new: str, owner: str
) -> None:
    """Guards the build: Brian2 itself checks the units of this half of a model when it runs."""
    with pytest.raises(CircuitError, match=rf"\b{owner}") as caught:
        build_network(changed(small_system().circuit(), old, new), 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "owner", "unknown"),
    [
        ("v_B = s_B : 1", "v_B = s_BB : 1", "pyramidal_1", "s_BB"),
        ("abs(r - r_sent) >", "abs(r - r_set) >", "pyramidal_1", "r_set"),
        ("u = r", "u = rr", "pyramidal_1", "rr"),
        ("w*(r_pre - r_sent_pre)", "w*(r_pre - r_snt_pre)", "ff_0", "r_snt_pre"),
    ],
)
def test_an_unknown_name_is_refused_where_it_stands(
    old: str, new: str, owner: str, unknown: str
) -> None:
    """Guards against a misspelt variable that is reported in the words of another program."""
    circuit = changed(small_system().circuit(), old, new)
    with pytest.raises(CircuitError, match=rf"\b{unknown}\b") as caught:
        build_network(circuit, 2)
    assert owner in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_equation_that_is_no_mathematics_is_refused_by_population() -> None:
    """Guards against a bare SyntaxError that names no place."""
    with pytest.raises(CircuitError, match=r"\bpyramidal_1\b"):
        changed(small_system().circuit(), "g_B*(v_B - u) : 1", "g_B*(v_B - u : 1")
