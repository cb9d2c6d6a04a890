"""Run the compiled program of every system under a sanitizer of the C++ compiler.

    python -m benchmarks.sanitize               address and undefined behaviour, then threads
    python -m benchmarks.sanitize thread

Each system learns some digits, is evaluated on two threads, and the tests of lanes and
threads run. Only the programs are instrumented, not Python. The sanitizer of threads also
looks at the kernels for a GPU, which run on threads of the CPU (:mod:`benchmarks.barriers`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from neurosim.backends.cpp.compiler import find_compiler

__all__ = ["main", "surroundings"]

_ROOT = Path(__file__).resolve().parents[1]
#: By sanitizer: what the compiler is told, which library comes first, and its options.
_KINDS = {
    "address": (
        "-fsanitize=address,undefined -fno-sanitize-recover=undefined",
        "libasan.so",
        {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"},
    ),
    "thread": ("-fsanitize=thread", "libtsan.so", {"TSAN_OPTIONS": "exitcode=66"}),
}
_COMMANDS = (
    ("-m", "benchmarks.weight_hashes", "--epochs", "1"),
    ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_lanes.py"),
    ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_population_weights.py"),
)


def surroundings(kind: str, cache: str) -> dict[str, str]:
    """Environment in which programs are compiled and run with a sanitizer.

    Parameters
    ----------
    kind : {"address", "thread"}
        Which one.
    cache : str
        Folder for the programs.

    Returns
    -------
    dict of str to str
        The present environment, and what the sanitizer needs.
    """
    flags, library, options = _KINDS[kind]
    # the sanitizer looks for functions of C++ when it starts, before Python loads any
    libraries = [
        subprocess.run(
            [*find_compiler(), f"-print-file-name={name}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for name in (library, "libstdc++.so")
    ]
    return {
        **os.environ,
        **options,
        "NEUROSIM_CACHE": cache,
        "NEUROSIM_CXXFLAGS": f"-O1 -g {flags}",
        "LD_PRELOAD": " ".join(libraries),
        # it allocates and starts threads of its own
        "OPENBLAS_NUM_THREADS": "1",
    }


def main() -> int:
    """Run everything; the status is not 0 if a sanitizer complains.

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", choices=[*_KINDS, []], default=list(_KINDS))
    failed = 0
    for kind in parser.parse_args().kinds or _KINDS:
        with tempfile.TemporaryDirectory(prefix="neurosim-sanitize-") as cache:
            environment = surroundings(kind, cache)
            for command in _COMMANDS:
                done = subprocess.run([sys.executable, *command], cwd=_ROOT, env=environment)
                print(f"{kind}: {' '.join(command)}: status {done.returncode}", flush=True)
                failed += done.returncode != 0
        if kind == "thread":
            kernels = [sys.executable, "-m", "benchmarks.barriers"]
            failed += subprocess.run(kernels, cwd=_ROOT).returncode != 0
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
