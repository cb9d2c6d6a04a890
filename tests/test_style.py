"""The style of the house: small modules, short functions, plain words, no dead code."""

from __future__ import annotations

import ast
import io
import json
import re
import statistics
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Folders whose modules are the product; tests may be longer.
CODE = ("neurosim", "models", "benchmarks", "scripts", "docs")
#: Folders whose words are read: everything above, and what surrounds it.
TEXT = (*CODE, "tests", "notebooks", ".ci")

MOST_LINES = 450
#: Lines of a function without signature and docstring.
MEDIAN_BODY, NINETIETH_BODY = 10, 40

#: Words of pages and comments that tell the history of the project, or are hard to understand.
OBSCURE_WORDS = (
    "departures",
    "first sketch",
    "the project was asked",
    "asked for at most",
    "tried and dropped",
    "formerly",
    "as of today",
    "straw man",
    "aloud",
    "of its own of",
    "is gone, or else",
    "whatever it was asked",
)
#: Folders that every machine has, so that files may name them.
COMMON = {"/", "/home", "/opt", "/srv", "/tmp", "/usr", "/var"}
#: Folders of the machine that runs the tests, which others do not have.
PRIVATE = tuple(f"{folder}/" for folder in {str(ROOT.parent), str(Path.home())} - COMMON)


def modules(*folders: str) -> list[Path]:
    """Python files below some folders of the repository."""
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def texts() -> list[Path]:
    """Files with words for people: pages, code, settings, notebooks."""
    kinds = {".py", ".md", ".toml", ".cfg", ".ipynb", ".cpp", ".c", ".cff", ""}
    below = (file for folder in TEXT for file in (ROOT / folder).rglob("*"))
    files = (file for file in (*below, *ROOT.iterdir()) if file.suffix in kinds and file.is_file())
    return sorted(file for file in files if file != Path(__file__) and _is_kept(file))


def _is_kept(file: Path) -> bool:
    # a worktree's .git is a file that names a folder of this machine
    return "__pycache__" not in file.parts and file.name not in (".git", ".coverage")


def name(file: Path) -> str:
    """Path from the root, for messages."""
    return file.relative_to(ROOT).as_posix()


# ------------------------------------------------------------------ size


def too_long(files: list[Path], most: int) -> list[str]:
    """Modules with more lines than ``most``."""
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    return [f"{name(file)} ({count})" for file, count in lines.items() if count > most]


def body_lengths(source: str) -> list[int]:
    """Lines of every function's body, its docstring left out."""
    lengths = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lengths.append(body[-1].end_lineno - body[0].lineno + 1 if body else 0)
    return lengths


def ninetieth(values: list[int]) -> float:
    """The 90th centile."""
    return statistics.quantiles(values, n=10, method="inclusive")[-1]


def test_no_module_is_too_long() -> None:
    """Guards against modules with several jobs: each fits a few screens."""
    found = too_long(modules(*CODE), MOST_LINES)
    assert not found, f"more than {MOST_LINES} lines: {', '.join(found)}"


@pytest.mark.parametrize(
    "folders", [("neurosim",), ("models",), ("benchmarks", "scripts", "docs")], ids=" ".join
)
def test_functions_are_short(folders: tuple[str, ...]) -> None:
    """Guards against functions that do not fit on a screen."""
    lengths = [
        length
        for file in modules(*folders)
        for length in body_lengths(file.read_text(encoding="utf-8"))
    ]
    assert lengths
    assert statistics.median(lengths) <= MEDIAN_BODY
    assert ninetieth(lengths) <= NINETIETH_BODY


def test_lengths_are_counted() -> None:
    """Guards the two tests above: signature and docstring do not count, statements do."""
    source = 'def f(\n    x\n):\n    """One.\n\n    Two.\n    """\n    y = (\n        x\n    )\n'
    assert body_lengths(source) == [3]
    assert body_lengths('def f():\n    """Only words."""\n') == [0]
    assert ninetieth([*range(1, 12)]) == 10
    assert too_long([Path(__file__)], 10) != []
    assert too_long([Path(__file__)], MOST_LINES) == []


# ------------------------------------------------------------------ words


def words_for_people(file: Path) -> str:
    """Text of a page or notebook; of code its comments and strings, in lower case."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        text = " ".join(_comments_and_strings(text))
    elif file.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    return flat(text)


def flat(text: str) -> str:
    """The text in lower case, without line breaks and the signs of comments."""
    return re.sub(r"[\s#]+", " ", text).lower()


def _comments_and_strings(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield token.string


def found_in(text: str, words: tuple[str, ...]) -> list[str]:
    """Those of ``words`` that occur in the text, as whole words."""
    return [word for word in words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)]


def test_words_are_plain() -> None:
    """Guards against history and obscure words: a page says how a thing works, and why so."""
    # to take a file apart takes time: only those that hold such a word anywhere
    suspects = [file for file in texts() if found_in(flat(file.read_text()), OBSCURE_WORDS)]
    found = {name(file): found_in(words_for_people(file), OBSCURE_WORDS) for file in suspects}
    assert not {file: words for file, words in found.items() if words}


def test_no_file_names_folders_of_one_machine() -> None:
    """Guards against paths that nobody else has."""
    found = [
        f"{name(file)}: {path}"
        for file in texts()
        for path in PRIVATE
        if path in file.read_text(encoding="utf-8")
    ]
    assert not found


def test_words_are_found(tmp_path: Path) -> None:
    """Guards the guard: in pages, comments and docstrings, across lines, but not in names."""
    page, code = tmp_path / "page.md", tmp_path / "code.py"
    page.write_text("Departures from the first\nsketch.")
    code.write_text('def aloud():\n    """The project was\n    asked."""  # a straw man\n')
    assert found_in(words_for_people(page), OBSCURE_WORDS) == ["departures", "first sketch"]
    assert found_in(words_for_people(code), OBSCURE_WORDS) == ["the project was asked", "straw man"]
    assert {ROOT / "README.md", ROOT / "docs" / "architecture.md", ROOT / "setup.cfg"} <= {*texts()}


def test_commented_out_code_is_refused_by_the_linter() -> None:
    """Guards ``make lint``: ruff's rule against commented-out code holds in every folder."""
    lint = tomllib.loads((ROOT / "ruff.toml").read_text(encoding="utf-8"))["lint"]
    assert "ERA" in lint["select"]
    ignored = [rule for rules in lint["per-file-ignores"].values() for rule in rules]
    assert not any(rule.startswith("ERA") for rule in (*lint["ignore"], *ignored))
    silenced = re.compile(r"noqa:[^\n]*\bERA")
    files = [file for file in modules(*CODE, "tests") if file != Path(__file__)]
    assert [name(file) for file in files if silenced.search(file.read_text())] == []
