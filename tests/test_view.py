"""The compartment view: what is drawn is what was recorded, and controls do what they say."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call, refusal
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from oracles import make_problem, small_system
from user_style import MATPLOTLIBRC, png, user_style

from neurosim import CorInfoMax, Simulator, save_recording, select_layer, view
from neurosim.errors import DataError, ParameterError, RunFolderError
from neurosim.figures import style
from neurosim.models import CorInfoMaxSparse
from neurosim.system import System
from neurosim.system.parameters import parameter
from neurosim.system.traces import TRACE_KINDS
from neurosim.viewer.explorer import Explorer
from neurosim.viewer.labels import default_layer, phase_spans
from neurosim.viewer.look import likely_shape
from neurosim.viewer.notebook import NotebookView
from neurosim.viewer.opening import open_source
from neurosim.viewer.page import write_page
from neurosim.viewer.source import FileSource
from neurosim.viewer.viewer import Viewer
from neurosim.viewer.window import Window

LABELS = [2, 0, 1]


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    """A small network whose cells are driven hard enough to be seen."""
    system = small_system(event_threshold=0.02, sst_threshold=0.05)
    made = Simulator(system, backend="runtime", dtype="float64")
    made.weights.update(make_problem(system).weights)
    return made


@pytest.fixture(scope="module")
def images(simulator: Simulator) -> np.ndarray:
    return make_problem(simulator.system).images  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tree(simulator: Simulator, images: np.ndarray) -> Any:
    return simulator.record(images, LABELS, ids=[10, 11, 12])


@pytest.fixture
def file_source(tree: Any) -> FileSource:
    return FileSource(tree)


class LazyCanvas(FigureCanvasAgg):
    """A canvas that draws when it is told to, and not after every change."""

    def draw_idle(self, *arguments: Any, **keywords: Any) -> None:
        """Do nothing."""
        del arguments, keywords


def new_figure() -> Figure:
    figure = style.empty_figure(12, 8.4)
    LazyCanvas(figure)
    return figure


# ------------------------------------------------------------------ the picture


def test_the_picture_shows_the_recorded_values_of_one_neuron(
    file_source: FileSource, tree: Any
) -> None:
    """Guards against a trace of another neuron, image, layer or quantity than its name."""
    viewer = Viewer(file_source, new_figure(), image=11, layer=1, neuron=4)
    layer = select_layer(tree, 1).isel(image=1).sel(neuron=4)
    lines = {n: line for n, line in viewer.picture.lines.items() if n != "spikes"}
    assert list(lines) == [
        "soma", "basal", "apical", "rate", "sst", "forward_error", "backward_error",
    ]  # fmt: skip
    for name, line in lines.items():
        np.testing.assert_array_equal(line.get_xdata(), layer.time)
        np.testing.assert_array_equal(line.get_ydata(), layer[name], err_msg=name)


def test_the_raster_shows_every_graded_spike_of_the_layer(
    file_source: FileSource, tree: Any
) -> None:
    """Guards against spikes that are left out, doubled or at another time."""
    picture = Viewer(file_source, new_figure(), layer=1, neuron=2).picture
    spikes = select_layer(tree, 1).isel(image=0).spikes.values
    times = select_layer(tree, 1).time.values
    for marks, sign in ((picture._up, 1), (picture._down, -1)):
        steps, cells = np.nonzero(sign * spikes > 0)
        assert len(steps)
        np.testing.assert_array_equal(marks.get_offsets(), np.column_stack([times[steps], cells]))
    assert picture._own.get_ydata()[0] == 2


def test_the_raster_of_a_large_layer_shows_the_neighbours_of_the_chosen_neuron() -> None:
    """Guards against a window of neurons whose numbers are those of others."""
    large = Simulator(CorInfoMax(layers=(4, 130, 2)), backend="runtime")
    source = open_source(large, np.ones((1, 4)))
    spikes = select_layer(source.recording(1.0), 1).spikes.isel(image=0)
    viewer = Viewer(source, new_figure(), layer=1)
    for neuron, rows in ((0, range(100)), (65, range(15, 115)), (129, range(30, 130))):
        viewer.set_neuron(neuron)
        picture = viewer.picture
        drawn = np.concatenate([picture._up.get_offsets(), picture._down.get_offsets()])
        chosen = spikes.sel(neuron=list(rows)).values
        assert len(drawn) == np.count_nonzero(chosen)
        assert set(drawn[:, 1]) == set(np.array(rows)[chosen.any(axis=0)])


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_every_panel_is_labelled_shaded_and_linked(file_source: FileSource, layer: int) -> None:
    """Guards against axes without a unit, and phases shaded where they are not."""
    picture = Viewer(file_source, new_figure(), layer=layer).picture
    assert next(iter(picture.panels)) == "oscillation"
    for kind, axes in picture.panels.items():
        word = "rhythm" if kind == "oscillation" else TRACE_KINDS[kind].split()[0]
        label = axes.get_ylabel()
        assert ("neuron" if kind == "spikes" else word) in label
        assert "(1)" in label or kind == "spikes"
        (shaded,) = (patch.get_extents() for patch in axes.patches)
        begin, end = axes.transData.inverted().transform([shaded.min, shaded.max])[:, 0]
        assert (begin, end) == pytest.approx((12.0, 18.0))
        assert axes.get_xlim() == (0.0, 18.0)
    assert list(picture.panels.values())[-1].get_xlabel() == "time in the cycle (ms)"
    names = [text.get_text() for text in picture.panels["oscillation"].texts]
    assert names == ["free", "nudged"]
    # linked: one panel's new limits are all panels' limits
    picture.panels["rate"].set_xlim(3, 9)
    assert {axes.get_xlim() for axes in picture.panels.values()} == {(3.0, 9.0)}


def test_phases_are_where_the_circuit_has_them(tree: Any) -> None:
    """Guards against phases that begin a step too late."""
    assert phase_spans(select_layer(tree, 1)) == {"free": (0.0, 12.0), "nudged": (12.0, 18.0)}


def test_image_prediction_and_target_stand_beside_the_traces(
    file_source: FileSource, tree: Any
) -> None:
    """Guards against the answer of another image."""
    picture = Viewer(file_source, new_figure(), image=12).picture
    layer = select_layer(tree, 2).isel(image=2)
    shown = np.asarray(picture.image.images[0].get_array()).ravel()
    np.testing.assert_array_equal(shown, layer.stimulus)
    heights = [bar.get_height() for bar in picture._answer]
    np.testing.assert_allclose(heights, layer.rate.values[11])
    np.testing.assert_array_equal(picture.bars.lines[0].get_ydata(), np.eye(3)[1])
    assert picture.image.get_title() == f"label 1, predicted {int(layer.prediction)}"


def test_free_only_leaves_the_nudged_phase_out(file_source: FileSource) -> None:
    """Guards against a toggle that hides the shading but not the traces."""
    viewer = Viewer(file_source, new_figure(), layer=2, nudged=False)
    assert viewer.picture.lines["soma"].get_xdata()[-1] == 12
    assert not viewer.picture.panels["potential"].patches
    viewer.set_nudged(True)
    assert viewer.picture.lines["soma"].get_xdata()[-1] == 18


def test_a_system_without_dendrites_is_drawn_as_it_declares() -> None:
    """Guards against a picture that takes three compartments for granted."""

    @dataclasses.dataclass(frozen=True)
    class Plain(CorInfoMax):
        layer_traces = System.layer_traces

    plain = Simulator(Plain(layers=(5, 6, 3)), backend="runtime")
    picture = Viewer(open_source(plain, np.ones((1, 5))), new_figure(), layer=1).picture
    assert list(picture.panels) == ["oscillation", "potential", "rate", "spikes"]
    assert set(picture.lines) == {"state", "rate", "spikes"}


def test_inhibition_by_a_domain_is_not_called_sst_input() -> None:
    """Guards the axis on which the multiplier of a sparse layer stands beside SST cells."""
    sparse = Simulator(CorInfoMaxSparse(layers=(5, 6, 3)), backend="runtime")
    picture = Viewer(open_source(sparse, np.ones((1, 5))), new_figure(), layer=1).picture
    assert {"sst", "multiplier"} <= set(picture.lines)
    assert picture.panels["inhibition"].get_ylabel() == "inhibition\n(1)"


def test_the_user_s_style_changes_no_view(tree: Any) -> None:
    """Guards picture, window and notebook against the matplotlibrc."""

    def draw() -> list[bytes]:
        window = Window(FileSource(tree), new_figure(), layer=1, neuron=3)
        press(window, "right")
        window.viewer.picture.mark(7.0)
        return [png(window.figure), view(tree, layer=2)._picture.value]

    expected = draw()
    with user_style():
        assert draw() == expected


@pytest.mark.parametrize(("layers", "first"), [([0, 1, 2], 1), ([0], 0), ([2], 2)])
def test_the_view_begins_above_the_input(layers: list[int], first: int) -> None:
    """Guards recordings of one layer, which may be the input."""
    assert default_layer(layers) == first


# ------------------------------------------------------------------ the window


def press(window: Window, key: str) -> None:
    event = KeyEvent("key_press_event", window.figure.canvas, key)
    window.figure.canvas.callbacks.process("key_press_event", event)


def test_keys_and_sliders_move_through_images_layers_and_neurons(
    file_source: FileSource, tree: Any
) -> None:
    """Guards against a control that moves and a picture that stays."""
    window = Window(file_source, new_figure(), layer=1)
    press(window, "right")
    press(window, "up")
    press(window, "up")
    line = window.viewer.picture.lines["soma"]
    np.testing.assert_array_equal(line.get_ydata(), tree["layer_1/soma"][1, :, 2])
    assert window.sliders["image"].valtext.get_text() == "11"
    window.sliders["neuron"].set_val(5)
    np.testing.assert_array_equal(line.get_ydata(), tree["layer_1/soma"][1, :, 5])
    press(window, "pageup")
    assert window.viewer.layer == 2
    assert window.viewer.neuron == 2
    assert window.sliders["neuron"].valmax == 2
    np.testing.assert_array_equal(
        window.viewer.picture.lines["soma"].get_ydata(), tree["layer_2/soma"][1, :, 2]
    )
    press(window, "n")
    assert not window.viewer.nudged
    viewer = window.viewer
    for act in (lambda: viewer.set_neuron(3), lambda: viewer.set_layer(3),
                lambda: viewer.show_trace("somma", True)):  # fmt: skip
        with pytest.raises(DataError, match=r"it holds 0 to 2|did you mean 'soma'"):
            act()
    assert (viewer.layer, viewer.neuron) == (2, 2)
    window.figure.canvas.draw()


def test_checkboxes_add_and_remove_traces(file_source: FileSource, tree: Any) -> None:
    """Guards against a checkbox for another trace than its label says."""
    window = Window(file_source, new_figure(), layer=1)
    boxes = {
        label.get_text(): (checks, number)
        for checks in window._checks
        for number, label in enumerate(checks.labels)
    }
    assert set(boxes) == set(window.viewer.traces())
    for name in ("autapse_current", "soma"):
        checks, number = boxes[name]
        checks.set_active(number)
    lines = window.viewer.picture.lines
    assert "soma" not in lines
    assert "current" in window.viewer.picture.panels
    np.testing.assert_array_equal(
        lines["autapse_current"].get_ydata(), tree["layer_1/autapse_current"][0, :, 0]
    )


def test_the_cursor_reads_all_traces_at_one_time(file_source: FileSource, tree: Any) -> None:
    """Guards against values of a neighbouring step."""
    window = Window(file_source, new_figure(), layer=1, neuron=3)
    canvas = window.figure.canvas
    canvas.draw()
    panel = window.viewer.picture.panels["error"]
    x, y = panel.transData.transform((6.7, np.mean(panel.get_ylim())))
    canvas.callbacks.process("motion_notify_event", MouseEvent("motion_notify_event", canvas, x, y))
    text = window.viewer.picture.readout.get_text()
    at = select_layer(tree, 1).isel(image=0).sel(neuron=3, time=7.0)
    assert text.startswith("7 ms, free")
    for name in window.viewer.picture.lines:
        assert f"{name:<16}{float(at[name]):>10.4g}" in text
    assert all(line.get_xdata()[0] == 7 for line in window.viewer.picture._marks)


def test_the_sign_of_the_nudge_shows_the_image_anew(
    simulator: Simulator, images: np.ndarray
) -> None:
    """Guards against a sign that is written above the picture of the other one."""
    source = open_source(simulator, images, LABELS)
    window = Window(source, new_figure(), layer=2, neuron=1)
    press(window, "b")
    expected = simulator.record(images, LABELS, inputs={"beta": -1.0}, layer=2)
    shown = window.viewer.picture.lines["apical"].get_ydata()
    np.testing.assert_array_equal(shown, expected.apical[0, :, 1])


def test_a_recording_says_that_its_nudge_is_fixed(file_source: FileSource) -> None:
    """Guards against a toggle that does nothing and says nothing."""
    window = Window(file_source, new_figure())
    press(window, "b")
    assert "recording with nudge 1" in window.status.get_text()
    assert window.switches.get_status()[1] is False
    with pytest.raises(DataError, match="give the run folder to --explore"):
        Window(file_source, new_figure(), explore=True)


# ------------------------------------------------------------------ exploring


@pytest.fixture(scope="module")
def live(simulator: Simulator, images: np.ndarray) -> Iterator[Any]:
    """The network with one compiled program, for all tests that turn sliders."""
    source = open_source(simulator, images, LABELS)
    yield source
    source.close()


def test_sliders_reach_the_circuit_as_the_system_would(simulator: Simulator) -> None:
    """Guards against a slider that sets half of what a parameter means."""
    explorer = Explorer(simulator.system, beta=1.0)
    explorer.set("epsilon", 0.3, "pyramidal_1")
    changed = dataclasses.replace(simulator.system, epsilon=0.3).circuit()
    for population in changed.populations:
        for name, value in population.parameters.items():
            assert explorer.parameters()[f"{population.name}.{name}"] == value
    explorer.set("g_A", 7.0, "pyramidal_1")
    assert explorer.parameters()["pyramidal_1.g_A"] == 7.0
    assert explorer.parameters()["pyramidal_2.g_A"] == 1.0
    with pytest.raises(ParameterError, match="unstable"):
        explorer.set("epsilon", 0.001, "pyramidal_1")
    assert {k.name: k.value for k in explorer.knobs("pyramidal_1")}["epsilon"] == 0.3
    # what epsilon moves is no longer what was set by hand
    explorer.set("epsilon", 0.2, "pyramidal_1")
    assert explorer.parameters()["pyramidal_1.g_A"] == 1 / 0.2
    explorer.reset()
    assert explorer.parameters()["pyramidal_1.g_B"] == pytest.approx(1 / 0.15)
    with pytest.raises(ParameterError, match="no nudge"):
        explorer.set("beta", 0.0, "pyramidal_1")


def test_a_system_offers_what_reaches_its_cells() -> None:
    """Guards the default list of sliders of systems that name none."""
    names = System.explorable(CorInfoMax(layers=(4, 3, 2)))
    assert {"epsilon", "g_l", "tau_u", "event_threshold"} <= set(names)
    assert not {"free_time", "dt", "tau_basal", "mu_ff"} & set(names)


def test_a_turned_slider_shows_what_a_system_with_that_value_does(
    live: Any, simulator: Simulator, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a rerun with other weights, phases or images; one compiled program."""
    window = Window(live, new_figure(), explore=True, layer=1, neuron=2, image=1)
    # from here on, nothing may be compiled
    monkeypatch.delattr("neurosim.backends.cpp.library.compile_library")
    window.sliders["g_l"].set_val(0.9)
    window.sliders["beta"].set_val(-0.5)
    changed = Simulator(
        dataclasses.replace(simulator.system, g_l=0.9), backend="runtime", dtype="float64"
    )
    changed.weights.update(simulator.weights)
    expected = changed.record(images[1:2], LABELS[1:2], inputs={"beta": -0.5}, layer=1)
    for name in ("soma", "apical", "backward_error"):
        shown = window.viewer.picture.lines[name].get_ydata()
        np.testing.assert_allclose(shown, expected[name][0, :, 2], rtol=0, atol=1e-9)
    # a value that makes the step unstable is told; the picture stays
    window.sliders["epsilon"].set_val(window.sliders["epsilon"].valmin)
    assert "unstable" in window.status.get_text()
    soma = window.viewer.picture.lines["soma"].get_ydata()
    np.testing.assert_allclose(soma, expected.soma[0, :, 2], rtol=0, atol=1e-9)


