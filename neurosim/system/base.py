"""A learning system: parameters, the circuit they make, and how learning runs.

A system is a frozen dataclass of bounded parameters. It describes its circuit as data and
says how weights start, how learning rates change over epochs and which phases an evaluation
needs. It never touches Brian2 objects or devices.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit
from neurosim.circuit.graph import (
    Compartment,
    Layer,
    WeightView,
    cell_variables,
    find_layers,
    signal_weight,
)
from neurosim.system.feedback import FeedbackPair
from neurosim.system.layer_sizes import check_layers
from neurosim.system.live import live_parameters
from neurosim.system.methods import guard_methods
from neurosim.system.parameters import check_parameters, parameter
from neurosim.system.presets import Preset, find_preset
from neurosim.system.stages import Stage
from neurosim.system.traces import LayerTraces, plain_traces

__all__ = ["Compartment", "FeedbackPair", "Layer", "System"]


@dataclasses.dataclass(frozen=True)
class System(abc.ABC):
    """A learning system: parameters and the circuit they make.

    Attributes
    ----------
    layers : tuple of int
        Layer sizes from input to output, at least two.
    batch : int
        Images per update of the weights; part of the learning protocol. 1 is online.

    Raises
    ------
    ParameterError
        If layers or parameters are of the wrong type or out of range.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    #: What to try when learning diverges, as the middle of a sentence.
    remedy: ClassVar[str] = "lower the learning rates"
    #: Batch of the published protocol, if rates here are those of one image.
    published_batch: ClassVar[int | None] = None
    #: LaTeX of names in the equations that the printer's rule does not spell as the paper does.
    symbols: ClassVar[Mapping[str, str]] = {}

    layers: tuple[int, ...] = (784, 500, 10)
    batch: int = parameter(1, "images per update of the weights", "", "[1, 1000000]")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        guard_methods(cls, System.__post_init__)

    def __post_init__(self) -> None:
        """Refuse layers and parameters that are out of range."""
        check_layers(type(self).__name__, self.layers)
        check_parameters(self)

    @abc.abstractmethod
    def circuit(self) -> Circuit:
        """The circuit these parameters make.

        Returns
        -------
        Circuit
            Populations, projections, phases and weights, as data; the same for the
            same parameters.
        """

    @abc.abstractmethod
    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Weights before learning.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of all draws, so that one seed gives one network.

        Returns
        -------
        dict of str to ndarray
            One array for every :class:`~neurosim.circuit.Weight` of the circuit, by
            its public name and of its shape: (receiving, sending), or (n,) for cells.
        """

    def rate_scale(self, epoch: int) -> float:
        """Factor of all learning rates in an epoch.

        Parameters
        ----------
        epoch : int
            Epoch, from 0.

        Returns
        -------
        float
            1 unless a system says otherwise.
        """
        del epoch
        return 1.0

    def rates(self, epoch: int) -> dict[str, float]:
        """Learning rates of an epoch.

        Parameters
        ----------
        epoch : int
            Epoch, from 0.

        Returns
        -------
        dict of str to float
            By ``"projection.parameter"`` or ``"population.parameter"``; they replace the
            values in the circuit without another compilation. Each projection's
            :attr:`~neurosim.circuit.Projection.rate` and each population's
            :attr:`~neurosim.circuit.Population.rates` times :meth:`rate_scale`, unless a
            system says otherwise.
        """
        scale, circuit = self.rate_scale(epoch), self.circuit()
        synapses = {
            f"{projection.name}.{projection.rate}": projection.parameters[projection.rate] * scale
            for projection in circuit.projections
            if projection.rate
        }
        cells = {
            f"{population.name}.{rate}": population.parameters[rate] * scale
            for population in circuit.populations
            for rate in population.rates
        }
        return synapses | cells

    @abc.abstractmethod
    def cycle_scalars(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """Scalar inputs of training cycles, such as the nudge.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of what is drawn anew for every image.
        n : int
            Number of cycles, one image each.

        Returns
        -------
        dict of str to ndarray
            An array of shape (n,) for every scalar
            :class:`~neurosim.circuit.CycleInput` of the circuit, by its name.
        """

    def cycle_inputs(
        self, rng: np.random.Generator, n: int, epoch: int
    ) -> dict[str, NDArray[np.float64]]:
        """Inputs with columns of training cycles, such as dropout masks.

        They are drawn for blocks of images, each with a generator of its own, so that
        chunks and interruptions change nothing.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of what is drawn anew for every image.
        n : int
            Number of cycles, one image each; a whole number of batches.
        epoch : int
            Epoch, from 0.

        Returns
        -------
        dict of str to ndarray
            An array of shape (n, width) for every :class:`~neurosim.circuit.CycleInput`
            of the circuit with columns, by its name, but for ``stimulus`` and ``target``.
        """
        del rng, n, epoch
        return {}

    def stages(self) -> tuple[Stage, ...]:
        """The stages of an epoch, such as sleep and wake.

        Returns
        -------
        tuple of Stage
            In the order in which their turns come; the last one shows the images. By default
            there is no other, in which all phases run and all parts learn.
        """
        return (Stage("images"),)

    def stage_inputs(
        self, stage: str, rng: np.random.Generator, n: int, epoch: int
    ) -> dict[str, NDArray[np.float64]]:
        """Inputs of the cycles of a stage that shows no images.

        They are drawn for every update, with a generator of its own, so that chunks and
        interruptions change nothing.

        Parameters
        ----------
        stage : str
            Name of the stage.
        rng : numpy.random.Generator
            Source of what is drawn.
        n : int
            Number of cycles, those of one update.
        epoch : int
            Epoch, from 0.

        Returns
        -------
        dict of str to ndarray
            Arrays of shape (n, width) or (n,) for inputs of the circuit, ``stimulus`` and
            ``target`` among them; those that are left out are 0.
        """
        del stage, rng, n, epoch
        return {}

    @abc.abstractmethod
    def evaluation_phases(self) -> dict[str, int]:
        """Lengths of the phases in a run that only evaluates.

        Returns
        -------
        dict of str to int
            Time steps by the name of the phase; 0 leaves a phase out.
        """

    def evaluation_parameters(self) -> dict[str, float]:
        """Values an evaluation run takes instead of the circuit's.

        Returns
        -------
        dict of str to float
            By ``"population.parameter"`` or ``"projection.parameter"``, in SI units;
            none unless a system says otherwise.
        """
        return {}

    def evaluation_scalars(self) -> dict[str, float]:
        """Scalar inputs of cycles that show images without learning.

        Returns
        -------
        dict of str to float
            A value for every scalar :class:`~neurosim.circuit.CycleInput` of the
            circuit, by its name.
        """
        return {}

    def evaluation_inputs(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
        """Inputs with columns of cycles that show images without learning.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of what is drawn, if anything is.
        n : int
            Number of cycles.

        Returns
        -------
        dict of str to ndarray
            As :meth:`cycle_inputs` gives them, such as ones in place of dropout masks.
        """
        del rng, n
        return {}

    def analyses(self) -> Mapping[str, Mapping[str, float]]:
        """Analyses that the system's paper is about, and the values they take.

        Returns
        -------
        mapping of str to mapping of str to float
            Values by the name of the analysis, such as ``"correlative_information"``.
        """
        return {}

    def objectives(
        self, weights: Mapping[str, NDArray[Any]], images: NDArray[Any], targets: NDArray[Any]
    ) -> dict[str, float]:
        """What each layer's own rule lowers, measured on some images.

        Parameters
        ----------
        weights : mapping of str to ndarray
            As :meth:`initial_weights` gives them.
        images, targets : ndarray, shape (n, n_inputs) and (n, n_outputs)
            As for training.

        Returns
        -------
        dict of str to float
            By population, the lowest layer first; none unless a system says otherwise.
        """
        del weights, images, targets
        return {}

    def layer_traces(self) -> tuple[LayerTraces, ...]:
        """Names, words and units of what recordings and plots show, layer by layer.

        A system should declare its own names. Until it does, the rate, the state and the
        graded spikes of each layer are named so, and the other variables of its cells
        (see :func:`neurosim.circuit.graph.cell_variables`) keep their own names and are drawn
        only when asked for.

        Returns
        -------
        tuple of LayerTraces
            The input's first.
        """
        circuit = self.circuit()
        found = []
        for number, cells in enumerate(self.layer_cells()):
            variables = cell_variables(circuit.population(cells.population))
            traces = plain_traces(cells.rate, cells.state, variables)
            found.append(LayerTraces(number, cells.population, traces))
        return tuple(found)

    def explorable(self) -> tuple[str, ...]:
        """Parameters that the interactive view offers as sliders.

        Returns
        -------
        tuple of str
            Each is a parameter of the system, the name of a scalar input of the cycle
            (such as ``"beta"``), or a parameter shared by the cells of a layer. By default
            every real-valued parameter that reaches the cells without another compilation.
        """
        return live_parameters(self)

    @classmethod
    def preset(cls, dataset: str, hidden: tuple[int, ...] | None = None) -> Preset:
        """Settings for a data set, from ``published/<name>.toml`` beside the system's file.

        Parameters
        ----------
        dataset : str
            A key of :data:`neurosim.data.DATASETS`.
        hidden : tuple of int, optional
            Hidden layer sizes, if not the published ones.

        Returns
        -------
        Preset
            Settings; ``source`` says if they were published for this network.

        Raises
        ------
        DataError
            If there is no such data set.
        ParameterError
            If the system has no settings, or their file has a mistake.
        """
        return find_preset(cls, dataset, hidden)

    # ------------------------------------------------------------ for analyses and pictures
    # What follows is read from the circuit; a system that is wired otherwise overrules it.

    def layer_cells(self) -> tuple[Layer, ...]:
        """The populations that are layers, with their rate and state.

        Returns
        -------
        tuple of Layer
            From input to output.

        Raises
        ------
        CircuitError
            If the wiring does not tell them.
        """
        return find_layers(self.circuit(), self.layers)

    def compartments(self, population: str) -> tuple[Compartment, ...]:
        """Parts of a population's cells.

        Parameters
        ----------
        population : str
            Its name.

        Returns
        -------
        tuple of Compartment
            From top to bottom; none for cells of one part.
        """
        del population
        return ()

    def forward_weights(self) -> tuple[WeightView | None, ...]:
        """Weights from each layer to the next.

        Returns
        -------
        tuple of WeightView or None
            The input's first; None where there are none, such as to a pool.
        """
        circuit, cells = self.circuit(), self.layer_cells()
        return tuple(
            signal_weight(circuit, below.population, above.population)
            for below, above in itertools.pairwise(cells)
        )

    def backward_weights(self) -> tuple[WeightView | None, ...]:
        """Weights from each layer above the first hidden one down to the layer below it.

        Returns
        -------
        tuple of WeightView or None
            The lowest first; None where there are none.
        """
        circuit, cells = self.circuit(), self.layer_cells()
        return tuple(
            signal_weight(circuit, above.population, below.population)
            for below, above in itertools.pairwise(cells[1:])
        )

    def feedback_pairs(self) -> tuple[FeedbackPair, ...]:
        """Forward and backward arrays between the same layers, whose angle tells how they align.

        Returns
        -------
        tuple of FeedbackPair
            ``theta_k`` for layers k and k + 1, k >= 1; none where one array carries signal
            both ways, or there are no weights one way.
        """
        pairs = zip(self.forward_weights()[1:], self.backward_weights(), strict=True)
        return tuple(
            FeedbackPair(f"theta_{k}", forward.name, backward.name)
            for k, (forward, backward) in enumerate(pairs, start=1)
            if forward is not None and backward is not None and not backward.transposed
        )
