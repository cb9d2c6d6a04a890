"""``neurosim compare``: runs side by side, in a table and a figure."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from neurosim.commands.options import (
    add_cluster_options,
    add_data_folder,
    add_list,
    add_reading_options,
    cluster_from,
    names,
    path,
    shown,
    whole_number,
)
from neurosim.errors import ParameterError

__all__ = ["add"]

_EXAMPLES = """\
examples:
  neurosim compare runs/a runs/b runs/c           runs that are there; runs that differ
                                                  in their seed only make one line
  neurosim compare --systems corinfomax ep --seeds 3 --dataset digits --jobs 2
                                                  trains what is missing, then compares
  neurosim compare --systems all --dataset digits --cluster tcp://HOST:8786
                                                  trains on many machines

The table goes to the terminal and to comparison.md, the figure to comparison.png,
both in the folder --out. Published accuracies and angles stand beside measured ones
where the settings are the published ones.
"""

#: Settings of runs to be trained.
_RUN_OPTIONS = (
    "dataset", "data_dir", "hidden", "epochs", "train_images", "test_images",
    "scale", "test_share", "image_size", "colour", "preset_from",
)  # fmt: skip


def add(commands: Any) -> None:
    """Declare ``neurosim compare``."""
    parser = commands.add_parser(
        "compare",
        help="compare runs or systems in a table and a figure",
        description="Compare runs: accuracy, time, spikes, SynOps and angle, over seeds.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=path, nargs="*", metavar="RUN", help="run folders")
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="where table, figure and new runs go (default: runs/compare, or with --systems "
        "runs/compare-DATASET)",
    )
    group = parser.add_argument_group("systems to train first")
    add_list(
        group,
        "--systems",
        of=names,
        metavar="NAME",
        help="systems, or all; FILE.py:CLASS is one of your own",
    )
    group.add_argument(
        "--seeds", type=whole_number, metavar="N", help="runs of each, seeds 0 to N-1 (default: 3)"
    )
    group.add_argument("--dataset", help="data set (default: mnist)")
    add_data_folder(group)
    add_list(group, "--hidden", metavar="N", help="sizes of the hidden layers")
    group.add_argument(
        "--epochs", type=whole_number, metavar="N", help="epochs (default: each preset's)"
    )
    group.add_argument("--train-images", type=whole_number, metavar="N", help="first N images")
    group.add_argument("--test-images", type=whole_number, metavar="N", help="first N images")
    group.add_argument(
        "--jobs", type=whole_number, metavar="N",
        help="runs side by side (default: 1; on a cluster all)",
    )  # fmt: skip
    add_cluster_options(group)
    add_reading_options(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.figures.groups import write_comparison
    from neurosim.runs.groups import load_groups
    from neurosim.runs.interrupts import Interrupted
    from neurosim.runs.missing import train_missing

    if bool(options.runs) == bool(options.systems):
        raise ParameterError("give either run folders to compare, or --systems to train first")
    out = options.out or _default_out(options)
    if options.systems:
        try:
            with cluster_from(options) as cluster:
                folders = train_missing(
                    _names(options.systems),
                    3 if options.seeds is None else options.seeds,
                    out,
                    settings={name: getattr(options, name) for name in _RUN_OPTIONS},
                    jobs=options.jobs,
                    progress=not options.quiet,
                    cluster=cluster,
                )
        except Interrupted as stop:
            print("neurosim: interrupted; the same command trains what is missing", file=sys.stderr)
            return 128 + stop.signal_number
    else:
        _refuse_training_options(options)
        folders = options.runs
    table = write_comparison(load_groups(folders), out)
    if not options.quiet:
        print(f"{table}\n\nresults: {shown(out)}  (comparison.md, comparison.png)")
    return 0


def _default_out(options: argparse.Namespace) -> Path:
    from neurosim.data import short_name

    return (
        Path("runs") / f"compare-{short_name(options.dataset or 'mnist')}"
        if options.systems
        else Path("runs/compare")
    )


def _names(names: list[str]) -> list[str]:
    if names == ["all"]:
        from neurosim.models import SYSTEMS

        return list(SYSTEMS)
    if len(set(names)) != len(names):
        raise ParameterError(f"--systems {' '.join(names)}: one is given twice; leave it out")
    return names


def _refuse_training_options(options: argparse.Namespace) -> None:
    for name in (*_RUN_OPTIONS, "seeds", "jobs", "cluster", "stretch"):
        if getattr(options, name) is not None:
            raise ParameterError(
                f"--{name.replace('_', '-')} is for runs to be trained; give --systems as well, "
                "or leave it out"
            )
