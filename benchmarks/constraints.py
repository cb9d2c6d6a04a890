"""How well the rates of layers stay in their domains: ``python -m benchmarks.constraints``.

Trains CorInfoMax on polytopes and shows it the test images: accuracy, l1 norms and
multipliers at the end of the free phase, and by how much the sum that the interneuron
received from graded spikes differs from the sum of the rates.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import markdown_table
from neurosim import Simulator
from neurosim.backends import open_backend
from neurosim.backends.interface import Chunk
from neurosim.circuit import Circuit, Readout
from neurosim.data import Dataset, load_dataset
from neurosim.errors import NeurosimError, ParameterError
from neurosim.models import find_system
from neurosim.models.corinfomax_sparse import CorInfoMaxSparse

__all__ = ["build_parser", "keep_to_domains", "main", "watched"]

#: Images per run of the program.
IMAGES = 1000

_HEADER = (
    "epoch",
    "test accuracy, %",
    "angle, degrees",
    "ms per image",
    "layer",
    "l1 norm, mean",
    "least",
    "most",
    "within 5 % of 1",
    "multiplier q",
    "active cells",
    "error of the sum, most",
)


def build_parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.constraints",
        description="Accuracy and l1 norms of CorInfoMax on polytopes.",
    )
    parser.add_argument("--system", default="corinfomax-sparse", help="default: corinfomax-sparse")
    parser.add_argument("--dataset", default="digits", help="as for neurosim train (digits)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where data sets lie")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 5, 10], metavar="N")
    parser.add_argument("--train-images", type=int, metavar="N", help="default: all")
    parser.add_argument("--test-images", type=int, metavar="N", help="default: all")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--backend", default="cpp", help="cpp (default) or runtime")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see :func:`build_parser`.

    Returns
    -------
    int
        0 done, 2 for a mistake to mend.
    """
    options = build_parser().parse_args(arguments)
    try:
        data = load_dataset(
            options.dataset,
            data_dir=options.data_dir,
            train_images=options.train_images,
            test_images=options.test_images,
        )
        made = find_system(options.system)
        if not issubclass(made, CorInfoMaxSparse):
            raise ParameterError(f"{options.system} has no domains; use corinfomax-sparse")
        preset = made.preset(options.dataset)
        layers = (data.x_train.shape[1], *preset.hidden, data.n_classes)
        # online, whatever the preset: every image is an update
        system = made(layers=layers, **{**preset.parameters, "batch": 1})
        rows: list[tuple[str, ...]] = []
        for epoch in keep_to_domains(system, data, options.epochs, options.seed, options.backend):
            rows += epoch
            print(markdown_table(_HEADER, rows), flush=True)
    except NeurosimError as error:
        print(f"constraints: {error}", file=sys.stderr)
        return 2
    return 0


def watched(system: CorInfoMaxSparse) -> Circuit:
    """The system's circuit with rates, multipliers and received sums read out.

    Parameters
    ----------
    system : CorInfoMaxSparse
        Each layer has no or one interneuron.

    Returns
    -------
    Circuit
        With readouts ``r_k``, ``q_k`` and ``l1_k`` at the end of the free phase.
    """
    circuit = system.circuit()
    more = []
    for k in range(1, system.depth + 1):
        more.append(Readout(f"r_{k}", f"pyramidal_{k}", "end_free", "r"))
        if system.domain(k).interneurons == 1:
            more += [Readout(f"{v}_{k}", f"lagrange_{k}", "end_free", v) for v in ("q", "l1")]
    return dataclasses.replace(circuit, readouts=(*circuit.readouts, *more))


def keep_to_domains(
    system: CorInfoMaxSparse, data: Dataset, epochs: Sequence[int], seed: int, backend: str
) -> Iterator[list[tuple[str, ...]]]:
    """Train, and measure after each of ``epochs``.

    Parameters
    ----------
    system : CorInfoMaxSparse
        What to train.
    data : Dataset
        Images to train and to test with.
    epochs : sequence of int
        When to measure, in passes over the training images.
    seed : int
        Seed of the run.
    backend : str
        Back end.

    Yields
    ------
    list of tuple of str
        One row of the table per layer with an interneuron.
    """
    targets = np.eye(data.n_classes)[data.y_train]
    with Simulator(system, seed=seed, backend=backend) as simulator:
        for epoch in range(1, max(epochs) + 1):
            stats = list(simulator.train_epoch(data.x_train, targets))
            if epoch not in epochs:
                continue
            seconds = sum(chunk.seconds for chunk in stats)
            shown = _show(system, simulator, data.x_test, backend)
            accuracy = (shown["answer"].argmax(axis=1) == data.y_test).mean()
            angle = next(iter(simulator.angles().values()), float("nan"))
            head = (
                f"{epoch}",
                f"{100 * accuracy:.2f}",
                f"{angle:.1f}",
                f"{1e3 * seconds / len(data.x_train):.3f}",
            )
            layers = [k for k in range(1, system.depth + 1) if f"q_{k}" in shown]
            yield [(*head, str(k), *_describe(shown, k)) for k in layers]


def _show(
    system: CorInfoMaxSparse, simulator: Simulator, images: NDArray[Any], backend: str
) -> dict[str, NDArray[Any]]:
    """Readouts of the trained network at the end of the free phase, by name."""
    weights, phases = simulator.weights.arrays(), system.evaluation_phases()
    parts = []
    with open_backend(backend, watched(system), dtype="float32", max_cycles=IMAGES) as opened:
        for first in range(0, len(images), IMAGES):
            rows = images[first : first + IMAGES]
            n = len(rows)
            inputs = {"stimulus": rows, "beta": np.ones(n)}
            inputs["target"] = np.zeros((n, system.layers[-1]))
            parts.append(opened.run(Chunk(inputs, weights, phases=phases)).readouts)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _describe(shown: dict[str, NDArray[Any]], k: int) -> tuple[str, ...]:
    rates = np.abs(shown[f"r_{k}"].astype(float))
    sums = rates.sum(axis=1)
    error = np.abs(shown[f"l1_{k}"][:, 0] - sums).max()
    return (
        f"{sums.mean():.3f}",
        f"{sums.min():.3f}",
        f"{sums.max():.3f}",
        f"{100 * (np.abs(sums - 1) < 0.05).mean():.1f} %",
        f"{shown[f'q_{k}'].mean():.3g}",
        f"{100 * (rates > 0.01).mean():.1f} %",
        f"{error:.2g}",
    )


if __name__ == "__main__":
    sys.exit(main())
