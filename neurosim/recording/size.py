"""How large a recording becomes, before it is made."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from neurosim.circuit.phases import phase_lengths
from neurosim.errors import DataError, counted
from neurosim.recording.cycles import Network
from neurosim.recording.selection import Selection, select

__all__ = ["RecordingSize", "check_room", "images_at_once", "recording_size", "size_of"]

#: Bytes that a group of a netCDF file takes beside its values, roughly.
_GROUP_BYTES = 60_000


@dataclasses.dataclass(frozen=True)
class RecordingSize:
    """How large a recording is.

    Attributes
    ----------
    images, steps : int
        Number of images, and time steps of each.
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
            f"{counted(self.images, 'image')} x {counted(self.steps, 'step')}, "
            f"{self.values_per_image:,} values per image: {words(self.memory)} in memory, "
            f"{words(self.disk)} as a file"
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
    phases: Mapping[str, int] | None = None,
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
    phases : mapping of str to int, optional
        Phase lengths in steps that differ from the circuit's; 0 leaves a phase out.

    Returns
    -------
    RecordingSize
        Sizes in bytes.

    Raises
    ------
    DataError
        If there is no such layer or neuron.
    CircuitError
        If there is no such phase.
    """
    steps = sum(phase_lengths(network.circuit, phases).values())
    chosen = select(network, layer, neurons)
    return size_of(network, chosen, images, steps, groups=1 + len(chosen.layers) * (layer is None))


def size_of(
    network: Network, chosen: Selection, images: int, steps: int, *, groups: int
) -> RecordingSize:
    """Size of a recording whose parts are chosen.

    Parameters
    ----------
    network : Network
        What will be recorded.
    chosen : Selection
        Layers and neurons.
    images, steps : int
        Number of images, and time steps of each.
    groups : int
        Number of groups in the file.

    Returns
    -------
    RecordingSize
        Sizes in bytes.
    """
    item = np.dtype(network.dtype).itemsize
    values = chosen.values_per_step() * steps
    shown = images * network.system.layers[0] * item
    memory = images * values * item + shown + images * 40 + steps * 40
    return RecordingSize(images, steps, values, memory, memory + groups * _GROUP_BYTES)


def images_at_once(
    network: Network, chosen: Selection, size: RecordingSize, limit: float, *, whole_layers: bool
) -> int:
    """Number of images that may be shown at once within a number of bytes.

    Parameters
    ----------
    network : Network
        What will be recorded.
    chosen : Selection
        Layers and neurons that are kept.
    size : RecordingSize
        Size of all images together.
    limit : float
        Bytes.
    whole_layers : bool
        Whether the back end records all neurons of a layer, whichever are kept.

    Returns
    -------
    int
        At least 1.
    """
    per_image = size.memory / size.images
    if whole_layers:
        all_values = chosen.of_whole_layers(network.circuit).values_per_step() * size.steps
        per_image += (all_values - size.values_per_image) * np.dtype(network.dtype).itemsize
    return min(max(int(limit // per_image), 1), size.images)


def check_room(path: Path, size: RecordingSize) -> None:
    """Refuse, before anything is computed, a file that the disk cannot hold.

    Parameters
    ----------
    path : Path
        The file to be written.
    size : RecordingSize
        Its size.

    Raises
    ------
    DataError
        If its folder is absent, or the disk has too little room.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise DataError(f"cannot write the recording {path}: there is no folder {folder}")
    free = shutil.disk_usage(folder).free
    if size.disk > free:
        raise DataError(
            f"the recording takes {size.in_words(size.disk)}, but the disk of {path} has "
            f"{size.in_words(free)} free; record fewer images, a layer or some neurons"
        )
