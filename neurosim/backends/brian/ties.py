"""Weights that several synapses share: each synapse holds a copy, and all copies change alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import brian2 as b2
import numpy as np

from neurosim.backends.brian.build import BuiltNetwork, join_network
from neurosim.backends.brian.rhythm import COMMIT, RHYTHM
from neurosim.circuit import Circuit, Projection
from neurosim.circuit.gathering import gathered_variables

__all__ = ["add_ties"]


def add_ties(circuit: Circuit, built: BuiltNetwork) -> None:
    """Let synapses that share a weight commit the sum of what all of them have gathered.

    Parameters
    ----------
    circuit : Circuit
        Its wirings say which synapses share a weight.
    built : BuiltNetwork
        An operation is added to its network for each such projection.
    """
    for projection in circuit.projections:
        if projection.wired.tied and projection.commit:
            operation = b2.NetworkOperation(
                _summing(circuit, projection, built),
                clock=built.groups[RHYTHM].clock,
                # after everything is gathered, before the commit
                when="end",
                order=13,
                name=f"ties_{projection.name}",
            )
            join_network(built, operation)


def _summing(circuit: Circuit, projection: Projection, built: BuiltNetwork) -> Callable[[], None]:
    pre, post = (circuit.population(p).size for p in (projection.source, projection.target))
    weight = projection.wired.synapses(pre, post).weight
    synapses = built.synapses[projection.name].variables
    commit: Any = built.groups[RHYTHM].variables[COMMIT]

    def share() -> None:
        if commit.get_value()[0]:
            for name in gathered_variables(projection):
                gathered = synapses[name].get_value()
                total = np.bincount(weight, weights=gathered)
                synapses[name].set_value(total[weight].astype(gathered.dtype))

    return share
