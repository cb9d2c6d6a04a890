"""Several seeds side by side give what single runs give."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import (
    DIGITS,
    call,
    children_of,
    ended,
    is_running,
    lines_of,
    position_of,
    refusal,
    started,
    wait_until,
)

from neurosim.errors import BuildError, ParameterError, RunFolderError
from neurosim.runs import seeds as module
from neurosim.runs import workers
from neurosim.runs.seed_folder import prepare_seeds, seed_folders
from neurosim.runs.seeds import resume_seeds, train_seeds
from neurosim.runs.settings import read_config_file, resolve
from neurosim.runs.worker import worker_command

COMMAND = [sys.executable, "-m", "neurosim", *DIGITS, "--quiet"]


def weights(folder):
    """Weight arrays of a run's checkpoint."""
    with np.load(folder / "checkpoint.npz") as stored:
        return {name: stored[name] for name in stored.files if name.startswith("arrays/")}


def assert_same_weights(one, other):
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)


#: Names of Python's own modules. Files of these names lie where users start neurosim.
HIDING = ("random", "string", "queue", "copy")


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    """Seeds 3 and 4, two processes at a time, started in a folder of awkward files."""
    folder = tmp_path_factory.mktemp("seeds")
    for name in HIDING:
        (folder / f"{name}.py").write_text("raise ImportError('a file of the working folder')\n")
    options = ["--epochs", "2", "--seeds", "3", "4", "--jobs", "2", "--out", "run"]
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_the_number_of_jobs_does_not_change_the_weights(two_seeds, tmp_path):
    """Guards against processes that share randomness, files or a compiled program's state."""
    single = tmp_path / "single"
    options = ("--epochs", 2, "--seed", 4, "--threads", 3, "--out", single, "--quiet")
    assert call(*DIGITS, *options).status == 0
    assert_same_weights(two_seeds / "seed-4", single)


def test_the_summary_holds_mean_and_spread_of_the_runs(two_seeds):
    """Guards against a mean over the wrong rows."""
    summary = json.loads((two_seeds / "summary.json").read_text())
    single = [
        json.loads((two_seeds / f"seed-{seed}" / "summary.json").read_text())["test_accuracy"]
        for seed in (3, 4)
    ]
    assert summary["seeds"] == [3, 4]
    assert summary["test_accuracy_mean"] == pytest.approx(np.mean(single))
    assert summary["test_accuracy_std"] == pytest.approx(np.std(single, ddof=1))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--seeds", "1", "1"], "one is given twice"),
        (["--seeds", "1", "2", "--seed", "1"], "give one of them"),
        (["--seeds", "1", "--jobs", "0"], "jobs = 0: give a whole number of 1 or more"),
        (["--seeds", "1", "--set", "epsilon=0"], "out of range"),
    ],
)
def test_mistakes_are_told_in_one_line(options, complaint, tmp_path):
    """Guards against a traceback, or runs started in spite of a mistake."""
    assert complaint in refusal(*DIGITS, *options, "--out", tmp_path / "run")
    assert not list(tmp_path.glob("run/seed-*"))


def test_an_occupied_folder_is_refused(two_seeds):
    """Guards against mixing the runs of two commands."""
    assert "--resume" in refusal(*DIGITS, "--seeds", "5", "--out", two_seeds)


def test_stopped_seeds_go_on_and_those_that_had_not_begun_are_trained(tmp_path):
    """Guards learning lost by a signal, a mean over fewer seeds, and another order of seeds."""
    out = tmp_path / "stopped"
    options = ["--epochs", "12", "--seeds", "5", "3", "4", "--jobs", "2", "--out", str(out)]
    with started(*DIGITS, *options, "--quiet") as process:
        wait_until(lambda: len(list(out.glob("seed-*/metrics.jsonl"))) == 2, process)
        process.send_signal(signal.SIGTERM)
        result = ended(process)
    assert result.status == 128 + signal.SIGTERM
    assert f"--resume {out}" in result.complaint
    # two at a time, in the order given
    assert {folder.name for folder in seed_folders(out)} == {"seed-3", "seed-5"}
    resumed = call("train", "--resume", out, "--jobs", 2, "--epochs", 13, "--quiet")
    assert resumed.status == 0, resumed.err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["seeds"] == [5, 3, 4]
    assert [row["epoch"] for row in summary["runs"].values()] == [13, 13, 13]
    whole = tmp_path / "whole"
    assert call(*DIGITS, "--epochs", 13, "--seed", 3, "--out", whole, "--quiet").status == 0
    assert_same_weights(out / "seed-3", whole)


