"""A changelog's text in, its releases out."""

from __future__ import annotations

import datetime
import re
from typing import Any

from ventil.changelog import words
from ventil.changelog.dates import MONTHS, WEEKDAYS, Found, find_dates
from ventil.changelog.decoding import decode
from ventil.changelog.headings import PURE, Candidate, candidates
from ventil.changelog.markup import plain
from ventil.changelog.model import Release
from ventil.changelog.outline import Heading, ends_release, is_section, outline
from ventil.changelog.page import Page
from ventil.changelog.shapes import rule, underline, with_anchors
from ventil.changelog.versions import normalise, unripe
from ventil.changelog.vote import choose

_QUIET = re.compile(
    r"(?:read[-_ ]?me|licen[cs]es?|copying|copyright|contributing|contributors|authors|notice"
    r"|code[-_ ]of[-_ ]conduct|security|install|todo|patents)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"chang|history|news|release|what'?s[-_ ]?new|version|upgrad|\d\.\d", re.IGNORECASE
)
_COMMIT = re.compile(r"^commit [0-9a-f]{40}\b", re.M)
_COMMITS = 5  # from which on a text is the log of a repository
_SEPARATORS = " \t)]}>:,;-–—|*_/."
_BULLETED = re.compile(r"[ \t]*(?:[-*+•o·]|\d+[.)])[ \t]")
_TRAILER = re.compile(r" -- [^\n]{0,200}?>[ ]{1,3}([^\n]{8,60})")
_SIGNED = re.compile(r"[\dA-Z][^<\n]{8,100}<[^>\s]{1,80}@[^>\s]{1,80}>\s*$")
_DATE_LABEL = re.compile(
    r"\W*(?:released?|release[- ]date|date|published|publication date|on|as of|dated|erschienen"
    r"|veröffentlicht|publi[ée]e?|fecha|data|дата)\b",
    re.IGNORECASE,
)
_VERSION_LINK = re.compile(
    r"\[v?(?:\d[\w.+-]*|unreleased|head|master|main)\]:[ \t]*\S+", re.IGNORECASE
)
_BELOW = 4  # lines under a heading where its date may stand


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
    name = re.split(r"[/\\]", filename)[-1] if filename else ""
    named = bool(_NAMED.search(filename[-200:] if filename else ""))
    if name and _QUIET.match(name) and not _NAMED.search(name):
        return []
    if len(_COMMIT.findall(text, 0, 200_000)) >= _COMMITS:
        return []
    page = Page(text.removeprefix("\ufeff"))
    found = candidates(page)
    if not found:
        return []
    headings = outline(page)
    chosen = choose(page, found, headings, named=named)
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
    dates = _resolved([_dates(page, c, end) for c, end in zip(chosen, ends, strict=True)])
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
    """For each release the line after its last."""
    starts = [with_anchors(page, c.shape.first) for c in chosen]
    ends = [*starts[1:], len(page.lines)]
    by_line = {h.number: h for h in headings}
    numbers = {c.number for c in chosen}
    stops: list[tuple[int, Heading]] = []
    same = 0
    at = 0
    others = [h for h in headings if h.number not in numbers]
    for index, candidate in enumerate(chosen):
        own = by_line.get(candidate.number)
        while at < len(others) and others[at].number <= candidate.number:
            at += 1
        if own is None:
            continue
        look = at
        while look < len(others) and others[look].number < ends[index]:
            other = others[look]
            if ends_release(other, own) and not (other.rank == own.rank and is_section(other)):
                stops.append((index, other))
                same += other.rank == own.rank
            look += 1
        at = look
    sloppy = same > 0.3 * len(chosen) + 1
    for index, other in reversed(stops):
        own = by_line[chosen[index].number]
        if other.rank < own.rank or not sloppy:
            ends[index] = max(with_anchors(page, other.first), chosen[index].shape.body)
    return [max(end, c.shape.body) for end, c in zip(ends, chosen, strict=True)]


