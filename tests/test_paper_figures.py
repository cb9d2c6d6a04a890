"""``neurosim reproduce figure NAME``: files of figures, what is trained, results, page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call, refusal

from neurosim.errors import NeurosimError, ParameterError, RunFolderError
from neurosim.learning.metrics import sparsity
from neurosim.reproduce import paper_making as module
from neurosim.reproduce import reproducing
from neurosim.reproduce.paper_drawing import draw_figure
from neurosim.reproduce.paper_making import make_figure
from neurosim.reproduce.paper_results import read_figures, result_of_row
from neurosim.reproduce.papers import PAPERS, figure_rows, paper_figure, read_figure
from neurosim.reproduce.papers_page import render_figures
from neurosim.reproduce.reproducing import Request
from neurosim.reproduce.tables import UnknownRowError
from neurosim.runs.settings import RunSettings

ROOT = Path(__file__).parent.parent


def row_named(figure: str, name: str) -> Any:
    (row,) = (row for row in paper_figure(figure).rows if row.name == name)
    return row


def leave_run(folder: Path, row: Any, course: list[float], *, seed: int = 0, **given: Any) -> Path:
    """A run of a row as training leaves it; an empty course is one that has diverged."""
    run = folder / f"seed-{seed}"
    run.mkdir(parents=True)
    settings = row.settings(seed=seed, **given)
    (run / "config.toml").write_text(settings.to_config({"git_commit": "c0ffee"}))
    rows = [
        {
            "epoch": epoch,
            "train_accuracy": share,
            "test_accuracy": share,
            "train_seconds": 20.0,
            "angle_degrees": {"theta_1": 80.0 - epoch},
            "correlation": {"theta_1": 0.1 * epoch},
        }
        for epoch, share in enumerate(course, start=1)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    summary = rows[-1] if rows else {"diverged": "weights are not finite"}
    (run / "summary.json").write_text(json.dumps(summary))
    return folder


# ------------------------------------------------------------------ what is trained


@pytest.mark.parametrize("name", PAPERS)
def test_rows_of_a_figure_are_settings_of_their_systems(name: str) -> None:
    """Guards names and values in the files that no system takes."""
    figure = paper_figure(name)
    folders = [row.folder for row in figure.rows]
    assert len({*folders}) == len(folders)
    for row in figure.rows:
        if not row.refusal():
            assert row.settings(epochs=3).epochs == 3
        # a step that is too long is the only setting that a system may refuse
        assert name == "step" or not row.refusal()
        assert (row.value is not None) == (figure.shows == "ablation")


def test_rates_of_an_ablation_are_those_of_an_update() -> None:
    """Guards rates that are divided by the batch twice, or not at all."""
    whole = row_named("mu-ff", "mnist/x1").settings()
    preset = row_named("accuracy", "mnist/corinfomax").settings()
    assert whole.system.batch == 20
    assert whole.system.mu_ff == preset.system.mu_ff
    assert whole.describe_changes() == "changed: slowdown = 0.01"
    tenth = row_named("mu-ff", "mnist/x0.1").settings().system
    np.testing.assert_allclose(tenth.mu_ff, np.multiply(0.1, preset.system.mu_ff))
    assert tenth.mu_fb == preset.system.mu_fb
    digits = row_named("mu-ff", "digits/x0.5").settings().system
    assert digits.mu_ff == (0.05, 0.035)
    assert row_named("step", "mnist/0.1").settings().system.tau_u == 10.0
    assert row_named("width", "mnist/256").settings().system.layers == (784, 256, 256, 10)
    assert "must stay below 2" in row_named("step", "mnist/0.3").refusal()


def test_published_points_are_those_of_the_papers() -> None:
    row = row_named("mu-ff", "mnist/x0.25")
    assert (row.published, row.deviation) == ({1: 91.4, 50: 96.2}, 0.24)
    assert row_named("step", "cifar10/0.15").published == {50: 9.8}
    assert row_named("width", "cifar10/2048").published == {50: 52.98}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"shows": "accuracy"}, "shows = 'accuracy': give"),
        ({"panels": [{"rows": ["mnist/corinfomx"]}]}, "did you mean 'mnist/corinfomax'"),
        ({"panels": [{"rows": ["mnist/ep", "digits/ep"]}]}, "give rows of one data set"),
        ({"panels": [{"dataset": "mnist", "runs": [{"name": "a"}]}]}, "system = None: give text"),
        ({"panels": [{"dataset": "mnit", "system": "ep", "runs": [{"name": "a"}]}]}, "'mnist'"),
        ({"panels": [{"row": []}]}, "did you mean 'rows'"),
        ({"titel": ""}, "did you mean 'title'"),
    ],
)
def test_mistakes_in_a_file_are_named(change: dict[str, Any], complaint: str) -> None:
    good = {"title": "t", "source": "s", "shows": "ablation", "panels": [{"rows": ["digits/ep"]}]}
    assert read_figure("good", good).rows[0].name == "digits/ep"
    with pytest.raises(ParameterError, match=complaint):
        read_figure("bad", {**good, **change})


def test_rows_are_chosen_by_name_and_by_data_set() -> None:
    figure = paper_figure("mu-ff")
    names = [row.name for row in figure_rows(figure, ["mnist/x1", "digits"])]
    assert names[0] == "mnist/x1"
    assert {name.partition("/")[0] for name in names[1:]} == {"digits"}
    with pytest.raises(UnknownRowError, match="no row 'mnist/x2'"):
        figure_rows(figure, ["mnist/x2"])


# ------------------------------------------------------------------ results and page


def test_results_pictures_and_pages_are_made_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards values at another epoch, divergence that is lost or fails, and wrong columns."""
    figure, out, runs = paper_figure("mu-ff"), tmp_path / "out", tmp_path / "runs"
    long = [[0.89, 0.92, 0.93], [0.91, 0.93, 0.94]]
    courses = {"mnist/x0.1": long, "mnist/x1": [[], [0.94, 0.95]]}

    def train(settings: Any, seeds: int, folder: Path, **how: Any) -> None:
        (row,) = (row for row in figure.rows if row.folder == folder.name)
        for seed, course in enumerate(courses[row.name]):
            leave_run(folder, row, course, seed=seed)
        if [] in courses[row.name]:
            raise NeurosimError("1 of 2 runs failed: seed-0: weights are not finite")

    monkeypatch.setattr(reproducing, "train_missing_seeds", train)
    monkeypatch.setattr(RunSettings, "load_data", lambda settings: None)
    rows = figure_rows(figure, [*courses])
    files = make_figure(figure, rows, Request(seeds=2, epochs=2, out=out, runs=runs))
    assert [file.name for file in files] == ["mu-ff.json", "mu-ff.png"]
    assert files[1].stat().st_size > 5000
    ((_, (tenth, whole)),) = [*read_figures(out).values()]
    assert (tenth.epochs, tenth.accuracies(1), tenth.accuracies(2)) == (2, [89, 91], [92, 93])
    assert (whole.diverged, whole.accuracies(2)) == ([0], [95, 10])
    assert tenth.published["test_accuracy"] == {"1": 89.1, "50": 93.41}
    assert tenth.environments == [{"git_commit": "c0ffee"}]
    (axes,) = draw_figure(figure, [tenth, whole]).axes
    labels = axes.get_legend_handles_labels()[1]
    assert {"here, epoch 1", "here, epoch 2", "published, epoch 50", "diverged here"} == {
        *labels
    } - {"published, epoch 1"}
    page = tmp_path / "page.md"
    text = render_figures(read_figures(out), {"mu-ff": tmp_path / "a.png"}, page, "reproduce.md")
    assert "| epoch 1, % | published | epoch 2, % | epoch 50, % | published |" in text
    assert (
        "| mnist/x0.1 | 2 | 2 of 50 | 90.00 ± 1.41 | 89.10 | 92.50 ± 0.71 | - | 93.41 ± 1.47 |"
        in text
    )
    assert "| mnist/x1 | 2 (1 diverged) | 2 of 50 | 52.00" in text
    assert "reproduce figure mu-ff --rows mnist/x0.1,mnist/x1 --seeds 2 --epochs 2" in text
    # a failure of another kind is one
    monkeypatch.setattr(module, "_diverged", lambda folder: False)
    courses["mnist/x1"], again = [[]], tmp_path / "again"
    with pytest.raises(NeurosimError, match="1 of 2 rows failed: mnist/x1: 1 of 2 runs failed"):
        make_figure(figure, rows, Request(seeds=2, epochs=2, out=out, runs=again))


