"""Contrastive similarity matching on Brian2 against the NumPy reference, step for step."""

from __future__ import annotations

from typing import Any

import numpy as np
from ep_oracle import record_ep
from oracles import Problem, assert_same_weights

from neurosim.backends.interface import Weights
from neurosim.models.csm import ContrastiveSimilarityMatching
from neurosim.models.numpy.csm import State, initial_weights, resting_state, step, update

#: Of problems that show every kind of cell, by depth; a test checks that they still do.
SEEDS = {2: 3, 3: 30}


def small_csm(**changes: Any) -> ContrastiveSimilarityMatching:
    """A network small enough for Brian2's NumPy target, every event sent.

    The lateral rate is large, so that M moves within three images.
    """
    settings = {
        "layers": (5, 6, 3),
        "alpha": (0.2, 0.1),
        "alpha_M": (0.3,),
        "free_time": 9.0,
        "nudged_time": 4.0,
        "event_threshold": 0.0,
    }
    return ContrastiveSimilarityMatching(**{**settings, **changes})


def deep_csm(**changes: Any) -> ContrastiveSimilarityMatching:
    """As :func:`small_csm`, with two hidden layers."""
    settings = {"layers": (5, 6, 4, 3), "alpha": (0.2, 0.1, 0.05), "alpha_M": (0.3, 0.2)}
    return small_csm(**{**settings, **changes})


def make_csm_problem(
    system: ContrastiveSimilarityMatching, *, images: int = 3, seed: int | None = None
) -> Problem:
    """Random weights and images; the drive is so strong that some cells are clipped.

    Nudges are of both signs, and of the system's size: the rule of M forgets by it.
    """
    rng = np.random.default_rng(SEEDS.get(system.depth, 0) if seed is None else seed)
    weights = initial_weights(system.layers, rng)
    for name, array in weights.items():
        if name.startswith("W"):
            weights[name] = 2.5 * array
        elif name.startswith("b"):
            weights[name] = rng.normal(0.2, 0.3, array.shape)
    pixels = rng.uniform(size=(images, system.layers[0]))
    pixels *= rng.uniform(size=pixels.shape) > 0.25
    targets = np.eye(system.layers[-1])[rng.integers(system.layers[-1], size=images)]
    return Problem(weights, pixels, targets, np.resize([1, -1, 1], images) * system.beta)


def csm_trajectory(
    system: ContrastiveSimilarityMatching, weights: Weights, x: Any, y: Any, beta: float
) -> list[State]:
    """States after every step of one image, each layer a column."""
    free, nudged = system.circuit().phase_steps().values()
    s, states = resting_state(weights, x[:, None]), []
    for number in range(free + nudged):
        nudge = beta if number >= free else 0.0
        s = step(weights, s, y[:, None], nudge, system.dt / system.tau)
        states.append(s)
    return states


def csm_reference_run(
    system: ContrastiveSimilarityMatching, problem: Problem, *, scale: float = 1.0
) -> tuple[list[list[State]], Weights]:
    """What the reference does with a problem; ``scale`` is that of the schedule."""
    weights, trajectories = dict(problem.weights), []
    free = system.circuit().phase_steps()["free"]
    alpha, alpha_M = (
        system.batch * scale * np.array(rates) for rates in (system.alpha, system.alpha_M)
    )
    cycles = list(zip(problem.images, problem.targets, problem.betas.tolist(), strict=True))
    for start in range(0, len(cycles), system.batch):
        chosen = cycles[start : start + system.batch]
        shown = [csm_trajectory(system, weights, *cycle) for cycle in chosen]
        at_free, at_nudged = (
            tuple(np.concatenate(columns, axis=1) for columns in zip(*ends, strict=True))
            for ends in ([s[free - 1] for s in shown], [s[-1] for s in shown])
        )
        weights = update(
            weights, at_free, at_nudged, np.array([beta for _, _, beta in chosen]), alpha,
            alpha_M=alpha_M, forgetting=[system.batch * rate for rate in system.alpha_M],
            size=system.beta, faithful=system.lateral_rule == "faithful",
        )  # fmt: skip
        trajectories += shown
    return trajectories, weights


def check_csm(system: ContrastiveSimilarityMatching, problem: Problem | None = None) -> None:
    """Several images, learning after each batch: states, inhibition, answers and weights."""
    problem = problem or make_csm_problem(system)
    trajectories, learnt = csm_reference_run(system, problem)
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
