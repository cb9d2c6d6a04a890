"""Recordings: what every compartment did while images were shown, with labels and units.

A recording of one layer is an :class:`xarray.Dataset` of image × time × neuron. A
recording of all layers is an :class:`xarray.DataTree` with one such group per layer:
layers differ in their number of neurons, so each has a ``neuron`` dimension of its
own, and every group keeps the same names and the same shape of analysis. The root of
the tree holds what all layers share: the images, the rhythm, phases and predictions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim._version import __version__
from neurosim.backends import backend_class, check_choices, open_backend
from neurosim.backends.interface import Backend, Chunk
from neurosim.errors import DataError, near_matches
from neurosim.files import temporary_path
from neurosim.recording.showing import Network, check_nudge, showing_chunks
from neurosim.system import System
from neurosim.system.traces import LayerTraces, Trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "MEMORY_LIMIT",
    "Recorder",
    "RecordingSize",
    "layer_numbers",
    "open_recording",
    "record_with",
    "recording_size",
    "save_recording",
    "select_layer",
    "show_images",
]

#: Recordings larger than this many bytes go to a file, images at a time.
MEMORY_LIMIT = 1_000_000_000
#: What marks a file as a recording.
FORMAT = "neurosim recording 1"
#: Bytes that a group of a netCDF file takes beside its values, roughly.
_GROUP_BYTES = 60_000

log = logging.getLogger("neurosim")


# ------------------------------------------------------------------ what to record


def choose_layers(system: System, layer: int | None) -> tuple[LayerTraces, ...]:
    """The layers of a system to record: one of them, or all.

    Parameters
    ----------
    system : System
        What is recorded.
    layer : int or None
        Number of a layer; None for all.

    Returns
    -------
    tuple of LayerTraces
        From the input upwards.

    Raises
    ------
    DataError
        If the system has no such layer.
    """
    layers = system.layer_traces()
    chosen = tuple(item for item in layers if layer is None or item.layer == layer)
    if not chosen:
        numbers = sorted(item.layer for item in layers)
        raise DataError(
            f"layer {layer} of {system.name}: there is none; layers run from {numbers[0]} "
            f"(the input) to {numbers[-1]} (the output)"
        )
    return chosen


def choose_neurons(size: int, neurons: ArrayLike | None, layer: int) -> NDArray[np.int64]:
    """Numbers of the neurons to record.

    Parameters
    ----------
    size : int
        Neurons that the layer has.
    neurons : array_like of int or None
        Their numbers, from 0; None for all.
    layer : int
        Number of the layer, for messages.

    Returns
    -------
    ndarray of int, shape (n_neurons,)
        In the order given.

    Raises
    ------
    DataError
        If a number is out of range, given twice, or no whole number.
    """
    if neurons is None:
        return np.arange(size)
    numbers = np.atleast_1d(_array(neurons, f"neurons = {neurons!r}"))
    if numbers.ndim != 1 or not numbers.size or not np.issubdtype(numbers.dtype, np.integer):
        raise DataError(f"neurons = {neurons!r}: give whole numbers, e.g. neurons=range(20)")
    if numbers.min() < 0 or numbers.max() >= size:
        wrong = numbers[(numbers < 0) | (numbers >= size)][0]
        raise DataError(f"neuron {wrong} of layer {layer}: neurons run from 0 to {size - 1}")
    if len(np.unique(numbers)) != len(numbers):
        raise DataError("neurons: a number is given twice")
    return numbers.astype(np.int64)


def _array(values: ArrayLike, what: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what}: give whole numbers in one row ({error})") from error


# ------------------------------------------------------------------ how large it gets


@dataclasses.dataclass(frozen=True)
class RecordingSize:
    """What a recording takes.

    Attributes
    ----------
    images, steps : int
        Images, and time steps of each.
    values_per_image : int
        Recorded numbers per image, all layers.
    memory, disk : int
        Bytes of the recording in memory and as a file. While it is made, up to three
        times the memory is in use.
    """

    images: int
    steps: int
    values_per_image: int
    memory: int
    disk: int

    def __str__(self) -> str:
        """In words, with units."""
        words = self.in_words
        return (
            f"{self.images} images x {self.steps} steps, {self.values_per_image:,} values per "
            f"image: {words(self.memory)} in memory, {words(self.disk)} as a file"
        )

    @staticmethod
    def in_words(size: float) -> str:
        """Bytes as megabytes or gigabytes.

        Parameters
        ----------
        size : float
            Bytes.

        Returns
        -------
        str
            For example ``"12.3 MB"``.
        """
        return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def recording_size(
    network: Network,
    images: int,
    *,
    layer: int | None = None,
    neurons: ArrayLike | None = None,
    nudged: bool = True,
) -> RecordingSize:
    """How large a recording will be.

    Parameters
    ----------
    network : Network
        What will be recorded.
    images : int
        Number of images.
    layer : int, optional
        One layer; all of them by default.
    neurons : array_like of int, optional
        Neurons of that layer; all of them by default.
    nudged : bool
        Whether the nudged phase is run.

    Returns
    -------
    RecordingSize
        Sizes in bytes.

    Raises
    ------
    DataError
        If there is no such layer or neuron.
    """
    plan = _Plan.make(network, layer, neurons, nudged)
    item = np.dtype(network.dtype).itemsize
    values = plan.values({number: len(chosen) for number, chosen in plan.neurons.items()})
    shown = images * network.system.layers[0] * item
    memory = images * values * item + shown + images * 40 + plan.steps * 40
    groups = 1 + len(plan.layers) * (layer is None)
    return RecordingSize(images, plan.steps, values, memory, memory + groups * _GROUP_BYTES)


@dataclasses.dataclass(frozen=True)
class _Plan:
    """Layers, neurons by layer, and phase lengths of a recording."""

    layers: tuple[LayerTraces, ...]
    neurons: Mapping[int, NDArray[np.int64]]
    phases: Mapping[str, int]

    @classmethod
    def make(
        cls, network: Network, layer: int | None, neurons: ArrayLike | None, nudged: bool
    ) -> _Plan:
        if neurons is not None and layer is None:
            raise DataError("neurons are numbered within a layer; give layer= as well")
        layers = choose_layers(network.system, layer)
        circuit = network.circuit
        chosen = {
            part.layer: choose_neurons(
                circuit.population(part.population).size, neurons, part.layer
            )
            for part in layers
        }
        system = network.system
        phases = circuit.phase_steps() if nudged else system.evaluation_phases()
        return cls(layers, chosen, phases)

    @property
    def steps(self) -> int:
        return sum(self.phases.values())

    def values(self, neurons: Mapping[int, int]) -> int:
        """Numbers recorded per image, for so many neurons by layer."""
        return sum(len(part.traces) * neurons[part.layer] * self.steps for part in self.layers)


# ------------------------------------------------------------------ showing images


class Recorder:
    """Shows images to a network with a monitor on every trace; built once, used often.

    Parameters
    ----------
    network : Network
        Its system, weights and precision; its own back end is left alone.
    layers : sequence of LayerTraces
        What to record.
    neurons : mapping of int to ndarray, optional
        Neurons by layer; all of them by default.
    backend : {"runtime", "cpp"}
        ``"runtime"`` starts within seconds. ``"cpp"`` compiles a program first, which
        takes a minute, and then shows an image in a fraction of the time; it always
        records all neurons.
    max_images : int
        Most images shown at once.

    Attributes
    ----------
    network : Network
        As given.
    layers : tuple of LayerTraces
        What is recorded.
    neurons : dict of int to ndarray of int
        Numbers of the neurons recorded, by layer.

    Raises
    ------
    ParameterError
        If there is no such back end.
    BuildError
        If the program cannot be built.
    """

    def __init__(
        self,
        network: Network,
        layers: Sequence[LayerTraces],
        *,
        neurons: Mapping[int, NDArray[np.int64]] | None = None,
        backend: str = "runtime",
        max_images: int = 1,
    ) -> None:
        self.network = network
        self.layers = tuple(layers)
        sizes = {part.layer: network.circuit.population(part.population).size for part in layers}
        self.neurons = {
            layer: np.arange(size) if neurons is None else neurons[layer]
            for layer, size in sizes.items()
        }
        self._backend = self._open(backend, max_images)

    def _open(self, backend: str, max_images: int) -> Backend:
        wanted: dict[str, dict[str, None]] = {}
        cells: dict[str, list[int]] = {}
        for part in self.layers:
            for population, names in part.variables().items():
                wanted.setdefault(population, {}).update(dict.fromkeys(names))
                cells[population] = self.neurons[part.layer].tolist()
        return open_backend(
            backend,
            self.network.circuit,
            dtype=self.network.dtype,
            max_cycles=max_images,
            record={population: tuple(names) for population, names in wanted.items()},
            cells=cells,
        )

    @property
    def backend(self) -> Backend:
        """The back end that runs the network."""
        return self._backend

    def close(self) -> None:
        """Give back files and memory; harmless a second time."""
        self._backend.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def show(self, chunk: Chunk) -> tuple[dict[int, dict[str, NDArray[Any]]], NDArray[np.int64]]:
        """Run a chunk.

        Parameters
        ----------
        chunk : Chunk
            Images, weights, parameter values and phases.

        Returns
        -------
        traces : dict of int to dict of str to ndarray
            By layer and name, (n_images, n_steps, n_neurons).
        predictions : ndarray, shape (n_images,)
            Class predicted for each image.
        """
        result = self._backend.run(chunk)
        flat = result.trajectories
        traces = {
            part.layer: {
                trace.name: self._trace(flat, part, trace, chunk.cycles) for trace in part.traces
            }
            for part in self.layers
        }
        return traces, result.readouts[self.network.circuit.answer].argmax(axis=1)

    def _trace(
        self,
        flat: Mapping[str, Mapping[str, NDArray[Any]]],
        part: LayerTraces,
        trace: Trace,
        images: int,
    ) -> NDArray[Any]:
        rows = flat[trace.population or part.population][trace.variable]
        values = rows.reshape(images, -1, rows.shape[1])
        if trace.change:
            # the very subtraction the synapses do, so these are the values that travelled
            return np.diff(values, axis=1, prepend=values.dtype.type(0))
        return values


# ------------------------------------------------------------------ putting labels on


def _dataset(
    recorder: Recorder,
    plan: _Plan,
    block: _Images,
    layer: LayerTraces | None,
    traces: Mapping[str, NDArray[Any]],
    predictions: NDArray[np.int64],
) -> xr.Dataset:
    """One group of a recording: what layers share and, if one is given, its traces."""
    import xarray as xr

    network = recorder.network
    system, circuit = network.system, network.circuit
    coords: dict[str, Any] = {
        "image": ("image", block.ids, {"long_name": "number of the image"}),
        "time": (
            "time",
            np.arange(1, plan.steps + 1) * circuit.dt,
            {"long_name": "time in the cycle, at the end of a step", "units": "ms"},
        ),
        "phase": (
            "time",
            np.repeat(list(plan.phases), list(plan.phases.values())),
            {"long_name": "phase of the cycle"},
        ),
        "prediction": ("image", predictions, {"long_name": "class predicted"}),
    }
    if block.labels is not None:
        coords["label"] = ("image", block.labels, {"long_name": "class of the image"})
    period = circuit.cycle_steps()
    variables: dict[str, Any] = {
        "oscillation": (
            "time",
            np.cos(2 * np.pi * np.arange(plan.steps) / period),
            {"long_name": "rhythm, for display", "units": "1"},
        ),
        "stimulus": (
            ("image", "pixel"),
            block.x.astype(network.dtype),
            {"long_name": "image shown", "units": "1"},
        ),
    }
    attributes: dict[str, Any] = {
        "format": FORMAT,
        "neurosim_version": __version__,
        "system": system.name,
        "title": system.title,
        "citation": system.citation,
        "parameters": json.dumps(dataclasses.asdict(system)),
        "dt_ms": circuit.dt,
        "beta": block.beta,
        "nudged": int(block.nudged),
        "layers": json.dumps([part.layer for part in plan.layers]),
    }
    if layer is not None:
        coords["neuron"] = (
            "neuron",
            plan.neurons[layer.layer],
            {"long_name": f"neuron of layer {layer.layer}"},
        )
        variables |= {
            trace.name: (("image", "time", "neuron"), traces[trace.name], _attributes(layer, trace))
            for trace in layer.traces
        }
        attributes |= {"layer": layer.layer, "population": layer.population}
        attributes["role"] = circuit.population(layer.population).role
    return xr.Dataset(variables, coords, attributes)


def _attributes(layer: LayerTraces, trace: Trace) -> dict[str, Any]:
    return {
        "long_name": trace.long_name,
        "units": trace.unit,
        "symbol": trace.symbol,
        "variable": f"{trace.population or layer.population}.{trace.variable}",
        "kind": trace.kind,
        "shown": int(trace.shown),
    }


@dataclasses.dataclass(frozen=True)
class _Images:
    """Checked images of a recording, or some of them."""

    x: NDArray[Any]
    targets: NDArray[Any] | None
    ids: NDArray[np.int64]
    beta: float
    nudged: bool

    @property
    def labels(self) -> NDArray[np.int64] | None:
        return None if self.targets is None else self.targets.argmax(axis=1)

    def part(self, chosen: slice) -> _Images:
        targets = None if self.targets is None else self.targets[chosen]
        return dataclasses.replace(self, x=self.x[chosen], targets=targets, ids=self.ids[chosen])


def show_images(
    network: Network,
    images: NDArray[Any],
    targets: NDArray[Any] | None,
    *,
    beta: float = 1.0,
    nudged: bool = True,
    layer: int | None = None,
    neurons: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    to: str | Path | None = None,
    memory_limit: float = MEMORY_LIMIT,
    backend: str = "runtime",
) -> Any:
    """Record checked images; see :meth:`neurosim.learning.simulator.Simulator.record`.

    Parameters
    ----------
    network : Network
        Network and weights.
    images : ndarray, shape (n, n_inputs)
        Checked images.
    targets : ndarray, shape (n, n_outputs), or None
        Checked target rates.
    beta, nudged, layer, neurons, ids, to, memory_limit, backend
        As :meth:`~neurosim.learning.simulator.Simulator.record` takes them.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        The recording.

    Raises
    ------
    ParameterError
        If there is no such back end.
    DataError
        If there is no such layer or neuron, or no room for the recording.
    """
    check_choices(backend=backend)
    nudged = nudged and targets is not None
    beta = check_nudge(beta, nudged=nudged)
    plan = _Plan.make(network, layer, neurons, nudged)
    shown = _Images(images, targets, _check_ids(ids, len(images)), beta, nudged)
    size = recording_size(network, len(images), layer=layer, neurons=neurons, nudged=nudged)
    streams = size.memory > memory_limit
    if streams and to is None:
        raise DataError(
            f"a recording of {size}; this is more than memory_limit = "
            f"{size.in_words(memory_limit)}: name a file (to=...), choose a layer or neurons, or "
            "raise the limit"
        )
    if to is not None:
        _check_room(Path(to), size)
    compiled = "compiled" in backend_class(backend).features
    step = _images_at_once(network, plan, size, memory_limit, compiled=compiled)
    log.info("recording %s%s", size, f", {step} images at a time" if step < len(images) else "")
    # a program is compiled for a number of images: one of few sizes, so that it is used again
    most = 1 << (step - 1).bit_length() if compiled else step
    how: dict[str, Any] = {"neurons": plan.neurons, "backend": backend, "max_images": most}
    with Recorder(network, plan.layers, **how) as recorder:
        blocks = (
            _groups(recorder, plan, shown.part(slice(start, start + step)), layer)
            for start in range(0, len(images), step)
        )
        if not streams:
            recording = _tree(_joined(list(blocks)))
            if to is not None:
                save_recording(recording, to)
            return recording
        assert to is not None
        _write_blocks(blocks, Path(to))
    return open_recording(to)


def _images_at_once(
    network: Network, plan: _Plan, size: RecordingSize, limit: float, *, compiled: bool
) -> int:
    """How many images may be shown at once within so many bytes; at least one."""
    per_image = size.memory / size.images
    if compiled:
        # the program records all neurons, whichever are kept
        sizes = {p.layer: network.circuit.population(p.population).size for p in plan.layers}
        left_out = plan.values(sizes) - size.values_per_image
        per_image += left_out * np.dtype(network.dtype).itemsize
    return min(max(int(limit // per_image), 1), size.images)


def _joined(blocks: list[dict[str, xr.Dataset]]) -> dict[str, xr.Dataset]:
    """Groups of several blocks of images as one; what no image changes is kept once."""
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


def _check_room(path: Path, size: RecordingSize) -> None:
    """Refuse, before anything is computed, a file that the disk will not hold."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise DataError(f"cannot write the recording {path}: there is no folder {folder}")
    free = shutil.disk_usage(folder).free
    if size.disk > free:
        raise DataError(
            f"the recording takes {size.in_words(size.disk)}, but the disk of {path} has "
            f"{size.in_words(free)} free; record fewer images, a layer or some neurons"
        )


