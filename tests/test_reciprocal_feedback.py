"""Reciprocal Feedback: against NumPy, pseudoinverses and gradients."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from agreements import Arrays, compare

from neurosim import Simulator, load_dataset
from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.circuit.noise import noise_streams
from neurosim.circuit.philox import normal_noise
from neurosim.data import one_hot
from neurosim.models import reciprocal_feedback as model
from neurosim.models.numpy import bp
from neurosim.models.numpy.reciprocal_feedback import deltas, distance, forward, sleep, train
from neurosim.models.reciprocal_feedback import ReciprocalFeedback
from neurosim.system.drawing import noise_key

IMAGES, SEED = 7, 2


def small(**changes: Any) -> ReciprocalFeedback:
    """Two hidden layers, every rate and error sent, three updates in sleep, then one before
    every update of two images.
    """
    settings: dict[str, Any] = {
        "layers": (5, 6, 4, 3), "batch": 2, "eta": 0.2, "dreams": 3, "first_sleep": 3, "naps": 1,
        "event_threshold": 0.0, "error_threshold": 0.0,
    }  # fmt: skip
    return ReciprocalFeedback(**{**settings, **changes})


def task() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    images = rng.uniform(size=(IMAGES, 5)) * (rng.uniform(size=(IMAGES, 5)) > 0.3)
    return images, rng.integers(3, size=IMAGES)


def rates(system: ReciprocalFeedback) -> dict[int, float]:
    """Learning rates of V, from the published form: over the squared norm of first weights."""
    found = {}
    for k in system.hidden:
        below, above = system.layers[k], system.layers[k + 1]
        size = np.sqrt(2 / below) * (0.5 if k + 1 == system.depth else 1)
        found[k] = system.eta_sleep / (size * (np.sqrt(below) + np.sqrt(above))) ** 2
    return found


def nights(system: ReciprocalFeedback, epochs: int) -> Iterator[list[dict[int, Any]]]:
    """Noise of every update in sleep, as the circuit draws it, before every update awake."""
    streams = noise_streams(system.circuit())
    done = 0
    for epoch, first in itertools.product(range(epochs), range(0, IMAGES, system.batch)):
        night = []
        for _ in range(system.naps + (system.first_sleep if epoch == first == 0 else 0)):
            vectors = done * system.dreams + np.arange(system.dreams)
            night.append({
                k: normal_noise(
                    noise_key(SEED, epoch, 0), vectors, np.arange(system.layers[k])[:, None], 0,
                    streams[f"layer_{k}.doze.action"][1],
                )
                for k in system.hidden
            })  # fmt: skip
            done += 1
        yield night


def check(system: ReciprocalFeedback, backend: str = "runtime", **settings: Any) -> None:
    """Weights after two epochs of sleep and wake."""
    x, y = task()
    with Simulator(system, seed=SEED, backend=backend, dtype="float64", **settings) as simulator:
        expected: Arrays = simulator.weights.arrays()
        coming = nights(system, 2)
        for epoch in (0, 1):
            simulator.epoch = epoch
            order = simulator.epoch_order(IMAGES)
            expected = train(
                expected, x[order], np.eye(3)[y[order]], lambda: next(coming), rates(system),
                eta=system.eta, batch=system.batch, activation=system.activation,
            )  # fmt: skip
        simulator.epoch = 0
        simulator.fit(x, y, epochs=2, progress=False)
        for name, array in expected.items():
            np.testing.assert_allclose(
                simulator.weights[name], array, rtol=0, atol=1e-10, err_msg=name
            )


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_sleep_and_wake_equal_the_reference(activation: str) -> None:
    """Guards wrong errors, noise of another layer, and stages that learn each other's weights."""
    check(small(activation=activation))


def test_the_compiled_program_equals_the_reference() -> None:
    """Guards generated C++ that runs another order of events, and lanes that dream alike."""
    check(small(), "cpp", lanes=2)
    check(small(activation="tanh"), "cpp", lanes=1)


def test_one_layer_has_nothing_to_sleep_for() -> None:
    """Guards a stage without synapses that learn."""
    assert [stage.name for stage in small(layers=(5, 3)).stages()] == ["wake"]
    assert [stage.name for stage in small(first_sleep=0, naps=0).stages()] == ["wake"]


# ------------------------------------------------------------------ the pseudoinverse


def test_sleep_teaches_the_pseudoinverse_and_nothing_else() -> None:
    """Guards synapses that learn the transpose, and forward weights that change in sleep."""
    system = small(layers=(5, 12, 6, 4), dreams=64, first_sleep=400, eta_sleep=0.3)
    x, y = task()
    with Simulator(system, seed=SEED, dtype="float64", chunk_images=401 * 64) as simulator:
        before = simulator.weights.arrays()
        next(simulator.train_epoch(x, one_hot(y, 4)))
        after = simulator.weights.arrays()
    assert (simulator.position, simulator.between) == (0, 401)
    for k in (1, 2):
        start, end = distance(before, k), distance(after, k)
        assert end < 0.35 < 1 < start
        transposed = {**after, f"V_{k}": after[f"W_{k}"].T}
        assert end < distance(transposed, k)
    for name in before:
        assert (before[name] == after[name]).all() == (name[0] != "V")


