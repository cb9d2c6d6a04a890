"""The arrays of a lane program.

A *lane* is one image in flight: a block of memory with the state of all cells. Lanes share
weights and parameters, and meet only where synapses change.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.core.variables import ArrayVariable
from brian2.groups.neurongroup import NeuronGroup

from neurosim.backends.cpp.memory import padded, round_up
from neurosim.circuit import Circuit
from neurosim.circuit.kept import cell_weights, sum_name

__all__ = ["Field", "Fields", "round_up", "shared_cells"]


@dataclasses.dataclass(frozen=True)
class Field:
    """An array of the program: its name, C++ type and number of elements.

    The size of a shared array is 0: its memory is the caller's.
    """

    name: str
    ctype: str
    size: int = 0


class Fields:
    """The arrays that the written functions name, of every lane and shared by all.

    Parameters
    ----------
    shared_cells : set of (str, str)
        Populations and variables of their cells that all lanes share.
    """

    def __init__(self, shared_cells: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._shared_cells = shared_cells
        self.lane: dict[str, Field] = {}
        self.shared: dict[str, Field] = {}

    def add_lane(self, name: str, ctype: str, size: int) -> str:
        """An array of every lane; its name in the program.

        Parameters
        ----------
        name : str
            In the program.
        ctype : str
            C++ type of an element.
        size : int
            Number of elements.

        Returns
        -------
        str
            C++ for the array.
        """
        self.lane.setdefault(name, Field(name, ctype, size))
        return f"L.{name}"

    def add_shared(self, name: str, ctype: str) -> str:
        """An array that all lanes share; its name in the program.

        Parameters
        ----------
        name : str
            In the program.
        ctype : str
            C++ type of an element.

        Returns
        -------
        str
            C++ for the array.
        """
        self.shared.setdefault(name, Field(name, ctype))
        return f"S.{name}"

    def place(self, variable: ArrayVariable) -> str:
        """Where the values of a Brian2 variable are.

        Parameters
        ----------
        variable : ArrayVariable
            Of cells, of synapses or of a clock.

        Returns
        -------
        str
            C++ for the array.
        """
        name, ctype = f"{variable.owner.name}_{variable.name}", c_data_type(variable.dtype)
        setting = variable.scalar and variable.constant
        common = (variable.owner.name, variable.name) in self._shared_cells
        if isinstance(variable.owner, NeuronGroup) and not (setting or common):
            size = int(variable.size)
            return self.add_lane(name, ctype, size if size == 1 else padded(size))
        return self.add_shared(name, ctype)

    def event(self, group: Any, eventspace: Any, *, flags: bool = False) -> tuple[str, int]:
        """Name of an event and the number of its cells; a list, a count, perhaps flags.

        Parameters
        ----------
        group : NeuronGroup
            The cells.
        eventspace : ArrayVariable
            Where Brian2 would list the cells that have the event.
        flags : bool
            Whether a flag per cell is kept too.

        Returns
        -------
        name : str
            In the names of its arrays.
        cells : int
            Size of the group.
        """
        name, cells = f"{group.name}{eventspace.name}", len(group)
        self.add_lane(f"list_{name}", "int32_t", cells)
        self.add_lane(f"count_{name}", "int32_t", 1)
        if flags:
            self.add_lane(f"flags_{name}", "uint8_t", round_up(cells, 64))
        return name, cells


def shared_cells(circuit: Circuit) -> frozenset[tuple[str, str]]:
    """Variables of cells that belong to no image: weights, states, and sums over a batch.

    Parameters
    ----------
    circuit : Circuit
        Declares them.

    Returns
    -------
    frozenset of (str, str)
        Population and variable.
    """
    kept = {(weight.population, weight.variable) for weight in cell_weights(circuit)}
    sums = {(p.name, sum_name(gathered)) for p in circuit.populations for gathered in p.gathers}
    return frozenset(kept | sums)
