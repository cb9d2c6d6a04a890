"""The rhythm below the picture of a circuit: the phases of a cycle and what happens when."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from neurosim.circuit import Circuit
from neurosim.figures import style

__all__ = ["draw_rhythm"]

_HEIGHT = 0.84


def draw_rhythm(axes: Axes, circuit: Circuit, low: float, right: float) -> None:
    """Draw one cycle, with a mark at every step and words at what happens.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    circuit : Circuit
        Its phases and events.
    low, right : float
        Bottom of the rhythm and right edge of the picture.
    """
    left, right = 0.3, right - 0.3
    total = circuit.cycle_steps()

    def at(step: float) -> float:
        return left + (right - left) * step / total

    start = 0
    for number, (name, length) in enumerate(circuit.phase_steps().items()):
        words = f"{name},", f"{length * circuit.dt:g} ms"
        _phase(axes, at(start), at(start + length), low, words, shaded=bool(number % 2))
        start += length
    for step in range(1, total):
        axes.plot([at(step)] * 2, [low, low + 0.09], color=style.INK, linewidth=0.9, zorder=2)
    for step, text, side in _moments(circuit):
        axes.plot([at(step)] * 2, [low - 0.1, low], color=style.INK, linewidth=1.6)
        # words in the middle leave room for those at the right end
        crowded = side == "center" and right - at(step) < 1.9
        x, side = (min(at(step), right - 1.28), "right") if crowded else (at(step), side)
        # a short first phase: below the words at the onset
        below = side == "center" and x - left < 2.2
        for row, line in enumerate(text.splitlines(), start=int(below)):
            axes.text(x, low - 0.29 - 0.17 * row, line, ha=side, va="baseline",
                      color=style.INK, size=9.5)  # fmt: skip


def _phase(
    axes: Axes, left: float, right: float, low: float, words: tuple[str, str], *, shaded: bool
) -> None:
    axes.add_patch(Rectangle(
        (left, low), right - left, _HEIGHT, edgecolor=style.INK, lw=1.4, zorder=1,
        facecolor=style.SHADE if shaded else style.PAPER, hatch="///" if shaded else None,
    ))  # fmt: skip
    # a short phase has room for two short lines
    text = (" " if right - left > 1.5 else "\n").join(words)
    axes.text((left + right) / 2, low + _HEIGHT / 2, text, ha="center", va="center", zorder=6,
              color=style.INK, weight="bold",
              bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 2.5})  # fmt: skip


def _moments(circuit: Circuit) -> list[tuple[int, str, str]]:
    """Marks below the rhythm: step, words, and the side of the words that is at the step."""
    ends, time = {}, 0
    for name, length in circuit.phase_steps().items():
        time += length
        ends[name] = time
    answer = next(r for r in circuit.readouts if r.name == circuit.answer)
    read = circuit.population(answer.population).event(answer.event).condition
    marks = [(0, "image on, state reset", "left")]
    marks += [(ends[n], "answer read", "center") for n in ends if f"end_{n}" in read]
    learn = " ".join(
        circuit.population(p.source if w.side == "pre" else p.target).event(w.event).condition
        for p in circuit.projections for w in p.pathways if w.learns
    )  # fmt: skip
    for name, end in ends.items():
        if f"end_{name}" in learn:
            last = end == time
            words = "synapses change" + ",\nnext image" * last
            marks.append((end, words, "right" if last else "center"))
    return marks
