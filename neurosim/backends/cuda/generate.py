"""From a circuit to the text of its CUDA kernels.

The statements, and the loops around them, are those of the C++ program
(:mod:`neurosim.backends.cpp.generate`); here they are put into steps that a block of
threads runs together, and into tiles of synapses that learn.
"""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neurosim.backends.brian.rhythm import COMMIT
from neurosim.backends.cpp import cells as cpp_cells
from neurosim.backends.cpp import synapses
from neurosim.backends.cpp.generate import (
    FUNCTIONS,
    Assembly,
    Program,
    assemble,
    write_calls,
    write_struct,
)
from neurosim.backends.cpp.memory import LaneLayout
from neurosim.backends.cpp.pieces import Piece
from neurosim.backends.cpp.silence import adds_nothing, commit_leaves_silent
from neurosim.backends.cuda import cells
from neurosim.backends.cuda.barriers import Touched, Work, touched_by, with_barriers
from neurosim.backends.cuda.learning import Gather, learn_tiles
from neurosim.backends.cuda.limits import check_circuit, check_delivery, check_piece
from neurosim.circuit import Circuit, Projection
from neurosim.circuit.gathering import gathered_variables, stored_variables

__all__ = ["KernelProgram", "generate"]

_FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class KernelProgram(Program):
    """Kernels and the arrays they work on.

    Attributes
    ----------
    tiles : int
        Blocks of the kernel that learns.
    learning_phases : tuple of str
        Phases at whose end some synapse may learn.
    widest : int
        Cells of the largest population.
    """

    tiles: int
    learning_phases: tuple[str, ...]
    widest: int

    def layout(self) -> str:
        """Arrays, pathways and launches as JSON text."""
        found = json.loads(super().layout())
        found |= {"tiles": self.tiles, "learning_phases": self.learning_phases}
        return json.dumps(found | {"widest": self.widest})


@dataclasses.dataclass(frozen=True)
class _Event:
    """What is known of an event: when it can happen, whether all cells have it, its flags."""

    gate: str
    whole: bool
    name: str


def generate(
    circuit: Circuit, *, real: str, record: Mapping[str, Iterable[str]] | None = None
) -> KernelProgram:
    """Write the kernels of a circuit.

    Parameters
    ----------
    circuit : Circuit
        What to write.
    real : {"float", "double"}
        C++ type of states and weights; Brian2's ``core.default_float_dtype`` must agree.
    record : mapping of str to iterable of str, optional
        Variables to record in every step, by population.

    Returns
    -------
    KernelProgram
        Text and arrays.

    Raises
    ------
    CircuitError
        If the circuit needs what a GPU cannot do here, an equation has wrong units or names
        something unknown.
    """
    check_circuit(circuit)
    assembly = _Kernels(circuit, real)
    assemble(assembly, circuit, record)
    return assembly.program()


