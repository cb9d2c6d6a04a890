"""What ``neurosim reproduce`` makes: against closed forms and known numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import call

from neurosim.reproduce import STUDIES
from neurosim.reproduce import urfb_linear as linear

#: Of the same equations in a program of its own: log10 errors every 200 steps, correlations.
KNOWN = {
    0.0: ((8.4, 7.2, 4.7, 0.8, -3.2, -7.1), (-0.02, 0.31, 0.94)),
    0.25: ((8.4, 7.0, 3.6, -1.7, -7.1, -12.4), (0.23, 0.42, 0.97)),
    0.5: ((8.4, 6.9, 2.4, -4.2, -10.9, -17.6), (0.47, 0.52, 0.98)),
    1.0: ((8.4, 6.8, -0.2, -9.5, -18.8, -22.2), (0.78, 0.67, 0.99)),
}
#: Of backpropagation after 0, 50, 100, 200, 400, 600 and 1000 steps.
BACK = (8.4, 7.6, 6.5, 4.7, 2.1, -0.2, -4.7)


@pytest.fixture(scope="module")
def courses() -> dict[float | None, linear.Course]:
    return {e: linear.simulate(e, 0) for e in (*linear.EPSILONS, linear.BACKPROPAGATION)}


def test_feedback_that_learns_is_faster_and_aligns_all_layers(
    courses: dict[float | None, linear.Course],
) -> None:
    """Guards fig. 12 and what the paper's text says about it."""
    slower = None
    for epsilon in linear.EPSILONS:
        course = courses[epsilon]
        if slower is not None:
            assert (course.log_errors[200:800] < slower[200:800]).all()
        slower = course.log_errors
    fixed, updated = courses[0.0].correlations[-1], courses[1.0].correlations[-1]
    assert fixed[2] > 0.9 > 0.5 > fixed[1] > fixed[0]
    assert updated[2] > updated[0] > updated[1] > fixed[1] + 0.2


def test_a_linear_network_has_the_known_numbers(
    courses: dict[float | None, linear.Course],
) -> None:
    """Guards factors and signs of eq. 9 that leave the figure's look alone."""
    for epsilon, (errors, correlations) in KNOWN.items():
        found = courses[epsilon]
        np.testing.assert_allclose(found.log_errors[::200], errors, rtol=0, atol=0.3)
        np.testing.assert_allclose(found.correlations[-1], correlations, rtol=0, atol=0.03)
    back = courses[linear.BACKPROPAGATION].log_errors[[0, 50, 100, 200, 400, 600, 1000]]
    np.testing.assert_allclose(back, BACK, rtol=0, atol=0.3)


@pytest.mark.parametrize("epsilon", [0.25, 1.0])
def test_one_mode_of_two_layers_keeps_its_invariant(epsilon: float) -> None:
    """Guards appendix 2, eq. 12 and 13: l2 = l1^2 / (lR + sqrt(lR^2 + epsilon l1^2))."""
    target, R, l1, l2, dt = 0.8, 0.1, 0.0, 0.0, 1e-3
    errors = []
    for _ in range(60_000):
        e = target - l1 * l2
        l1, l2 = l1 + dt * (R + epsilon * l2) * e, l2 + dt * e * l1
        errors.append(e)
    assert l2 == pytest.approx(l1**2 / (R + np.sqrt(R**2 + epsilon * l1**2)), rel=1e-2)
    assert errors[-1] < 1e-3


def test_the_command_writes_figure_and_numbers(
    tmp_path: Path, courses: dict[float | None, linear.Course], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the command of the page, and a list that forgets a study."""
    monkeypatch.setattr(linear, "simulate", lambda epsilon, seed: courses[epsilon])
    listed = call("reproduce", "--list").out
    assert all(f"{name}:" in listed for name in STUDIES)
    written = call("reproduce", "urfb-linear", "--out", tmp_path).out
    assert (tmp_path / "urfb-linear.png").stat().st_size > 20_000
    numbers = json.loads((tmp_path / "urfb-linear.json").read_text())
    assert set(numbers) == {"ε = 0", "ε = 0.25", "ε = 0.5", "ε = 1", "BP"}
    assert str(tmp_path) in written
    assert "Allowed: urfb-linear" in call("reproduce", "urfb-liner").complaint
