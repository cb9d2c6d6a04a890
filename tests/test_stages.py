"""Stages of an epoch: whose turn it is, what learns, and how they are interrupted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from toy_systems import IMAGES, Arrays, Remembering, Toy

from neurosim import Simulator
from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.backends.runtime import backend as runtime
from neurosim.errors import CircuitError, DivergenceError, ParameterError
from neurosim.system import Stage
from neurosim.system.drawing import noise_key, stage_inputs, training_inputs
from neurosim.system.stages import Timetable

Task = tuple[NDArray[Any], NDArray[Any]]
DRILL = Stage("drill", {"show": 2}, ("net",), batch=3, once=5, every_epoch=2, every_update=1)
NAP = Stage("nap", {}, (), batch=2, every_epoch=1)


@dataclasses.dataclass(frozen=True)
class Staged(Toy):
    """The synapses learn in a drill, the biases from images."""

    batch: int = 4
    optimizer: str = "adam"

    def stages(self) -> tuple[Stage, ...]:
        """A drill, a nap in which nothing learns, and images."""
        return (DRILL, NAP, Stage("images", {}, ("cells",)))

    def stage_inputs(
        self, stage: str, rng: np.random.Generator, n: int, epoch: int
    ) -> dict[str, NDArray[np.float64]]:
        """Noise in place of images; the target stays 0."""
        assert epoch in (0, 1)
        if stage == "nap":
            return {}
        x = rng.uniform(size=(n, self.layers[0]))
        return {"stimulus": x, "mask": np.ones_like(x), "gain": rng.uniform(size=n)}


@pytest.fixture(scope="module")
def task() -> Task:
    rng = np.random.default_rng(6)
    return rng.uniform(size=(IMAGES, 5)), rng.integers(3, size=IMAGES)


def make(**settings: Any) -> Simulator:
    return Simulator(Staged(), **{"seed": 3, "dtype": "float64", "backend": "runtime", **settings})


def learnt(task: Task, **settings: Any) -> Arrays:
    with make(**settings) as simulator:
        return simulator.fit(*task, epochs=2, progress=False).weights.arrays()


def by_hand(task: Task, start: Arrays) -> Arrays:
    """The same with every update in a run of its own, in which everything learns."""
    system, weights, done = Staged(), dict(start), {"drill": 0, "nap": 0, "images": 0}
    circuit, targets = system.circuit(), np.eye(3)[task[1]]
    with (
        make() as simulator,
        open_backend("runtime", circuit, dtype="float64", max_cycles=8) as backend,
    ):

        def update(stage: str, inputs: Any, batch: int, *kept: str, **how: Any) -> None:
            chunk = Chunk(inputs, weights, batch=batch, learning=True, commits=done[stage], **how)
            after = backend.run(chunk).weights
            weights.update({name: after[name] for name in kept})
            done[stage] += 1

        for epoch in (0, 1):
            simulator.epoch = epoch
            order = simulator.epoch_order(IMAGES)
            gain = system.cycle_scalars(simulator._rng("scalars", epoch), IMAGES)["gain"]
            for first in range(0, IMAGES, 4):
                drills = 1 + (first == 0) * (2 + 5 * (epoch == 0))
                for _ in range(drills):
                    k = done["drill"]
                    inputs = stage_inputs(system, circuit, 3, epoch, 0, k, 1)
                    update("drill", inputs, 3, "W", phases={"show": 2}, first_image=3 * k,
                           noise_key=noise_key(3, epoch, 0))  # fmt: skip
                rows = order[first : first + 4]
                inputs = training_inputs(system, circuit, 3, epoch, first, len(rows))
                inputs |= {"stimulus": task[0][rows], "target": targets[rows]}
                inputs["gain"] = gain[first : first + 4]
                update("images", inputs, 4, "b_1", "b_1_m", "b_1_v", first_image=first,
                       noise_key=noise_key(3, epoch))  # fmt: skip
    return weights


@pytest.fixture(scope="module")
def expected(task: Task) -> Arrays:
    with make() as simulator:
        return by_hand(task, simulator.weights.arrays())


def check(task: Task, expected: Arrays, **settings: Any) -> None:
    found = learnt(task, **settings)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-12, err_msg=name)


def test_stages_learn_what_runs_by_hand_learn(task: Task, expected: Arrays) -> None:
    """Guards turns out of order, and inputs and noise of another stage or epoch."""
    check(task, expected)


@pytest.mark.parametrize("lanes", [1, 3])
def test_so_they_do_in_the_compiled_program(task: Task, expected: Arrays, lanes: int) -> None:
    """Guards parts that learn where they should not, in the code of synapses and of cells."""
    check(task, expected, backend="cpp", lanes=lanes)


def test_the_check_notices_parts_that_are_not_held_back(
    task: Task, expected: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a check that would pass if everything always learnt."""
    monkeypatch.setattr(runtime, "frozen_parts", lambda circuit, chunk: ())
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(task, expected)


