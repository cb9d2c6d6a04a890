"""The data of a page: what its scripts have to know, spikes and images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.viewer.labels import answer_words, heading, trace_names
from neurosim.viewer.look import Look, make_look
from neurosim.viewer.source import Source

__all__ = ["grey_image", "page_heading", "page_info", "signed_spikes"]


def page_info(source: Source, recording: Any, data: Any) -> dict[str, Any]:
    """Collect what the scripts of a page have to know beside the traces.

    Parameters
    ----------
    source : Source
        Numbers of the images.
    recording : xarray.Dataset or xarray.DataTree
        All layers, for answers and targets.
    data : xarray.Dataset
        Traces of the layer that the page holds.

    Returns
    -------
    dict of str to object
        Plain values, ready for JSON.
    """
    layer = int(data.attrs["layer"])
    looks = [make_look(recording, layer, place) for place in range(len(source.ids))]
    names = trace_names(data)
    kinds = {name: data[name].attrs["kind"] for name in names}
    return {
        "names": names,
        "members": {
            kind: [name for name in names if kinds[name] == kind]
            for kind in dict.fromkeys(kinds.values())
        },
        "spikes": next((name for name in names if kinds[name] == "spikes"), ""),
        "steps": data.sizes["time"],
        "cells": data.sizes["neuron"],
        "neurons": data.neuron.values.tolist(),
        "phases": data.phase.values.tolist(),
        "ids": source.ids,
        **_answers(looks),
        "words": [answer_words(look) for look in looks],
        "title": heading(data, "{neuron}", "{image}"),
    }


def _answers(looks: list[Look]) -> dict[str, Any]:
    """Classes, answers and targets of all images; empty lists without an output layer."""
    classes = 0 if looks[0].answer is None else len(looks[0].answer)

    def listed(values: NDArray[Any] | None) -> list[float]:
        return [0.0] * classes if values is None else [round(float(v), 6) for v in values]

    return {
        "classes": list(range(classes)),
        "answers": [listed(look.answer) for look in looks],
        "targets": [listed(look.target) for look in looks],
    }


def page_heading(info: dict[str, Any], image: int, neuron: int) -> str:
    """The heading of a page, as the script of the sliders writes it.

    Parameters
    ----------
    info : dict of str to object
        From :func:`page_info`.
    image, neuron : int
        Their positions, from 0.

    Returns
    -------
    str
        One line of HTML.
    """
    title = info["title"].replace("{neuron}", str(info["neurons"][neuron]))
    title = title.replace("{image}", str(info["ids"][image]))
    return f"{title} &mdash; {info['words'][image]}"


def signed_spikes(data: Any, info: dict[str, Any], image: int, sign: int) -> dict[str, Any]:
    """Graded spikes of one sign, as the script of the sliders picks them.

    Parameters
    ----------
    data : xarray.Dataset
        Traces of the layer.
    info : dict of str to object
        From :func:`page_info`.
    image : int
        Position of the image, from 0.
    sign : {1, -1}
        Spikes of rising or of falling rates.

    Returns
    -------
    dict of str to sequence
        Columns ``time`` in ms, ``neuron`` and ``size`` in pixels.
    """
    if not info["spikes"]:
        return {"time": [], "neuron": [], "size": []}
    values = data[info["spikes"]].values[image].astype(float)
    largest = max(float(np.abs(values).max()), 1e-12)
    steps, cells = np.nonzero(sign * values > 0)
    return {
        "time": data.time.values[steps],
        "neuron": data.neuron.values[cells],
        "size": 2.5 + 7 * np.sqrt(np.abs(values[steps, cells]) / largest),
    }


def grey_image(source: Source, pixels: Any) -> NDArray[np.float32]:
    """Brightness of an image, rows from the bottom up.

    Parameters
    ----------
    source : Source
        Shape of its images.
    pixels : array_like, shape (n_inputs,)
        The image.

    Returns
    -------
    ndarray, shape (height, width)
        Mean over colours.
    """
    values = np.asarray(pixels, dtype=np.float32).reshape(source.image_shape)
    if values.ndim == 3:
        values = values.mean(axis=0)
    return np.ascontiguousarray(values[::-1])
