"""``neurosim systems``: list the learning systems and their presets."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from neurosim.errors import counted

if TYPE_CHECKING:
    from neurosim.circuit import Circuit

__all__ = ["add"]


def add(commands: Any) -> None:
    """Declare ``neurosim systems``."""
    systems = commands.add_parser(
        "systems",
        help="list the learning systems and their presets",
        description="List the learning systems and their presets.",
    )
    systems.add_argument("--parameters", action="store_true", help="list every parameter too")
    systems.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from neurosim.backends import accepting
    from neurosim.data import DATASETS
    from neurosim.models import SYSTEMS
    from neurosim.system.parameters import allowed_text, describe_parameters

    for name, system in SYSTEMS.items():
        print(f"{name}: {system.title}\n  {system.citation}")
        circuit = system().circuit()
        print("\n".join(f"  {line}" for line in _facts(circuit)))
        print(f"  back ends: {', '.join(accepting(circuit))}")
        for dataset in DATASETS:
            preset = system.preset(dataset)
            hidden = "-".join(map(str, preset.hidden))
            epochs = counted(preset.epochs, "epoch")
            print(f"  preset {dataset}: hidden {hidden}, {epochs}; {preset.source}")
        if options.parameters:
            defaults = {f.name: f.default for f in _fields(system)}
            for parameter, info in describe_parameters(system).items():
                unit = "" if info.unit == "1" else f" {info.unit}"
                allowed = allowed_text(defaults[parameter], info)
                print(f"  {parameter} = {defaults[parameter]}{unit}   {allowed}")
                print(f"      {info.doc}")
    return 0


def _facts(circuit: Circuit) -> list[str]:
    """Phases of a circuit, and the weights it uses in both directions."""
    from neurosim.circuit.graph import shared_weights

    shared = shared_weights(circuit)
    phases = ", ".join(f"{p.name} ({p.steps * circuit.dt:g} ms)" for p in circuit.phases)
    return [
        f"phases: {phases}",
        f"weights that carry signal both ways: {', '.join(shared) if shared else 'none'}",
    ]


def _fields(system: Any) -> Any:
    import dataclasses

    return dataclasses.fields(system)
