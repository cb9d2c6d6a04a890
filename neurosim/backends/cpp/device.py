"""A C++ standalone device that runs all-to-all projections as dense rows.

Brian2's C++ code walks an event's synapses through three index arrays and a
spike queue. For a projection made by ``connect()`` without arguments and
without delay none of that is needed: the synapses of source ``i`` are the
contiguous row ``i*N_post ... (i+1)*N_post - 1``; for ``connect(j='i')`` the
synapse of source ``i`` is number ``i``. This device generates, for such
projections only, a loop over events and target cells with a computed synapse
index; everything else takes Brian2's standard path. Events of the target
(``on_post``) walk a column of the same array. Equations,
statements, units, monitors and weight access are untouched.

:meth:`DenseCPPStandaloneDevice.pathway_report` says which pathway runs how,
and why. The package also replaces the templates that decide events and step
the network; see ``templates/``.
"""

from __future__ import annotations

import copy
from typing import Any

import brian2 as b2
import numpy as np
from brian2.codegen.generators.cpp_generator import CPPCodeGenerator
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import all_devices
from brian2.synapses.synapses import Synapses, SynapticPathway

__all__ = ["DenseCPPStandaloneDevice", "activate"]

DEVICE_NAME = "cpp_standalone_dense"

_PLAN = {"all to all": "dense rows", "one to one": "direct"}
_INDEX_VARIABLES = frozenset({"_presynaptic_idx", "_postsynaptic_idx"})


class PlainCodeObject(CPPStandaloneCodeObject):
    """Code object of Brian2's standard path, with this package's templates at hand."""

    templater = CPPStandaloneCodeObject.templater.derive("neurosim.backends.cpp")


class DenseRowGenerator(CPPCodeGenerator):
    """C++ generator that takes pre- and postsynaptic indices from the loops around it."""

    class_name = "cpp_dense_rows"

    def translate_to_read_arrays(self, read: Any, write: Any, indices: Any) -> list[str]:
        """Read arrays as usual, but never the index arrays."""
        lines: list[str] = super().translate_to_read_arrays(
            read, write, set(indices) - _INDEX_VARIABLES
        )
        return lines


class DenseRowCodeObject(PlainCodeObject):
    """Code object whose template loops over the events' dense rows."""

    generator_class = DenseRowGenerator


