"""The notebooks run from top to bottom, are stripped, and lead on to files that exist.

What a notebook claims it asserts itself, in its own cells.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from command_line import time_of_children
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

#: Processor time of a notebook in seconds, with the one program it may have to compile.
LIMIT = 60.0

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(autouse=True)
def no_settings_of_the_user(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep Jupyter from reading the home folder, and from writing to one that is read-only."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))


def execute(notebook: Any, folder: Path) -> None:
    """Run a notebook in a fresh kernel with this checkout's neurosim, in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources)
    client.execute(env=environment)


def test_all_four_are_there() -> None:
    """Guards the parametrised tests against an empty folder."""
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]


@each_notebook
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    """Guards cells that no longer run, claims that no longer hold, and notebooks that crawl."""
    notebook = read(path)
    with time_of_children() as spent:
        execute(notebook, tmp_path)
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    errors = [output for output in outputs if output.output_type == "error"]
    warned = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert not errors
    assert not any("Warning" in text for text in warned), warned
    assert len(pictures) >= 1
    assert spent.least < LIMIT, spent


@each_notebook
def test_a_notebook_is_stripped(path: Path) -> None:
    """Guards against outputs and settings of one machine in the repository."""
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in code_cells(notebook):
        assert cell.outputs == [], cell.id
        assert cell.execution_count is None, cell.id
    assert all(not cell.metadata for cell in notebook.cells)


@each_notebook
def test_a_notebook_explains_checks_and_leads_on(path: Path) -> None:
    """Guards the form: text before code, claims asserted, axes named, a last line that leads on."""
    cells = read(path).cells
    assert cells[0].cell_type == cells[-1].cell_type == "markdown"
    assert "**Next:**" in cells[-1].source
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert code.count("\nassert ") >= 3
    assert "style.label(" in code


@each_notebook
def test_links_of_a_notebook_lead_somewhere(path: Path) -> None:
    """Guards against moved pages."""
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?:", target):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_a_false_claim_is_noticed(tmp_path: Path) -> None:
    """Guards the check itself: a failing assertion in a cell fails the run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert 1 + 1 == 3")])
    with pytest.raises(CellExecutionError):
        execute(notebook, tmp_path)
