"""neurosim's compiled back end."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.contender import Contender, Outcome, Runner
from benchmarks.problem import Problem
from benchmarks.stopwatch import Stopwatch
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import CHUNK_IMAGES, Chunk

__all__ = ["NeurosimRunner"]


class NeurosimRunner(Runner):
    """``CppBackend`` as ``neurosim train`` uses it: one run of the program per chunk."""

    def __init__(self, contender: Contender, problem: Problem) -> None:
        super().__init__(contender, problem)
        system = dataclasses.replace(self.problem.system, batch=contender.batch)
        self._phases = system.evaluation_phases()
        self._backend = CppBackend(system.circuit(), dtype=contender.dtype, max_cycles=CHUNK_IMAGES)

    def run(self, images: int, *, learning: bool) -> Outcome:
        """One chunk; see :class:`~benchmarks.contender.Runner`."""
        few = self.problem.head(images)
        weights = {name: array.astype(self.contender.dtype) for name, array in few.weights.items()}
        phases = {} if learning else self._phases
        batch, threads = self.contender.batch, self.contender.threads
        chunk = Chunk(few.inputs(), weights, phases=phases, learning=learning, batch=batch)
        with Stopwatch() as watch:
            result = self._backend.run(chunk, threads=threads)
        return Outcome(
            watch.seconds,
            watch.cpu_seconds,
            0.0,
            result.weights,
            np.asarray(result.readouts["answer"]),
            result.event_counts,
        )

    def close(self) -> None:
        """Let the program go."""
        self._backend.close()
