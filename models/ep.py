r"""Equilibrium propagation (EP): one set of weights carries signal both ways.

Citation
--------
B. Scellier, Y. Bengio: Equilibrium Propagation: Bridging the Gap between
Energy-Based Models and Backpropagation. Frontiers in Computational Neuroscience
11 (2017) 24, arXiv:1602.05179. The random sign of the nudge is that of A.
Laborieux, M. Ernoult, B. Scellier, Y. Bengio, J. Grollier, D. Querlioz: Scaling
Equilibrium Propagation to Deep ConvNets by Drastically Reducing its Gradient
Estimator Bias. Frontiers in Neuroscience 15 (2021) 633674, arXiv:2006.03824.
The settings are those of the comparison in Bozkurt, Pehlevan, Erdogan, NeurIPS
2023, arXiv:2306.04810, Table 1. Numbers of equations and sections are those of the
first paper; *code* marks what only the code behind that Table 1 says.

In formulas, with s^(0) = x the image and s^(P) the output:

- energy (eq. 1, where rho(s) = s)
  E = sum_k |s^(k)|^2 / 2 - sum_k s^(k+1) . (W^(k) s^(k) + b^(k))
- cost (sec. 2; code, without its 1/2) C = |s^(P) - y|^2
- total energy (sec. 2) F = E + beta C
- dynamics (sec. 2) tau ds/dt = -dF/ds, kept in [0, 1] (sec. 5)
- learning (sec. 2) dW = (alpha/beta) (s^(k+1) s^(k)T at beta - the same at 0)

Differences from the paper
--------------------------
1. Rates are those of one image, the published ones / 20. A batch changes weights by
   its size times the rate times the mean over its images: batches of 20 are the
   published protocol, batches of 1 learn online.
2. The cost has no 1/2, as in the code behind the published numbers, so the nudge
   is 2 beta (y - s). Scellier and Bengio's cost has the 1/2, so beta = 1 here is
   beta = 2 there.
3. 20 free and 4 nudged steps, whether or not the network has settled.
4. Every image starts from s = 0. Scellier and Bengio keep the state of each image
   from one epoch to the next.
5. Evaluation may use a slower step than training (``tau_evaluation``), as in the
   published runs on Fashion-MNIST and CIFAR10.
6. Rates travel as graded sigma-delta events: a cell sends the change of its rate
   when that exceeds ``event_threshold`` (0 is exact).
7. The state is put back into [0, 1] after every step by an event of the cell, so
   rho(s) = s and the derivative of rho, which the paper's dynamics contain, is 1.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from neurosim.circuit import Event, Pathway, Population, Projection
from neurosim.system import UPPER, NudgedSystem, StepRates, Trace, inherited, parameter, timing
from neurosim.system import building_blocks as blocks

__all__ = ["EquilibriumPropagation"]

# ------------------------------------------------------------------ cells

CELL = """
du/dt = force/tau : 1                            # sec. 2, tau ds/dt = -dF/ds
r     = clip(u, 0, 1) : 1                        # sec. 5, rho(s), hard sigmoid
d     : 1                                        # delivered: W s from below, W^T s from above, b
r_sent : 1                                       # last value sent
r_free : 1                                       # rate at the end of the free phase
r_nudged : 1                                     # rate at the end of the nudged phase
tau   : second (shared, constant)                # time constant
event_threshold : 1 (shared, constant)           # change of rate that is sent
"""

FORCE_HIDDEN = "force = d - u : 1                                # sec. 2, -dE/ds, E of eq. 1\n"

FORCE_OUTPUT = """
force = d - u - 2*nudge*(u - y) : 1              # sec. 2, -dE/ds - beta dC/ds; code, 2 beta
nudge = int(in_nudged)*beta : 1                  # sec. 2, beta is 0 in the free phase
y     : 1                                        # target
"""

#: The state stays in [0, 1]: what the step carried outside is put back to its edge.
PROJECT = "u != r"
LEARN = blocks.ACTIVE_LEARN

# ------------------------------------------------------------------ synapses and biases

SYNAPSE = """
w     : 1                                        # W^(k), synapses; b^(k), biases
g     : 1                                        # contrast, summed over a batch
alpha : 1 (shared, constant)                     # learning rate alpha_k of a batch
"""
#: sec. 2, W s from below, by changes of the rate
UP = "d_post += w*(r_pre - r_sent_pre)"
#: sec. 2, W^T s from above through the same weights, by changes of the rate
DOWN = "d_pre += w*(r_post - r_sent_post)"
#: sec. 2, contrastive Hebbian rule: nudged product minus free product
RULE = "g += 1/beta*(r_nudged_post*r_nudged_pre - r_free_post*r_free_pre)"
#: code, mean over the batch
COMMIT = "w += alpha/batch*g"

TRACES = (
    Trace("state", "u", "state", "s", "potential"),
    Trace("rate", "r", "rate", r"\rho(s)", "rate", shown=False),
    Trace("delivered", "d", "delivered from below and above", "d", "current"),
    blocks.spikes_trace(r"\Delta \rho"),
    Trace("target", "y", "target", "y", "rate", layers="output"),
)


@dataclasses.dataclass(frozen=True)
class EquilibriumPropagation(StepRates, NudgedSystem):
    """Equilibrium propagation in a layered network of leaky integrators.

    Examples
    --------
    >>> model = EquilibriumPropagation(layers=(64, 100, 10), alpha=(0.02, 0.01))
    >>> [weight.name for weight in model.circuit().weights]
    ['W_0', 'W_1', 'b_0', 'b_1']
    """

    name: ClassVar[str] = "ep"
    title: ClassVar[str] = "Equilibrium propagation (EP)"
    citation: ClassVar[str] = (
        "Scellier, Bengio, Frontiers in Computational Neuroscience 2017, arXiv:1602.05179"
    )
    remedy: ClassVar[str] = "lower the learning rates (alpha) or raise tau"
    published_batch: ClassVar[int | None] = 20
    traces: ClassVar[tuple[Trace, ...]] = TRACES
    sliders: ClassVar[tuple[str, ...]] = ("beta", "tau", "event_threshold")

    free_time: float = inherited(NudgedSystem, "free_time", 20.0)
    nudged_time: float = inherited(NudgedSystem, "nudged_time", 4.0)
    # published rates / 20, for weights and biases, first layer first
    alpha: tuple[float, ...] = parameter(
        (0.005, 0.0025), "learning rates per image", r"\alpha", "[0, inf)", per=UPPER
    )
    # the published step of 0.5 is dt/tau
    tau: float = parameter(2.0, "time constant of the cells", r"\tau", "(0, inf) ms")
    tau_evaluation: float = parameter(
        0.0, "tau in runs that only evaluate; 0: the same", r"\tau_\mathrm{eval}", "[0, inf) ms"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        # towards the target a nudged output cell relaxes 1 + 2 beta times as fast
        training = ("nudged output cells", "1 + 2 beta", 1 + 2 * self.beta)
        owner, dt, beta = type(self).__name__, self.dt, self.beta
        timing.check_euler_step(owner, ("tau", self.tau), dt, [training], beta=beta)
        if self.tau_evaluation:
            slow = ("tau_evaluation", self.tau_evaluation)
            timing.check_euler_step(owner, slow, dt, [("evaluation", "", 1.0)])

    # -------------------------------------------------------------- the circuit

    def populations(self) -> tuple[Population, ...]:
        """Image, bias cell and layers."""
        relays = (blocks.sensory_relay(self.layers[0], learn=LEARN), blocks.bias_cell(learn=LEARN))
        return (*relays, *(self._layer(k) for k in self.upper))

    def projections(self) -> tuple[Projection, ...]:
        """One set of synapses from layer to layer, and biases."""
        below = range(self.depth)
        return (*(self._synapses(k) for k in below), *(self._bias(k) for k in below))

    def _layer(self, k: int) -> Population:
        output, equations = k == self.depth, self._cell(k)
        return Population(
            self.layer_name(k),
            self.layers[k],
            equations,
            events=self._layer_events(equations, output),
            parameters=self.constants(equations),
            role="output cells" if output else "hidden cells",
        )

    def _cell(self, k: int) -> str:
        """Equations of the cells of layer k."""
        return CELL + (FORCE_OUTPUT if k == self.depth else FORCE_HIDDEN)

    def _layer_events(self, equations: str, output: bool) -> tuple[Event, ...]:
        events = (
            blocks.onset_event(equations, output=output),
            blocks.spike_event(),
            Event("project", PROJECT, "send", "u = r"),
            blocks.note_event("free", "r"),
            blocks.note_event("nudged", "r"),
        )
        # no synapse begins at an output cell
        return events if output else (*events, Event("learn", LEARN, "learn"))

    def _synapses(self, k: int) -> Projection:
        # nothing is sent back to the image
        down = (Pathway("down", "spike", DOWN, side="post"),) if k else ()
        role = "symmetric synapses" if k else "synapses from the image"
        return self._learning(f"w_{k}", self.layer_name(k), k, down, f"W_{k}", role)

    def _bias(self, k: int) -> Projection:
        return self._learning(f"bias_{k}", blocks.BIAS_CELL, k, (), f"b_{k}", "biases")

    def _learning(
        self, name: str, source: str, k: int, down: tuple[Pathway, ...], weight: str, role: str
    ) -> Projection:
        """Synapses onto layer k + 1 that learn by the contrastive rule."""
        return Projection(
            name,
            source,
            self.layer_name(k + 1),
            SYNAPSE,
            (
                Pathway("up", "spike", UP),
                *down,
                Pathway("plasticity", "learn", RULE, learns=True),
            ),
            commit=COMMIT,
            parameters={"alpha": self.batch * self.alpha[k]},
            role=role,
            weight=weight,
            rate="alpha",
        )

    # -------------------------------------------------------------- recording

    def evaluation_parameters(self) -> dict[str, float]:
        """The time constant of evaluation, for every layer, in seconds."""
        tau = (self.tau_evaluation or self.tau) * 1e-3
        return {f"{self.layer_name(k)}.tau": tau for k in self.upper}
