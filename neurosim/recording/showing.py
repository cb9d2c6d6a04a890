"""Cycles that show images to a network without learning: evaluations, recordings, analyses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.interface import Chunk, Weights
from neurosim.circuit import Circuit
from neurosim.errors import DataError
from neurosim.system import System

__all__ = ["Network", "check_nudge", "showing_chunks"]


class Weighted(Protocol):
    """Weights by name."""

    def arrays(self) -> Weights:
        """The arrays themselves."""
        ...


class Network(Protocol):
    """What showing images needs of a network; a ``Simulator`` has it all."""

    system: System
    circuit: Circuit
    dtype: str

    @property
    def weights(self) -> Weighted:
        """Its weights."""
        ...


def check_nudge(beta: object, *, nudged: bool = True) -> float:
    """A signed nudge as a number.

    Parameters
    ----------
    beta : object
        What was given.
    nudged : bool
        Whether the nudged phase is run; without it, the value may be 0.

    Returns
    -------
    float
        The nudge, dimensionless.

    Raises
    ------
    DataError
        If it is no finite number, or 0.
    """
    number = float(beta) if isinstance(beta, Real) else math.nan
    if not math.isfinite(number) or (nudged and number == 0):
        raise DataError(f"beta = {beta!r}: give a finite nudge that is not 0")
    return number


def showing_chunks(
    network: Network,
    images: NDArray[Any],
    targets: NDArray[Any] | None = None,
    *,
    beta: float = 1.0,
    parameters: Mapping[str, float] | None = None,
    at_once: int | None = None,
) -> list[Chunk]:
    """Cycles that show images without learning.

    Parameters
    ----------
    network : Network
        Its weights are used.
    images : ndarray, shape (n, n_inputs)
        Checked images.
    targets : ndarray, shape (n, n_outputs), optional
        Checked target rates. With them all phases are run; without, those of an
        evaluation, with the values that an evaluation takes.
    beta : float
        Signed nudge of all images, if there are targets.
    parameters : mapping of str to float, optional
        Shared parameters that differ from the circuit's, by ``"population.parameter"``.
    at_once : int, optional
        Most images of one chunk; all of them by default.

    Returns
    -------
    list of Chunk
        In the order of the images; independent of each other.
    """
    n, system = len(images), network.system
    phases: Mapping[str, int] = {}
    values: dict[str, float] = {}
    if targets is None:
        phases, values = system.evaluation_phases(), dict(system.evaluation_parameters())
        # one keeps 1/beta finite
        targets, beta = np.zeros((n, system.layers[-1])), 1.0
    values |= parameters or {}
    inputs = {"stimulus": images, "target": targets}
    inputs |= {
        item.name: np.full(n, float(beta)) for item in network.circuit.inputs if not item.width
    }
    weights, size = network.weights.arrays(), at_once or n
    parts = (slice(start, start + size) for start in range(0, n, size))
    return [
        Chunk({name: array[part] for name, array in inputs.items()}, weights, values, phases)
        for part in parts
    ]
