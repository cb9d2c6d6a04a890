"""Write ``docs/results.md`` from ``results/``, and ``docs/costs.md`` from the times that ship.

    python docs/make_results_pages.py

``tests/test_tables.py`` fails when a page is out of date.
"""

from __future__ import annotations

from pathlib import Path

from neurosim.reproduce.costs import Costs
from neurosim.reproduce.extrapolation import render_costs
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
    return {
        page: render_page(results, pictures, page, "reproduce.md#tables"),
        DOCS / "costs.md": MARK + render_costs(Costs.shipped(), "table1", times),
    }


def main() -> None:
    """Write the pages and the figures of results."""
    write_pages(read_results(RESULTS), DOCS / "results.md", DOCS / "images", "reproduce.md#tables")
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
