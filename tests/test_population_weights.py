"""Weights and states of cells: what they learn, what they do not depend on, what is refused."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from toy_systems import IMAGES, Remembering, Toy, remembering_learning, toy_learning

from neurosim import Simulator
from neurosim.backends.chunks import Chunk
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import (
    Circuit,
    Event,
    Pathway,
    Population,
    Weight,
    circuit_from_dict,
    reset_action,
)
from neurosim.circuit.kept import kept_by_events
from neurosim.errors import CircuitError, DivergenceError, ParameterError
from neurosim.figures.formulas import printer_for, render_equations
from neurosim.figures.page import _cells
from neurosim.figures.page_tables import variable_rows, weight_rows
from neurosim.runs.explain import explain
from neurosim.system.drawing import noise_key, training_inputs
from neurosim.system.optimizers import optimized_cells

BATCH = 4
Task = tuple[NDArray[Any], NDArray[Any]]
BACKENDS = pytest.mark.parametrize("backend", ["runtime", "cpp"])


@pytest.fixture(scope="module")
def task() -> Task:
    rng = np.random.default_rng(5)
    return rng.uniform(size=(IMAGES, 5)), rng.integers(3, size=IMAGES)


def make(system: Any, **settings: Any) -> Simulator:
    return Simulator(system, **{"seed": 3, "dtype": "float64", "check_output": False, **settings})


def learnt(system: Any, task: Task, **settings: Any) -> dict[str, NDArray[Any]]:
    with make(system, **settings) as simulator:
        return simulator.fit(*task, epochs=2, progress=False).weights.arrays()


def assert_same_bits(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(other[name], array, err_msg=name)


def assert_close(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_allclose(other[name], array, rtol=0, atol=1e-12, err_msg=name)


# ------------------------------------------------------------------ weights that commit


@pytest.mark.quick(2)
@BACKENDS
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_biases_commit_once_a_batch_as_in_numpy(backend: str, optimizer: str, task: Task) -> None:
    """Guards sums over other images, a wrong mean, and means of Adam that are lost."""
    x, y = task
    system = Toy(batch=BATCH, optimizer=optimizer)
    with make(system, backend=backend) as simulator:
        order = simulator.epoch_order(IMAGES)
        inputs = {
            "stimulus": x[order],
            "target": np.eye(3)[y[order]],
            **system.cycle_scalars(simulator._rng("scalars"), IMAGES),
            **training_inputs(system, simulator.circuit, 3, 0, 0, IMAGES),
        }
        start = simulator.weights.arrays()
        expected, _ = toy_learning(system, start, inputs, noise_key(3, 0))
        simulator.fit(x, y, progress=False)
        assert_close(expected, simulator.weights.arrays())
        moved = abs(simulator.weights["b_1"] - start["b_1"]).min()
        assert moved > 0.01


def test_chunks_lanes_and_threads_change_no_bit(task: Task) -> None:
    """Guards sums in another order, and a commit in the midst of other lanes."""
    system = Toy(batch=BATCH)
    expected = learnt(system, task, lanes=1, threads=1)
    for how in (
        {"chunk_images": 1},
        {"chunk_images": 9, "threads": 2},
        {"lanes": 3, "threads": 2},
        {"lanes": 100, "threads": 3},
    ):
        assert_same_bits(expected, learnt(system, task, **how))


def test_a_run_goes_on_within_an_epoch(task: Task, tmp_path: Path) -> None:
    """Guards biases and means that a pickle, a file or a resumed run would leave behind."""
    system = Toy(batch=BATCH, optimizer="adam")
    expected = learnt(system, task)
    with make(system, chunk_images=BATCH) as simulator:
        x, targets = simulator.check_images(task[0]), simulator.check_targets(task[1])
        next(simulator.train_epoch(x, targets))
        assert simulator.position == BATCH
        other = pickle.loads(pickle.dumps(simulator))
    with other:
        other.fit(*task, epochs=2, resume=True, progress=False)
        assert_same_bits(expected, other.weights.arrays())


def test_a_step_sees_the_weights_from_before_its_commit(task: Task) -> None:
    """Guards an answer that depends on whether the image was the last of its batch."""
    x, y = task
    system = Toy()
    circuit = system.circuit()
    weights = system.initial_weights(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    inputs = {
        "stimulus": x, "target": np.eye(3)[y], "gain": np.ones(IMAGES),
        **system.cycle_inputs(rng, IMAGES, 0),
    }  # fmt: skip
    with RuntimeBackend(circuit, dtype="float64", max_cycles=IMAGES) as backend:
        for batch in (1, BATCH):
            result = backend.run(Chunk(inputs, weights, learning=True, batch=batch))
            _, rates = toy_learning(dataclasses.replace(system, batch=batch), weights, inputs,
                                    (0, 0))  # fmt: skip
            np.testing.assert_allclose(result.readouts["answer"], rates, rtol=0, atol=1e-12)


def test_an_evaluation_changes_nothing(task: Task) -> None:
    """Guards commits and memories of a network that is only looked at."""
    for system in (Toy(), Remembering()):
        with make(system) as simulator:
            before = simulator.weights.arrays()
            simulator.decision_function(task[0])
            assert_same_bits(before, simulator.weights.arrays())


# ------------------------------------------------------------------ states in order


@BACKENDS
@pytest.mark.parametrize("batch", [1, BATCH])
def test_a_memory_of_the_previous_image_is_kept_in_order(
    backend: str, batch: int, task: Task
) -> None:
    """Guards images that see another one before them, and states that an onset resets."""
    x, y = task
    with make(Remembering(batch=batch), backend=backend, chunk_images=5) as simulator:
        order = simulator.epoch_order(IMAGES)
        start = simulator.weights.arrays()
        expected = remembering_learning(batch, start, x[order], np.eye(3)[y[order]])
        simulator.fit(x, y, progress=False)
        assert_close(expected, simulator.weights.arrays())
        assert abs(simulator.weights["before_1"]).max() > 0.1


def test_a_memory_does_not_depend_on_chunks_lanes_and_threads(task: Task) -> None:
    """Guards a memory per lane, and answers that depend on the images before."""
    system = Remembering(batch=BATCH)
    expected = learnt(system, task)
    for how in ({"chunk_images": 4, "lanes": 4}, {"lanes": 3, "threads": 2}):
        assert_same_bits(expected, learnt(system, task, **how))
    answers = []
    for how in ({"chunk_images": 4}, {"lanes": 3, "threads": 2}):
        with make(system, **how) as simulator:
            simulator.weights.update(expected)
            answers.append(simulator.decision_function(task[0]))
    np.testing.assert_array_equal(answers[0], answers[1])


def test_what_events_set_is_told_from_what_commits() -> None:
    """Guards images side by side for a rule that needs them in order."""
    assert kept_by_events(Toy().circuit()) == ()
    assert kept_by_events(Remembering().circuit()) == ("cells.before", "cells.mean")
    assert kept_by_events(Remembering().circuit(), "weight") == ()


def test_a_weight_that_events_change_takes_no_batch() -> None:
    """Guards a batch that would in truth be learnt image by image."""
    circuit = Remembering().circuit()
    cells = dataclasses.replace(
        circuit.population("cells"), weights={"mean": "mean_1"}, states={"before": "before_1"}
    )
    changed = dataclasses.replace(circuit, populations=(circuit.populations[0], cells), weights=())
    assert kept_by_events(changed, "weight") == ("cells.mean",)
    inputs = {"stimulus": np.ones((2, 5)), "target": np.zeros((2, 3))}
    weights = Remembering().initial_weights(np.random.default_rng(0))
    with RuntimeBackend(changed, dtype="float64", max_cycles=2) as backend:
        backend.run(Chunk(inputs, weights, learning=True))
        with pytest.raises(CircuitError, match=r"batch of 2 images.*cells\.mean at once.*commit"):
            backend.run(Chunk(inputs, weights, learning=True, batch=2))


# ------------------------------------------------------------------ where weights are


def test_arrays_of_cells_are_weights_like_others(task: Task, tmp_path: Path) -> None:
    """Guards a bias that is not saved, listed, recorded or bounded."""
    with make(Toy(optimizer="adam"), backend="runtime") as simulator:
        kinds = {weight.name: (weight.shape, weight.kind) for weight in simulator.circuit.weights}
        assert kinds == {
            "W": ((3, 5), "weight"),
            "b_1": ((3,), "weight"),
            "b_1_m": ((3,), "state"),
            "b_1_v": ((3,), "state"),
        }
        simulator.weights["b_1"] = [0.25, 0.5, -1.0]
        recording = simulator.record(task[0][:2])
        assert np.array_equal(
            recording["layer_1/b"].values, np.broadcast_to([0.25, 0.5, -1.0], (2, 3, 3))
        )
        simulator.weights["b_1_v"] = [1e6] * 3
        simulator.fit(*task, progress=False)
        simulator.weights["b_1"] = [1e6] * 3
        with pytest.raises(DivergenceError, match="b_1 grew beyond"):
            simulator.fit(*task, progress=False)


def test_circuits_with_weights_of_cells_survive_json() -> None:
    """Guards a description that comes back as another circuit."""
    circuit = Toy(optimizer="adam").circuit()
    again = circuit_from_dict(json.loads(json.dumps(dataclasses.asdict(circuit))))
    assert again == circuit
    assert again.digest() == circuit.digest()


def test_only_what_is_compiled_makes_another_program() -> None:
    """Guards a program that commits by another rule, and one compiled for nothing."""
    circuit = Toy().circuit()
    cells = circuit.population("cells")

    def digest(**changes: Any) -> str:
        return circuit.replacing(dataclasses.replace(cells, **changes)).digest()

    assert digest(rates=()) == circuit.digest()
    assert digest(commit=cells.commit + " # as in SGD") == circuit.digest()
    assert digest(commit=cells.commit.replace("+=", "-=")) != circuit.digest()
    assert digest(gathers=("change", "error")) != circuit.digest()


def test_rates_of_cells_follow_the_schedule() -> None:
    """Guards a bias whose rate never falls."""

    class Falling(Toy):
        def rate_scale(self, epoch: int) -> float:
            return 0.5**epoch

    assert Falling().rates(2) == {"net.mu": 0.3 / 4, "cells.b_eta": 0.2 / 4}


def test_listings_name_what_cells_keep() -> None:
    """Guards pages and listings without biases."""
    text = render_equations(Toy, circuit=Toy().circuit())
    (line,) = (line for line in text.splitlines() if "b +=" in line)
    assert "once a batch" in line
    told = explain_without_compiling(Remembering().circuit())
    assert "lasts from image to image: before_1 (before), mean_1 (mean)" in told


def test_pages_say_how_cells_commit() -> None:
    """Guards a page that shows a bias, but not how it is learnt."""
    circuit, printer = Toy(optimizer="adam").circuit(), printer_for(Toy)
    sections = _cells(circuit, printer)
    assert r"b &\mathrel{+}=" in sections["`cells`"]
    assert r"\text{once a batch}" in sections["`cells`"]
    rows = {row[0]: row[2:] for row in weight_rows(circuit, printer)}
    assert rows["`b_1`"] == ("3", "`cells.b`")
    (set_by,) = (row[-1] for row in variable_rows(Toy, circuit, printer) if row[0] == "`b`")
    assert set_by == "commit of the cells"


def explain_without_compiling(circuit: Circuit) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurosim.runs.explain._compiled", lambda circuit, dtype="": {})
        return explain(circuit)


# ------------------------------------------------------------------ refusals


def test_a_reset_keeps_what_is_named() -> None:
    """Guards biases that every image sets to 0."""
    assert reset_action("a : 1\nb : 1\nc : 1", "b", c="1") == "a = 0\nc = 1"
    with pytest.raises(CircuitError, match=r"no variable 'd'"):
        reset_action("a : 1", "d")


def changed(equations: str = "", commit: str = "", **changes: Any) -> Circuit:
    """The toy with other cells."""
    circuit = Toy().circuit()
    cells = circuit.population("cells")
    if equations:
        changes["equations"] = cells.equations + equations
    if commit:
        changes["commit"] = commit
    return dataclasses.replace(
        circuit,
        populations=(circuit.populations[0], dataclasses.replace(cells, **changes)),
        weights=(),
    )


def more_events(*events: Event) -> tuple[Event, ...]:
    return (*Toy().circuit().population("cells").events, *events)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: changed(weights={"bb": "b_1"}), r"'b_1'.*'bb'.*did you mean 'b'"),
        (lambda: changed(weights={"b": "b_1", "r": "r_1"}), r"'r_1'.*'r = clip.*declare 'r : 1'"),
        (lambda: changed(weights={"b": "b_1", "u": "u_1"}), r"'u_1'.*declare 'u : 1'"),
        (lambda: changed("n : integer\n", weights={"b": "b_1", "n": "n_1"}), r"declare 'n : 1'"),
        (lambda: changed(states={"b": "b_1"}), r"'b' as a weight and as a state"),
        (lambda: changed(commit="b += u"), r"commit of population 'cells' names 'u'.*gathers="),
        (lambda: changed(commit="u = change"), r"commit of population 'cells' sets 'u'.*: b"),
        (lambda: changed(commit="b += change*normal_noise(i)"), r"names 'normal_noise'"),
        (lambda: changed(gathers=("chang",)), r"gathers 'chang'.*did you mean 'change'"),
        (lambda: changed("sum_of_change : 1\n"), r"'sum_of_change', which is .* the sum of 'chan"),
        (lambda: changed("images : 1\n"), r"'images', which is the name of the rhythm"),
        (lambda: changed(rates=("eta",)), r"learning rate 'eta'"),
        (
            lambda: changed(events=more_events(Event("commit", "end_show", "learn"))),
            r"event 'commit' of population 'cells' has a name that commits need",
        ),
        (
            lambda: changed(events=more_events(Event("set", "end_show and learning", "learn",
                                                     "b = 0"))),
            r"cells\.b is set by the commit and by the action of event 'set'",
        ),
        (
            lambda: changed("x : 1\n", weights={"b": "b_1", "x": "x_1"},
                            events=more_events(Event("set", "end_show or learning", "learn",
                                                     "x = r"))),
            r"cells\.x lasts .* event 'set' sets it in evaluations.*'\.\.\. and learning'",
        ),
        (
            lambda: changed("x : 1\n", states={"x": "x_1"},
                            events=more_events(Event("zero", "onset", "onset", "x = 0"))),
            r"event 'zero' .*reset_action\(EQUATIONS, 'x'\)",
        ),
    ],
)  # fmt: skip
def test_weights_of_cells_that_do_not_fit_are_refused(make: Any, words: str) -> None:
    """Guards state that would depend on chunks, and commits of what is not there."""
    with pytest.raises(CircuitError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_synapses_may_not_change_what_cells_keep() -> None:
    """Guards a bias that moves while several images are in flight."""
    circuit = Toy().circuit()
    projection = circuit.projection("net").with_pathway(
        Pathway("signal", "spike", "s_post += w*r_pre\nb_post += w")
    )
    with pytest.raises(CircuitError, match=r"cells\.b .* projection 'net' changes it"):
        circuit.replacing(projection)


def test_gathering_without_a_commit_is_refused() -> None:
    """Guards sums that nothing reads."""
    with pytest.raises(CircuitError, match=r"gathers 'change', but has no commit"):
        dataclasses.replace(
            (circuit := Toy().circuit()),
            populations=(
                circuit.populations[0],
                dataclasses.replace(circuit.population("cells"), commit=""),
            ),
        )


def test_a_weight_belongs_to_synapses_or_to_cells() -> None:
    """Guards an array that nothing holds, and one that two hold."""
    for parts in ({}, {"population": "cells"}, {"variable": "b"}):
        with pytest.raises(CircuitError, match=r"'b_1' needs parts.*or a population"):
            Weight("b_1", (3,), **parts)
    other = Weight("b_1", (4,), population="cells", variable="b")
    with pytest.raises(CircuitError, match=r"'b_1'.*shape \(4,\).*\(3,\)"):
        dataclasses.replace(Toy().circuit(), weights=(other,))


def test_an_optimiser_needs_a_weight_of_the_cells() -> None:
    """Guards a commit of a variable that starts anew at every image."""
    cells = Population("cells", 2, "b : 1\ng : 1", weights={"b": "b_1"})
    with pytest.raises(CircuitError, match=r"no weight 'g'; allowed: b|no weight 'g'"):
        optimized_cells(cells, "sgd", 0.1, variable="g", gathered="b")
    with pytest.raises(ParameterError, match="optimizer 'adma'; did you mean 'adam'"):
        optimized_cells(cells, "adma", 0.1, variable="b", gathered="g")
