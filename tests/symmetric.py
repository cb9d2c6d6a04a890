"""Layers joined by one set of weights that carries signal both ways, with its NumPy reference.

The smallest circuit that has every kind of wiring and pathway: tests of the back ends compile
it where a full system would prove nothing more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.backends.interface import Chunk, ChunkResult
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

#: Back ends that every machine has what they need for.
EVERYWHERE = ("cpp", "runtime")
#: How the tests open it, so that all share one program.
OPENED: dict[str, Any] = {"dtype": "float64", "max_cycles": 8, "record": {"upper": ["r"]}}


def symmetric_problem(*, images: int = 4, seed: int = 3) -> Chunk:
    """Random weights and images, with learning."""
    rng = np.random.default_rng(seed)
    weights = {"W": rng.normal(size=(3, 4)), "V": np.diag(rng.uniform(0.2, 0.8, size=3))}
    return Chunk({"image": rng.uniform(-1, 1, size=(images, 4))}, weights, learning=True)


def relay(name: str, size: int, drive: str, onset: str, *events: Event) -> Population:
    """Cells that follow their drive within 2 ms and send every change above 0.01."""
    return Population(
        name,
        size,
        f"dr/dt = ({drive} - r)/tau : 1\nx : 1\ns : 1\nd : 1\nsent : 1\n"
        "tau : second (shared, constant)",
        (
            Event("onset", "onset", "onset", f"x = {onset}\nr = 0\ns = 0\nd = 0\nsent = 0"),
            Event("spike", "abs(r - sent) > 0.01", "send", "sent = r", counted=True),
            *events,
        ),
        parameters={"tau": 0.002},
    )


def symmetric_circuit() -> Circuit:
    """Layers joined by one set of weights that carries signal both ways.

    A system whose weights are symmetric is wired so. The projection from the upper layer
    to its twin does the same cell by cell.
    """
    learn_and_end = (
        Event("learn", "end_only and learning", "learn"),
        Event("end", "end_only", "phase_end"),
    )
    both_ways = (
        Pathway("up", "spike", "s_post += w*(r_pre - sent_pre)"),
        Pathway("down", "spike", "s_pre += w*(r_post - sent_post)", side="post"),
        Pathway("plasticity", "learn", "w += 0.01*r_pre*r_post", learns=True, side="post"),
    )
    cell_by_cell = (
        Pathway("across", "spike", "d_post += v*(r_pre - sent_pre)"),
        Pathway("back", "spike", "d_pre += v*(r_post - sent_post)", side="post"),
    )
    return Circuit(
        name="symmetric",
        dt=1.0,
        phases=(Phase("only", 6),),
        inputs=(CycleInput("image", 4),),
        populations=(
            relay("lower", 4, "x + 0.1*s", "image(cycle_time, i)"),
            relay("upper", 3, "clip(s, -1, 1) + 0.2*d", "0", *learn_and_end),
            relay("twin", 3, "2*d", "0"),
        ),
        projections=(
            Projection("joined", "lower", "upper", "w : 1", both_ways),
            Projection("paired", "upper", "twin", "v : 1", cell_by_cell, wiring="one_to_one"),
        ),
        weights=(
            Weight("W", (3, 4), (WeightPart("joined", "w"),)),
            Weight("V", (3, 3), (WeightPart("paired", "v", "diagonal"),)),
        ),
        readouts=(Readout("answer", "upper", "end", "s"), Readout("back", "upper", "end", "d")),
        answer="answer",
    )


def symmetric_loops(weights: dict[str, Any], images: Any) -> ChunkResult:
    """The symmetric circuit in NumPy, learning included."""
    W, v = weights["W"].copy(), np.diagonal(weights["V"])
    answers, backs, upper, counts = [], [], [], dict.fromkeys(("lower", "upper", "twin"), 0)
    for x in images:
        r = {"lower": np.zeros(4), "upper": np.zeros(3), "twin": np.zeros(3)}
        sent = {name: rates.copy() for name, rates in r.items()}
        s_lower, s_upper, d_upper, d_twin = (np.zeros(n) for n in (4, 3, 3, 3))
        for _ in range(6):
            r["lower"] = r["lower"] + 0.5 * (x + 0.1 * s_lower - r["lower"])
            drive = np.clip(s_upper, -1, 1) + 0.2 * d_upper
            r["upper"] = r["upper"] + 0.5 * (drive - r["upper"])
            r["twin"] = r["twin"] + 0.5 * (2 * d_twin - r["twin"])
            change = {}
            for name in r:
                moved = np.abs(r[name] - sent[name]) > 0.01
                change[name] = np.where(moved, r[name] - sent[name], 0)
                sent[name] = np.where(moved, r[name], sent[name])
                counts[name] += int(moved.sum())
            s_upper = s_upper + W @ change["lower"]
            s_lower = s_lower + change["upper"] @ W
            d_twin = d_twin + v * change["upper"]
            d_upper = d_upper + v * change["twin"]
            upper.append(r["upper"])
        answers.append(s_upper)
        backs.append(d_upper)
        W = W + 0.01 * np.outer(r["upper"], r["lower"])
    return ChunkResult(
        {"W": W, "V": weights["V"]},
        {"answer": np.array(answers), "back": np.array(backs)},
        {f"{name}.spike": count for name, count in counts.items()},
        0.0,
        {"upper": {"r": np.array(upper)}},
    )
