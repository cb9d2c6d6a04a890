"""Write the C++ project of one circuit, in a process of its own.

Brian2 keeps one standalone device per process; building elsewhere leaves the caller's
Brian2 untouched and lets several builds go on side by side. The process is started by
:mod:`neurosim.backends.cpp.generator_process`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np
from brian2.core.base import BrianObjectException

from neurosim.backends.brian.build import BuiltNetwork, build_network, counter_name
from neurosim.backends.brian.messages import explain_brian_error
from neurosim.backends.brian.preferences import brian2_settings
from neurosim.backends.cpp.builder import MISTAKE
from neurosim.backends.cpp.device import activate
from neurosim.circuit import Circuit, circuit_from_dict
from neurosim.errors import CircuitError

__all__ = ["generate", "main"]


def generate(
    circuit: Circuit,
    folder: Path,
    *,
    dtype: str,
    max_cycles: int,
    dense: bool,
    record: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write the C++ project of a circuit, and ``manifest.json``, which lists the result files.

    Parameters
    ----------
    circuit : Circuit
        What to build.
    folder : Path
        Where the project goes.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Rows of the per-cycle inputs.
    dense : bool
        Whether all-to-all projections run as dense rows.
    record : mapping of str to sequence of str, optional
        Variables to record in every step, by population.
    """
    with brian2_settings(np.dtype(dtype)):
        device = activate(dense=dense)
        built = build_network(circuit, max_cycles, record=record)
        # the true length of a run is handed over when the program starts
        built.network.run(circuit.dt * b2.ms, namespace=built.namespace)
        device.build(directory=str(folder), compile=False, run=False, debug=False)
        manifest = _manifest(circuit, built, device)
    for name in manifest["inputs"].values():
        # every run brings its own inputs, so the program need not read blank ones first
        (folder / "static_arrays" / f"{name}_values").write_bytes(b"")
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def _manifest(circuit: Circuit, built: BuiltNetwork, device: Any) -> dict[str, Any]:
    def place(owner: Any, variable: str) -> list[str]:
        described = owner.variables[variable]
        return [device.get_array_filename(described), np.dtype(described.dtype).name]

    weights = {
        f"{part.projection}.{part.variable}": place(built.synapses[part.projection], part.variable)
        for weight in circuit.weights
        for part in weight.parts
    }
    counters = {
        f"{population.name}.{event.name}": place(built.groups[population.name], counter_name(event))
        for population in circuit.populations
        for event in population.events
        if event.counted
    }
    readouts = {
        readout.name: place(built.readouts[readout.name], readout.variable)
        for readout in circuit.readouts
    }
    monitors = {
        name: {variable: place(monitor, variable) for variable in monitor.record_variables}
        for name, monitor in built.monitors.items()
    }
    # an input that no equation reads is not part of the program
    read = set(device.timed_arrays.values())
    inputs = {name: array.name for name, array in built.inputs.items() if array.name in read}
    return {
        "weights": weights,
        "counters": counters,
        "readouts": readouts,
        "monitors": monitors,
        "inputs": inputs,
        "pathways": device.pathway_report(),
    }


def main(arguments: list[str]) -> int:
    """Entry point of the build process.

    Parameters
    ----------
    arguments : list of str
        The file that describes what to build, and the folder for the project.

    Returns
    -------
    int
        Exit status: 0, or :data:`neurosim.backends.cpp.builder.MISTAKE`.
    """
    spec = json.loads(Path(arguments[0]).read_text())
    try:
        generate(
            circuit_from_dict(spec["circuit"]),
            Path(arguments[1]),
            dtype=spec["dtype"],
            max_cycles=spec["max_cycles"],
            dense=spec["dense"],
            record=spec["record"],
        )
    except (BrianObjectException, CircuitError) as error:
        sys.stderr.write(f"{explain_brian_error(error)}\n")
        return MISTAKE
    return 0
