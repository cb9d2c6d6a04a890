"""Runs in folders: what they write, that they go on where they stopped, and how they end."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import threading
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import (
    CHUNK,
    assert_same_run,
    assert_same_weights,
    lines_of,
    metrics_of,
    position_of,
    summary_of,
    weights_of,
    without_timings,
    write_images,
)

from neurosim import Simulator, load_dataset
from neurosim.errors import (
    CheckpointError,
    DivergenceError,
    NeurosimError,
    ParameterError,
    RunFolderError,
)
from neurosim.files import temporary_path
from neurosim.learning.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from neurosim.runs.interrupts import Interrupted
from neurosim.runs.opened import open_run
from neurosim.runs.seed_folder import forget_seeds, holds_seeds, prepare_seeds
from neurosim.runs.settings import read_config_file, resolve
from neurosim.runs.training import resume_training, start_training
from neurosim.runs.training_run import TrainingRun
from neurosim.viewer.opening import open_source

METRICS = {
    "epoch",
    "train_accuracy",
    "test_accuracy",
    "ms_per_image",
    "train_seconds",
    "graded_spikes_per_image",
    "lateral_samples_per_image",
    "synops_per_image",
    "dense_macs_per_image",
    "angle_degrees",
    "correlation",
    "objective",
}
SUMMARY = METRICS | {
    "system",
    "dataset",
    "layers",
    "seed",
    "backend",
    "dtype",
    "event_threshold",
    "compile_seconds",
    "images_seen",
    "data_contents",
}


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs of the small data stop inside an epoch, and checkpoint after every chunk."""
    monkeypatch.setitem(Simulator.__init__.__kwdefaults__, "chunk_images", CHUNK)
    monkeypatch.setenv("NEUROSIM_CHECKPOINT_SECONDS", "0")


