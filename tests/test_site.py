"""The site: every page is in it, its links lead somewhere, and broken ones are noticed."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from test_docs import load_script

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The program that makes the site."""
    return load_script(ROOT / "docs" / "make_site.py")


@pytest.fixture(scope="module")
def sources(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gathered sources."""
    folder = tmp_path_factory.mktemp("site") / "source"
    script.Site(folder).gather()
    return folder


def test_every_page_is_in_the_contents(script: ModuleType, sources: Path) -> None:
    """Guards pages that the site has, and nobody finds."""
    listed = {script._place(name) for names in script.CONTENTS.values() for name in names}
    below = ("models/", "tutorials/", "index")
    pages = {place.rpartition(".")[0] for place in script.pages().values()}
    assert {page for page in pages if not page.startswith(below)} <= listed
    models = (sources / "models" / "index.md").read_text(encoding="utf-8")
    assert "\ncorinfomax\n" in models
    assert "\n01_first_steps\n" in (sources / "tutorials" / "index.md").read_text(encoding="utf-8")


def test_no_page_has_the_name_of_one_that_sphinx_makes(script: ModuleType) -> None:
    """Guards a page that the search of the site would overwrite."""
    places = {*script.pages().values()}
    assert not places & {"search.md", "genindex.md", "py-modindex.md", "gallery.md"}
    assert len(places) == len(script.pages())


def test_links_of_the_sources_lead_somewhere(sources: Path) -> None:
    """Guards links that are right in the repository and wrong in the site."""
    count = 0
    for page in sources.rglob("*.md"):
        if "files" in page.relative_to(sources).parts:
            continue
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)\s#]+)", text):
            if not re.match(r"[a-z]+:", link):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
                count += 1
    assert count > 200


def test_code_in_pages_is_left_alone(script: ModuleType) -> None:
    """Guards Python that looks like a link."""
    site = script.Site(Path("unused"))
    page = ROOT / "docs" / "compare.md"
    text = "[a](../models/ep.py)\n```python\nx[1](../README.md)\n```\n[b](compare.md#c)"
    made = site.rewritten(page, "compare.md", text)
    assert (
        made == "[a](files/models/ep.py.md)\n```python\nx[1](../README.md)\n```\n[b](compare.md#c)"
    )
    with pytest.raises(SystemExit, match="leads nowhere"):
        site.rewritten(page, "compare.md", "[a](no-such-page.md)")


def test_broken_links_of_a_built_site_are_found(script: ModuleType, tmp_path: Path) -> None:
    """Guards the check itself: absent files, pictures and headings."""
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">x</a><a href="b.html#gone">x</a><a href="c.html">x</a>'
        '<img src="p.png"><a href="https://example.org/x">x</a><a href="#top" id="top">x</a>'
    )
    (tmp_path / "b.html").write_text('<h1 id="there">x</h1>')
    assert script.broken_links(tmp_path) == [
        "a.html: b.html#gone", "a.html: c.html", "a.html: p.png"
    ]  # fmt: skip


def test_a_failed_build_is_not_called_a_site(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Guards a site with warnings, or with links that lead nowhere."""
    monkeypatch.setattr(script, "BUILD", tmp_path)
    seen: list[Any] = []

    def build(command: list[str], **_: Any) -> int:
        seen.append(command)
        (tmp_path / "html").mkdir(exist_ok=True)
        (tmp_path / "html" / "a.html").write_text('<a href="c.html">x</a>')
        return 0

    assert script.main(["--no-notebooks"], build) == 1
    assert {"--fail-on-warning", "nb_execution_mode=off"} <= {*seen[0]}
    assert script.main([], lambda *_, **__: 3) == 3


# ------------------------------------------------------------------ files for a forge


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_what_there_is(path: Path) -> None:
    """Guards against targets of the Makefile that were renamed."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML reads the key "on" as true
    assert {"name", True, "jobs", "permissions"} <= {*workflow}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([a-z-]+):", makefile, flags=re.M)}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    called = [step["run"].split()[1] for step in steps if step.get("run", "").startswith("make ")]
    assert {*called} <= targets
    assert called or path.stem == "release"


def test_forms_for_reports_are_complete() -> None:
    """Guards a form that a forge cannot show."""
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.stem != "config":
            assert {"name", "description", "body"} <= {*form}
            assert all({"type", "attributes"} <= {*item} for item in form["body"])
