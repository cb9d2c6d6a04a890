"""The checks several test files share: a network against the NumPy reference, step for step.

``check_against_reference`` is the oracle. The regular tests call it on many
systems; the sabotage tests call it on broken ones and demand that it fails.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.interface import Backend, Chunk, ChunkResult, Weights
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import Circuit
from neurosim.circuit.graph import cell_variables
from neurosim.models import CorInfoMax
from neurosim.models.numpy.corinfomax import (
    Trajectory,
    initial_weights,
    reference_parameters,
    simulate,
    update,
)

#: What the reference computes of a pyramidal cell.
COMPARTMENTS = ("u", "r", "v_B", "v_A")
#: Of problems that show every kind of cell, by depth; tests check that they still do.
SEEDS = {1: 498, 2: 498, 3: 185}


@dataclasses.dataclass(frozen=True)
class Problem:
    """Weights and a few images to show a network.

    Attributes
    ----------
    weights : Weights
        Weights at the start.
    images, targets : ndarray
        Shape (n, n_inputs) and (n, n_outputs).
    betas : ndarray
        Signed nudges, shape (n,).
    """

    weights: Weights
    images: NDArray[np.float64]
    targets: NDArray[np.float64]
    betas: NDArray[np.float64]

    def chunk(self, *, learning: bool, **settings: Any) -> Chunk:
        """All images in one run."""
        inputs = {"stimulus": self.images, "target": self.targets, "beta": self.betas}
        return Chunk(inputs, self.weights, learning=learning, **settings)


def autapses_and_inhibition(
    system: CorInfoMax, weights: Weights, k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """D and O of layer k derived from B, eq. 29 and 30: of shapes (N_k,) and (N_k, N_k)."""
    output = k == system.depth
    efficacy = system.gamma if output else 2 * system.gamma * system.epsilon
    leak = system.g_l if output else system.epsilon * system.g_l
    scaled = efficacy * np.asarray(weights[f"B_{k}"], float)
    return np.diagonal(scaled) + leak, np.diag(np.diagonal(scaled)) - scaled


def small_system(**changes: Any) -> CorInfoMax:
    """A network small enough for Brian2's NumPy target, every event sent.

    The forgetting factor is far from 1, so that the lateral terms are as large as the
    others: with the published one they are 1e-5 of the leak and a wrong one would hide.
    """
    settings: dict[str, Any] = {
        "layers": (5, 6, 3),
        "lambda_": 0.9,
        "mu_ff": (0.1, 0.07),
        "mu_fb": (0.05,),
        "free_time": 12.0,
        "nudged_time": 6.0,
        "event_threshold": 0.0,
        "sst_threshold": 0.0,
    }
    return CorInfoMax(**{**settings, **changes})


def deep_system(**changes: Any) -> CorInfoMax:
    """As :func:`small_system`, with two hidden layers."""
    settings = {"layers": (5, 6, 4, 3), "mu_ff": (0.1, 0.07, 0.05), "mu_fb": (0.05, 0.03)}
    return small_system(**{**settings, **changes})


def make_problem(system: CorInfoMax, *, images: int = 3, seed: int | None = None) -> Problem:
    """Random weights and images; the drive is so strong that some cells are clipped.

    One pixel in four is 0, and the seeds are such that the nudge silences some cells and
    wakes others, and that every weight array learns. Nudges are of both signs and not all
    of size 1, so that neither a sign nor a factor can be lost without effect.
    """
    chosen = SEEDS.get(system.depth, 0) if seed is None else seed
    rng = np.random.default_rng(chosen)
    weights = initial_weights(system.layers, rng)
    for k in range(system.depth):
        weights[f"W_ff_{k}"] = 2.5 * weights[f"W_ff_{k}"] + 0.2
    pixels = rng.uniform(size=(images, system.layers[0]))
    pixels *= rng.uniform(size=pixels.shape) > 0.25
    targets = np.eye(system.layers[-1])[rng.integers(system.layers[-1], size=images)]
    betas = np.resize([0.5, -1.0, 1.0], images)
    return Problem(weights, pixels, targets, betas)


def reference_run(
    system: CorInfoMax, problem: Problem, *, learning: bool
) -> tuple[list[Trajectory], Weights]:
    """What the reference does with the images of a problem, batch after batch."""
    params, weights = reference_parameters(system), dict(problem.weights)
    shown: list[tuple[Trajectory, Any, float]] = []
    cycles = list(zip(problem.images, problem.targets, problem.betas.tolist(), strict=True))
    for start in range(0, len(cycles), system.batch):
        batch = [
            (simulate(params, weights, x, y, beta), x, beta)
            for x, y, beta in cycles[start : start + system.batch]
        ]
        if learning:
            weights = update(params, weights, batch, system.mu_ff, system.mu_fb)
        shown += batch
    return [trajectory for trajectory, _, _ in shown], weights


def every_variable(circuit: Circuit) -> dict[str, tuple[str, ...]]:
    """All that cells have values of their own of, by population."""
    return {population.name: cell_variables(population) for population in circuit.populations}


def record_run(
    system: CorInfoMax,
    problem: Problem,
    *,
    learning: bool,
    variables: Mapping[str, Sequence[str]] | None = None,
) -> tuple[dict[str, dict[str, NDArray[Any]]], ChunkResult]:
    """Run in double precision; traces are of shape (n_images, n_steps, n_cells)."""
    images = len(problem.images)
    with RuntimeBackend(
        system.circuit(),
        dtype="float64",
        max_cycles=images,
        record=variables or every_variable(system.circuit()),
    ) as backend:
        result = backend.run(problem.chunk(learning=learning, batch=system.batch))
        flat = result.trajectories
    steps = system.circuit().cycle_steps()
    traces = {
        population: {
            name: values.reshape(images, steps, -1) for name, values in by_variable.items()
        }
        for population, by_variable in flat.items()
    }
    return traces, result


def assert_same_trajectory(
    traces: Mapping[str, Mapping[str, NDArray[Any]]],
    image: int,
    expected: Trajectory,
    *,
    tolerance: float = 1e-9,
) -> None:
    """Every compartment of every pyramidal cell, in every step."""
    for k in expected.u:
        for name in COMPARTMENTS:
            got = traces[f"pyramidal_{k}"][name][image]
            want = getattr(expected, name)[k]
            assert got.shape == want.shape
            if name == "u":
                # the event that ends the free phase puts u to r within that very step
                got, want = (np.delete(rows, expected.free_end, axis=0) for rows in (got, want))
            np.testing.assert_allclose(
                got, want, rtol=0, atol=tolerance, err_msg=f"{name} of layer {k}, image {image}"
            )


def assert_same_weights(got: Weights, expected: Weights, *, tolerance: float = 1e-12) -> None:
    """Every weight array, entry by entry."""
    assert set(got) == set(expected)
    for name, want in expected.items():
        np.testing.assert_allclose(got[name], want, rtol=0, atol=tolerance, err_msg=name)


def assert_bitwise_equal(got: Weights, expected: Weights) -> None:
    """The very same numbers: signs of zeros and precision too."""
    assert set(got) == set(expected)
    for name, want in expected.items():
        assert got[name].dtype == want.dtype, name
        assert got[name].tobytes() == want.tobytes(), name


def check_against_reference(system: CorInfoMax, problem: Problem | None = None) -> None:
    """Several images, learning after each: all trajectories, answers and weights.

    The weights an image leaves behind carry into the next one's trajectory, so that also
    a state that is not reset, or a weight no trajectory of the first image shows, is seen.
    """
    problem = problem or make_problem(system)
    trajectories, learnt = reference_run(system, problem, learning=True)
    traces, result = record_run(system, problem, learning=True)
    for image, expected in enumerate(trajectories):
        assert_same_trajectory(traces, image, expected)
    answers = [expected.r[system.depth][expected.free_end] for expected in trajectories]
    np.testing.assert_allclose(result.readouts["answer"], answers, rtol=0, atol=1e-9)
    assert_same_weights(result.weights, learnt)


def check_learning(backend: Backend, system: CorInfoMax, problem: Problem) -> ChunkResult:
    """As :func:`check_against_reference`, for back ends that record nothing."""
    trajectories, learnt = reference_run(system, problem, learning=True)
    result = backend.run(problem.chunk(learning=True))
    answers = [expected.r[system.depth][expected.free_end] for expected in trajectories]
    np.testing.assert_allclose(result.readouts["answer"], answers, rtol=0, atol=1e-9)
    assert_same_weights(result.weights, learnt)
    return result
