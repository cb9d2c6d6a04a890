"""``neurosim reproduce``: make a figure of a paper anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from neurosim.commands.options import add_data_folder, path, shown

__all__ = ["add"]


def add(commands: Any) -> None:
    """Declare ``neurosim reproduce``."""
    parser = commands.add_parser(
        "reproduce",
        help="make a figure of a paper anew",
        description="Make a figure of a paper anew, with the numbers behind it.",
    )
    parser.add_argument("study", metavar="STUDY", nargs="?", help="what to make; see --list")
    parser.add_argument("--list", action="store_true", help="list what can be made, and stop")
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        default=Path("results"),
        help="folder for figure and numbers (default: results)",
    )
    add_data_folder(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.reproduce import STUDIES, study

    if options.list or options.study is None:
        for item in STUDIES.values():
            print(f"{item.name}: {item.title} ({item.cost})")
            print(f"  {item.source}")
        return 0
    for file in study(options.study).make(options.out, options.data_dir):
        print(shown(file))
    return 0
