"""Refuse pathways whose result would depend on the back end.

All synapses that an event reaches run in one time step, those that meet at a cell in the order of
their sources. A pathway may read a variable of the cells that it changes: each synapse finds what
the ones before it have left, as a pool does that looks for the largest. It may not read it by
another way, from an equation, a link or as a variable of the cells at its other end: Brian2 then
reads it once for all synapses, the compiled back ends for each.
"""

from __future__ import annotations

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.parser import (
    Statement,
    computed,
    dependencies,
    identifiers,
    parse_equations,
    parse_statements,
)
from neurosim.circuit.parts import Projection
from neurosim.errors import CircuitError

__all__ = ["check_order"]

#: A population and one of its variables.
Variable = tuple[str, str]


def check_order(circuit: Assembly, projection: Projection) -> None:
    """Refuse a pathway that reads by another way a variable that it changes.

    Parameters
    ----------
    circuit : Assembly
        Where the cells are.
    projection : Projection
        With any number of pathways, and no variable that is named like one of cells. One to one,
        no synapses meet, and all is allowed.

    Raises
    ------
    CircuitError
        Names the statement and the variable.
    """
    if projection.wired.kind == "one_to_one":
        return
    for pathway in projection.pathways:
        statements = parse_statements(pathway.code)
        targets = {one.target: _of_cells(circuit, projection, one.target) for one in statements}
        changed = {target: cell for target, cell in targets.items() if cell is not None}
        for statement in statements if changed else ():
            again = _read_otherwise(circuit, projection, statement, changed)
            if again:
                raise CircuitError(
                    f"pathway {pathway.name!r} of projection {projection.name!r} changes "
                    f"{again!r}, on which depends what it reads in '{statement.target} "
                    f"{statement.operator} {statement.expression}': synapses would find other "
                    f"values on other back ends; read {again!r} itself, or let another variable "
                    "gather the change and an event of the cells take it over"
                )


def _of_cells(circuit: Assembly, projection: Projection, name: str) -> Variable | None:
    """What a name such as ``s_post`` stands for; None if it is of the synapse."""
    variable, _, side = name.rpartition("_")
    ends = {"pre": projection.source, "post": projection.target}
    if side not in ends:
        return None
    cells = circuit.population(ends[side])
    known = {line.name for line in parse_equations(cells.equations)}
    return (cells.name, variable) if variable in known else None


def _read_otherwise(
    circuit: Assembly, projection: Projection, statement: Statement, changed: dict[str, Variable]
) -> str:
    """The name of a changed variable that a statement reads by another way, if there is one."""
    own = computed(parse_equations(projection.equations))
    for name in sorted(identifiers(statement.expression)):
        for read in sorted(dependencies(own, [name])):
            variable = _of_cells(circuit, projection, read)
            behind = set() if variable is None else _behind(circuit, variable)
            for target, cell in changed.items():
                if cell in behind and not target == read == name:
                    return target
    return ""


def _behind(circuit: Assembly, variable: Variable) -> set[Variable]:
    """A variable, and all that its value is computed from at the moment it is read."""
    found: set[Variable] = set()
    new = {variable}
    while new:
        found |= new
        reached: set[Variable] = set()
        for name, one in new:
            cells = circuit.population(name)
            names = dependencies(computed(parse_equations(cells.equations)), [one])
            reached |= {(name, other) for other in names}
            reached |= {cells.links[other] for other in names if other in cells.links}
        new = reached - found
    return found
