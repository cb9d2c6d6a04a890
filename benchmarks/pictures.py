"""How the figures of the benchmarks are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["save_figure"]


def save_figure(figure: Any, stem: Path) -> None:
    """Save a figure as PNG and SVG; the same numbers give the same files."""
    import matplotlib as mpl

    stem.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(stem.with_suffix(".png"))
    with mpl.rc_context({"svg.hashsalt": "neurosim"}):
        figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
