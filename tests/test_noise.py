"""Noise that is a function of seed, image, cell and step: known answers, bits, streams."""

from __future__ import annotations

import ctypes
import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from toy_systems import IMAGES, STEPS, Toy, toy_cells

from neurosim import Simulator
from neurosim.backends.brian.build import build_network
from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.chunks import Chunk
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.cpp.compiler import compile_library, find_compiler
from neurosim.backends.interface import Backend
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import Circuit, Event, Pathway
from neurosim.circuit.noise import draws_noise, noise_streams
from neurosim.circuit.philox import inverse_normal, normal_noise, philox4x32, uniform_noise
from neurosim.errors import CircuitError
from neurosim.figures.formulas import render_equations
from neurosim.models import CorInfoMax
from neurosim.system.drawing import noise_key

KEY = (0xA4093822, 0x299F31D0)

# ------------------------------------------------------------------ known answers


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            KEY,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(
    counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]
) -> None:
    """Guards a generator of our own making: vectors of Random123 for philox4x32-10."""
    assert tuple(int(word) for word in philox4x32(counter, key)) == words


def philox(counter: list[int], key: list[int], constants: tuple[int, ...], bits: int) -> list[int]:
    """Philox of any width in Python's whole numbers."""
    mask, (m0, m1, w0, w1) = 2**bits - 1, constants
    for _ in range(10):
        a, b = m0 * counter[0], m1 * counter[2]
        counter = [(b >> bits) ^ counter[1] ^ key[0], b & mask, (a >> bits) ^ counter[3] ^ key[1],
                   a & mask]  # fmt: skip
        key = [(key[0] + w0) & mask, (key[1] + w1) & mask]
    return counter


