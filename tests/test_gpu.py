"""The kernels on a GPU against the C++ program (make test-gpu); nothing here runs without one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from kernels import KERNEL_SYSTEMS, chunk_of, small
from oracles import assert_bitwise_equal

from neurosim import Simulator
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.cuda.backend import CudaBackend
from neurosim.backends.cuda.device import open_gpu
from neurosim.errors import BuildError, ParameterError

pytestmark = pytest.mark.gpu

IMAGES = 50
#: What single and double precision leave of weights and rates near 1 after some updates, where
#: a function such as exp differs in its last digit.
NEAR = {"float32": 1e-4, "float64": 1e-11}


@pytest.fixture(scope="module", autouse=True)
def gpu() -> str:
    try:
        return open_gpu().name
    except BuildError as error:
        warnings.warn(f"NOTHING was tested on a GPU: {error}", stacklevel=1)
        pytest.skip(str(error))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KERNEL_SYSTEMS)
def test_a_gpu_computes_what_a_cpu_does(name: str, dtype: str) -> None:
    """Guards launches, copies and votes of warps, which nothing but a GPU runs."""
    system = small(name, layers=(100, 70, 10))
    opened = {"dtype": dtype, "max_cycles": IMAGES}
    with (
        CudaBackend(system.circuit(), **opened) as cuda,
        CppBackend(system.circuit(), **opened) as cpp,
    ):
        for learning in (True, False):
            chunk = chunk_of(system, IMAGES, learning=learning)
            expected = cpp.run(chunk)
            for lanes in (None, 1, 2, 64):
                found = cuda.run(chunk, lanes=lanes)
                apart = max(
                    float(np.abs(found.weights[n] - w).max()) for n, w in expected.weights.items()
                )
                sys.stdout.write(f"{name} {dtype} lanes={lanes}: at most {apart:.1e} apart\n")
                assert apart <= NEAR[dtype]
                for n, answers in expected.readouts.items():
                    np.testing.assert_allclose(found.readouts[n], answers, rtol=0, atol=NEAR[dtype])


def test_two_runs_on_a_gpu_are_equal_bit_for_bit() -> None:
    """Guards sums that depend on which thread was first."""
    system = small("corinfomax")
    with CudaBackend(system.circuit(), max_cycles=IMAGES) as backend:
        chunk = chunk_of(system, IMAGES, learning=True)
        one, other = backend.run(chunk), backend.run(chunk)
    assert_bitwise_equal(one.weights, other.weights)
    assert one.event_counts == other.event_counts


def test_more_lanes_than_memory_are_refused() -> None:
    """Guards an error of the driver in the midst of a run."""
    system = small("corinfomax")
    with CudaBackend(system.circuit(), max_cycles=10**6) as backend:
        lane = backend._opened().layout.lane_bytes
        many = 2 * open_gpu().free_bytes() // lane
        if many > 10**6:
            pytest.skip("so much memory that the images do not fit into this machine's")
        with pytest.raises(ParameterError, match=r"do not fit into .* give lanes="):
            backend.run(chunk_of(system, many, learning=False), lanes=many)


def test_training_goes_on_with_another_back_end(tmp_path: Path) -> None:
    """Guards checkpoints that only the back end that wrote them can read."""
    system = small("ep")
    chunk = chunk_of(system, 30, learning=True)
    images, labels = chunk.inputs["stimulus"], chunk.inputs["target"].argmax(1)
    for first, second in (("cuda", "cpp"), ("cpp", "cuda")):
        with Simulator(system, backend=first) as simulator:
            simulator.fit(images, labels, progress=False)
            simulator.save(tmp_path)
        with Simulator.load(tmp_path, backend=second) as simulator:
            simulator.fit(images, labels, progress=False)
            assert simulator.epoch == 2


LONG_RUN = """
import numpy as np
from neurosim import CorInfoMax, Simulator

simulator = Simulator(CorInfoMax(layers=(20, 20, 10), free_time=9_000_000.0), backend="cuda")
simulator.backend
try:
    print("ready", flush=True)
    simulator.decision_function(np.ones((20, 20)))
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_an_interrupt_ends_a_run_within_a_second() -> None:
    """Guards a terminal that hangs until the last image."""
    command = [sys.executable, "-c", LONG_RUN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(2)
        sent = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("stopped\n", None)
        assert time.perf_counter() - sent < 3
