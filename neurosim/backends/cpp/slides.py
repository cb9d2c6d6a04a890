"""How the synapses of windows lie in memory, and which geometry a wiring has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.cpp.geometry import (
    SIDE_BY_SIDE,
    SOURCE,
    TARGET,
    Geometry,
    Lists,
    Loops,
    Rows,
    fetched,
)
from neurosim.backends.cpp.memory import padded
from neurosim.circuit import Blocks, Circuit, Projection, RandomFraction
from neurosim.circuit.windows import Sliding

__all__ = ["Slides", "geometry_of"]

#: Below this share of synapses a list of them is faster than a row with holes.
_SPARSE = 1 / 8


@dataclasses.dataclass(frozen=True)
class Slides(Geometry):
    """Windows: for every source and every place in its windows, the channels of the targets."""

    @property
    def sliding(self) -> Sliding:
        """The windows, of which a part may be missing."""
        whole = self.wired.whole if isinstance(self.wired, RandomFraction) else self.wired
        assert isinstance(whole, Sliding)
        return whole

    @property
    def _apart(self) -> bool:
        """Whether channels keep apart."""
        return self.sliding.kind == "pool"

    @property
    def _image(self) -> tuple[int, int, int]:
        return self.sliding.shape

    @property
    def _ends(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """(channels, height, width) of the source and of the target."""
        ends = self.sliding.shape, self.sliding.out_shape
        return (ends[1], ends[0]) if self.sliding.backward else ends

    @property
    def _padded(self) -> int:
        """Elements for the channels of the target at one place of a window."""
        return 1 if self._apart else padded(self._ends[1][0])

    @property
    def _steps(self) -> int:
        """Windows over a pixel, along one side."""
        return -(-self.sliding.kernel // self.sliding.stride)

    @property
    def _sides(self) -> tuple[int, int]:
        """Rows and columns of places in a window for which there are weights in a row.

        A pixel lies in a part of the places of its windows alone, those of its phase.
        """
        sliding = self.sliding
        if sliding.backward:
            return sliding.kernel, sliding.kernel
        if sliding.tied:
            return sliding.kernel, sliding.stride * self._steps
        return self._steps, self._steps

    @property
    def row_cells(self) -> int:
        """Tied weights are shared by all sources of a channel."""
        return self._ends[0][1] * self._ends[0][2] if self.sliding.tied else 1

    @property
    def width(self) -> int:
        """All places in a window, and all channels at each."""
        rows, columns = self._sides
        return rows * columns * self._padded

    @property
    def wide(self) -> tuple[int, int] | None:
        """Channels of the target, and its places."""
        _, height, width = self._ends[1]
        return None if self._apart else (self._padded, height * width)

    @property
    def words(self) -> str:
        """What slides."""
        return {"windows": "local windows", "convolution": "convolution", "pool": "pools"}[
            self.sliding.kind
        ]

    def _slot(self, y: str, x: str) -> str:
        """Place of a weight in its row, without the channel.

        Columns follow each other as their places at the other side do.
        """
        sliding, columns = self.sliding, self._sides[1]
        if not sliding.backward:
            stride, steps = sliding.stride, self._steps
            y = y if sliding.tied else f"{y} / {stride}"
            phase = f"{x} % {stride} * {steps} + " * sliding.tied
            x = f"{phase}{steps - 1} - {x} / {stride}"
        return f"(({y}) * {columns} + {x}) * {self._padded}"

    def _row_of_places(self, row: str, y: str) -> tuple[str, int]:
        """Where the weights of a cell begin at one row of its places, and how many they are."""
        sliding, count = self.sliding, self._sides[1] * self._padded
        y = y if sliding.backward or sliding.tied else f"{y} / {sliding.stride}"
        return f"{self.base(row)} + {y} * {count}", count

    def _rows(self, *, from_image: bool) -> tuple[str, ...]:
        """A loop from a row of the image to those of the windows over it, or the other way.

        It begins at ``_y``, and defines ``_v``, the row at the other side.
        """
        return _along("_y", "_ky", "_v", self.sliding, 1, from_image=from_image)

    def _columns(self, *, from_image: bool) -> tuple[str, ...]:
        """The same for columns; ``_to`` is the place at the other side."""
        width = (self.sliding.out_shape if from_image else self.sliding.shape)[2]
        loop = _along("_x", "_kx", "_h", self.sliding, 2, from_image=from_image)
        return (*loop, f"const int _to = _v * {width} + _h;")

    def _run_of_columns(self) -> tuple[str, ...]:
        """All columns at once: the first at the other side, ``_h``, and how many."""
        sliding = self.sliding
        k, stride, before = sliding.kernel, sliding.stride, sliding.margins[0]
        if sliding.backward:
            width = sliding.shape[2]
            return (
                f"const int _h0 = _x * {stride} - {before}, _kx = std::max(0, -_h0);",
                f"const int _columns = std::min({k}, {width} - _h0) - _kx, _h = _h0 + _kx;",
            )
        width = sliding.out_shape[2]
        return (
            f"const int _x0 = _x + {before}, _phase = _x0 % {stride};",
            f"const int _low = std::max(_phase, _x0 - {stride * (width - 1)});",
            f"const int _high = std::min({k - 1}, _x0), _more = _high - _low;",
            f"const int _columns = _more < 0 ? 0 : _more / {stride} + 1;",
            f"const int _kx = _low + (_columns - 1) * {stride}, _h = (_x0 - _kx) / {stride};",
        )

    @staticmethod
    def _position(cell: str, shape: tuple[int, int, int]) -> str:
        _, height, width = shape
        return (
            f"const int _c = {cell} / {height * width}, _y = {cell} / {width} % {height}, "
            f"_x = {cell} % {width};"
        )

    def of_source(self, *, vector: bool) -> Loops:
        """Places of the windows, then channels."""
        _, (channels, height, width) = self._ends
        if not self._apart:
            return self._place_by_place((), channels, vector=vector)
        one = f"const int {TARGET} = _c * {height * width} + _to, _at = _slot;"
        return Loops(
            (*self._places_of_source(), *self._start, one, "const size_t _idx = _run;"), "} }"
        )

    def of_source_laid_out(self, *, numbered: bool, ahead: Iterable[str] = ()) -> Loops:
        """Columns of places together, or place by place if cells are numbered."""
        # a row of places at a time: all at once are more than the processor keeps in mind
        meanwhile = fetched(ahead, *self._row_of_places("_next", "_ky"))
        if numbered:
            return self._place_by_place(meanwhile, self._padded, vector=True)
        source, (_, _, width) = self._ends
        return Loops(
            (
                self._position(SOURCE, source),
                *self._run_of_columns(),
                f"const int _count_n = _columns * {self._padded};",
                *self._rows(from_image=not self.sliding.backward),
                *meanwhile,
                *self._start,
                f"const int _to = (_v * {width} + _h) * {self._padded};",
                SIDE_BY_SIDE,
                "for (int _n = 0; _n < _count_n; _n++) { const int _at = _slot + _n;",
                "const int _wide = _to + _n; const size_t _idx = _run + _n;",
            ),
            "} }",
        )

    @property
    def _start(self) -> tuple[str, ...]:
        """Where the weights of one place begin."""
        row = "_c" if self.sliding.tied else SOURCE
        return (
            f"const int _slot = {self._slot('_ky', '_kx')};",
            f"const size_t _run = {self.base(row)} + _slot;",
        )

    def _places_of_source(self, meanwhile: Iterable[str] = ()) -> tuple[str, ...]:
        """Loops over the places of the windows that see a source."""
        forward = not self.sliding.backward
        return (
            self._position(SOURCE, self._ends[0]),
            *self._rows(from_image=forward),
            *meanwhile,
            *self._columns(from_image=forward),
        )

    def _place_by_place(self, meanwhile: Iterable[str], channels: int, *, vector: bool) -> Loops:
        """Places, and at each a loop over channels, which lie together."""
        _, (_, height, width) = self._ends
        return Loops(
            (
                *self._places_of_source(meanwhile),
                *self._start,
                SIDE_BY_SIDE * vector,
                f"for (int _o = 0; _o < {channels}; _o++) {{ const int _at = _slot + _o;",
                f"const int {TARGET} = _o * {height * width} + _to;",
                f"const int _wide = _to * {self._padded} + _o; const size_t _idx = _run + _o;",
            ),
            "} } }",
        )

    def of_target(self) -> Loops:
        """Places of the windows, then channels, whose weights lie apart."""
        (channels, height, width), target = self._ends
        back = self.sliding.backward
        start = (
            self._position(TARGET, target),
            *self._rows(from_image=back),
            *self._columns(from_image=back),
            f"const int _slot = {self._slot('_ky', '_kx')};",
        )
        row = "_s" if self.sliding.tied else SOURCE
        if self._apart:
            one = f"const int {SOURCE} = _c * {height * width} + _to;"
            return Loops((*start, one, f"const size_t _idx = {self.base(SOURCE)} + _slot;"), "} }")
        return Loops(
            (
                *start,
                f"for (int _s = 0; _s < {channels}; _s++) {{",
                f"const int {SOURCE} = _s * {height * width} + _to;",
                f"const size_t _idx = {self.base(row)} + _slot + _c;",
            ),
            "} } }",
        )

    def _offsets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        sliding, k = self.sliding, self.sliding.kernel
        if sliding.tied:
            weight = np.flatnonzero(self.wired.existing(self.pre, self.post))
            out, into = weight // (sliding.shape[0] * k * k), weight // (k * k) % sliding.shape[0]
            row, channel = (out, into) if sliding.backward else (into, out)
        else:
            there = self.wired.synapses(self.pre, self.post)
            _, height, width = self._ends[1]
            weight, row = there.weight, there.source
            channel = 0 * row if self._apart else there.target // (height * width)
        y, x, columns = weight // k % k, weight % k, self._sides[1]
        if not sliding.backward:
            stride, steps = sliding.stride, self._steps
            y = y if sliding.tied else y // stride
            x = x % stride * steps * sliding.tied + steps - 1 - x // stride
        return weight, row * self.width + (y * columns + x) * self._padded + channel


def _along(
    at: str, tap: str, there: str, sliding: Sliding, axis: int, *, from_image: bool
) -> tuple[str, ...]:
    """A loop over the places of a window, along one side, that lie within the other side."""
    k, stride, before = sliding.kernel, sliding.stride, sliding.margins[0]
    if from_image:
        last = stride * (sliding.out_shape[axis] - 1)
        shifted = f"({at} + {before})"
        return (
            f"for (int {tap} = std::max({shifted} % {stride}, {shifted} - {last}); "
            f"{tap} <= std::min({k - 1}, {shifted}); {tap} += {stride}) {{",
            f"const int {there} = ({shifted} - {tap}) / {stride};",
        )
    start = f"({at} * {stride} - {before})"
    return (
        f"for (int {tap} = std::max(0, -{start}); "
        f"{tap} < std::min({k}, {sliding.shape[axis]} - {start}); {tap}++) {{",
        f"const int {there} = {start} + {tap};",
    )


def geometry_of(circuit: Circuit, projection: Projection) -> Geometry:
    """How the synapses of a projection lie, whose wiring is an object.

    Parameters
    ----------
    circuit : Circuit
        Knows the sizes.
    projection : Projection
        Whose synapses.

    Returns
    -------
    Geometry
        Rows, lists or windows.
    """
    pre, post = (circuit.population(p).size for p in (projection.source, projection.target))
    wired = projection.wired
    given = projection.name, wired, pre, post
    whole = wired.whole if isinstance(wired, RandomFraction) else wired
    if isinstance(wired, RandomFraction) and wired.fraction < _SPARSE and not wired.tied:
        return Lists(*given)
    if isinstance(whole, Sliding):
        return Slides(*given)
    if isinstance(whole, Blocks):
        return Rows(*given, groups=whole.groups)
    if whole.kind in ("all_to_all", "all_but_self"):
        return Rows(*given)
    return Lists(*given)
