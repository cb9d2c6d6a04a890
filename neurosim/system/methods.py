"""Calls into a system's methods: what fails there, or comes back from there, is named.

Anybody may write a system. Each class of one has its methods wrapped when it is made, so that
wherever neurosim calls them, an exception says the line of the user's file, and what is returned
is checked to be of the kind that :class:`~neurosim.system.System` promises.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np

from neurosim.circuit import Circuit
from neurosim.circuit.finite import is_finite
from neurosim.circuit.graph import Compartment, Layer, WeightView
from neurosim.errors import MethodError, NeurosimError, brief
from neurosim.system.feedback import FeedbackPair
from neurosim.system.presets import Preset
from neurosim.system.stages import Stage
from neurosim.system.traces import LayerTraces

__all__ = ["guard_methods", "place_in"]

log = logging.getLogger("neurosim")

#: What a value must be, in words, and how to tell.
Kind = tuple[str, Callable[[Any], bool]]


def _one(kind: type) -> Kind:
    return f"a {kind.__name__}", lambda value: isinstance(value, kind)


def _many(*kinds: type) -> Kind:
    words = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
    return (
        f"a tuple of {words}",
        lambda value: (
            isinstance(value, (tuple, list)) and all(isinstance(item, kinds) for item in value)
        ),
    )


def _by_name(words: str, fits: Callable[[Any], bool]) -> Kind:
    return (
        f"a dict of {words} by name",
        lambda value: (
            isinstance(value, Mapping)
            and all(isinstance(name, str) and fits(item) for name, item in value.items())
        ),
    )


def _is_array(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "iufb"
    except (TypeError, ValueError):
        # such as rows of different lengths
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and is_finite(cast(float, value))


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


_ARRAYS = _by_name("arrays of real numbers", _is_array)
_NUMBERS = _by_name("finite numbers", _is_number)
_VIEWS = _many(WeightView, type(None))

#: What the methods of a system return.
_RETURNS: Mapping[str, Kind | None] = {
    "__post_init__": None,
    "analyses": _by_name("dicts", lambda value: isinstance(value, Mapping)),
    "backward_weights": _VIEWS,
    "circuit": _one(Circuit),
    "compartments": _many(Compartment),
    "cycle_inputs": _ARRAYS,
    "cycle_scalars": _ARRAYS,
    "evaluation_inputs": _ARRAYS,
    "evaluation_parameters": _NUMBERS,
    "evaluation_phases": _by_name("whole numbers of steps", _is_count),
    "evaluation_scalars": _NUMBERS,
    "explorable": _many(str),
    "feedback_pairs": _many(FeedbackPair),
    "forward_weights": _VIEWS,
    "initial_weights": _ARRAYS,
    "layer_cells": _many(Layer),
    "layer_traces": _many(LayerTraces),
    "objectives": _by_name("numbers", lambda value: isinstance(value, Real)),
    "preset": _one(Preset),
    "rate_scale": ("a finite number", _is_number),
    "rates": _NUMBERS,
    "stage_inputs": _ARRAYS,
    "stages": _many(Stage),
}


def guard_methods(owner: type, first: Callable[[Any], None]) -> None:
    """Wrap the methods that a class of systems defines itself.

    Parameters
    ----------
    owner : type
        The class, just made; its methods are replaced in place.
    first : callable
        Checks a system that was just made, before a ``__post_init__`` of the class looks at it,
        whether or not that calls the one of its parent.
    """
    for name, method in list(vars(owner).items()):
        if name not in _RETURNS:
            continue
        if name == "__post_init__":
            method = _after(first, method)
        if isinstance(method, (classmethod, staticmethod)):
            setattr(owner, name, type(method)(_guarded(name, method.__func__, owner)))
        elif callable(method):
            setattr(owner, name, _guarded(name, method, owner))


def _after(first: Callable[[Any], None], method: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(method)
    def made(system: Any) -> None:
        first(system)
        method(system)

    return made


def _guarded(name: str, method: Callable[..., Any], owner: type) -> Callable[..., Any]:
    kind = _RETURNS[name]

    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            returned = method(*args, **kwargs)
        except (NeurosimError, MemoryError):
            raise
        except Exception as error:
            place = _place(error, method, _users_modules(args[0] if args else owner, owner))
            if not place:
                # nobody but neurosim wrote what failed
                raise
            log.debug("%s", place, exc_info=error)
            raise MethodError(f"{place}: {_words(error)}") from error
        if kind is not None and not kind[1](returned):
            raise MethodError(
                f"{_definition(method)} returns {brief(returned)}; let it return {kind[0]}"
            )
        return returned

    return guarded


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def place_in(error: BaseException, file: Path) -> str:
    """The line of a file that was being run when something failed.

    Parameters
    ----------
    error : BaseException
        What was raised.
    file : Path
        The file.

    Returns
    -------
    str
        Such as ``":66"``, the innermost; empty if the file was not being run.
    """
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f":{error.lineno}"
    lines = [
        trace.tb_lineno
        for trace in _frames(error.__traceback__)
        if trace.tb_frame.f_code.co_filename == str(file)
    ]
    return f":{lines[-1]}" if lines else ""


def _place(error: BaseException, method: Callable[..., Any], modules: set[str]) -> str:
    """File and line in which a method of the user's failed, and its name."""
    frames = [
        trace
        for trace in _frames(error.__traceback__)
        if trace.tb_frame.f_globals.get("__name__") in modules
    ]
    if frames:
        # the method that was entered, at the line that it had reached in the same module
        code = frames[0].tb_frame.f_code
        file = frames[-1].tb_frame.f_code.co_filename
        return f"{Path(file).name}:{frames[-1].tb_lineno}, {code.co_name}"
    # such as other arguments than those that neurosim gives
    return _definition(method) if getattr(method, "__module__", "") in modules else ""


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _definition(method: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(method), "__code__", None)
    where = f"{Path(code.co_filename).name}:{code.co_firstlineno}, " if code else ""
    return f"{where}{getattr(method, '__name__', method)}"


def _users_modules(system: Any, owner: type) -> set[str]:
    """Modules outside neurosim that the classes of a system come from."""
    kind = system if isinstance(system, type) else type(system)
    names = {part.__module__ for part in (*kind.__mro__, *owner.__mro__)}
    return {name for name in names if name.partition(".")[0] not in ("neurosim", "abc", "builtins")}
