"""Wirings as objects: each equals a dense matrix with zeros or ties, on every back end."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from neurosim.backends import open_backend
from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.chunks import Chunk, ChunkResult
from neurosim.backends.cpp.generate import generate
from neurosim.circuit import (
    Blocks,
    Circuit,
    Convolution,
    CycleInput,
    Event,
    Pairs,
    Pathway,
    Phase,
    Pool,
    Population,
    Projection,
    RandomFraction,
    Readout,
    Windows,
    Wiring,
    circuit_from_dict,
    reset_action,
)
from neurosim.circuit.windows import Sliding
from neurosim.errors import CircuitError
from neurosim.learning.metrics import count_synops

IMAGE = (2, 5, 4)
IMAGES, BATCH = 7, 3
GATHER, AT_ONCE = "g += s_post*r_pre", "w += 0.005*s_post*r_pre"
COMMIT = "w += 0.01/batch*g"
SIGNAL, OFFSET = "s_post += w*r_pre", "s_post += r_pre*(1 + w)"


@dataclasses.dataclass(frozen=True)
class Case:
    """A wiring between populations of given sizes, how it learns, and what it delivers."""

    wiring: Any
    pre: int
    post: int
    how: str = "gathers"
    signal: str = SIGNAL

    @property
    def wired(self) -> Wiring:
        """The wiring as an object."""
        return self.projection("x").wired

    def projection(self, name: str) -> Projection:
        """Synapses that carry signal both ways and learn."""
        rules = {"gathers": GATHER, "at once": AT_ONCE, "at once on target": AT_ONCE}
        on_target = self.how == "at once on target"
        learn = Pathway("learn", "learn", rules[self.how], learns=True,
                        side="post" if on_target else "pre")  # fmt: skip
        back = Pathway("back", "reply", "b_pre += w*s_post", side="post")
        gathers = self.how == "gathers"
        return Projection(
            name, f"source_{name}", f"target_{name}", "w : 1\n" + "g : 1\n" * gathers,
            (Pathway("signal", "send", self.signal), back, learn),
            wiring=self.wiring, weight=f"W_{name}", commit=COMMIT * gathers,
        )  # fmt: skip


def windows(kind: type[Sliding], how: str = "gathers", **numbers: Any) -> Case:
    """Windows on the image, or on their way back to it."""
    wiring = kind(IMAGE, **numbers)
    ends = [math.prod(shape) for shape in (wiring.shape, wiring.out_shape)]
    return Case(wiring, *(ends[::-1] if wiring.backward else ends), how)


SAME = {"kernel": 3, "padding": 1}
CASES = {
    "local": windows(Windows, channels=3, kernel=3, padding=1),
    "stride": windows(Windows, channels=18, kernel=3, stride=2, padding=(0, 1)),
    "tied": windows(Convolution, channels=17, kernel=3, padding=(2, 1)),
    "tied_stride": windows(Convolution, channels=3, kernel=3, stride=2, padding=1),
    "gaps": windows(Convolution, channels=2, kernel=2, stride=3),
    "back_local": windows(Windows, channels=2, kernel=3, stride=2, padding=1, backward=True),
    "back_tied": windows(Convolution, channels=3, backward=True, **SAME),
    "pools": windows(Pool, kernel=3, stride=2, padding=(0, 1)),
    "blocks": Case(Blocks(5), 20, 15),
    "pairs": Case(Pairs((4, 0, 2, 0, 4), (1, 2, 2, 0, 0)), 5, 3),
    "half": Case(RandomFraction("all_to_all", 0.5, 3), 21, 19),
    "tenth": Case(RandomFraction("all_but_self", 0.1, 3), 19, 19),
    "half_tied": windows(Convolution, channels=17, **SAME),
    "half_local": windows(Windows, channels=3, **SAME),
    "back_half": windows(Convolution, channels=2, backward=True, **SAME),
    "at_once": windows(Windows, "at once", channels=17, kernel=3, stride=2),
    "from_target": windows(Windows, "at once on target", channels=3, kernel=3),
    "rows_at_once": Case(RandomFraction("all_to_all", 0.5, 5), 9, 19, "at once"),
    "pairs_at_once": Case(Pairs((1, 0, 2), (1, 2, 0)), 3, 3, "at once on target"),
    "offset": Case(RandomFraction("all_to_all", 0.5, 7), 9, 19, signal=OFFSET),
}
for part in ("half_tied", "half_local", "back_half"):
    CASES[part] = dataclasses.replace(
        CASES[part], wiring=RandomFraction(CASES[part].wiring, 0.5, 1)
    )

WIDTH = max(case.pre for case in CASES.values())
SOURCE = "r : 1\nb : 1\n"
TARGET = "s : 1\n"


def circuit(cases: dict[str, Case] = CASES) -> Circuit:
    """Every source sends the image, every target what it got; then synapses learn."""
    populations, readouts = [], []
    for name, case in cases.items():
        shown = reset_action(SOURCE, r=f"image_{name}(cycle_time, i)")
        populations += [
            Population(f"source_{name}", case.pre, SOURCE, (
                Event("onset", "onset", "onset", shown),
                Event("send", "onset and r > 0.3", "sense", counted="spikes"),
                Event("end", "end_show", "phase_end"),
                Event("learn", "end_show and learning and r > 0.3", "learn"),
            )),
            Population(f"target_{name}", case.post, TARGET, (
                Event("onset", "onset", "onset", reset_action(TARGET)),
                Event("reply", "phase_step == 1 and abs(s) > 0.1", "send", counted="replies"),
                Event("end", "end_show", "phase_end"),
                Event("learn", "end_show and learning and abs(s) > 0.1", "learn"),
            )),
        ]  # fmt: skip
        readouts += [Readout(f"s_{name}", f"target_{name}", "end", "s"),
                     Readout(f"b_{name}", f"source_{name}", "end", "b")]  # fmt: skip
    return Circuit(
        name="wired", dt=1.0, phases=(Phase("show", 2),),
        inputs=tuple(CycleInput(f"image_{name}", case.pre) for name, case in cases.items()),
        populations=tuple(populations), readouts=tuple(readouts), answer=readouts[0].name,
        projections=tuple(case.projection(name) for name, case in cases.items()),
    )  # fmt: skip


def images() -> NDArray[np.float64]:
    """Some of one pixel or two, some full: few events and many are delivered in other ways."""
    rng = np.random.default_rng(0)
    full = rng.uniform(-0.5, 1, size=(IMAGES, WIDTH))
    few = rng.random(full.shape) < 0.05
    return np.where(np.arange(IMAGES)[:, None] % 3 == 1, full * few, full)


def chunk(made: Circuit, batch: int = BATCH) -> Chunk:
    """All images, and weights drawn in their natural shapes."""
    rng = np.random.default_rng(1)
    weights = {w.name: 0.5 * rng.normal(size=w.shape) for w in made.weights}
    shown = {given.name: images()[:, : given.width] for given in made.inputs}
    return Chunk(shown, weights, learning=True, batch=batch)


@dataclasses.dataclass
class Expected:
    """What a dense network does."""

    s: list[NDArray[np.float64]]
    b: list[NDArray[np.float64]]
    w: NDArray[np.float64]
    up: int = 0
    down: int = 0


def dense(case: Case, start: NDArray[np.float64], batch: int = BATCH) -> Expected:
    """The same with matrices: NumPy, without a thought of speed."""
    there = naive(case.wired, case.pre, case.post)
    found = Expected([], [], np.where(used(case, there), start, 0))
    exists = np.zeros((case.post, case.pre))
    exists[[j for _, j, _ in there], [i for i, _, _ in there]] = 1
    g = np.zeros(found.w.size)
    for number, image in enumerate(images()):
        W = np.zeros((case.post, case.pre))
        for i, j, k in there:
            W[j, i] = found.w.flat[k]
        sent = np.where(image[: case.pre] > 0.3, image[: case.pre], 0)
        s = (W + exists * (case.signal == OFFSET)) @ sent
        reply = np.where(abs(s) > 0.1, s, 0)
        found.s.append(s)
        found.b.append(W.T @ reply)
        found.up += int((exists @ (sent != 0)).sum())
        found.down += int((exists.T @ (reply != 0)).sum())
        change = np.outer(s, sent) if case.how != "at once on target" else np.outer(
            reply, image[: case.pre])  # fmt: skip
        for i, j, k in there:
            g[k] += change[j, i]
        if case.how != "gathers":
            found.w = found.w + 0.005 * g.reshape(found.w.shape)
            g[:] = 0
        elif (number + 1) % batch == 0 or number == IMAGES - 1:
            size = (number % batch) + 1
            found.w = found.w + 0.01 / size * g.reshape(found.w.shape)
            g[:] = 0
    return found


def naive(wired: Wiring, pre: int, post: int) -> list[tuple[int, int, int]]:
    """Synapses as (source, target, weight), by loops over all that could be."""
    if isinstance(wired, RandomFraction):
        there = wired.existing(pre, post).ravel()
        return [synapse for synapse in naive(wired.whole, pre, post) if there[synapse[2]]]
    if isinstance(wired, Pairs):
        return [(i, j, k) for k, (i, j) in enumerate(zip(wired.source, wired.target, strict=True))]
    if isinstance(wired, Blocks):
        a, b = pre // wired.groups, post // wired.groups
        return [(i, j, (i // a * b + j % b) * a + i % a) for i in range(pre) for j in range(post)
                if i // a == j // b]  # fmt: skip
    if not isinstance(wired, Sliding):
        off = wired.kind == "all_but_self"
        return [(i, j, j * pre + i) for i in range(pre) for j in range(post) if not off or i != j]
    (C, H, W), (N, P, Q), k = wired.shape, wired.out_shape, wired.kernel
    found = []
    for o, p, q, c, y, x in itertools.product(*map(range, (N, P, Q, C, k, k))):
        row, column = (n * wired.stride + d - wired.margins[0] for n, d in ((p, y), (q, x)))
        if not (0 <= row < H and 0 <= column < W) or (isinstance(wired, Pool) and c != o):
            continue
        natural = {
            "convolution": ((o, c, y, x), (N, C, k, k)),
            "windows": ((o, p, q, c, y, x), (N, P, Q, C, k, k)),
            "pool": ((o, p, q, y, x), (N, P, Q, k, k)),
        }[wired.kind]
        ends = (c * H + row) * W + column, (o * P + p) * Q + q
        weight = int(np.ravel_multi_index(*natural))
        found.append((*(ends[::-1] if wired.backward else ends), weight))
    return found


def used(case: Case, there: list[tuple[int, int, int]]) -> NDArray[np.bool_]:
    """Which weights some synapse uses."""
    shape = case.wired.weight_shape(case.pre, case.post)
    found = np.zeros(math.prod(shape), bool)
    found[[k for _, _, k in there]] = True
    return found.reshape(shape)


# ------------------------------------------------------------------ where synapses lie


def check_synapses(name: str) -> None:
    """Compare a wiring's synapses with loops over all that could be."""
    case = CASES[name]
    got = case.wired.synapses(case.pre, case.post)
    listed = np.stack((got.source, got.target, got.weight), axis=1)
    there = naive(case.wired, case.pre, case.post)
    # arrays, not lists: pytest would seek the difference of long lists for minutes
    np.testing.assert_array_equal(listed, sorted(there), name)
    np.testing.assert_array_equal(case.wired.existing(case.pre, case.post), used(case, there))
    for fan, end, size in (("fan_out", 0, case.pre), ("fan_in", 1, case.post)):
        counted = np.bincount([synapse[end] for synapse in there], minlength=size)
        found = getattr(case.wired, fan)(case.pre, case.post)
        np.testing.assert_array_equal(found, counted, f"{name}, {fan}")


