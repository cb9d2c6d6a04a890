"""The view as one file: a page with sliders that needs no network and no Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import DataError, near_matches
from neurosim.figures import style
from neurosim.files import replace_file
from neurosim.recording import select_layer
from neurosim.system.traces import TRACE_KINDS
from neurosim.viewer.picture import phase_spans, trace_names
from neurosim.viewer.source import Source, make_look, place_of

__all__ = ["MOST_VALUES", "write_page"]

#: Most recorded numbers a page holds; browsers get slow beyond.
MOST_VALUES = 12_000_000
_HEIGHTS = {"potential": 190, "rate": 120, "spikes": 150}
#: Width of the legends, in pixels.
_LEGEND = 140
_DASHES = ("solid", "dashed", "dotted", "dotdash", [9, 3], "dashdot")

#: Puts the slice of the image and neuron chosen into what is drawn.
_UPDATE = """
const image = image_slider.value, cell = neuron_slider.value;
const steps = shape.steps, cells = shape.cells;
const drawn = {time: traces.data.time};
for (const name of shape.names) {
  const values = all.data[name][0], column = new Array(steps);
  for (let s = 0; s < steps; s++)
    column[s] = values[(image * steps + s) * cells + cell];
  drawn[name] = column;
}
traces.data = drawn;
if (shape.spikes) {
  const values = all.data[shape.spikes][0];
  const up = {time: [], neuron: [], size: []}, down = {time: [], neuron: [], size: []};
  let largest = 1e-12;
  const begin = image * steps * cells;
  for (let n = begin; n < begin + steps * cells; n++)
    largest = Math.max(largest, Math.abs(values[n]));
  for (let s = 0; s < steps; s++)
    for (let c = 0; c < cells; c++) {
      const value = values[begin + s * cells + c];
      if (value === 0) continue;
      const side = value > 0 ? up : down;
      side.time.push(drawn.time[s]);
      side.neuron.push(shape.neurons[c]);
      side.size.push(2.5 + 7 * Math.sqrt(Math.abs(value) / largest));
    }
  up_spikes.data = up;
  down_spikes.data = down;
  own.location = shape.neurons[cell];
}
picture.data = {image: [pictures.data.image[image]]};
answer.data = {class: shape.classes, rate: shape.answers[image], target: shape.targets[image]};
image_slider.title = "image " + shape.ids[image];
neuron_slider.title = "neuron " + shape.neurons[cell];
heading.text = shape.title.replace("{neuron}", shape.neurons[cell])
  .replace("{image}", shape.ids[image]) + " &mdash; " + shape.words[image];
"""

_TOGGLE = """
const shown = new Set(checks.active.map(n => shape.names[n]));
for (const name of shape.names) {
  lines[name].visible = shown.has(name);
  items[name].visible = shown.has(name);
}
for (const [name, members] of Object.entries(shape.members))
  panels[name].visible = members.some(member => shown.has(member));
"""

_READ = """
const time = cb_obj.x, times = traces.data.time;
let best = 0;
for (let s = 1; s < times.length; s++)
  if (Math.abs(times[s] - time) < Math.abs(times[best] - time)) best = s;
cursor.location = times[best];
const shown = new Set(checks.active.map(n => shape.names[n]));
let text = "<b>" + times[best] + " ms, " + shape.phases[best] + "</b><table>";
for (const name of shape.names)
  if (shown.has(name))
    text += "<tr><td>" + name.replace("_", " ") + "</td><td style='text-align:right;" +
      "padding-left:1em'>" + Number(traces.data[name][best]).toPrecision(4) + "</td></tr>";
