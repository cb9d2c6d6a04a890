r"""CorInfoMax with reciprocal feedback learning: feedback weights learn what forward ones learn.

Citation
--------
B. Bozkurt, C. Pehlevan, A. T. Erdogan: Correlative Information Maximization: A
Biologically Plausible Approach to Supervised Deep Neural Networks without
Weight Symmetry. NeurIPS 2023, arXiv:2306.04810. Equation numbers are this paper's.

J. F. Kolen, J. B. Pollack: Backpropagation without weight transport. IEEE
International Conference on Neural Networks 3 (1994) 1375: both synapses of a pair
of cells change by one product and decay, so that they become equal.

A. Laborieux, M. Ernoult, B. Scellier, Y. Bengio, J. Grollier, D. Querlioz: Scaling
Equilibrium Propagation to Deep ConvNets by Drastically Reducing its Gradient
Estimator Bias. Frontiers in Neuroscience 15 (2021) 633674, arXiv:2006.03824: the
symmetric nudge.

All else is as in CorInfoMax (``models/corinfomax.py``), whose circuit is used here.

Differences from the paper
--------------------------
All those of CorInfoMax, and three of its own, each with a parameter that takes it back:

1. ``reciprocal``: W_fb^(k) changes by the product that changes W_ff^(k), error of the
   cell above times rate of the cell below, in place of eq. 27, and both decay
   (``weight_decay``). With equal rates W_ff - W_fb^T then shrinks by the decay alone. W_fb
   no longer follows the paper's backward prediction error e_A; only the cells' dynamics
   still hold that term of the objective.
2. ``symmetric``: after the free phase an image is nudged by -beta, then by +beta, and the
   rules contrast these two phases over 2 beta. The second sets out from where the first
   ends. ``symmetric=False`` draws a sign of beta for each batch, as in the paper.
3. ``cosine_epochs``: rates fall to 0 along a cosine, once every epoch, and the decay with
   them. With ``decay_falls=False`` it stays, and takes from the weights at the end of a run
   what is no longer learnt. ``cosine_epochs=0`` is the paper's schedule.

What is local? W_ff reads the error of its target and the rate of its source, as in the
paper. W_fb lies on the apical dendrite of the lower cell and reads that cell's rate, which
is there; and the basal mismatch e_B = r - v_B of the upper cell, which made the axon that ends
there: this number must travel from the basal dendrite to the axon's own terminals. It stays
within one cell, but no event of this circuit carries it as a graded spike: the rule needs
this second signal twice per image. No synapse reads the weight of another. What pairs
the two is that they join the same two cells.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from neurosim.circuit import Event, Pathway, Population, Projection
from neurosim.errors import ParameterError
from neurosim.models.corinfomax import FEEDBACK_RULE, FEEDFORWARD_RULE, CorInfoMax
from neurosim.system import UPPER, CosineRates, SymmetricNudge, inherited, parameter
from neurosim.system import building_blocks as blocks

__all__ = ["CorInfoMaxReciprocal"]

# ------------------------------------------------------------------ a nudge of both signs

#: The target pushes the output away, then draws it to itself.
NUDGE_BOTH = (
    "nudge = (int(in_nudged) - int(in_opposed))*beta : 1"
    "  # not in the paper: -beta, then +beta (Laborieux et al. 2021)\n"
)
OPPOSED = """
r_opposed : 1                                    # rate at the end of the opposed phase
e_B_opposed : 1                                  # e_B at the end of the opposed phase
"""
OPPOSED_HIDDEN = "e_A_opposed : 1                # e_A at the end of the opposed phase\n"
#: The image is the same in all phases.
SENSORY = blocks.SENSORY + "r_opposed = r : 1    # not in the paper: the same in all phases\n"
LEARN_BOTH = "end_nudged and learning and (r_nudged != 0 or r_opposed != 0)"

# ------------------------------------------------------------------ learning

#: eq. 26 between nudges of both signs
FEEDFORWARD_BOTH = "g += 1/(2*beta)*(e_B_nudged_post*r_nudged_pre - e_B_opposed_post*r_opposed_pre)"
#: eq. 27 between nudges of both signs
FEEDBACK_BOTH = "g += 1/(2*beta)*(e_A_nudged_post*r_nudged_pre - e_A_opposed_post*r_opposed_pre)"
#: not in the paper: the product of eq. 26, read from its other end (Kolen and Pollack 1994)
RECIPROCAL = "g += 1/beta*(e_B_nudged_pre*r_nudged_post - e_B_free_pre*r_free_post)"
#: not in the paper: the product of eq. 26 between nudges of both signs, from its other end
RECIPROCAL_BOTH = "g += 1/(2*beta)*(e_B_nudged_pre*r_nudged_post - e_B_opposed_pre*r_opposed_post)"
#: A cell tells its feedback synapses that the cycle is over, if it had an error in either phase.
LEARN_RECIPROCAL = "end_nudged and learning and (e_B_nudged != 0 or e_B_free != 0)"
LEARN_RECIPROCAL_BOTH = "end_nudged and learning and (e_B_nudged != 0 or e_B_opposed != 0)"

FORGETTING = "forgetting : 1 (shared, constant)                # decay of a batch\n"
#: eq. 26, mean over the batch; not in the paper: decay (Kolen and Pollack 1994)
COMMIT_DECAYING = "w += mu/batch*g - forgetting*w"


@dataclasses.dataclass(frozen=True)
class CorInfoMaxReciprocal(CosineRates, SymmetricNudge, CorInfoMax):
    """CorInfoMax whose feedback synapses learn by the product that their forward partners have.

    Examples
    --------
    >>> model = CorInfoMaxReciprocal(layers=(64, 100, 10), symmetric=False)
    >>> list(model.phase_steps())
    ['free', 'nudged']
    """

    name: ClassVar[str] = "corinfomax-reciprocal"
    title: ClassVar[str] = "CorInfoMax with reciprocal feedback learning"
    citation: ClassVar[str] = (
        "Bozkurt, Pehlevan, Erdogan, NeurIPS 2023, arXiv:2306.04810; feedback: Kolen, Pollack, "
        "ICNN 1994"
    )
    remedy: ClassVar[str] = "lower the learning rates (mu_ff, mu_fb) or raise weight_decay"
    published_batch: ClassVar[int | None] = None

    # per image, a sixteenth of those of a batch
    mu_ff: tuple[float, ...] = inherited(CorInfoMax, "mu_ff", (0.125, 0.09375))
    mu_fb: tuple[float, ...] = inherited(CorInfoMax, "mu_fb", (0.09375,))
    reciprocal: bool = parameter(True, "W_fb learns by the product of W_ff; false: eq. 27")
    weight_decay: tuple[float, ...] = parameter(
        (1.875e-6, 1.875e-6),
        "share of W_ff, and of the W_fb beside it, lost per image",
        r"\lambda_{W}",
        "[0, 1)",
        per=UPPER,
    )
    decay_falls: bool = parameter(True, "the decay falls as the rates do; false: it stays")

    def __post_init__(self) -> None:
        super().__post_init__()
        lost = self.batch * max(self.weight_decay)
        if lost > 1:
            raise ParameterError(
                f"{type(self).__name__}.weight_decay = {max(self.weight_decay)} takes {lost:g} of "
                f"a weight per batch of {self.batch}; at most 1 may go: lower weight_decay or batch"
            )

    def rates(self, epoch: int) -> dict[str, float]:
        """Learning rates and decays of an epoch; without rates, weights do not decay either."""
        scale = self.rate_scale(epoch)
        decay = scale if self.decay_falls else float(scale > 0)
        return super().rates(epoch) | {
            f"{projection.name}.forgetting": projection.parameters["forgetting"] * decay
            for projection in self.circuit().projections
            if projection.rate
        }

    # -------------------------------------------------------------- cells

    def populations(self) -> tuple[Population, ...]:
        """Those of CorInfoMax, with the phases that are contrasted."""
        image, *cells = super().populations()
        if self.symmetric:
            image = blocks.sensory_relay(self.layers[0], learn=LEARN_BOTH, equations=SENSORY)
        return (image, *cells)

    def _cell(self, k: int) -> str:
        hidden = OPPOSED_HIDDEN if k < self.depth else ""
        return super()._cell(k) + (OPPOSED + hidden if self.symmetric else "")

    def _nudge(self) -> str:
        return NUDGE_BOTH if self.symmetric else super()._nudge()

    def _pyramidal_events(self, k: int) -> tuple[Event, ...]:
        events = {event.name: event for event in super()._pyramidal_events(k)}
        if self.symmetric:
            noted = ("r", "e_B", *(("e_A",) if k < self.depth else ()))
            restart = self._domain_texts(k)[1]
            events["end_opposed"] = blocks.note_event("opposed", *noted, then=restart)
            events["learn"] = Event("learn", LEARN_BOTH, "learn")
        if self.reciprocal and k > 1:
            when = LEARN_RECIPROCAL_BOTH if self.symmetric else LEARN_RECIPROCAL
            events["learn_feedback"] = Event("learn_feedback", when, "learn")
        return tuple(events.values())

    # -------------------------------------------------------------- synapses

    def projections(self) -> tuple[Projection, ...]:
        """Those of CorInfoMax; W_ff and W_fb have rules of their own, and decay."""
        return tuple(self._varied(p) if p.rate else p for p in super().projections())

    def _varied(self, projection: Projection) -> Projection:
        """Feedforward or feedback synapses with the rule that the settings ask for."""
        kind, _, k = projection.name.partition("_")
        event, rule = "learn", FEEDFORWARD_BOTH if self.symmetric else FEEDFORWARD_RULE
        if kind == "fb" and self.reciprocal:
            event, rule = "learn_feedback", RECIPROCAL_BOTH if self.symmetric else RECIPROCAL
        elif kind == "fb":
            rule = FEEDBACK_BOTH if self.symmetric else FEEDBACK_RULE
        forgetting = self.batch * self.weight_decay[int(k)]
        return dataclasses.replace(
            projection.with_pathway(Pathway("plasticity", event, rule, learns=True)),
            equations=projection.equations + FORGETTING,
            commit=COMMIT_DECAYING,
            parameters={**projection.parameters, "forgetting": forgetting},
        )
