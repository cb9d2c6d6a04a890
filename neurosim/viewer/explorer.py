"""Sliders for parameters, and the shared parameters of the circuit that follow from them."""

from __future__ import annotations

import dataclasses

from neurosim.circuit import Circuit
from neurosim.errors import ParameterError, near_matches
from neurosim.system import System
from neurosim.system.parameters import describe_parameters

__all__ = ["Explorer", "Knob"]


@dataclasses.dataclass(frozen=True)
class Knob:
    """A slider.

    Attributes
    ----------
    name : str
        A parameter of the system, a parameter of a layer's cells, or an input of the cycle.
    unit : str
        Unit of the values; empty if they have none.
    value, low, high : float
        Present value, and range.
    """

    name: str
    unit: str
    value: float
    low: float
    high: float


class Explorer:
    """Values of the sliders, and the shared parameters of the circuit that follow from them.

    The compiled program takes these parameters when it starts, so no slider makes it
    necessary to compile again.

    Parameters
    ----------
    system : System
        Gives the first values of the sliders.
    beta : float
        First value of the signed nudge.
    """

    def __init__(self, system: System, beta: float) -> None:
        self._system = system
        self._circuit = system.circuit()
        self._start_beta = beta
        self._scalars = {item.name for item in self._circuit.inputs if not item.width}
        self._fields = set(describe_parameters(system))
        self.reset()

    def reset(self) -> None:
        """Set all sliders to their first values."""
        self.beta = self._start_beta
        self._changed: dict[str, float] = {}
        self._overrides: dict[str, float] = {}

    def knobs(self, population: str) -> list[Knob]:
        """The sliders for a layer's population, at their present values.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        list of Knob
            Of the parameters that :meth:`System.explorable` names, those that affect it.
        """
        return [
            self._knob(name, population)
            for name in self._system.explorable()
            if self._kind(name, population)
        ]

    def set(self, name: str, value: float, population: str) -> None:
        """Move a slider.

        Parameters
        ----------
        name : str
            As :attr:`Knob.name`.
        value : float
            New value, in :attr:`Knob.unit`.
        population : str
            Population of the layer in view; a parameter of cells changes in this layer only.

        Raises
        ------
        ParameterError
            If there is no such slider for the population, or the system refuses the value;
            nothing is changed then.
        """
        kind = self._kind(name, population)
        if not kind:
            there = near_matches(name, [knob.name for knob in self.knobs(population)])
            raise ParameterError(f"{population} has no parameter {name!r}; {there}")
        if kind == "scalar":
            if value == 0:
                raise ParameterError(f"{name} = 0 is no nudge; move the slider past it")
            self.beta = value
        elif kind == "cells":
            self._overrides[f"{population}.{name}"] = value
        else:
            changed = {**self._changed, name: value}
            circuit = self._make(changed)
            before = self._parameters(self._make(self._changed))
            after = self._parameters(circuit)
            self._changed = changed
            # values set by hand give way to those that follow from this parameter
            for key in [k for k in self._overrides if before[k] != after[k]]:
                del self._overrides[key]

    def parameters(self) -> dict[str, float]:
        """Shared parameters of cells, by ``"population.parameter"``."""
        return {**self._parameters(self._make(self._changed)), **self._overrides}

    def changes(self) -> dict[str, float]:
        """Those of :meth:`parameters` that differ from their first values."""
        start = self._parameters(self._circuit)
        return {name: v for name, v in self.parameters().items() if v != start[name]}

    def _make(self, changed: dict[str, float]) -> Circuit:
        circuit = dataclasses.replace(self._system, **changed).circuit()  # type: ignore[arg-type]
        if circuit.digest() != self._circuit.digest():
            raise ParameterError("this value needs another circuit; set it when training")
        return circuit

    @staticmethod
    def _parameters(circuit: Circuit) -> dict[str, float]:
        return {
            f"{population.name}.{name}": value
            for population in circuit.populations
            for name, value in population.parameters.items()
        }

    def _kind(self, name: str, population: str) -> str:
        if name in self._scalars:
            return "scalar"
        if name in self._fields:
            return "field"
        return "cells" if name in self._circuit.population(population).parameters else ""

    def _knob(self, name: str, population: str) -> Knob:
        kind = self._kind(name, population)
        if kind == "scalar":
            size = max(2.0, 2 * abs(self._start_beta))
            return Knob(name, "", self.beta, -size, size)
        if kind == "field":
            info = describe_parameters(self._system)[name]
            start = float(getattr(self._system, name))
            unit = "" if info.unit == "1" else info.unit
            low, high = _range(start, from_zero=info.low == 0 and not info.open_low)
            low = low if info.low is None else max(low, info.low)
            high = high if info.high is None else min(high, info.high)
            return Knob(name, unit, self._changed.get(name, start), low, high)
        now = self.parameters()[f"{population}.{name}"]
        start = self._circuit.population(population).parameters[name]
        return Knob(name, "", now, *_range(start, from_zero=True))


def _range(start: float, *, from_zero: bool) -> tuple[float, float]:
    """From a quarter to four times the value, or from 0 if 0 is allowed."""
    if start < 0:
        low, high = _range(-start, from_zero=from_zero)
        return -high, -low
    if start and not from_zero:
        return start / 4, 4 * start
    return 0.0, 4 * start if start > 0.05 else max(10 * start, 0.1)
