r"""Predictive coding with a free output that the target nudges (PC-Nudge).

Citation
--------
The network is that of J. C. R. Whittington, R. Bogacz, Neural Computation 29 (2017)
1229, see :mod:`neurosim.models.pc`. The nudge of the output takes the place of the
clamp in the comparison of Bozkurt, Pehlevan, Erdogan, NeurIPS 2023, arXiv:2306.04810,
Table 1, whose settings these are; *code* marks what only the code behind that table
says. Numbers of sections are those of the first paper.

In formulas, with predictions mu and errors e as in :mod:`neurosim.models.pc`:

- energy (code, without 1/2)   E = sum_l |e_l|^2 + lambda |x_P - y|^2
- dynamics, hidden             tau dx_l/dt = -dE/dx_l = 2 (f'(x_l) (W_l^T e_(l+1)) - e_l)
- dynamics, output             tau dx_P/dt = -dE/dx_P = -2 e_P - 2 lambda (x_P - y)
- learning                     dW_l = -dE/dW_l / lambda = (2/lambda) e_(l+1) f(x_l)^T

The forward pass is the state of lowest energy without a nudge: all errors are 0 there,
so the contrast of a nudged and a free phase is the nudged one alone. For a small lambda
it is the gradient of |mu_P - y|^2.

Differences from the paper
--------------------------
As for :mod:`neurosim.models.pc`, and:

1. Hidden cells are rectified and linear, and images are shown as they are (code).
2. Plain gradient steps. Rates are those of one image: a batch changes weights by its size
   times the rate times the mean over its images, the sum of the published code.
3. The nudge of 0.001 moves values by about as much, so event thresholds must be far
   smaller than elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.models.pc import HIDDEN, LEARN, PredictiveCoding
from neurosim.system import inherited, parameter
from neurosim.system.nudged import signed_nudges

__all__ = ["NudgedPredictiveCoding"]

RECTIFIED = """
r     = x*int(x > 0) : 1                         # code, f(x), rectified and linear
slope = int(x > 0) : 1                           # code, f'(x)
force = 2*(slope*feedback - err) : 1             # code, -dE/dx
"""

NUDGED = """
dx/dt = int(in_settle)*force/tau : 1             # code, all layers at once
r     = x : 1                                    # code, the output is linear
force = -2*err - 2*lam*(x - y) : 1               # code, -dE/dx of the output
y     : 1                                        # target
tau   : second (shared, constant)                # time constant; code, a step is 0.1 tau
"""

#: code, -dE/dW per nudge
RULE = "g += 2/lam*err_post*r_pre"


@dataclasses.dataclass(frozen=True)
class NudgedPredictiveCoding(PredictiveCoding):
    """A predictive coding network whose output is nudged towards the target, or away from it.

    Examples
    --------
    >>> model = NudgedPredictiveCoding(layers=(64, 50, 10), lam=0.01, random_sign=False)
    >>> model.cycle_scalars(np.random.default_rng(0), 2)
    {'lam': array([0.01, 0.01])}
    """

    name: ClassVar[str] = "pc-nudge"
    title: ClassVar[str] = "Predictive coding with a nudge (PC-Nudge)"
    remedy: ClassVar[str] = "lower the learning rate (rate), or raise tau"
    published_batch: ClassVar[int | None] = 20
    symbols: ClassVar[Mapping[str, str]] = {**PredictiveCoding.symbols, "lam": r"\lambda"}
    sliders: ClassVar[tuple[str, ...]] = ("lam", "tau", "event_threshold", "error_threshold")
    scalars: ClassVar[tuple[str, ...]] = ("lam",)
    optimizer: ClassVar[str] = "sgd"
    learn: ClassVar[str] = LEARN
    clamped: ClassVar[bool] = False

    layers: tuple[int, ...] = (784, 128, 64, 10)
    event_threshold: float = inherited(PredictiveCoding, "event_threshold", 0.0)
    error_threshold: float = inherited(PredictiveCoding, "error_threshold", 0.0)
    rate: float = inherited(PredictiveCoding, "rate", 0.001, "learning rate per image")
    decay: float = inherited(PredictiveCoding, "decay", 0.9)
    decay_every: int = inherited(PredictiveCoding, "decay_every", 10)
    lam: float = parameter(0.001, "size of the nudge", r"\lambda", "(0, inf)")
    random_sign: bool = parameter(True, "draw the sign of the nudge anew for every batch")

    def _relaxation(self) -> tuple[str, str, float]:
        """Nudged output cells."""
        return "nudged output cells", "2 + 2 lam", 2 + 2 * self.lam

    def _update_rate(self) -> float:
        """The sum over a batch, as the mean times its size."""
        return self.batch * self.rate

    def _hidden_equations(self) -> str:
        """Rectified and linear cells."""
        return HIDDEN + RECTIFIED

    def _output_equations(self) -> str:
        """Linear cells with a nudge."""
        return NUDGED

    def _rule(self) -> str:
        """The gradient of the energy per nudge."""
        return RULE

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """The signed nudge of each training image, shape (n,)."""
        return {"lam": signed_nudges(rng, n, self.lam, self.random_sign, self.batch)}

    def evaluation_scalars(self) -> dict[str, float]:
        """The nudge of recordings with a target."""
        return {"lam": self.lam}
