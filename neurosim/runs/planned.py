"""Runs that are planned: what is left of them, and what to ask ``neurosim train`` for.

Every seed of an experiment is a run in a folder ``seed-N`` below the folder of all, which
holds the settings they have in common (``config.toml``).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import ParameterError
from neurosim.runs.folder import CONFIG_NAME, RunFolder, write_result
from neurosim.runs.provenance import environment
from neurosim.runs.saved import saved_settings
from neurosim.runs.seed_folder import (
    prepare_seeds,
    read_seeds,
    seeds_settings,
)
from neurosim.runs.settings import RunSettings
from neurosim.runs.tensorboard import FOLDER_NAME, require_tensorboard

__all__ = ["PlannedRun", "PlannedSeeds", "plan_resumed_seeds", "plan_seeds"]


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of several that differ in their seed.

    Attributes
    ----------
    out : Path
        Folder of all; it holds their settings.
    seed : int
        Seed of this run.
    epochs : int
        Epochs it shall have in all.
    how : tuple of str
        Options that say how it is computed and change no result.
    changes : tuple of str
        Options that change settings of a run that has begun.
    tensorboard : bool
        Write TensorBoard event files, too.
    """

    out: Path
    seed: int
    epochs: int
    how: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    tensorboard: bool = False

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.out / f"seed-{self.seed}"

    @property
    def begun(self) -> bool:
        """Whether its folder holds settings already."""
        return os.path.lexists(self.folder / CONFIG_NAME)

    def options(self, until: int | None = None) -> list[str]:
        """Options of ``neurosim train`` for what is left, as the folder is now.

        Parameters
        ----------
        until : int, optional
            Epoch after which to stop before the end.

        Returns
        -------
        list of str
            Empty if nothing is left. The last one is the run's folder.

        Raises
        ------
        RunFolderError
            If files of a run that has begun cannot be read.
        """
        folder = str(self.folder)
        also = ["--tensorboard"] if self.tensorboard else []
        stop = [] if until is None or until >= self.epochs else ["--until", str(until)]
        if not self.begun:
            shared = ["--config", str(self.out / CONFIG_NAME), "--seed", str(self.seed)]
            return [*self.how, *also, *stop, *shared, "--out", folder]
        if not self._is_done():
            changes = [*self.how, *self.changes, *also, *stop]
            return [*changes, "--epochs", str(self.epochs), "--resume", folder]
        if self.tensorboard and not (self.folder / FOLDER_NAME).is_dir():
            return [*self.how, *self.changes, *also, "--resume", folder]
        return []

    def _is_done(self) -> bool:
        """Whether it has finished with its epochs, or has them on the way to more."""
        run = RunFolder(self.folder)
        if saved_settings(self.folder).epochs > self.epochs:
            return len(run.read_metrics()) >= self.epochs
        # the summary is written last, after the checkpoint
        return bool(run.read_summary().get("epoch", 0) >= self.epochs)


@dataclasses.dataclass(frozen=True)
class PlannedSeeds:
    """All runs of one experiment.

    Attributes
    ----------
    settings : RunSettings
        Settings they have in common.
    out : Path
        Folder of all.
    seeds : tuple of int
        Their seeds.
    runs : tuple of PlannedRun
        Those of which something is left.
    new : bool
        Whether their folder was made for this plan.
    """

    settings: RunSettings
    out: Path
    seeds: tuple[int, ...]
    runs: tuple[PlannedRun, ...]
    new: bool = False

    @property
    def folders(self) -> list[Path]:
        """Folders of all runs, those with nothing left included."""
        return [self.out / f"seed-{seed}" for seed in self.seeds]


def plan_seeds(
    settings: RunSettings,
    seeds: Sequence[int],
    out: Path,
    *,
    how: Sequence[str] = (),
    tensorboard: bool = False,
) -> PlannedSeeds:
    """Make the folder of several runs, for :func:`neurosim.runs.seeds.finish_seeds`.

    Parameters
    ----------
    settings, seeds, out, tensorboard
        As for :func:`neurosim.runs.seeds.train_seeds`.
    how : sequence of str
        Options that say how they are computed.

    Returns
    -------
    PlannedSeeds
        All of which is left.

    Raises
    ------
    ParameterError
        If a seed is given twice, or TensorBoard is asked for and not installed.
    RunFolderError
        If the folder is not empty or cannot be written.
    """
    if len(set(seeds)) != len(seeds):
        raise ParameterError(f"seeds {' '.join(map(str, seeds))}: one is given twice; leave it out")
    if tensorboard:
        require_tensorboard()
    prepare_seeds(out, settings, seeds)
    planned = _plan(settings, out, seeds, how, tensorboard=tensorboard)
    return dataclasses.replace(planned, new=True)


def plan_resumed_seeds(
    path: Path,
    given: Mapping[str, Any],
    *,
    only: Sequence[int] | None = None,
    how: Sequence[str] = (),
    tensorboard: bool = False,
) -> PlannedSeeds:
    """Find out what is left of several runs, for :func:`neurosim.runs.seeds.finish_seeds`.

    Parameters
    ----------
    path : Path
        Their folder.
    given : mapping of str to object
        Settings that change: ``epochs``, ``data_dir``, ``backend``, ``check_output``; None
        keeps them.
    only : sequence of int, optional
        Seeds of the folder to go on with; all by default.
    how : sequence of str
        Options that say how they are computed.
    tensorboard : bool
        Every run writes TensorBoard event files, too.

    Returns
    -------
    PlannedSeeds
        Without the runs that have all their epochs, or more.

    Raises
    ------
    RunFolderError
        If the seeds or settings in the folder cannot be read.
    ParameterError
        If a setting is out of range.
    """
    if tensorboard:
        require_tensorboard()
    seeds = [seed for seed in read_seeds(path) if only is None or seed in only]
    settings = seeds_settings(path, given)
    changes = _options_of(
        settings, given.get("data_dir"), given.get("backend"), given.get("check_output")
    )
    planned = _plan(settings, path, seeds, how, tensorboard=tensorboard, changes=changes)
    if planned.runs and any(value is not None for value in given.values()):
        # seeds that have not begun, and the next resume, read the new settings here
        write_result(path / CONFIG_NAME, settings.to_config(environment()).encode())
    return planned


def _plan(
    settings: RunSettings,
    out: Path,
    seeds: Sequence[int],
    how: Sequence[str],
    *,
    tensorboard: bool,
    changes: Sequence[str] = (),
) -> PlannedSeeds:
    runs = [
        PlannedRun(out, seed, settings.epochs, tuple(how), tuple(changes), tensorboard)
        for seed in seeds
    ]
    return PlannedSeeds(settings, out, tuple(seeds), tuple(run for run in runs if run.options()))


def _options_of(
    settings: RunSettings, data_dir: Path | None, backend: str | None, check_output: bool | None
) -> list[str]:
    """Options that change settings of runs that have begun."""
    options = [] if data_dir is None else ["--data-dir", str(settings.data_dir)]
    if backend is not None:
        options += ["--backend", backend]
    if check_output is not None:
        options.append("--output-check" if check_output else "--no-output-check")
    return options
