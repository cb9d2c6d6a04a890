"""Contrastive learning: a free phase, then a phase in which the output is nudged to the target."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.system.layered import LayeredSystem
from neurosim.system.parameters import parameter

__all__ = ["NudgedSystem", "SymmetricNudge", "signed_nudges"]


def signed_nudges(
    rng: np.random.Generator, n: int, beta: float, random_sign: bool, batch: int = 1
) -> NDArray[np.float64]:
    """The nudge of each image; the images of a batch have one sign, as in the published codes.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the signs; not touched where none are drawn.
    n : int
        Number of images.
    beta : float
        Size of the nudge.
    random_sign : bool
        Whether the sign is drawn, as in Laborieux et al. 2021.
    batch : int
        Images that share a sign.

    Returns
    -------
    ndarray
        ``+beta`` or ``-beta``, shape (n,).
    """
    if not random_sign:
        return np.full(n, beta)
    signs = rng.choice((-1.0, 1.0), size=-(-n // batch))
    return beta * np.repeat(signs, batch)[:n]


@dataclasses.dataclass(frozen=True)
class NudgedSystem(LayeredSystem):
    """A layered network that learns from the contrast of a free and a nudged phase.

    Equations read the nudge of the image as ``beta``; an evaluation is the free phase alone.

    Parameters
    ----------
    layers, batch, dt, event_threshold
        See :class:`~neurosim.system.layered.LayeredSystem`.
    beta : float
        Size of the nudge.
    random_sign : bool
        Draw the sign of the nudge anew for every batch.
    free_time, nudged_time : float
        Lengths of the phases in ms.

    Raises
    ------
    ParameterError
        If layers or parameters are out of range, or a phase is no whole number of steps.
    """

    phase_times: ClassVar[Mapping[str, str]] = {"free": "free_time", "nudged": "nudged_time"}
    scalars: ClassVar[tuple[str, ...]] = ("beta",)
    answer_event: ClassVar[str] = "end_free"

    beta: float = parameter(1.0, "size of the nudge", r"\beta", "(0, inf)")
    random_sign: bool = parameter(True, "draw the sign of beta anew for every batch")
    free_time: float = parameter(30.0, "length of the free phase", "", "(0, inf) ms")
    nudged_time: float = parameter(10.0, "length of the nudged phase", "", "(0, inf) ms")

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """The signed nudge of each training image, shape (n,)."""
        return {"beta": signed_nudges(rng, n, self.beta, self.random_sign, self.batch)}

    def evaluation_scalars(self) -> dict[str, float]:
        """The nudge of recordings with a target."""
        return {"beta": self.beta}

    def evaluation_phases(self) -> dict[str, int]:
        """Free phase only."""
        return {**self.phase_steps(), "nudged": 0}


@dataclasses.dataclass(frozen=True)
class SymmetricNudge(NudgedSystem):
    """A system that may be nudged both ways in one cycle: free, opposed, nudged.

    In the phase ``opposed``, as long as ``nudged``, the sign of the nudge is the other one,
    and a rule contrasts these two over 2 beta. That contrast errs in second order of beta,
    where that of ``nudged`` and ``free`` errs in first (Laborieux et al. 2021). Nothing
    recalls the free state: ``nudged`` sets out from where ``opposed`` ends. The other order
    would hide mistakes of a network that keeps to the state it is in: once at its target,
    an output is pushed nowhere, and both phases end there, wherever the free one ended.

    Parameters
    ----------
    layers, batch, dt, event_threshold, beta, random_sign, free_time, nudged_time
        See :class:`NudgedSystem`; no sign is drawn where both are shown.
    symmetric : bool
        Nudge both ways.
    """

    symmetric: bool = parameter(True, "nudge both ways: free, -beta, +beta")

    def phase_steps(self) -> dict[str, int]:
        """Lengths of the phases, with ``opposed`` where the nudge is symmetric."""
        steps = super().phase_steps()
        if not self.symmetric:
            return steps
        return {"free": steps["free"], "opposed": steps["nudged"], "nudged": steps["nudged"]}

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """The nudge of each training image, shape (n,), signed where it is not symmetric."""
        drawn = self.random_sign and not self.symmetric
        return {"beta": signed_nudges(rng, n, self.beta, drawn, self.batch)}

    def evaluation_phases(self) -> dict[str, int]:
        """Free phase only."""
        found = super().evaluation_phases()
        return {**found, "opposed": 0} if self.symmetric else found
