"""A circuit as a model of GeNN: plain data, from which PyGeNN makes its objects."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from neurosim.backends.brian.build import build_network
from neurosim.backends.genn.cells import GennNeurons, flag_name, linked, write_cells
from neurosim.backends.genn.limits import check_circuit, demands
from neurosim.backends.genn.synapses import kept_by_pathways, write_synapses
from neurosim.circuit import Circuit, Pathway, Projection

__all__ = ["describe"]


def describe(circuit: Circuit, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Write a circuit as a model of GeNN.

    Parameters
    ----------
    circuit : Circuit
        What to write.
    dtype : numpy.dtype
        Precision; Brian2's settings must have the same.

    Returns
    -------
    dict
        Fields of :class:`~neurosim.backends.genn.cells.GennNeurons` and
        :class:`~neurosim.backends.genn.synapses.GennSynapses`, and how many steps of GeNN a
        step of the circuit takes.

    Raises
    ------
    CircuitError
        If the circuit needs what GeNN cannot do, or an equation has wrong units.
    """
    check_circuit(circuit)
    built, groups = build_network(circuit, 1), linked(circuit)
    pathways = [(p, pathway) for p in circuit.projections for pathway in p.pathways]
    twice = any(_may_sense_later(circuit, *pair) for pair in pathways)
    synapses = [write_synapses(circuit, projection, groups) for projection in circuit.projections]
    heard = {(_sender(*pair), pair[1].event) for pair in pathways}
    # what events of one side add to belongs to the other
    arrivals = {(made.target, made.arrives.get("pre")) for made in synapses}
    arrivals |= {(made.source, made.arrives.get("post")) for made in synapses}
    neurons = []
    for name in sorted(set(groups.values())):
        made = GennNeurons(
            name,
            max(p.size for p in circuit.populations if groups[p.name] == name),
            sorted(variable for owner, variable in arrivals if owner == name and variable),
            {flag_name(*event): "int" for event in sorted(heard) if groups[event[0]] == name},
        )
        write_cells(circuit, built, dtype, made, kept_by_pathways(circuit), twice=twice)
        neurons.append(made)
    return {
        "neurons": [dataclasses.asdict(made) for made in neurons],
        "synapses": [dataclasses.asdict(made) for made in synapses],
        "twice": twice,
        "dtype": dtype.name,
    }


def _sender(projection: Projection, pathway: Pathway) -> str:
    return projection.source if pathway.side == "pre" else projection.target


def _may_sense_later(circuit: Circuit, projection: Projection, pathway: Pathway) -> bool:
    """Whether a signal may be sensed in other steps than the first of a cycle."""
    event = circuit.population(_sender(projection, pathway)).event(pathway.event)
    return event.moment == "sense" and "onset" not in demands(event.condition)
