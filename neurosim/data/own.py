"""Data sets of one's own: a NumPy file, or a folder of images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.arrays_file import describe_file, read_file
from neurosim.data.dataset import Dataset
from neurosim.data.image_folder import describe_folder, read_folder
from neurosim.data.parts import OwnImages, split_numbers
from neurosim.data.reading import Reading
from neurosim.data.registry import DATASETS, DatasetInfo
from neurosim.errors import DataError, near_matches

__all__ = ["describe_own", "is_own", "load_own", "short_name"]

_SUFFIX = ".npz"
#: What may be given where a data set of one's own is meant.
WAYS = "a FILE.npz, or a folder of images with a folder per class"


def is_own(name: object) -> bool:
    """Whether a name means data of one's own: a file or folder, not one of neurosim's sets.

    Parameters
    ----------
    name : object
        What was given as a data set.

    Returns
    -------
    bool
        True for a path, and for text that ends in ``.npz``, names a folder with a ``/``, or is
        there.
    """
    if isinstance(name, Path):
        return True
    if not isinstance(name, str) or name in DATASETS or not name or "\0" in name:
        return False
    return name.endswith(_SUFFIX) or "/" in name or Path(name).expanduser().exists()


def short_name(name: str) -> str:
    """A data set's name for titles and folders.

    Parameters
    ----------
    name : str
        Name of a data set, or path of one's own.

    Returns
    -------
    str
        The name, or that of the file or folder.
    """
    return Path(name).name.removesuffix(_SUFFIX) if is_own(name) else name


class _Found(NamedTuple):
    path: Path
    is_file: bool


def describe_own(name: str | Path, folder: Path | None, reading: Reading) -> DatasetInfo:
    """What a data set of one's own holds, without reading its images.

    Parameters
    ----------
    name : str or Path
        File or folder.
    folder : Path or None
        Where to look for it instead, by its last name.
    reading : Reading
        How it is read.

    Returns
    -------
    DatasetInfo
        Shape, classes and numbers of images.

    Raises
    ------
    DataError
        If it is absent or not laid out as it must be.
    """
    path, is_file = _find(name, folder)
    shape, classes, counts = (describe_file if is_file else describe_folder)(path, reading)
    return DatasetInfo(
        name=short_name(str(path)),
        title="images of your own",
        citation=str(path),
        image_shape=shape,
        n_classes=len(classes),
        n_train=counts[0],
        n_test=counts[1],
        white=1,
    )


def load_own(name: str | Path, folder: Path | None, reading: Reading) -> Dataset:
    """Read a data set of one's own.

    Parameters
    ----------
    name : str or Path
        File or folder.
    folder : Path or None
        Where to look for it instead, by its last name.
    reading : Reading
        How it is read.

    Returns
    -------
    Dataset
        All its images, scaled, in stored order.

    Raises
    ------
    DataError
        If it is absent, not laid out as it must be, damaged or not scaled.
    """
    path, is_file = _find(name, folder)
    found = (read_file if is_file else read_folder)(path, reading)
    found = found if found.test_pixels is not None else _split(path, found, reading)
    assert found.test_pixels is not None
    assert found.test_labels is not None
    _check_finite(path, "training", found.train_pixels)
    _check_finite(path, "test", found.test_pixels)
    scale = reading.scaling(str(path), found.train_pixels)
    shape = found.train_pixels.shape[1:]
    return Dataset(
        name=short_name(str(path)),
        x_train=_inputs(scale, found.train_pixels),
        y_train=found.train_labels,
        x_test=_inputs(scale, found.test_pixels),
        y_test=found.test_labels,
        n_classes=len(found.classes),
        image_shape=shape,
        classes=tuple(map(str, found.classes)),
        scaling=scale.words(),
    )


def _find(name: str | Path, folder: Path | None) -> _Found:
    path = Path(name).expanduser()
    if folder is not None:
        path = Path(folder).expanduser() / path.name
    if path.is_dir():
        return _Found(path, False)
    if not path.exists():
        there = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
        images = [item.name for item in there if item.suffix == _SUFFIX or item.is_dir()][:20]
        near = f"; {near_matches(path.name, images)}" if images else ""
        raise DataError(f"there is no file or folder {path}; give {WAYS}{near}")
    if path.suffix != _SUFFIX:
        raise DataError(f"{path} is no {_SUFFIX} file; give {WAYS}")
    return _Found(path, True)


def _split(path: Path, found: OwnImages, reading: Reading) -> OwnImages:
    train, test = split_numbers(str(path), found.train_labels, found.classes, reading.split)
    pixels, labels = found.train_pixels, found.train_labels
    return OwnImages(pixels[train], labels[train], pixels[test], labels[test], found.classes)


def _check_finite(path: Path, part: str, pixels: NDArray[Any]) -> None:
    wrong = ~np.isfinite(pixels)
    if wrong.any():
        first = int(np.argwhere(wrong)[0][0])
        raise DataError(
            f"{path}: {wrong.sum()} values of the {part} images are not finite, the first in image "
            f"{first}; remove or fill them"
        )


def _inputs(scale: Any, pixels: NDArray[Any]) -> NDArray[np.float32]:
    flat = pixels.reshape(len(pixels), math.prod(pixels.shape[1:]))
    return np.ascontiguousarray(scale(flat.astype(np.float32)), dtype=np.float32)
