"""NeurosimClassifier: what scikit-learn expects of an estimator, and what the network gets."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from neurosim import Backpropagation, EquilibriumPropagation, NeurosimClassifier, Simulator
from neurosim.circuit import Circuit
from neurosim.data.scaling import InputScale
from neurosim.errors import DataError, ParameterError
from neurosim.learning import classifier
from neurosim.system import System

#: A network so small that Brian2 runs it inside Python at once.
SMALL: dict[str, Any] = {"hidden": (4,), "epochs": 1, "backend": "runtime"}

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(centre, 0.3, (8, 2)) for centre in ((-1, 0), (1, 0), (0, 1))])
WORDS = np.repeat(["cat", "dog", "owl"], 8)


class Centroids:
    """Stands for a simulator: the nearest mean of a class, as rates from 0 to 1."""

    def __init__(self, system: System, **settings: Any) -> None:
        self.system, self.circuit = system, system.circuit()
        self.sums, self.counts = np.zeros(system.layers[::2]), np.zeros(system.layers[-1])

    def fit(self, x: NDArray[Any], y: NDArray[Any], epochs: int, **_: Any) -> None:
        """Add examples to the means."""
        targets = np.eye(len(self.counts))[y]
        self.sums, self.counts = self.sums + x.T @ targets, self.counts + targets.sum(axis=0)

    def decision_function(self, x: NDArray[Any]) -> NDArray[Any]:
        """Rates that fall with the distance."""
        means = self.sums / np.maximum(self.counts, 1)
        return np.exp(-((x[:, :, None] - means) ** 2).sum(axis=1))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> NeurosimClassifier:
    """An estimator whose network learns at once."""
    monkeypatch.setattr(classifier, "Simulator", Centroids)
    return NeurosimClassifier("ep", hidden=(3,), epochs=1)


@pytest.fixture
def global_numbers() -> Iterator[None]:
    """Put back NumPy's global generator, which scikit-learn's checks draw from."""
    state = np.random.get_state()  # noqa: NPY002 - this very state
    yield
    np.random.set_state(state)  # noqa: NPY002


# ------------------------------------------------------------------ scikit-learn


@pytest.mark.usefixtures("global_numbers")
def test_scikit_learn_finds_no_fault(quick: NeurosimClassifier) -> None:
    """All of scikit-learn's checks of an estimator pass; none is expected to fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(quick, on_fail=None)
    failed = [f"{r['check_name']}: {r['exception']!r}" for r in results if r["status"] == "failed"]
    assert not failed, "\n".join(failed)
    assert sum(r["status"] == "passed" for r in results) > 40


