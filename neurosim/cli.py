"""The command line: ``neurosim train``, ``systems``, ``datasets`` and ``explain``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shlex
import signal
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from neurosim._version import __version__
from neurosim.errors import NeurosimError, ParameterError

__all__ = ["build_parser", "main"]

_TRAIN_EXAMPLES = """\
examples:
  neurosim train --dataset digits                 a minute, no download
  neurosim train                                  MNIST, published settings
  neurosim train --dataset fashion-mnist --epochs 10 --event-threshold 0.01
  neurosim train --hidden 500 500 --set epsilon=0.2 --set mu_ff=0.05,0.04,0.03
  neurosim train --config runs/some-run/config.toml --seed 1
  neurosim train --resume runs/some-run           go on after an interrupt
  neurosim train --seeds 0 1 2 --jobs 2           three runs, two at a time

Values resolve as command line > --config file > the system's preset for the
data set > defaults. `neurosim systems --parameters` lists every parameter.

environment variables:
  NEUROSIM_CACHE               folder of compiled programs
  NEUROSIM_CHECKPOINT_SECONDS  least time between two checkpoints inside an
                               epoch (default: 5)
  CXX, TMPDIR                  C++ compiler; folder of temporary files
"""


class _Parser(argparse.ArgumentParser):
    """A parser that complains in one line, as all other errors do."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"give a whole number, not {text!r}") from None


def build_parser() -> argparse.ArgumentParser:
    """The command-line parser.

    Returns
    -------
    argparse.ArgumentParser
        With one sub-parser per command.
    """
    parser = _Parser(
        prog="neurosim",
        description="Event-driven simulation of biologically plausible deep learning in Brian2.",
    )
    parser.add_argument("--version", action="version", version=f"neurosim {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands)
    systems = commands.add_parser(
        "systems",
        help="list the learning systems and their presets",
        description="List the learning systems and their presets.",
    )
    systems.add_argument("--parameters", action="store_true", help="list every parameter too")
    systems.set_defaults(run=_systems)
    datasets = commands.add_parser(
        "datasets", help="list the data sets", description="List the data sets."
    )
    datasets.set_defaults(run=_datasets)
    _add_explain(commands)
    return parser


def _add_circuit_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to simulate")
    group.add_argument("--system", help="learning system (default: corinfomax)")
    group.add_argument(
        "--dataset",
        help="mnist (default), fashion-mnist, kmnist, cifar10, or digits (embedded, no download)",
    )
    group.add_argument(
        "--hidden",
        type=_whole_number,
        nargs="+",
        metavar="N",
        help="sizes of the hidden layers (default: the preset's)",
    )
    group.add_argument(
        "--event-threshold",
        metavar="X",
        help="change of rate that makes a cell send; 0 is exact (default: 0.001)",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any parameter of the system, e.g. epsilon=0.3; may be given several times",
    )
    group.add_argument(
        "--config",
        type=Path,
        metavar="FILE.toml",
        help="settings from a file, e.g. the config.toml of a run",
    )
    group.add_argument("--backend", help="cpp (compiled, default) or runtime (no compiler needed)")
    group.add_argument("--dtype", help="float32 (default) or float64")


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a system and write a run folder",
        description="Train a system on a data set and write a run folder.",
        epilog=_TRAIN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_circuit_options(parser)
    group = parser.add_argument_group("the run")
    group.add_argument(
        "--data-dir", metavar="DIR", help="where data sets lie (default: the user's cache)"
    )
    group.add_argument(
        "--epochs",
        type=_whole_number,
        metavar="N",
        help="passes over the training images (default: the preset's)",
    )
    group.add_argument(
        "--train-images",
        type=_whole_number,
        metavar="N",
        help="first N of the shuffled training set (default: all)",
    )
    group.add_argument(
        "--test-images",
        type=_whole_number,
        metavar="N",
        help="first N of the test set (default: all)",
    )
    group.add_argument(
        "--seed", type=_whole_number, metavar="N", help="seed of all randomness (default: 0)"
    )
    group.add_argument(
        "--seeds",
        type=_whole_number,
        nargs="+",
        metavar="N",
        help="several runs, one per seed, in folders of their own below --out",
    )
    group.add_argument(
        "--jobs",
        type=_whole_number,
        metavar="N",
        help="processes side by side, for seeds and for evaluation (default: 1)",
    )
    group.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/NAME)")
    group.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="go on with the run in DIR; only --epochs, --jobs and --quiet go with it",
    )
    group.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    parser.set_defaults(run=_train)


