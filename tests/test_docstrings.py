"""Public functions say what they take, return and raise, in numpydoc's sections."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neurosim.errors import NeurosimError, ParameterError
from neurosim.models.numpy import ep

ROOT = Path(__file__).resolve().parents[1]

#: Modules whose symbols a table at the head explains once, for all functions.
ORACLES = "neurosim.models.numpy."

#: Return annotations of functions that give nothing back; the last is of context managers.
_NOTHING = {"None", "NoReturn", "Iterator[None]"}


def module_names() -> list[str]:
    """Modules that name what is public in them."""
    files = [*(ROOT / "neurosim").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
    names = []
    for file in sorted(files):
        if "\n__all__ = " in file.read_text(encoding="utf-8"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            parts = ("neurosim", *parts) if parts[0] == "models" else parts
            names.append(".".join(part for part in parts if part != "__init__"))
    return names


@dataclasses.dataclass(frozen=True)
class Documented:
    """A public function or method and the text that must tell of it.

    Attributes
    ----------
    name : str
        As it is imported.
    function : callable
        Without its decorators.
    text : str
        Docstring; for a constructor that of the class.
    owner : type or None
        The class of a method.
    is_value : bool
        Whether users read it without a call, or make an object by it: what it gives is told
        by its first line.
    """

    name: str
    function: Callable[..., Any]
    text: str
    owner: type | None = None
    is_value: bool = False

    def parameters(self) -> list[str]:
        """What a caller gives; names that begin with an underscore are not read."""
        names = list(inspect.signature(self.function).parameters)
        if self.owner is not None and names and names[0] in ("self", "cls"):
            names = names[1:]
        return [name for name in names if not name.startswith("_")]

    def shortcomings(self) -> Iterator[str]:
        """What the text does not say."""
        if self.function.__module__.startswith(ORACLES):
            yield from self._unexplained()
            return
        parameters = self.parameters()
        told = _entries(self.text, "Parameters")
        if self.is_value:
            told |= _entries(self.text, "Attributes")
        if len(parameters) > 1:
            for name in parameters:
                if name not in told:
                    yield f"{self.name}: parameter {name}"
            returned = str(self.function.__annotations__.get("return", "None"))
            said = _section(self.text, "Returns") or _section(self.text, "Yields")
            if not (self.is_value or said or returned in _NOTHING):
                yield f"{self.name}: what it returns"
        raised = _entries(self.text, "Raises")
        for error in sorted(_raised_by(self), key=lambda kind: kind.__name__):
            family = {kind.__name__ for kind in error.__mro__ if issubclass(kind, NeurosimError)}
            if not family & raised:
                yield f"{self.name}: raises {error.__name__}"

    def _unexplained(self) -> Iterator[str]:
        """What an oracle does not say: its functions take symbols of the table at the head."""
        head = inspect.getdoc(sys.modules[self.function.__module__]) or ""
        if not self.text:
            yield f"{self.name}: what it does"
        for name in self.parameters():
            if not re.search(rf"``{name}\b", f"{head}\n{self.text}"):
                yield f"{self.name}: symbol {name}"


def _section(text: str, title: str) -> str:
    """Lines of a section of a docstring, without its heading."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-{{3,}}$|\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


def _entries(text: str, title: str) -> set[str]:
    """Names that a section explains: ``a, b : int`` explains two."""
    heads = re.findall(r"^(\S.*?)(?: : .*)?$", _section(text, title), re.M)
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


