"""Read, choose and scale the images of a data set."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from neurosim.data.contents import describe_contents
from neurosim.data.dataset import Dataset
from neurosim.data.own import describe_own, is_own, load_own
from neurosim.data.reading import Reading
from neurosim.data.registry import DatasetInfo, dataset_info
from neurosim.data.sources import read_raw_images
from neurosim.errors import DataError

__all__ = ["default_data_dir", "describe_dataset", "load_dataset"]

log = logging.getLogger("neurosim")


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


def describe_dataset(
    name: str | Path, *, data_dir: Path | None = None, reading: Reading | None = None
) -> DatasetInfo:
    """Shape, classes and numbers of images of a data set, without reading its images.

    Parameters
    ----------
    name : str or Path
        As for :func:`load_dataset`.
    data_dir : Path, optional
        As for :func:`load_dataset`.
    reading : Reading, optional
        How data of one's own are read.

    Returns
    -------
    DatasetInfo
        Its description.

    Raises
    ------
    DataError
        If the name is unknown, data of one's own are absent or not laid out as they must be, or
        options are given to a data set that has none.
    """
    how = reading or Reading()
    if is_own(name):
        return describe_own(name, data_dir, how)
    info = dataset_info(str(name))
    for option in how.given():
        raise DataError(
            f"{option} is for data of your own, and {info.name} has its own; leave it out"
        )
    return info


def load_dataset(
    name: str | Path,
    *,
    data_dir: Path | None = None,
    train_images: int | None = None,
    test_images: int | None = None,
    seed: int = 0,
    scale: str | tuple[float, float] | None = None,
    test_share: float | None = None,
    image_size: tuple[int, int] | None = None,
    colour: str | None = None,
) -> Dataset:
    """Load a data set, downloading it first if it is not there.

    Parameters
    ----------
    name : str or Path
        A key of :data:`neurosim.data.DATASETS`; or data of your own: a ``.npz`` file with
        ``x_train``, ``y_train``, ``x_test`` and ``y_test``, or with ``x`` and ``y``; or a folder
        of images with a folder per class, or with two such folders, ``train`` and ``test``.
    data_dir : Path, optional
        Where data sets are kept, in torchvision's layout; the user's cache
        folder by default. Unused by ``digits``. Data of your own are looked for there by their
        last name.
    train_images : int, optional
        Keep this many training images, the first of the shuffled set. By default all
        of them are kept, in stored order.
    test_images : int, optional
        Keep this many test images, the first ones; all of them by default.
    seed : int, optional
        Seed of the shuffle before ``train_images`` are taken; it has no effect if all
        are kept.
    scale, test_share, image_size, colour : optional
        How data of your own are read; see :class:`neurosim.data.reading.Reading`.

    Returns
    -------
    Dataset
        Flattened and scaled images with their labels. Files that hold another data set
        than their folder says are read with a warning; see ``Dataset.contents``.

    Raises
    ------
    DataError
        If the name is unknown, a number is out of range, or the data are
        absent, damaged, unreadable, or not laid out as they must be.

    Examples
    --------
    >>> digits = load_dataset("digits", train_images=100)
    >>> digits.x_train.shape, digits.x_test.shape
    ((100, 64), (360, 64))
    """
    _check_number("seed", seed, 0)
    for option, count in (("train_images", train_images), ("test_images", test_images)):
        if count is not None:
            _check_number(option, count, 1)
    reading = Reading.of(
        {"scale": scale, "test_share": test_share, "image_size": image_size, "colour": colour}
    )
    if is_own(name):
        log.debug("data set: %s", name)
        whole = load_own(name, data_dir, reading)
        train = _choose_train(len(whole.y_train), train_images, seed)
        test = _choose_test(len(whole.y_test), test_images)
        return dataclasses.replace(
            whole,
            x_train=whole.x_train[train],
            y_train=whole.y_train[train],
            x_test=whole.x_test[test],
            y_test=whole.y_test[test],
        )
    info = describe_dataset(name, reading=reading)
    folder = _data_folder(data_dir) if info.needs_files else None
    log.debug("data set: %s from %s", info.name, folder or "the package")
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
        contents=describe_contents(info.name, raw, folder or "the package"),
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
