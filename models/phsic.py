r"""pHSIC: every layer learns from its own kernel and a third factor, and nothing comes back.

Citation
--------
R. Pogodin, P. E. Latham: Kernelized information bottleneck leads to biologically plausible
3-factor Hebbian learning in deep networks. NeurIPS 2020, arXiv:2006.07123. Numbers of equations
are this paper's; *code* marks what only its authors' program says.

A layer shall tell images of different classes apart and take images of one class together: it
minimises pHSIC(Z, Z) - gamma pHSIC(Y, Z), which compares the similarity of its activities with
that of the labels (eq. 9). In a stream of images that needs two of them, this one and the one
before. A small circuit per layer computes the third factor M that all its synapses read:

.. math:: \Delta W \propto M\,(z_t - z_{t-1})(x_t - x_{t-1})^\top, \qquad
          M = -\tfrac{1}{\sigma^2}(b_2 - b_3)\,e^{-b_1/2\sigma^2},

where b1 is the squared change of activity, b2 = gamma k(y_t, y_{t-1}) - 2 exp(-b1/2 sigma^2)
compares labels and activities, and b3 is the running mean of b2. It needs no feedback, no
second pass and no labels but whether two are the same. The output is a readout: it learns from
its own error, and sends nothing down.

Differences from the paper
--------------------------
1. The rules are those of cells with a slope (eq. 41, 48 and 54), with their constants; the
   paper's circuit is printed for linear cells and up to a factor.
2. What cells did at the previous image is state of theirs. The paper has it in a temporal
   derivative or a memory cell (eq. 14 and 15), which would be another way to keep it.
3. The running mean is a plain mean at first, until 1/images is below beta. The first image has
   none before it and changes no hidden weight.
4. Divisive normalisation takes four steps: cells tell their group their activity, and are told
   its mean; tell it their squared deviations, and are told the scale. The paper leaves it out.
5. The cosine kernel has no plausible circuit, as the paper says: its cell of the third factor
   reads three signals, and synapses read two third factors.
6. Numbers of the paper are those of ``rule="batch"``: all pairs of a batch, by meetings of its
   images. Two sums take the place of one, since b3, the batch's mean, is known when all have met;
   by the symmetry of a pair only an image's own input is multiplied, twice.
7. A layer has equal groups of two cells or more: the largest number of them that ``groups``
   allows.
8. Rates are graded events: a cell sends its rate if that exceeds ``event_threshold`` (0, the
   default, is exact). A synapse learns from the rate that was sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from neurosim.circuit import Event, Pathway, Phase, Population, Projection, reset_action
from neurosim.models.numpy import phsic as numpy
from neurosim.models.phsic_layers import TRACES, KernelLayers
from neurosim.system import Trace, parameter

__all__ = ["PHSIC"]

# ------------------------------------------------------------------ two images compared
# The other image is the previous one, or with the batch rule in turn each image of the batch.

LABEL = """
y : 1                                            # label of this image
y_before : 1                                     # label of the other image
"""
MODULATOR = """
same : 1                                         # delivered: 1 if both labels are the same
k_y = (n*same - 1)/(n - 1) : 1                   # code, appendix A.3: cosine of centred labels
b2 = gamma*k_y - 2*k_z : 1                       # eq. 60
n : 1 (shared, constant)                         # number of classes
gamma : 1 (shared, constant)                     # weight of the labels
"""
KERNEL = {
    "gauss": """
b1 : 1                                           # eq. 59, delivered; with groups eq. 65
k_z = exp(-b1/(2*sigma**2)) : 1                  # eq. 26
unit = -k_z/sigma**2 : 1                         # eq. 62
sigma : 1 (shared, constant)                     # width of the kernel
""",
    "cosine": """
b1 : 1                                           # eq. 25, scalar product, delivered
b1_now : 1                                       # eq. 25, squared norm, delivered
b1_before : 1                                    # of the other image, delivered
k_z = b1*unit : 1                                # eq. 25
unit = 1/sqrt(clip(b1_now*b1_before, 1e-16, inf)) : 1    # eq. 54; code, the bound
pull = b1/clip(b1_now, 1e-8, inf) : 1            # eq. 54
pull_before = b1/clip(b1_before, 1e-8, inf) : 1  # eq. 54
""",
}
#: Where a third factor moves cells or groups: at this image, and at the other one.
WAY = {
    "gauss": """
q_before : 1                                     # q at the other image
way = q - q_before : 1                           # eq. 57; with groups eq. 66
way_before = way : 1                             # eq. 57; with groups eq. 66
""",
    "cosine": """
