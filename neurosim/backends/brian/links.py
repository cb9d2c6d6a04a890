"""Links between populations: under which names they are held, and who integrates first."""

from __future__ import annotations

import dataclasses
import graphlib
from collections import defaultdict

from neurosim.circuit import Circuit, Population
from neurosim.circuit.parser import Line, identifiers, parse_equations
from neurosim.errors import CircuitError

__all__ = ["cell_equations", "integration_order", "link_names"]


def link_names(circuit: Circuit, population: Population) -> dict[str, str]:
    """Name under which a group holds each linked variable.

    Synapses can name a variable of their cells only where each cell has a value of its own.
    A link that all cells share is therefore held under a name beside the model's, which
    becomes an expression of each cell.

    Parameters
    ----------
    circuit : Circuit
        Knows the sizes.
    population : Population
        Whose links.

    Returns
    -------
    dict of str to str
        By the model's name.
    """
    return {
        variable: variable
        if circuit.population(other).size == population.size
        else f"{variable}_of_{other}"
        for variable, (other, _) in population.links.items()
    }


def cell_equations(circuit: Circuit, population: Population) -> str:
    """The model's equations, with shared links held apart; see :func:`link_names`.

    Parameters
    ----------
    circuit : Circuit
        Knows the sizes.
    population : Population
        Whose equations.

    Returns
    -------
    str
        For Brian2.
    """
    held = link_names(circuit, population)
    lines: list[Line] = []
    for line in parse_equations(population.equations):
        name = held.get(line.name, line.name)
        if name != line.name:
            read = dataclasses.replace(line, expression=name, kind="subexpression", flags=())
            lines.append(read)
        lines.append(dataclasses.replace(line, name=name))
    return "\n".join(line.code for line in lines)


def integration_order(circuit: Circuit) -> dict[str, int]:
    """Places of the populations in the order in which they integrate.

    Brian2 steps one group after the other, in alphabetical order if nobody says
    otherwise, and a link shows the group it reads as it is at that moment. Readers of
    a link therefore go before the state they read.

    Parameters
    ----------
    circuit : Circuit
        Its links are followed.

    Returns
    -------
    dict of str to int
        Equal numbers where the order does not matter.

    Raises
    ------
    CircuitError
        If populations read each other's integrated state.
    """
    readers: dict[str, set[str]] = {population.name: set() for population in circuit.populations}
    for population in circuit.populations:
        for read in _states_read(circuit, population) - {population.name}:
            readers[read].add(population.name)
    try:
        order = list(graphlib.TopologicalSorter(readers).static_order())
    except graphlib.CycleError as error:
        raise CircuitError(
            f"populations {' and '.join(map(repr, sorted(set(error.args[1]))))} read each other's "
            "integrated state by links, so not all can see it as it was before the step; send "
            "one of the values as an event, or keep both states in one population"
        ) from error
    places: dict[str, int] = defaultdict(int)
    for name in order:
        places[name] = max((places[reader] + 1 for reader in readers[name]), default=0)
    return dict(places)


def _states_read(circuit: Circuit, population: Population) -> set[str]:
    """Populations whose integrated state the differential equations of one read by links."""
    lines = {
        cells.name: {line.name: line for line in parse_equations(cells.equations)}
        for cells in circuit.populations
    }
    own = [line for line in lines[population.name].values() if line.kind == "differential"]
    integrated = {line.name for line in own}
    start = {name for line in own for name in identifiers(line.expression)}
    seen: set[tuple[str, str]] = set()
    found: set[str] = set()
    waiting = [(population.name, name) for name in start - integrated]
    while waiting:
        owner, name = waiting.pop()
        line = lines[owner].get(name)
        if line is None or (owner, name) in seen:
            continue
        seen.add((owner, name))
        if line.kind == "differential":
            found.add(owner)
        elif line.kind == "subexpression":
            waiting += [(owner, inner) for inner in identifiers(line.expression)]
        elif name in circuit.population(owner).links:
            waiting.append(circuit.population(owner).links[name])
    return found
