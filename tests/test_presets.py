"""Settings and published results in TOML: read to the last digit, mistakes named."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from neurosim import CorInfoMax, EquilibriumPropagation
from neurosim.errors import DataError, ParameterError
from neurosim.models import SYSTEMS, CorInfoMaxSparse, CorInfoMaxSparseEnforced
from neurosim.system import Preset
from neurosim.system.presets import published_file, read_presets

EPOCHS = (1, 2, 3, 4, 5, 7, 10, 15, 16, 20, 25, 30, 40, 50)


def curves(preset: Preset) -> dict[str, Any]:
    return {curve.quantity: curve.points for curve in preset.published}


def test_published_curves_have_the_published_numbers() -> None:
    """Guards accuracies and angles, and the epochs they belong to."""
    percent = (94.02, 95.75, 96.37, 96.68, 96.99, 97.24, 97.45)
    percent += (97.56, 97.62, 97.60, 97.60, 97.63, 97.61, 97.61)
    found = curves(CorInfoMax.preset("mnist"))
    assert found["test_accuracy"] == dict(zip(EPOCHS, percent, strict=True))
    batches = (1 / 3000, 1001 / 3000, 2001 / 3000, 5.0, 10.0, 20.0, 50.0)
    degrees = (90.0, 70.3, 67.3, 67.6, 75.1, 81.3, 82.7)
    assert found["theta_1"] == dict(zip(batches, degrees, strict=True))
    sparse = curves(CorInfoMaxSparse.preset("cifar10"))
    assert (sparse["test_accuracy"][50], sparse["theta_1"][1001 / 2500]) == (51.19, 88.0)
    assert curves(EquilibriumPropagation.preset("cifar10")) == {"test_accuracy": {50: 49.28}}
    assert not CorInfoMaxSparseEnforced.preset("mnist").published


def test_rates_are_the_published_ones_divided_by_the_batch() -> None:
    """Guards the last bit of a rate, which decides whether weights are learnt alike."""
    preset = CorInfoMax.preset("mnist", (500, 500))
    assert preset.parameters["mu_ff"] == (1.1 / 20, 0.75 / 20, 0.6 / 20)
    assert preset.parameters["mu_fb"] == (0.17 / 20, 0.07 / 20)
    assert CorInfoMax.preset("fashion-mnist").parameters["tau_u"] == 1 / 0.07
    assert EquilibriumPropagation.preset("digits").parameters == {"alpha": (0.04, 0.02)}


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
@pytest.mark.parametrize("hidden", [None, (), (7,), (7, 6, 5, 4)])
def test_every_preset_makes_a_network(system: Any, hidden: tuple[int, ...] | None) -> None:
    """Guards settings of another depth, whose values per layer are interpolated."""
    for dataset in read_presets(system):
        preset = system.preset(dataset, hidden)
        made = system(layers=(9, *preset.hidden, 10), **preset.parameters)
        assert made.layers[1:-1] == (preset.hidden if hidden is None else hidden)


def test_curves_are_shown_only_for_the_published_network_and_data() -> None:
    """Guards a published curve beside a network that nobody published."""
    assert CorInfoMax.preset("mnist", (500,)).published
    assert not CorInfoMax.preset("mnist", (400,)).published
    assert not CorInfoMax.preset("kmnist").published


# ------------------------------------------------------------------ where the file is


def system_in(folder: Path, text: str | None, source: str = "") -> Any:
    """A system of a user's file, with settings beside it."""
    file = folder / "mine.py"
    file.write_text(
        "import dataclasses\nfrom typing import ClassVar\nfrom neurosim import CorInfoMax\n\n"
        "@dataclasses.dataclass(frozen=True)\nclass Mine(CorInfoMax):\n"
        f'    name: ClassVar[str] = "mine"\n{source}'
    )
    if text is not None:
        (folder / "published").mkdir()
        (folder / "published" / "mine.toml").write_text(text)
    spec = importlib.util.spec_from_file_location("mine_of_a_test", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mine_of_a_test"] = module
    spec.loader.exec_module(module)
    return module.Mine


SOUND = """
[[presets]]
dataset = "digits"
hidden = [20]
epochs = 3
source = "chosen for a test"
batch = 4
rates = { mu_ff = [0.4, 0.2], mu_fb = [0.1] }
"""


def test_a_system_in_a_file_of_ones_own_has_settings_beside_it(tmp_path: Path) -> None:
    """Guards settings that only the project's own systems could have."""
    preset = system_in(tmp_path, SOUND).preset("digits")
    assert (preset.hidden, preset.epochs, preset.source) == ((20,), 3, "chosen for a test")
    assert preset.parameters == {"batch": 4, "mu_ff": (0.1, 0.05), "mu_fb": (0.025,)}
    other = system_in(tmp_path, None).preset("mnist")
    assert other.source == "chosen for a test (none published for mnist: those of digits)"


def test_a_derived_system_without_settings_takes_those_of_its_parent(tmp_path: Path) -> None:
    """Guards a variation of a published system, which needs no file of its own."""
    assert system_in(tmp_path, None).preset("mnist") == CorInfoMax.preset("mnist")

    @dataclasses.dataclass(frozen=True)
    class Named(EquilibriumPropagation):
        name: ClassVar[str] = "typed-in"

    assert Named.preset("mnist") == EquilibriumPropagation.preset("mnist")
    assert published_file(CorInfoMaxSparseEnforced)[1] is CorInfoMaxSparseEnforced


def test_an_option_may_have_layers_and_epochs_of_its_own(tmp_path: Path) -> None:
    """Guards a network that gets the layers of another one, and layers that were asked for."""
    option = "[[presets.options]]\nwith = { g_l = 0.7 }\nhidden = [30]\nepochs = 5\n"
    system = system_in(tmp_path, SOUND + option)
    assert system.preset("digits").given({"g_l": 0.7}).hidden == (30,)
    assert system.preset("digits").given({"g_l": 0.6}).hidden == (20,)
    assert system.preset("digits", (8,)).given({"g_l": 0.7}).hidden == (8,)
    for hidden in (None, (8,), (8, 8)):
        preset = system.preset("digits", hidden)
        assert (preset.epochs, preset.given({"g_l": 0.7}).epochs) == (3, 5)
    wrong = tmp_path / "published" / "mine.toml"
    wrong.write_text(wrong.read_text().replace("[30]", "[0]"))
    with pytest.raises(ParameterError, match=r"option 1: hidden = \[0\]: give a list of layer"):
        system.preset("digits")
    wrong.write_text(wrong.read_text().replace("[0]", "[30]").replace("epochs = 5", "epochs = 0"))
    with pytest.raises(ParameterError, match="option 1: epochs = 0: give a whole number"):
        system.preset("digits")


def test_a_data_set_that_is_none_is_refused_with_the_nearest() -> None:
    """Guards a misspelt name against the settings of MNIST, which would run."""
    with pytest.raises(DataError, match=r"no data set 'digit'; did you mean 'digits'\?"):
        CorInfoMax.preset("digit")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[[presets]]", "[[preset]]", r"mine\.toml: unknown key 'preset'; did you mean 'presets'"),
        ("dataset", "datset", r"mine\.toml, preset 1: unknown key 'datset'; did you mean"),
        ("epochs = 3\n", "", r"preset 1: epochs is missing"),
        ("epochs = 3", "epochs = 0", r"preset 1: epochs = 0: give a whole number of 1 or more"),
        ("[20]", "[20.5]", r"preset 1: hidden = \[20\.5\]: give a list of layer sizes"),
        ("batch = 4", "batch = true", r"batch = True: give a whole number"),
        ("mu_fb", "mu_bf", r"preset 1, rates: Mine has no parameter 'mu_bf'; did you mean"),
        ("mu_fb = [0.1]", "beta = [0.1]", r"rates\.beta is no per-layer parameter"),
        ("[0.1]", "[0.1, 0.2]", r"preset 1: Mine\.mu_fb has 2 values, but these layers need 1"),
        ("[0.1]", '["0.1"]', r"rates\.mu_fb = \['0\.1'\]: give a list of numbers"),
        ("batch = 4", "parameters = { epsilon = 0 }", r"preset 1: Mine\.epsilon = 0\.0 is out of"),
        ("batch = 4", "parameters = { epsilom = 1 }", r"no parameter 'epsilom'; did you mean"),
        ("batch = 4", "batch = ", r"mine\.toml cannot be read: .*line 7"),
        (SOUND, "results = ''", r"presets = \[\]: write at least one \[\[presets\]\] table"),
    ],
)
def test_mistakes_in_a_file_are_named_with_file_and_key(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    """Guards a mistyped key that leaves a default in place."""
    assert old in SOUND
    with pytest.raises(ParameterError, match=words) as caught:
        system_in(tmp_path, SOUND.replace(old, new)).preset("digits")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        ("epochs = [1, 2]\nvalues = [50.0]", r"curve 1: 1 values, 2 epochs; give one rising"),
        ("epochs = [2, 1]\nvalues = [50.0, 60.0]", r"one rising epoch per value"),
        ("batches = [1, 20]\nvalues = [50.0, 60.0]", r"curve 1: epochs = None: give a list"),
        ("batches = [1]\nbatches_per_epoch = 0\nvalues = [5]", r"batches_per_epoch = 0: give a"),
        ("epochs = [1]\nvalues = [nan]", r"curve 1: values = \[nan\]: give a list of numbers"),
    ],
)
def test_curves_without_a_value_for_each_epoch_are_refused(
    tmp_path: Path, curve: str, words: str
) -> None:
    """Guards a published curve that is shifted by one point."""
    text = f'{SOUND}\n[[presets.curves]]\nquantity = "test_accuracy"\nsource = "x"\n{curve}\n'
    with pytest.raises(ParameterError, match=words):
        system_in(tmp_path, text).preset("digits")
