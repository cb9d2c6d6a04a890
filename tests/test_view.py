"""The compartment view: what is drawn is what was recorded, and controls do what they say."""

from __future__ import annotations

import dataclasses
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call, refusal, run
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from oracles import make_problem, small_system

from neurosim import CorInfoMax, Simulator, save_recording, select_layer, view
from neurosim.errors import DataError, ParameterError
from neurosim.system import System
from neurosim.traces import TRACE_KINDS
from neurosim.viewer.explorer import Explorer
from neurosim.viewer.page import write_page
from neurosim.viewer.picture import phase_spans
from neurosim.viewer.source import FileSource
from neurosim.viewer.viewer import Viewer, open_source
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


def new_figure() -> Figure:
    figure = Figure(figsize=(12, 8.4))
    FigureCanvasAgg(figure)
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
        def traces(self) -> dict[str, tuple[str, ...]]:
            return {"pyramidal_1": ("u", "r", "r_sent")}

        layer_traces = System.layer_traces

    plain = Simulator(Plain(layers=(5, 6, 3)), backend="runtime")
    picture = Viewer(open_source(plain, np.ones((1, 5))), new_figure(), layer=1).picture
    assert list(picture.panels) == ["oscillation", "potential", "rate", "spikes"]
    assert set(picture.lines) == {"state", "rate", "spikes"}


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
    expected = simulator.record(images, LABELS, beta=-1.0, layer=2)
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
    simulator: Simulator, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a rerun with other weights, phases or images; one compiled program."""
    source = open_source(simulator, images, LABELS)
    window = Window(source, new_figure(), explore=True, layer=1, neuron=2, image=1)
    # from here on, nothing may be compiled
    monkeypatch.delattr("neurosim.engine.cpp.compile_project")
    window.sliders["g_l"].set_val(0.9)
    window.sliders["beta"].set_val(-0.5)
    changed = Simulator(
        dataclasses.replace(simulator.system, g_l=0.9), backend="runtime", dtype="float64"
    )
    changed.weights.update(simulator.weights)
    expected = changed.record(images[1:2], LABELS[1:2], beta=-0.5, layer=1)
    for name in ("soma", "apical", "backward_error"):
        shown = window.viewer.picture.lines[name].get_ydata()
        np.testing.assert_allclose(shown, expected[name][0, :, 2], rtol=0, atol=1e-9)
    # a value that makes the step unstable is told; the picture stays
    window.sliders["epsilon"].set_val(window.sliders["epsilon"].valmin)
    assert "unstable" in window.status.get_text()
    soma = window.viewer.picture.lines["soma"].get_ydata()
    np.testing.assert_allclose(soma, expected.soma[0, :, 2], rtol=0, atol=1e-9)
    source.close()


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


@pytest.fixture(params=[(1400, 1000), (760, 900)], ids=["wide", "narrow"])
def browser(
    request: pytest.FixtureRequest, page: Path, tmp_path: Path
) -> Iterator[tuple[Any, int]]:
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed (Debian: chromium, chromium-driver)")
    driver = page_driver(tmp_path / "profile", request.param)
    try:
        driver.get(page.as_uri())
        deadline = time.monotonic() + 100
        ready = "return window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle"
        while not driver.execute_script(ready):
            assert time.monotonic() < deadline, "the page did not load in 100 s"
            time.sleep(0.05)
        yield driver, request.param[0]
    finally:
        driver.quit()


def test_the_page_names_no_other_file(page: Path) -> None:
    """Guards against a page that is empty on a train."""
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<script[^>]+\bsrc=|<link[^>]+\bhref=|<img[^>]+\bsrc=.?http", text)


def test_sliders_and_checkboxes_of_the_page_move_traces(
    browser: tuple[Any, int], tree: Any
) -> None:
    """Guards against a page that loads with errors, or whose controls do nothing."""
    driver, width = browser
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
    # nothing sticks out at the side, and nothing went wrong
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
    )  # fmt: skip
    assert result.status == 0, result.err
    return folder


def test_the_command_draws_pictures_and_pages(run_folder: Path, tmp_path: Path) -> None:
    """Guards the way from a run folder, and from a recording, to a file."""
    for name, begin in (("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")):
        result = call(
            "view", run_folder, "--image", "3", "--neuron", "7", "--save", tmp_path / name
        )
        assert result.status == 0, result.err
        assert (tmp_path / name).read_bytes().startswith(begin)
    svg = (tmp_path / "a.svg").read_text()
    assert "neuron 7 of layer 1" in svg
    assert "time in the cycle (ms)" in svg
    result = call(
        "record", run_folder, "--images", "0-1", "--layer", "1", "--out", tmp_path / "r.nc"
    )
    assert result.status == 0, result.err
    result = call("view", tmp_path / "r.nc", "--html", tmp_path / "a.html")
    assert result.status == 0, result.err
    assert (tmp_path / "a.html").stat().st_size > 500_000


def test_the_command_refuses_in_one_line(run_folder: Path, tmp_path: Path, tree: Any) -> None:
    """Guards against tracebacks for what a user can mend."""
    save = ("--save", tmp_path / "x.png")
    assert "no neuron 12" in refusal("view", run_folder, "--neuron", "12", *save)
    assert "no layer 3" in refusal("view", run_folder, "--layer", "3", *save)
    assert "run from 0 to 29" in refusal("view", run_folder, "--image", "30", *save)
    assert "did you mean 'soma'" in refusal("view", run_folder, "--traces", "somma", *save)
    assert "no run folder" in refusal("view", tmp_path / "absent", *save)
    assert ".png" in refusal("view", run_folder, "--save", tmp_path / "x.gif")
    assert "--explore" in refusal("view", run_folder, "--explore", *save)
    text = tmp_path / "text.nc"
    text.write_text("not a recording")
    assert "not a recording" in refusal("view", text, *save)
    recording = save_recording(tree, tmp_path / "small.nc")
    assert "no neuron 6" in refusal("view", recording, "--image", "10", "--neuron", "6", *save)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.toml").write_bytes((run_folder / "config.toml").read_bytes())
    assert "checkpoint" in refusal("view", bare, *save)
    assert not (tmp_path / "x.png").exists()


def test_without_a_display_the_way_out_is_named(run_folder: Path) -> None:
    """Guards against a crash of the toolkit on a server."""
    result = run("view", run_folder, DISPLAY=None, WAYLAND_DISPLAY=None)
    assert result.status == 2
    assert "--save" in result.complaint
    assert "--html" in result.complaint
