"""``neurosim reproduce``: make a figure or a table of a paper anew."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.commands.options import (
    add_backend,
    add_cluster_options,
    add_data_folder,
    add_list,
    cluster_from,
    names,
    path,
    shown,
    whole_number,
)
from neurosim.errors import ParameterError, near_matches

if TYPE_CHECKING:
    from neurosim.reproduce.costs import Timed
    from neurosim.reproduce.reproducing import Request
    from neurosim.runs.cluster import Cluster

__all__ = ["add"]

_EXAMPLES = """\
examples:
  neurosim reproduce --list                       figures and rows, with what they cost here
  neurosim reproduce figure mu-ff --rows digits   a figure from runs
  neurosim reproduce figure urfb-linear           a figure without runs
  neurosim reproduce digits                       a table; no download
  neurosim reproduce table1 --rows mnist/corinfomax mnist/ep --seeds 10
  neurosim reproduce table1 --rows mnist --epochs 10 --jobs 2
  neurosim reproduce table1 --seeds 10 --cluster tcp://HOST:8786   on many machines

Runs lie in the folder --runs. The same command after an interrupt, with more seeds or more
epochs, goes on. Results are written to OUT/TABLE/ROW.json or OUT/figures/NAME.json as rows are
done; pages and figures are made from these files.
"""

#: Options that are about runs, which some figures do without.
_OF_RUNS = ("rows", "seeds", "epochs", "images", "jobs", "threads", "backend", "cluster",
            "stretch", "runs", "page")  # fmt: skip
#: Options that have no effect on a list, and on measured times.
_NOT_LISTED = ("out", "data_dir", *_OF_RUNS)
_NOT_MEASURED = ("list", "out", "seeds", "epochs", "images", "jobs", "cluster", "stretch", "runs",
                 "page")  # fmt: skip


def add(commands: Any) -> None:
    """Declare ``neurosim reproduce``."""
    parser = commands.add_parser(
        "reproduce",
        help="make a figure or a table of a paper anew",
        description="Make a figure or a table of a paper anew, with the numbers behind it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", metavar="TABLE", nargs="?", help="table, or the word figure")
    parser.add_argument("name", metavar="NAME", nargs="?", help="figure, after the word figure")
    parser.add_argument(
        "--list", action="store_true", help="list figures and rows of tables, and stop"
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="folder for figures and numbers (default: results)",
    )
    add_data_folder(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    _add_runs(parser.add_argument_group("runs"))
    parser.set_defaults(run=_run)


def _add_runs(group: Any) -> None:
    add_list(group, "--rows", of=names, metavar="NAME", help="rows, or data sets (default: all)")
    group.add_argument(
        "--seeds", type=whole_number, metavar="N", help="runs of each, seeds 0 to N-1 (default: 3)"
    )
    group.add_argument(
        "--epochs", type=whole_number, metavar="N", help="epochs (default: the paper's)"
    )
    group.add_argument(
        "--images",
        type=whole_number,
        metavar="N",
        help="training images of the runs of a figure (default: all)",
    )
    group.add_argument(
        "--jobs",
        type=whole_number,
        metavar="N",
        help="runs side by side (default: 1; on a cluster all)",
    )
    add_cluster_options(group)
    group.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="threads of each run (default: the cores, divided among --jobs; 1 with --measure)",
    )
    add_backend(group)
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
    from neurosim.reproduce import FIGURES, TABLES
    from neurosim.reproduce.costs import Costs
    from neurosim.reproduce.listing import listing
    from neurosim.reproduce.study import UnknownStudyError
    from neurosim.runs.interrupts import Interrupted

    if options.measure:
        _refuse(options, _NOT_MEASURED, "has no effect on --measure; leave it out")
        return _measure(options)
    if options.list and options.what is not None:
        raise ParameterError(f"--list lists all tables and figures; leave {options.what} out")
    if options.list or options.what is None:
        way_out = "leave it out" if options.list else "name a table or a figure as well"
        _refuse(options, _NOT_LISTED, f"has no effect on the list; {way_out}")
        print(listing(Costs.own(), Costs.shipped()))
        return 0
    if options.what in FIGURES:
        raise ParameterError(
            f"{options.what} is a figure; say neurosim reproduce figure {options.what}"
        )
    if options.what != "figure":
        if options.what not in TABLES:
            known = [*TABLES, "figure"]
            raise UnknownStudyError(
                f"unknown table {options.what!r}; {near_matches(options.what, known)}"
            )
        if options.name is not None:
            raise ParameterError(f"what is {options.name!r}? rows are chosen by --rows")
    elif options.name not in FIGURES:
        given = "no figure is named" if options.name is None else f"unknown figure {options.name!r}"
        raise UnknownStudyError(f"{given}; {near_matches(options.name or '', FIGURES)}")
    try:
        files = _table(options) if options.what != "figure" else _figure(options)
    except Interrupted as stop:
        print("neurosim: interrupted; the same command goes on", file=sys.stderr)
        return 128 + stop.signal_number
    for file in files:
        print(shown(file))
    return 0


def _refuse(options: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Refuse options that would be ignored."""
    for name in names:
        if getattr(options, name) not in (None, False):
            raise ParameterError(f"--{name.replace('_', '-')} {why}")


