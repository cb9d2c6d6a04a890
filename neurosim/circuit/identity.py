"""What makes two circuits the same program, however they are spaced and commented."""

from __future__ import annotations

import dataclasses
from typing import Any

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.parser import canonical, parse_equations, parse_statements

__all__ = ["compiled_structure"]


def compiled_structure(circuit: Assembly) -> dict[str, Any]:
    """A circuit without what needs no other program.

    Parameters
    ----------
    circuit : Assembly
        What to describe.

    Returns
    -------
    dict
        JSON-able, see :meth:`neurosim.circuit.Circuit.structure`.
    """
    described = dataclasses.asdict(circuit)
    for population in described["populations"]:
        for event in population["events"]:
            event["condition"] = canonical(event["condition"])
            event["action"] = _statements(event["action"])
            event["counted"] = bool(event["counted"])
        population["commit"] = _statements(population["commit"])
        del population["rates"]
    for projection in described["projections"]:
        del projection["rate"]
        for pathway in projection["pathways"]:
            pathway["code"] = _statements(pathway["code"])
        projection["commit"] = _statements(projection["commit"])
    for part in (*described["populations"], *described["projections"]):
        del part["role"]
        part["equations"] = _equations(part["equations"])
        part["parameters"] = sorted(part["parameters"])
    for weight in described["weights"]:
        del weight["growth"], weight["kind"]
    described["phases"] = [[phase.name, *["meets"] * phase.meets] for phase in circuit.phases]
    return described


def _equations(text: str) -> list[list[str]]:
    return [
        [line.kind, line.name, canonical(line.expression), canonical(line.unit), *line.flags]
        for line in parse_equations(text)
    ]


def _statements(code: str) -> list[list[str]]:
    return [
        [statement.target, statement.operator, canonical(statement.expression)]
        for statement in parse_statements(code)
    ]
