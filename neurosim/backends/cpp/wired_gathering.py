"""C++ of synapses whose wiring is an object: they gather over a batch and commit once.

A row of sums stays in the cache while all lanes add to it. Of tied weights a row serves all
sources of a channel, so that the sum runs over places, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.gathering import merged_support, terms, without
from neurosim.backends.cpp.geometry import (
    SIDE_BY_SIDE,
    SOURCE,
    TARGET,
    Geometry,
    Loops,
    fetched,
)
from neurosim.backends.cpp.pieces import Access, Block, Piece
from neurosim.backends.cpp.statements import (
    cpp_function,
    cpp_head,
    cpp_lines,
    cpp_names,
    cpp_read,
    cpp_value,
)
from neurosim.backends.cpp.synapses import ROWS_OF_LANES, is_synaptic, split
from neurosim.backends.cpp.wired import (
    changed,
    guarded,
    names_cells,
    on_mask,
    pointers,
    stored_apart,
)
from neurosim.circuit.gathering import COMMIT_NUMBERS

__all__ = ["wired_gathering"]

#: Lanes whose terms are added in one pass over a row of sums.
_TOGETHER = 4


def wired_gathering(
    fields: Fields,
    name: str,
    gathers: Sequence[tuple[Piece, Any]],
    commit: Piece,
    gathered: Sequence[str],
    geometry: Geometry,
    *,
    leaves_silent: bool,
) -> str:
    """Gather over the lanes of a row, in the order of the images, then commit the row.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    gathers : sequence of (Piece, SynapticPathway)
        What each learning pathway adds.
    commit : Piece
        What a synapse does with the sums.
    gathered : sequence of str
        Variables that hold the sums.
    geometry : Geometry
        Where the synapses lie.
    leaves_silent : bool
        Whether the commit changes nothing where nothing was gathered.

    Returns
    -------
    str
        A C++ function, whose rows are those of the geometry.
    """
    synapses = gathers[0][1].synapses
    real = c_data_type(synapses.variables[gathered[0]].dtype)
    dirty = fields.add_shared(f"dirty_{synapses.name}", "uint8_t")
    parts = [_Gather(fields, geometry, n, *given, gathered) for n, given in enumerate(gathers)]
    stored = without(commit.vector, (*COMMIT_NUMBERS, *gathered))
    kept = {g: fields.place(synapses.variables[g]) for g in gathered}
    sizes = f"(size_t)({geometry.length('_row')}) * sizeof({real})"
    lines = [
        *pointers(fields, [stored]),
        *on_mask(fields, geometry),
        *(text for part in parts for text in part.fill_terms()),
        *(text for part in parts for text in part.room_for_lanes()),
        *(f"alignas(64) {real} _sum_{g}[{geometry.width}];" for g in gathered),
        "for (int _row = from; _row < to; _row++) {",
        f"uint8_t& _dirty = {dirty}[_row]; bool _left = false;",
        *(text for part in parts for text in part.any_event()),
        f"if (commit && !_left && !_dirty && {int(leaves_silent)}) continue;",
        "if (!commit && !_left) continue;",
        *fetched(stored_apart(stored, geometry), geometry.base("_row"), geometry.length("_row")),
        *(f"{real}* const _kept_{g} = {kept[g]} + {geometry.base('_row')};" for g in gathered),
        *(f"if (_dirty) memcpy(_sum_{g}, _kept_{g}, {sizes}); else memset(_sum_{g}, 0, {sizes});"
          for g in gathered),
        *(text for part in parts for text in part.add_all()),
        "if (commit) {",
        *_commit(fields, commit, stored, gathered, geometry, real),
        "} else { " + " ".join(f"memcpy(_kept_{g}, _sum_{g}, {sizes});" for g in gathered) + " }",
        "_dirty = !commit; }",
    ]  # fmt: skip
    parameters = f"{ROWS_OF_LANES}, const bool commit, const {real} batch, const {real} commits"
    support = merged_support([piece for piece, _ in gathers], commit)
    return cpp_function(name, dataclasses.replace(commit, support=support), parameters, lines)


def _commit(
    fields: Fields,
    commit: Piece,
    stored: Block,
    gathered: Sequence[str],
    geometry: Geometry,
    real: str,
) -> list[str]:
    """Change every weight of a row by its sum."""
    scalar = dataclasses.replace(commit, scalar=without(commit.scalar, COMMIT_NUMBERS))

    def value(access: Access) -> str:
        if is_synaptic(access):
            return f"_row_{access.variable.name}[_idx]"
        return cpp_value(fields, access)

    body = [
        *(f"{real} {g} = _sum_{g}[_at];" for g in gathered),
        *changed(cpp_lines(fields, stored, value), stored, masked=geometry.masked),
    ]
    if not names_cells(stored):
        # also places that are no synapse, whose values nobody reads
        return [
            *cpp_head(fields, scalar),
            f"const size_t _begin = {geometry.base('_row')};",
            f"const int _length = {geometry.length('_row')};",
            SIDE_BY_SIDE,
            "for (int _at = 0; _at < _length; _at++) { const size_t _idx = _begin + _at;",
            *body,
            "}",
        ]
    return [
        *cpp_head(fields, scalar),
        f"const int {SOURCE} = _row;",
        *guarded(geometry.of_source(vector=True), body, masked=False),
    ]


@dataclasses.dataclass
class _Gather:
    """What one learning pathway adds to a row."""

    fields: Fields
    geometry: Geometry
    number: int
    piece: Piece
    pathway: Any
    gathered: Sequence[str]

    def __post_init__(self) -> None:
        source = self.pathway.source
        eventspace = source.variables[self.pathway.eventspace_name]
        self.event, _ = self.fields.event(source, eventspace, flags=True)
        self.outer, rest = split(self.piece.vector, "pre")
        self.of_target, inner = split(rest, "post")
        self.inner = inner if self.geometry.wide else rest
        used = frozenset[str]().union(*(step.uses for step in inner.steps))
        #: Terms of the targets, by name and C++ type.
        self.terms = [(t, ctype) for t, ctype in cpp_names(self.of_target) if t in used]

    @property
    def _apart(self) -> bool:
        """Whether a row serves one source."""
        return self.geometry.row_cells == 1

    @property
    def _in_groups(self) -> bool:
        """Whether several lanes add to a row in one pass, at the same places."""
        return self._apart and bool(self.geometry.wide)

    @property
    def _lanes(self) -> str:
        return f"_lanes_{self.number}"

    @property
    def _count(self) -> str:
        return f"_count_{self.number}"

    def fill_terms(self) -> list[str]:
        """Compute what depends on targets alone, channel by channel, in all lanes."""
        if not self.geometry.wide or not self.terms:
            return []
        channels, places = self.geometry.wide
        size, count = self._wide_size, self.geometry.post // places
        return [
            *(f"std::vector<{ctype}> {terms(self.number, t)}((size_t)active * {size});"
              for t, ctype in self.terms),
            "for (int _l = 0; _l < active; _l++) { Lane& L = lanes[_l];",
            f"if (!*L.count_{self.event}) continue;",
            *cpp_head(self.fields, self.piece),
            *(f"{ctype}* const __restrict _to_{t} = {terms(self.number, t)}.data() + "
              f"(size_t)_l * {size};" for t, ctype in self.terms),
            # in squares, whose cells and terms are neighbours
            f"for (int _c = 0; _c < {count}; _c += 16)",
            f"for (int _q = 0; _q < {places}; _q += 16)",
            f"for (int _o = _c; _o < std::min(_c + 16, {count}); _o++)",
            f"for (int _p = _q; _p < std::min(_q + 16, {places}); _p++) {{",
            f"const int {TARGET} = _o * {places} + _p;",
            *cpp_lines(self.fields, self.of_target),
            *(f"_to_{t}[(size_t)_p * {channels} + _o] = {t};" for t, _ in self.terms),
            "} }",
        ]  # fmt: skip

    def room_for_lanes(self) -> list[str]:
        """An array of the lanes that add to a row."""
        return [f"std::vector<int> {self._lanes}(active);"] if self._in_groups else []

    def any_event(self) -> list[str]:
        """Find out whether any lane adds to the row."""
        if self._in_groups:
            return [
                f"int {self._count} = 0;",
                f"for (int _l = 0; _l < active; _l++) if (lanes[_l].flags_{self.event}[_row]) "
                f"{self._lanes}[{self._count}++] = _l;",
                f"_left |= {self._count} > 0;",
            ]
        test = f"L.flags_{self.event}[_row]"
        if not self._apart:
            cells = self.geometry.row_cells
            first = f"std::lower_bound(_list, _list + _count, _row * {cells})"
            test = f"({first} != std::lower_bound(_list, _list + _count, (_row + 1) * {cells}))"
        return [
            "for (int _l = 0; _l < active && !_left; _l++) { const Lane& L = lanes[_l];",
            *([] if self._apart else self._list()),
            f"_left = {test}; }}",
        ]

    def _list(self) -> list[str]:
        return [
            f"const int32_t* const _list = L.list_{self.event};",
            f"const int32_t _count = *L.count_{self.event};",
        ]

    def add_all(self) -> list[str]:
        """Add the terms of all lanes, one after the other."""
        if self._in_groups:
            passes = [text for lanes in (_TOGETHER, 1) for text in self._one_pass(lanes)]
            return ["{ int _l = 0;", *passes, "}"]
        cells = self.geometry.row_cells
        if self._apart:
            each = [f"if (!L.flags_{self.event}[_row]) continue;", f"const int {SOURCE} = _row; {{"]
        else:
            each = [
                *self._list(),
                f"const int32_t* _cell = std::lower_bound(_list, _list + _count, _row * {cells});",
                f"for (; _cell != _list + _count && *_cell < (_row + 1) * {cells}; _cell++) {{",
                f"const int {SOURCE} = *_cell;",
            ]
        wide = bool(self.geometry.wide)
        return [
            "for (int _l = 0; _l < active; _l++) { Lane& L = lanes[_l]; (void)L;",
            *(self._from("", "_l") if wide else ()),
            *cpp_head(self.fields, self.piece),
            *each,
            *cpp_lines(self.fields, self.outer),
            *guarded(
                self._laid_out() if wide else self.geometry.of_source(vector=True),
                [*self._sums(), *self._steps("", wide=wide), *self._kept()],
                masked=False,
            ),
            "} }",
        ]

    def _one_pass(self, lanes: int) -> list[str]:
        """Add the terms of some lanes, which follow each other at every synapse."""
        known = cpp_names(self.piece.scalar, self.outer)
        before, body = [f"const int {SOURCE} = _row;"], self._sums()
        for k in range(lanes):
            lane = f"{self._lanes}[_l + {k}]"
            before += [
                *(f"{ctype} {name}_{k};" for name, ctype in known),
                f"{{ Lane& L = lanes[{lane}]; (void)L;",
                *cpp_head(self.fields, self.piece),
                *cpp_lines(self.fields, self.outer),
                *(f"{name}_{k} = {name};" for name, _ in known),
                "}",
                *self._from(f"_{k}", lane),
            ]
            body += [
                f"{{ Lane& L = lanes[{lane}]; (void)L;",
                *(f"const {ctype} {name} = {name}_{k};" for name, ctype in known),
                *self._steps(f"_{k}", wide=True),
                "}",
            ]
        return [
            f"for (; _l + {lanes} <= {self._count}; _l += {lanes}) {{",
            *before,
            *guarded(self._laid_out(), [*body, *self._kept()], masked=False),
            "}",
        ]

    def _laid_out(self) -> Loops:
        return self.geometry.of_source_laid_out(numbered=names_cells(self.inner))

    def _from(self, suffix: str, lane: str) -> list[str]:
        """Pointers to the terms of a lane."""
        return [
            f"const {ctype}* const __restrict _from_{t}{suffix} = "
            f"{terms(self.number, t)}.data() + (size_t){lane} * {self._wide_size};"
            for t, ctype in self.terms
        ]

    @property
    def _wide_size(self) -> int:
        channels, places = self.geometry.wide or (0, 0)
        return channels * places

    @property
    def _taken(self) -> dict[str, str]:
        """Sums that the pathway adds to, with their C++ type."""
        targets, known = {a.name for a in self.inner.writes}, self.pathway.synapses.variables
        return {g: c_data_type(known[g].dtype) for g in self.gathered if g in targets}

    def _sums(self) -> list[str]:
        return [f"{real} {g} = _sum_{g}[_at];" for g, real in self._taken.items()]

    def _kept(self) -> list[str]:
        return [f"_sum_{g}[_at] = {g};" for g in self._taken]

    def _steps(self, suffix: str, *, wide: bool) -> list[str]:
        """What one lane adds at one synapse."""
        return [
            *(f"const {ctype} {t} = _from_{t}{suffix}[_wide];" for t, ctype in self.terms if wide),
            *(cpp_read(a, cpp_value(self.fields, a)) for a in self.inner.reads
              if a.name not in self.gathered),
            *(step.code for step in self.inner.steps),
        ]  # fmt: skip
