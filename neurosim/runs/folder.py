"""The folder of one run: settings, metrics, summary, log and checkpoints.

One process at a time writes to a run folder; it holds the lock of
:mod:`neurosim.runs.locks`.
"""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from neurosim.errors import RunFolderError
from neurosim.files import another_place, append_synced, replace_file, storage_error, temporary_path
from neurosim.learning.checkpoint import CHECKPOINT_NAME, PREVIOUS_NAME
from neurosim.runs.locks import LOCK_NAME, take_lock
from neurosim.runs.rows import json_object, metrics_line, summary_text
from neurosim.runs.untrained import forget_untrained

__all__ = ["RunFolder", "default_run_folder", "make_folder", "write_result"]

CONFIG_NAME = "config.toml"
METRICS_NAME = "metrics.jsonl"
SUMMARY_NAME = "summary.json"
LOG_NAME = "log.txt"

_RUN_FILES = {CONFIG_NAME, METRICS_NAME, SUMMARY_NAME, CHECKPOINT_NAME, PREVIOUS_NAME}
#: Files of a run that was killed before it began; nothing is lost with them.
LEFTOVERS = {LOCK_NAME, LOG_NAME} | {temporary_path(Path(name)).name for name in _RUN_FILES}


class RunFolder:
    """The folder of one run. Anyone may read it; the process that locked it may write.

    :meth:`create` and :meth:`reopen` lock the folder until :meth:`close` or the end of a
    ``with`` block. ``RunFolder(path)`` itself is unlocked, for reading only.

    Parameters
    ----------
    path : Path
        The folder.
    lock : int, optional
        Descriptor that holds the lock.

    Attributes
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path, lock: int | None = None) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make and lock the folder of a new run.

        Parameters
        ----------
        path : Path
            A folder that is absent or empty, or holds a run that was stopped before its
            first image; missing parents are made.

        Returns
        -------
        RunFolder
            The locked folder.

        Raises
        ------
        RunFolderError
            If the folder is in use, holds a run or other files, is a file, or
            cannot be written.
        """
        make_folder(path)
        # A folder with other files in it must not get a lock file.
        if not os.path.lexists(path / LOCK_NAME):
            _refuse_foreign(path)
        folder = cls(path, take_lock(path))
        with folder._closed_on_error():
            forget_untrained(path, CONFIG_NAME, _RUN_FILES)
            _refuse_occupied(path)
            _refuse_foreign(path)
        return folder

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Lock the folder of an earlier run, to continue it.

        A last metrics line that a kill left half-written is removed.

        Parameters
        ----------
        path : Path
            A folder that holds ``config.toml``.

        Returns
        -------
        RunFolder
            The locked folder.

        Raises
        ------
        RunFolderError
            If there is no run, it is in use, or it cannot be written.
        """
        if not os.path.lexists(path / CONFIG_NAME):
            raise RunFolderError(
                f"{path} holds no run to go on with: no {CONFIG_NAME} there; give the folder "
                f"of an earlier run to --resume, or start a new run with --out"
            )
        folder = cls(path, take_lock(path))
        with folder._closed_on_error():
            folder._cut_torn_line()
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock; reading still works. Closing twice is harmless."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    @property
    def log_file(self) -> Path:
        """Path of the run's log, ``log.txt``."""
        return self.path / LOG_NAME

    def write_config(self, text: str) -> None:
        """Write ``config.toml`` completely or not at all.

        Parameters
        ----------
        text : str
            The settings as TOML.

        Raises
        ------
        RunFolderError
            If the folder cannot be written.
        """
        self._replace(CONFIG_NAME, text)

    def read_config(self) -> dict[str, Any]:
        """Read ``config.toml``.

        Returns
        -------
        dict
            The settings.

        Raises
        ------
        RunFolderError
            If the file is absent, unreadable or not TOML.
        """
        try:
            return tomllib.loads(self._read(CONFIG_NAME).decode())
        except (ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{self.path / CONFIG_NAME} is damaged ({error}); mend it by hand or start "
                f"a new run with another --out"
            ) from error

    def write_metrics(self, rows: Sequence[dict[str, Any]]) -> None:
        """Rewrite ``metrics.jsonl`` completely or not at all.

        A resumed run cuts the file back to the rows in its checkpoint.

        Parameters
        ----------
        rows : sequence of dict
            One JSON object per line.

        Raises
        ------
        RunFolderError
            If the folder cannot be written.
        ValueError
            If a number is NaN or infinite.
        """
        self._replace(METRICS_NAME, "".join(metrics_line(row) for row in rows))

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Append one line to ``metrics.jsonl`` and flush it to the disk.

        Parameters
        ----------
        row : dict
            The values of one JSON object.

        Raises
        ------
        RunFolderError
            If the line cannot be written; no part of it stays in the file.
        ValueError
            If a number is NaN or infinite.
        """
        self._require_lock()
        line = metrics_line(row).encode()
        try:
            append_synced(self.path / METRICS_NAME, line)
        except OSError as error:
            raise storage_error(self.path, f"append to {METRICS_NAME} in", error) from error

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read the complete lines of ``metrics.jsonl``.

        A last line without a newline is still being written, or a kill cut it off; it is
        left out.

        Returns
        -------
        list of dict
            One per line; empty if no line was written yet.

        Raises
        ------
        RunFolderError
            If the folder is gone, or a complete line is not a JSON object.
        """
        if self.path.is_dir() and not os.path.lexists(self.path / METRICS_NAME):
            return []
        lines = self._read(METRICS_NAME).split(b"\n")[:-1]
        return [self._parse_line(number, line) for number, line in enumerate(lines, start=1)]

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json`` completely or not at all.

        Parameters
        ----------
        summary : dict
            Values that JSON can hold.

        Raises
        ------
        RunFolderError
            If the folder cannot be written.
        ValueError
            If a number is NaN or infinite.
        """
        self._replace(SUMMARY_NAME, summary_text(summary))

    def read_summary(self) -> dict[str, Any]:
        """Read ``summary.json``.

        Returns
        -------
        dict
            The summary; empty if none was written yet.

        Raises
        ------
        RunFolderError
            If the folder is gone, or the file is not a JSON object.
        """
        if self.path.is_dir() and not os.path.lexists(self.path / SUMMARY_NAME):
            return {}
        try:
            return json_object(self._read(SUMMARY_NAME))
        except (TypeError, ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{self.path / SUMMARY_NAME} is damaged ({error}); remove it and write it anew by "
                f"--resume {self.path}"
            ) from error

    def _replace(self, name: str, text: str) -> None:
        self._require_lock()
        try:
            replace_file(self.path / name, text.encode())
        except OSError as error:
            raise storage_error(self.path, f"write {name} in", error) from error

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError as error:
            missing = f"no {name} there" if self.path.is_dir() else "there is no such folder"
            raise RunFolderError(
                f"{self.path} holds no run: {missing}; give a run folder"
            ) from error
        except OSError as error:
            raise RunFolderError(
                f"cannot read {self.path / name}: {error.strerror or error}; make it readable, or "
                "give another run folder"
            ) from error

    def _require_lock(self) -> None:
        if self._lock is None:
            raise RuntimeError(
                f"{self.path} is not locked by this run folder; write inside "
                f"'with RunFolder.create(path)' or 'with RunFolder.reopen(path)'"
            )

    def _parse_line(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            return json_object(line)
        except (TypeError, ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{self.path / METRICS_NAME}, line {number} is damaged ({error}); "
                f"remove the line or start a new run with another --out"
            ) from error

    def _cut_torn_line(self) -> None:
        metrics = self.path / METRICS_NAME
        if not os.path.lexists(metrics):
            return
        complete = self._read(METRICS_NAME).rfind(b"\n") + 1
        try:
            os.truncate(metrics, complete)
        except OSError as error:
            raise storage_error(self.path, f"mend {METRICS_NAME} in", error) from error

    @contextlib.contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise


def make_folder(path: Path) -> None:
    """Make a folder for results and its parents; an existing one is kept.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    RunFolderError
        If it, or a part of its path, is a file or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunFolderError(
            f"{path} cannot be a run folder: it, or a part of its path, is a file; "
            f"choose {another_place()}"
        ) from error
    except OSError as error:
        raise storage_error(path, "make the run folder", error) from error


