"""Checkpoints that survive a kill at any moment and are never read wrongly.

A checkpoint is one uncompressed ``.npz`` file. Its last 64 bytes are the
SHA-256 of all bytes before them, at the end of the archive's comment, so any
changed or missing byte is noticed before a number is read.

The folder holds the newest checkpoint and the one before it. A new one is
written and synced under a temporary name first, so that at every moment at
least one complete checkpoint lies in the folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.errors import CheckpointError
from neurosim.files import replace_file, storage_error

__all__ = [
    "CHECKPOINT_NAME",
    "FORMAT_VERSION",
    "PREVIOUS_NAME",
    "Checkpoint",
    "load_checkpoint",
    "plain_state",
    "save_checkpoint",
]

log = logging.getLogger("neurosim")

CHECKPOINT_NAME = "checkpoint.npz"
PREVIOUS_NAME = "checkpoint.previous.npz"
FORMAT_VERSION = 1

_HEADER = "neurosim_checkpoint.npy"
_FOLDER_IN_ARCHIVE = "arrays/"
_SEAL = b"neurosim checkpoint, sha256 of all bytes before: "
_DIGEST_LENGTH = 64
# A zip file begins with a record of 30 bytes, then the first member's name.
_FIRST_NAME = slice(30, 30 + len(_HEADER))


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that a run needs to go on as if it had never stopped.

    Attributes
    ----------
    arrays : dict of str to numpy.ndarray
        Plain arrays of numbers or booleans, of any shape; no units are kept.
    state : dict
        What JSON stores exactly: ``None``, booleans, integers of up to 4300
        digits, floats, strings, lists and dictionaries with string keys.
    """

    arrays: dict[str, npt.NDArray[Any]]
    state: dict[str, Any]


class _DamagedError(Exception):
    """The bytes are not a complete checkpoint; the text says what is wrong."""


