"""What the parser returns: releases, and the sections inside them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a release that says of what kind its changes are.

    `kind` is one of "added", "changed", "deprecated", "removed", "fixed", "security",
    "breaking", "performance", "documentation", "internal". `title` is the heading as
    written, `text` the source under it, a piece of the release's body.
    """

    kind: str
    title: str
    text: str


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
    sections: tuple[Section, ...]