class _Kernels(Assembly):
    """Writes pieces for blocks of threads, and notes what each of them touches."""

    def __init__(self, circuit: Circuit, real: str) -> None:
        super().__init__(circuit, real)
        self._events: dict[str, _Event] = {}
        self._works: list[Work] = []
        #: Lists wait until all events of a moment are decided: fewer barriers.
        self._lists: list[Work] = []
        self._works_before: list[Work] | None = None
        self._tiles: list[tuple[str, int]] = []
        self._gathered: dict[str, list[Gather]] = {}
        self._listed = {
            (self._sender(projection, pathway), pathway.event)
            for projection, pathway in self._pathways.values()
            if not pathway.learns
        }

    # ------------------------------------------------------------ pieces

    def add(self, name: str, part: Any, piece: Piece) -> None:
        """Write one piece."""
        if name.endswith(f"_{COMMIT}_thresholder"):
            # the caller of the program says when a batch is complete
            return
        check_piece(name, piece)
        if piece.kind != "threshold":
            self._works += self._lists
            self._lists = []
        if piece.kind == "synapses" and name not in self._pathways:
            self._learn(f"f_{name}", part, piece)
        elif piece.kind == "synapses" and self._pathways[name][1].learns:
            event = self._event_of(part.source, part.eventspace_name)
            flags = "" if event.whole else f"flags_{event.name}"
            gathers = self._gathered.setdefault(part.synapses.name, [])
            gathers.append(Gather(piece, event.gate, flags))
        elif piece.kind == "threshold":
            self._threshold(name, f"f_{name}", piece)
        else:
            self._work(name, f"f_{name}", part, piece)

    def _event_of(self, group: Any, eventspace: str) -> _Event:
        return self._events[f"{group.name}{eventspace}"]

    def _write(self, function: str, text: str, touched: Touched, gate: str) -> Work:
        self._functions.append(text)
        return Work(f"{function}::run(S, L);", touched, gate)

    def _threshold(self, name: str, function: str, piece: Piece) -> None:
        group = piece.owner
        population = self._circuit.population(group.name)
        event = name.removeprefix(f"{population.name}_").removesuffix("_thresholder")
        gate, whole = cells.rhythm_gate(self._fields, population.event(event).condition, group)
        found = cells.event_name(piece, group)
        self._events[found] = _Event(gate, whole, found)
        listed = (population.name, event) in self._listed
        if not whole:
            text = cells.decide(self._fields, function, piece, votes=listed)
            touched = touched_by(self._fields, piece, "_idx")
            touched |= Touched(own_writes=frozenset({f"flags_{found}"}),
                               writes=frozenset({f"votes_{found}"} if listed else ()))  # fmt: skip
            self._works.append(self._write(function, text, touched, gate))
        if listed:
            text = cells.list_cells(self._fields, f"{function}_list", piece, whole=whole)
            votes = () if whole else (f"flags_{found}", f"votes_{found}")
            touched = Touched(reads=frozenset(votes),
                              writes=frozenset({f"list_{found}", f"count_{found}"}))  # fmt: skip
            self._lists.append(self._write(f"{function}_list", text, touched, gate))

    def _work(self, name: str, function: str, part: Any, piece: Piece) -> None:
        fields, gate = self._fields, ""
        if piece.kind == "stateupdate":
            text = cpp_cells.state_update(fields, function, piece)
            touched = touched_by(fields, piece, "_idx")
        elif piece.kind == "statemonitor":
            text = cpp_cells.record(fields, function, piece, name.removeprefix("monitor_"))
            noted = cpp_cells.noting(piece, {*piece.owner.record_variables})
            touched = touched_by(fields, noted, "_idx") | Touched(reads=frozenset({"step"}))
        elif piece.kind == "synapses":
            text, touched, gate = self._delivery(name, function, part, piece)
        else:
            text, touched, gate = self._over_cells(name, function, piece)
        self._works.append(self._write(function, text, touched, gate))

    def _delivery(
        self, name: str, function: str, part: Any, piece: Piece
    ) -> tuple[str, Touched, str]:
        projection, pathway = self._pathways[name]
        wiring = _named(projection)
        event = self._event_of(part.source, part.eventspace_name)
        receiver = "post" if pathway.side == "pre" else "pre"
        silent = adds_nothing(pathway.code, stored_variables(projection))
        check_delivery(name, piece, receiver, wiring=wiring, silent=silent)
        text = synapses.signal(
            self._fields, function, piece, part, wiring=wiring, zero_is_silent=silent
        )
        own = "" if wiring == "one_to_one" else f"_{receiver}synaptic_idx"
        listed = frozenset({f"list_{event.name}", f"count_{event.name}"})
        return text, touched_by(self._fields, piece, own) | Touched(reads=listed), event.gate

    def _over_cells(self, name: str, function: str, piece: Piece) -> tuple[str, Touched, str]:
        reset = piece.kind == "reset"
        group = piece.owner if reset else piece.owner.source
        event = self._events[cells.event_name(piece, group)]

        def over(fields: Any, name: str, piece: Piece, group: Any, inside: Any = None) -> str:
            return cells.over_cells(fields, name, piece, group, inside, whole=event.whole)

        if reset:
            text, noted = over(self._fields, function, piece, group), piece
        else:
            (readout,) = (r for r in self._circuit.readouts if f"readout_{r.name}" == name)
            noted = cpp_cells.noting(piece, {readout.variable})
            text = cpp_cells.readout(
                self._fields, function, piece, readout.name, readout.variable, self._real, over
            )
        flags = frozenset(() if event.whole else (f"flags_{event.name}",))
        return text, touched_by(self._fields, noted, "_idx") | Touched(flags), event.gate

    def _learn(self, function: str, part: Any, piece: Piece) -> None:
        if self._works_before is None:
            self._works_before, self._works = self._works, []
        projection = self._circuit.projection(part.synapses.name)
        text, tiles = learn_tiles(
            self._fields, function, self._gathered[projection.name],
            self._without_emptying(projection, piece), gathered_variables(projection),
            part.synapses, wiring=_named(projection),
            leaves_silent=commit_leaves_silent(projection),
        )  # fmt: skip
        self._functions.append(text)
        self._tiles.append((function, tiles))

    # ------------------------------------------------------------ the whole

    def program(self) -> KernelProgram:
        """Everything written, as one source."""
        last = [*self._works, *self._lists]
        before, after = (last, []) if self._works_before is None else (self._works_before, last)
        after = [*after, Work("ONE L.step++;", Touched(writes=frozenset({"step"})))]
        first, pending = with_barriers(before)
        second, _ = with_barriers(after, pending)
        lane, shared = self._fields.lane.values(), self._fields.shared.values()
        size = LaneLayout(Program("", tuple(lane), tuple(shared), {}).layout()).lane_bytes
        text = [
            (_FOLDER / "block.h").read_text(),
            FUNCTIONS.read_text(),
            *write_struct(lane, shared),
            f'static_assert(sizeof(Lane) == {size}, "the layout of a lane");',
            *self._functions,
            write_calls("before_learning(const Shared& S, Lane& L)", first),
            write_calls("after_learning(const Shared& S, Lane& L)", second),
            write_calls(
                "learn_tile(const Shared& S, Lane* const lanes, int active, int tile, bool fresh, "
                "bool commit, int batch, int64_t commits)",
                self._tile_calls(),
            ),
            (_FOLDER / "kernels.inc").read_text(),
        ]
        return KernelProgram(
            "\n".join(text),
            tuple(lane),
            tuple(shared),
            self._how(),
            sum(tiles for _, tiles in self._tiles),
            self._learning_phases(),
            max(population.size for population in self._circuit.populations),
        )

    def _tile_calls(self) -> list[str]:
        lines, start = [], 0
        for function, tiles in self._tiles:
            lines.append(
                f"if (tile < {start + tiles}) return {function}::run(S, lanes, active, "
                f"tile - {start}, fresh, commit, batch, commits);"
            )
            start += tiles
        return lines

    def _learning_phases(self) -> tuple[str, ...]:
        names = [phase.name for phase in self._circuit.phases]
        found: set[str] = set()
        for population, event in self._learning_events:
            condition = self._circuit.population(population).event(event).condition
            found |= set(_ends_of(condition) & set(names) or names)
        return tuple(name for name in names if name in found)


def _ends_of(condition: str) -> set[str]:
    """Phases of which a condition demands the end."""
    tree = ast.parse(condition.strip(), mode="eval").body
    both = isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)
    terms = tree.values if both else [tree]  # type: ignore[attr-defined]
    return {t.id.removeprefix("end_") for t in terms
            if isinstance(t, ast.Name) and t.id.startswith("end_")}  # fmt: skip


def _named(projection: Projection) -> str:
    """The wiring of a projection, which :func:`check_circuit` has found to be a named one."""
    assert isinstance(projection.wiring, str)
    return projection.wiring
