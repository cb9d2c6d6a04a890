"""Make a figure of a paper: train what is missing, measure, write results and draw them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from neurosim.errors import NeurosimError, RunFolderError
from neurosim.reproduce.paper_drawing import draw_figure
from neurosim.reproduce.paper_results import (
    FigureResult,
    read_figures,
    refused_result,
    result_of_row,
    write_figure_row,
)
from neurosim.reproduce.papers import FigureRow, PaperFigure
from neurosim.reproduce.reproducing import Request, Wanted, train_wanted
from neurosim.runs.folder import RunFolder, make_folder, write_result
from neurosim.runs.seed_folder import seed_folders

__all__ = ["make_figure", "write_picture"]

log = logging.getLogger("neurosim")


def make_figure(
    figure: PaperFigure, rows: Sequence[FigureRow], request: Request, images: int | None = None
) -> list[Path]:
    """Compute rows of a figure; runs that are there already are kept.

    Parameters
    ----------
    figure : PaperFigure
        The figure.
    rows : sequence of FigureRow
        Those to compute; others keep the results they have.
    request : Request
        How many runs of each, and where. Results are ``out/figures/NAME.json`` and ``NAME.png``.
    images : int, optional
        Training images; all by default. Such runs lie in folders of their own.

    Returns
    -------
    list of Path
        Results and picture.

    Raises
    ------
    ParameterError
        If a number is out of range.
    NeurosimError
        If rows failed; all others are finished first. Runs that diverge are a result.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    out = request.out
    # a damaged file is told before the first row is trained
    read_figures(out, [figure.name])
    given = {**request.settings, "train_images": images}
    cut = "" if images is None else f"-{images}-images"
    # all are checked before the first one is trained
    taken = [row for row in rows if not row.refusal()]
    wanted = [
        Wanted(row.name, row.settings(**given), request.runs / (row.folder + cut)) for row in taken
    ]
    by_name = {row.name: row for row in rows}
    for row in rows:
        if row not in taken:
            log.warning("%s is not run: %s", row.name, row.refusal())
            write_figure_row(refused_result(figure, row), figure, out)

    def ended(one: Wanted) -> None:
        # longer runs count as far as asked, so that rows are of the same epoch
        row, most = by_name[one.name], one.settings.epochs
        write_figure_row(result_of_row(figure, row, one.folder, most), figure, out)

    failures = train_wanted(wanted, request, ended)
    failed = {one.name for one in wanted if any(f.startswith(f"{one.name}: ") for f in failures)}
    for one in wanted:
        if one.name in failed and _diverged(one.folder):
            ended(one)
            failed.remove(one.name)
    if failed:
        first = next(f for f in failures if f.partition(": ")[0] in failed)
        raise NeurosimError(f"{len(failed)} of {len(rows)} rows failed: {first}")
    (results,) = read_figures(out, [figure.name]).values()
    file = out / "figures" / f"{figure.name}.json"
    return [file, write_picture(figure, results[1], file.with_suffix(".png"))]


def _diverged(folder: Path) -> bool:
    """Whether runs failed for no other reason than that learning diverged."""
    try:
        ends = [(RunFolder(path).read_summary(), path) for path in seed_folders(folder)]
        return any("diverged" in end for end, _ in ends) and all(
            "diverged" in end or "epoch" in end for end, _ in ends
        )
    except RunFolderError:
        return False


def write_picture(figure: PaperFigure, results: Sequence[FigureResult], file: Path) -> Path:
    """Draw a figure into a file.

    Parameters
    ----------
    figure : PaperFigure
        The figure.
    results : sequence of FigureResult
        Its results.
    file : Path
        PNG file.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    RunFolderError
        If it cannot be written.
    """
    make_folder(file.parent)
    picture = BytesIO()
    draw_figure(figure, results).savefig(picture, format="png")
    write_result(file, picture.getvalue())
    return file
