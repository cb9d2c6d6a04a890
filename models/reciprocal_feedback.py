r"""Reciprocal Feedback (RF): feedback synapses learn the pseudoinverse of the forward ones.

Citation
--------
S. Cameron, Y. Chen, T. J. Sejnowski: A biologically-plausible learning rule using reciprocal
feedback connections; an extended abstract without numbers: sec. 1 is "Local learning of each layer
pseudoinverse", sec. 2 "Training the whole network". Recirculation: G. E. Hinton,
J. L. McClelland, AIP 1988, the abstract's reference 10. Sizes and rates are *not in the
paper*; they were chosen here.

A network learns in two stages. *Asleep*, each layer dreams: its cells draw noise n and send
it up, the layer above sends what arrives, q = W n, back down through the feedback synapses V,
and these learn to reconstruct the noise,

.. math:: \Delta V = \eta_s\, (n - V W n)\,(W n)^\top,

which has the pseudoinverse of W as its fixed point. *Awake*, the network is shown images. The
error of the output comes down through V in place of the transposed weights, and slopes of the
cells are inverted as well: :math:`B_l = W_{l+1}^+ D_\sigma^+ B_{l+1}`.

Differences from the paper
--------------------------
1. The paper's sleep adapts forward weights, too. Here these are learnt awake only.
2. The forward rule reads the rate below, h, as the Jacobian asks; the abstract writes a, the
   input of that cell.
3. The pseudoinverse of a rectifier's slopes is the slopes themselves, 0 or 1. Inverse slopes
   of tanh are capped, at 1/``slope_floor``.
4. Rates and errors are graded events, as in :mod:`neurosim.models.bp`, which this extends.
5. It sleeps for 500 updates of 64 noise vectors before the first image, and for two before
   every update from images.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Event, Pathway, Projection
from neurosim.models.bp import ALIGNED, CELL, ERRORS, OUTPUT, FeedbackAlignment
from neurosim.system import Stage, Trace, inherited, parameter
from neurosim.system.optimizers import optimized

__all__ = ["ReciprocalFeedback"]

# ------------------------------------------------------------------ cells

#: Rate h = sigma(a), and the error through the inverse slope, by the name of sigma.
HIDDEN = {
    "relu": """
r     = clip(x, 0, inf) : 1                      # sec. 2, h; that sigma is a rectifier: not there
delta = int(x > 0)*d : 1                         # sec. 2, -B e, by D_sigma^+
d     : 1                                        # W^+ times the error above, delivered
""",
    "tanh": """
