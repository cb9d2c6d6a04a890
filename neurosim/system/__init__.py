"""What a paper declares besides its circuit: parameters, schedules, presets, traces.

``building_blocks`` and ``timing`` hold the functions that models are put together with.
"""

from __future__ import annotations

from neurosim.system.base import Compartment, FeedbackPair, Layer, System
from neurosim.system.dendrites import LeakyDendrites
from neurosim.system.layered import HIDDEN, UPPER, LayeredSystem
from neurosim.system.nudged import NudgedSystem, SymmetricNudge
from neurosim.system.parameters import inherited, parameter
from neurosim.system.presets import Preset
from neurosim.system.published_curves import PublishedCurve
from neurosim.system.schedules import CosineRates, DroppedRates, StepRates, StretchedRates
from neurosim.system.stages import Stage
from neurosim.system.traces import LayerTraces, Trace

__all__ = [
    "HIDDEN",
    "UPPER",
    "Compartment",
    "CosineRates",
    "DroppedRates",
    "FeedbackPair",
    "Layer",
    "LayerTraces",
    "LayeredSystem",
    "LeakyDendrites",
    "NudgedSystem",
    "Preset",
    "PublishedCurve",
    "Stage",
    "StepRates",
    "StretchedRates",
    "SymmetricNudge",
    "System",
    "Trace",
    "inherited",
    "parameter",
]
