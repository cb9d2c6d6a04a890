"""Labels, units and groups of a recording.

A recording of one layer is an :class:`xarray.Dataset` of image × time × neuron. A
recording of all layers is an :class:`xarray.DataTree` with one such group per layer:
layers differ in their number of neurons, so each has a ``neuron`` dimension of its
own, and all groups have the same names. The root of the tree holds what all layers
share: the images, the rhythm, phases and predictions.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim._version import __version__
from neurosim.circuit import Circuit
from neurosim.circuit.phases import set_anew
from neurosim.errors import DataError, near_matches
from neurosim.recording.cycles import Network, Presentation
from neurosim.recording.selection import Selection
from neurosim.system.traces import LayerTraces, Trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "FORMAT",
    "Block",
    "as_recording",
    "join_blocks",
    "label_groups",
    "layer_numbers",
    "select_layer",
]

#: What marks a file as a recording.
FORMAT = "neurosim recording 1"

#: Traces by layer and name, each of shape (n_images, n_steps, n_neurons).
Traces = Mapping[int, Mapping[str, NDArray[Any]]]


@dataclasses.dataclass(frozen=True)
class Block:
    """Images of a recording, or some of them.

    Attributes
    ----------
    images : ndarray, shape (n, n_inputs)
        Checked images.
    targets : ndarray, shape (n, n_outputs), or None
        Checked target rates.
    ids : ndarray of int, shape (n,)
        Numbers of the images.
    """

    images: NDArray[Any]
    targets: NDArray[Any] | None
    ids: NDArray[np.int64]

    def part(self, chosen: slice | NDArray[np.integer[Any]]) -> Block:
        """Some of the images.

        Parameters
        ----------
        chosen : slice
            Which.

        Returns
        -------
        Block
            A new one.
        """
        targets = None if self.targets is None else self.targets[chosen]
        return Block(self.images[chosen], targets, self.ids[chosen])


def label_groups(
    network: Network,
    presentation: Presentation,
    selection: Selection,
    block: Block,
    traces: Traces,
    predictions: NDArray[np.int64],
    *,
    one_layer: bool,
) -> dict[str, xr.Dataset]:
    """Put labels on what was recorded.

    Parameters
    ----------
    network : Network
        What was recorded.
    presentation : Presentation
        How images were shown.
    selection : Selection
        Layers and neurons.
    block : Block
        Images.
    traces : mapping of int to mapping of str to ndarray
        By layer and name, (n_images, n_steps, n_neurons).
    predictions : ndarray of int, shape (n_images,)
        Classes predicted.
    one_layer : bool
        Whether the recording is a Dataset of one layer.

    Returns
    -------
    dict of str to xarray.Dataset
        Groups by name: one, ``""``, for one layer; otherwise the root and one per layer.
    """
    coords = _shared_coordinates(network, presentation, block, predictions)
    shared = _shared_variables(network, presentation, block)
    attributes = _shared_attributes(network, presentation, selection)
    layers = {
        part.layer: _layer_group(network, selection, part, traces[part.layer])
        for part in selection.layers
    }

    import xarray as xr

    def group(variables: dict[str, Any], own: tuple[Any, ...] = ({}, {}, {})) -> xr.Dataset:
        return xr.Dataset({**variables, **own[0]}, {**coords, **own[1]}, {**attributes, **own[2]})

    if one_layer:
        (only,) = layers.values()
        return {"": group(shared, only)}
    return {"": group(shared)} | {
        f"layer_{number}": group({}, own) for number, own in layers.items()
    }


def _shared_coordinates(
    network: Network, presentation: Presentation, block: Block, predictions: NDArray[np.int64]
) -> dict[str, Any]:
    phases = presentation.phases
    time = np.arange(1, presentation.steps + 1) * network.circuit.dt
    words = {"long_name": "time in the cycle, at the end of a step", "units": "ms"}
    coords: dict[str, Any] = {
        "image": ("image", block.ids, {"long_name": "number of the image"}),
        "time": ("time", time, words),
        "phase": (
            "time",
            np.repeat(list(phases), list(phases.values())),
            {"long_name": "phase of the cycle"},
        ),
        "prediction": ("image", predictions, {"long_name": "class predicted"}),
    }
    if block.targets is not None:
        classes = block.targets.argmax(axis=1)
        coords["label"] = ("image", classes, {"long_name": "class of the image"})
    return coords


def _shared_variables(network: Network, presentation: Presentation, block: Block) -> dict[str, Any]:
    angle = 2 * np.pi * np.arange(presentation.steps) / network.circuit.cycle_steps()
    return {
        "oscillation": (
            "time",
            np.cos(angle),
            {"long_name": "rhythm, for display", "units": "1"},
        ),
        "stimulus": (
            ("image", "pixel"),
            block.images.astype(network.dtype),
            {"long_name": "image shown", "units": "1"},
        ),
    }


def _shared_attributes(
    network: Network, presentation: Presentation, selection: Selection
) -> dict[str, Any]:
    system = network.system
    attributes = {
        "format": FORMAT,
        "neurosim_version": __version__,
        "system": system.name,
        "title": system.title,
        "citation": system.citation,
        "parameters": json.dumps(dataclasses.asdict(system)),
        "dt_ms": network.circuit.dt,
        "inputs": json.dumps(
            presentation.inputs | {n: v.tolist() for n, v in presentation.columns.items()}
        ),
        "phases": json.dumps(presentation.phases),
        "layers": json.dumps([part.layer for part in selection.layers]),
    }
    # each input and phase also under its own name, as in recordings of neurosim 0.1
    return {**presentation.phases, **presentation.inputs, **attributes}


def _layer_group(
    network: Network, selection: Selection, layer: LayerTraces, traces: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Variables, coordinates and attributes of one layer."""
    variables = {
        trace.name: (
            ("image", "time", "neuron"),
            traces[trace.name],
            _attributes(network.circuit, layer, trace),
        )
        for trace in layer.traces
    }
    words = {"long_name": f"neuron of layer {layer.layer}"}
    coords = {"neuron": ("neuron", selection.neurons[layer.layer], words)}
    role = network.circuit.population(layer.population).role
    return variables, coords, {"layer": layer.layer, "population": layer.population, "role": role}


