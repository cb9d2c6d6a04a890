"""The benchmarks: every contender computes the same update, and results are told as measured."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# the benchmarks are no part of the installed package
sys.path.insert(0, str(Path(__file__).parents[1]))

from oracles import make_problem as make_small_problem
from oracles import small_system

from benchmarks import __main__ as command_line
from benchmarks import event_threshold, events, explore, gpu, growth, problem, report
from benchmarks.checks import Check, Oracle, check_outcome
from benchmarks.contender import CONTENDERS, Contender, Outcome, choose, make_runner
from benchmarks.memory import PeakWatch, peak_bytes
from benchmarks.peak_memory import watch
from benchmarks.problem import Problem
from benchmarks.worker import Worker
from neurosim import CorInfoMax, Simulator
from neurosim.backends.cuda.emulation import EmulatedDevice
from neurosim.data import Dataset
from neurosim.errors import BuildError, DataError, NeurosimError, ParameterError
from neurosim.models.numpy.corinfomax import initial_weights, readout
from neurosim.viewer.source import LiveSource

#: The structure of other tests' networks: compiled programs are shared with them.
DEEP = (5, 6, 4, 3)
IMAGES = 8


def tiny_problem(layers: tuple[int, ...] = DEEP, **changes: Any) -> Problem:
    """A network whose lateral terms count, whose cells are silent, graded and clipped."""
    depth = len(layers) - 1
    settings = {
        "lambda_": 0.9,
        "mu_ff": (0.1, 0.07, 0.05)[:depth],
        "mu_fb": (0.05, 0.03)[: depth - 1],
        "free_time": 12.0,
        "nudged_time": 6.0,
    }
    system, rng = CorInfoMax(layers=layers, **{**settings, **changes}), np.random.default_rng(7)
    weights = initial_weights(layers, rng)
    for k in range(depth):
        weights[f"W_ff_{k}"] = 2.5 * weights[f"W_ff_{k}"] + 0.2
    pixels = rng.uniform(size=(IMAGES, layers[0])) * (rng.uniform(size=(IMAGES, layers[0])) > 0.25)
    return Problem(
        system=system,
        images=pixels.astype(np.float32),
        targets=np.eye(layers[-1], dtype=np.float32)[rng.integers(layers[-1], size=IMAGES)],
        betas=np.repeat([0.5, -1.0], IMAGES // 2),
        weights=weights,
        source="random",
        warm_up=0,
    )


def contender(family: str, **settings: Any) -> Contender:
    return Contender("under test", family, "under test", **{"dtype": "float64", **settings})


def check(who: Contender, given: Problem) -> tuple[Check, Outcome]:
    runner = make_runner(who, given)
    try:
        outcome = runner.run(IMAGES, learning=True)
    finally:
        runner.close()
    return check_outcome(Oracle(given), given, who, outcome, IMAGES), outcome


# ---------------------------------------------------------------- the same update

IN_PROCESS = {
    "numpy": contender("numpy"),
    "torch": contender("torch"),
    "torch, batches": contender("torch", batch=4),
    "torch, a last batch that is smaller": contender("torch", batch=3),
    "C": contender("floor"),
}


@pytest.mark.quick(10)
@pytest.mark.parametrize("layers", [DEEP, (5, 6, 3), (5, 3)], ids=str)
@pytest.mark.parametrize("name", IN_PROCESS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_contenders_learn_what_the_reference_learns(
    name: str, layers: tuple[int, ...], dtype: str
) -> None:
    """Guards against a fast contender that computes something easier."""
    who = dataclasses.replace(IN_PROCESS[name], dtype=dtype)
    given = tiny_problem(layers)
    if who.batch == 3:
        # one sign per batch
        given = dataclasses.replace(given, betas=np.full(IMAGES, -0.5))
    result, _ = check(who, given)
    assert result.passed, result
    assert result.against == "NumPy reference"


@pytest.mark.parametrize("name", IN_PROCESS)
def test_contenders_answer_what_the_reference_answers(name: str) -> None:
    """Guards against an evaluation that is fast because it stops early or learns on."""
    given = tiny_problem()
    outcome = make_runner(IN_PROCESS[name], given).run(IMAGES, learning=False)
    params = problem.reference_parameters(given.system)
    expected = readout(params, given.weights, given.images.astype(float))
    np.testing.assert_allclose(outcome.answers, expected, rtol=0, atol=1e-12)
    for key, before in given.weights.items():
        np.testing.assert_allclose(outcome.weights[key], before, rtol=0, atol=1e-12)


def test_neurosim_and_c_agree_event_for_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a C program that saves time by sending less than neurosim."""
    monkeypatch.setattr(events, "CHUNK_IMAGES", IMAGES)
    given = tiny_problem()
    exact, _ = check(contender("neurosim"), given)
    assert exact.passed, exact
    for theta, sst in ((0.03, 0.1), (0.0, 0.2)):
        settings = {"event_threshold": theta, "sst_threshold": sst}
        result, outcome = check(contender("floor", **settings), given)
        assert result.against == "neurosim, float64"
        assert result.passed, result
        assert result.events == 0
        assert outcome.event_counts["pyramidal_1.sample"] > 0


