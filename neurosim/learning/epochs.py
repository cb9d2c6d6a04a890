"""Training: chunk by chunk through epochs that can be interrupted."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.interface import Backend, Chunk, ChunkResult, Weights
from neurosim.errors import DataError, NeurosimError, counted, warn
from neurosim.learning.inputs import batch_complaint
from neurosim.learning.locks import OwnLock
from neurosim.learning.network import WeightedNetwork
from neurosim.learning.resuming import ShownData
from neurosim.learning.sanity import LearningCheck
from neurosim.system import System
from neurosim.system.drawing import noise_key, scalar_inputs, stage_inputs, training_inputs

__all__ = ["ChunkStats", "Learner", "Onlooker"]


@dataclasses.dataclass(frozen=True)
class ChunkStats:
    """Results of one chunk of training.

    Attributes
    ----------
    images, correct : int
        Images shown, and predicted correctly at the end of their free phase; 0 for a chunk
        of a stage that shows none.
    event_counts : dict of str to int
        Counted events by ``"population.event"``.
    seconds : float
        Wall time, without compilation.
    """

    images: int
    correct: int
    event_counts: dict[str, int]
    seconds: float


class Onlooker(Protocol):
    """Sees what a network does while it learns, and changes nothing."""

    def choose(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Backend | None]:
        """How to go on.

        Parameters
        ----------
        rows : ndarray of int, shape (n,)
            Images that are to be shown next, in this order.

        Returns
        -------
        rows : ndarray of int, shape (m,)
            The first of them, whole batches, unless these are the last of the epoch.
        backend : Backend or None
            What shows them; None for the network's own back end.
        """
        ...

    def see(self, rows: NDArray[np.int64], chunk: Chunk, result: ChunkResult) -> None:
        """What a back end has run that this onlooker chose.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
            Images that were shown, in this order.
        chunk : Chunk
            What was run.
        result : ChunkResult
            What came of it.
        """
        ...


class Learner(WeightedNetwork):
    """A network that learns through epochs; part of every ``Simulator``.

    Parameters
    ----------
    system : System
        The model.
    check_output : bool
        Whether a dead output stops learning.
    **settings
        As ``Simulator`` takes them.
    """

    def __init__(self, system: System, *, check_output: bool = True, **settings: Any) -> None:
        super().__init__(system, **settings)
        self.check_output = check_output
        self.epoch = 0
        self.position = 0
        self.commits = 0
        self.between = 0
        self.stage_commits: dict[str, int] = {}
        self._check = LearningCheck(self.circuit, system.remedy)
        self._shown: ShownData | None = None
        self._learns = OwnLock()
        self._progress = OwnLock()

    def __getstate__(self) -> dict[str, Any]:
        """Settings, weights and progress; what a copy or a pickle begins with."""
        with self._progress:
            kept = super().__getstate__()
        kept |= {"_learns": OwnLock(), "_progress": OwnLock(), "_check": copy.copy(self._check)}
        return {**kept, "_shown": copy.copy(kept["_shown"])}

    def train_epoch(self, images: NDArray[Any], targets: NDArray[Any]) -> Iterator[ChunkStats]:
        """Train through the rest of the current epoch, yielding after every chunk.

        Parameters
        ----------
        images : ndarray, shape (n, n_inputs)
            Images; checked by the caller, see ``check_images``.
        targets : ndarray, shape (n, n_outputs)
            Target rates; see ``check_targets``.

        Yields
        ------
        ChunkStats
            After ``weights`` and ``position`` have moved on; stopping here and
            going on later gives the same weights, bit for bit.

        Raises
        ------
        DataError
            If the epoch began with other data.
        DivergenceError
            Before ``weights`` take the diverged values.
        NeurosimError
            If this simulator is learning already.
        """
        chunks = self._chunks(images, targets)
        while True:
            with self._learning():
                stats = next(chunks, None)
            if stats is None:
                return
            yield stats

    def watched_epoch(
        self, images: NDArray[Any], targets: NDArray[Any], onlooker: Onlooker
    ) -> Generator[ChunkStats]:
        """Train through a whole epoch while someone looks on.

        Parameters
        ----------
        images : ndarray, shape (n, n_inputs)
            Checked images.
        targets : ndarray, shape (n, n_outputs)
            Target rates.
        onlooker : Onlooker
            Who looks on; chooses how many images are shown at once, on which no weight depends.

        Yields
        ------
        ChunkStats
            After ``weights`` and ``position`` have moved on.

        Raises
        ------
        DivergenceError
            Before ``weights`` take the diverged values.
        NeurosimError
            If this simulator is learning already.
        """
        with self._learning():
            self._begin_epoch()
            try:
                yield from self._chunks(images, targets, onlooker)
            finally:
                if self._shown is not None:
                    # now, as the caller may write to the arrays later
                    self._shown.digest  # noqa: B018

    @contextlib.contextmanager
    def _learning(self) -> Iterator[None]:
        if not self._learns.take():
            raise NeurosimError(
                "this simulator is learning already, in another thread or in the call that "
                "called this; wait for it, or train a copy: copy.deepcopy(simulator)"
            )
        try:
            yield
        finally:
            self._learns.release()

    def _begin_epoch(self) -> None:
        if self.position or self.between:
            warn(
                f"epoch {self.epoch + 1} was interrupted after image {self.position} and begins "
                "anew; to go on with it, give the same images and fit(..., resume=True)",
                stacklevel=3,
            )
        self.position, self.between, self._shown = 0, 0, None

    def _chunks(
        self, images: NDArray[Any], targets: NDArray[Any], onlooker: Onlooker | None = None
    ) -> Iterator[ChunkStats]:
        """The rest of the current epoch, chunk by chunk."""
        shown = ShownData(images, targets)
        if self.position >= len(images) or (
            self.position and self._shown is not None and not self._shown.is_same(shown)
        ):
            raise DataError(
                f"epoch {self.epoch + 1} was interrupted after image {self.position}, and the "
                f"{counted(len(images), 'image')} given are not those that it began with; give the "
                "same ones, or begin anew (fit without resume=True)"
            )
        self._shown = shown
        self._warn_once("batch", batch_complaint(self.system, len(images)))
        order = self.epoch_order(len(images))
        scalars = scalar_inputs(
            self.system, self.circuit, self._rng("scalars", self.epoch), len(images)
        )
        rates = self.system.rates(self.epoch)
        table, epoch = self.timetable, self.epoch
        at_once = self.system.batch if table.interrupts_images else self.whole_chunk
        while self.epoch == epoch:
            due = table.due(epoch, self.position, self.between)
            if due is not None:
                yield self._stage_chunk(*due, rates)
                continue
            rows, backend = order[self.position : self.position + at_once], None
            if onlooker is not None:
                rows, backend = onlooker.choose(rows)
            chosen = slice(self.position, self.position + len(rows))
            inputs = {"stimulus": images[rows], "target": targets[rows]}
            inputs |= {name: values[chosen] for name, values in scalars.items()}
            inputs |= training_inputs(
                self.system, self.circuit, self.seed, self.epoch, self.position, len(rows)
            )
            weights = self.weights.arrays()
            chunk = Chunk(
                inputs, weights, rates, table.images.phases, learning=True,
                batch=self.system.batch, commits=self.commits,
                noise_key=noise_key(self.seed, self.epoch), first_image=self.position,
                learns=table.images.learns,
            )  # fmt: skip
            result = self.run_chunk(backend or self.backend, chunk)
            self._check_result(weights, result, targets[rows])
            self._commit(result, len(rows), len(images))
            if onlooker is not None and backend is not None:
                onlooker.see(rows, chunk, result)
            yield self._stats(result, targets[rows])

    def _stage_chunk(self, number: int, left: int, rates: Mapping[str, float]) -> ChunkStats:
        """Updates of a stage that shows no images: all that are due, or as many as fit."""
        stage = self.timetable.stages[number]
        updates = min(left, self.updates_at_once(stage))
        first = self.stage_commits.get(stage.name, 0)
        inputs = stage_inputs(
            self.system, self.circuit, self.seed, self.epoch, number, first, updates
        )
        weights = self.weights.arrays()
        chunk = Chunk(
            inputs, weights, rates, stage.phases, learning=True, batch=stage.batch, commits=first,
            noise_key=noise_key(self.seed, self.epoch, number),
            first_image=first * stage.batch % 2**32, learns=stage.learns,
        )  # fmt: skip
        result = self.run_chunk(self.backend, chunk)
        where = f"in the stage {stage.name!r} of epoch {self.epoch + 1} after image {self.position}"
        self._check.check_weights(weights, result.weights, chunk.cycles, where)
        with self._progress:
            self.weights.replace(result.weights)
            self.between += updates
            self.stage_commits = {**self.stage_commits, stage.name: first + updates}
        return ChunkStats(0, 0, result.event_counts, result.seconds)

    def _check_result(self, before: Weights, result: ChunkResult, targets: NDArray[Any]) -> None:
        where = f"in epoch {self.epoch + 1} after image {self.position}"
        self._check.check_weights(before, result.weights, len(targets), where)
        if self.check_output:
            answers = result.readouts[self.circuit.answer].argmax(axis=1)
            self._check.check_answers(answers, targets.argmax(axis=1), where)

    def _commit(self, result: ChunkResult, shown: int, images: int) -> None:
        with self._progress:
            self.weights.replace(result.weights)
            self.position, self.between = self.position + shown, 0
            self.commits += -(-shown // self.system.batch)
            if self.position >= images:
                self.epoch, self.position, self._shown = self.epoch + 1, 0, None

    def _stats(self, result: ChunkResult, targets: NDArray[Any]) -> ChunkStats:
        answers = result.readouts[self.circuit.answer].argmax(axis=1)
        correct = int((answers == targets.argmax(axis=1)).sum())
        return ChunkStats(len(targets), correct, result.event_counts, result.seconds)

    def epoch_order(self, n: int) -> NDArray[np.int64]:
        """Order in which the current epoch shows images.

        Parameters
        ----------
        n : int
            Number of images.

        Returns
        -------
        ndarray of int, shape (n,)
            A permutation of 0 to n - 1; the same for the same seed and epoch.
        """
        return self._rng("order", self.epoch).permutation(n)

    def restore(
        self,
        arrays: Weights,
        epoch: int,
        position: int,
        commits: int = 0,
        between: int = 0,
        stage_commits: Mapping[str, int] | None = None,
    ) -> None:
        """Go back to earlier weights and an earlier position in training.

        Parameters
        ----------
        arrays : Weights
            Every weight array of the network, of shape (post, pre).
        epoch, position, commits : int
            Epochs finished, images of the current one shown, and updates made in all,
            which rules such as Adam's count.
        between : int
            Updates that other stages have made since the last images.
        stage_commits : mapping of str to int, optional
            Updates that each of them has made in all.

        Raises
        ------
        CheckpointError
            If an array is missing or unknown; no weight is changed then.
        DataError
            If an array does not fit; no weight is changed then.
        """
        with self._progress:
            self.weights.restore(arrays)
            self.epoch, self.position, self._shown = epoch, position, None
            self.commits, self.between = commits, between
            self.stage_commits = dict(stage_commits or {})
        self._check.reset()
