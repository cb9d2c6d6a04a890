"""The parser of equations against Brian2's own, and that nothing else parses them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brian2 as b2
import pytest
from brian2.parsing.statements import parse_statement
from brian2.utils.stringtools import get_identifiers
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.circuit.parser import (
    canonical,
    dependencies,
    identifiers,
    parse_equations,
    parse_statements,
    reads_outside,
)
from neurosim.errors import CircuitError
from neurosim.models import SYSTEMS

ROOT = Path(__file__).parent.parent

KINDS = {
    "differential": "differential equation",
    "subexpression": "subexpression",
    "parameter": "parameter",
}
#: Forms of systems that give other equations than their defaults.
FORMS: dict[str, tuple[dict[str, Any], ...]] = {
    "corinfomax": ({"output_apical": "nudge"}, {"tau_basal": 5.0, "tau_apical": 5.0}),
    "corinfomax-sparse": ({"domains": (("mixed", 2, (0, 3), (2, 5)), "simplex")},),
}


def assert_read_as_brian2_does(text: str) -> None:
    """The same variables, expressions, units and flags in the same order."""
    expected = b2.Equations(text)
    lines = parse_equations(text)
    assert [line.name for line in lines] == list(expected)
    for line, other in zip(lines, expected.values(), strict=True):
        assert KINDS[line.kind] == other.type
        assert list(line.flags) == list(other.flags)
        code = "" if other.expr is None else other.expr.code
        assert canonical(line.expression) == canonical(code)
        assert identifiers(line.expression) == get_identifiers(code)
        # the line alone, written anew, is the same equation
        assert b2.Equations(line.code)[line.name] == other


def parts() -> Iterator[Any]:
    """Populations and projections of all shipped systems, in every form."""
    for name, system in SYSTEMS.items():
        for options in ({}, *FORMS.get(name, ())):
            layers = {"layers": (6, 6, 6)} if "domains" in options else {}
            circuit = system(**layers, **options).circuit()
            yield from (*circuit.populations, *circuit.projections)


def test_all_shipped_equations_are_read_as_brian2_reads_them() -> None:
    """Guards every answer about a circuit: layers, traces, formulas and checks rest on this."""
    texts = {part.equations for part in parts()}
    for text in sorted(texts):
        assert_read_as_brian2_does(text)
    assert len(texts) > 12


def test_all_shipped_statements_are_read_as_brian2_reads_them() -> None:
    """Guards the checks of what a rule changes."""
    codes = {
        getattr(item, key)
        for part in parts()
        for key, items in (("action", "events"), ("code", "pathways"))
        for item in getattr(part, items, ())
    }
    for code in sorted(codes):
        expected = [parse_statement(line)[:3] for line in code.splitlines() if line.strip()]
        found = [(s.target, s.operator, s.expression) for s in parse_statements(code)]
        assert found == [(name, op, expression.strip()) for name, op, expression in expected]
    assert len(codes) > 20


NAMES = st.sampled_from(("u", "v_A", "tau", "W2", "e_B_free", "d", "dt_", "x9"))
#: Others than are declared: Brian2 refuses equations that lead back to themselves.
READ = st.sampled_from(("s", "v_B", "tau_m", "g9", "e_A_nudged"))
NUMBERS = st.sampled_from(("0", "1", "2.5", "1e-3", ".5", "3.", "1.5e+2"))
TERMS = st.recursive(
    READ | NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(("+", " - ", "*", " /", "**")), inner).map("".join),
        inner.map("({})".format),
        inner.map("clip({}, 0, 1)".format),
        inner.map("-{}".format),
    ),
    max_leaves=6,
)
UNITS = st.sampled_from(("1", "second", "volt/second", "siemens/meter**2", "amp"))
COMMENTS = st.sampled_from(("", "  # eq. 1: with a colon", "# a = b : 1", "#"))
BREAKS = st.sampled_from(("", "\n", "  # a word\n    "))


@st.composite
def equations(draw: Any) -> str:
    """Equations with comments, flags and expressions over several lines."""
    found = []
    for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=4)):
        kind = draw(st.sampled_from(("differential", "subexpression", "parameter")))
        unit = draw(UNITS)
        if kind == "parameter":
            flags = draw(
                st.sampled_from(("", " (constant)", " (shared, constant)", "(shared)", " (linked)"))
            )
            line = f"{name}{draw(BREAKS).rstrip(' ')}: {unit}{flags}"
        else:
            first, second = draw(TERMS), draw(TERMS)
            left = f"d{name}/dt" if kind == "differential" else name
            flags = draw(
                st.sampled_from(
                    ("", " (unless refractory)")
                    if left[0] == "d" and kind == "differential"
                    else ("", " (constant over dt)")
                )
            )
            line = f"{left} = {first} +{draw(BREAKS)}{second} :{unit}{flags}"
        found.append(f"{line}{draw(COMMENTS)}")
    return "\n\n".join(found)


@settings(max_examples=60)
@given(text=equations())
def test_any_equations_are_read_as_brian2_reads_them(text: str) -> None:
    """Guards expressions over several lines, comments with signs of equations, and flags."""
    assert_read_as_brian2_does(text)


@settings(max_examples=60)
@given(text=equations())
def test_spacing_and_comments_do_not_change_an_expression(text: str) -> None:
    """Guards the identity of circuits: written closely, every line is the same."""
    for line in parse_equations(text):
        close = "".join(canonical(line.expression).split(" "))
        assert canonical(close) == canonical(f"  {line.expression} # word")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("du/dt = -u/tau", "has no unit"),
        ("u : 1\nv = u", "'v = u' has no unit"),
        ("du/dt : 1", "no right-hand side"),
        ("2u : 1", "cannot be read"),
        ("u = : 1", "cannot be read"),
        ("u : ", "cannot be read"),
        ("u + v = 1 : 1", "cannot be read"),
    ],
)
def test_what_is_no_equation_is_refused_by_its_text(text: str, words: str) -> None:
    """Guards against a line that is left out without a word."""
    with pytest.raises(CircuitError, match=words) as caught:
        parse_equations(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", ["w", "w == 1", "w **= 2", "w + 1 = 2", "w = ", "if w: v = 1"])
def test_what_is_no_statement_is_refused_by_its_text(code: str) -> None:
    """Guards against a rule that does nothing."""
    with pytest.raises(CircuitError, match="is no assignment"):
        parse_statements(f"v = 1; {code}")


def test_statements_on_one_line_are_read_apart() -> None:
    """Guards the second of two statements, and the old value that ``+=`` reads."""
    first, second = parse_statements("a = b == c  # d = 1\n e *= f ;")
    assert (first.target, first.operator, first.expression) == ("a", "=", "b == c")
    assert (second.target, second.reads) == ("e", {"e", "f"})


def test_dependencies_stop_where_they_are_told_to() -> None:
    """Guards the compartment at which an input arrives."""
    lines = parse_equations("du/dt = v - u : 1\nv = s : 1\ns : 1")
    assert dependencies(lines, ["u"]) == {"u", "v", "s"}
    assert dependencies(lines, ["u"], stop=["u", "v"]) == {"u", "v"}


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("y = target( cycle_time, i)", False),
        ("y = target(cycle_time, i) + cycle_time", True),
        ("y = other(cycle_time)", True),
        ("y = target(2*cycle_time, i)", True),
        ("y = my_cycle_time", False),
    ],
)
def test_a_name_is_found_outside_of_the_functions_it_is_for(text: str, outside: bool) -> None:
    """Guards the time of a run, which an equation may hand on but not read."""
    assert reads_outside(text, "cycle_time", ["target"]) == outside


# ------------------------------------------------------------------ one parser

#: Attributes and names that hold code of a circuit.
CODE = frozenset({"equations", "condition", "action", "code", "expression", "statements"})
#: What takes a text apart.
KNIVES = frozenset(
    {
        *("split", "rsplit", "splitlines", "partition", "rpartition", "find", "index", "replace"),
        *("findall", "finditer", "match", "fullmatch", "search", "sub", "subn"),
        *("startswith", "endswith", "removeprefix", "removesuffix"),
    }
)
#: Functions that look at code as a whole, with the reason.
WHOLE = {
    # the comment on the constant that a pathway's code is, with any number in it
    ("neurosim/figures/formulas.py", "comment_of"),
    # a name stands for another wherever it is read
    ("neurosim/circuit/kept.py", "commit_of_sums"),
    # every call of a noise function gets a number of its own
    ("neurosim/circuit/noise.py", "_rewritten"),
    ("neurosim/circuit/noise.py", "equations"),
}


def knives_at_code(source: str) -> list[tuple[str, int]]:
    """Functions and lines where a text method or a regular expression meets code of a circuit."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        tainted = set(CODE)
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and _holds_code(node.value, tainted):
                tainted |= {name.id for name in node.targets if isinstance(name, ast.Name)}
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            met = (node.func.value, *node.args)
            if node.func.attr in KNIVES and any(_holds_code(part, tainted) for part in met):
                found.append((function.name, node.lineno))
    return found


