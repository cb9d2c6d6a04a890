"""The simulator as its user sees it: fit, predict, weights, files, and what it refuses."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import (
    assert_bitwise_equal,
    assert_same_weights,
    deep_system,
    reference_parameters,
    small_system,
)

from neurosim import CorInfoMax, Dataset, Simulator, load_dataset
from neurosim.circuit import Circuit, CycleInput, Population
from neurosim.errors import (
    CheckpointError,
    CircuitError,
    DataError,
    DivergenceError,
    ParameterError,
    RunFolderError,
)
from neurosim.learning.checkpoint import Checkpoint, save_checkpoint
from neurosim.learning.simulator import ChunkStats
from neurosim.models.numpy.corinfomax import angle_degrees, predict, readout, simulate, update

IMAGES = 13
#: The circuit other files compile too: one program for all, values are handed over.
SYSTEM = deep_system(event_threshold=0.01, sst_threshold=0.05)
MAX_CHUNK = 8


@pytest.fixture(scope="module")
def task() -> tuple[np.ndarray, np.ndarray]:
    """Images and classes."""
    rng = np.random.default_rng(11)
    return rng.uniform(size=(IMAGES, 5)), rng.integers(3, size=IMAGES)


def make(system: CorInfoMax = SYSTEM, *, chunk_images: int = 5, **changes: Any) -> Simulator:
    """A simulator on the shared program, which takes up to 8 images at once."""
    settings = {"seed": 3, "dtype": "float64", "chunk_images": MAX_CHUNK}
    simulator = Simulator(system, **{**settings, **changes})
    # the program is made for the chunk length of the moment; shorter chunks run on it too
    assert simulator.backend.max_cycles == MAX_CHUNK
    simulator.chunk_images = chunk_images
    return simulator


def runtime_simulator(**changes: Any) -> Simulator:
    """A smaller network in chunks of 5, ready at once."""
    settings = {"seed": 3, "backend": "runtime", "chunk_images": 5}
    return Simulator(small_system(), **{**settings, **changes})


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A simulator for tests that leave it as it is."""
    with make() as simulator:
        yield simulator


# ------------------------------------------------------------------ learning as defined


def test_fit_shows_every_image_once_per_epoch_in_a_drawn_order_with_drawn_signs(
    task: tuple[np.ndarray, np.ndarray],
) -> None:
    """Guards against images left out, rates of the wrong epoch, and signs out of step."""
    x, y = task
    system = deep_system(decay=(0.5, 0.1), decay_from=(0, 1), beta=0.5)
    simulator = make(system)
    weights = simulator.weights.arrays()
    params, targets = reference_parameters(system), np.eye(3)[y]
    orders, signs = [], []
    for epoch in range(2):
        simulator.epoch = epoch
        order = simulator.epoch_order(IMAGES)
        drawn = system.cycle_scalars(simulator._rng("scalars", epoch), IMAGES)["beta"]
        orders.append(order.tolist())
        signs.append(drawn.tolist())
        factor = (1.0, 0.1)[epoch]
        mu_ff, mu_fb = ([factor * mu for mu in mus] for mus in (system.mu_ff, system.mu_fb))
        for i, beta in zip(order, drawn.tolist(), strict=True):
            trajectory = simulate(params, weights, x[i], targets[i], beta)
            weights = update(params, weights, [(trajectory, x[i], beta)], mu_ff, mu_fb)
    simulator.epoch = 0
    simulator.fit(x, y, epochs=2, progress=False)
    assert_same_weights(simulator.weights.arrays(), weights, tolerance=1e-11)
    assert (simulator.epoch, simulator.position) == (2, 0)
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(IMAGES))
    assert orders[0] != orders[1]
    assert signs[0] != signs[1]


def test_answers_are_the_output_rates_at_the_end_of_the_free_phase(
    task: tuple[np.ndarray, np.ndarray],
) -> None:
    """Guards against a prediction read from another phase, layer or image."""
    x, y = task
    system = deep_system()
    simulator = make(system)
    params, weights = reference_parameters(system), simulator.weights.arrays()
    expected = readout(params, weights, x)
    np.testing.assert_allclose(simulator.decision_function(x), expected, rtol=0, atol=1e-12)
    classes = predict(params, weights, x)
    np.testing.assert_array_equal(simulator.predict(x), classes)
    assert simulator.score(x, y) == (classes == y).mean()
    assert simulator.score(x, np.eye(3)[y]) == (classes == y).mean()
    assert_bitwise_equal(simulator.weights.arrays(), weights)


