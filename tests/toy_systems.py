"""Two made-up systems, small enough to follow by eye, and what they do in NumPy.

``Toy`` has all that a system may draw, and biases of cells that commit per batch.
``Remembering`` has cells that keep what they did at the image before.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.circuit import (
    Circuit,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    Readout,
    reset_action,
)
from neurosim.circuit.noise import noise_streams
from neurosim.circuit.philox import normal_noise, uniform_noise
from neurosim.system import System, parameter
from neurosim.system.optimizers import OPTIMIZERS, optimized_cells

IMAGES = 11
STEPS = 3
Arrays = dict[str, NDArray[Any]]

PIXEL = "r : 1"
CELL = """
du/dt = (s + sigma*normal_noise(i) - u)/tau : 1
r = clip(u + b, 0, 1) : 1
error = y - r : 1
s : 1
y : 1
change : 1
b : 1
sigma : 1 (shared, constant)
tau : second (shared, constant)
"""
SYNAPSE = "w : 1\ng : 1\nmu : 1 (shared, constant)\n"


def relay(shown: str) -> Population:
    """Pixels that send once."""
    return Population(
        "pixels",
        5,
        PIXEL,
        events=(
            Event("onset", "onset", "onset", reset_action(PIXEL, r=shown)),
            Event("spike", "onset and r != 0", "sense", counted=True),
            Event("learn", "end_show and learning and r != 0", "learn"),
        ),
    )


def synapses(rule: str) -> Projection:
    """From all pixels to all cells."""
    return Projection(
        "net",
        "pixels",
        "cells",
        SYNAPSE,
        (
            Pathway("signal", "spike", "s_post += w*r_pre"),
            Pathway("rule", "learn", rule, learns=True),
        ),
        parameters={"mu": 0.3},
        weight="W",
        rate="mu",
        commit="w += mu/batch*g",
    )


@dataclasses.dataclass(frozen=True)
class Toy(System):
    """Pixels that drop out, noisy cells with biases, and synapses that learn by chance."""

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "toy"
    citation: ClassVar[str] = "none"

    layers: tuple[int, ...] = (5, 3)
    optimizer: str = "sgd"
    sigma: float = parameter(0.4, "size of the noise", "", "[0, inf)")
    keep: float = parameter(0.7, "share of pixels that stay", "", "[0, 1]")

    def circuit(self) -> Circuit:
        """One layer."""
        onset = reset_action(CELL, "b", y="target(cycle_time, i)")
        wrong = "end_show and learning and abs(error) > 0.05"
        cells = Population(
            "cells",
            3,
            CELL,
            events=(
                Event("onset", "onset", "onset", onset),
                Event("end_show", "end_show", "phase_end"),
                Event("learn", wrong, "learn", "change = gain*error"),
            ),
            parameters={"sigma": self.sigma, "tau": 2e-3},
            weights={"b": "b_1"},
        )
        rule = "g += error_post*r_pre*int(uniform_noise(i*3 + j) < 0.8)"
        return Circuit(
            name=self.name,
            dt=1.0,
            phases=(Phase("show", STEPS),),
            inputs=(
                CycleInput("stimulus", 5),
                CycleInput("target", 3),
                CycleInput("gain"),
                CycleInput("mask", 5),
            ),
            populations=(
                relay("stimulus(cycle_time, i)*mask(cycle_time, i)"),
                optimized_cells(cells, self.optimizer, 0.2, variable="b", gathered="change"),
            ),
            projections=(synapses(rule),),
            readouts=(Readout("answer", "cells", "end_show", "r"),),
            answer="answer",
        )

    def initial_weights(self, rng: np.random.Generator) -> Arrays:
        """Small random ones."""
        start = {"W": 0.3 * rng.normal(size=(3, 5)), "b_1": 0.1 * rng.normal(size=3)}
        states = OPTIMIZERS[self.optimizer].states
        return start | {f"b_1_{name}": np.zeros(3) for name in states}

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> Arrays:
        """How much an image counts."""
        return {"gain": rng.uniform(0.5, 1.5, n)}

    def evaluation_scalars(self) -> dict[str, float]:
        """One."""
        return {"gain": 1.0}

    def cycle_inputs(self, rng: np.random.Generator, n: int, epoch: int) -> Arrays:
        """Pixels that stay."""
        return {"mask": (rng.random((n, 5)) < self.keep) / self.keep}

    def evaluation_inputs(self, rng: np.random.Generator, n: int) -> Arrays:
        """All pixels stay."""
        return {"mask": np.ones((n, 5))}

    def evaluation_phases(self) -> dict[str, int]:
        """As in training."""
        return {"show": STEPS}


def toy_cells(
    system: Toy, weights: Arrays, x: NDArray[Any], key: tuple[int, int], image: int
) -> NDArray[Any]:
    """Rates of the cells at the end of an image, given masked pixels."""
    stream = noise_streams(system.circuit())["cells.u"][1]
    u = np.zeros(3)
    for step in range(STEPS):
        noise = normal_noise(key, image, np.arange(3), step, stream)
        u = u + 0.5 * (weights["W"] @ x + system.sigma * noise - u)
    return np.clip(u + weights["b_1"], 0, 1)


def toy_learning(
    system: Toy, weights: Arrays, inputs: Arrays, key: tuple[int, int]
) -> tuple[Arrays, NDArray[Any]]:
    """Weights after learning all images in batches, and the rates on the way."""
    weights = dict(weights)
    stream = noise_streams(system.circuit())["net.rule"][1]
    synapse = np.arange(5)[None, :] * 3 + np.arange(3)[:, None]
    rates, n = [], len(inputs["stimulus"])
    for commits, start in enumerate(range(0, n, system.batch), start=1):
        images = range(start, min(start + system.batch, n))
        G, g = np.zeros((3, 5)), np.zeros(3)
        for image in images:
            x = inputs["stimulus"][image] * inputs["mask"][image]
            r = toy_cells(system, weights, x, key, image)
            error = inputs["target"][image] - r
            lucky = uniform_noise(key, image, synapse, STEPS - 1, stream) < 0.8
            G += np.outer(error, x) * lucky
            g += np.where(abs(error) > 0.05, inputs["gain"][image] * error, 0)
            rates.append(r)
        weights["W"] = weights["W"] + 0.3 * G / len(images)
        weights |= biases(system.optimizer, weights, g / len(images), commits)
    return weights, np.array(rates)


def biases(optimizer: str, weights: Arrays, g: NDArray[Any], commits: int) -> Arrays:
    """What an update makes of biases and of the means of the optimiser."""
    if optimizer == "sgd":
        return {"b_1": weights["b_1"] + 0.2 * g}
    m = 0.9 * weights["b_1_m"] + 0.1 * g
    v = 0.999 * weights["b_1_v"] + 0.001 * g**2
    step = m / (1 - 0.9**commits) / (np.sqrt(v / (1 - 0.999**commits)) + 1e-8)
    return {"b_1": weights["b_1"] + 0.2 * step, "b_1_m": m, "b_1_v": v}


REMEMBERING = """
r = clip(s + 0.5*before, 0, 1) : 1
s : 1
y : 1
noted : 1
before : 1
mean : 1
"""


@dataclasses.dataclass(frozen=True)
class Remembering(System):
    """Cells that the rate at the previous image excites, with a running mean."""

    name: ClassVar[str] = "remembering"
    title: ClassVar[str] = "remembering"
    citation: ClassVar[str] = "none"

    layers: tuple[int, ...] = (5, 3)

    def circuit(self) -> Circuit:
        """One layer."""
        onset = reset_action(REMEMBERING, "before", "mean", y="target(cycle_time, i)")
        remember = "mean += 0.1*(noted - mean)\nbefore = noted"
        cells = Population(
            "cells",
            3,
            REMEMBERING,
            events=(
                Event("onset", "onset", "onset", onset),
                Event("end_show", "end_show", "phase_end", "noted = r"),
                Event("remember", "end_show and learning", "learn", remember),
            ),
            states={"before": "before_1", "mean": "mean_1"},
        )
        return Circuit(
            name=self.name,
            dt=1.0,
            phases=(Phase("show", STEPS),),
            inputs=(CycleInput("stimulus", 5), CycleInput("target", 3)),
            populations=(relay("stimulus(cycle_time, i)"), cells),
            projections=(synapses("g += (y_post - noted_post)*r_pre"),),
            readouts=(Readout("answer", "cells", "end_show", "noted"),),
            answer="answer",
        )

    def initial_weights(self, rng: np.random.Generator) -> Arrays:
        """Small random ones, and no memories."""
        states = {"before_1": np.zeros(3), "mean_1": np.zeros(3)}
        return {"W": 0.3 * rng.normal(size=(3, 5)), **states}

    def cycle_scalars(self, rng: np.random.Generator, n: int) -> Arrays:
        """None."""
        return {}

    def evaluation_phases(self) -> dict[str, int]:
        """As in training."""
        return {"show": STEPS}


def remembering_learning(batch: int, weights: Arrays, x: NDArray[Any], y: NDArray[Any]) -> Arrays:
    """Weights and memories after learning all images in batches."""
    W, before, mean = weights["W"], weights["before_1"], weights["mean_1"]
    for start in range(0, len(x), batch):
        G, images = np.zeros((3, 5)), range(start, min(start + batch, len(x)))
        for image in images:
            r = np.clip(W @ x[image] + 0.5 * before, 0, 1)
            G += np.outer(y[image] - r, x[image])
            mean, before = mean + 0.1 * (r - mean), r
        W = W + 0.3 * G / len(images)
    return {"W": W, "before_1": before, "mean_1": mean}
