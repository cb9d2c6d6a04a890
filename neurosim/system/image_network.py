"""Layered systems over images: convolutions, pools, sums and sparse wiring, from words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from neurosim.circuit import Pathway, Pool, Projection, RandomFraction
from neurosim.errors import ParameterError, brief, near_matches
from neurosim.system.layered import LayeredSystem
from neurosim.system.networks import FORMS, NetworkLayer, full_layer, read_network
from neurosim.system.parameters import parameter
from neurosim.system.pooling import margin_start, max_pooling

__all__ = ["ADD", "ADD_BACK", "DROPOUT", "ImageNetwork"]

#: A layer that adds two others receives their rates as they are.
ADD = "x_post += r_pre"
#: Its error goes back to both.
ADD_BACK = "d_pre += delta_post"
#: Dropout while the network learns: 0 for a cell that is silent, 1/(1 - drop) for the others.
DROPOUT = "1 - int(learning) + int(learning)*int(uniform_noise(i) >= drop)/(1 - drop)"

_FORM = (
    '"full" for layers all to all, the name of a published network, or words such as "conv 8 3x3", '
    '"maxpool 3", "drop .5", "full 50", "sum"'
)


@dataclasses.dataclass(frozen=True)
class ImageNetwork(LayeredSystem):
    """What a layered system needs to be wired as a network over images.

    Layers send a rate ``r`` on the event ``spike``, once per image, and an error ``delta`` on
    the event ``error``; errors arrive in ``d``, sums in ``x``.

    Parameters
    ----------
    network, image, tied, connectivity, wiring_seed
        See the declarations.

    Raises
    ------
    ParameterError
        If the network cannot be read, or the image has no three sizes.
    """

    #: Words of published networks, by name.
    networks: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    network: tuple[str, ...] = parameter(("full",), "hidden layers", form=_FORM)
    image: tuple[int, ...] = parameter(
        (3, 32, 32), "channels, height, width of the image, if windows are wired", "", "[1, 10000]"
    )
    tied: bool = parameter(True, "whether a convolution has the same weights at all places")
    connectivity: float = parameter(
        1.0, "share of the weights that exist, but to and from the output", "", "[0.001, 1]"
    )
    wiring_seed: int = parameter(0, "seed of which weights exist", "", "[0, 1000000]")

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = type(self).__name__
        if len(self.image) != 3:
            raise ParameterError(
                f"{owner}.image = {self.image}: give channels, height and width, such as 3,32,32"
            )
        if not self.network:
            raise ParameterError(f"{owner}.network is empty; give {_FORM}")
        for word in self.network:
            if not isinstance(word, str):
                raise ParameterError(f"{owner}.network: {brief(word)} is no word; give {_FORM}")
        self._named()

    def _named(self) -> tuple[NetworkLayer, ...] | None:
        """The hidden layers that words name; None for those of ``layers``."""
        if self.network == ("full",):
            return None
        words = self.network
        if len(words) == 1 and words[0].partition(" ")[0] not in FORMS:
            if words[0] not in self.networks:
                known = near_matches(words[0], ("full", *self.networks, *FORMS))
                raise ParameterError(f"unknown network {brief(words[0])}; {known}")
            words = self.networks[words[0]]
        channels, height, width = self.image
        return read_network(words, (channels, height, width), tied=self.tied)

    def plan(self) -> dict[int, NetworkLayer]:
        """What each layer above the image is, by its number.

        Returns
        -------
        dict of int to NetworkLayer
            From 1 to P.

        Raises
        ------
        ParameterError
            If ``layers`` has other sizes than the network.
        """
        named = self._named()
        hidden = tuple(map(full_layer, self.layers[1:-1])) if named is None else named
        sizes = tuple(layer.cells for layer in hidden)
        if sizes != self.layers[1:-1]:
            raise ParameterError(
                f"{type(self).__name__} has hidden layers of {self.layers[1:-1]} cells, but its "
                f"network makes {sizes} of an image of {self.image}; give these (on the command "
                f"line --hidden {' '.join(map(str, sizes))}), or another network"
            )
        return dict(enumerate((*hidden, full_layer(self.layers[-1])), start=1))

    def onset_values(self, k: int) -> dict[str, str]:
        """Who drops out in a hidden layer, anew for every image, and what pools start from.

        Parameters
        ----------
        k : int
            Number of the layer. Its cells have ``kept`` and a constant ``drop``.

        Returns
        -------
        dict of str to str
            Values of variables at the onset. Rates of layers with weights are taken to lie
            between -1 and 1, before those that are kept grow by 1/(1 - drop).
        """
        layer = self.plan()[k]
        kept = {"kept": DROPOUT if layer.drop else "1"}
        if not isinstance(layer.wiring, Pool):
            return kept
        return {**kept, **margin_start(layer.wiring, -1 - self._largest_rate(k - 1))}

    def _largest_rate(self, k: int) -> float:
        """The largest rate that a hidden layer can have, by size."""
        layer = self.plan()[k]
        below = {"sum": (k - 2, k - 1), "maxpool": (k - 1,)}.get(layer.kind, ())
        largest = sum(map(self._largest_rate, below)) if below else 1.0
        return largest / (1 - layer.drop)

    def wired(self, projection: Projection, k: int, *, backward: bool = False) -> Projection:
        """Synapses between layers k and k + 1 as the network wires them.

        Parameters
        ----------
        projection : Projection
            Synapses with weights.
        k : int
            Number of the lower layer.
        backward : bool
            Whether they run from the upper to the lower one. Which weights exist is drawn for
            each direction by itself.

        Returns
        -------
        Projection
            With its wiring.
        """
        wiring = self.plan()[k + 1].wiring
        if backward and not isinstance(wiring, str):
            wiring = wiring.reversed()
        if self.connectivity == 1 or k + 1 == self.depth:
            return dataclasses.replace(projection, wiring=wiring)
        seed = 1000 * self.wiring_seed + 2 * k + backward
        part = RandomFraction(wiring, self.connectivity, seed)
        return dataclasses.replace(projection, wiring=part)

    def unweighted(self, k: int) -> tuple[Projection, ...]:
        """What a pool or a sum, layer k + 1, receives: synapses without weights.

        Parameters
        ----------
        k : int
            Number of the layer below it.

        Returns
        -------
        tuple of Projection
            They carry rates up and errors down.
        """
        above, wiring = self.layer_name(k + 1), self.plan()[k + 1].wiring
        if isinstance(wiring, Pool):
            return (max_pooling(f"pool_{k}", self.layer_name(k), above, wiring),)
        pathways = (
            Pathway("up", "spike", ADD),
            Pathway("down", "error", ADD_BACK, side="post"),
        )
        return tuple(
            Projection(
                f"sum_{k}_{below}", self.layer_name(below), above, "", pathways, "one_to_one",
                role="sum of two layers",
            )
            for below in (k - 1, k)
        )  # fmt: skip
