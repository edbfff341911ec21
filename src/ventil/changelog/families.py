"""Candidates that are set alike, and what they weigh together.

A family is one style of heading: the same level, the same underline, the same bullet at the
same indentation. What its lines say counts (nothing but a version and a date is best), and
its markup, and whether its versions go steadily up or down, which lists of releases do and
mentions in prose do not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

from ventil.changelog.headings import LOOSE, PURE, TITLED, Candidate
from ventil.changelog.page import Page
from ventil.changelog.shapes import columns

_BULLETS = re.compile(r"^([ \t]{0,40})([-*+•‣o·])[ \t]+\S", re.M)
_PARAGRAPHS = re.compile(r"\n[ \t]{0,40}\r?\n([ \t]{0,40})[^\s*+•-]")


@dataclass(slots=True)
class Family:
    """Candidates that are set alike, and what they weigh together."""

    key: tuple[str, ...]
    members: list[Candidate]
    weight: float = 0.0
    steady: float = 1.0
    falling: bool = True

    @property
    def strong(self) -> bool:
        """Whether the markup of this family is that of headings."""
        return self.members[0].shape.strong


class Alike:
    """How many lines are set alike: bullets, and first lines of paragraphs.

    Counted for all at once when first asked for.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._counts: Counter[tuple[str, int]] | None = None

    def count(self, sign: str, indent: int) -> int:
        """The lines with this bullet, or the paragraphs without, at this indentation."""
        if self._counts is None:
            text = self._page.text
            self._counts = Counter((m[2], columns(m[1] + ".")) for m in _BULLETS.finditer(text))
            self._counts.update(("", columns(m[1] + ".")) for m in _PARAGRAPHS.finditer(text))
        return self._counts[(sign, indent)]


def families(page: Page, found: list[Candidate], *, told: bool) -> list[Family]:
    """The families that weigh anything, the heaviest first.

    `told` when the text is known to be a changelog: then less evidence is enough.
    """
    groups: dict[tuple[str, ...], list[Candidate]] = defaultdict(list)
    for candidate in found:
        groups[candidate.shape.key].append(candidate)
    families, alike = [], Alike(page)
    for key, members in groups.items():
        family = Family(key, members)
        _trust_names(members)
        _weigh(page, family, alike, told=told)
        if family.weight > 0:
            families.append(family)
    families.sort(key=lambda f: -f.weight)
    titles = [f.members[0] for f in families if f.strong and f.members[0].words == PURE]
    if titles and _sentences(families[0], min(c.number for c in titles)):
        families.pop(0)
    return [f for f in families if f is families[0] or f.weight > 0]


def _sentences(family: Family, title: int) -> bool:
    """Whether bullets below a title are changes that mention versions, as of a merge log.

    Each has words of its own before its version, and none has a date.
    """
    members = family.members
    if family.key[0] != "bullet" or len(members) < 3 or members[0].number < title:
        return False
    if any(c.dates for c in members):
        return False
    return Counter(c.name for c in members).most_common(1)[0][1] < 0.5 * len(members)


def _trust_names(members: list[Candidate]) -> None:
    """Forget what stands before versions unless it is a name that returns."""
    counts = Counter(c.name for c in members if c.name)
    for candidate in members:
        if candidate.name and counts[candidate.name] < 2 and len(members) > 1:
            candidate.words = min(candidate.words, LOOSE)


def _value(page: Page, candidate: Candidate, own: set[int]) -> float:
    """What one candidate adds to its family."""
    strong = candidate.shape.strong
    value = {PURE: 1.0, TITLED: 0.8 if strong else 0.5, LOOSE: 0.3 if strong else 0.12}[
        candidate.words
    ]
    if candidate.dates and candidate.words == LOOSE:
        value = max(value, 0.4)
    if candidate.speaking:
        value *= 0.1
    if candidate.dates:
        value *= 1.6
    elif not candidate.dotted and not candidate.labelled:
        value *= 0.4
    if not strong:
        number = candidate.number
        if not page.blank(number - 1) and candidate.shape.kind in {"bare", "bold", "field"}:
            value *= 0.5
        if (
            candidate.words == PURE
            and not candidate.dates
            and not _says(candidate)
            and not has_body(page, candidate, own)
        ):
            value *= 0.1
    return value * candidate.strength


def _says(candidate: Candidate) -> bool:
    """Whether the line itself tells what the release brought."""
    return any(c.isalpha() for c in candidate.rest)


def has_body(page: Page, candidate: Candidate, own: set[int]) -> bool:
    """Whether something stands under the line that is none of the lines `own`."""
    for below in range(candidate.shape.body, min(candidate.number + 5, len(page.lines))):
        line = page.lines[below]
        if line.strip():
            if candidate.shape.kind == "bullet" and not candidate.labelled:
                return columns(line) > candidate.shape.indent
            return below not in own
    return False


def _weigh(page: Page, family: Family, alike: Alike, *, told: bool) -> None:
    members = [c for c in family.members if not c.speaking]
    own = {c.number for c in family.members}
    values = [_value(page, c, own) for c in members]
    if not values:
        return
    family.falling, family.steady = _direction(members)
    total = sum(values) * family.steady**2
    pure = sum(c.words >= TITLED for c in members)
    solid = sum(c.words == PURE or bool(c.dates) for c in members)
    if not family.strong:
        if len(members) > 2 and family.steady < 0.6:
            return  # numbers in no order
        bare = sum(
            c.words == PURE and not c.dates and not _says(c) and not has_body(page, c, own)
            for c in members
        )
        if bare > 0.6 * len(members):
            return  # a list of versions: a table of contents, or what is supported
        if not told:
            total *= 0.6
            if solid < 2:
                total *= 0.3
        if solid < 0.3 * len(members):
            # Lines of one entry each, or prose with versions in it.
            if not told or family.steady < 0.8 or len(members) < 2:
                return
            if pure < 0.5 * len(members) and _coverage(alike, family) < 0.6:
                return
    if solid == 0 and pure == 0 and (not told or _numbered(members)):
        return
    family.weight = total


def _numbered(members: list[Candidate]) -> bool:
    """Whether the "versions" are the numbers of a manual's chapters."""
    if any(c.labelled or c.words == PURE or c.dates for c in members):
        return False
    rising = all(a.order <= b.order for a, b in pairwise(members))
    return rising and members[0].order[0][:1] <= (1,)


def _direction(members: list[Candidate]) -> tuple[bool, float]:
    """Whether versions fall down the page, and the share of steps that go that way."""
    down = up = 0
    for a, b in pairwise(members):
        if a.name != b.name:
            continue
        if a.order > b.order:
            down += 1
        elif a.order < b.order:
            up += 1
    steps = len(members) - 1
    same = sum(a.name != b.name for a, b in pairwise(members))
    if steps <= 0 or same == steps:
        return True, 1.0
    return down >= up, max(down, up) / (steps - same)


def _coverage(alike: Alike, family: Family) -> float:
    """The share of lines set like the family that name a version."""
    indent = family.members[0].shape.indent
    sign = family.key[1] if family.key[0] == "bullet" else ""
    return len(family.members) / max(alike.count(sign, indent), 1)
