"""The checks of networks on polytopes: against the NumPy reference, step for step."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from oracles import (
    Problem,
    assert_same_trajectory,
    assert_same_weights,
    make_problem,
    record_run,
    reference_parameters,
    small_system,
)

from neurosim.backends.interface import Weights
from neurosim.models import CorInfoMaxSparse
from neurosim.models.numpy.corinfomax import update
from neurosim.models.numpy.corinfomax_sparse import Polytope, PolytopeTrajectory, simulate

#: Seed of a problem in which every kind of cell shows; the tests check that it does.
SEED = 1


def sparse_system(**changes: Any) -> CorInfoMaxSparse:
    """A small network with fast interneurons, every event sent; see ``small_system``.

    Also the hidden layer's interneuron is fast, so that a wrong one shows at once.
    """
    fields = {field.name for field in dataclasses.fields(CorInfoMaxSparse)}
    base = {name: value for name, value in vars(small_system()).items() if name in fields}
    settings = {**base, "tau_q_hidden": 8.0, "tau_q_output": 3.0}
    return CorInfoMaxSparse(**{**settings, **changes})


def polytopes(system: CorInfoMaxSparse) -> dict[int, Polytope]:
    """The reference's domains for a system."""
    made = {}
    for k in range(1, system.depth + 1):
        given = system.domains[0 if len(system.domains) == 1 else k - 1]
        tau_q = system.tau_q_output if k == system.depth else system.tau_q_hidden
        kind = given if isinstance(given, str) else given[0]
        domain = system.domain(k)
        made[k] = Polytope(kind, system.layers[k], tau_q, domain.signed, domain.groups)
    return made


def sparse_problem(system: CorInfoMaxSparse, *, images: int = 3, seed: int = SEED) -> Problem:
    """Random weights and images that drive the layers against their bounds.

    Where a domain is signed, some images drive with the other sign.
    """
    problem = make_problem(system, images=images, seed=seed)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=problem.images.shape)
    shown = problem.images * (signs if any_signed(system) else 1)
    return Problem(problem.weights, 2 * shown, problem.targets, problem.betas)


def any_signed(system: CorInfoMaxSparse) -> bool:
    """Whether a layer has rates of both signs."""
    return any(
        polytope.kind in ("sparse", "antisparse", "mixed")
        for polytope in polytopes(system).values()
    )


def reference_run(
    system: CorInfoMaxSparse, problem: Problem, *, learning: bool
) -> tuple[list[PolytopeTrajectory], Weights]:
    """What the reference does with the images of a problem, batch after batch."""
    params, layers = reference_parameters(system), polytopes(system)
    weights, shown = dict(problem.weights), []
    cycles = list(zip(problem.images, problem.targets, problem.betas.tolist(), strict=True))
    for start in range(0, len(cycles), system.batch):
        batch = [
            (simulate(params, layers, weights, x, y, beta), x, beta)
            for x, y, beta in cycles[start : start + system.batch]
        ]
        if learning:
            weights = update(params, weights, batch, system.mu_ff, system.mu_fb)
        shown += batch
    return [trajectory for trajectory, _, _ in shown], weights


def check_sparse(system: CorInfoMaxSparse, problem: Problem | None = None) -> None:
    """Several images, learning after each: all trajectories, interneurons and weights."""
    problem = problem or sparse_problem(system)
    trajectories, learnt = reference_run(system, problem, learning=True)
    traces, result = record_run(system, problem, learning=True)
    for image, expected in enumerate(trajectories):
        assert_same_cells(system, traces, image, expected)
    answers = [expected.r[system.depth][expected.free_end] for expected in trajectories]
    np.testing.assert_allclose(result.readouts["answer"], answers, rtol=0, atol=1e-9)
    assert_same_weights(result.weights, learnt)


def assert_same_cells(
    system: CorInfoMaxSparse, traces: Any, image: int, expected: PolytopeTrajectory
) -> None:
    """Pyramidal cells and interneurons, in every step."""
    # the event that ends the free phase moves u and a within that very step
    kept = [n for n in range(len(expected.u[1])) if n != expected.free_end]
    for k, polytope in polytopes(system).items():
        names = [name for name in traces if name.split("_")[:2] == ["lagrange", str(k)]]
        assert len(names) == len(polytope.members)
        for n, name in enumerate(names):
            for variable in ("a", "q", "l1"):
                got = traces[name][variable][image][kept, 0]
                want = getattr(expected, variable)[k][kept, n]
                where = f"{variable} of {name}, image {image}"
                np.testing.assert_allclose(got, want, rtol=0, atol=1e-9, err_msg=where)
    end = expected.free_end
    if not any_signed(system):
        assert_same_trajectory(traces, image, expected)
        return
    for k in expected.u:
        for name in ("u", "r", "v_B", "v_A"):
            rows = kept if name == "u" else list(range(len(expected.u[k])))
            got, want = traces[f"pyramidal_{k}"][name][image], getattr(expected, name)[k]
            np.testing.assert_allclose(
                got[rows], want[rows], rtol=0, atol=1e-9, err_msg=f"{name} of layer {k}"
            )
    assert end < len(kept)
