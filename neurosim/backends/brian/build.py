"""The one place where Brian2 objects are made from a circuit description.

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
    end      20   readouts

Time is counted in integer steps by the rhythm, never derived from a float.
"""

from __future__ import annotations

import dataclasses
import graphlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import brian2 as b2
import numpy as np
from brian2.equations.equations import SUBEXPRESSION

from neurosim.circuit import Circuit, Event, Population, Projection
from neurosim.errors import CircuitError

__all__ = [
    "BuiltNetwork",
    "build_network",
    "counter_name",
    "explain_brian_error",
    "rhythm_code",
    "rhythm_equations",
]

RHYTHM = "rhythm"

#: (slot, order) of the condition, the delivery and the action of an event, by moment.
_SCHEDULE: Mapping[str, tuple[tuple[str, int], tuple[str, int], tuple[str, int]]] = {
    "onset": (("start", 10), ("start", 12), ("start", 11)),
    "sense": (("start", 20), ("start", 21), ("start", 22)),
    "send": (("thresholds", 0), ("synapses", 0), ("resets", 0)),
    "phase_end": (("end", 0), ("end", 2), ("end", 1)),
    "learn": (("end", 10), ("end", 11), ("end", 12)),
}
_READOUT_SLOT = ("end", 20)


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
        Functions of the per-cycle inputs, for ``network.run``.
    """

    network: b2.Network
    groups: dict[str, b2.NeuronGroup]
    synapses: dict[str, b2.Synapses]
    inputs: dict[str, b2.TimedArray]
    readouts: dict[str, b2.EventMonitor]
    monitors: dict[str, b2.StateMonitor]
    namespace: dict[str, object]


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
    return "\n".join(lines)


def build_network(
    circuit: Circuit,
    max_cycles: int,
    *,
    record: Mapping[str, Iterable[str]] | None = None,
    cells: Mapping[str, Sequence[int]] | None = None,
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
    # a clock of its own: Brian2's default one belongs to the user
    clock = b2.Clock(dt=circuit.dt * b2.ms, name="step_clock")
    inputs = _make_inputs(circuit, max_cycles)
    namespace = {_function_name(circuit, name): array for name, array in inputs.items()}
    rhythm = _make_rhythm(circuit, namespace, clock)
    groups = {RHYTHM: rhythm}
    for population in circuit.populations:
        with _told_as(f"population {population.name!r}"):
            groups[population.name] = _make_group(circuit, population, rhythm, namespace)
    _link_populations(circuit, groups)
    _order_integration(circuit, groups)
    synapses = {
        projection.name: _make_synapses(circuit, projection, groups, namespace)
        for projection in circuit.projections
    }
    readouts = _make_readouts(circuit, groups)
    monitors = _make_monitors(record or {}, cells or {}, groups)
    network = b2.Network(
        *groups.values(), *synapses.values(), *readouts.values(), *monitors.values()
    )
    built = BuiltNetwork(network, groups, synapses, inputs, readouts, monitors, namespace)
    _check_units(built)
    return built


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


def _rhythm_names(circuit: Circuit, text: str) -> list[str]:
    """Rhythm variables that a piece of model code names."""
    known = _rhythm_declarations(circuit)
    used = set(re.findall(r"[A-Za-z_]\w*", text))
    return [name for name in known if name in used]


def _rhythm_declarations(circuit: Circuit) -> dict[str, str]:
    pairs = (line.split(":") for line in rhythm_equations(circuit).splitlines())
    return {name.strip(): rest.split("(")[0].strip() for name, rest in pairs}


def _linked_rhythm(circuit: Circuit, text: str) -> tuple[str, list[str]]:
    names = _rhythm_names(circuit, text)
    declarations = _rhythm_declarations(circuit)
    equations = "\n".join(f"{name} : {declarations[name]} (linked)" for name in names)
    return equations, names


def _make_group(
    circuit: Circuit,
    population: Population,
    rhythm: b2.NeuronGroup,
    namespace: dict[str, object],
) -> b2.NeuronGroup:
    code = [_equations(circuit, population)]
    code += [f"{event.condition}\n{event.action}" for event in population.events]
    # synapses read the rhythm through the cell they end on
    code += [
        text
        for projection in circuit.projections
        if projection.target == population.name
        for text in (projection.equations, *(pathway.code for pathway in projection.pathways))
    ]
    linked, names = _linked_rhythm(circuit, "\n".join(code))
    counters = "\n".join(f"{counter_name(e)} : integer" for e in population.events if e.counted)
    group = b2.NeuronGroup(
        population.size,
        "\n".join(part for part in (_equations(circuit, population), linked, counters) if part),
        method=population.method,
        events={event.name: event.condition for event in population.events},
        namespace=namespace,
        clock=rhythm.clock,
        name=population.name,
    )
    for name in names:
        setattr(group, name, b2.linked_var(rhythm, name))
    for event in population.events:
        _schedule_event(group, event)
    for name, value in population.parameters.items():
        group.variables[name].set_value(value)
    return group


def _schedule_event(group: b2.NeuronGroup, event: Event) -> None:
    condition, _, action = _SCHEDULE[event.moment]
    group.set_event_schedule(event.name, when=condition[0], order=condition[1])
    statements = event.action
    if event.counted:
        statements = f"{statements}\n{counter_name(event)} += 1"
    if statements.strip():
        group.run_on_event(event.name, statements.strip(), when=action[0], order=action[1])


def _link_names(circuit: Circuit, population: Population) -> dict[str, str]:
    """Name under which the group holds each linked variable.

    Synapses can name a variable of their cells only where each cell has a value of its own.
    A link that all cells share is therefore held under a name beside the model's, which
    becomes an expression of each cell.
    """
    return {
        variable: variable
        if circuit.population(other).size == population.size
        else f"{variable}_of_{other}"
        for variable, (other, _) in population.links.items()
    }


def _equations(circuit: Circuit, population: Population) -> str:
    """The model's equations, with shared links held apart; see :func:`_link_names`."""
    equations = population.equations
    for variable, held in _link_names(circuit, population).items():
        if held != variable:
            declared = rf"^[ \t]*{variable}[ \t]*:([^(#\n]+)\([ \t]*linked[ \t]*\)"
            both = rf"{variable} = {held} :\1\n{held} :\1(linked)"
            equations = re.sub(declared, both, equations, flags=re.M)
    return equations


