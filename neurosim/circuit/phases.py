"""Phase lengths of a run, and what is set when a phase ends."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from neurosim.circuit import MAX_CYCLE_STEPS, Circuit
from neurosim.circuit.parser import identifiers, parse_equations, parse_statements
from neurosim.errors import CircuitError

__all__ = ["phase_lengths", "set_anew"]


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
        If these are no lengths by name, a name is unknown, a length no whole number or
        negative, or the cycle empty or too long.
    """
    lengths = circuit.phase_steps()
    if phases is not None and not isinstance(phases, Mapping):
        raise CircuitError(f"phases = {phases!r}: give a dict of steps by the names of phases")
    unknown = sorted(set(phases or {}) - set(lengths))
    if unknown:
        raise CircuitError(f"unknown phase {unknown[0]!r}; allowed: {', '.join(lengths)}")
    given: Mapping[str, Any] = phases or {}
    for name, steps in given.items():
        if isinstance(steps, bool) or not isinstance(steps, Integral):
            raise CircuitError(
                f"phase {name!r} has the length {steps!r}; give a whole number of steps, or 0 to "
                "leave the phase out"
            )
        lengths[name] = int(steps)
    if min(lengths.values()) < 0 or sum(lengths.values()) == 0:
        raise CircuitError(f"phase lengths {lengths} must be 0 or more, and not all 0")
    if sum(lengths.values()) > MAX_CYCLE_STEPS:
        raise CircuitError(f"phase lengths {lengths}: at most {MAX_CYCLE_STEPS} steps in all")
    return lengths


def set_anew(circuit: Circuit, population: str, variable: str) -> tuple[str, ...]:
    """Phases at whose end a variable that cells integrate is set to another value.

    Parameters
    ----------
    circuit : Circuit
        Its events are read.
    population, variable : str
        Where it lives, and its name.

    Returns
    -------
    tuple of str
        Names of phases: in the last step of each the variable already has the value with
        which the next phase begins. Empty for what is not integrated.
    """
    cells = circuit.population(population)
    lines = parse_equations(cells.equations)
    if not any(line.name == variable and line.kind == "differential" for line in lines):
        return ()
    setting = [
        identifiers(event.condition)
        for event in cells.events
        if event.moment == "phase_end"
        and any(s.target == variable for s in parse_statements(event.action))
    ]
    names = (phase.name for phase in circuit.phases)
    return tuple(name for name in names if any(f"end_{name}" in found for found in setting))
