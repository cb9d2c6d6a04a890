"""Read the raw images: from torchvision's files, or from the package."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.digits import read_digits
from neurosim.data.download import check_data_folder, download
from neurosim.data.idx import check_idx_folder, idx_file_names
from neurosim.data.lazy import import_for
from neurosim.data.registry import DatasetInfo
from neurosim.errors import DataError

__all__ = ["RawImages", "read_raw_images"]


# RuntimeError for a checksum that differs; unpickling can raise all the others.
_CIFAR10_ERRORS = (
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
)


class RawImages(NamedTuple):
    """Images as they are stored, before scaling.

    Attributes
    ----------
    train_pixels, test_pixels : (n, *image_shape) ndarray
        Pixel values, 0 to the data set's ``white``.
    train_labels, test_labels : (n,) ndarray of int64
        Class of each image.
    """

    train_pixels: NDArray[Any]
    train_labels: NDArray[np.int64]
    test_pixels: NDArray[Any]
    test_labels: NDArray[np.int64]


def read_raw_images(info: DatasetInfo, folder: Path | None) -> RawImages:
    """Read a data set, after downloading it if its files are absent.

    Parameters
    ----------
    info : DatasetInfo
        Which data set.
    folder : Path or None
        Where data sets are kept; None for a data set that needs no files.

    Returns
    -------
    RawImages
        All its images, in stored order.

    Raises
    ------
    DataError
        If the files are absent and cannot be downloaded, are damaged, or cannot
        be read.
    """
    if folder is None:
        return RawImages(*read_digits())
    read = _read_cifar10 if info.name == "cifar10" else _read_idx
    try:
        check_data_folder(folder)
        return read(info, folder)
    except OSError as error:
        raise DataError(
            f"cannot read the files of {info.name} in {folder} ({error}); "
            "make them readable or give another data folder"
        ) from error


def _read_idx(info: DatasetInfo, folder: Path) -> RawImages:
    reader = _torchvision_class(info)
    raw = folder / info.torchvision_class / "raw"
    _refuse_old_format(raw.with_name("processed"))
    archives = {f"{info.torchvision_class}/raw/{name}": md5 for name, md5 in reader.resources}
    _download_if_absent(info, folder, [raw / name for name in idx_file_names()], archives)
    check_idx_folder(raw, info.image_shape, info.n_classes)
    train, test = reader(folder, train=True), reader(folder, train=False)
    return RawImages(
        train.data.numpy(), train.targets.numpy(), test.data.numpy(), test.targets.numpy()
    )


def _refuse_old_format(processed: Path) -> None:
    # torchvision would read these instead of the IDX files, which are checked.
    if all((processed / name).exists() for name in ("training.pt", "test.pt")):
        raise DataError(
            f"{processed} holds files of an old torchvision, which cannot be checked; "
            "delete that folder so that the original files are used"
        )


def _read_cifar10(info: DatasetInfo, folder: Path) -> RawImages:
    reader = _torchvision_class(info)
    meta = (reader.meta["filename"], reader.meta["md5"])
    files = {
        folder / reader.base_folder / name: md5
        for name, md5 in (*reader.train_list, *reader.test_list, meta)
    }
    _download_if_absent(info, folder, files, {reader.filename: reader.tgz_md5})
    try:
        train, test = reader(folder, train=True), reader(folder, train=False)
    except _CIFAR10_ERRORS as error:
        raise _damaged_cifar10(info, files, error) from error
    return RawImages(*_cifar10_arrays(train), *_cifar10_arrays(test))


def _cifar10_arrays(part: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    # torchvision turns the stored channels-first images into channels-last.
    return part.data.transpose(0, 3, 1, 2), np.asarray(part.targets, dtype=np.int64)


def _damaged_cifar10(info: DatasetInfo, files: dict[Path, str], error: Exception) -> DataError:
    check_integrity = import_for(info.name, "torchvision.datasets.utils").check_integrity
    damaged = [str(path) for path, md5 in files.items() if not check_integrity(path, md5)]
    # If every checksum fits, no single file can be named.
    blamed = ", ".join(damaged) or str(next(iter(files)).parent)
    reason = " ".join(str(error).split())
    return DataError(
        f"{blamed} cannot be read as {info.name}: truncated, damaged or foreign ({reason}); "
        "delete it so that it is downloaded again"
    )


def _download_if_absent(
    info: DatasetInfo, folder: Path, files: Iterable[Path], archives: Mapping[str, str]
) -> None:
    absent = [path for path in files if not path.exists()]
    if absent:
        fetch = partial(_torchvision_class(info), download=True)
        download(info.name, folder, fetch, absent=absent, archives=archives)


def _torchvision_class(info: DatasetInfo) -> Any:
    return getattr(import_for(info.name, "torchvision.datasets"), info.torchvision_class)