def write_result(path: Path, data: bytes) -> None:
    """Write a file of results outside a single run, completely or not at all.

    Parameters
    ----------
    path : Path
        The file to make or replace; its folder exists.
    data : bytes
        Its new content.

    Raises
    ------
    RunFolderError
        If it cannot be written; the old file stays.
    """
    try:
        replace_file(path, data)
    except OSError as error:
        raise RunFolderError(
            f"cannot write {path}: {error.strerror or error}; make room there or choose "
            f"{another_place()}"
        ) from error


def _names_in(path: Path) -> set[str]:
    try:
        return set(os.listdir(path))
    except OSError as error:
        raise storage_error(path, "list the files in", error) from error


def _refuse_foreign(path: Path) -> None:
    names = _names_in(path)
    foreign = sorted(names - LEFTOVERS)
    if foreign and not names & _RUN_FILES:
        raise RunFolderError(
            f"{path} is not empty and holds no run ({', '.join(foreign[:3])}"
            f"{', ...' if len(foreign) > 3 else ''}); choose {another_place()}, or empty it"
        )


def _refuse_occupied(path: Path) -> None:
    present = sorted(_names_in(path) & _RUN_FILES)
    if present:
        raise RunFolderError(
            f"{path} already holds a run ({', '.join(present)}); go on with it by "
            f"--resume {path}, or choose {another_place()}"
        )


def default_run_folder(base: Path, system: str, dataset: str, now: datetime) -> Path:
    """Name a new run folder by system, data set and time; nothing is made.

    Parameters
    ----------
    base : Path
        Folder of all runs.
    system, dataset : str
        Names; characters that do not suit a file name become ``-``.
    now : datetime
        The moment the run starts.

    Returns
    -------
    Path
        Such as ``runs/corinfomax-mnist-20260131-142501``, with ``-2``, ``-3``
        and so on at its end if that is taken.

    Examples
    --------
    >>> start = datetime(2026, 1, 31, 14, 25, 1)
    >>> default_run_folder(Path("runs"), "corinfomax", "mnist", start).name
    'corinfomax-mnist-20260131-142501'
    """
    stem = re.sub(r"[^\w.-]+", "-", f"{system}-{dataset}-{now:%Y%m%d-%H%M%S}")
    folder, number = base / stem, 1
    while os.path.lexists(folder):
        number += 1
        folder = base / f"{stem}-{number}"
    return folder
