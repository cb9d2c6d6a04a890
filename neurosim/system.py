"""What every system in ``models/`` promises to the engine.

A system is a frozen dataclass of bounded parameters. It describes its circuit
as data and says how weights start, how learning rates run over epochs and
which phases an evaluation needs. It never touches Brian2 objects, files or
devices.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit

__all__ = ["FeedbackPair", "Preset", "System"]


@dataclasses.dataclass(frozen=True)
class FeedbackPair:
    """A feedforward and a feedback weight array whose angle is reported.

    Attributes
    ----------
    name : str
        Label of the angle, e.g. ``"theta_1"``.
    forward, backward : str
        Names of the weight arrays, of transposed shapes.
    """

    name: str
    forward: str
    backward: str


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings of a system for a data set.

    Attributes
    ----------
    hidden : tuple of int
        Hidden layer sizes of the published network.
    epochs : int
        Published (or chosen) length of training.
    parameters : mapping of str to object
        Values of the system's parameters that differ from its defaults.
    source : str
        Where the values come from, in plain words.
    """

    hidden: tuple[int, ...]
    epochs: int
    parameters: Mapping[str, Any]
    source: str


@dataclasses.dataclass(frozen=True)
class System(abc.ABC):
    """A learning system: parameters and the circuit they make.

    Attributes
    ----------
    layers : tuple of int
        Layer sizes from input to output, at least two.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]

    layers: tuple[int, ...] = (784, 500, 10)

    @abc.abstractmethod
    def circuit(self) -> Circuit:
        """The circuit these parameters make."""

    @abc.abstractmethod
    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Weights before learning, by public name, of shape (post, pre)."""

    @abc.abstractmethod
    def rates(self, epoch: int) -> dict[str, float]:
        """Learning rates of an epoch, by ``"projection.parameter"``."""

    @abc.abstractmethod
    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """Scalar inputs of ``n`` training cycles, by name, each of shape (n,)."""

    @abc.abstractmethod
    def evaluation_phases(self) -> dict[str, int]:
        """Phase lengths of an evaluation run (0 leaves a phase out)."""

    @abc.abstractmethod
    def feedback_pairs(self) -> tuple[FeedbackPair, ...]:
        """Forward and backward arrays whose angle measures their alignment."""

    @abc.abstractmethod
    def traces(self) -> dict[str, tuple[str, ...]]:
        """Variables worth recording, by population."""

    @classmethod
    @abc.abstractmethod
    def preset(cls, dataset: str, hidden: tuple[int, ...] | None = None) -> Preset:
        """Settings for a data set and, if given, for other hidden layers."""
