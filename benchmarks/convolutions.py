"""simpnet beside dense convolutions: ``python -m benchmarks.convolutions``.

The network of Amit (2019) for CIFAR-10, with 32 filters of 5 x 5, a pool and 500 cells, learns
by updated and fixed random feedback and by backpropagation here, and by backpropagation in
PyTorch, whose convolution, pool and matrix products are dense. Contenders take turns on one
thread, with images of noise of which as many pixels are silent as in CIFAR-10: next to none.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from neurosim import Simulator
from neurosim.models import (
    FixedRandomFeedback,
    NetworkBackpropagation,
    UpdatedRandomFeedback,
)

__all__ = ["main", "measure"]

IMAGE, CLASSES, RATE = (3, 32, 32), 10, 0.1
SYSTEMS = {
    "updated random feedback": UpdatedRandomFeedback,
    "fixed random feedback": FixedRandomFeedback,
    "backpropagation": NetworkBackpropagation,
}
Turn = Callable[[], float]


def _simulated(system: type[UpdatedRandomFeedback], images: int, batch: int) -> Turn:
    """An epoch of all images here; its seconds are those of the training alone."""
    x, y = _images(images)
    preset = system.preset("cifar10")
    sizes = (x.shape[1], *preset.hidden, CLASSES)
    network = system(layers=sizes, **{**preset.parameters, "batch": batch})
    simulator = Simulator(network, threads=1, check_output=False)

    def turn() -> float:
        taken: list[float] = []
        simulator.fit(x, y, progress=False, on_chunk=lambda stats: taken.append(stats.seconds))
        return sum(taken)

    return turn


def _dense(images: int, batch: int) -> Turn:
    """The same network, losses and drops in PyTorch."""
    torch.set_num_threads(1)
    x, y = _images(images)
    shown = torch.from_numpy(x.astype(np.float32)).reshape(-1, *IMAGE)
    targets = torch.from_numpy(y)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2, bias=False), nn.Hardtanh(),
        nn.MaxPool2d(3, 2, ceil_mode=True), nn.Dropout(0.8), nn.Flatten(),
        nn.Linear(32 * 16 * 16, 500, bias=False), nn.Hardtanh(), nn.Dropout(0.3),
        nn.Linear(500, CLASSES, bias=False),
    )  # fmt: skip
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)

    def turn() -> float:
        started = time.perf_counter()
        for part, wanted in zip(shown.split(batch), targets.split(batch), strict=True):
            answer, right = network(part), nn.functional.one_hot(wanted, CLASSES).bool()
            wrong = torch.relu(1 + answer[~right]).sum() / (CLASSES - 1)
            loss = (torch.relu(1 - answer[right]).sum() + wrong) / len(part)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return time.perf_counter() - started

    return turn


def _images(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(count, int(np.prod(IMAGE))))
    return x, rng.integers(CLASSES, size=count)


def measure(images: int, batch: int, rounds: int) -> dict[str, float]:
    """Milliseconds per training image.

    Parameters
    ----------
    images : int
        Of an epoch.
    batch : int
        Images per update.
    rounds : int
        Epochs of each contender.

    Returns
    -------
    dict of str to float
        Medians over rounds by contender.
    """
    turns = {name: _simulated(system, images, batch) for name, system in SYSTEMS.items()}
    turns["backpropagation, PyTorch"] = _dense(images, batch)
    times: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            times[name].append(1e3 * turn() / images)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line by default.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convolutions", description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="images of an epoch")
    parser.add_argument("--batch", type=int, default=500, help="images per update")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each contender")
    given = parser.parse_args(arguments)
    print("| simpnet | training, ms per image |\n| --- | ---: |")
    for name, taken in measure(given.images, given.batch, given.rounds).items():
        print(f"| {name} | {taken:.2f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
