"""The files of a site: a folder per package, an index of all, merged notes.

Pure: documents in, names and bytes out. The same document gives the same bytes.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ventil.changelog.document import Document, ReleaseEntry, digest, encode, newest_first
from ventil.changelog.notes import Notes
from ventil.changelog.render.addresses import folder_of, slugs, web_address
from ventil.changelog.render.body import render_body, setting_of
from ventil.changelog.render.feed import FeedEntry, atom, subject_of
from ventil.changelog.render.forge import forge_of

DOCUMENT = "changelog.json"
INDEX = "index.html"
FEED = "feed.atom"
RELEASES = "releases"

MOST_PAGES = 2_000
"""Releases of one package that get pages of their own; all are listed, and in the JSON."""

_REVISION = "1"  # to be raised when the code here changes what the files look like
_NEWEST = 10  # releases told in full on a package's index,
_NEWEST_BYTES = 150_000  # as long as they are no longer than this together
# Of one document, given to a markup's parser; beyond, bodies are formatted lightly. Real
# ones have 54 MB in 1,000 texts, the longest 2 MB, and lines of 40 characters in the mean.
_MOST_FORMATTED = 4_000_000  # characters
_MOST_FORMATTED_LINES = 80_000
_LISTED_KINDS = ("breaking", "security", "deprecated", "removed", "added", "changed", "fixed")


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages of a site share.

    `title` stands above them. `base` is the address at which the site will be read, None
    when it is not known; feeds need it for absolute links and for ids of their own.
    """

    title: str = "Changelogs"
    base: str | None = None

    @property
    def root(self) -> str | None:
        """The address with one slash at the end."""
        return None if self.base is None else self.base.rstrip("/") + "/"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A package in the site's index."""

    name: str
    ecosystem: str
    purl: str
    folder: str
    status: str
    version: str | None = None
    date: dt.date | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Told:
    """A release as the templates see it; `page` is relative to the package's index."""

    version: str
    date: dt.date | None
    yanked: bool
    unreleased: bool
    prerelease: bool
    kinds: tuple[str, ...]
    url: str | None
    anchor: str
    slug: str
    page: str | None
    html: Markup

    @property
    def file(self) -> str:
        return f"{self.slug}.html"


