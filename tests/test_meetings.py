"""Images of a batch that meet: what is refused, and that chunks and recordings change nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurosim.backends import open_backend
from neurosim.backends.chunks import Chunk
from neurosim.circuit import Circuit, Event, circuit_from_dict
from neurosim.errors import CircuitError
from neurosim.models.phsic import PHSIC

IMAGES = 5


def meeting() -> Circuit:
    """A layer whose images meet."""
    return PHSIC(layers=(4, 6, 3), groups=3, rule="batch", grouping="none", dropout=0.0).circuit()


def phases(circuit: Circuit, *meets: str) -> Circuit:
    found = (dataclasses.replace(p, meets=p.name in meets) for p in circuit.phases)
    return dataclasses.replace(circuit, phases=tuple(found))


def changed(circuit: Circuit, name: str, **changes: Any) -> Circuit:
    return circuit.replacing(dataclasses.replace(circuit.population(name), **changes))


def with_event(circuit: Circuit, name: str, event: Event) -> Circuit:
    events = (e for e in circuit.population(name).events if e.name != event.name)
    return changed(circuit, name, events=(*events, event))


REFUSED: dict[str, tuple[str, Callable[[Circuit], Circuit]]] = {
    "no phase": (r"give Phase\(\.\.\., meets=True\)", phases),
    "two phases": (
        "in the phases forward and compare; one phase", lambda c: phases(c, "forward", "compare"),
    ),
    "the first phase": ("needs a phase before it", lambda c: phases(c, "forward")),
    "the last phase": ("needs a phase before it", lambda c: phases(c, "instruct")),
    "an expression": (
        "'k_z' is no number that its cells store",
        lambda c: changed(c, "modulator_1", averages={"b3": "k_z"}),
    ),
    "no variable": (
        "'y_befor' is no number .*did you mean 'y_before'",
        lambda c: changed(c, "label", meets={"y_befor": "y"}),
    ),
    "set twice": (
        "sets 'b3', which averages sets",
        lambda c: with_event(c, "modulator_1", Event("count", "end_compare", "phase_end",
                                                     "b3 = 1")),
    ),
    "learning in every meeting": (
        "could happen in every meeting of phase 'compare'",
        lambda c: with_event(c, "sensory", Event("learn", "end_compare and learning", "learn")),
    ),
    "a readout in every meeting": (
        "event 'end_forward' of population 'layer_2' could happen in every meeting",
        lambda c: with_event(c, "layer_2", Event("end_forward", "in_compare", "phase_end")),
    ),
    "images in order": ("needs one after the other", lambda c: remembering(c)),
}  # fmt: skip


def remembering(circuit: Circuit) -> Circuit:
    """Labels that also remember the previous image."""
    label = circuit.population("label")
    keep = Event("keep", "end_instruct and learning", "learn", "x = y")
    return circuit.replacing(
        dataclasses.replace(
            label, equations=f"{label.equations}\nx : 1\n", events=(*label.events, keep),
            states={"x": "x_label"},
        )
    )  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str) -> None:
    """Guards images that would meet in silence, twice or never."""
    message, change = REFUSED[case]
    with pytest.raises(CircuitError, match=message):
        change(meeting())


def test_a_circuit_whose_images_meet_is_another_program() -> None:
    """Guards a compiled program that is found for a circuit of the same equations."""
    circuit = meeting()
    assert circuit_from_dict(json.loads(json.dumps(dataclasses.asdict(circuit)))) == circuit
    label = circuit.population("label")
    swapped = circuit.replacing(dataclasses.replace(label, meets={}))
    assert swapped.digest() != circuit.digest()


def chunk(circuit: Circuit, first: int, last: int, weights: Any, **how: Any) -> Chunk:
    rng = np.random.default_rng(0)
    x, y = rng.random((IMAGES, 4)), np.eye(3)[rng.integers(3, size=IMAGES)]
    inputs = {"stimulus": x[first:last], "target": y[first:last]}
    return Chunk(inputs, weights, commits=first // 2, first_image=first, **how)


def test_chunks_of_whole_batches_change_no_bit_and_evaluations_nothing() -> None:
    """Guards sums and images met that are left from an earlier run or an evaluation."""
    circuit = meeting()
    start = PHSIC(layers=(4, 6, 3), grouping="none").initial_weights(np.random.default_rng(2))
    start = {w.name: start[w.name] for w in circuit.weights}
    how: dict[str, Any] = {"learning": True, "batch": 2}
    with open_backend("runtime", circuit, dtype="float64", max_cycles=IMAGES) as opened:
        whole = opened.run(chunk(circuit, 0, IMAGES, start, **how))
        weights, answers = start, []
        for first, last in ((0, 2), (2, 4), (4, 5)):
            part = opened.run(chunk(circuit, first, last, weights, **how))
            opened.run(chunk(circuit, 0, IMAGES, part.weights))
            weights = part.weights
            answers.append(part.readouts["answer"])
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(weights[name], array, err_msg=name)
    np.testing.assert_array_equal(np.concatenate(answers), whole.readouts["answer"])
    # each image compares its six cells with those of every image of its batch
    assert whole.event_counts["layer_1.compare"] == 6 * (2 * 2 + 2 * 2 + 1)
