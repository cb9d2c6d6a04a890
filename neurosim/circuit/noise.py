"""Noise in the code of a circuit: ``uniform_noise(i)`` and ``normal_noise(i)``.

Each is a function of the seed, the epoch, the image, the number in brackets and the time
step. Every place in a circuit that calls one has a stream of its own, so no two share their
numbers; what two places must share is drawn into a variable that both read.
"""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Callable

from neurosim.circuit.circuit import Circuit
from neurosim.circuit.code import circuit_code
from neurosim.circuit.names import NOISE_FUNCTIONS
from neurosim.circuit.parser import parse_equations
from neurosim.circuit.parts import Population, Projection
from neurosim.errors import CircuitError

__all__ = ["draws_noise", "noise_streams", "streamed_name", "with_streams"]

_CALL = re.compile(rf"(?<![\w.])({'|'.join(sorted(NOISE_FUNCTIONS))})\b(?=\s*\()")


def noise_streams(circuit: Circuit) -> dict[str, tuple[str, int]]:
    """The function and the stream of every place that draws noise.

    Parameters
    ----------
    circuit : Circuit
        Its code is read.

    Returns
    -------
    dict of str to (str, int)
        By place: ``"cells.x"`` is the equation of ``x`` in the population ``cells``,
        ``"cells.spike.condition"`` and ``"cells.spike.action"`` belong to an event,
        ``"net.rule"`` is a pathway of the projection ``net``. Further calls at one place
        have ``"#2"`` and so on at their end.

    Raises
    ------
    CircuitError
        If two places would have the same stream, which no renaming should need.
    """
    found: dict[str, tuple[str, int]] = {}

    def note(place: str, function: str, stream: int) -> str:
        found[place] = function, stream
        return function

    if draws_noise(circuit):
        _rewritten(circuit, note)
    owners: dict[int, str] = {}
    for place, (_, stream) in found.items():
        if owners.setdefault(stream, place) != place:
            raise CircuitError(
                f"noise at {place} and at {owners[stream]} would be the same numbers by an "
                "accident of their names; give one of the events, variables or pathways another "
                "name"
            )
    return found


def draws_noise(circuit: Circuit) -> bool:
    """Whether any place of a circuit draws noise."""
    return any(_CALL.search(code.text) for code in circuit_code(circuit))


def streamed_name(function: str, stream: int) -> str:
    """Name of a noise function of one stream.

    Parameters
    ----------
    function : str
        ``"uniform_noise"`` or ``"normal_noise"``.
    stream : int
        Its stream.

    Returns
    -------
    str
        A name for generated code.
    """
    return f"{function}_{stream}"


def with_streams(circuit: Circuit) -> Circuit:
    """A circuit in which every call of a noise function names its stream.

    Parameters
    ----------
    circuit : Circuit
        As its model wrote it.

    Returns
    -------
    Circuit
        The same where nothing draws noise; otherwise with functions named by
        :func:`streamed_name`, for a back end to define.
    """
    if not draws_noise(circuit):
        return circuit
    return _rewritten(circuit, lambda _, function, stream: streamed_name(function, stream))


_Rename = Callable[[str, str, int], str]


def _rewritten(circuit: Circuit, rename: _Rename) -> Circuit:
    """The circuit with other names of the functions, place by place."""

    def code(place: str, text: str) -> str:
        plain = "\n".join(line.partition("#")[0].rstrip() for line in text.splitlines())
        count = 0

        def named(call: re.Match[str]) -> str:
            nonlocal count
            count += 1
            here = place if count == 1 else f"{place}#{count}"
            return rename(here, call[1], zlib.crc32(here.encode()))

        changed = _CALL.sub(named, plain)
        return changed if count else text

    def equations(part: Population | Projection) -> str:
        if not _CALL.search(part.equations):
            return part.equations
        lines = parse_equations(part.equations)
        return "\n".join(
            dataclasses.replace(
                line, expression=code(f"{part.name}.{line.name}", line.expression)
            ).code
            for line in lines
        )

    populations = tuple(
        dataclasses.replace(
            population,
            equations=equations(population),
            events=tuple(
                dataclasses.replace(
                    event,
                    condition=code(f"{population.name}.{event.name}.condition", event.condition),
                    action=code(f"{population.name}.{event.name}.action", event.action),
                )
                for event in population.events
            ),
        )
        for population in circuit.populations
    )
    projections = tuple(
        dataclasses.replace(
            projection,
            equations=equations(projection),
            pathways=tuple(
                dataclasses.replace(
                    pathway, code=code(f"{projection.name}.{pathway.name}", pathway.code)
                )
                for pathway in projection.pathways
            ),
        )
        for projection in circuit.projections
    )
    return dataclasses.replace(circuit, populations=populations, projections=projections)