@pytest.mark.slow
def test_an_interrupt_while_compiling_loses_no_seed(tmp_path):
    """Guards a folder that --resume takes for that of a single run."""
    builds, out = tmp_path / "cache" / "programs", tmp_path / "run"
    options = ("--epochs", 1, "--seeds", 3, 4, "--out", out, "--quiet")
    with started(*DIGITS, *options, NEUROSIM_CACHE=str(tmp_path / "cache")) as process:
        wait_until(lambda: any(builds.glob("building-*/program/program.cpp")), process)
        process.send_signal(signal.SIGINT)
        result = ended(process)
    assert result.status == 128 + signal.SIGINT, result.err
    assert result.complaint.endswith(f"neurosim train --resume {out}")
    resumed = call("train", "--resume", out, "--jobs", 2, "--quiet")
    assert resumed.status == 0, resumed.err
    assert json.loads((out / "summary.json").read_text())["seeds"] == [3, 4]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[1, 2", "cannot read the seeds"),
        ('{"seeds": [1, -2]}', "cannot read the seeds"),
        ('{"seeds": [true]}', "cannot read the seeds"),
        ('{"seeds": []}', "cannot read the seeds"),
        ('{"sseeds": [1]}', "cannot read the seeds"),
        ('{"seeds": [1, 2]}', "was left before its settings were written"),
        (None, "cannot read the seeds"),
    ],
)
def test_a_list_of_seeds_that_cannot_be_used_is_named(content, complaint, tmp_path):
    """Guards a traceback, or seeds left out in silence."""
    if content is None:
        # folders of single runs without the list: which seeds were asked for is unknown
        (tmp_path / "seed-3").mkdir()
    else:
        (tmp_path / "seeds.json").write_text(content)
    message = refusal("train", "--resume", tmp_path)
    assert complaint in message
    assert str(tmp_path) in message


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """Guards a traceback before the first seed."""
    (tmp_path / "file").write_text("")
    settings = resolve({"dataset": "digits", "hidden": [20]})
    with pytest.raises(RunFolderError, match=r"is a file; choose another --out"):
        train_seeds(settings, [1, 2], tmp_path / "file" / "run", jobs=1, progress=False)


# Which runs need a process ----------------------------------------------------------------------

SETTINGS = {"dataset": "digits", "hidden": [20]}


