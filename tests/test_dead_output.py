"""Outputs that always give the same answer: dead ones are found, imbalanced labels are not."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim import CorInfoMax, Dataset, Simulator, load_dataset
from neurosim.errors import DivergenceError
from neurosim.learning.dead_output import DeadOutput
from neurosim.learning.sanity import LearningCheck


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def digits_simulator(**changes: object) -> Simulator:
    """The network for the embedded digits that test_simulator.py compiles, too."""
    settings = {**CorInfoMax.preset("digits").parameters, **changes}
    simulator = Simulator(CorInfoMax(layers=(64, 100, 10), **settings), seed=1, chunk_images=600)
    assert simulator.backend.max_cycles == 600
    return simulator


# ------------------------------------------------------------------ the measure


@given(
    answers=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    cuts=st.sets(st.integers(1, 39)),
    seed=st.integers(0, 5),
)
def test_wrong_answers_are_counted_however_the_images_are_cut(
    answers: list[int], cuts: set[int], seed: int
) -> None:
    """Guards against a verdict that depends on the length of a chunk."""
    classes = np.random.default_rng(seed).integers(0, 3, len(answers))
    pairs = zip(answers, classes.tolist(), strict=True)
    stretches = itertools.groupby(pairs, key=lambda pair: pair[0])
    expected = max(sum(a != c for a, c in stretch) for _, stretch in stretches)
    watch = DeadOutput()
    pieces = np.split(np.arange(len(answers)), sorted(c for c in cuts if c < len(answers)))
    found = [watch.add(np.array(answers)[piece], classes[piece]) for piece in pieces]
    assert max(found) == expected


def check() -> LearningCheck:
    return LearningCheck(CorInfoMax(layers=(4, 3, 2)).circuit(), "lower the rates")


def test_a_warning_comes_first_and_once() -> None:
    """Guards against a stop without notice, and a warning with every chunk."""
    watch, zeros, classes = check(), np.zeros(50, int), np.tile(np.arange(10), 5)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        # 45 of 50 answers are wrong
        for _ in range(22):
            watch.check_answers(zeros, classes, "in epoch 1")
        assert [str(w.message)[:22] for w in told] == ["the output may be dead"]
        with pytest.raises(DivergenceError, match=r"dead in epoch 1: .* 1035 images .*False"):
            watch.check_answers(zeros, classes, "in epoch 1")
        # whoever goes on is judged anew
        watch.check_answers(zeros, classes, "in epoch 1")


@pytest.mark.parametrize("share", [0.95, 0.8, 0.5])
def test_a_working_network_with_frequent_classes_passes(share: float) -> None:
    """Guards against a stop because labels repeat: most answers are alike, and right."""
    rng = np.random.default_rng(0)
    watch = check()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(40):
            classes = np.where(rng.random(500) < share, 3, rng.integers(10, size=500))
            # at first it knows little but the frequent class
            answers = np.where(rng.random(500) < 1 / 50, classes, 3)
            watch.check_answers(answers, classes, "")


# ------------------------------------------------------------------ in training


def test_an_output_that_gives_one_answer_to_all_is_called_dead(digits: Dataset) -> None:
    """Guards against hours of training of a collapsed network, also in small pieces."""
    with digits_simulator(mu_ff=(0.0, 0.0), mu_fb=(0.0,)) as simulator:
        simulator.weights["W_ff_1"] = np.zeros((10, 100))
        simulator.chunk_images = 70
        shown = digits.x_train, digits.y_train
        with (
            pytest.warns(UserWarning, match=r"may be dead in epoch 1 after image (4|5)\d0"),
            pytest.raises(DivergenceError, match=r"the output is dead in epoch 1 "),
        ):
            simulator.fit(*shown, progress=False)
        # 1000 wrong answers of ten classes are about 1111 images
        assert 980 <= simulator.position <= 1190
        # too few images since then to tell a dead output from chance
        simulator.restore(simulator.weights.arrays(), epoch=0, position=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            simulator.fit(digits.x_train[:40], digits.y_train[:40], progress=False)
            # and without the check, nothing is said
            simulator.check_output = False
            simulator.fit(*shown, progress=False)
        assert simulator.epoch == 2


def test_images_of_which_most_are_of_one_class_are_learnt(digits: Dataset) -> None:
    """Guards against a network that learns and is stopped because labels repeat."""
    rng = np.random.default_rng(0)
    frequent = np.resize(np.flatnonzero(digits.y_train == 0), 1365)
    rare = rng.choice(np.flatnonzero(digits.y_train != 0), 72, replace=False)
    chosen = np.concatenate([frequent, rare])
    x, y = digits.x_train[chosen], digits.y_train[chosen]
    with digits_simulator() as simulator, warnings.catch_warnings():
        warnings.simplefilter("error")
        simulator.fit(x, y, epochs=6, progress=False)
        assert simulator.score(x, y) > 0.95
        assert simulator.score(x[1365:], y[1365:]) > 0.1
        # one class alone: all answers alike, and all right
        simulator.fit(x[:1100], y[:1100], progress=False)
        assert simulator.score(x[:1100], y[:1100]) == 1