def test_angles_are_those_of_the_weights(shared: Simulator) -> None:
    """Guards against an angle of weights from before, or of another pair."""
    expected = {
        f"theta_{k}": angle_degrees(shared.weights[f"W_ff_{k}"], shared.weights[f"W_fb_{k}"])
        for k in (1, 2)
    }
    assert shared.angles() == pytest.approx(expected, abs=1e-9)


def test_chunks_report_images_hits_and_events(task: tuple[np.ndarray, np.ndarray]) -> None:
    """Guards against a progress bar that shows the accuracy of other images."""
    x, y = task
    seen: list[ChunkStats] = []
    # without learning every chunk is judged by the weights it started from
    still = make(deep_system(mu_ff=(0.0,) * 3, mu_fb=(0.0,) * 2, lambda_=1 - 1e-15))
    order = still.epoch_order(IMAGES)
    still.fit(x, y, progress=False, on_chunk=seen.append)
    answers = still.predict(x)
    assert [stats.images for stats in seen] == [5, 5, 3]
    expected = [(answers == y)[order[part]].sum() for part in np.split(np.arange(IMAGES), [5, 10])]
    assert [stats.correct for stats in seen] == expected
    pixels = np.count_nonzero(x)
    assert sum(stats.event_counts["sensory.spike"] for stats in seen) == pixels
    assert all(stats.seconds > 0 for stats in seen)


# ------------------------------------------------------------------ what results depend on


def test_results_do_not_depend_on_the_length_of_chunks(
    task: tuple[np.ndarray, np.ndarray],
) -> None:
    """Guards against results that change with a setting meant for speed."""
    x, y = task
    expected = make().fit(x, y, progress=False)
    answers = expected.decision_function(x)
    for chunk_images in (2, 8):
        other = make(chunk_images=chunk_images).fit(x, y, progress=False)
        assert_bitwise_equal(other.weights.arrays(), expected.weights.arrays())
        np.testing.assert_array_equal(other.decision_function(x), answers)


def test_results_do_not_depend_on_the_number_of_evaluating_threads(
    task: tuple[np.ndarray, np.ndarray],
) -> None:
    """Guards against images lost or exchanged where the work is divided."""
    x, _ = task
    answers = []
    with make(chunk_images=5) as one:
        for one.lanes, one.threads in ((None, 1), (None, 2), (3, 5)):
            answers.append(one.decision_function(x))
    np.testing.assert_array_equal(answers[1], answers[0])
    np.testing.assert_array_equal(answers[2], answers[0])


def test_the_seed_decides_weights_order_and_signs() -> None:
    """Guards against runs that cannot be repeated, and seeds that change nothing."""
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    assert_bitwise_equal(one.weights.arrays(), same.weights.arrays())
    np.testing.assert_array_equal(one.epoch_order(50), same.epoch_order(50))
    assert all((one.weights[name] != other.weights[name]).any() for name in one.weights)
    assert (one.epoch_order(50) != other.epoch_order(50)).any()
    first = one.epoch_order(50)
    one.epoch = 1
    assert (one.epoch_order(50) != first).any()


def test_the_same_seed_learns_the_same_and_another_something_else(
    task: tuple[np.ndarray, np.ndarray],
) -> None:
    """Guards against a hidden source of randomness."""
    learnt = [make(seed=seed).fit(*task, progress=False).weights.arrays() for seed in (1, 1, 2)]
    assert_bitwise_equal(learnt[0], learnt[1])
    assert (learnt[0]["W_ff_0"] != learnt[2]["W_ff_0"]).any()


def test_learning_does_not_depend_on_what_was_predicted_in_between(
    task: tuple[np.ndarray, np.ndarray],
) -> None:
    """Guards against an evaluation that moves a generator or leaves a state."""
    x, y = task[0][:6], task[1][:6]
    plain, curious = runtime_simulator(), runtime_simulator()
    plain.fit(x, y, epochs=2, progress=False)
    curious.fit(x, y, progress=False, on_chunk=lambda stats: curious.score(x, y))
    curious.record(x[:2], y[:2], inputs={"beta": -1.0})
    curious.fit(x, y, progress=False)
    assert_bitwise_equal(curious.weights.arrays(), plain.weights.arrays())


