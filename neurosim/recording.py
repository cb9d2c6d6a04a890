"""Trajectories of every compartment for a few images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError, near_matches

__all__ = ["Recording"]


@dataclasses.dataclass(frozen=True)
class Recording:
    """What cells did while images were shown, one row per time step.

    Attributes
    ----------
    time : ndarray, shape (n_steps,)
        Time within the cycle in ms; row ``s`` holds the state at the end of step ``s``.
    phase : ndarray of str, shape (n_steps,)
        Name of the phase of each step.
    traces : dict of str to dict of str to ndarray
        ``traces[population][variable]`` of shape (n_images, n_steps, n_cells).
        Potentials and rates are dimensionless.
    oscillation : ndarray, shape (n_steps,)
        The rhythm as a cosine of unit amplitude, derived from the step counter.
    prediction : ndarray, shape (n_images,)
        Class predicted at the end of the free phase.
    """

    time: NDArray[np.float64]
    phase: NDArray[np.str_]
    traces: Mapping[str, Mapping[str, NDArray[Any]]]
    oscillation: NDArray[np.float64]
    prediction: NDArray[np.int64]

    def trace(self, population: str, variable: str) -> NDArray[Any]:
        """One variable of one population.

        Parameters
        ----------
        population, variable : str
            Names, as in ``traces``.

        Returns
        -------
        ndarray, shape (n_images, n_steps, n_cells)
            Values.

        Raises
        ------
        DataError
            If it was not recorded.
        """
        if population not in self.traces:
            raise DataError(
                f"no population {population!r} recorded; {near_matches(population, self.traces)}"
            )
        variables = self.traces[population]
        if variable not in variables:
            raise DataError(
                f"{population!r} has no recorded {variable!r}; {near_matches(variable, variables)}"
            )
        return variables[variable]
