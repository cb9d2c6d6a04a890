"""Download data sets completely or not at all.

torchvision downloads and unpacks straight into the data folder; after an interrupt, half a
data set there would pass for a whole one. Here torchvision works in a scratch folder, from
which only complete files are moved.
"""

from __future__ import annotations

import gzip
import http.client
import os
import shutil
import socket
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from neurosim.data.lazy import import_for
from neurosim.errors import DataError

__all__ = ["check_data_folder", "download"]

SILENCE_S = 30.0
"""Seconds after which a server that sends nothing is given up."""

# Errors that torchvision passes on: refused and broken connections and full disks
# (OSError), checksums that differ (RuntimeError), malformed answers and archives.
_DOWNLOAD_ERRORS = (
    OSError,
    RuntimeError,
    EOFError,
    http.client.HTTPException,
    tarfile.TarError,
    zlib.error,
)

_DAMAGED_ARCHIVE = (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError)


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
    absent: Sequence[Path],
    archives: Mapping[str, str],
) -> None:
    """Complete a data set: unpack the archives in its folder, or download all files.

    Archives in the folder are unpacked first, so files can be carried to a machine without
    network. They may be compressed in another way than the published ones.

    Parameters
    ----------
    name : str
        Name of the data set, for messages.
    folder : Path
        Where data sets are kept; made if absent.
    fetch : callable
        Downloads and unpacks into the folder it is given.
    absent : sequence of Path
        The files of the data set that are missing in the folder; at least one.
    archives : mapping of str to str
        Path of each archive below the folder, and the MD5 checksum of the published one.

    Raises
    ------
    DataError
        If the folder cannot be written, an archive in it is damaged, or the download fails.
    """
    try:
        with _new_folder(folder), _scratch_folder(folder) as scratch:
            _unpack_all(folder, scratch, archives)
            unpacked = [scratch / path.relative_to(folder) for path in absent]
            if all(path.exists() for path in unpacked):
                _move_into(folder, scratch, unpacked)
                return
            _copy_published(name, folder, scratch, archives)
            _fetch(name, fetch, scratch, absent[0])
            leave = {scratch / archive for archive in archives}
            _move_into(folder, scratch, (path for path in _files_in(scratch) if path not in leave))
    except OSError as error:
        raise DataError(
            f"cannot write {name} into the data folder {folder} ({_one_line(error)}); "
            "give a folder that can be written"
        ) from error


def _unpack_all(folder: Path, scratch: Path, archives: Iterable[str]) -> None:
    for archive in archives:
        path = folder / archive
        if not path.exists():
            continue
        try:
            _unpack(path, scratch / archive)
        except _DAMAGED_ARCHIVE as error:
            raise DataError(
                f"{path} is damaged or was downloaded only in part; "
                "delete it so that it is downloaded again"
            ) from error


def _unpack(path: Path, target: Path) -> None:
    """Unpack a tar file into the folder of ``target``, or a compressed file beside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if ".tar" in path.suffixes:
        with tarfile.open(path) as archive:
            archive.extractall(target.parent, filter="data")
        return
    with gzip.open(path) as packed, target.with_suffix("").open("wb") as file:
        shutil.copyfileobj(packed, file)


def _copy_published(name: str, folder: Path, scratch: Path, archives: Mapping[str, str]) -> None:
    """Spare the download of archives that are there as published."""
    check_integrity = import_for(name, "torchvision.datasets.utils").check_integrity
    for archive, checksum in archives.items():
        if (folder / archive).exists() and check_integrity(folder / archive, checksum):
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


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _move_into(folder: Path, scratch: Path, files: Iterable[Path]) -> None:
    for source in files:
        target = folder / source.relative_to(scratch)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make a folder; if the block fails, remove it and the parents made for it."""
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
    # On the same disk as its parent, so that a file moves in one step.
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
        yield Path(scratch)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Give up on silent servers; torchvision would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
