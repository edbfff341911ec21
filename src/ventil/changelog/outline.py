"""The headings of a text that name no release, and where they end one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ventil.changelog.page import Page
from ventil.changelog.sections import kind_of
from ventil.changelog.shapes import rule

_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]*([^#\s][^\n]{0,200})", re.M)
_EQUALS = re.compile(r"^(={1,6})[ \t]+([^=\s][^\n]{0,200})", re.M)
_RULE = re.compile(r"^[ \t]{0,3}([=\-~^\"'`*+#:._])\1{2,}[ \t]*\r?$", re.M)
_HTML = re.compile(r"^[ \t]*<h([1-6])\b[^>\n]{0,200}>([^\n]{0,200})", re.M | re.I)
MOST = 200_000  # headings looked at in one text

# Headings of the papers that accompany a package, changelogs excepted.
_PAPERS = re.compile(
    r"(?:installation.{0,20}|installing.{0,30}|install|usage.{0,20}|basic usage|how to .{0,40}"
    r"|quick ?start.{0,20}|getting started|licen[cs]e|features?|contributing|requirements"
    r"|examples?|why .*|documentation|api(?: reference)?|authors?(?: .{0,20})?|credits|support"
    r"|how it works|table of contents|configuration|options|tests|testing|running tests"
    r"|development|prerequisites|overview|introduction|demo|faq|acknowledge?ments|maintainers"
    r"|copyright|warranty|contact|sponsors|supported .{0,30}|dependencies|description)[\s:.!]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of whatever sort at the lines `first`..`number`; `rank` 1 is the highest."""

    first: int
    number: int
    kind: str
    rank: int
    text: str


def outline(page: Page) -> list[Heading]:
    """The headings of the page in order, those of releases included."""
    found: list[Heading] = []
    text = page.text
    if "#" in text:
        for match in _ATX.finditer(text):
            number = page.line_at(match.start(1))
            found.append(
                Heading(number, number, "atx", len(match[1]), match[2].strip(" #\t\r"))
            )
            if len(found) >= MOST:
                break
    if "\n= " in text or "\n==" in text or text.startswith("="):
        for match in _EQUALS.finditer(text):
            number = page.line_at(match.start(1))
            found.append(
                Heading(number, number, "equals", len(match[1]), match[2].strip(" =\t\r"))
            )
            if len(found) >= MOST:
                break
    if "<h" in text or "<H" in text:
        for match in _HTML.finditer(text):
            number = page.line_at(match.start(1))
            words = re.sub(r"<[^>]{0,200}>", " ", match[2]).strip()
            found.append(Heading(number, number, "html", int(match[1]), words))
            if len(found) >= MOST:
                break
    found.extend(_underlined(page))
    found.sort(key=lambda heading: heading.number)
    return [h for h in found if not page.hidden[h.number]]


def _underlined(page: Page) -> list[Heading]:
    ranks: dict[tuple[str, bool], int] = {}
    found: list[Heading] = []
    last = -1
    for match in _RULE.finditer(page.text):
        below = page.line_at(match.start(1))
        number = below - 1
        if number <= last or number < 0:
            continue
        title = page.lines[number]
        if not title.strip() or len(title) > 200 or rule(title):
            continue
        boxed = number > 0 and rule(page.lines[number - 1]) == match[1]
        if not boxed and title[:1] in " \t" and title[:4].isspace():
            continue
        rank = ranks.setdefault((match[1], boxed), len(ranks) + 1)
        found.append(Heading(number - boxed, number, "underlined", rank, title.strip()))
        last = below
        if len(found) >= MOST:
            break
    return found


def is_section(heading: Heading) -> bool:
    """Whether the heading names a kind of changes, and so belongs to a release."""
    return kind_of(heading.text) is not None


def names_changes(heading: Heading) -> bool:
    """Whether the heading clearly names a kind of changes, thanks and the like left out."""
    return kind_of(heading.text) not in {None, "internal"}


def papers(headings: list[Heading]) -> int:
    """How many of the headings, each once, are those of a README."""
    return len({h.text.lower() for h in headings if _PAPERS.fullmatch(h.text)})
