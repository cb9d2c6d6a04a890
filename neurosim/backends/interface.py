"""What every back end does: run a chunk of cycles on given weights.

A back end keeps no learning state of its own. Weights go in, weights come out,
so checkpoints, resuming and comparing back ends need nothing else.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit, Population, Projection, WeightPart
from neurosim.circuit.phases import phase_lengths
from neurosim.errors import CircuitError, DataError, ParameterError, near_matches

__all__ = [
    "BACKENDS",
    "CHUNK_IMAGES",
    "DTYPES",
    "Backend",
    "Chunk",
    "ChunkResult",
    "Weights",
    "check_choices",
    "join_weights",
    "split_weights",
]

#: Names of the back ends; :func:`neurosim.backends.open_backend` knows what they stand for.
BACKENDS = ("cpp", "runtime")
#: Names of the precisions of states and weights.
DTYPES = ("float32", "float64")

#: Images per run of a program, unless told otherwise: long enough that starting the program
#: does not count, short enough that progress and checkpoints come often.
CHUNK_IMAGES = 5000

#: Weight arrays by public name, each of shape (post, pre).
Weights = dict[str, NDArray[Any]]


def check_choices(*, backend: object = BACKENDS[0], dtype: object = DTYPES[0]) -> None:
    """Refuse a back end or a precision that there is not.

    Parameters
    ----------
    backend : object
        What was given for one of :data:`BACKENDS`.
    dtype : object
        What was given for one of :data:`DTYPES`.

    Raises
    ------
    ParameterError
        If one is not the name of such a thing; it names those that are.
    """
    choices = (("backend", backend, BACKENDS), ("dtype", dtype, DTYPES))
    for what, given, allowed in choices:
        # numpy.dtype equals its name, but is no word that a file could keep
        if not isinstance(given, str) or given not in allowed:
            raise ParameterError(f"unknown {what} {given!r}; {near_matches(given, allowed)}")


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Cycles to run one after the other.

    Attributes
    ----------
    inputs : mapping of str to ndarray
        Per-cycle inputs by name: (n_cycles, width) or (n_cycles,).
    weights : Weights
        Weights at the start.
    parameters : mapping of str to float
        Values of ``"population.parameter"`` or ``"projection.parameter"``
        that differ from the circuit's.
    phases : mapping of str to int
        Phase lengths in steps that differ from the circuit's; 0 leaves one out.
    learning : bool
        Whether synapses may change.
    """

    inputs: Mapping[str, NDArray[Any]]
    weights: Weights
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    phases: Mapping[str, int] = dataclasses.field(default_factory=dict)
    learning: bool = False

    @property
    def cycles(self) -> int:
        """Number of cycles."""
        return len(next(iter(self.inputs.values())))