# ------------------------------------------------------------------ weights


def test_weights_are_read_as_copies_and_set_by_name() -> None:
    """Guards against a weight that changes behind the user's, or the engine's, back."""
    with make() as simulator:
        shapes = {name: array.shape for name, array in simulator.weights.items()}
        assert shapes == {
            "W_ff_0": (6, 5),
            "W_ff_1": (4, 6),
            "W_ff_2": (3, 4),
            "W_fb_1": (6, 4),
            "W_fb_2": (4, 3),
            "B_1": (6, 6),
            "B_2": (4, 4),
            "B_3": (3, 3),
        }
        assert len(simulator.weights) == 8
        copy = simulator.weights["W_ff_0"]
        copy[:] = 0
        assert simulator.weights["W_ff_0"].any()
        simulator.weights["W_ff_0"] = copy.tolist()
        copy[:] = 1
        assert not simulator.weights["W_ff_0"].any()
        assert simulator.weights["W_ff_0"].dtype == np.float64


def test_weights_that_were_set_are_the_ones_used(task: tuple[np.ndarray, np.ndarray]) -> None:
    """Guards against a program that goes on with the weights it started with."""
    x, _ = task
    with make() as simulator:
        simulator.predict(x)
        simulator.weights["W_ff_2"] = np.zeros((3, 4))
        assert not simulator.decision_function(x).any()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("W_ff_9", np.zeros((6, 5)), r"no weight 'W_ff_9'.*did you mean 'W_ff_"),
        ("W_ff_0", np.zeros((5, 6)), r"'W_ff_0' needs shape \(6, 5\), got \(5, 6\)"),
        ("W_ff_0", np.zeros(30), r"'W_ff_0' needs shape \(6, 5\), got \(30,\)"),
        ("W_ff_0", np.full((6, 5), np.nan), r"'W_ff_0' would hold values that are not finite"),
        ("W_ff_0", np.full((6, 5), np.inf), r"'W_ff_0' would hold values that are not finite"),
        ("B_3", np.triu(np.ones((3, 3))), r"'B_3' is a symmetric array; the given one is not"),
        ("W_ff_0", "abc", r"'W_ff_0' needs numbers of shape \(6, 5\)"),
        ("W_ff_0", [[1.0, 2.0], [3.0]], r"'W_ff_0' needs numbers of shape \(6, 5\)"),
        ("W_ff_0", None, r"'W_ff_0' (needs|would hold)"),
        (7, np.zeros((6, 5)), r"no weight 7; allowed"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    shared: Simulator, name: str, value: Any, words: str
) -> None:
    """Guards against a transposed or broken array that is broadcast into place."""
    before = shared.weights.arrays()
    with pytest.raises(DataError, match=words):
        shared.weights[name] = value
    assert_bitwise_equal(shared.weights.arrays(), before)


def test_weights_beyond_the_precision_of_the_simulation_are_refused() -> None:
    """Guards against a finite number that becomes infinite in single precision."""
    simulator = runtime_simulator()
    assert simulator.weights["W_ff_0"].dtype == np.float32
    with pytest.raises(DataError, match="not finite"), np.errstate(over="ignore"):
        simulator.weights["W_ff_0"] = np.full((6, 5), 1e39)


def test_weights_cannot_be_removed_or_looked_up_by_a_wrong_name(shared: Simulator) -> None:
    """Guards against a network that lost a weight, and a bare KeyError."""
    with pytest.raises(DataError, match=r"'W_ff_0' cannot be removed"):
        del shared.weights["W_ff_0"]
    with pytest.raises(DataError, match=r"no weight 'W_f_0'.*did you mean"):
        shared.weights["W_f_0"]
    assert "W_ff_0" in shared.weights
    assert "W_ff_9" not in list(shared.weights)


def test_the_weights_as_a_whole_are_not_replaced(shared: Simulator) -> None:
    """Guards a dictionary in place of the store, which breaks at the next recording or save."""
    before = shared.weights.arrays()
    with pytest.raises(DataError, match=r"cannot be replaced by a dict.*weights\.update"):
        shared.weights = before  # type: ignore[assignment]
    shared.weights.update(before)
    assert_bitwise_equal(shared.weights.arrays(), before)


