"""Read, choose and scale the images of a data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from neurosim.data.contents import describe_contents
from neurosim.data.dataset import Dataset
from neurosim.data.registry import DatasetInfo, dataset_info
from neurosim.data.sources import read_raw_images
from neurosim.errors import DataError

__all__ = ["default_data_dir", "load_dataset"]


def default_data_dir() -> Path:
    """Folder of the data sets unless another is given: below the user's cache folder.

    Raises
    ------
    DataError
        If the user has no home folder.
    """
    try:
        return platformdirs.user_cache_path("neurosim") / "data"
    except RuntimeError as error:
        raise DataError(
            "the folder of data sets is unknown, because this user has no home folder; set HOME, "
            "or name a folder by --data-dir"
        ) from error


def load_dataset(
    name: str,
    *,
    data_dir: Path | None = None,
    train_images: int | None = None,
    test_images: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Load a data set, downloading it first if it is not there.

    Parameters
    ----------
    name : str
        A key of :data:`neurosim.data.DATASETS`.
    data_dir : Path, optional
        Where data sets are kept, in torchvision's layout; the user's cache
        folder by default. Unused by ``digits``.
    train_images : int, optional
        Keep this many training images, the first of the shuffled set. By default all
        of them are kept, in stored order.
    test_images : int, optional
        Keep this many test images, the first ones; all of them by default.
    seed : int, optional
        Seed of the shuffle before ``train_images`` are taken; it has no effect if all
        are kept.

    Returns
    -------
    Dataset
        Flattened and scaled images with their labels. Files that hold another data set
        than their folder says are read with a warning; see ``Dataset.contents``.

    Raises
    ------
    DataError
        If the name is unknown, a number is out of range, or the data are
        absent, damaged or unreadable.

    Examples
    --------
    >>> digits = load_dataset("digits", train_images=100)
    >>> digits.x_train.shape, digits.x_test.shape
    ((100, 64), (360, 64))
    """
    info = dataset_info(name)
    _check_number("seed", seed, 0)
    for option, count in (("train_images", train_images), ("test_images", test_images)):
        if count is not None:
            _check_number(option, count, 1)
    folder = _data_folder(data_dir) if info.needs_files else None
    raw = read_raw_images(info, folder)
    train = _choose_train(len(raw.train_labels), train_images, seed)
    test = _choose_test(len(raw.test_labels), test_images)
    return Dataset(
        name=info.name,
        x_train=_scale(info, raw.train_pixels[train]),
        y_train=raw.train_labels[train],
        x_test=_scale(info, raw.test_pixels[test]),
        y_test=raw.test_labels[test],
        n_classes=info.n_classes,
        image_shape=info.image_shape,
        contents=describe_contents(info.name, raw, folder or "scikit-learn"),
    )


def _data_folder(given: Path | None) -> Path:
    return default_data_dir() if given is None else Path(os.path.expanduser(given))


def _check_number(option: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise DataError(f"{option} = {value!r}; give a whole number of at least {low}")


def _check_available(option: str, count: int, available: int) -> None:
    if count > available:
        raise DataError(
            f"{option} = {count}, but there are {available} images; give 1 to {available}"
        )


def _choose_train(available: int, count: int | None, seed: int) -> slice | NDArray[np.int64]:
    if count is None:
        return slice(None)
    _check_available("train_images", count, available)
    # A separate generator: the choice must not depend on other random numbers drawn.
    return np.random.Generator(np.random.PCG64(seed)).permutation(available)[:count]


def _choose_test(available: int, count: int | None) -> slice:
    if count is not None:
        _check_available("test_images", count, available)
    return slice(count)


def _scale(info: DatasetInfo, pixels: NDArray[Any]) -> NDArray[np.float32]:
    images: NDArray[np.float32] = np.divide(pixels, info.white, dtype=np.float32, order="C")
    if info.mean:
        per_channel = (-1, *(1 for _ in info.image_shape[1:]))
        images -= np.array(info.mean, dtype=np.float32).reshape(per_channel)
        images /= np.array(info.divisor, dtype=np.float32).reshape(per_channel)
    return images.reshape(len(images), -1)
