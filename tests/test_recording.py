"""Recordings: the values of the network, under the right names, in memory and in files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, ClassVar

import brian2 as b2
import numpy as np
import pytest
import xarray as xr
from command_line import call, refusal
from oracles import Problem, make_problem, small_system

from neurosim import Simulator, open_recording, save_recording, select_layer
from neurosim.backends.brian.build import build_network
from neurosim.backends.interface import Chunk, ChunkResult
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.backends.weights import existing_synapses, split_weights
from neurosim.circuit import Circuit, CycleInput
from neurosim.circuit.graph import cell_variables
from neurosim.errors import CircuitError, DataError, ParameterError
from neurosim.models import CorInfoMax
from neurosim.recording import Recorder, recording_size
from neurosim.recording.cycles import plan_presentation, presentation_chunks
from neurosim.system import System
from neurosim.system.traces import LayerTraces, Trace

STEPS = 18


def make_simulator(**changes: Any) -> tuple[Simulator, Problem]:
    """A small network with events and lateral terms large enough to be seen."""
    system = small_system(event_threshold=0.02, sst_threshold=0.05, **changes)
    simulator = Simulator(system, backend="runtime", dtype="float64")
    problem = make_problem(system)
    simulator.weights.update(problem.weights)
    return simulator, problem


@pytest.fixture(scope="module")
def made() -> tuple[Simulator, Problem]:
    return make_simulator()


@pytest.fixture(scope="module")
def tree(made: tuple[Simulator, Problem]) -> Any:
    simulator, problem = made
    return simulator.record(problem.images, problem.targets, inputs={"beta": -1.0})


# ------------------------------------------------------------------ values


def run_brian2(
    circuit: Circuit, problem: Problem, beta: float, wanted: dict[str, list[str]]
) -> dict[str, b2.StateMonitor]:
    """The network with monitors of this test's own, run without the engine's back ends."""
    images = len(problem.images)
    before = b2.prefs.core.default_float_dtype, b2.prefs.codegen.target
    b2.prefs.core.default_float_dtype, b2.prefs.codegen.target = np.float64, "numpy"
    try:
        built = build_network(circuit, images)
        for name, values in (("stimulus", problem.images), ("target", problem.targets)):
            built.inputs[name].values[:] = values
        built.inputs["beta"].values[:] = beta
        flat = split_weights(circuit, problem.weights, np.dtype(float))
        for (name, variable), values in flat.items():
            values = values[existing_synapses(circuit, circuit.projection(name))]
            setattr(built.synapses[name], variable, values)
        monitors = {
            name: b2.StateMonitor(built.groups[name], variables, record=True, when="end", order=99)
            for name, variables in wanted.items()
        }
        built.network.add(*monitors.values())
        built.network.run(images * STEPS * circuit.dt * b2.ms, namespace=built.namespace)
    finally:
        b2.prefs.core.default_float_dtype, b2.prefs.codegen.target = before
    return monitors


def test_every_trace_equals_a_state_monitor_of_brian2(
    made: tuple[Simulator, Problem], tree: Any
) -> None:
    """Guards against traces of another cell, step, image or variable than their labels say."""
    simulator, problem = made
    circuit, compared = simulator.circuit, 0
    wanted: dict[str, list[str]] = {}
    for layer in simulator.system.layer_traces():
        for population, names in layer.variables().items():
            wanted[population] = [*names]
    monitors = run_brian2(circuit, problem, -1.0, wanted)
    for layer in simulator.system.layer_traces():
        for trace in layer.traces:
            monitor = monitors[trace.population or layer.population]
            rows = np.array(getattr(monitor, trace.variable)).T.reshape(3, STEPS, -1)
            if trace.change:
                rows = np.stack([np.diff(image, axis=0, prepend=0.0) for image in rows])
            got = tree[f"layer_{layer.layer}/{trace.name}"]
            np.testing.assert_array_equal(got.values, rows, err_msg=trace.name)
            compared += 1
    assert compared == 2 + 11 + 10


def test_a_graded_spike_is_what_synapses_receive(
    made: tuple[Simulator, Problem], tree: Any
) -> None:
    """Guards against spikes of another size or number than those that travel."""
    simulator, problem = made
    below, above = select_layer(tree, 1), select_layer(tree, 2)
    spikes = below.spikes.values
    assert 0 < np.count_nonzero(spikes) < spikes.size / 2
    # the basal sum of the layer above is all that arrived so far, weighted
    arrived = spikes.cumsum(axis=1) @ problem.weights["W_ff_1"].T
    np.testing.assert_allclose(above.basal, arrived, rtol=0, atol=1e-12)
    assert abs(spikes[spikes != 0]).min() > simulator.system.event_threshold


def test_currents_and_errors_are_what_their_names_say(
    made: tuple[Simulator, Problem], tree: Any
) -> None:
    """Guards against names on the wrong quantity: sums of the parts give the whole."""
    simulator, problem = made
    layer, output = select_layer(tree, 1), select_layer(tree, 2)
    parts = layer.autapse_current + layer.lateral_current + layer.top_down
    np.testing.assert_allclose(parts, layer.apical, rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.forward_error, layer.rate - layer.basal, atol=1e-12)
    np.testing.assert_allclose(layer.backward_error, layer.rate - layer.top_down, atol=1e-12)
    np.testing.assert_array_equal(layer.sst, layer.lateral_current)
    assert abs(layer.sst).max() > 1e-3
    at_rest = output.autapse_current + output.lateral_current
    free = (output.phase == "free").values
    np.testing.assert_allclose(output.apical[:, free], at_rest[:, free], atol=1e-12)
    assert abs(output.apical - at_rest)[:, ~free].max() > 0.01
    np.testing.assert_array_equal(output.target[:, 0], problem.targets)


def test_compiled_and_interpreted_recordings_agree(
    made: tuple[Simulator, Problem], tree: Any
) -> None:
    """Guards against a compiled program that records other moments of a step."""
    simulator, problem = made
    # one image, as the interactive view records it: the program is the same
    compiled = simulator.record(
        problem.images[:1], problem.targets[:1], inputs={"beta": -1.0}, backend="cpp"
    )
    for number in (0, 1, 2):
        got, expected = select_layer(compiled, number), select_layer(tree, number)
        assert got.attrs == expected.attrs
        xr.testing.assert_allclose(got, expected.isel(image=[0]), rtol=0, atol=1e-9)


# ------------------------------------------------------------------ inputs and phases


@dataclasses.dataclass(frozen=True)
class TwoInputs(CorInfoMax):
    """CorInfoMax with a second scalar input."""

    def circuit(self) -> Circuit:
        """The parent's, and an input that no equation reads."""
        circuit = super().circuit()
        return dataclasses.replace(circuit, inputs=(*circuit.inputs, CycleInput("arousal")))

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
        """As the parent, all awake."""
        return {**super().cycle_scalars(rng, n), "arousal": np.ones(n)}


