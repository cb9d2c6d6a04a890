"""A model as data: the populations, projections and phases of a circuit.

A system (a file in ``models/``) returns a :class:`Circuit`. Nothing here makes
a Brian2 object, opens a file or knows a clock: the engine does. The description
is validated when it is made, can be taken apart by tests, rendered as
mathematics, and compared with what a back end can do before anything is built.

Names every equation may use
----------------------------
The engine adds a rhythm: integer counters advanced once per time step, shared
by all populations (see :data:`RHYTHM_VARIABLES`). For every phase ``p`` of the
circuit there are ``in_p`` and ``end_p``. Gating never depends on a
floating-point oscillator.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeVar

from neurosim.circuit.finite import is_finite
from neurosim.circuit.parser import parse_equations, parse_statements
from neurosim.errors import CircuitError, near_matches

__all__ = [
    "MAX_CYCLE_STEPS",
    "MOMENTS",
    "RHYTHM_VARIABLES",
    "Circuit",
    "CycleInput",
    "Event",
    "Pathway",
    "Phase",
    "Population",
    "Projection",
    "Readout",
    "Weight",
    "WeightPart",
    "circuit_from_dict",
]

Moment = Literal["onset", "sense", "send", "phase_end", "learn"]

#: The moments of one time step at which an event may be decided, in order.
MOMENTS: Mapping[str, str] = {
    "onset": "first step of a cycle, before anything else: reset the state, present the image",
    "sense": "directly after the onset: what sensory cells send arrives before somata integrate",
    "send": "after somata integrated: graded spikes are sent and arrive within the step",
    "phase_end": "after arrival, in the last step of a phase: cells take note of where they are",
    "learn": "after the notes are taken: synapses change",
}

#: Counters and gates of the rhythm that equations and conditions may name.
RHYTHM_VARIABLES: Mapping[str, str] = {
    "cycle": "number of the image within the run, from 0",
    "cycle_step": "step within the cycle, from 0",
    "phase_step": "step within the phase, from 0",
    "cycle_time": "argument for per-cycle inputs: image number times the time step",
    "onset": "true in the first step of a cycle",
    "learning": "whether synapses may change in this run",
}


#: Most time steps of one cycle. A thousand times the longest published phase: whatever needs
#: more is a mistake in a unit, and would run for hours before it answered.
MAX_CYCLE_STEPS = 1_000_000
#: Time steps that make sense, in ms; outside, times in seconds lose their precision.
_DT_RANGE = (1e-6, 1e6)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=_Named)

_LAYOUTS = ("dense", "off_diagonal", "diagonal")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


def _put(items: tuple[NamedT, ...], item: NamedT) -> tuple[NamedT, ...]:
    """The items with one in the place of that of the same name, or at the end."""
    if all(old.name != item.name for old in items):
        return (*items, item)
    return tuple(item if old.name == item.name else old for old in items)


def _check_name(kind: str, name: str) -> None:
    if not _NAME.match(name):
        raise CircuitError(
            f"{kind} name {name!r}: use lower-case letters, digits and _, a letter first "
            "(some back ends fold case)"
        )


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of the cycle.

    Attributes
    ----------
    name : str
        ``in_<name>`` and ``end_<name>`` become usable in equations.
    steps : int
        Length in time steps, from 1 to :data:`MAX_CYCLE_STEPS`.
    """

    name: str
    steps: int

    def __post_init__(self) -> None:
        _check_name("phase", self.name)
        if self.steps < 1:
            raise CircuitError(f"phase {self.name!r} has {self.steps} steps; at least 1 is needed")
        if self.steps > MAX_CYCLE_STEPS:
            raise CircuitError(
                f"phase {self.name!r} has more than {MAX_CYCLE_STEPS} steps; take a longer time "
                "step or a shorter phase"
            )


@dataclasses.dataclass(frozen=True)
class CycleInput:
    """A quantity given anew for every cycle, used in equations as ``name(cycle_time[, i])``.

    Attributes
    ----------
    name : str
        Name of the function.
    width : int
        Number of columns; 0 for one number per cycle.
    """

    name: str
    width: int = 0

    def __post_init__(self) -> None:
        _check_name("cycle input", self.name)
        if self.width < 0:
            raise CircuitError(f"cycle input {self.name!r} has width {self.width}; 0 or more")


