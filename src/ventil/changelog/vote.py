"""Which of the candidates are releases: the file's own style, found by vote.

The heaviest family of candidates (see `families`) is the file's style. Candidates of other
families join when they fit between their neighbours, as where an underline was forgotten,
or continue the list in another style, as in the old part of many files.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from ventil.changelog import words
from ventil.changelog.families import Family, families, has_body
from ventil.changelog.headings import LOOSE, PURE, TITLED, Candidate
from ventil.changelog.outline import Heading, papers
from ventil.changelog.page import Page

_TITLE = re.compile(
    r"change[-_ ]?log|history|what['’]?s new|release notes|changes (?:in|for|of)|news\b",
    re.IGNORECASE,
)
_ENOUGH = 0.45  # weight from which a family counts
_README_HEADINGS = 2
_LEGAL = re.compile(
    r"permission is hereby granted|redistributions? (?:and use|of source)|public license"
    r"|terms and conditions|without warrant|warranties of|all rights reserved"
    r"|license agreement|under the terms|shall (?:be|mean|not)",
    re.IGNORECASE,
)
_LEGAL_PHRASES = 4


def choose(
    page: Page, found: list[Candidate], headings: list[Heading], *, named: bool, likely: bool
) -> list[Candidate]:
    """The candidates that are releases, in order.

    `named` when the file's name says that it is a changelog, `likely` when it may be one.
    """
    if not found:
        return []
    told = likely or _says_changelog(page, headings)
    voting = families(page, found, told=told)
    if not voting:
        return []
    main = voting[0]
    accepted = _of_main(main, told=told)
    if not accepted:
        return []
    for family in voting[1:]:
        _join(accepted, family, main, page)
    accepted = _distinct(accepted)
    if len(accepted) == 1:
        accepted = [_title(found, accepted[0])]
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
        if candidate.words != LOOSE or candidate.speaking:
            continue
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
    names = {c.name for c in accepted}
    sole = next(iter(names)) if len(names) == 1 else None
    # In a file of one package some headings name it, some do not.
    own = {c.name for c in family.members} | names
    lax = sole is not None and own <= {sole, ""} and family.strong and main.strong
    known = {("" if lax else c.name, c.order) for c in accepted}
    if lax:
        names = own
    first, last = accepted[0].number, accepted[-1].number
    tail = sum(
        c.number > last and c.words >= TITLED and not c.speaking and c.name in names
        for c in family.members
    )
    if family.strong and family.members[0].shape.indent > main.members[0].shape.indent + 3:
        return  # examples of headings, in a literal block
    for candidate in family.members:
        identity = ("" if lax else candidate.name, candidate.order)
        if candidate.speaking or identity in known:
            continue
        stranger = candidate.name not in names and not candidate.coded
        certain = candidate.shape.strong and candidate.words == PURE and candidate.dates
        if stranger and not certain:
            continue
        if candidate.shape.first < _body_of_previous(accepted, candidate):
            continue
        fits = _fits(accepted, candidate, falling=main.falling)
        if _joins(
            candidate, family, main, page, fits, tail if candidate.number > last else 0, first
        ):
            known.add(identity)
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


def _title(found: list[Candidate], only: Candidate) -> Candidate:
    """The heading of a text about one release: its title, where that names the version."""
    for candidate in found:
        if candidate.number >= only.number:
            break
        if (
            candidate.shape.strong
            and not candidate.speaking
            and candidate.words >= TITLED
            and (candidate.name, candidate.order) == (only.name, only.order)
            and bool(candidate.dates) >= bool(only.dates)
        ):
            return candidate
    return only


def _alone(page: Page, candidate: Candidate, *, told: bool) -> bool:
    """Whether a single candidate is enough to be believed."""
    pure = candidate.words == PURE
    if candidate.shape.strong:
        return (pure and (told or bool(candidate.dates) or candidate.number < 3)) or (
            told and (candidate.words == TITLED or bool(_TITLE.search(candidate.title)))
        )
    if candidate.name or not page.blank(candidate.number - 1):
        return False
    if not pure or not has_body(page, candidate, set()):
        return told and (
            bool(candidate.dates) or (candidate.words >= TITLED and bool(candidate.rest))
        )
    return told or (bool(candidate.dates) and candidate.number < 3)
