"""A classifier for scikit-learn: pipelines, searches over parameters, cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from neurosim.data.scaling import InputScale, scale_complaint
from neurosim.errors import DataError, ParameterError
from neurosim.learning.inputs import output_range
from neurosim.learning.named_systems import system_named
from neurosim.learning.network import whole_number
from neurosim.learning.simulator import Simulator
from neurosim.system import System
from neurosim.system.values import parse_value

__all__ = ["NeurosimClassifier"]

_NESTED = "parameters__"


class NeurosimClassifier(ClassifierMixin, BaseEstimator):
    """A learning system as a scikit-learn estimator.

    The input layer has a cell per feature and the output layer one per class. Every call of
    ``fit`` begins anew.

    Parameters
    ----------
    system : str or type[System]
        Name of a system, ``FILE.py:CLASS``, or a class.
    hidden : tuple of int, optional
        Sizes of the hidden layers; those of the preset by default.
    epochs : int, optional
        Passes over the training data; those of the preset by default.
    preset : str
        Data set whose settings serve where ``parameters`` says nothing.
    parameters : mapping of str to object, optional
        Parameters of the system. One alone can be set, and searched over, as
        ``parameters__NAME``, such as ``parameters__epsilon``.
    scale : {"auto", "range", "features"}, pair of float, or None
        What becomes of the inputs. ``"range"`` takes the lowest and highest value of the
        training data to 0 and 1; ``"features"`` does so for each feature; ``(low, high)``
        takes these two values there, such as ``(0, 255)``. With ``"auto"`` inputs between -1
        and 1, or with a mean of about 0 and a deviation of about 1, enter as they are, and
        others as with ``"range"``. With None they enter as they are in any case, and values
        beyond 10 are refused.
    random_state : int, RandomState instance or None
        Seed of initial weights, order and nudges.
    backend, dtype, lanes, threads
        As for :class:`~neurosim.learning.simulator.Simulator`.
    check_output : bool
        Stop learning when the output gives one answer to hundreds of images of other classes.
        Switched off here, so that a search gives a poor setting a poor score.
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, in the order of the output cells.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if they have any.
    simulator_ : Simulator
        The trained network; it takes inputs that :attr:`scale_` has scaled.
    scale_ : InputScale
        How inputs are scaled.

    Notes
    -----
    Probabilities are not calibrated. Where the rates of output cells cannot be negative, they
    are shares of the sum of rates, which learning with 0 and 1 as targets draws to the shares
    of the classes; elsewhere they are the softmax of the rates.

    Examples
    --------
    >>> model = NeurosimClassifier("ep", hidden=(20,), parameters={"batch": 5})
    >>> model.set_params(parameters__batch=10).parameters
    {'batch': 10}
    """

    def __init__(
        self,
        system: str | type[System] = "corinfomax",
        *,
        hidden: tuple[int, ...] | None = None,
        epochs: int | None = None,
        preset: str = "digits",
        parameters: Mapping[str, Any] | None = None,
        scale: Any = "auto",
        random_state: Any = 0,
        backend: str = "cpp",
        dtype: str = "float32",
        lanes: int | None = None,
        threads: int | None = None,
        check_output: bool = False,
        verbose: bool = False,
    ) -> None:
        # scikit-learn copies an estimator by what is kept here, so nothing is changed
        self.system = system
        self.hidden = hidden
        self.epochs = epochs
        self.preset = preset
        self.parameters = parameters
        self.scale = scale
        self.random_state = random_state
        self.backend = backend
        self.dtype = dtype
        self.lanes = lanes
        self.threads = threads
        self.check_output = check_output
        self.verbose = verbose

    # ------------------------------------------------------------ parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Settings by name.

        Parameters
        ----------
        deep : bool
            Also the system's parameters that are given, as ``parameters__NAME``.

        Returns
        -------
        dict of str to object
            As they were given.
        """
        settings: dict[str, Any] = super().get_params(deep=False)
        given = self.parameters
        if deep and isinstance(given, Mapping):
            settings |= {f"{_NESTED}{name}": value for name, value in given.items()}
        return settings

    def set_params(self, **settings: Any) -> Self:
        """Change settings.

        Parameters
        ----------
        **settings
            Arguments of the constructor, or ``parameters__NAME`` for one parameter of the
            system.

        Returns
        -------
        NeurosimClassifier
            Itself.

        Raises
        ------
        ValueError
            If there is no such setting, or the system no such parameter.
        """
        own = {name: value for name, value in settings.items() if not name.startswith(_NESTED)}
        nested = {
            name.removeprefix(_NESTED): value
            for name, value in settings.items()
            if name.startswith(_NESTED)
        }
        super().set_params(**own)
        if nested:
            kind = self._system_class()
            parsed = {name: parse_value(kind, name, value) for name, value in nested.items()}
            self.parameters = {**(self.parameters or {}), **parsed}
        return self

    def _system_class(self) -> type[System]:
        if isinstance(self.system, type) and issubclass(self.system, System):
            return self.system
        if isinstance(self.system, str):
            return system_named(self.system)
        raise ParameterError(
            f"system = {self.system!r}: give the name of a system such as 'ep', FILE.py:CLASS, or "
            "a class such as EquilibriumPropagation"
        )

    def _network(self, n_inputs: int, n_classes: int) -> tuple[System, int]:
        """The system for this many features and classes, and the epochs to train it."""
        kind = self._system_class()
        if not isinstance(self.parameters, Mapping | None):
            raise ParameterError(
                f"parameters = {self.parameters!r}: give a dictionary, e.g. {{'epsilon': 0.3}}"
            )
        given = {
            name: parse_value(kind, name, value) for name, value in (self.parameters or {}).items()
        }
        preset = kind.preset(self.preset, _hidden(self.hidden)).given(given)
        layers = (n_inputs, *preset.hidden, n_classes)
        epochs = preset.epochs if self.epochs is None else whole_number("epochs", self.epochs)
        return kind(layers=layers, **{**preset.parameters, **given}), epochs

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks an estimator about itself."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # ------------------------------------------------------------ learning

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from labelled examples, beginning with new weights.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features)
            Examples, one per row.
        y : array_like, shape (n,)
            Labels of any kind: numbers, words, booleans.

        Returns
        -------
        NeurosimClassifier
            Itself.

        Raises
        ------
        ValueError
            If shapes do not fit, values are not finite or labels are no classes.
        DataError
            If there is one class only, or values are not scaled and ``scale`` is None.
        ParameterError
            If a setting is unknown or out of range.
        DivergenceError
            If learning diverges.
        """
        images, labels = self._checked(X, y, reset=True)
        self._begin(images, np.unique(labels))
        return self._learn(images, labels, self._epochs)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Go on learning: one pass over more examples.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features)
            Examples. The first ones set the scaling, unless ``scale`` is a pair.
        y : array_like, shape (n,)
            Their labels.
        classes : array_like, optional
            All labels there will ever be; those of ``y`` by default. Read in the first call
            and compared in later ones.

        Returns
        -------
        NeurosimClassifier
            Itself.

        Raises
        ------
        ValueError
            As for :meth:`fit`.
        DataError
            If a label is not among the classes, or ``classes`` are not those of the first call.
        """
        first = not hasattr(self, "simulator_")
        images, labels = self._checked(X, y, reset=first)
        if first:
            self._begin(images, np.unique(labels if classes is None else classes))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise DataError(
                f"classes = {np.unique(classes)} are not those of the first call, "
                f"{self.classes_}; leave them out, or begin anew with fit"
            )
        return self._learn(images, labels, 1)

    def _checked(self, x: Any, y: Any, *, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        x, y = validate_data(
            self, x, y, reset=reset, accept_sparse="csr", dtype=(np.float64, np.float32)
        )
        check_classification_targets(y)
        return self._dense(x), column_or_1d(y)

    def _dense(self, x: Any) -> NDArray[Any]:
        dense: NDArray[Any] = x.toarray() if hasattr(x, "toarray") else x
        complaint = scale_complaint(dense) if self.scale is None else ""
        if complaint:
            raise DataError(f"{complaint}, or let this estimator do it: scale='range'")
        return dense

    def _begin(self, images: NDArray[Any], classes: NDArray[Any]) -> None:
        if len(classes) < 2:
            raise DataError(
                f"all labels are of one class, {classes.tolist()[0]!r}: a classifier "
                "needs two classes or more"
            )
        system, self._epochs = self._network(images.shape[1], len(classes))
        scale = InputScale.learnt(self.scale, images)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        simulator = Simulator(
            system,
            seed=int(seed),
            backend=self.backend,
            dtype=self.dtype,
            lanes=self.lanes,
            threads=self.threads,
            check_output=self.check_output,
        )
        self.classes_, self.scale_, self.simulator_ = classes, scale, simulator

    def _learn(self, images: NDArray[Any], labels: NDArray[Any], epochs: int) -> Self:
        numbers = np.searchsorted(self.classes_, labels)
        known = self.classes_[np.minimum(numbers, len(self.classes_) - 1)] == labels
        if not known.all():
            strange = np.unique(labels[~known])
            raise DataError(
                f"labels {strange} are not among the classes {self.classes_}; name all of them in "
                "the first call, partial_fit(X, y, classes=...)"
            )
        self.simulator_.fit(
            self.scale_(images), numbers.astype(np.int64), epochs, progress=bool(self.verbose)
        )
        return self

    # ------------------------------------------------------------ prediction

    def _rates(self, x: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, accept_sparse="csr", dtype=(np.float64, np.float32))
        return self.simulator_.decision_function(self.scale_(self._dense(x))).astype(np.float64)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """How much speaks for each class.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features)
            Examples.

        Returns
        -------
        ndarray, shape (n, n_classes) or (n,)
            Rates of the output cells at the end of the free phase. With two classes how much
            more probable the second one is, as scikit-learn wants it.

        Raises
        ------
        ValueError
            If shapes do not fit or values are not finite.
        NotFittedError
            Before :meth:`fit`.
        """
        rates = self._rates(X)
        if len(self.classes_) > 2:
            return rates
        shares = self._shares(rates)
        margin: NDArray[np.float64] = shares[:, 1] - shares[:, 0]
        return margin

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class, not calibrated; see the notes of the class.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features)
            Examples.

        Returns
        -------
        ndarray, shape (n, n_classes)
            From 0 to 1; every row sums to 1.

        Raises
        ------
        ValueError, NotFittedError
            As for :meth:`decision_function`.
        """
        return self._shares(self._rates(X))

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features)
            Examples.

        Returns
        -------
        ndarray, shape (n, n_classes)
            0 or less; ``-inf`` where an output cell is silent.

        Raises
        ------
        ValueError, NotFittedError
            As for :meth:`decision_function`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each example.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features)
            Examples.

        Returns
        -------
        ndarray, shape (n,)
            Labels.

        Raises
        ------
        ValueError, NotFittedError
            As for :meth:`decision_function`.
        """
        rates = self._rates(X)
        chosen: NDArray[Any] = self.classes_[rates.argmax(axis=1)]
        return chosen

    def _shares(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        bounds = output_range(self.simulator_.system, self.simulator_.circuit)
        if bounds is None or bounds[0] < 0:
            rates = np.exp(rates - rates.max(axis=1, keepdims=True))
        total = rates.sum(axis=1, keepdims=True)
        # no cell answers: every class is as probable
        silent = np.full_like(rates, 1 / rates.shape[1])
        shares: NDArray[np.float64] = np.divide(rates, total, out=silent, where=total > 0)
        return shares


def _hidden(given: Any) -> tuple[int, ...] | None:
    if given is None:
        return None
    try:
        return tuple(whole_number("hidden", size) for size in given)
    except TypeError:
        raise ParameterError(
            f"hidden = {given!r}: give a tuple of layer sizes, e.g. (100,)"
        ) from None
