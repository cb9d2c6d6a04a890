"""The page of results: tables in Markdown, made from the files of results alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from neurosim.data.dataset import is_other
from neurosim.reproduce.costs import duration
from neurosim.reproduce.results import MARKED, Difference, Result, compared
from neurosim.reproduce.tables import TABLES

__all__ = ["HEAD", "render_courses", "render_page"]

HEAD = "<!-- made from the files of results by neurosim reproduce; do not edit -->"

#: In a cell of a table: there is no such value.
_NONE = "-"
#: Epochs of which the page shows a value.
_SHOWN = (1, 2, 3, 5, 10, 20, 30, 40, 50, 60)

#: What the page tells of an environment, and what stands before it.
_NOTED = {
    "neurosim": "neurosim ",
    "brian2": "Brian2 ",
    "numpy": "NumPy ",
    "python": "Python ",
    "compiler": "",
    "processor": "",
}

_INTRODUCTION = f"""\
{HEAD}

# Results

What the rows of published tables give here: means over seeds ± their standard deviation
(n - 1). Batch, rates and sizes are the published ones, or where nothing is published those of
the preset; a run that fails to learn counts as it is, and the accuracy is that after the last
epoch. *1 (3 to 10)* are three seeds, two of which end after 10 epochs. Times are those of a clock,
with whatever else the machine had to do.

