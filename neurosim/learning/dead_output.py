"""How long an output has been giving the same answer, whatever it was asked."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

__all__ = ["SameAnswer"]


class SameAnswer:
    """The stretch of images, up to the newest, that all got one answer.

    It goes on from chunk to chunk and from epoch to epoch, so what it finds does
    not depend on how the images are cut into runs.

    Parameters
    ----------
    limit : int
        Images after which one answer to several classes is called dead.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.reset()

    def reset(self) -> None:
        """Forget what was seen: the weights are others now."""
        self._answer = -1
        self._images = 0
        self._asked: set[int] = set()

    def add(self, answers: NDArray[np.integer], classes: NDArray[np.integer]) -> bool:
        """Take note of more images.

        Parameters
        ----------
        answers, classes : ndarray of int, shape (n,)
            What was answered and what was asked, in the order shown.

        Returns
        -------
        bool
            Whether some stretch reached the limit, with more than one class in it.
        """
        dead = False
        bounds = [0, *(np.flatnonzero(np.diff(answers)) + 1).tolist(), len(answers)]
        for start, stop in itertools.pairwise(bounds):
            if answers[start] != self._answer:
                self.reset()
                self._answer = int(answers[start])
            self._images += stop - start
            self._asked |= set(classes[start:stop].tolist())
            dead |= self._images >= self._limit and len(self._asked) > 1
        return dead
