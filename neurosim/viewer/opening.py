"""Turn whatever can be looked at into a source of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurosim.errors import DataError
from neurosim.viewer.source import FileSource, LiveSource, Source

__all__ = ["open_source"]


def open_source(
    what: Any,
    images: Any = None,
    labels: Any = None,
    *,
    ids: list[int] | None = None,
    split: str | None = None,
    beta: float | None = None,
    data_dir: Path | None = None,
) -> Source:
    """Make a source of whatever can be looked at.

    Parameters
    ----------
    what : Simulator, recording, or path
        A network (with ``images``), a recording, a recording's file, or a run folder.
    images : array_like, shape (n, n_inputs), optional
        Images to show to a network; those of the run's data set by default.
    labels : array_like, shape (n,), optional
        Their classes.
    ids : list of int, optional
        Numbers of the images. With ``images``, what to call them (default: from 0);
        otherwise which images of the data set (default: 0 to 9) or of the recording
        (default: all) to look at.
    split : {"test", "train"}, optional
        Part of a run's data set; the test images by default.
    beta : float, optional
        Signed nudge, the system's own by default; a recording has its own.
    data_dir : Path, optional
        Where data sets lie; by default where the run found them.

    Returns
    -------
    Source
        A :class:`LiveSource` of a network or a run, a :class:`FileSource` of a recording;
        close it when done.

    Raises
    ------
    NeurosimError
        If it is no run and no recording, an image is out of range, or something is given
        that this source cannot follow, such as another nudge for a recording.
    """
    from neurosim.learning.simulator import Simulator

    is_run = isinstance(what, (str, Path)) and not Path(what).is_file()
    if split is not None and (images is not None or not is_run):
        raise DataError(
            "split (--split) chooses images of a run's data set: leave it out, or give a run "
            "folder and no images"
        )
    if data_dir is not None and not is_run:
        raise DataError(
            "data_dir (--data-dir) is where a run's data set lies: leave it out, or give a run "
            "folder"
        )
    if isinstance(what, Simulator):
        return _from_simulator(what, images, labels, ids, beta)
    if is_run:
        opened = _open_run(Path(what), data_dir)
        if images is not None:
            return _from_simulator(opened.simulator, images, labels, ids, beta)
        return _from_run(opened, ids, split, beta)
    if images is not None or labels is not None:
        raise DataError("a recording has its own images; leave out images and labels")
    return _from_recording(what, ids, beta)


def _from_simulator(
    simulator: Any, images: Any, labels: Any, ids: list[int] | None, beta: float | None
) -> Source:
    if images is None:
        raise DataError("a network needs images to look at: view(simulator, images, labels)")
    x = simulator.check_images(images)
    y = None if labels is None else simulator.check_targets(labels).argmax(axis=1)
    return LiveSource(simulator, x, y, ids=ids, beta=beta)


def _open_run(folder: Path, data_dir: Path | None) -> Any:
    from neurosim.runs.opened import open_run

    given = {} if data_dir is None else {"data_dir": data_dir}
    return open_run(folder, way_out="give a run folder or a recording (.nc)", **given)


def _from_run(opened: Any, ids: list[int] | None, split: str | None, beta: float | None) -> Source:
    numbers = list(range(10)) if ids is None else ids
    x, y = opened.data.chosen(split or "test", numbers)
    return LiveSource(
        opened.simulator, x, y, ids=numbers, image_shape=opened.data.image_shape,
        beta=beta,
        fetch=lambda more: opened.data.chosen(split or "test", more),
    )  # fmt: skip


def _from_recording(what: Any, ids: list[int] | None, beta: float | None) -> Source:
    source = FileSource(what, ids)
    if beta is not None and beta != source.beta:
        recorded = source.beta
        source.close()
        raise DataError(
            f"this recording was made with nudge {recorded:g}: leave out beta (--beta), or give "
            "the run folder to try another"
        )
    return source
