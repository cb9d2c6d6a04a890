"""Downloads that either arrive whole or leave nothing behind.

torchvision downloads and unpacks straight into the data folder; if that is
interrupted, what lies there passes for the data set the next time. Here it
works in a scratch folder, from which only complete files are moved.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from neurosim.data.lazy import import_for
from neurosim.errors import DataError

__all__ = ["check_data_folder", "download"]

SILENCE_S = 30.0
"""Seconds after which a server that sends nothing is given up."""

# What torchvision lets through: refused and broken connections and full disks
# (OSError), checksums that differ (RuntimeError), malformed answers and archives.
_DOWNLOAD_ERRORS = (
    OSError,
    RuntimeError,
    EOFError,
    http.client.HTTPException,
    tarfile.TarError,
    zlib.error,
)


def check_data_folder(folder: Path) -> None:
    """Check that the data folder is one, if it exists.

    Parameters
    ----------
    folder : Path
        Where data sets are kept.

    Raises
    ------
    DataError
        If it is something other than a folder.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"the data folder {folder} is a file; give a folder")


def download(
    name: str,
    folder: Path,
    fetch: Callable[[Path], object],
    *,
    absent: Path,
    archives: Mapping[str, str],
) -> None:
    """Download a data set into its folder, all files or none.

    An archive that already lies in the folder and has the right checksum is
    unpacked instead, so a machine without network can be served by hand.

    Parameters
    ----------
    name : str
        Name of the data set, for messages.
    folder : Path
        Where data sets are kept; made if absent.
    fetch : callable
        Downloads and unpacks into the folder it is given.
    absent : Path
        A file that was looked for and is not there, for messages.
    archives : mapping of str to str
        Path of each archive below the folder, and its MD5 checksum.

    Raises
    ------
    DataError
        If the folder cannot be written, an archive that lies there is damaged,
        or the download fails.
    """
    usable = _usable_archives(name, folder, archives)
    try:
        with _new_folder(folder), _scratch_folder(folder) as scratch:
            _copy(usable, folder, scratch)
            _fetch(name, fetch, scratch, absent)
            _move_into(folder, scratch, leave=archives)
    except OSError as error:
        raise DataError(
            f"cannot write {name} into the data folder {folder} ({_one_line(error)}); "
            "give a folder that can be written"
        ) from error


def _usable_archives(name: str, folder: Path, archives: Mapping[str, str]) -> list[str]:
    check_integrity = import_for(name, "torchvision.datasets.utils").check_integrity
    present = [archive for archive in archives if (folder / archive).exists()]
    for archive in present:
        if not check_integrity(folder / archive, archives[archive]):
            raise DataError(
                f"{folder / archive} is damaged or was downloaded only in part; "
                "delete it so that it is downloaded again"
            )
    return present


def _copy(archives: Iterable[str], folder: Path, scratch: Path) -> None:
    for archive in archives:
        (scratch / archive).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / archive, scratch / archive)


def _fetch(name: str, fetch: Callable[[Path], object], scratch: Path, absent: Path) -> None:
    try:
        with _socket_timeout(SILENCE_S):
            fetch(scratch)
    except _DOWNLOAD_ERRORS as error:
        raise DataError(
            f"{name} cannot be loaded: {absent} does not exist, and there is no network or the "
            f"download failed ({_one_line(error)}); connect and try again, put the files there "
            "by hand, or use --dataset digits, which needs no download"
        ) from error


def _move_into(folder: Path, scratch: Path, leave: Iterable[str]) -> None:
    skipped = {scratch / archive for archive in leave}
    for source in sorted(scratch.rglob("*")):
        if source.is_file() and source not in skipped:
            target = folder / source.relative_to(scratch)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and take it and its new parents away again if the block fails."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in made:
            _remove_if_empty(path)
        raise


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    # On the same disk as its parent, so that files move in one step.
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
        yield Path(scratch)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Give up on silent servers; torchvision itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
