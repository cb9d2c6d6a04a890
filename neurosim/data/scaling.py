"""Bring inputs of any range to the one that networks learn from."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import ParameterError

__all__ = ["InputScale", "is_scaled", "scale_complaint"]

#: Images lie between 0 and 1, or around 0; values beyond this were probably not scaled.
_UNSCALED = 10
#: Mean and standard deviation of data that were standardised, give or take a split.
_MEAN, _DEVIATION = 0.5, (0.5, 2.0)


def scale_complaint(images: NDArray[Any]) -> str:
    """What to warn of if images were probably not scaled.

    Parameters
    ----------
    images : ndarray
        Checked images.

    Returns
    -------
    str
        A sentence, or nothing.
    """
    largest = max(float(images.max()), -float(images.min()))
    if largest <= _UNSCALED:
        return ""
    return (
        f"the images hold values up to {largest:g}; rates lie between 0 and 1, so the "
        "network will hardly learn: divide by 255, or by the largest value"
    )


def is_scaled(inputs: NDArray[Any]) -> bool:
    """Whether values are such as networks learn from.

    Parameters
    ----------
    inputs : ndarray
        Real numbers.

    Returns
    -------
    bool
        True if all lie between -1 and 1, or their mean is about 0 and their standard deviation
        about 1.
    """
    if np.abs(inputs).max() <= 1:
        return True
    about = abs(inputs.mean()) <= _MEAN and _DEVIATION[0] <= inputs.std() <= _DEVIATION[1]
    return bool(about) and not scale_complaint(inputs)


@dataclasses.dataclass(frozen=True, eq=False)
class InputScale:
    """Takes the values ``low`` and ``high`` to 0 and 1, and all others along a line.

    Attributes
    ----------
    low, high : float or ndarray, shape (n_features,), or None
        Values that become 0 and 1, for all features or for each; None to change nothing.

    Examples
    --------
    >>> scale = InputScale.learnt("range", np.array([[0.0, 16.0], [4.0, 8.0]]))
    >>> scale(np.array([[8.0, 12.0]]))
    array([[0.5 , 0.75]])
    """

    low: Any = None
    high: Any = None

    @classmethod
    def learnt(cls, how: Any, inputs: NDArray[Any]) -> Self:
        """The scale that a setting and training data make.

        Parameters
        ----------
        how : {"auto", "range", "features"}, pair of float, or None
            See :class:`~neurosim.learning.classifier.NeurosimClassifier`.
        inputs : ndarray, shape (n, n_features)
            Training data.

        Returns
        -------
        InputScale
            To be used for all later inputs.

        Raises
        ------
        ParameterError
            If the setting is none of these.
        """
        if how is None or (isinstance(how, str) and how == "auto" and is_scaled(inputs)):
            return cls()
        if isinstance(how, str) and how in ("auto", "range"):
            return cls(float(inputs.min()), float(inputs.max()))
        if isinstance(how, str) and how == "features":
            return cls(inputs.min(axis=0), inputs.max(axis=0))
        return cls(*_pair(how))

    def __call__(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Scale inputs.

        Parameters
        ----------
        inputs : ndarray, shape (n, n_features)
            As the user gave them.

        Returns
        -------
        ndarray, shape (n, n_features)
            As the network takes them. What has always the same value becomes 0.
        """
        if self.low is None:
            return inputs
        span = np.asarray(self.high - self.low, dtype=inputs.dtype)
        scaled: NDArray[Any] = (inputs - self.low) / np.where(span > 0, span, 1)
        return scaled

    def words(self) -> str:
        """What is done to a value.

        Returns
        -------
        str
            Such as ``"(value - 0)/255"``.
        """
        if self.low is None:
            return "none"
        if np.ndim(self.low):
            return "from the lowest to the highest value of each feature"
        return f"(value - {self.low:g})/{self.high - self.low:g}"


def _pair(how: Any) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in how)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(how)
    except (TypeError, ValueError):
        raise ParameterError(
            f"scale = {how!r}: give 'auto', 'range', 'features', a pair of rising numbers such "
            "as (0, 255), or None"
        ) from None
    return low, high
