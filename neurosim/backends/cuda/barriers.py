"""Where the threads of a block have to wait for each other.

Every function of a time step says what it reads and writes, and whether each thread keeps
to its own cells. A barrier stands where a thread could otherwise meet what another one
wrote or still reads. What only happens in some steps stands in a branch that all threads
take alike.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from itertools import groupby

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.pieces import Access, Piece

__all__ = ["BARRIER", "Touched", "Work", "touched_by", "with_barriers"]

#: C++ of a barrier.
BARRIER = "SYNC();"


@dataclasses.dataclass(frozen=True)
class Touched:
    """Arrays of a lane that a function touches.

    Attributes
    ----------
    own_reads, own_writes : frozenset of str
        Each thread touches the entries of its own cells only.
    reads, writes : frozenset of str
        A thread may touch any entry.
    """

    own_reads: frozenset[str] = frozenset()
    own_writes: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    def __or__(self, other: Touched) -> Touched:
        return Touched(
            *(mine | yours for mine, yours in zip(_sets(self), _sets(other), strict=True))
        )

    def conflicts(self, later: Touched) -> bool:
        """Whether threads that are done with this must wait before they do something else.

        Parameters
        ----------
        later : Touched
            What comes next.

        Returns
        -------
        bool
            True if one of the two writes an array that the other touches, unless both keep
            to the cells of the thread.
        """
        everything = [frozenset().union(*_sets(part)) for part in (self, later)]
        mine, its = self.own_writes | self.writes, later.own_writes | later.writes
        shared = (mine & everything[1]) | (its & everything[0])
        apart = self.reads | self.writes | later.reads | later.writes
        return bool(shared & apart)


def _sets(touched: Touched) -> tuple[frozenset[str], ...]:
    return touched.own_reads, touched.own_writes, touched.reads, touched.writes


@dataclasses.dataclass(frozen=True)
class Work:
    """One function of a time step.

    Attributes
    ----------
    call : str
        C++ that calls it.
    touched : Touched
        What it reads and writes.
    gate : str
        C++ condition under which it is needed; empty for always.
    """

    call: str
    touched: Touched
    gate: str = ""


def touched_by(fields: Fields, piece: Piece, own: str) -> Touched:
    """Arrays of a lane that a piece of code touches.

    Parameters
    ----------
    fields : Fields
        Arrays of the program.
    piece : Piece
        Statements of Brian2.
    own : str
        Index that runs over the cells of a thread; empty if there is none.

    Returns
    -------
    Touched
        Without the piece's event.
    """
    blocks = (piece.scalar, piece.vector)
    reads = [access for block in blocks for access in block.reads]
    writes = [access for block in blocks for access in block.writes]
    return Touched(
        _names(fields, reads, own, True),
        _names(fields, writes, own, True),
        _names(fields, reads, own, False),
        _names(fields, writes, own, False),
    )


def _names(fields: Fields, accesses: Iterable[Access], own: str, kept: bool) -> frozenset[str]:
    places = (
        fields.place(access.variable)
        for access in accesses
        if access.variable.name not in ("i", "_synaptic_pre", "_synaptic_post")
        and (access.index == own) is kept
    )
    # what lanes share does not change within a step
    return frozenset(place.removeprefix("L.") for place in places if place.startswith("L."))


def with_barriers(works: Iterable[Work], before: Touched = Touched()) -> tuple[list[str], Touched]:
    """Calls in order, with branches for gates, and barriers where they are needed.

    Parameters
    ----------
    works : iterable of Work
        In the order of the time step.
    before : Touched
        What was touched since the last barrier.

    Returns
    -------
    lines : list of str
        C++ statements.
    after : Touched
        What was touched since the last barrier.
    """
    lines: list[str] = []
    pending = before
    for gate, group in groupby(works, key=lambda work: work.gate):
        if not gate:
            inside, pending = _straight(group, pending)
            lines += inside
            continue
        asked = Touched(reads=frozenset(re.findall(r"\bL\.(\w+)", gate)))
        if pending.conflicts(asked):
            lines.append(BARRIER)
            pending = Touched()
        pending |= asked
        inside, taken = _straight(group, pending)
        lines += [f"if ({gate}) {{", *inside, "}"]
        pending |= taken
    return lines, pending


def _straight(works: Iterable[Work], pending: Touched) -> tuple[list[str], Touched]:
    lines = []
    for work in works:
        if pending.conflicts(work.touched):
            lines.append(BARRIER)
            pending = Touched()
        lines.append(work.call)
        pending |= work.touched
    return lines, pending
