"""A system in a file of the user: trained, resumed, loaded; and what may be wrong with it."""

from __future__ import annotations

import pickle
import re
import sys
import tomllib
from pathlib import Path

import pytest
from command_line import assert_same_weights, call, refusal, run

from neurosim import CorInfoMax, Simulator
from neurosim.circuit import Circuit
from neurosim.errors import CircuitError, ParameterError
from neurosim.learning.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from neurosim.learning.named_systems import reference_of, system_named
from neurosim.models import SYSTEMS

RULE = """
import dataclasses
from typing import ClassVar

from neurosim import CorInfoMax
from neurosim.system.parameters import parameter


@dataclasses.dataclass(frozen=True)
class Slower(CorInfoMax):
    name: ClassVar[str] = "corinfomax-slower"

    brake: float = parameter(1.0, "factor of the learning rates", low=0)

    def rates(self, epoch):
        return {name: rate * self.brake for name, rate in super().rates(epoch).items()}
"""

FEW = ("--dataset", "digits", "--hidden", "5", "--train-images", "6", "--test-images", "4")
RUNTIME = (*FEW, "--backend", "runtime", "--quiet")


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    file = tmp_path / "my rules.py"
    file.write_text(RULE)
    return file


def test_a_class_in_a_file_is_found_once(rule: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards two classes of one name, which no comparison of settings would call the same."""
    found = system_named(f"{rule}:Slower")
    assert issubclass(found, CorInfoMax)
    monkeypatch.chdir(rule.parent)
    assert system_named("my rules.py:Slower") is found
    assert reference_of(found()) == f"{rule}:Slower"
    assert reference_of(CorInfoMax()) == "corinfomax"
    # a changed file is another class
    rule.write_text(RULE.replace("brake: float", "stop: float").replace("self.brake", "self.stop"))
    assert hasattr(system_named(f"{rule}:Slower"), "stop")


def test_a_system_of_ones_own_is_written_and_drawn(rule: Path, tmp_path: Path) -> None:
    """Guards pages and pictures that only neurosim's own systems can have."""
    written = call("equations", f"{rule}:Slower")
    assert (written.status, written.out) == (0, call("equations", "corinfomax").out)
    drawn = call("diagram", f"{rule}:Slower", "--layers", 4, 3, 2, "--out", tmp_path / "own.svg")
    assert drawn.status == 0
    assert "pyramidal" in (tmp_path / "own.svg").read_text()
    for command in ("equations", "diagram"):
        assert "did you mean 'Slower'" in refusal(command, f"{rule}:Sower")


def test_a_system_of_ones_own_is_trained_resumed_and_loaded(rule: Path, tmp_path: Path) -> None:
    """Guards a run folder that only the program that made it can read."""
    reference = f"{rule}:Slower"
    # the compiled program is that of other tests: rates are no part of it
    few = ("--dataset", "digits", "--hidden", "20", "--train-images", "6", "--test-images", "4")
    options = ("--system", reference, "--set", "brake=0.5", *few, "--quiet")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert call("train", *options, "--epochs", 2, "--out", whole).status == 0
    assert call("train", *options, "--epochs", 1, "--out", parts).status == 0
    assert tomllib.loads((parts / "config.toml").read_text())["system"] == reference
    # another process, in another folder
    done = run("train", "--resume", parts, "--epochs", 2, "--quiet", cwd=tmp_path)
    assert done.status == 0, done.err
    assert_same_weights(parts, whole)
    simulator = Simulator.load(whole, backend="runtime")
    assert type(simulator.system).__name__ == "Slower"
    assert simulator.system.brake == 0.5


#: The same system with a circuit of its own, for a change of its equations.
REWIRED = f"""{RULE}
    def circuit(self):
        circuit = super().circuit()
        old = circuit.projection("ff_0")
        commit = old.commit + "; w = clip(w, -9, 9)"
        return circuit.replacing(dataclasses.replace(old, commit=commit))
"""


def test_equations_that_changed_since_are_not_trained_on(rule: Path, tmp_path: Path) -> None:
    """Guards a run whose first and last epochs learnt by different rules."""
    rule.write_text(REWIRED)
    run_folder = tmp_path / "run"
    options = ("--system", f"{rule}:Slower", *RUNTIME)
    assert call("train", *options, "--epochs", 1, "--out", run_folder).status == 0
    before = (run_folder / "checkpoint.npz").read_bytes()
    # a remark is no change of the equations
    rule.write_text(f"# thought over\n{REWIRED}")
    assert call("train", "--resume", run_folder, "--epochs", 1, "--quiet").status == 0
    rule.write_text(REWIRED.replace("-9, 9", "-2, 2"))
    message = refusal("train", "--resume", run_folder, "--epochs", 2)
    assert f"the equations of {rule}:Slower are not those that the run in" in message
    assert "put them back, or start a new run" in message
    assert (run_folder / "checkpoint.npz").read_bytes() == before
    with pytest.warns(UserWarning, match="equations of .*Slower are not those"):
        Simulator.load(run_folder, backend="runtime")


def test_a_checkpoint_without_the_digest_of_today_is_resumed(tmp_path: Path) -> None:
    """Guards runs of neurosim 0.1.0, which nobody could lengthen any more."""
    run_folder = tmp_path / "run"
    options = ("--system", "corinfomax", *RUNTIME)
    assert call("train", *options, "--epochs", 1, "--out", run_folder).status == 0
    saved, _ = load_checkpoint(run_folder)
    older = {name: value for name, value in saved.state.items() if name != "equations"}
    save_checkpoint(run_folder, Checkpoint(saved.arrays, {**older, "circuit": 64 * "0"}))
    resumed = call("train", "--resume", run_folder, "--epochs", 2)
    assert resumed.status == 0
    assert "older neurosim: its equations cannot be compared" in resumed.err


def test_a_class_of_another_module_has_a_reference_that_names_no_other(rule: Path) -> None:
    """Guards a class that is found, under the name it inherits, as its parent."""
    found = system_named(f"{rule}:Slower")
    child = type("Child", (found,), {"__module__": "notebook"})
    assert reference_of(child()) == "notebook:Child"
    with pytest.raises(ParameterError, match=r"no file .*notebook; .*system=Child"):
        system_named("notebook:Child")
    # a file that imports one of neurosim's own does not rename it
    assert system_named(f"{rule}:CorInfoMax") is CorInfoMax
    assert reference_of(CorInfoMax()) == "corinfomax"


CLASHING = RULE.replace("corinfomax-slower", "corinfomax")
UNNAMED = RULE.replace("corinfomax-slower", "My Rule")
BARE = """
from neurosim.system import System
class Bare(System):
    name = "bare"
"""


@pytest.mark.parametrize(
    ("content", "reference", "words"),
    [
        (RULE, "{file}:Slow", r"no system of that name there; did you mean 'Slower'\?"),
        (RULE, "{file}", r"name its class, too"),
        (RULE, "{file}x:Slower", r"there is no file"),
        (CLASHING, "{file}:Slower", r"is called 'corinfomax', as one of neurosim's own"),
        (UNNAMED, "{file}:Slower", r"is called 'My Rule'; use small letters"),
        (BARE, "{file}:Bare", r"is not complete: it lacks .*circuit.*title, citation"),
        ("1/0", "{file}:Slower", r"rules\.py:1 cannot be run: ZeroDivisionError: division by zero"),
        ("\ndef", "{file}:Slower", r"rules\.py:2 cannot be run: SyntaxError"),
        ("raise SystemExit(3)", "{file}:Slower", r"rules\.py:1 cannot be run: SystemExit: 3$"),
        ("", "{file}:Slower", r"no system of that name there; there are none$"),
        ("import absent_module", "{file}:Slower", r"cannot be run: ModuleNotFoundError"),
    ],
)
def test_files_that_hold_no_usable_system_are_refused_in_one_line(
    content: str, reference: str, words: str, tmp_path: Path
) -> None:
    """Guards a traceback from somebody's file, or a system trained in place of the one meant."""
    file = tmp_path / "rules.py"
    file.write_text(content)
    message = refusal("train", "--system", reference.format(file=file), *FEW)
    assert re.search(words, message), message
    assert str(tmp_path) in message


def test_a_file_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    """Guards files in several parts, and two folders whose parts have the same names."""
    path = list(sys.path)
    for brake in ("0.5", "0.25"):
        folder = tmp_path / brake
        folder.mkdir()
        (folder / "beside.py").write_text(RULE.replace("1.0", brake))
        file = folder / "rules.py"
        file.write_text("from beside import Slower\nclass Own(Slower):\n    name = 'own'\n")
        found = system_named(f"{file}:Own")
        assert found().brake == float(brake)
        assert pickle.loads(pickle.dumps(found())) == found()
        assert reference_of(found()) == f"{file}:Own"
    assert sys.path == path


def test_a_file_that_is_no_python_file_is_refused(tmp_path: Path) -> None:
    """Guards a text file run as a program."""
    file = tmp_path / "rules.txt"
    file.write_text(RULE)
    with pytest.raises(ParameterError, match=r"must end in \.py"):
        system_named(f"{file}:Slower")


# ------------------------------------------------------------------ changing a circuit


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=lambda system: system.name)
def test_parts_are_replaced_by_name_and_added_at_the_end(system: type) -> None:
    """Guards a part that is put beside the old one, or in another place."""
    circuit: Circuit = system().circuit()
    parts = (*circuit.populations, *circuit.projections, *circuit.weights)
    assert circuit.replacing(*reversed(parts)) == circuit
    assert circuit.replacing(name="other").name == "other"
    kept = circuit.projections[0]
    assert kept.with_pathway(kept.pathways[-1]) == kept


def test_what_has_no_name_to_replace_by_is_refused() -> None:
    """Guards a phase that is silently left as it was."""
    circuit = CorInfoMax().circuit()
    with pytest.raises(CircuitError, match="no part of type Phase"):
        circuit.replacing(circuit.phases[0])  # type: ignore[arg-type]
