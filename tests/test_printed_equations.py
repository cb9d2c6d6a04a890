"""``neurosim equations``: what is printed is what runs, with the paper's numbers."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import sympy
from brian2.parsing.sympytools import str_to_sympy

from neurosim import CorInfoMax
from neurosim.circuit.parser import parse_equations
from neurosim.cli import main
from neurosim.errors import ParameterError
from neurosim.figures.formulas import (
    FORMATS,
    comment_of,
    render_equations,
    system_comments,
)
from neurosim.figures.page import variants_of
from neurosim.figures.printers import unicode_name
from neurosim.models import SYSTEMS
from neurosim.system import System

ROOT = Path(__file__).parent.parent
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
#: What an equation's comment must hold: where it is from, or that no paper has it.
SOURCE = re.compile(r"\beq\. \d|\bsec\. \d|\bcode\b|ICLR 2023|not in the paper")


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_printed_equation_is_the_one_that_runs(name: str) -> None:
    """Guards signs, order and symbols: the text is read back and compared as algebra."""
    text = render_equations(SYSTEMS[name], "unicode")
    circuit = SYSTEMS[name]().circuit()
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    checked = 0
    for population in circuit.populations:
        for line in parse_equations(population.equations):
            if not line.expression or "[" in line.expression or "int(" in line.expression:
                continue
            right = str_to_sympy(line.expression)
            left = unicode_name(line.name)
            candidates = [
                re.split(r"\s{4,}", drawn.strip())[0].partition(" = ")[2]
                for drawn in lines
                if re.match(rf"\s+(d{left}/dt|{left}) = ", drawn)
            ]
            assert any(_same(candidate, right) for candidate in candidates), line
            checked += 1
    assert checked >= 2


def _same(drawn: str, expected: sympy.Expr) -> bool:
    if "[" in drawn:
        return False
    drawn = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda found: f"**{found[0].translate(RAISED)}", drawn)
    for symbol, code in (("·", "*"), ("−", "-"), ("^", "**"), ("∞", "inf")):
        drawn = drawn.replace(symbol, code)
    names = {str(symbol): symbol for symbol in expected.free_symbols}
    for plain in sorted(names, key=len, reverse=True):
        drawn = re.sub(rf"(?<!\w){re.escape(unicode_name(plain))}(?!\w)", plain, drawn)
    return bool(sympy.simplify(str_to_sympy(drawn) - expected) == 0)


@pytest.mark.parametrize("form", FORMATS)
def test_numbers_of_the_paper_stand_beside_the_formulas(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards the comments on their way to every format."""
    assert main(["equations", "corinfomax", "--format", form]) == 0
    lines = capsys.readouterr().out.splitlines()
    for number in (13, 14, 18, 19, 20, 26, 27, 28):
        assert any(re.search(rf"eq\. {number}\b", line) for line in lines), number
    soma = next(line for line in lines if "eq. 20" in line)
    assert "clip" in soma


def _pages() -> Any:
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "make_model_pages.py")
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    return pages


def _made(name: str) -> list[System]:
    """The system with its defaults, and all its variants on the pages."""
    return [SYSTEMS[name](), *(variant for _, variant in variants_of(SYSTEMS[name]))]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_equation_says_where_it_is_from(name: str) -> None:
    """Guards a line or a statement without number, section or the word that no paper has it."""
    comments = system_comments(SYSTEMS[name])
    bare, checked = set(), 0
    for system in _made(name):
        circuit = system.circuit()
        for population in circuit.populations:
            lines = [line for line in parse_equations(population.equations) if line.expression]
            bare |= {line.name for line in lines if not SOURCE.search(line.comment)}
            checked += len(lines)
        for projection in circuit.projections:
            notes = {p.code: comment_of(p.code, comments) for p in projection.pathways}
            bare |= {code for code, note in notes.items() if not SOURCE.search(note)}
            checked += len(notes)
    assert not bare
    assert checked > 8


