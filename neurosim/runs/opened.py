"""Read what a run left in its folder: settings, trained network and images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from neurosim.data import Dataset
from neurosim.errors import RunFolderError
from neurosim.learning.simulator import Simulator
from neurosim.runs.folder import CONFIG_NAME, RunFolder
from neurosim.runs.saved import saved_settings
from neurosim.runs.settings import RunSettings

__all__ = ["OpenedRun", "open_run", "read_settings", "way_on"]

_WAY_OUT = "give the folder that `neurosim train` named at its end"


@dataclasses.dataclass(frozen=True)
class OpenedRun:
    """Settings, trained network and images of a run.

    Attributes
    ----------
    path : Path
        The run folder.
    settings : RunSettings
        What was trained.
    simulator : Simulator
        The network with the weights of the newest checkpoint.
    data : Dataset
        Its images and labels.
    """

    path: Path
    settings: RunSettings
    simulator: Simulator
    data: Dataset


def read_settings(path: str | Path, *, way_out: str = _WAY_OUT, **given: Any) -> RunSettings:
    """Read the settings of a run; nothing in its folder is changed or locked.

    Parameters
    ----------
    path : str or Path
        The run folder.
    way_out : str
        What to do about a folder without a run, for the message.
    **given
        Run settings that replace the run's own, by the names of
        :data:`neurosim.runs.settings.RUN_DEFAULTS`; None keeps the run's own.

    Returns
    -------
    RunSettings
        Resolved and checked.

    Raises
    ------
    RunFolderError
        If there is no such folder, or no run in it.
    ParameterError, DataError
        If this version does not know the run's settings.
    """
    folder = Path(path)
    if not folder.exists():
        raise RunFolderError(f"no run folder {folder}: there is no such folder; {way_out}")
    if not (folder / CONFIG_NAME).exists():
        raise RunFolderError(f"{folder} holds no run: no {CONFIG_NAME} there; {way_out}")
    return saved_settings(folder, given)


def open_run(
    path: str | Path, *, data_dir: Path | None = None, way_out: str = _WAY_OUT
) -> OpenedRun:
    """Read a run folder; nothing in it is changed or locked.

    Parameters
    ----------
    path : str or Path
        The folder that ``neurosim train`` wrote.
    data_dir : Path, optional
        Where the data set lies now; by default where the run found it.
    way_out : str
        As for :func:`read_settings`.

    Returns
    -------
    OpenedRun
        Settings, network and data.

    Raises
    ------
    RunFolderError
        If there is no such folder, or no run in it.
    CheckpointError
        If it holds no usable checkpoint.
    DataError
        If its data set cannot be read.
    """
    folder = Path(path)
    settings = read_settings(folder, way_out=way_out, data_dir=data_dir)
    simulator = Simulator.load(folder, backend=settings.backend)
    return OpenedRun(folder, settings, simulator, settings.load_data())


def way_on(folder: Path) -> str:
    """What to do with a run that has not finished an epoch.

    Parameters
    ----------
    folder : Path
        Its folder.

    Returns
    -------
    str
        For an error message: to go on, or of a run that diverged why, and how to mend it.

    Raises
    ------
    RunFolderError
        If its summary is damaged.
    """
    diverged = RunFolder(folder).read_summary().get("diverged")
    if diverged is None:
        return f"go on with it: neurosim train --resume {folder}"
    return f"{diverged}; start the new run with another --out"