def test_a_step_that_the_system_refuses_is_shown_as_refused(tmp_path: Path) -> None:
    figure = paper_figure("step")
    rows = figure_rows(figure, ["mnist/0.3"])
    make_figure(figure, rows, Request(seeds=1, out=tmp_path, runs=tmp_path))
    ((_, (refused,)),) = [*read_figures(tmp_path).values()]
    assert "must stay below 2" in refused.refused
    (axes,) = draw_figure(figure, [refused]).axes
    assert "refused as unstable" in axes.get_legend_handles_labels()[1]
    page = render_figures(read_figures(tmp_path), {"step": tmp_path / "a.png"}, tmp_path / "p", "")
    assert "mnist/0.3 is refused: CorInfoMax: the Euler step is unstable" in page


@pytest.mark.parametrize("name", ["accuracy", "angle", "correlation"])
def test_courses_are_drawn_over_epochs(name: str, tmp_path: Path) -> None:
    figure = paper_figure(name)
    results = []
    for row in figure_rows(figure, [figure.panels["mnist"][0].name]):
        folder = leave_run(tmp_path / row.folder, row, [0.9, 0.95])
        results.append(result_of_row(figure, row, folder))
    (axes,) = draw_figure(figure, results).axes
    line = axes.get_lines()[0].get_ydata()
    wanted = {"accuracy": [90, 95], "angle": [79, 78], "correlation": [0.1, 0.2]}[name]
    np.testing.assert_allclose(line, wanted)
    if name == "accuracy":
        assert results[0].published["test_accuracy"]["2"] == 95.75
    text = render_figures({name: (figure, results)}, {name: tmp_path / "a"}, tmp_path / "p", "")
    assert f"| {results[0].row} |" in text


