"""The parts of a page and their places: panels over time, sliders, image and answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.figures import style
from neurosim.system.traces import TRACE_KINDS
from neurosim.viewer.labels import phase_spans
from neurosim.viewer.page_data import grey_image, page_heading, signed_spikes
from neurosim.viewer.page_scripts import READ, TOGGLE, UPDATE
from neurosim.viewer.source import Source

__all__ = ["PageLayout"]

#: Heights of the panels by kind of trace, in pixels.
_HEIGHTS = {"potential": 190, "rate": 120, "spikes": 150}
#: Width of the legends, in pixels.
_LEGEND = 140
_DASHES = ("solid", "dashed", "dotted", "dotdash", [9, 3], "dashdot")


class PageLayout:
    """The parts of a page while it is put together.

    Parameters
    ----------
    source : Source
        Images and their numbers.
    data : xarray.Dataset
        The layer's traces.
    info : dict of str to object
        What the scripts of the page have to know; see :func:`page_info`.
    start : (int, int)
        Places of the image and the neuron to begin with.
    wanted : sequence of str
        Traces shown at first.
    """

    def __init__(
        self,
        source: Source,
        data: Any,
        info: dict[str, Any],
        start: tuple[int, int],
        wanted: Sequence[str],
    ) -> None:
        from bokeh.models import ColumnDataSource, Div, Range1d, Span

        self.source, self.data, self.info = source, data, info
        self.start, self.wanted = start, wanted
        names, (image, neuron) = info["names"], start
        flat = {n: [np.ascontiguousarray(data[n].values, np.float32).ravel()] for n in names}
        self.everything = ColumnDataSource(flat)
        first = {n: data[n].values[image, :, neuron].astype(float) for n in names}
        self.drawn = ColumnDataSource({"time": data.time.values, **first}, name="drawn")
        self.spans = phase_spans(data)
        self.along = Range1d(
            min(self.spans.values())[0], max(stop for _, stop in self.spans.values())
        )
        self.cursor = Span(dimension="height", line_color=style.INK, location=float("nan"))
        self.up = ColumnDataSource(signed_spikes(data, info, start[0], 1), name="up")
        self.down = ColumnDataSource(signed_spikes(data, info, start[0], -1), name="down")
        self.own = Span(dimension="width", location=info["neurons"][neuron], line_dash="dotted")
        self.heading = Div(
            text=page_heading(info, *start),
            name="heading",
            styles={"font-weight": "bold", "font-size": "15px"},
        )
        self.readout = Div(text="move the pointer over the traces to read them", width=230)
        self.panels: dict[str, Any] = {}
        self.lines: dict[str, Any] = {}
        self.items: dict[str, Any] = {}

    def layout(self) -> Any:
        """Everything in its place, with the scripts that move it."""
        from bokeh.layouts import column, row

        rhythm = self._rhythm()
        for kind in (k for k in TRACE_KINDS if k in self.info["members"]):
            self._add_panel(kind)
        side = self._side()
        body = column(rhythm, *self.panels.values(), self._time_axis(), sizing_mode="stretch_width")
        return column(
            self.heading,
            row(body, side, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
            margin=(4, 14, 4, 4),
        )

    # ------------------------------------------------------------ traces

    def _panel(self, words: str, height: int) -> Any:
        """An empty panel over time, phases shaded."""
        from bokeh.models import BoxAnnotation
        from bokeh.plotting import figure

        made = figure(
            height=height,
            x_range=self.along,
            sizing_mode="stretch_width",
            tools="xpan,xwheel_zoom,reset,save",
            toolbar_location=None,
            y_axis_label=words,
            min_border_left=72,
        )
        for number, (begin, end) in enumerate(self.spans.values()):
            shade = style.SHADE if number % 2 else style.PAPER
            made.add_layout(
                BoxAnnotation(
                    left=begin,
                    right=end,
                    fill_color=shade,
                    fill_alpha=1,
                    level="image",
                    line_color=None,
                )
            )
        made.add_layout(self.cursor)
        made.grid.grid_line_color = "#d5d5d5"
        made.axis.axis_label_text_font_style = "normal"
        made.axis.minor_tick_line_color = None
        made.yaxis.axis_label_text_font_size = "9pt"
        made.xaxis.major_label_text_font_size = "0pt"
        made.yaxis.ticker.desired_num_ticks = 4
        return made

    def _rhythm(self) -> Any:
        made = self._panel("rhythm (1)", 84)
        made.line(
            self.data.time.values,
            self.data.oscillation.values,
            line_color=style.INK,
            line_width=1.5,
        )
        made.yaxis.major_label_text_font_size = "0pt"
        made.yaxis.major_tick_line_color = None
        made.ygrid.visible = False
        made.title.text = " · ".join(f"{n} {a:g} to {b:g} ms" for n, (a, b) in self.spans.items())
        made.title.text_font_style = "normal"
        made.min_border_right = _LEGEND
        return made

    def _add_panel(self, kind: str) -> None:
        """The panel of one kind of traces, with a legend of its own."""
        members = self.info["members"][kind]
        if kind == "spikes":
            made = self._panel("neuron (number)", _HEIGHTS[kind])
            self._add_raster(made, members[0])
        else:
            unit = self.data[members[0]].attrs["units"]
            made = self._panel(f"{TRACE_KINDS[kind]} ({unit})", _HEIGHTS.get(kind, 110))
            for number, name in enumerate(members):
                self._add_line(made, number, name)
        made.visible = any(name in self.wanted for name in members)
        legend = made.legend[0]
        legend.update(
            label_text_font_size="8pt",
            background_fill_alpha=0,
            border_line_color=None,
            padding=2,
            margin=2,
            spacing=0,
            # legends of one width keep the panels' axes aligned
            glyph_width=28,
            label_width=100,
        )
        for item, name in zip(legend.items, members, strict=False):
            self.items[name] = item
            item.visible = name in self.wanted
        made.add_layout(legend, "right")
        self.panels[kind] = made

    def _add_line(self, panel: Any, number: int, name: str) -> None:
        self.lines[name] = panel.line(
            "time",
            name,
            source=self.drawn,
            line_width=2,
            line_color=style.COLOURS[number % len(style.COLOURS)],
            line_dash=_DASHES[number % len(_DASHES)],
            legend_label=name.replace("_", " "),
            visible=name in self.wanted,
            name=name,
        )

    def _add_raster(self, panel: Any, name: str) -> None:
        marks: dict[str, Any] = {"x": "time", "y": "neuron", "size": "size"}
        self.lines[name] = panel.scatter(
            source=self.up,
            marker="triangle",
            color=style.COLOURS[0],
            legend_label="spike, rate up",
            **marks,
        )
        panel.scatter(
            source=self.down,
            marker="inverted_triangle",
            line_color=style.COLOURS[1],
            fill_color=None,
            legend_label="spike, rate down",
            **marks,
        )
        panel.add_layout(self.own)

    def _time_axis(self) -> Any:
        """The axis below the last panel, whichever that is."""
        from bokeh.models import Range1d
        from bokeh.plotting import figure

        made = figure(
            height=52,
            x_range=self.along,
            y_range=Range1d(0, 1),
            sizing_mode="stretch_width",
            toolbar_location=None,
            tools="",
            x_axis_label="time in the cycle (ms)",
            outline_line_color=None,
            min_border_left=72,
            min_border_right=_LEGEND,
        )
        made.line([self.along.start, self.along.end], [-1, -1])
        made.yaxis.visible = False
        made.grid.visible = False
        made.xaxis.axis_label_text_font_style = "normal"
        return made

    # ------------------------------------------------------------ beside them

    def _side(self) -> Any:
        """Sliders, image, answer, checkboxes and the values at the cursor."""
        from bokeh.layouts import column

        numbers = self.info["neurons"]
        images = self._slider("image", self.start[0], self.source.ids)
        neurons = self._slider("neuron", self.start[1], numbers)
        picture, shown_image, pictures = self._picture()
        bars, answer = self._answer()
        checks = self._checks()
        update = {
            "image_slider": images,
            "neuron_slider": neurons,
            "traces": self.drawn,
            "all": self.everything,
            "info": self.info,
            "up_spikes": self.up,
            "down_spikes": self.down,
            "own": self.own,
            "picture": shown_image,
            "pictures": pictures,
            "answer": answer,
            "heading": self.heading,
        }
        for slider in (images, neurons):
            slider.js_on_change("value", _script(UPDATE, update))
        read = {
            "traces": self.drawn,
            "info": self.info,
            "cursor": self.cursor,
            "readout": self.readout,
            "checks": checks,
        }
        for made in self.panels.values():
            made.js_on_event("mousemove", _script(READ, read))
        return column(images, neurons, picture, bars, checks, self.readout, width=250)

    @staticmethod
    def _slider(name: str, value: int, numbers: Sequence[int]) -> Any:
        from bokeh.models import Slider

        return Slider(
            start=0,
            end=max(len(numbers) - 1, 1),
            step=1,
            value=value,
            disabled=len(numbers) == 1,
            title=f"{name} {numbers[value]}",
            show_value=False,
            sizing_mode="stretch_width",
            name=name,
        )

    def _checks(self) -> Any:
        from bokeh.models import CheckboxGroup

        names = self.info["names"]
        checks = CheckboxGroup(
            labels=[n.replace("_", " ") for n in names],
            active=[names.index(n) for n in self.wanted],
            name="checks",
        )
        toggle = {
            "checks": checks,
            "info": self.info,
            "lines": self.lines,
            "items": self.items,
            "panels": self.panels,
        }
        checks.js_on_change("active", _script(TOGGLE, toggle))
        return checks

    def _picture(self) -> tuple[Any, Any, Any]:
        """The image shown, its source, and the source of all images."""
        from bokeh.models import ColumnDataSource, Range1d
        from bokeh.plotting import figure

        greys = [grey_image(self.source, pixels) for pixels in self.data.stimulus.values]
        shown = ColumnDataSource({"image": [greys[self.start[0]]]}, name="picture")
        rows, columns = greys[0].shape
        made = figure(
            width=190,
            height=190,
            toolbar_location=None,
            tools="",
            x_range=Range1d(0, columns),
            y_range=Range1d(0, rows),
            match_aspect=True,
            title="image shown",
        )
        made.axis.visible = False
        made.grid.visible = False
        made.title.text_font_size = "9pt"
        made.image("image", source=shown, x=0, y=0, dw=columns, dh=rows, palette=_greys())
        return made, shown, ColumnDataSource({"image": greys})

    def _answer(self) -> tuple[Any, Any]:
        """Prediction beside target, and its source."""
        from bokeh.models import ColumnDataSource, Range1d
        from bokeh.plotting import figure

        classes, place = self.info["classes"], self.start[0]
        answers, targets = self.info["answers"][place], self.info["targets"][place]
        source = ColumnDataSource(
            {"class": classes, "rate": answers, "target": targets}, name="answer"
        )
        made = figure(
            width=240,
            height=190,
            toolbar_location=None,
            tools="",
            y_range=Range1d(-0.05, 1.1),
            x_axis_label="class (number)",
            y_axis_label="rate (1)",
            title="answer (bars), target (dashes)",
        )
        made.vbar("class", width=0.75, top="rate", source=source, color=style.COLOURS[5])
        made.scatter(
            "class", "target", source=source, marker="dash", size=16, line_width=3, color=style.INK
        )
        made.axis.axis_label_text_font_style = "normal"
        made.axis.minor_tick_line_color = None
        made.xaxis.ticker = classes[:: max(len(classes) // 10, 1)]
        made.title.text_font_size = "9pt"
        made.visible = bool(classes)
        return made, source


def _script(code: str, names: dict[str, Any]) -> Any:
    from bokeh.models import CustomJS

    return CustomJS(args=names, code=code)


def _greys() -> list[str]:
    return [f"#{255 - level:02x}{255 - level:02x}{255 - level:02x}" for level in range(256)]
