"""The back end 'genn': the same numbers from a model of GeNN, and what it refuses by name."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from kernels import chunk_of, learning_at_once, small
from oracles import assert_bitwise_equal

from neurosim import Simulator
from neurosim.backends import accepting, survey
from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.chunks import ChunkResult
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.genn.backend import GennBackend
from neurosim.backends.genn.describe import describe
from neurosim.backends.genn.expressions import GennRenderer
from neurosim.backends.genn.limits import check_circuit
from neurosim.backends.genn.loaded import rounds
from neurosim.backends.genn.model import find_pygenn
from neurosim.circuit import Circuit
from neurosim.errors import BuildError, CircuitError, ParameterError
from neurosim.models import SYSTEMS
from neurosim.system import System

IMAGES = 7
needs_genn = pytest.mark.skipif(
    importlib.util.find_spec("pygenn") is None,
    reason="PyGeNN is not installed: docs/install.md says how",
)

#: Systems that the back end takes.
TAKEN = tuple(name for name in sorted(SYSTEMS) if "genn" in accepting(SYSTEMS[name]().circuit()))
QUICK = ("corinfomax", "pc")


def system_of(name: str) -> System:
    """A small system; corinfomax has two hidden layers."""
    rates = {"mu_ff": (0.05, 0.035, 0.05), "mu_fb": (0.0075, 0.01)}
    return small(name, layers=(9, 7, 6, 3), **rates) if name == "corinfomax" else small(name)


def assert_close(got: ChunkResult, expected: ChunkResult) -> None:
    """Equal up to the order of sums."""
    assert got.weights.keys() == expected.weights.keys()
    assert got.readouts.keys() == expected.readouts.keys()
    for kind in ("weights", "readouts"):
        for name, array in getattr(expected, kind).items():
            np.testing.assert_allclose(getattr(got, kind)[name], array, rtol=0, atol=1e-13)
    assert got.event_counts == expected.event_counts


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[GennBackend, CppBackend]]:
    """CorInfoMax on both back ends, in double precision."""
    circuit, opened = system_of("corinfomax").circuit(), {"dtype": "float64", "max_cycles": IMAGES}
    with GennBackend(circuit, **opened) as genn, CppBackend(circuit, **opened) as cpp:
        yield genn, cpp


# ------------------------------------------------------------------ agreement


@needs_genn
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in TAKEN]
)
def test_a_model_of_genn_agrees_with_the_cpp_program(name: str) -> None:
    """Guards the order of a step, every expression, and who hears which event."""
    system = system_of(name)
    opened: dict[str, Any] = {"dtype": "float64", "max_cycles": IMAGES}
    with (
        GennBackend(system.circuit(), **opened) as genn,
        CppBackend(system.circuit(), **opened) as cpp,
    ):
        for learning, batch in ((True, 3), (True, 1), (False, 3)):
            chunk = chunk_of(system, IMAGES, learning=learning, commits=4)
            chunk = dataclasses.replace(chunk, batch=batch)
            expected = cpp.run(chunk)
            assert_close(genn.run(chunk), expected)
            moved = any((expected.weights[n] != w).any() for n, w in chunk.weights.items())
            assert moved is learning
            assert sum(expected.event_counts.values()) > 0


@needs_genn
def test_phases_parameters_and_parts_that_learn_belong_to_a_run(
    pair: tuple[GennBackend, CppBackend],
) -> None:
    """Guards values that are compiled in, and parts that learn though they must not."""
    genn, cpp = pair
    system = system_of("corinfomax")
    for changes in (
        {"phases": {"nudged": 0}, "learning": False},
        {
            "phases": {"free": 1, "nudged": 2},
            "parameters": {"pyramidal_1.tau_u": 0.03, "ff_0.mu": 0.3},
        },
        {"learns": ("fb_1", "lateral_2")},
    ):
        chunk = chunk_of(system, IMAGES, **{"learning": True, **changes})
        expected = cpp.run(chunk)
        assert_close(genn.run(chunk), expected)


@needs_genn
def test_a_run_in_parts_ends_with_the_same_bits(pair: tuple[GennBackend, CppBackend]) -> None:
    """Guards what a run leaves behind for the next: events under way, sums, counters."""
    genn, _ = pair
    system = system_of("corinfomax")
    chunk = dataclasses.replace(chunk_of(system, IMAGES, learning=True), batch=2)
    whole, weights, counted = genn.run(chunk), chunk.weights, 0
    for first, last, commits in ((0, 4, 0), (4, 7, 2)):
        inputs = {name: array[first:last] for name, array in chunk.inputs.items()}
        part = genn.run(dataclasses.replace(chunk, inputs=inputs, weights=weights, commits=commits))
        weights, counted = part.weights, counted + part.event_counts["sensory.spike"]
    assert_bitwise_equal(weights, whole.weights)
    assert counted == whole.event_counts["sensory.spike"]


@needs_genn
def test_a_run_that_was_interrupted_leaves_nothing_behind(
    pair: tuple[GennBackend, CppBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards events under way and sums that are half gathered when a user presses Ctrl-C."""
    genn, _ = pair
    chunk = chunk_of(system_of("corinfomax"), IMAGES, learning=True)
    expected, loaded = genn.run(chunk), genn._loaded
    assert loaded is not None
    step, left = loaded._model.step_time, iter(range(100))

    def interrupted() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr(loaded._model, "step_time", interrupted)
    with pytest.raises(KeyboardInterrupt):
        genn.run(chunk)
    monkeypatch.undo()
    got = genn.run(chunk)
    assert_bitwise_equal(got.weights, expected.weights)
    assert_bitwise_equal(got.readouts, expected.readouts)
    assert got.event_counts == expected.event_counts


