"""Kernels of a circuit, compiled once and kept like the C++ programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from neurosim.backends.cpp.library import program_folder, program_key
from neurosim.backends.cpp.memory import LaneLayout
from neurosim.backends.cuda.device import Device
from neurosim.circuit import Circuit

__all__ = ["KernelLibrary", "open_kernels", "write_kernels"]

_SOURCE, _LAYOUT = "program.cu", "layout.json"


class KernelLibrary:
    """A loaded program; it holds no data, so any number of runs may share it.

    Parameters
    ----------
    folder : Path
        Holds the program and its layout.
    device : Device
        What runs it.

    Attributes
    ----------
    layout : LaneLayout
        Its arrays.
    kernels : Kernels
        What can be launched.
    tiles : int
        Blocks of the kernel that learns.
    learning_phases : tuple of str
        Phases at whose end some synapse may learn.
    widest : int
        Cells of the largest population.

    Raises
    ------
    BuildError
        If it cannot be loaded.
    """

    def __init__(self, folder: Path, device: Device) -> None:
        text = (folder / _LAYOUT).read_text()
        described = json.loads(text)
        self.layout = LaneLayout(text)
        self.tiles: int = described["tiles"]
        self.learning_phases = tuple(described["learning_phases"])
        self.widest: int = described["widest"]
        self.kernels = device.load(folder / device.binary)


def open_kernels(
    circuit: Circuit,
    dtype: np.dtype[np.generic],
    record: Mapping[str, Sequence[str]],
    device: Device,
) -> tuple[KernelLibrary, float]:
    """The kernels of a circuit, which are compiled if they are not at hand.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    dtype : numpy.dtype
        Precision of states and weights.
    record : mapping of str to sequence of str
        Variables to record in every step, by population.
    device : Device
        What runs them.

    Returns
    -------
    library : KernelLibrary
        Loaded.
    seconds : float
        Wall time of generating and compiling; 0 if it was at hand.

    Raises
    ------
    CircuitError
        If the circuit needs what the kernels cannot do, or an equation has wrong units.
    BuildError
        If the program cannot be compiled, kept or loaded.
    """

    def make(folder: Path) -> None:
        write_kernels(circuit, dtype, record, folder)
        device.compile(folder / _SOURCE, folder / device.binary)

    key = program_key(circuit, dtype, record, device.identity())
    with program_folder(key, device.binary, make) as (folder, seconds):
        return KernelLibrary(folder, device), seconds


def write_kernels(
    circuit: Circuit,
    dtype: np.dtype[np.generic],
    record: Mapping[str, Sequence[str]],
    folder: Path,
) -> Path:
    """Write the text of the kernels, and where their arrays lie.

    Parameters
    ----------
    circuit : Circuit
        What to write.
    dtype : numpy.dtype
        Precision of states and weights.
    record : mapping of str to sequence of str
        Variables to record in every step, by population.
    folder : Path
        Where to.

    Returns
    -------
    Path
        The text.

    Raises
    ------
    CircuitError
        If the circuit needs what the kernels cannot do, or an equation has wrong units.
    """
    # Brian2 is slow to import, and needed for a new program only
    from neurosim.backends.brian.preferences import brian2_settings
    from neurosim.backends.cuda.generate import generate

    with brian2_settings(dtype):
        real = "float" if dtype == np.float32 else "double"
        program = generate(circuit, real=real, record=record)
    (folder / _SOURCE).write_text(program.text)
    (folder / _LAYOUT).write_text(program.layout())
    return folder / _SOURCE