readout.text = text + "</table>";
"""


def write_page(
    source: Source,
    path: str | Path,
    *,
    layer: int | None = None,
    neurons: Sequence[int] | None = None,
    image: int | None = None,
    neuron: int | None = None,
    traces: Sequence[str] | None = None,
    nudged: bool = True,
) -> Path:
    """Write a page of one layer: sliders for image and neuron, checkboxes for traces.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    path : str or Path
        The HTML file; replaced if it exists.
    layer : int, optional
        The layer; the first above the input by default.
    neurons : sequence of int, optional
        Neurons the page holds; all by default.
    image, neuron : int, optional
        Numbers to begin with.
    traces : sequence of str, optional
        Traces shown at first; the system's choice by default.
    nudged : bool
        With False, only the free phase.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        If there is no such layer, neuron or image, or the page would be too large.
    """
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    recording = source.recording(source.beta)
    chosen = _chosen_layer(source, layer)
    data = select_layer(recording, chosen)
    if not nudged:
        data = data.sel(time=data.phase == data.phase.values[0])
    data = _chosen_neurons(source, data, neurons)
    values = len(trace_names(data)) * int(
        np.prod([data.sizes[d] for d in ("image", "time", "neuron")])
    )
    if values > MOST_VALUES:
        raise DataError(
            f"a page of {values:,} values is too large for a browser (at most {MOST_VALUES:,}); "
            "choose fewer images (--images 0-9) or neurons (--neurons 0-99)"
        )
    shape = _shape(source, recording, data, chosen)
    start = (
        _start(source, image, source.ids, "image"),
        _start(source, neuron, shape["neurons"], "neuron"),
    )
    page = _Page(source, data, shape, start, _wanted(data, shape["names"], traces))
    text = file_html(page.layout(), INLINE, title=f"neurosim view, layer {chosen}")
    target = Path(path)
    try:
        replace_file(target, text.encode())
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _chosen_layer(source: Source, layer: int | None) -> int:
    if layer is None:
        return next((n for n in source.layers if n > 0), source.layers[0])
    place_of(layer, source.layers, "layer", live=source.live)
    return layer


def _chosen_neurons(source: Source, data: Any, neurons: Sequence[int] | None) -> Any:
    if neurons is None:
        return data
    if len(set(neurons)) != len(neurons):
        raise DataError("neurons: a number is given twice")
    there = data.neuron.values.tolist()
    return data.isel(
        neuron=[place_of(number, there, "neuron", live=source.live) for number in neurons]
    )


def _start(source: Source, number: int | None, numbers: list[int], what: str) -> int:
    return 0 if number is None else place_of(number, numbers, what, live=source.live)


def _wanted(data: Any, names: Sequence[str], traces: Sequence[str] | None) -> list[str]:
    if traces is None:
        return [name for name in names if data[name].attrs["shown"]]
    for name in traces:
        if name not in names:
            raise DataError(f"no trace {name!r} in this layer; {near_matches(name, names)}")
    return list(traces)


def _shape(source: Source, recording: Any, data: Any, layer: int) -> dict[str, Any]:
    """What the page has to know beside the traces, as plain values."""
    looks = [make_look(recording, layer, place) for place in range(len(source.ids))]
    names = trace_names(data)
    of_kind = {n: data[n].attrs["kind"] for n in names}
    beta = f", nudge β = {data.attrs.get('beta', 1):g}" if data.attrs.get("nudged") else ""
    classes = len(looks[0].answer) if looks[0].answer is not None else 0
    blank = [0.0] * classes

    def listed(values: Any) -> list[float]:
        return blank if values is None else [round(float(v), 6) for v in values]

    return {
        "names": names,
        "members": {
            k: [n for n in names if of_kind[n] == k] for k in dict.fromkeys(of_kind.values())
        },
        "spikes": next((n for n in names if of_kind[n] == "spikes"), ""),
        "steps": data.sizes["time"],
        "cells": data.sizes["neuron"],
        "neurons": data.neuron.values.tolist(),
        "phases": data.phase.values.tolist(),
        "ids": source.ids,
        "classes": list(range(classes)),
        "answers": [listed(look.answer) for look in looks],
        "targets": [listed(look.target) for look in looks],
        "words": [
            ("" if look.label is None else f"label {look.label}, ") + f"predicted {look.prediction}"
            for look in looks
        ],
        "title": (
            f"{data.attrs['system']}: neuron {{neuron}} of layer {layer} "
            f"({data.attrs['role'] or data.attrs['population']}), image {{image}}{beta}"
        ),
    }


def _grey(source: Source, pixels: Any) -> Any:
    """An image as rows from the bottom up, brightness only."""
    values = np.asarray(pixels, dtype=np.float32).reshape(source.image_shape)
    if values.ndim == 3:
        values = values.mean(axis=0)
    return np.ascontiguousarray(values[::-1])


class _Page:
    """The parts of a page while it is put together.

    Parameters
    ----------
    source : Source
        Images and their numbers.
    data : xarray.Dataset
        The layer's traces.
    shape : dict
        What the scripts of the page have to know; see :func:`_shape`.
    start : (int, int)
        Places of the image and the neuron to begin with.
    wanted : sequence of str
        Traces shown at first.
    """

    def __init__(
        self,
        source: Source,
        data: Any,
        shape: dict[str, Any],
        start: tuple[int, int],
        wanted: Sequence[str],
    ) -> None:
        from bokeh.models import ColumnDataSource, Div, Range1d, Span

        self.source, self.data, self.shape = source, data, shape
        self.start, self.wanted = start, wanted
        names, (image, neuron) = shape["names"], start
        flat = {n: [np.ascontiguousarray(data[n].values, np.float32).ravel()] for n in names}
        self.everything = ColumnDataSource(flat)
        first = {n: data[n].values[image, :, neuron].astype(float) for n in names}
        self.drawn = ColumnDataSource({"time": data.time.values, **first}, name="drawn")
        self.spans = phase_spans(data)
        self.along = Range1d(
            min(self.spans.values())[0], max(stop for _, stop in self.spans.values())
        )
        self.cursor = Span(dimension="height", line_color=style.INK, location=float("nan"))
        self.up = ColumnDataSource(_events(data, shape, start[0], 1), name="up")
        self.down = ColumnDataSource(_events(data, shape, start[0], -1), name="down")
        self.own = Span(dimension="width", location=shape["neurons"][neuron], line_dash="dotted")
        self.heading = Div(
            text=_heading(shape, start),
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
        for kind in (k for k in TRACE_KINDS if k in self.shape["members"]):
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
        members = self.shape["members"][kind]
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

        numbers = self.shape["neurons"]
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
            "shape": self.shape,
            "up_spikes": self.up,
            "down_spikes": self.down,
            "own": self.own,
            "picture": shown_image,
            "pictures": pictures,
            "answer": answer,
            "heading": self.heading,
        }
        for slider in (images, neurons):
            slider.js_on_change("value", _script(_UPDATE, update))
        read = {
            "traces": self.drawn,
            "shape": self.shape,
            "cursor": self.cursor,
            "readout": self.readout,
            "checks": checks,
        }
        for made in self.panels.values():
            made.js_on_event("mousemove", _script(_READ, read))
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

        names = self.shape["names"]
        checks = CheckboxGroup(
            labels=[n.replace("_", " ") for n in names],
            active=[names.index(n) for n in self.wanted],
            name="checks",
        )
        toggle = {
            "checks": checks,
            "shape": self.shape,
            "lines": self.lines,
            "items": self.items,
            "panels": self.panels,
        }
        checks.js_on_change("active", _script(_TOGGLE, toggle))
        return checks

    def _picture(self) -> tuple[Any, Any, Any]:
        """The image shown, its source, and the source of all images."""
        from bokeh.models import ColumnDataSource, Range1d
        from bokeh.plotting import figure

        greys = [_grey(self.source, pixels) for pixels in self.data.stimulus.values]
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

        classes, place = self.shape["classes"], self.start[0]
        answers, targets = self.shape["answers"][place], self.shape["targets"][place]
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


def _heading(shape: dict[str, Any], start: tuple[int, int]) -> str:
    title = shape["title"].replace("{neuron}", str(shape["neurons"][start[1]]))
    title = title.replace("{image}", str(shape["ids"][start[0]]))
    return f"{title} &mdash; {shape['words'][start[0]]}"


def _events(data: Any, shape: dict[str, Any], image: int, sign: int) -> dict[str, Any]:
    """Graded spikes of one sign, as the script of the sliders picks them."""
    if not shape["spikes"]:
        return {"time": [], "neuron": [], "size": []}
    values = data[shape["spikes"]].values[image].astype(float)
    largest = max(float(np.abs(values).max()), 1e-12)
    steps, cells = np.nonzero(sign * values > 0)
    return {
        "time": data.time.values[steps],
        "neuron": data.neuron.values[cells],
        "size": 2.5 + 7 * np.sqrt(np.abs(values[steps, cells]) / largest),
    }


def _greys() -> list[str]:
    return [f"#{255 - level:02x}{255 - level:02x}{255 - level:02x}" for level in range(256)]
