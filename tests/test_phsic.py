"""pHSIC: kernels against finite differences, circuits against NumPy, and what must be caught."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreements import Arrays, compare, finite_differences

from neurosim import Simulator, figures, load_dataset
from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.backends.cuda import limits
from neurosim.circuit import Blocks
from neurosim.circuit.noise import noise_streams
from neurosim.circuit.philox import uniform_noise
from neurosim.errors import CircuitError, ParameterError
from neurosim.models import phsic as rules
from neurosim.models import phsic_layers as layers
from neurosim.models.numpy import phsic as oracle
from neurosim.models.numpy.phsic import Rule, Unit, activity, batch_change, kernel, label_kernel
from neurosim.models.numpy.urfb import Step
from neurosim.models.phsic import PHSIC
from neurosim.runs.settings import resolve
from neurosim.runs.training import start_training
from neurosim.system import grouped_layers, readout_network

IMAGES, KEY = 7, (11, 5)
KINDS = [("gauss", "none"), ("gauss", "groups"), ("gauss", "divisive"), ("cosine", "none"),
         ("cosine", "groups"), ("cosine", "divisive")]  # fmt: skip


def small(kernel: str = "gauss", grouping: str = "divisive", **changes: Any) -> PHSIC:
    """A hidden layer of three groups, active enough that all terms count."""
    settings: dict[str, Any] = {
        "layers": (5, 9, 3), "kernel": kernel, "grouping": grouping, "groups": 3, "eta": 3.0,
        "eta_output": 0.2, "dropout": 0.0, "sigma": 1.0, "slope": 0.1, "beta": 0.4, "gain": 2.0,
    }  # fmt: skip
    return PHSIC(**{**settings, **changes})


def convolutional(grouping: str = "divisive", **changes: Any) -> PHSIC:
    """A convolution below a pool, one without, and a layer all to all."""
    words = ("conv 4 3x3", "maxpool 2", "conv 4 3x3", "full 6")
    return small(
        grouping=grouping, layers=(16, 64, 16, 16, 6, 3), network=words, image=(1, 4, 4), groups=2,
        activation="selu", **changes,
    )  # fmt: skip


#: Layers of the oracle as the network above wires them: with the number in the circuit.
WINDOWS = {
    1: (2, Step("conv", (1, 4, 4), 3, 1, 1, 1), Step("maxpool", (4, 4, 4), 2, 2)),
    2: (3, Step("conv", (4, 2, 2), 3, 1, 1, 1), None),
    3: (4, Step("full"), None),
}


def rule_of(system: PHSIC, k: int = 1) -> Rule:
    """The oracle's parameters for hidden layer k, which has its pool in it."""
    number, step, pool = (k, Step("full"), None) if system.network == ("full",) else WINDOWS[k]
    return Rule(
        system.kernel, system.grouping, system.groups_of(number), system.gamma, system.sigma,
        system.power, system.offset, system.slope, system.beta, system.activation, step, pool,
    )  # fmt: skip


def task(system: PHSIC) -> tuple[Arrays, Any, Any]:
    """Weights, images and one-hot labels, with repeated classes and pixels shown as 0."""
    rng = np.random.default_rng(1)
    weights = system.initial_weights(rng)
    images = rng.uniform(size=(IMAGES, system.layers[0]))
    images[:, 1] = 0.5
    return weights, images, np.eye(3)[[0, 1, 1, 2, 2, 0, 0]]


def masks(system: PHSIC) -> list[dict[int, Any]] | None:
    """Factors of dropout, as the circuit draws them at the onset."""
    if not system.dropout:
        return None
    streams = noise_streams(system.circuit())
    found = []
    for image in range(IMAGES):
        drawn = {}
        for k in system.hidden:
            _, stream = streams[f"layer_{k}.onset.action"]
            noise = uniform_noise(KEY, image, np.arange(system.layers[k]), 0, stream)
            drawn[k] = (noise >= system.dropout) / (1 - system.dropout)
        found.append(drawn)
    return found


def learnt_by_numpy(system: PHSIC, weights: Arrays, images: Any, labels: Any) -> Arrays:
    shown = (images - system.pixel_mean) / system.pixel_scale
    names = sorted(name for name in weights if name[:2] == "W_" and name[2:].isdigit())
    own = {f"W_{n}": weights[name] for n, name in enumerate(names)}
    rules = {k: rule_of(system, k) for k in range(1, len(names))}
    unit = Unit(system.leak, system.background, system.memory_steps)
    found = oracle.train(
        {**own, "b": weights["b"]}, shown, labels, rules, eta=system.eta,
        eta_output=system.eta_output, learning=system.rule, batch=system.batch,
        keep=masks(system), unit=unit if system.memory == "unit" else None,
    )  # fmt: skip
    return {**{name: found[f"W_{n}"] for n, name in enumerate(names)}, "b": found["b"]}


