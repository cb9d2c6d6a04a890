"""Figures of runs; every function returns its matplotlib figure and needs no display.

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
    from neurosim.figures.comparison import comparison
    from neurosim.figures.curves import angle, events, learning_curve, learning_summary
    from neurosim.figures.diagram import circuit_diagram
    from neurosim.figures.dynamics import convergence, information
    from neurosim.figures.gallery import FIGURES, draw, save, save_all
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
    "draw",
    "events",
    "hidden_activity",
    "information",
    "learning_curve",
    "learning_summary",
    "open_runs",
    "receptive_fields",
    "save",
    "save_all",
    "style",
    "system_with_layers",
    "tsne",
    "weight_histograms",
]

# Names are imported when used: the style sheet alone needs no simulator. A module is a
# neighbour in this folder, or with a dot one beside the folder.
_HOMES = {
    "FIGURES": "gallery",
    "Run": "run",
    "angle": "curves",
    "comparison": "comparison",
    "confusion_matrix": "activity",
    "convergence": "dynamics",
    "circuit_diagram": "diagram",
    "draw": "gallery",
    "events": "curves",
    "hidden_activity": "activity",
    "information": "dynamics",
    "learning_curve": "curves",
    "learning_summary": "curves",
    "open_runs": "run",
    "receptive_fields": "weights",
    "save": "gallery",
    "save_all": "gallery",
    "system_with_layers": ".userfile",
    "tsne": "activity",
    "weight_histograms": "weights",
}


def __getattr__(name: str) -> Any:
    if name == "style":
        return importlib.import_module("neurosim.figures.style")
    if name not in _HOMES:
        raise AttributeError(f"module 'neurosim.figures' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
