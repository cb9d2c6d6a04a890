"""The same run with several seeds, in processes side by side.

Or on a cluster, see :mod:`neurosim.runs.cluster`. Whatever stops them, the same call goes on.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import NeurosimError
from neurosim.learning.simulator import Simulator
from neurosim.runs.cluster import Cluster
from neurosim.runs.folder import SUMMARY_NAME, write_result
from neurosim.runs.interrupts import Interrupted
from neurosim.runs.planned import PlannedSeeds, plan_resumed_seeds, plan_seeds
from neurosim.runs.rows import summary_text
from neurosim.runs.run_log import log_finished
from neurosim.runs.seed_folder import finished_epochs, forget_seeds, read_seeds, seeds_settings
from neurosim.runs.settings import RunSettings
from neurosim.runs.workers import check_jobs, cluster_options, run_workers, worker_options

__all__ = ["RunsFailedError", "finish_seeds", "resume_seeds", "train_seeds"]


class RunsFailedError(NeurosimError):
    """Some of several runs failed; the others are finished.

    Parameters
    ----------
    runs : int
        Runs in all.
    failures : mapping of Path to str
        Why, by run folder.
    """

    def __init__(self, runs: int, failures: Mapping[Path, str]) -> None:
        folder, reason = next(iter(failures.items()))
        super().__init__(f"{len(failures)} of {runs} runs failed: {folder.name}: {reason}")
        self.failures = failures

    def of(self, out: Path) -> str:
        """What failed of the runs in a folder.

        Parameters
        ----------
        out : Path
            Folder of an experiment.

        Returns
        -------
        str
            One line; empty if nothing did.
        """
        own = [f"{path.name}: {why}" for path, why in self.failures.items() if path.parent == out]
        return own[0] if own else ""


def train_seeds(
    settings: RunSettings,
    seeds: Sequence[int],
    out: Path,
    *,
    jobs: int | None = None,
    lanes: int | None = None,
    threads: int | None = None,
    progress: bool = True,
    tensorboard: bool = False,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Train with each of several seeds, up to ``jobs`` at one time.

    Parameters
    ----------
    settings : RunSettings
        Settings of all runs; their seed is not used.
    seeds : sequence of int
        Seeds; each gets the folder ``out/seed-N``.
    out : Path
        Folder for all of them; must not exist or be empty.
    jobs : int, optional
        Most runs at one time; by default one, on a cluster as many as there is room for.
        Results do not depend on it.
    lanes, threads : int, optional
        Images in flight and threads of each process; by default the cores are divided
        among the processes. Results do not depend on them.
    progress : bool
        Show a progress bar that counts epochs of all runs.
    tensorboard : bool
        Every run writes TensorBoard event files too.
    cluster : Cluster, optional
        What trains them in place of processes on this machine.

    Returns
    -------
    dict
        Mean and standard deviation of the test accuracy, and each run's, as in
        ``out/summary.json``.

    Raises
    ------
    ParameterError
        If a seed is given twice, or jobs, lanes or threads are out of range.
    RunFolderError
        If the folder is not empty or cannot be written.
    NeurosimError
        If a run fails; the others are finished first.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    check_jobs(1 if jobs is None else jobs)
    how = _how(settings, len(seeds), jobs, lanes, threads, cluster)
    planned = plan_seeds(settings, seeds, out, how=how, tensorboard=tensorboard)
    return finish_seeds([planned], jobs=jobs, progress=progress, cluster=cluster)[0]


def resume_seeds(
    path: Path,
    *,
    jobs: int | None = None,
    epochs: int | None = None,
    data_dir: Path | None = None,
    backend: str | None = None,
    check_output: bool | None = None,
    lanes: int | None = None,
    threads: int | None = None,
    progress: bool = True,
    tensorboard: bool = False,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Continue the runs that :func:`train_seeds` left in a folder.

    Runs that have all their epochs, or more, are left as they are.

    Parameters
    ----------
    path : Path
        The folder given to :func:`train_seeds`.
    jobs : int, optional
        As for :func:`train_seeds`.
    epochs : int, optional
        New total of epochs of every run that has fewer.
    data_dir : Path, optional
        Where the data set lies now; by default where the runs found it.
    backend : str, optional
        What computes from here on; by default what did so far.
    check_output : bool, optional
        Whether to stop at a dead output; by default as before.
    lanes, threads : int, optional
        As for :func:`train_seeds`.
    progress : bool
        Show a progress bar.
    tensorboard : bool
        Every run writes TensorBoard event files too.
    cluster : Cluster, optional
        As for :func:`train_seeds`.

    Returns
    -------
    dict
        As from :func:`train_seeds`; seeds that had not begun are trained, too.

    Raises
    ------
    ParameterError
        If jobs, lanes or threads are out of range.
    RunFolderError
        If the seeds or settings in the folder cannot be read.
    NeurosimError
        If a run fails; the others are finished first.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    check_jobs(1 if jobs is None else jobs)
    seeds = read_seeds(path)
    given = {
        "epochs": epochs,
        "data_dir": data_dir,
        "backend": backend,
        "check_output": check_output,
    }
    settings = seeds_settings(path, given)
    how = _how(settings, len(seeds), jobs, lanes, threads, cluster)
    planned = plan_resumed_seeds(path, given, how=how, tensorboard=tensorboard)
    return finish_seeds([planned], jobs=jobs, progress=progress, cluster=cluster)[0]


def _how(
    settings: RunSettings,
    runs: int,
    jobs: int | None,
    lanes: int | None,
    threads: int | None,
    cluster: Cluster | None,
) -> list[str]:
    """Options that share the cores; of a worker of a cluster one, unless told otherwise."""
    if cluster is not None:
        return cluster_options(settings.backend, lanes, threads)
    return worker_options(settings.backend, runs, jobs or 1, lanes, threads)


def finish_seeds(
    planned: Sequence[PlannedSeeds],
    *,
    jobs: int | None = None,
    progress: bool = True,
    cluster: Cluster | None = None,
    ended: Callable[[PlannedSeeds], None] | None = None,
) -> list[dict[str, Any]]:
    """Train what is left of experiments, and summarise each.

    Parameters
    ----------
    planned : sequence of PlannedSeeds
        Experiments. Processes of this machine finish one before the next, a cluster takes
        the runs of all.
    jobs : int, optional
        Most runs at one time.
    progress : bool
        Show a progress bar.
    cluster : Cluster, optional
        What trains them in place of processes on this machine.
    ended : callable, optional
        Called with an experiment as soon as all its runs have ended well.

    Returns
    -------
    list of dict
        One summary per experiment, as in its ``summary.json``.

    Raises
    ------
    RunsFailedError
        If runs fail; the others are finished first.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    summaries: dict[Path, dict[str, Any]] = {}
    failures: dict[Path, str] = {}

    def finish(one: PlannedSeeds) -> None:
        summaries[one.out] = _summarise(one.out, one.folders)
        if ended is not None:
            ended(one)

    for one in planned:
        if not one.runs:
            log_finished(one.out, min(len(finished_epochs(folder)) for folder in one.folders))
            finish(one)
    left = [one for one in planned if one.runs]
    try:
        if cluster is not None and left:
            failures = cluster.train(left, progress, finish)
        elif left:
            failures = _train_here(left, jobs or 1, progress, finish)
    except KeyboardInterrupt as stop:
        raise Interrupted.by(stop) from stop
    except NeurosimError:
        _take_back(left)
        raise
    if failures:
        _take_back(left)
        runs = sum(len(one.seeds) for one in planned)
        raise RunsFailedError(runs, failures)
    return [summaries[one.out] for one in planned]


