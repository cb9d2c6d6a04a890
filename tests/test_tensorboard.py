"""TensorBoard event files: read back with TensorBoard's own reader."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from neurosim.cli import main
from neurosim.errors import RunFolderError
from neurosim.runs.folder import RunFolder
from neurosim.runs.settings import resolve
from neurosim.runs.tensorboard import FOLDER_NAME, EventLog
from neurosim.runs.training import resume_training, start_training

SMALL: dict[str, Any] = {
    "dataset": "digits",
    "hidden": [5],
    "epochs": 2,
    "train_images": 10,
    "test_images": 10,
    "backend": "runtime",
    "parameters": {"free_time": 4.0, "nudged_time": 2.0},
}


def _read(folder: Path) -> EventAccumulator:
    reader = EventAccumulator(str(folder / FOLDER_NAME), size_guidance={"tensors": 0})
    reader.Reload()
    return reader


def _scalars(folder: Path, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in _read(folder).Scalars(tag)}


@pytest.fixture(scope="module")
def with_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs with event files."""
    out = tmp_path_factory.mktemp("events") / "run"
    start_training(resolve(SMALL), out, progress=False, tensorboard=True)
    return out


def test_a_resumed_run_goes_on_with_its_events(with_events: Path, tmp_path: Path) -> None:
    """Guards values and steps: those of metrics.jsonl, each epoch once, before and after."""
    out = tmp_path / "run"
    shutil.copytree(with_events, out)
    assert list(_scalars(out, "accuracy/test")) == [1, 2]
    # without asking again: the run has event files
    resume_training(out, epochs=3, progress=False)
    rows = RunFolder(out).read_metrics()
    assert len(rows) == 3
    for name, tag in (
        ("test_accuracy", "accuracy/test"),
        ("train_accuracy", "accuracy/train"),
        ("synops_per_image", "per image/synaptic operations"),
        ("ms_per_image", "per image/milliseconds"),
    ):
        expected = {row["epoch"]: pytest.approx(row[name], rel=1e-6) for row in rows}
        assert _scalars(out, tag) == expected
    angles = {row["epoch"]: row["angle_degrees"]["theta_1"] for row in rows}
    assert _scalars(out, "angle in degrees/theta_1") == pytest.approx(angles, rel=1e-6)
    correlations = {row["epoch"]: row["correlation"]["theta_1"] for row in rows}
    shown = _scalars(out, "correlation of weights/theta_1")
    assert shown == pytest.approx(correlations, rel=1e-6)
    histograms = _read(out).Tensors("weights/W_ff_0")
    assert [event.step for event in histograms] == [1, 2, 3]
    counts = np.frombuffer(histograms[-1].tensor_proto.tensor_content).reshape(-1, 3)[:, 2]
    assert counts.sum() == 64 * 5


def test_metrics_are_the_same_with_and_without_events(with_events: Path, tmp_path: Path) -> None:
    """Guards metrics.jsonl: events are beside it, and a run has none unless asked."""
    without = tmp_path / "without"
    start_training(resolve(SMALL), without, progress=False)
    rows = [RunFolder(folder).read_metrics() for folder in (with_events, without)]
    for row in (*rows[0], *rows[1]):
        del row["ms_per_image"], row["train_seconds"]
    assert rows[0] == rows[1]
    assert not (without / FOLDER_NAME).exists()


def _row(epoch: int, accuracy: float) -> dict[str, Any]:
    return {"epoch": epoch, "test_accuracy": accuracy, "angle_degrees": {}}


def test_epochs_that_are_trained_again_replace_their_events(tmp_path: Path) -> None:
    """Guards runs that lost epochs after their checkpoint: no epoch is shown twice."""
    log = EventLog(tmp_path)
    for epoch, accuracy in ((1, 0.25), (2, 0.5), (3, 0.75)):
        log.add_epoch(_row(epoch, accuracy))
    log.close()
    log = EventLog(tmp_path, [_row(1, 0.25)])
    log.add_epoch(_row(2, 0.625))
    log.close()
    log.close()
    assert _scalars(tmp_path, "accuracy/test") == {1: 0.25, 2: 0.625}


def test_events_begun_late_hold_the_epochs_before(tmp_path: Path) -> None:
    """Guards `--resume --tensorboard` of a run that had no event files."""
    EventLog(tmp_path, [_row(1, 0.25), _row(2, 0.5)]).close()
    assert _scalars(tmp_path, "accuracy/test") == {1: 0.25, 2: 0.5}


def test_a_missing_package_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against hours of training whose events nobody can write."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    out = tmp_path / "run"
    command = ["train", "--dataset", "digits", "--tensorboard", "--out", str(out)]
    assert main([*command, "--quiet"]) == 2
    assert main([*command, "--quiet", "--seeds", "0", "1"]) == 2
    for line in capsys.readouterr().err.splitlines():
        assert "pip install -e '.[tensorboard]'" in line
    assert not out.exists()


def test_events_that_cannot_be_written_are_told_in_one_line(tmp_path: Path) -> None:
    """Guards the message for a place that is no folder."""
    (tmp_path / FOLDER_NAME).write_text("")
    with pytest.raises(RunFolderError, match="TensorBoard"):
        EventLog(tmp_path)
