"""Building blocks of layered networks: image relay, bias cell, synapses, weights, traces.

A name that a model imports from here it uses as a name of its own, so that a
system can be varied by replacing that name in its module.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import (
    Event,
    Pathway,
    Population,
    Projection,
    Weight,
    WeightPart,
    reset_action,
)
from neurosim.circuit.parser import parse_equations
from neurosim.system.traces import Trace

__all__ = [
    "ACTIVE_LEARN",
    "BIAS_CELL",
    "GRADED_SPIKES",
    "RELAY",
    "SENSORY",
    "bias_cell",
    "glorot_uniform",
    "leaky",
    "note_event",
    "one_of",
    "onset_event",
    "relay_traces",
    "sensory_relay",
    "spike_event",
    "spikes_trace",
    "square_weight",
    "synapses",
    "target_trace",
]

#: Name under which runs report the events that carry rates between layers.
GRADED_SPIKES = "graded spikes"
#: Name of the cell that biases come from.
BIAS_CELL = "one"

#: A relay of the image: it sends every pixel once, when the image appears.
RELAY = """
r        : 1                                     # the image, layer 0
r_sent   : 1                                     # last value sent
"""
#: The same for rules that contrast two phases.
SENSORY = (
    RELAY.rstrip()
    + """
r_free   = r : 1                                 # not in the paper: the image stays, read by rules
r_nudged = r : 1                                 # not in the paper: the same in both phases
"""
)

#: A cell tells its synapses that the cycle is over, if it was active in either phase.
ACTIVE_LEARN = "end_nudged and learning and (r_nudged != 0 or r_free != 0)"


# ------------------------------------------------------------------ cells and synapses


def sensory_relay(
    size: int,
    *,
    name: str = "sensory",
    shown: str = "stimulus(cycle_time, i)",
    learn: str = ACTIVE_LEARN,
    role: str = "sensory relay",
    equations: str = SENSORY,
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
    equations : str
        Of the cells; :data:`RELAY` where a rule reads one rate only.

    Returns
    -------
    Population
        With the events ``onset``, ``spike`` (counted) and ``learn``.
    """
    return Population(
        name,
        size,
        equations,
        events=(
            Event("onset", "onset", "onset", reset_action(equations, r=shown)),
            Event("spike", "onset and r != 0", "sense", "r_sent = r", counted=GRADED_SPIKES),
            Event("learn", learn, "learn"),
        ),
        role=role,
    )


def bias_cell(*, learn: str = ACTIVE_LEARN, equations: str = SENSORY) -> Population:
    """A cell of rate 1, whose synapses are biases.

    Parameters
    ----------
    learn : str
        Condition of the ``learn`` event.
    equations : str
        As for :func:`sensory_relay`.

    Returns
    -------
    Population
        Named :data:`BIAS_CELL`.
    """
    return sensory_relay(
        1, name=BIAS_CELL, shown="1", learn=learn, role="bias cell, rate 1", equations=equations
    )


def spike_event() -> Event:
    """A cell sends the change of its rate when it exceeds ``event_threshold``.

    Returns
    -------
    Event
        Named ``spike`` and counted; it notes the value sent in ``r_sent``.
    """
    condition = "abs(r - r_sent) > event_threshold"
    return Event("spike", condition, "send", "r_sent = r", counted=GRADED_SPIKES)


def onset_event(equations: str, *, output: bool = False) -> Event:
    """Every variable of a cell starts a cycle at 0; an output cell is shown its target.

    Parameters
    ----------
    equations : str
        Of the population.
    output : bool
        Whether the cells have a target ``y``.

    Returns
    -------
    Event
        Named ``onset``.
    """
    shown = {"y": "target(cycle_time, i)"} if output else {}
    return Event("onset", "onset", "onset", reset_action(equations, **shown))


def note_event(phase: str, *variables: str, then: str = "") -> Event:
    """At the end of a phase a cell notes variables, ``r`` as ``r_free`` and so on.

    Parameters
    ----------
    phase : str
        Name of the phase.
    *variables : str
        What is noted; ``x_phase`` must be in the equations.
    then : str
        Further statements, such as how the cell enters the next phase.

    Returns
    -------
    Event
        Named after the phase, ``end_free``.
    """
    notes = "\n".join(f"{variable}_{phase} = {variable}" for variable in variables)
    return Event(f"end_{phase}", f"end_{phase}", "phase_end", notes + then)


def leaky(equation: str, tau: str) -> str:
    """A compartment that follows its input with a time constant instead of at once.

    Parameters
    ----------
    equation : str
        One equation of the compartment without delay, such as ``v = s : 1``.
    tau : str
        Name of the time constant.

    Returns
    -------
    str
        The differential equation that rests where ``equation`` holds, and the constant.

    Examples
    --------
    >>> print(leaky("v = s : 1  # eq. 2", "tau_v"))
    dv/dt = (s - v)/tau_v : 1    # not in the paper: at rest eq. 2
    tau_v : second (shared, constant)    # time constant of v
    <BLANKLINE>
    """
    (line,) = parse_equations(equation)
    change = f"d{line.name}/dt = ({line.expression} - {line.name})/{tau} : {line.unit}"
    note = f"# not in the paper: at rest {line.comment}"
    constant = f"{tau} : second (shared, constant)    # time constant of {line.name}"
    return f"{change}    {note}\n{constant}\n"