def _raised_by(documented: Documented) -> set[type[NeurosimError]]:
    """Errors of neurosim that the function's own body raises, not those of its helpers."""
    function = documented.function
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    kinds = set()
    for node in _own_nodes(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            kind = _kind_of(made, documented)
            if isinstance(kind, type) and issubclass(kind, NeurosimError):
                kinds.add(kind)
    return kinds


def _own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            yield node
            yield from _own_nodes(node)


def _kind_of(made: ast.expr, documented: Documented) -> object:
    """The class in ``raise Class(...)`` and ``raise function_that_makes_one(...)``."""
    names = documented.function.__globals__
    if isinstance(made, ast.Name):
        found = names.get(made.id)
    elif isinstance(made, ast.Attribute) and ast.unparse(made.value) in ("self", "cls"):
        found = getattr(documented.owner, made.attr, None)
    else:
        found = None
    if inspect.isroutine(found):
        return found.__globals__.get(str(found.__annotations__.get("return")))
    return found


def documented_in(module: ModuleType) -> Iterator[Documented]:
    """Functions and classes' methods that the module names as public and defines itself."""
    for name in module.__all__:
        thing = inspect.unwrap(getattr(module, name))
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            yield Documented(f"{module.__name__}.{name}", thing, inspect.getdoc(thing) or "")
        elif inspect.isclass(thing):
            yield from _methods_of(thing)


def _methods_of(kind: type) -> Iterator[Documented]:
    where = f"{kind.__module__}.{kind.__name__}"
    for name, attribute in vars(kind).items():
        function, is_value = _function_of(attribute)
        if function is None or function.__module__ != kind.__module__:
            continue
        if name == "__init__" and not dataclasses.is_dataclass(kind):
            yield Documented(where, function, inspect.getdoc(kind) or "", kind, is_value=True)
        elif not name.startswith("_") and not _explained_by_a_base(kind, name):
            text = inspect.getdoc(function) or ""
            yield Documented(f"{where}.{name}", function, text, kind, is_value)


def _function_of(attribute: object) -> tuple[Callable[..., Any] | None, bool]:
    """The function behind a member of a class, and whether it is read like a value."""
    if isinstance(attribute, property):
        return attribute.fget, True
    if isinstance(attribute, functools.cached_property):
        return attribute.func, True
    if isinstance(attribute, (classmethod, staticmethod)):
        attribute = attribute.__func__
    function = inspect.unwrap(attribute) if callable(attribute) else None
    return (function, False) if inspect.isfunction(function) else (None, False)


def _explained_by_a_base(kind: type, name: str) -> bool:
    """Whether a base class tells of the method, or is another package's, which calls it."""
    bases = [base for base in kind.__mro__[1:] if name in vars(base)]
    return any(
        inspect.getdoc(vars(base)[name]) or not base.__module__.startswith("neurosim")
        for base in bases
    )


@pytest.mark.parametrize("name", module_names())
def test_public_functions_tell_what_they_take_return_and_raise(name: str) -> None:
    """Guards a reference in which callers find neither shapes, units nor errors."""
    module = importlib.import_module(name)
    missing = [text for one in documented_in(module) for text in one.shortcomings()]
    assert not missing, "undocumented:\n" + "\n".join(missing)


def test_every_public_module_is_looked_at() -> None:
    """Guards the guard: a search that finds no modules, or no functions in them, finds no fault."""
    names = module_names()
    assert {"neurosim.circuit", "neurosim.system.layered", "neurosim.data.dataset"} <= {*names}
    found = {one.name for name in names for one in documented_in(importlib.import_module(name))}
    assert {
        "neurosim.circuit.circuit.Circuit.replacing",
        "neurosim.figures.run.Run",
        "neurosim.figures.run.Run.epochs",
        "neurosim.figures.run.Run.from_simulator",
        "neurosim.data.dataset.one_hot",
    } <= found


def _silent(width: float, *heights: float) -> float:
    """Area."""
    if width < 0:
        raise ParameterError("negative")
    return width * sum(heights)


def _telling(width: float, *heights: float) -> float:
    """Area.

    Parameters
    ----------
    width, *heights : float
        Sides in mm.

    Returns
    -------
    float
        In mm^2.

    Raises
    ------
    ParameterError
        If the width is negative.
    """
    return _silent(width, *heights)


def test_what_is_missing_is_noticed() -> None:
    """Guards the guard: each of the three sections is asked for, and accepted."""
    silent = Documented("area", _silent, inspect.getdoc(_silent) or "")
    assert list(silent.shortcomings()) == [
        "area: parameter width",
        "area: parameter heights",
        "area: what it returns",
        "area: raises ParameterError",
    ]
    told = dataclasses.replace(silent, text=inspect.getdoc(_telling) or "")
    assert list(told.shortcomings()) == []


def test_a_symbol_that_the_head_of_an_oracle_does_not_explain_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards the guard: a function of an oracle is short because the head is not."""
    (step,) = (one for one in documented_in(ep) if one.name.endswith(".step"))
    assert list(step.shortcomings()) == []
    monkeypatch.setattr(ep, "__doc__", ep.__doc__.replace("``beta``", "beta"))
    assert list(step.shortcomings()) == [f"{step.name}: symbol beta"]
    silent = dataclasses.replace(step, text="")
    assert f"{step.name}: what it does" in list(silent.shortcomings())
