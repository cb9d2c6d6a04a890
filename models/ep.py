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

Symbols
-------
=====================  ==================  ======  =========  ====================================
paper                  here                unit    default    meaning
=====================  ==================  ======  =========  ====================================
s^(k), k >= 1          layer_k.u           1                  state of a cell
rho(s^(k))             layer_k.r           1                  rate, hard sigmoid: clip to [0, 1]
s^(0) = x              sensory.r           1                  image
W^(k)                  w_k.w               1       Glorot     synapses between layers k and k+1
b^(k)                  bias_k.w            1       0          biases of layer k+1
W s + W^T s + b        d                   1                  delivered from both sides
y                      y                   1                  target
beta                   beta                1       +-1        nudge of this image
alpha_k                alpha               1                  learning rates
epsilon                dt/tau              1       0.5        Euler step
=====================  ==================  ======  =========  ====================================

States and rates are dimensionless. A step of 1 ms and tau = 2 ms are the Euler
step of 0.5 behind the published numbers.

Differences from the paper
--------------------------
1. Online: one image, one update. The published code averages updates over 20
   images and draws one sign of beta for them; rates here are the published ones
   / 20 and each image has its own sign.
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

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import (
    Circuit,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    Readout,
    reset_action,
)
from neurosim.errors import ParameterError
from neurosim.system import Preset, PublishedCurve, System
from neurosim.system.layered import (
    ACTIVE_LEARN,
    GRADED_SPIKES,
    check_layers,
    check_rate_count,
    check_whole_steps,
    choose_preset,
    glorot_uniform,
    interpolated_rates,
    published_accuracy,
    published_online,
    relay_traces,
    sensory_relay,
    signed_nudges,
    whole_steps,
)
from neurosim.system.parameters import check_parameters, parameter
from neurosim.system.traces import LayerTraces, Trace

__all__ = ["EquilibriumPropagation"]

# ------------------------------------------------------------------ cells

CELL = """
du/dt = force/tau : 1                            # sec. 2, tau ds/dt = -dF/ds
r     = clip(u, 0, 1) : 1                        # sec. 5, rho(s), hard sigmoid
d     : 1                                        # delivered: W s from below, W^T s from above, b
r_sent : 1                                       # last value sent
r_free : 1
r_nudged : 1
tau   : second (shared, constant)
event_threshold : 1 (shared, constant)
"""

FORCE_HIDDEN = """
force = d - u : 1                                # sec. 2, -dE/ds, E of eq. 1
"""

FORCE_OUTPUT = """
force = d - u - 2*nudge*(u - y) : 1              # sec. 2, -dE/ds - beta dC/ds; code, 2 beta
nudge = int(in_nudged)*beta : 1                  # sec. 2, beta is 0 in the free phase
y     : 1                                        # target
"""

# ------------------------------------------------------------------ synapses

SYNAPSE = """
w     : 1
alpha : 1 (shared, constant)
"""
#: sec. 2, W s from below, by changes of the rate
UP = "d_post += w*(r_pre - r_sent_pre)"
#: sec. 2, W^T s from above through the same weights, by changes of the rate
DOWN = "d_pre += w*(r_post - r_sent_post)"
#: sec. 2, contrastive Hebbian rule: nudged product minus free product
RULE = "w += alpha/beta*(r_nudged_post*r_nudged_pre - r_free_post*r_free_pre)"

# ------------------------------------------------------------------ events

LEARN = ACTIVE_LEARN
SEND = "abs(r - r_sent) > event_threshold"
#: The state stays in [0, 1]: what the step carried outside is put back to its edge.
PROJECT = "u != r"


