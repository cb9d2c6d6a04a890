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
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.checkpoint import replace_file
from neurosim.config import RunSettings, read_config_file, resolve
from neurosim.errors import NeurosimError, ParameterError, RunFolderError
from neurosim.runfolder import CONFIG_NAME, environment
from neurosim.simulator import Simulator
from neurosim.tensorboard import require_tensorboard
from neurosim.training import Interrupted

__all__ = ["add_seeds", "holds_seeds", "resume_seeds", "seed_folders", "train_seeds"]

SEEDS_NAME = "seeds.json"

_POLL_SECONDS = 0.3


def seed_folders(path: Path) -> list[Path]:
    """Folders of the single runs that have begun below ``path``, by seed."""
    folders = [folder for folder in path.glob("seed-*") if folder.name[5:].isdigit()]
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
        If a seed comes twice.
    RunFolderError
        If the folder is not empty or cannot be written.
    NeurosimError
        If a run fails; the others are brought to their end first.
    """
    if len(set(seeds)) != len(seeds):
        raise ParameterError(f"seeds {' '.join(map(str, seeds))}: one comes twice; leave it out")
    if tensorboard:
        require_tensorboard()
    _prepare(out, settings, seeds)
    return _train(settings, out, seeds, jobs, progress, also=_also(tensorboard))


def resume_seeds(
    path: Path,
    *,
    jobs: int,
    epochs: int | None = None,
    progress: bool = True,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Go on with the runs that :func:`train_seeds` left in a folder.

    Parameters
    ----------
    path : Path
        The folder given to :func:`train_seeds`.
    jobs : int
        Most processes at one time.
    epochs : int, optional
        New total of epochs of every run.
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
    RunFolderError
        If the seeds or settings in the folder cannot be read.
    NeurosimError
        If a run fails; the others are brought to their end first.
    """
    seeds = _read_seeds(path)
    if not os.path.lexists(path / CONFIG_NAME):
        raise RunFolderError(
            f"{path} was left before its settings were written, so nothing has been learned; "
            "remove it and start anew"
        )
    settings = resolve({"epochs": epochs}, read_config_file(path / CONFIG_NAME))
    if epochs is not None:
        # a seed that has not begun, and the next resume, find the new length here
        _write(path, CONFIG_NAME, settings.to_config(environment()))
    longer = [] if epochs is None else ["--epochs", str(epochs)]
    return _train(settings, path, seeds, jobs, progress, longer=longer, also=_also(tensorboard))


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
    try:
        out.mkdir(parents=True, exist_ok=True)
        occupied = any(out.iterdir())
    except OSError as error:
        raise _storage_error(out, error) from error
    if occupied:
        raise RunFolderError(
            f"{out} is not empty; give another --out, or go on with --resume {out}"
        )
    # the seeds first: with them the folder is never taken for that of a single run
    _write(out, SEEDS_NAME, json.dumps({"seeds": list(seeds)}) + "\n")
    _write(out, CONFIG_NAME, settings.to_config(environment()))


def _write(out: Path, name: str, text: str) -> None:
    try:
        replace_file(out / name, text.encode())
    except OSError as error:
        raise _storage_error(out, error) from error


def _storage_error(out: Path, error: OSError) -> RunFolderError:
    return RunFolderError(f"cannot write to {out}: {error.strerror}; choose another")


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


def _train(
    settings: RunSettings,
    out: Path,
    seeds: Sequence[int],
    jobs: int,
    progress: bool,
    *,
    longer: Sequence[str] = (),
    also: Sequence[str] = (),
) -> dict[str, Any]:
    """Bring all seeds to their end: with options ``also``, resumed ones with ``longer`` too."""
    commands = {out / f"seed-{seed}": [*also, *_options(out, seed, longer)] for seed in seeds}
    try:
        _compile(settings)
        failures = _run(commands, settings.epochs, jobs, progress)
    except KeyboardInterrupt as stop:
        raise Interrupted(stop.args[0] if stop.args else signal.SIGINT) from stop
    if failures:
        raise NeurosimError(f"{len(failures)} of {len(commands)} runs failed: {failures[0]}")
    return _summarise(out, list(commands))


def _also(tensorboard: bool) -> list[str]:
    return ["--tensorboard"] if tensorboard else []


def _options(out: Path, seed: int, longer: Sequence[str]) -> list[str]:
    folder = out / f"seed-{seed}"
    if os.path.lexists(folder / CONFIG_NAME):
        return [*longer, "--resume", str(folder)]
    return ["--config", str(out / CONFIG_NAME), "--seed", str(seed), "--out", str(folder)]


def _compile(settings: RunSettings) -> None:
    """Build the program here, or the processes would all wait for the same build."""
    with Simulator(settings.system, backend=settings.backend, dtype=settings.dtype) as simulator:
        simulator.backend  # noqa: B018 - built when first looked at


def _run(commands: Mapping[Path, list[str]], epochs: int, jobs: int, progress: bool) -> list[str]:
    from tqdm.auto import tqdm

    waiting = list(commands)
    running: dict[Path, subprocess.Popen[str]] = {}
    failures: list[str] = []
    disable = None if progress else True
    try:
        with tqdm(total=len(commands) * epochs, unit="epoch", disable=disable) as bar:
            while waiting or running:
                while waiting and len(running) < jobs:
                    folder = waiting.pop(0)
                    running[folder] = _start(commands[folder])
                time.sleep(_POLL_SECONDS)
                failures += _reap(running)
                _show(bar, list(commands))
    except KeyboardInterrupt:
        _stop(running)
        raise
    return failures


def _start(options: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "neurosim", "train", "--quiet", *options],
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


def _rows(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    # a line still being written has no end yet
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _show(bar: Any, folders: Sequence[Path]) -> None:
    rows = {folder: _rows(folder) for folder in folders}
    latest = {f.name: r[-1]["test_accuracy"] for f, r in rows.items() if r}
    bar.n = sum(map(len, rows.values()))
    bar.set_postfix({name: f"{value:.4f}" for name, value in sorted(latest.items())})


def _summarise(out: Path, folders: Sequence[Path]) -> dict[str, Any]:
    last = {folder.name: _rows(folder)[-1] for folder in folders}
    accuracies = [row["test_accuracy"] for row in last.values()]
    summary = {
        "seeds": [int(name[5:]) for name in last],
        "test_accuracy_mean": statistics.fmean(accuracies),
        "test_accuracy_std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "runs": last,
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary
