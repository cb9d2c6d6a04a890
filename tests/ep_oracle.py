"""Equilibrium propagation on Brian2 against the NumPy reference, step for step."""

from __future__ import annotations

from typing import Any

import numpy as np
from oracles import Problem, assert_same_weights, every_variable

from neurosim import EquilibriumPropagation
from neurosim.backends.interface import ChunkResult, Weights
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.models.numpy.ep import State, initial_weights, resting_state, step, update

#: Of problems that show every kind of cell, by depth; a test checks that they still do.
SEEDS = {2: 3, 3: 30}


def small_ep(**changes: Any) -> EquilibriumPropagation:
    """A network small enough for Brian2's NumPy target, every event sent."""
    settings = {
        "layers": (5, 6, 3),
        "alpha": (0.2, 0.1),
        "free_time": 9.0,
        "nudged_time": 4.0,
        "event_threshold": 0.0,
    }
    return EquilibriumPropagation(**{**settings, **changes})


def deep_ep(**changes: Any) -> EquilibriumPropagation:
    """As :func:`small_ep`, with two hidden layers."""
    settings = {"layers": (5, 6, 4, 3), "alpha": (0.2, 0.1, 0.05)}
    return small_ep(**{**settings, **changes})


def make_ep_problem(
    system: EquilibriumPropagation, *, images: int = 3, seed: int | None = None
) -> Problem:
    """Random weights and images; the drive is so strong that some cells are clipped."""
    rng = np.random.default_rng(SEEDS.get(system.depth, 0) if seed is None else seed)
    weights = initial_weights(system.layers, rng)
    for name, array in weights.items():
        weights[name] = 2.0 * array if name.startswith("W") else rng.normal(0.1, 0.3, array.shape)
    pixels = rng.uniform(size=(images, system.layers[0]))
    pixels *= rng.uniform(size=pixels.shape) > 0.25
    targets = np.eye(system.layers[-1])[rng.integers(system.layers[-1], size=images)]
    return Problem(weights, pixels, targets, np.resize([0.5, -1.0, 1.0], images))


def ep_trajectory(
    system: EquilibriumPropagation, weights: Weights, x: Any, y: Any, beta: float
) -> list[State]:
    """States after every step of one image, each layer a column."""
    free, nudged = system.circuit().phase_steps().values()
    s, states = resting_state(weights, x[:, None]), []
    for number in range(free + nudged):
        nudge = beta if number >= free else 0.0
        s = step(weights, s, y[:, None], nudge, system.dt / system.tau)
        states.append(s)
    return states


def ep_reference_run(
    system: EquilibriumPropagation, problem: Problem
) -> tuple[list[list[State]], Weights]:
    """What the reference does with the images of a problem, learning after each batch."""
    weights, trajectories = dict(problem.weights), []
    free = system.circuit().phase_steps()["free"]
    alpha = [system.batch * rate for rate in system.alpha]
    cycles = list(zip(problem.images, problem.targets, problem.betas.tolist(), strict=True))
    for start in range(0, len(cycles), system.batch):
        chosen = cycles[start : start + system.batch]
        shown = [ep_trajectory(system, weights, *cycle) for cycle in chosen]
        at_free, at_nudged = (
            tuple(np.concatenate(columns, axis=1) for columns in zip(*ends, strict=True))
            for ends in ([s[free - 1] for s in shown], [s[-1] for s in shown])
        )
        betas = np.array([beta for _, _, beta in chosen])
        weights = update(weights, at_free, at_nudged, betas, alpha)
        trajectories += shown
    return trajectories, weights


def record_ep(
    system: EquilibriumPropagation, problem: Problem, *, learning: bool = True
) -> tuple[dict[str, dict[str, Any]], ChunkResult]:
    """Run in double precision; traces are of shape (n_images, n_steps, n_cells)."""
    images = len(problem.images)
    circuit = system.circuit()
    with RuntimeBackend(
        circuit, dtype="float64", max_cycles=images, record=every_variable(circuit)
    ) as backend:
        result = backend.run(problem.chunk(learning=learning, batch=system.batch))
        flat = result.trajectories
    shape = (images, circuit.cycle_steps(), -1)
    traces = {
        name: {variable: values.reshape(shape) for variable, values in by_name.items()}
        for name, by_name in flat.items()
    }
    return traces, result


def check_ep(system: EquilibriumPropagation, problem: Problem | None = None) -> None:
    """Several images, learning after each: states, delivered sums, answers and weights."""
    problem = problem or make_ep_problem(system)
    trajectories, learnt = ep_reference_run(system, problem)
    traces, result = record_ep(system, problem)
    for image, states in enumerate(trajectories):
        for k in range(1, system.depth + 1):
            want = np.array([s[k][:, 0] for s in states])
            for name in ("u", "r", "r_sent"):
                got = traces[f"layer_{k}"][name][image]
                np.testing.assert_allclose(got, want, rtol=0, atol=1e-9, err_msg=f"{name}_{k}")
    free = system.circuit().phase_steps()["free"]
    answers = [states[free - 1][-1][:, 0] for states in trajectories]
    np.testing.assert_allclose(result.readouts["answer"], answers, rtol=0, atol=1e-9)
    assert_same_weights(result.weights, learnt, tolerance=1e-9)
