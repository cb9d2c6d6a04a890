"""The view as one file: a page that needs no network and no Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import DataError
from neurosim.files import replace_file
from neurosim.viewer.data import Gathered, first_above, gather
from neurosim.viewer.labels import check_trace, layers_to_open, position
from neurosim.viewer.layout import Application
from neurosim.viewer.movement import most_moved
from neurosim.viewer.source import Source

__all__ = ["Prepared", "page_text", "prepare", "write_page"]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """All that the view shows, for any number of applications.

    Attributes
    ----------
    source : Source
        Where recordings come from.
    gathered : Gathered
        Facts and arrays.
    start : mapping of str to object
        Where to begin; see :class:`~neurosim.viewer.layout.Application`.
    other : (str, Gathered) or None
        What it can be compared with, and its name.
    """

    source: Source
    gathered: Gathered
    start: Mapping[str, Any]
    other: tuple[str, Gathered] | None = None

    def application(self, *, live: bool = False) -> Application:
        """An application with models of its own.

        Parameters
        ----------
        live : bool
            Whether a server stands behind it.

        Returns
        -------
        Application
            For one page or one session of a server.
        """
        return Application(self.source, self.gathered, self.start, other=self.other, live=live)


def prepare(
    source: Source,
    *,
    layer: int | None = None,
    neurons: Sequence[int] | None = None,
    image: int | None = None,
    neuron: int | None = None,
    traces: Sequence[str] | None = None,
    nudged: bool = True,
    other: tuple[str, Source] | None = None,
) -> Prepared:
    """Collect all that the view shows.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    layer : int, optional
        The layer to begin with; that of the cell that moves most by default.
    neurons : sequence of int, optional
        Neurons of that layer that are kept; all, or those that move most, by default.
    image, neuron : int, optional
        Numbers to begin with; the first image, and the neuron that moves most, by default.
    traces : sequence of str, optional
        Traces shown at first; the system's choice by default.
    nudged : bool
        With False, only the first phase.
    other : (str, Source), optional
        Name and recordings of another network for the same images, to compare with.

    Returns
    -------
    Prepared
        For pages, notebooks and servers.

    Raises
    ------
    DataError
        If there is no such layer, neuron, image or trace, there is too much for a browser, or
        the other recordings are not of the same images and layers.
    """
    at = 0 if image is None else position(image, source.ids, "image", live=source.live)
    there = {number: source.neurons(number) for number in source.layers}
    if neurons is not None:
        kept_of = first_above(source.layers) if layer is None else layer
        there = {**there, kept_of: list(neurons)} if kept_of in there else there
    open_on = layers_to_open(there, layer, neuron, live=source.live)
    gathered = gather(source, layer=layer, neurons=neurons, nudged=nudged)
    chosen, cell = most_moved({n: gathered.movements[n] for n in open_on}, at)
    facts = gathered.facts["layers"][source.layers.index(chosen)]
    if neuron is not None:
        cell = position(neuron, facts["neurons"], "neuron", live=source.live)
    if traces is not None:
        data = source.layer(chosen)
        for name in traces:
            check_trace(data, name)
    start: dict[str, Any] = {
        "image": at,
        "layer": source.layers.index(chosen),
        "cell": cell,
        "traces": None if traces is None else list(traces),
    }
    compared = None if other is None else (other[0], _matching(gathered, *other, nudged=nudged))
    return Prepared(source, gathered, start, compared)


def _matching(gathered: Gathered, name: str, source: Source, *, nudged: bool) -> Gathered:
    """Another network's recordings, which must be of the same images, layers and cells."""
    found = gather(source, nudged=nudged)
    for what in ("times", "ids", "layers"):
        mine, theirs = (_outline(facts, what) for facts in (gathered.facts, found.facts))
        if mine != theirs:
            words = {"times": "the same phases", "ids": "the same images"}.get(
                what, "the same layers, neurons and traces"
            )
            raise DataError(f"{name} cannot be compared: it does not have {words}")
    return found


def _outline(facts: dict[str, Any], what: str) -> Any:
    if what != "layers":
        return facts[what]
    return [
        (part["number"], part["neurons"], [trace["name"] for trace in part["traces"]])
        for part in facts["layers"]
    ]


def page_text(application: Application) -> str:
    """The page.

    Parameters
    ----------
    application : Application
        What it holds.

    Returns
    -------
    str
        HTML that names no other file.
    """
    from bokeh.document import Document
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    document = Document()
    application.add_to(document)
    text = file_html(document, INLINE, title=document.title, template=document.template)
    return str(text)


def write_page(source: Source, path: str | Path, **start: Any) -> Path:
    """Write the view of all images and layers as one file.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    path : str or Path
        The HTML file; replaced if it exists.
    **start
        As :func:`prepare`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        As :func:`prepare`, or if the file cannot be written.
    """
    text = page_text(prepare(source, **start).application())
    target = Path(path)
    try:
        replace_file(target, text.encode())
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error
    return target
