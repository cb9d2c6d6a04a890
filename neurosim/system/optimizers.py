"""Optimisers: what a synapse does with the changes that a batch has gathered.

A learning pathway gathers the descent direction, ``g += ...``; an optimiser commits it. Each
is a few equations of the synapse, so any projection takes it: :func:`optimized` adds them to
one. Rates are those of an update, and multiply the mean over the batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from neurosim.circuit import Projection
from neurosim.errors import ParameterError, near_matches

__all__ = ["OPTIMIZERS", "Optimizer", "optimized"]


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

#: Optimisers by the name that a system's parameter gives them.
OPTIMIZERS: Mapping[str, Optimizer] = {"sgd": SGD, "adam": ADAM}


def optimized(projection: Projection, name: str, rate: float) -> Projection:
    """A projection that commits what it gathers by an optimiser.

    Parameters
    ----------
    projection : Projection
        Its synapses have ``w`` and ``g``, its learning pathways gather into ``g``.
    name : str
        A key of :data:`OPTIMIZERS`.
    rate : float
        Learning rate of an update; the schedule scales it.

    Returns
    -------
    Projection
        With the optimiser's equations, commit and states.

    Raises
    ------
    ParameterError
        If there is no such optimiser.
    """
    if name not in OPTIMIZERS:
        raise ParameterError(f"optimizer {name!r}; {near_matches(name, OPTIMIZERS)}")
    chosen = OPTIMIZERS[name]
    return dataclasses.replace(
        projection,
        equations=projection.equations + chosen.equations,
        commit=chosen.commit,
        states=chosen.states,
        parameters={**projection.parameters, **chosen.parameters, "eta": rate},
        rate="eta",
    )
