"""The papers: each file holds one system's cells, synapses, circuit and parameters.

A system is found because its file lies in this folder: every module here is imported, and
every class in it that is a complete :class:`~neurosim.system.System` and has a ``name`` of
its own is one. Nothing lists them by hand. A class is imported from here or from its own
module, which type checkers can follow: ``from neurosim.models.ep import
EquilibriumPropagation``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from neurosim.errors import ParameterError, near_matches
from neurosim.system import System

__all__ = ["SYSTEMS", "find_system"]


def _modules() -> Iterator[ModuleType]:
    """The modules of this folder, in alphabetical order."""
    for name in sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg):
        try:
            yield importlib.import_module(f"{__name__}.{name}")
        except Exception as error:
            raise ParameterError(
                f"models/{name}.py cannot be imported: {type(error).__name__}: {error}; mend the "
                "file, or move it out of models/"
            ) from error


def _systems_in(module: ModuleType) -> Iterator[type[System]]:
    """Systems that a module defines, in the order of its text."""
    for kind in vars(module).values():
        if not (inspect.isclass(kind) and issubclass(kind, System)):
            continue
        if kind.__module__ != module.__name__ or "name" not in vars(kind):
            continue
        missing = sorted(kind.__abstractmethods__)
        missing += [text for text in ("title", "citation") if not hasattr(kind, text)]
        if missing:
            raise ParameterError(
                f"system {kind.name!r} in {module.__name__} is not complete: it lacks "
                f"{', '.join(missing)}"
            )
        yield kind


def _by_name(systems: Iterable[type[System]]) -> dict[str, type[System]]:
    """Systems by their names; neither a name nor the name of a class may come twice."""
    found: dict[str, type[System]] = {}
    for kind in systems:
        for other in found.values():
            if kind.name == other.name or kind.__name__ == other.__name__:
                raise ParameterError(
                    f"{other.__module__}.{other.__name__} (system {other.name!r}) and "
                    f"{kind.__module__}.{kind.__name__} (system {kind.name!r}) share a name; "
                    "give one of them another"
                )
        found[kind.name] = kind
    return found


#: Systems by the name used on the command line.
SYSTEMS: dict[str, type[System]] = _by_name(
    kind for module in _modules() for kind in _systems_in(module)
)

# the classes are names of this package, too
globals().update({kind.__name__: kind for kind in SYSTEMS.values()})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


def find_system(name: str) -> type[System]:
    """Look a system up by name.

    Parameters
    ----------
    name : str
        A key of :data:`SYSTEMS`.

    Returns
    -------
    type[System]
        The system's class.

    Raises
    ------
    ParameterError
        If there is no such system.
    """
    if name not in SYSTEMS:
        raise ParameterError(f"unknown system {name!r}; {near_matches(name, SYSTEMS)}")
    return SYSTEMS[name]
