"""Checkpoints come back exactly, damage is always seen, a kill loses nothing."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurosim.errors import CheckpointError, RunFolderError
from neurosim.files import temporary_path
from neurosim.learning import checkpoint as module
from neurosim.learning.checkpoint import (
    CHECKPOINT_NAME,
    PREVIOUS_NAME,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)

ROOT = Path(__file__).resolve().parents[1]

NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
SCALARS = (
    st.none() | st.booleans() | st.text(max_size=8) | st.integers() | st.floats(allow_nan=False)
)
STATES = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        SCALARS | st.integers(2**63, 2**200),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)
ARRAYS = st.dictionaries(
    NAMES,
    hnp.arrays(
        st.sampled_from(["float32", "float64", "int64"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    max_size=4,
)


def numbered(count: int, size: int = 50) -> Checkpoint:
    """A checkpoint whose every number is ``count``."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "weights": np.full(size, count, dtype=np.float64),
        "bias": np.full((2, 3), count, dtype=np.int64),
    }
    return Checkpoint(arrays, {"count": count})


def count_of(checkpoint: Checkpoint) -> int:
    """The number all parts of a :func:`numbered` checkpoint agree on."""
    numbers = {checkpoint.state["count"]}
    for array in checkpoint.arrays.values():
        numbers |= set(array.ravel().tolist())
    (count,) = numbers
    return int(count)


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    """Names, order, dtypes, shapes, bytes and state are equal."""
    assert list(one.arrays) == list(other.arrays)
    for name, array in one.arrays.items():
        assert (array.dtype, array.shape) == (other.arrays[name].dtype, other.arrays[name].shape)
        assert array.tobytes() == other.arrays[name].tobytes()
    assert repr(one.state) == repr(other.state)


@given(arrays=ARRAYS, state=STATES)
def test_round_trip(arrays: dict[str, npt.NDArray[Any]], state: dict[str, Any]) -> None:
    """Guards a resumed run that starts from numbers other than those saved."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Checkpoint(arrays, state)
        assert save_checkpoint(Path(folder), saved) == Path(folder) / CHECKPOINT_NAME
        loaded, warnings = load_checkpoint(Path(folder))
    assert warnings == []
    assert_same(loaded, saved)
    assert all(array.flags.writeable for array in loaded.arrays.values())


@pytest.mark.parametrize("name", ["file", "x.npy", "../up", "arrays/x", "µ_0"])
def test_awkward_names_stay_apart(tmp_path: Path, name: str) -> None:
    """Guards one array being handed back under another's name."""
    saved = Checkpoint({"x": np.zeros(2), name: np.ones(2), f"{name}.npy": np.full(2, 2.0)}, {})
    save_checkpoint(tmp_path, saved)
    assert_same(load_checkpoint(tmp_path)[0], saved)


def test_random_generator_goes_on(tmp_path: Path) -> None:
    """Guards 128-bit generator states being rounded to floats on their way."""
    generator = np.random.default_rng(3)
    save_checkpoint(tmp_path, Checkpoint({}, {"rng": generator.bit_generator.state}))
    expected = generator.integers(2**62, size=8).tolist()
    other = np.random.default_rng(4)
    other.bit_generator.state = load_checkpoint(tmp_path)[0].state["rng"]
    assert other.integers(2**62, size=8).tolist() == expected


def test_memory_order_and_non_finite_numbers(tmp_path: Path) -> None:
    """Guards transposed arrays, views, NaN, infinities and -0.0 coming back changed."""
    grid = np.arange(12.0).reshape(3, 4)
    odd = np.array([np.nan, np.inf, -np.inf, -0.0])
    state = {"best": float("inf"), "last": float("nan"), "zero": -0.0, "tiny": 5e-324}
    saved = Checkpoint({"t": grid.T, "view": grid[:, ::2], "odd": odd}, state)
    save_checkpoint(tmp_path, saved)
    assert_same(load_checkpoint(tmp_path)[0], saved)


def test_same_checkpoint_gives_same_bytes(tmp_path: Path) -> None:
    """Guards time stamps in the file, by which equal runs would look different."""
    first = save_checkpoint(tmp_path, numbered(1)).read_bytes()
    assert save_checkpoint(tmp_path, numbered(1)).read_bytes() == first


def test_numpy_can_open_it(tmp_path: Path) -> None:
    """Guards the file being readable by neurosim alone."""
    with np.load(save_checkpoint(tmp_path, numbered(7)), allow_pickle=False) as archive:
        assert archive["arrays/bias"].tolist() == [[7] * 3] * 2


