"""``neurosim reproduce TABLE``: rows, what is trained, files of results, pages, costs."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from command_line import call, refusal

from neurosim.backends import BACKENDS, backend_class
from neurosim.errors import BuildError, NeurosimError, ParameterError, RunFolderError
from neurosim.models import SYSTEMS
from neurosim.reproduce import PAPERS, STUDIES, TABLES, chosen_rows, costs, measuring, rows_of
from neurosim.reproduce import reproducing as module
from neurosim.reproduce.costs import Cost, Costs, duration
from neurosim.reproduce.extrapolation import makespan, render_costs
from neurosim.reproduce.listing import listing
from neurosim.reproduce.papers import paper_figure
from neurosim.reproduce.reproducing import Request, reproduce_rows
from neurosim.reproduce.results import compared, read_results, result_of, write_row
from neurosim.reproduce.results_figures import draw_courses, write_pages
from neurosim.reproduce.results_page import render_courses
from neurosim.reproduce.tables import UnknownRowError
from neurosim.runs.interrupts import Interrupted
from neurosim.system.table_entries import read_entry

ROOT = Path(__file__).parent.parent


def row_named(name: str) -> Any:
    (row,) = (row for table in TABLES for row in rows_of(table) if row.name == name)
    return row


def make_runs(folder: Path, name: str, accuracies: dict[int, list[float]], **given: Any) -> Path:
    """Runs of a row as training leaves them, without the training."""
    for seed, course in accuracies.items():
        run = folder / f"seed-{seed}"
        run.mkdir(parents=True)
        settings = row_named(name).settings(seed=seed, **given)
        (run / "config.toml").write_text(settings.to_config({"git_commit": "c0ffee"}))
        rows = [
            {
                "epoch": epoch,
                "train_accuracy": accuracy + 0.01,
                "test_accuracy": accuracy,
                "ms_per_image": 0.5,
                "train_seconds": 30.0,
                "graded_spikes_per_image": 100.0,
                "synops_per_image": 1000.0,
                "dense_macs_per_image": 50_000,
                "angle_degrees": {"theta_1": 70.0 + seed} if "corinfomax" in name else {},
            }
            for epoch, accuracy in enumerate(course, start=1)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


# ------------------------------------------------------------------ rows


def test_rows_are_those_of_the_published_table() -> None:
    """Guards sizes that differ between systems, losses, and deviations of the test accuracy."""
    rows = {row.name: row for row in rows_of("table1")}
    assert rows["mnist/corinfomax"].entry.value == 97.622
    assert rows["mnist/bp/loss=ce"].entry.deviation == 0.126
    assert rows["mnist/bp/loss=ce"].settings().system.loss == "ce"
    assert rows["mnist/bp"].settings().system.loss == "mse"
    assert rows["mnist/pc"].settings().system.layers == (784, 600, 600, 10)
    assert rows["cifar10/ep"].settings().system.layers == (3072, 500, 10)
    assert all(row.epochs == 50 for row in rows.values())
    assert all(row.settings().system.batch == 20 for row in rows.values())
    assert {row.system for row in rows_of("digits")} == {*SYSTEMS}


@pytest.mark.quick(8)
@pytest.mark.parametrize("name", [row.name for row in rows_of("table1")])
def test_a_row_runs_with_the_published_settings(name: str) -> None:
    """Guards a row whose curve would not be shown because its settings are others."""
    row = row_named(name)
    settings = row.settings()
    curves = {curve.quantity: curve.points for curve in settings.published()}
    assert curves["test_accuracy"][50] == pytest.approx(row.entry.value, abs=0.21)
    assert not settings.check_output


def test_rows_are_chosen_by_name_and_by_data_set() -> None:
    chosen = chosen_rows("table1", ["mnist/ep", "fashion-mnist", "mnist/bp"])
    names = [row.name for row in chosen]
    assert names[:2] == ["mnist/bp", "mnist/ep"]
    assert {row.dataset for row in chosen[2:]} == {"fashion-mnist"}
    with pytest.raises(UnknownRowError, match="did you mean 'mnist/corinfomax'"):
        chosen_rows("table1", ["mnist/corinfomx"])
    with pytest.raises(UnknownRowError, match="unknown table"):
        rows_of("table2")


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"value": 97.0}, "table: name is missing"),
        ({"name": "table1", "value": 97.0, "deviatoin": 0.1}, "did you mean 'deviation'"),
        ({"name": "", "value": 97.0, "deviation": 0.1}, "give text"),
        ({"name": "table1", "value": 9700.0, "deviation": 0.1}, "per cent"),
        ({"name": "table1", "value": True, "deviation": 0.1}, "per cent"),
        (97.0, "table: 97.0 is no table"),
    ],
)
def test_mistakes_in_an_entry_are_named(entry: Any, complaint: str) -> None:
    with pytest.raises(ParameterError, match=complaint):
        read_entry("file, preset 1", entry)


def test_an_entry_may_have_no_deviation_or_no_value() -> None:
    """Guards tables that say how far apart runs were, and rows of which nothing is published."""
    entries = [{"name": "a"}, {"name": "a", "value": 98}, {"name": "a", "value": 9, "deviation": 0}]
    read = [read_entry("file, preset 1", entry) for entry in entries]
    assert [(one.value, one.deviation) for one in read] == [(None, None), (98, None), (9, 0)]
    assert [one.text() for one in read] == ["", "98.00", "9.00 ± 0.00"]


def test_names_of_rows_stand_in_commands() -> None:
    """Guards quotes, brackets and commas, which a shell or --rows would take apart."""
    names = [row.name for table in TABLES for row in rows_of(table)]
    assert "digits/phsic/network=small_convnet/rule=batch" in names
    assert [name for name in names if not re.fullmatch(r"[\w./=+-]+", name)] == []


def test_rows_of_phsic_are_those_of_the_paper() -> None:
    """Guards rates of another column, and a baseline of another size or length."""
    rows = {row.name: row for row in rows_of("phsic")}
    assert {(row.epochs, row.hidden) for row in rows.values()} == {(100, (1024, 1024, 1024))}
    assert rows["mnist/phsic/rule=batch/kernel=cosine"].entry.value == 96.3
    assert rows["kmnist/phsic/rule=last/grouping=none"].entry.value == 71.2
    bp = rows["mnist/bp/loss=ce/optimizer=momentum"].settings()
    assert (bp.epochs, bp.system.momentum, bp.system.layers[1:-1]) == (100, 0.95, (1024,) * 3)
    assert bp.system.circuit().projection("w_0").parameters["momentum"] == 0.95
    assert rows["mnist/phsic/rule=batch"].settings().system.drop_at == (50, 75, 90)


def test_a_shorter_run_has_the_schedule_in_proportion(tmp_path: Path) -> None:
    """Guards rates that never fall, and a short run that is no result of its row."""
    row = row_named("mnist/phsic/rule=batch")
    assert row.settings(epochs=5).system.drop_at == (3, 4, 5)
    assert row.settings(epochs=20).system.drop_at == (10, 15, 18)
    bp = row_named("mnist/bp/loss=ce/optimizer=momentum")
    assert bp.settings(epochs=10).system.decay_every == 5
    assert row_named("mnist/bp").settings(epochs=10).system.decay_every == 15
    result = result_of(row, make_runs(tmp_path / "r", row.name, {0: [0.9, 0.95]}, epochs=2))
    found = compared(result)
    assert (found.published, found.difference) == (98.1, pytest.approx(-3.1))
    assert (found.deviations, found.marked) == (None, False)
    page, *_ = write_pages([result], tmp_path / "results.md", tmp_path / "images")
    assert "shortened in\nproportion" in page.read_text()
    other = make_runs(tmp_path / "o", row.name, {0: [0.9] * 5}, epochs=7)
    config = other / "seed-0" / "config.toml"
    config.write_text(config.read_text().replace("epochs = 7", "epochs = 20"))
    with pytest.raises(RunFolderError, match="are not those of mnist/phsic/rule=batch"):
        result_of(row, other)


# ------------------------------------------------------------------ results


def test_a_result_holds_what_the_runs_gave(tmp_path: Path) -> None:
    runs = make_runs(tmp_path / "r", "mnist/corinfomax", {0: [0.9, 0.95], 3: [0.92, 0.97]})
    result = result_of(row_named("mnist/corinfomax"), runs)
    assert (result.seeds, result.epochs, result.table_epochs) == ([0, 3], 2, 50)
    assert result.value == pytest.approx(96.0)
    assert result.deviation == pytest.approx(2**0.5)
    assert result.courses["test_accuracy"] == [[90, 95], [92, 97]]
    assert result.courses["angle_degrees"] == [[70, 70], [73, 73]]
    assert result.published["test_accuracy"]["2"] == 95.75
    assert result.train_seconds == [60, 60]
    assert result.environments == [{"git_commit": "c0ffee"}]
    (command,) = result.commands
    assert command.endswith("--rows mnist/corinfomax --seeds 2 --epochs 2")
    write_row(result, tmp_path / "out", "mnist-corinfomax")
    assert read_results(tmp_path / "out") == [result]


def test_seeds_may_end_at_different_epochs(tmp_path: Path) -> None:
    """Guards a mean at an epoch that counts a seed which ended before, or drops a longer run."""
    given = {0: [0.9, 0.95, 0.96], 1: [0.92, 0.97], 2: [0.94, 0.93]}
    result = result_of(row_named("mnist/ep"), make_runs(tmp_path / "r", "mnist/ep", given))
    assert (result.epochs, result.value, result.deviation) == (3, 96, None)
    assert result.courses["test_accuracy"] == [[90, 95, 96], [92, 97], [94, 93]]
    assert result.at("test_accuracy", 2).text() == "95.00 ± 2.00"
    assert result.seeds_at() == {2: 3, 3: 1}
    assert [command[-20:] for command in result.commands] == [
        "--seeds 3 --epochs 2", "--seeds 1 --epochs 3"
    ]  # fmt: skip
    page, *_ = write_pages([result], tmp_path / "results.md", tmp_path / "images")
    assert "| 1 (3 to 2) | 3 of 50 | 96.00 |" in page.read_text()
    assert "| 92.00 ± 2.00 | 95.00 ± 2.00 | 96.00 |" in page.read_text()


def test_a_full_run_is_compared_with_the_table_and_a_short_one_with_the_curve(
    tmp_path: Path,
) -> None:
    """Guards the published deviation, which belongs to the last epoch alone."""
    row = row_named("mnist/ep")
    full = result_of(row, make_runs(tmp_path / "a", row.name, {0: [0.9] * 49 + [0.974]}))
    found = compared(full)
    assert (found.published, found.published_deviation) == (97.616, 0.081)
    assert found.deviations == pytest.approx((97.4 - 97.616) / 0.081, abs=1e-4)
    assert found.marked
    short = {seed: [0.5, 0.9637 + 0.001 * seed] for seed in (0, 1, 2)}
    found = compared(result_of(row, make_runs(tmp_path / "b", row.name, short)))
    assert (found.published, found.published_deviation) == (96.37, None)
    assert found.difference == pytest.approx(0.1)
    assert found.deviations == pytest.approx(1.0)
    assert not found.marked
    # one seed has no deviation, and after six epochs nothing is published
    single = compared(result_of(row, make_runs(tmp_path / "c", row.name, {0: [0.1]})))
    assert single.deviations is None
    assert not single.marked
    six = result_of(row, make_runs(tmp_path / "d", row.name, {0: [0.9] * 6}))
    assert compared(six) is None


def test_runs_of_other_settings_are_no_result(tmp_path: Path) -> None:
    runs = make_runs(tmp_path / "r", "mnist/ep", {0: [0.9]})
    make_runs(tmp_path / "s", "mnist/ep", {1: [0.9]}, dtype="float64")
    (tmp_path / "s" / "seed-1").rename(runs / "seed-1")
    with pytest.raises(RunFolderError, match="differ in more than their seed"):
        result_of(row_named("mnist/ep"), runs)
    for name, given in (("a", {"parameters": {"decay": 0.5}}), ("b", {"train_images": 50})):
        changed = make_runs(tmp_path / name, "mnist/ep", {0: [0.9]}, **given)
        with pytest.raises(RunFolderError, match="are not those of mnist/ep"):
            result_of(row_named("mnist/ep"), changed)
    with pytest.raises(RunFolderError, match="are not those of mnist/csm"):
        result_of(row_named("mnist/csm"), make_runs(tmp_path / "c", "mnist/ep", {0: [0.9]}))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{}", "no 'row' in it"),
        ('{"row": 3}', "row is not text"),
        ("3", "int instead of an object"),
        (None, "unknown table 'x'"),
    ],
)
def test_a_damaged_result_is_named(content: str | None, complaint: str, tmp_path: Path) -> None:
    """Guards the words of Python for a file that somebody has to mend."""
    if content is None:
        runs = make_runs(tmp_path / "runs", "mnist/ep", {0: [0.9]})
        result = dataclasses.asdict(result_of(row_named("mnist/ep"), runs))
        content = json.dumps({**result, "table": "x"})
    (tmp_path / "table1").mkdir()
    (tmp_path / "table1" / "mnist-ep.json").write_text(content)
    with pytest.raises(RunFolderError) as caught:
        read_results(tmp_path)
    assert f"mnist-ep.json holds no result of this version ({complaint})" in str(caught.value)


def test_the_page_marks_differences_and_names_origins(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name, last in (("mnist/ep", 0.974), ("mnist/corinfomax", 0.976)):
        row = row_named(name)
        runs = make_runs(tmp_path / row.file_name, name, {0: [0.9] * 49 + [last]})
        write_row(result_of(row, runs), out, row.file_name)
    results = read_results(out)
    assert [result.row for result in results] == ["mnist/corinfomax", "mnist/ep"]
    page, *pictures = write_pages(results, out / "results.md", out / "images")
    text = page.read_text()
    assert "| 97.40 | 97.62 ± 0.08 | **-0.22 (2.7 sd)** |" in text
    assert "| 97.60 | 97.62 ± 0.12 | -0.02 (0.2 sd) |" in text
    assert "commit c0ffee" in text
    assert "neurosim reproduce table1 --rows mnist/corinfomax,mnist/ep --seeds 1" in text
    assert [picture.name for picture in pictures] == [
        "results-table1.png", "results-table1-angles.png",
    ]  # fmt: skip
    (accuracy,) = draw_courses(results[:1], "test_accuracy").axes
    measured, marks = accuracy.get_lines()
    assert measured.get_ydata()[-1] == pytest.approx(97.6)
    assert dict(zip(*marks.get_data(), strict=True))[50] == 97.61


def test_the_page_of_a_system_shows_its_rows(tmp_path: Path) -> None:
    """Guards pages of systems whose numbers are older than the results."""
    row = row_named("mnist/corinfomax")
    runs = make_runs(tmp_path, row.name, {0: [0.9] * 10, 1: [0.92] * 2})
    text = render_courses([result_of(row, runs)], "results.md")
    assert "| mnist/corinfomax | 91.00 ± 1.41 | 91.00 ± 1.41 | 90.00 | 90.00 | 90.00 |" in text
    assert "| published | 94.02 | 95.75 | 96.37 | 96.99 | 97.45 |" in text
    assert "| mnist/corinfomax | 70.5 ± 0.7 | 70.5 ± 0.7 | 70.0 | 70.0 | 70.0 |" in text
    assert "neurosim reproduce table1 --rows mnist/corinfomax --seeds 1 --epochs 10" in text
    assert render_courses([], "results.md") == ""


def test_a_shorter_run_in_proportion_is_drawn_beside_the_published_end(tmp_path: Path) -> None:
    name = "mnist/phsic/rule=last"
    runs = make_runs(tmp_path, name, {0: [0.9, 0.91]}, epochs=2)
    (axis,) = draw_courses([result_of(row_named(name), runs)], "test_accuracy").axes
    _, published = axis.get_lines()
    assert published.get_ydata()[0] == row_named(name).entry.value == 95.4
    assert published.get_label() == "published, 100 epochs"


def test_the_page_of_the_repository_is_up_to_date() -> None:
    """Guards numbers typed by hand, and results without a page: `make docs` renews it."""
    from test_docs import load_script

    for path, text in load_script(ROOT / "docs" / "make_results_pages.py").pages().items():
        assert path.read_text(encoding="utf-8") == text, "run `make docs`"


# ------------------------------------------------------------------ training


def test_rows_are_trained_once_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a command that begins anew, and a row whose failure loses the others."""
    asked = []

    def train(settings: Any, seeds: int, folder: Path, **how: Any) -> None:
        asked.append((folder.name, settings.epochs, seeds))
        if folder.name == "digits-bp":
            raise NeurosimError("learning diverged")
        make_runs(folder, f"digits/{settings.system.name}", {s: [0.9] for s in range(seeds)})

    monkeypatch.setattr(module, "train_missing_seeds", train)
    rows = chosen_rows("digits", ["digits/bp", "digits/ep"])
    with pytest.raises(NeurosimError, match="1 of 2 rows failed: digits/bp: learning diverged"):
        reproduce_rows(rows, Request(2, epochs=1, out=tmp_path / "out", runs=tmp_path / "runs"))
    assert asked == [("digits-bp", 1, 2), ("digits-ep", 1, 2)]
    (result,) = read_results(tmp_path / "out")
    assert (result.row, result.seeds) == ("digits/ep", [0, 1])
    with pytest.raises(ParameterError, match="--seeds 0"):
        reproduce_rows(rows, Request(seeds=0, out=tmp_path, runs=tmp_path))


