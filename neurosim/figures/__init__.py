"""Pictures of runs, circuits and cells; every function returns its matplotlib figure."""

from __future__ import annotations

from neurosim.figures import style

__all__ = ["style"]
