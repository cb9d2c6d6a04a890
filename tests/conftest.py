"""What all tests share: one folder of compiled programs, and no traces left in global state."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreements import Agreement
from hypothesis import HealthCheck, settings

from neurosim.data import default_data_dir

# The same examples each time, and no time limits, so that a failure repeats on every machine.
# ``make test-slow`` draws others, and more.
settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "drawn", derandomize=False, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``@pytest.mark.quick(n)``: of many cases n always run, spread over all; the rest are slow."""
    cases: dict[tuple[Path, str], list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("quick"):
            cases.setdefault((item.path, item.name.partition("[")[0]), []).append(item)
    for of_one_test in cases.values():
        (count,) = of_one_test[0].get_closest_marker("quick").args  # type: ignore[union-attr]
        last, steps = len(of_one_test) - 1, max(count - 1, 1)
        # one case is the first
        always = {round(i * last / steps) for i in range(count)}
        for place, item in enumerate(of_one_test):
            if place not in always:
                item.add_marker("slow")


# A job in the background of a script begins with Ctrl-C ignored, and so do those it starts.
# Brian2 keeps the handler that it finds, and calls it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Hide warnings that only Brian2's authors can act on: old names of pyparsing."""
    for module in ("brian2", "pyparsing"):
        config.addinivalue_line("filterwarnings", rf"ignore::DeprecationWarning:{module}\.")
    # pytest.warns raises other warnings again, without their module
    config.addinivalue_line("filterwarnings", "ignore:'scanString' deprecated:DeprecationWarning")


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep compiled programs in one folder for all tests and workers, each built once.

    Compiling takes seconds, running milliseconds. Tests in any file share a program if they
    agree in the structure of the circuit (sizes, equations, wiring), in ``dtype``, in the
    most images of a chunk and in what is recorded; values of parameters, weights, images and
    lengths of phases may differ. So take the networks of ``oracles.py``, leave
    ``chunk_images`` alone, and use ``backend="runtime"`` where compiling proves nothing.

    Set ``NEUROSIM_CACHE`` to keep programs from one session to the next, and
    ``NEUROSIM_CXXFLAGS`` to the empty string to compile as users do. Compiling takes
    half as long with -O1; ``test_compiled_programs`` shows that no bit depends on it.
    """
    base = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each worker a folder inside that of the session
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = Path(os.environ.get("NEUROSIM_CACHE") or shared / "compiled")
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROSIM_CACHE", str(folder))
        patch.setenv("NEUROSIM_CXXFLAGS", os.environ.get("NEUROSIM_CXXFLAGS", "-O1"))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def quick_brian2() -> None:
    """Keep Brian2 from three things that cost time.

    Before every run it collects garbage among everything that is loaded, to warn of objects
    that no network has: here among what is new; at the first network outside of a back end it
    tries, for up to a minute, whether Cython can compile; and it looks for every name in every
    equation by a pattern of its own, more of them than Python keeps.
    """
    import brian2
    from brian2.core import network

    network.gc = types.SimpleNamespace(collect=lambda: gc.collect(1))
    re._MAXCACHE = 50_000  # type: ignore[attr-defined]
    brian2.prefs.codegen.target = "numpy"
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def little_garbage(quick_brian2: None) -> None:
    """Leave what earlier modules loaded out of the garbage that is collected."""
    gc.collect()
    gc.freeze()


#: Brian2 appends its own folder to this when it first checks whether Cython works.
_ADDED_TO_BY_BRIAN2 = "codegen.cpp.include_dirs"


@pytest.fixture(autouse=True)
def untouched_global_state() -> Iterator[None]:
    """Fail a test that leaves NumPy's global generator or Brian2's settings changed."""
    generator, brian = _numpy_state(), _brian_state()
    log = logging.getLogger("neurosim")
    level, handlers = log.level, log.handlers[:]
    yield
    # the command line writes to a stream that ends with the test
    log.setLevel(level)
    log.handlers[:] = handlers
    assert _numpy_state() == generator, "the test moved numpy's global random state"
    # the first test that imports Brian2 has nothing to compare with
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


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str, Agreement], None]:
    """Print an agreement, and keep it in the report of the test run."""

    def tell(name: str, found: Agreement) -> None:
        text = f"angle {found.angle:.4f} degrees, relative norm {found.ratio:.5f}"
        record_property(name, text)
        sys.stdout.write(f"\n{name}: {text}")

    return tell


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
