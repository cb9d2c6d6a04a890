"""C++ of cells: integration, events, actions, readouts and recordings, in one lane."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.core.variables import ArrayVariable
from brian2.parsing.rendering import CPPNodeRenderer

from neurosim.backends.cpp.fields import Fields, round_up
from neurosim.backends.cpp.memory import padded
from neurosim.backends.cpp.pieces import Access, Block, Piece, Step
from neurosim.backends.cpp.statements import (
    LOOP,
    ONE_LANE,
    cpp_function,
    cpp_head,
    cpp_lines,
    cpp_read,
    cpp_text,
    cpp_value,
)

__all__ = ["gate_of", "noting", "over_events", "readout", "record", "state_update", "threshold"]


def state_update(fields: Fields, name: str, piece: Piece) -> str:
    """Integration, or statements of one cell that run in every step.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.

    Returns
    -------
    str
        A C++ function.
    """
    lines = cpp_head(fields, piece)
    if piece.vector.steps:
        loop = f"EACH(_idx, {padded(len(piece.owner))}) {{"
        lines += [loop, *cpp_lines(fields, piece.vector), "}"]
    elif piece.scalar.writes:
        lines = ["ONE {", *lines, "}"]
    return cpp_function(name, piece, ONE_LANE, lines)


def gate_of(condition: str, variables: Mapping[str, Any]) -> tuple[str, bool]:
    """The part of an event's condition that is alike for all cells.

    Parameters
    ----------
    condition : str
        As in the equations.
    variables : mapping of str to Variable
        Brian2's variables of the cells.

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

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    condition : str
        Of the event, as in the equations.
    flags : bool
        Whether to keep a flag per cell, for synapses that learn on the event.

    Returns
    -------
    str
        A C++ function.
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
        lines += ["{", *(cpp_read(reads[n], cpp_value(fields, reads[n])) for n in sorted(reads)),
                  f"if (!({test})) {{ {clear}_count = 0; return; }} }}"]  # fmt: skip
    if gate and whole:
        everyone = [f"if (_count == {cells}) return;",
                    f"for (int k = 0; k < {cells}; k++) _list[k] = k;",
                    f"_count = {cells};", f"memset(_flags, 1, {cells});" * flags]  # fmt: skip
        return cpp_function(name, piece, ONE_LANE, [*lines, *everyone])
    if gate:
        piece = _holding(piece, test)
    lines += [
        *cpp_head(fields, piece),
        LOOP,
        f"for (int _idx = 0; _idx < {padded(cells)}; _idx++) {{",
        *cpp_lines(fields, piece.vector),
        "_flags[_idx] = _cond; }",
        f"for (int k = {cells}; k < {size}; k++) _flags[k] = 0;" if cells < size else "",
        f"_count = list_flags(_flags, {size}, _list);",
    ]
    return cpp_function(name, piece, ONE_LANE, lines)


def _holding(piece: Piece, test: str) -> Piece:
    """The statements where a test of scalars has come out true; loops vectorise without it."""

    def held(step: Step) -> Step:
        said, holds = (f"const {step.declares} {step.target} = {v};" for v in (test, "true"))
        return dataclasses.replace(step, code=holds) if step.code == said else step

    scalar = dataclasses.replace(piece.scalar, steps=tuple(map(held, piece.scalar.steps)))
    return dataclasses.replace(piece, scalar=scalar)


def over_events(
    fields: Fields, name: str, piece: Piece, group: Any, inside: Iterable[str] | None = None
) -> str:
    """What cells do that had an event; when all had it, without their list.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    group : NeuronGroup
        The cells.
    inside : iterable of str, optional
        C++ for one cell; default: the piece's statements.

    Returns
    -------
    str
        A C++ function.
    """
    event, cells = fields.event(group, piece.details["eventspace_variable"])
    body = cpp_text(cpp_lines(fields, piece.vector) if inside is None else inside)
    lines = [
        f"const int32_t _count = *L.count_{event}; if (!_count) return;",
        f"const int32_t* const _list = L.list_{event};",
        *cpp_head(fields, piece),
        f"if (_count == {cells}) {{",
        LOOP,
        f"for (int _idx = 0; _idx < {padded(cells) if inside is None else cells}; _idx++) {{\n"
        f"{body}\n}}",
        "} else {",
        LOOP,
        f"for (int _e = 0; _e < _count; _e++) {{ const int _idx = _list[_e];\n{body}\n}} }}",
    ]
    return cpp_function(name, piece, ONE_LANE, lines)


def _only(block: Block, wanted: set[str]) -> Block:
    """The statements that some variables need."""
    steps: list[Step] = []
    needed = set(wanted)
    for step in reversed(block.steps):
        if step.target in needed:
            steps.insert(0, step)
            needed |= step.uses
    return Block(tuple(a for a in block.reads if a.name in needed), tuple(steps), ())


def readout(
    fields: Fields,
    name: str,
    piece: Piece,
    result: str,
    variable: str,
    dtype: str,
    over: Callable[..., str] | None = None,
) -> str:
    """Note a variable of all cells, once per image.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    result : str
        Name of the readout.
    variable : str
        What to note.
    dtype : str
        C++ type of the result.
    over : callable, optional
        Writes a loop over the cells that had the event; default: :func:`over_events`.

    Returns
    -------
    str
        A C++ function.
    """
    source = piece.owner.source
    place = fields.add_shared(f"readout_{result}", dtype)
    piece = noting(piece, {variable})
    note = f"{place}[L.row * {len(source)} + _idx] = _to_record_{variable};"
    inside = [*cpp_lines(fields, piece.vector), note]
    return (over or over_events)(fields, name, piece, source, inside)


def record(fields: Fields, name: str, piece: Piece, population: str) -> str:
    """Note variables of all cells in every step of every image.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    population : str
        Whose variables.

    Returns
    -------
    str
        A C++ function.
    """
    monitor = piece.owner
    cells = len(monitor.source)
    types = {v: c_data_type(monitor.source.variables[v].dtype) for v in monitor.record_variables}
    piece = noting(piece, set(types))
    notes = [
        f"{fields.add_shared(f'record_{population}_{v}', ctype)}"
        f"[(L.row * S.cycle_steps[0] + L.step) * {cells} + _idx] = _to_record_{v};"
        for v, ctype in types.items()
    ]
    fields.add_shared("cycle_steps", "int64_t")
    lines = [*cpp_head(fields, piece), f"EACH(_idx, {cells}) {{",
             *cpp_lines(fields, piece.vector), *notes, "}"]  # fmt: skip
    return cpp_function(name, piece, ONE_LANE, lines)


def noting(piece: Piece, variables: set[str]) -> Piece:
    """A monitor's piece without what only Brian2's own monitors need.

    Parameters
    ----------
    piece : Piece
        Statements of Brian2.
    variables : set of str
        What is noted.

    Returns
    -------
    Piece
        The statements that these variables need.
    """
    vector = _only(piece.vector, {f"_to_record_{variable}" for variable in variables})
    needed = _all_names(vector) | {f"_to_record_{variable}" for variable in variables}
    return dataclasses.replace(piece, scalar=_only(piece.scalar, needed), vector=vector)


def _all_names(block: Block) -> set[str]:
    return {name for step in block.steps for name in step.uses}
