"""A picture of a system's circuit, made from its description.

Sizes, compartments, projections, where they arrive, which weights learn, which carry
signal both ways, the phases and the moments of events are read from
:class:`neurosim.circuit.Circuit` and from what the system declares. Line styles and end
marks tell connections apart without colour.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from neurosim.circuit import Population
from neurosim.circuit.graph import Compartment, Layer
from neurosim.figures import style
from neurosim.figures.connections import Connection, connections, symbol
from neurosim.figures.diagram_parts import (
    Look,
    box,
    draw_line,
    mark_learning,
    mark_window,
    sensory,
    write,
)
from neurosim.figures.diagram_places import BESIDE, HALF, Places
from neurosim.figures.diagram_rhythm import draw_rhythm
from neurosim.figures.diagram_routes import route
from neurosim.system import System

__all__ = ["circuit_diagram"]

_LEGEND_ROW = 0.34
_DASH, _DOT, _DASHDOT = (0, (5, 2)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5))
#: Looks of each kind of connection; a second role of the same kind takes the second look.
_LOOKS = {
    "up": (Look(style.COLOURS[0], "-"), Look("#004466", (0, (8, 1.5)))),
    "down": (Look(style.COLOURS[1], _DASH), Look("#8a3c00", (0, (3, 1)))),
    "both": (Look("#111111", "-"), Look("#111111", _DASH)),
    "self": (Look("#AA4499", _DASHDOT), Look("#771166", _DASH)),
    "out": (Look(style.COLOURS[2], _DOT), Look("#005c43", (0, (2, 2)))),
    "among": (Look(style.COLOURS[1], _DOT), Look("#8a3c00", _DASHDOT)),
    "in": (Look("#882255", _DASHDOT), Look("#5a1638", _DASH)),
    "link": (Look(style.COLOURS[2], "-", "bar"), Look("#005c43", _DASHDOT, "bar")),
    "target": (Look("#B8860B", (0, (2, 2))),),
}
#: What differs from the style of other figures.
_RC: dict[Any, Any] = {"font.size": 10.5, "hatch.linewidth": 0.5}


def circuit_diagram(system: System) -> Figure:
    """Draw the circuit of a system.

    Parameters
    ----------
    system : System
        Any system: its layers and compartments are those it declares.

    Returns
    -------
    matplotlib.figure.Figure
        Layers from left to right, one cycle of the rhythm below, then what the
        lines mean.
    """
    places, lines = Places(system), connections(system)
    looks = _looks(lines)
    rows = -(-(len(looks) + 1) // 2)
    floor = places.low - 0.75 - _LEGEND_ROW * rows
    top = places.roof + 0.35
    figure = style.empty_figure(places.right, top - floor)
    with style.applied(_RC):
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, places.right), ylim=(floor, top))
        axes.axis("off")
        _draw_cells(axes, places, lines)
        for line in lines:
            _draw_connection(axes, line, looks[line.kind, line.words], places)
        _draw_answer(axes, places)
        draw_rhythm(axes, places.circuit, places.low, places.right)
        _draw_legend(axes, places, lines, looks)
    return figure


def _looks(lines: Sequence[Connection]) -> dict[tuple[str, str], Look]:
    """Looks by kind and words of the connections."""
    looks: dict[tuple[str, str], Look] = {}
    for kind, choices in _LOOKS.items():
        words = list(dict.fromkeys(line.words for line in lines if line.kind == kind))
        for number, text in enumerate(words):
            looks[kind, text] = choices[number % len(choices)]
    return looks


# ---------------------------------------------------------------- cells


def _draw_cells(axes: Axes, places: Places, lines: Sequence[Connection]) -> None:
    first = places.layers[0].population
    caption = _caption(places.circuit.population(first))
    sensory(axes, places.x[first], _input_height(places, lines), caption)
    for layer in places.layers[1:]:
        _draw_layer(axes, layer, places, aside=_meets_shared(places, lines, layer.population))
    for name, company in places.beside.items():
        for number, cells in enumerate(company):
            _draw_round(axes, *places.beside_at(name, number), cells)
    for cells in places.shared:
        x, y = places.of_cells(cells.name)
        _draw_round(axes, x, y, cells, sized=False)
        write(axes, x, y - 0.56, _caption(cells), weight="bold")


def _input_height(places: Places, lines: Sequence[Connection]) -> float:
    """Height at which the input's first connection arrives."""
    first = places.layers[0].population
    from_input = (line for line in lines if line.source == first and line.target in places.x)
    line = next(from_input, None)
    return places.soma(first) if line is None else places.height(line.target, line.arrives)


def _caption(population: Population) -> str:
    words = population.role or population.name
    return f"{words} ({population.size})" if population.size > 1 else words


def _meets_shared(places: Places, lines: Sequence[Connection], layer: str) -> bool:
    """Whether a line from or to a shared cell, which stands below, reaches a layer."""
    return any(
        layer in pair and any(places.is_shared(name) for name in pair)
        for pair in ((line.source, line.target) for line in lines)
    )