def _link_populations(circuit: Circuit, groups: Mapping[str, b2.NeuronGroup]) -> None:
    for population in circuit.populations:
        held = _link_names(circuit, population)
        for variable, (other, name) in population.links.items():
            with _told_as(f"population {population.name!r}"):
                setattr(groups[population.name], held[variable], b2.linked_var(groups[other], name))


def _order_integration(circuit: Circuit, groups: Mapping[str, b2.NeuronGroup]) -> None:
    """Let readers of a link integrate before the state they read does.

    Brian2 steps one group after the other, in alphabetical order if nobody says
    otherwise, and a link shows the group it reads as it is at that moment.
    """
    readers: dict[str, set[str]] = defaultdict(set)
    for population in circuit.populations:
        for read in _states_read(circuit, groups, population) - {population.name}:
            readers[read].add(population.name)
    try:
        order = list(graphlib.TopologicalSorter(readers).static_order())
    except graphlib.CycleError as error:
        raise CircuitError(
            f"populations {' and '.join(map(repr, sorted(set(error.args[1]))))} read each other's "
            "integrated state by links, so not all can see it as it was before the step; send "
            "one of the values as an event, or keep both states in one population"
        ) from error
    rank: dict[str, int] = {}
    for name in order:
        rank[name] = max((rank[reader] + 1 for reader in readers[name]), default=0)
        if groups[name].state_updater is not None:
            groups[name].state_updater.order = rank[name]


