"""``neurosim diagram``: the picture shows the circuit that runs, of any system."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from user_style import png, user_style

from neurosim.circuit import Population
from neurosim.circuit.graph import carries_both_ways, depends_on
from neurosim.cli import main
from neurosim.errors import CircuitError, FigureError, ParameterError
from neurosim.figures import circuit_diagram, save
from neurosim.figures.connections import connections
from neurosim.figures.diagram_parts import WINDOW_CELL
from neurosim.learning.named_systems import system_with_layers
from neurosim.models import SYSTEMS
from neurosim.system import System

CASES = [(name, layers) for name in SYSTEMS for layers in ((784, 500, 10), (20, 8, 6, 5), (6, 4))]


def _words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def _learning_marks(figure: Figure) -> int:
    circles = [p for p in figure.axes[0].patches if isinstance(p, Circle)]
    return sum(circle.get_radius() == pytest.approx(0.105) for circle in circles)


@pytest.mark.quick(6)
@pytest.mark.parametrize(("name", "layers"), CASES)
def test_the_picture_shows_every_part_of_the_circuit(name: str, layers: tuple[int, ...]) -> None:
    """Guards against a picture of another circuit than the one that runs."""
    system = system_with_layers(name, layers)
    circuit, words = system.circuit(), _words(circuit_diagram(system))
    sizes = Counter(re.findall(r"\((\d+)\)", "\n".join(words)))
    # one cell that several layers share is named without a number
    biased = any(population.name == "one" for population in circuit.populations)
    shared = ["one"] if biased and len(layers) > 2 else []
    assert sizes == Counter(str(p.size) for p in circuit.populations if p.name not in shared)
    assert words.count("bias cell, rate 1") == len(shared)
    lines = connections(system)
    projected = [line for line in lines if line.kind not in ("link", "target")]
    assert [(line.source, line.target, line.plastic) for line in projected] == [
        (p.source, p.target, p.plastic) for p in circuit.projections
    ]
    for line in lines:
        assert any(line.words in word for word in words), line
    in_one_line = [word.replace("\n", " ") for word in words]
    for phase in circuit.phases:
        assert f"{phase.name}, {phase.steps * circuit.dt:g} ms" in in_one_line


@pytest.mark.quick(6)
@pytest.mark.parametrize(("name", "layers"), CASES)
def test_every_plastic_projection_carries_the_mark_of_learning(
    name: str, layers: tuple[int, ...]
) -> None:
    """Guards the open circles: one per plastic projection, and those of the legend."""
    system = system_with_layers(name, layers)
    plastic = [line for line in connections(system) if line.plastic]
    legend = {(line.kind, line.words) for line in plastic}
    assert _learning_marks(circuit_diagram(system)) == len(plastic) + len(legend) + 1


def test_shared_weights_are_one_line_with_two_heads() -> None:
    """Guards the claim of weight transport: EP shares what CorInfoMax does not."""
    for name, system in SYSTEMS.items():
        circuit = system().circuit()
        both = [line for line in connections(system()) if line.kind == "both"]
        assert len(both) == sum(carries_both_ways(p) for p in circuit.projections)
        words = "\n".join(_words(circuit_diagram(system())))
        assert ("both ways through one set of weights" in words) == bool(both), name
    kinds = Counter(line.kind for line in connections(SYSTEMS["corinfomax"]()))
    assert kinds == {"up": 2, "down": 1, "out": 2, "self": 2, "link": 2, "target": 1}
    kinds = Counter(line.kind for line in connections(SYSTEMS["ep"]()))
    assert kinds == {"up": 1, "both": 1, "in": 2, "target": 1}


def test_local_wiring_carries_the_mark_of_a_window() -> None:
    """Guards windows that are drawn like synapses from all cells, and pools with weights."""
    words = ("conv 2 3x3", "maxpool 2", "conv 3 3x3")
    layers: dict[str, Any] = {"layers": (16, 32, 8, 12, 3), "image": (1, 4, 4), "network": words}
    system = SYSTEMS["urfb"](**layers, connectivity=0.5)
    local = [line for line in connections(system) if line.local]
    assert [line.kind for line in local] == ["up", "both", "up", "down"]
    assert [line.weighted for line in local] == [True, False, True, True]
    figure = circuit_diagram(system)
    side = 4 * WINDOW_CELL
    marks = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)
             and p.get_width() == pytest.approx(side)]  # fmt: skip
    legend = {(line.kind, line.words) for line in local}
    assert len(marks) == len(local) + len(legend)
    assert not any("one set of weights" in word for word in _words(figure))
    assert any("windows, untied" in line.words for line in connections(
        SYSTEMS["urfb"](**layers, tied=False)))  # fmt: skip


def test_two_loops_onto_one_cell_do_not_lie_on_each_other() -> None:
    """Guards the halves of M in CSM, which were one line."""
    lines = [line for line in connections(SYSTEMS["csm"]()) if line.kind == "self"]
    assert [line.loop for line in lines] == [0, 1]
    figure = circuit_diagram(SYSTEMS["csm"]())
    turns = {max(line.get_xdata()) for line in _lines(figure, 2.2) if len(line.get_xdata()) == 4}
    assert len(turns) >= 2


def test_lines_end_at_the_compartment_they_act_on() -> None:
    """Guards the anatomy of CorInfoMax: up to basal, down and sideways to apical dendrites."""
    ends = {(line.kind, line.target): line.arrives for line in connections(SYSTEMS["corinfomax"]())}
    assert ends["up", "pyramidal_1"] == ends["up", "pyramidal_2"] == "v_B"
    for way in ("down", "self", "link"):
        assert ends[way, "pyramidal_1"] == "v_A"
    assert ends["target", "pyramidal_2"] == "v_A"
    (target,) = (x for x in connections(SYSTEMS["corinfomax"]()) if x.kind == "target")
    assert target.words == "target $y$, nudged phase only"


def test_cells_of_one_part_are_not_called_somata() -> None:
    """Guards words: a soma has dendrites, and halves of B are named as halves of B."""
    words = _words(circuit_diagram(SYSTEMS["ep"]()))
    assert sum(word.startswith("cell\n") for word in words) == 2
    assert not any("soma" in word for word in words)
    words = _words(circuit_diagram(SYSTEMS["corinfomax"]()))
    assert sum(word.startswith("soma\n") for word in words) == 2
    assert {"autapses D, diagonal of $B$", "lateral inhibition O, $B$ off its diagonal"} <= {
        word.replace("_{}", "") for word in words
    }


def _lines(figure: Figure, width: float) -> list[Line2D]:
    return [line for line in figure.axes[0].lines if line.get_linewidth() == width]


def test_lines_of_different_meaning_have_different_colours() -> None:
    """Guards the legend of EP: biases and the target were one ochre."""
    system = SYSTEMS["ep"]()
    meanings = {(line.kind, line.words) for line in connections(system)}
    colours = {line.get_color() for line in _lines(circuit_diagram(system), 2.2)}
    # the axon that gives the answer has a colour of its own
    assert len(colours) == len(meanings) + 1


def test_ends_at_one_dendrite_stand_apart() -> None:
    """Guards sparse CorInfoMax, where the bars of two interneurons ran into each other."""
    figure = circuit_diagram(SYSTEMS["corinfomax-sparse"]())
    ends: dict[float, list[tuple[float, float]]] = {}
    for bar in _lines(figure, 4):
        x, y = bar.get_data()
        # those of the legend stand below 0
        if x[0] == x[1] and min(y) > 0:
            ends.setdefault(round(float(x[0]), 6), []).append((min(y), max(y)))
    at_dendrites = [sorted(spans) for spans in ends.values() if len(spans) > 1]
    assert len(at_dendrites) == 2
    for lower, upper in at_dendrites:
        assert upper[0] - lower[1] > 0.03
    assert all(bar.get_solid_capstyle() == "butt" for bar in _lines(figure, 4))


@pytest.mark.quick(6)
@pytest.mark.parametrize("name", SYSTEMS)
def test_moments_of_the_rhythm_stand_beside_each_other(name: str) -> None:
    """Guards words below the rhythm: one height, or the answer below the onset's words."""
    figure = circuit_diagram(SYSTEMS[name]())
    texts = {text.get_text(): text for text in figure.axes[0].texts}
    onset, answer, change = (
        texts[words] for words in ("image on, state reset", "answer read", "synapses change,")
    )
    assert onset.get_position()[1] == change.get_position()[1]
    boxes = [words.get_window_extent() for words in (onset, answer, change)]
    if answer.get_position()[1] == onset.get_position()[1]:
        assert boxes[0].x1 + 5 < boxes[1].x0
    else:
        assert boxes[1].y1 < boxes[0].y0
    assert max(boxes[0].x1, boxes[1].x1) + 5 < boxes[2].x0


