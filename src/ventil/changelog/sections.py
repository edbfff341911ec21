"""The sections inside a release: added, changed, fixed and so on."""

from __future__ import annotations

import re
from dataclasses import dataclass

# In the order in which they are tried; the last are not changes that a user sees.
_KINDS = (
    (
        "breaking",
        r"(?:potentially )?(?:backwards?[- ])?(?:breaking|incompatib|in-compat)"
        r"|backwards?[- ]incompat|major changes?$",
    ),
    ("security", r"security|vulnerab|cve"),
    ("deprecated", r"deprecat"),
    ("removed", r"remov|delet|dropped"),
    ("added", r"added|additions?|add$|new\b|features?|implemented|adds$"),
    (
        "fixed",
        r"fixed|fixes|fix$|bug ?fix|bug-fix|bugs|hot ?fix|corrections?|resolved|closed"
        r"|regressions?",
    ),
    ("performance", r"performance|perf$|speed|optimi[sz]"),
    ("documentation", r"doc(?:s|umentation)?\b|improved docs"),
    (
        "changed",
        r"chang|improve|enhance|updat|refactor|polish|minor changes|revert|modif|other changes"
        r"|highlights?|merged|commits|code |api\b|summary",
    ),
    (
        "internal",
        r"internal|misc|packaging|build|chore|maintenance|contributor-facing|tests?\b|dependenc"
        r"|tooling|infrastructure|development|ci$|continuous|style|other$|under the hood"
        r"|housekeeping|contributors|committers|thanks|acknowledg|known issues|notes?$|upgrad"
        r"|migrat|general|core$",
    ),
)
_KIND = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS)
_LEAD = re.compile(
    r"^(?:[^\w]|:[a-z_]{2,30}:)+"
    r"|^(?:the|minor|major|other|all|some|api|more|what['’]s)\s+",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[ \t]{0,8}(?:"
    r"\#{1,6}[ \t]*(?P<atx>[^\s\#][^\n]{0,80}?)[ \t]*\#*"
    r"|(?:[-*][ \t]+)?(?:\*\*|__)(?P<bold>[^\n*]{2,60}?):?(?:\*\*|__):?"
    r"|={2,6}[ \t]+(?P<equals>[^\n=]{2,60}?)[ \t]*=*"
    r"|(?P<plain>[A-Za-z][^\n:.]{2,40}):"
    r"|(?P<under>[^\s\-*\#>.][^\n]{1,60}?)[ \t]*\r?\n"
    r"[ \t]{0,8}(?P<rule>[-=~^\"'`*+\#:.])(?P=rule){2,}"
    r")[ \t]*\r?$",
    re.M | re.VERBOSE,
)
_LONGEST_TITLE = 60
MOST = 5_000  # sections read in one release


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


def kind_of(title: str) -> str | None:
    """The kind of changes that a heading announces, None when it announces none."""
    if len(title) > _LONGEST_TITLE:
        return None
    words = _LEAD.sub("", title.strip())
    words = _LEAD.sub("", words)
    for kind, pattern in _KIND:
        if pattern.match(words):
            return kind
    return None


def find_sections(body: str) -> tuple[Section, ...]:
    """The sections of a release's body, in order; text before the first has none."""
    found: list[tuple[int, int, str, str]] = []
    for match in _HEADING.finditer(body):
        title = (
            match["atx"] or match["bold"] or match["equals"] or match["plain"] or match["under"]
        ).strip()
        kind = kind_of(title)
        if kind is not None:
            found.append((match.start(), match.end(), kind, title))
            if len(found) >= MOST:
                break
    ends = [start for start, *_ in found[1:]] + [len(body)] * bool(found)
    return tuple(
        Section(kind, title, body[after:end].strip())
        for (_, after, kind, title), end in zip(found, ends, strict=True)
    )
