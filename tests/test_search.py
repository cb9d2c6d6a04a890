"""``neurosim search``: what is varied, what is looked at, and a study that goes on."""

from __future__ import annotations

import dataclasses
import importlib.util
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call, refusal

from neurosim import CorInfoMax, EquilibriumPropagation, load_dataset
from neurosim.backends import backend_class
from neurosim.errors import (
    BuildError,
    DivergenceError,
    NeurosimError,
    ParameterError,
    RunFolderError,
)
from neurosim.models import SYSTEMS
from neurosim.runs.interrupts import Interrupted
from neurosim.runs.settings import read_config_file, resolve
from neurosim.search import SearchPlan, dimensions, search, split_training
from neurosim.search import study as module
from neurosim.search.figures import draw_history, write_figures
from neurosim.search.space import parameters_of
from neurosim.search.trials import validation_accuracies

SMALL: dict[str, Any] = {
    "dataset": "digits",
    "hidden": [5],
    "epochs": 3,
    "train_images": 60,
    "backend": "runtime",
}


def small_plan(*vary: str, **given: Any) -> SearchPlan:
    settings = resolve({**SMALL, "system": "ep", **given})
    return SearchPlan(settings, dimensions(settings.system, vary), 20)


# ------------------------------------------------------------------ what is varied


def test_rates_per_layer_are_varied_unless_something_else_is_said() -> None:
    system = CorInfoMax(layers=(4, 3, 2), mu_ff=(0.1, 0.07), mu_fb=(0.015,))
    found = {d.name: d for d in dimensions(system)}
    assert {*found} == {"mu_ff.0", "mu_ff.1", "mu_fb.0"}
    assert (found["mu_ff.1"].low, found["mu_ff.1"].high) == pytest.approx((0.0175, 0.28))
    assert all(d.logarithmic for d in found.values())
    (epsilon,) = dimensions(system, ["epsilon=0.1:0.3"])
    assert (epsilon.low, epsilon.high, epsilon.parameter) == (0.1, 0.3, "epsilon")
    (loss,) = dimensions(SYSTEMS["bp"](), ["loss=mse,ce"])
    assert loss.choices == ("mse", "ce")
    assert loss.allows("ce")
    assert not loss.allows("sse")
    (batch,) = dimensions(system, ["batch=5,10"])
    assert batch.choices == (5, 10)


def test_values_of_a_trial_become_parameters() -> None:
    """Guards rates that land in another layer's place."""
    system = CorInfoMax(layers=(4, 3, 2), mu_ff=(0.1, 0.07), mu_fb=(0.015,))
    found = parameters_of(system, {"mu_ff.1": 0.5, "mu_ff.0": 0.4, "epsilon": 0.2})
    assert found == {"mu_ff": (0.4, 0.5), "epsilon": 0.2}
    assert parameters_of(system, {"mu_ff.1": 0.5}) == {"mu_ff": (0.1, 0.5)}


@pytest.mark.parametrize(
    ("vary", "complaint"),
    [
        ("alhpa", "did you mean 'alpha'"),
        ("alpha=1:0.1", "lower bound comes first"),
        ("alpha=1:2:3", "write NAME=LOW:HIGH"),
        ("alpha=", "nothing is given after =; .* or alpha alone"),
        ("alpha=-1:1", "out of"),
        ("alpha=a,b", "is no number"),
        ("decay=2,3", "out of"),
    ],
)
def test_mistakes_in_what_to_vary_are_named(vary: str, complaint: str) -> None:
    with pytest.raises(ParameterError, match=complaint):
        dimensions(EquilibriumPropagation(), [vary])


def test_nothing_to_vary_is_said() -> None:
    with pytest.raises(ParameterError, match="bp has no rates per layer; say what to vary"):
        dimensions(SYSTEMS["bp"]())
    with pytest.raises(ParameterError, match="one is given twice"):
        dimensions(EquilibriumPropagation(), ["alpha", "alpha=0.1:1"])


# ------------------------------------------------------------------ what is looked at


def test_the_split_is_of_the_training_images_alone() -> None:
    """Guards test images among those that settings are chosen by, and images on both sides."""
    digits = load_dataset("digits")
    # each image is known by its number
    numbered = dataclasses.replace(
        digits,
        x_train=np.arange(1437, dtype=np.float32)[:, None] * np.ones((1, 64), np.float32),
        x_test=np.full_like(digits.x_test, 5000),
    )
    split = split_training(numbered, 400)
    learnt, held = split.x[:, 0].astype(int), split.x_held[:, 0].astype(int)
    assert sorted([*learnt, *held]) == list(range(1437))
    assert len(held) == 400
    np.testing.assert_array_equal(split.y_held, digits.y_train[held])
    np.testing.assert_array_equal(split.y, digits.y_train[learnt])
    np.testing.assert_array_equal(split_training(numbered, 400).x_held, split.x_held)
    assert len(split_training(numbered).x_held) == 239
    for held_out in (0, 1437):
        with pytest.raises(ParameterError, match=f"--validation {held_out}"):
            split_training(numbered, held_out)


