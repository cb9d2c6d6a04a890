"""``neurosim backends``: which back end runs which system here."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """Declare ``neurosim backends``."""
    parser = commands.add_parser(
        "backends",
        help="say which back end runs which system here",
        description="Say which back end runs which system on this machine, and why not.",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="also compile the CUDA kernels of every system (takes a minute, needs no GPU)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.backends import BACKENDS
    from neurosim.backends.survey import devices, installed, judge
    from neurosim.models import SYSTEMS

    circuits = {name: system().circuit() for name, system in SYSTEMS.items()}
    wide = max(map(len, circuits))
    print(f"{'system':{wide}}  " + "  ".join(f"{name:8}" for name in BACKENDS).rstrip())
    reasons: dict[str, None] = {}
    for name, circuit in circuits.items():
        verdicts = {backend: judge(backend, circuit) for backend in BACKENDS}
        words = "  ".join(f"{verdict.word:8}" for verdict in verdicts.values())
        print(f"{name:{wide}}  {words}".rstrip())
        for backend, verdict in verdicts.items():
            owner = f", {name}" if verdict.word == "refused" else ""
            reasons |= {f"{backend}{owner}: {verdict.reason}": None} if verdict.reason else {}
    print("\n" + "\n".join(reasons) if reasons else "", end="\n" * bool(reasons))
    print("\ninstalled")
    print("\n".join(f"  {what}: {found}" for what, found in installed().items()))
    print("devices")
    print("\n".join(f"  {line}" for line in devices()))
    if options.compile:
        _compile(circuits)
    return 0


def _compile(circuits: dict[str, Any]) -> None:
    from neurosim.backends.survey import compiles

    print("CUDA kernels, by compute capability")
    for name, circuit in circuits.items():
        found = ", ".join(
            f"{architecture / 10}: {complaint or 'compiles'}"
            for architecture, complaint in compiles(circuit)
        )
        print(f"  {name}: {found}", flush=True)
