"""Max-pooling and convolution against PyTorch, forward and backward, and filters in figures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.circuit import (
    Circuit,
    Convolution,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Pool,
    Population,
    Projection,
    Readout,
    reset_action,
)
from neurosim.system.pooling import POOLED, max_pooling

torch = pytest.importorskip("torch")

SHAPE = (3, 7, 5)
CONV = Convolution(SHAPE, 17, 3, stride=2, padding=1)
POOL = Pool(CONV.out_shape, kernel=3, stride=2, padding=(0, 1))
IMAGES, BATCH = 4, 4

IMAGE = "r : 1\nd : 1\n"
CONVOLVED = "x : 1\nr = x : 1\nd : 1\ndelta = d : 1\n"
POOLING = POOLED + "r = largest : 1\ndelta : 1\n"


def circuit() -> Circuit:
    """An image, its convolution, and the pools of that; errors are given and come back."""
    image, hidden, out = (int(np.prod(s)) for s in (SHAPE, CONV.out_shape, POOL.out_shape))
    populations = (
        Population("image", image, IMAGE, (
            Event("onset", "onset", "onset", reset_action(IMAGE, r="stimulus(cycle_time, i)")),
            Event("spike", "onset", "sense", counted=True),
            Event("end", "end_show", "phase_end"),
            Event("learn", "end_show and learning", "learn"),
        )),
        Population("hidden", hidden, CONVOLVED, (
            Event("onset", "onset", "onset", reset_action(CONVOLVED)),
            Event("spike", "phase_step == 1", "send", counted=True),
            Event("error", "phase_step == 3", "send", counted=True),
            Event("end", "end_show", "phase_end"),
        )),
        Population("pooled", out, POOLING, (
            Event("onset", "onset", "onset",
                  reset_action(POOLING, largest="-inf", delta="target(cycle_time, i)")),
            Event("error", "phase_step == 2", "send", counted=True),
            Event("end", "end_show", "phase_end"),
        )),
    )  # fmt: skip
    pathways = (
        Pathway("up", "spike", "x_post += w*r_pre"),
        Pathway("down", "error", "d_pre += w*delta_post", side="post"),
        Pathway("learn", "learn", "g += delta_post*r_pre", learns=True),
    )
    projections = (
        Projection("conv", "image", "hidden", "w : 1\ng : 1", pathways, CONV, weight="W",
                   commit="w += g/batch"),
        max_pooling("pool", "hidden", "pooled", POOL),
    )  # fmt: skip
    return Circuit(
        name="pooling", dt=1.0, phases=(Phase("show", 4),),
        inputs=(CycleInput("stimulus", image), CycleInput("target", out)),
        populations=populations, projections=projections, answer="pooled",
        readouts=(Readout("pooled", "pooled", "end", "r"), Readout("error", "hidden", "end", "d"),
                  Readout("image_error", "image", "end", "d")),
    )  # fmt: skip


def expected(
    images: NDArray[np.float64], errors: NDArray[np.float64], W: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """PyTorch's convolution and pooling, and what autograd makes of the errors."""
    x = torch.tensor(images.reshape(-1, *SHAPE), requires_grad=True)
    w = torch.tensor(W, requires_grad=True)
    h = torch.nn.functional.conv2d(x, w, stride=2, padding=1)
    h.retain_grad()
    padded = torch.nn.functional.pad(h, (0, 1, 0, 1), value=-np.inf)
    pooled = torch.nn.functional.max_pool2d(padded, 3, 2)
    assert pooled.shape[1:] == POOL.out_shape
    pooled.backward(torch.tensor(errors.reshape(pooled.shape)))
    found = {"pooled": pooled.detach(), "error": h.grad, "image_error": x.grad}
    flat = {name: value.numpy().reshape(len(images), -1) for name, value in found.items()}
    return {**flat, "W": W + w.grad.numpy() / len(images)}


@pytest.mark.quick(2)
@pytest.mark.parametrize(("backend", "dtype", "close"), [
    ("runtime", "float64", 1e-12), ("cpp", "float64", 1e-12), ("cpp", "float32", 2e-5),
])  # fmt: skip
def test_convolution_and_pooling_equal_pytorch(backend: str, dtype: str, close: float) -> None:
    """Guards kernels that are flipped, windows a pixel off, and errors that go elsewhere."""
    rng = np.random.default_rng(0)
    made = circuit()
    images = rng.normal(size=(IMAGES, int(np.prod(SHAPE))))
    errors = rng.normal(size=(IMAGES, int(np.prod(POOL.out_shape))))
    # equal rates: the first one takes the error
    images[1] = 0
    W = rng.normal(size=made.weight("W").shape)
    with open_backend(backend, made, dtype=dtype, max_cycles=IMAGES) as opened:
        given = {"stimulus": images, "target": errors}
        result = opened.run(Chunk(given, {"W": W.astype(dtype)}, learning=True, batch=BATCH))
    want = expected(images, errors, W)
    for name, values in want.items():
        got = result.weights[name] if name == "W" else result.readouts[name]
        np.testing.assert_allclose(got, values, rtol=0, atol=close, err_msg=name)
