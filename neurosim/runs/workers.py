"""Run several ``neurosim train`` side by side and show their progress."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.backends import backend_class
from neurosim.backends.cores import available_cores
from neurosim.errors import ParameterError
from neurosim.learning.network import check_parallel
from neurosim.runs.seed_folder import finished_epochs
from neurosim.runs.worker import worker_command

__all__ = ["check_jobs", "cluster_options", "run_workers", "worker_options"]

_POLL_SECONDS = 0.3

log = logging.getLogger("neurosim")


def check_jobs(jobs: int) -> None:
    """Refuse a number of processes below 1.

    Parameters
    ----------
    jobs : int
        Most processes side by side.

    Raises
    ------
    ParameterError
        If it is below 1.
    """
    if jobs < 1:
        raise ParameterError(f"jobs = {jobs}: give a whole number of 1 or more")


def worker_options(
    backend: str, runs: int, jobs: int, lanes: int | None, threads: int | None
) -> list[str]:
    """Options that share the cores among the processes.

    Parameters
    ----------
    backend : str
        Name of the back end.
    runs : int
        Runs to be made.
    jobs : int
        Most processes at one time.
    lanes, threads : int or None
        Of each process, if given; by default the cores are divided among them.

    Returns
    -------
    list of str
        Options of ``neurosim train``.

    Raises
    ------
    ParameterError
        If lanes or threads are no numbers, or the back end has no use for them.
    """
    check_parallel(backend, lanes, threads)
    if threads is None and "side by side" in backend_class(backend).features:
        threads = max(1, available_cores() // max(1, min(jobs, runs)))
    return _options(lanes, threads)


def cluster_options(backend: str, lanes: int | None, threads: int | None) -> list[str]:
    """Options of a run on a worker of a cluster: one thread, unless told otherwise.

    Parameters
    ----------
    backend : str
        Name of the back end.
    lanes, threads : int or None
        Of each run, if given.

    Returns
    -------
    list of str
        Options of ``neurosim train``.

    Raises
    ------
    ParameterError
        If lanes or threads are no numbers, or the back end has no use for them.
    """
    check_parallel(backend, lanes, threads)
    if threads is None and "side by side" in backend_class(backend).features:
        threads = 1
    return _options(lanes, threads)


def _options(lanes: int | None, threads: int | None) -> list[str]:
    given = {"--lanes": lanes, "--threads": threads}
    return [word for name, n in given.items() if n is not None for word in (name, str(n))]


def run_workers(
    commands: Mapping[Path, list[str]],
    folders: Sequence[Path],
    epochs: int,
    jobs: int,
    progress: bool,
) -> dict[Path, str]:
    """Train in worker processes and show the progress of all runs.

    Parameters
    ----------
    commands : mapping of Path to list of str
        Options of ``neurosim train`` by run folder.
    folders : sequence of Path
        Folders of all runs, those without a command included.
    epochs : int
        Epochs of each run.
    jobs : int
        Most processes at one time.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict of Path to str
        Why runs failed, by run folder.

    Raises
    ------
    RunFolderError
        If the metrics of a run cannot be read; all workers are stopped first.
    KeyboardInterrupt
        After a signal; every run has written its checkpoint.
    """
    from tqdm.auto import tqdm

    waiting = list(commands)
    running: dict[Path, subprocess.Popen[str]] = {}
    failures: dict[Path, str] = {}
    disable = None if progress else True
    try:
        with tqdm(total=len(folders) * epochs, unit="epoch", disable=disable) as bar:
            while waiting or running:
                while waiting and len(running) < jobs:
                    folder = waiting.pop(0)
                    log.info("%s: training to epoch %d", folder.name, epochs)
                    running[folder] = _start(commands[folder])
                time.sleep(_POLL_SECONDS)
                before = set(running)
                failures |= _reap(running)
                for folder in sorted(before - set(running)):
                    log.info("%s: ended", folder.name)
                _show(bar, folders, epochs)
    except BaseException:
        # an interrupt, or damaged metrics: nobody would wait for the workers
        _stop(running)
        raise
    return failures


def _start(options: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        worker_command("train", "--quiet", *options),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches only the parent, which asks each worker to write its checkpoint
        start_new_session=True,
        # one thread per worker: the workers run side by side
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _reap(running: dict[Path, subprocess.Popen[str]]) -> dict[Path, str]:
    failures = {}
    for folder, process in list(running.items()):
        if process.poll() is None:
            continue
        del running[folder]
        _, errors = process.communicate()
        if process.returncode:
            reason = (errors.strip().splitlines() or [f"status {process.returncode}"])[-1]
            failures[folder] = reason.removeprefix("neurosim: ")
    return failures


def _stop(running: Mapping[Path, subprocess.Popen[str]]) -> None:
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    for process in running.values():
        process.communicate()


def _show(bar: Any, folders: Sequence[Path], epochs: int) -> None:
    rows = {folder: finished_epochs(folder) for folder in folders}
    latest = {f.name: r[-1]["test_accuracy"] for f, r in rows.items() if r}
    bar.n = sum(min(len(r), epochs) for r in rows.values())
    bar.set_postfix({name: f"{value:.4f}" for name, value in sorted(latest.items())})
