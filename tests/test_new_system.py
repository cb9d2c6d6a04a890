"""A new system is its file, its TOML file and its oracle; nothing else has to know of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import tomli_w

from neurosim import models
from neurosim.errors import ParameterError
from neurosim.figures import page
from neurosim.models import SYSTEMS, CorInfoMax, EquilibriumPropagation
from neurosim.system import System

ROOT = Path(__file__).resolve().parents[1]

SYSTEM = '''
"""The delta rule: one layer of linear cells, each with the target as its teacher.

Citation
--------
B. Widrow, M. E. Hoff: Adaptive switching circuits. IRE WESCON 1960, equation 1.
"""

import dataclasses
from typing import ClassVar

import numpy as np

from neurosim.circuit import (
    Circuit, CycleInput, Event, Pathway, Phase, Population, Projection, Readout, reset_action,
)
from neurosim.system import Preset, System
from neurosim.system.parameters import check_parameters, parameter

SENSORY = """
r : 1                      # pixel of the image
"""
OUTPUT = """
r = s : 1                  # eq. 1, the answer is the sum
error = y - r : 1          # eq. 1
s : 1                      # delivered sum
y : 1                      # target
"""
SYNAPSE = """
w   : 1
eta : 1 (shared, constant)
"""
#: eq. 1, weighted sum
SIGNAL = "s_post += w*r_pre"
#: eq. 1, error times input
RULE = "w += eta*error_post*r_pre"


@dataclasses.dataclass(frozen=True)
class DeltaRule(System):
    name: ClassVar[str] = "delta-rule"
    title: ClassVar[str] = "Delta rule"
    citation: ClassVar[str] = "Widrow, Hoff, IRE WESCON 1960"

    layers: tuple[int, ...] = (64, 10)
    eta: float = parameter(0.01, "learning rate per image", symbol=r"\\eta", low=0)

    def __post_init__(self):
        check_parameters(self)

    def circuit(self):
        shown = reset_action(SENSORY, r="stimulus(cycle_time, i)")
        asked = reset_action(OUTPUT, y="target(cycle_time, i)")
        sensory = (
            Event("onset", "onset", "onset", shown),
            Event("spike", "onset and r != 0", "sense", counted="graded spikes"),
            Event("learn", "end_show and learning and r != 0", "learn"),
        )
        return Circuit(
            name=self.name,
            dt=1.0,
            phases=(Phase("show", 2),),
            inputs=(CycleInput("stimulus", self.layers[0]), CycleInput("target", self.layers[1])),
            populations=(
                Population("sensory", self.layers[0], SENSORY, events=sensory, role="sensory"),
                Population(
                    "output",
                    self.layers[1],
                    OUTPUT,
                    events=(
                        Event("onset", "onset", "onset", asked),
                        Event("end_show", "end_show", "phase_end"),
                    ),
                    role="output cells",
                ),
            ),
            projections=(
                Projection(
                    "synapses",
                    "sensory",
                    "output",
                    SYNAPSE,
                    (
                        Pathway("signal", "spike", SIGNAL),
                        Pathway("plasticity", "learn", RULE, learns=True),
                    ),
                    parameters={"eta": self.eta},
                    weight="W",
                    rate="eta",
                ),
            ),
            readouts=(Readout("answer", "output", "end_show", "r"),),
            answer="answer",
        )

    def initial_weights(self, rng):
        return {"W": 0.01 * rng.normal(size=(self.layers[1], self.layers[0]))}

    def cycle_scalars(self, rng, n):
        return {}

    def evaluation_phases(self):
        return {"show": 2}

    @classmethod
    def preset(cls, dataset, hidden=None):
        return Preset((), 1, {}, "chosen here for the embedded digits")
'''

WORDS = '''
description = """
A layer of linear cells learns the target directly: error times input.
"""

[[presets]]
dataset = "digits"
hidden = []
epochs = 1
source = "chosen here for the embedded digits"
'''

ORACLE = '''
"""The delta rule in plain NumPy.

``w`` is the weight matrix, ``images`` and ``targets`` have one image per row, ``eta`` is the rate.
"""

import numpy as np

__all__ = ["train"]


def train(w, images, targets, eta):
    """Weights after one pass over the images."""
    for x, y in zip(images, targets):
        w = w + eta * np.outer(y - w @ x, x)
    return w
'''

#: What a user does with a new system; printed words are read by the test.
PROGRAM = """
import importlib.util, json, sys
from pathlib import Path
import numpy as np
import neurosim
from neurosim import DeltaRule
from neurosim.backends.interface import Chunk
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.cli import main
from neurosim.figures.page import oracle_of, render_index, render_page
from neurosim.models import SYSTEMS

assert "DeltaRule" in neurosim.__all__ and "DeltaRule" in dir(neurosim)
assert Path(neurosim.__file__).parent == Path.cwd() / "neurosim", neurosim.__file__
assert main(["systems"]) == 0
run = ["--dataset", "digits", "--backend", "runtime", "--epochs", "1", "--quiet", "--out", "run"]
few = ["--train-images", "400", "--test-images", "150"]
assert main(["train", "--system", "delta-rule", *run, *few]) == 0
print("accuracy", json.loads(Path("run/summary.json").read_text())["test_accuracy"])
assert main(["diagram", "delta-rule", "--layers", "64", "10", "--out", "circuit.svg"]) == 0

