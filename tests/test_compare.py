"""Runs side by side: grouping, means, published values, and what is trained for them."""

from __future__ import annotations

import dataclasses
import json
import re
import statistics
from pathlib import Path

import pytest
from command_line import call, metrics_of, refusal

from neurosim import CorInfoMax
from neurosim.cli import build_parser
from neurosim.commands.compare import _default_out, _names
from neurosim.errors import ParameterError, RunFolderError
from neurosim.figures.groups import comparison
from neurosim.files import place_given_by
from neurosim.models import SYSTEMS
from neurosim.runs import missing as module
from neurosim.runs.comparison import comparison_markdown
from neurosim.runs.groups import Spread, load_groups
from neurosim.runs.missing import plan_missing_seeds, train_missing
from neurosim.runs.settings import resolve

SMALL = ("--dataset", "digits", "--hidden", "20", "--train-images", "60", "--test-images", "40")


def make_run(folder, *, accuracies=(0.5, 0.6), seed=0, dataset="mnist", **settings):
    """A run folder as ``neurosim train`` leaves it, without the training."""
    folder.mkdir(parents=True)
    resolved = resolve({"dataset": dataset, "seed": seed, **settings})
    (folder / "config.toml").write_text(resolved.to_config())
    rows = [
        {
            "epoch": epoch,
            "train_accuracy": accuracy + 0.1,
            "test_accuracy": accuracy,
            "ms_per_image": 0.2,
            "train_seconds": 3.0,
            "graded_spikes_per_image": 100.0 + seed,
            "synops_per_image": 1000.0,
            "dense_macs_per_image": 50_000,
            "angle_degrees": {"theta_1": 70.0, "theta_2": 80.0},
        }
        for epoch, accuracy in enumerate(accuracies, start=1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def row_of(table, label):
    """Cells of one line of a Markdown table, by the names of its columns."""
    head, _, *lines = table.splitlines()
    names = [name.strip() for name in head.strip("|").split("|")]
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == label:
            return dict(zip(names, cells, strict=True))
    raise AssertionError(f"{label!r} is not in\n{table}")


def test_runs_that_differ_in_their_seed_make_one_line_of_means(tmp_path):
    for seed, last in enumerate((0.60, 0.64, 0.68)):
        make_run(tmp_path / "all" / f"seed-{seed}", accuracies=(0.3, last), seed=seed)
    (group,) = load_groups([tmp_path / "all"])
    assert sorted(group.rows) == [0, 1, 2]
    assert group.values("test_accuracy", 2) == [0.60, 0.64, 0.68]
    cells = row_of(comparison_markdown([group]), "corinfomax")
    assert cells["test accuracy, %"] == "64.00 ± 4.00"
    assert cells["graded spikes per image"] == "101 ± 1"
    assert cells["dense MACs per SynOp"] == "50.0 ± 0.0"
    assert cells["angle, degrees"] == "75.0 ± 0.0"
    assert (cells["seeds"], cells["epochs"]) == ("3", "2")


def test_groups_are_told_apart_by_the_settings_in_which_they_differ(tmp_path):
    one = make_run(tmp_path / "one")
    two = make_run(tmp_path / "two", parameters={"epsilon": 0.3})
    labels = [group.label for group in load_groups([one, two])]
    assert labels == ["corinfomax epsilon=0.15", "corinfomax epsilon=0.3"]


def test_a_group_ends_where_its_shortest_run_ends(tmp_path):
    make_run(tmp_path / "a", accuracies=(0.1, 0.2, 0.3), seed=0)
    make_run(tmp_path / "b", accuracies=(0.5, 0.6), seed=1)
    (group,) = load_groups([tmp_path / "a", tmp_path / "b"])
    assert group.epochs == 2
    assert group.spread("test_accuracy").mean == pytest.approx(0.4)


def test_runs_of_other_images_stand_apart(tmp_path):
    """Guards a mean over MNIST and whatever lay in its folder."""
    runs = [make_run(tmp_path / name, seed=seed) for seed, name in enumerate(("a", "b", "c"))]
    contents = ("as published", "not checked", "training labels are not the published ones")
    for run, note in zip(runs, contents, strict=True):
        with (run / "config.toml").open("a") as config:
            config.write(f'\n[data]\ncontents = "{note}"\n')
    groups = load_groups(runs)
    assert [sorted(group.rows) for group in groups] == [[0, 1], [2]]
    assert [group.label for group in groups] == ["corinfomax", "corinfomax (other images)"]


def test_totals_add_up_over_epochs(tmp_path):
    (group,) = load_groups([make_run(tmp_path / "a", train_images=500)])
    assert group.totals("synops_per_image") == [[5e5, 1e6]]
    assert group.totals("train_seconds") == [[3.0, 6.0]]


def test_the_published_value_stands_beside_published_settings_only(tmp_path):
    published = make_run(tmp_path / "published", accuracies=(0.5,))
    changed = make_run(tmp_path / "changed", accuracies=(0.5,), parameters={"epsilon": 0.3})
    table = comparison_markdown(load_groups([published, changed]))
    assert row_of(table, "corinfomax epsilon=0.15")["published, %"] == "94.02"
    assert row_of(table, "corinfomax epsilon=0.3")["published, %"] == "-"


@pytest.mark.parametrize(
    ("epochs", "hidden", "published"),
    [
        # after a third of an epoch and after five, but not after one
        (1, [500], "-"),
        (5, [500], "67.6"),
        # the mean of 88.0 and 66.0 degrees, as the measured angle is one over layers
        (5, [500, 500], "77.0"),
        (5, [400], "-"),
    ],
)
def test_the_published_angle_is_that_of_the_same_images(epochs, hidden, published, tmp_path):
    """Guards angles between published points, of one layer for all, or of other networks."""
    run = make_run(tmp_path / "run", accuracies=[0.5] * epochs, hidden=hidden)
    cells = row_of(comparison_markdown(load_groups([run])), "corinfomax")
    assert cells["angle, degrees"] == "75.0"
    assert cells["published angle, degrees"] == published


def test_the_figure_marks_published_accuracies_and_angles(tmp_path):
    """Guards published points at other images than those they belong to, or beyond the run."""
    run = make_run(tmp_path / "run", accuracies=[0.5] * 5, hidden=[500, 500])
    figure = comparison(load_groups([run]))
    panels = {axes.get_ylabel().partition(" (")[0]: axes for axes in figure.axes[::-1]}
    epochs, images = {}, 60_000
    for name in ("test accuracy", "forward/backward angle"):
        measured, marks = panels[name].get_lines()
        assert list(measured.get_xdata()) == [images * epoch for epoch in range(1, 6)]
        assert (marks.get_linestyle(), marks.get_markerfacecolor()) == ("None", "none")
        epochs[name] = {x / images: y for x, y in zip(*marks.get_data(), strict=True)}
    assert epochs["test accuracy"][5] == 96.13
    assert sorted(epochs["forward/backward angle"]) == pytest.approx(
        [1 / 3000, 1001 / 3000, 2001 / 3000, 5]
    )
    assert epochs["forward/backward angle"][5] == pytest.approx((88.0 + 66.0) / 2)


def test_the_comparison_has_no_empty_place(tmp_path):
    """Guards a hole in the picture: where a panel is left over, the legend stands in it."""
    figure = comparison(load_groups([make_run(tmp_path / "run", accuracies=(0.3, 0.6))]))
    places = figure.axes[0].get_gridspec()
    assert len(figure.axes) == places.nrows * places.ncols
    (with_legend,) = (axes for axes in figure.axes if axes.get_legend())
    # four panels fill their places; with one kind of event more, the sixth place is left over
    assert with_legend is figure.axes[0 if len(figure.axes) == 4 else -1]
    assert with_legend.axison == (with_legend is figure.axes[0])


def test_what_makes_systems_incomparable_is_told(tmp_path):
    """Guards runs of other images or another precision that look like equals in the table."""
    runs = [
        make_run(tmp_path / "whole", train_images=400),
        make_run(tmp_path / "half", train_images=200),
        make_run(tmp_path / "other", train_images=200, system="ep"),
    ]
    labels = [group.label for group in load_groups(runs)]
    expected = [
        "corinfomax train_images=400",
        "corinfomax train_images=200",
        "ep train_images=200",
    ]
    assert labels == expected
    runs = [
        make_run(tmp_path / "all"),
        make_run(tmp_path / "exact", system="ep", test_images=50, dtype="float64"),
    ]
    labels = [group.label for group in load_groups(runs)]
    expected = [
        "corinfomax test_images=all dtype=float32",
        "ep test_images=50 dtype=float64",
    ]
    assert labels == expected
    # one group is compared with nothing
    assert [group.label for group in load_groups(runs[1:])] == ["ep"]


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 4.5]])
def test_spread_is_mean_and_sample_deviation(values):
    spread = Spread.of(values)
    assert spread.mean == pytest.approx(sum(values) / len(values))
    expected = statistics.stdev(values) if len(values) > 1 else None
    assert spread.deviation == expected


