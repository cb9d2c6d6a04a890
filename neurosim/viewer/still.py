"""The still picture of the view: which image, layer and neuron it shows, and how."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from neurosim.viewer.labels import check_trace, default_traces, layers_to_open, position
from neurosim.viewer.movement import find_movement, most_moved, quiet_traces
from neurosim.viewer.picture import Picture
from neurosim.viewer.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_still"]


def draw_still(
    source: Source,
    figure: Figure,
    *,
    image: int | None = None,
    layer: int | None = None,
    neuron: int | None = None,
    traces: Iterable[str] | None = None,
    nudged: bool = True,
) -> Picture:
    """Draw one neuron of one layer during one image.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    figure : matplotlib.figure.Figure
        Where to draw.
    image, layer, neuron : int, optional
        Their numbers; the first image, and the cell that moves most, by default.
    traces : iterable of str, optional
        Names of the traces drawn; the system's choice by default, but for those too small to
        be seen.
    nudged : bool
        With False, only the first phase.

    Returns
    -------
    Picture
        As drawn.

    Raises
    ------
    DataError
        If there is no such image, layer, neuron or trace.
    """
    live = source.live
    at = 0 if image is None else position(image, source.ids, "image", live=live)
    there = {number: source.neurons(number) for number in source.layers}
    movements = {}
    for number in layers_to_open(there, layer, neuron, live=live):
        data = source.layer(number)
        data = data if nudged else data.sel(time=data.phase == data.phase.values[0])
        movements[number] = find_movement(data)
    number, cell = most_moved(movements, at)
    look = source.look(at, number)
    numbers = [int(n) for n in look.data.neuron.values]
    chosen = numbers[cell if neuron is None else position(neuron, numbers, "neuron", live=live)]
    quiet = quiet_traces(source.layer(number))
    if traces is None:
        shown = [name for name in default_traces(look.data) if name not in quiet]
    else:
        shown = list(traces)
        for name in shown:
            check_trace(look.data, name)
    picture = Picture(figure)
    picture.draw(look, chosen, shown=shown, image_shape=source.image_shape, nudged=nudged)
    left = dict.fromkeys(words for name, words in quiet.items() if name not in shown)
    picture.say([f"{words}; --traces draws it." for words in left])
    return picture
