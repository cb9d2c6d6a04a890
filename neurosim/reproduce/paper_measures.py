"""What figures of papers measure in trained networks."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosim.figures.dynamics import measure_information
from neurosim.figures.run import Run
from neurosim.learning.metrics import sparsity

__all__ = ["MEASURES"]

#: Test images whose states are followed step by step; they run in Python.
_FOLLOWED = 8
_DIGITS = 6


def convergence(folders: Sequence[Path]) -> dict[str, Any]:
    """Change of the state of every layer in every step.

    Parameters
    ----------
    folders : sequence of Path
        Trained runs; the first one is looked into.

    Returns
    -------
    dict
        Lengths of the phases in steps, and by layer the sum over cells of ``|du|`` in each
        step, mean over some test images.
    """
    with contextlib.closing(Run(folders[0])) as run:
        x, y = run.data.x_test[:_FOLLOWED], run.data.y_test[:_FOLLOWED]
        changes = run.simulator.state_changes(x, y)
        return {
            "phases": {phase.name: phase.steps for phase in run.simulator.circuit.phases},
            "dt": run.simulator.circuit.dt,
            "changes": {
                name: [_rounded(v) for v in values.mean(axis=0)] for name, values in changes.items()
            },
        }


def information(folders: Sequence[Path]) -> dict[str, Any]:
    """Correlative information of neighbouring layers, before and after learning.

    Parameters
    ----------
    folders : sequence of Path
        Trained runs; the first one is looked into.

    Returns
    -------
    dict
        ``before`` and ``after``, each by pair of layers, then by phase, forward and backward
        in nats; None where there are no weights.
    """
    with contextlib.closing(Run(folders[0])) as run:
        names = [layer.population for layer in run.layers]
        states = {
            "before": (run.initial_activity, run.initial_weights),
            "after": (run.activity, run.weights),
        }
        return {
            when: {
                f"{names[k]} and {names[k + 1]}": {
                    phase: {"forward": _number(told.forward), "backward": _number(told.backward)}
                    for phase, told in pair.items()
                }
                for k, pair in enumerate(measure_information(run, activity, weights))
            }
            for when, (activity, weights) in states.items()
        }


def silent(folders: Sequence[Path]) -> dict[str, Any]:
    """Share of rates below 0.01 in hidden layers for all test images.

    Parameters
    ----------
    folders : sequence of Path
        Trained runs.

    Returns
    -------
    dict
        ``before`` and ``after`` learning, each by layer: one value per run.
    """
    found: dict[str, dict[str, list[float]]] = {"before": {}, "after": {}}
    for folder in folders:
        with contextlib.closing(Run(folder)) as run:
            hidden = [layer.population for layer in run.layers[1:-1]]
            for when, activity in (("before", run.initial_activity), ("after", run.activity)):
                for name in hidden:
                    share = _rounded(sparsity(activity.settled[name]))
                    found[when].setdefault(name, []).append(share)
    return found


#: What is measured for a figure, by what it shows; other figures need the metrics of runs alone.
MEASURES: Mapping[str, Callable[[Sequence[Path]], dict[str, Any]]] = {
    "convergence": convergence,
    "information": information,
    "sparsity": silent,
}


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else _rounded(value)
