"""The same update with PyTorch's matrix products, one thread; batches average their updates."""

from __future__ import annotations

import torch

from benchmarks.contender import Contender, Outcome, Runner
from benchmarks.dense import DenseNetwork, dense_network, unscaled_weights
from benchmarks.problem import Problem
from benchmarks.stopwatch import Stopwatch

__all__ = ["Learner", "TorchRunner"]


class TorchRunner(Runner):
    """Updates with batches of the contender's size; the last may be smaller.

    A batch makes one update with the published rates: the mean over its images times
    the batch size times the online rate. The lateral weights forget once per batch,
    with the forgetting factor of so many images.
    """

    def __init__(self, contender: Contender, problem: Problem) -> None:
        super().__init__(contender, problem)
        torch.set_num_threads(1)

    def run(self, images: int, *, learning: bool) -> Outcome:
        """Learn or answer batch by batch; see :class:`~benchmarks.contender.Runner`."""
        few, dtype = self.problem.head(images), self.contender.dtype
        network = dense_network(few.system, few.weights, dtype)
        pixels, targets = (torch.from_numpy(a.astype(dtype)) for a in (few.images, few.targets))
        answers = torch.zeros_like(targets)
        with Stopwatch() as watch, torch.inference_mode():
            worker = Learner(network)
            for start in range(0, images, self.contender.batch):
                chosen = slice(start, min(start + self.contender.batch, images))
                # one image is a vector, several are the columns of a matrix
                rows = start if self.contender.batch == 1 else chosen
                worker.show(pixels[rows].t())
                answers[rows] = worker.r[network.output].t()
                if learning:
                    beta = float(few.betas[start])
                    worker.nudge_and_learn(pixels[rows].t(), targets[rows].t(), beta)
        weights = unscaled_weights(network, network.W_in, network.K)
        return Outcome(watch.seconds, watch.cpu_seconds, 0.0, weights, answers.numpy())


class Learner:
    """State of the cells; on a CPU the matrices are those of the network, without a copy."""

    def __init__(self, network: DenseNetwork, device: str = "cpu") -> None:
        self.network = network
        self.K = torch.from_numpy(network.K).to(device)
        self.W_in = torch.from_numpy(network.W_in).to(device)
        self._decay = torch.from_numpy(network.decay).to(device)
        self.r = torch.zeros(0)

    def show(self, x: torch.Tensor) -> None:
        """Free phase, from silence; x is (N_0,) or (N_0, images)."""
        network = self.network
        shape = (len(self.K), *x.shape[1:])
        self._images = x.shape[1] if x.ndim == 2 else 1
        self.u, self.r, self.drive = (
            torch.zeros(shape, dtype=x.dtype, device=x.device) for _ in range(3)
        )
        self.drive[network.cells[1]] = (self.W_in @ x).mul_(network.step / network.system.epsilon)
        self._pull = torch.full_like(self._decay, network.step * network.system.g_l)
        self._steps(network.phases()[0])

    def _steps(self, count: int) -> None:
        u, r, drive, K = self.u, self.r, self.drive, self.K
        column = (slice(None), *(None for _ in u.shape[1:]))
        decay, pull = self._decay[column], self._pull[column]
        add_product = torch.Tensor.addmv_ if u.ndim == 1 else torch.Tensor.addmm_
        for _ in range(count):
            u.mul_(decay).addcmul_(pull, r).add_(drive)
            add_product(u, K, r)
            torch.clamp(u, 0, 1, out=r)

    def nudge_and_learn(self, x: torch.Tensor, y: torch.Tensor, beta: float) -> None:
        """Nudged phase, then the update, eq. 26-28."""
        network = self.network
        free = self.r.clone()
        self.u.copy_(self.r)
        self._pull[network.output] -= network.step * beta
        self.drive[network.output] += network.step * beta * y
        self._steps(network.phases()[1])
        nudged = self.r
        # all sums with the weights from before the update
        sums = {name: self._products(name, nudged, free) for name in network.scale}
        first = network.cells[1]
        # the image, and what it predicts, are the same in both phases
        rate = network.system.mu_ff[0] / beta
        _add_outer(self.W_in, nudged[first] - free[first], x, rate)
        for name, products in sums.items():
            if name.startswith("B_"):
                self._learn_lateral(name, products[0])
            else:
                self._learn_contrast(name, products, nudged, free, beta)

    def _products(self, name: str, *rates: torch.Tensor) -> list[torch.Tensor]:
        """What the synapses of one array deliver at each phase's end, unscaled."""
        rows, columns = self.network.block(name)
        block, scale = self.K[rows, columns], self.network.scale[name]
        return [(block @ r[columns]).div_(scale) for r in rates]

    def _learn_contrast(
        self,
        name: str,
        products: list[torch.Tensor],
        nudged: torch.Tensor,
        free: torch.Tensor,
        beta: float,
    ) -> None:
        network, system = self.network, self.network.system
        rows, columns = network.block(name)
        k = int(name.rpartition("_")[2])
        mu = system.mu_ff[k] if name.startswith("W_ff") else system.mu_fb[k - 1]
        rate, block = network.scale[name] * mu / beta, self.K[rows, columns]
        _add_outer(block, nudged[rows] - products[0], nudged[columns], rate)
        _add_outer(block, free[rows] - products[1], free[columns], -rate)

    def _learn_lateral(self, name: str, z: torch.Tensor) -> None:
        online = self.network.system.forgetting(1) ** self._images
        gamma = (1 - online) / online
        rate = -self.network.scale[name] * gamma / online / self._images
        _add_outer(self.K[self.network.block(name)], z, z, rate, keep=1 + gamma)


def _add_outer(
    weights: torch.Tensor, post: torch.Tensor, pre: torch.Tensor, rate: float, *, keep: float = 1
) -> None:
    """Weights times ``keep`` plus ``rate`` times the outer product, summed over images."""
    if post.ndim == 1:
        weights.addr_(post, pre, beta=keep, alpha=rate)
    else:
        weights.addmm_(post, pre.T, beta=keep, alpha=rate)
