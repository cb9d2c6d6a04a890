"""Save a learner as a checkpoint, and load it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Self

from neurosim.circuit import Circuit
from neurosim.errors import CheckpointError, ParameterError, warn
from neurosim.files import place_given_by, storage_error
from neurosim.learning.checkpoint import (
    Checkpoint,
    load_checkpoint,
    plain_state,
    save_checkpoint,
)
from neurosim.learning.epochs import Learner
from neurosim.learning.named_systems import reference_of, system_named
from neurosim.learning.resuming import ShownData
from neurosim.system import System
from neurosim.system.earlier import of_any_version

__all__ = ["Saving", "equations_complaint", "progress_of"]

#: What a checkpoint of a simulator holds since there are checkpoints.
_ALWAYS = ("system", "settings", "seed", "dtype", "epoch", "position")


class Saving(Learner):
    """Checkpoints of a learner; part of every ``Simulator``."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside the weights.

        Returns
        -------
        dict
            Plain numbers and words: the system and its settings, a digest of the
            equations, seed, precision, and the position in training.
        """
        return {
            "system": reference_of(self.system),
            "settings": dataclasses.asdict(self.system),
            "equations": self.circuit.digest(),
            "seed": self.seed,
            "dtype": self.dtype,
            "epoch": self.epoch,
            "position": self.position,
            "commits": self.commits,
            "between": self.between,
            "stage_commits": self.stage_commits,
        }

    def save(self, path: str | Path) -> Path:
        """Save parameters, weights and position to a folder, as ``checkpoint.npz``.

        Parameters
        ----------
        path : str or Path
            Folder; made if absent.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        RunFolderError
            If it cannot be written.
        """
        with self._progress:
            arrays, state, shown = self.weights.arrays(), self.state(), self._shown
        if state["position"] and shown is not None:
            state["data"] = shown.digest
        folder = Path(path)
        with place_given_by("path"):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise storage_error(folder, "make the folder", error) from error
            return save_checkpoint(folder, Checkpoint(arrays, plain_state(state)))

    @classmethod
    def load(
        cls, path: str | Path, *, backend: str = "cpp", system: type[System] | None = None
    ) -> Self:
        """Restore what :meth:`save`, or a training run, left in a folder.

        Parameters
        ----------
        path : str or Path
            Folder with a ``checkpoint.npz``.
        backend : str
            Back end to go on with.
        system : type[System], optional
            The system's class, in place of the one named in the checkpoint. Needed for a
            class that a program made and that is in no file of its own.

        Returns
        -------
        Simulator
            With the saved parameters, weights and position.

        Warns
        -----
        UserWarning
            If a damaged checkpoint was passed over, or the system's equations are not
            those that the weights were learnt with, or cannot be compared.

        Raises
        ------
        CheckpointError
            If there is no usable checkpoint, or the class does not take its settings.
        ParameterError
            If the system that the checkpoint names cannot be found.
        """
        folder = Path(path)
        checkpoint, complaints = load_checkpoint(folder)
        state = checkpoint.state
        made = _saved_system(state, folder, system)
        simulator = cls(made, seed=state["seed"], backend=backend, dtype=state["dtype"])
        simulator.restore(checkpoint.arrays, **progress_of(state))
        if "data" in state:
            simulator._shown = ShownData.of_digest(state["data"])
        complaint = equations_complaint(state, simulator.circuit, folder)
        for told in [*complaints, complaint]:
            if told:
                warn(told, stacklevel=2)
        return simulator


def progress_of(state: dict[str, Any]) -> dict[str, Any]:
    """Where training stood, from the state of a checkpoint.

    Parameters
    ----------
    state : dict
        As :meth:`Saving.state` gave it; an earlier version may not have known all of it.

    Returns
    -------
    dict
        Arguments of :meth:`~neurosim.learning.epochs.Learner.restore`, besides the arrays.
    """
    begun = {"commits": 0, "between": 0, "stage_commits": {}}
    return {
        "epoch": state["epoch"],
        "position": state["position"],
        **{name: state.get(name, start) for name, start in begun.items()},
    }


def _saved_system(state: dict[str, Any], path: Path, system: type[System] | None) -> System:
    """The system of a checkpoint, made by its own class or the one given."""
    missing = [name for name in _ALWAYS if name not in state]
    if missing:
        raise CheckpointError(
            f"the checkpoint in {path} does not say {missing[0]!r}: no simulator wrote it; give "
            "the folder of a run, or one that Simulator.save wrote"
        )
    if system is None:
        system = system_named(state["system"])
    elif not (isinstance(system, type) and issubclass(system, System)):
        raise ParameterError(f"system = {system!r}: give a class of a system, e.g. CorInfoMax")
    settings = {
        name: _as_tuples(value) for name, value in of_any_version(state["settings"]).items()
    }
    try:
        return system(**settings)
    except (TypeError, ParameterError) as error:
        raise CheckpointError(
            f"the checkpoint in {path} was made with other settings than {system.__name__} "
            f"takes: {error}; put back the class that it was made with"
        ) from error


def _as_tuples(value: Any) -> Any:
    """A setting as it was before it was saved: tuples became lists, at any depth."""
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


def equations_complaint(state: dict[str, Any], circuit: Circuit, path: Path) -> str:
    """What to warn of if weights may have been learnt with other equations.

    Parameters
    ----------
    state : dict
        State of a checkpoint.
    circuit : Circuit
        The circuit that is to go on with its weights.
    path : Path
        Folder of the checkpoint, for the message.

    Returns
    -------
    str
        A sentence, or nothing if the equations are the same.
    """
    if "equations" not in state:
        return (
            f"the checkpoint in {path} is of an older neurosim: its equations cannot be compared "
            "with those of today; its weights fit by name and shape"
        )
    if state["equations"] == circuit.digest():
        return ""
    return (
        f"the equations of {state['system']} are not those that the weights in {path} "
        "were learnt with; put them back, or expect other results"
    )
