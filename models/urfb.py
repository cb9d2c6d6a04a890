r"""Updated random feedback (URFB): feedback synapses of their own, with the same Hebbian update.

Citation
--------
Y. Amit: Deep learning with asymmetric connections and Hebbian updates. Frontiers in
Computational Neuroscience 13 (2019) 18, arXiv:1812.07965; numbers of equations and sections
are those of the paper. *code* marks what only the published code tells.

Errors come down through synapses R that are drawn independently of the forward synapses W. A
synapse of either kind changes by the product of what it connects: the rate of the cell below
and the error of the cell above. So W and R receive the same changes and grow alike, although
no synapse knows another's weight. In FRFB, R is fixed, which is feedback alignment in these
networks; in backpropagation, errors come down through W itself.

Networks are lists of words, such as ``("conv 32 5x5", "maxpool 3", "drop .8", "full 500")``, or
one of the names of the paper. Convolutions share their weights (tied) or not (untied, local
windows).

Differences from the paper
--------------------------
1. Rates and errors are graded events, as in ``models/bp.py``, which this extends; cells below a
   pool send all their rates.
2. The slope of the saturating cells is 1, as in the paper; ``slope=0.5`` is that of its code.
3. The paper does not state mu. It is ``wrong``/(C - 1) for C classes, with 1 for CIFAR-10 and
   10 for CIFAR-100 (code).
4. Weights are drawn from the bounds of Glorot and Bengio, which count the synapses that there
   are. Untied weights are drawn one by one (in the code: one filter, repeated at every place).
   Which half of the synapses is missing follows from ``wiring_seed``.
5. Cells drop out image by image (the paper: for each batch).
6. A pool whose stride is its side leaves out rows and columns that do not fill a window. Pixels
   are normalised as the data set is here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Event, Pathway, Population, Projection, reset_action
from neurosim.models import bp
from neurosim.system import LayeredSystem, image_network, inherited, parameter, pooling
from neurosim.system.building_blocks import BIAS_CELL
from neurosim.system.networks import ROLES
from neurosim.system.optimizers import optimized

__all__ = ["FixedRandomFeedback", "NetworkBackpropagation", "UpdatedRandomFeedback"]

# ------------------------------------------------------------------ cells

#: What all hidden cells have.
HIDDEN = (
    bp.SENDER.rstrip()
    + """
d     : 1                                        # sec. 3.1, sum of delta R, from above
kept  : 1                                        # dropout: 0 for a silent cell, else 1/(1 - drop)
drop  : 1 (shared, constant)                     # share that drops out
"""
)
SATURATING = """
x     : 1                                        # eq. 1, h, from below
r     = kept*clip(slope*x, -1, 1) : 1            # sec. 3.1, sigma; slope and dropout: code
delta = kept*slope*int(abs(slope*x) <= 1)*d : 1  # sec. 3.1, -dL/dh: eq. 2 with R for W^t
slope : 1 (shared, constant)                     # of sigma
"""
POOLING = (
    pooling.POOLED.rstrip()
    + """
r     = kept*largest : 1                         # sec. 4, max-pooling and dropout
delta = kept*d : 1                               # not in the paper: chain rule
"""
)
ADDING = """
x     : 1                                        # sum of two layers
r     = kept*x : 1                               # sec. 4, residual layer
delta = kept*d : 1                               # not in the paper: chain rule
"""
CELLS = {"conv": SATURATING, "full": SATURATING, "maxpool": POOLING, "sum": ADDING}
OUTPUT = """
x     : 1                                        # eq. 1, h, from below
r     = x : 1                                    # sec. 3.1, linear
y     : 1                                        # target
"""
#: Errors of the output by the name of the loss.
ERRORS = {
    "hinge": """
delta = int(y > 0.5)*int(r <= 1) - mu*int(y <= 0.5)*int(r >= -1) : 1    # eq. 6
mu    : 1 (shared, constant)                     # eq. 4, weight of a wrong class
""",
    "ce": """
