"""Messages of a run: on the console and in ``log.txt``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurosim.errors import counted
from neurosim.files import storage_error
from neurosim.runs.folder import RunFolder
from neurosim.runs.provenance import environment
from neurosim.runs.settings import RunSettings

__all__ = [
    "log_epoch",
    "log_finished",
    "log_other_versions",
    "log_settings",
    "messages_in",
]

log = logging.getLogger("neurosim")
#: One message per epoch: for the log file, and for consoles without a progress bar.
_epoch_log = logging.getLogger("neurosim.epochs")


def log_settings(settings: RunSettings, out: Path) -> None:
    """Name what is going to be trained, with the parameters that are not the preset's.

    Parameters
    ----------
    settings : RunSettings
        Settings of the run.
    out : Path
        Its folder.
    """
    layers = "-".join(map(str, settings.system.layers))
    log.info(
        "%s on %s, %s, %s epochs -> %s",
        settings.system.title,
        settings.data_name,
        layers,
        settings.epochs,
        out,
    )
    log.info("settings: %s", settings.preset)
    if changes := settings.describe_changes():
        log.info(changes)


def log_epoch(row: Mapping[str, Any]) -> None:
    """Report the metrics of an epoch.

    Parameters
    ----------
    row : mapping
        A line of ``metrics.jsonl``.
    """
    _epoch_log.info(
        "epoch %d: train %.2f %%, test %.2f %%, %.3f ms per image",
        row["epoch"],
        100 * row["train_accuracy"],
        100 * row["test_accuracy"],
        row["ms_per_image"],
    )


def log_finished(path: Path, epochs: int) -> None:
    """Say that there is nothing to train, so that old results are not taken for new ones.

    Parameters
    ----------
    path : Path
        Folder of a run, or of several seeds.
    epochs : int
        How many epochs it has.
    """
    all_of_them = counted(epochs, "epoch")
    log.info("%s has all its %s; --epochs with a larger number goes on", path, all_of_them)


def log_other_versions(before: Any) -> None:
    """Warn if a run began with other versions than it goes on with.

    Parameters
    ----------
    before : object
        The table ``environment`` of its ``config.toml``; anything else is ignored.
    """
    if not isinstance(before, dict):
        return
    now = environment()
    for name in ("neurosim", "brian2", "numpy", "compiler", "git_commit"):
        if before.get(name, now[name]) != now[name]:
            log.warning(
                "%s was %s when the run began and is %s now; results may differ in rounding",
                name,
                before[name],
                now[name],
            )


class _LogFile(logging.FileHandler):
    """``log.txt``, silent on a full disk: the error that matters is raised by the run."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the message; the console shows it too."""


@contextmanager
def messages_in(folder: RunFolder) -> Iterator[None]:
    """Copy the messages of a run to ``log.txt``.

    Parameters
    ----------
    folder : RunFolder
        Folder of the run.

    Yields
    ------
    None
        The log file is closed at the end of the block.

    Raises
    ------
    RunFolderError
        If the file cannot be opened.
    """
    try:
        handler = _LogFile(folder.log_file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise storage_error(folder.path, f"write {folder.log_file.name} in", error) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    level = log.level
    # the file holds every message, whatever the calling program shows
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()
