"""Look inside a network: recordings, rates, how states settle, angles of weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.backends import open_backend
from neurosim.circuit.readouts import STATE_CHANGE, readout_name, with_state_changes
from neurosim.errors import DataError, ParameterError
from neurosim.learning import metrics
from neurosim.learning.epochs import Learner
from neurosim.learning.labelled import labelled_weights
from neurosim.learning.watching import record_learning
from neurosim.recording import MEMORY_LIMIT, record_images
from neurosim.recording.cycles import plan_presentation, presentation_chunks

__all__ = ["Analyses"]


class Analyses(Learner):
    """Looks inside a network; part of every ``Simulator``. Only ``record`` can let it learn."""

    def record(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        learning: bool = False,
        only: ArrayLike | None = None,
        inputs: Mapping[str, float] | None = None,
        phases: Mapping[str, int] | None = None,
        layer: int | None = None,
        neurons: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        to: str | Path | None = None,
        memory_limit: float = MEMORY_LIMIT,
        backend: str | None = None,
        beta: float | None = None,
        nudged: bool | None = None,
    ) -> Any:
        """Every compartment's trajectory while images are shown, or while they are learned.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images, scaled as for ``fit``.
        y : array_like, shape (n,) or (n, n_outputs), optional
            Classes or target rates. With them all phases of training are run, without
            them those of an evaluation.
        learning : bool
            Learn from the images for one epoch, as ``fit(x, y)`` does, and record meanwhile.
            The weights are those of ``fit``, bit for bit. The images of the recording stand in
            the order in which they were shown; scalar inputs that are drawn for each image,
            such as the sign of the nudge, are variables ``input_NAME``. Where images of a
            batch meet, the last meeting of each is recorded.
        only : array_like of int, optional
            With ``learning``: rows of ``x`` that are recorded; all by default. The others are
            learned at full speed.
        inputs : mapping of str to float, optional
            Values of scalar inputs, used for all images, such as ``{"beta": -1}``; by
            default those of ``System.evaluation_scalars``.
        phases : mapping of str to int, optional
            Lengths of phases in steps; 0 leaves a phase out, such as ``{"nudged": 0}``.
            If this leaves the phases of an evaluation, the targets do not act.
        layer : int, optional
            One layer, from 1 (0 is the input); all of them by default.
        neurons : array_like of int, optional
            Neurons of that layer; all of them by default.
        ids : array_like of int, shape (n,), optional
            Numbers to give the images; 0 to n - 1 by default.
        to : str or Path, optional
            netCDF file to write the recording to.
        memory_limit : float
            Bytes above which the recording is not held in memory but written to ``to``,
            some images at a time.
        backend : {"runtime", "cpp"}, optional
            What shows the images. ``"runtime"``, the default, is ready within seconds;
            ``"cpp"`` compiles a program first and is faster for many images. The numbers are
            the same within rounding. With ``learning`` it is the simulator's own, ``"cpp"``
            or ``"runtime"``.
        beta, nudged : float and bool, optional
            Former names of ``inputs={"beta": ...}`` and of ``phases`` that leave out what
            an evaluation leaves out.

        Returns
        -------
        xarray.Dataset or xarray.DataTree
            With ``layer``, a Dataset of image × time × neuron. Otherwise a tree with one
            such group per layer, ``layer_0``, ``layer_1`` and so on: layers differ in
            their number of neurons, so each needs a ``neuron`` dimension of its own, and
            groups keep names and dimensions alike. Time is in ms; row ``s`` holds the
            state at the end of step ``s``. Units, plain words and the model's own names
            are attributes. A recording above the limit is read from its file when used.

        Raises
        ------
        DataError
            If shapes or labels do not fit the network, there is no such layer, neuron or
            input, an input has no value, or the recording is larger than the limit and no
            file is named.
        CircuitError
            If there is no such phase.
        ParameterError
            If there is no such back end, the simulator's cannot record while it learns, or
            options are given that do not go together.
        DivergenceError
            If learning diverges.
        """
        if learning:
            given = {"inputs": inputs, "phases": phases, "beta": beta, "nudged": nudged}
            return self._record_learning(
                x, y, given, backend,
                only=only, layer=layer, neurons=neurons, ids=ids, to=to, memory_limit=memory_limit,
            )  # fmt: skip
        if only is not None:
            raise ParameterError("only= goes with learning=True; otherwise give these images alone")
        images, targets = self._check_either(x, y)
        inputs = _with_beta(inputs, beta)
        if nudged is not None:
            _warn_of_old_name("nudged", 'phases={"nudged": 0}')
            phases = phases if nudged else {**self.system.evaluation_phases(), **(phases or {})}
        return record_images(
            self,
            images,
            targets,
            inputs=inputs,
            phases=phases,
            layer=layer,
            neurons=neurons,
            ids=ids,
            to=to,
            memory_limit=memory_limit,
            backend="runtime" if backend is None else backend,
        )

    def _record_learning(
        self,
        x: ArrayLike,
        y: ArrayLike | None,
        fixed: Mapping[str, Any],
        backend: str | None,
        **how: Any,
    ) -> Any:
        """Record while learning, if nothing was given that training has of its own."""
        for name, value in fixed.items():
            if value is not None:
                raise ParameterError(
                    f"{name}= does not go with learning=True, which shows images as training "
                    "does; leave it out"
                )
        if backend not in (None, self.backend_name):
            raise ParameterError(
                f"backend = {backend!r}: with learning=True it is the simulator's own, "
                f"{self.backend_name!r}, since others round differently; leave backend out"
            )
        if y is None:
            raise DataError("learning needs labels; give y as well, or leave out learning=True")
        images, targets = self._check_both(x, y)
        return record_learning(self, images, targets, **how)

    def activity(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        inputs: Mapping[str, float] | None = None,
        phases: Mapping[str, int] | None = None,
        beta: float | None = None,
    ) -> dict[str, dict[str, NDArray[Any]]]:
        """Rates of all layers at the end of every phase, without learning.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images.
        y : array_like, shape (n,) or (n, n_outputs), optional
            Classes or target rates. With them all phases are run, otherwise
            those of an evaluation.
        inputs, phases, beta
            As for :meth:`record`.

        Returns
        -------
        dict of str to dict of str to ndarray
            Arrays of shape (n, n_cells) by phase, then by population, from the
            input layer, whose rates are the images, to the output.

        Raises
        ------
        DataError
            If shapes or labels do not fit the network, or an input is unknown or has no
            finite value.
        CircuitError
            If there is no such phase.
        """
        images, targets = self._check_either(x, y)
        how = plan_presentation(
            self, labelled=targets is not None, inputs=_with_beta(inputs, beta), phases=phases
        )
        chunks = presentation_chunks(self, how, images, targets, at_once=self.whole_chunk)
        results = [self.run_chunk(self.analysis_backend, chunk) for chunk in chunks]
        first, *layers = (layer.population for layer in self.system.layer_cells())
        return {
            phase: {first: images}
            | {
                layer: np.concatenate([r.readouts[readout_name(layer, phase)] for r in results])
                for layer in layers
            }
            for phase, steps in how.phases.items()
            if steps
        }

    def state_changes(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        inputs: Mapping[str, float] | None = None,
        phases: Mapping[str, int] | None = None,
        beta: float | None = None,
    ) -> dict[str, NDArray[np.float64]]:
        """How much each layer's state still changes in every time step, without learning.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            A few images; they are run inside Python.
        y : array_like, shape (n,) or (n, n_outputs)
            Classes or target rates.
        inputs, phases, beta
            As for :meth:`record`.

        Returns
        -------
        dict of str to ndarray
            Sum over a layer's cells of the absolute change of their state in a
            step, of shape (n, n_steps), by population; dimensionless.

        Raises
        ------
        DataError
            If shapes or labels do not fit the network, or an input is unknown or has no
            finite value.
        CircuitError
            If there is no such phase.
        """
        images, targets = self._check_both(x, y)
        how = plan_presentation(self, labelled=True, inputs=_with_beta(inputs, beta), phases=phases)
        (chunk,) = presentation_chunks(self, how, images, targets)
        layers = self.system.layer_cells()[1:]
        with open_backend(
            "runtime",
            with_state_changes(self.circuit, layers),
            dtype=self.dtype,
            max_cycles=len(images),
            record={layer.population: (STATE_CHANGE,) for layer in layers},
        ) as backend:
            flat = backend.run(chunk).trajectories
        return {
            name: np.abs(values[STATE_CHANGE], dtype=np.float64)
            .sum(axis=1)
            .reshape(len(images), -1)
            for name, values in flat.items()
        }

    def labelled_weights(self) -> Any:
        """All weights as labelled arrays.

        Returns
        -------
        xarray.Dataset
            One variable per array, whose axes are named after the populations that receive
            and send; see :func:`~neurosim.learning.labelled.labelled_weights`. A copy.
        """
        copies = {name: array.copy() for name, array in self.weights.arrays().items()}
        return labelled_weights(self.circuit, copies)

    def angles(self) -> dict[str, float]:
        """Angle between forward and backward weights, per feedback pathway.

        Returns
        -------
        dict of str to float
            Degrees, by the pair's name; 0 for weights that are each other's transpose up
            to a factor, about 90 for independent ones.
        """
        return metrics.angles(self.system.feedback_pairs(), self.weights.arrays())

    def correlations(self) -> dict[str, float | None]:
        """Pearson correlation of forward and transposed backward weights, per feedback pathway.

        Returns
        -------
        dict of str to float or None
            By the pair's name; 1 for weights that are each other's transpose up to a factor
            and a shift, about 0 for independent ones, None where an array has equal entries.
        """
        return metrics.correlations(self.system.feedback_pairs(), self.weights.arrays())

    def objectives(self, x: ArrayLike, y: ArrayLike) -> dict[str, float]:
        """What each layer's own rule lowers, measured on some images without learning.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images.
        y : array_like, shape (n,) or (n, n_outputs)
            Classes or target rates.

        Returns
        -------
        dict of str to float
            By population, see ``System.objectives``; empty where layers have none.

        Raises
        ------
        DataError
            If shapes or labels do not fit the network.
        """
        images, targets = self._check_both(x, y)
        return self.system.objectives(self.weights.arrays(), images, targets)


def _with_beta(inputs: Mapping[str, float] | None, beta: Any) -> Mapping[str, float] | None:
    """Scalar inputs, with the one that had an argument of its own."""
    if beta is None:
        return inputs
    _warn_of_old_name("beta", f'inputs={{"beta": {beta!r}}}')
    if inputs is not None and "beta" in inputs:
        raise DataError("beta is given twice; leave out beta= and keep inputs=")
    return {**(inputs or {}), "beta": beta}


def _warn_of_old_name(name: str, instead: str) -> None:
    warnings.warn(
        f"{name}= goes in a later version; give {instead} instead",
        DeprecationWarning,
        stacklevel=4 if name == "beta" else 3,
    )
