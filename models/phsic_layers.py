r"""What pHSIC compares: two images, by their labels and by a kernel of every hidden layer.

Pogodin and Latham, NeurIPS 2020, arXiv:2006.07123; numbers of equations are this paper's, *code*
marks what only its authors' program says. The other image is the previous one, or with the batch
rule in turn each image of the batch. What is learnt of it is in ``phsic.py``; cells, their groups
and the readout are those of ``neurosim/system/grouped_layers.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from neurosim.circuit import Event, Pathway, Phase, Population, Projection
from neurosim.circuit.windows import Sliding
from neurosim.models.numpy import phsic as numpy
from neurosim.models.numpy.urfb import Step
from neurosim.system import Trace, parameter, readout_network
from neurosim.system.grouped_layers import TRACES, GroupedLayers

__all__ = ["KernelLayers"]

LABEL = """
y : 1                                            # label of this image
y_before : 1                                     # label of the other image
"""
MODULATOR = """
same : 1                                         # delivered: 1 if both labels are the same
k_y = (n*same - 1)/(n - 1) : 1                   # code, appendix A.3: cosine of centred labels
b2 = gamma*k_y - 2*k_z : 1                       # eq. 60
n : 1 (shared, constant)                         # number of classes
gamma : 1 (shared, constant)                     # weight of the labels
"""
KERNEL = {
    "gauss": """
b1 : 1                                           # eq. 59, delivered; with groups eq. 65
k_z = exp(-b1/(2*sigma**2)) : 1                  # eq. 26
unit = -k_z/sigma**2 : 1                         # eq. 62
sigma : 1 (shared, constant)                     # width of the kernel
""",
    "cosine": """
b1 : 1                                           # eq. 25, scalar product, delivered
b1_now : 1                                       # eq. 25, squared norm, delivered
b1_before : 1                                    # of the other image, delivered
k_z = b1*unit : 1                                # eq. 25
unit = 1/sqrt(clip(b1_now*b1_before, 1e-16, inf)) : 1    # eq. 54; code, the bound
pull = b1/clip(b1_now, 1e-8, inf) : 1            # eq. 54
pull_before = b1/clip(b1_before, 1e-8, inf) : 1  # eq. 54
""",
}
#: Where a third factor moves cells or groups: at this image, and at the other one.
WAY = {
    "gauss": """
way = q - q_before : 1                           # eq. 57; with groups eq. 66
way_before = way : 1                             # eq. 57; with groups eq. 66
""",
    "cosine": """