def _check_ids(ids: ArrayLike | None, n: int) -> NDArray[np.int64]:
    numbers = np.arange(n) if ids is None else _array(ids, "ids")
    if numbers.shape != (n,) or not np.issubdtype(numbers.dtype, np.integer):
        raise DataError(f"ids: give one whole number for each of the {n} images")
    return numbers.astype(np.int64)


def _groups(
    recorder: Recorder, plan: _Plan, block: _Images, layer: int | None
) -> dict[str, xr.Dataset]:
    """Show some images and label what came out."""
    targets = block.targets if block.nudged else None
    (chunk,) = showing_chunks(recorder.network, block.x, targets, beta=block.beta)
    traces, predictions = recorder.show(chunk)
    return _labelled(recorder, plan, block, layer, traces, predictions)


def _labelled(
    recorder: Recorder,
    plan: _Plan,
    block: _Images,
    layer: int | None,
    traces: Mapping[int, Mapping[str, NDArray[Any]]],
    predictions: NDArray[np.int64],
) -> dict[str, xr.Dataset]:
    """The groups of a recording: one at the root, or root and layers."""
    if layer is not None:
        (only,) = plan.layers
        return {"": _dataset(recorder, plan, block, only, traces[layer], predictions)}
    shared = _dataset(recorder, plan, block, None, {}, predictions)
    groups = {"": shared}
    for part in plan.layers:
        full = _dataset(recorder, plan, block, part, traces[part.layer], predictions)
        groups[f"layer_{part.layer}"] = full.drop_vars(list(shared.data_vars))
    return groups