def test_what_a_variable_depends_on_is_read_from_its_equations() -> None:
    """Guards comments, derivatives and chains; a stop is named, but not looked into."""
    cells = Population(
        "cells", 2, "du/dt = (v - u)/tau : 1\nv = 2*w : 1  # not x\nw = s : 1\ns : 1"
    )
    assert depends_on(cells, "u") == {"u", "v", "tau", "w", "s"}
    assert depends_on(cells, "u", stop=frozenset({"v"})) == {"u", "v", "tau"}
    assert depends_on(cells, "s") == {"s"}


def test_layers_are_found_by_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards systems that declare nothing: layers of equal sizes are told from other cells."""
    for name in SYSTEMS:
        system = system_with_layers(name, (9, 9, 9, 9))
        layers = [layer.population for layer in system.layer_cells()]
        assert len(set(layers)) == 4
        assert layers[0] == "sensory"
        numbers = [int(layer.rpartition("_")[2]) for layer in layers[1:]]
        assert numbers == [1, 2, 3]
        forward = [view.name for view in system.forward_weights()]
        assert len(set(forward)) == 3
    system = system_with_layers("corinfomax")
    monkeypatch.setattr(type(system), "layers", (784, 77, 10))
    object.__setattr__(system, "layers", (784, 500, 10))
    circuit = system.circuit()
    object.__setattr__(system, "layers", (784, 77, 10))
    monkeypatch.setattr(type(system), "circuit", lambda self: circuit)
    with pytest.raises(CircuitError, match="layer_cells"):
        System.layer_cells(system)


def test_the_command_writes_every_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards formats, and that the same circuit gives the same file."""
    for suffix, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        out = tmp_path / f"circuit{suffix}"
        assert main(["diagram", "corinfomax", "--layers", "6", "5", "4", "--out", str(out)]) == 0
        first = out.read_bytes()
        assert first.startswith(start)
        assert main(["diagram", "corinfomax", "--layers", "6", "5", "4", "--out", str(out)]) == 0
        assert out.read_bytes() == first
    assert "circuit.svg" in capsys.readouterr().out


