"""The one place where Brian2 objects are made from a circuit.

Order of events inside one time step (slots of Brian2's schedule, then the
order within the slot)::

    start     0   the rhythm counts on
    start    10   onset: conditions, actions         (state reset, image shown)
    start    20   sense: conditions, delivery, actions
    groups    0.. all populations integrate at once; one whose state others read by a
                  link goes after them, so that they see it as it was before the step
    thresholds    send: conditions
    synapses      send: delivery
    resets        send: actions                      (the value sent is noted)
    end       0   phase_end: conditions, actions, delivery
    end      10   learn: conditions, delivery, actions
    end      13   commit, in the last step of a batch: synapses change by what they gathered
    end      20   readouts
    end      30   cells add what they gather to the sums of their batch
    end      31   commit of cells: all that a step does sees their weights from before it

Time is counted in integer steps by the rhythm, never derived from a float.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import brian2 as b2
import numpy as np

from neurosim.backends.brian.functions import own_functions
from neurosim.backends.brian.links import cell_equations, integration_order, link_names
from neurosim.backends.brian.messages import naming_the_place
from neurosim.backends.brian.names import check_names
from neurosim.backends.brian.noise import NoiseSource, noise_functions
from neurosim.backends.brian.rhythm import (
    COMMIT,
    GATHER,
    RHYTHM,
    linked_rhythm,
    rhythm_code,
    rhythm_equations,
)
from neurosim.backends.brian.units import check_units
from neurosim.circuit import Circuit, Event, Population, Projection, Readout, Wiring
from neurosim.circuit.gathering import gathered_variables
from neurosim.circuit.kept import commit_of_sums, sum_name
from neurosim.circuit.noise import with_streams
from neurosim.circuit.parser import parse_equations

__all__ = ["BuiltNetwork", "build_network", "counter_name", "join_network", "learning_objects"]

#: (slot, order) of the condition, the delivery and the action of an event, by moment.
_SCHEDULE: Mapping[str, tuple[tuple[str, int], tuple[str, int], tuple[str, int]]] = {
    "onset": (("start", 10), ("start", 12), ("start", 11)),
    "sense": (("start", 20), ("start", 21), ("start", 22)),
    "send": (("thresholds", 0), ("synapses", 0), ("resets", 0)),
    "phase_end": (("end", 0), ("end", 2), ("end", 1)),
    "learn": (("end", 10), ("end", 11), ("end", 12)),
    "commit": (("end", 13), ("end", 14), ("end", 15)),
}
_READOUT_SLOT = ("end", 20)
_CELLS_GATHER = ("end", 30)
_CELLS_COMMIT = ("end", 31)


@dataclasses.dataclass
class BuiltNetwork:
    """Brian2 objects of one circuit.

    Attributes
    ----------
    network : brian2.Network
        Everything that runs.
    groups : dict of str to brian2.NeuronGroup
        Populations by name, the rhythm under ``"rhythm"``.
    synapses : dict of str to brian2.Synapses
        Projections by name.
    inputs : dict of str to brian2.TimedArray
        Per-cycle inputs by name, ``max_cycles`` rows each.
    readouts : dict of str to brian2.EventMonitor
        Readout monitors by name.
    monitors : dict of str to brian2.StateMonitor
        Trajectory monitors by population, if asked for.
    namespace : dict of str to object
        Functions of the per-cycle inputs and of noise, for ``network.run``.
    noise : NoiseSource
        What noise depends on.
    """

    network: b2.Network
    groups: dict[str, b2.NeuronGroup]
    synapses: dict[str, b2.Synapses]
    inputs: dict[str, b2.TimedArray]
    readouts: dict[str, b2.EventMonitor]
    monitors: dict[str, b2.StateMonitor]
    namespace: dict[str, object]
    noise: NoiseSource = dataclasses.field(default_factory=NoiseSource)

    def objects(self) -> tuple[Any, ...]:
        """All that runs.

        Returns
        -------
        tuple of brian2.BrianObject
            Groups, synapses, readouts and monitors.
        """
        kinds = (self.groups, self.synapses, self.readouts, self.monitors)
        return tuple(part for kind in kinds for part in kind.values())


def counter_name(event: Event) -> str:
    """Name of the per-cell counter of a counted event.

    Parameters
    ----------
    event : Event
        The event.

    Returns
    -------
    str
        A variable of its population.
    """
    return f"n_{event.name}"


def learning_objects(circuit: Circuit, built: BuiltNetwork, name: str) -> tuple[Any, ...]:
    """What changes the weights of a part that learns.

    Parameters
    ----------
    circuit : Circuit
        As built.
    built : BuiltNetwork
        Its Brian2 objects.
    name : str
        A projection that learns, or a population that commits.

    Returns
    -------
    tuple of brian2.BrianObject
        Learning pathways, gathers and commits.
    """
    if name in built.groups:
        resetters = built.groups[name].resetter
        return tuple(resetters[event] for event in (GATHER, COMMIT) if event in resetters)
    projection = circuit.projection(name)
    names = [pathway.name for pathway in projection.pathways if pathway.learns]
    names += [COMMIT] if projection.commit else []
    return tuple(getattr(built.synapses[name], pathway) for pathway in names)


def build_network(
    circuit: Circuit,
    max_cycles: int,
    *,
    record: Mapping[str, Iterable[str]] | None = None,
    cells: Mapping[str, Sequence[int]] | None = None,
    whole: bool = True,
) -> BuiltNetwork:
    """Make the Brian2 objects of a circuit.

    Parameters
    ----------
    circuit : Circuit
        What to build.
    max_cycles : int
        Rows of the per-cycle inputs: the most images one run can show.
    record : mapping of str to iterable of str, optional
        Variables to record in every step, by population.
    cells : mapping of str to sequence of int, optional
        Numbers of the cells recorded, by population; all cells where not given.
    whole : bool
        Whether to make all synapses. A network with one for each projection is enough to
        generate code from, takes no memory for the others, and cannot run.

    Returns
    -------
    BuiltNetwork
        Objects in one :class:`brian2.Network`; nothing has run. Precision is
        that of Brian2's ``core.default_float_dtype`` preference.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.
    """
    check_names(circuit)
    built = BuiltNetwork(b2.Network(), {}, {}, {}, {}, {}, {})
    built.namespace |= noise_functions(circuit, built.noise)
    circuit = with_streams(circuit)
    order = integration_order(circuit)
    try:
        _make_objects(circuit, max_cycles, built, whole)
        for name, place in order.items():
            if built.groups[name].state_updater is not None:
                built.groups[name].state_updater.order = place
        built.monitors |= _make_monitors(record or {}, cells or {}, built.groups)
        check_units(circuit, built.groups, built.synapses)
    finally:
        # also what is given up, or Brian2 would warn of every object that it deletes
        join_network(built, *built.objects())
    return built


def _make_objects(circuit: Circuit, max_cycles: int, built: BuiltNetwork, whole: bool) -> None:
    built.inputs |= _make_inputs(circuit, max_cycles)
    built.namespace |= own_functions()
    for name, array in built.inputs.items():
        built.namespace[_function_name(circuit, name)] = array
    # a clock of its own: Brian2's default one belongs to the user
    clock = b2.Clock(dt=circuit.dt * b2.ms, name="step_clock")
    built.groups[RHYTHM] = built.noise.rhythm = _make_rhythm(circuit, built.namespace, clock)
    for population in circuit.populations:
        with naming_the_place(f"equations of population {population.name!r}"):
            built.groups[population.name] = _make_group(circuit, population, built)
    _link_populations(circuit, built.groups)
    for projection in circuit.projections:
        with naming_the_place(f"equations of projection {projection.name!r}"):
            built.synapses[projection.name] = _make_synapses(circuit, projection, built, whole)
    for readout in circuit.readouts:
        built.readouts[readout.name] = _make_readout(readout, built.groups)


def join_network(built: BuiltNetwork, *parts: Any) -> None:
    """Add objects to a network, also for Brian2, which asks only once the network runs.

    Parameters
    ----------
    built : BuiltNetwork
        What they become part of.
    *parts : brian2.BrianObject
        Just made. Brian2 would warn of each that is deleted before a run.
    """
    built.network.add(*parts)
    for part in parts:
        part._network = built.network.id


def _function_name(circuit: Circuit, name: str) -> str:
    """Scalar inputs become rhythm variables of their name, read from ``<name>_given``."""
    widths = {item.name: item.width for item in circuit.inputs}
    return name if widths[name] else f"{name}_given"


def _make_inputs(circuit: Circuit, max_cycles: int) -> dict[str, b2.TimedArray]:
    return {
        item.name: b2.TimedArray(
            np.zeros((max_cycles, item.width) if item.width else max_cycles),
            dt=circuit.dt * b2.ms,
            name=f"{_function_name(circuit, item.name)}",
        )
        for item in circuit.inputs
    }


def _make_rhythm(circuit: Circuit, namespace: dict[str, object], clock: b2.Clock) -> b2.NeuronGroup:
    rhythm = b2.NeuronGroup(
        1,
        rhythm_equations(circuit),
        namespace=namespace,
        clock=clock,
        name=RHYTHM,
        # image numbers times the time step must stay exact in single precision runs
        dtype={"cycle_time": np.float64},
    )
    rhythm.cycle_step = -1
    rhythm.run_regularly(rhythm_code(circuit), when="start", order=0, name="rhythm_advance")
    for phase in circuit.phases:
        setattr(rhythm, f"steps_{phase.name}", phase.steps)
    return rhythm


def _make_group(circuit: Circuit, population: Population, built: BuiltNetwork) -> b2.NeuronGroup:
    rhythm = built.groups[RHYTHM]
    linked = linked_rhythm(circuit, _code_of_cells(circuit, population))
    counters = [f"{counter_name(e)} : integer" for e in population.events if e.counted]
    sums = [f"{sum_name(name)} : 1" for name in population.gathers]
    lines = [cell_equations(circuit, population), *(line.code for line in linked), *counters, *sums]
    group = b2.NeuronGroup(
        population.size,
        # apart from the group, which would be left half made by a mistake in them
        b2.Equations("\n".join(lines)),
        method=population.method,
        events={event.name: event.condition for event in population.events}
        | _commit_events(circuit, population),
        namespace=built.namespace,
        clock=rhythm.clock,
        name=population.name,
    )
    for line in linked:
        setattr(group, line.name, b2.linked_var(rhythm, line.name))
    for event in population.events:
        _schedule_event(group, event)
    for name in _commit_events(circuit, population):
        group.set_event_schedule(name, *_SCHEDULE["commit"][0])
    _commit_cells(group, population)
    for name, value in population.parameters.items():
        group.variables[name].set_value(value)
    return group


def _commit_events(circuit: Circuit, population: Population) -> dict[str, str]:
    """Events by which the cells of a population gather, and they and their synapses commit."""
    needed = any(p.commit and p.source == population.name for p in circuit.projections)
    events = {COMMIT: COMMIT} if needed or population.commit else {}
    return events | ({GATHER: "image_ends"} if population.gathers else {})


def _commit_cells(group: b2.NeuronGroup, population: Population) -> None:
    """Let cells sum what an image has left, and turn the sums of a batch into weights."""
    sums = {name: sum_name(name) for name in population.gathers}
    if sums:
        adding = "\n".join(f"{total} += {name}" for name, total in sums.items())
        group.run_on_event(GATHER, adding, when=_CELLS_GATHER[0], order=_CELLS_GATHER[1])
    if population.commit:
        emptied = (f"{total} = 0" for total in sums.values())
        code = "\n".join([commit_of_sums(population), *emptied])
        group.run_on_event(COMMIT, code, when=_CELLS_COMMIT[0], order=_CELLS_COMMIT[1])


def _code_of_cells(circuit: Circuit, population: Population) -> list[str]:
    """Code that reads the rhythm through a population: its own, and that of synapses on it."""
    code = [population.equations]
    for event in population.events:
        code += [event.condition, event.action]
    code += [population.commit, *_commit_events(circuit, population).values()]
    for projection in circuit.projections:
        if projection.target == population.name:
            code += [projection.equations, *(pathway.code for pathway in projection.pathways)]
            code.append(projection.commit)
    return code


def _link_populations(circuit: Circuit, groups: Mapping[str, b2.NeuronGroup]) -> None:
    for population in circuit.populations:
        held = link_names(circuit, population)
        for variable, (other, name) in population.links.items():
            with naming_the_place(f"link of {variable!r} of population {population.name!r}"):
                setattr(groups[population.name], held[variable], b2.linked_var(groups[other], name))


def _schedule_event(group: b2.NeuronGroup, event: Event) -> None:
    condition, _, action = _SCHEDULE[event.moment]
    group.set_event_schedule(event.name, when=condition[0], order=condition[1])
    statements = event.action
    if event.counted:
        statements = f"{statements}\n{counter_name(event)} += 1"
    if statements.strip():
        group.run_on_event(event.name, statements.strip(), when=action[0], order=action[1])


def _make_synapses(
    circuit: Circuit, projection: Projection, built: BuiltNetwork, whole: bool
) -> b2.Synapses:
    on_pre = {p.name: p.code for p in projection.pathways if p.side == "pre"}
    on_post = {p.name: p.code for p in projection.pathways if p.side == "post"}
    events = {pathway.name: pathway.event for pathway in projection.pathways}
    if projection.commit:
        emptied = [f"{name} = 0" for name in gathered_variables(projection)]
        on_pre[COMMIT] = "\n".join([projection.commit, *emptied])
        events[COMMIT] = COMMIT
    synapses = b2.Synapses(
        built.groups[projection.source],
        built.groups[projection.target],
        model=b2.Equations(_code_alone(projection.equations)),
        on_pre=on_pre or None,
        on_post=on_post or None,
        on_event=events,
        # one delay for all synapses instead of an array with one each
        delay={name: 0 * b2.ms for name in events},
        namespace=built.namespace,
        clock=built.groups[RHYTHM].clock,
        name=projection.name,
    )
    if not whole:
        synapses.connect(i=0, j=0)
    elif isinstance(projection.wiring, Wiring):
        _connect(circuit, projection, synapses)
    elif projection.wiring == "one_to_one":
        synapses.connect(j="i")
    elif projection.wiring == "all_but_self":
        synapses.connect(condition="i != j")
    else:
        synapses.connect()
    _schedule_pathways(circuit, projection, synapses)
    for name, value in projection.parameters.items():
        synapses.variables[name].set_value(value)
    return synapses


def _connect(circuit: Circuit, projection: Projection, synapses: b2.Synapses) -> None:
    pre, post = (circuit.population(p).size for p in (projection.source, projection.target))
    there = projection.wired.synapses(pre, post)
    synapses.connect(i=there.source, j=there.target)


def _code_alone(equations: str) -> str:
    return "\n".join(line.code for line in parse_equations(equations))


def _schedule_pathways(circuit: Circuit, projection: Projection, synapses: b2.Synapses) -> None:
    ends = {"pre": projection.source, "post": projection.target}
    for pathway in projection.pathways:
        event = circuit.population(ends[pathway.side]).event(pathway.event)
        _, delivery, _ = _SCHEDULE[event.moment]
        updater = getattr(synapses, pathway.name)
        updater.when, updater.order = delivery
    if projection.commit:
        updater = getattr(synapses, COMMIT)
        updater.when, updater.order = _SCHEDULE["commit"][1]


def _make_readout(readout: Readout, groups: Mapping[str, b2.NeuronGroup]) -> b2.EventMonitor:
    return b2.EventMonitor(
        groups[readout.population],
        readout.event,
        variables=readout.variable,
        when=_READOUT_SLOT[0],
        order=_READOUT_SLOT[1],
        name=f"readout_{readout.name}",
    )


def _make_monitors(
    record: Mapping[str, Iterable[str]],
    cells: Mapping[str, Sequence[int]],
    groups: Mapping[str, b2.NeuronGroup],
) -> dict[str, b2.StateMonitor]:
    return {
        name: b2.StateMonitor(
            groups[name],
            list(variables),
            record=list(cells[name]) if name in cells else True,
            when=_READOUT_SLOT[0],
            order=_READOUT_SLOT[1] + 1,
            name=f"monitor_{name}",
        )
        for name, variables in record.items()
    }
