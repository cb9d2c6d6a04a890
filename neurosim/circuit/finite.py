"""Whether a number can be used in a simulation."""

from __future__ import annotations

import math

__all__ = ["is_finite"]


def is_finite(value: float) -> bool:
    """Whether a number, as a floating-point number, is neither infinite nor NaN.

    Parameters
    ----------
    value : float or int
        A whole number may be too large for a floating-point number: then it is not.

    Returns
    -------
    bool
        Whether it is finite.
    """
    try:
        return math.isfinite(value)
    except OverflowError:
        # a whole number of more than 308 digits
        return False
