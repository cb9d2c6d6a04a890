"""Back end that runs inside this Python process, for debugging and recording."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import brian2 as b2
import numpy as np
from brian2.core.base import BrianObjectException
from numpy.typing import NDArray

from neurosim.backends.brian.build import BuiltNetwork, build_network, counter_name
from neurosim.backends.brian.messages import explain_brian_error
from neurosim.backends.brian.parsing_cache import direct_parsing
from neurosim.backends.brian.rhythm import RHYTHM
from neurosim.backends.interface import (
    CHUNK_IMAGES,
    Backend,
    Chunk,
    ChunkResult,
    join_weights,
    split_weights,
)
from neurosim.circuit import Circuit
from neurosim.circuit.readouts import noted_readouts
from neurosim.errors import CircuitError

__all__ = ["RuntimeBackend"]


class RuntimeBackend(Backend):
    """Runs chunks with Brian2's runtime targets (NumPy or Cython).

    Parameters
    ----------
    circuit : Circuit
        What to run.
    dtype : str
        ``"float32"`` or ``"float64"``.
    max_cycles : int
        Most cycles one chunk may have.
    target : str
        Brian2's ``codegen.target``: ``"numpy"`` (no compilation) or ``"cython"``.
    record : mapping of str to iterable of str, optional
        Variables to record in every step, by population.
    cells : mapping of str to sequence of int, optional
        Numbers of the cells recorded, by population; all cells where not given.

    Notes
    -----
    Brian2's preferences are process-wide; they are set for the duration of a
    call and put back, so a user's own Brian2 code is not disturbed.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        dtype: str = "float32",
        max_cycles: int = CHUNK_IMAGES,
        target: str = "numpy",
        record: Mapping[str, Iterable[str]] | None = None,
        cells: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        super().__init__(circuit, dtype=dtype, max_cycles=max_cycles)
        self._target = target
        self._record = record
        self._cells = cells
        self._broken_off = False
        started = time.perf_counter()
        self._built = self._build()
        self.build_seconds = time.perf_counter() - started

    def _build(self) -> BuiltNetwork:
        with _Preferences(self.dtype, self._target):
            return build_network(
                self.circuit, self.max_cycles, record=self._record, cells=self._cells
            )

    def run(self, chunk: Chunk) -> ChunkResult:
        """Run a chunk; see :meth:`neurosim.backends.interface.Backend.run`.

        After an interrupt the network is built anew, since Brian2's objects were
        left in the middle of a step; what was recorded before is gone.
        """
        lengths = self._check(chunk)
        if self._broken_off:
            self._built, self._broken_off = self._build(), False
        built = self._built
        self._forget()
        self._set_inputs(chunk)
        self._set_values(chunk, lengths)
        duration = chunk.cycles * sum(lengths.values()) * self.circuit.dt * b2.ms
        started = time.perf_counter()
        # Brian2 compares single-precision values with 1e50, which overflows harmlessly
        with _Preferences(self.dtype, self._target), np.errstate(over="ignore"):
            try:
                built.network.run(duration, namespace=built.namespace)
            except BrianObjectException as error:
                raise CircuitError(explain_brian_error(error)) from error
            except KeyboardInterrupt:
                self._broken_off = True
                raise
            finally:
                # Brian2 does not put this back itself when a run is broken off
                b2.Network._globally_running = False
        seconds = time.perf_counter() - started
        flat = {
            (name, variable): np.array(built.synapses[name].variables[variable].get_value())
            for name, variable in split_weights(self.circuit, chunk.weights, self.dtype)
        }
        return ChunkResult(
            weights=join_weights(self.circuit, flat, self.dtype),
            readouts=self._readouts(chunk.cycles, lengths),
            event_counts={
                f"{population}.{event}": int(self._counter(population, event).sum())
                for population, event in self._counted_events()
            },
            seconds=seconds,
            trajectories=self._trajectories(),
        )

    def _trajectories(self) -> dict[str, dict[str, NDArray[Any]]]:
        return {
            name: {
                variable: np.array(getattr(monitor, variable)).T
                for variable in monitor.record_variables
            }
            for name, monitor in self._built.monitors.items()
        }

    def close(self) -> None:
        """Let the Brian2 objects go; harmless a second time."""
        self.__dict__.pop("_built", None)

    def _forget(self) -> None:
        """Drop what earlier runs recorded and noted, and the memory it takes."""
        for recorded in self._built.monitors.values():
            recorded.resize(0)
        for noted in self._built.readouts.values():
            noted.resize(0)
            # Brian2 leaves the number of events to its generated code, which counts on from it
            noted.variables["N"].set_value(0)

    def _set_inputs(self, chunk: Chunk) -> None:
        for name, values in chunk.inputs.items():
            # the generated code holds on to this very array
            self._built.inputs[name].values[: chunk.cycles] = values

    def _set_values(self, chunk: Chunk, lengths: Mapping[str, int]) -> None:
        built = self._built
        rhythm = built.groups[RHYTHM].variables
        rhythm["cycle"].set_value(0)
        rhythm["cycle_step"].set_value(-1)
        rhythm["learning"].set_value(chunk.learning)
        for phase, steps in lengths.items():
            rhythm[f"steps_{phase}"].set_value(steps)
        owners: dict[str, Any] = {**built.groups, **built.synapses}
        for name, value in self._parameter_values(chunk).items():
            owner, _, parameter = name.partition(".")
            owners[owner].variables[parameter].set_value(value)
        for (name, variable), values in split_weights(
            self.circuit, chunk.weights, self.dtype
        ).items():
            built.synapses[name].variables[variable].set_value(values)
        for population, event in self._counted_events():
            self._counter(population, event)[:] = 0

    def _counter(self, population: str, event: str) -> NDArray[Any]:
        described = self.circuit.population(population).event(event)
        variable = self._built.groups[population].variables[counter_name(described)]
        values: NDArray[Any] = variable.get_value()
        return values

    def _readouts(self, cycles: int, lengths: Mapping[str, int]) -> dict[str, NDArray[Any]]:
        results = {}
        for readout in noted_readouts(self.circuit, lengths):
            monitor = self._built.readouts[readout.name]
            # a copy: the next run begins by forgetting
            values = np.array(getattr(monitor, readout.variable))
            results[readout.name] = values.reshape(cycles, -1)
        return results


class _Preferences:
    """Brian2's precision, code target and interrupts, for the length of a ``with`` block."""

    def __init__(self, dtype: np.dtype[Any], target: str) -> None:
        self._wanted = {
            "core.default_float_dtype": dtype.type,
            "codegen.target": target,
            # an interrupt is for the caller: Brian2 would end the run in silence, half done
            "core.stop_on_keyboard_interrupt": False,
        }
        self._before: dict[str, Any] = {}
        self._parsing = direct_parsing()

    def __enter__(self) -> None:
        self._parsing.__enter__()
        for name, value in self._wanted.items():
            self._before[name] = b2.prefs[name]
            b2.prefs[name] = value

    def __exit__(self, *exception: object) -> None:
        for name, value in self._before.items():
            b2.prefs[name] = value
        self._parsing.__exit__(None, None, None)