class Unit(np.ndarray[Any, Any]):
    """Stands for an array with a physical unit."""


@pytest.mark.parametrize(
    ("arrays", "state", "kind", "words"),
    [
        ({"": np.zeros(1)}, {}, ValueError, "array name ''"),
        ({"a\0b": np.zeros(1)}, {}, ValueError, "printable"),
        ({"x": np.zeros(1).view(Unit)}, {}, TypeError, "'x' is a Unit"),
        ({"x": [1.0]}, {}, TypeError, "'x' is a list"),
        ({"x": np.array([{}])}, {}, TypeError, "dtype object"),
        ({}, {"a": {1: "b"}}, TypeError, "state['a'] has the key 1"),
        ({}, {"a": [0, (1, 2)]}, TypeError, "state['a'][1] is a tuple"),
        ({}, {"a": np.int64(1)}, TypeError, "state['a'] is a int64"),
    ],
)
def test_what_would_come_back_changed_is_refused(
    tmp_path: Path, arrays: Any, state: Any, kind: type[Exception], words: str
) -> None:
    """Guards lost units, keys turned to strings and tuples turned to lists."""
    with pytest.raises(kind) as caught:
        save_checkpoint(tmp_path, Checkpoint(arrays, state))
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def rewrite(target: Path, data: bytes) -> None:
    """Replace a file's content as a new file, which some disks do much faster."""
    target.unlink()
    target.write_bytes(data)


def test_every_flipped_byte_is_detected(tmp_path: Path) -> None:
    """Guards a bad disk block turning into wrong weights."""
    target = save_checkpoint(tmp_path, numbered(1, size=4))
    good = target.read_bytes()
    for position in range(len(good)):
        flipped = bytearray(good)
        flipped[position] ^= 1 << position % 8
        rewrite(target, bytes(flipped))
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path)


def test_every_truncation_is_detected(tmp_path: Path) -> None:
    """Guards the first part of a cut file passing for a whole checkpoint."""
    target = save_checkpoint(tmp_path, numbered(1, size=4))
    good = target.read_bytes()
    for length in range(len(good)):
        rewrite(target, good[:length])
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path)


@settings(max_examples=2 * settings.default.max_examples)
@given(data=st.data())
def test_any_other_damage_is_detected(data: st.DataObject) -> None:
    """Guards overwritten stretches and appended bytes, not only single flips."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / CHECKPOINT_NAME
        good = module._encode(numbered(1))
        start = data.draw(st.integers(0, len(good)))
        patch = data.draw(st.binary(min_size=1, max_size=40))
        damaged = good[:start] + patch + good[start + data.draw(st.integers(0, 40)) :]
        assume(damaged != good)
        target.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_checkpoint(Path(folder))


def test_damage_falls_back_with_a_warning(tmp_path: Path) -> None:
    """Guards a run going on from older numbers without a word."""
    save_checkpoint(tmp_path, numbered(1))
    target = save_checkpoint(tmp_path, numbered(2))
    target.write_bytes(target.read_bytes()[:-100])
    checkpoint, warnings = load_checkpoint(tmp_path)
    assert count_of(checkpoint) == 1
    (warning,) = warnings
    assert "checkpoint.npz is damaged (cut short or overwritten at its end)" in warning
    assert warning.endswith("; going on from checkpoint.previous.npz")


def test_damaged_file_does_not_push_out_the_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a kill between the renames, just after a run resumed from the older file."""
    save_checkpoint(tmp_path, numbered(1))
    save_checkpoint(tmp_path, numbered(2)).write_bytes(b"garbage")
    stop_at_step(monkeypatch, 2)
    with contextlib.suppress(Stopped):
        save_checkpoint(tmp_path, numbered(3))
    assert count_of(load_checkpoint(tmp_path)[0]) in {1, 3}


def test_no_checkpoint_says_what_was_tried(tmp_path: Path) -> None:
    """Guards a resume from nothing that starts anew and calls it resumed."""
    (tmp_path / PREVIOUS_NAME).write_bytes(b"")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path)
    message = str(caught.value)
    assert "checkpoint.npz is absent" in message
    assert "checkpoint.previous.npz is damaged (empty)" in message
    assert "--out" in message