def _holds_code(node: ast.expr, tainted: set[str]) -> bool:
    """Whether an expression is code, or text made of it; not what a call made of it."""
    if isinstance(node, ast.Attribute):
        return node.attr in CODE
    if isinstance(node, ast.Name):
        return node.id in tainted
    if isinstance(node, ast.Call):
        method = isinstance(node.func, ast.Attribute) and node.func.attr in {"strip", "join"}
        inner = [*node.args, *([node.func.value] if method else [])]  # type: ignore[attr-defined]
        return method and any(_holds_code(part, tainted) for part in inner)
    children = (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
    return any(_holds_code(child, tainted) for child in children)


def test_equations_are_taken_apart_in_one_place() -> None:
    """Guards the one parser: six others had come to differ from it, and from Brian2."""
    found = set()
    for file in sorted((ROOT / "neurosim").rglob("*.py")):
        place = file.relative_to(ROOT).as_posix()
        source = file.read_text(encoding="utf-8")
        if place != "neurosim/circuit/parser.py":
            found |= {
                f"{place}:{line} ({function})"
                for function, line in knives_at_code(source)
                if (place, function) not in WHOLE
            }
            for call in ("Equations(code", "parse_statement(", ".equations.splitlines"):
                assert call not in source, f"{place} has a parser of its own"
    assert not found, f"use neurosim.circuit.parser in {', '.join(sorted(found))}"


@pytest.mark.parametrize(
    "source",
    [
        "for line in population.equations.splitlines(): pass",
        "re.findall(r'd(x)/dt', population.equations)",
        "text = '\\n'.join(event.action for event in events)\n    re.search('x', text)",
        "code = pathway.code\n    code.partition('=')",
        "re.search('in_free', f'{event.condition}')",
    ],
)
def test_another_parser_would_be_found(source: str) -> None:
    """Guards the guard: what modules once did."""
    assert knives_at_code(f"def f(population, pathway, event, events):\n    {source}")
