"""Optimisers: what a synapse or a cell does with the changes that a batch has gathered.

A learning pathway gathers the descent direction, ``g += ...``; an optimiser commits it. Each
is a few equations of the synapse, so any projection takes it: :func:`optimized` adds them to
one, and :func:`optimized_cells` to cells, for biases and thresholds. Rates are those of an
update, and multiply the mean over the batch.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from neurosim.circuit import Population, Projection
from neurosim.circuit.parser import parse_equations
from neurosim.errors import CircuitError, ParameterError, near_matches

__all__ = ["OPTIMIZERS", "Optimizer", "optimized", "optimized_cells"]


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """What a synapse stores and computes to commit a batch.

    Attributes
    ----------
    equations : str
        Variables and parameters that it adds to the synapse; ``w`` and ``g`` are there.
    commit : str
        Statements, once a batch.
    states : tuple of str
        Variables that last from update to update.
    parameters : mapping of str to float
        Values of its parameters, but for the rate ``eta``.
    """

    equations: str
    commit: str
    states: tuple[str, ...] = ()
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)


_RATE = "eta : 1 (shared, constant)                    # learning rate of an update\n"

SGD = Optimizer(_RATE, "w += eta/batch*g")

ADAM_EQUATIONS = """
m : 1                                            # running mean of the change
v : 1                                            # running mean of its square
decay_m : 1 (shared, constant)                   # beta_1
decay_v : 1 (shared, constant)                   # beta_2
smallest : 1 (shared, constant)                  # epsilon
"""
#: Kingma and Ba, ICLR 2015, algorithm 1, with the means corrected for their start at 0
ADAM_COMMIT = """
m += (1 - decay_m)*(g/batch - m)
v += (1 - decay_v)*((g/batch)**2 - v)
w += eta/(1 - decay_m**commits)*m/(sqrt(v/(1 - decay_v**commits)) + smallest)
"""
ADAM = Optimizer(
    _RATE + ADAM_EQUATIONS,
    ADAM_COMMIT,
    ("m", "v"),
    {"decay_m": 0.9, "decay_v": 0.999, "smallest": 1e-8},
)

MOMENTUM_EQUATIONS = """
m : 1                                            # running sum of the change
momentum : 1 (shared, constant)                  # part of it that stays
decay : 1 (shared, constant)                     # of the weight, per unit of the rate
"""
#: Sutskever et al., ICML 2013, in the form of PyTorch: the rate multiplies the running sum
MOMENTUM_COMMIT = """
m = momentum*m + g/batch - decay*w
w += eta*m
"""
MOMENTUM = Optimizer(
    _RATE + MOMENTUM_EQUATIONS, MOMENTUM_COMMIT, ("m",), {"momentum": 0.9, "decay": 0.0}
)

#: Optimisers by the name that a system's parameter gives them.
OPTIMIZERS: Mapping[str, Optimizer] = {"sgd": SGD, "momentum": MOMENTUM, "adam": ADAM}


def optimized(projection: Projection, name: str, rate: float, **values: float) -> Projection:
    """A projection that commits what it gathers by an optimiser.

    Parameters
    ----------
    projection : Projection
        Its synapses have ``w`` and ``g``, its learning pathways gather into ``g``.
    name : str
        A key of :data:`OPTIMIZERS`.
    rate : float
        Learning rate of an update; the schedule scales it.
    **values : float
        Other parameters of the optimiser, such as ``momentum``; those that it lacks are left out.

    Returns
    -------
    Projection
        With the optimiser's equations, commit and states.

    Raises
    ------
    ParameterError
        If there is no such optimiser.
    """
    chosen = _chosen(name)
    given = {other: values.get(other, value) for other, value in chosen.parameters.items()}
    return dataclasses.replace(
        projection,
        equations=projection.equations + chosen.equations,
        commit=chosen.commit,
        states=chosen.states,
        parameters={**projection.parameters, **given, "eta": rate},
        rate="eta",
    )


def optimized_cells(
    population: Population, name: str, rate: float, *, variable: str, gathered: str,
    **values: float,
) -> Population:  # fmt: skip
    r"""A population that commits what its cells gather by an optimiser.

    Parameters
    ----------
    population : Population
        Its cells have both variables, and ``variable`` is among its weights.
    name : str
        A key of :data:`OPTIMIZERS`.
    rate : float
        Learning rate of an update; the schedule scales it.
    variable : str
        The weight that changes.
    gathered : str
        The variable that holds the descent direction at the end of every image.
    **values : float
        As for :func:`optimized`.

    Returns
    -------
    Population
        With the optimiser's equations, commit and states. What the optimiser adds is named
        after the variable, ``b_m`` and ``b_eta``, and its arrays after that of the weight.

    Raises
    ------
    ParameterError
        If there is no such optimiser.
    CircuitError
        If the variable is none of the population's weights.

    Examples
    --------
    >>> cells = Population("cells", 3, "b : 1\ng : 1", weights={"b": "b_1"})
    >>> optimized_cells(cells, "sgd", 0.1, variable="b", gathered="g").commit
    'b += b_eta/batch*g'
    """
    chosen = _chosen(name)
    if variable not in population.weights:
        raise CircuitError(
            f"population {population.name!r} has no weight {variable!r}; "
            f"{near_matches(variable, population.weights)}"
        )

    def own(text: str) -> str:
        """Names of the optimiser as those of the cell."""
        names = {"w": variable, "g": gathered}
        names |= {other: f"{variable}_{other}" for other in (*chosen.states, *chosen.parameters)}
        names["eta"] = f"{variable}_eta"
        return re.sub(r"[A-Za-z_]\w*", lambda found: names.get(found[0], found[0]), text)

    stem = population.weights[variable]
    code = "\n".join(
        f"{own(line.code)}  # {line.comment}" if line.comment else own(line.code)
        for line in parse_equations(chosen.equations)
    )
    parameters = {own(o): values.get(o, value) for o, value in chosen.parameters.items()}
    return dataclasses.replace(
        population,
        equations=f"{population.equations.rstrip()}\n{code}\n",
        commit="\n".join(filter(None, [population.commit.strip(), own(chosen.commit).strip()])),
        states={**population.states, **{own(m): f"{stem}_{m}" for m in chosen.states}},
        gathers=tuple(dict.fromkeys((*population.gathers, gathered))),
        parameters={**population.parameters, **parameters, f"{variable}_eta": rate},
        rates=(*population.rates, f"{variable}_eta"),
    )


def _chosen(name: str) -> Optimizer:
    if name not in OPTIMIZERS:
        raise ParameterError(f"optimizer {name!r}; {near_matches(name, OPTIMIZERS)}")
    return OPTIMIZERS[name]
