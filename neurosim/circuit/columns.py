"""Check that inputs with columns have one for every cell that reads them."""

from __future__ import annotations

import re

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.code import Code, circuit_code
from neurosim.circuit.parts import Projection
from neurosim.errors import CircuitError, counted

__all__ = ["check_columns"]


def check_columns(circuit: Assembly) -> None:
    """Refuse ``name(cycle_time, i)`` where the cells are not as many as the columns.

    Parameters
    ----------
    circuit : Assembly
        Its code is read. Other columns than that of the cell's own number, such as
        ``name(cycle_time, i + 3)``, are the model's business.

    Raises
    ------
    CircuitError
        Names the place, and both numbers.
    """
    for code in circuit_code(circuit):
        for item in circuit.inputs:
            reads = re.findall(rf"\b{item.name}\s*\(\s*cycle_time\s*,\s*([ij])\s*\)", code.text)
            for cell in reads if item.width else ():
                size = _cells(circuit, code, cell)
                if size != item.width:
                    raise CircuitError(
                        f"{code.place} reads column {cell} of the input {item.name!r}, which has "
                        f"{counted(item.width, 'column')} for {counted(size, 'cell')}; declare "
                        f"CycleInput({item.name!r}, {size})"
                    )


def _cells(circuit: Assembly, code: Code, cell: str) -> int:
    if isinstance(code.owner, Projection):
        return circuit.population(code.owner.source if cell == "i" else code.owner.target).size
    return code.owner.size