def test_a_spread_that_rounds_to_nothing_has_no_sign():
    assert Spread(-0.004, None).text() == "0.00"
    assert Spread(-0.4, 0.04).text(".1f") == "-0.4 ± 0.0"


def test_what_cannot_be_compared_is_refused(tmp_path):
    one = make_run(tmp_path / "one")
    with pytest.raises(ParameterError, match="same seed 0; leave one out"):
        load_groups([one, make_run(tmp_path / "twin")])
    with pytest.raises(ParameterError, match="several data sets"):
        load_groups([one, make_run(tmp_path / "other", dataset="digits")])
    with pytest.raises(RunFolderError, match="no run folder"):
        load_groups([tmp_path / "absent"])
    with pytest.raises(RunFolderError, match=r"holds no run: no config\.toml"):
        load_groups([tmp_path])
    with pytest.raises(RunFolderError, match="has not finished an epoch"):
        load_groups([make_run(tmp_path / "empty", accuracies=())])
    (tmp_path / "empty" / "summary.json").write_text('{"diverged": "diverged in epoch 1"}')
    for words in (["compare"], ["plot", "--only=learning-curve"]):
        complaint = refusal(*words, tmp_path / "empty")
        assert complaint.endswith("; diverged in epoch 1; start the new run with another --out")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (r"(?s).*", "", "is damaged (no system in it); mend it"),
        (r"dataset = .*", "", "is damaged (no dataset in it); mend it"),
        (r"epochs = .*", 'epochs = "x"', ": epochs = 'x': give a whole number of 1 or more"),
        (r"beta = .*", "beta = -1", ": CorInfoMax.beta = -1.0"),
    ],
)
def test_a_config_that_cannot_be_used_is_named(old, new, complaint, tmp_path):
    """Guards the usual settings in place of lost ones, and a search for the file that is meant."""
    make_run(tmp_path / "a", dataset="digits")
    file = tmp_path / "a" / "config.toml"
    file.write_text(re.sub(old, new, file.read_text(), count=1))
    for words in (["compare"], ["train", "--resume"], ["plot"]):
        assert f"{file}{'' if complaint[0] == ':' else ' '}{complaint}" in refusal(
            *words, tmp_path / "a"
        )


