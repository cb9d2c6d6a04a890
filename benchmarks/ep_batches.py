"""Does learning image by image reach the accuracy of batches? Equilibrium propagation in NumPy.

    python -m benchmarks.ep_batches [--dataset mnist] [--batches 1 20] [--epochs 2] [--seeds 0 1]

The published numbers are means over batches of 20 with one sign of beta per batch;
neurosim learns from one image after the other, with the published rates / 20 and a
sign per image. This runs both with :mod:`neurosim.models.numpy.ep`, from the same
weights, in the same order of images, and prints the test accuracy after each epoch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data import load_dataset, one_hot
from neurosim.models.ep import EquilibriumPropagation
from neurosim.models.numpy.ep import initial_weights, predict, train

#: Images per update in the published runs; presets hold the published rates / 20.
_PUBLISHED_BATCH = 20


def accuracies(
    data: Any, preset: Any, *, batch: int, epochs: int, seed: int
) -> Iterator[tuple[float, float]]:
    """Test accuracy in % and seconds of training, epoch after epoch.

    Parameters
    ----------
    data : Dataset
        Images and labels.
    preset : Preset
        Settings with the online learning rates.
    batch : int
        Images per update; rates grow in proportion.
    epochs, seed : int
        Length, and seed of weights, order and signs.

    Yields
    ------
    tuple of float
        After each epoch.
    """
    rng = np.random.default_rng(seed)
    classes = int(data.y_train.max()) + 1
    system = EquilibriumPropagation(
        layers=(data.x_train.shape[1], *preset.hidden, classes), **preset.parameters
    )
    weights = {
        name: array.astype(np.float32)
        for name, array in initial_weights(system.layers, rng).items()
    }
    targets = one_hot(data.y_train, classes).astype(np.float32)
    images: NDArray[np.float32] = np.asarray(data.x_train, dtype=np.float32)
    tests: NDArray[np.float32] = np.asarray(data.x_test, dtype=np.float32)
    h_evaluation = system.dt / (system.tau_evaluation or system.tau)
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        signs = rng.choice(np.array([-1, 1], np.float32), size=-(-len(images) // batch))
        alpha = [batch * system.rates(epoch)[f"w_{k}.alpha"] for k in range(len(system.alpha))]
        started = time.perf_counter()
        weights = train(
            weights,
            images[order],
            targets[order],
            np.repeat(signs, batch)[: len(images)],
            alpha,
            batch=batch,
            h=system.dt / system.tau,
        )
        seconds = time.perf_counter() - started
        right = predict(weights, tests, h=h_evaluation) == data.y_test
        yield 100 * float(right.mean()), seconds


def main() -> None:
    """Print one line per batch size and seed, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, _PUBLISHED_BATCH])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    data = load_dataset(options.dataset, data_dir=options.data_dir)
    preset = EquilibriumPropagation.preset(options.dataset)
    for batch in options.batches:
        rows = []
        for seed in options.seeds:
            found = list(accuracies(data, preset, batch=batch, epochs=options.epochs, seed=seed))
            rows.append([accuracy for accuracy, _ in found])
            shown = " ".join(f"{accuracy:.2f}" for accuracy in rows[-1])
            print(f"batch {batch}, seed {seed}: {shown}  ({found[-1][1]:.1f} s per epoch)")
        means = " ".join(f"{value:.2f}" for value in np.mean(rows, axis=0))
        print(f"batch {batch}, mean of {len(rows)}: {means}")


if __name__ == "__main__":
    main()
