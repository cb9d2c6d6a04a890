"""The command line as users meet it: help, complaints, interrupts, kills and full disks."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import termios
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import (
    DIGITS,
    ROOT,
    assert_same_run,
    call,
    command,
    ended,
    lines_of,
    metrics_of,
    position_of,
    refusal,
    run,
    started,
    summary_of,
    surroundings,
    time_of_children,
    wait_until,
    weights_of,
    without_timings,
    write_images,
)

from neurosim.backends import accepting
from neurosim.backends.cpp.library import cache_folder
from neurosim.cli import _SomeEpochs, build_parser
from neurosim.commands import COMMANDS
from neurosim.data import DATASETS
from neurosim.learning.checkpoint import load_checkpoint
from neurosim.models import SYSTEMS, CorInfoMax
from neurosim.runs.explain import explain
from neurosim.runs.settings import RUN_DEFAULTS
from neurosim.system.parameters import describe_parameters

# Help -------------------------------------------------------------------------------------------

#: One page for all commands, one for each, and one for each script.
PAGES = {
    "neurosim": ["-m", "neurosim"],
    **{
        f"neurosim {name}": ["-m", "neurosim", name]
        for name in (module.__name__.rpartition(".")[2] for module in COMMANDS)
    },
    **{
        f"scripts/{path.name}": [f"scripts/{path.name}"]
        for path in sorted((ROOT / "scripts").glob("*.py"))
    },
}
each_page = pytest.mark.parametrize("page", PAGES)


@pytest.mark.quick(4)
@each_page
def test_help_answers_within_a_second(page: str) -> None:
    """Guards an import that makes everybody wait for help."""
    asked = [sys.executable, *PAGES[page], "--help"]
    # coverage measures programs that tests start, too, and takes its time
    unmeasured = surroundings({"COVERAGE_PROCESS_START": None, "COVERAGE_PROCESS_CONFIG": None})
    taken: list[float] = []
    # the best of three, since a busy machine makes processors slower, too
    while len(taken) < 3 and (not taken or min(taken) > 1):
        with time_of_children() as spent:
            done = subprocess.run(asked, capture_output=True, text=True, cwd=ROOT, env=unmeasured)
        taken.append(spent.least)
    assert (done.returncode, done.stderr) == (0, "")
    called = page if page.startswith("neurosim") else ""
    assert done.stdout.startswith(f"usage: {called}")
    assert min(taken) < 1


SLOW_PACKAGES = {"brian2", "torch", "torchvision", "matplotlib", "sklearn", "sympy", "scipy"}


def imported_by(*arguments: str) -> set[str]:
    """Top-level packages that a call of Python imports."""
    asked = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(asked, capture_output=True, text=True, cwd=ROOT)
    names = re.findall(r"^import time: .*\| +(\w+)", done.stderr, flags=re.M)
    assert "argparse" in names, done.stderr
    return {*names}


@pytest.mark.quick(8)
@each_page
def test_help_imports_nothing_slow(page: str) -> None:
    """Guards the same on machines fast enough to hide it; not even NumPy is needed."""
    assert not imported_by(*PAGES[page], "--help") & {*SLOW_PACKAGES, "numpy", "tqdm"}


@pytest.mark.parametrize("arguments", [["trian"], ["train", "--epochs", "x"]])
def test_complaints_about_options_import_nothing_slow(arguments: list[str]) -> None:
    """Guards a wait of seconds for being told of a slip."""
    imported = imported_by("-m", "neurosim", *arguments)
    assert not imported & {*SLOW_PACKAGES, "numpy", "tqdm"}


@pytest.mark.parametrize("arguments", [["systems", "--parameters"], ["datasets"], ["--version"]])
def test_lists_import_nothing_slow(arguments: list[str]) -> None:
    """Guards a wait of seconds for a list of names."""
    assert not imported_by("-m", "neurosim", *arguments) & SLOW_PACKAGES


#: So few images that a run takes no time.
IN_BATCHES = ("--batch", 20)
FEW = ("--train-images", 40, "--test-images", 20, "--epochs", 1)

#: The same where Brian2 itself runs, tens of milliseconds for each.
RUNTIME = ("--train-images", 3, "--test-images", 2, "--epochs", 1, "--backend", "runtime")

#: Options that are not named after their setting.
OPTIONS = {"check_output": "--no-output-check"}


def test_help_names_every_option_on_narrow_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards an option nobody can find, and lines that a terminal breaks."""
    monkeypatch.setenv("COLUMNS", "80")
    result = call("train", "--help")
    for name in [
        *RUN_DEFAULTS,
        "event-threshold",
        "set",
        "config",
        "out",
        "resume",
        "quiet",
        "jobs",
        "batch",
        "lanes",
        "threads",
    ]:
        assert OPTIONS.get(name, f"--{name.replace('_', '-')}") in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    for dataset in DATASETS:
        assert dataset in result.out


def test_the_program_alone_shows_its_help() -> None:
    """Guards a newcomer's first command."""
    shown = call()
    assert (shown.status, shown.out) == (0, call("--help").out)


