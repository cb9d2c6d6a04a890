"""CUDA of cells: which have an event, in a flag for each and a list in order, and what they do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

from brian2.parsing.rendering import CPPNodeRenderer

from neurosim.backends.brian.rhythm import RHYTHM
from neurosim.backends.cpp.cells import gate_of
from neurosim.backends.cpp.fields import Fields, round_up
from neurosim.backends.cpp.pieces import Access, Piece
from neurosim.backends.cpp.statements import (
    ONE_LANE,
    cpp_function,
    cpp_head,
    cpp_lines,
    cpp_text,
    cpp_value,
)

__all__ = ["WARP", "decide", "event_name", "list_cells", "over_cells", "rhythm_gate"]

#: Threads that vote together.
WARP = 32


def rhythm_gate(fields: Fields, condition: str, group: Any) -> tuple[str, bool]:
    """The part of an event's condition that the rhythm alone decides.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    condition : str
        Of the event, as in the equations.
    group : NeuronGroup
        The cells.

    Returns
    -------
    gate : str
        C++ that is alike for all threads of a block and changes at no other time than the
        rhythm; empty where other things decide.
    whole : bool
        Whether there are no other terms: then all cells have the event, or none.
    """
    text, whole = gate_of(condition, group.variables)
    names = {part.id for part in ast.walk(ast.parse(text)) if isinstance(part, ast.Name)}
    found = {name: group.variables[name] for name in names}
    fixed = all(v.owner.name == RHYTHM or (v.scalar and v.constant) for v in found.values())
    if not text or not fixed:
        return "", False
    places = {name: cpp_value(fields, Access(name, v, "0")) for name, v in found.items()}
    rendered = CPPNodeRenderer().render_expr(text)
    return re.sub(r"[A-Za-z_]\w*", lambda word: places.get(word[0], word[0]), rendered), whole


def event_name(piece: Piece, group: Any) -> str:
    """Name of an event in the names of its arrays.

    Parameters
    ----------
    piece : Piece
        Decides the event, or runs on it.
    group : NeuronGroup
        The cells.

    Returns
    -------
    str
        As in :meth:`neurosim.backends.cpp.fields.Fields.event`.
    """
    return f"{group.name}{piece.details['eventspace_variable'].name}"


def decide(fields: Fields, name: str, piece: Piece, *, votes: bool) -> str:
    """Decide for every cell whether it has an event.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        Statements of Brian2.
    votes : bool
        Whether threads also count their flags together, for :func:`list_cells`.

    Returns
    -------
    str
        A C++ function.
    """
    event, cells = event_name(piece, piece.owner), len(piece.owner)
    flags = fields.add_lane(f"flags_{event}", "uint8_t", round_up(cells, 64))
    counted = ""
    if votes:
        place = fields.add_lane(f"votes_{event}", "uint32_t", round_up(cells, WARP) // WARP)
        counted = f"vote(_hit, _idx, {place});"
    lines = [
        *cpp_head(fields, piece),
        # all threads of a warp vote, also those without a cell
        f"EACH(_idx, {round_up(cells, WARP)}) {{ bool _hit = false;",
        f"if (_idx < {cells}) {{",
        *cpp_lines(fields, piece.vector),
        f"_hit = _cond; {flags}[_idx] = _hit; }}",
        f"{counted} }}",
    ]
    return cpp_function(name, piece, ONE_LANE, lines)


def list_cells(fields: Fields, name: str, piece: Piece, *, whole: bool) -> str:
    """List the cells that have an event, in rising order.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    name : str
        Name of the function.
    piece : Piece
        That decides the event.
    whole : bool
        Whether all cells have it.

    Returns
    -------
    str
        A C++ function.
    """
    event, cells = event_name(piece, piece.owner), len(piece.owner)
    listed = fields.add_lane(f"list_{event}", "int32_t", cells)
    count = fields.add_lane(f"count_{event}", "int32_t", 1)
    line = f"list_hits(L.flags_{event}, L.votes_{event}, {cells}, {listed}, *{count});"
    if whole:
        line = f"EACH(k, {cells}) {listed}[k] = k; ONE *{count} = {cells};"
    return f"namespace {name} {{\nstatic inline void run({ONE_LANE}) {{ {line} }} }}\n"


def over_cells(
    fields: Fields,
    name: str,
    piece: Piece,
    group: Any,
    inside: Iterable[str] | None = None,
    *,
    whole: bool,
) -> str:
    """What cells do that had an event; each thread looks after its own cells.

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
    whole : bool
        Whether all cells have it.

    Returns
    -------
    str
        A C++ function.
    """
    body = cpp_text(cpp_lines(fields, piece.vector) if inside is None else inside)
    skip = "" if whole else f"if (!L.flags_{event_name(piece, group)}[_idx]) continue;"
    lines = [*cpp_head(fields, piece), f"EACH(_idx, {len(group)}) {{ {skip}", body, "}"]
    return cpp_function(name, piece, ONE_LANE, lines)
