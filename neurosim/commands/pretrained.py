"""``neurosim pretrained``: list networks that have learnt already, and make more."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from neurosim.commands.options import add_data_folder, add_list, names, path, whole_number
from neurosim.errors import ParameterError

__all__ = ["add"]

_EXAMPLES = """\
examples:
  neurosim pretrained                                    what there is
  neurosim pretrained --make ep corinfomax --dataset mnist --epochs 10

From Python: neurosim.load_pretrained("ep", "mnist"). The same command after an interrupt goes
on; runs lie in the folder --runs, what they have learnt goes to the user's cache folder.
"""


def add(commands: Any) -> None:
    """Declare ``neurosim pretrained``."""
    parser = commands.add_parser(
        "pretrained",
        help="list networks that have learnt already, and make more",
        description="List networks that have learnt already, and make more.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_list(parser, "--make", of=names, metavar="NAME", help="train these systems, or all")
    parser.add_argument("--dataset", help="data set (default: digits)")
    add_data_folder(parser)
    parser.add_argument(
        "--epochs", type=whole_number, metavar="N", help="epochs (default: each preset's)"
    )
    parser.add_argument(
        "--threads", type=whole_number, metavar="N", help="threads (default: one per core)"
    )
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder of the networks (default: the user's cache)"
    )
    parser.add_argument(
        "--runs", type=path, metavar="DIR", help="folder of the runs (default: runs/pretrained)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.pretrained import pretrained_networks

    if options.make is not None:
        return _make(options)
    for name in ("dataset", "data_dir", "epochs", "threads", "out", "runs"):
        if getattr(options, name) is not None:
            raise ParameterError(
                f"--{name.replace('_', '-')} is for networks to be made; give --make as well, or "
                "leave it out"
            )
    for one in pretrained_networks():
        print(_line(one))
    return 0


def _make(options: argparse.Namespace) -> int:
    from neurosim.models import SYSTEMS
    from neurosim.pretrained import make_pretrained
    from neurosim.pretrained.loading import own_folder
    from neurosim.runs.interrupts import Interrupted
    from neurosim.runs.settings import resolve

    wanted = SYSTEMS if options.make == ["all"] else options.make
    given = {
        "dataset": options.dataset or "digits",
        "data_dir": options.data_dir,
        "epochs": options.epochs,
    }
    # all are checked before the first one is trained
    planned = [resolve({**given, "system": n}) for n in wanted]
    try:
        for settings in planned:
            made = make_pretrained(
                settings,
                options.out or own_folder(),
                options.runs or Path("runs/pretrained"),
                threads=options.threads,
                progress=not options.quiet,
            )
            if not options.quiet:
                print(_line(made), flush=True)
    except Interrupted as stop:
        print("neurosim: interrupted; the same command goes on", file=sys.stderr)
        return 128 + stop.signal_number
    return 0


def _line(one: Any) -> str:
    sizes = "-".join(map(str, one.settings.system.layers))
    return (
        f"{one.dataset}/{one.system}: {sizes}, {one.epochs} epochs, "
        f"test accuracy {100 * one.test_accuracy:.2f} %"
    )
