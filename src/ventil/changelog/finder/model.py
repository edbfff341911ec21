"""What the finder is asked, what it asks the world, and what it answers.

The finder is a generator, as recipes are: it yields an `Ask`, is sent the `Reply`, and
returns a `Finding`. All values here are plain and frozen; `Remembered` and `Step` hold
nothing but what JSON can hold, so that they can be stored as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from ventil.core.exchange import Request

ECOSYSTEMS = ("npm", "pypi", "gem", "cargo")
"""The package URL types whose packages can be looked up (purl-spec, PURL-TYPES)."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of a registry.

    `ecosystem` is the package URL type, one of `ECOSYSTEMS`. `name` is as its registry
    writes it, scope included ("@scope/name"). `version` is the one whose archive may be
    read; None stands for the latest.
    """

    ecosystem: str
    name: str
    version: str | None = None

    @classmethod
    def of(cls, purl: str) -> Package:
        """The package that a package URL names. Raises ValueError when it is none."""
        from packageurl import PackageURL  # imported only where it is needed: 20 ms

        url = PackageURL.from_string(purl)
        name = f"{url.namespace}/{url.name}" if url.namespace else url.name
        return cls(url.type, name, url.version)

    @property
    def purl(self) -> str:
        """The package URL without version: `pkg:npm/%40scope/name`."""
        return f"pkg:{self.ecosystem}/" + "/".join(
            quote(part, safe=".-_~") for part in self.name.split("/")
        )


@dataclass(frozen=True, slots=True)
class Unpack:
    """That a body is an archive, and what is wanted of it.

    `form` is tgz (npm), tar.gz, zip or gem. `folder` is the package's folder inside the
    archive, "" for its root; `name` is the package's. See `ventil.changelog.finder.archive`.
    """

    form: str
    folder: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryQuery:
    """What one GraphQL request is to tell of one repository; several fit into a request.

    `selection` is GraphQL between the braces of `repository(owner:, name:) { ... }`.
    """

    owner: str
    name: str
    selection: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and the provider whose gate it passes.

    `provider`: npm-registry, pypi, rubygems, crates-index, crates-static, github, gitlab or
    codeberg. The request's target is relative to that provider's base URL or, when
    `origin` is not None, to that origin (`https://host`, no path): archives may lie on a
    host that only the registry's answer names. Whoever sends the request first asks
    `links.origin_fault`, and answers with a Fault where it has an objection.

    `unpack`: the body of a 200 is an archive. Whoever sends the request runs `archive.read`
    over it (in the workbench) and answers with a Response whose body is the result.
    `query`: a GraphQL query that may be combined with others (`graphql.combine`); sent
    alone, the request is complete as it stands.
    """

    provider: str
    request: Request
    origin: str | None = None
    unpack: Unpack | None = None
    query: RepositoryQuery | None = None


class How(StrEnum):
    """The kinds of places where a changelog can be."""

    METADATA = "metadata"  # the registry's answer about the package
    LINK = "link"  # a file that the metadata names as the changelog
    ARCHIVE = "archive"  # a file in the published archive
    LISTING = "listing"  # a directory of the repository (where to look, not a text)
    FILE = "file"  # a file of the repository
    RELEASES = "releases"  # the releases that a code host keeps
    DESCRIPTION = "description"  # a part of the description that the registry shows
    SUCCESSOR = "successor"  # another package that this one says it has become


class Result(StrEnum):
    """How one step ended."""

    FOUND = "found"
    NOTHING = "nothing"  # an answer, and no changelog in it
    LEADS_ON = "leads-on"  # no changelog, but where one may be
    UNCHANGED = "unchanged"  # as it was the last time
    FAILED = "failed"  # no usable answer
    SKIPPED = "skipped"  # not asked, for the reason given


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried.

    `place` is a URL or path for people. `detail` says why it ended so, in a few printable
    words. `requests` is how many requests it took; those that share a GraphQL request with
    others count as one here, and as a part of one in the provider's books.
    """

    how: How
    place: str
    result: Result
    detail: str = ""
    requests: int = 0


@dataclass(frozen=True, slots=True)
class HostRelease:
    """A release as a code host keeps it.

    `tag` and `name` as written there; `body` is Markdown; `published` is RFC 3339 or None.
    """

    tag: str
    name: str
    body: str
    published: str | None
    prerelease: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a changelog was found.

    `how` is never METADATA or LISTING. `url` is for people: the page of the file, of the
    releases, or of the package. `provider` and `repository` ("owner/name", for GitLab the
    whole path; "" where there is none) say whom to ask again, and `path` which file there
    or in the archive ("" for releases).
    """

    how: How
    url: str
    provider: str
    repository: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is kept of a package from one search to the next; all of it may be absent.

    `version` is the latest one at that time. `metadata_etag` and `metadata_modified` are
    the validators of the registry's answer (RFC 9110 section 8.8), `etag` and `modified`
    those of the text; for GraphQL `etag` is the blob's id after "oid:". `place` is None
    when nothing was found. `name` is the name under which the registry knows the package
    now, where that differs from the one asked for.
    """

    version: str | None = None
    place: Place | None = None
    metadata_etag: str | None = None
    metadata_modified: str | None = None
    etag: str | None = None
    modified: str | None = None
    name: str | None = None


class Status(StrEnum):
    """How a search ended.

    `FOUND` and `NONE` are answers, and so is `UNKNOWN`: the registry has no such package.
    `UNCHANGED`: what was stored the last time still holds, no text is given again.
    `FAILED`: something that might have had it did not answer; to be tried again.
    """

    FOUND = "found"
    NONE = "none"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer for one package.

    When `status` is FOUND, either `text` (bytes as they came, not decoded, not yet parsed)
    or `releases` is not None; otherwise both are None. `filename` is the text's name, a
    hint for the parser. `why` is one sentence for people. `version` is the latest version
    as the registry told, None when it did not; `repository` the web address of its source,
    None when none is known. `requests` counts the requests of this package. `remember` is
    to be stored and given to the next search; after FAILED it is what was remembered
    before.
    """

    package: Package
    status: Status
    why: str
    tried: tuple[Step, ...]
    remember: Remembered
    text: bytes | None = None
    filename: str | None = None
    releases: tuple[HostRelease, ...] | None = None
    place: Place | None = None
    version: str | None = None
    repository: str | None = None
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Manners:
    """How the finder may search.

    `graphql`: a token for GitHub is configured, so that repositories can be asked about
    many at a time. `most_requests`: after so many requests for one package it settles with
    what it has. `archive_bytes` and `text_bytes` bound what is fetched of either kind.
    `releases`: so many of a code host's latest releases are taken.
    """

    graphql: bool = False
    most_requests: int = 8
    archive_bytes: int = 16 * 1024 * 1024
    text_bytes: int = 16 * 1024 * 1024
    releases: int = 100