@dataclasses.dataclass(frozen=True)
class Event:
    """Something a cell does when a condition holds.

    Attributes
    ----------
    name : str
        Event name; projections listen for it.
    condition : str
        Brian2 boolean expression over the population's variables.
    moment : str
        One of :data:`MOMENTS`.
    action : str
        Statements run for the cells that had the event: for ``send`` and
        ``sense`` after delivery, otherwise at once.
    counted : bool or str
        Whether it is counted. Every event that triggers a signal pathway must be:
        events times synapses reached are the synaptic operations of a run. Plain words,
        such as ``"graded spikes"``, say under which name runs report it.
    """

    name: str
    condition: str
    moment: Moment
    action: str = ""
    counted: bool | str = False

    def __post_init__(self) -> None:
        _check_name("event", self.name)
        if self.moment not in MOMENTS:
            raise CircuitError(
                f"event {self.name!r} at moment {self.moment!r}; "
                f"{near_matches(self.moment, MOMENTS)}"
            )


@dataclasses.dataclass(frozen=True)
class Population:
    """Cells that share equations.

    Attributes
    ----------
    name : str
        Lower-case name.
    size : int
        Number of cells.
    equations : str
        Brian2 equations, one per line with unit.
    events : tuple of Event
        What cells send, note and announce.
    parameters : mapping of str to float
        Values of the ``(shared, constant)`` parameters of the equations, in
        SI units; may be changed between runs without compiling again.
    links : mapping of str to (population, variable)
        ``(linked)`` variables read from another population: one to one from one of
        the same size, or by all cells alike from a population of one cell. What is
        read is the value from before the step, as with everything that integrates.
    method : str
        Brian2 integration method.
    role : str
        Plain words for diagrams.
    """

    name: str
    size: int
    equations: str
    events: tuple[Event, ...] = ()
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    links: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    method: str = "euler"
    role: str = ""

    def __post_init__(self) -> None:
        _check_name("population", self.name)
        if self.size < 1:
            raise CircuitError(f"population {self.name!r} has {self.size} cells; at least 1")
        names = [event.name for event in self.events]
        if len(set(names)) != len(names):
            raise CircuitError(f"population {self.name!r} declares an event twice: {names}")

    def event(self, name: str) -> Event:
        """An event of the population.

        Parameters
        ----------
        name : str
            Which one.

        Returns
        -------
        Event
            The event of that name.

        Raises
        ------
        CircuitError
            If the population has no such event.
        """
        for event in self.events:
            if event.name == name:
                return event
        raise CircuitError(
            f"population {self.name!r} has no event {name!r}; "
            f"{near_matches(name, (event.name for event in self.events))}"
        )


@dataclasses.dataclass(frozen=True)
class Pathway:
    """What a projection does when an event of its source (or target) population happens.

    Attributes
    ----------
    name : str
        Pathway name, unique in the projection.
    event : str
        Event of the ``side`` population that triggers it.
    code : str
        Brian2 synaptic statements.
    learns : bool
        True if it changes weights, False if it carries signal.
    side : {"pre", "post"}
        Which population's event it is: a projection whose one set of weights
        carries signal both ways has a pathway on each side.
    """

    name: str
    event: str
    code: str
    learns: bool = False
    side: Literal["pre", "post"] = "pre"

    def __post_init__(self) -> None:
        _check_name("pathway", self.name)
        if self.side not in ("pre", "post"):
            raise CircuitError(
                f"pathway {self.name!r} on side {self.side!r}; "
                f"{near_matches(self.side, ('pre', 'post'))}"
            )


