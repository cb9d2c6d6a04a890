"""Peak memory of processes, read from ``/proc``.

``getrusage`` does not serve here: a child's figure begins with the size its parent
had when it forked, and a Python process is larger than the programs it starts. The
kernel's own high-water mark (``VmHWM``) belongs to one program only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "PeakWatch",
    "Process",
    "data_bytes",
    "peak_bytes",
    "proportional_bytes",
    "reset_peak",
    "resident_bytes",
    "tree",
]

_PROC = Path("/proc")


def resident_bytes(pid: int | str = "self") -> int:
    """Resident memory of a process now; 0 if it has gone."""
    return _status(pid, "VmRSS")


def peak_bytes(pid: int | str = "self") -> int:
    """Largest resident memory of the program a process runs; 0 if it has gone."""
    return _status(pid, "VmHWM")


def data_bytes(pid: int | str = "self") -> int:
    """Resident memory now without program and library code; 0 if the process has gone."""
    return _status(pid, "RssAnon")


def proportional_bytes(pid: int) -> int:
    """Resident memory with shared pages divided among those who share them; 0 if gone."""
    return _field(_PROC / str(pid) / "smaps_rollup", "Pss")


def reset_peak() -> None:
    """Reset :func:`peak_bytes` of this process."""
    (_PROC / "self" / "clear_refs").write_text("5")


def _status(pid: int | str, name: str) -> int:
    return _field(_PROC / str(pid) / "status", name)


def _field(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


class Process:
    """A running process and its command line.

    Attributes
    ----------
    pid : int
        Process number.
    command : str
        Command line; of a forked process that has not yet become its program, its parent's.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            words = []
        self.command = b" ".join(words).decode(errors="replace").strip()

    def children(self) -> Iterator[int]:
        """Numbers of the processes it has started and that still run."""
        for path in (_PROC / str(self.pid) / "task").glob("*/children"):
            try:
                yield from map(int, path.read_text().split())
            except OSError:
                continue


def tree(pid: int) -> Iterator[Process]:
    """The programs that descend from a process, without itself.

    Processes that are about to start a program still share their parent's memory
    and command line; they are left out.
    """
    parent = Process(pid)
    for number in parent.children():
        child = Process(number)
        if child.command and child.command != parent.command:
            yield child
        yield from tree(number)


class PeakWatch:
    """Watches the programs this process starts inside a ``with`` block.

    Parameters
    ----------
    pid : int
        Whose descendants to watch.
    interval : float
        Seconds between two looks. A program's own peak is kept by the kernel,
        so a look shortly before it ends is enough.

    Attributes
    ----------
    peaks : dict of str to int
        Largest resident memory in bytes, by the first word of the command line.
    largest_data : int
        Largest :func:`data_bytes` seen of one program.
    """

    def __init__(self, pid: int, *, interval: float = 0.002) -> None:
        self.peaks: dict[str, int] = {}
        self.largest_data = 0
        self._pid = pid
        self._interval = interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._done.wait(self._interval):
            for process in tree(self._pid):
                program = process.command.split()[0]
                self.peaks[program] = max(self.peaks.get(program, 0), peak_bytes(process.pid))
                self.largest_data = max(self.largest_data, data_bytes(process.pid))

    def __enter__(self) -> PeakWatch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def largest(self) -> int:
        """Bytes of the largest program seen; 0 if there was none."""
        return max(self.peaks.values(), default=0)
