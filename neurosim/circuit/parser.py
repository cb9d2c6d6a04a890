"""The parser of equations and statements; nothing else in neurosim takes their text apart.

Equations are written as Brian2 reads them, ``x = a*b : 1 (flags)  # comment`` or
``dx/dt = ... : unit``; an expression may go on over several lines. Statements are
assignments such as ``w += mu*x``, one per line or separated by ``;``. Nothing here knows
which names and units there are: a circuit's checks and its build do.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Literal

from neurosim.errors import CircuitError

__all__ = [
    "Line",
    "Statement",
    "canonical",
    "computed",
    "dependencies",
    "expression_complaint",
    "identifiers",
    "parse_equations",
    "parse_statements",
    "reads_outside",
    "without_comments",
]

Kind = Literal["differential", "subexpression", "parameter"]

# letters of any alphabet, so that a name in Greek letters can be refused by name
_NAME = r"[^\W\d]\w*"
_LEFT = re.compile(rf"\s*(?:d({_NAME})\s*/\s*dt|({_NAME}))\s*\Z")
_RIGHT = re.compile(r"\s*([^()]+?)\s*(?:\(([\w\s,-]*)\))?\s*\Z")
_ASSIGNMENT = re.compile(rf"\s*({_NAME})\s*([-+*/%]?=)(?!=)\s*(\S.*?)\s*\Z", re.S)
_IDENTIFIER = re.compile(rf"(?<![\w.]){_NAME}")
_TOKEN = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\w+|\*\*|//|[<>=!]=|[^\w\s]")
_WORDS = frozenset({"and", "or", "not", "True", "False"})

#: What other languages write, and what equations say instead.
_ELSEWHERE = (
    ("&&", "&&", "and"),
    (r"\|\|", "||", "or"),
    (r"!(?!=)", "!", "not"),
    (r"(?<![<>=!])=(?!=)", "=", "=="),
    (r"\?", "?", "int(condition)"),
)
#: What expressions are made of.
_KNOWN = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Name,
    ast.Constant, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_BITWISE = ((ast.BitXor, "^", "**"), (ast.BitAnd, "&", "and"), (ast.BitOr, "|", "or"))


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

    @property
    def is_stored(self) -> bool:
        """Whether it keeps a value from step to step that statements or integration change."""
        return self.kind != "subexpression" and not {"constant", "linked"} & set(self.flags)

    @property
    def is_own(self) -> bool:
        """Whether each cell or synapse has a value of its own, stored or computed."""
        return not {"shared", "constant"} & set(self.flags)

    @property
    def code(self) -> str:
        """The line as Brian2 reads it, without its comment."""
        left = f"d{self.name}/dt" if self.kind == "differential" else self.name
        right = f" = {self.expression}" if self.expression else ""
        flags = f" ({', '.join(self.flags)})" if self.flags else ""
        return f"{left}{right} : {self.unit}{flags}"


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


@functools.cache
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
    return frozenset(_IDENTIFIER.findall(without_comments(text))) - _WORDS


def without_comments(text: str) -> str:
    """Code without what stands behind ``#``.

    Parameters
    ----------
    text : str
        Lines of code.

    Returns
    -------
    str
        As many lines.
    """
    return "\n".join(line.partition("#")[0] for line in text.splitlines())


def canonical(expression: str) -> str:
    """An expression with one space between its symbols, and no comments.

    Parameters
    ----------
    expression : str
        Expression or condition.

    Returns
    -------
    str
        The same for all ways to space it.

    Examples
    --------
    >>> canonical("w*( r_pre-1e-3 )  # eq. 1")
    'w * ( r_pre - 1e-3 )'
    """
    return " ".join(_TOKEN.findall(without_comments(expression)))


def reads_outside(text: str, name: str, functions: Iterable[str]) -> bool:
    """Whether code names something elsewhere than as the first argument of some functions.

    Parameters
    ----------
    text : str
        Expression, condition or statements.
    name : str
        What is looked for.
    functions : iterable of str
        Functions that may have it as their first argument.

    Returns
    -------
    bool
        Whether ``name`` stands anywhere else.

    Examples
    --------
    >>> reads_outside("y = target(cycle_time, i)", "cycle_time", ["target"])
    False
    """
    calls = "|".join(map(re.escape, functions))
    rest = re.sub(rf"\b(?:{calls})\s*\(\s*{name}\b", "(", text) if calls else text
    return name in identifiers(rest)


@functools.cache
def expression_complaint(text: str) -> str:
    """What is wrong with an expression or a condition.

    Parameters
    ----------
    text : str
        Code, perhaps of several lines.

    Returns
    -------
    str
        The end of a sentence, with what to write instead; empty if nothing is wrong.

    Examples
    --------
    >>> expression_complaint("onset && r > 0")
    "cannot be read; write 'and' for '&&'"
    """
    code = without_comments(text)
    if not code.strip():
        return "is empty; write a condition, such as 'onset'"
    try:
        # in brackets, an expression may go on over several lines
        nodes = [*ast.walk(ast.parse(f"({code}\n)", mode="eval"))]
    except SyntaxError as error:
        for pattern, found, instead in _ELSEWHERE:
            if re.search(pattern, code):
                return f"cannot be read; write {instead!r} for {found!r}"
        return f"cannot be read: {error.msg}"
    for node in nodes:
        if isinstance(node, ast.IfExp):
            return "cannot be read; write 'int(c)*a + int(not c)*b' for 'a if c else b'"
        if not isinstance(node, _KNOWN) or (
            isinstance(node, ast.Constant) and not isinstance(node.value, (int, float))
        ):
            return f"holds {ast.unparse(node)!r}, which is no number, name, function or operator"
        if not isinstance(node, ast.BinOp):
            continue
        for kind, found, instead in _BITWISE:
            if isinstance(node.op, kind):
                return f"cannot be read; write {instead!r} for {found!r}"
        if isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod)) and _is_zero(node.right):
            return "divides by 0; give another divisor"
    return ""


def _is_zero(node: ast.expr) -> bool:
    while isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and node.value == 0


@functools.cache
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
        raise CircuitError(
            f"the equation {code!r} has no right-hand side; write 'd{name[1]}/dt = expression : "
            "unit'"
        )
    flags = tuple(flag.strip() for flag in (unit[2] or "").split(",") if flag.strip())
    return Line(name[1] or name[2], unit[1], comment, expression.strip(), kind, flags)


def computed(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Equations whose value follows at once from others; integrated ones keep their own.

    Parameters
    ----------
    lines : iterable of Line
        Equations.

    Returns
    -------
    tuple of Line
        In the order given.
    """
    return tuple(line for line in lines if line.kind == "subexpression")


def dependencies(
    lines: Iterable[Line], names: Iterable[str], stop: Iterable[str] = ()
) -> frozenset[str]:
    r"""Names that some names depend on, directly or through equations.

    Parameters
    ----------
    lines : iterable of Line
        Equations.
    names : iterable of str
        What is asked about; always looked into.
    stop : iterable of str
        Variables that are named, but not looked into.

    Returns
    -------
    frozenset of str
        Variables, parameters and functions, and ``names`` themselves.

    Examples
    --------
    >>> sorted(dependencies(parse_equations("a = b : 1\nb = 2*c : 1\nc : 1"), ["a"]))
    ['a', 'b', 'c']
    """
    direct = {line.name: identifiers(line.expression) for line in lines}
    first = frozenset(names)
    known, new, closed = set(first), set(first), frozenset(stop) - first
    while new:
        new = {other for name in new - closed for other in direct.get(name, ())} - known
        known |= new
    return frozenset(known)


@functools.cache
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
