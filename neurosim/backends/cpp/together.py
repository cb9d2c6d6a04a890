"""C++ of lanes that step side by side, so that a row of synapses is fetched once for all of them.

Alone, a lane goes through all synapses of the cells that had an event before the next lane
does. Where the synapses do not fit into the processor's cache, each lane then fetches them
from memory again. Side by side, lanes deliver their events a few rows at a time. A cell adds
what it receives in the same order either way, so that no bit depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from neurosim.backends.cpp.memory import padded
from neurosim.backends.cpp.pieces import Piece
from neurosim.backends.cpp.statements import ONE_LANE, cpp_namespace, cpp_text

__all__ = ["rows_in_cache", "write_shared_signal", "write_steps"]

#: Bytes of a matrix of synapses that are worth sharing: more than a core's own cache keeps.
_WORTH_SHARING = 2**20
#: Bytes of the rows that all lanes go through before the next ones: these stay in that cache.
_TILE = 2**17


def rows_in_cache(sources: int, targets: int, real: str) -> int:
    """Rows of synapses that lanes go through together.

    Parameters
    ----------
    sources, targets : int
        Numbers of cells.
    real : {"float", "double"}
        C++ type of a weight.

    Returns
    -------
    int
        0 where all synapses fit into the cache, and nothing is to be gained.
    """
    row = padded(targets) * np.dtype({"float": np.float32, "double": np.float64}[real]).itemsize
    if sources * row < _WORTH_SHARING:
        return 0
    return max(4, _TILE // row // 4 * 4)


def write_shared_signal(
    name: str, piece: Piece, event: str, cells: int, tile: int, lines: Iterable[str]
) -> str:
    """Functions that deliver the events of one lane, and of lanes side by side.

    Parameters
    ----------
    name : str
        Name of their namespace; both are called ``run``.
    piece : Piece
        Statements of Brian2.
    event : str
        The event, as in the names of its arrays.
    cells : int
        How many cells may have it.
    tile : int
        Rows of synapses that lanes go through together.
    lines : iterable of str
        Deliver ``_count`` events of lane ``L``, whose cells are in ``_list``.

    Returns
    -------
    str
        C++.
    """
    return cpp_namespace(
        name,
        piece,
        "static inline void deliver(const Shared& S, Lane& L, const int32_t* const _list, "
        f"const int32_t _count) {{\n{cpp_text(lines)}\n}}\n"
        f"static inline void run({ONE_LANE}) {{\n"
        f"if (*L.count_{event}) deliver(S, L, L.list_{event}, *L.count_{event});\n}}\n"
        "static inline bool run(const Shared& S, Lane* const lanes, const int active) {\n"
        f"return deliver_together(lanes, active, {cells}, {tile}, [](const Lane& L) "
        f"{{ return Events{{L.list_{event}, *L.count_{event}}}; }}, "
        "[&](Lane& L, const int32_t* list, int32_t count) { deliver(S, L, list, count); });\n}",
    )


def write_steps(name: str, functions: Iterable[str], shared: frozenset[str]) -> str:
    """Part of a time step: of one lane, and of lanes side by side.

    Parameters
    ----------
    name : str
        Name of both functions.
    functions : iterable of str
        What runs, in order.
    shared : frozenset of str
        Those that deliver the events of several lanes in one go.

    Returns
    -------
    str
        C++; the second function says whether events were delivered so.
    """
    alone, together, open_loop = [], [], False
    for function in functions:
        alone.append(f"{function}::run(S, L);")
        if (function in shared) == open_loop:
            together.append("}" if open_loop else "for (int l = 0; l < active; l++) {")
            open_loop = not open_loop
        together.append(
            f"shared |= {function}::run(S, lanes, active);"
            if function in shared
            else f"{function}::run(S, lanes[l]);"
        )
    body = "\n    ".join([*together, "}" * open_loop])
    return (
        f"static void {name}({ONE_LANE}) {{\n    " + "\n    ".join(alone) + "\n}\n"
        f"static bool {name}(const Shared& S, Lane* const lanes, const int active) {{\n"
        f"    bool shared = false;\n    {body}\n    return shared;\n}}"
    )
