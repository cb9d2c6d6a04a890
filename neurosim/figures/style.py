"""The one style sheet of all figures: colours, lines, markers, sizes.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. Series
differ in line style and marker as well, so a figure can be read in black and white.
Figures are made without pyplot: they need no display and leave no global state. The
user's matplotlibrc changes nothing in them.

Examples
--------
>>> from neurosim.figures import style
>>> with style.applied():
...     figure, (axes,) = style.new_figure(1)
...     _ = axes.plot([0, 1], [1, 3], **style.series(0), label="test")
...     style.label(axes, "training", "epoch", "accuracy", "%")
>>> axes.get_ylabel()
'accuracy (%)'
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = [
    "CLASS_COLOURS",
    "COLOURS",
    "HATCHES",
    "INK",
    "LINES",
    "MARKERS",
    "PAPER",
    "PUBLISHED",
    "RC",
    "SEQUENTIAL",
    "SHADE",
    "SIGNED",
    "StyledFigure",
    "applied",
    "empty_figure",
    "label",
    "new_figure",
    "series",
    "shade_phases",
]

#: Okabe and Ito's palette, ordered so that neighbours differ in lightness too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: Ten colours for ten classes, most of Tol's muted scheme; every class has a number as well.
CLASS_COLOURS = ("#332288", "#56B4E9", "#117733", "#E69F00", "#CC6677", "#882255", "#44AA99",
                 "#999933", "#AA4499", "#555555")  # fmt: skip
#: Line styles and markers that go with :data:`COLOURS`, one by one.
LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1.3)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (9, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 4)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Hatches of filled areas and bars, one per colour.
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++")
INK, PAPER, SHADE = "#222222", "#ffffff", "#ececec"
#: Colour maps for values from zero up, and for values of both signs; lightness rises evenly.
SEQUENTIAL, SIGNED = "cividis", "PuOr_r"

#: Look of published points: open marks, which do not hide a measured line.
PUBLISHED: Mapping[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 1.1,
    "markersize": 6.5,
    "zorder": 4,
}

#: What differs from matplotlib's defaults inside :func:`applied`.
RC: Mapping[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "grid.color": "#d5d5d5",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "hatch.linewidth": 0.6,
    "image.cmap": SEQUENTIAL,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "savefig.facecolor": PAPER,
    # the same figure gives the same file, and looks the same on a machine without the font
    "svg.hashsalt": "neurosim",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}

_PANEL = (4.3, 3.2)


@contextmanager
def applied(changes: Mapping[Any, Any] | None = None) -> Iterator[None]:
    """Let matplotlib's defaults and then :data:`RC` hold inside a ``with`` block.

    Whatever the user's matplotlibrc or program has set holds again after the block.
    Which backend draws stays the user's choice throughout.

    Parameters
    ----------
    changes : mapping, optional
        Settings of matplotlib that take precedence over :data:`RC`.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**RC, **(changes or {})})
        yield


class StyledFigure(Figure):
    """A figure that is drawn and saved in this style, whoever draws it and whenever.

    Matplotlib makes the labels of ticks when it draws, and reads the settings of that
    moment. With a plain figure, they would follow the user's matplotlibrc.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw the figure in the style.

        Parameters
        ----------
        renderer : matplotlib.backend_bases.RendererBase
            What to draw with.
        """
        with applied():
            super().draw(renderer)

    def savefig(self, *arguments: Any, **keywords: Any) -> None:
        """Save the figure in the style.

        Parameters
        ----------
        *arguments, **keywords
            As for :meth:`matplotlib.figure.Figure.savefig`.
        """
        with applied():
            super().savefig(*arguments, **keywords)


def empty_figure(width: float, height: float, **layout: Any) -> StyledFigure:
    """Make a figure without panels, without pyplot.

    Parameters
    ----------
    width, height : float
        Size in inches.
    **layout
        Handed to :class:`matplotlib.figure.Figure`, e.g. ``layout="constrained"``.

    Returns
    -------
    StyledFigure
        With a canvas of its own, ready for ``savefig``.
    """
    with applied():
        figure = StyledFigure(figsize=(width, height), **layout)
        FigureCanvasAgg(figure)
    return figure


