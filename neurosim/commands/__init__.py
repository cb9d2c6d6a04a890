"""One module per command of the command line.

A module has ``add(commands)``, which declares the command's options and sets
``run``, a function from parsed options to an exit status. Slow packages (Brian2,
torch, matplotlib) are imported inside ``run``, so that help appears at once.
"""

from __future__ import annotations

from neurosim.commands import (
    backends,
    compare,
    datasets,
    diagram,
    equations,
    explain,
    plot,
    pretrained,
    record,
    reproduce,
    search,
    systems,
    train,
    view,
)

__all__ = ["COMMANDS"]

#: In the order in which help lists them.
COMMANDS = (
    train,
    plot,
    compare,
    reproduce,
    search,
    pretrained,
    record,
    view,
    systems,
    datasets,
    backends,
    explain,
    diagram,
    equations,
)