def record_with(
    recorder: Recorder,
    images: NDArray[Any],
    targets: NDArray[Any] | None,
    *,
    beta: float,
    ids: ArrayLike,
    parameters: Mapping[str, float] | None = None,
) -> Any:
    """Record all layers with a recorder that is at hand, and other parameters if wanted.

    Parameters
    ----------
    recorder : Recorder
        Of all layers of its system.
    images : ndarray, shape (n, n_inputs)
        Checked images.
    targets : ndarray, shape (n, n_outputs), or None
        Target rates; without them only the phases of an evaluation are run.
    beta : float
        Signed nudge.
    ids : array_like of int, shape (n,)
        Numbers of the images.
    parameters : mapping of str to float, optional
        Shared parameters that differ from the circuit's, by ``"population.parameter"``.

    Returns
    -------
    xarray.DataTree
        As :meth:`~neurosim.learning.simulator.Simulator.record` gives it.

    Raises
    ------
    DataError
        If the network leaves the range of numbers.
    """
    nudged = targets is not None
    plan = _Plan.make(recorder.network, None, None, nudged)
    block = _Images(images, targets, _check_ids(ids, len(images)), float(beta), nudged)
    (chunk,) = showing_chunks(recorder.network, images, targets, beta=beta, parameters=parameters)
    traces, predictions = recorder.show(chunk)
    if not all(np.isfinite(v).all() for part in traces.values() for v in part.values()):
        raise DataError(
            "the potentials grow without bound: these conductances are too large for the time step"
        )
    return _tree(_labelled(recorder, plan, block, None, traces, predictions))