def learnt(system: PHSIC, backend: str, dtype: str = "float64", **how: Any) -> Arrays:
    weights, images, labels = task(system)
    chunk = Chunk({"stimulus": images, "target": labels}, weights, learning=True,
                  batch=system.batch, noise_key=KEY)  # fmt: skip
    with open_backend(backend, system.circuit(), dtype=dtype, max_cycles=IMAGES) as opened:
        return dict(opened.run(chunk, **how).weights)


def check(system: PHSIC, backend: str = "runtime") -> None:
    """Weights after all images, and that each of them has moved."""
    weights, images, labels = task(system)
    expected = learnt_by_numpy(system, weights, images, labels)
    found = learnt(system, backend)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-10, err_msg=name)
    moved = {name: abs(array - weights[name]).max() for name, array in expected.items()}
    frozen = {"W_0"} if system.rule == "last" else set()
    assert {name for name, size in moved.items() if size < 1e-3} == frozen, moved


# ------------------------------------------------------------------ the oracle


def one_layer(kind: tuple[str, str], images: int = 9) -> tuple[Any, Any, Any, Rule]:
    """Weights of a layer, what it receives, labels, and a rule whose every term counts."""
    rng = np.random.default_rng(3)
    rule = Rule(*kind, groups=3, gamma=1.5, sigma=1.0, slope=0.1)
    classes = rng.integers(3, size=images)
    return 0.3 * rng.normal(size=(12, 5)), rng.normal(size=(5, images)), np.eye(3)[:, classes], rule


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_the_batch_rule_is_minus_the_gradient_of_the_objective(kind: tuple[str, str]) -> None:
    """Guards a kernel's derivative, its centring and the factor 2 of the own term."""
    W, x, y, rule = one_layer(kind)

    def objective(weights: Arrays) -> float:
        K = kernel(activity(weights["W"], x, rule).q, rule)
        return oracle.objective(K, label_kernel(y), rule)

    change = batch_change(activity(W, x, rule), x, y, rule)
    gradient = finite_differences({"W": W}, objective)["W"]
    assert np.linalg.norm(gradient) > 1e-3
    error = compare({"W": change}, {"W": gradient}).error
    assert error < 2e-8, error


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_the_pairs_of_a_batch_add_up_to_its_gradient(kind: tuple[str, str]) -> None:
    """Guards a two-point rule that is not the batch rule's term, with b3 the batch's mean."""
    W, x, y, rule = one_layer(kind)
    layer, m = activity(W, x, rule), x.shape[1]
    K, Ky = kernel(layer.q, rule), label_kernel(y)
    b3 = oracle.batch_mean(layer, y, rule)
    alone = [layer.of(i) for i in range(m)]
    total = sum(
        oracle.pair_change(alone[i], x[:, [i]], alone[j], x[:, [j]],
                           rule.gamma * Ky[i, j] - 2 * K[i, j], b3, rule)
        for i, j in itertools.product(range(m), repeat=2)
    )  # fmt: skip
    batch = batch_change(layer, x, y, rule)
    np.testing.assert_allclose(total / m**2, batch, rtol=0, atol=1e-14 + 1e-12 * abs(batch).max())


def test_the_more_pairs_the_nearer_to_the_gradient() -> None:
    """Guards the claim that single pairs are right on average and noisy one by one."""
    W, x, y, rule = one_layer(("gauss", "divisive"), images=64)
    layer = activity(W, x, rule)
    full = {"W": batch_change(layer, x, y, rule)}
    angles = [compare({"W": batch_change(layer, x, y, rule, reach)}, full).angle
              for reach in (1, 4, 16, 63)]  # fmt: skip
    assert angles[0] > angles[1] > angles[2] > angles[3]
    assert angles[0] > 20
    assert angles[3] < 1e-5


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_label_kernel_is_the_cosine_of_centred_labels(n: int) -> None:
    """Guards the value for two classes that differ, -1/(n - 1)."""
    labels = np.eye(n)
    centred = labels - labels.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=0)
    np.testing.assert_allclose(label_kernel(labels), unit.T @ unit, rtol=0, atol=1e-14)
    np.testing.assert_allclose(label_kernel(labels).mean(), 0, rtol=0, atol=1e-14)


