"""How many cores this process may use."""

from __future__ import annotations

import functools

__all__ = ["available_cores"]


@functools.cache
def available_cores() -> int:
    """Cores that this process may use.

    Returns
    -------
    int
        Heeds the affinity of the process and the quota of its container.
    """
    # imported late, since it takes longer than most commands do
    import joblib

    return int(joblib.cpu_count())