def test_weights_are_put_back_all_or_none() -> None:
    """Guards random initial values that stay where a checkpoint lacks an array."""
    simulator = make(backend="runtime")
    before = simulator.weights.arrays()
    blank = {name: np.zeros_like(array) for name, array in before.items()}
    fewer = {name: array for name, array in blank.items() if name != "W_fb_1"}
    wrong: list[tuple[Any, type[Exception], str]] = [
        (fewer, CheckpointError, "missing W_fb_1, unknown none"),
        ({**blank, "W_ff_9": np.zeros(1)}, CheckpointError, "missing none, unknown W_ff_9"),
        ({**blank, "B_3": np.zeros((2, 2))}, DataError, "'B_3' needs shape"),
    ]
    for arrays, error, words in wrong:
        with pytest.raises(error, match=words):
            simulator.restore(arrays, epoch=1, position=0)
        assert_bitwise_equal(simulator.weights.arrays(), before)
        assert simulator.epoch == 0
    simulator.restore(blank, epoch=1, position=0)
    assert not any(array.any() for array in simulator.weights.values())


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, r"seed = -1"),
        ({"seed": 1.5}, r"seed = 1\.5"),
        ({"seed": None}, r"seed = None"),
        ({"backend": "metal"}, r"unknown backend 'metal'.*cpp, cuda, genn, runtime"),
        ({"backend": "run_time"}, r"'run_time'; did you mean 'runtime'"),
        ({"dtype": "float16"}, r"unknown dtype 'float16'.*float32, float64"),
        ({"chunk_images": 0}, r"chunk_images = 0"),
        ({"chunk_images": 2.5}, r"chunk_images = 2\.5"),
        ({"lanes": 0}, r"lanes = 0"),
        ({"threads": 1.5}, r"threads = 1\.5"),
        ({"backend": "runtime", "lanes": 2}, r"lanes = 2: the back end 'runtime'"),
        ({"backend": 3}, r"unknown backend 3; allowed: cpp, cuda, genn, runtime"),
        ({"dtype": np.float32}, r"unknown dtype <class 'numpy.float32'>"),
        ({"dtype": np.dtype("float32")}, r"unknown dtype .*did you mean 'float32'"),
    ],
)
def test_settings_without_meaning_are_refused(change: dict[str, Any], words: str) -> None:
    """Guards against a run on another back end, precision or seed than asked for."""
    with pytest.raises(ParameterError, match=words):
        Simulator(SYSTEM, **change)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (CorInfoMax, r"e\.g\. CorInfoMax\(layers=\(64, 100, 10\)\), not the class"),
        ("corinfomax", r"system = 'corinfomax': give a system, e\.g\. CorInfoMax\("),
    ],
)
def test_what_is_no_system_is_refused(given: Any, words: str) -> None:
    """Guards an error from deep inside for a class, or a name, in the place of a system."""
    with pytest.raises(ParameterError, match=words):
        Simulator(given)


def _blank(population: Population, inputs: set[str]) -> Population:
    """The population, with 0 in place of inputs that the circuit does not have."""
    events = tuple(
        dataclasses.replace(event, action=re.sub(r"(stimulus|target)\(cycle_time, i\)",
                            lambda m: m[0] if m[1] in inputs else "0", event.action))
        for event in population.events
    )  # fmt: skip
    return dataclasses.replace(population, events=events)