def _tree(groups: Mapping[str, xr.Dataset]) -> Any:
    """A Dataset if there is one group, a DataTree if there are several."""
    import xarray as xr

    if len(groups) == 1:
        return groups[""]
    return xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})


def layer_numbers(recording: Any) -> list[int]:
    """Numbers of the layers a recording holds.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree
        What :meth:`~neurosim.learning.simulator.Simulator.record` gave, or a file of it.

    Returns
    -------
    list of int
        Rising.

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
        # one layer, perhaps taken out of a recording of several
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


# ------------------------------------------------------------------ files


def save_recording(recording: Any, path: str | Path) -> Path:
    """Write a recording as netCDF, all of it or nothing.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree
        A recording.
    path : str or Path
        The file; replaced if it exists.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import xarray as xr

    groups: dict[str, Any] = {"": recording}
    if not isinstance(recording, xr.Dataset):
        groups = {node.path.strip("/"): node.to_dataset() for node in recording.subtree}
    return _write_blocks(iter([groups]), Path(path))


def _write_blocks(blocks: Iterator[Mapping[str, xr.Dataset]], path: Path) -> Path:
    """Write groups of images one after the other, appending along the images."""
    temporary = temporary_path(path)
    try:
        for number, groups in enumerate(blocks):
            if number:
                _append_groups(temporary, groups)
                continue
            for name, group in groups.items():
                _write_group(temporary, name, group)
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"cannot write the recording {path}: {error.strerror or error}; choose another file"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def _write_group(path: Path, name: str, group: xr.Dataset) -> None:
    encoding = {
        variable: {"chunksizes": (1, *array.shape[1:])}
        for variable, array in group.data_vars.items()
        if array.dims[0] == "image"
    }
    group.to_netcdf(
        path,
        mode="a" if name else "w",
        group=name or None,
        engine="h5netcdf",
        encoding=encoding,
        unlimited_dims=["image"],
    )


