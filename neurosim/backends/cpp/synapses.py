"""C++ of synapses: delivering events, and changing weights at once."""

from __future__ import annotations

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
    cpp_names,
    cpp_read,
    cpp_unread,
    cpp_value,
)
from neurosim.backends.cpp.summing import sum_over_senders
from neurosim.backends.cpp.together import write_shared_signal

__all__ = ["ROWS_OF_LANES", "is_synaptic", "learning", "row_value", "runs_over_rows", "signal",
           "split"]  # fmt: skip

#: Synaptic rows delivered in one pass over the targets.
_ROWS = 4
#: C++ parameters of a function that learns: lanes in flight, and the rows that are its share.
ROWS_OF_LANES = "const Shared& S, Lane* const lanes, const int active, const int from, const int to"


def split(block: Block, sender: str) -> tuple[Block, Block]:
    """What depends on the sending cell alone, and the rest.

    Parameters
    ----------
    block : Block
        Statements for every synapse.
    sender : {"pre", "post"}
        Which cell sends.

    Returns
    -------
    outer, inner : Block
        The first runs once per event; its variables stay visible to the second.
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


def signal(
    fields: Fields,
    name: str,
    piece: Piece,
    pathway: Any,
    *,
    wiring: str,
    zero_is_silent: bool,
    sums: bool = False,
    tile: int = 0,
) -> str:
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
    wiring : str
        Which pairs of cells are joined; see :class:`~neurosim.circuit.Projection`.
    zero_is_silent : bool
        Whether a stored 0 delivers nothing, so that it may stand for a missing synapse.
    sums : bool
        Whether statements do nothing but add, to what none of them reads.
    tile : int
        Rows that lanes side by side go through together; 0 for a function of one lane alone.

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
    ]
    head = cpp_head(fields, piece)
    if wiring == "one_to_one":
        inner = "const int _idx = _list[_e], _presynaptic_idx = _idx, _postsynaptic_idx = _idx;"
        lines = [f"EACH(_e, _count) {{ {inner}", *cpp_lines(fields, piece.vector), "}"]
        return cpp_function(name, piece, ONE_LANE, [*start, *head, *lines])
    forward = pathway.prepost == "pre"
    sender, receiver = ("pre", "post") if forward else ("post", "pre")
    rows = runs_over_rows(piece, receiver, wiring, zero_is_silent)
    receivers = sizes[1] if forward else sizes[0]
    if rows and sums and receivers == 1:
        lines = sum_over_senders(fields, piece, sizes, sender, receiver)
    elif rows:
        lines = _rows_at_once(fields, piece, sizes, sender, receiver)
        if tile:
            lines = [*head, *lines]
            return write_shared_signal(name, piece, event, len(pathway.source), tile, lines)
    else:
        lines = _event_by_event(fields, piece, sizes, forward, wiring)
    return cpp_function(name, piece, ONE_LANE, [*start, *head, *lines])


def runs_over_rows(piece: Piece, receiver: str, wiring: str, zero_is_silent: bool) -> bool:
    """Whether events are delivered row by row, without a look at each synapse's cells.

    Parameters
    ----------
    piece : Piece
        Statements of Brian2.
    receiver : {"pre", "post"}
        Which cell receives.
    wiring : str
        Which pairs of cells are joined.
    zero_is_silent : bool
        Whether a stored 0 delivers nothing.

    Returns
    -------
    bool
        True if nothing is written but the receiving cells, and missing synapses do no harm.
    """
    written = {access.index for access in piece.vector.writes}
    return (
        written == {f"_{receiver}synaptic_idx"}
        and wiring != "one_to_one"
        and (wiring == "all_to_all" or zero_is_silent)
    )


def _event_by_event(
    fields: Fields, piece: Piece, sizes: tuple[int, int], forward: bool, wiring: str
) -> list[str]:
    sender, receiver = ("pre", "post") if forward else ("post", "pre")
    targets = sizes[1] if forward else sizes[0]
    return [
        f"for (int _e = 0; _e < _count; _e++) {{ const int _{sender}synaptic_idx = _list[_e];",
        f"for (int _{receiver}synaptic_idx = 0; _{receiver}synaptic_idx < {targets}; "
        f"_{receiver}synaptic_idx++) {{",
        "if (_presynaptic_idx == _postsynaptic_idx) continue;" * (wiring == "all_but_self"),
        f"const size_t _idx = (size_t)_presynaptic_idx * {padded(sizes[1])} + _postsynaptic_idx;",
        *cpp_lines(fields, piece.vector),
        "} }",
    ]


def _rows_at_once(
    fields: Fields, piece: Piece, sizes: tuple[int, int], sender: str, receiver: str
) -> list[str]:
    outer, inner = split(piece.vector, sender)
    index, stride = f"_{receiver}synaptic_idx", padded(sizes[1])
    targets = stride if receiver == "post" else sizes[0]
    step = "" if receiver == "post" else f" * {stride}"
    written = {access.name for access in inner.writes}
    weights = [a for a in inner.reads if is_synaptic(a)]
    others = [a for a in inner.reads if not is_synaptic(a) and a.index != index]
    known = cpp_names(outer)
    each, lines = f"EACH({index}, {targets}) {{", []
    if receiver == "pre":
        # weights of one sender lie a row apart: some rows at a time, which then stay in the cache
        each = f"FROM_TO({index}, _first, _last) {{"
        lines += [
            f"for (int _first = 0; _first < {targets}; _first += ROWS_IN_CACHE) {{",
            f"const int _left = {targets} - _first;",
            "const int _last = _first + (_left < ROWS_IN_CACHE ? _left : ROWS_IN_CACHE);",
        ]
    lines.append("int _e = 0;")
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
        lines.append(each)
        lines += [
            cpp_read(a, cpp_value(fields, a), constant=a.name not in written)
            for a in inner.reads
            if a.index == index
        ]
        lines += cpp_unread(inner)
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
    if receiver == "pre":
        lines.append("}")
    return lines


def is_synaptic(access: Access) -> bool:
    """Whether it is a variable of the synapses, such as a weight.

    Parameters
    ----------
    access : Access
        A variable and its index.

    Returns
    -------
    bool
        False for what belongs to a cell, and for the numbers of the cells.
    """
    return access.index == "_idx" and not access.variable.name.startswith("_synaptic_")


def learning(fields: Fields, name: str, piece: Piece, pathway: Any, *, wiring: str) -> str:
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
    wiring : str
        Which pairs of cells are joined; see :class:`~neurosim.circuit.Projection`.

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
        *_row_loop(fields, piece, sizes, sender, wiring),
        "}",
    ]
    return cpp_function(name, piece, ROWS_OF_LANES, lines)


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
    wiring: str,
) -> list[str]:
    """Run statements for all synapses of one cell."""
    cell = f"_{sender}synaptic_idx"
    receiver = "post" if sender == "pre" else "pre"
    one_to_one = wiring == "one_to_one"
    index, stride = f"_{receiver}synaptic_idx", padded(sizes[1])
    outer, rest = split(piece.vector, sender)
    pointers = {
        access.variable: c_data_type(access.variable.dtype)
        for access in (*rest.reads, *rest.writes)
        if is_synaptic(access)
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
    body = cpp_lines(fields, rest, lambda access: row_value(fields, access, inner))
    if one_to_one:
        return [*lines, "{", *body, "}"]
    lines += [LOOP, f"for (int {index} = 0; {index} < {count}; {index}++) {{", *body, "}"]
    if wiring == "all_but_self":
        own = inner.replace(index, cell)
        lines += [f"_row_{variable.name}[{own}] = 0;" for variable in pointers]
    return lines


def row_value(fields: Fields, access: Access, inner: str) -> str:
    """Where a value lies in a loop over the synapses of one cell.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    access : Access
        A variable and its index.
    inner : str
        Offset of the synapse from the first one of the cell.

    Returns
    -------
    str
        An expression; what synapses store is reached by ``_row_`` pointers.
    """
    if is_synaptic(access):
        return f"_row_{access.variable.name}[{inner}]"
    return cpp_value(fields, access)
