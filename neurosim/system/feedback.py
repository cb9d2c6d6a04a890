"""Weights whose alignment is reported."""

from __future__ import annotations

import dataclasses

__all__ = ["FeedbackPair"]


@dataclasses.dataclass(frozen=True)
class FeedbackPair:
    """A feedforward and a feedback weight array whose angle is reported.

    Attributes
    ----------
    name : str
        Label of the angle, e.g. ``"theta_1"``.
    forward, backward : str
        Names of the weight arrays, of transposed shapes.
    """

    name: str
    forward: str
    backward: str