def train(out: Path, epochs: int = 2, **given: Any) -> dict[str, Any]:
    """Train a small network on 600 digits; four chunks make an epoch."""
    small = {"dataset": "digits", "hidden": (20,), "train_images": 600, "test_images": 100}
    settings = resolve({**small, "epochs": epochs, **given})
    return start_training(settings, out, progress=False)


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code waits for it."""


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A run that is killed once it has saved so many checkpoints."""

    def kill(out: Path, saved: int, **given: Any) -> None:
        real, count = TrainingRun.save, 0

        def save(run: TrainingRun) -> None:
            nonlocal count
            real(run)
            count += 1
            if count == saved:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(TrainingRun, "save", save)
            with pytest.raises(Killed):
                train(out, **given)

    return kill


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs that nobody interrupted."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Simulator.__init__.__kwdefaults__, "chunk_images", CHUNK)
        train(folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoilt."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in finished.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def edit(folder: Path, old: str, new: str) -> None:
    """Change the saved settings of a run."""
    config = folder / "config.toml"
    text = config.read_text()
    assert text.count(old) == 1
    config.write_text(text.replace(old, new))


# What a run writes ------------------------------------------------------------------------------


def test_the_folder_holds_what_is_promised(finished: Path) -> None:
    """Guards a file that a reader of run folders looks for and does not find."""
    names = {path.name for path in finished.iterdir()}
    assert {"config.toml", "metrics.jsonl", "summary.json", "checkpoint.npz", "log.txt"} <= names
    assert not [name for name in names if name.endswith(".tmp")]


def test_metrics_are_plausible_numbers(finished: Path) -> None:
    """Guards a metric that is absent, in other units, or of another epoch."""
    rows = metrics_of(finished)
    assert [row["epoch"] for row in rows] == [1, 2]
    # one multiply-accumulate per synapse that carries a signal, in 40 steps
    dense = 40 * (64 * 20 + 20 * 10 + 10 * 20 + 20**2 + 10**2)
    for row in rows:
        assert set(row) == METRICS
        assert 0 <= row["train_accuracy"] <= 1
        assert 0 <= row["test_accuracy"] <= 1
        assert row["ms_per_image"] == pytest.approx(1e3 * row["train_seconds"] / 600)
        assert row["dense_macs_per_image"] == dense
        assert 0 < row["synops_per_image"] < row["dense_macs_per_image"]
        assert 0 < row["graded_spikes_per_image"] < row["synops_per_image"]
        assert 0 < row["angle_degrees"]["theta_1"] < 180


def test_accuracies_are_those_of_the_saved_weights(finished: Path) -> None:
    """Guards a test accuracy measured before the epoch's last update, or on other images."""
    with Simulator.load(finished) as simulator:
        data = load_dataset("digits", test_images=100)
        score = simulator.score(data.x_test, data.y_test)
        assert metrics_of(finished)[-1]["test_accuracy"] == score
        assert metrics_of(finished)[-1]["angle_degrees"] == simulator.angles()
    assert position_of(finished) == (2, 0)


def test_train_accuracy_counts_every_image_once(tmp_path: Path, finished: Path) -> None:
    """Guards sums that are not set back between epochs or skip a chunk."""
    with Simulator(resolve({"dataset": "digits", "hidden": (20,)}).system) as simulator:
        data = load_dataset("digits", train_images=600)
        correct = []
        simulator.fit(
            data.x_train,
            data.y_train,
            epochs=2,
            progress=False,
            on_chunk=lambda stats: correct.append(stats.correct),
        )
        assert len(correct) == 8
        wanted = [sum(correct[:4]) / 600, sum(correct[4:]) / 600]
        assert [row["train_accuracy"] for row in metrics_of(finished)] == wanted
        for name, weights in weights_of(finished).items():
            np.testing.assert_array_equal(simulator.weights[name], weights)


def test_summary_is_the_last_epoch_with_its_settings(finished: Path) -> None:
    """Guards a summary that belongs to another epoch or omits what was run."""
    summary = summary_of(finished)
    assert set(summary) == SUMMARY
    assert {name: summary[name] for name in METRICS} == metrics_of(finished)[-1]
    expected = {
        "system": "corinfomax",
        "dataset": "digits",
        "layers": [64, 20, 10],
        "seed": 0,
        "backend": "cpp",
        "dtype": "float32",
        "event_threshold": resolve({"dataset": "digits"}).system.event_threshold,
        "images_seen": 1200,
    }
    assert {name: summary[name] for name in expected} == expected
    assert summary["compile_seconds"] >= 0


def test_config_notes_the_versions(finished: Path) -> None:
    """Guards results of which nobody can say what computed them."""
    config = tomllib.loads((finished / "config.toml").read_text())
    assert {"neurosim", "brian2", "numpy", "compiler"} <= set(config["environment"])
    assert "digits" in config["preset"]["source"]


def test_log_tells_of_every_epoch(finished: Path) -> None:
    """Guards a log that ends before the run does."""
    log = (finished / "log.txt").read_text()
    assert "64-20-10, 2 epochs" in log
    assert "epoch 1: train" in log
    assert "epoch 2: train" in log


# Seeds, data and back ends ----------------------------------------------------------------------


def test_same_seed_same_weights_other_seed_other_weights(tmp_path: Path, finished: Path) -> None:
    """Guards randomness that does not come from the seed, and a seed that is not used."""
    train(tmp_path / "again")
    assert_same_run(tmp_path / "again", finished)
    train(tmp_path / "other", seed=1)
    for name, weights in weights_of(tmp_path / "other").items():
        assert not np.array_equal(weights, weights_of(finished)[name]), name


def test_few_training_images_come_from_the_shuffled_set(tmp_path: Path, finished: Path) -> None:
    """Guards the first images as stored, and a choice that ignores the seed."""
    settings = resolve({"dataset": "digits", "hidden": (20,)})
    whole = load_dataset("digits")
    chosen = np.random.Generator(np.random.PCG64(0)).permutation(1437)[:600]
    with Simulator(settings.system) as simulator:
        simulator.fit(whole.x_train[chosen], whole.y_train[chosen], 2, progress=False)
        for name, weights in weights_of(finished).items():
            np.testing.assert_array_equal(simulator.weights[name], weights)


def test_a_saved_config_repeats_the_run(tmp_path: Path, finished: Path) -> None:
    """Guards a result that its own settings do not give again."""
    settings = resolve({}, read_config_file(finished / "config.toml"))
    start_training(settings, tmp_path / "again", progress=False)
    assert_same_run(tmp_path / "again", finished)


@pytest.mark.slow
def test_both_back_ends_train_to_the_same_weights(tmp_path: Path) -> None:
    """Guards a back end that trains something else: agreement within rounding at float64."""
    for backend in ("cpp", "runtime"):
        train(tmp_path / backend, 1, backend=backend, dtype="float64", train_images=12)
    compiled, runtime = weights_of(tmp_path / "cpp"), weights_of(tmp_path / "runtime")
    for name, weights in compiled.items():
        assert weights.dtype == np.float64
        np.testing.assert_allclose(runtime[name], weights, rtol=1e-9, atol=1e-12, err_msg=name)
    (row,), (other,) = metrics_of(tmp_path / "cpp"), metrics_of(tmp_path / "runtime")
    del row["angle_degrees"], other["angle_degrees"]
    assert without_timings(row) == without_timings(other)
    assert summary_of(tmp_path / "runtime")["backend"] == "runtime"
    # a run that was begun with the one goes on with the other
    for begun, goes_on in (("cpp", "runtime"), ("runtime", "cpp")):
        run = tmp_path / begun
        summary = resume_training(run, epochs=2, backend=goes_on, progress=False)
        assert summary["backend"] == goes_on
        assert resolve({}, read_config_file(run / "config.toml")).backend == goes_on
    compiled, runtime = weights_of(tmp_path / "cpp"), weights_of(tmp_path / "runtime")
    for name, weights in compiled.items():
        np.testing.assert_allclose(runtime[name], weights, rtol=1e-9, atol=1e-12, err_msg=name)


# Going on ---------------------------------------------------------------------------------------


@pytest.mark.quick(3)
@pytest.mark.parametrize("saved", [1, 2, 4, 5, 8, 9])
def test_killed_after_any_checkpoint_ends_alike(
    saved: int, tmp_path: Path, finished: Path, killed_after: Callable[..., None]
) -> None:
    """Guards state that a checkpoint lacks: order, nudges, sums of the epoch, finished rows."""
    killed_after(tmp_path / "run", saved)
    assert position_of(tmp_path / "run") == divmod(CHUNK * (saved - 1), 600)
    summary = resume_training(tmp_path / "run", progress=False)
    assert_same_run(tmp_path / "run", finished)
    assert summary == summary_of(tmp_path / "run")


def test_killed_in_its_sleep_a_run_ends_alike(
    tmp_path: Path, killed_after: Callable[..., None]
) -> None:
    """Guards a run folder that forgets where in a stage it was, or counts its events twice."""
    naps = {"first_sleep": 5, "naps": 1, "dreams": 70, "batch": 15}
    how = {"system": "reciprocal-feedback", "train_images": 30, "parameters": naps}
    train(tmp_path / "whole", **how)
    for saved, place in ((4, 6), (6, 1)):
        run = tmp_path / f"run-{saved}"
        killed_after(run, saved, **how)
        state = load_checkpoint(run)[0].state
        assert (state["position"], state["between"]) == (15 if saved > 4 else 0, place)
        resume_training(run, progress=False)
        assert_same_run(run, tmp_path / "whole")


def test_checkpoints_keep_their_distance(
    tmp_path: Path, killed_after: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a setting that is not obeyed: a run slowed by saving, or one that never saves."""
    monkeypatch.setenv("NEUROSIM_CHECKPOINT_SECONDS", "1000")
    killed_after(tmp_path / "run", 2)
    # the first is written before learning, the second at the end of the run
    assert position_of(tmp_path / "run") == (2, 0)


@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_bad_distance_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a mistyped number that silently turns checkpoints off."""
    monkeypatch.setenv("NEUROSIM_CHECKPOINT_SECONDS", text)
    with pytest.raises(ParameterError, match=f"NEUROSIM_CHECKPOINT_SECONDS = '{text}'"):
        train(tmp_path / "run")
    monkeypatch.setenv("NEUROSIM_CHECKPOINT_SECONDS", "")
    train(tmp_path / "run", 1)


def test_a_finished_run_can_be_made_longer(tmp_path: Path, finished: Path, folder: Path) -> None:
    """Guards a longer run that starts over, or differs from one that was long from the start."""
    resume_training(folder, epochs=3, progress=False)
    train(tmp_path / "long", 3)
    assert_same_run(folder, tmp_path / "long")
    assert metrics_of(folder)[:2] == metrics_of(finished)
    # the new length is kept for the next time
    assert tomllib.loads((folder / "config.toml").read_text())["epochs"] == 3


def test_a_finished_run_is_left_as_it_is(
    folder: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards an epoch too many, and a wait for the compiler to do nothing."""
    monkeypatch.setenv("CXX", "no-compiler-is-needed")
    with caplog.at_level(logging.INFO, logger="neurosim"):
        summary = resume_training(folder, progress=False)
    assert f"{folder} has all its 2 epochs; --epochs with a larger number goes on" in caplog.text
    assert "resumed" not in caplog.text
    assert summary == summary_of(finished) == summary_of(folder)
    assert metrics_of(folder) == metrics_of(finished)
    assert_same_weights(folder, finished)


def test_a_finished_run_ends_its_event_files(folder: Path) -> None:
    """Guards a writer thread and an open file left by a run with nothing to train."""
    pytest.importorskip("tensorboard")
    before = set(threading.enumerate())
    resume_training(folder, progress=False, tensorboard=True)
    assert list((folder / "tensorboard").iterdir())
    assert set(threading.enumerate()) <= before


def test_lanes_and_threads_below_one_are_refused(tmp_path: Path, folder: Path) -> None:
    """Guards a folder made for a run that cannot begin."""
    settings = resolve({"dataset": "digits"})
    with pytest.raises(ParameterError, match="lanes = 0: give a whole number of 1 or more"):
        start_training(settings, tmp_path / "run", lanes=0)
    with pytest.raises(ParameterError, match="threads = -1: give"):
        resume_training(folder, threads=-1)
    assert not (tmp_path / "run").exists()


def test_fewer_epochs_than_were_made_are_refused(
    folder: Path, tmp_path: Path, killed_after: Callable[..., None]
) -> None:
    """Guards a config.toml that claims less training than the weights have had."""
    config = (folder / "config.toml").read_text()
    with pytest.raises(ParameterError, match=r"epochs = 1, but .* give --epochs of at least 2"):
        resume_training(folder, epochs=1, progress=False)
    assert (folder / "config.toml").read_text() == config
    # the second epoch has begun
    killed_after(tmp_path / "run", 6)
    with pytest.raises(ParameterError, match="is in epoch 2"):
        resume_training(tmp_path / "run", epochs=1, progress=False)


def test_killed_before_the_first_checkpoint_begins_anew(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a folder that can neither be resumed nor used again."""

    def killed(run: TrainingRun) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "save", killed)
        with pytest.raises(Killed):
            train(tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint.npz").exists()
    resume_training(tmp_path / "run", progress=False)
    assert_same_run(tmp_path / "run", finished)


def test_a_run_that_was_shown_no_image_is_no_hindrance(
    tmp_path: Path, finished: Path, killed_after: Callable[..., None]
) -> None:
    """Guards a mistake at the start that spoils its folder for the mended one."""
    for name, again in (("out", train), ("resume", partial(resume_training, progress=False))):
        killed_after(tmp_path / name, 1, parameters={"mu_ff": (1e-3, 1e-3)})
        if name == "resume":
            edit(tmp_path / name, "mu_ff = [\n    0.001,\n    0.001,\n]", mu_ff_of(finished))
        again(tmp_path / name)
        assert_same_run(tmp_path / name, finished)
    killed_after(tmp_path / "trained", 2)
    with pytest.raises(RunFolderError, match="already holds a run"):
        train(tmp_path / "trained")


def mu_ff_of(folder: Path) -> str:
    """The learning rates in the saved settings of a run, as they stand there."""
    (found,) = re.findall(r"mu_ff = \[.*?\]", (folder / "config.toml").read_text(), re.DOTALL)
    return str(found)


def test_folders_of_seeds_are_taken_back_where_none_was_shown_an_image(
    tmp_path: Path, killed_after: Callable[..., None]
) -> None:
    """Guards a folder with settings that a corrected start finds occupied, and lost learning."""
    settings = resolve({"dataset": "digits", "hidden": (20,)})
    for out, saved in ((tmp_path / "none", 1), (tmp_path / "some", 2)):
        prepare_seeds(out, settings, [0, 1])
        killed_after(out / "seed-0", saved)
        forget_seeds(out)
    assert not [*(tmp_path / "none").iterdir()]
    assert (tmp_path / "some" / "seed-0" / "checkpoint.npz").exists()
    assert holds_seeds(tmp_path / "some")


def test_lost_checkpoints_do_not_begin_anew(folder: Path) -> None:
    """Guards a finished run being overwritten because somebody deleted its checkpoints."""
    for path in folder.glob("checkpoint*"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint.npz is absent"):
        resume_training(folder, progress=False)
    assert lines_of(folder / "metrics.jsonl") == 2


def test_metrics_beyond_the_checkpoint_are_cut(
    tmp_path: Path, finished: Path, killed_after: Callable[..., None]
) -> None:
    """Guards an epoch listed twice when a kill came between its line and its checkpoint."""
    killed_after(tmp_path / "run", 4)
    assert position_of(tmp_path / "run") == (0, 450)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": 1, "train_accuracy": 2.0}) + '\n{"epoch": 2, "tr')
    resume_training(tmp_path / "run", progress=False)
    assert_same_run(tmp_path / "run", finished)


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("chunk", "number"),
    [(1, signal.SIGINT), (3, signal.SIGTERM), (4, signal.SIGINT), (8, signal.SIGTERM)],
)
def test_interrupt_saves_the_chunk_under_way(
    chunk: int,
    number: signal.Signals,
    tmp_path: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards learning lost to an interrupt: the checkpoint is of this chunk, none is skipped."""
    real, chunks = TrainingRun._show, 0

    def show(run: TrainingRun, bar: Any, images: int) -> None:
        nonlocal chunks
        real(run, bar, images)
        chunks += 1
        if chunks == chunk:
            os.kill(os.getpid(), number)

    def unexpected(*_: object) -> None:
        pytest.fail("the signal was not taken by the run")

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, unexpected) for each in signals]
    # no other checkpoint inside an epoch
    monkeypatch.setenv("NEUROSIM_CHECKPOINT_SECONDS", "1000")
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_show", show)
        try:
            with pytest.raises(Interrupted) as caught:
                train(tmp_path / "run")
        finally:
            left = [signal.signal(*pair) for pair in zip(signals, before, strict=True)]
    assert caught.value.signal_number == number
    assert left == [unexpected, unexpected], "the run did not put the handlers back"
    assert position_of(tmp_path / "run") == divmod(CHUNK * chunk, 600)
    resume_training(tmp_path / "run", progress=False)
    assert_same_run(tmp_path / "run", finished)


# Checkpoints that do not fit --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("epsilon = 0.3", "epsilon = 0.4", "epsilon was 0.3 and is 0.4"),
        ("seed = 0", "seed = 1", "seed was 0 and is 1"),
        ('dtype = "float32"', 'dtype = "float64"', "dtype was float32 and is float64"),
        ("train_images = 600", "train_images = 100", "train_images was 600 and is 100"),
        ("train_images = 600\n", "", "train_images was 600 and is None"),
        ("test_images = 100", "test_images = 90", "test_images was 100 and is 90"),
    ],
)
def test_changed_settings_are_refused(old: str, new: str, named: str, folder: Path) -> None:
    """Guards a run whose first half had other settings than its second, or other images."""
    edit(folder, old, new)
    edit(folder, "epochs = 2", "epochs = 3")
    with pytest.raises(CheckpointError, match=named) as caught:
        resume_training(folder, progress=False)
    assert "put back what was changed" in str(caught.value)


def test_changed_layers_are_refused(folder: Path) -> None:
    """Guards weights of one shape in a network of another."""
    edit(folder, "    20,\n", "    21,\n")
    with pytest.raises(CheckpointError, match=r"layers was \[64, 20, 10\] and is \[64, 21, 10\]"):
        resume_training(folder, progress=False)


def test_other_images_are_refused_and_a_moved_folder_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards weights learned on some images that go on with others, of any number."""
    data, moved, run = tmp_path / "data", tmp_path / "moved", tmp_path / "run"
    write_images(data)
    quick = {"backend": "runtime", "parameters": {"free_time": 4.0, "nudged_time": 2.0}}
    every = {"train_images": None, "test_images": None, "data_dir": data}
    train(run, 1, dataset="mnist", **quick, **every)
    config = tomllib.loads((run / "config.toml").read_text())
    contents = summary_of(run)["data_contents"]
    assert config["data"] == {"contents": contents}
    assert contents.startswith("training images are not the published ones, training labels are")
    assert "data set mnist was expected" in caplog.text
    data.rename(moved)
    # as many images, others
    write_images(data, seed=8)
    with pytest.raises(CheckpointError, match="images of mnist are not those that the run in"):
        resume_training(run, epochs=2, progress=False)
    shutil.rmtree(data)
    # nothing is written to look at it
    open_source(run, ids=[0], data_dir=moved).close()
    write_images(data, n_train=30)
    with pytest.raises(CheckpointError, match=r"was \[40, 20\] and is \[30, 20\]"):
        resume_training(run, epochs=2, progress=False)
    # the right ones, in another place, which is kept
    resume_training(run, epochs=2, data_dir=moved, progress=False)
    assert lines_of(run / "metrics.jsonl") == 2
    assert resolve({}, read_config_file(run / "config.toml")).data_dir == moved
    assert len(open_run(run, data_dir=moved).data.x_train) == 40
    # a checkpoint of before there was a digest of the images
    checkpoint = load_checkpoint(run)[0]
    state = {name: value for name, value in checkpoint.state.items() if name != "data_digest"}
    save_checkpoint(run, Checkpoint(checkpoint.arrays, state))
    resume_training(run, epochs=3, progress=False)
    edit(run, 'dataset = "mnist"', 'dataset = "fashion-mnist"')
    (moved / "MNIST").rename(moved / "FashionMNIST")
    with pytest.raises(CheckpointError, match="dataset was mnist and is fashion-mnist"):
        resume_training(run, epochs=4, progress=False)


def test_bad_settings_in_the_folder_are_refused(folder: Path) -> None:
    """Guards a traceback for a config.toml edited by hand."""
    edit(folder, "epochs = 2", "epochs = 'two'")
    with pytest.raises(ParameterError, match="epochs = 'two': give a whole number"):
        resume_training(folder, progress=False)


@pytest.mark.parametrize(("version", "shown"), [('"0.0.1"', "0.0.1"), ("5", "5")])
def test_other_versions_are_noted(
    version: str, shown: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards a change of rounding in the middle of a run that nobody is told of."""
    config = tomllib.loads((folder / "config.toml").read_text())
    edit(folder, f"brian2 = {json.dumps(config['environment']['brian2'])}", f"brian2 = {version}")
    resume_training(folder, progress=False)
    assert f"brian2 was {shown} when the run began" in caplog.text


def test_versions_that_are_no_table_are_no_hindrance(folder: Path) -> None:
    """Guards a traceback for a note that nothing depends on."""
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text("environment = 5\n" + text.partition("[environment]")[0])
    resume_training(folder, progress=False)


def test_checkpoint_of_the_python_interface_is_refused(folder: Path) -> None:
    """Guards a checkpoint without the sums of the epoch being taken for a run's."""
    with Simulator(resolve({"dataset": "digits", "hidden": (20,)}).system) as simulator:
        simulator.save(folder)
    with pytest.raises(CheckpointError, match="not written by a training run"):
        resume_training(folder, progress=False)


def test_damaged_checkpoint_falls_back_and_says_so(
    tmp_path: Path,
    finished: Path,
    killed_after: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Guards a damaged file that is read, or that costs more than the last few seconds."""
    killed_after(tmp_path / "run", 4)
    newest = tmp_path / "run" / "checkpoint.npz"
    newest.write_bytes(newest.read_bytes()[:-100])
    resume_training(tmp_path / "run", progress=False)
    assert "going on from checkpoint.previous.npz" in caplog.text
    assert "going on from" in (tmp_path / "run" / "log.txt").read_text()
    assert_same_run(tmp_path / "run", finished)


def test_two_damaged_checkpoints_are_both_named(folder: Path) -> None:
    """Guards a run that silently starts over when nothing is left to go on from."""
    for path in folder.glob("checkpoint*"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError) as caught:
        resume_training(folder, progress=False)
    assert "checkpoint.npz is damaged (empty)" in str(caught.value)
    assert "checkpoint.previous.npz is damaged (empty)" in str(caught.value)


# Bad ends ---------------------------------------------------------------------------------------


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "parameters",
    [{"mu_ff": (1e30, 1e30)}, {"mu_ff": (1e5, 1e5)}, {"mu_fb": (1e8,)}, {"beta": 1e-30}],
)
def test_divergence_keeps_the_last_good_weights(parameters: Any, tmp_path: Path) -> None:
    """Guards weights that are not finite, or useless, in a checkpoint."""
    with pytest.raises(DivergenceError, match=r"diverged in epoch 1 .*lower the learning rates"):
        train(tmp_path / "run", parameters=parameters)
    with Simulator.load(tmp_path / "run") as simulator:
        assert all(np.isfinite(array).all() for array in simulator.weights.values())
        assert (simulator.epoch, simulator.position) == position_of(tmp_path / "run")
    # what diverged does so again; it is no damaged folder
    with pytest.raises(DivergenceError):
        resume_training(tmp_path / "run", progress=False)


def test_late_divergence_loses_nothing(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the epochs before the divergence: the checkpoint is of the moment before it."""
    real, chunks = Simulator._check_result, 0

    def check(simulator: Simulator, before: Any, result: Any, targets: Any) -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 7:
            result.weights["W_ff_0"][0, 0] = np.nan
        real(simulator, before, result, targets)

    # no checkpoint inside an epoch but the one that is made for the divergence
    monkeypatch.setenv("NEUROSIM_CHECKPOINT_SECONDS", "1000")
    with monkeypatch.context() as patch:
        patch.setattr(Simulator, "_check_result", check)
        with pytest.raises(DivergenceError, match="in epoch 2 after image 300: W_ff_0 is not"):
            train(tmp_path / "run")
    assert position_of(tmp_path / "run") == (1, 300)
    resume_training(tmp_path / "run", progress=False)
    assert_same_run(tmp_path / "run", finished)


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 64 kB."""
    return disk_of("64k")


def test_disk_that_fills_up_stops_the_run_and_no_more(
    small_disk: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a run that computes on without saving, and one that cannot go on afterwards."""
    out, filler = small_disk / "run", small_disk / "filler"
    real, count = TrainingRun.save, 0

    def save(run: TrainingRun) -> None:
        nonlocal count
        count += 1
        if count == 4:
            free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
            filler.write_bytes(bytes(free))
        real(run)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "save", save)
        with pytest.raises(RunFolderError, match="No space left on device") as caught:
            train(out)
    assert "the previous checkpoint is kept" in str(caught.value)
    filler.unlink()
    assert position_of(out) == (0, 300)
    resume_training(out, progress=False)
    assert_same_run(out, finished)


def test_full_device_stops_the_run(tmp_path: Path) -> None:
    """Guards the same where no disk may be mounted: /dev/full never has room."""
    out = tmp_path / "run"
    out.mkdir()
    temporary_path(out / "checkpoint.npz").symlink_to("/dev/full")
    with pytest.raises(RunFolderError, match="No space left on device"):
        train(out)


def test_full_log_does_not_stop_the_run(
    tmp_path: Path, finished: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Guards a traceback of the logging module for a log that nobody may need."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "log.txt").symlink_to("/dev/full")
    train(out)
    assert_same_run(out, finished)
    assert capfd.readouterr().err == ""


def test_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """Guards a traceback for a folder where the log should be."""
    (tmp_path / "run" / "log.txt").mkdir(parents=True)
    with pytest.raises(RunFolderError, match=r"cannot write log.txt in .*Is a directory"):
        train(tmp_path / "run")


def test_program_that_fails_leaves_the_checkpoint(
    tmp_path: Path, finished: Path, killed_after: Callable[..., None]
) -> None:
    """Guards a run that is lost when its program is killed, for instance for memory."""
    killed_after(tmp_path / "run", 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXX", "no-such-compiler")
        with pytest.raises(NeurosimError, match="no C\\+\\+ compiler found"):
            resume_training(tmp_path / "run", progress=False)
    resume_training(tmp_path / "run", progress=False)
    assert_same_run(tmp_path / "run", finished)


def test_foreign_sealed_checkpoint_is_refused(folder: Path) -> None:
    """Guards a sealed file of the right form whose entries are of other kinds."""
    save_checkpoint(folder, Checkpoint({}, {"epoch": 1, "run": 3}))
    with pytest.raises(CheckpointError, match="not written by a training run"):
        resume_training(folder, progress=False)
