"""Back ends: each runs chunks of cycles of a circuit on given weights."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Mapping, Sequence

from neurosim.backends.interface import DTYPES, Backend
from neurosim.circuit import Circuit
from neurosim.errors import CircuitError, ParameterError, near_matches

__all__ = ["BACKENDS", "DTYPES", "Backend", "accepting", "backend_class", "check_choices",
           "open_backend"]  # fmt: skip

#: The class of each back end; imported when used, since each needs other packages.
_CLASSES = {
    "cpp": "neurosim.backends.cpp.backend:CppBackend",
    "cuda": "neurosim.backends.cuda.backend:CudaBackend",
    "genn": "neurosim.backends.genn.backend:GennBackend",
    "runtime": "neurosim.backends.runtime.backend:RuntimeBackend",
}

#: What refuses circuits, without the packages that a back end runs them with.
_LIMITS = {name: f"neurosim.backends.{name}.limits:check_circuit" for name in ("cuda", "genn")}

#: Names of the back ends.
BACKENDS = tuple(_CLASSES)


def check_choices(*, backend: object = BACKENDS[0], dtype: object = DTYPES[0]) -> None:
    """Refuse the name of a back end or a precision that does not exist.

    Parameters
    ----------
    backend : object
        To be one of :data:`BACKENDS`.
    dtype : object
        To be one of :data:`DTYPES`.

    Raises
    ------
    ParameterError
        If one is no such name; the message lists the names.
    """
    choices = (("backend", backend, BACKENDS), ("dtype", dtype, DTYPES))
    for what, given, allowed in choices:
        # numpy.dtype equals its name, but is not a word that a file could keep
        if not isinstance(given, str) or given not in allowed:
            raise ParameterError(f"unknown {what} {given!r}; {near_matches(given, allowed)}")


def backend_class(name: str) -> type[Backend]:
    """Class of a back end; its ``features`` say what it can do.

    Parameters
    ----------
    name : str
        One of :data:`BACKENDS`.

    Returns
    -------
    type
        A subclass of :class:`~neurosim.backends.interface.Backend`.

    Raises
    ------
    ParameterError
        If there is no such back end.
    """
    check_choices(backend=name)
    module, kind = _CLASSES[name].split(":")
    found: type[Backend] = getattr(importlib.import_module(module), kind)
    return found


def accepting(circuit: Circuit) -> list[str]:
    """Back ends that can run a circuit, on a machine that has what they need.

    Parameters
    ----------
    circuit : Circuit
        What to run.

    Returns
    -------
    list of str
        Their names.
    """
    found = []
    for name in BACKENDS:
        module, _, check = _LIMITS.get(name, "").partition(":")
        with contextlib.suppress(CircuitError):
            if module:
                getattr(importlib.import_module(module), check)(circuit)
            found.append(name)
    return found


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
        One of :data:`BACKENDS`.
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
    check_choices(dtype=dtype)
    return backend_class(name)(
        circuit, dtype=dtype, max_cycles=max_cycles, record=record, cells=cells
    )
