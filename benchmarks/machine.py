"""What was measured on: processor, memory, compilers, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from neurosim.backends.cpp.compiler import compiler_flags, compiler_version

__all__ = ["describe_machine"]

_PACKAGES = ("neurosim", "brian2", "numpy", "torch", "scipy", "matplotlib")


def describe_machine() -> dict[str, Any]:
    """Everything about this machine that a time depends on.

    Returns
    -------
    dict
        JSON-able; holds no host name, user or path.
    """
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "caches": _caches(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "compiler": compiler_version(),
        "flags": " ".join(compiler_flags()),
        "blas": _blas(),
        "commit": _commit(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _caches() -> dict[str, str]:
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in _CACHE_FILES)
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


_CACHE_FILES = ("level", "type", "size")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _blas() -> str:
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]
    return f"{blas.get('name')} {blas.get('version')}"


def _commit() -> str:
    """Commit of the source tree, with a + if it has changes; empty outside a repository."""
    folder = Path(__file__).resolve().parent
    words = []
    for arguments in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain")):
        try:
            command = ["git", "-C", str(folder), *arguments]
            words.append(subprocess.run(command, capture_output=True, text=True).stdout.strip())
        except OSError:
            return ""
    return words[0] + "+" * bool(words[1])
