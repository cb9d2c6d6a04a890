"""Curves that a paper publishes, to be drawn beside what was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from neurosim.errors import ParameterError
from neurosim.system.file_entries import check_keys, is_whole, mistake, numbers_of, text_of

__all__ = ["PublishedCurve", "read_curve"]

_KEYS = ("quantity", "source", "epochs", "batches", "batches_per_epoch", "values")


@dataclasses.dataclass(frozen=True)
class PublishedCurve:
    """Points of a published curve, to be drawn beside what was measured.

    Attributes
    ----------
    quantity : str
        ``"test_accuracy"`` or ``"train_accuracy"`` in %, or the name of a
        :class:`FeedbackPair` for an angle in degrees.
    points : mapping of float to float
        Value by epochs of training; parts of an epoch are allowed.
    source : str
        Where the points come from, in plain words.
    """

    quantity: str
    points: Mapping[float, float]
    source: str


def read_curve(where: str, entry: Any) -> PublishedCurve:
    """Read one of the ``curves`` of a preset.

    Parameters
    ----------
    where : str
        Place in the file, for messages.
    entry : object
        Parsed TOML: values, and after how many epochs or batches.

    Returns
    -------
    PublishedCurve
        By epochs.

    Raises
    ------
    ParameterError
        If a key is missing, unknown or of the wrong kind, or numbers of values and epochs
        differ.
    """
    check_keys(where, entry, ("quantity", "source", "values"), _KEYS)
    values = numbers_of(where, "values", entry["values"])
    if "batches_per_epoch" in entry:
        per_epoch = entry["batches_per_epoch"]
        if not is_whole(per_epoch):
            raise mistake(where, "batches_per_epoch", per_epoch, "a whole number of 1 or more")
        batches = numbers_of(where, "batches", entry.get("batches"))
        epochs: Sequence[float] = [count / per_epoch for count in batches]
    else:
        epochs = numbers_of(where, "epochs", entry.get("epochs"))
    if len(epochs) != len(values) or list(epochs) != sorted(set(epochs)):
        raise ParameterError(
            f"{where}: {len(values)} values, {len(epochs)} epochs; give one rising epoch per value"
        )
    points = dict(zip(epochs, values, strict=True))
    return PublishedCurve(
        text_of(where, "quantity", entry), points, text_of(where, "source", entry)
    )
