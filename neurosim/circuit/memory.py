"""Checks that one image leaves nothing behind but weights, and that every draw is seeded.

Cells that remembered would do so within a chunk of images and forget between chunks:
results would depend on how many images a run shows at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.code import circuit_code
from neurosim.circuit.gathering import gathered_variables
from neurosim.circuit.names import RANDOM_FUNCTIONS
from neurosim.circuit.parser import (
    Line,
    canonical,
    computed,
    dependencies,
    identifiers,
    parse_equations,
    parse_statements,
    reads_outside,
)
from neurosim.circuit.parts import Event, Population, Projection
from neurosim.errors import CircuitError, near_matches

__all__ = ["check_memory"]

#: Names of Brian2 that go on counting from image to image, and what to use instead.
_LASTING = {
    "t": "cycle_step*dt, the time since the onset",
    "t_in_timesteps": "cycle_step",
    "cycle": "a CycleInput that the system draws, which numbers the images of an epoch",
    "lastspike": "a variable that the action of the event sets to cycle_step",
    "lastupdate": "a variable that the action of the event sets to cycle_step",
}


def check_memory(circuit: Assembly) -> None:
    """Refuse whatever makes results depend on earlier images, on chunks or on no seed.

    Parameters
    ----------
    circuit : Assembly
        Its code is read.

    Raises
    ------
    CircuitError
        If a rule draws random numbers itself or reads the time since the run began, a
        variable of cells is changed but not set at the onset, or a variable of synapses
        is changed but belongs to no weight.
    """
    _check_random(circuit)
    _check_time(circuit)
    for population in circuit.populations:
        _check_cells(circuit, population)
    for projection in circuit.projections:
        _check_synapses(circuit, projection)


# ---------------------------------------------------------------- names


def _check_random(circuit: Assembly) -> None:
    for code in circuit_code(circuit):
        for name in sorted(identifiers(code.text)):
            if name in RANDOM_FUNCTIONS or name.startswith("xi_"):
                raise CircuitError(
                    f"{code.place} draws random numbers with {name!r}, which ignores the seed and "
                    "differs between back ends; write uniform_noise(i) or normal_noise(i), which "
                    "are seeded, or declare a CycleInput and draw it in "
                    "System.cycle_scalars(rng, n) or System.cycle_inputs(rng, n, epoch)"
                )


def _check_time(circuit: Assembly) -> None:
    tables = [item.name for item in circuit.inputs if item.width]
    for code in circuit_code(circuit):
        for name, instead in _LASTING.items():
            if name in identifiers(code.text):
                raise CircuitError(
                    f"{code.place} reads {name!r}, which goes on from image to image within a "
                    f"chunk only, so results would depend on the chunks; use {instead}"
                )
        for called in re.findall(r"\b(\w+)\s*\(\s*cycle_time\b", code.text):
            if called not in tables:
                raise CircuitError(
                    f"{code.place} calls {called}(cycle_time, ...), which is no input with "
                    f"columns of circuit {circuit.name!r}; {near_matches(called, tables)}"
                )
        if reads_outside(code.text, "cycle_time", tables):
            raise CircuitError(
                f"{code.place} reads 'cycle_time', which is only the argument of inputs with "
                f"columns ({', '.join(tables) or 'none here'}); use cycle_step*dt for the time "
                "since the onset"
            )


# ---------------------------------------------------------------- cells


def _check_cells(circuit: Assembly, population: Population) -> None:
    lines = parse_equations(population.equations)
    kept = {w.variable for w in circuit.weights if w.population == population.name}
    # what lasts from image to image by declaration is no remainder of the image before
    changes = {
        name: cause for name, cause in _changes(circuit, population, lines) if name not in kept
    }
    for event in population.events:
        _check_onset_condition(population, event, lines, changes)
    reset = _reset_variables(population, lines, set(changes))
    for line in lines:
        if line.name not in changes or line.name in reset:
            continue
        name = f"{population.name}.{line.name}"
        if not line.is_own:
            raise CircuitError(
                f"{name} is changed by {changes[line.name]} and shared by all cells, so no onset "
                "can set it; keep it in a population of one cell that the others read by a link"
            )
        raise CircuitError(
            f"{name} is changed by {changes[line.name]}, but no onset sets it to a value that is "
            "free of the previous image, which it would remember within a chunk and forget between "
            f"chunks; let the action of Event(..., 'onset', 'onset', action) set '{line.name} = 0' "
            "or be reset_action(EQUATIONS); what must outlive a cycle is a Weight, which "
            "Population(states=...) declares"
        )


def _changes(
    circuit: Assembly, population: Population, lines: tuple[Line, ...]
) -> Iterator[tuple[str, str]]:
    """Stored variables of cells that something changes, and what does."""
    stored = {line.name for line in lines if line.is_stored}
    for projection in circuit.projections:
        for name, cause in _changes_at_ends(projection, population.name):
            if name in stored:
                yield name, cause
    for event in population.events:
        for statement in parse_statements(event.action):
            if statement.target in stored:
                yield statement.target, f"the action of event {event.name!r}"
    for line in lines:
        if line.kind == "differential":
            yield line.name, "integration"


def _changes_at_ends(projection: Projection, population: str) -> Iterator[tuple[str, str]]:
    """Variables of a population that the synapses of a projection change."""
    ends = (("_pre", projection.source), ("_post", projection.target))
    suffixes = [suffix for suffix, end in ends if end == population]
    causes = [
        (statement.target, f"pathway {pathway.name!r} of projection {projection.name!r}")
        for pathway in projection.pathways
        for statement in parse_statements(pathway.code)
    ]
    causes += [
        (line.name, f"a sum over projection {projection.name!r}")
        for line in parse_equations(projection.equations)
        if "summed" in line.flags
    ]
    for target, cause in causes:
        for suffix in suffixes:
            if target.endswith(suffix):
                yield target.removesuffix(suffix), cause


def _check_onset_condition(
    population: Population, event: Event, lines: tuple[Line, ...], changes: dict[str, str]
) -> None:
    if event.moment != "onset":
        return
    read = dependencies(computed(lines), identifiers(event.condition)) & set(changes)
    if read:
        raise CircuitError(
            f"condition of event {event.name!r} of population {population.name!r} reads "
            f"{min(read)!r} at moment 'onset', before the onset has set it, so it would see the "
            "previous image; take the moment 'sense', which comes directly after"
        )


def _reset_variables(
    population: Population, lines: tuple[Line, ...], changed: set[str]
) -> set[str]:
    """Variables whose value after the onset depends on nothing from before."""
    reset: set[str] = set()
    kept: set[str] = set()
    linked = {line.name for line in lines if "linked" in line.flags}
    for event in population.events:
        if event.moment != "onset":
            continue
        old = changed | linked
        assigned: set[str] = set()
        for statement in parse_statements(event.action):
            assigned.add(statement.target)
            if dependencies(computed(lines), statement.reads) & old:
                old.add(statement.target)
            elif statement.operator == "=":
                old.discard(statement.target)
        kept |= assigned & old
        if canonical(event.condition) == "onset":
            reset |= assigned - old
    return reset - kept


# ---------------------------------------------------------------- synapses


def _check_synapses(circuit: Assembly, projection: Projection) -> None:
    """Refuse a synaptic variable that changes but is not carried from run to run."""
    kept = {(part.projection, part.variable) for w in circuit.weights for part in w.parts}
    for line in parse_equations(projection.equations):
        name = f"{projection.name}.{line.name}"
        if "event-driven" in line.flags:
            raise CircuitError(
                f"{name} is event-driven: it depends on the time of the last event, which lies in "
                "an earlier image; write what happens to it in a pathway's code"
            )
        cause = _synaptic_change(projection, line)
        if line.name in gathered_variables(projection):
            # every commit sets it to 0
            continue
        if cause and (projection.name, line.name) not in kept:
            raise CircuitError(
                f"{name} is changed by {cause} but belongs to no Weight, so it would start anew in "
                "every run; declare a Weight with "
                f"WeightPart({projection.name!r}, {line.name!r})"
            )


def _synaptic_change(projection: Projection, line: Line) -> str:
    if line.kind == "differential":
        return "integration"
    if not line.is_stored:
        return ""
    for pathway in projection.pathways:
        if any(statement.target == line.name for statement in parse_statements(pathway.code)):
            return f"pathway {pathway.name!r}"
    if any(statement.target == line.name for statement in parse_statements(projection.commit)):
        return "the commit"
    return ""