def _add_explain(commands: Any) -> None:
    parser = commands.add_parser(
        "explain",
        help="say how a circuit would run",
        description="Build a circuit and say what it consists of and how each projection runs.",
    )
    _add_circuit_options(parser)
    parser.set_defaults(run=_explain)


# ---------------------------------------------------------------- commands


def _command_line_settings(options: argparse.Namespace) -> dict[str, Any]:
    from neurosim.config import RUN_DEFAULTS

    given = {name: getattr(options, name, None) for name in RUN_DEFAULTS}
    parameters = dict(_split_setting(text) for text in options.set)
    _refuse_run_settings(parameters, RUN_DEFAULTS)
    if options.event_threshold is not None:
        parameters["event_threshold"] = options.event_threshold
    return {**given, "parameters": parameters}


def _split_setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ParameterError(f"--set {text}: write --set NAME=VALUE, e.g. --set epsilon=0.3")
    return name.strip(), value.strip()


def _refuse_run_settings(parameters: Iterable[str], settings: Iterable[str]) -> None:
    for name in sorted({*parameters} & {*settings}):
        option = name.replace("_", "-")
        raise ParameterError(f"--set {name}: this is no parameter of the system; use --{option}")


def _settings(options: argparse.Namespace) -> Any:
    from neurosim.config import read_config_file, resolve

    config = None if options.config is None else read_config_file(options.config)
    return resolve(_command_line_settings(options), config)


def _train(options: argparse.Namespace) -> int:
    from neurosim.training import Interrupted

    folder = options.resume
    try:
        if folder is not None:
            _refuse_with_resume(options)
            summary = _resume(options, folder)
        else:
            settings = _settings(options)
            folder = options.out or _default_out(settings)
            summary = _start(options, settings, folder)
    except Interrupted as stop:
        print(
            "neurosim: interrupted; a checkpoint is written. "
            f"Go on with: neurosim train --resume {_shown(folder)}",
            file=sys.stderr,
        )
        return 128 + stop.signal_number
    if not options.quiet:
        (_report_seeds if "seeds" in summary else _report)(summary, folder)
    return 0


def _start(options: argparse.Namespace, settings: Any, folder: Path) -> dict[str, Any]:
    from neurosim.seeds import train_seeds
    from neurosim.training import start_training

    how: dict[str, Any] = {"progress": not options.quiet, "jobs": _jobs(options)}
    if options.seeds is None:
        return start_training(settings, folder, **how)
    if options.seed is not None:
        raise ParameterError("--seed and --seeds say the same; give one of them")
    return train_seeds(settings, options.seeds, folder, **how)


def _resume(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from neurosim.seeds import resume_seeds, seed_folders
    from neurosim.training import resume_training

    how: dict[str, Any] = {
        "epochs": options.epochs,
        "progress": not options.quiet,
        "jobs": _jobs(options),
    }
    return resume_seeds(folder, **how) if seed_folders(folder) else resume_training(folder, **how)


def _jobs(options: argparse.Namespace) -> int:
    jobs = 1 if options.jobs is None else int(options.jobs)
    if jobs < 1:
        raise ParameterError(f"--jobs {jobs}: give 1 or more")
    return jobs


def _refuse_with_resume(options: argparse.Namespace) -> None:
    kept = {"resume", "epochs", "jobs", "quiet", "command", "run"}
    others = [
        name
        for name, value in vars(options).items()
        # zero is a value that was given, too
        if name not in kept and value is not None and value != []
    ]
    if others:
        raise ParameterError(
            f"--resume takes its settings from the folder; leave out "
            f"{', '.join('--' + name.replace('_', '-') for name in others)} "
            "(only --epochs, --jobs and --quiet go with it)"
        )


def _default_out(settings: Any) -> Path:
    from neurosim.runfolder import default_run_folder

    return default_run_folder(Path("runs"), settings.system.name, settings.dataset, datetime.now())


def _shown(path: Path) -> str:
    """A path as a shell takes it; bytes that are no text are escaped."""
    return shlex.quote(os.fsencode(path).decode(errors="backslashreplace"))


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
        + f"\nresults: {_shown(folder)}"
        "  (summary.json, metrics.jsonl, config.toml, checkpoint.npz)\n"
        "next:    neurosim train --help\n"
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
        + f"\nresults: {_shown(folder)}"
    )


