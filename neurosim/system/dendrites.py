"""Dendrites that follow their input with a time constant, where a paper has none."""

from __future__ import annotations

import dataclasses

from neurosim.system.building_blocks import leaky
from neurosim.system.layered import LayeredSystem
from neurosim.system.parameters import parameter
from neurosim.system.timing import check_time_constants

__all__ = ["LeakyDendrites"]


@dataclasses.dataclass(frozen=True)
class LeakyDendrites(LayeredSystem):
    """A layered network of cells with a basal and an apical dendrite, which may leak.

    Parameters
    ----------
    layers, dt, event_threshold
        See :class:`~neurosim.system.layered.LayeredSystem`.
    tau_basal, tau_apical : float
        Time constants in ms; 0 for dendrites without delay.

    Raises
    ------
    ParameterError
        If a time constant is above 0 and shorter than a time step.
    """

    tau_basal: float = parameter(0.0, "of basal dendrites; 0: none", r"\tau_B", "[0, inf) ms")
    tau_apical: float = parameter(0.0, "of apical dendrites; 0: none", r"\tau_A", "[0, inf) ms")

    def __post_init__(self) -> None:
        super().__post_init__()
        times = {"tau_basal": self.tau_basal, "tau_apical": self.tau_apical}
        check_time_constants(type(self).__name__, times, self.dt, instantaneous=True)

    def dendrites(self, basal: str, apical: str) -> str:
        """Equations of both dendrites, with their delays.

        Parameters
        ----------
        basal, apical : str
            One equation each, for a dendrite without delay.

        Returns
        -------
        str
            The same, or the differential equations that rest there.
        """
        found = (("tau_basal", basal), ("tau_apical", apical))
        return "".join(leaky(text, tau) if getattr(self, tau) else text for tau, text in found)
