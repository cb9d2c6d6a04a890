"""Let GeNN write and compile a model, in a process of its own; ``python -m`` runs that process."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurosim.backends.cpp.compiler import compiler_flags, find_compiler
from neurosim.backends.genn.model import NAME, make_model
from neurosim.errors import BuildError

__all__ = ["LIBRARY", "MODEL", "build_model"]

#: What is built, and the description that it is built from.
LIBRARY, MODEL = f"{NAME}_CODE/librunner.so", "model.json"


def build_model(described: Mapping[str, Any], folder: Path) -> None:
    """Build a model in a folder.

    Parameters
    ----------
    described : mapping
        As for :func:`~neurosim.backends.genn.model.make_model`; kept beside the library.
    folder : Path
        Empty.

    Raises
    ------
    BuildError
        If GeNN or the compiler fails; the last line of what they say is in the message.
    """
    (folder / MODEL).write_text(json.dumps(described))
    # GeNN's makefiles have no flags but these; --no-print-directory keeps make silent
    compiler = shlex.join([*find_compiler(), *compiler_flags()])
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "CXX": compiler, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode or not (folder / LIBRARY).is_file():
        said = f"{done.stdout}\n{done.stderr}".strip().splitlines() or ["no message"]
        errors = [line for line in said if "error" in line.lower()]
        raise BuildError(f"GeNN could not build the model: {(errors or said)[0].strip()}")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    make_model(json.loads((place / MODEL).read_text())).build(str(place))
