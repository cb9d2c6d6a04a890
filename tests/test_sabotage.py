"""One-line sabotages of equations, rules and order of events: the oracle must catch each.

``check_against_reference`` is the check that the regular tests make on sound systems. A
sabotage it does not notice is a hole in those tests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles import check_against_reference, small_system

from neurosim import CorInfoMax
from neurosim.backends import weights as weight_arrays
from neurosim.backends.brian import build
from neurosim.circuit import Event
from neurosim.models import corinfomax

Sabotage = Callable[[pytest.MonkeyPatch], None]


def small() -> CorInfoMax:
    return small_system(slowdown=0.1)


def flat(**changes: Any) -> CorInfoMax:
    """No hidden layer: what shows there already is built in half the time."""
    return small_system(layers=(5, 3), mu_ff=(0.1,), mu_fb=(), slowdown=0.1, **changes)


def batched() -> CorInfoMax:
    """Batches of two of the three images, and a last one of one image."""
    return small_system(batch=2)


def leaky() -> CorInfoMax:
    return small_system(tau_basal=2.0, tau_apical=3.0)


def printed() -> CorInfoMax:
    return flat(output_apical="nudge")


def square() -> CorInfoMax:
    """Layers of equal size, where a transposed array has the right shape."""
    return small_system(layers=(4, 4, 4))


def text(constant: str, old: str, new: str) -> Sabotage:
    """Replace a piece of one of the model's strings."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(corinfomax, constant)
        assert old in before, f"{old!r} is not in {constant}: the sabotage is out of date"
        patch.setattr(corinfomax, constant, before.replace(old, new))

    return spoil


def method(name: str, change: Callable[[Any, Any, tuple[Any, ...]], Any]) -> Sabotage:
    """Change what one of the model's methods returns."""

    def spoil(patch: pytest.MonkeyPatch) -> None:
        before = getattr(CorInfoMax, name)
        patch.setattr(
            CorInfoMax, name, lambda self, *given: change(before(self, *given), self, given)
        )

    return spoil


def event(name: str, **changes: Any) -> Sabotage:
    """Change an event of the pyramidal cells; a function changes the text it is given."""

    def changed(item: Event) -> Event:
        if item.name != name:
            return item
        new = {
            key: value(getattr(item, key)) if callable(value) else value
            for key, value in changes.items()
        }
        spoilt = dataclasses.replace(item, **new)
        assert spoilt != item, "the sabotage is out of date"
        return spoilt

    def change(events: Any, system: Any, given: tuple[Any, ...]) -> tuple[Event, ...]:
        return tuple(changed(item) for item in events)

    return method("_pyramidal_events", change)


def parameter(name: str, value: Callable[[CorInfoMax, int], float]) -> Sabotage:
    """Change a parameter of the pyramidal cells."""

    def change(values: dict[str, float], system: CorInfoMax, given: tuple[Any, ...]) -> Any:
        return {**values, name: value(system, *given)}

    return method("_pyramidal_parameters", change)


def schedule(**changes: Any) -> Sabotage:
    """Move a moment within the time step."""
    return lambda patch: patch.setattr(build, "_SCHEDULE", {**build._SCHEDULE, **changes})


def without(statement: str) -> Callable[[str], str]:
    return lambda action: "\n".join(line for line in action.splitlines() if line != statement)


def untransposed(patch: pytest.MonkeyPatch) -> None:
    sound = weight_arrays._flatten

    def flatten(array: Any, part: Any, dtype: Any) -> Any:
        return sound(array.T if part.layout == "dense" else array, part, dtype)

    patch.setattr(weight_arrays, "_flatten", flatten)


