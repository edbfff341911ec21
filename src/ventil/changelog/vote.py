"""Which of the candidates are releases: the file's own style, found by vote.

Candidates that are set alike form a family: the same level, the same underline, the same
bullet at the same indentation. Each family is weighed by what its lines say (nothing but a
version and a date is best), by its markup, and by whether its versions go steadily up or
down, which lists of releases do and mentions in prose do not. The heaviest family is the
file's style. Candidates of other families join when they fit between their neighbours, as
where an underline was forgotten, or continue the list in another style, as in the old part
of many files.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass

from ventil.changelog import words
from ventil.changelog.headings import LOOSE, PURE, TITLED, Candidate
from ventil.changelog.outline import Heading, papers
from ventil.changelog.page import Page
from ventil.changelog.shapes import columns

_TITLE = re.compile(
    r"change[-_ ]?log|history|what['’]?s new|release notes|changes (?:in|for|of)|news\b",
    re.IGNORECASE,
)
_BULLETS = re.compile(r"^([ \t]{0,40})([-*+•‣o·])[ \t]+\S", re.M)
_PARAGRAPHS = re.compile(r"\n[ \t]{0,40}\r?\n([ \t]{0,40})[^\s*+•-]")
_ENOUGH = 0.45  # weight from which a family counts
_README_HEADINGS = 2
_LEGAL = re.compile(
    r"permission is hereby granted|redistributions? (?:and use|of source)|public license"
    r"|terms and conditions|without warrant|warranties of|all rights reserved"
    r"|license agreement|under the terms|shall (?:be|mean|not)",
    re.IGNORECASE,
)
_LEGAL_PHRASES = 4


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


def choose(
    page: Page, found: list[Candidate], headings: list[Heading], *, named: bool
) -> list[Candidate]:
    """The candidates that are releases, in order.

    `named` when the file's name says that it is a changelog.
    """
    if not found:
        return []
    told = named or _says_changelog(page, headings)
    families = _families(page, found, told=told)
    if not families:
        return []
    main = families[0]
    accepted = _of_main(main, told=told)
    if not accepted:
        return []
    for family in families[1:]:
        _join(accepted, family, main, page)
    accepted = _distinct(accepted)
    around = _above(headings, accepted) if len(accepted) > 1 else headings
    if not told and papers(around) >= _README_HEADINGS:
        return []
    if not named:
        phrases = {m.lower() for m in _LEGAL.findall(page.text, 0, 200_000)}
        if len(phrases) >= _LEGAL_PHRASES:
            return []
    if len(accepted) == 1 and not _alone(page, accepted[0], told=told):
        return []
    return accepted


def _above(headings: list[Heading], accepted: list[Candidate]) -> list[Heading]:
    """The headings that belong to no release: before the first, or as high as theirs."""
    first = accepted[0].number
    numbers = {c.number for c in accepted}
    own = [h for h in headings if h.number in numbers]
    rank = min((h.rank for h in own), default=99)
    kinds = {h.kind for h in own}
    return [
        h
        for h in headings
        if h.number < first or not kinds or (h.kind in kinds and h.rank <= rank)
    ]


def _says_changelog(page: Page, headings: list[Heading]) -> bool:
    """Whether the first heading or first lines call this a list of changes."""
    first = next((line for line in page.lines[:60] if line.strip()), "")[:200]
    texts = [h.text for h in headings[:2]] + [first]
    return any(words.CHANGELOG.search(text) for text in texts)


def _families(page: Page, found: list[Candidate], *, told: bool) -> list[Family]:
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
    return [f for f in families if f is families[0] or f.weight > 0]


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
            and not _has_body(page, candidate, own)
        ):
            value *= 0.1
    return value * candidate.strength


def _says(candidate: Candidate) -> bool:
    """Whether the line itself tells what the release brought."""
    return any(c.isalpha() for c in candidate.rest)


def _has_body(page: Page, candidate: Candidate, own: set[int]) -> bool:
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
        bare = sum(c.words == PURE and not c.dates and not _says(c) and not _has_body(page, c, own)
            for c in members)
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
    if solid == 0 and _numbered(members):
        return
    family.weight = total


def _numbered(members: list[Candidate]) -> bool:
    """Whether the "versions" are the numbers of a manual's chapters."""
    if any(c.labelled or c.words == PURE or c.dates for c in members):
        return False
    rising = all(a.order <= b.order for a, b in zip(members, members[1:], strict=False))
    return rising and members[0].order[0][:1] <= (1,)


def _direction(members: list[Candidate]) -> tuple[bool, float]:
    """Whether versions fall down the page, and the share of steps that go that way."""
    down = up = 0
    for a, b in zip(members, members[1:], strict=False):
        if a.name != b.name:
            continue
        if a.order > b.order:
            down += 1
        elif a.order < b.order:
            up += 1
    steps = len(members) - 1
    same = sum(a.name != b.name for a, b in zip(members, members[1:], strict=False))
    if steps <= 0 or same == steps:
        return True, 1.0
    return down >= up, max(down, up) / (steps - same)


def _coverage(alike: Alike, family: Family) -> float:
    """The share of lines set like the family that name a version."""
    indent = family.members[0].shape.indent
    sign = family.key[1] if family.key[0] == "bullet" else ""
    return len(family.members) / max(alike.count(sign, indent), 1)


