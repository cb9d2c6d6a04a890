"""Brian2's objects on the runtime back end, and weights as labelled arrays."""

from __future__ import annotations

from typing import Any

import brian2 as b2
import numpy as np
import pytest

from neurosim import ContrastiveSimilarityMatching, CorInfoMax, Simulator
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.errors import BuildError

X, Y = np.eye(4), np.array([0, 1, 0, 1])


def simulator() -> tuple[Simulator, RuntimeBackend]:
    """A small network inside Python, with its back end."""
    made = Simulator(CorInfoMax(layers=(4, 3, 2)), backend="runtime")
    backend = made.backend
    assert isinstance(backend, RuntimeBackend)
    return made, backend


def weights_of(built: Any) -> Any:
    """A monitor of all synapses from the input."""
    return b2.StateMonitor(built.synapses["ff_0"], "w", record=True, when="end", order=100)


def test_a_monitor_of_ones_own_sees_weights_change() -> None:
    """The last values recorded are the weights that learning leaves; results do not change."""
    made, backend = simulator()
    backend.add("w", weights_of)
    made.fit(X, Y, progress=False)
    monitor, synapses = backend.added["w"], backend.built.synapses["ff_0"]
    assert monitor.w.shape == (12, 4 * 40)
    last = np.zeros((3, 4), dtype=np.float32)
    last[synapses.j[:], synapses.i[:]] = monitor.w[:, -1]
    np.testing.assert_array_equal(last, made.weights["W_ff_0"])
    plain, _ = simulator()
    plain.fit(X, Y, progress=False)
    np.testing.assert_array_equal(last, plain.weights["W_ff_0"])
    made.fit(X, Y, progress=False)
    assert monitor.w.shape == (12, 8 * 40)


def test_what_was_added_is_made_again_with_the_network() -> None:
    """Guards a monitor that stays empty after an interrupt."""
    made, backend = simulator()
    backend.add("w", weights_of)
    first = backend.added["w"]
    # as an interrupt within a step leaves it
    backend._usable = False
    made.fit(X, Y, progress=False)
    assert backend.added["w"] is not first
    assert backend.added["w"].w.shape == (12, 160)


def test_mistakes_with_added_objects_are_named() -> None:
    """Guards objects that are lost or never run."""
    made, backend = simulator()
    with pytest.raises(BuildError, match="is a int; give a function"):
        backend.add("w", lambda _: 3)
    backend.add("w", weights_of)
    with pytest.raises(BuildError, match="'w' already"):
        backend.add("w", weights_of)
    made.close()
    with pytest.raises(BuildError, match="closed"):
        backend.add("v", weights_of)
    with pytest.raises(BuildError, match="closed"):
        assert backend.built


def test_weights_are_labelled_by_populations() -> None:
    """Rows receive, columns send; a layer that sends to itself has two names."""
    made = Simulator(CorInfoMax(layers=(4, 3, 2)), backend="runtime")
    labelled = made.labelled_weights()
    assert labelled["W_ff_0"].dims == ("pyramidal_1", "sensory")
    assert labelled["W_fb_1"].dims == ("pyramidal_1", "pyramidal_2")
    assert labelled["W_ff_0"].attrs["projections"] == "ff_0: sensory -> pyramidal_1"
    np.testing.assert_array_equal(labelled["B_2"], made.weights["B_2"])
    labelled["W_ff_0"][:] = 7
    assert (made.weights["W_ff_0"] != 7).all()
    lateral = Simulator(ContrastiveSimilarityMatching(layers=(4, 3, 2)), backend="runtime")
    names = {array.dims for array in lateral.labelled_weights().values()}
    assert ("layer_1", "layer_1_sending") in names
