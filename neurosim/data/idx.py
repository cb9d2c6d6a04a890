"""Checks of IDX files, the format of MNIST and similar data sets.

torchvision compares neither the length of a file with its header nor the number of labels
with the number of images, and accepts any byte as a label. A damaged file would be learned
in silence, or end in a bare assertion.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from neurosim.errors import DataError

__all__ = ["check_idx_folder", "idx_file_names"]

_PARTS = ("train", "t10k")


def idx_file_names() -> tuple[str, ...]:
    """The four files of a data set, images before labels, training before test."""
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    return tuple(f"{part}-{kind}" for part in _PARTS for kind in kinds)


def check_idx_folder(folder: Path, image_shape: tuple[int, ...], n_classes: int) -> None:
    """Check the four IDX files of a data set against each other and the expected sizes.

    Parameters
    ----------
    folder : Path
        Folder with the uncompressed files.
    image_shape : tuple of int
        ``(rows, columns)`` of one image.
    n_classes : int
        Number of classes.

    Raises
    ------
    DataError
        If a file is truncated, foreign, or does not fit the others.
    OSError
        If a file cannot be opened.
    """
    images, labels, test_images, test_labels = (folder / name for name in idx_file_names())
    _check_pair(images, labels, image_shape, n_classes)
    _check_pair(test_images, test_labels, image_shape, n_classes)


def _check_pair(images: Path, labels: Path, image_shape: tuple[int, ...], n_classes: int) -> None:
    n_images, *shape = _read_header(images, n_dims=3)
    (n_labels,) = _read_header(labels, n_dims=1)
    if tuple(shape) != image_shape:
        raise _damaged(images, f"holds images of {_times(shape)} pixels, not {_times(image_shape)}")
    if n_images == 0:
        raise _damaged(images, "holds no images")
    if n_images != n_labels:
        raise DataError(
            f"{images} holds {n_images} images, but {labels} holds {n_labels} labels; "
            "delete both so that they are downloaded again"
        )
    _check_labels(labels, n_classes)


def _read_header(path: Path, n_dims: int) -> tuple[int, ...]:
    # Two zero bytes, 8 for unsigned bytes, the number of dimensions; then each
    # dimension as four bytes, most significant first.
    expected = bytes((0, 0, 8, n_dims))
    with path.open("rb") as file:
        header = file.read(4 + 4 * n_dims)
        size = os.fstat(file.fileno()).st_size
    if header[:4] != expected:
        raise _damaged(
            path,
            f"is no IDX file of the right kind: it starts with bytes '{header[:4].hex()}' "
            f"instead of '{expected.hex()}'",
        )
    if len(header) < 4 + 4 * n_dims:
        raise _damaged(path, f"ends after {size} bytes, within its header")
    shape = tuple(int(length) for length in np.frombuffer(header, ">u4", offset=4))
    if size != len(header) + math.prod(shape):
        raise _damaged(
            path,
            f"is {size} bytes long, but its header promises {_times(shape)} values, "
            f"{len(header) + math.prod(shape)} bytes",
        )
    return shape


def _check_labels(path: Path, n_classes: int) -> None:
    highest = np.fromfile(path, dtype=np.uint8, offset=8).max()
    if highest >= n_classes:
        raise _damaged(path, f"holds label {highest}; allowed: 0 to {n_classes - 1}")


def _times(lengths: tuple[int, ...] | list[int]) -> str:
    return " x ".join(str(length) for length in lengths)


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"{path} {problem}; delete it so that it is downloaded again")
