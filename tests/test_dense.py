"""Dense rows compute what Brian2's standard path computes, on random networks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WORKER = Path(__file__).with_name("dense_worker.py")


def run_worker(seed: int, dtype: str, path: str, folder: Path):
    """Arrays and pathway report of one network, built in a process of its own."""
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


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 10_000), dtype=st.sampled_from(["float32", "float64"]))
def test_dense_rows_equal_the_standard_path_bit_for_bit(seed, dtype, tmp_path_factory):
    """Guards against rows, columns or orders mixed up by the shortened loops.

    Every network has several pathways, both directions, plastic weights, delayed,
    conditional and one-to-one projections; the order of additions is the same on both
    paths, so nothing may differ at all.
    """
    base = tmp_path_factory.mktemp("dense")
    dense, report = run_worker(seed, dtype, "dense", base / "dense")
    standard, plain_report = run_worker(seed, dtype, "standard", base / "standard")
    assert set(plain_report.values()) == {"standard: dense rows are switched off"}
    assert set(report.values()) >= {"dense rows", "direct", "standard: delayed"}
    moved = [name for name, array in standard.items() if name.endswith(".w") and array.any()]
    assert moved
    for name, expected in standard.items():
        np.testing.assert_array_equal(dense[name], expected, err_msg=name)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Pathway report of one network with dense rows."""
    return run_worker(1, "float32", "dense", tmp_path_factory.mktemp("report") / "dense")[1]


def test_only_projections_that_qualify_run_as_dense_rows(report):
    """Guards against shortening a projection whose synapses are not in computed order."""
    assert report["synapses_0_signal"] == report["synapses_1_signal"] == "dense rows"
    assert report["synapses_2_signal"] == "standard: delayed"
    assert report["synapses_3_signal"] == "direct"
    for name in ("synapses_4_signal", "synapses_5_signal"):
        assert report[name].startswith("standard: connected by a rule")
