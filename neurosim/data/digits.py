"""The small handwritten digits, as a file of the package.

Images of E. Alpaydin and C. Kaynak, UCI Machine Learning Repository (1998), licence CC BY 4.0.
scikit-learn has the same, but to import it takes longer than to learn them.
``python -c "from neurosim.data.digits import FILE, pack_digits; pack_digits(FILE)"``
makes the file anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FILE", "pack_digits", "read_digits"]

FILE = Path(__file__).with_name("digits.npz")

_NAMES = ("train_pixels", "train_labels", "test_pixels", "test_labels")


def read_digits() -> tuple[NDArray[Any], ...]:
    """Images and labels for training, and for tests.

    Returns
    -------
    train_pixels, test_pixels : (n, 8, 8) ndarray of float64
        Pixel values, 0 to 16.
    train_labels, test_labels : (n,) ndarray of int64
        Class of each image; in the order pixels, labels, pixels, labels.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with np.load(FILE) as stored:
        return tuple(
            stored[name].astype(np.int64 if name.endswith("labels") else np.float64)
            for name in _NAMES
        )


def pack_digits(file: Path) -> None:
    """Write the file from the images of scikit-learn.

    A fifth of each class, to an image, are for tests; the split is the same for every seed, so
    that results can be compared.

    Parameters
    ----------
    file : Path
        Where to write.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images.reshape(-1, 8, 8), labels, test_size=360, random_state=0,
                             stratify=labels)  # fmt: skip
    train, test, train_labels, test_labels = (array.astype(np.uint8) for array in split)
    arrays = dict(zip(_NAMES, (train, train_labels, test, test_labels), strict=True))
    np.savez_compressed(file, **arrays)
