"""NVIDIA's compiler on the kernels of every system; it needs no GPU, just its wheel."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from kernels import KERNEL_SYSTEMS, small

from neurosim.backends.cuda.library import write_kernels
from neurosim.backends.cuda.nvrtc import Nvrtc, find_nvrtc
from neurosim.backends.survey import ARCHITECTURES
from neurosim.errors import BuildError


@pytest.fixture(scope="module")
def nvrtc() -> Nvrtc:
    try:
        return find_nvrtc()
    except BuildError as error:
        warnings.warn(f"CUDA kernels are NOT compiled in these tests: {error}", stacklevel=1)
        pytest.skip(str(error))


def check_compiles(name: str, nvrtc: Nvrtc, folder: Path, architectures: Sequence[int]) -> None:
    source = write_kernels(small(name).circuit(), np.dtype("float32"), {}, folder).read_text()
    for architecture in architectures:
        program = nvrtc.compile(source, architecture)
        # a cubin, an ELF file with the kernels in it
        assert program[:4] == b"\x7fELF"
        assert {b".text.steps", b".text.learn"} <= set(program.split(b"\0"))


@pytest.mark.quick(2)
@pytest.mark.parametrize(("number", "name"), list(enumerate(KERNEL_SYSTEMS)))
def test_every_system_compiles(number: int, name: str, nvrtc: Nvrtc, tmp_path: Path) -> None:
    """Guards kernels that only a C++ compiler understands; the cards take turns."""
    check_compiles(name, nvrtc, tmp_path, [ARCHITECTURES[number % len(ARCHITECTURES)]])


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNEL_SYSTEMS)
def test_every_system_compiles_for_every_card(name: str, nvrtc: Nvrtc, tmp_path: Path) -> None:
    """Guards a pair of system and card that the turns leave out."""
    check_compiles(name, nvrtc, tmp_path, ARCHITECTURES)


def test_a_mistake_is_told_in_one_line(nvrtc: Nvrtc) -> None:
    """Guards a log of pages, and a compiler whose failure goes unnoticed."""
    with pytest.raises(BuildError, match=r"NVRTC failed .*nowhere") as caught:
        nvrtc.compile("void f() { nowhere(); }", 80)
    assert "\n" not in str(caught.value)


def test_architectures_that_the_compiler_does_not_know(nvrtc: Nvrtc) -> None:
    """Guards cards newer than the compiler, and refusal of those too old for it."""
    assert b".target sm_" in nvrtc.compile("void f() {}", 999)
    with pytest.raises(BuildError, match=r"not for 1\.0; install an older one"):
        nvrtc.compile("void f() {}", 10)
