"""What a system draws: its weights, inputs of any width for every cycle, the key of its noise.

Inputs are drawn for blocks of images, each block by a generator of its own that follows from
the seed, the epoch and the number of the block. So a chunk needs memory for its own images
only, and neither chunks nor an interruption change a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit, CycleInput
from neurosim.errors import CircuitError, counted, near_matches
from neurosim.system.base import System

__all__ = ["GIVEN", "drawn_inputs", "drawn_weights", "evaluation_inputs", "noise_key",
           "scalar_inputs", "stage_inputs", "training_inputs"]  # fmt: skip

#: Inputs that the data give.
GIVEN = ("stimulus", "target")
#: Images whose inputs are drawn together, unless a batch is larger.
_BLOCK = 64
#: First number of the seed sequences; 0 to 2 are those of weights, order and scalar inputs.
_TRAINING, _EVALUATION, _NOISE, _EVALUATION_NOISE, _STAGE, _STAGE_NOISE = 3, 4, 5, 6, 7, 8

Arrays = dict[str, NDArray[np.float64]]


def drawn_inputs(circuit: Circuit) -> tuple[CycleInput, ...]:
    """Inputs with columns that a system has to draw.

    Parameters
    ----------
    circuit : Circuit
        Declares its inputs.

    Returns
    -------
    tuple of CycleInput
        All but image and target.
    """
    return tuple(item for item in circuit.inputs if item.width and item.name not in GIVEN)


def drawn_weights(
    system: System, circuit: Circuit, rng: np.random.Generator, dtype: str
) -> dict[str, NDArray[Any]]:
    """Weights before learning, if they are those that a circuit has.

    Parameters
    ----------
    system : System
        Draws them.
    circuit : Circuit
        Its circuit.
    rng : numpy.random.Generator
        What they are drawn with.
    dtype : str
        Their precision.

    Returns
    -------
    dict of str to ndarray
        By name.

    Raises
    ------
    CircuitError
        Names the weight that is missing, unknown, of another shape or not finite.
    """
    owner = f"{type(system).__name__}.initial_weights(rng)"
    arrays = system.initial_weights(rng)
    shapes = {weight.name: weight.shape for weight in circuit.weights}
    for name in arrays:
        if name not in shapes:
            raise CircuitError(
                f"{owner} returns {name!r}, which is no weight of circuit {circuit.name!r}; "
                f"{near_matches(name, shapes)}"
            )
    for name, shape in shapes.items():
        if name not in arrays:
            raise CircuitError(
                f"{owner} returns no {name!r}, a weight of circuit {circuit.name!r}; let it return "
                f"one, of shape {shape}"
            )
    with np.errstate(over="ignore"):
        found = {name: np.asarray(array).astype(dtype) for name, array in arrays.items()}
    for name, array in found.items():
        if array.shape != shapes[name]:
            raise CircuitError(
                f"{owner} returns {name!r} of shape {array.shape}; give it the shape {shapes[name]}"
            )
        if not np.isfinite(array).all():
            raise CircuitError(
                f"{owner} returns {name!r} with values that are not finite, the first at "
                f"{_first_not_finite(array)}; give finite numbers"
            )
    return found


def _first_not_finite(array: NDArray[Any]) -> str:
    return str(np.argwhere(~np.isfinite(array))[0].tolist())


def scalar_inputs(system: System, circuit: Circuit, rng: np.random.Generator, n: int) -> Arrays:
    """Inputs of one number per cycle that a system draws for an epoch of training.

    Parameters
    ----------
    system : System
        Draws them.
    circuit : Circuit
        Its circuit.
    rng : numpy.random.Generator
        What they are drawn with.
    n : int
        Images of the epoch.

    Returns
    -------
    dict of str to ndarray
        Of shape (n,), by name.

    Raises
    ------
    CircuitError
        If the system draws other inputs than the circuit has, or numbers that are not finite.
    """
    owner = f"{type(system).__name__}.cycle_scalars(rng, n)"
    names = [item.name for item in circuit.inputs if not item.width]
    arrays = {name: np.asarray(a) for name, a in system.cycle_scalars(rng, n).items()}
    for name in arrays:
        if name not in names:
            raise CircuitError(
                f"{owner} returns {name!r}, which is no input of one number per cycle of circuit "
                f"{circuit.name!r}; {near_matches(name, names)}"
            )
    for name in names:
        if name not in arrays:
            raise CircuitError(
                f"{owner} returns no {name!r}, an input of circuit {circuit.name!r}; let it return "
                "one number per image, of shape (n,)"
            )
        array = arrays[name]
        if array.shape != (n,) or not np.isfinite(array).all():
            raise CircuitError(
                f"{owner} returns {name!r} of shape {array.shape} for {counted(n, 'image')}; "
                f"give finite numbers of shape ({n},)"
            )
    return arrays


def training_inputs(
    system: System, circuit: Circuit, seed: int, epoch: int, first: int, count: int
) -> Arrays:
    """Inputs that a system draws for images of an epoch of training.

    Parameters
    ----------
    system : System
        Draws them.
    circuit : Circuit
        Its circuit.
    seed, epoch : int
        They determine what is drawn.
    first, count : int
        Number of the first image in the epoch, and how many there are.

    Returns
    -------
    dict of str to ndarray
        Of shape (count, width), by name.

    Raises
    ------
    CircuitError
        If the system draws other inputs than the circuit has, or numbers that are not finite.
    """
    size = -(-_BLOCK // system.batch) * system.batch

    def draw(block: int) -> Mapping[str, NDArray[np.float64]]:
        return system.cycle_inputs(_generator(seed, _TRAINING, epoch, block), size, epoch)

    return _of_blocks(circuit, "cycle_inputs(rng, n, epoch)", draw, size, first, count)


def evaluation_inputs(
    system: System, circuit: Circuit, seed: int, first: int, count: int
) -> Arrays:
    """Inputs of cycles that show images without learning.

    Parameters
    ----------
    system : System
        Draws them, or says that they are constant.
    circuit : Circuit
        Its circuit.
    seed : int
        Determines what is drawn.
    first, count : int
        Number of the first image among those shown, and how many there are.

    Returns
    -------
    dict of str to ndarray
        Of shape (count, width), by name.

    Raises
    ------
    CircuitError
        If the system gives other inputs than the circuit has, or numbers that are not finite.
    """

    def draw(block: int) -> Mapping[str, NDArray[np.float64]]:
        return system.evaluation_inputs(_generator(seed, _EVALUATION, block), _BLOCK)

    return _of_blocks(circuit, "evaluation_inputs(rng, n)", draw, _BLOCK, first, count)


def stage_inputs(
    system: System, circuit: Circuit, seed: int, epoch: int, number: int, first: int, updates: int
) -> Arrays:
    """Inputs of a stage that shows no images.

    Parameters
    ----------
    system : System
        Draws them, or leaves them at 0.
    circuit : Circuit
        Its circuit.
    seed, epoch : int
        They determine what is drawn.
    number : int
        Number of the stage in ``system.stages()``.
    first, updates : int
        Updates of the stage before these, in all epochs, and how many there are.

    Returns
    -------
    dict of str to ndarray
        Of shape (cycles, width) or (cycles,), by name.

    Raises
    ------
    CircuitError
        If the system draws other inputs than the circuit has, or numbers that are not finite.
    """
    stage = system.stages()[number]
    n = stage.batch
    drawn = [
        system.stage_inputs(stage.name, _generator(seed, _STAGE, epoch, number, k), n, epoch)
        for k in range(first, first + updates)
    ]
    shapes = {item.name: (n, item.width) if item.width else (n,) for item in circuit.inputs}
    for arrays in drawn:
        for name, array in arrays.items():
            fits = np.shape(array) == shapes.get(name) and np.isfinite(array).all()
            if not fits:
                raise CircuitError(
                    f"System.stage_inputs returns {name!r} of shape {np.shape(array)} for n = {n} "
                    f"cycles of the stage {stage.name!r}; give finite numbers of a shape in "
                    f"{shapes}"
                )
    return {
        name: np.concatenate([arrays.get(name, np.zeros(shape)) for arrays in drawn])
        for name, shape in shapes.items()
    }


def noise_key(seed: int, epoch: int | None, stage: int | None = None) -> tuple[int, int]:
    """The key of a circuit's noise.

    Parameters
    ----------
    seed : int
        Of the network.
    epoch : int or None
        Epoch of training; None where nothing is learnt.
    stage : int, optional
        Number of a stage that shows no images.

    Returns
    -------
    tuple of two int
        From 0 to 2^32 - 1.
    """
    place = (_EVALUATION_NOISE,) if epoch is None else (_NOISE, epoch)
    if stage is not None:
        place = (_STAGE_NOISE, *place[1:], stage)
    first, second = np.random.SeedSequence(seed, spawn_key=place).generate_state(2, np.uint32)
    return int(first), int(second)


def _generator(seed: int, *place: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


def _of_blocks(
    circuit: Circuit,
    method: str,
    draw: Callable[[int], Mapping[str, NDArray[np.float64]]],
    size: int,
    first: int,
    count: int,
) -> Arrays:
    wanted = drawn_inputs(circuit)
    if not wanted:
        return {}
    blocks = []
    for block in range(first // size, (first + count - 1) // size + 1):
        arrays = draw(block)
        _check(circuit, method, arrays, size)
        start, stop = max(first - block * size, 0), min(first + count - block * size, size)
        blocks.append({item.name: arrays[item.name][start:stop] for item in wanted})
    return {item.name: np.concatenate([part[item.name] for part in blocks]) for item in wanted}


def _check(circuit: Circuit, method: str, arrays: Mapping[str, Any], size: int) -> None:
    """Refuse what does not fit the declared inputs, before it is cut into chunks."""
    widths = {item.name: item.width for item in drawn_inputs(circuit)}
    for name in arrays:
        if name not in widths:
            raise CircuitError(
                f"System.{method} returns {name!r}, which is no input with columns of circuit "
                f"{circuit.name!r} that a system draws; {near_matches(name, widths)}"
            )
    for name, width in widths.items():
        if name not in arrays:
            raise CircuitError(
                f"circuit {circuit.name!r} takes the input {name!r} of width {width}; a Simulator "
                "gives the image as 'stimulus' and the wanted output as 'target', and what "
                f"System.{method} returns: let it return {name!r}, of shape (n, {width}), or run "
                "the circuit on a back end of neurosim.backends"
            )
        array = np.asarray(arrays[name])
        if array.shape != (size, width) or not np.isfinite(array).all():
            raise CircuitError(
                f"System.{method} returns {name!r} of shape {array.shape} for n = {size}; give "
                f"finite numbers of shape ({size}, {width})"
            )
