"""What a worker of a cluster does: a stretch of a run, as a process of its own.

Such a process writes checkpoints into its run folder. It is told to write one and stop when
its worker ends, however that ends, so a lost worker costs little more than the last seconds.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from neurosim._version import __version__
from neurosim.errors import NeurosimError, RunFolderError
from neurosim.files import storage_error
from neurosim.learning.checkpoint import CHECKPOINT_NAME
from neurosim.runs.folder import METRICS_NAME
from neurosim.runs.locks import LOCK_NAME, take_lock
from neurosim.runs.planned import PlannedRun
from neurosim.runs.seed_folder import finished_epochs
from neurosim.runs.worker import worker_command

__all__ = ["Mark", "Outcome", "run_command", "stop_processes", "train_stretch"]

_POLL_SECONDS = 0.2
#: A folder that another process holds and writes no checkpoint to for so long is given up.
PATIENCE_SECONDS = 600.0
#: Longest wait for processes that were told to stop.
_STOP_SECONDS = 60.0

#: Running processes, and sessions that were stopped, of this worker.
_running: dict[subprocess.Popen[str], str] = {}
_stopped: set[str] = set()
_lock = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Mark:
    """A file by which workers are known to see the same folder as who asks them.

    Attributes
    ----------
    file : Path
        Its place, the same for all.
    session : str
        What it holds.
    version : str
        Version of neurosim of who asks.
    """

    file: Path
    session: str
    version: str = __version__

    def write(self) -> None:
        """Write the file.

        Raises
        ------
        RunFolderError
            If it cannot be written.
        """
        try:
            self.file.write_text(self.session)
        except OSError as error:
            raise storage_error(self.file.parent, "write a file in", error) from error

    def remove(self) -> None:
        """Remove the file."""
        self.file.unlink(missing_ok=True)

    def complaint(self) -> str:
        """Why this process must not work for who asks.

        Returns
        -------
        str
            One line; empty if nothing speaks against it.
        """
        here = socket.gethostname()
        if __version__ != self.version:
            return (
                f"the worker on {here} has neurosim {__version__}, and this is {self.version}; "
                "install the same version on both"
            )
        try:
            seen = self.file.read_text() == self.session
        except OSError:
            seen = False
        if not seen:
            return (
                f"the worker on {here} does not see the folder {self.file.parent}; runs on a "
                "cluster need a folder that all machines share, under the same path"
            )
        return ""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes
    ----------
    host : str
        Machine that did it.
    done : bool
        Whether nothing is left.
    epochs : int
        Epochs that the run has finished.
    failure : str
        Why it failed; empty if it did not.
    refused : bool
        Whether the worker must not work for this session.
    """

    host: str
    done: bool = False
    epochs: int = 0
    failure: str = ""
    refused: bool = False


def train_stretch(mark: Mark, run: PlannedRun, stretch: int) -> Outcome:
    """Train a run for some epochs, from its newest checkpoint on.

    Parameters
    ----------
    mark : Mark
        By which the folder is known.
    run : PlannedRun
        The run.
    stretch : int
        Epochs at most; the stretch ends at a multiple of it, or with the run.

    Returns
    -------
    Outcome
        Also of a run that failed; no error is raised.
    """
    host, complaint = socket.gethostname(), mark.complaint()
    if complaint:
        return Outcome(host, failure=complaint, refused=True)
    try:
        _wait_for(run.folder, mark.session)
        until = (len(finished_epochs(run.folder)) // stretch + 1) * stretch
        options = run.options(until)
        if options and mark.session not in _stopped:
            failure = _process(mark.session, "train", "--quiet", *options)
            if failure:
                return Outcome(host, failure=failure)
        return Outcome(host, not run.options(), len(finished_epochs(run.folder)))
    except NeurosimError as error:
        return Outcome(host, failure=str(error))


def run_command(mark: Mark, command: tuple[str, ...]) -> Outcome:
    """Run ``neurosim`` to its end.

    Parameters
    ----------
    mark : Mark
        By which the folder is known.
    command : tuple of str
        Its arguments.

    Returns
    -------
    Outcome
        Also of a command that failed; no error is raised.
    """
    host, complaint = socket.gethostname(), mark.complaint()
    if complaint:
        return Outcome(host, failure=complaint, refused=True)
    if mark.session in _stopped:
        return Outcome(host)
    failure = _process(mark.session, *command)
    return Outcome(host, done=not failure, failure=failure)


async def stop_processes(session: str) -> int:
    """Tell all processes of a session on this worker to save and stop, and wait for them.

    Parameters
    ----------
    session : str
        Whose processes.

    Returns
    -------
    int
        How many there were.
    """
    with _lock:
        _stopped.add(session)
        told = [process for process, owner in _running.items() if owner == session]
        for process in told:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while any(process.poll() is None for process in told) and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
    return len(told)


def _process(session: str, *arguments: str) -> str:
    """Run a process to its end; why it failed, or nothing, also when it was stopped."""
    with _lock:
        if session in _stopped:
            return ""
        process = subprocess.Popen(
            worker_command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C and the end of a batch job reach the worker, which tells its processes
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        _running[process] = session
    try:
        _, errors = process.communicate()
    finally:
        with _lock:
            del _running[process]
    if process.returncode in (0, 128 + signal.SIGTERM, -signal.SIGTERM):
        return ""
    reason = (errors.strip().splitlines() or [f"status {process.returncode}"])[-1]
    return reason.removeprefix("neurosim: ")


def _wait_for(folder: Path, session: str) -> None:
    """Wait until nobody holds a run folder, as the process of a lost worker may for a while."""
    seen, since = 0.0, time.monotonic()
    while os.path.lexists(folder / LOCK_NAME) and session not in _stopped:
        try:
            os.close(take_lock(folder))
        except RunFolderError:
            changed = max(map(_changed, (folder / CHECKPOINT_NAME, folder / METRICS_NAME)))
            if changed > seen:
                seen, since = changed, time.monotonic()
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
