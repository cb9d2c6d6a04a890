"""What a run is computed with: versions, platform, compiler and commit."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from neurosim.backends.cpp.compiler import compiler_version

__all__ = ["environment", "processor"]

# Git sets these variables for a hook; they point at the repository of the hook.
_GIT_VARIABLES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
_TOOL_TIMEOUT_S = 10.0


def environment() -> dict[str, str]:
    """Versions and platform, for the record of a run.

    Returns
    -------
    dict of str to str
        Versions under ``neurosim``, ``brian2``, ``numpy`` and ``python``;
        ``platform``; ``processor``, its name and the cores that may be used;
        ``compiler``, the first line of the C++ compiler's version or
        ``"none found"``; ``git_commit`` of the source checkout, with
        ``-dirty`` if it is modified, or ``"none"``.
    """
    return {
        "neurosim": _own_version(),
        "brian2": _version("brian2"),
        "numpy": _version("numpy"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "compiler": compiler_version(),
        "git_commit": _git_commit(Path(__file__).resolve()),
    }


def processor() -> str:
    """Name of the processor and how many of its cores this process may use.

    Returns
    -------
    str
        Such as ``"AMD EPYC 7763, 2 cores"``.
    """
    cores = len(os.sched_getaffinity(0))
    return f"{_processor_name()}, {cores} core{'s' * (cores != 1)}"


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, names), platform.machine() or "unknown processor")


def _own_version() -> str:
    try:
        return importlib.metadata.version("neurosim")
    except importlib.metadata.PackageNotFoundError:
        # Run from a source tree that is not installed.
        return str(importlib.import_module("neurosim").__version__)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git_commit(source: Path) -> str:
    """Commit of the checkout that tracks a source file; ``"none"`` if there is none."""
    git = ["git", "-C", str(source.parent)]
    # An installed package may lie inside a repository that is not its own.
    if _output_of([*git, "ls-files", "--error-unmatch", source.name]) is None:
        return "none"
    commit = _output_of([*git, "rev-parse", "--verify", "HEAD"])
    if commit is None:
        return "none"
    changes = _output_of([*git, "status", "--porcelain", "--untracked-files=no"])
    return commit.strip() + ("-dirty" if changes else "")


def _output_of(command: list[str]) -> str | None:
    """Output of a program; None if it is absent, fails or hangs."""
    variables = {key: value for key, value in os.environ.items() if key not in _GIT_VARIABLES}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TOOL_TIMEOUT_S,
            check=True,
            env={**variables, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
