"""Systems that somebody writes: parameters, methods and what they return are checked and named."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call, refusal
from toy_systems import IMAGES, Toy

from neurosim import CorInfoMax, Simulator
from neurosim.circuit import CycleInput, Event, Pathway, Phase, Population, Readout
from neurosim.circuit.phases import phase_lengths
from neurosim.errors import CircuitError, MethodError, NeurosimError, ParameterError
from neurosim.system import Stage, System, parameter

HERE = Path(__file__).name
RNG = np.random.default_rng(0)
X, Y = RNG.random((IMAGES, 5)), RNG.integers(0, 3, IMAGES)


def changed(**methods: Callable[..., Any]) -> Toy:
    """A toy with other methods."""
    return type("Changed", (Toy,), {"__module__": __name__, **methods})()


def trained(system: System) -> Simulator:
    """What learnt a few images, without a compiler."""
    simulator = Simulator(system, backend="runtime")
    simulator.fit(X, Y, progress=False)
    simulator.predict(X)
    return simulator


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"keep": 2.0}, r"Toy\.keep = 2\.0 is out of range; allowed: \[0, 1\]"),
        ({"sigma": "a"}, r"Toy\.sigma = 'a' is a str; give a number in \[0, inf\)"),
        ({"layers": "abc"}, r"Toy\.layers = 'abc': give at least an input and an output layer"),
        ({"layers": (5, 0)}, r"Toy\.layers = \(5, 0\)"),
        ({"batch": 0}, r"Toy\.batch = 0 is out of range"),
    ],
)
def test_a_system_checks_its_parameters_by_itself(given: dict[str, Any], words: str) -> None:
    """Guards ranges that only layered systems kept."""
    with pytest.raises(ParameterError, match=words):
        Toy(**given)


def test_parameters_are_checked_before_ones_own_look_at_them() -> None:
    """Guards a ``__post_init__`` that does not call its parent's."""

    def divide(self: Any) -> None:
        1 / self.sigma

    kind = type("Divided", (Toy,), {"__module__": __name__, "__post_init__": divide})
    with pytest.raises(ParameterError, match=r"Divided\.sigma = -1\.0 is out of range"):
        kind(sigma=-1.0)
    with pytest.raises(MethodError, match=rf"^{HERE}:\d+, divide: ZeroDivisionError: float"):
        kind(sigma=0.0)


def test_a_parameter_of_a_class_that_is_no_dataclass_is_refused() -> None:
    """Guards a declaration in the place of a number."""

    class Plain(Toy):
        mu: float = parameter(0.1, "learning rate")

    with pytest.raises(ParameterError, match=r"Plain\.mu is no parameter yet: write @dataclasses"):
        Plain()


# ------------------------------------------------------------------ what methods return


@pytest.mark.parametrize(
    ("name", "returned", "words"),
    [
        ("circuit", None, "a Circuit"),
        ("initial_weights", None, "a dict of arrays of real numbers by name"),
        ("initial_weights", {"W": [[1.0], [1.0, 2.0]]}, "a dict of arrays"),
        ("initial_weights", {"W": "abc"}, "a dict of arrays"),
        ("cycle_scalars", None, "a dict of arrays"),
        ("cycle_inputs", [1], "a dict of arrays"),
        ("evaluation_phases", {"show": "1"}, "a dict of whole numbers of steps by name"),
        ("evaluation_scalars", {"gain": None}, "a dict of finite numbers by name"),
        ("evaluation_inputs", None, "a dict of arrays"),
        ("evaluation_parameters", {1: 2.0}, "a dict of finite numbers by name"),
        ("rates", {"net.mu": np.nan}, "a dict of finite numbers by name"),
        ("rate_scale", None, "a finite number"),
        ("stages", ("images",), "a tuple of Stage"),
        ("layer_cells", "pixels", "a tuple of Layer"),
    ],
)
def test_what_a_method_returns_is_checked_and_named(name: str, returned: Any, words: str) -> None:
    """Guards tracebacks from inside neurosim for a slip in somebody's file."""

    def method(self: Any, *given: Any) -> Any:
        return returned

    with pytest.raises(MethodError, match=rf"^{HERE}:\d+, method returns .*; let it .*{words}"):
        trained(changed(**{name: method}))


