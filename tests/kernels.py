"""Every shipped system in a small and odd size, with images to show it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from neurosim.backends import accepting
from neurosim.backends.interface import Chunk
from neurosim.circuit import Circuit
from neurosim.models import SYSTEMS
from neurosim.system import System

#: Systems whose circuits the kernels take; noise and states of cells are refused by name.
KERNEL_SYSTEMS = tuple(
    name for name in sorted(SYSTEMS) if "cuda" in accepting(SYSTEMS[name]().circuit())
)

#: Sizes that no tile, warp or vector divides.
LAYERS = (21, 19, 5)


def small(name: str, *, layers: tuple[int, ...] = LAYERS, **changes: Any) -> System:
    """A system of few cells, in batches of three."""
    return SYSTEMS[name](layers=layers, batch=3, **changes)


def chunk_of(system: System, images: int, *, learning: bool, seed: int = 0, **more: Any) -> Chunk:
    """Random images and weights; half of the pixels are dark."""
    rng, circuit = np.random.default_rng(seed), system.circuit()
    widths = {item.name: item.width for item in circuit.inputs}
    pixels = rng.random((images, widths["stimulus"]))
    targets = np.eye(widths["target"])[rng.integers(widths["target"], size=images)]
    inputs = {
        "stimulus": pixels * (rng.random(pixels.shape) < 0.5),
        "target": targets,
        **system.cycle_scalars(rng, images),
    }
    weights = system.initial_weights(rng)
    return Chunk(inputs, weights, learning=learning, batch=system.batch, **more)


def learning_at_once(circuit: Circuit) -> Circuit:
    """The circuit with one projection that changes its weights image by image."""
    plastic = next(projection for projection in circuit.projections if projection.plastic)
    pathways = tuple(
        dataclasses.replace(p, code=p.code.replace("g +=", "w +=")) if p.learns else p
        for p in plastic.pathways
    )
    lines = [line for line in plastic.equations.splitlines() if not line.startswith("g ")]
    changes = {"pathways": pathways, "equations": "\n".join(lines), "commit": ""}
    return circuit.replacing(dataclasses.replace(plastic, **changes))
