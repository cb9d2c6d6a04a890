"""A trained network and its images, from a run folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from neurosim.config import RunSettings, resolve, settings_from_config
from neurosim.data import Dataset, load_dataset
from neurosim.errors import RunFolderError
from neurosim.runfolder import RunFolder
from neurosim.simulator import Simulator

__all__ = ["OpenedRun", "open_run"]


@dataclasses.dataclass(frozen=True)
class OpenedRun:
    """What a run left, ready to be looked at.

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


def open_run(path: str | Path) -> OpenedRun:
    """Open a run folder for looking; nothing in it is changed or locked.

    Parameters
    ----------
    path : str or Path
        The folder that ``neurosim train`` wrote.

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
    if not folder.is_dir():
        raise RunFolderError(f"no run folder {folder}: give the folder that neurosim train wrote")
    config = RunFolder(folder).read_config()
    settings = resolve({}, settings_from_config(config, str(folder)))
    simulator = Simulator.load(folder, backend=settings.backend)
    data = load_dataset(
        settings.dataset,
        data_dir=settings.data_dir,
        train_images=settings.train_images,
        test_images=settings.test_images,
        seed=settings.seed,
    )
    return OpenedRun(folder, settings, simulator, data)
