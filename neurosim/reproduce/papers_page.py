"""The page of the papers' figures: pictures and tables, made from the files of results alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from neurosim.data.dataset import is_other
from neurosim.reproduce.paper_results import FigureResult
from neurosim.reproduce.papers import PaperFigure
from neurosim.runs.groups import Spread

__all__ = ["render_figures"]

_INTRODUCTION = """\
# Figures of the papers

What the figures of the papers look like here. Published values are open marks. Runs here may be
shorter than the published ones; the tables say after how many epochs, and values are compared at
the same epoch where something is published for it. A network whose learning diverges counts with
the accuracy of chance. `neurosim reproduce figure NAME` makes a figure anew, see [there]({link}).
"""
_NONE = "-"


def render_figures(
    figures: Mapping[str, tuple[PaperFigure, Sequence[FigureResult]]],
    pictures: Mapping[str, Path],
    page: Path,
    link: str,
) -> str:
    """The page.

    Parameters
    ----------
    figures : mapping of str to tuple
        Figures that have results, with these.
    pictures : mapping of str to Path
        File of each picture.
    page : Path
        Where the page will lie; links are relative to its folder.
    link : str
        Link to the page about the command.

    Returns
    -------
    str
        Markdown.
    """
    parts = [_INTRODUCTION.format(link=link)]
    for name, (figure, results) in figures.items():
        picture = Path(os.path.relpath(pictures[name], page.parent)).as_posix()
        parts.append(f"## {name}\n\n{figure.title}. {figure.source}.\n")
        parts.append(f"![{figure.title}]({picture})\n")
        parts.append(_table(figure, results))
        parts += [f"{r.row} is refused: {r.refused}.\n" for r in results if r.refused]
        for contents in dict.fromkeys(r.contents for r in results if is_other(r.contents)):
            rows = ", ".join(r.row for r in results if r.contents == contents)
            parts.append(f"Images of {rows}: {contents}.\n")
        parts.append(_origins(results))
    return "\n".join(parts)


def _table(figure: PaperFigure, results: Sequence[FigureResult]) -> str:
    head: tuple[str, ...]
    lines: list[tuple[str, ...]]
    if figure.shows == "ablation":
        head = ("row", "seeds", "epochs", *_ablation_heads(results))
        listed = _listed(results)
        lines = [_ablation_line(result, _epochs(results), listed) for result in results]
    elif figure.shows in ("test_accuracy", "angle_degrees"):
        head = ("row", "seeds", "epochs", "here", "published")
        lines = [_course_line(figure.shows, result) for result in results]
    elif figure.shows == "correlation":
        head = ("row", "seeds", "epochs", "test accuracy, %", "pair of weights", "correlation")
        lines = [line for r in results for line in _correlation_lines(r)]
    elif figure.shows == "information":
        head = ("row", "layers", "phase", "forward, before", "forward, after",
                "backward, before", "backward, after")  # fmt: skip
        lines = [line for r in results for line in _information_lines(r)]
    elif figure.shows == "sparsity":
        head = ("row", "layer", "seeds", "epochs", "before", "after")
        lines = [
            (r.row, name, str(len(r.seeds)), str(r.epochs),
             Spread.of(r.measured["before"][name]).text(), Spread.of(after).text())
            for r in results for name, after in r.measured.get("after", {}).items()
        ]  # fmt: skip
    else:
        head = ("row", "layer", "epochs", "change in the first step", "in the last step of",
                "there")  # fmt: skip
        lines = [line for r in results for line in _convergence_lines(r)]
    rows = [head, ("---", *["---:"] * (len(head) - 1)), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _correlation_lines(result: FigureResult) -> Iterator[tuple[str, ...]]:
    """A line for every pair; one line without, where errors come down through W itself."""
    if not result.epochs:
        return
    last = {name: Spread.of([course[-1] for course in courses]).text()
            for name, courses in result.courses.items()}  # fmt: skip
    pairs = {name.partition(" ")[2]: value for name, value in last.items()
             if name.startswith("correlation ")}  # fmt: skip
    given = (result.row, str(len(result.seeds)), str(result.epochs), last["test_accuracy"])
    for pair, value in (pairs or {"": ""}).items():
        yield (*given, pair, value)


def _epochs(results: Sequence[FigureResult]) -> list[int]:
    """Epochs that the table of an ablation shows: published ones, and the last."""
    return sorted(_listed(results) | {r.epochs for r in results if r.epochs})


def _listed(results: Sequence[FigureResult]) -> set[int]:
    """Epochs after which something is published."""
    return {int(e) for r in results for e in r.published.get("test_accuracy", {})}


def _ablation_heads(results: Sequence[FigureResult]) -> Iterable[str]:
    for epoch in _epochs(results):
        yield f"epoch {epoch}, %"
        if epoch in _listed(results):
            yield "published"


def _ablation_line(
    result: FigureResult, epochs: Sequence[int], listed: set[int]
) -> tuple[str, ...]:
    cells = []
    for epoch in epochs:
        known = 0 < epoch <= result.epochs or (result.diverged and not result.epochs)
        cells.append(Spread.of(result.accuracies(epoch)).text() if known else _NONE)
        if epoch in listed:
            cells.append(_published(result, epoch))
    note = f" ({len(result.diverged)} diverged)" if result.diverged else ""
    return (
        result.row,
        "refused" if result.refused else str(len(result.seeds)) + note,
        f"{result.epochs} of {result.full_epochs}",
        *cells,
    )


def _published(result: FigureResult, epoch: int) -> str:
    points = result.published.get("test_accuracy", {})
    if str(epoch) not in points:
        return _NONE
    last = epoch == max(map(int, points))
    spread = f" ± {result.deviation:.2f}" if last and result.deviation is not None else ""
    return f"{points[str(epoch)]:.2f}{spread}"


def _course_line(quantity: str, result: FigureResult) -> tuple[str, ...]:
    course = result.courses.get(quantity, [])
    values = Spread.of([values[-1] for values in course]).text() if course else _NONE
    published = result.published.get(quantity, {}).get(str(result.epochs))
    return (
        result.row,
        str(len(result.seeds)),
        f"{result.epochs} of {result.full_epochs}",
        values,
        _NONE if published is None else f"{published:.2f}",
    )


def _information_lines(result: FigureResult) -> Iterable[tuple[str, ...]]:
    def cell(told: Mapping[str, float | None], way: str) -> str:
        value = told[way]
        return _NONE if value is None else f"{value:.1f}"

    for pair, phases in result.measured.get("after", {}).items():
        for phase, after in phases.items():
            before = result.measured["before"][pair][phase]
            cells = [cell(t, way) for way in ("forward", "backward") for t in (before, after)]
            yield (result.row, pair, phase, *cells)


def _convergence_lines(result: FigureResult) -> Iterable[tuple[str, ...]]:
    ends, step = {}, 0
    for phase, length in result.measured.get("phases", {}).items():
        step += length
        ends[phase] = step
    for layer, changes in result.measured.get("changes", {}).items():
        first = next((v for v in changes if v > 0), 0.0)
        for phase, end in ends.items():
            yield (result.row, layer, str(result.epochs), f"{first:.3g}", phase,
                   f"{changes[end - 1]:.3g}")  # fmt: skip


def _origins(results: Sequence[FigureResult]) -> str:
    """Commands and commits, rows of the same origin together."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for result in (r for r in results if not r.refused):
        before, _, after = result.command.partition(f"--rows {result.row}")
        commits = ", ".join(
            dict.fromkeys(e.get("git_commit", "none")[:12] for e in result.environments)
        )
        processors = ", ".join(dict.fromkeys(e.get("processor", "") for e in result.environments))
        where = f"{result.backend}, {result.dtype}, {processors}, commit {commits}"
        grouped.setdefault((where, before, after), []).append(result.row)
    return "\n".join(
        f"{where}:\n\n```sh\n{before}--rows {','.join(rows)}{after}\n```\n"
        for (where, before, after), rows in grouped.items()
    )
