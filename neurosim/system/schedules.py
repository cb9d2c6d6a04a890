"""Learning rates that fall with the epochs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from neurosim.errors import ParameterError
from neurosim.system.base import System
from neurosim.system.layered import LayeredSystem
from neurosim.system.parameters import parameter

__all__ = [
    "CosineRates",
    "DroppedRates",
    "StepRates",
    "StretchedRates",
    "check_stretches",
    "in_proportion",
    "stretch_factor",
]


def check_stretches(owner: str, decay: tuple[float, ...], starts: tuple[int, ...]) -> None:
    """Refuse factors ``decay`` and first epochs ``decay_from`` that do not go together.

    Parameters
    ----------
    owner : str
        Name of the system, for messages.
    decay : tuple of float
        One factor per stretch of epochs.
    starts : tuple of int
        The first epoch of each stretch.

    Raises
    ------
    ParameterError
        If their numbers differ, or the epochs do not rise from 0.
    """
    ordered = list(starts) == sorted(set(starts))
    if len(decay) != len(starts) or not starts or starts[0] != 0 or not ordered:
        raise ParameterError(
            f"{owner}.decay = {decay} with decay_from = {starts}: give one first epoch per "
            "factor, rising from 0, e.g. decay=0.95,0.9 decay_from=0,15"
        )


def stretch_factor(decay: tuple[float, ...], starts: tuple[int, ...], epoch: int) -> float:
    """Factor of the learning rates in an epoch: d^epoch, d being that of its stretch.

    Parameters
    ----------
    decay : tuple of float
        The factor d of each stretch of epochs.
    starts : tuple of int
        The first epoch of each stretch, rising from 0.
    epoch : int
        Epoch, from 0.

    Returns
    -------
    float
        Dimensionless; where d changes, it jumps, as in the published code.
    """
    stretch = sum(epoch >= first for first in starts) - 1
    return float(decay[stretch] ** epoch)


def in_proportion(system: System, share: float) -> dict[str, Any]:
    """Parameters of a schedule for a run of another length, in proportion.

    Parameters
    ----------
    system : System
        With the schedule of a full run.
    share : float
        Length of the run as a part of the full one, above 0.

    Returns
    -------
    dict of str to object
        Values by name, rounded up to whole epochs; none where rates do not fall, or without
        epochs of their own.

    Examples
    --------
    >>> from neurosim.models.phsic import PHSIC
    >>> in_proportion(PHSIC(drop_at=(50, 75, 90)), 0.05)
    {'drop_at': (3, 4, 5)}
    """

    def scaled(epoch: int) -> int:
        # 0.05*60 is a little more than 3
        return math.ceil(round(share * epoch, 9))

    if isinstance(system, DroppedRates):
        return {"drop_at": tuple(scaled(epoch) for epoch in system.drop_at)}
    if isinstance(system, StepRates):
        return {"decay_every": scaled(system.decay_every)}
    return {}


@dataclasses.dataclass(frozen=True)
class StretchedRates(LayeredSystem):
    """A system whose learning rates are mu d^epoch, with another d in each stretch of epochs.

    Parameters
    ----------
    layers, dt, event_threshold
        See :class:`~neurosim.system.layered.LayeredSystem`.
    decay, decay_from : tuple
        Factor and first epoch of each stretch.

    Raises
    ------
    ParameterError
        If factors and first epochs do not go together.
    """

    # rates drop where d changes, as in the code behind arXiv:2306.04810
    decay: tuple[float, ...] = parameter((0.95, 0.9), "d, per stretch of epochs", "", "(0, 1]")
    decay_from: tuple[int, ...] = parameter((0, 15), "first epoch of a stretch", "", "[0, inf)")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stretches(type(self).__name__, self.decay, self.decay_from)

    def rate_scale(self, epoch: int) -> float:
        """The factor d^epoch, with a jump where d changes."""
        return stretch_factor(self.decay, self.decay_from, epoch)


@dataclasses.dataclass(frozen=True)
class StepRates(LayeredSystem):
    """A system whose learning rates fall by a factor after every few epochs.

    Parameters
    ----------
    layers, dt, event_threshold
        See :class:`~neurosim.system.layered.LayeredSystem`.
    decay, decay_every
        The factor, and after how many epochs it applies again.
    """

    decay: float = parameter(1.0, "factor of the rates per stretch of epochs", "", "(0, 1]")
    decay_every: int = parameter(15, "epochs in a stretch", "", "[1, inf)")

    def rate_scale(self, epoch: int) -> float:
        """decay^(epoch // decay_every)."""
        return float(self.decay ** (epoch // self.decay_every))


@dataclasses.dataclass(frozen=True)
class CosineRates(LayeredSystem):
    """A system whose learning rates fall to 0 along half a period of a cosine.

    It stands before a class with another schedule, which ``cosine_epochs = 0`` leaves as it is.

    Parameters
    ----------
    layers, dt, event_threshold
        See :class:`~neurosim.system.layered.LayeredSystem`.
    cosine_epochs : int
        Length of the run; from this epoch on rates are 0.
    """

    # Loshchilov and Hutter, ICLR 2017, without restarts, once every epoch
    cosine_epochs: int = parameter(
        20, "epochs in which rates fall to 0 along a cosine; 0: another schedule", "", "[0, inf)"
    )

    def rate_scale(self, epoch: int) -> float:
        """(1 + cos(pi epoch/cosine_epochs))/2, and 0 from epoch ``cosine_epochs`` on."""
        if not self.cosine_epochs:
            return super().rate_scale(epoch)
        return (1 + math.cos(math.pi * min(epoch / self.cosine_epochs, 1))) / 2


@dataclasses.dataclass(frozen=True)
class DroppedRates(LayeredSystem):
    """A system whose learning rates fall by a factor after some epochs.

    Parameters
    ----------
    layers, dt, event_threshold
        See :class:`~neurosim.system.layered.LayeredSystem`.
    drop, drop_at
        The factor, and the numbers of epochs after which it applies once more.
    """

    drop: float = parameter(0.25, "factor of the rates after each of drop_at", "", "(0, 1]")
    drop_at: tuple[int, ...] = parameter(
        (50, 75, 90), "epochs after which rates fall", "", "[1, inf)"
    )

    def rate_scale(self, epoch: int) -> float:
        """``drop`` for every epoch of ``drop_at`` that has passed."""
        return float(self.drop ** sum(epoch >= passed for passed in self.drop_at))