def test_another_layer_has_other_sliders(live: Any) -> None:
    """Guards against sliders of cells that are not looked at: the input has no dendrites."""
    window = Window(live, new_figure(), explore=True, layer=1)
    hidden = list(window.sliders)
    assert {"g_B", "g_A"} <= set(hidden)
    gone = window.sliders["g_B"]
    window.sliders["layer"].set_val(0)
    assert set(hidden) - set(window.sliders) == {"g_B", "g_A"}
    assert gone.ax not in window.figure.axes
    window.sliders["beta"].set_val(0.5)
    press(window, "pageup")
    assert list(window.sliders) == hidden
    window.sliders["g_B"].set_val(5.0)
    assert "keys:" in window.status.get_text()
    explorer = window.viewer.explorer
    assert explorer is not None
    assert explorer.parameters()["pyramidal_1.g_B"] == 5.0
    window.figure.canvas.draw()


def test_another_layer_has_other_sliders_in_a_notebook(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the notebook's sliders of cells that are not looked at."""
    # the lines of the picture are compared, not its pixels
    monkeypatch.setattr(NotebookView, "_render", lambda shown: None)
    shown = NotebookView(Viewer(live, new_figure(), layer=0, explore=True))
    assert "g_B" not in shown.controls
    shown.controls["layer"].value = 1
    assert {"g_B", "g_A", "soma"} <= set(shown.controls)
    shown.controls["g_B"].value = 5.0
    assert shown._status.value == ""
    expected = live.try_out(0, 1, 1.0, {"pyramidal_1.g_B": 5.0})
    soma = shown.viewer.picture.lines["soma"].get_ydata()
    np.testing.assert_array_equal(soma, expected.data.soma.sel(neuron=0))
    shown.controls["layer"].value = 0
    assert not {"g_B", "soma"} & set(shown.controls)


def test_a_slider_of_other_cells_is_refused_by_name(simulator: Simulator) -> None:
    """Guards against a TypeError from the depth of the system."""
    explorer = Explorer(simulator.system, beta=1.0)
    for name in ("g_B", "epsilom"):
        with pytest.raises(ParameterError, match=rf"sensory has no parameter '{name}'.*epsilon"):
            explorer.set(name, 3.0, "sensory")
    assert explorer.changes() == {}


@pytest.mark.parametrize("value", [-0.7, -0.01, 0.0, 0.01, 0.7])
def test_the_range_of_a_slider_holds_its_value_and_its_bounds(value: float) -> None:
    """Guards against sliders that run backwards, or beyond what the system allows."""

    @dataclasses.dataclass(frozen=True)
    class Offset(CorInfoMax):
        offset: float = parameter(0.0, "an offset", low=-1, high=1)

        def explorable(self) -> tuple[str, ...]:
            return ("offset",)

    (knob,) = Explorer(Offset(layers=(5, 6, 3), offset=value), 1.0).knobs("pyramidal_1")
    assert -1 <= knob.low <= knob.value == value <= knob.high <= 1
    assert knob.low < knob.high


def test_an_image_that_cannot_be_shown_leaves_view_and_controls_in_place(
    simulator: Simulator, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against sliders that name another image or layer than the picture shows."""
    source = open_source(simulator, images, LABELS)
    window = Window(source, new_figure(), image=1, layer=1, neuron=4)

    def refuse(*arguments: Any) -> Any:
        raise DataError("the potentials grow without bound")

    monkeypatch.setattr(source, "look", refuse)
    for key in ("right", "pageup"):
        press(window, key)
        assert "without bound" in window.status.get_text()
        viewer = window.viewer
        assert (viewer.image, viewer.layer, viewer.neuron) == (1, 1, 4)
        shown = {name: slider.val for name, slider in window.sliders.items()}
        assert shown == {"image": 1, "layer": 1, "neuron": 4}


# ------------------------------------------------------------------ in a real window


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """A display in memory, of a server of its own."""
    missing = [] if shutil.which("Xvfb") else ["Xvfb (Debian: xvfb)"]
    try:
        importlib.import_module("tkinter")
    except ImportError as error:
        missing.append(f"tkinter in {sys.executable} (Debian's Python: python3-tk; {error})")
    if missing:
        pytest.skip(f"THE WINDOW IS NOT TESTED: {' and '.join(missing)} not installed")
    told, tells = os.pipe()
    with open(told) as numbers, (tmp_path / "Xvfb.log").open("w+") as log:
        # the server looks for a free number, and tells it when it is ready
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(tells), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"],
            pass_fds=[tells], stdout=log, stderr=log,
        )  # fmt: skip
        os.close(tells)
        try:
            ready, _, _ = select.select([told], [], [], 60)
            number = numbers.readline().strip() if ready else ""
            assert number, f"Xvfb did not start: {(tmp_path / 'Xvfb.log').read_text()}"
            yield f":{number}"
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def test_the_command_opens_a_window_that_hands_can_use(
    display: str, tree: Any, tmp_path: Path
) -> None:
    """Guards what only a toolkit does: its event loop, the screen, closing the window.

    The user has a matplotlibrc that would break the picture, and a backend without windows.
    """
    recording = save_recording(tree, tmp_path / "small.nc")
    (tmp_path / "matplotlibrc").write_text(MATPLOTLIBRC + "backend: pdf\n")
    driver = Path(__file__).with_name("window_driver.py")
    done = subprocess.run(
        [sys.executable, driver, recording, tmp_path],
        env={**os.environ, "DISPLAY": display, "MATPLOTLIBRC": str(tmp_path)},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["toolkit"] == "FigureCanvasTkAgg"
    assert seen["image"] == "11"
    # dragged from 1 to 4; the bar on the screen then covers 2
    assert seen["neuron"] == "4"
    assert seen["bar_after"] != seen["bar_before"]
    np.testing.assert_allclose(seen["soma"], tree["layer_1/soma"][1, :, 4])
    assert "neuron 4 of layer 1" in seen["title"]
    assert "image 11" in seen["title"]
    assert seen["readout"].startswith("7 ms, free")
    assert "recording with nudge 1" in seen["status"]
    assert seen["layer"] == "2"
    assert (tmp_path / "window.png").read_bytes().startswith(b"\x89PNG")
    assert seen["figures_left"] == []


# ------------------------------------------------------------------ in a notebook


def test_the_notebook_has_the_same_controls(
    simulator: Simulator, images: np.ndarray, tree: Any
) -> None:
    """Guards against a control of the notebook that the picture does not follow."""
    shown = view(simulator, images, LABELS, neuron=1)
    controls = shown.controls
    assert {"image", "layer", "neuron", "nudged", "negative", "cursor", "soma"} <= set(controls)
    before = shown._picture.value
    assert bytes(before).startswith(b"\x89PNG")
    controls["image"].value = 2
    controls["neuron"].value = 5
    line = shown.viewer.picture.lines["soma"]
    np.testing.assert_array_equal(line.get_ydata(), tree["layer_1/soma"][2, :, 5])
    assert shown._picture.value != before
    controls["soma"].value = False
    assert "soma" not in shown.viewer.picture.lines
    controls["layer"].value = 2
    assert controls["neuron"].options == (0, 1, 2)
    controls["cursor"].value = 4.0
    assert "4 ms, free" in shown.viewer.picture.readout.get_text()
    with pytest.raises(DataError, match="needs images"):
        view(simulator)


def test_a_missing_package_is_told_with_the_way_to_install_it(
    tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the hint: the package of this name on PyPI is somebody else's."""
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ParameterError, match=r"in the folder of this .* -e '\.\[notebook\]'"):
        view(tree)


def test_what_a_recording_cannot_follow_is_refused(tree: Any, images: np.ndarray) -> None:
    """Guards against images and nudges that are given, and ignored without a word."""
    assert view(tree).viewer.beta == view(tree, beta=1.0).viewer.beta == 1
    with pytest.raises(DataError, match=r"made with nudge 1: leave out beta"):
        view(tree, beta=-1.0)
    with pytest.raises(DataError, match="its own images; leave out images and labels"):
        view(tree, images, LABELS)
    chosen = open_source(tree, ids=[12, 10])
    assert chosen.ids == [12, 10]
    soma = chosen.look(0, 1).data.soma
    np.testing.assert_array_equal(soma, tree["layer_1/soma"][2])
    with pytest.raises(DataError, match="no image 3 in this recording; it holds 10 to 12"):
        open_source(tree, ids=[3])
    with pytest.raises(DataError, match="given twice"):
        open_source(tree, ids=[10, 10])
    with pytest.raises(DataError, match=r"split .--split. chooses images of a run"):
        open_source(tree, split="train")
    with pytest.raises(DataError, match=r"data_dir .--data-dir. is where a run's data set lies"):
        open_source(tree, data_dir=Path("data"))


def test_the_folder_of_the_data_reaches_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards runs whose data set has moved."""

    def refuse(folder: Path, *, data_dir: Path, **others: Any) -> Any:
        raise DataError(f"looked in {data_dir}")

    monkeypatch.setattr("neurosim.runs.opened.open_run", refuse)
    for open_view in (open_source, view):
        with pytest.raises(DataError, match="looked in elsewhere"):
            open_view(tmp_path, data_dir=Path("elsewhere"))


def test_some_output_cells_are_no_answer(simulator: Simulator, images: np.ndarray) -> None:
    """Guards against the class of a cell that was not recorded, taken for another's place."""
    some = FileSource(simulator.record(images, LABELS, layer=2, neurons=[2])).look(0, 2)
    assert (some.answer, some.target, some.label) == (None, None, 2)
    whole = FileSource(simulator.record(images, LABELS, layer=2)).look(0, 2)
    np.testing.assert_array_equal(whole.target, [0, 0, 1])


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [
        (784, (28, 28)),
        (3072, (3, 32, 32)),
        (3, (3, 1, 1)),
        (1, (1, 1)),
        (12, (3, 2, 2)),
        (5, (1, 5)),
    ],
)
def test_the_shape_of_an_image_is_found_from_its_size(pixels: int, shape: tuple[int, ...]) -> None:
    """Guards against CIFAR10 images drawn as a strip of a pixel's height."""
    assert likely_shape(pixels) == shape


