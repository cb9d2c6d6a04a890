"""Who sends to a cell, which synapses an image changes, and which cell moves most."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import make_problem, small_system

from neurosim import CorInfoMax, Simulator, select_layer
from neurosim.circuit.phases import set_anew
from neurosim.errors import DataError
from neurosim.models import SYSTEMS
from neurosim.viewer.data import MOST_CHANGES, gather
from neurosim.viewer.inputs import cell_inputs
from neurosim.viewer.material import given_by, synapses_of
from neurosim.viewer.movement import find_movement, most_moved, quiet_traces, reference_step
from neurosim.viewer.opening import open_source
from neurosim.viewer.page import prepare
from neurosim.viewer.source import FileSource, LiveSource

LABELS = [2, 0]
#: Inputs of the first hidden layer, by system: its variable and who sends to it.
INPUTS = {
    "corinfomax": {"s_B": ["sensory"], "s_A": ["pyramidal_2"], "z_self": ["pyramidal_1"],
                   "z_lat": ["pyramidal_1"]},
    "bp": {"x": ["sensory", "one"], "d": ["layer_2"]},
    "pc": {"mu": ["sensory", "one"], "feedback": ["layer_2"]},
    "csm": {"d": ["sensory", "layer_2", "one"], "l": ["layer_1", "layer_1"]},
    "phsic": {"s": ["sensory"]},
    "reciprocal-feedback": {"x": ["sensory", "one"], "d": ["layer_2"], "p": ["layer_2"]},
}  # fmt: skip


def network(name: str) -> LiveSource:
    settings = SYSTEMS[name].preset("digits").parameters
    if name == "corinfomax":
        settings = {**settings, "free_time": 8.0, "nudged_time": 4.0}
    if name == "pc":
        settings = {**settings, "settle_time": 5.0}
    if name == "csm":
        settings = {**settings, "free_time": 8.0, "nudged_time": 4.0}
    system = SYSTEMS[name](layers=(16, 6, 3), **settings)
    simulator = Simulator(system, backend="runtime", dtype="float64")
    images = np.random.default_rng(0).random((2, 16))
    source = open_source(simulator, images, LABELS)
    assert isinstance(source, LiveSource)
    return source


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", INPUTS)
def test_the_parts_of_the_senders_add_up_to_what_a_cell_has_received(name: str) -> None:
    """Guards against bars of other senders, other times or other weights."""
    source = network(name)
    circuit = source.simulator.circuit
    first = [item for item in source.inputs if item.layer == 1]
    assert {i.variable: [t.source for t in i.terms] for i in first} == INPUTS[name]
    material = source.material(source.beta)
    weights = source.simulator.weights.arrays()
    compared = 0
    for item in source.inputs:
        received = material.variables[item.population, item.variable]
        synapses = {term: synapses_of(circuit, term) for term in item.terms}
        given = given_by(item, synapses, weights, material.variables)
        assert given is not None, item
        parts = np.zeros_like(received)
        for term, values in given.items():
            there = synapses[term]
            w = weights[term.weight].ravel()[there.place]
            for synapse in range(len(w)):
                target, sender = there.target[synapse], there.source[synapse]
                parts[:, :, target] += w[synapse] * values[:, :, sender]
        np.testing.assert_allclose(parts, received, rtol=0, atol=1e-5 * np.abs(received).max())
        compared += 1
    assert compared >= 2


def test_what_does_not_add_up_is_not_split() -> None:
    """Guards against bars for an input that something else changes as well."""
    source = network("pc")
    material = source.material(source.beta)
    item = next(i for i in source.inputs if i.variable == "feedback")
    synapses = {t: synapses_of(source.simulator.circuit, t) for t in item.terms}
    weights = source.simulator.weights.arrays()
    wrong = {name: 1.01 * array for name, array in weights.items()}
    assert given_by(item, synapses, wrong, material.variables) is None


def test_pathways_that_cannot_be_followed_are_left_out() -> None:
    """Guards against bars for a signal that is no weighted sum of what was sent."""
    system = SYSTEMS["bp"](layers=(4, 3, 2))
    circuit = system.circuit()
    (first, *rest) = circuit.projections
    squared = dataclasses.replace(first.pathways[0], code="x_post += w*r_pre**2")
    changed = dataclasses.replace(first, pathways=(squared, *first.pathways[1:]))
    changed_circuit = dataclasses.replace(circuit, projections=(changed, *rest))
    found = cell_inputs(changed_circuit, system.layer_traces())
    senders = [t.source for i in found for t in i.terms if i.layer == 1 and i.variable == "x"]
    assert senders == ["one"]


@pytest.fixture(scope="module")
def small() -> LiveSource:
    system = small_system(event_threshold=0.02, sst_threshold=0.05, random_sign=False)
    simulator = Simulator(system, backend="runtime", dtype="float64")
    problem = make_problem(system)
    simulator.weights.update(problem.weights)
    source = open_source(simulator, problem.images, [2, 0, 1])
    assert isinstance(source, LiveSource)
    return source


def test_the_changes_are_those_of_learning_from_one_image(small: LiveSource) -> None:
    """Guards against changes of another image, cell or synapse, and against learnt weights."""
    simulator = small.simulator
    before = {name: array.copy() for name, array in simulator.weights.arrays().items()}
    gathered = gather(small)
    for name, array in simulator.weights.arrays().items():
        np.testing.assert_array_equal(array, before[name])
    with Simulator(simulator.system, backend="runtime", dtype="float64") as learner:
        learner.weights.update(before)
        learner.fit(small._x[1:2], [0], epochs=1)
        change = learner.weights["W_ff_0"] - before["W_ff_0"]
    (layer,) = (part for part in gathered.facts["layers"] if part["number"] == 1)
    (term,) = (t for i in layer["inputs"] for t in i["terms"] if t["weight"] == "W_ff_0")
    sources = gathered.synapses[term["key"] + "/changed"][1]
    values = gathered.synapses[term["key"] + "/change"][1]
    assert sources.shape == (6, MOST_CHANGES)
    for cell in range(6):
        expected = np.sort(np.abs(change[cell]))[::-1][:MOST_CHANGES]
        np.testing.assert_allclose(np.abs(values[cell][: len(expected)]), expected, rtol=1e-5)
        nonzero = values[cell] != 0
        np.testing.assert_allclose(values[cell][nonzero], change[cell][sources[cell][nonzero]],
                                   rtol=1e-5)  # fmt: skip


def test_the_view_opens_on_the_cell_that_the_nudge_moves_most(small: LiveSource) -> None:
    """Guards against the first cell of the first layer, and against the restart at u = r."""
    recording = small.recording(small.beta)
    moved = {}
    for layer in (1, 2):
        soma = select_layer(recording, layer).soma.values[0]
        # the last step of the free phase already shows r, so the one before is compared
        moved[layer] = np.abs(soma[-1] - soma[10])
        found = find_movement(select_layer(recording, layer))
        np.testing.assert_allclose(found.scores[0], moved[layer], rtol=1e-5)
        assert found.words == "change of the somatic potential after the free phase"
    layer = max(moved, key=lambda number: float(moved[number].max()))
    start = prepare(small).start
    assert (start["layer"], start["cell"]) == (layer, int(moved[layer].argmax()))
    data = {number: find_movement(select_layer(recording, number)) for number in (0, 1, 2)}
    assert most_moved(data, 0) == (layer, int(moved[layer].argmax()))


def test_a_restart_between_phases_is_read_from_the_circuit(small: LiveSource) -> None:
    """Guards against a soma that seems to leap within the free phase."""
    circuit = small.simulator.circuit
    assert set_anew(circuit, "pyramidal_1", "u") == ("free",)
    assert set_anew(circuit, "pyramidal_1", "r_free") == ()
    layer = select_layer(small.recording(small.beta), 1)
    assert layer.soma.attrs["set_at_end_of"] == "free"
    assert (reference_step(layer, "soma"), reference_step(layer, "basal")) == (10, 11)
    notes = [
        part["notes"] for part in gather(FileSource(small.recording(small.beta))).facts["layers"]
    ]
    assert any("Gap in soma" in note for note in notes[1])
    assert any("open the run folder" in note for note in notes[1])


def test_a_signal_too_small_to_be_seen_is_left_out_and_named(small: LiveSource) -> None:
    """Guards against a panel of noise, and against one that vanishes without a word."""
    layer = select_layer(small.recording(small.beta), 1).copy(deep=True)
    assert quiet_traces(layer) == {}
    layer["sst"] = layer.sst * 1e-6
    assert list(quiet_traces(layer)) == ["sst"]
    assert "inhibition (sst), at most" in quiet_traces(layer)["sst"]


def test_without_a_second_phase_activity_counts(small: LiveSource) -> None:
    """Guards recordings of an evaluation."""
    layer = select_layer(small.recording(small.beta), 1)
    free = layer.sel(time=layer.phase == "free")
    found = find_movement(free)
    assert (found.words, found.rank) == ("largest rate", 2)
    np.testing.assert_array_equal(found.scores, np.abs(free.rate.values).max(axis=1))


def test_a_large_network_keeps_the_cells_that_move_most(
    small: LiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a page that no browser opens, and cells left out without a word."""
    large = Simulator(CorInfoMax(layers=(4, 60, 2)), backend="runtime")
    source = open_source(large, np.random.default_rng(1).random((1, 4)), [1])
    whole = gather(source)
    sizes = {name: a.size for name, a in whole.run.items() if name[1:] != "/score"}
    traces = sum(size for name, size in sizes.items() if name[1:2] == "/")
    sent = sum(values.size for values in source.material(source.beta).variables.values())
    hidden = sum(size for name, size in sizes.items() if name[:2] == "1/")
    monkeypatch.setattr("neurosim.viewer.data.MOST_VALUES", sent + traces - hidden // 2)
    fewer = gather(source)
    kept = fewer.kept[1]
    assert 20 <= len(kept) < 60
    scores = find_movement(select_layer(source.recording(source.beta), 1)).scores[0]
    assert scores[kept].min() >= np.delete(scores, kept).max()
    assert "the layer has 60" in fewer.facts["layers"][1]["kept"]
    monkeypatch.setattr("neurosim.viewer.data.MOST_VALUES", 10)
    with pytest.raises(DataError, match=r"too large for a browser.*--neurons"):
        gather(source)


def test_only_the_same_images_and_cells_are_compared(small: LiveSource, tmp_path: Path) -> None:
    """Guards against two images under the number of one."""
    recording = small.recording(small.beta)
    prepared = prepare(small, other=("earlier", FileSource(recording)))
    assert prepared.other is not None
    np.testing.assert_array_equal(prepared.other[1].run["1/soma"], prepared.gathered.run["1/soma"])
    other: dict[str, Any] = {
        "the same images": FileSource(recording, [1, 0, 2]),
        "the same phases": FileSource(recording.isel(time=slice(0, 10))),
    }
    for words, source in other.items():
        with pytest.raises(DataError, match=f"earlier cannot be compared: .*{words}"):
            prepare(small, other=("earlier", source))
