r"""CorInfoMax: correlative information maximization, B_inf,+ (clipped rectifier) domain.

Citation
--------
B. Bozkurt, C. Pehlevan, A. T. Erdogan: Correlative Information Maximization: A
Biologically Plausible Approach to Supervised Deep Neural Networks without
Weight Symmetry. NeurIPS 2023, arXiv:2306.04810. Equation numbers are the paper's.

Potentials and rates are dimensionless, as in the paper; time is physical: a
step of 1 ms and tau_u = 20 ms are the published neural step of 0.05.

Differences from the paper
--------------------------
1. Rates are those of one image, the published ones / 20. A batch changes weights by
   its size times the rate times the mean over its images: batches of 20 are the
   published protocol, batches of 1 learn online.
2. The output cells' apical conductance is 1, as in the code behind the published
   numbers, not beta as printed (``output_apical="nudge"`` gives that form).
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
from typing import ClassVar

from neurosim.circuit import Event, Population, Projection, Weight
from neurosim.errors import ParameterError
from neurosim.system import LeakyDendrites, NudgedSystem, StretchedRates, Trace, parameter, timing
from neurosim.system import building_blocks as blocks

__all__ = ["CorInfoMax"]

# ------------------------------------------------------------------ pyramidal cells: soma

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
g_l    : 1 (shared, constant)                    # leak conductance
g_B    : 1 (shared, constant)                    # basal conductance, 1/epsilon
c      : 1 (shared, constant)                    # lateral efficacy 2 gamma epsilon; output: gamma
tau_u  : second (shared, constant)               # membrane time constant
slowdown : 1 (shared, constant)                  # slowing of the neural step
event_threshold : 1 (shared, constant)           # change of rate that is sent
sst_threshold   : 1 (shared, constant)           # change of rate that is sampled
"""

#: The rate lies in the set that gives the system its name, here [0, 1].
RATE = "r = clip(u, 0, 1) : 1                            # eq. 20\n"
#: A nudged phase starts from the potential of the rate: cells pushed out of the set answer at once.
RESTART = "\nu = r"

# ------------------------------------------------------------------ pyramidal cells: dendrites

