"""Back ends: each runs chunks of cycles of a circuit on given weights."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence

from neurosim.backends.interface import BACKENDS, DTYPES, Backend, check_choices
from neurosim.circuit import Circuit

__all__ = ["BACKENDS", "DTYPES", "Backend", "check_choices", "open_backend"]

#: Where each back end lives; imported when used, since each needs other packages.
_HOMES = {
    "cpp": "neurosim.backends.cpp.backend:CppBackend",
    "runtime": "neurosim.backends.runtime.backend:RuntimeBackend",
}


def open_backend(
    name: str,
    circuit: Circuit,
    *,
    dtype: str,
    max_cycles: int,
    record: Mapping[str, Iterable[str]] | None = None,
    cells: Mapping[str, Sequence[int]] | None = None,
) -> Backend:
    """Build a circuit for a back end.

    Parameters
    ----------
    name : str
        ``"cpp"`` or ``"runtime"``, see :data:`BACKENDS`.
    circuit : Circuit
        What to build.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Most images one chunk may have.
    record : mapping of str to iterable of str, optional
        Variables to record in every step, by population.
    cells : mapping of str to sequence of int, optional
        Numbers of the cells recorded, by population; all cells where not given.

    Returns
    -------
    Backend
        Ready to run chunks.

    Raises
    ------
    ParameterError
        If there is no such back end or precision.
    BuildError
        If the circuit cannot be built.
    """
    check_choices(backend=name, dtype=dtype)
    module, kind = _HOMES[name].split(":")
    backend: Backend = getattr(importlib.import_module(module), kind)(
        circuit, dtype=dtype, max_cycles=max_cycles, record=record, cells=cells
    )
    return backend