@dataclasses.dataclass(frozen=True)
class EquilibriumPropagation(System):
    """Equilibrium propagation in a layered network of leaky integrators.

    Parameters
    ----------
    layers : tuple of int
        Layer sizes from input to output.
    alpha, beta, ...
        See the table of symbols at the top of this file; every parameter is
        declared below with its unit and range.

    Raises
    ------
    ParameterError
        If a value is out of range, layers and rates do not match in number, or
        the explicit Euler step would be unstable.

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

    alpha: tuple[float, ...] = parameter(
        (0.005, 0.0025),
        "learning rates per image of weights and biases, first layer first (published rate / 20)",
        symbol=r"\alpha",
        low=0,
    )
    beta: float = parameter(1.0, "size of the nudge", symbol=r"\beta", low=0, open_low=True)
    random_sign: bool = parameter(True, "draw the sign of beta anew for every image")
    decay: float = parameter(
        1.0,
        "factor of the learning rates, once per stretch of epochs; 1 keeps them",
        low=0,
        high=1,
        open_low=True,
    )
    decay_every: int = parameter(15, "epochs in a stretch", low=1)
    dt: float = parameter(1.0, "time step", symbol=r"\Delta t", unit="ms", low=0, open_low=True)
    tau: float = parameter(
        2.0,
        "time constant of the cells; the published step of 0.5 is dt/tau",
        symbol=r"\tau",
        unit="ms",
        low=0,
        open_low=True,
    )
    tau_evaluation: float = parameter(
        0.0,
        "time constant in runs that only evaluate; 0 is the same as tau",
        symbol=r"\tau_\mathrm{eval}",
        unit="ms",
        low=0,
    )
    free_time: float = parameter(20.0, "length of the free phase", unit="ms", low=0, open_low=True)
    nudged_time: float = parameter(
        4.0, "length of the nudged phase", unit="ms", low=0, open_low=True
    )
    event_threshold: float = parameter(
        0.001,
        "change of rate that makes a cell send a graded spike; 0 is exact",
        symbol=r"\theta",
        low=0,
    )

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_layers(owner, self.layers)
        check_parameters(self)
        check_rate_count(owner, "alpha", self.alpha, self.depth)
        times = {name: getattr(self, name) for name in ("free_time", "nudged_time")}
        check_whole_steps(owner, times, self.dt)
        self._check_euler_steps()

    def _check_euler_steps(self) -> None:
        """Refuse a step that would oscillate away in one cell, without its synapses."""
        # towards the target a nudged output cell relaxes 1 + 2 beta times as fast
        fastest = {"tau": 1 + 2 * self.beta, "tau_evaluation": 1.0}
        for name, speed in fastest.items():
            tau = getattr(self, name)
            step = self.dt / tau * speed if tau else 0.0
            if step >= 2:
                raise ParameterError(
                    f"{type(self).__name__}: the Euler step is unstable: (dt/{name})"
                    f"{'(1 + 2 beta)' if name == 'tau' else ''} = {step:.3g} must stay below 2; "
                    f"with dt = {self.dt} ms and beta = {self.beta} use {name} > "
                    f"{self.dt * speed / 2:.3g} ms or a smaller dt"
                )

    @property
    def depth(self) -> int:
        """P, the number of layers above the input."""
        return len(self.layers) - 1

    # -------------------------------------------------------------- the circuit

    def circuit(self) -> Circuit:
        """Populations, projections and phases."""
        below_each = range(self.depth)
        return Circuit(
            name=self.name,
            dt=self.dt,
            phases=(
                Phase("free", whole_steps(self.free_time, self.dt)),
                Phase("nudged", whole_steps(self.nudged_time, self.dt)),
            ),
            inputs=(
                CycleInput("stimulus", self.layers[0]),
                CycleInput("target", self.layers[-1]),
                CycleInput("beta"),
            ),
            populations=(
                sensory_relay(self.layers[0], learn=LEARN),
                sensory_relay(1, name="one", shown="1", learn=LEARN, role="bias cell, rate 1"),
                *(self._layer(k + 1) for k in below_each),
            ),
            projections=(
                *(self._synapses(k) for k in below_each),
                *(self._bias(k) for k in below_each),
            ),
            readouts=(Readout("answer", f"layer_{self.depth}", "end_free", "r"),),
            answer="answer",
        )

    def _layer(self, k: int) -> Population:
        output = k == self.depth
        return Population(
            f"layer_{k}",
            self.layers[k],
            CELL + (FORCE_OUTPUT if output else FORCE_HIDDEN),
            events=self._layer_events(output),
            parameters={"tau": self.tau * 1e-3, "event_threshold": self.event_threshold},
            role="output cells" if output else "hidden cells",
        )

    def _layer_events(self, output: bool) -> tuple[Event, ...]:
        shown = {"y": "target(cycle_time, i)"} if output else {}
        onset = reset_action(CELL + (FORCE_OUTPUT if output else ""), **shown)
        events = (
            Event("onset", "onset", "onset", onset),
            Event("spike", SEND, "send", "r_sent = r", counted=GRADED_SPIKES),
            Event("project", PROJECT, "send", "u = r"),
            Event("end_free", "end_free", "phase_end", "r_free = r"),
            Event("end_nudged", "end_nudged", "phase_end", "r_nudged = r"),
        )
        # no synapse begins at an output cell
        return events if output else (*events, Event("learn", LEARN, "learn"))

    def _synapses(self, k: int) -> Projection:
        up = Pathway("up", "spike", UP)
        # nothing is sent back to the image
        down = (Pathway("down", "spike", DOWN, side="post"),) if k else ()
        return Projection(
            f"w_{k}",
            f"layer_{k}" if k else "sensory",
            f"layer_{k + 1}",
            SYNAPSE,
            (up, *down, Pathway("plasticity", "learn", RULE, learns=True)),
            parameters={"alpha": self.alpha[k]},
            role="symmetric synapses" if k else "synapses from the image",
            weight=f"W_{k}",
            rate="alpha",
        )

    def _bias(self, k: int) -> Projection:
        return Projection(
            f"bias_{k}",
            "one",
            f"layer_{k + 1}",
            SYNAPSE,
            (
                Pathway("up", "spike", UP),
                Pathway("plasticity", "learn", RULE, learns=True),
            ),
            parameters={"alpha": self.alpha[k]},
            role="biases",
            weight=f"b_{k}",
            rate="alpha",
        )

    # -------------------------------------------------------------- before and during learning

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Glorot-uniform W; biases 0, of shape (n_post, 1)."""
        return {
            weight.name: (
                glorot_uniform(rng, weight.shape)
                if weight.name.startswith("W_")
                else np.zeros(weight.shape)
            )
            for weight in self.circuit().weights
        }

    def rate_scale(self, epoch: int) -> float:
        """decay^(epoch // decay_every)."""
        return float(self.decay ** (epoch // self.decay_every))

    def evaluation_scalars(self) -> dict[str, float]:
        """The nudge of recordings with a target."""
        return {"beta": self.beta}

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """The signed nudge of each training image, shape (n,)."""
        return {"beta": signed_nudges(rng, n, self.beta, self.random_sign)}

    def evaluation_phases(self) -> dict[str, int]:
        """Free phase only."""
        return {"free": whole_steps(self.free_time, self.dt), "nudged": 0}

    def evaluation_parameters(self) -> dict[str, float]:
        """The time constant of evaluation, for every layer, in seconds."""
        tau = (self.tau_evaluation or self.tau) * 1e-3
        return {f"layer_{k}.tau": tau for k in range(1, self.depth + 1)}

    def layer_traces(self) -> tuple[LayerTraces, ...]:
        """State, what synapses deliver, and graded spikes, under plain names."""
        hidden = (
            Trace("state", "u", "state", "s", "potential"),
            Trace("rate", "r", "rate", r"\rho(s)", "rate", shown=False),
            Trace("delivered", "d", "delivered from below and above", "d", "current"),
            Trace("spikes", "r_sent", "graded spikes sent", r"\Delta \rho", "spikes", change=True),
        )
        output = (*hidden, Trace("target", "y", "target", "y", "rate"))
        layers = (
            LayerTraces(k, f"layer_{k}", output if k == self.depth else hidden)
            for k in range(1, self.depth + 1)
        )
        return (LayerTraces(0, "sensory", relay_traces()), *layers)

    def explorable(self) -> tuple[str, ...]:
        """Nudge, time constant and threshold."""
        return ("beta", "tau", "event_threshold")

    # -------------------------------------------------------------- published settings

    @classmethod
    def preset(cls, dataset: str, hidden: tuple[int, ...] | None = None) -> Preset:
        """Published settings for a data set; rates are interpolated for other depths.

        Parameters
        ----------
        dataset : str
            Name of a data set.
        hidden : tuple of int, optional
            Hidden layer sizes, if not the published ones.

        Returns
        -------
        Preset
            Settings; ``source`` says if they were published for this network.
        """
        count = len(hidden or ()) + 1
        return choose_preset(
            _PRESETS,
            dataset,
            hidden,
            lambda main: {"alpha": interpolated_rates(main.parameters["alpha"], count)},
        )


#: The published evaluation step of 0.3, as a time constant in ms at dt = 1 ms.
_SLOW = 1 / 0.3

_TABLE = "Table 1 of arXiv:2306.04810"

# fmt: off
_PRESETS: dict[str, tuple[Preset, ...]] = {
    "mnist": (
        published_online(
            (500,),
            50,
            {"alpha": (0.1, 0.05)},
            f"{_TABLE}, MNIST",
            curves=(
                published_accuracy(
                    95.21, 96.37, 96.81, 97.12, 97.19, 97.37, 97.52,
                    97.59, 97.53, 97.60, 97.56, 97.63, 97.61, 97.62,
                ),
            ),
        ),
    ),
    "fashion-mnist": (
        published_online(
            (500,),
            50,
            {"alpha": (0.05, 0.025)},
            f"{_TABLE}, Fashion-MNIST",
            curves=(
                published_accuracy(
                    83.19, 84.50, 85.73, 85.29, 85.89, 86.53, 86.90,
                    87.44, 87.48, 87.88, 87.97, 88.21, 88.52, 88.06,
                ),
            ),
            tau_evaluation=_SLOW,
        ),
    ),
    "cifar10": (
        published_online(
            (500,),
            50,
            {"alpha": (0.07, 0.03)},
            f"{_TABLE}, CIFAR10",
            curves=(
                PublishedCurve(
                    "test_accuracy", {50.0: 49.28}, "published, mean of 10 seeds, batch of 20"
                ),
            ),
            tau_evaluation=_SLOW,
            decay=0.75,
        ),
    ),
    "digits": (
        Preset(
            (100,),
            20,
            {"alpha": (0.04, 0.02)},
            "chosen here for the embedded digits; not from the paper",
        ),
    ),
}
# fmt: on
