"""Runs of the command line, in this process and in others, and comparisons of their results."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.cli import main
from neurosim.learning.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[1]

#: A small network on the embedded data; one compiled program serves all tests that use it.
DIGITS = ("train", "--dataset", "digits", "--hidden", "20")

#: Images per chunk of :data:`IN_CHUNKS`; an epoch of 1437 digits has 10 such chunks.
CHUNK = 150

#: The command line with chunks so short that a run of the digits stops inside an epoch, too.
IN_CHUNKS = f"""
import sys
from neurosim.cli import main
from neurosim.learning.simulator import Simulator
Simulator.__init__.__kwdefaults__["chunk_images"] = {CHUNK}
sys.exit(main())
"""

#: What differs between two runs that computed the same.
TIMINGS = {"ms_per_image", "train_seconds", "compile_seconds"}


@dataclasses.dataclass(frozen=True)
class Result:
    """What one call of the command line left behind.

    Attributes
    ----------
    status : int
        Exit status.
    out, err : str
        What it printed.
    """

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The last line on standard error, after a check that nothing burst."""
        assert "Traceback" not in self.err, self.err
        return self.err.splitlines()[-1]


def call(*arguments: object, encoding: str = "utf-8") -> Result:
    """Call the command line in this process; signals and logging are put back."""
    log, err = logging.getLogger("neurosim"), io.StringIO()
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="", write_through=True)
    before = signal.getsignal(signal.SIGTERM), log.level, log.handlers[:]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        log.setLevel(before[1])
        log.handlers[:] = before[2]
    return Result(status, out.buffer.getvalue().decode(encoding), err.getvalue())


def refusal(*arguments: object) -> str:
    """The one line in which the command line refuses, at status 2."""
    result = call(*arguments)
    assert result.status == 2, result
    assert result.err.count("\n") == 1, result.err
    assert result.out == ""
    assert result.err.startswith("neurosim")
    return result.complaint


def command(*arguments: object, in_chunks: bool = False) -> list[str]:
    """The command line as a program of its own."""
    program = ["-c", IN_CHUNKS] if in_chunks else ["-m", "neurosim"]
    return [sys.executable, *program, *map(str, arguments)]


def surroundings(changes: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of the tests with changes; None takes a variable away."""
    merged = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def run(
    *arguments: object, in_chunks: bool = False, cwd: Path = ROOT, **environment: str | None
) -> Result:
    """Run the command line as a program of its own, to its end."""
    done = subprocess.run(
        command(*arguments, in_chunks=in_chunks),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=surroundings(environment),
        timeout=120,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def started(
    *arguments: object, in_chunks: bool = False, **environment: str | None
) -> Iterator[subprocess.Popen[str]]:
    """The command line running beside the test, as a terminal's foreground job does."""
    process = subprocess.Popen(
        command(*arguments, in_chunks=in_chunks),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=surroundings(environment),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], seconds: float = 60) -> Result:
    """Wait for a program that is about to end."""
    out, err = process.communicate(timeout=seconds)
    return Result(process.returncode, out, err)


def wait_until(
    true: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60
) -> None:
    """Wait for something that a running program does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        time.sleep(0.005)


@dataclasses.dataclass
class Spent:
    """Seconds on the clock and of processor time."""

    wall: float = 0.0
    processor: float = 0.0

    @property
    def least(self) -> float:
        """Other work on the machine makes the clock run on; that is nobody's fault."""
        return min(self.wall, self.processor)


@contextlib.contextmanager
def time_of_children() -> Iterator[Spent]:
    """What the processes take that end within the block."""
    spent = Spent()
    before, begin = os.times(), time.perf_counter()
    yield spent
    after = os.times()
    spent.wall = time.perf_counter() - begin
    spent.processor = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def children_of(parent: int, name: str) -> list[int]:
    """Running programs of some name that a process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = status.read_text().split(" (", 1)
        except OSError:
            continue
        program, _, fields = rest.rpartition(") ")
        if program == name and int(fields.split()[1]) == parent:
            found.append(int(pid))
    return found


def is_running(pid: int) -> bool:
    """Whether a process is there and does something, not only waits to be noticed as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def lines_of(path: Path) -> int:
    """Complete lines of a file that may not exist yet."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def without_timings(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in TIMINGS}


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def summary_of(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    return load_checkpoint(folder)[0].arrays


def position_of(folder: Path) -> tuple[int, int]:
    """Epoch and position in it of a run's newest checkpoint."""
    state = load_checkpoint(folder)[0].state
    return state["epoch"], state["position"]


def assert_same_weights(folder: Path, other: Path) -> None:
    """Fail unless two runs ended with the same bits."""
    weights, wanted = weights_of(folder), weights_of(other)
    assert weights.keys() == wanted.keys()
    for name, array in wanted.items():
        assert weights[name].tobytes() == array.tobytes(), f"{name} differs"


def assert_same_run(folder: Path, other: Path) -> None:
    """Fail unless two runs have the same weights, metrics and summary, timings apart."""
    assert_same_weights(folder, other)
    rows, wanted = metrics_of(folder), metrics_of(other)
    assert list(map(without_timings, rows)) == list(map(without_timings, wanted))
    assert without_timings(summary_of(folder)) == without_timings(summary_of(other))


def write_images(data_dir: Path, n_train: int = 40, n_test: int = 20, seed: int = 7) -> Path:
    """Write random images in the layout of MNIST; return the folder of the files."""
    raw = data_dir / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for part, n in (("train", n_train), ("t10k", n_test)):
        pixels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8).tobytes()
        labels = rng.integers(0, 10, n, dtype=np.uint8).tobytes()
        images_header = bytes((0, 0, 8, 3)) + struct.pack(">3I", n, 28, 28)
        labels_header = bytes((0, 0, 8, 1)) + struct.pack(">I", n)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(images_header + pixels)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels_header + labels)
    return raw
