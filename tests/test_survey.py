"""``neurosim backends``: which back end runs which system here, and why not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kernels import KERNEL_SYSTEMS, learning_at_once, small

from neurosim.backends import BACKENDS, accepting, survey
from neurosim.backends.cpp import backend as cpp_backend
from neurosim.backends.cuda import backend as cuda_backend
from neurosim.backends.cuda import device as cuda_device
from neurosim.backends.cuda import nvrtc
from neurosim.cli import main
from neurosim.errors import BuildError
from neurosim.models import SYSTEMS

CIRCUIT = small("ep").circuit()


def refuse(*arguments: Any) -> Any:
    raise BuildError("nothing here: mend it")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (cuda_backend, cuda_device):
        monkeypatch.setattr(place, "open_gpu", refuse)


@pytest.mark.usefixtures("no_gpu")
def test_a_verdict_says_what_is_missing_and_what_will_never_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards a table that promises what a run then refuses, or the other way round."""
    assert survey.judge("runtime", CIRCUIT) == survey.Verdict("runs")
    assert survey.judge("cuda", CIRCUIT) == survey.Verdict("not here", "nothing here: mend it")
    never = survey.judge("cuda", learning_at_once(CIRCUIT))
    assert never.word == "refused"
    assert "changes its weights at once" in never.reason
    monkeypatch.setattr(cpp_backend, "find_compiler", refuse)
    assert survey.judge("cpp", CIRCUIT).word == "not here"
    monkeypatch.setattr(cuda_backend, "open_gpu", lambda: None)
    assert survey.judge("cuda", CIRCUIT) == survey.Verdict("runs")


def test_back_ends_that_accept_a_circuit() -> None:
    """Guards a back end that `neurosim systems` names and that never runs the system."""
    assert accepting(CIRCUIT) == list(BACKENDS)
    assert accepting(learning_at_once(CIRCUIT)) == ["cpp", "runtime"]


@pytest.mark.usefixtures("no_gpu")
def test_the_table_has_a_line_for_every_system(capsys: pytest.CaptureFixture[str]) -> None:
    """Guards a system that is forgotten, and a reason that is told once for each of them."""
    assert main(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["system", *BACKENDS]
    rows = dict(line.split(maxsplit=1) for line in lines[1 : len(SYSTEMS) + 1])
    assert set(rows) == set(SYSTEMS)
    assert {name for name, row in rows.items() if "refused" in row} == {
        "phsic",
        "reciprocal-feedback",
    }
    assert all("not here" in rows[name] for name in KERNEL_SYSTEMS)
    assert all(row.endswith("runs") for row in rows.values())
    assert lines.count("cuda: nothing here: mend it") == 1
    assert "  GPU: nothing here: mend it" in lines
    assert any(line.startswith("  Brian2: brian2 2") for line in lines)


def test_kernels_are_compiled_for_several_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a compilation that stops at the first card that it fails for."""

    def compile_(source: str, architecture: int) -> bytes:
        assert "__global__" in source
        return refuse() if architecture == 80 else b""

    monkeypatch.setattr(nvrtc, "find_nvrtc", lambda: SimpleNamespace(compile=compile_))
    assert list(survey.compiles(CIRCUIT)) == [(75, ""), (80, "nothing here: mend it"), (90, "")]


def test_explain_says_how_kernels_deliver_and_learn_without_a_gpu(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Guards an explanation that needs the card it explains, or takes kernels for Python."""
    arguments = ["explain", "--system", "ep", "--dataset", "digits", "--hidden", "5"]
    assert main([*arguments, "--backend", "cuda"]) == 0
    text = capsys.readouterr().out
    assert "dense rows, shared by a block" in text
    assert "dense rows, gathers for a commit, in tiles" in text
    assert "in this process" not in text
