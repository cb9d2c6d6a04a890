"""Train the runs of a comparison that are not there yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import ParameterError, RunFolderError
from neurosim.files import another_place
from neurosim.learning.named_systems import reference_of
from neurosim.runs.cluster import Cluster
from neurosim.runs.planned import PlannedSeeds, plan_resumed_seeds, plan_seeds
from neurosim.runs.seed_folder import add_seeds, holds_seeds, seeds_settings
from neurosim.runs.seeds import finish_seeds
from neurosim.runs.settings import RunSettings, resolve
from neurosim.runs.workers import check_jobs, cluster_options, worker_options

__all__ = ["plan_missing_seeds", "train_missing", "train_missing_seeds"]


def train_missing(
    systems: Sequence[str],
    seeds: int,
    out: Path,
    *,
    settings: Mapping[str, Any],
    jobs: int | None = None,
    progress: bool = True,
    cluster: Cluster | None = None,
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
    jobs : int, optional
        Most processes at one time; one by default.
    progress : bool
        Show progress bars.
    cluster : Cluster, optional
        What trains them, all side by side, in place of processes on this machine.

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
    check_jobs(1 if jobs is None else jobs)
    # check all systems before the first one is trained
    wanted = _by_name(systems, settings)
    if cluster is not None:
        planned = [
            plan_missing_seeds(one, seeds, out / name, how=cluster_options(one.backend, None, None))
            for name, one in wanted.items()
        ]
        finish_seeds(planned, progress=progress, cluster=cluster)
        return [out / name for name in wanted]
    for name, one in wanted.items():
        train_missing_seeds(one, seeds, out / name, jobs=jobs, progress=progress)
    return [out / name for name in wanted]


def train_missing_seeds(
    settings: RunSettings,
    seeds: int,
    folder: Path,
    *,
    jobs: int | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> None:
    """Train one system with several seeds; runs that are there already are kept.

    Parameters
    ----------
    settings : RunSettings
        Settings of all runs; their seed is not used.
    seeds : int
        Runs, seeds 0 to ``seeds - 1``.
    folder : Path
        Runs go to ``folder/seed-N``; finished ones found there are kept, even if longer,
        stopped or shorter ones go on.
    jobs : int, optional
        Most processes at one time; one by default.
    threads : int, optional
        Threads of each process; by default the cores are divided among them.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ParameterError
        If jobs or threads are out of range.
    RunFolderError
        If the folder holds runs with other settings, or cannot be written.
    NeurosimError
        If a run fails.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    how = worker_options(settings.backend, seeds, jobs or 1, None, threads)
    planned = plan_missing_seeds(settings, seeds, folder, how=how)
    finish_seeds([planned], jobs=jobs, progress=progress)


def plan_missing_seeds(
    settings: RunSettings, seeds: int, folder: Path, *, how: Sequence[str] = ()
) -> PlannedSeeds:
    """Find out what is left of one system's runs with several seeds.

    Parameters
    ----------
    settings, seeds, folder
        As for :func:`train_missing_seeds`, with the same errors.
    how : sequence of str
        Options that say how they are computed.

    Returns
    -------
    PlannedSeeds
        For :func:`neurosim.runs.seeds.finish_seeds`.
    """
    if not holds_seeds(folder):
        return plan_seeds(settings, range(seeds), folder, how=how)
    _refuse_other_settings(folder, settings)
    add_seeds(folder, range(seeds))
    given = {"epochs": settings.epochs, "data_dir": settings.data_dir}
    return plan_resumed_seeds(folder, given, only=range(seeds), how=how)


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
    found = seeds_settings(folder)
    same = dataclasses.replace(
        found,
        seed=wanted.seed,
        epochs=wanted.epochs,
        data_dir=wanted.data_dir,
        check_output=wanted.check_output,
    )
    if same != wanted:
        raise RunFolderError(
            f"{folder} holds runs with other settings: {_first_difference(same, wanted)}; give "
            f"the settings of these runs, or {another_place()}"
        )


def _first_difference(found: RunSettings, wanted: RunSettings) -> str:
    there, here = _named(found), _named(wanted)
    for name in {**here, **there}:
        if there.get(name) != here.get(name):
            return f"{name} is {_words(there.get(name))} there and {_words(here.get(name))} here"
    return "the class of the system is another one"


def _named(settings: RunSettings) -> dict[str, Any]:
    """All settings by the names under which they are given; those of the system after its name."""
    fields = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    system, reading, preset = (fields.pop(name) for name in ("system", "reading", "preset"))
    values = {field.name: getattr(system, field.name) for field in dataclasses.fields(system)}
    name = {"system": reference_of(system), "hidden": values.pop("layers")[1:-1]}
    return {**name, **fields, **reading.given(), **values, "preset": preset}


def _words(value: Any) -> str:
    if value is None:
        return "not given"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
