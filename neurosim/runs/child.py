"""The command line as a process of its own that stops when the one that started it is gone.

However the starter ends, the child is asked to stop as by ``kill``: a run writes its
checkpoint and ends, instead of going on for nobody.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import FrameType

__all__ = ["STARTED_BY", "child_command", "stop_with"]

#: What stands before the starter's process number on a child's command line.
STARTED_BY = "--started-by"

#: Of ``linux/prctl.h``.
_PR_SET_PDEATHSIG = 1


def child_command(*arguments: str) -> list[str]:
    """The command line as a program that stops when this process is gone.

    Parameters
    ----------
    *arguments : str
        Arguments of ``neurosim``.

    Returns
    -------
    list of str
        For :class:`subprocess.Popen`, to be called by the thread that waits for it: the
        kernel takes the end of the starting thread for that of the process.
    """
    # -P: a file random.py in the working folder must not take the place of Python's own
    return [sys.executable, "-P", "-m", "neurosim", STARTED_BY, str(os.getpid()), *arguments]


def stop_with(starter: int) -> None:
    """Have this process receive SIGTERM once when its starter is gone; Linux only.

    Parameters
    ----------
    starter : int
        Number of the process that started this one.

    Raises
    ------
    SystemExit
        If it is gone already: then nobody waits for what would be done.
    OSError
        If the kernel refuses.
    """
    if not sys.platform.startswith("linux"):
        return
    # not SIGTERM itself: it comes again with every thread of the starter that ends, and a
    # second one would stop a run at once, before its checkpoint
    signal.signal(signal.SIGHUP, _stop_once)
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGHUP) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    # whoever was gone before that request is told by the number of the new parent
    if os.getppid() != starter:
        sys.exit(128 + signal.SIGTERM)


def _stop_once(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, _let_be)
    os.kill(os.getpid(), signal.SIGTERM)


def _let_be(number: int, frame: FrameType | None) -> None:
    del number, frame