class Settled(TwoInputs):
    """The same, with a value of its own for runs without learning."""

    def evaluation_scalars(self) -> dict[str, float]:
        """Half awake."""
        return {**super().evaluation_scalars(), "arousal": 0.5}


def test_each_scalar_input_has_its_own_value() -> None:
    """Guards against an input that takes the value of the nudge."""
    x, y = np.ones((2, 5)), np.eye(3)[:2]
    settled = Simulator(Settled(layers=(5, 6, 3), beta=0.25), backend="runtime")
    for inputs, expected in (
        ({}, {"beta": 0.25, "arousal": 0.5}),
        ({"beta": -1}, {"beta": -1.0, "arousal": 0.5}),
        ({"arousal": 2.0}, {"beta": 0.25, "arousal": 2.0}),
    ):
        how = plan_presentation(settled, labelled=True, inputs=inputs)
        assert how.inputs == expected
        (chunk,) = presentation_chunks(settled, how, x, y)
        for name, value in expected.items():
            np.testing.assert_array_equal(chunk.inputs[name], [value, value])
    recording = settled.record(x, y, inputs={"arousal": 3}, layer=1)
    assert json.loads(recording.attrs["inputs"]) == {"beta": 0.25, "arousal": 3.0}
    assert json.loads(recording.attrs["phases"]) == settled.circuit.phase_steps()
    # what readers of older recordings look for
    assert recording.attrs["beta"] == 0.25
    assert recording.attrs["nudged"]


def test_an_input_without_a_value_is_refused_with_both_ways_out() -> None:
    """Guards against a value that nobody chose, in predictions as in recordings."""
    simulator = Simulator(TwoInputs(layers=(5, 6, 3)), backend="runtime")
    x, y = np.ones((1, 5)), [1]
    calls = [simulator.predict, lambda x: simulator.record(x, y), simulator.activity]
    for show in [*calls, lambda x: simulator.state_changes(x, y)]:
        with pytest.raises(
            DataError, match=r"'arousal' .* no value.*evaluation_scalars.*inputs=\{'arousal': VALUE"
        ):
            show(x)
    simulator.record(x, y, inputs={"arousal": 1.0})


