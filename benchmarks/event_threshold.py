"""Accuracy, events and time over event thresholds: ``python -m benchmarks.event_threshold``.

Trains the same network at several event thresholds (and thresholds of the lateral
circuit) and notes test accuracy, graded spikes, synaptic operations, time per image
and the angle between forward and backward weights. Seeds are the outer loop, so a
machine that slows down does so for all thresholds.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import itertools
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe_machine
from benchmarks.pictures import save_figure
from benchmarks.report import (
    DOCS,
    fill_markers,
    markdown_table,
    read_results,
    write_results,
)
from neurosim import Simulator
from neurosim.data import Dataset, load_dataset, one_hot
from neurosim.errors import DataError, NeurosimError
from neurosim.learning.metrics import count_events, count_synops
from neurosim.models.corinfomax import CorInfoMax
from neurosim.system.building_blocks import GRADED_SPIKES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["build_parser", "draw_figure", "main", "make_figure", "sweep", "train_once"]

RESULTS = Path(__file__).resolve().parent / "results" / "event_threshold.json"

#: From exact signals to a threshold that costs accuracy.
EVENT_THRESHOLDS = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
SST_THRESHOLDS = (0.1,)

_HEADER = (
    "event threshold",
    "SST threshold",
    "test accuracy, %",
    "graded spikes per image",
    "SynOps per image",
    "dense MACs per SynOp",
    "training, ms per image",
    "angle, degrees",
)


def build_parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.event_threshold",
        description="Accuracy, events and time over event thresholds.",
    )
    parser.add_argument("--dataset", default="digits", help="as for neurosim train (digits)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where data sets lie")
    parser.add_argument("--hidden", type=int, nargs="+", metavar="N", help="hidden layers")
    parser.add_argument("--epochs", type=int, metavar="N", help="default: the preset's")
    parser.add_argument("--train-images", type=int, metavar="N", help="default: all")
    parser.add_argument("--test-images", type=int, metavar="N", help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument(
        "--event-thresholds", type=float, nargs="+", default=EVENT_THRESHOLDS, metavar="X"
    )
    parser.add_argument(
        "--sst-thresholds", type=float, nargs="+", default=SST_THRESHOLDS, metavar="X"
    )
    parser.add_argument("--backend", default="cpp", help="cpp (default) or runtime")
    parser.add_argument("--dtype", default="float32", help="float32 (default) or float64")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE.json")
    parser.add_argument(
        "--report", action="store_true", help="measure nothing; write table and figure anew"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see :func:`build_parser`.

    Returns
    -------
    int
        0 done, 2 for a mistake to mend.
    """
    options = build_parser().parse_args(arguments)
    published = options.out.resolve() == RESULTS
    try:
        if published and not options.report:
            _refuse_changes(describe_machine()["commit"])
        results = read_results(options.out) if options.report else _measure(options)
        if not options.report:
            write_results(results, options.out)
        print(markdown_table(_HEADER, summarise(results)))
        # a run for show must not replace the published numbers
        if published:
            draw_figure(results, DOCS / "images" / "event_threshold")
            fill_markers(DOCS / "performance.md", "events", _page_text(results))
    except NeurosimError as error:
        print(f"event_threshold: {error}", file=sys.stderr)
        return 2
    return 0


def _refuse_changes(commit: str) -> None:
    """Published results name the commit that gave them, so there must be one."""
    if commit.endswith("+"):
        raise DataError(
            f"the source has changes since {commit[:-1]}: commit them, so that the published "
            "results can name their source, or write elsewhere with --out FILE.json"
        )


# ---------------------------------------------------------------- measuring


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    # the commit that is running: the tree may move on meanwhile
    machine = describe_machine()
    data = load_dataset(
        options.dataset,
        data_dir=options.data_dir,
        train_images=options.train_images,
        test_images=options.test_images,
    )
    hidden = tuple(options.hidden) if options.hidden else None
    preset = CorInfoMax.preset(options.dataset, hidden)
    layers = (data.x_train.shape[1], *preset.hidden, data.n_classes)
    # online, whatever the preset: every image is an update
    system = CorInfoMax(layers=layers, **{**preset.parameters, "batch": 1})
    epochs = preset.epochs if options.epochs is None else options.epochs
    rows = sweep(
        system,
        data,
        epochs=epochs,
        event_thresholds=options.event_thresholds,
        sst_thresholds=options.sst_thresholds,
        seeds=options.seeds,
        say=lambda text: print(text, file=sys.stderr, flush=True),
        backend=options.backend,
        dtype=options.dtype,
    )
    circuit = system.circuit()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "dataset": data.name,
        "train_images": len(data.x_train),
        "test_images": len(data.x_test),
        "layers": list(layers),
        "epochs": epochs,
        "dtype": options.dtype,
        "preset": preset.source,
        "dense_macs": circuit.dense_macs_per_step() * circuit.cycle_steps(),
        "rows": rows,
    }


