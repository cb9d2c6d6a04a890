"""The panels of the view: traces over time, bars, images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from neurosim.figures import style

__all__ = ["Bars", "Panel", "bar_chart", "field", "picture", "trace_panel"]

_DASHES = ("solid", "dashed", "dotted", "dotdash", [9, 3], "dashdot")
#: Heights of the panels by kind of trace, in pixels.
_HEIGHTS = {"potential": 190, "change": 150, "spikes": 160}
#: One width of the left border keeps the axes of all panels in line.
_LEFT = 62
_GRID = "#d5d5d5"


@dataclasses.dataclass
class Panel:
    """A panel over time, for as many traces as any layer has of a kind.

    Attributes
    ----------
    figure, source, cursor, legend : object
        Models of Bokeh; the legend may be None.
    lines, ghosts : list of object
        Lines of the traces, and of what they are compared with.
    """

    figure: Any
    source: Any
    cursor: Any
    lines: list[Any] = dataclasses.field(default_factory=list)
    ghosts: list[Any] = dataclasses.field(default_factory=list)
    legend: Any = None

    def models(self) -> dict[str, Any]:
        """Models by the names that the script uses.

        Returns
        -------
        dict of str to object
            Models, and lists of models.
        """
        items = [] if self.legend is None else list(self.legend.items)
        return {
            "figure": self.figure,
            "source": self.source,
            "cursor": self.cursor,
            "lines": self.lines,
            "ghosts": self.ghosts,
            "items": items,
            "legend": self.legend,
        }

    def name_phases(self, phases: Sequence[Mapping[str, Any]]) -> None:
        """Write the names of the phases above the panel.

        Parameters
        ----------
        phases : sequence of mapping
            Names, begins and ends in ms.
        """
        names = (f"{p['name']} {p['begin']:g} to {p['end']:g} ms" for p in phases)
        self.figure.title.text = " · ".join(names)

    def add_raster(self) -> dict[str, Any]:
        """Marks of graded spikes of the layer, and a line at the chosen cell.

        Returns
        -------
        dict of str to object
            Models by the names that the script uses.
        """
        from bokeh.models import ColumnDataSource, Legend, LegendItem, Span

        empty: dict[str, list[float]] = {"time": [], "neuron": [], "size": []}
        up, down = (ColumnDataSource(empty, name=name, syncable=False) for name in ("up", "down"))
        where: dict[str, Any] = {"x": "time", "y": "neuron", "size": "size"}
        rising = self.figure.scatter(
            source=up, marker="triangle", color=style.COLOURS[0], line_color=None, **where
        )
        falling = self.figure.scatter(
            source=down, marker="inverted_triangle", line_color=style.COLOURS[1], fill_color=None,
            **where,
        )  # fmt: skip
        own = Span(dimension="width", location=0, line_dash="dotted", line_color=style.INK)
        self.figure.add_layout(own)
        items = [
            LegendItem(label="spike, value up", renderers=[rising]),
            LegendItem(label="spike, value down", renderers=[falling]),
        ]
        self.figure.add_layout(Legend(items=items, **_legend()), "above")
        return {"up": up, "down": down, "own": own, "marks": items}


@dataclasses.dataclass
class Bars:
    """A chart of bars.

    Attributes
    ----------
    figure, source, title : object
        Models of Bokeh.
    """

    figure: Any
    source: Any
    title: Any = None

    def models(self) -> dict[str, Any]:
        """Models by the names that the script uses.

        Returns
        -------
        dict of str to object
            Models.
        """
        return {"figure": self.figure, "source": self.source, "title": self.title}

    @classmethod
    def of_classes(cls, source: Any, classes: Sequence[int]) -> Bars:
        """Prediction beside target.

        Parameters
        ----------
        source : object
            Columns ``class``, ``rate`` and ``target``.
        classes : sequence of int
            Their numbers.

        Returns
        -------
        Bars
            Not visible without classes.
        """
        from bokeh.models import Range1d
        from bokeh.plotting import figure

        made = figure(
            width=155, height=150, toolbar_location=None, tools="", title="answer, target (–)",
            x_range=Range1d(-0.6, len(classes) - 0.4), y_range=Range1d(-0.05, 1.1),
        )  # fmt: skip
        made.vbar("class", width=0.75, top="rate", source=source, color=style.COLOURS[5])
        made.scatter(
            "class", "target", source=source, marker="dash", size=10, line_width=3,
            line_color=style.INK,
        )  # fmt: skip
        _plain(made)
        made.xaxis.ticker = list(classes)[:: max(len(classes) // 5, 1)]
        made.visible = bool(classes)
        return cls(made, source)


def trace_panel(
    kind: str, words: str, count: int, along: Any, phases: Sequence[Mapping[str, Any]]
) -> Panel:
    """A panel over time, its phases shaded.

    Parameters
    ----------
    kind : str
        Kind of the traces; also the panel's name.
    words : str
        Label of the axis.
    count : int
        Most traces that it shows at a time.
    along : bokeh.models.Range1d
        Range of time, one for all panels.
    phases : sequence of mapping
        Names, begins and ends in ms.

    Returns
    -------
    Panel
        Without data.
    """
    from bokeh.models import (
        BoxAnnotation,
        BoxZoomTool,
        ColumnDataSource,
        DataRange1d,
        Legend,
        LegendItem,
        Range1d,
        SaveTool,
        Span,
    )
    from bokeh.plotting import figure

    box = BoxZoomTool(dimensions="width")
    across = Range1d(-1, 1) if kind == "spikes" else DataRange1d(only_visible=True)
    made = figure(
        height=_HEIGHTS.get(kind, 125),
        x_range=along,
        y_range=across,
        sizing_mode="stretch_width",
        tools=[box, SaveTool()],
        active_drag=box,
        toolbar_location=None,
        y_axis_label=words,
        min_border_left=_LEFT,
        min_border_right=12,
        name=f"panel {kind}",
    )
    for number, phase in enumerate(phases):
        shade = style.SHADE if number % 2 else style.PAPER
        made.add_layout(
            BoxAnnotation(left=phase["begin"], right=phase["end"], fill_color=shade, fill_alpha=1,
                          level="image", line_color=None, editable=False)
        )  # fmt: skip
    cursor = Span(dimension="height", line_color=style.INK, location=float("nan"))
    made.add_layout(cursor)
    _plain(made)
    made.xaxis.axis_label = "time in the cycle (ms)"
    # a range needs something to begin with
    columns: dict[str, list[float]] = {"time": [phases[0]["begin"], phases[-1]["end"]]}
    columns |= {f"{letter}{n}": [0.0, 0.0] for n in range(count) for letter in "yc"}
    panel = Panel(made, ColumnDataSource(columns, name=f"drawn {kind}", syncable=False), cursor)
    for number in range(count):
        look = {
            "line_color": style.COLOURS[number % len(style.COLOURS)],
            "line_dash": _DASHES[number % len(_DASHES)],
        }
        ghost = {**look, "line_width": 1.2, "line_dash": [3, 3], "line_alpha": 0.75}
        panel.ghosts.append(made.line("time", f"c{number}", source=panel.source, **ghost))
        panel.lines.append(made.line("time", f"y{number}", source=panel.source, line_width=2,
                                     **look))  # fmt: skip
    for line in (*panel.lines, *panel.ghosts):
        # the script colours them; a server need not know
        line.glyph.syncable = False
    if count:
        items = [LegendItem(label="", renderers=[line]) for line in panel.lines]
        panel.legend = Legend(items=items, **_legend())
        made.add_layout(panel.legend, "above")
    return panel


def _legend() -> dict[str, Any]:
    return {
        "orientation": "horizontal", "label_text_font_size": "9pt", "border_line_color": None,
        "background_fill_alpha": 0, "padding": 0, "margin": 0, "spacing": 10, "glyph_width": 24,
        "label_standoff": 3, "location": "left",
    }  # fmt: skip


def _plain(made: Any) -> None:
    """What all charts have in common."""
    made.grid.grid_line_color = _GRID
    made.axis.axis_label_text_font_style = "normal"
    made.axis.minor_tick_line_color = None
    made.axis.axis_label_text_font_size = "9pt"
    made.axis.axis_label_standoff = 3
    made.title.text_font_style = "normal"
    made.title.text_font_size = "9pt"
    made.yaxis.ticker.desired_num_ticks = 4


def bar_chart(name: str, title: str = "") -> Bars:
    """Bars to the left and right of 0, with names and numbers.

    Parameters
    ----------
    name : str
        Of the source.
    title : str
        Above the bars.

    Returns
    -------
    Bars
        Without data.
    """
    from bokeh.models import ColumnDataSource, Div, FactorRange, LabelSet, Range1d, Span
    from bokeh.plotting import figure

    source = ColumnDataSource(
        {"name": [""], "value": [0.0], "colour": [style.INK], "up": [""], "down": [""]},
        name=name, syncable=False,
    )  # fmt: skip
    made = figure(
        width=290, height=170, toolbar_location=None, tools="", y_range=FactorRange(""),
        x_range=Range1d(-1, 1), name=f"{name} panel",
    )  # fmt: skip
    made.hbar("name", right="value", height=0.7, source=source, color="colour")
    for column, side, offset in (("up", "right", -4), ("down", "left", 4)):
        made.add_layout(
            LabelSet(x=0, y="name", text=column, source=source, text_font_size="8pt",
                     text_align=side, x_offset=offset, text_baseline="middle",
                     text_color=style.INK)
        )  # fmt: skip
    made.add_layout(Span(dimension="height", location=0, line_color=style.INK))
    made.grid.grid_line_color = _GRID
    made.yaxis.minor_tick_line_color = None
    made.xaxis.visible = False
    made.ygrid.visible = False
    return Bars(made, source, Div(text=title))


def picture(source: Any, rows: int, columns: int) -> Any:
    """The image shown.

    Parameters
    ----------
    source : object
        Column ``image``.
    rows, columns : int
        Size of the image in pixels.

    Returns
    -------
    bokeh.plotting.figure
        Dark where the image is bright.
    """
    made = _frame(rows, columns, 130, "image shown")
    greys = [f"#{255 - level:02x}{255 - level:02x}{255 - level:02x}" for level in range(256)]
    made.image("image", source=source, x=0, y=0, dw=columns, dh=rows, palette=greys)
    return made


def field(rows: int, columns: int) -> tuple[dict[str, Any], Any]:
    """The weights from the image to the chosen cell, as an image.

    Parameters
    ----------
    rows, columns : int
        Size of the image in pixels.

    Returns
    -------
    models : dict of str to object
        By the names that the script uses.
    figure : bokeh.plotting.figure
        Where they are.
    """
    import matplotlib as mpl
    from bokeh.models import ColumnDataSource, Div, LinearColorMapper
    from matplotlib.colors import to_hex

    colours = [to_hex(mpl.colormaps[style.SIGNED](level / 255)) for level in range(256)]
    mapper = LinearColorMapper(palette=colours, low=-1, high=1)
    source = ColumnDataSource({"image": []}, name="field", syncable=False)
    made = _frame(rows, columns, 210, "")
    made.image("image", source=source, x=0, y=0, dw=columns, dh=rows, color_mapper=mapper)
    title = Div()
    return {"figure": made, "source": source, "mapper": mapper, "title": title}, made


def _frame(rows: int, columns: int, width: int, title: str) -> Any:
    from bokeh.models import Range1d
    from bokeh.plotting import figure

    made = figure(
        width=width, height=min(width, max(40, width * rows // columns)) + 20,
        toolbar_location=None, tools="", x_range=Range1d(0, columns), y_range=Range1d(0, rows),
        title=title, frame_align=False,
    )  # fmt: skip
    made.axis.visible = False
    made.grid.visible = False
    made.title.text_font_size = "9pt"
    made.title.text_font_style = "normal"
    return made