@pytest.mark.slow
@pytest.mark.usefixtures("global_numbers")
def test_scikit_learn_finds_no_fault_in_a_network() -> None:
    """The same with networks that learn; a program is compiled for each number of features."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(NeurosimClassifier())


@pytest.mark.slow
def test_a_search_over_epsilon_on_digits() -> None:
    """Guards the use that is on the page: accuracies differ, and the best is good."""
    x, y = load_digits(return_X_y=True)
    search = GridSearchCV(
        NeurosimClassifier(hidden=(100,), epochs=3),
        {"parameters__epsilon": [0.1, 0.3]},
        cv=3,
        error_score="raise",
    )
    search.fit(x, y)
    assert search.best_score_ > 0.85
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0


def test_a_search_sets_parameters_of_the_system(quick: NeurosimClassifier) -> None:
    """Guards a search whose values never reach the network."""
    search = GridSearchCV(quick, {"parameters__batch": [1, 2], "scale": ["range"]}, cv=2)
    search.fit(X, WORDS)
    assert search.best_estimator_.simulator_.system.batch == 1
    assert [p["parameters__batch"] for p in search.cv_results_["params"]] == [1, 2]
    assert quick.parameters is None


def test_parameters_are_copied_and_named() -> None:
    """Guards one estimator changing another, and slips in names."""
    given = {"batch": 3}
    model = NeurosimClassifier(EquilibriumPropagation, parameters=given)
    other = clone(model).set_params(parameters__batch="5", epochs=2)
    assert (given, other.parameters) == ({"batch": 3}, {"batch": 5})
    assert other.get_params()["parameters__batch"] == 5
    assert "parameters__batch" not in other.get_params(deep=False)
    with pytest.raises(ParameterError, match="did you mean 'batch'"):
        model.set_params(parameters__bach=1)
    with pytest.raises(ValueError, match="epoch"):
        model.set_params(epoch=1)


def test_labels_of_any_kind_and_a_pipeline(quick: NeurosimClassifier) -> None:
    """Words, numbers with gaps and booleans come back as they were given."""
    model = make_pipeline(StandardScaler(), quick).fit(X, WORDS)
    assert model.classes_.tolist() == ["cat", "dog", "owl"]
    assert model.score(X, WORDS) > 0.9
    for labels in (np.repeat([5, -1, 70], 8), np.repeat([True, False, True], 8)):
        predicted = clone(quick).fit(X, labels).predict(X)
        assert set(predicted.tolist()) <= set(labels.tolist())
        assert predicted.dtype == labels.dtype


def test_sparse_input_is_the_same(quick: NeurosimClassifier) -> None:
    """Guards a sparse matrix that is read as something else."""
    dense = quick.fit(X, WORDS).predict_proba(X)
    np.testing.assert_array_equal(quick.fit(sparse.csr_array(X), WORDS).predict_proba(X), dense)


def test_probabilities_of_two_classes_rise_with_the_decision(quick: NeurosimClassifier) -> None:
    """scikit-learn ranks by either of them."""
    labels = WORDS != "dog"
    quick.fit(X, labels)
    decision, shares = quick.decision_function(X), quick.predict_proba(X)
    np.testing.assert_allclose(decision, shares[:, 1] - shares[:, 0])
    np.testing.assert_array_equal(decision > 0, quick.predict(X))
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(quick.predict_log_proba(X), np.log(shares))


def test_shares_of_rates_and_softmax(quick: NeurosimClassifier) -> None:
    """Rates from 0 up are shared out; rates of either sign go through a softmax."""
    rates = np.array([[0.2, 0.6, 0.0], [0.0, 0.0, 0.0]])
    quick.fit(X, WORDS)
    np.testing.assert_allclose(quick._shares(rates), [[0.25, 0.75, 0], [1 / 3] * 3])
    unbounded = clone(quick).set_params(system="bp").fit(X, WORDS)
    exponentials = np.exp(rates[0])
    np.testing.assert_allclose(unbounded._shares(rates)[0], exponentials / exponentials.sum())


# ------------------------------------------------------------------ the network


def test_it_learns_what_a_simulator_learns() -> None:
    """The same system, seed and images give the same weights, and the same in a copy."""
    model = NeurosimClassifier("bp", parameters={"eta": 0.02}, random_state=3, **SMALL)
    model.fit(X, WORDS)
    settings = {**Backpropagation.preset("digits", (4,)).parameters, "eta": 0.02}
    reference = Simulator(Backpropagation(layers=(2, 4, 3), **settings), seed=3, backend="runtime")
    reference.fit(X, np.repeat([0, 1, 2], 8), progress=False)
    for name, array in reference.weights.items():
        np.testing.assert_array_equal(model.simulator_.weights[name], array)
    np.testing.assert_array_equal(
        model.decision_function(X), reference.decision_function(X).astype(float)
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_fit_begins_anew_and_partial_fit_goes_on() -> None:
    """Guards weights of an earlier fit in a later one."""
    model = NeurosimClassifier("bp", **SMALL)
    first = model.fit(X, WORDS).simulator_.weights.arrays()
    again = model.fit(X, WORDS).simulator_.weights.arrays()
    assert all(np.array_equal(first[name], again[name]) for name in first)
    model.partial_fit(X[:3], WORDS[:3])
    assert model.simulator_.epoch == 2
    assert not np.array_equal(model.simulator_.weights["W_0"], again["W_0"])


# ------------------------------------------------------------------ what is refused


def test_classes_of_partial_fit(quick: NeurosimClassifier) -> None:
    """Guards labels that have no output cell."""
    quick.partial_fit(X[:8], WORDS[:8], classes=["owl", "cat", "dog"])
    quick.partial_fit(X, WORDS)
    with pytest.raises(DataError, match=r"labels \['fox'\] are not among"):
        quick.partial_fit(X[:1], ["fox"])
    with pytest.raises(DataError, match="not those of the first call"):
        quick.partial_fit(X, WORDS, classes=["cat", "dog"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden": 4}, r"hidden = 4: give a tuple"),
        ({"epochs": 0}, "epochs = 0"),
        ({"system": 3}, "give the name of a system"),
        ({"system": "epp"}, "did you mean"),
        ({"preset": "digit"}, "did you mean 'digits'"),
        ({"parameters": [1]}, "give a dictionary"),
        ({"parameters": {"bach": 1}}, "did you mean 'batch'"),
        ({"scale": "rage"}, "give 'auto', 'range', 'features'"),
        ({"scale": (1, 1)}, "rising numbers"),
    ],
    ids=str,
)
def test_wrong_settings(quick: NeurosimClassifier, settings: dict[str, Any], words: str) -> None:
    """Guards slips found late, or never."""
    with pytest.raises(ValueError, match=words):
        quick.set_params(**settings).fit(X, WORDS)


def test_inputs_that_are_not_scaled(quick: NeurosimClassifier) -> None:
    """They are scaled, or with scale=None refused; those that are scaled already stay."""
    large = 255 * (X - X.min()) / np.ptp(X)
    with pytest.raises(DataError, match="scale='range'"):
        quick.set_params(scale=None).fit(large, WORDS)
    assert quick.set_params(scale="auto").fit(large, WORDS).scale_.high == 255
    assert quick.fit(X, WORDS).scale_.low is None
    assert quick.fit(large / 255, WORDS).scale_.low is None


def test_scales() -> None:
    """Each feature or all of them, and features that never change."""
    data = np.array([[0.0, 5.0, 3.0], [10.0, 7.0, 3.0]])
    each = InputScale.learnt("features", data)
    np.testing.assert_array_equal(each(data), [[0, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(InputScale.learnt("range", data)(data), data / 10)
    assert (each.words(), InputScale().words(), InputScale(1.0, 3.0).words()) == (
        "from the lowest to the highest value of each feature", "none", "(value - 1)/2"
    )  # fmt: skip


def test_the_stand_in_is_needed_for_no_more_than_speed() -> None:
    """Guards the guard: the stand-in has the parts that the estimator uses of a simulator."""
    assert isinstance(Centroids(EquilibriumPropagation(layers=(2, 3, 3))).circuit, Circuit)
    assert {"fit", "decision_function"} <= {*dir(Simulator)}