def test_phases_are_as_long_as_asked_for(made: tuple[Simulator, Problem]) -> None:
    """Guards against lengths that reach one phase or one analysis only."""
    simulator, problem = made
    x, y = problem.images[:1], problem.targets[:1]
    phases = {"free": 4, "nudged": 2}
    recording = simulator.record(x, y, phases=phases, layer=1)
    assert recording.phase.values.tolist() == ["free"] * 4 + ["nudged"] * 2
    assert recording_size(simulator, 1, phases=phases).steps == 6
    np.testing.assert_array_equal(
        recording.rate[:, [3, 5]].values[0],
        np.concatenate(
            [simulator.activity(x, y, phases=phases)[name]["pyramidal_1"] for name in phases]
        ),
    )
    assert simulator.state_changes(x, y, phases=phases)["pyramidal_1"].shape == (1, 6)
    assert set(simulator.record(x, phases={"free": 5}, layer=1).phase.values) == {"free"}


def test_former_names_of_inputs_and_phases_still_work(
    made: tuple[Simulator, Problem], tree: Any
) -> None:
    """Guards programs written for the arguments beta and nudged."""
    simulator, problem = made
    x, y = problem.images, problem.targets
    with pytest.warns(DeprecationWarning, match=r'beta= .*inputs=\{"beta": -1.0\}'):
        old = simulator.record(x, y, beta=-1.0, layer=1)
    xr.testing.assert_identical(old, select_layer(tree, 1).assign_attrs(layers="[1]"))
    with pytest.warns(DeprecationWarning, match=r'nudged= .*phases=\{"nudged": 0\}'):
        old = simulator.record(x[:1], y[:1], nudged=False, layer=1)
    assert set(old.phase.values) == {"free"}
    np.testing.assert_array_equal(old.rate, tree["layer_1/rate"][:1, :12])
    for show in (simulator.activity, simulator.state_changes):
        with pytest.warns(DeprecationWarning, match="beta="):
            show(x[:1], y[:1], beta=1.0)
    with (
        pytest.warns(DeprecationWarning, match="beta="),
        pytest.raises(DataError, match="beta is given twice"),
    ):
        simulator.record(x, y, beta=1.0, inputs={"beta": 1.0})


# ------------------------------------------------------------------ labels


def test_a_layer_is_image_by_time_by_neuron_with_units(tree: Any) -> None:
    """Guards against arrays whose axes one has to know by heart."""
    layer = select_layer(tree, 1)
    assert dict(layer.sizes) == {"image": 3, "time": STEPS, "neuron": 6, "pixel": 5}
    for name, array in layer.data_vars.items():
        assert array.attrs["units"] == "1", name
        assert array.attrs["long_name"], name
        if "neuron" in array.dims:
            assert array.dims == ("image", "time", "neuron")
            assert array.attrs["symbol"], name
    assert layer.apical.attrs["variable"] == "pyramidal_1.v_A"
    assert layer.sst.attrs["variable"] == "sst_1.i_sst"
    assert layer.time.attrs["units"] == "ms"
    assert json.loads(layer.attrs["parameters"])["event_threshold"] == 0.02


def test_a_choice_of_layer_neurons_and_images_is_a_part_of_the_whole(
    made: tuple[Simulator, Problem], tree: Any
) -> None:
    """Guards against a neuron number that means another neuron after a choice."""
    simulator, problem = made
    chosen = [2, 0]
    some = simulator.record(
        problem.images[chosen],
        problem.targets[chosen].argmax(axis=1),
        inputs={"beta": -1.0},
        layer=1,
        neurons=[5, 2],
        ids=[12, 10],
    )
    assert some.neuron.values.tolist() == [5, 2]
    assert some.image.values.tolist() == [12, 10]
    expected = select_layer(tree, 1).isel(image=chosen, neuron=[5, 2])
    for name in ("soma", "sst", "spikes", "stimulus"):
        np.testing.assert_array_equal(some[name], expected[name])
    np.testing.assert_array_equal(some.label, problem.targets[chosen].argmax(axis=1))
    np.testing.assert_array_equal(some.prediction, expected.prediction)


