"""Systems by name: those that come with neurosim, and those in a file of the user's.

A class that a user's program defines has no such name. Its reference says where it was
defined, and only that program can give it back.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import inspect
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from neurosim.data.registry import dataset_info
from neurosim.errors import ParameterError, near_matches
from neurosim.models import SYSTEMS, find_system
from neurosim.system import System
from neurosim.system.methods import place_in

__all__ = ["reference_of", "system_named", "system_with_layers"]

_NAME = re.compile(r"[a-z][a-z0-9-]*\Z")
#: References of the classes that were read from files.
_READ: dict[type[System], str] = {}
#: Modules that such files imported from beside them, and their folders.
_NEIGHBOURS: dict[str, str] = {}

log = logging.getLogger("neurosim")


def system_named(reference: str) -> type[System]:
    """Look up a system by its name, or read it from ``path/to/file.py:ClassName``.

    Parameters
    ----------
    reference : str
        A name of :data:`neurosim.models.SYSTEMS`, or a file and a class in it.
        Reading a file runs it.

    Returns
    -------
    type[System]
        The system's class.

    Raises
    ------
    ParameterError
        If there is no such system, file or class, the file fails, or the class
        is no complete system or takes a name that neurosim's own have.
    """
    file, colon, class_name = reference.rpartition(":")
    if not colon:
        if reference.endswith(".py"):
            raise ParameterError(f"system {reference!r}: name its class, too, as {reference}:Class")
        return find_system(reference)
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise ParameterError(f"system {reference!r}: there is no file {path}{_made_in(reference)}")
    found = _class_in(_module(path), class_name, reference)
    _READ[found] = f"{path}:{class_name}"
    return found


def reference_of(system: System) -> str:
    """The reference by which :func:`system_named` finds a system's class.

    Parameters
    ----------
    system : System
        The system.

    Returns
    -------
    str
        A name, or ``path/to/file.py:ClassName``. For a class that a program defines it is
        ``module:ClassName``, which :func:`system_named` refuses: such a class may share
        its name with another one.
    """
    kind = type(system)
    if SYSTEMS.get(kind.name) is kind:
        return kind.name
    return _READ.get(kind, f"{kind.__module__}:{kind.__qualname__}")


def _made_in(reference: str) -> str:
    """A hint for a reference that names a module instead of a file."""
    module, _, name = reference.rpartition(":")
    if module.endswith(".py"):
        return ""
    short = name.rpartition(".")[2]
    return (
        f"; if this is a class that a program made, give it, as Simulator.load(..., "
        f"system={short}), or put it into a file and name that: FILE.py:{short}"
    )


def system_with_layers(
    name: str, layers: Sequence[int] | None = None, dataset: str = "mnist"
) -> System:
    """A system by name, with its preset for a data set or for other layers.

    Parameters
    ----------
    name : str
        Name of a system, or ``FILE.py:CLASS`` for one in a file of the user's.
    layers : sequence of int, optional
        Layer sizes from input to output.
    dataset : str
        Whose preset, and whose image and classes, if no layers are given.

    Returns
    -------
    System
        With parameters that fit the layers.

    Raises
    ------
    ParameterError
        If there is no such system, or the layers do not fit it.
    DataError
        If there is no such data set.
    """
    system = system_named(name)
    if layers is not None and len(layers) < 2:
        raise ParameterError(
            f"layers {' '.join(map(str, layers))}: give at least an input and an output layer"
        )
    preset = system.preset(dataset, None if layers is None else tuple(layers[1:-1]))
    if layers is not None:
        return system(layers=tuple(layers), **preset.parameters)
    info = dataset_info(dataset)
    sizes = (info.n_inputs, *preset.hidden, info.n_classes)
    return system(layers=sizes, **preset.parameters)


def _module(path: Path) -> ModuleType:
    content = path.read_bytes()
    # an unchanged file is read once, so that its classes are the same objects every time
    name = f"neurosim_user_{hashlib.sha256(str(path).encode() + content).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ParameterError(f"{path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look up their module in sys.modules while they are made
    sys.modules[name] = module
    try:
        with _neighbours_of(path):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        place = f"{path}{place_in(error, path)}"
        log.debug("%s", place, exc_info=error)
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        raise ParameterError(f"{place} cannot be run: {reason}") from error
    return module


@contextlib.contextmanager
def _neighbours_of(path: Path) -> Iterator[None]:
    """Let a file import what lies beside it, as it may when Python itself runs it."""
    folder, before = str(path.parent), set(sys.modules)
    for name, home in list(_NEIGHBOURS.items()):
        if home != folder:
            # a file of the same name beside this one is meant; who imported the other keeps it
            sys.modules.pop(name, None)
            del _NEIGHBOURS[name]
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder + os.sep):
                _NEIGHBOURS[name] = folder


def _class_in(module: ModuleType, class_name: str, reference: str) -> type[System]:
    systems = {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, System) and value is not System
    }
    if class_name not in systems:
        raise ParameterError(
            f"system {reference!r}: no system of that name there; "
            f"{near_matches(class_name, systems)}"
        )
    found = systems[class_name]
    missing = sorted(found.__abstractmethods__)
    missing += [name for name in ("name", "title", "citation") if not hasattr(found, name)]
    if missing:
        raise ParameterError(f"system {reference!r} is not complete: it lacks {', '.join(missing)}")
    if not _NAME.match(str(found.name)):
        raise ParameterError(
            f"system {reference!r} is called {found.name!r}; use small letters, digits and -"
        )
    own = SYSTEMS.get(found.name)
    if own is not None and own is not found:
        raise ParameterError(
            f"system {reference!r} is called {found.name!r}, as one of neurosim's own; give it "
            "another name"
        )
    return found