def one_of(cells: tuple[int, ...]) -> str:
    """Condition that a cell is one of some.

    Parameters
    ----------
    cells : tuple of int
        Their numbers, rising.

    Returns
    -------
    str
        Condition on ``i``, a clause for each run of neighbours.

    Examples
    --------
    >>> one_of((0, 3, 4, 5))
    'i == 0 or (i >= 3 and i <= 5)'
    """
    runs = itertools.groupby(enumerate(cells), lambda place: place[1] - place[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(members) for _, members in runs)]
    return " or ".join(f"i == {a}" if a == b else f"(i >= {a} and i <= {b})" for a, b in ends)


def synapses(
    name: str,
    source: str,
    target: str,
    equations: str,
    signal: str,
    rule: str = "",
    *,
    on: tuple[str, str] = ("spike", "learn"),
    rate: tuple[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    **others: Any,
) -> Projection:
    """Synapses that deliver a signal at one event of the sender and learn at another.

    Parameters
    ----------
    name, source, target, equations : str
        See :class:`~neurosim.circuit.Projection`.
    signal, rule : str
        Statements; an empty rule is for synapses that do not learn.
    on : tuple of str
        Events of the sending cells at which the two statements run.
    rate : tuple of str and float
        Name and value of the learning rate, which the schedule changes.
    parameters : mapping of str to float
        Other numbers that all synapses share.
    **others
        Further arguments of :class:`~neurosim.circuit.Projection`.

    Returns
    -------
    Projection
        With the pathways ``signal`` and ``plasticity``.
    """
    pathways = [Pathway("signal", on[0], signal)]
    if rule:
        pathways.append(Pathway("plasticity", on[1], rule, learns=True))
    shared = {**(parameters or {}), **(dict([rate]) if rate else {})}
    scheduled = rate[0] if rate else ""
    ends = (name, source, target, equations, tuple(pathways))
    return Projection(*ends, parameters=shared, rate=scheduled, **others)


def square_weight(
    name: str, k: int, size: int, projections: tuple[str, str], growth: float
) -> Weight:
    """A symmetric array within a layer: two projections hold its off-diagonal and diagonal.

    Parameters
    ----------
    name : str
        Name of the weight in the equations of both projections; the array of layer k
        is called ``name_k``.
    k, size : int
        Number of the layer and of its cells.
    projections : tuple of str
        Names of the projection off the diagonal and of the one on it, without ``_k``.
    growth : float
        See :class:`~neurosim.circuit.Weight`.

    Returns
    -------
    Weight
        Of shape (size, size).
    """
    off_diagonal, diagonal = (f"{projection}_{k}" for projection in projections)
    halves = (
        WeightPart(off_diagonal, name, "off_diagonal"),
        WeightPart(diagonal, name, "diagonal"),
    )
    return Weight(f"{name}_{k}", (size, size), halves, symmetric=True, growth=growth)


# ------------------------------------------------------------------ traces


def spikes_trace(symbol: str = r"\Delta r") -> Trace:
    """The graded spikes a cell sends: the changes of ``r_sent``.

    Parameters
    ----------
    symbol : str
        In LaTeX.

    Returns
    -------
    Trace
        Named ``spikes``.
    """
    return Trace("spikes", "r_sent", "graded spikes sent", symbol, "spikes", change=True)


def target_trace() -> Trace:
    """The target an output cell is shown.

    Returns
    -------
    Trace
        Named ``target``, of the variable ``y``.
    """
    return Trace("target", "y", "target", "y", "rate")


def relay_traces() -> tuple[Trace, ...]:
    """What is recorded of a sensory relay: the pixels shown and the graded spikes sent.

    Returns
    -------
    tuple of Trace
        ``rate`` and ``spikes``.
    """
    return (Trace("rate", "r", "rate, the pixel shown", "r", "rate"), spikes_trace())


# ------------------------------------------------------------------ weights and layers


def glorot_uniform(
    rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Weights drawn uniformly from +-sqrt(6/(n_in + n_out)), as the published codes do.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the draws.
    shape : tuple of int
        Receiving and sending cells, (n_out, n_in), or the natural shape of a wiring.
    fans : tuple of int, optional
        Synapses into a target and out of a source; the shape itself by default, as for
        all to all.

    Returns
    -------
    ndarray
        Of this shape, without unit.
    """
    bound = math.sqrt(6 / sum(fans or shape))
    return rng.uniform(-bound, bound, size=shape)