# ------------------------------------------------------------------ the circuit

MADE: dict[str, Callable[[], PHSIC]] = {
    **{"-".join(kind): functools.partial(small, *kind) for kind in KINDS},
    "two layers, in batches": lambda: small(layers=(5, 9, 6, 3), batch=3),
    "dropout": lambda: small(grouping="none", dropout=0.3),
    "last": lambda: small(rule="last", batch=3),
    "batch": lambda: small(layers=(5, 9, 6, 3), rule="batch", batch=4, eta=30.0),
    "batch, alone": lambda: small(grouping="none", rule="batch", batch=4, eta=30.0),
    "batch, cosine": lambda: small("cosine", rule="batch", batch=4, eta=30.0),
    "memory units": lambda: small(grouping="none", memory="unit", leak=0.1, memory_steps=5),
    "memory units, groups": lambda: small(memory="unit", background=0.2, memory_steps=5),
    "convolutions": lambda: convolutional("none"),
    "convolutions, batch": lambda: convolutional(rule="batch", batch=4, eta=30.0),
}


@pytest.mark.quick(6)
@pytest.mark.parametrize("name", MADE)
def test_updates_equal_the_reference(name: str) -> None:
    """Guards wrong steps, memories of another image, and a batch's wrong mean."""
    check(MADE[name]())


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "name", ["two layers, in batches", "batch", "memory units, groups", "convolutions, batch"]
)
def test_the_compiled_program_equals_the_reference(name: str) -> None:
    """Guards cells that remember an image before their synapses have learnt from the last one."""
    check(MADE[name](), "cpp")


@pytest.mark.quick(1)
@pytest.mark.parametrize("rule", ["batch", "pairs"])
def test_lanes_and_threads_change_no_bit(rule: str) -> None:
    """Guards images of a batch that see each other out of turn."""
    system = small(rule=rule, batch=3)
    one = learnt(system, "cpp", lanes=1, threads=1)
    for how in ({"lanes": 2, "threads": 2}, {"lanes": 3, "threads": 3}):
        for name, array in learnt(system, "cpp", **how).items():
            np.testing.assert_array_equal(array, one[name], err_msg=name)


