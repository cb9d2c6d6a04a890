"""Start of the process that writes a C++ project; see :mod:`neurosim.backends.cpp.generate`.

Run as ``python -P generator_process.py SPEC.json FOLDER``. It imports neurosim from the folder
that this very file lies in, wherever the calling process found it, and nothing from the
folder in which the user works: a file ``random.py`` or ``brian2.py`` there is not ours.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

__all__: list[str] = []


def _import_package(folder: Path) -> None:
    """Import neurosim from a folder, without searching for it."""
    spec = importlib.util.spec_from_file_location("neurosim", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    package = sys.modules["neurosim"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _import_package(Path(__file__).parents[2])
    from neurosim.backends.cpp.generate import main

    sys.exit(main(sys.argv[1:]))