def test_a_trial_is_judged_by_the_images_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards an accuracy of the images learnt, and an interrupt that waits for the end."""
    judged = []

    def learn(self: Any, x: Any, targets: Any) -> Iterator[None]:
        judged.append(("learnt", x, targets.argmax(axis=1)))
        self.epoch += 1
        yield

    def score(self: Any, x: Any, y: Any) -> float:
        judged.append(("held", x, y))
        return 0.25 * self.epoch

    monkeypatch.setattr("neurosim.learning.simulator.Simulator.train_epoch", learn)
    monkeypatch.setattr("neurosim.learning.simulator.Simulator.score", score)
    settings = resolve({**SMALL, "system": "ep", "epochs": 2})
    split = split_training(settings.load_data(), 20)
    assert list(validation_accuracies(settings, split, [])) == [0.25, 0.5]
    assert [kind for kind, *_ in judged] == ["learnt", "held"] * 2
    for kind, x, y in judged:
        images, classes = {"learnt": (split.x, split.y), "held": (split.x_held, split.y_held)}[kind]
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, classes)
    with pytest.raises(Interrupted):
        next(validation_accuracies(settings, split, [signal.SIGINT]))


def test_a_trial_that_diverges_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = resolve({**SMALL, "system": "ep"})

    def diverge(*given: Any) -> Iterator[None]:
        raise DivergenceError("weights grew")
        yield

    monkeypatch.setattr("neurosim.learning.simulator.Simulator.train_epoch", diverge)
    assert list(validation_accuracies(settings, split_training(settings.load_data()), [])) == []


# ------------------------------------------------------------------ the study

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="needs the extra search"
)


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Trials without training: best at a rate of 0.05; the rates tried, in order."""
    tried: list[float] = []

    def accuracies(settings: Any, *given: Any) -> Generator[float, None, None]:
        rate = settings.system.alpha[0]
        tried.append(rate)
        for epoch in (1, 2, 3):
            yield max(0.0, 0.9 - abs(np.log(rate / 0.05)) / 3) * (0.8 + 0.05 * epoch)

    monkeypatch.setattr(module, "validation_accuracies", accuracies)
    return tried


@needs_optuna
def test_a_search_begins_with_the_preset_and_improves_on_it(
    course: list[float], tmp_path: Path
) -> None:
    plan = small_plan("alpha=0.001:1", parameters={"alpha": (0.005, 0.005)})
    found = search(plan, tmp_path, trials=15)
    assert course[0] == 0.005
    assert found["first"]["number"] == 0
    assert found["best"]["validation_accuracy"] > found["first"]["validation_accuracy"] + 10
    assert any(trial["state"] == "pruned" for trial in found["trials"])
    # a pruned trial has seen fewer epochs
    assert all((len(t["epochs"]) < 3) == (t["state"] == "pruned") for t in found["trials"])
    assert set(found["importances"]) == {"alpha.0", "alpha.1"}
    assert sum(found["importances"].values()) == pytest.approx(1)
    best = resolve({}, read_config_file(tmp_path / "best.toml"))
    assert best == plan.with_values(found["best"]["values"])
    assert [p.name for p in write_figures(found, tmp_path)] == ["history.png", "importance.png"]
    (axes,) = draw_history(found).axes
    assert max(axes.get_lines()[0].get_ydata()) == found["best"]["validation_accuracy"]


@needs_optuna
def test_a_search_goes_on_and_counts_what_was_done(course: list[float], tmp_path: Path) -> None:
    """Guards trials made twice, and a study gone on with other settings."""
    search(small_plan("alpha=0.001:1"), tmp_path, trials=3)
    again = search(small_plan("alpha=0.001:1"), tmp_path, trials=5)
    assert len(course) == 5
    assert len(set(course)) == 5
    assert [trial["number"] for trial in again["trials"]] == [0, 1, 2, 3, 4]
    assert search(small_plan("alpha=0.001:1"), tmp_path, trials=4)["best"] == again["best"]
    assert len(course) == 5
    with pytest.raises(RunFolderError, match="is one of other settings"):
        search(small_plan("alpha=0.001:1", epochs=2), tmp_path, trials=6)
    with pytest.raises(ParameterError, match="--trials 0"):
        search(small_plan(), tmp_path, trials=0)
    with pytest.raises(RunFolderError, match="cannot open the study nowhere"):
        search(small_plan(), tmp_path, trials=1, storage="nowhere:///x")


