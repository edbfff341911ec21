"""The date of a release: on its heading, below it, or above it."""

from __future__ import annotations

import datetime
import re
from itertools import pairwise

from ventil.changelog import words
from ventil.changelog.dates import MONTHS, WEEKDAYS, Found, find_dates
from ventil.changelog.headings import Candidate
from ventil.changelog.markup import plain
from ventil.changelog.page import Page
from ventil.changelog.shapes import columns, rule, underline

_TRAILER = re.compile(r" -- [^\n]{0,200}?>[ ]{1,3}([^\n]{8,60})")
_SIGNED = re.compile(r"[\dA-Z][^<\n]{8,100}<[^>\s]{1,80}@[^>\s]{1,80}>\s*$")
_DATE_LABEL = re.compile(
    r"\W*(?:code ?name\b[^,\n]{1,40},\s*)?"
    r"(?:released?|release[- ]date|date|published|publication date|on|as of|dated|erschienen"
    r"|uploaded|tagged|launched|shipped"
    r"|veröffentlicht|publi[ée]e?|fecha|data|дата)\b",
    re.IGNORECASE,
)
_AUTHOR = re.compile(r"(?:by )?[A-Z][\w.'-]+(?: [A-Z][\w.'-]+){0,3} ?[,–-] ?$")
_BELOW = 4  # lines under a heading where its date may stand


def dates_of(page: Page, candidate: Candidate, end: int) -> list[Found]:
    """The dates that may be the release's: those of its heading, else those right below."""
    if candidate.dates:
        return candidate.dates[:1]
    if candidate.shape.kind == "debian":
        for number in range(end - 1, max(candidate.shape.body, end - 12) - 1, -1):
            if match := _TRAILER.match(page.lines[number][:400]):
                return find_dates(match[1])
        return []
    if candidate.shape.indent and (found := _date_heading_above(page, candidate)):
        return found
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


def _date_heading_above(page: Page, candidate: Candidate) -> list[Found]:
    """The date on the line above an indented heading when that line stands further out.

    As in GNU ChangeLogs: what stands below is then the date of the next entry.
    """
    for above in range(candidate.shape.first - 1, max(candidate.shape.first - 4, -1), -1):
        line = page.lines[above][:200]
        if line.strip():
            if columns(line) >= candidate.shape.indent:
                return []
            return find_dates(line)[:1] if _SIGNED.match(line) else _date_line(line.strip())
    return []


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
    if not after and _AUTHOR.fullmatch(lead):
        return found
    plainly = all(w in words.TAIL or w in WEEKDAYS or w in words.LABELS for w in before)
    if _DATE_LABEL.match(text) and len(before) <= 6:
        return found if len(after) <= 12 else []
    if plainly and len(before) <= 5:
        known = all(w in words.TAIL or w in WEEKDAYS or w in MONTHS for w in after)
        return found if known or (not before and len(after) <= 4) else []
    return []


def resolved(dates: list[list[Found]]) -> list[datetime.date | None]:
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
        pairs = list(pairwise(row))
        down = sum(1 for a, b in pairs if a is not None and b is not None and a < b)
        up = sum(1 for a, b in pairs if a is not None and b is not None and a > b)
        return min(down, up)

    return breaks(True) < breaks(False)
