"""From a circuit to the text of its lane program."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from brian2.codegen.generators.cpp_generator import c_data_type

from neurosim.backends.brian.build import RHYTHM, BuiltNetwork, build_network
from neurosim.backends.lanes import program
from neurosim.backends.lanes.pieces import LaneCodeObject, collect
from neurosim.backends.lanes.program import Field, Fields
from neurosim.circuit import Circuit

__all__ = ["Program", "generate"]

_FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Program:
    """A program and the arrays it works on.

    Attributes
    ----------
    text : str
        C++ source.
    lane, shared : tuple of Field
        Arrays of every lane, and those that all lanes share, in the program's order.
    """

    text: str
    lane: tuple[Field, ...]
    shared: tuple[Field, ...]


def generate(circuit: Circuit, dtype: str) -> Program:
    """Write the program of a circuit.

    Parameters
    ----------
    circuit : Circuit
        What to write.
    dtype : str
        ``"float32"`` or ``"float64"``; Brian2's ``core.default_float_dtype`` must be set to it.

    Returns
    -------
    Program
        Text and arrays.
    """
    built = build_network(circuit, 1)
    _give_inputs(circuit, built)
    pieces = collect(built.network, built.namespace)
    return _Assembly(circuit, built, "float" if dtype == "float32" else "double").assemble(pieces)


def _give_inputs(circuit: Circuit, built: BuiltNetwork) -> None:
    """Let the inputs of a cycle be read from the row of the lane's image."""
    for item in circuit.inputs:
        array = built.inputs[item.name]
        width = item.width
        inside = f"L.row * {width} + (i)" if width else "L.row"
        arguments = "(t, i)" if width else "(t)"
        array.implementations.add_implementation(
            LaneCodeObject,
            code={"support_code": f"#define {array.name}{arguments} (S.input_{item.name}[{inside}])"},
            name=array.name,
        )


class _Assembly:
    """Puts functions in the order of a step."""

    def __init__(self, circuit: Circuit, built: BuiltNetwork, real: str) -> None:
        self.circuit, self.built, self.real = circuit, built, real
        self.fields = Fields()
        self.functions: list[str] = []
        self.before: list[str] = []
        self.learns: list[tuple[str, int]] = []
        self.after: list[str] = []
        self.conditions = {
            f"{population.name}_{event.name}_thresholder": event.condition
            for population in circuit.populations
            for event in population.events
        }
        self.pathways = {
            f"{projection.name}_{pathway.name}": (projection, pathway)
            for projection in circuit.projections
            for pathway in projection.pathways
        }
        ends = {"pre": "source", "post": "target"}
        self.learning_events = {
            (getattr(projection, ends[pathway.side]), pathway.event)
            for projection, pathway in self.pathways.values()
            if pathway.learns
        }
        self.readouts = {f"readout_{r.name}": r for r in circuit.readouts}

    def assemble(self, pieces: list[tuple[Any, Any]]) -> Program:
        for item in self.circuit.inputs:
            self.fields.add_shared(f"input_{item.name}", "double")
        for part, piece in pieces:
            self._add(part, piece)
        lane = "\n".join(
            f"    alignas(64) {f.ctype} {f.name}[{f.size}];" for f in self.fields.lane.values()
        )
        shared = "\n".join(f"    {f.ctype}* {f.name};" for f in self.fields.shared.values())
        host = (_FOLDER / "host.inc").read_text()
        text = "\n".join(
            [
                (_FOLDER / "lanes.h").read_text(),
                f"struct Shared {{\n{shared}\n}};",
                f"struct alignas(64) Lane {{\n    alignas(64) int64_t row;\n{lane}\n}};",
                *self.functions,
                _sequence("before_learning", self.before),
                _sequence("after_learning", self.after),
                self._learning(),
                host,
            ]
        )
        return Program(text, tuple(self.fields.lane.values()), tuple(self.fields.shared.values()))

    def _learning(self) -> str:
        calls = "\n".join(
            f"    f_{name}::run(S, lanes, active, share({rows}, part, parts), "
            f"share({rows}, part + 1, parts));"
            for name, rows in self.learns
        )
        return (
            "static inline int share(int rows, int part, int parts) "
            "{ return (int)((int64_t)rows * part / parts); }\n"
            "static void learning(const Shared& S, Lane* const lanes, const int active, "
            f"const int part, const int parts) {{\n{calls}\n}}"
        )

    def _add(self, part: Any, piece: Any) -> None:
        name = f"f_{part.name}"
        calls = self.after if self.learns else self.before
        if piece.kind == "stateupdate":
            text = program.state_update(self.fields, name, piece)
        elif piece.kind == "threshold":
            population = piece.owner.name
            event = part.name.removeprefix(f"{population}_").removesuffix("_thresholder")
            text = program.threshold(
                self.fields, name, piece, self.conditions[part.name],
                flags=(population, event) in self.learning_events,
            )  # fmt: skip
        elif piece.kind == "reset":
            text = program.over_events(self.fields, name, piece, piece.owner)
        elif piece.kind == "spikemonitor":
            readout = self.readouts[part.name]
            text = program.readout(
                self.fields, name, piece, readout.name, readout.variable, self.real
            )
        elif piece.kind == "synapses":
            projection, pathway = self.pathways[part.name]
            single = projection.wiring == "one_to_one"
            if pathway.learns:
                self.functions.append(
                    program.learning(self.fields, name, piece, part, one_to_one=single)
                )
                side = projection.source if pathway.side == "pre" else projection.target
                self.learns.append((part.name, self.circuit.population(side).size))
                return
            text = program.signal(self.fields, name, piece, part, one_to_one=single)
        else:
            raise NotImplementedError(piece.kind)
        self.functions.append(text)
        calls.append(name)


def _sequence(name: str, calls: list[str]) -> str:
    inside = "\n".join(f"    {call}::run(S, L);" for call in calls)
    return f"static void {name}(const Shared& S, Lane& L) {{\n{inside}\n}}"


del RHYTHM, c_data_type
