"""Files through which a compiled program is given a chunk and gives back its results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.chunks import Chunk, ChunkResult, counted_events, parameter_values
from neurosim.backends.weights import Weights, join_weights, split_weights
from neurosim.circuit import Circuit
from neurosim.circuit.readouts import noted_readouts
from neurosim.errors import BuildError

__all__ = ["JobFiles"]


class JobFiles:
    """Input and result files of one run.

    Parameters
    ----------
    folder : Path
        Where they lie; made if absent. Files of an earlier run are written over.
    circuit : Circuit
        What runs.
    dtype : numpy.dtype
        Precision of the weights.
    manifest : mapping
        Says in which file the program leaves what; see
        :mod:`neurosim.backends.cpp.generate`.
    """

    def __init__(
        self, folder: Path, circuit: Circuit, dtype: np.dtype[Any], manifest: Mapping[str, Any]
    ) -> None:
        self._folder = folder
        self._circuit = circuit
        self._dtype = dtype
        self._manifest = manifest

    # ------------------------------------------------------------ before the run

    def write(self, chunk: Chunk, lengths: Mapping[str, int], max_cycles: int) -> list[str]:
        """Write the inputs of a run.

        Parameters
        ----------
        chunk : Chunk
            What to run.
        lengths : mapping of str to int
            Phase lengths in steps.
        max_cycles : int
            Rows of each input that the program reads.

        Returns
        -------
        list of str
            Arguments of the program.

        Raises
        ------
        BuildError
            If there is no room.
        """
        results = self._folder / "results"
        try:
            results.mkdir(parents=True, exist_ok=True)
            return [
                *("--results_dir", f"{results}/"),
                *self._input_arguments(chunk, max_cycles),
                *self._weight_arguments(chunk.weights),
                *self._value_arguments(chunk, lengths),
            ]
        except OSError as error:
            raise self._no_room(
                f"cannot write the input of a run to {self._folder} ({error})"
            ) from error

    def _input_arguments(self, chunk: Chunk, max_cycles: int) -> Iterator[str]:
        read = self._manifest["inputs"]
        for item in (item for item in self._circuit.inputs if item.name in read):
            rows = max_cycles * max(item.width, 1)
            path = self._folder / f"input_{item.name}"
            values = np.ascontiguousarray(chunk.inputs[item.name], dtype=np.float64)
            # in place of what the last run left: new memory costs more than the copying
            with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "wb") as file:
                # not values.tofile, which does not tell when the disk is full
                file.write(values.data)
                # the program reads a file of full length and uses the first rows
                file.truncate(rows * values.itemsize)
            yield f"{read[item.name]}.values={path}"

    def _weight_arguments(self, weights: Weights) -> Iterator[str]:
        flat = split_weights(self._circuit, weights, self._dtype)
        for (projection, variable), values in flat.items():
            path = self._folder / f"weight_{projection}_{variable}"
            path.write_bytes(values.data)
            yield f"{projection}.{variable}={path}"

    def _value_arguments(self, chunk: Chunk, lengths: Mapping[str, int]) -> Iterator[str]:
        for name, value in parameter_values(self._circuit, chunk).items():
            yield f"{name}={float(value)!r}"
        for phase, steps in lengths.items():
            yield f"rhythm.steps_{phase}={steps}"
        yield f"rhythm.learning={chunk.learning}"

    # ------------------------------------------------------------ after the run

    def read(
        self,
        cycles: int,
        lengths: Mapping[str, int],
        cells: Mapping[str, Sequence[int]],
    ) -> ChunkResult:
        """Read what the program left.

        Parameters
        ----------
        cycles : int
            Cycles of the run.
        lengths : mapping of str to int
            Phase lengths in steps.
        cells : mapping of str to sequence of int
            Cells of each population whose recording is kept; all where not given.

        Returns
        -------
        ChunkResult
            All results; the wall time is the caller's to fill in.

        Raises
        ------
        BuildError
            If a file is missing or too short.
        """
        return ChunkResult(
            weights=self._weights(),
            readouts=self._readouts(cycles, lengths),
            event_counts=self._event_counts(),
            seconds=0.0,
            trajectories=self._trajectories(cycles * sum(lengths.values()), cells),
        )

    def _weights(self) -> Weights:
        places = self._manifest["weights"]
        flat = {}
        for part in (part for weight in self._circuit.weights for part in weight.parts):
            projection = self._circuit.projection(part.projection)
            count = self._size(projection.source) * self._circuit.fan_out(projection)
            place = places[f"{part.projection}.{part.variable}"]
            flat[part.projection, part.variable] = self._values(place, count)
        return join_weights(self._circuit, flat, self._dtype)

    def _readouts(self, cycles: int, lengths: Mapping[str, int]) -> dict[str, NDArray[Any]]:
        places = self._manifest["readouts"]
        return {
            readout.name: self._values(
                places[readout.name], cycles * self._size(readout.population)
            ).reshape(cycles, -1)
            for readout in noted_readouts(self._circuit, lengths)
        }

    def _event_counts(self) -> dict[str, int]:
        places = self._manifest["counters"]
        counts = {}
        for population, event in counted_events(self._circuit):
            name = f"{population}.{event}"
            counts[name] = int(self._values(places[name], self._size(population)).sum())
        return counts

    def _trajectories(
        self, steps: int, cells: Mapping[str, Sequence[int]]
    ) -> dict[str, dict[str, NDArray[Any]]]:
        return {
            population: {
                variable: self._values(place, steps * self._size(population)).reshape(steps, -1)[
                    :, cells.get(population, slice(None))
                ]
                for variable, place in places.items()
            }
            for population, places in self._manifest["monitors"].items()
        }

    def _size(self, population: str) -> int:
        return self._circuit.population(population).size

    def _values(self, place: list[str], count: int) -> NDArray[Any]:
        filename, dtype = place
        path = self._folder / "results" / filename
        values = np.fromfile(path, dtype=dtype) if path.exists() else np.empty(0, dtype)
        if values.size != count:
            raise self._no_room(
                f"the compiled program left {values.size} of {count} values in {path}"
            )
        return values

    def _no_room(self, what: str) -> BuildError:
        try:
            free = shutil.disk_usage(self._folder.parent).free / 2**20
            room = f"the disk has {free:.0f} MiB free"
        except OSError:
            room = "the folder is gone"
        return BuildError(f"{what}; {room}, make room or set TMPDIR elsewhere")
