"""How many images are in flight: lanes, which share weights, and threads, which share lanes."""

from __future__ import annotations

import os

from neurosim.backends.chunks import Chunk
from neurosim.errors import ParameterError

__all__ = ["check_lane_memory", "check_lanes", "images_in_flight"]

#: Lanes of a thread that evaluates with others: images differ in length of work, so a
#: thread that is done takes the next lane.
_LANES_PER_THREAD = 8
#: Lanes of a thread that evaluates side by side: what they share is fetched once for all.
_SIDE_BY_SIDE = 16


def check_lanes(lanes: int | None, threads: int) -> None:
    """Refuse lanes and threads that are no whole number of 1 or more.

    Parameters
    ----------
    lanes : int or None
        Most images in flight; None for as many as are fast.
    threads : int
        Threads that share them.

    Raises
    ------
    ParameterError
        Names the one that is wrong.
    """
    for name, number in (("lanes", 1 if lanes is None else lanes), ("threads", threads)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ParameterError(f"{name} = {number!r}: give a whole number of 1 or more")


def images_in_flight(
    chunk: Chunk,
    lanes: int | None,
    threads: int,
    *,
    in_order: bool = False,
    meets: bool = False,
    shares_rows: bool = False,
) -> int:
    """Lanes of a run.

    Parameters
    ----------
    chunk : Chunk
        What is run.
    lanes : int or None
        Most images in flight, if someone asked for a number.
    threads : int
        Threads that share them.
    in_order : bool
        Whether learning must see the images one after the other, because events of cells
        set what lasts from image to image: then one is in flight, whatever was asked for.
    meets : bool
        Whether the images of a batch meet when it is learnt: then all of them are in flight,
        whatever was asked for.
    shares_rows : bool
        Whether lanes side by side are faster than one after the other.

    Returns
    -------
    int
        By default all images of a batch where a chunk learns, since its sums then need no
        memory of their own; one where a single thread evaluates, which keeps that lane in
        its cache, unless lanes gain from each other. Never more than there are images that
        may be in flight together.
    """
    if in_order and chunk.learning:
        return 1
    together = min(chunk.batch, chunk.cycles) if chunk.learning else chunk.cycles
    if meets and chunk.learning:
        return together
    if lanes is not None:
        usual = lanes
    elif chunk.learning:
        usual = chunk.batch
    elif shares_rows:
        usual = _SIDE_BY_SIDE * threads
    else:
        usual = 1 if threads == 1 else _LANES_PER_THREAD * threads
    return min(usual, together)


def check_lane_memory(lanes: int, lane_bytes: int) -> None:
    """Refuse lanes that this machine's memory cannot hold.

    Parameters
    ----------
    lanes : int
        Images in flight.
    lane_bytes : int
        Size of one lane.

    Raises
    ------
    ParameterError
        Says how many fit.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if lanes * lane_bytes > memory:
        raise ParameterError(
            f"{lanes} lanes of {lane_bytes / 2**20:.1f} MiB each do not fit into this machine's "
            f"{memory / 2**30:.1f} GiB of memory; give lanes={memory // (2 * lane_bytes)} or fewer"
        )
