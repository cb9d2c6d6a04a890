"""Settings: which source wins, what a configuration file may hold, and that it says it all."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from command_line import refusal
from hypothesis import given, settings

from neurosim.backends import BACKENDS, DTYPES
from neurosim.cli import build_parser
from neurosim.data import DATASETS, READING_OPTIONS
from neurosim.errors import DataError, NeurosimError, ParameterError
from neurosim.models import SYSTEMS
from neurosim.runs.settings import RUN_DEFAULTS, RunSettings, read_config_file, resolve
from neurosim.system.parameters import describe_parameters

# Which source wins ------------------------------------------------------------------------------


def test_command_line_beats_file_beats_preset_beats_default() -> None:
    """Guards a setting that is taken from the wrong one of its four sources."""
    default = resolve({"dataset": "cifar10"})
    preset = resolve({"dataset": "digits"})
    file = {"dataset": "digits", "seed": 5, "parameters": {"epsilon": 0.4, "g_l": 0.6}}
    from_file = resolve({}, file)
    both = resolve({"seed": 7, "parameters": {"epsilon": "0.5"}}, file)
    assert (default.seed, default.system.epsilon) == (0, 0.15)
    assert (preset.seed, preset.system.epsilon) == (0, 0.3)
    assert (from_file.seed, from_file.system.epsilon, from_file.system.g_l) == (5, 0.4, 0.6)
    assert (both.seed, both.system.epsilon, both.system.g_l) == (7, 0.5, 0.6)


def test_a_given_zero_beats_the_file() -> None:
    """Guards 0 and False being taken for 'not given'."""
    file = {"seed": 5, "parameters": {"event_threshold": 0.5, "random_sign": True}}
    given_zero = resolve({"seed": 0, "parameters": {"event_threshold": 0.0}}, file)
    assert given_zero.seed == 0
    assert given_zero.system.event_threshold == 0
    assert resolve({"parameters": {"random_sign": "false"}}, file).system.random_sign is False


def test_the_data_set_decides_epochs_and_hidden_layers() -> None:
    """Guards the preset of one data set being used for another."""
    for name, info in DATASETS.items():
        resolved = resolve({"dataset": name})
        preset = type(resolved.system).preset(name)
        assert resolved.system.layers == (info.n_inputs, *preset.hidden, info.n_classes)
        assert resolved.epochs == preset.epochs
        assert resolved.preset == preset.source


def test_other_hidden_layers_bring_rates_of_their_number() -> None:
    """Guards a depth for which no rates were published ending in an error."""
    for depth in range(5):
        system = resolve({"dataset": "digits", "hidden": (12,) * depth}).system
        assert system.layers == (64, *(12,) * depth, 10)
        assert len(system.mu_ff) == depth + 1
        assert len(system.mu_fb) == depth


def test_every_run_setting_has_an_option() -> None:
    """Guards a setting that files know and the command line does not."""
    options = vars(build_parser().parse_args(["train"]))
    assert set(RUN_DEFAULTS) <= set(options)
    # a default of its own would beat the file
    assert all(options[name] is None for name in RUN_DEFAULTS)


def test_images_per_epoch_of_data_of_ones_own() -> None:
    """Guards a bare KeyError, and published values beside data that nobody has published."""
    known = resolve({"train_images": 50})
    own = dataclasses.replace(known, dataset="mine")
    assert (known.images_per_epoch, own.images_per_epoch) == (50, 50)
    unknown = dataclasses.replace(own, train_images=None)
    assert unknown.published() == ()
    with pytest.raises(DataError, match="there is no data set 'mine'; allowed: cifar10"):
        _ = unknown.images_per_epoch
    assert resolve({"dataset": "digits"}).images_per_epoch == 1437
    assert resolve({"dataset": "digits", "train_images": 9999}).images_per_epoch == 1437


def test_data_folder_is_kept_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards a run that looks for its data elsewhere when resumed from another folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert resolve({"data_dir": "images"}).data_dir == tmp_path / "images"
    assert resolve({"data_dir": Path("images")}).data_dir == tmp_path / "images"
    assert resolve({"data_dir": "~/images"}).data_dir == Path("/home/somebody/images")
    assert resolve({"data_dir": "~nobody-of-this-name/x"}).data_dir == (
        tmp_path / "~nobody-of-this-name" / "x"
    )
    assert resolve({}).data_dir is None


def test_only_parameters_that_differ_from_the_preset_are_told() -> None:
    """Guards a line of changes that hides the one that was made among others."""
    for system in SYSTEMS:
        for dataset in DATASETS:
            assert resolve({"system": system, "dataset": dataset}).describe_changes() == ""
    parameters = {"dt": "1", "free_time": "77", "mu_ff": "0.04"}
    described = resolve({"hidden": [], "parameters": parameters}).describe_changes()
    assert described == "changed: free_time = 77.0, mu_ff = (0.04,)"


def test_the_check_of_the_output_can_be_switched_off(tmp_path: Path) -> None:
    """Guards a switch that a saved configuration forgets, or that takes any word."""
    path = tmp_path / "config.toml"
    assert resolve({}).check_output
    assert not reread(resolve({"check_output": False}), path).check_output
    assert reread(resolve({"check_output": True}), path).check_output
    with pytest.raises(ParameterError, match="check_output = 'no': give true or false"):
        resolve({"check_output": "no"})
    parsed = build_parser().parse_args(["train", "--no-output-check"])
    assert parsed.check_output is False
    assert build_parser().parse_args(["train"]).check_output is None
    assert "use --no-output-check" in refusal("train", "--set", "check_output=false")


# Round trip -------------------------------------------------------------------------------------

positive = st.floats(0.05, 50, allow_nan=False)
#: Everything a path may consist of: no NUL, and no half characters, which are no text.
path_text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)


@st.composite
def command_lines(draw: Any) -> dict[str, Any]:
    """Settings as the command line would hand them over."""
    hidden = draw(st.lists(st.integers(1, 900), max_size=3))
    rates = st.floats(0, 1, allow_subnormal=False)
    decay_from = draw(st.lists(st.integers(1, 60), max_size=2, unique=True).map(sorted))
    stretches = len(decay_from) + 1
    parameters = {
        "epsilon": positive,
        "g_l": st.floats(0, 5),
        "lambda_": st.floats(0.5, 1, exclude_max=True),
        "batch": st.integers(1, 10),
        "mu_ff": st.tuples(*[rates] * (len(hidden) + 1)),
        "mu_fb": st.tuples(*[rates] * len(hidden)),
        "beta": positive,
        "random_sign": st.booleans(),
        # slow enough for the Euler step whatever epsilon
        "tau_u": st.floats(50, 1e6),
        "event_threshold": st.floats(0, 1),
        "output_apical": st.sampled_from(["constant", "nudge"]),
        "tau_basal": st.just(0.0) | st.floats(1, 100),
    }
    chosen = draw(st.fixed_dictionaries({}, optional=parameters))
    chosen.setdefault("tau_u", 50.0)
    chosen["decay"] = draw(st.tuples(*[st.floats(0.1, 1)] * stretches))
    chosen["decay_from"] = (0, *decay_from)
    few = st.none() | st.integers(1, 10**6)
    return {
        "dataset": draw(st.sampled_from(sorted(DATASETS))),
        "data_dir": draw(st.none() | path_text),
        "hidden": hidden,
        "epochs": draw(few),
        "train_images": draw(few),
        "test_images": draw(few),
        "seed": draw(st.none() | st.integers(0, 2**70)),
        "backend": draw(st.sampled_from(BACKENDS)),
        "dtype": draw(st.sampled_from(DTYPES)),
        "parameters": chosen,
    }


def reread(resolved: RunSettings, path: Path, **environment: str) -> RunSettings:
    """Settings after a way through a file."""
    path.write_bytes(resolved.to_config(environment).encode())
    return resolve({}, read_config_file(path))


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "config.toml"


@settings(max_examples=2 * settings.default.max_examples)
@given(given_settings=command_lines(), version=st.text())
def test_saved_settings_are_the_settings(
    config_file: Path, given_settings: dict[str, Any], version: str
) -> None:
    """Guards a run that cannot be repeated from its config.toml: a value lost, rounded, shifted."""
    resolved = resolve(given_settings)
    assert reread(resolved, config_file, neurosim=version) == resolved


@pytest.mark.parametrize("dataset", DATASETS)
def test_saved_presets_are_the_presets(dataset: str, config_file: Path) -> None:
    """Guards the same for what the presets chose, which no option names."""
    resolved = resolve({"dataset": dataset})
    assert reread(resolved, config_file) == resolved


def test_saved_settings_name_every_parameter(config_file: Path) -> None:
    """Guards a later change of a default that changes what an old config.toml means."""
    resolved = resolve({"dataset": "digits"})
    reread(resolved, config_file, brian2="2.9.0")
    saved = read_config_file(config_file)
    assert set(saved["parameters"]) == set(describe_parameters(resolved.system))
    unset = {"data_dir", "train_images", "test_images", "preset_from", *READING_OPTIONS}
    assert set(saved) == {*RUN_DEFAULTS, "parameters"} - unset


# What a file may hold ---------------------------------------------------------------------------

BAD_FILES = {
    "unknown setting": ("epoch = 3", "unknown setting 'epoch'; did you mean 'epochs'"),
    "parameter at the top": ("epsilon = 0.3", "stand below [parameters]"),
    "unknown parameter": ("[parameters]\nepsilom = 1", "did you mean 'epsilon'"),
    "parameters no table": ("parameters = 3", "'parameters' must be a table"),
    "parameters a list": ("parameters = [1]", "'parameters' must be a table"),
    "text for a whole number": ('epochs = "3"', "epochs = '3': give a whole number of 1"),
    "fraction for a whole number": ("epochs = 1.5", "epochs = 1.5: give a whole number"),
    "truth for a whole number": ("seed = true", "seed = True: give a whole number of 0"),
    "not a number": ("train_images = nan", "train_images = nan: give a whole number"),
    "no images": ("test_images = 0", "test_images = 0: give a whole number of 1"),
    "date for a whole number": ("seed = 2020-01-01", "give a whole number"),
    "text for layers": ('hidden = "abc"', "hidden = 'abc': give layer sizes"),
    "one layer without brackets": ("hidden = 500", "e.g. hidden = [500]"),
    "words for layers": ('hidden = ["a"]', "give layer sizes"),
    "truth for layers": ("hidden = [true]", "give layer sizes"),
    "empty layer": ("hidden = [10, 0]", "hidden = [10, 0]: give layer sizes from 1"),
    "negative layer": ("hidden = [-5]", "give layer sizes from 1"),
    "layer for no memory": ("hidden = [99999999999999999999]", "to 1000000"),
    "number for a system": ("system = 3", "system = 3: give the name"),
    "list for a system": ('system = ["corinfomax"]', "give the name of a system"),
    "unknown system": ('system = "corinfomix"', "did you mean 'corinfomax'"),
    "number for a data set": ("dataset = 3", "unknown data set 3; allowed: cifar10"),
    "list for a data set": ('dataset = ["mnist"]', "unknown data set ['mnist']"),
    "number for a folder": ("data_dir = 5", "data_dir = 5: give the path"),
    "NUL in a folder": ('data_dir = "a\\u0000b"', "give the path of a folder"),
    "unknown back end": ('backend = "gpu"', "unknown backend 'gpu'; allowed: cpp, cuda"),
    "number for a precision": ("dtype = 32", "unknown dtype 32"),
    "near precision": ('dtype = "float16"', "did you mean 'float64' or 'float32'"),
    "words for a number": ('[parameters]\nepsilon = "abc"', "epsilon = 'abc' cannot be read"),
    "list for a number": ("[parameters]\nepsilon = [1]", "epsilon = [1] cannot be read"),
    "truth for a number": ("[parameters]\nepsilon = true", "epsilon = True cannot be read"),
    "table for a number": ("[parameters]\nepsilon = {a = 1}", "cannot be read"),
    "date for a number": ("[parameters]\nepsilon = 2020-01-01", "cannot be read"),
    "truth for rates": ("[parameters]\nmu_ff = true", "mu_ff = True cannot be read"),
    "table for rates": ("[parameters]\nmu_ff = {a = 1}", "cannot be read"),
    "nested rates": ("[parameters]\nmu_ff = [[0.1], [0.1]]", "cannot be read"),
    "no rates": ("[parameters]\nmu_ff = []", "mu_ff has 0 values"),
    "wrong number of rates": ("[parameters]\nmu_ff = [0.1]", "these layers need 2"),
    "fraction for a count": ("[parameters]\nbatch = 1.5", "batch = 1.5 cannot be read"),
    "number for a truth": ("[parameters]\nrandom_sign = 1", "random_sign = 1 cannot be read"),
    "number for a word": ("[parameters]\noutput_apical = 1", "output_apical = 1 cannot be read"),
    "unknown word": ('[parameters]\noutput_apical = "x"', "allowed: constant, nudge"),
    "out of range": ("[parameters]\nepsilon = -1", "epsilon = -1.0 is out of range"),
    "infinite": ("[parameters]\nepsilon = inf", "epsilon = inf is out of range"),
    "unstable": ("[parameters]\ntau_u = 1", "the Euler step is unstable"),
    "no steps": ("[parameters]\nfree_time = 0.3", "not a whole number of steps"),
    "no TOML": ("epochs: 3", "is not a TOML file"),
    "twice": ("seed = 1\nseed = 2", "is not a TOML file"),
    "number too long": (f"seed = {'9' * 5000}", "is not a TOML file"),
    "nested too deep": (f"seed = {'[' * 20_000}", "is not a TOML file"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_file_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    """Guards a wrong entry that is passed over, converted, or ends in a traceback."""
    content, named = BAD_FILES[what]
    path = tmp_path / "settings.toml"
    path.write_text(content)
    dataset = () if "dataset" in content else ("--dataset", "digits")
    message = refusal("train", *dataset, "--config", path, "--out", tmp_path / "out")
    assert named in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04\x00\xff", b"\xff\xfes\x00e\x00", b"\x00", bytes(range(256))]
)
def test_binary_file_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    """Guards a traceback of the decoder when a checkpoint is given for the settings."""
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(content)
    assert f"{path} is not a TOML file" in refusal("train", "--config", path)


def test_absent_file_and_folder_are_refused(tmp_path: Path) -> None:
    """Guards a mistyped --config that is run without."""
    absent = tmp_path / "absent.toml"
    assert f"cannot read {absent}: No such file" in refusal("train", "--config", absent)
    assert "Is a directory; check --config" in refusal("explain", "--config", tmp_path)


def test_files_of_other_editors_are_read(tmp_path: Path) -> None:
    """Guards settings lost for a byte order mark or the line ends of Windows."""
    path = tmp_path / "settings.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 4\r\n[parameters]\r\nepsilon = 0.4\r\n")
    resolved = resolve({"dataset": "digits"}, read_config_file(path))
    assert (resolved.seed, resolved.system.epsilon) == (4, 0.4)


def test_descriptive_tables_set_nothing(tmp_path: Path) -> None:
    """Guards a note about versions that changes a run or forbids to repeat it."""
    path = tmp_path / "settings.toml"
    path.write_text('preset = 5\n[environment]\nseed = 9\nbrian2 = "0.0"\n')
    assert resolve({}, read_config_file(path)) == resolve({})


def test_whole_numbers_are_read_as_rates(tmp_path: Path) -> None:
    """Guards a system with an int where Brian2 expects a float, and a rate without brackets."""
    path = tmp_path / "settings.toml"
    path.write_text("hidden = []\n[parameters]\nepsilon = 1\nmu_ff = 1\n")
    system = resolve({"dataset": "digits"}, read_config_file(path)).system
    assert [type(value) for value in (system.epsilon, *system.mu_ff)] == [float, float]
    assert (system.epsilon, system.mu_ff) == (1.0, (1.0,))


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def taken(config: dict[str, Any]) -> RunSettings | None:
    """The settings, or None where they were refused in the proper way."""
    try:
        return resolve({"dataset": "digits"}, config)
    except NeurosimError:
        return None


@settings(max_examples=3 * settings.default.max_examples)
@given(name=st.sampled_from(sorted({*RUN_DEFAULTS} - {"dataset"})), value=junk)
def test_any_value_of_a_setting_is_taken_or_refused(name: str, value: Any) -> None:
    """Guards a type nobody thought of that passes the checks or ends in a traceback."""
    kinds: dict[str, type] = dict.fromkeys(("epochs", "train_images", "test_images", "seed"), int)
    kinds["check_output"] = bool
    if taken({name: value}) is not None:
        wanted = list if name == "hidden" else kinds.get(name, str)
        assert value is None or type(value) is wanted


@settings(max_examples=3 * settings.default.max_examples)
@given(
    name=st.sampled_from(sorted(describe_parameters(resolve({"dataset": "digits"}).system))),
    value=junk,
)
def test_any_value_of_a_parameter_is_taken_or_refused(name: str, value: Any) -> None:
    """Guards the same for the parameters of the system."""
    resolved, default = taken({"parameters": {name: value}}), taken({})
    if resolved is not None and default is not None:
        kept = getattr(resolved.system, name)
        assert type(kept) is type(getattr(default.system, name))
        reread = taken(tomllib.loads(resolved.to_config()))
        assert reread == resolved