def _append_groups(path: Path, groups: Mapping[str, xr.Dataset]) -> None:
    import h5netcdf

    with h5netcdf.File(path, "a") as file:
        before = file.dimensions["image"].size
        # groups below the root use its dimension, and grow with it
        file.resize_dimension("image", before + groups[""].sizes["image"])
        for name, group in groups.items():
            place = file[name] if name else file
            for variable, array in group.variables.items():
                if "image" in array.dims:
                    place.variables[variable][before:] = array.values


def open_recording(path: str | Path) -> Any:
    """Open a recording; values are read when they are used.

    Parameters
    ----------
    path : str or Path
        A file written by :func:`save_recording` or ``neurosim record``.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        As it was recorded: one layer, or a tree of layers.

    Raises
    ------
    DataError
        If the file is absent or no recording.
    """
    import xarray as xr

    try:
        root = xr.open_dataset(path, engine="h5netcdf")
    except FileNotFoundError as error:
        raise DataError(f"no recording {path}: there is no such file") from error
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not a recording: it is no netCDF file") from error
    if root.attrs.get("format") != FORMAT:
        root.close()
        raise DataError(
            f"{path} is not a recording of neurosim (no format {FORMAT!r}); make one with "
            "neurosim record RUN --out FILE.nc"
        )
    if "layer" in root.attrs:
        return root
    root.close()
    return xr.open_datatree(path, engine="h5netcdf")
