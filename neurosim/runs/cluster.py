"""Runs on a cluster: a task per run and stretch of epochs, on the workers of Dask.

Every task begins where the checkpoint in the run folder is, and leaves another one there. The
folder is all that passes from task to task, so it must be one that all machines share, and
nothing that was learnt is lost with a worker, the scheduler or the process that waits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from neurosim.backends.cores import available_cores
from neurosim.errors import NeurosimError
from neurosim.runs.planned import PlannedRun, PlannedSeeds
from neurosim.runs.seed_folder import finished_epochs
from neurosim.runs.stretches import Mark, Outcome, run_command, stop_processes, train_stretch

__all__ = ["Cluster"]

_POLL_SECONDS, _SHOW_SECONDS = 0.2, 1.0
#: Time between two looks whether there are workers at all.
_ASK_SECONDS = 60.0
#: A task that is stopped so often without getting further has failed.
_IN_VAIN = 5
#: Stretches of a run, unless another length is given.
_STRETCHES = 10

log = logging.getLogger("neurosim")


class Cluster:
    """A connection to a scheduler; :func:`neurosim.runs.cluster_opening.open_cluster` makes it.

    Parameters
    ----------
    client : distributed.Client
        The connection.
    started : distributed.deploy.Cluster, optional
        What was started with it, and grows as it is needed.
    jobs : int, optional
        Most tasks at one time.
    threads : int
        Threads of each.
    stretch : int, optional
        Epochs of a task.
    """

    def __init__(
        self,
        client: Any,
        started: Any = None,
        *,
        jobs: int | None = None,
        threads: int = 1,
        stretch: int | None = None,
    ) -> None:
        self._client = client
        self._started = started
        self._jobs = jobs
        self._threads = threads
        self._stretch = stretch
        self._session = uuid.uuid4().hex

    def train(
        self,
        planned: Sequence[PlannedSeeds],
        progress: bool,
        ended: Callable[[PlannedSeeds], None],
    ) -> dict[Path, str]:
        """Train the runs of experiments, all side by side.

        Parameters
        ----------
        planned : sequence of PlannedSeeds
            Experiments with something left.
        progress : bool
            Show a progress bar.
        ended : callable
            Called with an experiment as soon as all its runs have ended well.

        Returns
        -------
        dict of Path to str
            Why runs failed, by run folder.

        Raises
        ------
        NeurosimError
            If the scheduler is lost or a worker does not see the folder; what runs writes its
            checkpoint.
        KeyboardInterrupt
            After a signal; every run has written its checkpoint.
        """
        owner = {run: one for one in planned for run in one.runs}
        marks = {one.out: self._mark(one.out) for one in planned}
        left = {one.out: set(one.runs) for one in planned}
        failures: dict[Path, str] = {}

        def submit(run: PlannedRun) -> Any:
            # folders are the same for all, whatever folder a worker was started in
            there = _absolute(run)
            stretch = self._stretch or max(1, -(-run.epochs // _STRETCHES))
            return self._submit(train_stretch, marks[run.out], there, stretch, key=_label(run))

        def finish(run: PlannedRun, outcome: Outcome) -> None:
            if outcome.failure:
                failures[run.folder] = outcome.failure
                log.warning("%s failed: %s", _label(run), outcome.failure)
                return
            log.info("%s: ended after epoch %d", _label(run), outcome.epochs)
            left[run.out].remove(run)
            if not left[run.out]:
                ended(owner[run])

        with self._marked(marks.values()), _bar(planned, progress) as show:
            self._follow(list(owner), submit, finish, show)
        return failures

    def run(self, command: Sequence[str], most: int, out: Path) -> None:
        """Run one command several times side by side.

        Parameters
        ----------
        command : sequence of str
            Arguments of ``neurosim``.
        most : int
            How often at most; there may be room for fewer.
        out : Path
            A folder that the workers must see.

        Raises
        ------
        NeurosimError
            If one fails, the scheduler is lost or a worker does not see the folder.
        KeyboardInterrupt
            After a signal; all have stopped.
        """
        mark = self._mark(out)
        failures: list[str] = []

        def submit(number: int) -> Any:
            return self._submit(run_command, mark, tuple(command), key=f"{command[0]}-{number}")

        def finish(number: int, outcome: Outcome) -> None:
            del number
            failures.extend([outcome.failure] if outcome.failure else [])

        with self._marked([mark]):
            self._follow(list(range(min(most, self._room(most)))), submit, finish, lambda: None)
        if failures:
            raise NeurosimError(failures[0])

    # ------------------------------------------------------------ tasks

    def _submit(self, task: Callable[..., Outcome], *given: Any, key: str) -> Any:
        return self._client.submit(task, *given, key=f"{key}-{uuid.uuid4().hex[:8]}", pure=False)

    def _follow(
        self,
        waiting: list[Any],
        submit: Callable[[Any], Any],
        finish: Callable[[Any, Outcome], None],
        show: Callable[[], None],
    ) -> None:
        """Keep tasks running until nothing is left of any item."""
        most = min(len(waiting), self._jobs or len(waiting))
        self._grow(most)
        running: dict[Any, Any] = {}
        tried: dict[Any, tuple[int, int]] = {}
        shown, asked = 0.0, time.monotonic()
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    item = waiting.pop(0)
                    running[item] = submit(item)
                time.sleep(_POLL_SECONDS)
                self._check_connection()
                for item, future in list(running.items()):
                    if not future.done():
                        continue
                    outcome = _outcome(future)
                    if outcome.refused:
                        raise NeurosimError(outcome.failure)
                    outcome = _in_vain(outcome, item, tried)
                    if outcome.done or outcome.failure:
                        del running[item]
                        finish(item, outcome)
                    else:
                        running[item] = submit(item)
                if time.monotonic() - shown > _SHOW_SECONDS:
                    show()
                    shown = time.monotonic()
                if time.monotonic() - asked > _ASK_SECONDS:
                    self._tell_of_no_workers()
                    asked = time.monotonic()
            show()
        except BaseException:
            # an interrupt, or an error: nobody would wait for the tasks
            self._stop([*running.values()])
            raise

    def _room(self, most: int) -> int:
        """Tasks that can run at one time."""
        if self._jobs is not None:
            return self._jobs
        if self._started is None:
            return sum(self._client.nthreads().values()) or 1
        if _of_jobs(self._started):
            return most
        return max(1, available_cores() // self._threads)

    def _grow(self, tasks: int) -> None:
        """Have workers for so many tasks, where workers are ours to start."""
        if _of_jobs(self._started):
            # jobs that end, as at their time limit, are replaced
            self._started.adapt(minimum_jobs=tasks, maximum_jobs=tasks)
        elif self._started is not None:
            self._started.scale(min(tasks, self._room(tasks)))
        else:
            self._tell_of_no_workers()

    def _tell_of_no_workers(self) -> None:
        if not self._client.nthreads():
            log.warning("the scheduler has no workers now; tasks wait for them")

    def _stop(self, futures: list[Any]) -> None:
        with contextlib.suppress(Exception):
            if self._client.status == "running":
                self._client.cancel(futures, force=True)
                self._client.run(stop_processes, self._session, on_error="return")

    def _check_connection(self) -> None:
        if self._client.status != "running":
            raise NeurosimError(
                "the connection to the scheduler is lost; the runs under way write their "
                "checkpoints, and the same command goes on with them"
            )

    # ------------------------------------------------------------ the shared folder

    def _mark(self, out: Path) -> Mark:
        return Mark(out.absolute() / f".cluster-{self._session}", self._session)

    @contextlib.contextmanager
    def _marked(self, marks: Any) -> Iterator[None]:
        """Write the marks, refuse workers that do not see them, and remove them at the end."""
        written = list(marks)
        try:
            for mark in written:
                mark.write()
            for mark in written[:1]:
                self._refuse_blind(mark)
            yield
        finally:
            for mark in written:
                mark.remove()

    def _refuse_blind(self, mark: Mark) -> None:
        answers = self._client.run(mark.complaint, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, BaseException):
                raise NeurosimError(
                    f"the worker {worker} cannot load neurosim ({answer}); install neurosim where "
                    "the workers run, in the Python that they are started with"
                )
            if answer:
                raise NeurosimError(answer)


def _of_jobs(started: Any) -> bool:
    """Whether the workers are jobs of a batch system."""
    return hasattr(started, "job_script")


def _outcome(future: Any) -> Outcome:
    """What came of a task that has ended in any way."""
    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    if future.status == "error":
        error = future.exception()
        if type(error).__name__ == "KilledWorker":
            return Outcome("", failure="every worker that tried it was lost; see their logs")
        return Outcome("", failure=f"{type(error).__name__}: {error}")
    raise NeurosimError(
        f"the scheduler has dropped a task ({future.status}); the same command goes on with the "
        "checkpoints of the runs"
    )


def _in_vain(outcome: Outcome, item: Any, tried: dict[Any, tuple[int, int]]) -> Outcome:
    """A task that is stopped again and again without getting further has failed."""
    before, times = tried.get(item, (-1, 0))
    times = times + 1 if outcome.epochs == before else 0
    tried[item] = (outcome.epochs, times)
    if times < _IN_VAIN or outcome.done or outcome.failure:
        return outcome
    return Outcome(
        outcome.host,
        failure=f"stopped {times} times on its worker without finishing another epoch; give "
        "the worker more time",
    )


def _absolute(run: PlannedRun) -> PlannedRun:
    return dataclasses.replace(run, out=run.out.absolute())


def _label(run: PlannedRun) -> str:
    return f"{run.out.name}/{run.folder.name}"


@contextlib.contextmanager
def _bar(planned: Sequence[PlannedSeeds], progress: bool) -> Iterator[Callable[[], None]]:
    """A bar that counts epochs of all runs, as their folders tell them."""
    from tqdm.auto import tqdm

    epochs = {folder: one.settings.epochs for one in planned for folder in one.folders}
    disable = None if progress else True
    with tqdm(total=sum(epochs.values()), unit="epoch", disable=disable) as bar:

        def show() -> None:
            if not bar.disable:
                bar.n = sum(min(len(finished_epochs(f)), n) for f, n in epochs.items())
                bar.refresh()

        yield show
