"""The problem for all contenders: a network, trained weights, images and nudges."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim import Simulator
from neurosim.data import DATASETS, dataset_info, default_data_dir, load_dataset, one_hot
from neurosim.errors import DataError, ParameterError
from neurosim.models.corinfomax import CorInfoMax
from neurosim.models.numpy.corinfomax import reference_parameters

__all__ = [
    "SIGN_BLOCK",
    "SIZES",
    "Problem",
    "activity",
    "make_problem",
    "make_system",
    "parse_size",
    "reference_parameters",
]

#: How cost grows with width, with the number of active pixels, and with depth.
SIZES = ((784, 500, 10), (784, 2000, 10), (3072, 1000, 10), (784, 500, 500, 10))

#: The published code draws one sign of beta per batch; so do all contenders here.
SIGN_BLOCK = 100

#: Data set whose images and published settings go with a number of pixels.
_DATASET_OF_WIDTH = {784: "mnist", 3072: "cifar10", 64: "digits"}
_FILES = {"mnist": "MNIST/raw/train-images-idx3-ubyte", "cifar10": "cifar-10-batches-py"}


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """One network and what it is shown.

    Attributes
    ----------
    system : CorInfoMax
        The network; contenders replace its thresholds by their own.
    images : (n, n_inputs) ndarray of float32
        Images to learn.
    targets : (n, n_outputs) ndarray of float32
        One-hot labels.
    betas : (n,) ndarray of float64
        Signed nudges, constant over blocks of :data:`SIGN_BLOCK` images.
    weights : dict of str to ndarray of float64
        Weights at the start: those of a trained network, because an untrained
        one is active in another way.
    source : str
        Where the images come from, in words.
    warm_up : int
        Images the weights were trained with.
    """

    system: CorInfoMax
    images: NDArray[np.float32]
    targets: NDArray[np.float32]
    betas: NDArray[np.float64]
    weights: dict[str, NDArray[np.float64]]
    source: str
    warm_up: int

    @property
    def synapses(self) -> int:
        """Plastic synapses, autapses included."""
        return sum(array.size for array in self.weights.values())

    def inputs(self) -> dict[str, NDArray[Any]]:
        """Images, targets and nudges by the names the circuit has for them."""
        return {"stimulus": self.images, "target": self.targets, "beta": self.betas}

    def head(self, images: int) -> Problem:
        """The same problem with its first images only."""
        return dataclasses.replace(
            self,
            images=self.images[:images],
            targets=self.targets[:images],
            betas=self.betas[:images],
        )

    def with_thresholds(self, event_threshold: float, sst_threshold: float) -> Problem:
        """The same problem for a network that sends at other thresholds."""
        system = dataclasses.replace(
            self.system, event_threshold=event_threshold, sst_threshold=sst_threshold
        )
        return dataclasses.replace(self, system=system)


def parse_size(text: str) -> tuple[int, ...]:
    """Layer sizes written as ``784-500-10``.

    Raises
    ------
    ParameterError
        If the text is something else.

    Examples
    --------
    >>> parse_size("784-500-10")
    (784, 500, 10)
    """
    if not re.fullmatch(r"[1-9]\d*(-[1-9]\d*)+", text):
        raise ParameterError(f"size {text!r}: write layer sizes joined by -, such as 784-500-10")
    return tuple(map(int, text.split("-")))


def make_system(layers: tuple[int, ...], **changes: Any) -> CorInfoMax:
    """The network with the published settings for images of this width.

    Parameters
    ----------
    layers : tuple of int
        Layer sizes.
    **changes
        Parameters that differ.

    Raises
    ------
    ParameterError
        If a setting is asked for that not all contenders implement.
    """
    dataset = _DATASET_OF_WIDTH.get(layers[0], "mnist")
    preset = CorInfoMax.preset(dataset, layers[1:-1])
    # a contender says how many images it takes to an update
    system = CorInfoMax(layers=layers, **{**preset.parameters, "batch": 1, **changes})
    _check_supported(system)
    return system


def _check_supported(system: CorInfoMax) -> None:
    common = {"slowdown": 0, "tau_basal": 0, "tau_apical": 0, "output_apical": "constant"}
    for name, value in common.items():
        if getattr(system, name) != value:
            raise ParameterError(
                f"benchmarks: {name} = {getattr(system, name)!r}; the contenders are written for "
                f"{name} = {value!r}, the published MNIST and CIFAR10 form"
            )


def make_problem(
    layers: tuple[int, ...], *, images: int, warm_up: int, data_dir: Path | None = None
) -> Problem:
    """Images and weights trained with other images of the same kind.

    Parameters
    ----------
    layers : tuple of int
        Layer sizes.
    images : int
        Images the contenders are shown, at most.
    warm_up : int
        Images to train with first; 0 leaves the initial weights.
    data_dir : Path, optional
        Where data sets lie; by default neurosim's cache. Without the files
        synthetic images take their place, and ``source`` says so.

    Returns
    -------
    Problem
        The same for every contender.
    """
    system = make_system(layers)
    source, pixels, labels = _load(layers, images + warm_up, data_dir)
    targets = one_hot(labels, layers[-1])
    weights = _warm_weights(system, pixels[images:], targets[images:])
    signs = np.random.default_rng(5).choice((-1.0, 1.0), size=math.ceil(images / SIGN_BLOCK))
    return Problem(
        system=system,
        images=pixels[:images],
        targets=targets[:images],
        betas=system.beta * np.repeat(signs, SIGN_BLOCK)[:images],
        weights=weights,
        source=source,
        warm_up=warm_up,
    )


def _warm_weights(
    system: CorInfoMax, pixels: NDArray[np.float32], targets: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    with Simulator(system, seed=0) as simulator:
        if len(pixels):
            simulator.fit(pixels, targets, progress=False)
        return {name: array.astype(np.float64) for name, array in simulator.weights.items()}


def activity(problem: Problem, *, images: int = 5) -> dict[str, float]:
    """How much is active: shares of non-zero pixels and of non-silent cells per layer.

    Parameters
    ----------
    problem : Problem
        Network and images.
    images : int
        Images of which the cells are looked at.

    Returns
    -------
    dict of str to float
        ``pixels`` and ``layer_k``, each from 0 to 1; cells at the end of the nudged phase.
    """
    from neurosim.models.numpy.corinfomax import simulate

    params = reference_parameters(problem.system)
    shares: dict[str, list[float]] = {}
    few = problem.head(images)
    for x, y, beta in zip(few.images, few.targets, few.betas.tolist(), strict=True):
        trajectory = simulate(params, few.weights, x.astype(float), y.astype(float), beta)
        for k, rates in trajectory.r.items():
            shares.setdefault(f"layer_{k}", []).append(float((rates[-1] > 0).mean()))
    result = {name: float(np.mean(values)) for name, values in shares.items()}
    return {"pixels": float((problem.images != 0).mean()), **result}


# ---------------------------------------------------------------- images


def _load(
    layers: tuple[int, ...], count: int, data_dir: Path | None
) -> tuple[str, NDArray[np.float32], NDArray[np.int64]]:
    """Words that say where the images come from, the images, their labels."""
    name = _DATASET_OF_WIDTH.get(layers[0], "")
    if name and layers[-1] == dataset_info(name).n_classes and _is_there(name, data_dir):
        data = load_dataset(name, data_dir=data_dir)
        order = np.random.default_rng(3).permutation(len(data.x_train))
        chosen = np.resize(order, count)
        return DATASETS[name].name, data.x_train[chosen], data.y_train[chosen]
    pixels, labels = _synthetic(layers[0], layers[-1], count)
    return f"synthetic ({name or 'mnist'}-like)", pixels, labels


def _is_there(name: str, data_dir: Path | None) -> bool:
    if name not in _FILES:
        return True
    folder = data_dir or default_data_dir()
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(f"the data folder {data_dir} does not exist; name one, or leave it out")
    return (folder / _FILES[name]).exists()


def _synthetic(
    width: int, classes: int, count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Smooth random shapes, alike within a class, so that there is something to learn."""
    rng = np.random.default_rng(11)
    labels = rng.integers(classes, size=count)
    make = _coloured_images if width == 3072 else _line_drawings
    return make(rng, width, classes, labels), labels