def test_less_noise_remains_with_a_smaller_rate() -> None:
    """Guards a floor that is a mistake and not the noise of few vectors."""
    rng = np.random.default_rng(0)
    start: Arrays = {"W_1": rng.normal(size=(6, 12)) / 3, "V_1": rng.normal(size=(12, 6)) / 3}
    ends = []
    for rate in (0.1, 0.02):
        weights = start
        for _ in range(3000):
            weights = sleep(weights, {1: rng.normal(size=(12, 16))}, {1: rate})
        ends.append(distance(weights, 1))
    assert 0 < ends[1] < 0.7 * ends[0] < 0.35


# ------------------------------------------------------------------ the direction of learning


def directions() -> tuple[Arrays, Arrays, Arrays]:
    """Changes by backpropagation, through pseudoinverses and through random weights."""
    rng = np.random.default_rng(3)
    system = ReciprocalFeedback(layers=(64, 40, 20, 10))
    weights = system.initial_weights(rng)
    digits = load_dataset("digits")
    x, y = digits.x_train[:200].T, one_hot(digits.y_train[:200], 10).T
    a, h = forward(weights, x)
    inverses = {f"V_{k}": np.linalg.pinv(weights[f"W_{k}"]) for k in system.hidden}

    def through(feedback: Arrays) -> Arrays:
        found = deltas({**weights, **feedback}, a, h, y)
        return {f"W_{k - 1}": delta @ h[k - 1].T / 200 for k, delta in found.items()}

    own = {name: array for name, array in weights.items() if name[0] != "V"}
    gradient = bp.changes(own, *bp.forward(own, x), y, "sse")
    exact = {name: array for name, array in gradient.items() if name[0] == "W"}
    return exact, through(inverses), through({})


def test_pseudoinverses_send_errors_closer_to_the_gradient_than_random_weights() -> None:
    """Guards errors that come down with the wrong sign or through the wrong synapses."""
    exact, inverse, random = directions()
    np.testing.assert_allclose(inverse["W_2"], exact["W_2"], rtol=0, atol=1e-12)
    for name in ("W_0", "W_1"):
        near = compare({name: inverse[name]}, {name: exact[name]})
        far = compare({name: random[name]}, {name: exact[name]})
        assert near.angle < 65 < 80 < far.angle


# ------------------------------------------------------------------ sabotage


def text(name: str, old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Change a string of the model."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(model, name)
        if isinstance(before, dict):
            changed = {key: value.replace(old, new) for key, value in before.items()}
        else:
            changed = before.replace(old, new)
        assert changed != before, "the sabotage is out of date"
        patch.setattr(model, name, changed)

    return spoil


def learns_all(patch: pytest.MonkeyPatch) -> None:
    """Let everything learn asleep, awake nothing but V."""
    stages = ReciprocalFeedback.stages

    def swapped(self: ReciprocalFeedback) -> Any:
        asleep, awake = stages(self)
        kept = dataclasses.replace(awake, learns=asleep.learns)
        return dataclasses.replace(asleep, learns=awake.learns), kept

    patch.setattr(ReciprocalFeedback, "stages", swapped)


SABOTAGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "V learns the transpose": text("RULE", "(n_post - p_post)", "n_post"),
    "V learns from the noise above": text("RULE", "*q_pre", "*x_pre"),
    "dreams go up through squares": text("DREAM", "w*n_pre", "w*w*n_pre"),
    "echoes of the error": text("RECONSTRUCT", "q_pre", "delta_pre"),
    "slopes are left out": text("HIDDEN", "int(x > 0)*d", "d"),
    "slopes of tanh are not inverted": text("HIDDEN", "d/clip(1 - r*r", "d*clip(1 - r*r"),
    "stages learn each other's weights": learns_all,
    "the forward rate of cells that dream": text("LEARN_ASLEEP", "end_sleep", "end_feedback"),
}


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards regular tests that would pass on a broken model."""
    SABOTAGES[name](monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(small(activation="tanh" if "tanh" in name else "relu"), "cpp")


# ------------------------------------------------------------------ learning


@pytest.mark.slow
def test_digits_are_learnt() -> None:
    """Guards a rule that equals its oracle and learns nothing."""
    digits = load_dataset("digits")
    preset = ReciprocalFeedback.preset("digits")
    layers = (64, *preset.hidden, 10)
    system = ReciprocalFeedback(layers=layers, **preset.parameters)
    with Simulator(system, seed=0, threads=1) as simulator:
        simulator.fit(digits.x_train, digits.y_train, epochs=12, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) >= 0.95


def test_a_chunk_may_sleep_and_wake_in_one_cycle() -> None:
    """Guards phases that only work apart from each other."""
    system = small()
    rng = np.random.default_rng(0)
    x, y = task()
    weights = system.initial_weights(rng)
    chunk = Chunk({"stimulus": x, "target": np.eye(3)[y]}, weights, learning=True, batch=IMAGES)
    with open_backend("cpp", system.circuit(), dtype="float64", max_cycles=IMAGES) as backend:
        together = backend.run(chunk).weights
        awake = dataclasses.replace(chunk, phases=system.stages()[1].phases)
        apart = backend.run(awake).weights
    for name in ("W_0", "W_1", "W_2", "b_0"):
        np.testing.assert_allclose(together[name], apart[name], rtol=0, atol=1e-12)
    assert (apart["V_1"] == weights["V_1"]).all()
    assert (together["V_1"] != weights["V_1"]).any()
