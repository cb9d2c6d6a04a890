"""Cycles that show images without learning: evaluations, recordings and analyses share them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.interface import Chunk, Weights
from neurosim.circuit import Circuit
from neurosim.circuit.phases import phase_lengths
from neurosim.errors import DataError, brief, near_matches
from neurosim.system import System
from neurosim.system.drawing import drawn_inputs, evaluation_inputs, noise_key

__all__ = ["Network", "Presentation", "plan_presentation", "presentation_chunks"]


_EXAMPLES = {
    "inputs": "{'beta': -1.0}",
    "phases": "{'nudged': 0}",
    "parameters": "{'cells.tau': 0.01}",
}


class Weighted(Protocol):
    """Weights by name."""

    def arrays(self) -> Weights:
        """The arrays themselves."""
        ...


class Network(Protocol):
    """What is needed of a network to show it images; a ``Simulator`` has it all."""

    system: System
    circuit: Circuit
    dtype: str
    seed: int

    @property
    def weights(self) -> Weighted:
        """Its weights."""
        ...


@dataclasses.dataclass(frozen=True)
class Presentation:
    """How images are shown without learning.

    Attributes
    ----------
    phases : dict of str to int
        Steps of every phase; 0 for one that is left out.
    inputs : dict of str to float
        Value of every scalar input, the same for all images.
    parameters : dict of str to float
        Shared parameters that differ from the circuit's, by ``"population.parameter"``.
    targets_act : bool
        Whether the network is given the targets; without, they are 0.
    columns : dict of str to ndarray
        Inputs with columns that have the same values for all images, in place of those
        of ``System.evaluation_inputs``.
    """

    phases: dict[str, int]
    inputs: dict[str, float]
    parameters: dict[str, float]
    targets_act: bool
    columns: dict[str, NDArray[np.float64]] = dataclasses.field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps of one cycle."""
        return sum(self.phases.values())


