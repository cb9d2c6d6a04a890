"""What can be made anew, and what it costs on this machine, as text."""

from __future__ import annotations

from collections.abc import Iterator

from neurosim.reproduce.costs import Cost, Costs, Timed, duration
from neurosim.reproduce.papers import PAPERS, PaperFigure, paper_figure
from neurosim.reproduce.study import STUDIES
from neurosim.reproduce.tables import TABLES, rows_of

__all__ = ["listing"]


def listing(own: Costs, shipped: Costs) -> str:
    """Every figure, and every row of every table, with its published value and its cost.

    Parameters
    ----------
    own : Costs
        Times measured on this machine.
    shipped : Costs
        Times that stand in for those that were not measured.

    Returns
    -------
    str
        Several lines.
    """
    lines = ["figures: neurosim reproduce figure NAME [--rows ROW ...] [--seeds N] [--epochs N]"]
    for name in PAPERS:
        figure = paper_figure(name)
        lines += [f"  {name}: {figure.title}", f"    {figure.source}"]
        lines += [f"      {line}" for line in _panels(figure, own, shipped)]
    for study in STUDIES.values():
        seconds = own.studies.get(study.name, shipped.studies.get(study.name))
        cost = "not measured" if seconds is None else duration(seconds)
        note = _elsewhere(study.name in own.studies or seconds is None)
        lines += [f"  {study.name}: {study.title} ({cost}{note})", f"    {study.source}"]
    lines += ["", "tables: neurosim reproduce TABLE [--rows ROW ...] [--seeds N] [--epochs N]"]
    for table in TABLES.values():
        lines += [f"  {table.name}: {table.title}", f"    {table.source}"]
        lines += [f"      {line}" for line in _rows(table.name, own, shipped)]
    there = f"measured on {shipped.processor}" if shipped.rows else "not measured yet"
    return "\n".join([
        *lines,
        "",
        "Times are those of one seed on one core with all epochs of the table. Marked by *: "
        f"not of this machine, but {there}; neurosim reproduce --measure measures here.",
    ])  # fmt: skip


def _panels(figure: PaperFigure, own: Costs, shipped: Costs) -> Iterator[str]:
    """A line per data set: its rows, and what all of them cost."""
    for dataset, rows in figure.panels.items():
        seconds, here, known = 0.0, True, True
        for one in rows:
            if one.refusal():
                continue
            cost, of_here = _cost(one.timed, own, shipped)
            here &= of_here
            known &= cost is not None
            seconds += 0.0 if cost is None else cost.seconds(one)
        words = duration(seconds) + _elsewhere(here) if known else "not measured"
        names = ", ".join(one.label for one in rows)
        yield f"{dataset:<14}{words:>12}  {rows[0].epochs} epochs of {names}"


def _elsewhere(here: bool) -> str:
    return "" if here else "*"


def _rows(table: str, own: Costs, shipped: Costs) -> Iterator[str]:
    rows = rows_of(table)
    width = max(len(row.name) for row in rows)
    total, foreign, known = 0.0, False, True
    for row in rows:
        cost, here = _cost(row, own, shipped)
        hidden = "-".join(map(str, row.hidden))
        value = "" if row.entry is None else row.entry.text()
        published = f", published {value} %" if value else ""
        words = "not measured" if cost is None else duration(cost.seconds(row))
        total += 0.0 if cost is None else cost.seconds(row)
        known &= cost is not None
        foreign |= not here
        yield (
            f"{row.name:<{width}}  {words + _elsewhere(here):>12}  "
            f"hidden {hidden}, {row.epochs} epochs{published}"
        )
    words = duration(total) + _elsewhere(not foreign) if known else "not measured"
    yield f"{'all':<{width}}  {words:>12}"


def _cost(row: Timed, own: Costs, shipped: Costs) -> tuple[Cost | None, bool]:
    """What a row costs, and whether that was measured here; nothing counts as here."""
    found = own.of(row)
    if found is not None:
        return found, True
    other = shipped.of(row)
    return other, other is None
