"""One trial of a search: train, ask after every epoch whether to go on, return the accuracy."""

from __future__ import annotations

from collections.abc import Generator

from neurosim.data import one_hot
from neurosim.errors import DivergenceError
from neurosim.learning.simulator import Simulator
from neurosim.runs.interrupts import Interrupted
from neurosim.runs.settings import RunSettings
from neurosim.search.split import Split

__all__ = ["validation_accuracies"]


def validation_accuracies(
    settings: RunSettings, split: Split, caught: list[int], threads: int | None = None
) -> Generator[float, None, None]:
    """Train and answer the images that were held out, after every epoch.

    Parameters
    ----------
    settings : RunSettings
        What to train.
    split : Split
        Images.
    caught : list of int
        Signals received; once there is one, training stops.
    threads : int, optional
        Threads of the back end.

    Yields
    ------
    float
        Share of held-out images answered correctly; nothing more once learning has diverged
        or the output is dead.

    Raises
    ------
    Interrupted
        After a signal.
    """
    targets = one_hot(split.y, split.n_classes)
    with Simulator(
        settings.system,
        seed=settings.seed,
        backend=settings.backend,
        dtype=settings.dtype,
        threads=threads,
        check_output=settings.check_output,
    ) as simulator:
        while simulator.epoch < settings.epochs:
            try:
                for _ in simulator.train_epoch(split.x, targets):
                    if caught:
                        raise Interrupted(caught[0])
            except DivergenceError:
                return
            yield simulator.score(split.x_held, split.y_held)
