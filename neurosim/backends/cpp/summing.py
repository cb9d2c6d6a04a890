"""C++ of events that all go to one cell: a sum over the senders, several at a time."""

from __future__ import annotations

from brian2.codegen.generators.cpp_generator import c_data_type

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.memory import padded
from neurosim.backends.cpp.pieces import Piece
from neurosim.backends.cpp.statements import cpp_read, cpp_value

__all__ = ["sum_over_senders"]


def sum_over_senders(
    fields: Fields, piece: Piece, sizes: tuple[int, int], sender: str, receiver: str
) -> list[str]:
    """Deliver events to a population of one cell.

    A cell adds in the order of the list, four of the list at a time; with one cell alone that
    is one addition after the other. Sums over every eighth sender or so do not wait for each
    other, and are always the same ones.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    piece : Piece
        Statements of Brian2 that only add to the receiver.
    sizes : tuple of int
        Cells on the sides ``pre`` and ``post``.
    sender, receiver : {"pre", "post"}
        Which side sends, and the one with a single cell.

    Returns
    -------
    list of str
        C++ statements; ``_count`` and ``_list`` are known.
    """
    block, own, cell = piece.vector, f"_{receiver}synaptic_idx", f"_{sender}synaptic_idx"
    sums = {access.name: c_data_type(access.variable.dtype) for access in block.writes}
    known = [a for a in block.reads if a.name not in sums]
    constant = [a for a in known if a.index in (own, "0")]
    body = [
        f"const int _idx = {cell}{f' * {padded(1)}' * (sender == 'pre')};",
        *(cpp_read(a, cpp_value(fields, a)) for a in known if a not in constant),
        *(step.code for step in block.steps),
        "}",
    ]
    each = f'_Pragma("omp simd reduction(+:{", ".join(sums)})") for (int'
    everyone = sizes[0] if sender == "pre" else sizes[1]
    return [
        f"const int {own} = 0;",
        *(cpp_read(a, cpp_value(fields, a)) for a in constant),
        *(f"{ctype} {name} = 0;" for name, ctype in sums.items()),
        f"if (_count == {everyone}) {{",
        f"{each} {cell} = 0; {cell} < {everyone}; {cell}++) {{",
        *body,
        "} else {",
        f"{each} _e = 0; _e < _count; _e++) {{ const int {cell} = _list[_e];",
        *body,
        "}",
        *(f"{cpp_value(fields, a)} += {a.name};" for a in block.writes),
    ]