@pytest.mark.parametrize("form", FORMATS)
def test_the_numbers_of_equilibrium_propagation_are_printed(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards the second paper's numbers, which `neurosim equations` promises."""
    assert main(["equations", "ep", "--format", form]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("eq. 1" in line and "sec. 2" in line and "dE/ds" in line for line in lines)
    assert any("sec. 5" in line and "clip" in line for line in lines)
    assert any("sec. 2" in line and "on learn" in line for line in lines)


@pytest.mark.parametrize(
    ("code", "drawn"),
    [
        ("n**4*m**3", "m³·n⁴"),
        ("u**20 + 2", "u²⁰ + 2"),
        ("u**2.5", "u^2.5"),
        ("u**n", "u^n"),
        ("u**(n + 1)", "u^(n + 1)"),
        ("(u + 1)**2", "(u + 1)²"),
        ("1/u", "1/u"),
        ("1/(u + v)**3", "1/(u + v)³"),
        ("a/u**2", "a/u²"),
        ("sqrt(u)", "sqrt(u)"),
        ("not a", "not a"),
        ("a and not (b or c)", "a and not (b or c)"),
    ],
)
def test_powers_and_negations_are_drawn_as_they_are_meant(code: str, drawn: str) -> None:
    """Guards exponents other than 2 and 3, of which only a digit was raised."""
    circuit = CorInfoMax().circuit()
    cells = circuit.population("sst_1")
    line = f"x = {code} : {'boolean' if 'not' in code else '1'}\n"
    changed = circuit.replacing(dataclasses.replace(cells, equations=cells.equations + line))
    text = render_equations(CorInfoMax, circuit=changed)
    assert re.findall(r"^ +x = (.*)$", text, re.M) == [drawn]


@pytest.mark.parametrize("file", [None, "<stdin>"], ids=["no file", "a terminal"])
def test_a_class_typed_into_a_terminal_has_equations(
    file: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards `render_equations` where Python keeps no source: no bare OSError or TypeError."""
    typed = types.ModuleType("typed_module")
    if file:
        typed.__file__ = file
    monkeypatch.setitem(sys.modules, "typed_module", typed)
    code = """
import dataclasses
from neurosim import CorInfoMax
@dataclasses.dataclass(frozen=True)
class Mine(CorInfoMax):
    name = 'mine'
"""
    exec(compile(code, file or "<string>", "exec"), vars(typed))
    with pytest.raises((OSError, TypeError)):
        inspect.getsource(typed)
    assert "eq. 26" in render_equations(typed.Mine)


def test_the_comment_on_a_template_is_that_of_every_number() -> None:
    """Guards the statements of sparse groups, which no constant equals."""
    comments = {"a += m_{number}*r": "one", "a += r": "other", "b += {n}": "third"}
    assert comment_of("a += m_12*r", comments) == "one"
    assert comment_of("a += r", comments) == "other"
    assert comment_of("a += m_x*r", comments) == comment_of("a + m_1*r", comments) == ""


def test_the_plasticity_of_corinfomax_reads_as_in_the_paper() -> None:
    """Guards the form of learning rules: this is equation 26."""
    text = render_equations(SYSTEMS["corinfomax"], "unicode")
    rule = "g += (e_B_nudged_post·r_nudged_pre − e_B_free_post·r_free_pre)/β"
    assert rule in text
    assert "w += g·μ/batch" in text
    tex = render_equations(SYSTEMS["corinfomax"], "latex")
    assert tex.count(r"\begin{align*}") == tex.count(r"\end{align*}") == text.count("\n\n") + 1
    assert r"\frac{\mathrm{d} u}{\mathrm{d} t}" in tex


def test_the_page_of_equations_is_up_to_date() -> None:
    """Guards against a page of equations that are not those that run: `make docs` renews it."""
    shown = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    assert shown == _pages().render_all_equations()


def test_unknown_names_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the messages for misspelt systems and formats."""
    assert main(["equations", "corinfomix"]) == 2
    assert main(["equations", "corinfomax", "--format", "latx"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "did you mean 'corinfomax'" in first
    assert "did you mean 'latex'" in second
    with pytest.raises(ParameterError):
        render_equations(SYSTEMS["corinfomax"], "html")
