"""Reading a changelog as work for another process: bytes in, the parts of a document out.

The task `changelog.read`. What it gives is ours to trust in its form, not in its content.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from ventil.changelog.decoding import decode as decode_text
from ventil.changelog.document import Markup, ReleaseEntry, SectionEntry, entries_in
from ventil.changelog.finder import HostRelease
from ventil.changelog.render import link_targets, markup_of
from ventil.changelog.sections import find_sections
from ventil.changelog.versions import find_number, find_versions, normalise, unripe, written


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a changelog holds; the fields are those of `Document`."""

    markup: Markup = "plain"
    links: dict[str, str] = {}
    releases: tuple[ReleaseEntry, ...] = ()


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    text: bytes | None = None
    filename: str | None = None
    releases: tuple[HostRelease, ...] | None = None


def payload(
    text: bytes | None, filename: str | None, releases: tuple[HostRelease, ...] | None
) -> bytes:
    """What `read_task` is to be given: a text, or the releases that a host keeps."""
    return msgspec.msgpack.encode(_Payload(text=text, filename=filename, releases=releases))


def read_task(payload: bytes) -> bytes:
    """The task `changelog.read`: from `payload` to what `reading` reads."""
    asked = msgspec.msgpack.decode(payload, type=_Payload)
    if asked.text is not None:
        found = _of_text(asked.text, asked.filename)
    else:
        found = _of_host(asked.releases or ())
    return msgspec.msgpack.encode(found)


def reading(result: bytes) -> Reading:
    """What `read_task` gave. Raises ValueError when *result* is something else."""
    return msgspec.msgpack.decode(result, type=Reading)


def _of_text(data: bytes, filename: str | None) -> Reading:
    releases = entries_in(data, filename)
    if not releases:
        return Reading()
    text = decode_text(data)
    markup = markup_of(text, filename)
    return Reading(markup=markup, links=link_targets(text, markup), releases=releases)


def _of_host(releases: tuple[HostRelease, ...]) -> Reading:
    entries = tuple(entry for release in releases if (entry := _entry(release)) is not None)
    return Reading(markup="markdown", releases=entries)


def _entry(release: HostRelease) -> ReleaseEntry | None:
    """A host's release; None for a tag without a version in it (nightly, latest)."""
    bare = release.tag.rsplit("/", 1)[-1]  # packages/core/v1.2.0 in a monorepo
    token = next(iter(find_versions(bare)), None) or find_number(bare.lstrip("vV"))
    if token is None:
        return None
    version = written(token.text)
    return ReleaseEntry(
        version=version,
        normalised=normalise(version),
        date=_day(release.published),
        title=release.name or release.tag,
        body=release.body,
        prerelease=release.prerelease or unripe(version),
        sections=tuple(
            SectionEntry(part.kind, part.title, part.text)
            for part in find_sections(release.body)
        ),
    )


def _day(published: str | None) -> dt.date | None:
    try:
        return None if published is None else dt.date.fromisoformat(published[:10])
    except ValueError:
        return None