q_before : 1                                     # q at the other image
way = q_before - pull*q : 1                      # eq. 54
way_before = pull_before*q_before - q : 1        # eq. 54
""",
}
PULL = {"gauss": (), "cosine": ("pull", "pull_before")}
#: What cells learn by: alone, or as members of a group.
ALONE = """
q = z : 1                                        # eq. 26, what the kernel compares
h = int(s > 0) + slope*int(s <= 0) : 1           # eq. 41, f', which is dq/ds
"""
MEMBER = """
h = 2*(1 - p)/cells*z_hat*scale*(int(s > 0) + slope*int(s <= 0)) : 1    # eq. 48, dv/ds
third : 1                                        # eq. 66, of the group, delivered
p : 1 (shared, constant)                         # power
cells : 1 (shared, constant)                     # in a group
"""
CREDIT = "credit : 1    # third factor times h\n"
COMPARE = Event("compare", "in_compare", "send", counted="comparisons")
COMPARE_LABELS = "in_compare and y != 0"
#: appendix A.3, code
SAME = "same_post += y_pre*y_before_pre"
#: eq. 59; with groups eq. 65
CHANGE_GAUSS = "b1_post += (q_pre - q_before_pre)**2"
#: eq. 25
CHANGE_COSINE = """b1_post += q_pre*q_before_pre
b1_now_post += q_pre**2
b1_before_post += q_before_pre**2"""
#: eq. 66
INSTRUCT = "third_post += third_pre"
NOTE = "credit = third*h"

# ------------------------------------------------------------------ successive images

REMEMBER = "end_instruct and learning"
LEARN_PAIRS = "end_instruct and learning and (r_sent != 0 or r_before != 0)"
MEAN = """
M = (b2 - b3)*unit : 1                           # eq. 62
b3 = b3_before + share*(b2 - b3_before) : 1      # eq. 61
share = clip(1/clip(seen, 1, inf), beta, 1) : 1  # eq. 61, beta; at first a plain mean
b3_before : 1                                    # eq. 61, b3 at the previous image
seen : 1                                         # images before this one
beta : 1 (shared, constant)                      # share of a new pair in the running mean
"""
THIRD = """
third = M*way : 1                                # eq. 57; with groups eq. 66
third_before = M*way_before : 1                  # eq. 57; with groups eq. 66
"""
BEFORE = "r_before : 1    # r_sent at the previous image\n"
CREDIT_BEFORE = """
credit_before : 1                                # credit of the previous image
h_before : 1                                     # h at the previous image
"""
MEMBER_BEFORE = "third_before : 1    # of the group, delivered\n"
NOTE_BEFORE = "\ncredit_before = third_before*h_before"
#: eq. 66
INSTRUCT_BOTH = "third_post += third_pre\nthird_before_post += third_before_pre"
#: eq. 13 and 41; with groups eq. 63a and 48
RULE_PAIRS = "g += credit_post*r_sent_pre - credit_before_post*r_before_pre"

# ------------------------------------------------------------------ all pairs of a batch

LEARN_BATCH = "end_instruct and learning and r_sent != 0"
BATCH_MEAN = """
b3 : 1                                           # eq. 11, mean of b2 over all pairs of the batch
b2_mean : 1                                      # mean of b2 over the images met
met : 1                                          # images met
"""
BATCH_THIRD = """
third = 2*(ways - b3*unit_ways)/met : 1          # eq. 40, over the images met; 2 by symmetry
ways : 1                                         # sum of b2*unit*way
unit_ways : 1                                    # sum of unit*way
q_shown : 1                                      # q, as other images meet it
"""
#: What is forgotten when the next image is met, and what is kept of this one.
FORGET = {"gauss": "b1 = 0\nsame = 0", "cosine": "b1 = 0\nsame = 0\nb1_now = 0\nb1_before = 0"}
COUNT = "met += 1\nb2_mean += (b2 - b2_mean)/met"
ADD = "ways += b2*unit*way\nunit_ways += unit*way"
#: eq. 40
RULE_BATCH = "g += credit_post*r_sent_pre"

#: What the modulator of a layer does.
MODULATOR_TRACES = tuple(
    Trace(name, variable, words, symbol, population="modulator_{k}", layers="hidden", shown=shown)
    for name, variable, words, symbol, shown in (
        ("change", "b1", "change since the other image", "b_1", False),
        ("similarity", "k_z", "kernel with the other image", "k", False),
        ("comparison", "b2", "labels against activities", "b_2", True),
        ("comparison_mean", "b3", "mean of the comparison", "b_3", True),
        ("third_factor", "M", "third factor", "M", True),
    )
)


@dataclasses.dataclass(frozen=True)
class PHSIC(KernelLayers):
    """Hidden layers that learn from pairs of images by a third factor, and a readout.

    Examples
    --------
    >>> model = PHSIC(layers=(64, 32, 32, 10), groups=8)
    >>> [weight.name for weight in model.circuit().weights if weight.kind == "weight"]
    ['W_0', 'W_1', 'W_2', 'b']
    """

    name: ClassVar[str] = "phsic"
    title: ClassVar[str] = "Kernelized information bottleneck (pHSIC)"
    citation: ClassVar[str] = "Pogodin, Latham, NeurIPS 2020, arXiv:2006.07123"
    remedy: ClassVar[str] = "lower the learning rates (eta, eta_output)"
    symbols: ClassVar[Mapping[str, str]] = {
        "z_hat": r"\mathring{z}", "delta": r"\delta", "b1": "b_1", "b2": "b_2", "b3": "b_3",
        "b3_before": r"b_3^{\mathrm{before}}",
    }  # fmt: skip
    sliders: ClassVar[tuple[str, ...]] = ("gamma", "event_threshold")
    traces: ClassVar[tuple[Trace, ...]] = (*TRACES, *MODULATOR_TRACES)

    rule: str = parameter(
        "pairs", "hidden layers learn from successive images, all pairs of a batch, or not",
        choices=("pairs", "batch", "last"),
    )  # fmt: skip
    kernel: str = parameter("gauss", "kernel of the activities", choices=tuple(KERNEL))
    gamma: float = parameter(2.0, "weight of the labels", r"\gamma", "[0, inf)")
    sigma: float = parameter(5.0, "width of the Gaussian kernel", r"\sigma", "(0, inf)")
    beta: float = parameter(0.01, "share of a new pair in the mean b3", r"\beta", "(0, 1]")

    @property
    def compares(self) -> bool:
        """Whether hidden layers learn, by comparing images."""
        return self.rule != "last" and self.depth > 1

    @property
    def paired(self) -> bool:
        """Whether the other image is the previous one."""
        return self.rule == "pairs" and self.depth > 1

    def phase_steps(self) -> dict[str, int]:
        """Up; then images are compared, and cells are instructed."""
        after = {"compare": 1, "instruct": 1} if self.compares else {}
        return {**super().phase_steps(), **after}

    def phases(self) -> tuple[Phase, ...]:
        """With the batch rule, the images of a batch meet in the phase that compares."""
        meeting = "" if self.paired else "compare"
        return tuple(Phase(name, n, name == meeting) for name, n in self.phase_steps().items())

    # -------------------------------------------------------------- cells

    def populations(self) -> tuple[Population, ...]:
        """Those of the network, and labels to compare."""
        found = super().populations()
        if not self.compares:
            return found
        kept = {"y_before": "y"} if self.paired else {}
        onset = reset_action(LABEL, *kept, y="target(cycle_time, i)")
        compare = dataclasses.replace(COMPARE, condition=COMPARE_LABELS)
        label = Population(
            "label", self.layers[-1], LABEL,
            (Event("onset", "onset", "onset", onset), compare, *self._remember(kept)),
            states={name: f"{name}_label" for name in kept}, role="labels",
            meets={} if self.paired else {"y_before": "y"},
        )  # fmt: skip
        return (*found, label)

    def _remember(self, kept: Mapping[str, str]) -> list[Event]:
        """Cells keep for the next image what they have at this one."""
        action = "\n".join(f"{variable} = {value}" for variable, value in kept.items())
        return [Event("remember", REMEMBER, "learn", action)] if kept else []

    def learn_event(self) -> Event:
        """When the synapses of a cell learn."""
        if not self.compares:
            return super().learn_event()
        return Event("learn", LEARN_PAIRS if self.paired else LEARN_BATCH, "learn")

    def learning_rule(self) -> str:
        """What synapses onto hidden cells gather."""
        if not self.compares:
            return ""
        return RULE_PAIRS if self.paired else RULE_BATCH

    def _learning_cells(self, part: str, k: int) -> dict[str, Any]:
        """Memories, comparisons and third factors."""
        if not self.compares:
            return {}
        more = getattr(self, f"_learning_{part}")()
        more["events"] = [*more.get("events", ()), *self._remember(more.get("kept", {}))]
        return dict(more)

    def _learning_sensory(self) -> dict[str, Any]:
        return {"equations": BEFORE, "kept": {"r_before": "r_sent"}} if self.paired else {}

    def _learning_hidden(self) -> dict[str, Any]:
        note = NOTE + (NOTE_BEFORE if self.paired else "")
        events = [Event("end_instruct", "end_instruct", "phase_end", note)]
        equations = (MEMBER if self.grouped else ALONE) + CREDIT
        more = {} if self.grouped else self._learning_compared()
        kept = dict(more.get("kept", {}))
        if self.paired:
            equations += BEFORE + CREDIT_BEFORE + (MEMBER_BEFORE if self.grouped else "")
            kept |= {"r_before": "r_sent", "h_before": "h"}
        return {
            **more, "kept": kept, "equations": equations + more.get("equations", ""),
            "events": [*events, *more.get("events", ())],
        }  # fmt: skip

    def _learning_group(self) -> dict[str, Any]:
        more = self._learning_compared()
        instruct = Event("instruct", "in_instruct", "send", counted="third factors")
        return {**more, "events": [*more["events"], instruct]}

    def _learning_compared(self) -> dict[str, Any]:
        """What learning adds to the cells or groups whose q is compared."""
        equations, pull = WAY[self.kernel], PULL[self.kernel]
        if self.paired:
            return {"equations": equations + THIRD, "links": ("M", *pull), "events": [COMPARE],
                    "kept": {"q_before": "q"}}  # fmt: skip
        show = Event("end_forward", "end_forward", "phase_end", "q_shown = q")
        return {
            "equations": equations + BATCH_THIRD, "meets": {"q_before": "q_shown"},
            "links": ("b2", "b3", "unit", "met", *pull),
            "events": [COMPARE, show, Event("add", "end_compare", "phase_end", ADD)],
        }  # fmt: skip

    def _learning_modulator(self) -> dict[str, Any]:
        equations = KERNEL[self.kernel] + MODULATOR
        if self.paired:
            kept = {"b3_before": "b3", "seen": "seen + 1"}
            return {"equations": equations + MEAN, "kept": kept}
        begins = "in_compare and phase_step == 0"
        events = [Event("forget", begins, "sense", FORGET[self.kernel]),
                  Event("count", "end_compare", "phase_end", COUNT)]  # fmt: skip
        averages = {"b3": "b2_mean"}
        return {"equations": equations + BATCH_MEAN, "events": events, "averages": averages}

    def _company(self, k: int) -> list[Population]:
        """Groups of layer k and its modulator; cells alone have one, too."""
        found = super()._company(k)
        return found or ([self._modulator(k)] if self.compares else [])

    # -------------------------------------------------------------- synapses

    def _within(self, k: int) -> tuple[Projection, ...]:
        """What the cells of hidden layer k, its groups and its modulator tell each other."""
        found = super()._within(k)
        if not self.compares:
            return found
        modulator = f"modulator_{k}"
        same = (Pathway("same", "compare", SAME),)
        labels = Projection(f"labels_{k}", "label", modulator, "", same, role="labels")
        told = CHANGE_GAUSS if self.kernel == "gauss" else CHANGE_COSINE
        change = Pathway("change", "compare", told)
        if not self.grouped:
            cells = self.layer_name(k)
            return Projection(f"change_{k}", cells, modulator, "", (change,), role="change"), labels
        gather, share, spread = found
        third = Pathway("third", "instruct", INSTRUCT_BOTH if self.paired else INSTRUCT)
        return gather, share.with_pathway(third), spread.with_pathway(change), labels

    # -------------------------------------------------------------- recording

    def objectives(
        self, weights: Mapping[str, NDArray[Any]], images: NDArray[Any], targets: NDArray[Any]
    ) -> dict[str, float]:
        """Eq. 9 of every hidden layer, over all pairs of the images; every rate is sent."""
        own = {name: weights[name] for name in (*(f"W_{k}" for k in range(self.depth)), "b")}
        shown = (images.T - self.pixel_mean) / self.pixel_scale
        found = numpy.objectives(own, shown, targets.T, {k: self._rule(k) for k in self.hidden})
        return {self.layer_name(k): value for k, value in found.items()}

    def _rule(self, k: int) -> numpy.Rule:
        """The rule of hidden layer k in plain NumPy."""
        return numpy.Rule(
            self.kernel, self.grouping, self.groups_of(k), self.gamma, self.sigma, self.power,
            self.offset, self.slope, self.beta,
        )  # fmt: skip

    def cell_traces(self, k: int) -> tuple[Trace, ...]:
        """Those of the cells, and of the modulator if there is one."""
        missing = () if self.paired else ("M",)
        return tuple(
            trace for trace in super().cell_traces(k)
            if not trace.population or (self.compares and trace.variable not in missing)
        )  # fmt: skip
