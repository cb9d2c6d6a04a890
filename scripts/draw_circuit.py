"""Draw a system's circuit from its description, for the README.

    python scripts/draw_circuit.py [--system corinfomax] [--hidden 500] [--out docs/images/circuit]

Nothing in the picture is typed by hand that the circuit says itself: sizes,
compartments, projections, what learns, the phases and when things happen are
read from :class:`neurosim.circuit.Circuit`. Line styles and end marks tell the
projections apart without colour.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

from neurosim.circuit import Circuit, Population, Projection
from neurosim.models import find_system

# Okabe and Ito's palette: told apart by colour-blind readers, of different lightness
BLUE, VERMILLION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#B8860B"
INK, PAPER, SHADE = "#222222", "#ffffff", "#eeeeee"

Point = tuple[float, float]

COLUMN = 4.15  # distance between layers
FIRST = 4.15  # middle of the first pyramidal layer
APICAL, SOMA, BASAL = 5.25, 3.8, 2.35  # heights of the compartments
HALF_WIDTH, HALF_HEIGHT = 0.78, 0.36  # of a compartment
SST_AT = (1.62, 4.65)  # of the interneurons, from the middle of their layer
TOP = 6.45


@dataclasses.dataclass(frozen=True)
class Style:
    """How a kind of connection looks.

    Attributes
    ----------
    colour, line : str
        Of the line; ``line`` is a matplotlib line style.
    end : str
        ``"arrow"`` excites, ``"bar"`` inhibits.
    meaning : str
        Words for the legend.
    """

    colour: str
    line: str
    end: str
    meaning: str


STYLES = {
    "feedforward": Style(BLUE, "-", "arrow", r"feedforward $W_{ff}$"),
    "feedback": Style(VERMILLION, (0, (5, 2)), "arrow", r"feedback $W_{fb}$"),
    "lateral": Style(GREEN, (0, (1, 1.2)), "arrow", r"lateral $O$, to SST cells"),
    "autapse": Style(PURPLE, (0, (4, 1.5, 1, 1.5)), "arrow", r"autapses $D$"),
    "inhibition": Style(GREEN, "-", "bar", "SST inhibition, one to one"),
    "target": Style(ORANGE, (0, (2, 2)), "arrow", r"target $y$, nudged phase only"),
}


# ---------------------------------------------------------------- reading the circuit


def pyramidal_layers(circuit: Circuit) -> list[Population]:
    """Populations with a soma and a basal dendrite, from the bottom up."""
    return [p for p in circuit.populations if re.search(r"^\s*(d?)v_B\b", p.equations, re.M)]


def partner(circuit: Circuit, layer: Population) -> Population | None:
    """The interneurons a layer is linked to, if it has any."""
    names = {other for other, _ in layer.links.values()}
    return next((p for p in circuit.populations if p.name in names), None)


def kind(circuit: Circuit, projection: Projection) -> str:
    """Which of :data:`STYLES` a projection is drawn in."""
    layers = [p.name for p in pyramidal_layers(circuit)]
    if projection.source == projection.target:
        return "autapse"
    if projection.target not in layers:
        return "lateral"
    place = {name: number for number, name in enumerate(layers)}
    upward = place.get(projection.source, -1) < place[projection.target]
    return "feedforward" if upward else "feedback"


def is_output(circuit: Circuit, layer: Population) -> bool:
    """Whether a layer is told the target: a cycle input its onset reads, as wide as itself."""
    actions = " ".join(event.action for event in layer.events)
    return any(f"{i.name}(" in actions and i.width == layer.size for i in circuit.inputs)


def caption(population: Population) -> str:
    """What a population is, and how many cells it has."""
    return f"{population.role} ({population.size})"


# ---------------------------------------------------------------- drawing: parts


def line(axes: Axes, points: Sequence[Point], style: Style, *, plastic: bool) -> None:
    """A connection along ``points``; where it ends, a mark says what it does."""
    x, y = np.transpose(points)
    axes.plot(x, y, color=style.colour, linestyle=style.line, linewidth=2.2, zorder=2)
    (x0, y0), (x1, y1) = points[-2:]
    length = float(np.hypot(x1 - x0, y1 - y0))
    along = ((x1 - x0) / length, (y1 - y0) / length)
    across = (-along[1], along[0])
    if style.end == "bar":
        ends = [(x1 + s * 0.16 * across[0], y1 + s * 0.16 * across[1]) for s in (-1, 1)]
        axes.plot(*np.transpose(ends), color=style.colour, linewidth=4, zorder=4)
    else:
        corners = [
            (x1, y1),
            (x1 - 0.22 * along[0] + 0.11 * across[0], y1 - 0.22 * along[1] + 0.11 * across[1]),
            (x1 - 0.22 * along[0] - 0.11 * across[0], y1 - 0.22 * along[1] - 0.11 * across[1]),
        ]
        axes.add_patch(Polygon(corners, color=style.colour, zorder=4, linewidth=0))
    if plastic:
        mark_learning(axes, _near_end(points), style.colour)


def mark_learning(axes: Axes, centre: Point, colour: str) -> None:
    """An open circle: this connection learns."""
    axes.add_patch(Circle(centre, 0.105, facecolor=PAPER, edgecolor=colour, lw=2, zorder=5))


def _near_end(points: Sequence[Point]) -> Point:
    """A place on the last straight stretch with room for a mark besides the arrow head."""
    for (x0, y0), (x1, y1) in zip(points[-2::-1], points[:0:-1], strict=True):
        length = float(np.hypot(x1 - x0, y1 - y0))
        if length > 0.55:
            back = min(0.42, length / 2) / length
            return (x1 + back * (x0 - x1), y1 + back * (y0 - y1))
    return points[0]


def box(axes: Axes, centre: Point, half: Point, text: str, *, fill: str = PAPER) -> None:
    """A rounded box with words in it."""
    x, y = centre
    axes.add_patch(
        FancyBboxPatch(
            (x - half[0], y - half[1]),
            2 * half[0],
            2 * half[1],
            boxstyle="round,pad=0,rounding_size=0.22",
            facecolor=fill,
            edgecolor=INK,
            linewidth=1.6,
            zorder=3,
        )
    )
    axes.text(x, y, text, ha="center", va="center", zorder=6, color=INK, linespacing=1.15)


def draw_cell(axes: Axes, x: float, *, title: str) -> None:
    """A pyramidal cell: apical dendrite, soma and basal dendrite on one trunk."""
    axes.plot([x, x], [BASAL, APICAL], color=INK, linewidth=5, zorder=1, solid_capstyle="round")
    box(axes, (x, APICAL), (HALF_WIDTH, HALF_HEIGHT), "apical dendrite\n$v_A$", fill=SHADE)
    box(axes, (x, BASAL), (HALF_WIDTH, HALF_HEIGHT), "basal dendrite\n$v_B$", fill=SHADE)
    corners = [(x - 0.62, SOMA - 0.5), (x + 0.62, SOMA - 0.5), (x, SOMA + 0.62)]
    axes.add_patch(
        Polygon(corners, facecolor=PAPER, edgecolor=INK, lw=1.6, zorder=3, joinstyle="round")
    )
    axes.text(x, SOMA - 0.22, "soma\n$u \\to r$", ha="center", va="center", zorder=6, color=INK)
    axes.text(x, BASAL - 0.62, title, ha="center", va="center", color=INK, weight="bold")


def draw_sensory(axes: Axes, x: float, population: Population) -> None:
    """The sensory relay, as a small picture."""
    rng = np.random.default_rng(3)
    side, cells = 1.0, 5
    rows, columns = np.mgrid[0:cells, 0:cells] - (cells - 1) / 2
    ring = np.exp(-((np.hypot(rows, columns) - 1.5) ** 2) / 0.6) + 0.08 * rng.random((cells, cells))
    shown = np.clip(ring, 0, 1)
    left, bottom = x - side / 2, BASAL - side / 2
    for (row, column), value in np.ndenumerate(shown):
        corner = (left + column * side / cells, bottom + row * side / cells)
        grey = str(round(1 - 0.85 * float(value), 2))
        axes.add_patch(
            Rectangle(
                corner,
                side / cells,
                side / cells,
                facecolor=grey,
                edgecolor=PAPER,
                lw=0.5,
                zorder=3,
            )
        )
    axes.add_patch(
        Rectangle((left, bottom), side, side, fill=False, edgecolor=INK, lw=1.6, zorder=4)
    )
    axes.text(
        x, BASAL - 0.62, caption(population), ha="center", va="center", color=INK, weight="bold"
    )


# ---------------------------------------------------------------- drawing: connections


def draw_projections(axes: Axes, circuit: Circuit, places: dict[str, float]) -> None:
    """Every projection of the circuit, from the axon of its source to where it arrives."""
    for projection in circuit.projections:
        name = kind(circuit, projection)
        points = _route(name, places[projection.source], places[projection.target])
        line(axes, points, STYLES[name], plastic=projection.plastic)
        if name == "lateral":
            axes.add_patch(Circle(points[0], 0.07, color=STYLES[name].colour, zorder=4))


def _route(name: str, source: float, target: float) -> list[Point]:
    axon = SOMA - 0.2
    if name == "feedforward" and source < FIRST:
        return [(source + 0.5, BASAL), (target - HALF_WIDTH, BASAL)]
    if name == "feedforward":
        turn = source + 2.45
        return [(source + 0.45, axon), (turn, axon), (turn, BASAL), (target - HALF_WIDTH, BASAL)]
    if name == "feedback":
        turn = source - 1.3
        start = (source - 0.38, SOMA)
        return [
            start,
            (turn, SOMA),
            (turn, TOP - 0.45),
            (target, TOP - 0.45),
            (target, APICAL + HALF_HEIGHT),
        ]
    if name == "autapse":
        turn = source + 1.05
        end = (source + HALF_WIDTH, APICAL - 0.2)
        return [(source + 0.3, SOMA + 0.1), (turn, SOMA + 0.1), (turn, end[1]), end]
    return [(source + SST_AT[0], axon), (source + SST_AT[0], SST_AT[1] - 0.36)]


def draw_answer(axes: Axes, x: float) -> None:
    """The axons of the output cells, which carry the answer."""
    y, end = SOMA - 0.2, x + SST_AT[0] + 0.5
    axes.plot([x + 0.45, end - 0.1], [y, y], color=INK, linewidth=2.2, zorder=2)
    axes.add_patch(Polygon([(end, y), (end - 0.22, y + 0.11), (end - 0.22, y - 0.11)], color=INK))
    axes.text(end - 0.1, y - 0.3, "answer", ha="center", va="center", color=INK)


def draw_interneurons(axes: Axes, x: float, cells: Population) -> None:
    """SST interneurons beside their layer, and their inhibition of its apical dendrites."""
    centre = (x + SST_AT[0], SST_AT[1])
    axes.add_patch(Circle(centre, 0.36, facecolor=SHADE, edgecolor=INK, lw=1.6, zorder=3))
    axes.text(*centre, "SST\n$i$", ha="center", va="center", zorder=6, color=INK)
    axes.text(centre[0] + 0.42, centre[1], f"({cells.size})", ha="left", va="center", color=INK)
    top = APICAL + 0.12
    points = [(centre[0], centre[1] + 0.36), (centre[0], top), (x + HALF_WIDTH + 0.06, top)]
    line(axes, points, STYLES["inhibition"], plastic=False)


def draw_target(axes: Axes, x: float) -> None:
    """The target's way into the apical dendrites of the output layer."""
    box(axes, (x, TOP), (0.5, 0.26), "target $y$")
    line(axes, [(x, TOP - 0.26), (x, APICAL + HALF_HEIGHT)], STYLES["target"], plastic=False)


