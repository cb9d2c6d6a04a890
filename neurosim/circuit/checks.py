"""Checks of a circuit's parts together: names, times, wiring, weights, readouts."""

from __future__ import annotations

from collections.abc import Sequence

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.columns import check_columns
from neurosim.circuit.declarations import check_declarations
from neurosim.circuit.gathering import check_gathering
from neurosim.circuit.kept import check_kept
from neurosim.circuit.lookup import Named, find_part
from neurosim.circuit.memory import check_memory
from neurosim.circuit.parser import parse_equations
from neurosim.circuit.parts import (
    MAX_CYCLE_STEPS,
    Pathway,
    Population,
    Projection,
    Weight,
    WeightPart,
)
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
    for weight in circuit.weights:
        for part in weight.parts:
            _check_weight_part(circuit, weight, part)
    check_columns(circuit)
    check_kept(circuit)
    check_memory(circuit)
    _check_readouts(circuit)


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
    _refuse_doubles(f"projection {projection.name!r}", projection.pathways)
    for pathway in projection.pathways:
        _check_counted(projection, pathway, ends[pathway.side])
    if projection.wiring != "all_to_all" and ends["pre"].size != ends["post"].size:
        raise CircuitError(
            f"projection {projection.name!r} is wired {projection.wiring!r} between "
            f"{ends['pre'].size} and {ends['post'].size} cells; the sizes must agree"
        )


def _check_counted(projection: Projection, pathway: Pathway, sender: Population) -> None:
    """Refuse a signal on an event that is not counted: its synaptic operations would be unknown."""
    if not sender.event(pathway.event).counted and not pathway.learns:
        raise CircuitError(
            f"pathway {pathway.name!r} of projection {projection.name!r} carries signal on the "
            f"event {pathway.event!r} of {sender.name!r}, which is not counted; make the event "
            "with counted=True, or the pathway with learns=True if it changes weights"
        )


#: Which parts of an array the synapses of a wiring can hold.
_LAYOUTS = {
    "all_to_all": ("dense", "off_diagonal"),
    "all_but_self": ("off_diagonal",),
    "one_to_one": ("diagonal",),
}


def _check_weight_part(circuit: Assembly, weight: Weight, part: WeightPart) -> None:
    projection = circuit.projection(part.projection)
    shape = (
        circuit.population(projection.target).size,
        circuit.population(projection.source).size,
    )
    if part.layout not in _LAYOUTS[projection.wiring]:
        raise CircuitError(
            f"weight {weight.name!r} takes {part.layout!r} from projection "
            f"{projection.name!r}, which is wired {projection.wiring!r}; that wiring goes with "
            f"{' or '.join(map(repr, _LAYOUTS[projection.wiring]))}"
        )
    if shape != weight.shape:
        raise CircuitError(
            f"weight {weight.name!r} has shape {weight.shape}, but projection "
            f"{projection.name!r} connects (post, pre) = {shape}; give it that shape"
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
