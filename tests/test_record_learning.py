"""Recording while a network learns: the same weights as without, and values that it had."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oracles import small_system

from neurosim import Simulator, open_recording, select_layer
from neurosim.errors import DataError, ParameterError
from neurosim.models.bp import Backpropagation
from neurosim.models.phsic import PHSIC
from neurosim.models.reciprocal_feedback import ReciprocalFeedback
from neurosim.system import System
from neurosim.viewer.data import gather
from neurosim.viewer.opening import open_source

IMAGES = 5


def data(system: System) -> tuple[NDArray[Any], NDArray[np.int64]]:
    rng = np.random.default_rng(5)
    images = rng.random((IMAGES, system.layers[0]))
    return images, rng.integers(0, system.layers[-1], IMAGES)


def make(system: System, backend: str = "runtime", **settings: Any) -> Simulator:
    return Simulator(system, seed=3, backend=backend, **settings)


def corinfomax(**changes: Any) -> System:
    return small_system(event_threshold=0.02, sst_threshold=0.05, **changes)


def assert_same_learner(one: Simulator, other: Simulator) -> None:
    assert (one.epoch, one.position, one.commits) == (other.epoch, other.position, other.commits)
    for name, array in other.weights.arrays().items():
        np.testing.assert_array_equal(one.weights[name], array, err_msg=name)


SYSTEMS = {
    "online": lambda: corinfomax(batch=1),
    "batches": lambda: Backpropagation(layers=(6, 5, 3), batch=4),
    "stages": lambda: ReciprocalFeedback(layers=(6, 5, 3), batch=4, first_sleep=2, dreams=3),
}


@pytest.mark.parametrize("kind", SYSTEMS)
def test_learning_is_the_same_bit_for_bit(kind: str) -> None:
    """Guards against a recording that changes what is learned: batches, stages, last batches."""
    system = SYSTEMS[kind]()
    x, y = data(system)
    plain, recorded = make(system), make(system)
    plain.fit(x, y, progress=False)
    some = recorded.record(x, y, learning=True, only=[1, 3], layer=1)
    assert_same_learner(recorded, plain)
    assert sorted(some.image.values.tolist()) == [1, 3]
    assert some.attrs["epoch"] == 1
    # what is compared has moved
    before = make(system)
    assert any((plain.weights[n] != before.weights[n]).any() for n in plain.weights)


def test_a_compiled_program_learns_the_same_too() -> None:
    """Guards against a recording program whose sums are taken in another order."""
    system = corinfomax(batch=4)
    x, y = data(system)
    with make(system, "cpp", threads=2) as plain, make(system, "cpp", threads=1) as recorded:
        plain.fit(x, y, epochs=2, progress=False)
        tree = recorded.record(x, y, learning=True)
        again = recorded.record(x, y, learning=True, only=[4], layer=2, neurons=[1])
        assert_same_learner(recorded, plain)
    with make(system) as runtime:
        other = runtime.record(x, y, learning=True)
    for number in (1, 2):
        mine, theirs = select_layer(tree, number), select_layer(other, number)
        np.testing.assert_array_equal(mine.image, theirs.image)
        np.testing.assert_allclose(mine.soma, theirs.soma, rtol=1e-3, atol=1e-4)
    assert again.soma.shape == (1, mine.sizes["time"], 1)


def test_recorded_are_the_values_with_the_weights_of_that_moment() -> None:
    """Guards against images, inputs or weights that belong to another moment of learning."""
    system = corinfomax(batch=1)
    x, y = data(system)
    simulator = make(system, dtype="float64")
    before = copy.deepcopy(simulator)
    order = simulator.epoch_order(IMAGES)
    layer = simulator.record(x, y, learning=True, layer=1, ids=np.arange(100, 100 + IMAGES))
    np.testing.assert_array_equal(layer.image, 100 + order)
    np.testing.assert_array_equal(layer.label, y[order])
    np.testing.assert_array_equal(layer.stimulus, x[order])
    betas = before.system.cycle_scalars(before._rng("scalars", 0), IMAGES)["beta"]
    np.testing.assert_array_equal(layer.input_beta, betas)
    # one image before learning, and the last with the weights that the others have left
    rest = copy.deepcopy(before)
    chunks = rest.train_epoch(x, y_as_targets(rest, y))
    rest.chunk_images = 1
    for _ in range(IMAGES - 1):
        next(chunks)
    for place, network in ((0, before), (IMAGES - 1, rest)):
        row = order[[place]]
        beta = {"beta": float(betas[place])}
        alone = network.record(x[row], y[row], inputs=beta, layer=1)
        for name in ("soma", "basal", "apical"):
            np.testing.assert_array_equal(layer[name][place], alone[name][0], err_msg=name)
    early = before.record(x[row], y[row], inputs=beta, layer=1)
    assert (layer.soma[-1] != early.soma[0]).any()


def y_as_targets(simulator: Simulator, y: NDArray[np.int64]) -> NDArray[Any]:
    return simulator.check_targets(y)


def test_names_shapes_and_units_are_those_of_other_recordings() -> None:
    """Guards against a recording that the figures and the view cannot read."""
    system = corinfomax(batch=4)
    x, y = data(system)
    simulator = make(system)
    plain = simulator.record(x, y)
    tree = simulator.record(x, y, learning=True)
    assert tree.groups == plain.groups
    for number in (0, 1, 2):
        mine, theirs = select_layer(tree, number), select_layer(plain, number)
        assert {*mine.variables} == {*theirs.variables, "input_beta"}
        for name, array in theirs.variables.items():
            assert mine[name].dims == array.dims, name
            assert mine[name].shape == array.shape, name
            assert mine[name].attrs == array.attrs, name
    assert mine.soma.attrs["units"] == "1"
    np.testing.assert_array_equal(mine.time, theirs.time)
    np.testing.assert_array_equal(mine.phase, theirs.phase)
    seen = gather(open_source(tree))
    assert seen.facts["ids"] == tree.image.values.tolist()


def test_a_recording_too_large_for_memory_goes_to_its_file(tmp_path: Path) -> None:
    """Guards against parts that are lost, or learned twice, where a recording is streamed."""
    system = corinfomax(batch=4)
    x, y = data(system)
    whole, parts = make(system), make(system)
    expected = whole.record(x, y, learning=True)
    file = tmp_path / "learning.nc"
    with pytest.raises(DataError, match="memory_limit"):
        parts.record(x, y, learning=True, memory_limit=2e4)
    parts.record(x, y, learning=True, memory_limit=2e4, to=file).close()
    assert_same_learner(parts, whole)
    with open_recording(file) as opened:
        mine, theirs = select_layer(opened, 1), select_layer(expected, 1)
        for name, array in theirs.variables.items():
            np.testing.assert_array_equal(mine[name], array, err_msg=name)


def test_what_cannot_be_recorded_while_learning_is_refused_by_name() -> None:
    """Guards against weights that differ in silence, and options without effect."""
    system = corinfomax(batch=1)
    x, y = data(system)
    for backend in ("cuda", "genn"):
        with pytest.raises(ParameterError, match=rf"'{backend}'.*'cpp' or 'runtime'"):
            make(system, backend).record(x, y, learning=True)
    simulator = make(system)
    with pytest.raises(ParameterError, match="simulator's own, 'runtime'"):
        simulator.record(x, y, learning=True, backend="cpp")
    with pytest.raises(ParameterError, match=r"phases=.*learning"):
        simulator.record(x, y, learning=True, phases={"nudged": 0})
    with pytest.raises(ParameterError, match="only="):
        simulator.record(x, y, only=[1])
    with pytest.raises(DataError, match="labels"):
        simulator.record(x, learning=True)
    with pytest.raises(DataError, match=r"0 to 4"):
        simulator.record(x, y, learning=True, only=[5])
    with pytest.raises(DataError, match="at least one"):
        simulator.record(x, y, learning=True, only=[])
    meeting = PHSIC(layers=(6, 5, 3), rule="batch", batch=4, grouping="none")
    with pytest.raises(ParameterError, match=r"meet.*'cpp'"):
        make(meeting).record(*data(meeting), learning=True)
    assert simulator.epoch == simulator.position == 0
