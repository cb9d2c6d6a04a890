r"""CorInfoMax: correlative information maximization, B_inf,+ (clipped rectifier) domain.

Citation
--------
B. Bozkurt, C. Pehlevan, A. T. Erdogan: Correlative Information Maximization: A
Biologically Plausible Approach to Supervised Deep Neural Networks without
Weight Symmetry. NeurIPS 2023, arXiv:2306.04810. Equation numbers are the paper's.

Symbols
-------
=====================  ==================  ======  =========  ====================================
paper                  here                unit    default    meaning
=====================  ==================  ======  =========  ====================================
u^(k)                  u                   1                  soma of pyramidal cell
v_B^(k)                v_B                 1                  basal dendrite
v_A^(k)                v_A                 1                  distal apical dendrite
r^(k)                  r                   1                  rate, clipped to [0, 1]
r^(0) = x              sensory.r           1                  image, eq. 9c
i^(k) = -O r           i_sst               1                  SST interneuron
z^(k) = B r            z                   1                  z = z_self + z_lat
W_ff^(k)               ff_k.w              1       Glorot     feedforward synapses, layer k to k+1
W_fb^(k)               fb_k.w              1       Glorot     feedback synapses, layer k+1 to k
B^(k), off-diagonal    lateral_k.B         1       G G^T      O = -c B,  c below
B^(k), diagonal        autapse_k.B         1       G G^T      D = c B_ii + (g_l / g_A)
c = 2 gamma eps        c                   1                  lateral efficacy (output: gamma)
forward error          e_B = r - v_B       1                  eq. 13, rate minus basal dendrite
backward error         e_A = r - s_A       1                  eq. 13, rate minus top-down input
beta                   beta                1       +-1        nudge of this image
eps_k                  epsilon             1       0.15       regularisation, 1/eps conductance
g_lk                   g_l                 1       0.5        leak conductance
g_A,k                  g_A                 1       1/eps      apical conductance (output: 1)
g_B,k                  g_B                 1       1/eps      basal conductance
tau_u                  tau_u               ms      20         membrane time constant
lambda_r               lambda\_            1       0.99999    forgetting factor
gamma                  gamma               1                  (1 - lambda) / lambda
mu_ff, mu_fb           mu                  1                  learning rates
=====================  ==================  ======  =========  ====================================

Potentials and rates are dimensionless, as in the paper; time is physical: a
step of 1 ms and tau_u = 20 ms are the published neural step of 0.05.

Differences from the paper
--------------------------
1. Online: one image, one update. The published code averages updates over 20
   images; rates here are the published ones / 20 and the lateral update uses
   lambda^(1/20), so that 20 images change the weights as one batch did.
2. The output cells' apical conductance is 1 in both phases and beta scales the
   error only. This is what produced the published numbers; the paper's text has
   conductance beta (``output_apical="nudge"`` gives that form).
3. eq. 19 sets g_A = 1/eps_{k-1}, g_B = 1/eps_k; eq. 15 has them the other way
   round. With one epsilon for all layers, as published, both agree.
4. All layers integrate at once; the published code updates them in sequence.
5. Rates travel as graded sigma-delta events: a cell sends the change of its rate
   when that exceeds ``event_threshold`` (0 is exact).
6. D, O are derived (eq. 29-30 follow from eq. 28): the synapses hold B, because
   the lateral changes of D and O are below single precision.
7. The image and label are present from the first step of the cycle; u is
   re-initialised to r when the nudged phase begins, as in the published code.
8. The rule of W_fb reads the top-down part s_A of the apical input, not v_A, which
   also holds autapse and SST input.

Weights may have either sign (no Dale's law). "Inhibition" is the paper's name for
-O r; SST cells are linear and may depolarise. With the lambda published for MNIST the
lateral term is about 1e-5 of the potentials and has no measurable effect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

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
    Weight,
    WeightPart,
    reset_action,
)
from neurosim.errors import ParameterError
from neurosim.system import Compartment, Preset, System
from neurosim.system.layered import (
    ACTIVE_LEARN,
    GRADED_SPIKES,
    angle_curve,
    check_layers,
    check_rate_count,
    check_stretches,
    check_whole_steps,
    choose_preset,
    glorot_uniform,
    interpolated_rates,
    published_accuracy,
    published_online,
    relay_traces,
    sensory_relay,
    signed_nudges,
    stretch_factor,
    whole_steps,
)
from neurosim.system.parameters import check_parameters, parameter
from neurosim.system.traces import LayerTraces, Trace

__all__ = ["CorInfoMax"]

# ------------------------------------------------------------------ cells: pyramidal, soma

SOMA = """
du/dt = speed*(-g_l*u + I_A + I_B)/tau_u : 1     # eq. 19
I_B   = g_B*(v_B - u) : 1                        # eq. 19, basal term
speed = 1/(1 + slowdown*phase_step) : 1          # code, rule of the neural step
z     = z_self + z_lat : 1                       # eq. 28, z = B r
e_B   = r - v_B : 1                              # eq. 13, forward prediction error
r_sent : 1                                       # last value sent
r_lat  : 1                                       # last value the lateral circuit sampled
z_self : 1                                       # autapse: B_ii r_i
z_lat  : 1 (linked)                              # SST partner: sum of B_ij r_j over j != i
s_B    : 1                                       # delivered feedforward sum
r_free : 1                                       # rate at the end of the free phase
r_nudged : 1                                     # rate at the end of the nudged phase
e_B_free : 1                                     # e_B at the end of the free phase
e_B_nudged : 1                                   # e_B at the end of the nudged phase
g_l    : 1 (shared, constant)
g_B    : 1 (shared, constant)
c      : 1 (shared, constant)
tau_u  : second (shared, constant)
slowdown : 1 (shared, constant)
event_threshold : 1 (shared, constant)
sst_threshold   : 1 (shared, constant)
"""

#: The rate lies in the set that gives the system its name, here [0, 1].
RATE = """
r = clip(u, 0, 1) : 1                            # eq. 20
"""
#: A nudged phase starts from the potential of the rate: cells pushed out of the set answer at once.
RESTART = "\nu = r"

# ------------------------------------------------------------------ cells: pyramidal, dendrites

BASAL = """
v_B = s_B : 1                                    # eq. 18, W_ff r
"""

BASAL_LEAKY = """
dv_B/dt = (s_B - v_B)/tau_basal : 1              # not in the paper: eq. 18 is its fixed point
tau_basal : second (shared, constant)
"""

#: Hidden layers: M r = D r - O r with D r the autapse and -O r the SST cell's inhibition.
APICAL_HIDDEN = """
I_A = g_A*(v_A - u) : 1                          # eq. 19, apical term
m_A = i_D + i_sst + s_A : 1                      # eq. 18, M r + W_fb r
i_D = c*z_self + g_l*r/g_A : 1                   # eq. 18, autapse D r
e_A = r - s_A : 1                                # eq. 13, backward prediction error
s_A : 1                                          # delivered top-down sum
i_sst : 1 (linked)                               # SST partner: inhibition -O r
e_A_free : 1                                     # e_A at the end of the free phase
e_A_nudged : 1                                   # e_A at the end of the nudged phase
g_A : 1 (shared, constant)
"""

#: Output layer as in the code that produced the published numbers: conductance 1.
APICAL_OUTPUT = """
I_A = g_A*(v_A - u) : 1                          # eq. 19, apical term, g_A = 1
m_A = i_D + i_sst - nudge*(r - y)/g_A : 1        # eq. 14, 21
i_D = c*z_self + g_l*r/g_A : 1                   # eq. 21, autapse D r
nudge = int(in_nudged)*beta : 1                  # sec. 2.4, beta in the nudged phase only
y : 1                                            # target, eq. 9a
i_sst : 1 (linked)                               # SST partner: inhibition -O r
g_A : 1 (shared, constant)
"""

#: Output layer as printed, eq. 21: conductance beta; written as a current, since M has 1/beta.
APICAL_OUTPUT_NUDGE = """
I_A = v_A - nudge*u : 1                          # eq. 19 with g_A = beta
m_A = i_D + i_sst - nudge*(r - y) : 1            # beta times eq. 21
i_D = c*z_self + g_l*r : 1                       # eq. 21, autapse, beta times D r
nudge = int(in_nudged)*beta : 1                  # sec. 2.4, beta in the nudged phase only
y : 1                                            # target, eq. 9a
i_sst : 1 (linked)                               # SST partner: inhibition -O r
"""

APICAL_INSTANT = """
v_A = m_A : 1                                    # eq. 18, at the output eq. 21
"""

APICAL_LEAKY = """
dv_A/dt = (m_A - v_A)/tau_apical : 1             # not in the paper: eq. 18, 21 at rest
tau_apical : second (shared, constant)
"""

# ------------------------------------------------------------------ cells: SST interneurons

SST = """
i_sst  = c*z_lat : 1                             # sec. 2.3.1, i = -O r
z      = z_self + z_lat : 1                      # eq. 28
z_lat  : 1                                       # delivered: sum of B_ij r_j over j != i
z_self : 1 (linked)                              # from the pyramidal partner
c      : 1 (shared, constant)
"""

# ------------------------------------------------------------------ synapses

FEEDFORWARD = """
w  : 1
mu : 1 (shared, constant)
"""
#: eq. 18, W_ff r, by changes of the rate
FEEDFORWARD_SIGNAL = "s_B_post += w*(r_pre - r_sent_pre)"
#: eq. 26
FEEDFORWARD_RULE = "w += mu/beta*(e_B_nudged_post*r_nudged_pre - e_B_free_post*r_free_pre)"

FEEDBACK = FEEDFORWARD
#: eq. 18, W_fb r, by changes of the rate
FEEDBACK_SIGNAL = "s_A_post += w*(r_pre - r_sent_pre)"
#: eq. 27
FEEDBACK_RULE = "w += mu/beta*(e_A_nudged_post*r_nudged_pre - e_A_free_post*r_free_pre)"

LATERAL = """
B        : 1
gamma_B  : 1 (shared, constant)
lambda_B : 1 (shared, constant)
"""
#: eq. 28, z = B r off the diagonal, by changes of the rate
LATERAL_SIGNAL = "z_lat_post += B*(r_pre - r_lat_pre)"
#: eq. 28 off the diagonal (eq. 30), with (B - gamma zz)/lambda = B + gamma (B - zz/lambda)
LATERAL_RULE = "B += gamma_B*(B - z_pre*z_post/lambda_B)*int(i != j)"

AUTAPSE = LATERAL
#: eq. 28, z = B r on the diagonal, by changes of the rate
AUTAPSE_SIGNAL = "z_self_post += B*(r_pre - r_lat_pre)"
#: eq. 28 on the diagonal (eq. 29)
AUTAPSE_RULE = "B += gamma_B*(B - z_post**2/lambda_B)"

# ------------------------------------------------------------------ events

LEARN = ACTIVE_LEARN
#: The lateral circuit samples coarsely and is brought exact where z = B r is needed.
SAMPLE = "abs(r - r_lat) > sst_threshold or (end_nudged and r != r_lat)"


@dataclasses.dataclass(frozen=True)
class CorInfoMax(System):
    """CorInfoMax network with clipped rectifier cells (paper: B_inf,+).

    Parameters
    ----------
    layers : tuple of int
        Layer sizes from input to output.
    epsilon, g_l, ...
        See the table of symbols at the top of this file; every parameter is
        declared below with its unit and range.

    Raises
    ------
    ParameterError
        If a value is out of range, layers and rates do not match in number, or
        the explicit Euler step would be unstable.

    Examples
    --------
    >>> model = CorInfoMax(layers=(64, 100, 10), mu_ff=(0.1, 0.07), mu_fb=(0.015,))
    >>> [weight.name for weight in model.circuit().weights]
    ['W_ff_0', 'W_ff_1', 'W_fb_1', 'B_1', 'B_2']
    """

    name: ClassVar[str] = "corinfomax"
    title: ClassVar[str] = "CorInfoMax, clipped rectifier (B_inf,+)"
    citation: ClassVar[str] = "Bozkurt, Pehlevan, Erdogan, NeurIPS 2023, arXiv:2306.04810"
    remedy: ClassVar[str] = "lower the learning rates (mu_ff, mu_fb), raise epsilon or tau_u"

    epsilon: float = parameter(
        0.15,
        "regularisation; 1/epsilon is the dendrite-soma conductance",
        symbol=r"\epsilon",
        low=0,
        open_low=True,
    )
    g_l: float = parameter(0.5, "leak conductance of the soma", symbol="g_{l}", low=0)
    lambda_: float = parameter(
        0.99999,
        "forgetting factor of the correlation matrices, per published batch",
        symbol=r"\lambda_r",
        low=0.5,
        high=1,
        open_high=True,
    )
    batch: int = parameter(
        20,
        "images per update in the published protocol; the online lateral update "
        "forgets with lambda^(1/batch)",
        low=1,
    )
    mu_ff: tuple[float, ...] = parameter(
        (0.05, 0.035),
        "feedforward learning rates per image, first layer first (published rate / 20)",
        symbol=r"\mu_{ff}",
        low=0,
    )
    mu_fb: tuple[float, ...] = parameter(
        (0.0075,),
        "feedback learning rates per image, from layer 1 upwards (published rate / 20)",
        symbol=r"\mu_{fb}",
        low=0,
    )
    beta: float = parameter(
        1.0,
        "size of the nudge",
        symbol=r"\beta",
        low=0,
        open_low=True,
    )
    random_sign: bool = parameter(True, "draw the sign of beta anew for every image")
    decay: tuple[float, ...] = parameter(
        (0.95, 0.9),
        "factors d of the learning rates mu d^epoch, one per stretch of epochs",
        low=0,
        high=1,
        open_low=True,
    )
    decay_from: tuple[int, ...] = parameter(
        (0, 15),
        "first epoch (from 0) of each stretch; the rates drop where d changes, as published",
        low=0,
    )
    dt: float = parameter(1.0, "time step", symbol=r"\Delta t", unit="ms", low=0, open_low=True)
    tau_u: float = parameter(
        20.0,
        "membrane time constant of the soma",
        symbol=r"\tau_u",
        unit="ms",
        low=0,
        open_low=True,
    )
    slowdown: float = parameter(
        0.0,
        "the neural step shrinks as 1/(1 + slowdown*step); 0 constant, 0.01 the "
        "published 'slow' rule",
        low=0,
    )
    free_time: float = parameter(30.0, "length of the free phase", unit="ms", low=0, open_low=True)
    nudged_time: float = parameter(
        10.0, "length of the nudged phase", unit="ms", low=0, open_low=True
    )
    event_threshold: float = parameter(
        0.001,
        "change of rate that makes a cell send a graded spike; 0 is exact",
        symbol=r"\theta",
        low=0,
    )
    sst_threshold: float = parameter(
        0.1,
        "change of rate that makes the lateral circuit sample a cell; exact at "
        "the end of the nudged phase whatever its value",
        symbol=r"\theta_{SST}",
        low=0,
    )
    output_apical: str = parameter(
        "constant",
        "apical conductance of output cells: 1 (constant) or beta (nudge, eq. 21)",
        choices=("constant", "nudge"),
    )
    tau_basal: float = parameter(
        0.0,
        "time constant of basal dendrites; 0 is instantaneous, as in the paper",
        symbol=r"\tau_B",
        unit="ms",
        low=0,
    )
    tau_apical: float = parameter(
        0.0,
        "time constant of apical dendrites; 0 is instantaneous, as in the paper",
        symbol=r"\tau_A",
        unit="ms",
        low=0,
    )

    def __post_init__(self) -> None:
        owner = type(self).__name__
        check_layers(owner, self.layers)
        check_parameters(self)
        check_rate_count(owner, "mu_ff", self.mu_ff, self.depth)
        check_rate_count(owner, "mu_fb", self.mu_fb, self.depth - 1)
        check_stretches(owner, self.decay, self.decay_from)
        self._check_steps()

    # -------------------------------------------------------------- derived quantities

    @property
    def gamma(self) -> float:
        """Gamma = (1 - lambda)/lambda, below eq. 12."""
        return (1 - self.lambda_) / self.lambda_

    @property
    def lambda_online(self) -> float:
        """Forgetting factor of one image: lambda^(1/batch)."""
        return float(self.lambda_ ** (1 / self.batch))

    @property
    def depth(self) -> int:
        """P, the number of layers above the input."""
        return len(self.layers) - 1

    def _steps(self, time: float) -> int:
        return whole_steps(time, self.dt)

    def _check_steps(self) -> None:
        times = {name: getattr(self, name) for name in ("free_time", "nudged_time")}
        check_whole_steps(type(self).__name__, times, self.dt)
        cells, terms, conductance = max(self._relaxations(), key=lambda found: found[-1])
        step = self.dt / self.tau_u * conductance
        if not step < 2:
            raise ParameterError(
                f"{type(self).__name__}: the Euler step is unstable in {cells}: (dt/tau_u)({terms})"
                f" = {step:.3g} must stay below 2; with dt = {self.dt} ms, epsilon = "
                f"{self.epsilon} and beta = {self.beta} use tau_u > "
                f"{self.dt * conductance / 2:.3g} ms or a smaller dt"
            )
        for name in ("tau_basal", "tau_apical"):
            value = getattr(self, name)
            if 0 < value < self.dt:
                raise ParameterError(
                    f"{type(self).__name__}.{name} = {value} ms is shorter than the time step; "
                    f"use 0 (instantaneous) or at least {self.dt} ms"
                )

    def _relaxations(self) -> list[tuple[str, str, float]]:
        """How fast cells relax by themselves: which cells, by which terms, conductance.

        The autapse returns the leak to a cell whose rate follows its potential; one that
        is silent or saturated keeps it. The nudge acts on the rate, or, with the
        conductance of eq. 21, on potential and rate. Only a positive beta adds to it.
        """
        dendrite = 1 / self.epsilon
        constant = self.output_apical == "constant"
        fixed, graded = (1.0, 1 + self.beta) if constant else (self.beta, 2 * self.beta)
        nudged = "g_A + g_B + beta" if constant else "g_B + 2 beta"
        found = [
            ("silent output cells", "g_l + g_A + g_B", self.g_l + dendrite + fixed),
            ("nudged output cells", nudged, dendrite + graded),
        ]
        if self.depth > 1:
            found.append(("hidden cells", "g_l + g_A + g_B", self.g_l + 2 * dendrite))
        return found

    # -------------------------------------------------------------- the circuit

    def circuit(self) -> Circuit:
        """Populations, projections and phases (paper: Figure 1)."""
        layers = range(1, self.depth + 1)
        return Circuit(
            name=self.name,
            dt=self.dt,
            phases=(
                Phase("free", self._steps(self.free_time)),
                Phase("nudged", self._steps(self.nudged_time)),
            ),
            inputs=(
                CycleInput("stimulus", self.layers[0]),
                CycleInput("target", self.layers[-1]),
                CycleInput("beta"),
            ),
            populations=(
                sensory_relay(self.layers[0], learn=LEARN),
                *(self._pyramidal(k) for k in layers),
                *(self._sst(k) for k in layers),
                *self._constraint_cells(),
            ),
            projections=(
                *(self._feedforward(k) for k in range(self.depth)),
                *(self._feedback(k) for k in range(1, self.depth)),
                *(self._lateral(k) for k in layers),
                *(self._autapse(k) for k in layers),
                *self._constraint_projections(),
            ),
            weights=self._weights(),
            readouts=(Readout("answer", f"pyramidal_{self.depth}", "end_free", "r"),),
            answer="answer",
        )

    def _source(self, k: int) -> str:
        return "sensory" if k == 0 else f"pyramidal_{k}"

    def _pyramidal(self, k: int) -> Population:
        output = k == self.depth
        return Population(
            f"pyramidal_{k}",
            self.layers[k],
            self._cell(k),
            events=self._pyramidal_events(k),
            parameters=self._pyramidal_parameters(k),
            links=self._pyramidal_links(k),
            role="output pyramidal cells" if output else "pyramidal cells",
        )

    def _cell(self, k: int) -> str:
        """Equations of the pyramidal cells of layer k."""
        return SOMA + self._rate(k) + self._basal() + self._apical(k)

    def _constraint_cells(self) -> tuple[Population, ...]:
        """Interneurons that keep a layer's rates in their set; clipping needs none."""
        return ()

    def _constraint_projections(self) -> tuple[Projection, ...]:
        """Projections to those interneurons."""
        return ()

    def _rate(self, k: int) -> str:
        """Equations of the rate of layer k, from its potential."""
        return RATE

    def _restart(self, k: int) -> str:
        """Statement by which a cell of layer k enters the nudged phase."""
        return RESTART

    def _basal(self) -> str:
        return BASAL_LEAKY if self.tau_basal else BASAL

    def _apical(self, k: int) -> str:
        return self._apical_input(k) + (APICAL_LEAKY if self.tau_apical else APICAL_INSTANT)

    def _apical_input(self, k: int) -> str:
        if k < self.depth:
            return APICAL_HIDDEN
        return APICAL_OUTPUT if self.output_apical == "constant" else APICAL_OUTPUT_NUDGE

    def _pyramidal_links(self, k: int) -> dict[str, tuple[str, str]]:
        return {"z_lat": (f"sst_{k}", "z_lat"), "i_sst": (f"sst_{k}", "i_sst")}

    def _pyramidal_events(self, k: int) -> tuple[Event, ...]:
        output = k == self.depth
        shown = {"y": "target(cycle_time, i)"} if output else {}
        return (
            Event("onset", "onset", "onset", reset_action(self._cell(k), **shown)),
            Event(
                "spike",
                "abs(r - r_sent) > event_threshold",
                "send",
                "r_sent = r",
                counted=GRADED_SPIKES,
            ),
            Event("sample", SAMPLE, "send", "r_lat = r", counted="lateral samples"),
            Event("end_free", "end_free", "phase_end", _note("free", output) + self._restart(k)),
            Event("end_nudged", "end_nudged", "phase_end", _note("nudged", output)),
            Event("learn", LEARN, "learn"),
            Event("learn_lateral", "end_nudged and learning", "learn"),
        )

    def _pyramidal_parameters(self, k: int) -> dict[str, float]:
        output = k == self.depth
        values = {
            "g_l": self.g_l,
            "g_B": 1 / self.epsilon,
            "g_A": 1.0 if output else 1 / self.epsilon,
            "c": self._lateral_efficacy(output),
            "tau_u": self.tau_u * 1e-3,
            "slowdown": self.slowdown,
            "event_threshold": self.event_threshold,
            "sst_threshold": self.sst_threshold,
        }
        if output and self.output_apical == "nudge":
            del values["g_A"]
        if self.tau_basal:
            values["tau_basal"] = self.tau_basal * 1e-3
        if self.tau_apical:
            values["tau_apical"] = self.tau_apical * 1e-3
        return values

    def _lateral_efficacy(self, output: bool) -> float:
        """C of M = c B + ...: eps 2 gamma (below eq. 15), at the output gamma (below eq. 21)."""
        return self.gamma if output else 2 * self.gamma * self.epsilon

    def _sst(self, k: int) -> Population:
        return Population(
            f"sst_{k}",
            self.layers[k],
            SST,
            events=(Event("onset", "onset", "onset", reset_action(SST)),),
            parameters={"c": self._lateral_efficacy(k == self.depth)},
            links={"z_self": (f"pyramidal_{k}", "z_self")},
            role="SST interneurons",
        )

    def _feedforward(self, k: int) -> Projection:
        return Projection(
            f"ff_{k}",
            self._source(k),
            f"pyramidal_{k + 1}",
            FEEDFORWARD,
            (
                Pathway("signal", "spike", FEEDFORWARD_SIGNAL),
                Pathway("plasticity", "learn", FEEDFORWARD_RULE, learns=True),
            ),
            parameters={"mu": self.mu_ff[k]},
            weight=f"W_ff_{k}",
            rate="mu",
            role="feedforward to basal dendrites",
        )

    def _feedback(self, k: int) -> Projection:
        return Projection(
            f"fb_{k}",
            f"pyramidal_{k + 1}",
            f"pyramidal_{k}",
            FEEDBACK,
            (
                Pathway("signal", "spike", FEEDBACK_SIGNAL),
                Pathway("plasticity", "learn", FEEDBACK_RULE, learns=True),
            ),
            parameters={"mu": self.mu_fb[k - 1]},
            weight=f"W_fb_{k}",
            rate="mu",
            role="feedback to apical dendrites",
        )

    def _lateral(self, k: int) -> Projection:
        return Projection(
            f"lateral_{k}",
            f"pyramidal_{k}",
            f"sst_{k}",
            LATERAL,
            (
                Pathway("signal", "sample", LATERAL_SIGNAL),
                Pathway("plasticity", "learn_lateral", LATERAL_RULE, learns=True),
            ),
            parameters=self._forgetting(),
            role="lateral inhibition O",
        )

    def _autapse(self, k: int) -> Projection:
        return Projection(
            f"autapse_{k}",
            f"pyramidal_{k}",
            f"pyramidal_{k}",
            AUTAPSE,
            (
                Pathway("signal", "sample", AUTAPSE_SIGNAL),
                Pathway("plasticity", "learn_lateral", AUTAPSE_RULE, learns=True),
            ),
            wiring="one_to_one",
            parameters=self._forgetting(),
            role="autapses D",
        )

    def _forgetting(self) -> dict[str, float]:
        online = self.lambda_online
        return {"gamma_B": (1 - online) / online, "lambda_B": online}

    def _weights(self) -> tuple[Weight, ...]:
        sizes = self.layers
        lateral = [
            Weight(
                f"B_{k}",
                (sizes[k], sizes[k]),
                (
                    WeightPart(f"lateral_{k}", "B", "off_diagonal"),
                    WeightPart(f"autapse_{k}", "B", "diagonal"),
                ),
                symmetric=True,
                # eq. 28: B grows so where cells are silent
                growth=1 / self.lambda_online,
            )
            for k in range(1, self.depth + 1)
        ]
        return tuple(lateral)

    # -------------------------------------------------------------- before and during learning

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Glorot-uniform W_ff and W_fb, drawn independently; B = G G^T with Glorot-uniform G."""
        arrays = {}
        for weight in self.circuit().weights:
            drawn = glorot_uniform(rng, weight.shape)
            arrays[weight.name] = drawn @ drawn.T if weight.symmetric else drawn
        return arrays

    def rate_scale(self, epoch: int) -> float:
        """The published factor, with its discontinuous drop."""
        return stretch_factor(self.decay, self.decay_from, epoch)

    def evaluation_scalars(self) -> dict[str, float]:
        """The nudge of recordings with a target."""
        return {"beta": self.beta}

    def analyses(self) -> Mapping[str, Mapping[str, float]]:
        """Correlative information, with the epsilon of the objective."""
        return {"correlative_information": {"epsilon": self.epsilon}}

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """The signed nudge of each training image, shape (n,)."""
        return {"beta": signed_nudges(rng, n, self.beta, self.random_sign)}

    def evaluation_phases(self) -> dict[str, int]:
        """Free phase only."""
        return {"free": self._steps(self.free_time), "nudged": 0}

    def compartments(self, population: str) -> tuple[Compartment, ...]:
        """Apical dendrite, soma and basal dendrite of pyramidal cells (paper: Figure 1)."""
        if not population.startswith("pyramidal_"):
            return ()
        return (
            Compartment("apical dendrite", "v_A"),
            Compartment("soma", "u"),
            Compartment("basal dendrite", "v_B"),
        )

    def layer_traces(self) -> tuple[LayerTraces, ...]:
        """Compartments, dendritic inputs, errors and graded spikes under plain names."""
        return (
            LayerTraces(0, "sensory", relay_traces()),
            *(
                LayerTraces(k, f"pyramidal_{k}", _pyramidal_traces(k, output=k == self.depth))
                for k in range(1, self.depth + 1)
            ),
        )

    def explorable(self) -> tuple[str, ...]:
        """Nudge, conductances, time constant and thresholds; epsilon moves both dendrites'."""
        return (
            "beta",
            "epsilon",
            "g_l",
            "g_B",
            "g_A",
            "tau_u",
            "event_threshold",
            "sst_threshold",
        )

    def inhibition(self, weights: Mapping[str, NDArray[Any]], k: int) -> NDArray[np.float64]:
        """Lateral inhibition O^(k) derived from B^(k), eq. 30.

        Parameters
        ----------
        weights : mapping of str to ndarray
            Arrays by public name.
        k : int
            Layer, 1..P.

        Returns
        -------
        ndarray
            Shape (N_k, N_k), dimensionless, 0 on the diagonal.
        """
        lateral = -self._lateral_efficacy(k == self.depth) * np.asarray(weights[f"B_{k}"], float)
        np.fill_diagonal(lateral, 0.0)
        return lateral

    def autapses(self, weights: Mapping[str, NDArray[Any]], k: int) -> NDArray[np.float64]:
        """Autapses D^(k) derived from B^(k), eq. 29.

        Parameters
        ----------
        weights : mapping of str to ndarray
            Arrays by public name.
        k : int
            Layer, 1..P.

        Returns
        -------
        ndarray
            Shape (N_k,), dimensionless.
        """
        output = k == self.depth
        leak = self.g_l if output else self.epsilon * self.g_l
        diagonal = np.diagonal(np.asarray(weights[f"B_{k}"], float))
        return np.asarray(self._lateral_efficacy(output) * diagonal + leak)

    # -------------------------------------------------------------- published settings

    @classmethod
    def _presets(cls) -> Mapping[str, tuple[Preset, ...]]:
        """Settings by data set, those of the published network first."""
        return _PRESETS

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
        count = len(hidden or ())

        def for_depth(main: Preset) -> dict[str, tuple[float, ...]]:
            return {
                "mu_ff": interpolated_rates(main.parameters["mu_ff"], count + 1),
                "mu_fb": interpolated_rates(main.parameters["mu_fb"], count),
            }

        return choose_preset(cls._presets(), dataset, hidden, for_depth)


