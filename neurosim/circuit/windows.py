"""Wirings of images: local windows with weights of their own, convolutions, pools.

One side is an image of shape (channels, height, width), numbered as its flat array in that
order. The other side has cells over windows of the image, as many at each place as it has
channels, numbered in the same way.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit.wirings import SynapseList, Wiring, check_counts
from neurosim.errors import CircuitError

__all__ = ["Convolution", "Pool", "Sliding", "Windows"]


@dataclasses.dataclass(frozen=True)
class Sliding(Wiring):
    """Square windows that slide over an image; see its subclasses.

    Attributes
    ----------
    shape : tuple of int
        (channels, height, width) of the image.
    channels : int
        Cells over each window.
    kernel : int
        Side of a window.
    stride : int
        Step from window to window.
    padding : int or (int, int)
        Rows and columns beyond the image that windows may cover, before and after it;
        no synapse comes from there.
    backward : bool
        False if the image is the source; True if it is the target: synapses of the same
        geometry and the same shape of weights that run the other way.
    """

    shape: tuple[int, int, int]
    channels: int
    kernel: int
    stride: int = 1
    padding: int | tuple[int, int] = 0
    backward: bool = False
    kind: str = dataclasses.field(default="", init=False)

    def __post_init__(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "shape", tuple(self.shape))
        if len(self.shape) != 3:
            raise CircuitError(
                f"{name} over an image of shape {self.shape}; give (channels, height, width), such "
                "as (1, 28, 28)"
            )
        names = ("channels of the image", "height", "width")
        check_counts(self, **dict(zip(names, self.shape, strict=True)))
        check_counts(self, channels=self.channels, kernel=self.kernel, stride=self.stride)
        self._check_padding()
        if min(self.out_shape[1:]) < 1:
            _, height, width = self.shape
            raise CircuitError(
                f"{name}: a window of {self.kernel} x {self.kernel} is larger than the image of "
                f"{height} x {width} with padding {self.padding}; give kernel <= "
                f"{min(height, width) + sum(self.margins)} or more padding"
            )

    def _check_padding(self) -> None:
        given = self.padding if isinstance(self.padding, tuple) else (self.padding, self.padding)
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in given)
        if len(given) != 2 or not whole:
            raise CircuitError(
                f"{type(self).__name__} with padding = {self.padding!r}; give a whole number of 0 "
                "or more, or two: before and after the image"
            )
        if max(given) >= self.kernel:
            raise CircuitError(
                f"{type(self).__name__} with padding = {self.padding!r} and kernel {self.kernel}: "
                "some windows would lie beyond the image; give less padding than the kernel"
            )

    @property
    def margins(self) -> tuple[int, int]:
        """Padding before and after the image."""
        return self.padding if isinstance(self.padding, tuple) else (self.padding, self.padding)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the cells over the windows."""
        _, height, width = self.shape
        extra = sum(self.margins) - self.kernel
        return (
            self.channels,
            (height + extra) // self.stride + 1,
            (width + extra) // self.stride + 1,
        )

    def reversed(self) -> Self:
        """The wiring of synapses that run the other way, for feedback weights of their own."""
        return dataclasses.replace(self, backward=not self.backward)

    def complaint(self, pre: int, post: int) -> str:
        """The populations must have as many cells as the image and the windows."""
        image, cells = (pre, post) if not self.backward else (post, pre)
        ends = ("source", "target") if not self.backward else ("target", "source")
        for size, shape, end in ((image, self.shape, ends[0]), (cells, self.out_shape, ends[1])):
            if size != math.prod(shape):
                return (
                    f"is wired by {self.words()}, which needs {' x '.join(map(str, shape))} = "
                    f"{math.prod(shape)} cells in its {end}; it has {size}"
                )
        return ""

    def taps(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the image under every window.

        Returns
        -------
        rows : ndarray of int, shape (out_height, kernel)
            May lie beyond the image, where there is no synapse.
        columns : ndarray of int, shape (out_width, kernel)
            Likewise.
        """
        _, height, width = self.out_shape
        start, steps = self.margins[0], np.arange(self.kernel)
        return (
            np.arange(height)[:, None] * self.stride - start + steps,
            np.arange(width)[:, None] * self.stride - start + steps,
        )

    def _grid(self) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Of (out_h, out_w, k, k): whether it lies in the image, and its pixel in a channel."""
        _, height, width = self.shape
        rows, columns = self.taps()
        y, x = rows[:, None, :, None], columns[None, :, None, :]
        return (y >= 0) & (y < height) & (x >= 0) & (x < width), y * width + x

    def _weight_axes(self) -> tuple[int, ...]:
        """Shape of the weights with the six axes of all synapses: 1 where they are shared."""
        return (*self.out_shape, self.shape[0], self.kernel, self.kernel)

    def weight_shape(self, pre: int, post: int) -> tuple[int, ...]:
        """The axes that :attr:`layout` names."""
        return self._weight_axes()

    def existing(self, pre: int, post: int) -> NDArray[np.bool_]:
        """All that lie in the image."""
        there = self._grid()[0][None, :, :, None]
        return np.broadcast_to(there, self._weight_axes()).reshape(self.weight_shape(pre, post))

    def filters(self, weights: NDArray[Any], pre: int, post: int) -> NDArray[Any]:
        """The windows of the cells over the image; for a backward wiring, those of its cells."""
        del pre, post
        return weights.reshape(-1, self._weight_axes()[3], self.kernel, self.kernel)

    def synapses(self, pre: int, post: int) -> SynapseList:
        """One for every place and weight that lie in the image."""
        axes, area = self._weight_axes(), self.shape[1] * self.shape[2]
        every = (*self.out_shape, axes[3], self.kernel, self.kernel)
        valid, pixel = self._grid()
        there = np.flatnonzero(np.broadcast_to(valid[None, :, :, None], every))
        channel = np.arange(self.shape[0]).reshape(self._channel_axes())
        cells = np.arange(math.prod(self.out_shape)).reshape(*self.out_shape, 1, 1, 1)
        weights = np.arange(math.prod(axes)).reshape(axes)
        image, cell, weight = (
            np.broadcast_to(a, every).ravel()[there]
            for a in (pixel[None, :, :, None] + channel * area, cells, weights)
        )
        ends = (cell, image) if self.backward else (image, cell)
        return SynapseList.ordered(*ends, weight)

    def fan_out(self, pre: int, post: int) -> NDArray[np.int64]:
        """Windows that cover a pixel, times their cells; counted without a list of synapses."""
        return self._cells_fans() if self.backward else self._image_fans()

    def fan_in(self, pre: int, post: int) -> NDArray[np.int64]:
        """Pixels that a window covers, of all channels that it sees."""
        return self._image_fans() if self.backward else self._cells_fans()

    def _image_fans(self) -> NDArray[np.int64]:
        """Synapses of every pixel."""
        valid, pixel = self._grid()
        covered = np.bincount(pixel[valid], minlength=math.prod(self.shape[1:]))
        # of a pool, one for each window; else as many as there are channels over it
        cells = self.channels * self._weight_axes()[3] // self.shape[0]
        return np.tile(covered * cells, self.shape[0])

    def _cells_fans(self) -> NDArray[np.int64]:
        """Synapses of every cell over a window."""
        here = self._grid()[0].sum(axis=(2, 3)).ravel() * self._weight_axes()[3]
        return np.tile(here, self.channels)

    def _channel_axes(self) -> tuple[int, ...]:
        """Where the channels of the image stand among the six axes."""
        return (1, 1, 1, self.shape[0], 1, 1)

    def _words(self, what: str) -> str:
        size = f"{self.kernel} x {self.kernel} {what}"
        steps = f", stride {self.stride}" * (self.stride > 1)
        back = ", backward" * self.backward
        return f"{size} on {' x '.join(map(str, self.shape))}{steps}{back}"


@dataclasses.dataclass(frozen=True)
class Windows(Sliding):
    """Local windows with weights of their own at every place (untied).

    Weights have the shape (out, out_height, out_width, in, kernel, kernel). Those that
    reach beyond the image have no synapse and are 0.
    """

    kind: str = dataclasses.field(default="windows", init=False)
    layout: ClassVar[str] = "(out, out_height, out_width, in, kernel, kernel)"

    def words(self) -> str:
        """Size of the windows, and of what."""
        return self._words("windows, untied,")


@dataclasses.dataclass(frozen=True)
class Convolution(Sliding):
    """Windows that share their weights between all places (tied).

    Weights have the shape (out, in, kernel, kernel). As elsewhere in machine learning,
    kernels are not flipped. They learn by gather and commit: a sum over all places.
    """

    kind: str = dataclasses.field(default="convolution", init=False)
    layout: ClassVar[str] = "(out, in, kernel, kernel)"
    tied: ClassVar[bool] = True

    def _weight_axes(self) -> tuple[int, ...]:
        return (self.channels, 1, 1, self.shape[0], self.kernel, self.kernel)

    def weight_shape(self, pre: int, post: int) -> tuple[int, ...]:
        """A stack of kernels for every channel."""
        return (self.channels, self.shape[0], self.kernel, self.kernel)

    def existing(self, pre: int, post: int) -> NDArray[np.bool_]:
        """All that lie in the image at some place."""
        there = self._grid()[0].any(axis=(0, 1))
        return np.broadcast_to(there, self.weight_shape(pre, post))

    def words(self) -> str:
        """Size of the kernels, and of what."""
        return self._words("convolution")


@dataclasses.dataclass(frozen=True)
class Pool(Sliding):
    """Windows of each channel alone: a cell per channel and place, for pooling.

    Weights, if synapses have any, have the shape (channels, out_height, out_width, kernel,
    kernel).

    Attributes
    ----------
    channels : int
        As many as the image has; 0 stands for that.
    """

    channels: int = 0
    kernel: int = 2
    stride: int = 2
    kind: str = dataclasses.field(default="pool", init=False)
    layout: ClassVar[str] = "(channels, out_height, out_width, kernel, kernel)"

    def __post_init__(self) -> None:
        if len(tuple(self.shape)) == 3 and self.channels in (0, self.shape[0]):
            object.__setattr__(self, "channels", self.shape[0])
        elif len(tuple(self.shape)) == 3:
            raise CircuitError(
                f"Pool with channels = {self.channels!r} on an image of {self.shape[0]} channels; "
                "a pool keeps the channels apart: leave channels out"
            )
        super().__post_init__()

    def _weight_axes(self) -> tuple[int, ...]:
        return (*self.out_shape, 1, self.kernel, self.kernel)

    def _channel_axes(self) -> tuple[int, ...]:
        return (self.shape[0], 1, 1, 1, 1, 1)

    def weight_shape(self, pre: int, post: int) -> tuple[int, ...]:
        """A window for every cell."""
        return (*self.out_shape, self.kernel, self.kernel)

    def words(self) -> str:
        """Size of the windows, and of what."""
        return self._words("pools")
