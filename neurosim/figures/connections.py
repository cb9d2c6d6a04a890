"""The lines of a circuit: what is sent from where to where, and which compartment it acts on.

Everything is read from :class:`neurosim.circuit.Circuit` and from what the system
declares. How the lines look is the matter of :mod:`neurosim.figures.diagram`.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from neurosim.circuit import Circuit, Population, Projection
from neurosim.circuit.graph import Compartment, Layer, carries_both_ways, depends_on
from neurosim.circuit.parser import identifiers, parse_statements
from neurosim.circuit.windows import Sliding
from neurosim.system import System

__all__ = ["Connection", "LayerCells", "connections", "symbol"]


@dataclasses.dataclass(frozen=True)
class Connection:
    """A line of the circuit.

    Attributes
    ----------
    kind : str
        ``"up"``, ``"down"``, ``"both"``, ``"self"``, ``"out"`` (from a layer to
        other cells), ``"in"`` (from other cells to a layer), ``"among"`` other cells,
        ``"link"`` or ``"target"``.
    source, target : str
        Populations; the source of a target is the input's name.
    arrives : str
        Variable of the compartment it arrives at; empty for cells of one part.
    plastic : bool
        Whether it learns.
    words : str
        For the legend: its role and the names of its weights.
    loop : int
        How many loops of the same cells onto themselves lie within this one.
    local : bool
        Whether its synapses lie in windows of an image.
    weighted : bool
        Whether its synapses have weights.
    """

    kind: str
    source: str
    target: str
    arrives: str
    plastic: bool
    words: str
    loop: int = 0
    local: bool = False
    weighted: bool = False


@dataclasses.dataclass(frozen=True)
class LayerCells:
    """The cells of one layer, as the circuit and the system describe them.

    Attributes
    ----------
    layer : Layer
        Which variables it sends and integrates.
    population : Population
        Its equations and events.
    parts : tuple of Compartment
        From top to bottom; empty for cells of one part.
    """

    layer: Layer
    population: Population
    parts: tuple[Compartment, ...]

    def arrival(self, name: str) -> str | None:
        """The compartment that a variable of these cells acts on first; None if it acts on none."""
        potentials = frozenset(part.variable for part in self.parts)
        for part in self.parts:
            if name in depends_on(self.population, part.variable, stop=potentials):
                return part.variable
        state, rate = self.layer.state, self.layer.rate
        acts = depends_on(self.population, state) | depends_on(self.population, rate)
        return state if name in acts else None


def connections(system: System) -> tuple[Connection, ...]:
    """Every line that a system's circuit has.

    Parameters
    ----------
    system : System
        Its circuit is read.

    Returns
    -------
    tuple of Connection
        One per projection, link that acts on a cell, and target.
    """
    circuit = system.circuit()
    layers = {
        layer.population: LayerCells(
            layer, circuit.population(layer.population), system.compartments(layer.population)
        )
        for layer in system.layer_cells()
    }
    found = [_projected(circuit, layers, projection) for projection in circuit.projections]
    for number, cells in enumerate(layers.values()):
        found += _links(circuit, cells)
        if number:
            found += _targets(circuit, cells)
    return tuple(_nested(found))


def _nested(lines: list[Connection]) -> Iterator[Connection]:
    """The same lines; loops onto the same cells are numbered from the innermost."""
    loops: Counter[str] = Counter()
    for line in lines:
        if line.kind == "self":
            yield dataclasses.replace(line, loop=loops[line.source])
            loops[line.source] += 1
        else:
            yield line


def _projected(
    circuit: Circuit, layers: Mapping[str, LayerCells], projection: Projection
) -> Connection:
    source, target = projection.source, projection.target
    if source in layers and target in layers:
        places = list(layers)
        rise = places.index(target) - places.index(source)
        kind = "self" if rise == 0 else "up" if rise > 0 else "down"
        kind = "both" if carries_both_ways(projection) and rise else kind
    elif target in layers:
        kind = "in"
    else:
        kind = "out" if source in layers else "among"
    at = ""
    if target in layers:
        names = _delivered(projection)
        at = next((a for name in names if (a := layers[target].arrival(name))), "")
    wiring = "" if isinstance(projection.wiring, str) else projection.wired.words()
    weights = _weights(circuit, projection)
    parts = (projection.role, wiring, weights)
    words = ", ".join(part for part in parts if part) or projection.name
    local = isinstance(getattr(projection.wired, "whole", projection.wired), Sliding)
    more = {"local": local, "weighted": bool(weights)}
    return Connection(kind, source, target, at, projection.plastic, words, **more)


def _delivered(projection: Projection) -> Iterator[str]:
    """Variables of the target's cells that signals of the projection change."""
    for pathway in projection.pathways:
        if not pathway.learns and pathway.side == "pre":
            for statement in parse_statements(pathway.code):
                if statement.target.endswith("_post"):
                    yield statement.target.removesuffix("_post")


def _links(circuit: Circuit, cells: LayerCells) -> Iterator[Connection]:
    """What the cells read of other populations, where it acts on them."""
    links = cells.population.links
    for other in dict.fromkeys(source for source, _ in links.values()):
        names = sorted(name for name, (source, _) in links.items() if source == other)
        at = next((a for name in names if (a := cells.arrival(name))), None)
        if at is not None:
            words = f"{circuit.population(other).role}, read directly"
            yield Connection("link", other, cells.population.name, at, False, words)


def _targets(circuit: Circuit, cells: LayerCells) -> Iterator[Connection]:
    """The target's way in: a cycle input that the cells read at the onset, one value each."""
    population = cells.population
    statements = [s for event in population.events for s in parse_statements(event.action)]
    for item in circuit.inputs:
        name = next((s.target for s in statements if item.name in identifiers(s.expression)), None)
        if item.width != population.size or name is None:
            continue
        at = cells.arrival(name) or cells.layer.state
        known = depends_on(population, at)
        phases = [phase.name for phase in circuit.phases if f"in_{phase.name}" in known]
        when = f", {' and '.join(phases)} phase only" if phases else ""
        words = f"{item.name} ${name}${when}"
        yield Connection("target", item.name, population.name, at, False, words)


def _weights(circuit: Circuit, projection: Projection) -> str:
    """Symbols of the arrays a projection holds a part of, without layer numbers."""
    found = []
    for weight in circuit.weights:
        for part in weight.parts:
            if part.projection == projection.name and weight.kind == "weight":
                form = {"off_diagonal": "{} off its diagonal", "diagonal": "diagonal of {}"}
                found.append(form.get(part.layout, "{}").format(symbol(weight.name)))
    return " and ".join(dict.fromkeys(found))


def symbol(name: str) -> str:
    """A variable as mathematics: ``v_A`` with its index, ``W_ff_1`` without its number."""
    stem, _, index = re.sub(r"_\d+$", "", name).partition("_")
    upright = rf"_{{\mathrm{{{index.replace('_', ',')}}}}}" if len(index) > 1 else f"_{{{index}}}"
    head = stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
    return f"${head}{upright if index else ''}$"
