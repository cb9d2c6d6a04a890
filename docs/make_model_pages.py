"""Write ``docs/models/`` and ``docs/equations.md`` from what the models and results say.

    python docs/make_model_pages.py

The pages are made by :mod:`neurosim.figures.page`. ``tests/test_docs.py`` fails when a page
is out of date.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurosim.figures.page import render_index, render_page
from neurosim.models import SYSTEMS
from neurosim.reproduce.results import Result, read_results
from neurosim.reproduce.results_page import render_courses
from neurosim.system import System

DOCS = Path(__file__).parent


def render(system: type[System], results: Sequence[Result]) -> str:
    """The page of one system: Markdown, with its rows among the results of all."""
    own = [one for one in results if (one.table, one.system) == ("table1", system.name)]
    return render_page(system, DOCS / "images", render_courses(own, "../results.md"))


def render_all_equations() -> str:
    """The page that tells where the equations of every system are: Markdown."""
    links = "\n".join(
        f"- [{name}](models/{name}.md#equations): {system.title}"
        for name, system in SYSTEMS.items()
    )
    return f"""\
<!-- made by docs/make_model_pages.py from models/; do not edit -->

# Equations

The equations that run, made from the strings in `models/`, are on the page of each system:

{links}

`neurosim equations SYSTEM` prints them, with `--format latex` for a paper of your own and
`--format unicode` for a terminal:

```sh
neurosim equations corinfomax --format latex
```
"""


def pages() -> dict[Path, str]:
    """Text of every page by its path."""
    results = read_results(DOCS.parent / "results")
    made = {
        DOCS / "models" / f"{name}.md": render(system, results) for name, system in SYSTEMS.items()
    }
    made[DOCS / "models" / "README.md"] = render_index(SYSTEMS)
    made[DOCS / "equations.md"] = render_all_equations()
    return made


def main() -> None:
    """Write the pages of all systems."""
    (DOCS / "models").mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
