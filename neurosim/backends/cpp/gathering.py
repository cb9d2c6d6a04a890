"""C++ of synapses that gather over the images of a batch and commit once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.memory import padded
from neurosim.backends.cpp.pieces import Access, Block, Piece
from neurosim.backends.cpp.statements import (
    LOOP,
    cpp_function,
    cpp_head,
    cpp_lines,
    cpp_names,
    cpp_read,
    cpp_text,
    cpp_value,
)
from neurosim.backends.cpp.synapses import ROWS_OF_LANES, is_synaptic, row_value, split
from neurosim.circuit.gathering import COMMIT_NUMBERS

__all__ = ["Row", "gathering", "merged_support", "without"]

#: Lanes whose terms are added in one pass over the synapses of a row.
_LANES = 4
_ROW = "_presynaptic_idx"


def gathering(
    fields: Fields,
    name: str,
    gathers: Sequence[tuple[Piece, Any]],
    commit: Piece,
    gathered: Sequence[str],
    *,
    wiring: str,
    leaves_silent: bool,
) -> str:
    """Gather over the lanes of a row, in the order of the images, then commit the row.

    Several lanes are added in one pass over the row, and the last pass of a batch commits.
    Between the lanes of one call and the next the sums of a row lie in memory; where a
    batch fits into the lanes they never leave the cache.

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
    wiring : str
        Which pairs of cells are joined; see :class:`~neurosim.circuit.Projection`. Where a
        cell has no synapse onto itself, what is stored there stays 0.
    leaves_silent : bool
        Whether the commit changes nothing where nothing was gathered, so that those rows
        may be left out.

    Returns
    -------
    str
        A C++ function.
    """
    synapses = gathers[0][1].synapses
    sizes = len(synapses.source), len(synapses.target)
    row = Row(fields, commit, gathered, sizes, wiring)
    real = c_data_type(synapses.variables[gathered[0]].dtype)
    passes = [row.one_pass(n, piece, real) for n, (piece, _) in enumerate(gathers)]
    dirty = fields.add_shared(f"dirty_{synapses.name}", "uint8_t")
    kept = {g: fields.place(synapses.variables[g]) for g in gathered}
    sums = ", ".join(f"_sum_{g}" for g in gathered)
    arguments = [
        ", ".join((sums, "lanes", *(f"{terms(n, t)}.data()" for t, _ in row.post_terms(piece))))
        for n, (piece, _) in enumerate(gathers)
    ]
    lines = [
        *(text for n, (piece, _) in enumerate(gathers) for text in row.fill_terms(n, piece)),
        *(f"alignas(64) {real} _sum_{g}[{row.width}];" for g in gathered),
        *(f"std::vector<Lane*> _lanes_{n}(active);" for n in range(len(gathers))),
        f"for (int {_ROW} = from; {_ROW} < to; {_ROW}++) {{",
        f"uint8_t& _dirty = {dirty}[{_ROW}]; int _left = 0;",
        *(text for n, (_, part) in enumerate(gathers) for text in _choose(fields, part, n)),
        # a batch of one image: no sum is needed
        f"if (commit && _left == 1 && !_dirty && active == 1) {{ {_only(arguments)} continue; }}",
        f"if (commit && !_left && !_dirty && {int(leaves_silent)}) continue;",
        "if (!commit && !_left) continue;",
        *(f"{real}* const _kept_{g} = {kept[g]} + (size_t){_ROW} * {row.width};" for g in gathered),
        f"if (_dirty) {{ {_copies('_sum', '_kept', gathered)} }}",
        "else { " + " ".join(f"memset(_sum_{g}, 0, sizeof _sum_{g});" for g in gathered) + " }",
        f"if (!_left) pass_0<0, false, true>(S, nullptr, {_ROW}, {arguments[0]}, batch, commits);",
        *(text for n, given in enumerate(arguments) for text in _passes(n, given)),
        f"if (!commit) {{ {_copies('_kept', '_sum', gathered)} }}",
        "_dirty = !commit;",
        "}",
    ]
    parameters = f"{ROWS_OF_LANES}, const bool commit, const {real} batch, const {real} commits"
    support = (*merged_support([piece for piece, _ in gathers], commit), *passes)
    return cpp_function(name, dataclasses.replace(commit, support=support), parameters, lines)


def _choose(fields: Fields, pathway: Any, number: int) -> list[str]:
    """List the lanes in which the row's cell had the event, and count their passes."""
    source = pathway.source
    event, _ = fields.event(source, source.variables[pathway.eventspace_name], flags=True)
    lanes, count = f"_lanes_{number}", f"_count_{number}"
    return [
        f"int {count} = 0;",
        "for (int _l = 0; _l < active; _l++)",
        f"if (lanes[_l].flags_{event}[{_ROW}]) {lanes}[{count}++] = lanes + _l;",
        f"_left += {count} / {_LANES} + {count} % {_LANES};",
    ]


