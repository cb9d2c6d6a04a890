"""``neurosim train``: train a system and write a run folder."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from neurosim.commands.options import (
    add_circuit_options,
    add_cluster_options,
    add_data_folder,
    add_list,
    cluster_from,
    path,
    settings_from,
    shown,
    whole_number,
)
from neurosim.errors import ParameterError

__all__ = ["add"]

_TRAIN_EXAMPLES = """\
examples:
  neurosim train --dataset digits                 a minute, no download
  neurosim train                                  MNIST, published settings
  neurosim train --dataset fashion-mnist --epochs 10 --event-threshold 0.01
  neurosim train --hidden 500 500 --set epsilon=0.2 --set mu_ff=0.05,0.04,0.03
  neurosim train --config runs/some-run/config.toml --seed 1
  neurosim train --resume runs/some-run           go on after an interrupt
  neurosim train --seeds 0 1 2 --jobs 2           three runs, two at a time
  neurosim train --seeds 0-9 --cluster slurm      ten runs on a cluster
  neurosim train --batch 1                        online, image by image

Values resolve as command line > --config file > the system's preset for the
data set > defaults. `neurosim systems --parameters` lists every parameter.

environment variables:
  NEUROSIM_CACHE               folder of compiled programs
  NEUROSIM_CHECKPOINT_SECONDS  least time between two checkpoints inside an
                               epoch (default: 5)
  CXX, NEUROSIM_CXXFLAGS       C++ compiler, with options if need be; flags to
                               add to neurosim's own
  TMPDIR                       folder of temporary files
