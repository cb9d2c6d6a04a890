"""Times on a GPU: neurosim, PyTorch on the same card, and this CPU.

    python -m benchmarks.gpu                       784-500-10 and 3072-1000-10
    python -m benchmarks.gpu --sizes 784-500-10 --images 20000 --data-dir DIR

PyTorch multiplies dense matrices, step by step (eager) and recorded as one CUDA graph per
batch. Every time is that of the best of some rounds, with images and weights handed over.
Nothing is measured unless neurosim's weights on the GPU equal those of the CPU to rounding.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dense import dense_network
from benchmarks.machine import describe_machine
from benchmarks.problem import Problem, make_problem, parse_size
from neurosim.backends import open_backend
from neurosim.backends.cores import available_cores
from neurosim.backends.interface import Backend, Chunk, ChunkResult
from neurosim.errors import NeurosimError

__all__ = ["main"]

_SIZES = ("784-500-10", "3072-1000-10")
_BATCHES = (20, 100)
_LANES = 1000
_ROUNDS = 3
#: Weights of single precision differ by so much after a chunk if only rounding is to blame.
_TOLERANCE = 1e-3


def _chunk(problem: Problem, batch: int, *, learning: bool) -> Chunk:
    phases = {} if learning else problem.system.evaluation_phases()
    return Chunk(problem.inputs(), problem.weights, phases=phases, learning=learning, batch=batch)


def _best(run: Callable[[], Any], images: int) -> float:
    """Milliseconds per image of the fastest round."""
    run()
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times) / images


def _compare(gpu: ChunkResult, cpu: ChunkResult) -> dict[str, Any]:
    """Whether weights and answers are the same bits, or how far they are apart."""
    pairs = [(gpu.weights[name], array) for name, array in cpu.weights.items()]
    pairs += [(gpu.readouts[name], array) for name, array in cpu.readouts.items()]
    return {
        "bits": all(np.array_equal(one, other) for one, other in pairs),
        "largest difference": max(float(np.abs(one - other).max()) for one, other in pairs),
        "events equal": gpu.event_counts == cpu.event_counts,
    }


def _torch_batches(problem: Problem, batch: int, graphs: bool) -> Callable[[], None]:
    """A pass over the images with PyTorch on the GPU."""
    import torch

    from benchmarks.dense_torch import Learner

    cuda, count = "cuda", len(problem.images) // batch * batch
    learner = Learner(dense_network(problem.system, problem.weights, "float32"), cuda)
    pixels, targets = (
        torch.from_numpy(array[:count]).to(cuda) for array in (problem.images, problem.targets)
    )
    x, y = (torch.zeros_like(array[:batch]) for array in (pixels, targets))

    def update(beta: float) -> None:
        learner.show(x.t())
        learner.nudge_and_learn(x.t(), y.t(), beta)

    betas = sorted({float(beta) for beta in problem.betas})
    replays: dict[float, Callable[[], None]] = {b: functools.partial(update, b) for b in betas}
    if graphs:
        for beta in betas:
            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                update(beta)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                update(beta)
            replays[beta] = graph.replay

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, count, batch):
                x.copy_(pixels[start : start + batch])
                y.copy_(targets[start : start + batch])
                replays[float(problem.betas[start])]()
        torch.cuda.synchronize()

    return run


def _measure(problem: Problem) -> Iterator[dict[str, Any]]:
    """One row per batch size, and one for evaluation."""
    images = len(problem.images)
    for batch in (*_BATCHES, None):
        # the circuit has the rates of a batch
        system = dataclasses.replace(problem.system, batch=batch or _BATCHES[0])
        sized = dataclasses.replace(problem, system=system)
        opened: dict[str, Any] = {"dtype": "float32", "max_cycles": images}
        learning = batch is not None
        chunk = _chunk(sized, system.batch, learning=learning)
        lanes = batch or _LANES
        with (
            open_backend("cuda", system.circuit(), **opened) as gpu,
            open_backend("cpp", system.circuit(), **opened) as cpu,
        ):
            row: dict[str, Any] = {"what": f"batch {batch}" if learning else "evaluation"}
            row["equality"] = _compare(gpu.run(chunk, lanes=lanes), _on_cpu(cpu, chunk))
            if row["equality"]["largest difference"] > _TOLERANCE:
                yield {**row, "left out": "the GPU computes something else"}
                continue
            row["neurosim, GPU"] = _best(lambda: gpu.run(chunk, lanes=lanes), images)  # noqa: B023
            row["neurosim, CPU"] = _best(lambda: _on_cpu(cpu, chunk), images)  # noqa: B023
        if batch is not None:
            row["PyTorch, eager"] = _best(_torch_batches(sized, batch, False), images)
            row["PyTorch, CUDA graphs"] = _best(_torch_batches(sized, batch, True), images)
        yield row


def _on_cpu(backend: Backend, chunk: Chunk) -> ChunkResult:
    return backend.run(chunk, threads=available_cores())


def main() -> int:
    """Measure, print a table and write the numbers as JSON.

    Returns
    -------
    int
        Exit status: 0 if something was measured; 2 without a GPU.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=list(_SIZES), metavar="N-N-N")
    parser.add_argument("--images", type=int, default=10000, help="images per round")
    parser.add_argument("--data-dir", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("build/gpu.json"), metavar="FILE.json")
    options = parser.parse_args()
    from neurosim.backends.cuda.device import open_gpu

    try:
        gpu = open_gpu()
    except NeurosimError as error:
        print(f"no times on a GPU: {error}", file=sys.stderr)
        return 2
    found: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "gpu": gpu.name,
        "machine": describe_machine(),
        "rows": {},
    }
    print(f"{gpu.name}; ms per image")
    for size in options.sizes:
        problem = make_problem(
            parse_size(size), images=options.images, warm_up=1000, data_dir=options.data_dir
        )
        found["rows"][size] = rows = []
        for row in _measure(problem):
            rows.append(row)
            times = {
                name: f"{value:.4f}" for name, value in row.items() if isinstance(value, float)
            }
            print(f"{size}, {row['what']}: {times}; {row['equality']}", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