def test_what_is_given_is_not_blamed_on_the_config(tmp_path):
    """Guards a search in the file for a mistake of the command line."""
    make_run(tmp_path / "a", dataset="digits")
    complaint = refusal("train", "--resume", tmp_path / "a", "--backend", "cpq")
    assert complaint.startswith("neurosim: unknown backend 'cpq'")


def test_mistakes_on_the_command_line_are_told_in_one_line(tmp_path):
    assert "give either run folders" in refusal("compare")
    assert "give either run folders" in refusal("compare", tmp_path, "--systems", "corinfomax")
    assert "--seeds is for runs to be trained" in refusal("compare", tmp_path, "--seeds", "3")
    refused = refusal("compare", tmp_path, "--cluster", "local")
    assert "--cluster is for runs to be trained" in refused
    assert "did you mean 'corinfomax'" in refusal("compare", "--systems", "corinfomx")
    assert "one is given twice" in refusal("compare", "--systems", "corinfomax,corinfomax")
    out = ("--out", tmp_path / "out")
    assert "give 1 or more" in refusal("compare", "--systems", "corinfomax", "--seeds", "0", *out)


@pytest.mark.quick(1)
@pytest.mark.parametrize("more", [False, True], ids=["as they are", "lengthened"])
def test_missing_runs_are_trained_and_finished_ones_kept(more, tmp_path):
    """Guards finished runs that fail, or are loaded, because another seed joins with fewer."""
    asked = ("compare", "--systems", "corinfomax", *SMALL, "--out", tmp_path, "--quiet")
    assert call(*asked, "--seeds", "1", "--epochs", "2").status == 0
    first, second = (tmp_path / "corinfomax" / f"seed-{seed}" for seed in (0, 1))
    before = {file.name: file.read_bytes() for file in first.iterdir()}
    # another seed joins, with fewer epochs; the first run is left alone
    assert call(*asked, "--seeds", "2", "--epochs", "1").status == 0
    assert {file.name: file.read_bytes() for file in first.iterdir()} == before
    assert len(metrics_of(second)) == 1
    cells = row_of((tmp_path / "comparison.md").read_text(), "corinfomax")
    assert (cells["seeds"], cells["epochs"]) == ("2", "1")
    accuracies = [100 * metrics_of(folder)[0]["test_accuracy"] for folder in (first, second)]
    assert cells["test accuracy, %"] == Spread.of(accuracies).text()
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    if more:
        # more epochs: the second goes on
        assert call(*asked, "--seeds", "2", "--epochs", "2").status == 0
        assert [len(metrics_of(folder)) for folder in (first, second)] == [2, 2]
    other = [text if text != "20" else "21" for text in map(str, asked)]
    assert "other settings" in refusal(*other, "--seeds", "2")


