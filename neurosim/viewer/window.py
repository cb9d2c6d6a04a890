"""The view in a window: sliders, keys, checkboxes and a cursor around the picture."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from matplotlib.figure import Figure
from matplotlib.widgets import Button, CheckButtons, Slider

from neurosim.errors import DataError, NeurosimError
from neurosim.figures import style
from neurosim.viewer.source import Source
from neurosim.viewer.viewer import Viewer, one_line

__all__ = ["Window", "check_display", "open_window"]

SIZE = (12.0, 8.4)
#: Height of the controls, without and with the sliders of parameters.
_CONTROLS, _EXPLORER = 0.175, 0.135
_KEYS = (
    "keys: left, right image · up, down neuron · page up, down layer · "
    "n nudged phase · b sign of the nudge"
)


class Window:
    """Controls around a :class:`~neurosim.viewer.viewer.Viewer` in a figure.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    figure : matplotlib.figure.Figure
        With a canvas that may or may not be a window.
    explore : bool
        Whether to add sliders for parameters.
    **start
        Image, layer, neuron, traces and nudged phase to begin with; see
        :class:`~neurosim.viewer.viewer.Viewer`.

    Attributes
    ----------
    viewer : Viewer
        State of the view.
    sliders : dict of str to Slider
        ``"image"``, ``"layer"``, ``"neuron"`` and one per parameter.
    """

    def __init__(
        self, source: Source, figure: Figure, *, explore: bool = False, **start: Any
    ) -> None:
        self.figure = figure
        self._lift = _EXPLORER if explore else 0.0
        bottom = 0.06 + _CONTROLS + self._lift
        self.viewer = Viewer(source, figure, explore=explore, bottom=bottom, **start)
        self.sliders: dict[str, Slider] = {}
        self._quiet = False
        self._background: Any = None
        self._checks: list[CheckButtons] = []
        with style.applied():
            self.status = figure.text(0.085, 0.008, _KEYS, fontsize=8, color=style.INK)
            self._add_sliders()
            self._add_switches()
            self._add_checks()
            self._knobs: dict[str, Slider] = {}
            if explore:
                self._add_knobs()
                self._add_reset()
        self._listen()

    # ------------------------------------------------------------ controls

    def _add_sliders(self) -> None:
        viewer = self.viewer
        rows = {
            "image": (viewer.image, len(viewer.source.ids) - 1, self._to_image),
            "layer": (viewer.source.layers.index(viewer.layer), len(viewer.source.layers) - 1,
                      self._to_layer),
            "neuron": (viewer.neurons().index(viewer.neuron), len(viewer.neurons()) - 1,
                       self._to_neuron),
        }  # fmt: skip
        for row, (name, (value, last, act)) in enumerate(rows.items()):
            axes = self.figure.add_axes((0.125, self._lift + 0.125 - 0.035 * row, 0.33, 0.025))
            slider = Slider(axes, name, 0, max(last, 1e-9), valinit=value, valstep=1,
                            color=style.COLOURS[0])  # fmt: skip
            slider.on_changed(self._guarded(act))
            slider.drawon = False
            self.sliders[name] = slider
        self._show_numbers()

    def _add_switches(self) -> None:
        axes = self.figure.add_axes((0.52, self._lift + 0.045, 0.15, 0.105), frameon=False)
        viewer = self.viewer
        self.switches = CheckButtons(
            axes, ["nudged phase", "negative nudge"], [viewer.nudged, viewer.beta < 0]
        )
        self.switches.on_clicked(self._guarded(self._switch))
        self.switches.drawon = False

    def _add_checks(self) -> None:
        for checks in self._checks:
            _take_away(checks)
        self._checks = []
        items = list(self.viewer.traces().items())
        half = -(-len(items) // 2)
        for column, part in enumerate((items[:half], items[half:])):
            if not part:
                continue
            height = 0.0235 * len(part)
            box = (0.69 + 0.155 * column, self._lift + 0.16 - height, 0.15, height)
            axes = self.figure.add_axes(box, frameon=False)
            names, drawn = zip(*part, strict=True)
            checks = CheckButtons(axes, names, drawn)
            checks.on_clicked(self._guarded(self._toggle))
            checks.drawon = False
            for label in checks.labels:
                label.set_fontsize(8.5)
            self._checks.append(checks)

    def _add_knobs(self) -> None:
        """Make sliders for the parameters of the layer; other layers may have others."""
        for slider in self._knobs.values():
            _take_away(slider)
        self.sliders = {n: made for n, made in self.sliders.items() if n not in self._knobs}
        self._knobs = {}
        for number, knob in enumerate(self.viewer.knobs()):
            row, column = number % 4, number // 4
            box = (0.125 + 0.4 * column, self._lift - 0.015 - 0.027 * row, 0.27, 0.02)
            slider = Slider(
                self.figure.add_axes(box), knob.label, knob.low, knob.high, valinit=knob.value,
                color=style.COLOURS[2], valfmt="%.3g",
            )  # fmt: skip
            slider.on_changed(self._guarded(lambda value, name=knob.name: self._turn(name, value)))
            slider.drawon = False
            self._knobs[knob.name] = slider
        self.sliders |= self._knobs

    def _add_reset(self) -> None:
        self.reset = Button(self.figure.add_axes((0.9, self._lift - 0.06, 0.07, 0.035)), "reset")
        self.reset.on_clicked(self._guarded(lambda event: self._reset()))

    # ------------------------------------------------------------ actions of the controls

    def _guarded(self, act: Any) -> Any:
        """Wrap an action: show the message of an error in the status line, and redraw."""

        def run(*arguments: Any) -> None:
            if self._quiet:
                return
            message = _KEYS
            try:
                act(*arguments)
            except NeurosimError as error:
                message = one_line(error)
                self._sync_places()
            self.status.set_text(message)
            self.figure.canvas.draw_idle()

        return run

    def _to_image(self, value: float) -> None:
        self.viewer.set_image(int(value))
        self._show_numbers()

    def _to_layer(self, value: float) -> None:
        self.viewer.set_layer(self.viewer.source.layers[int(value)])
        with style.applied():
            self._add_checks()
            self._add_knobs()
        self._sync_places()

    def _to_neuron(self, value: float) -> None:
        self.viewer.set_neuron(self.viewer.neurons()[int(value)])
        self._show_numbers()

    def _sync_places(self) -> None:
        """Set the sliders of image, layer and neuron to the state of the view."""
        viewer, neurons = self.viewer, self.viewer.neurons()
        with self._silently():
            slider = self.sliders["neuron"]
            slider.valmax = max(len(neurons) - 1, 1e-9)
            slider.ax.set_xlim(slider.valmin, slider.valmax)
            slider.set_val(neurons.index(viewer.neuron))
            self.sliders["image"].set_val(viewer.image)
            self.sliders["layer"].set_val(viewer.source.layers.index(viewer.layer))
        self._show_numbers()

    def _show_numbers(self) -> None:
        """Write the numbers of image, layer and neuron beside their sliders."""
        viewer = self.viewer
        shown = {
            "image": viewer.source.ids[viewer.image],
            "layer": viewer.layer,
            "neuron": viewer.neuron,
        }
        for name, number in shown.items():
            self.sliders[name].valtext.set_text(str(number))

    def _switch(self, label: str) -> None:
        nudged, negative = self.switches.get_status()
        if label == "nudged phase":
            self.viewer.set_nudged(nudged)
            return
        try:
            self.viewer.set_sign(negative)
        except DataError:
            with self._silently():
                self.switches.set_active(1)
            raise
        self._sync_knobs()

    def _toggle(self, label: str) -> None:
        self.viewer.show_trace(label, not self.viewer.traces()[label])

    def _turn(self, name: str, value: float) -> None:
        try:
            self.viewer.set_knob(name, float(value))
        finally:
            self._sync_knobs(kept=name)

    def _reset(self) -> None:
        self.viewer.reset_knobs()
        self._sync_knobs()

    def _sync_knobs(self, kept: str = "") -> None:
        """Set the sliders to the present parameters; one may have changed others."""
        with self._silently():
            present = {knob.name: knob for knob in self.viewer.knobs()}
            for name, slider in self._knobs.items():
                if name != kept:
                    knob = present[name]
                    slider.valmin, slider.valmax = knob.low, knob.high
                    slider.ax.set_xlim(knob.low, knob.high)
                    slider.set_val(knob.value)
            negative = self.viewer.beta < 0
            if self.switches.get_status()[1] != negative:
                self.switches.set_active(1)

    @contextlib.contextmanager
    def _silently(self) -> Any:
        """Move controls without running their actions."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    # ------------------------------------------------------------ keys and cursor

    def _listen(self) -> None:
        canvas: Any = self.figure.canvas
        manager = getattr(canvas, "manager", None)
        if manager is not None and getattr(manager, "key_press_handler_id", None) is not None:
            # matplotlib uses the arrow keys for its own history of views
            canvas.mpl_disconnect(manager.key_press_handler_id)
        canvas.mpl_connect("key_press_event", self._key)
        canvas.mpl_connect("motion_notify_event", self._move)
        canvas.mpl_connect("draw_event", self._drawn)

    def _key(self, event: Any) -> None:
        steps = {
            "left": ("image", -1), "right": ("image", 1), "up": ("neuron", 1),
            "down": ("neuron", -1), "pageup": ("layer", 1), "pagedown": ("layer", -1),
        }  # fmt: skip
        if event.key in steps:
            name, step = steps[event.key]
            slider = self.sliders[name]
            count = int(slider.valmax) + 1
            slider.set_val((int(slider.val) + step) % count)
        elif event.key in ("n", "b"):
            self.switches.set_active("nb".index(event.key))

    def _drawn(self, event: Any) -> None:
        """Keep a copy of the picture without the cursor, so that the cursor can move fast."""
        del event
        canvas: Any = self.figure.canvas
        if canvas.supports_blit:
            for artist in self.viewer.picture.marks:
                artist.set_animated(True)
            self._background = canvas.copy_from_bbox(self.figure.bbox)

    def _move(self, event: Any) -> None:
        picture = self.viewer.picture
        inside = event.inaxes in picture.panels.values()
        picture.mark(float(event.xdata) if inside else None)
        canvas: Any = self.figure.canvas
        if self._background is None:
            canvas.draw_idle()
            return
        canvas.restore_region(self._background)
        for artist in picture.marks:
            (artist.axes or self.figure).draw_artist(artist)
        canvas.blit(self.figure.bbox)