class Trap:
    """Leaves a file behind if it is ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def foreign_files(trap: Path) -> dict[str, bytes]:
    """Files that neurosim did not write, some of them pickles."""
    plain, pickled = io.BytesIO(), io.BytesIO()
    np.savez(plain, weights=np.zeros(3))
    np.savez(pickled, weights=np.array([Trap(trap)], dtype=object))
    return {
        "npz": plain.getvalue(),
        "pickled npz": pickled.getvalue(),
        "pickle": pickle.dumps(Trap(trap)),
        "text": b"epoch = 3\n" * 30,
    }


@pytest.mark.parametrize("which", ["npz", "pickled npz", "pickle", "text"])
def test_foreign_file_is_named_as_such(tmp_path: Path, which: str) -> None:
    """Guards reading another program's file, and running what is pickled in it."""
    trap = tmp_path / "sprung"
    (tmp_path / CHECKPOINT_NAME).write_bytes(foreign_files(trap)[which])
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz is not a neurosim checkpoint"):
        load_checkpoint(tmp_path)
    assert not trap.exists()


def sealed(header: bytes, **arrays: npt.NDArray[Any]) -> bytes:
    """A file with a right seal around whatever is given."""
    members = {f"arrays/{name}.npy": array for name, array in arrays.items()}
    return module._seal({module._HEADER: np.frombuffer(header, dtype=np.uint8), **members})


@pytest.mark.parametrize(
    "header",
    [b"{", b"[]", b'{"version": 1}', b'{"state": {}}', b'{"version": "one", "state": {}}'],
)
def test_sealed_nonsense_is_damage(tmp_path: Path, header: bytes) -> None:
    """Guards a file with missing keys ending in a traceback instead of the older file."""
    save_checkpoint(tmp_path, numbered(1))
    save_checkpoint(tmp_path, numbered(2)).write_bytes(sealed(header))
    checkpoint, warnings = load_checkpoint(tmp_path)
    assert count_of(checkpoint) == 1
    assert "checkpoint.npz is damaged (sealed, but" in warnings[0]


