"""Parts of a circuit by their names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from neurosim.errors import CircuitError, near_matches

__all__ = ["Named", "find_part", "with_part"]


class Named(Protocol):
    """Anything that has a name."""

    @property
    def name(self) -> str:
        """Its name."""


NamedT = TypeVar("NamedT", bound=Named)


def find_part(kind: str, parts: Iterable[NamedT], name: str) -> NamedT:
    """The part of a name.

    Parameters
    ----------
    kind : str
        What the parts are, for the message.
    parts : iterable
        Parts with names.
    name : str
        Which one.

    Returns
    -------
    object
        The first part of that name.

    Raises
    ------
    CircuitError
        If there is none.
    """
    known = tuple(parts)
    for part in known:
        if part.name == name:
            return part
    raise CircuitError(f"no {kind} {name!r}; {near_matches(name, (part.name for part in known))}")


def with_part(parts: tuple[NamedT, ...], part: NamedT) -> tuple[NamedT, ...]:
    """Parts with one in the place of that of the same name, or added at the end.

    Parameters
    ----------
    parts : tuple
        Parts with names.
    part : object
        The new one.

    Returns
    -------
    tuple
        The order of the others stays.
    """
    if all(old.name != part.name for old in parts):
        return (*parts, part)
    return tuple(part if old.name == part.name else old for old in parts)
