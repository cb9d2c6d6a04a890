"""Checks that code names only what is there, before any Brian2 object is made."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_UNITS

from neurosim.backends.brian.functions import OWN_FUNCTIONS
from neurosim.circuit import Circuit, Population, Projection
from neurosim.circuit.code import Code, circuit_code
from neurosim.circuit.declarations import rhythm_names
from neurosim.circuit.names import NOISE_FUNCTIONS, RANDOM_FUNCTIONS
from neurosim.circuit.parser import Line, identifiers, parse_equations, parse_statements
from neurosim.errors import CircuitError, near_matches

__all__ = ["check_names"]

#: Functions, constants and units that code may name everywhere.
_EVERYWHERE = NOISE_FUNCTIONS | {
    *DEFAULT_FUNCTIONS, *DEFAULT_CONSTANTS, *DEFAULT_UNITS, *OWN_FUNCTIONS,
}  # fmt: skip
#: Functions that a misspelt name may mean.
_FUNCTIONS = sorted({*NOISE_FUNCTIONS, *DEFAULT_FUNCTIONS, *OWN_FUNCTIONS} - RANDOM_FUNCTIONS)
#: What else the code of cells and of synapses may read.
_OF_CELLS = frozenset({"i", "N", "dt"})
_OF_SYNAPSES = _OF_CELLS | {"j", "N_pre", "N_post", "N_incoming", "N_outgoing"}


def check_names(circuit: Circuit) -> None:
    """Refuse code that reads or sets something that is not there.

    Parameters
    ----------
    circuit : Circuit
        Its equations, conditions, actions and pathways are read.

    Raises
    ------
    CircuitError
        Names the first such name, its place, and what may be meant.
    """
    shared = rhythm_names(circuit) | {item.name for item in circuit.inputs}
    for code in circuit_code(circuit):
        lines = _lines_in_reach(circuit, code.owner)
        known = shared | set(lines)
        if code.kind == "statements":
            _check_statements(circuit, code, lines, known)
        else:
            _check_read(circuit, code, identifiers(code.text), known)


def _lines_in_reach(circuit: Circuit, part: Population | Projection) -> dict[str, Line]:
    """Variables that code of a population or projection may name, by the name it uses."""
    found = {line.name: line for line in parse_equations(part.equations)}
    if isinstance(part, Projection):
        for suffix, end in (("_pre", part.source), ("_post", part.target)):
            lines = parse_equations(circuit.population(end).equations)
            found |= {f"{line.name}{suffix}": line for line in lines}
    return found


def _check_statements(
    circuit: Circuit, code: Code, lines: dict[str, Line], known: frozenset[str]
) -> None:
    statements = parse_statements(code.text)
    local: set[str] = set()
    for number, statement in enumerate(statements):
        _check_read(circuit, code, statement.reads, known | local)
        name = statement.target
        if name in lines:
            _check_settable(code, name, lines[name])
        elif name in known:
            raise CircuitError(f"{code.place} sets {name!r}, which the rhythm alone sets")
        # a name of its own serves as an abbreviation for the statements after it
        elif any(name in later.reads for later in statements[number + 1 :]):
            local.add(name)
        else:
            settable = [other for other, line in lines.items() if _settable(line)]
            raise CircuitError(
                f"{code.place} sets {name!r}, which is no variable and is not read afterwards; "
                f"{_suggestion(circuit, code, name, settable)}"
            )


def _check_settable(code: Code, name: str, line: Line) -> None:
    if not _settable(line):
        reason = (
            "is computed by an equation"
            if line.kind == "subexpression"
            else f"is {' and '.join(line.flags)}"
        )
        raise CircuitError(
            f"{code.place} sets {name!r}, which {reason}; set a variable that each cell or "
            "synapse stores, declared as 'x : unit'"
        )


def _settable(line: Line) -> bool:
    return line.is_stored and line.is_own


def _check_read(circuit: Circuit, code: Code, names: Iterable[str], known: Iterable[str]) -> None:
    own = _OF_CELLS if isinstance(code.owner, Population) else _OF_SYNAPSES
    for name in sorted(set(names) - set(known) - own - _EVERYWHERE):
        raise CircuitError(
            f"{code.place} names {name!r}, which is unknown there; "
            f"{_suggestion(circuit, code, name, known)}"
        )


def _suggestion(circuit: Circuit, code: Code, name: str, known: Iterable[str]) -> str:
    """What may be meant: in synapses, first of all a variable of a cell without its suffix."""
    if isinstance(code.owner, Projection):
        ends = (("_pre", code.owner.source), ("_post", code.owner.target))
        for suffix, end in reversed(ends):
            lines = parse_equations(circuit.population(end).equations)
            if name in {line.name for line in lines}:
                return (
                    f"it is a variable of the cells of {end!r}: write {name + suffix!r} for that "
                    "of the cell at this end of the synapse"
                )
    meant = difflib.get_close_matches(name, _FUNCTIONS, n=1)
    return near_matches(name, {*known, *meant})
