"""The order in which kernels are launched: the same batches as on a CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping

__all__ = ["Learn", "Steps", "launches"]

#: Most time steps of one launch, so that an interrupt waits for milliseconds only.
_STEPS = 1000


@dataclasses.dataclass(frozen=True)
class Steps:
    """Arguments of the kernel ``steps``, as ``kernels.inc`` explains them."""

    first: int
    ended: int
    active: int
    begins: int
    count: int
    whole: bool

    @property
    def lanes(self) -> int:
        """Blocks: lanes that do something."""
        return max(self.ended, self.active)


@dataclasses.dataclass(frozen=True)
class Learn:
    """Arguments of the kernel ``learn``, as ``kernels.inc`` explains them."""

    active: int
    fresh: bool
    commit: bool
    batch: int
    commits: int


def launches(
    images: int,
    lanes: int,
    lengths: Mapping[str, int],
    learning_phases: Collection[str],
    *,
    batch: int | None,
    commits: int,
) -> Iterator[Steps | Learn]:
    """Every launch of a run.

    Parameters
    ----------
    images : int
        Images to run.
    lanes : int
        Most of them in flight.
    lengths : mapping of str to int
        Steps of every phase.
    learning_phases : collection of str
        Phases at whose end some synapse may learn.
    batch : int or None
        Images between two commits; None for a run without learning.
    commits : int
        Commits made before.

    Yields
    ------
    Steps or Learn
        In order.
    """
    phases = [(name, steps) for name, steps in lengths.items() if steps]
    ended = gathered = 0
    fresh = True
    for first, active, complete in _groups(images, lanes, batch):
        begins, steps = (2 if first == 0 else 1), 0
        for name, length in phases:
            commit = complete and name == phases[-1][0]
            learns = batch is not None and (commit or name in learning_phases)
            steps += length
            # phases after which nothing is learnt go on into the next one
            if not learns and name != phases[-1][0]:
                continue
            while steps:
                count = min(steps, _STEPS)
                steps -= count
                yield Steps(first, ended, active, begins, count, whole=bool(steps) or not learns)
                ended = begins = 0
            if learns:
                yield Learn(active, fresh, commit, gathered + active, commits + 1)
                # a batch is fresh once, in whichever phase its sums begin
                fresh, ended = commit, active
        gathered += active
        if complete:
            gathered, commits = 0, commits + 1
    if ended:
        yield Steps(0, ended, 0, 0, 0, whole=True)


def _groups(images: int, lanes: int, batch: int | None) -> Iterator[tuple[int, int, bool]]:
    """First image, images in flight, and whether they complete a batch."""
    size, first = batch or images, 0
    while first < images:
        end = min(first // size * size + size, images)
        active = min(lanes, end - first)
        yield first, active, first + active == end
        first += active