def _body(page: Page, candidate: Candidate, end: int) -> str:
    """The source of what is said about a release."""
    first = candidate.shape.body
    while end > first and (
        not page.lines[end - 1].strip() or _VERSION_LINK.match(page.lines[end - 1][:300])
    ):
        end -= 1
    if candidate.shape.strong or (candidate.words == PURE and end > first) or not candidate.rest:
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


def _dates(page: Page, candidate: Candidate, end: int) -> list[Found]:
    """The dates that may be the release's: those of its heading, else those right below."""
    if candidate.dates:
        return candidate.dates[:1]
    if candidate.shape.kind == "debian":
        for number in range(end - 1, max(candidate.shape.body, end - 12) - 1, -1):
            if match := _TRAILER.match(page.lines[number][:400]):
                return find_dates(match[1])
        return []
    seen = 0
    for number in range(candidate.shape.body, min(end, candidate.shape.body + 12)):
        line = page.lines[number].strip()
        if not line:
            continue
        seen += 1
        if seen > _BELOW or len(line) > 160:
            break
        if found := _date_line(line):
            return found[:1]
    return _date_above(page, candidate)


def _date_above(page: Page, candidate: Candidate) -> list[Found]:
    """The date of a GNU ChangeLog's entry, "2020-01-19  Jane Doe  <jane@example.org>".

    Or that of a heading right above which holds nothing else.
    """
    for above in range(candidate.shape.first - 1, max(candidate.shape.first - 5, -1), -1):
        line = page.lines[above][:200]
        if not line.strip() or rule(line):
            continue
        if not candidate.shape.strong and _SIGNED.match(line):
            return find_dates(line)[:1]
        heading = line.startswith("#") or bool(underline(page, above))
        return _date_line(line) if heading else []
    return []


def _date_line(line: str) -> list[Found]:
    """The date of a line that tells nothing else, perhaps with a label and a code name."""
    text = plain(line).strip()
    found = find_dates(text)
    if not found:
        return []
    first = found[0]
    lead, rest = text[: first.start], text[first.end :]
    before = [w.lower() for w in words.WORD.findall(lead)]
    after = [w.lower() for w in words.WORD.findall(rest)]
    plainly = all(w in words.TAIL or w in WEEKDAYS or w in words.LABELS for w in before)
    if _DATE_LABEL.match(text) and len(before) <= 6:
        return found if len(after) <= 12 else []
    if plainly and len(before) <= 5:
        known = all(w in words.TAIL or w in WEEKDAYS or w in MONTHS for w in after)
        return found if known or (not before and len(after) <= 4) else []
    return []


def _resolved(dates: list[list[Found]]) -> list[datetime.date | None]:
    """One date each: those that read two ways follow the rest of the file."""
    row = [found[0] for found in dates if found]
    swap: dict[str, bool] = {}
    for separator in {f.separator for f in row if f.other is not None}:
        alike = [f for f in row if f.separator == separator]
        told = sum(1 if f.day_first else -1 for f in alike if f.other is None)
        if told:
            usual = next(f.day_first for f in alike if f.other is not None)
            swap[separator] = usual != (told > 0)
        else:
            swap[separator] = _swapped(dates, separator)
    result: list[datetime.date | None] = []
    for found in dates:
        if not found:
            result.append(None)
        elif found[0].other is not None and swap.get(found[0].separator, False):
            result.append(found[0].other)
        else:
            result.append(found[0].date)
    return result


def _swapped(dates: list[list[Found]], separator: str) -> bool:
    """Whether the second reading of the dates with this separator makes the better order."""

    def breaks(second: bool) -> int:
        row = [
            found[0].other
            if second and found[0].other is not None and found[0].separator == separator
            else found[0].date
            for found in dates
            if found
        ]
        pairs = list(zip(row, row[1:], strict=False))
        down = sum(1 for a, b in pairs if a is not None and b is not None and a < b)
        up = sum(1 for a, b in pairs if a is not None and b is not None and a > b)
        return min(down, up)

    return breaks(True) < breaks(False)
