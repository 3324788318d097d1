"""The documentation is about this code: links lead somewhere, files that it names exist, generated pages are fresh."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("server", "export", "packs", "models", "benchmarks", "docs", "editors", "tests")
FILES = [
    *(path for path in ROOT.iterdir() if path.is_file()),
    *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()),
]
NAMES = {f"/{path.relative_to(ROOT).as_posix()}" for path in FILES if "node_modules" not in path.parts}
PAGES = sorted(ROOT / name[1:] for name in NAMES if name.endswith(".md"))
# The changelog speaks of the past, and results quote the files of others.
OF_THE_CODE = [path for path in PAGES if path.name != "CHANGELOG.md" and path.parent.name != "results"]

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
_MODULE = re.compile(r"`((?:[\w.-]+/)*\w+\.py)`")
_PAGE = re.compile(r"(?<![\w/.-])docs/[\w./-]+\.(?:md|svg)")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page, as code hosts make them of headings: the first of each."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(path))}


def broken_links(page: Path) -> Iterator[str]:
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path):
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", OF_THE_CODE, ids=named)
def test_every_module_that_a_page_names_exists(page: Path):
    modules = set(_MODULE.findall(page.read_text(encoding="utf-8")))
    assert [module for module in modules if not any(name.endswith(f"/{module}") for name in NAMES)] == []


def test_every_page_that_the_code_names_exists():
    sources = [path for path in FILES if path.suffix in (".py", ".toml", ".md") or path.name == "Makefile"]
    missing = {
        f"{named(path)}: {page}"
        for path in sources
        if path.name != "CHANGELOG.md" and "data" not in path.parts
        for page in _PAGE.findall(path.read_text(encoding="utf-8", errors="replace"))
        if f"/{page}" not in NAMES
    }
    assert missing == set()


def test_the_map_has_every_page():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in PAGES if path.is_relative_to(ROOT / "docs")]
    assert [page for page in pages if page != "index.md" and f"]({page})" not in index] == []


def test_the_page_of_the_settings_is_fresh():
    module = runpy.run_path(str(ROOT / "docs" / "settings_page.py"))
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == module["render_settings"](), "write it again: make docs"
