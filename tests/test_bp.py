"""Backpropagation and feedback alignment: against NumPy, PyTorch and their gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from neurosim import Simulator, load_dataset
from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.models import SYSTEMS, bp
from neurosim.models.bp import Backpropagation, FeedbackAlignment
from neurosim.models.numpy.bp import changes, cost, deltas, forward, train
from neurosim.system.optimizers import OPTIMIZERS

IMAGES = 7
Arrays = dict[str, NDArray[Any]]


def small(kind: type[Backpropagation] = Backpropagation, **changes: Any) -> Backpropagation:
    """Two hidden layers, every rate and error sent, two images to an update."""
    exact = {"event_threshold": 0.0, "error_threshold": 0.0}
    settings: dict[str, Any] = {"layers": (5, 6, 4, 3), "batch": 2, "eta": 0.02, **exact}
    return kind(**{**settings, **changes})


MADE: dict[str, Callable[[], Backpropagation]] = {
    "squared error": small,
    "cross-entropy": lambda: small(loss="ce"),
    "half the sum of squares": lambda: small(loss="sse"),
    "no hidden layer": lambda: small(layers=(5, 3)),
    "feedback alignment": lambda: small(FeedbackAlignment),
    "feedback alignment, cross-entropy": lambda: small(FeedbackAlignment, loss="ce"),
}


@dataclasses.dataclass(frozen=True)
class Problem:
    """Weights, and images with their targets."""

    weights: Arrays
    images: NDArray[Any]
    targets: NDArray[Any]

    def chunk(self, system: Backpropagation, **settings: Any) -> Chunk:
        """All images in one run."""
        inputs = {"stimulus": self.images, "target": self.targets}
        return Chunk(inputs, self.weights, learning=True, batch=system.batch, **settings)


def problem_of(system: Backpropagation) -> Problem:
    rng = np.random.default_rng(1)
    weights = system.initial_weights(rng)
    for name in weights:
        if name.count("_") == 1:
            weights[name] = 1.5 * weights[name] + 0.05
    images = rng.uniform(size=(IMAGES, system.layers[0])) * (rng.uniform(size=(IMAGES, 5)) > 0.3)
    targets = np.eye(system.layers[-1])[rng.integers(system.layers[-1], size=IMAGES)]
    return Problem(weights, images, targets)


def check(system: Backpropagation, backend: str = "runtime") -> None:
    """Answers before each update, and weights after all of them."""
    problem = problem_of(system)
    expected = train(
        {name: W for name, W in problem.weights.items() if name.count("_") == 1},
        problem.images, problem.targets, loss=system.loss, eta=system.eta, batch=system.batch,
    )  # fmt: skip
    with open_backend(backend, system.circuit(), dtype="float64", max_cycles=IMAGES) as opened:
        result = opened.run(problem.chunk(system))
    first = forward(problem.weights, problem.images[: system.batch].T)[1][system.depth].T
    np.testing.assert_allclose(
        result.readouts["answer"][: system.batch], first, rtol=0, atol=1e-10, verbose=False
    )
    for name, array in expected.items():
        np.testing.assert_allclose(result.weights[name], array, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.quick(4)
@pytest.mark.parametrize("name", MADE)
def test_updates_equal_the_reference(name: str) -> None:
    """Guards wrong errors, turns and gates, and a last batch divided by another's size."""
    check(MADE[name]())


@pytest.mark.parametrize("name", ["cross-entropy", "feedback alignment"])
def test_the_compiled_program_equals_the_reference(name: str) -> None:
    """Guards generated C++ that runs another order of events."""
    check(MADE[name](), "cpp")


