"""The network as one usually writes it in Brian2: every sum a ``(summed)`` variable.

Populations, phases and learning rules are the model's own. Only the signal pathways differ:
where the model adds ``w*(r_pre - r_sent_pre)`` on an event, here ``s_post = w*r_pre : 1
(summed)`` is computed from all synapses in every time step, in the slot of the step in which
the events would have arrived. Brian2's own C++ standalone device generates the code, and it
is compiled with the flags neurosim uses.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import Contender, Outcome, Runner
from benchmarks.problem import Problem
from benchmarks.stopwatch import Stopwatch
from neurosim.backends.brian.build import BuiltNetwork, build_network
from neurosim.backends.brian.rhythm import RHYTHM
from neurosim.backends.cpp.compiler import compiler_flags
from neurosim.backends.weights import existing_synapses, join_weights, split_weights
from neurosim.circuit import Circuit, Projection
from neurosim.errors import CircuitError

__all__ = ["SummedRunner", "summed_circuit"]

_SIGNAL = re.compile(r"(\w+)_post \+= (\w+)\*\(r_pre - \w+_pre\)")

#: Rough cost of one synapse in one step, to choose how many images to compile in.
_NS_PER_SYNAPSE = 1.0
_SECONDS_PER_RUN = 1.5


def summed_circuit(circuit: Circuit) -> Circuit:
    """The same circuit without graded spikes: dense sums in every step.

    Parameters
    ----------
    circuit : Circuit
        A circuit whose signal pathways all send changes of rates.

    Returns
    -------
    Circuit
        With summed variables in the synapses' equations.

    Raises
    ------
    CircuitError
        If a signal pathway does something else.
    """
    populations = tuple(
        dataclasses.replace(
            population, events=tuple(event for event in population.events if not event.counted)
        )
        for population in circuit.populations
    )
    projections = tuple(_summed(projection) for projection in circuit.projections)
    return dataclasses.replace(circuit, populations=populations, projections=projections)


def _summed(projection: Projection) -> Projection:
    lines = [projection.equations.rstrip()]
    for pathway in projection.pathways:
        if pathway.learns:
            continue
        match = _SIGNAL.fullmatch(pathway.code)
        if match is None:
            raise CircuitError(
                f"{projection.name}: {pathway.code!r} does not send a change of rate; only "
                "pathways such as s_post += w*(r_pre - r_sent_pre) can be summed"
            )
        lines.append(f"{match[1]}_post = {match[2]}*r_pre : 1 (summed)")
    return dataclasses.replace(
        projection,
        equations="\n".join(lines),
        pathways=tuple(pathway for pathway in projection.pathways if pathway.learns),
    )


class SummedRunner(Runner):
    """Compiles in the constructor; one per process, since Brian2 has one standalone device."""

    def __init__(self, contender: Contender, problem: Problem) -> None:
        super().__init__(contender, problem)
        self._circuit = problem.system.circuit()
        self._folder = Path(tempfile.mkdtemp(prefix="benchmarks-brian2-"))
        self._images = _images_per_run(problem)
        b2.prefs.core.default_float_dtype = np.dtype(contender.dtype).type
        b2.prefs.codegen.cpp.extra_compile_args_gcc = list(compiler_flags())
        b2.set_device("cpp_standalone", build_on_run=False)
        self._device = b2.get_device()
        rows = self.fixed_images(learning=False)
        self._built = build_network(summed_circuit(self._circuit), rows)
        _place_sums(self._built, self._circuit)
        steps = self._images * self._circuit.cycle_steps()
        self._built.network.run(steps * self._circuit.dt * b2.ms, namespace={})
        self._device.build(directory=str(self._folder), compile=True, run=False)

    def fixed_images(self, *, learning: bool) -> int:
        """The length of a run is compiled in: the free phase alone leaves time for more images."""
        if learning:
            return self._images
        free = self._circuit.phase_steps()["free"]
        return self._images * self._circuit.cycle_steps() // free

    def run(self, images: int, *, learning: bool) -> Outcome:
        """Run the program; see :class:`~benchmarks.contender.Runner`."""
        if images != self.fixed_images(learning=learning):
            raise ValueError(
                f"{images} images: this program shows {self.fixed_images(learning=learning)}"
            )
        few = self.problem.head(images)
        arguments = self._arguments(few, learning=learning)
        # Brian2 compares single-precision values with 1e50, which overflows harmlessly
        with Stopwatch() as watch, np.errstate(over="ignore"):
            self._device.run(results_directory="results", with_output=False, run_args=arguments)
        info = (self._folder / "results" / "last_run_info.txt").read_text()
        return Outcome(
            watch.seconds,
            watch.cpu_seconds,
            watch.seconds - float(info.split()[0]),
            self._weights(few),
            self._answers(images),
        )

    def _arguments(self, few: Problem, *, learning: bool) -> dict[Any, Any]:
        built, rhythm = self._built, self._built.groups[RHYTHM]
        rows = self.fixed_images(learning=False)
        arguments: dict[Any, Any] = {
            built.inputs[name]: _padded(values, rows) for name, values in few.inputs().items()
        }
        for (name, variable), values in split_weights(
            self._circuit, few.weights, np.dtype(self.contender.dtype)
        ).items():
            there = existing_synapses(self._circuit, self._circuit.projection(name))
            arguments[getattr(built.synapses[name], variable)] = values[there]
        arguments[rhythm.learning] = learning
        arguments[rhythm.steps_nudged] = self._circuit.phase_steps()["nudged"] * learning
        return arguments

    def _weights(self, few: Problem) -> dict[str, NDArray[Any]]:
        dtype = np.dtype(self.contender.dtype)
        flat = split_weights(self._circuit, few.weights, dtype)
        for (name, variable), values in flat.items():
            there = existing_synapses(self._circuit, self._circuit.projection(name))
            values[there] = self._read(self._built.synapses[name], variable)
        return join_weights(self._circuit, flat, dtype)

    def _answers(self, images: int) -> NDArray[Any]:
        readout = self._circuit.readouts[0]
        return self._read(self._built.readouts[readout.name], readout.variable).reshape(images, -1)

    def _read(self, owner: Any, variable: str) -> NDArray[Any]:
        described = owner.variables[variable]
        path = self._folder / "results" / self._device.get_array_filename(described)
        return np.fromfile(path, dtype=described.dtype)

    def input_bytes(self) -> int:
        """All rows of the inputs, in double precision."""
        layers = self.problem.system.layers
        return self.fixed_images(learning=False) * (layers[0] + layers[-1] + 1) * 8

    def close(self) -> None:
        """Remove the generated program."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _images_per_run(problem: Problem) -> int:
    """A multiple of 3, so that free phases alone (3/4 of a cycle) fill the run too."""
    seconds = problem.synapses * problem.system.circuit().cycle_steps() * _NS_PER_SYNAPSE * 1e-9
    wanted = min(round(_SECONDS_PER_RUN / seconds), len(problem.images) * 3 // 4, 300)
    return max(wanted // 3 * 3, 3)


def _padded(values: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Values, filled up with zeros to the length of the timed array."""
    return np.concatenate([values, np.zeros((rows - len(values), *values.shape[1:]))])


def _place_sums(built: BuiltNetwork, circuit: Circuit) -> None:
    """Sums of rates where graded spikes arrive: the image's at onset, others after integration."""
    for projection in circuit.projections:
        sensory = projection.source == "sensory"
        for updater in built.synapses[projection.name].summed_updaters.values():
            updater.when, updater.order = ("start", 21) if sensory else ("synapses", 0)
