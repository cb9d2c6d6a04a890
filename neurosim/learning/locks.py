"""Locks that belong to one object in one process."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Self

__all__ = ["OwnLock"]

_ALL: weakref.WeakSet[OwnLock] = weakref.WeakSet()


class OwnLock:
    """A lock that a copy, a pickle and a forked child have anew, and free.

    A thread that holds the lock during a fork does not exist in the child, so the child
    would wait for ever.

    Examples
    --------
    >>> lock = OwnLock()
    >>> lock.take()
    True
    >>> lock.take()
    False
    >>> lock.release()
    """

    def __init__(self) -> None:
        self._renew()
        _ALL.add(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take the lock if it is free.

        Returns
        -------
        bool
            Whether it was.
        """
        return self._lock.acquire(blocking=False)

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[OwnLock], tuple[()]]:
        return OwnLock, ()


def _renew_all() -> None:
    for lock in list(_ALL):
        lock._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
