"""Options and conversions that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from neurosim.commands.given import given_settings, refuse_unused_hidden
from neurosim.errors import ParameterError

__all__ = [
    "Lists",
    "add_backend",
    "add_circuit_options",
    "add_cluster_options",
    "add_data_folder",
    "add_list",
    "add_reading_options",
    "cluster_from",
    "joined_lists",
    "names",
    "number",
    "number_list",
    "numbers",
    "path",
    "settings_from",
    "shown",
    "whole_number",
]

#: A number, or a list of numbers and ranges.
_NUMBERS = re.compile(r"\d[\d,-]*")


def path(text: str) -> Path:
    """Convert an option to a path; ``~`` at its beginning is the home folder.

    Parameters
    ----------
    text : str
        What the user wrote.

    Returns
    -------
    Path
        The path, which need not exist.

    Raises
    ------
    argparse.ArgumentTypeError
        If there is no such home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(
            f"the home folder in {text!r} is unknown; set HOME, or write the whole path"
        ) from None


def whole_number(text: str) -> int:
    """Convert an option to a whole number.

    Parameters
    ----------
    text : str
        What the user wrote.

    Returns
    -------
    int
        The number.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is not a whole number.
    """
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"give a whole number, not {text!r}") from None


def number(text: str) -> float:
    """Convert an option to a number.

    Parameters
    ----------
    text : str
        What the user wrote.

    Returns
    -------
    float
        The number.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"give a number, not {text!r}") from None


def number_list(text: str) -> list[int]:
    """Convert numbers and ranges such as ``0-9,12`` to a list, ends of ranges included.

    Parameters
    ----------
    text : str
        What the user wrote.

    Returns
    -------
    list of int
        The numbers, in the order given.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is something else, or a range runs backwards.
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"give numbers and ranges like 0-9,12, not {text!r}")
        end = int(last) if dash else int(first)
        if end < int(first):
            raise argparse.ArgumentTypeError(f"the range {part.strip()!r} runs backwards")
        numbers += range(int(first), end + 1)
    return numbers


class Lists(argparse.Action):
    """A list in either notation, ``0 1 2`` or ``0,1,2``; for numbers also ``0-9``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        """Keep one list."""
        del parser, option
        setattr(namespace, self.dest, [item for items in values for item in items])


class Pair(argparse.Action):
    """Members in either notation, ``28 28`` or ``28,28``, kept as text."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        """Keep the text, with a comma."""
        del parser, option
        members = (name for value in values for name in names(value))
        setattr(namespace, self.dest, ",".join(members))


def add_list(parser: Any, option: str, *, metavar: str, help: str, of: Any = None) -> None:
    """Add an option that takes a list, with spaces or commas between its members.

    Parameters
    ----------
    parser : argparse.ArgumentParser or group of one
        What gets it.
    option : str
        Its name, with dashes.
    metavar, help : str
        As argparse takes them.
    of : callable, optional
        Converts a word to a list of members; :func:`numbers` by default.
    """
    parser.add_argument(
        option, type=of or numbers, action=Lists, nargs="+", metavar=metavar, help=help
    )


def joined_lists(words: Sequence[str], options: Collection[str]) -> list[str]:
    """Join numbers that follow an option with commas, so that a folder after them stays apart.

    Parameters
    ----------
    words : sequence of str
        What the user wrote.
    options : collection of str
        Options that take lists of numbers.

    Returns
    -------
    list of str
        ``--images 3 7 runs/a`` becomes ``--images=3,7 runs/a``.
    """
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        members: list[str] = []
        while word in options and rest and _NUMBERS.fullmatch(rest[0]):
            members.append(rest.pop(0))
        found.append(f"{word}={','.join(members)}" if members else word)
    return found


def names(text: str) -> list[str]:
    """Convert one word of an option that takes several names.

    Parameters
    ----------
    text : str
        What the user wrote.

    Returns
    -------
    list of str
        One name, or those of a list with commas.
    """
    return [name for part in text.split(",") if (name := part.strip())]


def numbers(text: str) -> list[int]:
    """Convert one word of an option that takes several whole numbers.

    Parameters
    ----------
    text : str
        What the user wrote.

    Returns
    -------
    list of int
        One number, or those of a list with commas and ranges.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is something else.
    """
    listed = "," in text or "-" in text[1:]
    return number_list(text) if listed else [whole_number(text)]


def add_circuit_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose system, data set, parameters and back end."""
    group = parser.add_argument_group("what to simulate")
    group.add_argument(
        "--system",
        metavar="NAME",
        help="learning system (default: corinfomax), or FILE.py:CLASS for one of your own",
    )
    group.add_argument(
        "--dataset",
        metavar="NAME",
        help="mnist (default), fashion-mnist, kmnist, cifar10, or digits (embedded, no download); "
        "or data of your own: FILE.npz, or a folder of images",
    )
    add_list(
        group, "--hidden", metavar="N", help="sizes of the hidden layers (default: the preset's)"
    )
    group.add_argument(
        "--batch",
        metavar="N",
        help="images per update of the weights; 1 is online (default: the preset's)",
    )
    group.add_argument(
        "--event-threshold",
        metavar="X",
        help="change of rate that makes a cell send; 0 is exact (default: the system's, 0.001 for "
        "corinfomax)",
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
        type=path,
        metavar="FILE.toml",
        help="settings from a file, e.g. the config.toml of a run",
    )
    add_backend(group)
    group.add_argument("--dtype", help="float32 (default) or float64")
    add_reading_options(parser)


