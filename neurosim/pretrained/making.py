"""Train a network, store its weights in half precision, and note what they reach."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.files import place_given_by
from neurosim.learning.simulator import Simulator
from neurosim.pretrained.loading import Pretrained
from neurosim.runs.folder import RunFolder, make_folder, write_result
from neurosim.runs.missing import train_missing_seeds
from neurosim.runs.settings import RunSettings

__all__ = ["make_pretrained", "store"]


def make_pretrained(
    settings: RunSettings,
    out: Path,
    runs: Path,
    *,
    threads: int | None = None,
    progress: bool = True,
) -> Pretrained:
    """Train a system and store what it has learnt; a run that was stopped goes on.

    Parameters
    ----------
    settings : RunSettings
        What to train; the seed is 0.
    out : Path
        Files go to ``out/DATASET/SYSTEM.npz`` and ``.json``.
    runs : Path
        Folder of runs, ``runs/DATASET-SYSTEM``.
    threads : int, optional
        Threads of the run; by default one per core.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Pretrained
        What the file says.

    Raises
    ------
    RunFolderError
        If the folder of the run holds one with other settings, or a file cannot be written.
    NeurosimError
        If the run fails.
    Interrupted
        After a signal, once the run has written its checkpoint.
    """
    folder = runs / f"{settings.dataset}-{settings.system.name}"
    with place_given_by("--runs"):
        train_missing_seeds(settings, 1, folder, threads=threads, progress=progress)
    return store(settings, folder / "seed-0", out)


def store(settings: RunSettings, run: Path, out: Path) -> Pretrained:
    """Store the network of a run that is finished.

    Parameters
    ----------
    settings : RunSettings
        Its settings.
    run : Path
        Its folder.
    out : Path
        As for :func:`make_pretrained`.

    Returns
    -------
    Pretrained
        What the file says. Accuracy and answers are those of the rounded weights.

    Raises
    ------
    CheckpointError
        If the run has no usable checkpoint.
    RunFolderError
        If a file cannot be written.
    """
    system, dataset = settings.system.name, settings.dataset
    with Simulator.load(run, backend=settings.backend) as simulator:
        kinds = {weight.name: weight.kind for weight in simulator.circuit.weights}
        stored: dict[str, Any] = {
            name: array.astype(np.float16)
            for name, array in simulator.weights.arrays().items()
            if kinds[name] == "weight"
        }
        simulator.weights.update(stored)
        data = settings.load_data()
        answers = simulator.predict(data.x_test)
        epochs = simulator.epoch
    packed = io.BytesIO()
    np.savez_compressed(packed, **stored)
    config = RunFolder(run).read_config()
    kept: dict[str, Any] = tomllib.loads(dataclasses.replace(settings, data_dir=None).to_config())
    known = Pretrained(
        system=system,
        dataset=dataset,
        config=kept,
        epochs=epochs,
        test_accuracy=float((answers == data.y_test).mean()),
        answers="".join(map(str, answers)),
        sha256=hashlib.sha256(packed.getvalue()).hexdigest(),
        command=f"neurosim pretrained --make {system} --dataset {dataset}"
        + (f" --epochs {epochs}" if epochs != settings.system.preset(dataset).epochs else ""),
        environment=dict(config.get("environment", {})),
    )
    make_folder(out / dataset)
    write_result(out / dataset / f"{system}.npz", packed.getvalue())
    text = json.dumps(dataclasses.asdict(known), indent=1, allow_nan=False) + "\n"
    write_result(out / dataset / f"{system}.json", text.encode())
    return known