r     = tanh(x) : 1                              # sec. 2, h
delta = d/clip(1 - r*r, slope_floor, 1) : 1      # sec. 2, -B e, by D_sigma^+; cap not there
d     : 1                                        # W^+ times the error above, delivered
slope_floor : 1 (shared, constant)               # smallest slope inverted; not in the paper
""",
}
#: A cell that dreams.
DREAMER = """
n     : 1                                        # sec. 1, y, noise
p     : 1                                        # sec. 1, V U y, its reconstruction, delivered
"""
#: A cell that dreams reach.
LISTENER = """
q     : 1                                        # sec. 1, U y, delivered from below
"""
FALL_ASLEEP = "in_sleep and phase_step == 0"
RECALL = "in_sleep and phase_step == 1"
LEARN_ASLEEP = "end_sleep and learning"

# ------------------------------------------------------------------ synapses

FEEDBACK = """
w : 1                                            # sec. 1, V
g : 1                                            # summed over a batch
"""
#: sec. 1, U y
DREAM = "q_post += w*n_pre"
#: sec. 1, V U y
RECONSTRUCT = "p_post += w*q_pre"
#: sec. 1, recirculation: the change of activity times what it was reconstructed from
RULE = "g += (n_post - p_post)*q_pre"

TRACES = (
    Trace("noise", "n", "noise in sleep", "n", "other", shown=False),
    Trace("reconstruction", "p", "reconstruction of the noise", "VWn", "other", shown=False),
)


@dataclasses.dataclass(frozen=True)
class ReciprocalFeedback(FeedbackAlignment):
    """Errors travel through feedback synapses that learn the pseudoinverse in sleep.

    Examples
    --------
    >>> [stage.name for stage in ReciprocalFeedback(layers=(64, 30, 10)).stages()]
    ['sleep', 'wake']
    """

    name: ClassVar[str] = "reciprocal-feedback"
    title: ClassVar[str] = "Reciprocal Feedback (RF)"
    citation: ClassVar[str] = "Cameron, Chen, Sejnowski"
    remedy: ClassVar[str] = "lower the learning rates (eta, eta_sleep)"

    loss: str = inherited(FeedbackAlignment, "loss", "sse")
    eta: float = inherited(FeedbackAlignment, "eta", 0.02)
    optimizer: str = inherited(FeedbackAlignment, "optimizer", "sgd")
    batch: int = inherited(FeedbackAlignment, "batch", 50)
    activation: str = parameter("relu", "sigma of the hidden cells", choices=tuple(HIDDEN))
    slope_floor: float = parameter(0.1, "smallest slope of tanh that is inverted", "", "(0, 1]")
    eta_sleep: float = parameter(
        0.5, "learning rate of V, over the squared norm of W at first", r"\eta_s", "[0, 2)"
    )
    dreams: int = parameter(64, "noise vectors per update in sleep", "", "[1, 100000]")
    first_sleep: int = parameter(500, "updates in sleep before the first image", "", "[0, inf)")
    naps: int = parameter(2, "updates in sleep before every update awake", "", "[0, inf)")

    def phase_steps(self) -> dict[str, int]:
        """Awake, a step for every layer, up and down; asleep, one up and one down."""
        return {**super().phase_steps(), "sleep": 2}

    def stages(self) -> tuple[Stage, ...]:
        """Sleep, in which V learns, and wake, in which W and the biases learn."""
        feedback = tuple(f"fb_{k}" for k in self.hidden)
        awake = {**self.phase_steps(), "sleep": 0}
        forward = (f"{kind}_{k}" for k in range(self.depth) for kind in ("w", "bias"))
        wake = Stage("wake", awake, tuple(forward))
        if not feedback or not (self.first_sleep or self.naps):
            return (wake,)
        asleep = {"forward": 0, "feedback": 0}
        often = {"once": self.first_sleep, "every_update": self.naps}
        return (Stage("sleep", asleep, feedback, self.dreams, **often), wake)

    def evaluation_phases(self) -> dict[str, int]:
        """Forward phase only."""
        return {**super().evaluation_phases(), "sleep": 0}

    # -------------------------------------------------------------- the circuit

    def _cell_equations(self, k: int) -> str:
        """Equations of the cells of layer k: what they do awake, and what asleep."""
        output = k == self.depth
        awake = CELL + (OUTPUT + ERRORS[self.loss] if output else HIDDEN[self.activation])
        return awake + ("" if output else DREAMER) + (LISTENER if k > 1 else "")

    def _cell_events(self, k: int, equations: str) -> tuple[Event, ...]:
        """Events of the cells of layer k: what they send awake, and what asleep."""
        dreams = (
            Event("doze", FALL_ASLEEP, "sense", "n = normal_noise(i)"),
            Event("dream", FALL_ASLEEP, "send", counted="dream events"),
        )
        recalls = (
            Event("recall", RECALL, "send", counted="dream events"),
            Event("learn_asleep", LEARN_ASLEEP, "learn"),
        )
        return (
            *super()._cell_events(k, equations),
            *(dreams if k < self.depth else ()),
            *(recalls if k > 1 else ()),
        )

    def _others(self, k: int) -> tuple[Pathway, ...]:
        """Dreams; the image has none."""
        return (Pathway("dream", "dream", DREAM),) if k else ()

    def _feedback(self) -> tuple[Projection, ...]:
        """Synapses V from layer k + 1 to layer k."""
        return tuple(
            optimized(
                Projection(
                    f"fb_{k}", self.layer_name(k + 1), self.layer_name(k), FEEDBACK,
                    (
                        Pathway("down", "error", ALIGNED),
                        Pathway("reconstruct", "recall", RECONSTRUCT),
                        Pathway("plasticity", "learn_asleep", RULE, learns=True),
                    ),
                    weight=f"V_{k}", role="synapses that learn the pseudoinverse in sleep",
                ),
                "sgd",
                self.eta_sleep / self._norm(k) ** 2,
            )
            for k in self.hidden
        )  # fmt: skip

    # -------------------------------------------------------------- weights

    def _deviation(self, k: int) -> float:
        """Of the first weights from layer k: He et al. 2015; half of it to the output."""
        return float(np.sqrt(2 / self.layers[k]) * (0.5 if k == self.depth - 1 else 1))

    def _norm(self, k: int) -> float:
        """Expected largest singular value of the first weights from layer k."""
        return self._deviation(k) * float(np.sqrt(self.layers[k]) + np.sqrt(self.layers[k + 1]))

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Normal W and V, independent of each other, and biases of 0; not in the paper."""
        sizes, found = self.layers, {}
        for k in range(self.depth):
            found[f"W_{k}"] = rng.normal(0, self._deviation(k), (sizes[k + 1], sizes[k]))
            found[f"b_{k}"] = np.zeros((sizes[k + 1], 1))
        for k in self.hidden:
            deviation = np.sqrt(2 / sizes[k + 1])
            found[f"V_{k}"] = rng.normal(0, deviation, (sizes[k], sizes[k + 1]))
        return self.with_states(found)

    def cell_traces(self, k: int) -> tuple[Trace, ...]:
        """Traces of backpropagation, and those of sleep."""
        return (*super().cell_traces(k), *(TRACES if k < self.depth else ()))
