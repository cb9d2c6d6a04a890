"""What this machine has for each back end, and which circuits each of them takes."""

from __future__ import annotations

import contextlib
import ctypes.util
import dataclasses
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from neurosim.backends import backend_class
from neurosim.circuit import Circuit
from neurosim.errors import BuildError, CircuitError, NeurosimError

__all__ = ["ARCHITECTURES", "Verdict", "compiles", "devices", "installed", "judge"]

#: Compute capabilities of cards in use, for a compilation without a card.
ARCHITECTURES = (75, 80, 90)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a back end says to a circuit.

    Attributes
    ----------
    word : {"runs", "not here", "refused"}
        Whether it runs here; would run, if something were installed; or never.
    reason : str
        Why not, with the way out.
    """

    word: str
    reason: str = ""


def judge(backend: str, circuit: Circuit) -> Verdict:
    """Whether a back end takes a circuit, and whether this machine has what it needs.

    Parameters
    ----------
    backend : str
        Its name.
    circuit : Circuit
        What it would run.

    Returns
    -------
    Verdict
        Nothing is built for it.
    """
    kind = backend_class(backend)
    try:
        kind.check_circuit(circuit)
    except CircuitError as error:
        return Verdict("refused", str(error))
    try:
        kind.check_machine()
    except BuildError as error:
        return Verdict("not here", str(error))
    return Verdict("runs")


def _version(*names: str) -> str:
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return f"{name} {importlib.metadata.version(name)}"
    return ""


def installed() -> dict[str, str]:
    """What back ends need, as it is found here.

    Returns
    -------
    dict of str to str
        Versions by name; what is missing says how to get it.
    """
    from neurosim.backends.cpp.compiler import compiler_version
    from neurosim.backends.cuda.nvrtc import find_nvrtc
    from neurosim.backends.genn.model import find_pygenn, processor

    def nvrtc() -> str:
        found = find_nvrtc()
        return f"{found.version[0]}.{found.version[1]}"

    def genn() -> str:
        return f"pygenn {find_pygenn().__version__}, for {processor()}"

    driver = ctypes.util.find_library("cuda")
    return {
        "Brian2": _version("brian2"),
        "C++ compiler": compiler_version(),
        "CuPy": _version("cupy-cuda12x", "cupy-cuda13x", "cupy")
        or "not installed: pip install -e '.[cuda]' in the folder of this repository",
        "NVRTC (CUDA compiler)": _said(nvrtc),
        "NVIDIA driver": driver or "not installed",
        "PyGeNN": _said(genn),
    }


def devices() -> list[str]:
    """What programs can run on.

    Returns
    -------
    list of str
        Processors and GPUs, one line each.
    """
    from neurosim.backends.cores import available_cores
    from neurosim.backends.cuda.device import open_gpu

    def gpu() -> str:
        found = open_gpu()
        return (
            f"{found.name}, compute capability {found.architecture / 10}, "
            f"{found.multiprocessors} multiprocessors, {found.free_bytes() / 2**30:.1f} GiB free"
        )

    return [f"CPU: {available_cores()} cores", f"GPU: {_said(gpu)}"]


def _said(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except NeurosimError as error:
        return str(error)


def compiles(circuit: Circuit) -> Iterator[tuple[int, str]]:
    """Compile the kernels of a circuit, without running them.

    Parameters
    ----------
    circuit : Circuit
        What to compile.

    Yields
    ------
    architecture : int
        Compute capability, such as 90.
    complaint : str
        Empty if it compiles.
    """
    from neurosim.backends.cuda.library import write_kernels
    from neurosim.backends.cuda.nvrtc import find_nvrtc

    with tempfile.TemporaryDirectory(prefix="neurosim-") as folder:
        source = write_kernels(circuit, np.dtype("float32"), {}, Path(folder)).read_text()
    for architecture in ARCHITECTURES:
        try:
            find_nvrtc().compile(source, architecture)
        except BuildError as error:
            yield architecture, str(error)
        else:
            yield architecture, ""