def draw_legend(axes: Axes, kinds: Sequence[tuple[str, bool]], corner: Point) -> None:
    """What the line styles mean, in the order in which a reader meets them."""
    x, y = corner
    for number, (name, plastic) in enumerate(kinds):
        height = y - 0.36 * number
        line(axes, [(x, height), (x + 0.9, height)], STYLES[name], plastic=plastic)
        axes.text(x + 1.05, height, STYLES[name].meaning, va="center", color=INK, fontsize=9.5)
    height = y - 0.36 * len(kinds)
    mark_learning(axes, (x + 0.45, height), INK)
    axes.text(x + 1.05, height, "learns when the cycle ends", va="center", fontsize=9.5, color=INK)


# ---------------------------------------------------------------- drawing: rhythm


def draw_rhythm(axes: Axes, circuit: Circuit, left: float, right: float) -> None:
    """One cycle: its phases, counted in steps, and what happens when."""
    steps, total = circuit.phase_steps(), circuit.cycle_steps()
    low, high = 0.28, 1.12
    start = 0
    for number, (name, length) in enumerate(steps.items()):
        x0 = left + (right - left) * start / total
        x1 = left + (right - left) * (start + length) / total
        axes.add_patch(
            Rectangle(
                (x0, low),
                x1 - x0,
                high - low,
                facecolor=PAPER if number == 0 else SHADE,
                edgecolor=INK,
                hatch=None if number == 0 else "///",
                lw=1.4,
                zorder=1,
            )
        )
        words = f"{name}, {length * circuit.dt:g} ms"
        axes.text(
            (x0 + x1) / 2,
            (low + high) / 2,
            words,
            ha="center",
            va="center",
            zorder=6,
            color=INK,
            weight="bold",
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 2.5},
        )
        start += length
    for step in range(1, total):
        x = left + (right - left) * step / total
        axes.plot([x, x], [low, low + 0.09], color=INK, linewidth=0.9, zorder=2)
    draw_moments(axes, circuit, left, right, low)


