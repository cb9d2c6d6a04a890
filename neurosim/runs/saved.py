"""Settings that a run left in its ``config.toml``, resolved again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurosim.errors import DataError, ParameterError, RunFolderError
from neurosim.runs.folder import CONFIG_NAME, RunFolder
from neurosim.runs.settings import RunSettings, resolve, settings_from_config

__all__ = ["saved_settings"]

#: Without these a file is no saved configuration, and defaults would be taken for a run's own.
_ALWAYS = ("system", "dataset")


def saved_settings(folder: Path, given: Mapping[str, Any] | None = None) -> RunSettings:
    """Settings of a run, or of several that have settings in common.

    Parameters
    ----------
    folder : Path
        Where ``config.toml`` lies.
    given : mapping of str to object, optional
        Run settings that replace those in the file; None keeps them.

    Returns
    -------
    RunSettings
        Resolved and checked.

    Raises
    ------
    RunFolderError
        If the file is absent or damaged.
    ParameterError, DataError
        If this version does not know the settings; what stands in the file is told with its name.
    """
    file = folder / CONFIG_NAME
    config = RunFolder(folder).read_config()
    for name in _ALWAYS:
        if name not in config:
            raise RunFolderError(
                f"{file} is damaged (no {name} in it); mend it by hand or start a new run with "
                "another --out"
            )
    saved = settings_from_config(config, str(file))
    try:
        return resolve(given or {}, saved)
    except (ParameterError, DataError) as error:
        if given and _resolves(saved):
            raise
        raise type(error)(f"{file}: {error}") from error


def _resolves(saved: Mapping[str, Any]) -> bool:
    try:
        resolve({}, saved)
    except (ParameterError, DataError):
        return False
    return True