def test_a_cluster_takes_the_runs_of_all_rows_at_once(tmp_path: Path) -> None:
    """Guards rows that wait for each other, and a row whose failure loses the others."""
    asked = []

    class Trains:
        def train(self, planned: Any, progress: bool, ended: Any) -> dict[Path, str]:
            asked.append([(one.out.name, one.seeds, one.runs[0].options()[:2]) for one in planned])
            for one in planned[1:]:
                name = f"digits/{one.settings.system.name}"
                make_runs(one.out, name, {seed: [0.9] for seed in one.seeds})
                ended(one)
            return {planned[0].folders[1]: "learning diverged"}

    rows = chosen_rows("digits", ["digits/bp", "digits/ep"])
    places = {"out": tmp_path / "out", "runs": tmp_path / "runs"}
    with pytest.raises(NeurosimError, match="digits/bp: seed-1: learning diverged"):
        reproduce_rows(rows, Request(seeds=2, epochs=1, **places, cluster=Trains(), progress=False))
    threads = ["--threads", "1"]
    assert asked == [[("digits-bp", (0, 1), threads), ("digits-ep", (0, 1), threads)]]
    assert [(r.row, r.seeds) for r in read_results(tmp_path / "out")] == [("digits/ep", [0, 1])]


def test_the_command_writes_results_and_their_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the whole way: options, runs, files of results, the page of all of them."""
    asked: list[Any] = []

    def train(settings: Any, seeds: int, folder: Path, **how: Any) -> None:
        asked.append((settings.epochs, settings.dtype, seeds, how))
        make_runs(folder, f"digits/{settings.system.name}", {s: [0.9, 0.95] for s in range(seeds)})

    monkeypatch.setattr(module, "train_missing_seeds", train)
    out, words = tmp_path / "out", ["--out", tmp_path / "out", "--runs", tmp_path / "runs"]
    call("reproduce", "digits", "--rows", "digits/ep", *words, "--seeds", 2, "--epochs", 2)
    said = call("reproduce", "digits", "--rows", "digits/pc", *words, "--jobs", 2, "--quiet").out
    assert asked == [
        (2, "float32", 2, {"jobs": None, "threads": None, "progress": True}),
        (20, "float32", 3, {"jobs": 2, "threads": None, "progress": False}),
    ]
    assert [(r.row, r.seeds) for r in read_results(out)] == [
        ("digits/ep", [0, 1]), ("digits/pc", [0, 1, 2]),
    ]  # fmt: skip
    assert str(out / "results.md") in said
    page = (out / "results.md").read_text()
    assert "| digits/ep | 64-100-10 | 1 | 2 | 2 of 20 | 95.00 ± 0.00 |" in page
    assert (out / "images" / "results-digits.png").stat().st_size > 5000


def test_what_no_row_can_be_computed_with_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the same error for every row and seed, and hours of training before it."""

    def train(*given: Any, **how: Any) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(module, "train_missing_seeds", train)
    (tmp_path / "file").write_text("")
    usual = {"--out": tmp_path / "out", "--runs": tmp_path / "runs"}
    for option, value, complaint in (
        ("--threads", 0, "threads = 0"),
        ("--out", tmp_path / "file" / "a", "is a file; choose another --out"),
        ("--runs", tmp_path / "file", "is a file; choose another --runs"),
        ("--page", tmp_path / "file" / "p.md", "is a file; choose another --page"),
    ):
        words = [word for pair in {**usual, option: value}.items() for word in pair]
        assert complaint in refusal("reproduce", "digits", *words)
    words = [word for pair in usual.items() for word in pair]
    for name in ("digits/digits-bp", "figures/mu-ff"):
        (tmp_path / "out" / name).parent.mkdir(parents=True)
        (tmp_path / "out" / f"{name}.json").write_text("3")
    figure = ("reproduce", "figure", "mu-ff", "--rows", "digits", *words)
    assert "mu-ff.json holds no results" in refusal(*figure)
    assert "digits-bp.json holds no result" in refusal("reproduce", "digits", *words)
    (tmp_path / "out" / "figures" / "mu-ff.json").unlink()
    assert "there are 1437 images" in refusal(*figure, "--images", 99_999_999)
    with monkeypatch.context() as patch:
        patch.setattr(backend_class("runtime"), "check_machine", absent)
        assert refusal(*figure, "--backend", "runtime") == "neurosim: install it"


