"""The memory of a lane program: aligned arrays, and where things lie in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALIGNMENT", "LaneLayout", "aligned_zeros", "padded", "round_up"]

#: Bytes to which arrays are aligned: a cache line, and the widest vector.
ALIGNMENT = 64
#: Cells are padded to so many, so that vector loops have no rest.
_VECTOR = 16

_TYPES: dict[str, type[Any]] = {
    "float": np.float32,
    "double": np.float64,
    "int32_t": np.int32,
    "int64_t": np.int64,
    "char": np.int8,
    "uint8_t": np.uint8,
    "uint32_t": np.uint32,
}


def padded(cells: int) -> int:
    """Cells that loops run over.

    Parameters
    ----------
    cells : int
        Cells of a population.

    Returns
    -------
    int
        A multiple of 16; 1 for one cell. The cells beyond the last compute numbers that
        nobody reads, and never have events.
    """
    return cells if cells == 1 else -(-cells // _VECTOR) * _VECTOR


def round_up(size: int, multiple: int) -> int:
    """The next multiple.

    Parameters
    ----------
    size : int
        At least 0.
    multiple : int
        At least 1.

    Returns
    -------
    int
        Not less than ``size``.
    """
    return -(-size // multiple) * multiple


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of zeros whose memory begins at a cache line.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.

    Returns
    -------
    ndarray
        C-contiguous.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    aligned: np.ndarray = raw[start : start + size].view(dtype).reshape(shape)
    return aligned


class LaneLayout:
    """Where the arrays of a program lie.

    Parameters
    ----------
    text : str
        JSON from :meth:`neurosim.backends.cpp.generate.Program.layout`.

    Attributes
    ----------
    shared : dict of str to numpy.dtype
        Types of the arrays that all lanes share, in the program's order.
    lane_bytes : int
        Size of one lane.
    pathways : dict of str to str
        How each pathway runs, by ``"projection_pathway"``.
    shares_rows : bool
        Whether lanes side by side are faster than one after the other.
    """

    def __init__(self, text: str) -> None:
        described = json.loads(text)
        self.pathways: dict[str, str] = described["pathways"]
        self.shares_rows: bool = described.get("shares_rows", False)
        self.shared = {name: np.dtype(_TYPES[ctype]) for name, ctype, _ in described["shared"]}
        self._fields: dict[str, tuple[int, np.dtype[Any], int]] = {}
        # row and step come first
        offset = ALIGNMENT
        for name, ctype, size in described["lane"]:
            dtype = np.dtype(_TYPES[ctype])
            self._fields[name] = offset, dtype, size
            offset = -(-(offset + dtype.itemsize * size) // ALIGNMENT) * ALIGNMENT
        self.lane_bytes = offset

    def field(self, lanes: NDArray[np.uint8], name: str) -> NDArray[Any]:
        """A view of one array in all lanes.

        Parameters
        ----------
        lanes : ndarray of uint8, shape (n_lanes, lane_bytes)
            Memory of the lanes.
        name : str
            Name of the array.

        Returns
        -------
        ndarray, shape (n_lanes, size)
            Changing it changes the lanes.
        """
        offset, dtype, size = self._fields[name]
        return lanes[:, offset : offset + dtype.itemsize * size].view(dtype)

    def spans(self, names: Iterable[str]) -> dict[str, tuple[slice, np.dtype[Any]]]:
        """Bytes of some arrays within a lane.

        Parameters
        ----------
        names : iterable of str
            Names of the arrays.

        Returns
        -------
        dict of str to (slice, numpy.dtype)
            Where each lies, and its type.
        """
        found = {name: self._fields[name] for name in names}
        return {
            name: (slice(offset, offset + dtype.itemsize * size), dtype)
            for name, (offset, dtype, size) in found.items()
        }

    def names(self) -> Sequence[str]:
        """Names of the arrays of a lane."""
        return tuple(self._fields)
