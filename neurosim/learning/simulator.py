"""A system that learns and predicts, in the manner of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.backends.interface import CHUNK_IMAGES
from neurosim.learning.analyses import Analyses
from neurosim.learning.epochs import ChunkStats
from neurosim.learning.network import whole_number
from neurosim.learning.saving import Saving
from neurosim.recording.cycles import plan_presentation, presentation_chunks
from neurosim.system import System

__all__ = ["ChunkStats", "Simulator"]


class Simulator(Saving, Analyses):
    """A learning system with weights, on a back end.

    Parameters
    ----------
    system : System
        The model, e.g. ``CorInfoMax(layers=(64, 100, 10))``.
    seed : int
        Seed of initial weights, order of images and nudges.
    backend : {"cpp", "runtime"}
        Compiled C++ (default), or Brian2 inside this process.
    dtype : {"float32", "float64"}
        Precision of states and weights.
    chunk_images : int
        Images per run of the program, rounded to whole batches; results do not depend
        on it.
    lanes : int, optional
        Most images in flight at a time; by default as many as are fast.
    threads : int, optional
        Threads that share evaluations and the images of a batch; by default one per core.
        Learning online, in batches of 1, is one thread, and so is learning of cells whose
        events set what lasts from image to image. No result depends on lanes and threads.
    check_output : bool
        Stop learning when the output gives one answer to hundreds of images of other
        classes, after a warning. May be changed at any time.

    Attributes
    ----------
    weights : WeightStore
        Named arrays, readable and settable one by one.
    system : System
        As given.
    circuit : Circuit
        The circuit that the system describes.
    seed, backend_name, dtype, chunk_images, lanes, threads, check_output
        The settings. ``lanes`` and ``threads`` may be changed at any time,
        ``chunk_images`` too, but not above what it was when the back end was built.
    epoch, position, commits : int
        Epochs finished, images of the current one shown, and updates made from them in all.
    between, stage_commits : int, dict of str to int
        Updates that other stages have made since the last images, and in all, by stage.
    compile_seconds : float
        Wall time spent on building back ends for training and evaluation.

    Raises
    ------
    ParameterError
        If a setting is unknown or out of range.
    CircuitError
        If the circuit takes other inputs than images, targets and what the system draws.

    Notes
    -----
    Any number of threads may predict, also while one learns: each call uses one set of
    weights. Only one can learn at a time. Copies, pickles and forked processes are
    independent: training one does not change the other.

    Examples
    --------
    >>> from neurosim import CorInfoMax
    >>> model = CorInfoMax(layers=(4, 3, 2))
    >>> simulator = Simulator(model, seed=1, backend="runtime")
    >>> simulator.weights["W_ff_0"].shape
    (3, 4)
    """

    def __init__(
        self,
        system: System,
        *,
        seed: int = 0,
        backend: str = "cpp",
        dtype: str = "float32",
        chunk_images: int = CHUNK_IMAGES,
        lanes: int | None = None,
        threads: int | None = None,
        check_output: bool = True,
    ) -> None:
        super().__init__(
            system,
            seed=seed,
            backend=backend,
            dtype=dtype,
            chunk_images=chunk_images,
            lanes=lanes,
            threads=threads,
            check_output=check_output,
        )

    # ------------------------------------------------------------ learning

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        epochs: int = 1,
        *,
        resume: bool = False,
        progress: bool = True,
        on_chunk: Callable[[ChunkStats], None] | None = None,
    ) -> Self:
        """Learn from labelled images, one update per batch of the system.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images; dimensionless, between 0 and 1, or with a mean of 0 and a standard
            deviation of about 1. Values beyond 10 are warned of.
        y : array_like, shape (n,) or (n, n_outputs)
            Class numbers, or target rates.
        epochs : int
            Passes over the images, on top of those already made.
        resume : bool
            Go on with an epoch that was interrupted, as the first of these; the images
            must be the same. Without it, the interrupted epoch begins anew.
        progress : bool
            Show a progress bar.
        on_chunk : callable, optional
            Called with a :class:`ChunkStats` after every chunk.

        Returns
        -------
        Simulator
            Itself.

        Raises
        ------
        DataError
            If shapes or labels do not fit the network, or data that are to be resumed
            are not those of the interrupted epoch.
        ParameterError
            If the number of epochs is below 1.
        DivergenceError
            If learning diverges.
        NeurosimError
            If this simulator is learning already.
        """
        images, targets = self._check_both(x, y)
        epochs = whole_number("epochs", epochs)
        from tqdm.auto import tqdm

        with self._learning():
            if not resume:
                self._begin_epoch()
            total = epochs * len(images) - self.position
            try:
                with tqdm(total=total, unit="image", disable=not progress) as bar:
                    for _ in range(epochs):
                        for stats in self._chunks(images, targets):
                            bar.update(stats.images)
                            if stats.images:
                                bar.set_postfix(accuracy=f"{stats.correct / stats.images:.3f}")
                            if on_chunk is not None:
                                on_chunk(stats)
            finally:
                if self._shown is not None:
                    # now, as the caller may write to the arrays later
                    self._shown.digest  # noqa: B018
        return self

    # ------------------------------------------------------------ prediction

    def decision_function(self, x: ArrayLike) -> NDArray[Any]:
        """Output rates at the end of the free phase.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images, scaled as for :meth:`fit`.

        Returns
        -------
        ndarray, shape (n, n_outputs)
            Rates, dimensionless.

        Raises
        ------
        DataError
            If the images do not fit the network, or a scalar input has no value.
        """
        images = self.check_images(x)
        how = plan_presentation(self, labelled=False)
        chunks = presentation_chunks(self, how, images, at_once=self.whole_chunk)
        results = [self.run_chunk(self.backend, chunk) for chunk in chunks]
        return np.concatenate([result.readouts[self.circuit.answer] for result in results])

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """Predicted classes of images.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images, scaled as for :meth:`fit`.

        Returns
        -------
        ndarray of int, shape (n,)
            Class numbers: the output cell with the highest rate.

        Raises
        ------
        DataError
            If the images do not fit the network.
        """
        answers: NDArray[np.int64] = self.decision_function(x).argmax(axis=1)
        return answers

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Share of images whose class is predicted correctly.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images, scaled as for :meth:`fit`.
        y : array_like, shape (n,) or (n, n_outputs)
            Class numbers, or target rates, of which the highest is the class.

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        DataError
            If shapes or labels do not fit the network.
        """
        images, targets = self._check_both(x, y)
        return float((self.predict(images) == targets.argmax(axis=1)).mean())
