"""Take the C++ statements of a circuit from Brian2's own code generator, piece by piece.

Brian2 asks a code object class for C++ at every object that runs in a step. The class
here compiles nothing: it keeps what the generator wrote, sorted into what is read, what
is computed and what is written back. :mod:`neurosim.backends.cpp.program` makes one
program of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from brian2.codegen.codeobject import CodeObject
from brian2.codegen.generators.cpp_generator import CPPCodeGenerator
from brian2.codegen.targets import codegen_targets
from brian2.core.variables import ArrayVariable
from brian2.utils.stringtools import get_identifiers

__all__ = ["TARGET", "Access", "Piece", "Step", "collect", "lane_target"]

#: Name of the code generation target while pieces are collected.
TARGET = "neurosim_lanes"


@dataclasses.dataclass(frozen=True)
class Access:
    """A variable that a piece reads or writes.

    Attributes
    ----------
    name : str
        Name within the statements.
    variable : brian2.core.variables.ArrayVariable
        What it stands for.
    index : str
        ``"0"``, ``"_idx"``, ``"_presynaptic_idx"`` or ``"_postsynaptic_idx"``.
    """

    name: str
    variable: ArrayVariable
    index: str


@dataclasses.dataclass(frozen=True)
class Step:
    """One statement in C++.

    Attributes
    ----------
    target : str
        The variable that it sets.
    declares : str
        C++ type of the variable that it introduces; empty if it changes a known one.
    code : str
        The statement.
    uses : frozenset of str
        Names on its right-hand side.
    """

    target: str
    declares: str
    code: str
    uses: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Block:
    """Statements with what they read before and write after."""

    reads: tuple[Access, ...]
    steps: tuple[Step, ...]
    writes: tuple[Access, ...]


@dataclasses.dataclass(frozen=True)
class Piece:
    """What one Brian2 object does in a step.

    Attributes
    ----------
    kind : str
        Brian2's template: ``"stateupdate"``, ``"threshold"``, ``"reset"``,
        ``"synapses"``, ``"spikemonitor"`` or ``"statemonitor"``.
    owner : object
        The Brian2 group.
    scalar, vector : Block
        Statements that run once, and for every cell, event or synapse.
    support : tuple of str
        C++ lines that define functions.
    variables : dict of str to object
        All variables by the names of the statements.
    details : dict of str to object
        What Brian2 hands to its template, such as ``pathway``.
    """

    kind: str
    owner: Any
    scalar: Block
    vector: Block
    support: tuple[str, ...]
    variables: dict[str, Any]
    details: dict[str, Any]


class _Generator(CPPCodeGenerator):
    """Brian2's C++ generator; its lines are kept apart by what they do."""

    #: Defined once, at the head of the program.
    universal_support_code = ""

    def translate_statement_sequence(
        self, sc_statements: Any, ve_statements: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        # neurosim's objects have one block of statements, which Brian2 calls None
        ((_, scalar),), ((_, vector),) = sc_statements.items(), ve_statements.items()
        sc_read, sc_write, _, _ = self.arrays_helper(scalar)
        ve_read, ve_write, _, _ = self.arrays_helper(vector)
        # scalars that the loop only reads are read once, before it
        once = {v for v in ve_read if self.variables[v].scalar and v not in ve_write}
        before = self._block(scalar, sc_read | once, sc_write)
        return before, self._block(vector, ve_read - once, ve_write), self.determine_keywords()

    def _block(self, statements: Any, read: set[str], write: set[str]) -> Block:
        def accesses(names: set[str]) -> tuple[Access, ...]:
            return tuple(
                Access(name, self.variables[name], self.variable_indices[name])
                for name in sorted(names)
            )

        steps = tuple(
            Step(
                s.var,
                self.c_data_type(s.dtype) if s.op == ":=" else "",
                self.translate_statement(s),
                frozenset(get_identifiers(s.expr)),
            )
            for s in statements
        )
        return Block(accesses(read), steps, accesses(write))


class _Template:
    """Stands where Brian2 expects a text template: it keeps the parts instead."""

    iterate_all = frozenset({"_idx"})
    writes_read_only: frozenset[str] = frozenset()
    allows_scalar_write = True
    template_source = ""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.variables = {"N"} if kind == "threshold" else set()

    def __call__(self, scalar: Any, vector: Any, **details: Any) -> Piece:
        return Piece(
            self.kind,
            details["owner"],
            scalar,
            vector,
            tuple(line for line in details["support_code_lines"] if line.strip()),
            details["variables"],
            details,
        )


class _Templater:
    def __getattr__(self, kind: str) -> _Template:
        # Python asks whether an attribute of a class is abstract
        if kind.startswith("__"):
            raise AttributeError(kind)
        return _Template(kind)


class LaneCodeObject(CodeObject):
    """A code object that is never run."""

    class_name = TARGET
    generator_class = _Generator
    templater = _Templater()

    @classmethod
    def is_available(cls) -> bool:
        """Whether Brian2 may choose it."""
        return True

    def compile(self) -> None:
        """Nothing to do."""

    def compile_block(self, block: str) -> None:
        """Nothing to do."""

    def run_block(self, block: str) -> None:
        """Nothing to do."""


@contextmanager
def lane_target() -> Iterator[None]:
    """Let Brian2 generate code for lanes, for the length of a ``with`` block."""
    import brian2 as b2

    before = b2.prefs["codegen.target"]
    codegen_targets.add(LaneCodeObject)
    b2.prefs["codegen.target"] = TARGET
    try:
        yield
    finally:
        b2.prefs["codegen.target"] = before
        codegen_targets.discard(LaneCodeObject)


def collect(network: Any, namespace: dict[str, object]) -> list[tuple[Any, Piece]]:
    """The pieces of a network in the order in which they run.

    Parameters
    ----------
    network : brian2.Network
        Built, never run.
    namespace : dict of str to object
        Functions of the inputs.

    Returns
    -------
    list of (object, Piece)
        Brian2's object, which has ``when`` and ``order``, and its piece.
    """
    found = []
    with lane_target():
        for part in network.sorted_objects:
            # Brian2 warns of objects that were in no network's run
            part._network = network.id
            part.before_run(namespace)
            for code_object in part._code_objects:
                if code_object.template_name != "synapses_push_spikes":
                    found.append((part, code_object.code))
    return found
