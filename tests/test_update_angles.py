"""How far from the gradient of their cost updates of BP, FA, URFB, PC, PC-Nudge and CSM point.

The gradient is that of the cost which each system's answer has. It is computed by
backpropagation (``neurosim.models.numpy.bp`` with linear or rectified cells is proven by
finite differences in ``test_bp.py``) or by finite differences here.
``docs/gradient-checks.md`` tells the result; the numbers there are printed by

    pytest -q -n0 -s tests/test_update_angles.py
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from agreements import Agreement, Array, Arrays, compare, finite_differences

from neurosim import load_dataset
from neurosim.data import one_hot
from neurosim.models.numpy import bp, csm, pc, pc_nudge, urfb

Report = Callable[[str, Agreement], None]

LAYERS = (64, 32, 16, 10)
#: Images of the mean, and those a trained network has learnt from.
IMAGES, LEARNT = 100, 1400


@functools.cache
def digits() -> tuple[Array, Array]:
    """Images and targets, one per row."""
    data = load_dataset("digits")
    return np.asarray(data.x_train, dtype=float), one_hot(data.y_train, 10).astype(float)


def some() -> tuple[Array, Array]:
    """The first images and targets, one per column."""
    images, targets = digits()
    return images[:IMAGES].T, targets[:IMAGES].T


# ------------------------------------------------------------------ BP and FA


def uniform(rng: np.random.Generator, feedback: bool) -> Arrays:
    """Weights as in ``models/bp.py``; with feedback weights of their own for FA."""
    weights: Arrays = {}
    for k, (below, above) in enumerate(itertools.pairwise(LAYERS)):
        for name, shape in ((f"W_{k}", (above, below)), (f"b_{k}", (above, 1))):
            weights[name] = rng.uniform(-1, 1, shape) / np.sqrt(below)
        if feedback and k:
            bound = np.sqrt(6 / (below + above))
            weights[f"B_{k}"] = rng.uniform(-bound, bound, (below, above))
    return weights


def own(weights: Arrays) -> Arrays:
    """Weights and biases without the feedback weights of FA."""
    return {name: array for name, array in weights.items() if name[0] != "B"}


def bp_change(weights: Arrays, loss: str) -> Arrays:
    x, y = some()
    return bp.changes(weights, *bp.forward(own(weights), x), y, loss)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_backpropagation_follows_the_gradient(loss: str, report: Report) -> None:
    """Guards the page's claim for BP, on the network of the page."""
    weights = uniform(np.random.default_rng(0), feedback=False)
    x, y = some()

    def mean_cost(moved: Arrays) -> float:
        return float(bp.cost(bp.forward(moved, x)[1][3], y, loss).mean())

    last = {"W_2": weights["W_2"], "b_2": weights["b_2"]}
    slopes = finite_differences(last, lambda moved: mean_cost({**weights, **moved}))
    change = bp_change(weights, loss)
    found = compare({name: change[name] for name in last}, slopes)
    report(f"bp, {loss}", found)
    assert found.angle < 1e-3
    assert found.ratio == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_forward_weights_turn_towards_the_feedback_weights(loss: str, report: Report) -> None:
    """Guards alignment: FA's first layers point elsewhere at first, and learn to follow."""
    weights = uniform(np.random.default_rng(0), feedback=True)
    images, targets = digits()
    angles = []
    for epochs in (0, 1, 10):
        for _ in range(epochs - (epochs > 1)):
            weights = bp.train(weights, images[:LEARNT], targets[:LEARNT], loss=loss)
        aligned, true = bp_change(weights, loss), bp_change(own(weights), loss)
        np.testing.assert_array_equal(aligned["W_2"], true["W_2"])
        hidden = [name for name in true if name[-1] != "2"]
        found = compare({n: aligned[n] for n in hidden}, {n: true[n] for n in hidden})
        report(f"fa, {loss}, hidden layers, {epochs} epochs", found)
        angles.append(found.angle)
    assert angles[0] > 60
    assert angles[-1] < angles[0] - 20


