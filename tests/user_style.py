"""Settings of matplotlib that a user may have, and that must change no picture."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure

#: As lines of a matplotlibrc; the window and the command line read them from a file.
MATPLOTLIBRC = """\
text.usetex: True
font.family: no such font
font.size: 21
mathtext.fontset: cm
axes.facecolor: black
axes.unicode_minus: False
axes.formatter.use_mathtext: True
axes.formatter.limits: -1, 1
axes.titlepad: 30
axes.xmargin: 0.4
figure.autolayout: True
figure.facecolor: red
figure.dpi: 61
lines.linewidth: 9
lines.marker: o
lines.markeredgewidth: 5
lines.dash_capstyle: round
patch.linewidth: 7
patch.force_edgecolor: True
scatter.edgecolors: red
image.cmap: jet
image.origin: lower
image.interpolation: bilinear
legend.loc: center
legend.framealpha: 1
xtick.direction: in
xtick.minor.visible: True
ytick.labelleft: False
path.sketch: 5, 100, 2
savefig.bbox: tight
savefig.format: pdf
savefig.transparent: True
savefig.dpi: 33
svg.fonttype: none
svg.hashsalt: mine
pdf.fonttype: 3
"""

#: The same for this process.
SETTINGS: dict[Any, Any] = {
    **(dict(line.split(": ", 1) for line in MATPLOTLIBRC.splitlines())),
    "axes.prop_cycle": cycler(color=["red", "red"], linestyle=[":", ":"]),
}


def user_style() -> Any:
    """Let the settings hold inside a ``with`` block."""
    return mpl.rc_context(SETTINGS)


def png(figure: Figure) -> bytes:
    """The picture as a file, small enough to be written fast."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    return buffer.getvalue()