def test_sealed_pickle_is_not_run(tmp_path: Path) -> None:
    """Guards code in a forged checkpoint, whose seal anyone can compute."""
    trap, payload, buffer = tmp_path / "sprung", io.BytesIO(), io.BytesIO()
    np.save(payload, np.array([Trap(trap)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(buffer, "w") as archive:
        header = io.BytesIO()
        np.save(header, np.frombuffer(b'{"version": 1, "state": {}}', dtype=np.uint8))
        archive.writestr(module._HEADER, header.getvalue())
        archive.writestr("arrays/weights.npy", payload.getvalue())
        archive.comment = module._SEAL + b"0" * 64
    body = buffer.getvalue()[:-64]
    (tmp_path / CHECKPOINT_NAME).write_bytes(body + hashlib.sha256(body).hexdigest().encode())
    with pytest.raises(CheckpointError, match="sealed, but Object arrays cannot be loaded"):
        load_checkpoint(tmp_path)
    assert not trap.exists()


def test_newer_format_is_refused_at_once(tmp_path: Path) -> None:
    """Guards going back to an older checkpoint because the newest is from a newer neurosim."""
    save_checkpoint(tmp_path, numbered(1))
    newer = sealed(b'{"version": 2, "state": {}}')
    save_checkpoint(tmp_path, numbered(2)).write_bytes(newer)
    with pytest.raises(CheckpointError, match="format 2; this neurosim reads formats up to 1"):
        load_checkpoint(tmp_path)


class Stopped(BaseException):
    """Stands for SIGKILL: no ``except OSError`` sees it."""


def stop_at_step(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """Let ``last`` syncs and renames happen, then stop before the next."""
    done = 0

    def counted(real: Any) -> Any:
        def step(*arguments: Any) -> Any:
            nonlocal done
            if done >= last:
                raise Stopped
            done += 1
            return real(*arguments)

        return step

    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(Path, "replace", counted(Path.replace))


@pytest.mark.parametrize("last", range(5))
def test_stop_at_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """Guards the moment between two renames, which a random kill seldom meets."""
    save_checkpoint(tmp_path, numbered(1))
    save_checkpoint(tmp_path, numbered(2))
    with monkeypatch.context() as patch:
        stop_at_step(patch, last)
        with contextlib.suppress(Stopped):
            save_checkpoint(tmp_path, numbered(3))
    assert count_of(load_checkpoint(tmp_path)[0]) == (3 if last >= 3 else 2)
    save_checkpoint(tmp_path, numbered(4))
    assert count_of(load_checkpoint(tmp_path)[0]) == 4
    assert not temporary_path(tmp_path / CHECKPOINT_NAME).exists()


WRITER = """
import sys
from pathlib import Path
import numpy as np
from neurosim.learning.checkpoint import Checkpoint, save_checkpoint
count = int(sys.argv[2])
while True:
    count += 1
    arrays = {name: np.full(20_000, count, dtype=np.float64) for name in ("weights", "bias")}
    save_checkpoint(Path(sys.argv[1]), Checkpoint(arrays, {"count": count}))
    print(count, flush=True)
"""


def kill_a_writer(folder: Path, start: int, saved: int) -> int:
    """Kill a process that saves in a loop, once it has told of so many; return the last told."""
    command = [sys.executable, "-c", WRITER, str(folder), str(start)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(saved)]
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.read().splitlines()
    assert writer.returncode == -signal.SIGKILL
    return int(told[-1])


def test_what_was_saved_survives_a_kill(tmp_path: Path) -> None:
    """Guards half-written or mixed checkpoints, and saved ones lost, after a kill.

    ``test_stop_at_each_step`` stops between all steps of a save; here a real signal does.
    """
    count = 0
    for saved in (1, 2, 7):
        confirmed = kill_a_writer(tmp_path, count, saved)
        count = count_of(load_checkpoint(tmp_path)[0])
        assert count >= confirmed


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 256 kB."""
    return disk_of("256k")


def assert_kept(folder: Path, error: RunFolderError, reason: str) -> None:
    """The message is complete and the second checkpoint is still the newest."""
    message = str(error)
    assert f"into {folder}: {reason}" in message
    assert "MB free there" in message
    assert "the previous checkpoint is kept (checkpoint.npz)" in message
    assert f"--resume {folder}" in message
    assert sorted(path.name for path in folder.iterdir()) == [CHECKPOINT_NAME, PREVIOUS_NAME]
    checkpoint, warnings = load_checkpoint(folder)
    assert (count_of(checkpoint), warnings) == (2, [])


def test_full_disk(small_disk: Path) -> None:
    """Guards a full disk that eats the checkpoint it had no room to replace."""
    save_checkpoint(small_disk, numbered(1, size=5000))
    save_checkpoint(small_disk, numbered(2, size=5000))
    with pytest.raises(RunFolderError) as caught:
        save_checkpoint(small_disk, numbered(3, size=40_000))
    assert_kept(small_disk, caught.value, "No space left on device")


def test_full_device(tmp_path: Path) -> None:
    """Guards the same where no disk may be mounted: /dev/full never has room."""
    save_checkpoint(tmp_path, numbered(1))
    save_checkpoint(tmp_path, numbered(2))
    temporary_path(tmp_path / CHECKPOINT_NAME).symlink_to("/dev/full")
    with pytest.raises(RunFolderError) as caught:
        save_checkpoint(tmp_path, numbered(3))
    assert_kept(tmp_path, caught.value, "No space left on device")


def test_file_size_limit(tmp_path: Path) -> None:
    """Guards a write that is cut short half-way by a limit."""
    save_checkpoint(tmp_path, numbered(1))
    save_checkpoint(tmp_path, numbered(2))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(RunFolderError) as caught:
            save_checkpoint(tmp_path, numbered(3, size=40_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_kept(tmp_path, caught.value, "File too large")


def test_disk_full_seen_only_at_the_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards file systems that find room only when the data are synced."""
    save_checkpoint(tmp_path, numbered(1))
    save_checkpoint(tmp_path, numbered(2))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunFolderError) as caught:
            save_checkpoint(tmp_path, numbered(3))
    assert_kept(tmp_path, caught.value, "No space left on device")


def test_first_write_failing_promises_nothing(tmp_path: Path) -> None:
    """Guards a message that tells of a kept checkpoint where there is none."""
    with pytest.raises(RunFolderError) as caught:
        save_checkpoint(tmp_path / "gone", numbered(1))
    assert "there is no earlier checkpoint" in str(caught.value)
    assert "free space unknown" in str(caught.value)
    assert "bring it back" in str(caught.value)


def test_unreadable_newest_is_named(tmp_path: Path) -> None:
    """Guards a file that cannot be read being called absent or damaged."""
    save_checkpoint(tmp_path, numbered(1))
    save_checkpoint(tmp_path, numbered(2)).unlink()
    assert load_checkpoint(tmp_path)[1] == [
        "checkpoint.npz is absent; going on from checkpoint.previous.npz"
    ]
    (tmp_path / CHECKPOINT_NAME).mkdir()
    checkpoint, warnings = load_checkpoint(tmp_path)
    assert count_of(checkpoint) == 1
    assert warnings == [
        "checkpoint.npz cannot be read (Is a directory); going on from checkpoint.previous.npz"
    ]
