"""Images of a batch that meet, in Brian2: one network shows them in turn, and goes back to each.

Brian2 holds one image at a time. So all images of a batch are shown up to the phase in which
they meet, and the state of the cells after each is kept. Then the network goes back to every
image, lets it meet all others, and goes back again for the rest of its cycle. The rhythm, which
is state as well, makes every phase, learning and commit happen when it should.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import brian2 as b2
import numpy as np
from brian2.core.variables import ArrayVariable
from numpy.typing import NDArray

from neurosim.backends.brian.build import BuiltNetwork, counter_name, join_network
from neurosim.backends.brian.rhythm import RHYTHM
from neurosim.circuit import Circuit
from neurosim.circuit.kept import cell_weights, sum_name
from neurosim.circuit.meetings import meeting_phase

__all__ = ["Meetings"]

State = dict[tuple[str, str], NDArray[Any]]


class Meetings:
    """Leads a network through batches whose images meet.

    Parameters
    ----------
    circuit : Circuit
        One with a phase in which images meet.
    built : BuiltNetwork
        Its Brian2 objects; an operation is added that runs before every time step.
    """

    def __init__(self, circuit: Circuit, built: BuiltNetwork) -> None:
        self._circuit = circuit
        self._groups = built.groups
        self._variables = dict(_variables_of_images(circuit, built))
        self._script: Iterator[int] | None = None
        self._left = 0
        self.operation = b2.NetworkOperation(
            self._before_step, clock=built.groups[RHYTHM].clock, when="start", order=-1,
            name="meetings",
        )  # fmt: skip
        join_network(built, self.operation)

    def prepare(self, lengths: Mapping[str, int], images: int, batch: int, learning: bool) -> int:
        """Plan a run.

        Parameters
        ----------
        lengths : mapping of str to int
            Steps of every phase.
        images, batch : int
            How many images, and how many between two commits.
        learning : bool
            Whether the circuit learns; otherwise no image meets another.

        Returns
        -------
        int
            Time steps of the whole run.
        """
        steps, phase = sum(lengths.values()), meeting_phase(self._circuit)
        self.operation.active = learning
        if not learning or phase is None:
            return images * steps
        names = list(lengths)
        before = sum(lengths[name] for name in names[: names.index(phase.name)])
        during, sizes = lengths[phase.name], [len(b) for b in _batches(images, batch)]
        self._left = 0
        self._script = self._lead(images, batch, before, during, steps - before - during)
        return images * (steps - during) + during * sum(size**2 for size in sizes)

    def _before_step(self) -> None:
        while self._left == 0 and self._script is not None:
            self._left = next(self._script, -1)
        self._left -= 1

    def _lead(self, images: int, batch: int, before: int, during: int, after: int) -> Iterator[int]:
        """Put the state in order, and say how many steps shall follow."""
        for numbers in _batches(images, batch):
            shown = []
            for number in numbers:
                self._set_rhythm(cycle=number, cycle_step=-1)
                yield before
                shown.append(self._state())
            met = []
            for state in shown:
                self._restore(state)
                for other in shown:
                    self._set_rhythm(cycle_step=before - 1)
                    self._meet(other)
                    yield during
                met.append(self._state())
            self._average(met)
            for state in met:
                self._restore(state)
                yield after

    def _set_rhythm(self, **values: int) -> None:
        for name, value in values.items():
            self._groups[RHYTHM].variables[name].set_value(value)

    def _state(self) -> State:
        return {key: np.array(variable.get_value()) for key, variable in self._variables.items()}

    def _restore(self, state: State) -> None:
        for key, values in state.items():
            self._variables[key].get_value()[:] = values

    def _pairs(self, of: Callable[[Any], Mapping[str, str]]) -> Iterator[tuple[Any, Any]]:
        for cells in self._circuit.populations:
            for variable, source in of(cells).items():
                yield (cells.name, variable), (cells.name, source)

    def _meet(self, other: State) -> None:
        for variable, source in self._pairs(lambda cells: cells.meets):
            self._variables[variable].get_value()[:] = other[source]

    def _average(self, states: list[State]) -> None:
        """The mean over the images, summed in the order in which they were shown."""
        for variable, source in self._pairs(lambda cells: cells.averages):
            total = np.zeros_like(states[0][source])
            for state in states:
                total += state[source]
            for state in states:
                state[variable] = total / total.dtype.type(len(states))


def _batches(images: int, batch: int) -> Iterator[range]:
    return (range(first, min(first + batch, images)) for first in range(0, images, batch))


def _variables_of_images(
    circuit: Circuit, built: BuiltNetwork
) -> Iterator[tuple[tuple[str, str], ArrayVariable]]:
    """What belongs to an image: all that cells and the rhythm store, but what lasts and counts."""
    lasting = {(weight.population, weight.variable) for weight in cell_weights(circuit)}
    for cells in circuit.populations:
        lasting |= {(cells.name, sum_name(name)) for name in cells.gathers}
        lasting |= {(cells.name, counter_name(event)) for event in cells.events}
    for name, group in built.groups.items():
        for variable in group.variables.values():
            # a link is a variable of another group
            if not isinstance(variable, ArrayVariable) or variable.owner.name != name:
                continue
            fixed = variable.read_only or variable.constant
            if not fixed and (name, variable.name) not in lasting:
                yield (name, variable.name), variable
