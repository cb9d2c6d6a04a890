"""The parts of a circuit together, found by name; nothing here is checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from neurosim.circuit.lookup import find_part
from neurosim.circuit.parts import CycleInput, Phase, Population, Projection, Readout, Weight

__all__ = ["Assembly"]


@dataclasses.dataclass(frozen=True)
class Assembly:
    """Fields and look-ups of a :class:`~neurosim.circuit.Circuit`, which explains them."""

    name: str
    dt: float
    phases: tuple[Phase, ...]
    inputs: tuple[CycleInput, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    readouts: tuple[Readout, ...]
    answer: str
    weights: tuple[Weight, ...] = ()

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
        return find_part("population", self.populations, name)

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
        return find_part("projection", self.projections, name)

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
        return find_part("weight", self.weights, name)

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