def _take_away(control: Slider | CheckButtons) -> None:
    """Remove a control together with its event handlers, which outlive its axes."""
    control.disconnect_events()
    control.ax.remove()


def open_window(source: Source, *, explore: bool = False, **start: Any) -> None:
    """Open the window and wait until it is closed.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    explore : bool
        Whether to add sliders for parameters.
    **start
        See :class:`Window`.

    Raises
    ------
    DataError
        If there is no display, or matplotlib finds no toolkit that opens windows.
    """
    check_display()
    import matplotlib

    if matplotlib.get_backend().lower() not in _interactive():
        _switch_backend()
    from matplotlib import pyplot as plt

    with style.applied():
        figure = plt.figure("neurosim view", figsize=SIZE, FigureClass=style.StyledFigure)
    try:
        figure.window = Window(source, figure, explore=explore, **start)  # type: ignore[attr-defined]
        plt.show()
    finally:
        plt.close(figure)


def check_display() -> None:
    """Refuse to open a window without a display.

    Raises
    ------
    DataError
        If there is none.
    """
    needs_one = sys.platform.startswith("linux")
    if needs_one and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise DataError(
            "there is no display to open a window on; use --save FILE.png for a picture or "
            "--html FILE.html for a page to open in a browser"
        )


def _interactive() -> set[str]:
    return {"tkagg", "qtagg", "qt5agg", "gtk3agg", "gtk4agg", "wxagg", "macosx"}


def _switch_backend() -> None:
    from matplotlib import pyplot as plt

    for name in ("QtAgg", "TkAgg", "GTK4Agg", "GTK3Agg", "WXAgg"):
        with contextlib.suppress(ImportError):
            plt.switch_backend(name)
            return
    raise DataError(
        "matplotlib finds no toolkit to open a window with; install one (sudo apt-get install "
        "python3-tk), or use --save FILE.png or --html FILE.html"
    )
