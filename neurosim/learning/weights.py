"""Weight arrays by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.backends.interface import Weights
from neurosim.errors import CheckpointError, DataError, near_matches

__all__ = ["WeightStore"]


class WeightStore(MutableMapping[str, NDArray[Any]]):
    """Named weight arrays in their natural shapes: reading gives a copy, setting checks.

    Learning replaces all arrays in one step, so :meth:`arrays` always gives one set of
    weights, also to another thread.

    Parameters
    ----------
    arrays : Weights
        The arrays; shapes and precision never change.
    symmetric : set of str
        Names that must stay symmetric.
    there : mapping of str to ndarray of bool, optional
        Of arrays with entries that no synapse uses: where some does. The others are 0.

    Raises
    ------
    DataError
        If a name is unknown, or an array that is set does not fit: another shape, values
        that are not finite numbers, or not symmetric where it must be.
    """

    def __init__(
        self,
        arrays: Weights,
        symmetric: frozenset[str] = frozenset(),
        there: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> None:
        self._symmetric = symmetric
        self._there = dict(there or {})
        self._arrays = {name: self._existing(name, array) for name, array in arrays.items()}

    def _existing(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        there = self._there.get(name)
        return array if there is None or array.shape != there.shape else array * there

    def __getitem__(self, name: str) -> NDArray[Any]:
        self._check_name(name)
        return self._arrays[name].copy()

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        self._arrays = {**self._arrays, name: self._checked(name, value)}

    def _checked(self, name: str, value: ArrayLike) -> NDArray[Any]:
        self._check_name(name)
        old = self._arrays[name]
        try:
            new = np.array(value, dtype=old.dtype)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"weight {name!r} needs numbers of shape {old.shape}: {error}"
            ) from error
        if new.shape != old.shape:
            raise DataError(f"weight {name!r} needs shape {old.shape}, got {new.shape}")
        if not np.isfinite(new).all():
            raise DataError(f"weight {name!r} would hold values that are not finite")
        if name in self._symmetric and not np.allclose(new, new.T):
            raise DataError(f"weight {name!r} is a symmetric array; the given one is not")
        return self._existing(name, new)

    def __copy__(self) -> WeightStore:
        """A store whose arrays change independently of this one's."""
        return WeightStore(self._arrays, self._symmetric, self._there)

    def __delitem__(self, name: str) -> None:
        raise DataError(f"weight {name!r} cannot be removed; set it instead")

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def _check_name(self, name: str) -> None:
        if name not in self._arrays:
            raise DataError(f"no weight {name!r}; {near_matches(name, self._arrays)}")

    def arrays(self) -> Weights:
        """The arrays themselves, not copies; do not write to them.

        Returns
        -------
        Weights
            Arrays by name.
        """
        return dict(self._arrays)

    def replace(self, arrays: Weights) -> None:
        """Replace all arrays by those that a back end returned.

        Parameters
        ----------
        arrays : Weights
            Every array; nothing is checked.
        """
        self._arrays = dict(arrays)

    def restore(self, arrays: Weights) -> None:
        """Set all arrays, or none of them if one does not fit.

        Parameters
        ----------
        arrays : Weights
            Every array of the network, and nothing else.

        Raises
        ------
        CheckpointError
            If an array is missing or unknown.
        DataError
            If one does not fit.
        """
        if set(arrays) != set(self._arrays):
            missing = ", ".join(sorted(set(self._arrays) - set(arrays))) or "none"
            unknown = ", ".join(sorted(set(arrays) - set(self._arrays))) or "none"
            raise CheckpointError(
                "these are the weights of another network or of other equations: missing "
                f"{missing}, unknown {unknown}; give what this network saved"
            )
        self._arrays = {name: self._checked(name, arrays[name]) for name in self._arrays}
