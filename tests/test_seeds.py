"""Several seeds side by side give what single runs give."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command_line import DIGITS, refusal

from neurosim.config import resolve
from neurosim.errors import RunFolderError
from neurosim.seeds import train_seeds

COMMAND = [sys.executable, "-m", "neurosim", *DIGITS, "--quiet"]
RESUME = [sys.executable, "-m", "neurosim", "train", "--quiet", "--resume"]


def weights(folder):
    """Weight arrays of a run's checkpoint."""
    with np.load(folder / "checkpoint.npz") as stored:
        return {name: stored[name] for name in stored.files if name.startswith("arrays/")}


def assert_same_weights(one, other):
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    """Seeds 3 and 4, two processes at a time."""
    out = tmp_path_factory.mktemp("seeds") / "run"
    options = ["--epochs", "2", "--seeds", "3", "4", "--jobs", "2", "--out", str(out)]
    subprocess.run([*COMMAND, *options], check=True, timeout=120)
    return out


def test_the_number_of_jobs_does_not_change_the_weights(two_seeds, tmp_path):
    """Guards against processes that share randomness, files or a compiled program's state."""
    single = tmp_path / "single"
    options = ["--epochs", "2", "--seed", "4", "--jobs", "3", "--out", str(single)]
    subprocess.run([*COMMAND, *options], check=True, timeout=120)
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
        (["--seeds", "1", "1"], "one comes twice"),
        (["--seeds", "1", "2", "--seed", "1"], "give one of them"),
        (["--seeds", "1", "--jobs", "0"], "give 1 or more"),
        (["--seeds", "1", "--set", "epsilon=0"], "out of range"),
    ],
)
def test_mistakes_are_told_in_one_line(options, complaint, tmp_path):
    """Guards against a traceback, or runs started in spite of a mistake."""
    done = subprocess.run(
        [*COMMAND, *options, "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("run/seed-*"))


def test_an_occupied_folder_is_refused(two_seeds):
    """Guards against mixing the runs of two commands."""
    done = subprocess.run(
        [*COMMAND, "--seeds", "5", "--out", str(two_seeds)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--resume" in done.stderr


def test_a_stopped_run_goes_on_and_ends_with_the_same_weights(two_seeds, tmp_path):
    """Guards against children that outlive the parent, or lose what they had learned."""
    out = tmp_path / "stopped"
    options = ["--epochs", "12", "--seeds", "3", "4", "--jobs", "2", "--out", str(out)]
    process = subprocess.Popen([*COMMAND, *options], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob("seed-*/metrics.jsonl"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert f"--resume {out}" in errors
    subprocess.run([*RESUME, str(out), "--jobs", "2"], check=True, timeout=120)
    full = tmp_path / "full"
    options = ["--epochs", "12", "--seed", "3", "--out", str(full)]
    subprocess.run([*COMMAND, *options], check=True, timeout=120)
    assert_same_weights(out / "seed-3", full)


def test_seeds_that_had_not_begun_are_trained_on_resume(tmp_path):
    """Guards a mean over fewer seeds than were asked for, and an order nobody asked for."""
    out = tmp_path / "stopped"
    options = ["--epochs", "12", "--seeds", "5", "3", "--out", str(out)]
    process = subprocess.Popen([*COMMAND, *options], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("seed-*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert f"--resume {out}" in errors
    # one at a time, in the order given
    assert [folder.name for folder in out.glob("seed-*/metrics.jsonl")] == ["metrics.jsonl"]
    assert (out / "seed-5" / "metrics.jsonl").exists()
    subprocess.run([*RESUME, str(out), "--jobs", "2", "--epochs", "13"], check=True, timeout=120)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["seeds"] == [5, 3]
    assert [row["epoch"] for row in summary["runs"].values()] == [13, 13]


def test_an_interrupt_while_compiling_loses_no_seed(tmp_path):
    """Guards a folder that --resume takes for that of a single run."""
    builds, out = tmp_path / "cache" / "builds", tmp_path / "run"
    process = subprocess.Popen(
        [*COMMAND, "--epochs", "1", "--seeds", "3", "4", "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NEUROSIM_CACHE": str(tmp_path / "cache")},
    )
    deadline = time.monotonic() + 60
    while not list(builds.glob("building-*/spec.json")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, errors
    assert errors.strip().splitlines()[-1].endswith(f"neurosim train --resume {out}")
    subprocess.run([*RESUME, str(out), "--jobs", "2"], check=True, timeout=120)
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
    with pytest.raises(RunFolderError, match="cannot write to"):
        train_seeds(settings, [1, 2], tmp_path / "file" / "run", jobs=1, progress=False)
