"""Random numbers that are a function of where and when they are drawn, in NumPy.

A counter-based generator has no state: the same key and counter give the same bits, in any
order, on any number of threads and on every back end. The key stands for seed and epoch, the
counter for image, cell, time step and stream. This is Philox4x32-10 of Salmon, Moraes, Dror
and Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011.

``neurosim/backends/cpp/noise.h`` computes the same numbers in C. Nothing here calls a library
for a logarithm, which may differ in its last bit: every number follows from additions,
products, quotients and square roots in double precision, in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["inverse_normal", "normal_noise", "philox4x32", "uniform_noise"]

_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def philox4x32(counter: Sequence[ArrayLike], key: tuple[int, int]) -> tuple[NDArray[Any], ...]:
    """Four random words of 32 bits for every counter.

    Parameters
    ----------
    counter : sequence of 4 array_like of int
        From 0 to 2^32 - 1; they are broadcast.
    key : tuple of two int
        From 0 to 2^32 - 1.

    Returns
    -------
    tuple of 4 ndarray of uint64
        Each value is below 2^32.
    """
    words = (np.asarray(word).astype(np.uint64) & _LOW for word in counter)
    c0, c1, c2, c3 = np.broadcast_arrays(*words)
    k0, k1 = key
    for _ in range(_ROUNDS):
        a, b = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1 = (b >> _WORD) ^ c1 ^ np.uint64(k0), b & _LOW
        c2, c3 = (a >> _WORD) ^ c3 ^ np.uint64(k1), a & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniform_noise(
    key: tuple[int, int], image: ArrayLike, cell: ArrayLike, step: ArrayLike, stream: int
) -> NDArray[np.float64]:
    """Numbers that are uniform between 0 and 1, and never equal to either.

    Parameters
    ----------
    key : tuple of two int
        Of the run; see :func:`neurosim.system.drawing.noise_key`.
    image, cell, step : array_like of int
        Number of the image in its epoch, of the cell, and of the step in its cycle.
    stream : int
        Tells apart the places that draw; see :func:`neurosim.circuit.noise.noise_streams`.

    Returns
    -------
    ndarray of float64
        Of the shape that the three make together; multiples of 2^-53.
    """
    high, low, _, _ = philox4x32((image, cell, step, stream), key)
    bits = (high << _WORD | low) >> np.uint64(12)
    values: NDArray[np.float64] = (bits.astype(np.float64) + 0.5) * 2.0**-52
    return values


def normal_noise(
    key: tuple[int, int], image: ArrayLike, cell: ArrayLike, step: ArrayLike, stream: int
) -> NDArray[np.float64]:
    """Numbers that are normal with mean 0 and variance 1, up to 8.2 in size.

    Parameters
    ----------
    key, image, cell, step, stream
        As for :func:`uniform_noise`.

    Returns
    -------
    ndarray of float64
        Of the shape that the three make together.
    """
    return inverse_normal(uniform_noise(key, image, cell, step, stream))


# ------------------------------------------------------------------ normal numbers

# Wichura, algorithm AS 241, Applied Statistics 37, 1988, PPND16: numerators and denominators
# of three ranges, highest power first
_CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0),
)  # fmt: skip
_TAIL = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0),
)  # fmt: skip
_FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
     5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip

#: Of log m = 2 s (1 + s^2/3 + s^4/5 + ...) with s = (m - 1)/(m + 1), highest power first.
_LOGARITHM = tuple(1.0 / n for n in range(21, 0, -2))
_LOG_2 = 0.693147180559945309417


def inverse_normal(p: ArrayLike) -> NDArray[np.float64]:
    """Where a normal distribution of mean 0 and variance 1 has a probability below.

    Parameters
    ----------
    p : array_like of float
        From 2^-53 to 1 - 2^-53.

    Returns
    -------
    ndarray of float64
        To about 1e-15 of its size.
    """
    given = np.asarray(p, dtype=np.float64)
    q = given - 0.5
    r = 0.180625 - q * q
    centre = q * _power_series(_CENTRE[0], r) / _power_series(_CENTRE[1], r)
    r = np.sqrt(-_logarithm(np.minimum(given, 1.0 - given)))
    tail = _power_series(_TAIL[0], r - 1.6) / _power_series(_TAIL[1], r - 1.6)
    far = _power_series(_FAR[0], r - 5.0) / _power_series(_FAR[1], r - 5.0)
    outside = np.where(r <= 5.0, tail, far)
    return np.where(np.abs(q) <= 0.425, centre, np.where(q < 0.0, -outside, outside))


def _power_series(coefficients: Sequence[float], x: Any) -> Any:
    total = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def _logarithm(x: NDArray[np.float64]) -> Any:
    """Natural logarithm of normal numbers above 0."""
    bits = np.atleast_1d(np.ascontiguousarray(x)).view(np.uint64).reshape(np.shape(x))
    power = (bits >> np.uint64(52)).astype(np.float64) - 1023.0
    low = bits & np.uint64(0xFFFFFFFFFFFFF) | np.uint64(0x3FF0000000000000)
    m = np.atleast_1d(low).view(np.float64).reshape(np.shape(x))
    above = m > 1.4142135623730951
    m, power = np.where(above, m * 0.5, m), np.where(above, power + 1.0, power)
    s = (m - 1.0) / (m + 1.0)
    return power * _LOG_2 + 2.0 * s * _power_series(_LOGARITHM, s * s)
