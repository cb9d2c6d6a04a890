"""Checks of a run's settings, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurosim.backends import BACKENDS, DTYPES
from neurosim.data import DATASETS, is_own
from neurosim.errors import DataError, ParameterError, near_matches

__all__ = ["check_run"]

#: No memory holds the weights of more cells than this in a layer.
_LARGEST_LAYER = 1_000_000
_WHOLE_NUMBERS = {"epochs": 1, "train_images": 1, "test_images": 1, "seed": 0}


def check_run(run: Mapping[str, Any]) -> None:
    """Check every setting of a run but the system's parameters.

    Parameters
    ----------
    run : mapping
        Settings by the names of :data:`neurosim.runs.settings.RUN_DEFAULTS`.

    Raises
    ------
    ParameterError
        If a value is unknown or out of range.
    DataError
        If the data set is unknown.
    """
    if not isinstance(run["system"], str):
        raise ParameterError(f"system = {run['system']!r}: give the name of a system")
    _check_data(run["dataset"], run["data_dir"])
    if run["preset_from"] is not None and not isinstance(run["preset_from"], str):
        raise ParameterError(f"preset_from = {run['preset_from']!r}: give the name of a data set")
    for name, allowed in (("backend", BACKENDS), ("dtype", DTYPES)):
        if run[name] not in allowed:
            raise ParameterError(
                f"unknown {name} {run[name]!r}; {near_matches(str(run[name]), allowed)}"
            )
    if not isinstance(run["check_output"], bool):
        raise ParameterError(f"check_output = {run['check_output']!r}: give true or false")
    for name, least in _WHOLE_NUMBERS.items():
        value = run[name]
        if value is not None and not _is_whole(value, least):
            raise ParameterError(f"{name} = {value!r}: give a whole number of {least} or more")
    hidden = run["hidden"]
    if hidden is not None and not (
        isinstance(hidden, (list, tuple))
        and all(_is_whole(size, 1) and size <= _LARGEST_LAYER for size in hidden)
    ):
        raise ParameterError(
            f"hidden = {hidden!r}: give layer sizes from 1 to {_LARGEST_LAYER}, e.g. hidden = [500]"
        )


def _check_data(dataset: Any, data_dir: Any) -> None:
    if not (isinstance(dataset, str) and (dataset in DATASETS or is_own(dataset))):
        raise DataError(
            f"unknown data set {dataset!r}; {near_matches(str(dataset), DATASETS)}; or data of "
            "your own, FILE.npz or a folder of images"
        )
    if data_dir is not None and not _is_path(data_dir):
        raise ParameterError(f"data_dir = {data_dir!r}: give the path of a folder as text")


def _is_path(value: Any) -> bool:
    """Whether a value names a path that a configuration file can hold."""
    if not isinstance(value, (str, Path)) or "\0" in str(value):
        return False
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