def _systems(options: argparse.Namespace) -> int:
    from neurosim.data import DATASETS
    from neurosim.models import SYSTEMS
    from neurosim.parameters import describe_parameters

    for name, system in SYSTEMS.items():
        print(f"{name}: {system.title}\n  {system.citation}")
        for dataset in DATASETS:
            preset = system.preset(dataset)
            hidden = "-".join(map(str, preset.hidden))
            print(f"  preset {dataset}: hidden {hidden}, {preset.epochs} epochs; {preset.source}")
        if options.parameters:
            defaults = {f.name: f.default for f in _fields(system)}
            for parameter, info in describe_parameters(system).items():
                unit = "" if info.unit == "1" else f" {info.unit}"
                print(f"  {parameter} = {defaults[parameter]}{unit}   {info.range_text()}")
                print(f"      {info.doc}")
    return 0


def _fields(system: Any) -> Any:
    import dataclasses

    return dataclasses.fields(system)


def _datasets(options: argparse.Namespace) -> int:
    del options
    from neurosim.data import DATASETS

    for info in DATASETS.values():
        shape = "x".join(map(str, info.image_shape))
        print(f"{info.name}: {info.title}, {shape}, {info.n_classes} classes,")
        print(f"  {info.n_train} training and {info.n_test} test images; {info.citation}")
    return 0


def _explain(options: argparse.Namespace) -> int:
    from neurosim.explain import explain

    print(explain(_settings(options)))
    return 0


# ---------------------------------------------------------------- entry point


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments without the program name; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 done, 2 something the user can mend, 128 + N stopped by signal N.
    """
    _replace_closed_streams()
    options = build_parser().parse_args(arguments)
    _show_messages(quiet=getattr(options, "quiet", False))
    signal.signal(signal.SIGTERM, _stop)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
    except NeurosimError as error:
        return _complain(error)
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        print("neurosim: stopped at once", file=sys.stderr)
        return 128 + int(number)
    except MemoryError as error:
        return _complain(f"not enough memory ({error}); give smaller layers or fewer images")
    except BrokenPipeError:
        # the reader of our output went away, e.g. `neurosim systems | head`
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        return _complain(
            f"the system refused to read or write ({error}); is there room, and may you write, "
            "where the output goes and in TMPDIR?"
        )
    return status


def _complain(message: object) -> int:
    # whatever a message quotes, it stays one line
    print("neurosim:", " ".join(str(message).splitlines()), file=sys.stderr)
    return 2


def _replace_closed_streams() -> None:
    """Give a program started with closed streams (``2>&-``) a place to write to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open to the end


def _discard_output() -> None:
    """Keep Python from complaining, at its end, about output that nobody can take."""
    # a stream that some other program has put in place may have no file
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise KeyboardInterrupt(number)


def _show_messages(*, quiet: bool) -> None:
    log = logging.getLogger("neurosim")
    log.setLevel(logging.INFO)
    log.handlers.clear()
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    handler.setFormatter(logging.Formatter("neurosim: %(message)s"))
    # on a terminal the progress bar tells of the epochs
    handler.addFilter(lambda record: not (record.name == "neurosim.epochs" and sys.stderr.isatty()))
    log.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