def absent() -> None:
    """What a back end says of a machine without its packages."""
    raise BuildError("install it")


def test_the_help_names_every_back_end() -> None:
    """Guards a back end that a command takes and does not tell of."""
    for command in ("train", "search", "reproduce"):
        said = call(command, "--help").out
        (words,) = re.findall(r"--backend NAME\s+(.*?)see neurosim\s+backends", said, re.DOTALL)
        assert set(BACKENDS) <= set(re.findall(r"\w+", words))


def test_an_interrupt_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*given: Any, **how: Any) -> None:
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(module, "train_missing_seeds", stop)
    ended = call("reproduce", "digits", "--rows", "digits/ep", "--out", tmp_path)
    assert ended.status == 128 + signal.SIGINT
    assert "the same command goes on" in ended.err


def test_options_of_tables_are_refused_for_figures(tmp_path: Path) -> None:
    refused = call("reproduce", "figure", "urfb-linear", "--seeds", "3", "--out", tmp_path)
    assert "--seeds is for runs, and urfb-linear is made without" in refused.complaint
    assert "--images is for figures" in call("reproduce", "digits", "--images", 50).complaint
    assert "name that, too" in call("reproduce", "--measure", "--rows", "a").complaint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--list tabel1", "--list lists all tables and figures; leave tabel1 out"),
        ("--list --rows mnist", "--rows has no effect on the list; leave it out"),
        ("--list --seeds 3", "--seeds has no effect on the list; leave it out"),
        ("--rows mnist", "--rows has no effect on the list; name a table or a figure as well"),
        ("--out here", "--out has no effect on the list; name a table or a figure as well"),
        *(
            (f"digits --measure --{option}", f"--{option.split()[0]} has no effect on --measure")
            for option in ("seeds 3", "epochs 1", "jobs 2", "cluster local", "list", "out here")
        ),
    ],
)
def test_options_without_effect_are_refused(words: str, complaint: str) -> None:
    """Guards a list, or times, that somebody takes for those that were asked for."""
    assert complaint in refusal("reproduce", *words.split())


