"""NVIDIA's run-time compiler: found, called, and its first error told.

It needs neither a GPU nor a driver nor a CUDA toolkit, just its library: from a wheel
(``nvidia-cuda-nvrtc-cu12``, ``nvidia-cuda-nvrtc``) or an installed toolkit.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path

from neurosim.errors import BuildError

__all__ = ["Nvrtc", "find_nvrtc"]

#: As on a CPU: products and sums are not fused, and numbers too small for full precision are 0.
_OPTIONS = (
    "--std=c++17",
    "--fmad=false",
    "--ftz=true",
    "--device-as-default-execution-space",
    "--disable-warnings",
)
_HINT = "install it with pip install -e '.[cuda]' in the folder of this repository"


class Nvrtc:
    """The compiler.

    Parameters
    ----------
    library : Path
        ``libnvrtc.so.N``.

    Attributes
    ----------
    library : Path
        Its file.
    version : tuple of int
        Major and minor number.

    Raises
    ------
    BuildError
        If the library cannot be loaded.
    """

    def __init__(self, library: Path) -> None:
        self.library = library
        try:
            for builtins in sorted(library.parent.glob("libnvrtc-builtins.so*")):
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            self._calls = ctypes.CDLL(str(library))
        except OSError as error:
            raise BuildError(f"the CUDA compiler cannot be loaded: {error}; {_HINT}") from error
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._calls.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        self.version = major.value, minor.value

    def architectures(self) -> tuple[int, ...]:
        """Compute capabilities it compiles for, such as 75 and 90.

        Returns
        -------
        tuple of int
            In rising order.
        """
        count = ctypes.c_int()
        self._calls.nvrtcGetNumSupportedArchs(ctypes.byref(count))
        found = (ctypes.c_int * count.value)()
        self._calls.nvrtcGetSupportedArchs(found)
        return tuple(sorted(found))

    def compile(self, source: str, architecture: int) -> bytes:
        """Compile kernels.

        Parameters
        ----------
        source : str
            CUDA C++.
        architecture : int
            Compute capability. Where it is newer than this compiler, the result is PTX,
            which the driver compiles.

        Returns
        -------
        bytes
            A cubin, or PTX.

        Raises
        ------
        BuildError
            If it cannot be compiled; the first error is in the message.
        """
        known = [number for number in self.architectures() if number <= architecture]
        if not known:
            raise BuildError(
                f"NVRTC {self.version[0]}.{self.version[1]} compiles for compute capability "
                f"{self.architectures()[0] / 10} and newer, not for {architecture / 10}; install "
                "an older one, e.g. pip install nvidia-cuda-nvrtc-cu12"
            )
        kind, form = ("sm", "CUBIN") if known[-1] == architecture else ("compute", "PTX")
        options = [f"--gpu-architecture={kind}_{known[-1]}", *_OPTIONS]
        program = ctypes.c_void_p()
        self._calls.nvrtcCreateProgram(
            ctypes.byref(program), source.encode(), b"program.cu", 0, None, None
        )
        try:
            given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
            status = self._calls.nvrtcCompileProgram(program, len(options), given)
            if status:
                raise BuildError(f"NVRTC failed with status {status}: {self._complaint(program)}")
            return self._text(program, form)
        finally:
            self._calls.nvrtcDestroyProgram(ctypes.byref(program))

    def _complaint(self, program: ctypes.c_void_p) -> str:
        log = self._text(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
        errors = [line for line in log.splitlines() if "error" in line]
        return (errors or log.splitlines() or ["no message"])[0].strip()

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        getattr(self._calls, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        getattr(self._calls, f"nvrtcGet{what}")(program, text)
        return text.raw


def find_nvrtc(major: int | None = None) -> Nvrtc:
    """The newest compiler at hand.

    Parameters
    ----------
    major : int, optional
        Version that the driver's interface asks for; any by default.

    Returns
    -------
    Nvrtc
        Loaded.

    Raises
    ------
    BuildError
        If there is none; the message names what to install.
    """
    found = {path.resolve(): _major(path) for path in _libraries()}
    fitting = [path for path, number in found.items() if major in (None, number)]
    if not fitting:
        wanted = "NVRTC" if major is None else f"NVRTC {major}"
        other = f" (there is version {max(found.values())})" if found else ""
        raise BuildError(f"no CUDA compiler, {wanted}{other}; {_HINT}")
    return Nvrtc(max(fitting, key=lambda path: found[path]))


def _major(library: Path) -> int:
    number = re.search(r"\.so\.(\d+)", library.name)
    return int(number[1]) if number else 0


def _libraries() -> Iterator[Path]:
    """Files that may be the compiler: in wheels first, then in toolkits."""
    try:
        wheels = importlib.util.find_spec("nvidia")
    except (ImportError, ValueError):
        wheels = None
    for place in (wheels.submodule_search_locations or ()) if wheels else ():
        for folder in ("cuda_nvrtc", "cu13", "cu12"):
            yield from Path(place, folder, "lib").glob("libnvrtc.so.[0-9]*")
    for name in ("CUDA_PATH", "CUDA_HOME"):
        if os.environ.get(name):
            yield from Path(os.environ[name], "lib64").glob("libnvrtc.so.[0-9]*")
    yield from Path("/usr/local/cuda/lib64").glob("libnvrtc.so.[0-9]*")
