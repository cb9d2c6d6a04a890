"""C++ of synapses: delivering events, changing weights at once, gathering and committing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.memory import padded
from neurosim.backends.cpp.pieces import Access, Block, Piece
from neurosim.backends.cpp.statements import (
    LOOP,
    ONE_LANE,
    cpp_function,
    cpp_head,
    cpp_lines,
    cpp_read,
    cpp_value,
)

__all__ = ["gathering", "learning", "signal"]

#: Synaptic rows delivered in one pass over the targets.
_ROWS = 4


def _split(block: Block, sender: str) -> tuple[Block, Block]:
    """What depends on the sending cell alone, and the rest.

    The first part runs once per event; its variables stay visible to the second.
    """
    index = f"_{sender}synaptic_idx"
    outer = [access for access in block.reads if access.index in (index, "0")]
    written = {access.name for access in block.writes}
    fixed = {access.name for access in outer} - written
    varying = {access.name for access in block.reads} - fixed | written
    before = []
    for step in block.steps:
        if step.declares and not step.uses & varying:
            before.append(step)
        else:
            varying.add(step.target)
    outer = [access for access in outer if access.name in fixed]
    return (
        Block(tuple(outer), tuple(before), ()),
        Block(
            tuple(access for access in block.reads if access not in outer),
            tuple(step for step in block.steps if step not in before),
            block.writes,
        ),
    )


def signal(fields: Fields, name: str, piece: Piece, pathway: Any, *, one_to_one: bool) -> str:
    """Deliver events: several rows of synapses in one pass over the targets.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    pathway : SynapticPathway
        Brian2's object: which event, and which synapses.
    one_to_one : bool
        Whether synapse ``i`` joins the cells ``i``; otherwise every pair is joined.

    Returns
    -------
    str
        A C++ function.
    """
    synapses = pathway.synapses
    sizes = len(synapses.source), len(synapses.target)
    event, _ = fields.event(pathway.source, pathway.source.variables[pathway.eventspace_name])
    start = [
        f"const int32_t _count = *L.count_{event}; if (!_count) return;",
        f"const int32_t* const _list = L.list_{event};",
        *cpp_head(fields, piece),
    ]
    if one_to_one:
        inner = "const int _idx = _list[_e], _presynaptic_idx = _idx, _postsynaptic_idx = _idx;"
        lines = [LOOP, f"for (int _e = 0; _e < _count; _e++) {{ {inner}",
                 *cpp_lines(fields, piece.vector), "}"]  # fmt: skip
        return cpp_function(name, piece, ONE_LANE, [*start, *lines])
    forward = pathway.prepost == "pre"
    sender, receiver = ("pre", "post") if forward else ("post", "pre")
    if {access.index for access in piece.vector.writes} != {f"_{receiver}synaptic_idx"}:
        lines = _event_by_event(fields, piece, sizes, forward)
    else:
        lines = _rows_at_once(fields, piece, sizes, sender, receiver)
    return cpp_function(name, piece, ONE_LANE, [*start, *lines])


def _event_by_event(
    fields: Fields, piece: Piece, sizes: tuple[int, int], forward: bool
) -> list[str]:
    sender, receiver = ("pre", "post") if forward else ("post", "pre")
    targets = sizes[1] if forward else sizes[0]
    return [
        f"for (int _e = 0; _e < _count; _e++) {{ const int _{sender}synaptic_idx = _list[_e];",
        f"for (int _{receiver}synaptic_idx = 0; _{receiver}synaptic_idx < {targets}; "
        f"_{receiver}synaptic_idx++) {{",
        f"const size_t _idx = (size_t)_presynaptic_idx * {padded(sizes[1])} + _postsynaptic_idx;",
        *cpp_lines(fields, piece.vector),
        "} }",
    ]


def _rows_at_once(
    fields: Fields, piece: Piece, sizes: tuple[int, int], sender: str, receiver: str
) -> list[str]:
    outer, inner = _split(piece.vector, sender)
    index, stride = f"_{receiver}synaptic_idx", padded(sizes[1])
    targets = stride if receiver == "post" else sizes[0]
    step = "" if receiver == "post" else f" * {stride}"
    written = {access.name for access in inner.writes}
    weights = [a for a in inner.reads if _is_synaptic(a)]
    others = [a for a in inner.reads if not _is_synaptic(a) and a.index != index]
    known = [(a.name, c_data_type(a.variable.dtype)) for a in outer.reads]
    known += [(s.target, s.declares) for s in outer.steps]
    lines = ["int _e = 0;"]
    for rows in (_ROWS, 1):
        lines.append(f"for (; _e + {rows} <= _count; _e += {rows}) {{")
        for k in range(rows):
            offset = f"(size_t)_s{k} * {stride}" if sender == "pre" else f"_s{k}"
            lines.append(f"const int _s{k} = _list[_e + {k}];")
            lines += [f"{ctype} {name}_{k};" for name, ctype in known]
            lines += ["{", f"const int _{sender}synaptic_idx = _s{k};", *cpp_lines(fields, outer)]
            lines += [f"{name}_{k} = {name};" for name, _ in known]
            lines.append("}")
            lines += [
                f"const {c_data_type(a.variable.dtype)}* const __restrict _row_{a.name}_{k} = "
                f"{fields.place(a.variable)} + {offset};"
                for a in weights
            ]
        lines += [LOOP, f"for (int {index} = 0; {index} < {targets}; {index}++) {{"]
        lines += [
            cpp_read(a, cpp_value(fields, a), constant=a.name not in written)
            for a in inner.reads
            if a.index == index
        ]
        for k in range(rows):
            lines.append(f"{{ const int _{sender}synaptic_idx = _s{k};")
            lines += [f"const {ctype} {name} = {name}_{k};" for name, ctype in known]
            lines += [
                cpp_read(a, cpp_value(fields, a), constant=a.name not in written) for a in others
            ]
            lines += [cpp_read(a, f"_row_{a.name}_{k}[{index}{step}]") for a in weights]
            lines += [*(part.code for part in inner.steps), "}"]
        lines += [f"{cpp_value(fields, a)} = {a.name};" for a in inner.writes]
        lines.append("} }")
    return lines


def _is_synaptic(access: Access) -> bool:
    """Whether it is a variable of the synapses, such as a weight."""
    return access.index == "_idx" and not access.variable.name.startswith("_synaptic_")


def learning(fields: Fields, name: str, piece: Piece, pathway: Any, *, one_to_one: bool) -> str:
    """Change the synapses of cells that had the event, at once, all lanes in order at each row.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    pathway : SynapticPathway
        Brian2's object: which event, and which synapses.
    one_to_one : bool
        Whether synapse ``i`` joins the cells ``i``; otherwise every pair is joined.

    Returns
    -------
    str
        A C++ function.
    """
    synapses = pathway.synapses
    sizes = len(synapses.source), len(synapses.target)
    forward = pathway.prepost == "pre"
    sender = "pre" if forward else "post"
    cell = f"_{sender}synaptic_idx"
    lines = [
        f"for (int {cell} = from; {cell} < to; {cell}++)",
        *_over_lanes(fields, piece, pathway, cell),
        *_row_loop(fields, piece, sizes, sender, one_to_one=one_to_one),
        "}",
    ]
    return cpp_function(name, piece, _ROWS_OF_LANES, lines)


def gathering(
    fields: Fields,
    name: str,
    gathers: Sequence[tuple[Piece, Any]],
    commit: Piece,
    gathered: Sequence[str],
    *,
    one_to_one: bool,
    leaves_silent: bool,
) -> str:
    """Gather over the lanes of a row, in the order of the images, then commit the row.

    Between the lanes of one call and the next the sums of a row lie in memory; where a
    batch fits into the lanes they never leave the processor. ``leaves_silent`` says that
    a commit of 0 changes nothing, so that rows of silent cells are skipped.

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
    one_to_one : bool
        Whether synapse ``i`` joins the cells ``i``; otherwise every pair is joined.
    leaves_silent : bool
        Whether the commit changes nothing where nothing was gathered, so that those rows
        may be left out.

    Returns
    -------
    str
        A C++ function.
    """
    pathway = gathers[0][1]
    synapses = pathway.synapses
    sizes = len(synapses.source), len(synapses.target)
    width = 1 if one_to_one else padded(sizes[1])
    real = c_data_type(synapses.variables[gathered[0]].dtype)
    dirty = fields.add_shared(f"dirty_{synapses.name}", "uint8_t")
    kept = {g: fields.place(synapses.variables[g]) for g in gathered}
    row = "_presynaptic_idx"
    lines = [
        f"for (int {row} = from; {row} < to; {row}++) {{",
        f"uint8_t& _dirty = {dirty}[{row}]; bool _touched = _dirty;",
        *(f"alignas(64) {real} _sum_{g}[{width}]; "
          f"{real}* const _kept_{g} = {kept[g]} + (size_t){row} * {width};" for g in gathered),
        f"if (_touched) {{ {_copies('_sum', '_kept', gathered)} }}",
        "else { " + " ".join(f"memset(_sum_{g}, 0, sizeof _sum_{g});" for g in gathered) + " }",
    ]  # fmt: skip
    sums = {g: f"_sum_{g}" for g in gathered}
    for piece, part in gathers:
        lines += [
            *_over_lanes(fields, piece, part, row),
            "_touched = true;",
            *_row_loop(fields, piece, sizes, "pre", one_to_one=one_to_one, sums=sums),
            "}",
        ]
    skip = "if (!_touched) continue;" if leaves_silent else ""
    lines += [
        f"if (!commit) {{ if (_touched) {{ {_copies('_kept', '_sum', gathered)} _dirty = 1; }} "
        "continue; }",
        f"_dirty = 0; {skip}",
        "{",
        *cpp_head(fields, _without_batch(commit)),
        *_row_loop(fields, _without_batch(commit), sizes, "pre", one_to_one=one_to_one, sums=sums),
        "} }",
    ]
    arguments = f"{_ROWS_OF_LANES}, const bool commit, const {real} batch"
    support = _merged_support([piece for piece, _ in gathers], commit)
    return cpp_function(name, dataclasses.replace(commit, support=support), arguments, lines)


_ROWS_OF_LANES = (
    "const Shared& S, Lane* const lanes, const int active, const int from, const int to"
)


def _merged_support(gathers: Sequence[Piece], commit: Piece) -> tuple[str, ...]:
    """C++ functions that several pieces need, each once."""
    texts = dict.fromkeys("\n".join(piece.support) for piece in (*gathers, commit))
    return tuple(text for text in texts if text)


def _copies(to: str, source: str, gathered: Sequence[str]) -> str:
    return " ".join(f"memcpy({to}_{g}, {source}_{g}, sizeof _sum_{g});" for g in gathered)


def _without_batch(piece: Piece) -> Piece:
    """A commit whose ``batch`` is an argument of its function, not a lane's own count."""

    def rest(block: Block) -> Block:
        reads = tuple(access for access in block.reads if access.name != "batch")
        return dataclasses.replace(block, reads=reads)

    return dataclasses.replace(piece, scalar=rest(piece.scalar), vector=rest(piece.vector))


