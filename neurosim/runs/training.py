"""Start a training run in a new folder, or resume one."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from neurosim.errors import ParameterError
from neurosim.learning.checkpoint import CHECKPOINT_NAME, PREVIOUS_NAME, load_checkpoint
from neurosim.runs.computable import check_computable
from neurosim.runs.folder import METRICS_NAME, RunFolder
from neurosim.runs.provenance import environment
from neurosim.runs.run_log import log_other_versions, log_settings, messages_in
from neurosim.runs.saved import saved_settings
from neurosim.runs.settings import RunSettings
from neurosim.runs.tensorboard import FOLDER_NAME, require_tensorboard
from neurosim.runs.training_run import TrainingRun
from neurosim.runs.untrained import has_trained

__all__ = ["resume_training", "start_training"]

log = logging.getLogger("neurosim")


def start_training(
    settings: RunSettings,
    out: Path,
    *,
    progress: bool = True,
    lanes: int | None = None,
    threads: int | None = None,
    tensorboard: bool = False,
    until: int | None = None,
) -> dict[str, Any]:
    """Train a system in a new folder.

    Parameters
    ----------
    settings : RunSettings
        Resolved settings.
    out : Path
        Folder for the results; must not hold a run.
    progress : bool
        Show a progress bar.
    lanes, threads : int, optional
        Most images in flight, and threads that share them; by default as many as are fast,
        and one per core.
    tensorboard : bool
        Write TensorBoard event files too.
    until : int, optional
        Epoch after which to stop before the end; :func:`resume_training` goes on.

    Returns
    -------
    dict
        The summary of the run.

    Raises
    ------
    ParameterError
        If lanes, threads or until are out of range, or TensorBoard is asked for and not installed.
    CircuitError
        If the back end cannot run the system.
    BuildError
        If this machine lacks what the back end needs.
    NeurosimError
        For anything else the user can mend; see the errors of :class:`TrainingRun`.
    Interrupted
        After a signal, once a checkpoint is written.
    """
    if tensorboard:
        require_tensorboard()
    _check_until(until, settings.epochs)
    check_computable(settings, lanes, threads)
    data = settings.load_data()
    with RunFolder.create(out) as folder, messages_in(folder):
        run = TrainingRun(settings, folder, data, progress=progress, lanes=lanes, threads=threads)
        folder.write_config(settings.to_config(environment(), data.notes()))
        log_settings(settings, out)
        run.save()
        if tensorboard:
            run.log_events()
        return run.run(until)


def resume_training(
    path: Path,
    *,
    epochs: int | None = None,
    data_dir: Path | None = None,
    backend: str | None = None,
    check_output: bool | None = None,
    progress: bool = True,
    lanes: int | None = None,
    threads: int | None = None,
    tensorboard: bool = False,
    until: int | None = None,
) -> dict[str, Any]:
    """Continue an interrupted run, or lengthen a finished one.

    Parameters
    ----------
    path : Path
        Folder of the run.
    epochs : int, optional
        New total of epochs, not below those already done.
    data_dir : Path, optional
        Where the data set lies now; by default where the run found it.
    backend : str, optional
        What computes from here on; by default what did so far.
    check_output : bool, optional
        Whether to stop at a dead output; by default as before.
    progress : bool
        Show a progress bar.
    lanes, threads : int, optional
        Most images in flight, and threads that share them; by default as many as are fast,
        and one per core.
    tensorboard : bool
        Write TensorBoard event files too; a run that has some continues them.
    until : int, optional
        Epoch after which to stop before the end.

    Returns
    -------
    dict
        The summary of the run.

    Raises
    ------
    RunFolderError, CheckpointError
        If the folder holds no run that can be resumed, or the images are others.
    ParameterError
        If lanes, threads or until are out of range, or the run already has more epochs than
        asked for.
    NeurosimError
        For anything else the user can mend; see the errors of :class:`TrainingRun`.
    Interrupted
        After a signal, once a checkpoint is written.
    """
    given = {
        "epochs": epochs,
        "data_dir": data_dir,
        "backend": backend,
        "check_output": check_output,
    }
    _check_until(until)
    with RunFolder.reopen(path) as folder, messages_in(folder):
        config = folder.read_config()
        settings = saved_settings(path, given)
        _check_until(until, settings.epochs)
        data = settings.load_data()
        run = TrainingRun(settings, folder, data, progress=progress, lanes=lanes, threads=threads)
        _restore(run)
        if run.simulator.epoch < settings.epochs:
            check_computable(settings, lanes, threads)
        log_other_versions(config.get("environment"))
        if any(value is not None for value in given.values()):
            folder.write_config(settings.to_config(environment(), data.notes()))
        if run.simulator.epoch < settings.epochs:
            log.info(
                "resumed in epoch %d after image %d",
                run.simulator.epoch + 1,
                run.simulator.position,
            )
        if tensorboard or (folder.path / FOLDER_NAME).is_dir():
            run.log_events()
        return run.run(until)


def _check_until(until: int | None, epochs: int | None = None) -> None:
    if until is not None and until < 1:
        raise ParameterError(f"--until {until}: give an epoch of 1 or more")
    if until is not None and epochs is not None and until > epochs:
        raise ParameterError(
            f"--until {until}: the run ends after epoch {epochs}; leave --until out, or give "
            "more --epochs"
        )


def _restore(run: TrainingRun) -> None:
    """Put a run where its newest checkpoint left it, or at its beginning without one."""
    if _never_began(run.folder):
        log.warning("the run was stopped before its first checkpoint; it begins anew")
        run.save()
        return
    checkpoint, complaints = load_checkpoint(run.folder.path)
    for complaint in complaints:
        log.warning(complaint)
    if has_trained(checkpoint.state):
        run.restore(checkpoint)
        return
    # another rule, or other settings, are no hindrance where nothing has been learnt
    log.info("the run was stopped before its first image; it begins anew")
    run.folder.write_metrics([])
    run.save()


def _never_began(folder: RunFolder) -> bool:
    """Whether a kill came between the settings and the first checkpoint."""
    names = (CHECKPOINT_NAME, PREVIOUS_NAME, METRICS_NAME)
    return not any(os.path.lexists(folder.path / name) for name in names)
