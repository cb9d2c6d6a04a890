"""Dense rows: they compute what Brian2's standard path computes, and compilers vectorise them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import CorInfoMax
from neurosim.backends.cpp.builder import Recipe, generate_project
from neurosim.backends.cpp.compiler import FLAGS

WORKER = Path(__file__).with_name("dense_worker.py")

each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run_worker(seed: int, dtype: str, path: str, base: Path):
    """Arrays and pathway report of one network, built in a process of its own."""
    folder = base / path
    folder.mkdir()
    subprocess.run(
        [sys.executable, str(WORKER), str(seed), dtype, path, str(folder)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    with np.load(folder / "result.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays, json.loads((folder / "report.json").read_text())


def check_dense_rows(seed: int, dtype: str, base: Path) -> dict[str, str]:
    """Build and run a random network both ways and compare all its arrays bit for bit."""
    with ThreadPoolExecutor(2) as pool:
        dense_run, standard_run = (
            pool.submit(run_worker, seed, dtype, path, base) for path in ("dense", "standard")
        )
    (dense, report), (standard, plain_report) = dense_run.result(), standard_run.result()
    assert set(plain_report.values()) == {"standard: dense rows are switched off"}
    assert set(report.values()) >= {"dense rows", "direct", "standard: delayed"}
    moved = [name for name, array in standard.items() if name.endswith(".w") and array.any()]
    assert moved
    floats = {array.dtype for array in standard.values() if array.dtype.kind == "f"}
    assert floats == {np.dtype(dtype)}
    for name, expected in standard.items():
        np.testing.assert_array_equal(dense[name], expected, err_msg=name)
    return report


@each_dtype
def test_dense_rows_equal_the_standard_path_bit_for_bit(dtype, tmp_path):
    """Guards against rows, columns or orders mixed up by the shortened loops.

    One network for each precision, since each costs two compilations. It has several
    pathways, both directions, plastic weights, delayed, conditional and one-to-one
    projections; the order of additions is the same on both paths, so nothing may differ.
    Only projections whose synapses are in computed order may run as dense rows.
    """
    report = check_dense_rows(1, dtype, tmp_path)
    assert report["synapses_0_signal"] == report["synapses_1_signal"] == "dense rows"
    assert report["synapses_2_signal"] == "standard: delayed"
    assert report["synapses_3_signal"] == "direct"
    for name in ("synapses_4_signal", "synapses_5_signal"):
        assert report[name].startswith("standard: connected by a rule")


@pytest.mark.slow
@each_dtype
@settings(max_examples=10, derandomize=False)
@given(seed=st.integers(0, 10_000))
def test_dense_rows_of_other_networks_equal_the_standard_path(dtype, seed, tmp_path_factory):
    """Guards against the same on twenty other networks, new ones every time."""
    check_dense_rows(seed, dtype, tmp_path_factory.mktemp("dense"))


# ------------------------------------------------------------------ vectorised


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The C++ of the default network, 784-500-10, as users get it; nothing is compiled."""
    folder = tmp_path_factory.mktemp("vectorised")
    recipe = Recipe(CorInfoMax().circuit(), "float32", 1)
    (folder / "spec.json").write_text(json.dumps(recipe.spec()))
    (folder / "project").mkdir()
    generate_project(folder / "spec.json", folder / "project")
    return folder / "project"


#: How compilers tell which loops they vectorised, and how they are kept from it.
REPORTS = {
    "g++": ("-fopt-info-vec-optimized", "loop vectorized", "-fno-tree-vectorize"),
    "clang++": ("-Rpass=loop-vectorize", "vectorized loop", "-fno-vectorize"),
}
INNER_LOOP = "for (size_t _postsynaptic_idx=0;"


def vectorised_lines(compiler: str, source: Path, output: Path, *flags: str) -> set[int]:
    """Lines of a generated file whose loops the compiler says it has vectorised."""
    option, words, _ = REPORTS[compiler]
    command = [compiler, *FLAGS, *flags, option, "-I.", "-c", str(source), "-o", str(output)]
    folder = source.parents[1]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    told = re.findall(rf"{source.name}:(\d+):\d+: .*{words}", done.stderr)
    return {int(number) for number in told}


@pytest.mark.parametrize("compiler", REPORTS)
def test_the_inner_loop_of_a_dense_row_is_vectorised(compiler, project, tmp_path):
    """Guards against a statement or a flag that makes the loop over targets a slow one."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    manifest = json.loads((project / "manifest.json").read_text())
    output = tmp_path / "unit.o"
    for pathway in ("ff_0_signal", "fb_1_signal", "lateral_1_signal"):
        assert manifest["pathways"][pathway] == "dense rows"
        source = project / "code_objects" / f"{pathway}_codeobject.cpp"
        lines = source.read_text().splitlines()
        (inner,) = (number for number, line in enumerate(lines, 1) if INNER_LOOP in line)
        assert inner in vectorised_lines(compiler, source, output), pathway
    # the compiler does not say so of every loop
    assert inner not in vectorised_lines(compiler, source, output, REPORTS[compiler][2])