def new_figure(
    panels: int = 1,
    *,
    columns: int = 0,
    panel: tuple[float, float] = _PANEL,
    **gridspec: Any,
) -> tuple[StyledFigure, tuple[Axes, ...]]:
    """Make a figure with a row (or rows) of panels, without pyplot.

    Parameters
    ----------
    panels : int
        Number of panels.
    columns : int
        Panels in a row; 0 puts all into one.
    panel : (float, float)
        Width and height of one panel in inches.
    **gridspec
        Handed to :meth:`matplotlib.figure.Figure.subplots`, e.g. ``sharex=True``.

    Returns
    -------
    figure : StyledFigure
        With a canvas of its own, ready for ``savefig``.
    axes : tuple of matplotlib.axes.Axes
        One per panel, row by row.
    """
    wide = columns or panels
    rows = math.ceil(panels / wide)
    figure = empty_figure(panel[0] * wide, panel[1] * rows, layout="constrained")
    with applied():
        axes = tuple(figure.subplots(rows, wide, squeeze=False, **gridspec).flat)
        for empty in axes[panels:]:
            empty.remove()
    return figure, axes[:panels]


def series(number: int, *, markers: bool = True) -> dict[str, Any]:
    """Colour, line style and marker of a series, as keywords of ``Axes.plot``.

    Parameters
    ----------
    number : int
        Place of the series in its panel, from 0; after the last colour the first comes again,
        with another line and marker, hollow every second time.
    markers : bool
        Whether to mark the points.

    Returns
    -------
    dict of str to object
        Keywords.
    """
    again, place = divmod(number, len(COLOURS))
    look: dict[str, Any] = {
        "color": COLOURS[place],
        "linestyle": LINES[(place + 2 * again) % len(LINES)],
    }
    if markers:
        look["marker"] = MARKERS[(place + 3 * again) % len(MARKERS)]
        if again % 2:
            look["fillstyle"] = "none"
    return look


def label(axes: Axes, title: str, x: str, y: str, y_unit: str = "", *, x_unit: str = "") -> None:
    """Set the title of a panel and the labels of its axes, units in brackets.

    Parameters
    ----------
    axes : Axes
        The panel.
    title : str
        Title; empty for none.
    x, y : str
        Names of the quantities.
    y_unit, x_unit : str
        Units; empty for a dimensionless quantity, a count or an index.
    """
    with applied():
        axes.set_title(title)
        axes.set_xlabel(f"{x} ({x_unit})" if x_unit else x)
        axes.set_ylabel(f"{y} ({y_unit})" if y_unit else y)


def shade_phases(
    axes: Axes, phases: Mapping[str, float], *, start: float = 0.0, named: bool = True
) -> dict[str, tuple[float, float]]:
    """Shade every second phase of a cycle behind the traces of a panel.

    Parameters
    ----------
    axes : Axes
        A panel over time.
    phases : mapping of str to float
        Lengths by name, in order, in the unit of the x axis; phases of length 0
        are left out.
    start : float
        Where the first phase begins.
    named : bool
        Write the names of the phases above the panel.

    Returns
    -------
    dict of str to (float, float)
        Begin and end of each phase.
    """
    spans: dict[str, tuple[float, float]] = {}
    for name, length in phases.items():
        if length > 0:
            spans[name] = (start, start + length)
            start += length
    with applied():
        for number, (name, (left, right)) in enumerate(spans.items()):
            if number % 2:
                axes.axvspan(left, right, facecolor=SHADE, edgecolor="none", zorder=0)
            if named:
                _name_above(axes, name, (left + right) / 2)
    return spans


def _name_above(axes: Axes, name: str, place: float) -> None:
    """Write a name above a panel, centred at a place of its x axis."""
    axes.annotate(
        name,
        (place, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=RC["legend.fontsize"],
    )
