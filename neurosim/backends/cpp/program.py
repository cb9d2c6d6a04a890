"""Run a compiled program once: start it, wait for it, and say why it failed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from neurosim.errors import BuildError

__all__ = ["run_program"]

#: Signals that a terminal or a job system sends to all processes of a group.
_INTERRUPTS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})


def run_program(program: Path, arguments: Sequence[str], steps: int) -> None:
    """Run a compiled program.

    Parameters
    ----------
    program : Path
        What to run; it runs in its own folder.
    arguments : sequence of str
        Its arguments.
    steps : int
        Time steps to run.

    Raises
    ------
    BuildError
        If the program cannot be started, fails or complains.
    """
    command = [str(program), *arguments]
    status, complaint = _run_once(command, steps)
    if -status in _INTERRUPTS:
        # a terminal's signal can reach the program before it has its own session; the caller
        # decides what an interrupt means, so the chunk is run again
        status, complaint = _run_once(command, steps)
    if status or complaint:
        raise BuildError(
            f"the compiled program failed ({_describe_status(status)}): "
            f"{complaint.splitlines()[0] if complaint else 'no message'}"
        )


def _run_once(command: list[str], steps: int) -> tuple[int, str]:
    """Exit status of the program, and what it complained of."""
    process = _start(command, steps)
    try:
        output, errors = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process.returncode, (errors or output).strip()


def _start(command: list[str], steps: int) -> subprocess.Popen[str]:
    program = Path(command[0])
    try:
        return subprocess.Popen(
            command,
            cwd=program.parent,
            env={
                **os.environ,
                "NEUROSIM_STEPS": str(steps),
                # the program ends when this process is gone; see templates/network.cpp
                "NEUROSIM_PARENT": str(os.getpid()),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # an interrupt is the caller's to handle, not the program's
            start_new_session=True,
        )
    except OSError as error:
        raise BuildError(
            f"cannot start the compiled program {program}: {error.strerror}; set NEUROSIM_CACHE "
            "to a folder from which programs may run"
        ) from error


def _describe_status(status: int) -> str:
    if status < 0:
        return f"stopped by {signal.Signals(-status).name}"
    return f"status {status}"