way = q_before - pull*q : 1                      # eq. 54
way_before = pull_before*q_before - q : 1        # eq. 54
pull : 1 (linked)                                # of the layer
pull_before : 1 (linked)                         # of the layer
""",
}
#: eq. 1
UP = readout_network.UP
#: appendix A.3, code
SAME = "same_post += y_pre*y_before_pre"
#: eq. 59; with groups eq. 65
CHANGE_GAUSS = "b1_post += (q_pre - q_before_pre)**2"
#: eq. 25
CHANGE_COSINE = """b1_post += q_pre*q_before_pre
b1_now_post += q_pre**2
b1_before_post += q_before_pre**2"""

#: Of the code; its paper leaves two layers out in the name that it gives the network. The last
#: one is for images as small as the embedded digits, and not from the paper.
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "convnet": (
        "conv 128 3x3", "conv 256 3x3", "maxpool 2", "conv 256 3x3", "conv 512 3x3", "maxpool 2",
        "conv 512 3x3", "maxpool 2", "conv 512 3x3", "maxpool 2", "full 1024",
    ),
    "convnet_2x": (
        "conv 256 3x3", "conv 512 3x3", "maxpool 2", "conv 512 3x3", "conv 1024 3x3", "maxpool 2",
        "conv 1024 3x3", "maxpool 2", "conv 1024 3x3", "maxpool 2", "full 1024",
    ),
    "small_convnet": ("conv 8 3x3", "conv 8 3x3", "maxpool 2", "full 32"),
}  # fmt: skip
#: What the modulator of a layer does.
MODULATOR_TRACES = tuple(
    Trace(name, variable, words, symbol, population="modulator_{k}", layers="hidden", shown=shown)
    for name, variable, words, symbol, shown in (
        ("change", "b1", "change since the other image", "b_1", False),
        ("similarity", "k_z", "kernel with the other image", "k", False),
        ("comparison", "b2", "labels against activities", "b_2", True),
        ("comparison_mean", "b3", "mean of the comparison", "b_3", True),
        ("third_factor", "M", "third factor", "M", True),
    )
)


@dataclasses.dataclass(frozen=True)
class KernelLayers(GroupedLayers):
    """Hidden layers that compare images."""

    networks: ClassVar[Mapping[str, tuple[str, ...]]] = NETWORKS
    traces: ClassVar[tuple[Trace, ...]] = (*TRACES, *MODULATOR_TRACES)
    # code
    decays: ClassVar[tuple[float, float]] = (1e-7, 1e-6)

    layers: tuple[int, ...] = (784, 1024, 1024, 1024, 10)
    rule: str = parameter(
        "pairs", "hidden layers learn from successive images, all pairs of a batch, or not",
        choices=("pairs", "batch", "last"),
    )  # fmt: skip
    kernel: str = parameter("gauss", "kernel of the activities", choices=tuple(KERNEL))
    gamma: float = parameter(2.0, "weight of the labels", r"\gamma", "[0, inf)")
    sigma: float = parameter(5.0, "width of the Gaussian kernel", r"\sigma", "(0, inf)")

    @property
    def compares(self) -> bool:
        """Whether hidden layers learn, by comparing images."""
        return self.rule != "last" and self.depth > 1

    @property
    def paired(self) -> bool:
        """Whether the other image is the previous one."""
        return self.rule == "pairs" and self.depth > 1

    def phase_steps(self) -> dict[str, int]:
        """Up; then images are compared, and cells are instructed, those below a pool last."""
        pools = any(map(self.pooled, self.hidden))
        after = {"compare": 1, "instruct": 1 + pools} if self.compares else {}
        return {**super().phase_steps(), **after}

    def phases(self) -> tuple[Phase, ...]:
        """With the batch rule, the images of a batch meet in the phase that compares."""
        meeting = "" if self.paired else "compare"
        return tuple(Phase(name, n, name == meeting) for name, n in self.phase_steps().items())

    def populations(self) -> tuple[Population, ...]:
        """Those of the network, and labels to compare."""
        compare = Event("compare", "in_compare and y != 0", "send", counted="comparisons")
        label = Population("label", self.layers[-1], LABEL, (compare,), role="labels")
        labels = (self._with_onset(label, y="target(cycle_time, i)"),) if self.compares else ()
        return (*super().populations(), *labels)

    def _within(self, k: int) -> tuple[Projection, ...]:
        """What cells or groups, and labels, tell the modulator of layer k."""
        found = {made.name: made for made in super()._within(k)}
        if not self.compares:
            return tuple(found.values())
        source = f"group_{k}" if self.grouped else self.layer_name(k)
        ends, told = f"modulator_{k}", CHANGE_GAUSS if self.kernel == "gauss" else CHANGE_COSINE
        change = found.get(f"change_{k}", Projection(f"change_{k}", source, ends, "", ()))
        change = change.with_pathway(Pathway("change", "compare", told))
        found[change.name] = dataclasses.replace(change, role="change")
        same = (Pathway("same", "compare", SAME),)
        return (*found.values(), Projection(f"labels_{k}", "label", ends, "", same, role="labels"))

    # -------------------------------------------------------------- recording

    def objectives(
        self, weights: Mapping[str, NDArray[Any]], images: NDArray[Any], targets: NDArray[Any]
    ) -> dict[str, float]:
        """Eq. 9 of every hidden layer, over all pairs of the images; every rate is sent."""
        learnt = [weights[f"W_{k}"] for k in range(self.depth) if not self.pooled(k)]
        own = {"b": weights["b"], **{f"W_{n}": array for n, array in enumerate(learnt)}}
        shown, rules = (images.T - self.pixel_mean) / self.pixel_scale, self.rules()
        found = numpy.objectives(own, shown, targets.T, rules)
        return {self.layer_name(k): found[n] for n, k in enumerate(self.kernels, start=1)}

    def rules(self) -> dict[int, numpy.Rule]:
        """The rules of the hidden layers in plain NumPy, where a pool belongs to its layer."""
        return {n: self._rule(k) for n, k in enumerate(self.kernels, start=1)}

    def _rule(self, k: int) -> numpy.Rule:
        own = k - self.pooled(k - 1)
        return numpy.Rule(
            self.kernel, self.grouping, self.groups_of(k), self.gamma, self.sigma, self.power,
            self.offset, self.slope, activation=self.activation, step=self._step(own) or numpy.FULL,
            pool=self._step(k) if k > own else None,
        )  # fmt: skip

    def _step(self, k: int) -> Step | None:
        """Windows over which layer k is wired."""
        layer = self.plan()[k]
        if not isinstance(layer.wiring, Sliding):
            return None
        wiring = layer.wiring
        return Step(layer.kind, wiring.shape, wiring.kernel, wiring.stride, *wiring.margins)