# ------------------------------------------------------------------ costs


def test_costs_are_kept_and_those_of_another_machine_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "cache_folder", lambda: tmp_path)
    row = row_named("mnist/ep")
    assert Costs.own().of(row) is None
    timed = {row.name: {"cpp, 1 thread": Cost(0.2, 0.1), "cpp, 2 threads": Cost(0.1, 0.1)}}
    Costs.own().adding(timed, {"urfb-linear": 7.0}).write(costs.own_file())
    own = Costs.own()
    assert own.of(row) == Cost(0.2, 0.1)
    # 60 000 images to learn and 10 000 to answer
    assert own.of(row).seconds(row, 2) == pytest.approx(2 * (60_000 * 0.2e-3 + 10_000 * 0.1e-3))
    text = listing(own, Costs("other", "", {"mnist/bp": {"cpp, 1 thread": Cost(1, 1)}}, {}))
    listed = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "11 min" in listed["mnist/ep"]
    assert "58 min*" in listed["mnist/bp"]
    assert "not measured" in listed["mnist/pc"]
    assert "(7.0 s)" in listed["urfb-linear:"]
    monkeypatch.setattr(costs, "processor", lambda: "another")
    assert Costs.own().of(row) is None
    costs.own_file().write_text("{}")
    with pytest.raises(RunFolderError, match="holds no times"):
        Costs.own()


