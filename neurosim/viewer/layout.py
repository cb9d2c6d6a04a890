"""The one application behind page, notebook and server: parts, places, callbacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.figures import style
from neurosim.system.traces import TRACE_KINDS
from neurosim.viewer.data import Gathered
from neurosim.viewer.panels import Bars, Panel, bar_chart, field, picture, trace_panel
from neurosim.viewer.source import Source

__all__ = ["Application"]

#: The frame of the page: one that fits telephones.
_TEMPLATE = """\
{% block preamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body { margin: 0 8px; font-family: sans-serif; }</style>
{% endblock %}
"""
_WRAP = ":host { display: flex; flex-flow: row wrap; gap: 4px 2px; align-items: flex-end; }"
#: Two columns, and one below this width.
_COLUMNS = """
:host { display: grid; grid-template-columns: minmax(0, 1fr) 300px; gap: 12px; }
@media (max-width: 760px) { :host { grid-template-columns: minmax(0, 1fr); } }
"""
_CHECKS = ".bk-input-group { flex-wrap: wrap; row-gap: 4px; }"
#: The numbers stay in sight while the page is scrolled.
_STICKY = ":host { position: sticky; top: 0; z-index: 9; background: white; padding: 3px 0; }"
_PLAIN = """
<details{opened}><summary>What do I see?</summary>
<p>One cell of the network while an image is shown to it. Time runs to the right; each phase of the
cycle has its own shade. The cell with which the view opens is the one that moves most once the
first phase is over, and the list of cells is sorted by that: the number beside each says how far.
</p><p>The upper panels show what the cell does, in the words of its model; &ldquo;change&rdquo; is
what it does from the end of the first phase on. The bars say who sends to it, at the time of the
vertical mark or as a change since the first phase, and which of its synapses an update from this
image alone would change. Drag over a panel with the mouse to zoom, or take the buttons; a double
click or &ldquo;whole cycle&rdquo; brings all back. With a finger, tap a panel to set the mark.
</p><p>Keys: left, right image &middot; up, down cell &middot; page up, page down layer &middot;
space play &middot; comma, full stop a step in time &middot; z zoom to the last phase &middot; r the
whole cycle.</p></details>
"""


class Application:
    """The view of some images: parts, their places, and what they do in the browser.

    Parameters
    ----------
    source : Source
        Images and their numbers.
    gathered : Gathered
        What is shown.
    start : mapping of str to object
        ``"image"``, ``"layer"`` (positions), ``"cell"`` (position or None) and ``"traces"``
        (names or None) to begin with.
    other : Gathered, optional
        The same images and cells in another recording, to compare with.
    live : bool
        Whether a server stands behind the page, which can show images anew.

    Attributes
    ----------
    models : dict of str to object
        Models of Bokeh by name.
    root : object
        All of them, in their places.
    """

    def __init__(
        self,
        source: Source,
        gathered: Gathered,
        start: Mapping[str, Any],
        *,
        other: tuple[str, Gathered] | None = None,
        live: bool = False,
    ) -> None:
        from bokeh.models import ColumnDataSource, Div, Range1d

        self.source, self.gathered, self.live = source, gathered, live
        facts = {**gathered.facts, "start": dict(start)}
        if other is not None:
            facts["other"] = {"name": other[0]}
        spans = facts["phases"]
        self._facts = facts
        whole = (spans[0]["begin"], spans[-1]["end"])
        along = Range1d(*whole, bounds=whole)
        self.models: dict[str, Any] = {
            "facts": ColumnDataSource({"json": [json.dumps(facts)]}, syncable=False),
            "run": _store(gathered.run),
            "tried": ColumnDataSource({"image": []}, name="tried"),
            "other": _store({} if other is None else other[1].run),
            "synapses": _store(gathered.synapses),
            "along": along,
            "colours": list(style.COLOURS),
            "heading": Div(name="heading", sizing_mode="stretch_width"),
            "notes": Div(name="notes", sizing_mode="stretch_width", styles={"color": "#555555"}),
            "readout": Div(name="readout", stylesheets=[_sheet(_STICKY)],
                           sizing_mode="stretch_width"),
            "message": Div(name="message", styles={"color": style.COLOURS[1]}),
        }  # fmt: skip
        self.knobs = self._flow([])
        self._add_controls(start)
        self._add_panels()
        self._add_side()
        self.root = self._places()
        # what only scripts use belongs to the document, too: it hears of changes
        data = ("facts", "run", "tried", "other", "synapses", "pictures", "along")
        self.root.tags = [self.models[name] for name in data]
        self._connect()

    # ------------------------------------------------------------ parts

    def _add_controls(self, start: Mapping[str, Any]) -> None:
        from bokeh.models import Button, Select, Slider, Toggle

        facts = self._facts
        words = [f"{n} · {text}" for n, text in zip(facts["ids"], facts["words"], strict=True)]
        images = [(str(place), text) for place, text in enumerate(words)]
        layers = [(str(n), f"{part['number']} · {part['role']}")
                  for n, part in enumerate(facts["layers"])]  # fmt: skip
        compare = [("nothing", "nothing")]
        if self.live:
            compare.append(("run", "the run's own parameters"))
        if facts["other"]:
            compare.append(("other", facts["other"]["name"]))
        compare += [(place, f"image {text}") for place, text in images]
        selects = {
            "image": (str(start["image"]), images, 165),
            "layer": (str(start["layer"]), layers, 165),
            "cell": ("0", [("0", "")], 165),
            "compare": ("other" if facts["other"] else "nothing", compare, 165),
        }
        titles = {"cell": "cell, most moved first", "compare": "compare with"}
        for name, (value, options, width) in selects.items():
            self.models[name] = Select(
                value=value, options=options, title=titles.get(name, name), width=width, name=name
            )
        last = facts["phases"][-1]["name"]
        self.models["play"] = Toggle(label="▶ play", width=75, name="play")
        buttons = {"zoom": f"zoom to {last}", "whole": "whole cycle", "png": "PNG", "csv": "CSV"}
        if len(facts["phases"]) == 1:
            del buttons["zoom"]
        for name, label in buttons.items():
            width = 48 if name in ("png", "csv") else 118
            self.models[name] = Button(label=label, width=width, name=name)
        steps = len(facts["times"])
        self.models["time"] = Slider(
            start=0, end=max(steps - 1, 1), step=1, value=steps - 1, title="step of the mark",
            width=165, name="time", syncable=False,
        )  # fmt: skip

    def _add_panels(self) -> None:
        facts, models = self._facts, self.models
        along, phases = models["along"], facts["phases"]
        most: dict[str, int] = {}
        for part in facts["layers"]:
            for kind in TRACE_KINDS:
                count = sum(trace["kind"] == kind for trace in part["traces"])
                most[kind] = max(most.get(kind, 0), count)
        panels: dict[str, Panel] = {}
        for kind in TRACE_KINDS:
            if kind != "spikes" and most[kind]:
                panels[kind] = trace_panel(kind, TRACE_KINDS[kind], most[kind], along, phases)
            if kind == "potential" and len(phases) > 1:
                total = max(sum(t["changes"] for t in part["traces"]) for part in facts["layers"])
                words = f"change since {phases[0]['name']}"
                panels["change"] = trace_panel("change", words, max(total, 1), along, phases)
        if most["spikes"]:
            panels["spikes"] = trace_panel("spikes", "neuron (number)", 0, along, phases)
            models |= panels["spikes"].add_raster()
        next(iter(panels.values())).name_phases(phases)
        self.panels = panels
        models["panels"] = {name: panel.models() for name, panel in panels.items()}

    def _add_side(self) -> None:
        from bokeh.models import CheckboxGroup, ColumnDataSource, RadioButtonGroup, Select

        from neurosim.viewer.pixels import grey_image

        models, source = self.models, self.source
        first = self.gathered.facts["layers"][0]["number"]
        stimulus = self.pixels(first)
        greys = [grey_image(source, pixels) for pixels in stimulus]
        rows, columns = greys[0].shape
        models["pictures"] = ColumnDataSource({"image": greys}, syncable=False)
        models["picture"] = ColumnDataSource({"image": greys[:1]}, name="picture", syncable=False)
        self._image = picture(models["picture"], rows, columns)
        models["answer"] = ColumnDataSource(
            {"class": [], "rate": [], "target": []}, name="answer", syncable=False
        )
        self._answer = Bars.of_classes(models["answer"], self._facts["classes"])
        senders = bar_chart("senders")
        changes = bar_chart("changes", "synapses that an update from this image changes most")
        self._senders, self._changes = senders, changes
        models["senders"], models["changes"] = senders.models(), changes.models()
        models["field"], self._field = field(rows, columns)
        models["mode"] = RadioButtonGroup(
            labels=["change", "value at the mark"], active=0, name="mode", width=280
        )
        models["mode"].visible = len(self._facts["phases"]) > 1
        models["input"] = Select(title="who sends to", options=[("0", "")], value="0",
                                 width=280, name="input")  # fmt: skip
        models["checks"] = CheckboxGroup(
            labels=[], active=[], name="checks", inline=True, sizing_mode="stretch_width",
            stylesheets=[_sheet(_CHECKS)],
        )  # fmt: skip

    def pixels(self, layer: int) -> NDArray[Any]:
        """Images shown.

        Parameters
        ----------
        layer : int
            Number of a layer that was recorded.

        Returns
        -------
        ndarray, shape (n_images, n_pixels)
            Their brightness.
        """
        return np.asarray(self.source.layer(layer).stimulus.values)

    # ------------------------------------------------------------ places

    def _flow(self, children: list[Any]) -> Any:
        from bokeh.models import Row

        return Row(children=children, stylesheets=[_sheet(_WRAP)], sizing_mode="stretch_width")

    def _places(self) -> Any:
        from bokeh.layouts import column
        from bokeh.models import Div, Row

        m = self.models
        names = ("image", "layer", "cell", "compare", "time", "play", "zoom", "whole", "png", "csv")
        controls = self._flow([m[name] for name in names if name in m])
        panels = column(*(panel.figure for panel in self.panels.values()),
                        sizing_mode="stretch_width")  # fmt: skip
        side = column(
            self._flow([self._image, self._answer.figure]),
            m["input"], m["mode"], self._senders.title, self._senders.figure,
            self._changes.title, self._changes.figure, m["field"]["title"], self._field,
            sizing_mode="stretch_width",
        )  # fmt: skip
        body = Row(children=[panels, side], stylesheets=[_sheet(_COLUMNS)],
                   sizing_mode="stretch_width")  # fmt: skip
        plain = Div(text=_PLAIN.replace("{opened}", ""), sizing_mode="stretch_width", name="plain")
        served = [self.knobs, m["message"]] if self.live else []
        return column(
            m["heading"], controls, *served, m["readout"], body, m["checks"], m["notes"], plain,
            sizing_mode="stretch_width",
        )  # fmt: skip

    # ------------------------------------------------------------ what they do

    def _connect(self) -> None:
        from bokeh.models import CustomJS

        m = self.models
        self.ready = CustomJS(args={"m": self.models}, code=_script())
        properties = {
            "image": "value", "layer": "value", "cell": "value", "compare": "value",
            "input": "value", "checks": "active", "mode": "active", "time": "value",
            "play": "active", "tried": "data",
        }  # fmt: skip
        for name, changed in properties.items():
            m[name].js_on_change(changed, _act(name))
        for name in ("zoom", "whole", "png", "csv"):
            if name in m:
                m[name].js_on_event("button_click", _act(name))
        m["message"].js_on_change("tags", CustomJS(code="window.location.reload();"))
        for panel in self.panels.values():
            panel.figure.js_on_event("mousemove", _act("point"))
            panel.figure.js_on_event("tap", _act("point"))
            panel.figure.js_on_event("doubletap", _act("whole"))

    def add_to(self, document: Any) -> None:
        """Put the application into a document.

        Parameters
        ----------
        document : bokeh.document.Document
            Of a page or of a session with a server.
        """
        document.title = f"neurosim view: {self._facts['title']}"
        document.template = _TEMPLATE
        document.add_root(self.root)
        document.js_on_event("document_ready", self.ready)

    def reload(self) -> None:
        """Let the browser load the page anew."""
        message = self.models["message"]
        message.tags = ["reload"]


def _act(what: str) -> Any:
    from bokeh.models import CustomJS

    # a control can move before everything is in its place
    code = f"if (window.neurosim_view) window.neurosim_view.act({what!r}, cb_obj);"
    return CustomJS(code=code)


def _script() -> str:
    return resources.files("neurosim.viewer").joinpath("view.js").read_text(encoding="utf-8")


def _store(arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Flat arrays by name; a browser that stands alone never sends them back."""
    from bokeh.models import ColumnDataSource

    columns = {name: [np.ascontiguousarray(values).ravel()] for name, values in arrays.items()}
    return ColumnDataSource(columns, syncable=False)


def _sheet(text: str) -> Any:
    from bokeh.models import InlineStyleSheet

    return InlineStyleSheet(css=text)
