"""Groups of runs that differ in nothing but their seed, for comparisons.

Groups are compared on the same data set, at the last epoch that all seeds of a group have
finished.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.data.dataset import NOT_CHECKED, is_other
from neurosim.errors import ParameterError, RunFolderError
from neurosim.learning.named_systems import reference_of
from neurosim.runs.folder import RunFolder
from neurosim.runs.opened import read_settings, way_on
from neurosim.runs.seed_folder import seed_folders
from neurosim.runs.settings import RunSettings

__all__ = ["Group", "Spread", "load_groups", "run_folders"]

#: Settings that do not decide whether two runs are the same experiment.
_ASIDE = frozenset(
    {"seed", "epochs", "data_dir", "preset", "environment", "backend", "check_output", "data"}
)
#: Settings that labels name for groups of different systems too: results depend on them.
_SHARED = frozenset({"train_images", "test_images", "dtype"})


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds.

    Attributes
    ----------
    mean : float
        Mean over seeds.
    deviation : float or None
        Standard deviation (n - 1); None for one seed.
    """

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Mean and standard deviation of one value per seed.

        Parameters
        ----------
        values : sequence of float
            At least one.

        Returns
        -------
        Spread
            In the unit of the values.

        Raises
        ------
        statistics.StatisticsError
            If there are none.
        """
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)

    def text(self, form: str = ".2f") -> str:
        """``mean ± deviation``, or the mean alone for one seed.

        Parameters
        ----------
        form : str
            Format of both numbers.

        Returns
        -------
        str
            Such as ``"97.17 ± 0.12"``; what rounds to 0 has no sign.
        """
        form = "z" + form
        if self.deviation is None:
            return format(self.mean, form)
        return f"{self.mean:{form}} ± {self.deviation:{form}}"


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one experiment with several seeds.

    Attributes
    ----------
    label : str
        Name in tables and figures: the system's, and what sets it apart from
        other groups of the same system.
    settings : RunSettings
        Settings of the first run.
    rows : mapping of int to list of dict
        Lines of ``metrics.jsonl`` by seed.
    """

    label: str
    settings: RunSettings
    rows: Mapping[int, list[dict[str, Any]]]

    @property
    def epochs(self) -> int:
        """Epochs of the longest run."""
        return max(map(len, self.rows.values()))

    def values(self, name: str, epoch: int) -> list[float]:
        """One metric after an epoch; angles are averaged over layers.

        Parameters
        ----------
        name : str
            A name of ``metrics.jsonl``.
        epoch : int
            Number of the epoch, from 1.

        Returns
        -------
        list of float
            One value per seed that has finished this epoch.

        Raises
        ------
        KeyError
            If the metric is not in the runs.
        """
        found = [rows[epoch - 1][name] for rows in self.rows.values() if len(rows) >= epoch]
        return [
            statistics.fmean(value.values()) if isinstance(value, Mapping) else float(value)
            for value in found
        ]

    def spread(self, name: str, epoch: int | None = None) -> Spread:
        """Mean and deviation of a metric over seeds.

        Parameters
        ----------
        name : str
            A name of ``metrics.jsonl``.
        epoch : int, optional
            Number of the epoch, from 1; by default the last.

        Returns
        -------
        Spread
            In the unit of the metric.

        Raises
        ------
        KeyError
            If the metric is not in the runs.
        """
        return Spread.of(self.values(name, self.epochs if epoch is None else epoch))

    def has_angles(self) -> bool:
        """Whether the system has forward and backward weights whose angle can be measured."""
        return all(bool(row["angle_degrees"]) for rows in self.rows.values() for row in rows)

    def totals(self, name: str) -> list[list[float]]:
        """Running totals over epochs of a per-image metric, or of seconds.

        Parameters
        ----------
        name : str
            A name of ``metrics.jsonl`` that ends in ``_per_image``, or ``"train_seconds"``.

        Returns
        -------
        list of list of float
            One list per seed, one total per epoch.

        Raises
        ------
        KeyError
            If the metric is not in the runs.
        """
        totals = []
        for seed_rows in self.rows.values():
            sums, total = [], 0.0
            for row in seed_rows:
                factor = 1 if name == "train_seconds" else self.settings.images_per_epoch
                total += factor * row[name]
                sums.append(total)
            totals.append(sums)
        return totals


