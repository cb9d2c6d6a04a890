"""How the synapses of a wiring lie in memory, and the C++ loops that run over them.

Every stored variable of a projection is one array. A *row* is the part of it that the
synapses of a source cell use; of tied weights, those of all sources in one channel. Loops
define ``_presynaptic_idx``, ``_postsynaptic_idx``, ``_idx`` (place in the array) and
``_at`` (place in the row). No index is looked up where it can be computed.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.cpp.memory import aligned_zeros, padded
from neurosim.circuit import RandomFraction, Wiring

__all__ = ["SIDE_BY_SIDE", "SOURCE", "TARGET", "Geometry", "Lists", "Loops", "Rows", "fetched"]

SOURCE, TARGET = "_presynaptic_idx", "_postsynaptic_idx"
#: Synapses of one cell do not depend on each other.
SIDE_BY_SIDE = "#pragma GCC ivdep"


@dataclasses.dataclass(frozen=True)
class Loops:
    """C++ that opens loops, and the brackets that close them."""

    lines: tuple[str, ...]
    close: str


def fetched(names: Iterable[str], first: str, count: int | str) -> tuple[str, ...]:
    """Ask for some of what synapses store before it is needed.

    Parameters
    ----------
    names : iterable of str
        Stored variables.
    first : str
        C++ for the place in their arrays where it begins.
    count : int or str
        C++ for how many elements.

    Returns
    -------
    tuple of str
        C++ statements.
    """
    return tuple(
        f"for (int _k = 0; _k < {count}; _k += (int)(64 / sizeof *_row_{name})) "
        f"__builtin_prefetch(_row_{name} + {first} + _k);"
        for name in names
    )


@dataclasses.dataclass(frozen=True)
class Geometry(abc.ABC):
    """Where the synapses of a projection lie.

    Attributes
    ----------
    name : str
        Of the projection; shared arrays of its own are named after it.
    wired : Wiring
        Which synapses there are.
    pre, post : int
        Cells of the source and of the target.
    """

    name: str
    wired: Wiring
    pre: int
    post: int

    @property
    def row_cells(self) -> int:
        """Source cells of a row."""
        return 1

    @property
    def wide(self) -> tuple[int, int] | None:
        """Channels with padding and places, where targets are best reached channel by channel."""
        return None

    @property
    @abc.abstractmethod
    def words(self) -> str:
        """How pathways are said to run."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Elements of the longest row."""

    @property
    def rows(self) -> int:
        """Rows, which threads share when synapses learn."""
        return self.pre // self.row_cells

    @property
    def size(self) -> int:
        """Elements of a stored variable."""
        return self.rows * self.width

    @property
    def masked(self) -> bool:
        """Whether places that loops run over may be no synapse."""
        return isinstance(self.wired, RandomFraction)

    @property
    def mask(self) -> str:
        """Name of the array that says which places are synapses."""
        return f"there_{self.name}"

    def base(self, row: str) -> str:
        """C++ for the place where a row begins."""
        return f"(size_t){row} * {self.width}"

    def length(self, row: str) -> str:
        """C++ for the number of elements of a row."""
        del row
        return str(self.width)

    @abc.abstractmethod
    def of_source(self, *, vector: bool) -> Loops:
        """Loops over the synapses of the cell ``_presynaptic_idx``.

        Parameters
        ----------
        vector : bool
            Whether the synapses of the innermost loop may run side by side.

        Returns
        -------
        Loops
            To be filled with statements for one synapse.
        """

    def of_source_laid_out(self, *, numbered: bool, ahead: Iterable[str] = ()) -> Loops:
        """The same, side by side, for targets laid out as :attr:`wide` says.

        Loops define ``_wide``, the target's place channel by channel, and run over padding.

        Parameters
        ----------
        numbered : bool
            Whether statements need ``_postsynaptic_idx`` too.
        ahead : iterable of str
            Stored variables whose row of the cell ``_next`` is asked for meanwhile.

        Returns
        -------
        Loops
            To be filled with statements for one synapse.

        Raises
        ------
        ValueError
            If targets have no such layout.
        """
        raise ValueError(f"targets of {self.name} are not laid out by channels")

    @abc.abstractmethod
    def of_target(self) -> Loops:
        """Loops over the synapses of the cell ``_postsynaptic_idx``."""

    @abc.abstractmethod
    def _offsets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Weights by their place in the natural array, and where each is stored."""

    @functools.cached_property
    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self._offsets()

    def store(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Lay a flat natural array out for the program.

        Parameters
        ----------
        flat : ndarray
            One value per weight.

        Returns
        -------
        ndarray, shape (size,)
            Aligned.
        """
        stored = aligned_zeros((self.size,), flat.dtype)
        weight, place = self._places
        stored[place] = flat[weight]
        return stored

    def fetch(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Inverse of :meth:`store`.

        Parameters
        ----------
        stored : ndarray, shape (size,)
            As the program left it.

        Returns
        -------
        ndarray
            Flat natural array; 0 where there is no synapse.
        """
        shape = self.wired.weight_shape(self.pre, self.post)
        flat = np.zeros(int(np.prod(shape)), stored.dtype)
        weight, place = self._places
        flat[weight] = stored[place]
        return flat

    @functools.cached_property
    def tables(self) -> dict[str, NDArray[Any]]:
        """Arrays of its own that the program may read, by name."""
        if not self.masked:
            return {}
        there = aligned_zeros((self.size,), np.uint8)
        there[self._places[1]] = 1
        return {self.mask: there}


@dataclasses.dataclass(frozen=True)
class Rows(Geometry):
    """A row of targets for every source: blocks of cells, one block for all to all."""

    groups: int = 1

    @property
    def _sizes(self) -> tuple[int, int]:
        return self.pre // self.groups, self.post // self.groups

    @property
    def width(self) -> int:
        """Targets of a source."""
        return padded(self._sizes[1])

    @property
    def words(self) -> str:
        """Rows, or rows within blocks."""
        return "dense rows" if self.groups == 1 else "rows of blocks"

    def of_source(self, *, vector: bool) -> Loops:
        """One loop."""
        into, out = self._sizes
        return Loops(
            (
                f"const int _first = {SOURCE} / {into} * {out};",
                SIDE_BY_SIDE * vector,
                f"for (int _at = 0; _at < {out}; _at++) {{",
                f"const int {TARGET} = _first + _at;",
                f"const size_t _idx = (size_t){SOURCE} * {self.width} + _at;",
            ),
            "}",
        )

    def of_target(self) -> Loops:
        """One loop, from row to row."""
        into, out = self._sizes
        return Loops(
            (
                f"const int _first = {TARGET} / {out} * {into}, _at = {TARGET} % {out};",
                f"for (int _s = 0; _s < {into}; _s++) {{ const int {SOURCE} = _first + _s;",
                f"const size_t _idx = (size_t){SOURCE} * {self.width} + _at;",
            ),
            "}",
        )

    def _offsets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        there, (into, out) = self.wired.synapses(self.pre, self.post), self._sizes
        return there.weight, there.source * self.width + there.target - there.source // into * out


@dataclasses.dataclass(frozen=True)
class Lists(Geometry):
    """The targets of every source, and the sources of every target, one after the other."""

    @property
    def words(self) -> str:
        """Lists."""
        return "lists of synapses"

    @property
    def masked(self) -> bool:
        """Lists have no holes."""
        return False

    @functools.cached_property
    def _fans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return (self.wired.fan_out(self.pre, self.post), self.wired.fan_in(self.pre, self.post))

    @property
    def width(self) -> int:
        """Most synapses of a source."""
        return int(self._fans[0].max())

    @property
    def size(self) -> int:
        """One element per synapse."""
        return int(self._fans[0].sum())

    def base(self, row: str) -> str:
        """Read from a table."""
        return f"S.start_{self.name}[{row}]"

    def length(self, row: str) -> str:
        """Read from a table."""
        return f"S.start_{self.name}[{row} + 1] - S.start_{self.name}[{row}]"

    def of_source(self, *, vector: bool) -> Loops:
        """One loop over the list of a source, whose targets all differ."""
        start = f"S.start_{self.name}"
        return Loops(
            (
                f"const int32_t* const _targets = S.target_{self.name};",
                f"const int _first = {start}[{SOURCE}], _end = {start}[{SOURCE} + 1];",
                SIDE_BY_SIDE * vector,
                f"for (int _k = _first; _k < _end; _k++) {{ const int {TARGET} = _targets[_k];",
                "const int _at = _k - _first; const size_t _idx = _k;",
            ),
            "}",
        )

    def of_target(self) -> Loops:
        """One loop over the list of a target."""
        start = f"S.back_start_{self.name}"
        return Loops(
            (
                f"for (int _k = {start}[{TARGET}]; _k < {start}[{TARGET} + 1]; _k++) {{",
                f"const int {SOURCE} = S.back_source_{self.name}[_k];",
                f"const size_t _idx = S.back_place_{self.name}[_k];",
            ),
            "}",
        )

    def _offsets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        weight = self.wired.synapses(self.pre, self.post).weight
        return weight, np.arange(len(weight))

    @functools.cached_property
    def tables(self) -> dict[str, NDArray[Any]]:
        """Ends of the lists, and what is in them."""
        there = self.wired.synapses(self.pre, self.post)
        back = np.argsort(there.target, kind="stable")
        out, into = (np.concatenate([[0], np.cumsum(fan)]) for fan in self._fans)
        found = {
            "start": out,
            "target": there.target,
            "back_start": into,
            "back_source": there.source[back],
            "back_place": back,
        }
        return {f"{key}_{self.name}": array.astype(np.int32) for key, array in found.items()}
