"""Layers whose cells come in groups, which may normalise their activity by division.

Divisive normalisation as in Pogodin and Latham, NeurIPS 2020, arXiv:2006.07123, whose equations
are named by number. Beside every layer stands a modulator, a cell that hears of the whole layer.
How hidden layers learn is up to the system; without more they do not, and the readout does.

With groups it takes five steps from one layer to the next: cells tell their group their activity,
and are told its mean; they tell it their squared deviations, and are told the scale that they
multiply by; then they send.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from neurosim.circuit import Blocks, Event, Pathway, Population, Projection, reset_action
from neurosim.circuit.parser import parse_equations
from neurosim.system import building_blocks
from neurosim.system.parameters import parameter
from neurosim.system.readout_network import LEARN, ReadoutNetwork
from neurosim.system.traces import Trace

__all__ = ["GroupedLayers"]

# ------------------------------------------------------------------ cells

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
v = spread - spread_mean : 1                     # eq. 18
spread_mean : 1 (linked)                         # of the layer
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


TRACES = (
    Trace("activity", "z", "activity", "z", "potential", layers="hidden"),
    Trace("rate", "r", "rate", "r", "rate"),
    dataclasses.replace(building_blocks.spikes_trace("r"), layers="hidden"),
    Trace("probability", "p", "softmax", "p", "rate", layers="output"),
    Trace("error", "delta", "error, minus the gradient", r"\delta", "error", layers="output"),
    dataclasses.replace(building_blocks.target_trace(), layers="output"),
)


def turn_event(name: str, later: int) -> Event:
    """An event of all cells, some steps after their layer is driven."""
    return Event(name, f"in_forward and phase_step == turn + {later}", "send",
                 counted="normalisation")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class GroupedLayers(ReadoutNetwork):
    """Hidden layers of cells alone or in groups, and a readout that learns.

    Parameters
    ----------
    layers, network, image, activation, dropout, eta_output
        And the others of :class:`~neurosim.system.readout_network.ReadoutNetwork`.
    grouping, groups, power, offset
        See the declarations.
    """

    traces: ClassVar[tuple[Trace, ...]] = TRACES

    grouping: str = parameter(
        "divisive", "what kernels compare: cells, groups, or groups that normalise their cells",
        choices=tuple(SENT),
    )  # fmt: skip
    groups: int = parameter(32, "most groups of equal size in a layer", "c", "[1, inf)")
    power: float = parameter(0.2, "power of the normalisation", "p", "[0, 1)")
    offset: float = parameter(1.0, "offset of the variance of a group", r"\delta", "(0, inf)")

    @property
    def grouped(self) -> bool:
        """Whether hidden cells come in groups."""
        return self.grouping != "none"

    @property
    def kernels(self) -> tuple[int, ...]:
        """Numbers of the hidden layers that may have groups: all but those below a pool."""
        return tuple(k for k in self.hidden if not self.pooled(k))

    def groups_of(self, k: int) -> int:
        """Groups of a layer: of equally many channels, with two cells or more.

        Parameters
        ----------
        k : int
            Number of a hidden layer.

        Returns
        -------
        int
            At most ``groups``.
        """
        channels = self.plan()[k].shape[0]
        most = min(self.groups, max(self.layers[k] // 2, 1))
        return next(n for n in range(most, 0, -1) if channels % n == 0)

    def _steps_of(self, k: int) -> int:
        return 5 if self.grouped and not self.pooled(k) else 1

    # -------------------------------------------------------------- cells

    def _learned(self, part: str, k: int) -> str:
        """Equations by which the cells of layer k, or those beside it, learn."""
        del part, k
        return ""

    def _learning(self, part: str, k: int) -> tuple[Event, ...]:
        """Events by which they and their synapses learn."""
        return (Event("learn", LEARN, "learn"),) if part == "cells" and not self.pooled(k) else ()

    def populations(self) -> tuple[Population, ...]:
        """Image, hidden layers with their groups and modulators, and the readout."""
        found = [self._layer(0)]
        for k in self.hidden:
            found += [self._layer(k), *(self._company(k) if k in self.kernels else ())]
        return (*found, self._readout())

    def _layer(self, k: int) -> Population:
        """The image, or a hidden layer."""
        grouped, kernel = self.grouped and k in self.kernels, k in self.kernels
        equations, events = building_blocks.RELAY, [self._spike(k)]
        if k:
            equations = self._activity(k) + SENT[self.grouping if kernel else "none"]
        if grouped:
            equations += MEMBER
            events += [turn_event("gather", 0), turn_event("deviate", 2)]
        role = "hidden cells" if k else "sensory relay"
        return self._cells("cells", k, equations, *events, role=role, **self._start(k))

    def _company(self, k: int) -> tuple[Population, ...]:
        """Groups of layer k, and the cell that hears of a whole layer."""
        modulator = self._cells("modulator", k, SPREAD if self.grouped else "", role="modulator")
        events = turn_event("mean", 1), turn_event("normalise", 3)
        if self.grouped:
            return self._cells("group", k, GROUP, *events, role="groups of cells"), modulator
        return (modulator,) if modulator.equations else ()

    def _cells(
        self, part: str, k: int, equations: str, *events: Event, role: str, **start: str
    ) -> Population:
        """Cells of layer k or beside it, with what they learn by."""
        equations += self._learned(part, k)
        groups = self.groups_of(k) if k in self.hidden else 1
        sizes = {"cells": self.layers[k], "group": groups, "modulator": 1}
        name = self.layer_name(k) if part == "cells" else f"{part}_{k}"
        values = self.constants(
            equations, n=max(self.layers[-1], 2), delta=self.offset, groups=groups,
            cells=self.layers[k] // groups, turn=self._turn(k), turn_up=self._turn(k + 1) - 1,
            p=0.5 if self.grouping == "groups" else self.power,
        )  # fmt: skip
        linked = (line.name for line in parse_equations(equations) if "linked" in line.flags)
        cells = Population(
            name, sizes[part], equations, (*events, *self._learning(part, k)), values,
            {variable: (f"modulator_{k}", variable) for variable in linked}, role=role,
        )  # fmt: skip
        return self._with_onset(cells, **start)

    def _with_onset(self, cells: Population, **start: str) -> Population:
        """Cells that start every image anew."""
        onset = Event(
            "onset", "onset", "onset", reset_action(cells.equations, *cells.kept, **start)
        )
        return dataclasses.replace(cells, events=(onset, *cells.events))

    # -------------------------------------------------------------- synapses

    def projections(self) -> tuple[Projection, ...]:
        """Up, among outputs, and between cells, their groups and modulators."""
        return (*super().projections(), *(one for k in self.kernels for one in self._within(k)))

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

    def cell_traces(self, k: int) -> tuple[Trace, ...]:
        """Traces of the variables that there are."""
        there = {(cells.name, line.name) for cells in self.populations()
                 for line in parse_equations(cells.equations)}  # fmt: skip
        name = self.layer_name(k)
        return tuple(trace for trace in super().cell_traces(k)
                     if (trace.population or name, trace.variable) in there)  # fmt: skip