BASAL = "v_B = s_B : 1                                    # eq. 18, W_ff r\n"
APICAL = "v_A = m_A : 1                                    # eq. 18, at the output eq. 21\n"

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
g_A : 1 (shared, constant)                       # apical conductance, 1/epsilon
"""

#: Output layer as in the code that produced the published numbers: conductance 1.
APICAL_OUTPUT = """
I_A = g_A*(v_A - u) : 1                          # eq. 19, apical term, g_A = 1
m_A = i_D + i_sst - nudge*(r - y)/g_A : 1        # eq. 14, 21
i_D = c*z_self + g_l*r/g_A : 1                   # eq. 21, autapse D r
y : 1                                            # target, eq. 9a
i_sst : 1 (linked)                               # SST partner: inhibition -O r
g_A : 1 (shared, constant)                       # apical conductance, 1
"""

#: Output layer as printed, eq. 21: conductance beta; written as a current, since M has 1/beta.
APICAL_OUTPUT_NUDGE = """
I_A = v_A - nudge*u : 1                          # eq. 19 with g_A = beta
m_A = i_D + i_sst - nudge*(r - y) : 1            # beta times eq. 21
i_D = c*z_self + g_l*r : 1                       # eq. 21, autapse, beta times D r
y : 1                                            # target, eq. 9a
i_sst : 1 (linked)                               # SST partner: inhibition -O r
"""

#: Of either output layer.
NUDGE = (
    "nudge = int(in_nudged)*beta : 1                  # sec. 2.4, beta in the nudged phase only\n"
)

# ------------------------------------------------------------------ SST interneurons

SST = """
i_sst  = c*z_lat : 1                             # sec. 2.3.1, i = -O r
z      = z_self + z_lat : 1                      # eq. 28
z_lat  : 1                                       # delivered: sum of B_ij r_j over j != i
z_self : 1 (linked)                              # from the pyramidal partner
c      : 1 (shared, constant)                    # lateral efficacy
"""

# ------------------------------------------------------------------ synapses

FEEDFORWARD = FEEDBACK = """
w  : 1                                           # W_ff, feedforward; W_fb, feedback
g  : 1                                           # eq. 26, 27, summed over a batch
mu : 1 (shared, constant)                        # learning rate of a batch
"""
#: eq. 18, W_ff r, by changes of the rate
FEEDFORWARD_SIGNAL = "s_B_post += w*(r_pre - r_sent_pre)"
#: eq. 26
FEEDFORWARD_RULE = "g += 1/beta*(e_B_nudged_post*r_nudged_pre - e_B_free_post*r_free_pre)"
#: eq. 18, W_fb r, by changes of the rate
FEEDBACK_SIGNAL = "s_A_post += w*(r_pre - r_sent_pre)"
#: eq. 27
FEEDBACK_RULE = "g += 1/beta*(e_A_nudged_post*r_nudged_pre - e_A_free_post*r_free_pre)"
#: eq. 26, 27, mean over the batch
COMMIT = "w += mu/batch*g"

LATERAL = AUTAPSE = """
B        : 1                                     # B, inverse of the correlation matrix
g        : 1                                     # eq. 28, z z^T summed over a batch
gamma_B  : 1 (shared, constant)                  # (1 - lambda)/lambda of a batch
lambda_B : 1 (shared, constant)                  # forgetting of a batch
"""
#: eq. 28, z = B r off the diagonal, by changes of the rate
LATERAL_SIGNAL = "z_lat_post += B*(r_pre - r_lat_pre)"
#: eq. 28, z z^T off the diagonal (eq. 30)
LATERAL_RULE = "g += z_pre*z_post"
#: eq. 28, mean over the batch, with (B - gamma zz)/lambda = B + gamma (B - zz/lambda)
COMMIT_B = "B += gamma_B*(B - g/(batch*lambda_B))"
#: eq. 28, z = B r on the diagonal, by changes of the rate
AUTAPSE_SIGNAL = "z_self_post += B*(r_pre - r_lat_pre)"
#: eq. 28, z z^T on the diagonal (eq. 29)
AUTAPSE_RULE = "g += z_post**2"

LEARN = blocks.ACTIVE_LEARN
#: Events of the lateral synapses.
SAMPLED = ("sample", "learn_lateral")
#: The lateral circuit samples coarsely and is brought exact where z = B r is needed.
SAMPLE = "abs(r - r_lat) > sst_threshold or (end_nudged and r != r_lat)"

TRACES = (
    Trace("soma", "u", "somatic potential", "u", "potential"),
    Trace("basal", "v_B", "basal potential", "v_B", "potential"),
    Trace("apical", "v_A", "apical potential", "v_A", "potential"),
    Trace("rate", "r", "rate", "r", "rate"),
    Trace("sst", "i_sst", "SST interneuron", "i", "inhibition", population="sst_{k}"),
    Trace("lateral_current", "i_sst", "lateral current", "-O r", "inhibition", shown=False),
    Trace("autapse_current", "i_D", "autapse current", "D r", "current", shown=False),
    Trace("target", "y", "target", "y", "rate", layers="output"),
    Trace("top_down", "s_A", "input from the layer above", "W_{fb} r", "current", shown=False,
          layers="hidden"),
    Trace("forward_error", "e_B", "rate minus basal potential", "e_B", "error"),
    Trace("backward_error", "e_A", "rate minus top-down input", "e_A", "error", layers="hidden"),
    blocks.spikes_trace(),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class CorInfoMax(LeakyDendrites, StretchedRates, NudgedSystem):
    """CorInfoMax network with clipped rectifier cells (paper: B_inf,+)."""

    name: ClassVar[str] = "corinfomax"
    title: ClassVar[str] = "CorInfoMax, clipped rectifier (B_inf,+)"
    citation: ClassVar[str] = "Bozkurt, Pehlevan, Erdogan, NeurIPS 2023, arXiv:2306.04810"
    remedy: ClassVar[str] = "lower the learning rates (mu_ff, mu_fb), raise epsilon or tau_u"
    published_batch: ClassVar[int | None] = 20
    symbols: ClassVar[Mapping[str, str]] = {"W_ff": "W_{ff}", "W_fb": "W_{fb}"}
    cells: ClassVar[str] = "pyramidal"
    parts: ClassVar[Mapping[str, str]] = {
        "apical dendrite": "v_A", "soma": "u", "basal dendrite": "v_B",
    }  # fmt: skip
    traces: ClassVar[tuple[Trace, ...]] = TRACES
    sliders: ClassVar[tuple[str, ...]] = (
        "beta", "epsilon", "g_l", "g_B", "g_A", "tau_u", "event_threshold", "sst_threshold",
    )  # fmt: skip

    epsilon: float = parameter(0.15, "regularisation; 1/conductance", r"\epsilon", "(0, inf)")
    g_l: float = parameter(0.5, "leak conductance of the soma", "g_{l}", "[0, inf)")
    lambda_: float = parameter(0.99999, "forgetting factor of B", r"\lambda_r", "[0.5, 1)")
    # one image forgets with lambda^(1/20), whatever the batch
    lambda_images: int = parameter(20, "images in which B forgets by lambda", "", "[1, inf)")
    # per image: published rates / 20, the lowest layer's first
    mu_ff: tuple[float, ...] = parameter(
        (0.05, 0.035),
        "feedforward rates per image",
        r"\mu_{ff}",
        "[0, inf)",
        per="layer above the input",
    )
    mu_fb: tuple[float, ...] = parameter(
        (0.0075,), "feedback rates", r"\mu_{fb}", "[0, inf)", per="hidden layer"
    )
    tau_u: float = parameter(20.0, "membrane time constant", r"\tau_u", "(0, inf) ms")
    # the step shrinks as 1/(1 + slowdown*step); 0 is constant, 0.01 the published 'slow' rule
    slowdown: float = parameter(0.0, "slowing of the neural step", "", "[0, inf)")
    # exact at the end of the nudged phase whatever its value
    sst_threshold: float = parameter(
        0.1, "change of rate that the lateral circuit samples", r"\theta_{SST}", "[0, inf)"
    )
    output_apical: str = parameter(
        "constant", "apical conductance of the output: 1, or beta", choices=("constant", "nudge")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        owner, tau = type(self).__name__, ("tau_u", self.tau_u)
        given = {"epsilon": self.epsilon, "beta": self.beta}
        timing.check_euler_step(owner, tau, self.dt, self._relaxations(), **given)
        if self.forgetting(self.batch) < 1e-9:
            raise ParameterError(
                f"{owner}.batch = {self.batch}: B forgets all it holds within a batch; give a "
                "smaller batch, a larger lambda_images or a lambda_ nearer to 1"
            )

    def _relaxations(self) -> list[tuple[str, str, float]]:
        """Cells, the terms by which they relax by themselves, and their conductance."""
        g, printed = 1 / self.epsilon, self.output_apical == "nudge"
        fixed, nudged = (self.beta, 2 * self.beta) if printed else (1.0, 1 + self.beta)
        terms, leaking = "g_B + 2 beta" if printed else "g_A + g_B + beta", "g_l + g_A + g_B"
        hidden = ("hidden cells", leaking, self.g_l + 2 * g)
        output = ("silent output cells", leaking, self.g_l + g + fixed)
        nudge = ("nudged output cells", terms, g + nudged)
        return [output, nudge, hidden] if self.hidden else [output, nudge]

    @property
    def gamma(self) -> float:
        """Gamma = (1 - lambda)/lambda, below eq. 12."""
        return (1 - self.lambda_) / self.lambda_

    def forgetting(self, images: int) -> float:
        """Forgetting factor of B after some images, lambda^(images/lambda_images)."""
        return float(self.lambda_ ** (images / self.lambda_images))

    def _lateral_efficacy(self, output: bool) -> float:
        """C of M = c B + ...: eps 2 gamma (below eq. 15), at the output gamma (below eq. 21)."""
        return self.gamma if output else 2 * self.gamma * self.epsilon

    # -------------------------------------------------------------- the circuit

    def populations(self) -> tuple[Population, ...]:
        """Image, pyramidal cells and their SST partners (paper: Figure 1)."""
        cells = (*(self._pyramidal(k) for k in self.upper), *(self._sst(k) for k in self.upper))
        return (blocks.sensory_relay(self.layers[0], learn=LEARN), *cells)

    def _pyramidal(self, k: int) -> Population:
        return Population(
            self.layer_name(k), self.layers[k], self._cell(k), self._pyramidal_events(k),
            self._pyramidal_parameters(k), self._pyramidal_links(k),
            role="output pyramidal cells" if k == self.depth else "pyramidal cells",
        )  # fmt: skip

    def _cell(self, k: int) -> str:
        rate, _, apical = self._domain_texts(k)
        return SOMA + rate + self._apical_input(k) + self.dendrites(BASAL, apical)

    def _domain_texts(self, k: int) -> tuple[str, str, str]:
        """Rate, restart in the nudged phase, and apical dendrite of the cells of layer k."""
        return RATE, RESTART, APICAL

    def _apical_input(self, k: int) -> str:
        if k < self.depth:
            return APICAL_HIDDEN
        constant = self.output_apical == "constant"
        return (APICAL_OUTPUT if constant else APICAL_OUTPUT_NUDGE) + self._nudge()

    def _nudge(self) -> str:
        """When the target acts on the output, and with which sign."""
        return NUDGE

    def _pyramidal_links(self, k: int) -> dict[str, tuple[str, str]]:
        return {"z_lat": (f"sst_{k}", "z_lat"), "i_sst": (f"sst_{k}", "i_sst")}

    def _pyramidal_events(self, k: int) -> tuple[Event, ...]:
        output = k == self.depth
        noted = ("r", "e_B") if output else ("r", "e_B", "e_A")
        return (
            blocks.onset_event(self._cell(k), output=output),
            blocks.spike_event(),
            Event("sample", SAMPLE, "send", "r_lat = r", counted="lateral samples"),
            blocks.note_event("free", *noted, then=self._domain_texts(k)[1]),
            blocks.note_event("nudged", *noted),
            Event("learn", LEARN, "learn"),
            Event("learn_lateral", "end_nudged and learning", "learn"),
        )

    def _pyramidal_parameters(self, k: int, **values: float) -> dict[str, float]:
        dendrite, output = 1 / self.epsilon, k == self.depth
        values |= {"g_B": dendrite, "g_A": 1.0 if output else dendrite}
        return self.constants(self._cell(k), **values, c=self._lateral_efficacy(output))

    def _sst(self, k: int) -> Population:
        return Population(
            f"sst_{k}", self.layers[k], SST, (blocks.onset_event(SST),),
            {"c": self._lateral_efficacy(k == self.depth)},
            {"z_self": (f"pyramidal_{k}", "z_self")}, role="SST interneurons",
        )  # fmt: skip

    def projections(self) -> tuple[Projection, ...]:
        """Feedforward, feedback and lateral synapses, and autapses (paper: Figure 1)."""
        name, kept = self.layer_name, self.forgetting(self.batch)
        forgetting = {"gamma_B": (1 - kept) / kept, "lambda_B": kept}
        feedforward = [
            blocks.synapses(
                f"ff_{k}", name(k), name(k + 1), FEEDFORWARD, FEEDFORWARD_SIGNAL, FEEDFORWARD_RULE,
                commit=COMMIT, rate=("mu", self.batch * mu), weight=f"W_ff_{k}",
                role="feedforward to basal dendrites",
            )
            for k, mu in enumerate(self.mu_ff)
        ]  # fmt: skip
        feedback = [
            blocks.synapses(
                f"fb_{k}", name(k + 1), name(k), FEEDBACK, FEEDBACK_SIGNAL, FEEDBACK_RULE,
                commit=COMMIT, rate=("mu", self.batch * mu), weight=f"W_fb_{k}",
                role="feedback to apical dendrites",
            )
            for k, mu in enumerate(self.mu_fb, start=1)
        ]  # fmt: skip
        lateral = [
            blocks.synapses(
                f"lateral_{k}", name(k), f"sst_{k}", LATERAL, LATERAL_SIGNAL, LATERAL_RULE,
                commit=COMMIT_B, on=SAMPLED, parameters=forgetting, wiring="all_but_self",
                role="lateral inhibition O",
            )
            for k in self.upper
        ]  # fmt: skip
        autapses = [
            blocks.synapses(
                f"autapse_{k}", name(k), name(k), AUTAPSE, AUTAPSE_SIGNAL, AUTAPSE_RULE,
                commit=COMMIT_B, on=SAMPLED, parameters=forgetting, wiring="one_to_one",
                role="autapses D",
            )
            for k in self.upper
        ]  # fmt: skip
        return (*feedforward, *feedback, *lateral, *autapses)

    def weights(self) -> tuple[Weight, ...]:
        """B_k, of autapses and lateral synapses; it grows where cells are silent."""
        growth, halves, sizes = 1 / self.forgetting(1), ("lateral", "autapse"), self.layers
        return tuple(blocks.square_weight("B", k, sizes[k], halves, growth) for k in self.upper)

    def analyses(self) -> Mapping[str, Mapping[str, float]]:
        """Correlative information, with the epsilon of the objective."""
        return {"correlative_information": {"epsilon": self.epsilon}}
