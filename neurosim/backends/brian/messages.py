"""What Brian2 says of a mistake, in one line that names its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import brian2 as b2

from neurosim.errors import CircuitError

__all__ = ["explain_brian_error", "naming_the_place"]


@contextmanager
def naming_the_place(place: str) -> Iterator[None]:
    """Turn what Brian2 says of code into a :class:`CircuitError` that says where it stands.

    Parameters
    ----------
    place : str
        For example ``"equations of population 'cells'"``.

    Raises
    ------
    CircuitError
        Whatever Brian2 found.
    """
    try:
        yield
    except (b2.DimensionMismatchError, KeyError, SyntaxError, TypeError, ValueError) as error:
        if isinstance(error, CircuitError):
            raise
        raise CircuitError(f"{place}: {explain_brian_error(error)}") from error


def explain_brian_error(error: BaseException) -> str:
    """One line for a mistake that Brian2 found: the object it is in, and the root cause.

    Parameters
    ----------
    error : BaseException
        What Brian2 raised while it prepared a run.

    Returns
    -------
    str
        For example ``"ff_0_plasticity: The identifier 'muu' could not be resolved."``.
    """
    where = re.search(r"object named '(\w+)'", str(error))
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    reason = " ".join(str(root.args[0] if root.args else root).split())
    return f"{where.group(1)}: {reason}" if where else reason
