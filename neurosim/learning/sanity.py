"""Stop learning that has gone wrong: weights that explode, outputs that are dead."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.interface import Weights
from neurosim.circuit import Circuit
from neurosim.errors import DivergenceError, warn
from neurosim.learning.dead_output import DeadOutput

__all__ = ["LearningCheck"]

#: No weight grew this large in learning that worked (initial bounds are below 1).
_EXPLODED = 1e3
#: Exponent of a growth that no array of numbers reaches.
_NO_LIMIT = 600.0
#: Wrong answers in a stretch of one answer: a warning at the first number, a stop at the
#: second. In learning that works the most were 21 with balanced classes, and 240 where 95 % of
#: the images belong to one class.
_WARN_AFTER, _STOP_AFTER = 500, 1000


class LearningCheck:
    """Looks at what every chunk of learning left behind.

    Parameters
    ----------
    circuit : Circuit
        Its weights say how fast they may grow.
    remedy : str
        What to try, as the middle of a sentence.
    """

    def __init__(self, circuit: Circuit, remedy: str) -> None:
        self._circuit = circuit
        self._remedy = (
            f"the weights from before are kept; {remedy}, or use a preset made for this data set"
        )
        self._output = DeadOutput()
        self._warned = False

    def __copy__(self) -> LearningCheck:
        """A check that goes on from here independently of this one."""
        other = LearningCheck.__new__(LearningCheck)
        other.__dict__ |= {**self.__dict__, "_output": copy.copy(self._output)}
        return other

    def reset(self) -> None:
        """Forget earlier answers: the weights are others now."""
        self._output.reset()
        self._warned = False

    def check_weights(self, before: Weights, after: Weights, images: int, where: str) -> None:
        """Refuse weights that no longer mean anything.

        Parameters
        ----------
        before, after : Weights
            Arrays before and after the chunk.
        images : int
            Images in the chunk.
        where : str
            Place in training, for the message.

        Raises
        ------
        DivergenceError
            If a weight is not finite, or grew beyond what its rule allows.
        """
        for name, array in after.items():
            if not np.isfinite(array).all():
                raise DivergenceError(
                    f"learning diverged {where}: {name} is not finite; {self._remedy}"
                )
            if self._circuit.weight(name).kind == "state":
                continue
            limit = self._largest(name, before[name], images)
            if np.abs(array).max() > limit:
                raise DivergenceError(
                    f"learning diverged {where}: {name} grew beyond {limit:g}; {self._remedy}"
                )

    def check_answers(
        self, answers: NDArray[np.integer], classes: NDArray[np.integer], where: str
    ) -> None:
        """Warn of an output that looks dead, later stop learning.

        Parameters
        ----------
        answers, classes : ndarray of int, shape (n,)
            Classes predicted and classes of the images, in the order shown.
        where : str
            Place in training, for the message.

        Warns
        -----
        UserWarning
            Once, while there is still time.

        Raises
        ------
        DivergenceError
            If too many images of other classes got the same answer in a row.
        """
        wrong = self._output.add(answers, classes)
        if wrong >= _STOP_AFTER:
            # who changes something and goes on is judged anew
            self.reset()
            raise DivergenceError(
                f"the output is dead {where}: it gave the same answer to {wrong} images in a row "
                f"that are of other classes; {self._remedy}, or another seed, or switch this "
                "check off (check_output=False)"
            )
        if wrong >= _WARN_AFTER and not self._warned:
            self._warned = True
            warn(
                f"the output may be dead {where}: it gave the same answer to {wrong} images in a "
                f"row that are of other classes; learning stops at {_STOP_AFTER}, unless "
                "check_output=False",
                stacklevel=2,
            )

    def _largest(self, name: str, before: NDArray[Any], images: int) -> float:
        """Largest entry that a weight array may have after so many more images."""
        growth = self._circuit.weight(name).growth
        if growth == 1:
            return _EXPLODED
        # every image rounds
        rounding = 4 * float(np.finfo(before.dtype).eps)
        exponent = images * (math.log(growth) + rounding)
        return max(_EXPLODED, float(np.abs(before).max())) * math.exp(min(exponent, _NO_LIMIT))
