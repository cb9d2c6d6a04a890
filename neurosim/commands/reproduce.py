"""``neurosim reproduce``: make a figure or a table of a paper anew."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from neurosim.commands.options import add_data_folder, path, shown, whole_number
from neurosim.errors import ParameterError

__all__ = ["add"]

_EXAMPLES = """\
examples:
  neurosim reproduce --list                       figures and rows, with what they cost here
  neurosim reproduce urfb-linear                  a figure
  neurosim reproduce digits                       a table; no download
  neurosim reproduce table1 --rows mnist/corinfomax,mnist/ep --seeds 10
  neurosim reproduce table1 --rows mnist --epochs 10 --jobs 2

The runs of a table lie in the folder --runs. The same command after an interrupt, with more
seeds or more epochs, goes on. Results are written to OUT/TABLE/ROW.json as rows are done, and
the page of all results in OUT and its figures are made from these files.
"""

#: Options that tables take and figures do not.
_OF_TABLES = ("rows", "seeds", "epochs", "jobs", "threads", "backend", "runs", "page")


def add(commands: Any) -> None:
    """Declare ``neurosim reproduce``."""
    parser = commands.add_parser(
        "reproduce",
        help="make a figure or a table of a paper anew",
        description="Make a figure or a table of a paper anew, with the numbers behind it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", metavar="NAME", nargs="?", help="figure or table; see --list")
    parser.add_argument(
        "--list", action="store_true", help="list figures and rows of tables, and stop"
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        default=Path("results"),
        help="folder for figures and numbers (default: results)",
    )
    add_data_folder(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    _add_tables(parser.add_argument_group("tables"))
    parser.set_defaults(run=_run)


def _add_tables(group: Any) -> None:
    group.add_argument(
        "--rows", metavar="A,B,...", help="rows, or data sets, joined by commas (default: all)"
    )
    group.add_argument(
        "--seeds", type=whole_number, metavar="N", help="runs of each, seeds 0 to N-1 (default: 3)"
    )
    group.add_argument(
        "--epochs", type=whole_number, metavar="N", help="epochs (default: the table's)"
    )
    group.add_argument(
        "--jobs", type=whole_number, metavar="N", help="runs side by side (default: 1)"
    )
    group.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="threads of each run (default: the cores, divided among --jobs; 1 with --measure)",
    )
    group.add_argument("--backend", help="cpp (default), cuda or runtime")
    group.add_argument(
        "--runs", type=path, metavar="DIR", help="folder of the runs (default: runs/reproduce)"
    )
    group.add_argument(
        "--page",
        type=path,
        metavar="FILE",
        help="the page of all results (default: OUT/results.md)",
    )
    group.add_argument(
        "--measure",
        action="store_true",
        help="time the rows on this machine for --list, a second or two each, and stop",
    )


def _run(options: argparse.Namespace) -> int:
    from neurosim.reproduce import STUDIES, TABLES
    from neurosim.reproduce.costs import Costs
    from neurosim.reproduce.listing import listing
    from neurosim.reproduce.study import UnknownStudyError

    if options.measure:
        return _measure(options)
    if options.list or options.what is None:
        print(listing(Costs.own(), Costs.shipped()))
        return 0
    if options.what in TABLES:
        return _reproduce(options)
    if options.what not in STUDIES:
        from neurosim.errors import near_matches

        raise UnknownStudyError(
            f"unknown figure or table {options.what!r}; "
            f"{near_matches(options.what, [*STUDIES, *TABLES])}"
        )
    return _study(options)


def _study(options: argparse.Namespace) -> int:
    """Make a figure, and note how long that took."""
    from neurosim.reproduce import study
    from neurosim.reproduce.costs import Costs, own_file

    for name in _OF_TABLES:
        if getattr(options, name) is not None:
            raise ParameterError(
                f"--{name} is for tables, and {options.what} is a figure; leave it out"
            )
    begin = time.monotonic()
    for file in study(options.what).make(options.out, options.data_dir):
        print(shown(file))
    seconds = round(time.monotonic() - begin, 1)
    Costs.own().adding(studies={options.what: seconds}).write(own_file())
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    """Train what is missing, and write the page of all results."""
    from neurosim.reproduce.reproducing import reproduce_rows
    from neurosim.reproduce.results import read_results
    from neurosim.reproduce.results_figures import write_pages
    from neurosim.reproduce.tables import chosen_rows
    from neurosim.runs.interrupts import Interrupted

    rows = chosen_rows(options.what, _names(options.rows))
    try:
        reproduce_rows(
            rows,
            seeds=3 if options.seeds is None else options.seeds,
            out=options.out,
            runs=options.runs or Path("runs/reproduce"),
            epochs=options.epochs,
            backend=options.backend,
            data_dir=options.data_dir,
            jobs=1 if options.jobs is None else options.jobs,
            threads=options.threads,
            progress=not options.quiet,
        )
    except Interrupted as stop:
        print("neurosim: interrupted; the same command goes on", file=sys.stderr)
        return 128 + stop.signal_number
    page = options.page or options.out / "results.md"
    for file in write_pages(read_results(options.out), page, page.parent / "images"):
        print(shown(file))
    return 0


def _measure(options: argparse.Namespace) -> int:
    """Time rows of one table or of all, and keep the times."""
    from neurosim.reproduce import TABLES
    from neurosim.reproduce.costs import Costs, own_file
    from neurosim.reproduce.measuring import measure
    from neurosim.reproduce.tables import chosen_rows, rows_of

    if options.what is None:
        if options.rows is not None:
            raise ParameterError("--rows names rows of a table; name the table, too")
        rows = [row for table in TABLES for row in rows_of(table)]
    else:
        rows = chosen_rows(options.what, _names(options.rows))
    costs = Costs.own()
    for row, computed_by, cost in measure(
        rows,
        backend=options.backend or "cpp",
        threads=options.threads,
        data_dir=options.data_dir,
    ):
        # each at once: the next row may be interrupted
        costs = costs.adding({row.name: {computed_by: cost}})
        costs.write(own_file())
        if not options.quiet:
            print(
                f"{row.name}, {computed_by}: {cost.train_ms:.4f} ms per training image, "
                f"{cost.evaluate_ms:.4f} ms per image of an evaluation",
                flush=True,
            )
    return 0


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
