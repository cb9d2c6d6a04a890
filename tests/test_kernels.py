"""CUDA kernels without a GPU: the same text on threads of the CPU equals the C++ program."""

from __future__ import annotations

import ctypes.util
import dataclasses
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernels import KERNEL_SYSTEMS, chunk_of, learning_at_once, small
from oracles import assert_bitwise_equal

from neurosim import Simulator
from neurosim.backends.chunks import ChunkResult
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.cuda import backend as cuda_backend
from neurosim.backends.cuda import device as cuda_device
from neurosim.backends.cuda.backend import CudaBackend
from neurosim.backends.cuda.barriers import BARRIER, Touched, Work, with_barriers
from neurosim.backends.cuda.device import KernelFacts, blocks_per_multiprocessor, open_gpu
from neurosim.backends.cuda.emulation import EmulatedDevice
from neurosim.backends.cuda.launches import Learn, Steps, launches
from neurosim.backends.cuda.learning import Tiles
from neurosim.errors import BuildError, CircuitError, ParameterError
from neurosim.system import System

IMAGES = 7


def system_of(name: str) -> System:
    """A small system; corinfomax has two hidden layers, of which one needs several tiles."""
    if name != "corinfomax":
        return small(name)
    rates = {"mu_ff": (0.05, 0.035, 0.05), "mu_fb": (0.0075, 0.01)}
    return small(name, layers=(35, 67, 18, 3), **rates)


def both(name: str) -> tuple[CudaBackend, CppBackend]:
    """Kernels and the C++ program; of corinfomax in double precision and with a recording."""
    opened: dict[str, Any] = {"max_cycles": IMAGES}
    if name == "corinfomax":
        record = {"pyramidal_1": ["r", "v_A"], "sst_3": ["i_sst"]}
        opened |= {"dtype": "float64", "record": record, "cells": {"pyramidal_1": [66, 0]}}
    circuit, threads = system_of(name).circuit(), 5 if name == "corinfomax" else 3
    device = EmulatedDevice(threads)
    return CudaBackend(circuit, device=device, **opened), CppBackend(circuit, **opened)


def assert_equal(one: ChunkResult, other: ChunkResult) -> None:
    assert_bitwise_equal(one.weights, other.weights)
    assert_bitwise_equal(one.readouts, other.readouts)
    assert one.event_counts == other.event_counts
    assert one.trajectories.keys() == other.trajectories.keys()
    for population, variables in other.trajectories.items():
        assert_bitwise_equal(one.trajectories[population], variables)


# ------------------------------------------------------------------ equality


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", KERNEL_SYSTEMS)
def test_kernels_equal_the_cpp_program_bit_for_bit(name: str) -> None:
    """Guards every loop, list, tile and barrier of the kernels, in every shipped system."""
    system, (cuda, cpp) = system_of(name), both(name)
    with cuda, cpp:
        for learning in (True, False):
            chunk = chunk_of(system, IMAGES, learning=learning)
            expected = cpp.run(chunk)
            assert_equal(cuda.run(chunk), expected)
            # in double precision at first, so that rounding is no change
            given = {n: w.astype(cpp.dtype) for n, w in chunk.weights.items()}
            moved = any((expected.weights[n] != w).any() for n, w in given.items())
            assert moved is learning
            assert sum(expected.event_counts.values()) > 0