def sweep(
    system: CorInfoMax,
    data: Dataset,
    *,
    epochs: int,
    event_thresholds: Sequence[float],
    sst_thresholds: Sequence[float],
    seeds: Sequence[int],
    say: Callable[[str], None] = lambda text: None,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Train at every pair of thresholds, with every seed.

    Parameters
    ----------
    system : CorInfoMax
        The network; its thresholds are replaced.
    data : Dataset
        Images and labels.
    epochs : int
        Passes over the training images.
    event_thresholds, sst_thresholds : sequence of float
        Changes of rate that are sent, and that the lateral circuit samples.
    seeds : sequence of int
        Seeds of weights, order and nudges.
    say : callable
        Receives a line after each training.
    **settings
        Further arguments of :class:`neurosim.Simulator`.

    Returns
    -------
    list of dict
        As from :func:`train_once`, with the thresholds and the seed.
    """
    rows = []
    turns = list(itertools.product(seeds, sst_thresholds, event_thresholds))
    for seed, sst, theta in turns:
        model = dataclasses.replace(system, event_threshold=theta, sst_threshold=sst)
        with Simulator(model, seed=seed, **settings) as simulator:
            row = train_once(simulator, data, epochs)
        rows.append({"event_threshold": theta, "sst_threshold": sst, "seed": seed, **row})
        say(
            f"{len(rows)} of {len(turns)}: event threshold {theta:g}, SST threshold {sst:g}, "
            f"seed {seed}: {100 * row['test_accuracy']:.2f} %, "
            f"{row['ms_per_image']:.3f} ms per image"
        )
    return rows


def train_once(simulator: Simulator, data: Dataset, epochs: int) -> dict[str, Any]:
    """Train and describe the last epoch.

    Parameters
    ----------
    simulator : Simulator
        Fresh.
    data : Dataset
        Images and labels.
    epochs : int
        Passes over the training images.

    Returns
    -------
    dict
        ``test_accuracy`` (0 to 1), ``spikes``, ``synops`` and ``ms_per_image`` per
        training image, ``angles`` in degrees by feedback pathway.
    """
    targets: NDArray[np.float32] = one_hot(data.y_train, data.n_classes)
    for _ in range(epochs):
        parts = list(simulator.train_epoch(data.x_train, targets))
    images = sum(part.images for part in parts)
    counts = [part.event_counts for part in parts]
    return {
        "test_accuracy": simulator.score(data.x_test, data.y_test),
        "spikes": sum(count_events(simulator.circuit, count)[GRADED_SPIKES] for count in counts)
        / images,
        "synops": sum(count_synops(simulator.circuit, count) for count in counts) / images,
        "ms_per_image": 1e3 * sum(part.seconds for part in parts) / images,
        "angles": simulator.angles(),
    }


# ---------------------------------------------------------------- reporting


def _groups(results: dict[str, Any]) -> dict[tuple[float, float], list[dict[str, Any]]]:
    """Rows of all seeds by (SST threshold, event threshold), in rising order."""
    groups: dict[tuple[float, float], list[dict[str, Any]]] = {}
    for row in sorted(results["rows"], key=lambda r: (r["sst_threshold"], r["event_threshold"])):
        groups.setdefault((row["sst_threshold"], row["event_threshold"]), []).append(row)
    return groups


def summarise(results: dict[str, Any]) -> list[list[str]]:
    """One table row per pair of thresholds: means over seeds, spread of the accuracy."""
    table = []
    for (sst, theta), rows in _groups(results).items():
        mean = {name: statistics.fmean(row[name] for row in rows) for name in _AVERAGED}
        table.append(
            [
                f"{theta:g}",
                f"{sst:g}",
                _accuracy([row["test_accuracy"] for row in rows]),
                f"{mean['spikes']:,.0f}".replace(",", " "),
                f"{mean['synops']:,.0f}".replace(",", " "),
                f"{results['dense_macs'] / max(mean['synops'], 1):.0f}",
                f"{mean['ms_per_image']:.3f}",
                _angles([row["angles"] for row in rows]),
            ]
        )
    return table


_AVERAGED = ("spikes", "synops", "ms_per_image")


def _accuracy(values: Sequence[float]) -> str:
    percent = [100 * value for value in values]
    if len(percent) == 1:
        return f"{percent[0]:.2f}"
    return f"{statistics.fmean(percent):.2f} ± {statistics.stdev(percent):.2f}"


def _angles(values: Sequence[dict[str, float]]) -> str:
    return ", ".join(f"{statistics.fmean(v[name] for v in values):.1f}" for name in values[0])


def _page_text(results: dict[str, Any]) -> str:
    seeds = len({row["seed"] for row in results["rows"]})
    layers = "-".join(map(str, results["layers"]))
    return (
        f"{results['dataset']}, {layers}, {results['train_images']} training and "
        f"{results['test_images']} test images, {results['epochs']} epochs, {seeds} seeds, "
        f"{results['dtype']}, on {results['machine']['processor']}, {results['date'][:10]}. "
        "Means over seeds, ± their standard deviation; events and time of the last epoch.\n\n"
        f"{markdown_table(_HEADER, summarise(results))}"
    )


def draw_figure(results: dict[str, Any], stem: Path) -> None:
    """Draw accuracy, events and time over the event threshold, as PNG and SVG.

    Parameters
    ----------
    results : dict
        What was measured.
    stem : Path
        File name without its ending.
    """
    save_figure(make_figure(results), stem)


def make_figure(results: dict[str, Any]) -> Figure:
    """The figure of :func:`draw_figure`: means over seeds, bars from smallest to largest.

    Parameters
    ----------
    results : dict
        What was measured.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels; a panel has a legend if it has more than one line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), dpi=120, layout="constrained")
    axes = figure.subplots(1, 3)
    groups = _groups(results)
    thetas = sorted({theta for _, theta in groups})
    sampled = sorted({sst for sst, _ in groups})
    for sst, style in zip(sampled, itertools.cycle(_LINES)):
        rows = [groups.get((sst, theta), []) for theta in thetas]
        which = f"SST threshold {sst:g}" if len(sampled) > 1 else ""
        for axis, lines in zip(axes, _PANELS, strict=True):
            for name, words, marker in lines:
                label = ", ".join(part for part in (words, which) if part)
                _draw_line(axis, rows, name, label, style, marker)
    for axis, words in zip(axes, _AXIS_WORDS, strict=True):
        axis.set_xticks(range(len(thetas)), [f"{theta:g}" for theta in thetas])
        axis.set_xlabel("event threshold (change of rate)")
        axis.set_ylabel(words)
        axis.grid(color="0.85", linewidth=0.6)
        if len(axis.get_legend_handles_labels()[1]) > 1:
            axis.legend(fontsize=8.5, frameon=False)
    axes[1].set_yscale("log")
    axes[2].set_ylim(bottom=0)
    seeds = len({row["seed"] for row in results["rows"]})
    bars = f"; means over {seeds} seeds, bars from smallest to largest" if seeds > 1 else ""
    network = f"{'-'.join(map(str, results['layers']))}, {results['dataset']}"
    figure.suptitle(f"{network}{bars}", fontsize=10)
    return figure


_LINES = ("-", "--", ":", "-.")
_AXIS_WORDS = ("test accuracy (%)", "per training image (count)", "time per training image (ms)")
_PANELS: tuple[tuple[tuple[str, str, str], ...], ...] = (
    (("test_accuracy", "", "o"),),
    (("spikes", "graded spikes", "s"), ("synops", "SynOps", "^")),
    (("ms_per_image", "", "o"),),
)


def _draw_line(
    axis: Any, rows: list[list[dict[str, Any]]], name: str, label: str, style: str, marker: str
) -> None:
    """Mean over seeds at each threshold, bars from the smallest to the largest."""
    factor = 100 if name == "test_accuracy" else 1
    places = [place for place, group in enumerate(rows) if group]
    values = [[factor * row[name] for row in group] for group in rows if group]
    means = [statistics.fmean(group) for group in values]
    below = [mean - min(group) for mean, group in zip(means, values, strict=True)]
    above = [max(group) - mean for mean, group in zip(means, values, strict=True)]
    axis.errorbar(
        places, means, yerr=[below, above], label=label, linestyle=style, marker=marker,
        color="black", markerfacecolor="white" if marker == "^" else "black", markersize=4,
        linewidth=1, capsize=2,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
