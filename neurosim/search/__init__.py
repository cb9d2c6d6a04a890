"""Search for better settings, on images held out of the training set."""

from __future__ import annotations

from neurosim.search.space import Dimension, dimensions
from neurosim.search.split import Split, split_training
from neurosim.search.study import SearchPlan, search

__all__ = ["Dimension", "SearchPlan", "Split", "dimensions", "search", "split_training"]
