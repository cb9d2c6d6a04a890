"""Train the runs of a comparison that are not there yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import ParameterError, RunFolderError
from neurosim.runs.seeds import (
    add_seeds,
    holds_seeds,
    read_seeds_config,
    resume_seeds,
    train_seeds,
)
from neurosim.runs.settings import RunSettings, resolve
from neurosim.runs.workers import check_jobs

__all__ = ["train_missing"]


def train_missing(
    systems: Sequence[str],
    seeds: int,
    out: Path,
    *,
    settings: Mapping[str, Any],
    jobs: int = 1,
    progress: bool = True,
) -> list[Path]:
    """Train several systems with several seeds; runs that are there already are kept.

    Parameters
    ----------
    systems : sequence of str
        Names of systems, or ``path/to/file.py:ClassName``.
    seeds : int
        Runs of each, seeds 0 to ``seeds - 1``.
    out : Path
        Runs go to ``out/NAME/seed-N`` with the system's own name; finished ones found
        there are kept, even if longer, stopped or shorter ones go on.
    settings : mapping of str to object
        Run settings common to all; None where the preset decides.
    jobs : int
        Most processes at one time.
    progress : bool
        Show progress bars.

    Returns
    -------
    list of Path
        One folder per system.

    Raises
    ------
    ParameterError
        If a system or setting is unknown or out of range, or two systems have one name.
    RunFolderError
        If a folder holds runs with other settings, or cannot be written.
    NeurosimError
        If a run fails.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    if seeds < 1:
        raise ParameterError(f"--seeds {seeds}: give 1 or more")
    check_jobs(jobs)
    # check all systems before the first one is trained
    wanted = _by_name(systems, settings)
    for name, one in wanted.items():
        folder = out / name
        if holds_seeds(folder):
            _refuse_other_settings(folder, one)
            add_seeds(folder, range(seeds))
            resume_seeds(
                folder, jobs=jobs, epochs=one.epochs, data_dir=one.data_dir, progress=progress
            )
        else:
            train_seeds(one, range(seeds), folder, jobs=jobs, progress=progress)
    return [out / name for name in wanted]


def _by_name(systems: Sequence[str], settings: Mapping[str, Any]) -> dict[str, RunSettings]:
    """Settings of each system by its own name, which names its folder."""
    wanted: dict[str, RunSettings] = {}
    for reference in systems:
        one = resolve({**settings, "system": reference})
        if one.system.name in wanted:
            raise ParameterError(
                f"system {reference!r} has the name {one.system.name!r} of another one given; "
                "give it another name, or leave it out"
            )
        wanted[one.system.name] = one
    return wanted


def _refuse_other_settings(folder: Path, wanted: RunSettings) -> None:
    found = resolve({}, read_seeds_config(folder))
    same = dataclasses.replace(
        found,
        epochs=wanted.epochs,
        data_dir=wanted.data_dir,
        check_output=wanted.check_output,
    )
    if same != dataclasses.replace(wanted, seed=found.seed):
        raise RunFolderError(
            f"{folder} holds runs with other settings than the ones given; give another --out"
        )
