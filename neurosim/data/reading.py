"""How images of one's own are read: scaling, split, size and colour."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neurosim.data.scaling import InputScale, is_scaled
from neurosim.errors import DataError, near_matches

__all__ = ["READING_OPTIONS", "Reading"]

#: Names of the options, as in :func:`neurosim.data.load_dataset` and in a run's config.
READING_OPTIONS = ("scale", "test_share", "image_size", "colour")

_COLOURS = ("grey", "rgb")
_SCALES = ("none", "range")
_TEST_SHARE = 0.2
#: Pixel value of full brightness in images of bytes.
_WHITE = 255.0


@dataclasses.dataclass(frozen=True)
class Reading:
    """Options for data of one's own; None where the data decide.

    Attributes
    ----------
    scale : {"none", "range"} or pair of float, optional
        ``(low, high)`` takes these pixel values to 0 and 1, ``"range"`` the lowest and highest
        of the training images, ``"none"`` changes nothing. By default bytes are divided by 255,
        and other numbers must be scaled already.
    test_share : float, optional
        Share of each class that becomes the test set, where the data have none; 0.2 by default.
    image_size : pair of int, optional
        Height and width in pixels to bring the images of a folder to; by default all must be of
        one size.
    colour : {"grey", "rgb"}, optional
        What the images of a folder are converted to; by default all must be of one kind.
    """

    scale: str | tuple[float, float] | None = None
    test_share: float | None = None
    image_size: tuple[int, int] | None = None
    colour: str | None = None

    @classmethod
    def of(cls, given: dict[str, Any]) -> Self:
        """Options from a command line, a configuration file or Python.

        Parameters
        ----------
        given : dict of str to object
            Values by the names of :data:`READING_OPTIONS`; text and lists are read, others
            are left out.

        Returns
        -------
        Reading
            Checked.

        Raises
        ------
        DataError
            If a value is none of those allowed.
        """
        return cls(
            _scale(given.get("scale")),
            _share(given.get("test_share")),
            _size(given.get("image_size")),
            _colour(given.get("colour")),
        )

    def given(self) -> dict[str, Any]:
        """Options that were given.

        Returns
        -------
        dict of str to object
            Values by name.
        """
        values = {name: getattr(self, name) for name in READING_OPTIONS}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def split(self) -> float:
        """Share of the images that become the test set where there is none."""
        return _TEST_SHARE if self.test_share is None else self.test_share

    def scaling(self, where: str, pixels: NDArray[Any]) -> InputScale:
        """The scale that training images get.

        Parameters
        ----------
        where : str
            What holds them, for the message.
        pixels : ndarray
            All training images.

        Returns
        -------
        InputScale
            To be used for the test images as well.

        Raises
        ------
        DataError
            If the numbers are not scaled, and nothing was said of how to do it.
        """
        if self.scale == "none":
            return InputScale()
        if self.scale is not None:
            return InputScale.learnt(self.scale, pixels)
        if pixels.dtype == np.uint8 and pixels.max() > 1:
            return InputScale(0.0, _WHITE)
        if is_scaled(pixels):
            return InputScale()
        low, high = pixels.min(), pixels.max()
        raise DataError(
            f"{where}: the images hold values from {low:g} to {high:g}, and networks learn from "
            "values between 0 and 1; say how to scale them: --scale range for the lowest to the "
            f"highest, --scale 0,{high:g} for values of your own, or --scale none "
            "(in Python scale='range', scale=(low, high), scale='none')"
        )


def _scale(given: Any) -> str | tuple[float, float] | None:
    if given is None:
        return None
    if isinstance(given, str) and given in _SCALES:
        return given
    numbers = _numbers(given, float)
    if numbers is None or len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise DataError(
            f"scale = {given!r}: give 'range', 'none', or two rising numbers such as 0,255"
        )
    return numbers[0], numbers[1]


def _share(given: Any) -> float | None:
    if given is None:
        return None
    numbers = _numbers([given], float)
    if numbers is None or not 0 < numbers[0] < 1:
        raise DataError(f"test_share = {given!r}: give a number between 0 and 1, such as 0.2")
    return float(numbers[0])


def _size(given: Any) -> tuple[int, int] | None:
    if given is None:
        return None
    numbers = _numbers(given, int)
    if numbers is None or len(numbers) != 2 or min(numbers) < 1:
        raise DataError(f"image_size = {given!r}: give height and width in pixels, such as 28,28")
    return numbers[0], numbers[1]


def _colour(given: Any) -> str | None:
    if given is not None and given not in _COLOURS:
        raise DataError(f"colour = {given!r}: {near_matches(given, _COLOURS)}")
    colour: str | None = given
    return colour


def _numbers(given: Any, kind: type) -> list[Any] | None:
    """Finite numbers from text such as ``"0,255"`` or from a list; None if it is none."""
    parts = given.split(",") if isinstance(given, str) else given
    try:
        numbers = [kind(part) for part in parts]
        # 28.5 pixels are not 28
        whole = all(isinstance(part, str) or part == number
                    for part, number in zip(parts, numbers, strict=True))  # fmt: skip
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if whole and np.isfinite(numbers).all() else None
