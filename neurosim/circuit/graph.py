"""What follows from a circuit's wiring: layers, forward and backward weights, what acts on what.

Analyses and pictures need to know which populations are layers and which
weights carry signal up or down. A system that is wired in another way overrules
what is found here (see :class:`neurosim.system.System`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import Circuit, Population, Projection, Wiring
from neurosim.circuit.parser import dependencies, parse_equations
from neurosim.errors import CircuitError

__all__ = [
    "Compartment",
    "Layer",
    "WeightView",
    "carries_both_ways",
    "cell_variables",
    "depends_on",
    "find_layers",
    "shared_weights",
    "signal_weight",
]


@dataclasses.dataclass(frozen=True)
class Layer:
    """A population that is a layer of the network.

    Attributes
    ----------
    population : str
        Its name.
    rate : str
        The variable that it sends.
    state : str
        The variable that it integrates; the same as ``rate`` if there is none.
    """

    population: str
    rate: str = "r"
    state: str = "u"


@dataclasses.dataclass(frozen=True)
class Compartment:
    """A part of a cell with a potential of its own.

    Attributes
    ----------
    name : str
        In plain words, e.g. ``"apical dendrite"``.
    variable : str
        Its potential, e.g. ``"v_A"``.
    """

    name: str
    variable: str


@dataclasses.dataclass(frozen=True)
class WeightView:
    """A weight array in the direction in which it carries signal.

    Attributes
    ----------
    name : str
        Public name of the array.
    transposed : bool
        Whether the signal runs against the array's own direction, through
        weights that are shared with the other direction.
    wired : Wiring, optional
        Where the synapses lie, if the array has a natural shape of its own.
    cells : tuple of int
        Cells of the projection's source and target, if so.
    """

    name: str
    transposed: bool = False
    wired: Wiring | None = None
    cells: tuple[int, int] = (0, 0)

    def of(self, weights: Any) -> NDArray[np.float64]:
        """The array in the direction of the signal.

        Parameters
        ----------
        weights : mapping of str to ndarray
            Arrays by public name.

        Returns
        -------
        ndarray
            In double precision, of shape (receiving, sending).
        """
        array = np.asarray(weights[self.name], dtype=np.float64)
        if self.wired is not None:
            array = self.wired.matrix(array, *self.cells)
        return array.T if self.transposed else array

    def after(self, left: NDArray[np.float64], weights: Any) -> NDArray[np.float64]:
        """A product with the array, which for windows needs no dense matrix.

        Parameters
        ----------
        left : ndarray, shape (n, receiving)
            What stands before the array.
        weights : mapping of str to ndarray
            Arrays by public name.

        Returns
        -------
        ndarray, shape (n, sending)
            ``left @ of(weights)``.
        """
        if self.wired is None:
            return left @ self.of(weights)
        there = self.wired.synapses(*self.cells)
        values = np.asarray(weights[self.name], dtype=np.float64).ravel()[there.weight]
        ends, (pre, post) = (there.target, there.source), self.cells
        into, out = ends[::-1] if self.transposed else ends
        size = post if self.transposed else pre
        return np.array([np.bincount(out, row[into] * values, size) for row in left])


# ---------------------------------------------------------------- layers


def find_layers(circuit: Circuit, sizes: Sequence[int], rate: str = "r") -> tuple[Layer, ...]:
    """The layers of a circuit, from input to output.

    The first is the first population of the input's size. Each next one is the
    first, in the order of the circuit's projections, that a layer sends signal
    to, has the next size and is no layer yet.

    Parameters
    ----------
    circuit : Circuit
        The wiring.
    sizes : sequence of int
        Layer sizes from input to output.
    rate : str
        The variable that layers send.

    Returns
    -------
    tuple of Layer
        One per size.

    Raises
    ------
    CircuitError
        If no chain of projections has these sizes.
    """
    found = [next((p for p in circuit.populations if p.size == sizes[0]), None)]
    for size in sizes[1:]:
        below = found[-1]
        if below is None:
            break
        found.append(_next_layer(circuit, below, size, {p.name for p in found if p is not None}))
    if found[-1] is None:
        raise CircuitError(
            f"circuit {circuit.name!r} has no chain of projections through layers of "
            f"{'-'.join(map(str, sizes))} cells; name them in System.layer_cells"
        )
    return tuple(Layer(p.name, rate, _state(p, rate)) for p in found if p is not None)


def _next_layer(
    circuit: Circuit, below: Population, size: int, known: set[str]
) -> Population | None:
    for projection in circuit.projections:
        target = circuit.population(projection.target)
        carries = any(not p.learns and p.side == "pre" for p in projection.pathways)
        fits = target.size == size and target.name not in known
        if carries and projection.source == below.name and fits:
            return target
    return None


def _state(population: Population, rate: str) -> str:
    lines = parse_equations(population.equations)
    return next((line.name for line in lines if line.kind == "differential"), rate)


# ---------------------------------------------------------------- weights


def carries_both_ways(projection: Projection) -> bool:
    """Whether one set of weights carries signal from source to target and back.

    Parameters
    ----------
    projection : Projection
        Its pathways are looked at; those that learn carry no signal.

    Returns
    -------
    bool
        Whether some run on events of the source and some on events of the target.
    """
    sides = {pathway.side for pathway in projection.pathways if not pathway.learns}
    return sides == {"pre", "post"}


def shared_weights(circuit: Circuit) -> tuple[str, ...]:
    """Weight arrays that carry signal both ways: where forward and backward are one.

    Parameters
    ----------
    circuit : Circuit
        The wiring.

    Returns
    -------
    tuple of str
        Public names.
    """
    return tuple(
        weight.name
        for weight in circuit.weights
        if weight.kind == "weight"
        and any(carries_both_ways(circuit.projection(part.projection)) for part in weight.parts)
    )


def signal_weight(circuit: Circuit, source: str, target: str) -> WeightView | None:
    """The weights through which ``source`` sends signal to ``target``.

    Parameters
    ----------
    circuit : Circuit
        The wiring.
    source, target : str
        Populations.

    Returns
    -------
    WeightView or None
        None where there are none.
    """
    for projection in circuit.projections:
        sides = {pathway.side for pathway in projection.pathways if not pathway.learns}
        for side, ends in (("pre", (source, target)), ("post", (target, source))):
            if side in sides and (projection.source, projection.target) == ends:
                for weight in circuit.weights:
                    layouts = [p.layout for p in weight.parts if p.projection == projection.name]
                    if "dense" in layouts:
                        return WeightView(weight.name, transposed=side == "post")
                    if "natural" in layouts:
                        cells = [circuit.population(p).size
                                 for p in (projection.source, projection.target)]  # fmt: skip
                        wired = projection.wired, (cells[0], cells[1])
                        return WeightView(weight.name, side == "post", *wired)
    return None


# ---------------------------------------------------------------- equations


def cell_variables(population: Population) -> tuple[str, ...]:
    """Names of the per-cell variables of a population.

    Parameters
    ----------
    population : Population
        Its equations are read.

    Returns
    -------
    tuple of str
        Variables of its equations in their order, without those that all cells share
        or that are constant.
    """
    return tuple(line.name for line in parse_equations(population.equations) if line.is_own)


def depends_on(
    population: Population, variable: str, stop: frozenset[str] = frozenset()
) -> frozenset[str]:
    """Names that a variable of a population depends on, directly or through others.

    Parameters
    ----------
    population : Population
        Its equations are read; those of linked populations are not.
    variable : str
        What is asked about.
    stop : frozenset of str
        Variables that are named, but not looked into.

    Returns
    -------
    frozenset of str
        Variables, parameters and functions, and ``variable`` itself.
    """
    return dependencies(parse_equations(population.equations), [variable], stop)
