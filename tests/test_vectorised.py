"""Loops over cells that vectorise: the exponential, and events whose test all cells share."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.cpp import backend
from neurosim.backends.cpp.compiler import compile_library, find_compiler
from neurosim.backends.cpp.generate import generate
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
    header = Path(backend.__file__).parent / "exp.h"
    (folder / "exp.cpp").write_text(PROGRAM.format(header=header))
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
