"""Draw the circuits of the systems as SVG and PNG, for the pages.

python scripts/draw_circuit.py [--system NAME ...] [--out docs/images]

`neurosim diagram` draws one file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Write ``circuit-NAME.svg`` and ``.png`` of each system."""
    parser = argparse.ArgumentParser(description="Draw the circuits of the systems.")
    parser.add_argument("--system", nargs="+", help="names of systems (default: all)")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder")
    options = parser.parse_args(arguments)
    # slow to import: help answers at once
    from neurosim.figures import circuit_diagram, save
    from neurosim.learning.named_systems import system_with_layers
    from neurosim.models import SYSTEMS

    for name in options.system or SYSTEMS:
        figure = circuit_diagram(system_with_layers(name))
        for suffix in (".svg", ".png"):
            save(figure, options.out / f"circuit-{name}{suffix}")


if __name__ == "__main__":
    main()
