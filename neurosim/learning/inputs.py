"""Images and targets: what a user gives, checked and converted to plain arrays."""

from __future__ import annotations

import ast
import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.circuit import Circuit
from neurosim.circuit.parser import parse_equations
from neurosim.data import one_hot
from neurosim.errors import DataError, counted
from neurosim.system import System

__all__ = [
    "as_images",
    "as_targets",
    "batch_complaint",
    "check_lengths",
    "output_range",
    "plain_array",
    "range_complaint",
]


def as_images(x: ArrayLike, width: int) -> NDArray[Any]:
    """Images as one row of pixels each.

    Parameters
    ----------
    x : array_like, shape (n, width), (n, height, width) or (n, channels, height, width)
        Images; also sparse matrices, tensors and data frames.
    width : int
        Number of input cells.

    Returns
    -------
    ndarray, shape (n, width)
        The same numbers.

    Raises
    ------
    DataError
        If the shape does not fit, or a value is masked or not a finite real number.
    """
    images = plain_array(x, f"images of shape (n, {width})", "images")
    images = _flattened(images, width)
    if images.ndim != 2 or images.shape[1] != width or not len(images):
        raise DataError(
            f"images of shape {images.shape}; this network takes (n, {width}) with n >= 1, "
            f"one flattened image per row{_shape_hint(images, width)}"
        )
    if not _is_real(images.dtype) or not np.isfinite(images).all():
        raise DataError(f"images must be real, finite numbers; got {_not_finite(images)}")
    return images


def as_targets(y: ArrayLike, classes: int) -> NDArray[Any]:
    """Labels as target rates.

    Parameters
    ----------
    y : array_like, shape (n,), (n, 1) or (n, classes)
        Class numbers, or target rates.
    classes : int
        Number of output cells.

    Returns
    -------
    ndarray, shape (n, classes)
        Target rates; 1 for the class and 0 for the others, if classes were given.

    Raises
    ------
    DataError
        If a class is unknown, a rate not finite, or a row gives all outputs one rate.
    """
    given = plain_array(y, f"labels of shape (n,) or (n, {classes})", "labels")
    if given.ndim == 2 and given.shape[1] == 1 < classes and given.dtype.kind in "iu":
        given = given[:, 0]
    if given.ndim == 1 and given.dtype.kind in "iub":
        return _from_classes(given.astype(np.int64), classes)
    rates = _is_real(given.dtype) and given.ndim == 2 and given.shape[1] == classes
    if not rates:
        whole = "; whole numbers in another type: y.astype(int)" if given.ndim == 1 else ""
        raise DataError(
            f"labels of shape {given.shape} and type {given.dtype}; give whole class numbers "
            f"of shape (n,) or target rates of shape (n, {classes}){whole}"
        )
    _check_rates(given, classes)
    return given


def _from_classes(labels: NDArray[np.int64], classes: int) -> NDArray[Any]:
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()}; this network has classes "
            f"0 to {classes - 1}"
        )
    return one_hot(labels, classes)


def _check_rates(rates: NDArray[Any], classes: int) -> None:
    if not np.isfinite(rates).all():
        raise DataError(
            f"target rates of shape (n, {classes}) must be finite; got {_not_finite(rates)}"
        )
    blank = np.flatnonzero((rates == rates[:, :1]).all(axis=1))
    # of one output alone, no row can be anything else
    if classes > 1 and blank.size:
        row = int(blank[0])
        raise DataError(
            f"target row {row} gives all outputs the rate {rates[row, 0]:g} (and {len(blank) - 1} "
            "other rows do so): it names no class; give class numbers, or rows such as 0 0 1"
        )


def check_lengths(images: NDArray[Any], targets: NDArray[Any]) -> None:
    """Refuse images without a label, and labels without an image.

    Parameters
    ----------
    images, targets : ndarray
        One row each per image.

    Raises
    ------
    DataError
        If their numbers differ.
    """
    if len(images) != len(targets):
        raise DataError(
            f"{counted(len(images), 'image')} but {counted(len(targets), 'label')}; one label per "
            "image"
        )


#: Batches this many times the published one are warned of.
_FAR_ABOVE = 2.5


def batch_complaint(system: System, images: int) -> str:
    """What to say of a batch so large that its updates are too long.

    Parameters
    ----------
    system : System
        Its rates are those of one image where it names a published batch.
    images : int
        Images of an epoch.

    Returns
    -------
    str
        Empty if there is nothing to say.
    """
    usual = system.published_batch
    if usual is None or system.batch <= _FAR_ABOVE * usual:
        return ""
    ratio = system.batch / usual
    times = f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"
    only = f" (there are only {images})" if system.batch > images else ""
    return (
        f"batches of {system.batch} images are {times} times the published {usual}{only}; rates "
        f"are those of one image, so an update is {times} times as long and learning may fail: "
        "lower the rates, or take a smaller batch"
    )


