"""The network as one matrix, for the contenders that multiply matrices.

All cells of layers 1 to P stand in one vector. One Euler step is then

    u <- decay u + pull r + drive + K r,    r <- clip(u, 0, 1)

with every synapse between these cells in the blocks of ``K``, already multiplied
by step and conductance. A dense simulation needs at least one matrix product per
step. Learning changes the blocks in place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.models.corinfomax import CorInfoMax

__all__ = ["DenseNetwork", "dense_network", "unscaled_weights"]


@dataclasses.dataclass(frozen=True, eq=False)
class DenseNetwork:
    """Arrays and constants of one network.

    Attributes
    ----------
    system : CorInfoMax
        Settings.
    cells : list of slice
        Where layer k = 1..P stands, under index k; index 0 is unused.
    W_in : (N_1, N_0) ndarray
        Feedforward weights of the image, not scaled.
    K : (N, N) ndarray
        All other weights, scaled.
    scale : dict of str to float
        Factor between a block of ``K`` and the weight array of that name.
    decay : (N,) ndarray
        What remains of a potential after one step.
    step : float
        Euler step relative to the time constant.
    """

    system: CorInfoMax
    cells: list[slice]
    W_in: NDArray[Any]
    K: NDArray[Any]
    scale: dict[str, float]
    decay: NDArray[Any]
    step: float

    @property
    def output(self) -> slice:
        """Where the output cells stand."""
        return self.cells[-1]

    def block(self, name: str) -> tuple[slice, slice]:
        """Rows and columns of ``K`` that hold a weight array."""
        kind, _, number = name.rpartition("_")
        k = int(number)
        pre, post = {"W_ff": (k, k + 1), "W_fb": (k + 1, k), "B": (k, k)}[kind]
        return self.cells[post], self.cells[pre]

    def phases(self) -> tuple[int, int]:
        """Steps of the free and of the nudged phase."""
        system = self.system
        return round(system.free_time / system.dt), round(system.nudged_time / system.dt)


def dense_network(
    system: CorInfoMax, weights: Mapping[str, NDArray[np.float64]], dtype: str
) -> DenseNetwork:
    """Put the weights of a network into one matrix.

    Parameters
    ----------
    system : CorInfoMax
        Settings; events play no role.
    weights : mapping of str to ndarray
        Weight arrays of shape (post, pre).
    dtype : str
        Precision of the arrays.
    """
    ends = np.cumsum(system.layers[1:])
    cells = [
        slice(0, 0),
        *(slice(end - n, end) for n, end in zip(system.layers[1:], ends, strict=True)),
    ]
    step = system.dt / system.tau_u
    K = np.zeros((ends[-1], ends[-1]), dtype)
    scale = {name: _scale(system, name) * step for name in weights if name != "W_ff_0"}
    W_in = np.array(weights["W_ff_0"], dtype, order="C")
    network = DenseNetwork(system, cells, W_in, K, scale, _decay(system, dtype), step)
    for name, factor in scale.items():
        K[network.block(name)] = factor * weights[name]
    return network


def unscaled_weights(
    network: DenseNetwork, W_in: NDArray[Any], K: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Weight arrays by name, from matrices that have learnt."""
    blocks = {name: K[network.block(name)] / factor for name, factor in network.scale.items()}
    return {"W_ff_0": W_in.copy(), **blocks}


def _scale(system: CorInfoMax, name: str) -> float:
    """Conductance times efficacy of the synapses of one array, eq. 15 and 18-21."""
    if name.startswith("W_"):
        return 1 / system.epsilon
    output = name == f"B_{system.depth}"
    return system.gamma if output else 2 * system.gamma


def _decay(system: CorInfoMax, dtype: str) -> NDArray[Any]:
    conductance = np.full(sum(system.layers[1:]), system.g_l + 2 / system.epsilon)
    conductance[-system.layers[-1] :] = system.g_l + 1 / system.epsilon + 1
    return (1 - system.dt / system.tau_u * conductance).astype(dtype)
