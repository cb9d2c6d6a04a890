"""What Brian2's OpenMP does to the event-driven network: ``python -m benchmarks.openmp``.

The same circuit is built three times with Brian2's own C++ standalone device, serial,
with one thread and with more. The programs take turns, so that a machine that slows
down does so for all, and must learn the same weights.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe_machine
from benchmarks.problem import Problem, make_problem, parse_size
from neurosim.errors import NeurosimError

__all__ = ["build_program", "main", "measure", "run_program"]

_RESULT = Path(__file__).resolve().parent / "results" / "openmp.json"
#: Single precision, and threads that add the events of a step in another order.
_TOLERANCE = 2e-2


def build_program(problem: Problem, threads: int, folder: str) -> None:
    """Write and compile the program; call it in a process of its own.

    Parameters
    ----------
    problem : Problem
        Network, weights and images, all compiled in.
    threads : int
        Brian2's ``openmp_threads``; 0 is the serial program.
    folder : str
        Where the project goes.
    """
    import brian2 as b2

    from neurosim.backends.brian.build import build_network
    from neurosim.backends.cpp.compiler import compiler_flags
    from neurosim.backends.weights import split_weights

    b2.prefs.core.default_float_dtype = np.float32
    b2.prefs.devices.cpp_standalone.openmp_threads = threads
    b2.prefs.codegen.cpp.extra_compile_args_gcc = list(compiler_flags())
    b2.set_device("cpp_standalone", build_on_run=False)
    circuit = problem.system.circuit()
    images = len(problem.images)
    built = build_network(circuit, images)
    for name, values in problem.inputs().items():
        built.inputs[name].values[:] = values
    built.groups["rhythm"].learning = True
    for name, rate in problem.system.rates(0).items():
        projection, _, parameter = name.partition(".")
        built.synapses[projection].variables[parameter].set_value(rate)
    for (name, variable), flat in split_weights(
        circuit, problem.weights, np.dtype("float32")
    ).items():
        setattr(built.synapses[name], variable, flat)
    duration = images * circuit.cycle_steps() * circuit.dt * b2.ms
    built.network.run(duration, namespace=built.namespace)
    b2.get_device().build(directory=folder, compile=True, run=False, debug=False)


def run_program(folder: Path, threads: int) -> tuple[float, NDArray[np.float32]]:
    """Run a compiled program once.

    Parameters
    ----------
    folder : Path
        Its project.
    threads : int
        Threads it was built for.

    Returns
    -------
    seconds : float
        Wall time of its time steps.
    weights : ndarray
        The feedforward weights of the first layer it has learnt.

    Raises
    ------
    NeurosimError
        If it fails.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(threads, 1))}
    done = subprocess.run(
        ["./main"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NeurosimError(f"the program with {threads} threads failed: {done.stderr.strip()}")
    seconds = float((folder / "results" / "last_run_info.txt").read_text().split()[0])
    (learnt,) = (folder / "results").glob("_dynamic_array_ff_0_w_*")
    return seconds, np.fromfile(learnt, dtype=np.float32)


def measure(problem: Problem, threads: Sequence[int], rounds: int) -> dict[str, Any]:
    """Time all programs by turns.

    Parameters
    ----------
    problem : Problem
        Network and images.
    threads : sequence of int
        Brian2's ``openmp_threads`` of each program, the serial one (0) first.
    rounds : int
        Turns of each.

    Returns
    -------
    dict
        Milliseconds per training image of every round, by number of threads.

    Raises
    ------
    NeurosimError
        If a program fails or learns other weights.
    """
    times: dict[int, list[float]] = {count: [] for count in threads}
    with tempfile.TemporaryDirectory(prefix="neurosim-openmp-") as name:
        folders = {count: Path(name) / str(count) for count in threads}
        for count, folder in folders.items():
            # Brian2 keeps one standalone device per process
            builder = multiprocessing.get_context("spawn").Process(
                target=build_program, args=(problem, count, str(folder))
            )
            builder.start()
            builder.join()
            if builder.exitcode:
                raise NeurosimError(f"the program with {count} threads could not be built")
        start = np.ravel(problem.weights["W_ff_0"].T)
        for _ in range(rounds):
            learnt = {}
            for count, folder in folders.items():
                seconds, learnt[count] = run_program(folder, count)
                times[count].append(1e3 * seconds / len(problem.images))
            _check_equal(learnt, start)
    return {str(count): values for count, values in times.items()}


def _check_equal(learnt: dict[int, NDArray[np.float32]], start: NDArray[np.float64]) -> None:
    (first, expected), *others = learnt.items()
    change = np.linalg.norm(expected - start)
    if not change > 0:
        raise NeurosimError("the programs learnt nothing: their weights did not change")
    for count, weights in others:
        error = np.linalg.norm(weights - expected) / change
        if not error < _TOLERANCE:
            raise NeurosimError(
                f"{count} threads learn other weights than {first}: {error:.2g} of the change"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 2 for a mistake to mend."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.openmp", description=__doc__)
    parser.add_argument("--size", default="784-500-10", metavar="N-N-N", help="layer sizes")
    parser.add_argument("--threads", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--images", type=int, default=500, metavar="N", help="images per turn")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where MNIST lies")
    parser.add_argument("--out", type=Path, default=_RESULT, metavar="FILE.json")
    options = parser.parse_args(arguments)
    try:
        problem = make_problem(
            parse_size(options.size), images=options.images, warm_up=2000, data_dir=options.data_dir
        ).with_thresholds(0.01, 0.1)
        times = measure(problem, options.threads, options.rounds)
    except NeurosimError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    baseline = times[str(options.threads[0])]
    for count, values in times.items():
        ratios = [value / base for value, base in zip(values, baseline, strict=True)]
        label = f"openmp_threads = {count}" if int(count) else "serial"
        print(
            f"{label:20s} {statistics.median(values):7.3f} ms per image, "
            f"{statistics.median(ratios):.2f} times the first "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )
    found = {
        "machine": describe_machine(),
        "images": problem.source,
        "size": options.size,
        "ms_per_image": times,
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
