"""Sparse wirings: blocks of cells, explicit pairs, and a random part of another wiring."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit.wirings import NamedWiring, SynapseList, Wiring, as_wiring, check_counts
from neurosim.errors import CircuitError

__all__ = ["Blocks", "Pairs", "RandomFraction"]


@dataclasses.dataclass(frozen=True)
class Blocks(Wiring):
    """Groups of neighbouring cells: each group of sources with one group of targets, all to all.

    Attributes
    ----------
    groups : int
        How many; the cells of both populations are shared out evenly. Weights have the
        shape (group, out, in), where out and in count within a group.
    """

    groups: int
    kind: str = dataclasses.field(default="blocks", init=False)
    layout: ClassVar[str] = "(group, out, in)"

    def __post_init__(self) -> None:
        check_counts(self, groups=self.groups)

    def complaint(self, pre: int, post: int) -> str:
        """Both sizes must be multiples of the groups."""
        for size, end in ((pre, "source"), (post, "target")):
            if size % self.groups:
                return (
                    f"is wired in {self.groups} blocks, but its {end} has {size} cells, which do "
                    "not share out evenly; give a number of groups that divides both sizes"
                )
        return ""

    def weight_shape(self, pre: int, post: int) -> tuple[int, ...]:
        """A matrix per group."""
        return self.groups, post // self.groups, pre // self.groups

    def synapses(self, pre: int, post: int) -> SynapseList:
        """The entries of the matrices."""
        group, out, into = np.indices(self.weight_shape(pre, post)).reshape(3, -1)
        source, target = group * (pre // self.groups) + into, group * (post // self.groups) + out
        return SynapseList.ordered(source, target, np.arange(len(source)))

    def words(self) -> str:
        """How many groups."""
        return f"{self.groups} blocks"


@dataclasses.dataclass(frozen=True)
class Pairs(Wiring):
    """An explicit list of synapses, each with a weight of its own.

    Attributes
    ----------
    source, target : tuple of int
        Numbers of the cells that each synapse joins. The weights have the shape
        (n_synapses,), in this order.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    kind: str = dataclasses.field(default="pairs", init=False)
    layout: ClassVar[str] = "(synapse)"

    def __post_init__(self) -> None:
        for end in ("source", "target"):
            object.__setattr__(self, end, tuple(int(cell) for cell in getattr(self, end)))
        if len(self.source) != len(self.target) or not self.source:
            raise CircuitError(
                f"Pairs of {len(self.source)} sources and {len(self.target)} targets; give as many "
                "of the one as of the other, and at least one of each"
            )
        if len(set(zip(self.source, self.target, strict=True))) != len(self.source):
            raise CircuitError(
                "Pairs name two cells twice; give every pair of cells one synapse at most"
            )

    def complaint(self, pre: int, post: int) -> str:
        """Every cell named must be there."""
        for end, cells, size in (("source", self.source, pre), ("target", self.target, post)):
            wrong = next((cell for cell in cells if not 0 <= cell < size), None)
            if wrong is not None:
                return (
                    f"is wired in pairs with cell {wrong} of its {end}, which has {size} cells; "
                    f"give numbers from 0 to {size - 1}"
                )
        return ""

    def weight_shape(self, pre: int, post: int) -> tuple[int, ...]:
        """One weight per synapse."""
        return (len(self.source),)

    def synapses(self, pre: int, post: int) -> SynapseList:
        """Those given."""
        ends = np.array(self.source, np.int64), np.array(self.target, np.int64)
        return SynapseList.ordered(*ends, np.arange(len(self.source)))

    def words(self) -> str:
        """How many."""
        return f"{len(self.source)} pairs"


@dataclasses.dataclass(frozen=True)
class RandomFraction(Wiring):
    """A random part of the weights of another wiring; synapses of the others do not exist.

    Attributes
    ----------
    of : str or Wiring
        What a part is taken of. The weights keep its natural shape, and are 0 where there
        is no synapse. Of tied weights a whole weight is there, or none of its synapses.
    fraction : float
        Chance of a weight to be there, in (0, 1].
    seed : int
        Seed of the draw; every projection should have its own.
    """

    of: NamedWiring | Wiring
    fraction: float
    seed: int
    kind: str = dataclasses.field(default="random_fraction", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", self.of if isinstance(self.of, Wiring) else
                           as_wiring(self.of, "a RandomFraction"))  # fmt: skip
        if isinstance(self.of, RandomFraction):
            raise CircuitError("a RandomFraction of a RandomFraction; give one smaller fraction")
        if not 0 < self.fraction <= 1:
            raise CircuitError(f"RandomFraction of {self.fraction!r}; give a number in (0, 1]")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise CircuitError(f"RandomFraction with seed {self.seed!r}; give a whole number >= 0")

    @property
    def whole(self) -> Wiring:
        """What a part is taken of."""
        assert isinstance(self.of, Wiring)
        return self.of

    @property
    def layout(self) -> str:  # type: ignore[override]
        """As of the whole."""
        return self.whole.layout

    @property
    def tied(self) -> bool:  # type: ignore[override]
        """As the whole."""
        return self.whole.tied

    def complaint(self, pre: int, post: int) -> str:
        """The whole must fit, and something must be left of it."""
        found = self.whole.complaint(pre, post)
        if not found and not self.existing(pre, post).any():
            return (
                f"is wired by a fraction of {self.fraction:g}, of which the seed {self.seed} "
                "leaves no synapse; give a larger fraction"
            )
        return found

    def weight_shape(self, pre: int, post: int) -> tuple[int, ...]:
        """That of the whole."""
        return self.whole.weight_shape(pre, post)

    def existing(self, pre: int, post: int) -> NDArray[np.bool_]:
        """Drawn from the seed, in the order of the flat array."""
        drawn = np.random.default_rng(self.seed).random(self.weight_shape(pre, post))
        return (drawn < self.fraction) & self.whole.existing(pre, post)

    def synapses(self, pre: int, post: int) -> SynapseList:
        """Those of the whole whose weight is there."""
        all_of_them = self.whole.synapses(pre, post)
        there = self.existing(pre, post).ravel()[all_of_them.weight]
        return SynapseList(
            all_of_them.source[there], all_of_them.target[there], all_of_them.weight[there]
        )

    def filters(self, weights: NDArray[Any], pre: int, post: int) -> NDArray[Any]:
        """Those of the whole."""
        return self.whole.filters(weights, pre, post)

    def words(self) -> str:
        """The share, and of what."""
        return f"a random {self.fraction:.4g} of {self.whole.words()}"
