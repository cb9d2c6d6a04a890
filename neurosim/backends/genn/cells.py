"""What cells do in a step of GeNN.

GeNN delivers the events of a step at the beginning of the next one, and then updates the
cells. A step of the circuit is therefore told from there: what was sent arrives; a phase ends,
and its last step with it; the next step begins, and cells sense, integrate and send. What a
pathway reads of its cells it reads in the next step of GeNN, so cells keep it apart.

Populations that link to each other are one population of GeNN. A single cell that others read
is a part of each of them, which all do the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from brian2.core.variables import Constant

from neurosim.backends.brian.build import BuiltNetwork, counter_name
from neurosim.backends.brian.links import integration_order
from neurosim.backends.brian.rhythm import RHYTHM
from neurosim.backends.genn.expressions import genn_type, group_statements
from neurosim.circuit import Circuit, Event, Population

__all__ = ["GennNeurons", "flag_name", "kept_name", "linked", "write_cells"]


@dataclasses.dataclass
class GennNeurons:
    """A population of GeNN.

    Attributes
    ----------
    name, code : str
        Its name, and what every cell does in a step.
    size : int
        Number of cells.
    variables, parameters : dict of str to str
        Types by name.
    delivered : list of str
        Variables to which synapses add.
    given, noted : dict of str to int
        Columns of inputs and of readouts.
    """

    name: str
    size: int
    delivered: list[str]
    variables: dict[str, str]
    code: str = ""
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    given: dict[str, int] = dataclasses.field(default_factory=dict)
    noted: dict[str, int] = dataclasses.field(default_factory=dict)


def flag_name(population: str, event: str) -> str:
    """Variable that says whether a cell has an event.

    Parameters
    ----------
    population, event : str
        Their names.

    Returns
    -------
    str
        A name in the model of GeNN.
    """
    return f"{population}__has_{event}"


def kept_name(population: str, moment: str, variable: str) -> str:
    """Variable that holds another one as it was at a moment.

    Parameters
    ----------
    population, moment, variable : str
        Their names.

    Returns
    -------
    str
        A name in the model of GeNN.
    """
    return f"{population}__at_{moment}_{variable}"


def linked(circuit: Circuit) -> dict[str, str]:
    """For every population the first by name of those that links join it with."""
    first = {population.name: population.name for population in circuit.populations}
    for population in circuit.populations:
        for other, _ in population.links.values():
            joined = {first[population.name], first[other]}
            first = {p: min(joined) if f in joined else f for p, f in first.items()}
    return first


def write_cells(
    circuit: Circuit,
    built: BuiltNetwork,
    dtype: np.dtype[Any],
    neurons: GennNeurons,
    kept: Collection[tuple[str, str, str]],
    *,
    twice: bool,
) -> None:
    """Write what the cells of a population of GeNN do.

    Parameters
    ----------
    circuit : Circuit
        What they belong to.
    built : BuiltNetwork
        Its Brian2 objects.
    dtype : numpy.dtype
        Precision.
    neurons : GennNeurons
        With the flags of events that pathways hear; code, variables, parameters, inputs and
        readouts are added.
    kept : collection of (str, str, str)
        Population, moment and variable of what pathways read of cells.
    twice : bool
        Whether a step of the circuit takes two steps of GeNN, since what cells sense may
        arrive in any step, and not in the first of a cycle only.
    """
    first = linked(circuit)
    members = [p for p in circuit.populations if first[p.name] == neurons.name]
    _Writer(circuit, built, dtype, neurons, members, kept).write(twice)


class _Writer:
    def __init__(
        self,
        circuit: Circuit,
        built: BuiltNetwork,
        dtype: np.dtype[Any],
        neurons: GennNeurons,
        members: list[Population],
        kept: Collection[tuple[str, str, str]],
    ) -> None:
        self._circuit, self._built, self._dtype = circuit, built, dtype
        self._neurons, self._members, self._kept = neurons, members, kept
        self._inputs = {item.name: item.width for item in circuit.inputs}

    def write(self, twice: bool) -> None:
        flags = list(self._neurons.variables)
        total = " + ".join(f"rhythm__steps_{phase.name}" for phase in self._circuit.phases)
        if twice:
            now, before = "step/2", "step/2 - 1"
            arrives, begins, goes_on = "step % 2 == 0 && step > 0", "step % 2 == 0", "step % 2 == 1"
            begins += f" && step < 2*({total})"
        else:
            # the first step of a cycle is the only one that takes two
            now, before = "(step > 0 ? step - 1 : 0)", "step - 2"
            arrives, begins, goes_on = "step > 1", f"step != 1 && step <= {total}", "step > 0"
            goes_on += f" && step <= {total}"
        ends = [f"rhythm__end_{phase.name}" for phase in self._circuit.phases]
        ended = [
            *self._rhythm(before),
            *self._decide("phase_end"),
            *self._act("phase_end"),
            *self._decide("learn", f"rhythm__learning && ({' || '.join(ends)})"),
            *self._act("learn"),
            *self._note(),
        ]
        begun = [
            *self._rhythm(now),
            *self._decide("onset"),
            *self._act("onset"),
            *self._decide("sense"),
        ]
        # what is sensed has arrived before the cells act on it
        gone_on = [
            *self._rhythm(now),
            *self._act("sense"),
            *self._integrate(),
            *self._decide("send"),
            *self._act("send"),
        ]
        lines = [
            "const int row = first + (int)batch;",
            "const int step = (int)t;",
            *(f"{name} += arrived_{name};" for name in self._neurons.delivered),
            *(f"{name} = 0;" for name in flags),
        ]
        for when, part in ((arrives, ended), (begins, begun), (goes_on, gone_on)):
            lines += [f"if ((int)batch < active && {when}) {{", *part, "}"]
        for name in ("first", "active", "rhythm__learning"):
            self._parameter(name, "int")
        self._neurons.code = "\n".join(lines)

    # ------------------------------------------------------------ names

    def _name(self, variable: Any) -> str:
        """What stands for a variable of Brian2; what is used is noted."""
        if isinstance(variable, Constant):
            return repr(np.asarray(variable.value).item())
        if variable.name == "i":
            return "((int)id)" if len(variable.owner) > 1 else "0"
        if variable.name == "dt":
            return self._parameter("step_seconds", "scalar")
        name = f"{variable.owner.name}__{variable.name}"
        if variable.owner.name == RHYTHM:
            return name
        if variable.scalar:
            return self._parameter(name, genn_type(variable.dtype))
        self._neurons.variables[name] = genn_type(variable.dtype)
        return name

    def _parameter(self, name: str, kind: str) -> str:
        self._neurons.parameters[name] = kind
        return name

    def _given(self, name: str, index: str) -> str | None:
        width = self._inputs.get(name)
        if width is None:
            return None
        self._neurons.given[name] = width
        return f"given_{name}[row*{width} + {index}]"

    def _statements(self, population: Population, code: str) -> list[str]:
        if not code.strip():
            return []
        group, namespace = self._built.groups[population.name], self._built.namespace
        return group_statements(group, code, namespace, self._name, self._given, self._dtype)

    def _set(self, population: Population, target: str, value: str) -> list[str]:
        """Give a variable of GeNN the value of an expression."""
        return [
            "{",
            *self._statements(population, f"_value = {value}"),
            f"{target} = l__value;",
            "}",
        ]

    # ------------------------------------------------------------ parts of a step

    def _events(self, moment: str) -> list[tuple[Population, Event]]:
        """Events of a moment, in the order in which Brian2 lets cells act."""
        found = ((p, event) for p in self._members for event in p.events if event.moment == moment)
        return sorted(found, key=lambda pair: f"{pair[0].name}_{pair[1].name}_resetter")

    def _decide(self, moment: str, when_kept: str = "true") -> list[str]:
        """Decide which cells have the events of a moment, and keep what pathways read."""
        lines = []
        for population, event in self._events(moment):
            flag = flag_name(population.name, event.name)
            lines += [] if flag in self._neurons.variables else [f"int {flag} = 0;"]
            lines += self._set(population, flag, event.condition)
            if moment == "sense":
                lines.append(f"{self._acts_on(population, event)} = {flag};")
        kept = list(self._keep(moment))
        return [*lines, *([f"if ({when_kept}) {{", *kept, "}"] if kept else [])]

    def _act(self, moment: str) -> Iterator[str]:
        """Let the cells that have an event act."""
        for population, event in self._events(moment):
            code = self._statements(population, _action(event))
            if code:
                yield from (f"if ({self._acts_on(population, event)}) {{", *code, "}")

    def _acts_on(self, population: Population, event: Event) -> str:
        """The flag by which cells act; what they sense they act on a step of GeNN later."""
        flag = flag_name(population.name, event.name)
        if event.moment == "sense":
            flag += "_sensed"
            self._neurons.variables[flag] = "int"
        return flag

    def _keep(self, moment: str) -> Iterator[str]:
        members = {population.name: population for population in self._members}
        for name, when, variable in sorted(self._kept):
            if name in members and when == moment:
                target = kept_name(name, moment, variable)
                self._neurons.variables[target] = "scalar"
                yield from self._set(members[name], target, variable)

    def _integrate(self) -> Iterator[str]:
        order = integration_order(self._circuit)
        for population in sorted(self._members, key=lambda p: (order[p.name], p.name)):
            updater = self._built.groups[population.name].state_updater
            if updater is not None:
                updater.update_abstract_code(run_namespace=self._built.namespace)
                code = self._statements(population, updater.abstract_code)
                yield from ("{", *code, "}") if code else ()

    def _note(self) -> Iterator[str]:
        for readout in self._circuit.readouts:
            for population in self._members:
                if population.name == readout.population:
                    self._neurons.noted[readout.name] = population.size
                    place = f"noted_{readout.name}[row*{population.size} + (int)id]"
                    flag = flag_name(population.name, readout.event)
                    yield f"if ({flag} && (int)id < {population.size})"
                    yield from self._set(population, place, readout.variable)

    def _rhythm(self, step: str) -> list[str]:
        """Counters and gates of a step of a cycle, from its number alone."""
        now, start, inside = "rhythm__cycle_step", "0", []
        lines = [f"const int {now} = {step};", f"const int rhythm__onset = {now} == 0;"]
        for phase in self._circuit.phases:
            length = self._parameter(f"rhythm__steps_{phase.name}", "int")
            within, stop = f"rhythm__in_{phase.name}", f"{start} + {length}"
            ends = f"{length} > 0 && {now} == {stop} - 1"
            lines.append(f"const int {within} = {now} >= {start} && {now} < {stop};")
            lines.append(f"const int rhythm__end_{phase.name} = {ends};")
            inside.append(f"{within}*({now} - ({start}))")
            start = stop
        lines.append(f"const int rhythm__phase_step = {' + '.join(inside)};")
        for item in self._circuit.inputs:
            if not item.width:
                self._neurons.given[item.name] = 0
                lines.append(f"const scalar rhythm__{item.name} = given_{item.name}[row];")
        return lines


def _action(event: Event) -> str:
    """Statements of the cells that have an event."""
    return f"{event.action}\n{counter_name(event)} += 1" if event.counted else event.action
