"""Expressions and statements of Brian2 in GeNN's language, which is a part of C."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from brian2.codegen.translation import get_identifiers_recursively, make_statements
from brian2.parsing.rendering import CPPNodeRenderer

from neurosim.backends.genn.limits import MATHS
from neurosim.circuit.parser import parse_statements
from neurosim.errors import CircuitError

__all__ = ["GennRenderer", "genn_type", "group_statements"]


class GennRenderer(CPPNodeRenderer):
    """Writes expressions.

    Parameters
    ----------
    name : callable
        What stands for a name of an expression.
    given : callable, optional
        What stands for an input of the cycle at an index; None for what is no input.
    """

    def __init__(
        self, name: Callable[[str], str], given: Callable[[str, str], str | None] | None = None
    ) -> None:
        super().__init__()
        self._name = name
        self._given = given or (lambda _, index: None)

    def render_Name(self, node: ast.Name) -> str:
        """A variable, a constant or a name of the statements' own."""
        return self._name(node.id)

    def render_BinOp(self, node: ast.BinOp) -> str:
        """As C++, but for powers."""
        if isinstance(node.op, ast.Pow):
            return f"pow({self._number(node.left)}, {self._number(node.right)})"
        return str(super().render_BinOp(node))

    def render_Call(self, node: ast.Call) -> str:
        """A function of GeNN's language, or what does the same."""
        assert isinstance(node.func, ast.Name)
        function = node.func.id
        given = self._given(function, self.render_node(node.args[-1]))
        if given is not None:
            return given
        if function in ("int", "int_"):
            return f"((int)({self.render_node(node.args[0])}))"
        if function == "clip":
            return self._clip(*node.args)
        x, *rest = map(self._number, node.args)
        if function in MATHS:
            return f"{MATHS[function]}({x})"
        if function == "sign":
            return f"((scalar)({x} > 0) - (scalar)({x} < 0))"
        if function in ("max", "min"):
            return f"({x} {'>' if function == 'max' else '<'} {rest[0]} ? {x} : {rest[0]})"
        raise CircuitError(f"the back end 'genn' does not know the function {function!r}")

    def _clip(self, value: ast.expr, low: ast.expr, high: ast.expr) -> str:
        """By comparisons, which let a NaN pass; fmin and fmax would hide it."""
        x = self._number(value)
        for bound, sign in ((low, "<"), (high, ">")):
            if not (isinstance(bound, ast.Name) and bound.id == "inf"):
                x = f"({x} {sign} {self._number(bound)} ? {self._number(bound)} : {x})"
        return x

    def _number(self, node: ast.expr) -> str:
        return f"((scalar)({self.render_node(node)}))"


def genn_type(dtype: Any) -> str:
    """Type of a variable in GeNN's language: ``"int"`` or ``"scalar"``."""
    return "scalar" if np.issubdtype(dtype, np.floating) else "int"


def group_statements(
    group: Any,
    code: str,
    namespace: Mapping[str, Any],
    name: Callable[[Any], str],
    given: Callable[[str, str], str | None],
    dtype: np.dtype[Any],
) -> list[str]:
    """Statements of a group, with the expressions of its equations put in.

    Parameters
    ----------
    group : brian2.NeuronGroup
        Whose statements.
    code : str
        In Brian2's syntax.
    namespace : mapping of str to object
        Functions of inputs and of our own.
    name : callable
        What stands for a variable or a constant of Brian2.
    given : callable
        As for :class:`GennRenderer`.
    dtype : numpy.dtype
        Precision.

    Returns
    -------
    list of str
        Statements in GeNN's language. A name that they introduce begins with ``l_``.
    """
    own = {statement.target for statement in parse_statements(code)} - set(group.variables)
    words = {"and", "or", "not", "True", "False"}
    found = get_identifiers_recursively([code], group.variables) - own - words
    known = group.resolve_all(found, namespace, user_identifiers=())
    scalars, vectors = make_statements(code, known, dtype.type, optimise=True)
    introduced = {s.var for s in (*scalars, *vectors) if s.op == ":="}

    def place(word: str) -> str:
        return f"l_{word}" if word in introduced else name(known[word])

    renderer, lines = GennRenderer(place, given), []
    for statement in (*scalars, *vectors):
        kind = f"{genn_type(statement.dtype)} " if statement.op == ":=" else ""
        sign = "=" if statement.op == ":=" else statement.op
        value = renderer.render_expr(statement.expr)
        lines.append(f"{kind}{place(statement.var)} {sign} {value};")
    return lines