@dataclasses.dataclass(frozen=True)
class Projection:
    """Synapses from one population to another.

    Attributes
    ----------
    name, source, target : str
        Own name and those of the populations.
    equations : str
        Synaptic variables and shared parameters.
    pathways : tuple of Pathway
        Signal and plasticity.
    wiring : {"all_to_all", "one_to_one"}
        Connectivity.
    parameters : mapping of str to float
        Values of the ``(shared, constant)`` parameters.
    role : str
        Plain words for diagrams.
    weight : str
        Public name of the weight array that its synapses hold: the variable that its
        learning pathways change, or its only variable. Projections that name the same
        array hold its diagonal (one to one) and the rest (all to all).
    rate : str
        Which of its parameters is the learning rate that a schedule scales.
    """

    name: str
    source: str
    target: str
    equations: str
    pathways: tuple[Pathway, ...]
    wiring: Literal["all_to_all", "one_to_one"] = "all_to_all"
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    role: str = ""
    weight: str = ""
    rate: str = ""

    def __post_init__(self) -> None:
        _check_name("projection", self.name)
        if self.wiring not in ("all_to_all", "one_to_one"):
            raise CircuitError(
                f"projection {self.name!r} is wired {self.wiring!r}; "
                f"{near_matches(self.wiring, ('all_to_all', 'one_to_one'))}"
            )

    def with_pathway(self, pathway: Pathway) -> Projection:
        """The projection with a pathway in place of its own of that name, or added.

        Parameters
        ----------
        pathway : Pathway
            The new one.

        Returns
        -------
        Projection
            A copy; the order of the other pathways stays.
        """
        return dataclasses.replace(self, pathways=_put(self.pathways, pathway))

    @property
    def plastic(self) -> bool:
        """Whether any pathway changes the weights."""
        return any(pathway.learns for pathway in self.pathways)


