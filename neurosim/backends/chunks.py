"""What goes into a run and what comes out of it, and the check that both fit the circuit."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.weights import Weights
from neurosim.circuit import Circuit, Population, Projection
from neurosim.circuit.gathering import learning_parts, learns_at_once
from neurosim.circuit.kept import kept_by_events
from neurosim.circuit.phases import phase_lengths
from neurosim.errors import CircuitError, DataError, ParameterError, counted, near_matches

__all__ = [
    "Chunk",
    "ChunkResult",
    "check_batch",
    "check_chunk",
    "check_learning_parts",
    "circuit_parameters",
    "counted_events",
    "event_totals",
    "frozen_parts",
    "log_run",
    "parameter_values",
]

log = logging.getLogger("neurosim")


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
    batch : int
        Images between two commits; the last batch of a chunk may be smaller. Learning
        that changes weights at once takes batches of 1.
    commits : int
        Commits made before this chunk; rules such as Adam's count them.
    noise_key : tuple of two int
        Stands for seed and epoch in the noise of the circuit; from 0 to 2^32 - 1.
    first_image : int
        Number of the first image in its epoch, for the noise of the circuit.
    learns : tuple of str or None
        Projections and populations that learn if ``learning``; the others keep their weights
        and states, bit for bit. None for all.
    """

    inputs: Mapping[str, NDArray[Any]]
    weights: Weights
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    phases: Mapping[str, int] = dataclasses.field(default_factory=dict)
    learning: bool = False
    batch: int = 1
    commits: int = 0
    noise_key: tuple[int, int] = (0, 0)
    first_image: int = 0
    learns: tuple[str, ...] | None = None

    @property
    def cycles(self) -> int:
        """Number of cycles."""
        return len(next(iter(self.inputs.values())))