class DenseCPPStandaloneDevice(CPPStandaloneDevice):
    """C++ standalone device with dense rows and a length of run chosen at start-up.

    Attributes
    ----------
    dense : bool
        Whether dense rows are used at all; with ``False`` every pathway takes
        Brian2's standard path (for comparison).
    """

    def __init__(self) -> None:
        super().__init__()
        self.dense = True
        self._wiring: dict[str, str] = {}
        self._report: dict[str, str] = {}
        self._zero_delays: set[Any] = set()

    def reinit(self) -> None:
        """Forget everything, as Brian2's device does."""
        dense = self.dense
        super().reinit()
        self.dense = dense

    # ------------------------------------------------------------ which pathway runs how

    def synapses_connect(self, synapses: Synapses, *args: Any, **kwds: Any) -> None:
        """Connect as usual; remember a wiring whose synapse indices can be computed.

        Brian2 calls this in place of ``Synapses.connect``.

        Parameters
        ----------
        synapses : Synapses
            What to connect.
        *args, **kwds
            Arguments of ``Synapses.connect``.
        """
        asked = {name: value for name, value in kwds.items() if name not in ("level", "namespace")}
        self._wiring.pop(synapses.name, None)
        if not args and not synapses._connect_called:
            if not asked:
                self._wiring[synapses.name] = "all to all"
            elif asked == {"j": "i"} and len(synapses.source) == len(synapses.target):
                self._wiring[synapses.name] = "one to one"
        # names in connection rules are looked up where the user called connect
        level = {"level": kwds.get("level", 0) + 1}
        Synapses.connect.original_function(synapses, *args, **{**kwds, **level})

    def fill_with_array(self, var: Any, arr: Any) -> None:
        """Store an array as usual; remember which delays are known to be zero.

        The values of a standalone simulation cannot be read back before it
        has run, so they are noted when they are written.
        """
        super().fill_with_array(var, arr)
        # "delay", or with Brian2 2.11 "_signal_delay" for the pathway "signal"
        if var.name.endswith("delay") and not np.any(np.asarray(arr)):
            self._zero_delays.add(var)
        else:
            self._zero_delays.discard(var)

    def variableview_set_with_index_array(
        self, variableview: Any, item: Any, value: Any, check_units: bool
    ) -> None:
        """Set values as usual; a delay set here no longer counts as known."""
        self._zero_delays.discard(variableview.variable)
        super().variableview_set_with_index_array(variableview, item, value, check_units)

    def pathway_report(self) -> dict[str, str]:
        """How each pathway runs.

        Returns
        -------
        dict of str to str
            ``"dense rows"``, ``"direct"`` or ``"standard: <why>"``, by pathway.
        """
        return dict(self._report)

    def _countable(self, synapses: Synapses) -> bool:
        """Whether the synapses' index arrays can be made by counting."""
        wired = self.dense and synapses.name in self._wiring
        return wired and synapses.multisynaptic_index is None

    def _obstacle(self, pathway: SynapticPathway) -> str:
        """Why a pathway cannot run as dense rows; empty if it can."""
        synapses = pathway.synapses
        if not self.dense:
            return "dense rows are switched off"
        if synapses.name not in self._wiring:
            return "connected by a rule, not all to all by connect() or one to one by j='i'"
        if not pathway.variables["delay"].scalar:
            return "delays may differ between synapses"
        if pathway.variables["delay"] not in self._zero_delays:
            return "delayed"
        if synapses.multisynaptic_index is not None:
            return "several synapses per pair"
        parts = (synapses.source, synapses.target)
        if any(part.start != 0 or part.stop != part.variables["N"].get_value() for part in parts):
            return "connects a part of a population"
        return ""

    # ------------------------------------------------------------ code generation

    def code_object_class(self, codeobj_class: Any = None, fallback_pref: Any = None) -> Any:
        """The class that generates code; ours in place of Brian2's."""
        if codeobj_class is not None and issubclass(codeobj_class, CPPStandaloneCodeObject):
            return codeobj_class
        return PlainCodeObject

    def code_object(
        self,
        owner: Any,
        name: str,
        abstract_code: Any,
        variables: Any,
        template_name: str,
        variable_indices: Any,
        codeobj_class: Any = None,
        template_kwds: Any = None,
        **kwds: Any,
    ) -> Any:
        """Make a code object, choosing the dense-row template where it applies."""
        template_kwds = dict(template_kwds or {})
        if template_name.startswith("group_variable_set"):
            self._zero_delays -= set(variables.values())
        if template_name == "synapses":
            pathway = template_kwds["pathway"]
            obstacle = self._obstacle(pathway)
            wiring = self._wiring.get(pathway.synapses.name, "")
            self._report[pathway.name] = f"standard: {obstacle}" if obstacle else _PLAN[wiring]
            if not obstacle:
                eventspace = pathway.source.variables[pathway.eventspace_name]
                template_name, codeobj_class = "dense_rows", DenseRowCodeObject
                template_kwds["eventspace_variable"] = eventspace
                template_kwds["one_to_one"] = wiring == "one to one"
                variables = {**variables, pathway.eventspace_name: eventspace}
                # a copy of Brian2's mapping keeps its default for temporary variables
                variable_indices = copy.copy(variable_indices)
                variable_indices[pathway.eventspace_name] = "_idx"
        elif template_name == "synapses_create_generator" and self._countable(owner):
            template_name = "dense_connect"
            template_kwds["one_to_one"] = self._wiring[owner.name] == "one to one"
        elif template_name == "synapses_push_spikes" and not self._obstacle(owner):
            template_name = "dense_no_queue"
        return super().code_object(
            owner,
            name,
            abstract_code,
            variables,
            template_name,
            variable_indices,
            codeobj_class=codeobj_class or PlainCodeObject,
            template_kwds=template_kwds,
            **kwds,
        )

    def network_run(self, net: b2.Network, duration: Any, *args: Any, **kwds: Any) -> None:
        """Register a run whose length the program takes from its environment.

        The compiled program runs for ``NEUROSIM_STEPS`` time steps of the
        default clock; a program started without it does what Brian2's would.
        """
        super().network_run(net, duration, *args, **{**kwds, "level": kwds.get("level", 0) + 1})
        place = max(n for n, (name, _) in enumerate(self.main_queue) if name == "run_network")
        network, lines = self.main_queue[place][1]
        skipped = {
            f"_run_{name});"
            for name, code in self.code_objects.items()
            if code.template_name == "dense_no_queue"
        }
        kept = [line for line in lines if line.split(", ")[-1] not in skipped]
        self.main_queue[place] = ("run_network", (network, self._free_length(kept, net, duration)))

    def _free_length(self, lines: list[str], net: b2.Network, duration: Any) -> list[str]:
        literal = f"{net.name}.run({float(duration)!r},"
        if sum(literal in line for line in lines) != 1:
            raise RuntimeError(
                "this version of Brian2 writes runs in another form than neurosim expects; "
                f"supported are the versions named in setup.cfg, this is {b2.__version__}"
            )
        steps = 'std::getenv("NEUROSIM_STEPS")'
        dt = min(clock.dt_ for clock in net._clocks)
        length = f"{steps} ? std::atol({steps}) * {dt!r} : {float(duration)!r}"
        return [line.replace(literal, f"{net.name}.run({length},") for line in lines]


def activate(*, dense: bool = True) -> DenseCPPStandaloneDevice:
    """Make the dense device Brian2's current one, empty, for one build.

    Parameters
    ----------
    dense : bool
        Use dense rows where they apply.

    Returns
    -------
    DenseCPPStandaloneDevice
        The active device; call its ``build`` after ``Network.run``.
    """
    device = DenseCPPStandaloneDevice()
    device.dense = dense
    all_devices[DEVICE_NAME] = device
    b2.set_device(DEVICE_NAME, build_on_run=False)
    return device
