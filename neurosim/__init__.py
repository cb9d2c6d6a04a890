"""neurosim: event-driven simulation of biologically plausible deep learning in Brian2.

Examples
--------
>>> from neurosim import CorInfoMax, Simulator
>>> model = CorInfoMax(layers=(64, 100, 10), epsilon=0.3, mu_ff=(0.1, 0.07), mu_fb=(0.015,))
>>> simulator = Simulator(model, seed=0)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from neurosim._version import __version__

if TYPE_CHECKING:
    from neurosim.data import Dataset, load_dataset
    from neurosim.errors import NeurosimError
    from neurosim.learning.simulator import Simulator
    from neurosim.models import (
        CorInfoMax,
        CorInfoMaxSparse,
        CorInfoMaxSparseEnforced,
        EquilibriumPropagation,
    )
    from neurosim.recording import open_recording, save_recording, select_layer
    from neurosim.viewer.notebook import view

__all__ = [
    "CorInfoMax",
    "CorInfoMaxSparse",
    "CorInfoMaxSparseEnforced",
    "Dataset",
    "EquilibriumPropagation",
    "NeurosimError",
    "Simulator",
    "__version__",
    "load_dataset",
    "open_recording",
    "save_recording",
    "select_layer",
    "view",
]

# Names are imported when used, so that the command line answers at once.
_HOMES = {
    "CorInfoMax": "neurosim.models",
    "CorInfoMaxSparse": "neurosim.models",
    "CorInfoMaxSparseEnforced": "neurosim.models",
    "Dataset": "neurosim.data",
    "EquilibriumPropagation": "neurosim.models",
    "NeurosimError": "neurosim.errors",
    "Simulator": "neurosim.learning.simulator",
    "load_dataset": "neurosim.data",
    "open_recording": "neurosim.recording",
    "save_recording": "neurosim.recording",
    "select_layer": "neurosim.recording",
    "view": "neurosim.viewer.notebook",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'neurosim' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