FF, FB = "FEEDFORWARD_RULE", "FEEDBACK_RULE"
SABOTAGES: dict[str, tuple[Callable[[], CorInfoMax], Sabotage]] = {
    # ---------------------------------------------------------------- the nudge
    "sign of beta in the nudge": (
        flat,
        text("NUDGE", "int(in_nudged)*beta", "-int(in_nudged)*beta"),
    ),
    "target acts in the free phase too": (
        flat,
        text("NUDGE", "int(in_nudged)*beta", "beta"),
    ),
    "printed form without its apical leak": (
        printed,
        text("APICAL_OUTPUT_NUDGE", "I_A = v_A - nudge*u", "I_A = v_A"),
    ),
    # ---------------------------------------------------------------- the learning rules
    "feedback rule without 1/beta": (small, text(FB, "1/beta*", "")),
    "phases swapped in the feedforward rule": (
        flat,
        lambda patch: patch.setattr(
            corinfomax,
            FF,
            "g += 1/beta*(e_B_free_post*r_free_pre - e_B_nudged_post*r_nudged_pre)",
        ),
    ),
    "feedforward rule without its free phase": (
        flat,
        text(FF, " - e_B_free_post*r_free_pre", ""),
    ),
    "feedback learns the transposed feedforward update": (
        small,
        lambda patch: patch.setattr(
            corinfomax,
            FB,
            "g += 1/beta*(e_B_nudged_pre*r_nudged_post - e_B_free_pre*r_free_post)",
        ),
    ),
    "backward error from the whole apical dendrite": (
        small,
        text("APICAL_HIDDEN", "e_A = r - s_A", "e_A = r - v_A"),
    ),
    "only cells active in the nudged phase learn": (
        small,
        lambda patch: patch.setattr(
            corinfomax, "LEARN", "end_nudged and learning and r_nudged != 0"
        ),
    ),
    # ---------------------------------------------------------------- the lateral circuit
    "frozen lateral weights": (flat, text("COMMIT_B", "B += gamma_B", "B += 0*gamma_B")),
    "autapse rule without the square": (flat, text("AUTAPSE_RULE", "z_post**2", "z_post")),
    "lateral rule forgets a published batch per image": (
        flat,
        lambda patch: patch.setattr(CorInfoMax, "forgetting", lambda system, n: system.lambda_),
    ),
    # ---------------------------------------------------------------- batches
    "sum instead of mean": (batched, text("COMMIT", "mu/batch", "mu")),
    "mean without the size of the batch": (
        batched,
        lambda patch: patch.setattr(corinfomax, "COMMIT", "w += mu/batch**2*g"),
    ),
    "sum of squares in the lateral rule": (batched, text("COMMIT_B", "batch*lambda_B", "lambda_B")),
    "a batch forgets like an image": (
        batched,
        lambda patch: patch.setattr(
            CorInfoMax, "forgetting", lambda system, n: system.lambda_ ** (1 / system.lambda_images)
        ),
    ),
    "hidden lateral efficacy without its factor 2": (
        small,
        method(
            "_lateral_efficacy",
            lambda c, system, given: c if given[0] else c / 2,
        ),
    ),
    "SST cells excite": (flat, text("SST", "i_sst  = c*z_lat", "i_sst  = -c*z_lat")),
    "lateral learning from rates sampled coarsely": (
        lambda: small_system(lambda_=1 - 1e-9, lambda_images=1, sst_threshold=5.0),
        lambda patch: patch.setattr(corinfomax, "SAMPLE", "abs(r - r_lat) > sst_threshold"),
    ),
    # ---------------------------------------------------------------- the cells
    "no lower clip": (flat, text("RATE", "clip(u, 0, 1)", "clip(u, -10, 1)")),
    "no upper clip": (flat, text("RATE", "clip(u, 0, 1)", "clip(u, 0, 10)")),
    "conductance epsilon instead of 1/epsilon": (
        flat,
        parameter("g_B", lambda system, k: system.epsilon),
    ),
    "apical leak not divided by its conductance": (
        small,
        text("APICAL_HIDDEN", "g_l*r/g_A", "g_l*r"),
    ),
    "slowdown counts on when the nudge begins": (
        flat,
        text("SOMA", "slowdown*phase_step", "slowdown*cycle_step"),
    ),
    "leaky dendrite not reset at the onset": (leaky, event("onset", action=without("v_A = 0"))),
    # ---------------------------------------------------------------- order, state and events
    "u goes on where the free phase left it": (flat, event("end_free", action=without("u = r"))),
    "soma not reset at the onset": (flat, event("onset", action=without("u = 0"))),
    "value sent not reset at the onset": (small, event("onset", action=without("r_sent = 0"))),
    "events deliver the rate instead of its change": (
        small,
        text("FEEDFORWARD_SIGNAL", "(r_pre - r_sent_pre)", "r_pre"),
    ),
    "events arrive before somata integrate": (
        small,
        schedule(send=(("start", 30), ("start", 31), ("start", 32))),
    ),
    "images arrive after somata integrate": (
        flat,
        schedule(sense=(("thresholds", 0), ("synapses", 0), ("resets", 0))),
    ),
    "synapses learn before notes are taken": (
        flat,
        schedule(learn=(("resets", 10), ("resets", 11), ("resets", 12))),
    ),
    "layer reads a transposed weight array": (square, untransposed),
}


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_oracle_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against regular tests that would pass on a broken model."""
    # a circuit refuses cells that are not reset: here the oracle is on trial, not the check
    monkeypatch.setattr("neurosim.circuit.checks.check_memory", lambda circuit: None)
    make, sabotage = SABOTAGES[name]
    sabotage(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"), np.errstate(all="ignore"):
        check_against_reference(make())


@pytest.mark.quick(2)
@pytest.mark.parametrize("make", [small, flat, batched, leaky, printed, square])
def test_the_oracle_passes_the_sound_systems_that_are_sabotaged(
    make: Callable[[], CorInfoMax],
) -> None:
    """Guards against sabotages that are caught because the check always fails."""
    check_against_reference(make())
