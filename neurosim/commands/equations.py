"""``neurosim equations``: print the equations that run."""

from __future__ import annotations

import argparse
import sys
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """Declare ``neurosim equations``."""
    parser = commands.add_parser(
        "equations",
        help="print a system's equations with their numbers in the paper",
        description="Print the equations of a system as they run, with the paper's numbers.",
    )
    parser.add_argument(
        "system",
        metavar="SYSTEM",
        help="name of a learning system, or FILE.py:CLASS for one of your own",
    )
    parser.add_argument(
        "--format",
        default="unicode",
        metavar="FORMAT",
        help="latex, markdown or unicode (default)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.figures.formulas import render_equations
    from neurosim.learning.named_systems import system_named

    text = render_equations(system_named(options.system), options.format)
    print(text)
    if not _can_be_shown(text):
        print(
            f"neurosim: the output's encoding ({sys.stdout.encoding}) lacks some symbols, shown as "
            "'?'; --format latex needs none of them",
            file=sys.stderr,
        )
    return 0


def _can_be_shown(text: str) -> bool:
    """Whether standard output has all characters of a text."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