def _pyramidal_traces(k: int, *, output: bool) -> tuple[Trace, ...]:
    """What is recorded of a pyramidal cell, under names that need no paper at hand."""
    above = (
        Trace("target", "y", "target", "y", "rate")
        if output
        else Trace("top_down", "s_A", "input from the layer above", "W_{fb} r", "current")
    )
    backward = Trace("backward_error", "e_A", "rate minus top-down input", "e_A", "error")
    return (
        Trace("soma", "u", "somatic potential", "u", "potential"),
        Trace("basal", "v_B", "basal potential", "v_B", "potential"),
        Trace("apical", "v_A", "apical potential", "v_A", "potential"),
        Trace("rate", "r", "rate", "r", "rate"),
        Trace("sst", "i_sst", "SST interneuron", "i", "inhibition", population=f"sst_{k}"),
        Trace("lateral_current", "i_sst", "lateral current", "-O r", "inhibition", shown=False),
        Trace("autapse_current", "i_D", "autapse current", "D r", "current", shown=False),
        above if output else dataclasses.replace(above, shown=False),
        Trace("forward_error", "e_B", "rate minus basal potential", "e_B", "error"),
        *(() if output else (backward,)),
        Trace("spikes", "r_sent", "graded spikes sent", r"\Delta r", "spikes", change=True),
    )


