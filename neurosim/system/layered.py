"""What several systems share: the sensory relay, initial weights, checks of settings.

A name that a model imports from here it uses as a name of its own, so that a
system can be varied by replacing that name in its module.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import MAX_CYCLE_STEPS, Event, Population, reset_action
from neurosim.data.registry import DATASETS
from neurosim.errors import DataError, ParameterError, near_matches
from neurosim.system import Preset, PublishedCurve
from neurosim.system.traces import Trace

__all__ = [
    "ACTIVE_LEARN",
    "GRADED_SPIKES",
    "SENSORY",
    "angle_curve",
    "check_layers",
    "check_rate_count",
    "check_stretches",
    "check_whole_steps",
    "choose_preset",
    "glorot_uniform",
    "interpolated_rates",
    "published_accuracy",
    "published_online",
    "relay_traces",
    "sensory_relay",
    "signed_nudges",
    "stretch_factor",
    "whole_steps",
]

#: Name under which runs report the events that carry rates between layers.
GRADED_SPIKES = "graded spikes"

#: A relay of the image: it sends every pixel once, when the image appears.
SENSORY = """
r        : 1                                     # the image, layer 0
r_sent   : 1                                     # last value sent
r_free   = r : 1                                 # not in the paper: the image stays, read by rules
r_nudged = r : 1                                 # not in the paper: the same in both phases
"""

#: A cell tells its synapses that the cycle is over, if it was active in either phase.
ACTIVE_LEARN = "end_nudged and learning and (r_nudged != 0 or r_free != 0)"


def sensory_relay(
    size: int,
    *,
    name: str = "sensory",
    shown: str = "stimulus(cycle_time, i)",
    learn: str = ACTIVE_LEARN,
    role: str = "sensory relay",
) -> Population:
    """Cells that hold a value for a whole cycle and send it once, at the onset.

    Parameters
    ----------
    size : int
        Number of cells.
    name, role : str
        Of the population.
    shown : str
        Expression for the value: the image, or a constant.
    learn : str
        Condition of the ``learn`` event.

    Returns
    -------
    Population
        With the events ``onset``, ``spike`` (counted) and ``learn``.
    """
    return Population(
        name,
        size,
        SENSORY,
        events=(
            Event("onset", "onset", "onset", reset_action(SENSORY, r=shown)),
            Event("spike", "onset and r != 0", "sense", "r_sent = r", counted=GRADED_SPIKES),
            Event("learn", learn, "learn"),
        ),
        role=role,
    )


def relay_traces() -> tuple[Trace, ...]:
    """What is recorded of a sensory relay: the pixels shown and the graded spikes sent.

    Returns
    -------
    tuple of Trace
        ``rate`` and ``spikes``.
    """
    return (
        Trace("rate", "r", "rate, the pixel shown", "r", "rate"),
        Trace("spikes", "r_sent", "graded spikes sent", r"\Delta r", "spikes", change=True),
    )


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Weights drawn uniformly from +-sqrt(6/(n_in + n_out)), as the published codes do.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the draws.
    shape : tuple of int
        Receiving and sending cells, (n_out, n_in).

    Returns
    -------
    ndarray
        Of this shape, without unit.
    """
    bound = math.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, size=shape)


def signed_nudges(
    rng: np.random.Generator, n: int, beta: float, random_sign: bool
) -> NDArray[np.float64]:
    """The nudge of each image, with a sign of its own if asked for.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the signs; not touched where none are drawn.
    n : int
        Number of images.
    beta : float
        Size of the nudge.
    random_sign : bool
        Whether each image draws its sign, as in Laborieux et al. 2021.

    Returns
    -------
    ndarray
        ``+beta`` or ``-beta``, shape (n,).
    """
    signs = rng.choice((-1.0, 1.0), size=n) if random_sign else np.ones(n)
    return beta * signs


# ------------------------------------------------------------------ lengths of phases


def whole_steps(time: float, dt: float) -> int:
    """Number of time steps in a length of time.

    Parameters
    ----------
    time, dt : float
        The length and the step, both in ms.

    Returns
    -------
    int
        The nearest whole number (see :func:`check_whole_steps`).
    """
    return round(time / dt)


