"""Brian2 without a cache that costs more than it saves.

Brian2 keeps the result of parsing statements under a key made of *all* variables
of a group, and makes this key anew at every call. With some fifty variables per
population that takes several times as long as parsing the statements.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["direct_parsing"]

_FUNCTION = "make_statements"
#: Modules that call the function by a name of their own.
_CALLERS = ("brian2.codegen.translation", "brian2.codegen.generators.base")


@contextmanager
def direct_parsing() -> Iterator[None]:
    """Let Brian2 parse statements directly, for the length of a ``with`` block.

    Results are the same; versions of Brian2 that are made otherwise are left alone.
    """
    modules: list[Any] = [importlib.import_module(name) for name in _CALLERS]
    before = [getattr(module, _FUNCTION, None) for module in modules]
    for module, function in zip(modules, before, strict=True):
        direct = getattr(function, "__wrapped__", None)
        if direct is not None:
            setattr(module, _FUNCTION, direct)
    try:
        yield
    finally:
        for module, function in zip(modules, before, strict=True):
            if function is not None:
                setattr(module, _FUNCTION, function)
