"""Data of one's own in a folder of images, with a folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from neurosim.data.parts import OwnImages, counts_apart
from neurosim.data.reading import Reading
from neurosim.errors import DataError

__all__ = ["describe_folder", "read_folder"]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
_TRAIN, _TEST = "train", ("test", "val")
_LAYOUT = (
    "give folders with a folder per class, FOLDER/CLASS/*.png, or FOLDER/train/CLASS/*.png and "
    "FOLDER/test/CLASS/*.png"
)
#: How Pillow names kinds of images, and what neurosim makes of them.
_KINDS = {"1": "grey", "L": "grey", "LA": "grey", "RGB": "rgb", "RGBA": "rgb", "P": "rgb",
          "CMYK": "rgb", "YCbCr": "rgb"}  # fmt: skip
_MODES = {"grey": "L", "rgb": "RGB"}

Files = dict[str, list[Path]]


def describe_folder(
    path: Path, reading: Reading
) -> tuple[tuple[int, ...], NDArray[Any], tuple[int, int]]:
    """Shape, classes and numbers of images of a folder; one image is opened.

    Parameters
    ----------
    path : Path
        The folder.
    reading : Reading
        How it is read.

    Returns
    -------
    shape : tuple of int
        Shape of one image, channels first.
    classes : ndarray
        Names of the classes, sorted.
    counts : tuple of int
        Training and test images.

    Raises
    ------
    DataError
        If there are no classes or images, or the first image cannot be read.
    """
    train, test = _parts(path)
    classes = np.array(list(train))
    first = next(iter(train.values()))[0]
    with _opened(first) as image:
        height, width = reading.image_size or (image.height, image.width)
        colour = reading.colour or _kind(first, image)
    shape = (height, width) if colour == "grey" else (3, height, width)
    counts = np.array([len(files) for files in train.values()])
    if test is not None:
        return shape, classes, (int(counts.sum()), sum(map(len, test.values())))
    apart = int(counts_apart(str(path), counts, classes, reading.split).sum())
    return shape, classes, (int(counts.sum()) - apart, apart)


def read_folder(path: Path, reading: Reading) -> OwnImages:
    """Read all images of a folder.

    Parameters
    ----------
    path : Path
        The folder.
    reading : Reading
        How it is read.

    Returns
    -------
    OwnImages
        Bytes with channels first, sorted by class and name.

    Raises
    ------
    DataError
        If there are no classes or images, one cannot be read, or they are not of one size and
        kind.
    """
    train, test = _parts(path)
    classes = np.array(list(train))
    first = next(iter(train.values()))[0]
    with _opened(first) as image:
        size = reading.image_size or (image.height, image.width)
        colour = reading.colour or _kind(first, image)
    numbers = {name: number for number, name in enumerate(train)}

    def read(files: Files) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        labels = [numbers[name] for name, listed in files.items() for _ in listed]
        pixels = [
            _pixels(file, first, size, colour, reading)
            for listed in files.values()
            for file in listed
        ]
        return np.stack(pixels), np.array(labels, dtype=np.int64)

    pixels, labels = read(train)
    test_pixels, test_labels = (None, None) if test is None else read(test)
    return OwnImages(pixels, labels, test_pixels, test_labels, classes)


# ------------------------------------------------------------------ the layout


def _parts(path: Path) -> tuple[Files, Files | None]:
    """Files by class, for training and, if they are set apart, for testing."""
    names = {folder.name for folder in _folders(path)}
    tests = [name for name in _TEST if name in names]
    if _TRAIN not in names or not tests:
        return _classes(path), None
    if len(tests) > 1:
        raise DataError(f"{path} has both {tests[0]} and {tests[1]}; leave one for testing")
    train, test = _classes(path / _TRAIN), _classes(path / tests[0], least=1)
    strange = sorted(set(test) - set(train))
    if strange:
        raise DataError(
            f"{path / tests[0]} has classes that {path / _TRAIN} has not: {', '.join(strange)}"
        )
    return train, test


def _classes(path: Path, least: int = 2) -> Files:
    found = {folder.name: _files(folder) for folder in _folders(path)}
    if len(found) < least:
        raise DataError(
            f"{path} has {len(found)} folders of classes and needs {least} or more; {_LAYOUT}"
        )
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise DataError(
            f"{path / empty[0]} holds no image; allowed are {', '.join(_SUFFIXES)}. Add some, or "
            "remove the folder"
        )
    return found


def _folders(path: Path) -> Iterator[Path]:
    try:
        for item in sorted(path.iterdir()):
            if item.is_dir() and not item.name.startswith((".", "__")):
                yield item
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _files(folder: Path) -> list[Path]:
    return [
        item
        for item in sorted(folder.rglob("*"))
        if item.suffix.lower() in _SUFFIXES and not item.name.startswith(".")
    ]


# ------------------------------------------------------------------ one image


def _opened(file: Path) -> Image.Image:
    try:
        return Image.open(file)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"{file} cannot be read as an image ({error}); repair it or remove it")


def _kind(file: Path, image: Image.Image) -> str:
    if image.mode not in _KINDS:
        raise DataError(
            f"{file} is an image of kind {image.mode}, more than 8 bits per pixel; convert it to 8 "
            "bits, or put the numbers into a .npz file"
        )
    return _KINDS[image.mode]


def _pixels(
    file: Path, first: Path, size: tuple[int, int], colour: str, reading: Reading
) -> NDArray[np.uint8]:
    with _opened(file) as image:
        kind = _kind(file, image)
        if reading.colour is None and kind != colour:
            raise DataError(
                f"{file} is {kind}, but {first} is {colour}; convert all by --colour grey or "
                "--colour rgb"
            )
        if reading.image_size is None and (image.height, image.width) != size:
            raise DataError(
                f"{file} has {image.height} x {image.width} pixels, but {first} has "
                f"{size[0]} x {size[1]}; bring all to one size by --image-size "
                f"{size[0]},{size[1]}"
            )
        try:
            made = image.convert(_MODES[colour])
        except (OSError, SyntaxError, ValueError) as error:
            raise _unreadable(file, error) from error
    if (made.height, made.width) != size:
        made = made.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(made, dtype=np.uint8)
    return pixels if colour == "grey" else pixels.transpose(2, 0, 1)
