"""The notebooks run from top to bottom, are stripped, and lead on to files that exist.

What a notebook claims it asserts itself, in its own cells.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

#: Processor time of a notebook in seconds, with the one program it may have to compile.
LIMIT = 60.0

#: The shortest one always runs, the others with the slow tests.
QUICK = "03_events_and_accuracy"

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookClient]:
    """One kernel with this checkout's neurosim, for all notebooks.

    It reads nothing from the home folder, and writes nothing there.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        environment[name] = str(tmp_path_factory.mktemp(name.lower()))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3")
        with client.setup_kernel(env=environment):
            yield client


def execute(notebook: Any, kernel: NotebookClient, folder: Path) -> float:
    """Run a notebook in a folder, without the names of those before; seconds of processor time."""
    begin = f"%reset -f\nimport os\nos.chdir({str(folder)!r})\nprint(sum(os.times()[:4]))\ndel os"
    ends = [begin, "import os\nprint(sum(os.times()[:4]))"]
    first, last = map(nbformat.v4.new_code_cell, ends)
    whole = nbformat.v4.new_notebook(cells=[first, *notebook.cells, last])
    client = NotebookClient(whole, km=kernel.km, timeout=300)
    client.kc = kernel.kc
    client.execute()
    before, after = (float(cell.outputs[0].text) for cell in (first, last))
    return after - before


def test_all_four_are_there() -> None:
    """Guards the parametrised tests against an empty folder."""
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem == QUICK else pytest.mark.slow)
        for path in NOTEBOOKS
    ],
)
def test_a_notebook_runs(path: Path, kernel: NotebookClient, tmp_path: Path) -> None:
    """Guards cells that fail, claims that do not hold, and notebooks that crawl."""
    notebook = read(path)
    spent = execute(notebook, kernel, tmp_path)
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    errors = [output for output in outputs if output.output_type == "error"]
    warned = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert not errors
    assert not any("Warning" in text for text in warned), warned
    assert len(pictures) >= 1
    assert spent < LIMIT


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


def test_false_claims_and_forgotten_imports_are_noticed(
    kernel: NotebookClient, tmp_path: Path
) -> None:
    """Guards the check itself: failing cells fail the run, and no name outlives its notebook."""
    for code, error in (("x = 1\nassert x + 1 == 3", "AssertionError"), ("x", "NameError")):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        with pytest.raises(CellExecutionError, match=error):
            execute(notebook, kernel, tmp_path)