@pytest.mark.parametrize(
    "words", [["500", "300"], ["500,300"], ["500,", "300"]], ids=lambda words: " ".join(words)
)
def test_lists_of_numbers_have_one_notation(words: list[str]) -> None:
    """Guards options of which one takes spaces and another commas."""
    if words[0].endswith(","):
        assert "ranges like" in refusal("train", "--hidden", *words)
        return
    parsed = build_parser().parse_args(["train", "--hidden", *words, "--seeds", "0-2", "7"])
    assert (parsed.hidden, parsed.seeds) == ([500, 300], [0, 1, 2, 7])


@pytest.mark.parametrize(
    ("line", "name", "members"),
    [
        ("record runs/a --out x.nc --images 3 7 9", "images", [3, 7, 9]),
        ("record --images 3,7 9 runs/a --out x.nc", "images", [3, 7, 9]),
        ("record runs/a --out x.nc --neurons 0 1-2", "neurons", [0, 1, 2]),
        ("view --neurons 0 1,2 runs/a", "neurons", [0, 1, 2]),
        ("view runs/a --traces soma apical", "traces", ["soma", "apical"]),
        ("view runs/a --traces soma,apical", "traces", ["soma", "apical"]),
        ("diagram --layers 4,3 2 ep", "layers", [4, 3, 2]),
        ("compare --systems ep,csm pc", "systems", ["ep", "csm", "pc"]),
        ("plot runs/a --only angle,events", "only", ["angle", "events"]),
        ("reproduce table1 --rows mnist/ep mnist/pc", "rows", ["mnist/ep", "mnist/pc"]),
        ("pretrained --make ep, csm", "make", ["ep", "csm"]),
        ("train --image-size 28 28", "image_size", "28,28"),
        ("train --image-size 28,28", "image_size", "28,28"),
        ("train --scale -1 1", "scale", "-1,1"),
        ("train --scale range --seed 2", "scale", "range"),
    ],
)
def test_every_list_takes_spaces_and_commas(line: str, name: str, members: Any) -> None:
    """Guards a command whose lists are written otherwise, or that swallow what follows."""
    parsed = build_parser().parse_args(line.split())
    assert getattr(parsed, name) == members
    assert "runs/a" not in line or Path("runs/a") in vars(parsed).values()


def test_verbose_says_what_runs_where_and_how_long(tmp_path: Path) -> None:
    """Guards details that cannot be seen, or that come unasked."""
    options = (*DIGITS, *FEW, "--backend", "runtime", "--out")
    told = call(*options, tmp_path / "a", "-v").err
    assert "cache: " in told
    assert "cores: " in told
    assert "data set: digits" in told
    assert re.search(r"runtime: 40 images learnt, batches of 1 in \d+\.\d\d s", told)
    assert re.search(rf"checkpoint: {tmp_path / 'a'}\S+, \d+\.\d MB in", told)
    assert re.search(r"done in \d+\.\d s", told)
    assert "images learnt" not in call("-v", "systems").err
    assert "cache: " not in call("systems").err
    assert "exclude each other" in refusal("train", "-v", "--quiet")


def test_completion_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a traceback; where the package is, the script names the commands."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert "pip install shtab" in refusal("--completion", "bash")
    shells = types.SimpleNamespace(
        SUPPORTED_SHELLS=["bash", "zsh"], complete=lambda parser, shell: f"{shell} {parser.prog}"
    )
    monkeypatch.setitem(sys.modules, "shtab", shells)
    assert call("--completion", "zsh").out == "zsh neurosim\n"
    assert "did you mean 'bash'" in refusal("--completion", "bsh")


def test_a_pipe_is_told_of_some_epochs() -> None:
    """Guards sixty lines in a log of a batch system, and silence for an hour."""
    shown = _SomeEpochs()

    def passes(name: str, second: float) -> bool:
        record = logging.LogRecord(name, logging.INFO, "", 0, "", None, None)
        record.created = second
        return shown.filter(record)

    seconds = (0.0, 1.0, 4.9, 5.0, 9.0, 10.5)
    assert [passes("neurosim.epochs", s) for s in seconds] == [1, 0, 0, 1, 0, 1]
    assert passes("neurosim", 10.6)


def test_help_names_the_true_defaults() -> None:
    """Guards numbers in the help that a change of the defaults left behind."""
    text = " ".join(call("train", "--help").out.split())
    assert f"{CorInfoMax().event_threshold:g} for corinfomax)" in text
    assert f"learning system (default: {RUN_DEFAULTS['system']})" in text
    assert f"{RUN_DEFAULTS['dataset']} (default)" in text
    assert f"seed of all randomness (default: {RUN_DEFAULTS['seed']})" in text
    assert f"{RUN_DEFAULTS['dtype']} (default)" in text
    assert f"{RUN_DEFAULTS['backend']} (compiled, default)" in text


