"""The folder of one run: settings, metrics, summary, log and checkpoints.

One process at a time writes to a run folder; it holds an exclusive lock on
``.lock`` in it, which the system drops when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from neurosim.learning.checkpoint import CHECKPOINT_NAME, PREVIOUS_NAME
from neurosim.files import replace_file, storage_error, temporary_path
from neurosim.backends.cpp.compiler import compiler_version
from neurosim.errors import RunFolderError

__all__ = [
    "RunFolder",
    "default_run_folder",
    "environment",
    "make_folder",
    "summary_text",
    "write_result",
]

CONFIG_NAME = "config.toml"
METRICS_NAME = "metrics.jsonl"
SUMMARY_NAME = "summary.json"
LOG_NAME = "log.txt"
LOCK_NAME = ".lock"

_RUN_FILES = {CONFIG_NAME, METRICS_NAME, SUMMARY_NAME, CHECKPOINT_NAME, PREVIOUS_NAME}
# What a run that was killed before it got going leaves behind, and nothing lost with it.
_LEFTOVERS = {LOCK_NAME, LOG_NAME} | {temporary_path(Path(name)).name for name in _RUN_FILES}
# A git hook sets these, and they would point at the repository of the hook.
_GIT_VARIABLES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
_TOOL_TIMEOUT_S = 10.0


class RunFolder:
    """One run's folder, to be read by anyone and written by the process that locked it.

    :meth:`create` and :meth:`reopen` lock the folder until :meth:`close` or the
    end of a ``with`` block. Made directly, it is unlocked and only for reading.

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
            A folder that is absent or empty; missing parents are made.

        Returns
        -------
        RunFolder
            The locked folder.

        Raises
        ------
        RunFolderError
            If the folder is in use, holds a run or foreign files, is a file,
            or cannot be written.
        """
        make_folder(path)
        # A folder of somebody else's files gets no lock file.
        if not os.path.lexists(path / LOCK_NAME):
            _refuse_foreign(path)
        folder = cls(path, _take_lock(path))
        with folder._closed_on_error():
            _refuse_occupied(path)
            _refuse_foreign(path)
        return folder

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Lock the folder of an earlier run, to go on with it.

        A last metrics line that a kill left half-written is cut off.

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
        folder = cls(path, _take_lock(path))
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
        """Give the lock back; reading goes on working. Closing twice is harmless."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    @property
    def log_file(self) -> Path:
        """Path of the run's log, ``log.txt``."""
        return self.path / LOG_NAME

    def write_config(self, text: str) -> None:
        """Write ``config.toml``, all of it or nothing.

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
            If the file is absent, unreadable or no TOML.
        """
        try:
            return tomllib.loads(self._read(CONFIG_NAME).decode())
        except (ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{self.path / CONFIG_NAME} is damaged ({error}); mend it by hand or start "
                f"a new run with another --out"
            ) from error

    def write_metrics(self, rows: Sequence[dict[str, Any]]) -> None:
        """Rewrite ``metrics.jsonl``, all of it or nothing.

        A resumed run cuts the file back to the rows its checkpoint knows.

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
        self._replace(METRICS_NAME, "".join(_metrics_line(row) for row in rows))

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add one line to ``metrics.jsonl``; it is on the disk when this returns.

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
        line = _metrics_line(row).encode()
        try:
            _append_synced(self.path / METRICS_NAME, line)
        except OSError as error:
            raise storage_error(self.path, f"append to {METRICS_NAME} in", error) from error

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read the complete lines of ``metrics.jsonl``.

        A last line without its end is still being written, or was when the run
        was killed; it counts as not written.

        Returns
        -------
        list of dict
            One per line; empty if no line was written yet.

        Raises
        ------
        RunFolderError
            If the folder is gone or a complete line is no JSON object.
        """
        if self.path.is_dir() and not os.path.lexists(self.path / METRICS_NAME):
            return []
        lines = self._read(METRICS_NAME).split(b"\n")[:-1]
        return [self._parse_line(number, line) for number, line in enumerate(lines, start=1)]

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json``, indented, all of it or nothing.

        Parameters
        ----------
        summary : dict
            What JSON can say.

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
            If the folder is gone or the file is no JSON object.
        """
        if self.path.is_dir() and not os.path.lexists(self.path / SUMMARY_NAME):
            return {}
        try:
            return _json_object(self._read(SUMMARY_NAME))
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
            return _json_object(line)
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
    """Make a folder for results, with its parents; one that is there is kept.

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
            f"choose another --out"
        ) from error
    except OSError as error:
        raise storage_error(path, "make the run folder", error) from error