def _draw_layer(axes: Axes, layer: Layer, places: Places, *, aside: bool) -> None:
    """Draw compartments on one trunk; the one that holds the state is the soma.

    The caption stands aside where a line comes from below.
    """
    name = layer.population
    x, parts = places.x[name], places.parts(name)
    ends = [places.height(name, part.variable) for part in parts]
    axes.plot([x, x], [min(ends), max(ends)], color=style.INK, linewidth=5, zorder=1,
              solid_capstyle="round")  # fmt: skip
    for part, y in zip(parts, ends, strict=True):
        if part.variable == layer.state:
            _draw_soma(axes, x, y, part, layer)
        else:
            box(axes, (x, y), HALF, f"{part.name}\n{symbol(part.variable)}", style.SHADE)
    low = min(ends) - (0.62 if len(parts) > 1 else 0.72)
    caption = _caption(places.circuit.population(name))
    if aside:
        write(axes, x - 0.14, low, caption, weight="bold", ha="left")
    else:
        write(axes, x, low, caption, weight="bold")


def _draw_soma(axes: Axes, x: float, y: float, part: Compartment, layer: Layer) -> None:
    rates = f"${layer.state} \\to {layer.rate}$"
    rates = rates if layer.state != layer.rate else f"${layer.rate}$"
    corners = [(x - 0.62, y - 0.5), (x + 0.62, y - 0.5), (x, y + 0.62)]
    axes.add_patch(Polygon(corners, facecolor=style.PAPER, edgecolor=style.INK,
                           lw=1.6, zorder=3, joinstyle="round"))  # fmt: skip
    write(axes, x, y - 0.22, f"{part.name}\n{rates}")


def _draw_round(axes: Axes, x: float, y: float, cells: Population, *, sized: bool = True) -> None:
    """Draw cells that are no layer as a circle with a short name."""
    axes.add_patch(Circle((x, y), 0.34, facecolor=style.SHADE, edgecolor=style.INK, lw=1.6,
                          zorder=3))  # fmt: skip
    short = re.sub(r"_\d+$", "", cells.name)
    text = short.upper() if len(short) <= 3 and short.isalpha() else short
    write(axes, x, y, text, size=10.5 if len(text) < 5 else 7.6)
    if sized:
        write(axes, x + 0.42, y - 0.02, f"({cells.size})", ha="left")


# ---------------------------------------------------------------- lines


def _draw_connection(axes: Axes, line: Connection, look: Look, places: Places) -> None:
    points = route(line, places)
    draw_line(axes, points, look, plastic=line.plastic, both=line.kind == "both")
    if line.local:
        mark_window(axes, points, look.colour)
    if line.kind == "target":
        x, y = points[0]
        box(axes, (x, y + 0.26), (0.62, 0.26), line.words.partition(",")[0], style.PAPER)


def _draw_answer(axes: Axes, places: Places) -> None:
    """Draw the axons of the cells that give the answer."""
    circuit = places.circuit
    answer = next(r for r in circuit.readouts if r.name == circuit.answer)
    if answer.population not in places.x:
        return
    x, y = places.x[answer.population], places.axon(answer.population)
    end = x + BESIDE + 0.62
    axes.plot([x + 0.45, end - 0.1], [y, y], color=style.INK, linewidth=2.2, zorder=2)
    axes.add_patch(Polygon([(end, y), (end - 0.22, y + 0.11), (end - 0.22, y - 0.11)],
                           color=style.INK))  # fmt: skip
    write(axes, end - 0.15, y - 0.28, "answer")


def _draw_legend(
    axes: Axes,
    places: Places,
    lines: Sequence[Connection],
    looks: dict[tuple[str, str], Look],
) -> None:
    """Write what the lines mean, in two columns."""
    rows = -(-(len(looks) + 1) // 2)
    plastic = {(line.kind, line.words) for line in lines if line.plastic}
    local = {(line.kind, line.words) for line in lines if line.local}
    weighted = {(line.kind, line.words) for line in lines if line.weighted}

    def at(number: int) -> tuple[float, float]:
        x = 0.35 + (places.right / 2 - 0.1) * (number // rows)
        return x, places.low - 0.72 - _LEGEND_ROW * (number % rows)

    for number, (key, look) in enumerate(looks.items()):
        x, y = at(number)
        both = key[0] == "both"
        draw_line(axes, [(x, y), (x + 0.9, y)], look, plastic=key in plastic, both=both)
        if key in local:
            mark_window(axes, [(x, y), (x + (0.4 if key in plastic else 0.9), y)], look.colour)
        shared = " through one set of weights" * (key in weighted)
        words = key[1] + (f", both ways{shared}" if both else "")
        axes.text(x + 1.05, y, words, va="center", color=style.INK, fontsize=9)
    x, y = at(len(looks))
    mark_learning(axes, (x + 0.45, y), style.INK)
    axes.text(x + 1.05, y, "learns", va="center", fontsize=9, color=style.INK)