def _smooth_fields(rng: np.random.Generator, side: int, count: int) -> NDArray[np.float64]:
    """Smoothed white noise of unit variance, (count, side, side)."""
    from scipy.ndimage import gaussian_filter

    fields = gaussian_filter(rng.normal(size=(count, side, side)), (0, side / 14, side / 14))
    return np.asarray(fields / fields.std())


def _line_drawings(
    rng: np.random.Generator, width: int, classes: int, labels: NDArray[np.int64]
) -> NDArray[np.float32]:
    """As MNIST: about 19 % of the pixels are not 0, most of those bright, the border empty."""
    side = math.ceil(math.sqrt(width))
    prototypes = _smooth_fields(rng, side, classes)
    own = _smooth_fields(rng, side, len(labels))
    ramp = np.minimum(np.arange(side), np.arange(side)[::-1]) / side
    window = np.minimum(4 * np.minimum.outer(ramp, ramp), 1)
    fields = ((1.2 * prototypes[labels] + 0.6 * own) * window).reshape(len(labels), -1)[:, :width]
    active = np.clip(rng.normal(0.19, 0.05, size=len(labels)), 0.05, 0.4)
    levels = [np.quantile(field, 1 - share) for field, share in zip(fields, active, strict=True)]
    above = fields - np.array(levels)[:, None]
    return np.asarray(np.clip(above / 0.45, 0, 1), dtype=np.float32)


def _coloured_images(
    rng: np.random.Generator, width: int, classes: int, labels: NDArray[np.int64]
) -> NDArray[np.float32]:
    """As normalised CIFAR10: no pixel is 0, mean 0, standard deviation 1/3."""
    side = math.isqrt(width // 3)
    parts = []
    for _ in range(3):
        prototypes = _smooth_fields(rng, side, classes)
        own = _smooth_fields(rng, side, len(labels))
        parts.append((0.5 * prototypes[labels] + own).reshape(len(labels), -1))
    pixels = np.concatenate(parts, axis=1)
    return np.asarray(pixels / (3 * pixels.std()), dtype=np.float32)
