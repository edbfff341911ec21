"""A site of changelogs: a folder per package, an index, a feed of the newest releases.

::

    SITE/index.html, page-2.html ...        all packages
    SITE/recent.atom                        the newest releases of all
    SITE/npm/@acme/pot/changelog.json       the document
                       index.html           its releases
                       feed.atom            those with a date
                       releases/1.2.0.html  each

Every file is written to a temporary one beside its place and renamed: a reader sees the old
one or the new one. In a package's folder `changelog.json` comes last, so that a folder whose
making was cut short is made again. What has not changed is not written again. What failed
never takes the place of what was good: the old releases stay and are marked as carried.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident

import msgspec

from ventil.changelog.document import Document, decode, digest
from ventil.changelog.render.addresses import folder_of
from ventil.changelog.render.feed import MOST_ENTRIES, FeedEntry, entries_in_feed
from ventil.changelog.render.pages import (
    DOCUMENT,
    FEED,
    INDEX,
    RELEASES,
    Site,
    Summary,
    mark_of,
    package_files,
    site_feed,
    site_page,
    summary_of,
)
from ventil.crashpoint import crashpoint
from ventil.errors import OutputError, PublishError
from ventil.publish.replacing import create

PER_PAGE = 500
"""Packages on one page of the index."""

_LARGEST = 256 * 1024 * 1024  # bytes of a document that is read back
_LARGEST_FEED = 16 * 1024 * 1024
_RECENT = 5  # releases of one package in the feed of all
_HEAD = 2_000  # bytes of a page in which its mark stands
_MARK = re.compile(rb'<meta name="generator" content="ventil ([0-9a-f]{32})">')
_TEMPORARY = ".part"
_AT_ONCE = 16  # pages of one package that are written side by side


@dataclass(frozen=True, slots=True)
class Written:
    """What writing a package or an index did: files written, left as they were, removed."""

    written: int = 0
    kept: int = 0
    removed: int = 0


def check_site(folder: Path) -> None:
    """Make the site's folder, or raise `OutputError` when it could not be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{os.getpid()}{_TEMPORARY}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return
        raise OutputError(
            f"cannot write to the folder {folder}: {error.strerror}",
            hint="choose another with -o",
        ) from error


def stored(folder: Path, ecosystem: str, name: str) -> Document | None:
    """The published document of a package; None when there is none that can be read."""
    return _read(folder / folder_of(ecosystem, name) / DOCUMENT)


def is_current(folder: Path, document: Document, site: Site) -> bool:
    """Whether the site has this document's pages already, made by these templates."""
    place = _place(folder, document)
    try:
        with open(place / INDEX, "rb") as file:
            mark = _MARK.search(file.read(_HEAD))
    except OSError:
        return False
    return (
        mark is not None
        and mark[1].decode() == mark_of(document, site)
        and (place / DOCUMENT).is_file()
    )


def to_publish(folder: Path, document: Document) -> Document:
    """The document that should stand in the site when *document* is what was found last.

    That is *document*, except when it failed and something good stands there: then that,
    marked as carried, with the reason of the failure.
    """
    if document.status != "failed":
        return document
    package = document.package
    old = stored(folder, package.ecosystem, package.name)
    if old is None or not old.releases:
        return document
    return msgspec.structs.replace(
        old, status="carried", why=document.why, tried=document.tried
    )


def publish_package(
    folder: Path, document: Document, site: Site, files: Mapping[str, bytes] | None = None
) -> Written:
    """Write a package's folder. Raises `PublishError`.

    *files* are what `package_files` gave for what `to_publish` gives, made elsewhere (in a
    process with limits, say); None: they are made here when they are needed.
    """
    document = to_publish(folder, document)
    if is_current(folder, document, site):
        return Written(kept=1)
    if files is None:
        files = package_files(document, site)
    place = _place(folder, document)
    try:
        (place / RELEASES).mkdir(parents=True, exist_ok=True)
        pages = [name for name in files if name.startswith(f"{RELEASES}/")]
        others = sorted(set(files).difference(pages), key=_last_document)
        # Side by side, for each waits for the disk: they share its flushes.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            done = list(pool.map(lambda name: _put(_inside(place, name), files[name]), pages))
        done += [_put(_inside(place, name), files[name]) for name in others]
        written, kept = done.count(True), done.count(False)
        removed = _sweep(place, files)
    except OSError as error:
        raise PublishError(
            f"cannot write {place}: {error.strerror or error}",
            hint="free some space or mend the folder and give the same command again: "
            "what was fetched is in the ledger",
        ) from error
    return Written(written, kept, removed)


