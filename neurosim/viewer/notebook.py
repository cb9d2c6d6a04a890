"""The view in a notebook: the page in a frame, or a server's with sliders of parameters."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurosim.viewer.opening import open_source
from neurosim.viewer.page import Prepared, page_text, prepare
from neurosim.viewer.server import open_server
from neurosim.viewer.session import LiveView

__all__ = ["NotebookView", "view"]


class NotebookView:
    """The view as a cell of a notebook shows it.

    Parameters
    ----------
    prepared : Prepared
        What it shows.
    address : str
        Of a server, if there is one.
    height : int
        Of the frame, in pixels.

    Attributes
    ----------
    prepared : Prepared
        What it shows.
    address : str
        Of the server; empty for a page that stands alone.
    """

    def __init__(self, prepared: Prepared, *, address: str = "", height: int = 900) -> None:
        self.prepared, self.address, self._height = prepared, address, height

    def page(self) -> str:
        """The view as a page that needs no server.

        Returns
        -------
        str
            HTML.
        """
        return page_text(self.prepared.application())

    def _repr_html_(self) -> str:
        """What the notebook shows; a page of its own, so neither changes the other."""
        what = f'src="{self.address}"' if self.address else f'srcdoc="{html.escape(self.page())}"'
        style = f"width:100%;height:{self._height}px;border:0"
        return f'<iframe title="neurosim view" style="{style}" {what}></iframe>'


def view(
    what: Any,
    images: Any = None,
    labels: Any = None,
    *,
    image: int | None = None,
    layer: int | None = None,
    neuron: int | None = None,
    traces: Sequence[str] | None = None,
    nudged: bool = True,
    beta: float | None = None,
    explore: bool = False,
    data_dir: Path | None = None,
    compare: Any = None,
    height: int = 900,
) -> NotebookView:
    """Look into the neurons of a network, in a notebook.

    Parameters
    ----------
    what : Simulator, recording, or path
        A network (with ``images``), a recording, a recording's file, or a run folder.
    images : array_like, shape (n, n_inputs), optional
        Images; the first ten test images for a run folder, its own for a recording.
    labels : array_like, shape (n,), optional
        Their classes; without them there is no nudged phase.
    image, layer, neuron : int, optional
        Numbers to begin with; by default the cell that moves most during the first image.
    traces : sequence of str, optional
        Traces shown at first.
    nudged : bool
        Show the nudged phase.
    beta : float, optional
        Signed nudge, the system's own by default; a recording has its own.
    explore : bool
        Sliders for parameters. A program is compiled first, which takes seconds, and the
        kernel of the notebook serves the view to a browser on the same machine.
    data_dir : Path, optional
        Where data sets lie; by default where the run found them.
    compare : Simulator, recording, or path, optional
        The same images in another network, or at another moment of training.
    height : int
        Of the view in the notebook, in pixels.

    Returns
    -------
    NotebookView
        Shown by the notebook.

    Raises
    ------
    NeurosimError
        If there is nothing to look at, no such image, layer, neuron or trace, or if images
        or another nudge are given for a recording.
    """
    source = open_source(what, images, labels, beta=beta, data_dir=data_dir)
    start: dict[str, Any] = {"image": image, "layer": layer, "neuron": neuron, "traces": traces,
                             "nudged": nudged}  # fmt: skip
    if compare is not None:
        there = open_source(compare, images, labels, beta=beta, data_dir=data_dir)
        name = str(compare) if isinstance(compare, (str, Path)) else "the other network"
        start["other"] = (name, there)
    if not explore:
        return NotebookView(prepare(source, **start), height=height)
    live = LiveView(source, explore=True, **start)
    _, address = open_server(live)
    return NotebookView(live.prepared, address=address, height=height)
