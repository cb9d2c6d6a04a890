"""The compartment view: what is drawn is what was recorded, and controls do what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document
from command_line import call, refusal
from matplotlib.figure import Figure
from oracles import make_problem, small_system
from user_style import png, user_style

from neurosim import CorInfoMax, Simulator, save_recording, select_layer, view
from neurosim.errors import DataError, ParameterError, RunFolderError
from neurosim.figures import style
from neurosim.models import CorInfoMaxSparse
from neurosim.system import System
from neurosim.system.parameters import parameter
from neurosim.system.traces import TRACE_KINDS
from neurosim.viewer.explorer import Explorer
from neurosim.viewer.labels import layers_to_open, phase_spans
from neurosim.viewer.look import likely_shape
from neurosim.viewer.opening import open_source
from neurosim.viewer.picture import Picture
from neurosim.viewer.session import LiveView
from neurosim.viewer.source import FileSource
from neurosim.viewer.still import draw_still

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


def drawn(source: Any, **start: Any) -> Picture:
    return draw_still(source, style.empty_figure(12, 8.4), **start)


# ------------------------------------------------------------------ the picture


def test_the_picture_shows_the_recorded_values_of_one_neuron(
    file_source: FileSource, tree: Any
) -> None:
    """Guards against a trace of another neuron, image, layer or quantity than its name."""
    picture = drawn(file_source, image=11, layer=1, neuron=4)
    layer = select_layer(tree, 1).isel(image=1).sel(neuron=4)
    lines = {n: line for n, line in picture.lines.items() if n != "spikes"}
    assert list(lines) == [
        "soma", "basal", "apical", "rate", "sst", "forward_error", "backward_error",
    ]  # fmt: skip
    for name, line in lines.items():
        # at the border the soma already has the value with which the nudged phase begins
        there = np.insert(np.arange(18), 11, -1) if name == "soma" else np.arange(18)
        x, y = (np.where(there < 0, np.nan, v.values[there]) for v in (layer.time, layer[name]))
        np.testing.assert_array_equal(line.get_xdata(), x)
        np.testing.assert_array_equal(line.get_ydata(), y, err_msg=name)
    assert "Gap in soma" in picture._notes.get_text()


def test_the_raster_shows_every_graded_spike_of_the_layer(
    file_source: FileSource, tree: Any
) -> None:
    """Guards against spikes that are left out, doubled or at another time."""
    picture = drawn(file_source, image=10, layer=1, neuron=2)
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
    for neuron, rows in ((0, range(100)), (65, range(15, 115)), (129, range(30, 130))):
        picture = drawn(source, layer=1, neuron=neuron)
        marks = np.concatenate([picture._up.get_offsets(), picture._down.get_offsets()])
        chosen = spikes.sel(neuron=list(rows)).values
        assert len(marks) == np.count_nonzero(chosen)
        assert set(marks[:, 1]) == set(np.array(rows)[chosen.any(axis=0)])


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_every_panel_is_labelled_shaded_and_linked(file_source: FileSource, layer: int) -> None:
    """Guards against axes without a unit, and phases shaded where they are not."""
    picture = drawn(file_source, layer=layer)
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
    picture = drawn(file_source, image=12)
    layer = select_layer(tree, 2).isel(image=2)
    shown = np.asarray(picture.image.images[0].get_array()).ravel()
    np.testing.assert_array_equal(shown, layer.stimulus)
    heights = [bar.get_height() for bar in picture._answer]
    np.testing.assert_allclose(heights, layer.rate.values[11])
    np.testing.assert_array_equal(picture.bars.lines[0].get_ydata(), np.eye(3)[1])
    assert picture.image.get_title() == f"label 1, predicted {int(layer.prediction)}"


def test_free_only_leaves_the_nudged_phase_out(file_source: FileSource) -> None:
    """Guards against a toggle that hides the shading but not the traces."""
    free = drawn(file_source, layer=2, nudged=False)
    assert free.lines["soma"].get_xdata()[-1] == 12
    assert not free.panels["potential"].patches
    assert drawn(file_source, layer=2).lines["soma"].get_xdata()[-1] == 18


def test_a_system_without_dendrites_is_drawn_as_it_declares() -> None:
    """Guards against a picture that takes three compartments for granted."""

    @dataclasses.dataclass(frozen=True)
    class Plain(CorInfoMax):
        layer_traces = System.layer_traces

    plain = Simulator(Plain(layers=(5, 6, 3)), backend="runtime")
    picture = drawn(open_source(plain, np.ones((1, 5))), layer=1)
    assert list(picture.panels) == ["oscillation", "potential", "rate", "spikes"]
    assert set(picture.lines) == {"state", "rate", "spikes"}


def test_inhibition_by_a_domain_is_not_called_sst_input() -> None:
    """Guards the axis on which the multiplier of a sparse layer stands beside SST cells."""
    sparse = Simulator(CorInfoMaxSparse(layers=(5, 6, 3)), backend="runtime")
    source = open_source(sparse, np.ones((1, 5)))
    picture = drawn(source, layer=1, traces=["soma", "sst", "multiplier"])
    assert {"sst", "multiplier"} <= set(picture.lines)
    assert picture.panels["inhibition"].get_ylabel() == "inhibition\n(1)"


def test_the_user_s_style_changes_no_picture(tree: Any) -> None:
    """Guards the picture against the matplotlibrc."""

    def draw() -> bytes:
        return png(drawn(FileSource(tree), layer=1, neuron=3).figure)

    expected = draw()
    with user_style():
        assert draw() == expected


def test_the_view_opens_where_it_is_asked_to() -> None:
    """Guards recordings of one layer, which may be the input, and a neuron without a layer."""
    layers = {0: range(5), 1: range(6), 2: range(3)}
    assert layers_to_open(layers, None, None, live=True) == [1, 2]
    assert layers_to_open(layers, None, 4, live=True) == [1]
    assert layers_to_open(layers, 0, None, live=True) == [0]
    assert layers_to_open({0: range(5)}, None, None, live=False) == [0]
    with pytest.raises(DataError, match="no neuron 6 here; there are 0 to 5"):
        layers_to_open(layers, None, 6, live=True)
    with pytest.raises(DataError, match="no neuron 4 here; there are 0 to 2"):
        layers_to_open(layers, 2, 4, live=True)


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
    session = LiveView(live, explore=True, image=1, layer=1).open(Document())
    models = session.application.models
    # from here on, nothing may be compiled
    monkeypatch.delattr("neurosim.backends.cpp.library.compile_library")
    session.turn("g_l", 0.9)
    session.turn("beta", -0.5)
    changed = Simulator(
        dataclasses.replace(simulator.system, g_l=0.9), backend="runtime", dtype="float64"
    )
    changed.weights.update(simulator.weights)
    expected = changed.record(images[1:2], LABELS[1:2], inputs={"beta": -0.5}, layer=1)
    tried = dict(models["tried"].data)
    assert list(tried["image"]) == [1]
    for name in ("soma", "apical", "backward_error"):
        shown = tried[f"1/{name}"][0].reshape(18, 6)
        np.testing.assert_allclose(shown, expected[name][0], rtol=0, atol=1e-6)
    # a value that makes the step unstable is told; what is shown stays
    session.turn("epsilon", session.sliders["epsilon"].start)
    assert "unstable" in models["message"].text
    assert session.sliders["epsilon"].value == 0.15
    np.testing.assert_array_equal(models["tried"].data["1/soma"], tried["1/soma"])
    session.reset()
    assert list(models["tried"].data["image"]) == []
    assert session.sliders["g_l"].value == simulator.system.g_l


def test_another_layer_has_other_sliders(live: Any) -> None:
    """Guards against sliders of cells that are not looked at: the input has no dendrites."""
    session = LiveView(live, explore=True, layer=1).open(Document())
    models, hidden = session.application.models, list(session.sliders)
    assert {"g_B", "g_A"} <= set(hidden)
    models["layer"].value = "0"
    assert set(hidden) - set(session.sliders) == {"g_B", "g_A"}
    session.turn("beta", 0.5)
    models["layer"].value = "1"
    assert list(session.sliders) == hidden
    assert session.sliders["beta"].value == 0.5
    session.turn("g_B", 5.0)
    assert models["message"].text == ""
    expected = live.try_out(0, 0.5, {"pyramidal_1.g_B": 5.0}).recording
    soma = select_layer(expected, 1).soma.values.astype(np.float32)
    np.testing.assert_array_equal(models["tried"].data["1/soma"][0], soma.ravel())
    with pytest.raises(DataError, match="give the run folder to --explore"):
        LiveView(FileSource(live.recording(1.0)), explore=True)


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


def test_what_a_recording_cannot_follow_is_refused(tree: Any, images: np.ndarray) -> None:
    """Guards against images and nudges that are given, and ignored without a word."""
    assert view(tree).prepared.source.beta == view(tree, beta=1.0).prepared.source.beta == 1
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
    colours = np.asarray(drawn(source).image.images[0].get_array())
    assert colours.shape == (4, 4, 3)
    scaled = (photograph - photograph.min()) / np.ptp(photograph)
    np.testing.assert_allclose(colours, scaled.reshape(3, 4, 4).transpose(1, 2, 0))


# ------------------------------------------------------------------ the command


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "digits"
    result = call(
        "train", "--dataset", "digits", "--hidden", "12", "--epochs", "1", "--train-images", "2",
        "--test-images", "5", "--backend", "runtime", "--out", folder, "--quiet",
        "--set", "free_time=8", "--set", "nudged_time=3",
    )  # fmt: skip
    assert result.status == 0, result.err
    return folder


def test_the_command_draws_pictures_and_pages(run_folder: Path, tmp_path: Path) -> None:
    """Guards the way from a run folder, and from a recording, to a file."""
    svg, recording = tmp_path / "a.svg", tmp_path / "r.nc"
    for arguments in (
        ("view", run_folder, "--image", "3", "--layer", "1", "--neuron", "7", "--save", svg),
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
    recording = save_recording(select_layer(tree, 1), tmp_path / "rec.nc")
    for options in (("--image", "12"), ("--images", "10", "--image", "12")):
        result = call("view", recording, *options, "--save", tmp_path / "a.svg")
        assert result.status == 0, result.err
    assert len(titles) == 2
    assert all("image 12" in title for title in titles)
    result = call("view", recording, "--images", "12,11", "--html", tmp_path / "a.html")
    assert result.status == 0, result.err
    assert '\\"ids\\": [12, 11]' in (tmp_path / "a.html").read_text()


def test_the_command_refuses_in_one_line(run_folder: Path, tmp_path: Path, tree: Any) -> None:
    """Guards against tracebacks for what a user can mend."""
    save = ("--save", tmp_path / "x.png")
    assert "no neuron 12" in refusal("view", run_folder, "--neuron", "12", *save)
    assert "no layer 3" in refusal("view", run_folder, "--layer", "3", *save)
    assert "run from 0 to 4" in refusal("view", run_folder, "--image", "5", *save)
    assert "no run folder" in refusal("view", tmp_path / "absent", *save)
    assert ".png" in refusal("view", run_folder, "--save", tmp_path / "x.gif")
    assert "--explore" in refusal("view", run_folder, "--explore", *save)
    page = ("--html", tmp_path / "x.html")
    assert "--port and --no-browser" in refusal("view", run_folder, "--port", "5006", *save)
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
    recording = save_recording(select_layer(tree, 1), tmp_path / "small.nc")
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
