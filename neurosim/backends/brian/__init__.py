"""From a circuit to Brian2 objects: the front that all back ends share."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

_arguments, _signal = sys.argv, signal.signal


def _set_in_the_main_thread(number: int, handler: Any) -> Any:
    """What Python refuses in other threads is left out there."""
    if threading.current_thread() is threading.main_thread():
        return _signal(number, handler)
    return None


# When first imported, Brian2 notes the command line, and fails at names that are no text. It
# also sets what Ctrl-C does, which fails where another thread than the main one imports it.
sys.argv = [word.encode(errors="replace").decode() for word in _arguments]
_relaxed: Any = _set_in_the_main_thread
signal.signal = _relaxed
try:
    import brian2  # noqa: F401
finally:
    sys.argv, signal.signal = _arguments, _signal
