"""The device that runs kernels: what a back end asks of it, and the one that is a GPU.

Everything that CuPy does for the back end is here. :mod:`neurosim.backends.cuda.emulation`
has a device of the same interface that needs no GPU, for tests.
"""

from __future__ import annotations

import abc
import ctypes.util
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends.cuda.nvrtc import Nvrtc, find_nvrtc
from neurosim.errors import BuildError

__all__ = ["Device", "Gpu", "KernelFacts", "Kernels", "blocks_per_multiprocessor", "open_gpu"]

#: The oldest compute capability: Volta, 2017.
_OLDEST = 70
_WAY_OUT = "or use --backend cpp"


@dataclasses.dataclass(frozen=True)
class KernelFacts:
    """What the compiler made of a kernel.

    Attributes
    ----------
    registers : int
        Of each thread.
    spilled_bytes : int
        Memory of each thread for what did not fit into registers.
    most_threads : int
        In a block.
    """

    registers: int
    spilled_bytes: int
    most_threads: int


class Kernels(abc.ABC):
    """Kernels of a loaded program."""

    @abc.abstractmethod
    def launch(
        self, name: str, blocks: int, threads: int, arrays: NDArray[np.uint64], *arguments: Any
    ) -> None:
        """Launch a kernel; it may still run when this returns.

        Parameters
        ----------
        name : {"steps", "learn"}
            Which one.
        blocks, threads : int
            Blocks, and threads in each.
        arrays : ndarray of uint64
            Addresses of the shared arrays.
        *arguments : array or int
            The other arguments.
        """

    @abc.abstractmethod
    def facts(self, name: str) -> KernelFacts:
        """Registers of a kernel, and threads that a block may have.

        Parameters
        ----------
        name : {"steps", "learn"}
            Which one.

        Returns
        -------
        KernelFacts
            As the driver tells them.
        """


class Device(abc.ABC):
    """What runs kernels.

    Attributes
    ----------
    name : str
        For messages.
    multiprocessors : int
        Blocks run on so many at a time, several on each.
    registers, threads : int
        Of a multiprocessor.
    binary : str
        Name of the compiled program's file.
    warp : int
        Threads of a block are a multiple of so many.
    block : int or None
        Threads of a block; None for as many as are fast.
    """

    name: str
    multiprocessors: int
    registers: int = 65536
    threads: int = 2048
    binary: str
    warp: int = 32
    block: int | None = None

    @abc.abstractmethod
    def identity(self) -> tuple[str, ...]:
        """Texts that differ where a program must be compiled anew."""

    @abc.abstractmethod
    def compile(self, source: Path, output: Path) -> None:
        """Compile a program.

        Parameters
        ----------
        source, output : Path
            In the same folder.

        Raises
        ------
        BuildError
            If it cannot be compiled.
        """

    @abc.abstractmethod
    def load(self, program: Path) -> Kernels:
        """Load a compiled program.

        Parameters
        ----------
        program : Path
            Its file.

        Returns
        -------
        Kernels
            Ready to launch.

        Raises
        ------
        BuildError
            If it cannot be loaded.
        """

    @abc.abstractmethod
    def free_bytes(self) -> int:
        """Memory that is free now."""

    @abc.abstractmethod
    def upload(self, array: NDArray[Any]) -> Any:
        """Copy an array to the device.

        Parameters
        ----------
        array : ndarray
            C-contiguous.

        Returns
        -------
        array
            Of the device.
        """

    @abc.abstractmethod
    def zeros(self, shape: Sequence[int]) -> Any:
        """Bytes of 0 on the device, aligned to 64 bytes.

        Parameters
        ----------
        shape : sequence of int
            Of the array.

        Returns
        -------
        array
            Of the device, of type uint8; it can be sliced.
        """

    @abc.abstractmethod
    def download(self, array: Any) -> NDArray[Any]:
        """Copy an array from the device, when all that was launched is done.

        Parameters
        ----------
        array : array
            Of the device.

        Returns
        -------
        ndarray
            C-contiguous.
        """

    @abc.abstractmethod
    def address(self, array: Any) -> int:
        """Where an array of the device begins.

        Parameters
        ----------
        array : array
            Of the device.

        Returns
        -------
        int
            An address.
        """

    @abc.abstractmethod
    def mark(self) -> Any:
        """A mark behind what was launched so far; its ``synchronize()`` waits for that."""


