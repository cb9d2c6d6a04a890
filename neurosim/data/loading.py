"""Read, choose and scale the images of a data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from neurosim.data.dataset import Dataset
from neurosim.data.registry import DatasetInfo, dataset_info
from neurosim.data.sources import read_raw_images
from neurosim.errors import DataError

__all__ = ["default_data_dir", "load_dataset"]


def default_data_dir() -> Path:
    """Where data sets are kept unless told otherwise: below the user's cache folder."""
    return platformdirs.user_cache_path("neurosim") / "data"


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
        Keep this many training images: the first of the shuffled set. All of
        them in stored order by default.
    test_images : int, optional
        Keep the first so many test images. All of them by default.
    seed : int, optional
        Seed of the shuffle that ``train_images`` takes from; without it the
        seed has no effect.

    Returns
    -------
    Dataset
        Flattened and scaled images with their labels.

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
    raw = read_raw_images(info, Path(os.path.expanduser(data_dir or default_data_dir())))
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
    )


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
    # A generator of its own: which images are kept must not depend on what
    # else draws random numbers.
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
