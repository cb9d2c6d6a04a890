"""Figures and tables of the papers, each made by one command."""

from __future__ import annotations

from neurosim.reproduce.study import STUDIES, Study, study
from neurosim.reproduce.tables import TABLES, Row, Table, chosen_rows, rows_of

__all__ = ["STUDIES", "TABLES", "Row", "Study", "Table", "chosen_rows", "rows_of", "study"]
