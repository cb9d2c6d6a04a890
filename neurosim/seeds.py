"""The same run with several seeds, as processes side by side."""

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

from neurosim.config import RunSettings, read_config_file, resolve
from neurosim.errors import NeurosimError, ParameterError, RunFolderError
from neurosim.runfolder import environment
from neurosim.simulator import Simulator
from neurosim.tensorboard import require_tensorboard
from neurosim.training import Interrupted

__all__ = ["resume_seeds", "seed_folders", "train_seeds"]

_POLL_SECONDS = 0.3


def seed_folders(path: Path) -> list[Path]:
    """Folders of the single runs below ``path``, by seed; empty if it holds none."""
    folders = [folder for folder in path.glob("seed-*") if folder.name[5:].isdigit()]
    return sorted(folders, key=lambda folder: int(folder.name[5:]))


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
    _prepare(out, settings)
    with Simulator(settings.system, backend=settings.backend, dtype=settings.dtype) as simulator:
        # compiled once here, or the processes would all wait for the same build
        simulator.backend  # noqa: B018
    config = str(out / "config.toml")
    more = ["--tensorboard"] * tensorboard
    commands = {
        out / f"seed-{seed}": [*more, "--config", config, "--seed", str(seed), "--out"]
        for seed in seeds
    }
    return _run(out, commands, settings.epochs, jobs, progress)


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
        As from :func:`train_seeds`.
    """
    total = epochs or resolve({}, read_config_file(path / "config.toml")).epochs
    more = [] if epochs is None else ["--epochs", str(epochs)]
    more += ["--tensorboard"] * tensorboard
    commands = {folder: [*more, "--resume"] for folder in seed_folders(path)}
    return _run(path, commands, total, jobs, progress)


def _prepare(out: Path, settings: RunSettings) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise RunFolderError(
                f"{out} is not empty; give another --out, or go on with --resume {out}"
            )
        (out / "config.toml").write_text(settings.to_config(environment()))
    except RunFolderError:
        raise
    except OSError as error:
        raise RunFolderError(f"cannot write to {out}: {error.strerror}; choose another") from error


def _run(
    out: Path, commands: Mapping[Path, list[str]], epochs: int, jobs: int, progress: bool
) -> dict[str, Any]:
    from tqdm.auto import tqdm

    waiting = dict(commands)
    running: dict[Path, subprocess.Popen[str]] = {}
    failures: list[str] = []
    disable = None if progress else True
    try:
        with tqdm(total=len(commands) * epochs, unit="epoch", disable=disable) as bar:
            while waiting or running:
                while waiting and len(running) < jobs:
                    folder, options = waiting.popitem()
                    running[folder] = _start([*options, str(folder)])
                time.sleep(_POLL_SECONDS)
                failures += _reap(running)
                _show(bar, list(commands))
    except KeyboardInterrupt as stop:
        _stop(running)
        raise Interrupted(stop.args[0] if stop.args else signal.SIGINT) from stop
    if failures:
        raise NeurosimError(f"{len(failures)} of {len(commands)} runs failed: {failures[0]}")
    return _summarise(out, list(commands))


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
    last = {folder.name: _rows(folder)[-1] for folder in sorted(folders)}
    accuracies = [row["test_accuracy"] for row in last.values()]
    summary = {
        "seeds": [int(name[5:]) for name in last],
        "test_accuracy_mean": statistics.fmean(accuracies),
        "test_accuracy_std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "runs": last,
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary
