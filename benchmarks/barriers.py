"""Run the kernels of every system under the thread sanitizer, and without each of their barriers.

    python -m benchmarks.barriers                    all systems, no barrier taken out
    python -m benchmarks.barriers ep --without       this one, each barrier taken out in turn

The kernels run on threads of the CPU (:mod:`neurosim.backends.cuda.emulation`). The sanitizer
must be silent about the program as it is, and complain where a barrier is missing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.sanitize import surroundings
from neurosim.backends.cuda.backend import CudaBackend
from neurosim.backends.cuda.barriers import BARRIER
from neurosim.backends.cuda.emulation import EmulatedDevice
from neurosim.backends.interface import Chunk
from neurosim.circuit.readouts import with_readouts
from neurosim.models import SYSTEMS

__all__ = ["main"]

#: Seconds after which threads are taken to wait for each other for ever.
_PATIENCE = 120
_IMAGES, _BATCH, _LAYERS, _THREADS = 6, 3, (21, 19, 5), 3
#: A barrier that the generator placed, or one written by hand in the kernels.
_PLACED = re.compile(rf"^ *{re.escape(BARRIER)}$", flags=re.M)


class _Spoiled(EmulatedDevice):
    """A device whose programs lack one barrier, or none (-1)."""

    def __init__(self, without: int) -> None:
        super().__init__(_THREADS)
        self.without = without
        self.barriers = 0

    def identity(self) -> tuple[str, ...]:
        return *super().identity(), f"without barrier {self.without}"

    def compile(self, source: Path, output: Path) -> None:
        text = source.read_text()
        found = list(_PLACED.finditer(text))
        self.barriers = len(found)
        if self.without >= 0:
            start, end = found[self.without].span()
            source.write_text(text[:start] + text[end:])
        super().compile(source, output)


def _show(name: str, without: int) -> int:
    """Learn and evaluate some images; the number of barriers of the program."""
    system = SYSTEMS[name](layers=_LAYERS, batch=_BATCH)
    # with readouts at the end of every phase, also where synapses learn
    circuit = with_readouts(system.circuit(), system.layer_cells()[1:])
    rng = np.random.default_rng(0)
    inputs = {
        "stimulus": rng.random((_IMAGES, _LAYERS[0])),
        "target": np.eye(_LAYERS[-1])[rng.integers(_LAYERS[-1], size=_IMAGES)],
        **system.cycle_scalars(rng, _IMAGES),
    }
    device, weights = _Spoiled(without), system.initial_weights(rng)
    with CudaBackend(circuit, max_cycles=_IMAGES, device=device) as backend:
        # two groups of lanes for each batch
        backend.run(Chunk(inputs, weights, learning=True, batch=_BATCH), lanes=2)
        backend.run(Chunk(inputs, weights, phases=system.evaluation_phases()), lanes=2)
    return device.barriers


def _run(name: str, without: int) -> tuple[int, int]:
    """Run a system in a process of its own: its barriers, and complaints about them."""
    with tempfile.TemporaryDirectory(prefix="neurosim-barriers-") as folder:
        reports = Path(folder, "reports")
        reports.mkdir()
        environment = surroundings("thread", folder)
        environment["TSAN_OPTIONS"] = f"exitcode=0:log_path={reports}/report"
        command = [sys.executable, "-m", "benchmarks.barriers", name, "--lacking", str(without)]
        try:
            done = subprocess.run(
                command, env=environment, timeout=_PATIENCE, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            # some threads wait at a barrier in a branch that others did not take
            return -1, 1
        if done.returncode:
            raise SystemExit(f"{name} failed: {done.stderr}")
        complaints = sum(
            file.read_text().count("WARNING: ThreadSanitizer") for file in reports.iterdir()
        )
        return int(done.stdout), complaints


def _look_at(name: str, every: bool) -> bool:
    """Whether the sanitizer says about a system what it should."""
    barriers, complaints = _run(name, -1)
    print(f"{name}: {barriers} barriers, {complaints} complaints", flush=True)
    if not every:
        return complaints == 0
    unnoticed = [number for number in range(barriers) if not _run(name, number)[1]]
    noticed = barriers - len(unnoticed)
    print(f"{name}: {noticed} of {barriers} missing barriers noticed, not {unnoticed}", flush=True)
    return complaints == 0 and not unnoticed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run systems.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line.

    Returns
    -------
    int
        Exit status: 0 if the sanitizer says what it should.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--without", action="store_true", help="take out each barrier in turn")
    parser.add_argument("--lacking", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.lacking is not None:
        print(_show(options.systems[0], options.lacking))
        return 0
    chosen = options.systems or sorted(SYSTEMS)
    return int(not all([_look_at(name, options.without) for name in chosen]))


if __name__ == "__main__":
    sys.exit(main())