#: Weights and inputs of the toy that do not fit its circuit.
MISFITS: dict[str, tuple[str, dict[str, Any], str]] = {
    "missing": ("initial_weights", {"W": np.zeros((3, 5))}, r"no 'b_1', .*let .*shape \(3,\)"),
    "unknown": ("initial_weights", {"w": np.zeros((3, 5))}, r"'w', .*did you mean 'W'\?"),
    "shape": (
        "initial_weights",
        {"W": np.zeros((5, 3)), "b_1": np.zeros(3)},
        r"'W'.*give .*\(3, 5\)",
    ),
    "nan": (
        "initial_weights",
        {"W": np.full((3, 5), np.nan), "b_1": [0, 0, 0]},
        r"'W'.*at \[0, 0\]",
    ),
    "too large": (
        "initial_weights",
        {"W": np.zeros((3, 5)), "b_1": [0, 1e300, 0]},
        r"'b_1'.*\[1\]",
    ),
    "no scalar": ("cycle_scalars", {}, r"no 'gain', .*of shape \(n,\)"),
    "another": ("cycle_scalars", {"gian": [1.0]}, r"'gian', .*did you mean 'gain'\?"),
    "few": ("cycle_scalars", {"gain": [1.0]}, r"'gain' of shape \(1,\) for 11 images"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_weights_and_scalars_that_do_not_fit_are_named(case: str) -> None:
    """Guards a divergence of learning, or a back end, that is blamed for what was drawn."""
    name, returned, words = MISFITS[case]
    with pytest.raises(CircuitError, match=rf"Changed\.{name}\(rng.*\) returns {words}"):
        trained(changed(**{name: lambda self, *given: returned}))


def test_lists_are_weights_too() -> None:
    """Guards a traceback for numbers that need no array."""
    lists = {"W": [[0.5] * 5] * 3, "b_1": [0, 0, 0]}
    simulator = Simulator(changed(initial_weights=lambda self, rng: lists), backend="runtime")
    assert simulator.weights["W"].tolist() == lists["W"]


# ------------------------------------------------------------------ exceptions


def test_an_exception_names_the_line_of_the_users_file(caplog: Any) -> None:
    """Guards a traceback in which the user's line is one of thirty."""

    def fails(numbers: list[int]) -> float:
        return 1 / len(numbers)

    def initial_weights(self: Any, rng: Any) -> Any:
        return {"W": fails([])}

    line = inspect.getsourcelines(fails)[1] + 1
    words = rf"^{HERE}:{line}, initial_weights: ZeroDivisionError: division by zero$"
    with caplog.at_level(logging.DEBUG, "neurosim"), pytest.raises(MethodError, match=words) as e:
        trained(changed(initial_weights=initial_weights))
    assert isinstance(e.value.__cause__, ZeroDivisionError)
    assert any(record.exc_info for record in caplog.records)


def test_an_exception_below_a_method_of_neurosim_names_the_users() -> None:
    """Guards a part of a layered system, which neurosim's own ``circuit`` calls."""

    class Own(CorInfoMax):
        def populations(self) -> Any:
            raise KeyError("cells")

    with pytest.raises(MethodError, match=rf"^{HERE}:\d+, populations: KeyError: 'cells'$"):
        Own().circuit()


def test_other_arguments_than_neurosim_gives_are_named() -> None:
    """Guards a method that is never entered, so that no line of it was reached."""

    @functools.cache
    def cycle_scalars(self: Any, n: int) -> Any:
        return {}

    with pytest.raises(MethodError, match=rf"^{HERE}:\d+, cycle_scalars: TypeError: .*arguments"):
        trained(changed(cycle_scalars=cycle_scalars))


def test_errors_of_neurosim_and_of_memory_go_through() -> None:
    """Guards one-line errors against a second wrapping, and the advice on memory."""
    for error in (ParameterError("too large"), MemoryError("800 GiB")):

        def circuit(self: Any, error: Exception = error) -> Any:
            raise error

        with pytest.raises(type(error), match=str(error)):
            trained(changed(circuit=circuit))


def test_a_mistake_of_neurosim_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a fault of ours that would be reported as one of the user's."""
    monkeypatch.setattr("neurosim.system.layered.Circuit", None)
    with pytest.raises(TypeError):
        CorInfoMax().circuit()


def test_wrapped_methods_keep_names_and_copies() -> None:
    """Guards pages and pickles, which know methods and systems by their names."""
    assert Toy.circuit.__doc__ == "One layer."
    assert "def circuit" in inspect.getsource(Toy.circuit)
    for other in (copy.deepcopy(Toy()), pickle.loads(pickle.dumps(Toy()))):
        assert other == Toy()


# ------------------------------------------------------------------ parts of a circuit


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Phase("show", 1.5), r"phase 'show' has steps = 1\.5: give a whole number"),
        (lambda: Phase("show", True), r"steps = True: give a whole number"),
        (lambda: Phase(None, 1), r"phase has name = None: give text"),
        (lambda: Pathway("a", "b", None), r"pathway 'a' has code = None: give text"),
        (lambda: CycleInput("x", "3"), r"cycle input 'x' has width = '3': give a whole number"),
        (lambda: Event("a", None, "onset"), r"event 'a' has condition = None: give text"),
        (lambda: Event("a", "b", ["onset"]), r"has moment = \['onset'\]: give"),
        (
            lambda: Population("a", 1, "x : 1", parameters={"mu": "a"}),
            r"population 'a' has parameters = \{'mu': 'a'\}: give a dict of numbers by name",
        ),
        (
            lambda: Population("a", 1, "x : 1", events=Event("a", "b", "onset")),
            r"events = Event\(.*: give a tuple of Event, each followed by a comma",
        ),
        (lambda: Readout("a", "b", "c", 1), r"readout 'a' has variable = 1: give text"),
        (lambda: dataclasses.replace(Toy().circuit(), dt="1"), r"has dt = '1': give a number"),
        (lambda: Stage("a", "show"), r"stage 'a' has phases = 'show': give a dict of whole num"),
        (lambda: phase_lengths(Toy().circuit(), {"show": 1.5}), r"'show' has the length 1\.5"),
    ],
)
def test_parts_hold_what_they_declare(make: Callable[[], Any], words: str) -> None:
    """Guards a wrong kind that is found where it is used, far from where it was written."""
    with pytest.raises(CircuitError, match=words):
        make()


