"""The data of figures: a run's settings, metrics, weights, images and activity."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit.graph import Layer
from neurosim.data import Dataset
from neurosim.errors import RunFolderError
from neurosim.learning.simulator import Simulator
from neurosim.runs.folder import RunFolder
from neurosim.runs.opened import read_settings, way_on
from neurosim.runs.settings import RunSettings
from neurosim.runs.tally import objective_images
from neurosim.system import PublishedCurve

__all__ = ["Activity", "Run", "Source", "as_run", "as_runs", "open_runs"]

#: What every figure function takes: a run, its folder, or several of them.
Source = Any


@dataclasses.dataclass(frozen=True)
class Activity:
    """Rates of all layers for the test images.

    Attributes
    ----------
    settled : dict of str to ndarray
        (n_images, n_cells) by population, at the end of evaluation.
    phase : str
        Name of the phase at whose end evaluation stops.
    rates : dict of str to dict of str to ndarray
        Rates at the end of each phase of a training cycle, by phase, then by population.
    labels : ndarray, shape (n_images,)
        Classes.
    """

    settled: dict[str, NDArray[Any]]
    phase: str
    rates: dict[str, dict[str, NDArray[Any]]]
    labels: NDArray[np.int64]


class Run:
    """A training run, finished or not; its files are read when they are needed.

    Parameters
    ----------
    path : str or Path
        The run folder.
    data_dir : Path, optional
        Where data sets lie; by default where the run found them.

    Raises
    ------
    RunFolderError
        If there is no run.
    """

    def __init__(self, path: str | Path, *, data_dir: Path | None = None) -> None:
        self.path = Path(path)
        self.settings: RunSettings = read_settings(self.path, data_dir=data_dir)

    @classmethod
    def from_simulator(cls, simulator: Simulator, data: Dataset) -> Run:
        """Make a run of a simulator in this program, without a folder and without metrics.

        Parameters
        ----------
        simulator : Simulator
            Its weights are read when a figure needs them.
        data : Dataset
            Its test images are shown.

        Returns
        -------
        Run
            With weights and activity, for every figure that needs no metrics.
        """
        run = cls.__new__(cls)
        run.path = Path(".")
        run.settings = RunSettings(
            system=simulator.system,
            dataset=data.name,
            data_dir=None,
            epochs=simulator.epoch,
            train_images=len(data.x_train),
            test_images=None,
            seed=simulator.seed,
            backend=simulator.backend_name,
            dtype=simulator.dtype,
            preset="",
        )
        run.__dict__.update(simulator=simulator, data=data, rows=[])
        return run

    # ------------------------------------------------------------ metrics

    @functools.cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of ``metrics.jsonl``, one per epoch."""
        return RunFolder(self.path).read_metrics()

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """The rows of all epochs that are finished.

        Raises
        ------
        RunFolderError
            If there are none yet.
        """
        if not self.rows:
            raise RunFolderError(
                f"{self.path} holds no metrics: no epoch is finished; {way_on(self.path)}"
            )
        return self.rows

    @property
    def images_per_epoch(self) -> int:
        """Training images shown in one epoch."""
        return self.settings.images_per_epoch

    # ------------------------------------------------------------ weights, before and after

    @functools.cached_property
    def simulator(self) -> Simulator:
        """The trained network, from the checkpoint."""
        return Simulator.load(self.path, backend=self.settings.backend)

    @functools.cached_property
    def untrained(self) -> Simulator:
        """The network before learning, made again from the run's seed."""
        s = self.settings
        return Simulator(s.system, seed=s.seed, backend=s.backend, dtype=s.dtype)

    @functools.cached_property
    def initial_objectives(self) -> dict[str, float]:
        """What each layer lowers, before learning; by population."""
        return self.untrained.objectives(*objective_images(self.data))

    @property
    def weights(self) -> dict[str, NDArray[Any]]:
        """Weights of the checkpoint, by name."""
        return self.simulator.weights.arrays()

    @property
    def initial_weights(self) -> dict[str, NDArray[Any]]:
        """Weights before learning, by name."""
        return self.untrained.weights.arrays()

    # ------------------------------------------------------------ activity

    @functools.cached_property
    def data(self) -> Dataset:
        """The data set the run learned from."""
        return self.settings.load_data()

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image, channels first, found without reading the data set."""
        if "data" in self.__dict__:
            return self.data.image_shape
        return self.settings.data_info().image_shape

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers from input to output."""
        return self.settings.system.layer_cells()

    @functools.cached_property
    def activity(self) -> Activity:
        """Rates for all test images after learning."""
        return self._activity(self.simulator)

    @functools.cached_property
    def initial_activity(self) -> Activity:
        """Rates for all test images before learning."""
        return self._activity(self.untrained)

    def _activity(self, simulator: Simulator) -> Activity:
        x, y = self.data.x_test, self.data.y_test
        evaluated = simulator.activity(x)
        phase = list(evaluated)[-1]
        return Activity(evaluated[phase], phase, simulator.activity(x, y), y)

    # ------------------------------------------------------------ published results

    @property
    def published(self) -> tuple[PublishedCurve, ...]:
        """Published curves, if the run has exactly the settings they were published for."""
        return self.settings.published()

    def close(self) -> None:
        """Delete the work files of the programs that ran."""
        for name in ("simulator", "untrained"):
            if name in self.__dict__:
                self.__dict__[name].close()


def open_runs(path: str | Path, *, data_dir: Path | None = None) -> list[Run]:
    """The run in a folder, or the runs of several seeds below it.

    Parameters
    ----------
    path : str or Path
        What ``neurosim train`` wrote, with or without ``--seeds``.
    data_dir : Path, optional
        Where data sets lie; by default where the runs found them.

    Returns
    -------
    list of Run
        One per seed.

    Raises
    ------
    RunFolderError
        If there is no run.
    """
    from neurosim.runs.seed_folder import seed_folders

    folders = seed_folders(Path(path)) or [Path(path)]
    return [Run(folder, data_dir=data_dir) for folder in folders]


def as_runs(source: Source, *, data_dir: Path | None = None) -> list[Run]:
    """Open what a figure function was given.

    Parameters
    ----------
    source : Run, path, or sequence of either
        The argument of the figure function.
    data_dir : Path, optional
        Where the data sets of paths lie; by default where the runs found them.

    Returns
    -------
    list of Run
        In the order given; a folder of several seeds gives one per seed.

    Raises
    ------
    RunFolderError
        If a folder holds no run.
    TypeError
        If it is something else, or an empty sequence.
    """
    if isinstance(source, Run):
        return [source]
    if isinstance(source, (str, Path)):
        return open_runs(source, data_dir=data_dir)
    if isinstance(source, Sequence) and source:
        return [run for one in source for run in as_runs(one, data_dir=data_dir)]
    raise TypeError(f"{source!r} is no run; give a Run, a run folder, or several of them")


def as_run(source: Source, *, data_dir: Path | None = None) -> Run:
    """Open the run of a figure that shows one network: the first of several.

    Parameters
    ----------
    source : Run, path, or sequence of either
        As for :func:`as_runs`, with the same errors.
    data_dir : Path, optional
        As for :func:`as_runs`.

    Returns
    -------
    Run
        The first.
    """
    return as_runs(source, data_dir=data_dir)[0]
