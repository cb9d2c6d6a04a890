"""Links: cells that read other populations, one to one or all from one, as before the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import brian2 as b2
import numpy as np
import pytest

from neurosim.backends.brian.build import build_network
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Backend, ChunkResult
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import (
    Circuit,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    Readout,
    Weight,
    WeightPart,
)
from neurosim.errors import CircuitError

STEPS, THETA = 9, 0.05
H = 0.25
"""Time step over time constant of every cell."""

CELLS = """
dr/dt = (x - q - r)/tau : 1
q : 1 (linked)
x : 1
sent : 1
tau : second (shared, constant)
"""
#: One cell that all read. Its name comes before theirs: Brian2 would let it go first.
BOSS = """
da/dt = (l - a)/tau : 1
q = clip(a - 0.2, 0, inf) : 1
l : 1
tau : second (shared, constant)
"""
TAU = {"tau": 1e-3 / H}


def circuit(**changes: Any) -> Circuit:
    """Cells inhibited by the sum of what they send; their input weights learn from q."""
    relay = Population(
        "image",
        3,
        "r : 1",
        (
            Event("onset", "onset", "onset", "r = shown(cycle_time, i)"),
            Event("spike", "onset", "sense", counted=True),
            Event("learn", "end_only and learning", "learn"),
        ),
    )
    cells = Population(
        "cells",
        4,
        CELLS,
        (
            Event("onset", "onset", "onset", "r = 0\nx = 0\nsent = 0"),
            # the condition reads the link too: strongly inhibited cells send nothing
            Event("spike", f"abs(r - sent) > {THETA} and q < 2", "send", "sent = r", counted=True),
            Event("end", "end_only", "phase_end"),
        ),
        TAU,
        {"q": ("boss", "q")},
    )
    boss = Population("boss", 1, BOSS, (Event("onset", "onset", "onset", "a = 0\nl = 0"),), TAU)
    up = (
        Pathway("signal", "spike", "x_post += w*r_pre"),
        Pathway("plasticity", "learn", "w += 0.1*q_post*r_pre", learns=True),
    )
    parts: dict[str, Any] = {
        "name": "inhibited",
        "dt": 1.0,
        "phases": (Phase("only", STEPS),),
        "inputs": (CycleInput("shown", 3),),
        "populations": (relay, cells, boss),
        "projections": (
            Projection("up", "image", "cells", "w : 1", up),
            Projection(
                "sum",
                "cells",
                "boss",
                "",
                (Pathway("signal", "spike", "l_post += r_pre - sent_pre"),),
            ),
        ),
        "weights": (Weight("W", (4, 3), (WeightPart("up", "w"),)),),
        "readouts": (Readout("answer", "cells", "end", "r"), Readout("q", "cells", "end", "q")),
        "answer": "answer",
    }
    return Circuit(**{**parts, **changes})


def loops(W: Any, images: Any) -> ChunkResult:
    """The circuit in NumPy: what is read through a link is from before the step."""
    answers, multipliers, count = [], [], 0
    for shown in images:
        x, r, sent, a, load = W @ shown, np.zeros(4), np.zeros(4), 0.0, 0.0
        for _ in range(STEPS):
            q = max(a - 0.2, 0)
            r, a = r + H * (x - q - r), a + H * (load - a)
            moves = (np.abs(r - sent) > THETA) & (max(a - 0.2, 0) < 2)
            load += (r - sent)[moves].sum()
            sent = np.where(moves, r, sent)
            count += int(moves.sum())
        q = max(a - 0.2, 0)
        answers.append(r)
        multipliers.append(np.full(4, q))
        W = W + 0.1 * q * shown
    readouts = {"answer": np.array(answers), "q": np.array(multipliers)}
    # every image is sent whole, once
    counts = {"image.spike": np.size(images), "cells.spike": count}
    return ChunkResult({"W": W}, readouts, counts, 0.0)


@pytest.fixture(scope="module")
def problem() -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    return rng.uniform(0, 2, size=(4, 3)), rng.uniform(0.2, 1, size=(5, 3))


@pytest.fixture(scope="module")
def backends() -> Iterator[dict[str, Backend]]:
    made: dict[str, Backend] = {
        "runtime": RuntimeBackend(circuit(), dtype="float64", max_cycles=5),
        "cpp": CppBackend(circuit(), dtype="float64", max_cycles=5),
    }
    yield made
    for backend in made.values():
        backend.close()


def test_the_order_of_integration_follows_the_links_and_not_the_names() -> None:
    """Guards the claim of the tests above: by name alone the one cell would go first."""
    b2.BrianLogger.suppress_name("unused_brian_object")
    groups = build_network(circuit(projections=(), weights=()), 1).groups
    assert "boss" < "cells"
    assert groups["cells"].state_updater.order < groups["boss"].state_updater.order


def chained(*links: tuple[str, str], equations: str = "dr/dt = -q/tau : 1") -> tuple[Any, ...]:
    """Populations of one variable each, linked in pairs (reader, source)."""
    read = dict(links)
    text = f"{equations}\nq : 1 (linked)\ntau : second (shared, constant)"
    alone = f"{'dr/dt = -r/tau' if 'dr/dt' in equations else 'r'} : 1\n"
    alone += "tau : second (shared, constant)"
    onset = Event("onset", "onset", "onset", "r = 0" if "dr/dt" in equations else "")
    end = (onset, Event("end", "end_only", "phase_end"))
    names = sorted({name for link in links for name in link})
    return tuple(
        Population(name, 2, text, end, TAU, {"q": (read[name], "r")})
        if name in read
        else Population(name, 2, alone, end, TAU)
        for name in names
    )


def linked(populations: tuple[Any, ...]) -> Circuit:
    answer = (Readout("answer", populations[0].name, "end", "r"),)
    bare = {"projections": (), "weights": (), "inputs": (CycleInput("shown", 2),)}
    return circuit(populations=populations, readouts=answer, **bare)


def test_chains_of_links_integrate_from_the_last_reader_on() -> None:
    """Guards against an order that only looks one link far."""
    groups = build_network(linked(chained(("c", "b"), ("b", "a"))), 1).groups
    orders = [groups[name].state_updater.order for name in ("c", "b", "a")]
    assert orders == sorted(set(orders))


def test_populations_that_read_each_others_state_are_refused() -> None:
    """Guards against a result that depends on which of two populations is stepped first."""
    populations = chained(("one", "other"), ("other", "one"))
    with pytest.raises(CircuitError, match=r"'one' and 'other' read each other's.*event"):
        build_network(linked(populations), 1)


def test_links_that_show_no_integrated_state_may_be_mutual() -> None:
    """Guards against refusing interneurons that read and inhibit their partner."""
    mutual = chained(("one", "other"), ("other", "one"), equations="r : 1")
    assert set(build_network(linked(mutual), 1).groups) == {"one", "other", "rhythm"}
    # a value read back through another population is the cell's own
    value, error = chained(("value", "error"), ("error", "value"))[::-1]
    error = dataclasses.replace(
        error, equations="r = q : 1\nq : 1 (linked)", parameters={}, events=value.events[1:]
    )
    assert set(build_network(linked((value, error)), 1).groups) == {"value", "error", "rhythm"}
