"""The papers: each file holds one system's cells, synapses, circuit and parameters."""

from __future__ import annotations

from neurosim.errors import ParameterError, near_matches
from neurosim.models.corinfomax import CorInfoMax
from neurosim.models.corinfomax_sparse import CorInfoMaxSparse, CorInfoMaxSparseEnforced
from neurosim.models.ep import EquilibriumPropagation
from neurosim.system import System

__all__ = [
    "SYSTEMS",
    "CorInfoMax",
    "CorInfoMaxSparse",
    "CorInfoMaxSparseEnforced",
    "EquilibriumPropagation",
    "find_system",
]

#: Systems by the name used on the command line.
SYSTEMS: dict[str, type[System]] = {
    system.name: system
    for system in (
        CorInfoMax,
        CorInfoMaxSparse,
        CorInfoMaxSparseEnforced,
        EquilibriumPropagation,
    )
}


def find_system(name: str) -> type[System]:
    """Look a system up by name.

    Parameters
    ----------
    name : str
        A key of :data:`SYSTEMS`.

    Returns
    -------
    type[System]
        The system's class.

    Raises
    ------
    ParameterError
        If there is no such system.
    """
    if name not in SYSTEMS:
        raise ParameterError(f"unknown system {name!r}; {near_matches(name, SYSTEMS)}")
    return SYSTEMS[name]
