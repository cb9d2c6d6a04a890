"""What the runs of a paper's figure gave, as a file; figures and pages are made from it alone."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.data import DATASETS
from neurosim.errors import RunFolderError
from neurosim.reproduce.papers import PAPERS, FigureRow, PaperFigure, paper_figure
from neurosim.runs.folder import RunFolder, make_folder, write_result
from neurosim.runs.opened import read_settings
from neurosim.runs.rows import json_object, values_of
from neurosim.runs.seed_folder import seed_folders
from neurosim.runs.settings import RunSettings

__all__ = [
    "FigureResult",
    "read_figures",
    "refused_result",
    "result_of_row",
    "results_file",
    "write_figure_row",
]

_DIGITS = 6


@dataclasses.dataclass(frozen=True)
class FigureResult:
    """What the runs of one row of a figure gave.

    Attributes
    ----------
    row, label, dataset, system : str
        Names; the label is that in the figure.
    value : float or None
        Place on the axis of an ablation.
    network : list of int
        Layer sizes.
    batch : int
        Images per update.
    contents : str
        What the data files hold, see ``Dataset.contents``.
    seeds : list of int
        Seeds of the runs.
    diverged : list of int
        Those whose learning diverged; their answers count as chance.
    epochs, full_epochs : int
        Epochs that all others have finished, and those of the paper.
    images : int or None
        Training images, if not all.
    courses : dict of str to list of list of float
        By quantity one list per seed that has not diverged, one value per epoch: accuracies
        in %, angles in degrees averaged over layers, and ``correlation NAME`` for every pair
        of forward and feedback weights.
    measured : dict
        What was measured in trained networks, by the kind of the figure.
    published : dict of str to dict of str to float
        Published values by quantity and epoch.
    deviation : float or None
        Standard deviation of the last published accuracy over seeds.
    refused : str
        Why the system refuses such settings; there are no runs then.
    train_seconds : list of float
        Training time of each of these seeds.
    backend, dtype : str
        What computed it, and in which precision.
    environments : list of dict of str to str
        Versions, commit and processor.
    command : str
        What makes it anew.
    """

    row: str
    label: str
    dataset: str
    system: str
    value: float | None
    network: list[int]
    batch: int
    contents: str
    seeds: list[int]
    diverged: list[int]
    epochs: int
    full_epochs: int
    images: int | None
    courses: dict[str, list[list[float]]]
    measured: dict[str, Any]
    published: dict[str, dict[str, float]]
    deviation: float | None
    refused: str
    train_seconds: list[float]
    backend: str
    dtype: str
    environments: list[dict[str, str]]
    command: str

    def accuracies(self, epoch: int) -> list[float]:
        """Test accuracy of every seed after an epoch, in %.

        Parameters
        ----------
        epoch : int
            From 1 to ``epochs``.

        Returns
        -------
        list of float
            A network that has diverged is right by chance; none if the settings are refused.
        """
        chance = 100 / DATASETS[self.dataset].n_classes
        learnt = [course[epoch - 1] for course in self.courses.get("test_accuracy", [])]
        return learnt + [chance] * len(self.diverged)


def result_of_row(
    figure: PaperFigure, row: FigureRow, folder: Path, most: int | None = None
) -> FigureResult:
    """Read the runs of a row.

    Parameters
    ----------
    figure : PaperFigure
        The figure.
    row : FigureRow
        Its row.
    folder : Path
        With a folder ``seed-N`` per run.
    most : int, optional
        Epochs that count, if runs have more.

    Returns
    -------
    FigureResult
        At the last epoch that all runs have finished, but for those that diverged.

    Raises
    ------
    RunFolderError
        If a run has no epoch and did not diverge, or cannot be read.
    """
    from neurosim.reproduce.paper_measures import MEASURES

    folders = seed_folders(folder)
    settings = {path: read_settings(path, way_out="give another --runs") for path in folders}
    metrics = {path: RunFolder(path).read_metrics() for path in folders}
    lost = [path for path in folders if "diverged" in RunFolder(path).read_summary()]
    learnt = [path for path in folders if path not in lost]
    for path in learnt:
        if not metrics[path]:
            raise RunFolderError(f"{path} has not finished an epoch; the same command goes on")
    common = [len(metrics[path]) for path in learnt]
    epochs = min(common + ([] if most is None else [most])) if common else 0
    rows = [metrics[path][:epochs] for path in learnt]
    one = next(iter(settings.values()))
    configs = [RunFolder(path).read_config() for path in folders]
    environments = [dict(config.get("environment", {})) for config in configs]
    measure = MEASURES.get(figure.shows)
    return FigureResult(
        row=row.name,
        label=row.label,
        dataset=row.dataset,
        system=row.system,
        value=row.value,
        network=list(one.system.layers),
        batch=one.system.batch,
        contents=str(configs[0].get("data", {}).get("contents", "")),
        seeds=[settings[path].seed for path in folders],
        diverged=[settings[path].seed for path in lost],
        epochs=epochs,
        full_epochs=row.epochs,
        images=one.train_images,
        courses=_courses(rows),
        measured={} if measure is None or not learnt else measure(learnt),
        published=_published(row, one),
        deviation=row.deviation,
        refused="",
        train_seconds=[_rounded(sum(r["train_seconds"] for r in run)) for run in rows],
        backend=one.backend,
        dtype=one.dtype,
        environments=[e for n, e in enumerate(environments) if e not in environments[:n]],
        command=_command(figure, row, len(folders), epochs, one.train_images),
    )


def refused_result(figure: PaperFigure, row: FigureRow) -> FigureResult:
    """The result of a row whose settings the system refuses.

    Parameters
    ----------
    figure : PaperFigure
        The figure.
    row : FigureRow
        Its row.

    Returns
    -------
    FigureResult
        Without runs.
    """
    points = {str(epoch): value for epoch, value in row.published.items()}
    return FigureResult(
        row=row.name,
        label=row.label,
        dataset=row.dataset,
        system=row.system,
        value=row.value,
        network=[],
        batch=0,
        contents="",
        seeds=[],
        diverged=[],
        epochs=0,
        full_epochs=row.epochs,
        images=None,
        courses={},
        measured={},
        published={"test_accuracy": points} if points else {},
        deviation=row.deviation,
        refused=row.refusal(),
        train_seconds=[],
        backend="",
        dtype="",
        environments=[],
        command=f"neurosim reproduce figure {figure.name} --rows {row.name}",
    )


def _command(
    figure: PaperFigure, row: FigureRow, seeds: int, epochs: int, images: int | None
) -> str:
    words = f"neurosim reproduce figure {figure.name} --rows {row.name} --seeds {seeds}"
    if 0 < epochs != row.epochs:
        words += f" --epochs {epochs}"
    return words + ("" if images is None else f" --images {images}")


def _courses(runs: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, list[list[float]]]:
    if not runs or not runs[0]:
        return {}
    found = {
        name: [[_rounded(100 * row[name]) for row in run] for run in runs]
        for name in ("test_accuracy", "train_accuracy")
    }
    if all(row.get("angle_degrees") for run in runs for row in run):
        found["angle_degrees"] = [
            [_rounded(statistics.fmean(row["angle_degrees"].values())) for row in run]
            for run in runs
        ]
    for pair in runs[0][0].get("correlation", {}):
        values = [[row["correlation"][pair] for row in run] for run in runs]
        if all(v is not None for of_run in values for v in of_run):
            found[f"correlation {pair}"] = [[_rounded(v) for v in of_run] for of_run in values]
    return found


def _published(row: FigureRow, settings: RunSettings) -> dict[str, dict[str, float]]:
    """Values of the figure's file, or else the curves of the preset."""
    if row.row is None:
        points = {str(epoch): value for epoch, value in row.published.items()}
        return {"test_accuracy": points} if points else {}
    # curves hold for all images only
    curves = dataclasses.replace(settings, train_images=None, test_images=None).published()
    accuracy = {f"{e:g}": v for c in curves if c.quantity == "test_accuracy"
                for e, v in c.points.items()}  # fmt: skip
    pairs = [pair.name for pair in settings.system.feedback_pairs()]
    angles = [c.points for c in curves if c.quantity in pairs]
    found = {"test_accuracy": accuracy} if accuracy else {}
    if angles and len(angles) == len(pairs):
        common = [e for e in angles[0] if all(e in points for points in angles)]
        found["angle_degrees"] = {f"{e:g}": statistics.fmean(p[e] for p in angles) for e in common}
    return found


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


