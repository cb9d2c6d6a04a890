"""Figures and tables of the papers, each made by one command."""

from __future__ import annotations

from neurosim.reproduce.papers import PAPERS, PaperFigure, paper_figure
from neurosim.reproduce.study import STUDIES, Study, study
from neurosim.reproduce.tables import TABLES, Row, Table, chosen_rows, rows_of

__all__ = [
    "FIGURES",
    "PAPERS",
    "STUDIES",
    "TABLES",
    "PaperFigure",
    "Row",
    "Study",
    "Table",
    "chosen_rows",
    "paper_figure",
    "rows_of",
    "study",
]

#: Names of all figures: those from runs, and those made without.
FIGURES: tuple[str, ...] = (*PAPERS, *STUDIES)
