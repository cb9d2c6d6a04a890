"""What a whole table costs on machines of other sizes, from measured times."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence

from neurosim.reproduce.costs import Cost, Costs, duration
from neurosim.reproduce.tables import TABLES, Row, rows_of

__all__ = ["makespan", "render_costs"]

#: Machines on which every core works on a run of its own.
_CORES = {"1 core": 1, "2 cores": 2, "16 cores": 16, "a cluster of 100 workers, a core each": 100}
_SEEDS = (1, 3, 10)
_GPU = "one GPU"

_TEXT = """\
# What a table costs

{title} ({source}): what computing all rows anew takes, from the time of one image of each row
on {processor}, {date}. It is the time of the processor, on one thread; where other work was
running, it may have taken part of the caches. The times of a machine of your own:

```sh
neurosim reproduce --measure
neurosim reproduce --list
```

## The whole table

| machine | {seeds} |
| --- | {rule} |
{machines}

A run is not divided among workers: a cluster is no faster than its longest run, and what a
machine needs is that of the longest runs first, each to the worker that is free. Cores are
taken to be those of the measurement and not to hinder each other, which runs that wait for
memory do. So the lines of more cores than were measured are lower bounds.

## One row

{rows_head}
{rows}

Milliseconds of a network that has just begun to learn; a seed has {epochs} epochs, each with an
evaluation of all test images.{drawn} Beside them stand times by the clock in the last epoch of the
[runs that were made](results.md), on other machines and at other hours: other work makes them
longer, and a network that has learnt makes them shorter, since it sends fewer errors.
"""


def makespan(seconds: Sequence[float], workers: int) -> float:
    """Time until the last of some runs ends, the longest begun first.

    Parameters
    ----------
    seconds : sequence of float
        Time of each run.
    workers : int
        Runs at one time.

    Returns
    -------
    float
        In seconds.
    """
    free = [0.0] * workers
    for length in sorted(seconds, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + length)
    return max(free)


def render_costs(costs: Costs, table: str, runs: Mapping[str, float] | None = None) -> str:
    """The page of costs of a table.

    Parameters
    ----------
    costs : Costs
        Measured times.
    table : str
        A name of :data:`neurosim.reproduce.TABLES`.
    runs : mapping of str to float, optional
        Milliseconds per training image in runs that were made, by row, to set beside them.

    Returns
    -------
    str
        Markdown. Rows and machines without a measurement are named, and left out of sums.
    """
    rows = rows_of(table)
    ways = _ways(costs, rows)
    head = ("row", *(f"{way}, ms" for way in ways), "in runs made, ms", "evaluation, ms",
            "one seed, one core")  # fmt: skip
    return _TEXT.format(
        title=TABLES[table].title,
        source=TABLES[table].source,
        processor=costs.processor,
        date=costs.date,
        seeds=" | ".join(f"{n} seed{'s' * (n > 1)}" for n in _SEEDS),
        rule=" | ".join(["---:"] * len(_SEEDS)),
        machines="\n".join(_machines(costs, rows, ways)),
        rows_head=_line(head) + "\n" + _line(["---", *["---:"] * (len(head) - 1)]),
        rows="\n".join(_line(_cells(costs, row, ways, runs or {})) for row in rows),
        epochs=" or ".join(str(n) for n in sorted({row.epochs for row in rows})),
        drawn=_note(costs, rows),
    )


def _ways(costs: Costs, rows: Sequence[Row]) -> list[str]:
    """What computed the rows; one thread first."""
    found = {way for row in rows for way in costs.rows.get(row.name, {})}
    return sorted(found, key=lambda way: (not way.endswith(", 1 thread"), way))


def _machines(costs: Costs, rows: Sequence[Row], ways: Sequence[str]) -> list[str]:
    """A line per machine: time of all rows with each number of seeds."""
    single = {row: cost for row in rows if (cost := costs.of(row)) is not None}
    missing = ", ".join(row.name for row in rows if row not in single)
    lines = [
        _line([name, *(_duration([c.seconds(r) for r, c in single.items()], n, workers)
                       for n in _SEEDS)])
        for name, workers in _CORES.items()
    ]  # fmt: skip
    for way in ways:
        if re.search(r", [2-9]\d* threads$", way):
            lines.append(_one_after_the_other(f"{way}, a run at a time", costs, rows, way))
    gpu = [way for way in ways if way.startswith("cuda")]
    if gpu:
        lines.append(_one_after_the_other(_GPU, costs, rows, gpu[0]))
    else:
        lines.append(_line([_GPU, *["not measured"] * len(_SEEDS)]))
    if missing:
        lines.append(f"\nWithout rows that were not measured: {missing}.")
    return lines


def _one_after_the_other(name: str, costs: Costs, rows: Sequence[Row], way: str) -> str:
    timed = {row: costs.rows.get(row.name, {}).get(way) for row in rows}
    seconds = [cost.seconds(row) for row, cost in timed.items() if cost is not None]
    note = "" if len(seconds) == len(rows) else f" ({len(seconds)} of {len(rows)} rows)"
    return _line([name + note, *(_duration(seconds, n, 1) for n in _SEEDS)])


def _duration(seconds: Sequence[float], seeds: int, workers: int) -> str:
    return duration(makespan([*seconds] * seeds, workers))


def _cells(costs: Costs, row: Row, ways: Sequence[str], runs: Mapping[str, float]) -> list[str]:
    timed = costs.rows.get(row.name, {})
    single = costs.of(row)
    mark = "*" if any(cost.images == "drawn" for cost in timed.values()) else ""
    return [
        row.name + mark,
        *(_milliseconds(timed.get(way)) for way in ways),
        f"{runs[row.name]:.3f}" if row.name in runs else "-",
        "-" if single is None else f"{single.evaluate_ms:.3f}",
        "-" if single is None else duration(single.seconds(row)),
    ]


def _milliseconds(cost: Cost | None) -> str:
    return "-" if cost is None else f"{cost.train_ms:.3f}"


def _note(costs: Costs, rows: Sequence[Row]) -> str:
    shown = {cost.images for row in rows for cost in costs.rows.get(row.name, {}).values()}
    return " *: with random images, in which no pixel is silent." if "drawn" in shown else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
