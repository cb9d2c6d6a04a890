"""Sums over the current epoch, and the line of ``metrics.jsonl`` that they make."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from neurosim.data import Dataset
from neurosim.learning import metrics
from neurosim.learning.simulator import ChunkStats, Simulator

__all__ = ["EpochTally", "epoch_row", "objective_images"]

#: Test images that objectives of layers are measured on: a rule may compare all pairs of them.
_OBJECTIVE_IMAGES = 256


@dataclasses.dataclass
class EpochTally:
    """Sums over the images of an epoch so far; checkpoints keep them.

    Attributes
    ----------
    images, correct : int
        Images shown, and those answered correctly.
    seconds : float
        Time spent on them.
    event_counts : dict of str to int
        Events by name.
    """

    images: int = 0
    correct: int = 0
    seconds: float = 0.0
    event_counts: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, stats: ChunkStats) -> None:
        """Add the images of a chunk.

        Parameters
        ----------
        stats : ChunkStats
            What the simulator counted.
        """
        self.images += stats.images
        self.correct += stats.correct
        self.seconds += stats.seconds
        for name, count in stats.event_counts.items():
            self.event_counts[name] = self.event_counts.get(name, 0) + count


def objective_images(data: Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images and labels that objectives of layers are measured on, the same in every epoch.

    Parameters
    ----------
    data : Dataset
        What a run learns from.

    Returns
    -------
    images : ndarray, shape (n, n_inputs)
        The first test images, at most 256.
    labels : ndarray, shape (n,)
        Their classes.
    """
    return data.x_test[:_OBJECTIVE_IMAGES], data.y_test[:_OBJECTIVE_IMAGES]


def epoch_row(
    tally: EpochTally,
    simulator: Simulator,
    test_accuracy: float,
    objective: Mapping[str, float],
) -> dict[str, Any]:
    """Metrics of an epoch that has just ended.

    Parameters
    ----------
    tally : EpochTally
        Sums over the epoch.
    simulator : Simulator
        The network after it.
    test_accuracy : float
        Share of test images answered correctly.
    objective : mapping of str to float
        What each layer lowers, by population.

    Returns
    -------
    dict
        A line of ``metrics.jsonl``.
    """
    circuit, counts = simulator.circuit, tally.event_counts
    return {
        "epoch": simulator.epoch,
        "train_accuracy": tally.correct / tally.images,
        "test_accuracy": test_accuracy,
        "ms_per_image": 1e3 * tally.seconds / tally.images,
        "train_seconds": tally.seconds,
        **{
            f"{name.replace(' ', '_')}_per_image": count / tally.images
            for name, count in metrics.count_events(circuit, counts).items()
        },
        "synops_per_image": metrics.count_synops(circuit, counts) / tally.images,
        "dense_macs_per_image": circuit.dense_macs_per_step() * circuit.cycle_steps(),
        "angle_degrees": simulator.angles(),
        "correlation": simulator.correlations(),
        "objective": dict(objective),
    }
