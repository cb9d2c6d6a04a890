"""Parameters of a system that reach its cells while they run."""

from __future__ import annotations

import dataclasses
from typing import Any

from neurosim.errors import NeurosimError

__all__ = ["live_parameters"]


def live_parameters(system: Any) -> tuple[str, ...]:
    """Real-valued parameters that change parameters of cells, and nothing else.

    Parameters
    ----------
    system : System
        Its circuit is made anew with each of them a little larger.

    Returns
    -------
    tuple of str
        Names, in the order of declaration.
    """
    names = (field.name for field in dataclasses.fields(system))
    return tuple(name for name in names if _reaches_cells(system, name))


def _reaches_cells(system: Any, name: str) -> bool:
    value = getattr(system, name)
    if not isinstance(value, float) or value == 0:
        return False
    try:
        before, changed = (
            made.circuit() for made in (system, dataclasses.replace(system, **{name: value * 1.01}))
        )
    except NeurosimError:
        return False
    same = before.structure() == changed.structure()
    same = same and before.phase_steps() == changed.phase_steps() and before.dt == changed.dt
    return bool(same and before.populations != changed.populations)
