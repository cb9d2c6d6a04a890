"""The hand-written C program ``floor.c``, compiled when first needed and called by ctypes."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import Contender, Outcome, Runner
from benchmarks.problem import Problem, reference_parameters
from benchmarks.stopwatch import Stopwatch
from neurosim.errors import BuildError

__all__ = ["FLAGS", "FloorRunner", "compile_floor", "find_c_compiler"]

SOURCE = Path(__file__).with_name("floor.c")
#: As for neurosim's own programs: nothing here changes a result.
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")

_MAX_LAYERS = 9
_PER_LAYER = ctypes.c_double * _MAX_LAYERS
_ARRAYS = ctypes.c_void_p * _MAX_LAYERS
_COUNTS = ctypes.c_int64 * _MAX_LAYERS


class _Network(ctypes.Structure):
    """``network`` of ``floor.c``, field by field."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("depth", "free_steps", "nudged_steps", "learning")),
        ("sizes", ctypes.c_int32 * _MAX_LAYERS),
        *((name, ctypes.c_double) for name in ("step", "g_l", "g_A", "g_B")),
        *((name, ctypes.c_double) for name in ("theta", "sst_theta", "gamma_B", "lambda_B")),
        *((name, _PER_LAYER) for name in ("c", "mu_ff", "mu_fb")),
        *((name, _ARRAYS) for name in ("W_ff", "W_fb", "B")),
        *((name, _COUNTS) for name in ("spikes", "samples")),
    )


def find_c_compiler() -> str:
    """Find the C compiler: ``$CC`` if set, else gcc, clang or cc from the path.

    Raises
    ------
    BuildError
        If there is none; the message says how to go on.
    """
    chosen = os.environ.get("CC")
    names = [chosen] if chosen else ["gcc", "clang", "cc"]
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise BuildError(
        f"no C compiler found (looked for {' or '.join(names)}); install gcc, name yours in CC, "
        "or leave the C contenders out: --contenders 'neurosim-*' 'brian2-*' 'torch-*' 'numpy-*'"
    )


def compile_floor(folder: Path, dtype: str, compiler: str) -> Path:
    """Compile ``floor.c`` for one precision.

    Parameters
    ----------
    folder : Path
        Where the library goes.
    dtype : str
        ``"float32"`` or ``"float64"``.
    compiler : str
        The C compiler, see :func:`find_c_compiler`.

    Returns
    -------
    Path
        The shared library.

    Raises
    ------
    BuildError
        If the compiler fails.
    """
    library = folder / f"floor_{dtype}.so"
    real = {"float32": "float", "float64": "double"}[dtype]
    command = [compiler, *FLAGS, f"-DREAL={real}", str(SOURCE), "-o", str(library), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        first = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise BuildError(f"{command[0]} could not compile {SOURCE.name}: {first}")
    return library


@functools.cache
def _load(dtype: str, compiler: str) -> ctypes.CDLL:
    """The compiled program, once per process and precision."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-floor-") as folder:
        # the library stays mapped when its file is gone
        library = ctypes.CDLL(str(compile_floor(Path(folder), dtype, compiler)))
    if library.floor_network_bytes() != ctypes.sizeof(_Network):
        raise BuildError("floor.c and floor.py describe the network differently; fix one")
    library.floor_run.restype = None
    return library


class FloorRunner(Runner):
    """Calls the compiled event loop inside this process."""

    def __init__(self, contender: Contender, problem: Problem) -> None:
        super().__init__(contender, problem)
        self._dtype = np.dtype(contender.dtype)
        self._library = _load(contender.dtype, find_c_compiler())

    def run(self, images: int, *, learning: bool) -> Outcome:
        """One call; see :class:`~benchmarks.contender.Runner`."""
        few = self.problem.head(images)
        rows = _weight_rows(few.weights, self._dtype)
        network = _describe(few, rows, learning=learning)
        given = [np.ascontiguousarray(a, self._dtype) for a in (few.images, few.targets, few.betas)]
        answers = np.zeros(few.targets.shape, self._dtype)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*given, answers)]
        with Stopwatch() as watch:
            numbers = ctypes.c_int(images), ctypes.c_int(self.contender.batch)
            self._library.floor_run(ctypes.byref(network), *numbers, *pointers)
        return Outcome(
            watch.seconds,
            watch.cpu_seconds,
            0.0,
            {name: array.T for name, array in rows.items()},
            answers,
            _event_counts(network),
        )


def _weight_rows(
    weights: dict[str, NDArray[np.float64]], dtype: np.dtype[Any]
) -> dict[str, NDArray[Any]]:
    """Weights with the synapses of one source in a row."""
    return {name: np.array(array.T, dtype=dtype, order="C") for name, array in weights.items()}


def _describe(problem: Problem, rows: dict[str, NDArray[Any]], *, learning: bool) -> _Network:
    system, params = problem.system, reference_parameters(problem.system)
    online = system.forgetting(1)
    layers = range(1, system.depth + 1)
    hidden = 2 * system.gamma * system.epsilon
    return _Network(
        depth=system.depth,
        free_steps=params.free_steps,
        nudged_steps=params.nudged_steps if learning else 0,
        learning=learning,
        sizes=(ctypes.c_int32 * _MAX_LAYERS)(*system.layers),
        step=system.dt / system.tau_u,
        g_l=system.g_l,
        g_A=1 / system.epsilon,
        g_B=1 / system.epsilon,
        theta=system.event_threshold,
        sst_theta=system.sst_threshold,
        gamma_B=(1 - online) / online,
        lambda_B=online,
        c=_PER_LAYER(0, *(system.gamma if k == system.depth else hidden for k in layers)),
        mu_ff=_PER_LAYER(*system.mu_ff),
        mu_fb=_PER_LAYER(0, *system.mu_fb),
        **{name: _addresses(name, rows) for name in ("W_ff", "W_fb", "B")},
    )


def _addresses(kind: str, rows: dict[str, NDArray[Any]]) -> Any:
    found = (rows.get(f"{kind}_{k}") for k in range(_MAX_LAYERS))
    return _ARRAYS(*(None if array is None else array.ctypes.data for array in found))


def _event_counts(network: _Network) -> dict[str, int]:
    counts = {"sensory.spike": int(network.spikes[0])}
    for k in range(1, network.depth + 1):
        counts[f"pyramidal_{k}.spike"] = int(network.spikes[k])
        counts[f"pyramidal_{k}.sample"] = int(network.samples[k])
    return counts
