"""Tables of a system's page: what its circuit, its parameters and its presets say.

A table is a list of rows, so that the page of a derived system can leave out what the page
of its parent says already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from neurosim.circuit import Circuit, Event, Population
from neurosim.circuit.parser import Line, Statement, parse_equations, parse_statements
from neurosim.data import DATASETS
from neurosim.figures.formulas import Printer
from neurosim.system import System
from neurosim.system.parameters import allowed_text, describe_parameters

__all__ = [
    "Row",
    "event_rows",
    "markdown_table",
    "parameter_rows",
    "population_rows",
    "preset_rows",
    "projection_rows",
    "variable_rows",
    "weight_rows",
]

Row = tuple[str, ...]


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns.
    rows : iterable of sequence of str
        Cells; a ``|`` in one is escaped.

    Returns
    -------
    str
        Without a line break at the end.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines
    )


def _code(text: str) -> str:
    """Statements as code on one line."""
    joined = "; ".join(line.strip() for line in text.strip().splitlines())
    return f"`{joined}`" if joined else ""


def _formula(text: str) -> str:
    return f"${text}$" if text else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


# ---------------------------------------------------------------- circuit


def population_rows(circuit: Circuit) -> list[Row]:
    """Populations, their sizes and roles."""
    return [(f"`{p.name}`", str(p.size), p.role) for p in circuit.populations]


def projection_rows(circuit: Circuit) -> list[Row]:
    """Projections: who sends to whom, how, whether they learn, and what they are."""
    return [
        (
            f"`{p.name}`",
            f"`{p.source}`",
            f"`{p.target}`",
            p.wired.words(),
            "yes" if p.plastic else "no",
            p.role,
        )
        for p in circuit.projections
    ]


def event_rows(circuit: Circuit) -> list[Row]:
    """Events: name, cells, moment, condition and action.

    Parameters
    ----------
    circuit : Circuit
        The circuit.

    Returns
    -------
    list of Row
        Populations with the same event share a row.
    """
    owners: dict[Row, list[str]] = {}
    for population in circuit.populations:
        for event in population.events:
            owners.setdefault(_event_cells(event), []).append(population.name)
    return [(row[0], _list(names), *row[1:]) for row, names in owners.items()]


def _event_cells(event: Event) -> Row:
    name = f"`{event.name}`" + (" (counted)" if event.counted else "")
    return name, f"`{event.moment}`", _code(event.condition), _action(event.action)


def _action(code: str) -> str:
    """Statements; what is set to 0 is told in words where it is more than one variable."""
    statements = parse_statements(code)
    kept = [s for s in statements if not _resets(s)]
    if len(statements) - len(kept) < 2:
        return _code(code)
    told = "; ".join(f"{s.target} {s.operator} {s.expression}" for s in kept)
    return f"`{told}`, other variables 0" if told else "all variables 0"


def _resets(statement: Statement) -> bool:
    return (statement.operator, statement.expression) == ("=", "0")


# ---------------------------------------------------------------- symbols


def parameter_rows(system: type[System]) -> list[Row]:
    """Parameters: name, symbol, default, unit, range and meaning."""
    defaults = {field.name: field.default for field in dataclasses.fields(system)}
    rows: list[Row] = []
    for name, info in describe_parameters(system).items():
        value = defaults[name]
        shown = _plain(value).replace(",", ", ") if isinstance(value, tuple) else f"{value}"
        allowed = allowed_text(value, info)
        cells = (f"`{name}`", _formula(info.symbol), f"`{shown}`", info.unit, allowed, info.doc)
        rows.append(cells)
    return rows


def variable_rows(system: type[System], circuit: Circuit, printer: Printer) -> list[Row]:
    """Variables that no equation defines: name, symbol, unit, cells, meaning and what sets them.

    Parameters
    ----------
    system : type[System]
        The system's class; constants that are parameters of it are left out.
    circuit : Circuit
        Its circuit.
    printer : Printer
        Knows the symbols.

    Returns
    -------
    list of Row
        Populations that say the same of a variable share a row.
    """
    parameters = describe_parameters(system)
    owners: dict[Row, list[str]] = {}
    for population in circuit.populations:
        for line in parse_equations(population.equations):
            if line.kind == "subexpression" or (line.is_setting and line.name in parameters):
                continue
            row = (
                f"`{line.name}`",
                _formula(printer.name(line.name)),
                line.unit,
                line.comment,
                ", ".join(dict.fromkeys(_set_by(circuit, population, line))),
            )
            owners.setdefault(row, []).append(population.name)
    return [(*row[:3], _list(names), *row[3:]) for row, names in sorted(owners.items())]


def _set_by(circuit: Circuit, population: Population, line: Line) -> Iterator[str]:
    """What sets a variable after the onset of an image, which sets all of them."""
    if line.name in population.parameters:
        yield f"constant {population.parameters[line.name]:.6g}"
    if line.kind == "differential":
        yield "integration"
    if line.name in population.links:
        source, variable = population.links[line.name]
        yield f"`{variable}` of {circuit.population(source).role or source}"
    for event in population.events:
        for statement in parse_statements(event.action):
            if statement.target == line.name and not _resets(statement):
                yield f"event `{event.name}`"
    if line.name in {statement.target for statement in parse_statements(population.commit)}:
        yield "commit of the cells"
    for projection in circuit.projections:
        ends = (("post", projection.target), ("pre", projection.source))
        names = {f"{line.name}_{end}" for end, name in ends if name == population.name}
        for pathway in projection.pathways:
            if names & {statement.target for statement in parse_statements(pathway.code)}:
                yield projection.role or projection.name


def weight_rows(circuit: Circuit, printer: Printer) -> list[Row]:
    """Learnt weights: name, symbol, shape and the synapses or cells that hold them.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    printer : Printer
        Knows the symbols.

    Returns
    -------
    list of Row
        In the order of the circuit.
    """
    rows: list[Row] = []
    for weight in circuit.weights:
        stem, _, layer = weight.name.rpartition("_")
        numbered = bool(stem) and layer.isdigit()
        symbol = printer.name(stem if numbered else weight.name)
        symbol += f"^{{({layer})}}" if numbered else ""
        held = [f"{part.projection}.{part.variable}" for part in weight.parts]
        held += [f"{weight.population}.{weight.variable}"] if weight.population else []
        shape = " x ".join(map(str, weight.shape))
        if weight.parts and weight.parts[0].layout == "natural":
            shape += f" {circuit.projection(weight.parts[0].projection).wired.layout}"
        rows.append((f"`{weight.name}`", _formula(symbol), shape, _list(held)))
    return rows


# ---------------------------------------------------------------- presets


def preset_rows(system: type[System]) -> list[Row]:
    """Settings for the known data sets: hidden layers, epochs, parameters and source.

    Parameters
    ----------
    system : type[System]
        The system's class.

    Returns
    -------
    list of Row
        Data sets with the same settings share a row, with the source of the first.
    """
    owners: dict[Row, list[str]] = {}
    sources: dict[Row, str] = {}
    for dataset in DATASETS:
        preset = system.preset(dataset)
        for one in (preset, *(preset.given(option.chosen) for option in preset.options)):
            values = ", ".join(
                f"`{name}={_plain(value)}`" for name, value in sorted(one.parameters.items())
            )
            row = ("-".join(map(str, one.hidden)), str(one.epochs), values)
            owners.setdefault(row, []).append(dataset)
            sources.setdefault(row, one.source)
    return [(_list(names), *row, sources[row]) for row, names in owners.items()]


def _plain(value: Any) -> str:
    """A value as a user writes it, lists without brackets."""
    if isinstance(value, tuple):
        return ",".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else f"{value}"
