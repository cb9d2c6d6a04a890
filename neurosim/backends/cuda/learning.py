"""CUDA of learning: gather over the images in flight and commit, tile by tile of the synapses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.gathering import Row, merged_support
from neurosim.backends.cpp.pieces import Piece
from neurosim.backends.cpp.statements import (
    cpp_function,
    cpp_head,
    cpp_lines,
    cpp_read,
    cpp_text,
    cpp_value,
)
from neurosim.backends.cpp.synapses import split

__all__ = ["Gather", "Tiles", "learn_tiles"]

#: Synapses of one column that a thread looks after, and such groups of synapses in a tile.
_DEEP, _GROUPS = 4, 256
#: Most columns of a tile: two warps read neighbouring weights.
_WIDE = 64


@dataclasses.dataclass(frozen=True)
class Gather:
    """What one learning pathway adds.

    Attributes
    ----------
    piece : Piece
        Statements of Brian2.
    gate : str
        C++ condition that is alike for all cells of an image; empty for always.
    flags : str
        Array with a flag for each sending cell that had the event; empty if all had it.
    """

    piece: Piece
    gate: str
    flags: str


@dataclasses.dataclass(frozen=True)
class Tiles:
    """The synapses of a projection, cut into tiles; a block of threads works on one.

    Attributes
    ----------
    rows, columns : int
        Sending and receiving cells; one column if each synapse has a sender of its own.
    """

    rows: int
    columns: int

    @property
    def wide(self) -> int:
        """Columns of a tile."""
        return min(_WIDE, 1 << (self.columns - 1).bit_length())

    @property
    def high(self) -> int:
        """Rows of a tile."""
        return _GROUPS // self.wide * _DEEP

    @property
    def across(self) -> int:
        """Tiles beside each other."""
        return -(-self.columns // self.wide)

    @property
    def number(self) -> int:
        """All tiles."""
        return self.across * -(-self.rows // self.high)


def learn_tiles(
    fields: Fields,
    name: str,
    gathers: Sequence[Gather],
    commit: Piece,
    gathered: Sequence[str],
    synapses: Any,
    *,
    wiring: str,
    leaves_silent: bool,
) -> tuple[str, int]:
    """Write the function of a projection that learns.

    Each thread adds the terms of all images, in their order, for a few synapses of one
    receiving cell; the sums stay in registers if the batch is in flight as a whole.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    gathers : sequence of Gather
        What each learning pathway adds.
    commit : Piece
        What a synapse does with the sums.
    gathered : sequence of str
        Variables that hold the sums.
    synapses : Synapses
        Brian2's object.
    wiring : str
        Which pairs of cells are joined.
    leaves_silent : bool
        Whether the commit changes nothing where nothing was gathered.

    Returns
    -------
    text : str
        A C++ function.
    tiles : int
        How often it is to be called, with a number from 0.
    """
    sizes = len(synapses.source), len(synapses.target)
    row = Row(fields, commit, gathered, sizes, wiring)
    tiles = Tiles(sizes[0], 1 if row.one_to_one else sizes[1])
    real = c_data_type(synapses.variables[gathered[0]].dtype)
    kept = {
        g: f"{fields.place(synapses.variables[g])}[(size_t)(_first + _r) * {row.width} + _column]"
        for g in gathered
    }
    here = f"_first + _r < {tiles.rows}"
    nothing = " && ".join(["!_any[_r]", *(f"_sum_{g}[_r] == 0" for g in gathered)])
    lines = [
        f"const int _top = _tile / {tiles.across} * {tiles.high};",
        f"const int _side = _tile % {tiles.across} * {tiles.wide};",
        f"EACH(_item, {tiles.high // _DEEP * tiles.wide}) {{",
        f"const int _column = _side + _item % {tiles.wide};",
        f"const int _first = _top + _item / {tiles.wide} * {_DEEP};",
        f"if (_column >= {tiles.columns} || _first >= {tiles.rows}) continue;",
        f"bool _any[{_DEEP}];",
        *(f"{real} _sum_{g}[{_DEEP}];" for g in gathered),
        f"UNROLL for (int _r = 0; _r < {_DEEP}; _r++) {{ _any[_r] = false;",
        *(f"_sum_{g}[_r] = _fresh || !({here}) ? 0 : {place};" for g, place in kept.items()),
        "}",
        *(text for gather in gathers for text in _adding(row, gather, real, here)),
        f"UNROLL for (int _r = 0; _r < {_DEEP}; _r++) {{",
        f"if (!({here})) continue;",
        "if (!commit) {",
        *(f"{place} = _sum_{g}[_r];" for g, place in kept.items()),
        "continue; }",
        f"if ({nothing}) continue;" * leaves_silent,
        *_committing(row, real),
        "} }",
    ]
    parameters = (
        "const Shared& S, Lane* const lanes, const int active, const int _tile, "
        f"const bool _fresh, const bool commit, const {real} batch, const {real} commits"
    )
    support = merged_support([gather.piece for gather in gathers], commit)
    whole = dataclasses.replace(commit, support=support)
    return cpp_function(name, whole, parameters, [cpp_text(lines)]), tiles.number


def _adding(row: Row, gather: Gather, real: str, here: str) -> list[str]:
    """Add what one pathway gathers in every image."""
    piece, fields = gather.piece, row.fields
    sending, rest = split(piece.vector, "pre")
    receiving, both = (None, rest) if row.one_to_one else split(rest, "post")
    missed = f" || !L.{gather.flags}[_first + _r]" if gather.flags else ""
    return [
        "for (int _l = 0; _l < active; _l++) { Lane& L = lanes[_l];",
        f"if (!({gather.gate})) continue;" if gather.gate else "",
        *cpp_head(fields, piece),
        "" if row.one_to_one else "const int _postsynaptic_idx = _column;",
        *(cpp_lines(fields, receiving) if receiving else ()),
        f"UNROLL for (int _r = 0; _r < {_DEEP}; _r++) {{",
        f"if (!({here}){missed}) continue;",
        "const int _presynaptic_idx = _first + _r;",
        "const int _postsynaptic_idx = _presynaptic_idx;" if row.one_to_one else "",
        *cpp_lines(fields, sending),
        *(cpp_read(a, cpp_value(fields, a)) for a in both.reads if a.name not in row.gathered),
        *(f"{real} {g} = _sum_{g}[_r];" for g in row.gathered),
        *(step.code for step in both.steps),
        *(f"_sum_{g}[_r] = {g};" for g in row.gathered),
        "_any[_r] = true; } }",
    ]


def _committing(row: Row, real: str) -> list[str]:
    """Turn the sums of a synapse into weights."""
    column = "_presynaptic_idx" if row.one_to_one else "_column"
    return [
        "const int _presynaptic_idx = _first + _r;",
        f"const int _postsynaptic_idx = {column};",
        *(f"{real} {g} = _sum_{g}[_r];" for g in row.gathered),
        *row.commit_head(),
        *row.commit_lines("0" if row.one_to_one else "_column"),
        f"if (_column == _presynaptic_idx) {{ {row.emptied()} }}"
        if row.wiring == "all_but_self"
        else "",
    ]