@needs_genn
def test_two_back_ends_of_one_circuit_do_not_mix(pair: tuple[GennBackend, CppBackend]) -> None:
    """Guards GeNN's memory, which belongs to a library, and not to a model."""
    genn, _ = pair
    system = system_of("corinfomax")
    chunk = chunk_of(system, IMAGES, learning=True)
    with GennBackend(system.circuit(), dtype="float64", max_cycles=IMAGES) as other:
        assert other.build_seconds == 0
        loaded = genn._loaded
        assert loaded is not None
        ((_, before),) = loaded.weights([("ff_0", "w")]).items()
        other.run(dataclasses.replace(chunk, learning=False))
        ((_, after),) = loaded.weights([("ff_0", "w")]).items()
        assert (after == before).all()
        assert_bitwise_equal(other.run(chunk).weights, genn.run(chunk).weights)
    with pytest.raises(BuildError, match="closed"):
        other.run(chunk)
    other.close()


@needs_genn
@pytest.mark.slow
def test_single_precision_agrees_to_its_rounding() -> None:
    """Guards constants and literals of another precision."""
    system = small("ep")
    chunk = chunk_of(system, IMAGES, learning=True)
    with (
        GennBackend(system.circuit(), max_cycles=IMAGES) as genn,
        CppBackend(system.circuit(), max_cycles=IMAGES) as cpp,
    ):
        got, expected = genn.run(chunk), cpp.run(chunk)
    for name, array in expected.weights.items():
        assert got.weights[name].dtype == np.float32
        np.testing.assert_allclose(got.weights[name], array, rtol=0, atol=1e-5)


@needs_genn
def test_a_simulator_goes_on_with_another_back_end(tmp_path: Any) -> None:
    """Guards checkpoints that only the back end that wrote them can read."""
    system = small("pc")
    chunk = chunk_of(system, 9, learning=True)
    images, labels = chunk.inputs["stimulus"], chunk.inputs["target"].argmax(1)
    found = []
    for first, second in (("genn", "cpp"), ("cpp", "genn"), ("cpp", "cpp")):
        with Simulator(system, backend=first, dtype="float64") as simulator:
            simulator.fit(images, labels, progress=False)
            simulator.save(tmp_path / first / second)
        with Simulator.load(tmp_path / first / second, backend=second) as simulator:
            simulator.fit(images, labels, progress=False)
            found.append(simulator.weights)
    for weights in found[:2]:
        for name, array in found[2].items():
            np.testing.assert_allclose(weights[name], array, rtol=0, atol=1e-13)


# ------------------------------------------------------------------ without PyGeNN


def test_images_in_flight_fill_every_batch() -> None:
    """Guards images of two batches side by side, and a last batch that is forgotten."""
    assert list(rounds(5, 2, 1)) == [(0, 1, 0), (1, 1, 2), (2, 1, 0), (3, 1, 2), (4, 1, 1)]
    assert list(rounds(8, 5, 3)) == [(0, 3, 0), (3, 2, 5), (5, 3, 3)]
    assert list(rounds(4, 4, 20)) == [(0, 4, 4)]


def test_expressions_are_written_in_genns_language() -> None:
    """Guards functions that GeNN does not have, and a clip that hides a NaN."""
    render = GennRenderer(lambda name: f"cell__{name}").render_expr
    x = "((scalar)(cell__x))"
    assert render("clip(x, 0, inf)") == f"({x} < ((scalar)(0)) ? ((scalar)(0)) : {x})"
    assert render("x**2") == f"pow({x}, ((scalar)(2)))"
    assert render("not x and int(x)") == "(! cell__x) && ((int)(cell__x))"
    assert render("max(x, 1)") == f"({x} > ((scalar)(1)) ? {x} : ((scalar)(1)))"
    assert render("abs(sign(x))").startswith("fabs(")
    with pytest.raises(CircuitError, match="does not know the function 'erf'"):
        render("erf(x)")


