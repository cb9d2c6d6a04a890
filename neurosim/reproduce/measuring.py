"""Time the rows of tables and figures on this machine, for a second or two each.

On one thread it is the time of the processor that counts: other programs stretch the clock's.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from neurosim.backends import backend_class
from neurosim.data import Dataset, DatasetInfo, dataset_info, load_dataset
from neurosim.errors import DataError
from neurosim.learning.simulator import Simulator
from neurosim.reproduce.costs import Cost, Timed

__all__ = ["measure", "measure_row"]

#: Least time of one round, if there are images enough; the faster of two rounds counts.
SECONDS = 0.5
_ROUNDS = 2
#: Images of a data set that are read for it.
_IMAGES = 20_000
#: Random images that are drawn.
_DRAWN = 4_000

log = logging.getLogger("neurosim")


def measure(
    rows: Sequence[Timed],
    *,
    backend: str = "cpp",
    threads: int | None = None,
    data_dir: Path | None = None,
) -> Iterator[tuple[Timed, str, Cost]]:
    """Time rows.

    Parameters
    ----------
    rows : sequence of Timed
        The rows. A normalised data set that is not at hand is replaced by normal random
        numbers, in which no pixel is silent either; rows of others are left out. Both bring a
        warning.
    backend : str
        What computes them.
    threads : int, optional
        Threads; one by default, where the back end has a use for threads.
    data_dir : Path, optional
        Where data sets lie.

    Yields
    ------
    tuple of (Timed, str, Cost)
        The row, what computed it, such as ``"cpp, 1 thread"``, and its time.
    """
    if "side by side" in backend_class(backend).features:
        threads = 1 if threads is None else threads
    how = backend if threads is None else _words(backend, threads)
    for dataset in dict.fromkeys(row.dataset for row in rows):
        try:
            data, images = load_dataset(dataset, data_dir=data_dir), "real"
        except DataError as error:
            info = dataset_info(dataset)
            if not info.mean:
                log.warning("%s is not measured: %s", dataset, error)
                continue
            log.warning("%s is measured with random images: %s", dataset, error)
            data, images = _drawn(info), "drawn"
        for row in rows:
            if row.dataset == dataset:
                cost = measure_row(row, data, backend, threads)
                yield row, how, dataclasses.replace(cost, images=images)


def _drawn(info: DatasetInfo) -> Dataset:
    """Random images with the moments of normalised ones."""
    rng = np.random.default_rng(0)
    # pixels have a standard deviation of about a fifth of full brightness
    shapes = ((_DRAWN, info.n_inputs), (_DRAWN // 4, info.n_inputs))
    x, x_test = (
        (0.2 / np.mean(info.divisor) * rng.standard_normal(s)).astype("float32") for s in shapes
    )
    y, y_test = (rng.integers(0, info.n_classes, len(array)) for array in (x, x_test))
    return Dataset(info.name, x, y, x_test, y_test, info.n_classes, info.image_shape)


def _words(backend: str, threads: int) -> str:
    return f"{backend}, {threads} thread{'s' * (threads > 1)}"


def measure_row(row: Timed, data: Dataset, backend: str, threads: int | None) -> Cost:
    """Time one row.

    Parameters
    ----------
    row : Timed
        The row.
    data : Dataset
        Its images.
    backend : str
        What computes it.
    threads : int or None
        Threads; None where the back end has no use for them.

    Returns
    -------
    Cost
        Of a network that has just begun to learn.
    """
    settings = row.settings(backend=backend)
    batch = settings.system.batch
    with Simulator(
        settings.system, backend=backend, dtype=settings.dtype, threads=threads, check_output=False
    ) as simulator:
        # builds the program, and gets over what comes once before the first image
        few = 2 * batch
        _train_seconds(simulator, data, few)
        count = _enough(_train_seconds(simulator, data, few) / few, batch, data)
        train = _per_image(lambda images: _train_seconds(simulator, data, images), few, count)
        shown = min(len(data.x_test), count)
        evaluate = _per_image(lambda images: _answer_seconds(simulator, data, images), few, shown)
    return Cost(round(1e3 * train, 5), round(1e3 * evaluate, 5))


def _enough(seconds: float, batch: int, data: Dataset) -> int:
    """Images that take a round's time: whole batches, six if there are as many."""
    most = min(len(data.x_train), _IMAGES) // batch
    return max(2, min(max(int(SECONDS / seconds) // batch, 6), most)) * batch


def _per_image(seconds: Callable[[int], float], few: int, many: int) -> float:
    """Time that an image adds to a call, which also carries weights to and fro."""
    longer = min(seconds(many) for _ in range(_ROUNDS))
    if many < 2 * few:
        return longer / many
    shorter = min(seconds(few) for _ in range(_ROUNDS))
    # a call of many that was not the longer one was timed badly
    return (longer - shorter) / (many - few) if longer > shorter else longer / many


def _train_seconds(simulator: Simulator, data: Dataset, images: int) -> float:
    x, y = data.x_train[:images], data.y_train[:images]
    return _seconds(simulator, lambda: simulator.fit(x, y, progress=False))


def _answer_seconds(simulator: Simulator, data: Dataset, images: int) -> float:
    return _seconds(simulator, lambda: simulator.predict(data.x_test[:images]))


def _seconds(simulator: Simulator, work: Callable[[], object]) -> float:
    """Time that work takes; of one thread the processor's, which other programs do not stretch."""
    clock = time.process_time if simulator.threads == 1 else time.perf_counter
    begin = clock()
    work()
    return clock() - begin
