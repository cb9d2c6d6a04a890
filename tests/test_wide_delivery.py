"""Events through windows: targets laid out channel by channel, and put back, to the last bit."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import neurosim.backends.cpp
from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.backends.cpp.compiler import compile_library, find_compiler
from neurosim.backends.cpp.slides import Slides
from neurosim.backends.cpp.wired import _Delivery
from neurosim.circuit import (
    Circuit,
    Convolution,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    RandomFraction,
    Readout,
    Windows,
    reset_action,
)
from neurosim.circuit.windows import Sliding

# ------------------------------------------------------------------ laying out

LANES_H = Path(neurosim.backends.cpp.__file__).parent / "lanes.h"
EXPORTS = """
extern "C" void there_{t}({t}* wide, {t}* cells, int channels, int places, int stride) {{
    to_wide(wide, cells, channels, places, stride);
}}
extern "C" void back_{t}({t}* wide, {t}* cells, int channels, int places, int stride) {{
    from_wide(cells, wide, channels, places, stride);
}}
"""
#: Channels and places: whole squares, less than one, and squares with a rest at either side.
SHAPES = ((1, 1), (1, 20), (3, 7), (8, 8), (16, 9), (17, 16), (20, 30), (32, 64))


def moved(text: str, folder: Path) -> None:
    """Lay cells out and put them back, in both precisions; compare with NumPy's transpose."""
    exports = "".join(EXPORTS.format(t=t) for t in ("float", "double"))
    (folder / "moves.cpp").write_text(text + exports)
    compile_library(folder / "moves.cpp", folder / "moves.so", find_compiler())
    library = ctypes.CDLL(str(folder / "moves.so"))
    for (channels, places), (real, dtype) in (
        (shape, kind) for shape in SHAPES for kind in (("float", "f4"), ("double", "f8"))
    ):
        stride = -(-channels // 16) * 16
        cells = np.arange(1, channels * places + 1, dtype=dtype).reshape(channels, places)
        wide, returned = np.full((places, stride), -1, dtype), np.full_like(cells, -1)
        sizes = channels, places, stride
        getattr(library, f"there_{real}")(wide.ctypes, cells.ctypes, *sizes)
        np.testing.assert_array_equal(wide[:, :channels], cells.T, f"{sizes}")
        # nothing is written between the channels of one place and those of the next
        np.testing.assert_array_equal(wide[:, channels:], -1, f"{sizes}")
        getattr(library, f"back_{real}")(wide.ctypes, returned.ctypes, *sizes)
        np.testing.assert_array_equal(returned, cells, f"{sizes}")


def test_cells_are_laid_out_and_put_back_whatever_their_number(tmp_path: Path) -> None:
    """Guards the last square of a row or column, which may be cut."""
    moved(LANES_H.read_text(), tmp_path)


@pytest.mark.parametrize(("sound", "broken"), [
    ("square[c * side + r] = from[r * from_stride + c]",
     "square[c * side + r] = from[c * from_stride + r]"),
    ("c < columns && c < side", "c + 1 < columns && c < side"),
    ("+ c, places - p, channels - c", "+ c, places - p - 1, channels - c"),
])  # fmt: skip
def test_squares_that_do_not_turn_or_leave_something_out_are_noticed(
    sound: str, broken: str, tmp_path: Path
) -> None:
    """Sabotage: a square as it was, and rests without their last row or column."""
    text = LANES_H.read_text()
    assert text.count(sound) == 1
    with pytest.raises(AssertionError):
        moved(text.replace(sound, broken), tmp_path)


# ------------------------------------------------------------------ delivery

IMAGE, IMAGES = (2, 9, 8), 9
WIRINGS = {
    "local": Windows(IMAGE, 17, 3, padding=1),
    "stride": Windows(IMAGE, 8, 3, stride=2, padding=(0, 1)),
    "tied": Convolution(IMAGE, 9, 3, padding=1),
    "half": RandomFraction(Windows(IMAGE, 17, 3, padding=1), 0.5, 1),
}
CELL = "r : 1\n"
TARGET = "s : 1\n"


def circuit() -> Circuit:
    """An image that sends its rates once, through every wiring."""
    source = Population("image", math.prod(IMAGE), CELL, (
        Event("onset", "onset", "onset", reset_action(CELL, r="stimulus(cycle_time, i)")),
        Event("spike", "onset and r > 0", "sense", counted="spikes"),
    ))  # fmt: skip
    targets = tuple(
        Population(name, out_cells(name), TARGET, (
            Event("onset", "onset", "onset", reset_action(TARGET)),
            Event("end", "end_show", "phase_end"),
        )) for name in WIRINGS
    )  # fmt: skip
    up = (Pathway("up", "spike", "s_post += w*r_pre"),)
    return Circuit(
        name="wide", dt=1.0, phases=(Phase("show", 2),),
        inputs=(CycleInput("stimulus", source.size),), populations=(source, *targets),
        projections=tuple(
            Projection(f"to_{name}", "image", name, "w : 1", up, wiring, weight=f"W_{name}")
            for name, wiring in WIRINGS.items()
        ),
        readouts=tuple(Readout(f"s_{name}", name, "end", "s") for name in WIRINGS), answer="s_tied",
    )  # fmt: skip


def out_cells(name: str) -> int:
    """Cells over the windows."""
    wiring = WIRINGS[name]
    whole = wiring.whole if isinstance(wiring, RandomFraction) else wiring
    assert isinstance(whole, Sliding)
    return math.prod(whole.out_shape)


def shown() -> NDArray[np.float32]:
    """Images with no pixel, with one, with two, and so on to all of them."""
    rng = np.random.default_rng(0)
    pixels = math.prod(IMAGE)
    counts = (0, 1, 2, 3, 5, 8, 40, 70, pixels)
    images = np.zeros((IMAGES, pixels), np.float32)
    for image, count in zip(images, counts, strict=True):
        image[rng.choice(pixels, count, replace=False)] = rng.uniform(0.1, 1, count)
    return images


def check_bits() -> None:
    """Every cell adds one synapse after the other, in the order of the pixels that send."""
    made, images = circuit(), shown()
    rng = np.random.default_rng(1)
    weights = {w.name: rng.normal(size=w.shape).astype(np.float32) for w in made.weights}
    chunk = Chunk({"stimulus": images}, weights)
    with open_backend("cpp", made, dtype="float32", max_cycles=IMAGES) as opened:
        results = [opened.run(chunk, lanes=n, threads=t) for n, t in ((1, 1), (4, 1), (9, 2))]
    for name, wiring in WIRINGS.items():
        there = wiring.synapses(math.prod(IMAGE), out_cells(name))
        W = np.zeros((math.prod(IMAGE), out_cells(name)), np.float32)
        W[there.source, there.target] = weights[f"W_{name}"].ravel()[there.weight]
        wanted = np.zeros((IMAGES, out_cells(name)), np.float32)
        for s, image in zip(wanted, images, strict=True):
            for i in np.flatnonzero(image):
                s += W[i] * image[i]
        for result in results:
            np.testing.assert_array_equal(result.readouts[f"s_{name}"], wanted, name)


def test_few_events_and_many_add_up_in_the_order_of_the_pixels() -> None:
    """Guards sums that depend on how many events there are, on lanes or on threads."""
    check_bits()


def narrowed(lines: tuple[str, ...]) -> tuple[str, ...]:
    """A column of places less."""
    assert any(" + 1;" in line for line in lines)
    return tuple(line.replace(" + 1;", ";") for line in lines)


def turned(lines: list[str]) -> list[str]:
    """The last event first."""
    assert any("= _list[_e];" in line for line in lines)
    return [line.replace("= _list[_e];", "= _list[_count - 1 - _e];") for line in lines]


@pytest.mark.parametrize("how", ["narrowed", "turned"])
def test_windows_cut_short_and_events_in_another_order_are_noticed(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Sabotage: many events miss a place, or add up from the last to the first."""
    # a program of its own, which no sound one stands for
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path))
    columns, many = Slides._run_of_columns, _Delivery.channel_by_channel
    if how == "narrowed":
        monkeypatch.setattr(Slides, "_run_of_columns", lambda self: narrowed(columns(self)))
    else:
        monkeypatch.setattr(_Delivery, "channel_by_channel", lambda self: turned(many(self)))
    with pytest.raises(AssertionError, match="local"):
        check_bits()