def test_without_the_nudge_labels_stay_and_the_phase_goes(
    made: tuple[Simulator, Problem], tree: Any
) -> None:
    """Guards against a target that acts although only the free phase was asked for."""
    simulator, problem = made
    free = simulator.record(problem.images, problem.targets, phases={"nudged": 0}, layer=2)
    assert set(free.phase.values) == {"free"}
    np.testing.assert_array_equal(free.label, problem.targets.argmax(axis=1))
    np.testing.assert_array_equal(free.rate, tree["layer_2/rate"][:, :12])
    assert not free.target.any()


def test_a_system_that_declares_only_variables_is_recorded_under_their_names() -> None:
    """Guards the way in for new systems: nothing but names of variables."""

    @dataclasses.dataclass(frozen=True)
    class Plain(CorInfoMax):
        layer_traces = System.layer_traces

    system = Plain(layers=(5, 6, 3))
    recording = Simulator(system, backend="runtime").record(np.ones((1, 5)))
    known = {"u": "state", "r": "rate", "r_sent": "spikes"}
    variables = cell_variables(system.circuit().population("pyramidal_1"))
    assert {"v_A", "z_lat", "e_B_free"} < set(variables)
    assert set(recording["layer_1"].data_vars) == {known.get(name, name) for name in variables}
    assert recording["layer_1/v_B"].attrs["variable"] == "pyramidal_1.v_B"
    np.testing.assert_allclose(
        recording["layer_1/spikes"].sum("time"), recording["layer_1/rate"][:, -1], atol=2e-3
    )


def test_declarations_that_contradict_themselves_are_refused() -> None:
    """Guards against a trace that silently replaces another, or lands on no axis."""
    trace = Trace("soma", "u", "soma", "u", "potential")
    with pytest.raises(CircuitError, match="a trace twice"):
        LayerTraces(1, "cells", (trace, trace))
    with pytest.raises(CircuitError, match="did you mean 'potential'"):
        Trace("soma", "u", "soma", "u", "potentials")


# ------------------------------------------------------------------ files


def assert_same_recording(got: Any, expected: Any) -> None:
    assert set(got.groups) == set(expected.groups)
    for name in expected.groups:
        xr.testing.assert_identical(got[name].to_dataset(), expected[name].to_dataset())


def test_a_file_holds_what_was_recorded_and_opens_in_plain_xarray(
    tree: Any, tmp_path: Path
) -> None:
    """Guards against labels, units or layers that a file loses."""
    path = save_recording(tree, tmp_path / "all.nc")
    assert_same_recording(open_recording(path), tree)
    with xr.open_dataset(path, group="layer_2") as group:
        np.testing.assert_array_equal(group.soma, tree["layer_2/soma"])
    layer = select_layer(tree, 1)
    one = save_recording(layer.assign_attrs(layers="[1]"), tmp_path / "one.nc")
    with xr.open_dataset(one) as opened:
        xr.testing.assert_identical(opened.load(), layer.assign_attrs(layers="[1]"))
    assert [file.name for file in tmp_path.iterdir()] == ["all.nc", "one.nc"] or len(
        list(tmp_path.iterdir())
    ) == 2


@pytest.mark.quick(1)
@pytest.mark.parametrize("layer", [None, 1])
def test_a_recording_streamed_to_disk_equals_one_held_in_memory(
    made: tuple[Simulator, Problem], tree: Any, tmp_path: Path, layer: int | None
) -> None:
    """Guards against images that are lost, doubled or stained by those before them."""
    simulator, problem = made
    size = recording_size(simulator, 3, layer=layer)
    # room for two images at a time: one full block and one that is not
    streamed = simulator.record(
        problem.images,
        problem.targets,
        inputs={"beta": -1.0},
        layer=layer,
        to=tmp_path / "streamed.nc",
        memory_limit=size.memory * 0.7,
    )
    if layer is None:
        assert_same_recording(streamed, tree)
    else:
        expected = select_layer(tree, 1).assign_attrs(layers="[1]")
        xr.testing.assert_identical(streamed.load(), expected)


def test_the_size_told_beforehand_is_close(tmp_path: Path) -> None:
    """Guards against a full disk or memory that nobody was warned of."""
    simulator = Simulator(CorInfoMax(layers=(64, 100, 10)), backend="runtime")
    x = np.random.default_rng(0).random((2, 64))
    told = recording_size(simulator, 2)
    tree = simulator.record(x, np.arange(2), to=tmp_path / "rec.nc")
    held = sum(node.to_dataset(inherit=False).nbytes for node in tree.subtree)
    assert told.memory == pytest.approx(held, rel=0.05)
    assert told.disk == pytest.approx((tmp_path / "rec.nc").stat().st_size, rel=0.15)
    assert f"{told.memory / 1e6:.1f} MB in memory" in str(told)