@pytest.mark.slow
def test_brian2_the_usual_way_learns_what_the_reference_learns() -> None:
    """Guards against sums that are one step late: a contender that is slow and also wrong."""
    given = tiny_problem((5, 4, 3))
    who = contender("brian2-summed")
    with Worker(who, given) as worker:
        memory = worker.prepare()
        images = worker.fixed_images(learning=True)
        assert images is not None
        outcome = worker.run(images, learning=True, weights=True)
    result = check_outcome(Oracle(given), given, who, outcome, images)
    assert result.passed, result
    assert 1e6 < memory.peak_bytes < 1e8


def test_the_check_has_teeth() -> None:
    """Guards against a tolerance that lets a wrong update pass."""
    given, who = tiny_problem(), contender("floor")
    oracle = Oracle(given)
    right = make_runner(who, given).run(IMAGES, learning=True)

    def passes(**changed: Any) -> bool:
        outcome = dataclasses.replace(right, weights={**right.weights, **changed})
        return check_outcome(oracle, given, who, outcome, IMAGES).passed

    assert passes()
    for name, learnt in right.weights.items():
        assert not passes(**{name: given.weights[name]}), f"{name} that never learnt"
        assert not passes(**{name: 2 * given.weights[name] - learnt}), f"{name} with a wrong sign"
        one = learnt.copy()
        one[0, -1] += 1e-6
        assert not passes(**{name: one}), f"{name} with one wrong synapse"
        one[0, -1] = np.nan
        assert not passes(**{name: one}), f"{name} with a NaN"


def test_settings_that_not_all_contenders_know_are_refused() -> None:
    """Guards against comparing different networks."""
    with pytest.raises(ParameterError, match="slowdown"):
        problem.make_system((784, 500, 10), slowdown=0.01)


# ---------------------------------------------------------------- what they are shown


@pytest.mark.parametrize(("width", "active", "mean", "deviation"), [
    (784, 0.19, 0.13, 0.31),
    (3072, 1.0, 0.0, 1 / 3),
])  # fmt: skip
def test_synthetic_images_have_the_statistics_of_the_real_ones(
    width: int, active: float, mean: float, deviation: float
) -> None:
    """Guards against times at an activity no real image causes."""
    pixels, labels = problem._synthetic(width, 10, 300)
    assert pixels.dtype == np.float32
    assert pixels.shape == (300, width)
    assert (pixels != 0).mean() == pytest.approx(active, abs=0.01)
    assert pixels.mean() == pytest.approx(mean, abs=0.02)
    assert pixels.std() == pytest.approx(deviation, abs=0.02)
    assert len(np.unique(labels)) == 10


def test_images_that_are_not_there_are_replaced_and_called_synthetic(tmp_path: Path) -> None:
    """Guards against numbers that claim to be MNIST's."""
    given = problem.make_problem((784, 5, 10), images=3, warm_up=0, data_dir=tmp_path)
    assert given.source.startswith("synthetic")
    assert given.images.shape == (3, 784)
    with pytest.raises(DataError, match="does not exist"):
        problem.make_problem((784, 5, 10), images=3, warm_up=0, data_dir=tmp_path / "absent")


# ---------------------------------------------------------------- the command line


