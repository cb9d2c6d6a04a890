"""Runs side by side: accuracy, time, spikes, SynOps and angles, over seeds.

Runs that differ in nothing but their seed form one group. Groups are compared
on the same data set, at the last epoch that all seeds of a group have reached.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.runs.settings import RunSettings, resolve
from neurosim.errors import ParameterError, RunFolderError
from neurosim.runs.opened import read_settings
from neurosim.runs.folder import RunFolder
from neurosim.runs.seeds import (
    add_seeds,
    holds_seeds,
    read_seeds_config,
    resume_seeds,
    seed_folders,
    train_seeds,
)
from neurosim.runs.training import check_jobs
from neurosim.learning.named_systems import reference_of

__all__ = [
    "Group",
    "Spread",
    "comparison_markdown",
    "load_groups",
    "published_angles",
    "published_curve",
    "run_folders",
    "train_missing",
]

#: Settings that do not decide whether two runs are the same experiment.
_ASIDE = frozenset({"seed", "epochs", "data_dir", "preset", "environment", "backend"})
#: Settings told of groups of different systems, too: with others nothing is comparable.
_SHARED = frozenset({"train_images", "test_images", "dtype"})
#: In a cell of the table: there is no such value.
_NONE = "-"


@dataclasses.dataclass(frozen=True)
class Spread:
    """A number over seeds.

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
            Such as ``"97.17 ± 0.12"``.
        """
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
        Lines of ``metrics.jsonl`` by seed, as far as all seeds have come.
    """

    label: str
    settings: RunSettings
    rows: Mapping[int, list[dict[str, Any]]]

    @property
    def epochs(self) -> int:
        """Epochs that all seeds have finished."""
        return len(next(iter(self.rows.values())))

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
            One value per seed.

        Raises
        ------
        KeyError
            If the metric is not in the runs.
        """
        found = [seed_rows[epoch - 1][name] for seed_rows in self.rows.values()]
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


def load_groups(paths: Iterable[Path]) -> list[Group]:
    """Read runs and group those that differ in their seed only.

    Parameters
    ----------
    paths : iterable of Path
        Run folders; a folder of several seeds stands for all its runs.

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
    return [_group(label, members) for label, members in zip(labels, grouped.values(), strict=True)]


@dataclasses.dataclass(frozen=True)
class _Run:
    path: Path
    settings: RunSettings
    identity: str
    rows: list[dict[str, Any]]


def _read(path: Path) -> _Run:
    settings = read_settings(path, way_out="give folders of `neurosim train`")
    folder = RunFolder(path)
    config = folder.read_config()
    rows = folder.read_metrics()
    if not rows:
        raise RunFolderError(
            f"{path} has not finished an epoch; go on with it: neurosim train --resume {path}"
        )
    identity = repr(sorted((k, repr(v)) for k, v in config.items() if k not in _ASIDE))
    return _Run(path, settings, identity, rows)


def _group(label: str, members: Sequence[_Run]) -> Group:
    by_seed: dict[int, _Run] = {}
    for run in members:
        if run.settings.seed in by_seed:
            other = by_seed[run.settings.seed].path
            raise ParameterError(
                f"{run.path} and {other} are the same experiment with the same seed "
                f"{run.settings.seed}; leave one out"
            )
        by_seed[run.settings.seed] = run
    common = min(len(run.rows) for run in members)
    rows = {seed: run.rows[:common] for seed, run in sorted(by_seed.items())}
    return Group(label, members[0].settings, rows)


