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

from neurosim._version import __version__ as __version__

if TYPE_CHECKING:
    from neurosim.data import Dataset as Dataset
    from neurosim.data import load_dataset as load_dataset
    from neurosim.errors import NeurosimError as NeurosimError
    from neurosim.learning.classifier import NeurosimClassifier as NeurosimClassifier
    from neurosim.learning.simulator import Simulator as Simulator
    from neurosim.pretrained import load_pretrained as load_pretrained
    from neurosim.recording import open_recording as open_recording
    from neurosim.recording import save_recording as save_recording
    from neurosim.recording import select_layer as select_layer
    from neurosim.viewer.notebook import view as view

# Names are imported when used, so that the command line answers at once. The classes of the
# systems are names as well; they are found in models/, not listed.
_HOMES = {
    "Dataset": "neurosim.data",
    "NeurosimClassifier": "neurosim.learning.classifier",
    "NeurosimError": "neurosim.errors",
    "Simulator": "neurosim.learning.simulator",
    "load_dataset": "neurosim.data",
    "load_pretrained": "neurosim.pretrained",
    "open_recording": "neurosim.recording",
    "save_recording": "neurosim.recording",
    "select_layer": "neurosim.recording",
    "view": "neurosim.viewer.notebook",
}


def _systems() -> dict[str, Any]:
    """Systems by the names of their classes."""
    from neurosim.models import SYSTEMS

    return {system.__name__: system for system in SYSTEMS.values()}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted({"__version__", *_HOMES, *_systems()})
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    # only names of classes are looked for in models/, which takes a moment to import
    if name[:1].isupper() and name in _systems():
        return _systems()[name]
    raise AttributeError(f"module 'neurosim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({"__version__", *_HOMES, *_systems()})