@pytest.mark.quick(2)
@pytest.mark.parametrize("loss", ["mse", "ce"])
@pytest.mark.parametrize("batch", [1, 20])
def test_one_update_equals_that_of_torch(loss: str, batch: int) -> None:
    """Guards an oracle that shares a mistake with the network."""
    system = small(loss=loss, batch=batch, eta=1e-3)
    rng = np.random.default_rng(2)
    weights = system.initial_weights(rng)
    x = rng.uniform(size=(batch, 5))
    classes = rng.integers(3, size=batch)
    named = {n: torch.nn.Parameter(torch.tensor(W)) for n, W in weights.items()
             if n.count("_") == 1}  # fmt: skip
    optimizer = torch.optim.Adam(named.values(), lr=1e-3)
    h = torch.tensor(x)
    for k in range(3):
        h = h @ named[f"W_{k}"].T + named[f"b_{k}"].T
        h = torch.relu(h) if k < 2 else h
    wanted = torch.nn.functional.one_hot(torch.tensor(classes), 3).double()
    if loss == "mse":
        torch.nn.functional.mse_loss(h, wanted).backward()
    else:
        torch.nn.functional.cross_entropy(h, torch.tensor(classes)).backward()
    optimizer.step()
    chunk = Chunk({"stimulus": x, "target": np.eye(3)[classes]}, weights, learning=True,
                  batch=batch)  # fmt: skip
    with open_backend("runtime", system.circuit(), dtype="float64", max_cycles=20) as opened:
        learnt = opened.run(chunk).weights
    for name, parameter in named.items():
        np.testing.assert_allclose(learnt[name], parameter.detach().numpy(), rtol=0, atol=1e-10)
        assert np.abs(learnt[name] - weights[name]).max() > 1e-4