delta = y - p : 1                                # sec. 3.2
p     = 1/(1 + Z) : 1                            # sec. 3.2, softmax
Z     : 1                                        # delivered: sum of exp(r_j - r_i), j != i
""",
}
SEND_ALL = "in_forward and phase_step == turn_up"
LEARN_BACK = "end_feedback and learning and delta != 0"

# ------------------------------------------------------------------ synapses

FEEDBACK = """
w : 1                                            # sec. 3.1, R
g : 1                                            # summed over a batch
"""
#: eq. 1
UP = bp.UP
#: sec. 3.1, -dL/dW
RULE = bp.RULE
#: eq. 2, through the same weight
DOWN = bp.DOWN
#: sec. 3.1, R in place of the transposed W
ALIGNED = bp.ALIGNED
#: sec. 3.1, the same increment as that of W
RULE_BACK = "g += delta_pre*r_sent_post"
#: sec. 4, the largest of each window
POOL = pooling.LARGEST
#: not in the paper: chain rule, to the cell that was the largest
POOL_BACK = pooling.BACK
#: sec. 4, residual layer
ADD = image_network.ADD
#: not in the paper: chain rule
ADD_BACK = image_network.ADD_BACK

#: Networks of sec. 4 and 4.1; *code* for the strides of the pools.
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "simpnet": ("conv 32 5x5", "maxpool 3", "drop .8", "full 500", "drop .3"),
    "deepnet": (
        "conv 32 5x5", "maxpool 3", "conv 32 3x3", "conv 32 3x3", "maxpool 3", "drop .8",
        "conv 32 3x3", "conv 32 3x3", "maxpool 3", "drop .3", "full 500",
    ),
    "deepernet": (
        "conv 16 3x3", "conv 16 3x3", "sum", "conv 32 3x3", "conv 32 3x3", "sum", "maxpool 3",
        "drop .5", "conv 64 3x3", "conv 64 3x3", "sum", "maxpool 3", "conv 128 3x3",
        "conv 128 3x3", "sum", "maxpool 3", "drop .8", "full 500",
    ),
    "deepnet_s": (
        "conv 16 3x3", "conv 16 3x3", "sum", "maxpool 3 stride 3", "drop .5", "conv 64 3x3",
        "conv 64 3x3", "sum", "maxpool 2", "conv 64 2x2", "conv 64 2x2", "sum", "maxpool 2",
        "drop .5", "full 500",
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class UpdatedRandomFeedback(bp.FeedbackAlignment, image_network.ImageNetwork):
    """Networks whose feedback synapses learn as the forward ones do.

    Examples
    --------
    >>> model = UpdatedRandomFeedback(
    ...     layers=(64, 256, 64, 10), network=("conv 4 3x3", "maxpool 3"), image=(1, 8, 8)
    ... )
    >>> [projection.wired.kind for projection in model.circuit().projections]
    ['convolution', 'pool', 'all_to_all', 'all_to_all']
    """

    name: ClassVar[str] = "urfb"
    title: ClassVar[str] = "Updated random feedback (URFB)"
    citation: ClassVar[str] = "Amit, Frontiers in Computational Neuroscience 2019"
    networks: ClassVar[Mapping[str, tuple[str, ...]]] = NETWORKS

    loss: str = parameter("hinge", "loss: hinge-like, or cross-entropy", choices=tuple(ERRORS))
    eta: float = inherited(bp.FeedbackAlignment, "eta", 0.1)
    optimizer: str = inherited(bp.FeedbackAlignment, "optimizer", "sgd")
    feedback_rate: float = parameter(
        1.0, "learning rate of R over that of W; 0 for fixed R", r"\epsilon", "[0, inf)"
    )
    slope: float = parameter(1.0, "slope of the hidden cells", "", "(0, 1000]")
    wrong: float = parameter(1.0, "weight of all wrong classes together", "", "(0, 1e6]")

    # -------------------------------------------------------------- cells

    def populations(self) -> tuple[Population, ...]:
        """As in backpropagation, without biases."""
        return tuple(p for p in super().populations() if p.name != BIAS_CELL)

    def _role(self, k: int) -> str:
        return ROLES[self.plan()[k].kind] if k < self.depth else super()._role(k)

    def _cell_equations(self, k: int) -> str:
        if k == self.depth:
            return bp.SENDER + OUTPUT + ERRORS[self.loss]
        return HIDDEN + CELLS[self.plan()[k].kind]

    def _cell_values(self, k: int) -> dict[str, float]:
        mu = self.wrong / max(self.layers[-1] - 1, 1)
        return {**super()._cell_values(k), "mu": mu, "drop": self.plan()[k].drop}

    def _cell_events(self, k: int, equations: str) -> tuple[Event, ...]:
        plan, events = self.plan(), {e.name: e for e in super()._cell_events(k, equations)}
        if k < self.depth:
            start = reset_action(equations, **self.onset_values(k))
            events["onset"] = dataclasses.replace(events["onset"], action=start)
            if plan[k + 1].kind == "maxpool":
                events["spike"] = dataclasses.replace(events["spike"], condition=SEND_ALL)
            if not plan[k + 1].weighted:
                del events["learn"]
        if k == 1:
            del events["error"]
        elif plan[k].weighted and self._updated:
            events["learn_back"] = Event("learn_back", LEARN_BACK, "learn")
        return tuple(events.values())

    # -------------------------------------------------------------- synapses

    def projections(self) -> tuple[Projection, ...]:
        """Synapses up, those that carry errors down, and the softmax."""
        up = (made for k in range(self.depth) for made in self._up(k))
        return (*up, *self._feedback(), *self._softmax())

    def _up(self, k: int) -> tuple[Projection, ...]:
        """What arrives at layer k + 1."""
        if not self.plan()[k + 1].weighted:
            return self.unweighted(k)
        role = "synapses from the image" if k == 0 else "synapses between layers"
        ends = (f"w_{k}", self.layer_name(k), k, f"W_{k}", self._others(k), role)
        return (self.wired(self._learning(*ends), k),)

    @property
    def _updated(self) -> bool:
        """Whether R learns."""
        return self.feedback_rate > 0

    def _feedback(self) -> tuple[Projection, ...]:
        """Synapses R."""
        below = (k for k in self.hidden if self.plan()[k + 1].weighted)
        return tuple(self.wired(self._down(k), k, backward=True) for k in below)

    def _down(self, k: int) -> Projection:
        ends = (f"fb_{k}", self.layer_name(k + 1), self.layer_name(k))
        down, role = Pathway("down", "error", ALIGNED), "synapses that carry errors down"
        if not self._updated:
            return Projection(*ends, bp.FEEDBACK_SYNAPSE, (down,), role=role, weight=f"R_{k}")
        learning = Pathway("plasticity", "learn_back", RULE_BACK, learns=True)
        made = Projection(*ends, FEEDBACK, (down, learning), role=role, weight=f"R_{k}")
        return optimized(made, self.optimizer, self.eta * self.feedback_rate)

    # -------------------------------------------------------------- weights

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Glorot-uniform W and R, independent of each other (sec. 4)."""
        return LayeredSystem.initial_weights(self, rng)


@dataclasses.dataclass(frozen=True)
class FixedRandomFeedback(UpdatedRandomFeedback):
    """The same networks with feedback synapses that do not learn: feedback alignment."""

    name: ClassVar[str] = "frfb"
    title: ClassVar[str] = "Fixed random feedback (FRFB)"

    feedback_rate: float = inherited(UpdatedRandomFeedback, "feedback_rate", 0.0)


@dataclasses.dataclass(frozen=True)
class NetworkBackpropagation(UpdatedRandomFeedback):
    """The same networks with backpropagation through the forward synapses, to compare with."""

    name: ClassVar[str] = "urfb-bp"
    title: ClassVar[str] = "Backpropagation in the networks of URFB"

    feedback_rate: float = inherited(
        UpdatedRandomFeedback, "feedback_rate", 0.0, "without effect: errors go through W itself"
    )

    @property
    def _updated(self) -> bool:
        return False

    def _others(self, k: int) -> tuple[Pathway, ...]:
        """Errors come down through the same weights."""
        return (Pathway("down", "error", DOWN, side="post"),) if k else ()

    def _feedback(self) -> tuple[Projection, ...]:
        return ()
