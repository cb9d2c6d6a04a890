"""What a paper declares besides its circuit: parameters, schedules, presets, traces."""

from __future__ import annotations

from neurosim.system.base import Compartment, FeedbackPair, Layer, System
from neurosim.system.presets import Preset, PublishedCurve

__all__ = ["Compartment", "FeedbackPair", "Layer", "Preset", "PublishedCurve", "System"]
