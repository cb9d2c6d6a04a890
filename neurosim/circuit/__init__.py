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

__all__ = [
    "MAX_CYCLE_STEPS",
    "MOMENTS",
    "RHYTHM_VARIABLES",
    "Circuit",
    "CycleInput",
    "Event",
    "Pathway",
    "Phase",
    "Population",
    "Projection",
    "Readout",
    "Weight",
    "WeightPart",
    "circuit_from_dict",
    "reset_action",
]