def terms(number: int, target: str) -> str:
    """The array of a term that a gather computes from the receiving cells alone.

    Parameters
    ----------
    number : int
        Number of the gather.
    target : str
        Name of the term.

    Returns
    -------
    str
        Its C++ name.
    """
    return f"_terms_{number}_{target}"


def _only(arguments: Sequence[str]) -> str:
    calls = (
        f"if (_count_{n}) pass_{n}<1, true, true>"
        f"(S, _lanes_{n}.data(), {_ROW}, {given}, batch, commits);"
        for n, given in enumerate(arguments)
    )
    return " ".join(calls)


def _passes(number: int, arguments: str) -> list[str]:
    lanes, count = f"_lanes_{number}", f"_count_{number}"
    call = f"(S, {lanes}.data() + _l, {_ROW}, {arguments}, batch, commits);"
    return [
        f"for (int _l = 0; _l < {count};) {{ const bool _last = !--_left && commit;",
        f"if ({count} - _l >= {_LANES}) {{",
        f"if (_last) pass_{number}<{_LANES}, false, true>{call}",
        f"else pass_{number}<{_LANES}, false, false>{call} _l += {_LANES}; }}",
        f"else {{ if (_last) pass_{number}<1, false, true>{call}",
        f"else pass_{number}<1, false, false>{call} _l++; }} }}",
    ]


