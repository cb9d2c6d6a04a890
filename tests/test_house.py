"""The house: what may import what, and no circles. docs/architecture.md shows the same table."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Rooms from the ground up. A room imports itself and those below it.
FLOORS = (
    "neurosim._version",
    "neurosim.errors",
    "neurosim.files",
    "neurosim.data",
    "neurosim.circuit",
    "neurosim.system",
    "neurosim.models",
    "neurosim.backends",
    "neurosim.recording",
    "neurosim.learning",
    "neurosim.runs",
    "neurosim.pretrained",
    "neurosim.figures",
    "neurosim.reproduce",
    "neurosim.search",
    "neurosim.viewer",
    "neurosim.commands",
    "neurosim.cli",
    "neurosim",
    "neurosim.__main__",
    "benchmarks",
)


def module_files() -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    found = {}
    for folder, package in (
        ("neurosim", "neurosim"),
        ("models", "neurosim.models"),
        ("benchmarks", "benchmarks"),
    ):
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join((package, *parts))] = file
    return found


def imports_of(source: str, known: set[str]) -> set[str]:
    """Modules that a file imports anywhere: at its head, in a function, or for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known) or {node.module}
            # names that are not modules come from the package itself
            if inner - known:
                found.add(node.module)
    return found & known


def floor(module: str) -> int:
    """Place of a module in :data:`FLOORS`."""
    room = max(
        (room for room in FLOORS if module == room or module.startswith(f"{room}.")), key=len
    )
    return FLOORS.index(room)


def arrows() -> Iterator[tuple[str, str]]:
    """Every import of one project module by another."""
    files = module_files()
    for module, file in files.items():
        for imported in imports_of(file.read_text(encoding="utf-8"), set(files)):
            if imported != module:
                yield module, imported


def circles(pairs: set[tuple[str, str]]) -> list[str]:
    """A circle among arrows, or nothing. A package's own ``__init__`` may name its modules."""
    graph: dict[str, set[str]] = {}
    for module, imported in pairs:
        if not module.startswith(f"{imported}."):
            graph.setdefault(module, set()).add(imported)
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_import_runs_up() -> None:
    """Guards the order of rooms: what is below can be read without what is above."""
    up = sorted((a, b) for a, b in arrows() if floor(b) > floor(a))
    assert not up, "imports that run up the table: " + "; ".join(f"{a} -> {b}" for a, b in up)


def test_no_circle_of_imports() -> None:
    """Guards against files that can only be understood together."""
    assert circles(set(arrows())) == []


def test_every_module_has_a_floor() -> None:
    """Guards new rooms: each must be entered in the table, here and on the page."""
    homeless = [m for m in module_files() if floor(m) == FLOORS.index("neurosim") and "." in m]
    assert not homeless, f"give these a place in FLOORS: {', '.join(homeless)}"


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    from neurosim.runs.training import TrainingRun",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import neurosim.runs.training",
    ],
)
def test_hidden_imports_are_seen(source: str) -> None:
    """Guards the guard: an import inside a function, or for types, counts."""
    assert "neurosim.runs.training" in imports_of(source, set(module_files()))


def test_a_circle_is_seen() -> None:
    """Guards the guard."""
    assert circles({("a", "b"), ("b", "c"), ("c", "a")})


def test_the_page_shows_the_same_rooms() -> None:
    """Guards docs/architecture.md: its table lists the rooms in this order."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `(?:neurosim/)?(\w+)(?:/|\.py)` \|", text, re.M)
    rooms = [room.removeprefix("neurosim.") for room in FLOORS if room.startswith("neurosim.")]
    assert shown == [room for room in rooms if not room.startswith("_")]
