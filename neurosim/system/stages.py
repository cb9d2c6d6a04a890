"""Stages of an epoch: sleep before wake, pre-training, and the images themselves.

A stage is a stretch of cycles with phase lengths of its own in which some parts of the circuit
learn. One stage shows the images. The turns of the others come before it: once, at the
beginning of every epoch, or before every update from images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from neurosim.circuit.kinds import check_kinds
from neurosim.circuit.names import check_part_name
from neurosim.errors import CircuitError, ParameterError

__all__ = ["Stage", "Timetable"]

_COUNTS = ("once", "every_epoch", "every_update")


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stretch of cycles within an epoch.

    Without any of the three counts, it shows the images.

    Attributes
    ----------
    name : str
        Its name.
    phases : mapping of str to int
        Lengths of phases in steps that differ from the circuit's; 0 leaves one out.
    learns : tuple of str or None
        Projections and populations that learn; the others keep their weights and states.
        None for all.
    batch : int
        Cycles per update; images take :attr:`System.batch`.
    once : int
        Updates before the first image of all.
    every_epoch : int
        Updates before the first image of every epoch.
    every_update : int
        Updates before every update from images.

    Raises
    ------
    CircuitError
        If the name cannot be used, or phases or parts are not given as above.
    ParameterError
        If a number is none.

    Examples
    --------
    >>> Stage("sleep", {"wake": 0}, batch=64, once=500, every_update=2).shows_images
    False
    """

    name: str
    phases: Mapping[str, int] = dataclasses.field(default_factory=dict)
    learns: tuple[str, ...] | None = None
    batch: int = 1
    once: int = 0
    every_epoch: int = 0
    every_update: int = 0

    def __post_init__(self) -> None:
        check_part_name("stage", self.name)
        for name, least in (("batch", 1), *((count, 0) for count in _COUNTS)):
            given = getattr(self, name)
            if not isinstance(given, int) or isinstance(given, bool) or given < least:
                raise ParameterError(
                    f"stage {self.name!r} has {name} = {given!r}: give a whole number of {least} "
                    "or more"
                )
        check_kinds(self)

    @property
    def shows_images(self) -> bool:
        """Whether its cycles show the images, and not what the stage itself brings."""
        return not any(getattr(self, count) for count in _COUNTS)

    def updates(self, epoch: int, position: int) -> int:
        """Updates that are due before the next images.

        Parameters
        ----------
        epoch, position : int
            Epochs finished, and images of the current one shown.

        Returns
        -------
        int
            Their number.
        """
        before_all = self.once if epoch == 0 and position == 0 else 0
        return before_all + (self.every_epoch if position == 0 else 0) + self.every_update


@dataclasses.dataclass(frozen=True)
class Timetable:
    """Whose turn it is in an epoch.

    Attributes
    ----------
    stages : tuple of Stage
        In their order; the last one shows the images.

    Raises
    ------
    CircuitError
        If another one shows the images, or a name is there twice.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise CircuitError(f"System.stages() names a stage twice: {', '.join(names)}")
        showing = [stage.name for stage in self.stages if stage.shows_images]
        if len(showing) != 1 or not self.stages[-1].shows_images:
            raise CircuitError(
                f"System.stages() returns the stages {', '.join(names) or '()'}, of which "
                f"{', '.join(showing) or 'none'} would show the images; let the last one show "
                "them, and give each of the others once, every_epoch or every_update"
            )

    @property
    def images(self) -> Stage:
        """The stage that shows the images."""
        return self.stages[-1]

    @property
    def interrupts_images(self) -> bool:
        """Whether other stages come before every update from images."""
        return any(stage.every_update for stage in self.stages)

    def due(self, epoch: int, position: int, between: int) -> tuple[int, int] | None:
        """The stage whose turn it is.

        Parameters
        ----------
        epoch, position : int
            Epochs finished, and images of the current one shown.
        between : int
            Updates that stages have made since the last images.

        Returns
        -------
        tuple of two int, or None
            Number of the stage, and updates that it has yet to make; None for the images.
        """
        for number, stage in enumerate(self.stages[:-1]):
            left = stage.updates(epoch, position) - between
            if left > 0:
                return number, left
            between = -left
        return None
