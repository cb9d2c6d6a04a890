"""What can be reproduced: a name, where it is from, what it costs, and how it is made."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path

from neurosim.errors import NeurosimError, near_matches

__all__ = ["STUDIES", "Study", "UnknownStudyError", "study"]


class UnknownStudyError(NeurosimError):
    """There is no study of that name."""


@dataclasses.dataclass(frozen=True)
class Study:
    """A figure or table of a paper.

    Attributes
    ----------
    name : str
        On the command line.
    title : str
        What it shows.
    source : str
        Paper and figure.
    cost : str
        What it takes, in words.
    module : str
        Whose function ``make(out)`` writes files and returns their paths.
    """

    name: str
    title: str
    source: str
    cost: str
    module: str

    def make(self, out: Path) -> tuple[Path, ...]:
        """Make the figure and the numbers behind it.

        Parameters
        ----------
        out : Path
            Folder for the files; made if missing.

        Returns
        -------
        tuple of Path
            What was written.
        """
        out.mkdir(parents=True, exist_ok=True)
        made: tuple[Path, ...] = importlib.import_module(self.module).make(out)
        return made


STUDIES: Mapping[str, Study] = {
    item.name: item
    for item in (
        Study(
            "urfb-linear",
            "updated and fixed random feedback in a linear network",
            "Amit, Deep learning with asymmetric connections and Hebbian updates, 2019, fig. 12",
            "seconds",
            "neurosim.reproduce.urfb_linear",
        ),
    )
}


def study(name: str) -> Study:
    """The study of a name.

    Parameters
    ----------
    name : str
        One of :data:`STUDIES`.

    Returns
    -------
    Study
        As declared.

    Raises
    ------
    UnknownStudyError
        If there is none.
    """
    if name not in STUDIES:
        raise UnknownStudyError(f"unknown study {name!r}; {near_matches(name, STUDIES)}")
    return STUDIES[name]
