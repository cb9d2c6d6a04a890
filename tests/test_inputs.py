"""Images and labels as users hold them: converted where the meaning is clear, else refused."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from oracles import small_system

from neurosim import CorInfoMax, CorInfoMaxSparse, Simulator
from neurosim.errors import DataError
from neurosim.learning.inputs import as_images, as_targets, output_range

RNG = np.random.default_rng(5)
PIXELS = RNG.uniform(size=(4, 6))
LABELS = np.array([2, 0, 1, 1])


@pytest.fixture(scope="module")
def shared() -> Simulator:
    """A network of 5 inputs and 3 classes that is only asked for checks."""
    return Simulator(small_system(), backend="runtime")


# ------------------------------------------------------------------ stand-ins for other packages


class Tensor:
    """What counts of a torch tensor that requires a gradient."""

    def __init__(self, values: np.ndarray, *, leaf: bool = True) -> None:
        self._values, self._leaf = values, leaf

    def __array__(self, *args: Any, **how: Any) -> np.ndarray:
        """As torch does it."""
        if self._leaf:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nUse detach()")
        return self._values

    def detach(self) -> Tensor:
        """The same without its gradient."""
        return Tensor(self._values, leaf=False)

    def cpu(self) -> Tensor:
        """The same in main memory."""
        return self


class Frame:
    """What counts of a pandas DataFrame or Series: an array of Python objects."""

    def __init__(self, values: Any) -> None:
        self._values = np.array(values, dtype=object)

    def __array__(self, *args: Any, **how: Any) -> np.ndarray:
        """As pandas gives columns of several types."""
        return self._values


def kind(given: Any) -> str:
    """The type of a value, the same in every process."""
    return f"{type(given).__name__}{getattr(given, 'shape', '')}"


@pytest.mark.parametrize(
    "given",
    [
        PIXELS.tolist(),
        scipy.sparse.csr_matrix(PIXELS),
        scipy.sparse.coo_array(PIXELS),
        PIXELS.astype(object),
        Tensor(PIXELS),
        Frame(PIXELS),
        PIXELS.reshape(4, 2, 3),
        PIXELS.reshape(4, 1, 2, 3),
        PIXELS.reshape(4, 2, 3, 1),
        PIXELS.reshape(4, 3, 1, 2),
        np.ma.masked_array(PIXELS, mask=False),
    ],
    ids=kind,
)
def test_images_in_other_forms_are_the_same_images(given: Any) -> None:
    """Guards against pixels that are lost, reordered or refused although they are clear."""
    np.testing.assert_array_equal(as_images(given, 6), PIXELS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (LABELS, LABELS),
        (LABELS[:, None], LABELS),
        (LABELS.astype(object), LABELS),
        (Frame(LABELS), LABELS),
        (Frame(LABELS[:, None]), LABELS),
        (Tensor(LABELS), LABELS),
        (LABELS.astype(np.uint8), LABELS),
        (np.array([True, False]), [1, 0]),
        (scipy.sparse.csr_matrix(np.eye(3)[LABELS]), LABELS),
        (np.eye(3)[LABELS].astype(object), LABELS),
    ],
    ids=kind,
)
def test_labels_in_other_forms_are_the_same_labels(given: Any, expected: Any) -> None:
    """Guards against labels that are read as something else."""
    np.testing.assert_array_equal(as_targets(given, 3), np.eye(3)[expected])


def test_fractions_and_other_real_numbers_are_numbers() -> None:
    """Guards against a refusal of numbers because of their type."""
    np.testing.assert_array_equal(as_images([[Fraction(1, 2), 1.0]], 2), [[0.5, 1.0]])


# ------------------------------------------------------------------ refusals

MASKED = np.ma.masked_array(np.ones((2, 5)), mask=np.arange(10).reshape(2, 5) % 2)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((3, 4)), r"shape \(3, 4\); this network takes \(n, 5\)"),
        (np.zeros(5), r"shape \(5,\); .*; one image alone: x\.reshape\(1, -1\)"),
        (np.zeros((5, 1)), r"shape \(5, 1\); .*; one image alone"),
        (np.zeros((0, 5)), r"shape \(0, 5\); this network takes \(n, 5\) with n >= 1"),
        (np.zeros((2, 5, 2)), r"shape \(2, 5, 2\)"),
        (np.zeros((2, 1, 1, 5)), r"^$"),
        (np.full((2, 5), np.nan), "finite numbers; got 10 values that are not"),
        (np.full((2, 5), np.inf), "finite numbers"),
        (np.full((2, 5), "a"), "finite numbers; got values of type"),
        (np.full((2, 5), "1.5", dtype=object), "finite numbers; got values of type object"),
        (np.full((2, 5), None), "finite numbers"),
        (np.full((2, 5), 1j), "numbers"),
        ([[0.0] * 5, [0.0] * 4], r"images of shape \(n, 5\) are needed"),
        (MASKED, r"images: 5 values are masked.*x\.filled\(0\)"),
        (list(MASKED), r"images: 5 values are masked"),
        (np.array([[10**400, 0, 0, 0, 0]], dtype=object), r"are needed: .*large"),
    ],
    ids=str,
)
def test_images_that_do_not_fit_are_refused_in_one_line(
    shared: Simulator, x: Any, words: str
) -> None:
    """Guards against images that are cut, broadcast, unmasked or read as something else."""
    if words == "^$":
        # one channel: clear
        assert shared.check_images(x).shape == (2, 5)
        return
    with pytest.raises(DataError, match=words) as caught:
        shared.check_images(x)
    assert "\n" not in str(caught.value)


def test_colours_that_come_last_are_refused_with_the_way_out() -> None:
    """Guards against pixels in another order than those of load_dataset."""
    with pytest.raises(DataError, match=r"channels first: x\.transpose\(0, 3, 1, 2\)"):
        as_images(np.zeros((2, 8, 8, 3)), 192)
    assert as_images(np.zeros((2, 3, 8, 8)), 192).shape == (2, 192)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 3], r"labels run from 0 to 3; this network has classes 0 to 2"),
        ([-1, 1], r"labels run from -1 to 1"),
        ([0.0, 1.0], r"shape \(2,\) and type float64; give whole class numbers.*astype\(int\)"),
        (["0", "1"], r"give whole class numbers"),
        ([[0, 1], [1, 0]], r"shape \(2, 2\).*target rates of shape \(n, 3\)"),
        (np.full((2, 3), np.nan), r"target rates of shape \(n, 3\) must be finite"),
        (np.full((2, 3), np.inf), r"target rates of shape \(n, 3\) must be finite"),
        ([["a", "b", "c"]] * 2, r"target rates of shape \(n, 3\)"),
        (np.zeros((2, 3)), r"target row 0 gives all outputs the rate 0 \(and 1 other rows"),
        ([[0, 1, 0], [0.5, 0.5, 0.5]], r"target row 1 gives all outputs the rate 0\.5"),
        ([0, 1, 2], r"2 images but 3 labels"),
        ([0], r"2 images but 1 label;"),
        ([], r"give whole class numbers|0 labels"),
        ([[0, 1, 0], [1]], r"labels of shape \(n,\) or \(n, 3\) are needed"),
        (np.ma.masked_array([0, 1], mask=[False, True]), r"labels: 1 values are masked"),
    ],
    ids=str,
)
def test_labels_that_do_not_fit_are_refused_wherever_they_are_given(
    shared: Simulator, y: Any, words: str
) -> None:
    """Guards against labels counted from 1, one label short, or that name no class."""
    x = np.zeros((2, 5))
    calls: list[Any] = [shared.fit, shared.score, shared.record, shared.activity]
    for call in [*calls, shared.state_changes]:
        with pytest.raises(DataError, match=words):
            call(x, y)


# ------------------------------------------------------------------ warnings


def test_images_that_were_not_scaled_are_warned_of_once() -> None:
    """Guards an hour of training on grey values from 0 to 255, which learns next to nothing."""
    grey = np.full((1, 5), 200, np.uint8)
    simulator = Simulator(small_system(), backend="runtime")
    with pytest.warns(UserWarning, match=r"up to 200; .*divide by 255"):
        simulator.predict(grey)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        simulator.check_images(grey)
        # as after standardising: around 0, with some values far out
        Simulator(small_system(), backend="runtime").check_images(np.full((1, 5), -10.0))
    with pytest.warns(UserWarning, match="up to 200"):
        Simulator(small_system(), backend="runtime").check_images(-1.0 * grey)


@pytest.mark.parametrize("wrong", [255.0, -1.0, 1e6])
def test_targets_that_no_output_cell_can_reach_are_warned_of_once(wrong: float) -> None:
    """Guards against targets of 255, which pull all outputs to their limit."""
    simulator = Simulator(small_system(), backend="runtime")
    targets = np.array([[0, wrong, 0], [0, 0, 1.0]])
    words = f"run from .*{wrong:g}.* between 0 and 1"
    with pytest.warns(UserWarning, match=words.replace("+", r"\+")):
        simulator.check_targets(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        simulator.check_targets(targets)


def test_the_range_of_the_outputs_is_what_their_equation_says() -> None:
    """Guards against a warning of targets that signed outputs can reach."""
    signed = CorInfoMaxSparse(layers=(5, 6, 3), domains=("antisparse",))
    assert output_range(signed, signed.circuit()) == (-1, 1)
    assert output_range(CorInfoMax(), CorInfoMax().circuit()) == (0, 1)
    # no plain clip: nothing is claimed
    simplex = CorInfoMaxSparse(layers=(5, 6, 3), domains=("sparse",))
    assert output_range(simplex, simplex.circuit()) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        Simulator(signed, backend="runtime").check_targets([[1, -1, -1]])
