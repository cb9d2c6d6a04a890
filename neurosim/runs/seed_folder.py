"""The folder of several runs that differ in their seed.

It holds their common settings (``config.toml``) and seeds (``seeds.json``). Both are written
first, so that the runs can be resumed whenever they are stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import RunFolderError
from neurosim.files import another_place, storage_error
from neurosim.runs.folder import (
    CONFIG_NAME,
    LEFTOVERS,
    RunFolder,
    make_folder,
    write_result,
)
from neurosim.runs.provenance import environment
from neurosim.runs.saved import saved_settings
from neurosim.runs.settings import RunSettings

__all__ = [
    "add_seeds",
    "finished_epochs",
    "forget_seeds",
    "holds_seeds",
    "prepare_seeds",
    "read_seeds",
    "seed_folders",
    "seeds_settings",
]

#: The list of seeds in the folder.
SEEDS_NAME = "seeds.json"


def seed_folders(path: Path) -> list[Path]:
    """Folders of the runs that have begun below ``path``, sorted by seed.

    Parameters
    ----------
    path : Path
        Folder of :func:`train_seeds`, or any other.

    Returns
    -------
    list of Path
        Its folders ``seed-N``; empty if there are none.
    """
    folders = [folder for folder in path.glob("seed-*") if folder.name[5:].isdecimal()]
    return sorted(folders, key=lambda folder: int(folder.name[5:]))


def holds_seeds(path: Path) -> bool:
    """Whether a folder is one of :func:`train_seeds`.

    Parameters
    ----------
    path : Path
        A folder, which may not exist.

    Returns
    -------
    bool
        True if it holds a list of seeds, or runs by seed.
    """
    return os.path.lexists(path / SEEDS_NAME) or bool(seed_folders(path))


def prepare_seeds(out: Path, settings: RunSettings, seeds: Sequence[int]) -> None:
    """Make the folder of runs that have not begun.

    Parameters
    ----------
    out : Path
        Absent, or empty.
    settings : RunSettings
        Settings of all runs; their seed is not used.
    seeds : sequence of int
        Their seeds.

    Raises
    ------
    RunFolderError
        If it is not empty or cannot be written.
    """
    make_folder(out)
    try:
        occupied = any(out.iterdir())
    except OSError as error:
        raise storage_error(out, "list the files in", error) from error
    if occupied:
        raise RunFolderError(
            f"{out} is not empty; give {another_place()}, or go on with --resume {out}"
        )
    # the seeds first: they tell this folder from that of a single run
    _write_list(out, seeds)
    write_result(out / CONFIG_NAME, settings.to_config(environment()).encode())


def forget_seeds(out: Path) -> None:
    """Take back :func:`prepare_seeds` where no run was shown an image.

    Parameters
    ----------
    out : Path
        The folder, in which nothing trains any more. With a trained run, or a file that is
        none of a run's, it stays as it is.
    """
    runs = seed_folders(out)
    try:
        for folder in runs:
            RunFolder.create(folder).close()
    except RunFolderError:
        return
    with contextlib.suppress(OSError):
        for folder in runs:
            for name in LEFTOVERS:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
        for name in (CONFIG_NAME, SEEDS_NAME):
            (out / name).unlink(missing_ok=True)


def add_seeds(path: Path, seeds: Sequence[int]) -> list[int]:
    """Plan runs with more seeds in a folder of :func:`train_seeds`.

    Parameters
    ----------
    path : Path
        The folder.
    seeds : sequence of int
        Seeds to be there; those planned before are kept.

    Returns
    -------
    list of int
        All seeds; :func:`resume_seeds` trains those that have not begun.

    Raises
    ------
    RunFolderError
        If its seeds cannot be read or written.
    """
    planned = read_seeds(path)
    wanted = [*planned, *(seed for seed in seeds if seed not in planned)]
    if wanted != planned:
        _write_list(path, wanted)
    return wanted


def read_seeds(path: Path) -> list[int]:
    """Seeds of the runs in a folder, begun or not.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    list of int
        In the order they were given.

    Raises
    ------
    RunFolderError
        If they cannot be read.
    """
    file = path / SEEDS_NAME
    try:
        seeds = json.loads(file.read_text())["seeds"]
        if not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
            raise ValueError(f"seeds are {seeds!r}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(
            f"cannot read the seeds of the runs in {path} ({error}); "
            f'put them into {file}, e.g. {{"seeds": [0, 1, 2]}}, or go on with one of its '
            "folders seed-N"
        ) from error
    return list(seeds)


def seeds_settings(path: Path, given: Mapping[str, Any] | None = None) -> RunSettings:
    """Settings common to the runs in a folder of :func:`train_seeds`.

    Parameters
    ----------
    path : Path
        The folder.
    given : mapping of str to object, optional
        Run settings that replace them; None keeps them.

    Returns
    -------
    RunSettings
        Resolved.

    Raises
    ------
    RunFolderError
        If there are no settings, or they cannot be read.
    ParameterError, DataError
        If this version does not know them.
    """
    if not os.path.lexists(path / CONFIG_NAME):
        raise RunFolderError(
            f"{path} was left before its settings were written, so nothing has been learned; "
            "remove it and start anew"
        )
    return saved_settings(path, given)


def finished_epochs(folder: Path) -> list[dict[str, Any]]:
    """Metrics of a run, which may not have begun.

    Parameters
    ----------
    folder : Path
        Its folder, which may not exist.

    Returns
    -------
    list of dict
        One per finished epoch.

    Raises
    ------
    RunFolderError
        If the metrics cannot be read.
    """
    return RunFolder(folder).read_metrics() if folder.is_dir() else []


def _write_list(out: Path, seeds: Sequence[int]) -> None:
    write_result(out / SEEDS_NAME, (json.dumps({"seeds": list(seeds)}) + "\n").encode())