def test_chunks_change_no_bit(task: Task) -> None:
    """Guards a stage whose draws depend on how many updates a run makes."""
    whole = learnt(task, backend="cpp")
    small = learnt(task, backend="cpp", chunk_images=4)
    for name, array in whole.items():
        np.testing.assert_array_equal(small[name], array, err_msg=name)


@pytest.mark.parametrize(("backend", "stops"), [("cpp", (1, 3, 5, 6)), ("runtime", (3,))])
def test_an_interrupted_stage_goes_on(
    task: Task, backend: str, stops: tuple[int, ...], tmp_path: Path
) -> None:
    """Guards a checkpoint that forgets where in a stage it was written."""
    whole = learnt(task, backend=backend)
    settings = {"backend": backend, "chunk_images": 6}
    between = {1: 2, 3: 6, 5: 9, 6: 0}
    for stop in stops:
        with make(**settings) as simulator:
            images, targets = simulator.check_images(task[0]), simulator.check_targets(task[1])
            chunks: Iterator[Any] = simulator.train_epoch(images, targets)
            seen = sum(next(chunks).images for _ in range(stop))
            assert (seen, simulator.position) == ((0, 0) if stop < 6 else (4, 4))
            assert simulator.between == between[stop]
            simulator.save(tmp_path)
        with Simulator.load(tmp_path, backend=backend, system=Staged) as other:
            other.fit(*task, epochs=2, resume=True, progress=False)
            for name, array in whole.items():
                np.testing.assert_array_equal(other.weights[name], array, err_msg=name)


def test_what_is_begun_anew_is_said(task: Task) -> None:
    """Guards an interrupted stage that is left without a word."""
    with make(chunk_images=6) as simulator:
        images, targets = simulator.check_images(task[0]), simulator.check_targets(task[1])
        next(simulator.train_epoch(images, targets))
        with pytest.warns(UserWarning, match="epoch 1 was interrupted after image 0"):
            simulator.fit(*task, progress=False)


def test_learning_that_diverges_in_a_stage_names_it(task: Task) -> None:
    """Guards weights without meaning that only the images would notice."""
    with make() as simulator:
        simulator.weights["W"] = np.full((3, 5), 2e3)
        with pytest.raises(DivergenceError, match="in the stage 'drill' of epoch 1"):
            simulator.fit(task[0], task[1], progress=False)


def test_turns_come_in_order() -> None:
    """Guards counts that are mistaken for each other."""
    table = Timetable((DRILL, NAP, Stage("images")))
    turns = [table.due(0, 0, between) for between in (0, 7, 8, 9)]
    assert turns == [(0, 8), (0, 1), (1, 1), None]
    assert [table.due(1, 0, between) for between in (0, 3, 4)] == [(0, 3), (1, 1), None]
    assert [table.due(1, 4, between) for between in (0, 1)] == [(0, 1), None]
    assert not Timetable((NAP, Stage("images"))).interrupts_images


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((), "none would show the images"),
        ((Stage("images"), NAP), "let the last one show them"),
        ((Stage("a"), Stage("b")), "a, b would show the images"),
        ((NAP, dataclasses.replace(NAP, batch=1), Stage("images")), "names a stage twice"),
        ((Stage("images", {"shwo": 1}),), "unknown phase 'shwo'"),
        ((Stage("images", learns=("nett",)),), "no part 'nett' .* did you mean 'net'"),
    ],
)
def test_stages_that_do_not_fit_are_refused(stages: tuple[Stage, ...], words: str) -> None:
    """Guards a mistake that shows after an hour of training."""

    class Wrong(Toy):
        def stages(self) -> tuple[Stage, ...]:
            return stages

    with pytest.raises(CircuitError, match=words):
        Simulator(Wrong(), backend="runtime")


def test_inputs_that_do_not_fit_are_refused() -> None:
    """Guards columns of another width."""

    class Wrong(Staged):
        def stage_inputs(self, stage: str, rng: Any, n: int, epoch: int) -> Any:
            return {"stimulus": np.zeros((n, 4))}

    with pytest.raises(CircuitError, match=r"'stimulus' of shape \(3, 4\) for n = 3"):
        Simulator(Wrong(), backend="runtime")


def test_cells_that_set_what_they_keep_at_once_cannot_be_held_back() -> None:
    """Guards memories that change in a stage in which they should not."""

    class Wrong(Remembering):
        def stages(self) -> tuple[Stage, ...]:
            return (Stage("images", learns=("net",)),)

    with pytest.raises(CircuitError, match=r"events of the cells set cells\.before at once"):
        Simulator(Wrong(), backend="runtime")


@pytest.mark.parametrize(("name", "value"), [("batch", 0), ("once", -1), ("every_update", 0.5)])
def test_a_count_is_a_whole_number(name: str, value: Any) -> None:
    """Guards half an update."""
    with pytest.raises(ParameterError, match=f"stage 'nap' has {name} = {value}"):
        dataclasses.replace(NAP, **{name: value})
