"""Inputs that a system draws for every image: widths, chunks, evaluations, refusals."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from toy_systems import IMAGES, Toy, toy_cells

from neurosim import Simulator
from neurosim.circuit import Circuit, CycleInput
from neurosim.errors import CircuitError, DataError
from neurosim.models import EquilibriumPropagation
from neurosim.recording.cycles import plan_presentation, presentation_chunks
from neurosim.system.drawing import evaluation_inputs, noise_key, training_inputs

CIRCUIT = Toy().circuit()
Task = tuple[NDArray[Any], NDArray[Any]]


@pytest.fixture(scope="module")
def task() -> Task:
    rng = np.random.default_rng(6)
    return rng.uniform(size=(IMAGES, 5)), rng.integers(3, size=IMAGES)


def make(system: Toy, **settings: Any) -> Simulator:
    return Simulator(system, **{"seed": 3, "dtype": "float64", "backend": "runtime", **settings})


# ------------------------------------------------------------------ what is drawn


def test_inputs_follow_from_seed_epoch_and_image_alone() -> None:
    """Guards masks that depend on where a chunk begins, and epochs that repeat them."""
    for batch in (1, 7, 100):
        system = Toy(batch=batch)
        whole = training_inputs(system, CIRCUIT, 1, 0, 0, 300)["mask"]
        assert whole.shape == (300, 5)
        for first, count in ((0, 1), (63, 2), (64, 64), (130, 170), (299, 1)):
            part = training_inputs(system, CIRCUIT, 1, 0, first, count)["mask"]
            np.testing.assert_array_equal(part, whole[first : first + count])
        for seed, epoch in ((2, 0), (1, 1)):
            other = training_inputs(system, CIRCUIT, seed, epoch, 0, 300)["mask"]
            assert 0.3 < (other != whole).mean() < 0.5
        # no block repeats another
        assert len({whole[start : start + 50].tobytes() for start in range(0, 300, 50)}) == 6


def test_a_block_is_a_whole_number_of_batches() -> None:
    """Guards what the images of a batch share, such as one mask for all."""
    sizes: list[int] = []

    class Sharing(Toy):
        def cycle_inputs(self, rng: Any, n: int, epoch: int) -> dict[str, Any]:
            sizes.append(n)
            return {"mask": np.repeat(rng.random((n // self.batch, 5)), self.batch, axis=0)}

    mask = training_inputs(Sharing(batch=7), CIRCUIT, 0, 0, 0, 140)["mask"]
    assert set(sizes) == {70}
    assert (mask.reshape(20, 7, 5) == mask.reshape(20, 7, 5)[:, :1]).all()
    assert len(np.unique(mask[:, 0])) == 20


def test_evaluations_may_draw_too() -> None:
    """Guards noise of an evaluation that depends on chunks, or is that of training."""

    class Noisy(Toy):
        def evaluation_inputs(self, rng: Any, n: int) -> dict[str, Any]:
            return {"mask": rng.random((n, 5))}

    whole = evaluation_inputs(Noisy(), CIRCUIT, 1, 0, 200)["mask"]
    part = evaluation_inputs(Noisy(), CIRCUIT, 1, 60, 100)["mask"]
    np.testing.assert_array_equal(part, whole[60:160])
    assert len(np.unique(whole)) == 1000


# ------------------------------------------------------------------ where it goes


def test_answers_take_the_inputs_of_an_evaluation(task: Task) -> None:
    """Guards pixels that drop out when the network is asked."""
    system = Toy()
    with make(system) as simulator:
        answers = simulator.decision_function(task[0])
        weights = simulator.weights.arrays()
        expected = [
            toy_cells(system, weights, x, noise_key(3, None), n) for n, x in enumerate(task[0])
        ]
        np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-12)


def test_an_epoch_goes_on_with_its_inputs(task: Task) -> None:
    """Guards a resumed run and shorter chunks whose pixels drop out anew."""
    system, ends = Toy(batch=2), []
    for chunk_images in (100, 4):
        with make(system, chunk_images=chunk_images, backend="cpp") as simulator:
            simulator.fit(*task, epochs=2, progress=False)
            ends.append(simulator.weights.arrays())
    with make(system, chunk_images=4, backend="cpp") as simulator:
        x, y = simulator.check_images(task[0]), simulator.check_targets(task[1])
        next(simulator.train_epoch(x, y))
        other = pickle.loads(pickle.dumps(simulator))
    with other:
        other.fit(*task, epochs=2, resume=True, progress=False)
        ends.append(other.weights.arrays())
    for end in ends[1:]:
        for name, array in ends[0].items():
            np.testing.assert_array_equal(end[name], array, err_msg=name)


def test_recordings_take_other_values(task: Task) -> None:
    """Guards a mask that a recording cannot switch."""
    with make(Toy()) as simulator:
        one, cells = task[0][:2], [1.0, 0, 0, 2.0, 1.0]
        for given, factor in ((None, 1.0), (0.5, 0.5), (cells, np.array(cells))):
            inputs = None if given is None else {"mask": given}
            shown = simulator.record(one, inputs=inputs)["layer_0/rate"].values[:, -1]
            np.testing.assert_array_equal(shown, one * factor)
        how = plan_presentation(simulator, labelled=False, inputs={"mask": 0.5, "gain": 2.0})
        assert how.inputs == {"gain": 2.0}
        first, second = presentation_chunks(simulator, how, task[0], at_once=8)
        assert (first.first_image, second.first_image) == (0, 8)
        for wrong in ("half", [1.0, 2.0], np.inf):
            with pytest.raises(DataError, match=r"inputs: mask = .*one finite number, or 5"):
                simulator.record(one, inputs={"mask": wrong})


def test_layered_systems_declare_their_inputs_by_width() -> None:
    """Guards a dropout mask that a layered model could not declare."""

    class Dropping(EquilibriumPropagation):
        def columns(self) -> dict[str, int]:
            return {"mask": self.layers[1]}

    inputs = Dropping(layers=(5, 4, 3)).circuit().inputs
    assert inputs[-1] == CycleInput("mask", 4)
    assert [item.name for item in inputs] == ["stimulus", "target", "beta", "mask"]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        ({}, r"takes the input 'mask' of width 5;.*cycle_inputs\(rng, n, epoch\).*\(n, 5\)"),
        ({"mask": np.ones((64, 4))}, r"'mask' of shape \(64, 4\) for n = 64.*\(64, 5\)"),
        ({"mask": np.full((64, 5), np.nan)}, r"finite numbers of shape \(64, 5\)"),
        ({"mask": np.ones((64, 5)), "maks": 1}, r"returns 'maks', which is no input.*'mask'"),
        ({"stimulus": np.ones((64, 5))}, r"returns 'stimulus', which is no input"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_when_the_network_is_made(
    drawn: dict[str, Any], words: str
) -> None:
    """Guards a run that ends hours later, or goes on without a mask."""

    class Drawing(Toy):
        def cycle_inputs(self, rng: Any, n: int, epoch: int) -> dict[str, Any]:
            return drawn

    class Evaluating(Toy):
        def evaluation_inputs(self, rng: Any, n: int) -> dict[str, Any]:
            return drawn

    with pytest.raises(CircuitError, match=words):
        make(Drawing())
    with pytest.raises(
        CircuitError,
        match=words.replace("cycle_inputs\\(rng, n, epoch", "evaluation_inputs\\(rng, n"),
    ):
        make(Evaluating())


def test_columns_are_as_many_as_the_cells_that_read_them() -> None:
    """Guards the last column in place of those that are not there."""

    def with_width(width: int) -> Circuit:
        inputs = (*CIRCUIT.inputs[:3], CycleInput("mask", width))
        return dataclasses.replace(CIRCUIT, inputs=inputs)

    with_width(5)
    with pytest.raises(CircuitError, match=r"event 'onset'.*'mask', which has 4 columns for 5"):
        with_width(4)
