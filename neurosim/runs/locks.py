"""An exclusive lock on a run folder.

The system drops the lock when the process that holds it ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from neurosim.errors import RunFolderError
from neurosim.files import another_place, storage_error

__all__ = ["LOCK_NAME", "take_lock"]

#: The lock file in a run folder; it holds the process number of its owner.
LOCK_NAME = ".lock"


def take_lock(path: Path) -> int:
    """Lock a folder for this process.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    int
        File descriptor that holds the lock until it is closed.

    Raises
    ------
    RunFolderError
        If another process holds the lock, or the lock file cannot be written.
    """
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
        # The file is empty between the moments when another process locks and writes it.
        pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise RunFolderError(
            f"{path} is in use by another process (pid {pid}); wait for it to end, stop it, "
            f"or choose {another_place()}"
        ) from error
    except OSError as error:
        raise storage_error(path, "lock", error) from error
