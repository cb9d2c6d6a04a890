"""Write the pages of results from ``results/``, and ``docs/costs.md`` from the times that ship.

    python docs/make_results_pages.py

``tests/test_tables.py`` fails when a page is out of date.
"""

from __future__ import annotations

from pathlib import Path

from neurosim.reproduce.costs import Costs
from neurosim.reproduce.extrapolation import render_costs
from neurosim.reproduce.paper_making import write_picture
from neurosim.reproduce.paper_results import read_figures
from neurosim.reproduce.papers_page import render_figures
from neurosim.reproduce.results import read_results
from neurosim.reproduce.results_figures import picture_paths, write_pages
from neurosim.reproduce.results_page import render_page

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "results"
MARK = "<!-- made by docs/make_results_pages.py; do not edit -->\n\n"


def pages() -> dict[Path, str]:
    """Text of every page by its path."""
    results, page = read_results(RESULTS), DOCS / "results.md"
    times = {result.row: result.costs["ms_per_image"] for result in results}
    pictures = picture_paths(results, DOCS / "images")
    figures, drawn = read_figures(RESULTS), DOCS / "paper-figures.md"
    return {
        drawn: MARK + render_figures(figures, figure_pictures(), drawn, "reproduce.md#figures"),
        page: render_page(results, pictures, page, "reproduce.md#tables"),
        DOCS / "costs.md": MARK + render_costs(Costs.shipped(), "table1", times),
    }


def figure_pictures() -> dict[str, Path]:
    """File of each figure of the papers that has results."""
    return {name: DOCS / "images" / f"figure-{name}.png" for name in read_figures(RESULTS)}


def main() -> None:
    """Write the pages and the figures of results."""
    for name, (figure, results) in read_figures(RESULTS).items():
        write_picture(figure, results, figure_pictures()[name])
    write_pages(read_results(RESULTS), DOCS / "results.md", DOCS / "images", "reproduce.md#tables")
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
