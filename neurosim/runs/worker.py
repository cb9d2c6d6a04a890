"""Worker processes: ``neurosim`` started by another ``neurosim``, and stopped with it.

However the starting process ends, its workers receive SIGTERM: a run writes its checkpoint
and stops, instead of computing results that nobody waits for.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import FrameType

__all__ = ["STARTED_BY", "stop_with", "worker_command"]

#: Option that tells a worker the process number of its starter.
STARTED_BY = "--started-by"

#: From ``linux/prctl.h``.
_PR_SET_PDEATHSIG = 1


def worker_command(*arguments: str) -> list[str]:
    """Command line of a worker that stops when this process ends.

    Parameters
    ----------
    *arguments : str
        Arguments of ``neurosim``.

    Returns
    -------
    list of str
        For :class:`subprocess.Popen`. The thread that starts the worker must also wait for
        it: the worker is stopped when that thread ends.
    """
    # -P: import nothing from the working folder; a file random.py there would hide Python's
    return [sys.executable, "-P", "-m", "neurosim", STARTED_BY, str(os.getpid()), *arguments]


def stop_with(starter: int) -> None:
    """Arrange that this process receives SIGTERM when its starter ends; Linux only.

    Parameters
    ----------
    starter : int
        Number of the process that started this one.

    Raises
    ------
    SystemExit
        If the starter has ended already.
    OSError
        If the kernel refuses.
    """
    if not sys.platform.startswith("linux"):
        return
    # The kernel sends the signal for every thread of the starter that ends, and a second
    # SIGTERM would stop a run before its checkpoint: take SIGHUP and pass it on once.
    signal.signal(signal.SIGHUP, _stop_once)
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGHUP) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    # a starter that ended before that request sends no signal, but the parent has changed
    if os.getppid() != starter:
        sys.exit(128 + signal.SIGTERM)


def _stop_once(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, _ignore)
    os.kill(os.getpid(), signal.SIGTERM)


def _ignore(number: int, frame: FrameType | None) -> None:
    del number, frame