OWN_SYSTEM = """
import dataclasses
from typing import ClassVar

from neurosim import CorInfoMax


@dataclasses.dataclass(frozen=True)
class Mine(CorInfoMax):
    name: ClassVar[str] = "mine"


class Twin(Mine):
    pass
"""


@pytest.fixture
def own_system(tmp_path):
    """A file with two systems of one name."""
    file = tmp_path / "own" / "systems.py"
    file.parent.mkdir()
    file.write_text(OWN_SYSTEM)
    return file


def test_runs_of_systems_in_files_lie_below_out(own_system, tmp_path, monkeypatch):
    """Guards runs written beside the file, because its path took the place of --out."""
    begun = []
    monkeypatch.setattr(
        module, "train_missing_seeds", lambda settings, seeds, folder, **how: begun.append(folder)
    )
    reference, out = f"{own_system}:Mine", tmp_path / "out"
    folders = train_missing([reference, "ep"], 1, out, settings={"dataset": "digits"})
    assert folders == begun == [out / "mine", out / "ep"]
    with pytest.raises(ParameterError, match=r"Twin' has the name 'mine' of another one given"):
        train_missing([reference, f"{own_system}:Twin"], 1, out, settings={})
    assert len(begun) == 2


def test_systems_of_one_name_are_told_apart_by_their_files(own_system, tmp_path):
    """Guards two lines of one label for different equations."""
    runs = [make_run(tmp_path / name, system=f"{own_system}:{name}") for name in ("Mine", "Twin")]
    labels = [group.label for group in load_groups(runs)]
    assert labels == [f"mine from={own_system}:{name}" for name in ("Mine", "Twin")]