def _take_back(planned: Sequence[PlannedSeeds]) -> None:
    """Leave no folder that a corrected start would find occupied, and that holds nothing."""
    for one in planned:
        if one.new:
            forget_seeds(one.out)


def _train_here(
    planned: Sequence[PlannedSeeds],
    jobs: int,
    progress: bool,
    finish: Callable[[PlannedSeeds], None],
) -> dict[Path, str]:
    """Train in processes of this machine; why runs failed, by folder."""
    failures: dict[Path, str] = {}
    for one in planned:
        _compile(one.settings)
        commands = {run.folder: run.options() for run in one.runs}
        failed = run_workers(commands, one.folders, one.settings.epochs, jobs, progress)
        failures |= failed
        if not failed:
            finish(one)
    return failures


def _compile(settings: RunSettings) -> None:
    """Build the program once, before the workers, which would all wait for it."""
    with Simulator(settings.system, backend=settings.backend, dtype=settings.dtype) as simulator:
        simulator.backend  # noqa: B018 - built when first looked at


def _summarise(out: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Mean and spread after the last epoch that all runs have finished."""
    rows = {folder.name: finished_epochs(folder) for folder in folders}
    common = min(map(len, rows.values()))
    last = {name: of_run[common - 1] for name, of_run in rows.items()}
    accuracies = [row["test_accuracy"] for row in last.values()]
    summary = {
        "seeds": [int(name[5:]) for name in last],
        "test_accuracy_mean": statistics.fmean(accuracies),
        "test_accuracy_std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "runs": last,
    }
    write_result(out / SUMMARY_NAME, summary_text(summary).encode())
    return summary
