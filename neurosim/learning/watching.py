"""Recording while a network learns: the same weights, bit for bit, as without."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.backends import BACKENDS, backend_class
from neurosim.backends.interface import Backend, Chunk, ChunkResult
from neurosim.circuit.meetings import meeting_phase
from neurosim.circuit.phases import phase_lengths
from neurosim.errors import DataError, ParameterError, counted
from neurosim.learning.epochs import Learner
from neurosim.recording.cycles import Presentation
from neurosim.recording.labels import Block, label_groups
from neurosim.recording.recorder import Recorder
from neurosim.recording.recording import collect, log_size, must_stream
from neurosim.recording.selection import Selection, check_image_numbers, select
from neurosim.recording.size import images_at_once, size_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["record_learning"]


def record_learning(
    learner: Learner,
    images: NDArray[Any],
    targets: NDArray[Any],
    *,
    only: ArrayLike | None = None,
    layer: int | None = None,
    neurons: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    to: str | Path | None = None,
    memory_limit: float,
) -> Any:
    """Learn from images for one epoch, and record some or all of them meanwhile.

    Parameters
    ----------
    learner : Learner
        What learns; its weights and its epoch move on.
    images : ndarray, shape (n, n_inputs)
        Checked images.
    targets : ndarray, shape (n, n_outputs)
        Checked target rates.
    only : array_like of int, optional
        Rows of the images that are recorded; all of them by default.
    layer, neurons, ids, to, memory_limit
        As ``Simulator.record`` takes them.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        The recording, in the order in which images were shown.

    Raises
    ------
    ParameterError
        If the back end cannot record while it learns.
    DataError
        If there is no such row, layer or neuron, or no room for the recording.
    DivergenceError
        If learning diverges.
    """
    _check_backend(learner)
    wanted = _wanted_rows(only, len(images))
    chosen = select(learner, layer, neurons)
    steps = sum(phase_lengths(learner.circuit, learner.timetable.images.phases).values())
    groups = 1 + len(chosen.layers) * (layer is None)
    size = size_of(learner, chosen, int(wanted.sum()), steps, groups=groups)
    streams = must_stream(size, to, memory_limit)
    compiled = "compiled" in backend_class(learner.backend_name).features
    batch = learner.system.batch
    step = images_at_once(learner, chosen, size, memory_limit, whole_layers=compiled)
    # a batch is recorded as a whole, since it is learned as a whole
    step = min(max(step // batch, 1) * batch, learner.whole_chunk)
    log_size(size, step)
    everything = Block(images, targets, check_image_numbers(ids, len(images)))
    with Recorder(
        learner,
        chosen.layers,
        neurons=chosen.neurons,
        backend=learner.backend_name,
        max_images=step,
    ) as recorder:
        watch = _Watch(learner, recorder, chosen, everything, wanted, step, layer is not None)
        # closed at once if the file cannot be written, so that others may learn
        with contextlib.closing(learner.watched_epoch(images, targets, watch)) as epoch:
            return collect(watch.blocks(epoch), to, streams=streams)


class _Watch:
    """Has the batches with wanted images run by a recorder, and labels what it noted."""

    def __init__(
        self,
        learner: Learner,
        recorder: Recorder,
        chosen: Selection,
        everything: Block,
        wanted: NDArray[np.bool_],
        step: int,
        one_layer: bool,
    ) -> None:
        self._learner, self._recorder, self._chosen = learner, recorder, chosen
        self._everything, self._wanted = everything, wanted
        self._step, self._one_layer = step, one_layer
        self._epoch = learner.epoch + 1
        phases = phase_lengths(learner.circuit, learner.timetable.images.phases)
        self._how = Presentation(phases, {}, {}, targets_act=True)
        self._ready: list[dict[str, xr.Dataset]] = []

    def choose(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Backend | None]:
        batch = self._learner.system.batch
        starts = range(0, len(rows), batch)
        hit = np.array([self._wanted[rows[first : first + batch]].any() for first in starts])
        # batches up to the first that is of the other kind
        alike = int(np.argmax(hit != hit[0])) if (hit != hit[0]).any() else len(hit)
        if not hit[0]:
            return rows[: alike * batch], None
        return rows[: min(alike * batch, self._step)], self._recorder.backend

    def see(self, rows: NDArray[np.int64], chunk: Chunk, result: ChunkResult) -> None:
        traces, predictions = self._recorder.read(result, len(rows))
        kept = np.flatnonzero(self._wanted[rows])
        groups = label_groups(
            self._learner,
            self._how,
            self._chosen,
            self._everything.part(rows[kept]),
            {
                number: {name: values[kept] for name, values in layer.items()}
                for number, layer in traces.items()
            },
            predictions[kept],
            one_layer=self._one_layer,
        )
        self._ready.append(self._with_inputs(groups, chunk, kept))

    def _with_inputs(
        self, groups: dict[str, xr.Dataset], chunk: Chunk, kept: NDArray[np.intp]
    ) -> dict[str, xr.Dataset]:
        """Add scalar inputs, which learning draws for each image, to what all layers share."""
        scalars = {
            f"input_{item.name}": (
                "image",
                np.asarray(chunk.inputs[item.name], np.float64)[kept],
                {"long_name": f"input {item.name} of the image", "units": "1"},
            )
            for item in self._learner.circuit.inputs
            if not item.width
        }
        groups = {name: group.assign_attrs(epoch=self._epoch) for name, group in groups.items()}
        return groups | {"": groups[""].assign(scalars)}

    def blocks(self, learning: Iterator[Any]) -> Iterator[dict[str, xr.Dataset]]:
        """Groups of a recording, while the learner goes through an epoch."""
        for _ in learning:
            while self._ready:
                yield self._ready.pop(0)


def _features(backend: str) -> frozenset[str]:
    return backend_class(backend).features


def _check_backend(learner: Learner) -> None:
    name = learner.backend_name
    able = [other for other in BACKENDS if "records learning" in _features(other)]
    if name not in able:
        raise ParameterError(
            f"the back end {name!r} cannot record while it learns; make the Simulator with "
            f"backend={' or '.join(map(repr, able))}"
        )
    if meeting_phase(learner.circuit) is not None and "compiled" not in _features(name):
        raise ParameterError(
            f"the back end {name!r} cannot record while images of a batch meet, since it goes back "
            "to each of them; make the Simulator with backend='cpp', or record without learning"
        )


def _wanted_rows(only: ArrayLike | None, images: int) -> NDArray[np.bool_]:
    wanted = np.zeros(images, bool)
    rows = np.arange(images) if only is None else np.atleast_1d(np.asarray(only))
    if rows.ndim != 1 or not rows.size or rows.dtype.kind not in "iu":
        raise DataError(f"only = {only!r}: give numbers of rows of the images, at least one")
    if rows.min() < 0 or rows.max() >= images:
        raise DataError(
            f"only: rows of {counted(images, 'image')} run from 0 to {images - 1}; give some of "
            "these"
        )
    wanted[rows] = True
    return wanted
