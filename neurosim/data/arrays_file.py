"""Data of one's own in a NumPy file: arrays by name in one ``.npz``."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.parts import OwnImages, class_numbers, counts_apart
from neurosim.data.reading import Reading
from neurosim.errors import DataError

__all__ = ["describe_file", "read_file"]

_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_WHOLE = ("x", "y")
_NEEDED = "x_train, y_train, x_test and y_test, or x and y for a split by neurosim"
#: Numbers of colour channels by which images with channels are told.
_CHANNELS = (1, 3, 4)
#: From this many columns on, rows of a square number are square images.
_LEAST_SQUARE = 64


def describe_file(
    path: Path, reading: Reading
) -> tuple[tuple[int, ...], NDArray[Any], tuple[int, int]]:
    """Shape, classes and numbers of images of a file, without reading the images.

    Parameters
    ----------
    path : Path
        The file.
    reading : Reading
        How it is read.

    Returns
    -------
    shape : tuple of int
        Shape of one image, channels first.
    classes : ndarray
        Labels by class number.
    counts : tuple of int
        Training and test images.

    Raises
    ------
    DataError
        If it is no such file, or its arrays do not fit together.
    """
    with _opened(path, reading) as archive:
        names = _names(path, archive)
        shapes = {name: _shape(path, archive, name) for name in names}
        _check_shapes(path, shapes)
        numbers, classes = class_numbers(f"{path}: {names[1]}", _array(path, archive, names[1]))
    shape = _image_shape(path, names[0], shapes[names[0]])[0]
    if names == _SPLIT:
        return shape, classes, (shapes["x_train"][0], shapes["x_test"][0])
    counts = np.bincount(numbers).astype(np.int64)
    apart = int(counts_apart(str(path), counts, classes, reading.split).sum())
    return shape, classes, (len(numbers) - apart, apart)


def read_file(path: Path, reading: Reading) -> OwnImages:
    """Read all images of a file.

    Parameters
    ----------
    path : Path
        The file.
    reading : Reading
        How it is read.

    Returns
    -------
    OwnImages
        In stored order, with channels first.

    Raises
    ------
    DataError
        If it is no such file, or its arrays do not fit together.
    """
    with _opened(path, reading) as archive:
        names = _names(path, archive)
        arrays = {name: _array(path, archive, name) for name in names}
    _check_shapes(path, {name: array.shape for name, array in arrays.items()})
    labels, classes = class_numbers(f"{path}: {names[1]}", arrays[names[1]])
    train = _images(path, names[0], arrays[names[0]])
    if names == _WHOLE:
        return OwnImages(train, labels, None, None, classes)
    test_labels, _ = class_numbers(f"{path}: y_test", arrays["y_test"], classes)
    test = _images(path, "x_test", arrays["x_test"])
    return OwnImages(train, labels, test, test_labels, classes)


def _opened(path: Path, reading: Reading) -> zipfile.ZipFile:
    for name in ("image_size", "colour"):
        if getattr(reading, name) is not None:
            raise DataError(f"{name} is for folders of images, and {path} is a file; leave it out")
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read as .npz ({error}); write it by numpy.savez"
        ) from error


def _names(path: Path, archive: zipfile.ZipFile) -> tuple[str, ...]:
    there = [name.removesuffix(".npy") for name in archive.namelist()]
    for names in (_SPLIT, _WHOLE):
        if set(names) <= set(there):
            if names == _SPLIT and set(_WHOLE) <= set(there):
                raise DataError(f"{path} holds {_NEEDED}: both; leave one of them out")
            return names
    missing = sorted(set(_SPLIT) - set(there))
    some = f"; missing: {', '.join(missing)}" if len(missing) < len(_SPLIT) else ""
    raise DataError(f"{path} holds the arrays {', '.join(there) or 'none'}{some}; give {_NEEDED}")


def _shape(path: Path, archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """Shape of an array, from its first bytes."""
    try:
        with archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, _ = read(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(path, name, error) from error
    return tuple(shape)


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    try:
        with archive.open(f"{name}.npy") as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    # zlib has an error of its own
    except Exception as error:
        raise _damaged(path, name, error) from error
    return array


def _damaged(path: Path, name: str, error: Exception) -> DataError:
    if "allow_pickle" in str(error):
        return DataError(
            f"{path}: {name} holds Python objects, which are not read; save plain numbers, and "
            "labels as whole numbers or as text: np.asarray(y, dtype=str)"
        )
    return DataError(f"{path}: {name} cannot be read ({error}); write the file again")


def _check_shapes(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    for x in (name for name in shapes if name.startswith("x")):
        y = x.replace("x", "y", 1)
        images, labels = shapes[x], shapes[y]
        if not images or not images[0]:
            raise DataError(f"{path}: {x} has shape {images}; give at least one image")
        if not labels or images[0] != labels[0]:
            raise DataError(
                f"{path}: {x} has {images[0]} images, but {y} has shape {labels}; give one label "
                "per image"
            )
    if "x_test" in shapes and shapes["x_train"][1:] != shapes["x_test"][1:]:
        raise DataError(
            f"{path}: training images have shape {shapes['x_train'][1:]}, test images "
            f"{shapes['x_test'][1:]}; give both alike"
        )


def _image_shape(path: Path, name: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """Shape of one image with channels first, and whether the file has them last."""
    one = shape[1:]
    if len(one) == 1:
        side = math.isqrt(one[0])
        square = side * side == one[0] >= _LEAST_SQUARE
        return ((side, side) if square else (1, one[0])), False
    if len(one) == 2:
        return one, False
    if len(one) == 3 and (one[0] in _CHANNELS or one[2] in _CHANNELS):
        last = one[0] not in _CHANNELS
        return ((one[2], *one[:2]) if last else one), last
    raise DataError(
        f"{path}: {name} has shape {shape}; give (n, pixels), (n, height, width), or "
        "(n, channels, height, width) with 1, 3 or 4 channels first or last"
    )


def _images(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "iufb":
        raise DataError(f"{path}: {name} holds values of type {array.dtype}; give real numbers")
    shape, channels_last = _image_shape(path, name, array.shape)
    if channels_last:
        array = array.transpose(0, 3, 1, 2)
    return array.reshape(len(array), *shape)