class Rewired(CorInfoMax):
    """The usual circuit with other inputs than a simulator gives."""

    def circuit(self) -> Circuit:
        """The parent's, with its inputs changed."""
        circuit = super().circuit()
        inputs = self.changed(circuit.inputs)
        read = {item.name for item in inputs}
        populations = tuple(_blank(population, read) for population in circuit.populations)
        return dataclasses.replace(circuit, inputs=inputs, populations=populations)

    changed: Callable[[tuple[CycleInput, ...]], tuple[CycleInput, ...]]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            lambda inputs: tuple(i for i in inputs if i.name != "target"),
            "takes the input 'target' not at all.*declare these as CycleInput",
        ),
        (
            lambda inputs: tuple(i for i in inputs if i.name != "stimulus"),
            "takes the input 'stimulus' not at all.*declare these as CycleInput",
        ),
        (
            lambda inputs: (*inputs, CycleInput("mask", 5)),
            "takes the input 'mask' of width 5.*cycle_inputs.*let it return 'mask'",
        ),
        (
            lambda inputs: (CycleInput("stimulus", 9), *(i for i in inputs if i.width != 5)),
            r"'stimulus', which has 9 columns for 5 cells; declare CycleInput\('stimulus', 5\)",
        ),
    ],
)
def test_circuits_with_other_inputs_are_refused_at_once(changed: Any, words: str) -> None:
    """Guards a KeyError at the first image, on one back end, and blanks on the other."""
    system = type("Own", (Rewired,), {"changed": staticmethod(changed)})(layers=(5, 4, 3))
    with pytest.raises(CircuitError, match=words):
        Simulator(system, backend="runtime")


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "3"])
def test_no_epochs_are_refused(
    shared: Simulator, task: tuple[np.ndarray, np.ndarray], epochs: Any
) -> None:
    """Guards against a fit that does nothing and says nothing."""
    with pytest.raises(ParameterError, match=f"epochs = {epochs!r}"):
        shared.fit(*task, epochs=epochs, progress=False)


def test_a_fit_begins_an_epoch_unless_it_is_asked_to_resume_one(
    task: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """Guards against a fit on other data that shows only those after the 10th image."""
    x, y = task
    other = x[::-1].copy(), y[::-1].copy()
    expected = runtime_simulator().fit(x, y, progress=False)
    simulator = interrupted(runtime_simulator(), x, y)
    assert simulator.position == 5
    simulator.save(tmp_path)
    for one in (simulator, Simulator.load(tmp_path, backend="runtime")):
        before, one.chunk_images = one.weights.arrays(), 5
        for wrong in (other, (x[:4], y[:4]), (x, y[::-1].copy())):
            with pytest.raises(DataError, match=r"interrupted after image 5, and .* not those"):
                one.fit(*wrong, resume=True, progress=False)
        assert_bitwise_equal(one.weights.arrays(), before)
        one.fit(x.tolist(), y, resume=True, progress=False)
        assert_bitwise_equal(one.weights.arrays(), expected.weights.arrays())
        assert (one.epoch, one.position) == (1, 0)
    # without being asked, the 13 other images are shown, all of them
    again = interrupted(runtime_simulator(), x, y)
    seen: list[ChunkStats] = []
    with pytest.warns(UserWarning, match=r"epoch 1 was interrupted after image 5 .*resume=True"):
        again.fit(*other, progress=False, on_chunk=seen.append)
    assert sum(stats.images for stats in seen) == IMAGES
    assert (again.epoch, again.position) == (1, 0)


def test_data_that_changed_in_place_are_not_resumed(task: tuple[np.ndarray, np.ndarray]) -> None:
    """Guards against a comparison of an array with itself."""
    x, y = task[0].copy(), task[1]
    simulator = interrupted(runtime_simulator(), x, y)
    x[0, 0] += 0.5
    with pytest.raises(DataError, match="not those that it began with"):
        simulator.fit(x, y, resume=True, progress=False)


class Stop(Exception):
    """Raised by a callback of a test."""


def interrupted(simulator: Simulator, x: np.ndarray, y: np.ndarray) -> Simulator:
    """A simulator whose fit broke off after the first chunk."""

    def stop(stats: ChunkStats) -> None:
        raise Stop

    with pytest.raises(Stop):
        simulator.fit(x, y, progress=False, on_chunk=stop)
    return simulator


# ------------------------------------------------------------------ divergence


@pytest.mark.parametrize("rate", [1e6, 1e30, 1e200])
def test_divergence_stops_learning_and_keeps_the_weights_from_before(
    task: tuple[np.ndarray, np.ndarray], rate: float
) -> None:
    """Guards against a long run that learns not-a-numbers, and a checkpoint full of them."""
    x, y = task
    with make(deep_system(mu_ff=(rate,) * 3, mu_fb=(rate,) * 2)) as wild:
        before = wild.weights.arrays()
        with pytest.raises(DivergenceError, match=r"diverged in epoch 1 .*mu_ff") as caught:
            wild.fit(x, y, progress=False)
        assert "\n" not in str(caught.value)
        assert_bitwise_equal(wild.weights.arrays(), before)
        assert (wild.epoch, wild.position) == (0, 0)


@pytest.mark.quick(2)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [30.0, 1e4])
def test_lateral_weights_that_overshoot_stop_learning(
    task: tuple[np.ndarray, np.ndarray], dtype: str, size: float
) -> None:
    """Guards the one kind of array that may grow: beyond what its rule allows, it exploded."""
    x, y = task
    system = small_system(lambda_=0.5, lambda_images=1, mu_ff=(0.0,) * 2, mu_fb=(0.0,))
    simulator = Simulator(system, backend="runtime", dtype=dtype)
    grown = {"B_1": size * np.eye(6), "B_2": size * np.eye(3)}
    simulator.weights.update(grown)
    before = simulator.weights.arrays()
    words = r"diverged in epoch 1 .*: B_1 grew beyond"
    with pytest.raises(DivergenceError, match=words), np.errstate(all="ignore"):
        simulator.fit(x, y, progress=False)
    assert_bitwise_equal(simulator.weights.arrays(), before)


