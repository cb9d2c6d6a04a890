"""What a contender is: a name, what runs it, and the settings it runs at."""

from __future__ import annotations

import abc
import dataclasses
import fnmatch
import importlib
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from benchmarks.problem import Problem
from neurosim.errors import ParameterError, near_matches

__all__ = [
    "BASELINE",
    "CONTENDERS",
    "Contender",
    "Outcome",
    "Runner",
    "choose",
    "make_runner",
    "runner_class",
]

#: The contender all others are compared with: neurosim at an event threshold of 0.01. The
#: default of the system is 0.001.
BASELINE = "neurosim-f32-1e-2"

_RUNNERS = {
    "neurosim": ("benchmarks.events", "NeurosimRunner"),
    "brian2-summed": ("benchmarks.stock_brian2", "SummedRunner"),
    "numpy": ("benchmarks.dense_numpy", "NumpyRunner"),
    "torch": ("benchmarks.dense_torch", "TorchRunner"),
    "floor": ("benchmarks.floor", "FloorRunner"),
}


@dataclasses.dataclass(frozen=True)
class Contender:
    """One row of the comparison.

    Attributes
    ----------
    name : str
        Short name for the command line.
    family : str
        Key of the runner that does the work.
    label : str
        Words for tables and figures.
    dtype : str
        ``"float32"`` or ``"float64"``.
    event_threshold, sst_threshold : float
        Change of rate that is sent, and that the lateral circuit samples; dense
        contenders have 0 and 0, the exact sums.
    batch, threads : int
        Images per update, and threads that share them.
    """

    name: str
    family: str
    label: str
    dtype: str = "float32"
    event_threshold: float = 0.0
    sst_threshold: float = 0.0
    batch: int = 1
    threads: int = 1

    @property
    def exact(self) -> bool:
        """Whether every change is sent, so that sums equal the dense ones."""
        return self.event_threshold == 0 and self.sst_threshold == 0

    @property
    def compiled_program(self) -> bool:
        """Whether the work is done by a program of its own, started anew for each run."""
        return self.family == "brian2-summed"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one run took and gave.

    Attributes
    ----------
    seconds : float
        Wall time, from handing over images and weights to having the results.
    cpu_seconds : float
        Processor time of the same, children included.
    startup_seconds : float
        The part that does not depend on the number of images: handing over weights,
        starting a program, reading its results.
    weights : dict of str to ndarray
        Weights afterwards.
    answers : (images, n_outputs) ndarray
        Output rates at the end of each free phase.
    event_counts : dict of str to int
        Counted events by ``"population.event"``; empty for dense contenders.
    """

    seconds: float
    cpu_seconds: float
    startup_seconds: float
    weights: dict[str, NDArray[Any]]
    answers: NDArray[Any]
    event_counts: dict[str, int] = dataclasses.field(default_factory=dict)


class Runner(abc.ABC):
    """Runs one contender on one problem; every run starts from the problem's weights.

    Parameters
    ----------
    contender : Contender
        Settings.
    problem : Problem
        Network and images.
    """

    def __init__(self, contender: Contender, problem: Problem) -> None:
        self.contender = contender
        self.problem = problem.with_thresholds(contender.event_threshold, contender.sst_threshold)

    @abc.abstractmethod
    def run(self, images: int, *, learning: bool) -> Outcome:
        """Show the first images; with ``learning`` both phases and the update, else one."""

    def close(self) -> None:
        """Remove files and end processes of the runner."""
        return

    def fixed_images(self, *, learning: bool) -> int | None:
        """How many images every run shows, if that is compiled in."""
        del learning
        return None

    def input_bytes(self) -> int:
        """Bytes of images, targets and nudges a program of its own holds in memory."""
        return 0


def runner_class(contender: Contender) -> type[Runner]:
    """The class that runs a contender; its module is imported only here."""
    module, name = _RUNNERS[contender.family]
    found: type[Runner] = getattr(importlib.import_module(module), name)
    return found


def make_runner(contender: Contender, problem: Problem) -> Runner:
    """The runner of a contender, ready to run."""
    return runner_class(contender)(contender, problem)


# ---------------------------------------------------------------- the list

#: Event threshold in words -> (event threshold, SST threshold); 0.1 is the model's default.
_THRESHOLDS = {"0-exact": (0.0, 0.0), "0": (0.0, 0.1), "1e-3": (1e-3, 0.1), "1e-2": (1e-2, 0.1)}


def _event_driven(family: str, label: str, dtype: str, names: Sequence[str]) -> list[Contender]:
    bits = {"float32": "f32", "float64": "f64"}[dtype]
    contenders = []
    for name in names:
        theta, sst = _THRESHOLDS[name]
        words = f"{label}, {dtype}, θ = {theta:g}" + (", all sampled" if name == "0-exact" else "")
        contenders.append(Contender(f"{family}-{bits}-{name}", family, words, dtype, theta, sst))
    return contenders


def _in_batches(family: str, label: str, threads: Sequence[int] = (1, 2)) -> list[Contender]:
    """Batches of 20 at the thresholds of the baseline and of the model."""
    found = []
    for name in ("1e-3", "1e-2"):
        theta, sst = _THRESHOLDS[name]
        for count in threads:
            short = f"{family}-f32-{name}-b20" + (f"-t{count}" if count > 1 else "")
            words = f"{label}, float32, θ = {theta:g}, batch 20"
            words += f", {count} threads" if count > 1 else ""
            found.append(Contender(short, family, words, "float32", theta, sst, 20, count))
    return found


def _all_contenders() -> dict[str, Contender]:
    summed = "Brian2, (summed) variables"
    contenders = [
        *_event_driven("neurosim", "neurosim", "float32", list(_THRESHOLDS)),
        *_event_driven("neurosim", "neurosim", "float64", list(_THRESHOLDS)),
        Contender("brian2-summed-f64", "brian2-summed", f"{summed}, float64", "float64"),
        Contender("brian2-summed-f32", "brian2-summed", f"{summed}, float32"),
        Contender("torch-1", "torch", "PyTorch, float32, batch 1"),
        Contender("torch-20", "torch", "PyTorch, float32, batch 20", batch=20),
        Contender("torch-100", "torch", "PyTorch, float32, batch 100", batch=100),
        Contender("numpy-1", "numpy", "NumPy, float32, batch 1"),
        *_event_driven("floor", "C by hand", "float32", list(_THRESHOLDS)),
        *_in_batches("neurosim", "neurosim"),
        *_in_batches("floor", "C by hand", threads=(1,)),
    ]
    return {contender.name: contender for contender in contenders}


#: Every contender by name, in the order of the tables.
CONTENDERS = _all_contenders()


def choose(patterns: Sequence[str]) -> list[Contender]:
    """Contenders whose names match.

    Parameters
    ----------
    patterns : sequence of str
        Names, or shell patterns such as ``"neurosim-*"``; empty for all.

    Raises
    ------
    ParameterError
        If a pattern matches none.

    Examples
    --------
    >>> [contender.name for contender in choose(["torch-*"])]
    ['torch-1', 'torch-20', 'torch-100']
    """
    for pattern in patterns:
        if not fnmatch.filter(CONTENDERS, pattern):
            raise ParameterError(f"no contender {pattern!r}; {near_matches(pattern, CONTENDERS)}")
    return [
        contender
        for name, contender in CONTENDERS.items()
        if not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    ]
