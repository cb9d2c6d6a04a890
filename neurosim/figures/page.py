"""The page of a system: Markdown made of its circuit, its parameters and its files.

Nothing is typed a second time. Formulas, symbols and tables come from the strings that run;
the paper's citation and the differences from it come from the head of the model's file;
description, results and variants from ``published/<name>.toml`` beside it. The oracle in
``numpy/`` and the picture are found by the system's name.
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from neurosim.circuit import Circuit, Population, Projection
from neurosim.circuit.graph import shared_weights
from neurosim.circuit.parser import Line, parse_equations, parse_statements
from neurosim.errors import ParameterError
from neurosim.figures import page_tables as tables
from neurosim.figures.formulas import (
    Printer,
    comment_of,
    equation_block,
    group_populations,
    group_projections,
    latex_text,
    math_block,
    printer_for,
    statement,
    synaptic_code,
    system_comments,
)
from neurosim.figures.page_tables import Row, markdown_table
from neurosim.system import System

__all__ = ["oracle_of", "render_index", "render_page", "variants_of"]

_HOW_TO_READ = (
    r"In these formulas $[\,\cdot\,]$ is 1 where the condition in it holds and 0 elsewhere; *on* "
    "names the event at which synapses act. Numbers of equations and sections are the paper's; "
    "*code* marks what only the code behind the published numbers says."
)
_EVENTS = (
    "At the onset of an image every variable is set. Events of a time step come in the order "
    "*onset*, *sense*, *send*, *phase_end*, *learn* "
    "([inside a time step](../architecture.md#inside-a-time-step))."
)
_VARIABLES = (
    "What the equations do not define: what is integrated, delivered by synapses, noted by events "
    "or constant (in SI units, for the default parameters)."
)


# ---------------------------------------------------------------- the files of a system


def _module_of(system: type[System]) -> ModuleType:
    module = inspect.getmodule(system)
    if module is None or module.__file__ is None:
        raise ParameterError(f"{system.__name__} is not in a file, which a page is made from")
    return module


def _folder(system: type[System]) -> Path:
    """The folder of models that a system belongs to."""
    return Path(_module_of(system).__file__ or "").parent


def _written_file(system: type[System]) -> Path:
    return _folder(system) / "published" / f"{system.name}.toml"


def _written(system: type[System]) -> Mapping[str, Any]:
    """What ``published/<name>.toml`` says; a system may do without."""
    path = _written_file(system)
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ParameterError(f"{path} cannot be read: {error}") from error


def _family(system: type[System]) -> list[type[System]]:
    """The system, then the systems it is derived from that have a name of their own."""
    return [kind for kind in system.__mro__ if issubclass(kind, System) and "name" in vars(kind)]


def oracle_of(system: type[System]) -> Path | None:
    """The system in plain NumPy.

    Parameters
    ----------
    system : type[System]
        The system's class.

    Returns
    -------
    Path or None
        ``numpy/<name>.py`` beside the model's file, with ``_`` for ``-``, or that of the
        system it is derived from, if there is none.
    """
    folder = _folder(system)
    names = (kind.name.replace("-", "_") for kind in _family(system))
    found = (folder / "numpy" / f"{name}.py" for name in names)
    return next((path for path in found if path.is_file()), None)


def variants_of(system: type[System]) -> list[tuple[str, System]]:
    """Other settings whose equations differ from those of the defaults.

    Parameters
    ----------
    system : type[System]
        The system's class.

    Returns
    -------
    list of tuple of str and System
        A title and the system with these settings.

    Raises
    ------
    ParameterError
        If a variant lacks its title or its parameters, or has anything else.
    """
    found = []
    for number, variant in enumerate(_written(system).get("variants", ()), start=1):
        if variant.keys() != {"title", "parameters"}:
            raise ParameterError(
                f"{_written_file(system)}, variant {number}: give title and parameters, not "
                f"{', '.join(variant)}"
            )
        options = {name: _tuples(value) for name, value in variant["parameters"].items()}
        found.append((str(variant["title"]), system(**options)))
    return found


def _tuples(value: Any) -> Any:
    """A value of a TOML file as parameters hold it."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _docstring_sections(module: ModuleType) -> dict[str, str]:
    """Sections of a module's docstring by heading; what comes before them under ``""``."""
    text = inspect.cleandoc(module.__doc__ or "").replace("``", "`")
    parts = re.split(r"^(\S.*)\n-{3,}\n", text, flags=re.M)
    sections = {"": parts[0].strip()}
    sections.update(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    return sections


# ---------------------------------------------------------------- equations


def _cells(circuit: Circuit, printer: Printer, usual: Circuit | None = None) -> dict[str, str]:
    """Equations of the cells by heading, without those of an earlier or of the usual population."""
    blocks: dict[str, list[str]] = {}
    known = {population.name: population for population in usual.populations} if usual else {}
    for group in group_populations(circuit.populations):
        model = known.get(group[0].name) or _like(group[0], known.values())
        known |= {population.name: population for population in group}
        text = _cell_equations(group[0], model, printer)
        if text:
            blocks.setdefault(text, []).append(_title(group))
    return {", ".join(titles): text for text, titles in blocks.items()}


def _cell_equations(population: Population, model: Population | None, printer: Printer) -> str:
    """Equations of a population that its model does not have, and what they share, in words."""
    lines, others = _formulas(population), _formulas(model) if model else []

    def symbols(chosen: Iterable[Line]) -> str:
        return ", ".join(f"${printer.name(line.name)}$" for line in chosen)

    new = [line for line in lines if line not in others]
    parts = [equation_block(new, printer)] if new else []
    if model and model.name != population.name and new:
        parts.append(f"{symbols(line for line in lines if line in others)}: as in `{model.name}`.")
    names = {line.name for line in lines}
    gone = symbols(line for line in others if line.name not in names)
    if model and model.name == population.name and gone:
        parts.append(f"Without {gone}.")
    if population.commit and (model is None or model.commit != population.commit):
        parts.append(math_block(_rows(population.commit, "once a batch", printer)))
    return "\n\n".join(parts)


def _formulas(population: Population) -> list[Line]:
    """Equations of a population that have a right-hand side."""
    return [line for line in parse_equations(population.equations) if line.expression]


def _like(population: Population, others: Iterable[Population]) -> Population | None:
    """The population, among others, that has at least half of the same equations."""
    lines = set(_formulas(population))
    count = {other.name: len(lines & set(_formulas(other))) for other in others}
    best = max(others, key=lambda other: count[other.name], default=None)
    return best if best is not None and 2 * count[best.name] >= len(lines) else None


def _synapses(system: type[System], printer: Printer) -> dict[str, str]:
    """Statements of the projections by heading, and the events at which they act."""
    comments = system_comments(system)
    parts = {}
    for group in group_projections(system().circuit().projections):
        rows: list[str] = []
        for code, when in synaptic_code(group[0]):
            note = comment_of(code, comments).partition(", with ")[0]
            rows += _rows(code, ", ".join(filter(None, (note, when))), printer)
        parts[_title(group)] = math_block(rows)
    return parts


def _rows(code: str, words: str, printer: Printer) -> list[str]:
    """Statements as rows of a formula, with words beside the last."""
    rows = []
    for written in parse_statements(code):
        name, _, rest = statement(written, printer).partition(" ")
        rows.append(f"{name} &{rest}")
    if rows:
        rows[-1] += rf" && \text{{{latex_text(words)}}}"
    return rows


def _title(group: Sequence[Population | Projection]) -> str:
    names = ", ".join(f"`{member.name}`" for member in group)
    return f"{group[0].role} ({names})" if group[0].role else names


def _equations(system: type[System], parent: type[System] | None, printer: Printer) -> str:
    usual, said = (parent().circuit(), _synapses(parent, printer)) if parent else (None, {})
    parts = _cells(system().circuit(), printer, usual)
    parts |= {
        title: block
        for title, block in _synapses(system, printer).items()
        if said.get(title) != block
    }
    words = _HOW_TO_READ
    if parent and usual:
        link = f"[{parent.name}]({parent.name}.md#equations)"
        left_out = _left_out(usual, system().circuit())
        without = f" without {left_out}" if left_out else ""
        words = f"Those of {link}{without}{', except:' if parts else '.'}"
    return "\n\n".join((words, *(f"### {title}\n\n{block}" for title, block in parts.items())))


def _variants(system: type[System], printer: Printer) -> str:
    """Equations of each variant that the default circuit does not have."""
    usual, parts = system().circuit(), []
    for title, variant in variants_of(system):
        circuit = variant.circuit()
        parts.append(f"### {title}")
        cells = _cells(circuit, printer, usual)
        parts += [f"{names}:\n\n{block}" for names, block in cells.items()]
        left_out = _left_out(usual, circuit)
        parts += [f"It has no {left_out}."] if left_out else []
    return "\n\n".join(parts)


def _left_out(usual: Circuit, circuit: Circuit) -> str:
    """Populations and projections that the usual circuit has, and this one has not."""
    gone = {p.name for p in usual.populations} - {p.name for p in circuit.populations}
    gone |= {p.name for p in usual.projections} - {p.name for p in circuit.projections}
    return ", ".join(f"`{name}`" for name in sorted(gone))


# ---------------------------------------------------------------- the page


def _circuit(circuit: Circuit, picture: Path) -> str:
    phases = ", then ".join(f"**{p.name}** ({p.steps * circuit.dt:g} ms)" for p in circuit.phases)
    drawn = f"![The circuit](../images/{picture.name})\n\n" if picture.is_file() else ""
    populations = markdown_table(("population", "cells", "what"), tables.population_rows(circuit))
    head = ("projection", "from", "to", "wiring", "learns", "what")
    projections = markdown_table(head, tables.projection_rows(circuit))
    return (
        f"{drawn}One cycle shows one image: {phases}, in steps of {circuit.dt:g} ms. Layers have "
        f"the default sizes.\n\n{populations}\n\n{projections}"
    )


def _table(
    words: str, head: Row, rows: Iterable[Row], known: Iterable[Row], parent: type[System] | None
) -> str:
    """A table without the rows that the parent's page has, and nothing if none are left."""
    said = set(known)
    new = [row for row in rows if row not in said]
    if parent is not None:
        words = f"Where they differ from those of [{parent.name}]({parent.name}.md)."
    return "\n\n".join(filter(None, (words, markdown_table(head, new)))) if new else ""


def _tables(system: type[System], parent: type[System] | None, printer: Printer) -> dict[str, str]:
    """Sections that are tables."""
    circuit, usual = system().circuit(), parent().circuit() if parent else None

    def rows(make: Callable[..., list[Row]], head: Row, words: str = "") -> str:
        known = make(parent, usual) if parent and usual else []
        return _table(words, head, make(system, circuit), known, parent)

    return {
        "Events": rows(
            lambda _, made: tables.event_rows(made),
            ("event", "cells", "moment", "when", "what the cell does"),
            _EVENTS,
        ),
        "Parameters": rows(
            lambda kind, _: tables.parameter_rows(kind),
            ("parameter", "symbol", "default", "unit", "allowed", "meaning"),
        ),
        "Variables and constants": rows(
            lambda kind, made: tables.variable_rows(kind, made, printer),
            ("variable", "symbol", "unit", "cells", "meaning", "set by"),
            _VARIABLES,
        ),
        "Weights": rows(
            lambda _, made: tables.weight_rows(made, printer),
            ("weight", "symbol", "shape", "synapses"),
        ),
    }


def _paper(
    system: type[System], parent: type[System] | None, head: Mapping[str, str]
) -> dict[str, str]:
    """What the head of the model's file says; two systems of one file share it."""
    said = {
        "Differences from the paper": head.get("Differences from the paper", ""),
        "References": head.get("Citation", system.citation),
    }
    if parent is None or parent.__module__ != system.__module__:
        return said
    return {
        title: f"Those of [{parent.name}]({parent.name}.md#{title.lower().replace(' ', '-')})."
        for title in said
    }


def _see_also(system: type[System]) -> str:
    folder, oracle = _folder(system), oracle_of(system)
    file = f"models/{Path(_module_of(system).__file__ or '').name}"
    lines = [f"- [`{file}`](../../{file}): the strings this page is made of"]
    if oracle is not None:
        name = f"models/{oracle.relative_to(folder).as_posix()}"
        lines.append(f"- [`{name}`](../../{name}): the same in plain NumPy")
    lines.append("- [Write your own learning rule](../write-your-own-rule.md)")
    return "\n".join(lines)


def render_page(system: type[System], images: Path, measured: str = "") -> str:
    """The page of one system.

    Parameters
    ----------
    system : type[System]
        A system from ``models/``.
    images : Path
        The folder of pictures.
    measured : str
        What stands before the written results.

    Returns
    -------
    str
        Markdown; links are those of a page in ``docs/models/``. A system that is derived
        from another only says where it differs.

    Raises
    ------
    ParameterError
        If the system is in no file, or its TOML file cannot be read.
    """
    written, printer = _written(system), printer_for(system)
    head = _docstring_sections(_module_of(system))
    parent = next(iter(_family(system)[1:]), None)
    picture = images / f"circuit-{system.name}.svg"
    presets = markdown_table(
        ("data set", "hidden", "epochs", "differs from the defaults by", "source"),
        tables.preset_rows(system),
    )
    sections = {
        "Description": str(written.get("description", head[""])).strip(),
        "Circuit": _circuit(system().circuit(), picture),
        "Equations": _equations(system, parent, printer),
        "Variants": _variants(system, printer),
        **_tables(system, parent, printer),
        "Presets": presets,
        "Results": f"{measured}\n{written.get('results', '')}".strip(),
        **_paper(system, parent, head),
        "See also": _see_also(system),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items() if text)
    return f"{_MADE}\n\n# {system.name}: {system.title}\n\n{body}\n"


_MADE = "<!-- made by docs/make_model_pages.py from models/; do not edit -->"


def render_index(systems: Mapping[str, type[System]]) -> str:
    """The page that lists the systems.

    Parameters
    ----------
    systems : mapping of str to type[System]
        Systems by name.

    Returns
    -------
    str
        Markdown; links are those of a page in ``docs/models/``.
    """
    rows = []
    for name, system in systems.items():
        circuit = system().circuit()
        phases = ", ".join(phase.name for phase in circuit.phases)
        both = ", ".join(f"`{weight}`" for weight in shared_weights(circuit)) or "none"
        rows.append((f"[{name}]({name}.md)", system.title, phases, both, system.citation))
    head = ("system", "what", "phases", "weights used both ways", "paper")
    return (
        f"{_MADE}\n\n# Systems\n\nEach is one file in `models/`, found by its place; `neurosim "
        "systems` lists them with their presets.\n\n"
        f"{markdown_table(head, rows)}\n"
    )
