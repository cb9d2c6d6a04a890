"""Elements of pictures of circuits: words, boxes, lines and the marks at their ends."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

from neurosim.figures import style

__all__ = ["Look", "Point", "box", "draw_line", "mark_learning", "mark_window", "sensory", "write"]

Point = tuple[float, float]
#: A quarter of the side of the mark of local connections.
WINDOW_CELL = 0.065


@dataclasses.dataclass(frozen=True)
class Look:
    """How a connection is drawn.

    Attributes
    ----------
    colour : str
        Of line and marks.
    line : Any
        Line style, as matplotlib takes it.
    end : str
        ``"arrow"`` or ``"bar"``.
    """

    colour: str
    line: Any
    end: str = "arrow"


def write(axes: Axes, x: float, y: float, text: str, *, ha: str = "center", **how: Any) -> None:
    """Write words at a point, above everything else.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; one unit is as long in both directions.
    x, y : float
        The point.
    text : str
        One line or several.
    ha : str
        ``"center"``, ``"left"`` or ``"right"``: the part of the words that is at ``x``.
    **how
        More of ``Axes.text``, such as ``weight``.
    """
    axes.text(x, y, text, ha=ha, va="center", zorder=6, color=style.INK, linespacing=1.15, **how)


def box(axes: Axes, centre: Point, half: Point, text: str, fill: str) -> None:
    """Draw a rounded box with words in it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    centre, half : tuple of float
        Middle of the box, and half its width and height.
    text : str
        The words.
    fill : str
        Colour of the box.
    """
    corner = (centre[0] - half[0], centre[1] - half[1])
    axes.add_patch(FancyBboxPatch(
        corner, 2 * half[0], 2 * half[1], boxstyle="round,pad=0,rounding_size=0.22",
        facecolor=fill, edgecolor=style.INK, linewidth=1.6, zorder=3,
    ))  # fmt: skip
    write(axes, *centre, text)


def sensory(axes: Axes, x: float, y: float, caption: str) -> None:
    """Draw the input as a small picture.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    x, y : float
        Its middle.
    caption : str
        Words below.
    """
    side, cells = 1.0, 5
    rows, columns = np.mgrid[0:cells, 0:cells] - (cells - 1) / 2
    grain = 0.08 * np.random.default_rng(3).random((cells, cells))
    ring = np.clip(np.exp(-((np.hypot(rows, columns) - 1.5) ** 2) / 0.6) + grain, 0, 1)
    left, low = x - side / 2, y - side / 2
    for (row, column), value in np.ndenumerate(ring):
        corner = (left + column * side / cells, low + row * side / cells)
        grey = str(round(1 - 0.85 * float(value), 2))
        axes.add_patch(Rectangle(corner, side / cells, side / cells, facecolor=grey,
                                 edgecolor=style.PAPER, lw=0.5, zorder=3))  # fmt: skip
    axes.add_patch(Rectangle((left, low), side, side, fill=False, edgecolor=style.INK, lw=1.6,
                             zorder=4))  # fmt: skip
    write(axes, x, y - 0.68, caption, weight="bold")


def draw_line(
    axes: Axes, points: Sequence[Point], look: Look, *, plastic: bool, both: bool = False
) -> None:
    """Draw a connection with marks at its ends.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    points : sequence of tuple of float
        Corners from source to target, two or more.
    look : Look
        Colour, line and kind of end.
    plastic : bool
        Whether it learns; an open circle marks that.
    both : bool
        Whether it carries signal both ways, and so has marks at both ends.
    """
    x, y = np.transpose(points)
    axes.plot(x, y, color=look.colour, linestyle=look.line, linewidth=2.2, zorder=2)
    _end(axes, points, look)
    if both:
        _end(axes, points[::-1], look)
    if plastic:
        mark_learning(axes, _near_end(points), look.colour)


def _end(axes: Axes, points: Sequence[Point], look: Look) -> None:
    (x0, y0), (x1, y1) = points[-2:]
    length = float(np.hypot(x1 - x0, y1 - y0))
    along = ((x1 - x0) / length, (y1 - y0) / length)
    across = (-along[1], along[0])
    if look.end == "bar":
        ends = [(x1 + s * 0.1 * across[0], y1 + s * 0.1 * across[1]) for s in (-1, 1)]
        axes.plot(*np.transpose(ends), color=look.colour, linewidth=4, zorder=4,
                  solid_capstyle="butt")  # fmt: skip
        return
    corners = [
        (x1, y1),
        (x1 - 0.22 * along[0] + 0.11 * across[0], y1 - 0.22 * along[1] + 0.11 * across[1]),
        (x1 - 0.22 * along[0] - 0.11 * across[0], y1 - 0.22 * along[1] - 0.11 * across[1]),
    ]
    axes.add_patch(Polygon(corners, color=look.colour, zorder=4, linewidth=0))


def mark_learning(axes: Axes, centre: Point, colour: str) -> None:
    """Draw the open circle that marks a connection that learns.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    centre : tuple of float
        Middle of the circle.
    colour : str
        Colour of the connection.
    """
    axes.add_patch(Circle(centre, 0.105, facecolor=style.PAPER, edgecolor=colour, lw=2, zorder=5))


def mark_window(axes: Axes, points: Sequence[Point], colour: str) -> None:
    """Draw an image with a window in it: the mark of a connection whose synapses are local.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    points : sequence of tuple of float
        Corners of the connection; the mark lies on its longest stretch.
    colour : str
        Colour of the connection.
    """
    ends = max(itertools.pairwise(points), key=lambda ends: math.dist(*ends))
    x, y = np.mean(ends, axis=0)
    left, low, cell = x - 2 * WINDOW_CELL, y - 2 * WINDOW_CELL, WINDOW_CELL
    axes.add_patch(Rectangle((left, low), 4 * cell, 4 * cell, facecolor=style.PAPER,
                             edgecolor=colour, lw=1.2, zorder=5))  # fmt: skip
    axes.add_patch(Rectangle((left + cell, low + 2 * cell), 2 * cell, 2 * cell, facecolor=colour,
                             lw=0, zorder=5))  # fmt: skip


def _near_end(points: Sequence[Point]) -> Point:
    """A point on the last straight stretch that has room for a mark beside the arrow head."""
    for (x0, y0), (x1, y1) in zip(points[-2::-1], points[:0:-1], strict=True):
        length = float(np.hypot(x1 - x0, y1 - y0))
        if length > 0.55:
            back = min(0.42, length / 2) / length
            return (x1 + back * (x0 - x1), y1 + back * (y0 - y1))
    return points[0]
