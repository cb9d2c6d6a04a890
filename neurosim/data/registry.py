"""Descriptions of the data sets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

from neurosim.errors import DataError, near_matches

__all__ = ["DATASETS", "DatasetInfo", "dataset_info"]


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """Description of one data set.

    A pixel enters the network as ``(pixel / white - mean) / divisor``, with one
    mean and one divisor per colour channel.

    Attributes
    ----------
    name : str
        Name to give to :func:`neurosim.data.load_dataset`.
    title : str
        What the images show.
    citation : str
        The publication to cite.
    image_shape : tuple of int
        Shape of one image, channels first.
    n_classes : int
        Number of classes.
    n_train, n_test : int
        Number of images as published.
    torchvision_class : str
        Class of ``torchvision.datasets`` that reads it, empty if none does.
    white : int
        Pixel value of full brightness.
    mean, divisor : tuple of float
        Normalisation per channel, empty if there is none.
    """

    name: str
    title: str
    citation: str
    image_shape: tuple[int, ...]
    n_classes: int
    n_train: int
    n_test: int
    torchvision_class: str = ""
    white: int = 255
    mean: tuple[float, ...] = ()
    divisor: tuple[float, ...] = ()

    @property
    def n_inputs(self) -> int:
        """Number of pixels of one image, over all channels."""
        return math.prod(self.image_shape)

    @property
    def needs_files(self) -> bool:
        """Whether it is read from files, which may have to be downloaded first."""
        return bool(self.torchvision_class)


_CIFAR10_STD = (0.2023, 0.1994, 0.2010)

_INFOS = (
    DatasetInfo(
        name="mnist",
        title="handwritten digits",
        citation="LeCun, Bottou, Bengio & Haffner, Proc. IEEE 86 (1998) 2278-2324",
        image_shape=(28, 28),
        n_classes=10,
        n_train=60_000,
        n_test=10_000,
        torchvision_class="MNIST",
    ),
    DatasetInfo(
        name="fashion-mnist",
        title="articles of clothing",
        citation="Xiao, Rasul & Vollgraf, arXiv:1708.07747 (2017)",
        image_shape=(28, 28),
        n_classes=10,
        n_train=60_000,
        n_test=10_000,
        torchvision_class="FashionMNIST",
    ),
    DatasetInfo(
        name="kmnist",
        title="cursive Japanese characters (Kuzushiji)",
        citation="Clanuwat et al., arXiv:1812.01718 (2018)",
        image_shape=(28, 28),
        n_classes=10,
        n_train=60_000,
        n_test=10_000,
        torchvision_class="KMNIST",
    ),
    DatasetInfo(
        name="cifar10",
        title="colour photographs of animals and vehicles",
        citation="Krizhevsky, Learning multiple layers of features from tiny images (2009)",
        image_shape=(3, 32, 32),
        n_classes=10,
        n_train=50_000,
        n_test=10_000,
        torchvision_class="CIFAR10",
        mean=(0.4914, 0.4822, 0.4465),
        # The published CorInfoMax experiments divide by three standard
        # deviations, which keeps nearly all inputs within [-1, 1].
        divisor=tuple(3 * std for std in _CIFAR10_STD),
    ),
    DatasetInfo(
        name="digits",
        title="small handwritten digits, part of the package (no download)",
        citation="Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI (1998)",
        image_shape=(8, 8),
        n_classes=10,
        n_train=1437,
        n_test=360,
        white=16,
    ),
)

DATASETS: Mapping[str, DatasetInfo] = MappingProxyType({info.name: info for info in _INFOS})
"""Every data set that can be loaded, by name."""


def dataset_info(name: str) -> DatasetInfo:
    """Description of a data set.

    Parameters
    ----------
    name : str
        A key of :data:`DATASETS`.

    Returns
    -------
    DatasetInfo
        Its description.

    Raises
    ------
    DataError
        If there is no data set of that name.

    Examples
    --------
    >>> dataset_info("cifar10").n_inputs
    3072
    """
    if name not in DATASETS:
        raise DataError(
            f"there is no data set {name!r}; {near_matches(str(name), DATASETS)}; or data of your "
            "own, FILE.npz or a folder of images"
        )
    return DATASETS[name]
