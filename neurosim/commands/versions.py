"""What ``neurosim --version`` prints: versions, compiler and where programs are kept."""

from __future__ import annotations

import importlib.metadata
import platform

from neurosim._version import __version__

__all__ = ["versions"]


def versions() -> str:
    """Versions and places, as a report of a fault needs them.

    Returns
    -------
    str
        Lines, the first ``neurosim X.Y.Z``.
    """
    from neurosim.backends.cpp.compiler import compiler_version
    from neurosim.backends.cpp.library import cache_folder
    from neurosim.errors import NeurosimError

    try:
        cache = str(cache_folder())
    except NeurosimError as error:
        cache = str(error)
    lines = {
        "Brian2": importlib.metadata.version("brian2"),
        "NumPy": importlib.metadata.version("numpy"),
        "Python": f"{platform.python_version()} on {platform.platform()}",
        "compiler": compiler_version(),
        "cache": cache,
    }
    rest = "".join(f"{name + ':':<10}{text}\n" for name, text in lines.items())
    return f"neurosim {__version__}\n{rest}"
