"""Networks that have learnt already: those of the embedded digits come with the package."""

from __future__ import annotations

from neurosim.pretrained.loading import load_pretrained, pretrained_networks
from neurosim.pretrained.making import make_pretrained

__all__ = ["load_pretrained", "make_pretrained", "pretrained_networks"]
