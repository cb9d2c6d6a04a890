"""Figures that can be reproduced: a name, where it is from, and how it is made."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path

from neurosim.errors import NeurosimError, ParameterError, near_matches

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
    module : str
        Whose function ``make(out)`` writes files and returns their paths.
    takes_data : bool
        Whether it is ``make(out, data_dir)``.
    """

    name: str
    title: str
    source: str
    module: str
    takes_data: bool = False

    def make(self, out: Path, data_dir: Path | None = None) -> tuple[Path, ...]:
        """Make the figure and the numbers behind it.

        Parameters
        ----------
        out : Path
            Folder for the files; made if missing.
        data_dir : Path, optional
            Where data sets lie.

        Returns
        -------
        tuple of Path
            What was written.

        Raises
        ------
        ParameterError
            If a folder of data sets is given to a study that needs none.
        """
        if data_dir is not None and not self.takes_data:
            raise ParameterError(f"{self.name} needs no data; leave --data-dir out")
        out.mkdir(parents=True, exist_ok=True)
        given = (out, data_dir) if self.takes_data else (out,)
        made: tuple[Path, ...] = importlib.import_module(self.module).make(*given)
        return made


STUDIES: Mapping[str, Study] = {
    item.name: item
    for item in (
        Study(
            "urfb-linear",
            "updated and fixed random feedback in a linear network",
            "Amit, Deep learning with asymmetric connections and Hebbian updates, 2019, fig. 12",
            "neurosim.reproduce.urfb_linear",
        ),
        Study(
            "reciprocal",
            "feedback weights that learn the pseudoinverse, and learning through them",
            "Cameron, Chen, Sejnowski, A biologically-plausible learning rule using reciprocal "
            "feedback connections, figs. 1A and 2B",
            "neurosim.reproduce.reciprocal",
            takes_data=True,
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
