"""One training run: the loop over epochs, its metrics and its checkpoints."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from neurosim.data import Dataset, one_hot
from neurosim.errors import CheckpointError, DivergenceError, ParameterError
from neurosim.learning.checkpoint import Checkpoint, plain_state, save_checkpoint
from neurosim.learning.saving import progress_of
from neurosim.learning.simulator import Simulator
from neurosim.runs.folder import RunFolder
from neurosim.runs.interrupts import Interrupted, noted_interrupts
from neurosim.runs.run_log import log_epoch, log_finished
from neurosim.runs.settings import RunSettings
from neurosim.runs.tally import EpochTally, epoch_row, objective_images
from neurosim.runs.tensorboard import EventLog
from neurosim.system.earlier import of_any_version

__all__ = ["TrainingRun"]

#: Least wall time between two checkpoints inside an epoch, in seconds, unless the
#: environment variable sets another.
CHECKPOINT_SECONDS = 5.0
CHECKPOINT_VARIABLE = "NEUROSIM_CHECKPOINT_SECONDS"

log = logging.getLogger("neurosim")


class TrainingRun:
    """A run: its settings, simulator, data and folder.

    Parameters
    ----------
    settings : RunSettings
        Resolved settings.
    folder : RunFolder
        Locked folder.
    data : Dataset
        Images and labels.
    progress : bool
        Show a progress bar.
    lanes, threads : int, optional
        Most images in flight, and threads that share them; results do not depend on them.

    Raises
    ------
    ParameterError
        If lanes, threads or the time between checkpoints are out of range.
    """

    def __init__(
        self,
        settings: RunSettings,
        folder: RunFolder,
        data: Dataset,
        *,
        progress: bool,
        lanes: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.data = data
        self.simulator = Simulator(
            settings.system,
            seed=settings.seed,
            backend=settings.backend,
            dtype=settings.dtype,
            lanes=lanes,
            threads=threads,
            check_output=settings.check_output,
        )
        self.rows: list[dict[str, Any]] = []
        self._tally = EpochTally()
        self._data_digest = data.digest()
        self._compiled_before = 0.0
        self._progress = progress
        self._events: EventLog | None = None
        self._saved_at = time.monotonic()
        self._checkpoint_seconds = _checkpoint_seconds()

    # ------------------------------------------------------------ checkpoints

    def save(self) -> None:
        """Write a checkpoint of all that the rest of the run depends on.

        Raises
        ------
        RunFolderError
            If it cannot be written; the previous one stays.
        """
        state = {
            **self._state(),
            "tally": dataclasses.asdict(self._tally),
            "metrics": self.rows,
            "compile_seconds": self._compile_seconds(),
        }
        save_checkpoint(self.folder.path, Checkpoint(self.simulator.weights.arrays(), state))
        self._saved_at = time.monotonic()

    def _state(self) -> dict[str, Any]:
        settings = self.settings
        run = {
            "dataset": settings.dataset,
            "train_images": settings.train_images,
            "test_images": settings.test_images,
            "number of images": [len(self.data.x_train), len(self.data.x_test)],
        }
        return {
            **plain_state(self.simulator.state()),
            "run": run,
            "data_digest": self._data_digest,
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint.

        Parameters
        ----------
        checkpoint : Checkpoint
            From :meth:`save`.

        Raises
        ------
        CheckpointError
            If it belongs to other settings or images, or not to a training run.
        ParameterError
            If the run already has more epochs than its settings say.
        RunFolderError
            If the metrics cannot be written.
        """
        state = checkpoint.state
        self._check_origin(state)
        begun = state["epoch"] + (state["position"] > 0 or state.get("between", 0) > 0)
        if self.settings.epochs < begun:
            raise ParameterError(
                f"epochs = {self.settings.epochs}, but the run in {self.folder.path} is in epoch "
                f"{begun}; give --epochs of at least {begun}"
            )
        self.simulator.restore(checkpoint.arrays, **progress_of(state))
        self.rows = list(state["metrics"])
        self._tally = EpochTally(**state["tally"])
        self._compiled_before = state["compile_seconds"]
        self.folder.write_metrics(self.rows)

    def _check_origin(self, state: dict[str, Any]) -> None:
        if not {"run", "tally", "metrics", "compile_seconds"} <= state.keys():
            raise CheckpointError(
                f"the checkpoint in {self.folder.path} was not written by a training run; put "
                "the run's own back, or start a new run with another --out"
            )
        wanted = self._state()
        state = {
            **state,
            "settings": of_any_version(state["settings"]),
            # any back end goes on with what another has learnt; older checkpoints name theirs
            "run": {name: value for name, value in state["run"].items() if name != "backend"},
        }
        for name in ("system", "settings", "seed", "dtype", "run"):
            if not _agrees(state[name], wanted[name]):
                raise CheckpointError(
                    f"the checkpoint in {self.folder.path} belongs to other settings or data than "
                    f"its config.toml: {_difference(name, state[name], wanted[name])}; "
                    "put back what was changed, or start a new run with another --out"
                )
        # older checkpoints have no digests
        if state.get("data_digest", self._data_digest) != self._data_digest:
            raise CheckpointError(
                f"the images of {self.settings.dataset} are not those that the run in "
                f"{self.folder.path} was trained with; put its data files back (or name their "
                "folder by --data-dir), or start a new run with another --out"
            )
        if "equations" not in state:
            log.warning(
                "the checkpoint in %s is of an older neurosim: its equations cannot be compared "
                "with those of today",
                self.folder.path,
            )
        elif state["equations"] != wanted["equations"]:
            raise CheckpointError(
                f"the equations of {state['system']} are not those that the run in "
                f"{self.folder.path} was trained with (another version of neurosim may have other "
                "ones); put them back, or start a new run with another --out"
            )

    def _compile_seconds(self) -> float:
        return self._compiled_before + self.simulator.compile_seconds

    def log_events(self) -> None:
        """Write TensorBoard event files from now on; :meth:`run` closes them.

        Raises
        ------
        ParameterError
            If the package is not installed.
        RunFolderError
            If the files cannot be written.
        """
        self._events = EventLog(self.folder.path, self.rows)

    # ------------------------------------------------------------ the loop

    def run(self, until: int | None = None) -> dict[str, Any]:
        """Train to the end; a finished run is left as it is.

        Parameters
        ----------
        until : int, optional
            Epoch after which to stop before the end, with a checkpoint.

        Returns
        -------
        dict
            The summary, as in ``summary.json``.

        Raises
        ------
        Interrupted
            After a signal, once a checkpoint is written.
        DivergenceError
            If learning diverges; the last good checkpoint stays.
        RunFolderError
            If the folder cannot be written.
        """
        last = self.settings.epochs if until is None else min(until, self.settings.epochs)
        try:
            if self.simulator.epoch < last:
                self._build()
                with noted_interrupts() as caught, self._bar() as bar:
                    log.info("training; Ctrl-C stops after the images under way")
                    self._train(bar, caught, last)
            elif last == self.settings.epochs:
                log_finished(self.folder.path, self.simulator.epoch)
        except DivergenceError as error:
            self.save()
            last_row = self.rows[-1] if self.rows else {}
            self.folder.write_summary({**last_row, "diverged": str(error)})
            raise
        finally:
            self.simulator.close()
            if self._events is not None:
                self._events.close()
        return self._finish()

    def _build(self) -> None:
        """Compile the program; nothing is lost if a signal stops this at once."""
        try:
            self.simulator.backend  # noqa: B018 - built when first looked at
        except KeyboardInterrupt as stop:
            raise Interrupted.by(stop) from stop

    def _train(self, bar: Any, caught: list[int], last: int) -> None:
        targets = one_hot(self.data.y_train, self.data.n_classes)
        while self.simulator.epoch < last:
            epoch = self.simulator.epoch
            for stats in self.simulator.train_epoch(self.data.x_train, targets):
                self._tally.add(stats)
                self._show(bar, stats.images)
                if self.simulator.epoch > epoch:
                    self._end_epoch()
                done = self.simulator.epoch == last
                due = time.monotonic() - self._saved_at >= self._checkpoint_seconds
                if done or due or caught:
                    self.save()
                if caught:
                    raise Interrupted(caught[0])

    def _end_epoch(self) -> None:
        test_accuracy = self.simulator.score(self.data.x_test, self.data.y_test)
        objective = self.simulator.objectives(*objective_images(self.data))
        row = epoch_row(self._tally, self.simulator, test_accuracy, objective)
        self.rows.append(row)
        self._tally = EpochTally()
        self.folder.append_metrics(row)
        if self._events is not None:
            self._events.add_epoch(row, self.simulator.weights.arrays())
        log_epoch(row)

    def _finish(self) -> dict[str, Any]:
        settings = self.settings
        summary = {
            **(self.rows[-1] if self.rows else {}),
            "system": settings.system.name,
            "dataset": settings.dataset,
            "layers": list(settings.system.layers),
            "seed": settings.seed,
            "backend": settings.backend,
            "dtype": settings.dtype,
            "event_threshold": getattr(settings.system, "event_threshold", None),
            "compile_seconds": self._compile_seconds(),
            "images_seen": len(self.rows) * len(self.data.x_train),
            "data_contents": self.data.contents,
        }
        self.folder.write_summary(summary)
        return summary

    # ------------------------------------------------------------ progress

    @contextmanager
    def _bar(self) -> Iterator[Any]:
        from tqdm.auto import tqdm

        n = len(self.data.x_train)
        with tqdm(
            total=self.settings.epochs * n,
            initial=self.simulator.epoch * n + self.simulator.position,
            unit="image",
            unit_scale=True,
            # None: no bar unless there is a terminal
            disable=None if self._progress else True,
            dynamic_ncols=True,
        ) as bar:
            yield bar

    def _show(self, bar: Any, images: int) -> None:
        shown = {
            "epoch": f"{min(self.simulator.epoch + 1, self.settings.epochs)}",
            "train": f"{self._tally.correct / max(self._tally.images, 1):.3f}",
        }
        if self.rows:
            shown["test"] = f"{self.rows[-1]['test_accuracy']:.4f}"
        bar.set_postfix(shown, refresh=False)
        bar.update(images)


def _checkpoint_seconds() -> float:
    text = os.environ.get(CHECKPOINT_VARIABLE) or CHECKPOINT_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ParameterError(f"{CHECKPOINT_VARIABLE} = {text!r}: give a number of seconds from 0")
    return seconds


def _agrees(saved: Any, wanted: Any) -> bool:
    """Whether settings are the same; an earlier version may not have known all of them."""
    if isinstance(saved, dict) and isinstance(wanted, dict):
        return {**wanted, **saved} == wanted
    return bool(saved == wanted)


def _difference(name: str, saved: Any, wanted: Any) -> str:
    if isinstance(saved, dict) and isinstance(wanted, dict):
        for key, value in saved.items():
            if value != wanted.get(key):
                return f"{key} was {value} and is {wanted.get(key)}"
    return f"{name} was {saved} and is {wanted}"