def plain_state(value: Any) -> Any:
    """Turn tuples into lists at any depth, as a checkpoint stores them.

    Parameters
    ----------
    value : object
        A state, or a part of one.

    Returns
    -------
    object
        Equal to what :func:`load_checkpoint` gives back.
    """
    if isinstance(value, dict):
        return {name: plain_state(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_state(item) for item in value]
    return value


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write ``checkpoint.npz`` atomically and keep the one before it.

    Parameters
    ----------
    folder : Path
        An existing folder.
    checkpoint : Checkpoint
        What to save.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    RunFolderError
        If the disk is full or the folder cannot be written; the checkpoints
        already there stay as they are.
    TypeError, ValueError
        If an array or a part of the state would not come back exactly.
    """
    started = time.perf_counter()
    data = _encode(checkpoint)
    target = folder / CHECKPOINT_NAME
    # A damaged file must not replace the good one that a resumed run was read from.
    previous = folder / PREVIOUS_NAME if _is_complete(target) else None
    try:
        replace_file(target, data, previous)
    except OSError as error:
        action = f"write a checkpoint of {len(data) / 1e6:.1f} MB into"
        raise storage_error(folder, action, error, _what_is_kept(folder)) from error
    seconds = time.perf_counter() - started
    log.debug("checkpoint: %s, %.1f MB in %.2f s", target, len(data) / 1e6, seconds)
    return target


def load_checkpoint(folder: Path) -> tuple[Checkpoint, list[str]]:
    """Load the newest checkpoint that is complete.

    Parameters
    ----------
    folder : Path
        A folder that :func:`save_checkpoint` wrote to.

    Returns
    -------
    checkpoint : Checkpoint
        The newest good one; its arrays can be written to.
    warnings : list of str
        One sentence for each newer file that could not be used.

    Raises
    ------
    CheckpointError
        If there is no complete checkpoint, or one of a newer format.
    """
    failures: list[str] = []
    for name in (CHECKPOINT_NAME, PREVIOUS_NAME):
        try:
            checkpoint = _decode((folder / name).read_bytes(), folder / name)
        except FileNotFoundError:
            failures.append(f"{name} is absent")
        except OSError as error:
            failures.append(f"{name} cannot be read ({error.strerror})")
        except _DamagedError as error:
            failures.append(f"{name} is {error}")
        else:
            return checkpoint, [f"{failure}; going on from {name}" for failure in failures]
    raise CheckpointError(_nothing_there(folder, failures))


def _nothing_there(folder: Path, failures: Sequence[str]) -> str:
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        return f"no usable checkpoint in {folder}: {what}; give the folder of a run"
    seeds = sorted(int(run.name[5:]) for run in folder.glob("seed-*") if run.name[5:].isdecimal())
    if seeds:
        return (
            f"{folder} holds runs with several seeds, {', '.join(map(str, seeds))}; give one of "
            f"them, e.g. {folder / f'seed-{seeds[0]}'}"
        )
    return (
        f"no usable checkpoint in {folder}: {', '.join(failures)}; give the folder of a run "
        "that has written one, or start the run anew with another --out"
    )


def _encode(checkpoint: Checkpoint) -> bytes:
    _check_state(checkpoint.state, "state")
    header = {"version": FORMAT_VERSION, "state": checkpoint.state}
    header_bytes = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    members = {_HEADER: header_bytes}
    for name, array in checkpoint.arrays.items():
        _check_array(name, array)
        members[f"{_FOLDER_IN_ARCHIVE}{name}.npy"] = array
    return _seal(members)


def _seal(members: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Pack arrays into a sealed archive; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in members.items():
            payload = io.BytesIO()
            np.save(payload, array, allow_pickle=False)
            archive.writestr(_member(name), payload.getbuffer())
        archive.comment = _SEAL + b"0" * _DIGEST_LENGTH
    body = buffer.getvalue()[:-_DIGEST_LENGTH]
    return body + hashlib.sha256(body).hexdigest().encode()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    # Without a mode, unpacking by hand would give files nobody may read.
    info.external_attr = 0o644 << 16
    return info


def _check_array(name: str, array: npt.NDArray[Any]) -> None:
    if not isinstance(name, str) or not name or not name.isprintable():
        raise ValueError(f"array name {name!r}: give a non-empty name of printable characters")
    # A subclass would come back as a plain array, for instance without its unit.
    if type(array) is not np.ndarray:
        raise TypeError(
            f"array {name!r} is a {type(array).__name__}; give a plain array: np.asarray(...)"
        )
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"array {name!r} has dtype {array.dtype}; give booleans, integers or floats"
        )


def _check_state(value: object, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}; give strings, JSON has no others")
            _check_state(item, f"{where}[{key!r}]")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_state(item, f"{where}[{index}]")
    elif value is not None and not isinstance(value, (str, int, float)):
        raise TypeError(
            f"{where} is a {type(value).__name__} and would not come back as one; give None, "
            f"bool, int, float, str, list or dict (arrays belong into Checkpoint.arrays)"
        )


def _decode(data: bytes, path: Path) -> Checkpoint:
    _check_seal(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            header = json.loads(_read_array(archive, _HEADER).tobytes())
            _check_version(header["version"], path)
            return Checkpoint(_read_arrays(archive), header["state"])
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise _DamagedError(f"damaged (sealed, but {error})") from error


def _check_seal(data: bytes) -> None:
    """Refuse bytes that are not exactly those that :func:`_seal` returned."""
    if not data:
        raise _DamagedError("damaged (empty)")
    body, digest = data[:-_DIGEST_LENGTH], data[-_DIGEST_LENGTH:]
    if hashlib.sha256(body).hexdigest().encode() == digest:
        return
    if data[_FIRST_NAME] != _HEADER.encode():
        raise _DamagedError("not a neurosim checkpoint")
    if not body.endswith(_SEAL):
        raise _DamagedError("damaged (cut short or overwritten at its end)")
    raise _DamagedError("damaged (its bytes do not fit its SHA-256)")


def _check_version(version: int, path: Path) -> None:
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has checkpoint format {version}; this neurosim reads formats up to "
            f"{FORMAT_VERSION}: install the neurosim that wrote it, or a newer one"
        )


def _read_arrays(archive: zipfile.ZipFile) -> dict[str, npt.NDArray[Any]]:
    names = [name for name in archive.namelist() if name.startswith(_FOLDER_IN_ARCHIVE)]
    return {
        name.removeprefix(_FOLDER_IN_ARCHIVE).removesuffix(".npy"): _read_array(archive, name)
        for name in names
    }


def _read_array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    payload = io.BytesIO(archive.read(name))
    array: npt.NDArray[Any] = np.load(payload, allow_pickle=False)
    return array


def _is_complete(path: Path) -> bool:
    try:
        _check_seal(path.read_bytes())
    except (OSError, _DamagedError):
        # A file that cannot be read now cannot be resumed from either.
        return False
    return True


def _what_is_kept(folder: Path) -> str:
    for name in (CHECKPOINT_NAME, PREVIOUS_NAME):
        if _is_complete(folder / name):
            return f"the previous checkpoint is kept ({name}); "
    return "there is no earlier checkpoint; "
