"""Checks of units when a circuit is built; Brian2 itself checks statements at the first run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import brian2 as b2
from brian2.codegen.translation import get_identifiers_recursively
from brian2.equations.unitcheck import check_dimensions, check_units_statements
from brian2.parsing.bast import brian_ast
from brian2.units.fundamentalunits import DIMENSIONLESS

from neurosim.backends.brian.messages import naming_the_place
from neurosim.backends.brian.rhythm import COMMIT
from neurosim.circuit import Circuit
from neurosim.circuit.kept import commit_of_sums
from neurosim.circuit.parser import identifiers, parse_statements

__all__ = ["check_units"]


def check_units(
    circuit: Circuit,
    groups: Mapping[str, b2.NeuronGroup],
    synapses: Mapping[str, b2.Synapses],
) -> None:
    """Refuse equations, conditions and statements whose units do not fit, by their place.

    Parameters
    ----------
    circuit : Circuit
        Its code is checked.
    groups, synapses : mapping
        Brian2 objects of the populations and projections, by name.

    Raises
    ------
    CircuitError
        Names the first mistake.
    """
    owners = {"population": groups, "projection": synapses}
    for kind, objects in owners.items():
        for name, owner in objects.items():
            with naming_the_place(f"equations of {kind} {name!r}"):
                owner.equations.check_units(owner, run_namespace={})
    for population in circuit.populations:
        for event in population.events:
            place = f"event {event.name!r} of population {population.name!r}"
            group = groups[population.name]
            with naming_the_place(f"condition of {place}"):
                _check_condition(group, event.condition)
            with naming_the_place(f"action of {place}"):
                _check_statements(group, event.action)
        with naming_the_place(f"commit of population {population.name!r}"):
            _check_statements(groups[population.name], commit_of_sums(population))
    for projection in circuit.projections:
        for pathway in projection.pathways:
            place = f"pathway {pathway.name!r} of projection {projection.name!r}"
            with naming_the_place(place):
                _check_statements(getattr(synapses[projection.name], pathway.name), pathway.code)
        if projection.commit:
            with naming_the_place(f"commit of projection {projection.name!r}"):
                _check_statements(getattr(synapses[projection.name], COMMIT), projection.commit)


def _check_condition(group: Any, condition: str) -> None:
    variables = _variables(group, identifiers(condition))
    check_dimensions(condition, DIMENSIONLESS, variables)
    if brian_ast(condition, variables).dtype != "boolean":
        raise TypeError(f"{condition!r} is a number; write a comparison, which holds or not")


def _check_statements(owner: Any, code: str) -> None:
    statements = parse_statements(code)
    used = {name for statement in statements for name in (statement.target, *statement.reads)}
    abbreviations = {item.target for item in statements} - set(owner.variables)
    if statements:
        check_units_statements(code, _variables(owner, used - abbreviations))


def _variables(owner: Any, names: Iterable[str]) -> dict[str, Any]:
    """Variables of these names, and those that they are computed from."""
    # a whole statement would do as well, but Brian2's search in it costs ten times the check
    known = get_identifiers_recursively(names, owner.variables)
    return dict(owner.resolve_all(known, run_namespace={}))