system = DeltaRule(layers=(6, 3), eta=0.1)
spec = importlib.util.spec_from_file_location("oracle", oracle_of(DeltaRule))
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)
rng = np.random.default_rng(0)
images, targets, start = rng.random((5, 6)), np.eye(3)[[0, 1, 2, 1, 0]], rng.normal(size=(3, 6))
with RuntimeBackend(system.circuit(), dtype="float64", max_cycles=5) as backend:
    inputs = {"stimulus": images, "target": targets}
    learnt = backend.run(Chunk(inputs, {"W": start}, learning=True)).weights["W"]
expected = oracle.train(start, images, targets, 0.1)
print("difference", abs(learnt - expected).max(), "moved", abs(expected - start).max())
Path("page.md").write_text(render_page(DeltaRule, Path.cwd()), encoding="utf-8")
Path("index.md").write_text(render_index(SYSTEMS), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the packages with the new system in it, and what the program printed there."""
    folder = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "neurosim", folder / "neurosim", ignore=ignored)
    shutil.copytree(ROOT / "models", folder / "neurosim" / "models", ignore=ignored)
    papers = folder / "neurosim" / "models"
    (papers / "delta_rule.py").write_text(SYSTEM, encoding="utf-8")
    (papers / "published" / "delta-rule.toml").write_text(WORDS, encoding="utf-8")
    (papers / "numpy" / "delta_rule.py").write_text(ORACLE, encoding="utf-8")
    # the copy is not what coverage is measured of
    outside = {name: text for name, text in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={**outside, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_command_line_lists_and_trains_it(tree: tuple[Path, str]) -> None:
    """Guards a list of systems somewhere that a new one would have to be entered in."""
    _, printed = tree
    assert "delta-rule: Delta rule" in printed
    (accuracy,) = (line.split()[1] for line in printed.splitlines() if line.startswith("accuracy"))
    assert float(accuracy) > 0.6


def test_its_oracle_is_found_and_agrees(tree: tuple[Path, str]) -> None:
    """Guards the way from a system's name to its oracle, and the toy itself."""
    (line,) = (line for line in tree[1].splitlines() if line.startswith("difference"))
    _, difference, _, moved = line.split()
    assert float(difference) < 1e-12 < 0.01 < float(moved)


def test_its_page_is_made_and_its_circuit_drawn(tree: tuple[Path, str]) -> None:
    """Guards pages that only know the systems of today."""
    folder, _ = tree
    assert (folder / "circuit.svg").read_bytes().startswith(b"<?xml")
    page = (folder / "page.md").read_text(encoding="utf-8")
    for words in (
        "# delta-rule: Delta rule",
        "error times input.",
        r"r &= s && \text{eq. 1, the answer is the sum}",
        r"w &\mathrel{+}= \mathrm{error}^{\mathrm{post}}\,\eta",
        "| `eta` | $\\eta$ | `0.01` | 1 | [0, inf) | learning rate per image |",
        "| `y` | $y$ | 1 | `output` | target | event `onset` |",
        "| `W` | $W$ | 10 x 64 | `synapses.w` |",
        "chosen here for the embedded digits",
        "Adaptive switching circuits",
        "models/numpy/delta_rule.py",
    ):
        assert words in page, words
    assert "| [delta-rule](delta-rule.md) |" in (folder / "index.md").read_text(encoding="utf-8")


# ------------------------------------------------------------------ mistakes in a new file


def test_a_file_that_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a traceback through the whole package for a slip in one model."""
    (tmp_path / "broken_paper.py").write_text("unknown\n")
    monkeypatch.setattr(models, "__path__", [str(tmp_path)])
    with pytest.raises(ParameterError, match=r"models/broken_paper\.py cannot be.*NameError"):
        list(models._modules())


def test_systems_are_those_a_module_defines_and_names() -> None:
    """Guards imported classes, helpers without a name, and systems that lack a method."""
    module = types.ModuleType("paper")

    class Helper(CorInfoMax):
        """No system: it has no name of its own."""

    class Paper(Helper):
        name = "paper"

    class Unfinished(System):
        name = "unfinished"
        title = "Unfinished"

    for kind in (CorInfoMax, Helper, Paper):
        setattr(module, kind.__name__, kind)
    Helper.__module__ = Paper.__module__ = Unfinished.__module__ = "paper"
    assert list(models._systems_in(module)) == [Paper]
    module.Unfinished = Unfinished  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match=r"'unfinished' in paper.*circuit.*citation"):
        list(models._systems_in(module))


def test_two_systems_of_one_name_are_refused() -> None:
    """Guards a system that takes the place of another in silence."""

    class Second(EquilibriumPropagation):
        """Has the name of its parent."""

    with pytest.raises(ParameterError, match=r"'ep'.*Second.*share a name"):
        models._by_name([EquilibriumPropagation, Second])
    assert {"corinfomax", "csm", "ep", "pc", "pc-nudge", "bp", "fa"} <= set(SYSTEMS)


@pytest.mark.parametrize("key", ["title", "parameters", "parameter"])
def test_a_variant_without_its_keys_is_refused(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the variants of a page: file and table are named."""
    (tmp_path / "published").mkdir()
    words = {"title": "A", "parameters": {}}
    words = {name: value for name, value in words.items() if name != key}
    extra = {key: 1} if key == "parameter" else {}
    text = tomli_w.dumps({"variants": [words | extra]})
    (tmp_path / "published" / "ep.toml").write_text(text)
    monkeypatch.setattr(page, "_folder", lambda system: tmp_path)
    with pytest.raises(ParameterError, match=r"ep\.toml, variant 1: give title and parameters"):
        page.variants_of(EquilibriumPropagation)
    (tmp_path / "published" / "ep.toml").write_text("title = ")
    with pytest.raises(ParameterError, match=r"ep\.toml cannot be read"):
        page.variants_of(EquilibriumPropagation)