def range_complaint(targets: NDArray[Any], bounds: tuple[float, float] | None) -> str:
    """What to warn of if output cells cannot reach their targets.

    Parameters
    ----------
    targets : ndarray
        Checked targets.
    bounds : tuple of float or None
        Lowest and highest rate of an output cell, if they are known.

    Returns
    -------
    str
        A sentence, or nothing.
    """
    if bounds is None or not targets.size:
        return ""
    low, high = float(targets.min()), float(targets.max())
    if bounds[0] <= low and high <= bounds[1]:
        return ""
    return (
        f"the targets run from {low:g} to {high:g}, but the rates of the output cells lie between "
        f"{bounds[0]:g} and {bounds[1]:g} and cannot reach them: scale the targets"
    )


def output_range(system: System, circuit: Circuit) -> tuple[float, float] | None:
    """Lowest and highest rate of an output cell, where its equation says so.

    Parameters
    ----------
    system : System
        Knows its output layer.
    circuit : Circuit
        The system's circuit.

    Returns
    -------
    tuple of float or None
        The bounds of ``rate = clip(..., low, high)``; None for any other equation.
    """
    output = system.layer_cells()[-1]
    lines = parse_equations(circuit.population(output.population).equations)
    expressions = [line.expression for line in lines if line.name == output.rate]
    if len(expressions) != 1 or not expressions[0]:
        return None
    call = ast.parse(expressions[0], mode="eval").body
    if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "clip"):
        return None
    try:
        # float, not a literal: it also reads inf
        low, high = (float(ast.unparse(bound)) for bound in call.args[1:])
    except ValueError:
        return None
    return low, high


def plain_array(values: Any, what: str, name: str) -> NDArray[Any]:
    """Numbers in whatever form as a plain array, or as they are if they are no numbers.

    Parameters
    ----------
    values : array_like
        Also sparse matrices, tensors that require a gradient and data frames.
    what : str
        What is needed, for messages.
    name : str
        What this is, for messages.

    Returns
    -------
    ndarray
        The same values.

    Raises
    ------
    DataError
        If values are masked, or this is no array.
    """
    _refuse_masked(values, name)
    try:
        if hasattr(values, "detach"):
            # a tensor: nothing flows back through this network, so its gradient has no use
            values = values.detach().cpu()
        if hasattr(values, "toarray"):
            values = values.toarray()
        array = np.asarray(values)
        return _numbers(array) if array.dtype == object else array
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{what} are needed: {reason}") from error


def _refuse_masked(values: Any, name: str) -> None:
    parts = values if isinstance(values, (list, tuple)) else (values,)
    masked = sum(
        int(np.ma.getmaskarray(part).sum()) for part in parts if isinstance(part, np.ma.MaskedArray)
    )
    if masked:
        raise DataError(
            f"{name}: {masked} values are masked, and a cell cannot leave one out; fill them "
            "first, e.g. with x.filled(0)"
        )


def _numbers(array: NDArray[Any]) -> NDArray[Any]:
    """An array of Python numbers as numbers; any other is left as it is."""
    if all(isinstance(value, (Integral, np.bool_)) for value in array.flat):
        return array.astype(np.int64)
    if all(isinstance(value, (Real, np.bool_)) for value in array.flat):
        return array.astype(np.float64)
    return array


def _flattened(images: NDArray[Any], width: int) -> NDArray[Any]:
    """Rows of pixels from images of height x width, with channels first if there are any."""
    shape = images.shape[1:]
    one_channel = len(shape) == 3 and shape[2] == 1
    channels_first = len(shape) == 3 and shape[0] <= 4
    if math.prod(shape) == width and (len(shape) == 2 or one_channel or channels_first):
        return images.reshape(len(images), width)
    return images


def _shape_hint(images: NDArray[Any], width: int) -> str:
    if images.size == width:
        return "; one image alone: x.reshape(1, -1)"
    if images.ndim == 4 and math.prod(images.shape[1:]) == width:
        return "; with channels first: x.transpose(0, 3, 1, 2)"
    return ""


def _is_real(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iufb"


def _not_finite(array: NDArray[Any]) -> str:
    if not _is_real(array.dtype):
        return f"values of type {array.dtype}"
    wrong = ~np.isfinite(array)
    return f"{wrong.sum()} values that are not, the first in row {int(np.argwhere(wrong)[0][0])}"
