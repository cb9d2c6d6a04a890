"""Validated arrays for training and evaluation."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError

__all__ = ["AS_PUBLISHED", "NOT_CHECKED", "Dataset", "is_other", "one_hot"]

#: Contents of files whose checksums are those of the published data set.
AS_PUBLISHED = "as published"
#: Contents of data sets without known checksums.
NOT_CHECKED = "not checked"


def is_other(contents: str) -> bool:
    """Whether files are known to hold something else than the published data set.

    Parameters
    ----------
    contents : str
        As :attr:`Dataset.contents` says; empty where nothing was noted.

    Returns
    -------
    bool
        True where ``contents`` says what they hold instead.
    """
    return contents not in ("", AS_PUBLISHED, NOT_CHECKED)


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of a training and a test set.

    Attributes
    ----------
    name : str
        Name of the data set.
    x_train, x_test : (n, d) ndarray of float32
        One flattened, scaled image per row, contiguous.
    y_train, y_test : (n,) ndarray of int64
        Class of each image, 0 to ``n_classes - 1``.
    n_classes : int
        Number of classes.
    image_shape : tuple of int
        Shape of one image before flattening, channels first; its product is ``d``.
    contents : str
        What checksums say of the files: ``"as published"``, ``"not checked"``, or which
        part holds something else.
    classes : tuple of str
        Labels by class number, if they are known.
    scaling : str
        What was done to the pixels of data of one's own.

    Raises
    ------
    DataError
        If types, shapes, values or labels do not fit together.
    """

    name: str
    x_train: NDArray[np.float32] = dataclasses.field(repr=False)
    y_train: NDArray[np.int64] = dataclasses.field(repr=False)
    x_test: NDArray[np.float32] = dataclasses.field(repr=False)
    y_test: NDArray[np.int64] = dataclasses.field(repr=False)
    n_classes: int
    image_shape: tuple[int, ...]
    contents: str = NOT_CHECKED
    classes: tuple[str, ...] = ()
    scaling: str = ""

    def __post_init__(self) -> None:
        """Check every array against the others."""
        for part in ("train", "test"):
            images, labels = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            self._check_array(f"x_{part}", images, np.dtype(np.float32), n_dims=2)
            self._check_array(f"y_{part}", labels, np.dtype(np.int64), n_dims=1)
            self._check_shapes(part, images, labels)
            self._check_values(part, images, labels)

    def chosen(
        self, split: str, numbers: list[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images and labels by number.

        Parameters
        ----------
        split : {"train", "test"}
            Part of the data set.
        numbers : list of int
            Numbers of the images, each once.

        Returns
        -------
        x : (n, d) ndarray
            Images.
        y : (n,) ndarray
            Classes.

        Raises
        ------
        DataError
            If a number is out of range or given twice.
        """
        x, y = getattr(self, f"x_{split}"), getattr(self, f"y_{split}")
        for number in numbers:
            if not 0 <= number < len(x):
                raise DataError(
                    f"image {number}: the {split} images of {self.name} run from 0 to {len(x) - 1}"
                )
        if len(set(numbers)) != len(numbers):
            raise DataError("images: a number is given twice")
        return x[numbers], y[numbers]

    def digest(self) -> str:
        """Checksum of all images and labels, to tell this data set from any other.

        Returns
        -------
        str
            SHA-256 in hexadecimal.
        """
        total = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            total.update(str(array.shape).encode())
            total.update(array.data)
        return total.hexdigest()

    def notes(self) -> dict[str, Any]:
        """What a run records of its data.

        Returns
        -------
        dict of str to object
            Contents and, of data of one's own, classes and scaling.
        """
        known = {"contents": self.contents, "scaling": self.scaling, "classes": list(self.classes)}
        return {name: value for name, value in known.items() if value}

    def _check_array(self, field: str, array: Any, dtype: np.dtype[Any], n_dims: int) -> None:
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != n_dims:
            raise self._error(
                field,
                f"is {_describe(array)}; give a {n_dims}-dimensional NumPy array of {dtype}",
            )
        if not array.flags.c_contiguous:
            raise self._error(field, "is not contiguous; give np.ascontiguousarray(...) of it")

    def _check_shapes(self, part: str, images: NDArray[Any], labels: NDArray[Any]) -> None:
        if len(images) == 0:
            raise self._error(f"x_{part}", "has no images; give at least 1")
        if len(images) != len(labels):
            raise self._error(
                f"y_{part}", f"has {len(labels)} labels for {len(images)} images; give one for each"
            )
        n_inputs = math.prod(self.image_shape)
        if images.shape[1] != n_inputs:
            raise self._error(
                f"x_{part}",
                f"has {images.shape[1]} inputs per image, but image_shape {self.image_shape} "
                f"makes {n_inputs}; give both alike",
            )

    def _check_values(self, part: str, images: NDArray[Any], labels: NDArray[Any]) -> None:
        # min and max of an array with NaN are NaN, so they find every value that is not
        # finite, without a temporary array as large as the images.
        if not (np.isfinite(images.min()) and np.isfinite(images.max())):
            raise self._error(f"x_{part}", "holds values that are not finite; remove them")
        low, high = labels.min(), labels.max()
        if low < 0 or high >= self.n_classes:
            raise self._error(
                f"y_{part}",
                f"holds labels from {low} to {high}; allowed with {self.n_classes} classes: "
                f"0 to {self.n_classes - 1}",
            )

    def _error(self, field: str, problem: str) -> DataError:
        return DataError(f"Dataset.{field} of {self.name!r} {problem}")


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return f"a {type(value).__name__}"


def one_hot(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Targets that are 1 for the class of each image and 0 for all others.

    Parameters
    ----------
    labels : (n,) ndarray of int
        Class of each image.
    n_classes : int
        Number of classes.

    Returns
    -------
    (n, n_classes) ndarray of float32
        One row per image.

    Raises
    ------
    DataError
        If the labels are not a vector of whole numbers from 0 to ``n_classes - 1``.

    Examples
    --------
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"labels are {_describe(labels)}; give a vector of whole numbers")
    if labels.size and not 0 <= labels.min() <= labels.max() < n_classes:
        raise DataError(
            f"labels reach from {labels.min()} to {labels.max()}; "
            f"allowed with {n_classes} classes: 0 to {n_classes - 1}"
        )
    targets = np.zeros((len(labels), n_classes), dtype=np.float32)
    targets[np.arange(len(labels)), labels] = 1
    return targets