def test_the_mean_starts_as_a_plain_mean_and_then_forgets() -> None:
    """Guards b3: after the first pair it is b2, then moves by 1/2, 1/3 and at last by beta."""
    system = small(beta=0.4, eta=0.0)
    weights, images, labels = task(system)
    shown = (images - 0.5) / 0.5
    layer = activity(weights["W_0"], shown.T, rule_of(system))
    K, Ky = kernel(layer.q, rule_of(system)), label_kernel(labels.T)
    b2 = [2 * Ky[t, t - 1] - 2 * K[t, t - 1] for t in range(1, IMAGES)]
    mean = b2[0]
    for value, share in zip(b2[1:], (0.5, 0.4, 0.4, 0.4, 0.4), strict=True):
        mean += share * (value - mean)
    kept = learnt(system, "runtime")
    np.testing.assert_allclose(kept["b3_before_modulator_1"], [mean], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(kept["seen_modulator_1"], [IMAGES])
    np.testing.assert_array_equal(kept["y_before_label"], labels[-1])


@pytest.mark.parametrize("memory", ["state", "unit"])
def test_an_evaluation_leaves_all_memories(memory: str) -> None:
    """Guards answers that depend on the images asked about before."""
    digits = load_dataset("digits")
    system = PHSIC(layers=(64, 12, 10), groups=3, memory=memory)
    with Simulator(system, backend="runtime", check_output=False) as simulator:
        simulator.fit(digits.x_train[:5], digits.y_train[:5], progress=False)
        before = simulator.weights.arrays()
        simulator.predict(digits.x_test[:5])
        for name, array in simulator.weights.arrays().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_memory_units_remember_the_last_image_that_stood_out() -> None:
    """Guards units that take in silence, leak in proportion to time, or forget too slowly."""
    unit = Unit(leak=0.01, background=0.001, steps=30)
    shown = np.array([-2.0, 0.02, 0.5, 0.0])
    held = unit.after(np.array([1e9, -1e6, 0.0, 1e6]), shown)
    # at rest the unit holds the cube over 1 + c; at its background it keeps what it had
    expected = np.array([*(shown[:3] / 1.01 ** (1 / 3)), 0.1 * (1 - 0.5 * 0.01) ** (30 / 3)])
    np.testing.assert_allclose(unit.recall(held), expected, rtol=1e-6)


def test_cells_at_their_background_keep_an_image_before_the_last() -> None:
    """Guards units of the circuit that are shown another image than their cells."""
    system = small(memory="unit", leak=0.1, memory_steps=5, background=0.01)
    weights, images, labels = task(system)
    images[-1, 0] = 0.5
    chunk = Chunk({"stimulus": images, "target": labels}, weights, learning=True, noise_key=KEY)
    with open_backend("runtime", system.circuit(), dtype="float64", max_cycles=IMAGES) as opened:
        kept = opened.run(chunk).weights
    shown, unit = (images[:, 0] - 0.5) / 0.5, Unit(0.1, 0.01, 5)
    held = np.zeros(1)
    for pixel in shown[:-1]:
        held = unit.after(held, pixel)
    assert abs(held) > 1
    np.testing.assert_allclose(kept["r_unit_sensory"][0], held[0] * 0.95**5, rtol=1e-12)


def test_a_recording_shows_what_the_modulator_computes() -> None:
    """Guards traces of another layer's modulator, or from before it has heard of the change."""
    digits = load_dataset("digits")
    system = PHSIC(layers=(64, 12, 6, 10), groups=3)
    with Simulator(system, backend="runtime", dtype="float64") as simulator:
        simulator.fit(digits.x_train[:6], digits.y_train[:6], progress=False)
        seen = simulator.record(digits.x_train[6:7], digits.y_train[6:7], layer=2)
    last = {name: float(seen[name].values.ravel()[-1]) for name in
            ("change", "similarity", "comparison", "comparison_mean", "third_factor")}  # fmt: skip
    same = digits.y_train[6] == digits.y_train[5]
    assert last["change"] > 0
    assert last["similarity"] == pytest.approx(np.exp(-last["change"] / 50))
    assert last["comparison"] == pytest.approx(2 * (1 if same else -1 / 9) - 2 * last["similarity"])
    error = last["comparison"] - last["comparison_mean"]
    assert last["third_factor"] == pytest.approx(-error * last["similarity"] / 25)


def test_layers_are_divided_into_equal_groups() -> None:
    """Guards groups of one cell, which would be silent, and of unequal size."""
    system = PHSIC(layers=(4, 1024, 50, 7, 1, 10), groups=32)
    assert [system.groups_of(k) for k in system.hidden] == [32, 25, 1, 1]


@pytest.mark.parametrize(("rule", "said"), [("pairs", "keeps"), ("batch", "meet in phase")])
def test_the_gpu_refuses_by_name(rule: str, said: str) -> None:
    """Guards kernels that would learn from one image at a time."""
    circuit = small("gauss", "none", rule=rule).circuit()
    with pytest.raises(CircuitError, match=f"{said}.*use --backend cpp"):
        limits.check_circuit(circuit)


def test_networks_that_add_or_drop_by_layers_are_refused() -> None:
    """Guards layers whose words are read and then not built."""
    words = ("conv 4 3x3", "drop .5", "maxpool 2", "full 6")
    with pytest.raises(ParameterError, match="leave out 'sum' and 'drop'"):
        dataclasses.replace(convolutional(), network=words)


def test_the_published_convolutions_have_seven_layers_with_groups_of_channels() -> None:
    """Guards a network of other sizes, and groups across channels."""
    for network, groups in (("convnet", 64), ("convnet_2x", 64)):
        preset = PHSIC.preset("cifar10").given({"network": (network,), "rule": "batch"})
        system = PHSIC(layers=(3072, *preset.hidden, 10), **preset.parameters)
        assert system.kernels == (1, 3, 4, 6, 8, 10, 11)
        assert {system.groups_of(k) for k in system.kernels} == {groups}
        circuit = system.circuit()
        shapes = [w.shape for w in circuit.weights if w.kind == "weight" and len(w.shape) == 4]
        widths = [256, 512, 512, 1024, 1024, 1024] if "2x" in network else [128, 256, 256, 512,
                                                                            512, 512]  # fmt: skip
        below = [3, *widths[:-1]]
        assert shapes == [(n, m, 3, 3) for n, m in zip(widths, below, strict=True)]
        assert circuit.projection("gather_1").wired == Blocks(groups)


def test_the_small_convolutions_learn_some_digits() -> None:
    """Guards a preset that cannot be run, and kernels that stay as they were drawn."""
    digits = load_dataset("digits")
    preset = PHSIC.preset("digits").given({"network": ("small_convnet",), "rule": "batch"})
    system = PHSIC(layers=(64, *preset.hidden, 10), **preset.parameters)
    with Simulator(system, seed=0, lanes=32) as simulator:
        before = simulator.objectives(digits.x_test[:50], digits.y_test[:50])
        simulator.fit(digits.x_train[:320], digits.y_train[:320], epochs=2, progress=False)
        after = simulator.objectives(digits.x_test[:50], digits.y_test[:50])
    assert list(after) == ["layer_1", "layer_3", "layer_4"]
    assert all(after[name] < before[name] for name in after)


def test_rates_fall_after_the_epochs_that_are_named() -> None:
    """Guards a drop an epoch early."""
    system = PHSIC(drop=0.25, drop_at=(2, 3))
    assert [system.rate_scale(epoch) for epoch in range(4)] == [1, 1, 0.25, 0.0625]


# ------------------------------------------------------------------ sabotage


def text(name: str, old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Change a string of the model."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        files = (rules, layers, grouped_layers, readout_network)
        model = next(file for file in files if hasattr(file, name))
        before = getattr(model, name)
        if isinstance(before, dict):
            changed = {key: value.replace(old, new) for key, value in before.items()}
        else:
            changed = before.replace(old, new)
        assert changed != before, "the sabotage is out of date"
        patch.setattr(model, name, changed)

    return spoil


GROUPED, ALONE, COSINE = "gauss-divisive", "gauss-none", "cosine-none"
SABOTAGES: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "activity without its slope": (ALONE, text("ACTIVITY", "slope*clip(-s", "0*clip(-s")),
    "synapses ignore the slope": (ALONE, text("ACTIVITY", "slope*int(s <= 0)", "int(s <= 0)")),
    "variance without its offset": (GROUPED, text("GROUP", "delta + squares", "squares")),
    "cells are not centred": (GROUPED, text("SENT", "keep*z_hat", "keep*z")),
    "the scale with the other power": (GROUPED, text("GROUP", "u**(-p)", "u**(p - 1)")),
    "groups are not centred": (GROUPED, text("GROUP", "spread - spread_mean", "spread")),
    "slope of a group without its size": (GROUPED, text("SLOPE", "2*(1 - p)/cells", "2*(1 - p)")),
    "third factor without the kernel": (ALONE, text("KERNEL", "-k_z/sigma**2", "-1/sigma**2")),
    "own kernel without its factor 2": (ALONE, text("MODULATOR", "- 2*k_z", "- k_z")),
    "labels of n classes": (ALONE, text("MODULATOR", "/(n - 1)", "/n")),
    "no centring": (ALONE, text("MEAN", "(b2 - b3)*unit", "b2*unit")),
    "mean before this pair": (ALONE, text("MEAN", "(b2 - b3)*unit", "(b2 - b3_before)*unit")),
    "mean that starts at 0": (ALONE, text("MEAN", "1/clip(seen, 1, inf)", "0")),
    "cosine without the part along q": (COSINE, text("WAY", "q_before - pull*q", "q_before")),
    "part of this image for the previous one": (COSINE, text("WAY", "pull_before*q", "pull*q")),
    "previous image left out": (
        ALONE, text("RULE_PAIRS", " - credit_before_post*r_before_pre", ""),
    ),
    "slope of this image for both": (ALONE, text("NOTE", "*h_before", "*h")),
    "silent cells forget what they sent before": (
        ALONE, text("LEARN", "(r_sent != 0 or r_before != 0)", "r_sent > 0"),
    ),
    "no cell drops out": ("dropout", text("KEEP", "int(learning)", "0")),
    "readout of the wrong sign": ("last", text("READOUT_RULE", "delta_post", "-delta_post")),
    "batch without its mean": ("batch, alone", text("THIRD", "ways - b3*unit_ways", "ways")),
    "batch without its symmetry": ("batch, alone", text("THIRD", "2*(ways", "(ways")),
    "images met add up": ("batch, alone", text("FORGET", "b1 = 0\n", "")),
    "units that hold no cube": ("memory units", text("OTHER", "**(1.0/3)", "")),
    "units without a leak": ("memory units", text("TAKE_IN", " + leak", "")),
    "units of which none forgets": (
        "memory units", text("TAKE_IN", "tanh(abs({1}/background)**3)", "0"),
    ),
    "slope of another function": (
        "convolutions, batch", text("ACTIVITY", "low*int(s <= 0)", "int(s <= 0)"),
    ),
    "third factors to all below a pool": (
        "convolutions, batch", text("BACK", "*int(winner_post == i)", ""),
    ),
    "the largest of this image for both": (
        "convolutions", text("BACK_BOTH", "winner_before_post", "winner_post"),
    ),
    "labels met add up": ("batch, alone", text("FORGET", "same = 0", "b1 = 0")),
}  # fmt: skip


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards regular tests that would pass on a broken model."""
    kind, spoil = SABOTAGES[name]
    spoil(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"), np.errstate(all="ignore"):
        check(MADE[kind]())


# ------------------------------------------------------------------ learning


def test_digits_are_learnt_better_than_by_the_readout_alone() -> None:
    """Guards rules that equal their oracle and learn nothing."""
    digits = load_dataset("digits")
    settings = PHSIC.preset("digits").parameters
    scores = {}
    for rule in ("pairs", "last"):
        system = PHSIC(layers=(64, 64, 64, 10), **{**settings, "rule": rule})
        with Simulator(system, seed=0) as simulator:
            simulator.fit(digits.x_train, digits.y_train, epochs=4, progress=False)
            scores[rule] = simulator.score(digits.x_test, digits.y_test)
    assert scores["pairs"] > 0.85
    assert scores["pairs"] > scores["last"] + 0.01, scores


# ------------------------------------------------------------------ objectives of layers


@pytest.mark.quick(1)
@pytest.mark.parametrize("kind", [KINDS[0], KINDS[4]], ids="-".join)
def test_objectives_are_those_of_what_the_cells_compare(kind: tuple[str, str]) -> None:
    """Guards a kernel of other cells, other pixels, or of a layer below; from the circuit."""
    system = small(*kind, layers=(5, 9, 6, 3), rule="batch", optimizer="momentum")
    weights, images, labels = task(system)
    circuit = system.circuit()
    owners = {k: f"group_{k}" if system.grouped else f"layer_{k}" for k in system.hidden}
    inputs = {"stimulus": images, "target": labels}
    chunk = Chunk(inputs, weights, phases=system.evaluation_phases())
    record = {owner: ("q",) for owner in owners.values()}
    with open_backend("runtime", circuit, dtype="float64", max_cycles=IMAGES, record=record) as one:
        seen = one.run(chunk).trajectories
    found = system.objectives(weights, images, labels)
    Ky = label_kernel(labels.T)
    for k, owner in owners.items():
        steps = seen[owner]["q"]
        q = steps.reshape(IMAGES, -1, steps.shape[1])[:, -1]
        K = np.array([[_similarity(kind[0], a, b, system.sigma) for a in q] for b in q])
        own, both = (K * K).mean() - K.mean() ** 2, (K * Ky).mean() - K.mean() * Ky.mean()
        assert found[f"layer_{k}"] == pytest.approx(own - system.gamma * both, rel=1e-9)
    assert len(set(found.values())) == 2


def _similarity(kernel_name: str, a: Any, b: Any, sigma: float) -> float:
    if kernel_name == "cosine":
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))
    return float(np.exp(-((a - b) ** 2).sum() / (2 * sigma**2)))


def test_runs_record_the_objectives_of_their_layers(tmp_path: Path) -> None:
    """Guards metrics and the figure: a value per layer and epoch, and at 0 of first weights."""
    settings = resolve({
        "system": "phsic", "dataset": "digits", "hidden": [12, 8], "epochs": 2,
        "backend": "runtime", "train_images": 8, "test_images": 30, "check_output": False,
    })  # fmt: skip
    start_training(settings, tmp_path / "run", progress=False)
    run = figures.Run(tmp_path / "run")
    assert [list(row["objective"]) for row in run.rows] == [["layer_1", "layer_2"]] * 2
    last = run.simulator.objectives(run.data.x_test, run.data.y_test)
    assert run.rows[-1]["objective"] == pytest.approx(last)
    lines = figures.objective(run).axes[0].lines
    start = run.untrained.objectives(run.data.x_test, run.data.y_test)
    for line, name in zip(lines, ("layer_1", "layer_2"), strict=True):
        assert list(line.get_xdata()) == [0, 1, 2]
        assert list(line.get_ydata()) == pytest.approx(
            [start[name], *(row["objective"][name] for row in run.rows)]
        )
