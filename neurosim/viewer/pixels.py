"""Images as a browser draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.viewer.source import Source

__all__ = ["grey_image"]


def grey_image(source: Source, pixels: Any) -> NDArray[np.float32]:
    """Brightness of an image, rows from the bottom up.

    Parameters
    ----------
    source : Source
        Shape of its images.
    pixels : array_like, shape (n_inputs,)
        The image.

    Returns
    -------
    ndarray, shape (height, width)
        Mean over colours.
    """
    values = np.asarray(pixels, dtype=np.float32).reshape(source.image_shape)
    if values.ndim == 3:
        values = values.mean(axis=0)
    return np.ascontiguousarray(values[::-1])
