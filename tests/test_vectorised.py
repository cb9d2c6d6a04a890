"""Loops that vectorise: the exponential, events whose test all cells share, sums of one cell."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from numpy.typing import NDArray

from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.chunks import Chunk
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.cpp.compiler import compile_library, find_compiler
from neurosim.backends.cpp.generate import FUNCTIONS, generate
from neurosim.backends.cpp.silence import only_sums
from neurosim.circuit import (
    Circuit,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    Readout,
    reset_action,
)
from neurosim.models import PredictiveCoding

PROGRAM = """
#include "{header}"
extern "C" void together(const double* x, int count, double* out) {{
    for (int k = 0; k < count; k++) out[k] = exp(x[k]);
}}
extern "C" double single(double x) {{ return exp(x); }}
"""


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The header as a library, compiled as programs are."""
    folder = tmp_path_factory.mktemp("exp")
    (folder / "exp.cpp").write_text(PROGRAM.format(header=FUNCTIONS))
    compile_library(folder / "exp.cpp", folder / "exp.so", find_compiler())
    library = ctypes.CDLL(str(folder / "exp.so"))
    library.single.restype, library.single.argtypes = ctypes.c_double, [ctypes.c_double]
    return library


def exponential(library: ctypes.CDLL, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """e^x of many numbers in one loop."""
    pointer = ctypes.POINTER(ctypes.c_double)
    out = np.empty_like(x)
    library.together(x.ctypes.data_as(pointer), len(x), out.ctypes.data_as(pointer))
    return out


NUMBERS = np.concatenate([
    np.random.default_rng(0).uniform(-708, 709, 50_001),
    np.random.default_rng(1).normal(0, 2, 50_000),
    np.log(2) * (np.arange(-1020, 1022) + 0.5),
    [0.0, -0.0, 1e-300, -708.0, 709.0],
])  # fmt: skip


def test_it_is_within_an_ulp_and_a_half(in_c: ctypes.CDLL) -> None:
    """Guards a mistyped coefficient, and the parts of ln 2."""
    if np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("no number here is more precise than those tested")
    exact = np.exp(NUMBERS.astype(np.longdouble))
    error = np.abs(exponential(in_c, NUMBERS) - exact) / np.spacing(exact.astype(float))
    assert error.max() < 1.5


def test_a_number_alone_has_the_bits_it_has_in_a_loop(in_c: ctypes.CDLL) -> None:
    """Guards products and sums that are fused in one of the two."""
    alone = np.array([in_c.single(x) for x in NUMBERS[::7]])
    np.testing.assert_array_equal(alone, exponential(in_c, NUMBERS)[::7])


def test_limits(in_c: ctypes.CDLL) -> None:
    """Guards numbers whose exponent does not fit, and those that are none."""
    x = np.array([-np.inf, -1e9, -708.1, 709.1, 1e9, np.inf, np.nan])
    np.testing.assert_array_equal(exponential(in_c, x), [0, 0, 0, np.inf, np.inf, np.inf, np.nan])


def test_a_test_of_scalars_that_holds_is_not_repeated_for_every_cell() -> None:
    """Guards loops that look for events and do not vectorise for a test that all cells share."""
    with brian2_settings(np.dtype("float32")):
        text = generate(PredictiveCoding(layers=(4, 3, 2)).circuit(), real="float").text
    function = text[text.index("namespace f_layer_1_spike_thresholder") :]
    before, loop = function[: function.index("list_flags")].split("for (int _idx", 1)
    assert "if (!(in_settle || (phase_step == 0)))" in before
    assert "_lio_1 = true;" in before
    assert "_cond = _lio_1 &&" in loop


# ------------------------------------------------------------------ events that go to one cell

PIXELS, SINGLE = "r : 1", "s : 1\nn : 1\nback : 1"


def to_one_cell(signal: str, back: str) -> Circuit:
    """Eleven cells and a single one, which hears them through synapses of both directions."""
    shown = reset_action(PIXELS, r="stimulus(cycle_time, i)")
    sends = Event("spike", "in_show and r != 0", "sense", counted=True)
    pixels = Population("pixels", 11, PIXELS, (Event("onset", "onset", "onset", shown), sends))
    onset = Event("onset", "onset", "onset", reset_action(SINGLE))
    single = Population("single", 1, SINGLE, (onset, Event("end", "end_show", "phase_end")))
    up = Pathway("up", "spike", signal)
    down = Pathway("down", "spike", back, side="post")
    return Circuit(
        name="to_one_cell",
        dt=1.0,
        phases=(Phase("show", 2),),
        inputs=(CycleInput("stimulus", 11),),
        populations=(pixels, single),
        projections=(
            Projection("up", "pixels", "single", "w : 1", (up,), weight="W"),
            Projection("down", "single", "pixels", "w : 1", (down,), weight="B"),
        ),
        readouts=tuple(Readout(name, "single", "end", name) for name in ("s", "n", "back")),
        answer="s",
    )


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-15), ("float32", 1e-6)])
def test_one_cell_adds_what_all_or_some_send(dtype: str, rtol: float) -> None:
    """Guards a sum that misses the last senders, counts silent ones, or takes another's weight."""
    circuit = to_one_cell("s_post += w*r_pre\nn_post += (r_pre - 3)**2", "back_pre += w*r_post")
    rng = np.random.default_rng(0)
    images = rng.uniform(1, 2, (3, 11)) * np.array([[1] * 11, [1, 0] * 5 + [1], [0] * 11])
    weights = {"W": rng.uniform(1, 2, (1, 11)), "B": rng.uniform(1, 2, (11, 1))}
    with CppBackend(circuit, dtype=dtype, max_cycles=3) as backend:
        found = backend.run(Chunk({"stimulus": images}, weights)).readouts
    # both steps send
    squares = np.where(images == 0, 0, (images - 3) ** 2)
    expected = {
        "s": 2 * images @ weights["W"].T,
        "back": 2 * images @ weights["B"],
        "n": 2 * squares.sum(axis=1, keepdims=True),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=rtol, err_msg=name)


@pytest.mark.parametrize("signal", ["s_post = w*r_pre", "s_post += w*r_pre + 0.1*s_post"])
def test_what_is_no_plain_sum_keeps_its_order(signal: str) -> None:
    """Guards a sum over senders of what depends on the senders before."""
    assert not only_sums(signal, "post")
    image, w = np.linspace(1, 2, 11), np.linspace(2, 1, 11)
    s = 0.0
    for term in (*(w * image), *(w * image)):
        s = term if signal.startswith("s_post =") else s + term + 0.1 * s
    circuit = to_one_cell(signal, "back_pre += w*r_post")
    weights = {"W": w[None], "B": w[:, None]}
    with CppBackend(circuit, dtype="float64", max_cycles=1) as backend:
        found = backend.run(Chunk({"stimulus": image[None]}, weights)).readouts["s"]
    np.testing.assert_allclose(found, [[s]], rtol=1e-14)