def mark_of(document: Document, site: Site) -> str:
    """What a package's pages are made from: the same mark, the same pages."""
    made_from = f"{digest(document)} {site.title} {site.base} {_revision()}"
    return hashlib.sha256(made_from.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def package_files(document: Document, site: Site) -> dict[str, bytes]:
    """All files of a package's folder by name, the index and the document last.

    `changelog.json`, `index.html`, `feed.atom` when releases have dates, and
    `releases/VERSION.html` each.
    """
    package = document.package
    folder = folder_of(package.ecosystem, package.name)
    told = _told(document)
    feed = atom(
        f"{package.name}: releases",
        package.purl,
        feed_entries(document, told),
        folder=folder,
        name=FEED,
        base=site.root,
        author=package.name,
    )
    root = "../" * (folder.count("/") + 1)
    shared: dict[str, Any] = {
        "mark": mark_of(document, site),
        "site": site.title,
        "package": package,
        "repository": _repository(document),
        "place": _place(document),
        "fetched": None
        if document.fetched_at is None
        else document.fetched_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "feed": feed is not None,
        "status": document.status,
        "why": document.why.rstrip("."),
        "tried": document.tried,
        "count": len(told),
    }
    files: dict[str, bytes] = {}
    paged = told[:MOST_PAGES]
    for number, release in enumerate(paged):
        files[f"{RELEASES}/{release.file}"] = _page(
            "release.html",
            # Nothing that changes with other releases than the neighbours.
            **{**shared, "mark": "release", "fetched": None},
            root="../" + root,
            release=release,
            after=paged[number - 1] if number else None,
            before=paged[number + 1] if number + 1 < len(paged) else None,
        )
    if feed is not None:
        files[FEED] = feed
    newest, size = 0, 0
    for release in told[:_NEWEST]:
        size += len(release.html)
        if newest and size > _NEWEST_BYTES:
            break
        newest += 1
    files[INDEX] = _page(
        "package.html", **shared, root=root, newest=told[:newest], older=told[newest:]
    )
    files[DOCUMENT] = encode(document)
    return files


def summary_of(document: Document) -> Summary:
    """The package's line in the site's index."""
    package = document.package
    listed = newest_first(document.releases)
    out = next((r for r in listed if not r.unreleased), None)
    return Summary(
        name=package.name,
        ecosystem=package.ecosystem,
        purl=package.purl,
        folder=folder_of(package.ecosystem, package.name),
        status=document.status,
        version=out.version if out else None,
        date=out.date if out else None,
        count=len(listed),
    )


def feed_entries(document: Document, told: Sequence[_Told]) -> list[FeedEntry]:
    """The releases that have a date, as entries of a feed."""
    package = document.package
    return [
        FeedEntry(
            subject_of(package.purl, release.slug),
            f"{package.name} {release.version}" + (" (withdrawn)" if release.yanked else ""),
            release.date,
            release.page or INDEX,
            str(release.html) or "<p>Nothing is written about this release.</p>",
        )
        for release in told
        if release.date is not None
    ]


def site_feed(entries: Sequence[FeedEntry], site: Site) -> bytes | None:
    """`recent.atom`; None when no release has a date."""
    return atom(
        f"{site.title}: newest releases",
        "recent",
        entries,
        folder="",
        name="recent.atom",
        base=site.root,
    )


def site_page(
    entries: Sequence[Summary],
    site: Site,
    *,
    page: int,
    pages: int,
    packages: int,
    releases: int,
) -> bytes:
    """One page of the site's index; pages are counted from 1."""
    return _page(
        "site.html",
        mark="site",
        site=site.title,
        page=page,
        pages=pages,
        packages=packages,
        releases=releases,
        entries=[
            {**msgspec.structs.asdict(entry), "page": f"{_quoted(entry.folder)}/{INDEX}"}
            for entry in entries
        ],
    )


def notes_page(document: Document, notes: Notes) -> bytes:
    """Merged notes between two versions as one page that stands alone."""
    setting = setting_of(document, top=4)
    groups = [
        {
            "kind": group.kind,
            "title": group.title,
            "notes": [
                {
                    "version": note.version,
                    "date": note.date,
                    "html": Markup(render_body(note.text, setting)),  # noqa: S704 - sanitised
                }
                for note in group.notes
            ],
        }
        for group in notes.groups
    ]
    span = f"after {notes.start}" if notes.start else "from the beginning"
    span += f", up to {notes.end}" if notes.end else ", to the newest"
    return _page(
        "notes.html",
        mark="notes",
        heading=f"{document.package.name}: {span}",
        package=document.package,
        range=span,
        notes=notes,
        groups=groups,
    )


def _told(document: Document) -> list[_Told]:
    """The releases, the newest first, rendered."""
    return list(_telling(document))


def _telling(document: Document) -> Iterator[_Told]:
    listed = newest_first(document.releases)
    # Counted from the oldest on, so that a new release does not rename one before it.
    names = slugs([release.version for release in reversed(listed)])[::-1]
    setting = setting_of(document)
    formatted = lines = 0
    for number, (release, slug) in enumerate(zip(listed, names, strict=True)):
        formatted += len(release.body)
        lines += release.body.count("\n")
        small = formatted <= _MOST_FORMATTED and lines <= _MOST_FORMATTED_LINES
        markup = setting.markup if small else "plain"
        own = replace(setting, prefix=f"c:{slug}:", markup=markup)
        yield _Told(
            version=release.version,
            date=release.date,
            yanked=release.yanked,
            unreleased=release.unreleased,
            prerelease=release.prerelease,
            kinds=_kinds(release),
            url=web_address(release.url),
            anchor=f"v-{slug}",
            slug=slug,
            page=f"{RELEASES}/{slug}.html" if number < MOST_PAGES else None,
            html=Markup(render_body(release.body, own)),  # noqa: S704 - sanitised
        )


def _kinds(release: ReleaseEntry) -> tuple[str, ...]:
    found = {section.kind for section in release.sections}
    return tuple(kind for kind in _LISTED_KINDS if kind in found)


def _repository(document: Document) -> str | None:
    repository = document.package.repository
    forge = forge_of(repository)
    return forge.root if forge else web_address(repository)


def _place(document: Document) -> Mapping[str, str | None] | None:
    place = document.place
    if place is None:
        return None
    if place.how == "archive":
        words = f"in the published archive ({place.filename})"
    elif place.how == "description":
        words = "in the package's description"
    else:
        words = f"by {place.how}" if place.filename is None else f"in {place.filename}"
    return {"url": web_address(place.url), "filename": place.filename, "words": words}


def _quoted(folder: str) -> str:
    return quote(folder, safe="/@!~")


_LOADER = PackageLoader("ventil.changelog.render")


@cache
def _environment() -> Environment:
    return Environment(
        loader=_LOADER,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _source(name: str) -> str:
    return _LOADER.get_source(_environment(), name)[0]


@cache
def _style() -> tuple[Markup, str]:
    """The style sheet, and its hash for the Content-Security-Policy."""
    text = _source("style.css").strip()
    hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{hashed}"  # noqa: S704 - ours


@cache
def _revision() -> str:
    """Changes whenever the templates do."""
    texts = [_source(name) for name in _LOADER.list_templates()]
    return hashlib.sha256("\0".join([_REVISION, *texts]).encode()).hexdigest()


def _page(template: str, **values: Any) -> bytes:
    style, hashed = _style()
    text = (
        _environment().get_template(template).render(style=style, style_hash=hashed, **values)
    )
    return (text + "\n").encode("utf-8", "replace")