def plan_presentation(
    network: Network,
    *,
    labelled: bool,
    inputs: Mapping[str, Any] | None = None,
    phases: Mapping[str, int] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> Presentation:
    """Fill in what the caller left open, and check what was given.

    Without targets the phases and parameter values are those of an evaluation. So they are
    with targets if ``phases`` leaves exactly the phases of an evaluation: the network then
    does what it does in ``predict``.

    Parameters
    ----------
    network : Network
        The network to show images to.
    labelled : bool
        Whether there are targets.
    inputs : mapping of str to float or array_like, optional
        Scalar inputs by name; by default those of ``System.evaluation_scalars``. Inputs
        with columns that the system draws may be given one value, or one per column.
    phases : mapping of str to int, optional
        Phase lengths in steps, by name; 0 leaves a phase out.
    parameters : mapping of str to float, optional
        Shared parameters that differ from the circuit's, by ``"population.parameter"``.

    Returns
    -------
    Presentation
        Complete.

    Raises
    ------
    DataError
        If what is given is no mapping, an input is unknown, has no value or no finite one, a
        phase length is no whole number, or a phase that needs targets is asked for without
        them.
    CircuitError
        If a phase is unknown, or no step is left.
    """
    system, circuit = network.system, network.circuit
    for name, value in (("inputs", inputs), ("phases", phases), ("parameters", parameters)):
        if value is not None and not isinstance(value, Mapping):
            raise DataError(f"{name} = {brief(value)}: give a dict, such as {_EXAMPLES[name]}")
    given = dict(phases or {})
    _check_steps(given)
    evaluation = phase_lengths(circuit, system.evaluation_phases())
    lengths = phase_lengths(circuit, given if labelled else {**evaluation, **given})
    if not labelled:
        _check_phases_without_targets(given, evaluation)
    evaluates = not labelled or (bool(given) and lengths == evaluation != circuit.phase_steps())
    values = dict(system.evaluation_parameters()) if evaluates else {}
    values |= parameters or {}
    given_columns = _given_columns(network, inputs or {})
    scalars = {name: v for name, v in (inputs or {}).items() if name not in given_columns}
    return Presentation(
        lengths,
        _scalar_inputs(network, scalars),
        values,
        targets_act=not evaluates,
        columns=given_columns,
    )


def _given_columns(network: Network, given: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Values of inputs with columns, one per column, that replace what is drawn."""
    found = {}
    for item in drawn_inputs(network.circuit):
        if item.name not in given:
            continue
        try:
            values = np.broadcast_to(np.asarray(given[item.name], np.float64), item.width)
        except (TypeError, ValueError):
            values = np.array([np.nan])
        if not np.isfinite(values).all():
            raise DataError(
                f"inputs: {item.name} = {given[item.name]!r}; give one finite number, or "
                f"{item.width} of them"
            )
        found[item.name] = values
    return found


def _check_steps(phases: Mapping[str, object]) -> None:
    for name, steps in phases.items():
        if not isinstance(steps, Integral) or steps < 0:
            raise DataError(
                f"phases: {name!r} has the length {steps!r}; give a whole number of steps, or 0 "
                "to leave the phase out"
            )


def _check_phases_without_targets(given: Mapping[str, int], evaluation: Mapping[str, int]) -> None:
    for name, steps in given.items():
        if steps and not evaluation[name]:
            raise DataError(
                f"phases: {name!r} is no phase of an evaluation, and no labels are given; give "
                f"labels (y) as well, or leave {name!r} out"
            )


def _scalar_inputs(network: Network, given: Mapping[str, object]) -> dict[str, float]:
    """A value for every scalar input of the circuit."""
    names = [item.name for item in network.circuit.inputs if not item.width]
    wide = {item.name for item in network.circuit.inputs if item.width}
    for name in given:
        if name in wide:
            raise DataError(f"inputs: {name!r} is given as images and labels (x and y)")
        if name not in names:
            raise DataError(
                f"inputs: {network.system.name!r} has no scalar input {name!r}; "
                f"{near_matches(name, names) if names else 'it has none at all'}"
            )
    own = network.system.evaluation_scalars()
    missing = [name for name in names if name not in given and name not in own]
    if missing:
        raise DataError(
            f"the scalar input {missing[0]!r} of {network.system.name!r} has no value outside of "
            f"training: let System.evaluation_scalars return one, or give "
            f"inputs={{{missing[0]!r}: VALUE}} to record, activity or state_changes"
        )
    return {name: _finite(name, given.get(name, own.get(name))) for name in names}


def _finite(name: str, value: object) -> float:
    number = float(value) if isinstance(value, Real) else math.nan
    if not math.isfinite(number):
        raise DataError(f"inputs: {name} = {value!r}; give one finite number")
    return number


def presentation_chunks(
    network: Network,
    presentation: Presentation,
    images: NDArray[Any],
    targets: NDArray[Any] | None = None,
    *,
    at_once: int | None = None,
    first: int = 0,
) -> list[Chunk]:
    """Cycles that show images without learning.

    Parameters
    ----------
    network : Network
        Its weights at this moment are used for all images.
    presentation : Presentation
        Phases, inputs and parameter values.
    images : ndarray, shape (n, n_inputs)
        Checked images.
    targets : ndarray, shape (n, n_outputs), optional
        Checked target rates.
    at_once : int, optional
        Most images of one chunk; all of them by default.
    first : int
        Number of the first image, where images are shown a part at a time.

    Returns
    -------
    list of Chunk
        In the order of the images; independent of each other.
    """
    n = len(images)
    if targets is None or not presentation.targets_act:
        targets = np.zeros((n, network.system.layers[-1]))
    inputs = {"stimulus": images, "target": targets}
    inputs |= {name: np.full(n, value) for name, value in presentation.inputs.items()}
    inputs |= {name: np.tile(row, (n, 1)) for name, row in presentation.columns.items()}
    weights, size = network.weights.arrays(), at_once or n
    values, phases = presentation.parameters, presentation.phases
    key = noise_key(network.seed, None)
    chunks = []
    for start in range(0, n, size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        count, number = len(part["stimulus"]), first + start
        drawn = evaluation_inputs(network.system, network.circuit, network.seed, number, count)
        chunks.append(
            Chunk(drawn | part, weights, values, phases, noise_key=key, first_image=number)
        )
    return chunks
