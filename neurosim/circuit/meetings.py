"""Images of a batch that meet: what their cells see of each other before synapses learn.

Most rules need one image at a time. A rule that compares images declares one phase in which
every image of a batch meets all images of the batch, itself among them, in the order in which
they were shown: the phase runs once for each meeting, and variables that populations name hold
what the same cells have at the image met. At the end of the phase, other variables become the
mean over the images of the batch. Nothing else passes from image to image.
"""

from __future__ import annotations

import ast

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.kept import kept_by_events
from neurosim.circuit.parser import Line, parse_equations, parse_statements
from neurosim.circuit.parts import Event, Phase, Population
from neurosim.errors import CircuitError, near_matches

__all__ = ["check_meetings", "ends_demanded", "meeting_phase"]


def meeting_phase(circuit: Assembly) -> Phase | None:
    """The phase in which the images of a batch meet.

    Parameters
    ----------
    circuit : Assembly
        Declares its phases.

    Returns
    -------
    Phase or None
        None if images do not meet.
    """
    return next((phase for phase in circuit.phases if phase.meets), None)


def ends_demanded(condition: str) -> set[str]:
    """Phases of which a condition demands the end.

    Parameters
    ----------
    condition : str
        Of an event.

    Returns
    -------
    set of str
        Names of phases ``p`` for which ``end_p`` is one of its terms.
    """
    tree = ast.parse(condition.strip(), mode="eval").body
    terms = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    names = (term.id for term in terms if isinstance(term, ast.Name))
    return {name.removeprefix("end_") for name in names if name.startswith("end_")}


# ------------------------------------------------------------------ checks


def check_meetings(circuit: Assembly) -> None:
    """Refuse meetings that do not fit together.

    Parameters
    ----------
    circuit : Assembly
        Its phases, populations and events are looked at.

    Raises
    ------
    CircuitError
        If several phases or the last one meet, a variable cannot be met or averaged, synapses
        could learn or a readout be noted in every meeting, or images must be shown in order.
    """
    phase = meeting_phase(circuit)
    for population in circuit.populations:
        for word, pairs in (("meets", population.meets), ("averages", population.averages)):
            for variable, source in pairs.items():
                _check_pair(population, word, variable, source, phase)
    if phase is None:
        return
    _check_phase(circuit, phase)
    for population in circuit.populations:
        for event in population.events:
            noted = any((r.population, r.event) == (population.name, event.name)
                        for r in circuit.readouts)  # fmt: skip
            if event.moment == "learn" or noted:
                _check_once(population, event, phase)
    in_order = kept_by_events(circuit)
    if in_order:
        raise CircuitError(
            f"images of a batch meet in phase {phase.name!r}, so all are in flight, but events set "
            f"{in_order[0]}, which needs one after the other; let a commit of the population set it"
        )


def _check_phase(circuit: Assembly, phase: Phase) -> None:
    names = [one.name for one in circuit.phases if one.meets]
    if len(names) > 1:
        raise CircuitError(
            f"circuit {circuit.name!r} lets images meet in the phases {' and '.join(names)}; one "
            "phase may have meets=True"
        )
    if phase in (circuit.phases[0], circuit.phases[-1]):
        raise CircuitError(
            f"images meet in phase {phase.name!r} of circuit {circuit.name!r}, which needs a phase "
            "before it, in which they are shown, and one after it, in which synapses learn"
        )


def _check_pair(
    population: Population, word: str, variable: str, source: str, phase: Phase | None
) -> None:
    owner = f"population {population.name!r}"
    if phase is None:
        raise CircuitError(
            f"{owner} has {word}={{{variable!r}: {source!r}}}, but there is no phase in which "
            "images meet; give Phase(..., meets=True)"
        )
    lines = {line.name: line for line in parse_equations(population.equations)}
    for name in (variable, source):
        if name not in lines or not _stores(lines[name]) or name in population.kept:
            known = [n for n, line in lines.items() if _stores(line) and n not in population.kept]
            raise CircuitError(
                f"{owner} has {word}={{{variable!r}: {source!r}}}, but {name!r} is no number that "
                f"its cells store anew for every image, as in '{name} : 1'; "
                f"{near_matches(name, known)}"
            )
    for event in population.events:
        sets = {statement.target for statement in parse_statements(event.action)}
        if variable in sets and event.moment != "onset":
            raise CircuitError(
                f"event {event.name!r} of {owner} sets {variable!r}, which {word} sets; leave it "
                "out of one of them"
            )


def _stores(line: Line) -> bool:
    number = line.unit not in ("integer", "boolean")
    return line.kind == "parameter" and line.is_stored and line.is_own and number


def _check_once(population: Population, event: Event, phase: Phase) -> None:
    """Refuse an event that could happen in every meeting."""
    ends = ends_demanded(event.condition)
    if not ends or phase.name in ends:
        raise CircuitError(
            f"event {event.name!r} of population {population.name!r} could happen in every meeting "
            f"of phase {phase.name!r}, but synapses learn and readouts are noted once per image; "
            "give it a condition of the form 'end_p and ...', for another phase p"
        )
