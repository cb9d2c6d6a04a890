"""Which data an unfinished epoch shows, so that it is not resumed with others."""

from __future__ import annotations

import hashlib
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ShownData", "data_digest"]


class ShownData:
    """The data of an epoch under way; its digest is made when it is needed.

    Parameters
    ----------
    images, targets : ndarray
        Checked images and targets.
    """

    def __init__(self, images: NDArray[Any], targets: NDArray[Any]) -> None:
        self._arrays: tuple[NDArray[Any], NDArray[Any]] | None = (images, targets)
        self._digest = ""

    @classmethod
    def of_digest(cls, digest: str) -> Self:
        """Data that only a checkpoint knows.

        Parameters
        ----------
        digest : str
            As :attr:`digest` gave it.

        Returns
        -------
        ShownData
            Equal in digest to the data of that time.
        """
        made = cls.__new__(cls)
        made._arrays, made._digest = None, digest
        return made

    @property
    def digest(self) -> str:
        """Fingerprint of the data; made once, from then on the arrays are let go."""
        if self._arrays is not None:
            self._digest = data_digest(*self._arrays)
            self._arrays = None
        return self._digest

    def is_same(self, other: ShownData) -> bool:
        """Whether two are the same data.

        Parameters
        ----------
        other : ShownData
            The other.

        Returns
        -------
        bool
            True for the same arrays, or equal ones.
        """
        if self._arrays is not None and other._arrays is not None:
            pairs = zip(self._arrays, other._arrays, strict=True)
            if all(mine is theirs for mine, theirs in pairs):
                return True
        return self.digest == other.digest

    def __getstate__(self) -> dict[str, Any]:
        """Only the digest: data do not travel with a copy or a pickle."""
        return {"_arrays": None, "_digest": self.digest}


def data_digest(images: NDArray[Any], targets: NDArray[Any]) -> str:
    """Fingerprint of training data.

    Parameters
    ----------
    images, targets : ndarray
        Checked images and targets, in their order.

    Returns
    -------
    str
        The same for the same numbers, whatever their type.

    Examples
    --------
    >>> x, y = np.eye(2), np.eye(2)
    >>> data_digest(x, y) == data_digest(x.astype("float32"), y)
    True
    >>> data_digest(x, y) == data_digest(x[::-1], y)
    False
    """
    digest = hashlib.sha256()
    for array in (images, targets):
        digest.update(f"{array.shape}".encode())
        # in pieces: all of it as float64 may be larger than the memory
        for start in range(0, len(array), 1000):
            digest.update(np.ascontiguousarray(array[start : start + 1000], np.float64).data)
    return digest.hexdigest()
