"""Batches as a system's parameter: what they learn, and what they do not depend on."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oracles import Problem, assert_same_weights, deep_system, reference_run, small_system

from neurosim import CorInfoMax, Simulator
from neurosim.backends.chunks import Chunk
from neurosim.backends.cpp.lanes import check_lane_memory, images_in_flight
from neurosim.circuit import Circuit
from neurosim.errors import CircuitError, NeurosimWarning, ParameterError
from neurosim.learning.inputs import batch_complaint
from neurosim.models import EquilibriumPropagation

IMAGES, BATCH = 13, 4
SYSTEM = deep_system(batch=BATCH, beta=0.5)

Task = tuple[NDArray[Any], NDArray[Any]]


@pytest.fixture(scope="module")
def task() -> Task:
    rng = np.random.default_rng(11)
    return rng.uniform(size=(IMAGES, 5)), rng.integers(3, size=IMAGES)


def make(**settings: Any) -> Simulator:
    return Simulator(SYSTEM, **{"seed": 3, "dtype": "float64", **settings})


def learnt(task: Task, **settings: Any) -> dict[str, NDArray[Any]]:
    with make(**settings) as simulator:
        return simulator.fit(*task, epochs=2, progress=False).weights.arrays()


def assert_same_bits(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(other[name], array, err_msg=name)


# ------------------------------------------------------------------ what is learnt


def test_an_epoch_is_learnt_batch_after_batch_as_by_the_reference(task: Task) -> None:
    """Guards batches of other images, a last one left out, and signs out of step with them."""
    x, y = task
    with make(backend="runtime") as simulator:
        order = simulator.epoch_order(IMAGES)
        betas = SYSTEM.cycle_scalars(simulator._rng("scalars"), IMAGES)["beta"]
        shown = Problem(simulator.weights.arrays(), x[order], np.eye(3)[y[order]], betas)
        _, expected = reference_run(SYSTEM, shown, learning=True)
        simulator.fit(x, y, progress=False)
        assert_same_weights(simulator.weights.arrays(), expected, tolerance=1e-11)


def test_the_images_of_a_batch_share_a_sign() -> None:
    """Guards a protocol that differs from the published one in the nudge."""
    system = CorInfoMax(batch=20)
    betas = system.cycle_scalars(np.random.default_rng(0), 410)["beta"]
    signs = [set(betas[start : start + 20]) for start in range(0, 410, 20)]
    assert all(len(of_one) == 1 for of_one in signs)
    assert set.union(*signs) == {-1.0, 1.0}
    online = CorInfoMax().cycle_scalars(np.random.default_rng(0), 410)["beta"]
    np.testing.assert_array_equal(online[:21], betas[::20])


@pytest.mark.parametrize("kind", [CorInfoMax, EquilibriumPropagation])
def test_the_published_preset_multiplies_the_mean_by_the_published_rate(kind: type[Any]) -> None:
    """Guards rates that are divided by the batch twice, or not at all."""
    published = {"corinfomax": {"ff_0": 1.0, "ff_1": 0.7, "fb_1": 0.15},
                 "ep": {"w_0": 0.1, "w_1": 0.05, "bias_0": 0.1}}  # fmt: skip
    system = kind(**kind.preset("mnist").parameters)
    assert system.batch == 20
    for name, rate in published[kind.name].items():
        projection = system.circuit().projection(name)
        assert projection.parameters[projection.rate] == pytest.approx(rate, rel=1e-12)
        assert projection.commit == f"w += {projection.rate}/batch*g"


# ------------------------------------------------------------------ what it does not depend on


def test_chunks_lanes_and_threads_change_no_bit(task: Task) -> None:
    """Guards a batch that is cut where a chunk ends, and sums in another order."""
    expected = learnt(task, lanes=1, threads=1)
    for how in (
        {"chunk_images": 1},
        {"chunk_images": 7, "threads": 2},
        {"lanes": 3, "threads": 2},
        {"chunk_images": 100, "lanes": 100, "threads": 3},
    ):
        assert_same_bits(expected, learnt(task, **how))


def test_both_back_ends_learn_the_same(task: Task) -> None:
    """Guards chunks of Brian2 in the process that end within a batch."""
    runtime = learnt(task, backend="runtime", chunk_images=6)
    assert_same_weights(learnt(task), runtime, tolerance=1e-11)


def test_a_run_goes_on_with_its_batches(task: Task, tmp_path: Path) -> None:
    """Guards a resumed epoch whose batches begin elsewhere."""
    expected = learnt(task)
    with make(chunk_images=2 * BATCH) as simulator:
        x, targets = simulator.check_images(task[0]), simulator.check_targets(task[1])
        next(simulator.train_epoch(x, targets))
        assert simulator.position == 2 * BATCH
        copy = pickle.loads(pickle.dumps(simulator))
        simulator.save(tmp_path / "saved")
    for other in (copy, Simulator.load(tmp_path / "saved")):
        other.threads = 2
        with other:
            other.fit(*task, epochs=2, resume=True, progress=False)
            assert_same_bits(expected, other.weights.arrays())


# ------------------------------------------------------------------ warnings and refusals


def test_batches_far_above_the_published_one_are_warned_of(task: Task) -> None:
    """Guards a silent failure: an update five times as long does not learn."""
    words = r"batches of 100 images are 5 times the published 20 \(there are only 13\); rates are"
    with pytest.warns(NeurosimWarning, match=words) as told:
        Simulator(deep_system(batch=100), backend="runtime").fit(*task, progress=False)
    (own,) = (warning for warning in told if warning.category is NeurosimWarning)
    assert own.filename == __file__
    assert batch_complaint(CorInfoMax(batch=20), 5) == ""
    assert "5000 times the published 20;" in batch_complaint(CorInfoMax(batch=100_000), 200_000)


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "20"])
def test_a_batch_that_is_no_number_of_images_is_refused(batch: Any) -> None:
    """Guards a division by 0, and a fraction of an image."""
    with pytest.raises(ParameterError, match=r"CorInfoMax\.batch = "):
        CorInfoMax(batch=batch)


def test_a_batch_in_which_the_lateral_weights_forget_all_is_refused() -> None:
    """Guards a division by 0 where lambda to the batch is none."""
    with pytest.raises(ParameterError, match=r"batch = 5000: B forgets all it holds"):
        CorInfoMax(batch=5000, lambda_=0.5)


@dataclasses.dataclass(frozen=True)
class AtOnce(CorInfoMax):
    """CorInfoMax whose first feedforward synapses change within the image."""

    def circuit(self) -> Circuit:
        """The published circuit, but for one projection."""
        circuit = super().circuit()
        projection = circuit.projection("ff_0")
        rule = projection.pathways[1]
        at_once = dataclasses.replace(rule, code=rule.code.replace("g +=", "w +="))
        equations = projection.equations.replace("g  : 1", "")
        changed = dataclasses.replace(projection.with_pathway(at_once), commit="",
                                      equations=equations)  # fmt: skip
        return circuit.replacing(changed)


def test_rules_without_a_commit_are_refused_in_batches_when_the_network_is_made() -> None:
    """Guards a run that is refused after the compiler has worked for it, or not at all."""
    layers = (4, 3, 2)
    Simulator(AtOnce(layers=layers), backend="runtime")
    with pytest.raises(CircuitError, match=r"batch of 5 images.*'ff_0'.*Projection\(commit"):
        Simulator(AtOnce(layers=layers, batch=5), backend="runtime")


def test_lanes_that_do_not_fit_into_memory_are_refused() -> None:
    """Guards a machine that swaps itself to death."""
    check_lane_memory(20, 70_000)
    with pytest.raises(ParameterError, match=r"1000000000 lanes of 1\.0 MiB.*give lanes=\d+ or"):
        check_lane_memory(10**9, 2**20)


@pytest.mark.parametrize(
    ("learning", "lanes", "threads", "expected"),
    [
        (True, None, 1, BATCH),
        (True, None, 2, BATCH),
        (True, 3, 2, 3),
        (True, 50, 1, BATCH),
        (False, None, 1, 1),
        (False, None, 2, IMAGES),
        (False, 3, 2, 3),
    ],
)
def test_images_in_flight(learning: bool, lanes: int | None, threads: int, expected: int) -> None:
    """Guards memory for lanes that no image ever uses."""
    inputs = {"stimulus": np.zeros((IMAGES, 5))}
    chunk = Chunk(inputs, {}, learning=learning, batch=BATCH)
    assert images_in_flight(chunk, lanes, threads) == expected


def test_a_batch_of_all_images_is_one_update() -> None:
    """Guards a batch longer than an epoch, which ends with it."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(6, 5)), rng.integers(3, size=6)
    ends = []
    for batch, mu in ((6, 0.02), (12, 0.01)):
        system = small_system(batch=batch, mu_ff=(mu, mu), mu_fb=(mu,), lambda_=1 - 1e-12)
        with Simulator(system, backend="runtime", dtype="float64", seed=1) as simulator:
            ends.append(simulator.fit(x, y, progress=False).weights.arrays())
    for name, array in ends[0].items():
        np.testing.assert_allclose(ends[1][name], array, rtol=0, atol=1e-12, err_msg=name)
