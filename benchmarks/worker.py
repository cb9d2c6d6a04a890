"""A contender in a process of its own, so that memory and threads are not shared."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.contender import Contender, Outcome, Runner, make_runner, runner_class
from benchmarks.memory import PeakWatch, peak_bytes, reset_peak, resident_bytes
from benchmarks.problem import Problem, make_system
from neurosim.errors import NeurosimError

__all__ = ["Memory", "Worker", "WorkerError"]

#: Every library that would start threads of its own.
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    )
}

#: Images of the run whose memory is measured; memory does not grow with their number.
_MEMORY_IMAGES = 20


class WorkerError(NeurosimError, RuntimeError):
    """A contender cannot be built or run here; the message says why."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """Memory of the process that does a contender's work.

    Attributes
    ----------
    peak_bytes : int
        Largest resident memory.
    network_bytes : int
        What of it the network took: without program code, libraries and images.
    """

    peak_bytes: int
    network_bytes: int


class Worker:
    """Handle on the process.

    Parameters
    ----------
    contender : Contender
        What it runs.
    problem : Problem
        What it is given.

    Raises
    ------
    WorkerError
        From any call, if the contender fails.
    """

    def __init__(self, contender: Contender, problem: Problem) -> None:
        self.contender = contender
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _environment(ONE_THREAD):
            self._process.start()
        theirs.close()
        self._connection.send((contender, problem))

    def prepare(self) -> Memory:
        """Build the contender, run it for the first time and say what memory that took."""
        memory: Memory = self._call("prepare")
        return memory

    def fixed_images(self, *, learning: bool) -> int | None:
        """How many images every run shows, if the contender has no choice."""
        number: int | None = self._call("fixed_images", learning=learning)
        return number

    def run(self, images: int, *, learning: bool, weights: bool = False) -> Outcome:
        """Run once; weights are sent back only if asked for."""
        outcome: Outcome = self._call("run", images=images, learning=learning, weights=weights)
        return outcome

    def _call(self, command: str, **arguments: Any) -> Any:
        try:
            self._connection.send((command, arguments))
            worked, result = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise WorkerError(
                f"{self.contender.name}: its process ended with status {self._process.exitcode}; "
                "out of memory?"
            ) from error
        if not worked:
            raise WorkerError(f"{self.contender.name}: {result}")
        return result

    def close(self) -> None:
        """End the process."""
        if self._process.is_alive():
            try:
                self._connection.send(("close", {}))
            except OSError:
                self._process.terminate()
        self._process.join(10)
        self._connection.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# ---------------------------------------------------------------- in the process


def _serve(connection: Connection) -> None:
    """Answer requests until told to close or left alone."""
    server = _Server(*connection.recv())
    try:
        while True:
            command, arguments = connection.recv()
            if command == "close":
                break
            connection.send(_answer(getattr(server, command), arguments))
    except (EOFError, KeyboardInterrupt):
        pass
    finally:
        server.close()


def _answer(method: Any, arguments: dict[str, Any]) -> tuple[bool, Any]:
    try:
        return True, method(**arguments)
    except (NeurosimError, ImportError, OSError) as error:
        return False, str(error)
    except Exception:
        # a mistake in the benchmark itself: the parent shows where
        return False, traceback.format_exc()


class _Server:
    """The requests a process answers."""

    def __init__(self, contender: Contender, problem: Problem) -> None:
        self._contender = contender
        self._problem = problem
        self._runner: Runner | None = None

    @property
    def runner(self) -> Runner:
        if self._runner is None:
            self._runner = make_runner(self._contender, self._problem)
        return self._runner

    def prepare(self) -> Memory:
        if self._contender.compiled_program:
            return self._program_memory()
        runner_class(self._contender)(self._contender, _tiny_problem()).run(2, learning=True)
        before = resident_bytes()
        reset_peak()
        self.runner.run(min(_MEMORY_IMAGES, len(self._problem.images)), learning=True)
        return Memory(peak_bytes(), peak_bytes() - before)

    def _program_memory(self) -> Memory:
        runner = self.runner
        images = runner.fixed_images(learning=True) or _MEMORY_IMAGES
        with PeakWatch(os.getpid()) as watch:
            runner.run(min(images, len(self._problem.images)), learning=True)
        return Memory(watch.largest, watch.largest_data - runner.input_bytes())

    def fixed_images(self, *, learning: bool) -> int | None:
        return self.runner.fixed_images(learning=learning)

    def run(self, *, images: int, learning: bool, weights: bool) -> Outcome:
        outcome = self.runner.run(images, learning=learning)
        return outcome if weights else dataclasses.replace(outcome, weights={})

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()


def _tiny_problem() -> Problem:
    """Something to run once, so that libraries load before memory is looked at."""
    system, rng = make_system((6, 5, 3)), np.random.default_rng(0)
    return Problem(
        system=system,
        images=rng.uniform(size=(2, 6)).astype(np.float32),
        targets=np.eye(3, dtype=np.float32)[:2],
        betas=np.ones(2),
        weights=system.initial_weights(rng),
        source="random",
        warm_up=0,
    )
