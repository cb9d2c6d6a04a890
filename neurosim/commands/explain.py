"""``neurosim explain``: say how a circuit would run."""

from __future__ import annotations

import argparse
from typing import Any

from neurosim.commands.options import add_circuit_options, settings_from

__all__ = ["add"]


def add(commands: Any) -> None:
    """Declare ``neurosim explain``."""
    parser = commands.add_parser(
        "explain",
        help="say how a circuit would run",
        description="Build a circuit and say what it consists of and how each projection runs.",
    )
    add_circuit_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.runs.explain import explain

    print(explain(settings_from(options)))
    return 0