def test_lateral_weights_of_silent_cells_may_grow() -> None:
    """Guards against a false alarm: an inverse correlation grows where there is none."""
    system = small_system(lambda_=0.5, lambda_images=1)
    simulator = Simulator(system, backend="runtime", dtype="float32")
    blank = {"B_1": np.eye(6), "B_2": np.eye(3)}
    blank |= {name: 0 * array for name, array in simulator.weights.items() if name[0] == "W"}
    simulator.weights.update(blank)
    for _ in simulator.train_epoch(np.zeros((13, 5)), np.zeros((13, 3))):
        pass
    np.testing.assert_array_equal(simulator.weights["B_1"], 2.0**13 * np.eye(6))


# ------------------------------------------------------------------ files


def test_a_saved_simulator_comes_back_whole(
    task: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """Guards against settings, precision or position that are lost on the way."""
    x, y = task
    system = small_system(
        event_threshold=0.01,
        output_apical="nudge",
        tau_basal=2.0,
        decay=(0.9, 0.8, 0.7),
        decay_from=(0, 1, 2),
        random_sign=False,
        free_time=5.0,
        nudged_time=3.0,
    )
    simulator = Simulator(system, seed=8, backend="runtime", dtype="float32", chunk_images=5)
    simulator.fit(x, y, progress=False)
    next(simulator.train_epoch(x, np.eye(3)[y]))
    file = simulator.save(tmp_path / "deep" / "folder")
    assert file == tmp_path / "deep" / "folder" / "checkpoint.npz"
    loaded = Simulator.load(tmp_path / "deep" / "folder", backend="runtime")
    assert loaded.system == system
    assert (loaded.seed, loaded.dtype) == (8, "float32")
    assert (loaded.epoch, loaded.position) == (1, 5)
    assert_bitwise_equal(loaded.weights.arrays(), simulator.weights.arrays())
    np.testing.assert_array_equal(loaded.decision_function(x), simulator.decision_function(x))


@pytest.fixture(scope="module")
def uninterrupted(task: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights after two epochs without a stop."""
    with make() as whole:
        return whole.fit(*task, epochs=2, progress=False).weights.arrays()


@pytest.mark.parametrize("chunks_before", [1, 3, 5])
def test_training_goes_on_bit_for_bit_after_saving_and_loading(
    task: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
    chunks_before: int,
    uninterrupted: dict[str, np.ndarray],
) -> None:
    """Guards against a resumed run that draws, orders or decays anew.

    Three chunks make an epoch, so this stops within, at the end of, and after epochs.
    """
    x, y = task
    targets = np.eye(3)[y]
    with make() as first:
        done = 0
        while done < chunks_before:
            for _ in first.train_epoch(x, targets):
                done += 1
                if done == chunks_before:
                    break
        first.save(tmp_path)
    with Simulator.load(tmp_path) as second:
        # another chunk length than before, and the program that is already compiled
        second.chunk_images = MAX_CHUNK
        while second.epoch < 2:
            for _ in second.train_epoch(x, targets):
                pass
        assert_bitwise_equal(second.weights.arrays(), uninterrupted)
        assert (second.epoch, second.position) == (2, 0)


@dataclasses.dataclass(frozen=True)
class Unnamed(CorInfoMax):
    """A system of a program, under the name it inherits, with another rule."""

    def circuit(self) -> Circuit:
        """The parent's, with a slower rule."""
        circuit = super().circuit()
        old = circuit.projection("ff_0")
        return circuit.replacing(dataclasses.replace(old, commit="w += 0.5*mu/batch*g"))


def test_a_class_of_a_program_does_not_come_back_as_its_parent(tmp_path: Path) -> None:
    """Guards a network that goes on with the equations of another system, without a word."""
    simulator = Simulator(Unnamed(layers=(5, 4, 3)), backend="runtime")
    simulator.save(tmp_path)
    with pytest.raises(ParameterError, match=r"Simulator\.load\(\.\.\., system=Unnamed\)"):
        Simulator.load(tmp_path, backend="runtime")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = Simulator.load(tmp_path, backend="runtime", system=Unnamed)
    assert type(loaded.system) is Unnamed
    assert loaded.circuit == simulator.circuit
    # the parent has the same weights and settings; only the digest of the equations tells
    with pytest.warns(UserWarning, match="equations .* are not those"):
        Simulator.load(tmp_path, backend="runtime", system=CorInfoMax)
    with pytest.raises(ParameterError, match="give a class of a system"):
        Simulator.load(tmp_path, backend="runtime", system=CorInfoMax())  # type: ignore[arg-type]


#: The state of a checkpoint as neurosim 0.1.0 wrote it.
OLD_STATE = {
    "system": "corinfomax",
    "settings": {
        "layers": [5, 4, 3], "epsilon": 0.15, "g_l": 0.5, "lambda_": 0.99999, "batch": 20,
        "mu_ff": [0.05, 0.035], "mu_fb": [0.0075], "beta": 1.0, "random_sign": True,
        "decay": [0.97], "decay_from": [0], "dt": 1.0, "tau_u": 20.0, "slowdown": 0.0,
        "free_time": 30.0, "nudged_time": 10.0, "event_threshold": 0.001, "sst_threshold": 0.1,
        "output_apical": "constant", "tau_basal": 0.0, "tau_apical": 0.0,
    },
    "circuit": "6b1f4f5a3f3f0f2b8b3f5dd06b3b9d1b2a4f0a4e7a0b7d5c1e2f3a4b5c6d7e8f",
    "seed": 4,
    "dtype": "float64",
    "epoch": 2,
    "position": 7,
}  # fmt: skip
OLD_ARRAYS = {
    "W_ff_0": np.full((4, 5), 0.1), "W_ff_1": np.full((3, 4), 0.2),
    "W_fb_1": np.full((4, 3), 0.3), "B_1": np.eye(4), "B_2": np.eye(3),
}  # fmt: skip


def test_a_checkpoint_of_neurosim_0_1_0_is_read(tmp_path: Path) -> None:
    """Guards older runs, whose digest of the equations was made in another way."""
    save_checkpoint(tmp_path, Checkpoint(OLD_ARRAYS, OLD_STATE))
    with pytest.warns(UserWarning, match="older neurosim: its equations cannot be compared"):
        loaded = Simulator.load(tmp_path, backend="runtime")
    assert (loaded.seed, loaded.dtype, loaded.epoch, loaded.position) == (4, "float64", 2, 7)
    assert loaded.system.mu_ff == (0.05, 0.035)
    assert_bitwise_equal(loaded.weights.arrays(), OLD_ARRAYS)
    # saved anew, it says what its equations are
    loaded.save(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        Simulator.load(tmp_path, backend="runtime")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"system": "corinfomax-old"}, ParameterError, "unknown system 'corinfomax-old'.*mean"),
        (
            {"settings": {"layers": [5, 4, 3], "brake": 1}},
            CheckpointError,
            "takes: .*brake",
        ),
        ({"settings": {"layers": [5, 4, 3], "beta": -1}}, CheckpointError, "takes: .*beta"),
        ({"settings": {"layers": [5, 4, 2]}}, DataError, "'W_ff_1' needs shape"),
        ({"seed": None}, CheckpointError, "does not say 'seed': no simulator wrote it"),
    ],
)
def test_an_old_checkpoint_that_no_longer_fits_is_refused_in_one_line(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Guards against a bare TypeError or KeyError, and weights of another network."""
    state = {name: value for name, value in {**OLD_STATE, **change}.items() if value is not None}
    save_checkpoint(tmp_path, Checkpoint(OLD_ARRAYS, state))
    with pytest.raises(error, match=words) as caught:
        Simulator.load(tmp_path, backend="runtime")
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    """Guards against a fresh network in place of the trained one."""
    with pytest.raises(CheckpointError):
        Simulator.load(tmp_path)
    with pytest.raises(CheckpointError, match="there is no such folder; give the folder of a run"):
        Simulator.load(tmp_path / "nowhere")
    for seed in (10, 9):
        (tmp_path / f"seed-{seed}").mkdir()
    with pytest.raises(CheckpointError, match=r"several seeds, 9, 10; give one of them, .*/seed-9"):
        Simulator.load(tmp_path)


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path, shared: Simulator) -> None:
    """Guards against a trace of Python instead of a word on the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=r"it is a file; choose another path$"):
        shared.save(tmp_path / "file")


