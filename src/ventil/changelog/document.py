"""What is stored and published per package: its releases, where they were found, and why.

A document is JSON (`encode`, `decode`); its JSON Schema is `document.schema.json` beside
this file. Times are RFC 3339 in UTC, dates ISO 8601, lines are counted from zero.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

import msgspec
from packageurl import PackageURL

from ventil.changelog.model import Release
from ventil.changelog.parser import parse, release_as_data
from ventil.changelog.versions import order

FORMAT = 1
"""The version of the JSON's form; a reader refuses a higher one than it knows."""

Status = Literal["found", "none", "failed", "carried"]
Markup = Literal["markdown", "rst", "asciidoc", "rdoc", "textile", "html", "plain"]
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class PackageId(msgspec.Struct, frozen=True, kw_only=True):
    """A package as its registry knows it.

    `purl` is its package URL without a version (`pkg:npm/%40scope/name`) and its key
    everywhere; `ecosystem` the URL's type (npm, pypi, gem, cargo); `name` as the registry
    writes it. `latest_version` is the newest that the registry had when the document was
    made, None when it was not asked. `repository` is the web address of its source, None
    when none is known: issue numbers and relative links are resolved against it.
    """

    purl: str
    ecosystem: str
    name: str
    latest_version: str | None = None
    repository: str | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the text was found.

    `how` is the step that found it, as the finder calls it (`finder.How`): "link", "file",
    "archive", "releases", "description". `url` is what a person can open, or a package URL,
    None when there is neither; `filename` the file's path inside the archive or repository,
    None when it is no file; `ref` the branch, tag or commit that was read; `etag` and
    `last_modified` what the server said, as they stood in its headers.
    """

    how: str
    url: str | None = None
    filename: str | None = None
    ref: str | None = None
    etag: str | None = None
    last_modified: str | None = None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One step on the way: which, where (None: nowhere in particular), and what came of it."""

    how: str
    where: str | None = None
    result: str


class SectionEntry(msgspec.Struct, frozen=True):
    """A part of a release's body; see `ventil.changelog.Section`."""

    kind: str
    title: str
    text: str


class ReleaseEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One release, with the fields that `release_as_data` gives, and `url`.

    `url` is the release's own page at its host, None when it has none. `span` is (0, 0) for
    releases that came one by one from an API and not out of a text.
    """

    version: str
    normalised: str
    date: dt.date | None = None
    name: str | None = None
    title: str = ""
    body: str = ""
    span: tuple[int, int] = (0, 0)
    yanked: bool = False
    prerelease: bool = False
    unreleased: bool = False
    sections: tuple[SectionEntry, ...] = ()
    url: str | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known about a package's changelog.

    `status`: "found"; "none" (it has none, or none with releases in it: an answer, whose
    reasons are in `why` and `tried`); "failed" (it could not be fetched or read, and never
    was); "carried" (the same, and what is here is the last good state, fetched at
    `fetched_at`). `why` is one sentence for a person.

    `markup` is the language of all bodies. `links` are the targets that the whole text
    defines for its labels ("[12]: https://..." or ".. _12: https://..."): bodies refer to
    them, wherever they stand. `fetched_at` is None when nothing was fetched. `releases`
    are in the order of the text, commonly the newest first.
    """

    package: PackageId
    status: Status
    why: str = ""
    place: Place | None = None
    fetched_at: Moment | None = None
    markup: Markup = "plain"
    links: dict[str, str] = {}
    releases: tuple[ReleaseEntry, ...] = ()
    tried: tuple[Tried, ...] = ()
    format: int = FORMAT


def package_of(purl: str, **known: str | None) -> PackageId:
    """The package that a package URL names; `known` are further fields of `PackageId`.

    A version, qualifiers and a subpath in it are left out. Raises ValueError when *purl*
    is none.
    """
    parsed = PackageURL.from_string(purl)
    namespace, name = parsed.namespace, parsed.name
    bare = PackageURL(parsed.type, namespace, name).to_string()
    if parsed.type == "npm" and (written := _NPM.match(purl)):
        # Names in capitals are old ones, and other packages than those in small letters.
        name = unquote(written[1])
        bare = bare.rpartition("/")[0] + "/" + quote(name, safe="")
    full = f"{namespace}/{name}" if namespace else name
    return PackageId(purl=bare, ecosystem=parsed.type, name=full, **known)


_NPM = re.compile(r"pkg:/*npm/(?:[^/?#]+/)?([^/@?#]+)(?:@[^/]*)?(?:[?#].*)?$", re.IGNORECASE)


def entry_of(release: Release, *, url: str | None = None) -> ReleaseEntry:
    """A parsed release as it stands in a document."""
    return entry_of_data({**release_as_data(release), "url": url})


def entry_of_data(data: Mapping[str, Any]) -> ReleaseEntry:
    """What `release_as_data` gave, perhaps through JSON, as it stands in a document.

    Raises ValueError when it is something else.
    """
    try:
        return msgspec.convert(dict(data), ReleaseEntry)
    except msgspec.ValidationError as error:
        raise ValueError(f"no release: {error}") from error


def entries_in(text: str | bytes, filename: str | None = None) -> tuple[ReleaseEntry, ...]:
    """The releases of a changelog's text, as they stand in a document."""
    return tuple(entry_of(release) for release in parse(text, filename))


def encode(document: Document) -> bytes:
    """The document as JSON, always the same bytes for the same document."""
    return msgspec.json.encode(document) + b"\n"


def decode(data: bytes) -> Document:
    """The document in *data*; fields that are not known are left out.

    Raises ValueError when it is no document, or one of a newer format.
    """
    try:
        document = msgspec.json.decode(data, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no changelog document: {error}") from error
    if document.format > FORMAT:
        raise ValueError(
            f"a changelog document of format {document.format}; this Ventil reads {FORMAT}"
        )
    return document


def digest(document: Document) -> str:
    """A digest of what the document says, when and how it was fetched left out.

    Two documents with the same digest need not both be published.
    """
    place = document.place
    if place is not None:
        place = msgspec.structs.replace(place, etag=None, last_modified=None)
    bare = msgspec.structs.replace(document, fetched_at=None, place=place)
    return hashlib.sha256(encode(bare)).hexdigest()


def newest_first(releases: Iterable[ReleaseEntry]) -> list[ReleaseEntry]:
    """The releases, the newest first, whichever way the text runs.

    The text's own order is kept, or turned round when its dates, or else its versions, say
    that it begins with the oldest.
    """
    listed = list(releases)
    rises = falls = 0
    for before, after in pairwise(listed):
        a: Any = (before.date, after.date)
        if None in a or a[0] == a[1]:
            a = (order(before.version), order(after.version))
        rises += a[0] < a[1]
        falls += a[0] > a[1]
    return listed[::-1] if rises > falls else listed