def publish_index(folder: Path, site: Site) -> Written:
    """Write the site's index and its feed from the documents that stand in it.

    Documents are read one at a time; of each a line is kept. What strangers wrote is not
    rendered here: notes are taken from the packages' own feeds. Raises `PublishError`.
    """
    summaries: list[Summary] = []
    newest: list[tuple[str, str, int, FeedEntry]] = []
    for document in documents(folder):
        summary = summary_of(document)
        summaries.append(summary)
        for entry in _recent(folder, summary.folder, site):
            item = (entry.date.isoformat(), entry.subject, len(summaries), entry)
            if len(newest) < MOST_ENTRIES:
                heapq.heappush(newest, item)
            elif item[:2] > newest[0][:2]:
                heapq.heapreplace(newest, item)
    summaries.sort(key=lambda s: (s.name.lower(), s.ecosystem))
    pages = max(1, -(-len(summaries) // PER_PAGE))
    releases = sum(s.count for s in summaries)
    written = kept = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for page in range(pages, 0, -1):  # the first last: it leads to the others
            data = site_page(
                summaries[(page - 1) * PER_PAGE : page * PER_PAGE],
                site,
                page=page,
                pages=pages,
                packages=len(summaries),
                releases=releases,
            )
            changed = _put(folder / (INDEX if page == 1 else f"page-{page}.html"), data)
            written, kept = written + changed, kept + (not changed)
        feed = site_feed([entry for *_, entry in newest], site)
        if feed is not None:
            changed = _put(folder / "recent.atom", feed)
            written, kept = written + changed, kept + (not changed)
        removed = 0
        for path in folder.glob("page-*.html"):
            number_text = path.stem.removeprefix("page-")
            if number_text.isdecimal() and int(number_text) > pages:
                path.unlink()
                removed += 1
    except OSError as error:
        raise PublishError(
            f"cannot write the index in {folder}: {error.strerror or error}"
        ) from error
    return Written(written, kept, removed)


def _recent(folder: Path, package: str, site: Site) -> list[FeedEntry]:
    """The newest entries of a package's feed; none when it has none that can be read."""
    path = folder / package / FEED
    try:
        if path.stat().st_size > _LARGEST_FEED:
            return []
        return entries_in_feed(path.read_bytes(), package, site.root, _RECENT)
    except (OSError, ValueError):
        return []


def documents(folder: Path) -> Iterator[Document]:
    """The documents of a site, by the names of their folders; unreadable ones are left out."""
    for ecosystem in _folders(folder):
        for package in _folders(ecosystem):
            below = _folders(package) if package.name.startswith("@") else [package]
            for place in below:
                document = _read(place / DOCUMENT)
                if document is not None:
                    yield document


def same(one: Document, other: Document) -> bool:
    """Whether two documents say the same, whenever they were fetched."""
    return digest(one) == digest(other)


def _place(folder: Path, document: Document) -> Path:
    return folder / folder_of(document.package.ecosystem, document.package.name)


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            names = sorted(e.name for e in found if e.is_dir(follow_symlinks=False))
    except OSError:
        return []
    return [folder / name for name in names]


def _inside(place: Path, name: str) -> Path:
    """The path of a file that was rendered elsewhere; never one outside of *place*."""
    parts = name.split("/")
    if (
        not 1 <= len(parts) <= 2
        or (len(parts) == 2 and parts[0] != RELEASES)
        or not all(re.fullmatch(r"[a-z0-9~!_.-]{1,160}", part) for part in parts)
        or any(part.startswith(".") for part in parts)
    ):
        raise PublishError(f"a page has the name {name!r:.100}, which no page of ours has")
    return place.joinpath(*parts)


def _last_document(name: str) -> tuple[int, str]:
    return (2 if name == DOCUMENT else 1 if name == INDEX else 0, name)


def _put(path: Path, data: bytes) -> bool:
    """Write *data* as *path* in one step, unless it stands there already."""
    with contextlib.suppress(OSError):
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
    temporary = path.with_name(f".{os.getpid()}.{get_ident()}{_TEMPORARY}")
    try:
        with open(create(temporary), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        crashpoint("artefact.written")
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True


def _sweep(place: Path, files: Mapping[str, bytes]) -> int:
    """Take away pages of releases that are no more, and what killed processes left."""
    removed = 0
    for folder, prefix in ((place / RELEASES, f"{RELEASES}/"), (place, "")):
        with os.scandir(folder) as found:
            names = [e.name for e in found if e.is_file(follow_symlinks=False)]
        for name in names:
            stale = prefix and name.endswith(".html") and prefix + name not in files
            stale = stale or (name == FEED and not prefix and FEED not in files)
            if stale or name.endswith(_TEMPORARY):
                (folder / name).unlink()
                removed += 1
    return removed


def _read(path: Path) -> Document | None:
    try:
        if path.stat().st_size > _LARGEST:
            return None
        return decode(path.read_bytes())
    except (OSError, ValueError):
        return None
