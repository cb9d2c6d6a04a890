"""What a cell receives, split by sender: read from what the circuit declares.

A pathway adds ``w`` times something its sender holds to a variable of the receiving cell. Two
forms can be followed from step to step. In ``s += w*(r - r_sent)``, where the event then sets
``r_sent = r``, the variable holds ``w*r_sent`` of every sender. In ``s += w*r`` it gains
``w*r`` whenever the pathway delivers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from neurosim.circuit import Circuit, Event, Pathway, Population, Projection
from neurosim.circuit.parser import canonical, identifiers, parse_statements
from neurosim.system.traces import LayerTraces

__all__ = ["CellInput", "Term", "cell_inputs"]


@dataclasses.dataclass(frozen=True)
class Term:
    """Synapses that add to a variable of the receiving cells.

    Attributes
    ----------
    projection : str
        Name of the projection.
    source : str
        Population whose cells send.
    weight : str
        Public name of the weights.
    given : str
        Variable of the sending cells that is multiplied by the weight.
    level : bool
        True if the receiver holds ``w*given``, False if it gains that at every delivery.
    backwards : bool
        Whether signal runs from the projection's target to its source.
    """

    projection: str
    source: str
    weight: str
    given: str
    level: bool
    backwards: bool


@dataclasses.dataclass(frozen=True)
class CellInput:
    """A variable of a layer's cells, or of partners of theirs, in which synapses sum up.

    Attributes
    ----------
    layer : int
        Number of the layer.
    population, variable : str
        Where the sum lies.
    words : str
        What it is, as the system calls it.
    direct : bool
        Whether it is in the cells of the layer themselves.
    terms : tuple of Term
        What adds to it.
    """

    layer: int
    population: str
    variable: str
    words: str
    direct: bool
    terms: tuple[Term, ...]


def cell_inputs(circuit: Circuit, layers: tuple[LayerTraces, ...]) -> tuple[CellInput, ...]:
    """Inputs of every layer that can be split by sender.

    Parameters
    ----------
    circuit : Circuit
        Populations, projections and pathways.
    layers : tuple of LayerTraces
        The layers, and what the system calls their variables.

    Returns
    -------
    tuple of CellInput
        Those of the cells themselves before those of their partners.
    """
    terms: dict[tuple[str, str], list[tuple[Term, str]]] = {}
    for projection in circuit.projections:
        for pathway in projection.pathways:
            if not pathway.learns:
                for receiver, variable, term in _terms(circuit, projection, pathway):
                    found = terms.setdefault((receiver, variable), [])
                    found.append((term, projection.role or projection.name))
    made = []
    for part in layers:
        for population in _company(circuit, part.population):
            for (receiver, variable), found in terms.items():
                if receiver == population:
                    words = _words(part, population, variable) or found[0][1]
                    direct = population == part.population
                    made.append(
                        CellInput(part.layer, population, variable, words, direct,
                                  tuple(term for term, _ in found))
                    )  # fmt: skip
    return tuple(made)


def _company(circuit: Circuit, name: str) -> list[str]:
    """A layer's population and those of as many cells that its cells read, cell for cell."""
    own = circuit.population(name)
    others = dict.fromkeys(other for other, _ in own.links.values())
    size = own.size
    return [name, *(o for o in others if o != name and circuit.population(o).size == size > 1)]


def _words(part: LayerTraces, population: str, variable: str) -> str:
    """What the system calls a variable, if it records it."""
    for trace in part.traces:
        if (trace.population or part.population) == population and trace.variable == variable:
            return trace.long_name
    return ""


def _terms(
    circuit: Circuit, projection: Projection, pathway: Pathway
) -> Iterator[tuple[str, str, Term]]:
    """Receiving population, variable and term of every statement that can be followed."""
    backwards = pathway.side == "post"
    ends = (projection.source, projection.target)
    source, receiver = ends[::-1] if backwards else ends
    here, there = ("_post", "_pre") if backwards else ("_pre", "_post")
    event = _event(circuit.population(source), pathway.event)
    weights = {
        part.variable: weight.name
        for weight in circuit.weights
        for part in weight.parts
        if part.projection == projection.name and weight.kind == "weight"
    }
    for statement in parse_statements(pathway.code):
        names = identifiers(statement.expression)
        own = {name: name[: -len(here)] for name in names if name[-len(here) :] == here}
        (weight, *more) = [name for name in names if name in weights] or [""]
        others = names - set(own) - {weight}
        variable = statement.target[: -len(there)]
        if statement.operator != "+=" or not weight or more or others:
            continue
        if statement.target != variable + there:
            continue
        found = _given(statement.expression, weight, own, event)
        if found is not None:
            given, level = found
            term = Term(projection.name, source, weights[weight], given, level, backwards)
            yield receiver, variable, term


def _event(population: Population, name: str) -> Event | None:
    return next((event for event in population.events if event.name == name), None)


def _given(
    expression: str, weight: str, own: dict[str, str], event: Event | None
) -> tuple[str, bool] | None:
    """The variable that is multiplied by the weight, and whether the receiver holds the product."""
    text = canonical(expression)
    if len(own) == 1:
        (name,) = own
        forms = (canonical(f"{weight}*{name}"), canonical(f"{name}*{weight}"))
        return (own[name], False) if text in forms else None
    kept = {} if event is None else {s.target: canonical(s.expression)
                                     for s in parse_statements(event.action)
                                     if s.operator == "="}  # fmt: skip
    for name, variable in own.items():
        for before, sent in own.items():
            differences = canonical(f"{weight}*({name}-{before})")
            if text == differences and kept.get(sent) == variable:
                return sent, True
    return None
