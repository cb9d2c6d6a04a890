"""A device without a GPU: the kernels compiled as C++, with threads in the place of a block's.

It proves what a GPU cannot show: that no barrier is missing, under the compiler's thread
sanitizer, and that kernels compute the same bits as the C++ program. It is slow.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.cpp.compiler import (
    compile_library,
    compiler_flags,
    compiler_identity,
    find_compiler,
)
from neurosim.backends.cpp.memory import aligned_zeros
from neurosim.backends.cuda.device import Device, KernelFacts, Kernels

__all__ = ["EmulatedDevice"]


class _EmulatedKernels(Kernels):
    def __init__(self, code: ctypes.CDLL) -> None:
        self._code = code

    def launch(
        self, name: str, blocks: int, threads: int, arrays: NDArray[np.uint64], *arguments: Any
    ) -> None:
        given = [
            ctypes.c_void_p(value.ctypes.data) if isinstance(value, np.ndarray)
            else (ctypes.c_int64 if isinstance(value, np.int64) else ctypes.c_int)(int(value))
            for value in arguments
        ]  # fmt: skip
        call = getattr(self._code, f"launch_{name}")
        call.restype = None
        call(blocks, threads, ctypes.c_void_p(arrays.ctypes.data), *given)

    def facts(self, name: str) -> KernelFacts:
        return KernelFacts(registers=64, spilled_bytes=0, most_threads=1024)


class _Done:
    def synchronize(self) -> None:
        """Launches return when they are done."""


class EmulatedDevice(Device):
    """Runs kernels on threads of the CPU.

    Parameters
    ----------
    threads : int
        Of a block; few, and not a power of 2, show the most.
    memory : int
        Bytes that it says it has.
    """

    name = "emulated device"
    multiprocessors = 2
    binary = "program.so"
    warp = 1

    def __init__(self, threads: int = 3, memory: int = 2**30) -> None:
        self.block = threads
        self._memory = memory

    def identity(self) -> tuple[str, ...]:
        """The C++ compiler and the processor."""
        return "cuda emulation", compiler_identity(find_compiler()), *compiler_flags()

    def compile(self, source: Path, output: Path) -> None:
        """Compile as C++."""
        text = source.with_suffix(".cpp")
        text.write_text(source.read_text())
        compile_library(text, output, find_compiler())

    def load(self, program: Path) -> Kernels:
        """Load the library."""
        return _EmulatedKernels(ctypes.CDLL(os.fspath(program)))

    def free_bytes(self) -> int:
        """As much as it was told."""
        return self._memory

    def upload(self, array: NDArray[Any]) -> Any:
        """A copy."""
        copied = aligned_zeros(array.shape, array.dtype)
        copied[...] = array
        return copied

    def zeros(self, shape: Sequence[int]) -> Any:
        """Bytes of 0."""
        return aligned_zeros(tuple(shape), np.uint8)

    def download(self, array: Any) -> NDArray[Any]:
        """A copy."""
        return np.array(array, order="C")

    def address(self, array: Any) -> int:
        """A pointer."""
        return int(array.ctypes.data)

    def mark(self) -> Any:
        """Nothing to wait for."""
        return _Done()