def draw_moments(axes: Axes, circuit: Circuit, left: float, right: float, low: float) -> None:
    """Marks below the rhythm: image on, answer read, synapses change."""
    total, time = circuit.cycle_steps(), 0
    marks = [(0, "image on, state reset", "left")]
    answer = next(r for r in circuit.readouts if r.name == circuit.answer)
    ends = {}
    for name, length in circuit.phase_steps().items():
        time += length
        ends[f"end_{name}"] = time
    marks.append((ends[answer.event], "answer read", "center"))
    marks.append((total, "synapses change, next image", "right"))
    for step, words, side in marks:
        x = left + (right - left) * step / total
        axes.plot([x, x], [low - 0.1, low], color=INK, linewidth=1.6)
        axes.text(x, low - 0.16, words, ha=side, va="top", color=INK, fontsize=9.5)


# ---------------------------------------------------------------- the picture


def draw(circuit: Circuit) -> Figure:
    """Draw a circuit.

    Parameters
    ----------
    circuit : Circuit
        Layers of pyramidal cells above a sensory population.

    Returns
    -------
    matplotlib.figure.Figure
        Made for 800 pixels of width or more.
    """
    layers = pyramidal_layers(circuit)
    places = {layer.name: FIRST + COLUMN * n for n, layer in enumerate(layers)}
    right = FIRST + COLUMN * (len(layers) - 1) + 2.55
    with plt.rc_context({"font.size": 10.5, "font.family": "DejaVu Sans", "hatch.linewidth": 0.5}):
        figure = plt.figure(figsize=(right, TOP + 0.35))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, right), ylim=(-0.1, TOP + 0.35))
        axes.axis("off")
        sensory = next(p for p in circuit.populations if p.name == circuit.projections[0].source)
        draw_sensory(axes, 1.15, sensory)
        for layer in layers:
            draw_layer(axes, circuit, layer, places[layer.name])
        for layer in layers:
            cells = partner(circuit, layer)
            if cells is not None:
                places[cells.name] = places[layer.name]
        draw_projections(axes, circuit, {sensory.name: 1.15, **places})
        draw_legend(axes, _legend_rows(circuit), (0.3, TOP - 0.05))
        draw_rhythm(axes, circuit, 0.3, right - 0.3)
    return figure