def _note(phase: str, output: bool) -> str:
    """Statements by which a cell notes rate and errors at the end of a phase."""
    lines = [f"r_{phase} = r", f"e_B_{phase} = e_B"]
    if not output:
        lines.append(f"e_A_{phase} = e_A")
    return "\n".join(lines)


# fmt: off
_PRESETS: dict[str, tuple[Preset, ...]] = {
    "mnist": (
        published_online(
            (500,),
            50,
            {"mu_ff": (1.0, 0.7), "mu_fb": (0.15,)},
            "paper's Table 1, MNIST",
            curves=(
                published_accuracy(
                    94.02, 95.75, 96.37, 96.68, 96.99, 97.24, 97.45,
                    97.56, 97.62, 97.60, 97.60, 97.63, 97.61, 97.61,
                    note=", with a neural step that shrinks slowly",
                ),
                angle_curve("theta_1", 3000, 90.0, 70.3, 67.3, 67.6, 75.1, 81.3, 82.7),
            ),
        ),
        published_online(
            (500, 500),
            50,
            {"mu_ff": (1.1, 0.75, 0.6), "mu_fb": (0.17, 0.07)},
            "published code, 3-layer MNIST",
            curves=(
                published_accuracy(
                    92.74, 94.47, 95.24, 95.93, 96.13, 96.59, 97.05,
                    97.42, 97.45, 97.51, 97.51, 97.52, 97.56, 97.55,
                ),
                angle_curve("theta_1", 3000, 90.0, 89.0, 88.8, 88.0, 87.8, 87.7, 87.7),
                angle_curve("theta_2", 3000, 89.6, 72.2, 70.5, 66.0, 65.5, 65.5, 65.6),
            ),
        ),
        published_online(
            (500, 500, 128),
            50,
            {"mu_ff": (1.1, 0.75, 0.6, 0.5), "mu_fb": (0.17, 0.07, 0.05)},
            "published code, exploratory 4-layer MNIST",
        ),
    ),
    "fashion-mnist": (
        published_online(
            (500,),
            50,
            {"mu_ff": (0.3, 0.22), "mu_fb": (0.07,)},
            "paper's Table 1, Fashion-MNIST",
            curves=(
                published_accuracy(
                    79.04, 80.90, 83.26, 83.88, 84.48, 85.84, 86.72,
                    87.36, 87.36, 87.74, 88.09, 88.15, 88.14, 88.14,
                ),
                angle_curve("theta_1", 3000, 90.0, 79.2, 75.9, 69.0, 68.8, 70.9, 71.1),
            ),
            g_l=0.3,
            tau_u=1 / 0.07,
            slowdown=0.01,
            decay=(0.95, 0.9, 0.8),
            decay_from=(0, 20, 25),
        ),
    ),
    "cifar10": (
        published_online(
            (1000,),
            50,
            {"mu_ff": (0.08, 0.04), "mu_fb": (0.04,)},
            "paper's Table 1, CIFAR10",
            curves=(
                published_accuracy(
                    35.14, 40.40, 42.87, 44.55, 45.88, 47.80, 49.44,
                    50.83, 51.19, 51.38, 51.64, 51.76, 51.84, 51.86,
                ),
                angle_curve("theta_1", 2500, 90.3, 88.4, 86.7, 77.8, 72.7, 70.1, 70.3),
            ),
            g_l=0.1,
            lambda_=0.99995,
        ),
        published_online(
            (1000, 500),
            50,
            {"mu_ff": (0.11, 0.06, 0.035), "mu_fb": (0.045, 0.015)},
            "published code, 3-layer CIFAR10",
            curves=(
                published_accuracy(
                    29.09, 36.62, 40.02, 42.40, 43.82, 45.76, 47.69,
                    49.65, 49.92, 50.35, 50.65, 50.83, 50.94, 50.97,
                ),
                angle_curve("theta_1", 2500, 90.1, 89.9, 89.8, 89.0, 88.6, 88.3, 88.3),
                angle_curve("theta_2", 2500, 89.8, 89.0, 87.8, 80.6, 76.6, 72.8, 71.6),
            ),
            g_l=0.1,
        ),
        published_online(
            (1000, 1000, 500),
            50,
            {"mu_ff": (0.25, 0.14, 0.075, 0.045), "mu_fb": (0.095, 0.075, 0.04)},
            "published code, exploratory 4-layer CIFAR10",
            g_l=0.1,
            tau_u=1 / 0.03,
            free_time=60.0,
            nudged_time=15.0,
            beta=0.25,
        ),
    ),
    "digits": (
        Preset(
            (100,),
            60,
            {
                "epsilon": 0.3,
                "mu_ff": (0.1, 0.07),
                "mu_fb": (0.015,),
                "decay": (0.97,),
                "decay_from": (0,),
            },
            "chosen here for the embedded digits; not from the paper",
        ),
    ),
}
# fmt: on
