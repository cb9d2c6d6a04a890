"""What a paper declares besides its circuit: parameters, schedules, presets, traces."""

from __future__ import annotations

from neurosim.system.base import (
    Compartment,
    FeedbackPair,
    Layer,
    Preset,
    PublishedCurve,
    System,
)

__all__ = ["Compartment", "FeedbackPair", "Layer", "Preset", "PublishedCurve", "System"]