# ------------------------------------------------------------------ resources


def test_a_closed_simulator_can_be_used_again(task: tuple[np.ndarray, np.ndarray]) -> None:
    """Guards against results that change on reopening."""
    x, _ = task
    with make() as simulator:
        before = simulator.decision_function(x)
    simulator.close()
    np.testing.assert_array_equal(simulator.decision_function(x), before)
    simulator.close()


def test_nothing_is_built_before_it_is_needed() -> None:
    """Guards against minutes of compilation for a look at the initial weights."""
    simulator = Simulator(CorInfoMax(layers=(3, 4, 2)), chunk_images=77)
    simulator.weights["W_ff_0"] = np.zeros((4, 3))
    assert simulator.angles()
    assert simulator._backend is None
    assert simulator.compile_seconds == 0
    simulator.close()


# ------------------------------------------------------------------ looking inside


def test_a_recording_agrees_with_the_prediction(
    shared: Simulator, task: tuple[np.ndarray, np.ndarray]
) -> None:
    """Guards against a recording of other weights than those that predict."""
    recording = shared.record(task[0][:2])
    assert recording["layer_1/apical"].shape == (2, 12, 6)
    np.testing.assert_array_equal(recording.prediction, shared.predict(task[0][:2]))


# ------------------------------------------------------------------ it learns


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def digits_simulator(**changes: Any) -> Simulator:
    """The network for the embedded digits, compiled once."""
    settings = dict(CorInfoMax.preset("digits").parameters)
    system = CorInfoMax(layers=(64, 100, 10), **{**settings, **changes})
    return Simulator(system, seed=1, chunk_images=600)