@dataclasses.dataclass(frozen=True)
class ChunkResult:
    """What a chunk left behind.

    Attributes
    ----------
    weights : Weights
        Weights at the end.
    readouts : dict of str to ndarray
        (n_cycles, n_cells) by readout name; those of phases that were left out
        are absent.
    event_counts : dict of str to int
        Counted events, by ``"population.event"``.
    seconds : float
        Wall time of the run, without compilation.
    trajectories : dict of str to dict of str to ndarray
        What was recorded: (n_steps, n_cells) by population, then by variable; empty for
        a back end that was not asked to record.
    """

    weights: Weights
    readouts: dict[str, NDArray[Any]]
    event_counts: dict[str, int]
    seconds: float
    trajectories: dict[str, dict[str, NDArray[Any]]] = dataclasses.field(default_factory=dict)


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

    Attributes
    ----------
    circuit : Circuit
        What it runs.
    dtype : numpy.dtype
        Precision of states and weights.
    max_cycles : int
        Most cycles one chunk may have.
    build_seconds : float
        Wall time spent on generating and compiling code; 0 when a build was at hand.
    """

    def __init__(
        self, circuit: Circuit, *, dtype: str = "float32", max_cycles: int = CHUNK_IMAGES
    ) -> None:
        self.circuit = circuit
        self.dtype = np.dtype(dtype)
        self.max_cycles = max_cycles
        self.build_seconds = 0.0

    @abc.abstractmethod
    def run(self, chunk: Chunk) -> ChunkResult:
        """Run a chunk.

        Parameters
        ----------
        chunk : Chunk
            Inputs of each cycle, weights, and values that differ from the circuit's.

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
        BuildError
            If the program fails, or has no room for its files.
        """

    def run_all(self, chunks: Sequence[Chunk], *, jobs: int = 1) -> list[ChunkResult]:
        """Run chunks that do not depend on each other, up to ``jobs`` side by side.

        Parameters
        ----------
        chunks : sequence of Chunk
            What to run.
        jobs : int
            Most runs at one time; a back end inside this process ignores it.

        Returns
        -------
        list of ChunkResult
            In the order of the chunks; the same for any number of jobs.
        """
        del jobs
        return [self.run(chunk) for chunk in chunks]

    @abc.abstractmethod
    def close(self) -> None:
        """Give back files and memory; the back end cannot run afterwards.

        Closing twice is harmless.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check(self, chunk: Chunk) -> dict[str, int]:
        """Check a chunk against the circuit and return its phase lengths."""
        self._check_inputs(chunk)
        self._check_weights(chunk.weights)
        self._check_parameters(chunk.parameters)
        return phase_lengths(self.circuit, chunk.phases)

    def _check_inputs(self, chunk: Chunk) -> None:
        cycles = chunk.cycles
        if not 1 <= cycles <= self.max_cycles:
            raise DataError(f"a chunk of {cycles} images; this build runs 1 to {self.max_cycles}")
        names = [item.name for item in self.circuit.inputs]
        unknown = sorted(set(chunk.inputs) - set(names))
        if unknown:
            raise DataError(
                f"circuit {self.circuit.name!r} has no input {unknown[0]!r}; "
                f"{near_matches(unknown[0], names)}"
            )
        for item in self.circuit.inputs:
            shape = (cycles, item.width) if item.width else (cycles,)
            given = chunk.inputs.get(item.name)
            if given is None or np.shape(given) != shape:
                got = "nothing" if given is None else f"shape {np.shape(given)}"
                raise DataError(f"input {item.name!r} needs shape {shape}, got {got}")

    def _check_weights(self, weights: Weights) -> None:
        for weight in self.circuit.weights:
            given = weights.get(weight.name)
            if given is None or given.shape != weight.shape:
                got = "nothing" if given is None else f"shape {given.shape}"
                raise DataError(f"weight {weight.name!r} needs shape {weight.shape}, got {got}")

    def _check_parameters(self, parameters: Mapping[str, float]) -> None:
        for name in parameters:
            owner, _, parameter = name.partition(".")
            known: dict[str, Mapping[str, float]] = {
                population.name: population.parameters for population in self.circuit.populations
            }
            known |= {
                projection.name: projection.parameters for projection in self.circuit.projections
            }
            if parameter not in known.get(owner, {}):
                raise CircuitError(f"no parameter {name!r} in circuit {self.circuit.name!r}")

    def _parameter_values(self, chunk: Chunk) -> dict[str, float]:
        """All shared parameters of a run, by ``owner.parameter``."""
        owners: tuple[Population | Projection, ...] = (
            *self.circuit.populations,
            *self.circuit.projections,
        )
        values = {
            f"{owner.name}.{name}": value
            for owner in owners
            for name, value in owner.parameters.items()
        }
        values.update(chunk.parameters)
        return values

    def _counted_events(self) -> list[tuple[str, str]]:
        return [
            (population.name, event.name)
            for population in self.circuit.populations
            for event in population.events
            if event.counted
        ]


def split_weights(
    circuit: Circuit, weights: Weights, dtype: np.dtype[Any]
) -> dict[tuple[str, str], NDArray[Any]]:
    """Turn public arrays into flat synaptic variables, ordered by source, then target.

    Parameters
    ----------
    circuit : Circuit
        Declares which arrays there are and where they live.
    weights : Weights
        Arrays of shape (post, pre).
    dtype : numpy.dtype
        Precision of the run.

    Returns
    -------
    dict of (projection, variable) to ndarray
        Flat arrays in the synapses' order.
    """
    flat = {}
    for weight in circuit.weights:
        for part in weight.parts:
            flat[part.projection, part.variable] = _flatten(weights[weight.name], part, dtype)
    return flat


def _flatten(array: NDArray[Any], part: WeightPart, dtype: np.dtype[Any]) -> NDArray[Any]:
    if part.layout == "diagonal":
        return np.ascontiguousarray(np.diagonal(array), dtype=dtype)
    # one source's weights are one contiguous row in the synapses
    rows = np.array(array.T, dtype=dtype, order="C")
    if part.layout == "off_diagonal":
        np.fill_diagonal(rows, 0)
    return rows.ravel()


def join_weights(
    circuit: Circuit, flat: Mapping[tuple[str, str], NDArray[Any]], dtype: np.dtype[Any]
) -> Weights:
    """Inverse of :func:`split_weights`.

    Parameters
    ----------
    circuit : Circuit
        Declares which arrays there are and where they live.
    flat : mapping of (projection, variable) to ndarray
        Flat synaptic variables.
    dtype : numpy.dtype
        Precision of the result.

    Returns
    -------
    Weights
        Arrays of shape (post, pre).
    """
    weights = {}
    for weight in circuit.weights:
        post, pre = weight.shape
        total = np.zeros((post, pre), dtype=dtype)
        for part in weight.parts:
            values = flat[part.projection, part.variable]
            if part.layout == "diagonal":
                total[np.arange(post), np.arange(pre)] = values
            else:
                rows = np.asarray(values).reshape(pre, post).T
                total[...] = rows
        weights[weight.name] = total
    return weights