def test_examples_in_the_help_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards examples that stopped working when an option or a parameter changed its name."""
    from neurosim.runs import cluster_opening, seeds, training

    seen: list[Any] = []

    def note(settings: Any, *_: Any, **__: Any) -> dict[str, Any]:
        seen.append(settings)
        return {"angle_degrees": {}, "epoch": 1, **dict.fromkeys(REPORTED, 1.0)}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "start_training", note)
    monkeypatch.setattr(seeds, "train_seeds", note)
    # no cluster is there to answer
    monkeypatch.setattr(cluster_opening, "open_cluster", lambda *_, **__: contextlib.nullcontext())
    lines = call("train", "--help").out.splitlines()
    examples = [line.split("   ")[0].split() for line in lines if line.startswith("  neurosim ")]
    runnable = [words[1:] for words in examples if not {"--config", "--resume"} & {*words}]
    assert len(runnable) >= 4
    for words in runnable:
        result = call(*words)
        assert result.status == 0, result.err
    assert {settings.dataset for settings in seen} == {"digits", "mnist", "fashion-mnist"}


REPORTED = (
    "test_accuracy",
    "train_accuracy",
    "graded_spikes_per_image",
    "synops_per_image",
    "dense_macs_per_image",
    "ms_per_image",
)


def test_all_entries_are_one_program() -> None:
    """Guards an entry point that does something else than the command."""
    installed = Path(sys.executable).with_name("neurosim")
    entries = [[sys.executable, "-m", "neurosim"], [sys.executable, "-m", "neurosim.cli"]]
    entries += [[str(installed)]] if installed.exists() else []
    versions = {
        subprocess.run([*entry, "--version"], capture_output=True, text=True).stdout
        for entry in entries
    }
    assert len(versions) == 1
    told = versions.pop()
    assert re.match(r"neurosim \d+\.\d+\.\d+\nBrian2: +\d+\.\d+", told)
    assert re.search(r"^compiler: .*\d", told, flags=re.M)
    assert f"cache:    {cache_folder()}\n" in told
    script = [sys.executable, "scripts/train_mnist.py", "--help"]
    shown = subprocess.run(script, capture_output=True, text=True, cwd=ROOT).stdout
    assert (
        shown == subprocess.run(command("train", "--help"), capture_output=True, text=True).stdout
    )


def test_systems_lists_every_parameter_with_its_range() -> None:
    """Guards a parameter that can be set but not found."""
    text = call("systems", "--parameters").out
    for name, system in SYSTEMS.items():
        assert f"{name}: {system.title}" in text
        defaults = {field.name: field.default for field in dataclasses.fields(system)}
        for parameter, info in describe_parameters(system).items():
            switch = isinstance(defaults[parameter], bool)
            allowed = "true or false" if switch else info.range_text()
            assert re.search(rf"^  {parameter} = .*   {re.escape(allowed)}$", text, re.M)
            assert info.doc in text
    for dataset in DATASETS:
        assert f"preset {dataset}: hidden" in text


def test_systems_says_what_each_shares_and_where_it_runs() -> None:
    """Guards the facts people choose a system by: they are read off the circuit."""
    parts = re.split(r"^(?=\S)", call("systems").out, flags=re.M)
    said = {part.partition(":")[0]: part for part in parts if part}
    assert set(said) == set(SYSTEMS)
    for name, text in said.items():
        assert SYSTEMS[name].citation in text
        for phase in SYSTEMS[name]().circuit().phases:
            assert f"{phase.name} (" in text
        assert f"back ends: {', '.join(accepting(SYSTEMS[name]().circuit()))}" in text
    assert "weights that carry signal both ways: none" in said["corinfomax"]
    assert "weights that carry signal both ways: W_1\n" in said["ep"]


def test_datasets_lists_every_one() -> None:
    """Guards a data set that can be trained on but not found."""
    text = call("datasets").out
    for name, info in DATASETS.items():
        assert re.search(rf"^{name}: .*{info.n_classes} classes", text, re.M)
        assert f"{info.n_train} training and {info.n_test} test images" in text
    assert not re.search(r" $", text, re.M)


# Complaints -------------------------------------------------------------------------------------

COMPLAINTS = {
    "unknown command": (["trian"], "invalid command 'trian'; did you mean 'train'?"),
    "unknown option": (
        ["train", "--epocs", "3"],
        "unrecognized arguments: --epocs 3; did you mean --epochs?",
    ),
    "stray word": (["train", "digits"], "unrecognized arguments: digits"),
    "unknown part": (["record", "r", "--split", "tst"], "--split 'tst': did you mean 'test'?"),
    "unknown part of images": (["view", "r", "--split", "x"], "--split 'x': allowed: test, train"),
    "port that is none": (["view", "r", "--port", "65536"], "--port 65536: give 1 to 65535"),
    "negative port": (["view", "r", "--port", "-1"], "--port -1: give 1 to 65535"),
    "epochs no number": ([*DIGITS, "--epochs", "x"], "--epochs: give a whole number, not 'x'"),
    "epochs a fraction": ([*DIGITS, "--epochs", "1.5"], "give a whole number, not '1.5'"),
    "epochs without number": ([*DIGITS, "--epochs"], "--epochs: expected one argument"),
    "layers no number": (["train", "--hidden", "1e3"], "give a whole number, not '1e3'"),
    "layers without number": (["train", "--hidden"], "--hidden: expected at least one"),
    "no epochs": ([*DIGITS, "--epochs", "0"], "epochs = 0: give a whole number of 1 or more"),
    "negative epochs": ([*DIGITS, "--epochs", "-1"], "epochs = -1: give a whole number"),
    "negative seed": ([*DIGITS, "--seed", "-1"], "seed = -1: give a whole number of 0"),
    "no training images": ([*DIGITS, "--train-images", "0"], "train_images = 0: give"),
    "too many images": ([*DIGITS, "--train-images", "1438"], "1437 images; give 1 to 1437"),
    "too many test images": ([*DIGITS, "--test-images", "361"], "360 images; give 1 to 360"),
    "data set": ([*DIGITS, "--dataset", "mnits"], "did you mean 'mnist' or 'kmnist'?"),
    "system": ([*DIGITS, "--system", "corinfomin"], "did you mean 'corinfomax'?"),
    "back end": (
        [*DIGITS, "--backend", "gpu"],
        "'gpu'; allowed: cpp, cuda, genn, runtime",
    ),
    "precision": ([*DIGITS, "--dtype", "float16"], "Allowed: float32, float64"),
    "parameter": ([*DIGITS, "--set", "epsilom=1"], "did you mean 'epsilon'? Allowed: batch"),
    "setting without value": ([*DIGITS, "--set", "epsilon"], "write --set NAME=VALUE"),
    "setting with empty value": ([*DIGITS, "--set", "epsilon="], "write --set NAME=VALUE"),
    "setting without name": ([*DIGITS, "--set", "=3"], "write --set NAME=VALUE"),
    "setting in two lines": ([*DIGITS, "--set", "a\nb"], "--set a b: write --set"),
    "option as setting": ([*DIGITS, "--set", "train_images=3"], "use --train-images"),
    "parameter no number": ([*DIGITS, "--set", "epsilon=abc"], "'abc' cannot be read"),
    "parameter not finite": ([*DIGITS, "--set", "epsilon=1e999"], "inf is out of range"),
    "parameter not a number": ([*DIGITS, "--set", "epsilon=nan"], "nan is out of range"),
    "parameter negative": ([*DIGITS, "--set", "tau_u=-3"], "-3.0 ms is out of range"),
    "parameter no truth": ([*DIGITS, "--set", "random_sign=maybe"], "'maybe' cannot be read"),
    "word": ([*DIGITS, "--set", "output_apical=x"], "allowed: constant, nudge"),
    "negative threshold": ([*DIGITS, "--event-threshold", "-1"], "-1.0 is out of range"),
    "threshold no number": ([*DIGITS, "--event-threshold", "x"], "event_threshold = 'x'"),
    "unstable step": ([*DIGITS, "--set", "tau_u=1"], "Euler step is unstable"),
    "no whole steps": ([*DIGITS, "--set", "free_time=0.3"], "not a whole number of steps"),
    "empty layer": (["train", "--hidden", "0"], "hidden = [0]: give layer sizes from 1"),
    "negative layer": (["train", "--hidden", "20", "-3"], "hidden = [20, -3]: give"),
    "layer for no memory": (["train", "--hidden", "9" * 20], "to 1000000"),
    "too few rates": ([*DIGITS, "--set", "mu_ff=0.1"], "has 1 value, but these layers need 2"),
    "too many rates": (
        [*DIGITS, "--set", "mu_fb=0.1,0.1"],
        "has 2 values, but these layers need 1",
    ),
    "rate no number": ([*DIGITS, "--set", "mu_ff=0.1,x"], "numbers separated by commas"),
    "folder name no text": ([*DIGITS, "--data-dir", "\udcff"], "give the path of a folder"),
    "resume and seed": (["train", "--resume", "x", "--seed", "0"], "leave out --seed"),
    "resume and images": (["train", "--resume", "x", "--train-images", "0"], "--train-images"),
    "resume and setting": (["train", "--resume", "x", "--set", "epsilon=1"], "leave out --set"),
    "resume and out": (["train", "--resume", "x", "--out", "y"], "leave out --out"),
    "resume nowhere": (["train", "--resume", "nowhere"], "no config.toml there; give"),
    "resume and seeds": (["train", "--resume", "x", "--seeds", "0"], "leave out --seeds"),
    "seed and seeds": ([*DIGITS, "--seed", "0", "--seeds", "1"], "give one of them"),
    "seed twice": ([*DIGITS, "--seeds", "1", "1"], "one is given twice"),
    "no jobs": (
        [*DIGITS, "--seeds", "1", "--jobs", "0"],
        "jobs = 0: give a whole number of 1 or more",
    ),
    "jobs for one run": ([*DIGITS, "--jobs", "2"], "give --seeds as well, or --threads"),
    "no lanes": ([*DIGITS, "--lanes", "0"], "lanes = 0: give a whole number of 1 or more"),
    "no threads": ([*DIGITS, "--threads", "-1"], "threads = -1: give a whole number"),
    "threads for one": ([*DIGITS, "--backend", "runtime", "--threads", "2"], "leave threads out"),
    "no batch": ([*DIGITS, "--batch", "0"], "batch = 0 is out of range"),
    "batch no number": ([*DIGITS, "--batch", "1.5"], "batch = '1.5' cannot be read"),
    "explain parameter": (["explain", "--set", "epsilom=1"], "did you mean 'epsilon'?"),
}


@pytest.mark.parametrize("what", COMPLAINTS)
def test_complaint_is_one_line_at_status_two(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a wrong value that is run with, a traceback, and folders made for nothing."""
    monkeypatch.chdir(tmp_path)
    arguments, named = COMPLAINTS[what]
    assert named in refusal(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_layers_beyond_the_memory_are_refused_and_the_folder_stays_usable(tmp_path: Path) -> None:
    """Guards a traceback of NumPy for a zero too many, and a folder occupied by no run."""
    out = tmp_path / "run"
    result = call("train", "--dataset", "digits", "--hidden", 1_000_000, "--out", out)
    assert result.status == 2
    assert "not enough memory" in result.complaint
    assert "give smaller layers" in result.complaint
    assert call(*DIGITS, *FEW, "--out", out).status == 0


# Files of the user ------------------------------------------------------------------------------


def spoil_by_cutting(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def spoil_by_emptying(path: Path) -> None:
    path.write_bytes(b"")


def spoil_by_replacing(path: Path) -> None:
    path.write_bytes(b"GIF89a" + bytes(10_000))


def spoil_by_locking(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil", [spoil_by_cutting, spoil_by_emptying, spoil_by_replacing, spoil_by_locking]
)
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_spoilt_data_file_is_named(
    file: str, spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    """Guards training on garbage, and a traceback of the reader."""
    raw = write_images(tmp_path / "data")
    spoil(raw / file)
    out = tmp_path / "out"
    assert file in refusal("train", "--data-dir", tmp_path / "data", "--out", out)
    assert not out.exists()


def test_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    """Guards a traceback for --data-dir with the path of a file."""
    (tmp_path / "data").write_text("")
    message = refusal("train", "--data-dir", tmp_path / "data", "--out", tmp_path / "out")
    assert f"{tmp_path / 'data'} is a file" in message


def test_absent_data_without_network_offer_the_embedded_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a traceback of sockets for the first command that a new user tries."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    message = refusal("train", "--data-dir", tmp_path / "data", "--out", tmp_path / "out")
    assert "--dataset digits" in message
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without an entry in passwd and without HOME, as in many containers."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_a_user_without_a_home_needs_none_for_embedded_data(tmp_path: Path, homeless: None) -> None:
    """Guards a traceback about the home folder in containers, where nothing is kept there."""
    result = call(*DIGITS, *RUNTIME, "--out", tmp_path / "run")
    assert result.status == 0, result.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--out", "{tmp}/run"], "set HOME, or name a folder by --data-dir"),
        (["train", "--dataset", "digits", "--out=~/run"], "'~/run' is unknown; set HOME, or"),
        (["train", "--config", "{tmp}/home.toml"], "this user has no home folder; set HOME, or"),
    ],
)
def test_what_needs_a_home_says_so(
    arguments: list[str], named: str, tmp_path: Path, homeless: None
) -> None:
    """Guards a traceback, and a folder named ~ in the working folder."""
    (tmp_path / "home.toml").write_text('data_dir = "~/images"')
    assert named in refusal(*(word.format(tmp=tmp_path) for word in arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["home.toml"]


def test_every_path_option_knows_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a folder named ~, for which the shell leaves --out=~/a alone."""
    monkeypatch.setenv("HOME", "/home/somebody")
    lines = (
        "train --out=~/a --data-dir=~/a --resume=~/a --config=~/a",
        "compare ~/a --out=~/a --data-dir=~/a",
        "plot ~/a --out=~/a --data-dir=~/a",
        "record ~/a --out=~/a --data-dir=~/a",
        "view ~/a --save=~/a --html=~/a --data-dir=~/a",
        "explain --config=~/a",
        "diagram ep --out=~/a",
    )
    for line in lines:
        options = vars(build_parser().parse_args(line.split()))
        values = [
            v for value in options.values() for v in (value if type(value) is list else [value])
        ]
        found = [value for value in values if isinstance(value, Path)]
        assert len(found) == line.count("~"), line
        assert set(found) == {Path("/home/somebody/a")}, line


@pytest.mark.parametrize(
    ("out", "named"),
    [
        ("file", "is a file; choose another --out"),
        ("file/below", "is a file; choose another --out"),
        ("full", "is not empty and holds no run (thesis.tex)"),
        ("x" * 300, "File name too long"),
        ("/proc/nowhere", "cannot make the run folder /proc/nowhere"),
    ],
)
def test_folder_that_cannot_be_used_is_refused(out: str, named: str, tmp_path: Path) -> None:
    """Guards results written into somebody's files, and a run that finds out at its end."""
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    assert named in refusal(*DIGITS, "--out", tmp_path / out)
    assert (tmp_path / "full" / "thesis.tex").read_text() == "years of work"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


# The compiler and its cache ---------------------------------------------------------------------


def failing_compiler(folder: Path) -> str:
    """A compiler that knows its version, and fails when it should compile."""
    path = folder / "broken-compiler"
    path.write_text(
        '#!/bin/sh\ncase "$*" in *-dM*) exit 0;; esac\necho "error: on fire" >&2; exit 4\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"CXX": None, "PATH": "/nonexistent"}, "no C++ compiler found (looked for g++ or clang"),
        ({"CXX": "nonsense"}, "looked for nonsense"),
        ({"CXX": "/etc/passwd"}, "looked for /etc/passwd"),
        ({"CXX": "false"}, "false failed with status 1"),
        ({"CXX": "{failing}"}, "broken-compiler failed with status 4: error: on fire"),
        ({"NEUROSIM_CACHE": "/etc/passwd"}, "set NEUROSIM_CACHE to a folder"),
        ({"NEUROSIM_CACHE": "/proc/nowhere"}, "set NEUROSIM_CACHE to a folder"),
    ],
)
def test_build_that_cannot_be_made_is_explained(
    variables: dict[str, str | None], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards pages of compiler output for what one line can say."""
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value.format(failing=failing_compiler(tmp_path)))
    result = call(*DIGITS, "--out", tmp_path / "run")
    assert result.status == 2
    assert named in result.complaint
    if "CXX" in variables and "failed" not in named:
        assert "apt-get install g++" in result.complaint
        assert "--backend runtime" in result.complaint


def test_the_runtime_back_end_needs_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the way out that the complaint about a missing compiler offers."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "cache"))
    result = call(*DIGITS, *RUNTIME, "--quiet", "--out", tmp_path / "run")
    assert (result.status, result.out, result.err) == (0, "", "")
    assert summary_of(tmp_path / "run")["images_seen"] == 3
    assert not (tmp_path / "cache").exists()


def test_explain_says_how_every_projection_runs() -> None:
    """Guards an explanation that omits a pathway or hides that one runs the slow way."""
    compiled, runtime = (
        call("explain", *DIGITS[1:], "--backend", name).out for name in ("cpp", "runtime")
    )
    circuit = CorInfoMax((64, 20, 10), mu_ff=(0.1, 0.1), mu_fb=(0.1,)).circuit()
    # a circuit alone is explained alike, but for the system's name
    alone = explain(circuit)
    assert alone.splitlines()[0] == "circuit corinfomax"
    assert alone.splitlines()[1:] == compiled.splitlines()[2:]
    for projection in circuit.projections:
        assert f"{projection.name}: {projection.source} -> {projection.target}" in compiled
        for pathway in projection.pathways:
            line = rf"^    {pathway.name} on {pathway.event}: \S"
            assert re.search(line, compiled, re.M)
            assert (
                re.search(rf"{line}.*this process", runtime, re.M) or "in this process" in runtime
            )
    assert "64 sensory relay" in compiled


# What is printed --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run of two epochs, started as a user would, and what it printed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, run(*DIGITS, *IN_BATCHES, "--epochs", 2, "--out", out)


def test_a_run_tells_its_results_and_where_they_are(whole: tuple[Path, Any]) -> None:
    """Guards a report that fits another run than the one it closes."""
    out, result = whole
    assert result.status == 0, result.err
    row = metrics_of(out)[-1]
    assert f"test accuracy {100 * row['test_accuracy']:.2f} % after epoch 2" in result.out
    assert str(out) in result.out
    assert summary_of(out)["images_seen"] == 2 * 1437


def test_output_that_is_no_terminal_is_plain_lines(whole: tuple[Path, Any]) -> None:
    """Guards log files full of redrawn progress bars."""
    _, result = whole
    assert "\r" not in result.err + result.out
    assert "\x1b" not in result.err + result.out
    told = re.findall(r"epoch (\d): train [\d.]+ %, test [\d.]+ %", result.err)
    # of epochs that take less than some seconds not all are told
    assert told in (["1"], ["1", "2"])


def test_a_saved_config_repeats_the_run_and_quiet_prints_nothing(
    whole: tuple[Path, Any], tmp_path: Path
) -> None:
    """Guards results that depend on --quiet, or that their own settings do not give again."""
    config, out = whole[0] / "config.toml", tmp_path / "run"
    again = call("train", "--config", config, "--quiet", "--out", out)
    assert (again.status, again.out, again.err) == (0, "", "")
    assert_same_run(out, whole[0])
    # log.txt holds the messages that are not shown
    assert "epoch 2: train" in (out / "log.txt").read_text()


def test_parameters_that_were_set_are_printed_as_understood(tmp_path: Path) -> None:
    """Guards a list of rates that is read in another way than it was meant."""
    arguments = (*DIGITS, *RUNTIME, "--set", "mu_ff=0.05,0.04", "--set", "g_l=0.5")
    result = call(*arguments, "--out", tmp_path / "run")
    assert result.status == 0, result.err
    # g_l is what the preset has
    assert "neurosim: changed: mu_ff = (0.05, 0.04)\n" in result.err
    explained = call("explain", *arguments[1:5], *arguments[-4:], "--backend", "runtime")
    assert "changed: mu_ff = (0.05, 0.04)" in explained.out.splitlines()


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_a_terminal_without_the_symbols_gets_replacements_and_a_hint(encoding: str) -> None:
    """Guards a UnicodeEncodeError where equations are printed."""
    result = call("equations", "ep", encoding=encoding)
    assert result.status == 0
    assert "?" in result.out
    assert result.out.count("\n") == call("equations", "ep").out.count("\n")
    assert encoding in result.complaint
    assert "--format latex" in result.complaint
    latex = call("equations", "ep", "--format", "latex", encoding=encoding)
    assert (latex.status, latex.err) == (0, "")


def test_chunks_do_not_change_the_run(whole: tuple[Path, Any], uninterrupted: Path) -> None:
    """Guards results that depend on how often a run stops to write checkpoints."""
    rows, longer = metrics_of(whole[0]), metrics_of(uninterrupted)
    assert list(map(without_timings, rows)) == list(map(without_timings, longer[:2]))


def on_a_terminal(*arguments: object) -> tuple[int, str]:
    """Exit status of the command line, and what it writes on a terminal of 100 columns."""
    screen, terminal = pty.openpty()
    try:
        termios.tcsetwinsize(terminal, (24, 100))
        process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=terminal)
    finally:
        os.close(terminal)
    shown = b""
    # a terminal holds a few kB: where nobody reads on, a slow program waits for ever
    with contextlib.suppress(OSError):
        # when the last writer has gone, reading is an error
        while part := os.read(screen, 4096):
            shown += part
    os.close(screen)
    process.communicate(timeout=60)
    return process.returncode, shown.decode()


def test_a_terminal_gets_a_progress_bar(tmp_path: Path) -> None:
    """Guards a silent terminal, and epochs told both by the bar and in lines."""
    status, shown = on_a_terminal(*DIGITS, "--epochs", 2, "--out", tmp_path / "run")
    assert status == 0, shown
    assert "100%" in shown
    assert "2.87k/2.87k" in shown
    assert "epoch 1: train" not in shown


def test_reader_that_goes_away_is_no_error() -> None:
    """Guards a traceback for `neurosim systems --parameters | head -1`."""
    words = shlex.join(command("systems", "--parameters"))
    shell = f"{words} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.partition(":")[0] in SYSTEMS


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_to_a_full_disk_is_one_line(unbuffered: str) -> None:
    """Guards a list that is cut short without an error status."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            command("systems", "--parameters"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=surroundings({"PYTHONUNBUFFERED": unbuffered}),
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


def test_closed_streams_are_no_hindrance(tmp_path: Path) -> None:
    """Guards a run that a daemon starts without streams, and one that writes into its own files."""
    words = shlex.join(command(*DIGITS, *FEW, "--out", tmp_path / "run"))
    done = subprocess.run(["sh", "-c", f"{words} >&- 2>&-"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert lines_of(tmp_path / "run" / "metrics.jsonl") == 1


@pytest.mark.slow
def test_folder_whose_name_is_no_text_is_used(tmp_path: Path) -> None:
    """Guards a run that is lost when its results are told."""
    out = os.fsdecode(os.fsencode(tmp_path) + b"/r\xfcn")
    for backend in ("cpp", "runtime"):
        how = (*FEW, "--backend", backend, "--out", f"{out}-{backend}")
        result = run(*DIGITS, *how, LC_ALL="C.UTF-8", PYTHONUTF8="1")
        assert result.status == 0, result.err
        assert "Traceback" not in result.err
        assert lines_of(Path(f"{out}-{backend}") / "metrics.jsonl") == 1


# One process per folder -------------------------------------------------------------------------

#: Epochs of the runs below; long enough to be met in the middle, short enough to wait for.
EPOCHS = 6


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the runs below must end with, however they get there."""
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    how = (*IN_BATCHES, "--threads", 1, "--out", out)
    result = run(*DIGITS, "--epochs", EPOCHS, *how, in_chunks=True)
    assert result.status == 0, result.err
    return out


def test_folder_in_use_is_refused(tmp_path: Path) -> None:
    """Guards two processes that write into the same checkpoints."""
    out = tmp_path / "run"
    with started(*DIGITS, "--epochs", 10_000, "--out", out) as first:
        wait_until(lambda: lines_of(out / "metrics.jsonl") > 0, first)
        for arguments in ([*DIGITS, "--out", out], ["train", "--resume", out]):
            message = refusal(*arguments)
            assert "is in use by another process" in message
            assert f"pid {first.pid}" in message
        assert first.poll() is None
    message = refusal(*DIGITS, "--out", out)
    assert "already holds a run" in message
    assert f"--resume {out}" in message


# Interrupts -------------------------------------------------------------------------------------


@pytest.mark.quick(1)  # stopped seeds are stopped by SIGTERM
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_goes_on_as_if_it_had_not_been(
    number: signal.Signals, status: int, tmp_path: Path, uninterrupted: Path
) -> None:
    """Guards minutes of learning lost to Ctrl-C, and a resumed run that ends elsewhere."""
    out = tmp_path / "run"
    arguments = (*DIGITS, *IN_BATCHES, "--epochs", EPOCHS, "--out", out)
    with started(*arguments, in_chunks=True, NEUROSIM_CHECKPOINT_SECONDS="1000") as process:
        wait_until(lambda: lines_of(out / "metrics.jsonl") > 0, process)
        # as the terminal does: the programs that the process has started get it, too
        os.killpg(process.pid, number)
        result = ended(process)
    assert result.status == status
    assert "stopping after the images under way" in result.err
    assert result.complaint == (
        "neurosim: interrupted; nothing that was learned is lost. "
        f"Go on with: neurosim train --resume {out}"
    )
    # the checkpoint is of this moment, not of the end of the last epoch
    assert position_of(out)[0] >= 1
    assert not list(out.glob(".*.tmp"))
    again = call("train", "--resume", out)
    assert again.status == 0, again.err
    assert_same_run(out, uninterrupted)


def log_of(out: Path) -> str:
    """The log of a run, empty before its first line."""
    log = out / "log.txt"
    return log.read_text() if log.exists() else ""


def test_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    """Guards a run that cannot be stopped while its images take long."""
    out = tmp_path / "run"
    # a free phase of a quarter of an hour for each image
    long = ("--set", "free_time=900000", "--epochs", 1, "--out", out)
    with started(*DIGITS, *long) as process:
        wait_until(lambda: "training;" in log_of(out), process)
        os.killpg(process.pid, signal.SIGINT)
        wait_until(lambda: "stopping after" in (out / "log.txt").read_text(), process)
        os.killpg(process.pid, signal.SIGINT)
        result = ended(process)
    assert result.status == 130
    assert result.complaint == "neurosim: stopped at once"
    assert position_of(out) == (0, 0)


@pytest.mark.slow
def test_interrupt_while_compiling_is_no_failure(tmp_path: Path) -> None:
    """Guards a complaint about the compiler that Ctrl-C killed, and half a program in the cache."""
    builds, out = tmp_path / "cache" / "programs", tmp_path / "run"
    arguments = (*DIGITS, "--epochs", 1, "--out", out)
    with started(*arguments, NEUROSIM_CACHE=str(tmp_path / "cache")) as process:
        wait_until(lambda: any(builds.glob("building-*/program/program.cpp")), process)
        os.killpg(process.pid, signal.SIGINT)
        result = ended(process)
    assert result.status == 130, result.err
    assert result.complaint.endswith(f"neurosim train --resume {out}")
    assert [path.suffix for path in builds.iterdir()] == [".lock"]
    # the program is in the other cache: nothing is compiled for this
    again = call("train", "--resume", out, "--quiet")
    assert (again.status, again.out) == (0, "")


# Kills ------------------------------------------------------------------------------------------

#: Moments at which a run is killed, one after another: after so many checkpoints since its
#: start or resumption, or as soon as a file is there.
MOMENTS: tuple[int | str, ...] = (".lock", "config.toml", 2, "metrics.jsonl", 5)


def killed(out: Path, moment: int | str) -> None:
    """Start a run, or resume it, and kill it at a moment of :data:`MOMENTS`."""
    fresh = not (out / "config.toml").exists()
    start = (*DIGITS, "--epochs", EPOCHS, *IN_BATCHES, "--out", out)
    arguments = (*(start if fresh else ("train", "--resume", out)), "--threads", 2)
    seen = {file_number(out / "checkpoint.npz")}

    def reached() -> bool:
        if isinstance(moment, str):
            return (out / moment).exists()
        seen.add(file_number(out / "checkpoint.npz"))
        return len(seen) > moment

    with started(*arguments, in_chunks=True, NEUROSIM_CHECKPOINT_SECONDS="0") as process:
        wait_until(reached, process)
        process.kill()
        result = ended(process)
    assert "Traceback" not in result.err
    assert result.status == -signal.SIGKILL, result.err


def file_number(path: Path) -> tuple[int, int]:
    """Tell a file from the one that replaces it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


@pytest.mark.quick(1)
@pytest.mark.parametrize("moments", [(2, 5), MOMENTS], ids=["twice", "again and again"])
def test_a_run_killed_again_and_again_ends_alike(
    moments: tuple[int | str, ...], tmp_path: Path, uninterrupted: Path
) -> None:
    """Guards any state outside the checkpoints, and any moment at which they are not whole."""
    out, positions = tmp_path / "run", []
    for moment in moments:
        killed(out, moment)
        if (out / "checkpoint.npz").exists():
            positions.append(position_of(out))
    # the kills must have met learning, or nothing was tested
    assert sum(position > 0 for _, position in positions) >= len(moments) // 2, positions
    assert positions == sorted(positions)
    result = call("train", "--resume", out)
    assert result.status == 0, result.err
    assert_same_run(out, uninterrupted)


# Divergence and full disks ----------------------------------------------------------------------


def test_divergence_says_what_to_change_and_keeps_the_weights(tmp_path: Path) -> None:
    """Guards a finished-looking run whose weights mean nothing."""
    out = tmp_path / "run"
    result = call(*DIGITS, "--epochs", 1, "--set", "mu_ff=1e30,1e30", "--out", out)
    assert result.status == 2
    assert "learning diverged in epoch 1" in result.complaint
    assert "lower the learning rates (mu_ff, mu_fb)" in result.complaint
    assert all(np.isfinite(array).all() for array in weights_of(out).values())
    assert '"diverged": "learning diverged in epoch 1' in (out / "summary.json").read_text()


@pytest.fixture
def full_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 36 kB: room for two checkpoints, but not for a third beside them."""
    return disk_of("36k")


def test_a_run_needs_no_temporary_folder(
    full_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards results that pass through files which a full disk cuts short."""
    monkeypatch.setenv("TMPDIR", str(full_disk))
    # where it was is looked up once
    monkeypatch.setattr(tempfile, "tempdir", None)
    result = call(*DIGITS, "--epochs", 1, "--out", tmp_path / "run")
    assert tempfile.gettempdir() == str(full_disk)
    assert result.status == 0, result.err
    assert list(full_disk.iterdir()) == []


def test_run_folder_without_room_is_explained(
    full_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a run that goes on without checkpoints, and a traceback of its log."""
    out = full_disk / "run"
    monkeypatch.setenv("NEUROSIM_CHECKPOINT_SECONDS", "0")
    result = call(*DIGITS, "--epochs", 3, "--out", out)
    assert result.status == 2
    assert "No space left on device" in result.complaint
    assert f"--resume {out}" in result.complaint
    assert load_checkpoint(out)[1] == []
