"""Cells: what they compute, send, note and learn, and at which moment of a step."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal

from neurosim.circuit.kinds import check_kinds
from neurosim.circuit.names import check_part_name
from neurosim.errors import CircuitError, near_matches

__all__ = ["MOMENTS", "Event", "Population"]

Moment = Literal["onset", "sense", "send", "phase_end", "learn"]

#: The moments of one time step at which an event may be decided, in order.
MOMENTS: Mapping[str, str] = {
    "onset": "first step of a cycle, before anything else: reset the state, present the image",
    "sense": "directly after the onset: what sensory cells send arrives before somata integrate",
    "send": "after somata integrated: graded spikes are sent and arrive within the step",
    "phase_end": "after arrival, in the last step of a phase: cells take note of where they are",
    "learn": "after the notes are taken: synapses change",
}

#: Words under which a count is reported, such as "SST samples".
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[ -][A-Za-z0-9]+)*\Z")


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
        if not isinstance(self.counted, bool) and not _LABEL.match(str(self.counted)):
            raise CircuitError(
                f"event {self.name!r} is counted as {self.counted!r}; use True, False or plain "
                "words of letters, digits, single spaces and hyphens, such as 'graded spikes'"
            )
        check_kinds(self)
        check_part_name("event", self.name)
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
    weights : mapping of str to str
        Variables of the cells that are weights, such as biases and thresholds, and the
        names of their arrays, of shape (size,). They last from image to image.
    states : mapping of str to str
        Likewise for what else lasts: the previous image, a running mean, the means of an
        optimiser. Their arrays start at 0.
    gathers : tuple of str
        Variables of the cells whose values at the end of every image are summed for the
        commit.
    commit : str
        Statements that every cell runs once every batch, last of all in the step, such as
        ``b += eta/batch*g``. They set weights and states and may read these, the sums of
        ``gathers`` by their names, parameters, ``batch`` and ``commits``.
    rates : tuple of str
        Parameters that are learning rates, which a schedule scales.
    meets : mapping of str to str
        Variables that hold, in a phase in which images meet, what the same cell has at the
        image met: by the name of the variable the one that is seen there, as it was when the
        phase began. Without learning no image is met.
    averages : mapping of str to str
        Variables that become, at the end of that phase, the mean of another variable of the
        cell over the images of the batch.
    """

    name: str
    size: int
    equations: str
    events: tuple[Event, ...] = ()
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    links: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    method: str = "euler"
    role: str = ""
    weights: Mapping[str, str] = dataclasses.field(default_factory=dict)
    states: Mapping[str, str] = dataclasses.field(default_factory=dict)
    gathers: tuple[str, ...] = ()
    commit: str = ""
    rates: tuple[str, ...] = ()
    meets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    averages: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_kinds(self)
        check_part_name("population", self.name)
        twice = sorted(self.weights.keys() & self.states)
        if twice:
            raise CircuitError(
                f"population {self.name!r} names {twice[0]!r} as a weight and as a state; leave it "
                "out of one of them"
            )
        for rate in self.rates:
            if rate not in self.parameters:
                raise CircuitError(
                    f"population {self.name!r} names the learning rate {rate!r}, which is none "
                    f"of its parameters; {near_matches(rate, self.parameters)}"
                )
        if self.size < 1:
            raise CircuitError(
                f"population {self.name!r} has {self.size} cells; at least 1 is needed"
            )
        names = [event.name for event in self.events]
        if len(set(names)) != len(names):
            raise CircuitError(f"population {self.name!r} declares an event twice: {names}")

    @property
    def kept(self) -> dict[str, str]:
        """Variables that last from image to image, with the names of their arrays."""
        return {**self.weights, **self.states}

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
