"""Training images in two parts: one to learn, one to choose settings by."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data import Dataset
from neurosim.errors import ParameterError

__all__ = ["Split", "split_training"]

#: Share that is held out by default: 10 000 of MNIST's 60 000.
_SHARE = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images and classes to learn, and others to choose by; none is of the test set.

    Attributes
    ----------
    x, y : ndarray, shapes (n, n_inputs) and (n,)
        To learn.
    x_held, y_held : ndarray, shapes (m, n_inputs) and (m,)
        To choose by.
    n_classes : int
        Number of classes.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    x_held: NDArray[Any]
    y_held: NDArray[Any]
    n_classes: int


def split_training(data: Dataset, held: int | None = None) -> Split:
    """Hold images of the training set out, always the same ones.

    Parameters
    ----------
    data : Dataset
        The data set.
    held : int, optional
        How many; a sixth by default.

    Returns
    -------
    Split
        Of the training images alone.

    Raises
    ------
    ParameterError
        If no image would be left to learn, or to choose by.
    """
    count = len(data.x_train)
    held = count // _SHARE if held is None else held
    if not 1 <= held < count:
        raise ParameterError(
            f"--validation {held}: hold out at least 1 of the {count} training images, and leave "
            "at least 1"
        )
    order = np.random.default_rng(0).permutation(count)
    chosen, learnt = np.sort(order[:held]), np.sort(order[held:])
    return Split(
        np.ascontiguousarray(data.x_train[learnt]), data.y_train[learnt],
        np.ascontiguousarray(data.x_train[chosen]), data.y_train[chosen],
        data.n_classes,
    )  # fmt: skip
