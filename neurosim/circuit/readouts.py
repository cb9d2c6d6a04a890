"""Circuits with more to read out of them, for analyses; what is trained stays as it is.

A readout costs memory and time for every cell and image, so training builds
have none but the answer. An analysis builds the same circuit with more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from neurosim.circuit import Circuit, Event, Population, Readout
from neurosim.circuit.graph import Layer
from neurosim.circuit.parser import canonical, identifiers

__all__ = ["STATE_CHANGE", "noted_readouts", "readout_name", "with_readouts", "with_state_changes"]

#: The variable that :func:`with_state_changes` adds.
STATE_CHANGE = "state_change"


def readout_name(population: str, phase: str) -> str:
    """Name of the readout of a layer at the end of a phase.

    Parameters
    ----------
    population : str
        The layer's population.
    phase : str
        A phase of the circuit.

    Returns
    -------
    str
        As :func:`with_readouts` names it.
    """
    return f"{population}_at_end_of_{phase}"


def with_readouts(circuit: Circuit, layers: Sequence[Layer]) -> Circuit:
    """The same circuit, with the rates of layers read out at the end of every phase.

    Parameters
    ----------
    circuit : Circuit
        What to extend.
    layers : sequence of Layer
        Populations and the variables to read.

    Returns
    -------
    Circuit
        With one readout per layer and phase, see :func:`readout_name`.
    """
    populations = {p.name: p for p in circuit.populations}
    readouts = list(circuit.readouts)
    for layer in layers:
        for phase in circuit.phases:
            population, event = _ending(populations[layer.population], phase.name)
            populations[layer.population] = population
            name = readout_name(layer.population, phase.name)
            readouts.append(Readout(name, layer.population, event, layer.rate))
    return dataclasses.replace(
        circuit, populations=tuple(populations.values()), readouts=tuple(readouts)
    )


def _ending(population: Population, phase: str) -> tuple[Population, str]:
    """The population with an event of all its cells at the end of a phase, and its name."""
    condition = f"end_{phase}"
    for event in population.events:
        if canonical(event.condition) == condition and event.moment == "phase_end":
            return population, event.name
    added = Event(f"noted_{phase}", condition, "phase_end")
    return dataclasses.replace(population, events=(*population.events, added)), added.name


def with_state_changes(circuit: Circuit, layers: Sequence[Layer]) -> Circuit:
    """The same circuit, with the change of each layer's state in a time step as a variable.

    The change is that from before the cells integrate to after; what a cell does
    at the end of a phase, such as starting anew from its rate, is no part of it.

    Parameters
    ----------
    circuit : Circuit
        What to extend.
    layers : sequence of Layer
        Populations and their states.

    Returns
    -------
    Circuit
        With :data:`STATE_CHANGE` in every layer.
    """
    states = {layer.population: layer.state for layer in layers}
    return dataclasses.replace(
        circuit,
        populations=tuple(
            _watched(population, states[population.name])
            if population.name in states
            else population
            for population in circuit.populations
        ),
    )


def _watched(population: Population, state: str) -> Population:
    always = "cycle_step >= 0"
    onset = Event("state_onset", "onset", "onset", f"state_before = 0\n{STATE_CHANGE} = 0")
    before = Event("state_before", always, "sense", f"state_before = {state}")
    after = Event("state_after", always, "send", f"{STATE_CHANGE} = {state} - state_before")
    return dataclasses.replace(
        population,
        equations=f"{population.equations.rstrip()}\nstate_before : 1\n{STATE_CHANGE} : 1\n",
        # the last action of the moment: after a cell has put its state back into its range
        events=(*population.events, onset, before, after),
    )


def noted_readouts(circuit: Circuit, lengths: Mapping[str, int]) -> tuple[Readout, ...]:
    """Readouts that a run gives: not those at events of phases that it leaves out.

    Parameters
    ----------
    circuit : Circuit
        Declares the readouts.
    lengths : mapping of str to int
        Steps of each phase.

    Returns
    -------
    tuple of Readout
        In the circuit's order.
    """
    absent = {
        f"{kind}_{phase}"
        for phase, steps in lengths.items()
        if steps == 0
        for kind in ("in", "end")
    }
    return tuple(
        readout
        for readout in circuit.readouts
        if not absent & identifiers(_event(circuit, readout).condition)
    )


def _event(circuit: Circuit, readout: Readout) -> Event:
    return circuit.population(readout.population).event(readout.event)