@dataclasses.dataclass(frozen=True)
class Row:
    """The synapses of one sending cell.

    Attributes
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    commit : Piece
        What a synapse does with the sums.
    gathered : sequence of str
        Variables that hold the sums.
    sizes : tuple of int
        Sending and receiving cells.
    wiring : str
        Which pairs of cells are joined.
    """

    fields: Fields
    commit: Piece
    gathered: Sequence[str]
    sizes: tuple[int, int]
    wiring: str

    @property
    def one_to_one(self) -> bool:
        """Whether there is one synapse."""
        return self.wiring == "one_to_one"

    @property
    def width(self) -> int:
        """Synapses of the row, with those that loops run over in vain."""
        return 1 if self.one_to_one else padded(self.sizes[1])

    def one_pass(self, number: int, piece: Piece, real: str) -> str:
        """Add the terms of up to four lanes; ``FIRST`` starts from 0, ``LAST`` commits.

        Parameters
        ----------
        number : int
            Number of the gather.
        piece : Piece
            What it adds.
        real : str
            C++ type of the sums.

        Returns
        -------
        str
            A C++ function.
        """
        index = "_postsynaptic_idx"
        inner = "0" if self.one_to_one else index
        outer, rest = split(piece.vector, "pre")
        own, rest = self._split_terms(rest)
        known = cpp_names(piece.scalar, outer)
        sums = ", ".join(f"{real}* const __restrict _sum_{g}" for g in self.gathered)
        sums += ", const Lane* const _first"
        sums += "".join(f", const {ctype}* const {terms(number, t)}" for t, ctype in own)
        lines = [
            "template <int LANES, bool FIRST, bool LAST>",
            f"static inline void pass_{number}(const Shared& S, Lane* const* const _group, "
            f"const int {_ROW}, {sums}, const {real} batch, "
            f"const {real} commits) {{",
        ]
        for k in range(_LANES):
            lines += [f"{ctype} {variable}_{k};" for variable, ctype in known]
            lines += [
                f"if constexpr (LANES > {k}) {{ Lane& L = *_group[{k}]; (void)L;",
                *cpp_head(self.fields, piece),
                *cpp_lines(self.fields, outer),
                *(f"{variable}_{k} = {variable};" for variable, _ in known),
                "}",
            ]
        lines += self.commit_head()
        if self.one_to_one:
            lines += [f"const int {index} = {_ROW}, _idx = {_ROW}; {{"]
        else:
            lines += [LOOP, f"for (int {index} = 0; {index} < {self.width}; {index}++) {{"]
        lines += [f"{real} {g} = FIRST ? 0 : _sum_{g}[{inner}];" for g in self.gathered]
        for k in range(_LANES):
            lines += [f"if constexpr (LANES > {k}) {{ Lane& L = *_group[{k}]; (void)L;"]
            lines += [f"const {ctype} {variable} = {variable}_{k};" for variable, ctype in known]
            lines += [
                cpp_read(a, cpp_value(self.fields, a))
                for a in rest.reads
                if a.name not in self.gathered
            ]
            lines += [
                f"const {ctype} {t} = {terms(number, t)}[(&L - _first) * {self.width} + {index}];"
                for t, ctype in own
            ]
            lines += [*(step.code for step in rest.steps), "}"]
        lines += [
            "if constexpr (LAST) {",
            *self.commit_lines(inner),
            "} else { " + " ".join(f"_sum_{g}[{inner}] = {g};" for g in self.gathered) + " }",
            "}",
        ]
        if self.wiring == "all_but_self":
            lines += [f"if constexpr (LAST) {{ {self.emptied()} }}"]
        return cpp_text([*lines, "}"])

    def _split_terms(self, rest: Block) -> tuple[list[tuple[str, str]], Block]:
        """What a gather computes from the receiving cell alone, and the rest of it."""
        outer, inner = split(rest, "post")
        if self.one_to_one or not outer.steps:
            return [], rest
        used = frozenset[str]().union(*(step.uses for step in inner.steps))
        own = [(step.target, step.declares) for step in outer.steps if step.target in used]
        reads = tuple(access for access in rest.reads if access.name in used)
        return own, dataclasses.replace(inner, reads=reads)

    def post_terms(self, piece: Piece) -> list[tuple[str, str]]:
        """Terms of the receiving cells, by name and C++ type, computed once for all rows."""
        return self._split_terms(split(piece.vector, "pre")[1])[0]

    def fill_terms(self, number: int, piece: Piece) -> list[str]:
        """Compute the terms of the receiving cells of all lanes.

        Parameters
        ----------
        number : int
            Number of the gather.
        piece : Piece
            What it adds.

        Returns
        -------
        list of str
            C++ statements.
        """
        outer, _ = split(split(piece.vector, "pre")[1], "post")
        own, index = self.post_terms(piece), "_postsynaptic_idx"
        if not own:
            return []
        return [
            *(f"std::vector<{ctype}> {terms(number, t)}((size_t)active * {self.width});"
              for t, ctype in own),
            "for (int _l = 0; _l < active; _l++) { Lane& L = lanes[_l];",
            *cpp_head(self.fields, piece),
            LOOP,
            f"for (int {index} = 0; {index} < {self.width}; {index}++) {{",
            *cpp_lines(self.fields, outer),
            *(f"{terms(number, t)}[(size_t)_l * {self.width} + {index}] = {t};" for t, _ in own),
            "} }",
        ]  # fmt: skip

    def _commit_parts(self) -> tuple[Block, Block]:
        return split(without(self.commit.vector, (*COMMIT_NUMBERS, *self.gathered)), "pre")

    def _stored(self) -> dict[Any, str]:
        """What the synapses store and the commit reads or sets."""
        _, rest = self._commit_parts()
        return {
            access.variable: c_data_type(access.variable.dtype)
            for access in (*rest.reads, *rest.writes)
            if is_synaptic(access)
        }

    def commit_head(self) -> list[str]:
        """Pointers and constants of the commit."""
        outer, _ = self._commit_parts()
        scalar = dataclasses.replace(
            self.commit, scalar=without(self.commit.scalar, COMMIT_NUMBERS)
        )
        pointers = [
            f"{ctype}* const __restrict _row_{variable.name} = {self.fields.place(variable)} + "
            f"(size_t){_ROW} * {self.width};"
            for variable, ctype in self._stored().items()
        ]
        return [*pointers, *cpp_head(self.fields, scalar), *cpp_lines(self.fields, outer)]

    def commit_lines(self, inner: str) -> list[str]:
        """Statements of the commit.

        Parameters
        ----------
        inner : str
            Offset of the synapse from the first one of the cell.

        Returns
        -------
        list of str
            C++ statements.
        """
        _, rest = self._commit_parts()
        return cpp_lines(self.fields, rest, lambda access: row_value(self.fields, access, inner))

    def emptied(self) -> str:
        """The synapse that is not there keeps the value 0, whatever the commit added."""
        return " ".join(f"_row_{variable.name}[{_ROW}] = 0;" for variable in self._stored())


def without(block: Block, names: Iterable[str]) -> Block:
    """A block that takes some variables as they are, without reading them first.

    Parameters
    ----------
    block : Block
        Statements.
    names : iterable of str
        The variables.

    Returns
    -------
    Block
        With fewer reads.
    """
    left_out = set(names)

    def kept(accesses: tuple[Access, ...]) -> tuple[Access, ...]:
        return tuple(access for access in accesses if access.name not in left_out)

    return dataclasses.replace(block, reads=kept(block.reads))


def merged_support(gathers: Sequence[Piece], commit: Piece) -> tuple[str, ...]:
    """C++ functions that several pieces need, each once.

    Parameters
    ----------
    gathers : sequence of Piece
        What the learning pathways add.
    commit : Piece
        What the synapse does with it.

    Returns
    -------
    tuple of str
        C++ text.
    """
    texts = dict.fromkeys("\n".join(piece.support) for piece in (*gathers, commit))
    return tuple(text for text in texts if text)


def _copies(to: str, source: str, gathered: Sequence[str]) -> str:
    return " ".join(f"memcpy({to}_{g}, {source}_{g}, sizeof _sum_{g});" for g in gathered)
