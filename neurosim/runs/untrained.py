"""Runs that were stopped before their first image: they begin anew, and nothing is lost."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurosim.errors import CheckpointError
from neurosim.files import storage_error
from neurosim.learning.checkpoint import CHECKPOINT_NAME, PREVIOUS_NAME, load_checkpoint
from neurosim.learning.saving import progress_of

__all__ = ["forget_untrained", "has_trained"]

log = logging.getLogger("neurosim")


def has_trained(state: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is of a network that was shown an image.

    Parameters
    ----------
    state : mapping
        State of the checkpoint of a run.

    Returns
    -------
    bool
        True for the checkpoint of something else than a run, too.
    """
    if not {"epoch", "position", "run", "metrics"} <= state.keys():
        return True
    return any(progress_of(dict(state)).values())


def forget_untrained(folder: Path, config: str, others: set[str]) -> None:
    """Remove settings and checkpoint of a run that was shown no image, and nothing else.

    Parameters
    ----------
    folder : Path
        Locked folder.
    config : str
        Name of the file of settings.
    others : set of str
        Names of files that only a run with trained images has; one of them keeps all.

    Raises
    ------
    RunFolderError
        If a file cannot be removed.
    """
    made = [CHECKPOINT_NAME, PREVIOUS_NAME, config]
    if any(os.path.lexists(folder / name) for name in others.difference(made)):
        return
    if not all((folder / name).is_file() for name in (CHECKPOINT_NAME, config)):
        return
    try:
        checkpoint, _ = load_checkpoint(folder)
    except CheckpointError:
        return
    if has_trained(checkpoint.state):
        return
    log.info("the run in %s was stopped before its first image: removed", folder)
    try:
        # the settings last: with them alone --resume begins anew
        for name in made:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(folder, "remove files from", error) from error
