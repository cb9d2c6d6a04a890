"""Import slow packages only when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from neurosim.errors import DataError

__all__ = ["import_for"]


def import_for(dataset: str, module: str) -> Any:
    """Import a module that reading a data set needs.

    Parameters
    ----------
    dataset : str
        Name of the data set, for the message.
    module : str
        Full name of the module.

    Returns
    -------
    module
        The module, untyped: torchvision ships no types.

    Raises
    ------
    DataError
        If it is not installed or does not start.
    """
    try:
        return importlib.import_module(module)
    # torchvision raises RuntimeError beside a torch it was not built for.
    except (ImportError, RuntimeError) as error:
        package = module.partition(".")[0]
        reason = " ".join(str(error).split())
        raise DataError(
            f"data set {dataset!r} needs the package {package}, which cannot be imported "
            f"({reason}); install it again"
        ) from error