def _states_read(
    circuit: Circuit, groups: Mapping[str, b2.NeuronGroup], population: Population
) -> set[str]:
    """Populations whose integrated state the differential equations of one read by links."""
    equations = groups[population.name].equations
    integrated = equations.diff_eq_names
    start = {name for variable in integrated for name in equations[variable].identifiers}
    seen: set[tuple[str, str]] = set()
    found: set[str] = set()
    waiting = [(population.name, name) for name in start - integrated]
    while waiting:
        owner, name = waiting.pop()
        equations = groups[owner].equations
        if (owner, name) in seen or name not in equations:
            continue
        seen.add((owner, name))
        if name in equations.diff_eq_names:
            found.add(owner)
        elif equations[name].type == SUBEXPRESSION:
            waiting += [(owner, inner) for inner in equations[name].identifiers]
        else:
            reader = circuit.population(owner)
            held = _link_names(circuit, reader)
            waiting += [target for link, target in reader.links.items() if held[link] == name]
    return found


def _make_synapses(
    circuit: Circuit,
    projection: Projection,
    groups: Mapping[str, b2.NeuronGroup],
    namespace: dict[str, object],
) -> b2.Synapses:
    on_pre = {p.name: p.code for p in projection.pathways if p.side == "pre"}
    on_post = {p.name: p.code for p in projection.pathways if p.side == "post"}
    synapses = b2.Synapses(
        groups[projection.source],
        groups[projection.target],
        model=projection.equations,
        on_pre=on_pre or None,
        on_post=on_post or None,
        on_event={pathway.name: pathway.event for pathway in projection.pathways},
        # one delay for all synapses instead of an array with one each
        delay={pathway.name: 0 * b2.ms for pathway in projection.pathways},
        namespace=namespace,
        clock=groups[RHYTHM].clock,
        name=projection.name,
    )
    if projection.wiring == "one_to_one":
        synapses.connect(j="i")
    else:
        synapses.connect()
    _schedule_pathways(circuit, projection, synapses)
    for name, value in projection.parameters.items():
        synapses.variables[name].set_value(value)
    return synapses


def _schedule_pathways(circuit: Circuit, projection: Projection, synapses: b2.Synapses) -> None:
    ends = {"pre": projection.source, "post": projection.target}
    for pathway in projection.pathways:
        event = circuit.population(ends[pathway.side]).event(pathway.event)
        _, delivery, _ = _SCHEDULE[event.moment]
        updater = getattr(synapses, pathway.name)
        updater.when, updater.order = delivery


def _make_readouts(
    circuit: Circuit, groups: Mapping[str, b2.NeuronGroup]
) -> dict[str, b2.EventMonitor]:
    return {
        readout.name: b2.EventMonitor(
            groups[readout.population],
            readout.event,
            variables=readout.variable,
            when=_READOUT_SLOT[0],
            order=_READOUT_SLOT[1],
            name=f"readout_{readout.name}",
        )
        for readout in circuit.readouts
    }


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


def _check_units(built: BuiltNetwork) -> None:
    """Surface unit errors here, by name, instead of at the first run."""
    for name, group in built.groups.items():
        with _told_as(f"population {name!r}"):
            group.equations.check_units(group, run_namespace={})


@contextmanager
def _told_as(owner: str) -> Iterator[None]:
    """Turn what Brian2 says of equations into a :class:`CircuitError` that names their owner."""
    try:
        yield
    except (b2.DimensionMismatchError, KeyError, SyntaxError, TypeError, ValueError) as error:
        raise CircuitError(f"equations of {owner}: {explain_brian_error(error)}") from error


def explain_brian_error(error: BaseException) -> str:
    """One line for a mistake that Brian2 found: the object it is in, and the root cause.

    Parameters
    ----------
    error : BaseException
        What Brian2 raised while it prepared a run.

    Returns
    -------
    str
        For example ``"ff_0_plasticity: The identifier 'muu' could not be resolved."``.
    """
    where = re.search(r"object named '(\w+)'", str(error))
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    reason = " ".join(str(root.args[0] if root.args else root).split())
    return f"{where.group(1)}: {reason}" if where else reason
