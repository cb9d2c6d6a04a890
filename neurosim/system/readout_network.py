"""Networks over images whose readout learns from its own error, and sends nothing down.

What hidden layers learn by, if they learn, is up to the system. Here are the relay of the image,
synapses up as :class:`~neurosim.system.image_network.ImageNetwork` wires them, pools, dropout,
a softmax with biases, and first weights. Equation numbers are those of Pogodin, Latham, NeurIPS
2020, arXiv:2006.07123; *code* marks what only its authors' program says.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Event, Pathway, Pool, Population, Projection, reset_action
from neurosim.circuit.wirings import as_wiring
from neurosim.errors import ParameterError
from neurosim.system import building_blocks as blocks
from neurosim.system import pooling
from neurosim.system.image_network import ImageNetwork
from neurosim.system.layered import LayeredSystem
from neurosim.system.optimizers import OPTIMIZERS, optimized, optimized_cells
from neurosim.system.parameters import inherited, parameter
from neurosim.system.schedules import DroppedRates

__all__ = ["ReadoutNetwork"]

# ------------------------------------------------------------------ cells

#: Activity of hidden cells and its slope by the name of the function.
ACTIVITY = {
    "leaky": """
s : 1                                            # sum of w r, delivered from below
z = clip(s, 0, inf) - slope*clip(-s, 0, inf) : 1    # eq. 1; leaky rectifier
df = int(s > 0) + slope*int(s <= 0) : 1          # eq. 41, dz/ds
slope : 1 (shared, constant)                     # of negative activity
""",
    # Klambauer et al., NeurIPS 2017: scale 1.0507..., and alpha times scale 1.7580...
    "selu": """
s : 1                                            # sum of w r, delivered from below
z = 1.0507009873554805*clip(s, 0, inf) + low - 1.7580993408473766 : 1    # code, SELU
df = 1.0507009873554805*int(s > 0) + low*int(s <= 0) : 1    # eq. 41, dz/ds
low = 1.7580993408473766*exp(-clip(-s, 0, inf)) : 1    # code, exponential part of SELU
""",
}
POOL = (
    pooling.POOLED.rstrip()
    + """
