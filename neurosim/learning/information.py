r"""Layerwise correlative information, the objective of CorInfoMax (arXiv:2306.04810, section 2).

For a lower layer ``l`` and an upper layer ``u`` with rates ``r``, forward and
backward predictions ``W_ff r_l`` and ``W_fb r_u``, in nats::

    forward  = 1/2 [ logdet(R_u + eps I) - ( <|r_u - W_ff r_l|^2>/eps + N_u log eps ) ]
    backward = 1/2 [ logdet(R_l + eps I) - ( <|r_l - W_fb r_u|^2>/eps + N_l log eps ) ]

The bracket in round parentheses is logdet(R_e + eps I) of the prediction error
to first order in R_e/eps. ``R`` is the correlation of rates, not centred,
averaged with a forgetting factor from R = I on. While weights stand still that
average tends to the mean over images, which is what no forgetting means here.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError, ParameterError

__all__ = ["CorrelativeInformation", "correlation", "correlative_information"]


@dataclasses.dataclass(frozen=True)
class CorrelativeInformation:
    """How much two neighbouring layers tell about each other.

    Attributes
    ----------
    forward, backward : float
        In nats. ``backward`` is NaN where there are no weights back.
    """

    forward: float
    backward: float


def correlation(rates: NDArray[Any], forgetting: float | None = None) -> NDArray[np.float64]:
    """Correlation of rates, not centred.

    Parameters
    ----------
    rates : ndarray, shape (n, n_cells)
        One row per image, in the order shown.
    forgetting : float, optional
        Factor lambda in (0, 1) of ``R <- lambda R + (1 - lambda) r r^T``, which
        starts at the identity. Without it, the mean over all images.

    Returns
    -------
    ndarray, shape (n_cells, n_cells)
        Dimensionless.

    Raises
    ------
    DataError
        If there are no rates.
    ParameterError
        If the factor is out of range.

    Examples
    --------
    >>> correlation(np.array([[2.0]]), forgetting=0.75)
    array([[1.75]])
    """
    r = np.asarray(rates, dtype=np.float64)
    if r.ndim != 2 or not r.size:
        raise DataError(f"rates of shape {r.shape}; give one row per image, one column per cell")
    if forgetting is None:
        return r.T @ r / len(r)
    if not 0 < forgetting < 1:
        raise ParameterError(f"forgetting = {forgetting}: give a factor between 0 and 1")
    weights = (1 - forgetting) * forgetting ** np.arange(len(r) - 1, -1, -1)
    rest = forgetting ** len(r) * np.eye(r.shape[1])
    return rest + (r * weights[:, None]).T @ r


def correlative_information(
    lower: NDArray[Any],
    upper: NDArray[Any],
    forward: NDArray[Any],
    backward: NDArray[Any] | None,
    epsilon: float,
    *,
    forgetting: float | None = None,
) -> CorrelativeInformation:
    """Correlative information between two neighbouring layers.

    Parameters
    ----------
    lower : ndarray, shape (n, n_lower)
        Rates of the lower layer, one row per image.
    upper : ndarray, shape (n, n_upper)
        Rates of the upper layer.
    forward : ndarray, shape (n_upper, n_lower)
        Weights that predict the upper layer.
    backward : ndarray, shape (n_lower, n_upper), optional
        Weights that predict the lower layer.
    epsilon : float
        Regularisation, above 0.
    forgetting : float, optional
        See :func:`correlation`.

    Returns
    -------
    CorrelativeInformation
        In nats.

    Raises
    ------
    DataError
        If shapes do not fit.
    ParameterError
        If ``epsilon`` is not above 0.

    Examples
    --------
    A layer that is predicted without error, of unit correlation:

    >>> ones = np.ones((3, 1))
    >>> told = correlative_information(ones, ones, np.eye(1), None, epsilon=0.5)
    >>> print(f"{told.forward:.4f} {0.5 * np.log(1.5 / 0.5):.4f}")
    0.5493 0.5493
    """
    if not epsilon > 0:
        raise ParameterError(f"epsilon = {epsilon}: give a number above 0")
    _check(lower, upper, forward)
    if backward is not None:
        _check(upper, lower, backward)
    return CorrelativeInformation(
        _one_way(lower, upper, forward, epsilon, forgetting),
        float("nan") if backward is None else _one_way(upper, lower, backward, epsilon, forgetting),
    )


def _check(source: NDArray[Any], target: NDArray[Any], weights: NDArray[Any]) -> None:
    if len(source) != len(target) or weights.shape != (target.shape[1], source.shape[1]):
        raise DataError(
            f"rates of shapes {source.shape} and {target.shape} with weights of shape "
            f"{weights.shape}; give (n, a), (n, b) and (b, a)"
        )


def _one_way(
    source: NDArray[Any],
    target: NDArray[Any],
    weights: NDArray[Any],
    epsilon: float,
    forgetting: float | None,
) -> float:
    known = correlation(target, forgetting)
    cells = len(known)
    _, logdet = np.linalg.slogdet(known + epsilon * np.eye(cells))
    prediction = np.asarray(source, np.float64) @ np.asarray(weights, np.float64).T
    errors = np.asarray(target, np.float64) - prediction
    unexplained = (errors**2).sum(axis=1).mean() / epsilon + cells * np.log(epsilon)
    return float(0.5 * (logdet - unexplained))
