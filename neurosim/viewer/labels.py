"""Names, spans and words that all forms of the view have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurosim.errors import DataError, near_matches

if TYPE_CHECKING:
    from neurosim.viewer.look import Look

__all__ = [
    "answer_words",
    "check_trace",
    "default_traces",
    "heading",
    "layers_to_open",
    "phase_spans",
    "position",
    "positions",
    "trace_names",
]


def trace_names(data: Any) -> list[str]:
    """Names of the traces of a recorded layer, spikes included.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.

    Returns
    -------
    list of str
        In the order in which the system declares them.
    """
    return [str(name) for name, array in data.data_vars.items() if "kind" in array.attrs]


def default_traces(data: Any) -> list[str]:
    """Names of the traces that the system wants shown at first.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.

    Returns
    -------
    list of str
        A part of :func:`trace_names`.
    """
    return [name for name in trace_names(data) if data[name].attrs["shown"]]


def check_trace(data: Any, name: str) -> None:
    """Refuse a name that no trace of a layer has.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.
    name : str
        The name.

    Raises
    ------
    DataError
        If there is no such trace.
    """
    names = trace_names(data)
    if name not in names:
        raise DataError(f"no trace {name!r} in this layer; {near_matches(name, names)}")


def phase_spans(data: Any) -> dict[str, tuple[float, float]]:
    """Begin and end of each phase of a recording.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.

    Returns
    -------
    dict of str to (float, float)
        In ms, by name of the phase.
    """
    step = float(data.attrs["dt_ms"])
    times, names = data.time.values, data.phase.values
    return {
        str(name): (float(times[names == name][0] - step), float(times[names == name][-1]))
        for name in dict.fromkeys(names)
    }


def heading(data: Any, neuron: object, image: object, *, beta: str = "β") -> str:
    """Title of the view: system, neuron, layer, image and nudge.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.
    neuron, image : int or str
        Their numbers, or what stands for them.
    beta : str
        How to write the letter.

    Returns
    -------
    str
        One line.
    """
    attrs = data.attrs
    nudge = f", nudge {beta} = {attrs.get('beta', 1.0):g}" if attrs.get("nudged") else ""
    return (
        f"{attrs['system']}: neuron {neuron} of layer {attrs['layer']} "
        f"({attrs['role'] or attrs['population']}), image {image}{nudge}"
    )


def answer_words(look: Look) -> str:
    """Label of an image, if it is known, and the class predicted.

    Parameters
    ----------
    look : Look
        The image.

    Returns
    -------
    str
        Such as ``"label 2, predicted 1"``.
    """
    known = "" if look.label is None else f"label {look.label}, "
    return f"{known}predicted {look.prediction}"


def layers_to_open(
    layers: Mapping[int, Sequence[int]], layer: int | None, neuron: int | None, *, live: bool
) -> list[int]:
    """Layers that a view may open on; refuse a layer or a neuron that there is not.

    Parameters
    ----------
    layers : mapping of int to sequence of int
        Numbers of the neurons, by number of the layer.
    layer, neuron : int or None
        What is asked for.
    live : bool
        As for :func:`position`.

    Returns
    -------
    list of int
        The layer asked for; or those above the input that have such a neuron, or the input, if
        there is no other.

    Raises
    ------
    DataError
        If there is no such layer, or no such neuron in it.
    """
    numbers = list(layers)
    if layer is not None:
        position(layer, numbers, "layer", live=live)
        numbers = [layer]
    above = [number for number in numbers if number > 0] or numbers
    if neuron is None:
        return above
    having = [number for number in above if neuron in layers[number]]
    if not having:
        position(neuron, max((layers[n] for n in above), key=len), "neuron", live=live)
    return having


def position(number: int, numbers: Sequence[int], what: str, *, live: bool) -> int:
    """Position of a number in the list of those there are.

    Parameters
    ----------
    number : int
        Number of an image, a layer or a neuron.
    numbers : sequence of int
        Those there are.
    what : {"image", "layer", "neuron"}
        For the message.
    live : bool
        Whether they are those of a network, and not of a recording.

    Returns
    -------
    int
        From 0.

    Raises
    ------
    DataError
        If it is not in the list.
    """
    if number in numbers:
        return list(numbers).index(number)
    where = "in this recording; it holds"
    if live:
        where = "here; there is only" if len(numbers) == 1 else "here; there are"
    raise DataError(f"no {what} {number} {where} {_listed(numbers)}")


def positions(numbers: Iterable[int], among: Sequence[int], what: str, *, live: bool) -> list[int]:
    """Positions of several numbers, none of which may be given twice.

    Parameters
    ----------
    numbers : iterable of int
        Numbers of images or neurons.
    among : sequence of int
        Those there are.
    what : {"image", "neuron"}
        For the message.
    live : bool
        As for :func:`position`.

    Returns
    -------
    list of int
        From 0.

    Raises
    ------
    DataError
        If one is not in the list, or given twice.
    """
    chosen = list(numbers)
    twice = [number for number in chosen if chosen.count(number) > 1]
    if twice:
        raise DataError(f"{what} {twice[0]} is given twice; give each {what} once")
    return [position(number, among, what, live=live) for number in chosen]


def _listed(numbers: Sequence[int]) -> str:
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers[:12])) + (", ..." if len(numbers) > 12 else "")
