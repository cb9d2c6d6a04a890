r"""Backpropagation (BP) and feedback alignment (FA): errors travel down as events.

Citation
--------
D. E. Rumelhart, G. E. Hinton, R. J. Williams: Learning representations by
back-propagating errors. Nature 323 (1986) 533-536; numbers of equations are this
paper's. Feedback alignment: T. P. Lillicrap, D. Cownden, D. B. Tweed, C. J. Akerman:
Random synaptic feedback weights support error backpropagation for deep learning. Nature
Communications 7 (2016) 13276. Adam: D. P. Kingma, J. Ba, ICLR 2015, arXiv:1412.6980.
Settings are those of the comparison in Bozkurt, Pehlevan, Erdogan, NeurIPS 2023,
arXiv:2306.04810, Table 1; *code* marks what only the code behind that table says.

Rates climb in a forward phase, one layer a step. In a feedback phase the error of the
output comes down the same way. In backpropagation both use one set of synapses: a
synapse carries its cell's error back through its own weight. In feedback alignment the
error has synapses of its own, random and fixed.

Differences from the paper
--------------------------
1. Rates and errors are graded events: a cell sends its rate if that exceeds
   ``event_threshold``, its error if that exceeds ``error_threshold`` (0 is exact). A
   synapse learns from the rate that was sent.
2. Cells are rectifiers, and the output is linear (code); the cost is the squared error,
   a mean over the outputs or half their sum, or the cross-entropy of a softmax.
3. Adam in place of a plain gradient step (code).
4. The softmax is a lateral circuit, p_i = 1/sum_j exp(r_j - r_i): every output cell
   compares its rate with all others. An exponent is at most 80, so that single precision
   does not overflow; p is then below 1e-34.
5. The error is sent with the sign of the change that lowers the cost, -dE/dx.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Event, Pathway, Population, Projection
from neurosim.circuit.parser import parse_equations
from neurosim.system import StepRates, Trace, parameter
from neurosim.system import building_blocks as blocks
from neurosim.system.optimizers import OPTIMIZERS, optimized

__all__ = ["Backpropagation", "FeedbackAlignment"]

# ------------------------------------------------------------------ cells

#: What takes turns at sending.
SENDER = """
r_sent : 1                                       # rate that was sent
turn_up   : integer (shared, constant)           # step of the forward phase in which it sends
turn_down : integer (shared, constant)           # step of the feedback phase in which it sends
event_threshold : 1 (shared, constant)           # rate that is sent
error_threshold : 1 (shared, constant)           # error that is sent
"""
CELL = f"""
x     : 1                                        # eq. 1, delivered from below, with the bias
{SENDER.strip()}
"""
HIDDEN = """
r     = clip(x, 0, inf) : 1                      # code, rectifier in place of eq. 2
delta = int(x > 0)*d : 1                         # eq. 5, -dE/dx
d     : 1                                        # eq. 7, -dE/dr, delivered from above
"""
OUTPUT = """
r     = x : 1                                    # code, linear in place of eq. 2
y     : 1                                        # target
"""
#: Errors of the output by the name of the cost.
ERRORS = {
    "mse": """
delta = 2*(y - r)/cells : 1                      # eq. 4, of the mean over the outputs; code
cells : 1 (shared, constant)                     # number of outputs
""",
    "sse": """
delta = y - r : 1                                # eq. 4, of half the sum over the outputs
""",
    "ce": """
