"""Train what tables and figures need and is not there yet, and write down what came out."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import NeurosimError, ParameterError, counted
from neurosim.files import place_given_by, storage_error
from neurosim.learning.network import check_parallel
from neurosim.reproduce.results import result_of, write_row
from neurosim.reproduce.tables import Row
from neurosim.runs.cluster import Cluster
from neurosim.runs.computable import check_computable
from neurosim.runs.folder import make_folder
from neurosim.runs.missing import plan_missing_seeds, train_missing_seeds
from neurosim.runs.planned import PlannedRun, PlannedSeeds
from neurosim.runs.seeds import RunsFailedError, finish_seeds
from neurosim.runs.settings import RunSettings
from neurosim.runs.workers import check_jobs, cluster_options

__all__ = ["Request", "Wanted", "check_place", "reproduce_rows", "train_wanted"]

log = logging.getLogger("neurosim")


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of the runs behind results, and where both lie.

    Attributes
    ----------
    seeds : int
        Runs of each experiment, seeds 0 to ``seeds - 1``.
    out : Path
        Folder of results.
    runs : Path
        Folder of runs, ``runs/ROW/seed-N``. Finished ones are kept, stopped or shorter ones
        go on.
    epochs : int, optional
        Length of training; the paper's by default.
    backend : str, optional
        What computes them; ``cpp`` by default.
    data_dir : Path, optional
        Where data sets lie.
    jobs : int, optional
        Most runs at one time; by default one, on a cluster as many as there is room for.
    threads : int, optional
        Threads of each.
    progress : bool
        Show progress bars.
    cluster : Cluster, optional
        What trains them, all side by side, in place of processes on this machine.
    """

    seeds: int
    out: Path
    runs: Path
    epochs: int | None = None
    backend: str | None = None
    data_dir: Path | None = None
    jobs: int | None = None
    threads: int | None = None
    progress: bool = True
    cluster: Cluster | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the runs."""
        return {"epochs": self.epochs, "backend": self.backend, "data_dir": self.data_dir}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Runs of one experiment that shall be there.

    Attributes
    ----------
    name : str
        For messages.
    settings : RunSettings
        Their settings, but for the seed.
    folder : Path
        Where they lie, ``folder/seed-N``.
    """

    name: str
    settings: RunSettings
    folder: Path


