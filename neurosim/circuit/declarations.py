"""Checks of what equations declare: names, values of settings, links."""

from __future__ import annotations

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.finite import is_finite
from neurosim.circuit.gathering import commits
from neurosim.circuit.names import check_variable_name
from neurosim.circuit.parser import parse_equations
from neurosim.circuit.parts import RHYTHM_VARIABLES, Population, Projection
from neurosim.errors import CircuitError, near_matches

__all__ = ["check_declarations", "rhythm_names"]

#: What the rhythm counts where a circuit learns by gather and commit.
_OF_BATCHES = ("commit", "gathered", "image_ends", "images", "images_per_batch")


def rhythm_names(circuit: Assembly) -> frozenset[str]:
    """Names of the rhythm that code of a circuit may use.

    Parameters
    ----------
    circuit : Assembly
        Its phases and inputs have names there.

    Returns
    -------
    frozenset of str
        Counters, gates and lengths of phases, and the inputs of one number per cycle.
    """
    kinds = ("in", "end", "steps")
    gates = (f"{kind}_{phase.name}" for phase in circuit.phases for kind in kinds)
    scalars = (item.name for item in circuit.inputs if item.width == 0)
    return frozenset((*RHYTHM_VARIABLES, *gates, *scalars))


def check_declarations(circuit: Assembly) -> None:
    """Refuse names that cannot be used, and settings or links that are only half there.

    Parameters
    ----------
    circuit : Assembly
        Its equations are read.

    Raises
    ------
    CircuitError
        If a name is taken or belongs to a language, a shared constant has no value or
        a value no declaration, a value is not finite, or a linked variable no link.
    """
    taken = _taken_names(circuit)
    parts: tuple[Population | Projection, ...] = (*circuit.populations, *circuit.projections)
    for part in parts:
        kind = "population" if isinstance(part, Population) else "projection"
        owner = f"{kind} {part.name!r}"
        _check_names(owner, part, taken)
        _check_settings(owner, part)
    for population in circuit.populations:
        _check_links(circuit, population)


def _taken_names(circuit: Assembly) -> dict[str, str]:
    """Names of the rhythm and of the inputs, and what has them."""
    counted = _OF_BATCHES if commits(circuit) else ()
    rhythm = dict.fromkeys((*rhythm_names(circuit), "cycle", *counted), "the rhythm")
    inputs = (name for item in circuit.inputs for name in (item.name, f"{item.name}_given"))
    return dict.fromkeys(inputs, "an input of the circuit") | rhythm


def _check_names(owner: str, part: Population | Projection, taken: dict[str, str]) -> None:
    counters = {}
    if isinstance(part, Population):
        counters = {f"n_{e.name}": f"the count of event {e.name!r}" for e in part.events}
    seen: set[str] = set()
    for line in parse_equations(part.equations):
        if "summed" not in line.flags:
            check_variable_name(owner, line.name)
        holder = (taken | counters).get(line.name)
        if line.name in seen:
            holder = "another of its variables"
        if holder is not None:
            raise CircuitError(
                f"{owner} declares {line.name!r}, which is the name of {holder}; choose another"
            )
        seen.add(line.name)


def _check_settings(owner: str, part: Population | Projection) -> None:
    declared = [line.name for line in parse_equations(part.equations) if line.is_setting]
    for name in declared:
        if name not in part.parameters:
            raise CircuitError(
                f"{owner} declares the shared constant {name!r} without a value; give "
                f"parameters={{{name!r}: value}}"
            )
    for name, value in part.parameters.items():
        if name not in declared:
            raise CircuitError(
                f"{owner} has a value for {name!r}, but no equation "
                f"'{name} : unit (shared, constant)'; {near_matches(name, declared)}"
            )
        if not is_finite(value):
            raise CircuitError(
                f"{part.name}.{name} is not a finite number; the settings it is computed "
                "from are too large or too small"
            )


def _check_links(circuit: Assembly, population: Population) -> None:
    lines = parse_equations(population.equations)
    linked = [line.name for line in lines if "linked" in line.flags]
    for variable, (other, name) in population.links.items():
        source = circuit.population(other)
        if source.size not in (1, population.size):
            raise CircuitError(
                f"{population.name}.{variable} is linked to {other!r}, which has {source.size} "
                f"cells instead of {population.size}, or 1 that all read"
            )
        if variable not in linked:
            raise CircuitError(
                f"population {population.name!r} links {variable!r}, but has no equation "
                f"'{variable} : unit (linked)'; {near_matches(variable, linked)}"
            )
        known = [line.name for line in parse_equations(source.equations)]
        if name not in known:
            raise CircuitError(
                f"{population.name}.{variable} is linked to {other}.{name}, which is none of its "
                f"variables; {near_matches(name, known)}"
            )
    for variable in linked:
        if variable not in population.links:
            raise CircuitError(
                f"population {population.name!r} declares the linked variable {variable!r}, but "
                f"links it to nothing; give links={{{variable!r}: (population, variable)}}"
            )