# ------------------------------------------------------------------ URFB and FRFB

STEPS = (urfb.Step("full"),) * 3


def urfb_change(weights: Arrays) -> Arrays:
    """What the forward weights learn, by the hinge-like loss."""
    x, y = some()
    h, rates = urfb.forward(weights, STEPS, x)
    error = urfb.output_error(rates[3], y, "hinge", 1 / 9)
    found = urfb.changes(weights, STEPS, urfb.deltas(weights, STEPS, h, rates, error), rates)
    return {name: change for name, change in found.items() if name[0] == "W"}


def test_updated_feedback_turns_to_the_gradient(report: Report) -> None:
    """Guards the page: hidden layers of URFB follow the gradient sooner than those of FRFB."""
    rng, start = np.random.default_rng(0), {}
    for k, (below, above) in enumerate(itertools.pairwise(LAYERS)):
        bound = np.sqrt(6 / (below + above))
        start[f"W_{k}"] = rng.uniform(-bound, bound, (above, below))
        if k:
            start[f"R_{k}"] = rng.uniform(-bound, bound, (below, above))
    images, targets = digits()
    angles = {}
    for name, ratio in (("urfb", 1.0), ("frfb", 0.0)):
        weights, angles[name] = start, []
        for epochs in (0, 1, 10):
            for _ in range(epochs - (epochs > 1)):
                weights = urfb.train(
                    weights, STEPS, images[:LEARNT], targets[:LEARNT], ratio=ratio, batch=10
                )
            found = urfb_change(weights)
            true = urfb_change({n: W for n, W in weights.items() if n[0] == "W"})
            np.testing.assert_array_equal(found.pop("W_2"), true.pop("W_2"))
            angles[name].append(compare(found, true).angle)
            report(f"{name}, hidden layers, {epochs} epochs", compare(found, true))
    assert angles["urfb"][0] == angles["frfb"][0] > 60
    assert angles["urfb"][1] < angles["frfb"][1]
    assert angles["urfb"][2] < min(45, angles["frfb"][2] - 10)


# ------------------------------------------------------------------ predictive coding


def sigmoid_gradient(weights: Arrays, x: Array, goal: Array) -> Arrays:
    """Minus the gradient of half the squared error of the forward pass, by backpropagation."""
    values = pc.forward(weights, x)
    rates = [x, *(pc.sigmoid(v) for v in values[1:-1])]
    delta, found = goal - values[-1], {}
    for k in reversed(range(len(rates))):
        found[f"W_{k}"] = delta @ rates[k].T / x.shape[1]
        found[f"b_{k}"] = delta.mean(axis=1, keepdims=True)
        if k:
            delta = rates[k] * (1 - rates[k]) * (weights[f"W_{k}"].T @ delta)
    return found


@functools.cache
def pc_learnt() -> Arrays:
    weights = pc.initial_weights(LAYERS, np.random.default_rng(0))
    return pc.train(weights, digits()[0][:LEARNT], digits()[1][:LEARNT], rate=0.01)[0]


@pytest.mark.parametrize("learnt", [False, True], ids=["new", "learnt"])
def test_predictive_coding_beside_backpropagation(learnt: bool, report: Report) -> None:
    """Guards the page: near the gradient of the squared error, and settled after 50 steps."""
    weights = pc_learnt() if learnt else pc.initial_weights(LAYERS, np.random.default_rng(0))
    x, y = some()
    clamped = pc.clamp(pc.forward(weights, x), y)
    gradient = sigmoid_gradient(weights, x, clamped[-1])
    published = compare(pc.gradient(weights, pc.settle(weights, clamped)), gradient)
    resting = compare(pc.gradient(weights, pc.settle(weights, clamped, steps=1000)), gradient)
    which = "after one epoch" if learnt else "new weights"
    report(f"pc, {which}, 50 steps", published)
    report(f"pc, {which}, 1000 steps", resting)
    assert published.angle < 10
    assert published.angle == pytest.approx(resting.angle, abs=0.2)


