"""From a circuit to the text of its lane program."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.backends.brian.build import BuiltNetwork, build_network
from neurosim.backends.brian.functions import OWN_FUNCTIONS
from neurosim.backends.brian.rhythm import COMMIT, GATHER
from neurosim.backends.cpp import cells, synapses
from neurosim.backends.cpp.cell_commits import cell_commit
from neurosim.backends.cpp.fields import Field, Fields, shared_cells
from neurosim.backends.cpp.gathering import gathering
from neurosim.backends.cpp.geometry import Geometry, Rows
from neurosim.backends.cpp.meetings import meetings
from neurosim.backends.cpp.pieces import LaneCodeObject, Piece, collect
from neurosim.backends.cpp.silence import adds_nothing, commit_leaves_silent, only_sums
from neurosim.backends.cpp.slides import geometry_of
from neurosim.backends.cpp.together import rows_in_cache, write_steps
from neurosim.backends.cpp.wired import wired_learning, wired_signal
from neurosim.backends.cpp.wired_gathering import wired_gathering
from neurosim.circuit import Circuit, Pathway, Projection, Wiring
from neurosim.circuit.gathering import gathered_variables, learning_parts, stored_variables
from neurosim.circuit.noise import draws_noise, noise_streams, streamed_name

__all__ = ["FUNCTIONS", "Assembly", "Program", "assemble", "generate", "write_calls",
           "write_struct"]  # fmt: skip

_FOLDER = Path(__file__).parent
#: C++ of functions that equations call.
FUNCTIONS = _FOLDER / "functions.h"


@dataclasses.dataclass(frozen=True)
class Program:
    """A program and the arrays it works on.

    Attributes
    ----------
    text : str
        C++ source.
    lane, shared : tuple of Field
        Arrays of every lane, and those that all lanes share, in the program's order.
    pathways : dict of str to str
        How each pathway runs, by ``"projection_pathway"``.
    shares_rows : bool
        Whether lanes side by side are faster than one after the other.
    """

    text: str
    lane: tuple[Field, ...]
    shared: tuple[Field, ...]
    pathways: dict[str, str]
    shares_rows: bool = dataclasses.field(default=False, kw_only=True)

    def layout(self) -> str:
        """Arrays and pathways as JSON text."""
        return json.dumps(
            {
                "lane": [dataclasses.astuple(field) for field in self.lane],
                "shared": [dataclasses.astuple(field) for field in self.shared],
                "pathways": self.pathways,
                "shares_rows": self.shares_rows,
            }
        )


def generate(
    circuit: Circuit, *, real: str, record: Mapping[str, Iterable[str]] | None = None
) -> Program:
    """Write the program of a circuit.

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
    Program
        Text and arrays.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.
    """
    assembly = Assembly(circuit, real)
    assemble(assembly, circuit, record)
    return assembly.program()


def assemble(
    assembly: Assembly, circuit: Circuit, record: Mapping[str, Iterable[str]] | None
) -> None:
    """Hand the pieces of a circuit to what writes them, in the order of a time step.

    Parameters
    ----------
    assembly : Assembly
        Writes them.
    circuit : Circuit
        What to write.
    record : mapping of str to iterable of str or None
        Variables to record in every step, by population.

    Raises
    ------
    CircuitError
        If an equation has wrong units or names something unknown.
    """
    built = build_network(circuit, 1, record=record, whole=False)
    _give_inputs(circuit, built)
    _give_noise(circuit, built)
    _give_functions(built)
    for part, piece in collect(built.network, built.namespace):
        assembly.add(part.name, part, piece)


def _give_inputs(circuit: Circuit, built: BuiltNetwork) -> None:
    """Let the inputs of a cycle be read from the row of the lane's image."""
    for item in circuit.inputs:
        array = built.inputs[item.name]
        # loops run over whole vectors of cells, past the last cell, where there is no input
        column = f"((i) < {item.width} ? (i) : {item.width - 1})"
        place = f"L.row * {item.width} + {column}" if item.width else "L.row"
        arguments = "(t, i)" if item.width else "(t)"
        macro = f"#define {array.name}{arguments} (S.input_{item.name}[{place}])"
        array.implementations.add_implementation(
            LaneCodeObject, code={"support_code": macro}, name=array.name
        )


