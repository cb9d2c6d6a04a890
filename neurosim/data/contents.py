"""Recognise the contents of data files by checksums, whatever folder they lie in.

A folder named ``MNIST`` may hold other images: those of Fashion-MNIST, which has files of
the same names and sizes, or test files in the place of training files. The checksums are of
the pixels and labels themselves, so it does not matter how the files were compressed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from neurosim.data.dataset import AS_PUBLISHED, NOT_CHECKED
from neurosim.data.sources import RawImages

__all__ = ["CHECKSUMS", "Checksums", "checksums", "describe_contents"]

log = logging.getLogger("neurosim")


class Checksums(NamedTuple):
    """SHA-256 of the four parts of a data set, each as bytes without a header.

    Attributes
    ----------
    training_images, training_labels, test_images, test_labels : str
        Hexadecimal digests; pixels and labels count as one byte each.
    """

    training_images: str
    training_labels: str
    test_images: str
    test_labels: str


#: Checksums by data set. The others are read without this check.
CHECKSUMS: dict[str, Checksums] = {
    "mnist": Checksums(
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
    "fashion-mnist": Checksums(
        "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
        "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    ),
    "digits": Checksums(
        "5760f944f9d4583320655eb3932bdbb8a1d7ecccece1d5e8ac73699a93fdf434",
        "33fe81a53fa12d9cd119c74adab9b6b08a7d070ee62e736390c5cf89f00886b1",
        "3cc232bd25364446c8646cd9434a26e35ea92e20045d395b2fdd2232a75c9b8f",
        "70ee2850bb25b543ca4112717fd4396c3fb90bcb54d8015bd3f9c7c900966072",
    ),
}


def checksums(raw: RawImages) -> Checksums:
    """Checksums of images and labels as they are stored.

    Parameters
    ----------
    raw : RawImages
        All images of a data set.

    Returns
    -------
    Checksums
        To be compared with :data:`CHECKSUMS`.
    """
    arrays = (raw.train_pixels, raw.train_labels, raw.test_pixels, raw.test_labels)
    return Checksums(
        *(
            hashlib.sha256(np.ascontiguousarray(array, dtype=np.uint8).data).hexdigest()
            for array in arrays
        )
    )


def describe_contents(name: str, raw: RawImages, where: object) -> str:
    """Say whether the images are those of a data set, and warn if they are others.

    Parameters
    ----------
    name : str
        Name of the data set that was asked for.
    raw : RawImages
        What was read.
    where : object
        The folder it was read from, for the warning.

    Returns
    -------
    str
        ``"as published"``, ``"not checked"``, or which part holds what instead.
    """
    found = checksums(raw)
    expected = CHECKSUMS.get(name)
    if found == expected:
        return AS_PUBLISHED
    parts = [
        f"{_words(part)} are {_owner(digest)}"
        for part, digest in found._asdict().items()
        if _is_other(digest, None if expected is None else getattr(expected, part))
    ]
    if not parts:
        return NOT_CHECKED
    contents = ", ".join(parts)
    log.warning(
        "data set %s was expected in %s, but %s; results are not comparable with those of %s: "
        "remove these files so that the right ones are downloaded, or give another --data-dir",
        name,
        where,
        contents,
        name,
    )
    return contents


def _is_other(digest: str, expected: str | None) -> bool:
    """Whether a part is known to hold something else than was asked for."""
    return digest in _owners(CHECKSUMS) if expected is None else digest != expected


def _owner(digest: str) -> str:
    """Name the data set and the part that a checksum belongs to."""
    return _owners(CHECKSUMS).get(digest, "not the published ones")


def _owners(known: Mapping[str, Checksums]) -> dict[str, str]:
    return {
        digest: f"the {_words(part)} of {name}"
        for name, sums in known.items()
        for part, digest in sums._asdict().items()
    }


def _words(part: str) -> str:
    return part.replace("_", " ")
