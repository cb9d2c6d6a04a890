"""The interface of all back ends: run a chunk of cycles on given weights.

A back end keeps no learning state of its own. Weights go in, weights come out,
so checkpoints, resuming and comparing back ends need nothing else.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from neurosim.backends.chunks import Chunk, ChunkResult
from neurosim.backends.weights import Weights
from neurosim.circuit import Circuit

__all__ = ["CHUNK_IMAGES", "DTYPES", "Backend", "Chunk", "ChunkResult", "Weights"]

#: Names of the precisions of states and weights.
DTYPES = ("float32", "float64")

#: Default number of images per run: enough that the start of a program does not count, few
#: enough that progress and checkpoints come often.
CHUNK_IMAGES = 5000


class Backend(abc.ABC):
    """Runs chunks of one circuit.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Most cycles one chunk may have.
    record : mapping of str to iterable of str, optional
        Variables to record in every step, by population.
    cells : mapping of str to sequence of int, optional
        Numbers of the cells recorded, by population; all cells where not given.

    Attributes
    ----------
    features : frozenset of str
        What sets back ends apart, for those who would otherwise ask for a name:
        ``"compiled"`` (a program is made before the first run; it records all cells of a
        population, whichever are kept), ``"side by side"`` (several images are in flight
        at a time, and several threads share them), ``"records"`` (gives trajectories),
        ``"records learning"`` (also while it learns, and then learns the same, bit for bit).
    circuit : Circuit
        What it runs.
    dtype : numpy.dtype
        Precision of states and weights.
    max_cycles : int
        Most cycles one chunk may have.
    build_seconds : float
        Wall time spent on generating and compiling code; 0 when a build was at hand.

    Notes
    -----
    ``run`` may be called from any number of threads and after a fork. A copy or a pickle
    carries the description only, and opens a back end of its own.
    """

    features: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        circuit: Circuit,
        *,
        dtype: str = "float32",
        max_cycles: int = CHUNK_IMAGES,
        record: Mapping[str, Iterable[str]] | None = None,
        cells: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.circuit = circuit
        self.dtype = np.dtype(dtype)
        self.max_cycles = max_cycles
        self.build_seconds = 0.0
        self._record = {name: list(variables) for name, variables in (record or {}).items()}
        self._cells = {name: [int(cell) for cell in cs] for name, cs in (cells or {}).items()}

    @classmethod  # noqa: B027 - most take every circuit
    def check_circuit(cls, circuit: Circuit, *, batch: int | None = None) -> None:
        """Refuse a circuit that this back end cannot run on any machine.

        Parameters
        ----------
        circuit : Circuit
            What to run; nothing is built.
        batch : int, optional
            Images between two commits, if it is to learn.

        Raises
        ------
        CircuitError
            Names the part that it cannot run, and what to do.
        ParameterError
            If it cannot learn batches of this length.
        """

    @classmethod  # noqa: B027 - some need nothing
    def check_machine(cls) -> None:
        """Refuse a machine that lacks what this back end needs.

        Raises
        ------
        BuildError
            Names what is missing, and what to do.
        """

    @abc.abstractmethod
    def run(self, chunk: Chunk, *, lanes: int | None = None, threads: int = 1) -> ChunkResult:
        """Run a chunk.

        Parameters
        ----------
        chunk : Chunk
            Inputs of each cycle, weights, and values that differ from the circuit's.
        lanes : int, optional
            Most images in flight at a time; by default as many as are fast.
        threads : int
            Threads that share the work. Results do not depend on lanes and threads; only
            a back end that runs ``"side by side"`` heeds them.

        Returns
        -------
        ChunkResult
            Weights at the end, readouts and event counts.

        Raises
        ------
        DataError
            If an input or a weight is missing, unknown or of another shape.
        CircuitError
            If a parameter or a phase is unknown, or Brian2 finds a mistake in an equation.
        ParameterError
            If lanes or threads are no whole number of 1 or more, or the lanes need more
            memory than there is.
        BuildError
            If the back end is closed, the program fails, or there is no room for its files.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give back files and memory; the back end cannot run afterwards.

        Closing twice is harmless, and so is closing while copies are open.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _options(self) -> dict[str, Any]:
        """Keyword arguments that open the same back end again."""
        return {
            "dtype": self.dtype.name,
            "max_cycles": self.max_cycles,
            "record": self._record,
            "cells": self._cells,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(type(self), **self._options()), (self.circuit,)
