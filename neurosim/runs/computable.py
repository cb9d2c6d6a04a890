"""Whether settings can be computed at all, and on this machine."""

from __future__ import annotations

from neurosim.backends import backend_class
from neurosim.learning.network import check_parallel
from neurosim.runs.settings import RunSettings

__all__ = ["check_computable"]


def check_computable(settings: RunSettings, lanes: int | None, threads: int | None) -> None:
    """Refuse what a back end cannot run, or not on this machine, before anything is read.

    Parameters
    ----------
    settings : RunSettings
        Settings of a run.
    lanes, threads : int or None
        Most images in flight, and threads that share them; None for what is usual.

    Raises
    ------
    ParameterError
        If lanes or threads are out of range.
    CircuitError
        If the back end cannot run the system.
    BuildError
        If this machine lacks what the back end needs.
    """
    check_parallel(settings.backend, lanes, threads)
    kind = backend_class(settings.backend)
    kind.check_circuit(settings.system.circuit(), batch=settings.system.batch)
    kind.check_machine()
