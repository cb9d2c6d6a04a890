"""Whole systems with other wirings: natural shapes from the first draw to the last figure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from neurosim import Backpropagation, Simulator
from neurosim.circuit import Blocks, Convolution, Projection, RandomFraction, Windows
from neurosim.circuit.graph import WeightView
from neurosim.errors import DataError
from neurosim.figures.connections import connections
from neurosim.figures.page_tables import projection_rows
from neurosim.learning.metrics import angle_degrees, correlation
from neurosim.runs.explain import explain
from neurosim.system.building_blocks import glorot_uniform

HALF = RandomFraction("all_to_all", 0.5, 1)


@dataclasses.dataclass(frozen=True)
class Wired(Backpropagation):
    """Kernels over a 4 x 4 image, then half of the synapses to the output."""

    name: ClassVar[str] = "bp-wired"
    wiring: ClassVar[Any] = Convolution((1, 4, 4), channels=2, kernel=3, padding=1)

    layers: tuple[int, ...] = (16, 32, 3)

    def projections(self) -> tuple[Projection, ...]:
        """Those of backpropagation, wired in another way."""
        first, second, *others = super().projections()
        changed = zip((first, second), (self.wiring, HALF), strict=True)
        return (*(dataclasses.replace(p, wiring=w) for p, w in changed), *others)

    def initial_weights(self, rng: np.random.Generator) -> dict[str, Any]:
        """With kernels in their natural shape."""
        kernels = rng.uniform(-1, 1, (2, 1, 3, 3))
        return {**super().initial_weights(rng), "W_0": kernels}


def data(n: int = 12) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.random((n, 16)), rng.integers(0, 3, n)


def test_natural_shapes_go_through_learning_saving_and_resuming(tmp_path: Path) -> None:
    """Guards weights that are flattened on the way, and Adam's means of shared weights."""
    made, (x, y) = Wired(batch=4, loss="ce"), data()
    whole = Simulator(made, backend="runtime", dtype="float64")
    assert whole.weights["W_0_m"].shape == whole.weights["W_0"].shape == (2, 1, 3, 3)
    start = whole.weights["W_1"]
    assert ((start != 0) == HALF.existing(32, 3)).all()
    whole.fit(x, y, epochs=2, progress=False)

    parts = Simulator(made, backend="runtime", dtype="float64")
    parts.fit(x, y, epochs=1, progress=False)
    parts.save(tmp_path)
    again = Simulator.load(tmp_path, backend="runtime", system=Wired)
    again.fit(x, y, epochs=1, progress=False)
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(again.weights[name], array, err_msg=name)
    moved = whole.weights["W_1"] != start
    assert moved.any()
    assert not moved[~HALF.existing(32, 3)].any()
    assert (whole.weights["W_0_v"] > 0).sum() > 12


def test_a_weight_without_a_synapse_stays_0() -> None:
    """Guards a value that is set where no synapse is."""
    simulator = Simulator(Wired(), backend="runtime")
    simulator.weights["W_1"] = np.ones((3, 32))
    np.testing.assert_array_equal(simulator.weights["W_1"], HALF.existing(32, 3))
    with pytest.raises(DataError, match=r"needs shape \(2, 1, 3, 3\), got \(2, 9\)"):
        simulator.weights["W_0"] = np.ones((2, 9))


def test_pages_diagrams_and_explain_name_the_wiring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards local synapses that are shown as all to all."""
    made = Wired()
    words = "3 x 3 convolution on 1 x 4 x 4"
    assert words in {row[3] for row in projection_rows(made.circuit())}
    assert any(words in line.words for line in connections(made))
    monkeypatch.setattr("neurosim.runs.explain._compiled", lambda circuit: {})
    told = explain(made.circuit())
    # 16 pixels have 9 windows, 6 at a border, 4 in a corner; 2 channels
    assert f"w_0: sensory -> layer_1, 200 synapses, {words}" in told


def test_products_with_weights_equal_the_dense_matrix() -> None:
    """Guards class templates of windows, forward and through weights of both directions."""
    rng = np.random.default_rng(0)
    for wiring, cells in ((Convolution((2, 4, 3), 3, 2), (24, 18)), (Blocks(3), (6, 9))):
        array = rng.normal(size=wiring.weight_shape(*cells))
        for transposed in (False, True):
            view = WeightView("W", transposed, wiring, cells)
            dense = view.of({"W": array})
            left = rng.normal(size=(4, len(dense)))
            np.testing.assert_allclose(view.after(left, {"W": array}), left @ dense)


def test_angles_and_correlations_compare_the_same_synapses() -> None:
    """Guards feedback that is compared with weights of other synapses."""
    rng = np.random.default_rng(0)
    for wiring, cells in (
        (Convolution((2, 4, 3), 3, 2), (24, 18)), (Windows((2, 4, 3), 3, 2), (24, 18)),
    ):  # fmt: skip
        forward, backward = rng.normal(size=(2, *wiring.weight_shape(*cells)))
        assert angle_degrees(forward, forward) < 1e-5
        back = wiring.reversed()
        up, down = wiring.matrix(forward, *cells), back.matrix(backward, *cells[::-1])
        if not wiring.tied:
            there = up != 0
            want = np.degrees(np.arccos(
                (up * down.T).sum() / np.linalg.norm(up) / np.linalg.norm(down)))  # fmt: skip
            assert angle_degrees(forward, backward) == pytest.approx(want)
            want = np.corrcoef(up[there], down.T[there])[0, 1]
            assert correlation(forward, backward) == pytest.approx(want)
        with pytest.raises(DataError, match="not of one shape"):
            angle_degrees(forward, backward.ravel())
    blocks = rng.normal(size=(3, 4, 2))
    assert correlation(blocks, 2 * blocks.swapaxes(1, 2)) == pytest.approx(1)


def test_glorot_takes_the_synapses_of_a_cell() -> None:
    """Guards bounds that count a kernel's side as cells."""
    drawn = glorot_uniform(np.random.default_rng(0), (8, 3, 5, 5), (75, 200))
    assert 0.9 * np.sqrt(6 / 275) < abs(drawn).max() < np.sqrt(6 / 275)


def test_filters_are_the_windows_of_the_cells() -> None:
    """Guards kernels drawn as rows of a matrix."""
    array = np.arange(2 * 1 * 9.0).reshape(2, 1, 3, 3)
    np.testing.assert_array_equal(Wired.wiring.filters(array, 16, 32), array)
    local = Windows((1, 4, 4), 2, 3)
    found = local.filters(np.arange(2 * 4 * 9.0).reshape(2, 2, 2, 1, 3, 3), 16, 8)
    np.testing.assert_array_equal(found[1], np.arange(9.0, 18).reshape(1, 3, 3))
