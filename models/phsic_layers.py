r"""The layers of pHSIC: leaky cells, groups that normalise them, and a readout that learns.

Pogodin and Latham, NeurIPS 2020, arXiv:2006.07123; numbers of equations are this paper's, *code*
marks what only its authors' program says. How hidden layers learn is in ``phsic.py``.

With groups it takes five steps from one layer to the next: cells tell their group their activity,
and are told its mean; they tell it their squared deviations, and are told the scale that they
multiply by; then they send.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Blocks, Event, Pathway, Population, Projection, reset_action
from neurosim.models.bp import COMPARISON
from neurosim.system import DroppedRates, Trace, inherited, parameter
from neurosim.system import building_blocks as blocks
from neurosim.system.optimizers import OPTIMIZERS, optimized, optimized_cells

__all__ = ["KernelLayers"]

# ------------------------------------------------------------------ cells

HIDDEN = """
s : 1                                            # eq. 1, W r, delivered from below
z = clip(s, 0, inf) - slope*clip(-s, 0, inf) : 1    # eq. 1; leaky rectifier
keep : 1                                         # code, dropout
r_sent : 1                                       # rate that was sent
slope : 1 (shared, constant)                     # of negative activity
turn_up : integer (shared, constant)             # step of the forward phase in which it sends
event_threshold : 1 (shared, constant)           # rate that is sent
"""
#: What cells send up.
SENT = {
    "none": "r = keep*z : 1    # eq. 1\n",
    "groups": "r = keep*z : 1    # eq. 1\n",
    "divisive": "r = keep*z_hat*scale : 1    # eq. 21\n",
}
MEMBER = """
z_hat = z - z_mean : 1                           # eq. 17
z_mean : 1                                       # mean of the group, delivered
scale : 1                                        # eq. 21, u^-p of the group, delivered
turn : integer (shared, constant)                # step of the forward phase in which it is driven
"""
GROUP = """
z_sum : 1                                        # delivered by the cells of the group
z_mean = z_sum/cells : 1                         # eq. 17
squares : 1                                      # delivered: sum of z_hat^2
u = (delta + squares)/cells : 1                  # eq. 17
scale = u**(-p) : 1                              # eq. 21
spread = u**(1 - p) : 1                          # eq. 18
q = spread - spread_mean : 1                     # eq. 18, v: what the kernel compares
delta : 1 (shared, constant)                     # offset of the variance
p : 1 (shared, constant)                         # power
cells : 1 (shared, constant)                     # in a group
turn : integer (shared, constant)                # step of the forward phase in which it is driven
"""
#: Of the cell that hears of all groups of a layer.
SPREAD = """
spread_sum : 1                                   # delivered by the groups
spread_mean = spread_sum/groups : 1              # eq. 18
groups : 1 (shared, constant)                    # of the layer
"""
OUTPUT = """
s : 1                                            # eq. 1, W r, delivered from below
b : 1                                            # code, bias
r = s + b : 1                                    # code, linear
p = 1/(1 + Z) : 1                                # code, softmax
Z : 1                                            # delivered: sum of exp(r_j - r_i), j != i
delta = y - p : 1                                # code, error, minus the gradient
y : 1                                            # target
turn : integer (shared, constant)                # step of the forward phase in which it is driven
"""

# ------------------------------------------------------------------ events and synapses

SEND_UP = "in_forward and phase_step == turn_up and abs(r) > event_threshold"
#: If only the readout learns.
LEARN = "end_forward and learning and r_sent != 0"
#: code, dropout; in evaluations no cell drops out
KEEP = "(1 - int(learning)*int(uniform_noise(i) < {0}))/(1 - int(learning)*{0})"
WEIGHT = "w : 1    # eq. 1, weight\n"
GATHERED = "g : 1    # change, summed over a batch\n"
#: eq. 1
UP = "s_post += w*r_pre"
#: code, minus the gradient of the cross-entropy
READOUT_RULE = "g += delta_post*r_sent_pre"
#: eq. 17, for the mean of a group
GATHER = "z_sum_post += z_pre"
#: eq. 17, for its variance
DEVIATE = "squares_post += z_hat_pre**2"
#: eq. 17
TELL_MEAN = "z_mean_post += z_mean_pre"
#: eq. 21
TELL_SCALE = "scale_post += scale_pre"
#: eq. 18, for the mean over the groups
TELL_SPREAD = "spread_sum_post += spread_pre"
#: code, softmax
COMPARE_OUTPUTS = COMPARISON

TRACES = (
    Trace("activity", "z", "activity", "z", "potential", layers="hidden"),
    Trace("rate", "r", "rate", "r", "rate"),
    dataclasses.replace(blocks.spikes_trace("r"), layers="hidden"),
    Trace("probability", "p", "softmax", "p", "rate", layers="output"),
    Trace("error", "delta", "error, minus the gradient", r"\delta", "error", layers="output"),
    Trace("target", "y", "target", "y", "rate", layers="output"),
)


def turn_event(name: str, later: int, counted: str = "normalisation") -> Event:
    """An event of all cells, some steps after their layer is driven."""
    return Event(name, f"in_forward and phase_step == turn + {later}", "send", counted=counted)


@dataclasses.dataclass(frozen=True)
class KernelLayers(DroppedRates):
    """Hidden layers that do not learn, and a readout that does."""

    phase_times: ClassVar[Mapping[str, str]] = {}
    answer_event: ClassVar[str] = "end_forward"
    traces: ClassVar[tuple[Trace, ...]] = TRACES

    layers: tuple[int, ...] = (784, 1024, 1024, 1024, 10)
    grouping: str = parameter(
        "divisive", "what kernels compare: cells, groups, or groups that normalise their cells",
        choices=tuple(SENT),
    )  # fmt: skip
    groups: int = parameter(32, "most groups of equal size in a layer", "c", "[1, inf)")
    power: float = parameter(0.2, "power of the normalisation", "p", "[0, 1)")
    offset: float = parameter(1.0, "offset of the variance of a group", r"\delta", "(0, inf)")
    slope: float = parameter(0.01, "slope of negative activity", "", "[0, 1]")
    dropout: float = parameter(0.01, "share of hidden cells that drop out", "", "[0, 1)")
    eta: float = parameter(0.1, "learning rate of hidden layers", r"\eta", "[0, inf)")
    eta_output: float = parameter(0.01, "learning rate of the readout", r"\eta_f", "[0, inf)")
    optimizer: str = parameter("sgd", "what commits an update", choices=tuple(OPTIMIZERS))
    momentum: float = parameter(0.95, "of the optimiser of this name", "", "[0, 1)")
    gain: float = parameter(1.0, "factor of the first hidden weights", "", "(0, inf)")
    pixel_mean: float = parameter(0.5, "pixel that is shown as 0", "", "(-inf, inf)")
    pixel_scale: float = parameter(0.5, "what pixels are divided by", "", "(0, inf)")
    dt: float = parameter(1.0, "time step", r"\Delta t", "[1e-6, 1e6] ms")
    event_threshold: float = inherited(DroppedRates, "event_threshold", 0.0)

    @property
    def grouped(self) -> bool:
        """Whether hidden cells come in groups."""
        return self.grouping != "none"

    def groups_of(self, k: int) -> int:
        """Groups of hidden layer k: of equal size, with two cells or more if there are two."""
        size = self.layers[k]
        most = min(self.groups, max(size // 2, 1))
        return next(n for n in range(most, 0, -1) if size % n == 0)

    def phase_steps(self) -> dict[str, int]:
        """Up, a step for every layer, or five with groups."""
        return {"forward": self._turn(self.depth) + 1}

    def evaluation_phases(self) -> dict[str, int]:
        """Forward phase only."""
        return {name: n * (name == "forward") for name, n in self.phase_steps().items()}

    def _turn(self, k: int) -> int:
        """Step of the forward phase in which layer k is driven."""
        return (k - 1) * (5 if self.grouped else 1)

    def _learning_cells(self, part: str, k: int) -> dict[str, Any]:
        """What learning adds to cells: equations, events, links, meets, averages, what is kept."""
        del part, k
        return {}

    def learning_rule(self) -> str:
        """What synapses onto hidden cells gather; empty if they do not learn."""
        return ""

    # -------------------------------------------------------------- cells

    def populations(self) -> tuple[Population, ...]:
        """Image, hidden layers with their groups and modulators, and the readout."""
        found = [self._sensory()]
        for k in self.hidden:
            found += [self._hidden(k), *self._company(k)]
        return (*found, self._output())

    def _cells(
        self, part: str, k: int, equations: str, *events: Event, role: str, size: int = 0,
        links: tuple[str, ...] = (), **shown: str,
    ) -> Population:  # fmt: skip
        """Cells of layer k or beside it, with what learning adds to them."""
        more = self._learning_cells(part, k)
        kept, links = more.get("kept", {}), (*links, *more.get("links", ()))
        equations += more.get("equations", "")
        equations += "".join(f"{link} : 1 (linked)    # of the layer\n" for link in links)
        onset = Event("onset", "onset", "onset", reset_action(equations, *kept, **shown))
        groups = self.groups_of(k) if k in self.hidden else 1
        values = self.constants(
            equations, n=max(self.layers[-1], 2), delta=self.offset, groups=groups,
            cells=self.layers[k] // groups, turn=self._turn(k), turn_up=self._turn(k + 1) - 1,
            p=0.5 if self.grouping == "groups" else self.power,
        )  # fmt: skip
        name = self.layer_name(k) if part in ("sensory", "hidden") else f"{part}_{k}"
        return Population(
            name, size or self.layers[k], equations, (onset, *events, *more.get("events", ())),
            values, {variable: (f"modulator_{k}", variable) for variable in links}, role=role,
            states={variable: f"{variable}_{name}" for variable in kept},
            meets=more.get("meets", {}), averages=more.get("averages", {}),
        )  # fmt: skip

    def learn_event(self) -> Event:
        """When the synapses of a cell learn."""
        return Event("learn", LEARN, "learn")

    def _sensory(self) -> Population:
        event = Event("spike", "onset and r != 0", "sense", "r_sent = r", blocks.GRADED_SPIKES)
        shown = f"(stimulus(cycle_time, i) - {self.pixel_mean!r})/{self.pixel_scale!r}"
        return self._cells(
            "sensory", 0, blocks.RELAY, event, self.learn_event(), role="sensory relay", r=shown
        )

    def _hidden(self, k: int) -> Population:
        equations = HIDDEN + SENT[self.grouping] + (MEMBER if self.grouped else "")
        events = [Event("spike", SEND_UP, "send", "r_sent = r", blocks.GRADED_SPIKES)]
        events += [turn_event("gather", 0), turn_event("deviate", 2)] if self.grouped else []
        keep = KEEP.format(self.dropout) if self.dropout else "1"
        return self._cells(
            "hidden", k, equations, *events, self.learn_event(), role="hidden cells", keep=keep
        )

    def _company(self, k: int) -> list[Population]:
        """Groups of layer k, and the cell that hears of them."""
        if not self.grouped:
            return []
        events = turn_event("mean", 1), turn_event("normalise", 3)
        group = self._cells("group", k, GROUP, *events, role="groups of cells",
                            size=self.groups_of(k), links=("spread_mean",))  # fmt: skip
        return [group, self._modulator(k)]

    def _modulator(self, k: int) -> Population:
        """The cell that hears of a whole layer."""
        equations = SPREAD if self.grouped else ""
        return self._cells("modulator", k, equations, role="modulator", size=1)

    def _output(self) -> Population:
        """The readout, with a softmax and biases that learn."""
        onset = reset_action(OUTPUT, "b", y="target(cycle_time, i)")
        events = (
            Event("onset", "onset", "onset", onset),
            turn_event("softmax", 0, "softmax comparisons"),
            Event("end_forward", "end_forward", "phase_end"),
        )
        cells = Population(
            self.layer_name(self.depth), self.layers[-1], OUTPUT, events,
            {"turn": self._turn(self.depth)}, role="output cells", weights={"b": "b"},
        )  # fmt: skip
        how: dict[str, Any] = {"variable": "b", "gathered": "delta", **self._momentum(last=True)}
        return optimized_cells(cells, self.optimizer, self.eta_output, **how)

    def _momentum(self, *, last: bool) -> dict[str, float]:
        """Parameters of the optimiser with momentum; decay of weights as in the code."""
        return {"momentum": self.momentum, "decay": 1e-6 if last else 1e-7}

    # -------------------------------------------------------------- synapses

    def projections(self) -> tuple[Projection, ...]:
        """Up, between cells and their groups, and among outputs."""
        output, softmax = self.layer_name(self.depth), Pathway("among", "softmax", COMPARE_OUTPUTS)
        return (
            *(self._up(k) for k in range(self.depth)),
            *(one for k in self.hidden for one in self._within(k)),
            Projection("softmax", output, output, "", (softmax,), "all_but_self", role="softmax"),
        )

    def _up(self, k: int) -> Projection:
        """Synapses from layer k to the next one."""
        last = k == self.depth - 1
        rule = READOUT_RULE if last else self.learning_rule()
        pathways = [Pathway("up", "spike", UP)]
        pathways += [Pathway("plasticity", "learn", rule, learns=True)] if rule else []
        made = Projection(
            f"w_{k}", self.layer_name(k), self.layer_name(k + 1),
            WEIGHT + (GATHERED if rule else ""), tuple(pathways), weight=f"W_{k}",
            role="synapses to the readout" if last else "synapses from layer to layer",
        )  # fmt: skip
        if not rule:
            return made
        rate = self.eta_output if last else self.eta
        return optimized(made, self.optimizer, rate, **self._momentum(last=last))

    def _within(self, k: int) -> tuple[Projection, ...]:
        """What the cells of hidden layer k and its groups tell each other."""
        if not self.grouped:
            return ()
        layer, group, wiring = self.layer_name(k), f"group_{k}", Blocks(self.groups_of(k))
        up = Pathway("gather", "gather", GATHER), Pathway("deviate", "deviate", DEVIATE)
        down = Pathway("mean", "mean", TELL_MEAN), Pathway("scale", "normalise", TELL_SCALE)
        spread = (Pathway("spread", "normalise", TELL_SPREAD),)
        return (
            Projection(f"gather_{k}", layer, group, "", up, wiring, role="activity of a group"),
            Projection(f"share_{k}", group, layer, "", down, wiring, role="normalisation"),
            Projection(f"change_{k}", group, f"modulator_{k}", "", spread, role="change"),
        )

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """From U(+-1/sqrt(cells below)), as in the published code; hidden ones times ``gain``."""
        found: dict[str, NDArray[np.float64]] = {}
        for k in range(self.depth):
            bound = 1 / np.sqrt(self.layers[k])
            drawn = rng.uniform(-bound, bound, (self.layers[k + 1], self.layers[k]))
            found[f"W_{k}"] = drawn * (self.gain if k < self.depth - 1 else 1.0)
        found["b"] = rng.uniform(-bound, bound, self.layers[-1])
        return self.with_states(found)
