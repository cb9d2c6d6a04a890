"""URFB, FRFB and their backpropagation: against NumPy, gradients and each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from agreements import Arrays, compare, finite_differences
from numpy.typing import NDArray

from neurosim import Simulator, load_dataset
from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.backends.weights import existing_weights
from neurosim.circuit.noise import noise_streams
from neurosim.circuit.philox import uniform_noise
from neurosim.errors import ParameterError
from neurosim.learning.metrics import correlations
from neurosim.models import urfb
from neurosim.models.numpy.urfb import Step, changes, cost, deltas, forward, output_error, train
from neurosim.models.urfb import (
    FixedRandomFeedback,
    NetworkBackpropagation,
    UpdatedRandomFeedback,
)
from neurosim.system import image_network, pooling

IMAGES, KEY = 7, (1, 2)
EXACT: dict[str, Any] = {"event_threshold": 0.0, "error_threshold": 0.0, "batch": 2}


def small(kind: type[UpdatedRandomFeedback] = UpdatedRandomFeedback, **changes: Any) -> Any:
    """Two hidden layers all to all."""
    return kind(**{**EXACT, "layers": (5, 6, 4, 3), "eta": 0.3, **changes})


#: All kinds of layers, with odd windows.
WORDS = ("conv 2 3x3", "maxpool 3", "conv 3 2x2", "conv 3 3x3", "sum", "drop .5", "full 5",
         "drop .25")  # fmt: skip
DEEP: dict[str, Any] = {
    "layers": (32, 32, 8, 12, 12, 12, 5, 3), "network": WORDS, "image": (2, 4, 4), "eta": 0.3,
}  # fmt: skip
DROPS = {5: 0.5, 6: 0.25}
#: The same network, written down by hand.
STEPS = (
    Step("conv", (2, 4, 4), 3, before=1, after=1), Step("maxpool", (2, 4, 4), 3, 2, before=1),
    Step("conv", (2, 2, 2), 2, after=1), Step("conv", (3, 2, 2), 3, before=1, after=1),
    Step("sum"), Step("full"), Step("full"),
)  # fmt: skip


#: A part of it that is compiled sooner.
TWO = ("conv 2 3x3", "conv 3 3x3")
TWO_STEPS = (STEPS[0], Step("conv", (2, 4, 4), 3, before=1, after=1), Step("full"))


def deep(kind: type[UpdatedRandomFeedback] = UpdatedRandomFeedback, **changes: Any) -> Any:
    """A network of every kind of layer."""
    return kind(**{**EXACT, **DEEP, **changes})


MADE: dict[str, Callable[[], UpdatedRandomFeedback]] = {
    "all to all": small,
    "cross-entropy": lambda: small(loss="ce"),
    "slow feedback": lambda: small(feedback_rate=0.25),
    "no hidden layer": lambda: small(layers=(5, 3)),
    "half, and the slope of the code": lambda: small(connectivity=0.5, slope=0.5, wrong=2.0),
    "fixed": lambda: small(FixedRandomFeedback),
    "backpropagation": lambda: small(NetworkBackpropagation),
    "windows": deep,
    "half of the windows": lambda: deep(connectivity=0.5),
    "two untied layers": lambda: deep(
        network=TWO, layers=(32, 32, 48, 3), connectivity=0.5, tied=False
    ),
    "half of the untied windows": lambda: deep(connectivity=0.5, tied=False, wiring_seed=3),
}


def steps_of(system: UpdatedRandomFeedback) -> tuple[Step, ...]:
    named = {WORDS: STEPS, TWO: TWO_STEPS}
    return named.get(system.network, (Step("full"),) * system.depth)


def existing(system: UpdatedRandomFeedback) -> dict[str, NDArray[np.bool_]]:
    """Which weights exist: all, but for windows at borders and missing halves."""
    circuit = system.circuit()
    parts = {w.name: w.parts[0] for w in circuit.weights}
    return {
        name: existing_weights(circuit, circuit.projection(part.projection))
        for name, part in parts.items()
        if part.layout == "natural"
    }


def masks(
    system: UpdatedRandomFeedback, images: int = IMAGES, drops: dict[int, float] | None = None
) -> dict[int, Any]:
    """Who drops out, as the circuit draws it."""
    streams = noise_streams(system.circuit())
    found = {}
    for k, drop in (drops or (DROPS if system.network == WORDS else {})).items():
        cells, stream = np.arange(system.layers[k])[:, None], streams[f"layer_{k}.onset.action"][1]
        found[k] = (uniform_noise(KEY, np.arange(images), cells, 0, stream) >= drop) / (1 - drop)
    return found


def problem(system: UpdatedRandomFeedback) -> tuple[Arrays, Any, Any]:
    """Weights with which some cells saturate, images and targets."""
    rng = np.random.default_rng(1)
    weights = {n: 1.5 * W for n, W in system.initial_weights(rng).items()}
    if weights["W_0"].ndim > 2:
        # a channel that is often negative, so that zeros of the margin are the largest
        weights["W_0"][1] -= 0.2
    weights = {n: W * existing(system).get(n, True) for n, W in weights.items()}
    images = rng.uniform(-0.5, 1, (IMAGES, system.layers[0]))
    images *= rng.uniform(size=images.shape) > 0.3
    return weights, images, np.eye(3)[rng.integers(3, size=IMAGES)]


def learn(system: UpdatedRandomFeedback, backend: str, weights: Arrays, x: Any, y: Any) -> Any:
    chunk = Chunk({"stimulus": x, "target": y}, weights, learning=True, batch=system.batch,
                  noise_key=KEY)  # fmt: skip
    with open_backend(backend, system.circuit(), dtype="float64", max_cycles=IMAGES) as opened:
        return opened.run(chunk)


def check(system: UpdatedRandomFeedback, backend: str = "runtime") -> None:
    """Answers before each update, and weights after all of them."""
    weights, x, y = problem(system)
    kept, steps = masks(system), steps_of(system)
    expected = train(
        weights, steps, x, y, kept=kept, exists=existing(system), loss=system.loss,
        mu=system.wrong / 2, slope=system.slope, eta=system.eta, ratio=system.feedback_rate,
        batch=system.batch,
    )  # fmt: skip
    result = learn(system, backend, weights, x, y)
    first = {k: mask[:, : system.batch] for k, mask in kept.items()}
    answers = forward(weights, steps, x[: system.batch].T, first, system.slope)[1][system.depth].T
    np.testing.assert_allclose(
        result.readouts["answer"][: system.batch], answers, rtol=0, atol=1e-10
    )
    for name, array in expected.items():
        np.testing.assert_allclose(result.weights[name], array, rtol=0, atol=1e-9, err_msg=name)


#: Those that are compiled, besides.
COMPILED = ("half of the windows", "two untied layers")


@pytest.mark.quick(5)
@pytest.mark.parametrize("name", [name for name in MADE if name not in COMPILED])
def test_updates_equal_the_reference(name: str) -> None:
    """Guards wrong errors, turns and windows, weights that should not exist, and dropout."""
    check(MADE[name]())


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", COMPILED)
def test_the_compiled_program_equals_the_reference(name: str) -> None:
    """Guards generated C++ that goes through windows in another way."""
    check(MADE[name](), "cpp")


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"tied": False, "connectivity": 0.5}])
def test_simpnet_in_its_full_size_equals_the_reference(changes: dict[str, Any]) -> None:
    """Guards what only large layers have, such as targets laid out with channels as neighbours."""
    layers = (3072, *UpdatedRandomFeedback.preset("cifar10").hidden, 10)
    system = UpdatedRandomFeedback(
        **{**EXACT, "layers": layers, "network": ("simpnet",), "eta": 0.3, **changes}
    )
    steps = (Step("conv", (3, 32, 32), 5, before=2, after=2),
             Step("maxpool", (32, 32, 32), 3, 2, before=1), Step("full"), Step("full"))  # fmt: skip
    rng = np.random.default_rng(0)
    weights, exists = system.initial_weights(rng), existing(system)
    weights = {name: W * exists.get(name, True) for name, W in weights.items()}
    x, y = rng.uniform(-1, 1, (4, 3072)), np.eye(10)[[1, 2, 3, 4]]
    kept = masks(system, 4, {2: 0.8, 3: 0.3})
    expected = train(weights, steps, x, y, kept=kept, exists=exists, eta=0.3, batch=2)
    learnt = learn(system, "cpp", weights, x, y).weights
    for name, array in expected.items():
        assert np.abs(array - weights[name]).max() > 0.01
        np.testing.assert_allclose(learnt[name], array, rtol=0, atol=1e-12, err_msg=name)


def test_the_problem_shows_every_kind_of_cell() -> None:
    """Guards a comparison in which no cell saturates, drops out or answers well enough."""
    system = deep()
    weights, x, y = problem(system)
    kept = masks(system)
    h, rates = forward(weights, STEPS, x.T, kept)
    delta = deltas(weights, STEPS, h, rates, output_error(rates[7], y.T, "hinge", 0.5), kept)
    for k in (1, 3, 6):
        assert 0 < (np.abs(h[k]) > 1).mean() < 0.9
        assert (delta[k] != 0).mean() > 0.05
    assert all(0.1 < (mask == 0).mean() < 0.9 for mask in kept.values())
    assert 0 < (rates[2] == 0).sum() < rates[2].size / 2, "no zero of the margin is the largest"
    assert 0 < (delta[7] == 0).sum() < delta[7].size


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("loss", ["hinge", "ce"])
def test_backpropagation_follows_the_gradient(loss: str) -> None:
    """Guards a factor of the loss, pools that send errors elsewhere, and sums."""
    weights, x, y = problem(deep(NetworkBackpropagation))
    kept = masks(deep())

    def mean_cost(moved: Arrays) -> float:
        return float(cost(forward(moved, STEPS, x.T, kept)[1][7], y.T, loss, 0.5).mean())

    h, rates = forward(weights, STEPS, x.T, kept)
    delta = deltas(weights, STEPS, h, rates, output_error(rates[7], y.T, loss, 0.5), kept)
    found = compare(changes(weights, STEPS, delta, rates), finite_differences(weights, mean_cost))
    assert found.angle < 1e-3
    assert found.ratio == pytest.approx(1, abs=1e-5)


def transposed(name: str, array: Any) -> Any:
    return array.T if array.ndim == 2 else array


@pytest.mark.quick(1)
@pytest.mark.parametrize("made", [small, deep])
def test_feedback_that_begins_as_the_transpose_is_backpropagation(made: Any) -> None:
    """Guards the claim of sec. 3.1: W and R get the same increments, so they stay alike."""
    system = made()
    weights, x, y = problem(system)
    for name in [name for name in weights if name[0] == "R"]:
        weights[name] = transposed(name, weights[f"W{name[1:]}"]).copy()
    learnt = learn(system, "runtime", weights, x, y).weights
    own = {name: array for name, array in weights.items() if name[0] == "W"}
    backpropagated = learn(made(NetworkBackpropagation), "runtime", own, x, y).weights
    for name, array in backpropagated.items():
        assert np.abs(array - weights[name]).max() > 1e-3
        np.testing.assert_allclose(learnt[name], array, rtol=0, atol=1e-12)
    for name in weights:
        if name[0] == "R":
            other = transposed(name, learnt[f"W{name[1:]}"])
            np.testing.assert_allclose(learnt[name], other, rtol=0, atol=1e-12)


def test_fixed_feedback_does_not_learn() -> None:
    """Guards weight transport by the back door, and a pathway without effect that is run."""
    system = deep(FixedRandomFeedback)
    weights, x, y = problem(system)
    learnt = learn(system, "runtime", weights, x, y).weights
    assert {n for n in weights if (learnt[n] == weights[n]).all()} == {"R_2", "R_3", "R_5", "R_6"}
    assert not any(p.plastic for p in system.circuit().projections if p.name.startswith("fb"))
    same = deep(feedback_rate=0.0).circuit().structure()
    assert {**same, "name": ""} == {**system.circuit().structure(), "name": ""}


# ------------------------------------------------------------------ dropout and networks


def test_nothing_drops_out_of_an_evaluation() -> None:
    """Guards answers that are drawn by chance, and masks that are the same for every image."""
    system = deep()
    with Simulator(system, backend="runtime", dtype="float64") as simulator:
        weights = simulator.weights.arrays()
        x = problem(system)[1]
        answers = forward(weights, STEPS, x.T)[1][7].T
        np.testing.assert_array_equal(simulator.predict(x), answers.argmax(axis=1))
    drawn = masks(system, 200)[5]
    assert len({column.tobytes() for column in drawn.T}) > 190
    assert drawn.mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("network", [*urfb.NETWORKS, "full"])
def test_the_presets_make_the_networks_of_the_paper(network: str, tied: bool) -> None:
    """Guards sizes of hidden layers that are not those of the words."""
    chosen = {"network": (network,), "tied": tied}
    preset = UpdatedRandomFeedback.preset("cifar10").given(chosen)
    layers = (3072, *preset.hidden, 10)
    system = UpdatedRandomFeedback(layers=layers, **{**preset.parameters, **chosen})
    assert system.batch == (500 if tied else 50)
    plan = system.plan()
    assert tuple(layer.cells for layer in plan.values()) == layers[1:]
    kinds = {projection.wired.kind for projection in system.circuit().projections}
    assert ("convolution" in kinds, "windows" in kinds) == (
        (tied, not tied) if network != "full" else (False, False)
    )


@pytest.mark.parametrize(("words", "told"), [
    (("conf 3 3x3",), "unknown network 'conf 3 3x3'; "),
    (("deepnett",), "did you mean 'deepnet'"),
    (("conv 3 3x2",), "windows are square"),
    (("conv 3",), "write conv CHANNELS SIDExSIDE"),
    (("maxpool 3", "full 3"), "'maxpool 3' comes first; begin with conv"),
    (("drop .5", "full 3"), "'drop .5' comes first"),
    (("conv 3 3x3", "full 3", "sum"), "which must have one shape"),
    (("conv 3 3x3", "maxpool 9 stride 9"), "'maxpool 9 stride 9' does not fit: Pool: a window"),
    (("full 3", "maxpool 1 stride 0"), "stride = 0; give a whole number"),
    (("full 0", "full 2"), "give at least one cell"),
    (("conv 3 3x3", "drop 1.5"), "write drop SHARE"),
])  # fmt: skip
def test_words_that_make_no_network_are_refused(words: tuple[str, ...], told: str) -> None:
    """Guards a network of other layers than were asked for."""
    with pytest.raises(ParameterError, match="network") as refusal:
        UpdatedRandomFeedback(network=words, image=(1, 4, 4))
    assert told in str(refusal.value)


def test_layers_must_be_those_of_the_network() -> None:
    """Guards windows that end in the middle of another layer."""
    with pytest.raises(ParameterError, match=r"--hidden 32 8 12 12 12 5\), or another network"):
        deep(layers=(32, 9, 3)).circuit()
    with pytest.raises(ParameterError, match="give channels, height and width"):
        deep(image=(4, 4))


# ------------------------------------------------------------------ sabotage


def text(name: str, old: str, new: str, module: Any = urfb) -> Callable[..., None]:
    """Change a string of the model, or of what it is made of."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(module, name)
        if isinstance(before, dict):
            changed = {key: value.replace(old, new) for key, value in before.items()}
        else:
            changed = before.replace(old, new)
        assert changed != before, "the sabotage is out of date"
        patch.setattr(module, name, changed)

    return spoil


