"""Find a network that has learnt already, check its files, and make a ``Simulator`` of it.

A network is two files, ``DATASET/SYSTEM.npz`` with its weights in half precision and
``DATASET/SYSTEM.json`` with everything about them: settings, checksum, accuracy, the answer to
every test image, and what made them. They lie beside this module, or in the user's cache folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.cpp.library import cache_folder
from neurosim.data import DATASETS
from neurosim.errors import DataError, NeurosimError, near_matches
from neurosim.learning.simulator import Simulator
from neurosim.models import SYSTEMS
from neurosim.runs.rows import json_object, values_of
from neurosim.runs.settings import RunSettings, resolve, settings_from_config

__all__ = ["Pretrained", "load_pretrained", "own_folder", "pretrained_networks", "read_pretrained"]

#: Networks that come with the package.
SHIPPED = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """What is known of a network that has learnt already.

    Attributes
    ----------
    system, dataset : str
        Names.
    config : dict
        Settings it was trained with, as in the ``config.toml`` of a run.
    epochs : int
        Epochs it has learnt.
    test_accuracy : float
        Share of test images that the stored weights answer correctly.
    answers : str
        The answer of the stored weights to every test image, a digit each.
    sha256 : str
        Checksum of the file of weights.
    command : str
        What makes it anew.
    environment : dict of str to str
        Versions, commit and processor.
    """

    system: str
    dataset: str
    config: dict[str, Any]
    epochs: int
    test_accuracy: float
    answers: str
    sha256: str
    command: str
    environment: dict[str, str]

    @property
    def settings(self) -> RunSettings:
        """Settings it was trained with, resolved.

        Raises
        ------
        ParameterError
            If this version does not know them.
        """
        return resolve({}, settings_from_config(self.config, f"{self.dataset}/{self.system}.json"))


def own_folder() -> Path:
    """Where networks of the user's own making are.

    Returns
    -------
    Path
        In ``NEUROSIM_CACHE`` or the user's cache folder; it may be absent yet.
    """
    return cache_folder() / "pretrained"


def load_pretrained(
    system: str, dataset: str = "digits", *, backend: str = "cpp", **settings: Any
) -> Simulator:
    """A network that has learnt already.

    Parameters
    ----------
    system : str
        Name of a system.
    dataset : str
        Data set it has learnt. Those of ``digits`` come with the package, others are made by
        ``neurosim pretrained --make``.
    backend : str
        What computes it.
    **settings
        As :class:`neurosim.Simulator` takes them, such as ``threads``.

    Returns
    -------
    Simulator
        With the weights, at the end of its last epoch. Optimisers begin anew if it learns on.

    Raises
    ------
    DataError
        If there is no such network, or its files are damaged.

    Examples
    --------
    >>> simulator = load_pretrained("ep", backend="runtime")
    >>> simulator.weights["W_0"].shape
    (100, 64)
    """
    folder = _folder_of(system, dataset)
    known = read_pretrained(folder / f"{system}.json")
    made = known.settings
    simulator = Simulator(
        made.system, **{"seed": made.seed, "backend": backend, "dtype": made.dtype, **settings}
    )
    stored = _weights(folder / f"{system}.npz", known.sha256)
    try:
        simulator.restore({**simulator.weights.arrays(), **stored}, epoch=known.epochs, position=0)
    except NeurosimError as error:
        raise DataError(
            f"{folder / system}.npz is of another version of {system}: {error}; make it anew: "
            f"{known.command}"
        ) from error
    return simulator


def pretrained_networks() -> Iterator[Pretrained]:
    """Every network that :func:`load_pretrained` finds.

    Yields
    ------
    Pretrained
        Those of the package first; one of the user's own of the same name is left out.

    Raises
    ------
    DataError
        If a file is damaged.
    """
    seen: set[str] = set()
    for folder in (SHIPPED, own_folder()):
        for file in sorted(folder.glob("*/*.json")):
            name = f"{file.parent.name}/{file.stem}"
            if name not in seen:
                seen.add(name)
                yield read_pretrained(file)


def read_pretrained(file: Path) -> Pretrained:
    """Read what is known of a network.

    Parameters
    ----------
    file : Path
        ``SYSTEM.json``.

    Returns
    -------
    Pretrained
        Its content.

    Raises
    ------
    DataError
        If the file cannot be read, or holds something else.
    """
    try:
        return Pretrained(**values_of(Pretrained, json_object(file.read_bytes())))
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{file} describes no network of this version ({error}); remove it, and make it anew "
            "by neurosim pretrained --make"
        ) from error


def _folder_of(system: str, dataset: str) -> Path:
    for folder in (SHIPPED / dataset, own_folder() / dataset):
        if (folder / f"{system}.json").is_file():
            return folder
    networks = [*pretrained_networks()]
    for what, name, known in (
        ("system", system, {*SYSTEMS, *(one.system for one in networks)}),
        ("data set", dataset, {*DATASETS, *(one.dataset for one in networks)}),
    ):
        if name not in known:
            raise DataError(f"unknown {what} {name!r}; {near_matches(name, known)}")
    found = {f"{one.dataset}/{one.system}" for one in networks}
    wanted = f"{dataset}/{system}"
    raise DataError(
        f"no network {wanted} has learnt already; {near_matches(wanted, found)}; make it by "
        f"neurosim pretrained --make {system} --dataset {dataset}"
    )


def _weights(file: Path, sha256: str) -> dict[str, NDArray[Any]]:
    """Arrays of a file whose checksum is right, in single precision."""
    try:
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError("its checksum is not the noted one")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name].astype(np.float32) for name in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{file} is damaged ({error}); bring the file back that came with {file.stem}.json"
        ) from error
