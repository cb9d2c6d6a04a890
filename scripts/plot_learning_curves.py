"""Draw accuracy and weight angle of several runs beside the published points, in one picture.

    python scripts/plot_learning_curves.py RUN [RUN ...] --out FIGURE.png

Each RUN is a run folder of the same settings, or a folder of several seeds; the
lines are means, the bands ranges.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    # slow to import: help answers at once
    from neurosim.figures import learning_summary, save

    save(learning_summary(options.runs), options.out)


if __name__ == "__main__":
    main()