def _out(options: argparse.Namespace) -> Path:
    given: Path = options.out or Path("results")
    return given


def _figure(options: argparse.Namespace) -> Sequence[Path]:
    """Make a figure from runs, or one that needs none, and note how long that took."""
    from neurosim.reproduce import STUDIES, study
    from neurosim.reproduce.costs import Costs, own_file
    from neurosim.reproduce.paper_making import make_figure
    from neurosim.reproduce.papers import figure_rows, paper_figure

    if options.name not in STUDIES:
        if options.page is not None:
            raise ParameterError("--page is for tables, and this is a figure; leave it out")
        figure = paper_figure(options.name)
        rows = figure_rows(figure, options.rows)
        with cluster_from(options) as cluster:
            return make_figure(figure, rows, _request(options, cluster), options.images)
    _refuse(options, _OF_RUNS, f"is for runs, and {options.name} is made without; leave it out")
    begin = time.monotonic()
    files = study(options.name).make(_out(options), options.data_dir)
    seconds = round(time.monotonic() - begin, 1)
    Costs.own().adding(studies={options.name: seconds}).write(own_file())
    return files


def _table(options: argparse.Namespace) -> Sequence[Path]:
    """Train what is missing, and write the page of all results."""
    from neurosim.files import place_given_by
    from neurosim.reproduce.reproducing import check_place, reproduce_rows
    from neurosim.reproduce.results import read_results
    from neurosim.reproduce.results_figures import write_pages
    from neurosim.reproduce.tables import chosen_rows

    if options.images is not None:
        raise ParameterError("--images is for figures: rows of tables have all images")
    rows = chosen_rows(options.what, options.rows)
    page = options.page or _out(options) / "results.md"
    check_place(page.parent / "images", "--out" if options.page is None else "--page")
    # a damaged file is told before the first row is trained
    read_results(_out(options))
    with cluster_from(options) as cluster:
        reproduce_rows(rows, _request(options, cluster))
    with place_given_by("--out" if options.page is None else "--page"):
        return write_pages(read_results(_out(options)), page, page.parent / "images")


def _request(options: argparse.Namespace, cluster: Cluster | None) -> Request:
    """What tables and figures are told alike."""
    from neurosim.reproduce.reproducing import Request

    return Request(
        seeds=3 if options.seeds is None else options.seeds,
        out=_out(options),
        runs=options.runs or Path("runs/reproduce"),
        epochs=options.epochs,
        backend=options.backend,
        data_dir=options.data_dir,
        jobs=options.jobs,
        threads=options.threads,
        progress=not options.quiet,
        cluster=cluster,
    )


def _measure(options: argparse.Namespace) -> int:
    """Time rows of one table or figure or of all, and keep the times."""
    from neurosim.reproduce.costs import Costs, own_file
    from neurosim.reproduce.measuring import measure

    costs = Costs.own()
    for row, computed_by, cost in measure(
        _timed_rows(options),
        backend=options.backend or "cpp",
        threads=options.threads,
        data_dir=options.data_dir,
    ):
        # each at once: the next row may be interrupted
        costs = costs.adding({row.cost_name: {computed_by: cost}})
        costs.write(own_file())
        if not options.quiet:
            print(
                f"{row.cost_name}, {computed_by}: {cost.train_ms:.4f} ms per training image, "
                f"{cost.evaluate_ms:.4f} ms per image of an evaluation",
                flush=True,
            )
    return 0


def _timed_rows(options: argparse.Namespace) -> Sequence[Timed]:
    """Rows whose times are asked for: each once, and none that its system refuses."""
    from neurosim.reproduce import PAPERS, TABLES
    from neurosim.reproduce.papers import figure_rows, paper_figure
    from neurosim.reproduce.tables import chosen_rows, rows_of

    if options.what not in (None, "figure"):
        return chosen_rows(options.what, options.rows)
    if options.what is None and options.rows is not None:
        raise ParameterError("--rows names rows of a table or figure; name that, too")
    rows: list[Timed] = []
    if options.what is None:
        rows = [row for table in TABLES for row in rows_of(table)]
        figures = [paper_figure(name) for name in PAPERS]
    elif options.name in PAPERS:
        figures = [paper_figure(options.name)]
    else:
        raise ParameterError(
            f"--measure times the rows of a figure; {near_matches(options.name or '', PAPERS)}"
        )
    rows += [
        row.timed
        for figure in figures
        for row in figure_rows(figure, options.rows)
        if not row.refusal()
    ]
    return list({row.cost_name: row for row in rows}.values())
