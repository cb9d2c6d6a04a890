"""Draw test accuracy and weight angle over epochs of several runs, beside the published curve.

    python scripts/plot_learning_curves.py mnist RUN [RUN ...] --out FIGURE.png

Each RUN is a run folder; the line is the mean of the runs, the band their range.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

#: Published test accuracy in % after an epoch (mean of ten seeds, recovered from vector figures),
#: and angle in degrees, for the two-layer networks of the paper.
PUBLISHED = {
    "mnist": {
        "accuracy": {
            1: 94.02, 2: 95.75, 3: 96.37, 4: 96.68, 5: 96.99, 7: 97.24, 10: 97.45,
            15: 97.56, 16: 97.62, 20: 97.60, 25: 97.60, 30: 97.63,
        },
        "angle": {5: 67.6, 10: 75.1, 20: 81.3},
    },
    "fashion-mnist": {
        "accuracy": {
            1: 79.04, 2: 80.90, 3: 83.26, 4: 83.88, 5: 84.48, 7: 85.84, 10: 86.72,
            15: 87.36, 16: 87.36, 20: 87.74, 25: 88.09, 30: 88.15,
        },
        "angle": {5: 69.0, 10: 68.8, 20: 70.9},
    },
}  # fmt: skip


def read_runs(folders: list[Path]) -> dict[str, np.ndarray]:
    """Accuracy in % and angle in degrees, each of shape (n_runs, n_epochs)."""
    runs = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in folders
    ]
    epochs = min(map(len, runs))
    return {
        "accuracy": np.array([[100 * row["test_accuracy"] for row in r[:epochs]] for r in runs]),
        "angle": np.array([[row["angle_degrees"]["theta_1"] for row in r[:epochs]] for r in runs]),
    }


def draw(
    measured: dict[str, np.ndarray], published: dict[str, dict[int, float]], out: Path
) -> None:
    """Two panels, measured and published."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    labels = {
        "accuracy": "test accuracy (%)",
        "angle": "angle between $W_{ff}$ and $W_{fb}^T$ (degrees)",
    }
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        values = measured[name]
        epochs = np.arange(1, values.shape[1] + 1)
        count = f"mean and range of {len(values)} seeds"
        axis.fill_between(epochs, values.min(0), values.max(0), color="#0072b2", alpha=0.25, lw=0)
        axis.plot(epochs, values.mean(0), color="#0072b2", label=f"neurosim, {count}")
        points = {e: v for e, v in published[name].items() if e <= epochs[-1]}
        axis.plot(list(points), list(points.values()), "o", mfc="white", mec="black", ms=5,
                  label="published, mean of 10 seeds")  # fmt: skip
        axis.set(xlabel="epoch", ylabel=label)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, loc="lower right")
    figure.savefig(out, dpi=150)


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=sorted(PUBLISHED))
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    draw(read_runs(options.runs), PUBLISHED[options.dataset], options.out)


if __name__ == "__main__":
    main()