def test_a_smaller_error_does_not_bring_predictive_coding_nearer(report: Report) -> None:
    """Guards the page: each layer keeps a share of the error, whatever its size."""
    weights = pc.initial_weights(LAYERS, np.random.default_rng(0))
    x, y = some()
    values = pc.forward(weights, x)
    answer = values[-1]
    goal = answer + 1e-4 * (y - answer)
    settled = pc.settle(weights, (*values[:-1], goal), steps=1000)
    found = compare(pc.gradient(weights, settled), sigmoid_gradient(weights, x, goal))
    report("pc, error a ten-thousandth, 1000 steps", found)
    assert 1 < found.angle < 10
    assert 0.5 < found.ratio < 0.95


@pytest.mark.parametrize("steps", [50, 1000])
def test_pc_nudge_follows_the_gradient(steps: int, report: Report) -> None:
    """Guards the page: at its published nudge of 0.001, however long it settles."""
    weights = pc_nudge.initial_weights(LAYERS, np.random.default_rng(0))
    x, y = some()
    free = pc_nudge.forward(weights, x, pc_nudge.rectified)
    settled = pc_nudge.settle(weights, free, y, 1e-3, steps=steps)
    after = pc_nudge.update(weights, settled, 1e-3, 1.0)
    change = {name: after[name] - weights[name] for name in weights}
    wanted = {n: 10 * c for n, c in bp.changes(weights, *bp.forward(weights, x), y, "mse").items()}
    found = compare(change, wanted)
    report(f"pc-nudge, {steps} steps", found)
    assert found.angle < (15 if steps == 50 else 0.2)
    assert found.ratio < (0.9 if steps == 50 else 1.01)


# ------------------------------------------------------------------ similarity matching

CSM_LAYERS = (5, 6, 3)


def csm_change(weights: Arrays, x: Array, y: Array, beta: float, steps: tuple[int, int]) -> Arrays:
    free = csm.settle(weights, csm.resting_state(weights, x), steps=steps[0], h=0.3)
    nudged = csm.settle(weights, free, steps=steps[1], y=y, beta=beta, h=0.3)
    after = csm.update(weights, free, nudged, beta, (1.0, 1.0), alpha_M=(0.0,))
    return {name: after[name] - weights[name] for name in weights if name[0] != "M"}


def test_csm_follows_the_gradient_of_the_settled_cost(report: Report) -> None:
    """Guards the page: lateral inhibition is part of the energy, so the theorem of EP holds."""
    rng = np.random.default_rng(2)
    weights = csm.initial_weights(CSM_LAYERS, rng)
    weights = {n: 0.8 * a if n[0] == "W" else a for n, a in weights.items()}
    weights |= {f"b_{k}": rng.uniform(0.1, 0.4, weights[f"b_{k}"].shape) for k in range(2)}
    x, y = rng.uniform(size=(5, 1)), np.eye(3)[:, :1]
    forward = {name: array for name, array in weights.items() if name[0] != "M"}

    def settled_cost(moved: Arrays) -> float:
        all_of = {**weights, **moved}
        s = csm.settle(all_of, csm.resting_state(all_of, x), steps=300, h=0.3)
        return float(csm.cost(s, y)[0])

    gradient = finite_differences(forward, settled_cost)
    changes = [csm_change(weights, x, y, beta, (300, 300)) for beta in (1e-3, -1e-3)]
    both = {name: (changes[0][name] + changes[1][name]) / 2 for name in forward}
    report("csm, beta = 0.001", compare(changes[0], gradient))
    found = compare(both, gradient)
    report("csm, mean of both signs", found)
    report("csm, beta = 1, 4 steps", compare(csm_change(weights, x, y, 1.0, (200, 4)), gradient))
    assert found.angle < 0.1
    assert found.ratio == pytest.approx(1, abs=0.01)
