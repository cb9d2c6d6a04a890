"""What ``neurosim reproduce`` makes: against closed forms and known numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call, refusal

from neurosim import load_dataset
from neurosim.reproduce import STUDIES, costs, reciprocal
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


@pytest.fixture(autouse=True)
def own_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that the command notes are not those of the user."""
    monkeypatch.setattr(costs, "cache_folder", lambda: tmp_path)


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
    written = call("reproduce", "figure", "urfb-linear", "--out", tmp_path).out
    assert (tmp_path / "urfb-linear.png").stat().st_size > 20_000
    numbers = json.loads((tmp_path / "urfb-linear.json").read_text())
    assert set(numbers) == {"ε = 0", "ε = 0.25", "ε = 0.5", "ε = 1", "BP"}
    assert str(tmp_path) in written
    assert costs.Costs.own().studies["urfb-linear"] > 0
    assert "did you mean 'urfb-linear'" in refusal("reproduce", "figure", "urfb-liner")
    assert "no figure is named" in refusal("reproduce", "figure")
    assert "say neurosim reproduce figure urfb-linear" in refusal("reproduce", "urfb-linear")
    assert "rows are chosen by --rows" in refusal("reproduce", "digits", "digits/ep")
    given = ("figure", "urfb-linear", "--data-dir", tmp_path)
    assert "needs no data" in refusal("reproduce", *given)


# ------------------------------------------------------------------ reciprocal


def slope(distances: Any, first: int, last: int) -> float:
    """Of the natural logarithm, per step."""
    fall = np.log(distances[last // reciprocal.EVERY] / distances[first // reciprocal.EVERY])
    return float(fall) / (last - first)


@pytest.mark.parametrize("shape", [(12, 18), (18, 12), (12, 12)])
def test_noise_below_and_above_teaches_both_pseudoinverses(shape: tuple[int, int]) -> None:
    """Guards the straight line of fig. 1A, and a pair that works for one shape alone."""
    course = reciprocal.simulate("symmetric", shape, 1, steps=1600)
    for distances in (course.U_from_V, course.V_from_U):
        assert distances[0] > 3
        assert distances[-1] < 1e-8
        assert slope(distances, 500, 600) == pytest.approx(slope(distances, 600, 700), rel=0.2)


def test_recirculation_needs_decay_where_there_are_more_cells_above() -> None:
    """Guards what decay is for, and the floor that it costs."""
    wide = reciprocal.simulate("recirculation", (12, 18), 1, steps=800)
    assert wide.U_from_V[-1] < 1e-5
    tall = [reciprocal.simulate("recirculation", (18, 12), 1, decay=d) for d in (0.0, 0.05)]
    assert tall[0].U_from_V[-1] == pytest.approx(tall[0].U_from_V[-1000 // reciprocal.EVERY])
    assert tall[1].U_from_V[-1] < 0.2 * tall[0].U_from_V[-1]
    floors = [
        reciprocal.simulate("recirculation", (12, 18), 1, steps=800, decay=d).U_from_V[-1]
        for d in (0.01, 0.05)
    ]
    assert 4 < floors[1] / floors[0] < 6


def test_feedback_alone_learns_as_fast_as_the_smallest_singular_value_allows() -> None:
    """Guards a rate of another power: the error shrinks by 1 - rate s^2 per step."""
    for condition in (2.0, 4.0):
        course = reciprocal.simulate("feedback", (8, 12), 0, condition=condition, steps=3000)
        rate = np.log(1 - reciprocal.RATE * (1.3 / condition) ** 2)
        assert slope(course.V_from_U, 1200, 1600) == pytest.approx(rate, rel=0.05)


@pytest.mark.parametrize("name", ["recirculation", "symmetric"])
def test_single_synapses_keep_their_invariants(name: str) -> None:
    """Guards signs: v - u is constant for recirculation, v^2 - u^2 for the symmetric pair."""
    u, v = np.array([[0.4]]), np.array([[0.9]])
    power = 1 if name == "recirculation" else 2
    kept = v**power - u**power
    for _ in range(20_000):
        of_u, of_v = reciprocal.pair(name, u, v)
        u, v = u + 1e-3 * of_u, v + 1e-3 * of_v
    assert float((u * v).item()) == pytest.approx(1, abs=1e-9)
    assert float((v**power - u**power - kept).item()) == pytest.approx(0, abs=2e-3)


def test_the_methods_learn_as_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards methods under each other's name, on a data set that needs no file."""
    monkeypatch.setattr(reciprocal, "LAYERS", (64, 32, 16, 10))
    monkeypatch.setattr(reciprocal, "FIRST_SLEEP", 100)
    monkeypatch.setattr(reciprocal, "ETA", 0.05)
    digits = load_dataset("digits")
    errors = {}
    for method in reciprocal.METHODS:
        found = reciprocal.learn(method, digits, 0, (100, 400))
        errors[method] = [found["error"][k] for k in ("100", "400")]
        if method == "RF, exact":
            assert found["distance_1"]["100"] < 0.1
        elif method == "RF, learnt":
            assert 0.1 < found["distance_1"]["400"] < 0.9
        else:
            assert set(found) == {"error"}
    assert errors["BP"] != errors["FA"]
    for method in ("RF, exact", "RF, learnt"):
        assert (np.array(errors[method]) <= np.array(errors["BP"]) + 0.05).all()
        assert errors[method][0] < errors["FA"][0]


def test_the_study_of_pseudoinverses_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a figure that needs MNIST, and one that does not say what it leaves out."""
    short = reciprocal.simulate("symmetric", (4, 6), 0)
    monkeypatch.setattr(reciprocal, "simulate", lambda *given, **how: short)
    monkeypatch.setattr(reciprocal, "default_data_dir", lambda: tmp_path)
    said = call("reproduce", "figure", "reciprocal", "--out", tmp_path)
    assert "MNIST is not at hand" in said.err
    numbers = json.loads((tmp_path / "reciprocal.json").read_text())
    assert numbers["2B"] == {}
    assert numbers["1A"]["symmetric, 40 x 60"]["|U - V+|"]["0"] > 1
    errors = {"BP": {"error": {"50": 0.4, "100": 0.3}}, "FA": {"error": {"50": 0.8, "100": 0.5}}}
    courses = dict.fromkeys([f"{kind}, a" for kind in reciprocal.PANELS], short)
    assert len(reciprocal.draw(courses, errors).axes) == 4
