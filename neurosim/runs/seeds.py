"""The same run with several seeds, in processes side by side.

The folder of all runs holds their settings (``config.toml``) and seeds (``seeds.json``).
Both are written first, so that the runs can be resumed whenever they are stopped.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import NeurosimError, ParameterError, RunFolderError
from neurosim.files import storage_error
from neurosim.learning.simulator import Simulator
from neurosim.runs.folder import CONFIG_NAME, SUMMARY_NAME, RunFolder, make_folder, write_result
from neurosim.runs.interrupts import Interrupted
from neurosim.runs.provenance import environment
from neurosim.runs.rows import summary_text
from neurosim.runs.run_log import log_finished
from neurosim.runs.settings import RunSettings, resolve, settings_from_config
from neurosim.runs.tensorboard import FOLDER_NAME, require_tensorboard
from neurosim.runs.workers import check_jobs, finished_epochs, run_workers, worker_options

__all__ = [
    "add_seeds",
    "holds_seeds",
    "read_seeds_config",
    "resume_seeds",
    "seed_folders",
    "train_seeds",
]

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


def train_seeds(
    settings: RunSettings,
    seeds: Sequence[int],
    out: Path,
    *,
    jobs: int,
    lanes: int | None = None,
    threads: int | None = None,
    progress: bool = True,
    tensorboard: bool = False,
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
    jobs : int
        Most processes at one time. Results do not depend on it.
    lanes, threads : int, optional
        Images in flight and threads of each process; by default the cores are divided
        among the processes. Results do not depend on them.
    progress : bool
        Show a progress bar that counts epochs of all runs.
    tensorboard : bool
        Every run writes TensorBoard event files too.

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
    check_jobs(jobs)
    how = worker_options(settings.backend, len(seeds), jobs, lanes, threads)
    if len(set(seeds)) != len(seeds):
        raise ParameterError(f"seeds {' '.join(map(str, seeds))}: one is given twice; leave it out")
    if tensorboard:
        require_tensorboard()
    _prepare(out, settings, seeds)
    commands = _plan(settings, out, seeds, how, tensorboard=tensorboard)
    return _train(settings, out, seeds, commands, jobs, progress)


def resume_seeds(
    path: Path,
    *,
    jobs: int,
    epochs: int | None = None,
    data_dir: Path | None = None,
    backend: str | None = None,
    check_output: bool | None = None,
    lanes: int | None = None,
    threads: int | None = None,
    progress: bool = True,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Continue the runs that :func:`train_seeds` left in a folder.

    Runs that have all their epochs, or more, are left as they are.

    Parameters
    ----------
    path : Path
        The folder given to :func:`train_seeds`.
    jobs : int
        Most processes at one time.
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
    check_jobs(jobs)
    if tensorboard:
        require_tensorboard()
    seeds = _read_seeds(path)
    given = {
        "epochs": epochs,
        "data_dir": data_dir,
        "backend": backend,
        "check_output": check_output,
    }
    settings = resolve(given, read_seeds_config(path))
    how = worker_options(settings.backend, len(seeds), jobs, lanes, threads)
    changes = _options_of(settings, data_dir, backend, check_output)
    commands = _plan(settings, path, seeds, how, tensorboard=tensorboard, changes=changes)
    if commands and any(value is not None for value in given.values()):
        # seeds that have not begun, and the next resume, read the new settings here
        _write(path, CONFIG_NAME, settings.to_config(environment()))
    return _train(settings, path, seeds, commands, jobs, progress)


def read_seeds_config(path: Path) -> dict[str, Any]:
    """Settings common to the runs in a folder of :func:`train_seeds`.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    dict
        For :func:`neurosim.runs.settings.resolve`.

    Raises
    ------
    RunFolderError
        If there are no settings, or they cannot be read.
    """
    if not os.path.lexists(path / CONFIG_NAME):
        raise RunFolderError(
            f"{path} was left before its settings were written, so nothing has been learned; "
            "remove it and start anew"
        )
    return _config(path)


def _config(folder: Path) -> dict[str, Any]:
    return settings_from_config(RunFolder(folder).read_config(), str(folder / CONFIG_NAME))


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
    planned = _read_seeds(path)
    wanted = [*planned, *(seed for seed in seeds if seed not in planned)]
    if wanted != planned:
        _write(path, SEEDS_NAME, json.dumps({"seeds": wanted}) + "\n")
    return wanted


def _prepare(out: Path, settings: RunSettings, seeds: Sequence[int]) -> None:
    make_folder(out)
    try:
        occupied = any(out.iterdir())
    except OSError as error:
        raise storage_error(out, "list the files in", error) from error
    if occupied:
        raise RunFolderError(
            f"{out} is not empty; give another --out, or go on with --resume {out}"
        )
    # the seeds first: they tell this folder from that of a single run
    _write(out, SEEDS_NAME, json.dumps({"seeds": list(seeds)}) + "\n")
    _write(out, CONFIG_NAME, settings.to_config(environment()))


def _write(out: Path, name: str, text: str) -> None:
    write_result(out / name, text.encode())


def _read_seeds(path: Path) -> list[int]:
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


def _plan(
    settings: RunSettings,
    out: Path,
    seeds: Sequence[int],
    how: Sequence[str],
    *,
    tensorboard: bool,
    changes: Sequence[str] = (),
) -> dict[Path, list[str]]:
    """Options of each worker by run folder; runs with nothing to do are left out."""
    commands = {}
    for folder in _folders(out, seeds):
        options = _options(out, folder, settings.epochs, tensorboard)
        if options:
            given = changes if "--resume" in options else ()
            commands[folder] = [*how, *given, *options]
    return commands


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


def _folders(out: Path, seeds: Sequence[int]) -> list[Path]:
    return [out / f"seed-{seed}" for seed in seeds]


def _options(out: Path, folder: Path, epochs: int, tensorboard: bool) -> list[str]:
    also = ["--tensorboard"] if tensorboard else []
    if not os.path.lexists(folder / CONFIG_NAME):
        seed = folder.name.removeprefix("seed-")
        return [*also, "--config", str(out / CONFIG_NAME), "--seed", seed, "--out", str(folder)]
    if not _has_epochs(folder, epochs):
        return [*also, "--epochs", str(epochs), "--resume", str(folder)]
    if tensorboard and not (folder / FOLDER_NAME).is_dir():
        return [*also, "--resume", str(folder)]
    return []


def _has_epochs(folder: Path, epochs: int) -> bool:
    """Whether a run has finished with that many epochs, or has them on the way to more."""
    run = RunFolder(folder)
    if resolve({}, _config(folder)).epochs > epochs:
        return len(run.read_metrics()) >= epochs
    # the summary is written last, after the checkpoint
    return bool(run.read_summary().get("epoch", 0) >= epochs)


def _train(
    settings: RunSettings,
    out: Path,
    seeds: Sequence[int],
    commands: Mapping[Path, list[str]],
    jobs: int,
    progress: bool,
) -> dict[str, Any]:
    """Finish all seeds and summarise them."""
    folders = _folders(out, seeds)
    if not commands:
        log_finished(out, min(len(finished_epochs(folder)) for folder in folders))
        return _summarise(out, folders)
    try:
        _compile(settings)
        failures = run_workers(commands, folders, settings.epochs, jobs, progress)
    except KeyboardInterrupt as stop:
        raise Interrupted.by(stop) from stop
    if failures:
        raise NeurosimError(f"{len(failures)} of {len(seeds)} runs failed: {failures[0]}")
    return _summarise(out, folders)


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
    _write(out, SUMMARY_NAME, summary_text(summary))
    return summary
