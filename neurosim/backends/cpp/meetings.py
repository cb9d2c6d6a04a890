"""C++ of images of a batch that meet: what a lane shows to others, sees of them, and averages."""

from __future__ import annotations

from collections.abc import Iterator

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.memory import padded
from neurosim.circuit import Circuit
from neurosim.circuit.meetings import meeting_phase

__all__ = ["meetings"]


def _shown(circuit: Circuit) -> Iterator[tuple[str, str, int]]:
    """Populations, variables that images met are asked for, and how many cells there are."""
    for population in circuit.populations:
        for source in dict.fromkeys(population.meets.values()):
            yield population.name, source, population.size


def _length(cells: int) -> int:
    return cells if cells == 1 else padded(cells)


def _add(fields: Fields, circuit: Circuit, real: str) -> None:
    """Add what every lane needs for meetings: all that is shown, seen and averaged."""
    for owner, source, cells in _shown(circuit):
        fields.add_lane(f"shown_{owner}_{source}", real, _length(cells))
    for population in circuit.populations:
        for pairs in (population.meets, population.averages):
            for name in (*pairs, *pairs.values()):
                fields.add_lane(f"{population.name}_{name}", real, _length(population.size))


def meetings(fields: Fields, circuit: Circuit, real: str) -> list[str]:
    """Write what happens between lanes.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    circuit : Circuit
        Its populations say what they see.
    real : {"float", "double"}
        C++ type of states.

    Returns
    -------
    list of str
        C++: the number of the phase, and the functions ``show``, ``meet`` and ``average``.
    """
    _add(fields, circuit, real)
    names = [phase.name for phase in circuit.phases]
    phase = meeting_phase(circuit)
    show = [
        f"memcpy(L.shown_{name}, L.{name}, sizeof L.{name});"
        for name in (f"{population}_{source}" for population, source, _ in _shown(circuit))
    ]
    meet, average = [], []
    for population in circuit.populations:
        stem = population.name
        meet += [
            f"memcpy(L.{stem}_{name}, other.shown_{stem}_{source}, sizeof L.{stem}_{name});"
            for name, source in population.meets.items()
        ]
        for name, source in population.averages.items():
            average += [
                f"for (int i = 0; i < {population.size}; i++) {{ {real} total = 0;",
                f"for (int l = 0; l < active; l++) total += lanes[l].{stem}_{source}[i];",
                f"for (int l = 0; l < active; l++) lanes[l].{stem}_{name}[i] = total / active; }}",
            ]
    return [
        f"static const int meeting_phase = {-1 if phase is None else names.index(phase.name)};",
        _function("show(Lane& L)", [*show, "(void)L;"]),
        _function("meet(Lane& L, const Lane& other)", [*meet, "(void)L; (void)other;"]),
        _function("average(Lane* lanes, int active)", [*average, "(void)lanes; (void)active;"]),
    ]


def _function(signature: str, lines: list[str]) -> str:
    return "\n    ".join([f"static void {signature} {{", *lines]) + "\n}"
