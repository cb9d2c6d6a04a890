"""Networks over images in words, such as ``"conv 32 5x5"``, ``"maxpool 3"``, ``"full 500"``.

Papers list the layers of a network in this way. :func:`read_network` says what each of them
is: how many cells it has, how synapses from the layer below are wired, and what share of
its cells drops out.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from typing import Literal

from neurosim.circuit.windows import Convolution, Pool, Sliding, Windows
from neurosim.circuit.wirings import NamedWiring
from neurosim.errors import CircuitError, ParameterError, near_matches

__all__ = ["FORMS", "ROLES", "NetworkLayer", "full_layer", "read_network"]

#: How layers are written, by their first word.
FORMS = {
    "conv": "conv CHANNELS SIDExSIDE",
    "maxpool": "maxpool SIDE or maxpool SIDE stride STEP",
    "full": "full CELLS",
    "sum": "sum",
    "drop": "drop SHARE",
}
#: What cells of a layer are, in plain words, by its kind.
ROLES = {
    "conv": "cells over windows",
    "maxpool": "pools",
    "full": "hidden cells",
    "sum": "sums of two layers",
}
_PATTERNS = {
    "conv": re.compile(r"conv (\d{1,6}) (\d{1,4})x(\d{1,4})"),
    "maxpool": re.compile(r"maxpool (\d{1,4})(?: stride (\d{1,4}))?"),
    "full": re.compile(r"full (\d{1,6})"),
    "sum": re.compile(r"sum"),
    "drop": re.compile(r"drop (0?\.\d{1,6})"),
}

Shape = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class NetworkLayer:
    """A layer above the image.

    Attributes
    ----------
    kind : {"conv", "maxpool", "full", "sum"}
        ``"sum"`` adds the two layers below it; it and ``"maxpool"`` have no weights.
    shape : tuple of int
        (channels, height, width) of its cells; (cells, 1, 1) for full layers.
    wiring : str or Sliding
        Of the synapses from the layer below.
    drop : float
        Share of its cells that drop out while the network learns.
    """

    kind: Literal["conv", "maxpool", "full", "sum"]
    shape: Shape
    wiring: NamedWiring | Sliding
    drop: float = 0.0

    @property
    def cells(self) -> int:
        """Number of its cells."""
        return math.prod(self.shape)

    @property
    def weighted(self) -> bool:
        """Whether its synapses have weights."""
        return self.kind in ("conv", "full")


def full_layer(cells: int) -> NetworkLayer:
    """A layer whose cells have synapses from all cells below.

    Parameters
    ----------
    cells : int
        Their number.

    Returns
    -------
    NetworkLayer
        Without dropout.
    """
    return NetworkLayer("full", (cells, 1, 1), "all_to_all")


@functools.lru_cache(maxsize=64)
def read_network(
    words: tuple[str, ...], image: Shape, *, tied: bool = True
) -> tuple[NetworkLayer, ...]:
    """The layers that words name, from the image up, without the output.

    Convolutions have a stride of 1 and a margin, so that they keep height and width. Pools
    have a stride of 2 unless another is given; those that overlap are centred on every
    second cell and reach over the margin, others leave out what does not fill a window.
    ``drop`` belongs to the layer before it.

    Parameters
    ----------
    words : tuple of str
        In the forms of :data:`FORMS`.
    image : tuple of int
        (channels, height, width).
    tied : bool
        Whether all places of a convolution share their weights.

    Returns
    -------
    tuple of NetworkLayer
        One for every word but ``drop``.

    Raises
    ------
    ParameterError
        If a word cannot be read, or does not fit the layers before it.

    Examples
    --------
    >>> [layer.shape for layer in read_network(("conv 4 3x3", "maxpool 2", "full 9"), (1, 8, 8))]
    [(4, 8, 8), (4, 4, 4), (9, 1, 1)]
    """
    layers: list[NetworkLayer] = []
    for word in words:
        kind, numbers = _read(word)
        below = layers[-1].shape if layers else image
        if not layers and kind not in ("conv", "full"):
            raise ParameterError(
                f"network: {word!r} comes first; begin with {FORMS['conv']} or full"
            )
        if kind == "drop":
            layers[-1] = dataclasses.replace(layers[-1], drop=float(numbers[0]))
            continue
        try:
            layers.append(_layer(kind, numbers, below, [item.shape for item in layers], tied))
        except CircuitError as error:
            raise ParameterError(f"network: {word!r} does not fit: {error}") from error
    return tuple(layers)


def _read(word: str) -> tuple[str, tuple[str, ...]]:
    kind = word.partition(" ")[0]
    if kind not in FORMS:
        raise ParameterError(f"network: unknown layer {word!r}; {near_matches(kind, FORMS)}")
    found = _PATTERNS[kind].fullmatch(word)
    if found is None:
        raise ParameterError(f"network: {word!r} cannot be read; write {FORMS[kind]}")
    return kind, tuple(number for number in found.groups() if number is not None)


def _layer(
    kind: str, numbers: tuple[str, ...], below: Shape, shapes: list[Shape], tied: bool
) -> NetworkLayer:
    if kind == "full":
        if not int(numbers[0]):
            raise CircuitError("give at least one cell")
        return full_layer(int(numbers[0]))
    if kind == "sum":
        if len(shapes) < 2 or shapes[-1] != shapes[-2]:
            raise CircuitError(
                f"it adds the two layers below, which must have one shape; here are {shapes[-2:]}"
            )
        return NetworkLayer("sum", below, "one_to_one")
    if kind == "conv":
        channels, side, other = map(int, numbers)
        if side != other:
            raise CircuitError("windows are square")
        margins = ((side - 1) // 2, side // 2)
        wiring = (Convolution if tied else Windows)(below, channels, side, padding=margins)
        return NetworkLayer("conv", wiring.out_shape, wiring)
    pool = _pool(below, int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 2)
    return NetworkLayer("maxpool", pool.out_shape, pool)


def _pool(below: Shape, side: int, stride: int) -> Pool:
    if side <= stride or not stride:
        return Pool(below, kernel=side, stride=stride)
    before, after = (side - 1) // 2, 0
    for length in below[1:]:
        reach = (-(-length // stride) - 1) * stride + side - before
        after = max(after, reach - length)
    return Pool(below, kernel=side, stride=stride, padding=(before, after))
