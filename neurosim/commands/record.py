"""``neurosim record``: write what cells did while images were shown to a netCDF file."""

from __future__ import annotations

import argparse
from typing import Any

from neurosim.commands.options import (
    add_data_folder,
    add_list,
    number,
    path,
    shown,
    whole_number,
)
from neurosim.errors import ParameterError, counted

__all__ = ["add", "add_image_options", "check_nudge"]

_EXAMPLES = """\
examples:
  neurosim record runs/NAME --images 0-9 --out rec.nc                 every layer
  neurosim record runs/NAME --images 0-9 --layer 1 --neurons 0-19 --out rec.nc

The file opens in Python with xarray.open_dataset("rec.nc"), or, if it holds several
layers, xarray.open_datatree("rec.nc").
"""


def add(commands: Any) -> None:
    """Declare ``neurosim record``."""
    parser = commands.add_parser(
        "record",
        help="record every compartment while images are shown",
        description="Record the trajectory of every compartment of a trained network while "
        "images are shown, as netCDF with labels and units.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=path, metavar="RUN", help="run folder with a checkpoint")
    add_image_options(parser)
    parser.add_argument(
        "--layer", type=whole_number, metavar="N", help="one layer; 0 is the input (default: all)"
    )
    add_list(parser, "--neurons", metavar="N", help="neurons of the layer, e.g. 3 7 or 0-19")
    parser.add_argument("--free-only", action="store_true", help="leave the nudged phase out")
    parser.add_argument(
        "--beta", type=number, metavar="X", help="signed nudge (default: the system's own)"
    )
    parser.add_argument("--out", type=path, required=True, metavar="FILE.nc", help="the file")
    parser.add_argument(
        "--memory-limit",
        type=whole_number,
        default=1000,
        metavar="MB",
        help="above this, images are recorded and written some at a time (default: 1000)",
    )
    parser.add_argument(
        "--backend", default="runtime", help="runtime (default) or cpp, for many images"
    )
    parser.add_argument("--quiet", action="store_true", help="no messages")
    parser.set_defaults(run=_run)


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose images of a run's data set."""
    add_list(
        parser,
        "--images",
        metavar="N",
        help="numbers of the images, e.g. 3 7 9 or 0-9,12 (default: 0-9)",
    )
    parser.set_defaults(images=list(range(10)))
    parser.add_argument(
        "--split", choices=("test", "train"), default="test", help="part of the data set"
    )
    add_data_folder(parser)


def check_nudge(options: argparse.Namespace) -> None:
    """Refuse a nudge without the phase that it acts in.

    Parameters
    ----------
    options : argparse.Namespace
        With ``free_only`` and ``beta``.

    Raises
    ------
    ParameterError
        If both are given.
    """
    if options.free_only and options.beta is not None:
        raise ParameterError(
            f"--free-only leaves out the nudged phase, in which --beta {options.beta:g} would act; "
            "give one of them"
        )


def _run(options: argparse.Namespace) -> int:
    from neurosim.backends import check_choices
    from neurosim.recording import RecordingSize
    from neurosim.runs.opened import open_run

    if options.memory_limit < 1:
        raise ParameterError(f"--memory-limit {options.memory_limit}: give 1 or more (megabytes)")
    check_nudge(options)
    if options.neurons is not None and options.layer is None:
        raise ParameterError("--neurons are numbered within a layer; give --layer N as well")
    check_choices(backend=options.backend)
    opened = open_run(options.folder, data_dir=options.data_dir)
    x, y = opened.data.chosen(options.split, options.images)
    recording = opened.simulator.record(
        x,
        y,
        inputs=None if options.beta is None else {"beta": options.beta},
        phases=opened.simulator.system.evaluation_phases() if options.free_only else None,
        layer=options.layer,
        neurons=options.neurons,
        ids=options.images,
        to=options.out,
        memory_limit=1e6 * options.memory_limit,
        backend=options.backend,
    )
    if hasattr(recording, "close"):
        recording.close()
    size = RecordingSize.in_words(options.out.stat().st_size)
    if not options.quiet:
        print(f"recorded {counted(len(x), 'image')}: {shown(options.out)} ({size})")
    return 0
