"""Draw a system's circuit as SVG and PNG, for the pages: `neurosim diagram` draws one file.

python scripts/draw_circuit.py [--system corinfomax] [--out docs/images/circuit]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the picture in both formats."""
    parser = argparse.ArgumentParser(description="Draw the circuit of a system.")
    parser.add_argument("--system", default="corinfomax")
    parser.add_argument("--layers", type=int, nargs="+", help="layer sizes, input to output")
    parser.add_argument("--out", type=Path, default=Path("docs/images/circuit"))
    options = parser.parse_args(arguments)
    # slow to import: help answers at once
    from neurosim.figures import circuit_diagram, save
    from neurosim.learning.named_systems import system_with_layers

    figure = circuit_diagram(system_with_layers(options.system, options.layers))
    for suffix in (".svg", ".png"):
        save(figure, options.out.with_suffix(suffix))


if __name__ == "__main__":
    main()
