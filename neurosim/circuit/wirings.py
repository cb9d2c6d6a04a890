"""Wirings: which synapses a projection has, and which weight each of them uses.

A wiring joins two populations whose cells are numbered from 0. It knows the natural shape
of its weights, such as (out, in, k, k) for a convolution, and gives every synapse as a
source, a target and a place in that array. Several synapses may use one weight.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import CircuitError, near_matches

__all__ = ["Named", "NamedWiring", "SynapseList", "Wiring", "as_wiring", "check_counts",
           "wiring_from_dict"]  # fmt: skip

#: Wirings that need no numbers, and are therefore given by name.
NamedWiring = Literal["all_to_all", "all_but_self", "one_to_one"]


@dataclasses.dataclass(frozen=True)
class SynapseList:
    """The synapses of a wiring, by rising source and then rising target.

    Attributes
    ----------
    source, target : ndarray of int, shape (n_synapses,)
        Numbers of the cells joined.
    weight : ndarray of int, shape (n_synapses,)
        Place of the weight in the flat array of the natural shape.
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.int64]

    @classmethod
    def ordered(
        cls, source: NDArray[np.int64], target: NDArray[np.int64], weight: NDArray[np.int64]
    ) -> SynapseList:
        """Synapses given in any order.

        Parameters
        ----------
        source, target, weight : ndarray of int, shape (n_synapses,)
            As the attributes.

        Returns
        -------
        SynapseList
            Sorted.
        """
        order = np.argsort(source * (int(target.max(initial=0)) + 1) + target, kind="stable")
        return cls(source[order], target[order], weight[order])


class Wiring(abc.ABC):
    """Which synapses there are between two populations, and which weight each uses.

    Attributes
    ----------
    kind : str
        Name under which it is written down.
    layout : str
        What the axes of its weights are.
    tied : bool
        Whether several synapses share a weight.
    """

    kind: str
    layout: ClassVar[str] = "(post, pre)"
    tied: ClassVar[bool] = False

    @abc.abstractmethod
    def complaint(self, pre: int, post: int) -> str:
        """What does not fit between two populations.

        Parameters
        ----------
        pre, post : int
            Cells of the source and of the target.

        Returns
        -------
        str
            A clause that ends with the way out; empty if all fits.
        """

    @abc.abstractmethod
    def weight_shape(self, pre: int, post: int) -> tuple[int, ...]:
        """Natural shape of the weights.

        Parameters
        ----------
        pre, post : int
            Cells of the source and of the target.

        Returns
        -------
        tuple of int
            As :attr:`layout` names its axes.
        """

    @abc.abstractmethod
    def synapses(self, pre: int, post: int) -> SynapseList:
        """Every synapse.

        Parameters
        ----------
        pre, post : int
            Cells of the source and of the target.

        Returns
        -------
        SynapseList
            In the order of the sources.
        """

    @abc.abstractmethod
    def words(self) -> str:
        """The wiring in plain words, for pages and diagrams."""

    def existing(self, pre: int, post: int) -> NDArray[np.bool_]:
        """Which weights some synapse uses.

        Parameters
        ----------
        pre, post : int
            Cells of the source and of the target.

        Returns
        -------
        ndarray of bool
            Of the natural shape.
        """
        there = np.zeros(self.weight_shape(pre, post), bool)
        there.ravel()[self.synapses(pre, post).weight] = True
        return there

    def matrix(self, weights: NDArray[Any], pre: int, post: int) -> NDArray[Any]:
        """The weights as a dense matrix, with zeros where there is no synapse.

        Parameters
        ----------
        weights : ndarray
            Of the natural shape.
        pre, post : int
            Cells of the source and of the target.

        Returns
        -------
        ndarray, shape (post, pre)
            Tied weights appear once for every synapse.
        """
        there = self.synapses(pre, post)
        dense = np.zeros((post, pre), weights.dtype)
        dense[there.target, there.source] = weights.ravel()[there.weight]
        return dense

    def filters(self, weights: NDArray[Any], pre: int, post: int) -> NDArray[Any]:
        """What cells of the target look for, one array for each, for figures.

        Parameters
        ----------
        weights : ndarray
            Of the natural shape.
        pre, post : int
            Cells of the source and of the target.

        Returns
        -------
        ndarray, shape (n, ...)
            Rows of the matrix, or windows of shape (channels, kernel, kernel).
        """
        return self.matrix(weights, pre, post)

    def fan_out(self, pre: int, post: int) -> NDArray[np.int64]:
        """Synapses of every source cell.

        Parameters
        ----------
        pre, post : int
            Cells of the source and of the target.

        Returns
        -------
        ndarray of int, shape (pre,)
            Fewer at borders.
        """
        return _fans(self, pre, post)[0]

    def fan_in(self, pre: int, post: int) -> NDArray[np.int64]:
        """Synapses of every target cell.

        Parameters
        ----------
        pre, post : int
            Cells of the source and of the target.

        Returns
        -------
        ndarray of int, shape (post,)
            Fewer at borders.
        """
        return _fans(self, pre, post)[1]