def leave_run(folder, epochs, *, of, finished=True):
    """A run of some length, as ``neurosim train`` leaves it after some epochs."""
    folder.mkdir()
    seed = int(folder.name[5:])
    (folder / "config.toml").write_text(
        resolve({**SETTINGS, "epochs": of, "seed": seed}).to_config()
    )
    rows = [{"epoch": e, "test_accuracy": (10 * seed + e) / 100} for e in range(1, epochs + 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if finished:
        (folder / "summary.json").write_text(json.dumps(rows[-1]))


@pytest.fixture
def processes(monkeypatch):
    """Instead of processes: what they would have been told; each leaves a finished run."""
    told = {}

    def start(options):
        folder = Path(options[-1])
        # threads are for this machine
        at = options.index("--threads")
        told[folder.name] = options[:at] + options[at + 2 :]
        shutil.rmtree(folder, ignore_errors=True)
        leave_run(folder, 5, of=5)
        return subprocess.Popen(["true"], stderr=subprocess.PIPE, text=True)

    monkeypatch.setattr(module, "_compile", lambda settings: None)
    monkeypatch.setattr(workers, "_start", start)
    return told


def leave_seeds(out, *seeds, epochs):
    """What :func:`train_seeds` writes before it starts the first process."""
    (out / "seeds.json").write_text(json.dumps({"seeds": seeds}))
    (out / "config.toml").write_text(resolve({**SETTINGS, "epochs": epochs}).to_config())


def test_only_runs_with_work_left_start_a_process(processes, tmp_path):
    """Guards finished runs loaded for nothing, and failing because they are longer than asked."""
    leave_seeds(tmp_path, 0, 1, 2, 3, 4, epochs=10)
    leave_run(tmp_path / "seed-0", 10, of=10)
    leave_run(tmp_path / "seed-1", 7, of=10, finished=False)
    leave_run(tmp_path / "seed-2", 4, of=10, finished=False)
    # stopped after its last line, before its weights were safe
    leave_run(tmp_path / "seed-3", 5, of=5, finished=False)
    summary = resume_seeds(tmp_path, jobs=2, epochs=5, progress=False)
    assert {name: options[:3] for name, options in processes.items()} == {
        "seed-2": ["--epochs", "5", "--resume"],
        "seed-3": ["--epochs", "5", "--resume"],
        "seed-4": ["--config", str(tmp_path / "config.toml"), "--seed"],
    }
    # all at the epoch that all have
    assert [row["epoch"] for row in summary["runs"].values()] == [5] * 5
    assert summary["test_accuracy_mean"] == pytest.approx(0.25)
    assert summary == json.loads((tmp_path / "summary.json").read_text())


def test_changes_on_resume_reach_every_run(processes, tmp_path):
    """Guards a data folder, or a check, that only the runs that have begun know of."""
    out = tmp_path / "out"
    out.mkdir()
    leave_seeds(out, 0, 1, epochs=5)
    leave_run(out / "seed-0", 3, of=5, finished=False)
    resume_seeds(out, jobs=1, data_dir=tmp_path, check_output=False, progress=False)
    changes = ["--data-dir", str(tmp_path), "--no-output-check"]
    assert processes["seed-0"][:3] == changes
    # the other one reads them in the settings of all
    assert "--config" in processes["seed-1"]
    settings = resolve({}, read_config_file(out / "config.toml"))
    assert (settings.data_dir, settings.check_output) == (tmp_path, False)


def test_a_summary_from_before_a_run_was_made_longer_is_not_its_end(processes, tmp_path):
    """Guards a run whose last checkpoint is missing being taken for a finished one."""
    leave_seeds(tmp_path, 0, epochs=5)
    leave_run(tmp_path / "seed-0", 5, of=5)
    (tmp_path / "seed-0" / "summary.json").write_text('{"epoch": 3}')
    resume_seeds(tmp_path, jobs=1, progress=False)
    assert list(processes) == ["seed-0"]


def test_finished_seeds_say_so_and_are_left_as_they_are(processes, tmp_path, caplog):
    """Guards old results that look new, and settings that claim less than was trained."""
    leave_seeds(tmp_path, 0, 1, epochs=10)
    for seed in (0, 1):
        leave_run(tmp_path / f"seed-{seed}", 10, of=10)
    before = (tmp_path / "config.toml").read_text()
    with caplog.at_level(logging.INFO, logger="neurosim"):
        resume_seeds(tmp_path, jobs=1, epochs=5, progress=False)
    assert f"{tmp_path} has all its 10 epochs; --epochs with a larger" in caplog.text
    assert (tmp_path / "config.toml").read_text() == before
    assert processes == {}
    # event files that are asked for later are written
    pytest.importorskip("tensorboard")
    resume_seeds(tmp_path, jobs=1, progress=False, tensorboard=True)
    assert processes["seed-1"] == ["--tensorboard", "--resume", str(tmp_path / "seed-1")]


def test_a_start_that_fails_leaves_its_folder_free(tmp_path, monkeypatch):
    """Guards settings of a start that failed, which the corrected one is refused for."""

    def fail(settings):
        raise BuildError("no compiler")

    monkeypatch.setattr(module, "_compile", fail)
    settings = resolve({"dataset": "digits", "hidden": [20]})
    with pytest.raises(BuildError):
        train_seeds(settings, [1, 2], tmp_path / "new", jobs=1, progress=False)
    assert not [*(tmp_path / "new").iterdir()]
    # one that was there before is kept: --resume needs its settings
    prepare_seeds(tmp_path / "old", settings, [1])
    with pytest.raises(BuildError):
        resume_seeds(tmp_path / "old", jobs=1, progress=False)
    assert (tmp_path / "old" / "config.toml").exists()


def test_no_process_at_a_time_is_refused(tmp_path, monkeypatch):
    """Guards a wait for ever for processes that are never started."""
    monkeypatch.setattr(module, "_compile", lambda settings: pytest.fail("it goes on"))
    with pytest.raises(ParameterError, match="jobs = 0: give a whole number of 1 or more"):
        train_seeds(resolve(SETTINGS), [1], tmp_path / "run", jobs=0, progress=False)
    assert not (tmp_path / "run").exists()
    leave_seeds(tmp_path, 0, epochs=1)
    with pytest.raises(ParameterError, match="jobs = -1: give"):
        resume_seeds(tmp_path, jobs=-1, progress=False)


def test_folders_of_seeds_have_decimal_numbers(tmp_path):
    """Guards a crash over digits that are no number."""
    for name in ("seed-10", "seed-9", "seed-\N{SUPERSCRIPT TWO}", "seed-", "seed-x"):
        (tmp_path / name).mkdir()
    assert [folder.name for folder in seed_folders(tmp_path)] == ["seed-9", "seed-10"]


# Processes that nobody waits for ----------------------------------------------------------------


def test_metrics_that_cannot_be_read_stop_all_processes(tmp_path, monkeypatch):
    """Guards processes that go on behind an error."""
    begun = []

    def start(options):
        folder = Path(options[options.index("--out") + 1])
        folder.mkdir()
        # a line still being written is none; a complete one must be sound
        (folder / "metrics.jsonl").write_text("{\n" if begun else '{"epoch": 1, "test')
        begun.append(subprocess.Popen(["sleep", "100"], stderr=subprocess.PIPE, text=True))
        return begun[-1]

    monkeypatch.setattr(module, "_compile", lambda settings: None)
    monkeypatch.setattr(workers, "_start", start)
    try:
        with pytest.raises(RunFolderError, match=r"seed-2/metrics.jsonl, line 1 is damaged"):
            train_seeds(resolve(SETTINGS), [1, 2], tmp_path / "run", jobs=2, progress=False)
        assert [process.returncode for process in begun] == [-signal.SIGTERM] * 2
    finally:
        for process in begun:
            process.kill()


@pytest.mark.slow
def test_processes_end_when_the_one_that_waits_for_them_is_killed(tmp_path):
    """Guards runs that go on for nobody after SIGKILL, and lose what they had learned."""
    out = tmp_path / "run"
    options = ("--epochs", "5000", "--seeds", "3", "4", "--jobs", "2", "--out", out, "--quiet")
    with started(*DIGITS, *options) as process:
        folders = [out / "seed-3", out / "seed-4"]
        wait_until(lambda: all(lines_of(f / "metrics.jsonl") for f in folders), process)
        name = Path(f"/proc/{process.pid}/comm").read_text().strip()
        children = children_of(process.pid, name)
        assert len(children) == 2
        process.kill()
        deadline = time.monotonic() + 60
        while any(map(is_running, children)):
            assert time.monotonic() < deadline, "they go on"
            time.sleep(0.05)
    for folder in folders:
        assert position_of(folder) > (0, 0)
        assert "stopping after the images under way" in (folder / "log.txt").read_text()


def test_a_process_whose_starter_is_gone_does_nothing():
    """Guards the moment between the start of a process and its request to the kernel."""
    command = worker_command("--version")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("neurosim ")
    command[command.index(str(os.getpid()))] = "0"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "")
