"""Checks of a circuit's parts together: names, times, wiring, weights, readouts."""

from __future__ import annotations

from collections.abc import Sequence

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.columns import check_columns
from neurosim.circuit.declarations import check_declarations
from neurosim.circuit.gathering import check_gathering
from neurosim.circuit.kept import check_kept
from neurosim.circuit.lookup import Named, find_part
from neurosim.circuit.meetings import check_meetings
from neurosim.circuit.memory import check_memory
from neurosim.circuit.order import check_order
from neurosim.circuit.parser import parse_equations, parse_statements
from neurosim.circuit.parts import (
    MAX_CYCLE_STEPS,
    Pathway,
    Population,
    Projection,
    Weight,
    WeightPart,
)
from neurosim.circuit.syntax import check_syntax
from neurosim.circuit.weights import weight_shape
from neurosim.errors import CircuitError, near_matches

__all__ = ["check_circuit"]

#: Time steps that make sense, in ms; outside, times in seconds lose their precision.
_DT_RANGE = (1e-6, 1e6)
#: Names of objects that every circuit has.
_OWN_NAMES = ("rhythm", "step_clock")


def check_circuit(circuit: Assembly) -> None:
    """Refuse a circuit that contradicts itself.

    Parameters
    ----------
    circuit : Assembly
        All of it is looked at.

    Raises
    ------
    CircuitError
        Names the first contradiction.
    """
    _check_unique(circuit)
    _check_time(circuit)
    for projection in circuit.projections:
        _check_projection(circuit, projection)
        check_gathering(projection)
    check_declarations(circuit)
    for projection in circuit.projections:
        check_order(circuit, projection)
    check_syntax(circuit)
    for weight in circuit.weights:
        for part in weight.parts:
            _check_weight_part(circuit, weight, part)
    check_columns(circuit)
    check_kept(circuit)
    check_memory(circuit)
    _check_readouts(circuit)
    check_meetings(circuit)


def _check_unique(circuit: Assembly) -> None:
    owner = f"circuit {circuit.name!r}"
    if not circuit.phases:
        raise CircuitError(f"{owner} has no phases; give at least one")
    parts: tuple[Named, ...] = (*circuit.populations, *circuit.projections, *circuit.inputs)
    kinds: tuple[tuple[Named, ...], ...] = (
        parts,
        circuit.phases,
        circuit.weights,
        circuit.readouts,
    )
    for items in kinds:
        _refuse_doubles(owner, items)
    for part in parts:
        if part.name in _OWN_NAMES:
            raise CircuitError(
                f"{owner} uses the name {part.name!r}, which is taken; choose another"
            )


def _refuse_doubles(owner: str, parts: Sequence[Named]) -> None:
    names = [part.name for part in parts]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise CircuitError(f"{owner} uses a name twice: {', '.join(doubles)}; each needs its own")


def _check_time(circuit: Assembly) -> None:
    low, high = _DT_RANGE
    if not low <= circuit.dt <= high:
        raise CircuitError(
            f"circuit {circuit.name!r} has dt = {circuit.dt} ms; it must lie in "
            f"[{low:g}, {high:g}] ms"
        )
    steps = circuit.cycle_steps()
    if steps > MAX_CYCLE_STEPS:
        lengths = ", ".join(f"{phase.name} {phase.steps}" for phase in circuit.phases)
        raise CircuitError(
            f"a cycle of circuit {circuit.name!r} has {steps} steps ({lengths}); at most "
            f"{MAX_CYCLE_STEPS} are run: take a longer time step or shorter phases"
        )


def _check_projection(circuit: Assembly, projection: Projection) -> None:
    ends = {
        "pre": circuit.population(projection.source),
        "post": circuit.population(projection.target),
    }
    owner = f"projection {projection.name!r}"
    _refuse_doubles(owner, projection.pathways)
    for pathway in projection.pathways:
        _check_counted(projection, pathway, ends[pathway.side])
    complaint = projection.wired.complaint(ends["pre"].size, ends["post"].size)
    if complaint:
        raise CircuitError(f"{owner} {complaint}")
    own = {line.name for line in parse_equations(projection.equations)}
    changes = {
        statement.target
        for pathway in projection.pathways
        if not (pathway.learns and projection.commit)
        for statement in parse_statements(pathway.code)
    }
    if projection.wired.tied and changes & own:
        raise CircuitError(
            f"{owner} shares weights between synapses ({projection.wired.words()}), so what "
            "they learn must be summed before it is applied; let its pathways gather, "
            "'g += ...', and give Projection(commit=...)"
        )


def _check_counted(projection: Projection, pathway: Pathway, sender: Population) -> None:
    """Refuse a signal on an event that is not counted: its synaptic operations would be unknown."""
    if not sender.event(pathway.event).counted and not pathway.learns:
        raise CircuitError(
            f"pathway {pathway.name!r} of projection {projection.name!r} carries signal on the "
            f"event {pathway.event!r} of {sender.name!r}, which is not counted; make the event "
            "with counted=True, or the pathway with learns=True if it changes weights"
        )


#: Which parts of an array the synapses of a wiring with a name can hold.
_LAYOUTS = {
    "all_to_all": ("dense", "off_diagonal"),
    "all_but_self": ("off_diagonal",),
    "one_to_one": ("diagonal",),
}


def _check_weight_part(circuit: Assembly, weight: Weight, part: WeightPart) -> None:
    projection = circuit.projection(part.projection)
    shape, wired = weight_shape(circuit, projection), projection.wired
    allowed = _LAYOUTS.get(wired.kind, ("natural",))
    if part.layout not in allowed:
        raise CircuitError(
            f"weight {weight.name!r} takes {part.layout!r} from projection "
            f"{projection.name!r}, which is wired {wired.kind!r}; that wiring goes with "
            f"{' or '.join(map(repr, allowed))}"
        )
    if shape != weight.shape:
        raise CircuitError(
            f"weight {weight.name!r} has shape {weight.shape}, but projection "
            f"{projection.name!r} connects {wired.layout} = {shape}; give it that shape"
        )
    if part.layout == "natural" and len(weight.parts) > 1:
        raise CircuitError(
            f"weight {weight.name!r} has {len(weight.parts)} parts, but projection "
            f"{projection.name!r}, wired by {wired.words()}, holds the whole array; give each "
            "projection a weight of its own"
        )
    lines = parse_equations(projection.equations)
    own = [line.name for line in lines if line.kind != "subexpression" and not line.is_setting]
    if part.variable not in own:
        raise CircuitError(
            f"weight {weight.name!r} takes {part.variable!r} from projection "
            f"{projection.name!r}, whose synapses have no such variable; "
            f"{near_matches(part.variable, own)}"
        )


def _check_readouts(circuit: Assembly) -> None:
    for readout in circuit.readouts:
        population = circuit.population(readout.population)
        population.event(readout.event)
        known = [line.name for line in parse_equations(population.equations)]
        if readout.variable not in known:
            raise CircuitError(
                f"readout {readout.name!r} notes {readout.variable!r}, which is no variable of "
                f"population {population.name!r}; {near_matches(readout.variable, known)}"
            )
    find_part("readout", circuit.readouts, circuit.answer)