def _labels(settings: Sequence[RunSettings]) -> list[str]:
    """Names of groups: the system, and the settings in which groups differ that it stands for.

    Settings of the data and the precision are told if any two groups differ in them.
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
        # two files of the user's may call their systems alike
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


# ---------------------------------------------------------------- table

_COLUMNS = (
    "system",
    "network",
    "seeds",
    "epochs",
    "test accuracy, %",
    "published, %",
    "train accuracy, %",
    "ms per image",
    "graded spikes per image",
    "SynOps per image",
    "dense MACs per SynOp",
    "angle, degrees",
    "published angle, degrees",
)


def comparison_markdown(groups: Sequence[Group]) -> str:
    """A table of groups, one line each, in Markdown.

    Parameters
    ----------
    groups : sequence of Group
        From :func:`load_groups`.

    Returns
    -------
    str
        Means ± standard deviations over seeds, after the last common epoch of
        each group. A published value is one of the same epoch; ``-`` where there is none.
    """
    lines = [
        "| " + " | ".join(_COLUMNS) + " |",
        "| --- | --- | " + " | ".join(["---:"] * (len(_COLUMNS) - 2)) + " |",
    ]
    return "\n".join([*lines, *("| " + " | ".join(_cells(group)) + " |" for group in groups)])


def published_curve(group: Group, quantity: str = "test_accuracy") -> dict[float, float]:
    """Points of a published curve; none unless the settings are the published ones.

    Parameters
    ----------
    group : Group
        Runs of one experiment.
    quantity : str
        See :class:`neurosim.system.PublishedCurve`.

    Returns
    -------
    dict of float to float
        Accuracy in %, or angle in degrees, by epoch; parts of an epoch are possible.
    """
    published = group.settings.published()
    curves = [curve for curve in published if curve.quantity == quantity]
    return {epoch: value for curve in curves for epoch, value in curve.points.items()}


def published_angles(group: Group) -> dict[float, float]:
    """Published weight angles, averaged over layers as the measured ones are.

    Parameters
    ----------
    group : Group
        Runs of one experiment.

    Returns
    -------
    dict of float to float
        Angle in degrees by epoch, where it is published for every layer that has one.
    """
    pairs = group.settings.system.feedback_pairs()
    curves = [published_curve(group, pair.name) for pair in pairs]
    if not curves:
        return {}
    common = [epoch for epoch in curves[0] if all(epoch in curve for curve in curves)]
    return {epoch: statistics.fmean(curve[epoch] for curve in curves) for epoch in common}


def _cells(group: Group) -> list[str]:
    def percent(name: str) -> str:
        return Spread.of([100 * value for value in group.values(name, group.epochs)]).text()

    per_synop = [
        macs / max(synops, 1)
        for macs, synops in zip(
            group.values("dense_macs_per_image", group.epochs),
            group.values("synops_per_image", group.epochs),
            strict=True,
        )
    ]

    def published(points: Mapping[float, float], form: str) -> str:
        # of these images seen, or none: nothing is interpolated
        return format(points[group.epochs], form) if group.epochs in points else _NONE

    return [
        group.label,
        "-".join(map(str, group.settings.system.layers)),
        str(len(group.rows)),
        str(group.epochs),
        percent("test_accuracy"),
        published(published_curve(group), ".2f"),
        percent("train_accuracy"),
        group.spread("ms_per_image").text(".3f"),
        group.spread("graded_spikes_per_image").text(".0f"),
        group.spread("synops_per_image").text(".0f"),
        Spread.of(per_synop).text(".1f"),
        group.spread("angle_degrees").text(".1f") if group.has_angles() else _NONE,
        published(published_angles(group), ".1f"),
    ]


# ---------------------------------------------------------------- runs to be made


def train_missing(
    systems: Sequence[str],
    seeds: int,
    out: Path,
    *,
    settings: Mapping[str, Any],
    jobs: int = 1,
    progress: bool = True,
) -> list[Path]:
    """Train several systems with several seeds, but for what is there already.

    Parameters
    ----------
    systems : sequence of str
        Names of systems, or ``path/to/file.py:ClassName``.
    seeds : int
        Runs of each, seeds 0 to ``seeds - 1``.
    out : Path
        Runs go to ``out/NAME/seed-N`` with the system's own name; finished ones found
        there are kept, even if longer, stopped or shorter ones go on.
    settings : mapping of str to object
        Run settings common to all; None where the preset decides.
    jobs : int
        Most processes at one time.
    progress : bool
        Show progress bars.

    Returns
    -------
    list of Path
        One folder per system.

    Raises
    ------
    ParameterError
        If a system or setting is unknown or out of range, or two systems have one name.
    RunFolderError
        If a folder holds runs with other settings, or cannot be written.
    NeurosimError
        If a run fails.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    if seeds < 1:
        raise ParameterError(f"--seeds {seeds}: give 1 or more")
    check_jobs(jobs)
    # all are checked before the first is trained
    wanted = _by_name(systems, settings)
    for name, one in wanted.items():
        folder = out / name
        if holds_seeds(folder):
            _refuse_other_settings(folder, one)
            add_seeds(folder, range(seeds))
            resume_seeds(folder, jobs=jobs, epochs=one.epochs, progress=progress)
        else:
            train_seeds(one, range(seeds), folder, jobs=jobs, progress=progress)
    return [out / name for name in wanted]


def _by_name(systems: Sequence[str], settings: Mapping[str, Any]) -> dict[str, RunSettings]:
    """Settings of each system by its own name, which names its folder."""
    wanted: dict[str, RunSettings] = {}
    for reference in systems:
        one = resolve({**settings, "system": reference})
        if one.system.name in wanted:
            raise ParameterError(
                f"system {reference!r} is called {one.system.name!r}, as another one given; "
                "give it another name, or leave it out"
            )
        wanted[one.system.name] = one
    return wanted


def _refuse_other_settings(folder: Path, wanted: RunSettings) -> None:
    found = resolve({}, read_seeds_config(folder))
    same = dataclasses.replace(found, epochs=wanted.epochs, data_dir=wanted.data_dir)
    if same != dataclasses.replace(wanted, seed=found.seed):
        raise RunFolderError(
            f"{folder} holds runs with other settings than those asked for; give another --out"
        )
