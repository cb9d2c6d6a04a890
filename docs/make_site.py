"""Gather the pages of the repository as one site, build it with Sphinx, and check its links.

The pages stay plain Markdown that a forge shows. Links between them are kept; a link to a file
of the code leads to a page that shows the file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BUILD = ROOT / "build" / "site"

#: The order of the site: captions, and the pages below them.
CONTENTS: dict[str, tuple[str, ...]] = {
    "Begin": ("README.md", "docs/install.md", "notebooks", "docs/troubleshooting.md",
              "docs/limits.md"),
    "Ideas": ("docs/phases.md", "docs/events.md", "docs/lanes.md", "docs/wiring.md"),
    "Use it": (
        "docs/training.md",
        "docs/your-data.md",
        "docs/scikit-learn.md",
        "docs/compartment-view.md",
        "docs/recordings.md",
        "docs/figures.md",
        "docs/compare.md",
        "docs/search.md",
        "docs/cluster.md",
        "docs/pretrained.md",
        "docs/write-your-own-rule.md",
        "docs/brian2-objects.md",
    ),
    "Models": (
        "docs/models/README.md",
        "docs/equations.md",
        "docs/gradient-checks.md",
        "docs/reproduce.md",
        "docs/results.md",
        "docs/paper-figures.md",
        "docs/costs.md",
    ),
    "How it works": (
        "docs/architecture.md",
        "docs/compiled-programs.md",
        "docs/gpu.md",
        "docs/performance.md",
        "docs/measured-times.md",
    ),
    "Reference": ("api", "gallery", "CONTRIBUTING.md", "CHANGELOG.md"),
}  # fmt: skip

#: Pages of another name in the site; Sphinx itself makes a page called search.
RENAMED = {"search.md": "better-settings.md", "models/README.md": "models/index.md"}

#: Modules of the reference by page: what a user imports.
API: dict[str, tuple[str, ...]] = {
    "Learning": ("neurosim.learning.simulator", "neurosim.learning.classifier",
                 "neurosim.learning.weights"),
    "Data": ("neurosim.data",),
    "Recordings": ("neurosim.recording",),
    "Circuits": ("neurosim.circuit",),
    "Systems": ("neurosim.system",),
    "Back ends": ("neurosim.backends",),
    "Runs": ("neurosim.runs.settings", "neurosim.runs.training"),
    "Figures": ("neurosim.figures",),
    "Errors": ("neurosim.errors",),
}  # fmt: skip

_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)\s*$", re.M | re.S)


# ------------------------------------------------------------------ where pages go


def pages() -> dict[Path, str]:
    """Place in the site of every page of the repository."""
    placed = {ROOT / "README.md": "start.md", DOCS / "site" / "index.md": "index.md"}
    placed |= {
        ROOT / name: f"{name[:-3].lower()}.md" for name in ("CONTRIBUTING.md", "CHANGELOG.md")
    }
    for page in sorted(DOCS.rglob("*.md")):
        if page.parent != DOCS / "site" and page != DOCS / "README.md":
            place = page.relative_to(DOCS).as_posix()
            placed[page] = RENAMED.get(place, place)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        placed[notebook] = f"tutorials/{notebook.name}"
    return placed


def _place(name: str) -> str:
    """Place of an entry of the table of contents, without its suffix."""
    made = {"notebooks": "tutorials/index", "api": "api/index", "gallery": "gallery"}
    return made.get(name) or pages()[ROOT / name].removesuffix(".md")


class Site:
    """The sources of the site in a folder of their own.

    Attributes
    ----------
    folder : Path
        Where they are written.
    shown : dict of Path to str
        Files of the code that pages link to, with their place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.placed = pages()
        self.shown: dict[Path, str] = {}

    # -------------------------------------------------------------- links

    def target(self, page: Path, place: str, link: str) -> str:
        """A link of a page as it is in the site."""
        path, mark, heading = link.partition("#")
        if not path or re.match(r"[a-z]+:", link):
            return link
        file = (page.parent / unquote(path)).resolve()
        if not file.exists():
            raise SystemExit(f"{page}: the link {link} leads nowhere")
        if file in (DOCS / "README.md", DOCS):
            where = "index.md"
        elif file == ROOT / "notebooks":
            where = "tutorials/index.md"
        elif DOCS / "images" in file.parents:
            where = f"images/{file.name}"
        elif file in self.placed:
            where = self.placed[file]
        elif file.is_file():
            where = self.shown.setdefault(file, f"files/{file.relative_to(ROOT).as_posix()}.md")
        else:
            raise SystemExit(f"{page}: the site has no page for the folder {link}")
        return os.path.relpath(where, Path(place).parent) + mark + heading

    def rewritten(self, page: Path, place: str, text: str) -> str:
        """Text with its links as they are in the site; code is left alone."""

        def replaced(match: re.Match[str]) -> str:
            return match[1] + self.target(page, place, match[2]) + match[3]

        parts, end = [], 0
        for fence in _FENCE.finditer(text):
            parts += [_LINK.sub(replaced, text[end : fence.start()]), fence[0]]
            end = fence.end()
        return "".join([*parts, _LINK.sub(replaced, text[end:])])

    # -------------------------------------------------------------- pages

    def write(self, place: str, text: str) -> None:
        """Write one source."""
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def gather(self) -> None:
        """Write all sources."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(DOCS / "images", self.folder / "images")
        shutil.copy(DOCS / "site" / "conf.py", self.folder / "conf.py")
        for page, place in self.placed.items():
            text = page.read_text(encoding="utf-8")
            if page.suffix == ".ipynb":
                text = self._notebook(page, place, text)
            else:
                text = self.rewritten(page, place, text)
                text += self._contents_below(place)
            self.write(place, text)
        self.write("tutorials/index.md", self._tutorials())
        self.write("gallery.md", self._gallery())
        self._reference()
        for file, place in self.shown.items():
            self.write(place, _file_page(file))

    def _notebook(self, page: Path, place: str, text: str) -> str:
        book = json.loads(text)
        for cell in book["cells"]:
            if cell["cell_type"] == "markdown":
                whole = "".join(cell["source"])
                cell["source"] = self.rewritten(page, place, whole).splitlines(keepends=True)
        return json.dumps(book)

    def _contents_below(self, place: str) -> str:
        if place == "index.md":
            return "".join(
                _toctree(map(_place, names), caption) for caption, names in CONTENTS.items()
            )
        if place == "models/index.md":
            names = sorted(
                p for p in self.placed.values() if p.startswith("models/") and p != place
            )
            return _toctree(Path(name).stem for name in names)
        return ""

    def _tutorials(self) -> str:
        names = sorted(Path(p).stem for p in self.placed.values() if p.startswith("tutorials/"))
        return (
            "# Tutorials\n\nNotebooks on the embedded digits, executed when this site was built. "
            "In the repository they are in the folder `notebooks`; `pip install -e '.[notebook]'` "
            "installs what they need.\n" + _toctree(names, hidden=False)
        )

    def _gallery(self) -> str:
        """Every picture of the pages, with its words and the page that explains it."""
        parts = ["# Gallery\n\nEvery picture leads to the page that explains it.\n"]
        seen = set()
        for page, place in self.placed.items():
            if page.suffix != ".md" or place == "index.md":
                continue
            for words, link in _IMAGE.findall(page.read_text(encoding="utf-8")):
                file = (page.parent / link).resolve()
                if file in seen or re.match(r"[a-z]+:", link):
                    continue
                seen.add(file)
                title = "The circuit of " + file.stem.removeprefix("circuit-") if (
                    words == "The circuit") else words  # fmt: skip
                parts.append(
                    f"\n## {title.partition(':')[0]}\n\n"
                    f"[![{title}](images/{file.name})]({place})\n\n{title}. [More]({place})\n"
                )
        return "".join(parts)

    def _reference(self) -> None:
        from neurosim.models import SYSTEMS

        self.write("api/index.md", "# Reference\n\nWhat can be imported, from the docstrings.\n"
                   + _toctree([*map(_slug, API), "models"], hidden=False))  # fmt: skip
        for title, modules in API.items():
            blocks = (
                f".. automodule:: {module}\n"
                + "   :inherited-members:\n" * (module == "neurosim.learning.simulator")
                for module in modules
            )
            self.write(f"api/{_slug(title)}.md", _in_rst(title, blocks))
        classes = (f".. autoclass:: neurosim.{kind.__name__}\n" for kind in SYSTEMS.values())
        self.write("api/models.md", _in_rst("Models", classes))


def _toctree(names: object, caption: str = "", *, hidden: bool = True) -> str:
    head = f":caption: {caption}\n" * bool(caption) + ":hidden:\n" * hidden
    return f"\n```{{toctree}}\n{head}:maxdepth: 1\n\n" + "\n".join(names) + "\n```\n"  # type: ignore[call-overload]


def _in_rst(title: str, blocks: Iterator[str]) -> str:
    return f"# {title}\n\n```{{eval-rst}}\n" + "\n".join(blocks) + "```\n"


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def _file_page(file: Path) -> str:
    language = "python" if file.suffix == ".py" else "text"
    text = file.read_text(encoding="utf-8")
    name = file.relative_to(ROOT).as_posix()
    return f"---\norphan: true\n---\n\n# {name}\n\n````{language}\n{text}\n````\n"


# ------------------------------------------------------------------ links of the site


class _Links(HTMLParser):
    """Links, pictures and link targets of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.targets: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what leads elsewhere, and where others may lead."""
        given = {name: value for name, value in attrs if value}
        self.targets |= {given[name] for name in ("id", "name") if name in given}
        self.links += [given[name] for name in ("href", "src") if name in given]


def broken_links(folder: Path) -> list[str]:
    """Links of a built site that lead nowhere.

    Parameters
    ----------
    folder : Path
        The site.

    Returns
    -------
    list of str
        ``"page: link"``; links to other sites are not followed.
    """
    read: dict[Path, _Links] = {}
    for page in sorted(folder.rglob("*.html")):
        read[page] = _Links()
        read[page].feed(page.read_text(encoding="utf-8"))
    broken = []
    for page, found in read.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("#sphinx"):
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            known = file not in read or not parts.fragment or (
                unquote(parts.fragment) in read[file].targets
            )  # fmt: skip
            if not file.exists() or not known:
                broken.append(f"{page.relative_to(folder)}: {link}")
    return broken


def main(arguments: list[str] | None = None, run: Callable[..., int] = subprocess.call) -> int:
    """Gather, build and check.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the command line by default.
    run : callable
        Runs Sphinx.

    Returns
    -------
    int
        0 if there was no warning and no link leads nowhere.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-notebooks", action="store_true", help="do not execute the notebooks")
    options = parser.parse_args(arguments)
    Site(BUILD / "source").gather()
    mode = "off" if options.no_notebooks else "cache"
    command = [
        sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet",
        "-b", "html", "-d", str(BUILD / "doctrees"),
        "-D", f"nb_execution_mode={mode}", "-D", f"nb_execution_cache_path={BUILD / 'notebooks'}",
        str(BUILD / "source"), str(BUILD / "html"),
    ]  # fmt: skip
    status = run(command, cwd=ROOT)
    broken = broken_links(BUILD / "html") if status == 0 else []
    for line in broken:
        sys.stderr.write(f"leads nowhere: {line}\n")
    if status == 0 and not broken:
        sys.stdout.write(f"the site: {BUILD / 'html' / 'index.html'}\n")
    return 1 if broken else status


if __name__ == "__main__":
    sys.exit(main())
