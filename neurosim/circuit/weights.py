"""Weights that follow from the projections and populations that name them."""

from __future__ import annotations

from typing import Literal

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.parser import parse_equations, parse_statements
from neurosim.circuit.parts import Layout, Population, Projection, Weight, WeightPart
from neurosim.circuit.wirings import Named
from neurosim.errors import CircuitError

__all__ = ["all_weights", "weight_shape"]


def all_weights(circuit: Assembly) -> tuple[Weight, ...]:
    """The circuit's weights, with those that only its projections and populations name.

    Parameters
    ----------
    circuit : Assembly
        Its projections and populations are looked at.

    Returns
    -------
    tuple of Weight
        Those that projections name, in their order, then the others; last, the states of
        synapses, and the weights and states of cells.

    Raises
    ------
    CircuitError
        If a projection names a weight, but not one of its variables can be meant.
    """
    given = {weight.name: weight for weight in circuit.weights}
    holders: dict[str, list[Projection]] = {}
    for projection in circuit.projections:
        if projection.weight:
            holders.setdefault(projection.weight, []).append(projection)
    found = [
        given.get(name) or _named_weight(circuit, name, together)
        for name, together in holders.items()
    ]
    states = [
        _state(circuit, projection, variable)
        for projection in circuit.projections
        for variable in projection.states
    ]
    cells = [
        given.get(name) or _of_cells(population, variable, name)
        for population in circuit.populations
        for variable, name in population.kept.items()
    ]
    made = {*holders, *(state.name for state in (*states, *cells))}
    return (*found, *(w for w in circuit.weights if w.name not in made), *states, *cells)


def _of_cells(population: Population, variable: str, name: str) -> Weight:
    kind: Literal["weight", "state"] = "state" if variable in population.states else "weight"
    return Weight(
        name, (population.size,), kind=kind, population=population.name, variable=variable
    )


def weight_shape(circuit: Assembly, projection: Projection) -> tuple[int, ...]:
    """Shape of the weights that a projection's synapses hold.

    Parameters
    ----------
    circuit : Assembly
        Knows the sizes.
    projection : Projection
        Whose synapses.

    Returns
    -------
    tuple of int
        (post, pre), or the natural shape of the wiring.

    Raises
    ------
    CircuitError
        If the wiring does not fit the populations.
    """
    pre, post = (circuit.population(end).size for end in (projection.source, projection.target))
    complaint = projection.wired.complaint(pre, post)
    if complaint and not isinstance(projection.wired, Named):
        raise CircuitError(f"projection {projection.name!r} {complaint}")
    return projection.wired.weight_shape(pre, post)


def _state(circuit: Assembly, projection: Projection, variable: str) -> Weight:
    shape = weight_shape(circuit, projection)
    part = WeightPart(projection.name, variable, _layout(projection, shared=False))
    return Weight(f"{projection.weight}_{variable}", shape, (part,), kind="state")


def _named_weight(circuit: Assembly, name: str, projections: list[Projection]) -> Weight:
    shape = weight_shape(circuit, projections[0])
    shared = len(projections) > 1
    parts = tuple(
        WeightPart(projection.name, _weight_variable(projection), _layout(projection, shared))
        for projection in projections
    )
    return Weight(name, shape, parts)


def _layout(projection: Projection, shared: bool) -> Layout:
    if not isinstance(projection.wired, Named):
        return "natural"
    if projection.wiring == "one_to_one":
        return "diagonal"
    return "off_diagonal" if shared or projection.wiring == "all_but_self" else "dense"


def _weight_variable(projection: Projection) -> str:
    """The variable of the synapses that learning changes, or the only one they have."""
    own = [
        line.name
        for line in parse_equations(projection.equations)
        if line.kind == "parameter" and not line.is_setting
    ]
    changed = {
        statement.target
        for pathway in projection.pathways
        if pathway.learns
        for statement in parse_statements(pathway.code)
    }
    if projection.commit:
        gathered = changed
        changed = {statement.target for statement in parse_statements(projection.commit)}
        own = [variable for variable in own if variable not in gathered]
    own = [variable for variable in own if variable not in projection.states]
    found = [variable for variable in own if variable in changed] or own
    if len(found) != 1:
        raise CircuitError(
            f"projection {projection.name!r} names the weight {projection.weight!r}, but its "
            f"synapses have {len(found)} variables that could be it ({', '.join(found) or 'none'});"
            " give Circuit(weights=...) with a WeightPart for each"
        )
    return found[0]
