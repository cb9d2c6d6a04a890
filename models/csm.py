r"""Contrastive similarity matching (CSM): an energy with inhibition within hidden layers.

Citation
--------
S. Qin, N. Mudur, C. Pehlevan: Contrastive Similarity Matching for Supervised Learning.
Neural Computation 33 (2021) 1300, arXiv:2002.10378. The settings are those of the
comparison in Bozkurt, Pehlevan, Erdogan, NeurIPS 2023, arXiv:2306.04810, Table 1; *code*
marks what only the code behind that table says, *CSM code* what the program of Qin et
al. says, too. Equations and sections are those of equilibrium propagation (Scellier and
Bengio 2017, arXiv:1602.05179), whose phases, cells and rule for W and b this system has.

In formulas, with s^(0) = x the image, s^(P) the output and M^(k) symmetric:

- energy (CSM code) E = sum_k |s^(k)|^2 / 2 - sum_k s^(k+1) . (W^(k) s^(k) + b^(k))
  + sum_{0<k<P} s^(k) . M^(k) s^(k) / 2
- cost, total energy and dynamics (sec. 2) C = |s^(P) - y|^2, F = E + beta C,
  tau ds/dt = -dF/ds, kept in [0, 1]
- learning of W, b (sec. 2) dW = (alpha/beta) (s^(k+1) s^(k)T at beta - the same at 0)
- learning of M (CSM code) dM = alpha_M/(2 |beta|) (s^(k) s^(k)T at beta - M)

Similarity matching compares the Gram matrices of neighbouring layers; W and M are the
variables that make that comparison local. M follows the correlations of the nudged
rates, so that cells which fire together inhibit each other.

Differences from the paper
--------------------------
Those of equilibrium propagation in neurosim (rates of one image, cost without 1/2, fixed
lengths of phases, a start from s = 0, graded events), and:

1. Both programs give the Hebbian half of the rule of M the sign of beta,
   s s^T alpha_M/(2 beta), and the forgetting half |beta|. Qin et al. nudge with beta > 0
   alone. The code behind the table draws signs, so that the Hebbian half averages out and
   M decays to about 0 within the first epochs: what is left is equilibrium propagation
   with larger rates and a schedule. ``lateral_rule="published"`` does so, ``"faithful"``
   has |beta| in both halves, whatever the sign.
2. The Hebbian half is added first, the forgetting half then acts on the sum (code);
   in the program of Qin et al. it acts on M from before.
3. The schedule scales the rates of W, b and of the Hebbian half, not that of the
   forgetting (code).
4. The published code starts M from G G^T with G a Glorot-uniform draw, as Qin et al. do:
   before it has decayed, its largest eigenvalue is near 4, too large for the step of 0.5;
   the clipping to [0, 1] keeps the states bounded.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from neurosim.circuit import Pathway, Projection, Weight
from neurosim.errors import ParameterError
from neurosim.models.ep import CELL, EquilibriumPropagation
from neurosim.models.ep import TRACES as EP_TRACES
from neurosim.system import HIDDEN, UPPER, Trace, inherited, parameter
from neurosim.system import building_blocks as blocks

__all__ = ["ContrastiveSimilarityMatching"]

# ------------------------------------------------------------------ cells

FORCE_HIDDEN = """
force = d - u - l : 1                            # sec. 2, -dE/ds; CSM code, lateral term of E
l     : 1                                        # delivered within the layer: M s
"""

# ------------------------------------------------------------------ lateral synapses

LATERAL = """
M       : 1                                      # M^(k), similarity of the cells of a layer
g       : 1                                      # Hebbian half, summed over a batch
alpha_M : 1 (shared, constant)                   # rate of the Hebbian half of a batch
forget  : 1 (shared, constant)                   # alpha_M/(2 |beta|) of a batch, unscheduled
"""
#: CSM code, M s within the layer, by changes of the rate
SIGNAL = "l_post += M*(r_pre - r_sent_pre)"
#: CSM code, Hebbian half of the rule; code, the sign of beta
RULE_PUBLISHED = "g += 1/(2*beta)*r_nudged_post*r_nudged_pre"
#: CSM code, Hebbian half of the rule for a nudge of positive sign
RULE_FAITHFUL = "g += 1/(2*abs(beta))*r_nudged_post*r_nudged_pre"
#: CSM code, forgetting half of the rule; code, after the Hebbian half, a mean over the batch
COMMIT = "M = (1 - forget)*(M + alpha_M/batch*g)"

RULES = {"published": RULE_PUBLISHED, "faithful": RULE_FAITHFUL}

TRACES = (
    *EP_TRACES,
    Trace("lateral", "l", "inhibition within the layer", "M s", "inhibition", layers="hidden"),
)


@dataclasses.dataclass(frozen=True)
class ContrastiveSimilarityMatching(EquilibriumPropagation):
    """Equilibrium propagation with a learnt inhibition within every hidden layer.

    Examples
    --------
    >>> model = ContrastiveSimilarityMatching(layers=(64, 100, 10))
    >>> [weight.name for weight in model.circuit().weights]
    ['W_0', 'W_1', 'b_0', 'b_1', 'M_1']
    """

    name: ClassVar[str] = "csm"
    title: ClassVar[str] = "Contrastive similarity matching (CSM)"
    citation: ClassVar[str] = "Qin, Mudur, Pehlevan, Neural Computation 2021, arXiv:2002.10378"
    remedy: ClassVar[str] = "lower the learning rates (alpha, alpha_M) or raise tau"
    traces: ClassVar[tuple[Trace, ...]] = TRACES

    # published rates / 20, for weights and biases, first layer first
    alpha: tuple[float, ...] = parameter(
        (0.02, 0.01375), "learning rates per image", r"\alpha", "[0, inf)", per=UPPER
    )
    decay: float = inherited(EquilibriumPropagation, "decay", 0.75)
    # published rates / 20
    alpha_M: tuple[float, ...] = parameter(
        (0.0005,), "rates of the lateral synapses per image", r"\alpha_M", "[0, inf)", per=HIDDEN
    )
    lateral_rule: str = parameter(
        "published", "sign of the rule of M: as in the code, or as in the paper",
        choices=tuple(RULES),
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        for rate in self.alpha_M:
            if not self.batch * rate < 2 * self.beta:
                raise ParameterError(
                    f"{type(self).__name__}.alpha_M = {self.alpha_M}: M forgets all it holds in a "
                    f"batch; batch*alpha_M/(2 beta) must be below 1, with beta = {self.beta}"
                )

    # -------------------------------------------------------------- the circuit

    def _cell(self, k: int) -> str:
        return super()._cell(k) if k == self.depth else CELL + FORCE_HIDDEN

    def projections(self) -> tuple[Projection, ...]:
        """Those of equilibrium propagation, and lateral synapses in every hidden layer."""
        lateral = (half for k in self.hidden for half in self._lateral(k))
        return (*super().projections(), *lateral)

    def _lateral(self, k: int) -> tuple[Projection, Projection]:
        """M of layer k: off the diagonal between cells, on it of a cell with itself."""
        rate = self.batch * self.alpha_M[k - 1]
        parameters = {"alpha_M": rate, "forget": rate / (2 * self.beta)}
        name, rule = self.layer_name(k), RULES[self.lateral_rule]
        pathways = (
            Pathway("signal", "spike", SIGNAL),
            Pathway("plasticity", "learn", rule, learns=True),
        )
        shared: dict[str, Any] = {"parameters": parameters, "rate": "alpha_M", "commit": COMMIT}
        return (
            Projection(f"lateral_{k}", name, name, LATERAL, pathways, "all_but_self",
                       role="lateral inhibition", **shared),
            Projection(f"self_{k}", name, name, LATERAL, pathways, "one_to_one",
                       role="inhibition of itself", **shared),
        )  # fmt: skip

    def weights(self) -> tuple[Weight, ...]:
        """M_k, of lateral synapses and of those of cells onto themselves; it stays bounded."""
        halves = ("lateral", "self")
        return tuple(blocks.square_weight("M", k, self.layers[k], halves, 1.0) for k in self.hidden)
