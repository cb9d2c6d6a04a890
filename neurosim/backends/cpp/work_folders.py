"""Folders that belong to one process for as long as it lives.

Whether the owner lives is told by a lock that the system drops with it, however it
ends. Process numbers would not do: containers that share a folder number their
processes each for itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["claim_folder", "locked", "release_with", "remove_abandoned", "remove_unlocked"]

_LOCK_NAME = ".lock"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, made if absent; wait while another process holds it.

    Parameters
    ----------
    path : Path
        The lock file; it stays when the lock is given back.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def claim_folder(base: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder that is locked from the first moment others can see its name.

    Parameters
    ----------
    base : Path
        Where it goes.
    prefix : str
        How its name begins.

    Returns
    -------
    folder : Path
        The folder; it holds the lock file.
    lock : int
        Descriptor that holds the lock until it is closed, or the process ends.

    Raises
    ------
    OSError
        If the folder cannot be made or locked.
    """
    # under another name until it is locked: who tidies up must not take it for abandoned
    hidden = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=base))
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


def release_with(owner: object, folder: Path, lock: int) -> Callable[[], object]:
    """Remove a claimed folder when its owner goes, at the latest at the end of the process.

    Parameters
    ----------
    owner : object
        What the folder was claimed for.
    folder : Path
        From :func:`claim_folder`.
    lock : int
        From :func:`claim_folder`.

    Returns
    -------
    callable
        To be called to remove the folder earlier; calling it twice is harmless.
    """
    return weakref.finalize(owner, _release, folder, lock, os.getpid())


def _release(folder: Path, lock: int, process: int) -> None:
    # a forked child inherits the finalizer, but not the folder
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def remove_abandoned(base: Path, prefix: str) -> None:
    """Remove the folders that killed processes left.

    Parameters
    ----------
    base : Path
        Where to look.
    prefix : str
        How the names of claimed folders begin; those of living processes, and
        those of other users, stay.
    """
    for folder in base.glob(f"{prefix}*"):
        remove_unlocked(folder, folder / _LOCK_NAME)


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