def _over_lanes(fields: Fields, piece: Piece, pathway: Any, cell: str) -> list[str]:
    """A loop over the lanes in which a cell had the event; it is not closed."""
    source = pathway.source
    event, _ = fields.event(source, source.variables[pathway.eventspace_name], flags=True)
    return [
        "for (int _l = 0; _l < active; _l++) {",
        "Lane& L = lanes[_l];",
        f"if (!L.flags_{event}[{cell}]) continue;",
        *cpp_head(fields, piece),
    ]


def _row_loop(
    fields: Fields,
    piece: Piece,
    sizes: tuple[int, int],
    sender: str,
    *,
    one_to_one: bool,
    sums: Mapping[str, str] | None = None,
) -> list[str]:
    """Run statements for all synapses of one cell; ``sums`` are arrays that gather."""
    cell = f"_{sender}synaptic_idx"
    receiver = "post" if sender == "pre" else "pre"
    index, stride = f"_{receiver}synaptic_idx", padded(sizes[1])
    sums = sums or {}
    outer, rest = _split(piece.vector, sender)
    pointers = {
        access.variable: c_data_type(access.variable.dtype)
        for access in (*rest.reads, *rest.writes)
        if _is_synaptic(access) and access.name not in sums
    }
    if one_to_one:
        offset, inner, count = cell, "0", 1
    elif sender == "pre":
        offset, inner, count = f"(size_t){cell} * {stride}", index, stride
    else:
        offset, inner, count = cell, f"(size_t){index} * {stride}", sizes[0]
    lines = [
        f"{ctype}* const __restrict _row_{variable.name} = {fields.place(variable)} + {offset};"
        for variable, ctype in pointers.items()
    ]
    if one_to_one:
        lines.append(f"const int {index} = {cell}, _idx = {cell};")
    lines += cpp_lines(fields, outer)
    body = _row_lines(fields, rest, inner, sums)
    if one_to_one:
        return [*lines, "{", *body, "}"]
    return [*lines, LOOP, f"for (int {index} = 0; {index} < {count}; {index}++) {{", *body, "}"]


def _row_lines(fields: Fields, block: Block, inner: str, sums: Mapping[str, str]) -> list[str]:
    """As :func:`cpp_lines`, with the synapses of one cell as ``_row_`` pointers."""

    def value(access: Access) -> str:
        if access.name in sums:
            return f"{sums[access.name]}[{inner}]"
        if _is_synaptic(access):
            return f"_row_{access.variable.name}[{inner}]"
        return cpp_value(fields, access)

    return cpp_lines(fields, block, value)