delta = y - p : 1                                # eq. 4, of the cross-entropy; code
p     = 1/(1 + Z) : 1                            # code, softmax
Z     : 1                                        # delivered: sum of exp(r_j - r_i), j != i
""",
}
SEND_UP = "in_forward and phase_step == turn_up and abs(r) > event_threshold"
SEND_DOWN = "in_feedback and phase_step == turn_down and abs(delta) > error_threshold"
COMPARE = "in_forward and phase_step == turn_up"
LEARN = "end_feedback and learning and r_sent != 0"

# ------------------------------------------------------------------ synapses

SYNAPSE = """
w : 1                                            # eq. 1, weight; of the bias cell, the bias
g : 1                                            # eq. 6, summed over a batch
"""
FEEDBACK_SYNAPSE = "w : 1                        # Lillicrap et al. 2016, B; code\n"
#: eq. 1
UP = "x_post += w*r_pre"
#: eq. 7, through the same weight
DOWN = "d_pre += w*delta_post"
#: code; Lillicrap et al. 2016, B in place of the transposed weights
ALIGNED = "d_post += w*delta_pre"
#: eq. 6, -dE/dw
RULE = "g += delta_post*r_sent_pre"
#: code, softmax: what one output adds to the sum of another
COMPARISON = "Z_post += exp(clip(r_pre - r_post, -80, 80))"

TRACES = (
    Trace("state", "x", "input of the cell", "x", "potential"),
    Trace("rate", "r", "rate", "r", "rate"),
    Trace("error", "delta", "error, minus the gradient", r"\delta", "error"),
    Trace("probability", "p", "softmax", "p", "rate", layers="output"),
    dataclasses.replace(blocks.spikes_trace("r"), layers="hidden"),
    Trace("target", "y", "target", "y", "rate", layers="output"),
)


@dataclasses.dataclass(frozen=True)
class Backpropagation(StepRates):
    """Backpropagation of errors through the weights that rates climb by.

    Examples
    --------
    >>> model = Backpropagation(layers=(64, 100, 10), loss="ce")
    >>> [weight.name for weight in model.circuit().weights if weight.kind == "weight"]
    ['W_0', 'W_1', 'b_0', 'b_1']
    """

    name: ClassVar[str] = "bp"
    title: ClassVar[str] = "Backpropagation (BP)"
    citation: ClassVar[str] = "Rumelhart, Hinton, Williams, Nature 1986"
    remedy: ClassVar[str] = "lower the learning rate (eta)"
    symbols: ClassVar[Mapping[str, str]] = {"delta": r"\delta"}
    phase_times: ClassVar[Mapping[str, str]] = {}
    answer_event: ClassVar[str] = "end_forward"
    sliders: ClassVar[tuple[str, ...]] = ("event_threshold", "error_threshold")

    loss: str = parameter(
        "mse", "cost: mean or half the sum of squares, or cross-entropy",
        choices=("mse", "sse", "ce"),
    )  # fmt: skip
    eta: float = parameter(1e-3, "learning rate of an update", r"\eta", "[0, inf)")
    optimizer: str = parameter("adam", "what commits an update", choices=tuple(OPTIMIZERS))
    momentum: float = parameter(0.9, "of the optimiser of this name", "", "[0, 1)")
    dt: float = parameter(1.0, "time step", r"\Delta t", "[1e-6, 1e6] ms")
    error_threshold: float = parameter(
        0.001, "error that a cell sends; 0 is exact", r"\theta_\delta", "[0, inf)"
    )

    def phase_steps(self) -> dict[str, int]:
        """A step for every layer, up and down."""
        return {"forward": self.depth, "feedback": self.depth}

    # -------------------------------------------------------------- the circuit

    def populations(self) -> tuple[Population, ...]:
        """Image, bias cell and layers."""
        image = blocks.sensory_relay(self.layers[0], learn=LEARN, equations=blocks.RELAY)
        bias = blocks.bias_cell(learn=LEARN, equations=blocks.RELAY)
        return (image, bias, *(self._layer(k) for k in self.upper))

    def _layer(self, k: int) -> Population:
        equations = self._cell_equations(k)
        return Population(
            self.layer_name(k),
            self.layers[k],
            equations,
            events=self._cell_events(k, equations),
            parameters=self.constants(equations, **self._cell_values(k)),
            role=self._role(k),
        )

    def _role(self, k: int) -> str:
        """What the cells of layer k are, in plain words."""
        return "output cells" if k == self.depth else "hidden cells"

    def _cell_values(self, k: int) -> dict[str, float]:
        """Constants of the cells of layer k that are no parameters of the system."""
        return {"turn_up": k - 1, "turn_down": self.depth - k, "cells": self.layers[-1]}

    def _cell_equations(self, k: int) -> str:
        """Equations of the cells of layer k."""
        return CELL + (OUTPUT + ERRORS[self.loss] if k == self.depth else HIDDEN)

    def _cell_events(self, k: int, equations: str) -> tuple[Event, ...]:
        """Events of the cells of layer k."""
        output = k == self.depth
        onset = blocks.onset_event(equations, output=output)
        down = Event("error", SEND_DOWN, "send", counted="error events")
        if output:
            compare = (Event("compare", COMPARE, "send", counted="softmax comparisons"),)
            answer = Event("end_forward", "end_forward", "phase_end")
            return (onset, down, answer, *(compare if self.loss == "ce" else ()))
        spike = Event("spike", SEND_UP, "send", "r_sent = r", counted=blocks.GRADED_SPIKES)
        return (onset, spike, down, Event("learn", LEARN, "learn"))

    def projections(self) -> tuple[Projection, ...]:
        """Synapses from layer to layer that learn, biases, feedback and softmax."""
        below = range(self.depth)
        forward = [
            self._learning(f"w_{k}", self.layer_name(k), k, f"W_{k}", self._others(k),
                           "synapses from the image" if k == 0 else "synapses between layers")
            for k in below
        ]  # fmt: skip
        biases = [
            self._learning(f"bias_{k}", blocks.BIAS_CELL, k, f"b_{k}", (), "biases") for k in below
        ]
        return (*forward, *biases, *self._feedback(), *self._softmax())

    def _others(self, k: int) -> tuple[Pathway, ...]:
        """What else the synapses from layer k carry: errors, but none to the image."""
        return (Pathway("down", "error", DOWN, side="post"),) if k else ()

    def _feedback(self) -> tuple[Projection, ...]:
        """Synapses of errors alone: none, since they use those of the rates."""
        return ()

    def _learning(
        self, name: str, source: str, k: int, weight: str, others: tuple[Pathway, ...], role: str
    ) -> Projection:
        """Synapses onto layer k + 1."""
        pathways = (
            Pathway("up", "spike", UP),
            *others,
            Pathway("plasticity", "learn", RULE, learns=True),
        )
        ends = (name, source, self.layer_name(k + 1))
        made = Projection(*ends, SYNAPSE, pathways, role=role, weight=weight)
        return optimized(made, self.optimizer, self.eta, momentum=self.momentum)

    def _softmax(self) -> tuple[Projection, ...]:
        if self.loss != "ce":
            return ()
        output, pathway = self.layer_name(self.depth), Pathway("comparison", "compare", COMPARISON)
        ends = ("softmax", output, output, "", (pathway,))
        return (Projection(*ends, wiring="all_but_self", role="softmax"),)

    # -------------------------------------------------------------- learning and recording

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Weights and biases from U(+-1/sqrt(cells below)), as in the published code."""
        found: dict[str, NDArray[np.float64]] = {}
        for k in range(self.depth):
            bound, above = 1 / np.sqrt(self.layers[k]), self.layers[k + 1]
            found[f"W_{k}"] = rng.uniform(-bound, bound, (above, self.layers[k]))
            found[f"b_{k}"] = rng.uniform(-bound, bound, (above, 1))
        return self.with_states(found)

    def evaluation_phases(self) -> dict[str, int]:
        """Forward phase only."""
        return {**self.phase_steps(), "feedback": 0}

    def cell_traces(self, k: int) -> tuple[Trace, ...]:
        """Traces of the variables that the cells of a layer have."""
        known = {line.name for line in parse_equations(self._cell_equations(k))}
        here = ("all", "output" if k == self.depth else "hidden")
        return tuple(t for t in TRACES if t.layers in here and t.variable in known)


@dataclasses.dataclass(frozen=True)
class FeedbackAlignment(Backpropagation):
    """As backpropagation, with random, fixed synapses for the errors."""

    name: ClassVar[str] = "fa"
    title: ClassVar[str] = "Feedback alignment (FA)"
    citation: ClassVar[str] = "Lillicrap, Cownden, Tweed, Akerman, Nature Communications 2016"

    def _others(self, k: int) -> tuple[Pathway, ...]:
        return ()

    def _feedback(self) -> tuple[Projection, ...]:
        name = self.layer_name
        return tuple(
            Projection(
                f"fb_{k}", name(k + 1), name(k), FEEDBACK_SYNAPSE,
                (Pathway("down", "error", ALIGNED),), weight=f"B_{k}",
                role="random synapses that carry errors down",
            )
            for k in self.hidden
        )  # fmt: skip

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """W and b as in backpropagation, B Glorot-uniform, as in the published code."""
        sizes = self.layers
        fixed = {
            f"B_{k}": blocks.glorot_uniform(rng, (sizes[k], sizes[k + 1])) for k in self.hidden
        }
        return {**super().initial_weights(rng), **fixed}
