"""All figures of a run, by name, and a page that shows them."""

from __future__ import annotations

import dataclasses
import html
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from neurosim.errors import FigureError, RunFolderError, near_matches
from neurosim.figures import activity, curves, dynamics, style, weights
from neurosim.figures.run import Run, Source, as_runs

__all__ = ["FIGURES", "FORMATS", "FigureKind", "draw", "save", "save_all"]

FORMATS = ("png", "pdf", "svg")

log = logging.getLogger("neurosim")


@dataclasses.dataclass(frozen=True)
class FigureKind:
    """A figure that can be drawn of any run.

    Attributes
    ----------
    draw : callable
        From a run, or several, to a figure.
    title, caption : str
        Words on the page.
    """

    draw: Callable[[Source], Figure]
    title: str
    caption: str


#: Every figure of a run, by the name used on the command line.
FIGURES: Mapping[str, FigureKind] = {
    "learning-curve": FigureKind(
        curves.learning_curve,
        "Learning curve",
        "Accuracy after each epoch, on test images and on training images while learning. Open "
        "marks are published values, drawn if the settings are exactly the published ones.",
    ),
    "angle": FigureKind(
        curves.angle,
        "Forward and backward weights",
        "Angle between forward weights and transposed feedback weights: 90 degrees are "
        "unrelated, 0 would be equal up to scale.",
    ),
    "correlation": FigureKind(
        curves.correlation,
        "Correlation of forward and backward weights",
        "Pearson correlation of all entries of forward weights and transposed feedback weights: "
        "0 for independent ones, 1 for equal ones.",
    ),
    "objective": FigureKind(
        curves.objective,
        "Objective of each layer",
        "What the layer's own rule lowers, over the first test images, at most 256.",
    ),
    "events": FigureKind(
        curves.events,
        "Graded spikes and synaptic operations",
        "Events per training image, and operations at synapses beside those of a dense "
        "simulation of the same network.",
    ),
    "weights": FigureKind(
        weights.weight_histograms,
        "Weights before and after learning",
        "Histograms of every array, 100 bins, logarithmic counts.",
    ),
    "receptive-fields": FigureKind(
        weights.receptive_fields,
        "Receptive fields",
        "Input weights of randomly drawn cells as images, and for each class the product of all "
        "forward weights.",
    ),
    "activity": FigureKind(
        activity.hidden_activity,
        "Hidden activity and sparsity",
        "Rates at the end of the free phase; the share of rates below 0.01 is over all test "
        "images.",
    ),
    "confusion": FigureKind(
        activity.confusion_matrix,
        "Confusion matrix",
        "Answers to all test images; numbers are images, grey levels shares of the true class.",
    ),
    "tsne": FigureKind(
        activity.tsne,
        "t-SNE of hidden activity",
        "Test images by the rates of the last hidden layer at the end of the free phase.",
    ),
    "convergence": FigureKind(
        dynamics.convergence,
        "Settling",
        "Summed change of state per step. It is small at the end of a phase if the network has "
        "settled.",
    ),
    "information": FigureKind(
        dynamics.information,
        "Layerwise correlative information",
        "How well neighbouring layers predict each other through forward and backward weights, "
        "over all test images.",
    ),
}


def draw(name: str, run: Source) -> Figure:
    """Draw a figure by its name.

    Parameters
    ----------
    name : str
        A key of :data:`FIGURES`.
    run : Run, path, or several
        What to draw it of.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    FigureError
        If there is no such figure, or nothing to show in it.
    """
    _check_names([name])
    return FIGURES[name].draw(run)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name not in FIGURES:
            raise FigureError(f"unknown figure {name!r}; {near_matches(name, FIGURES)}")


def save(figure: Figure, path: Path) -> Path:
    """Write a figure; the format is that of the suffix.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : Path
        Where; its folder is made.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FigureError
        If the suffix is none of :data:`FORMATS`.
    RunFolderError
        If it cannot be written.
    """
    form = path.suffix.removeprefix(".")
    if form not in FORMATS:
        raise FigureError(f"cannot write {path}: {near_matches(form, FORMATS)}")
    # without a date, the same figure gives the same file
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with style.applied():
            figure.savefig(path, metadata=dates.get(form))
    except OSError as error:
        raise RunFolderError(
            f"cannot write {path}: {error.strerror or error}; choose another --out"
        ) from error
    return path


def save_all(
    run: Source,
    out: Path,
    *,
    names: Sequence[str] = (),
    form: str = "png",
) -> dict[str, Path]:
    """Draw figures of a run into a folder, with a page ``index.html`` that shows them.

    Parameters
    ----------
    run : Run, path, or several
        What to draw.
    out : Path
        Folder; made if absent.
    names : sequence of str
        Keys of :data:`FIGURES`; all that the run has something to show in, if
        none are given.
    form : str
        One of :data:`FORMATS`.

    Returns
    -------
    dict of str to Path
        Files by figure.

    Raises
    ------
    FigureError
        If a name or the format is unknown, or a figure that was named has
        nothing to show.
    RunFolderError
        If the folder cannot be written.
    """
    if form not in FORMATS:
        raise FigureError(f"unknown format {form!r}; {near_matches(form, FORMATS)}")
    _check_names(names)
    _check_writable(out)
    runs, saved = as_runs(run), {}
    try:
        for name in names or FIGURES:
            try:
                figure = FIGURES[name].draw(runs)
            except FigureError as error:
                if names:
                    raise
                log.debug("left out: %s", error)
                continue
            saved[name] = save(figure, out / f"{name}.{form}")
    finally:
        for one in runs:
            one.close()
    _write_page(out, runs, saved)
    return saved


def _check_writable(out: Path) -> None:
    """Refuse a folder that cannot be written before drawing, which takes a minute."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        refused = not os.access(out, os.W_OK | os.X_OK)
    except OSError as error:
        raise RunFolderError(
            f"cannot write figures to {out}: {error.strerror or error}; choose another --out"
        ) from error
    if refused:
        raise RunFolderError(f"cannot write figures to {out}: no permission; choose another --out")


def _write_page(out: Path, runs: Sequence[Run], saved: Mapping[str, Path]) -> None:
    title = html.escape(curves.describe(runs))
    parts = [
        f"<section><h2>{html.escape(FIGURES[name].title)}</h2>"
        f"{_shown(path)}<p>{html.escape(FIGURES[name].caption)}</p></section>"
        for name, path in saved.items()
    ]
    page = _PAGE.format(title=title, body="\n".join(parts))
    try:
        (out / "index.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(
            f"cannot write {out / 'index.html'}: {error.strerror}; choose another --out"
        ) from error


def _shown(path: Path) -> str:
    if path.suffix == ".pdf":
        return f'<p><a href="{path.name}">{path.name}</a></p>'
    return f'<a href="{path.name}"><img src="{path.name}" alt="{path.stem}"></a>'


_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 82rem;
       padding: 0 1rem; color: #222; }}
main {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(36rem, 100%), 1fr));
       gap: 1.5rem; }}
section {{ border: 1px solid #ddd; border-radius: .4rem; padding: .6rem 1rem; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.05rem; margin: .3rem 0; }}
p {{ margin: .3rem 0 .6rem; color: #444; }}
img {{ max-width: 100%; height: auto; }}
</style>
<h1>{title}</h1>
<main>
{body}
</main>
</html>
"""
