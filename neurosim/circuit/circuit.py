"""A model as data: the populations, projections and phases of a circuit.

A system (a file in ``models/``) returns a :class:`Circuit`. Nothing here makes
a Brian2 object, opens a file or knows a clock: the back ends do. The description
is checked when it is made, can be taken apart by tests, rendered as mathematics,
and compared with what a back end can do before anything is built.

Names every equation may use
----------------------------
A rhythm runs beside the populations: integer counters that go on by one in every
time step (see :data:`RHYTHM_VARIABLES`). For every phase ``p`` of the circuit there
are ``in_p`` and ``end_p``. Gating never depends on a floating-point oscillator.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.checks import check_circuit
from neurosim.circuit.identity import compiled_structure
from neurosim.circuit.kinds import check_kinds
from neurosim.circuit.lookup import with_part
from neurosim.circuit.parts import (
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    Readout,
    Weight,
    WeightPart,
)
from neurosim.circuit.weights import all_weights
from neurosim.circuit.wirings import wiring_from_dict
from neurosim.errors import CircuitError

__all__ = ["Circuit", "circuit_from_dict"]


@dataclasses.dataclass(frozen=True)
class Circuit(Assembly):
    """Everything a back end needs to know of a system.

    Attributes
    ----------
    name : str
        Name of the system.
    dt : float
        Time step in ms.
    phases : tuple of Phase
        The cycle, in order; at most :data:`MAX_CYCLE_STEPS` steps together.
    inputs : tuple of CycleInput
        What is given per cycle.
    populations, projections : tuple
        The wiring.
    weights : tuple of Weight
        Arrays carried from run to run. Those that projections and populations name (see
        :attr:`Projection.weight` and :attr:`Population.weights`) are added unless they are
        given here.
    readouts : tuple of Readout
        Results per cycle.
    answer : str
        The readout whose argmax is the prediction.

    Raises
    ------
    CircuitError
        If parts do not fit together, a name cannot be used, a result would depend on
        an earlier image, or the random numbers of a rule would ignore the seed.
    """

    def __post_init__(self) -> None:
        check_kinds(self)
        # a frozen dataclass can only be filled in this way
        object.__setattr__(self, "weights", all_weights(self))
        check_circuit(self)

    def replacing(self, *parts: Population | Projection | Weight, name: str = "") -> Circuit:
        """A copy in which parts replace those of the same names, or are added.

        Parameters
        ----------
        *parts : Population, Projection or Weight
            New parts; a name that the circuit lacks adds the part at the end.
        name : str
            Name of the new circuit; the same by default.

        Returns
        -------
        Circuit
            A copy, checked anew.

        Raises
        ------
        CircuitError
            If the parts do not fit together, or a part is of another kind.

        Examples
        --------
        >>> from neurosim import CorInfoMax
        >>> circuit = CorInfoMax().circuit()
        >>> fixed = dataclasses.replace(circuit.projection("ff_0"), role="fixed")
        >>> circuit.replacing(fixed).projection("ff_0").role
        'fixed'
        """
        lists: dict[str, tuple[Any, ...]] = {
            kind: getattr(self, kind) for kind in ("populations", "projections", "weights")
        }
        kinds = {Population: "populations", Projection: "projections", Weight: "weights"}
        for part in parts:
            kind = kinds.get(type(part))
            if kind is None:
                raise CircuitError(
                    f"a circuit has no part of type {type(part).__name__} to replace by name; "
                    "give populations, projections or weights"
                )
            lists[kind] = with_part(lists[kind], part)
        return dataclasses.replace(
            self,
            name=name or self.name,
            populations=lists["populations"],
            projections=lists["projections"],
            weights=lists["weights"],
        )

    def fan_out(self, projection: Projection) -> int:
        """Most targets reached by one event of the projection's source.

        Parameters
        ----------
        projection : Projection
            One of the circuit's.

        Returns
        -------
        int
            Number of cells; see :meth:`fans` for every source.

        Raises
        ------
        CircuitError
            If the circuit has no such target.
        """
        return int(self.fans(projection, "pre").max())

    def fan_in(self, projection: Projection) -> int:
        """Most sources reached by one event of the projection's target, if it carries it back.

        Parameters
        ----------
        projection : Projection
            One of the circuit's.

        Returns
        -------
        int
            Number of cells.

        Raises
        ------
        CircuitError
            If the circuit has no such source.
        """
        return int(self.fans(projection, "post").max())

    def fans(self, projection: Projection, side: str) -> NDArray[np.int64]:
        """Synapses of every cell on one side of a projection.

        Parameters
        ----------
        projection : Projection
            One of the circuit's.
        side : {"pre", "post"}
            Source or target.

        Returns
        -------
        ndarray of int, shape (n_cells,)
            How many synapses an event of each cell reaches.

        Raises
        ------
        CircuitError
            If the circuit has no such population.
        """
        ends = (projection.source, projection.target)
        pre, post = (self.population(end).size for end in ends)
        wired = projection.wired
        return wired.fan_out(pre, post) if side == "pre" else wired.fan_in(pre, post)

    def dense_macs_per_step(self) -> int:
        """Multiply-accumulates per step if every signal pathway were a dense product."""
        total = 0
        for projection in self.projections:
            synapses = int(self.fans(projection, "pre").sum())
            total += synapses * sum(not pathway.learns for pathway in projection.pathways)
        return total

    def structure(self) -> dict[str, Any]:
        """What has to be compiled: all but the values that may change between runs.

        Returns
        -------
        dict
            JSON-able. Parameter values, learning rates, phase lengths, comments,
            spacing and words for diagrams are left out.
        """
        return compiled_structure(self)

    def digest(self) -> str:
        """Hash of :meth:`structure`."""
        text = json.dumps(self.structure(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def circuit_from_dict(described: Mapping[str, Any]) -> Circuit:
    """Rebuild a circuit from :func:`dataclasses.asdict`, e.g. after a trip through JSON.

    Parameters
    ----------
    described : mapping
        What ``dataclasses.asdict(circuit)`` gave; lists may stand for tuples.

    Returns
    -------
    Circuit
        Validated anew.

    Raises
    ------
    CircuitError
        If the parts do not fit together.
    """

    def many(kind: Any, items: Any) -> tuple[Any, ...]:
        return tuple(kind(**item) for item in items)

    def population(item: Mapping[str, Any]) -> Population:
        parts = {
            "events": many(Event, item["events"]),
            "links": {name: (link[0], link[1]) for name, link in item["links"].items()},
            "gathers": tuple(item["gathers"]),
            "rates": tuple(item["rates"]),
        }
        return Population(**{**item, **parts})

    def projection(item: Mapping[str, Any]) -> Projection:
        parts = {
            "pathways": many(Pathway, item["pathways"]),
            "states": tuple(item["states"]),
            "wiring": wiring_from_dict(item["wiring"]),
        }
        return Projection(**{**item, **parts})

    def weight(item: Mapping[str, Any]) -> Weight:
        shape = tuple(item["shape"])
        return Weight(**{**item, "shape": shape, "parts": many(WeightPart, item["parts"])})

    return Circuit(
        name=described["name"],
        dt=described["dt"],
        phases=many(Phase, described["phases"]),
        inputs=many(CycleInput, described["inputs"]),
        populations=tuple(population(item) for item in described["populations"]),
        projections=tuple(projection(item) for item in described["projections"]),
        weights=tuple(weight(item) for item in described["weights"]),
        readouts=many(Readout, described["readouts"]),
        answer=described["answer"],
    )