def test_a_recorded_photograph_is_drawn_in_its_colours() -> None:
    """Guards against channels that are taken for rows, and normalised values that are cut off."""
    photograph = np.random.default_rng(0).normal(size=(1, 3 * 4 * 4))
    simulator = Simulator(CorInfoMax(layers=(48, 4, 2)), backend="runtime", dtype="float64")
    source = FileSource(simulator.record(photograph, [1]))
    viewer = Viewer(source, new_figure())
    drawn = np.asarray(viewer.picture.image.images[0].get_array())
    assert drawn.shape == (4, 4, 3)
    scaled = (photograph - photograph.min()) / np.ptp(photograph)
    np.testing.assert_allclose(drawn, scaled.reshape(3, 4, 4).transpose(1, 2, 0))


# ------------------------------------------------------------------ the page


def page_driver(folder: Path, size: tuple[int, int]) -> Any:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))


@pytest.fixture(scope="module")
def page(tree: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write_page(FileSource(tree), folder / "view.html", layer=1, neuron=3)


@pytest.fixture
def browser(page: Path, tmp_path: Path) -> Iterator[Any]:
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed (Debian: chromium, chromium-driver)")
    driver = page_driver(tmp_path / "profile", (1400, 1000))
    try:
        driver.get(page.as_uri())
        deadline = time.monotonic() + 100
        ready = "return window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle"
        while not driver.execute_script(ready):
            assert time.monotonic() < deadline, "the page did not load in 100 s"
            time.sleep(0.05)
        yield driver
    finally:
        driver.quit()


def test_the_page_names_no_other_file(page: Path) -> None:
    """Guards against a page that is empty on a train."""
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<script[^>]+\bsrc=|<link[^>]+\bhref=|<img[^>]+\bsrc=.?http", text)


def test_sliders_and_checkboxes_of_the_page_move_traces(browser: Any, tree: Any) -> None:
    """Guards against a page that loads with errors, or whose controls do nothing."""
    driver = browser
    model = "Bokeh.documents[0].get_model_by_name"
    soma = f"return Array.from({model}('drawn').data.soma)"

    def drawn() -> Any:
        return driver.execute_script(soma)

    np.testing.assert_allclose(drawn(), tree["layer_1/soma"][0, :, 3], rtol=1e-6)
    driver.execute_script(f"{model}('neuron').value = 5; {model}('image').value = 2")
    np.testing.assert_allclose(drawn(), tree["layer_1/soma"][2, :, 5], rtol=1e-6)
    spikes = select_layer(tree, 1).isel(image=2).spikes.values
    for name, sign in (("up", 1), ("down", -1)):
        counted = driver.execute_script(f"return {model}('{name}').data.time.length")
        assert counted == np.count_nonzero(sign * spikes > 0)
    assert "neuron 5 of layer 1" in driver.execute_script(f"return {model}('heading').text")
    assert "image 12" in driver.execute_script(f"return {model}('heading').text")
    visible = f"return {model}('soma').visible"
    assert driver.execute_script(visible)
    driver.execute_script(f"{model}('checks').active = [1, 2]")
    assert not driver.execute_script(visible)
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    # nothing sticks out at the side
    for width in (1400, 760):
        driver.set_window_size(width, 900)
        assert driver.execute_script("return window.innerWidth") == width
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors


def test_a_page_too_large_for_a_browser_is_refused(
    file_source: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a file that no browser opens."""
    monkeypatch.setattr("neurosim.viewer.page.MOST_VALUES", 100)
    with pytest.raises(DataError, match=r"too large for a browser.*--neurons"):
        write_page(file_source, tmp_path / "view.html")


# ------------------------------------------------------------------ the command


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "digits"
    result = call(
        "train", "--dataset", "digits", "--hidden", "12", "--epochs", "1", "--train-images", "20",
        "--test-images", "30", "--backend", "runtime", "--out", folder, "--quiet",
        "--set", "free_time=8", "--set", "nudged_time=3",
    )  # fmt: skip
    assert result.status == 0, result.err
    return folder


def test_the_command_draws_pictures_and_pages(run_folder: Path, tmp_path: Path) -> None:
    """Guards the way from a run folder, and from a recording, to a file."""
    svg, recording = tmp_path / "a.svg", tmp_path / "r.nc"
    for arguments in (
        ("view", run_folder, "--image", "3", "--neuron", "7", "--save", svg),
        ("record", run_folder, "--images", "0-1", "--layer", "1", "--out", recording),
        ("view", recording, "--save", tmp_path / "a.png", "--html", tmp_path / "a.html"),
        ("view", recording, "--save", tmp_path / "a.pdf"),
    ):
        result = call(*arguments)
        assert result.status == 0, result.err
    for name, begin in (("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")):
        assert (tmp_path / name).read_bytes().startswith(begin)
    assert "neuron 7 of layer 1" in svg.read_text()
    assert "time in the cycle (ms)" in svg.read_text()
    assert (tmp_path / "a.html").stat().st_size > 500_000


def test_a_picture_of_a_recording_shows_the_image_asked_for(
    tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against the first image under the number of another."""
    titles: list[str] = []

    def note(figure: Figure, path: Path) -> None:
        del path
        titles.append(figure.texts[0].get_text())

    monkeypatch.setattr(style.StyledFigure, "savefig", note)
    recording = save_recording(tree, tmp_path / "rec.nc")
    for options in (("--images", "12"), ("--image", "12"), ("--images", "10", "--image", "12")):
        result = call("view", recording, *options, "--save", tmp_path / "a.svg")
        assert result.status == 0, result.err
    assert len(titles) == 3
    assert all("image 12" in title for title in titles)
    result = call("view", recording, "--images", "12,11", "--html", tmp_path / "a.html")
    assert result.status == 0, result.err
    assert '"ids",[12,11]' in (tmp_path / "a.html").read_text()


def test_the_command_refuses_in_one_line(run_folder: Path, tmp_path: Path, tree: Any) -> None:
    """Guards against tracebacks for what a user can mend."""
    save = ("--save", tmp_path / "x.png")
    assert "no neuron 12" in refusal("view", run_folder, "--neuron", "12", *save)
    assert "no layer 3" in refusal("view", run_folder, "--layer", "3", *save)
    assert "run from 0 to 29" in refusal("view", run_folder, "--image", "30", *save)
    assert "no run folder" in refusal("view", tmp_path / "absent", *save)
    assert ".png" in refusal("view", run_folder, "--save", tmp_path / "x.gif")
    assert "--explore" in refusal("view", run_folder, "--explore", *save)
    page = ("--html", tmp_path / "x.html")
    assert ".html" in refusal("view", run_folder, "--html", tmp_path / "x.png")
    assert "--neuron N" in refusal("view", run_folder, "--neurons", "3-5", *save)
    empty = tmp_path / "empty"
    empty.mkdir()
    told = f"{empty} holds no run: no config.toml there; give a run folder or a recording (.nc)"
    assert told in refusal("view", empty, *save)
    with pytest.raises(RunFolderError, match=r"holds no run: no config\.toml there"):
        view(empty)
    text = tmp_path / "text.nc"
    text.write_text("not a recording")
    assert "not a recording" in refusal("view", text, *save)
    recording = save_recording(tree, tmp_path / "small.nc")
    assert "did you mean 'soma'" in refusal("view", recording, "--traces", "somma", *save)
    assert "no neuron 6" in refusal("view", recording, "--image", "10", "--neuron", "6", *save)
    assert "--split" in refusal("view", recording, "--split", "train", *save)
    assert "nudge 1" in refusal("view", recording, "--beta", "-1", *save)
    assert "it holds 10 to 12" in refusal("view", recording, "--images", "5", *save)
    one = select_layer(tree, 1).isel(neuron=[3])
    one = save_recording(one, tmp_path / "one.nc")
    told = "no neuron 50 in this recording; it holds 3"
    assert refusal("view", one, "--neuron", "50", *save).endswith(told)
    assert refusal("view", one, "--neuron", "50", *page).endswith(told)
    assert refusal("view", one, "--neurons", "50", *page).endswith(told)
    assert not (tmp_path / "x.html").exists()
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.toml").write_bytes((run_folder / "config.toml").read_bytes())
    assert "checkpoint" in refusal("view", bare, *save)
    assert not (tmp_path / "x.png").exists()


def test_without_a_display_the_way_out_is_named(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a crash of the toolkit on a server."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    told = refusal("view", run_folder)
    assert "--save" in told
    assert "--html" in told
