"""What the parser returns."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from ventil.changelog.sections import Section, find_sections


@dataclass(frozen=True, slots=True)
class Release:
    """One release as its changelog tells it.

    `version` is as written, without a leading "v", label or name, and without blanks
    ("1.0 beta 2" is "1.0beta2"); `normalised` is its form for comparing (PEP 440 where it
    fits, else lower case). `date` is None when none is written for the release, or only
    part of one. `body` is the source below the heading, a piece of the decoded text
    without the blank lines around it; when everything stands on one line ("0.1, 1 May
    2020 -- First.") it is the rest of that line.

    `name` is the package's name where the heading has one, else None. `title` is the
    heading as written, without its markers. `span` are the first line and the one after
    the last, counted from zero, heading included; spans of a text's releases are in order
    and do not overlap.

    `yanked`: withdrawn, says the heading. `prerelease`: the version is an alpha, beta,
    release candidate, development version or the like. `unreleased`: the heading says
    that it is not out yet.
    """

    version: str
    date: datetime.date | None
    body: str
    normalised: str
    name: str | None
    title: str
    span: tuple[int, int]
    yanked: bool
    prerelease: bool
    unreleased: bool

    @property
    def sections(self) -> tuple[Section, ...]:
        """The parts of the body that say of what kind their changes are, in order.

        Found anew each time it is asked for; empty where the text has no such headings.
        """
        return find_sections(self.body)
