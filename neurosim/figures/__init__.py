"""Figures of runs; every function returns a matplotlib figure and needs no display.

Examples
--------
>>> from neurosim import figures
>>> sorted(figures.FIGURES)[:3]
['activity', 'angle', 'confusion']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurosim.figures import style
    from neurosim.figures.activity import confusion_matrix, hidden_activity, tsne
    from neurosim.figures.curves import (
        angle,
        correlation,
        events,
        learning_curve,
        learning_summary,
        objective,
    )
    from neurosim.figures.diagram import circuit_diagram
    from neurosim.figures.dynamics import convergence, information
    from neurosim.figures.gallery import FIGURES, draw, save, save_all
    from neurosim.figures.groups import comparison
    from neurosim.figures.run import Run, open_runs
    from neurosim.figures.weights import receptive_fields, weight_histograms
    from neurosim.learning.named_systems import system_with_layers

__all__ = [
    "FIGURES",
    "Run",
    "angle",
    "circuit_diagram",
    "comparison",
    "confusion_matrix",
    "convergence",
    "correlation",
    "draw",
    "events",
    "hidden_activity",
    "information",
    "learning_curve",
    "learning_summary",
    "objective",
    "open_runs",
    "receptive_fields",
    "save",
    "save_all",
    "style",
    "system_with_layers",
    "tsne",
    "weight_histograms",
]

# Names are imported when they are used: the style sheet alone needs no simulator. No module
# here may have the name of a function, or importing it would hide the function.
_HOMES = {
    "FIGURES": "figures.gallery",
    "Run": "figures.run",
    "angle": "figures.curves",
    "comparison": "figures.groups",
    "confusion_matrix": "figures.activity",
    "convergence": "figures.dynamics",
    "correlation": "figures.curves",
    "circuit_diagram": "figures.diagram",
    "draw": "figures.gallery",
    "events": "figures.curves",
    "hidden_activity": "figures.activity",
    "information": "figures.dynamics",
    "learning_curve": "figures.curves",
    "learning_summary": "figures.curves",
    "objective": "figures.curves",
    "open_runs": "figures.run",
    "receptive_fields": "figures.weights",
    "save": "figures.gallery",
    "save_all": "figures.gallery",
    "system_with_layers": "learning.named_systems",
    "tsne": "figures.activity",
    "weight_histograms": "figures.weights",
}


def __getattr__(name: str) -> Any:
    if name == "style":
        return importlib.import_module("neurosim.figures.style")
    if name not in _HOMES:
        raise AttributeError(f"module 'neurosim.figures' has no attribute {name!r}")
    return getattr(importlib.import_module(f"neurosim.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
