"""Write the pieces of a circuit as one C++ program in which several images run side by side.

A *lane* is one image in flight: a block of memory with the state of all cells. Lanes share
weights and parameters, and meet only where synapses change. The order of events within a
step is that of ``backends/brian/build.py``.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.core.variables import ArrayVariable, Constant
from brian2.groups.neurongroup import NeuronGroup
from brian2.parsing.rendering import CPPNodeRenderer

from neurosim.backends.lanes.memory import padded
from neurosim.backends.lanes.pieces import Access, Block, Piece

__all__ = ["Field", "Fields", "gate_of", "gathering", "learning", "over_events", "readout", "signal",
           "state_update", "threshold"]  # fmt: skip

#: Synaptic rows delivered in one pass over the targets.
_ROWS = 4


@dataclasses.dataclass(frozen=True)
class Field:
    """An array of the program: its name, C++ type and number of elements.

    The size of a shared array is 0: its memory is the caller's.
    """

    name: str
    ctype: str
    size: int = 0


class Fields:
    """The arrays that the written functions name, of every lane and shared by all."""

    def __init__(self) -> None:
        self.lane: dict[str, Field] = {}
        self.shared: dict[str, Field] = {}

    def add_lane(self, name: str, ctype: str, size: int) -> str:
        """An array of every lane; its name in the program."""
        self.lane.setdefault(name, Field(name, ctype, size))
        return f"L.{name}"

    def add_shared(self, name: str, ctype: str) -> str:
        """An array that all lanes share; its name in the program."""
        self.shared.setdefault(name, Field(name, ctype))
        return f"S.{name}"

    def place(self, variable: ArrayVariable) -> str:
        """Where the values of a Brian2 variable are."""
        name, ctype = f"{variable.owner.name}_{variable.name}", c_data_type(variable.dtype)
        setting = variable.scalar and variable.constant
        if isinstance(variable.owner, NeuronGroup) and not setting:
            size = int(variable.size)
            return self.add_lane(name, ctype, size if size == 1 else padded(size))
        return self.add_shared(name, ctype)

    def event(self, group: Any, eventspace: Any, *, flags: bool = False) -> tuple[str, int]:
        """Name of an event and the number of its cells; a list, a count, perhaps flags."""
        name, cells = f"{group.name}{eventspace.name}", len(group)
        self.add_lane(f"list_{name}", "int32_t", cells)
        self.add_lane(f"count_{name}", "int32_t", 1)
        if flags:
            self.add_lane(f"flags_{name}", "uint8_t", round_up(cells, 64))
        return name, cells


def round_up(size: int, multiple: int) -> int:
    """The next multiple."""
    return -(-size // multiple) * multiple


# ------------------------------------------------------------------ statements


def _value(fields: Fields, access: Access, rows: Mapping[str, str]) -> str:
    variable = access.variable
    if variable.name == "i" and isinstance(variable.owner, NeuronGroup):
        return f"(int32_t){access.index}"
    if variable.name in ("_synaptic_pre", "_synaptic_post"):
        side = "pre" if variable.name == "_synaptic_pre" else "post"
        return f"(int32_t)_{side}synaptic_idx"
    place = fields.place(variable)
    return rows[access.index].format(place) if access.index in rows else f"{place}[{access.index}]"


def _read(fields: Fields, access: Access, written: set[str], rows: Mapping[str, str]) -> str:
    constant = "" if access.name in written else "const "
    ctype = c_data_type(access.variable.dtype)
    return f"{constant}{ctype} {access.name} = {_value(fields, access, rows)};"


def _lines(fields: Fields, block: Block, rows: Mapping[str, str] | None = None) -> list[str]:
    """A block as C++: what it reads, computes and writes back."""
    rows = rows or {}
    written = {access.name for access in block.writes}
    read = {access.name for access in block.reads}
    lines = [_read(fields, access, written, rows) for access in block.reads]
    lines += [
        f"{c_data_type(access.variable.dtype)} {access.name};"
        for access in block.writes
        if access.name not in read
    ]
    lines += [step.code for step in block.steps]
    return lines + [f"{_value(fields, a, rows)} = {a.name};" for a in block.writes]


def _head(fields: Fields, piece: Piece) -> list[str]:
    """Constants, and the statements that run once before a loop."""
    render = CPPNodeRenderer()
    constants = [
        f"const {c_data_type(value.dtype)} {name} = {render.render_expr(repr(value.value))};"
        for name, value in sorted(piece.variables.items())
        if isinstance(value, Constant)
    ]
    return constants + _lines(fields, piece.scalar)


def _text(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line)


def _function(name: str, piece: Piece, arguments: str, lines: Iterable[str]) -> str:
    support = "\n".join(piece.support)
    return (
        f"namespace {name} {{\n{support}\n"
        f"static inline void run({arguments}) {{\n{_text(lines)}\n}} }}\n"
    )


_ONE_LANE = "const Shared& S, Lane& L"
_LOOP = "#pragma GCC ivdep"


# ------------------------------------------------------------------ cells


def state_update(fields: Fields, name: str, piece: Piece) -> str:
    """Integration, or statements of one cell that run in every step."""
    lines = _head(fields, piece)
    if piece.vector.steps:
        loop = f"for (int _idx = 0; _idx < {padded(len(piece.owner))}; _idx++) {{"
        lines += [_LOOP, loop, *_lines(fields, piece.vector), "}"]
    return _function(name, piece, _ONE_LANE, lines)


def gate_of(condition: str, variables: Mapping[str, Any]) -> tuple[str, bool]:
    """The part of an event's condition that is alike for all cells.

    Returns
    -------
    gate : str
        Those terms, joined by ``and``, that name nothing but scalars; may be empty.
    whole : bool
        Whether there are no other terms: then all cells have the event, or none.
    """
    tree = ast.parse(condition.strip(), mode="eval").body
    both = isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)
    terms = tree.values if both else [tree]  # type: ignore[attr-defined]
    shared = [term for term in terms if _is_scalar(term, variables)]
    return " and ".join(ast.unparse(term) for term in shared), len(shared) == len(terms)


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_scalar(term: ast.AST, variables: Mapping[str, Any]) -> bool:
    calls = any(isinstance(part, ast.Call) for part in ast.walk(term))
    return not calls and all(
        isinstance(variables.get(name), ArrayVariable) and variables[name].scalar
        for name in _names(term)
    )


def threshold(fields: Fields, name: str, piece: Piece, condition: str, *, flags: bool) -> str:
    """Decide which cells have an event: flags in a vectorised loop, then a list.

    ``flags`` keeps the flags for synapses that learn on the event.
    """
    group = piece.owner
    event, cells = fields.event(group, piece.details["eventspace_variable"], flags=flags)
    size = round_up(cells, 64)
    gate, whole = gate_of(condition, group.variables)
    kept = f"uint8_t* const _flags = L.flags_{event};"
    lines = [
        f"int32_t& _count = *L.count_{event};",
        f"int32_t* const _list = L.list_{event};",
        kept if flags else f"alignas(64) uint8_t _flags[{size}];",
    ]
    if gate:
        reads = {name: Access(name, group.variables[name], "0") for name in _names(ast.parse(gate))}
        test = CPPNodeRenderer().render_expr(gate)
        clear = f"if (_count) memset(_flags, 0, {size}); " * flags
        lines += ["{", *(_read(fields, reads[n], set(), {}) for n in sorted(reads)),
                  f"if (!({test})) {{ {clear}_count = 0; return; }} }}"]  # fmt: skip
    if gate and whole:
        everyone = [f"if (_count == {cells}) return;",
                    f"for (int k = 0; k < {cells}; k++) _list[k] = k;",
                    f"_count = {cells};", f"memset(_flags, 1, {cells});" * flags]  # fmt: skip
        return _function(name, piece, _ONE_LANE, [*lines, *everyone])
    lines += [
        *_head(fields, piece),
        _LOOP,
        f"for (int _idx = 0; _idx < {padded(cells)}; _idx++) {{",
        *_lines(fields, piece.vector),
        "_flags[_idx] = _cond; }",
        f"for (int k = {cells}; k < {size}; k++) _flags[k] = 0;" if cells < size else "",
        f"_count = list_flags(_flags, {size}, _list);",
    ]
    return _function(name, piece, _ONE_LANE, lines)


def over_events(
    fields: Fields, name: str, piece: Piece, group: Any, inside: Iterable[str] | None = None
) -> str:
    """What cells do that had an event; when all had it, without their list."""
    event, cells = fields.event(group, piece.details["eventspace_variable"])
    body = _text(_lines(fields, piece.vector) if inside is None else inside)
    lines = [
        f"const int32_t _count = *L.count_{event}; if (!_count) return;",
        f"const int32_t* const _list = L.list_{event};",
        *_head(fields, piece),
        f"if (_count == {cells}) {{",
        _LOOP,
        f"for (int _idx = 0; _idx < {padded(cells) if inside is None else cells}; _idx++) {{\n"
        f"{body}\n}}",
        "} else {",
        _LOOP,
        f"for (int _e = 0; _e < _count; _e++) {{ const int _idx = _list[_e];\n{body}\n}} }}",
    ]
    return _function(name, piece, _ONE_LANE, lines)


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


def _only(block: Block, wanted: set[str]) -> Block:
    """The statements that some variables need."""
    steps, needed = [], set(wanted)
    for step in reversed(block.steps):
        if step.target in needed:
            steps.insert(0, step)
            needed |= step.uses
    return Block(tuple(a for a in block.reads if a.name in needed), tuple(steps), ())


def readout(fields: Fields, name: str, piece: Piece, result: str, variable: str, dtype: str) -> str:
    """Note a variable of all cells, once per image."""
    source = piece.owner.source
    place = fields.add_shared(f"readout_{result}", dtype)
    piece = _noting(piece, {variable})
    note = f"{place}[L.row * {len(source)} + _idx] = _to_record_{variable};"
    return over_events(fields, name, piece, source, [*_lines(fields, piece.vector), note])


def record(fields: Fields, name: str, piece: Piece, population: str) -> str:
    """Note variables of all cells in every step of every image."""
    monitor = piece.owner
    cells = len(monitor.source)
    types = {v: c_data_type(monitor.source.variables[v].dtype) for v in monitor.record_variables}
    piece = _noting(piece, set(types))
    notes = [
        f"{fields.add_shared(f'record_{population}_{v}', ctype)}"
        f"[(L.row * S.cycle_steps[0] + L.step) * {cells} + _idx] = _to_record_{v};"
        for v, ctype in types.items()
    ]
    fields.add_shared("cycle_steps", "int64_t")
    lines = [*_head(fields, piece), _LOOP, f"for (int _idx = 0; _idx < {cells}; _idx++) {{",
             *_lines(fields, piece.vector), *notes, "}"]  # fmt: skip
    return _function(name, piece, _ONE_LANE, lines)


def _noting(piece: Piece, variables: set[str]) -> Piece:
    """A monitor's piece without what only Brian2's own monitors need."""
    vector = _only(piece.vector, {f"_to_record_{variable}" for variable in variables})
    needed = _all_names(vector) | {f"_to_record_{variable}" for variable in variables}
    return dataclasses.replace(piece, scalar=_only(piece.scalar, needed), vector=vector)


def _all_names(block: Block) -> set[str]:
    return {name for step in block.steps for name in step.uses}


# ------------------------------------------------------------------ synapses


def signal(fields: Fields, name: str, piece: Piece, pathway: Any, *, one_to_one: bool) -> str:
    """Deliver events: several rows of synapses in one pass over the targets."""
    synapses = pathway.synapses
    sizes = len(synapses.source), len(synapses.target)
    event, _ = fields.event(pathway.source, pathway.source.variables[pathway.eventspace_name])
    start = [
        f"const int32_t _count = *L.count_{event}; if (!_count) return;",
        f"const int32_t* const _list = L.list_{event};",
        *_head(fields, piece),
    ]
    if one_to_one:
        inner = "const int _idx = _list[_e], _presynaptic_idx = _idx, _postsynaptic_idx = _idx;"
        lines = [_LOOP, f"for (int _e = 0; _e < _count; _e++) {{ {inner}",
                 *_lines(fields, piece.vector), "}"]  # fmt: skip
        return _function(name, piece, _ONE_LANE, [*start, *lines])
    forward = pathway.prepost == "pre"
    sender, receiver = ("pre", "post") if forward else ("post", "pre")
    if {access.index for access in piece.vector.writes} != {f"_{receiver}synaptic_idx"}:
        lines = _event_by_event(fields, piece, sizes, forward)
    else:
        lines = _rows_at_once(fields, piece, sizes, sender, receiver)
    return _function(name, piece, _ONE_LANE, [*start, *lines])


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
        *_lines(fields, piece.vector),
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
            lines += ["{", f"const int _{sender}synaptic_idx = _s{k};", *_lines(fields, outer)]
            lines += [f"{name}_{k} = {name};" for name, _ in known]
            lines.append("}")
            lines += [
                f"const {c_data_type(a.variable.dtype)}* const __restrict _row_{a.name}_{k} = "
                f"{fields.place(a.variable)} + {offset};"
                for a in weights
            ]
        lines += [_LOOP, f"for (int {index} = 0; {index} < {targets}; {index}++) {{"]
        lines += [_read(fields, a, written, {}) for a in inner.reads if a.index == index]
        for k in range(rows):
            lines.append(f"{{ const int _{sender}synaptic_idx = _s{k};")
            lines += [f"const {ctype} {name} = {name}_{k};" for name, ctype in known]
            lines += [_read(fields, a, written, {}) for a in others]
            lines += [
                f"const {c_data_type(a.variable.dtype)} {a.name} = _row_{a.name}_{k}[{index}{step}];"
                for a in weights
            ]
            lines += [*(part.code for part in inner.steps), "}"]
        lines += [f"{_value(fields, a, {})} = {a.name};" for a in inner.writes]
        lines.append("} }")
    return lines


def _is_synaptic(access: Access) -> bool:
    """Whether it is a variable of the synapses, such as a weight."""
    return access.index == "_idx" and not access.variable.name.startswith("_synaptic_")


def learning(fields: Fields, name: str, piece: Piece, pathway: Any, *, one_to_one: bool) -> str:
    """Change the synapses of cells that had the event, at once, all lanes in order at each row."""
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
    return _function(name, piece, _ROWS_OF_LANES, lines)


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
        *_head(fields, _without_batch(commit)),
        *_row_loop(fields, _without_batch(commit), sizes, "pre", one_to_one=one_to_one, sums=sums),
        "} }",
    ]
    arguments = f"{_ROWS_OF_LANES}, const bool commit, const {real} batch"
    support = _merged_support([piece for piece, _ in gathers], commit)
    return _function(name, dataclasses.replace(commit, support=support), arguments, lines)


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
        *_head(fields, piece),
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
    lines += _lines(fields, outer)
    body = _row_lines(fields, rest, inner, sums)
    if one_to_one:
        return [*lines, "{", *body, "}"]
    return [*lines, _LOOP, f"for (int {index} = 0; {index} < {count}; {index}++) {{", *body, "}"]


def _row_lines(fields: Fields, block: Block, inner: str, sums: Mapping[str, str]) -> list[str]:
    """As :func:`_lines`, with the synapses of one cell as ``_row_`` pointers."""
    written = {access.name for access in block.writes}
    read = {access.name for access in block.reads}

    def value(access: Access) -> str:
        if access.name in sums:
            return f"{sums[access.name]}[{inner}]"
        if _is_synaptic(access):
            return f"_row_{access.variable.name}[{inner}]"
        return _value(fields, access, {})

    lines = [
        f"{'' if a.name in written else 'const '}{c_data_type(a.variable.dtype)} {a.name} = "
        f"{value(a)};"
        for a in block.reads
    ]
    lines += [f"{c_data_type(a.variable.dtype)} {a.name};"
              for a in block.writes if a.name not in read]  # fmt: skip
    lines += [step.code for step in block.steps]
    return lines + [f"{value(a)} = {a.name};" for a in block.writes]
