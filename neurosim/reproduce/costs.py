"""What rows and studies cost: times measured here, or else those that ship.

``neurosim reproduce --measure`` times every row for a second or two and keeps the times in the
user's cache folder, ``costs.json``. The file of the same form beside this module ships.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from neurosim.backends.cpp.library import cache_folder
from neurosim.data import DATASETS
from neurosim.errors import RunFolderError
from neurosim.files import place_given_by
from neurosim.runs.folder import make_folder, write_result
from neurosim.runs.provenance import processor
from neurosim.runs.rows import json_object, summary_text
from neurosim.runs.settings import RunSettings

__all__ = ["Cost", "Costs", "Timed", "duration", "own_file"]

#: Times that ship, and where they were measured.
SHIPPED = Path(__file__).with_name("costs.json")


class Timed(Protocol):
    """What has a time: a row of a table, or of a figure."""

    @property
    def cost_name(self) -> str:
        """The name that its times have."""

    @property
    def dataset(self) -> str:
        """Name of its data set."""

    @property
    def epochs(self) -> int:
        """Length of its training."""

    def settings(self, **given: Any) -> RunSettings:
        """Settings of its runs, with those given."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Time of one image of a row.

    Attributes
    ----------
    train_ms, evaluate_ms : float
        Milliseconds per training image, and per image of an evaluation.
    images : str
        What was shown: ``"real"``, or ``"drawn"`` in place of a data set that was not there.
    """

    train_ms: float
    evaluate_ms: float
    images: str = "real"

    def seconds(self, row: Timed, epochs: int | None = None) -> float:
        """Time of a run with one seed.

        Parameters
        ----------
        row : Timed
            The row.
        epochs : int, optional
            Epochs, each with an evaluation of all test images; the row's by default.

        Returns
        -------
        float
            In seconds, without compilation.
        """
        info = DATASETS[row.dataset]
        epoch = info.n_train * self.train_ms + info.n_test * self.evaluate_ms
        return (row.epochs if epochs is None else epochs) * epoch / 1e3


@dataclasses.dataclass(frozen=True)
class Costs:
    """Times of rows and studies that one machine has measured.

    Attributes
    ----------
    processor : str
        What they were measured on.
    date : str
        Day of the last measurement.
    rows : mapping of str to mapping of str to Cost
        By name of what was timed, then by what computed it: ``"cpp, 1 thread"``.
    studies : mapping of str to float
        Seconds by name.
    """

    processor: str
    date: str
    rows: Mapping[str, Mapping[str, Cost]]
    studies: Mapping[str, float]

    @classmethod
    def read(cls, file: Path) -> Costs:
        """Read a file of costs.

        Parameters
        ----------
        file : Path
            As :meth:`write` leaves it.

        Returns
        -------
        Costs
            What it holds.

        Raises
        ------
        RunFolderError
            If it cannot be read, or holds something else.
        """
        try:
            given = json_object(file.read_bytes())
            rows = {
                name: {how: Cost(**cost) for how, cost in costs.items()}
                for name, costs in given["rows"].items()
            }
            return cls(given["processor"], given["date"], rows, dict(given["studies"]))
        except (OSError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise RunFolderError(
                f"{file} holds no times ({error}); remove it, and measure anew by "
                "neurosim reproduce --measure"
            ) from error

    @classmethod
    def own(cls) -> Costs:
        """Times measured on this machine.

        Returns
        -------
        Costs
            Without rows if none were measured, or on another processor.
        """
        file = own_file()
        found = cls.read(file) if file.exists() else None
        here = processor()
        if found is None or found.processor != here:
            return cls(here, "", {}, {})
        return found

    @classmethod
    def shipped(cls) -> Costs:
        """Times that come with this version.

        Returns
        -------
        Costs
            With the processor they were measured on.
        """
        return cls.read(SHIPPED)

    def adding(
        self,
        rows: Mapping[str, Mapping[str, Cost]] | None = None,
        studies: Mapping[str, float] | None = None,
    ) -> Costs:
        """These times with newer ones.

        Parameters
        ----------
        rows : mapping, optional
            As ``rows``; they replace those of the same row, computed in the same way.
        studies : mapping, optional
            As ``studies``.

        Returns
        -------
        Costs
            Of today.
        """
        merged = {name: dict(costs) for name, costs in self.rows.items()}
        for name, costs in (rows or {}).items():
            merged[name] = {**merged.get(name, {}), **costs}
        date = datetime.date.today().isoformat()
        return Costs(self.processor, date, merged, {**self.studies, **(studies or {})})

    def write(self, file: Path) -> None:
        """Write the times, completely or not at all.

        Parameters
        ----------
        file : Path
            Its folder is made if missing.

        Raises
        ------
        RunFolderError
            If it cannot be written.
        """
        with place_given_by("NEUROSIM_CACHE"):
            make_folder(file.parent)
            write_result(file, summary_text(dataclasses.asdict(self)).encode())

    def of(self, row: Timed) -> Cost | None:
        """The fastest way measured for a row on one thread, or else in any way.

        Parameters
        ----------
        row : Timed
            The row.

        Returns
        -------
        Cost or None
            None if it was not measured.
        """
        costs = self.rows.get(row.cost_name, {})
        single = [cost for how, cost in costs.items() if how.endswith(", 1 thread")]
        return min(single or costs.values(), key=lambda cost: cost.train_ms, default=None)


def own_file() -> Path:
    """Where the times of this machine are kept.

    Returns
    -------
    Path
        In ``NEUROSIM_CACHE`` or the user's cache folder; it may be absent yet.
    """
    return cache_folder() / "costs.json"


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    Parameters
    ----------
    seconds : float
        The time.

    Returns
    -------
    str
        Two digits: ``"45 s"``, ``"3.2 min"``, ``"11 h"``, ``"2.5 days"``.

    Examples
    --------
    >>> duration(45), duration(192), duration(40_000), duration(216_000)
    ('45 s', '3.2 min', '11 h', '2.5 days')
    """
    for unit, length, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < most * length:
            return f"{_two_digits(seconds / length)} {unit}"
    return f"{_two_digits(seconds / 86_400)} days"


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
