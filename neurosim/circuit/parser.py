"""The parser of equations and statements; nothing else in neurosim takes their text apart.

Equations are written as Brian2 reads them, ``x = a*b : 1 (flags)  # comment`` or
``dx/dt = ... : unit``; an expression may go on over several lines. Statements are
assignments such as ``w += mu*x``, one per line or separated by ``;``. Names and units
are checked when a circuit is built, by Brian2 itself.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Literal

from neurosim.errors import CircuitError

__all__ = ["Line", "Statement", "identifiers", "parse_equations", "parse_statements"]

Kind = Literal["differential", "subexpression", "parameter"]

_NAME = r"[A-Za-z_]\w*"
_LEFT = re.compile(rf"\s*(?:d({_NAME})\s*/\s*dt|({_NAME}))\s*\Z")
_RIGHT = re.compile(r"\s*([^()]+?)\s*(?:\(([\w\s,]*)\))?\s*\Z")
_ASSIGNMENT = re.compile(rf"\s*({_NAME})\s*(\*\*=|//=|[-+*/%]?=)(?!=)\s*(.+?)\s*\Z", re.S)
_IDENTIFIER = re.compile(rf"(?<![\w.]){_NAME}")
_WORDS = frozenset({"and", "or", "not", "True", "False"})


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of an equation string.

    Attributes
    ----------
    name, unit, comment : str
        Variable, unit, and the words after ``#``.
    expression : str
        Right-hand side; empty for a plain variable.
    kind : {"differential", "subexpression", "parameter"}
        ``dx/dt = ...``, ``x = ...``, or a variable that something else sets.
    flags : tuple of str
        Brian2's flags, such as ``"shared"`` and ``"constant"``.
    """

    name: str
    unit: str
    comment: str
    expression: str
    kind: Kind
    flags: tuple[str, ...] = ()

    @property
    def is_setting(self) -> bool:
        """Whether it is a value given from outside: shared by all and constant in a run."""
        return self.kind == "parameter" and {"shared", "constant"} <= set(self.flags)


@dataclasses.dataclass(frozen=True)
class Statement:
    """One assignment.

    Attributes
    ----------
    target : str
        Variable that changes.
    operator : str
        ``"="``, ``"+="`` and so on.
    expression : str
        Right-hand side.
    """

    target: str
    operator: str
    expression: str

    @property
    def reads(self) -> frozenset[str]:
        """Names whose values it uses; of ``x += y`` also ``x``."""
        own = frozenset() if self.operator == "=" else frozenset({self.target})
        return identifiers(self.expression) | own


def identifiers(text: str) -> frozenset[str]:
    """Names in an expression, a condition or statements.

    Parameters
    ----------
    text : str
        Code; comments are left out.

    Returns
    -------
    frozenset of str
        Variables, parameters and functions.

    Examples
    --------
    >>> sorted(identifiers("clip(u, 0, 1) > 1e-3 and not onset"))
    ['clip', 'onset', 'u']
    """
    code = "\n".join(line.partition("#")[0] for line in text.splitlines())
    return frozenset(_IDENTIFIER.findall(code)) - _WORDS


def parse_equations(text: str) -> tuple[Line, ...]:
    """Take an equation string apart, keeping what its comments say.

    Parameters
    ----------
    text : str
        Equations in Brian2's syntax.

    Returns
    -------
    tuple of Line
        In the order given; empty lines and lines of comment alone are left out.

    Raises
    ------
    CircuitError
        If a line is no equation.

    Examples
    --------
    >>> [line] = parse_equations("dv/dt = (s - v)/tau : 1  # eq. 1")
    >>> line.name, line.kind, line.expression, line.comment
    ('v', 'differential', '(s - v)/tau', 'eq. 1')
    """
    return tuple(_line(code, comment) for code, comment in _whole_lines(text))


def _whole_lines(text: str) -> Iterator[tuple[str, str]]:
    """Code and comment of every equation; an expression ends where its unit is given."""
    code, comments = "", []
    for written in text.splitlines():
        part, _, comment = written.partition("#")
        if not part.strip() and not code:
            continue
        code = f"{code} {part.strip()}".strip()
        comments += [comment.strip()] * bool(comment.strip())
        if ":" in part:
            yield code, " ".join(comments)
            code, comments = "", []
    if code:
        raise CircuitError(
            f"the equation {code!r} has no unit; end it with one, e.g. '{code} : 1', where 1 "
            "stands for dimensionless"
        )


def _line(code: str, comment: str) -> Line:
    body, _, end = code.rpartition(":")
    left, equals, expression = body.partition("=")
    name, unit = _LEFT.match(left), _RIGHT.match(end)
    if name is None or unit is None or bool(equals) != bool(expression.strip()):
        raise CircuitError(
            f"the equation {code!r} cannot be read; write 'x : unit', 'x = expression : unit' or "
            "'dx/dt = expression : unit', with flags in brackets at the end"
        )
    kind: Kind = "differential" if name[1] else "subexpression" if equals else "parameter"
    if kind == "differential" and not equals:
        raise CircuitError(f"the equation {code!r} has no right-hand side")
    flags = tuple(flag.strip() for flag in (unit[2] or "").split(",") if flag.strip())
    return Line(name[1] or name[2], unit[1], comment, expression.strip(), kind, flags)


def parse_statements(code: str) -> tuple[Statement, ...]:
    """Take statements apart.

    Parameters
    ----------
    code : str
        Assignments, one per line or separated by ``;``.

    Returns
    -------
    tuple of Statement
        In the order given.

    Raises
    ------
    CircuitError
        If one is no assignment.

    Examples
    --------
    >>> [found] = parse_statements("w += mu*x_pre")
    >>> found.target, found.operator, sorted(found.reads)
    ('w', '+=', ['mu', 'w', 'x_pre'])
    """
    found = []
    for line in code.splitlines():
        for written in line.partition("#")[0].split(";"):
            if not written.strip():
                continue
            parts = _ASSIGNMENT.match(written)
            if parts is None:
                raise CircuitError(
                    f"the statement {written.strip()!r} is no assignment; write 'x = ...' or "
                    "'x += ...'"
                )
            found.append(Statement(parts[1], parts[2], parts[3]))
    return tuple(found)
