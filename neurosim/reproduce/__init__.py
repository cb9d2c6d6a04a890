"""Figures of the papers, each made by one command."""

from __future__ import annotations

from neurosim.reproduce.study import STUDIES, Study, study

__all__ = ["STUDIES", "Study", "study"]
