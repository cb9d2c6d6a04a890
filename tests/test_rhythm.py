"""The rhythm: integer counters and gates, for phases of any length, none included."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import make_problem, small_system

from neurosim import Simulator
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Chunk
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import Circuit, CycleInput, Event, Phase, Population, Readout
from neurosim.circuit.phases import phase_lengths
from neurosim.errors import CircuitError

PHASES = ("dawn", "noon", "dusk")
MAX_CYCLES = 5

#: A cell that shows what the rhythm tells it.
PROBE = """
seen_cycle_step = 1.0*cycle_step : 1
seen_phase_step = 1.0*phase_step : 1
seen_onset = 1.0*int(onset) : 1
seen_learning = 1.0*int(learning) : 1
image : 1
nudge = gain : 1
""" + "".join(
    f"within_{name} = 1.0*int(in_{name}) : 1\nlast_{name} = 1.0*int(end_{name}) : 1\n"
    for name in PHASES
)
SHOWN = tuple(re.split(" = | : ", line)[0] for line in PROBE.strip().splitlines())


def probe_circuit(*, dt: float = 1.0, steps: tuple[int, ...] = (2, 1, 3)) -> Circuit:
    """Two cells that only watch."""
    ends = tuple(
        Event(f"end_of_{name}", f"end_{name}", "phase_end", counted=True) for name in PHASES
    )
    show = "image = stimulus(cycle_time, i)"
    events = (Event("begin", "onset", "onset", show, counted=True), *ends)
    return Circuit(
        name="probe",
        dt=dt,
        phases=tuple(Phase(name, n) for name, n in zip(PHASES, steps, strict=True)),
        inputs=(CycleInput("stimulus", 2), CycleInput("gain")),
        populations=(Population("probe", 2, PROBE, events),),
        projections=(),
        weights=(),
        readouts=(Readout("answer", "probe", "begin", "image"),),
        answer="answer",
    )


def expected_traces(lengths: Mapping[str, int], cycles: int) -> dict[str, list[float]]:
    """The same counters from nested loops."""
    rows: dict[str, list[float]] = {
        name: [] for name in SHOWN if name not in ("image", "nudge", "seen_learning")
    }
    for _ in range(cycles):
        step = 0
        for phase, length in lengths.items():
            for phase_step in range(length):
                rows["seen_cycle_step"].append(step)
                rows["seen_phase_step"].append(phase_step)
                rows["seen_onset"].append(step == 0)
                for name in PHASES:
                    rows[f"within_{name}"].append(name == phase)
                    rows[f"last_{name}"].append(name == phase and phase_step == length - 1)
                step += 1
    return rows


@pytest.fixture(scope="module")
def probe() -> Iterator[RuntimeBackend]:
    with RuntimeBackend(
        probe_circuit(), dtype="float64", max_cycles=MAX_CYCLES, record={"probe": SHOWN}
    ) as backend:
        yield backend


def probe_inputs(cycles: int) -> dict[str, Any]:
    numbers = np.arange(1.0, cycles + 1)
    return {"stimulus": np.stack([numbers, -numbers], axis=1), "gain": 100 * numbers}


lengths_of_phases = st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lengths=lengths_of_phases, cycles=st.integers(1, MAX_CYCLES), learning=st.booleans())
def test_counters_and_gates_follow_phases_of_any_length(
    probe: RuntimeBackend, lengths: list[int], cycles: int, learning: bool
) -> None:
    """Guards against gates off by one step, and against phases of no steps that still end."""
    phases = dict(zip(PHASES, lengths, strict=True))
    inputs = probe_inputs(cycles)
    result = probe.run(Chunk(inputs, {}, phases=phases, learning=learning))
    steps = cycles * sum(lengths)
    shown = result.trajectories["probe"]
    assert {len(rows) for rows in shown.values()} == {steps}
    for name, rows in expected_traces(phases, cycles).items():
        np.testing.assert_array_equal(shown[name], np.repeat([rows], 2, axis=0).T, err_msg=name)
    assert (shown["seen_learning"] == learning).all()
    np.testing.assert_array_equal(shown["image"], inputs["stimulus"].repeat(sum(lengths), axis=0))
    np.testing.assert_array_equal(shown["nudge"][:, 0], inputs["gain"].repeat(sum(lengths)))
    assert result.event_counts["probe.begin"] == 2 * cycles
    for name, length in phases.items():
        assert result.event_counts[f"probe.end_of_{name}"] == 2 * cycles * (length > 0)


def test_a_run_has_as_many_steps_as_its_cycles_and_not_one_more(probe: RuntimeBackend) -> None:
    """Guards against a float duration that rounds a last step in or out."""
    for cycles, phases in ((3, {"dawn": 7, "noon": 0, "dusk": 0}), (5, {"dawn": 1, "dusk": 2})):
        result = probe.run(Chunk(probe_inputs(cycles), {}, phases=phases))
        steps = len(result.trajectories["probe"]["image"])
        assert steps == cycles * sum({"noon": 1, **phases}.values())


@pytest.mark.parametrize(
    ("dt", "dtype"),
    [(1.0, "float32"), (0.1, "float32"), (0.3, "float32"), (0.7, "float32"), (0.3, "float64")],
)
def test_every_one_of_a_thousand_cycles_sees_its_own_image(dt: float, dtype: str) -> None:
    """Guards against a lookup by time that, after enough images, rounds to a neighbour."""
    circuit, cycles = probe_circuit(dt=dt, steps=(1, 1, 1)), 1000
    inputs = probe_inputs(cycles)
    with RuntimeBackend(circuit, dtype=dtype, max_cycles=cycles) as backend:
        result = backend.run(Chunk(inputs, {}, phases={"noon": 0, "dusk": 0}))
    np.testing.assert_array_equal(result.readouts["answer"], inputs["stimulus"])


def test_what_is_noted_or_recorded_may_be_computed_from_the_input() -> None:
    """Guards against a variable that equations may use but nobody can look at."""
    circuit = probe_circuit()
    seen = Population(
        "probe",
        2,
        "image = stimulus(cycle_time, i) : 1",
        (Event("begin", "onset", "onset"),),
    )
    circuit = dataclasses.replace(circuit, populations=(seen,))
    inputs = probe_inputs(3)
    with RuntimeBackend(
        circuit, dtype="float64", max_cycles=3, record={"probe": ("image",)}
    ) as backend:
        result = backend.run(Chunk(inputs, {}))
        recorded = result.trajectories["probe"]["image"]
    np.testing.assert_array_equal(result.readouts["answer"], inputs["stimulus"])
    np.testing.assert_array_equal(recorded, inputs["stimulus"].repeat(6, axis=0))


def with_unread_target(circuit: Circuit) -> Circuit:
    """A circuit without use for a target, which it has to declare to be trained."""
    return dataclasses.replace(circuit, inputs=(*circuit.inputs, CycleInput("target", 2)))


def test_an_input_may_be_given_that_no_equation_reads() -> None:
    """Guards circuits without a target; the next test does so for compiled programs."""
    inputs = {**probe_inputs(3), "target": np.ones((3, 2))}
    circuit = with_unread_target(probe_circuit())
    with RuntimeBackend(circuit, dtype="float64", max_cycles=3) as backend:
        result = backend.run(Chunk(inputs, {}))
    np.testing.assert_array_equal(result.readouts["answer"], inputs["stimulus"])


def test_a_compiled_program_counts_as_the_runtime_does() -> None:
    """Guards against integers that the two kinds of generated code treat differently."""
    circuit, cycles = with_unread_target(probe_circuit(dt=0.3)), 5000
    inputs = {**probe_inputs(cycles), "target": np.ones((cycles, 2))}
    with CppBackend(circuit, dtype="float32", max_cycles=cycles) as backend:
        for lengths in ((2, 1, 3), (1, 0, 0), (0, 3, 0), (0, 0, 1), (4, 0, 2)):
            phases = dict(zip(PHASES, lengths, strict=True))
            result = backend.run(Chunk(inputs, {}, phases=phases))
            np.testing.assert_array_equal(result.readouts["answer"], inputs["stimulus"])
            assert result.event_counts == {
                "probe.begin": 2 * cycles,
                **{f"probe.end_of_{name}": 2 * cycles * (n > 0) for name, n in phases.items()},
            }


# ------------------------------------------------------------------ phase lengths of a run


@given(lengths=lengths_of_phases)
def test_lengths_given_for_a_run_replace_those_of_the_circuit(lengths: list[int]) -> None:
    """Guards against a length that is dropped because it is 0."""
    circuit, given_ = probe_circuit(), dict(zip(PHASES, lengths, strict=True))
    assert phase_lengths(circuit, given_) == given_
    assert list(phase_lengths(circuit, given_)) == list(PHASES)
    some = {"noon": lengths[1]}
    assert phase_lengths(circuit, some) == {"dawn": 2, "noon": lengths[1], "dusk": 3}
    assert (
        phase_lengths(circuit, None)
        == circuit.phase_steps()
        == dict(zip(PHASES, (2, 1, 3), strict=True))
    )
    assert circuit.cycle_steps(given_) == sum(lengths)
    assert circuit.cycle_steps() == 6


@pytest.mark.parametrize(
    ("phases", "word"),
    [
        ({"morning": 1}, r"'morning'.*dawn, noon, dusk"),
        ({"dawn": -1}, "0 or more"),
        ({"dawn": 0, "noon": 0, "dusk": 0}, "not all 0"),
    ],
)
def test_lengths_without_meaning_are_refused(phases: dict[str, int], word: str) -> None:
    """Guards against an empty run, and against a misspelt phase that keeps its length."""
    with pytest.raises(CircuitError, match=word):
        phase_lengths(probe_circuit(), phases)


# ------------------------------------------------------------------ what is shown of it


def test_a_recording_names_phases_and_times_of_its_rows() -> None:
    """Guards against plots whose phases are shifted against their traces."""
    system = small_system(dt=0.5, free_time=3.0, nudged_time=1.5)
    simulator = Simulator(system, backend="runtime", dtype="float64")
    problem = make_problem(system, images=2)
    recording = simulator.record(problem.images, problem.targets)
    assert recording.phase.values.tolist() == ["free"] * 6 + ["nudged"] * 3
    np.testing.assert_allclose(recording.time, np.arange(1, 10) * 0.5)
    # one period per cycle, highest at the onset
    np.testing.assert_allclose(recording.oscillation, np.cos(2 * np.pi * np.arange(9) / 9))
    free = simulator.record(problem.images)
    assert free.phase.values.tolist() == ["free"] * 6
    assert free["layer_1/soma"].shape == (2, 6, 6)
    for name in ("layer_2/rate", "layer_2/apical"):
        np.testing.assert_array_equal(free[name], recording[name][:, :6])