def draw_layer(axes: Axes, circuit: Circuit, layer: Population, x: float) -> None:
    """One layer of cells, its interneurons, and the target if it is the output."""
    draw_cell(axes, x, title=caption(layer))
    cells = partner(circuit, layer)
    if cells is not None:
        draw_interneurons(axes, x, cells)
    if is_output(circuit, layer):
        draw_target(axes, x)
        draw_answer(axes, x)


def _legend_rows(circuit: Circuit) -> list[tuple[str, bool]]:
    plastic = {kind(circuit, p): p.plastic for p in circuit.projections}
    rows = [(name, plastic[name]) for name in STYLES if name in plastic]
    if any(partner(circuit, layer) for layer in pyramidal_layers(circuit)):
        rows.append(("inhibition", False))
    if any(is_output(circuit, layer) for layer in pyramidal_layers(circuit)):
        rows.append(("target", False))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the picture as SVG and PNG."""
    parser = argparse.ArgumentParser(description="Draw the circuit of a system.")
    parser.add_argument("--system", default="corinfomax")
    parser.add_argument("--hidden", type=int, nargs="+", help="hidden layer sizes")
    parser.add_argument("--out", type=Path, default=Path("docs/images/circuit"))
    options = parser.parse_args(arguments)
    system = find_system(options.system)
    hidden = tuple(options.hidden) if options.hidden else None
    preset = system.preset("mnist", hidden)
    circuit = system(layers=(784, *preset.hidden, 10), **preset.parameters).circuit()
    figure = draw(circuit)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    # no date and no random names: the same circuit gives the same file
    with plt.rc_context({"svg.hashsalt": "neurosim"}):
        figure.savefig(options.out.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(options.out.with_suffix(".png"), dpi=160)
    plt.close(figure)


if __name__ == "__main__":
    main()
