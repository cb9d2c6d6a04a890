"""The view as one file: a page with sliders that needs no network and no Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import DataError
from neurosim.files import replace_file
from neurosim.recording import select_layer
from neurosim.viewer.labels import (
    check_trace,
    default_layer,
    default_traces,
    position,
    positions,
    trace_names,
)
from neurosim.viewer.page_data import page_info
from neurosim.viewer.page_layout import PageLayout
from neurosim.viewer.source import Source

__all__ = ["MOST_VALUES", "write_page"]

#: Most recorded numbers a page holds; browsers get slow beyond.
MOST_VALUES = 12_000_000


def write_page(
    source: Source,
    path: str | Path,
    *,
    layer: int | None = None,
    neurons: Sequence[int] | None = None,
    image: int | None = None,
    neuron: int | None = None,
    traces: Sequence[str] | None = None,
    nudged: bool = True,
) -> Path:
    """Write a page of one layer: sliders for image and neuron, checkboxes for traces.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    path : str or Path
        The HTML file; replaced if it exists.
    layer : int, optional
        The layer; the first above the input by default.
    neurons : sequence of int, optional
        Neurons the page holds; all by default.
    image, neuron : int, optional
        Numbers to begin with.
    traces : sequence of str, optional
        Traces shown at first; the system's choice by default.
    nudged : bool
        With False, only the free phase.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        If there is no such layer, neuron or image, or the page would be too large.
    """
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    recording = source.recording(source.beta)
    data = _selected(source, recording, layer, neurons, nudged=nudged)
    _check_size(data)
    info = page_info(source, recording, data)
    start = (
        _start(source, image, source.ids, "image"),
        _start(source, neuron, info["neurons"], "neuron"),
    )
    page = PageLayout(source, data, info, start, _shown(data, traces))
    text = file_html(page.layout(), INLINE, title=f"neurosim view, layer {data.attrs['layer']}")
    target = Path(path)
    try:
        replace_file(target, text.encode())
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _selected(
    source: Source,
    recording: Any,
    layer: int | None,
    neurons: Sequence[int] | None,
    *,
    nudged: bool,
) -> Any:
    """The layer, phases and neurons that the page holds."""
    if layer is None:
        layer = default_layer(source.layers)
    position(layer, source.layers, "layer", live=source.live)
    data = select_layer(recording, layer)
    if not nudged:
        data = data.sel(time=data.phase == data.phase.values[0])
    if neurons is not None:
        there = data.neuron.values.tolist()
        data = data.isel(neuron=positions(neurons, there, "neuron", live=source.live))
    return data


def _check_size(data: Any) -> None:
    sizes = (data.sizes[name] for name in ("image", "time", "neuron"))
    values = len(trace_names(data)) * math.prod(sizes)
    if values > MOST_VALUES:
        raise DataError(
            f"a page of {values:,} values is too large for a browser (at most {MOST_VALUES:,}); "
            "choose fewer images (--images 0-9) or neurons (--neurons 0-99)"
        )


def _start(source: Source, number: int | None, numbers: list[int], what: str) -> int:
    return 0 if number is None else position(number, numbers, what, live=source.live)


def _shown(data: Any, traces: Sequence[str] | None) -> list[str]:
    if traces is None:
        return default_traces(data)
    for name in traces:
        check_trace(data, name)
    return list(traces)
