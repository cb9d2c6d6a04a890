"""Ctrl-C and SIGTERM during training: finish the images under way, save, stop."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupted", "noted_interrupts"]

log = logging.getLogger("neurosim")


class Interrupted(Exception):
    """The user stopped a run. Its checkpoint is written, and it can be resumed.

    Parameters
    ----------
    signal_number : int
        The signal that was received.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number

    @classmethod
    def by(cls, stop: KeyboardInterrupt) -> Interrupted:
        """The same for an interrupt that came as an exception.

        Parameters
        ----------
        stop : KeyboardInterrupt
            Its argument, if any, is the signal number.

        Returns
        -------
        Interrupted
            To be raised ``from stop``.
        """
        return cls(stop.args[0] if stop.args else signal.SIGINT)


@contextmanager
def noted_interrupts() -> Iterator[list[int]]:
    """Note the first interrupt instead of raising it; a second one stops at once.

    Yields
    ------
    list of int
        The number of the first signal, once it has come; empty before.

    Raises
    ------
    KeyboardInterrupt
        At the second signal.
    """
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if caught:
            raise KeyboardInterrupt(number)
        caught.append(number)
        log.info("stopping after the images under way; once more stops at once")

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, note)
    try:
        yield caught
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
