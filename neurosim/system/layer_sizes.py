"""Whether layer sizes are some."""

from __future__ import annotations

from typing import Any, cast

from neurosim.errors import ParameterError, brief

__all__ = ["check_layers"]


def check_layers(owner: str, layers: object) -> None:
    """Refuse anything but two or more whole layer sizes of 1 or more.

    Parameters
    ----------
    owner : str
        Name of the system, for messages.
    layers : object
        What was given.

    Raises
    ------
    ParameterError
        If it is not such a tuple.
    """
    several = isinstance(layers, tuple) and len(layers) >= 2
    if not several or not all(type(n) is int and n >= 1 for n in cast(tuple[Any, ...], layers)):
        raise ParameterError(
            f"{owner}.layers = {brief(layers)}: give at least an input and an output layer, as a "
            "tuple, each a whole number of cells of 1 or more"
        )