class Counted(RuntimeBackend):
    """The runtime back end in the place of the compiled one: it notes what it is asked for."""

    features = frozenset({"compiled", "records"})
    made: ClassVar[list[int]] = []
    shown: ClassVar[list[int]] = []

    def __init__(self, circuit: Circuit, *, max_cycles: int, **how: Any) -> None:
        self.made.append(max_cycles)
        super().__init__(circuit, max_cycles=max_cycles, **how)

    def run(self, chunk: Chunk) -> ChunkResult:
        """Note the number of images."""
        self.shown.append(chunk.cycles)
        return super().run(chunk)


def test_a_program_that_records_all_neurons_stays_within_the_memory(
    made: tuple[Simulator, Problem], tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a computer out of memory because of neurons that nobody asked for."""
    simulator, problem = made
    monkeypatch.setattr("neurosim.backends.cpp.backend.CppBackend", Counted)
    monkeypatch.setattr(Counted, "made", [])
    monkeypatch.setattr(Counted, "shown", [])
    whole, part = (recording_size(simulator, 3, layer=1, neurons=n) for n in (None, [2]))
    # room for two images as the program records them, and for far more than the part kept
    limit = whole.memory * 0.7
    assert part.memory < limit / 2
    some = simulator.record(
        problem.images,
        problem.targets,
        inputs={"beta": -1.0},
        layer=1,
        neurons=[2],
        memory_limit=limit,
        backend="cpp",
    )
    assert Counted.shown == [2, 1]
    expected = select_layer(tree, 1).isel(neuron=[2]).assign_attrs(layers="[1]")
    xr.testing.assert_identical(some, expected)


def test_programs_are_compiled_for_few_numbers_of_images(
    made: tuple[Simulator, Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a minute of compiling for every number of images that somebody looks at."""
    simulator, problem = made
    monkeypatch.setattr("neurosim.backends.cpp.backend.CppBackend", Counted)
    monkeypatch.setattr(Counted, "made", [])
    for n in (1, 3, 4, 5):
        simulator.record(np.resize(problem.images, (n, 5)), backend="cpp")
    assert Counted.made == [1, 4, 4, 8]


# ------------------------------------------------------------------ mistakes


def test_what_cannot_be_recorded_is_said_in_one_line(
    made: tuple[Simulator, Problem], tree: Any, tmp_path: Path
) -> None:
    """Guards against an IndexError from deep inside."""
    simulator, problem = made
    x, y = problem.images, problem.targets
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"layer": 3}, "no layer 3; layers run from 0"),
        ({"layer": 1, "neurons": [6]}, "neuron 6 of layer 1: neurons run from 0 to 5"),
        ({"layer": 1, "neurons": [1, 1]}, "twice"),
        ({"layer": 1, "neurons": [0.5]}, "whole numbers"),
        ({"neurons": [1]}, "give layer="),
        ({"ids": [1]}, "each of the 3 images"),
        ({"ids": [[1], [2, 3]]}, "ids: give whole numbers in one row"),
        ({"layer": 1, "neurons": [[1], [2, 3]]}, "give whole numbers in one row"),
        ({"layer": "1"}, "layer = '1': give a whole number, or None for all layers"),
        ({"layer": True}, "layer = True: give a whole number"),
        ({"memory_limit": 10}, "memory_limit.*name a file"),
        ({"memory_limit": -1}, "memory_limit = -1: give a number of bytes"),
        ({"phases": ["nudged"]}, r"phases = \['nudged'\]: give a dict, such as .*'nudged': 0"),
        ({"inputs": 1.0}, r"inputs = 1\.0: give a dict, such as"),
        ({"inputs": {"beta": float("nan")}}, "beta = nan; give one finite number"),
        ({"inputs": {"beta": "1"}}, "beta = '1'; give one finite number"),
        ({"inputs": {"beta": [1.0] * 3}}, r"beta = \[1.0, 1.0, 1.0\]; give one finite number"),
        ({"inputs": {"bet": 1.0}}, "no scalar input 'bet'; did you mean 'beta'"),
        ({"inputs": {"stimulus": 1.0}}, "'stimulus' is given as images and labels"),
        ({"phases": {"nudged": -1}}, "'nudged' has the length -1; give a whole number"),
        ({"phases": {"free": 1.5}}, "'free' has the length 1.5; give a whole number"),
        ({"to": tmp_path / "absent" / "rec.nc"}, "there is no folder"),
    ]
    for how, words in wrong:
        with pytest.raises(DataError, match=words):
            simulator.record(x, y, **how)
    with pytest.raises(CircuitError, match=r"'nudge'.*nudged"):
        simulator.record(x, y, phases={"nudge": 0})
    with pytest.raises(CircuitError, match=r"phases = \['nudged'\]: give a dict of steps"):
        recording_size(simulator, 3, phases=["nudged"])  # type: ignore[arg-type]
    with pytest.raises(CircuitError, match="not all 0"):
        simulator.record(x, y, phases={"free": 0, "nudged": 0})
    with pytest.raises(DataError, match=r"'nudged' is no phase of an evaluation.*give labels"):
        simulator.record(x, phases={"nudged": 3})
    with pytest.raises(DataError, match="layer 5 was not recorded"):
        select_layer(tree, 5)
    for other in (1, "rec.nc", xr.Dataset()):
        with pytest.raises(DataError, match=r"is not a recording: give .*open_recording"):
            select_layer(other, 2)


