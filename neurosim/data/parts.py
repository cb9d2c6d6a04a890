"""Labels and splits of data of one's own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError

__all__ = ["OwnImages", "class_numbers", "counts_apart", "split_numbers"]

#: Seed of the split; the same for every run, so that results can be compared.
_SPLIT_SEED = 0


class OwnImages(NamedTuple):
    """Images and class numbers as they were read.

    Attributes
    ----------
    train_pixels : ndarray, shape (n, *image_shape)
        Training images, or all images.
    train_labels : ndarray of int64, shape (n,)
        Their class numbers.
    test_pixels, test_labels : ndarray or None
        The same for testing; None if nothing was set apart.
    classes : ndarray, shape (n_classes,)
        Labels by class number.
    """

    train_pixels: NDArray[Any]
    train_labels: NDArray[np.int64]
    test_pixels: NDArray[Any] | None
    test_labels: NDArray[np.int64] | None
    classes: NDArray[Any]


def class_numbers(
    where: str, labels: NDArray[Any], classes: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Labels of any kind as class numbers.

    Parameters
    ----------
    where : str
        What holds them, for messages.
    labels : ndarray, shape (n,) or (n, 1)
        Whole numbers, words or booleans.
    classes : ndarray, optional
        The classes there are, sorted; by default those of these labels.

    Returns
    -------
    numbers : ndarray of int64, shape (n,)
        Class numbers from 0.
    classes : ndarray
        Labels by class number.

    Raises
    ------
    DataError
        If labels are none of these, of one class only, or not among the classes.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        hint = "; one column per class: y.argmax(axis=1)" if labels.ndim == 2 else ""
        raise DataError(f"{where} has shape {labels.shape}; give one label per image{hint}")
    if labels.dtype.kind not in "iubU":
        hint = "; whole numbers in another type: y.astype(int)" if labels.dtype.kind == "f" else ""
        raise DataError(
            f"{where} holds values of type {labels.dtype}; give whole numbers or words{hint}"
        )
    found, numbers = np.unique(labels, return_inverse=True)
    if classes is None:
        if len(found) < 2:
            raise DataError(f"{where} holds one class only, {found.tolist()}; give two or more")
        return numbers.astype(np.int64), found
    strange = np.setdiff1d(found, classes)
    if strange.size:
        raise DataError(
            f"{where} holds labels that the training set has not: {_few(strange)}; its classes "
            f"are {_few(classes)}"
        )
    return np.searchsorted(classes, labels).astype(np.int64), classes


def _few(values: NDArray[Any]) -> str:
    shown = ", ".join(map(str, values[:8].tolist()))
    return shown if len(values) <= 8 else f"{shown}, ... ({len(values)} in all)"


def counts_apart(
    where: str, counts: NDArray[np.int64], classes: NDArray[Any], share: float
) -> NDArray[np.int64]:
    """How many images of each class are set apart for testing.

    Parameters
    ----------
    where : str
        What is split, for the message.
    counts : ndarray of int, shape (n_classes,)
        Images of each class.
    classes : ndarray, shape (n_classes,)
        Their labels.
    share : float
        Share to set apart, between 0 and 1.

    Returns
    -------
    ndarray of int, shape (n_classes,)
        At least 1, and at least 1 is left.

    Raises
    ------
    DataError
        If a class has a single image.
    """
    few = np.flatnonzero(counts < 2)
    if few.size:
        raise DataError(
            f"{where}: class {classes[few[0]]!s} has {counts[few[0]]} image, and a split into "
            "training and test set needs two; add images, or leave the class out"
        )
    apart: NDArray[np.int64] = np.clip(np.rint(share * counts), 1, counts - 1).astype(np.int64)
    return apart


def split_numbers(
    where: str, labels: NDArray[np.int64], classes: NDArray[Any], share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide images into training and test set, the same share of each class.

    Parameters
    ----------
    where : str
        What is split, for the message.
    labels : ndarray of int64, shape (n,)
        Class numbers.
    classes : ndarray
        Labels by class number.
    share : float
        Share to set apart for testing.

    Returns
    -------
    train, test : ndarray of int64
        Numbers of the images, rising. The same for the same labels, always.

    Raises
    ------
    DataError
        If a class has a single image.
    """
    counts = np.bincount(labels, minlength=len(classes)).astype(np.int64)
    apart = counts_apart(where, counts, classes, share)
    rng = np.random.Generator(np.random.PCG64(_SPLIT_SEED))
    chosen = [
        rng.permutation(np.flatnonzero(labels == number))[:count]
        for number, count in enumerate(apart)
    ]
    test = np.sort(np.concatenate(chosen))
    train = np.setdiff1d(np.arange(len(labels)), test)
    return train, test
