"""TensorBoard event files of a run, beside ``metrics.jsonl``; written only when asked for."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from neurosim.errors import ParameterError
from neurosim.files import storage_error

__all__ = ["FOLDER_NAME", "EventLog", "require_tensorboard"]

#: Folder of the event files inside a run folder; ``tensorboard --logdir runs`` finds it.
FOLDER_NAME = "tensorboard"

#: Tags by the names of ``metrics.jsonl``.
_TAGS = {
    "train_accuracy": "accuracy/train",
    "test_accuracy": "accuracy/test",
    "synops_per_image": "per image/synaptic operations",
    "dense_macs_per_image": "per image/dense multiply-accumulates",
    "ms_per_image": "per image/milliseconds",
}


def _tag(name: str) -> str:
    """Tag of a number of ``metrics.jsonl``; empty for what is not shown."""
    if name in _TAGS:
        return _TAGS[name]
    counted = name.removesuffix("_per_image")
    return f"per image/{counted.replace('_', ' ')}" if counted != name else ""


def require_tensorboard() -> None:
    """Raise an error if the package is missing, before training begins.

    Raises
    ------
    ParameterError
        If ``tensorboard`` is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ParameterError(
            "TensorBoard event files need the package tensorboard, which is not installed; "
            "install it by pip install -e '.[tensorboard]' in the folder of this repository, "
            "or leave --tensorboard out"
        )


class EventLog:
    """Event files of one run: values per epoch and histograms of weights.

    Parameters
    ----------
    folder : Path
        The run folder.
    rows : sequence of dict
        Metrics of the epochs that are finished. What earlier event files hold of
        later epochs is marked as superseded, which TensorBoard understands; if
        there are no earlier files, the rows are written first.

    Raises
    ------
    ParameterError
        If the package is not installed.
    RunFolderError
        If the files cannot be written.
    """

    def __init__(self, folder: Path, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        require_tensorboard()
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._run = folder
        path = folder / FOLDER_NAME
        begun = path.is_dir() and any(path.glob("events.out.tfevents.*"))
        try:
            self._writer = EventFileWriter(str(path))
        except OSError as error:
            raise storage_error(folder, "write TensorBoard events in", error) from error
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._add(session_log=start, step=len(rows) + 1)
        for row in () if begun else rows:
            self.add_epoch(row)
        self._flush()

    def add_epoch(
        self, row: Mapping[str, Any], weights: Mapping[str, NDArray[Any]] | None = None
    ) -> None:
        """Write the metrics and weights of an epoch.

        Parameters
        ----------
        row : mapping
            A line of ``metrics.jsonl``.
        weights : mapping of str to ndarray, optional
            Weights after the epoch, for histograms.

        Raises
        ------
        RunFolderError
            If it cannot be written.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.histogram.summary_v2 import histogram_pb

        values = {
            _tag(name): value for name, value in row.items() if _tag(name) and value is not None
        }
        values |= {f"angle in degrees/{k}": v for k, v in row.get("angle_degrees", {}).items()}
        known = {k: v for k, v in row.get("correlation", {}).items() if v is not None}
        values |= {f"correlation of weights/{k}": v for k, v in known.items()}
        values |= {f"objective/{k}": v for k, v in row.get("objective", {}).items()}
        scalars = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._add(summary=Summary(value=scalars), step=row["epoch"])
        for name, array in (weights or {}).items():
            self._add(summary=histogram_pb(f"weights/{name}", array), step=row["epoch"])
        self._flush()

    def close(self) -> None:
        """Close the file; closing twice is harmless.

        Raises
        ------
        RunFolderError
            If the last events cannot be written.
        """
        try:
            self._writer.close()
        except OSError as error:
            raise storage_error(self._run, "write TensorBoard events in", error) from error

    def _add(self, **fields: Any) -> None:
        from tensorboard.compat.proto import event_pb2

        self._writer.add_event(event_pb2.Event(wall_time=time.time(), **fields))

    def _flush(self) -> None:
        try:
            self._writer.flush()
        except OSError as error:
            raise storage_error(self._run, "write TensorBoard events in", error) from error
