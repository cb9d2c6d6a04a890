"""Optimisers as commits, beside torch.optim."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch

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
from neurosim.errors import ParameterError
from neurosim.system.optimizers import OPTIMIZERS, optimized

INPUTS, OUTPUTS, BATCH, UPDATES = 4, 3, 5, 100
SOURCE = "r : 1\n"
TARGET = "s : 1\ny : 1\n"
VALUES: dict[str, dict[str, float]] = {"momentum": {"momentum": 0.8, "decay": 0.01}}
TORCH = {
    "sgd": torch.optim.SGD,
    "momentum": functools.partial(torch.optim.SGD, momentum=0.8, weight_decay=0.01),
    "adam": torch.optim.Adam,
}


def delta_rule(name: str) -> Circuit:
    """Linear cells that descend the squared error."""
    source = Population(
        "source", INPUTS, SOURCE,
        (
            Event("onset", "onset", "onset", reset_action(SOURCE, r="stimulus(cycle_time, i)")),
            Event("send", "onset", "sense", counted="spikes"),
            Event("learn", "end_show and learning", "learn"),
        ),
    )  # fmt: skip
    show = reset_action(TARGET, y="target(cycle_time, i)")
    events = (Event("onset", "onset", "onset", show), Event("end", "end_show", "phase_end"))
    synapses = Projection(
        "synapses", "source", "cells", "w : 1\ng : 1\n",
        (
            Pathway("signal", "send", "s_post += w*r_pre"),
            Pathway("learn", "learn", "g += (y_post - s_post)*r_pre", learns=True),
        ),
        weight="W",
    )  # fmt: skip
    return Circuit(
        name=f"delta_{name}", dt=1.0, phases=(Phase("show", 1),),
        inputs=(CycleInput("stimulus", INPUTS), CycleInput("target", OUTPUTS)),
        populations=(source, Population("cells", OUTPUTS, TARGET, events)),
        projections=(optimized(synapses, name, 0.02, **VALUES.get(name, {})),),
        readouts=(Readout("answer", "cells", "end", "s"),), answer="answer",
    )  # fmt: skip


def by_torch(name: str, x: Any, y: Any, start: Any, updates: int) -> Any:
    W = torch.nn.Parameter(torch.tensor(start))
    optimizer = TORCH[name]([W], lr=0.02)
    for step in range(updates):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        optimizer.zero_grad()
        loss = 0.5 * ((torch.tensor(x[rows]) @ W.T - torch.tensor(y[rows])) ** 2).sum(1).mean()
        loss.backward()
        optimizer.step()
    return W.detach().numpy()


@pytest.mark.quick(4)
@pytest.mark.parametrize("backend", ["cpp", "runtime"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_updates_equal_torch(name: str, backend: str) -> None:
    """Guards a wrong bias correction, and a count that starts anew with every chunk."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(UPDATES * BATCH, INPUTS)), rng.normal(size=(UPDATES * BATCH, OUTPUTS))
    start = rng.normal(size=(OUTPUTS, INPUTS))
    circuit = delta_rule(name)
    weights = {w.name: np.zeros(w.shape) for w in circuit.weights} | {"W": start}
    with open_backend(backend, circuit, dtype="float64", max_cycles=400) as opened:
        for first, last in ((0, 30), (30, 100)):
            rows = slice(first * BATCH, last * BATCH)
            inputs = {"stimulus": x[rows], "target": y[rows]}
            chunk = Chunk(inputs, weights, learning=True, batch=BATCH, commits=first)
            weights = opened.run(chunk).weights
    expected = by_torch(name, x, y, start, UPDATES)
    np.testing.assert_allclose(weights["W"], expected, rtol=0, atol=1e-12)
    assert np.abs(expected - start).max() > 0.05


@pytest.mark.parametrize("threads", [1, 2])
def test_means_of_synapses_that_no_longer_learn_keep_full_precision(threads: int) -> None:
    """Guards numbers so tiny that processors take a hundred times as long for them."""
    circuit, updates = delta_rule("adam"), 40
    weights = {w.name: np.zeros(w.shape) for w in circuit.weights}
    weights["W_m"] += 1e-307
    silent = np.zeros((updates * BATCH, INPUTS))
    chunk = Chunk(
        {"stimulus": silent, "target": silent[:, :OUTPUTS]}, weights, learning=True, batch=BATCH
    )
    with open_backend("cpp", circuit, dtype="float64", max_cycles=400) as opened:
        faded = opened.run(chunk, lanes=BATCH, threads=threads).weights["W_m"]
    tiny = np.finfo(np.float64).tiny
    assert not np.any((faded != 0) & (np.abs(faded) < tiny))
    # only the program computes so, and not the thread that calls it
    assert 0 < np.float64(1e-307) * 0.9**40 < tiny


def test_what_an_optimiser_remembers_is_state_and_no_weight() -> None:
    """Guards means that figures and bounds would take for weights."""
    kinds = {weight.name: weight.kind for weight in delta_rule("adam").weights}
    assert kinds == {"W": "weight", "W_m": "state", "W_v": "state"}
    assert [weight.name for weight in delta_rule("sgd").weights] == ["W"]


def test_unknown_optimisers_are_refused() -> None:
    """Guards a rule that is none."""
    projection = delta_rule("sgd").projection("synapses")
    with pytest.raises(ParameterError, match=r"optimizer 'adm'; did you mean 'adam'"):
        optimized(projection, "adm", 0.1)
