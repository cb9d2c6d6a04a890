"""Where nothing is clipped, the network settles at the solution of a linear system."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oracles import Problem, record_run, small_system

from neurosim import CorInfoMax
from neurosim.models.numpy.corinfomax import initial_weights

PUBLISHED = "published form"
LONG = {"free_time": 110.0, "nudged_time": 110.0}
FORMS: dict[str, dict[str, Any]] = {
    PUBLISHED: {},
    "output conductance beta": {"output_apical": "nudge"},
    "two hidden layers": {"layers": (3, 4, 3, 2), "mu_ff": (0.1,) * 3, "mu_fb": (0.1,) * 2},
    "leaky dendrites": {"tau_basal": 1.5, "tau_apical": 2.0},
    "slowing steps": {"slowdown": 0.002},
}


def interior_problem(system: CorInfoMax, betas: tuple[float, ...]) -> Problem:
    """Small positive weights: every rate stays strictly between 0 and 1."""
    rng = np.random.default_rng(5)
    weights = initial_weights(system.layers, rng)
    for name, array in weights.items():
        if name.startswith("W"):
            weights[name] = 0.2 * np.abs(array) + 0.1
    targets = rng.uniform(0.2, 0.4, size=(1, system.layers[-1]))
    images = rng.uniform(0.5, 0.9, size=(1, system.layers[0]))
    count = len(betas)
    return Problem(weights, *(np.repeat(x, count, 0) for x in (images, targets)), np.array(betas))


@functools.cache
def settled(form: str) -> tuple[CorInfoMax, Problem, Any, Any]:
    """A network after long phases, for one nudge per image, and what was recorded of it."""
    system = small_system(**{"layers": (3, 4, 2), **LONG, **FORMS[form]})
    problem = interior_problem(system, (-0.5, 1.0) if form == PUBLISHED else (-0.5,))
    return system, problem, *record_run(system, problem, learning=False)


def fixed_point(system: CorInfoMax, problem: Problem, beta: float) -> list[NDArray[np.float64]]:
    """Rates of all layers from eq. 12 and 14 set to zero.

    At u = r the leak g_l u and the g_l r of the autapses cancel. An output cell also has
    the leak of its apical conductance: 1, or beta.
    """
    gamma, weights, top = system.gamma, problem.weights, system.depth
    sizes = system.layers[1:]
    start = np.concatenate([[0], np.cumsum(sizes)])
    A, drive = np.zeros((start[-1], start[-1])), np.zeros(start[-1])
    for k in range(1, top + 1):
        own = slice(start[k - 1], start[k])
        one = np.eye(sizes[k - 1])
        if k == top:
            conductance = 1.0 if system.output_apical == "constant" else beta
            A[own, own] = (
                gamma * weights[f"B_{k}"] - (1 / system.epsilon + conductance + beta) * one
            )
            drive[own] += beta * problem.targets[0]
        else:
            A[own, own] = 2 * gamma * weights[f"B_{k}"] - 2 / system.epsilon * one
            A[own, start[k] : start[k + 1]] = weights[f"W_fb_{k}"] / system.epsilon
        if k == 1:
            drive[own] += weights["W_ff_0"] @ problem.images[0] / system.epsilon
        else:
            A[own, start[k - 2] : start[k - 1]] = weights[f"W_ff_{k - 1}"] / system.epsilon
    return np.split(np.linalg.solve(A, -drive), start[1:-1])


@pytest.mark.quick(3)
@pytest.mark.parametrize("form", FORMS)
def test_both_phases_settle_at_the_solution_of_the_linear_system(form: str) -> None:
    """Guards against dynamics and reference that agree step for step and are both wrong."""
    system, problem, traces, result = settled(form)
    free = round(system.free_time)
    for image, beta in enumerate(problem.betas.tolist()):
        for row, nudge in ((free - 1, 0.0), (-1, beta)):
            for k, expected in enumerate(fixed_point(system, problem, nudge), start=1):
                assert expected.min() > 0, "a clipped cell has no closed form"
                assert expected.max() < 1, "a clipped cell has no closed form"
                cells = traces[f"pyramidal_{k}"]
                np.testing.assert_allclose(cells["r"][image, row], expected, rtol=1e-9)
                np.testing.assert_allclose(cells["u"][image, row], expected, rtol=1e-9)
        answer = fixed_point(system, problem, 0.0)[-1]
        np.testing.assert_allclose(result.readouts["answer"][image], answer, rtol=1e-9)


def test_settled_basal_error_can_be_read_from_soma_and_apical_dendrite() -> None:
    """Guards against compartments that settle without their currents in balance.

    This is eq. 24 as it follows from eq. 19 at rest; the sign printed there is the other.
    """
    system, _, traces, _ = settled(PUBLISHED)
    g_A = g_B = 1 / system.epsilon
    cells = {name: values[0, 109] for name, values in traces["pyramidal_1"].items()}
    apical = (g_A * cells["v_A"] - (system.g_l + g_A) * cells["u"]) / g_B
    np.testing.assert_allclose(cells["e_B"], apical, rtol=0, atol=1e-9)
