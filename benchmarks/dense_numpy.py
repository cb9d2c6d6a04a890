"""The same update with NumPy's matrix products: one image, one update, every sum dense."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import Outcome, Runner
from benchmarks.dense import DenseNetwork, dense_network, unscaled_weights
from benchmarks.stopwatch import Stopwatch

__all__ = ["NumpyRunner"]


class NumpyRunner(Runner):
    """All arrays are made once; the loop over time steps allocates nothing."""

    def run(self, images: int, *, learning: bool) -> Outcome:
        """Learn or answer image by image; see :class:`~benchmarks.contender.Runner`."""
        few, dtype = self.problem.head(images), self.contender.dtype
        network = dense_network(few.system, few.weights, dtype)
        pixels, targets = few.images.astype(dtype), few.targets.astype(dtype)
        answers = np.zeros_like(targets)
        with Stopwatch() as watch:
            worker = _Learner(network)
            for i, beta in enumerate(few.betas.tolist()):
                worker.show(pixels[i])
                answers[i] = worker.r[network.output]
                if learning:
                    worker.nudge_and_learn(pixels[i], targets[i], beta)
        weights = unscaled_weights(network, network.W_in, network.K)
        return Outcome(watch.seconds, watch.cpu_seconds, 0.0, weights, answers)


class _Learner:
    """State of the cells, and buffers."""

    def __init__(self, network: DenseNetwork) -> None:
        self.network = network
        self.u, self.r, self.drive, self._pull, self._sum, self._other = (
            np.zeros(len(network.K), network.K.dtype) for _ in range(6)
        )
        self._image_change = np.empty_like(network.W_in)
        self._changes = {
            name: np.empty_like(network.K[network.block(name)]) for name in network.scale
        }

    def show(self, x: NDArray[Any]) -> None:
        """Free phase, from silence."""
        network, first = self.network, self.network.cells[1]
        self.u[:] = 0
        self.r[:] = 0
        self.drive[:] = 0
        self._pull[:] = network.step * network.system.g_l
        np.matmul(network.W_in, x, out=self.drive[first])
        self.drive[first] *= network.step / network.system.epsilon
        self._steps(network.phases()[0])

    def _steps(self, count: int) -> None:
        K, decay, u, r = self.network.K, self.network.decay, self.u, self.r
        for _ in range(count):
            np.matmul(K, r, out=self._sum)
            np.multiply(self._pull, r, out=self._other)
            u *= decay
            u += self._sum
            u += self._other
            u += self.drive
            np.clip(u, 0, 1, out=r)

    def nudge_and_learn(self, x: NDArray[Any], y: NDArray[Any], beta: float) -> None:
        """Nudged phase, then the update, eq. 26-28."""
        network = self.network
        free = self.r.copy()
        self.u[:] = self.r
        self._pull[network.output] -= network.step * beta
        self.drive[network.output] += network.step * beta * y
        self._steps(network.phases()[1])
        nudged = self.r
        # all sums with the weights from before the update
        sums = {name: self._products(name, nudged, free) for name in network.scale}
        self._learn_from_image(x, nudged, free, beta)
        for name, products in sums.items():
            if name.startswith("B_"):
                self._learn_lateral(name, products[0])
            else:
                self._learn_contrast(name, products, nudged, free, beta)

    def _products(self, name: str, *rates: NDArray[Any]) -> list[NDArray[Any]]:
        """What the synapses of one array deliver at each phase's end, unscaled."""
        rows, columns = self.network.block(name)
        block = self.network.K[rows, columns]
        return [block @ (r[columns] / self.network.scale[name]) for r in rates]

    def _learn_from_image(
        self, x: NDArray[Any], nudged: NDArray[Any], free: NDArray[Any], beta: float
    ) -> None:
        """The image is the same in both phases, and so is what it predicts."""
        first = self.network.cells[1]
        contrast = self.network.system.mu_ff[0] / beta * (nudged[first] - free[first])
        np.multiply.outer(contrast, x, out=self._image_change)
        np.add(self.network.W_in, self._image_change, out=self.network.W_in)

    def _learn_contrast(
        self,
        name: str,
        products: list[NDArray[Any]],
        nudged: NDArray[Any],
        free: NDArray[Any],
        beta: float,
    ) -> None:
        network, system = self.network, self.network.system
        rows, columns = network.block(name)
        k = int(name.rpartition("_")[2])
        mu = system.mu_ff[k] if name.startswith("W_ff") else system.mu_fb[k - 1]
        errors = np.stack([nudged[rows] - products[0], products[1] - free[rows]], axis=1)
        errors *= network.scale[name] * mu / beta
        rates = np.stack([nudged[columns], free[columns]])
        np.matmul(errors, rates, out=self._changes[name])
        network.K[rows, columns] += self._changes[name]

    def _learn_lateral(self, name: str, z: NDArray[Any]) -> None:
        network, online = self.network, self.network.system.forgetting(1)
        gamma = (1 - online) / online
        block = network.K[network.block(name)]
        np.multiply.outer(z * (network.scale[name] * gamma / online), z, out=self._changes[name])
        block *= 1 + gamma
        block -= self._changes[name]