def _give_noise(circuit: Circuit, built: BuiltNetwork) -> None:
    """Let noise be drawn for the lane's image and step."""
    for function, stream in noise_streams(circuit).values():
        name, kind = streamed_name(function, stream), function.partition("_")[0]
        where = "(uint32_t)(S.noise_key[2] + L.row), (uint32_t)(cell), (uint32_t)L.step"
        key = "(uint32_t)S.noise_key[0], (uint32_t)S.noise_key[1]"
        macro = f"#define {name}(cell) (noise_{kind}({key}, {where}, {stream}u))"
        drawn: Any = built.namespace[name]
        drawn.implementations.add_implementation(
            LaneCodeObject, code={"support_code": macro}, name=name
        )


def _give_functions(built: BuiltNetwork) -> None:
    """Say in C++ what the functions beside Brian2's own do."""
    for name, (_, sign) in OWN_FUNCTIONS.items():
        text = (
            f"template <class A, class B> static inline auto _own_{name}(A a, B b) "
            f"{{ return a {sign} b ? a : b; }}"
        )
        function: Any = built.namespace[name]
        function.implementations.add_implementation(
            LaneCodeObject, code={"support_code": text}, name=f"_own_{name}"
        )


class Assembly:
    """Writes pieces and keeps the order in which they run.

    Parameters
    ----------
    circuit : Circuit
        What to write.
    real : {"float", "double"}
        C++ type of states and weights.
    """

    def __init__(self, circuit: Circuit, real: str) -> None:
        self._circuit = circuit
        self._real = real
        self._fields = Fields(shared_cells(circuit))
        self._functions: list[str] = []
        self._before: list[str] = []
        #: Function, projection, rows to share among threads, and whether it commits.
        self._learning: list[tuple[str, str, int, bool]] = []
        self._after: list[str] = []
        #: Functions that deliver the events of lanes side by side in one go.
        self._shared: set[str] = set()
        self._pathways = {
            f"{projection.name}_{pathway.name}": (projection, pathway)
            for projection in circuit.projections
            for pathway in projection.pathways
        }
        self._learning_events = {
            (self._sender(projection, pathway), pathway.event)
            for projection, pathway in self._pathways.values()
            if pathway.learns
        }
        self._gathers: dict[str, list[tuple[Piece, Any]]] = {}
        self._cell_gathers: dict[str, Piece] = {}
        #: Function, population, and cells to share among threads.
        self._cell_commits: list[tuple[str, str, int]] = []
        for item in circuit.inputs:
            self._fields.add_shared(f"input_{item.name}", "double")
        for name in learning_parts(circuit):
            self._fields.add_shared(f"frozen_{name}", "uint8_t")
        self._noisy = draws_noise(circuit)
        if self._noisy:
            self._fields.add_shared("noise_key", "int64_t")

    @staticmethod
    def _sender(projection: Projection, pathway: Pathway) -> str:
        return projection.source if pathway.side == "pre" else projection.target

    def add(self, name: str, part: Any, piece: Piece) -> None:
        """Write one piece.

        Parameters
        ----------
        name : str
            Name of Brian2's object.
        part : object
            Brian2's object.
        piece : Piece
            Its statements.
        """
        function = f"f_{name}"
        if name.endswith((f"_{COMMIT}_thresholder", f"_{GATHER}_thresholder")):
            # the caller of the program says when an image ends and a batch is complete
            return
        if name.endswith(f"_{GATHER}_resetter"):
            self._cell_gathers[piece.owner.name] = piece
            return
        if name.endswith(f"_{COMMIT}_resetter"):
            self._cell_commits.append((function, piece.owner.name, len(piece.owner)))
            gather = self._cell_gathers.get(piece.owner.name)
            self._functions.append(cell_commit(self._fields, function, gather, piece))
            return
        if piece.kind == "synapses" and name not in self._pathways:
            text = self._commit(function, part, piece)
        elif piece.kind == "synapses" and self._pathways[name][1].learns:
            projection, pathway = self._pathways[name]
            if projection.commit:
                self._gathers.setdefault(projection.name, []).append((piece, part))
                return
            text = self._at_once(function, part, piece, projection)
            rows = self._circuit.population(self._sender(projection, pathway)).size
            self._learning.append((function, projection.name, rows, False))
        else:
            text = self._in_lane(name, function, part, piece)
            # what a learning event does to its cells comes after what its synapses gather
            (self._after if self._learning or self._gathers else self._before).append(function)
        self._functions.append(text)

    def _at_once(self, function: str, part: Any, piece: Piece, projection: Projection) -> str:
        wiring = projection.wiring
        if isinstance(wiring, str):
            return synapses.learning(self._fields, function, piece, part, wiring=wiring)
        return wired_learning(self._fields, function, piece, part, self._geometry(projection))

    def _geometry(self, projection: Projection) -> Geometry:
        """How the synapses of a projection lie; the arrays that say so are added."""
        geometry = geometry_of(self._circuit, projection)
        for name, table in geometry.tables.items():
            if table.dtype == np.int32:
                self._fields.add_shared(name, "int32_t")
        return geometry

    def _commit(self, function: str, part: Any, piece: Piece) -> str:
        projection = self._circuit.projection(part.synapses.name)
        commit, gathered = self._without_emptying(projection, piece), gathered_variables(projection)
        given = self._fields, function, self._gathers[projection.name], commit, gathered
        silent = commit_leaves_silent(projection)
        if isinstance(projection.wiring, str):
            rows = self._circuit.population(projection.source).size
            self._learning.append((function, projection.name, rows, True))
            return gathering(*given, wiring=projection.wiring, leaves_silent=silent)
        geometry = self._geometry(projection)
        self._learning.append((function, projection.name, geometry.rows, True))
        return wired_gathering(*given, geometry, leaves_silent=silent)

    @staticmethod
    def _without_emptying(projection: Projection, piece: Piece) -> Piece:
        """A commit without the statements that set the sums to 0."""
        gathered = gathered_variables(projection)
        emptied = {f"{name} = 0;" for name in gathered} | {f"{name} = 0.0;" for name in gathered}
        steps = tuple(s for s in piece.vector.steps if s.code not in emptied)
        writes = tuple(a for a in piece.vector.writes if a.name not in gathered)
        return dataclasses.replace(
            piece, vector=dataclasses.replace(piece.vector, steps=steps, writes=writes)
        )

    def _in_lane(self, name: str, function: str, part: Any, piece: Piece) -> str:
        fields = self._fields
        if piece.kind == "stateupdate":
            return cells.state_update(fields, function, piece)
        if piece.kind == "threshold":
            population = self._circuit.population(piece.owner.name)
            event = name.removeprefix(f"{population.name}_").removesuffix("_thresholder")
            return cells.threshold(
                fields, function, piece, population.event(event).condition,
                flags=(population.name, event) in self._learning_events,
            )  # fmt: skip
        if piece.kind == "reset":
            return cells.over_events(fields, function, piece, piece.owner)
        if piece.kind == "synapses":
            return self._signal(function, part, piece, *self._pathways[name])
        if piece.kind == "spikemonitor":
            (readout,) = (r for r in self._circuit.readouts if f"readout_{r.name}" == name)
            return cells.readout(
                fields, function, piece, readout.name, readout.variable, self._real
            )
        return cells.record(fields, function, piece, name.removeprefix("monitor_"))

    def _signal(
        self, function: str, part: Any, piece: Piece, projection: Projection, pathway: Pathway
    ) -> str:
        stored, wiring = stored_variables(projection), projection.wiring
        silent, given = adds_nothing(pathway.code, stored), (self._fields, function, piece, part)
        if isinstance(wiring, Wiring):
            geometry = self._geometry(projection)
            if not (silent and isinstance(geometry, Rows) and geometry.groups == 1):
                return wired_signal(
                    *given, geometry, code=pathway.code, adds_nothing=adds_nothing, stored=stored
                )
            # rows with holes, where a 0 stands for a missing synapse
            wiring = "all_to_all"
        tile = 0
        if pathway.side == "pre" and synapses.runs_over_rows(piece, "post", wiring, silent):
            sources, targets = len(part.synapses.source), len(part.synapses.target)
            tile = rows_in_cache(sources, targets, self._real)
        if tile:
            self._shared.add(function)
        sums = only_sums(pathway.code, "post" if pathway.side == "pre" else "pre")
        return synapses.signal(*given, wiring=wiring, zero_is_silent=silent, sums=sums, tile=tile)

    def program(self) -> Program:
        """Everything written, as one source."""
        between = meetings(self._fields, self._circuit, self._real)
        lane, shared = self._fields.lane.values(), self._fields.shared.values()
        text = [
            (_FOLDER / "lanes.h").read_text(),
            FUNCTIONS.read_text(),
            (_FOLDER / "noise.h").read_text() if self._noisy else "",
            *write_struct(lane, shared),
            *self._functions,
            f"static const bool shares_rows = {str(bool(self._shared)).lower()};",
            write_steps("before_learning", self._before, frozenset(self._shared)),
            write_steps("after_learning", self._after, frozenset(self._shared)),
            write_calls("learning(const Shared& S, Lane* lanes, int active, int part, int parts, "
                   "bool commit, int batch, int64_t commits)",
                   (f"if (!*S.frozen_{owner}) {name}::run(S, lanes, active, "
                    f"share({rows}, part, parts), share({rows}, part + 1, parts)"
                    f"{', commit, batch, commits' * commits});"
                    for name, owner, rows, commits in self._learning)),
            f"static const bool cells_commit = {str(bool(self._cell_commits)).lower()};",
            write_calls("commit_cells(const Shared& S, Lane* lanes, int active, int part, "
                   "int parts, bool commit, int batch, int64_t commits)",
                   (f"if (!*S.frozen_{owner}) {name}::run(S, lanes, active, "
                    f"share({rows}, part, parts), share({rows}, part + 1, parts), "
                    "commit, batch, commits);"
                    for name, owner, rows in self._cell_commits)),
            *between,
            (_FOLDER / "host.inc").read_text(),
        ]  # fmt: skip
        return Program(
            "\n".join(text),
            tuple(lane),
            tuple(shared),
            self._how(),
            shares_rows=bool(self._shared),
        )

    def _how(self) -> dict[str, str]:
        """How each pathway runs, in words."""
        found = {}
        for name, (projection, pathway) in self._pathways.items():
            kind = "one to one" if projection.wiring == "one_to_one" else "dense rows"
            if isinstance(projection.wiring, Wiring):
                kind = geometry_of(self._circuit, projection).words
            if pathway.learns:
                kind += ", gathers for a commit" if projection.commit else ", changes at once"
            found[name] = kind
        return found


def write_struct(lane: Iterable[Field], shared: Iterable[Field]) -> tuple[str, str]:
    """The memory of a lane, and what lanes share, as C++.

    Parameters
    ----------
    lane, shared : iterable of Field
        Arrays in order.

    Returns
    -------
    tuple of str
        Two structs, ``Shared`` and ``Lane``.
    """
    return (
        _struct("Shared", (f"{f.ctype}* {f.name};" for f in shared)),
        _struct("alignas(64) Lane", (
            "alignas(64) int64_t row; int64_t step;",
            *(f"alignas(64) {f.ctype} {f.name}[{f.size}];" for f in lane),
        )),
    )  # fmt: skip


def _struct(name: str, members: Iterable[str]) -> str:
    return "\n    ".join([f"struct {name} {{", *members]) + "\n};"


def write_calls(signature: str, calls: Iterable[str]) -> str:
    """A C++ function that calls others.

    Parameters
    ----------
    signature : str
        Its name and parameters.
    calls : iterable of str
        Statements.

    Returns
    -------
    str
        C++.
    """
    return "\n    ".join([f"static void {signature} {{", *calls]) + "\n}"
