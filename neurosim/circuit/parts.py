"""The parts a circuit is made of: phases, inputs, events, cells, synapses, weights, readouts.

A part checks itself when it is made; :mod:`neurosim.circuit.checks` looks at parts together.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal, get_args

from neurosim.circuit.lookup import with_part
from neurosim.circuit.names import check_part_name, check_variable_name
from neurosim.errors import CircuitError, near_matches

__all__ = [
    "MAX_CYCLE_STEPS",
    "MOMENTS",
    "RHYTHM_VARIABLES",
    "CycleInput",
    "Event",
    "Layout",
    "Pathway",
    "Phase",
    "Population",
    "Projection",
    "Readout",
    "Weight",
    "WeightPart",
]

Moment = Literal["onset", "sense", "send", "phase_end", "learn"]
Layout = Literal["dense", "off_diagonal", "diagonal"]
#: Which pairs of cells a projection joins.
Wiring = Literal["all_to_all", "all_but_self", "one_to_one"]

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
    "cycle_step": "step within the cycle, from 0",
    "phase_step": "step within the phase, from 0",
    "cycle_time": "argument of per-cycle inputs, and of nothing else",
    "onset": "true in the first step of a cycle",
    "learning": "whether synapses may change in this run",
    "batch": "images gathered so far in this batch; a commit reads it",
    "commits": "number of the commit, from 1 and through all epochs; a commit reads it",
}


#: Most time steps of one cycle, a thousand times the longest published phase. A longer cycle
#: is a mistake in a unit, and would run for hours.
MAX_CYCLE_STEPS = 1_000_000


_LAYOUTS = ("dense", "off_diagonal", "diagonal")
#: Words under which a count is reported, such as "SST samples".
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[ -][A-Za-z0-9]+)*\Z")


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of the cycle, of a number of time steps.

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
        check_part_name("phase", self.name)
        if self.steps < 1:
            raise CircuitError(f"phase {self.name!r} has {self.steps} steps; at least 1 is needed")
        if self.steps > MAX_CYCLE_STEPS:
            raise CircuitError(
                f"phase {self.name!r} has more than {MAX_CYCLE_STEPS} steps; take a longer time "
                "step or a shorter phase"
            )


@dataclasses.dataclass(frozen=True)
class CycleInput:
    """A quantity given for every cycle.

    With columns it is read as ``name(cycle_time, i)``; one number per cycle is a
    variable of its name.

    Attributes
    ----------
    name : str
        Name in equations.
    width : int
        Number of columns; 0 for one number per cycle.
    """

    name: str
    width: int = 0

    def __post_init__(self) -> None:
        check_part_name("cycle input", self.name)
        check_variable_name("a circuit's input", self.name)
        if self.width < 0:
            raise CircuitError(
                f"cycle input {self.name!r} has width {self.width}; use 0 for one number per "
                "cycle, or the number of columns"
            )


@dataclasses.dataclass(frozen=True)
class Event:
    """What cells do when a condition holds.

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
        check_part_name("event", self.name)
        if self.moment not in MOMENTS:
            raise CircuitError(
                f"event {self.name!r} at moment {self.moment!r}; "
                f"{near_matches(self.moment, MOMENTS)}"
            )
        if not isinstance(self.counted, bool) and not _LABEL.match(str(self.counted)):
            raise CircuitError(
                f"event {self.name!r} is counted as {self.counted!r}; use True, False or plain "
                "words of letters, digits, single spaces and hyphens, such as 'graded spikes'"
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
        What cells send and note, and when their synapses learn.
    parameters : mapping of str to float
        Values of the ``(shared, constant)`` parameters of the equations, in
        SI units; may be changed between runs without compiling again.
    links : mapping of str to (population, variable)
        ``(linked)`` variables read from another population: cell by cell from one of
        the same size, or the same value by all cells from a population of one cell.
        Cells read the value that it has before the step.
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
        check_part_name("population", self.name)
        if self.size < 1:
            raise CircuitError(
                f"population {self.name!r} has {self.size} cells; at least 1 is needed"
            )
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
        check_part_name("pathway", self.name)
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
    wiring : {"all_to_all", "all_but_self", "one_to_one"}
        Connectivity; the latter two join populations of one size, and ``"all_but_self"``
        leaves out the synapses of the cells ``i`` with ``i``.
    parameters : mapping of str to float
        Values of the ``(shared, constant)`` parameters.
    role : str
        Plain words for diagrams.
    weight : str
        Public name of the weight array that its synapses hold: the variable that its
        learning pathways change, or its only variable. Projections that name the same
        array hold its diagonal (one to one) and the rest (all but self).
    rate : str
        Which of its parameters is the learning rate that a schedule scales.
    commit : str
        Statements that every synapse runs once every batch, such as ``w += g/batch``: its
        learning pathways then only gather, ``g += ...``, and read no weight. ``batch`` is
        the number of images gathered, ``commits`` the number of this commit, from 1;
        afterwards the sum is 0 again. Without a commit, learning pathways change weights
        at once, and a batch is one image.
    states : tuple of str
        Variables of the synapses that last from update to update beside the weight, such
        as the means of an optimiser. Each is an array named ``weight_variable`` that
        starts at 0.
    """

    name: str
    source: str
    target: str
    equations: str
    pathways: tuple[Pathway, ...]
    wiring: Wiring = "all_to_all"
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    role: str = ""
    weight: str = ""
    rate: str = ""
    commit: str = ""
    states: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_part_name("projection", self.name)
        if self.wiring not in get_args(Wiring):
            raise CircuitError(
                f"projection {self.name!r} is wired {self.wiring!r}; "
                f"{near_matches(self.wiring, get_args(Wiring))}"
            )
        if self.states and not self.weight:
            raise CircuitError(
                f"projection {self.name!r} has states, which are named after its weight: give "
                "Projection(weight=...), too"
            )
        if self.rate and self.rate not in self.parameters:
            raise CircuitError(
                f"projection {self.name!r} names the learning rate {self.rate!r}, which is none "
                f"of its parameters; {near_matches(self.rate, self.parameters)}"
            )

    def with_pathway(self, pathway: Pathway) -> Projection:
        """A copy in which a pathway replaces that of the same name, or is added.

        Parameters
        ----------
        pathway : Pathway
            The new one.

        Returns
        -------
        Projection
            A copy; the order of the other pathways stays.
        """
        return dataclasses.replace(self, pathways=with_part(self.pathways, pathway))

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
    layout: Layout = "dense"

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
        bound where cells are silent. A weight that grows faster has diverged.
    kind : {"weight", "state"}
        A state is what a rule remembers from update to update, such as the means of an
        optimiser: it starts at 0, and figures and bounds on weights leave it out.
    """

    name: str
    shape: tuple[int, int]
    parts: tuple[WeightPart, ...]
    symmetric: bool = False
    growth: float = 1.0
    kind: Literal["weight", "state"] = "weight"


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
