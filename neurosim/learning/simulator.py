"""A system that learns and predicts, in the manner of scikit-learn."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.backends import check_choices, open_backend
from neurosim.backends.interface import CHUNK_IMAGES, Backend, Chunk, ChunkResult, Weights
from neurosim.circuit import Circuit
from neurosim.circuit.phases import phase_lengths
from neurosim.circuit.readouts import STATE_CHANGE, readout_name, with_readouts, with_state_changes
from neurosim.data import one_hot
from neurosim.errors import (
    CheckpointError,
    CircuitError,
    DataError,
    DivergenceError,
    ParameterError,
    near_matches,
)
from neurosim.learning import metrics
from neurosim.learning.dead_output import SameAnswer
from neurosim.recording import MEMORY_LIMIT, show_images
from neurosim.recording.showing import check_nudge, showing_chunks
from neurosim.system import System

__all__ = ["ChunkStats", "Simulator", "WeightStore"]

#: A weight this large was never seen in learning that works (initial bounds are below 1).
_EXPLODED = 1e3
#: Exponent of a growth that no array of numbers reaches.
_NO_LIMIT = 600.0
#: Images in a row with the same answer that make an output a dead one. In learning that works
#: the longest such stretch that was seen, at the very beginning, had 21 images.
_DEAD_AFTER = 500
#: Images are meant to lie between 0 and 1, or around 0; beyond this, somebody forgot to scale.
_UNSCALED = 10


@dataclasses.dataclass(frozen=True)
class ChunkStats:
    """What a stretch of training told.

    Attributes
    ----------
    images, correct : int
        Images shown, and predicted rightly at the end of their free phase.
    event_counts : dict of str to int
        Counted events by ``"population.event"``.
    seconds : float
        Wall time, without compilation.
    """

    images: int
    correct: int
    event_counts: dict[str, int]
    seconds: float


class WeightStore(MutableMapping[str, NDArray[Any]]):
    """Named weight arrays of shape (post, pre): reading gives a copy, setting checks.

    Parameters
    ----------
    arrays : Weights
        The arrays; their shapes and precision stay.
    symmetric : set of str
        Names that must stay symmetric.

    Raises
    ------
    DataError
        If a name is unknown, or an array set does not fit: another shape, values that are
        no finite numbers, or a symmetric one that is not.
    """

    def __init__(self, arrays: Weights, symmetric: frozenset[str] = frozenset()) -> None:
        self._arrays = dict(arrays)
        self._symmetric = symmetric

    def __getitem__(self, name: str) -> NDArray[Any]:
        self._check_name(name)
        return self._arrays[name].copy()

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        self._arrays[name] = self._checked(name, value)

    def _checked(self, name: str, value: ArrayLike) -> NDArray[Any]:
        self._check_name(name)
        old = self._arrays[name]
        try:
            new = np.array(value, dtype=old.dtype)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"weight {name!r} needs numbers of shape {old.shape}: {error}"
            ) from error
        if new.shape != old.shape:
            raise DataError(f"weight {name!r} needs shape {old.shape}, got {new.shape}")
        if not np.isfinite(new).all():
            raise DataError(f"weight {name!r} would hold values that are not finite")
        if name in self._symmetric and not np.allclose(new, new.T):
            raise DataError(f"weight {name!r} is a symmetric array; the given one is not")
        return new

    def __delitem__(self, name: str) -> None:
        raise DataError(f"weight {name!r} cannot be removed; set it instead")

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def _check_name(self, name: str) -> None:
        if name not in self._arrays:
            raise DataError(f"no weight {name!r}; {near_matches(name, self._arrays)}")

    def arrays(self) -> Weights:
        """The arrays themselves, not copies; for the engine.

        Returns
        -------
        Weights
            Arrays of shape (post, pre) by name.
        """
        return dict(self._arrays)

    def replace(self, arrays: Weights) -> None:
        """Put the engine's result in place of the old arrays.

        Parameters
        ----------
        arrays : Weights
            All of them; nothing is checked.
        """
        self._arrays = dict(arrays)

    def restore(self, arrays: Weights) -> None:
        """Set all arrays, or none of them if one does not fit.

        Parameters
        ----------
        arrays : Weights
            Every array of the network, and nothing else.

        Raises
        ------
        CheckpointError
            If an array is missing or unknown.
        DataError
            If one does not fit.
        """
        if set(arrays) != set(self._arrays):
            missing = ", ".join(sorted(set(self._arrays) - set(arrays))) or "none"
            unknown = ", ".join(sorted(set(arrays) - set(self._arrays))) or "none"
            raise CheckpointError(
                "these are the weights of another network or of other equations: missing "
                f"{missing}, unknown {unknown}; give what this network saved"
            )
        self._arrays = {name: self._checked(name, arrays[name]) for name in self._arrays}


class Simulator:
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
        Images per run of the program; results do not depend on it.
    jobs : int
        Processes that evaluate side by side; results do not depend on it.
        Learning from one image after the other is one process.

    Attributes
    ----------
    weights : WeightStore
        Named arrays, readable and settable one by one.
    system : System
        As given.
    circuit : Circuit
        The circuit that the system describes.
    seed, backend_name, dtype, chunk_images, jobs
        The settings. ``jobs`` may be changed at any time, ``chunk_images`` too, but not
        above what it was when the back end was built.
    epoch, position : int
        Epochs finished, and images of the current one shown.
    compile_seconds : float
        Wall time spent on building back ends for training and evaluation.

    Raises
    ------
    ParameterError
        If a setting is unknown or out of range.
    CircuitError
        If the circuit takes other inputs than images and targets.

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
        jobs: int = 1,
    ) -> None:
        _check_system(system)
        check_choices(backend=backend, dtype=dtype)
        self.system = system
        self.circuit = system.circuit()
        _check_given(self.circuit, system.layers)
        self.seed = _whole("seed", seed, 0)
        self.backend_name = backend
        self.dtype = dtype
        self.chunk_images = _whole("chunk_images", chunk_images)
        self.jobs = _whole("jobs", jobs)
        self.epoch = 0
        self.position = 0
        self.compile_seconds = 0.0
        self._backend: Backend | None = None
        self._same_answer = SameAnswer(_DEAD_AFTER)
        self._analysis: Backend | None = None
        self._told_of_range = False
        drawn = system.initial_weights(self._rng("weights"))
        self._weights = WeightStore(
            {name: array.astype(dtype) for name, array in drawn.items()},
            frozenset(weight.name for weight in self.circuit.weights if weight.symmetric),
        )

    @property
    def weights(self) -> WeightStore:
        """Named weight arrays of shape (post, pre), readable and settable one by one."""
        return self._weights

    @weights.setter
    def weights(self, value: WeightStore) -> None:
        raise DataError(
            f"the weights cannot be replaced by a {type(value).__name__}; set one by its name, "
            "simulator.weights['NAME'] = array, or several by simulator.weights.update(arrays)"
        )

    # ------------------------------------------------------------ randomness

    def _rng(self, purpose: str, epoch: int = 0) -> np.random.Generator:
        """A generator of its own for each purpose and epoch.

        Nothing is carried from one epoch to the next, so a resumed run draws
        what an uninterrupted one would.
        """
        streams = {"weights": 0, "order": 1, "scalars": 2}
        key = (streams[purpose], epoch)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def epoch_order(self, n: int) -> NDArray[np.int64]:
        """Order in which the current epoch shows images.

        Parameters
        ----------
        n : int
            Number of images.

        Returns
        -------
        ndarray of int, shape (n,)
            A permutation of 0 to n - 1; the same for the same seed and epoch.
        """
        return self._rng("order", self.epoch).permutation(n)

    # ------------------------------------------------------------ back end

    @property
    def backend(self) -> Backend:
        """The back end for training and evaluation, built when first needed."""
        if self._backend is None:
            self._backend = open_backend(
                self.backend_name, self.circuit, dtype=self.dtype, max_cycles=self.chunk_images
            )
            self.compile_seconds += self._backend.build_seconds
        return self._backend

    def close(self) -> None:
        """Give back the back end's files and memory; it is built again when needed."""
        for backend in (self._backend, self._analysis):
            if backend is not None:
                backend.close()
        self._backend = self._analysis = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ------------------------------------------------------------ learning

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        epochs: int = 1,
        *,
        progress: bool = True,
        on_chunk: Callable[[ChunkStats], None] | None = None,
    ) -> Self:
        """Learn from labelled images, one update per image.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images; dimensionless, between 0 and 1, or with a mean of 0 and a standard
            deviation of about 1. Values beyond 10 are warned of.
        y : array_like, shape (n,) or (n, n_outputs)
            Class numbers, or target rates.
        epochs : int
            Passes over the images, on top of those already made.
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
            If shapes or labels do not fit the network.
        ParameterError
            If the number of epochs is none.
        DivergenceError
            If learning diverges.
        """
        images, targets = self.check_images(x), self.check_targets(y)
        _check_lengths(images, targets)
        epochs = _whole("epochs", epochs)
        from tqdm.auto import tqdm

        with tqdm(total=epochs * len(images), unit="image", disable=not progress) as bar:
            for _ in range(epochs):
                for stats in self.train_epoch(images, targets):
                    bar.update(stats.images)
                    bar.set_postfix(accuracy=f"{stats.correct / stats.images:.3f}")
                    if on_chunk is not None:
                        on_chunk(stats)
        return self

    def train_epoch(self, images: NDArray[Any], targets: NDArray[Any]) -> Iterator[ChunkStats]:
        """Train through the rest of the current epoch, yielding after every chunk.

        Parameters
        ----------
        images : ndarray, shape (n, n_inputs)
            Images.
        targets : ndarray, shape (n, n_outputs)
            Target rates.

        Yields
        ------
        ChunkStats
            After ``weights`` and ``position`` have moved on; stopping here and
            going on later gives the same weights, bit for bit.

        Raises
        ------
        DataError
            If there are fewer images than the epoch has shown already.
        DivergenceError
            Before ``weights`` take the diverged values.
        """
        if self.position >= len(images):
            raise DataError(
                f"this simulator stopped after image {self.position} of an epoch, and only "
                f"{len(images)} images are given; go on with the images it began with"
            )
        order = self.epoch_order(len(images))
        scalars = self.system.cycle_scalars(self._rng("scalars", self.epoch), len(images))
        rates = self.system.rates(self.epoch)
        while self.position < len(images):
            chosen = slice(self.position, self.position + self.chunk_images)
            rows = order[chosen]
            inputs = {"stimulus": images[rows], "target": targets[rows]}
            inputs |= {name: values[chosen] for name, values in scalars.items()}
            result = self.backend.run(Chunk(inputs, self.weights.arrays(), rates, learning=True))
            self._check_sanity(result, targets[rows])
            self.weights.replace(result.weights)
            self.position += len(rows)
            if self.position >= len(images):
                self.epoch, self.position = self.epoch + 1, 0
            yield self._stats(result, targets[rows])
            if self.position == 0:
                return

    def _stats(self, result: ChunkResult, targets: NDArray[Any]) -> ChunkStats:
        answers = result.readouts[self.circuit.answer].argmax(axis=1)
        correct = int((answers == targets.argmax(axis=1)).sum())
        return ChunkStats(len(targets), correct, result.event_counts, result.seconds)

    def _check_sanity(self, result: ChunkResult, targets: NDArray[Any]) -> None:
        where = f"in epoch {self.epoch + 1} after image {self.position}"
        advice = (
            f"the weights from before are kept; {self.system.remedy}, "
            "or use a preset made for this data set"
        )
        for name, array in result.weights.items():
            if not np.isfinite(array).all():
                raise DivergenceError(f"learning diverged {where}: {name} is not finite; {advice}")
            limit = self._largest(name, len(targets))
            if np.abs(array).max() > limit:
                raise DivergenceError(
                    f"learning diverged {where}: {name} grew beyond {limit:g}; {advice}"
                )
        answers = result.readouts[self.circuit.answer].argmax(axis=1)
        if self._same_answer.add(answers, targets.argmax(axis=1)):
            # whoever changes something and goes on is judged anew
            self._same_answer.reset()
            raise DivergenceError(
                f"the output is dead {where}: {_DEAD_AFTER} images in a row and more gave the "
                f"same answer; {advice}, or another seed"
            )

    def _largest(self, name: str, images: int) -> float:
        """The largest entry that a weight array may have after so many more images."""
        growth = self.circuit.weight(name).growth
        if growth == 1:
            return _EXPLODED
        before = float(np.abs(self.weights.arrays()[name]).max())
        # every image rounds
        rounding = 4 * float(np.finfo(self.dtype).eps)
        exponent = images * (math.log(growth) + rounding)
        return max(_EXPLODED, before) * math.exp(min(exponent, _NO_LIMIT))

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
            If the images do not fit the network.
        """
        images = self.check_images(x)
        chunks = showing_chunks(self, images, at_once=self._share(images))
        results = self.backend.run_all(chunks, jobs=self.jobs)
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
        """Share of images whose class is predicted rightly.

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
        targets = self.check_targets(y)
        images = self.check_images(x)
        _check_lengths(images, targets)
        return float((self.predict(images) == targets.argmax(axis=1)).mean())

    def _share(self, images: NDArray[Any]) -> int:
        """Images of one chunk of an evaluation, which is divided among the processes."""
        return min(self.chunk_images, -(-len(images) // self.jobs))

    # ------------------------------------------------------------ looking inside

    def record(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        beta: float = 1.0,
        nudged: bool = True,
        layer: int | None = None,
        neurons: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        to: str | Path | None = None,
        memory_limit: float = MEMORY_LIMIT,
        backend: str = "runtime",
    ) -> Any:
        """Every compartment's trajectory while images are shown, without learning.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images, scaled as for :meth:`fit`.
        y : array_like, shape (n,) or (n, n_outputs), optional
            Classes or target rates. With them the nudged phase is run too.
        beta : float
            Signed nudge, used for all images; not 0.
        nudged : bool
            With False, only the phases of an evaluation are run even if ``y`` is given.
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
        backend : {"runtime", "cpp"}
            What shows the images. ``"runtime"`` is ready within seconds; ``"cpp"``
            compiles a program first and is faster for many images. The numbers are the
            same within rounding.

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
            If shapes or labels do not fit the network, there is no such layer or neuron,
            or the recording is larger than the limit and no file is named.
        ParameterError
            If there is no such back end.
        """
        images = self.check_images(x)
        targets = None if y is None else self.check_targets(y)
        if targets is not None:
            _check_lengths(images, targets)
        return show_images(
            self,
            images,
            targets,
            beta=beta,
            nudged=nudged,
            layer=layer,
            neurons=neurons,
            ids=ids,
            to=to,
            memory_limit=memory_limit,
            backend=backend,
        )

    @property
    def analysis_backend(self) -> Backend:
        """A second build of the circuit that notes all layers, made when first needed."""
        if self._analysis is None:
            circuit = with_readouts(self.circuit, self.system.layer_cells()[1:])
            self._analysis = open_backend(
                self.backend_name, circuit, dtype=self.dtype, max_cycles=self.chunk_images
            )
        return self._analysis

    def activity(
        self, x: ArrayLike, y: ArrayLike | None = None, *, beta: float = 1.0
    ) -> dict[str, dict[str, NDArray[Any]]]:
        """Rates of all layers at the end of every phase, without learning.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images.
        y : array_like, shape (n,) or (n, n_outputs), optional
            Classes or target rates. With them all phases are run, otherwise
            those of an evaluation.
        beta : float
            Signed nudge, used for all images; not 0.

        Returns
        -------
        dict of str to dict of str to ndarray
            Arrays of shape (n, n_cells) by phase, then by population, from the
            input layer, whose rates are the images, to the output.

        Raises
        ------
        DataError
            If shapes or labels do not fit the network, or the nudge is none.
        """
        images = self.check_images(x)
        targets = None if y is None else self.check_targets(y)
        if targets is not None:
            _check_lengths(images, targets)
        beta = check_nudge(beta, nudged=targets is not None)
        chunks = showing_chunks(self, images, targets, beta=beta, at_once=self._share(images))
        results = self.analysis_backend.run_all(chunks, jobs=self.jobs)
        first, *layers = (layer.population for layer in self.system.layer_cells())
        return {
            phase: {first: images}
            | {
                layer: np.concatenate([r.readouts[readout_name(layer, phase)] for r in results])
                for layer in layers
            }
            for phase, steps in phase_lengths(self.circuit, chunks[0].phases).items()
            if steps
        }

    def state_changes(
        self, x: ArrayLike, y: ArrayLike, *, beta: float = 1.0
    ) -> dict[str, NDArray[np.float64]]:
        """How much each layer's state still changes in every time step, without learning.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            A few images; they are run inside Python.
        y : array_like, shape (n,) or (n, n_outputs)
            Classes or target rates.
        beta : float
            Signed nudge, used for all images; not 0.

        Returns
        -------
        dict of str to ndarray
            Sum over a layer's cells of the absolute change of their state in a
            step, of shape (n, n_steps), by population; dimensionless.

        Raises
        ------
        DataError
            If shapes or labels do not fit the network, or the nudge is none.
        """
        images, targets = self.check_images(x), self.check_targets(y)
        _check_lengths(images, targets)
        (chunk,) = showing_chunks(self, images, targets, beta=check_nudge(beta))
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

    def angles(self) -> dict[str, float]:
        """Angle between forward and backward weights, per feedback pathway.

        Returns
        -------
        dict of str to float
            Degrees, by the pair's name; 0 for weights that are each other's transpose up
            to a factor, about 90 for independent ones.
        """
        return metrics.angles(self.system.feedback_pairs(), self.weights.arrays())

    # ------------------------------------------------------------ saving

    def state(self) -> dict[str, Any]:
        """What a checkpoint tells beside the weights.

        Returns
        -------
        dict
            Plain numbers and words: the system and its settings, a digest of the
            equations, seed, precision, and the position in training.
        """
        from neurosim.learning.named_systems import reference_of

        return {
            "system": reference_of(self.system),
            "settings": dataclasses.asdict(self.system),
            "circuit": self.circuit.digest(),
            "seed": self.seed,
            "dtype": self.dtype,
            "epoch": self.epoch,
            "position": self.position,
        }

    def save(self, path: str | Path) -> Path:
        """Save parameters, weights and position to a folder, as ``checkpoint.npz``.

        Parameters
        ----------
        path : str or Path
            Folder; made if absent.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        RunFolderError
            If it cannot be written.
        """
        from neurosim.files import storage_error
        from neurosim.learning.checkpoint import Checkpoint, plain_state, save_checkpoint

        folder = Path(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(folder, "make the folder", error) from error
        return save_checkpoint(folder, Checkpoint(self.weights.arrays(), plain_state(self.state())))

    @classmethod
    def load(
        cls, path: str | Path, *, backend: str = "cpp", system: type[System] | None = None
    ) -> Self:
        """Restore what :meth:`save`, or a training run, left in a folder.

        Parameters
        ----------
        path : str or Path
            Folder with a ``checkpoint.npz``.
        backend : str
            Back end to go on with.
        system : type[System], optional
            The system's class, in place of the one named in the checkpoint. Classes that
            a program made, and that are in no file of their own, are found in no other way.

        Returns
        -------
        Simulator
            With the saved parameters, weights and position.

        Warns
        -----
        UserWarning
            If a damaged checkpoint was passed over, or the system's equations are not
            those that the weights were learnt with.

        Raises
        ------
        CheckpointError
            If there is no usable checkpoint, or the class does not take its settings.
        ParameterError
            If the system that the checkpoint names cannot be found.
        """
        from neurosim.learning.checkpoint import load_checkpoint
        from neurosim.learning.named_systems import system_named

        checkpoint, complaints = load_checkpoint(Path(path))
        for complaint in complaints:
            warnings.warn(complaint, stacklevel=2)
        state = checkpoint.state
        settings = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in state["settings"].items()
        }
        if system is None:
            system = system_named(state["system"])
        elif not (isinstance(system, type) and issubclass(system, System)):
            raise ParameterError(f"system = {system!r}: give a class of a system, e.g. CorInfoMax")
        try:
            made = system(**settings)
        except TypeError as error:
            raise CheckpointError(
                f"the checkpoint in {path} was made with other settings than {system.__name__} "
                f"takes: {error}; put back the class that it was made with"
            ) from error
        simulator = cls(made, seed=state["seed"], backend=backend, dtype=state["dtype"])
        if state.get("circuit", simulator.circuit.digest()) != simulator.circuit.digest():
            warnings.warn(
                f"the equations of {state['system']} are not those that the weights in {path} "
                "were learnt with; put them back, or expect other results",
                stacklevel=2,
            )
        simulator.restore(checkpoint.arrays, state["epoch"], state["position"])
        return simulator

    def restore(self, arrays: Weights, epoch: int, position: int) -> None:
        """Go back to earlier weights and an earlier position in training.

        Parameters
        ----------
        arrays : Weights
            Every weight array of the network, of shape (post, pre).
        epoch, position : int
            Epochs finished, and images of the current one shown.

        Raises
        ------
        CheckpointError
            If an array is missing or unknown; no weight is changed then.
        DataError
            If an array does not fit; no weight is changed then.
        """
        self.weights.restore(arrays)
        self.epoch, self.position = epoch, position
        self._same_answer.reset()

    # ------------------------------------------------------------ checks

    def check_images(self, x: ArrayLike) -> NDArray[Any]:
        """Images as the network takes them.

        Parameters
        ----------
        x : array_like, shape (n, n_inputs)
            Images.

        Returns
        -------
        ndarray, shape (n, n_inputs)
            The same numbers.

        Warns
        -----
        UserWarning
            Once per simulator, if values lie so far out that somebody forgot to scale them.

        Raises
        ------
        DataError
            If the shape is another one, or a value is no finite real number.
        """
        images = _array(x, f"images of shape (n, {self.system.layers[0]})")
        wanted = self.system.layers[0]
        if images.ndim != 2 or images.shape[1] != wanted or not len(images):
            raise DataError(
                f"images of shape {images.shape}; this network takes (n, {wanted}) with n >= 1, "
                "one flattened image per row"
            )
        if not _is_real(images.dtype) or not np.isfinite(images).all():
            raise DataError("images must be real, finite numbers")
        self._warn_of_range(images)
        return images

    def _warn_of_range(self, images: NDArray[Any]) -> None:
        largest = max(float(images.max()), -float(images.min()))
        if largest > _UNSCALED and not self._told_of_range:
            self._told_of_range = True
            warnings.warn(
                f"the images hold values up to {largest:g}; rates lie between 0 and 1, so the "
                "network will hardly learn: divide by 255, or whatever the largest value is",
                stacklevel=4,
            )

    def check_targets(self, y: ArrayLike) -> NDArray[Any]:
        """Labels as target rates.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, n_outputs)
            Class numbers, or target rates.

        Returns
        -------
        ndarray, shape (n, n_outputs)
            Target rates; 1 for the class and 0 for the others, if classes were given.

        Raises
        ------
        DataError
            If a class is unknown to the network, or these are neither classes nor rates.
        """
        given = _array(y, f"labels of shape (n,) or (n, {self.system.layers[-1]})")
        classes = self.system.layers[-1]
        if given.ndim == 1 and np.issubdtype(given.dtype, np.integer):
            if given.size and not 0 <= given.min() <= given.max() < classes:
                raise DataError(
                    f"labels run from {given.min()} to {given.max()}; this network has classes "
                    f"0 to {classes - 1}"
                )
            return one_hot(given, classes)
        rates = _is_real(given.dtype) and given.ndim == 2 and given.shape[1] == classes
        if not rates or not np.isfinite(given).all():
            raise DataError(
                f"labels of shape {given.shape} and type {given.dtype}; give whole class numbers "
                f"of shape (n,) or target rates of shape (n, {classes})"
            )
        return given


def _check_system(system: object) -> None:
    if isinstance(system, type):
        raise ParameterError(
            f"give a system, e.g. {system.__name__}(layers=(64, 100, 10)), not the class"
        )
    if not isinstance(system, System):
        raise ParameterError(
            f"system = {system!r}: give a system, e.g. CorInfoMax(layers=(64, 100, 10))"
        )


def _whole(name: str, number: object, least: int = 1) -> int:
    if not isinstance(number, (int, np.integer)) or number < least:
        raise ParameterError(f"{name} = {number!r}: give a whole number of {least} or more")
    return int(number)


def _check_given(circuit: Circuit, layers: tuple[int, ...]) -> None:
    """Refuse a circuit that waits for other inputs than a simulator gives."""
    given = {"stimulus": layers[0], "target": layers[-1]}
    taken = {item.name: item.width for item in circuit.inputs if item.width}
    for name in sorted(given.keys() | taken.keys()):
        if given.get(name) != taken.get(name):
            has = f"of width {taken[name]}" if name in taken else "not at all"
            raise CircuitError(
                f"circuit {circuit.name!r} takes the input {name!r} {has}; a Simulator gives the "
                f"image as 'stimulus' of width {layers[0]} and the wanted output as 'target' of "
                f"width {layers[-1]}, and the single numbers of System.cycle_scalars: declare "
                "these as CycleInput, or run the circuit on a back end of neurosim.backends"
            )


def _array(values: ArrayLike, what: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} are needed: {error}") from error


def _is_real(dtype: np.dtype[Any]) -> bool:
    numbers = (np.integer, np.floating, np.bool_)
    return any(np.issubdtype(dtype, kind) for kind in numbers)


def _check_lengths(images: NDArray[Any], targets: NDArray[Any]) -> None:
    if len(images) != len(targets):
        raise DataError(f"{len(images)} images but {len(targets)} labels; one label per image")
