"""Parameters as earlier versions saved them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["of_any_version"]


def of_any_version(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that a run or a checkpoint holds, by the names of today.

    Parameters
    ----------
    saved : mapping of str to object
        All parameters of a system, as any version wrote them.

    Returns
    -------
    dict of str to object
        Version 0.1.0 learned online, and named the images in which CorInfoMax's lateral
        weights forget ``batch``.
    """
    if "lambda_" in saved and "lambda_images" not in saved:
        return {**saved, "lambda_images": saved.get("batch", 20), "batch": 1}
    return {"batch": 1, **saved}
