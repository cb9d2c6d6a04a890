"""What a synaptic operation costs in each wiring: ``python -m benchmarks.wirings``.

One projection from an image of 3 x 32 x 32 carries rates up, carries errors back through
the same weights, and learns in batches. A run without it, without the errors and without
learning, in as many lanes, is subtracted, and so is what a run costs beside its images.
Rounds take turns, so that a machine that slows down does so for all. Times are those of the
processor.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.backends.interface import Backend
from neurosim.circuit import (
    Blocks,
    Circuit,
    Convolution,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    RandomFraction,
    Readout,
    Windows,
    reset_action,
)

__all__ = ["PARTS", "WIRINGS", "circuit", "main", "measure"]

IMAGE = (3, 32, 32)
LOCAL = Windows(IMAGE, 32, 5, padding=2)
TIED = Convolution(IMAGE, 32, 5, padding=2)
#: Wirings by what the table calls them, with the cells of the target.
WIRINGS: dict[str, tuple[Any, int]] = {
    "all to all, 500 cells": ("all_to_all", 500),
    "all to all, 768 cells": ("all_to_all", 768),
    "local windows 5 x 5, 32 channels": (LOCAL, math.prod(LOCAL.out_shape)),
    "convolution 5 x 5, 32 channels": (TIED, math.prod(TIED.out_shape)),
    "random half of all to all, 500 cells": (RandomFraction("all_to_all", 0.5, 1), 500),
    "random half of the local windows": (RandomFraction(LOCAL, 0.5, 1), math.prod(LOCAL.out_shape)),
    "random half of the convolution": (RandomFraction(TIED, 0.5, 1), math.prod(TIED.out_shape)),
    "random 5 % of all to all, 500 cells": (RandomFraction("all_to_all", 0.05, 1), 500),
    "12 blocks, 768 cells": (Blocks(12), 768),
}
PARTS = ("up", "back", "learning, batch 20", "learning, batch 1")

CELL = "r : 1\nd : 1\n"
TARGET = "s : 1\nreplies : 1 (shared, constant)\n"


def circuit(wiring: Any, cells: int, *, joined: bool = True) -> Circuit:
    """An image and cells that one projection joins, or none.

    Parameters
    ----------
    wiring : str or Wiring
        Of the projection.
    cells : int
        Of the target.
    joined : bool
        Whether there is the projection.

    Returns
    -------
    Circuit
        Two steps per image: up, then back.
    """
    pixels = math.prod(IMAGE)
    shown = reset_action(CELL, r="stimulus(cycle_time, i)")
    source = Population("image", pixels, CELL, (
        Event("onset", "onset", "onset", shown),
        Event("spike", "onset and r > 0", "sense", counted="spikes"),
        Event("learn", "end_show and learning and r > 0", "learn"),
    ))  # fmt: skip
    target = Population("cells", cells, TARGET, (
        Event("onset", "onset", "onset", reset_action(TARGET)),
        Event("reply", "phase_step == 1 and replies > 0", "send", counted="replies"),
        Event("end", "end_show", "phase_end"),
    ), {"replies": 0})  # fmt: skip
    pathways = (
        Pathway("up", "spike", "s_post += w*r_pre"),
        Pathway("back", "reply", "d_pre += w*s_post", side="post"),
        Pathway("learn", "learn", "g += s_post*r_pre", learns=True),
    )
    projection = Projection("synapses", "image", "cells", "w : 1\ng : 1", pathways, wiring,
                            weight="W", commit="w += 1e-9/batch*g")  # fmt: skip
    return Circuit(
        name="wirings", dt=1.0, phases=(Phase("show", 2),),
        inputs=(CycleInput("stimulus", pixels),), populations=(source, target),
        projections=(projection,) if joined else (), answer="s",
        readouts=(Readout("s", "cells", "end", "s"),),
    )  # fmt: skip


class _Contender:
    """A wiring, compiled, and its times."""

    def __init__(self, wiring: Any, cells: int, images: int) -> None:
        made = circuit(wiring, cells)
        rng = np.random.default_rng(0)
        # half of the pixels are silent
        shown = np.maximum(rng.uniform(-1, 1, (images, math.prod(IMAGE))), 0)
        self.inputs = {"stimulus": shown.astype(np.float32)}
        self.weights = {"W": rng.normal(size=made.weight("W").shape).astype(np.float32)}
        fans = made.fans(made.projection("synapses"), "pre")
        self.synapses = int(fans.sum())
        self.images, self.few = images, 20
        #: Synapses reached per image, on average over those that count.
        self.reached = float((shown[self.few :] > 0).mean(axis=0) @ fans)
        self.joined = self._open(made)
        self.alone = self._open(circuit(wiring, cells, joined=False))
        self.times: dict[str, list[float]] = {part: [] for part in PARTS}
        # a first run finds out where synapses lie, which later ones know
        for backend in (self.joined, self.alone):
            self._run(backend)

    def _open(self, made: Circuit) -> Backend:
        return open_backend("cpp", made, dtype="float32", max_cycles=self.images)

    def _run(
        self, backend: Backend, *, lanes: int = 1, learning: bool = False, replies: int = 0
    ) -> float:
        """Processor time per image: what a run of all takes more than one of a few."""
        weights = self.weights if backend is self.joined else {}
        seconds = []
        for images in (self.few, self.images):
            inputs = {name: array[:images] for name, array in self.inputs.items()}
            chunk = Chunk(inputs, weights, {"cells.replies": replies}, learning=learning,
                          batch=lanes if learning else 1)  # fmt: skip
            started = time.process_time()
            backend.run(chunk, lanes=None if learning else lanes)
            seconds.append(time.process_time() - started)
        return (seconds[1] - seconds[0]) / (self.images - self.few)

    def turn(self) -> None:
        """Measure each part once, in nanoseconds per synaptic operation."""
        nothing, up = self._run(self.alone), self._run(self.joined)
        back = self._run(self.joined, replies=1)
        self.times["up"].append(1e9 * (up - nothing) / self.reached)
        self.times["back"].append(1e9 * (back - up) / self.synapses)
        for batch in (20, 1):
            learnt = self._run(self.joined, lanes=batch, learning=True)
            shown = self._run(self.joined, lanes=batch)
            self.times[f"learning, batch {batch}"].append(1e9 * (learnt - shown) / self.reached)


def measure(images: int, rounds: int, words: str = "") -> dict[str, dict[str, float]]:
    """Times of wirings.

    Parameters
    ----------
    images : int
        Per run.
    rounds : int
        Runs of each.
    words : str
        Only wirings whose name has these words.

    Returns
    -------
    dict of str to dict of str to float
        Median nanoseconds per synaptic operation by wiring and part, and ``"synapses"``.
    """
    contenders = {
        name: _Contender(*given, images) for name, given in WIRINGS.items() if words in name
    }
    for _ in range(rounds):
        for contender in contenders.values():
            contender.turn()
    return {
        name: {"synapses": one.synapses} | {p: statistics.median(t) for p, t in one.times.items()}
        for name, one in contenders.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line by default.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wirings", description=__doc__)
    parser.add_argument("--images", type=int, default=120, help="images per run")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each wiring")
    parser.add_argument("--only", default="", help="wirings whose name has these words")
    given = parser.parse_args(arguments)
    print(f"| wiring | synapses | {' | '.join(PARTS)} |")
    print("| --- |" + " ---: |" * (len(PARTS) + 1))
    for name, found in measure(given.images, given.rounds, given.only).items():
        times = " | ".join(f"{found[part]:.3f}" for part in PARTS)
        print(f"| {name} | {int(found['synapses'])} | {times} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
