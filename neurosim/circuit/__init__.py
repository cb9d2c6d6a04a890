"""The words a model is written in: populations, events, projections, phases, weights."""

from __future__ import annotations

from neurosim.circuit.circuit import Circuit, circuit_from_dict
from neurosim.circuit.onset import reset_action
from neurosim.circuit.parts import (
    MAX_CYCLE_STEPS,
    MOMENTS,
    RHYTHM_VARIABLES,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    Readout,
    Weight,
    WeightPart,
)
from neurosim.circuit.sparse import Blocks, Pairs, RandomFraction
from neurosim.circuit.windows import Convolution, Pool, Windows
from neurosim.circuit.wirings import Wiring

__all__ = [
    "MAX_CYCLE_STEPS",
    "MOMENTS",
    "RHYTHM_VARIABLES",
    "Blocks",
    "Circuit",
    "Convolution",
    "CycleInput",
    "Event",
    "Pairs",
    "Pathway",
    "Phase",
    "Pool",
    "Population",
    "Projection",
    "RandomFraction",
    "Readout",
    "Weight",
    "WeightPart",
    "Windows",
    "Wiring",
    "circuit_from_dict",
    "reset_action",
]