def test_the_user_s_style_changes_no_diagram() -> None:
    """Guards diagrams against the matplotlibrc."""
    system = system_with_layers("corinfomax", (6, 5, 4))
    expected = png(circuit_diagram(system))
    with user_style():
        assert png(circuit_diagram(system)) == expected


def test_mistakes_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guards messages and exit status 2."""
    (tmp_path / "file").write_text("")
    for arguments, told in (
        (["corinfomx"], "did you mean 'corinfomax'"),
        (["corinfomax", "--out", str(tmp_path / "a.gif")], "png"),
        (["corinfomax", "--out", str(tmp_path / "file" / "a.svg")], "choose another --out"),
        (["corinfomax", "--layers", "3"], "at least an input and an output layer"),
    ):
        assert main(["diagram", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
    with pytest.raises(FigureError):
        save(circuit_diagram(system_with_layers("corinfomax")), tmp_path / "picture")
    with pytest.raises(ParameterError):
        system_with_layers("corinfomax", (5,))


@pytest.mark.parametrize("name", ["phsic", "ep"])
def test_captions_lie_on_no_cell(name: str) -> None:
    """Guards captions that other cells, or lines from below, would cover."""
    figure = circuit_diagram(system_with_layers(name))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    captions = [text for text in axes.texts if text.get_fontweight() == "bold"]
    cells = [p for p in axes.patches if isinstance(p, Circle) and p.get_radius() > 0.2]
    assert captions
    for text in captions:
        box = text.get_window_extent()
        for cell in cells:
            assert not box.overlaps(cell.get_window_extent()), text.get_text()
