"""A model of GeNN in memory: its arrays and numbers, and the order of its steps."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.genn.model import NAME, make_model

__all__ = ["Loaded", "rounds"]


def rounds(images: int, batch: int, lanes: int) -> Iterator[tuple[int, int, int]]:
    """Images that are shown side by side.

    Parameters
    ----------
    images, batch, lanes : int
        How many images; how many of them are a batch, and how many are in flight at most.

    Yields
    ------
    first, active : int
        Number of the first image, and how many.
    gathered : int
        Images of the batch if it ends here, otherwise 0.
    """
    for start in range(0, images, batch):
        stop = min(start + batch, images)
        for first in range(start, stop, lanes):
            active = min(lanes, stop - first)
            yield first, active, (stop - start) * (first + active == stop)


class Loaded:
    """A model that was built, with memory of its own.

    Parameters
    ----------
    described : mapping
        As for :func:`~neurosim.backends.genn.model.make_model`.
    library : Path
        What GeNN has built. It is copied, since GeNN keeps the state of a run in it.
    folder : Path
        Where to; an empty folder.
    images : int
        Most images of a run.
    """

    def __init__(
        self, described: Mapping[str, Any], library: Path, folder: Path, images: int
    ) -> None:
        self._described = described
        place = folder / f"{NAME}_CODE"
        place.mkdir()
        shutil.copy(library, place)
        self._model = make_model(described)
        for made, group in self._neurons():
            for kind in ("given", "noted"):
                for name, width in made[kind].items():
                    empty = np.zeros(images * max(width, 1), described["dtype"])
                    group.extra_global_params[f"{kind}_{name}"].set_init_values(empty)
        self._model.build(str(folder), never_rebuild=True)
        self._model.load()

    def close(self) -> None:
        """Give back the memory."""
        self._model.unload()

    def _neurons(self) -> Iterator[tuple[Mapping[str, Any], Any]]:
        for made in self._described["neurons"]:
            yield made, self._model.neuron_populations[made["name"]]

    def _synapses(self) -> Iterator[tuple[Mapping[str, Any], Any]]:
        for made in self._described["synapses"]:
            yield made, self._model.synapse_populations[made["name"]]

    # ------------------------------------------------------------ values

    def set_numbers(self, values: Mapping[str, float]) -> None:
        """Set what all cells or synapses share, by ``owner__parameter``."""
        for made, group in self._neurons():
            for name, kind in made["parameters"].items():
                if name in values:
                    number = int(values[name]) if kind == "int" else float(values[name])
                    group.set_dynamic_param_value(name, number)
        for made, group in self._synapses():
            commit = self._model.custom_updates.get(f"commit_{made['name']}")
            for name in made["parameters"]:
                if f"{made['name']}__{name}" in values:
                    number = float(values[f"{made['name']}__{name}"])
                    for part in (group, commit) if commit is not None else (group,):
                        part.set_dynamic_param_value(name, number)

    def set_inputs(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        """Give every image its inputs."""
        for made, group in self._neurons():
            for name in made["given"]:
                array, values = group.extra_global_params[f"given_{name}"], np.ravel(inputs[name])
                array.view[: len(values)] = values
                array.push_to_device()

    def set_weights(self, values: Mapping[tuple[str, str], NDArray[Any]]) -> None:
        """Set variables of synapses, by projection and variable, in the synapses' order."""
        for (projection, variable), array in values.items():
            held = self._model.synapse_populations[projection].vars[variable]
            held.values = array
            held.push_to_device()

    def weights(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], NDArray[Any]]:
        """Variables of synapses, as :meth:`set_weights` takes them."""
        found = {}
        for projection, variable in names:
            held = self._model.synapse_populations[projection].vars[variable]
            held.pull_from_device()
            found[projection, variable] = np.array(held.values)
        return found

    def readouts(self, images: int) -> dict[str, NDArray[Any]]:
        """What cells noted of the first images, by name, shape (n_images, n_cells)."""
        found = {}
        for made, group in self._neurons():
            for name, cells in made["noted"].items():
                array = group.extra_global_params[f"noted_{name}"]
                array.pull_from_device()
                found[name] = np.array(array.view[: images * cells].reshape(images, cells))
        return found

    def counts(self, sizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
        """Counters, summed over images in flight; of each the first so many cells."""
        found = {}
        for made, group in self._neurons():
            for name in made["variables"].keys() & sizes:
                group.vars[name].pull_from_device()
                counted = group.vars[name].view.reshape(-1, made["size"])
                found[name] = counted[:, : sizes[name]].sum(0, np.int64)
        return found

    # ------------------------------------------------------------ steps

    def run(
        self, images: int, steps: int, *, batch: int, commits: int, learning: Collection[str]
    ) -> None:
        """Show all images and let synapses commit.

        Parameters
        ----------
        images, steps : int
            How many images, and time steps of each.
        batch, commits : int
            Images between two commits, and commits made before.
        learning : collection of str
            Projections that learn.
        """
        self._forget()
        gathered = 0
        for first, active, batch_ends in rounds(images, batch, self._described["lanes"]):
            for _ in self._steps(first, active, self._length(steps)):
                # what the images before have learnt arrives with the first step
                commits += self._commit(gathered, commits + 1, learning)
                gathered = 0
            gathered = batch_ends
        self._idle()
        self._commit(gathered, commits + 1, learning)

    def _length(self, steps: int) -> int:
        """Steps of GeNN in a cycle of some time steps."""
        return 2 * steps + 1 if self._described["twice"] else steps + 2

    def _steps(self, first: int, active: int, length: int) -> Iterator[None]:
        self.set_numbers({"first": first, "active": active})
        self._model.timestep = 0
        for _ in range(length):
            self._model.step_time()
            yield

    def _idle(self) -> None:
        """A step in which nothing happens but deliveries."""
        for _ in self._steps(0, 0, 1):
            pass

    def _forget(self) -> None:
        """Deliver what an interrupted run has left, then empty sums and counters."""
        self._idle()
        parts = [(group, made["variables"]) for made, group in self._neurons()]
        parts += [(group, made["gathered"]) for made, group in self._synapses()]
        for group, names in parts:
            for name in names:
                group.vars[name].values = np.zeros_like(group.vars[name].values)
                group.vars[name].push_to_device()

    def _commit(self, images: int, number: int, learning: Collection[str]) -> bool:
        """Let synapses turn what they gathered into weights, if a batch has ended."""
        for made, _ in self._synapses() if images else ():
            if made["commit"] and made["name"] in learning:
                update = self._model.custom_updates[f"commit_{made['name']}"]
                update.set_dynamic_param_value("images_gathered", float(images))
                update.set_dynamic_param_value("commit_number", float(number))
                self._model.custom_update(f"gather_{made['name']}")
                self._model.custom_update(f"commit_{made['name']}")
        return images > 0