def test_a_switch_is_no_number_of_epochs() -> None:
    """Guards True, which Python takes for 1."""
    with pytest.raises(ParameterError, match=r"epochs = True: give a whole number of 1 or more"):
        Simulator(Toy(), backend="runtime").fit(X, Y, epochs=True)


# ------------------------------------------------------------------ the command line


OWN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from toy_systems import Toy
class Broken(Toy):
    name = "broken"
    def circuit(self):
        return None
"""


def test_the_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    """Guards a traceback on the terminal; with -v it is there."""
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    assert "mine.py:7, circuit returns None; let it return a Circuit" in refusal(
        "equations", f"{file}:Broken"
    )
    file.write_text(OWN.replace("return None", "return 1/0"))
    assert refusal("equations", f"{file}:Broken").endswith(
        "mine.py:8, circuit: ZeroDivisionError: division by zero"
    )
    assert "Traceback" in call("equations", f"{file}:Broken", "-v").err
    assert issubclass(MethodError, NeurosimError)


def test_the_command_line_warns_in_one_line(tmp_path: Path) -> None:
    """Guards a warning of Python's, with a line of neurosim's code below it."""
    options = ("--batch", 100_000, "--hidden", 5, "--backend", "runtime", "--quiet")
    few = ("--dataset", "digits", "--train-images", 6, "--test-images", 4, "--epochs", 1)
    result = call("train", *few, *options, "--set", "lambda_=0.999999", "--out", tmp_path / "run")
    assert result.status == 0, result
    (line,) = result.err.splitlines()
    assert line.startswith("neurosim: batches of 100000 images are 5000 times the published 20")
    assert "(there are only 6)" in line


#: Contradictions on the command line, and how they are refused.
TOGETHER = {
    "--batch 10 --set batch=20": "--batch 10 and --set batch=20 are the same parameter; give one",
    "--event-threshold 0 --set event_threshold=1": "--event-threshold 0 and --set event_threshold",
    "--set beta=1 --set beta=2": "--set beta=1 and --set beta=2 contradict each other",
}


@pytest.mark.parametrize("options", TOGETHER)
def test_contradictions_are_refused(options: str) -> None:
    """Guards an option that is dropped in silence."""
    assert TOGETHER[options] in refusal("train", "--dataset", "digits", *options.split())


def test_hidden_layers_that_a_system_does_not_take_are_refused(tmp_path: Path) -> None:
    """Guards --hidden for a system of one layer, which would train without them."""
    file = tmp_path / "mine.py"
    preset = "Preset(hidden=(), epochs=1, parameters={}, source='here')"
    file.write_text(
        OWN.replace("import sys", "import sys\nfrom neurosim.system import Preset").replace(
            "    def circuit", f"    preset = classmethod(lambda *_: {preset})\n    def circuit"
        )
    )
    message = refusal("train", "--system", f"{file}:Broken", "--dataset", "digits", "--hidden", 30)
    assert "--hidden 30: the hidden layers of 'broken' are none; leave --hidden out" in message


def test_a_nudge_without_its_phase_is_refused(tmp_path: Path) -> None:
    """Guards a number that changes nothing, and "invalid float value"."""
    given = ("record", tmp_path, "--out", tmp_path / "a.nc", "--free-only", "--beta")
    assert "in which --beta 0.5 would act; give one of them" in refusal(*given, 0.5)
    assert "argument --beta: give a number, not 'x'" in refusal(*given, "x")
