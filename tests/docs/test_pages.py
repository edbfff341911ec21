"""The pages hang together: their links lead somewhere, and `make` knows what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def prose(path: Path) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(path: Path) -> set[str]:
    """The names that a heading of the page can be linked by."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.M)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project finds it, and its heading when it names one."""
    for target, heading in LINK.findall(prose(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve()
        assert path.exists(), target
        if heading and path.suffix == ".md":
            assert heading[1:] in anchors(path), target + heading


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_make_targets_in_the_docs_exist(page: Path) -> None:
    """A page that says `make x` finds x in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    said = re.findall(r"(?:`|\$ )make ([a-z]+)\b", page.read_text(encoding="utf-8"))
    assert [name for name in said if f"\n{name}:" not in makefile] == []
