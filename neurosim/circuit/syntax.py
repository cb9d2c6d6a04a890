"""Whether code can be read at all: its syntax, words of other languages, divisions by 0."""

from __future__ import annotations

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.code import Code, circuit_code
from neurosim.circuit.parser import expression_complaint, parse_statements
from neurosim.errors import CircuitError

__all__ = ["check_syntax"]


def check_syntax(circuit: Assembly) -> None:
    """Refuse code that is no expression, condition or assignment, or that divides by 0.

    Parameters
    ----------
    circuit : Assembly
        Its code is read.

    Raises
    ------
    CircuitError
        Names the place, what is wrong, and what to write instead.
    """
    for code in circuit_code(circuit):
        for written, read in _expressions(code):
            complaint = expression_complaint(read)
            if complaint:
                raise CircuitError(f"{code.place}: {written!r} {complaint}")


def _expressions(code: Code) -> list[tuple[str, str]]:
    """Expressions as they are written, and as they are to be read."""
    if code.kind != "statements":
        return [(code.text.strip(), code.text)]
    return [
        (
            f"{found.target} {found.operator} {found.expression}",
            # x /= 0 divides like any other expression
            f"{found.target} {found.operator[:-1] or '*'} ({found.expression}\n)",
        )
        for found in parse_statements(code.text)
    ]
