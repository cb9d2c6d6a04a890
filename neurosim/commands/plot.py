"""``neurosim plot``: draw the figures of a run."""

from __future__ import annotations

import argparse
from typing import Any

from neurosim.commands.options import add_data_folder, add_list, names, path, shown

__all__ = ["add"]

_EXAMPLES = """\
examples:
  neurosim plot runs/NAME                               all figures
  neurosim plot runs/NAME --only learning-curve angle   two of them
  neurosim plot runs/NAME --format pdf --out paper      vector graphics

figures: learning-curve, angle, correlation, objective, events, weights,
receptive-fields, activity, confusion, tsne, convergence, information. Of a folder
of several seeds, the first five show mean and range, the others the first seed.
"""


def add(commands: Any) -> None:
    """Declare ``neurosim plot``."""
    parser = commands.add_parser(
        "plot",
        help="draw the figures of a run",
        description="Draw the figures of a run into a folder, with a page that shows them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=path, metavar="RUN", help="run folder, or one of seeds")
    add_list(parser, "--only", of=names, metavar="NAME", help="these figures (default: all)")
    parser.set_defaults(only=[])
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder of the figures (default: RUN/figures)"
    )
    parser.add_argument("--format", default="png", metavar="FORMAT", help="png, pdf or svg")
    add_data_folder(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.figures import open_runs, save_all

    runs = open_runs(options.folder, data_dir=options.data_dir)
    out = options.out or options.folder / "figures"
    for name, file in save_all(runs, out, names=options.only, form=options.format).items():
        print(f"{name}: {shown(file)}")
    print(f"all of them: {shown(out / 'index.html')}")
    return 0
