"""Builders for layered networks: what they make, and what they refuse."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.backends.interface import Chunk
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import Event, Population, Projection
from neurosim.errors import CircuitError, ParameterError
from neurosim.system.building_blocks import (
    BIAS_CELL,
    bias_cell,
    leaky,
    note_event,
    one_of,
    onset_event,
    sensory_relay,
    spike_event,
    synapses,
)
from neurosim.system.layered import UPPER, LayeredSystem
from neurosim.system.parameters import parameter
from neurosim.system.timing import check_euler_step, check_time_constants

CELL = """
r = clip(s, 0, inf) : 1
s : 1
r_sent : 1
r_shown : 1
gain : 1 (shared, constant)
delay : second (shared, constant)
event_threshold : 1 (shared, constant)
"""


@dataclasses.dataclass(frozen=True)
class Feedforward(LayeredSystem):
    """Rectified cells from image to output: a layered network without a nudge."""

    name: ClassVar[str] = "feedforward"
    title: ClassVar[str] = "Feedforward"
    citation: ClassVar[str] = "none"
    phase_times: ClassVar[Mapping[str, str]] = {"shown": "shown_time"}
    answer_event: ClassVar[str] = "end_shown"

    shown_time: float = parameter(5.0, "how long the image is shown", "", "(0, inf) ms")
    delay: float = parameter(3.0, "a time", "", "(0, inf) ms")
    mu: tuple[float, ...] = parameter((0.1, 0.1), "learning rates", "", "[0, inf)", per=UPPER)

    def populations(self) -> tuple[Population, ...]:
        """Image, bias cell and layers."""
        events = (onset_event(CELL), spike_event(), note_event("shown", "r"))
        layers = (
            Population(
                self.layer_name(k), self.layers[k], CELL, events, self.constants(CELL, gain=1.0)
            )
            for k in self.upper
        )
        learn = "end_shown and learning"
        return (sensory_relay(self.layers[0], learn=learn), bias_cell(learn=learn), *layers)

    def projections(self) -> tuple[Projection, ...]:
        """Synapses and biases."""

        def onto(k: int, name: str, source: str) -> Projection:
            signal = "s_post += w*(r_pre - r_sent_pre)"
            ends = (name, source, self.layer_name(k + 1))
            return synapses(*ends, "w : 1", signal, weight=f"{name[0].upper()}_{k}")

        below = range(self.depth)
        return (
            *(onto(k, f"w_{k}", self.layer_name(k)) for k in below),
            *(onto(k, f"b_{k}", BIAS_CELL) for k in below),
        )

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, Any]:
        """No scalar inputs."""
        return {}

    def evaluation_phases(self) -> dict[str, int]:
        """All of the cycle."""
        return self.phase_steps()


def test_a_network_without_nudges_is_built_from_the_same_parts() -> None:
    """Guards builders that serve contrastive systems only."""
    system = Feedforward(layers=(3, 4, 2), event_threshold=0.0)
    weights = system.initial_weights(np.random.default_rng(0))
    assert {name: array.shape for name, array in weights.items()} == {
        "W_0": (4, 3), "W_1": (2, 4), "B_0": (4, 1), "B_1": (2, 1)
    }  # fmt: skip
    assert not weights["B_0"].any()
    weights["B_0"] += 0.3
    x = np.array([[0.2, 0.0, 0.9]])
    circuit = system.circuit()
    with RuntimeBackend(circuit, dtype="float64", max_cycles=1) as backend:
        chunk = Chunk({"stimulus": x, "target": np.zeros((1, 2))}, weights)
        answer = backend.run(chunk).readouts["answer"]
    hidden = np.maximum(weights["W_0"] @ x[0] + 0.3, 0)
    np.testing.assert_allclose(answer[0], np.maximum(weights["W_1"] @ hidden, 0), atol=1e-12)
    assert circuit.phase_steps() == {"shown": 5}
    assert [(trace.name, trace.variable) for trace in system.layer_traces()[1].traces]


def test_constants_are_parameters_in_seconds_or_what_is_given() -> None:
    """Guards a time in ms that reaches the cells as seconds, and a constant of value 0."""
    system = Feedforward(layers=(3, 4, 2))
    found = system.constants(CELL, gain=2.0, unused=1.0)
    assert found == {"gain": 2.0, "delay": 3e-3, "event_threshold": 0.001}
    with pytest.raises(CircuitError, match="no value for the constant 'gain'"):
        system.constants(CELL)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mu": (0.1,)}, r"mu has 1 value, but these layers need 2; give 2, e\.g\. mu=0\.1,0\.1"),
        ({"shown_time": 2.5}, r"shown_time = 2\.5 ms is not a whole number of steps"),
        ({"layers": (3,)}, r"layers = \(3,\): give at least an input and an output"),
        ({"delay": 0.0}, r"delay = 0\.0 ms is out of range; allowed: \(0, inf\) ms"),
    ],
)
def test_what_makes_no_network_is_refused(changes: dict[str, Any], words: str) -> None:
    """Guards checks that each model would have to remember."""
    with pytest.raises(ParameterError, match=words):
        Feedforward(**{"layers": (3, 4, 2), **changes})


def test_notes_are_taken_at_the_end_of_a_phase_before_what_follows() -> None:
    """Guards a note of the state after it was moved."""
    event = note_event("free", "r", "e", then="\nu = r")
    assert event == Event("end_free", "end_free", "phase_end", "r_free = r\ne_free = e\nu = r")


def test_a_leaky_compartment_rests_where_the_instantaneous_one_is() -> None:
    """Guards the sign and the constant of the low-pass filter."""
    text = leaky("v_A = m + i_q : 1   # eq. 18", "tau_v")
    first, second = text.splitlines()
    assert first == "dv_A/dt = (m + i_q - v_A)/tau_v : 1    # not in the paper: at rest eq. 18"
    assert second.startswith("tau_v : second (shared, constant)")


@given(cells=st.sets(st.integers(0, 12), min_size=1).map(lambda found: tuple(sorted(found))))
def test_the_condition_on_cells_holds_for_exactly_these(cells: tuple[int, ...]) -> None:
    """Guards a run of neighbours that ends one cell too early."""
    condition = one_of(cells)
    assert tuple(i for i in range(14) if eval(condition, {"i": i})) == cells


@given(dt=st.floats(0.1, 2), tau=st.floats(0.1, 9), a=st.floats(0.1, 5), b=st.floats(0.1, 5))
def test_the_euler_step_is_refused_exactly_where_one_cell_oscillates(
    dt: float, tau: float, a: float, b: float
) -> None:
    """Guards the bound: x -> (1 - dt/tau*g) x grows without limit from g dt/tau = 2 on."""
    cells = [("slow cells", "a", a), ("fast cells", "a + b", a + b)]
    if abs(1 - dt / tau * (a + b)) < 1:
        check_euler_step("Toy", ("tau", tau), dt, cells, b=b)
    else:
        with pytest.raises(ParameterError, match=r"unstable in fast cells: \(dt/tau\)\(a \+ b\)"):
            check_euler_step("Toy", ("tau", tau), dt, cells, b=b)


def test_time_constants_shorter_than_a_step_are_refused() -> None:
    """Guards a filter that overshoots; 0 is allowed where it means no delay."""
    check_time_constants("Toy", {"tau": 1.0}, 1.0)
    check_time_constants("Toy", {"tau": 0.0}, 1.0, instantaneous=True)
    with pytest.raises(ParameterError, match=r"Toy\.tau = 0\.0 ms is shorter.*use at least 1\.0"):
        check_time_constants("Toy", {"tau": 0.0}, 1.0)
    with pytest.raises(ParameterError, match=r"use 0 \(instantaneous\) or at least 1\.0 ms"):
        check_time_constants("Toy", {"tau": 0.5}, 1.0, instantaneous=True)
