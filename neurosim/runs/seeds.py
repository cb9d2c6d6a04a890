"""The same run with several seeds, as processes side by side.

The folder of all runs holds their settings (``config.toml``) and seeds
(``seeds.json``), written before anything else is done, so that they can go on
whenever they are stopped.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.files import storage_error
from neurosim.runs.child import child_command
from neurosim.runs.settings import RunSettings, resolve, settings_from_config
from neurosim.errors import NeurosimError, ParameterError, RunFolderError
from neurosim.runs.folder import (
    CONFIG_NAME,
    SUMMARY_NAME,
    RunFolder,
    environment,
    make_folder,
    summary_text,
    write_result,
)
from neurosim.learning.simulator import Simulator
from neurosim.runs.tensorboard import FOLDER_NAME, require_tensorboard
from neurosim.runs.training import Interrupted, check_jobs, say_finished

__all__ = [
    "add_seeds",
    "holds_seeds",
    "read_seeds_config",
    "resume_seeds",
    "seed_folders",
    "train_seeds",
]

SEEDS_NAME = "seeds.json"

_POLL_SECONDS = 0.3


def seed_folders(path: Path) -> list[Path]:
    """Folders of the single runs that have begun below ``path``, by seed.

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
    """Whether :func:`train_seeds` has begun in a folder."""
    return os.path.lexists(path / SEEDS_NAME) or bool(seed_folders(path))