# ------------------------------------------------------------------ files


def results_file(out: Path, figure: str) -> Path:
    """Where the results of a figure lie.

    Parameters
    ----------
    out : Path
        Folder of all results.
    figure : str
        Name of the figure.

    Returns
    -------
    Path
        ``out/figures/NAME.json``.
    """
    return out / "figures" / f"{figure}.json"


def write_figure_row(result: FigureResult, figure: PaperFigure, out: Path) -> Path:
    """Write a result beside those of other rows, completely or not at all.

    Parameters
    ----------
    result : FigureResult
        The result; it replaces an earlier one of the same row.
    figure : PaperFigure
        Its figure.
    out : Path
        Folder of all results.

    Returns
    -------
    Path
        See :func:`results_file`.

    Raises
    ------
    RunFolderError
        If the file cannot be read or written.
    """
    file = results_file(out, figure.name)
    make_folder(file.parent)
    kept = {r.row: r for r in _read(file, figure)} if file.exists() else {}
    kept[result.row] = result
    ordered = [kept[row.name] for row in figure.rows if row.name in kept]
    # a line for each value: courses are long lists of numbers
    texts = []
    for one in ordered:
        lines = ",\n".join(
            f" {json.dumps(name)}: {json.dumps(value, allow_nan=False, ensure_ascii=False)}"
            for name, value in dataclasses.asdict(one).items()
        )
        texts.append(f"{json.dumps(one.row)}: {{\n{lines}\n}}")
    write_result(file, ("{\n" + ",\n".join(texts) + "\n}\n").encode())
    return file


def read_figures(
    out: Path, names: Iterable[str] = PAPERS
) -> dict[str, tuple[PaperFigure, list[FigureResult]]]:
    """Read the results of figures.

    Parameters
    ----------
    out : Path
        Folder of all results.
    names : iterable of str
        Which figures; all by default.

    Returns
    -------
    dict of str to tuple
        Figures that have results, by name, with these in the order of their rows.

    Raises
    ------
    RunFolderError
        If a file is damaged, or is of another version.
    """
    figures = {name: paper_figure(name) for name in names if results_file(out, name).exists()}
    return {
        name: (figure, _read(results_file(out, name), figure)) for name, figure in figures.items()
    }


def _read(file: Path, figure: PaperFigure) -> list[FigureResult]:
    try:
        values = json_object(file.read_bytes())
        found = {
            name: FigureResult(**values_of(FigureResult, of_row)) for name, of_row in values.items()
        }
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{file} holds no results of this version ({error}); remove it, and make it anew by "
            f"neurosim reproduce figure {figure.name}"
        ) from error
    return [found[row.name] for row in figure.rows if row.name in found]
