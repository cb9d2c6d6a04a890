"""The way of each connection through the picture of a circuit, from corner to corner."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from neurosim.figures.connections import Connection
from neurosim.figures.diagram_parts import Point
from neurosim.figures.diagram_places import HALF, SLOT, Places

__all__ = ["route"]


def route(line: Connection, places: Places) -> list[Point]:
    """Corners of a connection, from its source to its target.

    Parameters
    ----------
    line : Connection
        What to draw.
    places : Places
        Where the cells stand.

    Returns
    -------
    list of (float, float)
        Two or more.
    """
    return _ROUTES[line.kind](line, places)


def _up(line: Connection, at: Places) -> list[Point]:
    height = at.height(line.target, line.arrives)
    end = at.x[line.target] - at.edge(line.target, line.arrives)
    start = at.start(line.source)
    if line.source == at.layers[0].population:
        return [(start, height), (end, height)]
    axon = at.axon(line.source)
    if abs(height - axon) < 0.5:
        return [(start, axon), (end, axon)]
    turn = at.x[line.source] + 2.45
    return [(start, axon), (turn, axon), (turn, height), (end, height)]


def _both(line: Connection, at: Places) -> list[Point]:
    axon = at.axon(line.source)
    return [
        (at.x[line.source] + 0.5, axon),
        (at.x[line.target] - at.edge(line.target, line.arrives), axon),
    ]


def _down(line: Connection, at: Places) -> list[Point]:
    soma, x = at.soma(line.source), at.x[line.target]
    turn = at.x[line.source] - 1.3
    layers = list(at.x)
    span = abs(layers.index(line.source) - layers.index(line.target))
    # connections that skip more layers run higher
    lane = at.roof - 0.45 - 0.14 * (len(layers) - 2 - span)
    start: list[Point] = [(at.x[line.source] - 0.38, soma), (turn, soma), (turn, lane)]
    height, edge = at.height(line.target, line.arrives), at.edge(line.target, line.arrives)
    if height == max(at.height(line.target, p.variable) for p in at.parts(line.target)):
        top = 0.62 if edge < HALF[0] else HALF[1]
        return [*start, (x, lane), (x, height + top)]
    return [*start, (x + 1.25, lane), (x + 1.25, height), (x + edge, height)]


def _self(line: Connection, at: Places) -> list[Point]:
    x, soma = at.x[line.source], at.soma(line.source)
    height = at.height(line.target, line.arrives) - SLOT
    turn = x + 1.02
    if abs(height + SLOT - soma) < 0.1:
        # a second loop runs around the first, along the sides of the cell
        low, height = soma - 0.3 - 0.12 * line.loop, soma + 0.34 + 0.24 * line.loop
        turn, end = turn + 0.24 * line.loop, x + 0.2 - 0.11 * line.loop
        return [(x + 0.45, low), (turn, low), (turn, height), (end, height)]
    end = x + at.edge(line.target, line.arrives)
    return [(x + 0.3, soma + 0.1), (turn, soma + 0.1), (turn, height), (end, height)]


def _out(line: Connection, at: Places) -> list[Point]:
    axon = at.axon(line.source)
    x, y = at.of_cells(line.target)
    if at.is_shared(line.target):
        return [(at.x[line.source], axon - 0.3), (at.x[line.source], y), (x + 0.36, y)]
    above = y > axon
    return [(at.start(line.source), axon), (x, axon), (x, y - 0.36 if above else y + 0.36)]


def _in(line: Connection, at: Places) -> list[Point]:
    x, y = at.of_cells(line.source)
    target = at.x[line.target]
    height = at.height(line.target, line.arrives)
    if at.is_shared(line.source):
        low = height - (0.5 if len(at.parts(line.target)) == 1 else 0.36)
        # beside the caption of the cell
        return [(x + 0.36, y), (target - 0.3, y), (target - 0.3, low)]
    edge = target + at.edge(line.target, line.arrives)
    return [(x - 0.36, y), (target + 1.2, y), (target + 1.2, height), (edge, height)]


def _among(line: Connection, at: Places) -> list[Point]:
    """Between cells that are no layers."""
    (x0, y0), (x1, y1) = at.of_cells(line.source), at.of_cells(line.target)
    side = 0.36 if y1 > y0 else -0.36
    if x0 == x1:
        # beside what the layer sends to the upper of both
        return [(x0 + 0.16, y0 + 0.9 * side), (x1 + 0.16, y1 - 0.9 * side)]
    return [(x0 + 0.36, y0), (x1, y0), (x1, y1 - side)]


def _link(line: Connection, at: Places) -> list[Point]:
    x, y = at.of_cells(line.source)
    target = at.x[line.target]
    height = at.height(line.target, line.arrives)
    edge = target + at.edge(line.target, line.arrives) + 0.06
    if line.arrives == at.state[line.target]:
        low = height - 0.38
        return [(x - 0.34, y), (target + 0.9, y), (target + 0.9, low), (target + 0.68, low)]
    if y > at.soma(line.target):
        return [(x, y + 0.34), (x, height + SLOT), (edge, height + SLOT)]
    # between the loop of the autapse and the cells above
    lane = target + 1.2
    return [(x - 0.34, y), (lane, y), (lane, height), (edge, height)]


def _target(line: Connection, at: Places) -> list[Point]:
    height, x = at.height(line.target, line.arrives), at.x[line.target]
    soma = at.edge(line.target, line.arrives) < HALF[0]
    return [(x, at.roof - 0.26), (x, height + (0.62 if soma else HALF[1]))]


_ROUTES: Mapping[str, Callable[[Connection, Places], list[Point]]] = {
    "up": _up,
    "down": _down,
    "both": _both,
    "self": _self,
    "out": _out,
    "in": _in,
    "among": _among,
    "link": _link,
    "target": _target,
}
