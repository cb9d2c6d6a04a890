"""Brian2's process-wide settings: neurosim's for the length of a block, the user's otherwise.

Preferences, the current device and the state of a running network belong to the whole
process. A user may have changed them in a script, in ``brian_preferences`` or in
``~/.brian/user_preferences``; no result may depend on that, and nothing of ours may stay.
"""

from __future__ import annotations

import copy
import importlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import brian2 as b2
import numpy as np

from neurosim.backends.brian.parsing_cache import direct_parsing

__all__ = ["brian2_settings"]

#: The package offers an object under the name of this module.
_devices: Any = importlib.import_module("brian2.devices.device")

#: Begins a warning that says nothing here: every back end delivers events in the order of
#: their cells, so statements may depend on it.
_ORDERED = "Came across an abstract code block that may not be well-defined"

#: Categories that change no number; a user's choice about log files stands.
_LEFT_ALONE = ("logging",)


class _Turn:
    """Which thread may use Brian2 now, and how to put back what it changed."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.thread = 0
        self.open: list[ExitStack] = []

    def abandon(self) -> None:
        """After a fork: undo what a thread of the parent had changed, which ends here."""
        if self.open and self.thread != threading.get_ident():
            for changes in reversed(tuple(self.open)):
                changes.close()
        if not self.open:
            self.lock = threading.RLock()


_turn = _Turn()
os.register_at_fork(after_in_child=_turn.abandon)


@contextmanager
def brian2_settings(dtype: np.dtype[Any]) -> Iterator[None]:
    """Use Brian2 with neurosim's settings, one thread at a time.

    Preferences have Brian2's defaults, but for precision, the NumPy target and interrupts;
    the device is the runtime device. Everything is as before at the end, also after an
    exception. Messages that Brian2 logs are shown at the end, unless an exception says what
    is wrong.

    Parameters
    ----------
    dtype : numpy.dtype
        Precision of states and weights.
    """
    with _turn.lock, ExitStack() as changes:
        _turn.thread = threading.get_ident()
        _turn.open.append(changes)
        changes.callback(_turn.open.remove, changes)
        changes.enter_context(_messages_kept_back())
        changes.enter_context(_preferences(dtype))
        changes.enter_context(_runtime_device())
        changes.enter_context(direct_parsing())
        yield


def _wanted(dtype: np.dtype[Any]) -> dict[str, Any]:
    """Value of every preference that can change a result."""
    values = {
        # a copy: some defaults are lists, which a user may append to
        f"{category}.{name}": copy.copy(preference.default)
        for category, (known, _) in b2.prefs.pref_register.items()
        if category not in _LEFT_ALONE
        for name, preference in known.items()
    }
    values["core.default_float_dtype"] = dtype.type
    values["codegen.target"] = "numpy"
    # an interrupt is for the caller: Brian2 would end the run in silence, half done
    values["core.stop_on_keyboard_interrupt"] = False
    return values


@contextmanager
def _preferences(dtype: np.dtype[Any]) -> Iterator[None]:
    before = dict(b2.prefs)
    try:
        for name, value in _wanted(dtype).items():
            b2.prefs[name] = value
        yield
    finally:
        for name, value in before.items():
            b2.prefs[name] = value


@contextmanager
def _runtime_device() -> Iterator[None]:
    """Make the runtime device the current one, without Brian2's copying of time steps."""
    before = _devices.active_device
    _devices.active_device = _devices.runtime_device
    try:
        yield
    finally:
        _devices.active_device = before
        # Brian2 does not put this back itself when a run is broken off
        b2.Network._globally_running = False


@contextmanager
def _messages_kept_back() -> Iterator[None]:
    """Show what Brian2 logs only after the block, and only if it ends without an exception."""
    kept: list[tuple[logging.Handler, logging.LogRecord]] = []
    filters = [(handler, _Keep(handler, kept)) for handler in logging.getLogger("brian2").handlers]
    for handler, keep in filters:
        handler.addFilter(keep)
    failed = True
    try:
        yield
        failed = False
    finally:
        for handler, keep in filters:
            handler.removeFilter(keep)
        for handler, record in () if failed else kept:
            handler.handle(record)


class _Keep(logging.Filter):
    """Keeps the records of this thread in place of showing them."""

    def __init__(
        self, handler: logging.Handler, kept: list[tuple[logging.Handler, logging.LogRecord]]
    ) -> None:
        super().__init__()
        self._handler = handler
        self._kept = kept
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is another thread's, and passes."""
        if record.thread != self._thread:
            return True
        if not record.getMessage().startswith(_ORDERED):
            self._kept.append((self._handler, record))
        return False