@pytest.mark.parametrize("backend", ["metal", "cp", "CPP", 3, ""])
def test_unknown_back_ends_are_refused(made: tuple[Simulator, Problem], backend: Any) -> None:
    """Guards a recording by another back end than the one asked for, without a word."""
    simulator, problem = made
    with pytest.raises(
        ParameterError, match=rf"unknown backend {backend!r}.*cpp, cuda, genn, runtime"
    ):
        simulator.record(problem.images, backend=backend)
    with pytest.raises(ParameterError, match="unknown backend"):
        Recorder(simulator, simulator.system.layer_traces(), backend=backend)


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    """Guards against a traceback for a text file, and against another program's netCDF."""
    with pytest.raises(DataError, match="there is no such file"):
        open_recording(tmp_path / "absent.nc")
    with pytest.raises(DataError, match=r"cannot read the recording .*: Is a directory$"):
        open_recording(tmp_path)
    text = tmp_path / "text.nc"
    text.write_text("soma, basal, apical")
    with pytest.raises(DataError, match="no netCDF file"):
        open_recording(text)
    other = tmp_path / "other.nc"
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(other, engine="h5netcdf")
    with pytest.raises(DataError, match="not a recording of neurosim"):
        open_recording(other)


# ------------------------------------------------------------------ the command


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network on the embedded digits, trained for a moment."""
    folder = tmp_path_factory.mktemp("run") / "digits"
    result = call(
        "train", "--dataset", "digits", "--hidden", "12", "--epochs", "1", "--train-images", "2",
        "--test-images", "10", "--backend", "runtime", "--out", folder, "--quiet",
    )  # fmt: skip
    assert result.status == 0, result.err
    return folder


def test_the_command_writes_what_it_was_asked_for(run_folder: Path, tmp_path: Path) -> None:
    """Guards the way from a run folder to a file."""
    out = tmp_path / "rec.nc"
    result = call(
        "record", run_folder, "--images", "4,0-2", "--layer", "1", "--neurons", "3-5", "--out", out
    )
    assert result.status == 0, result.err
    assert "MB in memory" in result.err
    with xr.open_dataset(out) as recording:
        assert recording.image.values.tolist() == [4, 0, 1, 2]
        assert recording.neuron.values.tolist() == [3, 4, 5]
        simulator = Simulator.load(run_folder, backend="runtime")
        np.testing.assert_array_equal(recording.prediction, simulator.predict(recording.stimulus))
        assert recording.soma.shape == (4, 40, 3)


def test_the_command_refuses_in_one_line(run_folder: Path, tmp_path: Path) -> None:
    """Guards against tracebacks for what a user can mend."""
    out = ("--out", tmp_path / "rec.nc")
    assert "run from 0 to 9" in refusal("record", run_folder, "--images", "10", *out)
    assert "neurons run from 0 to 11" in refusal(
        "record", run_folder, "--layer", "1", "--neurons", "12", *out
    )
    assert "layer 9" in refusal("record", run_folder, "--layer", "9", *out)
    assert "no run folder" in refusal("record", tmp_path / "absent", *out)
    assert "give --layer N as well" in refusal("record", run_folder, "--neurons", "1", *out)
    assert "unknown backend 'metal'" in refusal("record", run_folder, "--backend", "metal", *out)
    assert "--images" in refusal("record", run_folder, "--images", "3-1", *out)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.toml").write_bytes((run_folder / "config.toml").read_bytes())
    assert "checkpoint" in refusal("record", bare, *out)
    assert not (tmp_path / "rec.nc").exists()
