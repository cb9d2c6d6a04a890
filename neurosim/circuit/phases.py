"""Phase lengths of a run."""

from __future__ import annotations

from collections.abc import Mapping

from neurosim.circuit import MAX_CYCLE_STEPS, Circuit
from neurosim.errors import CircuitError

__all__ = ["phase_lengths"]


def phase_lengths(circuit: Circuit, phases: Mapping[str, int] | None) -> dict[str, int]:
    """Phase lengths of one run: the circuit's own, replaced where given.

    Parameters
    ----------
    circuit : Circuit
        Its phases give the defaults.
    phases : mapping of str to int, optional
        Steps by phase name; 0 leaves a phase out.

    Returns
    -------
    dict of str to int
        Steps of every phase.

    Raises
    ------
    CircuitError
        If a name is unknown, a length negative or the cycle empty or too long.
    """
    lengths = circuit.phase_steps()
    unknown = sorted(set(phases or {}) - set(lengths))
    if unknown:
        raise CircuitError(f"unknown phase {unknown[0]!r}; allowed: {', '.join(lengths)}")
    lengths.update(phases or {})
    if min(lengths.values()) < 0 or sum(lengths.values()) == 0:
        raise CircuitError(f"phase lengths {lengths} must be 0 or more, and not all 0")
    if sum(lengths.values()) > MAX_CYCLE_STEPS:
        raise CircuitError(f"phase lengths {lengths}: at most {MAX_CYCLE_STEPS} steps in all")
    return lengths