def test_costs_ship_for_every_row_of_the_table() -> None:
    """Guards a page of costs that leaves rows out, and times of rows that are gone."""
    shipped = Costs.shipped()
    assert not [row.name for row in rows_of("table1") if shipped.of(row) is None]
    figures = [row for name in PAPERS for row in paper_figure(name).rows if not row.refusal()]
    rows = [*(row for table in TABLES for row in rows_of(table)), *(row.timed for row in figures)]
    assert {*shipped.rows} <= {row.cost_name for row in rows}
    assert {*shipped.studies} == {*STUDIES}


def test_a_row_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards times per image that depend on how many were shown."""
    monkeypatch.setattr(measuring, "SECONDS", 0.02)
    ((row, how, cost),) = measuring.measure(chosen_rows("digits", ["digits/pc-nudge"]))
    assert (row.name, how, cost.images) == ("digits/pc-nudge", "cpp, 1 thread", "real")
    assert 0.001 < cost.train_ms < 10
    assert 0.001 < cost.evaluate_ms < 10


def test_rows_of_a_figure_are_timed_unless_a_table_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards figures without a cost, and times taken twice."""
    monkeypatch.setattr(costs, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(measuring, "measure_row", lambda *given: Cost(1.0, 2.0))
    done = call("reproduce", "figure", "width", "--rows", "digits", "--measure")
    assert done.status == 0
    # the preset of the digits has 100 hidden cells
    assert {*Costs.own().rows} == {
        "digits/corinfomax", *(f"width-digits-{cells}" for cells in (25, 50, 200))
    }  # fmt: skip
    text = listing(Costs.own(), Costs("other", "", {}, {}))
    panel = text.split("  width: ")[1].split("digits ")[1].split("\n")[0]
    # 60 epochs of 1437 and 360 images for each of the four networks
    assert panel.strip().startswith(duration(4 * 60 * (1.437 * 1.0 + 0.36 * 2.0)))
    refused = call("reproduce", "figure", "wdth", "--measure").complaint
    assert "width" in refused


def test_random_images_stand_in_for_normalised_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurosim.errors import DataError

    def absent(name: str, **how: Any) -> None:
        raise DataError("not there")

    monkeypatch.setattr(measuring, "load_dataset", absent)
    monkeypatch.setattr(measuring, "measure_row", lambda row, *given: Cost(1, 1))
    rows = [row_named("mnist/ep"), row_named("cifar10/ep")]
    found = list(measuring.measure(rows))
    assert {(row.name, cost.images) for row, _, cost in found} == {("cifar10/ep", "drawn")}
    drawn = measuring._drawn(measuring.dataset_info("cifar10"))
    assert drawn.x_train.std() == pytest.approx(0.33, abs=0.02)


def test_durations_have_two_digits() -> None:
    shown = [duration(s) for s in (0.4, 9.96, 89, 90, 5400, 172_799, 172_800, 1e7)]
    assert shown == ["0.4 s", "10 s", "89 s", "1.5 min", "1.5 h", "48 h", "2.0 days", "116 days"]


def test_whole_runs_are_divided_among_workers() -> None:
    """Guards a total divided by workers: a run is no shorter on a hundred of them."""
    assert makespan([3.0, 3.0, 2.0, 2.0, 2.0], 2) == 7.0
    assert makespan([5.0, 1.0, 1.0], 100) == 5.0
    assert makespan([1.0] * 10, 3) == 4.0
    assert makespan([2.0, 2.0], 1) == 4.0


def test_the_page_of_costs_says_what_was_not_measured() -> None:
    timed = {
        row.name: {"cpp, 1 thread": Cost(0.1, 0.1), "cpp, 2 threads": Cost(0.06, 0.06)}
        for row in rows_of("table1")
    }
    text = render_costs(Costs("a processor", "2026-01-31", timed, {}), "table1")
    assert "a processor" in text
    assert "one GPU | not measured" in text
    del timed["mnist/ep"]
    partial = Costs("a processor", "2026-01-31", timed, {})
    assert "mnist/ep" in render_costs(partial, "table1").partition("not measured")[2]
    assert dataclasses.replace(partial, rows={}).of(row_named("mnist/bp")) is None