def check_whole_steps(owner: str, times: Mapping[str, float], dt: float) -> None:
    """Refuse a phase that is not a whole number of time steps, at least one, or far too long.

    Parameters
    ----------
    owner : str
        Name of the system, for messages.
    times : mapping of str to float
        Lengths in ms by parameter name.
    dt : float
        Time step in ms.

    Raises
    ------
    ParameterError
        For the first length that does not fit.
    """
    for name, value in times.items():
        if value / dt > MAX_CYCLE_STEPS:
            raise ParameterError(
                f"{owner}.{name} = {value} ms has more than {MAX_CYCLE_STEPS} steps of {dt} ms; "
                "take a larger dt or a shorter phase"
            )
        steps = whole_steps(value, dt)
        if steps < 1 or not math.isclose(steps * dt, value):
            raise ParameterError(
                f"{owner}.{name} = {value} ms is not a whole number of steps of "
                f"{dt} ms; give a multiple of dt"
            )


# ------------------------------------------------------------------ layers and learning rates


def check_layers(owner: str, layers: tuple[int, ...]) -> None:
    """Refuse anything but two or more whole layer sizes of 1 or more.

    Parameters
    ----------
    owner : str
        Name of the system, for messages.
    layers : tuple of int
        What was given.

    Raises
    ------
    ParameterError
        If it is not such a tuple.
    """
    whole = isinstance(layers, tuple) and all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in layers
    )
    if not whole or len(layers) < 2:
        raise ParameterError(
            f"{owner}.layers = {layers!r}: give at least an input and an output layer, as a "
            "tuple, each a whole number of cells of 1 or more"
        )


def check_rate_count(owner: str, name: str, rates: tuple[float, ...], needed: int) -> None:
    """Refuse another number of values than the layers need.

    Parameters
    ----------
    owner, name : str
        System and parameter, for messages.
    rates : tuple of float
        What was given.
    needed : int
        How many there must be.

    Raises
    ------
    ParameterError
        If the numbers differ.
    """
    if len(rates) != needed:
        raise ParameterError(
            f"{owner}.{name} has {_counted(len(rates), 'rate')}, but these layers need {needed}; "
            f"give {_counted(needed, 'number')}, e.g. {name}="
            f"{','.join(f'{rate:g}' for rate in (*rates, *(rates or (0.01,)) * needed)[:needed])}"
        )


