"""Figures of runs: what is drawn equals what was measured, and every axis is named."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from user_style import png, user_style

from neurosim import Simulator, figures
from neurosim.cli import main
from neurosim.errors import FigureError, RunFolderError
from neurosim.figures import activity as activity_figures
from neurosim.figures import dynamics, style
from neurosim.figures import weights as weight_figures
from neurosim.figures.run import Run
from neurosim.learning.information import CorrelativeInformation
from neurosim.learning.metrics import angle_degrees, sparsity
from neurosim.models import CorInfoMax
from neurosim.runs.groups import Group
from neurosim.runs.settings import resolve
from neurosim.runs.training import start_training

SMALL: dict[str, Any] = {
    "dataset": "digits",
    "hidden": [7],
    "epochs": 2,
    "train_images": 25,
    "test_images": 24,
    "backend": "runtime",
    "dtype": "float64",
    "parameters": {"free_time": 8.0, "nudged_time": 3.0},
}


#: Figures of CorInfoMax, whose layers have no objective of their own.
DRAWN = [name for name in figures.FIGURES if name != "objective"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a small run, as ``--seeds`` leaves them."""
    path = tmp_path_factory.mktemp("seeds")
    for seed in (0, 1):
        settings = resolve({**SMALL, "seed": seed})
        start_training(settings, path / f"seed-{seed}", progress=False)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Run]:
    """The first of them, opened once for all tests."""
    opened = Run(folder / "seed-0")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def drawn(run: Run) -> dict[str, Figure]:
    """All figures of the run, as a user with settings of their own draws them."""
    with user_style():
        return {name: figures.draw(name, run) for name in DRAWN}


# ------------------------------------------------------------------ all figures


def test_no_module_hides_a_figure() -> None:
    """Guards ``figures.comparison``, which its module hid once that was imported."""
    for module in pkgutil.iter_modules(figures.__path__):
        importlib.import_module(f"neurosim.figures.{module.name}")
    for name in set(figures.__all__) - {"style"}:
        assert not isinstance(getattr(figures, name), types.ModuleType), name


def test_every_figure_names_its_axes_with_units(drawn: dict[str, Figure]) -> None:
    """Guards against axes that nobody can read; what is counted or without unit says no unit."""
    counted = ("epoch", "class", "cell", "layer", "pixel", "prediction", "synapses", "events",
               "operations", "images seen", "weight", "rate", "correlation", "Delta u")  # fmt: skip
    for name, figure in drawn.items():
        for axes in figure.axes:
            shown = [axes.get_xlabel(), axes.get_ylabel()]
            if axes.get_label() == "<colorbar>":
                shown = ["".join(shown)]
            for label in shown:
                assert label, f"{name}: an axis has no label"
                unit = label.endswith(")")
                assert "(1)" not in label, f"{name}: {label!r}"
                assert unit or any(word in label for word in counted), f"{name}: {label!r}"


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", ["events", "weights", "confusion", "convergence"])
def test_the_user_s_style_changes_no_figure(name: str, run: Run, drawn: dict[str, Figure]) -> None:
    """Guards figures against the matplotlibrc, from the first line to the file."""
    with user_style():
        got = png(drawn[name])
    assert got == png(figures.draw(name, run))


def test_figures_leave_no_global_state(drawn: dict[str, Figure]) -> None:
    """Guards programs that draw with pyplot themselves."""
    import sys

    assert drawn
    assert mpl.rcParams["axes.grid"] == mpl.rcParamsDefault["axes.grid"]
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_series_of_a_panel_differ_in_more_than_colour(drawn: dict[str, Figure]) -> None:
    """Guards readers of black and white copies."""
    for name in ("learning-curve", "events", "convergence"):
        for axes in drawn[name].axes:
            lines = [line for line in axes.lines if not line.get_label().startswith("_")]
            looks = {(str(line.get_linestyle()), line.get_marker()) for line in lines}
            assert len(looks) == len(lines), name


# ------------------------------------------------------------------ over epochs