def test_nothing_is_done_with_no_process(tmp_path):
    """Guards a wait for ever, and seeds planned by a command that is refused."""
    options = ("compare", "--systems", "corinfomax", "--dataset", "digits", "--out", tmp_path)
    assert "jobs = 0: give a whole number of 1 or more" in refusal(*options, "--jobs", "0")
    assert list(tmp_path.iterdir()) == []


def test_help_names_where_results_go(monkeypatch):
    """Guards a search for results in a folder that nobody has named."""
    text = " ".join(call("compare", "--help").out.split())
    assert "(default: runs/compare, or with --systems runs/compare-DATASET)" in text
    parse = build_parser().parse_args
    assert _default_out(parse(["compare", "runs/a"])) == Path("runs/compare")
    options = ["compare", "--systems", "ep", "--dataset", "digits"]
    assert _default_out(parse(options)) == Path("runs/compare-digits")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """Guards advice to choose another, without a word of what."""
    run, file = make_run(tmp_path / "run"), tmp_path / "file"
    file.write_text("")
    assert "is a file; choose another --out" in refusal("compare", run, "--out", file / "below")
    (tmp_path / "out" / "comparison.md").mkdir(parents=True)
    message = refusal("compare", run, "--out", tmp_path / "out")
    assert f"cannot write {tmp_path / 'out' / 'comparison.md'}: " in message
    assert message.endswith("or choose another --out")
    # nothing half-written stays
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["comparison.md"]


def test_a_changed_copy_of_a_system_has_published_nothing():
    """Guards published points beside a user's own equations under an old name."""

    class Changed(CorInfoMax):
        pass

    published = resolve({"system": "corinfomax", "dataset": "mnist"})
    changed = Changed(layers=published.system.layers)
    assert published.published()
    assert dataclasses.replace(published, system=changed).published() == ()


def test_all_stands_for_every_system_that_ships() -> None:
    """Guards a table of all systems that leaves one out."""
    assert _names(["all"]) == list(SYSTEMS)
    assert _names(["ep", "all"]) == ["ep", "all"]


def test_fewer_seeds_than_a_folder_holds_leave_the_others_as_they_are(tmp_path: Path) -> None:
    """Guards ``--seeds 1`` with more epochs, which made three seeds longer, not one."""
    short = resolve({"system": "ep", "dataset": "digits", "epochs": 1})
    plan_missing_seeds(short, 3, tmp_path / "ep")
    longer = dataclasses.replace(short, epochs=2)
    assert [run.seed for run in plan_missing_seeds(longer, 1, tmp_path / "ep").runs] == [0]
    assert [run.seed for run in plan_missing_seeds(longer, 4, tmp_path / "ep").runs] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("given", "difference"),
    [
        ({"backend": "runtime"}, "backend is cpp there and runtime here"),
        ({"system": "bp"}, "system is ep there and bp here"),
        ({"hidden": (20, 7)}, "hidden is 20 there and 20 7 here"),
        ({"train_images": 5}, "train_images is not given there and 5 here"),
        ({"parameters": {"beta": 0.25}}, "beta is .* there and 0.25 here"),
    ],
)
def test_the_setting_that_keeps_a_folder_from_serving_is_named(
    given: dict[str, object], difference: str, tmp_path: Path
) -> None:
    """Guards a message that leaves the user to guess which setting and which option."""
    common = {"system": "ep", "dataset": "digits", "hidden": (20,)}
    plan_missing_seeds(resolve(common), 1, tmp_path)
    changed = resolve({**common, **given})
    with pytest.raises(RunFolderError, match=f"{difference}; give .* or another --out$"):
        plan_missing_seeds(changed, 1, tmp_path)
    with place_given_by("--runs"), pytest.raises(RunFolderError, match=r"or another --runs$"):
        plan_missing_seeds(changed, 1, tmp_path)