def add_backend(group: Any) -> None:
    """Add the option that chooses the back end to a parser or group."""
    group.add_argument(
        "--backend",
        metavar="NAME",
        help="cpp (compiled, default), cuda (a GPU), genn or runtime (no compiler needed); see "
        "neurosim backends",
    )


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how data of one's own are read."""
    group = parser.add_argument_group("data of your own")
    group.add_argument(
        "--scale",
        metavar="HOW",
        nargs="+",
        action=Pair,
        help="range (lowest training value becomes 0, highest 1), LOW HIGH (these become 0 and 1) "
        "or none (default: bytes by 255, other numbers must be scaled)",
    )
    group.add_argument(
        "--test-share",
        metavar="X",
        help="share of each class for testing, where there is no test set (default: 0.2)",
    )
    group.add_argument(
        "--image-size",
        metavar="N",
        nargs="+",
        action=Pair,
        help="height and width in pixels to bring the images of a folder to",
    )
    group.add_argument(
        "--colour", metavar="KIND", help="grey or rgb: what to convert the images of a folder to"
    )
    group.add_argument(
        "--preset-from",
        metavar="NAME",
        help="data set whose settings serve (default: --dataset, or mnist for data of your own)",
    )


def add_data_folder(parser: Any) -> None:
    """Add the option that names the folder of data sets to a parser or group."""
    parser.add_argument(
        "--data-dir",
        type=path,
        metavar="DIR",
        help="where data sets lie (default: the user's cache; of a run: where it found them)",
    )


def add_cluster_options(group: Any, *, stretches: bool = True) -> None:
    """Add the options that have runs trained on a cluster.

    Parameters
    ----------
    group : argparse.ArgumentParser or group of one
        What gets them.
    stretches : bool
        Whether tasks are stretches of runs, whose length can be chosen.
    """
    group.add_argument(
        "--cluster",
        metavar="WHERE",
        help="local, slurm, or the address of a Dask scheduler (tcp://HOST:PORT), whose workers "
        "train in place of processes here; --out must be a folder that all machines share",
    )
    if stretches:
        group.add_argument(
            "--stretch",
            type=whole_number,
            metavar="N",
            help="epochs of a task on a cluster (default: a tenth of the run)",
        )


def cluster_from(options: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
    """Open the cluster that parsed options name.

    Parameters
    ----------
    options : argparse.Namespace
        With those of :func:`add_cluster_options`, ``jobs`` and perhaps ``threads``.

    Returns
    -------
    context manager
        Of a :class:`~neurosim.runs.cluster.Cluster`, or None if none is named.

    Raises
    ------
    ParameterError
        If an option is for clusters, and none is named.
    """
    if options.cluster is None:
        if getattr(options, "stretch", None) is not None:
            raise ParameterError("--stretch is for runs on a cluster; give --cluster as well")
        return contextlib.nullcontext()
    from neurosim.runs.cluster_opening import open_cluster

    return open_cluster(
        options.cluster,
        jobs=options.jobs,
        threads=getattr(options, "threads", None),
        stretch=getattr(options, "stretch", None),
    )


def settings_from(options: argparse.Namespace) -> Any:
    """Resolve parsed options, with their config file.

    Parameters
    ----------
    options : argparse.Namespace
        With the options of :func:`add_circuit_options`.

    Returns
    -------
    neurosim.runs.settings.RunSettings
        Options win over the file, the file over presets, presets over defaults.

    Raises
    ------
    ParameterError
        If an option or a line of the file is unknown or out of its range, or two options
        contradict each other.
    """
    from neurosim.runs.settings import RUN_DEFAULTS, read_config_file, resolve

    config = None if options.config is None else read_config_file(options.config)
    settings = resolve(given_settings(options, RUN_DEFAULTS), config)
    refuse_unused_hidden(options.hidden, settings.system)
    return settings


def shown(file: Path) -> str:
    """Quote a path for the shell; bytes that are not text are escaped.

    Parameters
    ----------
    file : Path
        A file or folder.

    Returns
    -------
    str
        Printable text.
    """
    return shlex.quote(os.fsencode(file).decode(errors="backslashreplace"))