def test_networks_without_feedback_weights_have_an_accuracy_beside_the_correlations(
    tmp_path: Path,
) -> None:
    """Guards a page of random feedback that has no row of backpropagation to compare with."""
    figure = paper_figure("correlation")
    results = []
    for row in figure_rows(figure, ["cifar10/bp", "cifar10/urfb-half"]):
        folder = leave_run(tmp_path / row.folder, row, [0.25, 0.375])
        results.append(result_of_row(figure, row, folder))
    results[0].courses.pop("correlation theta_1")
    text = render_figures(
        {"correlation": (figure, results)}, {"correlation": tmp_path / "a"}, tmp_path / "p", ""
    )
    assert "| cifar10/bp | 1 | 2 | 37.50 |  |  |" in text
    assert "| cifar10/urfb-half | 1 | 2 | 37.50 | theta_1 | 0.20 |" in text


@pytest.mark.parametrize(
    ("row", "complaint"), [("{}", "no 'row' in it"), ("3", "3 instead of an object")]
)
def test_a_damaged_file_of_results_is_named(row: str, complaint: str, tmp_path: Path) -> None:
    """Guards the words of Python for a file that somebody has to mend."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "step.json").write_text(f'{{"mnist/0.1": {row}}}')
    with pytest.raises(RunFolderError) as caught:
        read_figures(tmp_path)
    assert f"step.json holds no results of this version ({complaint})" in str(caught.value)


def test_options_that_are_for_tables_are_refused(tmp_path: Path) -> None:
    given = ("figure", "step", "--page", tmp_path / "a.md")
    assert "--page is for tables" in refusal("reproduce", *given)


# ------------------------------------------------------------------ trained networks


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The digits, some images of an epoch, by the command line."""
    folder = tmp_path_factory.mktemp("figures")
    options = ("--rows", "digits/corinfomax", "--seeds", 1, "--epochs", 1, "--images", 200)
    places = ("--out", folder / "out", "--runs", folder / "runs", "--threads", 1, "--quiet")
    for name in ("sparsity", "information", "convergence"):
        done = call("reproduce", "figure", name, *options, *places)
        assert done.status == 0, done.err
    return folder / "out", folder / "runs"


@pytest.mark.slow
def test_networks_are_measured_before_and_after_learning(trained: tuple[Path, Path]) -> None:
    """Guards measures of the wrong network, and runs that are trained once per figure."""
    from neurosim.figures.run import Run

    out, runs = trained
    results = {name: results[0] for name, (_, results) in read_figures(out).items()}
    assert [*results] == ["convergence", "information", "sparsity"]
    (run,) = runs.iterdir()
    assert run.name == "digits-corinfomax-200-images"
    assert results["sparsity"].images == 200
    trained_run = Run(run / "seed-0")
    rates = trained_run.simulator.activity(trained_run.data.x_test)
    share = sparsity([*rates.values()][-1]["pyramidal_1"])
    trained_run.close()
    measured = results["sparsity"].measured
    assert measured["after"]["pyramidal_1"] == pytest.approx([share], abs=1e-6)
    assert measured["before"] != measured["after"]
    changes = results["convergence"].measured["changes"]
    assert {len(values) for values in changes.values()} == {40}
    assert changes["pyramidal_1"][29] < changes["pyramidal_1"][2]
    told = results["information"].measured["after"]
    assert {*told["pyramidal_1 and pyramidal_2"]} == {"free", "nudged"}
    for name, (figure, of_rows) in read_figures(out).items():
        assert draw_figure(figure, of_rows).axes
        text = render_figures({name: (figure, of_rows)}, {name: out / "a"}, out / "p", "")
        assert "| digits/corinfomax |" in text
