"""Which tests run when: the slow ones only when asked for, and where the data lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import find_mnist
from test_sabotage import SABOTAGES

ROOT = Path(__file__).resolve().parents[1]


#: Collects twice in one process, which imports everything once: as usual, and the slow tests.
COLLECT = """
import pytest
options = ["--collect-only", "-q", "-p", "no:cacheprovider"]
options += ["tests/test_mnist_slow.py", "tests/test_sabotage.py"]
pytest.main(options)
print("SLOW")
pytest.main([*options, "-m", "slow"])
"""


def test_slow_tests_run_only_when_asked_and_the_run_says_so(tmp_path: Path) -> None:
    """Guards `make test` against minutes more because NEUROSIM_MNIST_DIR is exported."""
    environment = {**os.environ, "NEUROSIM_MNIST_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COLLECT], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    usual, slow = done.stdout.split("SLOW\n")
    assert "deselected" in usual
    assert "test_mnist_slow.py::" not in usual
    assert slow.count("test_mnist_slow.py::") >= 9
    of_many = [part.count("::test_the_oracle_catches[") for part in (usual, slow)]
    assert of_many == [3, len(SABOTAGES) - 3]


def test_the_data_may_lie_where_training_keeps_them(tmp_path: Path) -> None:
    """Guards `make test-slow` without DATA_DIR: it uses what `neurosim train` has downloaded."""
    with pytest.raises(pytest.skip.Exception, match="holds no MNIST/raw"):
        find_mnist("", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="holds no MNIST/raw"):
        find_mnist(str(tmp_path), tmp_path)
    for name in ("MNIST", "FashionMNIST"):
        (tmp_path / name / "raw").mkdir(parents=True)
    assert find_mnist("", tmp_path) == tmp_path
    assert find_mnist(str(tmp_path), tmp_path / "elsewhere") == tmp_path


@pytest.mark.parametrize("given", ["", "/data"])
def test_make_names_a_folder_only_if_one_is_given(given: str) -> None:
    """Guards an exported NEUROSIM_MNIST_DIR against being emptied by make."""
    done = subprocess.run(
        ["make", "-n", "test-slow", f"DATA_DIR={given}"], capture_output=True, text=True, cwd=ROOT
    )
    command = done.stdout.replace("\\\n", " ")
    (line,) = (line for line in command.splitlines() if "-m pytest" in line)
    assert ("NEUROSIM_MNIST_DIR" in line) == bool(given)