@functools.lru_cache(maxsize=256)
def _fans(wiring: Wiring, pre: int, post: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    there = wiring.synapses(pre, post)
    fans = np.bincount(there.source, minlength=pre), np.bincount(there.target, minlength=post)
    for fan in fans:
        fan.flags.writeable = False
    return fans


@dataclasses.dataclass(frozen=True)
class Named(Wiring):
    """All to all, all but self, or one to one.

    Attributes
    ----------
    kind : {"all_to_all", "all_but_self", "one_to_one"}
        The latter two join populations of one size; ``"all_but_self"`` leaves out the
        synapses of the cells ``i`` with ``i``.
    """

    kind: NamedWiring = "all_to_all"

    def complaint(self, pre: int, post: int) -> str:
        """All but all to all needs two populations of one size."""
        if self.kind == "all_to_all" or pre == post:
            return ""
        return f"is wired {self.kind!r} between {pre} and {post} cells; the sizes must agree"

    def weight_shape(self, pre: int, post: int) -> tuple[int, ...]:
        """As a matrix."""
        return post, pre

    def synapses(self, pre: int, post: int) -> SynapseList:
        """The entries of the matrix that there are."""
        if self.kind == "one_to_one":
            cells = np.arange(pre)
            return SynapseList(cells, cells, cells * (pre + 1))
        source, target = (a.ravel() for a in np.indices((pre, post)))
        if self.kind == "all_but_self":
            source, target = source[source != target], target[source != target]
        return SynapseList(source, target, target * pre + source)

    def fan_out(self, pre: int, post: int) -> NDArray[np.int64]:
        """The same for every cell."""
        return np.full(pre, self._others(post))

    def fan_in(self, pre: int, post: int) -> NDArray[np.int64]:
        """The same for every cell."""
        return np.full(post, self._others(pre))

    def _others(self, size: int) -> int:
        return {"all_to_all": size, "all_but_self": size - 1, "one_to_one": 1}[self.kind]

    def words(self) -> str:
        """Its name."""
        return self.kind.replace("_", " ")


# ---------------------------------------------------------------- reading


def check_counts(wiring: Wiring, **numbers: object) -> None:
    """Refuse what is no whole number of 1 or more.

    Parameters
    ----------
    wiring : Wiring
        For the message.
    **numbers : object
        By name.

    Raises
    ------
    CircuitError
        Names the one that is wrong.
    """
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise CircuitError(
                f"{type(wiring).__name__} with {name} = {number!r}; give a whole number of 1 or "
                "more"
            )


def as_wiring(given: object, owner: str) -> Wiring:
    """A wiring that was given as an object or by name.

    Parameters
    ----------
    given : object
        A :class:`Wiring` or a name.
    owner : str
        What has it, for the message.

    Returns
    -------
    Wiring
        The object.

    Raises
    ------
    CircuitError
        If it is neither.
    """
    if isinstance(given, Wiring):
        return given
    if isinstance(given, str) and given in get_args(NamedWiring):
        return _named(given)
    raise CircuitError(
        f"{owner} is wired {given!r}; {near_matches(str(given), get_args(NamedWiring))}, or an "
        "object: Blocks, Windows, Convolution, Pool, Pairs or RandomFraction"
    )


@functools.cache
def _named(kind: NamedWiring) -> Named:
    return Named(kind)


def wiring_from_dict(described: object) -> Any:
    """A wiring from what :func:`dataclasses.asdict` gave; lists may stand for tuples.

    Parameters
    ----------
    described : str, Wiring or mapping
        A name and an object are returned as they are.

    Returns
    -------
    str or Wiring
        For :class:`~neurosim.circuit.Projection`.

    Raises
    ------
    CircuitError
        If the mapping describes no wiring.
    """
    if not isinstance(described, Mapping):
        return described
    kinds = {kind.kind: kind for kind in _below(Wiring) if hasattr(kind, "kind")}
    values = dict(described)
    kind = values.pop("kind", None)
    if kind in get_args(NamedWiring):
        return kind
    if kind not in kinds:
        raise CircuitError(f"a wiring of kind {kind!r}; {near_matches(str(kind), kinds)}")
    if "of" in values:
        values["of"] = wiring_from_dict(values["of"])
    return kinds[kind](**{
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    })  # fmt: skip


def _below(base: type[Any]) -> list[type[Any]]:
    return [kind for sub in base.__subclasses__() for kind in (sub, *_below(sub))]