def test_whole_divisions_round_down() -> None:
    """Guards `//` and `%` in equations, which C++ rounds towards 0."""
    system = small("bp", layers=(3, 9, 2))
    circuit = system.circuit()
    hidden = circuit.population("layer_1")
    factor = "(1 + (i - 4) % 3 + (i - 4)//2 + (x - 0.5) % 0.7)"
    text = hidden.equations.replace("clip(x, 0, inf)", f"clip(x, 0, inf)*{factor}")
    circuit = circuit.replacing(dataclasses.replace(hidden, equations=text))
    chunk = chunk_of(system, IMAGES, learning=False)
    i, W = np.arange(9)[:, None] - 4, chunk.weights
    x = W["W_0"] @ chunk.inputs["stimulus"].T + W["b_0"]
    rates = np.maximum(x, 0) * (1 + i % 3 + i // 2 + (x - 0.5) % 0.7)
    answer = (W["W_1"] @ np.where(np.abs(rates) > system.event_threshold, rates, 0) + W["b_1"]).T
    how: dict[str, Any] = {"max_cycles": IMAGES, "dtype": "float64"}
    for opened in (CudaBackend(circuit, device=EmulatedDevice(2), **how),
                   CppBackend(circuit, **how)):  # fmt: skip
        with opened as backend:
            found = backend.run(chunk).readouts["answer"]
        np.testing.assert_allclose(found, answer, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def deep() -> tuple[CudaBackend, CppBackend]:
    return both("corinfomax")


@pytest.mark.parametrize("lanes", [None, 1, 2, 3, 100])
def test_lanes_change_no_bit(deep: tuple[CudaBackend, CppBackend], lanes: int | None) -> None:
    """Guards sums that depend on how many images are in flight, and a batch cut by lanes."""
    (cuda, cpp), system = deep, system_of("corinfomax")
    for learning, batch in ((True, 3), (True, 5), (True, 100), (False, 3)):
        chunk = dataclasses.replace(chunk_of(system, IMAGES, learning=learning), batch=batch)
        assert_equal(cuda.run(chunk, lanes=lanes), cpp.run(chunk))


def test_phases_may_be_left_out_or_cut_by_launches(
    deep: tuple[CudaBackend, CppBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a stretch of steps that ends between two phases, or within one."""
    monkeypatch.setattr("neurosim.backends.cuda.launches._STEPS", 7)
    (cuda, cpp), system = deep, system_of("corinfomax")
    for phases in ({}, {"nudged": 0}, {"free": 1, "nudged": 1}):
        for learning in (True, False):
            chunk = chunk_of(system, IMAGES, learning=learning, phases=phases, commits=4)
            assert_equal(cuda.run(chunk), cpp.run(chunk))


def test_a_checkpoint_goes_on_with_another_back_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards checkpoints that only the back end that wrote them can read."""
    monkeypatch.setattr(cuda_backend, "open_gpu", EmulatedDevice)
    system = small("ep")
    chunk = chunk_of(system, 9, learning=True)
    images, labels = chunk.inputs["stimulus"], chunk.inputs["target"].argmax(1)
    found = []
    for first, second in (("cuda", "cpp"), ("cpp", "cuda"), ("cpp", "cpp")):
        with Simulator(system, backend=first) as simulator:
            simulator.fit(images, labels, progress=False)
            simulator.save(tmp_path / first / second)
        with Simulator.load(tmp_path / first / second, backend=second) as simulator:
            simulator.fit(images, labels, progress=False)
            found.append(dict(simulator.weights))
    assert_bitwise_equal(found[0], found[2])
    assert_bitwise_equal(found[1], found[2])


# ------------------------------------------------------------------ barriers


def calls(*works: Work) -> str:
    return " ".join(with_barriers(works)[0]).replace(BARRIER, "|")


def test_barriers_stand_where_threads_could_meet() -> None:
    """Guards a race, and a barrier for what each thread does to its own cells."""
    own = Touched(own_writes=frozenset("x"))
    read_own, read_any = Touched(own_reads=frozenset("x")), Touched(reads=frozenset("x"))
    a, b, c = Work("a", own), Work("b", read_own), Work("c", read_any)
    assert calls(a, b, a) == "a b a"
    assert calls(a, c, a) == "a | c | a"
    assert calls(c, c, b) == "c c b"
    assert calls(a, b, c, Work("d", Touched(writes=frozenset("x")))) == "a b | c | d"


def test_a_barrier_in_a_branch_counts_only_where_the_branch_is_taken() -> None:
    """Guards threads that meet where an event was ruled out and its barrier skipped."""
    write, read = Touched(writes=frozenset("x")), Touched(reads=frozenset("x"))
    gated = Work("b", read, "L.onset[0]")
    assert calls(Work("a", write), gated, Work("c", read)) == "a if (L.onset[0]) { | b } | c"
    asked = Work("a", Touched(writes=frozenset({"onset"})))
    assert calls(asked, gated) == "a | if (L.onset[0]) { b }"
    # what was read in the branch is still being read after it
    assert calls(gated, Work("d", write)) == "if (L.onset[0]) { b } | d"


def test_a_step_has_few_barriers_and_skips_events_out_of_phase() -> None:
    """Guards a barrier after every function, 43 of them in a step of this network."""
    from neurosim.backends.brian.preferences import brian2_settings
    from neurosim.backends.cuda.generate import generate

    with brian2_settings(np.dtype("float32")):
        program = generate(small("corinfomax").circuit(), real="float")
    (step,) = re.findall(r"static void before_learning.*?\n}", program.text, flags=re.S)
    always = re.sub(r"if \(.*?\) \{.*?\}", "", step, flags=re.S)
    # after the rhythm, before lists, before deliveries, before what cells note they sent
    assert always.count(BARRIER) == 4
    assert "onset_thresholder" not in always
    assert "spike_thresholder" in always
    assert program.learning_phases == ("nudged",)


# ------------------------------------------------------------------ launches and tiles


def test_launches_are_those_of_a_batch() -> None:
    """Guards a phase without its learning, and steps that end before it."""
    lengths = {"free": 4, "nudged": 2}
    plan = list(launches(3, 2, lengths, {"nudged"}, batch=2, commits=5))
    assert plan == [
        Steps(0, 0, 2, 2, 6, False),
        Learn(2, True, True, 2, 6),
        Steps(2, 2, 1, 1, 6, False),
        Learn(1, True, True, 1, 7),
        Steps(0, 1, 0, 0, 0, True),
    ]
    plan = list(launches(3, 2, lengths, {"free", "nudged"}, batch=3, commits=0))
    assert [p for p in plan if isinstance(p, Learn)] == [
        Learn(2, True, False, 2, 1),
        # what the first phase gathered is kept
        Learn(2, False, False, 2, 1),
        Learn(1, False, False, 3, 1),
        Learn(1, False, True, 3, 1),
    ]
    assert list(launches(3, 2, lengths, {"nudged"}, batch=None, commits=0)) == [
        Steps(0, 0, 2, 2, 6, True),
        Steps(2, 0, 1, 1, 6, True),
    ]


@pytest.mark.parametrize(("rows", "columns"), [(784, 500), (500, 10), (10, 10), (3, 1), (65, 129)])
def test_tiles_cover_every_synapse_once(rows: int, columns: int) -> None:
    """Guards synapses at the edge that never learn, or learn twice."""
    tiles, seen = Tiles(rows, columns), np.zeros((rows, columns), int)
    for tile in range(tiles.number):
        top, side = tile // tiles.across * tiles.high, tile % tiles.across * tiles.wide
        seen[top : top + tiles.high, side : side + tiles.wide] += 1
    assert (seen == 1).all()


# ------------------------------------------------------------------ what is refused


def test_what_the_kernels_cannot_do_is_named() -> None:
    """Guards a circuit that would run to the end and be wrong."""
    circuit = small("ep").circuit()
    plastic = next(p for p in circuit.projections if p.plastic)
    with pytest.raises(
        CircuitError, match=rf"'{plastic.name}' changes its weights at once.*commit"
    ):
        CudaBackend(learning_at_once(circuit), device=EmulatedDevice())
    with pytest.raises(ParameterError, match=r"batch = 1 keeps one image in flight.*--backend cpp"):
        CudaBackend.check_circuit(circuit, batch=1)
    CudaBackend.check_circuit(circuit, batch=2)
    CudaBackend.check_circuit(circuit)


def test_too_little_memory_is_said_before_anything_runs() -> None:
    """Guards an error of the driver in the midst of a run, and lanes that are silently fewer."""
    system = small("ep")
    chunk = chunk_of(system, IMAGES, learning=False)
    with CudaBackend(system.circuit(), device=EmulatedDevice(2)) as backend:
        lane = backend._opened().layout.lane_bytes
        lengths = dict(system.circuit().phase_steps())
        arrays = backend._shared(backend._opened().layout, chunk, lengths)
        shared = sum(array.nbytes for array in arrays.values())
        free = int((shared + 3.5 * lane) / 0.9)
        backend._device = EmulatedDevice(2, memory=free)
        assert backend.run(chunk).readouts["answer"].shape == (IMAGES, 5)
        with pytest.raises(ParameterError, match=r"4 images in flight.*give lanes=3 or fewer"):
            backend.run(chunk, lanes=4)
        backend._device = EmulatedDevice(2, memory=shared)
        with pytest.raises(ParameterError, match="give fewer chunk_images"):
            backend.run(chunk)


def fake_cupy(**changes: Any) -> Any:
    """A CuPy that says there is a card, for the checks before a run."""
    properties = {
        "name": b"Card", "major": 8, "minor": 0, "multiProcessorCount": 108,
        "regsPerMultiprocessor": 65536, "maxThreadsPerMultiProcessor": 2048,
    }  # fmt: skip
    given = {"count": 1, "error": None, "properties": {}, **changes}

    class CUDARuntimeError(RuntimeError):
        pass

    def count() -> int:
        if given["error"]:
            raise CUDARuntimeError(given["error"])
        return int(given["count"])

    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=count,
        getDevice=lambda: 0,
        getDeviceProperties=lambda number: {**properties, **given["properties"]},
        runtimeGetVersion=lambda: given.get("runtime", 12090),
    )
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))


@pytest.mark.parametrize(
    ("cupy", "driver", "words"),
    [
        (None, "libcuda.so.1", r"needs CuPy.*pip install -e '.\[cuda\]'"),
        (fake_cupy(), None, "no NVIDIA driver"),
        (fake_cupy(error="cudaErrorNoDevice: none"), "libcuda.so.1", "NoDevice.*nvidia-smi"),
        (fake_cupy(count=0), "libcuda.so.1", "no NVIDIA GPU"),
        (fake_cupy(runtime=99000), "libcuda.so.1", "NVRTC 99.*pip install"),
        (fake_cupy(properties={"major": 6, "minor": 1}), "libcuda.so.1",
         r"Card has compute capability 6\.1.*needs 7\.0.*CUDA_VISIBLE_DEVICES"),
    ],
)  # fmt: skip
def test_machines_without_a_usable_gpu_are_told_what_is_missing(
    cupy: Any, driver: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a traceback, and a run that begins on a machine that cannot end it."""
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: driver)
    if "NVRTC" not in words:
        compiler = SimpleNamespace(version=(12, 9))
        monkeypatch.setattr(cuda_device, "find_nvrtc", lambda major: compiler)
    with pytest.raises(BuildError, match=words) as caught:
        open_gpu()
    assert "--backend cpp" in str(caught.value) or "pip install" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_blocks_fit_registers_and_threads() -> None:
    """Guards a launch that the driver refuses, and lanes that wait for each other."""
    device = EmulatedDevice()
    device.warp = 32
    assert blocks_per_multiprocessor(device, KernelFacts(64, 0, 1024), 512) == 2
    assert blocks_per_multiprocessor(device, KernelFacts(32, 0, 1024), 512) == 4
    assert blocks_per_multiprocessor(device, KernelFacts(255, 0, 256), 512) == 0
    assert blocks_per_multiprocessor(device, KernelFacts(16, 0, 1024), 32) == 32


def test_a_closed_back_end_and_a_forked_one_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a hang of the driver in a child process."""
    backend = CudaBackend(small("ep").circuit(), device=EmulatedDevice(2))
    with monkeypatch.context() as patch:
        patch.setattr(backend, "_process", -1)
        with pytest.raises(BuildError, match=r"forked process.*'spawn'"):
            backend.run(chunk_of(small("ep"), 1, learning=False))
    backend.close()
    with pytest.raises(BuildError, match="closed"):
        backend.run(chunk_of(small("ep"), 1, learning=False))