def write_result(path: Path, data: bytes) -> None:
    """Write a file of results that belongs to no single run, all of it or nothing.

    Parameters
    ----------
    path : Path
        The file to make or replace; its folder exists.
    data : bytes
        Its new content.

    Raises
    ------
    RunFolderError
        If it cannot be written; what was there stays.
    """
    try:
        replace_file(path, data)
    except OSError as error:
        raise RunFolderError(
            f"cannot write {path}: {error.strerror or error}; make room there or choose another "
            "--out"
        ) from error


def _names_in(path: Path) -> set[str]:
    try:
        return set(os.listdir(path))
    except OSError as error:
        raise storage_error(path, "list the files in", error) from error


def _refuse_foreign(path: Path) -> None:
    names = _names_in(path)
    foreign = sorted(names - _LEFTOVERS)
    if foreign and not names & _RUN_FILES:
        raise RunFolderError(
            f"{path} is not empty and holds no run ({', '.join(foreign[:3])}"
            f"{', ...' if len(foreign) > 3 else ''}); choose another --out, or empty it"
        )


def _refuse_occupied(path: Path) -> None:
    present = sorted(_names_in(path) & _RUN_FILES)
    if present:
        raise RunFolderError(
            f"{path} already holds a run ({', '.join(present)}); go on with it by "
            f"--resume {path}, or choose another --out"
        )


def _take_lock(path: Path) -> int:
    try:
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise storage_error(path, f"make {LOCK_NAME} in", error) from error
    try:
        _lock_for_this_process(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock_for_this_process(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except BlockingIOError as error:
        # Empty for the instant between another process's locking and writing.
        pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise RunFolderError(
            f"{path} is in use by another process (pid {pid}); wait for it to end, stop it, "
            f"or choose another --out"
        ) from error
    except OSError as error:
        raise storage_error(path, "lock", error) from error


def _append_synced(path: Path, line: bytes) -> None:
    with path.open("ab", buffering=0) as handle:
        start = handle.tell()
        try:
            if handle.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle.fileno())
        except OSError:
            # Half a line would spoil the next one; the first error says more than this one.
            with contextlib.suppress(OSError):
                handle.truncate(start)
            raise


def _metrics_line(row: dict[str, Any]) -> str:
    return _strict_json(row, "metrics row") + "\n"


def _strict_json(value: dict[str, Any], what: str, indent: int | None = None) -> str:
    try:
        return json.dumps(value, allow_nan=False, indent=indent)
    except ValueError as error:
        raise ValueError(
            f"{what} {value!r} cannot be written as JSON ({error}); give finite numbers, "
            f"or None where there is no value"
        ) from error


def summary_text(summary: dict[str, Any]) -> str:
    """Content of ``summary.json``.

    Parameters
    ----------
    summary : dict
        What JSON can say.

    Returns
    -------
    str
        Indented JSON, with a newline at its end.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.
    """
    return _strict_json(summary, "summary", indent=2) + "\n"


def _json_object(data: bytes) -> dict[str, Any]:
    value = json.loads(data, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} instead of an object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def default_run_folder(base: Path, system: str, dataset: str, now: datetime) -> Path:
    """Name a new run folder after what is run and when; nothing is made.

    Parameters
    ----------
    base : Path
        Folder of all runs.
    system, dataset : str
        Names; what does not belong into a file name becomes ``-``.
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


def environment() -> dict[str, str]:
    """Tell what a run was computed with, for its record.

    Returns
    -------
    dict of str to str
        Versions under ``neurosim``, ``brian2``, ``numpy`` and ``python``;
        ``platform``; ``compiler``, the first line of the C++ compiler's
        version or ``"none found"``; ``git_commit`` of the source checkout,
        with ``-dirty`` if it is modified, or ``"none"``.
    """
    return {
        "neurosim": _own_version(),
        "brian2": _version("brian2"),
        "numpy": _version("numpy"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "compiler": compiler_version(),
        "git_commit": _git_commit(Path(__file__).resolve()),
    }


def _own_version() -> str:
    try:
        return importlib.metadata.version("neurosim")
    except importlib.metadata.PackageNotFoundError:
        # Run from a source tree that was never installed.
        return str(importlib.import_module("neurosim").__version__)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git_commit(source: Path) -> str:
    """Commit of the checkout that tracks a source file, ``"none"`` without one."""
    git = ["git", "-C", str(source.parent)]
    # An installed package may lie inside a repository that is not its own.
    if _output_of([*git, "ls-files", "--error-unmatch", source.name]) is None:
        return "none"
    commit = _output_of([*git, "rev-parse", "--verify", "HEAD"])
    if commit is None:
        return "none"
    changes = _output_of([*git, "status", "--porcelain", "--untracked-files=no"])
    return commit.strip() + ("-dirty" if changes else "")


def _output_of(command: list[str]) -> str | None:
    """Return what a program prints, ``None`` if it is absent, fails or hangs."""
    variables = {key: value for key, value in os.environ.items() if key not in _GIT_VARIABLES}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TOOL_TIMEOUT_S,
            check=True,
            env={**variables, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