def test_the_rounds_are_those_of_numpys_philox() -> None:
    """Guards rounds that hit the vectors by a mistake in both: one code, two word sizes."""
    wide = (0xD2E7470EE14C6C93, 0xCA5A826395121157, 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
    narrow = (0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85)
    rng = np.random.default_rng(0)
    for _ in range(20):
        counter, key = rng.integers(2**63, size=4).tolist(), rng.integers(2**63, size=2).tolist()
        numpys = np.random.Philox(counter=counter, key=key).random_raw(4).tolist()
        # NumPy counts on before it draws
        assert philox([counter[0] + 1, *counter[1:]], key, wide, 64) == numpys
        counter, key = [n >> 32 for n in counter], [n >> 32 for n in key]
        ours = philox4x32(counter, (key[0], key[1]))
        assert philox(counter, key, narrow, 32) == [int(word) for word in ours]


def test_the_inverse_of_the_normal_distribution_is_accurate() -> None:
    """Guards a mistyped coefficient in any of the three ranges."""
    p = np.concatenate([np.logspace(-15.9, -1, 4000), np.linspace(0.01, 0.99, 4001)])
    p = np.concatenate([p, 1 - p])
    p = p[(p > 2.0**-53) & (p < 1)]
    expected = special.ndtri(p)
    np.testing.assert_allclose(inverse_normal(p), expected, rtol=4e-15, atol=1e-15)
    assert np.array_equal(inverse_normal([0.25, 0.5]), -inverse_normal([0.75, 0.5]))


def test_numbers_are_distributed_as_they_should_be() -> None:
    """Guards a shift, a wrong width, and numbers that depend on each other."""
    image, cell = np.mgrid[:100, :200]
    uniform = uniform_noise(KEY, image, cell, 3, 7).ravel()
    normal = normal_noise(KEY, image, cell, 4, 7).ravel()
    assert stats.kstest(uniform, "uniform").pvalue > 0.01
    assert stats.kstest(normal, "norm").pvalue > 0.01
    assert 0 < uniform.min() < uniform.max() < 1
    for shift in (1, 200):
        assert abs(np.corrcoef(normal[shift:], normal[:-shift])[0, 1]) < 0.03


def test_every_coordinate_changes_the_numbers() -> None:
    """Guards a seed, an epoch or an image that has no effect."""
    base = {"key": KEY, "image": 5, "cell": 6, "step": 7, "stream": 8}
    others = [{"key": (KEY[0] + 1, KEY[1])}, {"key": (KEY[0], KEY[1] + 1)}, {"image": 6},
              {"cell": 5}, {"step": 8}, {"stream": 7}, {"image": 6, "cell": 5}]  # fmt: skip
    drawn = {float(uniform_noise(**{**base, **other})) for other in ({}, *others)}
    assert len(drawn) == len(others) + 1
    keys = {noise_key(seed, epoch) for seed in (0, 1) for epoch in (None, 0, 1)}
    assert len(keys) == 6


# ------------------------------------------------------------------ the same bits in C

PROGRAM = """
#include "{header}"
extern "C" void uniform(const uint32_t* at, long count, double* out) {{
    for (long k = 0; k < count; k++, at += 6)
        out[k] = noise_uniform(at[0], at[1], at[2], at[3], at[4], at[5]);
}}
extern "C" void normal(const uint32_t* at, long count, double* out) {{
    for (long k = 0; k < count; k++, at += 6)
        out[k] = noise_normal(at[0], at[1], at[2], at[3], at[4], at[5]);
}}
extern "C" void inverse(const double* p, long count, double* out) {{
    for (long k = 0; k < count; k++) out[k] = noise_inverse_normal(p[k]);
}}
"""


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The header as a library, compiled as programs are."""
    folder = tmp_path_factory.mktemp("noise")
    header = Path(__file__).parent.parent / "neurosim/backends/cpp/noise.h"
    (folder / "noise.cpp").write_text(PROGRAM.format(header=header))
    compile_library(folder / "noise.cpp", folder / "noise.so", find_compiler())
    return ctypes.CDLL(str(folder / "noise.so"))


def called(function: Any, given: NDArray[Any]) -> NDArray[np.float64]:
    out = np.zeros(len(given))
    function(*(ctypes.c_void_p(given.ctypes.data), ctypes.c_long(len(given)),
               ctypes.c_void_p(out.ctypes.data)))  # fmt: skip
    return out


def test_c_and_numpy_give_the_same_bits(in_c: ctypes.CDLL) -> None:
    """Guards a logarithm of a library, a fused multiply-add, and another order of operations."""
    at = np.random.default_rng(1).integers(2**32, size=(50_000, 6), dtype=np.uint32)
    for function, sampler in ((in_c.uniform, uniform_noise), (in_c.normal, normal_noise)):
        ours = [
            float(sampler((int(row[0]), int(row[1])), row[2], row[3], row[4], int(row[5])))
            for row in at[:300]
        ]
        np.testing.assert_array_equal(called(function, at[:300]), ours)
        many = at.copy()
        many[:, :2], many[:, 5] = KEY, 9
        expected = sampler(KEY, many[:, 2], many[:, 3], many[:, 4], 9)
        np.testing.assert_array_equal(called(function, many), expected)
    tails = np.concatenate([2.0 ** -np.arange(2, 54), np.logspace(-15.9, -0.31, 20_000)])
    tails = np.concatenate([tails, 1 - tails])
    np.testing.assert_array_equal(called(in_c.inverse, tails), inverse_normal(tails))


def test_the_header_is_plain_c(tmp_path: Path) -> None:
    """Guards C++ in what another compiler, such as that of a GPU, has to take."""
    header = Path(__file__).parent.parent / "neurosim/backends/cpp/noise.h"
    (tmp_path / "noise.c").write_text(f'#include "{header}"\nint main(void) {{ return 0; }}\n')
    command = ["gcc", "-std=c99", "-Wall", "-Werror", "-Wno-unused-function", "-fsyntax-only"]
    subprocess.run([*command, str(tmp_path / "noise.c")], check=True)


# ------------------------------------------------------------------ noise in circuits


def inputs_of(count: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(2)
    return {
        "stimulus": rng.uniform(size=(count, 5)),
        "target": np.eye(3)[rng.integers(3, size=count)],
        "gain": np.ones(count),
        "mask": np.ones((count, 5)),
    }


@pytest.mark.parametrize(
    ("kind", "dtype", "atol"),
    [
        (RuntimeBackend, "float64", 1e-14),
        (RuntimeBackend, "float32", 1e-6),
        (CppBackend, "float64", 1e-14),
    ],
)
def test_cells_are_driven_by_the_numbers_of_their_image_and_step(
    kind: type[Backend], dtype: str, atol: float
) -> None:
    """Guards noise of another image, step or cell, and chunks that begin at image 0."""
    system, inputs = Toy(), inputs_of(IMAGES)
    weights = system.initial_weights(np.random.default_rng(0))
    expected = [
        toy_cells(system, weights, x, KEY, 40 + n) for n, x in enumerate(inputs["stimulus"])
    ]
    with kind(system.circuit(), dtype=dtype, max_cycles=IMAGES) as backend:
        found = []
        for first, last in ((0, 4), (4, IMAGES)):
            given = {name: array[first:last] for name, array in inputs.items()}
            arrays = {name: array.astype(dtype) for name, array in weights.items()}
            chunk = Chunk(given, arrays, noise_key=KEY, first_image=40 + first)
            found.append(backend.run(chunk, lanes=3).readouts["answer"])
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=atol)


def drawing(function: str) -> Circuit:
    """The toy, with a readout of what an event of its cells draws, and nothing else in it."""
    circuit = Toy(sigma=0.0).circuit()
    cells = circuit.population("cells")
    event = Event("note", "end_show", "phase_end", f"x = {function}(i)\nx2 = {function}(2*i)")
    onset = cells.event("onset")
    zero = dataclasses.replace(onset, action=f"{onset.action}\nx = 0\nx2 = 0")
    events = (zero, *cells.events[1:], event)
    cells = dataclasses.replace(cells, equations=f"{cells.equations}x : 1\nx2 : 1\n", events=events)
    readouts = tuple(dataclasses.replace(circuit.readouts[0], name=v, event="note", variable=v)
                     for v in ("x", "x2"))  # fmt: skip
    return dataclasses.replace(
        circuit,
        populations=(circuit.populations[0], cells),
        readouts=(*circuit.readouts, *readouts),
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_back_ends_draw_the_same_bits(dtype: str) -> None:
    """Guards the promise: equal in double precision, and the same rounded in single."""
    for function, sampler in (("normal_noise", normal_noise), ("uniform_noise", uniform_noise)):
        circuit = drawing(function)
        streams = noise_streams(circuit)
        weights = Toy().initial_weights(np.random.default_rng(0))
        arrays = {name: array.astype(dtype) for name, array in weights.items()}
        chunk = Chunk(inputs_of(2), arrays, noise_key=KEY, first_image=7)
        compiled = function == "normal_noise" and dtype == "float32"
        for kind in (RuntimeBackend, CppBackend) if compiled else (RuntimeBackend,):
            with kind(circuit, dtype=dtype, max_cycles=2) as backend:
                drawn = backend.run(chunk).readouts
            places = (("x", "cells.note.action", 1), ("x2", "cells.note.action#2", 2))
            for name, place, factor in places:
                kind_of, stream = streams[place]
                assert kind_of == function
                image, cell = np.mgrid[7:9, :3]
                expected = sampler(KEY, image, factor * cell, STEPS - 1, stream)
                np.testing.assert_array_equal(drawn[name], expected.astype(dtype))


def test_every_place_has_a_stream_of_its_own() -> None:
    """Guards two populations that are driven by the same noise."""
    circuit = drawing("normal_noise")
    streams = noise_streams(circuit)
    assert set(streams) == {
        "cells.u", "cells.note.action", "cells.note.action#2", "net.rule",
    }  # fmt: skip
    assert len({stream for _, stream in streams.values()}) == 4
    # what stands elsewhere, or in a comment, changes no stream
    spaced = dataclasses.replace(
        circuit.population("cells"),
        equations=circuit.population("cells").equations.replace("u = 0", "u = 0")
        + "# normal_noise(i) drives it\n",
    )
    assert noise_streams(circuit.replacing(spaced)) == streams
    assert not draws_noise(CorInfoMax(layers=(4, 3, 2)).circuit())
    assert noise_streams(CorInfoMax(layers=(4, 3, 2)).circuit()) == {}


def test_a_simulator_draws_by_seed_and_epoch_and_goes_on_within_one() -> None:
    """Guards epochs that repeat their noise, and an epoch that begins anew within a chunk."""
    x, y = inputs_of(IMAGES)["stimulus"], np.arange(IMAGES) % 3
    system = Toy(keep=1.0)
    weights = {}
    for name, seed, chunk in (("all", 1, 100), ("cut", 1, 4), ("other", 2, 100)):
        with Simulator(system, seed=seed, dtype="float64", chunk_images=chunk) as simulator:
            simulator.weights.update(system.initial_weights(np.random.default_rng(0)))
            simulator.fit(x, y, progress=False)
            weights[name] = simulator.weights.arrays()
            answers = simulator.decision_function(x)
            simulator.chunk_images = 1
            np.testing.assert_array_equal(simulator.decision_function(x), answers)
    np.testing.assert_array_equal(weights["all"]["W"], weights["cut"]["W"])
    assert abs(weights["all"]["W"] - weights["other"]["W"]).max() > 1e-3


# ------------------------------------------------------------------ refusals and pages


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_brians_own_random_functions_are_refused_with_the_way_out(name: str) -> None:
    """Guards two runs of one seed that differ."""
    circuit = Toy().circuit()
    rule = Pathway("rule", "learn", f"g += r_pre*{name}()", learns=True)
    with pytest.raises(CircuitError, match=rf"{name}.*uniform_noise\(i\) or normal_noise\(i\)"):
        circuit.replacing(circuit.projection("net").with_pathway(rule))


def test_noise_needs_a_number_and_names_that_are_free() -> None:
    """Guards a call that a back end would refuse with other words."""
    cells = Toy().circuit().population("cells")
    taken = dataclasses.replace(cells, equations=cells.equations + "normal_noise : 1\n")
    with pytest.raises(CircuitError, match=r"'normal_noise', which means something else"):
        Toy().circuit().replacing(taken)
    for wrong in ("normal_noise(r)", "normal_noise(i, 2)"):
        event = Event("note", f"{wrong} > 0", "send")
        circuit = (
            Toy().circuit().replacing(dataclasses.replace(cells, events=(*cells.events, event)))
        )
        with (
            brian2_settings(np.dtype("float64")),
            pytest.raises(CircuitError, match=r"condition of event 'note' of population 'cells'"),
        ):
            build_network(circuit, 1)


def test_pages_print_noise() -> None:
    """Guards a subscript in the midst of the function's name."""
    text = render_equations(Toy, "latex", Toy().circuit())
    assert r"\mathrm{normal\_noise}\left(i\right)" in text
