"""Where the parts of a circuit's picture stand."""

from __future__ import annotations

from neurosim.circuit import Population
from neurosim.circuit.graph import Compartment
from neurosim.figures.diagram_parts import Point
from neurosim.system import System

__all__ = ["AXON", "BESIDE", "HALF", "SLOT", "Places"]

COLUMN = 4.15  # distance between layers
FIRST = 3.9  # middle of the first layer above the input
SENSORY = 1.15  # middle of the input
TOP, MIDDLE, BOTTOM = 5.25, 3.8, 2.35  # heights of the uppermost, only and lowest compartment
AXON = 0.2  # the axon leaves so far below the middle of the soma
HALF = (0.78, 0.36)  # half width and height of a dendrite
BESIDE = 1.62  # other cells stand so far to the right of their layer
SLOT = 0.25  # lines that arrive at one side of a dendrite are so far apart


class Places:
    """Coordinates of layers, compartments and other cells, one unit per inch.

    Parameters
    ----------
    system : System
        What the picture shows.

    Attributes
    ----------
    x : dict of str to float
        Middle of each layer, by population.
    beside : dict of str to list of Population
        Cells that belong to one layer, by the layer's population.
    shared : list of Population
        Cells that several layers share.
    right, roof, low : float
        Right edge, height of the uppermost lines, and bottom of the rhythm.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.circuit = system.circuit()
        self.layers = system.layer_cells()
        self.state = {layer.population: layer.state for layer in self.layers}
        names = list(self.state)
        self.x = {n: SENSORY if k == 0 else FIRST + COLUMN * (k - 1) for k, n in enumerate(names)}
        self.right = max(FIRST + COLUMN * (len(names) - 2) + 2.75, 8.6)
        self.beside = {name: self._company(name) for name in names[1:]}
        own = {p.name for cells in self.beside.values() for p in cells}
        self.shared = [p for p in self.circuit.populations if p.name not in own | set(names)]
        heights = [self.height(name, p.variable) for name in names[1:] for p in self.parts(name)]
        self.roof = max(heights) + 1.2 + 0.14 * (len(names) - 2)
        # cells that several layers share stand below the layers, the rhythm below them
        self._below = min(heights) - 1.45
        self.low = (self._below - 0.7 if self.shared else min(heights) - 0.78) - 1.29

    def _company(self, layer: str) -> list[Population]:
        """Cells that are connected with one layer only, by projections or links, or with those."""
        layers = {item.population for item in self.layers}
        others = [p for p in self.circuit.populations if p.name not in layers]
        near = {p.name: self._partners(p) & layers for p in others}
        beside = {name for name, partners in near.items() if partners == {layer}}
        alone = {name for name, partners in near.items() if len(partners) == 1}
        return [
            p for p in others
            if p.name in beside
            or (not near[p.name] and self._partners(p) & alone and
                self._partners(p) & alone <= beside)
        ]  # fmt: skip

    def _partners(self, population: Population) -> set[str]:
        """Populations that a population sends to, hears of, reads, or is read by."""
        name = population.name
        partners = {p.source for p in self.circuit.projections if p.target == name}
        partners |= {p.target for p in self.circuit.projections if p.source == name}
        partners |= {other for other, _ in population.links.values()}
        return partners | {
            p.name
            for p in self.circuit.populations
            if name in {other for other, _ in p.links.values()}
        }

    def parts(self, layer: str) -> tuple[Compartment, ...]:
        """Compartments of a layer's cells, from top to bottom; at least one."""
        return self.system.compartments(layer) or (Compartment("cell", self.state[layer]),)

    def height(self, layer: str, variable: str) -> float:
        """Height of a compartment.

        Parameters
        ----------
        layer : str
            The layer's population.
        variable : str
            The compartment's variable.

        Returns
        -------
        float
            Its middle; that of the soma, if there is no such compartment.
        """
        parts = self.parts(layer)
        if len(parts) == 1:
            return MIDDLE
        names = [part.variable for part in parts]
        place = names.index(variable if variable in names else self.state[layer])
        return TOP + (BOTTOM - TOP) * place / (len(parts) - 1)

    def soma(self, layer: str) -> float:
        """Height of the soma."""
        return self.height(layer, self.state[layer])

    def axon(self, layer: str) -> float:
        """Height at which the axon leaves the soma."""
        return self.soma(layer) - AXON

    def start(self, layer: str) -> float:
        """Right end of a layer's cell at the height of its axon."""
        return self.x[layer] + (0.5 if layer == self.layers[0].population else 0.45)

    def edge(self, layer: str, variable: str) -> float:
        """Half the width of a compartment where a line meets it from the side.

        Parameters
        ----------
        layer : str
            The layer's population.
        variable : str
            The compartment's variable.

        Returns
        -------
        float
            That of a soma or of a dendrite.
        """
        soma = variable == self.state[layer] or len(self.parts(layer)) == 1
        return 0.48 if soma else HALF[0]

    def is_shared(self, population: str) -> bool:
        """Whether a population is one that several layers share."""
        return population in {cells.name for cells in self.shared}

    def beside_at(self, layer: str, number: int) -> Point:
        """Place of a population beside a layer.

        Parameters
        ----------
        layer : str
            The layer's population.
        number : int
            Its position among the populations beside the layer, from 0.

        Returns
        -------
        (float, float)
            Its middle.
        """
        return self.x[layer] + BESIDE, 4.65 - 1.85 * number

    def of_cells(self, name: str) -> Point:
        """Place of a population that is no layer."""
        for layer, company in self.beside.items():
            for number, cells in enumerate(company):
                if cells.name == name:
                    return self.beside_at(layer, number)
        number = [cells.name for cells in self.shared].index(name)
        return SENSORY + 2.2 * number, self._below
