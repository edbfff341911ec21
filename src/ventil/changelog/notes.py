"""What changed between two versions: the notes of every release on the way, by kind.

`start` is the version that one has and is left out; `end` is the one that one wants, and is
included. Either may be None: from the beginning, to the newest. An end that the changelog
does not know still bounds the range by its place in the order, and is reported with its
nearest neighbours. Withdrawn releases are told like others. Pre-releases are left out, for
their notes commonly return under the release, unless they are asked for or one of the ends is
one; what is not released is left out unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ventil.changelog.document import Document, ReleaseEntry
from ventil.changelog.ordering import is_prerelease, version_key

KINDS = {
    "breaking": "Breaking changes",
    "security": "Security",
    "removed": "Removed",
    "deprecated": "Deprecated",
    "changed": "Changed",
    "added": "Added",
    "fixed": "Fixed",
    "performance": "Performance",
    "documentation": "Documentation",
    "internal": "Internal",
    "other": "Other notes",
}
"""Kinds of changes and their headings, in the order of how much a person must know them."""


@dataclass(frozen=True, slots=True)
class Note:
    """What one release says of one kind of changes; `text` is source in `Notes.markup`."""

    version: str
    date: date | None
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """All notes of a kind (a key of `KINDS`), the newest release first."""

    kind: str
    title: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """An end of the range that no release has; `below` and `above` are the nearest, if any."""

    version: str
    below: str | None
    above: str | None

    def __str__(self) -> str:
        near = " and ".join(v for v in (self.below, self.above) if v)
        return f"{self.version} is not in the changelog" + (
            f"; nearest: {near}" if near else ""
        )


@dataclass(frozen=True, slots=True)
class Notes:
    """The answer. `releases` are those in the range, the newest first.

    `left_out` are the pre-releases and unreleased ones in the range that were not asked for.
    """

    start: str | None
    end: str | None
    markup: str
    releases: tuple[ReleaseEntry, ...]
    groups: tuple[Group, ...]
    missing: tuple[Missing, ...]
    left_out: tuple[str, ...]


def notes_between(
    document: Document,
    start: str | None,
    end: str | None,
    *,
    prereleases: bool = False,
    unreleased: bool = False,
) -> Notes:
    """The merged notes after *start*, up to and with *end*.

    Raises ValueError when *start* is newer than *end*, or an end is no version at all (an
    empty text, or one without a digit).
    """
    ecosystem = document.package.ecosystem
    for bound in (start, end):
        if bound is not None and not any(c.isdigit() for c in bound):
            raise ValueError(f"{bound!r} is no version")
    low = None if start is None else version_key(ecosystem, start)
    high = None if end is None else version_key(ecosystem, end)
    if low is not None and high is not None and low > high:
        raise ValueError(f"{start} is newer than {end}")
    prereleases = prereleases or any(
        bound is not None and is_prerelease(ecosystem, bound) for bound in (start, end)
    )
    known = sorted(
        ((version_key(ecosystem, r.version), r) for r in _own(document)),
        key=lambda pair: pair[0],
        reverse=True,
    )
    inside = [
        release
        for key, release in known
        if (low is None or key > low) and (high is None or key <= high)
    ]
    kept: list[ReleaseEntry] = []
    left_out: list[ReleaseEntry] = []
    for release in inside:
        skipped = (release.unreleased and not unreleased) or (
            not prereleases
            and (release.prerelease or is_prerelease(ecosystem, release.version))
        )
        (left_out if skipped else kept).append(release)
    keys = {key for key, _ in known}
    missing = [
        Missing(
            bound,
            next((r.version for k, r in known if k < version_key(ecosystem, bound)), None),
            next(
                (r.version for k, r in known[::-1] if k > version_key(ecosystem, bound)), None
            ),
        )
        for bound in (start, end)
        if bound is not None and version_key(ecosystem, bound) not in keys
    ]
    return Notes(
        start=start,
        end=end,
        markup=document.markup,
        releases=tuple(kept),
        groups=_groups(kept),
        missing=tuple(missing),
        left_out=tuple(release.version for release in left_out),
    )


def _own(document: Document) -> Sequence[ReleaseEntry]:
    """The releases of this package, where the text tells of several packages."""
    name = document.package.name.lower()
    names = {name, name.rpartition("/")[2]}
    own = [r for r in document.releases if r.name is not None and r.name.lower() in names]
    if not own or len(own) == len(document.releases):
        return document.releases
    return own


def _groups(releases: Sequence[ReleaseEntry]) -> tuple[Group, ...]:
    found: dict[str, list[Note]] = {kind: [] for kind in KINDS}
    for release in releases:
        for kind, title, text in _parts(release):
            if text.strip():
                found[kind].append(Note(release.version, release.date, title, text))
    return tuple(
        Group(kind, KINDS[kind], tuple(notes)) for kind, notes in found.items() if notes
    )


def _parts(release: ReleaseEntry) -> list[tuple[str, str, str]]:
    """Kind, title and text of what a release says; nothing of the body is left out."""
    if not release.sections:
        return [("other", "", release.body)]
    first = release.sections[0]
    at = release.body.find(first.title)
    before = release.body[: release.body.rfind("\n", 0, max(at, 0)) + 1]
    parts = [("other", "", before)]
    for section in release.sections:
        kind = section.kind if section.kind in KINDS else "other"
        parts.append((kind, section.title, section.text))
    return parts
