"""C++ of synapses whose wiring is an object: delivering events, and changing weights at once.

Where targets are windows, an event reaches all channels at one place after the other. Their
variables are laid out channel by channel before a delivery of many events, so that the
innermost loop runs over neighbours in memory, and put back after it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.geometry import SOURCE, TARGET, Geometry, Loops
from neurosim.backends.cpp.pieces import Access, Block, Piece
from neurosim.backends.cpp.silence import only_sums
from neurosim.backends.cpp.statements import (
    ONE_LANE,
    cpp_function,
    cpp_head,
    cpp_lines,
    cpp_names,
    cpp_read,
    cpp_value,
)
from neurosim.backends.cpp.synapses import ROWS_OF_LANES, is_synaptic, split
from neurosim.circuit.parser import identifiers

__all__ = [
    "changed",
    "guarded",
    "names_cells",
    "on_mask",
    "pointers",
    "stored_apart",
    "wide_names",
    "wired_learning",
    "wired_signal",
]

#: Share of target cells that must have an event before all of them are visited.
_MANY = 4
#: Events between the one that is delivered and the one whose synapses are asked for.
_AHEAD = 2


def pointers(fields: Fields, blocks: Iterable[Block]) -> list[str]:
    """Local pointers to what synapses store.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    blocks : iterable of Block
        Statements that name it.

    Returns
    -------
    list of str
        C++ declarations of ``_row_`` pointers to the whole arrays.
    """
    found = {
        access.variable: c_data_type(access.variable.dtype)
        for block in blocks
        for access in (*block.reads, *block.writes)
        if is_synaptic(access)
    }
    return [
        f"{ctype}* const __restrict _row_{variable.name} = {fields.place(variable)};"
        for variable, ctype in found.items()
    ]


def stored_apart(block: Block, geometry: Geometry) -> list[str]:
    """What synapses store, to be asked for before it is needed.

    Parameters
    ----------
    block : Block
        Statements that name it.
    geometry : Geometry
        Where it lies.

    Returns
    -------
    list of str
        Variables; none for weights that many cells share, which are in the cache.
    """
    if geometry.wired.tied:
        return []
    return sorted({a.variable.name for a in (*block.reads, *block.writes) if is_synaptic(a)})


def _value(fields: Fields, access: Access, wide: Iterable[str] = ()) -> str:
    if is_synaptic(access):
        return f"_row_{access.variable.name}[_idx]"
    if access.name in wide:
        return f"_wide_{access.name}[_wide]"
    return cpp_value(fields, access)


def on_mask(fields: Fields, geometry: Geometry) -> list[str]:
    """A local pointer to the array that says which places are synapses.

    Parameters
    ----------
    fields : Fields
        The array is added.
    geometry : Geometry
        Whose mask.

    Returns
    -------
    list of str
        Empty if all places are.
    """
    if not geometry.masked:
        return []
    place = fields.add_shared(geometry.mask, "uint8_t")
    return [f"const uint8_t* const __restrict _there = {place};"]


def guarded(loops: Loops, body: Iterable[str], *, masked: bool) -> list[str]:
    """Loops with statements for every synapse that there is.

    Parameters
    ----------
    loops : Loops
        Of a cell.
    body : iterable of str
        Statements for one synapse.
    masked : bool
        Whether to leave out places that are no synapse.

    Returns
    -------
    list of str
        C++ statements.
    """
    inside = ["if (_there[_idx]) {", *body, "}"] if masked else [*body]
    return ["{", *loops.lines, *inside, loops.close, "}"]


def changed(lines: Iterable[str], block: Block, *, masked: bool) -> list[str]:
    """Statements that change what synapses store; what is no synapse stays 0, without a branch.

    Parameters
    ----------
    lines : iterable of str
        The block in C++.
    block : Block
        Statements.
    masked : bool
        Whether places may be no synapse.

    Returns
    -------
    list of str
        C++ statements.
    """
    if not masked:
        return [*lines]
    ends = {f" = {access.name};": access.name for access in block.writes if is_synaptic(access)}
    return [
        line.replace(end, f" = _there[_idx] ? {name} : 0;")
        if line.startswith("_row_")
        and (end := line[line.rfind(" = ") :]) in ends
        and (name := ends[end])
        else line
        for line in lines
    ]


def names_cells(block: Block) -> bool:
    """Whether statements read the numbers of a synapse's cells.

    Parameters
    ----------
    block : Block
        Statements.

    Returns
    -------
    bool
        True for ``i`` and ``j``.
    """
    return any(a.variable.name in ("_synaptic_pre", "_synaptic_post", "i") for a in block.reads)


def wide_names(block: Block, index: str) -> dict[str, Access]:
    """Variables of cells, by name, that a block reads or writes at an index.

    Parameters
    ----------
    block : Block
        Statements.
    index : str
        Of the cells.

    Returns
    -------
    dict of str to Access
        In a fixed order; without the numbers of the cells.
    """
    found = {a.name: a for a in (*block.reads, *block.writes) if a.index == index}
    return {name: a for name, a in sorted(found.items()) if a.variable.name != "i"}


# ------------------------------------------------------------------ delivery


def wired_signal(
    fields: Fields,
    name: str,
    piece: Piece,
    pathway: Any,
    geometry: Geometry,
    *,
    code: str,
    adds_nothing: Any,
    stored: Iterable[str],
) -> str:
    """Deliver events through the synapses of a wiring.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    pathway : SynapticPathway
        Brian2's object: which event.
    geometry : Geometry
        Where the synapses lie.
    code : str
        The pathway's statements as the circuit has them.
    adds_nothing : callable
        Of statements and names: whether they change nothing where the named are 0.
    stored : iterable of str
        Variables that synapses store: 0 where there is no synapse.

    Returns
    -------
    str
        A C++ function.
    """
    event, _ = fields.event(pathway.source, pathway.source.variables[pathway.eventspace_name])
    delivery = _Delivery(fields, piece, geometry, pathway.prepost,
                         geometry.masked and not adds_nothing(code, stored))  # fmt: skip
    forward, receiver = pathway.prepost == "pre", delivery.receiver
    elsewhere = {access.index for access in piece.vector.writes} != {receiver}
    lines = [
        f"const int32_t _count = *L.count_{event}; if (!_count) return;",
        f"const int32_t* const _list = L.list_{event};",
        *cpp_head(fields, piece),
        *pointers(fields, [delivery.inner]),
        *(on_mask(fields, geometry) if delivery.masked else ()),
    ]
    if geometry.wide and not elsewhere:
        if forward:
            lines += delivery.channel_by_channel()
        elif _sums_alone(code, adds_nothing):
            lines += delivery.source_by_source()
    return cpp_function(name, piece, ONE_LANE, [*lines, *delivery.plain(vector=not elsewhere)])


def _sums_alone(code: str, adds_nothing: Any) -> bool:
    """Whether statements only add, to what they do not read, terms that vanish with the sender."""
    sent = {name for name in identifiers(code) if name.endswith("_post")}
    return only_sums(code, "pre") and adds_nothing(code, sent)


@dataclasses.dataclass
class _Delivery:
    """The statements of a delivery, event by event or laid out for many events."""

    fields: Fields
    piece: Piece
    geometry: Geometry
    sender: str
    masked: bool

    def __post_init__(self) -> None:
        self.outer, self.inner = split(self.piece.vector, self.sender)
        self.cell, self.receiver = (SOURCE, TARGET) if self.sender == "pre" else (TARGET, SOURCE)

    def _events(self, loops: Loops, wide: Iterable[str] = ()) -> list[str]:
        body = cpp_lines(self.fields, self.inner, lambda a: _value(self.fields, a, wide))
        return [
            f"for (int _e = 0; _e < _count; _e++) {{ const int {self.cell} = _list[_e];",
            f"const int _next = _list[std::min(_e + {_AHEAD}, _count - 1)];" * bool(wide),
            *cpp_lines(self.fields, self.outer),
            *guarded(loops, body, masked=self.masked),
            "}",
        ]

    def plain(self, *, vector: bool) -> list[str]:
        """Event by event, synapse by synapse."""
        forward = self.sender == "pre"
        return self._events(
            self.geometry.of_source(vector=vector) if forward else self.geometry.of_target()
        )

    def _scratch(self, names: Iterable[tuple[str, str]]) -> list[str]:
        """Arrays of the lane that deliveries use in turn."""
        assert self.geometry.wide is not None
        channels, places = self.geometry.wide
        size = channels * places
        return [
            f"{ctype}* const __restrict _wide_{name} = "
            f"{self.fields.add_lane(f'wide_{ctype}_{size}_{number}', ctype, size)};"
            for number, (name, ctype) in enumerate(names)
        ]

    def _wide_loops(self, ahead: Iterable[str] = ()) -> Loops:
        numbered = names_cells(self.inner)
        return self.geometry.of_source_laid_out(numbered=numbered, ahead=ahead)

    def channel_by_channel(self) -> list[str]:
        """Many events: variables of the targets are laid out channel by channel meanwhile."""
        assert self.geometry.wide is not None
        channels, places = self.geometry.wide
        known = wide_names(self.inner, self.receiver)
        moves = f"{self.geometry.post // places}, {places}, {channels}"
        there = {name: cpp_value(self.fields, a).rpartition("[")[0] for name, a in known.items()}
        slots = self.geometry.width // channels
        return [
            # below, moving all targets costs more than reaching those of the events apart
            f"if (_count > {max(1, places // (2 * slots))}) {{",
            *self._scratch((n, c_data_type(a.variable.dtype)) for n, a in known.items()),
            *(f"to_wide(_wide_{name}, {there[name]}, {moves});" for name in known),
            *self._events(self._wide_loops(stored_apart(self.inner, self.geometry)), known),
            *(f"from_wide({there[a.name]}, _wide_{a.name}, {moves});" for a in self.inner.writes),
            "return; }",
        ]

    def source_by_source(self) -> list[str]:
        """Many events of targets: every source sums over its synapses, silent ones send 0."""
        assert self.geometry.wide is not None
        channels, places = self.geometry.wide
        used = frozenset[str]().union(*(step.uses for step in self.inner.steps))
        sent = {name: ctype for name, ctype in cpp_names(self.outer) if name in used}
        sums = {a.name: c_data_type(a.variable.dtype) for a in self.inner.writes}
        own = [a for a in self.inner.reads if a.index == SOURCE and a.name not in sums]
        others = [a for a in self.inner.reads if a.index != SOURCE]
        body = [
            *(cpp_read(a, _value(self.fields, a)) for a in others),
            *(f"const {ctype} {name} = _wide_{name}[_wide];" for name, ctype in sent.items()),
            *(step.code for step in self.inner.steps),
        ]
        loops = self._wide_loops()
        summing = f'_Pragma("omp simd reduction(+:{", ".join(sums)})")'
        loops = Loops(tuple(line.replace("#pragma GCC ivdep", summing) for line in loops.lines),
                      loops.close)  # fmt: skip
        return [
            f"if (_count >= {max(1, self.geometry.post // _MANY)}) {{",
            *self._scratch(sent.items()),
            *(f"memset(_wide_{name}, 0, {channels * places} * sizeof({ctype}));"
              for name, ctype in sent.items()),
            f"for (int _e = 0; _e < _count; _e++) {{ const int {TARGET} = _list[_e];",
            f"const int _place = {TARGET} % {places} * {channels} + {TARGET} / {places};",
            *cpp_lines(self.fields, self.outer),
            *(f"_wide_{name}[_place] = {name};" for name in sent),
            "}",
            f"for (int {SOURCE} = 0; {SOURCE} < {self.geometry.pre}; {SOURCE}++) {{",
            *(cpp_read(a, _value(self.fields, a)) for a in own),
            *(f"{ctype} {name} = 0;" for name, ctype in sums.items()),
            *guarded(loops, body, masked=self.masked),
            *(f"{_value(self.fields, a)} += {a.name};" for a in self.inner.writes),
            "}",
            "return; }",
        ]  # fmt: skip


# ------------------------------------------------------------------ changing weights at once


def wired_learning(
    fields: Fields, name: str, piece: Piece, pathway: Any, geometry: Geometry
) -> str:
    """Change the synapses of cells that had the event, at once, all lanes in order at each cell.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    pathway : SynapticPathway
        Brian2's object: which event.
    geometry : Geometry
        Where the synapses lie; each has a weight of its own.

    Returns
    -------
    str
        A C++ function, whose rows are the sending cells.
    """
    source = pathway.source
    event, _ = fields.event(source, source.variables[pathway.eventspace_name], flags=True)
    forward = pathway.prepost == "pre"
    outer, inner = split(piece.vector, pathway.prepost)
    own = all(is_synaptic(access) for access in inner.writes)
    loops = geometry.of_source(vector=own) if forward else geometry.of_target()
    cell = SOURCE if forward else TARGET
    body = cpp_lines(fields, inner, lambda a: _value(fields, a))
    body = changed(body, inner, masked=geometry.masked and own)
    lines = [
        *pointers(fields, [inner]),
        *on_mask(fields, geometry),
        f"for (int {cell} = from; {cell} < to; {cell}++)",
        "for (int _l = 0; _l < active; _l++) { Lane& L = lanes[_l];",
        f"if (!L.flags_{event}[{cell}]) continue;",
        *cpp_head(fields, piece),
        *cpp_lines(fields, outer),
        *guarded(loops, body, masked=geometry.masked and not own),
        "}",
    ]
    return cpp_function(name, piece, ROWS_OF_LANES, lines)
