"""Write files completely or not at all, and explain what the disk refuses."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from neurosim.errors import RunFolderError

__all__ = [
    "another_place",
    "append_synced",
    "place_given_by",
    "replace_file",
    "storage_error",
    "temporary_path",
]

#: The option or argument by which the user chose where files are written now.
_GIVEN_BY: ContextVar[str] = ContextVar("_GIVEN_BY", default="--out")

_FULL = "free some space there, then go on with --resume {folder}"
_FORBIDDEN = "make the folder writable or choose {another}"
_VANISHED = "the folder does not exist (any more): bring it back or choose {another}"
_WAYS_OUT = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), then go on with --resume {folder}",
    errno.EEXIST: "it is a file; choose {another}",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _FORBIDDEN,
    errno.ENOENT: _VANISHED,
    errno.ENOTDIR: _VANISHED,
    errno.ESTALE: _VANISHED,
}


@contextlib.contextmanager
def place_given_by(option: str) -> Iterator[None]:
    """Say by what the user chose the place of files that are written in a ``with`` block.

    Parameters
    ----------
    option : str
        An option, argument or variable, such as ``"--runs"``. Without a block it is ``--out``.

    Yields
    ------
    None
        Errors within the block name it as the way out.
    """
    before = _GIVEN_BY.set(option)
    try:
        yield
    finally:
        _GIVEN_BY.reset(before)


def another_place() -> str:
    """The way out where files cannot be written.

    Returns
    -------
    str
        Such as ``"another --out"``, with what :func:`place_given_by` said.
    """
    return f"another {_GIVEN_BY.get()}"


def temporary_path(target: Path) -> Path:
    """Name under which a file is written before it replaces another.

    Parameters
    ----------
    target : Path
        The file to be made or replaced.

    Returns
    -------
    Path
        A hidden name in the same folder.
    """
    return target.with_name(f".{target.name}.tmp")


def replace_file(target: Path, data: bytes, previous: Path | None = None) -> None:
    """Write a file completely or not at all.

    Parameters
    ----------
    target : Path
        The file to make or replace.
    data : bytes
        Its new content; it is flushed to the disk.
    previous : Path, optional
        Where to move the old file.

    Raises
    ------
    OSError
        If anything fails; the old content is kept in ``target`` or ``previous``.
    """
    temporary = temporary_path(target)
    try:
        _write_synced(temporary, data)
        if previous is not None:
            target.replace(previous)
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError:
        # The first error says more than one about removing the temporary file.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def append_synced(path: Path, line: bytes) -> None:
    """Append to a file, the whole line or nothing, and flush it to the disk.

    Parameters
    ----------
    path : Path
        The file; made if absent.
    line : bytes
        What to append.

    Raises
    ------
    OSError
        If it cannot be written; no part of the line stays in the file.
    """
    with path.open("ab", buffering=0) as handle:
        start = handle.tell()
        try:
            if handle.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle.fileno())
        except OSError:
            # Half a line would spoil the next one. If this fails too, the first error is raised.
            with contextlib.suppress(OSError):
                handle.truncate(start)
            raise


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(folder: Path, action: str, error: OSError, note: str = "") -> RunFolderError:
    """Explain a failed read or write: where, why, free space and the way out.

    Parameters
    ----------
    folder : Path
        The run folder.
    action : str
        What failed, as in "cannot ``action`` FOLDER": ``"write config.toml in"``.
    error : OSError
        The error of the system.
    note : str, optional
        A remark ending in ``"; "``, put before the way out.

    Returns
    -------
    RunFolderError
        To be raised ``from error``.
    """
    fallback = "check the disk or choose {another}"
    way_out = _WAYS_OUT.get(error.errno or 0, fallback)
    way_out = way_out.format(folder=folder, another=another_place())
    return RunFolderError(
        f"cannot {action} {folder}: {error.strerror or error} ({_free_space(folder)}); "
        f"{note}{way_out}"
    )


def _free_space(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB free there"
    except OSError as error:
        return f"free space unknown: {error.strerror}"