def run_folders(paths: Iterable[Path]) -> list[Path]:
    """Folders of single runs: each path itself, or the runs of several seeds below it.

    Parameters
    ----------
    paths : iterable of Path
        Folders of ``neurosim train``, with or without ``--seeds``.

    Returns
    -------
    list of Path
        One folder per run.
    """
    return [folder for path in paths for folder in (seed_folders(path) or [path])]


def load_groups(paths: Iterable[Path], *, whole: bool = False) -> list[Group]:
    """Read runs and group those that differ in their seed only.

    Parameters
    ----------
    paths : iterable of Path
        Run folders; a folder of several seeds stands for all its runs.
    whole : bool
        Whether runs keep epochs that not all seeds of their group have finished.

    Returns
    -------
    list of Group
        In the order in which they were given.

    Raises
    ------
    RunFolderError
        If a folder holds no run or no finished epoch.
    ParameterError
        If the runs are of several data sets, or a run is given twice.
    """
    runs = [_read(folder) for folder in run_folders(paths)]
    datasets = sorted({run.settings.dataset for run in runs})
    if len(datasets) > 1:
        raise ParameterError(
            f"these runs are of several data sets ({', '.join(datasets)}); compare runs of one"
        )
    grouped: dict[str, list[_Run]] = {}
    for run in runs:
        grouped.setdefault(run.identity, []).append(run)
    labels = _labels([members[0].settings for members in grouped.values()])
    return [
        _group(label, members, whole)
        for label, members in zip(labels, grouped.values(), strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class _Run:
    path: Path
    settings: RunSettings
    contents: str
    identity: str
    rows: list[dict[str, Any]]


def _read(path: Path) -> _Run:
    settings = read_settings(path, way_out="give folders of `neurosim train`")
    folder = RunFolder(path)
    config = folder.read_config()
    rows = folder.read_metrics()
    if not rows:
        raise RunFolderError(f"{path} has not finished an epoch; {way_on(path)}")
    contents = _other_contents(config.get("data"))
    given = sorted((k, repr(v)) for k, v in config.items() if k not in _ASIDE)
    return _Run(path, settings, contents, repr((contents, given)), rows)


def _other_contents(data: Any) -> str:
    """What a run's data files hold if it is something else than their name says."""
    contents = data.get("contents", NOT_CHECKED) if isinstance(data, dict) else NOT_CHECKED
    return str(contents) if is_other(contents) else ""


def _group(label: str, members: Sequence[_Run], whole: bool) -> Group:
    by_seed: dict[int, _Run] = {}
    for run in members:
        if run.settings.seed in by_seed:
            other = by_seed[run.settings.seed].path
            raise ParameterError(
                f"{run.path} and {other} are the same experiment with the same seed "
                f"{run.settings.seed}; leave one out"
            )
        by_seed[run.settings.seed] = run
    last = None if whole else min(len(run.rows) for run in members)
    rows = {seed: run.rows[:last] for seed, run in sorted(by_seed.items())}
    # a table of mnist must not list other images as if they were its own
    note = " (other images)" if members[0].contents else ""
    return Group(label + note, members[0].settings, rows)


def _labels(settings: Sequence[RunSettings]) -> list[str]:
    """Label each group by its system and the settings that set it apart from the others.

    Parameters count within a system; settings of data and precision among all groups.
    """
    described = [_described(one) for one in settings]
    labels = []
    for own in described:
        same = [other for other in described if other["system"] == own["system"]]
        apart = [
            f"{name}={value}"
            for name, value in own.items()
            if any(other.get(name) != value for other in (described if name in _SHARED else same))
        ]
        labels.append(" ".join([str(own["system"]), *apart]))
    return labels


def _described(settings: RunSettings) -> dict[str, Any]:
    system = settings.system
    return {
        "system": system.name,
        # two user files may give their systems the same name
        "from": reference_of(system),
        "layers": "-".join(map(str, system.layers)),
        "train_images": settings.train_images or "all",
        "test_images": settings.test_images or "all",
        "dtype": settings.dtype,
        **{
            field.name: getattr(system, field.name)
            for field in dataclasses.fields(system)
            if field.name != "layers"
        },
    }