def method(name: str, change: Callable[[Any], Any]) -> Callable[..., None]:
    """Change what a method returns."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(UpdatedRandomFeedback, name)
        patch.setattr(UpdatedRandomFeedback, name,
                      lambda self, *given, **how: change(before(self, *given, **how)))  # fmt: skip

    return spoil


def unseeded(made: Any) -> Any:
    """Both directions miss the same weights."""
    if isinstance(made.wiring, str) or made.wired.kind != "random_fraction":
        return made
    return dataclasses.replace(made, wiring=dataclasses.replace(made.wiring, seed=1))


SABOTAGES: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "no saturation from below": ("all to all", text("CELLS", "slope*x, -1", "slope*x, -9")),
    "error without the slope": (
        "half, and the slope of the code", text("CELLS", "kept*slope*int", "kept*int"),
    ),
    "error through saturated cells": ("all to all", text("CELLS", "int(abs(slope*x) <= 1)*", "")),
    "no margin for the right class": ("all to all", text("ERRORS", "r <= 1", "r <= 0")),
    "wrong classes weigh as much": ("all to all", text("ERRORS", "- mu*", "- ")),
    "wrong classes at any rate": ("all to all", text("ERRORS", "*int(r >= -1)", "")),
    "R learns the rate above": ("all to all", text("RULE_BACK", "delta_pre", "r_pre")),
    "R learns from what was not sent": ("windows", text("RULE_BACK", "r_sent_post", "d_post")),
    "R learns as fast as W": ("slow feedback", text("RULE_BACK", "+= ", "+= 4*")),
    "R learns with the rates alone": ("all to all", text("LEARN_BACK", "delta != 0", "delta > 0")),
    "errors come down through squares": ("all to all", text("ALIGNED", "w*", "w*w*")),
    "dropout does not scale": ("windows", text("DROPOUT", "/(1 - drop)", "", image_network)),
    "dropped cells learn": ("windows", text("CELLS", "delta = kept*slope", "delta = slope")),
    "a sum forgets a layer": ("windows", text("ADD_BACK", "+= delta_post", "+= 0", image_network)),
    "pools of what is other than 0": (
        "windows", text("SEND_ALL", "turn_up", "turn_up and r > 0.2"),
    ),
    "errors go to the first of a window": ("windows", text("BACK", "winner_post", "0", pooling)),
    "the margin is left out": (
        "windows", method("onset_values", lambda made: {**made, "largest": "-2"}
                          if "largest" in made else made),
    ),
    "halves that agree": ("half of the windows", method("wired", unseeded)),
}  # fmt: skip


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards regular tests that would pass on a broken model."""
    kind, spoil = SABOTAGES[name]
    system = MADE[kind]()
    if name == "halves that agree":
        # which weights exist is read off the circuit, so the oracle must be told beforehand
        before = existing(system)
        monkeypatch.setattr("test_urfb.existing", lambda system: before)
    spoil(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(system)


# ------------------------------------------------------------------ learning


def test_digits_are_learnt_and_feedback_aligns() -> None:
    """Guards a rule that equals its oracle and learns nothing, and R that does not follow W."""
    digits = load_dataset("digits")
    settings = UpdatedRandomFeedback.preset("digits").parameters
    system = UpdatedRandomFeedback(layers=(64, 24, 16, 10), **settings)
    with Simulator(system, seed=0, threads=1) as simulator:
        weights = {name: W.astype(float) for name, W in simulator.weights.arrays().items()}
        start = simulator.correlations()
        simulator.fit(digits.x_train, digits.y_train, epochs=3, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) > 0.9
        updated = simulator.correlations()
    x, y = digits.x_train.astype(float), np.eye(10)[digits.y_train]
    for _ in range(3):
        weights = train(weights, (Step("full"),) * 3, x, y, ratio=0.0, batch=10)
    fixed = correlations(system.feedback_pairs(), weights)
    for name in ("theta_1", "theta_2"):
        assert abs(start[name] or 0) < 0.15
        assert (updated[name] or 0) > max(0.35, (fixed[name] or 0) + 0.1)
