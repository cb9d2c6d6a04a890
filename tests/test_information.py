"""Correlative information: closed forms, an independent average, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.errors import DataError, ParameterError
from neurosim.learning.information import correlation, correlative_information

EPS = 0.3


def test_a_perfect_prediction_tells_the_whole_entropy() -> None:
    """Closed form: white rates, no error: 1/2 N log((1 + eps)/eps)."""
    rates = np.sqrt(3) * np.eye(3)
    told = correlative_information(rates, rates, np.eye(3), np.eye(3), EPS)
    expected = 1.5 * np.log((1 + EPS) / EPS)
    assert told.forward == pytest.approx(expected)
    assert told.backward == pytest.approx(expected)


def test_no_prediction_loses_the_power_of_the_rates() -> None:
    """Closed form, one cell of power p: 1/2 [log((p + eps)/eps) - p/eps]."""
    rates = np.array([[1.0], [2.0], [3.0]])
    power = 14 / 3
    told = correlative_information(np.ones((3, 2)), rates, np.zeros((1, 2)), None, EPS)
    assert told.forward == pytest.approx(0.5 * (np.log((power + EPS) / EPS) - power / EPS))
    assert np.isnan(told.backward)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.99))
def test_forgetting_is_the_recursion(seed: int, factor: float) -> None:
    """The weighted sum equals R <- factor R + (1 - factor) r r^T, from the identity on."""
    rates = np.random.default_rng(seed).random((6, 4))
    expected = np.eye(4)
    for r in rates:
        expected = factor * expected + (1 - factor) * np.outer(r, r)
    assert np.allclose(correlation(rates, factor), expected)


def test_repeating_the_images_leads_to_their_mean() -> None:
    """Guards the meaning of no forgetting: where the average tends when nothing changes."""
    rates = np.random.default_rng(1).random((5, 3))
    many = np.tile(rates, (4000, 1))
    assert np.allclose(correlation(many, 0.999), correlation(rates), atol=2e-3)


def test_the_gradient_is_the_learning_rule() -> None:
    """Forward information rises along <e r^T>/eps, the direction of equation 26."""
    rng = np.random.default_rng(2)
    lower, upper, weights = rng.random((20, 5)), rng.random((20, 3)), rng.normal(size=(3, 5))
    slope = np.zeros_like(weights)
    for place in np.ndindex(*weights.shape):
        step = np.zeros_like(weights)
        step[place] = 1e-6
        ends = [
            correlative_information(lower, upper, weights + sign * step, None, EPS).forward
            for sign in (1, -1)
        ]
        slope[place] = (ends[0] - ends[1]) / 2e-6
    errors = upper - lower @ weights.T
    assert slope == pytest.approx(errors.T @ lower / 20 / EPS, rel=1e-5, abs=1e-7)


def test_misfits_are_refused() -> None:
    """Guards shapes and ranges."""
    with pytest.raises(ParameterError, match="epsilon"):
        correlative_information(np.ones((2, 1)), np.ones((2, 1)), np.eye(1), None, 0)
    with pytest.raises(DataError, match="shapes"):
        correlative_information(np.ones((2, 3)), np.ones((2, 1)), np.ones((3, 1)), None, EPS)
    with pytest.raises(DataError, match="rates of shape"):
        correlation(np.ones(3))
    with pytest.raises(ParameterError, match="forgetting"):
        correlation(np.ones((2, 2)), 1.0)
