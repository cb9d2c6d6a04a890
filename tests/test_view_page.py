"""The view in a browser: what a person would do, on a screen and on a telephone."""

from __future__ import annotations

import base64
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import make_problem, small_system

from neurosim import Simulator, select_layer, view
from neurosim.viewer.opening import open_source
from neurosim.viewer.page import write_page
from neurosim.viewer.server import open_server
from neurosim.viewer.session import LiveView
from neurosim.viewer.source import FileSource, LiveSource

SCREEN, TELEPHONE = (1280, 800), (400, 800)


@pytest.fixture(scope="module")
def source() -> LiveSource:
    system = small_system(event_threshold=0.02, sst_threshold=0.05)
    simulator = Simulator(system, backend="runtime", dtype="float64")
    problem = make_problem(system)
    simulator.weights.update(problem.weights)
    made = open_source(simulator, problem.images, [2, 0, 1], ids=[10, 11, 12])
    assert isinstance(made, LiveSource)
    return made


@pytest.fixture(scope="module")
def page(source: LiveSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write_page(source, folder / "view.html")


class Hands:
    """A person at a browser."""

    def __init__(self, folder: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={folder}",
        ):  # fmt: skip
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(str(shutil.which("chromedriver")))
        self.driver = webdriver.Chrome(options=options, service=service)
        # machines may be busy
        self.driver.set_script_timeout(300)

    def open(self, address: str, size: tuple[int, int]) -> None:
        """Open a page in a window of a size."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1,
                   "mobile": size == TELEPHONE}  # fmt: skip
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.get(address)
        ready = "return !!(window.neurosim_view && Bokeh.documents[0].is_idle)"
        self.wait(ready, "the page to load")

    def wait(self, script: str, what: str) -> None:
        """Until a script returns true."""
        deadline = time.monotonic() + 100
        while not self.driver.execute_script(script):
            assert time.monotonic() < deadline, f"waited 100 s for {what}"
            time.sleep(0.05)

    def see(self, script: str) -> Any:
        """What a script finds with ``m``, the models by name."""
        return self.driver.execute_script(f"const m = neurosim_view.models; return {script}")

    def choose(self, name: str, value: Any) -> None:
        """Choose in a list, or move a slider."""
        self.driver.execute_script(
            f"neurosim_view.models[{name!r}].{'active' if name in ('checks', 'mode') else 'value'}"
            " = arguments[0]", value,
        )  # fmt: skip

    def press(self, *keys: str) -> None:
        """Keys, one after the other."""
        for key in keys:
            event = {"key": key}
            for kind in ("keyDown", "keyUp"):
                self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": kind, **event})

    def place(self, panel: str) -> dict[str, float]:
        """Where the inside of a panel is on the screen."""
        found = self.see(
            f"(() => {{ const v = Bokeh.index.find_one(m.panels.{panel}.figure);"
            " v.el.scrollIntoView({block: 'center'});"
            " const r = v.el.getBoundingClientRect(), b = v.frame.bbox;"
            " return {left: r.left + b.left, top: r.top + b.top, width: b.width,"
            " height: b.height}; })()"
        )
        assert isinstance(found, dict)
        return found

    def drag(self, panel: str, begin: float, end: float) -> None:
        """With the mouse over a panel, from one share of its width to another."""
        box = self.place(panel)
        y = box["top"] + box["height"] / 2

        def mouse(kind: str, share: float, buttons: int) -> None:
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {
                "type": kind, "x": box["left"] + share * box["width"], "y": y, "buttons": buttons,
                "button": "left" if kind != "mouseMoved" or buttons else "none", "clickCount": 1,
            })  # fmt: skip

        mouse("mouseMoved", begin, 0)
        mouse("mousePressed", begin, 1)
        for share in np.linspace(begin, end, 6):
            mouse("mouseMoved", float(share), 1)
        mouse("mouseReleased", end, 0)

    def swipe(self, x: float, y: float, *, up: float) -> None:
        """With a finger over the screen."""
        places = [y - share * up for share in np.linspace(0, 1, 10)]
        kinds = ["touchStart", *["touchMove"] * (len(places) - 1)]
        for kind, place in zip(kinds, places, strict=True):
            points = [{"x": x, "y": place}]
            self.driver.execute_cdp_cmd(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
            )
        self.driver.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []}
        )

    def complaints(self) -> list[Any]:
        """Errors that the browser has logged."""
        return [e for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hands]:
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed (Debian: chromium, chromium-driver)")
    made = Hands(tmp_path_factory.mktemp("profile"))
    try:
        yield made
    finally:
        made.driver.quit()


def test_the_page_names_no_other_file_and_fits_a_telephone(page: Path) -> None:
    """Guards against a page that is empty on a train, or shown in miniature."""
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<script[^>]+\bsrc=|<link[^>]+\bhref=|<img[^>]+\bsrc=.?http", text)
    assert re.search(r'<meta name="viewport" content="width=device-width', text)


def test_the_page_answers_what_the_nudge_does(hands: Hands, page: Path, source: LiveSource) -> None:
    """Guards against another cell, another reference, and senders that do not add up."""
    hands.open(page.as_uri(), SCREEN)
    layers = {number: source.layer(number) for number in (1, 2)}
    moved = {n: np.abs(d.soma.values[0, -1] - d.soma.values[0, 10]) for n, d in layers.items()}
    layer = max(moved, key=lambda number: float(moved[number].max()))
    cell = int(moved[layer].argmax())
    heading = hands.see("m.heading.text")
    assert f"neuron {cell} of layer {layer}" in heading
    assert "image 10" in heading
    order = [int(value) for value, _ in hands.see("m.cell.options")]
    assert (np.diff(moved[layer][order]) <= 0).all()
    # the change since the end of the free phase, from the value before the restart
    soma = layers[layer].soma.values[0, :, cell]
    drawn = np.array(hands.see("Array.from(m.panels.change.source.data.y0)"), float)
    np.testing.assert_allclose(drawn, (soma - soma[10])[11:], atol=1e-6)
    # a gap where the soma is set anew
    line = hands.see("Array.from(m.panels.potential.source.data.y0)")
    np.testing.assert_array_equal(np.flatnonzero([v is None or v != v for v in line]), [11])
    assert "Gap in soma" in hands.see("m.notes.text")
    # five senders and the rest are all that the cell receives
    hands.choose("layer", "1")
    hands.choose("mode", 1)
    received = source.material(source.beta).variables["pyramidal_1", "s_B"]
    for name, step in (("0", 5), ("2", 17)):
        hands.choose("image", name)
        hands.choose("time", step)
        here = int(hands.see("m.cell.value"))
        hands.choose("input", "0")
        bars = hands.see("Array.from(m.senders.source.data.value)")
        assert sum(bars) == pytest.approx(received[int(name), step, here], rel=1e-4)
        title = hands.see("m.senders.title.text")
        assert title.startswith(f"at {step + 1} ms")
    field = hands.see("Array.from(m.field.source.data.image[0])")
    weights = source.simulator.weights["W_ff_0"][here]
    np.testing.assert_allclose(field, weights, rtol=1e-5)
    assert not hands.complaints()


@pytest.mark.slow
def test_keys_drag_reset_and_play(hands: Hands, page: Path, source: LiveSource) -> None:
    """Guards against controls that do nothing, and a zoom without a way back."""
    hands.open(page.as_uri(), SCREEN)
    hands.press("ArrowRight")
    assert hands.see("m.image.value") == "1"
    assert "image 11" in hands.see("m.heading.text")
    before = hands.see("m.cell.value")
    hands.press("ArrowDown")
    assert hands.see("m.cell.options.findIndex(o => o[0] === m.cell.value)") == hands.see(
        f"(m.cell.options.findIndex(o => o[0] === '{before}') + 1) % m.cell.options.length"
    )
    layer = hands.see("m.layer.value")
    hands.press("PageDown")
    assert hands.see("m.layer.value") != layer
    ends = "[m.along.start, m.along.end]"
    hands.press("z")
    assert hands.see(ends) == [12, 18]
    hands.press("r")
    assert hands.see(ends) == [0, 18]
    hands.drag("potential", 0.25, 0.5)
    start, end = hands.see(ends)
    assert (start, end) == (pytest.approx(4.5, abs=0.3), pytest.approx(9, abs=0.3))
    hands.see("neurosim_view.act('whole')")
    assert hands.see(ends) == [0, 18]
    hands.choose("time", 3)
    hands.press(".", ".", ",")
    assert hands.see("m.time.value") == 4
    assert "<b>5 ms, free</b>" in hands.see("m.readout.text")
    hands.press(" ")
    hands.wait("return neurosim_view.models.time.value > 6", "the mark to move")
    hands.press(" ")
    assert hands.see("m.play.active") is False
    # nothing was asked of a network
    assert hands.see("performance.getEntriesByType('resource').length") == 0
    assert not hands.complaints()


@pytest.mark.slow
def test_two_images_are_compared_and_taken_along(
    hands: Hands, page: Path, source: LiveSource
) -> None:
    """Guards against the comparison of an image with itself, and empty files."""
    hands.open(page.as_uri(), SCREEN)
    hands.choose("layer", "1")
    hands.choose("compare", "2")
    cell = int(hands.see("m.cell.value"))
    panel = "m.panels.rate"
    assert hands.see(f"{panel}.ghosts[0].visible") is True
    rate = source.layer(1).rate.values
    for column, image in (("y0", 0), ("c0", 2)):
        drawn = hands.see(f"Array.from({panel}.source.data.{column})")
        np.testing.assert_allclose(drawn, rate[image, :, cell], atol=1e-6)
    assert "image 12" in hands.see("m.heading.text")
    lines = hands.see("neurosim_view.table()").splitlines()
    head = lines[0].split(",")
    assert head[:3] == ["time_ms", "phase", "soma"]
    assert len(lines) == 19
    values = [float(line.split(",")[head.index("rate")]) for line in lines[1:]]
    np.testing.assert_allclose(values, rate[0, :, cell], atol=1e-6)
    picture = hands.see("neurosim_view.picture().toDataURL('image/png')")
    assert base64.b64decode(picture.partition(",")[2]).startswith(b"\x89PNG")
    assert len(picture) > 10_000
    hands.choose("compare", "nothing")
    assert hands.see(f"{panel}.ghosts[0].visible") is False
    # traces on and off
    shown = hands.see("m.panels.inhibition.figure.visible")
    hands.choose("checks", [0, 1])
    assert shown
    assert hands.see("m.panels.inhibition.figure.visible") is False
    assert hands.see("m.panels.potential.lines.map(line => line.visible)") == [True, True, False]
    assert not hands.complaints()


@pytest.mark.slow
def test_the_page_can_be_used_on_a_telephone(hands: Hands, page: Path) -> None:
    """Guards against what sticks out at the side, and panels too narrow to be read."""
    hands.open(page.as_uri(), TELEPHONE)
    assert hands.see("window.innerWidth") == 400
    assert hands.see("document.documentElement.scrollWidth") <= 400
    assert hands.place("potential")["width"] > 270
    tops = hands.see(
        "[m.panels.spikes.figure, m.input].map(p => "
        "Bokeh.index.find_one(p).el.getBoundingClientRect().top)"
    )
    assert tops[1] > tops[0]
    hands.press("z")
    assert hands.see("m.along.start") == 12
    assert not hands.complaints()


def test_a_finger_scrolls_the_page_and_does_not_zoom(hands: Hands, page: Path) -> None:
    """Guards against plots that catch the finger of who wants to see what is below them."""
    touch = "Emulation.setTouchEmulationEnabled"
    hands.driver.execute_cdp_cmd(touch, {"enabled": True, "maxTouchPoints": 5})
    try:
        hands.open(page.as_uri(), TELEPHONE)
        assert hands.see("matchMedia('(pointer: coarse)').matches")
        box, before = hands.place("potential"), hands.see("window.scrollY")
        hands.swipe(box["left"] + 0.3 * box["width"], box["top"] + box["height"] / 2, up=150)
        hands.wait(f"return window.scrollY > {before} + 50", "the page to move")
        assert hands.see("[m.along.start, m.along.end]") == [0, 18]
        assert not hands.see("Object.values(m.panels).some(p => p.figure.toolbar.tools"
                             ".some(tool => tool.active))")  # fmt: skip
    finally:
        hands.driver.execute_cdp_cmd(touch, {"enabled": False})


@pytest.mark.slow
def test_two_moments_of_training_share_the_axes(
    hands: Hands, source: LiveSource, tmp_path: Path
) -> None:
    """Guards the comparison of two recordings; and recordings, which hold no weights."""
    recording = source.recording(source.beta)
    later = recording.copy(deep=True)
    later["layer_1/soma"] = later["layer_1/soma"] + 0.25
    path = write_page(
        FileSource(recording), tmp_path / "two.html", layer=1, neuron=4,
        other=("epoch 9", FileSource(later)),
    )  # fmt: skip
    hands.open(path.as_uri(), SCREEN)
    soma = select_layer(recording, 1).soma.values[0, :, 4]
    there = np.delete(np.arange(19), 11)
    for column, more in (("y0", 0), ("c0", 0.25)):
        drawn = hands.see(f"Array.from(m.panels.potential.source.data.{column})")
        np.testing.assert_allclose(np.array(drawn, float)[there], soma + more, atol=1e-6)
    assert "epoch 9" in hands.see("m.heading.text")
    assert hands.see("m.input.visible") is False
    assert "open the run folder" in hands.see("m.notes.text")
    assert not hands.complaints()


@pytest.fixture
def served(source: LiveSource) -> Iterator[str]:
    """The address of a server that runs in a thread of its own."""
    from tornado.ioloop import IOLoop

    told: list[Any] = []
    ready = threading.Event()

    def run() -> None:
        loop = IOLoop(make_current=True)
        server, address = open_server(LiveView(source, explore=True, image=11, layer=1))
        told.extend([loop, server, address])
        ready.set()
        loop.start()
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(200)
    loop, server, address = told
    try:
        yield address
    finally:
        loop.add_callback(server.stop)
        loop.add_callback(loop.stop)
        thread.join(30)
        source.close()


@pytest.mark.slow
def test_a_slider_in_the_browser_runs_the_image_again(
    hands: Hands, served: str, source: LiveSource
) -> None:
    """Guards the way from the browser to the network and back."""
    hands.open(served, SCREEN)
    assert "image 11" in hands.see("m.heading.text")
    hands.see("(s => { s.value = 0.9; s.value_throttled = 0.9; })"
              "(Bokeh.documents[0].get_model_by_name('g_l'))")  # fmt: skip
    hands.wait("return neurosim_view.models.tried.data.image.length > 0", "the image")
    expected = source.try_out(1, source.beta, _changed(source, g_l=0.9)).recording
    cell = int(hands.see("m.cell.value"))
    rate = select_layer(expected, 1).rate.values[0, :, cell]
    drawn = hands.see("Array.from(m.panels.rate.source.data.y0)")
    np.testing.assert_allclose(drawn, rate, atol=1e-6)
    hands.choose("compare", "run")
    drawn = hands.see("Array.from(m.panels.rate.source.data.c0)")
    np.testing.assert_allclose(drawn, source.layer(1).rate.values[1, :, cell], atol=1e-6)
    assert not hands.complaints()


def _changed(source: LiveSource, **settings: float) -> dict[str, float]:
    from neurosim.viewer.explorer import Explorer

    explorer = Explorer(source.simulator.system, source.beta)
    for name, value in settings.items():
        explorer.set(name, value, "pyramidal_1")
    return explorer.changes()


def test_the_notebook_shows_the_page_in_a_frame(source: LiveSource) -> None:
    """Guards against a page that changes the notebook, or is changed by it."""
    shown = view(source.recording(source.beta), layer=1, neuron=2)
    frame = shown._repr_html_()
    assert frame.startswith("<iframe ")
    assert frame.endswith("</iframe>")
    # one attribute that nothing within it ends
    assert frame.count('"') == 6
    start = shown.prepared.start
    assert (start["layer"], start["cell"]) == (1, 2)
    assert json.dumps(start)
