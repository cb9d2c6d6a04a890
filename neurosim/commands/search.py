"""``neurosim search``: look for better settings, without the test images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from neurosim.commands.options import (
    add_circuit_options,
    add_cluster_options,
    add_data_folder,
    cluster_from,
    path,
    settings_from,
    shown,
    whole_number,
)
from neurosim.errors import ParameterError

__all__ = ["add"]

_EXAMPLES = """\
examples:
  neurosim search --dataset digits --trials 20            rates per layer of corinfomax
  neurosim search --system ep --dataset mnist --epochs 5 --trials 50
  neurosim search --system bp --dataset digits --vary eta=0.0005:0.02 --vary loss=mse,ce
  neurosim search --dataset mnist --trials 50 --cluster local --jobs 4
  neurosim train --config runs/search-ep-mnist/best.toml --seeds 0 1 2

Trials learn on a part of the training images and are judged on the rest; the test images are
never looked at. The same command after an interrupt goes on; given several times at once, or on
several machines with one --storage, it shares the trials.
"""


def add(commands: Any) -> None:
    """Declare ``neurosim search``."""
    parser = commands.add_parser(
        "search",
        help="look for better settings of a system",
        description="Look for better settings of a system, on images held out of training.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_circuit_options(parser)
    group = parser.add_argument_group("the search")
    add_data_folder(group)
    group.add_argument(
        "--trials", type=whole_number, metavar="N", default=20, help="trials in all (default: 20)"
    )
    group.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="NAME[=LOW:HIGH|=A,B,...]",
        help="what to vary; may be given several times (default: all rates per layer, from a "
        "quarter of their value to four times it)",
    )
    group.add_argument(
        "--epochs", type=whole_number, metavar="N", help="epochs of a trial (default: the preset's)"
    )
    group.add_argument(
        "--train-images", type=whole_number, metavar="N", help="first N of the shuffled images"
    )
    group.add_argument(
        "--validation",
        type=whole_number,
        metavar="N",
        help="training images to judge by (default: a sixth)",
    )
    group.add_argument(
        "--seeds",
        type=whole_number,
        metavar="N",
        default=1,
        help="networks of each trial, seeds 0 to N-1, whose mean counts (default: 1)",
    )
    group.add_argument("--threads", type=whole_number, metavar="N", help="threads of a trial")
    group.add_argument(
        "--jobs", type=whole_number, metavar="N", help="trials side by side on a cluster"
    )
    add_cluster_options(group, stretches=False)
    group.add_argument(
        "--storage",
        metavar="URL",
        help="database of the study, as SQLAlchemy names it (default: sqlite, OUT/study.db)",
    )
    group.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="folder of results (default: runs/search-SYSTEM-DATASET)",
    )
    group.add_argument("--quiet", action="store_true", help="no messages")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.runs.interrupts import Interrupted
    from neurosim.search import SearchPlan, dimensions, search
    from neurosim.search.figures import write_figures
    from neurosim.search.study import require_optuna

    require_optuna()
    settings = settings_from(options)
    varied = dimensions(settings.system, options.vary)
    plan = SearchPlan(settings, varied, options.validation, options.seeds)
    out = options.out or Path("runs") / f"search-{settings.system.name}-{settings.dataset}"
    try:
        _search_on_cluster(options, settings, out)
        summary = search(
            plan, out, trials=options.trials, storage=options.storage, threads=options.threads
        )
    except Interrupted as stop:
        print("neurosim: interrupted; the same command goes on", file=sys.stderr)
        return 128 + stop.signal_number
    write_figures(summary, out)
    if not options.quiet:
        _report(summary, out)
    return 0


def _search_on_cluster(options: argparse.Namespace, settings: Any, out: Path) -> None:
    """Have the workers of a cluster share the trials; nothing without one."""
    from neurosim.runs.folder import make_folder, write_result
    from neurosim.runs.interrupts import Interrupted

    if options.cluster is None and options.jobs is not None:
        raise ParameterError("--jobs is for a cluster; give --cluster local as well")
    if options.cluster not in (None, "local") and options.storage is None:
        raise ParameterError(
            "--cluster with workers on other machines needs --storage, a database that all of them "
            "reach; SQLite in a shared folder is not safe"
        )
    with cluster_from(options) as cluster:
        if cluster is None:
            return
        out = out.absolute()
        make_folder(out)
        write_result(out / "settings.toml", settings.to_config().encode())
        given = {
            "--config": out / "settings.toml",
            "--out": out,
            "--trials": options.trials,
            "--seeds": options.seeds,
            "--validation": options.validation,
            "--storage": options.storage,
            "--threads": options.threads or 1,
        }
        words = [str(w) for pair in given.items() if pair[1] is not None for w in pair]
        varied = [word for text in options.vary for word in ("--vary", text)]
        try:
            cluster.run(["search", "--quiet", *words, *varied], options.trials, out)
        except KeyboardInterrupt as stop:
            raise Interrupted.by(stop) from stop


def _report(summary: dict[str, Any], out: Path) -> None:
    best, first = summary["best"], summary["first"]
    for words, trial in (("first", first), ("best", best)):
        values = ", ".join(f"{name} = {_short(value)}" for name, value in trial["values"].items())
        print(
            f"{words} trial, {trial['number']}: {trial['validation_accuracy']:.2f} % of the images "
            f"held out; {values}"
        )
    print(
        f"results: {shown(out)}  (best.toml, search.json, history.png"
        f"{', importance.png' if summary['importances'] else ''})\n"
        f"next:    neurosim train --config {shown(out / 'best.toml')} --seeds 0 1 2"
    )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