def test_the_learning_curve_is_that_of_the_metrics(folder: Path, run: Run) -> None:
    """Guards units and the choice of columns, against the file read here."""
    lines = (folder / "seed-0" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    axes = figures.learning_curve(run).axes[0]
    test, train = axes.lines
    assert list(test.get_xdata()) == [1, 2]
    assert list(test.get_ydata()) == [100 * row["test_accuracy"] for row in rows]
    assert list(train.get_ydata()) == [100 * row["train_accuracy"] for row in rows]


def test_images_seen_are_counted_above(run: Run) -> None:
    """Guards the second axis: 25 images per epoch."""
    figure = figures.learning_curve(run)
    figure.canvas.draw()
    above = figure.axes[0].child_axes[0]
    below = np.array(figure.axes[0].get_xlim())
    assert np.allclose(above.get_xlim(), 25 * below)


def test_angles_begin_with_the_initial_weights(run: Run) -> None:
    """Guards the point at epoch 0, computed here from weights drawn from the seed."""
    start = Simulator(run.settings.system, seed=0, dtype="float64").weights
    line = figures.angle(run).axes[0].lines[0]
    assert list(line.get_xdata()) == [0, 1, 2]
    expected = [angle_degrees(start["W_ff_1"], start["W_fb_1"])]
    expected += [row["angle_degrees"]["theta_1"] for row in run.rows]
    assert list(line.get_ydata()) == pytest.approx(expected)
    end = angle_degrees(run.weights["W_ff_1"], run.weights["W_fb_1"])
    assert line.get_ydata()[-1] == pytest.approx(end)


def test_correlations_begin_with_the_initial_weights(run: Run, tmp_path: Path) -> None:
    """Guards the point at epoch 0, and metrics of older runs, which have none."""
    start = Simulator(run.settings.system, seed=0, dtype="float64").weights
    (line, _) = figures.correlation(run).axes[0].lines
    expected = [np.corrcoef(start["W_ff_1"].ravel(), start["W_fb_1"].T.ravel())[0, 1]]
    expected += [row["correlation"]["theta_1"] for row in run.rows]
    assert list(line.get_ydata()) == pytest.approx(expected)
    end = np.corrcoef(run.weights["W_ff_1"].ravel(), run.weights["W_fb_1"].T.ravel())[0, 1]
    assert line.get_ydata()[-1] == pytest.approx(end)
    with pytest.raises(FigureError, match="no figure 'correlation': the metrics have no"):
        figures.correlation(_fake_run(tmp_path / "old", "digits"))


def test_events_are_those_of_the_metrics(run: Run) -> None:
    """Guards against work counted twice or per epoch."""
    cells, synapses = figures.events(run).axes
    spikes, samples = cells.lines
    synops, dense = synapses.lines
    for line, name in (
        (spikes, "graded_spikes_per_image"),
        (samples, "lateral_samples_per_image"),
        (synops, "synops_per_image"),
        (dense, "dense_macs_per_image"),
    ):
        assert list(line.get_ydata()) == [row[name] for row in run.rows]
    # 64-7-10 with feedback, laterals and autapses, in 11 steps
    assert dense.get_ydata()[0] == 11 * (64 * 7 + 2 * 7 * 10 + 7 * 7 + 10 * 10)


def _count(run: Run, **counts: float) -> Run:
    """The run with other kinds of events in its metrics."""
    common = ("graded_spikes_per_image", "lateral_samples_per_image")
    rest = [{k: v for k, v in row.items() if k not in common} for row in run.rows]
    other = Run(run.path)
    other.rows = [row | counts for row in rest]
    return other


def test_every_kind_of_event_that_occurs_is_a_line(run: Run) -> None:
    """Guards systems whose cells send other events, and those that never send some."""
    other = _count(run, burst_spikes_per_image=7.0, lateral_samples_per_image=0)
    (line,) = figures.events(other).axes[0].lines
    assert line.get_label() == "burst spikes"
    assert list(line.get_ydata()) == [7.0, 7.0]


def test_a_comparison_has_a_panel_for_the_events_that_all_groups_count(run: Run) -> None:
    """Guards against an axis that names events which one of the systems does not have."""
    both = _count(run, graded_spikes_per_image=5.0, burst_spikes_per_image=2.0)
    one = _count(run, graded_spikes_per_image=5.0, burst_spikes_per_image=0)
    for runs, kinds in (([both], ["graded spikes", "burst spikes"]),
                        ([both, one], ["graded spikes"])):  # fmt: skip
        groups = [Group("a", item.settings, {0: item.rows}) for item in runs]
        drawn = figures.comparison(groups).axes
        titles = [axes.get_title(loc="left") for axes in drawn if axes.axison]
        costs = ["training time", *kinds, "synaptic operations"]
        assert titles == [
            "by images seen", *(f"by {cost}" for cost in costs), "alignment of feedback"
        ]  # fmt: skip


def test_seeds_are_drawn_as_mean_and_range(folder: Path) -> None:
    """Guards the spread: the band spans both runs, the line is their mean."""
    axes = figures.learning_curve(folder).axes[0]
    values = np.array(
        [
            [100 * row["test_accuracy"] for row in Run(folder / f"seed-{seed}").rows]
            for seed in (0, 1)
        ]
    )
    assert np.allclose(axes.lines[0].get_ydata(), values.mean(axis=0))
    band = axes.collections[0].get_paths()[0].vertices
    for epoch in (1, 2):
        ends = band[band[:, 0] == epoch, 1]
        assert (ends.min(), ends.max()) == pytest.approx(
            (values[:, epoch - 1].min(), values[:, epoch - 1].max())
        )
    assert "2 runs" in axes.get_title(loc="left")


# ------------------------------------------------------------------ published points


def _fake_run(path: Path, dataset: str, **changes: Any) -> Run:
    """A run folder of some published setting, with made-up rows."""
    settings = resolve({"dataset": dataset, **changes})
    path.mkdir()
    (path / "config.toml").write_text(settings.to_config())
    names = [pair.name for pair in settings.system.feedback_pairs()]
    rows = [
        {"epoch": n, "test_accuracy": 0.9, "train_accuracy": 0.9,
         "angle_degrees": dict.fromkeys(names, 70.0)}
        for n in range(1, 6)
    ]  # fmt: skip
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Run(path)


def test_published_points_are_drawn_for_the_published_setting(tmp_path: Path) -> None:
    """Guards the comparison with the paper, up to the last epoch of the run."""
    run = _fake_run(tmp_path / "run", "mnist")
    points = figures.learning_curve(run).axes[0].lines[1]
    assert points.get_linestyle() == "None"
    assert list(points.get_xdata()) == [1, 2, 3, 4, 5]
    assert list(points.get_ydata()) == [94.02, 95.75, 96.37, 96.68, 96.99]
    angles = figures.angle(run).axes[0].lines[1]
    assert list(angles.get_xdata()) == pytest.approx([1 / 3000, 1001 / 3000, 2001 / 3000, 5])
    assert list(angles.get_ydata()) == [90.0, 70.3, 67.3, 67.6]


@pytest.mark.parametrize(
    ("dataset", "changes"),
    [
        ("mnist", {"parameters": {"epsilon": 0.2}}),
        ("mnist", {"hidden": [400]}),
        ("mnist", {"train_images": 1000}),
        ("kmnist", {}),
        ("digits", {}),
    ],
)
def test_other_settings_have_no_published_points(
    tmp_path: Path, dataset: str, changes: dict[str, Any]
) -> None:
    """Guards against comparing with a result of something else."""
    run = _fake_run(tmp_path / "run", dataset, **changes)
    assert len(figures.learning_curve(run).axes[0].lines) == 2
    assert not run.published


def test_published_curves_are_complete() -> None:
    """Guards the tables: every accuracy curve ends with the table's value, epochs rise."""
    finals = {"mnist": 97.61, "fashion-mnist": 88.14, "cifar10": 51.86}
    for dataset, final in finals.items():
        (accuracy, *angles) = CorInfoMax.preset(dataset).published
        assert accuracy.points[50] == final
        for curve in (accuracy, *angles):
            assert list(curve.points) == sorted(curve.points)
            assert "10 seeds" in curve.source


# ------------------------------------------------------------------ weights


def test_histograms_count_every_synapse_before_and_after(run: Run) -> None:
    """Guards bins and the order of before and after."""
    figure = figures.weight_histograms(run)
    start = Simulator(run.settings.system, seed=0, dtype="float64").weights
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(run.weights)
    for axes, (name, array) in zip(figure.axes, run.weights.items(), strict=True):
        after, before = (patch.get_data() for patch in axes.patches)
        # as many bins as the square root of the number of weights, from 10 to 100
        assert len(after.values) == max(10, int(array.size**0.5))
        assert after.values.sum() == before.values.sum() == array.size
        expected, _ = np.histogram(start[name], before.edges)
        assert np.array_equal(before.values, expected)


def test_receptive_fields_are_rows_of_the_first_weights(run: Run) -> None:
    """Guards orientation and the choice of rows; templates are the product of the weights."""
    cells, moved, classes = figures.receptive_fields(run, rows=4).axes[:3]
    chosen = np.sort(np.random.default_rng(0).choice(7, size=4, replace=False))
    canvas = np.asarray(cells.images[0].get_array())
    assert canvas.shape == (17, 17)
    for number, cell in enumerate(chosen):
        top, left = 9 * (number // 2), 9 * (number % 2)
        shown = canvas[top : top + 8, left : left + 8]
        assert np.allclose(shown.ravel(), run.weights["W_ff_0"][cell])
        change = np.asarray(moved.images[0].get_array())[top : top + 8, left : left + 8]
        start = run.initial_weights["W_ff_0"][cell]
        assert np.allclose(change.ravel(), run.weights["W_ff_0"][cell] - start)
    templates = run.weights["W_ff_1"] @ run.weights["W_ff_0"]
    assert np.allclose(np.asarray(classes.images[0].get_array())[:8, :8].ravel(), templates[0])
    assert np.allclose(weight_figures.class_templates(run), templates)
    with pytest.raises(FigureError, match="rows"):
        figures.receptive_fields(run, rows=0)


# ------------------------------------------------------------------ activity


def test_activity_of_the_output_is_what_the_network_answers(run: Run) -> None:
    """Guards the analysis build: its output layer equals the answers of the training build."""
    x = run.data.x_test
    expected = run.simulator.decision_function(x)
    assert np.array_equal(run.activity.settled["pyramidal_2"], expected)
    free_only = run.simulator.activity(x)
    assert list(free_only) == ["free"]
    for name, rates in free_only["free"].items():
        assert np.array_equal(rates, run.activity.settled[name])
    assert np.array_equal(free_only["free"]["sensory"], x)


def test_the_raster_shows_rates_and_the_bars_sparsity(run: Run, drawn: dict[str, Figure]) -> None:
    """Guards rows, columns and the definition: share of rates below 0.01."""
    raster, bars = drawn["activity"].axes[:2]
    shown = np.asarray(raster.images[0].get_array())
    rates = run.activity.settled["pyramidal_1"]
    assert shown.shape == rates.T.shape
    assert np.allclose(np.sort(shown.sum(axis=0)), np.sort(rates.sum(axis=1)))
    heights = [bar.get_height() for bar in bars.patches]
    expected = [
        (np.asarray(rates) < 0.01).mean()
        for rates in (run.initial_activity.settled["pyramidal_1"], rates)
    ]
    assert heights == pytest.approx(expected)
    assert sparsity(np.array([[0, 0.01, 0.5, 0.009]])) == 0.5


def test_the_confusion_matrix_counts_answers(run: Run, drawn: dict[str, Figure]) -> None:
    """Guards rows and columns, against scikit-learn's."""
    from sklearn.metrics import confusion_matrix

    answers = run.simulator.predict(run.data.x_test)
    expected = confusion_matrix(run.data.y_test, answers, labels=range(10))
    counts = activity_figures.confusion_counts(run.data.y_test, answers, 10)
    assert np.array_equal(counts, expected)
    axes = drawn["confusion"].axes[0]
    shown = np.zeros((10, 10), dtype=int)
    for text in axes.texts:
        column, row = (round(place) for place in text.get_position())
        shown[row, column] = int(text.get_text())
    assert np.array_equal(shown, expected)
    assert f"{100 * run.simulator.score(run.data.x_test, run.data.y_test):.2f}" in axes.get_title(
        loc="left"
    )


def test_t_sne_shows_every_image_once_and_says_how_many(drawn: dict[str, Figure]) -> None:
    """Guards the subsample and the perplexity, which few images make smaller."""
    axes = drawn["tsne"].axes[0]
    assert sum(len(group.get_offsets()) for group in axes.collections) == 24
    colours = {tuple(group.get_facecolor()[0]) for group in axes.collections}
    assert len(colours) == len(axes.collections)
    assert "24 of 24 test images, perplexity 7.67" in axes.get_title(loc="left")


# ------------------------------------------------------------------ settling and information


def test_changes_of_state_are_those_of_a_recording(run: Run) -> None:
    """Guards the steps: the change equals the difference of recorded potentials in a phase."""
    x, y = run.data.x_test[:2], run.data.y_test[:2]
    changes = run.simulator.state_changes(x, y)
    circuit = run.simulator.circuit
    from neurosim.backends.interface import Chunk
    from neurosim.backends.runtime.backend import RuntimeBackend

    inputs = {"stimulus": x, "target": np.eye(10)[y], "beta": np.ones(2)}
    with RuntimeBackend(
        circuit, dtype="float64", max_cycles=2, record={"pyramidal_1": ("u",)}
    ) as backend:
        result = backend.run(Chunk(inputs, run.weights))
        u = result.trajectories["pyramidal_1"]["u"].reshape(2, 11, 7)
    steps = np.abs(np.diff(u, axis=1, prepend=0)).sum(axis=2)
    # at the end of the free phase, step 8, cells start anew from their rates
    inside = [step for step in range(11) if step != 7]
    assert changes["pyramidal_1"][:, inside] == pytest.approx(steps[:, inside])
    assert set(changes) == {"pyramidal_1", "pyramidal_2"}


def test_the_convergence_figure_shades_the_nudged_phase(run: Run, drawn: dict[str, Figure]) -> None:
    """Guards the time axis: 8 ms free, 3 ms nudged, one line per layer."""
    axes = drawn["convergence"].axes[0]
    assert len(axes.lines) == 2
    (shade,) = axes.patches
    box = shade.get_extents().transformed(axes.transData.inverted())
    assert (box.x0, box.x1) == pytest.approx((8.5, 11.5))
    changes = run.simulator.state_changes(run.data.x_test[:8], run.data.y_test[:8])
    expected = changes["pyramidal_1"].mean(axis=0)
    assert axes.lines[0].get_ydata() == pytest.approx(expected)
    assert axes.lines[0].get_xdata() == pytest.approx(np.arange(1, 12))


def test_bars_that_fall_say_why(run: Run, drawn: dict[str, Figure]) -> None:
    """Guards a picture in which learning seems to lose information, without a word."""
    falls = []
    for axes in drawn["information"].axes:
        heights = [bar.get_height() for bar in axes.patches]
        half = len(heights) // 2
        falls += [heights[half + k] < heights[k] for k in range(half)]
    said = drawn["information"].get_suptitle()
    assert said == (dynamics.WHY_IT_FALLS if any(falls) else "")
    low, high = ([{"free": CorrelativeInformation(value, 2.0)}] for value in (0.0, 1.0))
    assert dynamics._falls({"before": high, "after": low})
    assert not dynamics._falls({"before": low, "after": high})


def test_information_bars_are_the_definition(run: Run, drawn: dict[str, Figure]) -> None:
    """Guards weights, layers and phases, against the formula written out in NumPy."""
    axes = drawn["information"].axes[1]
    heights = [bar.get_height() for bar in axes.patches]
    eps = run.settings.system.analyses()["correlative_information"]["epsilon"]

    def told(source: Any, target: Any, weights: Any) -> float:
        n, cells = target.shape
        R = sum(np.outer(r, r) for r in target) / n
        error = np.mean(
            [np.sum((r - weights @ s) ** 2) for r, s in zip(target, source, strict=True)]
        )
        logdet = np.log(np.linalg.eigvalsh(R + eps * np.eye(cells))).sum()
        return float((logdet - error / eps - cells * np.log(eps)) / 2)

    expected = []
    for rates, w in (
        (run.initial_activity.rates, run.initial_weights),
        (run.activity.rates, run.weights),
    ):
        for low, high, name in (("pyramidal_1", "pyramidal_2", "W_ff_1"),
                                ("pyramidal_2", "pyramidal_1", "W_fb_1")):  # fmt: skip
            for phase in ("free", "nudged"):
                expected.append(told(rates[phase][low], rates[phase][high], w[name]))
    assert heights == pytest.approx(expected, rel=1e-6)
    # from the input, there is no way back
    assert len(drawn["information"].axes[0].patches) == 4


# ------------------------------------------------------------------ the command


def test_plot_writes_figures_and_a_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards formats, names and the page that shows them."""
    out = tmp_path / "figures"
    command = ["plot", str(folder), "--only", "learning-curve", "weights", "--out", str(out)]
    assert main([*command, "--format", "svg"]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["index.html", "learning-curve.svg",
                                                     "weights.svg"]  # fmt: skip
    page = (out / "index.html").read_text()
    assert 'src="learning-curve.svg"' in page
    assert "2 runs" in page
    assert "accuracy (%)" in (out / "learning-curve.svg").read_text()
    first = (out / "learning-curve.svg").read_bytes()
    command.remove("weights")
    assert main([*command, "--format", "svg"]) == 0
    assert (out / "learning-curve.svg").read_bytes() == first, "the same figure, another file"
    assert main([*command, "--format", "pdf"]) == 0
    assert (out / "learning-curve.pdf").read_bytes().startswith(b"%PDF")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{run}", "--only", "learning-curv"], "did you mean 'learning-curve'"),
        (["{run}", "--format", "bmp"], "unknown format 'bmp'"),
        (["{empty}"], "holds no run: no config.toml there"),
        (["{absent}"], "there is no such folder"),
        (["{run}", "--only", "angle", "--out", "{file}/figures"], "choose another --out"),
        (["{bare}", "--only", "learning-curve"], "no epoch is finished"),
        (["{bare}", "--only", "weights"], "checkpoint"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str],
    told: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Guards the messages, and exit status 2."""
    (tmp_path / "file").write_text("")
    (tmp_path / "bare").mkdir()
    (tmp_path / "empty").mkdir()
    config = (folder / "seed-0" / "config.toml").read_text()
    (tmp_path / "bare" / "config.toml").write_text(config)
    places = {
        "run": folder / "seed-0",
        "empty": tmp_path / "empty",
        "absent": tmp_path / "absent",
        "file": tmp_path / "file",
        "bare": tmp_path / "bare",
    }
    assert main(["plot", *(argument.format(**places) for argument in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def write_empty_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a test the writing of pictures, which takes most of the time."""
    monkeypatch.setattr(style.StyledFigure, "savefig", lambda figure, path, **_: path.touch())


def test_a_figure_with_nothing_to_show_is_left_out_unless_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards networks without hidden layers: no angle, no raster; and layers without objective."""
    settings = resolve(
        {**SMALL, "hidden": [], "epochs": 1, "parameters": {"mu_ff": (0.1,), "mu_fb": ()}}
    )
    start_training(settings, tmp_path / "run", progress=False)
    write_empty_files(monkeypatch)
    saved = figures.save_all(tmp_path / "run", tmp_path / "out")
    assert set(figures.FIGURES) - set(saved) == {
        "angle", "correlation", "objective", "activity", "tsne",
    }  # fmt: skip
    assert all(path.exists() for path in saved.values())
    with pytest.raises(FigureError, match="no hidden layer"):
        figures.draw("tsne", tmp_path / "run")


def test_a_figure_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Guards the message that names the way out, and the formats."""
    figure = style.empty_figure(1, 1)
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="choose another --out"):
        figures.save(figure, tmp_path / "file" / "weights.png")
    with pytest.raises(FigureError, match=r"weights\.gif"):
        figures.save(figure, tmp_path / "weights.gif")


def test_a_simulator_can_be_drawn_without_a_folder(run: Run) -> None:
    """Guards work in notebooks: figures of a network that was never saved."""
    live = Run.from_simulator(run.simulator, run.data)
    shown = figures.confusion_matrix(live).axes[0].get_title(loc="left")
    assert shown.startswith("24 test images")
    with pytest.raises(RunFolderError, match="no epoch"):
        figures.learning_curve(live)


@pytest.mark.parametrize(("shape", "pixels"), [((4, 16), (4, 16)), ((64,), (1, 64))])
def test_own_images_are_drawn_in_their_own_shape(
    run: Run, shape: tuple[int, ...], pixels: tuple[int, int]
) -> None:
    """Guards data that no list knows by name: their shape is that of the data."""
    own = dataclasses.replace(run.data, name="mine", image_shape=shape)
    cells = figures.receptive_fields(Run.from_simulator(run.simulator, own)).axes[0]
    assert cells.get_ylabel() == f"{pixels[0]} pixels each"
    assert cells.get_xlabel().endswith(f"{pixels[1]} pixels each")


@pytest.mark.slow
def test_training_can_end_with_a_gallery(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards `make train`: every figure and a page in the run folder."""
    write_empty_files(monkeypatch)
    out = tmp_path / "run"
    command = ["train", "--dataset", "digits", "--hidden", "5", "--backend", "runtime"]
    command += ["--train-images", "6", "--test-images", "8", "--epochs", "1", "--gallery"]
    command += ["--set", "free_time=3", "--set", "nudged_time=2", "--out", str(out)]
    assert main(command) == 0
    written = {path.name for path in (out / "figures").iterdir()}
    assert written == {"index.html", *(f"{name}.png" for name in DRAWN)}
    assert "figures/index.html" in capsys.readouterr().out
