"""Every piece of code of a circuit, with words that say where it stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.parser import parse_equations
from neurosim.circuit.parts import Population, Projection

__all__ = ["Code", "circuit_code"]


@dataclasses.dataclass(frozen=True)
class Code:
    """An expression, a condition or statements.

    Attributes
    ----------
    owner : Population or Projection
        What it belongs to.
    place : str
        Where it stands, such as ``"condition of event 'spike' of population 'cells'"``.
    text : str
        The code.
    kind : {"equation", "condition", "statements"}
        What it is.
    """

    owner: Population | Projection
    place: str
    text: str
    kind: str


def circuit_code(circuit: Assembly) -> Iterator[Code]:
    """Every piece of code of a circuit.

    Parameters
    ----------
    circuit : Assembly
        The populations' code comes first.

    Yields
    ------
    Code
        Right-hand sides of equations one by one, conditions, actions and pathways.
    """
    for population in circuit.populations:
        owner = f"population {population.name!r}"
        yield from _equations(population, owner)
        for event in population.events:
            place = f"event {event.name!r} of {owner}"
            yield Code(population, f"condition of {place}", event.condition, "condition")
            yield Code(population, f"action of {place}", event.action, "statements")
        yield Code(population, f"commit of {owner}", population.commit, "statements")
    for projection in circuit.projections:
        owner = f"projection {projection.name!r}"
        yield from _equations(projection, owner)
        for pathway in projection.pathways:
            place = f"pathway {pathway.name!r} of {owner}"
            yield Code(projection, place, pathway.code, "statements")
        yield Code(projection, f"commit of {owner}", projection.commit, "statements")


def _equations(part: Population | Projection, owner: str) -> Iterator[Code]:
    for line in parse_equations(part.equations):
        if line.expression:
            place = f"equation of {line.name!r} in {owner}"
            yield Code(part, place, line.expression, "equation")