def train_seeds(
    settings: RunSettings,
    seeds: Sequence[int],
    out: Path,
    *,
    jobs: int,
    progress: bool = True,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Train with each of several seeds, up to ``jobs`` at one time.

    Parameters
    ----------
    settings : RunSettings
        Settings of all runs but for the seed.
    seeds : sequence of int
        Seeds; each gets the folder ``out/seed-N``.
    out : Path
        Folder for all of them; must not exist or be empty.
    jobs : int
        Most processes at one time. Results do not depend on it.
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
        If a seed comes twice, or ``jobs`` is below 1.
    RunFolderError
        If the folder is not empty or cannot be written.
    NeurosimError
        If a run fails; the others are brought to their end first.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    check_jobs(jobs)
    if len(set(seeds)) != len(seeds):
        raise ParameterError(f"seeds {' '.join(map(str, seeds))}: one comes twice; leave it out")
    if tensorboard:
        require_tensorboard()
    _prepare(out, settings, seeds)
    commands = _plan(settings, out, seeds, tensorboard=tensorboard)
    return _train(settings, out, seeds, commands, jobs, progress)


def resume_seeds(
    path: Path,
    *,
    jobs: int,
    epochs: int | None = None,
    progress: bool = True,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Go on with the runs that :func:`train_seeds` left in a folder.

    Runs that have as many epochs as they shall have, or more, are left alone.

    Parameters
    ----------
    path : Path
        The folder given to :func:`train_seeds`.
    jobs : int
        Most processes at one time.
    epochs : int, optional
        New total of epochs of every run that has not as many yet.
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
        If ``jobs`` is below 1.
    RunFolderError
        If the seeds or settings in the folder cannot be read.
    NeurosimError
        If a run fails; the others are brought to their end first.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    check_jobs(jobs)
    if tensorboard:
        require_tensorboard()
    seeds = _read_seeds(path)
    settings = resolve({"epochs": epochs}, read_seeds_config(path))
    commands = _plan(settings, path, seeds, tensorboard=tensorboard)
    if commands and epochs is not None:
        # a seed that has not begun, and the next resume, find the new length here
        _write(path, CONFIG_NAME, settings.to_config(environment()))
    return _train(settings, path, seeds, commands, jobs, progress)


def read_seeds_config(path: Path) -> dict[str, Any]:
    """Settings of all runs that :func:`train_seeds` began in a folder.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    dict
        For :func:`neurosim.runs.settings.resolve`; the length is that asked for last.

    Raises
    ------
    RunFolderError
        If there are none, or they cannot be read.
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
        Seeds that it shall hold; those it has stay.

    Returns
    -------
    list of int
        All its seeds; :func:`resume_seeds` trains those that have not begun.

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
    # the seeds first: with them the folder is never taken for that of a single run
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
    settings: RunSettings, out: Path, seeds: Sequence[int], *, tensorboard: bool
) -> dict[Path, list[str]]:
    """What the processes are to be told, by folder; runs that need none are left out."""
    folders = _folders(out, seeds)
    commands = {folder: _options(out, folder, settings.epochs, tensorboard) for folder in folders}
    return {folder: options for folder, options in commands.items() if options}


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
    """Whether a run that has begun has come to its end, or so far on its way to a later one."""
    run = RunFolder(folder)
    if resolve({}, _config(folder)).epochs > epochs:
        return len(run.read_metrics()) >= epochs
    # the summary is written last, when the weights are safe
    return bool(run.read_summary().get("epoch", 0) >= epochs)


def _rows(folder: Path) -> list[dict[str, Any]]:
    """Epochs of a run, which may not have begun."""
    return RunFolder(folder).read_metrics() if folder.is_dir() else []


def _train(
    settings: RunSettings,
    out: Path,
    seeds: Sequence[int],
    commands: Mapping[Path, list[str]],
    jobs: int,
    progress: bool,
) -> dict[str, Any]:
    """Run the commands, so that all seeds come to their end, and sum them up."""
    folders = _folders(out, seeds)
    if not commands:
        say_finished(out, min(len(_rows(folder)) for folder in folders))
        return _summarise(out, folders)
    try:
        _compile(settings)
        failures = _run(commands, folders, settings.epochs, jobs, progress)
    except KeyboardInterrupt as stop:
        raise Interrupted(stop.args[0] if stop.args else signal.SIGINT) from stop
    if failures:
        raise NeurosimError(f"{len(failures)} of {len(seeds)} runs failed: {failures[0]}")
    return _summarise(out, folders)


def _compile(settings: RunSettings) -> None:
    """Build the program here, or the processes would all wait for the same build."""
    with Simulator(settings.system, backend=settings.backend, dtype=settings.dtype) as simulator:
        simulator.backend  # noqa: B018 - built when first looked at


def _run(
    commands: Mapping[Path, list[str]],
    folders: Sequence[Path],
    epochs: int,
    jobs: int,
    progress: bool,
) -> list[str]:
    """Run the commands, ``jobs`` at a time, and show the progress of all folders."""
    from tqdm.auto import tqdm

    waiting = list(commands)
    running: dict[Path, subprocess.Popen[str]] = {}
    failures: list[str] = []
    disable = None if progress else True
    try:
        with tqdm(total=len(folders) * epochs, unit="epoch", disable=disable) as bar:
            while waiting or running:
                while waiting and len(running) < jobs:
                    folder = waiting.pop(0)
                    running[folder] = _start(commands[folder])
                time.sleep(_POLL_SECONDS)
                failures += _reap(running)
                _show(bar, folders, epochs)
    except BaseException:
        # an interrupt, or metrics that somebody has damaged: nobody would wait for them
        _stop(running)
        raise
    return failures


def _start(options: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        child_command("train", "--quiet", *options),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # an interrupt reaches the parent, which asks each run to write its checkpoint
        start_new_session=True,
        # one thread per process: the processes are what runs side by side
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _reap(running: dict[Path, subprocess.Popen[str]]) -> list[str]:
    failures = []
    for folder, process in list(running.items()):
        if process.poll() is None:
            continue
        del running[folder]
        _, errors = process.communicate()
        if process.returncode:
            reason = (errors.strip().splitlines() or [f"status {process.returncode}"])[-1]
            failures.append(f"{folder.name}: {reason.removeprefix('neurosim: ')}")
    return failures


def _stop(running: Mapping[Path, subprocess.Popen[str]]) -> None:
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    for process in running.values():
        process.communicate()


def _show(bar: Any, folders: Sequence[Path], epochs: int) -> None:
    rows = {folder: _rows(folder) for folder in folders}
    latest = {f.name: r[-1]["test_accuracy"] for f, r in rows.items() if r}
    bar.n = sum(min(len(r), epochs) for r in rows.values())
    bar.set_postfix({name: f"{value:.4f}" for name, value in sorted(latest.items())})


def _summarise(out: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Mean and spread after the last epoch that all runs have; some may have more."""
    rows = {folder.name: _rows(folder) for folder in folders}
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