@pytest.mark.parametrize("name", CASES)
def test_a_wiring_has_the_synapses_that_it_says(name: str) -> None:
    """Guards windows a pixel off, weights of another synapse, and borders."""
    check_synapses(name)


@pytest.mark.parametrize("broken", [
    lambda a, b: (a + 1, b), lambda a, b: (b, a), lambda a, b: (a[:, ::-1], b),
])  # fmt: skip
def test_windows_in_another_place_are_noticed(
    broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: windows a row lower, turned on their side, or upside down."""
    sound = Sliding.taps
    monkeypatch.setattr(Sliding, "taps", lambda self: broken(*sound(self)))
    with pytest.raises((AssertionError, ValueError)):
        check_synapses("tied")


def test_a_program_of_convolutions_is_written_without_a_list_of_their_synapses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards hundreds of millions of synapses in memory, where a few numbers would do."""
    made = circuit({"tied": CASES["tied"]})
    with brian2_settings(np.dtype("float64")):
        text = generate(made, real="double").text

    def refuse(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Sliding, "synapses", refuse)
    with brian2_settings(np.dtype("float64")):
        assert generate(made, real="double").text == text
    projection = made.projections[0]
    assert made.fans(projection, "pre").sum() == made.fans(projection, "post").sum() > 0


def test_a_random_fraction_is_what_its_seed_says() -> None:
    """Guards half of the synapses that are always the same, or another share."""
    first, other = (
        RandomFraction("all_to_all", 0.3, seed).existing(100, 90) for seed in (1, 2)
    )  # fmt: skip
    assert (first != other).any()
    assert abs(first.mean() - 0.3) < 0.02
    again = RandomFraction("all_to_all", 0.3, 1).existing(100, 90)
    np.testing.assert_array_equal(first, again)


def test_a_circuit_keeps_its_wirings_through_json() -> None:
    """Guards a description that forgets which wiring it had."""
    import json

    made = circuit()
    again = circuit_from_dict(json.loads(json.dumps(dataclasses.asdict(made))))
    assert again == made
    assert again.digest() == made.digest()
    other = dataclasses.replace(CASES["half"], wiring=RandomFraction("all_to_all", 0.5, 4))
    assert circuit({**CASES, "half": other}).digest() != made.digest()


# ------------------------------------------------------------------ what synapses do


def check_result(result: ChunkResult, made: Circuit, batch: int = BATCH) -> None:
    """Compare a run with dense matrices."""
    start = chunk(made).weights
    for name in (projection.name for projection in made.projections):
        case = CASES[name]
        want = dense(case, start[f"W_{name}"], batch)
        close = {"rtol": 0, "atol": 1e-11, "err_msg": name}
        np.testing.assert_allclose(result.readouts[f"s_{name}"], want.s, **close)
        np.testing.assert_allclose(result.readouts[f"b_{name}"], want.b, **close)
        np.testing.assert_allclose(result.weights[f"W_{name}"], want.w, **close)
        assert result.event_counts[f"{name}.signal"] == want.up, name
        assert result.event_counts[f"{name}.back"] == want.down, name
        assert min(want.up, want.down) > 0, name


def some(*, gather: bool) -> dict[str, Case]:
    """Those that gather and commit, or those that change weights at once, image by image."""
    return {name: case for name, case in CASES.items() if (case.how == "gathers") == gather}


@pytest.mark.parametrize("backend", ["cpp", "runtime"])
def test_wirings_that_learn_at_once_equal_dense_matrices(backend: str) -> None:
    """Guards loops from the source and from the target, and synapses that do not exist."""
    made = circuit(some(gather=False))
    with open_backend(backend, made, dtype="float64", max_cycles=IMAGES) as opened:
        check_result(opened.run(chunk(made, 1)), made, 1)


def test_the_runtime_back_end_equals_dense_matrices() -> None:
    """Guards synapses, ties, counts and borders in Brian2's own network."""
    made = circuit(some(gather=True))
    with open_backend("runtime", made, dtype="float64", max_cycles=IMAGES) as opened:
        check_result(opened.run(chunk(made)), made)


def test_the_compiled_back_end_equals_dense_matrices_in_any_number_of_lanes() -> None:
    """Guards every loop of the program, and sums that depend on who adds them."""
    cases = some(gather=True)
    made = circuit(cases)
    with open_backend("cpp", made, dtype="float64", max_cycles=IMAGES) as opened:
        given = chunk(made)
        whole = opened.run(given)
        check_result(whole, made)
        for lanes, threads in ((1, 1), (2, 1), (3, 2)):
            parts = opened.run(given, lanes=lanes, threads=threads)
            for name in whole.weights:
                np.testing.assert_array_equal(parts.weights[name], whole.weights[name])
            assert parts.event_counts == whole.event_counts
        # weights go in and out as they are
        kept = opened.run(dataclasses.replace(given, learning=False)).weights
    for name, case in cases.items():
        exists = used(case, naive(case.wired, case.pre, case.post))
        np.testing.assert_array_equal(kept[f"W_{name}"], given.weights[f"W_{name}"] * exists)


def test_synaptic_operations_follow_the_cells_that_sent() -> None:
    """Guards a count that takes all cells for cells in the middle of the image."""
    case = {"local": CASES["local"]}
    made = circuit(case)
    projection = made.projection("local")
    reach = made.fans(projection, "pre")
    # 3 channels: 2 x 2 windows over a corner, 3 x 3 in the middle
    assert (reach.min(), reach.max()) == (12, 27) == (reach[0], made.fan_out(projection))
    assert made.dense_macs_per_step() == 2 * reach.sum()
    counts = {"source_local.send": 5, "local.signal": 100, "local.back": 11}
    assert count_synops(made, counts) == 111


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Windows((1, 4, 4), 2, 5), r"a window of 5 x 5 is larger than the image of 4 x 4"),
        (lambda: Windows((4, 4), 2, 3), r"shape \(4, 4\); give \(channels, height, width\)"),
        (lambda: Convolution((1, 4, 4), 0, 3), r"channels = 0; give a whole number of 1 or more"),
        (lambda: Convolution((1, 4, 4), 2, 3, stride=1.5), r"stride = 1.5; give a whole number"),
        (lambda: Convolution((1, 4, 4), 2, 3, padding=-1), r"padding = -1; give a whole number"),
        (lambda: Convolution((1, 4, 4), 2, 3, padding=(3, 0)), r"less padding than the kernel"),
        (lambda: Pool((2, 4, 4), channels=3), r"a pool keeps the channels apart"),
        (lambda: Blocks(0), r"groups = 0"),
        (lambda: Pairs((0, 1), (0,)), r"2 sources and 1 targets"),
        (lambda: Pairs((0, 0), (1, 1)), r"name two cells twice"),
        (lambda: RandomFraction("all_to_all", 1.5, 0), r"1.5; give a number in \(0, 1\]"),
        (lambda: RandomFraction("all_to_al", 0.5, 0), r"did you mean 'all_to_all'"),
        (lambda: RandomFraction("all_to_all", 0.5, -1), r"seed -1"),
        (lambda: Case("windows", 4, 4).wired, r"'windows'.*or an object: Blocks, Windows"),
        (
            lambda: circuit({"x": Case(Windows((1, 4, 4), 2, 3), 15, 8)}),
            r"projection 'x' is wired by 3 x 3 windows, untied, on 1 x 4 x 4, which needs "
            r"1 x 4 x 4 = 16 cells in its source; it has 15",
        ),
        (
            lambda: circuit({"x": Case(Windows((1, 4, 4), 2, 3), 16, 9)}),
            r"needs 2 x 2 x 2 = 8 cells in its target; it has 9",
        ),
        (lambda: circuit({"x": Case(Blocks(3), 9, 4)}), r"target has 4 cells, which do not share"),
        (lambda: circuit({"x": Case(Pairs((5,), (0,)), 5, 2)}), r"cell 5 of its source"),
        (
            lambda: circuit({"x": Case(RandomFraction("all_to_all", 1e-9, 0), 3, 2)}),
            r"the seed 0 leaves no synapse",
        ),
        (
            lambda: circuit({"x": Case(Convolution((1, 4, 4), 2, 3), 16, 8, "at once")}),
            r"shares weights between synapses .* give Projection\(commit=...\)",
        ),
    ],
)  # fmt: skip
def test_wirings_that_cannot_be_are_refused(make: Callable[[], Any], words: str) -> None:
    """Guards a wiring that is cut to fit, and complaints that name no way out."""
    with pytest.raises(CircuitError, match=words):
        make()