@dataclasses.dataclass(frozen=True)
class ChunkResult:
    """Result of one chunk.

    Attributes
    ----------
    weights : Weights
        Weights at the end.
    readouts : dict of str to ndarray
        (n_cycles, n_cells) by readout name; those of phases that were left out
        are absent.
    event_counts : dict of str to int
        Counted events, by ``"population.event"``; and where cells differ in how many
        synapses they reach, the synapses reached, by ``"projection.pathway"``.
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


def check_chunk(circuit: Circuit, chunk: Chunk, max_cycles: int) -> dict[str, int]:
    """Check that a chunk fits a circuit.

    Parameters
    ----------
    circuit : Circuit
        What would run it.
    chunk : Chunk
        What to run.
    max_cycles : int
        Most cycles the back end runs at once.

    Returns
    -------
    dict of str to int
        Length of every phase in steps.

    Raises
    ------
    DataError
        If an input or a weight is missing, unknown or of another shape.
    CircuitError
        If a parameter, a phase or a part that learns is unknown, or a rule cannot learn in
        batches.
    ParameterError
        If the batch is no number of images.
    """
    _check_inputs(circuit, chunk, max_cycles)
    _check_weights(circuit, chunk.weights)
    if chunk.learning:
        check_batch(circuit, chunk.batch)
        check_learning_parts(circuit, chunk.learns)
    known = circuit_parameters(circuit)
    for name in chunk.parameters:
        if name not in known:
            raise CircuitError(
                f"no parameter {name!r} in circuit {circuit.name!r}; {near_matches(name, known)}"
            )
    return phase_lengths(circuit, chunk.phases)


def _check_inputs(circuit: Circuit, chunk: Chunk, max_cycles: int) -> None:
    cycles = chunk.cycles if chunk.inputs else 0
    if not 1 <= cycles <= max_cycles:
        raise DataError(f"a chunk of {counted(cycles, 'image')}; this build runs 1 to {max_cycles}")
    names = [item.name for item in circuit.inputs]
    unknown = sorted(set(chunk.inputs) - set(names))
    if unknown:
        raise DataError(
            f"circuit {circuit.name!r} has no input {unknown[0]!r}; "
            f"{near_matches(unknown[0], names)}"
        )
    for item in circuit.inputs:
        shape = (cycles, item.width) if item.width else (cycles,)
        given = chunk.inputs.get(item.name)
        if given is None or np.shape(given) != shape:
            got = "nothing" if given is None else f"shape {np.shape(given)}"
            raise DataError(f"input {item.name!r} needs shape {shape}, got {got}")


def check_batch(circuit: Circuit, batch: int) -> None:
    """Refuse a batch that a circuit cannot learn.

    Parameters
    ----------
    circuit : Circuit
        What learns.
    batch : int
        Images between two commits.

    Raises
    ------
    ParameterError
        If it is no whole number of 1 or more.
    CircuitError
        If a rule changes weights at once and the batch is larger than 1.
    """
    if not isinstance(batch, (int, np.integer)) or isinstance(batch, bool) or batch < 1:
        raise ParameterError(f"batch = {batch!r}: give a whole number of images, 1 or more")
    direct = learns_at_once(circuit)
    if batch > 1 and direct:
        raise CircuitError(
            f"a batch of {batch} images needs rules that gather and commit, but {direct[0]}, or "
            "batches of 1"
        )


def check_learning_parts(circuit: Circuit, learns: tuple[str, ...] | None) -> None:
    """Refuse a choice of what learns that a circuit does not offer.

    Parameters
    ----------
    circuit : Circuit
        What learns.
    learns : tuple of str or None
        Projections and populations; None for all.

    Raises
    ------
    CircuitError
        If a name is none of a part that learns, or events of cells set what they keep, which
        cannot be held back.
    """
    if learns is None:
        return
    known = learning_parts(circuit)
    for name in learns:
        if name not in known:
            raise CircuitError(
                f"no part {name!r} of circuit {circuit.name!r} learns; {near_matches(name, known)}"
            )
    set_at_once = kept_by_events(circuit)
    if set_at_once:
        raise CircuitError(
            f"events of the cells set {set_at_once[0]} at once, so a choice of what learns cannot "
            "hold it back; let a commit of the population set it, or let all parts learn "
            "(learns=None)"
        )


def frozen_parts(circuit: Circuit, chunk: Chunk) -> tuple[str, ...]:
    """Parts of a circuit that could learn and do not in a run.

    Parameters
    ----------
    circuit : Circuit
        Declares them.
    chunk : Chunk
        Says which ones learn.

    Returns
    -------
    tuple of str
        Names of projections and populations.
    """
    if chunk.learns is None:
        return ()
    return tuple(name for name in learning_parts(circuit) if name not in chunk.learns)


def _check_weights(circuit: Circuit, weights: Weights) -> None:
    for weight in circuit.weights:
        given = weights.get(weight.name)
        if given is None or given.shape != weight.shape:
            got = "nothing" if given is None else f"shape {given.shape}"
            raise DataError(f"weight {weight.name!r} needs shape {weight.shape}, got {got}")


def circuit_parameters(circuit: Circuit) -> dict[str, float]:
    """Shared parameters of all populations and projections.

    Parameters
    ----------
    circuit : Circuit
        Declares them.

    Returns
    -------
    dict of str to float
        Values by ``"owner.parameter"``.
    """
    owners: tuple[Population | Projection, ...] = (*circuit.populations, *circuit.projections)
    return {
        f"{owner.name}.{name}": value
        for owner in owners
        for name, value in owner.parameters.items()
    }


def parameter_values(circuit: Circuit, chunk: Chunk) -> dict[str, float]:
    """Shared parameters of a run: those of the circuit, changed as the chunk says.

    Parameters
    ----------
    circuit : Circuit
        Declares them.
    chunk : Chunk
        Holds the values that differ.

    Returns
    -------
    dict of str to float
        Values by ``"owner.parameter"``.
    """
    return {**circuit_parameters(circuit), **chunk.parameters}


def counted_events(circuit: Circuit) -> list[tuple[str, str]]:
    """Events whose number a run reports.

    Parameters
    ----------
    circuit : Circuit
        Declares them.

    Returns
    -------
    list of (population, event)
        Names, in the order of the circuit.
    """
    return [
        (population.name, event.name)
        for population in circuit.populations
        for event in population.events
        if event.counted
    ]


def event_totals(
    circuit: Circuit, counts: Mapping[tuple[str, str], NDArray[np.integer[Any]]]
) -> dict[str, int]:
    """Totals that a run reports, from the events of every cell.

    Parameters
    ----------
    circuit : Circuit
        Knows how many synapses an event of each cell reaches.
    counts : mapping of (population, event) to ndarray of int, shape (n_cells,)
        For each of :func:`counted_events`.

    Returns
    -------
    dict of str to int
        As :attr:`ChunkResult.event_counts`.
    """
    totals = {f"{cells}.{event}": int(count.sum()) for (cells, event), count in counts.items()}
    for projection in circuit.projections:
        if isinstance(projection.wiring, str):
            # every cell reaches as many
            continue
        for pathway in projection.pathways:
            if not pathway.learns:
                sender = projection.source if pathway.side == "pre" else projection.target
                reached = circuit.fans(projection, pathway.side)
                count = counts[sender, pathway.event].astype(np.int64)
                totals[f"{projection.name}.{pathway.name}"] = int(count @ reached)
    return totals


def log_run(backend: str, chunk: Chunk, seconds: float, how: str = "") -> None:
    """Tell, in detail, what was run and how long it took.

    Parameters
    ----------
    backend : str
        Name of the back end.
    chunk : Chunk
        What was run.
    seconds : float
        Wall time of the run.
    how : str
        Lanes, threads or the like.
    """
    learnt = f"learnt, batches of {chunk.batch}" if chunk.learning else "shown"
    log.debug(
        "%s: %s %s in %.2f s%s",
        backend,
        counted(chunk.cycles, "image"),
        learnt,
        seconds,
        how and f", {how}",
    )