def blocks_per_multiprocessor(device: Device, facts: KernelFacts, threads: int) -> int:
    """Blocks that a multiprocessor holds at a time.

    Parameters
    ----------
    device : Device
        What runs them.
    facts : KernelFacts
        Of the kernel.
    threads : int
        Of a block.

    Returns
    -------
    int
        As registers and threads allow; 0 if not even one block fits.
    """
    if threads > facts.most_threads:
        return 0
    # registers are given out to warps in portions of 256
    per_warp = -(-facts.registers * device.warp // 256) * 256
    warps = -(-threads // device.warp)
    return min(device.registers // max(per_warp * warps, 1), device.threads // threads, 32)


# ------------------------------------------------------------------ a GPU


class _GpuKernels(Kernels):
    def __init__(self, module: Any) -> None:
        self._kernels = {name: module.get_function(name) for name in ("steps", "learn")}

    def launch(
        self, name: str, blocks: int, threads: int, arrays: NDArray[np.uint64], *arguments: Any
    ) -> None:
        # a NumPy array of one element is handed over by value
        pointers = arrays.view([("pointers", np.uint64, (len(arrays),))])
        self._kernels[name]((blocks,), (threads,), (pointers, *arguments))

    def facts(self, name: str) -> KernelFacts:
        found = self._kernels[name].attributes
        return KernelFacts(
            found["num_regs"], found["local_size_bytes"], found["max_threads_per_block"]
        )


class Gpu(Device):
    """The current NVIDIA GPU, through CuPy.

    Parameters
    ----------
    cupy : module
        CuPy.
    nvrtc : Nvrtc
        The compiler.
    """

    binary = "program.cubin"

    def __init__(self, cupy: Any, nvrtc: Nvrtc) -> None:
        self._cupy, self._nvrtc = cupy, nvrtc
        number = cupy.cuda.runtime.getDevice()
        facts = cupy.cuda.runtime.getDeviceProperties(number)
        self.name = facts["name"].decode()
        self.architecture = 10 * facts["major"] + facts["minor"]
        self.multiprocessors = facts["multiProcessorCount"]
        self.registers = facts["regsPerMultiprocessor"]
        self.threads = facts["maxThreadsPerMultiProcessor"]

    def identity(self) -> tuple[str, ...]:
        """Architecture and compiler."""
        return "cuda", str(self.architecture), str(self._nvrtc.version)

    def compile(self, source: Path, output: Path) -> None:
        """Compile with NVRTC for this GPU."""
        output.write_bytes(self._nvrtc.compile(source.read_text(), self.architecture))

    def load(self, program: Path) -> Kernels:
        """Load a cubin."""
        try:
            return _GpuKernels(self._cupy.RawModule(path=str(program)))
        except self._cupy.cuda.driver.CUDADriverError as error:
            raise BuildError(
                f"the driver cannot load the program in {program.parent} ({error}): is it older "
                f"than the compiler, NVRTC {self._nvrtc.version[0]}.{self._nvrtc.version[1]}? "
                f"Update the driver, {_WAY_OUT}"
            ) from error

    def free_bytes(self) -> int:
        """Free memory of the card, with what CuPy keeps in store."""
        free, _ = self._cupy.cuda.runtime.memGetInfo()
        return int(free + self._cupy.get_default_memory_pool().free_bytes())

    def upload(self, array: NDArray[Any]) -> Any:
        """Copy to the GPU."""
        return self._cupy.asarray(array)

    def zeros(self, shape: Sequence[int]) -> Any:
        """Bytes of 0."""
        return self._cupy.zeros(tuple(shape), np.uint8)

    def download(self, array: Any) -> NDArray[Any]:
        """Copy from the GPU."""
        return np.ascontiguousarray(self._cupy.asnumpy(array))

    def address(self, array: Any) -> int:
        """Device pointer."""
        return int(array.data.ptr)

    def mark(self) -> Any:
        """A CUDA event."""
        event = self._cupy.cuda.Event(block=True, disable_timing=True)
        event.record()
        return event


def open_gpu() -> Gpu:
    """The current GPU, if there is one that can be used.

    Returns
    -------
    Gpu
        Ready.

    Raises
    ------
    BuildError
        If CuPy, a driver, a GPU or the compiler is missing, or the card is too old; one line
        says which, and what to do.
    """
    try:
        import cupy
    except ImportError as error:
        raise BuildError(
            f"the back end 'cuda' needs CuPy ({error}): pip install -e '.[cuda]' in the folder of "
            f"this repository, {_WAY_OUT}"
        ) from error
    if ctypes.util.find_library("cuda") is None:
        raise BuildError(
            "there is no NVIDIA driver (libcuda) on this machine: install the driver of your "
            f"card, {_WAY_OUT}"
        )
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        raise BuildError(
            f"no GPU can be used ({error}): look at what nvidia-smi says, {_WAY_OUT}"
        ) from error
    if not count:
        raise BuildError(f"there is no NVIDIA GPU on this machine: {_WAY_OUT.removeprefix('or ')}")
    gpu = Gpu(cupy, find_nvrtc(runtime.runtimeGetVersion() // 1000))
    if gpu.architecture < _OLDEST:
        raise BuildError(
            f"{gpu.name} has compute capability {gpu.architecture / 10}, and the back end 'cuda' "
            f"needs {_OLDEST / 10} (Volta, 2017) or newer: use another card with "
            f"CUDA_VISIBLE_DEVICES, {_WAY_OUT}"
        )
    return gpu
