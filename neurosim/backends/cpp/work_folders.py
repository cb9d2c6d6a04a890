"""Temporary folders for the files of runs: one per run, none shared, none left behind.

Each process claims a folder for each of its back ends, and holds a lock in it that the
system drops when the process ends, however it ends. A folder without a holder is removed
by whoever comes next. Process numbers would not do: containers that share a folder
number their processes independently.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.util import Finalize
from pathlib import Path

from neurosim.errors import BuildError

__all__ = ["WorkFolders", "locked", "remove_unlocked", "temporary_base"]

_PREFIX = "neurosim-work-"
_LOCK_NAME = ".lock"


def temporary_base() -> Path:
    """Where temporary files go.

    Returns
    -------
    Path
        ``$TMPDIR`` even if it cannot be used, since whoever sets it has a reason; else the
        system's folder.
    """
    return Path(os.environ.get("TMPDIR") or tempfile.gettempdir()).absolute()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, made if absent; wait while another thread or process holds it.

    Parameters
    ----------
    path : Path
        The lock file; it stays when the lock is given back.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # closing is not enough: a process forked meanwhile has the file open, too
            fcntl.flock(file, fcntl.LOCK_UN)


def remove_unlocked(folder: Path, lock_file: Path) -> None:
    """Remove a folder if there is a lock file that no process holds.

    Parameters
    ----------
    folder : Path
        The folder.
    lock_file : Path
        The lock of its owner; where it is absent or may not be read, the folder stays.
    """
    with contextlib.suppress(OSError):
        lock = os.open(lock_file, os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


class WorkFolders:
    """Folders for the runs of one back end, each lent to one run at a time.

    Any number of threads may borrow. A forked process starts with a base folder of its own.

    Raises
    ------
    BuildError
        If no folder can be made.
    """

    def __init__(self) -> None:
        self._closed = False
        self._reset()
        _all_folders.add(self)
        # now, so that an unusable TMPDIR is told before the first run
        with self._lock:
            self._claim()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Path] = []
        self._lent = 0
        self._base: Path | None = None
        self._descriptor = -1
        self._removal: Finalize | None = None

    @property
    def base(self) -> Path:
        """The folder that holds those of the runs."""
        with self._lock:
            return self._claim()

    @contextmanager
    def lend(self) -> Iterator[Path]:
        """Lend a folder that no other run uses meanwhile.

        Yields
        ------
        Path
            The folder; it may be absent yet, and may hold the files of an earlier run.

        Raises
        ------
        BuildError
            If the folders are closed, or no folder can be made.
        """
        with self._lock:
            folder = self._take()
        try:
            yield folder
        finally:
            with self._lock:
                self._lent -= 1
                self._free.append(folder)
                if self._closed and not self._lent:
                    self._remove()

    def _take(self) -> Path:
        if self._closed:
            raise BuildError("this back end is closed; open another one")
        base = self._claim()
        folder = self._free.pop() if self._free else base / f"job-{self._lent}"
        self._lent += 1
        return folder

    def close(self) -> None:
        """Lend no more, and remove all folders as soon as they are back."""
        with self._lock:
            self._closed = True
            if not self._lent:
                self._remove()

    def _claim(self) -> Path:
        if self._base is None:
            self._base, self._descriptor = _claim_folder()
            # unlike weakref.finalize, it is called at the end of multiprocessing's children, too
            self._removal = Finalize(self, _release, (self._base, self._descriptor), exitpriority=0)
        return self._base

    def _remove(self) -> None:
        if self._removal is not None:
            self._removal()

    def leave_to_parent(self) -> None:
        """In a forked process: let go of the parent's folders and locks."""
        if self._removal is not None and self._removal.still_active():
            self._removal.cancel()
            os.close(self._descriptor)
        self._reset()


_all_folders: weakref.WeakSet[WorkFolders] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for folders in tuple(_all_folders):
        folders.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)


def _release(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def _claim_folder() -> tuple[Path, int]:
    """A new folder, and the descriptor of its lock; folders of killed processes are removed."""
    base = temporary_base()
    for folder in base.glob(f"{_PREFIX}*"):
        remove_unlocked(folder, folder / _LOCK_NAME)
    try:
        return _make_locked_folder(base)
    except OSError as error:
        raise BuildError(
            f"cannot make a folder for temporary files in {base}: {error.strerror}; make room, "
            "or set TMPDIR to a folder that you can write to"
        ) from error


def _make_locked_folder(base: Path) -> tuple[Path, int]:
    # hidden until it is locked, so that nobody takes it for abandoned
    hidden = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=base))
    lock = None
    try:
        lock = os.open(hidden / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return hidden.rename(base / hidden.name.removeprefix(".")), lock
    except BaseException:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(hidden, ignore_errors=True)
        raise