@dataclasses.dataclass(frozen=True)
class WeightPart:
    """Where a part of a named weight array lives.

    Attributes
    ----------
    projection, variable : str
        The synaptic variable.
    layout : {"dense", "off_diagonal", "diagonal"}
        How it maps to the array of shape (post, pre): all of it, all but the
        diagonal (kept at zero in the synapses), or the diagonal alone.
    """

    projection: str
    variable: str
    layout: Literal["dense", "off_diagonal", "diagonal"] = "dense"

    def __post_init__(self) -> None:
        if self.layout not in _LAYOUTS:
            raise CircuitError(
                f"weight part {self.projection}.{self.variable} is laid out {self.layout!r}; "
                f"{near_matches(self.layout, _LAYOUTS)}"
            )


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight array users read and set, of shape (post, pre) as in the paper.

    Attributes
    ----------
    name : str
        Public name, e.g. ``"W_ff_0"``.
    shape : tuple of int
        ``(n_post, n_pre)``.
    parts : tuple of WeightPart
        The synaptic variables it is made of.
    symmetric : bool
        Whether the learning rule keeps the array symmetric.
    growth : float
        Largest factor by which the rule lets an entry grow per image. 1 for weights
        that stay bounded; above it for an inverse correlation, which grows without
        bound, and rightly, where cells are silent. What grows faster has diverged.
    """

    name: str
    shape: tuple[int, int]
    parts: tuple[WeightPart, ...]
    symmetric: bool = False
    growth: float = 1.0


@dataclasses.dataclass(frozen=True)
class Readout:
    """A variable of a population, noted whenever an event happens, once per cycle.

    Attributes
    ----------
    name : str
        Name of the result.
    population, event, variable : str
        What is noted and when; the event's condition must hold for all cells
        of the population at once.
    """

    name: str
    population: str
    event: str
    variable: str


@dataclasses.dataclass(frozen=True)
class Circuit:
    """Everything the engine needs to know of a system.

    Attributes
    ----------
    name : str
        Name of the system.
    dt : float
        Time step in ms.
    phases : tuple of Phase
        The cycle, in order; at most :data:`MAX_CYCLE_STEPS` steps together.
    inputs : tuple of CycleInput
        What is given per cycle.
    populations, projections : tuple
        The wiring.
    weights : tuple of Weight
        Arrays carried from run to run. Those that projections name (see
        :attr:`Projection.weight`) are added unless they are given here.
    readouts : tuple of Readout
        Results per cycle.
    answer : str
        The readout whose argmax is the prediction.
    """

    name: str
    dt: float
    phases: tuple[Phase, ...]
    inputs: tuple[CycleInput, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    readouts: tuple[Readout, ...]
    answer: str
    weights: tuple[Weight, ...] = ()

    def __post_init__(self) -> None:
        # a frozen dataclass is filled in by this one way
        object.__setattr__(self, "weights", _with_named_weights(self))
        _check_unique(self)
        _check_time(self)
        _check_parameters(self)
        _check_wiring(self)
        _check_weights(self)
        _check_memory(self)
        _check_readouts(self)

    def population(self, name: str) -> Population:
        """A population of the circuit.

        Parameters
        ----------
        name : str
            Which one.

        Returns
        -------
        Population
            The population of that name.

        Raises
        ------
        CircuitError
            If there is none.
        """
        return _find("population", self.populations, name)

    def projection(self, name: str) -> Projection:
        """A projection of the circuit.

        Parameters
        ----------
        name : str
            Which one.

        Returns
        -------
        Projection
            The projection of that name.

        Raises
        ------
        CircuitError
            If there is none.
        """
        return _find("projection", self.projections, name)

    def weight(self, name: str) -> Weight:
        """A weight of the circuit.

        Parameters
        ----------
        name : str
            Which one.

        Returns
        -------
        Weight
            The weight of that name.

        Raises
        ------
        CircuitError
            If there is none.
        """
        return _find("weight", self.weights, name)

    def replacing(self, *parts: Population | Projection | Weight, name: str = "") -> Circuit:
        """The circuit with parts in place of its own of the same names, or added.

        Parameters
        ----------
        *parts : Population, Projection or Weight
            New parts; a name that the circuit lacks adds the part at the end.
        name : str
            Name of the new circuit; the same by default.

        Returns
        -------
        Circuit
            A copy, checked anew.

        Raises
        ------
        CircuitError
            If the parts do not fit together, or a part is of another kind.

        Examples
        --------
        >>> from neurosim import CorInfoMax
        >>> circuit = CorInfoMax().circuit()
        >>> fixed = dataclasses.replace(circuit.projection("ff_0"), role="fixed")
        >>> circuit.replacing(fixed).projection("ff_0").role
        'fixed'
        """
        lists: dict[str, tuple[Any, ...]] = {
            kind: getattr(self, kind) for kind in ("populations", "projections", "weights")
        }
        kinds = {Population: "populations", Projection: "projections", Weight: "weights"}
        for part in parts:
            kind = kinds.get(type(part))
            if kind is None:
                raise CircuitError(
                    f"a circuit has no part of type {type(part).__name__} to replace by name; "
                    "give populations, projections or weights"
                )
            lists[kind] = _put(lists[kind], part)
        return dataclasses.replace(
            self,
            name=name or self.name,
            populations=lists["populations"],
            projections=lists["projections"],
            weights=lists["weights"],
        )

    def cycle_steps(self, phases: Mapping[str, int] | None = None) -> int:
        """Steps of one cycle.

        Parameters
        ----------
        phases : mapping of str to int, optional
            Steps by phase; the circuit's own by default.

        Returns
        -------
        int
            Their sum.
        """
        lengths = self.phase_steps() if phases is None else phases
        return sum(lengths.values())

    def phase_steps(self) -> dict[str, int]:
        """Lengths of the phases in steps, by name."""
        return {phase.name: phase.steps for phase in self.phases}

    def fan_out(self, projection: Projection) -> int:
        """Targets reached by one event of the projection's source.

        Parameters
        ----------
        projection : Projection
            One of the circuit's.

        Returns
        -------
        int
            Number of cells.

        Raises
        ------
        CircuitError
            If the circuit has no such target.
        """
        if projection.wiring == "one_to_one":
            return 1
        return self.population(projection.target).size

    def fan_in(self, projection: Projection) -> int:
        """Sources reached by one event of the projection's target, if it carries signal back.

        Parameters
        ----------
        projection : Projection
            One of the circuit's.

        Returns
        -------
        int
            Number of cells.

        Raises
        ------
        CircuitError
            If the circuit has no such source.
        """
        if projection.wiring == "one_to_one":
            return 1
        return self.population(projection.source).size

    def dense_macs_per_step(self) -> int:
        """Multiply-accumulates per step if every signal pathway were a dense product."""
        total = 0
        for projection in self.projections:
            synapses = self.population(projection.source).size * self.fan_out(projection)
            total += synapses * sum(not pathway.learns for pathway in projection.pathways)
        return total

    def structure(self) -> dict[str, Any]:
        """What has to be compiled: all but the values that may change between runs.

        Returns
        -------
        dict
            JSON-able; parameter values and phase lengths are left out.
        """
        described = dataclasses.asdict(self)
        for part in (*described["populations"], *described["projections"]):
            part["parameters"] = sorted(part["parameters"])
        for part in described["projections"]:
            del part["rate"]
        for weight in described["weights"]:
            del weight["growth"]
        described["phases"] = [phase.name for phase in self.phases]
        return described

    def digest(self) -> str:
        """Hash of :meth:`structure`."""
        text = json.dumps(self.structure(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _find(kind: str, items: tuple[NamedT, ...], name: str) -> NamedT:
    for item in items:
        if item.name == name:
            return item
    raise CircuitError(f"no {kind} {name!r}; {near_matches(name, (i.name for i in items))}")


def _with_named_weights(circuit: Circuit) -> tuple[Weight, ...]:
    """The circuit's weights, with those that only its projections name."""
    given = {weight.name: weight for weight in circuit.weights}
    holders: dict[str, list[Projection]] = {}
    for projection in circuit.projections:
        if projection.weight:
            holders.setdefault(projection.weight, []).append(projection)
    found = [
        given.get(name) or _named_weight(circuit, name, together)
        for name, together in holders.items()
    ]
    return (*found, *(weight for weight in circuit.weights if weight.name not in holders))