@needs_optuna
def test_an_interrupted_trial_is_begun_anew(
    tmp_path: Path, course: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a trial that is lost, or counted although it never ended."""
    whole = module.validation_accuracies
    rates = []

    def stop(
        settings: Any, split: Any, caught: list[int], threads: Any
    ) -> Generator[float, None, None]:
        rates.append(settings.system.alpha)
        yield 0.5
        raise Interrupted(signal.SIGTERM)

    plan = small_plan("alpha=0.001:1")
    search(plan, tmp_path, trials=1)
    monkeypatch.setattr(module, "validation_accuracies", stop)
    with pytest.raises(Interrupted):
        search(plan, tmp_path, trials=2)
    monkeypatch.setattr(module, "validation_accuracies", whole)
    done = search(plan, tmp_path, trials=2)
    states = [trial["state"] for trial in done["trials"]]
    assert states == ["complete", "fail", "complete"]
    assert course[1] == rates[0][0]


@needs_optuna
def test_the_mean_over_seeds_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards seeds that are all the same, and one that diverges unseen."""
    shares = {3: [0.2, 0.5, 0.8], 4: [0.4, 0.7, 0.6]}

    def accuracies(settings: Any, *given: Any) -> Generator[float, None, None]:
        yield from shares[settings.seed]

    monkeypatch.setattr(module, "validation_accuracies", accuracies)
    plan = dataclasses.replace(small_plan(seed=3), seeds=2)
    (trial,) = search(plan, tmp_path / "a", trials=1)["trials"]
    assert list(trial["epochs"].values()) == pytest.approx([30, 60, 70])
    shares[4] = [0.4]
    with pytest.raises(NeurosimError, match="none of 1 trials learnt, the first one diverged"):
        search(plan, tmp_path / "b", trials=1)


@needs_optuna
def test_settings_that_a_system_refuses_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a search that ends at the first unstable step."""
    course = (0.4, 0.5, 0.6)
    monkeypatch.setattr(module, "validation_accuracies", lambda *given: (s for s in course))
    settings = resolve({**SMALL, "system": "corinfomax"})
    plan = SearchPlan(settings, dimensions(settings.system, ["tau_u=0.5,20"]), 20)
    with pytest.raises(ParameterError, match="unstable"):
        plan.with_values({"tau_u": 0.5})
    found = search(plan, tmp_path, trials=6)
    reached = {t["values"]["tau_u"]: t["validation_accuracy"] for t in found["trials"]}
    assert reached == {0.5: 0.0, 20.0: 60.0}


@needs_optuna
def test_a_search_of_failures_crowns_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards settings called best with which nothing was learnt."""
    monkeypatch.setattr(module, "validation_accuracies", lambda *given: (s for s in (0.9, 0.8)))
    caplog.set_level("INFO", logger="neurosim")
    with pytest.raises(NeurosimError, match=r"none of 2 trials learnt, .* in epoch 3; vary other"):
        search(small_plan("alpha=0.001:1"), tmp_path, trials=2)
    assert "trial 0: diverged, or had a dead output, in epoch 3; it counts as 0 %" in caplog.text
    assert not (tmp_path / "best.toml").exists()


@needs_optuna
def test_what_no_trial_can_take_is_refused_before_the_first(
    tmp_path: Path, course: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a study of refusals, which the corrected command would be refused for."""

    def refuse() -> None:
        raise BuildError("install it")

    words = ["search", "--dataset", "digits", "--system", "ep", "--epochs", 3, "--out", tmp_path]
    assert "threads = 0" in refusal(*words, "--threads", 0)
    assert "--validation 0" in refusal(*words, "--validation", 0)
    with monkeypatch.context() as patch:
        patch.setattr(backend_class("runtime"), "check_machine", refuse)
        assert "install it" in refusal(*words, "--backend", "runtime")
    assert course == []
    assert call(*words, "--trials", 1).status == 0


@needs_optuna
def test_an_interrupt_brings_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards the warning by which Optuna tells of a trial that ended in an error."""
    import optuna

    def stop(*given: Any) -> Generator[float, None, None]:
        raise Interrupted(signal.SIGINT)
        yield

    monkeypatch.setattr(module, "validation_accuracies", stop)
    optuna.logging.enable_propagation()
    try:
        with pytest.raises(Interrupted):
            search(small_plan(), tmp_path, trials=1)
    finally:
        optuna.logging.disable_propagation()
    assert not [record for record in caplog.records if record.name.startswith("optuna")]


def test_the_command_says_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    complaint = call("search", "--dataset", "digits").complaint
    assert complaint == (
        "neurosim: neurosim search needs the package optuna, which is not installed; install it "
        "by pip install -e '.[search]' in the folder of this repository"
    )


@needs_optuna
def test_the_command_reports_and_goes_on(
    course: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["search", "--system", "ep", "--dataset", "digits", "--out", tmp_path / "s"]
    words += ["--epochs", 3]
    said = call(*words, "--trials", 2, "--vary", "alpha=0.001:1").out
    assert "first trial, 0:" in said
    assert "best trial, " in said
    assert "neurosim train --config" in said
    assert (tmp_path / "s" / "history.png").stat().st_size > 5000

    def stop(*given: Any, **how: Any) -> None:
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr("neurosim.search.search", stop)
    ended = call(*words)
    assert (ended.status, "goes on" in ended.err) == (130, True)
