"""Locks of files, and the removal of what killed processes left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked", "remove_unlocked"]


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
