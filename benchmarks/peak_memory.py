"""Peak memory of a whole command: ``python -m benchmarks.peak_memory train --dataset digits``.

Runs ``neurosim`` with the arguments given and watches it and every program it
starts, such as compilers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.memory import Process, peak_bytes, proportional_bytes, tree

__all__ = ["main", "watch"]

_INTERVAL = 0.01
_COMPILER_WORDS = ("cc1plus", "clang", "g++", "c++", "as", "ld", "collect2", "ld.bfd", "ld.gold")


def watch(command: Sequence[str]) -> tuple[int, dict[str, int]]:
    """Run a command and note the memory of all its processes.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.

    Returns
    -------
    status : int
        Exit status of the command.
    peaks : dict of str to int
        Bytes: the largest process of every kind, and ``"all at once"``, the largest
        sum at one moment, with shared pages counted once.
    """
    process = subprocess.Popen(command)
    peaks: dict[str, int] = {}
    try:
        while process.poll() is None:
            _look(process.pid, peaks)
            time.sleep(_INTERVAL)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return process.returncode, peaks


def _look(pid: int, peaks: dict[str, int]) -> None:
    # a process that has just ended has no command line any more
    running = [process for process in (Process(pid), *tree(pid)) if process.command]
    for process in running:
        kind = _kind(process.command)
        peaks[kind] = max(peaks.get(kind, 0), peak_bytes(process.pid))
    total = sum(proportional_bytes(process.pid) for process in running)
    peaks["all at once"] = max(peaks.get("all at once", 0), total)


def _kind(command: str) -> str:
    program = Path(command.split()[0]).name
    if program in _COMPILER_WORDS:
        return "compiler"
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What to give to ``neurosim``; ``--json FILE`` first writes the bytes to a file.

    Returns
    -------
    int
        Exit status of the command; 2 if there is none.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    out = None
    if words[:1] == ["--json"] and len(words) > 1:
        out, words = Path(words[1]), words[2:]
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if words else 2
    status, peaks = watch([sys.executable, "-m", "neurosim", *words])
    for kind, peak in peaks.items():
        print(f"{kind:20s} {peak / 2**20:8.1f} MiB", file=sys.stderr)
    if out is not None:
        out.write_text(json.dumps(peaks, indent=1) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
