"""Wirings: each equals a dense matrix with zeros, on every back end."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
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
from neurosim.errors import CircuitError

CELLS, IMAGES = 19, 5

SOURCE = "r : 1\n"
TARGET = "s : 1\nr = s : 1\n"
SYNAPSE = "w : 1\ng : 1\n"


def circuit(*, signal: str = "s_post += w*r_pre", **changes: Any) -> Circuit:
    """Cells that send the image, once, to others through synapses that learn a correlation."""
    source = Population(
        "source", CELLS, SOURCE,
        (
            Event("onset", "onset", "onset", reset_action(SOURCE, r="stimulus(cycle_time, i)")),
            Event("send", "onset and r > 0.3", "sense", counted="spikes"),
            Event("learn", "end_show and learning and r > 0.3", "learn"),
        ),
    )  # fmt: skip
    target = Population(
        "target", CELLS, TARGET,
        (Event("onset", "onset", "onset", reset_action(TARGET)), Event("end", "end_show",
                                                                       "phase_end")),
    )  # fmt: skip
    learn = Pathway("learn", "learn", "g += s_post*r_pre", learns=True)
    projection = Projection(
        "synapses", "source", "target", SYNAPSE, (Pathway("signal", "send", signal), learn),
        commit="w += 0.1/batch*g", wiring="all_but_self", weight="W",
    )  # fmt: skip
    return Circuit(
        name="wired", dt=1.0, phases=(Phase("show", 1),),
        inputs=(CycleInput("stimulus", CELLS),), populations=(source, target),
        projections=(dataclasses.replace(projection, **changes),),
        readouts=(Readout("answer", "target", "end", "r"),), answer="answer",
    )  # fmt: skip


AT_ONCE = {
    "commit": "",
    "equations": "w : 1\n",
    "pathways": (
        Pathway("signal", "send", "s_post += w*r_pre"),
        Pathway("learn", "learn", "w += 0.1*s_post*r_pre", learns=True),
    ),
}


@pytest.mark.quick(3)
@pytest.mark.parametrize("backend", ["cpp", "runtime"])
@pytest.mark.parametrize("how", ["gathers", "at once", "signal without weight"])
def test_all_but_self_is_a_matrix_with_an_empty_diagonal(backend: str, how: str) -> None:
    """Guards synapses of a cell with itself, and a diagonal that grows unseen."""
    made = {
        "gathers": circuit(),
        "at once": circuit(**AT_ONCE),
        "signal without weight": circuit(signal="s_post += r_pre*(1 + w)"),
    }[how]
    rng = np.random.default_rng(0)
    images, start = rng.uniform(size=(IMAGES, CELLS)), rng.normal(size=(CELLS, CELLS))
    with open_backend(backend, made, dtype="float64", max_cycles=IMAGES) as opened:
        result = opened.run(Chunk({"stimulus": images}, {"W": start}, learning=True))
    there = 1 - np.eye(CELLS)
    W, answers = start * there, []
    for image in images:
        sent = np.where(image > 0.3, image, 0)
        s = (W + there * (how == "signal without weight")) @ sent
        answers.append(s)
        W = W + 0.1 * np.outer(s, sent) * there
    np.testing.assert_allclose(result.readouts["answer"], answers, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.weights["W"], W, rtol=0, atol=1e-12)
    assert not np.diagonal(result.weights["W"]).any()


def test_synaptic_operations_leave_out_the_synapse_that_is_not_there() -> None:
    """Guards a count of operations that nobody makes."""
    made = circuit()
    assert made.fan_out(made.projection("synapses")) == CELLS - 1
    assert made.dense_macs_per_step() == CELLS * (CELLS - 1)


def test_wirings_that_do_not_fit_are_refused() -> None:
    """Guards a wiring that is read as another one."""
    with pytest.raises(CircuitError, match="'all_but_me'; did you mean 'all_but_self'"):
        circuit(wiring="all_but_me")
    small = Population("target", 3, TARGET, circuit().population("target").events)
    with pytest.raises(CircuitError, match=r"'all_but_self' between 19 and 3 cells"):
        circuit().replacing(small)