def test_digits_are_learnt_and_the_feedback_weights_align(digits: Dataset) -> None:
    """Guards against machinery that runs, agrees with itself and learns nothing."""
    with digits_simulator() as simulator:
        before = simulator.score(digits.x_test, digits.y_test)
        assert simulator.angles()["theta_1"] == pytest.approx(90, abs=6)
        assert before < 0.3
        simulator.fit(digits.x_train, digits.y_train, epochs=4, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) > 0.85
        assert simulator.angles()["theta_1"] < 82


def test_without_learning_rates_the_same_network_stays_at_chance(digits: Dataset) -> None:
    """Guards against a task that needs no learning, and against rates that are ignored."""
    with digits_simulator(mu_ff=(0.0, 0.0), mu_fb=(0.0,)) as simulator:
        before = simulator.weights.arrays()
        simulator.fit(digits.x_train, digits.y_train, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) < 0.3
        after = simulator.weights.arrays()
        for name in ("W_ff_0", "W_ff_1", "W_fb_1"):
            np.testing.assert_array_equal(after[name], before[name])


def test_shuffled_labels_are_not_learnt(digits: Dataset) -> None:
    """Guards against labels of the test set that reach the network."""
    shuffled = np.random.default_rng(0).permutation(digits.y_train)
    with digits_simulator() as simulator:
        simulator.fit(digits.x_train, shuffled, epochs=2, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) < 0.35
