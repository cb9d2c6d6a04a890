"""The rhythm as Brian2 reads it: counters and gates that go on by one in every time step."""

from __future__ import annotations

from collections.abc import Iterable

from neurosim.circuit import Circuit
from neurosim.circuit.gathering import commits
from neurosim.circuit.parser import Line, identifiers, parse_equations

__all__ = ["COMMIT", "GATHER", "RHYTHM", "linked_rhythm", "rhythm_code", "rhythm_equations"]

#: Name of the group that counts.
RHYTHM = "rhythm"
#: Name of the event and of the pathway by which synapses and cells commit what they gathered.
COMMIT = "commit"
#: Name of the event by which cells add to their sums what an image has left.
GATHER = "commit_gather"


def rhythm_equations(circuit: Circuit) -> str:
    """Variables of the rhythm: counters, gates and the scalar inputs of the cycle.

    Parameters
    ----------
    circuit : Circuit
        Its phases and inputs are declared.

    Returns
    -------
    str
        Brian2 equations.
    """
    lines = [
        "cycle : integer (shared)",
        "cycle_step : integer (shared)",
        "phase_step : integer (shared)",
        "cycle_time : second (shared)",
        "onset : boolean (shared)",
        "learning : boolean (shared, constant)",
    ]
    for phase in circuit.phases:
        lines += [
            f"in_{phase.name} : boolean (shared)",
            f"end_{phase.name} : boolean (shared)",
            f"steps_{phase.name} : integer (shared, constant)",
        ]
    lines += [f"{item.name} : 1 (shared)" for item in circuit.inputs if item.width == 0]
    if commits(circuit):
        lines += [
            "batch : 1 (shared)",
            "commits : 1 (shared)",
            "gathered : integer (shared)",
            "image_ends : boolean (shared)",
            "commit : boolean (shared)",
            "images_per_batch : integer (shared, constant)",
            "images : integer (shared, constant)",
        ]
    return "\n".join(lines)


def rhythm_code(circuit: Circuit) -> str:
    """Statements that count the rhythm on by one step.

    A phase of zero steps never begins or ends, so an evaluation run can leave
    the later phases out without another build.

    Parameters
    ----------
    circuit : Circuit
        Its phases are counted.

    Returns
    -------
    str
        Brian2 statements, run once per step.
    """
    total = " + ".join(f"steps_{phase.name}" for phase in circuit.phases)
    lines = [
        "cycle_step = cycle_step + 1",
        f"cycle = cycle + int(cycle_step >= {total})",
        f"cycle_step = cycle_step * int(cycle_step < {total})",
        "onset = cycle_step == 0",
        "cycle_time = cycle * dt",
    ]
    start = "0"
    step_terms = []
    for phase in circuit.phases:
        stop = f"{start} + steps_{phase.name}"
        lines += [
            f"in_{phase.name} = cycle_step >= {start} and cycle_step < {stop}",
            f"end_{phase.name} = steps_{phase.name} > 0 and cycle_step == {stop} - 1",
        ]
        step_terms.append(f"int(in_{phase.name}) * (cycle_step - ({start}))")
        start = stop
    lines.append("phase_step = " + " + ".join(step_terms))
    lines += [f"{i.name} = {i.name}_given(cycle_time)" for i in circuit.inputs if i.width == 0]
    if commits(circuit):
        lines += [
            # a batch begins with the first image, and after every commit
            "gathered = gathered * int(not (commit and onset)) + int(onset)",
            "commits = commits + int(commit and onset)",
            "batch = gathered",
            f"image_ends = learning and cycle_step == {total} - 1",
            "commit = image_ends and (gathered >= images_per_batch or cycle == images - 1)",
        ]
    return "\n".join(lines)


def linked_rhythm(circuit: Circuit, code: Iterable[str]) -> tuple[Line, ...]:
    """Variables of the rhythm that pieces of code name, as links of their cells.

    Parameters
    ----------
    circuit : Circuit
        Its rhythm is read.
    code : iterable of str
        Equations, conditions and statements.

    Returns
    -------
    tuple of Line
        In the order of the rhythm's equations.
    """
    used = frozenset().union(*(identifiers(text) for text in code))
    return tuple(
        Line(line.name, line.unit, "", "", "parameter", ("linked",))
        for line in parse_equations(rhythm_equations(circuit))
        if line.name in used
    )
