"""Wall and processor time of a stretch of code."""

from __future__ import annotations

import resource
import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Times a ``with`` block.

    Attributes
    ----------
    seconds : float
        Wall time.
    cpu_seconds : float
        Processor time of this process and of children that ended meanwhile.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def __enter__(self) -> Stopwatch:
        self._cpu, self._wall = _cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self.seconds = time.perf_counter() - self._wall
        self.cpu_seconds = _cpu_seconds() - self._cpu


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