@pytest.mark.parametrize("loss", ["mse", "sse", "ce"])
def test_the_change_is_minus_the_gradient_of_the_cost(loss: str) -> None:
    """Guards a factor of the cost; feedback alignment's hidden layers follow another direction."""
    system = small(loss=loss)
    problem = problem_of(system)
    weights = {name: W for name, W in problem.weights.items() if name.count("_") == 1}
    x, y = problem.images.T, problem.targets.T
    change = changes(weights, *forward(weights, x), y, loss)
    for name, W in weights.items():
        gradient = np.zeros_like(W)
        for index in np.ndindex(W.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = W.copy()
                moved[index] += step
                rates = forward({**weights, name: moved}, x)[1]
                ends.append(float(cost(rates[system.depth], y, loss).mean()))
            gradient[index] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(change[name], -gradient, rtol=0, atol=1e-8, err_msg=name)


def test_feedback_alignment_follows_the_gradient_at_an_angle() -> None:
    """Guards feedback synapses that are secretly those of the forward direction."""
    system = small(FeedbackAlignment)
    problem = problem_of(system)
    x, r = forward(problem.weights, problem.images.T)
    aligned = deltas(problem.weights, x, r, problem.targets.T, "mse")
    own = {name: W for name, W in problem.weights.items() if not name.startswith("B_")}
    true = deltas(own, x, r, problem.targets.T, "mse")
    np.testing.assert_array_equal(aligned[system.depth], true[system.depth])
    cosine = (aligned[1] * true[1]).sum() / np.linalg.norm(aligned[1]) / np.linalg.norm(true[1])
    assert abs(cosine) < 0.9


def test_feedback_synapses_do_not_learn() -> None:
    """Guards weight transport by the back door."""
    system = small(FeedbackAlignment)
    problem = problem_of(system)
    with open_backend("runtime", system.circuit(), dtype="float64", max_cycles=IMAGES) as opened:
        learnt = opened.run(problem.chunk(system)).weights
    for name in ("B_1", "B_2"):
        np.testing.assert_array_equal(learnt[name], problem.weights[name])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_softmax_does_not_overflow(dtype: str) -> None:
    """Guards infinities where an output is sure of its answer."""
    system = small(layers=(5, 3), loss="ce", batch=1)
    weights = system.initial_weights(np.random.default_rng(0))
    weights["W_0"] = np.full((3, 5), 0.0)
    weights["b_0"] = np.array([[900.0], [0.0], [-900.0]])
    images, targets = np.ones((1, 5)), np.array([[0.0, 1.0, 0.0]])
    chunk = Chunk({"stimulus": images, "target": targets}, weights, learning=True)
    with open_backend("runtime", system.circuit(), dtype=dtype, max_cycles=1) as opened:
        learnt = opened.run(chunk).weights
    assert all(np.isfinite(array).all() for array in learnt.values())
    np.testing.assert_allclose(learnt["b_0_m"].ravel(), [-0.1, 0.1, 0.0], rtol=0, atol=1e-6)


def test_every_rate_and_error_is_sent_once() -> None:
    """Guards cells that send before all has arrived, and twice."""
    system = small(loss="ce", batch=1)
    problem = problem_of(system)
    with open_backend("runtime", system.circuit(), dtype="float64", max_cycles=IMAGES) as opened:
        counts = opened.run(problem.chunk(system)).event_counts
    assert counts["layer_1.spike"] <= IMAGES * 6
    assert counts["layer_3.error"] == counts["layer_3.compare"] == IMAGES * 3
    assert counts["layer_2.error"] <= IMAGES * 4


# ------------------------------------------------------------------ sabotage


def text(name: str, old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Change a string of the model."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(bp, name)
        if isinstance(before, dict):
            patch.setattr(bp, name, {key: value.replace(old, new) for key, value in before.items()})
            assert getattr(bp, name) != before, "the sabotage is out of date"
            return
        assert old in before, "the sabotage is out of date"
        patch.setattr(bp, name, before.replace(old, new))

    return spoil


def optimizer(old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Change what commits an update."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        adam = OPTIMIZERS["adam"]
        assert old in adam.commit, "the sabotage is out of date"
        changed = dataclasses.replace(adam, commit=adam.commit.replace(old, new))
        patch.setitem(OPTIMIZERS, "adam", changed)  # type: ignore[arg-type]

    return spoil


SABOTAGES: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "error without the slope": ("squared error", text("HIDDEN", "int(x > 0)*d", "d")),
    "no rectifier": ("squared error", text("HIDDEN", "clip(x, 0, inf)", "x")),
    "error without its factor 2": ("squared error", text("ERRORS", "2*(y", "(y")),
    "sum instead of mean over outputs": ("squared error", text("ERRORS", "/cells", "")),
    "error of the wrong sign": ("squared error", text("ERRORS", "y - r", "r - y")),
    "softmax against itself": ("cross-entropy", text("COMPARISON", "r_pre - r_post", "r_post")),
    "rule reads the rate below, not what was sent": (
        "squared error", text("RULE", "delta_post", "x_post"),
    ),
    "errors come back through the square of a weight": (
        "squared error", text("DOWN", "w*delta", "w*w*delta"),
    ),
    "errors go down too late": (
        "squared error", text("SEND_DOWN", "phase_step == turn_down", "phase_step == turn_up"),
    ),
    "feedback of rates": ("feedback alignment", text("ALIGNED", "delta_pre", "r_pre")),
    "Adam without the correction of its first mean": (
        "squared error", optimizer("(1 - decay_m**commits)*m", "1*m"),
    ),
    "Adam of the sum": ("squared error", optimizer("(g/batch)**2", "g**2")),
}  # fmt: skip


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards regular tests that would pass on a broken model."""
    kind, spoil = SABOTAGES[name]
    spoil(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(MADE[kind]())


# ------------------------------------------------------------------ learning


@pytest.mark.quick(1)
@pytest.mark.parametrize(("name", "loss"), [("bp", "mse"), ("bp", "ce"), ("fa", "ce")])
def test_digits_are_learnt(name: str, loss: str) -> None:
    """Guards rules that equal their oracle and learn nothing."""
    digits = load_dataset("digits")
    kind = SYSTEMS[name]
    settings = kind.preset("digits").given({"loss": loss}).parameters
    with Simulator(kind(layers=(64, 50, 10), **{**settings, "loss": loss}), seed=0) as simulator:
        simulator.fit(digits.x_train, digits.y_train, epochs=4, progress=False)
        assert simulator.score(digits.x_test, digits.y_test) > 0.9
        if name == "fa":
            # independent at first: 90 degrees
            assert simulator.angles()["theta_1"] < 80


def test_the_preset_of_a_loss_is_the_published_one() -> None:
    """Guards the schedule of one loss under the name of the other."""
    preset = FeedbackAlignment.preset("mnist")
    assert (preset.parameters["eta"], preset.parameters["decay_every"]) == (1e-3, 10)
    entropy = preset.given({"loss": "ce"})
    assert (entropy.parameters["eta"], entropy.parameters["decay_every"]) == (5e-4, 25)
    assert [curve.points[50] for curve in entropy.published] == [97.96]
    assert preset.given({"loss": "mse"}) == preset
