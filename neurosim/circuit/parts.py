"""The parts a circuit is made of: phases, inputs, events, cells, synapses, weights, readouts.

A part checks itself when it is made; :mod:`neurosim.circuit.checks` looks at parts together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from neurosim.circuit.kinds import check_kinds
from neurosim.circuit.lookup import with_part
from neurosim.circuit.names import check_part_name, check_variable_name
from neurosim.circuit.population import MOMENTS, Event, Population
from neurosim.circuit.wirings import Named, NamedWiring, Wiring, as_wiring
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

Layout = Literal["dense", "off_diagonal", "diagonal", "natural"]

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


_LAYOUTS = ("dense", "off_diagonal", "diagonal", "natural")


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of the cycle, of a number of time steps.

    Attributes
    ----------
    name : str
        ``in_<name>`` and ``end_<name>`` become usable in equations.
    steps : int
        Length in time steps, from 1 to :data:`MAX_CYCLE_STEPS`.
    meets : bool
        Where a circuit learns, the phase runs once for every image of the batch, which cells
        meet one after the other; see :attr:`Population.meets`. At most one phase does so.
    """

    name: str
    steps: int
    meets: bool = False

    def __post_init__(self) -> None:
        check_kinds(self)
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
        check_kinds(self)
        check_part_name("cycle input", self.name)
        check_variable_name("a circuit's input", self.name)
        if self.width < 0:
            raise CircuitError(
                f"cycle input {self.name!r} has width {self.width}; use 0 for one number per "
                "cycle, or the number of columns"
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
        check_kinds(self)
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
    wiring : str or Wiring
        Connectivity: ``"all_to_all"``, ``"all_but_self"``, ``"one_to_one"`` (the latter two
        join populations of one size, and ``"all_but_self"`` leaves out the synapses of the
        cells ``i`` with ``i``), or an object such as :class:`~neurosim.circuit.Windows`.
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
    wiring: NamedWiring | Wiring = "all_to_all"
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    role: str = ""
    weight: str = ""
    rate: str = ""
    commit: str = ""
    states: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_kinds(self)
        check_part_name("projection", self.name)
        wired = as_wiring(self.wiring, f"projection {self.name!r}")
        object.__setattr__(self, "wiring", wired.kind if isinstance(wired, Named) else wired)
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
    def wired(self) -> Wiring:
        """Its wiring as an object."""
        return as_wiring(self.wiring, self.name)

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
    layout : {"dense", "off_diagonal", "diagonal", "natural"}
        How it maps to the array of shape (post, pre): all of it, all but the
        diagonal (kept at zero in the synapses), or the diagonal alone. ``"natural"``: the
        array has the natural shape of the wiring, which says where its synapses lie.
    """

    projection: str
    variable: str
    layout: Layout = "dense"

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.layout not in _LAYOUTS:
            raise CircuitError(
                f"weight part {self.projection}.{self.variable} is laid out {self.layout!r}; "
                f"{near_matches(self.layout, _LAYOUTS)}"
            )


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight array users read and set: of synapses, or of cells.

    Attributes
    ----------
    name : str
        Public name, e.g. ``"W_ff_0"``.
    shape : tuple of int
        ``(n_post, n_pre)``, or as the wiring says, such as (out, in, kernel, kernel);
        ``(n,)`` for one value per cell.
    parts : tuple of WeightPart
        The synaptic variables it is made of; empty for a variable of cells.
    symmetric : bool
        Whether the learning rule keeps the array symmetric.
    growth : float
        Largest factor by which the rule lets an entry grow per image. 1 for weights
        that stay bounded; above it for an inverse correlation, which grows without
        bound where cells are silent. A weight that grows faster has diverged.
    kind : {"weight", "state"}
        A state is what a rule remembers from update to update, such as the means of an
        optimiser: it starts at 0, and figures and bounds on weights leave it out.
    population, variable : str
        The population and the variable of its cells, for one value per cell. Circuits add
        such arrays by themselves where :attr:`Population.weights` or
        :attr:`Population.states` names them.
    """

    name: str
    shape: tuple[int, ...]
    parts: tuple[WeightPart, ...] = ()
    symmetric: bool = False
    growth: float = 1.0
    kind: Literal["weight", "state"] = "weight"
    population: str = ""
    variable: str = ""

    def __post_init__(self) -> None:
        check_kinds(self)
        if bool(self.parts) == bool(self.population) or (
            bool(self.population) != bool(self.variable)
        ):
            raise CircuitError(
                f"weight {self.name!r} needs parts, which say what synapses hold it, or a "
                "population and a variable of its cells"
            )


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

    def __post_init__(self) -> None:
        check_kinds(self)