def _attributes(circuit: Circuit, layer: LayerTraces, trace: Trace) -> dict[str, Any]:
    population = trace.population or layer.population
    phases = set_anew(circuit, population, trace.variable)
    leaps = {"set_at_end_of": ", ".join(phases)} if phases else {}
    return {
        **leaps,
        "long_name": trace.long_name,
        "units": trace.unit,
        "symbol": trace.symbol,
        "variable": f"{population}.{trace.variable}",
        "kind": trace.kind,
        "shown": int(trace.shown),
    }


def join_blocks(blocks: list[dict[str, xr.Dataset]]) -> dict[str, xr.Dataset]:
    """Join the groups of several blocks of images.

    Parameters
    ----------
    blocks : list of dict of str to xarray.Dataset
        Groups by name; the same names in each.

    Returns
    -------
    dict of str to xarray.Dataset
        Groups of all images; what does not depend on the image is kept once.
    """
    import xarray as xr

    if len(blocks) == 1:
        return blocks[0]
    how: dict[str, Any] = {"compat": "override", "combine_attrs": "override", "join": "override"}
    return {
        name: xr.concat(
            [block[name] for block in blocks], "image", data_vars="minimal", coords="minimal", **how
        )
        for name in blocks[0]
    }


def as_recording(groups: Mapping[str, xr.Dataset]) -> Any:
    """Groups as what a user gets.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset
        Groups by name.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        A Dataset if there is one group, a tree if there are several.
    """
    import xarray as xr

    if len(groups) == 1:
        return groups[""]
    return xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})


def layer_numbers(recording: Any) -> list[int]:
    """Numbers of the layers in a recording.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree
        What :meth:`~neurosim.learning.simulator.Simulator.record` gave, or a file of it.

    Returns
    -------
    list of int
        In rising order.

    Raises
    ------
    DataError
        If it is not a recording.
    """
    attributes = getattr(recording, "attrs", {})
    if not {"layer", "layers"} & set(attributes):
        raise DataError(
            f"{type(recording).__name__} is not a recording: give what Simulator.record gave, or "
            "open_recording(FILE.nc)"
        )
    if "layer" in attributes:
        # one layer, perhaps selected from a recording of several
        return [int(attributes["layer"])]
    return sorted(json.loads(attributes["layers"]))


def select_layer(recording: Any, layer: int) -> xr.Dataset:
    """One layer of a recording, with what all layers share.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree
        What :meth:`~neurosim.learning.simulator.Simulator.record` gave, or a file of it.
    layer : int
        Number of the layer.

    Returns
    -------
    xarray.Dataset
        As if only this layer had been recorded.

    Raises
    ------
    DataError
        If the layer was not recorded, or this is not a recording.
    """
    import xarray as xr

    numbers = layer_numbers(recording)
    if layer not in numbers:
        raise DataError(
            f"layer {layer} was not recorded; this recording holds "
            f"{near_matches(str(layer), map(str, numbers)).removeprefix('allowed: ')}"
        )
    if isinstance(recording, xr.Dataset):
        return recording
    shared = recording.to_dataset()
    return recording[f"layer_{layer}"].to_dataset().assign(dict(shared.data_vars))
