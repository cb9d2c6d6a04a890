"""``neurosim diagram``: draw a system's circuit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from neurosim.commands.options import add_list, path, shown

__all__ = ["add"]


def add(commands: Any) -> None:
    """Declare ``neurosim diagram``."""
    parser = commands.add_parser(
        "diagram",
        help="draw a system's circuit",
        description="Draw the circuit of a system from its description.",
    )
    parser.add_argument(
        "system",
        metavar="SYSTEM",
        help="name of a learning system, or FILE.py:CLASS for one of your own",
    )
    add_list(
        parser,
        "--layers",
        metavar="N",
        help="layer sizes from input to output (default: those of the preset)",
    )
    parser.add_argument(
        "--dataset",
        default="mnist",
        metavar="NAME",
        help="data set whose preset is drawn (default: mnist)",
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="FILE",
        help="picture to write, .svg, .png or .pdf (default: SYSTEM.svg)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.figures import circuit_diagram, save
    from neurosim.learning.named_systems import system_with_layers

    system = system_with_layers(options.system, options.layers, options.dataset)
    print(shown(save(circuit_diagram(system), options.out or Path(f"{system.name}.svg"))))
    return 0