def _counted(count: int, word: str) -> str:
    """``1 rate``, ``2 rates``."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def check_stretches(owner: str, decay: tuple[float, ...], starts: tuple[int, ...]) -> None:
    """Refuse factors ``decay`` and first epochs ``decay_from`` that do not go together.

    Parameters
    ----------
    owner : str
        Name of the system, for messages.
    decay : tuple of float
        One factor per stretch of epochs.
    starts : tuple of int
        The first epoch of each stretch.

    Raises
    ------
    ParameterError
        If their numbers differ, or the epochs do not rise from 0.
    """
    ordered = list(starts) == sorted(set(starts))
    if len(decay) != len(starts) or not starts or starts[0] != 0 or not ordered:
        raise ParameterError(
            f"{owner}.decay = {decay} with decay_from = {starts}: give one first epoch per "
            "factor, rising from 0, e.g. decay=0.95,0.9 decay_from=0,15"
        )


def stretch_factor(decay: tuple[float, ...], starts: tuple[int, ...], epoch: int) -> float:
    """Factor of the learning rates in an epoch: d^epoch, d being that of its stretch.

    Parameters
    ----------
    decay : tuple of float
        The factor d of each stretch of epochs.
    starts : tuple of int
        The first epoch of each stretch, rising from 0.
    epoch : int
        Epoch, from 0.

    Returns
    -------
    float
        Dimensionless; where d changes, it jumps, as in the published code.
    """
    stretch = sum(epoch >= first for first in starts) - 1
    return float(decay[stretch] ** epoch)


# ------------------------------------------------------------------ presets


def choose_preset(
    published: Mapping[str, tuple[Preset, ...]],
    dataset: str,
    hidden: tuple[int, ...] | None,
    for_depth: Callable[[Preset], Mapping[str, tuple[float, ...]]],
) -> Preset:
    """The setting for a data set and hidden layers, from those a system knows.

    Parameters
    ----------
    published : mapping of str to tuple of Preset
        Known settings by data set, the main one first; ``"mnist"`` stands in
        for a data set that has none.
    dataset : str
        A key of ``published`` or of :data:`neurosim.data.DATASETS`. For images of
        your own name the data set whose settings are to serve.
    hidden : tuple of int or None
        Hidden layer sizes; None for those of the main setting.
    for_depth : callable
        Gives, for the main setting, the learning rates by name that the depth
        of ``hidden`` needs (see :func:`interpolated_rates`).

    Returns
    -------
    Preset
        ``source`` says what was taken from where.

    Raises
    ------
    DataError
        If there is no such data set.
    """
    known = {*published, *DATASETS}
    if dataset not in known:
        raise DataError(
            f"there is no data set {dataset!r}; {near_matches(str(dataset), known)}; for images of "
            "your own take the preset of one of these"
        )
    family = published.get(dataset, published["mnist"])
    note = "" if dataset in published else f" (none published for {dataset}: those of MNIST)"
    main = family[0]
    if hidden is None:
        curves = () if note else main.published
        return dataclasses.replace(main, source=main.source + note, published=curves)
    for candidate in family:
        if len(candidate.hidden) == len(hidden):
            same = "" if candidate.hidden == hidden else f", for hidden {candidate.hidden}"
            source = candidate.source + same + note
            # a published curve is that of the published network on its own data
            curves = () if same or note else candidate.published
            return dataclasses.replace(candidate, hidden=hidden, source=source, published=curves)
    parameters = {**main.parameters, **for_depth(main)}
    return Preset(hidden, main.epochs, parameters, f"interpolated from {main.source}{note}")


def interpolated_rates(rates: tuple[float, ...], count: int) -> tuple[float, ...]:
    """Learning rates for a depth nobody published: linear from the first to the last.

    Parameters
    ----------
    rates : tuple of float
        Published rates, first layer first; at least one.
    count : int
        How many are needed.

    Returns
    -------
    tuple of float
        ``count`` rates; for one, the first.
    """
    if count == 0:
        return ()
    positions = np.linspace(0, 1, count) if count > 1 else np.zeros(1)
    return tuple(np.interp(positions, np.linspace(0, 1, len(rates)), rates).tolist())


#: Epochs of the accuracy curves published for the systems of one comparison.
_EPOCHS = (1, 2, 3, 4, 5, 7, 10, 15, 16, 20, 25, 30, 40, 50)


def published_accuracy(*percent: float, note: str = "") -> PublishedCurve:
    """Test accuracy in %, read off the vector figures that belong to arXiv:2306.04810.

    Parameters
    ----------
    *percent : float
        After epochs 1, 2, 3, 4, 5, 7, 10, 15, 16, 20, 25, 30, 40 and 50.
    note : str
        What else there is to say of the source.

    Returns
    -------
    PublishedCurve
        Of the test accuracy.
    """
    source = f"published, mean of 10 seeds, batch of 20{note}"
    return PublishedCurve("test_accuracy", dict(zip(_EPOCHS, percent, strict=True)), source)


def angle_curve(name: str, batches: int, *degrees: float) -> PublishedCurve:
    """Angle between feedforward and feedback weights, published with arXiv:2306.04810.

    Parameters
    ----------
    name : str
        Of the :class:`~neurosim.system.FeedbackPair`.
    batches : int
        Batches of 20 images in an epoch.
    *degrees : float
        After 1, 1001 and 2001 batches of the first epoch, then epochs 5, 10, 20 and 50.

    Returns
    -------
    PublishedCurve
        Degrees by epochs.
    """
    times = (1 / batches, 1001 / batches, 2001 / batches, 5.0, 10.0, 20.0, 50.0)
    points = dict(zip(times, degrees, strict=True))
    return PublishedCurve(name, points, "published, mean of 10 seeds, batch of 20")


#: Images per update behind the published rates.
_BATCH = 20


def published_online(
    hidden: tuple[int, ...],
    epochs: int,
    rates: Mapping[str, tuple[float, ...]],
    source: str,
    curves: tuple[PublishedCurve, ...] = (),
    **parameters: Any,
) -> Preset:
    """A published setting, its rates per batch of 20 as rates per image.

    Parameters
    ----------
    hidden : tuple of int
        Hidden layer sizes.
    epochs : int
        Published length of training.
    rates : mapping of str to tuple of float
        Published learning rates by the name of the parameter, first layer first.
    source : str
        Where the values come from.
    curves : tuple of PublishedCurve
        Results published for these settings.
    **parameters
        Other values that differ from the system's defaults.

    Returns
    -------
    Preset
        With every rate / 20, so that 20 images change weights as one batch did.
    """
    online = {name: tuple(rate / _BATCH for rate in given) for name, given in rates.items()}
    return Preset(hidden, epochs, {**online, **parameters}, source, curves)
