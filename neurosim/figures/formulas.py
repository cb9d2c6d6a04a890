"""The equations that run, as mathematics: LaTeX, Markdown or Unicode, with the paper's numbers.

Formulas are made from the strings of a circuit that run, equation numbers from the
comments beside them; no equation is typed twice.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from brian2.parsing.sympytools import str_to_sympy

from neurosim.circuit import Circuit, Population, Projection
from neurosim.circuit.parser import Line, Statement, parse_equations, parse_statements
from neurosim.errors import ParameterError, near_matches
from neurosim.figures.printers import Printer, UnicodePrinter, unicode_name
from neurosim.system import System
from neurosim.system.parameters import describe_parameters

__all__ = [
    "FORMATS",
    "Printer",
    "comment_of",
    "constant_comments",
    "equation_block",
    "group_populations",
    "group_projections",
    "latex_text",
    "math_block",
    "printer_for",
    "render_equations",
    "statement",
    "synaptic_code",
    "system_comments",
]

# ---------------------------------------------------------------- blocks and comments


def equation_block(lines: Sequence[Line], printer: Printer) -> str:
    """The equations among ``lines`` as one block of mathematics.

    Parameters
    ----------
    lines : sequence of Line
        Plain variables among them are left out.
    printer : Printer
        Knows the symbols.

    Returns
    -------
    str
        Markdown, the comments beside the equations.
    """
    rows = []
    for line in lines:
        if not line.expression:
            continue
        left = printer.name(line.name)
        if line.kind == "differential":
            left = rf"\frac{{\mathrm{{d}} {left}}}{{\mathrm{{d}} t}}"
        right = printer.doprint(str_to_sympy(line.expression))
        note = rf" && \text{{{latex_text(line.comment)}}}" if line.comment else ""
        rows.append(f"{left} &= {right}{note}")
    return math_block(rows)


def math_block(rows: Sequence[str]) -> str:
    """Rows as a displayed formula.

    Parameters
    ----------
    rows : sequence of str
        LaTeX, aligned at ``&``.

    Returns
    -------
    str
        Markdown as GitHub shows it.
    """
    body = " \\\\\n".join(rows)
    return f"```math\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n```"


def latex_text(comment: str) -> str:
    r"""Words with what LaTeX would take for commands escaped.

    Parameters
    ----------
    comment : str
        Plain words.

    Returns
    -------
    str
        The same for use within ``\text{}``.
    """
    return comment.replace("_", r"\_").replace("^", r"\^{}")


def statement(parsed: Statement, printer: Printer) -> str:
    """A synaptic or cell statement as a formula.

    Parameters
    ----------
    parsed : Statement
        One of :func:`~neurosim.circuit.parser.parse_statements`, e.g. of ``w += mu*x``.
    printer : Printer
        Knows the symbols.

    Returns
    -------
    str
        LaTeX.
    """
    plain = parsed.operator == "="
    sign = r"\leftarrow" if plain else rf"\mathrel{{{parsed.operator[0]}}}="
    right = printer.doprint(str_to_sympy(parsed.expression))
    return f"{printer.name(parsed.target)} {sign} {right}"


def constant_comments(module: ModuleType) -> dict[str, str]:
    """What ``#:`` comments say of the string constants of a module.

    Parameters
    ----------
    module : module
        A model's file.

    Returns
    -------
    dict of str to str
        Comment by the string; empty where Python keeps no source, as of what was
        typed into a terminal or a notebook.
    """
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        return {}
    found = re.findall(r"((?:^#: .*\n)+)^([A-Z_]+) = ", source, flags=re.M)
    return {
        getattr(module, name): " ".join(re.findall(r"#: (.*)", comment))
        for comment, name in found
        if isinstance(getattr(module, name, None), str)
    }


def system_comments(system: type[System]) -> dict[str, str]:
    """:func:`constant_comments` of a system's file, and of those of the systems it varies.

    Parameters
    ----------
    system : type[System]
        The system's class.

    Returns
    -------
    dict of str to str
        Comment by the string; that of the system's own file wins.
    """
    comments: dict[str, str] = {}
    for owner in reversed(system.__mro__):
        module = inspect.getmodule(owner)
        if issubclass(owner, System) and module is not None:
            comments |= constant_comments(module)
    return comments


def comment_of(code: str, comments: Mapping[str, str]) -> str:
    """The comment on the constant that a pathway's statements come from.

    Parameters
    ----------
    code : str
        The statements.
    comments : mapping of str to str
        As from :func:`system_comments`. A constant with a field in braces, such as
        ``member_{number}_pre``, stands for the statements with any number there.

    Returns
    -------
    str
        Empty if there is none.
    """
    if code in comments:
        return comments[code]
    for template, comment in comments.items():
        parts = re.split(r"\{\w+\}", template)
        if len(parts) > 1 and re.fullmatch(r"\d+".join(map(re.escape, parts)), code):
            return comment
    return ""


# ---------------------------------------------------------------- a system's equations


def printer_for(system: type[System]) -> Printer:
    """A printer that knows the symbols of a system's declared parameters.

    Parameters
    ----------
    system : type[System]
        The system's class.

    Returns
    -------
    Printer
        For all formulas of that system.
    """
    infos = describe_parameters(system)
    symbols = {name: info.symbol for name, info in infos.items() if info.symbol}
    return Printer(symbols | dict(getattr(system, "symbols", {})))


def group_populations(populations: Sequence[Population]) -> list[list[Population]]:
    """Populations in groups of the same equations, commit and role.

    Parameters
    ----------
    populations : sequence of Population
        Those of a circuit.

    Returns
    -------
    list of list of Population
        Groups and their members in the order given.
    """
    groups: dict[tuple[str, str, str], list[Population]] = {}
    for population in populations:
        alike = population.equations, population.commit, population.role
        groups.setdefault(alike, []).append(population)
    return list(groups.values())


def group_projections(projections: Sequence[Projection]) -> list[list[Projection]]:
    """Projections in groups of the same pathways, commit and role.

    Parameters
    ----------
    projections : sequence of Projection
        Those of a circuit.

    Returns
    -------
    list of list of Projection
        Groups and their members in the order given.
    """
    groups: dict[tuple[Any, ...], list[Projection]] = {}
    for projection in projections:
        alike = projection.pathways, projection.commit, projection.role
        groups.setdefault(alike, []).append(projection)
    return list(groups.values())


def synaptic_code(projection: Projection) -> list[tuple[str, str]]:
    """Statements of a projection, and when they run.

    Parameters
    ----------
    projection : Projection
        Its pathways come first, then its commit.

    Returns
    -------
    list of (str, str)
        Statements, and words such as ``"on spike"``.
    """
    found = [(pathway.code, f"on {pathway.event}") for pathway in projection.pathways]
    return [*found, (projection.commit, "once a batch")] if projection.commit else found


@dataclasses.dataclass(frozen=True)
class _Formula:
    """Left-hand side, sign, right-hand side and a comment; all but the comment are code."""

    left: str
    sign: str
    right: str
    comment: str
    derivative: bool = False


@dataclasses.dataclass(frozen=True)
class _Section:
    """Formulas under a heading."""

    title: str
    formulas: tuple[_Formula, ...]


def _sections(system: type[System], circuit: Circuit) -> list[_Section]:
    comments = system_comments(system)
    cells = [
        _Section(
            _heading(group[0].role, group),
            (
                *_cell_formulas(group[0].equations),
                *_statements(group[0].commit, "once a batch", comments),
            ),
        )
        for group in group_populations(circuit.populations)
    ]
    synapses = [
        _Section(
            _heading(group[0].role, group),
            tuple(f for step in synaptic_code(group[0]) for f in _statements(*step, comments)),
        )
        for group in group_projections(circuit.projections)
    ]
    return [section for section in (*cells, *synapses) if section.formulas]


def _heading(role: str, group: Sequence[Population | Projection]) -> str:
    names = ", ".join(member.name for member in group)
    return f"{role} ({names})" if role else names


def _cell_formulas(equations: str) -> list[_Formula]:
    return [
        _Formula(line.name, "=", line.expression, line.comment, line.kind == "differential")
        for line in parse_equations(equations)
        if line.expression
    ]


def _statements(code: str, when: str, comments: Mapping[str, str]) -> list[_Formula]:
    """One formula per statement; the comment of the whole stands beside the last."""
    found = [
        _Formula(parsed.target, parsed.operator, parsed.expression, when)
        for parsed in parse_statements(code)
    ]
    note = comment_of(code, comments).partition(", with ")[0]
    if note:
        found[-1] = dataclasses.replace(found[-1], comment=f"{note}, {when}")
    return found


# ---------------------------------------------------------------- formats


#: Comments stand in one column, unless a formula is longer than this.
_WIDEST = 76


def _latex(sections: Sequence[_Section], printer: Printer) -> str:
    parts = []
    for section in sections:
        title = section.title.replace("_", r"\_")
        rows = " \\\\\n".join(_latex_row(formula, printer) for formula in section.formulas)
        parts.append(f"\\paragraph{{{title}}}\n\\begin{{align*}}\n{rows}\n\\end{{align*}}")
    return "\n\n".join(parts)


def _latex_row(formula: _Formula, printer: Printer) -> str:
    left = printer.name(formula.left)
    if formula.derivative:
        left = rf"\frac{{\mathrm{{d}} {left}}}{{\mathrm{{d}} t}}"
    # equations are written =, statements as in `statement`
    sign = formula.sign if formula.sign == "=" else rf"\mathrel{{{formula.sign[0]}}}="
    note = rf" && \text{{{latex_text(formula.comment)}}}" if formula.comment else ""
    return f"{left} &{sign} {printer.doprint(str_to_sympy(formula.right))}{note}"


def _markdown(sections: Sequence[_Section], printer: Printer) -> str:
    return "\n\n".join(
        f"### {section.title}\n\n{math_block([_latex_row(f, printer) for f in section.formulas])}"
        for section in sections
    )


def _unicode(sections: Sequence[_Section], printer: Printer) -> str:
    del printer
    parts = []
    for section in sections:
        lines = [_unicode_line(formula) for formula in section.formulas]
        width = min(max(len(line) for line, _ in lines), _WIDEST)
        body = [f"    {line:<{width}}    {note}".rstrip() for line, note in lines]
        parts.append("\n".join([section.title, *body]))
    return "\n\n".join(parts)


def _unicode_line(formula: _Formula) -> tuple[str, str]:
    name = unicode_name(formula.left)
    left = f"d{name}/dt" if formula.derivative else name
    sign = formula.sign.replace("-", "−")
    return f"{left} {sign} {UnicodePrinter().text(formula.right)}", formula.comment


#: What formulas can be written as.
FORMATS: Mapping[str, Callable[[Sequence[_Section], Printer], str]] = {
    "latex": _latex,
    "markdown": _markdown,
    "unicode": _unicode,
}


def render_equations(
    system: type[System], format: str = "unicode", circuit: Circuit | None = None
) -> str:
    """The equations of a system as they run.

    Parameters
    ----------
    system : type[System]
        A system from ``models/``.
    format : {"latex", "markdown", "unicode"}
        LaTeX with amsmath, Markdown as GitHub shows it, or plain text.
    circuit : Circuit, optional
        The circuit of other parameters than the default ones.

    Returns
    -------
    str
        Cells first, then synapses; the paper's equation number, where the model
        gives one, stands beside a formula.

    Raises
    ------
    ParameterError
        If there is no such format.

    Examples
    --------
    >>> from neurosim import CorInfoMax
    >>> print(render_equations(CorInfoMax).splitlines()[5].split("   ")[-1].strip())
    eq. 19
    """
    if format not in FORMATS:
        raise ParameterError(f"unknown format {format!r}; {near_matches(format, FORMATS)}")
    sections = _sections(system, system().circuit() if circuit is None else circuit)
    return FORMATS[format](sections, printer_for(system))
