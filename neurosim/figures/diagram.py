"""A picture of a system's circuit, made from its description.

Nothing is typed here that the circuit says itself: sizes, compartments,
projections, where they arrive, which weights learn, which carry signal both
ways, the phases and when things happen are read from
:class:`neurosim.circuit.Circuit` and from what the system declares. Line styles
and end marks tell connections apart without colour.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle

from neurosim.circuit import Population
from neurosim.circuit.graph import Compartment, Layer
from neurosim.figures import style
from neurosim.figures.connections import Connection, connections, symbol
from neurosim.figures.diagram_parts import (
    Look,
    Point,
    box,
    draw_line,
    mark_learning,
    sensory,
    write,
)
from neurosim.system import System

__all__ = ["circuit_diagram"]

COLUMN = 4.15  # distance between layers
FIRST = 3.9  # middle of the first layer above the input
SENSORY = 1.15  # middle of the input
TOP, MIDDLE, BOTTOM = 5.25, 3.8, 2.35  # heights of the uppermost, only and lowest compartment
AXON = 0.2  # the axon leaves so far below the middle of the soma
HALF = (0.78, 0.36)  # half width and height of a dendrite
BESIDE = 1.62  # other cells stand so far to the right of their layer
SLOT = 0.25  # lines that arrive at one side of a dendrite are so far apart
LEGEND_ROW = 0.34


# ---------------------------------------------------------------- looks


_DASH, _DOT, _DASHDOT = (0, (5, 2)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5))
#: Looks of each kind of connection; a second role of the same kind takes the second look.
_LOOKS = {
    "up": (Look(style.COLOURS[0], "-"), Look("#004466", (0, (8, 1.5)))),
    "down": (Look(style.COLOURS[1], _DASH), Look("#8a3c00", (0, (3, 1)))),
    "both": (Look("#111111", "-"), Look("#111111", _DASH)),
    "self": (Look("#AA4499", _DASHDOT), Look("#771166", _DASH)),
    "out": (Look(style.COLOURS[2], _DOT), Look("#005c43", (0, (2, 2)))),
    "in": (Look("#882255", _DASHDOT), Look("#5a1638", _DASH)),
    "link": (Look(style.COLOURS[2], "-", "bar"), Look("#005c43", _DASHDOT, "bar")),
    "target": (Look("#B8860B", (0, (2, 2))),),
}
_RC: dict[Any, Any] = {"font.size": 10.5, "hatch.linewidth": 0.5}


def _looks(lines: Sequence[Connection]) -> dict[tuple[str, str], Look]:
    """Looks by kind and words."""
    given: dict[tuple[str, str], Look] = {}
    for kind, choices in _LOOKS.items():
        words = list(dict.fromkeys(line.words for line in lines if line.kind == kind))
        for number, text in enumerate(words):
            given[kind, text] = choices[number % len(choices)]
    return given


# ---------------------------------------------------------------- the picture


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
    return _Picture(system).draw()


class _Picture:
    """Places, then lines; one instance draws one picture."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.circuit = system.circuit()
        self.layers = system.layer_cells()
        self.lines = connections(system)
        self.looks = _looks(self.lines)
        self.state = {layer.population: layer.state for layer in self.layers}
        names = list(self.state)
        self.x = {n: SENSORY if k == 0 else FIRST + COLUMN * (k - 1) for k, n in enumerate(names)}
        self.right = max(FIRST + COLUMN * (len(names) - 2) + 2.75, 8.6)
        self.beside = {name: self._company(name) for name in names[1:]}
        own = {p.name for cells in self.beside.values() for p in cells}
        self.shared = [p for p in self.circuit.populations if p.name not in own | set(names)]
        heights = [self.height(name, p.variable) for name in names[1:] for p in self._parts(name)]
        self.roof = max(heights) + 1.2 + 0.14 * (len(names) - 2)
        # cells that several layers share stand below the layers, the rhythm below them
        self.cellar = min(heights) - 1.45
        self.low = (self.cellar - 0.7 if self.shared else min(heights) - 0.78) - 1.29

    def _company(self, layer: str) -> list[Population]:
        """Cells that belong to one layer alone: they read it, or it reads them."""
        names = {item.population for item in self.layers}
        found = []
        for population in self.circuit.populations:
            if population.name in names:
                continue
            ends = {p.source for p in self.circuit.projections if p.target == population.name}
            ends |= {p.target for p in self.circuit.projections if p.source == population.name}
            ends |= {other for other, _ in population.links.values()}
            ends |= {
                p.name
                for p in self.circuit.populations
                if population.name in {other for other, _ in p.links.values()}
            }
            if ends & names == {layer}:
                found.append(population)
        return found

    def draw(self) -> Figure:
        rows = -(-(len(self.looks) + 1) // 2)
        floor = self.low - 0.75 - LEGEND_ROW * rows
        figure = style.empty_figure(self.right, self.roof + 0.35 - floor)
        with style.applied(_RC):
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set(xlim=(0, self.right), ylim=(floor, self.roof + 0.35))
            axes.axis("off")
            self._cells(axes)
            for line in self.lines:
                self._line(axes, line)
            self._answer(axes)
            self._rhythm(axes)
            self._legend(axes)
        return figure

    # ------------------------------------------------------------ cells

    def _parts(self, layer: str) -> tuple[Compartment, ...]:
        return self.system.compartments(layer) or (Compartment("cell", self.state[layer]),)

    def height(self, layer: str, variable: str) -> float:
        """Height of a compartment; the soma's, if there is none of that name."""
        parts = self._parts(layer)
        if len(parts) == 1:
            return MIDDLE
        names = [part.variable for part in parts]
        place = names.index(variable if variable in names else self.state[layer])
        return TOP + (BOTTOM - TOP) * place / (len(parts) - 1)

    def _soma(self, layer: str) -> float:
        return self.height(layer, self.state[layer])

    def _cells(self, axes: Axes) -> None:
        first, *rest = (layer.population for layer in self.layers)
        sensory(axes, self.x[first], self._input_height(), self._caption(first))
        for layer in self.layers[1:]:
            self._cell(axes, layer)
        for name in rest:
            for number, cells in enumerate(self.beside[name]):
                self._round(axes, *self.beside_at(name, number), cells)
        for cells in self.shared:
            x, y = self.shared_at(cells.name)
            self._round(axes, x, y, cells, sized=False)
            write(axes, x, y - 0.56, self._caption(cells.name), weight="bold")

    def _input_height(self) -> float:
        first = self.layers[0].population
        for line in self.lines:
            if line.source == first and line.target in self.x:
                return self.height(line.target, line.arrives)
        return MIDDLE

    def _caption(self, name: str) -> str:
        population = self.circuit.population(name)
        words = population.role or name
        return f"{words} ({population.size})" if population.size > 1 else words

    def _cell(self, axes: Axes, layer: Layer) -> None:
        """Compartments on one trunk; the one that holds the state is the soma."""
        name = layer.population
        x, parts = self.x[name], self._parts(name)
        ends = [self.height(name, part.variable) for part in parts]
        axes.plot([x, x], [min(ends), max(ends)], color=style.INK, linewidth=5, zorder=1,
                  solid_capstyle="round")  # fmt: skip
        for part in parts:
            y = self.height(name, part.variable)
            if part.variable == layer.state:
                rates = f"${layer.state} \\to {layer.rate}$"
                rates = rates if layer.state != layer.rate else f"${layer.rate}$"
                corners = [(x - 0.62, y - 0.5), (x + 0.62, y - 0.5), (x, y + 0.62)]
                axes.add_patch(Polygon(corners, facecolor=style.PAPER, edgecolor=style.INK,
                                       lw=1.6, zorder=3, joinstyle="round"))  # fmt: skip
                write(axes, x, y - 0.22, f"{part.name}\n{rates}")
            else:
                box(axes, (x, y), HALF, f"{part.name}\n{symbol(part.variable)}", style.SHADE)
        low = min(ends) - (0.62 if len(parts) > 1 else 0.72)
        # a line from a shared cell comes from below
        aside = {"ha": "left"} if self.shared else {}
        shift = 0.14 if self.shared else 0.0
        write(axes, x - shift, low, self._caption(name), weight="bold", **aside)

    def beside_at(self, layer: str, number: int) -> Point:
        """Where the ``number``-th population beside a layer stands."""
        return self.x[layer] + BESIDE, 4.65 - 1.85 * number

    def shared_at(self, name: str) -> Point:
        """Where a population that several layers share stands."""
        number = [cells.name for cells in self.shared].index(name)
        return SENSORY + 2.2 * number, self.cellar

    def _round(
        self, axes: Axes, x: float, y: float, cells: Population, *, sized: bool = True
    ) -> None:
        axes.add_patch(Circle((x, y), 0.34, facecolor=style.SHADE, edgecolor=style.INK, lw=1.6,
                              zorder=3))  # fmt: skip
        short = re.sub(r"_\d+$", "", cells.name)
        text = short.upper() if len(short) <= 3 and short.isalpha() else short
        write(axes, x, y, text, size=10.5 if len(text) < 5 else 7.6)
        if sized:
            write(axes, x + 0.42, y - 0.02, f"({cells.size})", ha="left")

    # ------------------------------------------------------------ lines

    def _line(self, axes: Axes, line: Connection) -> None:
        look = self.looks[line.kind, line.words]
        points = getattr(self, f"_route_{line.kind}")(line)
        draw_line(axes, points, look, plastic=line.plastic, both=line.kind == "both")
        if line.kind == "target":
            x, y = points[0]
            box(axes, (x, y + 0.26), (0.62, 0.26), line.words.partition(",")[0], style.PAPER)

    def _start(self, layer: str) -> float:
        """Where the right end of a layer's cell is, at the height of its axon."""
        return self.x[layer] + (0.5 if layer == self.layers[0].population else 0.45)

    def _edge(self, layer: str, variable: str) -> float:
        """Half the width of a compartment where a line meets it from the side."""
        soma = variable == self.state[layer] or len(self._parts(layer)) == 1
        return 0.48 if soma else HALF[0]

    def _route_up(self, line: Connection) -> list[Point]:
        height = self.height(line.target, line.arrives)
        end = self.x[line.target] - self._edge(line.target, line.arrives)
        if line.source == self.layers[0].population:
            return [(self._start(line.source), height), (end, height)]
        axon = self._soma(line.source) - AXON
        if abs(height - axon) < 0.5:
            return [(self._start(line.source), axon), (end, axon)]
        turn = self.x[line.source] + 2.45
        return [(self._start(line.source), axon), (turn, axon), (turn, height), (end, height)]

    def _route_both(self, line: Connection) -> list[Point]:
        axon = self._soma(line.source) - AXON
        return [
            (self.x[line.source] + 0.5, axon),
            (self.x[line.target] - self._edge(line.target, line.arrives), axon),
        ]

    def _route_down(self, line: Connection) -> list[Point]:
        soma, x = self._soma(line.source), self.x[line.target]
        turn = self.x[line.source] - 1.3
        span = abs(list(self.x).index(line.source) - list(self.x).index(line.target))
        spans = len(self.x) - 2
        bus = self.roof - 0.45 - 0.14 * (spans - span)
        start: list[Point] = [(self.x[line.source] - 0.38, soma), (turn, soma), (turn, bus)]
        height = self.height(line.target, line.arrives)
        if height == max(self.height(line.target, p.variable) for p in self._parts(line.target)):
            top = 0.62 if self._edge(line.target, line.arrives) < HALF[0] else HALF[1]
            return [*start, (x, bus), (x, height + top)]
        side = x + self._edge(line.target, line.arrives)
        return [*start, (x + 1.25, bus), (x + 1.25, height), (side, height)]

    def _route_self(self, line: Connection) -> list[Point]:
        x, soma = self.x[line.source], self._soma(line.source)
        height = self.height(line.target, line.arrives) - SLOT
        turn = x + 1.02
        if abs(height + SLOT - soma) < 0.1:
            height = soma + 0.34
            return [(x + 0.45, soma - 0.3), (turn, soma - 0.3), (turn, height), (x + 0.2, height)]
        end = x + self._edge(line.target, line.arrives)
        return [(x + 0.3, soma + 0.1), (turn, soma + 0.1), (turn, height), (end, height)]

    def _place(self, name: str) -> Point:
        for layer, company in self.beside.items():
            for number, cells in enumerate(company):
                if cells.name == name:
                    return self.beside_at(layer, number)
        return self.shared_at(name)

    def _route_out(self, line: Connection) -> list[Point]:
        axon = self._soma(line.source) - AXON
        x, y = self._place(line.target)
        if line.target in {cells.name for cells in self.shared}:
            return [(self.x[line.source], axon - 0.3), (self.x[line.source], y), (x + 0.36, y)]
        above = y > axon
        return [(self._start(line.source), axon), (x, axon), (x, y - 0.36 if above else y + 0.36)]

    def _route_in(self, line: Connection) -> list[Point]:
        x, y = self._place(line.source)
        target = self.x[line.target]
        if line.source in {cells.name for cells in self.shared}:
            name = line.target
            low = self.height(name, line.arrives) - (0.5 if len(self._parts(name)) == 1 else 0.36)
            # beside the caption of the cell
            return [(x + 0.36, y), (target - 0.3, y), (target - 0.3, low)]
        height = self.height(line.target, line.arrives)
        return [(x - 0.36, y), (target + 1.2, y), (target + 1.2, height),
                (target + self._edge(line.target, line.arrives), height)]  # fmt: skip

    def _route_link(self, line: Connection) -> list[Point]:
        x, y = self._place(line.source)
        target = self.x[line.target]
        height = self.height(line.target, line.arrives)
        edge = target + self._edge(line.target, line.arrives) + 0.06
        if line.arrives == self.state[line.target]:
            low = height - 0.38
            return [(x - 0.34, y), (target + 0.9, y), (target + 0.9, low), (target + 0.68, low)]
        if y > self._soma(line.target):
            return [(x, y + 0.34), (x, height + SLOT), (edge, height + SLOT)]
        # between the loop of the autapse and the cells above
        lane = target + 1.2
        return [(x - 0.34, y), (lane, y), (lane, height), (edge, height)]

    def _route_target(self, line: Connection) -> list[Point]:
        height = self.height(line.target, line.arrives)
        soma = self._edge(line.target, line.arrives) < HALF[0]
        return [
            (self.x[line.target], self.roof - 0.26),
            (self.x[line.target], height + (0.62 if soma else HALF[1])),
        ]

    def _answer(self, axes: Axes) -> None:
        """The axons of the cells that give the answer."""
        answer = next(r for r in self.circuit.readouts if r.name == self.circuit.answer)
        if answer.population not in self.x:
            return
        x, y = self.x[answer.population], self._soma(answer.population) - AXON
        end = x + BESIDE + 0.62
        axes.plot([x + 0.45, end - 0.1], [y, y], color=style.INK, linewidth=2.2, zorder=2)
        axes.add_patch(Polygon([(end, y), (end - 0.22, y + 0.11), (end - 0.22, y - 0.11)],
                               color=style.INK))  # fmt: skip
        write(axes, end - 0.15, y - 0.28, "answer")

    # ------------------------------------------------------------ rhythm and legend

    def _rhythm(self, axes: Axes) -> None:
        """One cycle: its phases, counted in steps, and what happens when."""
        circuit, left, right = self.circuit, 0.3, self.right - 0.3
        low, high, total = self.low, self.low + 0.84, self.circuit.cycle_steps()

        def at(step: float) -> float:
            return left + (right - left) * step / total

        start = 0
        for number, (name, length) in enumerate(circuit.phase_steps().items()):
            x0, x1 = at(start), at(start + length)
            axes.add_patch(Rectangle(
                (x0, low), x1 - x0, high - low, edgecolor=style.INK, lw=1.4, zorder=1,
                facecolor=style.SHADE if number % 2 else style.PAPER,
                hatch="///" if number % 2 else None,
            ))  # fmt: skip
            # a short phase has room for two short lines
            gap = " " if x1 - x0 > 1.5 else "\n"
            words = f"{name},{gap}{length * circuit.dt:g} ms"
            axes.text((x0 + x1) / 2, (low + high) / 2, words, ha="center", va="center", zorder=6,
                      color=style.INK, weight="bold",
                      bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 2.5})  # fmt: skip
            start += length
        for step in range(1, total):
            axes.plot([at(step)] * 2, [low, low + 0.09], color=style.INK, linewidth=0.9, zorder=2)
        for step, words, side in self._moments():
            # words in the middle leave room for those at the right end
            crowded = side == "center" and right - at(step) < 1.9
            axes.plot([at(step)] * 2, [low - 0.1, low], color=style.INK, linewidth=1.6)
            x, aside = (min(at(step), right - 1.28), "right") if crowded else (at(step), side)
            for row, text in enumerate(words.splitlines()):
                axes.text(x, low - 0.29 - 0.17 * row, text, ha=aside, va="baseline",
                          color=style.INK, size=9.5)  # fmt: skip

    def _moments(self) -> list[tuple[int, str, str]]:
        """Marks below the rhythm: image on, answer read, synapses change."""
        ends, time = {}, 0
        for name, length in self.circuit.phase_steps().items():
            time += length
            ends[name] = time
        answer = next(r for r in self.circuit.readouts if r.name == self.circuit.answer)
        read = self.circuit.population(answer.population).event(answer.event).condition
        marks = [(0, "image on, state reset", "left")]
        marks += [(ends[n], "answer read", "center") for n in ends if f"end_{n}" in read]
        learn = " ".join(
            self.circuit.population(p.source if w.side == "pre" else p.target)
            .event(w.event).condition
            for p in self.circuit.projections for w in p.pathways if w.learns
        )  # fmt: skip
        for name, end in ends.items():
            if f"end_{name}" in learn:
                last = end == time
                marks.append((end, "synapses change" + ",\nnext image" * last,
                              "right" if last else "center"))  # fmt: skip
        return marks

    def _legend(self, axes: Axes) -> None:
        """What the lines mean, in two columns."""
        top = self.low - 0.72
        rows = -(-(len(self.looks) + 1) // 2)
        plastic = {(line.kind, line.words) for line in self.lines if line.plastic}
        for number, (key, look) in enumerate(self.looks.items()):
            x = 0.35 + (self.right / 2 - 0.1) * (number // rows)
            y = top - LEGEND_ROW * (number % rows)
            draw_line(axes, [(x, y), (x + 0.9, y)], look, plastic=key in plastic,
                       both=key[0] == "both")  # fmt: skip
            words = key[1] + (", both ways through one set of weights" if key[0] == "both" else "")
            axes.text(x + 1.05, y, words, va="center", color=style.INK, fontsize=9)
        number = len(self.looks)
        x = 0.35 + (self.right / 2 - 0.1) * (number // rows)
        y = top - LEGEND_ROW * (number % rows)
        mark_learning(axes, (x + 0.45, y), style.INK)
        axes.text(x + 1.05, y, "learns", va="center", fontsize=9, color=style.INK)
