"""A training run in a folder: epochs, evaluation, metrics, checkpoints, resuming."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from neurosim.learning.checkpoint import CHECKPOINT_NAME, PREVIOUS_NAME, Checkpoint, load_checkpoint, plain_state, save_checkpoint
from neurosim.files import storage_error
from neurosim.runs.settings import RunSettings, resolve, settings_from_config
from neurosim.data import Dataset, one_hot
from neurosim.errors import CheckpointError, DivergenceError, ParameterError
from neurosim.runs.folder import METRICS_NAME, RunFolder, environment
from neurosim.learning import metrics
from neurosim.learning.simulator import ChunkStats, Simulator
from neurosim.runs.tensorboard import FOLDER_NAME, EventLog, require_tensorboard

__all__ = [
    "Interrupted",
    "TrainingRun",
    "check_jobs",
    "resume_training",
    "say_finished",
    "start_training",
]

#: Least wall time between two checkpoints inside an epoch, in seconds;
#: the environment variable of the other name sets another.
CHECKPOINT_SECONDS = 5.0
CHECKPOINT_VARIABLE = "NEUROSIM_CHECKPOINT_SECONDS"

log = logging.getLogger("neurosim")
#: One message per epoch: for the log file, and for consoles that show no progress bar.
epoch_log = logging.getLogger("neurosim.epochs")


class Interrupted(Exception):
    """The user stopped a run; what it had learned is kept, and it can go on.

    Parameters
    ----------
    signal_number : int
        The signal that asked for it.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


def check_jobs(jobs: int) -> None:
    """Refuse a number of processes with which nothing would ever be done.

    Parameters
    ----------
    jobs : int
        Most processes side by side.

    Raises
    ------
    ParameterError
        If it is below 1.
    """
    if jobs < 1:
        raise ParameterError(f"jobs = {jobs}: give a whole number of 1 or more")


def say_finished(path: Path, epochs: int) -> None:
    """Say that there is nothing to train, so that old results are not taken for new ones.

    Parameters
    ----------
    path : Path
        Folder of a run, or of several seeds.
    epochs : int
        How many it has.
    """
    log.info("%s has all its %d epochs; --epochs with a larger number goes on", path, epochs)


@dataclasses.dataclass
class _EpochTally:
    """Sums over the current epoch, kept in checkpoints."""

    images: int = 0
    correct: int = 0
    seconds: float = 0.0
    event_counts: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, stats: ChunkStats) -> None:
        self.images += stats.images
        self.correct += stats.correct
        self.seconds += stats.seconds
        for name, count in stats.event_counts.items():
            self.event_counts[name] = self.event_counts.get(name, 0) + count


