"""The pages: their code runs and prints what they say, their links and commands exist."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import io
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neurosim import __version__
from neurosim.backends.brian import build
from neurosim.circuit.parser import parse_equations
from neurosim.cli import build_parser
from neurosim.figures.formulas import printer_for
from neurosim.models import SYSTEMS
from neurosim.system.parameters import describe_parameters

ROOT = Path(__file__).parent.parent
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))

#: What learning gives depends on the rounding of the processor: such numbers have these units.
_MEASURED = re.compile(r"-?\d+(?:\.\d+)?(?= (?:%|degrees)(?!\w))")


# ------------------------------------------------------------------ running a page


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """Fenced blocks of a page in these languages, in order."""
    found = re.findall(
        r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    return [(language, text) for language, text in found if language in languages]


def run_page(page: Path) -> dict[str, Any]:
    """Run a page's Python blocks one after the other; compare what they print with its text."""
    names: dict[str, Any] = {"__name__": page.stem}
    printed: str | None = None
    for language, text in blocks(page, "python", "text"):
        if language == "python":
            assert not (printed or "").strip(), (
                f"{page.name} does not show what it prints: {printed}"
            )
            printed = _printed_by(text, names, page.name)
        elif printed is not None:
            assert_alike(printed, text)
            printed = None
    assert not (printed or "").strip(), f"{page.name} does not show what it prints: {printed}"
    return names


def _printed_by(text: str, names: dict[str, Any], page: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(text, page, "exec", dont_inherit=True), names)
    return output.getvalue()


def assert_alike(printed: str, shown: str) -> None:
    """The same words and numbers, measured accuracies and angles apart."""
    assert _MEASURED.sub("#", printed).strip() == _MEASURED.sub("#", shown).strip()


@pytest.mark.slow
def test_the_page_on_learning_rules_does_what_it_says() -> None:
    """Guards against a page whose code does not run, or whose claims do not hold."""
    names = run_page(ROOT / "docs" / "write-your-own-rule.md")
    accuracy, angle = zip(*names["decaying"].values(), strict=True)
    assert min(accuracy) > 80
    # decay aligns the weights: each strength by more than the spread of seeds
    assert angle[0] > angle[1] + 2 > angle[2] + 4
    assert names["accuracy_delta"] > 70


def test_the_back_end_by_itself_equals_numpy() -> None:
    """Guards the claim that one set of weights may carry signal both ways."""
    names = run_page(ROOT / "docs" / "brian2-objects.md")
    assert names["moved"] > 0.01
    assert names["difference"] < 1e-12


def test_the_example_of_the_readme_runs() -> None:
    """Guards the first code a newcomer tries."""
    names = run_page(ROOT / "README.md")
    digits = names["digits"]
    assert names["simulator"].score(digits.x_test, digits.y_test) > 0.8
    assert "0.001*w" in names["Forgetting"]().circuit().projection("ff_1").commit


def test_the_results_of_the_readme_are_measured() -> None:
    """Guards numbers of the front page: each row stands on the page made from the results."""
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    head = re.search(r"^\| epoch \| .* \|$", results, re.M)
    assert head is not None
    tenth = head[0].split(" | ").index("10")
    row = re.compile(r"^\| \[.*\]\(docs/models/([\w-]+)\.md\) \| (.+) \| (.+) \|$", re.M)
    rows = row.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(rows) > 3
    for system, here, published in rows:
        course = rf"^\| mnist/{system} \|(?! \d+-).*$\n^\| published \|.*$"
        lines = re.search(course, results, re.M)
        assert lines is not None, system
        ours, theirs = lines[0].splitlines()
        assert ours.split(" | ")[tenth] == here, system
        assert theirs.split(" | ")[tenth] == published, system


def test_the_front_page_is_short() -> None:
    """Guards against a front page that grows into a record: details have pages of their own."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 850


#: Pages with tests of their own above.
_RUN_ABOVE = ("README.md", "brian2-objects.md", "write-your-own-rule.md")
_OTHERS = [page for page in PAGES if page.name not in _RUN_ABOVE and blocks(page, "python")]


@pytest.mark.quick(5)
@pytest.mark.parametrize("page", _OTHERS, ids=lambda page: page.name)
def test_other_pages_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against examples that fail."""
    # they write files
    monkeypatch.chdir(tmp_path)
    run_page(page)


@pytest.mark.parametrize(
    "shown", ["accuracies 95 %, 2 of 3", "accuracy 95 %, 1 of 3", "accuracy, 2 of 3"]
)
def test_a_wrong_word_or_count_in_a_page_is_noticed(shown: str) -> None:
    """Guards the comparison itself: only what is measured may differ."""
    assert_alike("accuracy 95 %, 2 of 3", "accuracy 94.2 %, 2 of 3")
    with pytest.raises(AssertionError):
        assert_alike("accuracy 95 %, 2 of 3", shown)


# ------------------------------------------------------------------ made pages and pictures