def train_wanted(
    wanted: Sequence[Wanted], request: Request, ended: Callable[[Wanted], None]
) -> list[str]:
    """Train runs that are not there yet; those of one experiment that fail leave the others.

    Parameters
    ----------
    wanted : sequence of Wanted
        Experiments.
    request : Request
        How many runs of each, and how they are trained.
    ended : callable
        Called with an experiment as soon as its runs are done; may raise an error of its own,
        which counts as a failure.

    Returns
    -------
    list of str
        One line per experiment that failed.

    Raises
    ------
    ParameterError
        If a number is out of range.
    NeurosimError
        If no run could begin, because of its back end, its images or a folder, or the cluster
        is lost.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    seeds, jobs = request.seeds, request.jobs
    if seeds < 1:
        raise ParameterError(f"--seeds {seeds}: give 1 or more")
    check_jobs(1 if jobs is None else jobs)
    _check_before(wanted, request)
    failures: list[str] = []

    def failed(one: Wanted, error: NeurosimError) -> None:
        log.warning("%s failed: %s", one.name, error)
        failures.append(f"{one.name}: {error}")

    if request.cluster is not None:
        _train_on(request.cluster, wanted, request, ended, failed)
        return failures
    for number, one in enumerate(wanted, start=1):
        log.info("%s (%d of %d), %s", one.name, number, len(wanted), counted(seeds, "seed"))
        try:
            with place_given_by("--runs"):
                train_missing_seeds(
                    one.settings,
                    seeds,
                    one.folder,
                    jobs=jobs,
                    threads=request.threads,
                    progress=request.progress,
                )
            ended(one)
        except NeurosimError as error:
            failed(one, error)
    return failures


def check_place(folder: Path, option: str) -> None:
    """Refuse a folder that cannot be written, before anything is computed for it.

    Parameters
    ----------
    folder : Path
        The folder; made if missing.
    option : str
        The option that names it, for the message.

    Raises
    ------
    RunFolderError
        If it is a file or cannot be written.
    """
    with place_given_by(option):
        make_folder(folder)
        if not os.access(folder, os.W_OK):
            error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            raise storage_error(folder, "write in", error)


def _check_before(wanted: Sequence[Wanted], request: Request) -> None:
    """Refuse once what every run would be refused for."""
    check_place(request.out, "--out")
    check_place(request.runs, "--runs")
    left = [one for one in wanted if _is_left(one, request.seeds)]
    for one in left:
        if request.cluster is None:
            check_computable(one.settings, None, request.threads)
        else:
            # other machines may have other back ends
            check_parallel(one.settings.backend, None, request.threads)
    if request.cluster is None:
        images = {repr(_data_of(one.settings)): one.settings for one in left}
        for settings in images.values():
            settings.load_data()


def _is_left(one: Wanted, seeds: int) -> bool:
    """Whether runs are to be trained; a folder that cannot be read is told when its turn comes."""
    with contextlib.suppress(NeurosimError):
        runs = (PlannedRun(one.folder, seed, one.settings.epochs) for seed in range(seeds))
        return any(run.options() for run in runs)
    return False


def _data_of(settings: RunSettings) -> tuple[Any, ...]:
    return (
        settings.dataset,
        settings.data_dir,
        settings.train_images,
        settings.test_images,
        settings.reading,
    )


def _train_on(
    cluster: Cluster,
    wanted: Sequence[Wanted],
    request: Request,
    ended: Callable[[Wanted], None],
    failed: Callable[[Wanted, NeurosimError], None],
) -> None:
    """Train all side by side; failures are told one by one."""
    planned: dict[Path, tuple[Wanted, PlannedSeeds]] = {}
    for one in wanted:
        try:
            how = cluster_options(one.settings.backend, None, request.threads)
            with place_given_by("--runs"):
                plan = plan_missing_seeds(one.settings, request.seeds, one.folder, how=how)
            planned[one.folder] = one, plan
        except NeurosimError as error:
            failed(one, error)
    done: set[Path] = set()

    def finish(plan: PlannedSeeds) -> None:
        one = planned[plan.out][0]
        done.add(plan.out)
        try:
            ended(one)
        except NeurosimError as error:
            failed(one, error)

    try:
        finish_seeds(
            [plan for _, plan in planned.values()],
            progress=request.progress,
            cluster=cluster,
            ended=finish,
        )
    except RunsFailedError as error:
        for folder, (one, _) in planned.items():
            if folder not in done:
                failed(one, NeurosimError(error.of(folder) or str(error)))


def reproduce_rows(rows: Sequence[Row], request: Request) -> list[Path]:
    """Compute rows with the published protocol; runs that are there already are kept.

    Parameters
    ----------
    rows : sequence of Row
        The rows.
    request : Request
        How many runs of each, and where. A file per row, ``out/TABLE/ROW.json``, is written as
        soon as its runs are done.

    Returns
    -------
    list of Path
        Files of results.

    Raises
    ------
    ParameterError
        If a number is out of range.
    NeurosimError
        If rows failed; all others are finished first.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    # all are checked before the first one is trained
    wanted = [
        Wanted(row.name, row.settings(**request.settings), request.runs / row.file_name)
        for row in rows
    ]
    by_name = {row.name: row for row in rows}
    written: list[Path] = []

    def ended(one: Wanted) -> None:
        row = by_name[one.name]
        written.append(write_row(result_of(row, one.folder), request.out, row.file_name))

    failures = train_wanted(wanted, request, ended)
    if failures:
        raise NeurosimError(f"{len(failures)} of {len(wanted)} rows failed: {failures[0]}")
    return written
