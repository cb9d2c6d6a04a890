"""Draw the pictures of docs/compartment-view.md from a run on the digits.

python scripts/draw_view_pictures.py RUN
"""

from __future__ import annotations

import argparse
from pathlib import Path

IMAGES = Path(__file__).parent.parent / "docs" / "images"
#: An output cell that the nudge moves, and a hidden one.
OUTPUT = {"image": 0, "layer": 2, "neuron": 7}
HIDDEN = {"image": 0, "layer": 1, "neuron": 20}


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=IMAGES)
    options = parser.parse_args()
    draw(options.run, options.out)


def draw(run: Path, out: Path) -> None:
    """Draw both pictures of a run into a folder."""
    # slow to import: help answers at once
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from neurosim.figures import style
    from neurosim.viewer.opening import open_source
    from neurosim.viewer.viewer import Viewer
    from neurosim.viewer.window import SIZE, Window

    source = open_source(run)
    with style.applied():
        figure = Figure(figsize=(11.5, 7.2))
        Viewer(source, figure, **OUTPUT)
        figure.savefig(out / "compartments.png", dpi=110)
        window = Figure(figsize=SIZE)
        FigureCanvasAgg(window)
        Window(source, window, explore=True, **HIDDEN)
        window.savefig(out / "explore.png", dpi=90)
    source.close()


if __name__ == "__main__":
    main()
