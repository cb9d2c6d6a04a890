"""Detect a dead output: one that gives the same answer to every image."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

__all__ = ["DeadOutput"]


class DeadOutput:
    """Counts wrong answers within a stretch of images that all got one answer.

    Right answers do not count. So the measure knows how often labels repeat: where 95 % of
    the images belong to one class, a network that learns gives that answer to hundreds of
    images in a row, but few of them are of another class. Ten classes that are equally
    frequent give 9 wrong answers in 10 images. A stretch goes on from chunk to chunk and
    from epoch to epoch, so the count does not depend on how the images are divided.

    Examples
    --------
    >>> watch = DeadOutput()
    >>> watch.add(np.array([7, 7, 7]), np.array([7, 1, 2]))
    2
    >>> watch.add(np.array([7, 1]), np.array([3, 1]))
    3
    >>> watch.answer, watch.wrong
    (1, 0)
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new stretch, for instance because the weights are others now."""
        self.answer = -1
        self.wrong = 0

    def add(self, answers: NDArray[np.integer], classes: NDArray[np.integer]) -> int:
        """Count more images.

        Parameters
        ----------
        answers, classes : ndarray of int, shape (n,)
            Classes predicted and classes of the images, in the order shown.

        Returns
        -------
        int
            Most wrong answers that any stretch had when it ended, or has by now.
        """
        most = 0
        bounds = [0, *(np.flatnonzero(np.diff(answers)) + 1).tolist(), len(answers)]
        for start, stop in itertools.pairwise(bounds):
            if answers[start] != self.answer:
                self.answer, self.wrong = int(answers[start]), 0
            self.wrong += int((classes[start:stop] != self.answer).sum())
            most = max(most, self.wrong)
        return most