def load_script(path: Path) -> ModuleType:
    """A program of the repository as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_made_pages_are_up_to_date() -> None:
    """Guards against equations on a page that are not those that run: `make docs` renews them."""
    pages = load_script(ROOT / "docs" / "make_model_pages.py").pages()
    assert {path.stem for path in pages} == {*SYSTEMS, "README", "equations"}
    old = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert not old, "run `make docs`"
    made = {path for path in pages if path.parent.name == "models"}
    assert {*(ROOT / "docs" / "models").iterdir()} == made


def test_the_page_of_a_model_keeps_equation_numbers() -> None:
    """Guards the numbers of the paper on their way from comments to the page."""
    text = (ROOT / "docs" / "models" / "corinfomax.md").read_text(encoding="utf-8")
    for number in (13, 14, 18, 19, 20, 21, 26, 27, 28):
        assert f"eq. {number}" in text or f", {number}" in text


def test_every_variable_and_parameter_is_on_the_page() -> None:
    """Guards the table of symbols, which is made from equations and parameters."""
    system = SYSTEMS["corinfomax"]
    text = (ROOT / "docs" / "models" / "corinfomax.md").read_text(encoding="utf-8")
    symbols, rows = printer_for(system), re.findall(r"^\| `(\w+)` \|", text, flags=re.M)
    assert {*describe_parameters(system)} <= {*rows}
    for population in system().circuit().populations:
        for line in parse_equations(population.equations):
            assert line.name in rows or f"{symbols.name(line.name)}" in text, line.name


def test_a_derived_system_tells_only_where_it_differs() -> None:
    """Guards pages that repeat each other, and the equation that a derived system changes."""
    text = (ROOT / "docs" / "models" / "corinfomax-sparse.md").read_text(encoding="utf-8")
    assert "Those of [corinfomax](corinfomax.md#equations), except:" in text
    assert "code, max(u, 0)" in text
    assert "Without $i_{q}$." in text
    assert "It has no `lagrange_1`, `lagrange_2`, `sum_1`, `sum_2`." in text
    assert "eq. 26" not in text
    assert "| `tau_q_hidden` |" in text
    assert "| `tau_u` |" not in text


def test_every_system_is_drawn() -> None:
    """Guards the pictures that the pages show."""
    for name in SYSTEMS:
        for suffix in (".svg", ".png"):
            file = ROOT / "docs" / "images" / f"circuit-{name}{suffix}"
            assert file.stat().st_size > 10_000
        page = (ROOT / "docs" / "models" / f"{name}.md").read_text(encoding="utf-8")
        assert f"![The circuit](../images/circuit-{name}.svg)" in page


# ------------------------------------------------------------------ what the pages say of the code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    """Guards against moved files and renamed headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        path, _, heading = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        assert file.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in _headings(file), f"{page.name} links to {target}"


def test_every_page_is_in_the_index() -> None:
    """Guards pages that nobody finds: the README leads to the index, the indexes to the rest."""
    index = ROOT / "docs" / "README.md"
    linked = _linked(index) | _linked(ROOT / "docs" / "models" / "README.md")
    pages = {*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"}
    missing = {page.relative_to(ROOT).as_posix() for page in pages - {index} - linked}
    assert not missing, f"docs/README.md does not lead to {', '.join(sorted(missing))}"
    assert index in _linked(ROOT / "README.md")


def _linked(page: Path) -> set[Path]:
    """Files that a page links to."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    return {(page.parent / target).resolve() for target in targets}


def _headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_table_of_a_time_step_is_that_of_the_builder() -> None:
    """Guards the order of events on the architecture page."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` (\d+) \| `(\w+)` (\d+) \| `(\w+)` (\d+)", text, re.M)
    shown = {
        moment: tuple((slot, int(order)) for slot, order in zip(rest[::2], rest[1::2], strict=True))
        for moment, *rest in rows
    }
    assert shown == dict(build._SCHEDULE)


def test_brian2_objects_are_made_in_one_place() -> None:
    """Guards the layout: one room makes groups, synapses, inputs, monitors and networks."""
    made = re.compile(r"\b(NeuronGroup|Synapses|TimedArray|StateMonitor|EventMonitor|Network)\(")
    files = [*(ROOT / "neurosim").rglob("*.py"), *(ROOT / "models").glob("*.py")]
    makers = [
        file.relative_to(ROOT).as_posix()
        for file in files
        if any(made.search(line) and "class " not in line for line in _code_lines(file))
    ]
    assert makers
    assert all(maker.startswith("neurosim/backends/brian/") for maker in makers), makers


def _code_lines(file: Path) -> list[str]:
    """Source without comments and docstrings."""
    return ast.unparse(
        _without_docstrings(ast.parse(file.read_text(encoding="utf-8")))
    ).splitlines()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(value="")
    return tree


def test_models_touch_nothing_that_runs() -> None:
    """Guards the border: a model is data; no Brian2, files, devices, clocks or processes."""
    allowed = {
        "__future__", "collections", "dataclasses", "itertools", "math", "typing", "numpy",
        "neurosim.circuit", "neurosim.errors", "neurosim.models", "neurosim.system",
    }  # fmt: skip
    for file in {*(ROOT / "models").rglob("*.py")} - {ROOT / "models" / "__init__.py"}:
        for name in _imports(file):
            parts = name.split(".")
            known = {".".join(parts[: n + 1]) for n in range(len(parts))}
            assert known & allowed, f"{file.name} imports {name}"


def _imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def _commands(page: Path) -> list[str]:
    lines = [line for _, text in blocks(page, "sh") for line in text.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_the_pages_exist(page: Path) -> None:
    """Guards against options and targets that were renamed."""
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)
    )
    for command in _commands(page):
        first, *rest = shlex.split(command)
        if first == "make":
            assert rest[0] in targets, command
        elif first == "neurosim":
            assert isinstance(build_parser().parse_args(rest), argparse.Namespace)


def test_the_version_is_the_same_everywhere() -> None:
    """Guards the release: package, citation and changelog agree."""
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, flags=re.M).group(1) == __version__
    assert f"## {__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
