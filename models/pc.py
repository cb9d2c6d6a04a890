r"""Predictive coding (PC): cells settle until their errors explain the target.

Citation
--------
J. C. R. Whittington, R. Bogacz: An Approximation of the Error Backpropagation
Algorithm in a Predictive Coding Network with Local Hebbian Synaptic Plasticity.
Neural Computation 29 (2017) 1229, DOI 10.1162/NECO_a_00949. A tutorial on such
networks is R. Bogacz, Journal of Mathematical Psychology 76 (2017) 198. The settings
are those of the comparison in Bozkurt, Pehlevan, Erdogan, NeurIPS 2023,
arXiv:2306.04810, Table 1. Numbers of sections are those of the first paper; *code*
marks what only the code behind that Table 1 says.

In formulas, with value nodes x_l, layers l = 0 (the image) to P (the output):

- prediction      mu_l = W_(l-1) f(x_(l-1)) + b_(l-1)
- error           e_l = x_l - mu_l
- energy          E = sum_l |e_l|^2 / 2
- dynamics        tau dx_l/dt = -dE/dx_l = -e_l + f'(x_l) (W_l^T e_(l+1))
- learning        dW_l = -dE/dW_l = e_(l+1) f(x_l)^T and db_l = e_(l+1)

f is the logistic sigmoid in the hidden layers; the output is linear and f(x_0) is the
image. In the *predict* phase layer l adopts its prediction in step l - 1: a forward
pass, with errors of 0, which is all that an evaluation needs. In the *settle* phase the
output is clamped to the target and all hidden layers settle at once.

Differences from the paper
--------------------------
1. The image itself stands for f(x_0), so no pixel needs an x_0 = logit(pixel), which
   is infinite for 0 and 1 (as in the code).
2. Unit variances, 50 settling steps of 0.1 whether or not the network has settled, and
   Adam in batches of 20, as in the code.
3. A value node and its error node are one cell, which sends two kinds of graded
   events. The rate f(x) goes up and the error down, through the same weights. A cell
   sends the change of its rate when that exceeds ``event_threshold``, the change of its
   error when that exceeds ``error_threshold`` (0 is exact).
4. Errors arrive at the beginning of the step after the predictions that they are made
   from, before cells integrate: all layers take their step from the same moment.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Event, Pathway, Population, Projection
from neurosim.system import StepRates, Trace, inherited, parameter, timing
from neurosim.system import building_blocks as blocks
from neurosim.system.base import Layer
from neurosim.system.optimizers import optimized

__all__ = ["PredictiveCoding"]

# ------------------------------------------------------------------ cells

CELL = """
mu    : 1                                        # sec. 2, prediction: W f(x) from below, b
err   = x - mu : 1                               # sec. 2, error
"""

#: Of cells that send their error down: all but those of the first layer.
ERROR_SENT = """
err_sent : 1                                     # last error sent
error_threshold : 1 (shared, constant)           # change of error that is sent
"""

HIDDEN = """
dx/dt = int(in_settle)*force/tau : 1             # sec. 2, -dE/dx; code, all layers at once
feedback : 1                                     # sec. 2, W^T e from above
r_sent : 1                                       # last rate sent
tau   : second (shared, constant)                # time constant; code, a step is 0.1 tau
event_threshold : 1 (shared, constant)           # change of rate that is sent
"""

SIGMOID = """
r     = 1/(1 + exp(-x)) : 1                      # code, f(x), logistic
slope = r*(1 - r) : 1                            # sec. 2, f'(x)
force = slope*feedback - err : 1                 # sec. 2, -dE/dx
"""

CLAMPED = """
x     = mu + int(in_settle)*(goal - mu) : 1      # sec. 2, its prediction, then the target
goal  = 0.03 + 0.94*y : 1                        # code, 0.97 for the class shown
r     = x : 1                                    # code, the output is linear
y     : 1                                        # target
"""

#: Cells tell their synapses that the network has settled.
SETTLED = "end_settle and learning"
#: Those of which many have a rate of 0 only if they have one.
LEARN = f"{SETTLED} and r != 0"

# ------------------------------------------------------------------ synapses and biases

SYNAPSE = """
w     : 1                                        # W_l, synapses; b_l, biases
g     : 1                                        # gradient, summed over a batch
"""
#: sec. 2, prediction, by changes of the rate
UP = "mu_post += w*(r_pre - r_sent_pre)"
#: sec. 2, W^T e through the same weights, by changes of the error
DOWN = "feedback_pre += w*(err_post - err_sent_post)"
#: sec. 2, -dE/dW
RULE = "g += err_post*r_pre"

TRACES = (
    Trace("value", "x", "value", "x", "potential"),
    Trace("predicted", "mu", "prediction from below", r"\mu", "potential"),
    Trace("error", "err", "prediction error", "e", "error"),
    Trace("feedback", "feedback", "errors from above", "W^T e", "current", layers="hidden"),
    Trace("rate", "r", "rate", "f(x)", "rate", shown=False),
    dataclasses.replace(blocks.spikes_trace(r"\Delta f(x)"), layers="hidden"),
    Trace("error_spikes", "err_sent", "graded errors sent", r"\Delta e", "spikes", change=True),
    Trace("target", "y", "target", "y", "rate", layers="output"),
)


@dataclasses.dataclass(frozen=True)
class PredictiveCoding(StepRates):
    """A predictive coding network whose output is clamped to the target.

    Examples
    --------
    >>> model = PredictiveCoding(layers=(64, 50, 10))
    >>> [weight.name for weight in model.circuit().weights if weight.kind == "weight"]
    ['W_0', 'W_1', 'b_0', 'b_1']
    >>> model.phase_steps()
    {'predict': 2, 'settle': 50}
    """

    name: ClassVar[str] = "pc"
    title: ClassVar[str] = "Predictive coding (PC)"
    citation: ClassVar[str] = "Whittington, Bogacz, Neural Computation 2017, 29:1229"
    remedy: ClassVar[str] = "lower the learning rate (rate) or raise tau"
    symbols: ClassVar[Mapping[str, str]] = {"err": "e", "slope": "f'", "feedback": r"\delta"}
    traces: ClassVar[tuple[Trace, ...]] = TRACES
    sliders: ClassVar[tuple[str, ...]] = ("tau", "event_threshold", "error_threshold")
    phase_times: ClassVar[Mapping[str, str]] = {"settle": "settle_time"}
    answer_event: ClassVar[str] = "end_predict"
    #: What a synapse does with the gradient of a batch.
    optimizer: ClassVar[str] = "adam"
    #: Condition of cells of a layer to tell their synapses; a sigmoid is never 0.
    learn: ClassVar[str] = SETTLED
    #: Whether the target takes the place of the output's value.
    clamped: ClassVar[bool] = True

    layers: tuple[int, ...] = (784, 600, 600, 10)
    event_threshold: float = inherited(StepRates, "event_threshold", 0.001)
    error_threshold: float = parameter(
        0.001, "change of error that makes a cell send it; 0 is exact", r"\theta_e", "[0, inf)"
    )
    settle_time: float = parameter(50.0, "length of the settle phase", "", "(0, inf) ms")
    # the published step of 0.1 is dt/tau
    tau: float = parameter(10.0, "time constant of the values", r"\tau", "(0, inf) ms")
    rate: float = parameter(0.001, "learning rate", r"\eta", "[0, inf)")
    decay: float = inherited(StepRates, "decay", 0.95)
    decay_every: int = inherited(StepRates, "decay_every", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        owner, terms = type(self).__name__, [self._relaxation()]
        timing.check_euler_step(owner, ("tau", self.tau), self.dt, terms)

    # -------------------------------------------------------------- what PC-Nudge changes

    def _relaxation(self) -> tuple[str, str, float]:
        """Cells that relax fastest without their synapses, by which terms, and how fast."""
        return "hidden cells", "", 1.0

    def _update_rate(self) -> float:
        """Learning rate of an update, which multiplies the mean over a batch."""
        return self.rate

    def _hidden_equations(self) -> str:
        """Of a hidden cell, but for prediction and error."""
        return HIDDEN + SIGMOID

    def _output_equations(self) -> str:
        """Of an output cell, but for prediction and error."""
        return CLAMPED

    def _rule(self) -> str:
        """What a synapse gathers of every image."""
        return RULE

    # -------------------------------------------------------------- the circuit

    def phase_steps(self) -> dict[str, int]:
        """The forward pass, a step per layer, and the settling."""
        return {"predict": self.depth, **super().phase_steps()}

    def populations(self) -> tuple[Population, ...]:
        """Image, bias cell and layers."""
        relays = (blocks.sensory_relay(self.layers[0], learn=LEARN), blocks.bias_cell(learn=LEARN))
        return (*relays, *(self._layer(k) for k in self.upper))

    def projections(self) -> tuple[Projection, ...]:
        """One set of synapses from layer to layer, and biases."""
        below = range(self.depth)
        return (*(self._synapses(k) for k in below), *(self._bias(k) for k in below))

    def _layer(self, k: int) -> Population:
        output = k == self.depth
        equations = self._output_equations() if output else self._hidden_equations()
        equations += CELL + (ERROR_SENT if k > 1 else "")
        return Population(
            self.layer_name(k),
            self.layers[k],
            equations,
            events=(blocks.onset_event(equations, output=output), *self._layer_events(k)),
            parameters=self.constants(equations),
            role="output cells" if output else "hidden cells",
        )

    def _layer_events(self, k: int) -> tuple[Event, ...]:
        here = f"phase_step == {k - 1}"
        send = f"(in_settle or {here}) and abs(r - r_sent) > event_threshold"
        tell = "in_settle and abs(err - err_sent) > error_threshold"
        # the prediction came in the step before, or in this one from the image
        adopt = Event("adopt", f"in_predict and {here}", "sense", "x = mu")
        error = Event("error", tell, "sense", "err_sent = err", counted="graded errors")
        spike = Event("spike", send, "send", "r_sent = r", counted=blocks.GRADED_SPIKES)
        # nothing is sent back to the image
        down = (error,) if k > 1 else ()
        if k < self.depth:
            return (adopt, *down, spike, Event("learn", self.learn, "learn"))
        end = Event("end_predict", "end_predict", "phase_end")
        return (end, *down) if self.clamped else (adopt, end, *down)

    def _synapses(self, k: int) -> Projection:
        down = (Pathway("down", "error", DOWN, side="post"),) if k else ()
        role = "symmetric synapses" if k else "synapses from the image"
        return self._learning(f"w_{k}", self.layer_name(k), k, down, f"W_{k}", role)

    def _bias(self, k: int) -> Projection:
        return self._learning(f"bias_{k}", blocks.BIAS_CELL, k, (), f"b_{k}", "biases")

    def _learning(
        self, name: str, source: str, k: int, down: tuple[Pathway, ...], weight: str, role: str
    ) -> Projection:
        """Synapses onto layer k + 1 that descend the energy."""
        learn = Pathway("plasticity", "learn", self._rule(), learns=True)
        pathways = (Pathway("up", "spike", UP), *down, learn)
        target = self.layer_name(k + 1)
        synapses = Projection(name, source, target, SYNAPSE, pathways, role=role, weight=weight)
        return optimized(synapses, self.optimizer, self._update_rate())

    # -------------------------------------------------------------- learning and recording

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """W uniform in +-sqrt(6/n_in) and b in +-1/sqrt(n_in), as in the published code."""
        arrays = {w.name: np.zeros(w.shape) for w in self.circuit().weights}
        for k, fan_in in enumerate(self.layers[:-1]):
            for name, bound in ((f"W_{k}", math.sqrt(6 / fan_in)), (f"b_{k}", fan_in**-0.5)):
                arrays[name] = rng.uniform(-bound, bound, size=arrays[name].shape)
        return arrays

    def evaluation_phases(self) -> dict[str, int]:
        """The forward pass only."""
        return {**self.phase_steps(), "settle": 0}

    def layer_cells(self) -> tuple[Layer, ...]:
        """The layers; all but the image have a value, also where it is clamped."""
        image, *upper = super().layer_cells()
        return (image, *(dataclasses.replace(layer, state="x") for layer in upper))

    def cell_traces(self, k: int) -> tuple[Trace, ...]:
        """As declared; the first layer sends no errors."""
        found = super().cell_traces(k)
        return found if k > 1 else tuple(trace for trace in found if trace.variable != "err_sent")
