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
2. What cells did at the previous image is state of theirs, in place of a temporal derivative
   (eq. 14). With ``memory="unit"`` memory units hold it (eq. 15 and 16): one for every number
   that a cell or group compares or learns by, in parts of ``background``, with 0 as the activity
   between images. A unit takes an image in when it has been compared, in steps of half a time
   constant, and its leak stands still between images.
3. The running mean is a plain mean at first, until 1/images is below beta. The first image has
   none before it and changes no hidden weight.
4. Divisive normalisation takes four steps: cells tell their group their activity, and are told
   its mean; tell it their squared deviations, and are told the scale. The paper leaves it out.
5. The cosine kernel has no plausible circuit, as the paper says: its cell of the third factor
   reads three signals, and synapses read two third factors.
6. Numbers of the paper are those of ``rule="batch"``: all pairs of a batch, by meetings of its
   images. Two sums take the place of one, since b3, the batch's mean, is known when all have met;
   by the symmetry of a pair only an image's own input is multiplied, twice.
7. A layer has equal groups of two cells or more, in convolutions of whole channels: the largest
   number of them that ``groups`` allows.
8. A convolution that a pool follows is a layer of its own; the pool tells it the third factors.
   Cells drop out by sending 0, with SELU, too (code: alpha dropout). Batch norm is left out.
9. Rates are graded events: a cell sends its rate if that exceeds ``event_threshold`` (0, the
   default, is exact). A synapse learns from the rate that was sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from neurosim.circuit import Event, Pathway, Population, Projection
from neurosim.circuit.parser import parse_equations
from neurosim.models.phsic_layers import KERNEL, MODULATOR, WAY, KernelLayers
from neurosim.system import parameter

__all__ = ["PHSIC"]

# ------------------------------------------------------------------ this image and another one

#: What cells learn by: alone, as members of a group, or below a pool.
SLOPE = {
    "alone": """
h = df : 1                                       # eq. 41, f', which is dq/ds
""",
    "member": """
h = 2*(1 - p)/cells*z_hat*scale*df : 1           # eq. 48, dv/ds
p : 1 (shared, constant)                         # power
cells : 1 (shared, constant)                     # in a group
""",
    "below": "h = df : 1    # eq. 41, f'\n",
}
#: What the kernel compares: of cells eq. 26, of groups eq. 19; noted before images meet.
COMPARED = {
    "pairs": "q = {0} : 1    # eq. 26, what is compared\n",
    "batch": "q : 1    # eq. 26, {0} is compared\n",
}
MEAN = {
    "pairs": """
M = (b2 - b3)*unit : 1                           # eq. 62
b3 = b3_before + share*(b2 - b3_before) : 1      # eq. 61
share = clip(1/clip(seen, 1, inf), beta, 1) : 1  # eq. 61, beta; at first a plain mean
b3_before : 1                                    # eq. 61, b3 at the previous image
seen : 1                                         # images before this one
beta : 1 (shared, constant)                      # share of a new pair in the running mean
""",
    "batch": """
b3 : 1                                           # eq. 11, mean of b2 over all pairs of the batch
b2_mean : 1                                      # mean of b2 over the images met
met : 1                                          # images met
""",
}
THIRD = {
    "pairs": """
third = M*way : 1                                # eq. 57; with groups eq. 66
third_before = M*way_before : 1                  # eq. 57; with groups eq. 66
M : 1 (linked)                                   # of the layer
""",
    "batch": """
third = 2*(ways - b3*unit_ways)/met : 1          # eq. 40, over the images met; 2 by symmetry
ways : 1                                         # sum of b2*unit*way
unit_ways : 1                                    # sum of unit*way
b2 : 1 (linked)                                  # of the layer
b3 : 1 (linked)                                  # of the layer
unit : 1 (linked)                                # of the layer
met : 1 (linked)                                 # of the layer
""",
}
#: Third factors that cells are told, by their group or by the pool above.
TOLD = {
    "pairs": "third : 1    # eq. 66, delivered\nthird_before : 1    # for the other image\n",
    "batch": "third : 1    # eq. 66, delivered\n",
}
CREDIT = {
    "pairs": "credit : 1    # third factor times h\ncredit_before : 1    # at the other image\n",
    "batch": "credit : 1    # third factor times h\n",
}
NOTE = {
    "pairs": "credit = third*h\ncredit_before = third_before*h_before",
    "batch": "credit = third*h",
}
LEARN = {
    "pairs": "end_instruct and learning and (r_sent != 0 or r_before != 0)",
    "batch": "end_instruct and learning and r_sent != 0",
}
INSTRUCTED = "in_instruct and phase_step == {}"
#: eq. 66
INSTRUCT = "third_post += third_pre"
#: eq. 66
INSTRUCT_BOTH = "third_post += third_pre\nthird_before_post += third_before_pre"
#: not in the paper: chain rule, to the cell that was the largest
BACK = "third_pre += third_post*h_post*int(winner_post == i)"
#: not in the paper: chain rule, to the cells that are and were the largest
BACK_BOTH = (
    BACK + "\nthird_before_pre += third_before_post*h_before_post*int(winner_before_post == i)"
)
#: eq. 40
RULE_BATCH = "g += credit_post*r_sent_pre"
#: eq. 13 and 41; with groups eq. 63a and 48
RULE_PAIRS = "g += credit_post*r_sent_pre - credit_before_post*r_before_pre"

