"""A changelog's text in, its releases out."""

from __future__ import annotations

import re
from typing import Any

from ventil.changelog import words
from ventil.changelog.dates import find_dates
from ventil.changelog.decoding import decode
from ventil.changelog.headings import PURE, Candidate, candidates
from ventil.changelog.model import Release
from ventil.changelog.outline import Heading, is_section, names_changes, outline
from ventil.changelog.page import Page
from ventil.changelog.release_dates import dates_of, resolved
from ventil.changelog.shapes import with_anchors
from ventil.changelog.versions import normalise, unripe
from ventil.changelog.vote import choose

_QUIET = re.compile(
    r"(?:^|[-_.])(?:read[-_ ]?me|licen[cs]es?|copying|copyright|contributing|contributors"
    r"|authors|notice|code[-_ ]of[-_ ]conduct|security|install|todo|patents)(?![a-z])",
    re.IGNORECASE,
)
_CHANGES = re.compile(r"chang|history|news|release|what'?s[-_ ]?new", re.IGNORECASE)
_LIKELY = re.compile(r"version|upgrad|\d\.\d", re.IGNORECASE)
_COMMIT = re.compile(r"^commit [0-9a-f]{40}\b", re.M)
_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_LOOKED_AT = 8_000  # characters, to tell text from what is none, and
_MOST_CONTROLS = 0.03  # of them that may be control characters; random bytes have a tenth
_COMMITS = 5  # from which on a text is the log of a repository
_SEPARATORS = " \t)]}>:,;-–—|*_/."
_BULLETED = re.compile(r"[ \t]*(?:[-*+•o·]|\d+[.)])[ \t]")
_VERSION_LINK = re.compile(
    r"\[v?(?:\d[\w.+-]*|unreleased|head|master|main)\]:[ \t]*\S+", re.IGNORECASE
)


def parse(text: str | bytes, filename: str | None = None) -> list[Release]:
    """The releases that a changelog tells of, in the order in which they are written.

    `text` may be in any markup and encoding. `filename` is a hint only: a name that says
    changelog lets less evidence suffice, and files named README, LICENSE and the like have
    no releases. An empty list means that the text is no changelog, or has no release in it
    yet; a heading without a version ("Unreleased") is none. The time taken grows with the
    length of the text, not faster; of a text with over 50,000 lines that could be headings
    the rest is not split.

    Raises TypeError when `text` is neither str nor bytes or `filename` is no str. Raises
    nothing else, whatever the text.
    """
    if isinstance(text, (bytes, bytearray, memoryview)):
        text = decode(bytes(text))
    elif not isinstance(text, str):
        raise TypeError(f"text must be str or bytes, not {type(text).__name__}")
    if filename is not None and not isinstance(filename, str):
        raise TypeError(f"filename must be str or None, not {type(filename).__name__}")
    *folders, name = re.split(r"[/\\]", (filename or "")[-300:])
    if _QUIET.search(name) and not _CHANGES.search(name):
        return []
    named = bool(_CHANGES.search("/".join([*folders[-1:], name])))
    likely = named or bool(_LIKELY.search(name))
    if len(_COMMIT.findall(text, 0, 200_000)) >= _COMMITS:
        return []
    controls = len(_CONTROLS.findall(text, 0, _LOOKED_AT))
    if controls > 4 + _MOST_CONTROLS * min(len(text), _LOOKED_AT):
        return []
    page = Page(text.removeprefix("\ufeff"))
    found = candidates(page)
    if not found:
        return []
    headings = outline(page)
    chosen = choose(page, found, headings, named=named, likely=likely)
    return _releases(page, chosen, headings)


def release_as_data(release: Release) -> dict[str, Any]:
    """The release as what JSON can hold; dates are ISO 8601."""
    return {
        "version": release.version,
        "normalised": release.normalised,
        "date": release.date.isoformat() if release.date else None,
        "name": release.name,
        "title": release.title,
        "body": release.body,
        "span": list(release.span),
        "yanked": release.yanked,
        "prerelease": release.prerelease,
        "unreleased": release.unreleased,
        "sections": [
            {"kind": s.kind, "title": s.title, "text": s.text} for s in release.sections
        ],
    }


def _releases(page: Page, chosen: list[Candidate], headings: list[Heading]) -> list[Release]:
    if not chosen:
        return []
    ends = _ends(page, chosen, headings)
    dates = resolved([dates_of(page, c, end) for c, end in zip(chosen, ends, strict=True)])
    result = []
    for candidate, end, date in zip(chosen, ends, dates, strict=True):
        body = _body(page, candidate, end)
        result.append(
            Release(
                version=candidate.version,
                date=date,
                body=body,
                normalised=normalise(candidate.version),
                name=candidate.name or None,
                title=candidate.title,
                span=(candidate.shape.first, end),
                yanked=words.says_yanked(candidate.title),
                prerelease=unripe(candidate.version),
                unreleased=words.says_unreleased(candidate.title),
            )
        )
    return result


def _ends(page: Page, chosen: list[Candidate], headings: list[Heading]) -> list[int]:
    """For each release the line after its last.

    That is where the next begins, or another heading as high as its own that names no kind
    of changes. Files whose levels mean nothing, having sections as high as releases or
    higher, are told by the number of such headings; there only releases end releases.
    """
    starts = [with_anchors(page, c.shape.first) for c in chosen]
    ends = [*starts[1:], len(page.lines)]
    by_line = {h.number: h for h in headings}
    numbers = {c.number for c in chosen}
    others = [h for h in headings if h.number not in numbers]
    stops: list[tuple[int, Heading, bool]] = []
    level = lofty = at = 0
    for index, candidate in enumerate(chosen):
        own = by_line.get(candidate.number)
        while at < len(others) and others[at].number <= candidate.number:
            at += 1
        while at < len(others) and others[at].number < ends[index]:
            other = others[at]
            at += 1
            if own is None or other.kind != own.kind or other.rank > own.rank:
                continue
            higher = other.rank < own.rank
            section = is_section(other)
            level += not higher and not section
            lofty += higher and section
            if not section or (higher and not names_changes(other)):
                stops.append((index, other, higher))
    level_matters = level <= 0.3 * len(chosen) + 1
    for index, other, higher in reversed(stops):
        if lofty < 2 if higher else level_matters:
            ends[index] = max(with_anchors(page, other.first), chosen[index].shape.body)
    return [max(end, c.shape.body) for end, c in zip(ends, chosen, strict=True)]


def _body(page: Page, candidate: Candidate, end: int) -> str:
    """The source of what is said about a release."""
    first = candidate.shape.body
    while end > first and (
        not page.lines[end - 1].strip() or _VERSION_LINK.match(page.lines[end - 1][:300])
    ):
        end -= 1
    if (
        candidate.shape.strong
        or (candidate.words == PURE and end > first)
        or not candidate.rest
    ):
        return page.source(first, end)
    below = page.lines[first] if first < end else ""
    if first < end and (not below.strip() or _BULLETED.match(below)):
        return page.source(first, end)  # the rest of the line was a title
    # Everything on one line, perhaps wrapped.
    line = page.lines[candidate.number]
    at = line.find(candidate.version)
    at = at + len(candidate.version) if at >= 0 else 0
    dates = find_dates(line[at : at + 80])
    if dates and dates[0].start < 30:
        at += dates[0].end
    while at < len(line) and line[at] in _SEPARATORS:
        at += 1
    start = page.starts[candidate.number] + at
    stop = page.starts[end] - 1 if end > first else page.starts[candidate.number] + len(line)
    return page.text[start:stop].strip()
