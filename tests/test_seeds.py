"""Several seeds side by side give what single runs give."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

COMMAND = [sys.executable, "-m", "neurosim", "train", "--dataset", "digits", "--quiet"]


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
    options = ["--epochs", "40", "--seeds", "3", "4", "--jobs", "2", "--out", str(out)]
    process = subprocess.Popen([*COMMAND, *options], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob("seed-*/metrics.jsonl"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert f"--resume {out}" in errors
    subprocess.run(
        [*COMMAND[:4], "--quiet", "--resume", str(out), "--jobs", "2"], check=True, timeout=120
    )
    full = tmp_path / "full"
    options = ["--epochs", "40", "--seed", "3", "--out", str(full)]
    subprocess.run([*COMMAND, *options], check=True, timeout=120)
    assert_same_weights(out / "seed-3", full)
