"""What the runs of a row gave, as a file: values, seeds, time, and what they were computed with.

Pages and figures are made from these files alone, so no number in them is typed by hand.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import RunFolderError
from neurosim.reproduce.tables import TABLES, Row, rows_of
from neurosim.runs.comparison import published_angles, published_curve
from neurosim.runs.folder import RunFolder, make_folder, write_result
from neurosim.runs.groups import Group, Spread, load_groups, run_folders
from neurosim.runs.rows import json_object, values_of
from neurosim.runs.settings import RunSettings

__all__ = ["Difference", "Result", "compared", "read_results", "result_of", "write_row"]

#: Digits behind the point of values that were measured.
_DIGITS = 6
#: Metrics of a run that its course is made of, and their factors.
_COURSES = {"test_accuracy": 100, "train_accuracy": 100, "angle_degrees": 1}
#: Metrics of the last epoch that tell what an image costs.
_COSTS = ("ms_per_image", "graded_spikes_per_image", "synops_per_image", "dense_macs_per_image")
#: A difference of more than this many standard deviations is marked.
MARKED = 2.0


@dataclasses.dataclass(frozen=True)
class Result:
    """What the runs of one row gave.

    Attributes
    ----------
    row, table : str
        Names of the row and of its table.
    system, dataset : str
        Names.
    contents : str
        What the data files hold, see ``Dataset.contents``.
    network : list of int
        Layer sizes.
    batch : int
        Images per update.
    seeds : list of int
        Seeds of the runs.
    epochs, table_epochs : int
        Epochs of the longest of them, and those of the table.
    value : float
        Mean test accuracy in % after the last epoch, of the seeds that have finished it.
    deviation : float or None
        Its standard deviation over these seeds (n - 1); None for one seed.
    courses : dict of str to list of list of float
        Test and train accuracy in %, and angles in degrees averaged over layers, one list per
        seed, one value per epoch.
    published : dict of str to dict of str to float
        Published values of the same quantities by epoch.
    costs : dict of str to float
        Means over the same seeds in the last epoch: milliseconds, graded spikes and synaptic
        operations per image, and multiply-accumulates of a dense simulation.
    train_seconds : list of float
        Training time of each seed in all.
    backend, dtype : str
        What computed it, and in which precision.
    environments : list of dict of str to str
        Versions, commit and processor; one, unless runs were made with several.
    commands : list of str
        What makes it anew, one for every length of runs.
    """

    row: str
    table: str
    system: str
    dataset: str
    contents: str
    network: list[int]
    batch: int
    seeds: list[int]
    epochs: int
    table_epochs: int
    value: float
    deviation: float | None
    courses: dict[str, list[list[float]]]
    published: dict[str, dict[str, float]]
    costs: dict[str, float]
    train_seconds: list[float]
    backend: str
    dtype: str
    environments: list[dict[str, str]]
    commands: list[str]

    def at(self, quantity: str, epoch: int) -> Spread:
        """Mean and deviation after an epoch over the seeds that have finished it.

        Parameters
        ----------
        quantity : str
            A key of ``courses``.
        epoch : int
            From 1 to ``epochs``.

        Returns
        -------
        Spread
            In % or degrees.
        """
        courses = self.courses[quantity]
        return Spread.of([course[epoch - 1] for course in courses if len(course) >= epoch])

    def seeds_at(self) -> dict[int, int]:
        """Seeds that have finished an epoch, for every last epoch of a run, in rising order."""
        return _seeds_at(self.courses["test_accuracy"])


@dataclasses.dataclass(frozen=True)
class Difference:
    """A measured value beside a published one.

    Attributes
    ----------
    published : float
        In %.
    published_deviation : float or None
        Its standard deviation over seeds, where it is published.
    difference : float
        Measured minus published, in %.
    deviations : float or None
        The same in standard deviations: of the published seeds, or where these are not
        published of the seeds measured; None where there are none either.
    """

    published: float
    published_deviation: float | None
    difference: float
    deviations: float | None

    @property
    def marked(self) -> bool:
        """Whether it is beyond two standard deviations."""
        return self.deviations is not None and abs(self.deviations) > MARKED


def result_of(row: Row, folder: Path) -> Result:
    """Read the runs of a row.

    Parameters
    ----------
    row : Row
        The row.
    folder : Path
        With a folder ``seed-N`` per run.

    Returns
    -------
    Result
        At the last epoch of the longest runs.

    Raises
    ------
    RunFolderError
        If there is no finished epoch, the runs are of several kinds of images, or their
        settings are not those of the row.
    """
    groups = load_groups([folder], whole=True)
    if len(groups) > 1:
        raise RunFolderError(
            f"the runs in {folder} differ in more than their seed: "
            f"{', '.join(group.label for group in groups)}; give another --runs"
        )
    (group,) = groups
    _check_settings(row, group.settings, folder)
    folders = run_folders([folder])
    configs = [RunFolder(path).read_config() for path in folders]
    environments = [dict(config.get("environment", {})) for config in configs]
    value = group.spread("test_accuracy")
    settings = group.settings
    return Result(
        row=row.name,
        table=row.table,
        system=row.system,
        dataset=row.dataset,
        contents=str(configs[0].get("data", {}).get("contents", "")),
        network=list(settings.system.layers),
        batch=settings.system.batch,
        seeds=list(group.rows),
        epochs=group.epochs,
        table_epochs=row.epochs,
        value=_rounded(100 * value.mean),
        deviation=None if value.deviation is None else _rounded(100 * value.deviation),
        courses=_courses(group),
        published=_published(group),
        costs={name: _rounded(group.spread(name).mean) for name in _COSTS if _has(group, name)},
        train_seconds=[_rounded(totals[-1]) for totals in _seconds(group)],
        backend=settings.backend,
        dtype=settings.dtype,
        environments=[one for n, one in enumerate(environments) if one not in environments[:n]],
        commands=[
            f"neurosim reproduce {row.table} --rows {row.name} --seeds {seeds}"
            + ("" if epochs == row.epochs else f" --epochs {epochs}")
            for epochs, seeds in _seeds_at(list(group.rows.values())).items()
        ],
    )


def _check_settings(row: Row, found: RunSettings, folder: Path) -> None:
    """Refuse runs of another network, rule or choice of images than the row's."""
    wanted = row.settings(epochs=found.epochs)
    cut = (found.train_images, found.test_images) != (None, None)
    if (found.dataset, found.system) != (wanted.dataset, wanted.system) or cut:
        changes = found.describe_changes() or "other layers, data or images"
        raise RunFolderError(
            f"the runs in {folder} are not those of {row.name} ({changes}); give another --runs"
        )


