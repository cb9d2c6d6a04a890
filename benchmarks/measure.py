"""The measurement: check all contenders, then let them take turns.

Every round runs each contender once, in the same order, so that a machine that
slows down or warms up does so for all. The time per image is that of a chunk of
:data:`~neurosim.backends.interface.CHUNK_IMAGES` images, the start of the program
included: the time a run takes besides its time steps is measured separately, so that
contenders too slow for so many images are not charged a start every few images.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.checks import Check, Oracle, check_outcome
from benchmarks.contender import Contender, Outcome
from benchmarks.problem import Problem, activity, make_problem
from benchmarks.worker import Memory, Worker, WorkerError
from neurosim.backends.interface import CHUNK_IMAGES
from neurosim.learning.metrics import count_events, count_synops
from neurosim.system.building_blocks import GRADED_SPIKES

__all__ = ["Settings", "measure_size"]

#: Images of the first, untimed look at a contender's speed.
_PROBE = 12
_CHECK_IMAGES = 20

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Settings:
    """How long to measure.

    Attributes
    ----------
    rounds : int
        Turns of every contender.
    images : int
        Most images per turn.
    seconds : float
        Wanted length of a turn; slow contenders are shown fewer images.
    warm_up : int
        Images to train the network with first.
    data_dir : Path or None
        Where data sets lie.
    """

    rounds: int = 7
    images: int = CHUNK_IMAGES
    seconds: float = 1.5
    warm_up: int = 2000
    data_dir: Path | None = None


@dataclasses.dataclass
class _Entry:
    """A contender while it is measured."""

    worker: Worker
    memory: Memory
    check: Check
    learnt: Outcome
    images: dict[bool, int]
    turns: dict[bool, list[dict[str, float]]] = dataclasses.field(
        default_factory=lambda: {True: [], False: []}
    )

    @property
    def contender(self) -> Contender:
        return self.worker.contender


def measure_size(
    layers: tuple[int, ...], contenders: Sequence[Contender], settings: Settings, say: Say
) -> dict[str, Any]:
    """Measure all contenders on a network of one size.

    Parameters
    ----------
    layers : tuple of int
        Layer sizes.
    contenders : sequence of Contender
        The contenders to measure.
    settings : Settings
        How long to measure.
    say : callable
        Receives messages about the progress.

    Returns
    -------
    dict
        Can be written as JSON: the problem, and per contender its check, memory and the times
        of all rounds. Those that could not run are listed under ``"left_out"``.
    """
    name = "-".join(map(str, layers))
    say(f"{name}: training {settings.warm_up} images to warm up")
    problem = make_problem(
        layers, images=settings.images, warm_up=settings.warm_up, data_dir=settings.data_dir
    )
    say(f"{name}: images are {problem.source}")
    entries, left_out = _prepare_all(contenders, problem, settings, say)
    try:
        load = [os.getloadavg()[0]]
        for number in range(settings.rounds):
            say(f"{name}: round {number + 1} of {settings.rounds}")
            for entry in entries:
                _take_turn(entry)
        load.append(os.getloadavg()[0])
    finally:
        for entry in entries:
            entry.worker.close()
    return {
        **_describe_problem(problem),
        "load_average": load,
        "contenders": [_describe_entry(entry, problem) for entry in entries],
        "left_out": left_out,
    }


# ---------------------------------------------------------------- before the rounds


def _prepare_all(
    contenders: Sequence[Contender], problem: Problem, settings: Settings, say: Say
) -> tuple[list[_Entry], dict[str, str]]:
    oracle, entries, left_out = Oracle(problem), [], {}
    for contender in contenders:
        worker = Worker(contender, problem)
        try:
            entry = _prepare(worker, oracle, problem, settings)
        except WorkerError as error:
            worker.close()
            left_out[contender.name] = str(error)
            say(f"  left out: {error}")
            continue
        say(f"  {contender.name}: {_describe_check(entry.check)}")
        if entry.check.passed:
            entries.append(entry)
        else:
            worker.close()
            left_out[contender.name] = f"check failed: {_describe_check(entry.check)}"
    return entries, left_out


def _prepare(worker: Worker, oracle: Oracle, problem: Problem, settings: Settings) -> _Entry:
    memory = worker.prepare()
    shown = worker.fixed_images(learning=True) or min(
        max(_CHECK_IMAGES, worker.contender.batch), len(problem.images)
    )
    learnt = worker.run(shown, learning=True, weights=True)
    check = check_outcome(oracle, problem, worker.contender, learnt, shown)
    images = {learning: _choose_images(worker, learning, settings) for learning in (True, False)}
    return _Entry(worker, memory, check, dataclasses.replace(learnt, weights={}), images)


def _choose_images(worker: Worker, learning: bool, settings: Settings) -> int:
    """Number of images that fills a turn, in whole batches."""
    fixed = worker.fixed_images(learning=learning)
    if fixed is not None:
        return fixed
    batch, probe = worker.contender.batch, min(_PROBE * worker.contender.batch, settings.images)
    outcome = worker.run(probe, learning=learning)
    seconds = max(outcome.seconds - outcome.startup_seconds, 1e-6)
    wanted = round(settings.seconds * probe / seconds)
    return max(min(wanted, settings.images) // batch * batch, min(probe, settings.images))


def _describe_check(check: Check) -> str:
    word = "equal to" if check.passed else "DIFFERS from"
    return (
        f"{word} {check.against} after {check.images} images "
        f"(relative difference {check.difference:.1e}, at most {check.tolerance:g})"
    )


# ---------------------------------------------------------------- the rounds


def _take_turn(entry: _Entry) -> None:
    for learning in (True, False):
        images = entry.images[learning]
        outcome = entry.worker.run(images, learning=learning)
        names = ("seconds", "cpu_seconds", "startup_seconds")
        entry.turns[learning].append({name: getattr(outcome, name) for name in names})


def _per_image(turns: list[dict[str, float]], images: int) -> tuple[list[float], float]:
    """Milliseconds per image of a full chunk in each round, and those of a start."""
    startup = statistics.median(turn["startup_seconds"] for turn in turns)
    steady = [(turn["seconds"] - turn["startup_seconds"]) / images for turn in turns]
    return [1e3 * (seconds + startup / CHUNK_IMAGES) for seconds in steady], 1e3 * startup


# ---------------------------------------------------------------- results


def _describe_problem(problem: Problem) -> dict[str, Any]:
    circuit = problem.system.circuit()
    return {
        "layers": list(problem.system.layers),
        "source": problem.source,
        "warm_up": problem.warm_up,
        "synapses": problem.synapses,
        "dense_macs": circuit.dense_macs_per_step() * circuit.cycle_steps(),
        "active": activity(problem),
    }


def _describe_entry(entry: _Entry, problem: Problem) -> dict[str, Any]:
    train, startup = _per_image(entry.turns[True], entry.images[True])
    evaluate, _ = _per_image(entry.turns[False], entry.images[False])
    counts, shown = entry.learnt.event_counts, entry.check.images
    circuit = problem.system.circuit()
    spikes = count_events(circuit, counts)[GRADED_SPIKES] if counts else 0
    return {
        **dataclasses.asdict(entry.contender),
        "check": dataclasses.asdict(entry.check),
        "train_ms": train,
        "evaluate_ms": evaluate,
        "startup_ms": startup,
        "train_images": entry.images[True],
        "evaluate_images": entry.images[False],
        "raw": {"train": entry.turns[True], "evaluate": entry.turns[False]},
        "peak_mib": entry.memory.peak_bytes / 2**20,
        "bytes_per_synapse": entry.memory.network_bytes / problem.synapses,
        "spikes_per_image": spikes / shown if counts else None,
        "synops_per_image": count_synops(circuit, counts) / shown if counts else None,
    }