def _of_main(family: Family, *, told: bool) -> list[Candidate]:
    """The members of the heaviest family that are releases."""
    if family.weight < _ENOUGH and not (told and len(family.members) == 1):
        return []
    sure = [c for c in family.members if c.words >= TITLED and not c.speaking]
    alike = not sure or (not family.strong and len(sure) < 0.5 * len(family.members))
    if alike:
        return [c for c in family.members if not c.speaking]
    accepted = list(sure)
    for candidate in family.members:
        if candidate.words == LOOSE and not candidate.speaking:
            if candidate.dates or _fits(accepted, candidate, falling=family.falling):
                _insert(accepted, candidate)
    return accepted


def _insert(accepted: list[Candidate], candidate: Candidate) -> None:
    at = bisect_left(accepted, candidate.number, key=lambda c: c.number)
    accepted.insert(at, candidate)


def _neighbours(
    accepted: list[Candidate], candidate: Candidate
) -> tuple[Candidate | None, Candidate | None]:
    at = bisect_left(accepted, candidate.number, key=lambda c: c.number)
    before = accepted[at - 1] if at else None
    after = accepted[at] if at < len(accepted) else None
    return before, after


def _fits(accepted: list[Candidate], candidate: Candidate, *, falling: bool) -> bool:
    """Whether the candidate's version lies between those of its neighbours."""
    before, after = _neighbours(accepted, candidate)
    if not falling:
        before, after = after, before
    return (before is None or before.order > candidate.order) and (
        after is None or candidate.order > after.order
    )


def _join(accepted: list[Candidate], family: Family, main: Family, page: Page) -> None:
    """Add the members of another family that belong to the list."""
    known = {(c.name, c.order) for c in accepted}
    names = {c.name for c in accepted}
    first, last = accepted[0].number, accepted[-1].number
    tail = sum(
        c.number > last and c.words >= TITLED and not c.speaking and c.name in names
        for c in family.members
    )
    for candidate in family.members:
        if candidate.speaking or (candidate.name, candidate.order) in known:
            continue
        if candidate.name not in names and not candidate.coded:
            if not (candidate.shape.strong and candidate.words == PURE and candidate.dates):
                continue
        if candidate.shape.first < _body_of_previous(accepted, candidate):
            continue
        fits = _fits(accepted, candidate, falling=main.falling)
        if _joins(candidate, family, main, page, fits, tail if candidate.number > last else 0, first):
            known.add((candidate.name, candidate.order))
            _insert(accepted, candidate)


def _body_of_previous(accepted: list[Candidate], candidate: Candidate) -> int:
    before, _ = _neighbours(accepted, candidate)
    return before.shape.body if before else 0


def _joins(
    candidate: Candidate,
    family: Family,
    main: Family,
    page: Page,
    fits: bool,
    tail: int,
    first: int,
) -> bool:
    strong, pure = candidate.shape.strong, candidate.words == PURE
    if strong:
        if _TITLE.search(candidate.title) and not candidate.dates:
            return len(family.members) > 1 and fits and pure
        if not pure:
            return (
                candidate.words == TITLED
                and fits
                and (bool(candidate.dates) or len(family.members) > 1)
            )
        if candidate.dates:
            return True
        if fits:
            return candidate.dotted or candidate.labelled
        # The umbrella over a series, or a part of one.
        return candidate.dotted and family.steady >= 0.7 and len(family.members) > 1
    if not fits or candidate.words == LOOSE:
        return False
    if tail:
        return (
            (pure or bool(candidate.dates))
            and (bool(candidate.dates) or tail > 1)
            and (family.weight > 0.3)
        )
    if candidate.number < first:
        return pure and bool(candidate.dates)
    if candidate.shape.kind in {"bullet", "table"} and main.key[0] != candidate.shape.kind:
        return False
    alone = page.blank(candidate.number - 1)
    if main.strong or main.key[0] != candidate.shape.kind:
        return pure and alone and bool(candidate.dates) and candidate.shape.indent < 4
    near = abs(candidate.shape.indent - main.members[0].shape.indent) <= 2
    return near and pure and (alone or bool(candidate.dates))


def _distinct(accepted: list[Candidate]) -> list[Candidate]:
    """Without those whose heading overlaps the one before."""
    kept: list[Candidate] = []
    for candidate in accepted:
        if kept and candidate.shape.first < kept[-1].shape.body:
            continue
        kept.append(candidate)
    return kept


def _alone(page: Page, candidate: Candidate, *, told: bool) -> bool:
    """Whether a single candidate is enough to be believed."""
    pure = candidate.words == PURE
    if candidate.shape.strong:
        return (
            pure
            and (told or bool(candidate.dates) or candidate.number < 3)
            or (told and (candidate.words == TITLED or bool(_TITLE.search(candidate.title))))
        )
    if candidate.name or not page.blank(candidate.number - 1):
        return False
    if not pure or not _has_body(page, candidate, set()):
        return told and (bool(candidate.dates) or (candidate.words >= TITLED and bool(candidate.rest)))
    return told or (bool(candidate.dates) and candidate.number < 3)
