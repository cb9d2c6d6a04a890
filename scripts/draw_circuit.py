"""Draw the circuits of the systems as SVG and PNG, for the pages.

python scripts/draw_circuit.py [--system NAME ...] [--dataset NAME] [--out docs/images]

`neurosim diagram` draws one file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Write ``circuit-NAME.svg`` and ``.png`` of each system, or ``circuit-NAME-DATASET``."""
    parser = argparse.ArgumentParser(description="Draw the circuits of the systems.")
    parser.add_argument("--system", nargs="+", help="names of systems (default: all)")
    parser.add_argument("--dataset", default="mnist", help="whose presets are drawn")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder")
    options = parser.parse_args(arguments)
    # slow to import: help answers at once
    from neurosim.figures import circuit_diagram, save
    from neurosim.learning.named_systems import system_with_layers
    from neurosim.models import SYSTEMS

    for name in options.system or SYSTEMS:
        figure = circuit_diagram(system_with_layers(name, dataset=options.dataset))
        ending = "" if options.dataset == "mnist" else f"-{options.dataset}"
        for suffix in (".svg", ".png"):
            save(figure, options.out / f"circuit-{name}{ending}{suffix}")


if __name__ == "__main__":
    main()