class TrainingRun:
    """One run: settings, simulator, data and folder.

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
    jobs : int
        Processes that evaluate side by side; results do not depend on it.

    Raises
    ------
    ParameterError
        If ``jobs`` or the time between checkpoints is out of range.
    """

    def __init__(
        self,
        settings: RunSettings,
        folder: RunFolder,
        data: Dataset,
        *,
        progress: bool,
        jobs: int = 1,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.data = data
        self.simulator = Simulator(
            settings.system,
            seed=settings.seed,
            backend=settings.backend,
            dtype=settings.dtype,
            jobs=jobs,
        )
        self.rows: list[dict[str, Any]] = []
        self._tally = _EpochTally()
        self._compiled_before = 0.0
        self._progress = progress
        self._events: EventLog | None = None
        self._saved_at = time.monotonic()
        self._checkpoint_seconds = _checkpoint_seconds()

    # ------------------------------------------------------------ checkpoints

    def save(self) -> None:
        """Write a checkpoint of everything the rest of the run depends on.

        Raises
        ------
        RunFolderError
            If it cannot be written; the one before it stays.
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
            "backend": settings.backend,
            "number of images": [len(self.data.x_train), len(self.data.x_test)],
        }
        return {**plain_state(self.simulator.state()), "run": run}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Parameters
        ----------
        checkpoint : Checkpoint
            From :meth:`save`.

        Raises
        ------
        CheckpointError
            If it belongs to other settings, or not to a run.
        ParameterError
            If more epochs were made than there are to be.
        RunFolderError
            If the metrics cannot be written.
        """
        state = checkpoint.state
        self._check_whose(state)
        begun = state["epoch"] + (state["position"] > 0)
        if self.settings.epochs < begun:
            raise ParameterError(
                f"epochs = {self.settings.epochs}, but the run in {self.folder.path} is in epoch "
                f"{begun}; give --epochs of at least {begun}"
            )
        self.simulator.restore(checkpoint.arrays, state["epoch"], state["position"])
        self.rows = list(state["metrics"])
        self._tally = _EpochTally(**state["tally"])
        self._compiled_before = state["compile_seconds"]
        self.folder.write_metrics(self.rows)

    def _check_whose(self, state: dict[str, Any]) -> None:
        if not {"run", "tally", "metrics", "compile_seconds"} <= state.keys():
            raise CheckpointError(
                f"the checkpoint in {self.folder.path} was not written by a training run; put "
                "the run's own back, or start a new run with another --out"
            )
        wanted = self._state()
        for name in ("system", "settings", "seed", "dtype", "run"):
            if state[name] != wanted[name]:
                raise CheckpointError(
                    f"the checkpoint in {self.folder.path} belongs to other settings or data than "
                    f"its config.toml: {_difference(name, state[name], wanted[name])}; "
                    "put back what was changed, or start a new run with another --out"
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
                f"{self.folder.path} was trained with; put them back, or start a new run with "
                "another --out"
            )

    def _compile_seconds(self) -> float:
        return self._compiled_before + self.simulator.compile_seconds

    def log_events(self) -> None:
        """Write TensorBoard event files from here on; :meth:`run` ends them.

        Raises
        ------
        ParameterError
            If the package is not installed.
        RunFolderError
            If the files cannot be written.
        """
        self._events = EventLog(self.folder.path, self.rows)

    # ------------------------------------------------------------ the loop

    def run(self) -> dict[str, Any]:
        """Train to the end; what is finished is left as it is.

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
        try:
            if self.simulator.epoch < self.settings.epochs:
                self._build()
                with _deferred_signals() as caught, self._bar() as bar:
                    self._train(bar, caught)
            else:
                say_finished(self.folder.path, self.simulator.epoch)
        except DivergenceError:
            self.save()
            raise
        finally:
            self.simulator.close()
            if self._events is not None:
                self._events.close()
        return self._finish()

    def _build(self) -> None:
        """Make the program; nothing is lost if a signal stops this at once."""
        if self.settings.backend == "cpp":
            log.info("preparing the C++ program (compiled once per circuit; a minute at most) ...")
        try:
            self.simulator.backend  # noqa: B018 - built when first looked at
        except KeyboardInterrupt as stop:
            raise Interrupted(stop.args[0] if stop.args else signal.SIGINT) from stop

    def _train(self, bar: Any, caught: list[int]) -> None:
        targets = one_hot(self.data.y_train, self.data.n_classes)
        while self.simulator.epoch < self.settings.epochs:
            epoch = self.simulator.epoch
            for stats in self.simulator.train_epoch(self.data.x_train, targets):
                self._tally.add(stats)
                self._show(bar, stats.images)
                if self.simulator.epoch > epoch:
                    self._end_epoch()
                done = self.simulator.epoch == self.settings.epochs
                due = time.monotonic() - self._saved_at >= self._checkpoint_seconds
                if done or due or caught:
                    self.save()
                if caught:
                    raise Interrupted(caught[0])

    def _end_epoch(self) -> None:
        row = self._row()
        self.rows.append(row)
        self._tally = _EpochTally()
        self.folder.append_metrics(row)
        if self._events is not None:
            self._events.add_epoch(row, self.simulator.weights.arrays())
        epoch_log.info(
            "epoch %d: train %.2f %%, test %.2f %%, %.3f ms per image",
            row["epoch"],
            100 * row["train_accuracy"],
            100 * row["test_accuracy"],
            row["ms_per_image"],
        )

    def _row(self) -> dict[str, Any]:
        tally, circuit = self._tally, self.simulator.circuit
        synops = metrics.count_synops(circuit, tally.event_counts)
        return {
            "epoch": self.simulator.epoch,
            "train_accuracy": tally.correct / tally.images,
            "test_accuracy": self.simulator.score(self.data.x_test, self.data.y_test),
            "ms_per_image": 1e3 * tally.seconds / tally.images,
            "train_seconds": tally.seconds,
            **{
                f"{name.replace(' ', '_')}_per_image": count / tally.images
                for name, count in metrics.count_events(circuit, tally.event_counts).items()
            },
            "synops_per_image": synops / tally.images,
            "dense_macs_per_image": circuit.dense_macs_per_step() * circuit.cycle_steps(),
            "angle_degrees": self.simulator.angles(),
        }

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
            # None: no bar where there is no terminal to draw it on
            disable=None if self._progress else True,
            dynamic_ncols=True,
        ) as bar:
            yield bar

    def _show(self, bar: Any, images: int) -> None:
        shown = {
            "epoch": f"{min(self.simulator.epoch + 1, self.settings.epochs)}",
            "train": f"{self._tally.correct / self._tally.images:.3f}",
        }
        if self.rows:
            shown["test"] = f"{self.rows[-1]['test_accuracy']:.4f}"
        bar.set_postfix(shown, refresh=False)
        bar.update(images)


def start_training(
    settings: RunSettings,
    out: Path,
    *,
    progress: bool = True,
    jobs: int = 1,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Train a system in a new folder.

    Parameters
    ----------
    settings : RunSettings
        Resolved settings.
    out : Path
        Folder for the results; must not hold a run.
    progress : bool
        Show a progress bar.
    jobs : int
        Processes that evaluate side by side.
    tensorboard : bool
        Write TensorBoard event files too.

    Returns
    -------
    dict
        The summary of the run.

    Raises
    ------
    ParameterError
        If ``jobs`` is below 1, or TensorBoard is asked for and not installed.
    NeurosimError
        For anything else the user can mend; see the errors of :class:`TrainingRun`.
    Interrupted
        After a signal, once a checkpoint is written.
    """
    check_jobs(jobs)
    if tensorboard:
        require_tensorboard()
    data = settings.load_data()
    with RunFolder.create(out) as folder, _logged(folder):
        run = TrainingRun(settings, folder, data, progress=progress, jobs=jobs)
        folder.write_config(settings.to_config(environment()))
        _announce(settings, out)
        run.save()
        if tensorboard:
            run.log_events()
        return run.run()


def resume_training(
    path: Path,
    *,
    epochs: int | None = None,
    progress: bool = True,
    jobs: int = 1,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Go on with an interrupted run, or lengthen a finished one.

    Parameters
    ----------
    path : Path
        Folder of the run.
    epochs : int, optional
        New total of epochs, not below those already done.
    progress : bool
        Show a progress bar.
    jobs : int
        Processes that evaluate side by side.
    tensorboard : bool
        Write TensorBoard event files too; a run that has some goes on with them.

    Returns
    -------
    dict
        The summary of the run.

    Raises
    ------
    RunFolderError, CheckpointError
        If the folder holds no run that can be resumed.
    ParameterError
        If ``jobs`` is below 1, or more epochs were made than there are to be.
    NeurosimError
        For anything else the user can mend; see the errors of :class:`TrainingRun`.
    Interrupted
        After a signal, once a checkpoint is written.
    """
    check_jobs(jobs)
    with RunFolder.reopen(path) as folder, _logged(folder):
        config = folder.read_config()
        settings = resolve({"epochs": epochs}, settings_from_config(config, str(path)))
        run = TrainingRun(settings, folder, settings.load_data(), progress=progress, jobs=jobs)
        if _never_began(folder):
            log.warning("the run was stopped before its first checkpoint; it begins anew")
            run.save()
        else:
            checkpoint, complaints = load_checkpoint(folder.path)
            for complaint in complaints:
                log.warning(complaint)
            run.restore(checkpoint)
        _note_other_versions(config.get("environment"))
        if epochs is not None:
            folder.write_config(settings.to_config(environment()))
        if run.simulator.epoch < settings.epochs:
            log.info(
                "resumed in epoch %d after image %d",
                run.simulator.epoch + 1,
                run.simulator.position,
            )
        if tensorboard or (folder.path / FOLDER_NAME).is_dir():
            run.log_events()
        return run.run()


def _announce(settings: RunSettings, out: Path) -> None:
    layers = "-".join(map(str, settings.system.layers))
    log.info(
        "%s on %s, %s, %s epochs -> %s",
        settings.system.title,
        settings.dataset,
        layers,
        settings.epochs,
        out,
    )
    log.info("settings: %s", settings.preset)


def _checkpoint_seconds() -> float:
    text = os.environ.get(CHECKPOINT_VARIABLE) or CHECKPOINT_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ParameterError(f"{CHECKPOINT_VARIABLE} = {text!r}: give a number of seconds from 0")
    return seconds


def _never_began(folder: RunFolder) -> bool:
    """Whether a kill came between the settings and the first checkpoint."""
    names = (CHECKPOINT_NAME, PREVIOUS_NAME, METRICS_NAME)
    return not any(os.path.lexists(folder.path / name) for name in names)


def _note_other_versions(before: Any) -> None:
    if not isinstance(before, dict):
        return
    now = environment()
    for name in ("neurosim", "brian2", "numpy", "compiler", "git_commit"):
        if before.get(name, now[name]) != now[name]:
            log.warning(
                "%s was %s when the run began and is %s now; results may differ in rounding",
                name,
                before[name],
                now[name],
            )


def _difference(name: str, saved: Any, wanted: Any) -> str:
    if isinstance(saved, dict) and isinstance(wanted, dict):
        for key in {**wanted, **saved}:
            if saved.get(key) != wanted.get(key):
                return f"{key} was {saved.get(key)} and is {wanted.get(key)}"
    return f"{name} was {saved} and is {wanted}"


@contextmanager
def _deferred_signals() -> Iterator[list[int]]:
    """Note the first interrupt and let the chunk finish; a second one stops at once."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if caught:
            raise KeyboardInterrupt(number)
        caught.append(number)
        log.info("stopping after the images under way; once more stops at once")

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, note)
    try:
        yield caught
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _LogFile(logging.FileHandler):
    """``log.txt``, which falls silent on a full disk; the errors that count are raised."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Let the message be: the console shows it, too."""


@contextmanager
def _logged(folder: RunFolder) -> Iterator[None]:
    """Copy the messages of the run to ``log.txt``."""
    try:
        handler = _LogFile(folder.log_file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise storage_error(folder.path, f"write {folder.log_file.name} in", error) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    level = log.level
    # the file tells all, whatever the calling program has chosen to be shown
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()