def _seeds_at(runs: Sequence[Sequence[Any]]) -> dict[int, int]:
    lengths = [len(run) for run in runs]
    return {epochs: sum(n >= epochs for n in lengths) for epochs in sorted(set(lengths))}


def _courses(group: Group) -> dict[str, list[list[float]]]:
    courses: dict[str, list[list[float]]] = {
        name: [[] for _ in group.rows]
        for name in _COURSES
        if name != "angle_degrees" or group.has_angles()
    }
    for name, of_seeds in courses.items():
        for epoch in range(1, group.epochs + 1):
            longer = [c for c, rows in zip(of_seeds, group.rows.values(), strict=True)
                      if len(rows) >= epoch]  # fmt: skip
            for course, value in zip(longer, group.values(name, epoch), strict=True):
                course.append(_rounded(_COURSES[name] * value))
    return courses


def _published(group: Group) -> dict[str, dict[str, float]]:
    curves = {
        "test_accuracy": published_curve(group),
        "train_accuracy": published_curve(group, "train_accuracy"),
        "angle_degrees": published_angles(group),
    }
    return {
        name: {f"{epoch:g}": value for epoch, value in points.items()}
        for name, points in curves.items()
        if points
    }


def _has(group: Group, name: str) -> bool:
    return all(name in rows[-1] for rows in group.rows.values())


def _seconds(group: Group) -> list[list[float]]:
    return [[sum(row["train_seconds"] for row in rows)] for rows in group.rows.values()]


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


def compared(result: Result) -> Difference | None:
    """A result beside what is published after the same number of epochs.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    Difference or None
        None where nothing is published for these epochs. The end of a full run is compared
        with the table, an earlier epoch with the published curve; a run whose schedule is
        shorter in proportion with the table, too.
    """
    entries = {row.name: row.entry for row in rows_of(result.table)}
    entry = entries.get(result.row)
    curve = result.published.get("test_accuracy", {})
    full = result.epochs == result.table_epochs or TABLES[result.table].in_proportion
    if entry is not None and entry.value is not None and full:
        published, spread = entry.value, entry.deviation
    elif str(result.epochs) in curve:
        published, spread = curve[str(result.epochs)], None
    else:
        return None
    difference = result.value - published
    deviation = spread or result.deviation
    return Difference(published, spread, difference, difference / deviation if deviation else None)


def write_row(result: Result, out: Path, file_name: str) -> Path:
    """Write a result, completely or not at all.

    Parameters
    ----------
    result : Result
        The result.
    out : Path
        Folder of all results; made if missing.
    file_name : str
        Name of the file without its ending.

    Returns
    -------
    Path
        ``out/TABLE/NAME.json``.

    Raises
    ------
    RunFolderError
        If it cannot be written.
    """
    folder = out / result.table
    make_folder(folder)
    path = folder / f"{file_name}.json"
    # a line for each value: courses are long lists of numbers
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(value, allow_nan=False, ensure_ascii=False)}"
        for name, value in dataclasses.asdict(result).items()
    )
    write_result(path, f"{{\n{lines}\n}}\n".encode())
    return path


def read_results(out: Path) -> list[Result]:
    """Read all results in a folder.

    Parameters
    ----------
    out : Path
        Folder that :func:`write_row` wrote to.

    Returns
    -------
    list of Result
        In the order of the tables and their rows; rows that this version does not know
        come last.

    Raises
    ------
    RunFolderError
        If a file is damaged, or is of another version.
    """
    found = [_read(file) for name in TABLES for file in sorted((out / name).glob("*.json"))]
    order = {row.name: n for n, row in enumerate(r for name in TABLES for r in rows_of(name))}
    places = list(TABLES)
    return sorted(found, key=lambda r: (places.index(r.table), order.get(r.row, len(order))))


def _read(file: Path) -> Result:
    try:
        result = Result(**values_of(Result, json_object(file.read_bytes())))
        if result.table not in TABLES:
            raise ValueError(f"unknown table {result.table!r}")
        return result
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{file} holds no result of this version ({error}); remove it, and make it anew by "
            "neurosim reproduce"
        ) from error