def test_a_run_writes_results_and_prints_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a measurement that fails half an hour later, when it is written."""
    out = tmp_path / "results.json"
    names = ["numpy-1", "floor-f32-0-exact"]
    options = ["--sizes", "6-5-3", "--rounds", "3", "--images", "20", "--seconds", "0.001"]
    status = command_line.main(
        [*options, "--contenders", *names, "--warm-up", "0", "--out", str(out)]
    )
    assert status == 0
    results = json.loads(out.read_text())
    (size,) = results["sizes"]
    assert size["synapses"] == 6 * 5 + 5 * 3 * 2 + 25 + 9
    assert [entry["name"] for entry in size["contenders"]] == names
    for entry in size["contenders"]:
        assert entry["check"]["passed"]
        assert len(entry["train_ms"]) == len(entry["evaluate_ms"]) == 3
        assert min(entry["train_ms"]) > 0
        assert entry["peak_mib"] > 1
    assert "C by hand" in capsys.readouterr().out
    page = tmp_path / "measured-times.md"
    page.write_text("<!-- bench:begin --><!-- bench:end -->")
    monkeypatch.setattr(report, "DOCS", tmp_path)
    report.publish(results)
    assert "### 6-5-3, synthetic (mnist-like) images" in page.read_text()
    assert "C by hand, float32, θ = 0, all sampled |" in page.read_text()
    assert (tmp_path / "images" / "performance.png").stat().st_size > 1000
    assert (tmp_path / "images" / "performance.svg").exists()
    assert (tmp_path / "images" / "performance_growth.svg").exists()


def test_without_a_compiler_the_c_program_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a traceback, and against rows that vanish without a word."""
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(BuildError, match="no C compiler found"):
        make_runner(contender("floor"), tiny_problem())
    options = ["--sizes", "6-5-3", "--contenders", "floor-f32-0-exact", "--warm-up", "0"]
    status = command_line.main([*options, "--images", "4", "--out", str(tmp_path / "r.json")])
    assert status == 1
    assert "left out: floor-f32-0-exact: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--contenders", "neurosym-*"], "no contender 'neurosym-*'"),
        (["--sizes", "784x500"], "joined by -"),
        (["--report", "--out", "absent.json"], "measure first"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against tracebacks."""
    assert command_line.main(options) == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert complaint.count("\n") == 1


def test_contenders_are_listed_and_chosen_by_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards against a default comparison that misses its baseline."""
    assert report.BASELINE in CONTENDERS
    assert choose([]) == list(CONTENDERS.values())
    assert {who.family for who in choose(["neurosim-*", "torch-1"])} == {"neurosim", "torch"}
    assert command_line.main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(CONTENDERS)


def test_markers_are_filled_and_missing_ones_named(tmp_path: Path) -> None:
    """Guards against a page that keeps old numbers."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    report.fill_markers(page, "bench", "new")
    expected = "before\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nafter\n"
    assert page.read_text() == expected
    with pytest.raises(DataError, match="lacks <!-- other:begin -->"):
        report.fill_markers(page, "other", "new")


def test_the_page_has_its_markers() -> None:
    """Guards against a full run whose last step fails."""
    for name, file in (("bench", "measured-times.md"), ("events", "performance.md")):
        page = (report.DOCS / file).read_text()
        assert page.index(f"<!-- {name}:begin -->") < page.index(f"<!-- {name}:end -->")


# ---------------------------------------------------------------- growth


def _measured(layers: list[int], synapses: int, times: dict[str, float]) -> dict[str, Any]:
    """A size as in the results, at a time per contender and 100 spikes per ms."""
    return {
        "layers": layers,
        "synapses": synapses,
        "contenders": [
            {"name": name, "train_ms": [ms, 0.9 * ms, 1.2 * ms], "spikes_per_image": 100 * ms**2}
            for name, ms in times.items()
        ],
    }


def test_growth_is_the_exponent_of_a_power_law() -> None:
    """Guards the slopes on the page: they are fitted to logarithms."""
    x = np.array([2.0, 5.0, 11.0])
    assert growth.slope(x, 7 * x**1.5) == pytest.approx(1.5)
    assert growth.slope([3, 3], [1, 2]) is None


def test_the_figure_of_growth_shows_what_was_measured() -> None:
    """Guards against a line of another contender, a lost size, or a slope of another line."""
    torch, slow = "torch-20", "neurosim-f32-0"
    small = _measured([784, 500, 10], 1000, {report.BASELINE: 1.0, torch: 2.0, slow: 4.0})
    large = _measured([784, 900, 10], 4000, {report.BASELINE: 8.0, torch: 8.0, slow: 16.0})
    # the order of the results is not that of the sizes
    by_size, by_activity = growth.make_figure({"sizes": [large, small]}).axes
    lines = {text.get_text(): text for text in by_size.get_legend().get_texts()}
    assert list(lines) == [
        "neurosim, float32, θ = 0.01: slope 1.50",
        "PyTorch, float32, batch 20: slope 1.00",
    ]
    drawn = [container.lines[0].get_xydata().tolist() for container in by_size.containers]
    assert drawn == [[[1000, 1], [4000, 8]], [[1000, 2], [4000, 8]]]
    assert [text.get_text() for text in by_size.texts] == ["784-900-10", "784-500-10"]
    drawn = [container.lines[0].get_xydata().tolist() for container in by_activity.containers]
    assert drawn == [[[6400, 8], [25600, 16]], [[100, 1], [1600, 4]]]
    labels = [text.get_text() for text in by_activity.get_legend().get_texts()]
    assert labels == ["784-900-10: slope 0.50", "784-500-10: slope 0.50"]
    for axes in (by_size, by_activity):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_a_figure_of_growth_without_lines_says_so() -> None:
    """Guards against an empty panel after a run of other contenders."""
    only = _measured([6, 5, 3], 100, {"numpy-1": 1.0})
    for axes in growth.make_figure({"sizes": [only]}).axes:
        assert "none of these contenders was measured" in [text.get_text() for text in axes.texts]


# ---------------------------------------------------------------- memory

_ALLOCATE = "import time; block = bytearray(b'x' * 80_000_000); time.sleep(0.5)"


def test_peak_memory_is_that_of_the_program_not_of_its_parent() -> None:
    """Guards against the figure a child inherits from a large parent when it forks."""
    ballast = np.ones(40_000_000)
    assert peak_bytes() > ballast.nbytes
    with PeakWatch(_own_pid()) as seen:
        subprocess.run([sys.executable, "-S", "-c", _ALLOCATE], check=True)
        time.sleep(0.01)
    assert 80e6 < seen.largest < 200e6
    assert 80e6 < seen.largest_data <= seen.largest


def _own_pid() -> int:
    import os

    return os.getpid()


def test_a_command_is_watched_with_all_it_starts() -> None:
    """Guards against a peak that misses the program doing the work."""
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_ALLOCATE!r}])"
    status, peaks = watch([sys.executable, "-S", "-c", start])
    assert status == 0
    assert peaks["all at once"] > 80e6
    assert max(peaks.values()) < 400e6


# ---------------------------------------------------------------- event thresholds


def test_a_higher_threshold_sends_less() -> None:
    """Guards against a sweep whose threshold never reaches the network."""
    rng = np.random.default_rng(1)
    pixels, labels = rng.uniform(size=(9, 6)).astype(np.float32), np.arange(9) % 3
    data = Dataset("random", pixels, labels, pixels[:3], labels[:3], 3, (6,))
    system = CorInfoMax(layers=(6, 5, 3), free_time=10.0, nudged_time=4.0)
    every, few = event_threshold.sweep(
        system,
        data,
        epochs=1,
        event_thresholds=(0.0, 0.05),
        sst_thresholds=(0.1,),
        seeds=(0,),
        backend="runtime",
    )
    assert (every["event_threshold"], few["event_threshold"]) == (0, 0.05)
    assert every["spikes"] > few["spikes"]
    assert every["synops"] > few["synops"]
    assert set(every["angles"]) == {"theta_1"}


def _sweep(*sst_thresholds: float) -> dict[str, Any]:
    """Results of a sweep over two event thresholds with two seeds."""
    rows = [
        {
            "event_threshold": theta,
            "sst_threshold": sst,
            "seed": seed,
            "test_accuracy": 0.9 + 0.02 * seed,
            "spikes": 1000.0,
            "synops": 50.0,
            "ms_per_image": 0.5,
            "angles": {"theta_1": 70.0 + seed},
        }
        for seed in (0, 1)
        for sst in sst_thresholds
        for theta in (0.05, 0.0)
    ]
    return {"rows": rows, "layers": [6, 5, 3], "dataset": "random", "dense_macs": 1000}


def test_a_sweep_is_summed_up_over_seeds(tmp_path: Path) -> None:
    """Guards against a table that mixes thresholds or shows one seed as their mean."""
    results = _sweep(0.0, 0.1)
    table = event_threshold.summarise(results)
    assert [row[:2] for row in table] == [["0", "0"], ["0.05", "0"], ["0", "0.1"], ["0.05", "0.1"]]
    assert table[0][2:] == ["91.00 ± 1.41", "1 000", "50", "20", "0.500", "70.5"]
    event_threshold.draw_figure(results, tmp_path / "sweep")
    assert (tmp_path / "sweep.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("sst_thresholds", "legends"),
    [
        ((0.1,), [[], ["graded spikes", "SynOps"], []]),
        (
            (0.0, 0.1),
            [
                ["SST threshold 0", "SST threshold 0.1"],
                [
                    f"{what}, SST threshold {sst}"
                    for sst in ("0", "0.1")
                    for what in ("graded spikes", "SynOps")
                ],
                ["SST threshold 0", "SST threshold 0.1"],
            ],
        ),
    ],
)
def test_the_figure_of_a_sweep_names_what_differs(
    sst_thresholds: tuple[float, ...], legends: list[list[str]]
) -> None:
    """Guards against legends that repeat what all lines share, and bars without a meaning."""
    figure = event_threshold.make_figure(_sweep(*sst_thresholds))
    shown = [axes.get_legend() for axes in figure.axes]
    assert [
        [text.get_text() for text in legend.get_texts()] if legend else [] for legend in shown
    ] == legends
    assert min(t.get_fontsize() for legend in shown if legend for t in legend.get_texts()) >= 8
    assert "means over 2 seeds, bars from smallest to largest" in figure.get_suptitle()
    (bar, *_) = figure.axes[0].containers[0].lines[2][0].get_segments()
    assert bar[:, 1].tolist() == pytest.approx([90, 92])


def test_published_sweeps_name_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against published numbers that no commit reproduces."""
    measured: list[str] = []

    def stop(*_: Any, **__: Any) -> None:
        measured.append("began")
        raise DataError("far enough")

    monkeypatch.setattr(event_threshold, "describe_machine", lambda: {"commit": "0123abcd+"})
    monkeypatch.setattr(event_threshold, "load_dataset", stop)
    assert event_threshold.main([]) == 2
    assert "changes since 0123abcd: commit them" in capsys.readouterr().err
    assert not measured
    assert event_threshold.main(["--out", str(tmp_path / "mine.json")]) == 2
    assert measured == ["began"]


# ---------------------------------------------------------------- the compartment view


@pytest.mark.slow
def test_a_timed_slider_has_been_moved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against times of changes that were refused, and of sliders left out."""
    sliders = ("beta", "epsilon", "event_threshold")
    monkeypatch.setattr(CorInfoMax, "explorable", lambda _: sliders)
    # the network of test_view: compiled programs are shared with it
    system = small_system(event_threshold=0.02, sst_threshold=0.05)
    images = make_small_problem(system).images
    source = LiveSource(Simulator(system, backend="runtime", dtype="float64"), images)
    times = explore.time_changes(source, 1)
    assert set(times) == set(sliders)
    assert all(len(values) == 1 and min(values) > 0 for values in times.values())
    monkeypatch.setattr(explore, "_aim", lambda knob, turn: 0.0)
    with pytest.raises(NeurosimError, match="beta was not changed: beta = 0 is no nudge"):
        explore.time_changes(source, 1)
    source.close()
    assert explore.main(["--turns", "0"]) == 2
    assert "--turns 0: give 1 or more" in capsys.readouterr().err


def test_times_on_a_gpu_are_not_made_up_without_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a table of another machine's times, and minutes of warm-up before the refusal."""

    def refuse() -> None:
        raise BuildError("there is no GPU: use another machine")

    monkeypatch.setattr("neurosim.backends.cuda.device.open_gpu", refuse)
    monkeypatch.setattr(sys, "argv", ["benchmarks.gpu"])
    assert gpu.main() == 2
    assert capsys.readouterr().err == ("no times on a GPU: there is no GPU: use another machine\n")


def test_times_on_a_gpu_are_given_only_if_it_computes_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards a fast kernel that is wrong; here threads of the CPU stand for the GPU."""
    monkeypatch.setattr("neurosim.backends.cuda.backend.open_gpu", EmulatedDevice)
    monkeypatch.setattr(gpu, "_BATCHES", (4,))
    monkeypatch.setattr(gpu, "_torch_batches", lambda *given: lambda: None)
    learnt, evaluated = gpu._measure(tiny_problem())
    assert learnt["what"] == "batch 4"
    assert learnt["equality"] == {"bits": True, "largest difference": 0, "events equal": True}
    assert {"neurosim, GPU", "neurosim, CPU", "PyTorch, eager"} <= learnt.keys()
    assert evaluated["neurosim, GPU"] > 0
    monkeypatch.setattr(gpu, "_TOLERANCE", -1)
    assert all("left out" in row and "neurosim, GPU" not in row
               for row in gpu._measure(tiny_problem()))  # fmt: skip
