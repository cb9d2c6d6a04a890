"""What cells do at the onset of a cycle: they start anew, so that no image is remembered."""

from __future__ import annotations

from neurosim.circuit.parser import parse_equations
from neurosim.errors import CircuitError, near_matches

__all__ = ["reset_action"]


def reset_action(equations: str, *kept: str, **values: str) -> str:
    r"""Statements that give every variable of a cell its value at the onset.

    Parameters
    ----------
    equations : str
        The population's equations.
    *kept : str
        Variables that last from image to image, and are left as they are.
    **values : str
        Expressions for variables that do not start at 0, such as
        ``y="target(cycle_time, i)"``.

    Returns
    -------
    str
        One assignment per integrated or stored variable of the cell, in the order of
        the equations.

    Raises
    ------
    CircuitError
        If a value is given for something that the equations do not store.

    Examples
    --------
    >>> print(reset_action("du/dt = (y - u)/tau : 1\ny : 1\ntau : second (shared, constant)",
    ...                    y="target(cycle_time, i)"))
    u = 0
    y = target(cycle_time, i)
    """
    stored = [line.name for line in parse_equations(equations) if line.is_stored and line.is_own]
    for name in (*kept, *values):
        if name not in stored:
            raise CircuitError(
                f"no variable {name!r} to set at the onset; {near_matches(name, stored)}"
            )
    return "\n".join(f"{name} = {values.get(name, '0')}" for name in stored
                     if name not in kept)  # fmt: skip