# ------------------------------------------------------------------ successive images

#: How cells hold what they did at the other image.
OTHER = {
    "state": "{0}_before : 1    # {0} at the other image\n",
    "unit": """
{0}_before = background*sign({0}_unit)*abs({0}_unit)**(1.0/3) : 1    # eq. 16
{0}_unit : 1                                     # eq. 15, omega
""",
}
UNIT = """
background : 1 (shared, constant)                # deviation that counts as 1
leak : 1 (shared, constant)                      # eq. 15, c
"""
#: What states of cells become for the next image.
KEPT = {
    "r_before": "r_sent", "h_before": "h", "q_before": "q", "winner_before": "winner",
    "y_before": "y", "b3_before": "b3", "seen": "seen + 1",
}  # fmt: skip
#: eq. 15, in steps of half a time constant
TAKE_IN = "{0} += 0.5*(({1}/background)**3 - (tanh(abs({1}/background)**3) + leak)*{0})"
UNITS = {"r_unit": "r_sent", "h_unit": "h", "q_unit": "q"}

# ------------------------------------------------------------------ all pairs of a batch

#: What cells see of an image they meet.
MET = {"q_before": "q", "y_before": "y"}
#: What is forgotten when the next image is met, and what is kept of this one.
FORGET = {"gauss": "b1 = 0\nsame = 0", "cosine": "b1 = 0\nsame = 0\nb1_now = 0\nb1_before = 0"}
COUNT = "met += 1\nb2_mean += (b2 - b2_mean)/met"
ADD = "ways += b2*unit*way\nunit_ways += unit*way"


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
        "b3_before": r"b_3^{\mathrm{before}}", "r_unit": r"\omega_r", "h_unit": r"\omega_h",
        "q_unit": r"\omega_q",
    }  # fmt: skip
    sliders: ClassVar[tuple[str, ...]] = ("gamma", "event_threshold")

    beta: float = parameter(0.01, "share of a new pair in the mean b3", r"\beta", "(0, 1]")
    memory: str = parameter(
        "state", "how cells hold the previous image: as it was, or in memory units",
        choices=tuple(OTHER),
    )  # fmt: skip
    leak: float = parameter(0.01, "leak of the memory units", "c", "[0, 1]")
    background: float = parameter(
        0.001, "deviation from the activity between images that memory units take in", "",
        "[1e-6, inf)",
    )  # fmt: skip
    memory_steps: int = parameter(20, "steps in which they take it in", "", "[1, 10000]")

    def phase_steps(self) -> dict[str, int]:
        """At last, memory units take the image in."""
        after = {"memorize": self.memory_steps} if self.paired and self.memory == "unit" else {}
        return {**super().phase_steps(), **after}

    # -------------------------------------------------------------- cells

    def _other(self, *names: str) -> str:
        """Variables of the other image."""
        form = self.memory if self.paired else "state"
        return "".join(OTHER[form].format(name) for name in names) + UNIT * (form == "unit")

    def _learned(self, part: str, k: int) -> str:
        """Third factors, and what they are made of."""
        if not self.compares:
            return ""
        if part == "modulator":
            return KERNEL[self.kernel] + MODULATOR + MEAN[self.rule]
        third, alone = WAY[self.kernel] + THIRD[self.rule], not self.grouped and k in self.kernels
        third += COMPARED[self.rule].format("v" if self.grouped else "z")
        if part == "group":
            return self._other("q") + third
        before = ("q",) * alone + ("r", "h")[: 1 + (k > 0)] * self.paired
        found = self._other(*before) if before else ""
        if k:
            kind = "alone" if alone else "member" if k in self.kernels else "below"
            found += SLOPE[kind] + CREDIT[self.rule] + (third if alone else TOLD[self.rule])
        pools = self.paired and self.pooled(k - 1)
        return found + (OTHER["state"].format("winner") if pools else "")

    def _learning(self, part: str, k: int) -> tuple[Event, ...]:
        """When cells compare, are instructed, and tell their synapses that they learn."""
        if not self.compares:
            return super()._learning(part, k)
        cells, batch, counted = part == "cells", not self.paired, "third factors"
        compared = k in self.kernels and part == ("group" if self.grouped else "cells")
        first, forget = "in_compare and phase_step == 0", FORGET[self.kernel]
        note = "q = v" if self.grouped else "q = z"
        events = (
            (cells and not self.pooled(k), Event("learn", LEARN[self.rule], "learn")),
            (cells and k, Event("end_instruct", "end_instruct", "phase_end", NOTE[self.rule])),
            (compared, Event("compare", "in_compare", "send", counted="comparisons")),
            (compared and batch, Event("end_forward", "end_forward", "phase_end", note)),
            (compared and batch, Event("add", "end_compare", "phase_end", ADD)),
            (part == "group", Event("instruct", INSTRUCTED.format(0), "send", counted=counted)),
            (cells and self.pooled(k - 1),
             Event("back", INSTRUCTED.format(1), "send", counted=counted)),
            (part == "modulator" and batch, Event("forget", first, "sense", forget)),
            (part == "modulator" and batch, Event("count", "end_compare", "phase_end", COUNT)),
        )  # fmt: skip
        return tuple(event for there, event in events if there)

    def _with_onset(self, cells: Population, **start: str) -> Population:
        """Cells that start an image anew, but for what they hold of another one."""
        stored = {line.name for line in parse_equations(cells.equations) if line.is_stored}
        kept, units, met = (
            {variable: now for variable, now in table.items() if variable in stored}
            for table in (KEPT, UNITS, MET)
        )
        if not self.paired:
            averages = {"b3": "b2_mean"} if "b2_mean" in stored else {}
            cells = dataclasses.replace(cells, meets=met, averages=averages)
            return super()._with_onset(cells, **start)
        events = list(cells.events)
        for name, phase, form, table in (
            ("remember", "end_instruct", "{0} = {1}", kept),
            ("memorize", "in_memorize", TAKE_IN, units),
        ):
            action = "\n".join(form.format(*pair) for pair in table.items())
            events += [Event(name, f"{phase} and learning", "learn", action)] * bool(table)
        states = {variable: f"{variable}_{cells.name}" for variable in (*kept, *units)}
        cells = dataclasses.replace(cells, events=tuple(events), states=states)
        return super()._with_onset(cells, **start)

    # -------------------------------------------------------------- synapses

    def _hidden_rule(self) -> str:
        return {"pairs": RULE_PAIRS, "batch": RULE_BATCH}[self.rule] if self.compares else ""

    def _up(self, k: int) -> Projection:
        """Up; a pool tells the largest cells their third factor."""
        back = Pathway("back", "back", BACK_BOTH if self.paired else BACK, side="post")
        made = super()._up(k)
        return made.with_pathway(back) if self.pooled(k) and self.compares else made

    def _within(self, k: int) -> tuple[Projection, ...]:
        """Groups tell their cells the third factor, too."""
        third = Pathway("third", "instruct", INSTRUCT_BOTH if self.paired else INSTRUCT)
        return tuple(
            made.with_pathway(third) if self.compares and made.name == f"share_{k}" else made
            for made in super()._within(k)
        )
