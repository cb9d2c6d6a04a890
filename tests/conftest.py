"""What all tests share: one folder of compiled programs, and no traces left in global state."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from neurosim.data import default_data_dir

# A test that fails does so again, and on every machine: the same examples each time, and no
# verdict that hangs on how busy the machine is. ``make test-slow`` draws others.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "drawn", derandomize=False, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")

# A job in the background of a script begins with Ctrl-C ignored, and so do those it starts.
# Brian2 keeps the handler that it finds, and calls it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Leave out warnings that only Brian2's authors can act on: old names of pyparsing."""
    for module in ("brian2", "pyparsing"):
        config.addinivalue_line("filterwarnings", rf"ignore::DeprecationWarning:{module}\.")
    # pytest.warns raises what it did not wait for anew, in the name of no module
    config.addinivalue_line("filterwarnings", "ignore:'scanString' deprecated:DeprecationWarning")


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep compiled programs for this session only, each built once, and fast.

    Set ``NEUROSIM_CACHE`` yourself to keep them from one session to the next, and
    ``NEUROSIM_CXXFLAGS`` to the empty string to have them as users do. Compiling takes
    half as long with -O1; ``test_compiled_programs`` shows that no bit depends on it.
    """
    chosen = os.environ.get("NEUROSIM_CACHE")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROSIM_CACHE", str(folder))
        patch.setenv("NEUROSIM_CXXFLAGS", os.environ.get("NEUROSIM_CXXFLAGS", "-O1"))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def quick_brian2() -> None:
    """Spare Brian2 what costs time and tells nothing.

    Before every run it tidies up all that was ever loaded; and at the first network that is
    made outside of a back end it tries, for up to a minute, whether it can compile.
    """
    import brian2

    brian2.prefs.codegen.target = "numpy"
    gc.collect()
    gc.freeze()


#: Brian2 appends its own folder when it first asks whether Cython works, whoever made it ask.
_ADDED_TO_BY_BRIAN2 = "codegen.cpp.include_dirs"


@pytest.fixture(autouse=True)
def untouched_global_state() -> Iterator[None]:
    """Fail a test that leaves NumPy's global generator or Brian2's settings changed."""
    generator, brian = _numpy_state(), _brian_state()
    yield
    assert _numpy_state() == generator, "the test moved numpy's global random state"
    # a test that imports Brian2 first has nothing to compare with
    if brian is not None:
        now = _brian_state()
        assert now is not None
        # preferences that a later import registers are not a change
        kept = {name: now[2].get(name) for name in brian[2]}
        assert (*now[:2], kept) == brian, "the test changed Brian2's preferences or device"


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - this very state is watched
    return (name, keys.tobytes(), *rest)


def _brian_state() -> tuple[Any, ...] | None:
    brian = sys.modules.get("brian2")
    if brian is None or not hasattr(brian, "get_device"):
        return None
    device = brian.get_device()
    values = {name: repr(brian.prefs[name]) for name in brian.prefs if name != _ADDED_TO_BY_BRIAN2}
    return type(device).__name__, id(device), values


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A function that mounts a file system of a size such as ``"64k"``, for this test only."""
    mounted: list[Path] = []

    def make(size: str) -> Path:
        disk = tmp_path / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"needs the mount program: {error}")
        if done.returncode != 0:
            pytest.skip(f"needs the right to mount a tmpfs: {done.stderr.strip()}")
        mounted.append(disk)
        return disk

    yield make
    for disk in mounted:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of ``NEUROSIM_MNIST_DIR``, or where ``neurosim train`` keeps its data."""
    return find_mnist(os.environ.get("NEUROSIM_MNIST_DIR", ""), default_data_dir())


def find_mnist(chosen: str, kept: Path) -> Path:
    """The folder with both data sets: the chosen one must hold them, the other may."""
    folder = Path(chosen) if chosen else kept
    missing = [name for name in ("MNIST", "FashionMNIST") if not (folder / name / "raw").is_dir()]
    if missing and chosen:
        pytest.fail(f"NEUROSIM_MNIST_DIR={chosen} holds no {missing[0]}/raw")
    if missing:
        pytest.skip(
            f"{folder} holds no {missing[0]}/raw and NEUROSIM_MNIST_DIR is not set: name a folder "
            "that holds MNIST/raw and FashionMNIST/raw"
        )
    return folder
