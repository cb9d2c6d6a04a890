"""Networks that have learnt already: files that are checked, answers that are the stated ones."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call

from neurosim import Simulator, load_dataset, load_pretrained
from neurosim.errors import DataError
from neurosim.models import SYSTEMS
from neurosim.pretrained import loading, making, pretrained_networks
from neurosim.runs.interrupts import Interrupted
from neurosim.runs.settings import resolve

SHIPPED = {one.system: one for one in pretrained_networks() if one.dataset == "digits"}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the user's own."""
    monkeypatch.setattr(loading, "own_folder", lambda: tmp_path / "own")
    return tmp_path / "own"


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_comes_with_what_it_has_learnt(name: str) -> None:
    """Guards an accuracy that the noted answers do not have, and weights of other equations."""
    assert name in SHIPPED, f"neurosim pretrained --make {name} --out neurosim/pretrained"
    known, digits = SHIPPED[name], load_dataset("digits")
    answers = np.array([int(answer) for answer in known.answers])
    assert known.test_accuracy == (answers == digits.y_test).mean()
    assert known.test_accuracy > 0.85
    assert known.command == f"neurosim pretrained --make {name} --dataset digits"
    assert "data_dir" not in known.config
    simulator = load_pretrained(name, backend="runtime")
    assert type(simulator.system) is SYSTEMS[name]
    assert simulator.epoch == known.epochs == known.settings.epochs
    assert all(np.isfinite(array).all() for array in simulator.weights.values())


@pytest.mark.parametrize("name", ["ep", "corinfomax"])
def test_a_network_gives_the_noted_answers(name: str) -> None:
    """Guards weights that are not those of the noted accuracy, on another back end."""
    digits = load_dataset("digits")
    answers = load_pretrained(name, backend="runtime").predict(digits.x_test[:30])
    assert "".join(map(str, answers)) == SHIPPED[name].answers[:30]


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_every_network_reaches_its_accuracy(name: str) -> None:
    """Guards all answers, of compiled programs."""
    digits = load_dataset("digits")
    with load_pretrained(name) as simulator:
        score = simulator.score(digits.x_test, digits.y_test)
    # an image on the border may fall on either side by rounding
    assert score == pytest.approx(SHIPPED[name].test_accuracy, abs=1 / 360)


def test_damaged_files_are_refused(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(loading.SHIPPED / "digits", tmp_path / "digits")
    monkeypatch.setattr(loading, "SHIPPED", tmp_path)
    weights = tmp_path / "digits" / "ep.npz"
    data = bytearray(weights.read_bytes())
    data[200] ^= 1
    weights.write_bytes(data)
    with pytest.raises(DataError, match="checksum is not the noted one"):
        load_pretrained("ep", backend="runtime")
    weights.unlink()
    with pytest.raises(DataError, match=r"ep\.npz is damaged"):
        load_pretrained("ep", backend="runtime")
    (tmp_path / "digits" / "ep.json").write_text('{"system": "ep"}')
    with pytest.raises(DataError, match=r"ep\.json describes no network"):
        load_pretrained("ep", backend="runtime")


def test_weights_of_another_network_are_refused(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a description beside the weights of another system."""
    shutil.copytree(loading.SHIPPED / "digits", tmp_path / "digits")
    monkeypatch.setattr(loading, "SHIPPED", tmp_path)
    file = tmp_path / "digits" / "ep.json"
    known = json.loads(file.read_text())
    known["sha256"] = json.loads((tmp_path / "digits" / "csm.json").read_text())["sha256"]
    file.write_text(json.dumps(known))
    shutil.copy(tmp_path / "digits" / "csm.npz", tmp_path / "digits" / "ep.npz")
    with pytest.raises(DataError, match=r"is of another version of ep: .* make it anew: neurosim"):
        load_pretrained("ep", backend="runtime")


def test_an_absent_network_says_what_makes_it(own: Path) -> None:
    with pytest.raises(DataError, match="neurosim pretrained --make ep --dataset mnist"):
        load_pretrained("ep", "mnist")
    for names, complaint in (
        (("epp",), r"unknown system 'epp'; did you mean 'ep'\? Allowed: .*corinfomax"),
        (("foo", "mnist"), "unknown system 'foo'; allowed: .*ep"),
        (("ep", "foo"), "unknown data set 'foo'; allowed: .*digits"),
    ):
        with pytest.raises(DataError, match=complaint) as caught:
            load_pretrained(*names)
        assert "--make" not in str(caught.value)


def test_a_network_is_made_from_a_run(tmp_path: Path, own: Path) -> None:
    """Guards what is stored: rounded weights without the state of optimisers, and their answers."""
    given = {"dataset": "digits", "system": "pc", "hidden": [6], "epochs": 1,
             "test_images": 10, "backend": "runtime"}  # fmt: skip
    settings = dataclasses.replace(resolve(given), data_dir=tmp_path)
    simulator = Simulator(settings.system, backend="runtime")
    simulator.restore({name: array + 1e-6 for name, array in simulator.weights.items()}, 1, 0)
    simulator.save(tmp_path / "run")
    (tmp_path / "run" / "config.toml").write_text(settings.to_config({"git_commit": "c0ffee"}))
    made = making.store(settings, tmp_path / "run", own)
    assert made.command.endswith("--make pc --dataset digits --epochs 1")
    assert [(one.system, one.epochs) for one in pretrained_networks()].count(("pc", 1)) == 0
    # the package's own has the name; the stored file is read from its folder
    known = loading.read_pretrained(own / "digits" / "pc.json")
    assert known == made
    assert "data_dir" not in known.config
    with np.load(own / "digits" / "pc.npz") as stored:
        assert {array.dtype for array in stored.values()} == {np.dtype(np.float16)}
        assert not any(name.endswith(("_m", "_v")) for name in stored)
        assert {"W_0", "W_1", "b_0", "b_1"} == {*stored}
    assert (known.epochs, len(known.answers)) == (1, 10)
    assert known.environment == {"git_commit": "c0ffee"}


def test_the_command_lists_and_makes(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = call("pretrained").out
    assert "digits/ep: 64-100-10, 20 epochs, test accuracy" in listed
    asked: list[Any] = []

    def make(settings: Any, out: Path, runs: Path, **how: Any) -> Any:
        asked.append((settings.system.name, settings.dataset, settings.epochs, out))
        return SHIPPED["ep"]

    monkeypatch.setattr("neurosim.pretrained.make_pretrained", make)
    call("pretrained", "--make", "ep,fa", "--dataset", "mnist", "--epochs", 2, "--out", own)
    assert asked == [("ep", "mnist", 2, own), ("fa", "mnist", 2, own)]
    assert "--epochs is for networks to be made" in call("pretrained", "--epochs", 1).complaint

    def stop(*given: Any, **how: Any) -> None:
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr("neurosim.pretrained.make_pretrained", stop)
    ended = call("pretrained", "--make", "ep")
    assert (ended.status, "goes on" in ended.err) == (128 + signal.SIGTERM, True)
