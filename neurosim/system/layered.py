"""The base class of layered networks: layers, phases, initial weights, checks."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import (
    Circuit,
    CycleInput,
    Phase,
    Population,
    Projection,
    Readout,
    Weight,
)
from neurosim.circuit.parser import parse_equations
from neurosim.errors import CircuitError, near_matches
from neurosim.system.base import Compartment, System
from neurosim.system.building_blocks import BIAS_CELL, glorot_uniform, relay_traces
from neurosim.system.parameters import describe_parameters, parameter
from neurosim.system.timing import check_whole_steps, whole_steps
from neurosim.system.traces import LayerTraces, Trace

__all__ = ["HIDDEN", "UPPER", "LayeredSystem"]

#: For per-layer parameters: what they have a value for.
UPPER = "layer above the input"
HIDDEN = "hidden layer"


@dataclasses.dataclass(frozen=True)
class LayeredSystem(System):
    """A network of layers that are shown an image and a target for a cycle of phases.

    A model declares its parameters and says which :meth:`populations` and
    :meth:`projections` there are. The image comes from the population ``sensory``; layer k
    is the population named by :meth:`layer_name`, whose rate is ``r``.

    Parameters
    ----------
    layers : tuple of int
        Layer sizes from input to output.
    dt : float
        Time step in ms.
    event_threshold : float
        Change of rate that makes a cell send a graded spike.

    Raises
    ------
    ParameterError
        If layers or parameters are out of range, or a phase is no whole number of steps.
    """

    #: Populations of the layers are named after this word, ``layer_1`` and so on.
    cells: ClassVar[str] = "layer"
    #: Parameters that hold the lengths of the phases, by the name of the phase.
    phase_times: ClassVar[Mapping[str, str]]
    #: Compartments of a layer's cells from top to bottom, with their potentials.
    parts: ClassVar[Mapping[str, str]] = {}
    #: Parameters that the interactive view offers as sliders; empty for those it finds itself.
    sliders: ClassVar[tuple[str, ...]] = ()
    #: What is recorded of the cells of the layers above the input; ``{k}`` in the name of
    #: a population stands for the number of the layer. Empty for plain names.
    traces: ClassVar[tuple[Trace, ...]] = ()
    #: Scalar inputs of a cycle, besides image and target.
    scalars: ClassVar[tuple[str, ...]] = ()
    #: Event at which the rates of the output are read out as the answer.
    answer_event: ClassVar[str]

    dt: float = parameter(1.0, "time step", r"\Delta t", "(0, inf) ms")
    event_threshold: float = parameter(
        0.001, "change of rate that makes a cell send a spike; 0 is exact", r"\theta", "[0, inf)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        times = {name: getattr(self, name) for name in self.phase_times.values()}
        check_whole_steps(type(self).__name__, times, self.dt)

    @property
    def depth(self) -> int:
        """P, the number of layers above the input."""
        return len(self.layers) - 1

    @property
    def upper(self) -> range:
        """Numbers of the layers above the input, 1 to P."""
        return range(1, self.depth + 1)

    @property
    def hidden(self) -> range:
        """Numbers of the hidden layers, 1 to P - 1."""
        return range(1, self.depth)

    def layer_name(self, k: int) -> str:
        """Population of a layer.

        Parameters
        ----------
        k : int
            Number of the layer, 0 for the image.

        Returns
        -------
        str
            Its name.
        """
        return f"{self.cells}_{k}" if k else "sensory"

    def constants(self, equations: str, **values: float) -> dict[str, float]:
        """Values of the shared constants of equations, by name.

        Parameters
        ----------
        equations : str
            Of a population.
        **values : float
            In SI units; what the equations do not declare is left out. Constants that are
            not among them are parameters of the system.

        Returns
        -------
        dict of str to float
            One value for every constant, times in seconds.

        Raises
        ------
        CircuitError
            If a constant is neither given nor a parameter of the system.
        """
        infos = describe_parameters(self)
        found: dict[str, float] = {}
        for line in parse_equations(equations):
            if not {"shared", "constant"} <= set(line.flags):
                continue
            if line.name not in values and line.name not in infos:
                known = near_matches(line.name, {*values, *infos})
                raise CircuitError(f"{self.name}: no value for the constant {line.name!r}; {known}")
            if line.name in values:
                found[line.name] = values[line.name]
            else:
                scale = 1e-3 if infos[line.name].unit == "ms" else 1.0
                found[line.name] = getattr(self, line.name) * scale
        return found

    def phase_steps(self) -> dict[str, int]:
        """Lengths of the phases.

        Returns
        -------
        dict of str to int
            Time steps by the name of the phase.
        """
        times = self.phase_times.items()
        return {phase: whole_steps(getattr(self, name), self.dt) for phase, name in times}

    def phases(self) -> tuple[Phase, ...]:
        """The cycle of an image.

        Returns
        -------
        tuple of Phase
            Of :meth:`phase_steps`, in which no images meet unless a model says otherwise.
        """
        return tuple(Phase(name, steps) for name, steps in self.phase_steps().items())

    @abc.abstractmethod
    def populations(self) -> tuple[Population, ...]:
        """Cells: the relay of the image, the layers, and whatever else there is.

        Returns
        -------
        tuple of Population
            In the order in which they are built.
        """

    @abc.abstractmethod
    def projections(self) -> tuple[Projection, ...]:
        """Synapses.

        Returns
        -------
        tuple of Projection
            In the order in which they are built.
        """

    def weights(self) -> tuple[Weight, ...]:
        """Weight arrays that do not follow from the projections.

        Returns
        -------
        tuple of Weight
            None unless a model says otherwise.
        """
        return ()

    def columns(self) -> dict[str, int]:
        """Inputs with columns that the model draws for every image, besides image and target.

        Returns
        -------
        dict of str to int
            Width by name; none unless a model says otherwise. See
            :meth:`~neurosim.system.System.cycle_inputs`.
        """
        return {}

    def circuit(self) -> Circuit:
        """Populations and projections, with phases, inputs and the output's rate as answer."""
        answer = Readout("answer", self.layer_name(self.depth), self.answer_event, "r")
        return Circuit(
            name=self.name,
            dt=self.dt,
            phases=self.phases(),
            inputs=(
                CycleInput("stimulus", self.layers[0]),
                CycleInput("target", self.layers[-1]),
                *(CycleInput(name) for name in self.scalars),
                *(CycleInput(name, width) for name, width in self.columns().items()),
            ),
            populations=self.populations(),
            projections=self.projections(),
            weights=self.weights(),
            readouts=(answer,),
            answer="answer",
        )

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """None, unless a model draws something for an image."""
        del rng, n
        return {}

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Glorot-uniform arrays, drawn independently; G G^T for symmetric ones; biases 0."""
        circuit, arrays = self.circuit(), {}
        for weight in circuit.weights:
            if weight.kind == "state":
                continue
            if weight.population:
                arrays[weight.name] = np.zeros(weight.shape)
                continue
            projection = circuit.projection(weight.parts[0].projection)
            if projection.source == BIAS_CELL:
                arrays[weight.name] = np.zeros(weight.shape)
                continue
            fans = None
            if weight.parts[0].layout == "natural":
                fans = circuit.fan_in(projection), circuit.fan_out(projection)
            drawn = glorot_uniform(rng, weight.shape, fans)
            arrays[weight.name] = drawn @ drawn.T if weight.symmetric else drawn
        return self.with_states(arrays)

    def with_states(self, arrays: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        """Weights, and the states of the circuit, which start at 0.

        Parameters
        ----------
        arrays : dict of str to ndarray
            Weights by public name.

        Returns
        -------
        dict of str to ndarray
            One array for every :class:`~neurosim.circuit.Weight` of the circuit.
        """
        states = (weight for weight in self.circuit().weights if weight.kind == "state")
        return {**arrays, **{state.name: np.zeros(state.shape) for state in states}}

    def compartments(self, population: str) -> tuple[Compartment, ...]:
        """The parts of the cells of a layer above the input."""
        names = {self.layer_name(k) for k in self.upper}
        parts = self.parts if population in names else {}
        return tuple(Compartment(name, variable) for name, variable in parts.items())

    def explorable(self) -> tuple[str, ...]:
        """The sliders that the model names, or those that work without another program."""
        return self.sliders or super().explorable()

    def cell_traces(self, k: int) -> tuple[Trace, ...]:
        """What is recorded of the cells of a layer above the input.

        Parameters
        ----------
        k : int
            Number of the layer, from 1.

        Returns
        -------
        tuple of Trace
            Empty for the plain names of :meth:`System.layer_traces`.
        """
        here = ("all", "output" if k == self.depth else "hidden")
        return tuple(
            dataclasses.replace(trace, population=trace.population.format(k=k))
            for trace in self.traces
            if trace.layers in here
        )

    def layer_traces(self) -> tuple[LayerTraces, ...]:
        """Traces of the relay and of every layer, as :meth:`cell_traces` names them."""
        if not self.cell_traces(self.depth):
            return super().layer_traces()
        layers = (LayerTraces(k, self.layer_name(k), self.cell_traces(k)) for k in self.upper)
        return (LayerTraces(0, "sensory", relay_traces()), *layers)