z = largest : 1                                  # code, max-pooling
df = 1 : 1                                       # code, the largest passes as it is
"""
)
SENDER = """
keep : 1                                         # dropout
r_sent : 1                                       # rate that was sent
turn_up : integer (shared, constant)             # step of the forward phase in which it sends
event_threshold : 1 (shared, constant)           # rate that is sent
"""
OUTPUT = """
s : 1                                            # sum of w r, delivered from below
b : 1                                            # bias
r = s + b : 1                                    # code, linear
p = 1/(1 + Z) : 1                                # code, softmax
Z : 1                                            # delivered: sum of exp(r_j - r_i), j != i
delta = y - p : 1                                # code, error, minus the gradient
y : 1                                            # target
turn : integer (shared, constant)                # step of the forward phase in which it is driven
"""
TURN = "in_forward and phase_step == turn_up"
#: Cells tell their synapses that the image is over, if only the readout learns.
LEARN = "end_forward and learning and r_sent != 0"
#: In evaluations no cell drops out.
KEEP = "(1 - int(learning)*int(uniform_noise(i) < {0}))/(1 - int(learning)*{0})"

# ------------------------------------------------------------------ synapses

WEIGHT = "w : 1    # weight\n"
GATHERED = "g : 1    # change, summed over a batch\n"
#: eq. 1
UP = "s_post += w*r_pre"
#: code, minus the gradient of the cross-entropy
READOUT_RULE = "g += delta_post*r_sent_pre"
#: code, the largest of each window
POOLS = pooling.LARGEST
#: code, softmax: what one output adds to the sum of another; single precision does not overflow
SOFTMAX = "Z_post += exp(clip(r_pre - r_post, -80, 80))"


@dataclasses.dataclass(frozen=True)
class ReadoutNetwork(DroppedRates, ImageNetwork):
    """A network whose readout learns by a softmax; hidden layers are up to the system.

    Parameters
    ----------
    layers, network, image, tied, connectivity, wiring_seed, drop, drop_at
        See :class:`~neurosim.system.image_network.ImageNetwork` and
        :class:`~neurosim.system.schedules.DroppedRates`.
    activation, slope, dropout, eta, eta_output, optimizer, momentum, gain, pixel_mean, pixel_scale
        See the declarations.

    Raises
    ------
    ParameterError
        If the network adds layers, or drops a share of cells of its own.
    """

    phase_times: ClassVar[Mapping[str, str]] = {}
    answer_event: ClassVar[str] = "end_forward"

    activation: str = parameter("leaky", "f of the hidden cells", choices=tuple(ACTIVITY))
    slope: float = parameter(0.01, "slope of negative activity, if leaky", "", "[0, 1]")
    dropout: float = parameter(0.01, "share of hidden cells that drop out", "", "[0, 1)")
    eta: float = parameter(0.1, "learning rate of hidden layers", r"\eta", "[0, inf)")
    eta_output: float = parameter(0.01, "learning rate of the readout", r"\eta_f", "[0, inf)")
    optimizer: str = parameter("sgd", "what commits an update", choices=tuple(OPTIMIZERS))
    momentum: float = parameter(0.95, "of the optimiser of this name", "", "[0, 1)")
    gain: float = parameter(1.0, "factor of the first hidden weights", "", "(0, inf)")
    pixel_mean: float = parameter(0.5, "pixel that is shown as 0", "", "(-inf, inf)")
    pixel_scale: float = parameter(0.5, "what pixels are divided by", "", "(0, inf)")
    dt: float = parameter(1.0, "time step", r"\Delta t", "[1e-6, 1e6] ms")
    event_threshold: float = inherited(LayeredSystem, "event_threshold", 0.0)

    #: Decay of weights of hidden layers and of the readout, per unit of the rate.
    decays: ClassVar[tuple[float, float]] = (0.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(layer.kind == "sum" or layer.drop for layer in (self._named() or ())):
            raise ParameterError(
                f"{type(self).__name__}.network = {self.network}: no layers are added, and all "
                "drop out alike; leave out 'sum' and 'drop', and give dropout"
            )

    def pooled(self, k: int) -> bool:
        """Whether a pool takes the largest of layer k, so that its weights end in the pool.

        Parameters
        ----------
        k : int
            Number of the layer.

        Returns
        -------
        bool
            False for the output.
        """
        return 0 < k < self.depth and not self.plan()[k + 1].weighted

    def _pools(self, k: int) -> bool:
        """Whether layer k is a pool."""
        return k > 0 and not self.plan()[k].weighted

    def _steps_of(self, k: int) -> int:
        """Steps that hidden layer k takes before it sends."""
        del k
        return 1

    def _turn(self, k: int) -> int:
        """Step of the forward phase in which layer k is driven."""
        return sum(map(self._steps_of, range(1, k)))

    def phase_steps(self) -> dict[str, int]:
        """Up."""
        return {"forward": self._turn(self.depth) + 1}

    def evaluation_phases(self) -> dict[str, int]:
        """Forward phase only."""
        return {name: n * (name == "forward") for name, n in self.phase_steps().items()}

    # -------------------------------------------------------------- cells

    def _activity(self, k: int) -> str:
        """Equations of the cells of hidden layer k, but for the rate r that they send."""
        return (POOL if self._pools(k) else ACTIVITY[self.activation]) + SENDER

    def _start(self, k: int) -> dict[str, str]:
        """What cells of layer k start an image from: pixels, who drops out, the least of pools."""
        if k == 0:
            shown = f"(stimulus(cycle_time, i) - {self.pixel_mean!r})/{self.pixel_scale!r}"
            return {"r": shown}
        dropout, wiring = 0.0 if self.pooled(k) else self.dropout, self.plan()[k].wiring
        keep = {"keep": KEEP.format(dropout) if dropout else "1"}
        # below all activities, and a number: infinity times 0, beside the margin, is none
        return keep | (pooling.margin_start(wiring, -1e30) if isinstance(wiring, Pool) else {})

    def _spike(self, k: int) -> Event:
        """Cells of layer k send their rate; a pool hears of all it pools."""
        if k == 0:
            return Event("spike", "onset and r != 0", "sense", "r_sent = r", blocks.GRADED_SPIKES)
        condition = TURN if self.pooled(k) else f"{TURN} and abs(r) > event_threshold"
        return Event("spike", condition, "send", "r_sent = r", blocks.GRADED_SPIKES)

    def _readout(self) -> Population:
        """The output, with a softmax and biases that learn."""
        events = (
            Event("onset", "onset", "onset", reset_action(OUTPUT, "b", y="target(cycle_time, i)")),
            Event("softmax", "in_forward and phase_step == turn", "send",
                  counted="softmax comparisons"),
            Event("end_forward", "end_forward", "phase_end"),
        )  # fmt: skip
        cells = Population(
            self.layer_name(self.depth), self.layers[-1], OUTPUT, events,
            {"turn": self._turn(self.depth)}, role="output cells", weights={"b": "b"},
        )  # fmt: skip
        values = {"momentum": self.momentum, "decay": self.decays[1]}
        how: dict[str, Any] = {"variable": "b", "gathered": "delta", **values}
        return optimized_cells(cells, self.optimizer, self.eta_output, **how)

    # -------------------------------------------------------------- synapses

    def _hidden_rule(self) -> str:
        """What synapses onto hidden cells gather; empty if they do not learn."""
        return ""

    def projections(self) -> tuple[Projection, ...]:
        """Up, and among outputs."""
        output, softmax = self.layer_name(self.depth), Pathway("among", "softmax", SOFTMAX)
        return (
            *(self._up(k) for k in range(self.depth)),
            Projection("softmax", output, output, "", (softmax,), "all_but_self", role="softmax"),
        )

    def _up(self, k: int) -> Projection:
        """What layer k tells the next one."""
        name, above, last = self.layer_name(k), self.layer_name(k + 1), k + 1 == self.depth
        wiring = self.plan()[k + 1].wiring
        if isinstance(wiring, Pool):
            return pooling.max_pooling(f"pool_{k}", name, above, wiring, error="")
        rule = READOUT_RULE if last else self._hidden_rule()
        learning = (Pathway("plasticity", "learn", rule, learns=True),) if rule else ()
        made = Projection(
            f"w_{k}", name, above, WEIGHT + (GATHERED if rule else ""),
            (Pathway("up", "spike", UP), *learning), weight=f"W_{k}",
            role="synapses to the readout" if last else "synapses from layer to layer",
        )  # fmt: skip
        made, rate = self.wired(made, k), self.eta_output if last else self.eta
        if not rule:
            return made
        decay = self.decays[last]
        return optimized(made, self.optimizer, rate, momentum=self.momentum, decay=decay)

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """From U(+-1/sqrt(cells below)), as PyTorch draws them; hidden ones times ``gain``."""
        found: dict[str, NDArray[np.float64]] = {}
        for k in (k for k in range(self.depth) if not self.pooled(k)):
            wiring = as_wiring(self.plan()[k + 1].wiring, f"w_{k}")
            shape = wiring.weight_shape(*self.layers[k : k + 2])
            bound = 1 / np.sqrt(math.prod(shape[-3:] if len(shape) > 2 else shape[1:]))
            drawn = rng.uniform(-bound, bound, shape)
            found[f"W_{k}"] = drawn * (self.gain if k < self.depth - 1 else 1.0)
        found["b"] = rng.uniform(-bound, bound, self.layers[-1])
        return self.with_states(found)
