"""Recording: show images to a network and keep what every compartment did."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.backends import backend_class, check_choices
from neurosim.errors import DataError
from neurosim.recording.cycles import (
    Network,
    Presentation,
    plan_presentation,
    presentation_chunks,
)
from neurosim.recording.labels import Block, as_recording, join_blocks, label_groups
from neurosim.recording.netcdf import open_recording, save_recording, write_blocks
from neurosim.recording.recorder import Recorder
from neurosim.recording.selection import Selection, check_image_numbers, select
from neurosim.recording.size import RecordingSize, check_room, images_at_once, size_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "MEMORY_LIMIT",
    "collect",
    "log_size",
    "must_stream",
    "record_images",
    "record_with",
]

#: A recording larger than this many bytes is written to a file, some images at a time.
MEMORY_LIMIT = 1_000_000_000

log = logging.getLogger("neurosim")


def record_images(
    network: Network,
    images: NDArray[Any],
    targets: NDArray[Any] | None,
    *,
    inputs: Mapping[str, float] | None = None,
    phases: Mapping[str, int] | None = None,
    layer: int | None = None,
    neurons: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    to: str | Path | None = None,
    memory_limit: float = MEMORY_LIMIT,
    backend: str = "runtime",
) -> Any:
    """Record checked images.

    Parameters
    ----------
    network : Network
        Network and weights.
    images : ndarray, shape (n, n_inputs)
        Checked images.
    targets : ndarray, shape (n, n_outputs), or None
        Checked target rates.
    inputs, phases, layer, neurons, ids, to, memory_limit, backend
        As ``Simulator.record`` takes them.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        The recording.

    Raises
    ------
    ParameterError
        If there is no such back end.
    DataError
        If there is no such layer, neuron or input, or no room for the recording.
    CircuitError
        If there is no such phase.
    """
    check_choices(backend=backend)
    how = plan_presentation(network, labelled=targets is not None, inputs=inputs, phases=phases)
    chosen = select(network, layer, neurons)
    groups = 1 + len(chosen.layers) * (layer is None)
    size = size_of(network, chosen, len(images), how.steps, groups=groups)
    block = Block(images, targets, check_image_numbers(ids, len(images)))
    streams = must_stream(size, to, memory_limit)
    compiled = "compiled" in backend_class(backend).features
    step = images_at_once(network, chosen, size, memory_limit, whole_layers=compiled)
    log_size(size, step)
    # a program is compiled for a number of images: one of few, so that programs are used again
    most = 1 << (step - 1).bit_length() if compiled else step
    with Recorder(
        network, chosen.layers, neurons=chosen.neurons, backend=backend, max_images=most
    ) as recorder:
        blocks = (
            _groups(recorder, how, chosen, block.part(slice(first, first + step)), first,
                    layer is not None)
            for first in range(0, len(images), step)
        )  # fmt: skip
        return collect(blocks, to, streams=streams)


def log_size(size: RecordingSize, at_once: int) -> None:
    """Tell how large a recording becomes.

    Parameters
    ----------
    size : RecordingSize
        Of all images.
    at_once : int
        Most images shown at a time.
    """
    more = f", {at_once} images at a time" if at_once < size.images else ""
    log.info("recording %s%s", size, more)


def collect(
    blocks: Iterator[dict[str, xr.Dataset]], to: str | Path | None, *, streams: bool
) -> Any:
    """Make one recording of blocks of images, in memory or in a file.

    Parameters
    ----------
    blocks : iterator of dict of str to xarray.Dataset
        Groups by name, for some images at a time.
    to : str or Path or None
        File to write to; needed if ``streams``.
    streams : bool
        Whether blocks are written as they come, and the recording is read from its file.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        The recording.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    if not streams:
        recording = as_recording(join_blocks(list(blocks)))
        if to is not None:
            save_recording(recording, to)
        return recording
    assert to is not None
    write_blocks(blocks, Path(to))
    return open_recording(to)


def must_stream(size: RecordingSize, to: str | Path | None, memory_limit: float) -> bool:
    """Whether a recording goes to its file some images at a time.

    Parameters
    ----------
    size : RecordingSize
        Of the whole recording.
    to : str or Path or None
        File to write to, if there is one.
    memory_limit : float
        Most bytes held in memory.

    Returns
    -------
    bool
        Whether it is larger than the limit.

    Raises
    ------
    DataError
        If the limit is no number of bytes, the disk has no room for the recording, or it is
        too large and no file is named.
    """
    given: object = memory_limit
    if not isinstance(given, Real) or not memory_limit >= 0:
        raise DataError(f"memory_limit = {memory_limit!r}: give a number of bytes, such as 1e9")
    if to is not None:
        check_room(Path(to), size)
    if size.memory <= memory_limit:
        return False
    if to is None:
        raise DataError(
            f"a recording of {size}; this is more than memory_limit = "
            f"{size.in_words(memory_limit)}: name a file (to=...), choose a layer or neurons, or "
            "raise the limit"
        )
    return True


def _groups(
    recorder: Recorder,
    how: Presentation,
    chosen: Selection,
    block: Block,
    first: int,
    one_layer: bool,
) -> dict[str, xr.Dataset]:
    """Show some images and label what was recorded."""
    network = recorder.network
    (chunk,) = presentation_chunks(network, how, block.images, block.targets, first=first)
    traces, predictions = recorder.show(chunk)
    return label_groups(network, how, chosen, block, traces, predictions, one_layer=one_layer)


def record_with(
    recorder: Recorder,
    images: NDArray[Any],
    targets: NDArray[Any] | None,
    *,
    ids: ArrayLike,
    inputs: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> tuple[Any, dict[str, dict[str, NDArray[Any]]]]:
    """Record all layers with a recorder that is at hand, and other parameters if wanted.

    Parameters
    ----------
    recorder : Recorder
        Of all layers of its system.
    images : ndarray, shape (n, n_inputs)
        Checked images.
    targets : ndarray, shape (n, n_outputs), or None
        Target rates; without them only the phases of an evaluation are run.
    ids : array_like of int, shape (n,)
        Numbers of the images.
    inputs : mapping of str to float, optional
        Scalar inputs by name.
    parameters : mapping of str to float, optional
        Shared parameters that differ from the circuit's, by ``"population.parameter"``.

    Returns
    -------
    recording : xarray.DataTree
        As ``Simulator.record`` gives it.
    trajectories : dict of str to dict of str to ndarray
        All that the recorder notes, by population and variable: (n_steps, n_cells), the steps
        of one image after those of the other.

    Raises
    ------
    DataError
        If the network leaves the range of numbers.
    """
    network = recorder.network
    how = plan_presentation(
        network, labelled=targets is not None, inputs=inputs, parameters=parameters
    )
    chosen = select(network, None, None)
    block = Block(images, targets, check_image_numbers(ids, len(images)))
    (chunk,) = presentation_chunks(network, how, images, targets)
    result = recorder.backend.run(chunk)
    traces, predictions = recorder.read(result, chunk.cycles)
    if not all(np.isfinite(v).all() for part in traces.values() for v in part.values()):
        raise DataError(
            "the potentials grow without bound: these conductances are too large for the time step"
        )
    groups = label_groups(network, how, chosen, block, traces, predictions, one_layer=False)
    return as_recording(groups), result.trajectories