"""


#: Options that a resumed run takes.
_WITH_RESUME = (
    "--epochs, --until, --data-dir, --backend, --no-output-check, --jobs, --cluster, --stretch, "
    "--lanes, --threads, --tensorboard, --gallery, --quiet and --verbose"
)


def add(commands: Any) -> None:
    """Declare ``neurosim train``."""
    parser = commands.add_parser(
        "train",
        help="train a system and write a run folder",
        description="Train a system on a data set and write a run folder.",
        epilog=_TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_circuit_options(parser)
    group = parser.add_argument_group("the run")
    add_data_folder(group)
    group.add_argument(
        "--epochs",
        type=whole_number,
        metavar="N",
        help="passes over the training images (default: the preset's)",
    )
    group.add_argument(
        "--until",
        type=whole_number,
        metavar="EPOCH",
        help="stop after this epoch, before those of --epochs are done; --resume goes on",
    )
    group.add_argument(
        "--train-images",
        type=whole_number,
        metavar="N",
        help="first N of the shuffled training set (default: all)",
    )
    group.add_argument(
        "--test-images",
        type=whole_number,
        metavar="N",
        help="first N of the test set (default: all)",
    )
    group.add_argument(
        "--seed", type=whole_number, metavar="N", help="seed of all randomness (default: 0)"
    )
    add_list(
        group,
        "--seeds",
        metavar="N",
        help="several runs, one per seed, in folders of their own below --out",
    )
    group.add_argument(
        "--jobs",
        type=whole_number,
        metavar="N",
        help="processes for several seeds (default: 1), or tasks on a cluster (default: all)",
    )
    add_cluster_options(group)
    group.add_argument(
        "--lanes",
        type=whole_number,
        metavar="N",
        help="most images in flight at a time (default: chosen from batch and threads); results "
        "do not depend on it",
    )
    group.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="threads that share a batch or an evaluation (default: the cores, divided among "
        "--jobs); results do not depend on it",
    )
    group.add_argument(
        "--output-check",
        dest="check_output",
        action=argparse.BooleanOptionalAction,
        help="stop when the output gives one answer to every image (default: yes)",
    )
    group.add_argument("--out", type=path, metavar="DIR", help="run folder (default: runs/NAME)")
    group.add_argument(
        "--resume",
        type=path,
        metavar="DIR",
        help=f"go on with the run in DIR; only {_WITH_RESUME} go with it",
    )
    group.add_argument(
        "--tensorboard",
        action="store_true",
        help="write TensorBoard event files, too (needs pip install -e '.[tensorboard]' in the "
        "folder of this repository)",
    )
    group.add_argument(
        "--gallery", action="store_true", help="draw the figures of the run at its end"
    )
    group.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.runs.interrupts import Interrupted

    folder = options.resume
    try:
        if folder is not None:
            _refuse_with_resume(options)
            summary = _resume(options, folder)
        else:
            settings = settings_from(options)
            folder = options.out or _default_out(settings)
            if options.gallery:
                _prepare_gallery(settings)
            summary = _start(options, settings, folder)
    except Interrupted as stop:
        print(
            "neurosim: interrupted; nothing that was learned is lost. "
            f"Go on with: neurosim train --resume {shown(folder)}",
            file=sys.stderr,
        )
        return 128 + stop.signal_number
    if options.gallery:
        _draw_gallery(folder)
    if not options.quiet:
        (_report_seeds if "seeds" in summary else _report)(summary, folder)
    if options.gallery and not options.quiet:
        print(f"figures: {shown(folder / 'figures' / 'index.html')}")
    return 0


def _start(options: argparse.Namespace, settings: Any, folder: Path) -> dict[str, Any]:
    from neurosim.runs.seeds import train_seeds
    from neurosim.runs.training import start_training

    how = _how(options)
    if options.seeds is None:
        _refuse_for_one(options)
        return start_training(settings, folder, until=options.until, **how)
    if options.seed is not None:
        raise ParameterError("--seed and --seeds both choose seeds; give one of them")
    _refuse_for_several(options)
    with cluster_from(options) as cluster:
        return train_seeds(
            settings, options.seeds, folder, jobs=options.jobs, cluster=cluster, **how
        )


def _resume(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from neurosim.runs.seed_folder import holds_seeds
    from neurosim.runs.seeds import resume_seeds
    from neurosim.runs.training import resume_training

    how: dict[str, Any] = {
        "epochs": options.epochs,
        "data_dir": options.data_dir,
        "backend": options.backend,
        "check_output": options.check_output,
        **_how(options),
    }
    if holds_seeds(folder):
        _refuse_for_several(options)
        with cluster_from(options) as cluster:
            return resume_seeds(folder, jobs=options.jobs, cluster=cluster, **how)
    _refuse_for_one(options, but="jobs")
    return resume_training(folder, until=options.until, **how)


def _how(options: argparse.Namespace) -> dict[str, Any]:
    """What a run may be told that changes none of its results."""
    names = ("lanes", "threads", "tensorboard")
    return {"progress": not options.quiet, **{name: getattr(options, name) for name in names}}


def _refuse_for_one(options: argparse.Namespace, but: str = "") -> None:
    """Refuse options that are for several runs."""
    for name in ("jobs", "cluster", "stretch"):
        if name != but and getattr(options, name) is not None:
            raise ParameterError(
                f"--{name} is for several runs; give --seeds as well"
                + (", or --threads" if name == "jobs" else "")
            )


def _refuse_for_several(options: argparse.Namespace) -> None:
    """Refuse options that are for one run."""
    if options.until is not None:
        raise ParameterError("--until is for one run, and these are several; leave it out")


def _refuse_with_resume(options: argparse.Namespace) -> None:
    kept = {"resume", "command", "run", "check_output", *_named(_WITH_RESUME)}
    others = [
        name
        for name, value in vars(options).items()
        # zero is a value too
        if name not in kept and value is not None and value != []
    ]
    if others:
        raise ParameterError(
            f"--resume takes its settings from the folder; leave out "
            f"{', '.join('--' + name.replace('_', '-') for name in others)} "
            f"(only {_WITH_RESUME} go with it)"
        )


def _named(options: str) -> set[str]:
    """Names of options in a sentence, as the parser keeps them."""
    return {
        word.strip(",").removeprefix("--").replace("-", "_")
        for word in options.split()
        if word.startswith("--")
    }


def _prepare_gallery(settings: Any) -> None:
    """Compile what the figures need while the network learns, on another core."""

    def prepare() -> None:
        # an error here is reported when the figures are drawn
        with contextlib.suppress(NeurosimError):
            importlib.import_module("neurosim.figures.gallery")
            with Simulator(
                settings.system, backend=settings.backend, dtype=settings.dtype
            ) as simulator:
                simulator.analysis_backend  # noqa: B018 - built when first looked at

    from neurosim.backends import backend_class
    from neurosim.errors import NeurosimError
    from neurosim.learning.simulator import Simulator

    # there is nothing to compile, or Brian2 runs in this process and in one thread only
    if "compiled" not in backend_class(settings.backend).features:
        return
    threading.Thread(target=prepare, daemon=True).start()


def _draw_gallery(folder: Path) -> None:
    from neurosim.figures import save_all

    save_all(folder, folder / "figures")


def _default_out(settings: Any) -> Path:
    from neurosim.runs.folder import default_run_folder

    return default_run_folder(
        Path("runs"), settings.system.name, settings.data_name, datetime.now()
    )


def _report(summary: dict[str, Any], folder: Path) -> None:
    angles = ", ".join(f"{value:.1f}" for value in summary["angle_degrees"].values())
    ratio = summary["dense_macs_per_image"] / max(summary["synops_per_image"], 1)
    print(
        f"\ntest accuracy {100 * summary['test_accuracy']:.2f} % after epoch {summary['epoch']}"
        f" (train {100 * summary['train_accuracy']:.2f} %)\n"
        f"{summary['graded_spikes_per_image']:.0f} graded spikes and "
        f"{summary['synops_per_image']:.3g} synaptic operations per image, "
        f"{ratio:.0f} times fewer than dense\n"
        f"{summary['ms_per_image']:.3f} ms per training image"
        + (f"; forward/backward angle {angles} degrees\n" if angles else "\n")
        + f"\nresults: {shown(folder)}"
        "  (summary.json, metrics.jsonl, config.toml, checkpoint.npz)\n"
        f"next:    neurosim view {shown(folder)}   (look inside its neurons)\n"
        f"         neurosim plot {shown(folder)}   (figures)\n"
        "         neurosim train --help\n"
        "         neurosim train --dataset digits --event-threshold 0.1   (fewer events)\n"
        "         neurosim train                                          (MNIST)"
    )


def _report_seeds(summary: dict[str, Any], folder: Path) -> None:
    for seed, row in zip(summary["seeds"], summary["runs"].values(), strict=True):
        print(f"seed {seed}: test accuracy {100 * row['test_accuracy']:.2f} %")
    spread = summary["test_accuracy_std"]
    print(
        f"mean {100 * summary['test_accuracy_mean']:.2f} %"
        + ("" if spread is None else f", standard deviation {100 * spread:.2f}")
        + f"\nresults: {shown(folder)}"
    )