def _named_weight(circuit: Circuit, name: str, projections: list[Projection]) -> Weight:
    first = projections[0]
    shape = (circuit.population(first.target).size, circuit.population(first.source).size)
    shared = len(projections) > 1
    parts = tuple(
        WeightPart(
            projection.name,
            _weight_variable(projection),
            "diagonal"
            if projection.wiring == "one_to_one"
            else "off_diagonal"
            if shared
            else "dense",
        )
        for projection in projections
    )
    return Weight(name, shape, parts)


def _weight_variable(projection: Projection) -> str:
    """The variable of the synapses that learning changes, or the only one they have."""
    own = [line.name for line in parse_equations(projection.equations) if line.kind == "parameter"
           and not line.is_setting]  # fmt: skip
    changed = {
        statement.target
        for pathway in projection.pathways
        if pathway.learns
        for statement in parse_statements(pathway.code)
    }
    found = [variable for variable in own if variable in changed] or own
    if len(found) != 1:
        raise CircuitError(
            f"projection {projection.name!r} names the weight {projection.weight!r}, but its "
            f"synapses have {len(found)} variables that could be it ({', '.join(found) or 'none'});"
            " give Circuit(weights=...) with a WeightPart for each"
        )
    return found[0]


def _check_unique(circuit: Circuit) -> None:
    parts: tuple[_Named, ...] = (*circuit.populations, *circuit.projections, *circuit.inputs)
    kinds: tuple[tuple[_Named, ...], ...] = (
        parts,
        circuit.phases,
        circuit.weights,
        circuit.readouts,
    )
    for items in kinds:
        _refuse_doubles(f"circuit {circuit.name!r}", [item.name for item in items])
    if not circuit.phases:
        raise CircuitError(f"circuit {circuit.name!r} has no phases; give at least one")


def _check_time(circuit: Circuit) -> None:
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


def _check_parameters(circuit: Circuit) -> None:
    """Refuse a shared parameter that is no finite number: it would silence what it enters."""
    parts: tuple[Population | Projection, ...] = (*circuit.populations, *circuit.projections)
    for part in parts:
        for name, value in part.parameters.items():
            if not is_finite(value):
                raise CircuitError(
                    f"{part.name}.{name} is not a finite number; the settings it is computed "
                    "from are too large or too small"
                )


def _refuse_doubles(owner: str, names: list[str]) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise CircuitError(f"{owner} uses a name twice: {', '.join(doubles)}")


def _check_wiring(circuit: Circuit) -> None:
    for population in circuit.populations:
        for variable, (other, _) in population.links.items():
            size = circuit.population(other).size
            if size not in (1, population.size):
                raise CircuitError(
                    f"{population.name}.{variable} is linked to {other!r}, which has {size} "
                    f"cells instead of {population.size}, or 1 that all read"
                )
    for projection in circuit.projections:
        _check_projection(circuit, projection)


def _check_projection(circuit: Circuit, projection: Projection) -> None:
    ends = {
        "pre": circuit.population(projection.source),
        "post": circuit.population(projection.target),
    }
    _refuse_doubles(f"projection {projection.name!r}", [p.name for p in projection.pathways])
    for pathway in projection.pathways:
        _check_counted(projection, pathway, ends[pathway.side])
    if projection.wiring == "one_to_one" and ends["pre"].size != ends["post"].size:
        raise CircuitError(
            f"projection {projection.name!r} is one-to-one between {ends['pre'].size} and "
            f"{ends['post'].size} cells; the sizes must agree"
        )