@pytest.mark.parametrize(
    ("name", "twice"), [("corinfomax-sparse", False), ("pc", True), ("bp", False)]
)
def test_a_circuit_becomes_plain_data(name: str, twice: bool) -> None:
    """Guards what GeNN refuses, on machines without it: names, types, and what is never set."""
    with brian2_settings(np.dtype("float64")):
        described = describe(small(name).circuit(), np.dtype("float64"))
    assert json.loads(json.dumps(described)) == described
    assert described["twice"] is twice
    types = {n: kind for made in described["neurons"] for n, kind in made["variables"].items()}
    assert set(types.values()) == {"int", "scalar"}
    delivered = {variable for made in described["neurons"] for variable in made["delivered"]}
    for made in described["synapses"]:
        for side in ("pre", "post"):
            assert set(made["reads"][side]) <= set(types)
            assert bool(made["events"][side]) == bool(made["code"][side])
        assert set(made["arrives"].values()) <= delivered <= set(types)
    for text in (made["code"] for made in described["neurons"]):
        assert text.count("{") == text.count("}")
        # GeNN takes no names that begin so
        assert not re.search(r"(?<![\w.])_\w", text)
    sizes = {made["name"]: made["size"] for made in described["neurons"]}
    if name == "corinfomax-sparse":
        # cells, interneurons and the one that all read are one population
        assert sizes == {"lagrange_1": 19, "lagrange_2": 5, "sensory": 21}


def test_all_systems_but_two_are_taken() -> None:
    """Guards the table of docs/gpu.md."""
    assert set(SYSTEMS) - set(TAKEN) == {"reciprocal-feedback", "phsic"}


def changed(circuit: Circuit, name: str, **changes: Any) -> Circuit:
    """The circuit with one projection changed."""
    return circuit.replacing(dataclasses.replace(circuit.projection(name), **changes))


def test_what_genn_cannot_do_is_named() -> None:
    """Guards a circuit that would run to the end and be wrong."""
    circuit = small("ep").circuit()
    check_circuit(circuit)
    up, *others = circuit.projection("w_0").pathways
    cells = circuit.population("layer_1")
    early = dataclasses.replace(cells.events[-1], condition="in_nudged and learning")
    late = tuple(
        dataclasses.replace(event, moment="phase_end") if event.name == "spike" else event
        for event in cells.events
    )

    def delivering(code: str) -> Circuit:
        return changed(circuit, "w_0", pathways=(dataclasses.replace(up, code=code), *others))

    def computing(line: str) -> Circuit:
        return circuit.replacing(dataclasses.replace(cells, equations=cells.equations + line))

    refused = {
        "changes its weights at once": learning_at_once(circuit),
        "draws noise": SYSTEMS["reciprocal-feedback"]().circuit(),
        "delivers to several variables": delivering(f"{up.code}\nr_sent_post += w"),
        "other things than to add": delivering("d_post = w*r_pre"),
        "runs at 'phase_end'": circuit.replacing(dataclasses.replace(cells, events=late)),
        "elsewhere than at the end of a phase": circuit.replacing(
            dataclasses.replace(cells, events=(*cells.events[:-1], early))
        ),
        "takes a remainder": computing("odd = i % 2 : 1\n"),
        "calls 'exprel'": computing("e_ = exprel(u) : 1\n"),
        "for all its cells together": computing("all_ : 1 (shared)\n"),
        "to the cell 'lagrange_1'": changed(
            small("corinfomax-sparse").circuit(), "sum_1", equations="w : 1"
        ),
        "computes 'v'": changed(
            circuit, "w_0", equations=circuit.projection("w_0").equations + "v = 2*w : 1\n"
        ),
    }
    for words, wrong in refused.items():
        with pytest.raises(CircuitError, match=rf"{words}.*--backend cpp"):
            check_circuit(wrong)
        assert "genn" not in accepting(wrong)


def test_a_machine_without_pygenn_is_told_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards a traceback in place of a line, and a table that promises what is not there."""
    monkeypatch.setitem(sys.modules, "pygenn", None)
    words = r"needs PyGeNN 5.*pip install .*genn/archive/refs/tags/5.*--backend cpp"
    with pytest.raises(BuildError, match=words):
        find_pygenn()
    with pytest.raises(BuildError, match=words):
        GennBackend(small("ep").circuit())
    verdict = survey.judge("genn", small("ep").circuit())
    assert verdict.word == "not here"
    assert "needs PyGeNN" in survey.installed()["PyGeNN"]


def test_recordings_are_left_to_other_back_ends() -> None:
    """Guards a recording that is empty."""
    with pytest.raises(ParameterError, match=r"records nothing.*runtime"):
        GennBackend(small("ep").circuit(), record={"layer_1": ["u"]})