**Differences** are those of the means. A full run is compared with the table, a shorter one
with the published curve at the same epoch. A difference in bold is larger than {MARKED:g} standard
deviations: of the published seeds, or where these are not published of the seeds here.
"""

_IN_PROPORTION = """\
A run of fewer epochs than the table's has the published schedule of rates shortened in
proportion, and is compared with the published value of the full run.
"""


def render_page(
    results: Sequence[Result],
    pictures: Mapping[str, Sequence[Path]],
    page: Path,
    reproduce: str | None = None,
) -> str:
    """The page of all results.

    Parameters
    ----------
    results : sequence of Result
        At least one, in the order of the page.
    pictures : mapping of str to sequence of Path
        Figures of each table.
    page : Path
        Where the page will lie; links are relative to its folder.
    reproduce : str, optional
        Link to a page about the command.

    Returns
    -------
    str
        Markdown.
    """
    parts = [_INTRODUCTION]
    if reproduce is not None:
        parts.append(f"How rows are made is on a [page of its own]({reproduce}).\n")
    for name, table in TABLES.items():
        rows = [result for result in results if result.table == name]
        if not rows:
            continue
        parts.append(f"## {table.title}\n\n{table.source[0].upper()}{table.source[1:]}.\n")
        if table.in_proportion:
            parts.append(_IN_PROPORTION)
        parts.append(_table_of_results(rows))
        for picture in pictures.get(name, ()):
            link = Path(os.path.relpath(picture, page.parent)).as_posix()
            parts.append(f"![{table.title}: {_caption(picture)}]({link})\n")
        parts.append(_table_of_courses(rows))
        parts.append(_table_of_costs(rows))
        parts.append(_origins(rows))
    return "\n".join(parts)


def render_courses(results: Sequence[Result], page: str) -> str:
    """What results of one system say over epochs, for a page of its own.

    Parameters
    ----------
    results : sequence of Result
        Rows of one table; there may be none.
    page : str
        Link to the page of all results.

    Returns
    -------
    str
        Markdown; empty without results.
    """
    if not results:
        return ""
    parts = [
        "Means ± standard deviations over seeds, one seed where there is no ±, with the published "
        f"settings;\npublished are means of ten seeds. [All results]({page}) has figures, events "
        "and times, too.\n",
        _table_of_courses(results),
    ]
    angled = [result for result in results if "angle_degrees" in result.published]
    if angled:
        parts.append(_table_of_courses(angled, "angle_degrees"))
    commands = "\n".join(dict.fromkeys(_commands(results)))
    return "\n".join([*parts, f"```sh\n{commands}\n```\n"])


def _caption(picture: Path) -> str:
    kind = "weight angles" if picture.stem.endswith("-angles") else "test accuracy"
    return f"{kind} over epochs, published values as open marks"


def _table_of_results(results: Sequence[Result]) -> str:
    head = ("row", "network", "batch", "seeds", "epochs", "test accuracy, %", "published, %",
            "difference", "train accuracy, %")  # fmt: skip
    lines = []
    for result in results:
        beside = compared(result)
        lines.append((
            _name(result),
            "-".join(map(str, result.network)),
            str(result.batch),
            _seeds(result),
            f"{result.epochs} of {result.table_epochs}",
            result.at("test_accuracy", result.epochs).text(),
            _published(beside),
            _difference(beside),
            result.at("train_accuracy", result.epochs).text(),
        ))  # fmt: skip
    return _markdown(head, lines)


def _name(result: Result) -> str:
    note = f" ({result.contents})" if is_other(result.contents) else ""
    return result.row + note


def _seeds(result: Result) -> str:
    *shorter, last = result.seeds_at().items()
    notes = [f"{seeds} to {epochs}" for epochs, seeds in shorter]
    return f"{last[1]}" + (f" ({', '.join(notes)})" if notes else "")


def _published(beside: Difference | None) -> str:
    if beside is None:
        return _NONE
    spread = beside.published_deviation
    return f"{beside.published:.2f}" + ("" if spread is None else f" ± {spread:.2f}")


def _difference(beside: Difference | None) -> str:
    if beside is None:
        return _NONE
    text = f"{beside.difference:+.2f}"
    if beside.deviations is not None:
        text += f" ({abs(beside.deviations):.1f} sd)"
    return f"**{text}**" if beside.marked else text


def _table_of_courses(results: Sequence[Result], quantity: str = "test_accuracy") -> str:
    most = max(result.epochs for result in results)
    epochs = [epoch for epoch in _SHOWN if epoch <= most]
    digits = {"test_accuracy": 2, "angle_degrees": 1}[quantity]
    lines: list[Sequence[str]] = []
    for result in results:
        lines.append((
            _name(result),
            *(result.at(quantity, e).text(f".{digits}f") if e <= result.epochs else _NONE
              for e in epochs),
        ))  # fmt: skip
        curve = result.published.get(quantity, {})
        if any(str(e) in curve for e in epochs):
            cells = (f"{curve[str(e)]:.{digits}f}" if str(e) in curve else _NONE for e in epochs)
            lines.append(("published", *cells))
    title = {
        "test_accuracy": "Test accuracy in % after an epoch",
        "angle_degrees": "Angle in degrees between forward and transposed backward weights",
    }[quantity]
    return f"{title}:\n\n" + _markdown(("epoch", *map(str, epochs)), lines)


def _table_of_costs(results: Sequence[Result]) -> str:
    head = ("row", "ms per image", "training, a seed", "graded spikes per image",
            "SynOps per image", "dense MACs per SynOp")  # fmt: skip
    lines = []
    for result in results:
        costs = result.costs
        synops = costs["synops_per_image"]
        spikes = costs.get("graded_spikes_per_image")
        lines.append((
            result.row,
            f"{costs['ms_per_image']:.3f}",
            duration(sum(result.train_seconds) / len(result.train_seconds)),
            _NONE if spikes is None else f"{spikes:.0f}",
            f"{synops:.0f}",
            f"{costs['dense_macs_per_image'] / max(synops, 1):.1f}",
        ))  # fmt: skip
    return (
        "Time and work of an image in the last epoch. A SynOp is one event at one synapse; dense "
        "MACs are the\nmultiply-accumulates of the same network simulated densely. Their quotient "
        "stands for the energy that\nevents save.\n\n" + _markdown(head, lines)
    )


def _origins(results: Sequence[Result]) -> str:
    """Commands, and what each was computed with: rows of the same origin together."""
    by_origin: dict[str, list[Result]] = {}
    for result in results:
        by_origin.setdefault(_origin(result), []).append(result)
    parts = []
    for origin, members in by_origin.items():
        commands = "\n".join(dict.fromkeys(_commands(members)))
        parts.append(f"{origin}\n\n```sh\n{commands}\n```\n")
    return "\n".join(parts)


def _commands(results: Sequence[Result]) -> Iterable[str]:
    """One command per setting of seeds and epochs, rows joined."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for command in result.commands:
            before, _, after = command.partition(f"--rows {result.row}")
            grouped.setdefault((before, after), []).append(result.row)
    for (before, after), rows in grouped.items():
        yield f"{before}--rows {','.join(rows)}{after}"


def _origin(result: Result) -> str:
    """What a result was computed with; commits that differ in nothing else stand together."""
    commits: dict[str, list[str]] = {}
    for one in result.environments:
        words = ", ".join(f"{label}{one[name]}" for name, label in _NOTED.items() if one.get(name))
        commits.setdefault(words, []).append(_commit(one.get("git_commit", "none")))
    origins = "; ".join(f"{', '.join(noted)}, {words}" for words, noted in commits.items())
    return f"Back end {result.backend}, {result.dtype}; {origins}:"


def _commit(noted: str) -> str:
    if noted == "none":
        return "no commit noted"
    return f"commit {noted[:12]}{' with changes' * noted.endswith('-dirty')}"


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