def _check_counted(projection: Projection, pathway: Pathway, sender: Population) -> None:
    """Refuse a signal on an event that is not counted: its synaptic operations would be unknown."""
    if not sender.event(pathway.event).counted and not pathway.learns:
        raise CircuitError(
            f"pathway {pathway.name!r} of projection {projection.name!r} carries signal on the "
            f"event {pathway.event!r} of {sender.name!r}, which is not counted; make the event "
            "with counted=True, or the pathway with learns=True if it changes weights"
        )


def _check_weights(circuit: Circuit) -> None:
    for weight in circuit.weights:
        for part in weight.parts:
            projection = circuit.projection(part.projection)
            shape = (
                circuit.population(projection.target).size,
                circuit.population(projection.source).size,
            )
            single = projection.wiring == "one_to_one"
            if single != (part.layout == "diagonal"):
                raise CircuitError(
                    f"weight {weight.name!r} takes {part.layout!r} from projection "
                    f"{projection.name!r}, which is wired {projection.wiring!r}; 'diagonal' goes "
                    "with 'one_to_one', the other layouts with 'all_to_all'"
                )
            if shape != weight.shape:
                raise CircuitError(
                    f"weight {weight.name!r} has shape {weight.shape}, but projection "
                    f"{projection.name!r} connects (post, pre) = {shape}"
                )


def _check_memory(circuit: Circuit) -> None:
    """Refuse a synaptic variable that changes but is not carried from run to run."""
    kept = {(part.projection, part.variable) for w in circuit.weights for part in w.parts}
    for projection in circuit.projections:
        declared = set(re.findall(r"^\s*(\w+)\s*:(?!.*constant)", projection.equations, re.M))
        for pathway in projection.pathways:
            changed = set(re.findall(r"(?:^|;)\s*(\w+)\s*[-+*/]?=(?!=)", pathway.code, re.M))
            for variable in sorted(changed & declared):
                if (projection.name, variable) not in kept:
                    raise CircuitError(
                        f"{projection.name}.{variable} is changed by pathway {pathway.name!r} but "
                        "belongs to no Weight, so it would start anew in every run; declare a "
                        f"Weight with WeightPart({projection.name!r}, {variable!r})"
                    )


def _check_readouts(circuit: Circuit) -> None:
    for readout in circuit.readouts:
        circuit.population(readout.population).event(readout.event)
    _find("readout", circuit.readouts, circuit.answer)


def circuit_from_dict(described: Mapping[str, Any]) -> Circuit:
    """Rebuild a circuit from :func:`dataclasses.asdict`, e.g. after a trip through JSON.

    Parameters
    ----------
    described : mapping
        What ``dataclasses.asdict(circuit)`` gave; lists may stand for tuples.

    Returns
    -------
    Circuit
        Validated anew.

    Raises
    ------
    CircuitError
        If the parts do not fit together.
    """

    def many(kind: Any, items: Any) -> tuple[Any, ...]:
        return tuple(kind(**item) for item in items)

    def population(item: Mapping[str, Any]) -> Population:
        links = {name: (link[0], link[1]) for name, link in item["links"].items()}
        return Population(**{**item, "events": many(Event, item["events"]), "links": links})

    def projection(item: Mapping[str, Any]) -> Projection:
        return Projection(**{**item, "pathways": many(Pathway, item["pathways"])})

    def weight(item: Mapping[str, Any]) -> Weight:
        shape = (item["shape"][0], item["shape"][1])
        return Weight(**{**item, "shape": shape, "parts": many(WeightPart, item["parts"])})

    return Circuit(
        name=described["name"],
        dt=described["dt"],
        phases=many(Phase, described["phases"]),
        inputs=many(CycleInput, described["inputs"]),
        populations=tuple(population(item) for item in described["populations"]),
        projections=tuple(projection(item) for item in described["projections"]),
        weights=tuple(weight(item) for item in described["weights"]),
        readouts=many(Readout, described["readouts"]),
        answer=described["answer"],
    )
