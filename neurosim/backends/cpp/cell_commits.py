"""C++ of cells that gather over the images of a batch and commit once."""

from __future__ import annotations

import dataclasses

from brian2.codegen.generators.cpp_generator import c_data_type

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.pieces import Block, Piece
from neurosim.backends.cpp.statements import LOOP, cpp_function, cpp_head, cpp_lines
from neurosim.backends.cpp.synapses import ROWS_OF_LANES
from neurosim.circuit.gathering import COMMIT_NUMBERS

__all__ = ["cell_commit"]


def cell_commit(fields: Fields, name: str, gather: Piece | None, commit: Piece) -> str:
    """Add to the sums of some cells in the order of the images, then commit them.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added. Weights and sums are shared by all lanes.
    name : str
        Name of the function.
    gather : Piece or None
        What a cell adds to its sums after an image; None for a commit without sums.
    commit : Piece
        What a cell does with the sums, and that they are 0 again.

    Returns
    -------
    str
        A C++ function.
    """
    own = dataclasses.replace(
        commit, scalar=_given_numbers(commit.scalar), vector=_given_numbers(commit.vector)
    )
    changed = commit.vector.writes[0].variable
    real = c_data_type(changed.dtype)
    loop = "for (int _idx = from; _idx < to; _idx++) {"
    lines = []
    if gather is not None:
        lines += [
            "for (int _l = 0; _l < active; _l++) { Lane& L = lanes[_l]; (void)L;",
            *cpp_head(fields, gather), LOOP, loop, *cpp_lines(fields, gather.vector), "} }",
        ]  # fmt: skip
    lines += [
        "if (!commit) return;",
        *cpp_head(fields, own), LOOP, loop, *cpp_lines(fields, own.vector), "}",
    ]  # fmt: skip
    parameters = f"{ROWS_OF_LANES}, const bool commit, const {real} batch, const {real} commits"
    support = dict.fromkeys((*(gather.support if gather else ()), *own.support))
    return cpp_function(name, dataclasses.replace(own, support=tuple(support)), parameters, lines)


def _given_numbers(block: Block) -> Block:
    """A block that takes the numbers of a commit as arguments, and does not read them."""
    reads = tuple(access for access in block.reads if access.name not in COMMIT_NUMBERS)
    return dataclasses.replace(block, reads=reads)
