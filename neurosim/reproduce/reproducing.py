"""Train what the rows of a table need and is not there yet, and write down what came out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from neurosim.errors import NeurosimError, ParameterError
from neurosim.reproduce.results import result_of, write_row
from neurosim.reproduce.tables import Row
from neurosim.runs.missing import train_missing_seeds
from neurosim.runs.workers import check_jobs

__all__ = ["reproduce_rows"]

log = logging.getLogger("neurosim")


def reproduce_rows(
    rows: Sequence[Row],
    *,
    seeds: int,
    out: Path,
    runs: Path,
    epochs: int | None = None,
    backend: str | None = None,
    data_dir: Path | None = None,
    jobs: int = 1,
    threads: int | None = None,
    progress: bool = True,
) -> list[Path]:
    """Compute rows with the published protocol; runs that are there already are kept.

    Parameters
    ----------
    rows : sequence of Row
        The rows.
    seeds : int
        Runs of each, seeds 0 to ``seeds - 1``.
    out : Path
        Folder of results; a file per row is written as soon as its runs are done.
    runs : Path
        Folder of runs, ``runs/ROW/seed-N``. Finished ones are kept, stopped or shorter ones
        go on.
    epochs : int, optional
        Length of training; the table's by default.
    backend : str, optional
        What computes them; ``cpp`` by default.
    data_dir : Path, optional
        Where data sets lie.
    jobs : int
        Most runs at one time.
    threads : int, optional
        Threads of each.
    progress : bool
        Show progress bars.

    Returns
    -------
    list of Path
        Files of results.

    Raises
    ------
    ParameterError
        If a number is out of range.
    NeurosimError
        If rows failed; all others are finished first.
    Interrupted
        After a signal, once every run has written its checkpoint.
    """
    if seeds < 1:
        raise ParameterError(f"--seeds {seeds}: give 1 or more")
    check_jobs(jobs)
    # all are checked before the first one is trained
    planned = [(row, row.settings(epochs=epochs, backend=backend, data_dir=data_dir))
               for row in rows]  # fmt: skip
    written, failures = [], []
    for number, (row, settings) in enumerate(planned, start=1):
        folder = runs / row.file_name
        log.info("%s (%d of %d), %d seeds", row.name, number, len(planned), seeds)
        try:
            train_missing_seeds(
                settings, seeds, folder, jobs=jobs, threads=threads, progress=progress
            )
            written.append(write_row(result_of(row, folder), out, row.file_name))
        except NeurosimError as error:
            log.warning("%s failed: %s", row.name, error)
            failures.append(f"{row.name}: {error}")
    if failures:
        raise NeurosimError(f"{len(failures)} of {len(planned)} rows failed: {failures[0]}")
    return written
