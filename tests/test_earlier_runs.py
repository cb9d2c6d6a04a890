"""Run folders that version 0.1.0 wrote: they are read, or refused in one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import call

from neurosim import CorInfoMax
from neurosim.learning.checkpoint import Checkpoint, save_checkpoint
from neurosim.runs.folder import RunFolder
from neurosim.runs.opened import read_settings

CONFIG = """\
system = "corinfomax"
dataset = "digits"
hidden = [
    20,
]
epochs = 1
train_images = 200
seed = 0
backend = "runtime"
dtype = "float32"

[parameters]
epsilon = 0.3
g_l = 0.5
lambda_ = 0.99999
batch = 20
mu_ff = [
    0.1,
    0.07,
]
mu_fb = [
    0.015,
]
beta = 1.0
random_sign = true
decay = [
    0.97,
]
decay_from = [
    0,
]
dt = 1.0
tau_u = 20.0
slowdown = 0.0
free_time = 30.0
nudged_time = 10.0
event_threshold = 0.001
sst_threshold = 0.1
output_apical = "constant"
tau_basal = 0.0
tau_apical = 0.0

[preset]
source = "chosen here for the embedded digits; not from the paper, for hidden (100,)"

[environment]
neurosim = "0.1.0"
brian2 = "2.9.0"
numpy = "2.3.5"
python = "3.11.7"
platform = "Linux-6.1-x86_64-with-glibc2.36"
compiler = "g++ (Debian 12.2.0-14+deb12u1) 12.2.0"
git_commit = "0dfd94132bee69a41852ffa176eae4001328542c"
"""

ROW: dict[str, Any] = {
    "epoch": 1,
    "train_accuracy": 0.15,
    "test_accuracy": 0.17222222222222222,
    "ms_per_image": 72.73178600000051,
    "train_seconds": 14.546357200000102,
    "graded_spikes_per_image": 482.395,
    "lateral_samples_per_image": 41.025,
    "synops_per_image": 7480.825,
    "dense_macs_per_image": 88400,
    "angle_degrees": {"theta_1": 82.96228179595406},
}

#: What the checkpoint of this run holds beside its weights.
STATE: dict[str, Any] = {
    "system": "corinfomax",
    "settings": {
        "layers": [64, 20, 10],
        "epsilon": 0.3,
        "g_l": 0.5,
        "lambda_": 0.99999,
        "batch": 20,
        "mu_ff": [0.1, 0.07],
        "mu_fb": [0.015],
        "beta": 1.0,
        "random_sign": True,
        "decay": [0.97],
        "decay_from": [0],
        "dt": 1.0,
        "tau_u": 20.0,
        "slowdown": 0.0,
        "free_time": 30.0,
        "nudged_time": 10.0,
        "event_threshold": 0.001,
        "sst_threshold": 0.1,
        "output_apical": "constant",
        "tau_basal": 0.0,
        "tau_apical": 0.0,
    },
    "circuit": "7d6aa1ced0f9ae3d8d9ac8b6a16387b1c66c3cc3aebeea079810fdb62786bdf4",
    "seed": 0,
    "dtype": "float32",
    "epoch": 1,
    "position": 0,
    "run": {
        "dataset": "digits",
        "train_images": 200,
        "test_images": None,
        "backend": "runtime",
        "number of images": [200, 360],
    },
    "tally": {"images": 0, "correct": 0, "seconds": 0.0, "event_counts": {}},
    "metrics": [ROW],
    "compile_seconds": 1.161021025999844,
}


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The folder of the run, without its checkpoint."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG)
    (folder / "metrics.jsonl").write_text(json.dumps(ROW) + "\n")
    return folder


def test_settings_and_metrics_are_read(earlier: Path) -> None:
    """Guards a setting renamed, and a new one whose default changes runs of before."""
    settings = read_settings(earlier)
    expected = CorInfoMax(
        (64, 20, 10), mu_ff=(0.1, 0.07), mu_fb=(0.015,), epsilon=0.3, decay=(0.97,), decay_from=(0,)
    )
    assert settings.system == expected
    run = ("digits", 1, 200, None, 0, "runtime", "float32", None, True)
    assert (
        settings.dataset,
        settings.epochs,
        settings.train_images,
        settings.test_images,
        settings.seed,
        settings.backend,
        settings.dtype,
        settings.data_dir,
        settings.check_output,
    ) == run
    assert RunFolder(earlier).read_metrics() == [ROW]


def test_the_run_is_drawn_and_compared(earlier: Path, tmp_path: Path) -> None:
    """Guards figures and tables that look for what an earlier version did not write."""
    drawn = call("plot", earlier, "--only", "learning-curve", "events", "--out", tmp_path / "figs")
    assert drawn.status == 0, drawn.err
    compared = call("compare", earlier, "--out", tmp_path / "table")
    assert compared.status == 0, compared.err
    assert "| corinfomax | 64-20-10 | 1 | 1 | 17.22 |" in compared.out


def test_going_on_without_comparable_equations_is_told(earlier: Path) -> None:
    """Guards a run that goes on in another network without a word, and a traceback."""
    assert "checkpoint.npz is absent" in call("train", "--resume", earlier).complaint
    save_checkpoint(earlier, Checkpoint({}, STATE))
    result = call("train", "--resume", earlier, "--epochs", "2")
    assert result.status == 2
    assert "its equations cannot be compared" in result.err
    assert "weights of another network or of other equations: missing B_1" in result.complaint
