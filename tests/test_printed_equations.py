"""``neurosim equations``: what is printed is what runs, with the paper's numbers."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import sympy
from brian2.parsing.sympytools import str_to_sympy

from neurosim.cli import main
from neurosim.equations import FORMATS, read_equations, render_equations, unicode_name
from neurosim.errors import ParameterError
from neurosim.models import SYSTEMS

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_printed_equation_is_the_one_that_runs(name: str) -> None:
    """Guards signs, order and symbols: the text is read back and compared as algebra."""
    text = render_equations(SYSTEMS[name], "unicode")
    circuit = SYSTEMS[name]().circuit()
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    checked = 0
    for population in circuit.populations:
        for line in read_equations(population.equations):
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
    assert checked > 3


def _same(drawn: str, expected: sympy.Expr) -> bool:
    if "[" in drawn:
        return False
    for symbol, code in (("·", "*"), ("−", "-"), ("²", "**2"), ("³", "**3"), ("∞", "inf")):
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


def test_the_plasticity_of_corinfomax_reads_as_in_the_paper() -> None:
    """Guards the form of learning rules: this is equation 26."""
    text = render_equations(SYSTEMS["corinfomax"], "unicode")
    rule = "w += μ·(e_B_nudged_post·r_nudged_pre − e_B_free_post·r_free_pre)/β"
    assert rule in text
    assert "[i ≠ j]" in text
    tex = render_equations(SYSTEMS["corinfomax"], "latex")
    assert tex.count(r"\begin{align*}") == tex.count(r"\end{align*}") == text.count("\n\n") + 1
    assert r"\frac{\mathrm{d} u}{\mathrm{d} t}" in tex


def test_the_page_of_equations_is_up_to_date() -> None:
    """Guards against a page of equations that are not those that run: `make docs` renews it."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "make_model_pages.py")
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    shown = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    assert shown == pages.render_all_equations()


def test_unknown_names_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards the messages for misspelt systems and formats."""
    assert main(["equations", "corinfomix"]) == 2
    assert main(["equations", "corinfomax", "--format", "latx"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "did you mean 'corinfomax'" in first
    assert "did you mean 'latex'" in second
    with pytest.raises(ParameterError):
        render_equations(SYSTEMS["corinfomax"], "html")
