"""``neurosim datasets``: list the data sets."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add"]


def add(commands: Any) -> None:
    """Declare ``neurosim datasets``."""
    datasets = commands.add_parser(
        "datasets", help="list the data sets", description="List the data sets."
    )
    datasets.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    del options
    from neurosim.data import DATASETS

    for info in DATASETS.values():
        shape = "x".join(map(str, info.image_shape))
        print(f"{info.name}: {info.title}, {shape}, {info.n_classes} classes,")
        print(f"  {info.n_train} training and {info.n_test} test images; {info.citation}")
    return 0
