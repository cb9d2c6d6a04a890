"""The view in a notebook: ipywidgets around the picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import NeurosimError, ParameterError
from neurosim.figures import style
from neurosim.viewer.opening import open_source
from neurosim.viewer.viewer import Viewer, one_line

__all__ = ["NotebookView", "view"]

_SIZE = (11.0, 6.6)
#: Controls that every layer has.
_COMMON = frozenset({"image", "layer", "neuron", "nudged", "negative", "cursor"})


class NotebookView:
    """Controls and picture as one widget, shown if it is the last line of a cell.

    Attributes
    ----------
    viewer : Viewer
        State of the view.
    widget : ipywidgets.Widget
        Controls and picture.
    controls : dict of str to ipywidgets.Widget
        By name: ``image``, ``layer``, ``neuron``, ``nudged``, ``negative``, ``cursor``,
        one per trace and, when exploring, one per parameter.
    """

    def __init__(self, viewer: Viewer) -> None:
        import ipywidgets as widgets

        self.viewer = viewer
        self._widgets = widgets
        self._quiet = False
        self.controls: dict[str, Any] = {}
        self._picture = widgets.Image(format="png", layout={"max_width": "100%"})
        self._status = widgets.HTML()
        self._traces = widgets.HBox(layout={"flex_flow": "row wrap"})
        self._knobs = widgets.HBox(layout={"flex_flow": "row wrap"})
        self.widget = widgets.VBox(
            [self._places(), self._traces, self._knobs, self._status, self._picture]
        )
        self._fill_rows()
        self._render()

    # ------------------------------------------------------------ controls

    def _add(self, name: str, widget: Any, act: Any) -> Any:
        def changed(change: Any) -> None:
            if not self._quiet:
                self._do(act, change["new"])

        widget.observe(changed, names="value")
        self.controls[name] = widget
        return widget

    def _do(self, act: Any, value: Any) -> None:
        """Act, show the message of an error, and draw."""
        self._status.value = ""
        try:
            act(value)
        except NeurosimError as error:
            self._status.value = one_line(error)
        self._sync()
        self._render()

    def _places(self) -> Any:
        widgets, viewer = self._widgets, self.viewer
        source = viewer.source
        pick: dict[str, Any] = {"continuous_update": False}
        made = [
            self._add("image", widgets.SelectionSlider(
                options=source.ids, value=source.ids[viewer.image], description="image", **pick),
                lambda number: viewer.set_image(source.ids.index(number))),
            self._add("layer", widgets.Dropdown(
                options=source.layers, value=viewer.layer, description="layer"), self._to_layer),
            self._add("neuron", widgets.SelectionSlider(
                options=viewer.neurons(), value=viewer.neuron, description="neuron", **pick),
                viewer.set_neuron),
            self._add("nudged", widgets.Checkbox(value=viewer.nudged, description="nudged phase"),
                viewer.set_nudged),
            self._add("negative", widgets.Checkbox(
                value=viewer.beta < 0, description="negative nudge"), viewer.set_sign),
            self._add("cursor", widgets.FloatSlider(
                value=0, min=0, max=float(viewer.look.data.time[-1]), description="cursor (ms)",
                step=float(viewer.look.data.attrs["dt_ms"]), **pick), self._to_time),
        ]  # fmt: skip
        return widgets.HBox(made, layout={"flex_flow": "row wrap"})

    def _fill_rows(self) -> None:
        """Make checkboxes and sliders for the layer; other layers may have others."""
        for name in [name for name in self.controls if name not in _COMMON]:
            self.controls.pop(name).close()
        self._fill_traces()
        self._fill_knobs()

    def _fill_traces(self) -> None:
        boxes = []
        for name, shown in self.viewer.traces().items():
            box = self._widgets.Checkbox(
                value=shown, description=name, indent=False, layout={"width": "150px"}
            )
            boxes.append(
                self._add(name, box, lambda on, name=name: self.viewer.show_trace(name, on))
            )
        self._traces.children = boxes

    def _fill_knobs(self) -> None:
        self._knobs.children = [
            self._add(
                f"{knob.name}",
                self._widgets.FloatSlider(
                    value=knob.value, min=knob.low, max=knob.high, description=knob.name,
                    step=(knob.high - knob.low) / 200, readout_format=".3g",
                    continuous_update=False,
                ),
                lambda value, name=knob.name: self.viewer.set_knob(name, value),
            )
            for knob in self.viewer.knobs()
        ]  # fmt: skip

    # ------------------------------------------------------------ actions

    def _to_layer(self, layer: int) -> None:
        self.viewer.set_layer(layer)
        self._fill_rows()

    def _to_time(self, time: float) -> None:
        self.viewer.picture.mark(time or None)

    def _sync(self) -> None:
        """Set all controls to the state of the view; one may have changed others."""
        self._quiet = True
        try:
            viewer = self.viewer
            self.controls["image"].value = viewer.source.ids[viewer.image]
            self.controls["layer"].value = viewer.layer
            neuron = self.controls["neuron"]
            if list(neuron.options) != viewer.neurons():
                neuron.options = viewer.neurons()
            neuron.value = viewer.neuron
            self.controls["negative"].value = viewer.beta < 0
            for knob in viewer.knobs():
                slider = self.controls[knob.name]
                slider.min, slider.max = min(slider.min, knob.low), max(slider.max, knob.high)
                slider.value = knob.value
            time = self.controls["cursor"].value
            viewer.picture.mark(time or None)
        finally:
            self._quiet = False

    def _render(self) -> None:
        buffer = io.BytesIO()
        self.viewer.picture.figure.savefig(buffer, format="png", dpi=90)
        self._picture.value = buffer.getvalue()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)


def view(
    what: Any,
    images: Any = None,
    labels: Any = None,
    *,
    image: int | None = None,
    layer: int | None = None,
    neuron: int | None = None,
    traces: Sequence[str] | None = None,
    nudged: bool = True,
    beta: float | None = None,
    explore: bool = False,
    data_dir: Path | None = None,
) -> NotebookView:
    """Look into the neurons of a network, in a notebook.

    Parameters
    ----------
    what : Simulator, recording, or path
        A network (with ``images``), a recording, a recording's file, or a run folder.
    images : array_like, shape (n, n_inputs), optional
        Images; the first ten test images for a run folder, its own for a recording.
    labels : array_like, shape (n,), optional
        Their classes; without them there is no nudged phase.
    image, layer, neuron : int, optional
        Numbers to begin with.
    traces : sequence of str, optional
        Traces shown at first.
    nudged : bool
        Show the nudged phase.
    beta : float, optional
        Signed nudge to begin with, 1 by default; a recording has its own.
    explore : bool
        Sliders for parameters; a program is compiled first, which takes seconds.
    data_dir : Path, optional
        Where data sets lie; by default where the run found them.

    Returns
    -------
    NotebookView
        Shown by the notebook.

    Raises
    ------
    NeurosimError
        If there is nothing to look at, no such image, layer, neuron or trace, or if images
        or another nudge are given for a recording.
    ParameterError
        If ipywidgets is not installed.
    """
    try:
        import ipywidgets  # noqa: F401 - refuse before anything is computed
    except ImportError as error:
        raise ParameterError(
            "the view in a notebook needs ipywidgets: in the folder of this repository "
            "pip install -e '.[notebook]'"
        ) from error
    source = open_source(what, images, labels, beta=beta, data_dir=data_dir)
    viewer = Viewer(
        source, style.empty_figure(*_SIZE), image=image, layer=layer, neuron=neuron,
        traces=traces, nudged=nudged, explore=explore,
    )  # fmt: skip
    return NotebookView(viewer)
